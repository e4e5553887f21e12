//! Sources of objects: a registry, or an excerpt of one.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::origins::{FileOrigins, Origins, PriorTraining};
use super::walk::{runs_of, weights_of};
use super::{Registry, RegistryError};
use crate::digits::counted;
use crate::hash::{Hash, Id};
use crate::index::{Head, View};
use crate::records::{
    Assignment, Boxes, Dataset, Manifest, Packed, PixelDigests, PixelHashes, Predictions, Record, Run,
    ScoreSource, Scores, Spec, Split, Subset, TrainingData, Weights, codec, rules,
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

    /// The imported weights whose file it is, sorted by id.
    fn weights_of(&self, file: &Hash) -> Result<Vec<Id<Weights>>, RegistryError>;

    /// The same source for a walk that asks about many files, with the index opened once: opening it costs more than an
    /// answer. `None` where there is nothing to open.
    fn opened(&self) -> Result<Option<Box<dyn Objects + '_>>, RegistryError> {
        Ok(None)
    }

    /// What was remembered of where a file comes from; `None` if it must be looked up.
    fn known_origins(&self, _: &Hash) -> Option<Arc<FileOrigins>> {
        None
    }

    /// Remembers where a file comes from, where that is possible.
    fn remember_origins(&self, _: &Hash, _: &Arc<FileOrigins>) {}
}

/// A registry and one snapshot of its index.
struct OpenedRegistry<'r> {
    registry: &'r Registry,
    view: View,
    /// The state of the index in the snapshot.
    state: Head,
}

impl Objects for OpenedRegistry<'_> {
    fn bytes(&self, id: &Hash) -> Result<Vec<u8>, RegistryError> {
        self.registry.bytes(id)
    }

    fn runs_of(&self, file: &Hash) -> Result<Vec<Id<Run>>, RegistryError> {
        Ok(runs_of(&self.view, file)?.into_iter().map(Id::new).collect())
    }

    fn weights_of(&self, file: &Hash) -> Result<Vec<Id<Weights>>, RegistryError> {
        Ok(weights_of(&self.view, file)?.into_iter().map(Id::new).collect())
    }

    fn known_origins(&self, file: &Hash) -> Option<Arc<FileOrigins>> {
        self.registry.origins.get(self.state, file)
    }

    fn remember_origins(&self, file: &Hash, found: &Arc<FileOrigins>) {
        self.registry.origins.insert(self.state, *file, found.clone());
    }
}

impl dyn Objects + '_ {
    /// Reads a record.
    pub fn get<T: Record>(&self, id: Id<T>) -> Result<T, RegistryError> {
        codec::decode(&self.bytes(&id.hash)?).map_err(|source| RegistryError::Codec { id: id.hash, source })
    }

    /// What is known of where a file of weights comes from.
    pub fn origins(&self, file: &Hash) -> Result<Origins, RegistryError> {
        Ok(self.file_origins(file)?.origins.clone())
    }

    /// The same, with where the runs that left the file had started.
    fn file_origins(&self, file: &Hash) -> Result<Arc<FileOrigins>, RegistryError> {
        if let Some(known) = self.known_origins(file) {
            return Ok(known);
        }
        let found = Arc::new(self.look_up_origins(file)?);
        self.remember_origins(file, &found);
        Ok(found)
    }

    fn look_up_origins(&self, file: &Hash) -> Result<FileOrigins, RegistryError> {
        // All empty files are alike.
        if *file == Hash::of(b"") {
            return Ok(FileOrigins::default());
        }
        let mut trainings = Vec::new();
        let (mut origins, mut runs) = (Origins::default(), self.runs_of(file)?);
        for weights in self.weights_of(file)? {
            let weights = self.get(weights)?;
            runs.extend(weights.runs);
            origins.trained_on.extend(weights.trained_on);
        }
        runs.sort_unstable();
        runs.dedup();
        for run in runs {
            // Whoever leaves what it was given has not made it.
            let id = self.get(run)?.spec;
            let spec = self.get(id)?;
            let starts_from = self.starts_from(&spec)?;
            if !starts_from.contains(file) {
                origins.runs.push(run);
                trainings.push(PriorTraining { spec: id.hash, data: spec.training_data(), starts_from });
            }
        }
        origins.trained_on.sort_unstable();
        origins.trained_on.dedup();
        Ok(FileOrigins { origins, trainings })
    }

    /// The files from which a training starts, whatever they are: its initial weights, and what a program was given, its
    /// own files included.
    pub fn starts_from(&self, spec: &Spec) -> Result<Vec<Hash>, RegistryError> {
        let weights = spec.weights().map(|weights| self.get(weights)).transpose()?;
        Ok(weights.map(|weights| weights.file.object.hash).into_iter().chain(spec.given()).collect())
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

    /// What the files from which a training starts had learnt from: if one is the checkpoint of a run, from the images
    /// of that run and from what that run started from, and so on; and from what was declared when it was imported. The
    /// model has seen all of it.
    pub fn learnt_before(&self, spec: &Spec) -> Result<Vec<TrainingData>, RegistryError> {
        let opened = self.opened()?;
        let objects: &dyn Objects = opened.as_deref().unwrap_or(self);
        let mut learnt = BTreeSet::new();
        let mut files = objects.starts_from(spec)?;
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let own = Registry::id_of(spec)?.hash;
        // A program may leave a checkpoint that it was given.
        let mut known: HashSet<Hash> = HashSet::new();
        while let Some(file) = files.pop() {
            if !known.insert(file) {
                continue;
            }
            let found = objects.file_origins(&file)?;
            learnt.extend(found.origins.trained_on.iter().cloned());
            for training in found.trainings.iter().filter(|training| training.spec != own) {
                learnt.insert(training.data.clone());
                files.extend(&training.starts_from);
            }
        }
        Ok(learnt.into_iter().collect())
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

    /// Manifest rows of a subset of the division that a spec trains on, ascending.
    ///
    /// # Errors
    /// Also a spec whose split is of another data set, or has no such division.
    pub fn members(&self, spec: &Spec, subset: Subset) -> Result<Vec<u32>, RegistryError> {
        self.subset(spec.dataset(), spec.split(), spec.fold(), subset)
    }

    /// Manifest rows of some subsets of training data; of a data set without a split all rows, of external data none.
    ///
    /// # Errors
    /// Also a split of another data set, or without such a division.
    pub fn rows_of(&self, data: &TrainingData, subsets: &[Subset]) -> Result<Vec<u32>, RegistryError> {
        match *data {
            TrainingData::Dataset { dataset } => Ok((0..self.get(dataset)?.images as u32).collect()),
            TrainingData::Division { dataset, split, fold } => {
                let each = subsets.iter().map(|subset| self.subset(dataset, split, fold, *subset));
                Ok(each.collect::<Result<Vec<_>, _>>()?.concat())
            }
            TrainingData::External { .. } => Ok(Vec::new()),
        }
    }

    fn subset(
        &self,
        dataset: Id<Dataset>,
        id: Id<Split>,
        fold: u32,
        subset: Subset,
    ) -> Result<Vec<u32>, RegistryError> {
        let split = self.get(id)?;
        let lies = |reason: String| RegistryError::Contradiction { id: id.hash, kind: "split", reason };
        if split.dataset != dataset {
            return Err(lies(format!("it does not belong to data set {}", dataset.hash.short())));
        }
        let assignment = self.assignment(&split)?;
        match fold as usize {
            fold if fold < assignment.folds.len() => Ok(assignment.rows(fold, subset)),
            fold => {
                let divisions = counted(assignment.folds.len() as u64, "division");
                Err(lies(format!("it has {divisions}, but a record refers to division {fold}")))
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

    fn weights_of(&self, file: &Hash) -> Result<Vec<Id<Weights>>, RegistryError> {
        Ok(weights_of(&self.view()?, file)?.into_iter().map(Id::new).collect())
    }

    fn opened(&self) -> Result<Option<Box<dyn Objects + '_>>, RegistryError> {
        let view = self.view()?;
        let state = view.state()?;
        Ok(Some(Box::new(OpenedRegistry { registry: self, view, state })))
    }
}

impl Registry {
    /// Reads a record.
    pub fn get<T: Record>(&self, id: Id<T>) -> Result<T, RegistryError> {
        (self as &dyn Objects).get(id)
    }

    /// What the files from which a training starts had learnt from; see [`Objects`].
    pub fn learnt_before(&self, spec: &Spec) -> Result<Vec<TrainingData>, RegistryError> {
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
