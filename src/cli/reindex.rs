//! `reg reindex`.

use serde_json::json;

use super::Context;
use super::error::Failure;
use super::output::{NO, Reply};

/// Rebuild the index from the objects, with names and their log
#[derive(clap::Args)]
pub(crate) struct ReindexArgs {}

pub(crate) fn run(context: &Context, _: ReindexArgs) -> Result<Reply, Failure> {
    let r = context.registry()?.reindex(&context.progress())?;
    let left_out = |id| format!("object {id} is damaged and was left out; run `reg verify` for details");
    let mut lines: Vec<String> = r.damaged.iter().map(left_out).collect();
    lines.extend(r.missing.iter().map(|id| format!("object {id} is named and is missing")));
    lines.extend(r.breaks.iter().cloned());
    lines.push(format!(
        "{} objects: {} records, {} names, {} log entries",
        r.objects, r.records, r.names, r.log
    ));
    let json = json!({
        "objects": r.objects, "records": r.records, "names": r.names, "log": r.log,
        "damaged": r.damaged, "missing": r.missing, "breaks": r.breaks,
    });
    let reply = Reply::new(lines.join("\n"), json);
    Ok(if r.is_whole() { reply } else { reply.with_code(NO) })
}
