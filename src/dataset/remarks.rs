//! What lies among the images and was not read, or was reached in a way that somebody may not expect: each is named.

use std::collections::BTreeMap;
use std::path::Path;

use crate::digits::thousands;
use crate::records::codec::printable;

/// Maximum number of names in a sentence; the others are counted.
const NAMED: usize = 5;

/// Why something is remarked upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remark {
    /// A link to a folder, which was followed.
    FollowedLink,
    /// A link to a folder that contains the link: following it would never end.
    LinkAbove,
    /// A link that leads nowhere, such as to a disk that is not mounted.
    BrokenLink,
    /// A hidden folder with images.
    HiddenFolder,
    /// A hidden image.
    HiddenImage,
    /// An image of a format that is not read.
    OtherFormat,
    /// An archive in a folder.
    InnerArchive,
    /// An archive in another archive.
    PackedArchive,
    /// A pipe, socket or device in a folder.
    SpecialFile,
    /// A member of an archive that is neither a file nor a folder.
    SpecialMember,
    /// A file whose name promises one format and that is of the other.
    OtherEnding,
}

impl Remark {
    /// One, several, and what to do.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Remark::FollowedLink => ("link to a folder was followed", "links to folders were followed", ""),
            Remark::LinkAbove => (
                "link leads to a folder above it and was not followed",
                "links lead to a folder above them and were not followed",
                "",
            ),
            Remark::BrokenLink => ("link leads nowhere", "links lead nowhere", ""),
            Remark::HiddenFolder => (
                "hidden folder with images was not read",
                "hidden folders with images were not read",
                " (give it as a path of its own)",
            ),
            Remark::HiddenImage => ("hidden image was not read", "hidden images were not read", ""),
            Remark::OtherFormat => (
                "image of another format was not read",
                "images of other formats were not read",
                " (convert to PNG or JPEG)",
            ),
            Remark::InnerArchive => (
                "archive inside a folder was not read",
                "archives inside folders were not read",
                " (give it as a path of its own)",
            ),
            Remark::PackedArchive => (
                "archive inside another was not read",
                "archives inside others were not read",
                " (unpack the outer archive first)",
            ),
            Remark::SpecialFile => {
                ("pipe, socket or device was not read", "pipes, sockets or devices were not read", "")
            }
            Remark::SpecialMember => (
                "member of an archive is neither a file nor a folder and was not read",
                "members of archives are neither files nor folders and were not read",
                "",
            ),
            Remark::OtherEnding => (
                "image has a different format than its name says, and was read by its content",
                "images have a different format than their names say, and were read by their content",
                "",
            ),
        }
    }
}

/// Remarks, by reason: how many, and the first names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remarks(BTreeMap<Remark, (usize, Vec<String>)>);

impl Remarks {
    /// Notes a file or folder.
    pub fn add(&mut self, remark: Remark, name: impl Into<String>) {
        let (count, names) = self.0.entry(remark).or_default();
        *count += 1;
        if names.len() < NAMED {
            names.push(name.into());
        }
    }

    /// Notes a path.
    pub(super) fn add_path(&mut self, remark: Remark, path: &Path) {
        self.add(remark, path.display().to_string());
    }

    /// Adds those of another place.
    pub fn extend(&mut self, others: Remarks) {
        for (remark, (count, names)) in others.0 {
            let (all, first) = self.0.entry(remark).or_default();
            *all += count;
            first.extend(names);
            first.truncate(NAMED);
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is one for this reason.
    pub fn has(&self, remark: Remark) -> bool {
        self.0.contains_key(&remark)
    }

    /// One sentence for each reason, with its count and the first names.
    pub fn sentences(&self) -> Vec<String> {
        let sentence = |(remark, (count, names)): (&Remark, &(usize, Vec<String>))| {
            let (one, many, advice) = remark.words();
            let rest = if *count > names.len() { ", …" } else { "" };
            let names: Vec<String> = names.iter().map(printable).collect();
            let what = if *count == 1 { one } else { many };
            format!("{} {what}: {}{rest}{advice}", thousands(*count as u64), names.join(", "))
        };
        self.0.iter().map(sentence).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_counts_all_and_names_the_first() {
        let mut remarks = Remarks::default();
        remarks.add(Remark::OtherFormat, "a.dcm");
        (0..3).for_each(|n| remarks.add(Remark::BrokenLink, format!("{n}")));
        let mut more = Remarks::default();
        (3..1_200).for_each(|n| more.add(Remark::BrokenLink, format!("{n}")));
        remarks.extend(more);
        assert_eq!(
            remarks.sentences(),
            [
                "1,200 links lead nowhere: 0, 1, 2, 3, 4, …",
                "1 image of another format was not read: a.dcm (convert to PNG or JPEG)",
            ]
        );
    }
}
