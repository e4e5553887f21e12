//! `reg log`.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use reg::escape;
use reg::hash::{Hash, Id};
use reg::records::{Event, Note, RecordedEpoch, Run};
use reg::registry::{Registry, RegistryError};
use reg::training::unfinished;
use serde_json::{Value, json};

use super::error::Failure;
use super::output::{Reply, print_line};
use super::progress::epoch_line;
use super::{Context, complete};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// Show the history of names, newest first, and the epochs and notes of a run
#[derive(clap::Args)]
pub(crate) struct LogArgs {
    /// Show only the changes of this name and the notes about its records; of a run or training, also the epochs
    #[arg(add = complete::anything())]
    name: Option<String>,
    /// Keep printing new changes and epochs of running trainings; with a name, until its training ends
    #[arg(short, long)]
    follow: bool,
}

pub(crate) fn run(context: &Context, args: LogArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    if args.follow {
        if context.global.json {
            return Err(Failure::usage(
                "`reg log --follow` cannot be combined with --json: it does not end with one JSON document",
            ));
        }
        return follow(&registry, args.name.as_deref());
    }
    let log = registry.view()?.log()?;
    let mut lines = Vec::new();
    let mut events = Vec::new();
    for id in log.into_iter().rev() {
        let event: Event = registry.get(Id::new(id))?;
        let changes = changes(&event, args.name.as_deref());
        if !changes.is_empty() {
            lines.extend(changes);
            events.push(document(id, &event, args.name.as_deref()));
        }
    }
    let mut reply = json!({ "events": events });
    if let Some(epochs) = args.name.as_deref().map(|name| epochs(&registry, name)).transpose()?.flatten() {
        lines.extend(epochs.iter().map(epoch_line));
        reply["epochs"] = json!(epochs);
    }
    if let Some(name) = &args.name {
        let notes = notes(&registry, name)?;
        if !notes.is_empty() {
            lines.extend(notes.iter().map(|(_, note)| note_line(note)));
            reply["notes"] =
                notes.iter().map(|(id, note)| super::note::as_json(*id, note)).collect::<Vec<_>>().into();
        }
    }
    Ok(Reply::new(lines.join("\n"), reply))
}

/// All notes about what has a name, newest first.
fn notes(registry: &Registry, name: &str) -> Result<Vec<(Id<Note>, Note)>, Failure> {
    let view = registry.view()?;
    let Ok(id) = registry.resolve(&view, name) else { return Ok(Vec::new()) };
    let mut notes = registry.referring::<Note>(&view, &id)?;
    notes.retain(|(_, note)| note.about == id);
    notes.sort_by(|(a, one), (b, other)| (&other.time, b.hash).cmp(&(&one.time, a.hash)));
    Ok(notes)
}

fn note_line(note: &Note) -> String {
    match note.text.is_empty() {
        true => format!("note {} removed", note.time),
        false => format!("note {} {}", note.time, escape::line(&note.text)),
    }
}

/// A line a change of a name.
fn changes(event: &Event, wanted: Option<&str>) -> Vec<String> {
    let wanted = |name: &str| wanted.is_none_or(|wanted| wanted == name);
    let line = |change: &reg::records::NameChange| {
        let to = change.to.map_or("removed".to_owned(), |id| id.short());
        let from = change.from.map(|id| format!(", was {}", id.short())).unwrap_or_default();
        let [time, name, command] =
            [&event.time, &change.name, &event.command].map(|text| escape::line(text));
        format!("{:>4} {time} {name} {to}{from}  ({command})", event.seq)
    };
    event.names.iter().filter(|change| wanted(&change.name)).map(line).collect()
}

fn document(id: Hash, event: &Event, wanted: Option<&str>) -> Value {
    let names: Vec<_> =
        event.names.iter().filter(|change| wanted.is_none_or(|wanted| wanted == change.name)).collect();
    json!({ "id": id, "seq": event.seq, "time": event.time, "command": event.command, "names": names })
}

/// The epochs of an unfinished training or of a run; `None` for anything else.
fn epochs(registry: &Registry, name: &str) -> Result<Option<Vec<RecordedEpoch>>, Failure> {
    if let Some(unfinished) = unfinished::find(registry, name) {
        let epochs = unfinished.status.map(|status| status.epochs);
        return Ok(epochs.map(|epochs| epochs.into_iter().map(RecordedEpoch::from).collect()));
    }
    let run = match registry.resolve_as::<Run>(&registry.view()?, name) {
        Ok(run) => registry.get(run)?,
        Err(
            RegistryError::Unknown { .. } | RegistryError::Removed { .. } | RegistryError::WrongKind { .. },
        ) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    Ok(Some(registry.epochs(&run)?))
}

/// Prints what happens from now on.
fn follow(registry: &Registry, name: Option<&str>) -> Result<Reply, Failure> {
    let mut seen = match name {
        Some(_) => 0,
        None => registry.view()?.log()?.len(),
    };
    let mut told: HashMap<String, usize> = HashMap::new();
    let mut reads = true;
    loop {
        let trainings: Vec<_> = unfinished::all(registry)
            .into_iter()
            .filter(|unfinished| name.is_none_or(|name| unfinished.announcement.name == name))
            .collect();
        for unfinished in &trainings {
            let of = &unfinished.announcement.name;
            let epochs = unfinished.status.as_ref().map(|status| &status.epochs[..]).unwrap_or_default();
            let told = told.entry(of.clone()).or_default();
            for epoch in epochs.get(*told..).unwrap_or_default() {
                reads &= print_line(&format!("{of}: {}", epoch_line(&epoch.clone().into())))?;
            }
            *told = epochs.len();
        }
        let log = registry.view()?.log()?;
        for id in log.get(seen..).unwrap_or_default() {
            for line in changes(&registry.get(Id::new(*id))?, name) {
                reads &= print_line(&line)?;
            }
        }
        seen = log.len();
        let over = name.is_some() && trainings.iter().all(|unfinished| unfinished.pid.is_none());
        if over || !reads {
            return Ok(Reply::new("", Value::Null));
        }
        thread::sleep(PAUSE);
    }
}
