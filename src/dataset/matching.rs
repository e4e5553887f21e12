//! Which image file belongs to which row of the metadata: by its name.
//!
//! A file of exactly the name always wins. Otherwise a file is taken whose name differs in case or in the form of its
//! Unicode characters only (`A.PNG`, a decomposed `é` as macOS writes it), and otherwise one that differs in its ending
//! besides (`a.jpg` for `a.png`, as in copies of the data set with JPEGs), in both cases only if there is one such file and
//! one such row, and the ingest says so. The row keeps its name.

use std::collections::{HashMap, HashSet};

use unicode_normalization::UnicodeNormalization;

use super::formats::ENDINGS;

/// How names are compared where they are not equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// But for case and Unicode form.
    Case,
    /// But for these and the ending.
    Ending,
}

impl Likeness {
    pub(super) const ALL: [Likeness; 2] = [Likeness::Case, Likeness::Ending];

    /// What two names that are alike have in common.
    fn key(self, name: &str) -> String {
        let folded: String = name.nfc().flat_map(char::to_lowercase).nfc().collect();
        match self {
            Likeness::Case => folded,
            Likeness::Ending => match folded.rsplit_once('.') {
                Some((stem, ending)) if ENDINGS.contains(&ending) => stem.to_owned(),
                _ => folded,
            },
        }
    }
}

/// The names of the rows of the metadata.
pub(super) struct RowNames<'r> {
    exact: HashSet<&'r str>,
    /// By the loosest key, under which all that are alike in any way fall together.
    alike: HashSet<String>,
}

impl<'r> RowNames<'r> {
    /// The names of all rows.
    pub(super) fn new(names: impl Iterator<Item = &'r str> + Clone) -> Self {
        let alike = names.clone().map(|name| Likeness::Ending.key(name)).collect();
        RowNames { exact: names.collect(), alike }
    }

    /// Whether a file may belong to a row, which others may belong to as well.
    pub(super) fn may_have(&self, file: &str) -> bool {
        self.exact.contains(file) || self.alike.contains(&Likeness::Ending.key(file))
    }

    /// Whether a row has exactly this name.
    pub(super) fn has(&self, file: &str) -> bool {
        self.exact.contains(file)
    }

    /// Those of the files that belong to a row without having exactly its name, as far as these files say.
    pub(super) fn alike<'f>(&self, files: impl Iterator<Item = &'f str> + Clone) -> HashSet<&'f str> {
        let exact: HashSet<&str> = files.clone().filter(|file| self.has(file)).collect();
        let mut rows: Vec<&str> = self.exact.iter().copied().filter(|row| !exact.contains(row)).collect();
        let mut left: Vec<&'f str> = files.filter(|file| !self.has(file) && self.may_have(file)).collect();
        let mut found = HashSet::new();
        for likeness in Likeness::ALL {
            let paired = pairs(likeness, rows.iter().copied(), left.iter().copied());
            let paired: HashSet<(&str, &str)> = paired.into_iter().collect();
            let (row, file): (HashSet<&str>, HashSet<&str>) = paired.into_iter().unzip();
            rows.retain(|name| !row.contains(name));
            found.extend(left.extract_if(.., |name| file.contains(name)));
        }
        found
    }
}

/// Pairs of rows and files that are alike in a way, one to one.
///
/// `rows` and `files` are those that are not paired yet. What is ambiguous is left.
pub(super) fn pairs<'r, 'f>(
    likeness: Likeness,
    rows: impl Iterator<Item = &'r str>,
    files: impl Iterator<Item = &'f str>,
) -> Vec<(&'r str, &'f str)> {
    let (rows, files) = (unique(likeness, rows), unique(likeness, files));
    let pair = |(key, row): (&String, &Option<&'r str>)| Some(((*row)?, (*files.get(key)?)?));
    let mut pairs: Vec<_> = rows.iter().filter_map(pair).collect();
    pairs.sort_unstable();
    pairs
}

/// Names by their key; none where two have the same.
fn unique<'n>(likeness: Likeness, names: impl Iterator<Item = &'n str>) -> HashMap<String, Option<&'n str>> {
    let mut by_key = HashMap::new();
    for name in names {
        by_key.entry(likeness.key(name)).and_modify(|there| *there = None).or_insert(Some(name));
    }
    by_key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paired<'n>(likeness: Likeness, rows: &[&'n str], files: &[&'n str]) -> Vec<(&'n str, &'n str)> {
        pairs(likeness, rows.iter().copied(), files.iter().copied())
    }

    #[test]
    fn names_that_say_the_same_are_paired_where_nothing_else_could_be_meant() {
        assert_eq!(paired(Likeness::Case, &["a.png", "b.png"], &["A.PNG", "b.jpg"]), [("a.png", "A.PNG")]);
        assert_eq!(paired(Likeness::Ending, &["b.png"], &["B.JPEG"]), [("b.png", "B.JPEG")]);
        // Composed and decomposed.
        assert_eq!(paired(Likeness::Case, &["caf\u{e9}.png"], &["cafe\u{301}.png"]).len(), 1);
        // Two files for one row, two rows for one file.
        assert_eq!(paired(Likeness::Case, &["a.png"], &["A.PNG", "A.png"]), []);
        assert_eq!(paired(Likeness::Ending, &["a.png"], &["a.jpg", "a.jpeg"]), []);
        assert_eq!(paired(Likeness::Ending, &["a.png", "a.jpg"], &["A.jpeg"]), []);
        assert_eq!(paired(Likeness::Ending, &["a.dcm"], &["a.png"]), []);
    }

    #[test]
    fn a_file_may_belong_to_any_row_that_it_is_alike() {
        let rows = RowNames::new(["a.png", "b.PNG"].into_iter());
        for (file, may, has) in
            [("a.png", true, true), ("A.jpg", true, false), ("b.png", true, false), ("c.png", false, false)]
        {
            assert_eq!((rows.may_have(file), rows.has(file)), (may, has), "{file}");
        }
        let alike = rows.alike(["a.png", "A.jpg", "b.jpg", "c.png"].into_iter());
        assert_eq!(alike.into_iter().collect::<Vec<_>>(), ["b.jpg"], "a.png is there");
    }
}
