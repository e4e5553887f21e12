//! `reg note`.

use reg::hash::{Hash, Id};
use reg::records::{Kind, Note, Record};
use serde_json::{Value, json};

use super::error::Failure;
use super::output::Reply;
use super::{Context, complete};

/// Write a note about a record, or print its newest one
///
/// A note is plain text of at most 16 KiB. A new note replaces the previous one, which stays in the registry; an empty
/// text removes the note. Notes are kept by `reg gc` and copied by `reg push` and `reg pull` together with their
/// records.
#[derive(clap::Args)]
pub(crate) struct NoteArgs {
    /// Name or id of a run, split, data set, table or other record
    #[arg(add = complete::anything())]
    id: String,
    /// Text of the note; without it, the newest note is printed
    text: Option<String>,
}

pub(crate) fn run(context: &Context, args: NoteArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let view = registry.view()?;
    let about = registry.resolve(&view, &args.id)?;
    match view.kind(&about)? {
        Some(Kind::Note) | None => {
            let hint = "give a run, split, data set, table or other record; `reg list` shows them";
            return Err(Failure::new(
                format!("`{}` is not a record to write about", args.id),
                Some(hint.into()),
            ));
        }
        Some(_) => {}
    }
    let Some(text) = args.text else {
        let found = registry.note(&view, &about)?;
        let text = found
            .as_ref()
            .map_or_else(|| format!("no note about {}", args.id), |(_, note)| note.text.clone());
        return Ok(Reply::new(text, answer(about, found)));
    };
    let last = registry.last_note(&view, &about)?;
    drop(view);
    let stamp = &context.environment.stamp;
    let same = last.as_ref().is_some_and(|(_, note)| note.text == text) || last.is_none() && text.is_empty();
    let (id, note) = match (same, last) {
        (true, None) => return Ok(Reply::new(format!("no note about {}", args.id), answer(about, None))),
        (true, Some(last)) => last,
        (false, last) => {
            let note = Note { about, text, time: stamp.time.clone(), prev: last.map(|(id, _)| id) };
            if let Err(why) = note.check() {
                return Err(Failure::new(format!("the note cannot be written: {why}"), None));
            }
            let mut transaction = registry.transaction()?;
            let id = transaction.put(&note)?;
            transaction.commit(stamp)?;
            (id, note)
        }
    };
    let said = if note.text.is_empty() { "removed the note about" } else { "noted about" };
    let json = answer(about, Some((id, note)).filter(|(_, note)| !note.text.is_empty()));
    Ok(Reply::new(format!("{said} {}", args.id), json))
}

fn answer(about: Hash, note: Option<(Id<Note>, Note)>) -> Value {
    json!({ "about": about, "note": note.map(|(id, note)| as_json(id, &note)) })
}

/// A note as part of a JSON document.
pub(super) fn as_json(id: Id<Note>, note: &Note) -> Value {
    json!({ "id": id, "text": note.text, "time": note.time })
}
