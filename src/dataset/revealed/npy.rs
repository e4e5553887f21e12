//! An array of NumPy as a table: numbers, truth values or text in one or two dimensions, or a structured array of one.

use super::rows::{OnRow, Rows};
use crate::limits;

/// An array of at most two dimensions.
pub(super) struct NpyArray {
    fields: Vec<NpyField>,
    rows: usize,
    columns: usize,
    is_by_columns: bool,
    data: Vec<u8>,
}

/// A value, or the field of a structured one: the letter of NumPy and the number of bytes.
struct NpyField {
    letter: char,
    is_big_endian: bool,
    length: usize,
}

impl NpyField {
    /// Of `<f8`, `|b1`, `<U12`.
    fn parse(descr: &str) -> Option<Self> {
        let mut letters = descr.chars();
        let order = letters.next()?;
        let letter = letters.next()?;
        let count: usize = letters.as_str().parse().ok()?;
        let length = match letter {
            'U' => count.checked_mul(4)?,
            'b' | 'i' | 'u' | 'f' | 'S' => count,
            _ => return None,
        };
        Some(NpyField { letter, is_big_endian: order == '>', length })
    }

    fn text(&self, bytes: &[u8]) -> String {
        // The low end first.
        let mut low: Vec<u8> = bytes.to_vec();
        if self.is_big_endian && self.letter != 'S' {
            low.chunks_mut(if self.letter == 'U' { 4 } else { self.length }).for_each(<[u8]>::reverse);
        }
        let mut wide = [0; 16];
        low.iter().take(16).enumerate().for_each(|(place, byte)| wide[place] = *byte);
        let whole = u128::from_le_bytes(wide);
        match (self.letter, self.length) {
            ('S', _) => String::from_utf8_lossy(&low).trim_end_matches('\0').to_owned(),
            ('U', _) => {
                let points =
                    low.chunks_exact(4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]));
                points.filter(|point| *point != 0).filter_map(char::from_u32).collect()
            }
            ('f', 8) => f64::from_bits(whole as u64).to_string(),
            ('f', 4) => f32::from_bits(whole as u32).to_string(),
            // Of other floats and negative numbers the bits will do: what counts is which are equal.
            ('f' | 'i', _) if whole != 0 && whole != 1 => format!("bits {whole}"),
            _ => whole.to_string(),
        }
    }
}

impl Rows for NpyArray {
    fn each(&self, row: &mut OnRow<'_>) {
        let width: usize = self.fields.iter().map(|field| field.length).sum();
        for at in 0..self.rows {
            let mut cells = Vec::new();
            for column in 0..self.columns {
                let place =
                    if self.is_by_columns { column * self.rows + at } else { at * self.columns + column };
                let mut start = place * width;
                for field in &self.fields {
                    cells.push(field.text(&self.data[start..start + field.length]));
                    start += field.length;
                }
            }
            let cells: Vec<(u32, &str)> = (0..).zip(cells.iter().map(String::as_str)).collect();
            if !row(&cells) {
                return;
            }
        }
    }
}

/// Reads an array; none if it holds something else, such as pickled objects.
pub(super) fn read(bytes: &[u8]) -> Option<NpyArray> {
    let (length, rest) = match bytes.strip_prefix(b"\x93NUMPY")? {
        [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        _ => return None,
    };
    let (header, data) = rest.split_at_checked(length)?;
    let header = std::str::from_utf8(header).ok()?;
    let (_, descr) = header.split_once("'descr': ")?;
    let quoted = |text: &str| text.split('\'').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let fields: Option<Vec<NpyField>> = match descr.strip_prefix('[') {
        Some(list) => {
            // Names and types in turn; a field that is an array itself has numbers behind.
            let words = quoted(list.split_once("],")?.0);
            words.chunks(2).map(|pair| NpyField::parse(pair.get(1)?)).collect()
        }
        None => Some(vec![NpyField::parse(quoted(descr).first()?)?]),
    };
    let fields = fields?;
    let shape = header.split_once("'shape': (")?.1.split_once(')')?.0;
    let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
    let sizes: Vec<usize> = sizes.map(|size| size.parse().ok()).collect::<Option<_>>()?;
    let (rows, columns) = match sizes[..] {
        [rows] => (rows, 1),
        [rows, columns] => (rows, columns),
        _ => return None,
    };
    let width: usize = fields.iter().map(|field| field.length).sum();
    let expected = rows.checked_mul(columns)?.checked_mul(width)?;
    let is_sane = width > 0 && expected == data.len() && rows.checked_mul(columns)? <= limits::PROGRAM_CELLS;
    let is_by_columns = header.contains("'fortran_order': True");
    is_sane.then(|| NpyArray { fields, rows, columns, is_by_columns, data: data.to_vec() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend(data);
        bytes
    }

    fn rows(bytes: &[u8]) -> Option<Vec<String>> {
        let mut rows = Vec::new();
        read(bytes)?.each(&mut |cells| {
            rows.push(cells.iter().map(|(_, text)| *text).collect::<Vec<_>>().join(" "));
            true
        });
        Some(rows)
    }

    #[test]
    fn arrays_of_either_order_and_of_structures_are_tables() {
        let of = |descr: &str, fortran: &str, shape: &str, data: &[u8]| {
            let header = format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': ({shape}), }}");
            rows(&npy(&header, data))
        };
        let table = |rows: [&str; 2]| Some(rows.map(str::to_owned).to_vec());
        assert_eq!(of("'|b1'", "False", "2,", &[1, 0]), table(["1", "0"]));
        assert_eq!(of("'|u1'", "False", "2, 2", &[1, 2, 3, 4]), table(["1 2", "3 4"]));
        assert_eq!(of("'|u1'", "True", "2, 2", &[1, 2, 3, 4]), table(["1 3", "2 4"]));
        assert_eq!(of("'>i2'", "False", "2,", &[0, 1, 0, 0]), table(["1", "0"]));
        assert_eq!(of("'<f4'", "False", "2,", &[0, 0, 128, 63, 0, 0, 0, 0]), table(["1", "0"]));
        assert_eq!(
            of("[('i', '|S2'), ('y', '|u1')]", "False", "2,", b"a\0\x01b\0\x00"),
            table(["a 1", "b 0"])
        );
        assert_eq!(of("'<U1'", "False", "2,", b"a\0\0\0b\0\0\0"), table(["a", "b"]));
        assert_eq!(of("'|O'", "False", "2,", b"ab"), None);
        assert_eq!(of("'|u1'", "False", "3,", b"ab"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(data: Vec<u8>, descr in "[\\['(),<fUbS0-9 ]{0,20}", shape in "[0-9, ]{0,12}") {
            let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': ({shape}), }}");
            let _ = rows(&npy(&header, &data));
            let _ = rows(&data);
        }
    }
}
