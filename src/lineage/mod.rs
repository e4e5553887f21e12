//! Where results come from and what they reach: trace, verify, taint, impact.
//!
//! Upwards is towards inputs: what an object names. That is written in the objects. Downwards is
//! towards results: who names an object. That is asked of the index.

mod graph;
mod impact;
mod known;
mod repair;
#[cfg(test)]
mod tests;
mod trace;
mod verify;

pub use crate::registry::walk::Edge;
pub use graph::{Direction, Graph, Node, NodeKind};
pub use impact::{AffectedImage, AffectedNode, AffectedRecord, Impact, InDataset, InFold, InSplit, impact};
pub use repair::{RepairError, repair};
pub use trace::{behind, image_named, trace, trace_near};
pub use verify::{Damage, Gone, Verification, verify, verify_some};
