//! What executes a program: the interpreter with its version, its packages, the GPUs.

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::Deserialize;

use super::allowed;
use super::error::ProgramError;
use super::source::SourceFile;
use crate::hash::Hasher;
use crate::limits;

/// Interpreters that tell their version by `--version`; a digit or version may follow the name.
const TELLING: [&str; 10] =
    ["python", "pypy", "Rscript", "R", "julia", "bash", "zsh", "perl", "ruby", "node"];
/// What Python tells of itself.
const PYTHON: &str = "import importlib.metadata as m, json, site, sys\n\
    names = sorted({(d.metadata['Name'] or '?') + ' ' + (d.version or '?') for d in m.distributions()})\n\
    base = site.getuserbase() if site.ENABLE_USER_SITE else None\n\
    print(json.dumps({'packages': names, 'base': base, 'prefixes': [sys.prefix, sys.base_prefix], 'paths': sys.path}))";
const R: &str = "p <- installed.packages()[, c('Package', 'Version'), drop = FALSE]; \
    cat(sort(unique(paste(p[, 1], p[, 2]))), sep = '\\n')";

/// What executes a program.
#[derive(Debug, Clone)]
pub(super) struct Executable {
    /// The file to start; none where it is a file of the program.
    pub(super) path: Option<PathBuf>,
    /// The interpreter.
    pub(super) interpreter: Option<PathBuf>,
    /// The interpreter with its version.
    pub(super) version: Option<String>,
}

/// What an interpreter tells of its surroundings.
#[derive(Debug, Clone, Default)]
pub(super) struct Packages {
    /// `NAME VERSION`, sorted; none if it cannot list them.
    pub(super) list: Option<Vec<String>>,
    /// Folders in which it looks for installed packages. One that a `.pth` file adds from elsewhere is none: what lies
    /// there is the user's own and changes, but no record would name it.
    pub(super) paths: Vec<PathBuf>,
    /// Python's folder of the user's own packages.
    pub(super) user_base: Option<PathBuf>,
}

impl Executable {
    /// Finds what the first word of a command starts, and puts the word as a record has it: without folder, unless it is
    /// a file of the program.
    pub(super) fn find(command: &mut [String], files: &[SourceFile]) -> Result<Self, ProgramError> {
        let Some(first) = command.first_mut() else { return Err(ProgramError::NotFound(String::new())) };
        let own = first.strip_prefix("./").unwrap_or(first).to_owned();
        if first.contains('/')
            && let Some(file) = files.iter().find(|file| file.path == own)
        {
            if !file.executable {
                return Err(ProgramError::NotExecutable(first.clone()));
            }
            let interpreter = shebang(&file.bytes)?;
            let version = interpreter.as_deref().map(version).transpose()?;
            return Ok(Executable { path: None, interpreter, version });
        }
        let path = find(first).ok_or_else(|| match first.contains('/') && Path::new(first).is_file() {
            true => ProgramError::NotExecutable(first.clone()),
            false => ProgramError::NotFound(first.clone()),
        })?;
        // What is found may be a script that chooses one of several Pythons.
        let told = name_of(&path)
            .starts_with("python")
            .then(|| ask(&path, &["-c", "import sys; print(sys.executable)"]));
        let name = path.file_name().and_then(|name| name.to_str());
        *first = name.ok_or_else(|| ProgramError::NotText(first.clone()))?.to_owned();
        let told = told.flatten().map(|text| PathBuf::from(text.trim())).filter(|path| path.is_absolute());
        let path = told.unwrap_or(path);
        let version = version(&path)?;
        Ok(Executable { path: Some(path.clone()), interpreter: Some(path), version: Some(version) })
    }

    /// All packages that the interpreter can import.
    pub(super) fn packages(&self) -> Packages {
        let Some(path) = &self.interpreter else { return Packages::default() };
        let name = name_of(path);
        if name.starts_with("python") || name.starts_with("pypy") {
            #[derive(Deserialize)]
            struct Told {
                packages: Vec<String>,
                base: Option<PathBuf>,
                prefixes: Vec<PathBuf>,
                paths: Vec<PathBuf>,
            }
            let told = ask(path, &["-c", PYTHON]).and_then(|text| serde_json::from_str::<Told>(&text).ok());
            return told.map_or_else(Packages::default, |told| {
                let roots: Vec<&PathBuf> = told.prefixes.iter().chain(&told.base).collect();
                // Packages of another environment, too, are listed with their versions.
                let is_installed = |path: &PathBuf| {
                    roots.iter().any(|root| path.starts_with(root))
                        || allowed::is_of_the_system(path)
                        || path.ends_with("site-packages")
                        || path.ends_with("dist-packages")
                };
                let installed =
                    told.paths.iter().filter(|path| path.is_absolute() && is_installed(path)).cloned();
                let paths = told.prefixes.iter().cloned().chain(installed).collect();
                Packages { list: Some(told.packages), paths, user_base: told.base }
            });
        }
        if name == "Rscript" || name == "R" {
            let list = ask(Path::new("Rscript"), &["-e", R]);
            let list = list.map(|text| text.lines().map(str::to_owned).collect());
            return Packages { list, ..Packages::default() };
        }
        Packages::default()
    }
}

/// The GPUs with the version of their driver.
pub(super) fn gpus() -> Vec<String> {
    let query = ["--query-gpu=name,driver_version", "--format=csv,noheader"];
    let text = find("nvidia-smi").and_then(|path| ask(&path, &query)).unwrap_or_default();
    text.lines().filter(|line| !line.trim().is_empty()).take(64).map(|line| line.trim().to_owned()).collect()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The path of a program: as it is with a folder, otherwise by `PATH`.
fn find(word: &str) -> Option<PathBuf> {
    let runs = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|of| of.is_file() && of.permissions().mode() & 0o111 != 0)
    };
    if word.contains('/') {
        return std::path::absolute(word).ok().filter(runs);
    }
    let folders = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    let paths = std::env::split_paths(&folders).filter(|folder| folder.is_absolute());
    paths.map(|folder| folder.join(word)).find(runs)
}

/// The interpreter that the first line of a script names.
fn shebang(bytes: &[u8]) -> Result<Option<PathBuf>, ProgramError> {
    let Some(line) = bytes.strip_prefix(b"#!") else { return Ok(None) };
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_whitespace();
    let first = words.next().unwrap_or_default();
    let word = match first.rsplit('/').next() {
        Some("env") => words.find(|word| !word.starts_with('-')).unwrap_or(first),
        _ => first,
    };
    find(word).map(Some).ok_or_else(|| ProgramError::NotFound(word.to_owned()))
}

/// The interpreter with its version, `Python 3.13.1`; of a program that tells none, the hash of its file.
fn version(path: &Path) -> Result<String, ProgramError> {
    let name = name_of(path);
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if TELLING.contains(&bare) {
        let told = ask(path, &["--version"]).unwrap_or_default();
        if let Some(line) = told.lines().find(|line| !line.trim().is_empty()) {
            return Ok(crate::escape::line(line.trim()));
        }
    }
    let mut hasher = Hasher::name_only();
    let file = fs::File::open(path).map_err(|e| ProgramError::io(path, &e))?;
    hasher.read(file).map_err(|e| ProgramError::io(path, &e))?;
    Ok(format!("{name} {}", hasher.finish().short()))
}

/// What a program prints to standard output and, without that, to standard error; none if it fails or takes too long.
fn ask(path: &Path, arguments: &[&str]) -> Option<String> {
    let mut child = Command::new(path)
        .args(arguments)
        .current_dir("/")
        .env_remove("PYTHONPATH")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let read = |pipe: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.take(limits::PROGRAM_ANSWER).read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let (out, err) = (read(Box::new(child.stdout.take()?)), read(Box::new(child.stderr.take()?)));
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().ok()? {
            Some(status) => break status,
            None if begun.elapsed() > limits::PROGRAM_WAIT => {
                let _ = child.kill();
                break child.wait().ok()?;
            }
            None => std::thread::sleep(std::time::Duration::from_millis(5)),
        }
    };
    let (out, err) = (out.join().ok()?, err.join().ok()?);
    status.success().then_some(if out.trim().is_empty() { err } else { out })
}
