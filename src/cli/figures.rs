//! Figures as files, and any other file that a command writes for people.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use reg::report::svg::Figure;
use serde_json::{Value, json};

use super::error::Failure;

/// Writes figures into a folder, which is made where it is missing, and adds to an answer what they are called.
pub(super) fn write(
    folder: Option<&Path>,
    figures: &[Figure],
    text: &mut String,
    document: &mut Value,
) -> Result<(), Failure> {
    let Some(folder) = folder else { return Ok(()) };
    fs::create_dir_all(folder).map_err(|e| cannot("make the folder", folder, &e))?;
    let mut files: Vec<PathBuf> = Vec::new();
    for figure in figures {
        // Labels that look alike as file names, `A b` and `A-b`, are numbered.
        let names = (1..).map(|n| match n {
            1 => format!("{}.svg", figure.key),
            n => format!("{}-{n}.svg", figure.key),
        });
        let mut paths = names.map(|name| folder.join(name));
        let path = paths.find(|path| !files.contains(path)).expect("numbers do not end");
        write_file(&path, figure.file().as_bytes())?;
        files.push(path);
    }
    *text += &format!("{} figures in {}\n", files.len(), folder.display());
    document["figures"] = json!(files);
    Ok(())
}

/// Writes a file, or one anew; who reads it beside this sees the old or the new one.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let failed = |e: std::io::Error| cannot("write", path, &e);
    // As any new file, and not for its owner alone as temporary ones are.
    let readable = fs::Permissions::from_mode(0o644);
    let mut file =
        tempfile::Builder::new().prefix(".reg-").permissions(readable).tempfile_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

fn cannot(do_what: &str, path: &Path, e: &std::io::Error) -> Failure {
    let hint = match e.kind() {
        std::io::ErrorKind::NotFound => Some("the folder that it should be in is not there".to_owned()),
        _ => None,
    };
    Failure::new(format!("cannot {do_what} {}: {e}", path.display()), hint)
}
