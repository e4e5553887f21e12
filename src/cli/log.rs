//! `reg log`.

use reg::hash::Id;
use reg::records::Event;
use serde_json::json;

use super::Context;
use super::error::Failure;
use super::output::Reply;

/// Show which names changed when, newest first
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The changes of one name only
    name: Option<String>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let log = registry.view()?.log()?;
    let mut lines = Vec::new();
    let mut events = Vec::new();
    for id in log.into_iter().rev() {
        let event: Event = registry.get(Id::new(id))?;
        let wanted = |name: &str| args.name.as_deref().is_none_or(|wanted| wanted == name);
        let changes: Vec<_> = event.names.iter().filter(|change| wanted(&change.name)).collect();
        for change in &changes {
            let to = change.to.map_or("removed".to_owned(), |id| id.short());
            let from = change.from.map(|id| format!(", was {}", id.short())).unwrap_or_default();
            lines.push(format!(
                "{:>4} {} {} {to}{from}  ({})",
                event.seq, event.time, change.name, event.command
            ));
        }
        if !changes.is_empty() {
            events.push(json!({
                "id": id, "seq": event.seq, "time": event.time, "command": event.command, "names": changes,
            }));
        }
    }
    Ok(Reply::new(lines.join("\n"), json!({ "events": events })))
}
