//! A data set comes in: metadata read, images matched, checked, hashed and stored, then registered at
//! once. If anything fails, nothing is registered and nothing staged stays.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::png::{self, PngError};
use super::seen::{Seen, SeenFile, SeenImage};
use super::source::{Found, ImageFile, find_images};
use super::{DatasetError, archive, boxes, labels, metadata, pixels};
use crate::hash::{Digest, Hash, Id};
use crate::progress::{Progress, Unit};
use crate::records::{AgeRange, Dataset, ImageRow, Manifest};
use crate::registry::{Registry, RegistryError, Stamp, Transaction};
use crate::store::{FileState, Link, Persisted, StoreError};

/// Cases that a message names; the rest is counted.
const NAMED: usize = 5;

/// What to ingest, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// Folders, images, archives. None for metadata only.
    pub paths: Vec<PathBuf>,
    /// The metadata CSV.
    pub metadata: PathBuf,
    /// The box list.
    pub boxes: Option<PathBuf>,
    /// Name of the data set.
    pub name: Option<String>,
    /// How image files become objects.
    pub link: Link,
    /// Go on when metadata rows have no image.
    pub allow_missing: bool,
    /// Register the rows without images.
    pub metadata_only: bool,
    /// Decode every image, not only walk through its chunks.
    pub decode: bool,
    /// Read every file again, also those that look as they did when they were read before.
    pub paranoid: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Ingested {
    /// The data set.
    pub id: Id<Dataset>,
    /// Its record.
    pub dataset: Dataset,
    /// What was new.
    pub persisted: Persisted,
    /// Files that looked as they did when they were read before, and were not read again.
    pub unchanged: u64,
    /// What is odd but clear enough to go on with, a sentence each.
    pub findings: Vec<String>,
}

/// Why nothing was registered.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The metadata, the box list or the paths.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Images that are not intact PNGs.
    #[error("{} not intact: {}", count(.0.len(), "image is", "images are"), first(.0.iter().map(|(path, e)| format!("{} {e}", path.display()))))]
    BadImages(Vec<(PathBuf, BadImage)>),
    /// Metadata rows without image.
    #[error("{} of {} has no image: {}", count(*missing, "row", "rows"), path.display(), names.join(", ") + if names.len() < *missing { ", …" } else { "" })]
    Missing {
        /// The metadata.
        path: PathBuf,
        /// How many.
        missing: usize,
        /// The first of them.
        names: Vec<String>,
    },
    /// Two different files of one name.
    #[error("{} and {} have the same name and different bytes", .0.display(), .1.display())]
    TwoOfOneName(PathBuf, PathBuf),
    /// No image fits any row.
    #[error("none of the {images} images found has a row in {}", path.display())]
    NothingMatches {
        /// Images found.
        images: usize,
        /// The metadata.
        path: PathBuf,
    },
}

/// What is wrong with an image.
#[derive(Debug, thiserror::Error)]
pub enum BadImage {
    /// Its chunks.
    #[error("{0}")]
    Png(#[from] PngError),
    /// Its pixels.
    #[error("{0}")]
    Pixels(#[from] pixels::PixelError),
}

fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

fn first(cases: impl Iterator<Item = String>) -> String {
    let cases: Vec<String> = cases.collect();
    let rest = if cases.len() > NAMED { "; …" } else { "" };
    cases.into_iter().take(NAMED).collect::<Vec<_>>().join("; ") + rest
}

impl IngestError {
    /// What might help.
    pub fn hint(&self) -> Option<String> {
        match self {
            IngestError::Dataset(e) => e.hint(),
            IngestError::Missing { .. } => {
                Some("with --allow-missing, the data set holds the images that are there".to_owned())
            }
            IngestError::BadImages(_) => {
                Some("nothing was registered; fetch these images again or move them away".to_owned())
            }
            IngestError::NothingMatches { .. } => Some(
                "does the metadata belong to these images? its column `Image Index` holds file names"
                    .to_owned(),
            ),
            IngestError::TwoOfOneName(..) => Some("move one of them away".to_owned()),
            IngestError::Registry(_) => None,
        }
    }
}

/// Ingests a data set: reads, checks and stores everything, then registers it.
///
/// The same files and metadata give the same id, whatever the order of rows, folders or threads.
pub fn ingest(
    registry: &Registry,
    request: &Request,
    stamp: &Stamp,
    progress: &dyn Progress,
) -> Result<Ingested, IngestError> {
    let mut findings = Vec::new();
    let metadata_bytes = read(&request.metadata)?;
    let table = metadata::read(&metadata_bytes, &request.metadata)?;
    findings.extend(table.findings.iter().map(ToString::to_string));
    let boxes_bytes = request.boxes.as_deref().map(read).transpose()?;
    let entries = match (&boxes_bytes, &request.boxes) {
        (Some(bytes), Some(path)) => Some(boxes::read(bytes, path)?),
        _ => None,
    };

    let mut transaction = registry.transaction()?;
    let mut rows = table.rows;
    let (mut missing, mut unchanged, mut seen) = (0, 0, None);
    if !request.metadata_only {
        let found = find_images(&request.paths)?;
        let cache = Seen::open(registry, &request.paths, request.paranoid)
            .map_err(|source| RegistryError::Io { doing: "write to", path: registry.cache(), source })?;
        let taking = Taking { registry, transaction: &transaction, cache: &cache, request, progress };
        let taken = taking.all(&found, &rows)?;
        findings.extend(taken.findings);
        missing = taken.images.fill(&mut rows, request)?;
        unchanged = taken.unchanged;
        seen = Some((cache, taken.files));
    }
    rows.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    findings.extend(same_bytes(&rows));

    let manifest = Manifest { rows };
    let metadata = transaction.put_outside(&metadata_bytes)?;
    let (mut boxes_file, mut packed_boxes) = (None, None);
    if let (Some(bytes), Some(entries)) = (boxes_bytes, entries) {
        let (boxes, elsewhere) = boxes::of_manifest(&entries, &manifest);
        if elsewhere > 0 {
            findings.push(format!(
                "{} of images that are not in this data set, left out",
                count(elsewhere, "box", "boxes")
            ));
        }
        boxes_file = Some(transaction.put_outside(&bytes)?);
        packed_boxes = Some(transaction.put_packed(&boxes)?);
    }
    let ages = manifest.rows.iter().filter_map(ImageRow::plausible_age);
    let mut patients: Vec<u32> = manifest.rows.iter().map(|row| row.patient).collect();
    patients.sort_unstable();
    patients.dedup();
    let dataset = Dataset {
        source: "ChestX-ray14".to_owned(),
        labels: labels::names(),
        manifest: transaction.put_packed(&manifest)?,
        metadata,
        boxes_file,
        boxes: packed_boxes,
        metadata_only: request.metadata_only,
        images: manifest.rows.len() as u64,
        patients: patients.len() as u64,
        bytes: manifest.rows.iter().map(|row| row.bytes).sum(),
        missing: missing as u64,
        age: ages.clone().min().zip(ages.max()).map(|(min, max)| AgeRange { min, max }),
        impossible_ages: manifest
            .rows
            .iter()
            .filter(|row| row.age.is_some() && row.plausible_age().is_none())
            .count() as u64,
    };
    let id = transaction.put(&dataset)?;
    if let Some(name) = &request.name {
        transaction.name(name, id.hash)?;
    }
    let committed = transaction.commit(stamp)?;
    if let Some((cache, files)) = seen {
        // A lost cache costs time and nothing else.
        let _ = cache.save(files);
    }
    Ok(Ingested { id, dataset, persisted: committed.persisted, unchanged, findings })
}

fn read(path: &Path) -> Result<Vec<u8>, IngestError> {
    Ok(fs::read(path).map_err(|source| DatasetError::Read { path: path.to_owned(), source })?)
}

/// What an image file says of itself.
struct Image {
    digest: Digest,
    width: u32,
    height: u32,
    /// Hash of the decoded pixels, where they were decoded.
    pixels: Option<Hash>,
    path: PathBuf,
}

struct Images {
    by_name: HashMap<String, Image>,
    without_row: usize,
}

/// Images on their way into a registry.
#[derive(Clone, Copy)]
struct Taking<'a> {
    registry: &'a Registry,
    transaction: &'a Transaction<'a>,
    cache: &'a Seen,
    request: &'a Request,
    progress: &'a dyn Progress,
}

/// What came of them.
struct Taken {
    images: Images,
    files: Vec<SeenFile>,
    unchanged: u64,
    findings: Vec<String>,
}

/// What one file, or one archive, holds.
#[derive(Default)]
struct Content {
    images: Vec<(String, Image)>,
    bad: Vec<(PathBuf, BadImage)>,
    /// Images that no row names.
    without: Vec<String>,
    state: Option<FileState>,
    unchanged: bool,
}

impl Taking<'_> {
    fn all(self, found: &Found, rows: &[ImageRow]) -> Result<Taken, IngestError> {
        let known: HashSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        let (wanted, without): (Vec<_>, Vec<_>) =
            found.images.iter().partition(|image| known.contains(image.name.as_str()));
        // Fail before an hour of copying, not behind it.
        let all_found = found.archives.is_empty() && !wanted.is_empty();
        if all_found && wanted.len() < rows.len() && !self.request.allow_missing {
            let there: HashSet<&str> = wanted.iter().map(|image| image.name.as_str()).collect();
            let rows = rows.iter().filter(|row| !there.contains(row.name.as_str()));
            return Err(missing(rows, self.request));
        }

        self.progress.begin("ingest", Unit::Items, wanted.len() as u64);
        // One buffer for many images.
        let contents = wanted.par_iter().map_init(Vec::new, |bytes, image| self.file(image, bytes));
        let mut contents: Vec<(&Path, Content)> = wanted
            .iter()
            .map(|image| image.path.as_path())
            .zip(contents.collect::<Result<Vec<_>, IngestError>>()?)
            .collect();
        self.progress.end();
        if !found.archives.is_empty() {
            self.progress.begin("ingest archives", Unit::Items, 0);
            let archives =
                found.archives.par_iter().map(|path| Ok((path.as_path(), self.archive(path, &known)?)));
            contents.extend(archives.collect::<Result<Vec<_>, IngestError>>()?);
            self.progress.end();
        }

        let mut findings = Vec::new();
        let mut without: Vec<String> = without.iter().map(|image| image.name.clone()).collect();
        let (mut files, mut unchanged, mut bad) = (Vec::new(), 0, Vec::new());
        let mut by_name: HashMap<String, Image> = HashMap::with_capacity(rows.len());
        for (path, content) in contents {
            bad.extend(content.bad);
            without.extend(content.without);
            unchanged += u64::from(content.unchanged);
            if let Some(state) = content.state {
                let images = content.images.iter().map(|(name, image)| image.remember(name)).collect();
                files.push(SeenFile::new(path, state, images));
            }
            for (name, image) in content.images {
                match by_name.get(&name) {
                    Some(other) if other.digest != image.digest => {
                        return Err(IngestError::TwoOfOneName(other.path.clone(), image.path));
                    }
                    Some(_) => {}
                    None => drop(by_name.insert(name, image)),
                }
            }
        }
        if !bad.is_empty() {
            return Err(IngestError::BadImages(bad));
        }
        for (kept, other) in &found.duplicates {
            if read(kept)? != read(other)? {
                return Err(IngestError::TwoOfOneName(kept.clone(), other.clone()));
            }
            findings.push(format!(
                "{} and {} are the same image, taken once",
                kept.display(),
                other.display()
            ));
        }
        if !without.is_empty() {
            let named = first(without.iter().cloned());
            findings.push(format!(
                "{} no row in the metadata, not ingested: {named}",
                count(without.len(), "image has", "images have")
            ));
        }
        findings.extend(same_pixels(&by_name));
        let images = Images { by_name, without_row: without.len() };
        Ok(Taken { images, files, unchanged, findings })
    }

    fn file(self, image: &ImageFile, bytes: &mut Vec<u8>) -> Result<Content, IngestError> {
        let (path, name) = (&image.path, &image.name);
        let unreadable = |source| DatasetError::Read { path: path.clone(), source };
        self.progress.advance(1);
        if let Some(content) = self.unchanged(path, |_| true).map_err(unreadable)? {
            return Ok(content);
        }
        let state = FileState::read(path, bytes).map_err(unreadable)?;
        let mut content = Content { state: Some(state), ..Content::default() };
        match look(bytes, path, self.request.decode) {
            Ok(seen) => {
                self.transaction.put_file(path, &state, bytes, &seen.digest, self.request.link)?;
                content.images.push((name.clone(), seen));
            }
            Err(e) => content.bad.push((path.clone(), e)),
        }
        Ok(content)
    }

    fn archive(self, path: &Path, known: &HashSet<&str>) -> Result<Content, IngestError> {
        let unreadable = |source| DatasetError::Read { path: path.to_owned(), source };
        // An image that was passed over for want of a row is not remembered.
        let complete = |images: &[SeenImage]| images.iter().all(|image| known.contains(image.name.as_str()));
        if let Some(content) = self.unchanged(path, complete).map_err(unreadable)? {
            return Ok(content);
        }
        let state = FileState::at(path).map_err(unreadable)?;
        let mut content = Content::default();
        archive::read(path, |name, bytes| -> Result<(), IngestError> {
            self.progress.advance(1);
            let inside = path.join(name);
            if !known.contains(name) {
                content.without.push(name.to_owned());
                return Ok(());
            }
            match look(&bytes, &inside, self.request.decode) {
                Err(e) => content.bad.push((inside, e)),
                Ok(seen) => {
                    self.transaction.put_hashed(&bytes, &seen.digest)?;
                    content.images.push((name.to_owned(), seen));
                }
            }
            Ok(())
        })?;
        if FileState::at(path).map_err(unreadable)? != state {
            return Err(RegistryError::Store(StoreError::Changed(path.to_owned())).into());
        }
        content.state = content.without.is_empty().then_some(state);
        Ok(content)
    }

    /// What a file held when it was last read, if it still looks as it did, that will do, and the store has
    /// all of it.
    fn unchanged(
        self,
        path: &Path,
        will_do: impl FnOnce(&[SeenImage]) -> bool,
    ) -> std::io::Result<Option<Content>> {
        let state = FileState::at(path)?;
        let Some(images) = self.cache.images(path, &state) else { return Ok(None) };
        let store = self.registry.store();
        let there = |image: &SeenImage| {
            (image.pixels.is_some() || !self.request.decode) && store.contains(&image.blake3)
        };
        if !images.iter().all(there) || !will_do(images) {
            return Ok(None);
        }
        let images =
            images.iter().map(|image| (image.name.clone(), Image::remembered(image, path))).collect();
        Ok(Some(Content { images, state: Some(state), unchanged: true, ..Content::default() }))
    }
}

fn look(bytes: &[u8], path: &Path, decode: bool) -> Result<Image, BadImage> {
    let info = png::check(bytes)?;
    let pixels = if decode { Some(Hash::of(&pixels::decode(bytes)?.data)) } else { None };
    Ok(Image {
        digest: Digest::of(bytes),
        width: info.width,
        height: info.height,
        pixels,
        path: path.to_owned(),
    })
}

impl Image {
    fn remember(&self, name: &str) -> SeenImage {
        SeenImage {
            name: name.to_owned(),
            blake3: self.digest.blake3,
            sha256: self.digest.sha256,
            bytes: self.digest.bytes,
            width: self.width,
            height: self.height,
            pixels: self.pixels,
        }
    }

    fn remembered(image: &SeenImage, path: &Path) -> Self {
        Image {
            digest: Digest { blake3: image.blake3, sha256: image.sha256, bytes: image.bytes },
            width: image.width,
            height: image.height,
            pixels: image.pixels,
            path: path.to_owned(),
        }
    }
}

impl Images {
    /// Joins files to rows, drops the rows without, and returns how many those are.
    fn fill(mut self, rows: &mut Vec<ImageRow>, request: &Request) -> Result<usize, IngestError> {
        if self.by_name.is_empty() {
            let path = request.metadata.clone();
            return Err(IngestError::NothingMatches { images: self.without_row, path });
        }
        for row in rows.iter_mut() {
            if let Some(image) = self.by_name.remove(&row.name) {
                row.object = Some(image.digest.blake3);
                row.sha256 = image.digest.sha256;
                row.bytes = image.digest.bytes;
                (row.width, row.height) = (image.width, image.height);
            }
        }
        let missing_rows = rows.iter().filter(|row| row.object.is_none()).count();
        if missing_rows > 0 && !request.allow_missing {
            return Err(missing(rows.iter().filter(|row| row.object.is_none()), request));
        }
        rows.retain(|row| row.object.is_some());
        Ok(missing_rows)
    }
}

fn missing<'a>(rows: impl Iterator<Item = &'a ImageRow>, request: &Request) -> IngestError {
    let mut names: Vec<String> = rows.map(|row| row.name.clone()).collect();
    let missing = names.len();
    names.truncate(NAMED);
    IngestError::Missing { path: request.metadata.clone(), missing, names }
}

/// Images of different names and the same bytes.
fn same_bytes(rows: &[ImageRow]) -> Option<String> {
    let named = rows.iter().filter_map(|row| Some((row.object?, row.name.as_str())));
    report_same(named.collect(), "file")
}

/// Images of different names and bytes and the same pixels.
fn same_pixels(images: &HashMap<String, Image>) -> Option<String> {
    let mut named: Vec<_> = images
        .iter()
        .filter_map(|(name, image)| Some((image.pixels?, image.digest.blake3, name.as_str())))
        .collect();
    named.sort_unstable();
    named.dedup_by_key(|(pixels, bytes, _)| (*pixels, *bytes));
    report_same(named.into_iter().map(|(pixels, _, name)| (pixels, name)).collect(), "picture")
}

fn report_same(mut named: Vec<(Hash, &str)>, what: &str) -> Option<String> {
    named.sort_unstable();
    let groups: Vec<String> = named
        .chunk_by(|a, b| a.0 == b.0)
        .filter(|group| group.len() > 1)
        .map(|group| group.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(" = "))
        .collect();
    let found = !groups.is_empty();
    found.then(|| {
        format!(
            "{} under several names: {}",
            count(groups.len(), &format!("{what} is"), &format!("{what}s are")),
            first(groups.into_iter())
        )
    })
}
