//! Which name means which image: of files, and in lists, boxes and scores, by one rule.
//!
//! Exactly the name always wins. Otherwise a name is taken that differs in its folder, in case or in the form of its
//! Unicode characters only (`images/A.PNG`, a decomposed `é` as macOS writes it), and otherwise one that differs in its
//! ending besides, or has none (`a.jpg` for `a.png`, as in copies of the data set with JPEGs; `a`), in both cases only if
//! nothing else can be meant, and whoever reads the names says so. The image keeps its name.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use unicode_normalization::UnicodeNormalization;

use super::formats::ENDINGS;
use super::{DatasetError, FilePosition};
use crate::digits::counted;
use crate::records::ImageRow;

/// How names are compared where they are not equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// But for folder, case and Unicode form.
    Case,
    /// But for these and the ending.
    Ending,
}

impl Likeness {
    pub(super) const ALL: [Likeness; 2] = [Likeness::Case, Likeness::Ending];

    /// What two names that are alike have in common.
    pub(super) fn key(self, name: &str) -> String {
        let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
        // The apostrophe that keeps a spreadsheet from reading a formula.
        let bare = file.strip_prefix('\'').filter(|rest| rest.starts_with(['=', '+', '-', '@']));
        let file = bare.unwrap_or(file);
        let folded: String = file.nfc().flat_map(char::to_lowercase).nfc().collect();
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

/// Rows and files that could belong together and are not paired, because several are alike: a sentence each, for the first
/// few.
pub(super) fn ambiguous<'n>(
    rows: impl Iterator<Item = &'n str>,
    files: impl Iterator<Item = &'n str>,
) -> Vec<String> {
    const SHOWN: usize = 3;
    let mut by_key: BTreeMap<String, [Vec<&str>; 2]> = BTreeMap::new();
    for row in rows {
        by_key.entry(Likeness::Ending.key(row)).or_default()[0].push(row);
    }
    for file in files {
        if let Some([_, alike]) = by_key.get_mut(&Likeness::Ending.key(file)) {
            alike.push(file);
        }
    }
    let unclear = by_key.values_mut().filter(|[_, files]| !files.is_empty()).take(SHOWN);
    let said = unclear.map(|names| {
        names.iter_mut().for_each(|names| names.sort_unstable());
        let [rows, files] = names.each_ref().map(|names| names.join(", "));
        format!(
            "{rows} of the metadata can match {files}: rename the right image to exactly the name in its row"
        )
    });
    said.collect()
}

/// How a name differs from that of its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spelling {
    /// Not at all.
    Exact,
    /// In folder, case, Unicode form or ending.
    Other,
}

/// Rows by a form of their names: the first such row, and a second one if there is one.
type RowsByName = HashMap<String, (u32, Option<u32>)>;

/// The names of a data set's images, found however a list writes them.
pub struct ImageNames<'r> {
    rows: &'r [ImageRow],
    exact: HashMap<&'r str, u32>,
    /// By likeness and key: the first row, and another one that has the same key. Made when it is first needed.
    alike: OnceCell<[RowsByName; 2]>,
}

/// One sentence about names that are written otherwise than those of their images; none if there are none.
pub fn written_otherwise(names: &[String], place: &str) -> Option<String> {
    const SHOWN: usize = 5;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("{name:?}")).collect();
    let more = if names.len() > SHOWN { ", …" } else { "" };
    (!names.is_empty()).then(|| {
        let all = counted(names.len() as u64, "image");
        let are = if names.len() == 1 { "is" } else { "are" };
        format!(
            "{all} {place} {are} named differently than in the data set, in folder, extension, case or Unicode form: {}{more}",
            shown.join(", ")
        )
    })
}

impl<'r> ImageNames<'r> {
    /// The names of the rows of a manifest.
    pub fn of(rows: &'r [ImageRow]) -> Self {
        let exact = rows.iter().map(|row| row.name.as_str()).zip(0..).collect();
        ImageNames { rows, exact, alike: OnceCell::new() }
    }

    /// The row of the image that a name means, and whether it is written otherwise; `None` for an unknown one.
    ///
    /// `path` and `place` are used in messages.
    ///
    /// # Errors
    /// A name that can mean two images.
    pub fn find(
        &self,
        name: &str,
        path: &Path,
        place: FilePosition,
    ) -> Result<Option<(u32, Spelling)>, DatasetError> {
        if let Some(row) = self.exact.get(name) {
            return Ok(Some((*row, Spelling::Exact)));
        }
        let alike = self.alike.get_or_init(|| Likeness::ALL.map(|likeness| self.by_key(likeness)));
        for (likeness, by_key) in Likeness::ALL.iter().zip(alike) {
            match by_key.get(&likeness.key(name)) {
                None => {}
                Some((row, None)) => return Ok(Some((*row, Spelling::Other))),
                Some((a, Some(b))) => {
                    let [a, b] = [a, b].map(|row| self.rows[*row as usize].name.to_string());
                    let (path, name) = (path.to_owned(), name.to_owned());
                    return Err(DatasetError::AmbiguousName { path, place, name, a, b });
                }
            }
        }
        Ok(None)
    }

    fn by_key(&self, likeness: Likeness) -> HashMap<String, (u32, Option<u32>)> {
        let mut by_key = HashMap::new();
        for (place, row) in (0..).zip(self.rows) {
            by_key
                .entry(likeness.key(&row.name))
                .and_modify(|(_, other): &mut (u32, Option<u32>)| _ = other.get_or_insert(place))
                .or_insert((place, None));
        }
        by_key
    }
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
        let unclear = |rows: &[&'static str], files: &[&'static str]| {
            ambiguous(rows.iter().copied(), files.iter().copied())
        };
        assert_eq!(
            unclear(&["A.PNG", "b.png"], &["a.png", "A.png", "c.png"]),
            [
                "A.PNG of the metadata can match A.png, a.png: rename the right image to exactly the name in its row"
            ]
        );
        assert_eq!(unclear(&["a.png"], &["b.png"]), [""; 0]);
    }

    #[test]
    fn a_name_in_a_list_is_found_however_it_is_written_unless_two_images_could_be_meant() {
        let head =
            "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position";
        let rows = ["B.png", "a.png", "a_b.png", "b.PNG", "caf\u{e9}.png"]
            .map(|name| format!("\n{name},Mass,0,1,1,M,PA"));
        let csv = format!("{head}{}", rows.concat());
        let rows = crate::dataset::metadata::read(csv.as_bytes(), Path::new("d.csv")).unwrap().rows;
        let names = ImageNames::of(&rows);
        let find = |name: &str| {
            names.find(name, Path::new("l.txt"), FilePosition::Line(3)).map_err(|e| e.to_string())
        };
        for (name, row) in [
            ("a.png", Some((1, Spelling::Exact))),
            ("images/a.png", Some((1, Spelling::Other))),
            ("C:\\data\\A.PNG", Some((1, Spelling::Other))),
            ("a", Some((1, Spelling::Other))),
            ("a.jpg", Some((1, Spelling::Other))),
            ("A_B", Some((2, Spelling::Other))),
            ("B.png", Some((0, Spelling::Exact))),
            ("x/Cafe\u{301}.png", Some((4, Spelling::Other))),
            ("a.dcm", None),
            ("c", None),
            ("", None),
        ] {
            assert_eq!(find(name), Ok(row), "{name}");
        }
        let message = r#"l.txt, line 3: "b" matches both B.png and b.PNG"#;
        assert_eq!(find("b"), Err(message.to_owned()));
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
