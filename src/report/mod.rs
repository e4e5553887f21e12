//! Output for people and other programs: tables as text, CSV, Markdown and LaTeX, and figures.
//!
//! A report is first a [`ReportTable`] of typed cells with all digits, and only then text; so a terminal, a
//! spreadsheet and a paper show the same numbers.

mod confusion;
mod counts;
pub mod dataset;
mod details;
pub mod diff;
pub mod features;
mod histogram;
pub mod impact;
mod latex;
mod layout;
pub mod lineage;
mod markup;
mod means;
pub mod page;
mod pivot;
mod render;
pub mod results;
mod run_remarks;
mod runs;
mod seeds;
pub mod show;
mod spearman;
pub mod svg;
mod table;
mod terminal;
mod uncertainty;

pub use crate::values::interval;
pub use confusion::confusion;
pub use histogram::{Bar, bars};
pub use latex::with_packages_once;
pub use means::mean_over_pathologies;
pub use render::render;
pub use run_remarks::{FoundRemarks, run_remarks, run_remarks_with};
pub use runs::{runs, settings};
pub use table::{Align, Cell, Column, Format, ReportTable};
pub use terminal::paragraphs;

pub use crate::digits::thousands;
