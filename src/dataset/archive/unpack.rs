//! The compressed streams that tar archives and tables come in: gzip, xz and Zstandard.
//!
//! Zeros behind the compressed data are padding, which tapes and some servers add and every other tool passes over;
//! anything else there is an error, because it would be ignored in silence.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::limits;

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// xz.
    Xz,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// Unpacks a stream.
    pub(super) fn unpack<'r>(self, packed: impl BufRead + 'r) -> Box<dyn Read + 'r> {
        match self {
            Compression::None => Box::new(packed),
            Compression::Gzip => Box::new(Gunzip::new(packed)),
            Compression::Xz => {
                // The decoder counts what it needs beside the window, less than a mebibyte, in KiB.
                let limit = (limits::ARCHIVE_WINDOW >> 10) as u32 + 1024;
                Box::new(XzReader::new_mem_limit(packed, true, limit))
            }
            Compression::Zstd => Box::new(Unzstd::new(packed)),
        }
    }
}

fn trailing() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "other data follows the compressed data")
}

/// Passes over zeros. Returns whether anything follows them, and whether there were any.
fn padding(packed: &mut impl BufRead) -> io::Result<(bool, bool)> {
    let mut padded = false;
    loop {
        let bytes = packed.fill_buf()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        match (bytes.is_empty(), zeros) {
            (true, _) => return Ok((false, padded)),
            (false, 0) => return Ok((true, padded)),
            (false, zeros) => packed.consume(zeros),
        }
        padded = true;
    }
}

/// Unpacks all members of a gzip file.
pub(crate) struct Gunzip<R> {
    state: Option<Member<R>>,
}

enum Member<R> {
    Within(Box<GzDecoder<R>>),
    Behind(R),
}

impl<R: BufRead> Gunzip<R> {
    /// Reads the header of the first member.
    pub(crate) fn new(packed: R) -> Self {
        Gunzip { state: Some(Member::Within(Box::new(GzDecoder::new(packed)))) }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.state.take() {
                None => return Ok(0),
                Some(Member::Within(mut decoder)) => match decoder.read(buffer) {
                    Ok(0) if !buffer.is_empty() => self.state = Some(Member::Behind(decoder.into_inner())),
                    read => {
                        self.state = Some(Member::Within(decoder));
                        return read;
                    }
                },
                Some(Member::Behind(mut packed)) => match padding(&mut packed)? {
                    (false, _) => return Ok(0),
                    (true, false) if packed.fill_buf()?.first() == Some(&0x1f) => {
                        self.state = Some(Member::Within(Box::new(GzDecoder::new(packed))));
                    }
                    (true, _) => return Err(trailing()),
                },
            }
        }
    }
}

/// Unpacks all frames of a Zstandard file.
struct Unzstd<R> {
    packed: R,
    decoder: FrameDecoder,
    within: bool,
    frames: u64,
}

impl<R: BufRead> Unzstd<R> {
    fn new(packed: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(limits::ARCHIVE_WINDOW);
        Unzstd { packed, decoder, within: false, frames: 0 }
    }

    /// Begins the next frame that is not to be skipped; false behind the last.
    fn begin(&mut self) -> io::Result<bool> {
        loop {
            match padding(&mut self.packed)? {
                (false, _) if self.frames > 0 => return Ok(false),
                (true, true) => return Err(trailing()),
                _ => {}
            }
            match self.decoder.reset(&mut self.packed) {
                Ok(()) => {
                    self.frames += 1;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let skipped = io::copy(&mut (&mut self.packed).take(length.into()), &mut io::sink())?;
                    if skipped < u64::from(length) {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                    self.frames += 1;
                }
                Err(e @ FrameDecoderError::WindowSizeTooBig { .. }) => {
                    return Err(io::Error::new(ErrorKind::OutOfMemory, e));
                }
                Err(e) => return Err(io::Error::other(e)),
            }
        }
    }
}

impl<R: BufRead> Read for Unzstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.within && !self.begin()? {
                return Ok(0);
            }
            self.within = true;
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.packed, one).map_err(io::Error::other)?;
            }
            match self.decoder.read(buffer)? {
                0 => {
                    let (said, found) =
                        (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum());
                    if said.is_some() && said != found {
                        return Err(io::Error::new(ErrorKind::InvalidData, "the checksum is wrong"));
                    }
                    self.within = false;
                }
                n => return Ok(n),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::text::gzip;

    /// "some text" by `xz` and by `zstd --check`.
    const XZ: &[u8] = include_bytes!("../../../fixtures/archives/text.xz");
    const ZSTD: &[u8] = include_bytes!("../../../fixtures/archives/text.zst");

    fn unpacked(compression: Compression, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut found = Vec::new();
        compression.unpack(bytes).read_to_end(&mut found).map_err(|e| e.to_string())?;
        Ok(found)
    }

    #[test]
    fn streams_are_read_with_padding_and_one_behind_the_other() {
        let gz = gzip(b"some text");
        for (compression, packed) in
            [(Compression::Gzip, &gz[..]), (Compression::Xz, XZ), (Compression::Zstd, ZSTD)]
        {
            let read = |bytes: &[u8]| unpacked(compression, bytes);
            assert_eq!(read(packed).unwrap(), b"some text", "{compression:?}");
            assert_eq!(read(&packed.repeat(2)).unwrap(), b"some textsome text", "{compression:?}");
            for zeros in [4, 512, 100_000] {
                assert_eq!(
                    read(&[packed, &vec![0; zeros]].concat()).unwrap(),
                    b"some text",
                    "{compression:?}"
                );
            }
            assert!(read(&[packed, b"<html>"].concat()).is_err(), "{compression:?}");
            assert!(read(&[packed, &[0; 512], b"x"].concat()).is_err(), "{compression:?}");
            for end in 0..packed.len() {
                assert!(read(&packed[..end]).is_err(), "{compression:?} {end}");
            }
        }
        // A frame to be skipped, as parallel compressors write.
        let skipped = [&b"\x50\x2a\x4d\x18\x03\0\0\0xyz"[..], ZSTD].concat();
        assert_eq!(unpacked(Compression::Zstd, &skipped).unwrap(), b"some text");
    }

    #[test]
    fn a_flipped_bit_in_the_data_is_noticed() {
        for (compression, packed) in [(Compression::Xz, XZ), (Compression::Zstd, ZSTD)] {
            let text = packed.windows(4).position(|four| four == b"some").unwrap();
            let mut wrong = packed.to_vec();
            wrong[text] ^= 1;
            assert!(unpacked(compression, &wrong).is_err(), "{compression:?}");
        }
    }
}
