//! The uncertainty of a comparison: intervals and paired tests.

use super::interval::{self, FoldAuc, NoInterval};
use super::means::{DECIMALS, PATHOLOGIES, covered, labels, of_pathologies};
use super::pivot::{self, PivotColumn};
use super::seeds::has_seeds;
use super::{Cell, Column, ReportTable};
use crate::digits::counted;
use crate::records::{Comparison, Variance};
use crate::stats::{Estimate, FEWEST_PATIENTS, FEWEST_RESAMPLED};
use crate::values::{LabelScope, LongTable, Pivot, PivotRow, ValueSubject};

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
        0 | 1 => {
            "No uncertainty is shown; intervals over test patients are in the table `intervals`.".to_owned()
        }
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
    table.notes.extend(pathologies.and(of_pathologies(comparison)));
    table.notes.push(about_intervals(comparison));
    table.notes.extend(missing.note());
    table
}

/// The meaning of the intervals of a comparison.
pub(super) fn about_intervals(comparison: &Comparison) -> String {
    let each = comparison.division().name();
    let over = match comparison.folds.len() {
        0 | 1 => String::new(),
        _ => format!(
            " Mean over the {each}s where the AUC is defined; its standard error is the mean of the {each}s' standard errors, as if all {each}s had the same test images, so the interval is too wide rather than too narrow."
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
        const SHOWN: usize = 6;
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for (why, what) in &self.0 {
            match reasons.iter_mut().find(|(known, _)| known == why) {
                Some((_, all)) => all.push(what),
                None => reasons.push((why, vec![what])),
            }
        }
        let told = |(why, what): &(&str, Vec<&str>)| {
            let more = match what.len().saturating_sub(SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("{}{more} ({why})", what[..what.len().min(SHOWN)].join(", "))
        };
        let said: Vec<String> = reasons.iter().map(told).collect();
        (!said.is_empty()).then(|| format!("No interval: {}.", said.join("; ")))
    }
}

/// The tests of every pair of models, on the test images of a fold or over folds.
pub(super) struct PairTests<'c> {
    comparison: &'c Comparison,
    rows: Vec<PivotRow<'c>>,
    is_over_folds: bool,
}

impl<'c> PairTests<'c> {
    /// The paired tests on the same test images.
    pub(super) fn paired(comparison: &'c Comparison, long: &LongTable<'c>) -> Self {
        PairTests { comparison, rows: Pivot::of(long, "delong").rows, is_over_folds: false }
    }

    /// The corrected resampled t-tests.
    pub(super) fn resampled(comparison: &'c Comparison, long: &LongTable<'c>) -> Self {
        PairTests { comparison, rows: Pivot::of(long, "resampled").rows, is_over_folds: true }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Those of means over labels.
    fn means(&self) -> Vec<&PivotRow<'c>> {
        self.rows.iter().filter(|row| row.subject.label.label().is_none()).collect()
    }

    fn estimate(&self, row: &PivotRow<'_>) -> Result<Estimate, NoInterval> {
        if self.is_over_folds { interval::of_folds(row) } else { interval::of_pair(row) }
    }

    /// Whether a row is the primary comparison: over several folds it is the test over folds.
    fn is_primary(&self, row: &PivotRow<'_>) -> bool {
        let of = &row.subject;
        let is_named = |(a, b)| self.comparison.primary.as_ref().is_some_and(|primary| primary.is_of(a, b));
        of.label == LabelScope::Labels
            && of.model.zip(of.against).is_some_and(is_named)
            && self.rows.iter().all(|other| other.subject.fold == of.fold)
    }

    /// The numbers of a difference: with its interval, standard error and p-values, and with those of the margin.
    fn columns(&self) -> Vec<PivotColumn<'_>> {
        let adjusted = |heading: &str, statistic: &'static str| {
            PivotColumn::new(Column::right(heading), move |row| match self.is_primary(row) {
                true => Cell::Text("primary".to_owned()),
                false => Cell::PValue(row.number(statistic)),
            })
        };
        let ends = move |row: &PivotRow<'_>| self.estimate(row).ok()?.difference_interval();
        let mut columns = vec![
            PivotColumn::interval("AUC A - B", "difference", ends),
            PivotColumn::number("Standard error", "std_error", DECIMALS),
            PivotColumn::p_value("p", "p"),
            adjusted("p (Holm)", "p_holm"),
            adjusted("p (BH)", "p_bh"),
        ];
        let within = |heading: &str, margin: f64, of: fn([f64; 2]) -> f64| {
            PivotColumn::new(Column::right(heading), move |row| {
                let estimate = self.estimate(row).ok();
                Cell::PValue(estimate.and_then(|estimate| estimate.within(margin)).map(of))
            })
        };
        columns.extend(self.comparison.margin.into_iter().flat_map(|margin| {
            [
                within("A not inferior, p", margin, |p| p[0]),
                within("B not inferior, p", margin, |p| p[1]),
                within("equivalent, p", margin, |p| p[0].max(p[1])),
            ]
        }));
        columns
    }

    /// What the family of tests of a table is, what stands outside, and what the margin is.
    fn notes(&self) -> Vec<String> {
        let is_of_family = |row: &&PivotRow<'_>| row.number("p").is_some() && !self.is_primary(row);
        let tests = self.rows.iter().filter(is_of_family).count();
        let mut notes = Vec::new();
        if tests > 0 {
            notes.push(format!(
                "Two-sided p-values, each with the 95 % interval of its difference, which is not adjusted. Family of tests: the {} of this table; Holm controls the family-wise error rate over them, Benjamini-Hochberg (BH) the false discovery rate.",
                counted(tests as u64, "p-value")
            ));
        }
        let has_primary = self.rows.iter().any(|row| self.is_primary(row));
        if let Some(primary) = self.comparison.primary.as_ref().filter(|_| has_primary) {
            notes.push(format!(
                "Primary comparison, named in advance and outside of the family: the mean AUC of {} and {}.",
                primary.a, primary.b
            ));
        }
        if let Some(margin) = self.comparison.margin {
            notes.push(format!(
                "Margin {margin}: one-sided p-values of a model being worse by at least the margin (not inferior if small); equivalent if both are small (two one-sided tests). They are not adjusted."
            ));
        }
        notes
    }

    /// The pairs without an interval, each called by its models and what `of` says of it.
    fn missing(&self, rows: &[&PivotRow<'_>], of: impl Fn(&PivotRow<'_>, &str) -> String) -> Option<String> {
        let mut missing = MissingIntervals::default();
        for row in rows {
            let [a, b] = [row.subject.model, row.subject.against].map(Option::unwrap_or_default);
            missing.add(|| of(row, &format!("{a} and {b}")), self.estimate(row).err());
        }
        missing.note()
    }
}

fn mean_of(row: &PivotRow<'_>) -> String {
    let what = row.subject.label.mean_over().unwrap_or_default();
    row.count("labels").map_or_else(|| "Mean".to_owned(), |over| format!("Mean over {over} {what}"))
}

/// The paired tests, one row each.
pub(super) fn delong(tests: &PairTests<'_>) -> ReportTable {
    let comparison = tests.comparison;
    let label = |row: &PivotRow<'_>| row.subject.label.label().map_or_else(|| mean_of(row), str::to_owned);
    let mut columns = vec![
        PivotColumn::new(Column::left("Label"), move |row| Cell::Text(label(row))),
        PivotColumn::model("A"),
        PivotColumn::against("B"),
        PivotColumn::fold(comparison.division()),
        PivotColumn::count("Positive patients", "positive_patients"),
    ];
    columns.extend(tests.columns());
    let title = format!("Paired tests on the same test images ({})", method(comparison.variance));
    let mut table = pivot::table(title, columns, &tests.rows);
    table.notes.push(OF_TEST_IMAGES.to_owned());
    table.notes.extend(tests.notes());
    let all: Vec<&PivotRow<'_>> = tests.rows.iter().collect();
    table.notes.extend(tests.missing(&all, |row, pair| format!("{} of {pair}", label(row))));
    table
}

/// The corrected resampled t-tests, one row each.
pub(super) fn resampled(tests: &PairTests<'_>) -> ReportTable {
    let comparison = tests.comparison;
    let mean = format!("Mean over {}", covered(comparison));
    let label = |row: &PivotRow<'_>| match row.subject.label {
        LabelScope::Label(label) => label.to_owned(),
        LabelScope::Pathologies => PATHOLOGIES.to_owned(),
        LabelScope::Labels | LabelScope::None => mean.clone(),
    };
    let mut columns = vec![
        PivotColumn::new(Column::left("Label"), |row| Cell::Text(label(row))),
        PivotColumn::model("A"),
        PivotColumn::against("B"),
        PivotColumn::count(format!("{}s", comparison.division().head()), "folds"),
    ];
    columns.extend(tests.columns());
    let each = comparison.division().name();
    let title = format!("Corrected resampled t-test over {each}s, two-sided");
    let mut table = pivot::table(title, columns, &tests.rows);
    table.notes.extend(over_folds(tests));
    table.notes.extend(tests.notes());
    table
}

/// What a test over folds shows; `None` without tests.
fn over_folds(tests: &PairTests<'_>) -> Option<String> {
    let each = tests.comparison.division().name();
    let ratio = tests.rows.first()?.number("test_to_train")?;
    Some(format!(
        "Uncertainty shown: the choice of training and test images and the seed, from one {each} to the next. Nadeau and Bengio (2003): variance over {each}s times 1/n + {ratio:.3} (ratio of test to training images), because {each}s share training images; intervals by Student's t with n - 1 degrees of freedom."
    ))
}

/// The differences of the mean AUCs of every pair: over folds where they can be tested so, otherwise on the test images
/// of each fold. `None` for a single model.
pub(super) fn differences(paired: &PairTests<'_>, resampled: &PairTests<'_>) -> Option<ReportTable> {
    let comparison = paired.comparison;
    let tests = if resampled.means().is_empty() { paired } else { resampled };
    let means = tests.means();
    let mut columns = vec![PivotColumn::model("A"), PivotColumn::against("B")];
    let is_of_pathologies = |row: &&PivotRow<'_>| row.subject.label == LabelScope::Pathologies;
    let two_means = means.iter().any(is_of_pathologies);
    if two_means {
        columns.push(PivotColumn::new(Column::left("Mean over"), |row| {
            Cell::Text(if is_of_pathologies(&row) { "pathologies" } else { "all labels" }.to_owned())
        }));
    }
    columns.push(match tests.is_over_folds {
        true => PivotColumn::count(format!("{}s", comparison.division().head()), "folds").key(),
        false => PivotColumn::fold(comparison.division()),
    });
    columns.extend(tests.columns());
    let title = "Difference of the mean AUCs with 95 % confidence interval";
    let mut table = pivot::table(title, columns, means.iter().copied());
    table.notes.push(format!("Each difference is between means over {}.", covered(comparison)));
    table.notes.extend(of_pathologies(comparison).filter(|_| two_means));
    if tests.is_over_folds {
        table.notes.extend(over_folds(tests));
    } else {
        table.notes.push(format!(
            "{OF_TEST_IMAGES} Variance of the mean: {}; the labels of a patient vary together.",
            method(comparison.variance)
        ));
        table.notes.extend(tests.missing(&means, |row, pair| {
            format!("{pair}{}", if is_of_pathologies(&row) { " over the pathologies" } else { "" })
        }));
    }
    table.notes.extend(tests.notes());
    let name = if tests.is_over_folds { "resampled" } else { "delong" };
    table.notes.push(format!("Labels, and all tests of the family, are in the table `{name}`."));
    (!table.rows.is_empty()).then_some(table)
}

/// Bootstrap intervals: AUCs by label, then differences of the means over the labels.
pub(super) fn bootstrap(comparison: &Comparison, bootstrap: &Pivot<'_>) -> ReportTable {
    let asked = bootstrap.rows.first();
    let [resamples, patients, seed] = ["resamples", "patients", "seed"]
        .map(|count| asked.and_then(|row| row.count(count)).unwrap_or_default());
    let percent = 100.0 * asked.and_then(|row| row.number("level")).unwrap_or_default();
    let mut columns = vec![Column::left("Label")];
    columns.extend(comparison.models.iter().map(|model| Column::named(&model.name)));
    let means = bootstrap.with("difference").filter(|row| row.subject.label == LabelScope::Labels);
    let pairs: Vec<(&str, &str)> =
        means.filter_map(|row| row.subject.model.zip(row.subject.against)).collect();
    columns.extend(pairs.iter().map(|(a, b)| Column::named(format!("{a} - {b}"))));
    let title = format!(
        "AUC with {percent} % confidence interval, {} bootstrap resamples (by patient)",
        super::thousands(resamples)
    );
    let mut table = ReportTable::new(title, columns);
    let mut missing = MissingIntervals::default();
    let mut cell = |model: &str, less: Option<&str>, of: LabelScope<'_>| {
        let row = bootstrap.get(&ValueSubject::new("bootstrap", "").pair(model, less).scope(of));
        let ends = row.and_then(|row| row.ends("low", "high"));
        if row.is_some() && ends.is_none() {
            let what = less.map_or_else(|| model.to_owned(), |less| format!("{model} - {less}"));
            missing.add(|| format!("{} of {what}", name(of)), Some(why(comparison, model, of)));
        }
        let value = row.and_then(|row| row.number(if less.is_some() { "difference" } else { "auc" }));
        Cell::Interval { value, ends, decimals: DECIMALS }
    };
    let mean = format!("Mean over {}", covered(comparison));
    let two_means = bootstrap.rows.iter().any(|row| row.subject.label == LabelScope::Pathologies);
    let over_pathologies = two_means.then_some(LabelScope::Pathologies);
    let each = labels(comparison).map(LabelScope::Label).chain([LabelScope::Labels]).chain(over_pathologies);
    for of in each {
        let head = match of {
            LabelScope::Label(label) => label,
            LabelScope::Labels | LabelScope::None => &mean,
            LabelScope::Pathologies => PATHOLOGIES,
        };
        let mut row = vec![Cell::Text(head.to_owned())];
        row.extend(comparison.models.iter().map(|model| cell(&model.name, None, of)));
        row.extend(pairs.iter().map(|(a, b)| cell(a, Some(b), of)));
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
        "{OF_TEST_IMAGES} {} patients drawn with replacement, with all their images, seed {seed}: for a label, those with a positive image separately from the others, so that both classes stay; for a mean, all together. Percentile intervals, not adjusted for multiplicity; none with fewer than {FEWEST_RESAMPLED} positive or negative patients.{folds}",
        super::thousands(patients),
    ));
    let short = bootstrap.with("auc").filter_map(|row| {
        let discarded = resamples.checked_sub(row.count("resamples")?).filter(|discarded| *discarded > 0)?;
        Some(format!("{} of {} ({discarded})", name(row.subject.label), row.subject.model?))
    });
    let short: Vec<String> = short.collect();
    if !short.is_empty() {
        table.notes.push(format!(
            "The labels of a mean are those of the original images; a resample in which one has no AUC is discarded. Discarded of {}: {}.",
            super::thousands(resamples),
            short.join(", ")
        ));
    }
    table.notes.extend(of_pathologies(comparison).filter(|_| two_means));
    table.notes.extend(missing.note());
    table
}

/// What a bootstrap interval is of.
fn name(of: LabelScope<'_>) -> &str {
    match of {
        LabelScope::Label(label) => label,
        LabelScope::Labels | LabelScope::None => "mean",
        LabelScope::Pathologies => "mean over pathologies",
    }
}

/// Why the bootstrap gave no interval.
fn why(comparison: &Comparison, model: &str, of: LabelScope<'_>) -> NoInterval {
    let models = comparison.models.iter().filter(|own| own.name == model);
    let labels = models.flat_map(|model| &model.labels).filter(|own| match of {
        LabelScope::Label(label) => own.label == label,
        LabelScope::Labels | LabelScope::None => true,
        LabelScope::Pathologies => Some(&own.label) != comparison.no_finding.as_ref(),
    });
    let folds: Vec<FoldAuc> = labels.flat_map(FoldAuc::of).collect();
    interval::of_resamples(&folds)
}
