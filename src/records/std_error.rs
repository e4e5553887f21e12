//! How far an estimate may be from what it estimates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A standard error with its degrees of freedom.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StdError {
    /// The standard error; null where a class has fewer than two patients.
    pub value: Option<f64>,
    /// Degrees of freedom of Welch and Satterthwaite; null where the standard error is, and for `delong`, which assumes
    /// a normal distribution.
    pub df: Option<f64>,
}
