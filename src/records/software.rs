//! The program that computes: the version of its numbers, which is part of ids, and everything else about it,
//! which is not.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Blob;
use crate::hash::{Hash, Id};

/// Kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// The CPU.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
}

/// The properties of a program that affect its numbers. Two programs of the same numerics compute the same bits
/// from the same inputs, even if their sources differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Numerics {
    /// Version of the worker's numbers, raised by hand.
    pub version: u32,
    /// Version of the libtorch that it was built against.
    pub libtorch: String,
    /// Processor architecture and operating system.
    pub target: String,
}

impl std::fmt::Display for Numerics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "numerics {}, libtorch {}, {}", self.version, self.libtorch, self.target)
    }
}

/// The program of an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Software {
    /// Version of reg-torch, which is the same as that of reg.
    pub worker: String,
    /// The properties that affect its numbers.
    pub numerics: Numerics,
    /// Version of the tch crate.
    pub tch: String,
    /// Versions of the crates that affect its numbers.
    pub crates: BTreeMap<String, String>,
    /// Hashes of the source files that affect its numbers and of `Cargo.lock`, in the form that `b3sum --check`
    /// reads from the root of the source tree.
    pub sources: Id<Blob>,
}

/// The lines of a list of sources: the hash of each file, by path.
pub fn source_files(list: &str) -> BTreeMap<&str, &str> {
    list.lines().filter_map(|line| line.split_once("  ")).map(|(hash, path)| (path, hash)).collect()
}

/// The files that differ between two lists of sources or are only in one of them, by path.
pub fn differing_sources(one: &str, other: &str) -> Vec<String> {
    let [one, other] = [one, other].map(source_files);
    let mut paths: Vec<&str> = one.keys().chain(other.keys()).copied().collect();
    paths.sort_unstable();
    paths.dedup();
    paths.retain(|path| one.get(path) != other.get(path));
    paths.into_iter().map(str::to_owned).collect()
}

/// Whether a line belongs to a list of sources: a hash, two spaces and a path.
pub fn is_source_line(line: &str) -> bool {
    line.split_once("  ").is_some_and(|(hash, path)| hash.parse::<Hash>().is_ok() && !path.is_empty())
}

/// State of a source tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Git {
    /// Commit: `git:` and its hex digits.
    pub commit: String,
    /// Whether there were no changes on top of the commit.
    pub clean: bool,
}

/// The environment of a computation, as far as it affects numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Computed {
    /// Kind of device.
    pub device: DeviceKind,
    /// Threads of the tensor library.
    pub threads: u32,
    /// Version of the numbers.
    pub numerics: Numerics,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_changed_came_or_went_differ_and_no_others() {
        let hash = |text: &str| Hash::of(text.as_bytes()).to_string();
        let list = |files: &[(&str, &str)]| -> String {
            files.iter().map(|(path, text)| format!("{}  {path}\n", hash(text))).collect()
        };
        let one = list(&[("Cargo.lock", "1"), ("src/a b.rs", "x"), ("src/c.rs", "y"), ("src/gone.rs", "z")]);
        let other = list(&[("Cargo.lock", "1"), ("src/a b.rs", "X"), ("src/c.rs", "y"), ("src/new.rs", "z")]);
        assert_eq!(differing_sources(&one, &other), ["src/a b.rs", "src/gone.rs", "src/new.rs"]);
        assert_eq!(differing_sources(&one, &one), Vec::<String>::new());
        assert!(one.lines().all(is_source_line) && !is_source_line("no hash  src/a.rs"));
    }
}
