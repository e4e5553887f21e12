//! Files that earlier ingests have read, so that the next ingest reads only changed files.
//!
//! A cache with one file per set of paths in the registry's `cache/`. Each file may be deleted at any time; a
//! damaged one is not used. An entry is valid as long as the file looks unchanged.

use std::collections::HashMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::formats::ImageFormat;
use crate::disk::{self, Dir, PLAIN};
use crate::hash::{Hash, Sha256};
use crate::limits;
use crate::records::{ImageRow, Packed, codec};
use crate::registry::Registry;
use crate::store::FileState;

const FOLDER: &str = "seen";

/// An image as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Image {
    pub(super) blake3: Hash,
    pub(super) sha256: Sha256,
    pub(super) bytes: u64,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Hash of the decoded pixels, if they were decoded.
    pub(super) pixels: Option<Hash>,
    /// Whether it is a JPEG, and not a PNG.
    pub(super) jpeg: bool,
}

/// A file and the images in it by name: a single one, or those of an archive.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SeenFile {
    pub(super) state: FileState,
    pub(super) images: Vec<(String, Image)>,
}

/// The paths of an ingest, and the remembered files below them.
pub(super) struct SeenFiles<'a> {
    roots: &'a [PathBuf],
    folder: Dir,
    name: String,
    /// Time of the file system when it was opened, in seconds since 1970.
    begun: i64,
    files: HashMap<Vec<u8>, SeenFile>,
}

/// The content of a cache file; it is followed by the BLAKE3 hash of its packed bytes.
#[derive(Serialize, Deserialize)]
struct Content {
    files: Vec<(Vec<u8>, SeenFile)>,
}

impl Packed for Content {
    const KIND: &'static str = "list of seen files";
    const MAGIC: &'static [u8; 8] = b"regseen3";
}

impl<'a> SeenFiles<'a> {
    /// Opens the cache for these paths; with `paranoid`, it starts empty.
    pub(super) fn open(registry: &Registry, roots: &'a [PathBuf], paranoid: bool) -> io::Result<Self> {
        let folder = registry.cache_folder(FOLDER)?;
        let absolute: Vec<PathBuf> = roots.iter().map(std::path::absolute).collect::<Result<_, _>>()?;
        let key: Vec<&[u8]> = absolute.iter().map(|path| path.as_os_str().as_bytes()).collect();
        let name = Hash::of(&key.join(&0)).to_string();
        let begun = now(&folder)?;
        let content = if paranoid { None } else { load(&folder, &name) };
        let files = content.into_iter().flat_map(|content| content.files).collect();
        Ok(SeenFiles { roots, folder, name, begun, files })
    }

    /// Whether nothing is remembered.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The remembered content of a file in this state, if it had the same state when it was read.
    pub(super) fn file(&self, path: &Path, state: &FileState) -> Option<&SeenFile> {
        self.files.get(&self.key(path)).filter(|file| file.state == *state)
    }

    /// The number of the root and the path from there to the file.
    fn key(&self, path: &Path) -> Vec<u8> {
        let path = path.as_os_str().as_bytes();
        let below = |root: &PathBuf| path.strip_prefix(root.as_os_str().as_bytes());
        let found = (0u32..).zip(self.roots).find_map(|(number, root)| Some((number, below(root)?)));
        let (number, rest) = found.unwrap_or((u32::MAX, path));
        [&number.to_le_bytes(), rest].concat()
    }

    /// Replaces the remembered files by these. Files written a moment ago are left out, because they could
    /// change again without looking different. Files that were `linked` have the state that linking left.
    pub(super) fn save<'f>(
        self,
        files: impl Iterator<Item = (&'f Path, SeenFile)>,
        linked: bool,
    ) -> io::Result<()> {
        let settled = files.filter(|(_, file)| file.state.is_settled(self.begun));
        let as_linked = |(path, file): (&'f Path, SeenFile)| match linked {
            false => Some((path, file)),
            true => {
                let state = FileState::at(path).ok().filter(|now| now.has_content_of(&file.state))?;
                Some((path, SeenFile { state, ..file }))
            }
        };
        let files = settled.filter_map(as_linked).map(|(path, file)| (self.key(path), file)).collect();
        let mut bytes = codec::pack(&Content { files }).map_err(io::Error::other)?;
        let sum = Hash::of(&bytes);
        bytes.extend(sum.0);
        self.folder.replace(&self.name, &bytes)
    }
}

/// The time that the file system gives to what is written now, in seconds since 1970.
fn now(folder: &Dir) -> io::Result<i64> {
    let name = format!("now-{}", disk::random_name()?);
    folder.write_new(&name, b"", PLAIN)?;
    let now = folder.stat(&name)?.modified().0;
    folder.remove_file(&name)?;
    Ok(now)
}

fn load(folder: &Dir, name: &str) -> Option<Content> {
    let bytes = folder.read(name, limits::SEEN_FILES).ok()?;
    let (packed, sum) = bytes.split_last_chunk::<32>()?;
    if Hash::of(packed) != Hash(*sum) {
        return None;
    }
    codec::unpack(packed).ok()
}
impl Image {
    /// Its format.
    pub(super) fn format(&self) -> ImageFormat {
        if self.jpeg { ImageFormat::Jpeg } else { ImageFormat::Png }
    }

    /// Enters the file into a row.
    pub(super) fn describe(&self, row: &mut ImageRow) {
        row.object = Some(self.blake3);
        row.sha256 = self.sha256;
        row.bytes = self.bytes;
        (row.width, row.height) = (self.width, self.height);
    }
}
