//! The images of an archive such as `images_001.tar.gz` or `archive.zip`, read without unpacking anything to disk: tar
//! (plain, gzip, xz, Zstandard) as a stream, zip member by member. What an archive is, its bytes say, not its name.

mod contents;
mod member;
mod tar_reader;
mod unpack;
mod zip_reader;

use std::fs::File;
use std::io::{Cursor, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::DatasetError;
use super::remarks::Remarks;
use crate::disk::FileError;
use crate::recognise::{FileKind, HEAD};

pub(super) use contents::contents;
use unpack::Compression;
pub(super) use unpack::Gunzip;

/// What an archive contains.
#[derive(Debug)]
pub struct Archived<T> {
    /// The images that were wanted, by their path in the archive, in its order, and what was made of each.
    pub images: Vec<(String, T)>,
    /// File names of the images that were not wanted.
    pub unwanted: Vec<String>,
    /// What else is in it and was not read.
    pub remarks: Remarks,
}

impl<T> Default for Archived<T> {
    fn default() -> Self {
        Archived { images: Vec::new(), unwanted: Vec::new(), remarks: Remarks::default() }
    }
}

/// A kind of archives that is read.
#[derive(Debug, Clone, Copy)]
enum ArchiveKind {
    Tar(Compression),
    Zip,
}

impl ArchiveKind {
    fn of(kind: FileKind) -> Option<Self> {
        Some(match kind {
            FileKind::Tar => ArchiveKind::Tar(Compression::None),
            FileKind::Gzip => ArchiveKind::Tar(Compression::Gzip),
            FileKind::Xz => ArchiveKind::Tar(Compression::Xz),
            FileKind::Zstd => ArchiveKind::Tar(Compression::Zstd),
            FileKind::Zip => ArchiveKind::Zip,
            _ => return None,
        })
    }
}

/// Whether a file of this kind is read as an archive.
pub(super) fn is_read(kind: FileKind) -> bool {
    ArchiveKind::of(kind).is_some()
}

/// Refuses a file that is not read as an archive, by its first bytes.
pub(super) fn check(path: &Path) -> Result<(), DatasetError> {
    match kind_of(path)? {
        kind if is_read(kind) => Ok(()),
        _ if zip_reader::is_part(path) => Err(DatasetError::PartOfZip { path: path.to_owned() }),
        found => Err(DatasetError::NotASource { path: path.to_owned(), found }),
    }
}

/// What a file is by its first bytes.
pub(super) fn kind_of(path: &Path) -> Result<FileKind, DatasetError> {
    let read = || {
        let mut head = Vec::new();
        File::open(path)?.take(HEAD as u64).read_to_end(&mut head)?;
        Ok(FileKind::of(&head))
    };
    read().map_err(|source| DatasetError::Read(FileError::new("read", path, source)))
}

/// Reads the images (`*.png`, `*.jpg`, `*.jpeg`) of an archive whose file names are `wanted`, and passes name and bytes
/// of each to `image`, on several threads; what that returns comes back in the archive's order. Folders inside the
/// archive do not matter for the name. A member whose name has no known ending is judged by its first bytes.
///
/// A tar archive is read to its end, so that a truncated or damaged one is detected, though late: what `image` did before
/// must be undoable or harmless. Images that wait for another thread take 32 MiB at most.
///
/// # Errors
/// Something else than an archive, or one that is damaged, truncated, without images, beyond the limits or with a refused
/// member; the first error of `image`, in the archive's order.
pub fn read<T: Send, E: From<DatasetError> + Send>(
    path: &Path,
    wanted: &(dyn Fn(&str) -> bool + Sync),
    image: &(impl Fn(&str, Vec<u8>) -> Result<T, E> + Sync),
) -> Result<Archived<T>, E> {
    let unreadable = |source| DatasetError::Read(FileError::new("read", path, source));
    let file = File::open(path).map_err(unreadable)?;
    let mut head = [0; HEAD];
    let mut filled = 0;
    loop {
        match file.read_at(&mut head[filled..], filled as u64).map_err(unreadable)? {
            0 => break,
            n => filled += n,
        }
    }
    let found = FileKind::of(&head[..filled]);
    match ArchiveKind::of(found) {
        Some(ArchiveKind::Tar(compression)) => tar_reader::read(file, compression, path, wanted, image),
        Some(ArchiveKind::Zip) => zip_reader::read(&file, path, wanted, image),
        None => Err(DatasetError::NotASource { path: path.to_owned(), found }.into()),
    }
}

/// Reads all images of an archive like [`read`], from any stream; `path` is used in messages. A zip archive cannot be
/// read from a stream, see [`read_zip`].
///
/// # Errors
/// Those of [`read`].
pub fn read_from<T: Send, E: From<DatasetError> + Send>(
    packed: impl Read,
    path: &Path,
    image: &(impl Fn(&str, Vec<u8>) -> Result<T, E> + Sync),
) -> Result<Archived<T>, E> {
    let unreadable = |source| DatasetError::Read(FileError::new("read", path, source));
    let (head, rest) = tar_reader::begun(packed).map_err(unreadable)?;
    let found = FileKind::of(&head);
    let packed = Cursor::new(head).chain(rest);
    match ArchiveKind::of(found) {
        Some(ArchiveKind::Tar(compression)) => tar_reader::read(packed, compression, path, &|_| true, image),
        _ => Err(DatasetError::NotASource { path: path.to_owned(), found }.into()),
    }
}

/// The file name of a member: what stands behind the last folder.
pub(super) fn file_name(member: &str) -> &str {
    member.rsplit('/').next().unwrap_or(member)
}

/// Reads all images of a zip archive like [`read`], from memory.
///
/// # Errors
/// Those of [`read`].
pub fn read_zip<T: Send, E: From<DatasetError> + Send>(
    packed: &[u8],
    path: &Path,
    image: &(impl Fn(&str, Vec<u8>) -> Result<T, E> + Sync),
) -> Result<Archived<T>, E> {
    zip_reader::read(packed, path, &|_| true, image)
}

/// Bytes of images that may wait for another thread; what is more is worked on by the thread that reads.
const AHEAD: u64 = 32 << 20;

/// Lets other threads work on images while an archive is read on. `read` passes name and bytes of each; once it gets
/// false, nothing more is wanted.
fn deliver<T: Send, E: Send>(
    image: &(impl Fn(&str, Vec<u8>) -> Result<T, E> + Sync),
    read: impl FnOnce(&mut dyn FnMut(String, Vec<u8>) -> bool) -> Result<(), E>,
) -> Result<Vec<(String, T)>, E> {
    let done = Mutex::new(Vec::new());
    let (waiting, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let work = |place: usize, name: String, bytes: Vec<u8>| {
        let made = image(file_name(&name), bytes);
        failed.fetch_or(made.is_err(), Ordering::Relaxed);
        done.lock().expect("no thread panics while it holds this lock").push((place, name, made));
    };
    let (work, waiting, failed) = (&work, &waiting, &failed);
    let read = rayon::in_place_scope(|scope| {
        let mut place = 0;
        read(&mut |name, bytes| {
            let (this, size) = (place, bytes.len() as u64);
            place += 1;
            if waiting.load(Ordering::Relaxed) + size > AHEAD {
                work(this, name, bytes);
            } else {
                waiting.fetch_add(size, Ordering::Relaxed);
                scope.spawn(move |_| {
                    work(this, name, bytes);
                    waiting.fetch_sub(size, Ordering::Relaxed);
                });
            }
            !failed.load(Ordering::Relaxed)
        })
    });
    let mut done = done.into_inner().expect("no thread panics while it holds this lock");
    done.sort_unstable_by_key(|(place, ..)| *place);
    let images = done.into_iter().map(|(_, name, made)| Ok((name, made?))).collect::<Result<_, E>>()?;
    read.map(|()| images)
}
