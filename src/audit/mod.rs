//! The audit bundle: one file with a result and everything behind it, for somebody who does not have `reg`.
//!
//! A bundle is a function of the objects that it holds: everything in it beside them (the listing, the tables for
//! reading) is computed from them. So the same result gives the same bytes every time, and [`check()`] needs no trust in
//! what a bundle says of itself: it computes all of that again and compares.

mod bundle;
mod check;
mod data;
mod error;
mod same;
mod views;
mod walk;

pub use bundle::{Bundled, bundle};
pub use check::{Checked, check};
pub use error::AuditError;
