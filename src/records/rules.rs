//! The versions of the rules that produce records: one number per rule. No other file contains any.
//!
//! The id of a record is the hash of its bytes, so the content of a record decides when two records are the
//! same. It does not contain the version of a program: then every release would orphan every table. Instead
//! each record contains the version of the rules that produced it, which is raised by hand in a change that
//! gives other bytes for the same inputs, and in no other change: not for a comment, a rename, a faster way to
//! the same bytes, or another version of a crate. `docs/src/ids.md` lists all rules; the tests named below
//! check them.
//!
//! The version of the worker's numbers is in the worker: `NUMERICS` in `src/tensor/identity.rs`.

/// `Dataset.rules`: how metadata, images and boxes become a manifest, boxes and counts: which fields of the CSV are
/// read and how, which images are sound, the order of rows, which ages are possible.
///
/// Checked by `tests/golden/pinned.rs`.
pub const INGEST: u32 = 3;

/// `Split.rules`: how a seed and shares, or lists and a seed, become the subset of every image in every fold.
///
/// Checked by `tests/golden/pinned.rs`.
pub const SPLIT: u32 = 2;

/// `rules` of imported predictions: how the CSV of another tool becomes scores, and for which images.
///
/// Checked by `tests/golden/pinned.rs`.
pub const IMPORT: u32 = 3;

/// `rules` of the scores of a program: how the file that it left becomes scores of the test and validation images.
///
/// Checked by `tests/cli/programs.rs`.
pub const PROGRAM_SCORES: u32 = 1;

/// `rules` of predictions that are a mean of others.
///
/// Checked by `tests/golden/pinned.rs`.
pub const MEAN: u32 = 1;

/// `rules` of a table of a data set: what is counted, the bins of ages, mean and standard deviation.
///
/// Checked by `tests/golden/pinned.rs`.
pub const COUNTS: u32 = 1;

/// `rules` of an AUC table: how AUCs and counts follow from scores and labels, and their mean.
///
/// Checked by `tests/golden/pinned.rs`.
pub const AUC: u32 = 2;

/// `rules` of a comparison: spreads over folds, rank correlations, variances, paired tests and their families, tests
/// over folds, seeds, the bootstrap, further metrics, groups, rankings, and what is not comparable.
///
/// Checked by `tests/golden/pinned.rs`.
pub const COMPARISON: u32 = 5;

/// `rules` of a table of probes: evaluation, thresholds, spreads over folds. The worker fits the predictors.
///
/// Checked by `tests/golden/pinned.rs`.
pub const PROBE: u32 = 1;

/// `rules` of a heat map: its position on the image, its share in a box, the picture. The worker computes the
/// map.
///
/// Checked by `tests/golden/pinned.rs`.
pub const HEAT: u32 = 1;

/// `rules` of a pointing game: which boxes count, hits, means over boxes. The worker computes the maps.
///
/// Checked by `tests/golden/pinned.rs`.
pub const POINTING: u32 = 1;

/// `Study.rules`: how a study file becomes planned runs and probes, and their names.
///
/// Checked by `tests/cli/study.rs`.
pub const STUDY: u32 = 1;

/// How an image file becomes the input of a network: decoding to gray, resizing, the view for validation and
/// test. The version is in the names of cache files and in `PixelHashes.rules`. Because scores depend on pixels, raise
/// the worker's `NUMERICS` too when you raise it.
///
/// Checked by `tests/golden/pinned.rs`.
pub const PIXELS: u32 = 1;
