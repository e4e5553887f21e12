//! The descriptors of the kinds of record that data are: data set and split.

use super::{
    Content, Dataset, Descriptor, ImageUse, Kind, Recomputed, Record, RecordClass, Role, Scores, Split,
    SplitMethod, Travels,
};
use crate::digits::counted;
use crate::hash::{Hash, Id};

impl Dataset {
    /// Asserts that ascending rows are rows of this data set's manifest.
    pub(crate) fn check_scores(&self, scores: &Scores) -> Result<(), String> {
        match scores.rows.last() {
            Some(last) if u64::from(*last) >= self.images => Err(format!(
                "scores of image {last}, counted from 0, but the data set has {}",
                counted(self.images, "image")
            )),
            _ => Ok(()),
        }
    }
}

impl Record for Dataset {
    const KIND: Kind = Kind::Dataset;
    const VERSION: u32 = 2;
    const DESCRIPTOR: Descriptor = Descriptor {
        name: "dataset",
        plural: "datasets",
        called: "a data set",
        inputs: &[Role::Boxes, Role::BoxesFile, Role::Manifest, Role::Metadata],
        outputs: &[],
        chosen: |at| {
            ["/source", "/rules", "/labels", "/no_finding", "/metadata_only", "/withdrawn"]
                .iter()
                .any(|own| at.starts_with(own))
        },
        class: RecordClass::Input,
        travels: Travels::Named,
        carries: false,
        recomputed: Some(Recomputed::Dataset),
        content: Content::Dataset,
        is_listed: true,
    };

    fn check(&self) -> Result<(), String> {
        self.check_labels()
    }

    fn summary(&self) -> String {
        let images = match (self.metadata_only, self.images) {
            (false, images) => counted(images, "image"),
            (true, rows) => format!("{} of metadata", counted(rows, "row")),
        };
        format!("{images}, {}", counted(self.patients, "patient"))
    }

    fn uses(&self, id: Hash) -> Vec<ImageUse> {
        vec![ImageUse::Holds(Id::new(id))]
    }
}

impl Record for Split {
    const KIND: Kind = Kind::Split;
    const VERSION: u32 = 2;
    const DESCRIPTOR: Descriptor = Descriptor {
        name: "split",
        plural: "splits",
        called: "a split",
        inputs: &[Role::Dataset, Role::Test, Role::TrainVal],
        outputs: &[Role::Assignment],
        // How many folds there are was chosen, what is in them follows.
        chosen: |at| at == "/folds" || !at.starts_with("/folds"),
        class: RecordClass::Input,
        travels: Travels::Named,
        carries: false,
        recomputed: Some(Recomputed::Split),
        content: Content::Split,
        is_listed: true,
    };

    fn summary(&self) -> String {
        let folds = self.method.division().counted(self.folds.len());
        match &self.method {
            SplitMethod::Resample { seed, ratios: [train, val, test] } => {
                format!("{folds}, {train}/{val}/{test} by patient, seed {seed}")
            }
            SplitMethod::KFold { seed, ratios: [train, val] } => {
                format!("{folds} of patients, {train}/{val} of the rest, seed {seed}")
            }
            SplitMethod::Official { val_fraction, .. } => {
                format!("{folds}, official lists, {val_fraction:?} of the training images for validation")
            }
        }
    }

    fn uses(&self, _: Hash) -> Vec<ImageUse> {
        vec![ImageUse::Holds(self.dataset)]
    }
}
