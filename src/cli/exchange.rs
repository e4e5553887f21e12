//! `reg push` and `reg pull`.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use reg::hash::Hash;
use reg::registry::Withdrawn;
use reg::remote::{Address, Exchanged, Job, RemoteError, Request, pull, push};
use reg::report::thousands;
use serde_json::json;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use super::Context;
use super::error::Failure;
use super::output::{NO, Reply};

/// Give another registry, a folder or an S3 bucket what it lacks; exit code 3 if a name names something else there
///
/// REMOTE is a registry, or a folder or s3://BUCKET/PREFIX that holds or shall hold a remote. Without IDs, all that
/// has a name or is a result travels, with all that it depends on. Each object is hashed on its way.
#[derive(clap::Args)]
#[command(after_long_help = S3)]
pub(crate) struct PushArgs {
    #[command(flatten)]
    exchange: Args,
}

/// Take from another registry, a folder or an S3 bucket what is lacking here; exit code 3 if a name names
/// something else here
///
/// REMOTE is a registry, or a folder or s3://BUCKET/PREFIX that `reg push` filled. Without IDs, all that
/// has a name or is a result travels, with all that it depends on. Each object is hashed when it arrives.
#[derive(clap::Args)]
#[command(after_long_help = S3)]
pub(crate) struct PullArgs {
    #[command(flatten)]
    exchange: Args,
}

const S3: &str = "For s3:// the environment says who asks and where: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, \
AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL for another store than Amazon's, and AWS_ALLOW_HTTP=true if that \
has no TLS. What ssh reaches can be mounted with sshfs.";

#[derive(clap::Args)]
struct Args {
    /// The other side
    #[arg(value_name = "REMOTE")]
    remote: String,
    /// Names or ids on the side that gives: these, all that they depend on, and the results of runs among it
    ids: Vec<String>,
    /// Say what would travel, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Names that name something else on the side that takes are moved; its log keeps what they named
    #[arg(long)]
    move_names: bool,
}

pub(crate) fn run_push(context: &Context, args: PushArgs) -> Result<Reply, Failure> {
    run(context, args.exchange, true)
}

pub(crate) fn run_pull(context: &Context, args: PullArgs) -> Result<Reply, Failure> {
    run(context, args.exchange, false)
}

fn run(context: &Context, args: Args, pushes: bool) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let address: Address = args.remote.parse()?;
    let request = Request { ids: args.ids, move_names: args.move_names, dry_run: args.dry_run };
    let (stop, progress) = (stop_on_signals(), context.progress());
    let job = Job { stamp: &context.surroundings.stamp, progress: &progress, stop: &stop };
    let exchange = if pushes { push } else { pull };
    let before = registry.withdrawn(&registry.view()?)?;
    let done = exchange(&registry, &address, &request, job)?;

    if !request.dry_run && !pushes && done.kinds.contains_key("withdrawal") {
        heard(context, &before, &registry.withdrawn(&registry.view()?)?);
    }
    let reply = Reply::new(describe(&done, &address, &request, pushes), document(&done, &address, &request));
    if done.names.conflicts.is_empty() {
        return Ok(reply);
    }
    context.note("hint: --move-names lets them name what they name on the side that gives");
    Ok(reply.with_code(NO))
}

/// Says which withdrawals came along, and which were taken back.
fn heard(context: &Context, before: &Withdrawn, now: &Withdrawn) {
    let only = |these: &Withdrawn, those: &Withdrawn| -> Vec<String> {
        let known: HashSet<Hash> = those.holding().map(|(id, _)| id.hash).collect();
        let new = these.holding().filter(|(id, _)| !known.contains(&id.hash));
        new.map(|(_, record)| record.subject.to_string()).collect()
    };
    let (came, back) = (only(now, before), only(before, now));
    if !came.is_empty() {
        context.note(&format!(
            "note: withdrawals came along, {} in number (`reg list withdrawal`): what they cover is marked from now on, \
             and its bytes stay until `reg withdraw … --purge` here",
            came.len()
        ));
    }
    if !back.is_empty() {
        let verb = if back.len() == 1 { "a withdrawal was" } else { "withdrawals were" };
        context.note(&format!(
            "note: {verb} taken back, of {}: what no other covers is not marked any more",
            back.join(", ")
        ));
    }
    if came.is_empty() && back.is_empty() {
        context.note("note: withdrawals came along that had been taken back: nothing more is marked by them");
    }
}

/// Raised by the first signal, so that what is on its way comes to an end; the second ends the program.
fn stop_on_signals() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // Without it the signal ends the program at once, which harms nothing.
        let _ = flag::register_conditional_default(signal, Arc::clone(&stop));
        let _ = flag::register(signal, Arc::clone(&stop));
    }
    stop
}

fn describe(done: &Exchanged, address: &Address, request: &Request, pushes: bool) -> String {
    let (verb, preposition) = match (request.dry_run, pushes) {
        (false, true) => ("sent", "to"),
        (false, false) => ("took", "from"),
        (true, true) => ("would send", "to"),
        (true, false) => ("would take", "from"),
    };
    let mut lines = Vec::new();
    if request.dry_run {
        let each = done.kinds.iter().map(|(kind, (objects, bytes))| {
            format!("{kind}: {} objects, {} bytes", thousands(*objects), thousands(*bytes))
        });
        lines.extend(each);
    }
    let packs = match done.packs {
        0 => String::new(),
        packs => format!(" in {} packs", thousands(packs)),
    };
    lines.push(format!(
        "{verb} {} objects, {} bytes{packs} {preposition} {address}; {} were there",
        thousands(done.objects),
        thousands(done.bytes),
        thousands(done.skipped),
    ));
    if done.purged > 0 {
        lines.push(format!("{} images were purged, and do not travel", thousands(done.purged)));
    }
    let names = &done.names;
    let mut counts = vec![format!("{} new", names.added), format!("{} as they were", names.unchanged)];
    if names.moved > 0 {
        counts.push(format!("{} moved", names.moved));
    }
    lines.push(format!("names: {}", counts.join(", ")));
    lines.extend(names.conflicts.iter().map(|conflict| {
        let (name, local, remote) = (&conflict.name, conflict.local.short(), conflict.remote.short());
        format!("conflict: `{name}` is {local} here and {remote} there, and stays so")
    }));
    lines.join("\n")
}

fn document(done: &Exchanged, address: &Address, request: &Request) -> serde_json::Value {
    let kinds = done
        .kinds
        .iter()
        .map(|(kind, (objects, bytes))| (kind.to_string(), json!({ "objects": objects, "bytes": bytes })));
    json!({
        "remote": address.to_string(),
        "dry_run": request.dry_run,
        "objects": done.objects,
        "bytes": done.bytes,
        "packs": done.packs,
        "skipped": done.skipped,
        "purged": done.purged,
        "kinds": kinds.collect::<serde_json::Map<_, _>>(),
        "names": done.names,
    })
}

impl From<RemoteError> for Failure {
    fn from(e: RemoteError) -> Self {
        match e {
            RemoteError::Registry(e) => e.into(),
            RemoteError::Io { ref source, .. } => Failure::of_io(e.to_string(), source),
            RemoteError::Interrupted => Failure::interrupted(e.to_string(), e.hint()),
            e => Failure::new(e.to_string(), e.hint()),
        }
    }
}
