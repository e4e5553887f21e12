//! Whether a file tells the labels of images: metadata, a list of boxes, or a table with a column or a row that has them,
//! under any name, in any form that `tables` reads, itself or packed in archives (`archive::contents`).

mod json;
mod npy;
mod rows;
mod tables;

use std::collections::{HashMap, HashSet};

use super::archive;
use super::matching::Likeness;
use crate::limits;
use crate::records::{Dataset, Manifest};
use rows::Rows;

/// Rows at the start of a table of which one must name an image.
const LOOKED_AT: usize = 100;
/// Fewer images can agree with a column of numbers by chance.
const ENOUGH: usize = 10;

/// Whether a file has the labels of some of these images, given as `rows` of the manifest; packed files are looked into.
pub fn reveals_labels(bytes: &[u8], dataset: &Dataset, manifest: &Manifest, rows: &[u32]) -> bool {
    let names = manifest.rows.iter().zip(0..);
    let known = Known {
        dataset,
        manifest,
        names: names.map(|(row, number)| (Likeness::Ending.key(row.name.as_str()), number)).collect(),
        labels: dataset.labels.iter().map(String::as_str).zip(0..).collect(),
        asked: rows.iter().copied().collect(),
        orders: [rows.to_vec(), (0..manifest.rows.len() as u32).collect()],
    };
    let mut members = Vec::new();
    let mut reveals = false;
    archive::contents(bytes, limits::TEXT, &mut |name, bytes| {
        members.extend(name.map(str::to_owned));
        reveals = reveals || tables::of(bytes).iter().any(|table| known.in_table(table.as_ref()));
        !reveals
    });
    // Folders of an archive can be labels: `test/Mass/a.png`.
    reveals || known.in_table(&tables::MemberPaths(members))
}

/// What is known of the images.
struct Known<'d> {
    dataset: &'d Dataset,
    manifest: &'d Manifest,
    names: HashMap<String, u32>,
    labels: HashMap<&'d str, usize>,
    asked: HashSet<u32>,
    /// In which order values without names can stand: of the images asked for, and of the data set.
    orders: [Vec<u32>; 2],
}

/// Images with the cells of a column or row.
type Pairs = Vec<(u32, String)>;

impl Known<'_> {
    fn image(&self, text: &str) -> Option<u32> {
        self.names.get(&Likeness::Ending.key(text.trim())).copied()
    }

    fn truth(&self, image: u32, label: usize) -> Option<bool> {
        self.manifest.rows[image as usize].label(label)
    }

    fn in_table(&self, table: &dyn Rows) -> bool {
        self.by_rows(table) || self.by_columns(table) || self.by_lists(table)
    }

    /// A row an image: one column names it, another one tells. Without names, the rows stand in a known order.
    fn by_rows(&self, table: &dyn Rows) -> bool {
        let (mut of_images, mut seen) = (None, 0);
        let mut found: HashMap<u32, Pairs> = HashMap::new();
        let mut any = 0usize;
        table.each(&mut |cells| {
            if of_images.is_none() {
                of_images =
                    cells.iter().find(|(_, text)| self.image(text).is_some()).map(|(column, _)| *column);
                seen += 1;
            }
            let Some(place) = of_images else { return seen <= LOOKED_AT };
            let image =
                cells.iter().find(|(column, _)| *column == place).and_then(|(_, text)| self.image(text));
            if let Some(image) = image {
                for (column, text) in cells {
                    any += 1;
                    found.entry(*column).or_default().push((image, text.trim().to_owned()));
                }
            }
            any < limits::PROGRAM_CELLS
        });
        if of_images.is_some() {
            return found.values().any(|column| self.tells(column));
        }
        let mut columns: HashMap<u32, Vec<String>> = HashMap::new();
        any = 0;
        table.each(&mut |cells| {
            for (column, text) in cells {
                any += 1;
                columns.entry(*column).or_default().push(text.trim().to_owned());
            }
            any < limits::PROGRAM_CELLS
        });
        columns.values().any(|cells| self.in_order(cells))
    }

    /// A column an image: a row names it, another one tells. Without names, the columns stand in a known order.
    fn by_columns(&self, table: &dyn Rows) -> bool {
        let mut images: Option<HashMap<u32, u32>> = None;
        let (mut seen, mut reveals) = (0, false);
        table.each(&mut |cells| {
            match &images {
                Some(images) => {
                    let of =
                        |(column, text): &(u32, &str)| Some((*images.get(column)?, text.trim().to_owned()));
                    reveals = reveals || self.tells(&cells.iter().filter_map(of).collect());
                }
                None => {
                    let named: HashMap<u32, u32> = cells
                        .iter()
                        .filter_map(|(column, text)| Some((*column, self.image(text)?)))
                        .collect();
                    images = (named.len() > 1).then_some(named);
                    seen += 1;
                }
            }
            !reveals && (images.is_some() || seen <= LOOKED_AT)
        });
        if reveals || images.is_some() {
            return reveals;
        }
        table.each(&mut |cells| {
            reveals =
                self.in_order(&cells.iter().map(|(_, text)| text.trim().to_owned()).collect::<Vec<_>>());
            !reveals
        });
        reveals
    }

    /// A label with all the images that have it: `Mass,a.png,b.png`.
    fn by_lists(&self, table: &dyn Rows) -> bool {
        let mut pairs = Pairs::new();
        table.each(&mut |cells| {
            let labels =
                cells.iter().map(|(_, text)| text.trim()).filter(|text| self.labels.contains_key(text));
            let labels: Vec<&str> = labels.collect();
            if let [label] = labels[..] {
                pairs
                    .extend(cells.iter().filter_map(|(_, text)| Some((self.image(text)?, label.to_owned()))));
            }
            pairs.len() < limits::PROGRAM_CELLS
        });
        self.tells(&pairs)
    }

    /// Whether cells tell the labels of their images. Other images of the same table are evidence of what a column is.
    fn tells(&self, cells: &Pairs) -> bool {
        let asked: Pairs = cells.iter().filter(|(image, _)| self.asked.contains(image)).cloned().collect();
        let told = |cells: &Pairs| self.names_labels(cells) || self.equals_label(cells);
        !asked.is_empty() && (told(&asked) || (asked.len() < cells.len() && told(cells)))
    }

    /// Whether cells without names, perhaps with a heading before them, are the labels of all images in their order.
    fn in_order(&self, cells: &[String]) -> bool {
        self.orders.iter().any(|order| {
            let heading = cells.len().checked_sub(order.len()).filter(|more| *more <= 1);
            heading.is_some_and(|heading| {
                let pairs: Pairs = order.iter().copied().zip(cells[heading..].iter().cloned()).collect();
                // A list of a few names of labels can be right by chance.
                pairs.len() >= ENOUGH && (self.names_labels(&pairs) || self.equals_label(&pairs))
            })
        })
    }

    /// Whether a column names labels that its images have, such as `Mass|Nodule`, and none that they do not have.
    fn names_labels(&self, cells: &Pairs) -> bool {
        let (mut right, mut wrong) = (0, 0);
        for (image, cell) in cells {
            for word in cell.split(['|', ';', ',']).map(str::trim) {
                match self.labels.get(word).map(|label| self.truth(*image, *label)) {
                    Some(Some(true)) => right += 1,
                    _ => wrong += 1,
                }
            }
        }
        right > wrong * 4
    }

    /// Whether a column has two values, which are those of the images with and without a label.
    fn equals_label(&self, cells: &Pairs) -> bool {
        if cells.len() < ENOUGH {
            return false;
        }
        // Numbers are equal however they are written.
        let value = |text: &str| match text.parse::<f64>() {
            Ok(number) => number.to_string(),
            Err(_) => text.to_owned(),
        };
        let mut values: Vec<String> = Vec::new();
        let mut places = Vec::new();
        for (_, cell) in cells {
            let value = value(cell);
            let place = values.iter().position(|known| *known == value).unwrap_or_else(|| {
                values.push(value);
                values.len() - 1
            });
            // What is not known of some images can be a third value.
            if values.len() > 3 {
                return false;
            }
            places.push(place as f64);
        }
        (0..self.dataset.labels.len()).any(|label| {
            let known: Vec<(f64, bool)> = places
                .iter()
                .zip(cells)
                .filter_map(|(place, (image, _))| Some((*place, self.truth(*image, label)?)))
                .collect();
            told_by_two_values(&known) == Some(true)
        })
    }
}

/// Whether numbers have two values, one for each class; `None` where a class is missing.
pub(crate) fn told_by_two_values(known: &[(f64, bool)]) -> Option<bool> {
    let of = |class: bool| known.iter().find(|(_, truth)| *truth == class).map(|(number, _)| *number);
    let (yes, no) = (of(true)?, of(false)?);
    Some(yes != no && known.iter().all(|(number, truth)| *number == if *truth { yes } else { no }))
}
