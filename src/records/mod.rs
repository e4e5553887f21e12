//! The records and packed arrays of a registry, their kinds and their versions.
//!
//! A *record* is a small JSON document that refers to its inputs by id; a *packed* array contains bulk data.
//! Both are objects of the store. [`codec`] converts them to bytes and back.

mod ancestry;
pub mod codec;
mod comparison;
mod dataset;
mod epoch;
mod event;
mod execution;
mod experiment;
mod gradcam;
mod kind;
mod labels;
mod metrics;
mod mismatch;
mod model;
mod name;
mod note;
mod of_data;
mod of_runs;
mod operating_point;
mod pixels;
mod probe;
mod program;
mod published;
mod removal;
mod role;
pub mod rules;
mod run;
mod schema;
mod software;
mod split;
mod std_error;
mod study;
mod table;
pub mod tensors;
mod text;
mod time;
mod withdrawal;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use ancestry::TrainingData;
pub use codec::{CodecError, Header, Link};
pub use comparison::{
    Bootstrap, BootstrapRow, ComparedDivision, ComparedModel, Comparison, ConstantScores, DelongRow,
    Incomparable, IncomparableKind, LabelSpread, LeakCheck, Pooling, Primary, RankedModel, ResampledRow,
    Spread, Variance,
};
pub(crate) use dataset::MAX_AGE;
pub use dataset::{AgeRange, BoxRow, Boxes, Dataset, Gender, ImageRow, Manifest, MetaFeatures, ViewPosition};
pub use epoch::{EpochLog, RecordedEpoch};
pub use event::{Event, NameChange};
pub use execution::Execution;
pub use experiment::{different_network_settings, different_settings};
pub use gradcam::{Area, Heatmap, HeatmapInBox, PointedBox, PointedLabel, Pointing};
pub use kind::{Content, Descriptor, ImageUse, ObjectKind, Purpose, Recomputed, RecordClass, Travels};
pub use labels::{LabelCounts, LabelValues};
pub use metrics::{
    CalibrationBin, GroupBy, GroupRow, GroupTest, LineOfCalibration, MetricIntervals, MetricRow,
};
pub use mismatch::{FalseRecord, MAX_REPORTED, Mismatch, compared, differences};
pub use model::{Architecture, Block, ImageInput, Layer, Model};
pub(crate) use name::{is_plain_name, is_plain_text};
pub use note::Note;
pub use of_runs::run_summary;
pub use operating_point::{LabelThreshold, OperatingPoint};
pub use pixels::{PixelDigests, PixelHashes};
pub use probe::{ProbeResult, ProbeTable, ProbedFold, Target};
pub use program::{
    Isolation, NetworkIsolation, Program, ProgramEnvironment, ProgramFile, ProgramInput, ProgramOutput,
    ProgramSpec, is_key, variable,
};
pub use published::{PublishedAuc, PublishedModel, PublishedTable};
pub use removal::{Removal, RemovedRecord};
pub use role::{Referent, Role, Roles};
pub use run::{
    Augmentation, EarlyStop, Init, Layout, Loss, NetworkSpec, Pixels, Precision, Predictions, Run, Scale,
    ScoreSource, Scores, Spec, Training, Weights,
};
pub use software::{
    Computed, DeviceKind, Git, Numerics, Software, differing_sources, is_source_line, source_files,
};
pub use split::{Assignment, Division, FoldSizes, Split, SplitMethod, Subset, SubsetSize};
pub use std_error::StdError;
pub use study::{Study, StudyProbe, StudyRun, StudySection};
pub use table::{AgeCount, AucTable, DatasetTable, LabelAuc, LabelPrevalence, Table};
pub use text::{BadText, ImageName, PatientId, StudyId};
pub(crate) use time::is_time;
pub use withdrawal::{Subject, Withdrawal, WithdrawnImage};

use crate::hash::{Hash, Id, Sha256};

/// A kind of JSON document.
pub trait Record: Serialize + DeserializeOwned + JsonSchema + PartialEq {
    /// Its enum variant.
    const KIND: Kind;
    /// The newest version of the kind, which is written.
    const VERSION: u32 = 1;

    /// Checks values that the types allow but the kind does not.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// The properties of the kind that all modules need.
    const DESCRIPTOR: Descriptor;

    /// Summarizes a record in one line, for lists and lineages.
    fn summary(&self) -> String;

    /// How the record with this id used images, directly and through other records.
    fn uses(&self, id: Hash) -> Vec<ImageUse>;
}

/// A record of any kind.
pub trait AnyRecord {
    /// As [`Record::summary`].
    fn summary(&self) -> String;

    /// As [`Record::uses`].
    fn uses(&self, id: Hash) -> Vec<ImageUse>;
}

impl<T: Record> AnyRecord for T {
    fn summary(&self) -> String {
        Record::summary(self)
    }

    fn uses(&self, id: Hash) -> Vec<ImageUse> {
        Record::uses(self, id)
    }
}

/// A kind of packed array.
pub trait Packed: Serialize + DeserializeOwned {
    /// The name in messages.
    const KIND: &'static str;
    /// The first eight bytes.
    const MAGIC: &'static [u8; 8];
    /// The newest version of the kind, which is written.
    const VERSION: u32 = 1;

    /// Whether it refers to other objects.
    const NAMES_OTHERS: bool = false;

    /// The objects to which it refers.
    fn links(&self) -> Vec<Hash> {
        Vec::new()
    }

    /// Checks values that the types allow but the kind does not: lengths that differ, rows out of order.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Marks an object that is neither a record nor a packed array: imported bytes, a checkpoint, a log.
pub struct Blob;

/// An imported file, stored byte for byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The bytes.
    pub object: Id<Blob>,
    /// SHA-256 of the same bytes.
    pub sha256: Sha256,
    /// Number of bytes.
    pub bytes: u64,
}

impl From<crate::hash::Digest> for File {
    fn from(digest: crate::hash::Digest) -> Self {
        File { object: Id::new(digest.blake3), sha256: digest.sha256, bytes: digest.bytes }
    }
}

macro_rules! kinds {
    ($($type:ident),* $(,)?) => {
        /// The kinds of record, in the order in which a study creates them: a kind comes after those to which
        /// it refers.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = concat!("[`", stringify!($type), "`].")] $type,)*
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Kind] = &[$(Kind::$type),*];

            /// The properties that all modules need.
            pub fn descriptor(self) -> &'static Descriptor {
                match self {
                    $(Kind::$type => const { &<$type as Record>::DESCRIPTOR },)*
                }
            }

            /// The JSON Schema of its documents, for `schema/`.
            pub fn schema(self) -> serde_json::Value {
                match self {
                    $(Kind::$type => schema::schema::<$type>(),)*
                }
            }
        }

        /// Checks that `bytes` are a canonical record of a known kind and returns its links.
        pub fn check(bytes: &[u8]) -> Result<Header, CodecError> {
            let header = Header::read(bytes)?;
            match header.kind {
                $(Kind::$type => _ = codec::decode::<$type>(bytes)?,)*
            }
            Ok(header)
        }

        /// Reads a record of any kind, checked like [`codec::decode`].
        pub fn decode_any(bytes: &[u8]) -> Result<Box<dyn AnyRecord>, CodecError> {
            Ok(match Header::read(bytes)?.kind {
                $(Kind::$type => Box::new(codec::decode::<$type>(bytes)?),)*
            })
        }

        /// Summarizes a record in one line, from its document.
        pub fn summary(header: &Header) -> String {
            let summary = match header.kind {
                $(Kind::$type => header.typed::<$type>().map(|record| Record::summary(&record)),)*
            };
            summary.unwrap_or_else(|e| codec::printable(format!("not a valid {} record: {e}", header.kind)))
        }
    };
}

kinds! {
    Dataset,
    PixelHashes,
    Split,
    Weights,
    Software,
    Spec,
    Run,
    Predictions,
    Table,
    Study,
    Execution,
    Withdrawal,
    Note,
    Removal,
    Event,
}

macro_rules! packed_kinds {
    ($($type:ident),* $(,)?) => {
        /// The kinds of packed array.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum PackedKind {
            $(#[doc = concat!("[`", stringify!($type), "`].")] $type,)*
        }

        impl PackedKind {
            /// All kinds.
            pub const ALL: &'static [PackedKind] = &[$(PackedKind::$type),*];

            /// The name in messages.
            pub const fn name(self) -> &'static str {
                match self {
                    $(PackedKind::$type => <$type as Packed>::KIND,)*
                }
            }

            /// Whether it refers to other objects.
            pub const fn names_others(self) -> bool {
                match self {
                    $(PackedKind::$type => <$type as Packed>::NAMES_OTHERS,)*
                }
            }

            /// The first eight bytes.
            pub const fn magic(self) -> &'static [u8; 8] {
                match self {
                    $(PackedKind::$type => <$type as Packed>::MAGIC,)*
                }
            }
        }

        /// The links of a packed array: the images of a manifest; empty for the other kinds.
        pub fn packed_links(bytes: &[u8]) -> Result<Vec<Hash>, CodecError> {
            match PackedKind::of(bytes) {
                // An array without references need not be read.
                $(Some(PackedKind::$type) if !<$type as Packed>::NAMES_OTHERS => Ok(Vec::new()),
                Some(PackedKind::$type) => Ok(codec::unpack::<$type>(bytes)?.links()),)*
                None => Ok(Vec::new()),
            }
        }
    };
}

packed_kinds! {
    Manifest,
    Boxes,
    Assignment,
    Scores,
    PixelDigests,
}
