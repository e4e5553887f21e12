//! Immutable objects on disk, each named by the BLAKE3 hash of its bytes. Knows no record.
//!
//! `objects/ab/cdef…` is the object whose hash is `abcdef…`: a plain read-only file. Objects arrive
//! through a [`Batch`], which makes many of them durable with few syncs; nothing is ever overwritten.
//! Whatever is handed out has been hashed on the way and is what its name says.

mod batch;
mod error;
mod scratch;
mod slots;
mod state;

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rustix::fs::OFlags;

pub use batch::{Batch, LinkMode, Persisted};
pub use error::StoreError;
pub use scratch::Scratch;
pub use slots::Slots;
pub use state::FileState;

use crate::disk;
use crate::hash::{Hash, Hasher};

/// A folder of objects, and where new ones are staged.
#[derive(Debug, Clone)]
pub struct Store {
    objects: PathBuf,
    staging: PathBuf,
}

impl Store {
    /// The store whose objects lie in `objects`; new ones are staged in a folder `tmp` beside it.
    pub fn at(objects: &Path) -> Self {
        let parent = objects.parent().unwrap_or(Path::new("."));
        Store { objects: objects.to_owned(), staging: parent.join("tmp") }
    }

    /// Makes the folders of an empty store.
    pub fn create(&self) -> Result<(), StoreError> {
        for dir in [&self.objects, &self.staging] {
            disk::create_dir_all(dir).map_err(StoreError::io("create", dir))?;
        }
        Ok(())
    }

    /// The folder of the objects.
    pub fn objects(&self) -> &Path {
        &self.objects
    }

    /// Where the object lies, whether it is there or not.
    pub fn path(&self, id: &Hash) -> PathBuf {
        object_path(&self.objects, id)
    }

    /// Whether there is a file of this name; says nothing of its bytes.
    pub fn contains(&self, id: &Hash) -> bool {
        self.path(id).exists()
    }

    /// Size of the object in bytes.
    pub fn size(&self, id: &Hash) -> Result<u64, StoreError> {
        let path = self.path(id);
        fs::metadata(&path).map(|m| m.len()).map_err(|e| StoreError::open(*id, path, e))
    }

    /// Reads an object and checks its hash.
    pub fn read(&self, id: &Hash) -> Result<Vec<u8>, StoreError> {
        let path = self.path(id);
        let (mut file, metadata) =
            open(&path, OFlags::empty()).map_err(|e| StoreError::open(*id, path.clone(), e))?;
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        Read::take(&mut file, u64::MAX).read_to_end(&mut bytes).map_err(StoreError::io("read", &path))?;
        let found = Hash::of(&bytes);
        if found == *id { Ok(bytes) } else { Err(StoreError::Damaged { id: *id, path, found }) }
    }

    /// Hashes an object and returns its size in bytes. What has at most `keep` bytes is left in
    /// `buffer`, of what is larger nothing is.
    ///
    /// # Errors
    /// Also an object that is no read-only file of its own ([`StoreError::Exposed`]), which is looked at
    /// last: its bytes are right.
    pub fn verify(&self, id: &Hash, keep: u64, buffer: &mut Vec<u8>) -> Result<u64, StoreError> {
        let path = self.path(id);
        let (mut file, metadata) = match open(&path, OFlags::NOFOLLOW) {
            Err(_) if path.is_symlink() => {
                let found = "is a symbolic link".to_owned();
                return Err(StoreError::Exposed { id: *id, path, found });
            }
            opened => opened.map_err(|e| StoreError::open(*id, path.clone(), e))?,
        };
        buffer.clear();
        let mut hash = || -> std::io::Result<(u64, Hash)> {
            Read::take(&mut file, keep.saturating_add(1)).read_to_end(buffer)?;
            if buffer.len() as u64 <= keep {
                return Ok((buffer.len() as u64, Hash::of(buffer)));
            }
            let mut hasher = Hasher::name_only();
            hasher.update(buffer);
            buffer.clear();
            hasher.read(&mut file)?;
            Ok((hasher.bytes(), hasher.finish()))
        };
        let (bytes, found) = hash().map_err(StoreError::io("read", &path))?;
        if found != *id {
            return Err(StoreError::Damaged { id: *id, path, found });
        }
        match metadata.permissions().mode() & 0o777 {
            mode if mode & 0o222 == 0 && mode & 0o400 != 0 => Ok(bytes),
            mode => Err(StoreError::Exposed { id: *id, path, found: format!("has mode {mode:o}") }),
        }
    }

    /// The first bytes of an object, twelve or fewer, as they are.
    pub fn head(&self, id: &Hash) -> Result<Vec<u8>, StoreError> {
        let path = self.path(id);
        let mut head = Vec::with_capacity(12);
        let read = |(file, _): (fs::File, _)| file.take(12).read_to_end(&mut head);
        open(&path, OFlags::empty()).and_then(read).map_err(|e| StoreError::open(*id, path, e))?;
        Ok(head)
    }

    /// Removes an object for good, and returns its size in bytes. Nothing may name it any more.
    pub fn remove(&self, id: &Hash) -> Result<u64, StoreError> {
        let bytes = self.size(id)?;
        let path = self.path(id);
        disk::remove_file(&path).map_err(StoreError::io("remove", &path))?;
        Ok(bytes)
    }

    /// The objects, in order of their ids, and the files among them that are named like none.
    pub fn list(&self) -> Result<Listing, StoreError> {
        let folders: Vec<Listing> =
            entries(&self.objects)?.into_par_iter().map(list_folder).collect::<Result<_, _>>()?;
        let mut listing = Listing::default();
        for folder in folders {
            listing.objects.extend(folder.objects);
            listing.strangers.extend(folder.strangers);
        }
        listing.objects.sort_unstable();
        Ok(listing)
    }

    /// The objects whose id begins with the hex digits `prefix`, of which there must be two or more.
    pub fn matching(&self, prefix: &str) -> Result<Vec<Hash>, StoreError> {
        let Some((folder, rest)) = prefix.split_at_checked(2) else { return Ok(Vec::new()) };
        let dir = self.objects.join(folder);
        if !dir.is_dir() {
            return Ok(Vec::new());
        }
        let names = entries(&dir)?.into_iter().map(|(name, _)| name);
        let mut found: Vec<Hash> = names
            .filter(|name| name.starts_with(rest))
            .filter_map(|name| format!("{folder}{name}").parse().ok())
            .collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Time of the last change of an object's file or of its name there, in seconds since 1970. That it came
    /// in by a hard link is such a change.
    pub fn arrived(&self, id: &Hash) -> Result<i64, StoreError> {
        let path = self.path(id);
        fs::metadata(&path).map(|m| m.ctime()).map_err(|e| StoreError::open(*id, path, e))
    }

    /// A folder on the same file system for files on their way; it vanishes when dropped.
    pub fn scratch(&self) -> Result<Scratch, StoreError> {
        Scratch::new(&self.staging)
    }

    /// Begins to add objects.
    pub fn batch(&self) -> Result<Batch, StoreError> {
        Batch::new(self.clone())
    }
}

/// What a store holds.
#[derive(Debug, Default)]
pub struct Listing {
    /// Ids of the objects, ascending.
    pub objects: Vec<Hash>,
    /// Files in the folder of objects that are named like none.
    pub strangers: Vec<PathBuf>,
}

fn list_folder((prefix, dir): (String, PathBuf)) -> Result<Listing, StoreError> {
    let mut listing = Listing::default();
    if !dir.is_dir() {
        listing.strangers.push(dir);
        return Ok(listing);
    }
    for (rest, path) in entries(&dir)? {
        match format!("{prefix}{rest}").parse() {
            Ok(id) if prefix.len() == 2 => listing.objects.push(id),
            _ => listing.strangers.push(path),
        }
    }
    Ok(listing)
}

/// Opens a plain file for reading; a pipe or device in its place, which may never end, is an error.
fn open(path: &Path, flags: OFlags) -> std::io::Result<(fs::File, fs::Metadata)> {
    // Without NONBLOCK a pipe would wait for somebody to write to it.
    let flags = (flags | OFlags::NONBLOCK).bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(std::io::Error::other("it is not a file")) }
}

fn object_path(objects: &Path, id: &Hash) -> PathBuf {
    let name = id.to_string();
    objects.join(&name[..2]).join(&name[2..])
}

fn entries(dir: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let read = || -> std::io::Result<Vec<(String, PathBuf)>> {
        fs::read_dir(dir)?
            .map(|entry| entry.map(|e| (e.file_name().to_string_lossy().into_owned(), e.path())))
            .collect()
    };
    read().map_err(StoreError::io("list", dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(&dir.path().join("objects"));
        store.create().unwrap();
        (dir, store)
    }

    fn put(store: &Store, bytes: &[u8]) -> Hash {
        let batch = store.batch().unwrap();
        let id = batch.put(bytes).unwrap();
        batch.persist().unwrap();
        id
    }

    #[test]
    fn an_object_is_a_read_only_file_named_by_its_hash() {
        let (_dir, store) = store();
        let id = put(&store, b"hello");
        assert_eq!(id, Hash::of(b"hello"));
        assert_eq!(store.read(&id).unwrap(), b"hello");
        for (keep, left) in [(5, b"hello".as_slice()), (4, b"")] {
            let mut buffer = b"of another".to_vec();
            assert_eq!(store.verify(&id, keep, &mut buffer).unwrap(), 5);
            assert_eq!(buffer, left);
        }
        assert!(fs::metadata(store.path(&id)).unwrap().permissions().readonly());
        assert_eq!(store.list().unwrap().objects, [id]);
        assert_eq!(store.matching(&id.to_string()[..7]).unwrap(), [id]);
    }

    #[test]
    fn the_same_bytes_are_stored_once() {
        let (_dir, store) = store();
        put(&store, b"hello");
        let batch = store.batch().unwrap();
        batch.put(b"hello").unwrap();
        batch.put(b"again").unwrap();
        batch.put(b"again").unwrap();
        let persisted = batch.persist().unwrap();
        assert_eq!((persisted.objects, persisted.bytes), (1, 5));
    }

    #[test]
    fn a_dropped_batch_leaves_nothing() {
        let (dir, store) = store();
        store.batch().unwrap().put(b"hello").unwrap();
        assert!(store.list().unwrap().objects.is_empty());
        assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn a_batch_that_is_much_moves_on_the_way_and_is_counted_whole() {
        let (dir, store) = store();
        let batch = store.batch().unwrap();
        let add = |n: u32| batch.put(&n.to_le_bytes()).map(drop);
        (0..200).into_par_iter().try_for_each(add).unwrap();
        assert!(store.list().unwrap().objects.len() >= 1 << 7, "killed now, this much would stay");
        let persisted = batch.persist().unwrap();
        assert_eq!((persisted.objects, persisted.bytes), (200, 800));
        assert_eq!(store.list().unwrap().objects.len(), 200);
        assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_is_written_to_while_it_is_taken_in_is_refused() {
        let (dir, store) = store();
        let source = dir.path().join("source");
        fs::write(&source, b"one").unwrap();
        let (state, mut bytes) = (FileState::at(&source).unwrap(), Vec::new());
        assert_eq!(FileState::read(&source, 9, &mut bytes).unwrap(), state);
        fs::write(&source, b"other").unwrap();
        let batch = store.batch().unwrap();
        let refused = batch.put_file(&source, &state, &bytes, Hash::of(&bytes), LinkMode::Hardlink);
        assert!(matches!(refused, Err(StoreError::Changed(path)) if path == source));
    }

    #[test]
    fn damaged_missing_and_exposed_objects_are_named_and_restored() {
        let (dir, store) = store();
        let id = put(&store, b"hello");
        let path = store.path(&id);
        for found in ["has mode 644", "is a symbolic link"] {
            if found == "has mode 644" {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            } else {
                fs::rename(&path, dir.path().join("elsewhere")).unwrap();
                std::os::unix::fs::symlink(dir.path().join("elsewhere"), &path).unwrap();
            }
            let error = store.verify(&id, 0, &mut Vec::new()).unwrap_err().to_string();
            assert!(error.ends_with(found), "{error}");
            assert_eq!(store.read(&id).unwrap(), b"hello");
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(store.read(&id), Err(StoreError::Missing { id: missing, .. }) if missing == id));
        fs::write(&path, b"hellO").unwrap();
        for damaged in [store.read(&id).map(drop), store.verify(&id, 0, &mut Vec::new()).map(drop)] {
            assert!(matches!(damaged, Err(StoreError::Damaged { id: found, .. }) if found == id));
        }
        let batch = store.batch().unwrap();
        batch.put_anew(id, b"hello").unwrap();
        batch.persist().unwrap();
        assert_eq!(store.verify(&id, 0, &mut Vec::new()).unwrap(), 5);
    }

    #[test]
    fn files_come_in_by_link_and_become_read_only() {
        use std::os::unix::fs::MetadataExt;
        let (dir, store) = store();
        for (how, bytes) in
            [(LinkMode::Copy, b"one"), (LinkMode::Reflink, b"two"), (LinkMode::Hardlink, b"six")]
        {
            let source = dir.path().join("source");
            fs::write(&source, bytes).unwrap();
            let batch = store.batch().unwrap();
            let id = Hash::of(bytes);
            let state = FileState::at(&source).unwrap();
            batch.put_file(&source, &state, bytes, id, how).unwrap();
            batch.persist().unwrap();
            assert_eq!(store.read(&id).unwrap(), bytes);
            assert!(fs::metadata(store.path(&id)).unwrap().permissions().readonly());
            let linked = fs::metadata(store.path(&id)).unwrap().ino() == fs::metadata(&source).unwrap().ino();
            assert_eq!(linked, how == LinkMode::Hardlink);
            fs::remove_file(&source).unwrap();
        }
    }
}
