//! The metadata CSV of ChestX-ray14: one row per image, in the versions of 2017 and 2020 and of samples made
//! from them.
//!
//! Columns are found by name. Ages are stored unchanged, because a data set must agree with its source;
//! impossible ages are reported and left out of statistics.

use std::path::Path;

use super::findings::examine;
use super::labels::LABELS;
use super::table::{CsvColumn, CsvRow, CsvTable, is_missing, whole};
use super::{DatasetError, Finding, text};
use crate::hash::Sha256;
use crate::records::{Gender, ImageRow, LabelValues, PatientId, ViewPosition};

/// The `source` of data sets that are imported from such files.
pub const SOURCE: &str = "ChestX-ray14";

/// A metadata file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// One row per image, in the order of the file. Fields that come from the image file are still empty: no
    /// object, size 0.
    pub rows: Vec<ImageRow>,
    /// Anomalies.
    pub findings: Vec<Finding>,
}

/// Reads a metadata CSV, plain or gzipped.
///
/// `path` is used in messages. Rows are counted from 1 after the header, without blank lines.
///
/// # Errors
/// A missing column; a row with a wrong number of fields; an invalid field; two rows with different data about
/// one image.
pub fn read(bytes: &[u8], path: &Path) -> Result<Metadata, DatasetError> {
    let text = text::decode(bytes, path)?;
    let mut table = CsvTable::open(&text, path)?;
    let columns = Columns::of(&table)?;
    let mut rows = Vec::new();
    while let Some(row) = table.next_row()? {
        rows.push(columns.image_row(&row)?);
    }
    if rows.is_empty() {
        return Err(DatasetError::Empty { path: path.to_owned() });
    }
    let findings = examine(&mut rows, path)?;
    Ok(Metadata { rows, findings })
}

struct Columns {
    image: CsvColumn<'static>,
    labels: CsvColumn<'static>,
    follow_up: CsvColumn<'static>,
    patient: CsvColumn<'static>,
    age: CsvColumn<'static>,
    gender: CsvColumn<'static>,
    view: CsvColumn<'static>,
}

impl Columns {
    fn of(table: &CsvTable) -> Result<Self, DatasetError> {
        Ok(Columns {
            image: table.column("Image Index")?,
            labels: table.column("Finding Labels")?,
            follow_up: table.column("Follow-up #")?,
            patient: table.column("Patient ID")?,
            age: table.column("Patient Age")?,
            gender: table.column("Patient Gender")?,
            view: table.column("View Position")?,
        })
    }

    fn image_row(&self, row: &CsvRow) -> Result<ImageRow, DatasetError> {
        let name = row.image(self.image)?;
        let mut labels = LabelValues::negative(LABELS.len());
        for label in row.text(self.labels).split('|') {
            labels.set(row.label(&name, label.trim())?, Some(true));
        }
        Ok(ImageRow {
            name,
            object: None,
            sha256: Sha256([0; 32]),
            bytes: 0,
            width: 0,
            height: 0,
            row: row.row,
            patient: row.parse(self.patient, whole_number(row.text(self.patient)), patient)?,
            study: None,
            follow_up: row.parse(self.follow_up, whole_number(row.text(self.follow_up)), follow_up)?,
            age: row.parse(self.age, "an age in years such as 58 or 058Y", age)?,
            gender: row.parse(self.gender, "M or F", gender)?,
            view: row.parse(self.view, "PA or AP", view)?,
            labels,
        })
    }
}

/// What a patient must be.
fn whole_number(text: &str) -> &'static str {
    let is_rounded =
        || text.split_once('.').is_some_and(|(digits, _)| whole(digits).is_some() && digits.len() > 15);
    let is_number = || text.parse::<f64>().is_ok_and(|number| number.is_finite() && number.fract() == 0.0);
    match () {
        () if text.strip_prefix('-').is_some_and(|digits| whole(digits).is_some()) => "a whole number from 0",
        () if is_rounded() => "a whole number of at most 15 digits, which is what a float holds exactly",
        () if text.contains(['e', 'E']) && is_number() => {
            "a whole number with all its digits: this form may have been rounded"
        }
        () => "a whole number",
    }
}

fn patient(text: &str) -> Option<PatientId> {
    whole(text.strip_prefix('+').unwrap_or(text))?.parse().ok()
}

fn follow_up(text: &str) -> Option<Option<u32>> {
    if is_missing(text) {
        return Some(None);
    }
    whole(text.strip_prefix('+').unwrap_or(text))?.parse().ok().map(Some)
}

/// An age in whole years: a plain number, also as a float (`58.0`), or a DICOM age string (PS3.5, section 6.2, AS),
/// whose last letter is the unit: days, weeks, months or years. Empty text, `NaN` and the like mean no age.
fn age(text: &str) -> Option<Option<i32>> {
    if is_missing(text) {
        return Some(None);
    }
    let unit = text.as_bytes()[text.len() - 1].to_ascii_uppercase();
    // Days and weeks by the mean length of a Gregorian year, 365.2425 days, in units of 1/10,000 day.
    let (units, year) = match unit {
        b'Y' => (1, 1),
        b'M' => (1, 12),
        b'W' => (70_000, 3_652_425),
        b'D' => (10_000, 3_652_425),
        _ => {
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
            return format!("{sign}{}", whole(digits)?).parse().ok().map(Some);
        }
    };
    let number: i32 = text[..text.len() - 1].parse().ok()?;
    i32::try_from(i64::from(number) * units / year).ok().map(Some)
}

fn gender(text: &str) -> Option<Gender> {
    match text.to_ascii_lowercase().as_str() {
        "m" | "male" => Some(Gender::Male),
        "f" | "female" => Some(Gender::Female),
        missing if is_missing(missing) => Some(Gender::Unknown),
        _ => None,
    }
}

fn view(text: &str) -> Option<ViewPosition> {
    match text.to_ascii_lowercase().as_str() {
        "pa" => Some(ViewPosition::PA),
        "ap" => Some(ViewPosition::AP),
        missing if is_missing(missing) => Some(ViewPosition::Unknown),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::text::gzip;

    const HEADER_2020: &str = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,\
        View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]";

    fn csv(rows: &[&str]) -> String {
        rows.iter().fold(HEADER_2020.to_owned(), |csv, row| csv + "\n" + row)
    }

    fn parse(text: impl AsRef<[u8]>) -> Result<Metadata, String> {
        read(text.as_ref(), Path::new("d.csv")).map_err(|e| match e.hint() {
            Some(hint) => format!("{e}; {hint}"),
            None => e.to_string(),
        })
    }

    fn with_age(age: &str) -> Result<Option<i32>, String> {
        parse(csv(&[&format!("a.png,Mass,0,1,{age},M,PA,1,1,1,1")])).map(|metadata| metadata.rows[0].age)
    }

    #[test]
    fn both_published_forms_read_the_same() {
        let rows = [
            "a.png,Cardiomegaly|Edema,3,17,58,M,AP,2682,2749,0.143,0.143",
            "b.png,No Finding,0,2,7,F,PA,1,1,1,1",
        ];
        let form_2020 = parse(csv(&rows)).unwrap();
        let first = &form_2020.rows[0];
        assert_eq!((first.name.as_str(), first.row, first.follow_up), ("a.png", 1, Some(3)));
        assert_eq!(first.patient.as_str(), "17");
        assert_eq!((first.age, first.gender, first.view), (Some(58), Gender::Male, ViewPosition::AP));
        let positive = |row: &ImageRow| row.labels.positives().collect::<Vec<_>>();
        assert_eq!((positive(first), positive(&form_2020.rows[1])), (vec![1, 3], vec![14]));
        let form_2017 = csv(&rows).replace('\n', ",\r\n") + ",\r\n";
        let only_header = csv(&rows).replacen('\n', ",\n", 1);
        let only_rows = csv(&rows).replace("0.143\n", "0.143,\n");
        let marked = format!("\u{feff}{form_2017}");
        for text in [&form_2017, &only_header, &only_rows, &marked] {
            assert_eq!(parse(text).as_ref(), Ok(&form_2020));
            assert_eq!(parse(gzip(text.as_bytes())).as_ref(), Ok(&form_2020));
        }
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let text = "View Position,Patient Gender,Patient Age,Patient ID,Follow-up #,Finding Labels,Image Index\n\
            pa,f,,1,0,Mass | Nodule,a.png\n,,3,1,1,Mass,b.png";
        let rows = parse(text).unwrap().rows;
        assert_eq!((rows[0].view, rows[0].gender, rows[0].age), (ViewPosition::PA, Gender::Female, None));
        assert_eq!(
            (rows[1].view, rows[1].gender, rows[1].age),
            (ViewPosition::Unknown, Gender::Unknown, Some(3))
        );
        assert_eq!(rows[0].labels.positives().collect::<Vec<_>>(), [9, 10]);
    }

    #[test]
    fn ages_of_every_published_spelling_are_whole_years() {
        for (written, age) in [
            ("58", Some(58)),
            ("058Y", Some(58)),
            ("011M", Some(0)),
            ("030M", Some(2)),
            ("003D", Some(0)),
            ("366D", Some(1)),
            ("060W", Some(1)),
            ("411", Some(411)),
            ("-3", Some(-3)),
            ("", None),
            ("58.0", Some(58)),
            ("58.", Some(58)),
            ("-3.00", Some(-3)),
            ("NaN", None),
            ("nan", None),
            ("NA", None),
            ("<NA>", None),
            ("None", None),
        ] {
            assert_eq!(with_age(written), Ok(age), "{written}");
        }
        for wrong in ["old", "Y", "5.5", "99999999999", "9999999999Y", "5 Y", "٥", "1e3", "21.0Y", "-", ".0"]
        {
            let message = with_age(wrong).unwrap_err();
            assert!(
                message.starts_with(&format!("d.csv, row 1: Patient Age is {wrong:?}, not")),
                "{message}"
            );
        }
    }

    /// pandas makes floats of a column with a missing value.
    #[test]
    fn whole_numbers_are_read_as_floats_too_and_patients_of_any_length() {
        let with = |patient: &str, follow_up: &str| {
            let row = format!("a.png,Mass,{follow_up},{patient},58,M,PA,1,1,1,1");
            parse(csv(&[&row])).map(|data| (data.rows[0].patient.to_string(), data.rows[0].follow_up))
        };
        for (patient, expected) in [
            ("1.0", "1"),
            ("0013", "13"),
            ("84439876512341", "84439876512341"),
            ("84439876512341.0", "84439876512341"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
        ] {
            assert_eq!(with(patient, "0.0"), Ok((expected.to_owned(), Some(0))), "{patient}");
        }
        assert_eq!(with("1", "NaN"), Ok(("1".to_owned(), None)));
        let digits = "a whole number with all its digits: this form may have been rounded";
        for (wrong, expected) in [
            ("1.5", "a whole number"),
            ("NaN", "a whole number"),
            ("", "a whole number"),
            ("1e3", digits),
            ("1.2E+05", digits),
            ("1e-3", "a whole number"),
            ("-1", "a whole number from 0"),
        ] {
            let error = with(&format!("\"{wrong}\""), "0").unwrap_err();
            assert_eq!(error, format!("d.csv, row 1: Patient ID is {wrong:?}, not {expected}"));
        }
        let error = with("\"1,0\"", "0").unwrap_err();
        assert!(error.contains("not a whole number; numbers with decimal commas are not read"), "{error}");
        let error = with("9007199254740993.0", "0").unwrap_err();
        assert!(error.ends_with("at most 15 digits, which is what a float holds exactly"), "{error}");
    }

    #[test]
    fn semicolons_tabs_and_quotation_marks_separate_as_commas_do() {
        let rows =
            ["a.png,Cardiomegaly|Edema,3,17,58,M,AP,2682,2749,0.143,0.143", "b.png,Mass,0,2,7,F,PA,1,1,1,1"];
        let expected = parse(csv(&rows)).unwrap();
        for separator in [";", "\t"] {
            // As a spreadsheet saves the two names with a comma: in four fields, or in two.
            let all = csv(&rows).replace(',', separator);
            let kept = all
                .replace(&format!("Width{separator}Height"), "Width,Height")
                .replace(&format!("x{separator}y"), "x,y");
            let short = kept.lines().enumerate().map(|(line, text)| match line {
                0 => text.to_owned(),
                _ => text.split(separator).take(9).collect::<Vec<_>>().join(separator),
            });
            let short = short.collect::<Vec<_>>().join("\r\n");
            let quoted = short
                .lines()
                .map(|line| format!("\"{}\"", line.replace(separator, &format!("\"{separator}\""))));
            for text in
                [all, short.clone(), quoted.collect::<Vec<_>>().join("\n"), format!("\u{feff}{short}")]
            {
                assert_eq!(parse(&text).as_ref(), Ok(&expected), "{text}");
            }
        }
    }

    #[test]
    fn a_file_that_cannot_be_right_is_refused_with_file_and_row() {
        let good = "a.png,Mass,0,1,58,M,PA,1,1,1,1";
        for (text, message) in [
            (String::new(), "d.csv has no column \"Image Index\"; it has no columns at all; the first line"),
            (csv(&[]), "d.csv has no rows"),
            (
                csv(&[good]).replace("Patient ID", "Patient"),
                r#"d.csv has no column "Patient ID"; it has "Image Index", "Finding Labels", "Follow-up #", "Patient","#,
            ),
            (csv(&[good]).replace("Patient ID", "Patient Age"), "d.csv has no column \"Patient ID\"; it has"),
            (csv(&[good]).replace("Height]", "Patient Age"), "d.csv has two columns \"Patient Age\""),
            (csv(&[good, "b.png,Mass"]), "d.csv, row 2: 2 fields, but the header has 11"),
            (csv(&[&format!("{good},,9")]), "d.csv, row 1: 13 fields, but the header has 11"),
            (
                csv(&[good, "b.png,Mass|Nodul,0,1,58,M,PA,1,1,1,1"]),
                "d.csv, row 2: image \"b.png\" has the unknown label \"Nodul\"; did you mean `Nodule`?",
            ),
            (
                csv(&["b.png,,0,1,58,M,PA,1,1,1,1"]),
                "d.csv, row 1: image \"b.png\" has the unknown label \"\"; the labels are",
            ),
            (
                csv(&["b.png,Mass,0,x,58,M,PA,1,1,1,1"]),
                "d.csv, row 1: Patient ID is \"x\", not a whole number",
            ),
            (
                csv(&["b.png,Mass,-1,1,58,M,PA,1,1,1,1"]),
                "d.csv, row 1: Follow-up # is \"-1\", not a whole number from 0",
            ),
            (csv(&["b.png,Mass,0,1,58,X,PA,1,1,1,1"]), "d.csv, row 1: Patient Gender is \"X\", not M or F"),
            (csv(&["b.png,Mass,0,1,58,M,LL,1,1,1,1"]), "d.csv, row 1: View Position is \"LL\", not PA or AP"),
            (
                csv(&["../b.png,Mass,0,1,58,M,PA,1,1,1,1"]),
                "d.csv, row 1: \"../b.png\" is not a plain file name",
            ),
            (csv(&[",Mass,0,1,58,M,PA,1,1,1,1"]), "d.csv, row 1: \"\" is not a plain file name"),
            (
                csv(&["\u{1b}[2J.png,Mass,0,1,58,M,PA,1,1,1,1"]),
                "d.csv, row 1: \"\\u{1b}[2J.png\" is not a plain",
            ),
            (
                csv(&[good, "a.png,Mass,0,1,59,M,PA,1,1,1,1"]),
                "d.csv, rows 1 and 2 contradict each other about image \"a.png\"; remove one",
            ),
            (
                csv(&["a.png,Mass,0,1,58,M,PA,1,1,1,\"1", good]),
                "d.csv, row 1: a quotation mark is not closed",
            ),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.starts_with(message), "{error}\n{message}");
        }
    }

    #[test]
    fn what_is_odd_is_reported_and_kept() {
        let mut rows = vec![
            "z.png,Mass,0,1,58,M,PA,1,1,1,1".to_owned(),
            "y.png,No Finding|Mass,1,1,-2,F,PA,1,1,1,1".to_owned(),
            "z.png,Mass,0,1,58,M,PA,1,1,1,1".to_owned(),
            "x.png,Mass,1,1,58,,PA,1,1,1,1".to_owned(),
        ];
        rows.extend((0..5).map(|i| format!("{i}.png,Mass,0,2,{},F,AP,1,1,1,1", 411 + i)));
        let metadata = parse(csv(&rows.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
        assert_eq!(metadata.rows.iter().map(|row| row.row).collect::<Vec<_>>(), [1, 2, 4, 5, 6, 7, 8, 9]);
        assert_eq!(metadata.rows[1].age, Some(-2));
        assert_eq!(
            metadata.findings.iter().map(Finding::to_string).collect::<Vec<_>>(),
            [
                "1 duplicate row, used once: row 3 (z.png)",
                "1 patient with two genders: patient 1",
                "6 impossible ages (below 0 or above 120), stored unchanged: row 2 (y.png): -2, row 5 (0.png): 411, \
                 row 6 (1.png): 412, row 7 (2.png): 413, row 8 (3.png): 414, …",
                "1 image with `No Finding` and another label: row 2 (y.png)",
            ]
        );
    }

    #[test]
    fn the_published_file_is_read_without_a_finding() {
        let Some(folder) = crate::dataset::published() else { return };
        let path = folder.join("Data_Entry_2017_v2020.csv.gz");
        let metadata = read(&std::fs::read(&path).unwrap(), &path).unwrap();
        assert_eq!((metadata.rows.len(), metadata.findings), (112_120, vec![]));
        assert!(metadata.rows.iter().zip(1..).all(|(row, i)| row.row == i));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, fields in "([\"a-zA-Z0-9|.\\-é\r ]{0,6}[,\n]){0,30}") {
            let _ = parse(&bytes);
            let _ = parse([HEADER_2020.as_bytes(), b"\n", &bytes].concat());
            let _ = parse([&b"\x1f\x8b\x08\x00"[..], &bytes].concat());
            let _ = parse(csv(&[&fields]));
        }
    }
}
