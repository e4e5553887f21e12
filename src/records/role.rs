//! Roles: as what one object names another.
//!
//! By the rule of the format a role is the key under which an object is named, so any key may turn up. Those that
//! the kinds have are known here; whoever decides by a role matches them without a wildcard.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::slice;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use super::{Kind, PackedKind};

macro_rules! roles {
    ($($role:ident = $key:literal),* $(,)?) => {
        /// What an object is for one that names it: the key under which it is named.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum Role {
            $(#[doc = concat!("`", $key, "`.")] $role,)*
            /// A key that no kind is known to have: a text that happens to be an id stands under it.
            Other(Box<str>),
        }

        impl Role {
            /// Those that the kinds and the manifest have.
            pub const KNOWN: &'static [Role] = &[$(Role::$role),*];

            /// The role of a key.
            pub fn named(key: &str) -> Role {
                match key {
                    $($key => Role::$role,)*
                    other => Role::Other(other.into()),
                }
            }

            /// The key.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Role::$role => $key,)*
                    Role::Other(key) => key,
                }
            }
        }
    };
}

roles! {
    About = "about",
    Assignment = "assignment",
    Boxes = "boxes",
    BoxesFile = "boxes_file",
    Checkpoint = "checkpoint",
    Dataset = "dataset",
    File = "file",
    Files = "files",
    From = "from",
    Image = "image",
    Inputs = "inputs",
    Log = "log",
    Made = "made",
    Manifest = "manifest",
    Metadata = "metadata",
    Object = "object",
    Packages = "packages",
    Picture = "picture",
    PixelHashes = "pixel_hashes",
    Pixels = "pixels",
    Predictions = "predictions",
    Prev = "prev",
    Revokes = "revokes",
    Run = "run",
    Runs = "runs",
    Scores = "scores",
    Software = "software",
    Sources = "sources",
    Spec = "spec",
    Split = "split",
    Stderr = "stderr",
    Stdout = "stdout",
    Test = "test",
    To = "to",
    TrainVal = "train_val",
    Validation = "validation",
    Weights = "weights",
}

/// What stands under a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Referent {
    /// A record.
    Record,
    /// A packed array of this kind.
    Packed(PackedKind),
    /// An image of a manifest.
    Image,
    /// In a table, the X-ray under a heat map, and the map over it.
    Picture,
    /// The bytes of a trained network's weights.
    Checkpoint,
    /// A file.
    File,
    /// What it is depends on who names it.
    Any,
}

impl Role {
    /// What stands under it.
    pub fn referent(&self) -> Referent {
        match self {
            Role::Dataset
            | Role::Made
            | Role::PixelHashes
            | Role::Predictions
            | Role::Prev
            | Role::Revokes
            | Role::Run
            | Role::Runs
            | Role::Software
            | Role::Spec
            | Role::Split
            | Role::Validation
            | Role::Weights => Referent::Record,
            Role::Assignment => Referent::Packed(PackedKind::Assignment),
            Role::Boxes => Referent::Packed(PackedKind::Boxes),
            Role::Manifest => Referent::Packed(PackedKind::Manifest),
            Role::Scores => Referent::Packed(PackedKind::Scores),
            Role::Pixels => Referent::Packed(PackedKind::PixelDigests),
            Role::Image => Referent::Image,
            Role::Object | Role::Picture => Referent::Picture,
            Role::Checkpoint => Referent::Checkpoint,
            Role::BoxesFile
            | Role::File
            | Role::Files
            | Role::Inputs
            | Role::Log
            | Role::Metadata
            | Role::Packages
            | Role::Sources
            | Role::Stderr
            | Role::Stdout
            | Role::TrainVal => Referent::File,
            // Of a split it is a list, of a probe scores; notes and the log are about whatever has an id.
            Role::About | Role::From | Role::Test | Role::To | Role::Other(_) => Referent::Any,
        }
    }

    /// Whether what is named so by a record of this kind, or by a packed array where there is none, is an image or the
    /// picture over one: all that a withdrawal can remove for good.
    pub fn is_image(&self, by: Option<Kind>) -> bool {
        match self.referent() {
            Referent::Image => by.is_none(),
            Referent::Picture => by == Some(Kind::Table),
            Referent::Record
            | Referent::Packed(_)
            | Referent::Checkpoint
            | Referent::File
            | Referent::Any => false,
        }
    }

    /// Whether what is named so by a record of this kind is the bytes of a network's weights, imported ones included.
    pub fn is_weights(&self, by: Kind) -> bool {
        match self.referent() {
            Referent::Checkpoint => true,
            Referent::File => by == Kind::Weights,
            Referent::Record | Referent::Packed(_) | Referent::Image | Referent::Picture | Referent::Any => {
                false
            }
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// By their keys, in the order in which the index lists them.
impl Ord for Role {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialOrd for Role {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// All that an object is for one that names it, almost always one role: then it costs no allocation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Roles {
    /// One.
    One(Role),
    /// Several, ascending: one record names the object under several keys.
    Several(Box<[Role]>),
}

impl Roles {
    /// Reads what the index has: roles separated by commas.
    pub fn read(text: &str) -> Roles {
        match text.contains(',') {
            false => Roles::One(Role::named(text)),
            true => Roles::Several(text.split(',').map(Role::named).collect()),
        }
    }

    /// Roles in ascending order, as the index has them: a comma in a key separates.
    pub fn of<'r>(roles: impl IntoIterator<Item = &'r Role>) -> Roles {
        let mut roles = roles.into_iter().peekable();
        match (roles.next(), roles.peek()) {
            (Some(role), None) if !matches!(role, Role::Other(_)) => Roles::One(role.clone()),
            (first, _) => {
                let all: Vec<&str> = first.into_iter().chain(roles).map(Role::as_str).collect();
                Roles::read(&all.join(","))
            }
        }
    }

    /// Each of them.
    pub fn as_slice(&self) -> &[Role] {
        match self {
            Roles::One(role) => slice::from_ref(role),
            Roles::Several(roles) => roles,
        }
    }

    /// Whether this is one of them.
    pub fn contains(&self, role: &Role) -> bool {
        self.as_slice().contains(role)
    }

    /// Whether this is the only one.
    pub fn is_only(&self, role: &Role) -> bool {
        self.as_slice() == slice::from_ref(role)
    }

    /// Whether each is that of an image or of its picture; see [`Role::is_image`].
    pub fn are_images(&self, by: Option<Kind>) -> bool {
        self.as_slice().iter().all(|role| role.is_image(by))
    }

    /// As text: separated by commas.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Roles::One(role) => role.as_str().into(),
            Roles::Several(roles) => roles.iter().map(Role::as_str).collect::<Vec<_>>().join(",").into(),
        }
    }
}

impl From<Role> for Roles {
    fn from(role: Role) -> Self {
        Roles::One(role)
    }
}

impl std::fmt::Display for Roles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.text())
    }
}

impl Serialize for Roles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl JsonSchema for Roles {
    fn schema_name() -> Cow<'static, str> {
        "Roles".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_its_key_both_ways() {
        for role in Role::KNOWN {
            assert_eq!(Role::named(role.as_str()), *role);
        }
        assert_eq!(Role::named("text").as_str(), "text");
        for text in ["run", "dataset,split", "text", "", "text,zeal"] {
            let roles = Roles::read(text);
            assert_eq!(roles.to_string(), text);
            assert_eq!(Roles::of(roles.as_slice()), roles);
        }
        // What one key looks like that has a comma in it, the index cannot tell from two.
        assert_eq!(Roles::of(&[Role::named("a,b")]), Roles::read("a,b"));
    }

    #[test]
    fn roles_are_in_the_order_of_their_keys() {
        assert!(Role::KNOWN.is_sorted());
        assert!(Role::named("fold") > Role::File && Role::named("fold") < Role::From);
    }

    #[test]
    fn packed_arrays_are_named_by_what_they_are() {
        for role in Role::KNOWN {
            let packed = match role.referent() {
                Referent::Packed(kind) => Some(kind),
                _ => None,
            };
            assert_eq!(packed, PackedKind::named(role.as_str()), "{role}");
        }
    }

    #[test]
    fn nothing_but_images_and_pictures_of_heat_maps_can_be_removed_for_good() {
        let named =
            |by| Role::KNOWN.iter().filter(|role| role.is_image(by)).map(Role::as_str).collect::<Vec<_>>();
        assert_eq!(named(None), ["image"]);
        for kind in Kind::ALL {
            let expected: &[&str] = if *kind == Kind::Table { &["object", "picture"] } else { &[] };
            assert_eq!(named(Some(*kind)), expected, "{kind}");
        }
        assert!(Roles::read("object,picture").are_images(Some(Kind::Table)));
        assert!(!Roles::read("object,predictions").are_images(Some(Kind::Table)));
    }

    #[test]
    fn the_roles_are_those_that_kinds_have_and_that_of_an_image() {
        let mut had: Vec<&Role> = Kind::ALL.iter().flat_map(|kind| kind.descriptor().roles()).collect();
        had.push(&Role::Image);
        had.sort();
        had.dedup();
        assert_eq!(had, Role::KNOWN.iter().collect::<Vec<_>>());
    }
}
