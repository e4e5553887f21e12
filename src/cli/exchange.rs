//! `reg push` and `reg pull`.

use std::collections::HashSet;
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use reg::digits::{counted, thousands};
use reg::hash::Hash;
use reg::remote::{Address, Age, Exchanged, TransferJob, TransferRequest, pull, push};
use reg::withdrawal::Withdrawn;
use serde_json::json;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use super::error::Failure;
use super::output::{NO, Reply, entries, plural};
use super::{Context, complete};

/// Copy missing objects to another registry, a folder or an S3 bucket; exit code 3 on name conflicts
///
/// REMOTE is a registry, a folder or s3://BUCKET/PREFIX; an empty folder or prefix becomes a remote. Without IDs,
/// push copies every named object and every result, with all dependencies. Each object is hashed while it is copied.
#[derive(clap::Args)]
#[command(after_long_help = S3)]
pub(crate) struct PushArgs {
    #[command(flatten)]
    exchange: ExchangeArgs,
}

/// Copy missing objects from another registry, a folder or an S3 bucket; exit code 3 on conflicts
///
/// REMOTE is a registry, or a folder or s3://BUCKET/PREFIX that `reg push` filled. Without IDs, pull copies every
/// named object and every result, with all dependencies. Each object is hashed on arrival.
#[derive(clap::Args)]
#[command(after_long_help = S3)]
pub(crate) struct PullArgs {
    #[command(flatten)]
    exchange: ExchangeArgs,
    /// Also remove the records that were removed on the sending side; without this option, they are kept and listed
    #[arg(long)]
    accept_removals: bool,
}

const S3: &str = "For s3://, credentials and endpoint come from the environment: AWS_ACCESS_KEY_ID, \
AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL for a store other than Amazon's, and \
AWS_ALLOW_HTTP=true for an endpoint without TLS. Mount a folder behind ssh with sshfs.";

#[derive(clap::Args)]
struct ExchangeArgs {
    /// The other registry, folder or bucket
    #[arg(value_name = "REMOTE")]
    remote: OsString,
    /// Names or ids on the sending side: copy only these objects, their dependencies and, for runs, the results of the
    /// runs
    #[arg(add = complete::anything())]
    ids: Vec<String>,
    /// Print what would be copied, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Move conflicting names on the receiving side; its log keeps the old targets
    #[arg(long)]
    move_names: bool,
}

pub(crate) fn run_push(context: &Context, args: PushArgs) -> Result<Reply, Failure> {
    run(context, args.exchange, true, false)
}

pub(crate) fn run_pull(context: &Context, args: PullArgs) -> Result<Reply, Failure> {
    run(context, args.exchange, false, args.accept_removals)
}

fn run(context: &Context, args: ExchangeArgs, pushes: bool, accept_removals: bool) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let address = Address::of(&args.remote)?;
    let (ids, move_names, dry_run) = (args.ids, args.move_names, args.dry_run);
    let request = TransferRequest { ids, move_names, accept_removals, dry_run };
    let (stop, progress) = (stop_on_signals(), context.progress());
    let job = TransferJob { stamp: &context.environment.stamp, progress: &progress, stop: &stop };
    let exchange = if pushes { push } else { pull };
    let before = Withdrawn::known(&registry, &registry.view()?)?;
    let done = exchange(&registry, &address, &request, job)?;

    if !request.dry_run && !pushes && done.kinds.contains_key("withdrawal") {
        heard(context, &before, &Withdrawn::known(&registry, &registry.view()?)?);
    }
    if let Age::Older { then, now } = done.age {
        context.note(&format!(
            "warning: this registry is an older copy: at its last push to {address} its log had {}, and now it has {}, or different entries; names may be lost, see `reg doctor --remote {}`",
            entries(then),
            thousands(now),
            address.word()
        ));
    }
    let reply = Reply::new(describe(&done, &address, &request, pushes), document(&done, &address, &request));
    if !done.names.conflicts.is_empty() {
        context.note("hint: --move-names moves the conflicting names to the objects of the sending side");
    }
    if !done.not_removed.is_empty() {
        context.note("hint: --accept-removals also removes these records here");
    }
    let agreed = done.names.conflicts.is_empty() && done.not_removed.is_empty();
    Ok(if agreed { reply } else { reply.with_code(NO) })
}

/// Lists the withdrawals that were copied, and which of them are revocations.
fn heard(context: &Context, before: &Withdrawn, now: &Withdrawn) {
    let only = |these: &Withdrawn, those: &Withdrawn| -> Vec<String> {
        let known: HashSet<Hash> = those.holding().map(|(id, _)| id.hash).collect();
        let new = these.holding().filter(|(id, _)| !known.contains(&id.hash));
        new.map(|(_, record)| record.subject.to_string()).collect()
    };
    let (came, back) = (only(now, before), only(before, now));
    if !came.is_empty() {
        context.note(&format!(
            "note: {} arrived (`reg list withdrawal`): the withdrawn data and their results are flagged from now on; the image files stay until you run `reg withdraw PATIENT --reason WHY --purge` here",
            plural(came.len(), "withdrawal")
        ));
    }
    if !back.is_empty() {
        let verb = if back.len() == 1 { "a withdrawal was" } else { "withdrawals were" };
        context.note(&format!(
            "note: {verb} revoked: {}; data without another withdrawal is no longer flagged",
            back.join(", ")
        ));
    }
    if came.is_empty() && back.is_empty() {
        context.note("note: the copied withdrawals had been revoked: they flag nothing");
    }
}

/// Set by the first signal, so that operations in progress are finished; a second signal ends the program.
pub(super) fn stop_on_signals() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // If the handler cannot be installed, a signal ends the program at once, which does no harm.
        let _ = flag::register_conditional_default(signal, Arc::clone(&stop));
        let _ = flag::register(signal, Arc::clone(&stop));
    }
    stop
}

fn describe(done: &Exchanged, address: &Address, request: &TransferRequest, pushes: bool) -> String {
    let (verb, preposition) = match (request.dry_run, pushes) {
        (false, true) => ("sent", "to"),
        (false, false) => ("received", "from"),
        (true, true) => ("would send", "to"),
        (true, false) => ("would receive", "from"),
    };
    let mut lines = Vec::new();
    if request.dry_run {
        let each = done.kinds.iter().map(|(kind, (objects, bytes))| {
            format!("{kind}: {}, {}", counted(*objects, "object"), counted(*bytes, "byte"))
        });
        lines.extend(each);
    }
    let packs = match done.packs {
        0 => String::new(),
        packs => format!(" in {}", counted(packs, "pack")),
    };
    lines.push(format!(
        "{verb} {}, {}{packs} {preposition} {address}; {} {} there",
        counted(done.objects, "object"),
        counted(done.bytes, "byte"),
        thousands(done.skipped),
        if done.skipped == 1 { "was" } else { "were" },
    ));
    if done.removed > 0 {
        lines.push(format!("records removed on the sending side and now here: {}", thousands(done.removed)));
    }
    lines.extend(done.not_removed.iter().map(|record| {
        format!("removed on the sending side, not here: {} ({})", record.called(), record.id.0.short())
    }));
    if done.purged > 0 {
        lines.push(format!("purged images are not copied: {}", thousands(done.purged)));
    }
    let names = &done.names;
    let mut counts = vec![format!("{} new", names.added), format!("{} unchanged", names.unchanged)];
    if names.moved > 0 {
        counts.push(format!("{} moved", names.moved));
    }
    lines.push(format!("names: {}", counts.join(", ")));
    lines.extend(names.conflicts.iter().map(|conflict| {
        let (name, local, remote) = (&conflict.name, conflict.local.short(), conflict.remote.short());
        format!("conflict: `{name}` is {local} here and {remote} there; not moved")
    }));
    lines.join("\n")
}

fn document(done: &Exchanged, address: &Address, request: &TransferRequest) -> serde_json::Value {
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
        "removed": done.removed,
        "not_removed": done.not_removed,
        "kinds": kinds.collect::<serde_json::Map<_, _>>(),
        "names": done.names,
        "older": matches!(done.age, Age::Older { .. }),
    })
}
