//! Kinds of objects, and the descriptor of each kind of record.
//!
//! Whatever a room does differently for one kind and another it asks of the [`Descriptor`], or it matches
//! [`Kind`], [`Content`] or [`Recomputed`] without a wildcard: who adds a kind and forgets a place is told so
//! by the compiler. For the same reason there is no descriptor to start from with the usual values: a property that
//! is new would have a value for every kind before anybody had thought of one.

use serde::{Serialize, Serializer};

use super::{Kind, PackedKind, Role, codec};
use crate::hash::{Hash, Id};

/// The properties of a kind of record that all modules need.
#[derive(Debug)]
pub struct Descriptor {
    /// The value of the document's `kind`.
    pub name: &'static str,
    /// The plural of the name.
    pub plural: &'static str,
    /// The name in a sentence, such as `a data set`.
    pub called: &'static str,
    /// As what a record names what it was made of.
    pub inputs: &'static [Role],
    /// As what it names what came out.
    pub outputs: &'static [Role],
    /// Whether somebody chose the field at a JSON pointer; others follow from what the record names.
    pub chosen: fn(&str) -> bool,
    /// Why it is kept, and what a lineage shows beside it.
    pub class: RecordClass,
    /// When it travels to another registry.
    pub travels: Travels,
    /// Whether the results computed from it are copied with it.
    pub carries: bool,
    /// How it is recomputed.
    pub recomputed: Option<Recomputed>,
    /// Its content for output.
    pub content: Content,
    /// Whether a list without a given kind shows it; the other kinds are auxiliary.
    pub is_listed: bool,
}

/// Why a record is kept, and what a lineage shows beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordClass {
    /// It is something to compute from: `reg gc` keeps it while something needs it.
    Input,
    /// It was computed: `reg gc` keeps it, named or not, with all that it depends on, and a lineage shows beside it the
    /// executions that made it.
    Computed,
    /// A person decided or wrote it: it is kept like what was computed, and no execution made it.
    Decided,
    /// It follows from what it names, and is kept as long as that is.
    Derived,
    /// It tells how what it names came about: it is kept, a lineage shows it beside that, and it leads nowhere.
    Execution,
}

impl RecordClass {
    /// Whether `reg gc` keeps it, named or not, with all that it depends on.
    pub fn is_result(self) -> bool {
        match self {
            RecordClass::Computed | RecordClass::Decided | RecordClass::Execution => true,
            RecordClass::Input | RecordClass::Derived => false,
        }
    }

    /// Whether `reg gc` keeps it as long as all records that it names, and it travels with them.
    pub fn is_derived(self) -> bool {
        match self {
            RecordClass::Derived => true,
            RecordClass::Input | RecordClass::Computed | RecordClass::Decided | RecordClass::Execution => {
                false
            }
        }
    }

    /// Whether a lineage shows it beside what it names.
    pub fn is_beside(self) -> bool {
        match self {
            RecordClass::Execution => true,
            RecordClass::Input | RecordClass::Computed | RecordClass::Decided | RecordClass::Derived => false,
        }
    }

    /// Whether such records are looked for beside it.
    pub fn has_beside(self) -> bool {
        match self {
            RecordClass::Computed => true,
            RecordClass::Input | RecordClass::Decided | RecordClass::Derived | RecordClass::Execution => {
                false
            }
        }
    }
}

/// When a record travels to another registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Travels {
    /// If it is requested, has a name, or is a dependency of a copied record.
    Named,
    /// Also with its inputs, if all inputs that carry results are copied.
    WithInputs,
    /// Also with its subject, whatever that is.
    WithSubject,
    /// In every case.
    Always,
    /// Never: it belongs to the registry that wrote it.
    Never,
}

/// How a record is recomputed from its inputs, without a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recomputed {
    /// From metadata and manifest.
    Dataset,
    /// From the images.
    Pixels,
    /// From its seed or lists.
    Split,
    /// From its file.
    Weights,
    /// From its own content.
    Software,
    /// From its split.
    Spec,
    /// From its log and checkpoint.
    Run,
    /// From its run or file.
    Predictions,
    /// From scores and labels, unless its numbers need a network.
    Table,
}

impl Recomputed {
    /// The inputs as the subject of a sentence, with a verb: `its file gives`.
    pub fn by(self) -> &'static str {
        match self {
            Recomputed::Dataset => "metadata and manifest give",
            Recomputed::Pixels => "the images give",
            Recomputed::Split => "its seed or lists give",
            Recomputed::Weights => "its file gives",
            Recomputed::Software => "it should be",
            Recomputed::Spec => "its split says",
            Recomputed::Run => "its log and checkpoint give",
            Recomputed::Predictions => "its run or file gives",
            Recomputed::Table => "scores and labels give",
        }
    }
}

/// The content of a record, as far as it is shown, exported or compared in a particular way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Images and labels.
    Dataset,
    /// The subset of each image in each fold.
    Split,
    /// A log and a checkpoint.
    Run,
    /// Scores.
    Predictions,
    /// Numbers.
    Table,
    /// Planned runs.
    Study,
    /// Withdrawn data.
    Withdrawal,
    /// Only its document.
    Document,
}

/// One way in which a record uses images; see [`Record::uses`](super::Record::uses).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageUse {
    /// It contains all images of a data set.
    Holds(Id<super::Dataset>),
    /// It uses a subset of a fold.
    Subset {
        /// The images.
        dataset: Id<super::Dataset>,
        /// The split.
        split: Id<super::Split>,
        /// Its fold.
        fold: u32,
        /// Its subset.
        subset: super::Subset,
        /// The purpose.
        purpose: Purpose,
    },
    /// Weights were fitted to all images of a data set.
    TrainedOnAll(Id<super::Dataset>),
    /// It uses the images that another record uses.
    Of(Hash),
    /// It uses the images of the runs that left this file, and those on which it was trained as weights that
    /// were imported.
    Learnt(Hash),
    /// It has scores for the rows of these scores.
    Scores {
        /// The images.
        dataset: Id<super::Dataset>,
        /// Their scores.
        scores: Id<super::Scores>,
    },
    /// It has a number for the images with this file in the data set of a run.
    File {
        /// The run.
        run: Id<super::Run>,
        /// The file.
        file: Hash,
    },
    /// It has numbers for images by name.
    Names {
        /// The images.
        dataset: Id<super::Dataset>,
        /// Their names, ascending.
        names: Vec<String>,
    },
    /// It has numbers for the images that all of these score, fold by fold.
    Shared(Vec<Id<super::Predictions>>),
}

/// The purpose of using images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Weights were fitted to the images.
    Training,
    /// Weights, penalties or thresholds were selected on the images.
    Validation,
    /// Scores of the images, or numbers computed from such scores, are in the record.
    Scoring,
}

impl Kind {
    /// What prose calls one, without an article: `data set`.
    pub fn noun(self) -> &'static str {
        let called = self.descriptor().called;
        called.split_once(' ').map_or(called, |(_, noun)| noun)
    }

    /// The value of a document's `kind`.
    pub fn name(self) -> &'static str {
        self.descriptor().name
    }

    /// The kind with this name.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// A number with the kind's name: `1 run`, `2 studies`.
    pub fn counted(self, count: usize) -> String {
        let descriptor = self.descriptor();
        format!("{count} {}", if count == 1 { descriptor.name } else { descriptor.plural })
    }

    /// The kinds whose descriptor has a property, in the order in which a study creates them.
    pub fn which(is: impl Fn(&Descriptor) -> bool) -> impl Iterator<Item = Kind> {
        Kind::ALL.iter().copied().filter(move |kind| is(kind.descriptor()))
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl PackedKind {
    /// The kind of a packed array, from at least its first twelve bytes.
    pub fn of(head: &[u8]) -> Option<PackedKind> {
        let magic = codec::packed_magic(head)?;
        PackedKind::ALL.iter().copied().find(|kind| *kind.magic() == magic)
    }

    /// The kind with this name.
    pub fn named(name: &str) -> Option<PackedKind> {
        PackedKind::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

/// The kind of an object; ordered so that an object comes after those to which it refers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// Neither a record nor a packed array.
    Blob,
    /// A packed array.
    Packed(PackedKind),
    /// A record.
    Record(Kind),
}

impl ObjectKind {
    /// The kind of some bytes. Bytes that are not a valid record or packed array are a blob, whatever they
    /// start with.
    pub fn of(bytes: &[u8]) -> ObjectKind {
        if let Some(kind) = PackedKind::of(bytes) {
            let sound = super::packed_links(bytes).is_ok();
            return if sound { ObjectKind::Packed(kind) } else { ObjectKind::Blob };
        }
        super::check(bytes).map_or(ObjectKind::Blob, |header| ObjectKind::Record(header.kind))
    }

    /// The kind with this name.
    pub fn named(name: &str) -> Option<ObjectKind> {
        let of_blob = (name == ObjectKind::Blob.name()).then_some(ObjectKind::Blob);
        let packed = || PackedKind::named(name).map(ObjectKind::Packed);
        of_blob.or_else(packed).or_else(|| Kind::named(name).map(ObjectKind::Record))
    }

    /// The name in messages and remotes.
    pub fn name(self) -> &'static str {
        match self {
            ObjectKind::Blob => "blob",
            ObjectKind::Packed(kind) => kind.name(),
            ObjectKind::Record(kind) => kind.name(),
        }
    }

    /// Whether it refers to other objects, on which it depends.
    pub fn names_others(self) -> bool {
        match self {
            ObjectKind::Blob => false,
            ObjectKind::Packed(kind) => kind.names_others(),
            ObjectKind::Record(kind) => kind.descriptor().travels != Travels::Never,
        }
    }

    /// The kind of a record; `None` for other objects.
    pub fn record(self) -> Option<Kind> {
        match self {
            ObjectKind::Record(kind) => Some(kind),
            ObjectKind::Blob | ObjectKind::Packed(_) => None,
        }
    }
}

impl std::fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl Descriptor {
    /// As what a record names others.
    pub fn roles(&self) -> impl Iterator<Item = &'static Role> {
        self.inputs.iter().chain(self.outputs)
    }

    /// Whether what plays this role came out of the computation that made the record.
    pub fn is_output(&self, role: &Role) -> bool {
        self.outputs.contains(role)
    }
}
