//! Why an ingest registers nothing.

use std::path::{Path, PathBuf};

use super::DatasetError;
use super::formats::FormatError;
use super::pixels::PixelError;
use crate::digits::thousands;
use crate::hash::Hash;
use crate::registry::RegistryError;

/// Maximum number of cases that a message lists; the others are counted.
pub(super) const NAMED: usize = 5;

/// Why nothing was registered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// The metadata, the box list or the paths.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Images that are not intact.
    #[error("{} not intact: {}", count(.0.len(), "image is", "images are"), first(.0.iter().map(|(path, e)| format!("{} {e}", path.display()))))]
    BadImages(Vec<(PathBuf, BadImage)>),
    /// Metadata rows without an image.
    #[error("no image for {} of {}: {}", count(*missing, "row", "rows"), path.display(), names.join(", ") + if names.len() < *missing { ", …" } else { "" })]
    Missing {
        /// The metadata.
        path: PathBuf,
        /// How many.
        missing: usize,
        /// The first of them.
        names: Vec<String>,
        /// What was found and not read.
        remarks: Vec<String>,
    },
    /// Two different files with the same name.
    #[error("{} and {} have the same name but different bytes", .0.display(), .1.display())]
    TwoOfOneName(PathBuf, PathBuf),
    /// Two different members of an archive with the same file name.
    #[error("{} has two images with the same name but different bytes: {}", archive.display(), match a == b { true => format!("two members are {a}"), false => format!("{a} and {b}") })]
    TwoInArchive {
        /// The archive.
        archive: PathBuf,
        /// The path of a member.
        a: String,
        /// That of the other one, which may be the same.
        b: String,
    },
    /// All images were withdrawn.
    #[error("every image in {} was withdrawn", .0.display())]
    AllWithdrawn(PathBuf),
    /// No image belongs to any row.
    #[error("{} a row in {}", none_has(*images), path.display())]
    NothingMatches {
        /// Images found.
        images: usize,
        /// The metadata.
        path: PathBuf,
        /// What was found and not read.
        remarks: Vec<String>,
    },
}

/// Why an image is bad.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadImage {
    /// Its chunks are damaged.
    #[error("{0}")]
    Format(#[from] FormatError),
    /// Its pixels cannot be decoded.
    #[error("is {0}")]
    Pixels(#[from] PixelError),
}

impl BadImage {
    /// How to get the image, where something else lies in its place, or one that can be read.
    fn remedy(&self, path: &Path) -> Option<String> {
        match self {
            BadImage::Format(e) => e.remedy().map(str::to_owned).or_else(|| e.found()?.remedy(path)),
            BadImage::Pixels(_) => None,
        }
    }
}

pub(super) fn count(n: usize, one: &str, many: &str) -> String {
    format!("{} {}", thousands(n as u64), if n == 1 { one } else { many })
}

pub(super) fn first(cases: impl Iterator<Item = String>) -> String {
    let cases: Vec<String> = cases.collect();
    let rest = if cases.len() > NAMED { "; …" } else { "" };
    cases.into_iter().take(NAMED).collect::<Vec<_>>().join("; ") + rest
}

impl IngestError {
    /// A hint.
    pub fn hint(&self) -> Option<String> {
        match self {
            IngestError::Dataset(e) => e.hint(),
            IngestError::Missing { remarks, .. } => {
                let lenient = "give --allow-missing to register only the images that were found".to_owned();
                Some([&remarks[..], &[lenient]].concat().join("; "))
            }
            IngestError::BadImages(bad) => {
                let remedy = bad.iter().find_map(|(path, bad)| bad.remedy(path));
                Some(remedy.unwrap_or_else(|| {
                    "nothing was registered; download these images again or move them away".to_owned()
                }))
            }
            IngestError::NothingMatches { remarks, .. } => {
                let check = "check that the metadata belongs to these images: its column `Image Index` has the file names";
                Some([&remarks[..], &[check.to_owned()]].concat().join("; "))
            }
            IngestError::AllWithdrawn(_) => Some(
                "`reg list withdrawal` shows the reasons; to revoke one: `reg withdraw PATIENT --reason WHY --revoke`".to_owned(),
            ),
            IngestError::TwoInArchive { a, b, .. } => Some(match a == b {
                true => "unpack the archive (the second file replaces the first), and give the folder".to_owned(),
                false => "unpack the archive, move one of them away, and give the folder".to_owned(),
            }),
            IngestError::TwoOfOneName(..) => Some("move one of them away".to_owned()),
            IngestError::Registry(_) => None,
        }
    }
}

/// Names in groups, those that are one thing under several names, if there are any.
pub(super) fn report_same(mut named: Vec<(Hash, &str)>, what: &str) -> Option<String> {
    named.sort_unstable();
    let groups: Vec<String> = named
        .chunk_by(|a, b| a.0 == b.0)
        .filter(|group| group.len() > 1)
        .map(|group| {
            let names: Vec<&str> = group.iter().map(|(_, name)| *name).take(NAMED).collect();
            let more = if group.len() > NAMED {
                format!(" = … ({} names)", thousands(group.len() as u64))
            } else {
                String::new()
            };
            names.join(" = ") + &more
        })
        .collect();
    let found = !groups.is_empty();
    found.then(|| {
        format!(
            "{} under several names: {}",
            count(groups.len(), &format!("{what} is"), &format!("{what}s are")),
            first(groups.into_iter())
        )
    })
}

/// Begins the sentence that no image has something.
fn none_has(images: usize) -> String {
    match images {
        1 => "the only image found does not have".to_owned(),
        _ => format!("none of the {} images found has", thousands(images as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_thing_with_thousands_of_names_a_few_are_named() {
        let names: Vec<String> = (0..4000).map(|n| format!("{n:04}.png")).collect();
        let named = names.iter().map(|name| (Hash([1; 32]), name.as_str())).collect();
        let expected = "1 file is under several names: 0000.png = 0001.png = 0002.png = 0003.png = 0004.png = … (4,000 names)";
        assert_eq!(report_same(named, "file").as_deref(), Some(expected));
        assert_eq!(report_same(vec![(Hash([1; 32]), "a.png"), (Hash([2; 32]), "b.png")], "file"), None);
    }
}
