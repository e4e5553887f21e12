//! The list of annotated boxes, `BBox_List_2017.csv`: 984 boxes on 880 images.

use std::path::Path;

use super::table::Table;
use super::{DatasetError, text};
use crate::records::{BoxRow, Boxes, Manifest};

/// One box of the list, in pixels of the original image.
#[derive(Debug, Clone, PartialEq)]
pub struct BoxEntry {
    /// The image's name.
    pub image: String,
    /// Position of the label in [`super::labels::LABELS`].
    pub label: usize,
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
    /// Data row of the list, counted from 1 behind the header.
    pub row: u32,
}

/// Reads a box list, plain or packed with gzip.
///
/// `path` is what errors call it.
///
/// # Errors
/// A column that is missing, an unknown label, an edge that is not a number of 0 or more, a width or
/// height that is not above 0.
pub fn read(bytes: &[u8], path: &Path) -> Result<Vec<BoxEntry>, DatasetError> {
    let text = text::decode(bytes, path)?;
    let mut table = Table::open(&text, path)?;
    let image = table.column("Image Index")?;
    let label = table.column("Finding Label")?;
    // The header says `Bbox [x,y,w,h]` without quotation marks.
    let [x, y, w, h] =
        [table.column("Bbox [x")?, table.column("y")?, table.column("w")?, table.column("h]")?];
    let mut entries = Vec::new();
    while let Some(row) = table.next_row()? {
        let name = row.image(image)?;
        let edge = |column| row.parse(column, "a number of pixels, 0 or more", |text| number(text, 0.0));
        let side =
            |column| row.parse(column, "a number of pixels above 0", |text| number(text, f64::MIN_POSITIVE));
        entries.push(BoxEntry {
            image: name.to_owned(),
            label: row.label(name, row.text(label))?,
            x: edge(x)?,
            y: edge(y)?,
            w: side(w)?,
            h: side(h)?,
            row: row.row,
        });
    }
    Ok(entries)
}

fn number(text: &str, least: f64) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= least)
}

/// Finds the boxes' images in a manifest, whose rows are sorted by name.
///
/// Returns the boxes of images that are in it, in an order that does not depend on the list's, and the
/// number of those that are not.
pub fn of_manifest(entries: &[BoxEntry], manifest: &Manifest) -> (Boxes, usize) {
    let mut rows: Vec<BoxRow> = entries
        .iter()
        .filter_map(|entry| {
            let image = manifest.rows.binary_search_by(|row| row.name.as_str().cmp(&entry.image)).ok()?;
            let BoxEntry { x, y, w, h, label, .. } = *entry;
            Some(BoxRow { image: image as u32, label: label as u32, x, y, w, h })
        })
        .collect();
    rows.sort_by(|a, b| {
        let place = (a.image, a.label).cmp(&(b.image, b.label));
        let edges = [(a.x, b.x), (a.y, b.y), (a.w, b.w), (a.h, b.h)];
        edges.into_iter().fold(place, |order, (a, b)| order.then(a.total_cmp(&b)))
    });
    let elsewhere = entries.len() - rows.len();
    (Boxes { rows }, elsewhere)
}
