//! Registers splits: divides a registered data set and records the result.

use std::path::{Path, PathBuf};

use super::{SplitError, k_fold, official, resample, sizes};
use crate::dataset::matching::{ImageNames, written_otherwise};
use crate::dataset::pixel_hashes::KnownPixels;
use crate::dataset::{DatasetError, lists, source};
use crate::digits::{counted, thousands};
use crate::hash::Id;
use crate::limits;
use crate::records::{Assignment, Dataset, ImageRow, Manifest, Split, SplitMethod, rules};
use crate::registry::{Registry, RegistryError, Stamp, Transaction};

/// Why a split was not registered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The data set cannot be divided in this way.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// A list cannot be read.
    #[error(transparent)]
    List(#[from] DatasetError),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl RegisterError {
    /// A hint.
    pub fn hint(&self) -> Option<String> {
        match self {
            RegisterError::Split(e) => e.hint().map(str::to_owned),
            RegisterError::List(e) => e.hint(),
            RegisterError::Registry(_) => None,
        }
    }
}

/// A registered split.
#[derive(Debug)]
#[non_exhaustive]
pub struct Registered {
    /// The split.
    pub id: Id<Split>,
    /// Its record.
    pub split: Split,
    /// Anomalies that do not stop the command, one sentence each.
    pub findings: Vec<String>,
}

/// Draws the subset of every image from a seed, `folds` times: re-samplings or the folds of k-fold. `None` for
/// a method that draws from more than a seed.
pub(crate) fn draw(
    rows: &[ImageRow],
    method: &SplitMethod,
    folds: u32,
) -> Option<Result<Assignment, SplitError>> {
    match *method {
        SplitMethod::Resample { seed, ratios } => Some(resample(rows, ratios, folds, seed)),
        SplitMethod::KFold { seed, ratios } => Some(k_fold(rows, ratios, folds, seed)),
        SplitMethod::Official { .. } => None,
    }
}

/// Divides a data set by patient, by re-sampling or into folds, and registers the split.
///
/// # Panics
/// For a method by lists, which [`import`] registers.
pub fn make(
    registry: &Registry,
    dataset: Id<Dataset>,
    method: SplitMethod,
    folds: u32,
    name: Option<&str>,
    stamp: &Stamp,
) -> Result<Registered, RegisterError> {
    let manifest = registry.manifest(&registry.get(dataset)?)?;
    let drawn = draw(&manifest.rows, &method, folds);
    let assignment = drawn.expect("lists are imported, not drawn")?;
    let transaction = registry.transaction()?;
    register(registry, transaction, (dataset, method), &manifest, &assignment, name, stamp)
}

/// Published lists of names, and how validation images are split off.
#[derive(Debug, Clone)]
pub struct Lists {
    /// Names for training and validation.
    pub train_val: PathBuf,
    /// Names for test.
    pub test: PathBuf,
    /// Share of the training images used for validation.
    pub val_fraction: f64,
    /// Seed of that split.
    pub seed: u64,
}

/// Divides a data set by published lists and registers the split.
pub fn import(
    registry: &Registry,
    dataset: Id<Dataset>,
    lists: &Lists,
    name: Option<&str>,
    stamp: &Stamp,
) -> Result<Registered, RegisterError> {
    let manifest = registry.manifest(&registry.get(dataset)?)?;
    let (train_val, test) =
        (source::load(&lists.train_val, limits::TEXT)?, source::load(&lists.test, limits::TEXT)?);
    let names = ImageNames::of(&manifest.rows);
    let find = |bytes: &[u8], path: &Path| lists::find(&lists::read(bytes, path)?, &names, path);
    let (learnt, tested) = (find(&train_val, &lists.train_val)?, find(&test, &lists.test)?);
    let (val_fraction, seed) = (lists.val_fraction, lists.seed);
    let divided = official(&manifest.rows, &learnt, &tested, val_fraction, seed)?;
    let transaction = registry.transaction()?;
    let (train_val, test) = (transaction.put_outside(&train_val)?, transaction.put_outside(&test)?);
    let method = SplitMethod::Official { train_val, test, val_fraction, seed };
    let mut registered =
        register(registry, transaction, (dataset, method), &manifest, &divided.assignment, name, stamp)?;
    let inexact = [learnt.inexact, tested.inexact].concat();
    registered.findings.extend(written_otherwise(&inexact, "on the lists"));
    let are = |count: usize| if count == 1 { "is" } else { "are" };
    let unknown: Vec<&String> = learnt.unknown.iter().chain(&tested.unknown).collect();
    if let Some(first) = unknown.first() {
        let (count, are) = (counted(unknown.len() as u64, "listed image"), are(unknown.len()));
        registered.findings.push(format!("{count} {are} not in the data set, the first is {first:?}"));
    }
    if !divided.unlisted.is_empty() {
        let count = divided.unlisted.len();
        let (count, are) = (counted(count as u64, "image"), are(count));
        registered.findings.push(format!("{count} of the data set {are} on no list and not used"));
    }
    Ok(registered)
}

fn register(
    registry: &Registry,
    mut transaction: Transaction<'_>,
    (dataset, method): (Id<Dataset>, SplitMethod),
    manifest: &Manifest,
    assignment: &Assignment,
    name: Option<&str>,
    stamp: &Stamp,
) -> Result<Registered, RegisterError> {
    let folds = sizes(&manifest.rows, assignment);
    let split = Split {
        dataset,
        method,
        rules: rules::SPLIT,
        assignment: transaction.put_packed(assignment)?,
        folds,
    };
    let id = transaction.put(&split)?;
    if let Some(name) = name {
        transaction.name(name, id.hash)?;
    }
    transaction.commit(stamp)?;
    // Counted now, so that no list has to; what cannot be counted is said by whoever asks.
    let _ = super::known_leaks(registry, id);
    let mut findings = Vec::new();
    let leaks = super::leaks(&manifest.rows, assignment).len();
    let check = name.map_or_else(|| id.hash.short(), str::to_owned);
    if leaks > 0 {
        let (leaks, are) = (counted(leaks as u64, "patient"), if leaks == 1 { "is" } else { "are" });
        findings.push(format!("{leaks} {are} in more than one subset: `reg split check {check}` lists them"));
    }
    let pixels = KnownPixels::recorded(registry, dataset, &manifest.rows)?;
    let mut shared = super::shared_images(&manifest.rows, assignment, |row| row.object);
    let by_pixels = super::shared_images(&manifest.rows, assignment, |row| pixels.get(row));
    // Equal bytes have equal pixels.
    shared.extend(by_pixels.into_iter().filter(|one| !shared.contains(one)).collect::<Vec<_>>());
    if let Some(first) = shared.first() {
        let names: Vec<&str> =
            first.images.iter().map(|row| manifest.rows[*row as usize].name.as_str()).collect();
        findings.push(format!(
            "{} in more than one subset under different patients, the first as {}: `reg split check {check}` lists them",
            match shared.len() as u64 {
                1 => "1 image is".to_owned(),
                many => format!("{} images are", thousands(many)),
            },
            names.join(" = ")
        ));
    }
    Ok(Registered { id, split, findings })
}
