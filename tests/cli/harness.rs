//! A study on disk, and `reg` in it with only PATH of the tester's environment.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use reg::hash::Hash;
use reg::registry::Registry;
use serde_json::Value;

/// How every test ingests the fixture, also again when something in it has changed.
pub(crate) const INGEST: &str = "ingest images --metadata data.csv --boxes boxes.csv --name tiny --move";
/// How the tiny network is trained here: one thread, because tests run beside each other.
pub(crate) const TINY: &str =
    "train --dataset tiny --split s --model tiny --set epochs=2 --threads 1 --fold 0";
/// How the network on metadata is trained here.
pub(crate) const MLP: &str = "train --dataset tiny --split s --model mlp --set epochs=4 --threads 1 --fold 0";

/// A folder with, usually, a registry in it.
pub(crate) struct Study {
    dir: tempfile::TempDir,
}

/// The result of a command.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Study {
    /// An empty folder.
    pub(crate) fn bare() -> Self {
        Study { dir: tempfile::tempdir().unwrap() }
    }

    /// A registry next to the files of `fixtures/tiny`: `images/`, `data.csv`, `boxes.csv`,
    /// `train_val.txt` and `test.txt`, all of them writable.
    pub(crate) fn new() -> Self {
        let study = Study::bare();
        study.fill();
        study
    }

    fn fill(&self) {
        let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tiny");
        for (from, to) in [
            ("Data_Entry_2017_v2020.csv", "data.csv"),
            ("BBox_List_2017.csv", "boxes.csv"),
            ("train_val_list.txt", "train_val.txt"),
            ("test_list.txt", "test.txt"),
        ] {
            fs::copy(tiny.join(from), self.path(to)).unwrap();
        }
        fs::create_dir(self.path("images")).unwrap();
        for entry in fs::read_dir(tiny.join("images")).unwrap() {
            let from = entry.unwrap().path();
            fs::copy(&from, self.path("images").join(from.file_name().unwrap())).unwrap();
        }
        self.ok("init");
    }

    /// The fixture ingested as `tiny` and divided as `s`, in two folds.
    pub(crate) fn divided() -> Self {
        let study = Study::new();
        study.ok(INGEST);
        study.ok("split make tiny --folds 2 --name s");
        study
    }

    /// The whole main task: runs `tiny-s-f0`, `tiny-s-f1`, `mlp-s-f0`, `mlp-s-f1` and their comparison
    /// `table`. `answers/` has the JSON output of the trainings.
    ///
    /// It is done once and copied with its times, which `reg reindex` orders records by.
    pub(crate) fn trained() -> Self {
        static MADE: OnceLock<PathBuf> = OnceLock::new();
        let made = MADE.get_or_init(|| {
            let study = Study::divided();
            fs::create_dir(study.path("answers")).unwrap();
            let train = |model: &str, command: &str| {
                for fold in ["0", "1"] {
                    let answer = study.json(&format!("{} {fold}", command.strip_suffix(" 0").unwrap()));
                    let file = study.path(&format!("answers/{model}-s-f{fold}.json"));
                    fs::write(file, answer.to_string()).unwrap();
                }
            };
            std::thread::scope(|scope| {
                scope.spawn(|| train("tiny", TINY));
                train("mlp", MLP);
            });
            study.ok("compare tiny-s-f0 tiny-s-f1 mlp-s-f0 mlp-s-f1 --name table");
            // Of two trainings at once, the one whose files came first may be registered last.
            study.ok("reindex");
            // Of this process alone: two runs of the tests at once would take it from each other.
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
            for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
                let name = entry.file_name().into_string().unwrap();
                let ended = |pid: &str| !Path::new("/proc").join(pid).exists();
                if name == "trained" || name.strip_prefix("trained-").is_some_and(ended) {
                    fs::remove_dir_all(entry.path()).unwrap();
                }
            }
            let kept = folder.join(format!("trained-{}", std::process::id()));
            copy(study.dir.path(), &kept);
            kept
        });
        let study = Study::bare();
        copy(&made.join("."), study.dir.path());
        study
    }

    /// A path in the study.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// `reg` with arguments in one text; no argument contains a space.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_reg")), arguments)
    }

    /// The same with another copy of `reg`.
    pub(crate) fn command_of(&self, program: &Path, arguments: &str) -> Command {
        let mut command = Command::new(program);
        command.args(arguments.split_whitespace()).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    /// Runs `reg`.
    pub(crate) fn reg(&self, arguments: &str) -> Answer {
        finish(self.command(arguments).output(), arguments)
    }

    /// Runs `reg` with these bytes on a pipe that is its standard input.
    pub(crate) fn piped(&self, arguments: &str, input: &[u8]) -> Answer {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            // It may stop reading before the end.
            scope.spawn(move || std::io::Write::write_all(&mut stdin, input));
            finish(child.wait_with_output(), arguments)
        })
    }

    /// Runs `reg` with another variable in its environment.
    pub(crate) fn reg_with(&self, variable: &str, value: impl AsRef<OsStr>, arguments: &str) -> Answer {
        finish(self.command(arguments).env(variable, value).output(), arguments)
    }

    /// Runs `reg`, which must succeed, and returns its standard output.
    pub(crate) fn ok(&self, arguments: &str) -> String {
        let answer = self.reg(arguments);
        assert_eq!(answer.code, 0, "reg {arguments}\n{}", answer.stderr);
        String::from_utf8(answer.stdout).unwrap()
    }

    /// Runs `reg --json`, which must succeed and print exactly one document.
    pub(crate) fn json(&self, arguments: &str) -> Value {
        let answer = self.reg(&format!("--json {arguments}"));
        assert_eq!(answer.code, 0, "reg --json {arguments}\n{}", answer.stderr);
        answer.json()
    }

    /// Runs `reg`, which must fail with `code` and say each of `words`, for people and for programs.
    pub(crate) fn refused(&self, code: i32, arguments: &str, words: &[&str]) -> Answer {
        let answer = self.reg(&format!("--json {arguments}"));
        answer.says(code, words);
        let document = answer.json();
        // A mistake on the command line is told on several lines.
        let told = answer.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        let error = document["error"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(&error), "{answer:?}");
        answer
    }

    /// The object behind an id.
    pub(crate) fn object(&self, id: &str) -> PathBuf {
        let id = id.parse().unwrap();
        self.registry().store().path(&id)
    }

    /// The registry through the library.
    pub(crate) fn registry(&self) -> Registry {
        Registry::load(self.dir.path()).unwrap()
    }

    /// The id that a name stands for.
    pub(crate) fn id(&self, name: &str) -> String {
        self.json(&format!("show {name}"))["id"].as_str().unwrap().to_owned()
    }

    /// Changes a text file of the study.
    pub(crate) fn edit(&self, file: &str, change: impl FnOnce(String) -> String) {
        let path = self.path(file);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, change(text)).unwrap();
    }

    /// Asserts that the registry is empty and has no temporary files.
    pub(crate) fn is_empty(&self) {
        assert_eq!(self.json("list")["records"], serde_json::json!([]));
        assert_eq!(self.json("log")["events"], serde_json::json!([]));
        self.nothing_staged();
        assert_eq!(files(&self.path(".reg/objects")), Vec::<PathBuf>::new());
    }

    /// Asserts that no temporary file is left.
    pub(crate) fn nothing_staged(&self) {
        assert_eq!(fs::read_dir(self.path(".reg/tmp")).unwrap().count(), 0);
    }

    /// Asserts that every object is sound.
    pub(crate) fn is_sound(&self) {
        let verified = self.json("verify");
        assert_eq!(verified["damaged"], serde_json::json!([]));
    }
}

impl Answer {
    /// The one document on standard output.
    pub(crate) fn json(&self) -> Value {
        let documents: Result<Vec<Value>, _> =
            serde_json::Deserializer::from_slice(&self.stdout).into_iter().collect();
        match documents.as_deref() {
            Ok([one]) => one.clone(),
            _ => panic!("not exactly one JSON document: {self:?}"),
        }
    }

    /// Asserts the exit code and what standard error says.
    pub(crate) fn says(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is missing in: {}", self.stderr);
        }
        self
    }
}

/// The result of a process, which must not have panicked. Also checks how its messages name paths and write counts.
pub(crate) fn finish(output: std::io::Result<Output>, what: &str) -> Answer {
    let output = output.unwrap_or_else(|e| panic!("cannot run reg {what}: {e}"));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!stderr.contains("panicked"), "reg {what} panicked:\n{stderr}");
    if let Some(path) = stderr.lines().filter_map(named_twice).next() {
        panic!("reg {what} names {path} twice:\n{stderr}");
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let shown = text.lines().filter(|line| !line.starts_with('{')).chain(stderr.lines());
    if let Some((line, count)) = shown.filter_map(|line| Some((line, miscounted(line)?))).next() {
        panic!("reg {what} says `{count}`:\n{line}");
    }
    Answer { code: output.status.code().unwrap_or(-1), stdout: output.stdout, stderr }
}

/// A path that an error names twice, or together with a parent, because the outer message repeats the inner one.
fn named_twice(line: &str) -> Option<&str> {
    let message = line.strip_prefix("error: ")?;
    let (outer, inner) = message.strip_prefix("cannot ")?.split_once(": ")?;
    let outer = outer.split_once(' ')?.1;
    let is_path = outer.contains('/') && !outer.contains(' ');
    let again = inner.split_whitespace().map(|word| word.trim_matches(|c| ",;:`()".contains(c)));
    let mut again = again.filter(|word| word.contains('/') && outer.starts_with(word));
    if is_path { again.next().map(|_| outer) } else { None }
}

/// Nouns that are counted in messages.
const COUNTED: &[&str] = &[
    "batches",
    "boxes",
    "bytes",
    "cells",
    "changes",
    "columns",
    "entries",
    "epochs",
    "fields",
    "files",
    "folds",
    "images",
    "labels",
    "links",
    "members",
    "names",
    "objects",
    "packs",
    "parameters",
    "patients",
    "pixels",
    "problems",
    "records",
    "rows",
    "runs",
    "scans",
    "scores",
    "sections",
    "tables",
    "tensors",
    "words",
];

/// A miswritten count, such as `1 images` or `112120 images`.
fn miscounted(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let pairs = words.windows(2).enumerate();
    // Of `1024 x 1024 images`, the number is a size.
    let mut counts = pairs.filter(|(place, _)| *place == 0 || words[place - 1] != "x").map(|(_, pair)| pair);
    counts.find_map(|pair| {
        let number = pair[0].trim_start_matches(['(', '`']);
        let noun = pair[1].trim_end_matches([',', ';', ':', '.', ')', '`']);
        let wrong = number == "1" || number.len() > 3;
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        (wrong && is_number && COUNTED.contains(&noun)).then(|| format!("{number} {noun}"))
    })
}

#[test]
fn what_is_miscounted_is_found() {
    assert_eq!(miscounted("error: 1 images, 2 labels").unwrap(), "1 images");
    assert_eq!(miscounted("sound: 2 objects, 1234 bytes").unwrap(), "1234 bytes");
    assert_eq!(miscounted("1 image, 112,120 images, 14 labels, image 1, bytes 1234"), None);
    assert_eq!(named_twice("error: cannot open /a/b: /a is a symbolic link").unwrap(), "/a/b");
    assert_eq!(named_twice("error: cannot open /a/b: No such file or directory"), None);
}

/// The worker that was built beside `reg`.
pub(crate) fn worker() -> PathBuf {
    let worker = Path::new(env!("CARGO_BIN_EXE_reg")).with_file_name("reg-torch");
    assert!(worker.exists(), "{} is missing: `cargo build --workspace` makes it", worker.display());
    worker
}

/// All files under a folder, sorted.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap)
        // The head of the history is among the objects.
        .filter(|entry| {
            entry.file_type().is_file() && !entry.file_name().to_string_lossy().starts_with("head-")
        })
        .map(|entry| entry.into_path())
        .collect();
    found.sort();
    found
}

/// Writes over a file that may be read-only.
pub(crate) fn overwrite(path: &Path, bytes: &[u8]) {
    let permissions = fs::metadata(path).unwrap().permissions();
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, permissions).unwrap();
}

/// The id that a file has as an object.
pub(crate) fn id_of(path: &Path) -> String {
    Hash::of(&fs::read(path).unwrap()).to_string()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(status.success());
}
