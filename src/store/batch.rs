//! Many objects made durable together: stage, sync, move into place, sync.
//!
//! Bytes are staged in a folder of their own under `tmp/`, on the same file system. Nothing lies in
//! `objects/` under a name before its bytes are on the disk, so a crash leaves either the object or
//! nothing. A few files are synced one by one; for more, one sync of the file system is cheaper.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rayon::prelude::*;

use super::{Scratch, Store, StoreError};
use crate::hash::Hash;

const READ_ONLY: u32 = 0o444;
/// Up to this many new objects are synced one by one.
const FEW: usize = 16;

/// How a file from outside becomes an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Its bytes are written again.
    Copy,
    /// It shares its blocks with the object until one of them is written; else copied.
    Reflink,
    /// It becomes the object: one file with two names. It is made read-only.
    Hardlink,
}

/// Objects on their way into a store. Dropped without [`Batch::persist`], it leaves nothing.
pub struct Batch {
    store: Store,
    staging: Scratch,
    staged: Mutex<BTreeMap<Hash, Staged>>,
}

enum Staged {
    /// Lies in the staging folder under its hash.
    File { bytes: u64 },
    /// Is hard-linked from here when the batch is persisted.
    Source { path: PathBuf, bytes: u64 },
}

/// What a batch added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Persisted {
    /// Objects that were not there before.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Batch {
    pub(super) fn new(store: Store) -> Result<Self, StoreError> {
        let staging = store.scratch()?;
        Ok(Batch { store, staging, staged: Mutex::default() })
    }

    /// Adds `bytes`. Threads may add at the same time.
    pub fn put(&self, bytes: &[u8]) -> Result<Hash, StoreError> {
        let id = Hash::of(bytes);
        if self.begin(id, Staged::File { bytes: bytes.len() as u64 }) {
            self.write(&id, bytes)?;
        }
        Ok(id)
    }

    /// Adds the file `source`, whose bytes have been read and hash to `id`.
    pub fn put_file(&self, source: &Path, bytes: &[u8], id: Hash, how: Link) -> Result<Hash, StoreError> {
        let len = bytes.len() as u64;
        let entry = match how {
            Link::Hardlink => Staged::Source { path: source.to_owned(), bytes: len },
            Link::Copy | Link::Reflink => Staged::File { bytes: len },
        };
        if !self.begin(id, entry) {
            return Ok(id);
        }
        match how {
            Link::Hardlink => {}
            Link::Copy => self.write(&id, bytes)?,
            Link::Reflink => {
                let target = self.staged_path(&id);
                if reflink_copy::reflink(source, &target).is_ok() {
                    set_read_only(&target)?;
                } else {
                    // What a failed attempt left, if anything.
                    let _ = fs::remove_file(&target);
                    self.write(&id, bytes)?;
                }
            }
        }
        Ok(id)
    }

    /// Bytes of an object of this batch that is not persisted yet.
    pub fn read(&self, id: &Hash) -> Option<Vec<u8>> {
        fs::read(self.staged_path(id)).ok()
    }

    /// Notes an object; false if it is in the store or in the batch already.
    fn begin(&self, id: Hash, entry: Staged) -> bool {
        if self.store.contains(&id) {
            return false;
        }
        let mut staged = self.staged.lock().expect("no thread panics while it holds this lock");
        match staged.entry(id) {
            std::collections::btree_map::Entry::Occupied(_) => false,
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert(entry);
                true
            }
        }
    }

    fn staged_path(&self, id: &Hash) -> PathBuf {
        self.staging.path().join(id.to_string())
    }

    fn write(&self, id: &Hash, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.staged_path(id);
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(READ_ONLY).open(&path)?;
            file.write_all(bytes)
        };
        write().map_err(StoreError::io("write", &path))
    }

    /// Makes all objects of the batch durable and puts them under their names.
    pub fn persist(self) -> Result<Persisted, StoreError> {
        let staged =
            std::mem::take(&mut *self.staged.lock().expect("no thread panics while it holds this lock"));
        let staged: Vec<(Hash, Staged)> = staged.into_iter().collect();
        if staged.is_empty() {
            return Ok(Persisted::default());
        }
        let few = staged.len() <= FEW;

        if few {
            for (id, _) in &staged {
                match File::open(self.staged_path(id)) {
                    Ok(file) => file.sync_all().map_err(StoreError::io("sync", &self.staged_path(id)))?,
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    Err(e) => return Err(StoreError::io("sync", &self.staged_path(id))(e)),
                }
            }
        } else {
            sync_file_system(self.staging.path())?;
        }

        // Sorted by id, so each folder is filled in one go.
        let by_folder: Vec<&[(Hash, Staged)]> = staged.chunk_by(|a, b| a.0.0[0] == b.0.0[0]).collect();
        by_folder.par_iter().try_for_each(|entries| self.place(entries, few))?;
        if few {
            sync_dir(&self.store.objects)?;
        } else {
            sync_file_system(&self.store.objects)?;
        }

        let bytes = staged.iter().map(|(_, s)| match s {
            Staged::File { bytes } | Staged::Source { bytes, .. } => bytes,
        });
        Ok(Persisted { objects: staged.len() as u64, bytes: bytes.sum() })
    }

    fn place(&self, entries: &[(Hash, Staged)], sync: bool) -> Result<(), StoreError> {
        let folder = self.store.path(&entries[0].0);
        let folder = folder.parent().expect("an object lies in a folder");
        fs::create_dir_all(folder).map_err(StoreError::io("create", folder))?;
        for (id, staged) in entries {
            let target = self.store.path(id);
            match staged {
                Staged::File { .. } => {
                    fs::rename(self.staged_path(id), &target).map_err(StoreError::io("create", &target))?;
                }
                Staged::Source { path, .. } => {
                    match fs::hard_link(path, &target) {
                        Ok(()) => {}
                        // Another process was faster with the same bytes.
                        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                        Err(e) => return Err(StoreError::io("hard-link an object to", path)(e)),
                    }
                    set_read_only(&target)?;
                    if sync {
                        let file = File::open(&target).map_err(StoreError::io("sync", &target))?;
                        file.sync_all().map_err(StoreError::io("sync", &target))?;
                    }
                }
            }
        }
        if sync { sync_dir(folder) } else { Ok(()) }
    }
}

fn set_read_only(path: &Path) -> Result<(), StoreError> {
    fs::set_permissions(path, Permissions::from_mode(READ_ONLY))
        .map_err(StoreError::io("make read-only", path))
}

fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(StoreError::io("sync", dir))
}

/// Writes out all that is pending on the file system that holds `dir`.
fn sync_file_system(dir: &Path) -> Result<(), StoreError> {
    let sync = || -> io::Result<()> {
        let dir = File::open(dir)?;
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(&dir)?;
        #[cfg(not(target_os = "linux"))]
        {
            drop(dir);
            rustix::fs::sync();
        }
        Ok(())
    };
    sync().map_err(StoreError::io("sync", dir))
}
