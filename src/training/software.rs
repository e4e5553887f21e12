//! Identifies the program that computed: the part that enters a spec, the record next to the results, and
//! differences between two programs.

use serde::Serialize;

use super::RunError;
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::records::{Execution, Software, differing_sources};
use crate::registry::{Registry, RegistryError, Transaction};
use crate::worker::Identity;

/// Maximum number of files listed in a message.
const MAX_NAMED: usize = 5;

/// The worker as a record.
fn software(identity: &Identity) -> Software {
    Software {
        worker: identity.worker.clone(),
        numerics: identity.numerics(),
        tch: identity.tch.clone(),
        crates: identity.crates.clone(),
        sources: Id::new(Hash::of(identity.sources.as_bytes())),
    }
}

/// Records the worker and the list of its sources.
pub(super) fn put_software(
    transaction: &mut Transaction,
    identity: &Identity,
) -> Result<Id<Software>, RegistryError> {
    transaction.put_blob(identity.sources.as_bytes())?;
    transaction.put(&software(identity))
}

/// The sources that computed a result, if they differ from the worker's but have the same numerics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OtherSources {
    /// The version of the numerics.
    pub numerics: u32,
    /// Source files that differ, by path.
    pub files: Vec<String>,
}

impl OtherSources {
    /// Compares the worker with the executions of `made`; `None` if one of them used the same sources, or if
    /// nothing is known.
    ///
    /// Unreadable records are ignored here, because they must not stop the command; `reg verify` reports them.
    pub(super) fn of(
        registry: &Registry,
        view: &View,
        made: &Hash,
        identity: &Identity,
    ) -> Result<Option<Self>, RunError> {
        let executions = registry.referring::<Execution>(view, made)?;
        let changed = |execution: &Execution| changed_files(registry, execution.software?, identity).ok();
        let files: Vec<Vec<String>> =
            executions.iter().filter_map(|(_, execution)| changed(execution)).collect();
        if files.iter().any(Vec::is_empty) {
            return Ok(None);
        }
        let first = files.into_iter().next();
        Ok(first.map(|files| OtherSources { numerics: identity.numerics, files }))
    }

    /// Combines several results: the files of all.
    pub(super) fn together(all: impl IntoIterator<Item = Self>) -> Option<Self> {
        all.into_iter().reduce(|mut one, other| {
            one.files.extend(other.files);
            one.files.sort_unstable();
            one.files.dedup();
            one
        })
    }

    /// One line: `trained from different source files with the same numerics 1: 2 files differ: …`.
    pub fn line(&self, done: &str) -> String {
        format!(
            "{done} from different source files with the same numerics {}: {}",
            self.numerics,
            files_differ(&self.files)
        )
    }
}

/// The source files of a recorded program that differ from the worker's.
pub(crate) fn changed_files(
    registry: &Registry,
    then: Id<Software>,
    now: &Identity,
) -> Result<Vec<String>, RunError> {
    let then = registry.get(then)?;
    if then.sources.hash == Hash::of(now.sources.as_bytes()) {
        return Ok(Vec::new());
    }
    let list = registry.store().read(&then.sources.hash)?;
    Ok(differing_sources(&String::from_utf8_lossy(&list), &now.sources))
}

/// `1 file differs: src/tensor/train.rs`.
pub(crate) fn files_differ(files: &[String]) -> String {
    let counted = match files.len() {
        1 => "1 file differs".to_owned(),
        count => format!("{count} files differ"),
    };
    let more = if files.len() > MAX_NAMED { ", …" } else { "" };
    let named: Vec<&str> = files.iter().take(MAX_NAMED).map(String::as_str).collect();
    format!("{counted}: {}{more}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_counts_the_files_and_names_the_first() {
        let files = |count: usize| (0..count).map(|i| format!("src/{i}.rs")).collect();
        let line = |count| OtherSources { numerics: 4, files: files(count) }.line("trained");
        assert_eq!(
            line(1),
            "trained from different source files with the same numerics 4: 1 file differs: src/0.rs"
        );
        assert!(line(5).ends_with("5 files differ: src/0.rs, src/1.rs, src/2.rs, src/3.rs, src/4.rs"));
        assert!(line(6).ends_with("6 files differ: src/0.rs, src/1.rs, src/2.rs, src/3.rs, src/4.rs, …"));
    }
}
