//! `reg doctor`.

use std::ffi::{OsStr, OsString};

use reg::digits::thousands;
use reg::doctor::{self, Check, Status};
use reg::escape;
use reg::registry::{Registry, RegistryError};
use reg::remote::{Address, Age, age};
use serde_json::json;

use super::output::{NO, Reply, entries};
use super::{Context, environment};

/// Diagnose problems of the registry, the disk and libtorch, and suggest fixes
#[derive(clap::Args)]
pub(crate) struct DoctorArgs {
    /// Also check whether this registry is older than its last push to a remote (a registry, folder or
    /// bucket)
    #[arg(long, value_name = "REMOTE")]
    remote: Option<OsString>,
}

/// Whether the registry is older than at its last push to a remote.
fn against(registry: &Registry, remote: &OsStr) -> Check {
    let check =
        |status, message: String, hint: Option<String>| Check { section: "registry", status, message, hint };
    let address = Address::of(remote);
    let word = address.as_ref().map_or_else(|_| escape::shell_os(remote), Address::word);
    let age = address.and_then(|address| age(registry, &address));
    let remote = remote.to_string_lossy();
    match age {
        Ok(Age::Current(entries)) => check(
            Status::Ok,
            format!(
                "not an older copy: it has log entry {} of the last push to {remote}",
                thousands(entries)
            ),
            None,
        ),
        Ok(Age::Older { then, now }) => check(
            Status::Bad,
            format!(
                "an older copy: at the last push to {remote} the log had {}; now it has {}, or different entries",
                entries(then),
                thousands(now)
            ),
            Some(format!(
                "restore a newer backup, or `reg pull {}` for what was pushed; to keep this copy as a registry of \
                 its own: `reg reindex --new-id`",
                word
            )),
        ),
        Ok(Age::Unknown) => check(
            Status::Note,
            format!("{remote} does not know this registry"),
            Some(format!(
                "after `reg push {word}`, the remote can tell whether this registry is an older copy"
            )),
        ),
        Err(e) => check(Status::Bad, format!("cannot read {remote}: {e}"), None),
    }
}

pub(crate) fn run(context: &Context, args: DoctorArgs) -> Reply {
    let (mut checks, folder) = match context.registry() {
        Ok(registry) => {
            let mut checks = doctor::registry(&registry);
            checks.extend(args.remote.map(|remote| against(&registry, &remote)));
            (checks, registry.root().to_owned())
        }
        Err(e) => {
            let message = e.to_string();
            let hint = match e {
                RegistryError::NewerFormat { .. } => "install a newer reg",
                _ => "create one here with `reg init`, or name another with --registry DIR or REG_REGISTRY",
            };
            let none =
                Check { section: "registry", status: Status::Bad, message, hint: Some(hint.to_owned()) };
            (vec![none], ".".into())
        }
    };
    checks.extend(doctor::disk(&folder));
    checks.extend(doctor::worker(environment::cores()));

    let mut lines = Vec::new();
    for section in checks.chunk_by(|a, b| a.section == b.section) {
        lines.push(section[0].section.to_owned());
        for check in section {
            let mark = match check.status {
                Status::Ok => "  ok  ",
                Status::Note => "  note",
                Status::Bad => "  BAD ",
            };
            lines.push(format!("{mark}  {}", check.message));
            lines.extend(check.hint.iter().map(|hint| format!("        -> {hint}")));
        }
    }
    let bad = checks.iter().filter(|check| check.status == Status::Bad).count();
    lines.push(match bad {
        0 => "no problem found; `reg verify` also hashes every object".to_owned(),
        1 => "1 problem".to_owned(),
        _ => format!("{bad} problems"),
    });
    let reply = Reply::new(lines.join("\n"), json!({ "checks": checks, "bad": bad }));
    if bad == 0 { reply } else { reply.with_code(NO) }
}
