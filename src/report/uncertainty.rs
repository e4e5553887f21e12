//! The uncertainty of a comparison: intervals and paired tests.

use super::interval::{self, FoldAuc, NoInterval};
use super::means::{DECIMALS, PATHOLOGIES, covered, labels};
use super::seeds::has_seeds;
use super::{Cell, Column, ReportTable};
use crate::records::{Bootstrap, BootstrapRow, Comparison, DelongRow, ResampledRow, Variance};
use crate::stats::{Estimate, FEWEST_PATIENTS, FEWEST_RESAMPLED};

/// How variances are computed, in a heading.
pub(super) fn method(variance: Variance) -> &'static str {
    match variance {
        Variance::Clustered => "patients as clusters",
        Variance::Delong => "DeLong, images taken as independent",
    }
}

/// The uncertainty of the test images, of which a table says that it shows it.
pub(super) const OF_TEST_IMAGES: &str =
    "Uncertainty shown: the choice of test patients; the trained models are taken as fixed.";

/// What the deviations of a table of AUCs show.
pub(super) fn of_spread(comparison: &Comparison) -> String {
    let each = comparison.division().name();
    match comparison.folds.len() {
        0 | 1 => "Uncertainty shown: none; that of the test patients is in the table `intervals`.".to_owned(),
        _ => {
            let what = match has_seeds(comparison) {
                true => {
                    "training images and test images together, each a mean over its seeds (the table `seeds` has both deviations)"
                }
                false => "training images, test images and seed together",
            };
            format!(
                "Uncertainty shown (±): how much the AUC of one {each} varies with its {what}; it is not the standard error of the mean."
            )
        }
    }
}

/// AUCs with their confidence intervals.
pub(super) fn intervals(comparison: &Comparison) -> ReportTable {
    let mut columns = vec![Column::left("Label")];
    columns.extend(comparison.models.iter().map(|model| Column::named(&model.name)));
    let title = format!("AUC with 95 % confidence interval ({})", method(comparison.variance));
    let mut table = ReportTable::new(title, columns);
    let mut missing = MissingIntervals::default();
    for (place, name) in labels(comparison).enumerate() {
        let cells = comparison.models.iter().map(|model| {
            let folds = FoldAuc::of(&model.labels[place]);
            missing.cell(comparison.variance, &folds, || format!("{name} of {}", model.name))
        });
        table.rows.push(std::iter::once(Cell::Text(name.to_owned())).chain(cells).collect());
    }
    let means = comparison.models.iter().enumerate().map(|(place, model)| {
        let folds = FoldAuc::of_mean(comparison, place);
        missing.cell(comparison.variance, &folds, || format!("mean of {}", model.name))
    });
    table.rows.push(std::iter::once(Cell::Text("Mean".to_owned())).chain(means).collect());
    let pathologies = (0..comparison.models.len()).map(|place| FoldAuc::of_pathologies(comparison, place));
    let pathologies: Option<Vec<Vec<FoldAuc>>> = pathologies.collect();
    for folds in pathologies.iter().filter(|folds| !folds.is_empty()) {
        let cells = comparison.models.iter().zip(folds).map(|(model, folds)| {
            missing.cell(comparison.variance, folds, || format!("mean over pathologies of {}", model.name))
        });
        table.rows.push(std::iter::once(Cell::Text(PATHOLOGIES.to_owned())).chain(cells).collect());
    }
    table.notes.push(format!("The mean covers {}.", covered(comparison)));
    table.notes.extend(pathologies.and(left_out(comparison)));
    table.notes.push(about_intervals(comparison));
    table.notes.extend(missing.note());
    table
}

/// What the mean over pathologies leaves out.
fn left_out(comparison: &Comparison) -> Option<String> {
    let no_finding = comparison.no_finding.as_ref()?;
    Some(format!("The mean over pathologies leaves out {no_finding}."))
}

/// The meaning of the intervals of a comparison.
pub(super) fn about_intervals(comparison: &Comparison) -> String {
    let each = comparison.division().name();
    let over = match comparison.folds.len() {
        0 | 1 => String::new(),
        _ => format!(
            " Mean over the {each}s where the AUC is defined; its standard error is the mean of the {each}s' standard errors, as if all {each}s had the same test images: conservative."
        ),
    };
    let how = match comparison.variance {
        Variance::Clustered => {
            "Variance over patients (Obuchowski 1997), Student's t on the logit scale; not adjusted for multiplicity."
        }
        Variance::Delong => {
            "Images are taken as independent (DeLong), normal distribution: too narrow if patients have several images."
        }
    };
    format!(
        "{OF_TEST_IMAGES} {how}{over} No interval with fewer than {FEWEST_PATIENTS} positive or negative patients, or for an AUC of 0 or 1."
    )
}

/// The intervals that a table lacks, each with its reason.
#[derive(Default)]
pub(super) struct MissingIntervals(Vec<(String, String)>);

impl MissingIntervals {
    /// The mean AUC over folds with its interval; `what` says of what it is.
    pub(super) fn cell(
        &mut self,
        variance: Variance,
        folds: &[FoldAuc],
        what: impl FnOnce() -> String,
    ) -> Cell {
        let value = crate::stats::summarize(&folds.iter().map(|fold| fold.auc).collect::<Vec<_>>()).mean;
        let ends = interval::of_auc(variance, folds);
        self.add(what, ends.err());
        Cell::Interval { value, ends: ends.ok(), decimals: DECIMALS }
    }

    pub(super) fn add(&mut self, what: impl FnOnce() -> String, why: Option<NoInterval>) {
        if let Some(why) = why.filter(|why| *why != NoInterval::NoAuc) {
            self.0.push((why.to_string(), what()));
        }
    }

    /// All of them, by reason.
    pub(super) fn note(&self) -> Option<String> {
        const SHOWN: usize = 20;
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for (why, what) in self.0.iter().take(SHOWN) {
            match reasons.iter_mut().find(|(known, _)| known == why) {
                Some((_, all)) => all.push(what),
                None => reasons.push((why, vec![what])),
            }
        }
        let said: Vec<String> =
            reasons.iter().map(|(why, what)| format!("{} ({why})", what.join(", "))).collect();
        let more = match self.0.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        (!self.0.is_empty()).then(|| format!("No interval: {}{more}.", said.join("; ")))
    }
}

/// The cells of a difference: with its interval, standard error and p-values, and with those of the margin.
fn tested(
    margin: Option<f64>,
    difference: f64,
    std_error: Option<f64>,
    estimate: Option<Estimate>,
    [p, p_holm, p_bh]: [Option<f64>; 3],
    is_primary: bool,
) -> Vec<Cell> {
    let adjusted = |p| if is_primary { Cell::Text("primary".to_owned()) } else { Cell::PValue(p) };
    let ends = estimate.and_then(|estimate| estimate.difference_interval());
    let mut cells = vec![
        Cell::Interval { value: Some(difference), ends, decimals: DECIMALS },
        Cell::Number { value: std_error, decimals: DECIMALS },
        Cell::PValue(p),
        adjusted(p_holm),
        adjusted(p_bh),
    ];
    if let Some(margin) = margin {
        let within = estimate.and_then(|estimate| estimate.within(margin));
        let of = |pick: fn([f64; 2]) -> f64| Cell::PValue(within.map(pick));
        cells.extend([of(|p| p[0]), of(|p| p[1]), of(|p| p[0].max(p[1]))]);
    }
    cells
}

fn tested_columns(comparison: &Comparison) -> Vec<Column> {
    let mut columns = vec![
        Column::right("AUC A - B"),
        Column::right("Standard error"),
        Column::right("p"),
        Column::right("p (Holm)"),
        Column::right("p (BH)"),
    ];
    if comparison.margin.is_some() {
        columns.extend(["A not inferior, p", "B not inferior, p", "equivalent, p"].map(Column::right));
    }
    columns
}

/// What the family of tests of a table is, what stands outside, and what the margin is.
fn about_tests(comparison: &Comparison, tests: usize, has_primary: bool) -> Vec<String> {
    let mut notes = vec![format!(
        "Two-sided p-values, each with the 95 % interval of its difference, which is not adjusted. Family of tests: the {tests} p-values of this comparison's table; Holm controls the family-wise error rate over them, Benjamini-Hochberg (BH) the false discovery rate."
    )];
    if let Some(primary) = comparison.primary.as_ref().filter(|_| has_primary) {
        notes.push(format!(
            "Primary comparison, named in advance and outside of the family: the mean AUC of {} and {}.",
            primary.a, primary.b
        ));
    }
    if let Some(margin) = comparison.margin {
        notes.push(format!(
            "Margin {margin}: one-sided p-values of a model being worse by at least the margin (not inferior if small); equivalent if both are small (two one-sided tests). They are not adjusted."
        ));
    }
    notes
}

fn is_primary(comparison: &Comparison, is_of_all: bool, a: &str, b: &str) -> bool {
    is_of_all && comparison.primary.as_ref().is_some_and(|primary| primary.is_of(a, b))
}

/// Whether a paired row is the primary comparison: over several folds it is the test over folds.
fn is_primary_row(comparison: &Comparison, row: &DelongRow) -> bool {
    let folds: std::collections::BTreeSet<_> = comparison.delong.iter().map(|row| row.fold).collect();
    folds.len() == 1 && is_primary(comparison, row.label.is_none() && !row.pathologies, &row.a, &row.b)
}

fn of_paired(comparison: &Comparison, row: &DelongRow) -> Vec<Cell> {
    let estimate = interval::of_pair(row).ok();
    let p = [row.p, row.p_holm, row.p_bh];
    let primary = is_primary_row(comparison, row);
    tested(comparison.margin, row.difference, row.std_error.value, estimate, p, primary)
}

fn of_resampled(comparison: &Comparison, row: &ResampledRow) -> Vec<Cell> {
    let estimate = interval::of_folds(row).ok();
    let p = [row.p, row.p_holm, row.p_bh];
    let primary = is_primary(comparison, row.label.is_none() && !row.pathologies, &row.a, &row.b);
    tested(comparison.margin, row.difference, Some(row.std_error), estimate, p, primary)
}

fn mean_of(row: &DelongRow) -> String {
    let what = if row.pathologies { "pathologies" } else { "labels" };
    row.over.map_or_else(|| "Mean".to_owned(), |over| format!("Mean over {over} {what}"))
}

/// The paired tests, one row each.
pub(super) fn delong(comparison: &Comparison) -> ReportTable {
    let mut columns = vec![
        Column::left("Label"),
        Column::left("A"),
        Column::left("B"),
        Column::right(comparison.division().head()).key(),
        Column::right("Positive patients"),
    ];
    columns.extend(tested_columns(comparison));
    let title = format!("Paired tests on the same test images ({})", method(comparison.variance));
    let mut table = ReportTable::new(title, columns);
    let mut missing = MissingIntervals::default();
    for row in &comparison.delong {
        let label = row.label.clone().unwrap_or_else(|| mean_of(row));
        missing.add(|| format!("{label} of {} and {}", row.a, row.b), interval::of_pair(row).err());
        let heads = [
            Cell::Text(label),
            Cell::Text(row.a.clone()),
            Cell::Text(row.b.clone()),
            row.fold.map_or(Cell::Empty, |fold| Cell::Integer(fold.into())),
            Cell::Integer(row.positive_patients),
        ];
        table.rows.push(heads.into_iter().chain(of_paired(comparison, row)).collect());
    }
    table.notes.push(OF_TEST_IMAGES.to_owned());
    let primary = comparison.delong.iter().any(|row| is_primary_row(comparison, row));
    let family =
        comparison.delong.iter().filter(|row| row.p.is_some() && !is_primary_row(comparison, row)).count();
    table.notes.extend(about_tests(comparison, family, primary));
    table.notes.extend(missing.note());
    table
}

/// The corrected resampled t-tests, one row each.
pub(super) fn resampled(comparison: &Comparison) -> ReportTable {
    let each = comparison.division().name();
    let mut columns = vec![
        Column::left("Label"),
        Column::left("A"),
        Column::left("B"),
        Column::right(format!("{}s", comparison.division().head())),
    ];
    columns.extend(tested_columns(comparison));
    let mut table = ReportTable::new(format!("Corrected resampled t-test over {each}s, two-sided"), columns);
    let mean = format!("Mean over {}", covered(comparison));
    for row in &comparison.resampled {
        let heads = [
            Cell::Text(row.label.clone().unwrap_or_else(|| match row.pathologies {
                true => PATHOLOGIES.to_owned(),
                false => mean.clone(),
            })),
            Cell::Text(row.a.clone()),
            Cell::Text(row.b.clone()),
            Cell::Integer(row.n.into()),
        ];
        table.rows.push(heads.into_iter().chain(of_resampled(comparison, row)).collect());
    }
    if let Some(row) = comparison.resampled.first() {
        table.notes.push(over_folds(each, row.test_to_train));
    }
    let named =
        |row: &&ResampledRow| is_primary(comparison, row.label.is_none() && !row.pathologies, &row.a, &row.b);
    let primary = comparison.resampled.iter().any(|row| named(&row));
    let family = comparison.resampled.iter().filter(|row| row.p.is_some() && !named(row)).count();
    table.notes.extend(about_tests(comparison, family, primary));
    table
}

/// What a test over folds shows.
fn over_folds(each: &str, ratio: f64) -> String {
    format!(
        "Uncertainty shown: the choice of training and test images and the seed, from one {each} to the next. Nadeau and Bengio (2003): variance over {each}s times 1/n + {ratio:.3} (ratio of test to training images), because {each}s share training images; intervals by Student's t with n - 1 degrees of freedom."
    )
}

/// The differences of the mean AUCs of every pair: over folds where they can be tested so, otherwise on the test images
/// of each fold. `None` for a single model.
pub(super) fn differences(comparison: &Comparison) -> Option<ReportTable> {
    let each = comparison.division().name();
    let over: Vec<&ResampledRow> = comparison.resampled.iter().filter(|row| row.label.is_none()).collect();
    let paired: Vec<&DelongRow> = comparison.delong.iter().filter(|row| row.label.is_none()).collect();
    let mut columns = vec![
        Column::left("A"),
        Column::left("B"),
        Column::right(match over.is_empty() {
            true => comparison.division().head().to_owned(),
            false => format!("{}s", comparison.division().head()),
        })
        .key(),
    ];
    let two_means = over.iter().any(|row| row.pathologies) || paired.iter().any(|row| row.pathologies);
    if two_means {
        columns.insert(2, Column::left("Mean over"));
    }
    columns.extend(tested_columns(comparison));
    let mut table = ReportTable::new("Difference of the mean AUCs with 95 % confidence interval", columns);
    let names = |a: &str, b: &str, pathologies: bool| {
        let mut cells = vec![Cell::Text(a.to_owned()), Cell::Text(b.to_owned())];
        let what = if pathologies { "pathologies" } else { "all labels" };
        cells.extend(two_means.then(|| Cell::Text(what.to_owned())));
        cells
    };
    let has_primary = if over.is_empty() {
        let mut missing = MissingIntervals::default();
        for row in &paired {
            let what = if row.pathologies { ", pathologies" } else { "" };
            missing.add(|| format!("{} and {}{what}", row.a, row.b), interval::of_pair(row).err());
            let fold = row.fold.map_or(Cell::Empty, |fold| Cell::Integer(fold.into()));
            let heads = names(&row.a, &row.b, row.pathologies).into_iter().chain([fold]);
            table.rows.push(heads.chain(of_paired(comparison, row)).collect());
        }
        table.notes.push(format!(
            "{OF_TEST_IMAGES} Variance of the mean: {}; the labels of a patient vary together.",
            method(comparison.variance)
        ));
        table.notes.extend(missing.note());
        paired.iter().any(|row| is_primary_row(comparison, row))
    } else {
        for row in &over {
            let heads =
                names(&row.a, &row.b, row.pathologies).into_iter().chain([Cell::Integer(row.n.into())]);
            table.rows.push(heads.chain(of_resampled(comparison, row)).collect());
        }
        table.notes.push(over_folds(each, over[0].test_to_train));
        over.iter().any(|row| is_primary(comparison, !row.pathologies, &row.a, &row.b))
    };
    table.notes.insert(0, format!("The mean covers {}.", covered(comparison)));
    if let Some(note) = left_out(comparison).filter(|_| two_means) {
        table.notes.insert(1, note);
    }
    let (name, tests) = match over.is_empty() {
        true => {
            let family =
                comparison.delong.iter().filter(|row| row.p.is_some() && !is_primary_row(comparison, row));
            ("delong", family.count())
        }
        false => {
            let named = |row: &&ResampledRow| {
                is_primary(comparison, row.label.is_none() && !row.pathologies, &row.a, &row.b)
            };
            let family = comparison.resampled.iter().filter(|row| row.p.is_some() && !named(row));
            ("resampled", family.count())
        }
    };
    table.notes.extend(about_tests(comparison, tests, has_primary));
    table.notes.push(format!("Labels, and all tests of the family, are in the table `{name}`."));
    (!table.rows.is_empty()).then_some(table)
}

/// Bootstrap intervals: AUCs by label, then differences of the means over the labels.
pub(super) fn bootstrap(comparison: &Comparison, bootstrap: &Bootstrap) -> ReportTable {
    let percent = 100.0 * bootstrap.level;
    let mut columns = vec![Column::left("Label")];
    columns.extend(comparison.models.iter().map(|model| Column::named(&model.name)));
    let is_pair = |row: &&BootstrapRow| row.less.is_some() && row.label.is_none() && !row.pathologies;
    let pairs: Vec<&BootstrapRow> = bootstrap.rows.iter().filter(is_pair).collect();
    let heading =
        |row: &&BootstrapRow| format!("{} - {}", row.model, row.less.as_deref().unwrap_or_default());
    columns.extend(pairs.iter().map(|row| Column::named(heading(row))));
    let title = format!(
        "AUC with {percent} % confidence interval, {} bootstrap resamples (by patient)",
        super::thousands(bootstrap.resamples.into())
    );
    let mut table = ReportTable::new(title, columns);
    let mut missing = MissingIntervals::default();
    let mut cell = |model: &str, less: Option<&str>, of: Resampled<'_>| {
        let same = |row: &&BootstrapRow| {
            row.model == model && row.less.as_deref() == less && Resampled::of(row) == of
        };
        let row = bootstrap.rows.iter().find(same);
        let ends = row.and_then(|row| Some([row.low?, row.high?]));
        if row.is_some() && ends.is_none() {
            let what = less.map_or_else(|| model.to_owned(), |less| format!("{model} - {less}"));
            missing.add(|| format!("{} of {what}", of.name()), Some(why(comparison, model, of)));
        }
        Cell::Interval { value: row.map(|row| row.value), ends, decimals: DECIMALS }
    };
    let mean = format!("Mean over {}", covered(comparison));
    let two_means = bootstrap.rows.iter().any(|row| row.pathologies);
    let of_pathologies = two_means.then_some(Resampled::MeanOverPathologies);
    let each = labels(comparison).map(Resampled::Label).chain([Resampled::Mean]).chain(of_pathologies);
    for of in each {
        let head = match of {
            Resampled::Label(label) => label,
            Resampled::Mean => &mean,
            Resampled::MeanOverPathologies => PATHOLOGIES,
        };
        let mut row = vec![Cell::Text(head.to_owned())];
        row.extend(comparison.models.iter().map(|model| cell(&model.name, None, of)));
        row.extend(pairs.iter().map(|pair| cell(&pair.model, pair.less.as_deref(), of)));
        table.rows.push(row);
    }
    let each = comparison.division().name();
    let folds = match comparison.folds.len() {
        0 | 1 => String::new(),
        _ => format!(
            " All {each}s have the same weight in a resample; its value is a mean over them, and a resample that leaves one of them without a class is discarded."
        ),
    };
    table.notes.push(format!(
        "{OF_TEST_IMAGES} {} patients drawn with replacement, with all their images, seed {}: for a label, those with a positive image separately from the others, so that both classes stay; for a mean, all together. Percentile intervals, not adjusted for multiplicity; none with fewer than {FEWEST_RESAMPLED} positive or negative patients.{folds}",
        super::thousands(bootstrap.patients),
        bootstrap.seed
    ));
    let short: Vec<String> = bootstrap
        .rows
        .iter()
        .filter(|row| row.resamples < bootstrap.resamples && row.less.is_none())
        .map(|row| {
            let discarded = bootstrap.resamples - row.resamples;
            format!("{} of {} ({discarded})", Resampled::of(row).name(), row.model)
        })
        .collect();
    if !short.is_empty() {
        table.notes.push(format!(
            "Which AUCs a value covers is fixed by the original images; a resample that lacks one is discarded. Discarded of {}: {}.",
            super::thousands(bootstrap.resamples.into()),
            short.join(", ")
        ));
    }
    table.notes.extend(left_out(comparison).filter(|_| two_means));
    table.notes.extend(missing.note());
    table
}

/// What a bootstrap interval is of.
#[derive(Clone, Copy, PartialEq)]
enum Resampled<'r> {
    Label(&'r str),
    Mean,
    MeanOverPathologies,
}

impl<'r> Resampled<'r> {
    fn of(row: &'r BootstrapRow) -> Self {
        match &row.label {
            Some(label) => Resampled::Label(label),
            None if row.pathologies => Resampled::MeanOverPathologies,
            None => Resampled::Mean,
        }
    }

    fn name(self) -> &'r str {
        match self {
            Resampled::Label(label) => label,
            Resampled::Mean => "mean",
            Resampled::MeanOverPathologies => "mean over pathologies",
        }
    }
}

/// Why the bootstrap gave no interval.
fn why(comparison: &Comparison, model: &str, of: Resampled<'_>) -> NoInterval {
    let models = comparison.models.iter().filter(|own| own.name == model);
    let labels = models.flat_map(|model| &model.labels).filter(|own| match of {
        Resampled::Label(label) => own.label == label,
        Resampled::Mean => true,
        Resampled::MeanOverPathologies => Some(&own.label) != comparison.no_finding.as_ref(),
    });
    let folds: Vec<FoldAuc> = labels.flat_map(FoldAuc::of).collect();
    interval::of_resamples(&folds)
}
