//! What can be wrong with the files of a data set, each with the file and the row or line.
//!
//! Text out of a file is shown quoted and escaped: it may hold anything, control sequences included.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::labels;
use crate::records::codec::printable;

/// Labels of a data set that a message shows.
const SHOWN_LABELS: usize = 20;
/// Characters of a file's text, and columns of a file's header, that a message shows.
const SHOWN: usize = 80;
const SHOWN_COLUMNS: usize = 20;

/// Why the files of a data set cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The operating system refuses.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// File or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It begins like a gzip file and does not go on like one.
    #[error("{} is a damaged or cut-off gzip file: {}", path.display(), printable(source))]
    Gzip {
        /// File.
        path: PathBuf,
        /// What the decoder says.
        source: io::Error,
    },
    /// More text than any such file holds.
    #[error("{} contains more than {limit} bytes of text", path.display())]
    TooLarge {
        /// File.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// A line that is no row.
    #[error("{}, line {line} is longer than {limit} bytes", path.display())]
    LongLine {
        /// File.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// The limit.
        limit: usize,
    },
    /// More rows than any such file holds.
    #[error("{} has more than {limit} rows", path.display())]
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
    /// Nothing in it but, perhaps, a header.
    #[error("{} has no rows", path.display())]
    Empty {
        /// File.
        path: PathBuf,
    },
    /// A column that must be there is not.
    #[error("{} has no column {column:?}; it has {}", path.display(), list(found))]
    MissingColumn {
        /// File.
        path: PathBuf,
        /// The column's name.
        column: &'static str,
        /// The names in the header.
        found: Vec<String>,
    },
    /// Two columns of one name.
    #[error("{} has two columns {column:?}", path.display())]
    RepeatedColumn {
        /// File.
        path: PathBuf,
        /// The column's name.
        column: String,
    },
    /// A file of scores without a column that is headed by a label.
    #[error("{} has no column of scores; it has {}", path.display(), list(found))]
    NoScores {
        /// File.
        path: PathBuf,
        /// The names in the header.
        found: Vec<String>,
        /// The labels of the data set.
        labels: Vec<String>,
    },
    /// A row with too many or too few fields.
    #[error("{}, row {row}: {fields} fields, but the header has {expected}", path.display())]
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
    /// A quoted field that goes over the end of its line.
    #[error("{}, row {row}: a quotation mark is not closed on its line", path.display())]
    OpenQuote {
        /// File.
        path: PathBuf,
        /// Data row, from 1.
        row: u32,
    },
    /// A field that does not say what its column should.
    #[error("{}, row {row}: {column} is {}, not {expected}", path.display(), quoted(value))]
    Value {
        /// File.
        path: PathBuf,
        /// Data row, from 1.
        row: u32,
        /// The column's name.
        column: String,
        /// What is there.
        value: String,
        /// What may be there.
        expected: &'static str,
    },
    /// A label that is none of the fifteen.
    #[error("{}, row {row}: image {image:?} has the unknown label {}", path.display(), quoted(label))]
    UnknownLabel {
        /// File.
        path: PathBuf,
        /// Data row, from 1.
        row: u32,
        /// The image's name.
        image: String,
        /// What is written.
        label: String,
    },
    /// A name that could lead out of a folder, or that no image has.
    #[error("{}, {place}: {} is not a plain file name", path.display(), quoted(name))]
    NotAName {
        /// File.
        path: PathBuf,
        /// Where in it.
        place: FilePosition,
        /// What is written.
        name: String,
    },
    /// Two rows that say different things of one image.
    #[error("{}, rows {first} and {second} contradict each other about image {image:?}", path.display())]
    Contradiction {
        /// File.
        path: PathBuf,
        /// The image's name.
        image: String,
        /// Data row, from 1.
        first: u32,
        /// The later one.
        second: u32,
    },
    /// A list that names an image twice.
    #[error("{}, line {line}: {name:?} is already on line {first}", path.display())]
    RepeatedLine {
        /// File.
        path: PathBuf,
        /// Line, from 1.
        line: u32,
        /// Where it stands first.
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
    /// A folder or archive without a single PNG.
    #[error("{} contains no PNG images", path.display())]
    NoImages {
        /// The folder or archive.
        path: PathBuf,
        /// Whether it is a folder that holds archives instead.
        archives: bool,
    },
    /// A file that is neither an image nor an archive of images.
    #[error("{} is neither a folder nor a .png nor a .tar.gz file", path.display())]
    NotASource {
        /// The file.
        path: PathBuf,
    },
    /// A file name that is not UTF-8, which no metadata can name.
    #[error("the name of {} is not UTF-8", path.display())]
    NameNotUtf8 {
        /// The path; shown with replacement characters.
        path: PathBuf,
    },
    /// A file name that no metadata can name and no terminal should show.
    #[error("the name of {path:?} contains a backslash, control characters or invisible characters")]
    OddName {
        /// The path.
        path: PathBuf,
    },
    /// An archive that ends early or is damaged.
    #[error("{} is a damaged or cut-off archive: {}", path.display(), printable(source))]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What the decoder says.
        source: io::Error,
    },
    /// A member of an archive that is not taken.
    #[error("{} contains {}, which {reason}", path.display(), quoted(member))]
    Member {
        /// The archive.
        path: PathBuf,
        /// The member's name.
        member: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An archive that is not taken as a whole: it holds more than is read.
    #[error("{} {reason}", path.display())]
    ArchiveRefused {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it, such as the limit that it exceeds.
        reason: String,
    },
}

/// Where something stands in a text file.
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
    /// Says what might help, where something might.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            DatasetError::Gzip { .. } | DatasetError::Archive { .. } => "download it again".to_owned(),
            DatasetError::NotUtf8 { .. } => "save it as UTF-8".to_owned(),
            DatasetError::MissingColumn { .. } => {
                "the first line must be the header, with commas between the columns".to_owned()
            }
            DatasetError::NoScores { labels, .. } => {
                let shown: Vec<&str> = labels.iter().take(SHOWN_LABELS).map(String::as_str).collect();
                let rest = if labels.len() > SHOWN_LABELS { ", …" } else { "" };
                let shown = shown.join(", ");
                format!("a column is headed by its label, with or without `prob_`: {shown}{rest}")
            }
            DatasetError::UnknownLabel { label, .. } => match labels::nearest(label) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("the labels are {}", labels::LABELS.join(", ")),
            },
            DatasetError::NotAName { .. } => {
                "give the file name alone, without a folder, such as 00000001_000.png".to_owned()
            }
            DatasetError::Contradiction { .. } => "remove one of the two rows".to_owned(),
            DatasetError::NoImages { archives: true, .. } => {
                "the folder contains archives: give the archives (images_*.tar.gz) instead of the folder"
                    .to_owned()
            }
            DatasetError::NoImages { archives: false, .. } => {
                "give the folder with the .png files; links to folders are not followed".to_owned()
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

/// Text out of a file, quoted, escaped and cut to what a line can show.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
