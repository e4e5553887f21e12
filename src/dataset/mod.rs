//! What ChestX-ray14 means: its labels, its files and how they go wrong.
//!
//! Everything but [`ingest`] and [`tabulate()`] is a function of bytes or of a folder, and knows no registry: [`metadata`],
//! [`boxes`] and [`lists`] read the published text files, [`png`] checks an image without decoding
//! it, [`pixels`] decodes it, [`source`] finds images in folders, [`archive`] reads those of an
//! archive, [`scores`] reads another tool's scores, [`statistics`] counts what the paper's
//! tables 2 and 3 and its figure 3 show; [`synthetic`] draws a look-alike. A file that means two things is refused with the row that
//! says so; what is odd but clear is reported as a [`Finding`] and kept. [`ingest`] puts it all together.

pub mod archive;
pub mod boxes;
mod error;
mod findings;
pub mod ingest;
pub mod labels;
mod left_out;
pub mod lists;
pub mod metadata;
pub mod overlay;
pub mod pixel_cache;
pub mod pixels;
pub mod png;
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
pub use tabulate::{table_of, tabulate};
pub use text::MAX_TEXT;

#[cfg(test)]
#[path = "../../tests/support/mod.rs"]
mod support;
#[cfg(test)]
pub(crate) use support::nih as published;
