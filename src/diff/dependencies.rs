//! Whether the differences between two data sets can have affected a result.

use std::collections::BTreeSet;

use super::{Changed, DatasetDiff};
use crate::records::{GroupBy, Table, Target};

/// The properties of an image that affect a result, besides its labels.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct InputDependencies {
    /// Its pixels.
    pub(super) files: bool,
    /// Its age.
    pub(super) age: bool,
    /// Its gender.
    pub(super) gender: bool,
    /// Its view position.
    pub(super) view: bool,
    /// Its patient.
    pub(super) patients: bool,
    /// Its annotated boxes.
    pub(super) boxes: bool,
}

impl InputDependencies {
    /// The properties that a table itself uses.
    pub(super) fn of(table: &Table) -> Self {
        match table {
            Table::Comparison(of) => {
                let by = |by: GroupBy| of.groups.iter().any(|row| row.by == by);
                InputDependencies {
                    age: by(GroupBy::Age),
                    gender: by(GroupBy::Gender),
                    view: by(GroupBy::View),
                    // Variances and counts are over patients.
                    patients: true,
                    ..InputDependencies::default()
                }
            }
            Table::Dataset(_) => InputDependencies { patients: true, ..InputDependencies::of_metadata(true) },
            Table::Probe(of) => InputDependencies {
                age: of.target == Target::Age,
                gender: of.target == Target::Gender,
                view: of.target == Target::View,
                ..InputDependencies::default()
            },
            Table::Heatmap(_) | Table::Pointing(_) => {
                InputDependencies { boxes: true, ..InputDependencies::default() }
            }
            Table::Auc(_) => InputDependencies::default(),
        }
    }

    /// Age, gender and view position, or none of them.
    pub(super) fn of_metadata(seen: bool) -> Self {
        InputDependencies { age: seen, gender: seen, view: seen, ..InputDependencies::default() }
    }

    /// The properties that either uses.
    pub(super) fn and(self, other: Self) -> Self {
        InputDependencies {
            files: self.files || other.files,
            age: self.age || other.age,
            gender: self.gender || other.gender,
            view: self.view || other.view,
            patients: self.patients || other.patients,
            boxes: self.boxes || other.boxes,
        }
    }
}

/// The differences of the data that can have affected a result; empty if none can.
pub(super) fn matters(
    found: &DatasetDiff,
    used: Option<&BTreeSet<String>>,
    dependencies: InputDependencies,
) -> Vec<String> {
    let within = |name: &&String| used.is_none_or(|used| used.contains(*name));
    let enters = |changed: &&Changed| {
        let enters = |what: &&str| match *what {
            "file" => dependencies.files,
            "age" => dependencies.age,
            "gender" => dependencies.gender,
            "view" => dependencies.view,
            "patient" => dependencies.patients,
            _ => false,
        };
        changed.what.iter().any(enters)
    };
    let count = |names: &[String]| names.iter().filter(within).count();
    let relabelled = found.relabelled.iter().filter(|image| within(&&image.name)).count();
    let changed = found.changed.iter().filter(|image| within(&&image.name)).filter(enters).count();
    let mut causes = Vec::new();
    for (images, what) in [
        (count(&found.added), "added"),
        (count(&found.removed), "removed"),
        (relabelled, "relabelled"),
        (changed, "changed in fields that affect the result"),
    ] {
        if images > 0 {
            causes.push(format!("data: {} {what}", counted(images)));
        }
    }
    if dependencies.age && found.ages[0] != found.ages[1] {
        causes.push("data: ages are scaled with a different range".to_owned());
    }
    causes
}

/// Why a difference of data sets cannot have mattered.
pub(super) fn why_harmless(found: &DatasetDiff) -> String {
    match (found.same_images, found.same_metadata) {
        (true, false) => "the metadata files differ in bytes but record the same for every image".to_owned(),
        (true, true) => "the data sets record the same for every image".to_owned(),
        (false, _) => {
            let images =
                found.added.len() + found.removed.len() + found.relabelled.len() + found.changed.len();
            format!("the data sets differ in {}, but in no field that affects the result", counted(images))
        }
    }
}

fn counted(images: usize) -> String {
    format!("{images} image{}", if images == 1 { "" } else { "s" })
}
