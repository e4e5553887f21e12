//! Compares models that were evaluated on the same images.

mod bootstrap;
mod columns;
mod comparability;
mod curves;
mod error;
mod evaluate;
mod groups;
mod inputs;
mod known_leaks;
mod metric_intervals;
mod metrics;
mod paired;
mod placed;
mod primary;
mod published;
mod ranking;
mod recorded;
mod seen;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::hash::{Digest, Hash, Id};
use crate::index::View;
use crate::records::{
    ComparedDivision, Comparison, Content, File, GroupBy, Incomparable, IncomparableKind, Kind,
    OperatingPoint, PixelHashes, Pooling, Predictions, PublishedModel, PublishedTable, ScoreSource,
    SplitMethod, Subset, Table, Variance, rules,
};
use crate::registry::{Objects, Registry, RegistryError, Stamp};
use crate::scores::Validation;
use crate::split::{OFFICIAL, PublishedLists};
use columns::{FoldScores, ModelColumn};
pub use curves::{PrecisionRecallCurve, RocCurve, precision_recall_curves, roc_curves};
pub use error::CompareError;
pub use inputs::repeated;
pub use known_leaks::{FoundLeaks, LeakFinder};
pub use primary::ColumnPair;
pub(crate) use recorded::comparison;
use seen::PixelSource;

/// What a column of the table contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// Runs of one model, one per fold.
    Model,
    /// A single run.
    Run,
}

/// Predictions in a comparison.
#[derive(Debug, Clone)]
pub struct Input {
    /// Name in messages and, if columns are runs, in the table.
    pub name: String,
    /// Name of its column, if one was given: a setup of which there are several runs.
    pub label: Option<String>,
    /// Id of the predictions.
    pub id: Id<Predictions>,
    /// The predictions.
    pub predictions: Predictions,
}

impl Input {
    /// The test predictions meant by `text`: the newest ones of a run, or predictions themselves.
    pub fn resolve(registry: &Registry, view: &View, text: &str) -> Result<Self, CompareError> {
        Input::of_subset(registry, view, text, Subset::Test)
    }

    /// The same for another subset of a run.
    pub fn of_subset(
        registry: &Registry,
        view: &View,
        text: &str,
        subset: Subset,
    ) -> Result<Self, CompareError> {
        let id = registry.resolve(view, text)?;
        let kind = view.kind(&id)?;
        let mut names = view.names_by_id()?;
        let mut named = |id: &Hash| names.remove(id).unwrap_or_else(|| id.short());
        match kind.map(|kind| kind.descriptor().content) {
            Some(Content::Predictions) => {
                let predictions: Predictions = registry.get(Id::new(id))?;
                let name = named(&predictions.source.run().map_or(id, |run| run.hash));
                Ok(Input { name, label: None, id: Id::new(id), predictions })
            }
            Some(Content::Run) => {
                let found = registry
                    .referring::<Predictions>(view, &id)?
                    .into_iter()
                    .rfind(|(_, predictions)| predictions.is_plain(subset));
                let (predictions_id, predictions) =
                    found.ok_or_else(|| CompareError::NoPredictions { run: text.to_owned(), subset })?;
                Ok(Input { name: named(&id), label: None, id: predictions_id, predictions })
            }
            Some(
                Content::Dataset
                | Content::Split
                | Content::Table
                | Content::Study
                | Content::Withdrawal
                | Content::Document,
            )
            | None => {
                let kind = kind.map_or("file that is no record", Kind::name).to_owned();
                Err(CompareError::NotComparable { text: text.to_owned(), kind })
            }
        }
    }
}

/// Options of a comparison.
#[derive(Debug, Clone)]
pub struct CompareOptions {
    /// What a column contains.
    pub grouping: Grouping,
    /// The labels to compare.
    pub labels: Labels,
    /// Whether to restrict the comparison to the images and folds that every model scored.
    pub shared_images: bool,
    /// How Spearman's correlation pools the labels.
    pub pooling: Pooling,
    /// How variances are computed.
    pub variance: Variance,
    /// The pair of columns whose difference of mean AUCs is the primary comparison.
    pub primary: Option<ColumnPair>,
    /// The margin of tests of non-inferiority and equivalence.
    pub margin: Option<f64>,
    /// Number of bootstrap resamples, and their seed.
    pub bootstrap: Option<(u32, u64)>,
    /// Whether to compute metrics besides the AUC.
    pub metrics: bool,
    /// How the thresholds of the metrics are chosen on validation images.
    pub operating_point: OperatingPoint,
    /// The share of positives for which predictive values are given besides that of the images.
    pub prevalence: Option<f64>,
    /// Whether to rank the columns by their AUCs on validation images.
    pub ranking: bool,
    /// Patient groups to evaluate separately.
    pub groups: Vec<GroupBy>,
    /// A file of published numbers, or `paper` or `paper-table4`.
    pub published: Option<PathBuf>,
    /// Whether non-comparable inputs are compared anyway and flagged.
    pub allow_incomparable: bool,
}

impl Default for CompareOptions {
    fn default() -> Self {
        CompareOptions {
            grouping: Grouping::Model,
            labels: Labels::All,
            shared_images: false,
            pooling: Pooling::default(),
            variance: Variance::default(),
            primary: None,
            margin: None,
            bootstrap: None,
            metrics: false,
            operating_point: OperatingPoint::Youden,
            prevalence: None,
            ranking: false,
            groups: Vec::new(),
            published: None,
            allow_incomparable: false,
        }
    }
}

/// The labels to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Labels {
    /// All; they must be the same for all models.
    All,
    /// Those that every model scores.
    Shared,
    /// These.
    These(Vec<String>),
}

/// Leaks of the scores of a run or an ensemble: whether a run behind them, or one from which its initial weights come, was
/// trained or selected on patients of the scored images, or on these images under other patients' numbers. Messages call
/// the scores by the name of their run, or their own.
pub fn leaks(registry: &Registry, predictions: Id<Predictions>) -> Result<Vec<Incomparable>, CompareError> {
    leaks_called(registry, predictions, None)
}

/// The same with another name in messages.
fn leaks_called(
    registry: &Registry,
    predictions: Id<Predictions>,
    called: Option<&str>,
) -> Result<Vec<Incomparable>, CompareError> {
    let view = registry.view()?;
    let names = view.names_by_id()?;
    let run = registry.get(predictions)?.source.run().and_then(|run| names.get(&run.hash));
    let own = run.or_else(|| names.get(&predictions.hash)).map(String::as_str);
    own_leaks(registry, predictions, called.or(own), PixelSource::In(registry, &view))
}

/// The same for scores among other objects, whose pixels are compared as far as one of some records knows them.
pub(crate) fn leaks_among(
    objects: &dyn Objects,
    predictions: Id<Predictions>,
    pixels: &[Id<PixelHashes>],
) -> Result<Vec<Incomparable>, CompareError> {
    own_leaks(objects, predictions, None, PixelSource::Among(pixels))
}

/// The same of scores that are called this, or by their model.
fn own_leaks(
    objects: &dyn Objects,
    predictions: Id<Predictions>,
    called: Option<&str>,
    pixels: PixelSource<'_>,
) -> Result<Vec<Incomparable>, CompareError> {
    let record = objects.get(predictions)?;
    if let ScoreSource::Import { .. } = record.source {
        return Ok(Vec::new());
    }
    let name = called.unwrap_or(&record.model).to_owned();
    let input = Input { name, label: None, id: predictions, predictions: record };
    let columns = columns::columns(objects, vec![input], Grouping::Run)?;
    Ok(seen::leaks(objects, &columns, pixels)?.incomparable)
}

/// Compares models and records the comparison.
///
/// The folds of a column must belong to one experiment. All columns must have scored the same images of the
/// same data set for the same labels, fold by fold, and no model may have been trained on a patient or an image that
/// another is tested on. Other inputs are refused or, with `allow_incomparable`, flagged in the record.
pub fn compare(
    registry: &Registry,
    inputs: Vec<Input>,
    options: &CompareOptions,
    name: Option<&str>,
    stamp: &Stamp,
) -> Result<(Id<Table>, Comparison), CompareError> {
    let (comparison, published) = assess(registry, inputs, options)?;
    let view = registry.view()?;
    let table = Table::Comparison(Box::new(comparison.clone()));
    let id = Registry::id_of(&table)?;
    // A known comparison can be returned even if the registry is not writable.
    if name.is_none() && view.kind(&id.hash)?.is_some() && registry.store().contains(&id.hash) {
        return Ok((id, comparison));
    }
    drop(view);
    let mut transaction = registry.transaction()?;
    if let Some(bytes) = published {
        transaction.put_outside(&bytes)?;
    }
    let id = transaction.put(&table)?;
    if let Some(name) = name {
        transaction.name(name, id.hash)?;
    }
    transaction.commit(stamp)?;
    Ok((id, comparison))
}

/// Compares models as [`compare`] does, and records nothing.
pub fn preview(
    registry: &Registry,
    inputs: Vec<Input>,
    options: &CompareOptions,
) -> Result<Comparison, CompareError> {
    Ok(assess(registry, inputs, options)?.0)
}

/// The comparison of inputs, and the file of published numbers in it.
fn assess(
    registry: &Registry,
    inputs: Vec<Input>,
    options: &CompareOptions,
) -> Result<(Comparison, Option<Vec<u8>>), CompareError> {
    let first = inputs.first().ok_or(CompareError::Nothing)?.predictions.clone();
    let published = options.published.as_deref().map(published::read).transpose()?;
    let models = published.as_ref().map(|(_, models)| (models.as_slice(), &OFFICIAL));
    let missing = inputs::missing_scores(&inputs);
    let columns = columns::columns(registry, inputs, options.grouping)?;
    let view = registry.view()?;
    let sources = (Validation::In(registry, &view), PixelSource::In(registry, &view));
    let comparison =
        compute(registry, columns, options, models, sources).map_err(|e| match (e, missing) {
            (CompareError::Incomparable(reasons), Some(missing)) => {
                inputs::different_subsets(reasons, missing)
            }
            (e, _) => e,
        })?;
    let published = published.map(|(bytes, models)| {
        let file = File::from(Digest::of(&bytes));
        (bytes, PublishedTable { file, models })
    });
    let (file, published) = published.unzip();
    Ok((Comparison { dataset: first.dataset, subset: first.subset, published, ..comparison }, file))
}

/// The recorded comparisons of exactly these predictions, oldest first, whatever was asked of them.
pub fn comparisons_of(
    registry: &Registry,
    view: &View,
    predictions: &[Id<Predictions>],
) -> Result<Vec<(Id<Table>, Comparison)>, RegistryError> {
    let Some(first) = predictions.first() else { return Ok(Vec::new()) };
    let wanted: BTreeSet<Hash> = predictions.iter().map(|id| id.hash).collect();
    let mut found = Vec::new();
    for (id, table) in registry.referring::<Table>(view, &first.hash)? {
        let Table::Comparison(comparison) = table else { continue };
        let own = comparison.models.iter().flat_map(|model| &model.predictions).map(|id| id.hash);
        if own.collect::<BTreeSet<_>>() == wanted {
            found.push((id, *comparison));
        }
    }
    Ok(found)
}

/// Compares columns if they are comparable. Data set and subset are those of the first fold; the caller adds
/// the file of published numbers.
fn compute(
    objects: &dyn Objects,
    mut columns: Vec<ModelColumn>,
    options: &CompareOptions,
    published: Option<(&[PublishedModel], &PublishedLists)>,
    (validation, pixels): (Validation<'_>, PixelSource<'_>),
) -> Result<Comparison, CompareError> {
    if options.shared_images {
        columns = columns::common(&columns);
        if columns.iter().any(|column| column.shared().all(|cell| cell.rows.is_empty())) {
            return Err(CompareError::NoSharedImage);
        }
    }
    let seen::Leaks { mut incomparable, check } = comparability::check(objects, &columns, pixels)?;
    let labels = choose_labels(&columns, &options.labels, &mut incomparable)?;
    if let Some((models, lists)) = published {
        incomparable.extend(comparability::published(objects, &columns, models, lists)?);
    }
    if !incomparable.is_empty() && !options.allow_incomparable {
        return Err(CompareError::Incomparable(incomparable));
    }
    columns::select(&mut columns, &labels);
    let comparison = assemble(objects, &columns, &labels, options, incomparable, validation)?;
    Ok(Comparison { leak_check: check, ..comparison })
}

fn choose_labels(
    columns: &[ModelColumn],
    wanted: &Labels,
    incomparable: &mut Vec<Incomparable>,
) -> Result<Vec<String>, CompareError> {
    let shared = columns::shared_labels(columns);
    let labels = match wanted {
        Labels::All => {
            incomparable.extend(comparability::different_labels(columns));
            shared
        }
        Labels::Shared => shared,
        Labels::These(labels) => match labels.iter().find(|label| !shared.contains(label)) {
            Some(label) => return Err(CompareError::LabelNotScored { label: label.clone(), shared }),
            None => labels.clone(),
        },
    };
    if labels.is_empty() { Err(CompareError::NoSharedLabel) } else { Ok(labels) }
}

/// Whether the divisions of the scored images are folds of k-fold.
fn division(
    objects: &dyn Objects,
    columns: &[ModelColumn],
) -> Result<Option<ComparedDivision>, CompareError> {
    let mut folds = Vec::new();
    for cell in columns.iter().flat_map(ModelColumn::shared) {
        folds.push(match cell.predictions.split {
            Some(split) => matches!(objects.get(split)?.method, SplitMethod::KFold { .. }),
            None => false,
        });
    }
    Ok(match folds.iter().filter(|fold| **fold).count() {
        0 => None,
        some if some == folds.len() => Some(ComparedDivision::Fold),
        _ => Some(ComparedDivision::Division),
    })
}

/// Computes everything that was requested.
fn assemble(
    objects: &dyn Objects,
    columns: &[ModelColumn],
    labels: &[String],
    options: &CompareOptions,
    incomparable: Vec<Incomparable>,
    validation: Validation<'_>,
) -> Result<Comparison, CompareError> {
    let first = columns[0].shared().next().ok_or(CompareError::Nothing)?;
    let folds: BTreeSet<Option<u32>> =
        columns.iter().flat_map(|column| column.folds.keys().copied()).collect();
    let folds: Vec<Option<u32>> = folds.into_iter().collect();
    // Paired statistics are computed on the images that all models scored.
    let common = columns::common(columns);
    let paired = columns.iter().zip(&common).all(|(column, common)| {
        let same = |(a, b): (&FoldScores, &FoldScores)| columns::same_images(a, b);
        column.folds.len() == common.folds.len() && column.shared().zip(common.shared()).all(same)
    });
    let no_finding = first.images.dataset.no_finding.as_deref();
    let no_finding = no_finding.filter(|name| labels.iter().any(|label| label == name));
    // Without other labels there is no mean over pathologies.
    let left_out = no_finding.filter(|_| labels.len() > 1);
    let variance = options.variance;
    let evaluate =
        |column: &ModelColumn| evaluate::evaluate(objects, column, &folds, labels, left_out, variance);
    let mut models: Vec<_> = columns.iter().map(evaluate).collect::<Result<_, _>>()?;
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let primary = options.primary.as_ref().map(|pair| pair.among(&names)).transpose()?;
    // A variance over folds of different experiments has no meaning.
    let mixed = incomparable.iter().any(|incomparable| incomparable.kind == IncomparableKind::MixedFolds);
    let resampled = if paired && !mixed {
        paired::resampled(objects, &common, &models, left_out, primary.as_ref())?
    } else {
        Vec::new()
    };
    let mut metrics = Vec::new();
    if options.metrics {
        for (column, model) in columns.iter().zip(&mut models) {
            let (rows, used) =
                metrics::metrics(objects, column, validation, options.operating_point, options.bootstrap)?;
            metrics.extend(rows);
            model.validation = used;
        }
    }
    let mut ranking = Vec::new();
    if options.ranking {
        let ranking::Ranking { ranked, used } = ranking::ranking(objects, columns, labels, validation)?;
        ranking = ranked;
        models.iter_mut().zip(used).for_each(|(model, used)| model.validation = used);
    }
    let (spearman, constant) = evaluate::spearman(&common, labels, options.pooling);
    Ok(Comparison {
        dataset: first.predictions.dataset,
        subset: first.predictions.subset,
        folds: folds.iter().copied().flatten().collect(),
        shared_images: options.shared_images,
        division: division(objects, columns)?,
        variance,
        margin: options.margin,
        models,
        spearman,
        constant,
        pooling: options.pooling,
        delong: paired::paired(&common, labels, variance, left_out, primary.as_ref()),
        primary,
        no_finding: no_finding.map(str::to_owned),
        resampled,
        bootstrap: options
            .bootstrap
            .map(|drawn| bootstrap::bootstrap(columns, labels, left_out, drawn, paired)),
        operating_point: Some(options.operating_point)
            .filter(|at| options.metrics && *at != OperatingPoint::Youden),
        prevalence: options.prevalence.filter(|_| options.metrics),
        metrics,
        groups: groups::groups(columns, &options.groups, variance),
        group_tests: groups::tests(columns, &options.groups, variance),
        ranking,
        published: None,
        incomparable,
        leak_check: None,
        rules: rules::COMPARISON,
    })
}
