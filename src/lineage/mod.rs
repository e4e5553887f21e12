//! Where results come from and what they reach: trace, verify, taint; what is withdrawn, and what changed between two.
//!
//! Upwards is towards inputs: what an object names. That is written in the objects. Downwards is
//! towards results: who names an object. That is asked of the index.

mod diff;
mod graph;
mod known;
mod repair;
#[cfg(test)]
mod tests;
mod touched;
mod usage;
mod verify;
mod withdraw;

pub use crate::registry::walk::Edge;
pub use diff::{
    Change, Changed, DatasetDiff, DiffError, Difference, FoldOf, Parting, Relabelled, Side, SplitDiff,
    SubsetDiff, diff, diff_datasets,
};
pub use graph::{Direction, Graph, Node, NodeKind, behind, image_named, trace};
pub use repair::{RepairError, repair};
pub use touched::{
    Asked, InDataset, InFold, InSplit, Named, Touched, TouchedImage, Touching, datasets, touched,
};
pub use usage::{Choice, Counts, Rows, Usage, Use};
pub use verify::{Damage, Gone, Verification, verify, verify_some};
pub use withdraw::{Mark, Marks, Request, WithdrawError, Withdrew, revoke, standing, withdraw};
