//! The list of annotated boxes, `BBox_List_2017.csv`: 984 boxes on 880 images.

use std::path::Path;

use super::table::CsvTable;
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
        let name = row.image(image)?;
        let edge = |column| row.parse(column, "a number of pixels, 0 or more", |text| number(text, 0.0));
        let side =
            |column| row.parse(column, "a number of pixels above 0", |text| number(text, f64::MIN_POSITIVE));
        entries.push(BoxEntry {
            image: name.to_string(),
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

/// Finds the images of the boxes in a manifest, whose rows are sorted by name.
///
/// Returns the boxes whose images are in the manifest, in an order that does not depend on the list, and the
/// number of the others.
pub fn of_manifest(entries: &[BoxEntry], manifest: &Manifest) -> (Boxes, usize) {
    let mut rows: Vec<BoxRow> = entries
        .iter()
        .filter_map(|entry| {
            let image = manifest.row_named(&entry.image)?;
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
            ("/a.png,Mass,1,1,1,1", "b.csv, row 2: \"/a.png\" is not a plain file name"),
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
        let list = "c.png,Mass,1,1,1,1\nb.png,Mass,1,1,1,1\na.png,Nodule,1,1,1,1\na.png,Mass,2,1,1,1\na.png,Mass,1,9,1,1";
        let mut entries = parse(list).unwrap();
        let (boxes, elsewhere) = of_manifest(&entries, &manifest);
        let order: Vec<_> = boxes.rows.iter().map(|b| (b.image, b.label, b.x)).collect();
        assert_eq!((order, elsewhere), (vec![(0, 9, 1.0), (0, 9, 2.0), (0, 10, 1.0), (1, 9, 1.0)], 1));
        entries.reverse();
        assert_eq!(of_manifest(&entries, &manifest), (boxes, 1));
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
        let (boxes, elsewhere) = of_manifest(&entries, &manifest);
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
