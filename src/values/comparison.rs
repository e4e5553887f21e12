//! The values of a comparison. The most important ones come first.

use std::collections::BTreeMap;

use super::SETTINGS;
use super::rows::{self, FoldRow, ValueRows, fold_rows, word};
use super::subject::{LabelScope, ValueSubject};
use super::value::{LongValue, RowCounts};
use crate::records::{
    Bootstrap, BootstrapRow, CalibrationBin, ComparedModel, Comparison, ConstantScores, DelongRow, File,
    GroupRow, GroupTest, Incomparable, LabelSpread, LeakCheck, LineOfCalibration, MetricIntervals, MetricRow,
    OperatingPoint, Primary, PublishedAuc, PublishedModel, PublishedTable, RankedModel, ResampledRow,
};

/// Adds all values of a comparison.
pub(super) fn comparison<'t>(rows: &mut ValueRows<'t>, of: &'t Comparison) {
    // Folds are part of the subjects.
    let Comparison {
        dataset: _,
        subset,
        folds,
        shared_images,
        division,
        variance,
        no_finding,
        primary,
        margin,
        models,
        spearman,
        constant,
        pooling,
        delong,
        resampled,
        bootstrap,
        operating_point,
        prevalence,
        metrics,
        groups,
        group_tests,
        ranking,
        published,
        incomparable,
        leak_check,
        rules,
    } = of;
    rows.add(ValueSubject::new("auc", "subset"), subset.map(|subset| subset.name()), RowCounts::default());
    let each = || models.iter().map(|model| (model, fold_rows(folds, &model.seeds, model.mean.folds.len())));
    each().for_each(|(model, folds)| mean(rows, model, &folds));
    each().for_each(|(model, folds)| self::model(rows, model, &folds));
    for (a, row) in models.iter().zip(spearman) {
        for (b, value) in models.iter().zip(row) {
            let of = ValueSubject::new("spearman", "spearman").pair(&a.name, Some(&b.name));
            rows.add(of, *value, RowCounts::default());
        }
    }
    for ConstantScores { model, label, fold } in constant {
        let scope = LabelScope::of(label.as_deref(), false);
        let of = ValueSubject::new("spearman", "constant").model(model).scope(scope).fold(*fold);
        rows.add(of, true, RowCounts::default());
    }
    delong.iter().for_each(|row| paired(rows, row));
    resampled.iter().for_each(|row| over_folds(rows, row));
    bootstrap.iter().for_each(|bootstrap| self::bootstrap(rows, bootstrap));
    metrics.iter().for_each(|row| metric(rows, row));
    groups.iter().for_each(|row| group(rows, row));
    group_tests.iter().for_each(|row| group_test(rows, row));
    ranking.iter().for_each(|ranked| self::ranked(rows, ranked, models, folds));
    if let Some(PublishedTable { file: File { object: _, sha256: _, bytes }, models }) = published {
        models.iter().for_each(|model| self::published(rows, model));
        rows.setting("published_bytes", *bytes);
    }
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    // A reason names models and numbers, which are values themselves.
    for Incomparable { kind, why: _ } in incomparable {
        *kinds.entry(word(kind).as_text().unwrap_or_default().to_owned()).or_default() += 1;
    }
    for (kind, count) in kinds {
        rows.add(ValueSubject::new("not-comparable", "reasons").item(kind), count, RowCounts::default());
    }
    rows.setting("shared_images", *shared_images);
    rows.setting("division", division.as_ref().map(word));
    rows.setting("variance", word(variance));
    rows.setting("pooling", word(pooling));
    rows.setting("no_finding", no_finding.as_deref());
    rows.setting("margin", *margin);
    rows.setting("prevalence", *prevalence);
    self::operating_point(rows, *operating_point);
    if let Some(Primary { a, b }) = primary {
        let of = ValueSubject::new(SETTINGS, "primary").pair(a, Some(b));
        rows.add(of, true, RowCounts::default());
    }
    if let Some(LeakCheck { images, bytes, pixels, pixel_hashes: _ }) = leak_check {
        rows.setting("leak_check_images", *images);
        rows.setting("leak_check_bytes", *bytes);
        rows.setting("leak_check_pixels", *pixels);
    }
    rows.setting("rules", *rules);
}

/// Adds how thresholds are chosen.
pub(super) fn operating_point(rows: &mut ValueRows<'_>, of: Option<OperatingPoint>) {
    let name = of.map(|of| match of {
        OperatingPoint::Youden => "youden",
        OperatingPoint::Sensitivity(_) => "sensitivity",
        OperatingPoint::Specificity(_) => "specificity",
    });
    rows.setting("operating_point", name);
    rows.setting("operating_point_share", of.and_then(OperatingPoint::share));
}

/// The count of a fold, which older records may lack.
fn at(counts: &[u64], fold: usize) -> Option<u64> {
    counts.get(fold).copied()
}

/// Adds the mean over the labels of a model.
fn mean<'t>(rows: &mut ValueRows<'t>, model: &'t ComparedModel, folds: &[FoldRow<'t>]) {
    let of = ValueSubject::new("auc", "").model(&model.name).scope(LabelScope::Labels);
    let covered = model.covered();
    let counts = |fold: usize| RowCounts {
        images: at(&model.images, fold),
        patients: at(&model.patients, fold),
        labels: covered.get(fold).and_then(Option::as_ref).map(|labels| labels.len() as u64),
        ..RowCounts::default()
    };
    rows.spread(&of, &rows::AUC, &model.mean, folds, counts);
    for (place, fold) in folds.iter().enumerate() {
        let labels =
            counts(place).labels.map(|count| RowCounts { labels: Some(count), ..RowCounts::default() });
        rows.counts(&of.clone().fold(fold.fold), labels.unwrap_or_default());
    }
    for (place, (fold, error)) in folds.iter().zip(&model.mean_errors).enumerate() {
        rows.std_error(&of.clone().fold(fold.fold), counts(place), error);
    }
}

/// Adds the counts of a model and its labels.
fn model<'t>(rows: &mut ValueRows<'t>, of: &'t ComparedModel, folds: &[FoldRow<'t>]) {
    // The mean stands before all labels, and seeds are part of the subjects.
    let ComparedModel {
        name,
        imported,
        program,
        predictions: _,
        seeds: _,
        validation: _,
        images,
        of_images,
        patients,
        labels,
        mean: _,
        mean_errors: _,
        pathology_errors,
    } = of;
    let model = ValueSubject::new("auc", "").model(name);
    rows.add(model.statistic("divisions"), of.mean.folds.len(), RowCounts::default());
    for (place, fold) in folds.iter().enumerate() {
        let of = model.clone().fold(fold.fold);
        let [images, patients] = [at(images, place), at(patients, place)];
        let counts = RowCounts { images, patients, ..RowCounts::default() };
        rows.counts(&of, counts);
        if let Some(all) = at(of_images, place) {
            rows.add(of.statistic("of_images"), all, counts);
        }
    }
    let pathologies = model.clone().scope(LabelScope::Pathologies);
    for (fold, error) in folds.iter().zip(pathology_errors) {
        rows.std_error(&pathologies.clone().fold(fold.fold), RowCounts::default(), error);
    }
    for LabelSpread {
        label,
        positives,
        negatives,
        positive_patients,
        negative_patients,
        missing,
        auc,
        std_errors,
    } in labels
    {
        let of = model.clone().label(label);
        let counts = |fold: usize| RowCounts {
            positives: at(positives, fold),
            negatives: at(negatives, fold),
            positive_patients: at(positive_patients, fold),
            negative_patients: at(negative_patients, fold),
            missing: at(missing, fold).filter(|missing| *missing > 0),
            ..RowCounts::default()
        };
        rows.spread(&of, &rows::AUC, auc, folds, counts);
        for (place, fold) in folds.iter().enumerate() {
            rows.counts(&of.clone().fold(fold.fold), counts(place));
        }
        for (place, (fold, error)) in folds.iter().zip(std_errors).enumerate() {
            rows.std_error(&of.clone().fold(fold.fold), counts(place), error);
        }
    }
    for (statistic, is) in [("imported", imported), ("program", program)] {
        rows.add(ValueSubject::new(SETTINGS, statistic).model(name), *is, RowCounts::default());
    }
}

fn paired<'t>(rows: &mut ValueRows<'t>, row: &'t DelongRow) {
    let DelongRow {
        a,
        b,
        label,
        over,
        pathologies,
        fold,
        positive_patients,
        negative_patients,
        difference,
        std_error,
        p,
        p_holm,
        p_bh,
    } = row;
    let scope = LabelScope::of(label.as_deref(), *pathologies);
    let of = ValueSubject::new("delong", "").pair(a, Some(b)).scope(scope).fold(*fold);
    let counts = RowCounts {
        positive_patients: Some(*positive_patients),
        negative_patients: Some(*negative_patients),
        labels: over.map(u64::from),
        ..RowCounts::default()
    };
    rows.add(of.statistic("difference"), *difference, counts);
    rows.std_error(&of, counts, std_error);
    rows.all(&of, counts, p_values([*p, *p_holm, *p_bh]));
    rows.counts(&of, counts);
}

fn p_values<'t>([p, p_holm, p_bh]: [Option<f64>; 3]) -> [(&'static str, LongValue<'t>); 3] {
    [("p", p.into()), ("p_holm", p_holm.into()), ("p_bh", p_bh.into())]
}

fn over_folds<'t>(rows: &mut ValueRows<'t>, row: &'t ResampledRow) {
    let ResampledRow { a, b, label, pathologies, n, test_to_train, difference, std_error, p, p_holm, p_bh } =
        row;
    let scope = LabelScope::of(label.as_deref(), *pathologies);
    let of = ValueSubject::new("resampled", "").pair(a, Some(b)).scope(scope);
    let counts = RowCounts { folds: Some((*n).into()), ..RowCounts::default() };
    rows.add(of.statistic("difference"), *difference, counts);
    rows.add(of.statistic("std_error"), *std_error, counts);
    rows.all(&of, counts, p_values([*p, *p_holm, *p_bh]));
    rows.add(of.statistic("test_to_train"), *test_to_train, counts);
    rows.counts(&of, counts);
}

fn bootstrap<'t>(rows: &mut ValueRows<'t>, of: &'t Bootstrap) {
    let Bootstrap { resamples, seed, level, patients, rows: intervals } = of;
    let all = ValueSubject::new("bootstrap", "");
    let counts =
        RowCounts { resamples: Some((*resamples).into()), patients: Some(*patients), ..RowCounts::default() };
    rows.counts(&all, counts);
    rows.all(&all, counts, [("seed", (*seed).into()), ("level", (*level).into())]);
    for BootstrapRow { model, less, label, pathologies, value, low, high, resamples } in intervals {
        let scope = LabelScope::of(label.as_deref(), *pathologies);
        let of = all.clone().pair(model, less.as_deref()).scope(scope);
        let counts = RowCounts { resamples: Some((*resamples).into()), ..RowCounts::default() };
        let what = if less.is_some() { "difference" } else { "auc" };
        rows.all(&of, counts, [(what, (*value).into()), ("low", (*low).into()), ("high", (*high).into())]);
        rows.counts(&of, counts);
    }
}

fn metric<'t>(rows: &mut ValueRows<'t>, row: &'t MetricRow) {
    let MetricRow {
        model,
        label,
        fold,
        seed,
        positives,
        negatives,
        positive_patients,
        prevalence,
        average_precision,
        threshold,
        threshold_probability,
        sensitivity,
        specificity,
        ppv,
        npv,
        brier,
        ece,
        line,
        intervals,
        bins,
    } = row;
    let of = ValueSubject::new("metrics", "").model(model).label(label).fold(*fold).seed(*seed);
    let counts = RowCounts {
        positives: Some(*positives),
        negatives: Some(*negatives),
        positive_patients: Some(*positive_patients),
        ..RowCounts::default()
    };
    rows.counts(&of, counts);
    let [in_the_large, intercept, slope] = match line {
        Some(LineOfCalibration { in_the_large, intercept, slope }) => {
            [*in_the_large, *intercept, *slope].map(LongValue::Number)
        }
        None => [const { LongValue::Undefined }; 3],
    };
    let values = [
        ("prevalence", (*prevalence).into()),
        ("average_precision", (*average_precision).into()),
        ("threshold", (*threshold).into()),
        ("threshold_probability", (*threshold_probability).into()),
        ("sensitivity", (*sensitivity).into()),
        ("specificity", (*specificity).into()),
        ("ppv", (*ppv).into()),
        ("npv", (*npv).into()),
        ("brier", (*brier).into()),
        ("ece", (*ece).into()),
        ("calibration_in_the_large", in_the_large),
        ("calibration_intercept", intercept),
        ("calibration_slope", slope),
    ];
    rows.all(&of, counts, values);
    if let Some(MetricIntervals { average_precision, sensitivity, specificity, brier, ece }) = intervals {
        let ends = [
            (["average_precision_low", "average_precision_high"], average_precision),
            (["sensitivity_low", "sensitivity_high"], sensitivity),
            (["specificity_low", "specificity_high"], specificity),
            (["brier_low", "brier_high"], brier),
            (["ece_low", "ece_high"], ece),
        ];
        for (names, ends) in ends {
            for (end, name) in names.into_iter().enumerate() {
                rows.add(of.statistic(name), ends.map(|ends| ends[end]), counts);
            }
        }
    }
    for (place, CalibrationBin { images, positives, mean }) in bins.iter().enumerate() {
        let edge = |place: usize| place as f64 / bins.len() as f64;
        let of = of.clone().item(format!("bin {}-{}", edge(place), edge(place + 1)));
        let counts = RowCounts { images: Some(*images), positives: Some(*positives), ..RowCounts::default() };
        rows.counts(&of, counts);
        rows.add(of.statistic("mean_probability"), *mean, counts);
        let width = 1.0 / bins.len() as f64;
        let edges = [("from", place), ("to", place + 1)].map(|(name, at)| (name, (at as f64 * width).into()));
        rows.all(&of, counts, edges);
    }
}

fn group<'t>(rows: &mut ValueRows<'t>, row: &'t GroupRow) {
    let GroupRow {
        by,
        group,
        model,
        label,
        fold,
        images,
        patients,
        positives,
        positive_patients,
        negative_patients,
        missing,
        auc,
        std_error,
    } = row;
    let of = ValueSubject::new("groups", "").group(by.name(), group).model(model).label(label).fold(*fold);
    let counts = RowCounts {
        images: Some(*images),
        patients: Some(*patients),
        positives: Some(*positives),
        positive_patients: Some(*positive_patients),
        negative_patients: Some(*negative_patients),
        missing: *missing,
        ..RowCounts::default()
    };
    rows.add(of.statistic("auc"), *auc, counts);
    rows.std_error(&of, counts, std_error);
    rows.counts(&of, counts);
}

fn group_test<'t>(rows: &mut ValueRows<'t>, row: &'t GroupTest) {
    let GroupTest {
        by,
        group,
        reference,
        model,
        label,
        fold,
        positive_patients,
        negative_patients,
        difference,
        std_error,
        p,
        p_holm,
        p_bh,
    } = row;
    let of =
        ValueSubject::new("group-tests", "").group(by.name(), group).model(model).label(label).fold(*fold);
    let counts = RowCounts {
        positive_patients: Some(*positive_patients),
        negative_patients: Some(*negative_patients),
        ..RowCounts::default()
    };
    rows.add(of.statistic("reference"), reference, counts);
    rows.add(of.statistic("difference"), *difference, counts);
    rows.std_error(&of, counts, std_error);
    rows.all(&of, counts, p_values([*p, *p_holm, *p_bh]));
    rows.counts(&of, counts);
}

fn ranked<'t>(rows: &mut ValueRows<'t>, of: &'t RankedModel, models: &'t [ComparedModel], folds: &[u32]) {
    let RankedModel { model, validation, labels } = of;
    let of = ValueSubject::new("ranking", "").model(model).scope(LabelScope::Labels);
    let seeds = models.iter().find(|own| own.name == *model).map_or(&[][..], |own| &own.seeds);
    let folds = fold_rows(folds, seeds, validation.folds.len());
    let counts = |fold: usize| RowCounts {
        labels: labels.get(fold).map(|count| (*count).into()),
        ..RowCounts::default()
    };
    rows.spread(&of, &rows::AUC, validation, &folds, counts);
    for (place, fold) in folds.iter().enumerate() {
        rows.counts(&of.clone().fold(fold.fold), counts(place));
    }
}

fn published<'t>(rows: &mut ValueRows<'t>, of: &'t PublishedModel) {
    let PublishedModel { name, source, split, images, mean, mean_std, mean_over, auc } = of;
    let model = ValueSubject::new("published", "").model(name);
    let counts = RowCounts { images: *images, ..RowCounts::default() };
    rows.all(&model, counts, [("source", source.into()), ("split", split.into())]);
    rows.counts(&model, counts);
    let all = model.clone().scope(LabelScope::Labels);
    let over = RowCounts { labels: mean_over.map(u64::from), ..RowCounts::default() };
    rows.all(&all, over, [("auc", (*mean).into()), ("auc_std", (*mean_std).into())]);
    rows.counts(&all, over);
    for PublishedAuc { label, auc, std } in auc {
        let values = [("auc", (*auc).into()), ("auc_std", (*std).into())];
        rows.all(&model.clone().label(label), RowCounts::default(), values);
    }
}
