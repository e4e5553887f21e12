//! `reg`: a content-addressed registry of chest X-ray data sets, splits, models and results.
//!
//! The rooms, from below: [`hash`] names bytes, [`disk`] opens and changes files, [`recognise`] says what a file is, [`store`] keeps them, [`records`] gives them meaning,
//! [`index`] finds them, [`registry`] keeps store and index in step; [`network`] expands the layers of a model. On these
//! stand [`usage`] (which records used which images), [`withdrawal`] (what must not be used any more), [`dataset`] and
//! [`split`] (what ChestX-ray14 means), [`values`] (every number of a table with what it is about), [`diff`] and [`lineage`] (what changed; trace and verify) and [`remote`] (what
//! one registry has and another lacks). With [`stats`] (pure functions on slices), [`scores`] are held to labels and
//! [`compare`]d; [`training`] makes them, from a specification to recorded results, through the [`worker`];
//! [`recompute`] makes records again, and a [`study`] is many runs of one file. [`report`] turns records into tables,
//! figures and pages, [`serve`] shows pages of a live registry; [`audit`] packs a result with all that is behind it,
//! [`attest`] signs what it was made of, [`export`] writes what other people's tools read; [`listing`] lists runs, chosen by
//! the expressions of [`filter`]; [`doctor`] looks at all of it, and [`documents`] describes the JSON of each command.
//! [`library`] has the calls that scripts need most, by name; [`failure`] turns every error into a message and a hint;
//! `cli`, in the binary, and the Python package are thin. Arrows go down only.
//!
//! # As a library
//!
//! A [`Registry`] is opened, filled by the functions of the rooms, and asked by name:
//!
//! ```
//! use std::path::Path;
//!
//! use reg::compare::CompareOptions;
//! use reg::dataset::ingest::{IngestRequest, ingest};
//! use reg::lineage::Direction;
//! use reg::progress::Silent;
//! use reg::records::{Scale, SplitMethod, Subset};
//! use reg::scores::{Foreign, ScoredSubset, import_scores};
//! use reg::{Registry, Stamp, split, stats};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let registry = Registry::init(folder.path())?;
//! // What the log says of each change: when, and by whom.
//! let stamp = Stamp { time: "2026-01-31T12:00:00Z".to_owned(), command: "my script".to_owned() };
//!
//! // Images and their metadata become a data set; its patients are divided into three re-samplings.
//! let files = Path::new("fixtures/tiny");
//! let request = IngestRequest {
//!     paths: vec![files.join("images")],
//!     name: Some("tiny".to_owned()),
//!     ..IngestRequest::new(files.join("Data_Entry_2017_v2020.csv"))
//! };
//! let dataset = ingest(&registry, &request, &stamp, &Silent)?.id;
//! let method = SplitMethod::Resample { seed: 1, ratios: [40, 20, 40] };
//! let split = split::make(&registry, dataset, method, 3, Some("tiny-r3"), &stamp)?.id;
//!
//! // Two models of other tools: one guesses by age, one knows the label of nine images in ten.
//! let (record, manifest) = registry.read_images("tiny")?;
//! let label = record.labels.iter().position(|label| label == "Infiltration").expect("a label of ChestX-ray14");
//! for model in ["by-age", "good"] {
//!     let mut csv = "Image Index,Infiltration\n".to_owned();
//!     for (i, row) in manifest.rows.iter().enumerate() {
//!         let has_label = row.label(label).unwrap_or(false) != (i % 10 == 0);
//!         let score = if model == "good" { f64::from(has_label) * 0.5 } else { 0.0 };
//!         csv += &format!("{},{}\n", row.name, score + f64::from(row.age.unwrap_or(0)) / 1000.0);
//!     }
//!     let file = folder.path().join(format!("{model}.csv"));
//!     std::fs::write(&file, csv)?;
//!     let subset = Some(ScoredSubset { split, fold: 0, subset: Subset::Test });
//!     let (columns, scale) = (None, Scale::Probability);
//!     let (model, name) = (model.to_owned(), model.to_owned());
//!     import_scores(&registry, &Foreign { file, dataset, subset, columns, scale, model, name }, &stamp)?;
//! }
//!
//! // Scores beside labels, as slices for any statistic.
//! let scores = registry.read_scores("good")?;
//! let (probabilities, truth) = scores.of_label("Infiltration").expect("it was scored");
//! let auc = stats::auc(&probabilities, &truth).expect("images with and without it");
//!
//! // A recorded comparison, and all that it was made of.
//! let options = CompareOptions { bootstrap: Some((200, 1)), ..CompareOptions::default() };
//! let (table, comparison) = registry.compare(&["by-age", "good"], &options, Some("two"), &stamp)?;
//! assert_eq!(comparison.models[1].labels[0].auc.mean, Some(auc));
//! let lineage = registry.trace("two", Direction::Up)?;
//! assert_eq!(lineage.root, table.hash);
//! assert!(lineage.node(&dataset.hash).is_some() && lineage.node(&split.hash).is_some());
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

pub mod attest;
pub mod audit;
pub mod compare;
pub mod dataset;
pub mod diff;
pub mod digits;
pub mod disk;
pub mod doctor;
pub mod documents;
pub mod escape;
pub mod export;
pub mod failure;
pub mod filter;
pub mod hash;
pub mod index;
pub mod library;
pub mod limits;
pub mod lineage;
pub mod listing;
pub mod network;
pub mod progress;
pub mod random;
pub mod recognise;
pub mod recompute;
pub mod records;
pub mod registry;
pub mod remote;
pub mod report;
pub mod scores;
pub mod serve;
pub mod split;
pub mod stats;
pub mod store;
pub mod study;
pub mod suggest;
pub mod training;
pub mod usage;
pub mod values;
pub mod withdrawal;
pub mod worker;

pub use hash::{Hash, Id};
pub use library::{Found, ScoredImages};
pub use registry::{Registry, Stamp};
