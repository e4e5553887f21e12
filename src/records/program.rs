//! A program of the user's own as a run: what is executed, what it left, and what kept it from everything else.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Blob, Dataset, Git, Split};
use crate::digits::{counted, thousands};
use crate::hash::{Hash, Id, Sha256};
use crate::limits;

/// Everything that reg gives a program: it determines the result as far as the program is deterministic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProgramSpec {
    /// The images and labels.
    pub dataset: Id<Dataset>,
    /// The split into training, validation and test images.
    pub split: Id<Split>,
    /// Fold of the split, from 0.
    pub fold: u32,
    /// The program.
    pub program: Program,
    /// The seed that the program is given.
    pub seed: u64,
}

/// A program with all that it is started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Name of the model in tables.
    pub name: String,
    /// The command and its arguments. `{KEY}` stands for the path of an input; an interpreter is named without folder.
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
    /// The program's own files, sorted by path.
    #[schemars(extend("uniqueItems" = true))]
    pub files: Vec<ProgramFile>,
    /// The interpreter with its version, such as `Python 3.13.1`; null for a program that needs none.
    pub interpreter: Option<String>,
    /// Declared inputs, sorted by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("uniqueItems" = true))]
    #[schemars(length(min = 1))]
    pub inputs: Vec<ProgramInput>,
    /// Declared environment variables as `NAME=VALUE`, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("uniqueItems" = true))]
    #[schemars(length(min = 1))]
    #[schemars(inner(regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*=")))]
    pub variables: Vec<String>,
    /// Whether it may use the network.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "bool")]
    #[schemars(extend("const" = true))]
    pub network: bool,
}

/// A file of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProgramFile {
    /// Path below the folder in which the command runs, with `/` between folders.
    #[schemars(extend("not" = { "pattern": "^[0-9a-f]{64}$" }))]
    pub path: String,
    /// The bytes.
    pub object: Id<Blob>,
    /// Whether it can be executed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "bool")]
    #[schemars(extend("const" = true))]
    pub executable: bool,
}

/// A file that a program reads besides images and labels: initial weights, a word list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProgramInput {
    /// Its key: `{KEY}` in the command and `REG_INPUT_KEY` in the environment are its path.
    #[schemars(regex(pattern = "^[A-Za-z][A-Za-z0-9_]{0,63}$"))]
    pub name: String,
    /// Its file name, because some programs need the extension.
    #[schemars(extend("not" = { "pattern": "^[0-9a-f]{64}$" }))]
    pub file_name: String,
    /// The bytes.
    pub object: Id<Blob>,
    /// SHA-256 of the same bytes.
    pub sha256: Sha256,
    /// Number of bytes.
    pub bytes: u64,
}

/// A file that a program left, besides checkpoint and log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProgramOutput {
    /// Its file name.
    #[schemars(extend("not" = { "pattern": "^[0-9a-f]{64}$" }))]
    pub name: String,
    /// The bytes.
    pub object: Id<Blob>,
}

/// The known environment of a program that ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProgramEnvironment {
    /// Path of the interpreter, or of the program where it needs none.
    pub executable: String,
    /// All packages that the interpreter can import, one `NAME VERSION` a line; null if it lists none.
    pub packages: Option<Id<Blob>>,
    /// GPUs with the version of their driver, one a line of nvidia-smi; empty without.
    pub gpus: Vec<String>,
    /// State of the source tree; null outside of git.
    pub source: Option<Git>,
    /// The isolation of the program from everything that it was not given.
    pub isolation: Isolation,
    /// What it wrote to standard output, up to a limit.
    pub stdout: Id<Blob>,
    /// What it wrote to standard error, up to a limit.
    pub stderr: Id<Blob>,
}

/// The isolation of a program from everything that it was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Isolation {
    /// Version of Landlock's interface by which the kernel confined it to its files; null if the kernel could not, so
    /// that the program could have read test labels.
    pub landlock: Option<u32>,
    /// Its isolation from the network.
    pub network: NetworkIsolation,
}

/// The isolation of a program from the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkIsolation {
    /// It had a network of its own without any interface.
    Namespace,
    /// The kernel refused TCP connections; other protocols were open.
    Tcp,
    /// Nothing: the system has no means for it.
    None,
    /// Nothing: the command allowed it.
    Allowed,
}

impl Isolation {
    /// In words.
    pub fn told(&self) -> String {
        let files = match self.landlock {
            Some(version) => format!("only its own files (Landlock {version})"),
            None => {
                "all files readable: test labels were not given to the program, but it could have read them"
                    .to_owned()
            }
        };
        let network = match self.network {
            NetworkIsolation::Namespace => "no network",
            NetworkIsolation::Tcp => "no TCP connections",
            NetworkIsolation::None => "network not blocked",
            NetworkIsolation::Allowed => "network allowed",
        };
        format!("{files}; {network}")
    }
}

impl ProgramSpec {
    /// Checks what the types allow but a program must not have.
    pub(super) fn check(&self) -> Result<(), String> {
        let Program { name, command, files, inputs, variables, .. } = &self.program;
        if name.trim().is_empty() || name.contains(char::is_control) {
            return Err("the program's name cannot be shown in tables".to_owned());
        }
        if command.first().is_none_or(String::is_empty) {
            return Err("it has no command".to_owned());
        }
        if files.len() > limits::PROGRAM_FILES {
            let most = thousands(limits::PROGRAM_FILES as u64);
            return Err(format!("{}, but at most {most} are allowed", counted(files.len() as u64, "file")));
        }
        if let Some(file) = files.iter().find(|file| !is_path_below(&file.path)) {
            return Err(format!("{:?} is not a path below the program's folder", file.path));
        }
        if files.windows(2).any(|pair| pair[0].path >= pair[1].path) {
            return Err("its files are not sorted by path".to_owned());
        }
        if inputs.windows(2).any(|pair| pair[0].name >= pair[1].name) {
            return Err("its inputs are not sorted by name".to_owned());
        }
        for input in inputs {
            if !is_key(&input.name) || !is_file_name(&input.file_name) {
                return Err(format!("input {:?} has a bad name", input.name));
            }
        }
        if variables.windows(2).any(|pair| variable(&pair[0]).0 >= variable(&pair[1]).0) {
            return Err("its variables are not sorted by name".to_owned());
        }
        match variables.iter().find(|text| !is_variable(text)) {
            Some(text) => Err(format!("{text:?} is not a variable NAME=VALUE")),
            None => Ok(()),
        }
    }
}

/// Whether a text is a plain file name that is no id: every id in a record is a link.
pub(super) fn is_file_name(name: &str) -> bool {
    super::is_plain_name(name) && name.parse::<Hash>().is_err()
}

/// Whether a text is a path below a folder, of plain names: not absolute, without `..`.
fn is_path_below(path: &str) -> bool {
    let names = Path::new(path).components();
    let plain = names.clone().all(|name| matches!(name, Component::Normal(_)));
    let again: Vec<&str> = names.filter_map(|name| name.as_os_str().to_str()).collect();
    plain
        && !path.is_empty()
        && again.join("/") == path
        && again.len() < limits::FOLDERS
        && again.iter().all(|name| name.len() <= limits::FILE_NAME)
        && !path.contains(char::is_control)
        && path.parse::<Hash>().is_err()
}

/// Whether a text can be the key of an input: a letter, then letters, digits and `_`.
pub fn is_key(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Name and value of a variable.
pub fn variable(text: &str) -> (&str, &str) {
    text.split_once('=').unwrap_or((text, ""))
}

fn is_variable(text: &str) -> bool {
    let name = variable(text).0;
    text.contains('=')
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !text.contains('\0')
}

impl Program {
    /// The first difference between two programs that makes them two experiments: what, and both values.
    pub(super) fn difference(&self, other: &Program) -> Option<(String, String, String)> {
        let found = |what: &str, a: String, b: String| (a != b).then(|| (what.to_owned(), a, b));
        let hashes = |program: &Program, path: &str| {
            let file = program.files.iter().find(|file| file.path == path);
            file.map_or("none".to_owned(), |file| file.object.hash.short())
        };
        let paths: BTreeSet<&str> =
            self.files.iter().chain(&other.files).map(|file| file.path.as_str()).collect();
        let mut file =
            paths.into_iter().filter_map(|path| found(path, hashes(self, path), hashes(other, path)));
        let inputs = |program: &Program| {
            let each =
                program.inputs.iter().map(|input| format!("{}={}", input.name, input.object.hash.short()));
            each.collect::<Vec<_>>().join(" ")
        };
        let network = |program: &Program| if program.network { "allowed" } else { "none" }.to_owned();
        found("command", self.command.join(" "), other.command.join(" "))
            .or_else(|| file.next())
            .or_else(|| found("inputs", inputs(self), inputs(other)))
            .or_else(|| found("variables", self.variables.join(" "), other.variables.join(" ")))
            .or_else(|| found("network", network(self), network(other)))
    }

    /// A word of the command that every reader of the record would take for the id of an object.
    pub fn word_like_id(&self) -> Option<&str> {
        let is_id = |text: &&str| text.parse::<Hash>().is_ok();
        self.command.iter().map(String::as_str).chain([self.name.as_str()]).find(is_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_a_program_stays_below_its_folder() {
        for path in ["train.py", "src/a b/é.py", ".env"] {
            assert!(is_path_below(path), "{path}");
        }
        for path in ["", "/a", "..", "a/../b", "./a", "a//b", "a/", "a\nb"] {
            assert!(!is_path_below(path), "{path}");
        }
    }

    #[test]
    fn keys_and_variables_have_the_names_of_a_shell() {
        assert!(is_key("weights") && is_key("W_2") && !is_key("") && !is_key("2w") && !is_key("a.b"));
        assert!(is_variable("A=") && is_variable("_x=1=2") && !is_variable("A") && !is_variable("1=2"));
    }
}
