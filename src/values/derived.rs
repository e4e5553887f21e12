//! The numbers of a comparison that reports print and no record holds: they follow from recorded ones.
//!
//! They are rows of the long form so that a script, `diff` and an audit have every printed number. Reports compute them from the
//! same functions.

use super::interval::{self, FoldAuc, NoInterval};
use super::means::mean_over_pathologies;
use super::pivot::{Pivot, PivotRow};
use super::rows::{self, FoldRow, ValueRows, fold_rows};
use super::subject::{LabelScope, ValueSubject};
use super::value::RowCounts;
use super::{LongRow, LongTable};
use crate::records::{Comparison, LabelSpread, Variance};
use crate::stats::{self, Estimate};

/// The rows that follow from the rows of a comparison.
pub(super) fn derived<'t>(of: &'t Comparison, recorded: &LongTable<'t>) -> Vec<LongRow<'t>> {
    let mut rows = ValueRows::default();
    for (place, model) in of.models.iter().enumerate() {
        let folds = fold_rows(&of.folds, &model.seeds, model.mean.folds.len());
        let own = ValueSubject::new("auc", "").model(&model.name);
        let mean = own.clone().scope(LabelScope::Labels);
        aucs(&mut rows, &mean, of.variance, &folds, &FoldAuc::of_mean(of, place));
        pathologies(&mut rows, of, place, &folds);
        for label in &model.labels {
            let of_label = own.clone().label(&label.label);
            aucs(&mut rows, &of_label, of.variance, &folds, &FoldAuc::of(label));
        }
    }
    type Estimator = fn(&PivotRow<'_>) -> Result<Estimate, NoInterval>;
    let estimates: [(&str, Estimator, bool); 3] = [
        ("delong", interval::of_pair, true),
        ("resampled", interval::of_folds, true),
        ("group-tests", interval::of_groups, false),
    ];
    for (table, estimate, is_of_pair) in estimates {
        let pivot = Pivot::of(recorded, table);
        for (row, counts) in with_counts(&pivot, recorded, table, "difference") {
            let estimate = estimate(row).ok();
            ends(
                &mut rows,
                &row.subject,
                ["low", "high"],
                estimate.and_then(|of| of.difference_interval()),
                counts,
            );
            let margin = of.margin.filter(|_| is_of_pair);
            if let Some(margin) = margin {
                let p = estimate.and_then(|of| of.within(margin));
                let values = [
                    ("p_a_not_inferior", p.map(|p| p[0]).into()),
                    ("p_b_not_inferior", p.map(|p| p[1]).into()),
                    ("p_equivalent", p.map(|p| p[0].max(p[1])).into()),
                ];
                rows.all(&row.subject, counts, values);
            }
        }
    }
    let groups = Pivot::of(recorded, "groups");
    for (row, counts) in with_counts(&groups, recorded, "groups", "auc") {
        let interval = interval::of_auc(of.variance, &[FoldAuc::from(row)]).ok();
        ends(&mut rows, &row.subject, ["auc_low", "auc_high"], interval, counts);
    }
    if let Some(prevalence) = of.prevalence {
        let metrics = Pivot::of(recorded, "metrics");
        for (row, counts) in with_counts(&metrics, recorded, "metrics", "sensitivity") {
            let at = row.number("sensitivity").zip(row.number("specificity"));
            let [ppv, npv] = at.map_or([None; 2], |(sensitivity, specificity)| {
                stats::predictive_values(sensitivity, specificity, prevalence)
            });
            let values = [("ppv_at_prevalence", ppv.into()), ("npv_at_prevalence", npv.into())];
            rows.all(&row.subject, counts, values);
        }
    }
    for (rank, ranked) in (1_u64..).zip(&of.ranking) {
        let subject = ValueSubject::new("ranking", "rank").model(&ranked.model).scope(LabelScope::Labels);
        rows.add(subject, rank, RowCounts::default());
    }
    rows.finish().rows
}

/// The rows of a table that have a statistic, with the counts beside that.
fn with_counts<'p, 't>(
    pivot: &'p Pivot<'t>,
    recorded: &LongTable<'t>,
    table: &str,
    statistic: &str,
) -> Vec<(&'p PivotRow<'t>, RowCounts)> {
    let is_asked = |row: &&LongRow<'t>| (row.subject.table, row.subject.statistic) == (table, statistic);
    let each = recorded.rows.iter().filter(is_asked);
    each.filter_map(|row| Some((pivot.get(&row.subject.statistic(""))?, row.counts))).collect()
}

fn ends<'t>(
    rows: &mut ValueRows<'t>,
    of: &ValueSubject<'t>,
    names: [&'static str; 2],
    ends: Option<[f64; 2]>,
    counts: RowCounts,
) {
    for (place, name) in names.into_iter().enumerate() {
        rows.add(of.statistic(name), ends.map(|ends| ends[place]), counts);
    }
}

/// Patients of AUCs: the fewest where they are several.
fn patients(of: &[FoldAuc]) -> RowCounts {
    let fewest = |class: usize| of.iter().filter(|of| of.auc.is_some()).map(|of| of.patients[class]).min();
    RowCounts { positive_patients: fewest(0), negative_patients: fewest(1), ..RowCounts::default() }
}

/// Adds the intervals of AUCs, of each fold and of the mean over the folds, with the patients that are not recorded: those of a mean.
fn aucs<'t>(
    rows: &mut ValueRows<'t>,
    of: &ValueSubject<'t>,
    variance: Variance,
    folds: &[FoldRow<'t>],
    aucs: &[FoldAuc],
) {
    for (fold, auc) in folds.iter().zip(aucs) {
        let (of, counts) = (of.clone().fold(fold.fold), patients(&[*auc]));
        ends(rows, &of, ["auc_low", "auc_high"], interval::of_auc(variance, &[*auc]).ok(), counts);
        if of.label.mean_over().is_some() {
            rows.counts(&of, counts);
        }
    }
    // Scores outside of a fold have no mean over folds.
    if folds.iter().any(|fold| fold.fold.is_none()) {
        return;
    }
    let defined = aucs.iter().filter(|auc| auc.auc.is_some()).count() as u64;
    let fewest = patients(aucs);
    let over = RowCounts { folds: Some(defined), ..fewest };
    ends(rows, of, ["auc_mean_low", "auc_mean_high"], interval::of_auc(variance, aucs).ok(), over);
    rows.counts(of, fewest);
}

/// Adds the mean over pathologies of a model, with its intervals.
fn pathologies<'t>(rows: &mut ValueRows<'t>, of: &'t Comparison, place: usize, folds: &[FoldRow<'t>]) {
    let model = &of.models[place];
    let Some(mean) = mean_over_pathologies(of, model) else { return };
    let subject = ValueSubject::new("auc", "").model(&model.name).scope(LabelScope::Pathologies);
    let counts = |fold: usize| {
        let is_covered = |label: &&LabelSpread| {
            let is_pathology = of.no_finding.as_deref() != Some(&*label.label);
            is_pathology && label.auc.folds.get(fold).is_some_and(Option::is_some)
        };
        let labels = model.labels.iter().filter(is_covered).count() as u64;
        RowCounts { labels: Some(labels), ..RowCounts::default() }
    };
    rows.spread(&subject, &rows::AUC, &mean, folds, counts);
    for (place, fold) in folds.iter().enumerate() {
        rows.counts(&subject.clone().fold(fold.fold), counts(place));
    }
    if let Some(of_folds) = FoldAuc::of_pathologies(of, place) {
        aucs(rows, &subject, of.variance, folds, &of_folds);
    }
}

/// The value of a derived row with the two models the other way round: what is said of the one is then said of the other.
pub(super) fn turned(statistic: &'static str) -> &'static str {
    match statistic {
        "p_a_not_inferior" => "p_b_not_inferior",
        "p_b_not_inferior" => "p_a_not_inferior",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::LongValue;
    use super::*;

    #[test]
    fn the_margins_of_a_pair_change_places_with_its_models() {
        let of = |statistic| LongRow {
            subject: ValueSubject::new("delong", statistic).pair("a", Some("b")),
            value: LongValue::Number(0.25),
            counts: RowCounts::default(),
        };
        for (before, after) in [
            ("p_a_not_inferior", "p_b_not_inferior"),
            ("p_b_not_inferior", "p_a_not_inferior"),
            ("p_equivalent", "p_equivalent"),
        ] {
            let LongRow { subject, value, .. } = of(before).turned();
            assert_eq!(
                (subject.statistic, subject.model, value),
                (after, Some("b"), LongValue::Number(0.25))
            );
        }
    }
}
