//! Where results come from and what they reach: trace, verify, taint; what is withdrawn, and what changed between
//! two.
//!
//! Upwards is towards inputs: what an object names. That is written in the objects. Downwards is
//! towards results: who names an object. That is asked of the index.

mod asked;
mod diff;
mod graph;
mod impact;
mod known;
mod remove;
mod repair;
#[cfg(test)]
mod tests;
mod trace;
mod usage;
mod verify;
mod withdraw;

pub use crate::registry::walk::Edge;
pub use asked::{Asked, datasets};
pub use diff::{
    Change, Changed, ComparedRecord, DatasetDiff, DiffError, Difference, DivergencePoint, FoldOf, Relabelled,
    SplitDiff, SubsetDiff, diff, diff_datasets,
};
pub use graph::{Direction, Graph, Node, NodeKind};
pub use impact::{AffectedImage, AffectedNode, AffectedRecord, Impact, InDataset, InFold, InSplit, impact};
pub use remove::{Dependent, RemovalPlan, RemoveError, plan_removal, remove, undo_removal};
pub use repair::{RepairError, repair};
pub use trace::{behind, image_named, trace, trace_near};
pub use usage::{Choice, DataUsage, RowSet, UsageCounts, UsageQuery};
pub use verify::{Damage, Gone, RemovedObject, Verification, verify, verify_some};
pub use withdraw::{Mark, Marks, WithdrawError, WithdrawRequest, Withdrew, in_force, revoke, withdraw};
