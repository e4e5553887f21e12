//! Checks whether models are comparable: the folds of a column must belong together, and columns must have the
//! same images and labels and no patients or images that a model has seen in training.
//!
//! The effect of such differences is as large as the differences to be measured, which is a main point of the
//! paper. So they are looked for in the lineage, whatever the names are, and refused unless the user insists;
//! then the table itself has the reasons.

use std::collections::{BTreeSet, HashSet};

use super::CompareError;
use super::columns::{FoldScores, ModelColumn, SeedScores, same_images, specs};
use super::seen::{self, Leaks, PixelSource};
use crate::digits::{counted, thousands};
use crate::hash::{Hash, Id};
use crate::records::{
    Incomparable, IncomparableKind, Predictions, PublishedModel, ScoreSource, Spec, Split, Subset,
    different_settings,
};
use crate::registry::Objects;
use crate::split::{PublishedLists, names_hash};

/// All reasons why columns are not comparable, and what was compared to find that no model has seen what another is
/// tested on.
pub(super) fn check(
    objects: &dyn Objects,
    columns: &[ModelColumn],
    source: PixelSource,
) -> Result<Leaks, CompareError> {
    let mut incomparable = Vec::new();
    let Some((a, rest)) = columns.split_first() else { return Ok(Leaks { incomparable, check: None }) };
    for column in columns {
        if let Some(difference) = mixed(objects, column)? {
            let why = format!("the runs of {} do not belong to one experiment: {difference}", column.name);
            incomparable.push(Incomparable { kind: IncomparableKind::MixedFolds, why });
        }
    }
    for b in rest {
        if !a.folds.keys().eq(b.folds.keys()) {
            let names =
                |column: &ModelColumn| column.shared().map(FoldScores::place).collect::<Vec<_>>().join(", ");
            let why = format!("{} has {}, and {} has {}", a.name, names(a), b.name, names(b));
            incomparable.push(Incomparable { kind: IncomparableKind::DifferentFolds, why });
        }
        for (fold, cell) in &b.folds {
            let cell = cell.shared();
            let Some(expected) = a.folds.get(fold).map(SeedScores::shared) else { continue };
            let (a, b, fold) = (&a.name, &b.name, cell.place());
            let why = match different_subsets(expected, cell) {
                Some([x, y]) => {
                    let [x, y] = [x, y].map(Subset::in_words);
                    format!(
                        "{a} and {b} have scores of different subsets of {fold}: {a} of the {x} images, {b} of the {y} images"
                    )
                }
                None => match different_images(expected, cell) {
                    Some(difference) => {
                        format!("{a} and {b} scored different images on {fold}: {difference}")
                    }
                    None => continue,
                },
            };
            incomparable.push(Incomparable { kind: IncomparableKind::DifferentImages, why });
        }
    }
    let leaks = seen::leaks(objects, columns, source)?;
    incomparable.extend(leaks.incomparable);
    Ok(Leaks { incomparable, check: leaks.check })
}

/// Why the folds of a column are not folds of one experiment: one data set and split, scored by one kind of
/// tool, trained with the same settings. A mean over anything else has no meaning.
fn mixed(objects: &dyn Objects, column: &ModelColumn) -> Result<Option<String>, CompareError> {
    // Those of one fold differ in their seed only.
    let mut cells = column.shared();
    let Some(a) = cells.next() else { return Ok(None) };
    let expected = specs(objects, &a.predictions)?;
    for b in cells {
        let (x, y) = (&a.predictions, &b.predictions);
        let name = |id: Option<Hash>| id.map_or_else(|| "none".to_owned(), |id| id.short());
        let subset = |subset: Option<Subset>| subset.map_or("no subset", Subset::name).to_owned();
        let hash = |split: Option<Id<Split>>| split.map(|split| split.hash);
        let (what, x, y) = if x.dataset != y.dataset {
            ("data set", x.dataset.hash.short(), y.dataset.hash.short())
        } else if x.split != y.split {
            ("split", name(hash(x.split)), name(hash(y.split)))
        } else if x.subset != y.subset {
            ("subset", subset(x.subset), subset(y.subset))
        } else if source(x) != source(y) {
            ("source", source(x).to_owned(), source(y).to_owned())
        } else {
            match different_members(&expected, specs(objects, &b.predictions)?) {
                None => continue,
                Some((what, x, y)) => return Ok(Some(differing(&what, [a, b], [x, y]))),
            }
        };
        return Ok(Some(differing(what, [a, b], [x, y])));
    }
    Ok(None)
}

fn source(predictions: &Predictions) -> &'static str {
    match predictions.source {
        ScoreSource::Run { flipped: false, .. } | ScoreSource::Program { .. } => "a run",
        ScoreSource::Run { flipped: true, .. } => "a run on mirrored images",
        ScoreSource::Mean { .. } => "an ensemble",
        ScoreSource::Import { .. } => "another tool",
    }
}

/// How the trainings behind two scores differ. An ensemble has one for each of its members, in any order.
fn different_members(expected: &[Spec], mut own: Vec<Spec>) -> Option<(String, String, String)> {
    if expected.len() != own.len() {
        return Some(("number of runs".to_owned(), expected.len().to_string(), own.len().to_string()));
    }
    for spec in expected {
        match own.iter().position(|other| different_settings(spec, other).is_none()) {
            Some(place) => drop(own.swap_remove(place)),
            None => return own.first().and_then(|other| different_settings(spec, other)),
        }
    }
    None
}

fn differing(what: &str, [a, b]: [&FoldScores; 2], [x, y]: [String; 2]) -> String {
    format!("{what} {x} on {}, and {y} on {}", a.place(), b.place())
}

/// The subsets that two models scored, if they are different. Another tool's scores can lack a subset; then the images decide.
fn different_subsets(a: &FoldScores, b: &FoldScores) -> Option<[Subset; 2]> {
    let (x, y) = a.predictions.subset.zip(b.predictions.subset)?;
    (x != y).then_some([x, y])
}

/// The difference between the scored images of two models.
fn different_images(a: &FoldScores, b: &FoldScores) -> Option<String> {
    if same_images(a, b) {
        return None;
    }
    let ours: HashSet<u32> = a.rows.iter().copied().collect();
    let shared = b.rows_in(a).into_iter().flatten().filter(|row| ours.contains(row)).count();
    let (one, other) = (thousands(a.rows.len() as u64), counted(b.rows.len() as u64, "image"));
    Some(format!("{one} and {other}, {} of them the same", thousands(shared as u64)))
}

/// The labels that not all models score.
pub(super) fn different_labels(columns: &[ModelColumn]) -> Option<Incomparable> {
    let cells: Vec<(&ModelColumn, &FoldScores)> =
        columns.iter().flat_map(|column| column.shared().map(move |cell| (column, cell))).collect();
    let (a, first) = cells.first()?;
    let set = |cell: &FoldScores| cell.labels.iter().cloned().collect::<BTreeSet<String>>();
    let (b, other) = cells.iter().find(|(_, cell)| set(cell) != set(first))?;
    let only = |name: &str, own: &FoldScores, theirs: &FoldScores| {
        let labels: Vec<String> = set(own).difference(&set(theirs)).cloned().collect();
        (!labels.is_empty()).then(|| format!("only {name} has {}", labels.join(", ")))
    };
    let sides = [only(&a.name, first, other), only(&b.name, other, first)];
    let sides = sides.into_iter().flatten().collect::<Vec<_>>().join("; ");
    let why = format!("{} and {} score different labels: {sides}", a.name, b.name);
    Some(Incomparable { kind: IncomparableKind::DifferentLabels, why })
}

/// Published numbers that were not computed on the images of the columns. The names of the scored images show whether they are
/// the official test images; those of the other images of the split, whether the models were trained on the official list.
pub(super) fn published(
    objects: &dyn Objects,
    columns: &[ModelColumn],
    models: &[PublishedModel],
    lists: &PublishedLists,
) -> Result<Vec<Incomparable>, CompareError> {
    let cells: Vec<&FoldScores> = columns.iter().flat_map(ModelColumn::shared).collect();
    let is_asked = models.iter().any(|model| model.split == OFFICIAL_SPLIT);
    let mut differences = Vec::new();
    for cell in cells.iter().filter(|_| is_asked) {
        differences.push((cell.rows.len() as u64, not_official(objects, cell, lists)?));
    }
    let mut incomparable = Vec::new();
    for model in models {
        let reason = match model.split.as_str() {
            OFFICIAL_SPLIT => differences.iter().find_map(|(scored, difference)| {
                let other = model.images.filter(|images| images != scored);
                let count = other.map(|images| {
                    let (images, scored) = (thousands(images), thousands(*scored));
                    format!("for {images} test images, but {scored} are scored here")
                });
                count.or_else(|| difference.map(str::to_owned))
            }),
            _ if cells.is_empty() => None,
            split => Some(format!("for other images ({split})")),
        };
        if let Some(reason) = reason {
            let why = format!("{} was published {reason}", model.name);
            incomparable.push(Incomparable { kind: IncomparableKind::Published, why });
        }
    }
    Ok(incomparable)
}

/// The name of the split by the official lists, in a file of published numbers.
const OFFICIAL_SPLIT: &str = "official";

/// How scores differ from scores of the official split.
fn not_official(
    objects: &dyn Objects,
    cell: &FoldScores,
    lists: &PublishedLists,
) -> Result<Option<&'static str>, CompareError> {
    if names_hash(cell.image_rows().map(|row| row.name.as_str())).to_string() != lists.test {
        return Ok(Some("for the official test images, but other images are scored here"));
    }
    let (Some(split), Some(fold)) = (cell.predictions.split, cell.predictions.fold) else { return Ok(None) };
    let assignment = objects.assignment(&objects.get(split)?)?;
    let of = |subset| assignment.rows(fold as usize, subset);
    let rows = of(Subset::Train).into_iter().chain(of(Subset::Val));
    let names =
        rows.filter_map(|row| cell.images.manifest.rows.get(row as usize)).map(|row| row.name.as_str());
    let is_official = names_hash(names).to_string() == lists.train_val;
    Ok((!is_official).then_some(
        "for models trained on the official list, but the models here were trained on other images",
    ))
}
