//! Why images cannot be used.

use crate::digits::thousands;
use crate::index::IndexError;
use crate::registry::RegistryError;

/// Why images cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UseError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Withdrawn images.
    #[error("{} of the images {} withdrawn ({why})", thousands(*images), if *images == 1 { "was" } else { "were" })]
    Withdrawn {
        /// Number of these images.
        images: u64,
        /// Subject and reason of the first withdrawal.
        why: String,
    },
    /// Purged images.
    #[error(
        "cannot compute this: {} of the images {} withdrawn and purged",
        thousands(*images),
        if *images == 1 { "was" } else { "were" }
    )]
    Purged {
        /// Number of these images.
        images: u64,
    },
}

impl From<IndexError> for UseError {
    fn from(e: IndexError) -> Self {
        UseError::Registry(e.into())
    }
}

impl UseError {
    /// A hint.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            UseError::Registry(_) => None,
            UseError::Withdrawn { .. } => Some(
                "run the same `reg ingest` again for a data set without them, and split that; --allow-withdrawn uses them anyway and flags the results",
            ),
            UseError::Purged { .. } => Some(
                "earlier results are kept, and `reg verify` checks them; `reg list withdrawal` shows what was withdrawn and why",
            ),
        }
    }

    /// Whether the error is the negative result of a check rather than a failure.
    pub fn is_refusal(&self) -> bool {
        !matches!(self, UseError::Registry(_))
    }
}
