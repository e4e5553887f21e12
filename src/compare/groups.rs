//! AUCs within patient groups: an overall AUC can hide a group for which a model fails.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::columns::{FoldScores, ModelColumn};
use crate::records::{Gender, GroupBy, GroupRow, ImageRow, ViewPosition};
use crate::stats;

/// Evaluates every column within every group.
pub(super) fn groups(columns: &[ModelColumn], by: &[GroupBy]) -> Vec<GroupRow> {
    let cells: Vec<(GroupBy, &ModelColumn, Option<u32>, &FoldScores)> = by
        .iter()
        .flat_map(|by| columns.iter().map(move |column| (*by, column)))
        .flat_map(|(by, column)| column.folds.iter().map(move |(fold, cell)| (by, column, *fold, cell)))
        .collect();
    cells
        .par_iter()
        .flat_map_iter(|(by, column, fold, cell)| of_cell(*by, &column.name, *fold, cell))
        .collect()
}

fn of_cell(by: GroupBy, model: &str, fold: Option<u32>, cell: &FoldScores) -> Vec<GroupRow> {
    let mut members: BTreeMap<(u32, String), Vec<usize>> = BTreeMap::new();
    for (place, row) in cell.image_rows().enumerate() {
        members.entry(group(by, row)).or_default().push(place);
    }
    let mut rows = Vec::new();
    for ((_, group), places) in members {
        for (label, name) in cell.labels.iter().enumerate() {
            let known = cell.known_of(label, places.iter().copied());
            let missing = (places.len() - known.truth.len()) as u64;
            rows.push(GroupRow {
                by,
                group: group.clone(),
                model: model.to_owned(),
                label: name.clone(),
                fold,
                images: places.len() as u64,
                positives: known.positives(),
                missing: (missing > 0).then_some(missing),
                auc: stats::auc(&known.scores, &known.truth),
                std_error: stats::delong(&known.scores, &known.truth).map(|delong| delong.variance.sqrt()),
            });
        }
    }
    rows
}

/// The group of an image: its position among the groups, and its name.
fn group(by: GroupBy, row: &ImageRow) -> (u32, String) {
    const LAST: u32 = u32::MAX;
    let unknown = (LAST, "unknown".to_owned());
    let named = |place: u32, name: &str| (place, name.to_owned());
    match by {
        GroupBy::Gender => match row.gender {
            Gender::Female => named(0, "F"),
            Gender::Male => named(1, "M"),
            Gender::Unknown => unknown,
        },
        GroupBy::View => match row.view {
            ViewPosition::PA => named(0, "PA"),
            ViewPosition::AP => named(1, "AP"),
            ViewPosition::Unknown => unknown,
        },
        GroupBy::Age => match row.plausible_age().and_then(|age| u32::try_from(age).ok()) {
            Some(age) => (age / 10, format!("{}-{}", age / 10 * 10, age / 10 * 10 + 9)),
            None => unknown,
        },
    }
}
