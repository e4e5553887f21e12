//! Why a record cannot be recomputed.

use crate::compare::CompareError;
use crate::dataset::DatasetError;
use crate::hash::Hash;
use crate::records::FalseRecord;
use crate::registry::RegistryError;
use crate::scores::ScoreError;
use crate::split::SplitError;
use crate::store::StoreError;
use crate::training::RunError;

/// Why a record cannot be recomputed, or a run not reproduced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecomputeError {
    /// The registry.
    #[error(transparent)]
    Registry(RegistryError),
    /// Metadata, boxes or lists that cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A split that cannot be drawn again.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// Scores that are not what they are said to be.
    #[error(transparent)]
    Score(ScoreError),
    /// A comparison that cannot be computed again.
    #[error(transparent)]
    Compare(CompareError),
    /// A run that cannot be computed again.
    #[error(transparent)]
    Run(RunError),
    /// A record that contradicts its inputs.
    #[error(transparent)]
    False(#[from] FalseRecord),
    /// A record made by other rules than those of this reg, so that it cannot be checked.
    #[error(
        "{kind} {} was made by rules {recorded}, this reg has rules {here}: it cannot be recomputed here",
        id.short()
    )]
    OtherRules {
        /// The record.
        id: Hash,
        /// Its kind.
        kind: String,
        /// The version of the rules that produced the record.
        recorded: u32,
        /// The version of this reg.
        here: u32,
    },
}

impl From<RegistryError> for RecomputeError {
    fn from(e: RegistryError) -> Self {
        RecomputeError::Registry(e)
    }
}

impl From<StoreError> for RecomputeError {
    fn from(e: StoreError) -> Self {
        RecomputeError::Registry(e.into())
    }
}

impl From<ScoreError> for RecomputeError {
    fn from(e: ScoreError) -> Self {
        match e {
            ScoreError::Registry(e) => RecomputeError::Registry(e),
            ScoreError::Dataset(e) => RecomputeError::Dataset(e),
            ScoreError::Split(e) => RecomputeError::Split(e),
            ScoreError::False(e) => RecomputeError::False(e),
            e => RecomputeError::Score(e),
        }
    }
}

impl From<CompareError> for RecomputeError {
    fn from(e: CompareError) -> Self {
        match e {
            CompareError::Registry(e) => RecomputeError::Registry(e),
            CompareError::Score(e) => e.into(),
            e => RecomputeError::Compare(e),
        }
    }
}

impl From<RunError> for RecomputeError {
    fn from(e: RunError) -> Self {
        match e {
            RunError::Registry(e) => RecomputeError::Registry(e),
            e => RecomputeError::Run(e),
        }
    }
}

impl RecomputeError {
    /// A hint.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            RecomputeError::Dataset(e) => return e.hint(),
            RecomputeError::Split(e) => return e.hint().map(str::to_owned),
            RecomputeError::Score(e) => return e.hint(),
            RecomputeError::Compare(e) => return e.hint(),
            RecomputeError::Run(e) => return e.hint(),
            RecomputeError::False(e) => e.hint(),
            RecomputeError::OtherRules { recorded, here, .. } if recorded > here => {
                "it was made by a newer reg, or changed by hand: install a newer reg to check it"
            }
            RecomputeError::OtherRules { .. } => {
                "to make a new one by the current rules, repeat the command that made it; to check it, use the version of reg that made it"
            }
            RecomputeError::Registry(_) => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether a record was made by older rules, which this reg no longer has.
    pub fn is_older_rules(&self) -> bool {
        matches!(self, RecomputeError::OtherRules { recorded, here, .. } if (1..*here).contains(recorded))
    }

    /// Whether the error is the negative result of a check rather than a failure.
    pub fn is_refusal(&self) -> bool {
        match self {
            RecomputeError::Score(e) => e.is_refusal(),
            RecomputeError::Compare(e) => e.is_refusal(),
            RecomputeError::Run(e) => e.is_refusal(),
            e => matches!(e, RecomputeError::False(_)),
        }
    }
}
