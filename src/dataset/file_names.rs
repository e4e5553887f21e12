//! What the name of a file says of it, and what its first bytes say where the name says nothing.

use std::ffi::OsStr;
use std::path::Path;

use super::formats::ImageFormat;
use crate::recognise::FileKind;

/// Whether a file or folder with this name does not belong to the data set: `.DS_Store`, `._00000001_000.png`.
pub(super) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") || name == "__MACOSX"
}

/// Whether a file's name is that of an image.
pub(super) fn is_image(path: &Path) -> bool {
    ImageFormat::of_name(path).is_some()
}

fn ends_with(path: &Path, endings: &[&str]) -> bool {
    let name = path.file_name().map(OsStr::to_ascii_lowercase).unwrap_or_default();
    endings.iter().any(|ending| name.as_encoded_bytes().ends_with(ending.as_bytes()))
}

/// Whether a file's name is that of an image of a format that is not read.
pub(super) fn is_other_image(path: &Path) -> bool {
    let endings = [
        ".dcm", ".dicom", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".jp2", ".nii", ".nii.gz", ".mha", ".pgm",
    ];
    ends_with(path, &endings)
}

/// Whether a file's name is that of an archive.
pub(super) fn is_archive(path: &Path) -> bool {
    ends_with(
        path,
        &[".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.zst", ".tar.bz2", ".7z", ".rar"],
    )
}

/// Whether bytes are those of an archive that may hold images.
pub(super) fn is_archive_kind(kind: FileKind) -> bool {
    matches!(kind, FileKind::Zip | FileKind::Tar | FileKind::SevenZip | FileKind::Rar)
}

/// Whether bytes are those of an image of a format that is not read.
pub(super) fn is_other_image_kind(kind: FileKind) -> bool {
    use FileKind::{Bmp, Dicom, Gif, Jpeg2000, Nifti, Tiff, Webp};
    matches!(kind, Dicom | Gif | Bmp | Tiff | Webp | Jpeg2000 | Nifti)
}

/// What macOS puts beside files: `__MACOSX`, `._00000001_000.png`.
pub(super) fn is_mac(name: &[u8]) -> bool {
    name.starts_with(b"._") || name == b"__MACOSX"
}
