//! `reg doctor`.

use reg::doctor::{self, Check, Status};
use reg::registry::RegistryError;
use serde_json::json;

use super::output::{NO, Reply};
use super::{Context, environment};

/// Diagnose problems of the registry, the disk and libtorch, and suggest fixes
#[derive(clap::Args)]
pub(crate) struct DoctorArgs {}

pub(crate) fn run(context: &Context, _: DoctorArgs) -> Reply {
    let (mut checks, folder) = match context.registry() {
        Ok(registry) => (doctor::registry(&registry), registry.root().to_owned()),
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
