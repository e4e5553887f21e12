//! The official lists of Wang et al., `train_val_list.txt` and `test_list.txt`: one image per line.

use std::collections::HashMap;
use std::path::Path;

use super::text::{self};
use super::{DatasetError, FilePosition};
use crate::limits;
use crate::records::is_plain_name;

/// Reads a list of image names, plain or gzipped, in its own order. Blank lines are skipped.
///
/// `path` is used in messages.
///
/// # Errors
/// A line that is not a plain file name, a name that occurs twice, an empty list.
pub fn read(bytes: &[u8], path: &Path) -> Result<Vec<String>, DatasetError> {
    let text = text::decode(bytes, path)?;
    let mut lines: HashMap<&str, u32> = HashMap::new();
    let mut names = Vec::new();
    for (line, name) in (1..).zip(text.lines()) {
        let name = name.trim();
        if name.is_empty() {
            continue;
        }
        let (path, owned) = (|| path.to_owned(), || name.to_owned());
        if !is_plain_name(name) {
            return Err(DatasetError::NotAName {
                path: path(),
                place: FilePosition::Line(line),
                name: owned(),
            });
        }
        if names.len() == limits::TEXT_ROWS as usize {
            return Err(DatasetError::TooManyRows { path: path(), limit: limits::TEXT_ROWS });
        }
        if let Some(first) = lines.insert(name, line) {
            return Err(DatasetError::RepeatedLine { path: path(), line, first, name: owned() });
        }
        names.push(owned());
    }
    if names.is_empty() {
        return Err(DatasetError::Empty { path: path.to_owned() });
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(bytes: &[u8]) -> Result<Vec<String>, String> {
        read(bytes, Path::new("list.txt")).map_err(|e| e.to_string())
    }

    #[test]
    fn line_ends_blank_lines_and_gzip_do_not_matter() {
        let names = Ok(vec!["b.png".to_owned(), "a.png".to_owned()]);
        for bytes in
            [&b"b.png\na.png"[..], b"\xef\xbb\xbfb.png\r\n\r\na.png\r\n", &text::gzip(b"\nb.png\na.png\n")]
        {
            assert_eq!(list(bytes), names);
        }
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (bytes, message) in [
            ("a.png\n\n../b.png", r#"list.txt, line 3: "../b.png" is not a plain file name"#),
            ("a.png\nb.png\na.png\n", r#"list.txt, line 3: "a.png" is already on line 1"#),
            ("\n\n", "list.txt has no rows"),
        ] {
            assert_eq!(list(bytes.as_bytes()), Err(message.to_owned()));
        }
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
