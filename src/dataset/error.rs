//! Errors in the files of a data set, each with the file and the row or line.
//!
//! Text from a file is shown quoted and escaped, because it may contain anything, including control sequences.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::labels;
use super::missing_column::{missing_column, quoted};
use crate::digits::{counted, thousands};
use crate::disk::FileError;
use crate::escape::{line, shell, shell_os};
use crate::recognise::{FileKind, is_annexed};
use crate::records::codec::printable;

/// Maximum number of labels in a message.
const SHOWN_LABELS: usize = 20;
/// Maximum number of columns of a header in a message.
const SHOWN_COLUMNS: usize = 20;

/// Why the files of a data set cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// The operating system returned an error.
    #[error(transparent)]
    Read(#[from] FileError),
    /// A box that cannot be one of its image.
    #[error("{}, row {row}: the box of image {image:?} {reason}", path.display())]
    Box {
        /// The list.
        path: PathBuf,
        /// Data row, from 1.
        row: u32,
        /// The image.
        image: String,
        /// What is wrong.
        reason: String,
    },
    /// It starts like a gzip file but is damaged or truncated.
    #[error("{} is a damaged or cut-off gzip file: {}", path.display(), printable(source))]
    Gzip {
        /// File.
        path: PathBuf,
        /// What the decoder says.
        source: io::Error,
    },
    /// More text than the limit.
    #[error("{} contains more than {} bytes of text", path.display(), thousands(*limit))]
    TooLarge {
        /// File.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// A line longer than the limit.
    #[error("{}, line {line} is longer than {} bytes", path.display(), thousands(*limit as u64))]
    LongLine {
        /// File.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// The limit.
        limit: usize,
    },
    /// More rows than the limit.
    #[error("{} has more than {} rows", path.display(), thousands((*limit).into()))]
    TooManyRows {
        /// File.
        path: PathBuf,
        /// The limit.
        limit: u32,
    },
    /// Not UTF-8.
    #[error("{} is not UTF-8 text: invalid bytes in line {line}", path.display())]
    NotUtf8 {
        /// File.
        path: PathBuf,
        /// First such line, from 1.
        line: usize,
    },
    /// No rows, except possibly a header.
    #[error("{} has no rows", path.display())]
    Empty {
        /// File.
        path: PathBuf,
    },
    /// A missing column.
    #[error("{} has no column {column:?}; it has {}", path.display(), list(found))]
    MissingColumn {
        /// File.
        path: PathBuf,
        /// The column's name.
        column: &'static str,
        /// The names in the header.
        found: Vec<String>,
    },
    /// Two columns with the same name.
    #[error("{} has two columns {column:?}", path.display())]
    RepeatedColumn {
        /// File.
        path: PathBuf,
        /// The column's name.
        column: String,
    },
    /// A file of scores without a column named after a label.
    #[error("{} has no column of scores; it has {}", path.display(), list(found))]
    NoScores {
        /// File.
        path: PathBuf,
        /// The names in the header.
        found: Vec<String>,
        /// The labels of the data set.
        labels: Vec<String>,
        /// The pattern of the columns of scores, if one was given.
        pattern: Option<String>,
    },
    /// A table of labels without scores, or with columns of unknown meaning.
    #[error("{} has no column of scores: it is unclear whether columns named {} are scores", path.display(), quoted(pattern))]
    OnlyLabels {
        /// File.
        path: PathBuf,
        /// Pattern of the columns that are named by a label.
        pattern: String,
    },
    /// Two columns of a label, and no telling which is the score.
    #[error("{} has two columns that could be the scores of one label: {} and {}", path.display(), quoted(a), quoted(b))]
    TwoScores {
        /// File.
        path: PathBuf,
        /// A column.
        a: String,
        /// Another.
        b: String,
        /// Their patterns.
        patterns: Box<[String; 2]>,
    },
    /// Columns of scores of two labels, that are named in two ways.
    #[error("{} names its score columns in two ways, such as {} and {}", path.display(), quoted(&names[0]), quoted(&names[1]))]
    MixedNames {
        /// File.
        path: PathBuf,
        /// A column of each.
        names: Box<[String; 2]>,
    },
    /// A column that may be meant for a label, whose name is only a part of its own.
    #[error("{}: the name of column {} contains more than the label {label}", path.display(), quoted(column))]
    LongerName {
        /// File.
        path: PathBuf,
        /// The column.
        column: String,
        /// The label.
        label: String,
    },
    /// A column that has nothing but the labels of the data set.
    #[error("{}: column {} {} on {}: these are labels, not scores", path.display(), quoted(column), if *equal { format!("equals the labels of {label}") } else { format!("has one value for all images with {label} and one for all others") }, if *images == 1 { "the only image".to_owned() } else { format!("all {} images", thousands(*images)) })]
    Truth {
        /// File.
        path: PathBuf,
        /// The column.
        column: String,
        /// The label.
        label: String,
        /// Number of images.
        images: u64,
        /// Whether its values are 1 and 0.
        equal: bool,
    },
    /// A file of another format.
    #[error("{} is a Parquet file", path.display())]
    Parquet {
        /// File.
        path: PathBuf,
    },
    /// A row with too many or too few fields.
    #[error(
        "{}, row {row}: {}, but the header has {}",
        path.display(),
        counted(*fields as u64, "field"),
        thousands(*expected as u64)
    )]
    RowLength {
        /// File.
        path: PathBuf,
        /// Data row, from 1.
        row: u32,
        /// Fields of the row.
        fields: usize,
        /// Named columns of the header.
        expected: usize,
    },
    /// A quotation mark that is not closed on its line.
    #[error("{}, row {row}: a quotation mark is not closed on its line", path.display())]
    OpenQuote {
        /// File.
        path: PathBuf,
        /// Data row, from 1.
        row: u32,
    },
    /// A field with an invalid value.
    #[error("{}, row {row}: {column} is {}, not {expected}", path.display(), quoted(value))]
    Value {
        /// File.
        path: PathBuf,
        /// Data row, from 1.
        row: u32,
        /// The column's name.
        column: String,
        /// The field's text.
        value: String,
        /// The valid values.
        expected: &'static str,
    },
    /// An unknown label.
    #[error("{}, row {row}: image {image:?} has the unknown label {}", path.display(), quoted(label))]
    UnknownLabel {
        /// File.
        path: PathBuf,
        /// Data row, from 1.
        row: u32,
        /// The image's name.
        image: String,
        /// The text in the file.
        label: String,
    },
    /// A name that is not a plain file name and could lead out of a folder.
    #[error("{}, {place}: {} is not a plain file name", path.display(), quoted(name))]
    NotAName {
        /// File.
        path: PathBuf,
        /// Its position in the file.
        place: FilePosition,
        /// The text in the file.
        name: String,
    },
    /// A name that does not say which of two images is meant.
    #[error("{}, {place}: {} matches both {a} and {b}", path.display(), quoted(name))]
    AmbiguousName {
        /// File.
        path: PathBuf,
        /// Its position in the file.
        place: FilePosition,
        /// The name.
        name: String,
        /// An image that it can mean.
        a: String,
        /// Another.
        b: String,
    },
    /// Two rows with different data about one image.
    #[error("{}, rows {first} and {second} contradict each other about image {image:?}", path.display())]
    Contradiction {
        /// File.
        path: PathBuf,
        /// The image's name.
        image: String,
        /// Data row, from 1.
        first: u32,
        /// Data row of the second.
        second: u32,
    },
    /// A list that contains an image twice.
    #[error("{}, line {line}: {name:?} is already on line {first}", path.display())]
    RepeatedLine {
        /// File.
        path: PathBuf,
        /// Line, from 1.
        line: u32,
        /// The line of its first occurrence.
        first: u32,
        /// The image's name.
        name: String,
    },
    /// A path that does not exist.
    #[error("{} does not exist", path.display())]
    NotThere {
        /// The path.
        path: PathBuf,
    },
    /// A link to something that does not exist.
    #[error("{} is a link to {}, which does not exist", path.display(), target.display())]
    BrokenLink {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// A folder or archive without an image.
    #[error("{} contains no images (PNG, JPEG)", path.display())]
    NoImages {
        /// The folder or archive.
        path: PathBuf,
        /// Whether it contains archives instead.
        archives: bool,
        /// What it contains and was not read.
        remarks: Vec<String>,
    },
    /// A pipe or device in the place of images.
    #[error("{} is {kind}: images are read from folders and files", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// A file that is neither an image nor an archive of images.
    #[error("{} is {}, not a folder, an image (PNG, JPEG) or an archive (tar, zip)", path.display(), found.described().trim_end_matches(", not the file itself"))]
    NotASource {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: FileKind,
    },
    /// A compressed file with something else in it than a tar archive.
    #[error("{} contains {}, not a tar archive", path.display(), found.described())]
    NotATar {
        /// The file.
        path: PathBuf,
        /// What is in it.
        found: FileKind,
    },
    /// A gzip file in a gzip file.
    #[error("{} is compressed twice: what it unpacks to is a gzip file again", path.display())]
    TwiceGzipped {
        /// The file.
        path: PathBuf,
    },
    /// A file that must be text and is something else.
    #[error("{} is {}, not a CSV or text file", path.display(), found.described().trim_end_matches(", not the file itself"))]
    NotText {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: FileKind,
    },
    /// A file name that is not UTF-8, which metadata cannot contain.
    #[error("the name of {} is not UTF-8", path.display())]
    NameNotUtf8 {
        /// The path; shown with replacement characters.
        path: PathBuf,
    },
    /// A file name that metadata cannot contain and that terminals should not show.
    #[error("the name of {path:?} contains a backslash, control characters or invisible characters")]
    OddName {
        /// The path.
        path: PathBuf,
    },
    /// One of several files that are a zip archive together.
    #[error("{} is one part of a zip archive in several files", path.display())]
    PartOfZip {
        /// The part.
        path: PathBuf,
    },
    /// A damaged or truncated archive.
    #[error("{} is a damaged or cut-off archive: {}", path.display(), printable(source))]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What the decoder says.
        source: io::Error,
    },
    /// A member of an archive that cannot be unpacked.
    #[error("{} is damaged: {} {}", path.display(), quoted(member), printable(source))]
    DamagedMember {
        /// The archive.
        path: PathBuf,
        /// The member's name.
        member: String,
        /// What the decoder says.
        source: io::Error,
    },
    /// A refused member of an archive.
    #[error("{} contains {}, which {reason}", path.display(), quoted(member))]
    Member {
        /// The archive.
        path: PathBuf,
        /// The member's name.
        member: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An archive that exceeds a limit or has extra data.
    #[error("{} {reason}", path.display())]
    ArchiveRefused {
        /// The archive.
        path: PathBuf,
        /// The reason, such as the exceeded limit.
        reason: String,
    },
}

/// A position in a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilePosition {
    /// Data row of a CSV file, counted from 1 after the header.
    Row(u32),
    /// Line of a list, from 1.
    Line(u32),
}

impl fmt::Display for FilePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FilePosition::Row(row) => write!(f, "row {row}"),
            FilePosition::Line(line) => write!(f, "line {line}"),
        }
    }
}

impl DatasetError {
    /// A hint, if there is one.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            DatasetError::Gzip { .. } | DatasetError::Archive { .. } | DatasetError::DamagedMember { .. } => {
                "download it again".to_owned()
            }
            DatasetError::TwiceGzipped { path } => {
                format!("`gunzip -c < {} > once.gz` unpacks it once; give once.gz", shell_os(path))
            }
            DatasetError::NotUtf8 { .. } => "save it as UTF-8".to_owned(),
            DatasetError::Box { reason, .. } if reason.starts_with("reaches") => {
                "give the size of the images that the list refers to: `--box-size WxH`, or `--box-size image` for the images of the data set"
                    .to_owned()
            }
            DatasetError::Box { .. } => "remove one of the two rows".to_owned(),
            DatasetError::MissingColumn { column, found, .. } => return Some(missing_column(column, found)),
            DatasetError::Value { path, value, .. } if has_decimal_comma(value) => format!(
                "numbers with decimal commas are not read; if every comma is a decimal comma: `sed 's/,/./g' {} > points.csv`",
                shell_os(path)
            ),
            DatasetError::ArchiveRefused { reason, .. } if reason.ends_with("between or after its members") => {
                "unpack it, and give the folder".to_owned()
            }
            DatasetError::NoScores { pattern: Some(pattern), .. } => {
                format!("no column name matches {pattern:?} with the name of a label in place of {{label}}")
            }
            DatasetError::OnlyLabels { pattern, .. } => match columns_option(pattern) {
                Some(option) => format!("if they are scores, give {option}"),
                None => "if they are scores, give their columns the names of the labels".to_owned(),
            },
            DatasetError::TwoScores { patterns, .. } => {
                let [a, b] = patterns.each_ref().map(|pattern| columns_option(pattern));
                match (a, b) {
                    (Some(a), Some(b)) => format!("give {a} or {b}"),
                    _ => "remove the columns that are not the scores".to_owned(),
                }
            }
            DatasetError::MixedNames { .. } => "name all columns of scores alike, such as pred_LABEL".to_owned(),
            DatasetError::LongerName { label, .. } => {
                format!("if it has the scores of {label}, rename it to {label}; otherwise --columns '{{label}}' leaves it out")
            }
            DatasetError::Truth { .. } => "give the pattern of the score columns, such as --columns 'pred_{label}'; predictions of 0 and 1 that match every label are refused, too".to_owned(),
            DatasetError::Parquet { path } => format!(
                "only CSV can be imported; `python3 -c \"import sys, pandas; pandas.read_parquet(sys.argv[1]).to_csv('scores.csv', index=False)\" {}` converts it, and `reg export ID -o scores.csv` writes CSV",
                shell_os(path)
            ),
            DatasetError::NoScores { labels, .. } => {
                let shown: Vec<&str> = labels.iter().take(SHOWN_LABELS).map(String::as_str).collect();
                let rest = if labels.len() > SHOWN_LABELS { ", …" } else { "" };
                let shown = shown.join(", ");
                format!("a column is named by its label, with or without a word such as `prob_`: {shown}{rest}")
            }
            DatasetError::UnknownLabel { label, .. } => match labels::nearest(label) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("the labels are {}", labels::LABELS.join(", ")),
            },
            DatasetError::NotAName { .. } => {
                "give the file name alone, without a folder, such as 00000001_000.png".to_owned()
            }
            DatasetError::Contradiction { .. } => "remove one of the two rows".to_owned(),
            DatasetError::AmbiguousName { a, .. } => {
                format!("write the name as in the data set, such as {a}")
            }
            DatasetError::NoImages { archives: true, path, .. } if !path.is_file() => {
                "the folder contains archives: give the archives (images_*.tar.gz) instead of the folder"
                    .to_owned()
            }
            DatasetError::NoImages { archives: true, .. } => {
                "the archive contains archives: unpack it, and give the inner archives".to_owned()
            }
            DatasetError::NoImages { remarks, .. } if !remarks.is_empty() => remarks.join("; "),
            DatasetError::NoImages { .. } => "give the folder with the image files".to_owned(),
            DatasetError::BrokenLink { path, target } if is_annexed(target) => {
                FileKind::AnnexPointer.remedy(path)?
            }
            DatasetError::BrokenLink { .. } => {
                "mount the disk that it leads to, or remove the link".to_owned()
            }
            DatasetError::NotASource { path, found }
            | DatasetError::NotATar { path, found }
            | DatasetError::NotText { path, found }
                if found.is_stand_in() =>
            {
                found.remedy(path)?
            }
            DatasetError::NotASource { path, found } => {
                let file = shell_os(path);
                match found {
                    FileKind::Bzip2 => format!("`bunzip2 --keep {file}` unpacks it; give the tar archive"),
                    FileKind::SevenZip => format!("`7z x {file}` unpacks it; give the folder"),
                    FileKind::Rar => format!("`unrar x {file}` unpacks it; give the folder"),
                    FileKind::Dicom
                    | FileKind::Tiff
                    | FileKind::Bmp
                    | FileKind::Gif
                    | FileKind::Webp
                    | FileKind::Jpeg2000
                    | FileKind::Nifti => "convert it to PNG".to_owned(),
                    _ => return None,
                }
            }
            DatasetError::PartOfZip { path } => {
                let last = shell_os(path.with_extension("zip"));
                format!("`zip -s 0 {last} -O joined.zip` joins the parts; give joined.zip")
            }
            DatasetError::NotAFile { .. } => "save its output as a file, and give that file".to_owned(),
            DatasetError::NotText { path, found } => {
                let file = shell_os(path);
                match found {
                    FileKind::Xlsx | FileKind::Xls => {
                        "open it in the spreadsheet program and save it as CSV".to_owned()
                    }
                    FileKind::Zip => format!("`unzip {file}` unpacks it; give the CSV file"),
                    FileKind::Tar => format!("`tar -xf {file}` unpacks it; give the CSV file"),
                    FileKind::Xz => format!("`unxz --keep {file}` unpacks it; give the CSV file"),
                    FileKind::Zstd => format!("`unzstd {file}` unpacks it; give the CSV file"),
                    FileKind::Bzip2 => format!("`bunzip2 --keep {file}` unpacks it; give the CSV file"),
                    FileKind::Utf16 => "save it as UTF-8".to_owned(),
                    FileKind::Parquet => "write it as CSV, such as with pandas' `to_csv`".to_owned(),
                    _ => return None,
                }
            }
            _ => return None,
        };
        Some(hint)
    }
}

fn list(found: &[String]) -> String {
    match found {
        [] => "no columns at all".to_owned(),
        names => {
            let shown: Vec<String> = names.iter().take(SHOWN_COLUMNS).map(|name| quoted(name)).collect();
            let rest = if names.len() > SHOWN_COLUMNS { ", …" } else { "" };
            shown.join(", ") + rest
        }
    }
}

/// Whether a text is a number with a decimal comma.
fn has_decimal_comma(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let whole = |part: &str| digits(part.strip_prefix(['-', '+']).unwrap_or(part));
    text.split_once(',')
        .is_some_and(|(a, b)| whole(a) && digits(b.split(['e', 'E']).next().unwrap_or_default()))
}

/// The option that chooses columns by a pattern out of a file, as it is typed; none for a pattern that nobody can type.
fn columns_option(pattern: &str) -> Option<String> {
    (line(pattern) == pattern).then(|| format!("--columns {}", shell(pattern)))
}
