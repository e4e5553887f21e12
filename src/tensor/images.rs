//! Images as batches: read, decoded and cut on other threads while the device computes.
//!
//! What a batch holds depends on the seed, the epoch and the manifest's row, never on how many threads
//! make it or how far ahead they are.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use reg::dataset::{
    pixels::{self, Grey},
    png,
};
use reg::hash::Hash;
use reg::random::Stream;
use reg::records::{AgeRange, Augmentation, Gender, ImageInput, ImageRow, ViewPosition};
use reg::store::{FileState, Store};
use tch::{Device, Tensor};

use crate::error::TensorError;
use crate::net::META;

type Result<T> = std::result::Result<T, TensorError>;

/// Batches that may wait for the device.
const AHEAD: usize = 2;

/// The images that a job is about.
pub(crate) enum Images {
    /// Those of a data set, and where their objects lie.
    Dataset(Store, Vec<ImageRow>),
    /// Files, with what is known of each.
    Files(Vec<(PathBuf, Option<ImageRow>)>),
}

/// How an image becomes a square.
#[derive(Clone, Copy)]
pub(crate) enum View<'a> {
    /// Resized, its centre cropped.
    Evaluation,
    /// Drawn anew in each epoch.
    Training {
        /// What is drawn.
        how: &'a Augmentation,
        /// The spec's seed.
        seed: u64,
        /// From 1.
        epoch: u32,
    },
}

impl Images {
    /// Their number.
    pub(crate) fn len(&self) -> usize {
        match self {
            Images::Dataset(_, rows) => rows.len(),
            Images::Files(files) => files.len(),
        }
    }

    fn row(&self, index: u32) -> Option<&ImageRow> {
        match self {
            Images::Dataset(_, rows) => rows.get(index as usize),
            Images::Files(files) => files.get(index as usize)?.1.as_ref(),
        }
    }

    /// Meta features `[rows, 3]`: age scaled by the data set's range and clamped to [0, 1], gender (male
    /// 0, female 1), view position (PA 0, AP 1); what is unknown is 0.5.
    pub(crate) fn meta(&self, rows: &[u32], age: Option<AgeRange>, device: Device) -> Result<Tensor> {
        let values: Vec<f32> = rows.iter().flat_map(|&row| meta_features(self.row(row), age)).collect();
        Ok(Tensor::f_from_slice(&values)?.f_reshape([rows.len() as i64, META])?.f_to_device(device)?)
    }

    /// Labels `[rows, labels]`, 0 or 1 each.
    pub(crate) fn targets(&self, rows: &[u32], labels: u32, device: Device) -> Result<Tensor> {
        let value = |row, label| f32::from(u8::from(self.has(row, label)));
        let labels = labels as usize;
        let values: Vec<f32> =
            rows.iter().flat_map(|&row| (0..labels).map(move |label| value(row, label))).collect();
        let shape = [rows.len() as i64, labels as i64];
        Ok(Tensor::f_from_slice(&values)?.f_reshape(shape)?.f_to_device(device)?)
    }

    /// Whether an image has a label.
    pub(crate) fn has(&self, row: u32, label: usize) -> bool {
        self.row(row).is_some_and(|row| row.has(label))
    }

    /// Positives of each label among the rows.
    pub(crate) fn positives(&self, rows: &[u32], labels: u32) -> Vec<u64> {
        (0..labels as usize)
            .map(|label| rows.iter().filter(|row| self.has(**row, label)).count() as u64)
            .collect()
    }

    /// What messages call an image.
    pub(crate) fn name(&self, index: u32) -> String {
        match self {
            Images::Dataset(_, rows) => rows[index as usize].name.clone(),
            Images::Files(files) => files[index as usize].0.display().to_string(),
        }
    }

    fn decode(&self, index: u32) -> Result<Grey> {
        match self {
            Images::Dataset(store, rows) => {
                let row = &rows[index as usize];
                let name = || row.name.clone();
                let id: Hash = row.object.ok_or_else(|| TensorError::NoPixels { name: name() })?;
                let bytes =
                    store.read(&id).map_err(|source| TensorError::ImageObject { name: name(), source })?;
                pixels::decode(&bytes).map_err(|source| TensorError::ImagePixels { name: name(), id, source })
            }
            Images::Files(files) => {
                let path = &files[index as usize].0;
                let mut bytes = Vec::new();
                FileState::read(path, png::MAX_FILE, &mut bytes).map_err(TensorError::file("read", path))?;
                pixels::decode(&bytes)
                    .map_err(|source| TensorError::FilePixels { path: path.clone(), source })
            }
        }
    }

    fn square(&self, index: u32, input: &ImageInput, view: View) -> Result<Vec<u8>> {
        let grey = self.decode(index)?;
        Ok(match view {
            View::Evaluation => pixels::evaluation_view(&grey, input.resize, input.input),
            View::Training { how, seed, epoch } => {
                let mut stream = Stream::new("reg view", seed, &[epoch.into(), index.into()]);
                pixels::training_view(&grey, input.input, how, &mut stream)
            }
        })
    }

    /// Hands one batch after the other to `each`: its rows and, for a model that looks at images, the
    /// squares `[rows, input, input]` in bytes. Returns the time that was spent waiting for them.
    pub(crate) fn for_each_batch(
        &self,
        batches: &[Vec<u32>],
        input: Option<(&ImageInput, View)>,
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
                    // Nobody receives any more once the consumer has failed or was interrupted.
                    if to.send(squares.map(|squares| squares.concat())).is_err() || failed {
                        return;
                    }
                }
            });
            // Dropped before the scope joins the thread, which else would wait for room for ever.
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

fn meta_features(row: Option<&ImageRow>, range: Option<AgeRange>) -> [f32; META as usize] {
    const UNKNOWN: f32 = 0.5;
    let age = row.and_then(ImageRow::plausible_age).zip(range).filter(|(_, range)| range.max > range.min);
    let age = age.map(|(age, range)| f64::from(age - range.min) / f64::from(range.max - range.min));
    let gender = match row.map(|row| row.gender) {
        Some(Gender::Male) => 0.0,
        Some(Gender::Female) => 1.0,
        Some(Gender::Unknown) | None => UNKNOWN,
    };
    let view = match row.map(|row| row.view) {
        Some(ViewPosition::PA) => 0.0,
        Some(ViewPosition::AP) => 1.0,
        Some(ViewPosition::Unknown) | None => UNKNOWN,
    };
    [age.map_or(UNKNOWN, |age| age.clamp(0.0, 1.0) as f32), gender, view]
}

/// Cuts rows into batches. With `no_single`, a last batch of one image joins the one before it:
/// BatchNorm has no statistics of one image.
pub(crate) fn batches(rows: &[u32], size: u32, no_single: bool) -> Vec<Vec<u32>> {
    let mut batches: Vec<Vec<u32>> = rows.chunks(size.max(1) as usize).map(<[u32]>::to_vec).collect();
    if no_single && size > 1 && batches.len() > 1 && batches.last().is_some_and(|last| last.len() == 1) {
        let last = batches.pop().unwrap_or_default();
        batches.last_mut().expect("one is left").extend(last);
    }
    batches
}

/// The order in which an epoch goes through the training images.
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
