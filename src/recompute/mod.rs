//! Recomputes records from their inputs: data sets from their metadata, splits from their seed, imported scores
//! from their file, tables from scores and labels. Also checks runs against their log and checkpoint, and trains a
//! recorded spec again.
//!
//! Anyone with write access to a registry can write a false record with a correct hash. Hashes do not show
//! this; recomputing does.

mod error;
mod images;
mod inputs;
mod reproduce;
mod scores;
mod tables;

use crate::hash::{Hash, Id};
use crate::records::{
    Dataset, FalseRecord, Kind, Mismatch, PixelHashes, Predictions, Recomputed, ScoreSource, Split, Table,
    rules,
};
use crate::registry::Objects;
pub use error::RecomputeError;
pub use images::images;
pub use reproduce::{
    FileDifference, ProgramReproduction, Reproduction, ReproductionDifference, reproduce, reproduce_program,
};

/// Recomputes a record from its inputs and returns the first differences.
///
/// `None` if that needs a network (tables of probes, heat maps), if there are no inputs (executions, studies),
/// and for a data set whose metadata has a format that reg does not read.
///
/// # Errors
/// [`RecomputeError::OtherRules`] for a record made by other rules than those of this reg, which cannot be checked
/// here.
pub fn recompute(
    objects: &dyn Objects,
    id: Hash,
    kind: Kind,
) -> Result<Option<Vec<Mismatch>>, RecomputeError> {
    let Some(how) = kind.descriptor().recomputed else { return Ok(None) };
    if let Some((recorded, here)) = rules_of(objects, id, how)?
        && recorded != here
    {
        return Err(RecomputeError::OtherRules { id, kind: kind.name().to_owned(), recorded, here });
    }
    match how {
        Recomputed::Dataset => inputs::dataset(objects, Id::new(id)),
        Recomputed::Pixels => inputs::pixels(objects, Id::new(id)).map(Some),
        Recomputed::Split => inputs::split(objects, Id::new(id)).map(Some),
        Recomputed::Weights => inputs::weights(objects, Id::new(id)).map(Some),
        Recomputed::Software => inputs::software(objects, Id::new(id)).map(Some),
        Recomputed::Spec => inputs::spec(objects, Id::new(id)).map(Some),
        Recomputed::Run => scores::run(objects, Id::new(id)).map(Some),
        Recomputed::Predictions => scores::predictions(objects, Id::new(id)).map(Some),
        Recomputed::Table => tables::table(objects, Id::new(id)),
    }
}

/// The version of the rules that produced a record, and this reg's version of them; `None` for a kind without
/// rules.
fn rules_of(objects: &dyn Objects, id: Hash, how: Recomputed) -> Result<Option<(u32, u32)>, RecomputeError> {
    Ok(match how {
        Recomputed::Dataset => Some((objects.get(Id::<Dataset>::new(id))?.rules, rules::INGEST)),
        Recomputed::Pixels => Some((objects.get(Id::<PixelHashes>::new(id))?.rules, rules::PIXELS)),
        Recomputed::Split => Some((objects.get(Id::<Split>::new(id))?.rules, rules::SPLIT)),
        Recomputed::Table => Some(objects.get(Id::<Table>::new(id))?.rules()),
        Recomputed::Predictions => match objects.get(Id::<Predictions>::new(id))?.source {
            ScoreSource::Import { rules, .. } => Some((rules, rules::IMPORT)),
            ScoreSource::Program { rules, .. } => Some((rules, rules::PROGRAM_SCORES)),
            ScoreSource::Mean { rules, .. } => Some((rules, rules::MEAN)),
            ScoreSource::Run { .. } => None,
        },
        Recomputed::Weights | Recomputed::Software | Recomputed::Spec | Recomputed::Run => None,
    })
}

/// Asserts that a record follows from its inputs.
pub fn verify_record(objects: &dyn Objects, id: Hash, kind: Kind) -> Result<(), RecomputeError> {
    Ok(FalseRecord::check(id, kind, recompute(objects, id, kind)?.unwrap_or_default())?)
}
