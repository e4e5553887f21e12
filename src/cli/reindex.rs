//! `reg reindex`.

use reg::digits::{counted, thousands};
use serde_json::json;

use super::Context;
use super::error::Failure;
use super::output::{NO, Reply};

/// Rebuild the index from the objects, including the names and their log
#[derive(clap::Args)]
pub(crate) struct ReindexArgs {
    /// Also give the registry a new id, so that a copy counts as a separate registry
    #[arg(long)]
    new_id: bool,
}

pub(crate) fn run(context: &Context, args: ReindexArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let r = registry.reindex(&context.progress())?;
    let new_id = match r.new_id {
        None if args.new_id => Some(registry.renew_id()?),
        ref given => given.clone(),
    };
    let left_out = |id| format!("object {id} is damaged and was left out; run `reg verify` for details");
    let mut lines: Vec<String> = r.damaged.iter().map(left_out).collect();
    lines.extend(r.missing.iter().map(|id| format!("object {id} has a name but is missing")));
    lines.extend(r.breaks.iter().cloned());
    lines.extend(new_id.iter().map(|id| format!("new id of the registry: {id}")));
    let entries = if r.log == 1 { "entry" } else { "entries" };
    lines.push(format!(
        "{}: {}, {}, {} log {entries}",
        counted(r.objects, "object"),
        counted(r.records, "record"),
        counted(r.names, "name"),
        thousands(r.log)
    ));
    let json = json!({
        "objects": r.objects, "records": r.records, "names": r.names, "log": r.log,
        "damaged": r.damaged, "missing": r.missing, "breaks": r.breaks, "new_id": new_id,
    });
    let reply = Reply::new(lines.join("\n"), json);
    Ok(if r.is_whole() { reply } else { reply.with_code(NO) })
}
