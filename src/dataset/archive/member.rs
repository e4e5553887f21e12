//! What a member of an archive is by its name. Names are untrusted: one that leads outside the archive is refused
//! rather than skipped, because an archive of images has no reason to contain it.

use std::path::{Component, Path};

use super::super::DatasetError;
use super::super::file_names::{
    is_archive, is_archive_kind, is_hidden, is_image, is_mac, is_other_image, is_other_image_kind,
};
use super::super::remarks::Remark;
use crate::recognise::FileKind;
use crate::records::is_plain_name;

/// What to do with a member.
pub(super) enum Member {
    /// An image of this file name.
    Image(String),
    /// It is not read, and is named.
    Remark(Remark, String),
    /// A file whose name says nothing: by its first bytes it may be an image of this file name.
    Unknown(String),
    /// It is passed over: a folder, a hidden file.
    Other,
}

/// Judges a member by its path.
///
/// # Errors
/// A path outside the archive; an image whose name is no plain file name.
pub(super) fn classify(path: &[u8], is_dir: bool, archive: &Path) -> Result<Member, DatasetError> {
    let member = String::from_utf8_lossy(path);
    let refuse = |reason| {
        Err(DatasetError::Member { path: archive.to_owned(), member: member.clone().into_owned(), reason })
    };
    let path_of = Path::new(&*member);
    let (mut hidden, mut mac) = (false, false);
    for component in path_of.components() {
        match component {
            Component::Normal(name) => {
                hidden |= is_hidden(name);
                mac |= is_mac(name.as_encoded_bytes());
            }
            Component::CurDir => {}
            _ => return refuse("has a path outside the archive"),
        }
    }
    if is_dir || mac {
        return Ok(Member::Other);
    }
    let remark = |remark| Ok(Member::Remark(remark, member.clone().into_owned()));
    match () {
        () if is_image(path_of) && hidden => remark(Remark::HiddenImage),
        () if is_image(path_of) => {
            match std::str::from_utf8(path).ok().and_then(|member| member.rsplit('/').next()) {
                Some(name) if is_plain_name(name) => Ok(Member::Image(name.to_owned())),
                _ => refuse("is not a plain file name"),
            }
        }
        () if hidden => Ok(Member::Other),
        () if is_archive(path_of) => remark(Remark::PackedArchive),
        () if is_other_image(path_of) => remark(Remark::OtherFormat),
        () => Ok(match std::str::from_utf8(path).ok().and_then(|member| member.rsplit('/').next()) {
            Some(name) if is_plain_name(name) => Member::Unknown(name.to_owned()),
            _ => Member::Other,
        }),
    }
}

/// What a member whose name says nothing is by its first bytes.
pub(super) fn classify_bytes(head: &[u8], name: String, member: &str) -> Member {
    match FileKind::of(head) {
        FileKind::Png | FileKind::Jpeg => Member::Image(name),
        kind if is_archive_kind(kind) => Member::Remark(Remark::PackedArchive, member.to_owned()),
        kind if is_other_image_kind(kind) => Member::Remark(Remark::OtherFormat, member.to_owned()),
        _ => Member::Other,
    }
}
