//! Compares written bytes with an existing file, so that a check needs no second copy of the file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

/// Writes up to this length may be overwritten: headers of members, whose checksums are known only after their
/// data.
const SHORT: usize = 64;
/// Number of bytes compared at a time.
const BUFFER: usize = 1 << 16;

/// Receives bytes and stores only the short pieces.
pub(super) struct Same {
    file: BufReader<File>,
    /// Position of the next byte.
    at: u64,
    /// Position after the last byte.
    end: u64,
    /// Short pieces by their position, with adjacent pieces joined.
    short: BTreeMap<u64, Vec<u8>>,
    /// The first difference from the file in a long piece.
    differs: Option<u64>,
}

impl Same {
    /// Starts a comparison.
    pub(super) fn with(file: File) -> Self {
        Same { file: BufReader::new(file), at: 0, end: 0, short: BTreeMap::new(), differs: None }
    }

    /// The first byte that differs from the file, or the shorter length if one is longer.
    pub(super) fn differs(mut self) -> io::Result<Option<u64>> {
        let mut first = self.differs;
        for (at, piece) in std::mem::take(&mut self.short) {
            if first.is_none_or(|first| at < first)
                && let Some(place) = self.compare(at, &piece)?
            {
                first = Some(place);
            }
        }
        let length = self.file.get_ref().metadata()?.len();
        Ok(first.or((length != self.end).then(|| length.min(self.end))))
    }

    fn compare(&mut self, at: u64, bytes: &[u8]) -> io::Result<Option<u64>> {
        let now = self.file.stream_position()?;
        self.file.seek_relative(at.wrapping_sub(now) as i64)?;
        let mut buffer = [0; BUFFER];
        for (place, piece) in (0..).zip(bytes.chunks(BUFFER)) {
            let place = at + place * BUFFER as u64;
            let found = &mut buffer[..piece.len()];
            match self.file.read_exact(found) {
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(Some(place)),
                read => read?,
            }
            let unlike = found.iter().zip(piece).position(|(a, b)| a != b);
            if let Some(unlike) = unlike {
                return Ok(Some(place + unlike as u64));
            }
        }
        Ok(None)
    }
}

impl Write for Same {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let before = self.short.range_mut(..=self.at).next_back();
        let before = before.filter(|(start, piece)| *start + piece.len() as u64 >= self.at);
        match before {
            _ if bytes.len() > SHORT => {
                if self.differs.is_none() {
                    self.differs = self.compare(self.at, bytes)?;
                }
            }
            Some((start, piece)) => {
                let from = (self.at - start) as usize;
                piece.resize(piece.len().max(from + bytes.len()), 0);
                piece[from..from + bytes.len()].copy_from_slice(bytes);
            }
            None => drop(self.short.insert(self.at, bytes.to_vec())),
        }
        self.at += bytes.len() as u64;
        self.end = self.end.max(self.at);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Same {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
        };
        self.at = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_over_counts_and_every_other_byte_is_told() {
        let long: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
        let write = |same: &mut dyn WriteSeek| -> io::Result<()> {
            same.write_all(b"head ")?;
            same.write_all(b"0000")?;
            same.write_all(&long)?;
            same.seek(SeekFrom::Start(5))?;
            same.write_all(b"1234")?;
            same.seek(SeekFrom::End(0))?;
            same.write_all(b"tail")
        };
        let mut honest = io::Cursor::new(Vec::new());
        write(&mut honest).unwrap();
        let honest = honest.into_inner();
        let differs = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            file.rewind().unwrap();
            let mut same = Same::with(file);
            write(&mut same).unwrap();
            same.differs().unwrap()
        };
        assert_eq!(differs(&honest), None);
        for place in [0, 6, 9, 100_000, honest.len() - 1] {
            let mut other = honest.clone();
            other[place] ^= 1;
            assert_eq!(differs(&other), Some(place as u64));
        }
        assert_eq!(differs(&honest[..300]), Some(9), "the piece that is cut");
        assert_eq!(differs(&[&honest[..], b"x"].concat()), Some(honest.len() as u64));
    }

    trait WriteSeek: Write + Seek {}
    impl<T: Write + Seek> WriteSeek for T {}
}
