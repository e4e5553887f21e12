//! Files that an ingest has read before, so that the next one reads only what has changed.
//!
//! A cache, one file a set of paths in the registry's `cache/`: it may be deleted at any time, and one that
//! is not whole is not used. What it says of a file counts while the file looks as it did.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::disk;
use crate::hash::{Hash, Sha256};
use crate::records::Packed;
use crate::records::codec;
use crate::registry::Registry;
use crate::store::FileState;

const FOLDER: &str = "seen";

/// What is remembered of the files of an ingest.
pub(super) struct Seen {
    path: PathBuf,
    /// Time of the file system when it was opened, in seconds since 1970.
    begun: i64,
    files: HashMap<PathBuf, SeenFile>,
}

/// A file and the images in it: one, or those of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SeenFile {
    path: Vec<u8>,
    state: FileState,
    pub(super) images: Vec<SeenImage>,
}

/// An image as it was found to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SeenImage {
    pub(super) name: String,
    pub(super) blake3: Hash,
    pub(super) sha256: Sha256,
    pub(super) bytes: u64,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Hash of the decoded pixels, where they were decoded.
    pub(super) pixels: Option<Hash>,
}

/// The file's content; the BLAKE3 hash of its packed bytes stands behind them.
#[derive(Serialize, Deserialize)]
struct Content {
    files: Vec<SeenFile>,
}

impl Packed for Content {
    const KIND: &'static str = "list of seen files";
    const MAGIC: &'static [u8; 8] = b"regseenf";
}

impl SeenFile {
    pub(super) fn new(path: &Path, state: FileState, images: Vec<SeenImage>) -> Self {
        SeenFile { path: path.as_os_str().as_bytes().to_owned(), state, images }
    }
}

impl Seen {
    /// Opens what is remembered of these paths; of `paranoid`, nothing is.
    pub(super) fn open(registry: &Registry, paths: &[PathBuf], paranoid: bool) -> io::Result<Self> {
        let folder = registry.cache().join(FOLDER);
        disk::create_dir_all(&folder)?;
        let absolute: Vec<PathBuf> = paths.iter().map(std::path::absolute).collect::<Result<_, _>>()?;
        let key: Vec<&[u8]> = absolute.iter().map(|path| path.as_os_str().as_bytes()).collect();
        let path = folder.join(Hash::of(&key.join(&0)).to_string());
        let new = path.with_extension("new");
        disk::write_over(&new, b"")?;
        let begun = FileState::at(&new)?.modified();
        let content = if paranoid { None } else { load(&path) };
        let files = content.into_iter().flat_map(|content| content.files);
        let files = files.map(|file| (PathBuf::from(OsString::from_vec(file.path.clone())), file));
        Ok(Seen { path, begun, files: files.collect() })
    }

    /// The images of a file that is in `state`, if it was in that state when it was read.
    pub(super) fn images(&self, path: &Path, state: &FileState) -> Option<&[SeenImage]> {
        let path = std::path::absolute(path).ok()?;
        self.files.get(&path).filter(|file| file.state == *state).map(|file| file.images.as_slice())
    }

    /// Remembers these files instead. Files that were changed a moment ago could be changed again without
    /// looking different, so they are not remembered.
    pub(super) fn save(self, files: Vec<SeenFile>) -> io::Result<()> {
        let mut files: Vec<SeenFile> =
            files.into_iter().filter(|file| file.state.is_settled(self.begun)).collect();
        for file in &mut files {
            let path = PathBuf::from(OsString::from_vec(std::mem::take(&mut file.path)));
            file.path = std::path::absolute(path)?.into_os_string().into_vec();
        }
        let mut bytes = codec::pack(&Content { files }).map_err(io::Error::other)?;
        let sum = Hash::of(&bytes);
        bytes.extend(sum.0);
        let new = self.path.with_extension("new");
        disk::write_over(&new, &bytes)?;
        disk::rename(&new, &self.path)
    }
}

fn load(path: &Path) -> Option<Content> {
    let bytes = fs::read(path).ok()?;
    let (packed, sum) = bytes.split_last_chunk::<32>()?;
    if Hash::of(packed) != Hash(*sum) {
        return None;
    }
    codec::unpack(packed).ok()
}
