//! The leaks of a split, as far as they are known: by its patients, the bytes of its images, and the recorded hashes of
//! their pixels.
//!
//! Lists ask for them at every call, so they are counted once for a split and what is recorded of its pixels, and
//! remembered in the cache, by the ids of both. That folder can be deleted at any time; a damaged file is not used.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{SharedImage, leaks, shared_images};
use crate::dataset::pixel_hashes::KnownPixels;
use crate::digits::{counted, thousands};
use crate::hash::{Hash, Id};
use crate::limits;
use crate::records::{Assignment, Division, ImageRow, Packed, Split, Subset, codec};
use crate::registry::{Registry, RegistryError};

/// The folder in the cache.
const FOLDER: &str = "leaks";
/// The version of the rules by which leaks are counted, in the names of files.
const VERSION: &str = "v1";

/// What is in more than one subset of a division, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DivisionLeaks {
    /// Patients in more than one subset.
    pub patients: u64,
    /// Images in more than one subset, under different patients.
    pub images: u64,
    /// What a model of this division is tested on although it has seen it.
    pub tested: SeenInTest,
}

/// What of the test images a model has seen, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenInTest {
    /// Patients that are tested.
    pub patients: u64,
    /// Those of them that were seen.
    pub known: u64,
    /// Images that are tested.
    pub images: u64,
    /// Images of other patients that were seen as the same file.
    pub bytes: u64,
    /// Images of other patients that were seen with the same pixels in another file.
    pub pixels: u64,
}

impl SeenInTest {
    /// What is wrong, a sentence each. `who` is the model that has learnt, such as `mlp (re-sampling 0)`; `whose` the one
    /// that is tested, or `it`.
    pub fn sentences(&self, who: &str, whose: &str) -> Vec<String> {
        let mut said = Vec::new();
        let learnt = format!("{who} was trained or selected on");
        if self.known > 0 {
            let [known, all] = [self.known, self.patients].map(thousands);
            said.push(format!("{learnt} {known} of the {all} patients that {whose} is tested on"));
        }
        // A file of the cache may hold any numbers.
        let seen = self.bytes.saturating_add(self.pixels);
        if seen > 0 {
            let [seen, all] = [seen, self.images].map(thousands);
            let [bytes, pixels] = [self.bytes, self.pixels].map(thousands);
            said.push(format!(
                "{learnt} {seen} of the {all} images that {whose} is tested on, where they belong to other patients \
                 (identical files: {bytes}, identical pixels in another file: {pixels})"
            ));
        }
        said
    }
}

impl DivisionLeaks {
    /// Whether something is in more than one subset.
    pub fn any(&self) -> bool {
        self.patients > 0 || self.images > 0
    }
}

/// The leaks of a split in sentences, one per division that has some; `check` is what the split is called where it is typed.
pub fn leak_sentences(all: &[DivisionLeaks], division: Division, check: &str) -> Vec<String> {
    let leaking = all.iter().enumerate().filter(|(_, leaks)| leaks.any());
    let said = leaking.map(|(fold, leaks)| {
        let patients = (leaks.patients > 0).then(|| counted(leaks.patients, "patient"));
        let images = (leaks.images > 0)
            .then(|| format!("{} under different patients", counted(leaks.images, "image")));
        let what: Vec<String> = patients.into_iter().chain(images).collect();
        let are = if leaks.patients.saturating_add(leaks.images) == 1 { "is" } else { "are" };
        format!(
            "{} {fold}: {} {are} in more than one subset: `reg split check {check}` lists them",
            division.name(),
            what.join(" and ")
        )
    });
    said.collect()
}

/// The leaks of a split that are known today, one entry per division.
///
/// # Errors
/// A split, data set or hashes of pixels that cannot be read.
pub fn known_leaks(registry: &Registry, split: Id<Split>) -> Result<Vec<DivisionLeaks>, RegistryError> {
    let record = registry.get(split)?;
    let recorded = registry.pixel_hashes(&registry.view()?, record.dataset)?.map(|(id, _)| id.hash);
    let pixels = recorded.map_or_else(|| "none".to_owned(), |id| id.to_string());
    let file = format!("{VERSION}-{}-{pixels}", split.hash);
    let folder = registry.cache_folder(FOLDER).ok();
    let remembered = || {
        let bytes = folder.as_ref()?.read(&file, limits::SEEN_FILES).ok()?;
        let (packed, sum) = bytes.split_last_chunk::<32>()?;
        (Hash::of(packed) == Hash(*sum)).then(|| codec::unpack::<Content>(packed).ok())?
    };
    if let Some(content) = remembered() {
        return Ok(content.divisions);
    }
    let rows = registry.manifest(&registry.get(record.dataset)?)?.rows;
    let pixels = KnownPixels::recorded(registry, record.dataset, &rows)?;
    let divisions = count(&rows, &registry.assignment(&record)?, &pixels);
    // What cannot be remembered is counted again, no more.
    if let (Some(folder), Ok(mut bytes)) = (folder, codec::pack(&Content { divisions: divisions.clone() })) {
        let sum = Hash::of(&bytes);
        bytes.extend(sum.0);
        let _ = folder.replace(&file, &bytes);
    }
    Ok(divisions)
}

/// The file in the cache, followed by the BLAKE3 hash of its packed bytes.
#[derive(Serialize, Deserialize)]
struct Content {
    divisions: Vec<DivisionLeaks>,
}

impl Packed for Content {
    const KIND: &'static str = "list of leaks";
    const MAGIC: &'static [u8; 8] = b"regleak1";
}

fn count(rows: &[ImageRow], assignment: &Assignment, pixels: &KnownPixels) -> Vec<DivisionLeaks> {
    let mut all: Vec<DivisionLeaks> = vec![DivisionLeaks::default(); assignment.folds.len()];
    for leak in leaks(rows, assignment) {
        all[leak.fold as usize].patients += 1;
    }
    // Equal bytes have equal pixels: most are found twice.
    let mut shared: HashSet<SharedImage> =
        HashSet::from_iter(shared_images(rows, assignment, |row| row.object));
    shared.extend(shared_images(rows, assignment, |row| pixels.get(row)));
    for image in &shared {
        all[image.fold as usize].images += 1;
    }
    for (leaks, fold) in all.iter_mut().zip(0..).filter(|(leaks, _)| leaks.any()) {
        leaks.tested = seen_in_test(rows, assignment, fold, pixels);
    }
    all
}

/// What a model that is trained and selected on a division is tested on although it has seen it.
fn seen_in_test(rows: &[ImageRow], assignment: &Assignment, fold: usize, pixels: &KnownPixels) -> SeenInTest {
    let of = |subset| assignment.rows(fold, subset).into_iter().map(|row| &rows[row as usize]);
    let (mut patients, mut files, mut pictures) = (HashSet::new(), HashSet::new(), HashSet::new());
    for row in of(Subset::Train).chain(of(Subset::Val)) {
        patients.insert(&row.patient);
        files.extend(row.object);
        pictures.extend(pixels.get(row));
    }
    let (mut tested, mut known) = (HashSet::new(), HashSet::new());
    let mut seen = SeenInTest::default();
    for row in of(Subset::Test) {
        seen.images += 1;
        tested.insert(&row.patient);
        if patients.contains(&row.patient) {
            known.insert(&row.patient);
        } else if row.object.is_some_and(|file| files.contains(&file)) {
            seen.bytes += 1;
        } else if pixels.get(row).is_some_and(|picture| pictures.contains(&picture)) {
            seen.pixels += 1;
        }
    }
    SeenInTest { patients: tested.len() as u64, known: known.len() as u64, ..seen }
}
