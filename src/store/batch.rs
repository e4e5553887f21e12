//! Many objects made durable together: stage, sync, move into place, sync.
//!
//! Bytes are staged under `tmp/`, on the same file system, in folders like those of `objects/`. Nothing
//! lies in `objects/` under a name before its bytes are on the disk, so a crash leaves either the object
//! or nothing. A few files are synced one by one; for more, one sync of the file system is cheaper. A
//! folder that `objects/` does not have yet is moved as a whole.
//!
//! Staged objects are moved whenever there are many of them, so that a killed process loses little: the next
//! attempt finds the objects that were moved.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, RwLock};

use rayon::prelude::*;

use super::{FileState, Scratch, Store, StoreError};
use crate::disk::{self, Dir, Doing, FileError};
use crate::hash::{Hash, Hasher};

pub(super) const READ_ONLY: u32 = 0o444;
/// Up to this many new objects are synced one by one.
const FEW: usize = 16;
/// Staged objects are moved into place when they are this many, or have this many bytes.
const MANY: usize = if cfg!(test) { 1 << 7 } else { 1 << 17 };
const MUCH: u64 = 1 << 28;

/// How a file from outside becomes an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkMode {
    /// Its bytes are written again.
    Copy,
    /// It shares its blocks with the object until one of the two is written; copied where the file system cannot share.
    Reflink,
    /// It becomes the object: one file with two names. The file becomes read-only and gains no permission: whoever may
    /// not read the file may not read the object.
    Hardlink,
}

/// Objects on their way into a store. If the batch is dropped without [`Batch::persist`], objects that were not moved
/// yet are lost.
pub struct Batch {
    store: Store,
    staging: Scratch,
    /// Held shared while an object is staged, and exclusively to begin a new stage.
    stage: RwLock<Stage>,
    /// All objects of this batch that the store did not have.
    new: Mutex<HashSet<Hash>>,
    bytes: AtomicU64,
    linked: AtomicU64,
}

/// A folder of staged objects that are moved together.
struct Stage {
    number: u32,
    staged: Mutex<Vec<Staged>>,
    bytes: AtomicU64,
}

#[derive(Clone, Copy)]
struct Staged {
    id: Hash,
    /// Whether the object is a file from outside with a second name that is not read-only yet.
    linked: bool,
}

/// What a batch added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Persisted {
    /// Number of objects that the store did not have.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Number of new objects that are hard links to files from outside, which are read-only now.
    pub linked: u64,
}

impl Batch {
    pub(super) fn new(store: Store) -> Result<Self, StoreError> {
        let staging = store.scratch()?;
        let stage = RwLock::new(Stage::new(0));
        Ok(Batch {
            store,
            staging,
            stage,
            new: Mutex::default(),
            bytes: AtomicU64::new(0),
            linked: AtomicU64::new(0),
        })
    }

    /// Adds `bytes`. Threads may add at the same time.
    pub fn put(&self, bytes: &[u8]) -> Result<Hash, StoreError> {
        let id = Hash::of(bytes);
        self.put_hashed(id, bytes)?;
        Ok(id)
    }

    /// Adds `bytes`, and replaces an object of this id that is damaged. The existing object is read for this check, so
    /// use this only for small objects.
    pub fn put_sound(&self, bytes: &[u8]) -> Result<Hash, StoreError> {
        let id = Hash::of(bytes);
        let given = || lock(&self.new).contains(&id);
        if self.begin(id, bytes.len() as u64) {
            self.write(id, bytes)?;
        } else if !given() && self.store.read(&id).ok().as_deref() != Some(bytes) {
            self.put_anew(id, bytes)?;
        }
        Ok(id)
    }

    /// Adds `bytes` that are known to hash to `id`.
    pub fn put_hashed(&self, id: Hash, bytes: &[u8]) -> Result<(), StoreError> {
        if self.begin(id, bytes.len() as u64) { self.write(id, bytes) } else { Ok(()) }
    }

    /// Adds `bytes`, which hash to `id`, in the place of an object that is damaged or missing.
    pub fn put_anew(&self, id: Hash, bytes: &[u8]) -> Result<(), StoreError> {
        let place = self.store.place(&id);
        // A folder of that name cannot be replaced by a file.
        if self.store.root.stat(&place).is_ok_and(|there| there.is_dir()) {
            let removed = self.store.root.remove_dir_all(&place);
            removed.doing("remove", &self.store.path(&id))?;
        }
        self.write(id, bytes)
    }

    /// Adds an object of `size` bytes piece by piece, so that the whole object is never in memory. `next` gives the
    /// pieces, and `None` after the last. Threads may add at the same time.
    ///
    /// # Errors
    /// Among others, pieces that do not hash to `id` ([`StoreError::Damaged`]); no piece is kept.
    pub fn put_pieces<E: From<StoreError>>(
        &self,
        id: Hash,
        size: u64,
        mut next: impl FnMut() -> Result<Option<Vec<u8>>, E>,
    ) -> Result<(), E> {
        if !self.begin(id, size) {
            return Ok(());
        }
        let (staging, name) = (self.staging.dir(), format!("pieces-{id}"));
        let path = staging.path_of(&name);
        let mut write = || -> Result<Hash, E> {
            let file =
                staging.create_new(&name, READ_ONLY).doing("create", &path).map_err(StoreError::from)?;
            let mut hasher = Hasher::name_only();
            while let Some(piece) = next()? {
                let written = disk::write_at(&file, &path, hasher.bytes(), &piece);
                written.doing("write", &path).map_err(StoreError::from)?;
                hasher.update(&piece);
            }
            Ok(hasher.finish())
        };
        let written = write().and_then(|found| match found == id {
            true => Ok(()),
            false => Err(StoreError::Damaged { id, path: path.clone(), found }.into()),
        });
        if let Err(e) = written {
            lock(&self.new).remove(&id);
            // A file that cannot be removed now is removed with the folder.
            let _ = staging.remove_file(&name);
            return Err(e);
        }
        Ok(self.stage(id, size, false, |dir, staged| staging.rename(&name, dir, staged))?)
    }

    fn write(&self, id: Hash, bytes: &[u8]) -> Result<(), StoreError> {
        self.stage(id, bytes.len() as u64, false, |dir, path| dir.write_new(path, bytes, READ_ONLY))
    }

    /// Adds the file `source`, which was in `state` when its bytes were read and hashed to `id`.
    ///
    /// # Errors
    /// Among others, a file that has been written to since.
    pub fn put_file(
        &self,
        source: &Path,
        state: &FileState,
        bytes: &[u8],
        id: Hash,
        how: LinkMode,
    ) -> Result<(), StoreError> {
        if !self.begin(id, bytes.len() as u64) {
            return Ok(());
        }
        // A symbolic link leads to a file whose mode a hard link would change, possibly somebody else's.
        let how = if how == LinkMode::Hardlink && source.is_symlink() { LinkMode::Copy } else { how };
        let linked = how == LinkMode::Hardlink;
        let not_linked = |why| StoreError::NotLinked { path: source.to_owned(), why };
        if linked && let Some(why) = disk::not_ours(source) {
            lock(&self.new).remove(&id);
            return Err(not_linked(why));
        }
        self.stage(id, bytes.len() as u64, linked, |dir, path| match how {
            LinkMode::Copy => dir.write_new(path, bytes, READ_ONLY),
            LinkMode::Hardlink => dir.link_from(source, path),
            // If the file has changed or was replaced meanwhile, the bytes that were hashed are written.
            LinkMode::Reflink => match reflink(source, state, dir, path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => dir.write_new(path, bytes, READ_ONLY),
                linked => linked,
            },
        })
        .map_err(|e| match e {
            // A full disk, or a fault of a test, says nothing about the file.
            StoreError::Io(ref e) if linked && is_of_the_file(&e.source) => {
                not_linked(disk::why_not_linked(source, self.staging.path(), &e.source))
            }
            StoreError::Io(e) if linked => FileError::new("hard-link an object to", source, e.source).into(),
            e => e,
        })?;
        // Shared bytes must be those that were hashed.
        if how == LinkMode::Hardlink && !FileState::at(source).is_ok_and(|now| now.has_content_of(state)) {
            return Err(StoreError::Changed(source.to_owned()));
        }
        Ok(())
    }

    /// Notes an object; false if the store has it or it was added to the batch already. An existing object of another
    /// size is damaged, and is replaced.
    fn begin(&self, id: Hash, bytes: u64) -> bool {
        let there = self.store.stat(&id).is_ok_and(|stat| stat.is_file() && stat.len() == bytes);
        !there && lock(&self.new).insert(id)
    }

    fn stage(
        &self,
        id: Hash,
        bytes: u64,
        linked: bool,
        make: impl Fn(&Dir, &Path) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        let full = {
            let stage = self.stage.read().expect("no thread panics while it holds this lock");
            let (staging, path) = (self.staging.dir(), stage.path(&id));
            let made = match make(staging, &path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    let dir = path.parent().expect("an object lies in a folder");
                    staging.create_dir_all(dir).doing("create", &staging.path_of(dir))?;
                    make(staging, &path)
                }
                other => other,
            };
            made.doing("write", &staging.path_of(&path))?;
            lock(&stage.staged).push(Staged { id, linked });
            if linked {
                self.linked.fetch_add(1, Ordering::Relaxed);
            } else {
                stage.bytes.fetch_add(bytes, Ordering::Relaxed);
            }
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            stage.is_full()
        };
        if full { self.flush(Stage::is_full) } else { Ok(()) }
    }

    /// Makes the objects that were added so far durable and moves them into place, before records that refer to them
    /// are added.
    pub fn settle(&self) -> Result<(), StoreError> {
        self.flush(|stage| !lock(&stage.staged).is_empty())
    }

    /// Makes all objects of the batch durable and moves them into place.
    pub fn persist(self) -> Result<Persisted, StoreError> {
        self.settle()?;
        let objects = lock(&self.new).len() as u64;
        let [bytes, linked] = [&self.bytes, &self.linked].map(|sum| sum.load(Ordering::Relaxed));
        Ok(Persisted { objects, bytes, linked })
    }

    /// Moves the staged objects, if `due` is still true, while other threads continue with a new stage.
    fn flush(&self, due: impl Fn(&Stage) -> bool) -> Result<(), StoreError> {
        let stage = {
            let mut stage = self.stage.write().expect("no thread panics while it holds this lock");
            if !due(&stage) {
                return Ok(());
            }
            let next = Stage::new(stage.number + 1);
            std::mem::replace(&mut *stage, next)
        };
        let mut staged = std::mem::take(&mut *lock(&stage.staged));
        // Each folder is filled at once.
        staged.sort_unstable_by_key(|staged| staged.id);
        let by_folder: Vec<&[Staged]> = staged.chunk_by(|a, b| a.id.0[0] == b.id.0[0]).collect();
        let few = staged.len() <= FEW;

        let staging = self.staging.dir();
        staged.par_iter().filter(|staged| staged.linked).try_for_each(|staged| {
            let path = stage.path(&staged.id);
            take_write_bits(staging, &path).doing("make read-only", &staging.path_of(&path))
        })?;
        if few {
            for path in staged.iter().map(|staged| stage.path(&staged.id)) {
                staging.sync_file(&path).doing("sync", &staging.path_of(&path))?;
            }
        } else {
            staging.sync_file_system().doing("sync", staging.path())?;
        }
        by_folder.par_iter().try_for_each(|entries| self.place(&stage, entries, few))?;
        if !few {
            return self.store.sync_all();
        }
        let objects = self.store.root.subdir(&self.store.name);
        Ok(objects.and_then(|objects| objects.sync_dir()).doing("sync", &self.store.objects)?)
    }

    /// Moves the staged objects of one folder into place.
    fn place(&self, stage: &Stage, entries: &[Staged], sync: bool) -> Result<(), StoreError> {
        let parent = |path: PathBuf| path.parent().expect("an object lies in a folder").to_owned();
        let (staging, root) = (self.staging.dir(), &self.store.root);
        let (from, to) = (parent(stage.path(&entries[0].id)), parent(self.store.place(&entries[0].id)));
        let shown = root.path_of(&to);
        let create = |e| StoreError::from(FileError::new("create", &shown, e));
        let mut there = None;
        if let Err(e) = staging.rename(&from, root, &to) {
            match e.kind() {
                // The folder exists and has objects in it.
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {}
                // Or it is not a folder: opening it gives the reason.
                io::ErrorKind::NotADirectory => {}
                _ => return Err(create(e)),
            }
            let (from, to) = (staging.subdir(&from).map_err(create)?, root.subdir(&to).map_err(create)?);
            for Staged { id, .. } in entries {
                let name = &id.to_string()[2..];
                let placed = from.rename(name, &to, name);
                placed.doing("create", &self.store.path(id))?;
            }
            there = Some(to);
        }
        match there {
            _ if !sync => Ok(()),
            Some(to) => Ok(to.sync_dir().doing("sync", &shown)?),
            None => Ok(root.subdir(&to).and_then(|to| to.sync_dir()).doing("sync", &shown)?),
        }
    }
}

/// Makes a file with a second name outside read-only. Its read permissions stay as they are.
fn take_write_bits(dir: &Dir, path: &Path) -> io::Result<()> {
    let (_, metadata) = dir.open_file(path)?;
    match metadata.permissions().mode() & 0o7777 {
        mode if mode & !READ_ONLY == 0 => Ok(()),
        mode => dir.set_mode(path, mode & READ_ONLY),
    }
}

/// Whether an error of a hard link is due to the file: its owner, its disk, its number of names.
fn is_of_the_file(e: &io::Error) -> bool {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, TooManyLinks, Unsupported};
    matches!(e.kind(), CrossesDevices | PermissionDenied | TooManyLinks | Unsupported)
}

/// Shares the blocks of a file from outside, if the file has not changed since it was read.
fn reflink(source: &Path, state: &FileState, dir: &Dir, path: &Path) -> io::Result<()> {
    let file = File::open(source)?;
    let is_same = || Ok::<_, io::Error>(FileState::of_file(&file)?.has_content_of(state));
    let changed = || io::Error::from(io::ErrorKind::ResourceBusy);
    if !is_same()? {
        return Err(changed());
    }
    dir.reflink(&file, path, READ_ONLY)?;
    if is_same()? {
        return Ok(());
    }
    dir.remove_file(path)?;
    Err(changed())
}

impl Stage {
    fn new(number: u32) -> Self {
        Stage { number, staged: Mutex::default(), bytes: AtomicU64::new(0) }
    }

    /// Path of a staged object, relative to the staging folder.
    fn path(&self, id: &Hash) -> PathBuf {
        super::object_path(Path::new(&self.number.to_string()), id)
    }

    fn is_full(&self) -> bool {
        lock(&self.staged).len() >= MANY || self.bytes.load(Ordering::Relaxed) >= MUCH
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics while it holds this lock")
}
