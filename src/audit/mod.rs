//! The audit bundle: one file with a result and its whole lineage, readable without `reg`.
//!
//! A bundle is a function of its objects: all other members (the listing, the readable tables) are computed
//! from them. So the same result always gives the same bytes, and [`check()`] does not need to trust anything
//! in a bundle: it recomputes these members and compares.

mod bundle;
mod check;
mod claims;
mod error;
mod remarks;
mod same;
mod views;
mod walk;

pub use bundle::{Bundled, CHECK_PROGRAM, bundle};
pub use check::{Checked, check};
pub use error::AuditError;
