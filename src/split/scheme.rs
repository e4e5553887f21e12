//! The schemes by which a split is drawn.

use serde::Deserialize;

use super::{SplitError, parse_parts, parse_ratios};
use crate::records::SplitMethod;

/// The scheme of a drawn split.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Independent random draws, whose test images overlap.
    #[default]
    Resample,
    /// Cross-validation: every patient is in exactly one test fold.
    KFold,
}

impl Scheme {
    /// How a split of `folds` folds is drawn. `ratios` are percentages, such as `70/10/20`; without them, those of the
    /// paper.
    ///
    /// # Errors
    /// Ratios that do not fit the scheme.
    pub fn method(self, ratios: Option<&str>, folds: u32, seed: u64) -> Result<SplitMethod, SplitError> {
        Ok(match self {
            Scheme::Resample => {
                SplitMethod::Resample { seed, ratios: parse_ratios(ratios.unwrap_or("70/10/20"))? }
            }
            Scheme::KFold => {
                SplitMethod::KFold { seed, ratios: parse_parts(ratios.unwrap_or("70/10"), folds)? }
            }
        })
    }
}
