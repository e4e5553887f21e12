//! A data set comes in: metadata read, images matched, checked, hashed and stored, then registered at
//! once. If anything fails, nothing is registered and nothing staged stays.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::png::{self, PngError};
use super::source::{Found, ImageFile, find_images};
use super::{DatasetError, archive, boxes, labels, metadata, pixels};
use crate::hash::{Digest, Hash, Id};
use crate::progress::{Progress, Unit};
use crate::records::{AgeRange, Dataset, ImageRow, Manifest};
use crate::registry::{Registry, RegistryError, Stamp, Transaction};
use crate::store::{Link, Persisted};

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
    let mut missing = 0;
    if !request.metadata_only {
        let found = find_images(&request.paths)?;
        let (images, odd) = store_images(&transaction, &found, &rows, request, progress)?;
        findings.extend(odd);
        missing = images.fill(&mut rows, request)?;
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
    Ok(Ingested { id, dataset, persisted: committed.persisted, findings })
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

fn store_images(
    transaction: &Transaction<'_>,
    found: &Found,
    rows: &[ImageRow],
    request: &Request,
    progress: &dyn Progress,
) -> Result<(Images, Vec<String>), IngestError> {
    let known: std::collections::HashSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    let (wanted, without_row): (Vec<_>, Vec<_>) =
        found.images.iter().partition(|image| known.contains(image.name.as_str()));
    let mut without: Vec<String> = without_row.iter().map(|image| image.name.clone()).collect();
    // Fail before an hour of copying, not behind it.
    if found.archives.is_empty() && wanted.len() < rows.len() && !request.allow_missing && !wanted.is_empty()
    {
        let there: std::collections::HashSet<&str> = wanted.iter().map(|image| image.name.as_str()).collect();
        return Err(missing(rows.iter().filter(|row| !there.contains(row.name.as_str())), request));
    }

    progress.begin("ingest", Unit::Items, wanted.len() as u64);
    // One buffer for many images; a `File` itself would first ask for its size and position.
    let examine = |bytes: &mut Vec<u8>, image: &ImageFile| -> Result<Result<Image, BadImage>, IngestError> {
        bytes.clear();
        fs::File::open(&image.path)
            .and_then(|file| file.take(u64::MAX).read_to_end(bytes))
            .map_err(|source| DatasetError::Read { path: image.path.clone(), source })?;
        let result = match look(bytes, &image.path, request.decode) {
            Ok(seen) => {
                transaction.put_file(&image.path, bytes, &seen.digest, request.link)?;
                Ok(seen)
            }
            Err(bad) => Err(bad),
        };
        progress.advance(1);
        Ok(result)
    };
    let seen = wanted.par_iter().map_init(Vec::new, |bytes, image| examine(bytes, image));
    let seen: Vec<_> = seen.collect::<Result<_, IngestError>>()?;
    progress.end();

    let mut bad = Vec::new();
    let mut by_name = HashMap::with_capacity(wanted.len());
    for (image, result) in wanted.iter().zip(seen) {
        match result {
            Ok(seen) => drop(by_name.insert(image.name.clone(), seen)),
            Err(e) => bad.push((image.path.clone(), e)),
        }
    }
    for path in &found.archives {
        progress.begin(&path.display().to_string(), Unit::Items, 0);
        archive::read(path, |name, bytes| -> Result<(), IngestError> {
            progress.advance(1);
            let inside = path.join(name);
            if !known.contains(name) {
                without.push(name.to_owned());
                return Ok(());
            }
            match look(&bytes, &inside, request.decode) {
                Err(e) => bad.push((inside, e)),
                Ok(seen) => {
                    transaction.put_blob(&bytes)?;
                    match by_name.insert(name.to_owned(), seen) {
                        Some(other) if other.digest != by_name[name].digest => {
                            return Err(IngestError::TwoOfOneName(other.path, inside));
                        }
                        _ => {}
                    }
                }
            }
            Ok(())
        })?;
        progress.end();
    }
    if !bad.is_empty() {
        return Err(IngestError::BadImages(bad));
    }

    let mut findings = Vec::new();
    for (kept, other) in &found.duplicates {
        if read(kept)? != read(other)? {
            return Err(IngestError::TwoOfOneName(kept.clone(), other.clone()));
        }
        findings.push(format!("{} and {} are the same image, taken once", kept.display(), other.display()));
    }
    if !without.is_empty() {
        let named = first(without.iter().cloned());
        findings.push(format!(
            "{} no row in the metadata, not ingested: {named}",
            count(without.len(), "image has", "images have")
        ));
    }
    findings.extend(same_pixels(&by_name));
    Ok((Images { by_name, without_row: without.len() }, findings))
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
