//! The head of a registry's history, kept among the objects and outside of the index.
//!
//! Whoever puts an older `reg.redb` back, even with its own `commits`, takes names and log back with it, and the next
//! write would make that final. So the newest entry of the log is noted beside the objects after each commit, while the
//! index is still locked. It may lag behind the index and never leads it: an index that does not know it is an old copy.

use std::str::FromStr;

use crate::disk::Dir;
use crate::hash::Hash;
use crate::store::{HEAD, OBJECTS};

/// A longer file is not one.
const LONGEST: u64 = 256;

/// The newest change that a registry has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// Number of transactions of the index.
    pub commits: u64,
    /// Number and id of the newest entry of the log; none if no name was ever given.
    pub event: Option<(u64, Hash)>,
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.event {
            Some((seq, event)) => write!(f, "{} {seq} {event}", self.commits),
            None => write!(f, "{} 0 -", self.commits),
        }
    }
}

/// Text that is not a head.
#[derive(Debug)]
pub struct NoHead;

impl FromStr for Head {
    type Err = NoHead;

    fn from_str(text: &str) -> Result<Self, NoHead> {
        let mut words = text.split(' ');
        let mut word = || words.next().ok_or(NoHead);
        let (commits, seq, event) = (word()?, word()?, word()?);
        let number = |text: &str| text.parse::<u64>().map_err(|_| NoHead);
        let event = match (number(seq)?, event) {
            (0, "-") => None,
            (0, _) => return Err(NoHead),
            (seq, event) => Some((seq, event.parse().map_err(|_| NoHead)?)),
        };
        let head = Head { commits: number(commits)?, event };
        // One head has one spelling.
        if head.to_string() == text { Ok(head) } else { Err(NoHead) }
    }
}

impl Head {
    /// Reads the head of the registry in `root`; none if there is none yet or it was not wholly written.
    pub(super) fn read(root: &Dir) -> Option<Head> {
        let bytes = root.read(std::path::Path::new(OBJECTS).join(HEAD), LONGEST).ok()?;
        std::str::from_utf8(&bytes).ok()?.strip_suffix('\n')?.parse().ok()
    }

    /// Notes the head. If that fails, only the detection of an old index suffers.
    pub(super) fn write(&self, root: &Dir) {
        let _ =
            root.subdir(OBJECTS).and_then(|objects| objects.replace(HEAD, format!("{self}\n").as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back_and_has_one_spelling() {
        let event = Hash::of(b"event");
        for head in [Head::default(), Head { commits: 7, event: Some((3, event)) }] {
            assert_eq!(head.to_string().parse::<Head>().unwrap(), head);
        }
        for text in [
            "",
            "1",
            "1 0",
            "1 0 x",
            "1 1 -",
            "01 0 -",
            "1 0 - ",
            "x 0 -",
            &format!("1 0 {event}"),
            &format!("1 01 {event}"),
        ] {
            assert!(text.parse::<Head>().is_err(), "{text}");
        }
    }
}
