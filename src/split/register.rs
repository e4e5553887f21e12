//! Registers splits: divides a registered data set and records the result.

use std::path::{Path, PathBuf};

use super::{SplitError, k_fold, official, resample, sizes};
use crate::dataset::{DatasetError, lists, source};
use crate::digits::{counted, thousands};
use crate::hash::Id;
use crate::limits;
use crate::records::{Assignment, Dataset, ImageRow, Manifest, Split, SplitMethod, rules};
use crate::registry::{Registry, RegistryError, Stamp, Transaction};

/// Why a split was not registered.
#[derive(Debug, thiserror::Error)]
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
    register(transaction, dataset, method, &manifest, &assignment, name, stamp)
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
    let names = |bytes: &[u8], path: &Path| lists::read(bytes, path);
    let (val_fraction, seed) = (lists.val_fraction, lists.seed);
    let divided = official(
        &manifest.rows,
        &names(&train_val, &lists.train_val)?,
        &names(&test, &lists.test)?,
        val_fraction,
        seed,
    )?;
    let transaction = registry.transaction()?;
    let (train_val, test) = (transaction.put_outside(&train_val)?, transaction.put_outside(&test)?);
    let method = SplitMethod::Official { train_val, test, val_fraction, seed };
    let mut registered = register(transaction, dataset, method, &manifest, &divided.assignment, name, stamp)?;
    let (unknown, unlisted) = (divided.unknown_names.len() as u64, divided.unlisted.len() as u64);
    if unknown > 0 {
        let (unknown, are) = (counted(unknown, "listed image"), if unknown == 1 { "is" } else { "are" });
        registered.findings.push(format!("{unknown} {are} not in the data set"));
    }
    if unlisted > 0 {
        let (unlisted, are) = (counted(unlisted, "image"), if unlisted == 1 { "is" } else { "are" });
        registered.findings.push(format!("{unlisted} of the data set {are} not on any list and not used"));
    }
    Ok(registered)
}

fn register(
    mut transaction: Transaction<'_>,
    dataset: Id<Dataset>,
    method: SplitMethod,
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
    let mut findings = Vec::new();
    let leaks = super::leaks(&manifest.rows, assignment).len();
    if leaks > 0 {
        let (patients, are) = (counted(leaks as u64, "patient"), if leaks == 1 { "is" } else { "are" });
        findings.push(format!("{patients} {are} in more than one subset: `reg split check` lists them"));
    }
    let shared = super::shared_images(&manifest.rows, assignment, |row| row.object);
    if let Some(first) = shared.first() {
        let names: Vec<&str> =
            first.images.iter().map(|row| manifest.rows[*row as usize].name.as_str()).collect();
        findings.push(format!(
            "{} in more than one subset under different patients, the first as {}: `reg split check` lists them",
            match shared.len() as u64 {
                1 => "1 image is".to_owned(),
                many => format!("{} images are", thousands(many)),
            },
            names.join(" = ")
        ));
    }
    Ok(Registered { id, split, findings })
}
