//! Images as batches: read, decoded and cropped on other threads while the device computes.
//!
//! The content of a batch depends on the seed, the epoch and the manifest's row, never on the number of threads
//! that prepare it or on how far ahead they are.

use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use reg::dataset::pixel_cache::{PixelCache, ResizedPixels};
use reg::dataset::pixel_hashes::{FOLDER, KnownPixels, pixel_hash};
use reg::dataset::pixels::{self, Gray};
use reg::disk::Dir;
use reg::hash::{Hash, Id};
use reg::limits;
use reg::random::Stream;
use reg::records::{
    AgeRange, Augmentation, Gender, ImageInput, ImageRow, LabelCounts, LabelValues, Manifest, MetaFeatures,
    ViewPosition,
};
use reg::store::Store;
use reg::worker::{JobFile, Phase, ProgressStep, WorkerEvent};
use tch::{Device, Tensor};

use crate::error::TensorError;
use crate::reporter::{Pace, Reporter};
use reg::network::META;

type Result<T> = std::result::Result<T, TensorError>;

/// Number of batches that may wait for the device.
const AHEAD: usize = 2;

/// Number of images decoded between two checks for an interrupt.
const DECODED_AT_ONCE: usize = 64;

/// The images of a job.
pub(crate) enum Images {
    /// Images of a data set.
    Dataset(ImageDataset),
    /// Files.
    Files(Vec<JobFile>),
}

/// The images of a data set.
pub(crate) struct ImageDataset {
    store: Store,
    manifest: Id<Manifest>,
    rows: Vec<ImageRow>,
    /// Meta features and labels of the rows once more, close together: shuffled batches read them at random, and a
    /// network without images spent a tenth of its time waiting for the much larger rows.
    compact: Vec<(MetaFeatures, LabelValues)>,
    /// Open caches of resized images.
    kept: Vec<PixelCache>,
}

/// The true labels of a batch.
pub(crate) struct Targets {
    /// `[rows, labels]`: 1 if the image has the label, else 0.
    pub(crate) positive: Tensor,
    /// `[rows, labels]`: 0 if the label is missing, else 1; `None` if no label is missing.
    pub(crate) known: Option<Tensor>,
    /// Number of known labels in the batch.
    pub(crate) terms: u64,
}

/// How an image is cropped to a square.
#[derive(Clone, Copy)]
pub(crate) enum Crop<'a> {
    /// Resized, then cropped to its centre.
    Evaluation,
    /// Drawn again in each epoch.
    Training {
        /// The augmentation.
        how: &'a Augmentation,
        /// The source of the crops.
        from: ResizedPixels,
        /// The spec's seed.
        seed: u64,
        /// From 1.
        epoch: u32,
    },
}

impl ImageDataset {
    /// The images of a manifest, whose objects are in `store`.
    pub(crate) fn new(store: Store, manifest: Id<Manifest>, rows: Vec<ImageRow>) -> Self {
        let compact = rows.iter().map(|row| (row.meta(), row.labels.clone())).collect();
        ImageDataset { store, manifest, rows, compact, kept: Vec::new() }
    }

    /// Number of images.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The manifest.
    pub(crate) fn manifest(&self) -> Id<Manifest> {
        self.manifest
    }

    /// The known properties of an image.
    pub(crate) fn row(&self, index: u32) -> &ImageRow {
        &self.rows[index as usize]
    }

    /// The object of an image, if it has a file.
    pub(crate) fn source(&self, index: u32) -> Option<Hash> {
        self.rows[index as usize].object
    }

    /// Resizes the images in these rows and caches them below `cache`, except for those that are cached
    /// already.
    ///
    /// If there is not enough space, images are decoded each time they are needed, and a note says so.
    pub(crate) fn keep<W: Write>(
        &mut self,
        cache: &Dir,
        resized: ResizedPixels,
        rows: &[u32],
        reporter: &mut Reporter<W>,
    ) -> Result<()> {
        let note = |reporter: &mut Reporter<W>, why: String| {
            let place = cache.path().display();
            let message =
                format!("resized images are not cached in {place}, so each is decoded when needed: {why}");
            reporter.send(&WorkerEvent::Note { message })
        };
        let kept = match PixelCache::open(cache, self.manifest, &self.rows, resized) {
            Ok(kept) => kept,
            Err(e) => return note(reporter, e.to_string()),
        };
        let missing: Vec<u32> = rows.iter().copied().filter(|row| !kept.looks_made(*row as usize)).collect();
        let size = |row: &u32| {
            let ImageRow { width, height, .. } = self.rows[*row as usize];
            let (width, height) = resized.size(width, height);
            u64::from(width) * u64::from(height)
        };
        let (needed, free) = (missing.iter().map(size).sum::<u64>(), cache.free_space());
        if free.is_some_and(|free| free < needed) {
            let gb = |bytes: u64| bytes as f64 / 1e9;
            let why =
                format!("they need {:.1} GB, but only {:.1} GB are free", gb(needed), gb(free.unwrap_or(0)));
            return note(reporter, why);
        }
        let total = missing.len() as u64;
        let pace = Pace::begin(ProgressStep {
            phase: Phase::Pixels,
            epoch: 0,
            epochs: 0,
            done: 0,
            total,
            rate: 0.0,
            loss: None,
            left: None,
        });
        let mut done = 0;
        // For `reg split check --pixels`, which then need not decode them again.
        let mut decoded = Vec::new();
        for rows in missing.chunks(DECODED_AT_ONCE) {
            let wrote: Vec<(std::io::Result<()>, (Hash, Hash))> = rows
                .par_iter()
                .map(|&index| {
                    let (row, object) = self.object(index)?;
                    let image = self.decode(index)?;
                    let decoded = (object, pixel_hash(&image));
                    Ok((kept.put(index as usize, row, &object, &resized.of(image)), decoded))
                })
                .collect::<Result<_>>()?;
            let (wrote, new): (Vec<_>, Vec<_>) = wrote.into_iter().unzip();
            decoded.extend(new);
            if let Some(e) = wrote.into_iter().find_map(|wrote| wrote.err()) {
                return note(reporter, e.to_string());
            }
            done += rows.len() as u64;
            reporter.progress(pace.step(done, None, None))?;
        }
        if !decoded.is_empty() {
            KnownPixels::remembered(cache.folder(Path::new(FOLDER))).remember(decoded);
        }
        self.kept.push(kept);
        Ok(())
    }

    fn object(&self, index: u32) -> Result<(&ImageRow, Hash)> {
        let row = &self.rows[index as usize];
        let object = row.object.ok_or_else(|| TensorError::NoPixels { name: row.name.to_string() })?;
        Ok((row, object))
    }

    fn decode(&self, index: u32) -> Result<Gray> {
        let (row, id) = self.object(index)?;
        let name = || row.name.to_string();
        let bytes =
            self.store.read(&id).map_err(|source| TensorError::ImageObject { name: name(), source })?;
        let unreadable = |e| TensorError::ImagePixels { name: name(), id, source: Box::new(e) };
        pixels::decode(&bytes).map_err(unreadable)
    }

    fn resized(&self, index: u32, resized: ResizedPixels) -> Result<Gray> {
        let Some(kept) = self.kept.iter().find(|kept| kept.resized() == resized) else {
            return Ok(resized.of(self.decode(index)?));
        };
        let (row, object) = self.object(index)?;
        if let Some(image) = kept.get(index as usize, row, &object) {
            return Ok(image);
        }
        // Damaged since it was cached.
        let image = resized.of(self.decode(index)?);
        let _ = kept.put(index as usize, row, &object, &image);
        Ok(image)
    }
}

impl Images {
    /// The data set, if the images belong to one.
    pub(crate) fn dataset(&self) -> Option<&ImageDataset> {
        match self {
            Images::Dataset(dataset) => Some(dataset),
            Images::Files(_) => None,
        }
    }

    fn labels(&self, index: u32) -> Option<&LabelValues> {
        self.dataset().and_then(|dataset| dataset.compact.get(index as usize)).map(|(_, labels)| labels)
    }

    fn meta_of(&self, index: u32) -> Option<MetaFeatures> {
        match self {
            Images::Dataset(dataset) => dataset.compact.get(index as usize).map(|(meta, _)| *meta),
            Images::Files(files) => files.get(index as usize)?.meta,
        }
    }

    /// Meta features `[rows, 3]`: age scaled by the data set's range and clamped to [0, 1], gender (male 0,
    /// female 1), view position (PA 0, AP 1); 0.5 for unknown values.
    pub(crate) fn meta(&self, rows: &[u32], age: Option<AgeRange>, device: Device) -> Result<Tensor> {
        let values: Vec<f32> = rows.iter().flat_map(|&row| meta_features(self.meta_of(row), age)).collect();
        Ok(Tensor::f_from_slice(&values)?.f_reshape([rows.len() as i64, META as i64])?.f_to_device(device)?)
    }

    /// The true labels of a batch.
    pub(crate) fn targets(&self, rows: &[u32], labels: u32, device: Device) -> Result<Targets> {
        let labels = labels as usize;
        let mut positive = vec![0f32; rows.len() * labels];
        // Made with the first missing label.
        let mut known: Option<Vec<f32>> = None;
        let mut missing = 0;
        for (at, row) in rows.iter().enumerate() {
            let Some(values) = self.labels(*row) else { continue };
            let of = |label: &usize| *label < labels;
            values.positives().filter(of).for_each(|label| positive[at * labels + label] = 1.0);
            for label in values.missing().filter(of) {
                known.get_or_insert_with(|| vec![1.0; positive.len()])[at * labels + label] = 0.0;
                missing += 1;
            }
        }
        let tensor = |values: Vec<f32>| -> Result<Tensor> {
            let shape = [rows.len() as i64, labels as i64];
            Ok(Tensor::f_from_slice(&values)?.f_reshape(shape)?.f_to_device(device)?)
        };
        let terms = (rows.len() * labels) as u64 - missing;
        Ok(Targets { positive: tensor(positive)?, known: known.map(tensor).transpose()?, terms })
    }

    /// Whether an image has a label; `None` if unknown.
    pub(crate) fn label(&self, row: u32, label: usize) -> Option<bool> {
        self.labels(row).and_then(|values| values.get(label))
    }

    /// Number of positives and missing values of each label among the rows.
    pub(crate) fn counts(&self, rows: &[u32], labels: u32) -> LabelCounts {
        let mut counts = LabelCounts::new(labels as usize);
        rows.iter().filter_map(|row| self.labels(*row)).for_each(|values| counts.add(values));
        counts
    }

    /// The name of an image in messages.
    pub(crate) fn name(&self, index: u32) -> String {
        match self {
            Images::Dataset(dataset) => dataset.rows[index as usize].name.to_string(),
            Images::Files(files) => files[index as usize].path.display().to_string(),
        }
    }

    fn resized(&self, index: u32, resized: ResizedPixels) -> Result<Gray> {
        match self {
            Images::Dataset(dataset) => dataset.resized(index, resized),
            Images::Files(files) => {
                let JobFile { path, hash, .. } = &files[index as usize];
                let bytes =
                    limits::read(path, limits::IMAGE_FILE).map_err(TensorError::file("read", path))?;
                if Hash::of(&bytes) != *hash {
                    let changed = io::Error::new(io::ErrorKind::ResourceBusy, "it changed meanwhile");
                    return Err(TensorError::file("read", path)(changed));
                }
                let image = pixels::decode(&bytes)
                    .map_err(|source| TensorError::FilePixels { path: path.clone(), source })?;
                Ok(resized.of(image))
            }
        }
    }

    fn square(&self, index: u32, input: &ImageInput, view: Crop) -> Result<Vec<u8>> {
        Ok(match view {
            Crop::Evaluation => self.resized(index, ResizedPixels::evaluation(input))?.data,
            Crop::Training { how, from, seed, epoch } => {
                let mut stream = Stream::new("reg view", seed, &[epoch.into(), index.into()]);
                pixels::training_view(&self.resized(index, from)?, input.input, how, &mut stream)
            }
        })
    }

    /// Passes one batch after the other to `each`: its rows and, for a model with image input, the squares
    /// `[rows, input, input]` in bytes. Returns the time spent waiting for batches.
    pub(crate) fn for_each_batch(
        &self,
        batches: &[Vec<u32>],
        input: Option<(&ImageInput, Crop)>,
        mut each: impl FnMut(&[u32], Option<&[u8]>) -> Result<()>,
    ) -> Result<Duration> {
        let mut waited = Duration::ZERO;
        let Some((input, view)) = input else {
            batches.iter().try_for_each(|rows| each(rows, None))?;
            return Ok(waited);
        };
        thread::scope(|scope| {
            let (to, from) = sync_channel(AHEAD);
            scope.spawn(move || {
                for rows in batches {
                    let squares: Result<Vec<Vec<u8>>> =
                        rows.par_iter().map(|&row| self.square(row, input, view)).collect();
                    let failed = squares.is_err();
                    // The receiver is gone if the consumer failed or was interrupted.
                    if to.send(squares.map(|squares| squares.concat())).is_err() || failed {
                        return;
                    }
                }
            });
            // Dropped before the scope joins the thread, which otherwise could wait forever for room.
            let from: Receiver<Result<Vec<u8>>> = from;
            for rows in batches {
                let start = Instant::now();
                let squares = from.recv().expect("the thread sends each batch or an error")?;
                waited += start.elapsed();
                each(rows, Some(&squares))?;
            }
            Ok(waited)
        })
    }
}

fn meta_features(meta: Option<MetaFeatures>, range: Option<AgeRange>) -> [f32; META as usize] {
    const UNKNOWN: f32 = 0.5;
    let age =
        meta.and_then(|meta| meta.plausible_age()).zip(range).filter(|(_, range)| range.max > range.min);
    let age = age.map(|(age, range)| f64::from(age - range.min) / f64::from(range.max - range.min));
    let gender = match meta.map(|meta| meta.gender) {
        Some(Gender::Male) => 0.0,
        Some(Gender::Female) => 1.0,
        Some(Gender::Unknown) | None => UNKNOWN,
    };
    let view = match meta.map(|meta| meta.view) {
        Some(ViewPosition::PA) => 0.0,
        Some(ViewPosition::AP) => 1.0,
        Some(ViewPosition::Unknown) | None => UNKNOWN,
    };
    [age.map_or(UNKNOWN, |age| age.clamp(0.0, 1.0) as f32), gender, view]
}

/// Splits rows into batches. With `no_single`, a last batch of one image is merged with the previous one:
/// BatchNorm has no statistics of a single image.
pub(crate) fn batches(rows: &[u32], size: u32, no_single: bool) -> Vec<Vec<u32>> {
    let mut batches: Vec<Vec<u32>> = rows.chunks(size.max(1) as usize).map(<[u32]>::to_vec).collect();
    if no_single && size > 1 && batches.len() > 1 && batches.last().is_some_and(|last| last.len() == 1) {
        let last = batches.pop().unwrap_or_default();
        batches.last_mut().expect("one is left").extend(last);
    }
    batches
}

/// The order of the training images in an epoch.
pub(crate) fn order(rows: &[u32], seed: u64, epoch: u32) -> Vec<u32> {
    let mut order = rows.to_vec();
    Stream::new("reg order", seed, &[epoch.into()]).shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_batch_of_one_joins_the_one_before_where_that_matters() {
        let rows: Vec<u32> = (0..9).collect();
        let sizes =
            |size, no_single| batches(&rows, size, no_single).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(4, false), [4, 4, 1]);
        assert_eq!(sizes(4, true), [4, 5]);
        assert_eq!(sizes(5, true), [5, 4]);
        assert_eq!(sizes(1, true), [1; 9]);
        assert_eq!(batches(&rows, 4, true).concat(), rows);
    }

    #[test]
    fn every_epoch_has_an_order_of_its_own() {
        let rows: Vec<u32> = (10..60).collect();
        let mut first = order(&rows, 1, 1);
        assert_eq!(first, order(&rows, 1, 1));
        assert_ne!(first, order(&rows, 1, 2));
        assert_ne!(first, order(&rows, 2, 1));
        first.sort_unstable();
        assert_eq!(first, rows);
    }

    #[test]
    fn what_is_unknown_lies_in_the_middle() {
        assert_eq!(meta_features(None, Some(AgeRange { min: 0, max: 90 })), [0.5; 3]);
    }
}
