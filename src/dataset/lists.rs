//! The official lists of Wang et al., `train_val_list.txt` and `test_list.txt`: one image per line.

use std::collections::HashMap;
use std::path::Path;

use super::matching::{ImageNames, Spelling};
use super::table::is_path_of_image;
use super::text;
use super::{DatasetError, FilePosition};
use crate::limits;

/// A line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEntry {
    /// The line, from 1.
    pub line: u32,
    /// The name of an image, as it is written.
    pub name: String,
}

/// What a list says of a data set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListedImages {
    /// Rows of its manifest, in the order of the list.
    pub rows: Vec<u32>,
    /// Names that are written otherwise than in the data set.
    pub inexact: Vec<String>,
    /// Names that the data set does not have; for example if it has only some of the images.
    pub unknown: Vec<String>,
}

impl ListedImages {
    /// Number of names on the list.
    pub fn listed(&self) -> usize {
        self.rows.len() + self.unknown.len()
    }
}

/// Reads a list of image names, plain or gzipped, in its own order. Blank lines are skipped; a name may have a folder.
///
/// `path` is used in messages.
///
/// # Errors
/// A line that is not the name of a file, a name that occurs twice, an empty list.
pub fn read(bytes: &[u8], path: &Path) -> Result<Vec<ListEntry>, DatasetError> {
    let text = text::decode(bytes, path)?;
    let mut lines: HashMap<&str, u32> = HashMap::new();
    let mut entries = Vec::new();
    for (line, name) in (1..).zip(text.lines()) {
        let name = name.trim();
        if name.is_empty() {
            continue;
        }
        let (path, owned) = (|| path.to_owned(), || name.to_owned());
        if !is_path_of_image(name) {
            return Err(DatasetError::NotAName {
                path: path(),
                place: FilePosition::Line(line),
                name: owned(),
            });
        }
        if entries.len() == limits::TEXT_ROWS as usize {
            return Err(DatasetError::TooManyRows { path: path(), limit: limits::TEXT_ROWS });
        }
        if let Some(first) = lines.insert(name, line) {
            return Err(DatasetError::RepeatedLine { path: path(), line, first, name: owned() });
        }
        entries.push(ListEntry { line, name: owned() });
    }
    if entries.is_empty() {
        return Err(DatasetError::Empty { path: path.to_owned() });
    }
    Ok(entries)
}

/// Finds the images of a list in a data set.
///
/// # Errors
/// A name that can mean two images, an image that is listed twice under two names.
pub fn find(entries: &[ListEntry], names: &ImageNames, path: &Path) -> Result<ListedImages, DatasetError> {
    let mut found = ListedImages::default();
    let mut lines: HashMap<u32, u32> = HashMap::new();
    for ListEntry { line, name } in entries {
        let Some((row, spelling)) = names.find(name, path, FilePosition::Line(*line))? else {
            found.unknown.push(name.clone());
            continue;
        };
        if let Some(first) = lines.insert(row, *line) {
            let (path, name) = (path.to_owned(), name.clone());
            return Err(DatasetError::RepeatedLine { path, line: *line, first, name });
        }
        found.inexact.extend((spelling == Spelling::Other).then(|| name.clone()));
        found.rows.push(row);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(bytes: &[u8]) -> Result<Vec<String>, String> {
        let entries = read(bytes, Path::new("list.txt")).map_err(|e| e.to_string());
        entries.map(|entries| entries.into_iter().map(|entry| entry.name).collect())
    }

    #[test]
    fn line_ends_blank_lines_and_gzip_do_not_matter() {
        let names = Ok(vec!["b.png".to_owned(), "x/a.png".to_owned()]);
        for bytes in [
            &b"b.png\nx/a.png"[..],
            b"\xef\xbb\xbfb.png\r\n\r\nx/a.png\r\n",
            &text::gzip(b"\nb.png\nx/a.png\n"),
        ] {
            assert_eq!(list(bytes), names);
        }
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (bytes, message) in [
            ("a.png\n\n..", r#"list.txt, line 3: ".." is not a plain file name"#),
            ("a.png\nb.png\na.png\n", r#"list.txt, line 3: "a.png" is already on line 1"#),
            ("\n\n", "list.txt has no rows"),
        ] {
            assert_eq!(list(bytes.as_bytes()), Err(message.to_owned()));
        }
    }

    #[test]
    fn images_are_found_however_they_are_written_and_only_once() {
        let head =
            "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position";
        let rows = ["a.png", "b.png", "c.png"].map(|name| format!("\n{name},Mass,0,1,1,M,PA"));
        let csv = format!("{head}{}", rows.concat());
        let rows = crate::dataset::metadata::read(csv.as_bytes(), Path::new("d.csv")).unwrap().rows;
        let found = |text: &str| {
            let path = Path::new("list.txt");
            find(&read(text.as_bytes(), path).unwrap(), &ImageNames::of(&rows), path)
                .map_err(|e| e.to_string())
        };
        let ListedImages { rows: found_rows, inexact, unknown } =
            found("c.png\nimages/B.png\nd\na\n").unwrap();
        assert_eq!(found_rows, [2, 1, 0]);
        assert_eq!(
            (inexact, unknown),
            (vec!["images/B.png".to_owned(), "a".to_owned()], vec!["d".to_owned()])
        );
        let twice = r#"list.txt, line 2: "x/a.png" is already on line 1"#;
        assert_eq!(found("a.png\nx/a.png\n"), Err(twice.to_owned()));
    }

    #[test]
    fn the_published_lists_have_their_published_lengths() {
        let Some(folder) = super::super::published() else { return };
        for (file, names) in [("train_val_list.txt.gz", 86_524), ("test_list.txt.gz", 25_596)] {
            let path = folder.join(file);
            assert_eq!(read(&std::fs::read(&path).unwrap(), &path).unwrap().len(), names);
        }
    }
}
