//! Documents of the commands that look around and manage names.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::schema;
use crate::hash::{Hash, Id};
use crate::listing::ListedRun;
use crate::records::{NameChange, Note, Removal, RemovedRecord};
use crate::report::show::RelatedRecord;

pub(super) fn add(all: &mut Vec<(&'static str, Value)>) {
    all.push(("list", schema::<Listed>("reg list", false)));
    all.push(("list-run", schema::<ListedRuns>("reg list run", false)));
    all.push(("dataset-list", schema::<Listed>("reg dataset list", false)));
    all.push(("show", schema::<Shown>("reg show", false)));
    all.push(("dataset-show", schema::<ShownRecord>("reg dataset show", false)));
    all.push(("log", schema::<Log>("reg log", false)));
    all.push(("tag", schema::<Tag>("reg tag", false)));
    all.push(("mv", schema::<Mv>("reg mv", false)));
    all.push(("note", schema::<NoteAnswer>("reg note", false)));
    all.push(("rm", schema::<Rm>("reg rm", false)));
}

#[derive(Serialize, JsonSchema)]
struct Listed {
    /// The records, oldest first unless sorted.
    records: Vec<ListedRecord>,
    /// Running, interrupted and failed trainings.
    live: Vec<BTreeMap<String, Value>>,
}

#[derive(Serialize, JsonSchema)]
struct ListedRecord {
    /// Its id.
    id: Hash,
    /// Its kind.
    kind: String,
    /// Its name; null without one.
    name: Option<String>,
    /// What it is, in one line.
    summary: String,
    /// Names of the runs whose results a table or predictions hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<Vec<String>>,
    /// The newest note about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// How many withdrawn images it has, and how it used them.
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn: Option<Value>,
    /// Its leaks that are known today, each as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    leaks: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
struct ListedRuns {
    /// The runs and unfinished trainings.
    runs: Vec<ListedRun>,
    /// The recorded runs, as `reg list` has them.
    records: Vec<ListedRecord>,
    /// Running, interrupted and failed trainings.
    live: Vec<BTreeMap<String, Value>>,
}

/// A record, another object, or an unfinished training.
#[derive(Serialize, JsonSchema)]
struct Shown {
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Hash>,
    /// The record itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<BTreeMap<String, Value>>,
    /// Bytes of an object that is no record.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// The training, if it is not finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<BTreeMap<String, Value>>,
    /// Name of a run, split, data set or table.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Option<String>>,
    /// Of a run, what `reg list run` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<Box<ListedRun>>,
    /// Its inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    made_of: Option<Vec<RelatedRecord>>,
    /// The first results that depend on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    made: Option<Vec<RelatedRecord>>,
    /// The command that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<Option<String>>,
    /// The newest note about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<ShownNote>,
}

#[derive(Serialize, JsonSchema)]
struct ShownRecord {
    /// Its id.
    id: Hash,
    /// The record itself.
    record: BTreeMap<String, Value>,
}

#[derive(Serialize, JsonSchema)]
struct ShownNote {
    /// The note.
    id: Id<Note>,
    /// Its text.
    text: String,
    /// When it was written, in UTC.
    time: String,
}

#[derive(Serialize, JsonSchema)]
struct Log {
    /// Changes of names, newest first.
    events: Vec<LogEvent>,
    /// The epochs of a run or training of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    epochs: Option<Vec<Value>>,
    /// All notes about the record with this name, newest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<Vec<ShownNote>>,
}

#[derive(Serialize, JsonSchema)]
struct LogEvent {
    /// The entry of the log.
    id: Hash,
    /// Its number.
    seq: u64,
    /// When, in UTC.
    time: String,
    /// The command.
    command: String,
    /// The changes.
    names: Vec<NameChange>,
}

#[derive(Serialize, JsonSchema)]
struct Tag {
    /// The name.
    name: String,
    /// The new target; null if the name was removed.
    id: Option<Hash>,
    /// The old target; null for a new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    was: Option<Option<Hash>>,
}

#[derive(Serialize, JsonSchema)]
struct Mv {
    /// What was renamed.
    id: Hash,
    /// Its new name.
    name: String,
    /// Its old name.
    was: String,
}

#[derive(Serialize, JsonSchema)]
struct NoteAnswer {
    /// What the note is about.
    about: Hash,
    /// The newest note; null if there is none.
    note: Option<ShownNote>,
}

#[derive(Serialize, JsonSchema)]
struct Rm {
    /// Whether nothing was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
    /// The removal; null if no record was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    removal: Option<Option<Id<Removal>>>,
    /// The removed records.
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<Vec<RemovedNow>>,
    /// The removed unfinished trainings.
    #[serde(skip_serializing_if = "Option::is_none")]
    trainings: Option<Vec<RemovedTraining>>,
    /// Objects that `reg gc` frees.
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<u64>,
    /// Bytes that are freed, including those of unfinished trainings.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// The restored records, with --undo.
    #[serde(skip_serializing_if = "Option::is_none")]
    restored: Option<Vec<RemovedRecord>>,
}

#[derive(Serialize, JsonSchema)]
struct RemovedNow {
    /// Its id.
    id: Hash,
    /// Its kind.
    kind: String,
    /// The name that it had.
    name: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct RemovedTraining {
    /// The name that its run would have had.
    name: String,
    /// Its spec.
    spec: Hash,
}
