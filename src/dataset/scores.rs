//! Scores of another tool as a CSV: a column `Image Index`, then one column per label, in any order.
//!
//! [`score_columns`] tells scores from the labels beside them. Invalid fields are never
//! interpreted: a field that is not a finite number is refused with its row.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use super::score_columns::{self, ScoreColumns, Unchosen};
use super::table::{CsvColumn, CsvTable};
use super::{DatasetError, text};

const IMAGE: &str = "Image Index";
/// How a Parquet file begins.
const PARQUET: &[u8] = b"PAR1";

/// A file of scores.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreFile {
    /// Positions of the labels that have a column, ascending.
    pub labels: Vec<usize>,
    /// Names of the columns without scores.
    pub ignored: Vec<String>,
    /// Name of a column of scores, if the names say that they are logits.
    pub named_logits: Option<String>,
    /// Names of the images as they are written, in the order of the file, without repetitions.
    pub images: Vec<String>,
    /// The data row of each of them, from 1.
    pub rows: Vec<u32>,
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
/// `path` is used in messages; `pattern` is that of the columns of scores, such as `pred_{label}`. Column names are
/// case-insensitive, and `Pleural Thickening` is read as `Pleural_Thickening`.
///
/// # Errors
/// A Parquet file; no column of images or none of scores; two columns that could be the scores of a label; two columns for one label; a score that is not a finite number; two
/// rows with different scores for one image.
pub fn read(
    bytes: &[u8],
    path: &Path,
    labels: &[String],
    pattern: Option<&str>,
) -> Result<ScoreFile, DatasetError> {
    if bytes.starts_with(PARQUET) {
        return Err(DatasetError::Parquet { path: path.to_owned() });
    }
    let text = text::decode(bytes, path)?;
    let mut table = CsvTable::open(&text, path)?;
    let image = table.column(IMAGE)?;
    let ScoreColumns { columns, ignored, named_logits } = columns(&table, path, labels, pattern)?;
    let headings = table.headings();
    let named_logits = columns.first().filter(|_| named_logits).map(|(_, place)| headings[*place].clone());
    let ignored = ignored.into_iter().map(|place| headings[place].clone()).collect();
    let columns: Vec<(usize, CsvColumn)> =
        columns.into_iter().map(|(label, place)| (label, table.column_at(place, &labels[label]))).collect();
    let mut file = ScoreFile {
        labels: columns.iter().map(|(label, _)| *label).collect(),
        ignored,
        named_logits,
        images: Vec::new(),
        rows: Vec::new(),
        repeated: Vec::new(),
        scores: Vec::new(),
    };
    let mut seen: HashMap<String, (usize, u32, bool)> = HashMap::new();
    while let Some(row) = table.next_row()? {
        let name = row.image_of_any_folder(image)?;
        let start = file.scores.len();
        for (_, column) in &columns {
            let finite = |text: &str| text.parse().ok().filter(|score: &f64| score.is_finite());
            let is_truth = ["true", "false"].iter().any(|word| row.text(*column).eq_ignore_ascii_case(word));
            let expected = if is_truth { "a score but a label" } else { "a finite number" };
            file.scores.push(row.parse(*column, expected, finite)?);
        }
        match seen.entry(name.to_owned()) {
            Entry::Vacant(place) => {
                place.insert((file.images.len(), row.row, false));
                file.images.push(name.to_owned());
                file.rows.push(row.row);
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

/// The columns of scores, by their positions.
fn columns(
    table: &CsvTable,
    path: &Path,
    labels: &[String],
    pattern: Option<&str>,
) -> Result<ScoreColumns, DatasetError> {
    let headings = table.headings();
    let image = headings.iter().position(|heading| heading == IMAGE).unwrap_or(usize::MAX);
    let path = || path.to_owned();
    score_columns::choose(headings, image, labels, pattern).map_err(|e| match e {
        Unchosen::None => {
            let (found, labels) = (headings.to_vec(), labels.to_vec());
            let pattern = pattern.map(str::to_owned);
            DatasetError::NoScores { path: path(), found, labels, pattern }
        }
        Unchosen::NoScores(pattern) => DatasetError::OnlyLabels { path: path(), pattern },
        Unchosen::Two([a, b], patterns) => {
            DatasetError::TwoScores { path: path(), a, b, patterns: Box::new(patterns) }
        }
        Unchosen::Mixed(names) => DatasetError::MixedNames { path: path(), names: Box::new(names) },
        Unchosen::Longer(column, label) => {
            DatasetError::LongerName { path: path(), column, label: labels[label].clone() }
        }
        Unchosen::Repeated(label) => {
            DatasetError::RepeatedColumn { path: path(), column: labels[label].clone() }
        }
    })
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
        read(text.as_bytes(), Path::new("s.csv"), labels, None).map_err(|e| e.to_string())
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
            read(&gzip(prefixed.as_bytes()), Path::new("s.csv"), &names(), None).unwrap(),
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
            ("Image Index,Mass\na.png,False\n", "s.csv, row 1: Mass is \"False\", not a score but a label"),
            ("Image Index,Mass\n../,1\n", "s.csv, row 1: \"../\" is not a plain file name"),
            ("Image Index,Mass\n..,1\n", "s.csv, row 1: \"..\" is not a plain file name"),
            ("PAR1", "s.csv is a Parquet file"),
            (
                "Image Index,pred_Mass,prob_Mass\na.png,1,1\n",
                "s.csv has two columns that could be the scores of one label: \"pred_Mass\" and \"prob_Mass\"",
            ),
            (
                "Image Index,true_Mass\na.png,1\n",
                "s.csv has no column of scores: it is unclear whether columns named \"true_{label}\" are scores",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), message);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, fields in "([\"a-zA-Z0-9_.\\-é\r ]{0,6}[,\n]){0,30}") {
            let _ = read(&bytes, Path::new("s.csv"), &names(), None);
            let _ = read(&[b"Image Index,Mass\n", &bytes[..]].concat(), Path::new("s.csv"), &names(), None);
            let _ = parse(&format!("Image Index,prob_Mass\n{fields}"));
        }
    }
}
