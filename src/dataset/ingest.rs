//! Ingests a data set: reads metadata, matches images, checks, hashes and stores them, then registers
//! everything at once. If anything fails, nothing is registered, and staged files are removed.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::formats::{self, FormatError, ImageFormat};
use super::found_images::{FoundFiles, ImageSource, missing, same_pixels};
use super::ingest_error::{count, report_same};
use super::left_out::LeftOut;
use super::matching::{RowNames, written_otherwise};
use super::pixel_hashes::{self, KnownPixels, pixel_hash};
use super::remarks::{Remark, Remarks};
use super::seen::{Image, SeenFile, SeenFiles};
use super::source::{FoundImages, ImageFile, find_images, load};
use super::{DatasetError, archive, boxes, labels, metadata, pixels, png};
use crate::disk::{Doing, FileError};
use crate::hash::{Digest, Hash, Id};
use crate::limits;
use crate::progress::{Progress, Unit};
use crate::records::{Dataset, ImageRow, Manifest, rules};
use crate::registry::{Registry, RegistryError, Stamp, Transaction};
use crate::store::{FileState, LinkMode, Persisted, StoreError};
use crate::withdrawal::Withdrawn;

pub use super::ingest_error::{BadImage, IngestError};

/// An ingest: its files and options.
#[derive(Debug, Clone)]
pub struct IngestRequest {
    /// Folders, images, archives. Empty for metadata only.
    pub paths: Vec<PathBuf>,
    /// The metadata CSV.
    pub metadata: PathBuf,
    /// The box list.
    pub boxes: Option<PathBuf>,
    /// Width and height of the images that the box list refers to, usually [`boxes::PUBLISHED_SIZE`]; `None` if the list
    /// is in pixels of the images themselves.
    pub box_size: Option<[u32; 2]>,
    /// Name of the data set.
    pub name: Option<String>,
    /// How image files become objects.
    pub link: LinkMode,
    /// Accept metadata rows without an image.
    pub allow_missing: bool,
    /// Register the rows without images.
    pub metadata_only: bool,
    /// Decode every image, instead of only checking its chunks.
    pub decode: bool,
    /// Read every file, including those that look unchanged.
    pub paranoid: bool,
}

impl IngestRequest {
    /// The rows of a metadata CSV with the options that the command line has by default; images are still to be named.
    pub fn new(metadata: impl Into<PathBuf>) -> Self {
        IngestRequest {
            paths: Vec::new(),
            metadata: metadata.into(),
            boxes: None,
            box_size: Some(boxes::PUBLISHED_SIZE),
            name: None,
            link: LinkMode::Reflink,
            allow_missing: false,
            metadata_only: false,
            decode: false,
            paranoid: false,
        }
    }
}

/// The result of an ingest.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ingested {
    /// The data set.
    pub id: Id<Dataset>,
    /// Its record.
    pub dataset: Dataset,
    /// The new objects.
    pub persisted: Persisted,
    /// Number of files that looked unchanged and were not read again.
    pub unchanged: u64,
    /// Anomalies that do not prevent the ingest, one sentence each.
    pub findings: Vec<String>,
}

/// Ingests a data set: reads, checks and stores everything, then registers it.
///
/// The same files and metadata give the same id, whatever the order of rows, folders or threads.
pub fn ingest(
    registry: &Registry,
    request: &IngestRequest,
    stamp: &Stamp,
    progress: &dyn Progress,
) -> Result<Ingested, IngestError> {
    let mut findings = Vec::new();
    let metadata_bytes = load(&request.metadata, limits::TEXT)?;
    let table = metadata::read(&metadata_bytes, &request.metadata)?;
    findings.extend(table.findings.iter().map(ToString::to_string));
    let boxes_bytes = request.boxes.as_deref().map(|path| load(path, limits::TEXT)).transpose()?;
    let entries = match (&boxes_bytes, &request.boxes) {
        (Some(bytes), Some(path)) => Some(boxes::read(bytes, path)?),
        _ => None,
    };

    let withdrawn = Withdrawn::known(registry, &registry.view()?)?;
    let mut transaction = registry.transaction()?;
    let mut left_out = LeftOut::default();
    let mut rows = left_out.take(table.rows, &withdrawn);
    if rows.is_empty() {
        return Err(IngestError::AllWithdrawn(request.metadata.clone()));
    }
    let (mut missing, mut unchanged, mut seen) = (0, 0, None);
    let found;
    if !request.metadata_only {
        // The contents of the store are queried once, not once per image.
        let remembered = || -> Result<(SeenFiles, Vec<Hash>), RegistryError> {
            let cache = SeenFiles::open(registry, &request.paths, request.paranoid)
                .doing("write to", &registry.cache())?;
            let stored = if cache.is_empty() { Vec::new() } else { registry.store().list()?.objects };
            Ok((cache, stored))
        };
        let (remembered, walked) = rayon::join(remembered, || find_images(&request.paths));
        let (cache, stored) = remembered?;
        found = walked?;
        let taking = ImageImport {
            stored,
            transaction: &transaction,
            cache: &cache,
            request,
            progress,
            withdrawn: &withdrawn,
            out: left_out.names().clone(),
        };
        let taken = taking.all(&found, &rows)?;
        findings.extend(taken.findings);
        rows = left_out.take_files(rows, &taken.withdrawn, &withdrawn);
        missing = taken.images.fill(&mut rows, &request.metadata, request.allow_missing, &mut findings)?;
        unchanged = taken.unchanged;
        seen = Some((cache, taken.files));
    }
    findings.extend(left_out.findings());
    rows.par_sort_unstable_by(|a, b| a.name.cmp(&b.name));
    findings.extend(same_bytes(&rows));

    let labels = labels::names();
    let manifest = Manifest { labels: labels.len() as u32, rows };
    let metadata = transaction.put_outside(&metadata_bytes)?;
    let (mut boxes_file, mut packed_boxes) = (None, None);
    if let (Some(bytes), Some(entries)) = (boxes_bytes, entries) {
        let path = request.boxes.as_deref().unwrap_or(Path::new("the list of boxes"));
        let found = boxes::of_manifest(&entries, &manifest, request.box_size, path)?;
        let boxes::ManifestBoxes { boxes, elsewhere, inexact, unscaled } = found;
        findings.extend(written_otherwise(&inexact, "in the list of boxes"));
        if unscaled > 0 && request.box_size.is_some() {
            findings.push(format!(
                "{} of images without a file, kept unscaled in pixels of the list",
                count(unscaled, "box", "boxes")
            ));
        }
        if let Some([width, height]) =
            request.box_size.filter(|size| boxes::may_be_unscaled(&entries, &manifest, *size))
        {
            findings.push(format!(
                "the boxes were read as pixels of {width} x {height} images and scaled to these smaller images, but \
                 they also fit unscaled; if the list is in pixels of these images, give `--box-size image`"
            ));
        }
        if elsewhere > 0 {
            findings.push(format!(
                "{} of images that are not in this data set, ignored",
                count(elsewhere, "box", "boxes")
            ));
        }
        boxes_file = Some(transaction.put_outside(&bytes)?);
        packed_boxes = Some(transaction.put_packed(&boxes)?);
    }
    let dataset = Dataset {
        source: metadata::SOURCE.to_owned(),
        rules: rules::INGEST,
        labels,
        no_finding: Some(labels::NO_FINDING.to_owned()),
        manifest: transaction.put_packed(&manifest)?,
        metadata,
        boxes_file,
        boxes: packed_boxes,
        box_size: request.box_size.filter(|_| packed_boxes.is_some()),
        metadata_only: request.metadata_only,
        images: 0,
        patients: 0,
        bytes: 0,
        missing: missing as u64,
        age: None,
        impossible_ages: 0,
        withdrawn: left_out.count(),
    }
    .counted(&manifest);
    let id = transaction.put(&dataset)?;
    if let Some((_, files)) = seen.as_ref().filter(|_| request.decode) {
        let images = files.iter().flat_map(|(_, file)| &file.images);
        let mut known = KnownPixels::default();
        known.remember(images.filter_map(|(_, image)| Some((image.blake3, image.pixels?))));
        pixel_hashes::record(&mut transaction, id, &known.digests(&manifest.rows))?;
    }
    if let Some(name) = &request.name {
        transaction.name(name, id.hash)?;
    }
    let committed = transaction.commit(stamp)?;
    if let Some((cache, files)) = seen {
        drop(manifest);
        // A lost cache only costs time.
        let _ = match files.len() as u64 {
            // What is remembered stays as it is.
            all if all == unchanged => Ok(()),
            _ => cache.save(files.into_iter(), request.link == LinkMode::Hardlink),
        };
    }
    Ok(Ingested { id, dataset, persisted: committed.persisted, unchanged, findings })
}

/// The import of images into a registry.
struct ImageImport<'a> {
    /// The objects in the registry, ascending; empty if they are not needed.
    stored: Vec<Hash>,
    transaction: &'a Transaction<'a>,
    cache: &'a SeenFiles<'a>,
    request: &'a IngestRequest,
    progress: &'a dyn Progress,
    withdrawn: &'a Withdrawn,
    /// Names of images whose rows were left out.
    out: BTreeSet<String>,
}

/// The result of importing images.
struct ImportedImages<'a> {
    images: FoundFiles<'a>,
    files: Vec<(&'a Path, SeenFile)>,
    unchanged: u64,
    findings: Vec<String>,
    /// Withdrawn files, by name: they were not imported.
    withdrawn: HashMap<String, Hash>,
}

/// The content of an archive.
#[derive(Default)]
struct Content {
    images: Vec<(String, Image)>,
    /// The paths of these images in the archive, unless it was not read again.
    members: Vec<String>,
    bad: Vec<(PathBuf, BadImage)>,
    /// Images without a metadata row.
    without: Vec<String>,
    remarks: Remarks,
    state: Option<FileState>,
    unchanged: bool,
}

impl ImageImport<'_> {
    fn all<'f>(&self, found: &'f FoundImages, rows: &[ImageRow]) -> Result<ImportedImages<'f>, IngestError> {
        let known = RowNames::new(rows.iter().map(|row| row.name.as_str()));
        let alike = known.alike(found.images.iter().map(|image| image.name.as_str()));
        let (wanted, without): (Vec<&ImageFile>, Vec<_>) = found
            .images
            .iter()
            .filter(|image| !self.out.contains(&image.name))
            .partition(|image| known.has(&image.name) || alike.contains(image.name.as_str()));
        // Fails before an hour of copying rather than after it.
        for path in &found.archives {
            let unreadable = |source| DatasetError::Read(FileError::new("read", path, source));
            if self.unchanged(path).map_err(unreadable)?.is_none() {
                archive::check(path)?;
            }
        }
        let all_found = found.archives.is_empty() && !wanted.is_empty();
        if all_found && wanted.len() < rows.len() && !self.request.allow_missing {
            let there = RowNames::new(wanted.iter().map(|image| image.name.as_str()));
            let rows = rows.iter().filter(|row| !there.may_have(row.name.as_str()));
            let without = without.iter().map(|image| image.name.as_str());
            return Err(missing(rows, &self.request.metadata, &found.remarks, without));
        }
        let mut without: Vec<String> = without.iter().map(|image| image.name.to_string()).collect();
        let mut images = FoundFiles {
            by_name: HashMap::with_capacity(rows.len()),
            without: Vec::new(),
            remarks: found.remarks.clone(),
        };
        let (mut files, mut unchanged, mut bad) = (Vec::new(), 0, Vec::new());
        let mut withdrawn = HashMap::new();

        self.progress.begin("ingest", Unit::Items, wanted.len() as u64);
        // One buffer for many images.
        let looked = wanted.par_iter().map_init(Vec::new, |bytes, image| self.file(image, bytes));
        let looked: Vec<_> = looked.collect::<Result<_, IngestError>>()?;
        self.progress.end();
        for (file, (state, image, same)) in wanted.into_iter().zip(looked) {
            match image {
                Err(e) => bad.push((file.path.clone(), e)),
                Ok(image) if self.withdrawn.of_file(&image.blake3).is_some() => {
                    withdrawn.insert(file.name.clone(), image.blake3);
                }
                Ok(image) => {
                    unchanged += u64::from(same);
                    if ImageFormat::of_name(&file.path).is_some_and(|format| format != image.format()) {
                        images.remarks.add_path(Remark::OtherEnding, &file.path);
                    }
                    files.push((
                        file.path.as_path(),
                        SeenFile { state, images: vec![(String::new(), image)] },
                    ));
                    images.add(file.name.as_str().into(), image, ImageSource(&file.path, None))?;
                }
            }
        }
        if !found.archives.is_empty() {
            self.progress.begin("ingest archives", Unit::Items, 0);
            let contents = found.archives.par_iter().map(|path| self.archive(path, &known));
            let contents: Vec<Content> = contents.collect::<Result<_, IngestError>>()?;
            self.progress.end();
            for (path, content) in found.archives.iter().zip(contents) {
                bad.extend(content.bad);
                without.extend(content.without);
                images.remarks.extend(content.remarks);
                unchanged += u64::from(content.unchanged);
                let mut all_taken = true;
                let mut members = content.members.into_iter();
                for (name, image) in &content.images {
                    let member = members.next();
                    if self.withdrawn.of_file(&image.blake3).is_some() {
                        withdrawn.insert(name.clone(), image.blake3);
                        all_taken = false;
                    } else {
                        images.add(name.clone().into(), *image, ImageSource(path, member))?;
                    }
                }
                if let Some(state) = content.state.filter(|_| all_taken) {
                    files.push((path.as_path(), SeenFile { state, images: content.images }));
                }
            }
        }
        if !bad.is_empty() {
            return Err(IngestError::BadImages(bad));
        }

        let mut findings = Vec::new();
        for (kept, other) in &found.duplicates {
            if load(kept, limits::IMAGE_FILE)? != load(other, limits::IMAGE_FILE)? {
                return Err(IngestError::TwoOfOneName(kept.clone(), other.clone()));
            }
            findings.push(format!(
                "{} and {} are the same image, used once",
                kept.display(),
                other.display()
            ));
        }
        findings.extend(same_pixels(&images));
        images.without = without;
        Ok(ImportedImages { images, files, unchanged, findings, withdrawn })
    }

    /// The state of a file, its image, and whether both match the remembered ones.
    fn file(
        &self,
        image: &ImageFile,
        bytes: &mut Vec<u8>,
    ) -> Result<(FileState, Result<Image, BadImage>, bool), IngestError> {
        let path = &image.path;
        let unreadable = |source| DatasetError::Read(FileError::new("read", path, source));
        self.progress.advance(1);
        if let Some(SeenFile { state, images }) = self.unchanged(path).map_err(unreadable)?
            && let [(_, image)] = images.as_slice()
        {
            return Ok((*state, Ok(*image), true));
        }
        let state = FileState::read(path, limits::IMAGE_FILE, bytes).map_err(unreadable)?;
        let image = look(bytes, self.request.decode);
        if let Some(image) =
            image.as_ref().ok().filter(|image| self.withdrawn.of_file(&image.blake3).is_none())
        {
            self.transaction.put_file(path, &state, bytes, image.blake3, self.request.link)?;
        }
        Ok((state, image, false))
    }

    fn archive(&self, path: &Path, known: &RowNames) -> Result<Content, IngestError> {
        let unreadable = |source| DatasetError::Read(FileError::new("read", path, source));
        if let Some(SeenFile { state, images }) = self.unchanged(path).map_err(unreadable)?
            // An archive with images that have no row is read again, to list these images.
            && images.iter().all(|(name, _)| known.may_have(name))
        {
            let images = images.clone();
            return Ok(Content { images, state: Some(*state), unchanged: true, ..Content::default() });
        }
        let state = FileState::at(path).map_err(unreadable)?;
        let wanted = |name: &str| known.may_have(name) && !self.out.contains(name);
        let archived = archive::read(path, &wanted, &|_: &str, bytes: Vec<u8>| {
            self.progress.advance(1);
            let image = look(&bytes, self.request.decode);
            if let Some(image) =
                image.as_ref().ok().filter(|image| self.withdrawn.of_file(&image.blake3).is_none())
            {
                self.transaction.put_hashed(&bytes, image.blake3)?;
            }
            Ok::<_, IngestError>(image)
        })?;
        let mut content = Content { remarks: archived.remarks, ..Content::default() };
        content.without.extend(archived.unwanted.into_iter().filter(|name| !self.out.contains(name)));
        for (member, image) in archived.images {
            match image {
                Err(e) => content.bad.push((path.join(archive::file_name(&member)), e)),
                Ok(image) => {
                    let name = archive::file_name(&member).to_owned();
                    if ImageFormat::of_name(Path::new(&name)).is_some_and(|format| format != image.format()) {
                        content.remarks.add_path(Remark::OtherEnding, &path.join(&name));
                    }
                    content.images.push((name, image));
                    content.members.push(member);
                }
            }
        }
        if FileState::at(path).map_err(unreadable)? != state {
            return Err(RegistryError::Store(StoreError::Changed(path.to_owned())).into());
        }
        content.state = (content.without.is_empty() && content.remarks.is_empty()).then_some(state);
        Ok(content)
    }

    /// The remembered content of a file, if the file looks unchanged, the content is sufficient for this
    /// request, and the store has all of it.
    fn unchanged(&self, path: &Path) -> std::io::Result<Option<&SeenFile>> {
        if self.cache.is_empty() {
            return Ok(None);
        }
        let state = FileState::at(path)?;
        let there = |(_, image): &(String, Image)| {
            (image.pixels.is_some() || !self.request.decode)
                && self.stored.binary_search(&image.blake3).is_ok()
        };
        Ok(self.cache.file(path, &state).filter(|file| file.images.iter().all(there)))
    }
}

fn look(bytes: &[u8], decode: bool) -> Result<Image, BadImage> {
    let info = formats::check(bytes)?;
    if decode && info.format == ImageFormat::Png {
        png::check_stream(bytes).map_err(FormatError::from)?;
    }
    let pixels = if decode { Some(pixel_hash(&pixels::decode(bytes)?)) } else { None };
    let Digest { blake3, sha256, bytes } = Digest::of(bytes);
    let jpeg = info.format == ImageFormat::Jpeg;
    Ok(Image { blake3, sha256, bytes, width: info.width, height: info.height, pixels, jpeg })
}

/// Images with different names and the same bytes.
fn same_bytes(rows: &[ImageRow]) -> Option<String> {
    let named = rows.iter().filter_map(|row| Some((row.object?, row.name.as_str())));
    report_same(named.collect(), "file")
}
