//! Immutable objects on disk, each named by the BLAKE3 hash of its bytes. This room knows nothing of records.
//!
//! `objects/ab/cdef…` is the object whose hash is `abcdef…`: a plain read-only file. Objects arrive
//! through a [`Batch`], which makes many of them durable with few syncs; nothing is ever overwritten.
//! Every object that is read is hashed, so its bytes match its name.

mod batch;
mod error;
mod scratch;
mod slots;
mod state;

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

pub use batch::{Batch, LinkMode, Persisted};
pub use error::StoreError;
pub use scratch::{Scratch, abandoned};
pub use slots::Slots;
pub use state::FileState;

use crate::disk::{self, Dir, Doing, FileStat, Refused};
use crate::hash::{Hash, Hasher};

/// Name of the folder of objects in a registry.
pub const OBJECTS: &str = "objects";
const STAGING: &str = "tmp";
/// An object with more bytes is hashed before it is read into memory.
const LARGE: u64 = 1 << 30;

/// A folder of objects, and the folder in which new objects are staged.
#[derive(Debug, Clone)]
pub struct Store {
    /// The folder that contains both.
    root: Dir,
    /// The name of the folder of objects in it.
    name: OsString,
    objects: PathBuf,
}

impl Store {
    /// The store whose objects are in `objects`; new objects are staged in a folder `tmp` next to `objects`. The parent
    /// folder must exist.
    pub fn open(objects: &Path) -> Result<Self, StoreError> {
        let root = objects.parent().unwrap_or(Path::new("."));
        let root = Dir::open(root).doing("open", root)?;
        let name = objects.file_name().unwrap_or(OBJECTS.as_ref());
        Ok(Store { root, name: name.to_owned(), objects: objects.to_owned() })
    }

    /// The store of a registry whose folder is open.
    pub fn within(root: &Dir) -> Self {
        Store { root: root.clone(), name: OBJECTS.into(), objects: root.path_of(OBJECTS) }
    }

    /// Makes the folders of an empty store.
    pub fn create(&self) -> Result<(), StoreError> {
        for dir in [self.name.as_os_str(), STAGING.as_ref()] {
            self.root.create_dir_all(dir).doing("create", &self.root.path_of(dir))?;
        }
        Ok(())
    }

    /// The folder of the objects.
    pub fn objects(&self) -> &Path {
        &self.objects
    }

    /// Path of the object, whether it exists or not: for messages and for other programs.
    pub fn path(&self, id: &Hash) -> PathBuf {
        self.root.path_of(self.place(id))
    }

    /// Path of the object, relative to the open folder.
    fn place(&self, id: &Hash) -> PathBuf {
        object_path(Path::new(&self.name), id)
    }

    /// Whether the object exists; its bytes are not checked.
    pub fn contains(&self, id: &Hash) -> bool {
        self.root.stat(self.place(id)).is_ok()
    }

    /// Metadata of an object's file.
    pub fn stat(&self, id: &Hash) -> Result<FileStat, StoreError> {
        let stat = self.root.stat(self.place(id)).map_err(|e| self.not_opened(id, e))?;
        if stat.is_link() { Err(self.is_link(id)) } else { Ok(stat) }
    }

    /// Size of the object in bytes.
    pub fn size(&self, id: &Hash) -> Result<u64, StoreError> {
        Ok(self.stat(id)?.len())
    }

    /// Opens the file of an object for reading. Its bytes are not checked.
    pub fn open_object(&self, id: &Hash) -> Result<(File, Metadata), StoreError> {
        self.root.open_file(self.place(id)).map_err(|e| match Refused::is_link(&e) {
            // A link in the place of a folder concerns all objects, and is an error of the registry.
            true if self.root.stat(self.place(id)).is_ok() => self.is_link(id),
            _ => self.not_opened(id, e),
        })
    }

    fn is_link(&self, id: &Hash) -> StoreError {
        StoreError::Exposed { id: *id, path: self.path(id), found: "is a symbolic link".to_owned() }
    }

    fn not_opened(&self, id: &Hash, e: io::Error) -> StoreError {
        StoreError::open(*id, self.path(id), e)
    }

    /// Reads an object and checks its hash.
    pub fn read(&self, id: &Hash) -> Result<Vec<u8>, StoreError> {
        let (mut file, metadata) = self.open_object(id)?;
        // A sparse file can have any length; then its bytes do not match its name.
        if metadata.len() > LARGE {
            match self.verify(id, 0, &mut Vec::new()) {
                // Its bytes are right.
                Err(StoreError::Exposed { .. }) => {}
                verified => drop(verified?),
            }
        }
        let mut bytes = Vec::new();
        let room = bytes.try_reserve_exact(usize::try_from(metadata.len()).unwrap_or(usize::MAX));
        let read = room.map_err(|_| io::ErrorKind::OutOfMemory.into());
        let read = read.and_then(|()| Read::take(&mut file, u64::MAX).read_to_end(&mut bytes));
        read.doing("read", &self.path(id))?;
        let found = Hash::of(&bytes);
        if found == *id {
            Ok(bytes)
        } else {
            Err(StoreError::Damaged { id: *id, path: self.path(id), found })
        }
    }

    /// Hashes an object and returns its size in bytes. The bytes of an object of at most `keep` bytes are left in
    /// `buffer`; otherwise `buffer` is empty.
    ///
    /// # Errors
    /// Also an object that is not a read-only plain file ([`StoreError::Exposed`]). This is checked last, so its bytes
    /// are right.
    pub fn verify(&self, id: &Hash, keep: u64, buffer: &mut Vec<u8>) -> Result<u64, StoreError> {
        let (mut file, metadata) = self.open_object(id)?;
        let path = || self.path(id);
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
        let (bytes, found) = hash().doing("read", &path())?;
        if found != *id {
            return Err(StoreError::Damaged { id: *id, path: path(), found });
        }
        match metadata.permissions().mode() & 0o777 {
            mode if mode & 0o222 == 0 && mode & 0o400 != 0 => Ok(bytes),
            mode => Err(StoreError::Exposed { id: *id, path: path(), found: format!("has mode {mode:o}") }),
        }
    }

    /// The first twelve bytes of an object, or fewer; they are not checked.
    pub fn head(&self, id: &Hash) -> Result<Vec<u8>, StoreError> {
        let mut head = Vec::with_capacity(12);
        let read = self.open_object(id)?.0.take(12).read_to_end(&mut head);
        read.map_err(|e| self.not_opened(id, e))?;
        Ok(head)
    }

    /// Gives an object's file a second name, which must be new.
    pub fn link_to(&self, id: &Hash, dir: &Dir, name: &str) -> io::Result<()> {
        self.root.hard_link(self.place(id), dir, name)
    }

    /// Removes an object permanently, and returns its size in bytes. No record may refer to it any more.
    pub fn remove(&self, id: &Hash) -> Result<u64, StoreError> {
        let bytes = self.size(id)?;
        self.root.remove_file(self.place(id)).doing("remove", &self.path(id))?;
        Ok(bytes)
    }

    /// Waits until all changes of the folder of objects are on the disk.
    pub fn sync_all(&self) -> Result<(), StoreError> {
        let synced = self.root.subdir(&self.name).and_then(|objects| objects.sync_file_system());
        Ok(synced.doing("sync", &self.objects)?)
    }

    /// The objects, sorted by id, and the files among them whose names are not ids.
    pub fn list(&self) -> Result<Listing, StoreError> {
        let objects = self.root.subdir(&self.name).doing("list", &self.objects)?;
        let folders = entries(&objects)?;
        let folders: Vec<Listing> =
            folders.into_par_iter().map(|folder| list_folder(&objects, folder)).collect::<Result<_, _>>()?;
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
        let path = Path::new(&self.name).join(folder);
        let dir = match self.root.subdir(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened.doing("list", &self.root.path_of(&path))?,
        };
        let names = entries(&dir)?.into_iter().map(|(name, _)| name);
        let mut found: Vec<Hash> = names
            .filter(|name| name.starts_with(rest))
            .filter_map(|name| format!("{folder}{name}").parse().ok())
            .collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Time of the last change of an object's file or of its names, in seconds since 1970. A hard link is such a
    /// change.
    pub fn arrived(&self, id: &Hash) -> Result<i64, StoreError> {
        Ok(self.stat(id)?.changed())
    }

    /// A temporary folder on the same file system; it is removed when dropped.
    pub fn scratch(&self) -> Result<Scratch, StoreError> {
        Scratch::new(&self.root, STAGING)
    }

    /// Begins to add objects.
    pub fn batch(&self) -> Result<Batch, StoreError> {
        Batch::new(self.clone())
    }
}

/// First part of the name of a head; a number of 20 digits follows.
pub const HEAD: &str = "head-";

/// Whether a name is that of a head.
pub fn is_head(name: &str) -> bool {
    name.strip_prefix(HEAD)
        .is_some_and(|digits| digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether a name is that of a head that is being written.
fn is_part_of_head(name: &str) -> bool {
    let head = name.strip_prefix('.').and_then(|rest| rest.split_once('.')).map(|(head, _)| head);
    head.is_some_and(|head| is_head(head) && disk::is_part_of(name.as_ref(), head))
}

/// What a store holds.
#[derive(Debug, Default)]
pub struct Listing {
    /// Ids of the objects, ascending.
    pub objects: Vec<Hash>,
    /// Files in the folder of objects whose names are not ids.
    pub strangers: Vec<PathBuf>,
}

fn list_folder(objects: &Dir, (prefix, is_dir): (String, bool)) -> Result<Listing, StoreError> {
    let mut listing = Listing::default();
    let path = objects.path_of(&prefix);
    let is_link = || objects.stat(&prefix).is_ok_and(|stat| stat.is_link());
    // The head of the history is among the objects, so that a backup of the objects includes it; see the room `index`.
    if (is_head(&prefix) || is_part_of_head(&prefix)) && !is_dir && !is_link() {
        return Ok(listing);
    }
    // A file named like a folder of objects would hide all of its objects.
    if !(is_dir || prefix.len() == 2 && is_link()) {
        listing.strangers.push(path);
        return Ok(listing);
    }
    let dir = objects.subdir(&prefix).doing("list", &path)?;
    for (rest, _) in entries(&dir)? {
        match format!("{prefix}{rest}").parse() {
            Ok(id) if prefix.len() == 2 => listing.objects.push(id),
            _ => listing.strangers.push(dir.path_of(rest)),
        }
    }
    Ok(listing)
}

fn object_path(objects: &Path, id: &Hash) -> PathBuf {
    let name = id.to_string();
    objects.join(&name[..2]).join(&name[2..])
}

fn entries(dir: &Dir) -> Result<Vec<(String, bool)>, StoreError> {
    let entries = dir.entries().doing("list", dir.path())?.into_iter();
    Ok(entries.map(|(name, is_dir)| (name.to_string_lossy().into_owned(), is_dir)).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("objects")).unwrap();
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
            // No link is followed, not even to the right bytes.
            assert_eq!(store.read(&id).is_ok(), found == "has mode 644");
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
