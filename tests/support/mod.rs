//! Requirements of tests that not every machine meets: programs, root, published files. A test without its requirement
//! says so here and ends; with `REG_STRICT=1`, as in CI, it fails.
//!
//! All test crates and the unit tests of the library share this file with `#[path]`.

#![allow(dead_code)]

use std::io::Write;
use std::path::{Path, PathBuf};

/// Requirements that may be absent even with `REG_STRICT=1`, and why CI cannot have them. `make peers` installs the
/// others.
pub(crate) const EXCUSED: &[(&str, &str)] = &[
    (GPU, "the machines of CI have none; benches/gpu.sh is run on one by hand"),
    (CONTAINER_BUILDER, "building an image takes rights that CI may not have"),
    (NIH, "NIH hands the published files out, 42 GB with the images; no clean checkout has them"),
    (WHEELS, "a release takes 20 minutes to compile, and PyTorch with CUDA is 3 GB: `make test-wheels`"),
    (TORCH, "PyTorch for Python is packaged with CUDA, several gigabytes; the golden numbers stand for it"),
];

/// An NVIDIA GPU, and libtorch with CUDA.
pub(crate) const GPU: &str = "a GPU";
/// A program that builds container images.
pub(crate) const CONTAINER_BUILDER: &str = "a container builder";
/// The published files of ChestX-ray14.
pub(crate) const NIH: &str = "shared/nih";
/// The same, if it also has these modules.
pub(crate) fn torch_with(modules: &str) -> Option<PathBuf> {
    let python = torch()?;
    let import = format!("import {modules}");
    let has = std::process::Command::new(&python).args(["-c", &import]).status().unwrap().success();
    if !has {
        absent(TORCH, &format!("it names a Python with {modules}"));
    }
    has.then_some(python)
}

/// The folder of the wheels that `make wheels` builds.
pub(crate) const WHEELS: &str = "REG_WHEELS";
/// A Python with torch and torchvision.
pub(crate) const TORCH: &str = "REG_PYTHON";

/// Says that a requirement of the test is absent, so that the test ends.
///
/// The line is printed directly, because the test harness shows no output of tests that pass.
///
/// # Panics
/// With `REG_STRICT=1`, unless the thing is [`EXCUSED`].
#[track_caller]
pub(crate) fn absent(thing: &str, hint: &str) {
    let strict = std::env::var_os("REG_STRICT").is_some_and(|value| value == "1");
    assert!(!must_be_there(thing, strict), "REG_STRICT=1, and {thing} is not there: {hint}");
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {thing} is not there: {hint}");
}

/// Whether a thing that is absent fails its test.
pub(crate) fn must_be_there(thing: &str, strict: bool) -> bool {
    strict && EXCUSED.iter().all(|(excused, _)| *excused != thing)
}

/// Whether all of these programs are there.
pub(crate) fn programs(names: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> =
        std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).collect();
    let missing = |name: &&&str| !folders.iter().any(|folder| folder.join(name).is_file());
    match names.iter().find(missing) {
        Some(name) => {
            absent(name, "`make setup` installs it on Debian");
            false
        }
        None => true,
    }
}

/// Whether the test may do what only root can.
pub(crate) fn root(what_for: &str) -> bool {
    if !is_root() {
        absent("root", what_for);
    }
    is_root()
}

/// Whether root runs the test.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The folder of the published files, `shared/nih` in the source tree or above it.
pub(crate) fn nih() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = root.ancestors().map(|above| above.join("shared/nih")).find(|folder| folder.is_dir());
    if found.is_none() {
        absent(NIH, "the published files of ChestX-ray14");
    }
    found
}

/// The Python with torch and torchvision that `REG_PYTHON` names.
pub(crate) fn torch() -> Option<PathBuf> {
    let python = std::env::var_os("REG_PYTHON").map(PathBuf::from);
    if python.is_none() {
        absent(TORCH, "it names a Python with torch and torchvision");
    }
    python
}

/// The folder of the wheels that `REG_WHEELS` names.
pub(crate) fn wheels() -> Option<PathBuf> {
    let folder = std::env::var_os("REG_WHEELS").map(PathBuf::from);
    if folder.is_none() {
        absent(WHEELS, "`make test-wheels` builds and tests them");
    }
    folder
}
