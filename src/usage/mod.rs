//! Queries for images, and the records that used them.

mod ancestry;
mod asked;
mod query;

pub use ancestry::{AncestrySteps, UnknownAncestry, UnknownOrigin, unknown_ancestry, unknown_ancestry_with};
pub use asked::{Asked, datasets};
pub use query::{Choice, DataUsage, RowSet, UsageCounts, UsageQuery, different};
