//! Sheets as columns for numpy.

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyDict, PyList, PyString};
use reg::export::{ColumnValues, Sheet};

/// One column: name, type (`text`, `integer`, `number` or `truth`), values, and a byte for each value that says whether it
/// is missing; none if no value is.
///
/// Values are a list of texts, or the bytes of `int64`, `float64` or `uint8`.
type Column = (String, &'static str, Py<PyAny>, Option<Py<PyByteArray>>);

/// A sheet: its name, what it says of itself, its columns.
pub(crate) type Columns = (String, Py<PyDict>, Vec<Column>);

/// The values of a column, ready to be copied to Python.
enum Packed {
    Text(Vec<Option<String>>),
    Bytes(&'static str, Vec<u8>, Vec<u8>),
}

/// A sheet whose numbers lie as numpy wants them.
struct PackedSheet {
    name: String,
    about: Vec<(String, String)>,
    columns: Vec<(String, Packed)>,
}

/// Sheets that are packed without the interpreter.
pub(crate) struct PackedSheets(Vec<PackedSheet>);

impl PackedSheets {
    pub(crate) fn of(sheets: Vec<Sheet>) -> Self {
        let sheet = |Sheet { name, about, columns }: Sheet| PackedSheet {
            name,
            about,
            columns: columns.into_iter().map(|column| (column.name, packed(column.values))).collect(),
        };
        PackedSheets(sheets.into_iter().map(sheet).collect())
    }

    pub(crate) fn into_python(self, py: Python<'_>) -> PyResult<Vec<Columns>> {
        let sheet = |PackedSheet { name, about, columns }: PackedSheet| {
            let dict = PyDict::new(py);
            about.into_iter().try_for_each(|(key, value)| dict.set_item(key, value))?;
            let columns: PyResult<_> = columns.into_iter().map(|column| to_python(py, column)).collect();
            Ok((name, dict.unbind(), columns?))
        };
        self.0.into_iter().map(sheet).collect()
    }
}

fn packed(values: ColumnValues) -> Packed {
    fn bytes<T, const N: usize>(
        kind: &'static str,
        values: &[Option<T>],
        of: impl Fn(&T) -> [u8; N],
    ) -> Packed {
        let mut all = Vec::with_capacity(values.len() * N);
        for value in values {
            all.extend_from_slice(&value.as_ref().map_or([0; N], &of));
        }
        let missing = match values.iter().any(Option::is_none) {
            true => values.iter().map(|value| u8::from(value.is_none())).collect(),
            false => Vec::new(),
        };
        Packed::Bytes(kind, all, missing)
    }
    match values {
        ColumnValues::Text(texts) => Packed::Text(texts),
        ColumnValues::Integer(numbers) => bytes("integer", &numbers, |number| number.to_ne_bytes()),
        ColumnValues::Number(numbers) => bytes("number", &numbers, |number| number.to_ne_bytes()),
        ColumnValues::Truth(truths) => bytes("truth", &truths, |truth| [u8::from(*truth)]),
    }
}

fn to_python(py: Python<'_>, (name, values): (String, Packed)) -> PyResult<Column> {
    match values {
        Packed::Text(texts) => {
            // Neighbours are often equal: one object serves both.
            let mut last: Option<(&str, Bound<'_, PyString>)> = None;
            let list = PyList::empty(py);
            for text in &texts {
                match (text, &last) {
                    (None, _) => list.append(py.None())?,
                    (Some(text), Some((before, object))) if text == before => list.append(object)?,
                    (Some(text), _) => {
                        let object = PyString::new(py, text);
                        list.append(&object)?;
                        last = Some((text, object));
                    }
                }
            }
            Ok((name, "text", list.into_py_any(py)?, None))
        }
        Packed::Bytes(kind, all, missing) => {
            let missing = (!missing.is_empty()).then(|| PyByteArray::new(py, &missing).unbind());
            Ok((name, kind, PyByteArray::new(py, &all).into_py_any(py)?, missing))
        }
    }
}
