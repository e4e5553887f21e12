//! Assigns the images that an ingest found to the rows of the metadata, and says what is missing, without a row or unclear.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::ingest_error::{IngestError, NAMED, count, first, report_same};
use super::matching::{Likeness, ambiguous, pairs};
use super::remarks::Remarks;
use super::seen::Image;
use crate::records::ImageRow;

/// Images by name, and the file or archive that contains each.
pub(super) struct FoundFiles<'a> {
    pub(super) by_name: HashMap<Cow<'a, str>, (Image, ImageSource<'a>)>,
    /// File names of images without a row.
    pub(super) without: Vec<String>,
    pub(super) remarks: Remarks,
}

/// A file, or an archive and, if it was read just now, the path of a member in it.
#[derive(Clone)]
pub(super) struct ImageSource<'a>(pub(super) &'a Path, pub(super) Option<String>);

impl<'a> FoundFiles<'a> {
    pub(super) fn add(
        &mut self,
        name: Cow<'a, str>,
        image: Image,
        source: ImageSource<'a>,
    ) -> Result<(), IngestError> {
        match self.by_name.entry(name) {
            Entry::Occupied(there) if there.get().0.blake3 != image.blake3 => {
                let first = there.get().1.clone();
                if let (ImageSource(archive, Some(a)), ImageSource(other, Some(b))) = (&first, &source)
                    && archive == other
                {
                    let (archive, [a, b]) = (archive.to_path_buf(), [a, b].map(|member| member.to_owned()));
                    return Err(IngestError::TwoInArchive { archive, a, b });
                }
                let inside = |ImageSource(path, member): &ImageSource| match member {
                    Some(member) => path.join(member),
                    None if path.ends_with(&**there.key()) => path.to_path_buf(),
                    None => path.join(&**there.key()),
                };
                return Err(IngestError::TwoOfOneName(inside(&first), inside(&source)));
            }
            Entry::Occupied(_) => {}
            Entry::Vacant(free) => drop(free.insert((image, source))),
        }
        Ok(())
    }

    /// Assigns files to rows, removes the rows without a file, and returns the number of removed rows.
    pub(super) fn fill(
        mut self,
        rows: &mut Vec<ImageRow>,
        metadata: &Path,
        allow_missing: bool,
        findings: &mut Vec<String>,
    ) -> Result<usize, IngestError> {
        let found = self.by_name.len() + self.without.len();
        for row in rows.iter_mut() {
            if let Some((image, _)) = self.by_name.remove(row.name.as_str()) {
                image.describe(row);
            }
        }
        for likeness in Likeness::ALL {
            findings.extend(self.fill_alike(rows, likeness));
        }
        self.without.extend(self.by_name.into_keys().map(Cow::into_owned));
        self.without.sort_unstable();
        if rows.iter().all(|row| row.object.is_none()) {
            let path = metadata.to_owned();
            let names = rows.iter().map(|row| row.name.as_str());
            let ambiguous = ambiguous(names, self.without.iter().map(String::as_str));
            let remarks = [ambiguous, self.remarks.sentences()].concat();
            return Err(IngestError::NothingMatches { images: found, path, remarks });
        }
        let missing_rows = rows.iter().filter(|row| row.object.is_none()).count();
        if missing_rows > 0 && !allow_missing {
            let rows = rows.iter().filter(|row| row.object.is_none());
            return Err(missing(rows, metadata, &self.remarks, self.without.iter().map(String::as_str)));
        }
        let missing = rows.iter().filter(|row| row.object.is_none()).map(|row| row.name.as_str());
        findings.extend(ambiguous(missing, self.without.iter().map(String::as_str)));
        // Of files that are alike, one has the row.
        let key = |name: &str| Likeness::Ending.key(name);
        let taken: HashSet<String> = match self.without.is_empty() {
            true => HashSet::new(),
            false => {
                rows.iter().filter(|row| row.object.is_some()).map(|row| key(row.name.as_str())).collect()
            }
        };
        let (second, without): (Vec<String>, Vec<String>) =
            std::mem::take(&mut self.without).into_iter().partition(|name| taken.contains(&key(name)));
        for (names, what) in [
            (without, ["image has no row in the metadata", "images have no row in the metadata"]),
            (
                second,
                [
                    "image has the row of another file with a similar name",
                    "images have rows of other files with similar names",
                ],
            ),
        ] {
            if !names.is_empty() {
                let counted = count(names.len(), what[0], what[1]);
                findings.push(format!("{counted}, ignored: {}", first(names.into_iter())));
            }
        }
        findings.extend(self.remarks.sentences());
        rows.retain(|row| row.object.is_some());
        Ok(missing_rows)
    }

    /// Assigns files to rows whose names are alike, and says so.
    fn fill_alike(&mut self, rows: &mut [ImageRow], likeness: Likeness) -> Option<String> {
        if self.by_name.is_empty() {
            return None;
        }
        let names = rows.iter().filter(|row| row.object.is_none()).map(|row| row.name.as_str());
        let files = self.by_name.keys().map(|name| &**name);
        let pairs = pairs(likeness, names, files);
        let pairs: Vec<(String, String)> =
            pairs.into_iter().map(|(row, file)| (row.to_owned(), file.to_owned())).collect();
        let by_row: HashMap<&str, &str> = pairs.iter().map(|(row, file)| (&**row, &**file)).collect();
        for row in rows.iter_mut().filter(|row| row.object.is_none()) {
            if let Some(file) = by_row.get(row.name.as_str())
                && let Some((image, _)) = self.by_name.remove(*file)
            {
                image.describe(row);
            }
        }
        let (one, many) = match likeness {
            Likeness::Case => ("image differs", "images differ"),
            Likeness::Ending => ("image has a different extension", "images have a different extension"),
        };
        let than = match likeness {
            Likeness::Case => "from its name in the metadata only in case or Unicode form",
            Likeness::Ending => "than in the metadata",
        };
        let cases = pairs.iter().map(|(row, file)| format!("{file} for {row}"));
        (!pairs.is_empty())
            .then(|| format!("{} {than}, used: {}", count(pairs.len(), one, many), first(cases)))
    }
}

/// `without` are images without a row: what a row could be meant by is named.
pub(super) fn missing<'a>(
    rows: impl Iterator<Item = &'a ImageRow> + Clone,
    metadata: &Path,
    remarks: &Remarks,
    without: impl Iterator<Item = &'a str>,
) -> IngestError {
    let ambiguous = ambiguous(rows.clone().map(|row| row.name.as_str()), without);
    let mut names: Vec<String> = rows.map(|row| row.name.to_string()).collect();
    let missing = names.len();
    names.truncate(NAMED);
    IngestError::Missing {
        path: metadata.to_owned(),
        missing,
        names,
        remarks: [ambiguous, remarks.sentences()].concat(),
    }
}

/// Images with different names and bytes and the same pixels.
pub(super) fn same_pixels(images: &FoundFiles<'_>) -> Option<String> {
    let mut named: Vec<_> = images
        .by_name
        .iter()
        .filter_map(|(name, (image, _))| Some((image.pixels?, image.blake3, &**name)))
        .collect();
    named.sort_unstable();
    named.dedup_by_key(|(pixels, bytes, _)| (*pixels, *bytes));
    report_same(named.into_iter().map(|(pixels, _, name)| (pixels, name)).collect(), "picture")
}
