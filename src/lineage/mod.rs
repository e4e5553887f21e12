//! Where results come from and what they reach: trace, verify, taint.
//!
//! Upwards is towards inputs: what an object names. That is written in the objects. Downwards is
//! towards results: who names an object. That is asked of the index.

mod graph;
mod known;
mod repair;
mod verify;

pub use graph::{Direction, Edge, Graph, Node, behind, image_named, trace};
pub use repair::{RepairError, repair};
pub use verify::{Damage, Verification, verify, verify_some};
