//! Scores of another tool as a CSV: a column `Image Index`, then one column per label, in any order.
//!
//! Published tools name their columns `Atelectasis` or `prob_Atelectasis`, and some files contain the true
//! labels too. So if one column has the prefix, only columns with the prefix are scores. Invalid fields are
//! never interpreted: a field that is not a finite number is refused with its row.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use super::labels::published;
use super::table::{CsvColumn, CsvTable};
use super::{DatasetError, text};

const IMAGE: &str = "Image Index";
const PREFIX: &str = "prob_";

/// A file of scores.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreFile {
    /// Positions of the labels that have a column, ascending.
    pub labels: Vec<usize>,
    /// Names of the columns without scores.
    pub ignored: Vec<String>,
    /// Names of the images in the order of the file, without repetitions.
    pub images: Vec<String>,
    /// Names of images with further rows, which have the same scores.
    pub repeated: Vec<String>,
    /// `[images, labels]`, row after row.
    pub scores: Vec<f64>,
}

impl ScoreFile {
    /// The scores of an image, in the order of `labels`.
    pub fn row(&self, image: usize) -> &[f64] {
        &self.scores[image * self.labels.len()..][..self.labels.len()]
    }
}

/// Reads a CSV with scores for some of a data set's `labels`, plain or gzipped.
///
/// `path` is used in messages. Column names are case-insensitive, and `Pleural Thickening` is read as
/// `Pleural_Thickening`.
///
/// # Errors
/// No column of images or none of scores; two columns for one label; a score that is not a finite number; two
/// rows with different scores for one image.
pub fn read(bytes: &[u8], path: &Path, labels: &[String]) -> Result<ScoreFile, DatasetError> {
    let text = text::decode(bytes, path)?;
    let mut table = CsvTable::open(&text, path)?;
    let image = table.column(IMAGE)?;
    let (columns, ignored) = columns(&table, path, labels)?;
    let mut file = ScoreFile {
        labels: columns.iter().map(|(label, _)| *label).collect(),
        ignored,
        images: Vec::new(),
        repeated: Vec::new(),
        scores: Vec::new(),
    };
    let mut seen: HashMap<String, (usize, u32, bool)> = HashMap::new();
    while let Some(row) = table.next_row()? {
        let name = row.image(image)?.to_string();
        let start = file.scores.len();
        for (_, column) in &columns {
            let finite = |text: &str| text.parse().ok().filter(|score: &f64| score.is_finite());
            file.scores.push(row.parse(*column, "a finite number", finite)?);
        }
        match seen.entry(name.to_owned()) {
            Entry::Vacant(place) => {
                place.insert((file.images.len(), row.row, false));
                file.images.push(name.to_owned());
            }
            Entry::Occupied(mut earlier) => {
                let (index, first, repeated) = *earlier.get();
                if file.row(index) != &file.scores[start..] {
                    let (path, image) = (path.to_owned(), name.to_owned());
                    return Err(DatasetError::Contradiction { path, image, first, second: row.row });
                }
                file.scores.truncate(start);
                if !repeated {
                    file.repeated.push(name.to_owned());
                    earlier.get_mut().2 = true;
                }
            }
        }
    }
    if file.images.is_empty() {
        return Err(DatasetError::Empty { path: path.to_owned() });
    }
    Ok(file)
}

/// Columns of scores, each with the index of its label, ascending.
type Columns<'l> = Vec<(usize, CsvColumn<'l>)>;

/// The columns of scores by label, and the names of the other columns.
fn columns<'l>(
    table: &CsvTable,
    path: &Path,
    labels: &'l [String],
) -> Result<(Columns<'l>, Vec<String>), DatasetError> {
    let label = |heading: &str| label(heading, labels);
    let bare = |heading: &str| match heading.get(..PREFIX.len()) {
        Some(start) if start.eq_ignore_ascii_case(PREFIX) => Some(heading[PREFIX.len()..].to_owned()),
        _ => None,
    };
    let headings = table.headings();
    let prefixed = headings.iter().filter_map(|heading| bare(heading)).any(|name| label(&name).is_some());
    let (mut columns, mut ignored): (Columns, _) = (Vec::new(), Vec::new());
    for (place, heading) in headings.iter().enumerate() {
        if heading == IMAGE {
            continue;
        }
        let name = if prefixed { bare(heading) } else { Some(heading.clone()) };
        match name.and_then(|name| label(&name)) {
            Some(label) => columns.push((label, table.column_at(place, &labels[label]))),
            None => ignored.push(heading.clone()),
        }
    }
    columns.sort_by_key(|(label, _)| *label);
    if let Some(pair) = columns.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(DatasetError::RepeatedColumn {
            path: path.to_owned(),
            column: labels[pair[0].0].clone(),
        });
    }
    if columns.is_empty() {
        let (found, labels) = (headings.to_vec(), labels.to_vec());
        return Err(DatasetError::NoScores { path: path.to_owned(), found, labels });
    }
    Ok((columns, ignored))
}

/// The label of a column name: the label with exactly this name, otherwise the only label that differs just in
/// spaces and case.
fn label(heading: &str, labels: &[String]) -> Option<usize> {
    if let Some(exact) = labels.iter().position(|label| label == heading) {
        return Some(exact);
    }
    let plain = |name: &str| name.replace('_', " ").to_lowercase();
    let heading_plain = plain(heading);
    let mut alike = (0..labels.len()).filter(|label| plain(&labels[*label]) == heading_plain);
    match (alike.next(), alike.next()) {
        (None, _) => labels.iter().position(|label| label == published(heading)),
        (only, None) => only,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::labels::names;
    use crate::dataset::text::gzip;

    fn parse(text: &str) -> Result<ScoreFile, String> {
        parse_of(text, &names())
    }

    fn parse_of(text: &str, labels: &[String]) -> Result<ScoreFile, String> {
        read(text.as_bytes(), Path::new("s.csv"), labels).map_err(|e| e.to_string())
    }

    #[test]
    fn columns_are_those_of_the_data_set_s_own_labels() {
        let own = ["Lung, left", "lung", "LUNG", "Mass"].map(str::to_owned);
        let file = parse_of("Image Index,\"lung, LEFT\",LUNG,Edema\na.png,1,0.5,0\n", &own).unwrap();
        assert_eq!(
            (file.labels, file.scores, file.ignored),
            (vec![0, 2], vec![1.0, 0.5], vec!["Edema".to_owned()])
        );
        // Two labels that differ only in case: neither is chosen.
        let file = parse_of("Image Index,Lung,Mass\na.png,1,0.5\n", &own).unwrap();
        assert_eq!((file.labels, file.ignored), (vec![3], vec!["Lung".to_owned()]));
    }

    #[test]
    fn columns_are_found_in_any_order_with_or_without_the_prefix() {
        let file = parse("Mass,Image Index,Patient,Atelectasis\n0.5,b.png,7,1e-3\n0,a.png,7,1\n").unwrap();
        assert_eq!(
            (file.labels.as_slice(), file.ignored.as_slice()),
            (&[0, 9][..], &["Patient".to_owned()][..])
        );
        assert_eq!(file.images, ["b.png", "a.png"]);
        assert_eq!(file.scores, [1e-3, 0.5, 1.0, 0.0]);
        let prefixed = "prob_pleural thickening,Image Index,PROB_No Finding\n1,a.png,0\n";
        assert_eq!(parse(prefixed).unwrap().labels, [11, 14]);
        assert_eq!(
            read(&gzip(prefixed.as_bytes()), Path::new("s.csv"), &names()).unwrap(),
            parse(prefixed).unwrap()
        );
    }

    #[test]
    fn true_labels_beside_prefixed_scores_are_no_scores() {
        let file = parse("Image Index,Mass,prob_Mass\na.png,1,0.25\n").unwrap();
        assert_eq!((file.scores, file.ignored), (vec![0.25], vec!["Mass".to_owned()]));
    }

    #[test]
    fn a_row_that_is_there_twice_counts_once_and_two_scores_of_one_image_are_refused() {
        let file = parse("Image Index,Mass\na.png,1\nb.png,0\na.png,1.0\na.png,1\n").unwrap();
        assert_eq!((file.scores, file.repeated), (vec![1.0, 0.0], vec!["a.png".to_owned()]));
        let message = "s.csv, rows 1 and 2 contradict each other about image \"a.png\"";
        assert_eq!(parse("Image Index,Mass\na.png,1\na.png,0\n").unwrap_err(), message);
    }

    #[test]
    fn what_is_no_score_is_refused_with_its_row() {
        for (text, message) in [
            ("Image,Mass\na.png,1\n", "s.csv has no column \"Image Index\"; it has \"Image\", \"Mass\""),
            (
                "Image Index,Masses\na.png,1\n",
                "s.csv has no column of scores; it has \"Image Index\", \"Masses\"",
            ),
            ("Image Index,Mass,mass\na.png,1,1\n", "s.csv has two columns \"Mass\""),
            ("Image Index,Mass\n", "s.csv has no rows"),
            ("Image Index,Mass\na.png,nan\n", "s.csv, row 1: Mass is \"nan\", not a finite number"),
            ("Image Index,Mass\na.png,1\nb.png,\n", "s.csv, row 2: Mass is \"\", not a finite number"),
            ("Image Index,Mass\na.png,inf\n", "s.csv, row 1: Mass is \"inf\", not a finite number"),
            ("Image Index,Mass\n../a.png,1\n", "s.csv, row 1: \"../a.png\" is not a plain file name"),
        ] {
            assert_eq!(parse(text).unwrap_err(), message);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, fields in "([\"a-zA-Z0-9_.\\-é\r ]{0,6}[,\n]){0,30}") {
            let _ = read(&bytes, Path::new("s.csv"), &names());
            let _ = read(&[b"Image Index,Mass\n", &bytes[..]].concat(), Path::new("s.csv"), &names());
            let _ = parse(&format!("Image Index,prob_Mass\n{fields}"));
        }
    }
}
