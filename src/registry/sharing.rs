//! Registries that several accounts write to.

use super::{Registry, RegistryError};
use crate::disk::Doing;
use crate::limits;

/// The file with the kind of sharing; a registry without this file is its owner's.
pub(super) const SHARED_FILE: &str = "shared";

/// Who else may write to a registry, whatever their umask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// The group of its folder.
    Group,
    /// The group of its folder; everybody may read.
    All,
}

impl Sharing {
    /// Its spelling.
    pub fn name(self) -> &'static str {
        match self {
            Sharing::Group => "group",
            Sharing::All => "all",
        }
    }

    /// The bits of a mode that the umask must leave alone.
    pub fn mode(self) -> u32 {
        match self {
            Sharing::Group => 0o070,
            Sharing::All => 0o075,
        }
    }
}

impl Registry {
    /// Who else may write to the registry.
    pub fn sharing(&self) -> Option<Sharing> {
        let text = self.root.read(SHARED_FILE, limits::SMALL_FILE).ok()?;
        [Sharing::Group, Sharing::All]
            .into_iter()
            .find(|kind| text == format!("{}\n", kind.name()).as_bytes())
    }

    pub(super) fn share(&self, sharing: Sharing) -> Result<(), RegistryError> {
        let text = format!("{}\n", sharing.name());
        Ok(self.root.replace(SHARED_FILE, text.as_bytes()).doing("write", &self.root.path_of(SHARED_FILE))?)
    }
}
