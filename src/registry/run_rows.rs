//! Puts together what the index keeps of each run, from the objects.

use std::collections::BTreeSet;

use super::walk::Lineage;
use super::{NewRecord, Registry, RegistryError};
use crate::hash::{Hash, Id};
use crate::index::{IndexWriter, RunRow, RunSettings, TestAuc, View};
use crate::network::spec_settings;
use crate::records::{
    AucTable, Execution, Header, Kind, Link, Predictions, RecordedEpoch, Role, Run, ScoreSource, Spec,
    Subset, Table, rules,
};

/// A run, and what lists say of it.
pub(super) type ReadRow = (Id<Run>, Result<RunRow, RegistryError>);

impl Registry {
    /// All runs with what lists say of them, oldest first; an error where their objects cannot be read.
    pub fn run_rows(&self, view: &View) -> Result<Vec<ReadRow>, RegistryError> {
        let mut kept = view.run_rows()?;
        let ids = view.of_kind(Kind::Run)?.into_iter().map(Id::new);
        let row =
            |id: Id<Run>| (id, kept.remove(&id.hash).map_or_else(|| self.assemble_run_row(view, id), Ok));
        Ok(ids.map(row).collect())
    }

    /// What lists say of one run.
    pub fn run_row(&self, view: &View, id: Id<Run>) -> Result<RunRow, RegistryError> {
        view.run_row(&id.hash)?.map_or_else(|| self.assemble_run_row(view, id), Ok)
    }

    /// The runs of which the index says something other than the objects.
    pub(crate) fn wrong_run_rows(&self, view: &View) -> Result<Vec<Hash>, RegistryError> {
        let kept = view.run_rows()?.into_iter();
        // Of a run whose objects cannot be read, only the index speaks.
        let differs = |id: &Hash, row: &RunRow| {
            self.assemble_run_row(view, Id::new(*id)).is_ok_and(|assembled| assembled != *row)
        };
        let mut wrong: Vec<Hash> = kept.filter(|(id, row)| differs(id, row)).map(|(id, _)| id).collect();
        wrong.sort_unstable();
        Ok(wrong)
    }

    /// Puts together what lists say of a run.
    pub(super) fn assemble_run_row(
        &self,
        lineage: &dyn Lineage,
        id: Id<Run>,
    ) -> Result<RunRow, RegistryError> {
        let run = self.get(id)?;
        let spec = self.get(run.spec)?;
        // What a program says of itself is no result: only its validation scores are.
        let (val_auc, val_auc_labels) = match spec.network() {
            Some(_) => {
                let kept = self.kept_epoch(&run)?;
                (kept.as_ref().and_then(|epoch| epoch.val_auc), kept.and_then(|epoch| epoch.val_auc_labels))
            }
            None => match self.recorded_auc(lineage, id, &spec, Subset::Val)? {
                Some(val) => (val.mean, Some(val.mean_over)),
                None => (None, None),
            },
        };
        let execution = self.first_execution(lineage, &id.hash)?;
        Ok(RunRow {
            spec: run.spec.hash,
            dataset: spec.dataset().hash,
            split: spec.split().hash,
            fold: spec.fold(),
            model: spec.model_name().to_owned(),
            weights: spec.weights().map(|weights| weights.hash),
            seed: spec.seed(),
            settings: RunSettings::of(&spec_settings(&spec)),
            epochs: run.epochs,
            best_epoch: run.best_epoch,
            val_loss: run.val_loss,
            val_auc,
            val_auc_labels,
            test: self.recorded_auc(lineage, id, &spec, Subset::Test)?,
            started: execution.as_ref().map(|execution| execution.started.clone()),
            seconds: execution.map(|execution| execution.seconds),
            note: self.note(lineage, &id.hash)?.map(|(_, note)| note.text),
        })
    }

    /// The epochs of a run by its log; none where a program left no log.
    pub fn epochs(&self, run: &Run) -> Result<Vec<RecordedEpoch>, RegistryError> {
        let log = run.log.map(|log| self.store.read(&log.hash)).transpose()?;
        Ok(log.map(|log| RecordedEpoch::read_all(&log)).unwrap_or_default())
    }

    /// The line of the log about the epoch whose weights were kept.
    pub fn kept_epoch(&self, run: &Run) -> Result<Option<RecordedEpoch>, RegistryError> {
        let epochs = self.epochs(run)?;
        Ok(epochs.into_iter().find(|epoch| Some(epoch.epoch) == run.best_epoch))
    }

    /// The earliest execution of a run.
    fn first_execution(&self, lineage: &dyn Lineage, id: &Hash) -> Result<Option<Execution>, RegistryError> {
        let executions =
            self.referring::<Execution>(lineage, id)?.into_iter().map(|(_, execution)| execution);
        Ok(executions
            .min_by(|a, b| (&a.started, a.seconds.to_bits()).cmp(&(&b.started, b.seconds.to_bits()))))
    }

    /// The AUC table of a subset of the run's images. Of several, one of the device and threads of the training and of the
    /// newest rules; the choice does not depend on the order of registration.
    fn recorded_auc(
        &self,
        lineage: &dyn Lineage,
        id: Id<Run>,
        spec: &Spec,
        subset: Subset,
    ) -> Result<Option<TestAuc>, RegistryError> {
        let mut found: Vec<((bool, bool, Hash), AucTable)> = Vec::new();
        for (predictions, record) in self.referring::<Predictions>(lineage, &id.hash)? {
            if !record.is_plain(subset) {
                continue;
            }
            let same = match &record.source {
                ScoreSource::Run { device, threads, numerics, .. } => spec.network().is_some_and(|spec| {
                    (*device, *threads, numerics) == (spec.device, spec.threads, &spec.numerics)
                }),
                ScoreSource::Program { .. } => true,
                ScoreSource::Mean { .. } | ScoreSource::Import { .. } => false,
            };
            for (table, content) in self.referring::<Table>(lineage, &predictions.hash)? {
                if let Table::Auc(auc) = content {
                    found.push(((same, auc.rules == rules::AUC, table.hash), auc));
                }
            }
        }
        let best = found.into_iter().max_by(|(a, _), (b, _)| a.cmp(b));
        Ok(best.map(|((_, _, table), auc)| TestAuc {
            table,
            mean: auc.mean,
            mean_over: auc.mean_over,
            labels: auc.labels.len() as u32,
        }))
    }

    /// Puts together anew what the index keeps of the runs about which new records say something.
    pub(super) fn update_run_rows(
        &self,
        writer: &mut IndexWriter,
        records: &[NewRecord],
    ) -> Result<(), RegistryError> {
        let affected = |record: &NewRecord| self.runs_affected(record.id, record.kind, &record.links);
        let runs: BTreeSet<Hash> = records.iter().flat_map(affected).collect();
        self.set_run_rows(writer, runs)
    }

    /// The runs about which a record says something.
    pub(super) fn runs_affected(&self, id: Hash, kind: Kind, links: &[Link]) -> Vec<Hash> {
        let named_as = |role: Role| links.iter().filter(move |link| link.role == role).map(|link| link.to);
        match kind {
            Kind::Run => vec![id],
            Kind::Execution => named_as(Role::Made).collect(),
            Kind::Note => named_as(Role::About).collect(),
            // Of a comparison, which names many, the list says nothing.
            Kind::Table if self.is_auc(&id) => {
                let runs = named_as(Role::Predictions)
                    .flat_map(|predictions| self.links_as(&predictions, &Role::Run));
                runs.collect()
            }
            // Predictions say something about a run only together with a table.
            Kind::Table
            | Kind::Predictions
            | Kind::Dataset
            | Kind::Split
            | Kind::Weights
            | Kind::Software
            | Kind::Spec
            | Kind::Study
            | Kind::Withdrawal
            | Kind::PixelHashes
            | Kind::Removal
            | Kind::Event => Vec::new(),
        }
    }

    /// Puts together anew what the index keeps of those objects that are runs.
    pub(super) fn set_run_rows(
        &self,
        writer: &mut IndexWriter,
        runs: impl IntoIterator<Item = Hash>,
    ) -> Result<(), RegistryError> {
        for id in runs {
            if writer.kind(&id)? == Some(Kind::Run) {
                // A run that is damaged must not keep others from being registered; lists read its objects again.
                let row = self.assemble_run_row(writer, Id::new(id)).ok();
                writer.set_run_row(&id, row.as_ref())?;
            }
        }
        Ok(())
    }

    /// Whether a table in the store has the AUCs of one model.
    fn is_auc(&self, id: &Hash) -> bool {
        let document = self.store.read(id).ok().and_then(|bytes| Some(Header::read(&bytes).ok()?.document));
        document.is_some_and(|document| document.get("type").is_some_and(|kind| kind == "auc"))
    }

    /// What a record in the store names as this; nothing if it cannot be read.
    fn links_as(&self, id: &Hash, role: &Role) -> Vec<Hash> {
        let links = self.store.read(id).ok().and_then(|bytes| Some(Header::read(&bytes).ok()?.links()));
        links.into_iter().flatten().filter(|link| link.role == *role).map(|link| link.to).collect()
    }
}
