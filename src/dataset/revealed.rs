//! Whether a file tells the labels of images: metadata, a list of boxes, or a table with a column that has them, under
//! any name, in any form of text that reg reads.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::matching::Likeness;
use super::table::CsvTable;
use super::text;
use crate::records::{Dataset, Manifest};

/// Rows at the start of a table of which one must name an image.
const LOOKED_AT: usize = 100;
/// Fewer images can agree with a column of numbers by chance.
const ENOUGH: usize = 10;

/// Whether a file is a table that has the labels of some of these images, given as `rows` of the manifest.
pub fn reveals_labels(bytes: &[u8], dataset: &Dataset, manifest: &Manifest, rows: &[u32]) -> bool {
    let path = Path::new("");
    let Ok(text) = text::decode(bytes, path) else { return false };
    let Ok(mut table) = CsvTable::open(&text, path) else { return false };
    let width = table.headings().len();
    let columns: Vec<_> = (0..width).map(|place| table.column_at(place, "")).collect();
    let names: HashMap<String, u32> = manifest
        .rows
        .iter()
        .zip(0..)
        .map(|(row, number)| (Likeness::Ending.key(row.name.as_str()), number))
        .collect();
    // The cells of the images of the data set, row by row.
    let (mut of_images, mut seen) = (None, 0);
    let mut found: Vec<(u32, Vec<String>)> = Vec::new();
    let wanted: HashSet<u32> = rows.iter().copied().collect();
    while let Ok(Some(row)) = table.next_row() {
        let image = |place: usize| names.get(&Likeness::Ending.key(row.text(columns[place]))).copied();
        if of_images.is_none() {
            of_images = (0..width).find(|place| image(*place).is_some());
            seen += 1;
        }
        match of_images {
            None if seen > LOOKED_AT => return false,
            None => {}
            Some(place) => found.extend(image(place).map(|image| {
                (image, columns.iter().map(|column| row.text(*column).trim().to_owned()).collect())
            })),
        }
    }
    let truth = |image: u32, label: usize| manifest.rows[image as usize].label(label);
    let tells = |rows: &[&(u32, Vec<String>)]| {
        let images: Vec<u32> = rows.iter().map(|(image, _)| *image).collect();
        (0..width).any(|column| {
            let cells: Vec<&str> = rows.iter().map(|(_, cells)| cells[column].as_str()).collect();
            names_labels(&cells, &images, dataset, &truth) || equals_label(&cells, &images, dataset, &truth)
        })
    };
    let asked: Vec<_> = found.iter().filter(|(image, _)| wanted.contains(image)).collect();
    // Other images of the same table are evidence of what a column is.
    !asked.is_empty() && (tells(&asked) || tells(&found.iter().collect::<Vec<_>>()))
}

/// Whether a column names labels that its images have, such as `Mass|Nodule`, and none that they do not have.
fn names_labels(
    cells: &[&str],
    images: &[u32],
    dataset: &Dataset,
    truth: &dyn Fn(u32, usize) -> Option<bool>,
) -> bool {
    let places: HashMap<&str, usize> = dataset.labels.iter().map(String::as_str).zip(0..).collect();
    let (mut right, mut wrong) = (0, 0);
    for (cell, image) in cells.iter().zip(images) {
        for word in cell.split(['|', ';', ',']).map(str::trim) {
            match places.get(word).map(|label| truth(*image, *label)) {
                Some(Some(true)) => right += 1,
                _ => wrong += 1,
            }
        }
    }
    right > wrong * 4
}

/// Whether a column of numbers has two values, which are those of the images with and without a label.
fn equals_label(
    cells: &[&str],
    images: &[u32],
    dataset: &Dataset,
    truth: &dyn Fn(u32, usize) -> Option<bool>,
) -> bool {
    let numbers: Option<Vec<f64>> = cells.iter().map(|cell| cell.parse().ok()).collect();
    let Some(numbers) = numbers.filter(|numbers| numbers.len() >= ENOUGH) else { return false };
    (0..dataset.labels.len()).any(|label| {
        let known: Vec<(f64, bool)> = numbers
            .iter()
            .zip(images)
            .filter_map(|(number, image)| Some((*number, truth(*image, label)?)))
            .collect();
        told_by_two_values(&known) == Some(true)
    })
}

/// Whether numbers have two values, one for each class; `None` where a class is missing.
pub(crate) fn told_by_two_values(known: &[(f64, bool)]) -> Option<bool> {
    let of = |class: bool| known.iter().find(|(_, truth)| *truth == class).map(|(number, _)| *number);
    let (yes, no) = (of(true)?, of(false)?);
    Some(yes != no && known.iter().all(|(number, truth)| *number == if *truth { yes } else { no }))
}
