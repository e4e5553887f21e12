//! JSON as tables: each object or array, down to a few levels, has a row for each of its children, and in another table
//! a row for each key of its children. Between them these have every form in which programs write a table: records,
//! columns, an object of images, one of labels, lists of images.

use std::collections::HashMap;

use serde_json::{Deserializer, Value};

use super::rows::{OnRow, Rows};

/// How deep an object or array may lie that is taken for a table.
const LEVELS: usize = 4;

/// Cells by row and column, both numbered.
pub(super) struct JsonTable {
    /// Row, column and text, sorted by row.
    cells: Vec<(u32, u32, String)>,
}

impl Rows for JsonTable {
    fn each(&self, row: &mut OnRow<'_>) {
        for cells in self.cells.chunk_by(|a, b| a.0 == b.0) {
            let cells: Vec<(u32, &str)> =
                cells.iter().map(|(_, column, text)| (*column, text.as_str())).collect();
            if !row(&cells) {
                return;
            }
        }
    }
}

/// The tables of a JSON document, or of several behind each other; none if the text is not JSON.
pub(super) fn read(text: &str) -> Vec<JsonTable> {
    let documents: Result<Vec<Value>, _> = Deserializer::from_str(text).into_iter::<Value>().collect();
    let mut tables = Vec::new();
    match documents {
        Ok(mut documents) if documents.len() == 1 => of_value(&documents.remove(0), LEVELS, &mut tables),
        Ok(documents) => of_value(&Value::Array(documents), LEVELS, &mut tables),
        Err(_) => {}
    }
    tables
}

/// A scalar as the text of a cell.
fn cell(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => Some(String::new()),
        Value::Array(_) | Value::Object(_) => None,
        scalar => Some(scalar.to_string()),
    }
}

fn children(value: &Value) -> Vec<(String, &Value)> {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().map(|(place, item)| (place.to_string(), item)).collect()
        }
        Value::Object(items) => items.iter().map(|(key, item)| (key.clone(), item)).collect(),
        _ => Vec::new(),
    }
}

/// Paths of scalars below a value.
fn scalars(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match cell(value) {
        Some(text) => found.push((path.to_owned(), text)),
        None => {
            children(value).iter().for_each(|(key, child)| scalars(child, &format!("{path}/{key}"), found))
        }
    }
}

/// Numbers for texts, in the order in which they appear.
#[derive(Default)]
struct Numbers(HashMap<String, u32>);

impl Numbers {
    fn of(&mut self, text: String) -> u32 {
        let next = self.0.len() as u32;
        *self.0.entry(text).or_insert(next)
    }
}

fn of_value(value: &Value, levels: usize, tables: &mut Vec<JsonTable>) {
    let children = children(value);
    if children.len() > 1 || children.iter().any(|(_, child)| cell(child).is_none()) {
        let (mut by_child, mut by_key) = (Vec::new(), Vec::new());
        let (mut columns, mut rows, mut of_keys) =
            (Numbers::default(), Numbers::default(), Numbers::default());
        for (row, (key, child)) in (0..).zip(&children) {
            // The key is a cell as well: it can name an image or a label. That of an array is only a place.
            if value.is_object() {
                by_child.push((row, columns.of(String::new()), key.clone()));
            }
            let mut found = Vec::new();
            scalars(child, "", &mut found);
            for (path, text) in found {
                if let Some((first, rest)) =
                    path.get(1..).map(|path| path.split_once('/').unwrap_or((path, "")))
                {
                    let row = rows.of(first.to_owned());
                    by_key.push((row, of_keys.of(format!("{key}/{rest}")), text.clone()));
                }
                by_child.push((row, columns.of(path), text));
            }
        }
        let names = of_keys.of("/".to_owned());
        by_key.extend(rows.0.into_iter().map(|(key, row)| (row, names, key)));
        by_key.sort_by_key(|(row, column, _)| (*row, *column));
        tables.extend([JsonTable { cells: by_child }, JsonTable { cells: by_key }]);
    }
    if levels > 1 {
        // Thousands of equal small objects are rows, not tables.
        let inner = children.iter().filter(|(_, child)| cell(child).is_none());
        inner.take(64).for_each(|(_, child)| of_value(child, levels - 1, tables));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Vec<Vec<String>>> {
        let of = |table: &JsonTable| {
            let mut rows = Vec::new();
            table.each(&mut |cells| {
                rows.push(cells.iter().map(|(_, text)| (*text).to_owned()).collect());
                true
            });
            rows
        };
        read(text).iter().map(of).collect()
    }

    #[test]
    fn records_columns_and_lines_are_the_same_table() {
        let table = [["a", "1"], ["b", "0"]];
        for text in [
            r#"[{"i": "a", "y": 1}, {"i": "b", "y": 0}]"#,
            "{\"i\": \"a\", \"y\": 1}\n{\"i\": \"b\", \"y\": 0}\n",
            r#"{"i": ["a", "b"], "y": [1, 0]}"#,
            r#"{"i": {"0": "a", "1": "b"}, "y": {"0": 1, "1": 0}}"#,
            r#"{"a": 1, "b": 0}"#,
            r#"{"version": 3, "data": {"a": [1], "b": [0]}}"#,
        ] {
            let tables = rows(text);
            let has = |rows: &Vec<Vec<String>>| {
                table.iter().all(|row| {
                    rows.iter().any(|found| row.iter().all(|cell| found.contains(&(*cell).to_owned())))
                })
            };
            assert!(tables.iter().any(has), "{text}: {tables:?}");
        }
        assert!(rows("{\"a\": ").is_empty() && rows("[1, 2] x").is_empty());
    }
}
