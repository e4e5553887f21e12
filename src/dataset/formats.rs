//! The formats of image files, told apart by their first bytes: PNG and JPEG.
//!
//! One place asks which format it is, so that every command takes the same files and says the same of others.

use std::path::Path;

use super::jpeg::{self, JpegError};
use super::png::{self, PngError};
use crate::recognise::FileKind;

/// Endings of file names of images, in lower case.
pub const ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];

/// A format of image files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageFormat {
    /// PNG, checked by [`png::check`].
    Png,
    /// JPEG, checked by [`jpeg::check`].
    Jpeg,
}

impl ImageFormat {
    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            ImageFormat::Png => "image/png",
            ImageFormat::Jpeg => "image/jpeg",
        }
    }

    /// The format that a file's name promises.
    pub fn of_name(name: &Path) -> Option<Self> {
        let ending = name.extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "png" => Some(ImageFormat::Png),
            "jpg" | "jpeg" => Some(ImageFormat::Jpeg),
            _ => None,
        }
    }
}

/// Format and size of an image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageInfo {
    /// The format.
    pub format: ImageFormat,
    /// Width in pixels, of the upright image.
    pub width: u32,
    /// Height in pixels, of the upright image.
    pub height: u32,
}

/// Why bytes are not a complete image: the second half of a sentence that starts with the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Something else, or a damaged PNG.
    #[error(transparent)]
    Png(PngError),
    /// A damaged JPEG.
    #[error(transparent)]
    Jpeg(#[from] JpegError),
    /// Neither a PNG nor a JPEG.
    #[error("is neither a PNG nor a JPEG but {}", .0.described())]
    Foreign(FileKind),
    /// Neither a PNG nor a JPEG, nor anything else that is known.
    #[error("is neither a PNG nor a JPEG: it starts with \"{0}\"")]
    Unknown(String),
}

impl FormatError {
    /// What lies in the place of the image, if that is known.
    pub fn found(&self) -> Option<FileKind> {
        match self {
            FormatError::Png(PngError::Empty) => Some(FileKind::Empty),
            FormatError::Foreign(kind) => Some(*kind),
            _ => None,
        }
    }
}

impl FormatError {
    /// What to do with a file that another download would not change.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            FormatError::Jpeg(JpegError::Coding(_) | JpegError::Depth(_) | JpegError::Components(_)) => {
                Some("convert these images to PNG, or to JPEG in gray or RGB with 8 bits per sample")
            }
            FormatError::Png(PngError::Trailing(_)) => Some(
                "save these images again to remove the bytes after their end: these bytes are not part of the image, and nothing would check them",
            ),
            _ => None,
        }
    }
}

impl From<PngError> for FormatError {
    fn from(e: PngError) -> Self {
        match e {
            PngError::Foreign(kind) => FormatError::Foreign(kind),
            PngError::Signature(start) => FormatError::Unknown(start),
            e => FormatError::Png(e),
        }
    }
}

/// Checks an image of any format, without decoding its pixels.
pub fn check(bytes: &[u8]) -> Result<ImageInfo, FormatError> {
    if jpeg::is_jpeg(bytes) {
        let info = jpeg::check(bytes)?;
        return Ok(ImageInfo { format: ImageFormat::Jpeg, width: info.width, height: info.height });
    }
    let info = png::check(bytes)?;
    Ok(ImageInfo { format: ImageFormat::Png, width: info.width, height: info.height })
}
