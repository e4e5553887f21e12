//! Two data sets, image by image.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::Serialize;

use crate::hash::{Hash, Id};
use crate::records::{Dataset, ImageRow, Manifest};
use crate::registry::{Registry, RegistryError};

/// The differences between two data sets.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DatasetDiff {
    /// The data sets.
    pub datasets: [Hash; 2],
    /// Whether they are equal, have equal images, or differ.
    pub same_images: bool,
    /// Whether the metadata files have the same bytes.
    pub same_metadata: bool,
    /// Whether the lists of boxes are equal.
    pub same_boxes: bool,
    /// Number of images of each.
    pub images: [u64; 2],
    /// Number of patients of each.
    pub patients: [u64; 2],
    /// Smallest and largest age of each, by which the meta feature is scaled.
    pub ages: [Option<[i32; 2]>; 2],
    /// Names of images that only the second has.
    pub added: Vec<String>,
    /// Names of images that only the first has.
    pub removed: Vec<String>,
    /// Images with different labels.
    pub relabelled: Vec<Relabelled>,
    /// Images with other differences.
    pub changed: Vec<Changed>,
}

/// An image with different labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Relabelled {
    /// Its name.
    pub name: String,
    /// Labels that are positive only in the second.
    pub gained: Vec<String>,
    /// Labels that are positive only in the first.
    pub lost: Vec<String>,
    /// Labels that are known (positive or negative) only in the first; left out if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub now_missing: Vec<String>,
    /// Labels that are known (positive or negative) only in the second; left out if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub now_known: Vec<String>,
}

/// An image that differs in something other than its labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Changed {
    /// Its name.
    pub name: String,
    /// The differences: `file`, `patient`, `study`, `follow-up`, `age`, `gender`, `view`.
    pub what: Vec<&'static str>,
}

impl DatasetDiff {
    /// Whether no property of any image differs.
    pub fn says_the_same(&self) -> bool {
        self.same_images && self.same_boxes && self.ages[0] == self.ages[1]
    }

    /// Adds the differences between two rows with the same name.
    fn compare(&mut self, [a, b]: &[Dataset; 2], row: &ImageRow, other: &ImageRow) {
        let named = |of: &Dataset, row: &ImageRow| {
            [row.labels.positives().collect(), row.labels.missing().collect()].map(|places| names(of, places))
        };
        let ([had, lacked], [has, lacks]) = (named(a, row), named(b, other));
        // A label that a data set does not have is not missing for one of its images.
        let without = |these: &[String], those: &[String], of: &Dataset| -> Vec<String> {
            these
                .iter()
                .filter(|label| !those.contains(label) && of.labels.contains(label))
                .cloned()
                .collect()
        };
        let (now_missing, now_known) = (without(&lacks, &lacked, a), without(&lacked, &lacks, b));
        if had != has || !now_missing.is_empty() || !now_known.is_empty() {
            let (gained, lost) = (without(&has, &had, b), without(&had, &has, a));
            self.relabelled.push(Relabelled {
                name: row.name.to_string(),
                gained,
                lost,
                now_missing,
                now_known,
            });
        }
        let what = fields(row, other);
        if !what.is_empty() {
            self.changed.push(Changed { name: row.name.to_string(), what });
        }
    }
}

/// Names of labels by index.
fn names(dataset: &Dataset, places: Vec<usize>) -> Vec<String> {
    places.into_iter().filter_map(|place| dataset.labels.get(place).cloned()).collect()
}

/// The differences between two rows with the same name, without labels.
fn fields(a: &ImageRow, b: &ImageRow) -> Vec<&'static str> {
    let differs = [
        ("file", a.object != b.object),
        ("patient", a.patient != b.patient),
        ("study", a.study != b.study),
        ("follow-up", a.follow_up != b.follow_up),
        ("age", a.age != b.age),
        ("gender", a.gender != b.gender),
        ("view", a.view != b.view),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(what, _)| what).collect()
}

/// Compares two data sets. The order of rows in the metadata file does not count.
pub fn datasets(registry: &Registry, [a, b]: [Id<Dataset>; 2]) -> Result<DatasetDiff, RegistryError> {
    let records = [registry.get(a)?, registry.get(b)?];
    let manifests = [registry.manifest(&records[0])?, registry.manifest(&records[1])?];
    let mut diff = DatasetDiff {
        datasets: [a.hash, b.hash],
        same_images: true,
        same_metadata: records[0].metadata.object == records[1].metadata.object,
        same_boxes: same_boxes(registry, &records, &manifests)?,
        images: [0, 1].map(|side| manifests[side].rows.len() as u64),
        patients: [0, 1].map(|side| records[side].patients),
        ages: [0, 1].map(|side| records[side].age.map(|age| [age.min, age.max])),
        added: Vec::new(),
        removed: Vec::new(),
        relabelled: Vec::new(),
        changed: Vec::new(),
    };
    let [mut left, mut right] = [0, 1].map(|side| manifests[side].rows.iter().peekable());
    loop {
        // Both are sorted by name.
        let order = match (left.peek(), right.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(row), Some(other)) => row.name.cmp(&other.name),
        };
        let row = if order.is_le() { left.next() } else { None };
        let other = if order.is_ge() { right.next() } else { None };
        match (row, other) {
            (Some(row), None) => diff.removed.push(row.name.to_string()),
            (None, Some(other)) => diff.added.push(other.name.to_string()),
            (Some(row), Some(other)) => diff.compare(&records, row, other),
            (None, None) => {}
        }
    }
    let lists = [diff.added.len(), diff.removed.len(), diff.relabelled.len(), diff.changed.len()];
    diff.same_images = lists == [0; 4];
    Ok(diff)
}

/// Boxes refer to rows of their manifest, so equal boxes of different manifests have different numbers.
fn same_boxes(
    registry: &Registry,
    records: &[Dataset; 2],
    manifests: &[Manifest; 2],
) -> Result<bool, RegistryError> {
    if records[0].boxes == records[1].boxes && records[0].manifest == records[1].manifest {
        return Ok(true);
    }
    let named = |side: usize| -> Result<Vec<_>, RegistryError> {
        let Some(boxes) = registry.boxes(&records[side])? else { return Ok(Vec::new()) };
        let rows = boxes.rows;
        let named = rows.into_iter().map(|of| {
            let name = manifests[side].rows.get(of.image as usize).map(|row| row.name.to_string());
            let label = records[side].labels.get(of.label as usize).cloned();
            (name, label, [of.x, of.y, of.w, of.h].map(f64::to_bits))
        });
        Ok(named.collect())
    };
    Ok(named(0)? == named(1)?)
}
