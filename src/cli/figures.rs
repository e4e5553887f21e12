//! Figures as files.

use std::fs;
use std::path::{Path, PathBuf};

use reg::disk::Doing;
use reg::registry::Registry;
use reg::report::svg::Figure;
use serde_json::Value;

use super::error::Failure;
use super::output::{in_json, save};

/// Writes figures into a folder, which is created if missing, and adds their file names to a reply.
pub(super) fn write(
    folder: Option<&Path>,
    figures: &[Figure],
    text: &mut String,
    document: &mut Value,
) -> Result<(), Failure> {
    let Some(folder) = folder else { return Ok(()) };
    Registry::refuse_output(&folder.join("figure"))?;
    fs::create_dir_all(folder).doing("make the folder", folder)?;
    let mut files: Vec<PathBuf> = Vec::new();
    for figure in figures {
        // Labels that give the same file name, such as `A b` and `A-b`, are numbered.
        let names = (1..).map(|n| match n {
            1 => format!("{}.svg", figure.key),
            n => format!("{}-{n}.svg", figure.key),
        });
        let mut paths = names.map(|name| folder.join(name));
        let path = paths.find(|path| !files.contains(path)).expect("numbers do not end");
        save(&path, figure.file().as_bytes())?;
        files.push(path);
    }
    let figures = if files.len() == 1 { "figure" } else { "figures" };
    *text += &format!("{} {figures} in {}\n", files.len(), folder.display());
    document["figures"] = files.iter().map(|file| in_json(file)).collect();
    Ok(())
}
