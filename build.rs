//! Notes the commit that `reg` is built from, so that an execution can name it, and lists the networks in
//! `src/network/presets`, so that a further one is a file.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

fn main() {
    presets();
    // Of a linked worktree they lie elsewhere, and a path that is not there would build everything at every call.
    for file in ["HEAD", "index"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-changed=Cargo.lock");
    // A source archive has no git; then nothing is noted.
    let commit = git(&["rev-parse", "HEAD"]);
    let clean =
        git(&["--no-optional-locks", "status", "--porcelain"]).is_some_and(|changes| changes.is_empty());
    let source = match &commit {
        Some(commit) if clean => format!("commit {}", &commit[..12]),
        Some(commit) => format!("commit {} with changes", &commit[..12]),
        None => "a source archive".to_owned(),
    };
    let of_cargo = |name: &str| env::var(name).expect("cargo sets it");
    println!("cargo:rustc-env=REG_BUILD={} build of {source}, {}", of_cargo("PROFILE"), of_cargo("TARGET"));
    let Some(commit) = commit else { return };
    println!("cargo:rustc-env=REG_GIT_COMMIT={commit}");
    println!("cargo:rustc-env=REG_GIT_CLEAN={clean}");
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Name and text of each preset, as an expression that `src/network/presets.rs` includes.
fn presets() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let files =
        fs::read_dir(Path::new(&root).join("src/network/presets")).expect("the source tree is complete");
    let mut files: Vec<_> = files.map(|entry| entry.expect("readable").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let of = |path: &Path| {
        let name = path.file_stem().expect("a file has a name").to_str().expect("UTF-8").to_owned();
        format!("({name:?}, include_str!({path:?})),")
    };
    let list: String = files.iter().map(|path| of(path)).collect();
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("presets.rs"), format!("&[{list}]")).expect("the folder takes a file");
}
