//! Many objects made durable together: stage, sync, move into place, sync.
//!
//! Bytes are staged under `tmp/`, on the same file system, in folders like those of `objects/`. Nothing
//! lies in `objects/` under a name before its bytes are on the disk, so a crash leaves either the object
//! or nothing. A few files are synced one by one; for more, one sync of the file system is cheaper. A
//! folder that `objects/` does not have yet is moved as a whole.
//!
//! What is staged is moved whenever there is much of it, so that work which is killed has lost little: the
//! next try finds those objects.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, RwLock};

use rayon::prelude::*;

use super::{FileState, Scratch, Store, StoreError};
use crate::disk::{self, Dir};
use crate::hash::{Hash, Hasher};

pub(super) const READ_ONLY: u32 = 0o444;
/// Up to this many new objects are synced one by one.
const FEW: usize = 16;
/// What is staged is moved into place when it is this many objects, or bytes that were written.
const MANY: usize = if cfg!(test) { 1 << 7 } else { 1 << 17 };
const MUCH: u64 = 1 << 28;

/// How a file from outside becomes an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkMode {
    /// Its bytes are written again.
    Copy,
    /// It shares its blocks with the object until one of them is written; else copied.
    Reflink,
    /// It becomes the object: one file with two names. It loses the right to be written to, and gains none: who may not
    /// read it may not read the object.
    Hardlink,
}

/// Objects on their way into a store. Dropped without [`Batch::persist`], what was not moved yet vanishes.
pub struct Batch {
    store: Store,
    staging: Scratch,
    /// Held shared while something is staged, and alone to begin a new stage.
    stage: RwLock<Stage>,
    /// All that this batch was given and the store did not have.
    new: Mutex<HashSet<Hash>>,
    bytes: AtomicU64,
    linked: AtomicU64,
}

/// A folder of staged objects that will be moved together: one of those of the staging folder.
struct Stage {
    number: u32,
    staged: Mutex<Vec<Staged>>,
    bytes: AtomicU64,
}

#[derive(Clone, Copy)]
struct Staged {
    id: Hash,
    /// It is a file from outside with a second name, and not read-only yet.
    linked: bool,
}

/// What a batch added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Persisted {
    /// Objects that were not there before.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those of them that are files from outside, with a second name and read-only now.
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

    /// Adds `bytes`, also in the place of an object with other bytes: one that was damaged is sound again. It
    /// reads what is there, so it is for what is small.
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
            removed.map_err(StoreError::io("remove", &self.store.path(&id)))?;
        }
        self.write(id, bytes)
    }

    /// Adds an object of `size` bytes piece by piece, so that it is never whole in memory. `next` gives the
    /// pieces, and none behind the last. Threads may add at the same time.
    ///
    /// # Errors
    /// Among others, pieces that do not hash to `id` ([`StoreError::Damaged`]): nothing of them stays.
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
            let file = staging.create_new(&name, READ_ONLY).map_err(StoreError::io("create", &path))?;
            let mut hasher = Hasher::name_only();
            while let Some(piece) = next()? {
                let written = disk::write_at(&file, &path, hasher.bytes(), &piece);
                written.map_err(StoreError::io("write", &path))?;
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
            // What cannot be removed now goes with the folder.
            let _ = staging.remove_file(&name);
            return Err(e);
        }
        Ok(self.stage(id, size, false, |dir, staged| staging.rename(&name, dir, staged))?)
    }

    fn write(&self, id: Hash, bytes: &[u8]) -> Result<(), StoreError> {
        self.stage(id, bytes.len() as u64, false, |dir, path| dir.write_new(path, bytes, READ_ONLY))
    }

    /// Adds the file `source`, which was in `state` when its bytes were read, and they hash to `id`.
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
        // Behind a link lies a file of somebody else, whose mode a hard link would change.
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
            // Of a file that changes meanwhile, or is another one by now, the bytes that were hashed are written.
            LinkMode::Reflink => match reflink(source, state, dir, path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => dir.write_new(path, bytes, READ_ONLY),
                linked => linked,
            },
        })
        .map_err(|e| match e {
            // What the disk is short of, or a fault of a test, is no property of the file.
            StoreError::Io { source: ref e, .. } if linked && is_of_the_file(e) => {
                not_linked(disk::why_not_linked(source, self.staging.path(), e))
            }
            StoreError::Io { source: e, .. } if linked => StoreError::io("hard-link an object to", source)(e),
            e => e,
        })?;
        // Shared bytes must be those that were hashed.
        if how == LinkMode::Hardlink && !FileState::at(source).is_ok_and(|now| now.has_content_of(state)) {
            return Err(StoreError::Changed(source.to_owned()));
        }
        Ok(())
    }

    /// Notes an object; false if it is in the store or was given to the batch already. One that is there with
    /// another size is damaged, and is put in its place again.
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
                    staging.create_dir_all(dir).map_err(StoreError::io("create", &staging.path_of(dir)))?;
                    make(staging, &path)
                }
                other => other,
            };
            made.map_err(|e| StoreError::io("write", &staging.path_of(&path))(e))?;
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

    /// Makes what was added so far durable and puts it under its names, before anything that names it is added.
    pub fn settle(&self) -> Result<(), StoreError> {
        self.flush(|stage| !lock(&stage.staged).is_empty())
    }

    /// Makes all objects of the batch durable and puts them under their names.
    pub fn persist(self) -> Result<Persisted, StoreError> {
        self.settle()?;
        let objects = lock(&self.new).len() as u64;
        let [bytes, linked] = [&self.bytes, &self.linked].map(|sum| sum.load(Ordering::Relaxed));
        Ok(Persisted { objects, bytes, linked })
    }

    /// Moves what is staged so far, if `due` still says so, while others go on with a new stage.
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
        // Each folder is filled in one go.
        staged.sort_unstable_by_key(|staged| staged.id);
        let by_folder: Vec<&[Staged]> = staged.chunk_by(|a, b| a.id.0[0] == b.id.0[0]).collect();
        let few = staged.len() <= FEW;

        let staging = self.staging.dir();
        let io = |doing, path: &Path| StoreError::io(doing, &staging.path_of(path));
        staged.par_iter().filter(|staged| staged.linked).try_for_each(|staged| {
            let path = stage.path(&staged.id);
            take_write_bits(staging, &path).map_err(io("make read-only", &path))
        })?;
        if few {
            for path in staged.iter().map(|staged| stage.path(&staged.id)) {
                staging.sync_file(&path).map_err(io("sync", &path))?;
            }
        } else {
            staging.sync_file_system().map_err(io("sync", Path::new("")))?;
        }
        by_folder.par_iter().try_for_each(|entries| self.place(&stage, entries, few))?;
        if !few {
            return self.store.sync_all();
        }
        let objects = self.store.root.subdir(&self.store.name);
        objects.and_then(|objects| objects.sync_dir()).map_err(StoreError::io("sync", &self.store.objects))
    }

    /// Moves the staged objects of one folder to where they belong.
    fn place(&self, stage: &Stage, entries: &[Staged], sync: bool) -> Result<(), StoreError> {
        let parent = |path: PathBuf| path.parent().expect("an object lies in a folder").to_owned();
        let (staging, root) = (self.staging.dir(), &self.store.root);
        let (from, to) = (parent(stage.path(&entries[0].id)), parent(self.store.place(&entries[0].id)));
        let shown = root.path_of(&to);
        let create = |e| StoreError::io("create", &shown)(e);
        let mut there = None;
        if let Err(e) = staging.rename(&from, root, &to) {
            match e.kind() {
                // There is such a folder, with objects in it.
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {}
                // Or something that is none: opening it says what.
                io::ErrorKind::NotADirectory => {}
                _ => return Err(create(e)),
            }
            let (from, to) = (staging.subdir(&from).map_err(create)?, root.subdir(&to).map_err(create)?);
            for Staged { id, .. } in entries {
                let name = &id.to_string()[2..];
                let placed = from.rename(name, &to, name);
                placed.map_err(|e| StoreError::io("create", &self.store.path(id))(e))?;
            }
            there = Some(to);
        }
        match there {
            _ if !sync => Ok(()),
            Some(to) => to.sync_dir().map_err(StoreError::io("sync", &shown)),
            None => root.subdir(&to).and_then(|to| to.sync_dir()).map_err(StoreError::io("sync", &shown)),
        }
    }
}

/// Makes a file with a second name outside read-only. It keeps what of its rights to be read it had, and gains none.
fn take_write_bits(dir: &Dir, path: &Path) -> io::Result<()> {
    let (_, metadata) = dir.open_file(path)?;
    match metadata.permissions().mode() & 0o7777 {
        mode if mode & !READ_ONLY == 0 => Ok(()),
        mode => dir.set_mode(path, mode & READ_ONLY),
    }
}

/// Whether an error of a hard link comes from the file: its owner, its disk, its names.
fn is_of_the_file(e: &io::Error) -> bool {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, TooManyLinks, Unsupported};
    matches!(e.kind(), CrossesDevices | PermissionDenied | TooManyLinks | Unsupported)
}

/// Shares the blocks of a file from outside, if it is still as it was when it was read.
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

    /// Where an object is staged, from the staging folder.
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
