//! The pair of columns that was named in advance.

use std::str::FromStr;

use super::CompareError;
use crate::records::Primary;

/// The pair of columns whose difference of mean AUCs is the primary comparison, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnPair {
    /// These two.
    Named(Primary),
    /// Two names with a colon between them. Names may contain colons, too, so only the names of the columns tell which colon
    /// is the one between.
    Joined(String),
}

impl From<Primary> for ColumnPair {
    fn from(primary: Primary) -> Self {
        ColumnPair::Named(primary)
    }
}

impl FromStr for ColumnPair {
    type Err = &'static str;

    /// Reads two different names with a colon between them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let has_reading = readings(text).next().is_some();
        let needed = "two different columns with a colon between them are needed";
        has_reading.then(|| ColumnPair::Joined(text.to_owned())).ok_or(needed)
    }
}

/// Each way to divide a text at a colon into two different names.
fn readings(text: &str) -> impl Iterator<Item = [&str; 2]> {
    let pairs = text.match_indices(':').map(|(at, colon)| [&text[..at], &text[at + colon.len()..]]);
    pairs.filter(|[a, b]| !a.is_empty() && !b.is_empty() && a != b)
}

impl ColumnPair {
    /// The pair among the names of columns.
    ///
    /// # Errors
    /// A name that is not among them, or several pairs that are.
    pub fn among(&self, columns: &[&str]) -> Result<Primary, CompareError> {
        let unknown = |name: &str| {
            let columns = columns.iter().map(|&name| name.to_owned()).collect();
            CompareError::NoSuchColumn { name: name.to_owned(), columns }
        };
        let is_column = |name: &str| columns.contains(&name);
        let text = match self {
            ColumnPair::Named(primary) => {
                let missing = [&primary.a, &primary.b].into_iter().find(|name| !is_column(name));
                return missing.map_or_else(|| Ok(primary.clone()), |name| Err(unknown(name)));
            }
            ColumnPair::Joined(text) => text,
        };
        let found: Vec<[&str; 2]> =
            readings(text).filter(|pair| pair.iter().all(|name| is_column(name))).collect();
        match found[..] {
            [[a, b]] => Ok(Primary { a: a.to_owned(), b: b.to_owned() }),
            [] => {
                // Where one name is a column, the other is the one that is wrong.
                let close = readings(text).find(|pair| pair.iter().any(|name| is_column(name)));
                let [a, b] = close.or_else(|| readings(text).next()).unwrap_or([text, text]);
                Err(unknown(if is_column(a) { b } else { a }))
            }
            _ => {
                let pairs = found.iter().map(|pair| pair.map(str::to_owned)).collect();
                Err(CompareError::AmbiguousPrimary { text: text.clone(), pairs })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, columns: &[&str]) -> Result<[String; 2], String> {
        let pair: ColumnPair = text.parse().map_err(str::to_owned)?;
        pair.among(columns).map(|Primary { a, b }| [a, b]).map_err(|e| e.to_string())
    }

    #[test]
    fn a_name_with_a_colon_is_read_as_the_column_that_has_it() {
        let pair = |a: &str, b: &str| Ok([a.to_owned(), b.to_owned()]);
        assert_eq!(read("a:b", &["a", "b", "c"]), pair("a", "b"));
        assert_eq!(read("lr:1:lr:2", &["lr:1", "lr:2"]), pair("lr:1", "lr:2"));
        assert_eq!(read("a:b:c", &["a", "b:c"]), pair("a", "b:c"));
        assert_eq!(read(":a:b", &[":a", "b"]), pair(":a", "b"));
    }

    #[test]
    fn what_can_be_read_twice_or_not_at_all_is_refused() {
        let two = read("a:b:c", &["a", "b:c", "a:b", "c"]).unwrap_err();
        assert_eq!(two, "--primary a:b:c has two readings: `a` and `b:c`, `a:b` and `c`");
        assert!(read("a:b:d", &["a:b", "c"]).unwrap_err().contains("--primary names d, which"));
        assert!(read("d:a:b", &["a:b", "c"]).unwrap_err().contains("--primary names d, which"));
        for text in ["", "a", ":", "a:", ":a", "a:a"] {
            assert!(read(text, &["a", "b"]).unwrap_err().contains("two different columns"), "{text:?}");
        }
    }

    #[test]
    fn two_names_given_apart_have_one_reading() {
        let pair = ColumnPair::from(Primary { a: "a".into(), b: "b:c".into() });
        assert_eq!(pair.among(&["a", "b:c", "a:b", "c"]).unwrap().b, "b:c");
        assert!(pair.among(&["a", "b"]).is_err());
    }
}
