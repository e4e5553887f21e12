//! Which registries are used without being named.
//!
//! A `.reg` that is found by going up from the working directory may have been put there by anybody who can write to a
//! folder on the way. So the search ends at the home folder, at the root of a file system and at a folder that others
//! can write to, and a registry of another owner is refused, unless the user trusts it or it is shared with a group of
//! the user. A registry that is named, with `--registry` or REG_REGISTRY, needs no trust. git's `safe.directory` is the
//! model.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::open::has_format;
use super::{FOLDER, Registry, RegistryError, Sharing};
use crate::disk::{self, Dir, FileError};
use crate::limits;

/// The list of trusted registries of a user: absolute paths, one a line.
#[derive(Debug, Clone)]
pub struct TrustList {
    path: PathBuf,
}

impl TrustList {
    /// The list in a user's folder of configuration; see the XDG Base Directory Specification.
    pub fn in_folder(config: &Path) -> Self {
        TrustList { path: config.join("reg").join("trusted") }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The trusted registries.
    ///
    /// # Errors
    /// A file that cannot be read; one that is missing lists nothing.
    pub fn read(&self) -> io::Result<Vec<PathBuf>> {
        match limits::read_text(&self.path, limits::STUDY_FILE) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            text => Ok(text?.lines().filter(|line| !line.is_empty()).map(PathBuf::from).collect()),
        }
    }

    /// Adds a registry to the list or removes it; returns whether the list changed.
    pub fn set(&self, root: &Path, trusted: bool) -> io::Result<bool> {
        let mut roots = self.read()?;
        let was = roots.iter().any(|other| other == root);
        if was == trusted {
            return Ok(false);
        }
        roots.retain(|other| other != root);
        roots.extend(trusted.then(|| root.to_owned()));
        let line = |root: &PathBuf| root.to_str().map(|root| format!("{root}\n"));
        let text: Option<String> = roots.iter().map(line).collect();
        let text =
            text.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8"))?;
        if let Some(folder) = self.path.parent() {
            disk::create_dir_all(folder)?;
        }
        disk::save(&self.path, text.as_bytes())?;
        Ok(true)
    }
}

/// Start of a search, and the list of trusted registries.
#[derive(Debug, Clone)]
pub struct Search<'a> {
    /// The working directory.
    pub from: &'a Path,
    /// The user's home folder: nothing above it is looked at.
    pub home: Option<&'a Path>,
    /// The user's list.
    pub trusted: Option<&'a TrustList>,
}

impl Registry {
    /// Loads the nearest registry in a folder or above it, if the user owns or trusts it.
    pub fn find(search: &Search<'_>) -> Result<Self, RegistryError> {
        let none = |ended_at| RegistryError::NotFound { from: search.from.to_owned(), ended_at };
        let home = search.home.and_then(|home| fs::canonicalize(home).ok());
        let start = fs::canonicalize(search.from).unwrap_or_else(|_| search.from.to_owned());
        let mut folder = start.as_path();
        let found = loop {
            if has_format(&folder.join(FOLDER)) {
                break folder;
            }
            // A folder without search permission may contain a registry.
            let closed = |path: PathBuf| {
                move |source: io::Error| match source.kind() {
                    io::ErrorKind::PermissionDenied => {
                        FileError::new("look for a registry in", &path, source).into()
                    }
                    _ => RegistryError::NotFound { from: search.from.to_owned(), ended_at: None },
                }
            };
            let inner = folder.join(FOLDER);
            if let Err(e) = fs::metadata(inner.join("format"))
                && e.kind() == io::ErrorKind::PermissionDenied
            {
                return Err(closed(inner)(e));
            }
            let here = Dir::open(folder).map_err(closed(folder.to_owned()))?;
            let above = folder.parent().ok_or_else(|| none(None))?;
            let why = match () {
                () if home.as_deref() == Some(folder) => Some("your home folder"),
                () if here.is_writable_by_others() => Some("to which other accounts may write"),
                () if !here.is_on_device_of(above) => {
                    Some("which is on another file system than the folder above it")
                }
                () => None,
            };
            if let Some(why) = why {
                return Err(none(Some((folder.to_owned(), why))));
            }
            folder = above;
        };
        let registry = Registry::load(found)?;
        if registry.is_own() || registry.is_shared_with_user() || search.trusts(registry.root()) {
            return Ok(registry);
        }
        let path = found.to_owned();
        Err(RegistryError::OtherOwner { owner: registry.dir().owner_id(), path })
    }

    fn is_own(&self) -> bool {
        self.root.owner_id() == rustix::process::geteuid().as_raw()
    }

    /// Whether the registry is shared with a group of the user.
    fn is_shared_with_user(&self) -> bool {
        let groups = rustix::process::getgroups().unwrap_or_default();
        let member = groups.into_iter().chain([rustix::process::getegid()]);
        matches!(self.sharing(), Some(Sharing::Group | Sharing::All))
            && self
                .root
                .shared_group()
                .is_some_and(|group| member.map(|own| own.as_raw()).any(|own| own == group))
    }
}

impl Search<'_> {
    fn trusts(&self, root: &Path) -> bool {
        let root = fs::canonicalize(root).ok();
        let listed = self.trusted.and_then(|list| list.read().ok()).unwrap_or_default();
        root.is_some_and(|root| listed.contains(&root))
    }
}
