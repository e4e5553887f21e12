//! What a result stands on: for each model and fold in it, what was trained or scored on what.

use crate::hash::{Hash, Id};
use crate::records::{Dataset, Predictions, Run, ScoreSource, Software, Spec, Split, Subset, Table};
use crate::registry::{Registry, RegistryError};

/// One model on one fold.
pub(super) struct Leg {
    /// By which it is found on the other side.
    pub(super) key: String,
    pub(super) dataset: Id<Dataset>,
    pub(super) split: Option<Id<Split>>,
    pub(super) fold: Option<u32>,
    pub(super) subset: Option<Subset>,
    pub(super) run: Option<Id<Run>>,
    pub(super) spec: Option<Spec>,
    /// Who scored, where it was another tool: its file.
    pub(super) source: Option<Hash>,
    /// The programs that trained and scored, and their threads.
    pub(super) software: Vec<(Id<Software>, u32)>,
}

impl Leg {
    pub(super) fn sees_files(&self) -> bool {
        self.spec.as_ref().is_some_and(|spec| spec.model.architecture.image().is_some())
    }

    pub(super) fn sees_metadata(&self) -> bool {
        self.spec.as_ref().is_some_and(|spec| spec.model.architecture.meta())
    }

    fn of_run(registry: &Registry, id: Id<Run>) -> Result<Self, RegistryError> {
        let spec = registry.get(registry.get(id)?.spec)?;
        Ok(Leg {
            key: format!("{} fold {}", spec.model.name, spec.fold),
            dataset: spec.dataset,
            split: Some(spec.split),
            fold: Some(spec.fold),
            subset: None,
            run: Some(id),
            source: None,
            software: vec![(spec.software, spec.threads)],
            spec: Some(spec),
        })
    }

    fn of_predictions(registry: &Registry, id: Id<Predictions>) -> Result<Self, RegistryError> {
        let predictions = registry.get(id)?;
        let fold = predictions.fold.map(|fold| format!(" fold {fold}")).unwrap_or_default();
        let subset = predictions.subset.map(|subset| format!(" {}", subset.name())).unwrap_or_default();
        let key = format!("{}{fold}{subset}", predictions.model);
        let (dataset, split, fold) = (predictions.dataset, predictions.split, predictions.fold);
        Ok(match predictions.source {
            ScoreSource::Run { run, threads, software, .. } => {
                let mut leg = Leg::of_run(registry, run)?;
                leg.software.push((software, threads));
                Leg { key, dataset, split, fold, subset: predictions.subset, ..leg }
            }
            ScoreSource::Import { file } => Leg {
                key,
                dataset,
                split,
                fold,
                subset: predictions.subset,
                run: None,
                spec: None,
                source: Some(file.object.hash),
                software: Vec::new(),
            },
        })
    }

    /// A data set alone.
    fn of_dataset(dataset: Id<Dataset>) -> Self {
        Leg {
            key: String::new(),
            dataset,
            split: None,
            fold: None,
            subset: None,
            run: None,
            spec: None,
            source: None,
            software: Vec::new(),
        }
    }
}

/// The legs of a run, of predictions or of a table.
pub(super) fn legs(registry: &Registry, id: Hash, kind: &str) -> Result<Vec<Leg>, RegistryError> {
    match kind {
        "run" => return Ok(vec![Leg::of_run(registry, Id::new(id))?]),
        "predictions" => return Ok(vec![Leg::of_predictions(registry, Id::new(id))?]),
        _ => {}
    }
    Ok(match registry.get::<Table>(Id::new(id))? {
        Table::Auc(auc) => vec![Leg::of_predictions(registry, auc.predictions)?],
        Table::Dataset(counted) => vec![Leg::of_dataset(counted.dataset)],
        Table::Comparison(comparison) => {
            let mut legs = Vec::new();
            for model in &comparison.models {
                for id in model.predictions.iter().chain(&model.validation) {
                    let leg = Leg::of_predictions(registry, *id)?;
                    legs.push(Leg { key: format!("{} {}", model.name, leg.key), ..leg });
                }
            }
            legs
        }
        Table::Probe(probe) => {
            let runs = probe.folds.iter().map(|fold| Leg::of_run(registry, fold.run));
            runs.collect::<Result<_, _>>()?
        }
        Table::Heat(heat) => vec![Leg::of_run(registry, heat.run)?],
        Table::Pointing(pointing) => vec![Leg::of_run(registry, pointing.run)?],
    })
}
