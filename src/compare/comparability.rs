//! Checks whether models are comparable: the folds of a column must belong together, and columns must have the
//! same images and labels and no patients that a model has seen in training.
//!
//! The effect of such differences is as large as the differences to be measured, which is a main point of the
//! paper. So they are looked for in the lineage, whatever the names are, and refused unless the user insists;
//! then the table itself has the reasons.

use std::collections::{BTreeSet, HashSet};

use super::CompareError;
use super::columns::{FoldScores, ModelColumn, fold_name, same_images};
use crate::digits::{counted, thousands};
use crate::hash::{Hash, Id};
use crate::records::{
    Incomparable, IncomparableKind, PatientId, PublishedModel, ScoreSource, Spec, Split, SplitMethod, Subset,
    different_settings,
};
use crate::registry::Objects;

/// All reasons why columns are not comparable.
pub(super) fn check(
    objects: &dyn Objects,
    columns: &[ModelColumn],
) -> Result<Vec<Incomparable>, CompareError> {
    let mut incomparable = Vec::new();
    let Some((a, rest)) = columns.split_first() else { return Ok(incomparable) };
    for column in columns {
        if let Some(difference) = mixed(objects, column)? {
            let why = format!("the folds of {} do not belong to one experiment: {difference}", column.name);
            incomparable.push(Incomparable { kind: IncomparableKind::MixedFolds, why });
        }
    }
    for b in rest {
        if !a.folds.keys().eq(b.folds.keys()) {
            let names = |column: &ModelColumn| {
                column.folds.keys().map(|fold| fold_name(*fold)).collect::<Vec<_>>().join(", ")
            };
            let why = format!("{} has {}, and {} has {}", a.name, names(a), b.name, names(b));
            incomparable.push(Incomparable { kind: IncomparableKind::DifferentFolds, why });
        }
        for (fold, cell) in &b.folds {
            let Some(difference) = a.folds.get(fold).and_then(|expected| different_images(expected, cell))
            else {
                continue;
            };
            let (a, b, fold) = (&a.name, &b.name, fold_name(*fold));
            let why = format!("{a} and {b} scored different images on {fold}: {difference}");
            incomparable.push(Incomparable { kind: IncomparableKind::DifferentImages, why });
        }
    }
    leaks(objects, columns, &mut incomparable)?;
    Ok(incomparable)
}

/// Why the folds of a column are not folds of one experiment: one data set and split, scored by one kind of
/// tool, trained with the same settings. A mean over anything else has no meaning.
fn mixed(objects: &dyn Objects, column: &ModelColumn) -> Result<Option<String>, CompareError> {
    let mut cells = column.folds.iter();
    let Some((first, a)) = cells.next() else { return Ok(None) };
    let spec = |cell: &FoldScores| -> Result<Option<Spec>, CompareError> {
        let ScoreSource::Run { run, .. } = cell.predictions.source else { return Ok(None) };
        Ok(Some(objects.get(objects.get(run)?.spec)?))
    };
    let expected = spec(a)?;
    for (fold, b) in cells {
        let (x, y) = (&a.predictions, &b.predictions);
        let name = |id: Option<Hash>| id.map_or_else(|| "none".to_owned(), |id| id.short());
        let subset = |subset: Option<Subset>| subset.map_or("no subset", Subset::name).to_owned();
        let hash = |split: Option<Id<Split>>| split.map(|split| split.hash);
        let own = spec(b)?;
        let (what, x, y) = if x.dataset != y.dataset {
            ("data set", x.dataset.hash.short(), y.dataset.hash.short())
        } else if x.split != y.split {
            ("split", name(hash(x.split)), name(hash(y.split)))
        } else if x.subset != y.subset {
            ("subset", subset(x.subset), subset(y.subset))
        } else {
            let source =
                |spec: &Option<Spec>| if spec.is_some() { "a run" } else { "another tool" }.to_owned();
            match (&expected, &own) {
                (None, None) => continue,
                (Some(one), Some(other)) => match different_settings(one, other) {
                    None => continue,
                    Some((what, x, y)) => return Ok(Some(differing(&what, *first, x, *fold, y))),
                },
                _ => ("source", source(&expected), source(&own)),
            }
        };
        return Ok(Some(differing(what, *first, x, *fold, y)));
    }
    Ok(None)
}

fn differing(what: &str, a: Option<u32>, x: String, b: Option<u32>, y: String) -> String {
    format!("{what} {x} on {}, and {y} on {}", fold_name(a), fold_name(b))
}

/// The difference between the scored images of two models.
fn different_images(a: &FoldScores, b: &FoldScores) -> Option<String> {
    // Another tool's scores can lack a subset; then the images decide.
    let (x, y) = (a.predictions.subset, b.predictions.subset);
    if let (Some(x), Some(y)) = (x, y)
        && x != y
    {
        return Some(format!("{} and {}", x.name(), y.name()));
    }
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
        columns.iter().flat_map(|column| column.folds.values().map(move |cell| (column, cell))).collect();
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

/// The patients of some images, each with its source.
type Patients = HashSet<(String, PatientId)>;

fn patients<'a>(cell: &'a FoldScores, rows: impl Iterator<Item = u32> + 'a) -> Patients {
    let images = &cell.images;
    let patient = |row: u32| images.manifest.rows[row as usize].patient.clone();
    rows.map(|row| (images.dataset.source.clone(), patient(row))).collect()
}

/// Models that were trained or selected on patients of the images that another one is evaluated on.
///
/// Cells of the same fold are compared with each other; if the folds differ, every cell is compared with every
/// other.
fn leaks(
    objects: &dyn Objects,
    columns: &[ModelColumn],
    incomparable: &mut Vec<Incomparable>,
) -> Result<(), CompareError> {
    let same_folds = columns.iter().all(|column| column.folds.keys().eq(columns[0].folds.keys()));
    for a in columns {
        for (fold_a, learner) in &a.folds {
            let Some(seen) = seen_patients(objects, learner)? else { continue };
            for b in columns {
                for (fold_b, evaluated) in &b.folds {
                    if fold_a != fold_b && (same_folds || a.name == b.name) {
                        continue;
                    }
                    let tested = patients(evaluated, evaluated.rows.iter().copied());
                    let known = tested.intersection(&seen).count();
                    if known > 0 {
                        let whose = if a.name == b.name { "it" } else { &b.name };
                        let why = format!(
                            "{} ({}) was trained or selected on {} of the {} that {whose} is tested on",
                            a.name,
                            fold_name(*fold_a),
                            thousands(known as u64),
                            counted(tested.len() as u64, "patient")
                        );
                        incomparable.push(Incomparable { kind: IncomparableKind::Leak, why });
                    }
                }
            }
        }
    }
    Ok(())
}

/// The patients on which a run, and the runs from which its initial weights come, were trained and selected;
/// `None` for another tool's scores, for which this is unknown. If the evaluated images are the validation
/// images, these do not count as seen.
fn seen_patients(objects: &dyn Objects, cell: &FoldScores) -> Result<Option<Patients>, CompareError> {
    let ScoreSource::Run { run, .. } = cell.predictions.source else { return Ok(None) };
    let own: &[Subset] = match cell.predictions.subset {
        Some(Subset::Val) => &[Subset::Train],
        _ => &[Subset::Train, Subset::Val],
    };
    let spec = objects.get(objects.get(run)?.spec)?;
    let before =
        objects.learnt_before(&spec)?.into_iter().map(|spec| (spec, &[Subset::Train, Subset::Val][..]));
    let mut seen = Patients::new();
    for (spec, subsets) in std::iter::once((spec, own)).chain(before) {
        let members: Vec<Vec<u32>> =
            subsets.iter().map(|subset| objects.members(&spec, *subset)).collect::<Result<_, _>>()?;
        let rows = members.into_iter().flatten();
        if spec.dataset == cell.predictions.dataset {
            seen.extend(patients(cell, rows));
        } else {
            let dataset = objects.get(spec.dataset)?;
            let manifest = objects.manifest(&dataset)?;
            seen.extend(
                rows.map(|row| (dataset.source.clone(), manifest.rows[row as usize].patient.clone())),
            );
        }
    }
    Ok(Some(seen))
}

/// Published numbers that were not computed on the images of the columns.
pub(super) fn published(
    objects: &dyn Objects,
    columns: &[ModelColumn],
    models: &[PublishedModel],
) -> Result<Vec<Incomparable>, CompareError> {
    let mut incomparable = Vec::new();
    for model in models {
        let mut reason = None;
        for cell in columns.iter().flat_map(|column| column.folds.values()) {
            let split: Option<Split> = cell.predictions.split.map(|split| objects.get(split)).transpose()?;
            let official = split.is_some_and(|split| matches!(split.method, SplitMethod::Official { .. }));
            let scored = cell.rows.len() as u64;
            reason = reason.or(match model.images {
                _ if model.split != "official" => Some(format!("on other images ({})", model.split)),
                _ if !official => {
                    Some("on the official test images, and these are of another split".to_owned())
                }
                Some(images) if images != scored => {
                    Some(format!("on {images} test images, and these are {scored}"))
                }
                _ => None,
            });
        }
        if let Some(reason) = reason {
            let why = format!("{} is published {reason}", model.name);
            incomparable.push(Incomparable { kind: IncomparableKind::Published, why });
        }
    }
    Ok(incomparable)
}
