//! Documents of the commands that exchange, export and keep house.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::schema;
use crate::hash::Hash;
use crate::records::RemovedRecord;

pub(super) fn add(all: &mut Vec<(&'static str, Value)>) {
    all.push(("push", schema::<Exchange>("reg push", false)));
    all.push(("pull", schema::<Exchange>("reg pull", false)));
    all.push(("export", schema::<Export>("reg export", false)));
    all.push(("export-mlflow", schema::<ExportMlflow>("reg export mlflow", false)));
    all.push(("trust", schema::<Trust>("reg trust", false)));
    all.push(("gc", schema::<Gc>("reg gc", false)));
    all.push(("doctor", schema::<Doctor>("reg doctor", false)));
    all.push(("reindex", schema::<Reindex>("reg reindex", false)));
    all.push(("completions", schema::<Completions>("reg completions", false)));
    all.push(("man", schema::<Man>("reg man", false)));
}

#[derive(Serialize, JsonSchema)]
struct Exchange {
    /// The other side.
    remote: String,
    /// Whether nothing was copied.
    dry_run: bool,
    /// Number of copied objects.
    objects: u64,
    /// Their bytes.
    bytes: u64,
    /// Packs that were written, or read from.
    packs: u64,
    /// Objects that existed already.
    skipped: u64,
    /// Images that were not copied because they were purged.
    purged: u64,
    /// Records that the target no longer has because they were removed at the source.
    removed: u64,
    /// Records that were removed at the source and stay here, unless --accept-removals is given.
    not_removed: Vec<RemovedRecord>,
    /// Copied objects and bytes by kind.
    kinds: BTreeMap<String, Amount>,
    /// The result for the names.
    names: ExchangedNames,
    /// Whether this registry is an older copy of the one that pushed last.
    older: bool,
}

#[derive(Serialize, JsonSchema)]
struct Amount {
    /// Number of objects.
    objects: u64,
    /// Their bytes.
    bytes: u64,
}

#[derive(Serialize, JsonSchema)]
struct ExchangedNames {
    /// Names that the target did not have.
    added: u64,
    /// Names that point to the same object on both sides.
    unchanged: u64,
    /// Names that were moved, with --move-names.
    moved: u64,
    /// Names that point to another object on the other side: `name`, `local`, `remote`.
    conflicts: Vec<Value>,
}

#[derive(Serialize, JsonSchema)]
struct Export {
    /// The run, of a checkpoint or card.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Hash>,
    /// The folder, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<PathBuf>,
    /// The file of a card.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    /// The files: names, or of tables also what is in them.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Vec<Value>>,
}

#[derive(Serialize, JsonSchema)]
struct ExportMlflow {
    /// The folder.
    folder: PathBuf,
    /// Number of runs.
    runs: u64,
    /// Number of experiments.
    experiments: u64,
}

#[derive(Serialize, JsonSchema)]
struct Trust {
    /// All trusted registries, or whether the one that was given is trusted.
    trusted: Value,
    /// The registry that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    registry: Option<PathBuf>,
    /// Whether this is a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
struct Gc {
    /// Whether nothing was removed.
    dry_run: bool,
    /// The removed objects.
    removed: Amount,
    /// The kept objects.
    kept: Amount,
    /// Objects that are kept only because they were added recently.
    young: Amount,
    /// Specs of trainings whose working folders were removed.
    finished: Vec<Hash>,
    /// The removed objects.
    objects: Vec<RemovedObjectSize>,
}

#[derive(Serialize, JsonSchema)]
struct RemovedObjectSize {
    /// Its id.
    id: Hash,
    /// Its kind.
    kind: String,
    /// Its bytes.
    bytes: u64,
}

#[derive(Serialize, JsonSchema)]
struct Doctor {
    /// What was checked: `section`, `status`, `message`, `hint`.
    checks: Vec<Value>,
    /// Number of checks that found a problem.
    bad: u64,
}

#[derive(Serialize, JsonSchema)]
struct Reindex {
    /// Number of objects.
    objects: u64,
    /// Number of records among them.
    records: u64,
    /// Number of restored names.
    names: u64,
    /// Number of restored log entries.
    log: u64,
    /// Objects that cannot be read.
    damaged: Vec<Hash>,
    /// Missing objects that have a name.
    missing: Vec<Hash>,
    /// Problems of the log.
    breaks: Vec<String>,
    /// The new id of the registry, if it had none.
    new_id: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Completions {
    /// The shell.
    shell: String,
    /// The script.
    script: String,
}

#[derive(Serialize, JsonSchema)]
struct Man {
    /// The page.
    #[serde(skip_serializing_if = "Option::is_none")]
    roff: Option<String>,
    /// The folder with all pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<PathBuf>,
}
