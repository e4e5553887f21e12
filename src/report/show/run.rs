//! A run as a page.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::super::{results, runs::minute};
use super::{PageSection, RecordPage, heading};
use crate::digits::{counted, span, thousands};
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::network::spec_settings;
use crate::records::{EpochLog, Init, Kind, OperatingPoint, Run, Spec, Split};
use crate::registry::{Registry, RegistryError};
use crate::scores::run_thresholds;
use crate::training::config::{Overrides, resolve};

/// Settings that say how and where, not what: they have no default of a network.
const OF_THE_MACHINE: [&str; 3] = ["device", "init", "threads"];
/// Points of a curve.
const POINTS: usize = 40;

pub(super) fn page(
    registry: &Registry,
    view: &View,
    names: &HashMap<Hash, String>,
    id: Id<Run>,
) -> Result<RecordPage, RegistryError> {
    let run = registry.get(id)?;
    let spec = registry.get(run.spec)?;
    let row = registry.run_row(view, id)?;
    let called = |id: &Hash| names.get(id).cloned().unwrap_or_else(|| id.short());
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: String| rows.push((name.to_owned(), value));
    let start = match (spec.init, spec.weights) {
        (Init::FineTune, Some(weights)) => format!("fine-tuned from {}", called(&weights.hash)),
        (Init::OffTheShelf, Some(weights)) => format!("{} with a new last layer", called(&weights.hash)),
        _ => "from scratch".to_owned(),
    };
    add("Model", format!("{}, {start}, {}", spec.model.name, counted(run.parameters, "parameter")));
    add("Data set", called(&spec.dataset.hash));
    add("Split", of_split(&called(&spec.split.hash), &spec, registry.get(spec.split).ok().as_ref()));
    add("Seed", spec.seed.to_string());
    add("Epoch", format!("{} of {} kept, by validation loss", run.best_epoch, run.epochs));
    add("Validation loss", decimals(Some(run.val_loss)));
    let labels = row.test.as_ref().map(|test| test.labels);
    let over = |covered: u32| match labels {
        Some(all) => format!("mean over {covered} of {}", counted(all.into(), "label")),
        None => format!("mean over {}", counted(covered.into(), "label")),
    };
    add("Validation AUC", format!("{}, {}", decimals(row.val_auc), over(row.val_auc_labels)));
    match &row.test {
        Some(test) => add("Test AUC", format!("{}, {}", decimals(test.mean), over(test.mean_over))),
        None => add("Test AUC", "not evaluated; `reg eval RUN` evaluates it".to_owned()),
    }
    if let (Some(started), Some(seconds)) = (&row.started, row.seconds) {
        add("Date", format!("{} UTC, {}", minute(started), span(seconds)));
    }
    let mut page = RecordPage::default();
    page.pairs(&heading(Kind::Run, names.get(&id.hash).map(String::as_str), &id.hash), rows);
    page.pairs(
        &format!("Settings (* is not the default of {})", spec.model.name),
        settings(&spec).unwrap_or_else(|| all_settings(&spec)),
    );
    // Scores that cannot be read are for `reg verify` to report.
    if let Ok(Some(auc)) = run_thresholds(registry, view, id, OperatingPoint::Youden) {
        page.sections.push(PageSection::Table(results::thresholds("Thresholds", &auc)));
    }
    if let Ok(log) = registry.store().read(&run.log.hash) {
        page.sparklines(&format!("Curves over {}", counted(run.epochs.into(), "epoch")), curves(&log));
    }
    Ok(page)
}

fn of_split(name: &str, spec: &Spec, split: Option<&Split>) -> String {
    let sizes = split.and_then(|split| split.folds.get(spec.fold as usize));
    let sizes = sizes.map(|fold| {
        let [train, val, test] = [&fold.train, &fold.val, &fold.test].map(|subset| thousands(subset.images));
        format!(": {train} training, {val} validation and {test} test images")
    });
    format!("{name}, fold {}{}", spec.fold, sizes.unwrap_or_default())
}

/// The settings with marks; none if the network is one of the user's own, whose defaults are not known here.
fn settings(spec: &Spec) -> Option<Vec<(String, String)>> {
    let overrides =
        Overrides { model: spec.model.name.clone(), init: Some(spec.init), ..Overrides::default() };
    let (model, training) = resolve(&overrides).ok()?;
    let defaults: BTreeMap<String, Value> =
        spec_settings(&Spec { model, training, ..spec.clone() }).into_iter().collect();
    let marked = |(name, value): (String, Value)| {
        let default = defaults.get(&name);
        let told = match default {
            Some(default) if *default != value => format!("{} *  (default {})", text(&value), text(default)),
            None if !OF_THE_MACHINE.contains(&&*name) => format!("{} *", text(&value)),
            _ => text(&value),
        };
        (name, told)
    };
    let mut settings: Vec<(String, String)> = spec_settings(spec).into_iter().map(marked).collect();
    let off = defaults.iter().filter(|(name, _)| !settings.iter().any(|(known, _)| known == *name));
    let off: Vec<(String, String)> =
        off.map(|(name, default)| (name.clone(), format!("none *  (default {})", text(default)))).collect();
    settings.extend(off);
    settings.sort();
    Some(settings)
}

fn all_settings(spec: &Spec) -> Vec<(String, String)> {
    spec_settings(spec).into_iter().map(|(name, value)| (name, text(&value))).collect()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn decimals(value: Option<f64>) -> String {
    value.map_or_else(
        || "n/a".to_owned(),
        |value| if value < 1e4 { format!("{value:.4}") } else { format!("{value:.2e}") },
    )
}

/// The curves of a training, each with its first and last value.
fn curves(log: &[u8]) -> Vec<(String, String)> {
    let epochs: Vec<EpochLog> =
        log.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let curve = |name: &str, of: fn(&EpochLog) -> Option<f64>| {
        let values: Vec<f64> = epochs.iter().filter_map(of).collect();
        let (first, last) = (values.first()?, values.last()?);
        let told = format!("{} {} {}", decimals(Some(*first)), sparkline(&values), decimals(Some(*last)));
        Some((name.to_owned(), told))
    };
    [
        curve("Training loss", |epoch| Some(epoch.train_loss)),
        curve("Validation loss", |epoch| Some(epoch.val_loss)),
        curve("Validation AUC", |epoch| epoch.val_auc),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Values as bars between the smallest and the largest; the means of neighbours where there are many.
fn sparkline(values: &[f64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let points = values.len().min(POINTS);
    let mean = |point: usize| {
        let part = &values[point * values.len() / points..(point + 1) * values.len() / points];
        part.iter().sum::<f64>() / part.len() as f64
    };
    let means: Vec<f64> = (0..points).map(mean).collect();
    let (low, high) =
        means.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
    let bar = |value: &f64| match high - low {
        range if range > 0.0 && range.is_finite() => BARS[((value - low) / range * 7.0).round() as usize],
        _ => BARS[0],
    };
    means.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_drawn_between_its_extremes() {
        assert_eq!(sparkline(&[0.0, 0.5, 1.0]), "▁▅█");
        assert_eq!(sparkline(&[2.0]), "▁");
        assert_eq!(sparkline(&[]), "");
        assert_eq!(sparkline(&[f64::MAX, f64::MIN]).chars().count(), 2);
        let falling: Vec<f64> = (0..400).map(|epoch| -f64::from(epoch)).collect();
        let line = sparkline(&falling);
        assert_eq!(
            (line.chars().count(), line.chars().next(), line.chars().last()),
            (40, Some('█'), Some('▁'))
        );
    }
}
