//! Queries for images, and the records that used them.

mod asked;
mod query;

pub use asked::{Asked, datasets};
pub use query::{Choice, DataUsage, RowSet, UsageCounts, UsageQuery, different};
