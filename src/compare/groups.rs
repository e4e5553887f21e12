//! AUCs within patient groups: an overall AUC can hide a group for which a model fails.

use std::collections::{BTreeMap, HashSet};

use rayon::prelude::*;

use super::columns::{FoldScores, ModelColumn, SeedScores};
use super::placed::{patients_of, place_seeds_of, std_error};
use crate::records::{Gender, GroupBy, GroupRow, GroupTest, ImageRow, Variance, ViewPosition};
use crate::stats::{self, Estimate, FEWEST_PATIENTS};

/// Evaluates every column within every group.
pub(super) fn groups(columns: &[ModelColumn], by: &[GroupBy], variance: Variance) -> Vec<GroupRow> {
    let cells: Vec<(GroupBy, &ModelColumn, Option<u32>, &SeedScores)> = by
        .iter()
        .flat_map(|by| columns.iter().map(move |column| (*by, column)))
        .flat_map(|(by, column)| column.folds.iter().map(move |(fold, cell)| (by, column, *fold, cell)))
        .collect();
    cells
        .par_iter()
        .flat_map_iter(|(by, column, fold, cell)| of_cell(*by, &column.name, *fold, cell, variance))
        .collect()
}

/// Tests the AUC of every group against that of the largest group of its kind whose members are known, for each model,
/// label and fold. All of them are one family of tests.
pub(super) fn tests(columns: &[ModelColumn], by: &[GroupBy], variance: Variance) -> Vec<GroupTest> {
    let cells = by
        .iter()
        .flat_map(|by| columns.iter().map(move |column| (*by, column)))
        .flat_map(|(by, column)| column.folds.iter().map(move |(fold, cell)| (by, column, *fold, cell)));
    let cells: Vec<(GroupBy, &ModelColumn, Option<u32>, &SeedScores)> = cells.collect();
    let of_cell = |(by, column, fold, cell): &(GroupBy, &ModelColumn, Option<u32>, &SeedScores)| {
        tests_of_cell(*by, &column.name, *fold, cell, variance)
    };
    let mut rows: Vec<GroupTest> = cells.par_iter().flat_map_iter(of_cell).collect();
    let p: Vec<Option<f64>> = rows.iter().map(|row| row.p).collect();
    for ((row, holm), bh) in rows.iter_mut().zip(stats::holm(&p)).zip(stats::benjamini_hochberg(&p)) {
        (row.p_holm, row.p_bh) = (holm, bh);
    }
    rows
}

fn tests_of_cell(
    by: GroupBy,
    model: &str,
    fold: Option<u32>,
    seeds: &SeedScores,
    variance: Variance,
) -> Vec<GroupTest> {
    let cell = seeds.shared();
    let members = members(by, cell);
    let known = members.iter().filter(|((place, _), _)| *place != UNKNOWN);
    // Of equally large groups the first.
    let Some(((_, reference), largest)) = known.rev().max_by_key(|(_, places)| places.len()) else {
        return Vec::new();
    };
    let of_group = |label: usize, places: &[usize]| {
        let known = cell.known_of(label, places.iter().copied());
        (patients_of(cell, &known), place_seeds_of(seeds, label, places, variance))
    };
    let mut rows = Vec::new();
    for ((_, group), places) in members.iter().filter(|((_, group), _)| group != reference) {
        for (label, name) in cell.labels.iter().enumerate() {
            let ((own, a), (theirs, b)) = (of_group(label, places), of_group(label, largest));
            let (Some(a), Some(b)) = (a, b) else { continue };
            let apart = a.less_other_images(&b);
            let fewest = [0, 1].map(|class: usize| own[class].min(theirs[class]));
            let difference = a.auc() - b.auc();
            rows.push(GroupTest {
                by,
                group: group.clone(),
                reference: reference.clone(),
                model: model.to_owned(),
                label: name.clone(),
                fold,
                positive_patients: fewest[0],
                negative_patients: fewest[1],
                difference,
                std_error: std_error(variance, apart),
                p: apart.filter(|_| fewest[0].min(fewest[1]) >= FEWEST_PATIENTS).and_then(|apart| {
                    let df = if variance == Variance::Clustered { apart.df } else { f64::INFINITY };
                    Estimate { df, ..apart }.p()
                }),
                p_holm: None,
                p_bh: None,
            });
        }
    }
    rows
}

/// The images of each group, by its position among the groups and its name.
fn members(by: GroupBy, cell: &FoldScores) -> BTreeMap<(u32, String), Vec<usize>> {
    let mut members: BTreeMap<(u32, String), Vec<usize>> = BTreeMap::new();
    for (place, row) in cell.image_rows().enumerate() {
        members.entry(group(by, row)).or_default().push(place);
    }
    members
}

fn of_cell(
    by: GroupBy,
    model: &str,
    fold: Option<u32>,
    seeds: &SeedScores,
    variance: Variance,
) -> Vec<GroupRow> {
    let cell = seeds.shared();
    let mut rows = Vec::new();
    for ((_, group), places) in members(by, cell) {
        let patients: HashSet<u32> = places.iter().map(|place| cell.patients[*place]).collect();
        for (label, name) in cell.labels.iter().enumerate() {
            let known = cell.known_of(label, places.iter().copied());
            let [positive_patients, negative_patients] = patients_of(cell, &known);
            let placed = place_seeds_of(seeds, label, &places, variance);
            let missing = (places.len() - known.truth.len()) as u64;
            rows.push(GroupRow {
                by,
                group: group.clone(),
                model: model.to_owned(),
                label: name.clone(),
                fold,
                images: places.len() as u64,
                patients: patients.len() as u64,
                positives: known.positives(),
                positive_patients,
                negative_patients,
                missing: (missing > 0).then_some(missing),
                auc: placed.as_ref().map(|placed| placed.auc()),
                std_error: std_error(variance, placed.and_then(|placed| placed.estimate())),
            });
        }
    }
    rows
}

/// The position of the group of images whose property is unknown.
const UNKNOWN: u32 = u32::MAX;

/// The group of an image: its position among the groups, and its name.
fn group(by: GroupBy, row: &ImageRow) -> (u32, String) {
    let unknown = (UNKNOWN, "unknown".to_owned());
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
