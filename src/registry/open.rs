//! Finds, creates and opens registries, and keeps outputs out of them.

use std::fs;
use std::path::{Path, PathBuf};

use super::origins::KnownOrigins;
use super::sharing::SHARED_FILE;
use super::{CACHE, FOLDER, FORMAT, FORMAT_LINE, LIVE, Moves, Registry, RegistryError, Sharing};
use crate::disk::{Dir, Doing, FileError, PLAIN, Refused};
use crate::index::{Index, IndexError};
use crate::limits;
use crate::store::{self, Store};

/// First bytes of a key or certificate in PEM.
const PEM: &[u8; 11] = b"-----BEGIN ";
pub(super) const FORMAT_FILE: &str = "format";
/// The registry's id: 32 random hex digits, the same in all its copies and backups.
const ID_FILE: &str = "id";
const ID_DIGITS: usize = 32;
const INDEX: &str = "reg.redb";
/// Files and folders of a registry, which must not be links.
const CONTENTS: &[&str] = &[
    FORMAT_FILE,
    ID_FILE,
    SHARED_FILE,
    INDEX,
    "commits",
    "lock",
    "turn",
    store::OBJECTS,
    "tmp",
    LIVE,
    CACHE,
    "slurm",
    "heads",
];

impl Registry {
    /// Creates a registry in `dir/.reg` and loads it.
    pub fn init(dir: &Path) -> Result<Self, RegistryError> {
        Registry::init_shared(dir, None)
    }

    /// The same for several accounts: new files belong to the group of `dir`. The caller has cleared the bits of
    /// [`Sharing::mode`] in the umask.
    pub fn init_shared(dir: &Path, sharing: Option<Sharing>) -> Result<Self, RegistryError> {
        let path = dir.join(FOLDER);
        let root = Dir::make(&path).doing("create", &path)?;
        if root.stat(FORMAT_FILE).is_ok() {
            return Err(RegistryError::Exists(path));
        }
        refuse_links(&root)?;
        if sharing.is_some() {
            // New folders in it inherit its group and this bit.
            root.set_group_bit().doing("share", &path)?;
        }
        let registry = Registry::in_folder(root);
        if let Some(sharing) = sharing {
            registry.share(sharing)?;
        }
        let root = &registry.root;
        registry.store.create()?;
        for name in [LIVE, CACHE] {
            root.create_dir_all(name).doing("create", &root.path_of(name))?;
        }
        match registry.index.create() {
            // Left by a killed `init`.
            Err(IndexError::Damaged { .. }) => {
                root.remove_file(INDEX).doing("remove", registry.index.path())?;
                registry.index.create()?;
            }
            created => created?,
        }
        registry.renew_id()?;
        // Written last: without this file, the folder is not a registry.
        let scratch = registry.store.scratch()?;
        let write = || -> std::io::Result<()> {
            scratch.dir().write_new(FORMAT_FILE, format!("{FORMAT_LINE}\n").as_bytes(), PLAIN)?;
            scratch.dir().sync_file(FORMAT_FILE)?;
            root.sync_dir()?;
            scratch.dir().rename(FORMAT_FILE, root, FORMAT_FILE)?;
            root.sync_dir()
        };
        write().doing("write", &root.path_of(FORMAT_FILE))?;
        drop(scratch);
        Ok(registry)
    }

    /// Loads the registry in `dir`, which is a registry's folder or contains `.reg`. The registry's folder may be a
    /// link; nothing in it may be.
    pub fn load(dir: &Path) -> Result<Self, RegistryError> {
        let registry = Registry::load_any(dir)?;
        refuse_links(&registry.root)?;
        Ok(registry)
    }

    fn load_any(dir: &Path) -> Result<Self, RegistryError> {
        let inner = dir.join(FOLDER);
        let path = if has_format(&inner) { inner } else { dir.to_owned() };
        let root = Dir::open(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
                RegistryError::NotARegistry(dir.to_owned())
            }
            _ => FileError::new("open", &path, e).into(),
        })?;
        let text = root.read(FORMAT_FILE, limits::SMALL_FILE).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => RegistryError::NotARegistry(dir.to_owned()),
            _ => FileError::new("read", &root.path_of(FORMAT_FILE), e).into(),
        })?;
        let text = String::from_utf8_lossy(&text);
        let format = text.trim_end().strip_prefix("reg ").and_then(|number| number.parse().ok());
        match format {
            Some(FORMAT) => Ok(Registry::in_folder(root)),
            Some(found) if found > FORMAT => Err(RegistryError::NewerFormat { path, found }),
            Some(found @ 1..FORMAT) => Err(RegistryError::OlderFormat { path, found }),
            _ if root.stat(INDEX).is_ok() && root.stat(store::OBJECTS).is_ok() => {
                Err(RegistryError::NoFormat(path))
            }
            _ => Err(RegistryError::NotARegistry(dir.to_owned())),
        }
    }

    /// The registry's id, which identifies it at a remote; none if the id is missing or invalid.
    pub fn id(&self) -> Option<String> {
        let bytes = self.root.read(ID_FILE, limits::SMALL_FILE).ok()?;
        let text = String::from_utf8(bytes).ok()?.strip_suffix('\n')?.to_owned();
        let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == ID_DIGITS && text.bytes().all(is_hex)).then_some(text)
    }

    /// Gives the registry a new random id. Remotes then distinguish it from its copies and backups.
    pub fn renew_id(&self) -> Result<String, RegistryError> {
        let mut bytes = [0; ID_DIGITS / 2];
        let mut write = || -> std::io::Result<String> {
            getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
            let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            self.root.replace(ID_FILE, format!("{id}\n").as_bytes())?;
            Ok(id)
        };
        Ok(write().doing("write", &self.root.path_of(ID_FILE))?)
    }

    /// The folder of the registry that contains a path, existing or not; none if the path is only next to a registry.
    pub fn holding(path: &Path) -> Option<PathBuf> {
        // The file may be a link into a registry, and its parent folders need not exist yet.
        let file = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let above = file.ancestors().skip(1);
        let above = above.map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        let folder = above.into_iter().find_map(|folder| fs::canonicalize(folder).ok())?;
        // A registry can also be named by its parent folder.
        let is_one = |folder: &&Path| {
            Registry::load_any(folder)
                .is_ok_and(|one| fs::canonicalize(one.root()).is_ok_and(|root| root == **folder))
        };
        folder.ancestors().find(is_one).map(Path::to_owned)
    }

    /// Refuses an output inside a registry, where it would be damage or be taken for damage, and one that would replace
    /// a key.
    pub fn refuse_output(path: &Path) -> Result<(), RegistryError> {
        let mut begin = [0; PEM.len()];
        let is_file = fs::metadata(path).is_ok_and(|there| there.is_file());
        let mut read = || std::io::Read::read_exact(&mut fs::File::open(path)?, &mut begin);
        if is_file && read().is_ok() && begin == *PEM {
            return Err(RegistryError::Key(path.to_owned()));
        }
        match Registry::holding(path) {
            Some(registry) => Err(RegistryError::Within { path: path.to_owned(), registry }),
            None => Ok(()),
        }
    }

    fn in_folder(root: Dir) -> Self {
        let store = Store::within(&root);
        let index = Index::within(&root, INDEX);
        let (moves, origins) = (Moves::default(), KnownOrigins::default());
        Registry { root, store, index, moves, keeps_names: false, origins }
    }
}

/// Whether a folder contains the file that makes it a registry.
pub(super) fn has_format(folder: &Path) -> bool {
    Dir::open(folder).is_ok_and(|root| root.stat(FORMAT_FILE).is_ok())
}

/// Refuses a registry in which a file or folder is replaced by a link, which could lead anywhere. The link would not be
/// followed later either, but this way every command reports it.
fn refuse_links(root: &Dir) -> Result<(), RegistryError> {
    match CONTENTS.iter().find(|name| root.stat(name).is_ok_and(|there| there.is_link())) {
        None => Ok(()),
        Some(name) => {
            let (path, root) = (root.path_of(name), root.path().to_owned());
            Err(RegistryError::Linked(Refused::Link { path, root }))
        }
    }
}
