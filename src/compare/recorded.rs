//! Recomputes a recorded comparison from its scores and labels.

use std::path::Path;

use super::columns::{self, ModelColumn};
use super::seen::PixelSource;
use super::{ColumnPair, CompareError, CompareOptions, Grouping, Input, Labels, compute, published};
use crate::records::{Comparison, GroupBy, IncomparableKind, OperatingPoint, PublishedTable};
use crate::registry::Objects;
use crate::scores::{Validation, attributed};
use crate::split::OFFICIAL;

/// The comparison recomputed from the inputs, with the recorded names of the columns.
pub(crate) fn comparison(objects: &dyn Objects, recorded: &Comparison) -> Result<Comparison, CompareError> {
    let mut inputs = Vec::new();
    for model in &recorded.models {
        for id in &model.predictions {
            let predictions = objects.get(*id)?;
            attributed(objects, *id, &predictions)?;
            inputs.push(Input { name: model.name.clone(), label: None, id: *id, predictions });
        }
    }
    // Each column gets its recorded name.
    let mut columns: Vec<ModelColumn> = columns::columns(objects, inputs, Grouping::Run)?;
    let has = |kind| recorded.incomparable.iter().any(|incomparable| incomparable.kind == kind);
    let labels: Vec<String> = recorded
        .models
        .first()
        .into_iter()
        .flat_map(|model| &model.labels)
        .map(|l| l.label.clone())
        .collect();
    let mut groups: Vec<GroupBy> = recorded.groups.iter().map(|row| row.by).collect();
    groups.dedup();
    let options = CompareOptions {
        grouping: Grouping::Run,
        labels: if has(IncomparableKind::DifferentLabels) { Labels::All } else { Labels::These(labels) },
        shared_images: recorded.shared_images,
        pooling: recorded.pooling,
        variance: recorded.variance,
        primary: recorded.primary.clone().map(ColumnPair::Named),
        margin: recorded.margin,
        bootstrap: recorded.bootstrap.as_ref().map(|bootstrap| (bootstrap.resamples, bootstrap.seed)),
        metrics: !recorded.metrics.is_empty(),
        operating_point: recorded.operating_point.unwrap_or(OperatingPoint::Youden),
        prevalence: recorded.prevalence,
        ranking: !recorded.ranking.is_empty(),
        groups,
        published: None,
        // A reason that was not recorded shows up as a difference.
        allow_incomparable: true,
    };
    columns.retain(|column| !column.folds.is_empty());
    let published = match &recorded.published {
        None => None,
        Some(table) => {
            let bytes = objects.bytes(&table.file.object.hash)?;
            let models = published::parse(&bytes, Path::new(&table.file.object.to_string()))?;
            Some(PublishedTable { file: table.file, models })
        }
    };
    let validation: Vec<_> = recorded.models.iter().flat_map(|model| &model.validation).copied().collect();
    let models = published.as_ref().map(|published| (published.models.as_slice(), &OFFICIAL));
    let pixels = recorded.leak_check.as_ref().map_or(&[][..], |check| &check.pixel_hashes);
    let sources = (Validation::Among(&validation), PixelSource::Among(pixels));
    let now = compute(objects, columns, &options, models, sources)?;
    // With mixed folds, data set and subset are those of the first input, which is unknown.
    let (dataset, subset) = match has(IncomparableKind::MixedFolds) {
        true => (recorded.dataset, recorded.subset),
        false => (now.dataset, now.subset),
    };
    Ok(Comparison { dataset, subset, published, ..now })
}
