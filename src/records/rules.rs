//! The versions of the rules by which records are made: one number a rule, and this is the only file that holds any.
//!
//! The id of a record follows from its bytes, so whatever stands in them decides when two records are the same. No
//! version of a program stands there: a release would orphan every table. Instead each record holds the version of
//! the rules that made it, which is raised by hand in the change that makes other bytes of the same inputs, and for
//! nothing else: not for a comment, a rename, a faster way to the same bytes, or another version of a crate.
//! `docs/src/ids.md` lists them all; the tests that are named below hold them.
//!
//! What the worker computes has its version in the worker: `NUMERICS` in `src/tensor/identity.rs`.

/// `Dataset.rules`: how metadata, images and boxes become a manifest, boxes and counts: which fields of the CSV are
/// read and how, which images are sound, the order of rows, which ages are possible.
///
/// Held by `tests/golden/pinned.rs`.
pub const INGEST: u32 = 1;

/// `Split.rules`: how a seed and shares, or lists and a seed, become the subset of every image in every fold.
///
/// Held by `tests/golden/pinned.rs`.
pub const SPLIT: u32 = 1;

/// `rules` of imported predictions: how the CSV of another tool becomes scores, and of which images.
///
/// Held by `tests/golden/pinned.rs`.
pub const IMPORT: u32 = 1;

/// `rules` of a table of a data set: what is counted, the bins of ages, mean and standard deviation.
///
/// Held by `tests/golden/pinned.rs`.
pub const COUNTS: u32 = 1;

/// `rules` of an AUC table: how AUCs follow from scores and labels, and their mean.
///
/// Held by `tests/golden/pinned.rs`.
pub const AUC: u32 = 1;

/// `rules` of a comparison: spreads over folds, rank correlations, DeLong's tests, tests over folds, the bootstrap,
/// further figures, groups, and what cannot be compared.
///
/// Held by `tests/golden/pinned.rs`.
pub const COMPARISON: u32 = 1;

/// `rules` of a table of probes: what is judged, thresholds, spreads over folds. The predictor itself is fitted by the
/// worker.
///
/// Held by `tests/golden/pinned.rs`.
pub const PROBE: u32 = 1;

/// `rules` of a heat map: where it lies on the image, how much of it lies in a box, the picture. The map itself is
/// computed by the worker.
///
/// Held by `tests/golden/pinned.rs`.
pub const HEAT: u32 = 1;

/// `rules` of a pointing game: which boxes count, hits, means over boxes. The maps are computed by the worker.
///
/// Held by `tests/golden/pinned.rs`.
pub const POINTING: u32 = 1;

/// `Study.rules`: how a study file becomes planned runs and probes, and what they are called.
///
/// Held by `tests/cli/study.rs`.
pub const STUDY: u32 = 1;

/// How the file of an image becomes the pixels that a network is fed from: decoding to gray, shrinking, the view of
/// validation and test. It stands in no record but in the names of the cache's files; as scores follow from pixels,
/// whoever raises it raises the worker's `NUMERICS`, too.
///
/// Held by `tests/golden/pinned.rs`.
pub const PIXELS: u32 = 1;
