//! Knowledge about ChestX-ray14: its labels, its files, and possible errors in them.
//!
//! Everything except for [`ingest`] and [`tabulate()`] is a function of bytes or of a folder, without a
//! registry: [`metadata`], [`boxes`] and [`lists`] read the published text files, [`formats`] checks an image
//! ([`png`], [`jpeg`]) without decoding it, [`pixels`] decodes it, [`source`] finds images in folders, [`archive`] reads
//! those of an archive, [`scores`] reads another tool's scores, [`statistics`] counts the numbers of the paper's tables
//! 2 and 3 and figure 3; [`synthetic`] draws a look-alike data set. A contradictory file is refused with the
//! rows in question; an anomaly without contradiction is reported as a [`Finding`] and stored. [`ingest`]
//! combines all of this.

use crate::limits;

pub mod archive;
pub mod boxes;
mod error;
mod file_names;
mod findings;
pub mod formats;
mod found_images;
pub mod ingest;
mod ingest_error;
pub mod jpeg;
pub mod labels;
mod left_out;
pub mod lists;
pub mod matching;
pub mod metadata;
mod missing_column;
pub mod overlay;
pub mod pixel_cache;
pub mod pixel_hashes;
pub mod pixels;
pub mod png;
pub mod remarks;
pub mod revealed;
pub mod score_columns;
pub mod score_table;
pub mod scores;
mod seen;
pub mod source;
pub mod statistics;
pub mod synthetic;
mod table;
mod tabulate;
mod text;

pub use error::{DatasetError, FilePosition};
pub use findings::Finding;
pub use limits::TEXT;
pub use tabulate::{table_of, tabulate};

#[cfg(test)]
#[path = "../../tests/support/mod.rs"]
mod support;
#[cfg(test)]
pub(crate) use support::nih as published;
