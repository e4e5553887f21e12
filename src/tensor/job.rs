//! A job from standard input, carried out.

use std::io::Write;
use std::path::PathBuf;

use reg::hash::Hash;
use reg::records::{Assignment, Manifest, Packed, Subset, codec};
use reg::store::Store;
use reg::worker::{Job, Outcome, PROTOCOL, Work};

use crate::device;
use crate::error::TensorError;
use crate::images::Images;
use crate::predict::{Inputs, predict};
use crate::reporter::Reporter;
use crate::train::{Rows, train};

type Result<T> = std::result::Result<T, TensorError>;

/// Images a batch where files are scored that belong to no data set.
const FILES_BATCH: u32 = 16;

/// Where a job's objects lie and its files go.
pub(crate) struct Place {
    store: Store,
    /// The job's folder.
    pub(crate) out: PathBuf,
    /// Threads of libtorch.
    pub(crate) threads: u32,
}

impl Place {
    /// Reads an object and checks its hash.
    pub(crate) fn read(&self, what: &'static str, id: Hash) -> Result<Vec<u8>> {
        self.store.read(&id).map_err(|source| TensorError::Object { what, source })
    }

    fn unpack<T: Packed>(&self, what: &'static str, id: Hash) -> Result<T> {
        codec::unpack(&self.read(what, id)?).map_err(|source| TensorError::Codec { what, id, source })
    }
}

/// Reads a job, if it is one of this version of the protocol.
pub(crate) fn parse(text: &[u8]) -> Result<Job> {
    let wrong = |e: serde_json::Error| TensorError::Job(e.to_string());
    // Read loosely first: a job of another version may have another form.
    let document: serde_json::Value = serde_json::from_slice(text).map_err(wrong)?;
    match document.get("protocol").and_then(serde_json::Value::as_u64) {
        Some(found) if found != u64::from(PROTOCOL) => Err(TensorError::Protocol { found }),
        _ => serde_json::from_value(document).map_err(wrong),
    }
}

/// Does what a job asks for.
pub(crate) fn carry_out<W: Write>(job: Job, reporter: &mut Reporter<W>) -> Result<Outcome> {
    let device = device::prepare(&job.device, job.threads)?;
    let Job { out, labels, age, threads, .. } = job;
    if labels == 0 || labels > u32::BITS {
        return Err(TensorError::Settings(format!("{labels} labels, and 1 to {} are possible", u32::BITS)));
    }
    let place = Place { store: Store::at(&job.objects), out, threads };
    let dataset = |manifest: Hash| -> Result<Images> {
        let manifest: Manifest = place.unpack("manifest", manifest)?;
        Ok(Images::Dataset(place.store.clone(), manifest.rows))
    };
    match job.work {
        Work::Train { spec, manifest, assignment, weights } => {
            let images = &dataset(manifest.hash)?;
            let assignment: Assignment = place.unpack("assignment", assignment.hash)?;
            let part = |subset| rows(&assignment, spec.fold, subset, images);
            let rows = Rows { training: part(Subset::Train)?, validation: part(Subset::Val)? };
            let inputs = Inputs { images, model: &spec.model, age, labels, device };
            train(&place, &inputs, &spec, &rows, weights, reporter)
        }
        Work::Predict { model, checkpoint, batch, manifest, assignment, fold, subset } => {
            let images = &dataset(manifest.hash)?;
            let rows = rows(&place.unpack("assignment", assignment.hash)?, fold, subset, images)?;
            if rows.is_empty() {
                return Err(TensorError::Empty { subset, fold });
            }
            let inputs = Inputs { images, model: &model, age, labels, device };
            predict(&place, &inputs, checkpoint.hash, rows, batch, reporter)
        }
        Work::PredictFiles { model, checkpoint, images } => {
            let rows = (0..images.len() as u32).collect();
            let images = &Images::Files(images);
            let inputs = Inputs { images, model: &model, age, labels, device };
            predict(&place, &inputs, checkpoint.hash, rows, FILES_BATCH, reporter)
        }
    }
}

/// Rows of a subset of a fold, after a look at whether split and data set belong together.
fn rows(assignment: &Assignment, fold: u32, subset: Subset, images: &Images) -> Result<Vec<u32>> {
    let folds = assignment.folds.len();
    let Some(codes) = assignment.folds.get(fold as usize) else {
        return Err(TensorError::Split(format!("fold {fold} of {folds} folds, which are counted from 0")));
    };
    if codes.len() != images.len() {
        return Err(TensorError::Split(format!(
            "it is of {} images, the data set of {}",
            codes.len(),
            images.len()
        )));
    }
    Ok(assignment.rows(fold as usize, subset))
}
