//! Kinds: what an object is, and the one descriptor that a kind of record has.
//!
//! Whatever a room does differently for one kind and another it asks of the [`Descriptor`], or it matches
//! [`Kind`], [`Content`] or [`Recomputed`] without a wildcard: who adds a kind and forgets a place is told so
//! by the compiler. For the same reason there is no descriptor to start from with the usual values: a property that
//! is new would have a value for every kind before anybody had thought of one.

use serde::{Serialize, Serializer};

use super::{Kind, PackedKind, Role, codec};
use crate::hash::{Hash, Id};

/// What all rooms must know of a kind of record.
#[derive(Debug)]
pub struct Descriptor {
    /// The value of the document's `kind`.
    pub name: &'static str,
    /// The name of several.
    pub plural: &'static str,
    /// One of them in a sentence, such as `a data set`.
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
    /// Whether what was made of it travels with it.
    pub carries: bool,
    /// How it is made again.
    pub recomputed: Option<Recomputed>,
    /// What it holds for readers.
    pub content: Content,
    /// Whether a list that is asked for no kind shows it; the others only support these.
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
    /// It tells how what it names came about: it is kept, a lineage shows it beside that, and it leads nowhere.
    Execution,
}

impl RecordClass {
    /// Whether `reg gc` keeps it, named or not, with all that it depends on.
    pub fn is_result(self) -> bool {
        match self {
            RecordClass::Computed | RecordClass::Decided | RecordClass::Execution => true,
            RecordClass::Input => false,
        }
    }

    /// Whether a lineage shows it beside what it names.
    pub fn is_beside(self) -> bool {
        match self {
            RecordClass::Execution => true,
            RecordClass::Input | RecordClass::Computed | RecordClass::Decided => false,
        }
    }

    /// Whether such records are looked for beside it.
    pub fn has_beside(self) -> bool {
        match self {
            RecordClass::Computed => true,
            RecordClass::Input | RecordClass::Decided | RecordClass::Execution => false,
        }
    }
}

/// When a record travels to another registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Travels {
    /// Where it is asked for, has a name, or is named by what travels.
    Named,
    /// Also with the records that it was made of, if all of these that carry others travel.
    WithInputs,
    /// Also with what it is about, whatever that is.
    WithSubject,
    /// Whatever is asked for.
    Always,
    /// Never: it belongs to the registry that wrote it.
    Never,
}

/// How a record is made again from what it names, without a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recomputed {
    /// From metadata and manifest.
    Dataset,
    /// From its seed or lists.
    Split,
    /// From its file.
    Weights,
    /// From what it says itself.
    Software,
    /// From its split.
    Spec,
    /// From its log and checkpoint.
    Run,
    /// From its run or file.
    Predictions,
    /// From scores and labels, if it has no numbers that come out of a network.
    Table,
}

impl Recomputed {
    /// The inputs as the subject of a sentence, with its verb: `its file gives`.
    pub fn by(self) -> &'static str {
        match self {
            Recomputed::Dataset => "metadata and manifest give",
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

/// What a record holds that rooms show, export and compare in ways of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Images and labels.
    Dataset,
    /// A subset of each image in each fold.
    Split,
    /// A log and a checkpoint.
    Run,
    /// Scores.
    Predictions,
    /// Numbers.
    Table,
    /// Planned runs.
    Study,
    /// What must not be used.
    Withdrawal,
    /// Its document and nothing else.
    Document,
}

/// One way in which a record used images; see [`Record::uses`](super::Record::uses).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageUse {
    /// It holds all images of a data set.
    Holds(Id<super::Dataset>),
    /// It used a subset of a fold.
    Subset {
        /// The images.
        dataset: Id<super::Dataset>,
        /// The split.
        split: Id<super::Split>,
        /// Its fold.
        fold: u32,
        /// Its subset.
        subset: super::Subset,
        /// What was done with them.
        purpose: Purpose,
    },
    /// It used what another record used.
    Of(Hash),
    /// It used what the runs used whose checkpoint these weights are.
    Origins(Id<super::Weights>),
    /// It has scores of the rows that these scores have.
    Scores {
        /// The images.
        dataset: Id<super::Dataset>,
        /// Their scores.
        scores: Id<super::Scores>,
    },
    /// It has a number of the images with a file, in the data set of a run.
    File {
        /// The run.
        run: Id<super::Run>,
        /// The file.
        file: Hash,
    },
    /// It has numbers of images by name.
    Names {
        /// The images.
        dataset: Id<super::Dataset>,
        /// Their names, ascending.
        names: Vec<String>,
    },
    /// It has numbers of those images alone that all of these score, fold by fold.
    Shared(Vec<Id<super::Predictions>>),
}

/// What images are used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Weights were fitted to them.
    Training,
    /// Weights, penalties or thresholds were selected on them.
    Validation,
    /// Scores of them are in it, or numbers made of such scores.
    Scoring,
}

impl Kind {
    /// The value of a document's `kind`.
    pub fn name(self) -> &'static str {
        self.descriptor().name
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// So many of the kind: `1 run`, `2 studies`.
    pub fn counted(self, count: usize) -> String {
        let descriptor = self.descriptor();
        format!("{count} {}", if count == 1 { descriptor.name } else { descriptor.plural })
    }

    /// The kinds whose descriptor is so, in the order in which a study makes them.
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
    /// The kind of a packed array by its first twelve bytes or more.
    pub fn of(head: &[u8]) -> Option<PackedKind> {
        let magic = codec::packed_magic(head)?;
        PackedKind::ALL.iter().copied().find(|kind| *kind.magic() == magic)
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<PackedKind> {
        PackedKind::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

/// What bytes are; ordered so that what names others stands behind what it names.
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
    /// What bytes are. Those that are no sound record or packed array are a blob, whatever they begin with.
    pub fn of(bytes: &[u8]) -> ObjectKind {
        if let Some(kind) = PackedKind::of(bytes) {
            let sound = super::packed_links(bytes).is_ok();
            return if sound { ObjectKind::Packed(kind) } else { ObjectKind::Blob };
        }
        super::check(bytes).map_or(ObjectKind::Blob, |header| ObjectKind::Record(header.kind))
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<ObjectKind> {
        let of_blob = (name == ObjectKind::Blob.name()).then_some(ObjectKind::Blob);
        let packed = || PackedKind::named(name).map(ObjectKind::Packed);
        of_blob.or_else(packed).or_else(|| Kind::named(name).map(ObjectKind::Record))
    }

    /// What messages and remotes call it.
    pub fn name(self) -> &'static str {
        match self {
            ObjectKind::Blob => "blob",
            ObjectKind::Packed(kind) => kind.name(),
            ObjectKind::Record(kind) => kind.name(),
        }
    }

    /// Whether it names other objects that it depends on.
    pub fn names_others(self) -> bool {
        match self {
            ObjectKind::Blob => false,
            ObjectKind::Packed(kind) => kind.names_others(),
            ObjectKind::Record(kind) => kind.descriptor().travels != Travels::Never,
        }
    }

    /// The kind of a record; none of other objects.
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
