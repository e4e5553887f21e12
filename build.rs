//! Notes the commit that `reg` is built from, so that an execution can name it.

use std::process::Command;

fn main() {
    // Of a linked worktree they lie elsewhere, and a path that is not there would build everything at every call.
    for file in ["HEAD", "index"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-changed=Cargo.lock");
    // A source archive has no git; then nothing is noted.
    let Some(commit) = git(&["rev-parse", "HEAD"]) else { return };
    let clean =
        git(&["--no-optional-locks", "status", "--porcelain"]).is_some_and(|changes| changes.is_empty());
    println!("cargo:rustc-env=REG_GIT_COMMIT={commit}");
    println!("cargo:rustc-env=REG_GIT_CLEAN={clean}");
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
