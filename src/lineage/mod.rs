//! Lineage of results and their use: trace, verify, taint, impact.
//!
//! Upwards is towards the inputs, along the references in the objects. Downwards is towards the results, along the
//! referrers in the index.

mod graph;
mod impact;
mod known;
mod remove;
mod repair;
#[cfg(test)]
mod tests;
mod trace;
mod verify;

pub use crate::registry::walk::Edge;
pub use graph::{Direction, Graph, Node, NodeKind};
pub use impact::{AffectedImage, AffectedNode, AffectedRecord, Impact, InDataset, InFold, InSplit, impact};
pub use remove::{Dependent, RemovalPlan, RemoveError, plan_removal, remove, undo_removal};
pub use repair::{RepairError, repair};
pub use trace::{behind, image_named, trace, trace_near};
pub use verify::{Damage, Gone, RemovedObject, Verification, verify, verify_some};
