//! Scores as a program leaves them, before they are held to labels and images: CSV, or a structured array of NumPy.
//!
//! Unlike [`super::scores`], which finds the scores in another tool's table, nothing is guessed: each column but that of
//! the images is one of scores.

use std::path::Path;

use super::DatasetError;
use super::table::CsvTable;
use super::text;
use crate::limits;
use crate::records::is_plain_name;

/// The column of the images.
pub const IMAGE: &str = "Image Index";

/// A table of scores.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreTable {
    /// Names of the columns of scores.
    pub columns: Vec<String>,
    /// Names of the images, in the order of the rows.
    pub images: Vec<String>,
    /// `[images, columns]`, row after row.
    pub scores: Vec<f64>,
}

/// Reads a CSV.
///
/// # Errors
/// No column `Image Index`; a field that is not a finite number, by its row and column.
pub fn read_csv(bytes: &[u8], path: &Path) -> Result<ScoreTable, DatasetError> {
    let text = text::decode(bytes, path)?;
    let mut table = CsvTable::open(&text, path)?;
    let image = table.column(IMAGE)?;
    let headings = table.headings().to_vec();
    let places: Vec<usize> = (0..headings.len()).filter(|place| headings[*place] != IMAGE).collect();
    let columns: Vec<_> = places.iter().map(|place| table.column_at(*place, &headings[*place])).collect();
    let mut found = ScoreTable {
        columns: places.iter().map(|place| headings[*place].clone()).collect(),
        images: Vec::new(),
        scores: Vec::new(),
    };
    while let Some(row) = table.next_row()? {
        found.images.push(row.text(image).to_owned());
        for column in &columns {
            let finite = |text: &str| text.parse().ok().filter(|score: &f64| score.is_finite());
            found.scores.push(row.parse(*column, "a finite number", finite)?);
        }
    }
    Ok(found)
}

/// A field of a structured array.
struct Field {
    name: String,
    kind: FieldKind,
    /// Length in bytes.
    length: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum FieldKind {
    /// `<U`: code points of four bytes.
    Text,
    /// `|S`: bytes.
    Bytes,
    /// `<f8`.
    Double,
    /// `<f4`.
    Single,
}

/// Reads a `.npy` file: a structured array with the text field `Image Index` and a field of floats for each column.
///
/// # Errors
/// In words, after the name of the file: `it ...`.
pub fn read_npy(bytes: &[u8]) -> Result<ScoreTable, String> {
    const MAGIC: &[u8] = b"\x93NUMPY";
    let rest = bytes.strip_prefix(MAGIC).ok_or("it is not a NumPy array")?;
    let cut = || "it is cut off".to_owned();
    let (length, rest) = match rest {
        [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        _ => return Err("it has an unknown version of NumPy's format".to_owned()),
    };
    let (header, data) = rest.split_at_checked(length).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| "its header is not UTF-8")?;
    if !header.contains("'fortran_order': False") {
        return Err("it is not in C order".to_owned());
    }
    let fields = fields(header)?;
    let rows = shape(header).ok_or("it is not a one-dimensional array")?;
    let width: usize = fields.iter().map(|field| field.length).sum();
    if rows > limits::TEXT_ROWS as usize || width.checked_mul(rows) != Some(data.len()) {
        return Err(format!("it has {} bytes of data, not {rows} rows of {width} bytes", data.len()));
    }
    let columns: Vec<&Field> = fields.iter().filter(|field| field.name != IMAGE).collect();
    if fields.len() != columns.len() + 1 {
        return Err(format!("it has no field `{IMAGE}`, or two"));
    }
    let mut table = ScoreTable {
        columns: columns.iter().map(|field| field.name.clone()).collect(),
        images: Vec::new(),
        scores: Vec::new(),
    };
    for (number, row) in (1..).zip(data.chunks_exact(width.max(1))) {
        let mut at = 0;
        for field in &fields {
            let value = &row[at..at + field.length];
            at += field.length;
            if field.name == IMAGE {
                let name = words(field.kind, value).ok_or(format!("row {number} has no name of an image"))?;
                table.images.push(name);
                continue;
            }
            let score = number_of(field.kind, value).filter(|score| score.is_finite());
            let name = &field.name;
            table.scores.push(score.ok_or(format!("row {number}: {name} is not a finite number"))?);
        }
    }
    Ok(table)
}

/// The fields by `'descr': [('NAME', '<f8'), …]`.
fn fields(header: &str) -> Result<Vec<Field>, String> {
    let list = header.split_once("'descr': [").and_then(|(_, rest)| rest.split_once(']'));
    let (list, _) = list.ok_or("it is not a structured array with named fields")?;
    let mut fields = Vec::new();
    for part in list.split('(').skip(1) {
        let part = part.split(')').next().unwrap_or_default().trim_end_matches([',', ' ']);
        let (name, kind) =
            part.rsplit_once(", ").ok_or_else(|| format!("its field ({part}) is not readable"))?;
        let bare = |text: &str| {
            let text = text.trim();
            let inner = text.strip_prefix(['\'', '"']).and_then(|text| text.strip_suffix(['\'', '"']));
            inner.map(str::to_owned)
        };
        let (Some(name), Some(kind)) = (bare(name), bare(kind)) else {
            return Err(format!("its field ({part}) is not readable"));
        };
        let length = |digits: &str, unit: usize| digits.parse::<usize>().ok()?.checked_mul(unit);
        let read = match kind.as_str() {
            "<f8" => Some((FieldKind::Double, 8)),
            "<f4" => Some((FieldKind::Single, 4)),
            text => match (text.strip_prefix("<U"), text.strip_prefix("|S")) {
                (Some(digits), _) => length(digits, 4).map(|length| (FieldKind::Text, length)),
                (_, Some(digits)) => length(digits, 1).map(|length| (FieldKind::Bytes, length)),
                _ => None,
            },
        };
        let (kind, length) =
            read.ok_or_else(|| format!("its field {name:?} has type {kind:?}: use f4, f8 or text"))?;
        if length > limits::TEXT_LINE {
            return Err(format!("its field {name:?} is too long"));
        }
        fields.push(Field { name, kind, length });
    }
    Ok(fields)
}

/// The number of rows by `'shape': (N,)`.
fn shape(header: &str) -> Option<usize> {
    let (_, rest) = header.split_once("'shape': (")?;
    let (number, rest) = rest.split_once(',')?;
    if rest.trim_start().starts_with(')') { number.trim().parse().ok() } else { None }
}

fn words(kind: FieldKind, value: &[u8]) -> Option<String> {
    let text = match kind {
        FieldKind::Text => {
            let points =
                value.chunks_exact(4).map(|point| u32::from_le_bytes(point.try_into().expect("four")));
            points.take_while(|point| *point != 0).map(char::from_u32).collect::<Option<String>>()?
        }
        FieldKind::Bytes => {
            let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
            std::str::from_utf8(&value[..end]).ok()?.to_owned()
        }
        FieldKind::Double | FieldKind::Single => return None,
    };
    is_plain_name(&text).then_some(text)
}

fn number_of(kind: FieldKind, value: &[u8]) -> Option<f64> {
    match kind {
        FieldKind::Double => Some(f64::from_le_bytes(value.try_into().ok()?)),
        FieldKind::Single => Some(f32::from_le_bytes(value.try_into().ok()?).into()),
        FieldKind::Text | FieldKind::Bytes => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.array([('a.png', 0.5, 2.0), ('é', -1.0, 0.25)], dtype=[('Image Index', '<U5'), ('logit_Mass', '<f8'),
    /// ('logit_Edema', '<f4')])`, saved by NumPy 2.
    fn npy(replace: [&str; 2]) -> Vec<u8> {
        let mut header =
            "{'descr': [('Image Index', '<U5'), ('logit_Mass', '<f8'), ('logit_Edema', '<f4')], \
                          'fortran_order': False, 'shape': (2,), }"
                .replace(replace[0], replace[1]);
        while (10 + header.len()) % 64 != 63 {
            header.push(' ');
        }
        header.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        for (name, mass, edema) in [("a.png", 0.5, 2.0), ("é", -1.0, 0.25)] {
            let mut points: Vec<u32> = name.chars().map(u32::from).collect();
            points.resize(5, 0);
            points.iter().for_each(|point| bytes.extend(point.to_le_bytes()));
            bytes.extend(f64::to_le_bytes(mass));
            bytes.extend(f32::to_le_bytes(edema));
        }
        bytes
    }

    #[test]
    fn a_structured_array_of_numpy_is_a_table() {
        let table = read_npy(&npy(["", ""])).unwrap();
        assert_eq!(table.columns, ["logit_Mass", "logit_Edema"]);
        assert_eq!(table.images, ["a.png", "é"]);
        assert_eq!(table.scores, [0.5, 2.0, -1.0, 0.25]);
        for (change, reason) in [
            (["False", "True"], "it is not in C order"),
            (["(2,)", "(3,)"], "it has 64 bytes of data, not 3 rows of 32 bytes"),
            (["(2,)", "(2, 1)"], "it is not a one-dimensional array"),
            (["Image Index", "image index"], "it has no field `Image Index`, or two"),
            (["'<f4'", "'<i4'"], "its field \"logit_Edema\" has type \"<i4\": use f4, f8 or text"),
            (["'<U5'", "'<f8'"], "it has 64 bytes of data, not 2 rows of 20 bytes"),
        ] {
            assert_eq!(read_npy(&npy(change)).unwrap_err(), reason);
        }
        assert_eq!(read_npy(b"PAR1").unwrap_err(), "it is not a NumPy array");
    }

    #[test]
    fn a_csv_names_the_row_of_what_is_no_number() {
        let read = |text: &str| read_csv(text.as_bytes(), Path::new("scores.csv"));
        let table = read("Mass,Image Index,Edema\n0.5,a.png,0.25\n").unwrap();
        assert_eq!((table.columns, table.scores), (vec!["Mass".into(), "Edema".into()], vec![0.5, 0.25]));
        let e = read("Image Index,Mass\na.png,0.5\nb.png,nan\n").unwrap_err();
        assert_eq!(e.to_string(), "scores.csv, row 2: Mass is \"nan\", not a finite number");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, header in "[\\['(),<fU0-9a ]{0,40}") {
            let _ = read_npy(&[b"\x93NUMPY\x01\x00\x08\x00", &bytes[..]].concat());
            let _ = read_npy(&npy(["('logit_Mass', '<f8')", &header]));
            let _ = read_csv(&bytes, Path::new("scores.csv"));
        }
    }
}
