//! The program's own files: the git tree below a folder with its uncommitted changes, or the files that the command names.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use walkdir::WalkDir;

use super::allowed;
use super::error::ProgramError;
use crate::digits::thousands;
use crate::hash::Hash;
use crate::limits;
use crate::records::Git;

/// A file of a program.
pub(super) struct SourceFile {
    /// Path below the folder in which the command runs.
    pub(super) path: String,
    pub(super) bytes: Vec<u8>,
    pub(super) executable: bool,
}

/// The files of a program, and the command as it is recorded.
pub(super) struct Source {
    /// Sorted by path.
    pub(super) files: Vec<SourceFile>,
    pub(super) command: Vec<String>,
    pub(super) git: Option<Git>,
    /// What lies below the folder and is no file of the program: folders end with a slash.
    pub(super) left_out: Vec<String>,
}

impl Source {
    /// The files below a folder: those that git knows or would add, otherwise all that are not hidden.
    ///
    /// Files that the command names must be among them, or inputs: a file that no record names could change unseen.
    pub(super) fn of_folder(
        folder: &Path,
        command: &[String],
        inputs: &[(String, PathBuf)],
    ) -> Result<Self, ProgramError> {
        let io = |e: &std::io::Error| ProgramError::io(folder, e);
        if !fs::metadata(folder).map_err(|e| io(&e))?.is_dir() {
            return Err(ProgramError::file(folder, "--source names a folder"));
        }
        let git = git_state(folder)?;
        let (listed, mut left_out) = match git {
            Some(_) => (git_files(folder, &LISTED)?, git_files(folder, &IGNORED)?),
            None => all_files(folder)?,
        };
        let mut files = Vec::new();
        for path in listed {
            let whole = folder.join(&path);
            let Ok(metadata) = fs::symlink_metadata(&whole) else { continue };
            if metadata.is_symlink() {
                let reason = "it is a link, which reg does not follow: copy the file, or give it as --input";
                return Err(ProgramError::file(&whole, reason));
            }
            if metadata.is_file() {
                files.push(read(&whole, text(&path)?)?);
            } else {
                // A submodule or another repository, of which git lists no file; a pipe.
                left_out.push(if metadata.is_dir() { path.join("") } else { path });
            }
        }
        if files.len() > limits::PROGRAM_FILES {
            let (count, most) = (thousands(files.len() as u64), thousands(limits::PROGRAM_FILES as u64));
            let reason = format!(
                "it has {count} files, but a program may have at most {most}: list data files in .gitignore"
            );
            return Err(ProgramError::file(folder, reason));
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        left_out.retain(|path| !is_cache(path.file_name().unwrap_or_default()));
        let mut left_out: Vec<String> =
            left_out.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        left_out.sort();
        let mut command = command.to_vec();
        for (place, word) in command.iter_mut().enumerate() {
            let path = Path::new(word.as_str());
            if !path.is_absolute() || !is_file(path) || inputs.iter().any(|(_, input)| input == path) {
                continue;
            }
            match below(folder, path).filter(|own| files.iter().any(|file| file.path == *own)) {
                Some(own) => *word = if place == 0 { format!("./{own}") } else { own },
                None if place == 0 || allowed::is_of_the_system(path) => {}
                None => {
                    let reason = format!(
                        "it is not below --source {}, so it would not be recorded: give it as --input KEY=FILE, or give a --source that contains it",
                        folder.display()
                    );
                    return Err(ProgramError::file(path, reason));
                }
            }
        }
        Ok(Source { files, command, git, left_out })
    }

    /// The files that the command names. One outside of this folder is taken by its name alone, in the command as well.
    pub(super) fn of_command(command: &[String]) -> Result<Self, ProgramError> {
        let mut source = Source { files: Vec::new(), command: Vec::new(), git: None, left_out: Vec::new() };
        for (place, word) in command.iter().enumerate() {
            let path = Path::new(word);
            let plain =
                path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
            // A first word without folder is a program of PATH, one with a whole path an interpreter.
            let is_candidate = place > 0 || (plain && word.contains('/'));
            let is_file = is_candidate && is_file(path);
            if !is_file || (place == 0 && is_machine_code(path)) {
                source.command.push(word.clone());
                continue;
            }
            let name = match plain {
                true => path.components().filter(|part| *part != Component::CurDir).collect::<PathBuf>(),
                false => PathBuf::from(path.file_name().unwrap_or_default()),
            };
            let name = text(&name)?;
            let file = read(path, name.clone())?;
            match source.files.iter().find(|known| known.path == name) {
                Some(known) if known.bytes != file.bytes => {
                    return Err(ProgramError::file(
                        path,
                        format!("two different files would have the path {name}: give --source"),
                    ));
                }
                Some(_) => {}
                None => source.files.push(file),
            }
            source.command.push(if place == 0 { format!("./{name}") } else { name });
            if source.git.is_none() {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                source.git = git_state(folder.unwrap_or(Path::new(".")))?;
            }
        }
        source.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(source)
    }
}

fn is_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// The path of a file below a folder; none if it lies elsewhere.
fn below(folder: &Path, path: &Path) -> Option<String> {
    let (folder, path) = (fs::canonicalize(folder).ok()?, fs::canonicalize(path).ok()?);
    path.strip_prefix(folder).ok()?.to_str().map(str::to_owned)
}

fn text(path: &Path) -> Result<String, ProgramError> {
    path.to_str().map(str::to_owned).ok_or_else(|| ProgramError::NotText(path.to_string_lossy().into_owned()))
}

/// Whether a file is machine code: as the first word of a command, an interpreter rather than a file of the program.
fn is_machine_code(path: &Path) -> bool {
    limits::read(path, limits::PROGRAM_INPUT).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF"))
}

fn read(path: &Path, name: String) -> Result<SourceFile, ProgramError> {
    let bytes = limits::read(path, limits::PROGRAM_FILE).map_err(|e| match e.kind() {
        std::io::ErrorKind::FileTooLarge => {
            let most = thousands(limits::PROGRAM_FILE);
            ProgramError::file(
                path,
                format!("longer than {most} bytes: give it as --input KEY=FILE, or list it in .gitignore"),
            )
        }
        _ => ProgramError::io(path, &e),
    })?;
    if name.parse::<Hash>().is_ok() {
        return Err(ProgramError::LikeId(name));
    }
    let mode = fs::metadata(path).map_err(|e| ProgramError::io(path, &e))?.permissions().mode();
    Ok(SourceFile { path: name, bytes, executable: mode & 0o100 != 0 })
}

/// What Python makes anew.
fn is_cache(name: &std::ffi::OsStr) -> bool {
    name == "__pycache__"
}

/// All files below a folder that are not hidden, and what is.
fn all_files(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), ProgramError> {
    let most = limits::FOLDERS - 1;
    let mut walk = WalkDir::new(folder).min_depth(1).max_depth(most).into_iter();
    let (mut files, mut left_out) = (Vec::new(), Vec::new());
    while let Some(entry) = walk.next() {
        let entry = entry.map_err(|e| ProgramError::file(folder, e.to_string()))?;
        let path = entry.path().strip_prefix(folder).unwrap_or(entry.path()).to_owned();
        let is_dir = entry.file_type().is_dir();
        let is_hidden = entry.file_name().as_bytes().starts_with(b".") || is_cache(entry.file_name());
        if is_hidden || (is_dir && entry.depth() == most) {
            left_out.push(if is_dir { path.join("") } else { path });
            if is_dir {
                walk.skip_current_dir();
            }
        } else if !is_dir {
            files.push(path);
        }
        if files.len() > limits::PROGRAM_FILES {
            break;
        }
    }
    Ok((files, left_out))
}

/// Runs git on a folder; what it says on standard error where it fails.
///
/// The settings of a stranger's repository can name programs, which would run unconfined: a monitor of the file system,
/// hooks, filters, transports. None of them is started.
fn git(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
    const OFF: [&str; 5] =
        ["--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"];
    let call = |options: &[String], arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(folder).args(OFF).args(options).args(arguments);
        // Objects of a partial clone would be fetched.
        command.env("GIT_ALLOW_PROTOCOL", "none").env("GIT_NO_LAZY_FETCH", "1");
        command.output().map_err(|e| e.to_string())
    };
    let listed = call(&[], &["config", "--name-only", "-z", "--get-regexp", "^filter\\."])?.stdout;
    let mut options = Vec::new();
    for key in listed.split(|byte| *byte == 0).filter_map(|key| std::str::from_utf8(key).ok()) {
        let value = if key.ends_with(".required") { "false" } else { "" };
        if !key.is_empty() {
            options.extend(["-c".to_owned(), format!("{key}={value}")]);
        }
    }
    let output = call(&options, arguments)?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().to_owned()),
    }
}

/// The files that git knows below a folder, and those that it would add.
const LISTED: [&str; 5] = ["--cached", "--others", "--exclude-standard", "--deduplicate", "-z"];
/// The files that git ignores; a folder of which it ignores all stands for its files.
const IGNORED: [&str; 5] = ["--others", "--ignored", "--exclude-standard", "--directory", "-z"];

/// Files below a folder as git lists them.
fn git_files(folder: &Path, which: &[&str]) -> Result<Vec<PathBuf>, ProgramError> {
    let arguments = [&["ls-files"], which].concat();
    let list =
        git(folder, &arguments).map_err(|reason| ProgramError::Git { path: folder.to_owned(), reason })?;
    let names = list.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(|name| PathBuf::from(std::ffi::OsStr::from_bytes(name))).collect())
}

/// Commit of the tree to which a folder belongs, and whether it is unchanged; none outside of git, before a first
/// commit, or without git.
fn git_state(folder: &Path) -> Result<Option<Git>, ProgramError> {
    if git(folder, &["rev-parse", "--is-inside-work-tree"]).is_err() {
        return Ok(None);
    }
    let commit = git(folder, &["rev-parse", "--verify", "HEAD"]).unwrap_or_default();
    let commit = String::from_utf8_lossy(&commit).trim().to_owned();
    let changes = git(folder, &["status", "--porcelain", "-z", "--", "."])
        .map_err(|reason| ProgramError::Git { path: folder.to_owned(), reason })?;
    let commit = if commit.is_empty() { "none".to_owned() } else { commit };
    Ok(Some(Git { commit: format!("git:{commit}"), clean: changes.is_empty() }))
}
