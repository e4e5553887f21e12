//! When, where and how long something was computed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Git, ProgramEnvironment, Software};
use crate::hash::{Hash, Id};

/// An execution: when, where and how long something was computed. It is recorded next to a result, never inside
/// a record that is compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Execution {
    /// The run or the predictions that it produced.
    pub made: Hash,
    /// Start time in UTC, such as `2026-11-05T08:30:00Z`.
    #[schemars(extend("pattern" = super::time::PATTERN))]
    pub started: String,
    /// Wall-clock seconds: 0 to 100 years of 365 days.
    #[schemars(range(min = 0, max = 3_153_600_000u64))]
    pub seconds: f64,
    /// Name of the machine.
    pub host: String,
    /// Name of its processor.
    pub cpu: String,
    /// Name of its GPU, if one was used.
    pub gpu: Option<String>,
    /// Number of its cores.
    pub cores: u32,
    /// Vector instructions used by the tensor library; absent for a program of the user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub cpu_capability: Option<String>,
    /// Version of reg.
    pub reg: String,
    /// The worker that computed, with its sources; absent for a program of the user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Id<Software>")]
    pub software: Option<Id<Software>>,
    /// The environment of a program of the user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ProgramEnvironment")]
    pub program: Option<ProgramEnvironment>,
    /// State of the source tree that reg was built from.
    pub git: Option<Git>,
    /// The command line, quoted for a shell.
    pub command: String,
    /// Number of epochs completed by interrupted attempts; 0 without interruption.
    pub resumed: u32,
    /// Whether a GPU was restricted to deterministic algorithms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub deterministic: Option<bool>,
}
