//! Differences between two results as text, in the order of their effect.

use std::fmt::Write as _;

use serde_json::Value;

use crate::diff::{Change, ComparedRecord, DatasetDiff, Difference, DivergencePoint, SplitDiff};
use crate::digits::{counted, thousands};
use crate::records::Kind;

/// Maximum number of listed cases; the others are counted. The JSON has all.
const NAMED: usize = 5;
/// Maximum number of listed numbers; the others are counted.
const NUMBERS: usize = 40;

/// A part of a difference: its title, and a line for each case; none where both are the same.
pub type DiffSection = (&'static str, Vec<String>);

/// Formats a difference as text.
pub fn text(found: &Difference) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "a: {}\nb: {}", of_side(&found.a), of_side(&found.b));
    let _ = writeln!(out, "{}", verdict(found));
    for why in &found.why {
        let _ = writeln!(out, "  {why}");
    }
    if let Some(first) = first(found) {
        let _ = writeln!(out, "first divergence: {first}");
    }
    for (title, lines) in sections(found) {
        let _ = match lines.is_empty() {
            true => writeln!(out, "{title}: the same"),
            false => writeln!(out, "{title}:"),
        };
        for line in lines {
            let _ = writeln!(out, "  {line}");
        }
    }
    out
}

/// `equal` or `different`.
pub fn verdict(found: &Difference) -> &'static str {
    if found.equal { "equal" } else { "different" }
}

/// Where the lineages diverge first.
pub fn first(found: &Difference) -> Option<String> {
    found.first.as_ref().map(of_divergence)
}

/// The differences in the order of their effect.
pub fn sections(found: &Difference) -> Vec<DiffSection> {
    let mut sections = vec![("data", found.data.iter().flat_map(of_data).collect::<Vec<String>>())];
    // A data set was neither divided nor computed, and a split was not computed.
    if found.a.record == Some(Kind::Dataset) {
        return sections;
    }
    let alone = ["a", "b"].into_iter().zip(&found.folds);
    let alone = alone.flat_map(|(side, folds)| {
        folds.iter().map(move |of| format!("{} division {}: only in {side}", of.split.short(), of.fold))
    });
    let of_changes = |changes: &[Change]| changes.iter().map(of_change).collect::<Vec<String>>();
    sections.push(("split", found.split.iter().flat_map(of_split).chain(alone).collect()));
    sections.push(("configuration", of_changes(&found.configuration)));
    if found.a.record == Some(Kind::Split) {
        return sections;
    }
    sections.push(("code", of_changes(&found.code)));
    sections.push(("environment", of_changes(&found.environment)));
    let more = found.numbers.len().saturating_sub(NUMBERS);
    let rest = (more > 0).then(|| format!("… {more} more (--json has all)"));
    let shown = &found.numbers[..found.numbers.len() - more];
    sections.push(("numbers", of_changes(shown).into_iter().chain(rest).collect()));
    sections
}

fn of_side(side: &ComparedRecord) -> String {
    let name = side.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
    format!("{} {}{name} ({})", side.kind, side.id.short(), side.summary)
}

fn of_divergence(divergence: &DivergencePoint) -> String {
    let path = if divergence.path.is_empty() { "themselves".to_owned() } else { divergence.path.clone() };
    let id = |id: Option<crate::hash::Hash>| id.map_or("nothing".to_owned(), |id| id.short());
    let fields = match divergence.fields.as_slice() {
        [] => String::new(),
        fields => {
            let named: Vec<String> =
                fields.iter().take(NAMED).map(|at| at.trim_start_matches('/').replace('/', ".")).collect();
            let more = if fields.len() > NAMED { ", …" } else { "" };
            format!(", in {}{more}", named.join(", "))
        }
    };
    format!("{path}: {} {} and {}{fields}", divergence.kind, id(divergence.a), id(divergence.b))
}

/// Differences between two data sets, one line each.
pub fn of_data(found: &DatasetDiff) -> Vec<String> {
    let [a, b] = found.datasets.map(|id| id.short());
    let [one, other] = found.images.map(|images| counted(images, "image"));
    let [few, many] = found.patients.map(|patients| counted(patients, "patient"));
    let mut lines = vec![format!("data set {a}: {one}, {few}; {b}: {other}, {many}")];
    if !found.same_metadata {
        let says = if found.same_images { ", but record the same for every image" } else { "" };
        lines.push(format!("metadata files differ{says}"));
    }
    let named = |names: Vec<String>, count: usize| {
        let more = if count > NAMED { ", …" } else { "" };
        format!("{}{more}", names.join(", "))
    };
    for (names, what) in [(&found.added, "added"), (&found.removed, "removed")] {
        if !names.is_empty() {
            let first = named(names.iter().take(NAMED).cloned().collect(), names.len());
            lines.push(format!("{} {what}: {first}", thousands(names.len() as u64)));
        }
    }
    if !found.relabelled.is_empty() {
        let first = found.relabelled.iter().take(NAMED).map(|image| {
            let gained = image.gained.iter().map(|label| format!("+{label}"));
            let lost = image.lost.iter().map(|label| format!("-{label}"));
            let unsaid = image.now_missing.iter().map(|label| format!("{label} now missing"));
            let said = image.now_known.iter().map(|label| format!("{label} now known"));
            format!(
                "{} {}",
                image.name,
                gained.chain(lost).chain(unsaid).chain(said).collect::<Vec<_>>().join(" ")
            )
        });
        let count = found.relabelled.len();
        lines.push(format!("{} relabelled: {}", thousands(count as u64), named(first.collect(), count)));
    }
    if !found.changed.is_empty() {
        let first = found
            .changed
            .iter()
            .take(NAMED)
            .map(|image| format!("{} ({})", image.name, image.what.join(", ")));
        let count = found.changed.len();
        lines.push(format!("{} changed: {}", thousands(count as u64), named(first.collect(), count)));
    }
    if found.ages[0] != found.ages[1] {
        let range =
            |age: Option<[i32; 2]>| age.map_or("none".to_owned(), |[min, max]| format!("{min}-{max}"));
        lines.push(format!("ages: {} and {}", range(found.ages[0]), range(found.ages[1])));
    }
    if !found.same_boxes {
        lines.push("annotated boxes differ".to_owned());
    }
    lines
}

fn of_split(found: &SplitDiff) -> Vec<String> {
    let [a, b] = [0, 1].map(|side| format!("{} division {}", found.splits[side].short(), found.folds[side]));
    if found.same {
        return vec![format!("{a} and {b} have the same images in every subset")];
    }
    let mut lines = vec![format!("{a}, {b}: {found}")];
    lines.extend(found.subsets.iter().map(|subset| {
        let [one, other] = subset.images.map(thousands);
        format!("{}: {one} and {other} images, {} in both", subset.subset.name(), thousands(subset.shared))
    }));
    lines
}

fn of_change(change: &Change) -> String {
    format!("{}: {} -> {}{}", change.in_words(), shown(&change.a), shown(&change.b), gap(change))
}

/// A difference of two numbers.
fn gap(change: &Change) -> String {
    match (change.a.as_f64(), change.b.as_f64()) {
        (Some(a), Some(b)) if change.a.is_f64() || change.b.is_f64() => format!(" ({:+.3e})", b - a),
        _ => String::new(),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => match text.parse::<crate::hash::Hash>() {
            Ok(id) => id.short(),
            Err(_) => text.clone(),
        },
        other => other.to_string(),
    }
}
