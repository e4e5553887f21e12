//! `reg gc`.

use std::collections::BTreeMap;

use reg::digits::counted;
use reg::registry::{Garbage, GarbageKind};
use serde_json::json;

use super::error::Failure;
use super::output::{Reply, plural};
use super::{Context, environment};

/// Remove unneeded objects: objects that no name, result, interrupted training or recent log entry uses
///
/// Runs, predictions, tables and executions are always kept, named or not, with all their dependencies, unless
/// `reg rm` has removed them.
#[derive(clap::Args)]
pub(crate) struct GcArgs {
    /// Print what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Also keep objects that were added in the last DAYS days, or whose names changed in that time. Records that `reg
    /// rm` removed are freed at once
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    keep_days: u32,
}

pub(crate) fn run(context: &Context, args: GcArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let cutoff = environment::days_ago(args.keep_days);
    let swept = registry.gc(&cutoff, args.dry_run, &context.progress())?;

    let mut lines: Vec<String> = Vec::new();
    let mut by_kind: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for Garbage { id, kind, bytes } in &swept.removed {
        let (objects, sum) = by_kind.entry(kind.to_string()).or_default();
        (*objects, *sum) = (*objects + 1, *sum + bytes);
        if let GarbageKind::Record(_) = kind {
            lines.push(format!("{kind} {}", id.short()));
        }
    }
    let sum = |kinds: &BTreeMap<String, (u64, u64)>| {
        kinds.values().fold((0, 0), |sum, kind| (sum.0 + kind.0, sum.1 + kind.1))
    };
    let (objects, bytes) = sum(&by_kind);
    let amount =
        |(objects, bytes): (u64, u64)| format!("{}, {}", counted(objects, "object"), counted(bytes, "byte"));
    for kind in [GarbageKind::Blob, GarbageKind::Packed] {
        let found = by_kind.get(&kind.to_string());
        lines.extend(found.map(|found| format!("{kind}s: {}", amount(*found))));
    }
    let finished = swept.finished.len();
    if finished > 0 {
        let folders = counted(finished as u64, "working folder");
        lines.push(format!("{folders} of finished or failed trainings"));
    }
    let verb = if args.dry_run { "would remove" } else { "removed" };
    lines.push(format!("{verb} {}; {} stay", amount((objects, bytes)), amount(swept.kept)));
    if swept.young.0 > 0 {
        lines.push(format!(
            "of these, {} are kept only because they were added in the last {}",
            amount(swept.young),
            plural(args.keep_days as usize, "day")
        ));
    }
    let total = |(objects, bytes): (u64, u64)| json!({ "objects": objects, "bytes": bytes });
    let each = |g: &Garbage| json!({ "id": g.id, "kind": g.kind.to_string(), "bytes": g.bytes });
    let json = json!({
        "dry_run": args.dry_run,
        "removed": total((objects, bytes)),
        "kept": total(swept.kept),
        "young": total(swept.young),
        "finished": swept.finished,
        "objects": swept.removed.iter().map(each).collect::<Vec<_>>(),
    });
    Ok(Reply::new(lines.join("\n"), json))
}
