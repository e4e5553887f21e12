//! A model card: the recorded facts of a run for people, below a block of metadata that model hubs read.
//!
//! The card contains recorded facts only: no licence, no intended use, no claim.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::json;

use super::ExportError;
use super::checkpoint::thresholds;
use super::results::{EvaluatedRun, epochs, evaluated, leaving};
use super::settings::settings;
use crate::compare::{CompareError, leaks};
use crate::digits::counted;
use crate::escape::{self, markdown};
use crate::hash::Id;
use crate::index::View;
use crate::records::{
    Architecture, Comparison, Dataset, Execution, OperatingPoint, PatientId, Run, Split, SplitMethod,
    StdError, Subset, Table as Recorded, Variance,
};
use crate::registry::Registry;
use crate::report::interval::{self, FoldAuc, NoInterval};
use crate::report::{Cell, Column, Format, ReportTable, results, thousands};
use crate::stats;
use crate::usage::unknown_ancestry;
use crate::withdrawal::Marks;

const DECIMALS: usize = 4;

/// Writes the card of a run.
pub fn card(registry: &Registry, view: &View, id: Id<Run>) -> Result<String, ExportError> {
    let run = registry.get(id)?;
    let spec = registry.get(run.spec)?;
    let (dataset, split) = (registry.get(spec.dataset())?, registry.get(spec.split())?);
    let names = view.names_by_id()?;
    let name_of = |id: &crate::hash::Hash| names.get(id).cloned().unwrap_or_else(|| id.short());
    let test = evaluated(registry, view, id, Subset::Test)?;
    let name = name_of(&id.hash);
    let dataset_name = name_of(&spec.dataset().hash);

    let architecture = spec.network().map(|spec| &spec.model.architecture);
    let mut out = metadata(&name, architecture, &dataset_name, spec.dataset(), test.as_ref());
    let sees = match (architecture.and_then(|of| of.image()), architecture.is_some_and(|of| of.meta())) {
        _ if architecture.is_none() => "is a program of the user's own".to_owned(),
        (Some(image), meta) => format!(
            "takes chest X-rays of {0} x {0} pixels in {1}{2}",
            image.input,
            if image.channels == 1 { "one channel" } else { "three equal channels" },
            if meta { ", and age, gender and view position" } else { "" }
        ),
        (None, _) => "takes only age, gender and view position".to_owned(),
    };
    let _ = writeln!(
        out,
        "# {}\n\n`{}`{} {sees}, and outputs one {} per label ({}). \
         {} everything in this card comes from its records.",
        markdown(&name),
        spec.model_name().replace('`', "'"),
        run.parameters.map_or_else(String::new, |count| format!(" with {} parameters", thousands(count))),
        if architecture.is_some() { "logit" } else { "score" },
        counted(dataset.labels.len() as u64, "label"),
        match architecture {
            Some(_) => "The model was trained and evaluated with reg;",
            None => "It ran under reg, which evaluated its scores;",
        }
    );
    out += "\n## Use\n\nNo intended use, clinical evaluation or licence is recorded. The scores come from a \
            research data set and are not a diagnosis.\n";
    out += &data(&dataset_name, &dataset, &split, spec.fold());
    let division = split.method.division().name();
    let called = |key: String| if key == "fold" { division.to_owned() } else { key };
    let mut table = ReportTable::new("", vec![Column::left("Setting"), Column::left("Value")]);
    table.rows = settings(&spec)
        .into_iter()
        .map(|(key, value)| vec![Cell::Text(called(key)), Cell::Text(value)])
        .collect();
    out += "\n## Training\n\n";
    if let (Some(best), Some(epochs), Some(loss)) = (run.best_epoch, run.epochs, run.val_loss) {
        let _ = match architecture {
            Some(_) => write!(
                out,
                "Weights of epoch {best} of {epochs}, which had the lowest validation loss, {loss:.6}."
            ),
            None => write!(
                out,
                "{epochs} epochs; the lowest validation loss that the program reports is {loss:.6} in epoch {best}."
            ),
        };
    }
    let executions = registry.referring::<Execution>(view, &id.hash)?;
    for (_, execution) in &executions {
        let _ = write!(
            out,
            " Trained from {} in {:.0} s on {}.",
            markdown(&execution.started),
            execution.seconds,
            markdown(execution.gpu.as_ref().unwrap_or(&execution.cpu))
        );
    }
    if let Some(network) = spec.network() {
        let _ = write!(out, " Computed by {}.", markdown(&network.numerics.to_string()));
    }
    let learnt = registry.learnt_before(&spec)?;
    if !learnt.is_empty() {
        let learnt: Vec<String> = learnt.iter().map(|data| data.called(name_of)).collect();
        let _ = write!(
            out,
            " Before that, the initial weights were trained on {}.",
            markdown(&learnt.join(", "))
        );
    }
    let _ = write!(out, "\n\n{}", table.render(Format::Markdown));
    let log = epochs(registry, id, &run)?;
    if let Some(best) = log.iter().find(|epoch| Some(epoch.epoch) == run.best_epoch)
        && let (Some(auc), Some(over)) = (best.val_auc, best.val_auc_labels)
    {
        let all = dataset.labels.len();
        let _ = writeln!(
            out,
            "\nMean AUC on the validation images in this epoch: {auc:.4} over {over} of {}.",
            counted(all as u64, "label")
        );
    }
    match &test {
        Some(evaluated) => out += &performance(registry, view, evaluated)?,
        None => out += "\n## Results\n\nNo scores of test images are recorded.\n",
    }
    out += "\n## Thresholds\n\n";
    match thresholds(registry, id, OperatingPoint::Youden)? {
        Some(auc) => out += &results::thresholds("", &auc).render(Format::Markdown),
        None => out += "None: no scores of validation images are recorded.\n",
    }
    out += "\n## Limits\n\n";
    let _ = writeln!(
        out,
        "- One division of one data set: no recorded result on images from other sources.\n\
         - The epoch was selected on the validation images, so numbers on them are too optimistic for a test.\n\
         - Intervals reflect only the choice of test patients; another training would give different numbers."
    );
    let leaving = leaving(registry, view, id.hash, Some(Subset::Test))?;
    if let Some(mark) = Marks::open(registry, view)?.of_all(&leaving) {
        let _ = writeln!(out, "- This run {}.", markdown(&mark.to_string()));
    }
    if let Some(unknown) = unknown_ancestry(registry, view, &[id.hash])? {
        let _ = writeln!(out, "- This run {}.", markdown(&unknown));
    }
    let mut ids = vec![
        ("run", id.hash),
        ("spec", run.spec.hash),
        ("data set", spec.dataset().hash),
        ("split", spec.split().hash),
    ];
    ids.extend(run.checkpoint.map(|checkpoint| ("checkpoint", checkpoint.hash)));
    let software = executions.iter().filter_map(|(_, execution)| execution.software);
    ids.extend(software.map(|software| ("software", software.hash)));
    ids.extend(spec.weights().map(|weights| ("initial weights", weights.hash)));
    if let Some(evaluated) = &test {
        ids.extend([("predictions", evaluated.predictions.hash), ("table", evaluated.table.hash)]);
    }
    out += "\n## Lineage\n\nEach id is the BLAKE3 hash of the record or file; `reg trace` shows its lineage.\n\n";
    let mut table = ReportTable::new("", vec![Column::left("What"), Column::left("Id")]);
    table.rows =
        ids.into_iter().map(|(what, id)| vec![Cell::Text(what.into()), Cell::Text(id.to_string())]).collect();
    out += &table.render(Format::Markdown);
    Ok(out)
}

/// The metadata block: YAML, which includes JSON's strings, numbers and lists.
fn metadata(
    name: &str,
    architecture: Option<&Architecture>,
    dataset: &str,
    id: Id<Dataset>,
    test: Option<&EvaluatedRun>,
) -> String {
    let task = match architecture {
        Some(network) if network.image().is_none() => "tabular-classification",
        Some(_) | None => "image-classification",
    };
    let library = if architecture.is_some() { "library_name: pytorch\n" } else { "" };
    let mut out = format!(
        "---\n{library}pipeline_tag: {task}\ntags:\n- chest-x-ray\n- multi-label-classification\n- reg\n"
    );
    let Some(EvaluatedRun { auc, .. }) = test else { return out + "---\n\n" };
    let _ = write!(
        out,
        "metrics:\n- roc_auc\nmodel-index:\n- name: {}\n  results:\n  - task:\n      type: {task}\n      \
         name: Multi-label classification of chest X-rays\n    dataset:\n      type: {}\n      name: {}\n      \
         split: test\n      revision: {}\n    metrics:\n",
        escape::json(name),
        escape::json(dataset),
        escape::json(dataset),
        escape::json(&id.to_string())
    );
    let mut metric = |name: String, value: f64| {
        let _ = write!(
            out,
            "    - type: roc_auc\n      name: {}\n      value: {}\n",
            escape::json(&name),
            json!(value)
        );
    };
    if let Some(mean) = auc.mean {
        metric(
            format!("AUC, mean over {} of {}", auc.mean_over, counted(auc.labels.len() as u64, "label")),
            mean,
        );
    }
    for label in &auc.labels {
        // An undefined value is left out.
        if let Some(value) = label.auc {
            metric(format!("AUC {}", label.label), value);
        }
    }
    out + "---\n\n"
}

fn data(name: &str, dataset: &Dataset, split: &Split, fold: u32) -> String {
    let mut out = format!(
        "\n## Data\n\n{} has the format of {}: {} of {}.",
        markdown(name),
        markdown(&dataset.source),
        counted(dataset.images, "image"),
        counted(dataset.patients, "patient")
    );
    let how = match &split.method {
        SplitMethod::Resample { seed, ratios: [train, val, test] } => {
            format!("drawn by patient, {train}/{val}/{test}, seed {seed}")
        }
        SplitMethod::KFold { seed, ratios: [train, val] } => {
            format!(
                "every patient tested in exactly one fold, the others divided {train}/{val} into training and validation, seed {seed}"
            )
        }
        SplitMethod::Official { val_fraction, seed, .. } => format!(
            "by given lists, {val_fraction} of the training images split off by patient for validation, seed {seed}"
        ),
    };
    let division = split.method.division();
    let _ = writeln!(out, " {} {fold} of {}, {how}:\n", division.head(), division.counted(split.folds.len()));
    let mut table = ReportTable::new(
        "",
        vec![Column::left("Subset"), Column::right("Images"), Column::right("Patients")],
    );
    if let Some(sizes) = split.folds.get(fold as usize) {
        for (subset, size) in [("train", sizes.train), ("val", sizes.val), ("test", sizes.test)] {
            table.rows.push(vec![
                Cell::Text(subset.into()),
                Cell::Integer(size.images),
                Cell::Integer(size.patients),
            ]);
        }
    }
    out + &table.render(Format::Markdown)
}

fn unzip(known: Vec<(f64, bool, u32)>) -> (Vec<f64>, Vec<bool>, Vec<u32>) {
    let scores = known.iter().map(|(score, ..)| *score).collect();
    let truth = known.iter().map(|(_, truth, _)| *truth).collect();
    (scores, truth, known.into_iter().map(|(.., patient)| patient).collect())
}

fn performance(registry: &Registry, view: &View, evaluated: &EvaluatedRun) -> Result<String, ExportError> {
    let EvaluatedRun { predictions, record, auc, .. } = evaluated;
    let manifest = registry.manifest(&registry.get(record.dataset)?)?;
    let dataset = registry.get(record.dataset)?;
    let scores = registry.scores(record)?;
    let columns = vec![
        Column::left("Label"),
        Column::right("Positives"),
        Column::right("Negatives"),
        Column::right("Positive patients"),
        Column::right("AUC [95 %]"),
    ];
    let mut table = ReportTable::new("", columns);
    let has_missing = auc.labels.iter().any(|label| label.missing.is_some());
    if has_missing {
        table.columns.push(Column::right("Missing"));
    }
    let mut without: Vec<String> = Vec::new();
    let mut numbers: HashMap<&PatientId, u32> = HashMap::new();
    let of_image: Vec<u32> = scores
        .rows
        .iter()
        .map(|row| {
            let next = numbers.len() as u32;
            *numbers.entry(&manifest.rows[*row as usize].patient).or_insert(next)
        })
        .collect();
    for (place, label) in auc.labels.iter().enumerate() {
        let bit = dataset.labels.iter().position(|known| *known == label.label);
        let truth = |row: &u32| manifest.rows.get(*row as usize)?.label(bit?);
        let each = scores.rows.iter().zip(scores.column(place)).zip(&of_image);
        let known: Vec<(f64, bool, u32)> =
            each.filter_map(|((row, score), patient)| Some((score, truth(row)?, *patient))).collect();
        let (known, truth, patients) = unzip(known);
        let placed = stats::PatientPlacements::new(&known, &truth, &patients, numbers.len());
        let counts = placed.as_ref().map_or([0; 3], |placed| placed.counts());
        let estimate = placed.as_ref().and_then(|placed| placed.estimate());
        let error = StdError {
            value: estimate.map(|estimate| estimate.std_error),
            df: estimate.map(|estimate| estimate.df),
        };
        let fold = FoldAuc { auc: label.auc, error, patients: [counts[1], counts[2]] };
        let ends = interval::of_auc(Variance::Clustered, &[fold]);
        if let Some(why) = ends.err().filter(|why| *why != NoInterval::NoAuc) {
            without.push(format!("{} ({why})", label.label));
        }
        table.rows.push(vec![
            Cell::Text(label.label.clone()),
            Cell::Integer(label.positives),
            Cell::Integer(label.negatives),
            if placed.is_some() { Cell::Integer(counts[1]) } else { Cell::Empty },
            Cell::Interval { value: label.auc, ends: ends.ok(), decimals: DECIMALS },
        ]);
        if has_missing {
            table.rows.last_mut().expect("one was added").push(Cell::Integer(label.missing.unwrap_or(0)));
        }
    }
    table.rows.push(vec![
        Cell::Text("Mean".into()),
        Cell::Empty,
        Cell::Empty,
        Cell::Empty,
        Cell::Number { value: auc.mean, decimals: DECIMALS },
    ]);
    let undefined: Vec<&str> =
        auc.labels.iter().filter(|label| label.auc.is_none()).map(|label| label.label.as_str()).collect();
    let mut out = format!(
        "\n## Results\n\nOn {} test images of {} patients, with 95 % confidence intervals (patients as clusters):\n\n{}",
        thousands(record.images),
        thousands(numbers.len() as u64),
        table.render(Format::Markdown)
    );
    let _ =
        write!(out, "\nThe mean covers {} of {}.", auc.mean_over, counted(auc.labels.len() as u64, "label"));
    if !without.is_empty() {
        let _ = write!(out, " No interval: {}.", markdown(&without.join(", ")));
    }
    if !undefined.is_empty() {
        let _ = write!(
            out,
            " Undefined, because all images have the label or none has: {}.",
            markdown(&undefined.join(", "))
        );
    }
    out.push('\n');
    let inconsistent =
        |e: CompareError| ExportError::Inconsistent { id: predictions.hash, reason: e.to_string() };
    for incomparable in leaks(registry, *predictions).map_err(inconsistent)? {
        let _ = write!(out, "\n**Not a result on new patients:** {}.\n", markdown(&incomparable.why));
    }
    // Patient groups, if a recorded comparison has them.
    for (_, table) in registry.referring::<Recorded>(view, &predictions.hash)? {
        let Recorded::Comparison(comparison) = table else { continue };
        let of_this = |comparison: &Comparison| {
            let own = comparison.models.iter().find(|model| model.predictions.contains(predictions))?;
            (own.predictions.len() == 1).then(|| own.name.clone())
        };
        let Some(name) = of_this(&comparison) else { continue };
        let mut comparison = *comparison;
        comparison.groups.retain(|row| row.model == name);
        let groups = results::tables(&comparison).into_iter().find(|(name, _)| *name == "groups");
        if let Some((_, groups)) = groups {
            let _ = write!(out, "\n## Groups of patients\n\n{}", groups.render(Format::Markdown));
            break;
        }
    }
    Ok(out)
}
