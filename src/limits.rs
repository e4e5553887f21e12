//! How much of what comes from outside is read: one table, which the book prints (`docs/src/limits.md`).
//!
//! A registry, a remote, a bundle, an archive or a file of weights may come from a stranger. Each reader stops at a limit
//! of this table, before it has allocated or written more, and says which one.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use crate::digits::thousands;

/// A limit, as the book prints it.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Where it applies.
    pub what: &'static str,
    /// What is limited.
    pub of: &'static str,
    /// The value, with its unit.
    pub value: &'static str,
}

macro_rules! limits {
    ($($(#[$about:meta])* $name:ident: $type:ty = $value:expr, $what:literal, $of:literal, $shown:literal;)*) => {
        $($(#[$about])* pub const $name: $type = $value;)*

        /// All limits, in the order of the book.
        pub const TABLE: &[Limit] = &[$(Limit { what: $what, of: $of, value: $shown }),*];

        /// The values of the table, to hold what is shown to them.
        #[cfg(test)]
        fn values() -> Vec<(&'static str, u128)> {
            vec![$(($shown, tests::Number::number($name))),*]
        }
    };
}

limits! {
    /// Maximum width and height of an image, in pixels.
    IMAGE_SIDE: u32 = 16_384, "image", "width and height", "16,384 pixels";
    /// Maximum number of pixels of an image, three times that of the largest X-ray detectors. With up to 8 bytes
    /// per pixel, a decoded image takes at most 256 MiB.
    IMAGE_PIXELS: u64 = 1 << 25, "image", "pixels", "33,554,432 pixels";
    /// Maximum number of bytes of an image file.
    IMAGE_FILE: u64 = 64 << 20, "image", "file", "64 MiB";
    /// Maximum memory for an image besides its samples: colour profile, text, current rows.
    IMAGE_BESIDE: u64 = 16 << 20, "image", "memory in addition to the samples", "16 MiB";
    /// Maximum number of scans of a progressive JPEG, ten times what encoders write: each goes over all pixels.
    JPEG_SCANS: usize = 100, "image (JPEG)", "scans", "100";
    /// Maximum number of members of an archive, about twice the number of all published images.
    ARCHIVE_MEMBERS: u64 = 250_000, "archive of images", "members", "250,000";
    /// Maximum number of bytes before a member (its headers, with names of any length) and after the last one.
    ARCHIVE_BETWEEN: u64 = 1 << 20, "archive of images", "bytes before a member, and after the last", "1 MiB";
    /// Maximum number of unpacked bytes per packed byte. The pixels of a PNG are compressed already, so an archive
    /// of PNGs shrinks only a little, while gzip can compress up to 1,100-fold.
    ARCHIVE_RATIO: u64 = 50, "archive of images", "unpacked bytes per packed byte", "50";
    /// Number of unpacked bytes before the ratio counts: pictures drawn by a program can compress well.
    ARCHIVE_FREE: u64 = 64 << 20, "archive of images", "unpacked bytes before the ratio counts", "64 MiB";
    /// Maximum window of xz and Zstandard, the most of `xz -9` (64 MiB) and `zstd --long` (128 MiB).
    ARCHIVE_WINDOW: u64 = 128 << 20, "archive of images", "window of xz and Zstandard", "128 MiB";
    /// Maximum length of text, 15 times the complete metadata: a small gzip file can unpack to any size.
    TEXT: u64 = 128 << 20, "CSV or list of names", "length, unpacked", "128 MiB";
    /// Maximum length of a line of metadata: each comma of a longer line would take the memory of a field.
    TEXT_LINE: usize = 64 << 10, "CSV or list of names", "line", "64 KiB";
    /// Maximum number of rows of a file, 9 times those of the complete metadata. Rows take more memory than their
    /// text.
    TEXT_ROWS: u32 = 1_000_000, "CSV or list of names", "rows", "1,000,000";
    /// Maximum number of labels of a data set.
    DATASET_LABELS: usize = 512, "data set", "labels", "512";
    /// Maximum length of a label's name in bytes.
    LABEL_NAME: usize = 128, "data set", "name of a label", "128 bytes";
    /// Maximum length of a patient or study in bytes.
    SOURCE_ID: usize = 64, "data set", "patient or study", "64 bytes";
    /// Maximum length of a file name in bytes, the limit of file systems.
    FILE_NAME: usize = 255, "data set", "file name", "255 bytes";
    /// Maximum length of a file of a registry that holds one line.
    SMALL_FILE: u64 = 256, "registry", "`format`, `id`, `shared`, `commits` and heads of the history", "256 bytes";
    /// Maximum length of the list of files that an ingest need not read again.
    SEEN_FILES: u64 = 4 << 30, "registry", "list of files seen by an ingest", "4 GiB";
    /// Maximum length of the note of an interrupted purge.
    PURGE_NOTE: u64 = 64 << 20, "registry", "note of an interrupted purge", "64 MiB";
    /// Maximum length of the index, which is read into memory for a check of all its checksums.
    INDEX: u64 = 16 << 30, "registry", "index whose checksums are verified", "16 GiB";
    /// Folders below each other that are removed together; reg makes far fewer.
    FOLDERS: usize = 32, "registry, remote", "nesting of folders that are removed", "32";
    /// Maximum length of what a training says of itself: its announcement, its status, its error.
    TRAINING_STATUS: u64 = 64 << 20, "unfinished training", "announcement, status, error", "64 MiB";
    /// Maximum length of the log of a training.
    TRAINING_LOG: u64 = 1 << 30, "unfinished training", "log", "1 GiB";
    /// Maximum length of a resume checkpoint, three times that of weights: Adam has two moments of each.
    TRAINING_STATE: u64 = 24 << 30, "unfinished training", "resume checkpoint", "24 GiB";
    /// Maximum length of the log of a task that is searched for its error.
    TASK_LOG: u64 = 256 << 20, "study", "log of a Slurm task", "256 MiB";
    /// Maximum length of the answer and errors of a training that a study has started.
    RUN_OUTPUT: u64 = 64 << 20, "study", "output of one of its trainings", "64 MiB";
    /// Longer records are neither read nor written. As JSON values they may take 32 times as much memory;
    /// serde_json itself limits the nesting to 128 levels.
    RECORD: u64 = 16 << 20, "record", "length", "16 MiB";
    /// Longest execution, 100 years: a sum of many stays a time that calendars know.
    EXECUTION: Duration = Duration::from_secs(3_153_600_000), "execution", "duration", "3,153,600,000 seconds";
    /// Longer packed arrays are refused before anything is allocated for them.
    ARRAY: u64 = 1 << 30, "packed array", "length", "1 GiB";
    /// Maximum length of a note in bytes.
    NOTE: usize = 16 << 10, "note", "length", "16 KiB";
    /// Maximum size of the header of a safetensors file in bytes, as defined by the format.
    WEIGHTS_HEADER: u64 = 100 << 20, "weights (safetensors)", "header", "100 MiB";
    /// Maximum size of a safetensors file in bytes, 80 times the largest network of this field.
    WEIGHTS: u64 = 8 << 30, "weights (safetensors)", "file", "8 GiB";
    /// Maximum length of a file that a person writes: a study, a template, settings.
    STUDY_FILE: u64 = 1 << 20, "study file, template, run settings, network", "length", "1 MiB";
    /// Maximum number of values that the operations of a network take, 8 times those of a DenseNet-264.
    NETWORK_STEPS: usize = 50_000, "network", "operands of its operations", "50,000";
    /// Maximum number of channels, or units, of a layer.
    NETWORK_CHANNELS: u64 = 65_536, "network", "channels of a layer", "65,536";
    /// Maximum length of a signed statement.
    STATEMENT: u64 = 64 << 20, "attestation", "length", "64 MiB";
    /// Larger key files are not read.
    KEY: u64 = 1 << 16, "attestation", "key", "64 KiB";
    /// Longer members of a bundle are refused.
    BUNDLE_MEMBER: u64 = 8 << 30, "bundle", "member", "8 GiB";
    /// A bundle with more members is refused.
    BUNDLE_MEMBERS: usize = 1_000_000, "bundle", "members", "1,000,000";
    /// Maximum length of the file `format` of a remote.
    REMOTE_FORMAT: u64 = 64, "remote", "`format`", "64 bytes";
    /// Maximum number of files in a folder of a remote.
    REMOTE_FILES: usize = 1_000_000, "remote", "files of a folder", "1,000,000";
    /// Maximum length of the index of a pack.
    REMOTE_INDEX: u64 = 64 << 20, "remote", "index of a pack", "64 MiB";
    /// A longer pack is not read.
    REMOTE_PACK: u64 = 64 << 20, "remote", "pack", "64 MiB";
    /// Maximum length of a list of names.
    REMOTE_NAMES: u64 = 64 << 20, "remote", "list of names", "64 MiB";
    /// A larger object is not pulled.
    REMOTE_OBJECT: u64 = 64 << 30, "remote", "object", "64 GiB";
    /// Maximum length of a line of the worker's output.
    WORKER_LINE: u64 = 16 << 20, "worker", "line of its output", "16 MiB";
    /// Maximum length of the scores that a worker leaves.
    WORKER_SCORES: u64 = 16 << 30, "worker", "its scores", "16 GiB";
    /// How much of the end of the worker's log is read.
    WORKER_LOG: u64 = 64 << 10, "worker", "end of its log that is read", "64 KiB";
    /// Maximum number of files of a program.
    PROGRAM_FILES: usize = 10_000, "program", "its files", "10,000";
    /// Maximum length of a file of a program: what is larger is data, and a declared input.
    PROGRAM_FILE: u64 = 64 << 20, "program", "one of its files", "64 MiB";
    /// Maximum length of a declared input.
    PROGRAM_INPUT: u64 = 8 << 30, "program", "declared input", "8 GiB";
    /// Maximum number of bytes of JSON that is searched for labels; as values they take up to 16 times as much memory.
    PROGRAM_JSON: u64 = 64 << 20, "program", "JSON that is searched for labels", "64 MiB";
    /// Maximum number of cells of a table that are compared with labels.
    PROGRAM_CELLS: usize = 8_000_000, "program", "cells of a table that are compared with labels", "8,000,000";
    /// Maximum number of files that a program leaves, besides folders, which are not registered.
    PROGRAM_OUTPUTS: usize = 1_000, "program", "files that it leaves", "1,000";
    /// Maximum length of a file that a program leaves.
    PROGRAM_OUTPUT: u64 = 8 << 30, "program", "a file that it leaves", "8 GiB";
    /// Maximum length of its scores.
    PROGRAM_SCORES: u64 = 1 << 30, "program", "its scores", "1 GiB";
    /// How much of the beginning and of the end of standard output, and of standard error, is kept.
    PROGRAM_SAID: usize = 1 << 20, "program", "beginning and end of its output, each", "1 MiB";
    /// Maximum length of the answer of an interpreter about its version or packages.
    PROGRAM_ANSWER: u64 = 4 << 20, "program", "list of packages", "4 MiB";
    /// How long an interpreter may take to answer about its version or packages.
    PROGRAM_WAIT: Duration = Duration::from_secs(60), "program", "time to list its packages", "60 seconds";
    /// Maximum size of a request's head in bytes.
    REQUEST_HEAD: usize = 16 << 10, "`reg serve`", "head of a request", "16 KiB";
    /// Maximum number of connections; a browser opens six.
    CONNECTIONS: usize = 64, "`reg serve`", "connections at once", "64";
    /// Maximum length of an answer that is read as a whole; a page of a list has up to 1,000 keys of up to 1,024 bytes.
    REMOTE_ANSWER: usize = 16 << 20, "remote (S3)", "part of a list, or an error", "16 MiB";
    /// How long one request to a bucket may take: a pack over a slow line takes longer than 30 seconds.
    REMOTE_WAIT: Duration = Duration::from_secs(600), "remote (S3)", "one request or listing", "10 minutes";
    /// How long a request may take to arrive.
    REQUEST_WAIT: Duration = Duration::from_secs(10), "`reg serve`", "time until a request has arrived", "10 seconds";
}

/// Reads a file of at most `most` bytes; a longer one is an error, and no more of it is read.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => {
            Err(io::Error::new(ErrorKind::FileTooLarge, format!("longer than {} bytes", thousands(most))))
        }
        false => Ok(bytes),
    }
}

/// Reads UTF-8 text of at most `most` bytes.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read(path, most)?).map_err(|e| io::Error::new(ErrorKind::InvalidData, e.utf8_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) trait Number {
        fn number(self) -> u128;
    }

    macro_rules! numbers {
        ($($type:ty),*) => {$(impl Number for $type {
            fn number(self) -> u128 {
                self as u128
            }
        })*};
    }
    numbers!(u32, u64, usize);

    impl Number for Duration {
        fn number(self) -> u128 {
            self.as_secs().into()
        }
    }

    #[test]
    fn the_table_shows_the_values_that_are_used() {
        for (shown, value) in values() {
            let (number, unit) = shown.split_once(' ').unwrap_or((shown, ""));
            let factor = match unit {
                "" | "bytes" | "pixels" | "seconds" => 1,
                "minutes" => 60,
                "KiB" => 1 << 10,
                "MiB" => 1 << 20,
                "GiB" => 1 << 30,
                other => panic!("{other}"),
            };
            assert_eq!(number, thousands(u64::try_from(value / factor).unwrap()), "{shown}");
            assert_eq!(value % factor, 0, "{shown}");
        }
    }
}
