//! Sources of objects: a registry, or an excerpt of one.

use std::collections::{BTreeSet, HashSet};

use super::walk::runs_of;
use super::{Registry, RegistryError};
use crate::digits::counted;
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::records::{
    Assignment, Boxes, Dataset, Manifest, Packed, PixelDigests, PixelHashes, Predictions, Record, Run,
    ScoreSource, Scores, Spec, Split, Subset, Weights, codec, rules,
};

/// A source of objects.
pub trait Objects {
    /// Reads an object and checks it against its id.
    fn bytes(&self, id: &Hash) -> Result<Vec<u8>, RegistryError>;

    /// Whether a referenced object is absent and need not be present. Never the case in a registry.
    fn lacks(&self, _: &Hash) -> bool {
        false
    }

    /// The runs whose checkpoint the file is, sorted by id.
    fn runs_of(&self, file: &Hash) -> Result<Vec<Id<Run>>, RegistryError>;
}

impl dyn Objects + '_ {
    /// Reads a record.
    pub fn get<T: Record>(&self, id: Id<T>) -> Result<T, RegistryError> {
        codec::decode(&self.bytes(&id.hash)?).map_err(|source| RegistryError::Codec { id: id.hash, source })
    }

    /// The runs whose checkpoint these weights are: those known when the weights were imported, and those added
    /// since.
    pub fn origins(&self, weights: Id<Weights>) -> Result<Vec<Id<Run>>, RegistryError> {
        let weights = self.get(weights)?;
        let mut runs = self.runs_of(&weights.file.object.hash)?;
        runs.extend(weights.runs);
        runs.sort_unstable();
        runs.dedup();
        Ok(runs)
    }

    /// Where scores come from: their own source or, of a mean, those of all its members, each once.
    pub fn sources(&self, predictions: &Predictions) -> Result<Vec<ScoreSource>, RegistryError> {
        let (mut sources, mut seen) = (Vec::new(), HashSet::new());
        let mut open = vec![predictions.source.clone()];
        while let Some(source) = open.pop() {
            match source {
                ScoreSource::Mean { predictions, .. } => {
                    for id in predictions.into_iter().rev().filter(|id| seen.insert(id.hash)) {
                        open.push(self.get(id)?.source);
                    }
                }
                source => sources.push(source),
            }
        }
        Ok(sources)
    }

    /// The runs behind scores, each once.
    pub fn scorers(&self, predictions: &Predictions) -> Result<BTreeSet<Id<Run>>, RegistryError> {
        let run = |source: ScoreSource| source.run();
        Ok(self.sources(predictions)?.into_iter().filter_map(run).collect())
    }

    /// The specs of the runs from which a network's weights come: of the run whose checkpoint was its initial
    /// weights, of the run whose checkpoint that run started from, and so on. The network has seen everything that
    /// they have seen.
    pub fn learnt_before(&self, spec: &Spec) -> Result<Vec<Spec>, RegistryError> {
        let (mut before, mut begun): (Vec<Spec>, Vec<Id<Weights>>) =
            (Vec::new(), spec.weights().into_iter().collect());
        while let Some(weights) = begun.pop() {
            for run in self.origins(weights)? {
                let spec = self.get(self.get(run)?.spec)?;
                begun.extend(spec.weights());
                before.push(spec);
            }
        }
        Ok(before)
    }

    /// Reads a packed array without checking it against the record that refers to it.
    pub fn packed_alone<T: Packed>(&self, id: Id<T>) -> Result<T, RegistryError> {
        codec::unpack(&self.bytes(&id.hash)?).map_err(|source| RegistryError::Codec { id: id.hash, source })
    }

    fn packed<T: Packed>(
        &self,
        id: Id<T>,
        check: impl FnOnce(&T) -> Result<(), String>,
    ) -> Result<T, RegistryError> {
        let array = self.packed_alone(id)?;
        let lies = |reason| RegistryError::Contradiction { id: id.hash, kind: T::KIND, reason };
        check(&array).map_err(lies)?;
        Ok(array)
    }

    /// Reads the manifest of a data set: a row for each of its images, a value for each of its labels.
    pub fn manifest(&self, dataset: &Dataset) -> Result<Manifest, RegistryError> {
        self.packed(dataset.manifest, |manifest| dataset.check_manifest(manifest))
    }

    /// Reads the boxes of a data set, of its images and labels; none where it has none.
    pub fn boxes(&self, dataset: &Dataset) -> Result<Option<Boxes>, RegistryError> {
        dataset.boxes.map(|id| self.packed(id, |boxes| dataset.check_boxes(boxes))).transpose()
    }

    /// Reads the assignment of a split: its folds, a place in each for each image of its data set.
    pub fn assignment(&self, split: &Split) -> Result<Assignment, RegistryError> {
        let dataset = self.get(split.dataset)?;
        self.packed(split.assignment, |assignment| split.check_assignment(assignment, &dataset))
    }

    /// Reads the scores of predictions: a column for each of their labels, rows of their data set.
    pub fn scores(&self, predictions: &Predictions) -> Result<Scores, RegistryError> {
        let dataset = self.get(predictions.dataset)?;
        self.packed(predictions.scores, |scores| predictions.check_scores(scores, &dataset))
    }

    /// Reads scores of images of a data set that belong to no predictions, such as those of a probe.
    pub fn probe_scores(&self, id: Id<Scores>, dataset: &Dataset) -> Result<Scores, RegistryError> {
        self.packed(id, |scores| match scores.labels {
            1 => dataset.check_scores(scores),
            more => Err(format!("{}, but a probe has 1", counted(more.into(), "column"))),
        })
    }

    /// Reads hashes of pixels: one for each image of their data set.
    pub fn pixel_digests(&self, hashes: &PixelHashes) -> Result<PixelDigests, RegistryError> {
        let images = self.get(hashes.dataset)?.images;
        self.packed(hashes.pixels, |digests| hashes.check_digests(digests, images))
    }

    /// Manifest rows of a subset of the fold that a spec trains on, ascending.
    ///
    /// # Errors
    /// Also a spec whose split is of another data set, or has no such fold.
    pub fn members(&self, spec: &Spec, subset: Subset) -> Result<Vec<u32>, RegistryError> {
        let split = self.get(spec.split())?;
        let lies =
            |reason: String| RegistryError::Contradiction { id: spec.split().hash, kind: "split", reason };
        if split.dataset != spec.dataset() {
            return Err(lies(format!(
                "not of data set {}, which the spec names",
                spec.dataset().hash.short()
            )));
        }
        let assignment = self.assignment(&split)?;
        match spec.fold() as usize {
            fold if fold < assignment.folds.len() => Ok(assignment.rows(fold, subset)),
            fold => {
                let divisions = counted(assignment.folds.len() as u64, "division");
                Err(lies(format!("{divisions}, but the spec names number {fold}")))
            }
        }
    }
}

impl Objects for Registry {
    fn bytes(&self, id: &Hash) -> Result<Vec<u8>, RegistryError> {
        Ok(self.store.read(id)?)
    }

    fn runs_of(&self, file: &Hash) -> Result<Vec<Id<Run>>, RegistryError> {
        Ok(runs_of(&self.view()?, file)?.into_iter().map(Id::new).collect())
    }
}

impl Registry {
    /// Reads a record.
    pub fn get<T: Record>(&self, id: Id<T>) -> Result<T, RegistryError> {
        (self as &dyn Objects).get(id)
    }

    /// The runs whose checkpoint these weights are; see [`Objects`].
    pub fn origins(&self, weights: Id<Weights>) -> Result<Vec<Id<Run>>, RegistryError> {
        (self as &dyn Objects).origins(weights)
    }

    /// The specs of the runs from which a network's weights come; see [`Objects`].
    pub fn learnt_before(&self, spec: &Spec) -> Result<Vec<Spec>, RegistryError> {
        (self as &dyn Objects).learnt_before(spec)
    }

    /// Reads the manifest of a data set; see [`Objects`].
    pub fn manifest(&self, dataset: &Dataset) -> Result<Manifest, RegistryError> {
        (self as &dyn Objects).manifest(dataset)
    }

    /// Reads the boxes of a data set; see [`Objects`].
    pub fn boxes(&self, dataset: &Dataset) -> Result<Option<Boxes>, RegistryError> {
        (self as &dyn Objects).boxes(dataset)
    }

    /// Reads the assignment of a split; see [`Objects`].
    pub fn assignment(&self, split: &Split) -> Result<Assignment, RegistryError> {
        (self as &dyn Objects).assignment(split)
    }

    /// Reads the scores of predictions; see [`Objects`].
    pub fn scores(&self, predictions: &Predictions) -> Result<Scores, RegistryError> {
        (self as &dyn Objects).scores(predictions)
    }

    /// Reads scores that no predictions name; see [`Objects`].
    pub fn probe_scores(&self, id: Id<Scores>, dataset: &Dataset) -> Result<Scores, RegistryError> {
        (self as &dyn Objects).probe_scores(id, dataset)
    }

    /// Reads hashes of pixels; see [`Objects`].
    pub fn pixel_digests(&self, hashes: &PixelHashes) -> Result<PixelDigests, RegistryError> {
        (self as &dyn Objects).pixel_digests(hashes)
    }

    /// What is recorded of the pixels of a data set's images, by the rules of this reg: of several records, the one
    /// that knows the most.
    pub fn pixel_hashes(
        &self,
        view: &View,
        dataset: Id<Dataset>,
    ) -> Result<Option<(Id<PixelHashes>, PixelHashes)>, RegistryError> {
        let all = self.referring::<PixelHashes>(view, &dataset.hash)?.into_iter();
        let ours = all.filter(|(_, hashes)| hashes.rules == rules::PIXELS);
        Ok(ours.max_by_key(|(id, hashes)| (hashes.known, std::cmp::Reverse(id.hash))))
    }

    /// Manifest rows of a subset of the fold that a spec trains on; see [`Objects`].
    pub fn members(&self, spec: &Spec, subset: Subset) -> Result<Vec<u32>, RegistryError> {
        (self as &dyn Objects).members(spec, subset)
    }

    /// Reads a packed array without checking it against a record; see [`Objects`].
    pub fn packed_alone<T: Packed>(&self, id: Id<T>) -> Result<T, RegistryError> {
        (self as &dyn Objects).packed_alone(id)
    }
}
