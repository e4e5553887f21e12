//! Probes and pointing game.

use super::{Cell, Column, ReportTable};
use crate::records::{Heatmap, HeatmapInBox, PointedLabel, Pointing, ProbeResult, ProbeTable, Spread};

const DECIMALS: usize = 4;

/// The results of a probe, one row per fold, with mean and standard deviation over the folds. `of` is the name
/// of the setup in a study; default: the model.
pub fn probe(probe: &ProbeTable, of: Option<&str>) -> ReportTable {
    let (what, columns): (String, Vec<(&str, &Spread, usize)>) = match &probe.result {
        ProbeResult::Classes { positive, auc, threshold, sensitivity, specificity, .. } => (
            format!(": {positive}"),
            vec![
                ("AUC", auc, DECIMALS),
                ("Threshold", threshold, 3),
                ("Sensitivity", sensitivity, DECIMALS),
                ("Specificity", specificity, DECIMALS),
            ],
        ),
        ProbeResult::Years { mae, deviation, baseline } => (
            String::new(),
            vec![
                ("Mean absolute error", mae, 2),
                ("Standard deviation of the absolute error", deviation, 2),
                ("Error of always predicting the mean age", baseline, 2),
            ],
        ),
    };
    let of = of.unwrap_or(&probe.model);
    let title = format!("Linear probe of `{of}`: predicting {}{what}", probe.target.name());
    let mut heads = vec![Column::left("Division"), Column::right("Test images")];
    heads.extend(columns.iter().map(|(name, ..)| Column::right(*name)));
    heads.push(Column::right("Penalty"));
    let mut table = ReportTable::new(title, heads);
    for (place, fold) in probe.folds.iter().enumerate() {
        let mut row = vec![Cell::Text(fold.fold.to_string()), Cell::Integer(fold.images[2])];
        row.extend(columns.iter().map(|(_, spread, decimals)| Cell::Number {
            value: spread.folds.get(place).copied().flatten(),
            decimals: *decimals,
        }));
        // In its shortest form, because penalties range from 10 to 0.00001, for which no number of decimals
        // fits.
        row.push(Cell::Text(fold.penalty.to_string()));
        table.rows.push(row);
    }
    let mut row = vec![Cell::Text("Mean".into()), Cell::Empty];
    row.extend(columns.iter().map(|(_, spread, decimals)| Cell::MeanStd {
        mean: spread.mean,
        std: spread.std,
        decimals: *decimals,
    }));
    table.rows.push(row);
    let mut row = vec![Cell::Text("Divisions in the mean".into()), Cell::Empty];
    row.extend(columns.iter().map(|(_, spread, _)| Cell::Integer(spread.n.into())));
    table.rows.push(row);
    table.notes.push(
        "A linear predictor on standardized pooled features; the penalty is chosen on the validation images."
            .into(),
    );
    table.notes.push(match &probe.result {
        ProbeResult::Classes { .. } => {
            "Sensitivity and specificity at the logit with the largest Youden index on the validation images.".into()
        }
        ProbeResult::Years { .. } => {
            "Values in years. The deviation is the sample standard deviation of the absolute error over the test images. The error of the mean age is the error when the mean of the training images is always predicted.".into()
        }
    });
    if probe.folds.len() > 1 {
        let folds = probe.folds.len();
        table.notes.push(format!("Mean ± sample standard deviation over {folds} divisions of the split."));
    }
    let unknown: u64 = probe.folds.iter().map(|fold| fold.unknown).sum();
    if unknown > 0 {
        table.notes.push(format!("Images ignored because the target is unknown: {unknown}."));
    }
    table
}

/// The share of a heat map inside the boxes of its image.
pub fn heatmap(heatmap: &Heatmap) -> ReportTable {
    let title = format!("Grad-CAM of {} on {}", heatmap.label, heatmap.image);
    let pixels = ["Left", "Top", "Width", "Height"].map(|name| Column::right(name).key());
    let mut heads = Vec::from(pixels);
    heads.extend(["Share of the image", "Share of the heat map"].map(Column::right));
    heads.push(Column::left("Maximum inside"));
    let mut table = ReportTable::new(title, heads);
    for HeatmapInBox { area, area_share, heat_share, hit } in &heatmap.boxes {
        let pixels =
            [area.x, area.y, area.w, area.h].map(|value| Cell::Number { value: Some(value), decimals: 1 });
        let mut row: Vec<Cell> = pixels.into();
        row.extend([Some(*area_share), *heat_share].map(|value| Cell::Number { value, decimals: DECIMALS }));
        row.push(Cell::Text(if *hit { "yes" } else { "no" }.into()));
        table.rows.push(row);
    }
    table.notes.push(match heatmap.boxes.as_slice() {
        [] => "This image has no annotated box of this label.".into(),
        _ => "Boxes in pixels of the image.".into(),
    });
    if let Some(meta) = &heatmap.meta {
        table.notes.push(format!("No image of the run's data set; as given: {meta}."));
    }
    if heatmap.map.iter().flatten().all(|cell| *cell == 0.0) {
        table.notes.push("The heat map is zero: no region supports the label.".into());
    }
    table
}

/// The pointing game, by label.
pub fn pointing(pointing: &Pointing) -> ReportTable {
    let title = format!("Pointing game on annotated boxes of {} images", pointing.subset.name());
    let columns =
        ["Boxes", "Hits", "Hit rate", "Nonzero maps", "Share of the heat map", "Share of the image"];
    let mut heads = vec![Column::left("Label")];
    heads.extend(columns.into_iter().map(Column::right));
    let mut table = ReportTable::new(title, heads);
    let row = |name: &str, of: &PointedLabel| {
        let rate = (of.boxes > 0).then(|| of.hits as f64 / of.boxes as f64);
        let mut row = vec![Cell::Text(name.to_owned()), Cell::Integer(of.boxes), Cell::Integer(of.hits)];
        let number = |value| Cell::Number { value, decimals: DECIMALS };
        row.extend([number(rate), Cell::Integer(of.boxes - of.without_heat.min(of.boxes))]);
        row.extend([of.heat_share, of.area_share].map(number));
        row
    };
    table.rows.extend(pointing.labels.iter().map(|label| row(&label.label, label)));
    table.rows.push(row("All", &pointing.all));
    table.notes.push("A hit: the maximum of the label's Grad-CAM heat map is inside the box. Shares are means over boxes with a nonzero map; for a uniform map the two shares are equal.".into());
    if pointing.all.without_heat > 0 {
        let n = pointing.all.without_heat;
        table.notes.push(format!("Boxes with a zero map, counted as misses: {n}."));
    }
    table
}
