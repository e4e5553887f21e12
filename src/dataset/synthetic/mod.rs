//! A synthetic look-alike of ChestX-ray14, for the demo, the tests and the benchmarks.
//!
//! It writes the files that the NIH publishes, in their formats: `images/NNNNNNNN_MMM.png`, the metadata of
//! 2020, the box list and the official lists. Everything depends only on the seed: not on threads, and not on
//! the platform, because the drawing uses only operations that IEEE 754 rounds exactly. The pictures consist of
//! simple shapes; nothing in them comes from a patient.

mod anatomy;
mod drawing;
mod findings;
mod population;

use std::fs;

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::boxes;
use super::pixels::{Gray, encode_png};
use crate::digits::thousands;

use drawing::Drawing;
use population::{DrawnFinding, Visit};

/// The folder of the images.
pub const IMAGES: &str = "images";
/// The metadata file.
pub const METADATA: &str = "Data_Entry_2017_v2020.csv";
/// The box list.
pub const BOXES: &str = "BBox_List_2017.csv";
/// The official list of the images to train and validate on.
pub const TRAIN_VAL: &str = "train_val_list.txt";
/// The official list of the images to test on.
pub const TEST: &str = "test_list.txt";

const METADATA_HEADER: &str = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,\
     View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]\n";
const BOXES_HEADER: &str = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n";

/// Minimum and maximum number of pixels per side.
const SIZES: std::ops::RangeInclusive<u32> = 16..=4096;
/// The patient's number has eight digits in file names.
const MOST_PATIENTS: u32 = 99_999_999;

/// Options for generating a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyntheticOptions {
    /// Number of patients; about 1.6 images each.
    pub patients: u32,
    /// Width and height of the images in pixels.
    pub size: u32,
    /// Seed, which determines everything else.
    pub seed: u64,
}

/// Summary of the generated files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyntheticSummary {
    /// Number of images.
    pub images: u32,
    /// Number of patients.
    pub patients: u32,
    /// Rows of the box list.
    pub boxes: u32,
    /// Bytes of the image files.
    pub bytes: u64,
}

/// Why a data set was not generated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyntheticError {
    /// Too few or too many pixels.
    #[error(
        "images must have {} to {} pixels per side, not {}",
        thousands((*SIZES.start()).into()),
        thousands((*SIZES.end()).into()),
        thousands((*.0).into())
    )]
    Size(u32),
    /// Too few or too many patients.
    #[error("the number of patients must be 1 to {}, not {}", thousands(MOST_PATIENTS.into()), thousands((*.0).into()))]
    Patients(u32),
    /// The folder contains images, which would mix with the new ones.
    #[error("`{0}` is not empty")]
    NotEmpty(PathBuf),
    /// A file or folder cannot be written.
    #[error("cannot write `{path}`")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Writes a look-alike of ChestX-ray14 into the folder `dir`, which is created if it does not exist.
///
/// # Errors
/// If the options are out of range, `dir` already contains images, or a file cannot be written.
pub fn generate(dir: &Path, options: &SyntheticOptions) -> Result<SyntheticSummary, SyntheticError> {
    let &SyntheticOptions { patients, size, seed } = options;
    if !SIZES.contains(&size) {
        return Err(SyntheticError::Size(size));
    }
    if !(1..=MOST_PATIENTS).contains(&patients) {
        return Err(SyntheticError::Patients(patients));
    }
    let images = dir.join(IMAGES);
    fs::create_dir_all(&images).map_err(|source| SyntheticError::Write { path: images.clone(), source })?;
    if fs::read_dir(&images).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(SyntheticError::NotEmpty(images));
    }

    let visits = population::visits(patients, seed);
    let drawn: Vec<(u64, Vec<BoxLine>)> = visits
        .par_iter()
        .map(|visit| {
            let drawing = Drawing::new(visit, size, seed);
            let png = encode_png(&Gray { width: size, height: size, data: drawing.pixels() });
            write(&images.join(visit.name()), &png)?;
            Ok((png.len() as u64, box_lines(visit, &drawing, size)))
        })
        .collect::<Result<_, SyntheticError>>()?;

    let mut boxes: Vec<&BoxLine> = drawn.iter().flat_map(|(_, boxes)| boxes).collect();
    // The published list is grouped by finding; a stable sort keeps the images in order.
    boxes.sort_by_key(|line| line.finding as usize);
    let box_list: String = boxes.iter().map(|line| line.text.as_str()).collect();
    write(&dir.join(BOXES), (BOXES_HEADER.to_owned() + &box_list).as_bytes())?;

    let rows: String = visits.iter().map(|visit| visit.row() + "\n").collect();
    write(&dir.join(METADATA), (METADATA_HEADER.to_owned() + &rows).as_bytes())?;

    let test = population::test_patients(&visits, seed);
    for (name, wanted) in [(TRAIN_VAL, false), (TEST, true)] {
        let subset = visits.iter().filter(|v| test.contains(&v.patient) == wanted);
        // The last line of the published lists has no line end.
        let list = subset.map(Visit::name).collect::<Vec<_>>().join("\n");
        write(&dir.join(name), list.as_bytes())?;
    }
    Ok(SyntheticSummary {
        images: visits.len() as u32,
        patients,
        boxes: boxes.len() as u32,
        bytes: drawn.iter().map(|(bytes, _)| bytes).sum(),
    })
}

/// A row of the box list and the finding that it is grouped by.
struct BoxLine {
    finding: DrawnFinding,
    text: String,
}

/// The lines of the box list, in pixels of the published images as in the original list. `size` is the images' side.
fn box_lines(visit: &Visit, drawing: &Drawing, size: u32) -> Vec<BoxLine> {
    let scale = boxes::PUBLISHED_SIZE[0] as f32 / size as f32;
    let line = |(finding, edges): (DrawnFinding, [f32; 4])| {
        // Rounded down, so that no box reaches beyond its image.
        let [x, y, w, h] = edges.map(|edge| (edge * scale * 1000.0).floor() / 1000.0);
        // The published list abbreviates this one.
        let label = if finding == DrawnFinding::Infiltration { "Infiltrate" } else { finding.name() };
        let text = format!("{},{label},{x:.3},{y:.3},{w:.3},{h:.3}\n", visit.name());
        BoxLine { finding, text }
    };
    drawing.boxes().into_iter().map(line).collect()
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), SyntheticError> {
    fs::write(path, bytes).map_err(|source| SyntheticError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let read = |path: &Path| (path.strip_prefix(dir).unwrap().to_owned(), fs::read(path).unwrap());
        let lists = [METADATA, BOXES, TRAIN_VAL, TEST].map(|name| dir.join(name));
        let images = fs::read_dir(dir.join(IMAGES)).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = lists.into_iter().chain(images).map(|path| read(&path)).collect();
        files.sort();
        files
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let made = [1, 3].map(|threads| {
            let dir = tempfile::tempdir().unwrap();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let options = SyntheticOptions { patients: 10, size: 32, seed: 9 };
            pool.install(|| generate(dir.path(), &options)).unwrap();
            contents(dir.path())
        });
        assert_eq!(made[0], made[1]);
    }

    #[test]
    fn a_summary_counts_what_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let summary = generate(dir.path(), &SyntheticOptions { patients: 30, size: 32, seed: 4 }).unwrap();
        let lines = |name| fs::read_to_string(dir.path().join(name)).unwrap().lines().count() as u32;
        assert_eq!(lines(METADATA), summary.images + 1);
        assert_eq!(lines(BOXES), summary.boxes + 1);
        assert_eq!(lines(TRAIN_VAL) + lines(TEST), summary.images);
        let images = contents(dir.path()).into_iter().filter(|(path, _)| path.starts_with(IMAGES));
        assert_eq!(images.map(|(_, bytes)| bytes.len() as u64).sum::<u64>(), summary.bytes);
    }

    #[test]
    fn what_cannot_be_generated_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let options = SyntheticOptions { patients: 2, size: 16, seed: 0 };
        let try_with = |options| generate(dir.path(), &options);
        assert!(matches!(try_with(SyntheticOptions { size: 15, ..options }), Err(SyntheticError::Size(15))));
        assert!(matches!(
            try_with(SyntheticOptions { patients: 0, ..options }),
            Err(SyntheticError::Patients(0))
        ));
        try_with(options).unwrap();
        assert!(matches!(try_with(options), Err(SyntheticError::NotEmpty(_))));
        let file = dir.path().join(TEST);
        assert!(matches!(generate(&file, &options), Err(SyntheticError::Write { .. })));
    }
}
