//! Differences between two folds: the subset of each image.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::hash::{Hash, Id};
use crate::records::{Split, Subset};
use crate::registry::{Registry, RegistryError};

/// A fold of a split.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct FoldOf {
    /// The split.
    pub split: Hash,
    /// The fold, from 0.
    pub fold: u32,
}

/// The differences between two folds.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SplitDiff {
    /// The splits.
    pub splits: [Hash; 2],
    /// The folds.
    pub folds: [u32; 2],
    /// Whether each subset has the same images.
    pub same: bool,
    /// The subsets.
    pub subsets: Vec<SubsetDiff>,
    /// Number of images by their two subsets: `train to test`. Images of only one data set count as `unused` in the
    /// other.
    pub moved: BTreeMap<String, u64>,
}

/// Sizes of a subset.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SubsetDiff {
    /// The subset.
    pub subset: Subset,
    /// Number of images in each.
    pub images: [u64; 2],
    /// Number of images that both have in this subset.
    pub shared: u64,
}

impl std::fmt::Display for SplitDiff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let moved: Vec<String> = self.moved.iter().map(|(way, images)| format!("{images} {way}")).collect();
        f.write_str(&moved.join(", "))
    }
}

/// A fold of a split.
type Fold = (Id<Split>, u32);

/// The subset of each image that a fold uses, by name.
fn places(registry: &Registry, (split, fold): Fold) -> Result<BTreeMap<String, Subset>, RegistryError> {
    let record = registry.get(split)?;
    let manifest = registry.manifest(&registry.get(record.dataset)?)?;
    let assignment = registry.assignment(&record)?;
    let codes = assignment.folds.get(fold as usize).map_or(&[][..], Vec::as_slice);
    let subset = |code: u8| Subset::ALL.into_iter().find(|subset| *subset as u8 == code);
    let named = manifest.rows.into_iter().zip(codes);
    Ok(named.filter_map(|(row, code)| Some((row.name.to_string(), subset(*code)?))).collect())
}

/// Names of the images that either fold uses.
pub(super) fn members(registry: &Registry, folds: [Fold; 2]) -> Result<BTreeSet<String>, RegistryError> {
    let mut names: BTreeSet<String> = places(registry, folds[0])?.into_keys().collect();
    names.extend(places(registry, folds[1])?.into_keys());
    Ok(names)
}

/// Compares two folds by the names of their images.
pub(super) fn folds(registry: &Registry, folds: [Fold; 2]) -> Result<SplitDiff, RegistryError> {
    let [a, b] = [places(registry, folds[0])?, places(registry, folds[1])?];
    let mut moved: BTreeMap<String, u64> = BTreeMap::new();
    let called = |subset: Option<&Subset>| subset.map_or("unused", |subset| subset.name());
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    for name in names {
        let (was, is) = (a.get(name), b.get(name));
        if was != is {
            *moved.entry(format!("{} to {}", called(was), called(is))).or_default() += 1;
        }
    }
    let subsets = Subset::ALL.map(|subset| {
        let of =
            |places: &BTreeMap<String, Subset>| places.values().filter(|of| **of == subset).count() as u64;
        let both = a.iter().filter(|(name, of)| **of == subset && b.get(*name) == Some(&subset));
        SubsetDiff { subset, images: [of(&a), of(&b)], shared: both.count() as u64 }
    });
    Ok(SplitDiff {
        splits: folds.map(|(split, _)| split.hash),
        folds: folds.map(|(_, fold)| fold),
        same: moved.is_empty(),
        subsets: subsets.into(),
        moved,
    })
}
