//! The values of tables other than comparisons.

use super::comparison::operating_point;
use super::rows::{self, FoldRow, ValueRows, word};
use super::subject::{LabelScope, ValueSubject};
use super::value::RowCounts;
use crate::records::{
    AgeCount, Area, AucTable, DatasetTable, Heatmap, HeatmapInBox, LabelAuc, LabelPrevalence, LabelThreshold,
    MetaFeatures, PointedBox, PointedLabel, Pointing, ProbeResult, ProbeTable, ProbedFold,
};

/// Adds all values of the AUCs of a model. They have the subjects that they have in a comparison, except for model and fold.
pub(super) fn auc<'t>(rows: &mut ValueRows<'t>, table: &'t AucTable) {
    let AucTable {
        predictions: _,
        dataset: _,
        images,
        of_images,
        patients,
        operating_point: at,
        labels,
        mean,
        mean_over,
        rules,
    } = table;
    let of = ValueSubject::new("auc", "");
    let all = of.clone().scope(LabelScope::Labels);
    let scored = RowCounts { images: Some(*images), patients: Some(*patients), ..RowCounts::default() };
    let over = RowCounts { labels: Some((*mean_over).into()), ..RowCounts::default() };
    rows.add(all.statistic("auc"), *mean, RowCounts { labels: over.labels, ..scored });
    rows.counts(&all, over);
    rows.counts(&of, scored);
    if let Some(of_images) = of_images {
        rows.add(of.statistic("of_images"), *of_images, scored);
    }
    for LabelAuc { label, auc, positives, negatives, positive_patients, missing, constant, threshold } in
        labels
    {
        let of = of.clone().label(label);
        let counts = RowCounts {
            positives: Some(*positives),
            negatives: Some(*negatives),
            positive_patients: Some(*positive_patients),
            missing: *missing,
            ..RowCounts::default()
        };
        rows.add(of.statistic("auc"), *auc, counts);
        rows.counts(&of, counts);
        rows.add(of.statistic("constant"), *constant, counts);
        if let Some(LabelThreshold { score, probability, sensitivity, specificity }) = threshold {
            let values = [
                ("score", (*score).into()),
                ("probability", (*probability).into()),
                ("sensitivity", (*sensitivity).into()),
                ("specificity", (*specificity).into()),
            ];
            rows.all(&ValueSubject::new("thresholds", "").label(label), counts, values);
        }
    }
    operating_point(rows, *at);
    rows.setting("rules", *rules);
}

/// Adds all counts of a data set.
pub(super) fn dataset<'t>(rows: &mut ValueRows<'t>, table: &'t DatasetTable) {
    let DatasetTable {
        dataset: _,
        images,
        patients,
        gender,
        view,
        age_mean,
        age_std,
        ages,
        age_min,
        age_max,
        impossible_ages,
        missing_ages,
        labels,
        findings_per_image,
        rules,
    } = table;
    let of = ValueSubject::new("counts", "");
    let all = RowCounts { images: Some(*images), patients: Some(*patients), ..RowCounts::default() };
    rows.counts(&of, all);
    let groups = [("gender", ["M", "F", "unknown"], gender), ("view", ["PA", "AP", "unknown"], view)];
    for (by, names, counts) in groups {
        for (name, count) in names.into_iter().zip(counts) {
            let counts = RowCounts { images: Some(*count), ..RowCounts::default() };
            rows.counts(&of.clone().group(by, name), counts);
        }
    }
    let values = [
        ("age_mean", (*age_mean).into()),
        ("age_std", (*age_std).into()),
        ("age_min", (*age_min).into()),
        ("age_max", (*age_max).into()),
        ("impossible_ages", (*impossible_ages).into()),
        ("missing_ages", (*missing_ages).into()),
        ("findings_per_image", (*findings_per_image).into()),
    ];
    rows.all(&of, all, values);
    for AgeCount { from, to, images } in ages {
        let counts = RowCounts { images: Some(*images), ..RowCounts::default() };
        rows.counts(&of.clone().item(format!("ages {from}-{to}")), counts);
    }
    for LabelPrevalence { label, positives, prevalence, missing } in labels {
        let of = of.clone().label(label);
        let counts = RowCounts { positives: Some(*positives), missing: *missing, ..RowCounts::default() };
        rows.counts(&of, counts);
        rows.add(of.statistic("prevalence"), *prevalence, counts);
    }
    rows.setting("rules", *rules);
}

/// Adds all values of a probe.
pub(super) fn probe<'t>(rows: &mut ValueRows<'t>, table: &'t ProbeTable) {
    let ProbeTable { target, model, dataset: _, split: _, folds, result, rules } = table;
    let of = ValueSubject::new("probe", "");
    let values = [("model", model.into()), ("target", target.name().into())];
    rows.all(&of, RowCounts::default(), values);
    for ProbedFold { fold, run: _, images, unknown, penalty, validation: _, test: _, computed } in folds {
        let of = of.clone().fold(Some(*fold));
        let [train, val, test] = *images;
        let counts = RowCounts { images: Some(test), ..RowCounts::default() };
        let values = [
            ("train_images", train.into()),
            ("val_images", val.into()),
            ("test_images", test.into()),
            ("unknown", (*unknown).into()),
            ("penalty", (*penalty).into()),
        ];
        rows.all(&of, counts, values);
        rows.computed(Some(*fold), computed);
    }
    let fold_rows: Vec<FoldRow<'_>> =
        folds.iter().map(|fold| FoldRow { fold: Some(fold.fold), seeds: &[] }).collect();
    let counts = |fold: usize| RowCounts {
        images: folds.get(fold).map(|fold| fold.images[2]),
        positives: match result {
            ProbeResult::Classes { positives, .. } => positives.get(fold).copied(),
            ProbeResult::Years { .. } => None,
        },
        ..RowCounts::default()
    };
    let quantities = match result {
        ProbeResult::Classes { positive, positives, auc, threshold, sensitivity, specificity } => {
            rows.add(of.statistic("positive"), positive, RowCounts::default());
            for (place, (fold, positives)) in folds.iter().zip(positives).enumerate() {
                let of = of.clone().fold(Some(fold.fold));
                rows.add(of.statistic("positives"), *positives, counts(place));
            }
            vec![
                (rows::AUC, auc),
                (rows::THRESHOLD, threshold),
                (rows::SENSITIVITY, sensitivity),
                (rows::SPECIFICITY, specificity),
            ]
        }
        ProbeResult::Years { mae, deviation, baseline } => {
            vec![(rows::MAE, mae), (rows::DEVIATION, deviation), (rows::BASELINE, baseline)]
        }
    };
    for (names, spread) in quantities {
        rows.spread(&of, &names, spread, &fold_rows, counts);
    }
    rows.setting("rules", *rules);
}

/// Adds all values of a heat map. Those of the map itself have a table of their own.
pub(super) fn heatmap<'t>(rows: &mut ValueRows<'t>, table: &'t Heatmap) {
    let Heatmap {
        run: _,
        image,
        object: _,
        meta,
        size: [width, height],
        label,
        logit,
        map,
        over,
        boxes,
        picture: _,
        computed,
        rules,
    } = table;
    let of = ValueSubject::new("heat", "");
    let values = [
        ("image", image.into()),
        ("label", label.into()),
        ("width", (*width).into()),
        ("height", (*height).into()),
        ("logit", (*logit).into()),
    ];
    rows.all(&of, RowCounts::default(), values);
    if let Some(MetaFeatures { age, gender, view }) = meta {
        let values = [("age", (*age).into()), ("gender", word(gender)), ("view", word(view))];
        rows.all(&of, RowCounts::default(), values);
    }
    area(rows, &of.clone().item("network's input"), over);
    boxes.iter().for_each(|in_box| self::in_box(rows, &of, "", in_box));
    for (y, row) in map.iter().enumerate() {
        for (x, heat) in row.iter().enumerate() {
            let of = ValueSubject::new("map", "heat").item(format!("row {y} column {x}"));
            rows.add(of, *heat, RowCounts::default());
        }
    }
    rows.computed(None, computed);
    rows.setting("rules", *rules);
}

fn area<'t>(rows: &mut ValueRows<'t>, of: &ValueSubject<'t>, area: &Area) {
    let Area { x, y, w, h } = *area;
    rows.all(of, RowCounts::default(), [("x", x.into()), ("y", y.into()), ("w", w.into()), ("h", h.into())]);
}

/// Adds what is in a box, which is identified by its place in the image.
fn in_box<'t>(rows: &mut ValueRows<'t>, of: &ValueSubject<'t>, image: &str, in_box: &HeatmapInBox) {
    let HeatmapInBox { area: edges, area_share, heat_share, hit } = in_box;
    let of = boxed(of, image, edges);
    area(rows, &of, edges);
    let values =
        [("area_share", (*area_share).into()), ("heat_share", (*heat_share).into()), ("hit", (*hit).into())];
    rows.all(&of, RowCounts::default(), values);
}

fn boxed<'t>(of: &ValueSubject<'t>, image: &str, Area { x, y, w, h }: &Area) -> ValueSubject<'t> {
    of.clone().item(format!("{image} box {x},{y},{w},{h}").trim_start())
}

/// Adds all values of a pointing game.
pub(super) fn pointing<'t>(rows: &mut ValueRows<'t>, table: &'t Pointing) {
    let Pointing { run: _, dataset: _, boxes: _, subset, rows: boxes, labels, all, computed, rules } = table;
    let of = ValueSubject::new("pointing", "");
    rows.add(of.statistic("subset"), subset.name(), RowCounts::default());
    let scoped = labels.iter().map(|label| (LabelScope::Label(&label.label), label));
    for (scope, pointed) in scoped.chain([(LabelScope::Labels, all)]) {
        let PointedLabel { label: _, boxes, hits, without_heat, heat_share, area_share } = pointed;
        let values = [
            ("boxes", (*boxes).into()),
            ("hits", (*hits).into()),
            ("without_heat", (*without_heat).into()),
            ("heat_share", (*heat_share).into()),
            ("area_share", (*area_share).into()),
        ];
        rows.all(&of.clone().scope(scope), RowCounts::default(), values);
    }
    for PointedBox { image, label, logit, heatmap } in boxes {
        let of = of.clone().label(label);
        rows.add(boxed(&of, image, &heatmap.area).statistic("logit"), *logit, RowCounts::default());
        in_box(rows, &of, image, heatmap);
    }
    rows.computed(None, computed);
    rows.setting("rules", *rules);
}
