//! Tests of every pair of columns, on the images of each fold and over folds, and their families.

use rayon::prelude::*;

use super::CompareError;
use super::columns::ModelColumn;
use super::placed::{patients_of, place_seeds, std_error};
use crate::records::{ComparedModel, DelongRow, Primary, ResampledRow, Variance};
use crate::registry::Objects;
use crate::stats::{self, Estimate, FEWEST_PATIENTS, PatientPlacements};

/// A label of a fold: the placements of every column, on the same images.
struct Cell {
    label: usize,
    fold: Option<u32>,
    /// With a positive and with a negative image.
    patients: [u64; 2],
    /// One per column.
    placed: Vec<PatientPlacements>,
}

/// Compares every pair of columns on their common images: by label, then fold, then pair, and at the end by fold and
/// pair the means over labels. Ranking the scores takes nearly all of the time, so each model is ranked once per cell.
pub(super) fn paired(
    columns: &[ModelColumn],
    labels: &[String],
    variance: Variance,
    no_finding: Option<&str>,
    primary: Option<&Primary>,
) -> Vec<DelongRow> {
    let folds: Vec<Option<u32>> = columns[0].folds.keys().copied().collect();
    let places: Vec<(usize, Option<u32>)> =
        (0..labels.len()).flat_map(|label| folds.iter().map(move |fold| (label, *fold))).collect();
    let of_cell = |(label, fold): &(usize, Option<u32>)| {
        let of_column = |column: &ModelColumn| place_seeds(&column.folds[fold], *label, variance);
        let first = columns[0].folds[fold].shared();
        let patients = patients_of(first, &first.known(*label));
        let placed = columns.iter().map(of_column).collect::<Option<_>>()?;
        Some(Cell { label: *label, fold: *fold, patients, placed })
    };
    let cells: Vec<Cell> = places.par_iter().filter_map(of_cell).collect();
    let pairs: Vec<(usize, usize)> =
        (0..columns.len()).flat_map(|a| (a + 1..columns.len()).map(move |b| (a, b))).collect();
    let mut rows = Vec::new();
    for cell in &cells {
        for (a, b) in &pairs {
            let (x, y) = (&cell.placed[*a], &cell.placed[*b]);
            let apart = x.less(y);
            let of = RowOf { label: Some(labels[cell.label].clone()), over: None, fold: cell.fold };
            let difference = apart.map_or(x.auc() - y.auc(), |apart| apart.value);
            rows.push(of.row((&columns[*a], &columns[*b]), cell.patients, difference, apart, variance));
        }
    }
    for fold in &folds {
        for pathologies in [false, true] {
            if pathologies && no_finding.is_none() {
                continue;
            }
            let is_left_out = |cell: &Cell| pathologies && Some(labels[cell.label].as_str()) == no_finding;
            let own = cells.iter().filter(|cell| cell.fold == *fold && !is_left_out(cell));
            let own: Vec<&Cell> = own.collect();
            let fewest = |class: usize| own.iter().map(|cell| cell.patients[class]).min();
            let (Some(positive), Some(negative)) = (fewest(0), fewest(1)) else { continue };
            for (a, b) in &pairs {
                let both: Vec<_> = own.iter().map(|cell| (&cell.placed[*a], &cell.placed[*b])).collect();
                let apart = stats::mean_difference(&both);
                let of = RowOf { label: None, over: Some(own.len() as u32), fold: *fold };
                let mean = |of: fn(&(&PatientPlacements, &PatientPlacements)) -> f64| {
                    stats::summarize(&both.iter().map(|pair| Some(of(pair))).collect::<Vec<_>>()).mean
                };
                let difference =
                    mean(|pair| pair.0.auc()).zip(mean(|pair| pair.1.auc())).map_or(0.0, |(x, y)| x - y);
                let models = (&columns[*a], &columns[*b]);
                let row = of.row(models, [positive, negative], difference, apart, variance);
                rows.push(DelongRow { pathologies, ..row });
            }
        }
    }
    // Over several folds the test over folds is the one that was named.
    let primary = primary.filter(|_| folds.len() == 1);
    let is_primary = |row: &DelongRow| {
        let of_all = row.label.is_none() && !row.pathologies;
        of_all && primary.is_some_and(|primary| primary.is_of(&row.a, &row.b))
    };
    let family: Vec<usize> = (0..rows.len()).filter(|i| !is_primary(&rows[*i])).collect();
    let p: Vec<Option<f64>> = family.iter().map(|i| rows[*i].p).collect();
    for ((i, holm), bh) in family.iter().zip(stats::holm(&p)).zip(stats::benjamini_hochberg(&p)) {
        (rows[*i].p_holm, rows[*i].p_bh) = (holm, bh);
    }
    rows
}

/// What a row is of.
struct RowOf {
    label: Option<String>,
    over: Option<u32>,
    fold: Option<u32>,
}

impl RowOf {
    fn row(
        self,
        (a, b): (&ModelColumn, &ModelColumn),
        [positive_patients, negative_patients]: [u64; 2],
        difference: f64,
        apart: Option<Estimate>,
        variance: Variance,
    ) -> DelongRow {
        let enough = positive_patients.min(negative_patients) >= FEWEST_PATIENTS;
        let df = |estimate: Estimate| match variance {
            Variance::Clustered => estimate.df,
            Variance::Delong => f64::INFINITY,
        };
        let tested = apart.filter(|_| enough);
        DelongRow {
            a: a.name.clone(),
            b: b.name.clone(),
            label: self.label,
            over: self.over,
            pathologies: false,
            fold: self.fold,
            positive_patients,
            negative_patients,
            difference,
            std_error: std_error(variance, apart),
            p: tested.and_then(|apart| Estimate { value: difference, df: df(apart), ..apart }.p()),
            p_holm: None,
            p_bh: None,
        }
    }
}

/// The corrected resampled t-test of every pair of columns, for each label and for the mean; empty for fewer
/// than two folds, or for scores without a split.
pub(super) fn resampled(
    objects: &dyn Objects,
    columns: &[ModelColumn],
    models: &[ComparedModel],
    no_finding: Option<&str>,
    primary: Option<&Primary>,
) -> Result<Vec<ResampledRow>, CompareError> {
    let folds = &columns[0].folds;
    if folds.len() < 2 {
        return Ok(Vec::new());
    }
    let (mut test, mut train) = (0, 0);
    for (fold, cell) in folds {
        let cell = cell.shared();
        let (Some(split), Some(fold)) = (cell.predictions.split, fold) else { return Ok(Vec::new()) };
        let sizes = objects.get(split)?.folds;
        test += cell.rows.len() as u64;
        // A stranger's record may have any counts.
        train = u64::saturating_add(train, sizes.get(*fold as usize).map_or(0, |sizes| sizes.train.images));
    }
    if train == 0 {
        return Ok(Vec::new());
    }
    let test_to_train = test as f64 / train as f64;
    let mut rows = Vec::new();
    for (i, a) in models.iter().enumerate() {
        for b in &models[i + 1..] {
            let labels = a.labels.iter().zip(&b.labels);
            let spreads =
                labels.map(|(x, y)| (Some(x.label.clone()), false, x.auc.folds.clone(), y.auc.folds.clone()));
            let all = (None, false, a.mean.folds.clone(), b.mean.folds.clone());
            let pathologies = no_finding
                .map(|left_out| (None, true, means_without(a, left_out), means_without(b, left_out)));
            let of_pair: Vec<ResampledRow> = spreads
                .chain([all])
                .chain(pathologies)
                .filter_map(|(label, pathologies, x, y)| {
                    let both = x.iter().zip(&y).filter_map(|(x, y)| Some((*x)? - (*y)?));
                    let test = stats::resampled_t(&both.collect::<Vec<_>>(), test_to_train)?;
                    Some(ResampledRow {
                        a: a.name.clone(),
                        b: b.name.clone(),
                        label,
                        pathologies,
                        n: test.n as u32,
                        test_to_train,
                        difference: test.mean,
                        std_error: test.std_error,
                        p: test.p,
                        p_holm: None,
                        p_bh: None,
                    })
                })
                .collect();
            rows.extend(of_pair);
        }
    }
    let is_primary = |row: &ResampledRow| {
        let of_all = row.label.is_none() && !row.pathologies;
        of_all && primary.is_some_and(|primary| primary.is_of(&row.a, &row.b))
    };
    let family: Vec<usize> = (0..rows.len()).filter(|i| !is_primary(&rows[*i])).collect();
    let p: Vec<Option<f64>> = family.iter().map(|i| rows[*i].p).collect();
    for ((i, holm), bh) in family.iter().zip(stats::holm(&p)).zip(stats::benjamini_hochberg(&p)) {
        (rows[*i].p_holm, rows[*i].p_bh) = (holm, bh);
    }
    Ok(rows)
}

/// The mean over all labels but one, of each fold.
fn means_without(model: &ComparedModel, left_out: &str) -> Vec<Option<f64>> {
    let of_fold = |fold: usize| {
        let others = model.labels.iter().filter(|label| label.label != left_out);
        stats::summarize(&others.map(|label| label.auc.folds[fold]).collect::<Vec<_>>()).mean
    };
    (0..model.mean.folds.len()).map(of_fold).collect()
}
