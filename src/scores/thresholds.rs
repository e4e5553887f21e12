//! On which validation images thresholds are chosen, and those of a run or a mean.

use std::collections::{BTreeMap, BTreeSet};

use super::ScoreError;
use super::auc::{auc_table, subset_images};
use crate::hash::Id;
use crate::index::View;
use crate::records::{AucTable, OperatingPoint, Predictions, Run, ScoreSource, Spec, Split, Subset};
use crate::registry::{Objects, Registry, RegistryError};

/// The AUCs of a run's validation images with a threshold for each label, computed from their scores; `None` if these
/// images are not scored. Of several predictions, those of the device and threads of the training are used.
///
/// # Errors
/// Damage.
pub fn run_thresholds(
    registry: &Registry,
    view: &View,
    run: Id<Run>,
    at: OperatingPoint,
) -> Result<Option<AucTable>, ScoreError> {
    let spec = registry.get(registry.get(run)?.spec)?;
    let mut found = registry.referring::<Predictions>(view, &run.hash)?;
    found.retain(|(_, predictions)| predictions.is_plain(Subset::Val));
    let own = found.iter().position(|(_, predictions)| is_of_training(predictions, &spec));
    let Some(place) = own.or(found.len().checked_sub(1)) else { return Ok(None) };
    with_thresholds(registry, found.swap_remove(place), at).map(Some)
}

/// The same of the validation images that belong to predictions: those of a mean, of the mean of the same runs.
///
/// # Errors
/// Damage.
pub fn thresholds_of(
    registry: &Registry,
    view: &View,
    (id, own): (Id<Predictions>, &Predictions),
    at: OperatingPoint,
) -> Result<Option<AucTable>, ScoreError> {
    let found = match own.subset {
        Some(Subset::Val) => Some((id, own.clone())),
        _ => validation_of(registry, own, Validation::In(registry, view))?,
    };
    found.map(|found| with_thresholds(registry, found, at)).transpose()
}

fn with_thresholds(
    registry: &Registry,
    (id, predictions): (Id<Predictions>, Predictions),
    at: OperatingPoint,
) -> Result<AucTable, ScoreError> {
    let dataset = registry.get(predictions.dataset)?;
    let manifest = registry.manifest(&dataset)?;
    let scores = registry.scores(&predictions)?;
    let of_images = subset_images(registry, &predictions)?;
    Ok(auc_table(id, &predictions, &dataset, &manifest, &scores, of_images, Some(at)))
}

fn is_of_training(predictions: &Predictions, spec: &Spec) -> bool {
    match (&predictions.source, spec) {
        (ScoreSource::Run { device, threads, numerics, .. }, Spec::Network(spec)) => {
            (*device, *threads, numerics) == (spec.device, spec.threads, &spec.numerics)
        }
        // A program scores as it runs.
        (ScoreSource::Program { .. }, _) => true,
        _ => false,
    }
}

/// Where to look for the predictions on which thresholds are chosen.
#[derive(Clone, Copy)]
pub(crate) enum Validation<'a> {
    /// Anywhere in the registry.
    In(&'a Registry, &'a View),
    /// Among these.
    Among(&'a [Id<Predictions>]),
}

/// The predictions of the same model for the validation images of the fold; `None` if there are none on the same scale, on
/// which alone a threshold is valid, or if `own` itself has validation images.
///
/// For a run, predictions by the same code are preferred; for another tool, the model must have the same name.
pub(crate) fn validation_of(
    objects: &dyn Objects,
    own: &Predictions,
    known: Validation<'_>,
) -> Result<Option<(Id<Predictions>, Predictions)>, RegistryError> {
    if own.subset == Some(Subset::Val) {
        return Ok(None);
    }
    let scorer = scorer(objects, own)?;
    let found = match known {
        Validation::In(registry, view) => in_registry(registry, view, own, &scorer)?,
        Validation::Among(ids) => {
            let each = ids.iter().map(|id| Ok::<_, RegistryError>((*id, objects.get(*id)?)));
            each.collect::<Result<_, _>>()?
        }
    };
    let mut fitting = Vec::new();
    for (id, other) in found {
        let same = (other.dataset, other.fold, &other.model) == (own.dataset, own.fold, &own.model);
        if same
            && other.subset == Some(Subset::Val)
            && std::mem::discriminant(&other.source) == std::mem::discriminant(&own.source)
            && other.is_flipped() == own.is_flipped()
            && self::scorer(objects, &other)? == scorer
        {
            fitting.push((id, other));
        }
    }
    let same = fitting.iter().rposition(|(_, other)| other.source == own.source);
    let chosen = same.or(fitting.len().checked_sub(1)).map(|place| fitting.swap_remove(place));
    Ok(chosen.filter(|(_, predictions)| predictions.scale == own.scale))
}

/// Predictions that one scorer can have made: those of its run, those of its split for another tool, and the means that
/// have one of its members.
fn in_registry(
    registry: &Registry,
    view: &View,
    own: &Predictions,
    scorer: &Scorer,
) -> Result<Vec<(Id<Predictions>, Predictions)>, RegistryError> {
    let is_mean = matches!(own.source, ScoreSource::Mean { .. });
    let of_one = match scorer {
        Scorer::Runs(runs) => match runs.first() {
            Some(run) => registry.referring::<Predictions>(view, &run.hash)?,
            None => Vec::new(),
        },
        Scorer::Import(Some(split)) => registry.referring::<Predictions>(view, &split.hash)?,
        Scorer::Import(None) => Vec::new(),
    };
    if !is_mean {
        return Ok(of_one);
    }
    let mut means = BTreeMap::new();
    for (id, _) in of_one {
        means.extend(registry.referring::<Predictions>(view, &id.hash)?);
    }
    Ok(means.into_iter().collect())
}

/// What all predictions of one scorer share: the runs; for another tool, the split.
#[derive(PartialEq)]
enum Scorer {
    Runs(BTreeSet<Id<Run>>),
    Import(Option<Id<Split>>),
}

fn scorer(objects: &dyn Objects, predictions: &Predictions) -> Result<Scorer, RegistryError> {
    Ok(match predictions.source {
        ScoreSource::Run { run, .. } | ScoreSource::Program { run, .. } => {
            Scorer::Runs(BTreeSet::from([run]))
        }
        ScoreSource::Mean { .. } => Scorer::Runs(objects.scorers(predictions)?),
        ScoreSource::Import { .. } => Scorer::Import(predictions.split),
    })
}
