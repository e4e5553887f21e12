//! A tracking store of MLflow: an SQLite file and a folder of artifacts next to it. The only file that uses the
//! rusqlite crate.
//!
//! Current MLflow versions refuse folders of plain files, and each version needs its own database schema. So
//! the store has the tables of an old schema (`mlflow.sql`), which every later version migrates when it opens
//! the database. Paths are relative, so that the folder can be moved: start MLflow in it.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, Transaction, params};

use super::checkpoint::{CHECKPOINT, PROGRAM};
use super::results::{epochs, evaluated, leaving};
use super::settings::settings;
use super::{ExportError, ExportFolder, FileFormat, card, checkpoint, sheets, time};
use crate::disk::FileError;
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::records::{Dataset, Execution, Run, Spec, Split, Subset};
use crate::registry::Registry;
use crate::store::LinkMode;
use crate::usage::unknown_ancestry;
use crate::withdrawal::Marks;

const STORE: &str = "mlflow.db";
const ARTIFACTS: &str = "artifacts";
/// The start of the metrics that have a value for each epoch. Those without have one value, of the epoch whose
/// weights were kept.
const EACH_EPOCH: &str = "epoch/";
/// Number of digits of the ids in the store's tables.
const ID_DIGITS: usize = 32;

/// The result of writing a store.
pub struct Written {
    /// Number of experiments: one for each data set and split, whose runs can be compared.
    pub experiments: usize,
}

/// Writes runs as a store.
///
/// The registry has no times for the epochs of a run: they are spread evenly over its execution.
///
/// # Errors
/// Among others, damaged or missing checkpoints.
pub fn mlflow(
    registry: &Registry,
    view: &View,
    runs: &[Id<Run>],
    folder: &ExportFolder,
    link: LinkMode,
) -> Result<Written, ExportError> {
    let path = folder.file(STORE)?;
    let wrong =
        |e: rusqlite::Error| ExportError::Io(FileError::new("write", &path, std::io::Error::other(e)));
    let names = view.names_by_id()?;
    let mut experiments: BTreeMap<(Id<Dataset>, Id<Split>), i64> = BTreeMap::new();
    let mut connection = Connection::open(&path).map_err(wrong)?;
    let transaction = connection.transaction().map_err(wrong)?;
    transaction.execute_batch(include_str!("mlflow.sql")).map_err(wrong)?;
    for id in runs {
        let run = registry.get(*id)?;
        let spec = registry.get(run.spec)?;
        let next = experiments.len() as i64 + 1;
        let experiment = *experiments.entry((spec.dataset(), spec.split())).or_insert(next);
        if experiment == next {
            add_experiment(&transaction, next, &spec, &names).map_err(wrong)?;
        }
        let entry = Entry::read(registry, view, *id, &run, &spec, names.get(&id.hash))?;
        entry.add(&transaction, experiment).map_err(wrong)?;
        artifacts(registry, view, *id, &run, &entry, folder, link)?;
    }
    transaction.commit().map_err(wrong)?;
    connection.close().map_err(|(_, e)| wrong(e))?;
    Ok(Written { experiments: experiments.len() })
}

fn add_experiment(
    to: &Transaction,
    number: i64,
    spec: &Spec,
    names: &HashMap<Hash, String>,
) -> rusqlite::Result<()> {
    let name_of = |id: &Hash| names.get(id).cloned().unwrap_or_else(|| id.short());
    let (dataset, split) = (spec.dataset().hash, spec.split().hash);
    let title = format!("{}, {}", name_of(&dataset), name_of(&split));
    to.execute("INSERT INTO experiments VALUES (?, ?, ?, 'active')", params![number, title, ARTIFACTS])?;
    for (key, id) in [("reg.dataset", dataset), ("reg.split", split)] {
        let values = params![key, id.to_string(), number];
        to.execute("INSERT INTO experiment_tags VALUES (?, ?, ?)", values)?;
    }
    Ok(())
}

/// A run with the values that MLflow stores.
struct Entry {
    id: String,
    name: String,
    start: Option<i64>,
    end: Option<i64>,
    params: Vec<(String, String)>,
    tags: Vec<(String, String)>,
    /// Name, value, time, step.
    metrics: Vec<(String, f64, i64, i64)>,
}

impl Entry {
    fn read(
        registry: &Registry,
        view: &View,
        id: Id<Run>,
        run: &Run,
        spec: &Spec,
        name: Option<&String>,
    ) -> Result<Self, ExportError> {
        let name = name.cloned().unwrap_or_else(|| id.hash.short());
        let execution = registry.referring::<Execution>(view, &id.hash)?.into_iter().next();
        let execution = execution.map(|(_, execution)| execution);
        let at = |share: f64| {
            let Execution { started, seconds, .. } = execution.as_ref()?;
            time::milliseconds_after(started, seconds * share)
        };
        let (start, end) = (at(0.0), at(1.0));
        let mut tags = vec![
            ("mlflow.runName".to_owned(), name.clone()),
            ("mlflow.source.name".to_owned(), "reg".to_owned()),
            ("mlflow.source.type".to_owned(), "LOCAL".to_owned()),
            ("reg.dataset".to_owned(), spec.dataset().to_string()),
            ("reg.run".to_owned(), id.to_string()),
            ("reg.spec".to_owned(), run.spec.to_string()),
            ("reg.split".to_owned(), spec.split().to_string()),
        ];
        let known = [
            ("reg.checkpoint", run.checkpoint.map(|id| id.to_string())),
            ("reg.numerics", spec.network().map(|spec| spec.numerics.to_string())),
            ("reg.best_epoch", run.best_epoch.map(|epoch| epoch.to_string())),
            ("reg.parameters", run.parameters.map(|count| count.to_string())),
        ];
        tags.extend(known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
        let leaving = leaving(registry, view, id.hash, Some(Subset::Test))?;
        if let Some(mark) = Marks::open(registry, view)?.of_all(&leaving) {
            tags.push(("reg.withdrawn".to_owned(), mark.to_string()));
        }
        if let Some(unknown) = unknown_ancestry(registry, view, &[id.hash])? {
            tags.push(("reg.unknown_ancestry".to_owned(), unknown));
        }
        if let Some(weights) = spec.weights() {
            tags.push(("reg.weights".to_owned(), weights.to_string()));
        }
        if let Some(execution) = &execution {
            tags.push(("reg.command".to_owned(), execution.command.clone()));
            tags.extend(execution.software.map(|software| ("reg.software".to_owned(), software.to_string())));
            tags.push(("reg.metric_times".to_owned(), "epochs spread evenly over the execution".to_owned()));
            if let Some(git) = &execution.git {
                let commit = git.commit.trim_start_matches("git:").to_owned();
                tags.push(("mlflow.source.git.commit".to_owned(), commit));
                tags.push(("reg.clean_tree".to_owned(), git.clean.to_string()));
            }
        }
        let mut metrics = Vec::new();
        for epoch in epochs(registry, id, run)? {
            let when = at(f64::from(epoch.epoch) / f64::from(run.epochs.unwrap_or(1).max(1))).unwrap_or(0);
            let values = [
                ("learning rate", epoch.lr),
                ("train loss", epoch.train_loss),
                ("val loss", epoch.val_loss),
                ("val AUC", epoch.val_auc),
                ("val AUC labels in the mean", epoch.val_auc_labels.map(f64::from)),
            ];
            let step = i64::from(epoch.epoch);
            for (key, value) in values {
                // Undefined values are left out.
                let Some(value) = value else { continue };
                metrics.push((format!("{EACH_EPOCH}{key}"), value, when, step));
                // MLflow shows the last value of a metric as that of the run, whose checkpoint is of this epoch.
                if Some(epoch.epoch) == run.best_epoch {
                    metrics.push((key.to_owned(), value, when, step));
                }
            }
        }
        if let Some(evaluated) = evaluated(registry, view, id, Subset::Test)? {
            tags.push(("reg.predictions".to_owned(), evaluated.predictions.to_string()));
            tags.push(("reg.table".to_owned(), evaluated.table.to_string()));
            let labels = evaluated.auc.labels.iter().map(|label| (label.label.as_str(), label.auc));
            for (label, auc) in labels.chain([("mean", evaluated.auc.mean)]) {
                let Some(auc) = auc else { continue };
                let (when, step) = (end.unwrap_or(0), i64::from(run.best_epoch.unwrap_or(0)));
                metrics.push((format!("test AUC/{label}"), auc, when, step));
            }
            let over = f64::from(evaluated.auc.mean_over);
            metrics.push((
                "test AUC/labels in the mean".to_owned(),
                over,
                end.unwrap_or(0),
                i64::from(run.best_epoch.unwrap_or(0)),
            ));
        }
        let id = id.to_string()[..ID_DIGITS].to_owned();
        Ok(Entry { id, name, start, end, params: settings(spec), tags, metrics })
    }

    fn add(&self, to: &Transaction, experiment: i64) -> rusqlite::Result<()> {
        let Entry { id, name, start, end, .. } = self;
        to.execute(
            "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, \
             start_time, end_time, source_version, lifecycle_stage, artifact_uri, experiment_id) \
             VALUES (?, ?, 'LOCAL', 'reg', '', '', 'FINISHED', ?, ?, '', 'active', ?, ?)",
            params![id, name, start, end, format!("{ARTIFACTS}/{id}"), experiment],
        )?;
        for (key, value) in &self.params {
            to.execute("INSERT INTO params VALUES (?, ?, ?)", params![key, value, id])?;
        }
        for (key, value) in &self.tags {
            to.execute("INSERT INTO tags VALUES (?, ?, ?)", params![key, value, id])?;
        }
        for (key, value, when, step) in &self.metrics {
            let values = params![key, value, when, id, step];
            to.execute("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, 0)", values)?;
        }
        Ok(())
    }
}

/// The files of a run: weights and program, spec and log, card and AUCs.
fn artifacts(
    registry: &Registry,
    view: &View,
    id: Id<Run>,
    run: &Run,
    entry: &Entry,
    folder: &ExportFolder,
    link: LinkMode,
) -> Result<(), ExportError> {
    let place = |name: &str| format!("{ARTIFACTS}/{}/{name}", entry.id);
    let store = registry.store();
    if let (Some(program), Some(weights)) = (checkpoint::program_of(registry, id)?, run.checkpoint) {
        folder.object(store, &weights.hash, &place(CHECKPOINT), link)?;
        folder.write(&place(PROGRAM), program.as_bytes())?;
    }
    folder.object(store, &run.spec.hash, &place("spec.json"), LinkMode::Copy)?;
    if let Some(log) = run.log {
        folder.object(store, &log.hash, &place("log.jsonl"), LinkMode::Copy)?;
    }
    folder.write(&place("README.md"), card(registry, view, id)?.as_bytes())?;
    if let Some(evaluated) = evaluated(registry, view, id, Subset::Test)? {
        for sheet in sheets(registry, view, evaluated.table.hash)? {
            folder.write(&place(&format!("test-{}.csv", sheet.name)), &sheet.render(FileFormat::Csv))?;
        }
    }
    Ok(())
}
