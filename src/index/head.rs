//! The head of a registry's history, kept among the objects and outside of the index.
//!
//! Restoring an older `reg.redb`, even with its own `commits`, also restores older names and an older log, and the next
//! write would make this permanent. So after each commit, while the index is still locked, the newest log entry is
//! noted among the objects, in a file named by the number of the commit: copying an older backup over a registry does
//! not replace this file. The head may lag behind the index but is never ahead: an index that does not know the head is
//! old.

use std::str::FromStr;

use crate::disk::Dir;
use crate::hash::Hash;
use crate::limits;
use crate::store::{HEAD, OBJECTS, is_head};

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

/// Text that is not a valid head.
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

/// File name of a head: the heads of a restored backup have other names and do not replace it.
fn file(commits: u64) -> String {
    format!("{HEAD}{commits:020}")
}

impl Head {
    /// Reads the newest head of the registry in `root`; none if there is none yet or it is incomplete.
    pub(super) fn read(root: &Dir) -> Option<Head> {
        let objects = root.subdir(OBJECTS).ok()?;
        let mut names = heads(&objects);
        names.sort_unstable();
        names.iter().rev().find_map(|name| {
            let bytes = objects.read(name, limits::SMALL_FILE).ok()?;
            let head: Head = std::str::from_utf8(&bytes).ok()?.strip_suffix('\n')?.parse().ok()?;
            (file(head.commits) == *name).then_some(head)
        })
    }

    /// Notes the head and removes older ones. If that fails, only the detection of an old index suffers.
    pub(super) fn write(&self, root: &Dir) {
        let Ok(objects) = root.subdir(OBJECTS) else { return };
        let own = file(self.commits);
        if objects.replace(&own, format!("{self}\n").as_bytes()).is_err() {
            return;
        }
        for older in heads(&objects).into_iter().filter(|name| *name < own) {
            let is_file = objects.stat(&older).is_ok_and(|stat| stat.is_file() && objects.is_ours(&stat));
            if is_file {
                let _ = objects.remove_file(&older);
            }
        }
    }
}

fn heads(objects: &Dir) -> Vec<String> {
    let names =
        objects.entries().unwrap_or_default().into_iter().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| is_head(name)).collect()
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
