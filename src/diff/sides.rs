//! The inputs of a result: for each of its models and folds, the training and the scoring.

use super::ComparedRecord;
use super::dependencies::InputDependencies;
use crate::hash::{Hash, Id};
use crate::records::{
    Computed, Content, Dataset, NetworkSpec, Predictions, Run, ScoreSource, Scores, Spec, Split, Subset,
    Table,
};
use crate::registry::{Registry, RegistryError};

/// One model on one fold.
pub(super) struct Side {
    /// The model's name in the table.
    column: Option<String>,
    /// The model's own name.
    pub(super) model: Option<String>,
    pub(super) dataset: Id<Dataset>,
    pub(super) split: Option<Id<Split>>,
    pub(super) fold: Option<u32>,
    pub(super) subset: Option<Subset>,
    pub(super) run: Option<Id<Run>>,
    pub(super) spec: Option<Spec>,
    pub(super) predictions: Option<Id<Predictions>>,
    pub(super) scores: Option<Id<Scores>>,
    /// The file of another tool's scores.
    pub(super) source: Option<Hash>,
    /// The environments of training and scoring.
    pub(super) computed: Vec<Computed>,
    /// The run and its results, whose executions refer to the program.
    pub(super) made: Vec<Hash>,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.column.as_ref().or(self.model.as_ref()).map_or("data", String::as_str))?;
        if let Some(fold) = self.fold {
            write!(f, " division {fold}")?;
        }
        self.subset.map_or(Ok(()), |subset| write!(f, " {}", subset.name()))
    }
}

impl Side {
    /// The properties of an image that a model sees.
    pub(super) fn dependencies(&self) -> InputDependencies {
        if self.spec.as_ref().is_some_and(|spec| spec.program().is_some()) {
            // A program is given all of it.
            return InputDependencies { files: true, patients: true, ..InputDependencies::of_metadata(true) };
        }
        let network = self.spec.as_ref().and_then(Spec::network);
        let architecture = network.map(|spec| &spec.model.architecture);
        InputDependencies {
            files: architecture.is_some_and(|of| of.image().is_some()),
            ..InputDependencies::of_metadata(architecture.is_some_and(|of| of.meta()))
        }
    }

    fn of_run(registry: &Registry, id: Id<Run>) -> Result<Self, RegistryError> {
        let spec = registry.get(registry.get(id)?.spec)?;
        let dataset = spec.dataset();
        let computed = |spec: &NetworkSpec| Computed {
            device: spec.device,
            threads: spec.threads,
            numerics: spec.numerics.clone(),
        };
        Ok(Side {
            model: Some(spec.model_name().to_owned()),
            dataset,
            split: Some(spec.split()),
            fold: Some(spec.fold()),
            run: Some(id),
            computed: spec.network().map(computed).into_iter().collect(),
            made: vec![id.hash],
            spec: Some(spec),
            ..Side::of_dataset(dataset)
        })
    }

    /// A run whose checkpoint was used again for `made`.
    fn of_look(
        registry: &Registry,
        id: Id<Run>,
        computed: Computed,
        made: Hash,
    ) -> Result<Self, RegistryError> {
        let mut side = Side::of_run(registry, id)?;
        side.computed.push(computed);
        side.made.push(made);
        Ok(side)
    }

    fn of_predictions(registry: &Registry, id: Id<Predictions>) -> Result<Self, RegistryError> {
        let predictions = registry.get(id)?;
        let side = match predictions.source {
            ScoreSource::Run { run, device, threads, numerics, .. } => {
                Side::of_look(registry, run, Computed { device, threads, numerics }, id.hash)?
            }
            ScoreSource::Program { run, .. } => Side::of_run(registry, run)?,
            ScoreSource::Mean { .. } => Side::of_dataset(predictions.dataset),
            ScoreSource::Import { file, .. } => {
                Side { source: Some(file.object.hash), ..Side::of_dataset(predictions.dataset) }
            }
        };
        Ok(Side {
            model: Some(predictions.model),
            dataset: predictions.dataset,
            split: predictions.split,
            fold: predictions.fold,
            subset: predictions.subset,
            predictions: Some(id),
            scores: Some(predictions.scores),
            ..side
        })
    }

    /// Only a data set.
    fn of_dataset(dataset: Id<Dataset>) -> Self {
        Side {
            column: None,
            model: None,
            dataset,
            split: None,
            fold: None,
            subset: None,
            run: None,
            spec: None,
            predictions: None,
            scores: None,
            source: None,
            computed: Vec::new(),
            made: Vec::new(),
        }
    }
}

/// The sides of a run, of predictions or of a table; none of other kinds.
pub(super) fn sides(registry: &Registry, of: &ComparedRecord) -> Result<Vec<Side>, RegistryError> {
    let id = of.id;
    match of.record.map(|kind| kind.descriptor().content) {
        Some(Content::Run) => return Ok(vec![Side::of_run(registry, Id::new(id))?]),
        Some(Content::Predictions) => return Ok(vec![Side::of_predictions(registry, Id::new(id))?]),
        Some(Content::Table) => {}
        Some(
            Content::Dataset | Content::Split | Content::Study | Content::Withdrawal | Content::Document,
        )
        | None => return Ok(Vec::new()),
    }
    Ok(match registry.get::<Table>(Id::new(id))? {
        Table::Auc(auc) => vec![Side::of_predictions(registry, auc.predictions)?],
        Table::Dataset(counted) => vec![Side::of_dataset(counted.dataset)],
        Table::Comparison(comparison) => {
            let mut sides = Vec::new();
            for model in &comparison.models {
                for id in model.predictions.iter().chain(&model.validation) {
                    let side = Side::of_predictions(registry, *id)?;
                    sides.push(Side { column: Some(model.name.clone()), ..side });
                }
            }
            sides
        }
        Table::Probe(probe) => {
            let runs = probe.folds.iter();
            let runs = runs.map(|fold| Side::of_look(registry, fold.run, fold.computed.clone(), id));
            runs.collect::<Result<_, _>>()?
        }
        Table::Heatmap(heatmap) => vec![Side::of_look(registry, heatmap.run, heatmap.computed, id)?],
        Table::Pointing(pointing) => vec![Side::of_look(registry, pointing.run, pointing.computed, id)?],
    })
}

/// Pairs the sides of two results: first the same scores, then the same model (by its name in the table, then by its
/// own name), fold and subset, then the sides of only one result.
pub(super) fn pairs(mut left: Vec<Side>, mut right: Vec<Side>) -> (Vec<(Side, Side)>, Vec<Side>, Vec<Side>) {
    // A single side each is a pair, whatever the names.
    if left.len() == 1 && right.len() == 1 {
        return (left.into_iter().zip(right).collect(), Vec::new(), Vec::new());
    }
    fn place(side: &Side) -> (Option<u32>, Option<Subset>) {
        (side.fold, side.subset)
    }
    let alike: [fn(&Side, &Side) -> bool; 4] = [
        |a, b| (a.predictions, a.run) == (b.predictions, b.run),
        |a, b| a.scores.is_some() && a.scores == b.scores && place(a) == place(b),
        |a, b| a.column == b.column && a.model == b.model && place(a) == place(b),
        |a, b| a.model == b.model && place(a) == place(b),
    ];
    let mut pairs = Vec::new();
    for alike in alike {
        let mut rest = Vec::new();
        for side in left {
            match right.iter().position(|other| alike(&side, other)) {
                Some(at) => pairs.push((side, right.remove(at))),
                None => rest.push(side),
            }
        }
        left = rest;
    }
    (pairs, left, right)
}
