//! The list of annotated boxes, `BBox_List_2017.csv`: 984 boxes on 880 images.
//!
//! The list counts pixels of 1024 x 1024 images, in which ChestX-ray14 is published. Whoever has the images in another
//! size has the same list, so boxes are scaled to the image that is there.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use super::matching::{ImageNames, Spelling};
use super::table::CsvTable;
use super::{DatasetError, FilePosition, text};
use crate::digits::thousands;
use crate::records::{BoxRow, Boxes, Manifest};

/// Width and height of the images that the published list refers to.
pub const PUBLISHED_SIZE: [u32; 2] = [1024, 1024];

/// The boxes of a manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestBoxes {
    /// The boxes whose images are in the manifest, in pixels of these images, in an order that does not depend on the
    /// list.
    pub boxes: Boxes,
    /// Number of boxes of other images.
    pub elsewhere: usize,
    /// Names in the list that are written otherwise than in the manifest, ascending.
    pub inexact: Vec<String>,
    /// Number of boxes of images without a file, which keep the pixels of the list.
    pub unscaled: usize,
}

/// One box of the list, in pixels of the images that the list refers to.
#[derive(Debug, Clone, PartialEq)]
pub struct BoxEntry {
    /// The image's name, as it is written.
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
    /// Data row of the list, counted from 1 after the header.
    pub row: u32,
}

/// Reads a box list, plain or packed with gzip.
///
/// `path` is used in messages.
///
/// # Errors
/// A missing column, an unknown label, an edge that is not a number of 0 or more, a width or height that is not
/// above 0.
pub fn read(bytes: &[u8], path: &Path) -> Result<Vec<BoxEntry>, DatasetError> {
    let text = text::decode(bytes, path)?;
    let mut table = CsvTable::open(&text, path)?;
    let image = table.column("Image Index")?;
    let label = table.column("Finding Label")?;
    // The header says `Bbox [x,y,w,h]` without quotation marks.
    let [x, y, w, h] =
        [table.column("Bbox [x")?, table.column("y")?, table.column("w")?, table.column("h]")?];
    let mut entries = Vec::new();
    while let Some(row) = table.next_row()? {
        let name = row.image_of_any_folder(image)?;
        let edge = |column| row.parse(column, "a number of pixels, 0 or more", |text| number(text, 0.0));
        let side =
            |column| row.parse(column, "a number of pixels above 0", |text| number(text, f64::MIN_POSITIVE));
        entries.push(BoxEntry {
            image: name.clone(),
            label: row.label(&name, row.text(label))?,
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

/// Finds the images of the boxes in a manifest, and scales the boxes to these images.
///
/// `size` is the width and height of the images that the list refers to; without it, the list is in pixels of the
/// images themselves.
///
/// # Errors
/// A name that can mean two images, a box that reaches beyond its image, and one that stands in the list twice, each with
/// its row.
pub fn of_manifest(
    entries: &[BoxEntry],
    manifest: &Manifest,
    size: Option<[u32; 2]>,
    path: &Path,
) -> Result<ManifestBoxes, DatasetError> {
    let (mut rows, mut unscaled, mut inexact) = (Vec::new(), 0, BTreeSet::new());
    let names = ImageNames::of(&manifest.rows);
    let mut seen: HashMap<(u32, usize, [u64; 4]), u32> = HashMap::new();
    for entry in entries {
        let BoxEntry { x, y, w, h, label, row, .. } = *entry;
        let Some((place, spelling)) = names.find(&entry.image, path, FilePosition::Row(row))? else {
            continue;
        };
        if spelling == Spelling::Other {
            inexact.insert(entry.image.clone());
        }
        let wrong = |reason: String| DatasetError::Box {
            path: path.to_owned(),
            row,
            image: entry.image.clone(),
            reason,
        };
        if let Some(first) = seen.insert((place, label, [x, y, w, h].map(f64::to_bits)), row) {
            return Err(wrong(format!("is the same as that of row {}", thousands(first.into()))));
        }
        let image = &manifest.rows[place as usize];
        let own = [image.width, image.height];
        let has_file = own != [0, 0];
        let within = size.or(has_file.then_some(own));
        if let Some([width, height]) =
            within.filter(|[width, height]| x + w > f64::from(*width) || y + h > f64::from(*height))
        {
            return Err(wrong(format!(
                "reaches to {:.1}, {:.1}, beyond {width} x {height} pixels",
                x + w,
                y + h
            )));
        }
        let [x, y, w, h] = match size {
            Some(of) if has_file => {
                let scaled = |value: f64, axis: usize| match own[axis] == of[axis] {
                    true => value,
                    false => value * f64::from(own[axis]) / f64::from(of[axis]),
                };
                [scaled(x, 0), scaled(y, 1), scaled(w, 0), scaled(h, 1)]
            }
            _ => {
                unscaled += usize::from(!has_file);
                [x, y, w, h]
            }
        };
        rows.push(BoxRow { image: place, label: label as u32, x, y, w, h });
    }
    rows.sort_by(|a, b| {
        let place = (a.image, a.label).cmp(&(b.image, b.label));
        let edges = [(a.x, b.x), (a.y, b.y), (a.w, b.w), (a.h, b.h)];
        edges.into_iter().fold(place, |order, (a, b)| order.then(a.total_cmp(&b)))
    });
    let elsewhere = entries.len() - rows.len();
    let inexact = inexact.into_iter().collect();
    Ok(ManifestBoxes { boxes: Boxes { rows }, elsewhere, inexact, unscaled })
}

/// Whether all boxes fit into images that are smaller than the list says: then the list may be in their own pixels.
pub fn may_be_unscaled(entries: &[BoxEntry], manifest: &Manifest, size: [u32; 2]) -> bool {
    let names = ImageNames::of(&manifest.rows);
    let mut fit = entries.iter().filter_map(|entry| {
        let found = names.find(&entry.image, Path::new(""), FilePosition::Row(entry.row)).ok()??;
        let image = &manifest.rows[found.0 as usize];
        let smaller = image.width < size[0] || image.height < size[1];
        let fits =
            entry.x + entry.w <= f64::from(image.width) && entry.y + entry.h <= f64::from(image.height);
        Some(smaller && fits)
    });
    fit.next().is_some_and(|first| first) && fit.all(|fits| fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{metadata, published};

    const HEADER: &str = "Image Index,Finding Label,\"Bbox [x,y,w,h]\",,,";

    fn parse(rows: &str) -> Result<Vec<BoxEntry>, String> {
        let text = format!("{}\n{rows}", HEADER.replace('"', ""));
        read(text.as_bytes(), Path::new("b.csv")).map_err(|e| e.to_string())
    }

    #[test]
    fn a_box_is_read_under_the_list_s_odd_header() {
        let expected =
            BoxEntry { image: "a.png".into(), label: 8, x: 225.5, y: 0.0, w: 86.0, h: 79.25, row: 1 };
        assert_eq!(parse("a.png,Infiltrate,225.5,0,86,79.25\n"), Ok(vec![expected.clone()]));
        assert_eq!(parse("a.png,Infiltrate,225.5,0,86,79.25,,,\r\n"), Ok(vec![expected]));
        assert_eq!(parse(""), Ok(vec![]));
    }

    #[test]
    fn a_box_that_is_none_is_refused_with_its_row() {
        for (row, message) in [
            ("a.png,Mass,1,1,-2,1", "b.csv, row 2: w is \"-2\", not a number of pixels above 0"),
            ("a.png,Mass,1,1,1,0", "b.csv, row 2: h] is \"0\", not a number of pixels above 0"),
            ("a.png,Mass,NaN,1,1,1", "b.csv, row 2: Bbox [x is \"NaN\", not a number of pixels, 0 or more"),
            ("a.png,Mass,1,inf,1,1", "b.csv, row 2: y is \"inf\", not a number of pixels, 0 or more"),
            ("a.png,Mass,1,1,1", "b.csv, row 2: 5 fields, but the header has 6"),
            ("a.png,Mas,1,1,1,1", "b.csv, row 2: image \"a.png\" has the unknown label \"Mas\""),
            ("a/..,Mass,1,1,1,1", "b.csv, row 2: \"a/..\" is not a plain file name"),
        ] {
            assert_eq!(parse(&format!("a.png,Mass,1,1,1,1\n{row}\n")), Err(message.to_owned()));
        }
    }

    #[test]
    fn boxes_of_a_manifest_do_not_depend_on_the_list_s_order() {
        let csv = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position\n\
            a.png,Mass,0,1,1,M,PA\nc.png,Mass,0,1,1,M,PA";
        let manifest =
            Manifest { labels: 15, rows: metadata::read(csv.as_bytes(), Path::new("d.csv")).unwrap().rows };
        let list = "x/C,Mass,1,1,1,1\nb.png,Mass,1,1,1,1\na.png,Nodule,1,1,1,1\na.png,Mass,2,1,1,1\na.png,Mass,1,9,1,1";
        let mut entries = parse(list).unwrap();
        let found = |entries: &[BoxEntry]| of_manifest(entries, &manifest, None, Path::new("b.csv")).unwrap();
        let ManifestBoxes { boxes, elsewhere, inexact, unscaled } = found(&entries);
        assert_eq!(inexact, ["x/C".to_owned()]);
        assert_eq!(unscaled, 4, "images without files");
        let order: Vec<_> = boxes.rows.iter().map(|b| (b.image, b.label, b.x)).collect();
        assert_eq!((order, elsewhere), (vec![(0, 9, 1.0), (0, 9, 2.0), (0, 10, 1.0), (1, 9, 1.0)], 1));
        entries.reverse();
        assert_eq!(found(&entries).boxes, boxes);
    }

    #[test]
    fn boxes_are_scaled_to_the_image_that_is_there() {
        let csv = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position\n\
            a.png,Mass,0,1,1,M,PA";
        let mut rows = metadata::read(csv.as_bytes(), Path::new("d.csv")).unwrap().rows;
        (rows[0].width, rows[0].height) = (32, 64);
        let manifest = Manifest { labels: 15, rows };
        let found = |list: &str, size: Option<[u32; 2]>| {
            let entries = parse(list).unwrap();
            of_manifest(&entries, &manifest, size, Path::new("b.csv"))
                .map(|found| {
                    found.boxes.rows.iter().map(|row| [row.x, row.y, row.w, row.h]).collect::<Vec<_>>()
                })
                .map_err(|e| e.to_string())
        };
        let published = found("a.png,Mass,64,128,900,512\n", Some(PUBLISHED_SIZE));
        assert_eq!(published, Ok(vec![[2.0, 8.0, 28.125, 32.0]]));
        assert_eq!(found("a.png,Mass,2,8,28.125,32\n", None), published);
        assert_eq!(found("a.png,Mass,2,4,28.125,16\n", Some([32, 32])), published);
        for (list, size, message) in [
            (
                "a.png,Mass,1,1,1,1\na.png,Mass,900,0,124.5,9\n",
                Some(PUBLISHED_SIZE),
                "b.csv, row 2: the box of image \"a.png\" reaches to 1024.5, 9.0, beyond 1024 x 1024 pixels",
            ),
            (
                "a.png,Mass,64,128,900,512\n",
                None,
                "b.csv, row 1: the box of image \"a.png\" reaches to 964.0, 640.0, beyond 32 x 64 pixels",
            ),
            (
                "a.png,Mass,1,1,1,1\na.png,Nodule,1,1,1,1\na.png,Mass,1.0,1,1,1\n",
                None,
                "b.csv, row 3: the box of image \"a.png\" is the same as that of row 1",
            ),
        ] {
            assert_eq!(found(list, size), Err(message.to_owned()));
        }
        let small = parse("a.png,Mass,2,8,28,32\n").unwrap();
        assert!(may_be_unscaled(&small, &manifest, PUBLISHED_SIZE));
        assert!(!may_be_unscaled(&parse("a.png,Mass,2,8,90,32\n").unwrap(), &manifest, PUBLISHED_SIZE));
    }

    #[test]
    fn every_published_box_belongs_to_a_published_image() {
        let Some(folder) = published() else { return };
        let open = |file| {
            let path = folder.join(file);
            (std::fs::read(&path).unwrap(), path)
        };
        let (bytes, path) = open("BBox_List_2017.csv.gz");
        let entries = read(&bytes, &path).unwrap();
        let (bytes, path) = open("Data_Entry_2017_v2020.csv.gz");
        let mut rows = metadata::read(&bytes, &path).unwrap().rows;
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        let manifest = Manifest { labels: 15, rows };
        let found = of_manifest(&entries, &manifest, Some(PUBLISHED_SIZE), &path).unwrap();
        let (boxes, elsewhere) = (found.boxes, found.elsewhere);
        assert_eq!((entries.len(), boxes.rows.len(), elsewhere), (984, 984, 0));
        let images: std::collections::BTreeSet<u32> = boxes.rows.iter().map(|b| b.image).collect();
        assert_eq!(images.len(), 880);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, fields in "(a.png|[\"a-zA-Z0-9.\\-é ]{0,6}[,\n]){0,20}") {
            let _ = read(&bytes, Path::new("b.csv"));
            let _ = read(&[HEADER.as_bytes(), b"\n", &bytes].concat(), Path::new("b.csv"));
            let _ = parse(&fields);
        }
    }
}
