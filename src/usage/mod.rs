//! Which images somebody means, and which records used them, exactly.

mod asked;
mod query;

pub use asked::{Asked, datasets};
pub use query::{Choice, DataUsage, RowSet, UsageCounts, UsageQuery, different};
