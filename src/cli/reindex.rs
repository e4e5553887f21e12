//! `reg reindex`.

use serde_json::json;

use super::Context;
use super::error::Failure;
use super::output::{NO, Reply};

/// Build the index anew from the objects; names and their log come back too
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(context: &Context, _: Args) -> Result<Reply, Failure> {
    let r = context.registry()?.reindex()?;
    let mut lines: Vec<String> = r
        .damaged
        .iter()
        .map(|id| format!("object {id} is damaged and was left out; `reg verify` says more"))
        .collect();
    lines.push(format!(
        "{} objects: {} records, {} names, {} log entries",
        r.objects, r.records, r.names, r.log
    ));
    let sound = r.damaged.is_empty();
    let json = json!({
        "objects": r.objects, "records": r.records, "names": r.names, "log": r.log, "damaged": r.damaged,
    });
    let reply = Reply::new(lines.join("\n"), json);
    Ok(if sound { reply } else { reply.with_code(NO) })
}
