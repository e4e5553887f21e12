//! A run as a page.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::super::{results, runs::minute};
use super::{PageSection, RecordPage, heading};
use crate::digits::{counted, span, thousands};
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::network::{network_settings, spec_settings};
use crate::records::{
    Division, Execution, Init, Kind, NetworkSpec, OperatingPoint, ProgramEnvironment, ProgramFile,
    RecordedEpoch, Run, Spec, Split,
};
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
    match &spec {
        Spec::Network(network) => {
            let start = match (network.init, network.weights) {
                (Init::FineTune, Some(weights)) => format!("fine-tuned from {}", called(&weights.hash)),
                (Init::OffTheShelf, Some(weights)) => {
                    format!("{} with a new last layer", called(&weights.hash))
                }
                _ => "from scratch".to_owned(),
            };
            let parameters = run.parameters.map(|count| format!(", {}", counted(count, "parameter")));
            add("Model", format!("{}, {start}{}", network.model.name, parameters.unwrap_or_default()));
        }
        Spec::Program(of) => add("Model", format!("{}, a program of the user's own", of.program.name)),
    }
    let learnt = registry.learnt_before(&spec)?;
    if !learnt.is_empty() {
        let learnt: Vec<String> = learnt.iter().map(|data| data.called(called)).collect();
        add("Trained before on", learnt.join(", "));
    }
    add("Data set", called(&spec.dataset().hash));
    add("Split", of_split(&called(&spec.split().hash), &spec, registry.get(spec.split()).ok().as_ref()));
    add("Seed", spec.seed().to_string());
    if let (Some(best), Some(epochs)) = (run.best_epoch, run.epochs) {
        let chosen = match spec.network() {
            Some(_) => format!("{best} of {epochs} kept, by validation loss"),
            None => format!(
                "{best} of {epochs} has the lowest validation loss; the program decided which epoch to keep"
            ),
        };
        add("Epoch", chosen);
        add("Validation loss", decimals(run.val_loss));
    }
    let labels = row.test.as_ref().map(|test| test.labels);
    let over = |covered: u32| match labels {
        Some(all) => format!("mean over {covered} of {}", counted(all.into(), "label")),
        None => format!("mean over {}", counted(covered.into(), "label")),
    };
    match (row.val_auc_labels, row.val_auc) {
        (Some(covered), auc) => add("Validation AUC", format!("{}, {}", decimals(auc), over(covered))),
        (None, _) => {
            let told = registry.kept_epoch(&run)?.and_then(|epoch| epoch.val_auc);
            if let Some(auc) = told {
                let told = format!(
                    "{}, as the program reports it; without scores it cannot be checked",
                    decimals(Some(auc))
                );
                add("Validation AUC", told);
            }
        }
    }
    match &row.test {
        Some(test) => add("Test AUC", format!("{}, {}", decimals(test.mean), over(test.mean_over))),
        None => add("Test AUC", "not evaluated; `reg eval RUN` evaluates it".to_owned()),
    }
    if let (Some(started), Some(seconds)) = (&row.started, row.seconds) {
        add("Date", format!("{} UTC, {}", minute(started), span(seconds)));
    }
    let mut page = RecordPage::default();
    page.pairs(&heading(Kind::Run, names.get(&id.hash).map(String::as_str), &id.hash), rows);
    match &spec {
        Spec::Network(network) => page.pairs(
            &format!("Settings (* is not the default of {})", network.model.name),
            settings(network).unwrap_or_else(|| all_settings(&spec)),
        ),
        Spec::Program(of) => {
            page.pairs("Program", all_settings(&spec));
            let file = |file: &ProgramFile| (file.path.clone(), file.object.hash.short());
            page.pairs("Program files", of.program.files.iter().map(file).collect());
            page.pairs("Output files", left(&run));
            let executions = registry.referring::<Execution>(view, &id.hash)?;
            if let Some(ran) = executions.first().and_then(|(_, execution)| execution.program.as_ref()) {
                page.pairs("Environment", environment(ran));
            }
        }
    }
    // Scores that cannot be read are for `reg verify` to report.
    if let Ok(Some(auc)) = run_thresholds(registry, view, id, OperatingPoint::Youden) {
        page.sections.push(PageSection::Table(results::thresholds("Thresholds", &auc)));
    }
    if let Ok(epochs) = registry.epochs(&run) {
        page.sparklines(&format!("Curves over {}", counted(epochs.len() as u64, "epoch")), curves(&epochs));
    }
    Ok(page)
}

/// The files that a program left.
fn left(run: &Run) -> Vec<(String, String)> {
    let named = [("checkpoint", run.checkpoint), ("epochs", run.log)];
    let own = named.into_iter().filter_map(|(name, id)| Some((name.to_owned(), id?.hash.short())));
    own.chain(run.files.iter().map(|file| (file.name.clone(), file.object.hash.short()))).collect()
}

/// What is known of the surroundings of a program.
fn environment(of: &ProgramEnvironment) -> Vec<(String, String)> {
    let mut rows = vec![("Executable".to_owned(), of.executable.clone())];
    let mut add = |name: &str, value: String| rows.push((name.to_owned(), value));
    if let Some(packages) = of.packages {
        add("Packages", format!("`reg cat {}` lists them", packages.hash.short()));
    }
    if let Some(git) = &of.source {
        let changes = if git.clean { "" } else { ", with uncommitted changes" };
        add("Source", format!("{}{changes}", git.commit));
    }
    of.gpus.iter().for_each(|gpu| add("GPU", gpu.clone()));
    add("Isolation", of.isolation.told());
    let [out, err] = [of.stdout, of.stderr].map(|id| id.hash.short());
    add("Output", format!("standard output: `reg cat {out}`; standard error: `reg cat {err}`"));
    rows
}

fn of_split(name: &str, spec: &Spec, split: Option<&Split>) -> String {
    let sizes = split.and_then(|split| split.folds.get(spec.fold() as usize));
    let sizes = sizes.map(|fold| {
        let [train, val, test] = [&fold.train, &fold.val, &fold.test].map(|subset| thousands(subset.images));
        format!(": {train} training, {val} validation and {test} test images")
    });
    let division = split.map_or(Division::Published, |split| split.method.division());
    format!("{name}, {} {}{}", division.name(), spec.fold(), sizes.unwrap_or_default())
}

/// The settings with marks; none if the network is one of the user's own, whose defaults are not known here.
fn settings(spec: &NetworkSpec) -> Option<Vec<(String, String)>> {
    let overrides =
        Overrides { model: spec.model.name.clone(), init: Some(spec.init), ..Overrides::default() };
    let (model, training) = resolve(&overrides).ok()?;
    let defaults: BTreeMap<String, Value> =
        network_settings(&NetworkSpec { model, training, ..spec.clone() }).into_iter().collect();
    let marked = |(name, value): (String, Value)| {
        let default = defaults.get(&name);
        let told = match default {
            Some(default) if *default != value => format!("{} *  (default {})", text(&value), text(default)),
            None if !OF_THE_MACHINE.contains(&&*name) => format!("{} *", text(&value)),
            _ => text(&value),
        };
        (name, told)
    };
    let mut settings: Vec<(String, String)> = network_settings(spec).into_iter().map(marked).collect();
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
fn curves(epochs: &[RecordedEpoch]) -> Vec<(String, String)> {
    let curve = |name: &str, of: fn(&RecordedEpoch) -> Option<f64>| {
        let values: Vec<f64> = epochs.iter().filter_map(of).collect();
        let (first, last) = (values.first()?, values.last()?);
        let told = format!("{} {} {}", decimals(Some(*first)), sparkline(&values), decimals(Some(*last)));
        Some((name.to_owned(), told))
    };
    [
        curve("Training loss", |epoch| epoch.train_loss),
        curve("Validation loss", |epoch| epoch.val_loss),
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
