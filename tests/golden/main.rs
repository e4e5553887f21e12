//! Holds the bytes on disk to what they were when they were first written, and to `schema/`.
//!
//! What is stored must stay readable and keep its id. `fixtures/golden` has a file for each kind and
//! version; when a kind gets a new version, the old files stay and new ones come beside them.
//! `REG_REGENERATE=1 cargo test -p reg --test golden` writes the golden files and the JSON Schemas anew;
//! the ids pinned here and the hex in `schema/on-disk.md` are changed by hand, so that nobody does it
//! without noticing.

mod on_disk;
mod packed;
mod records;
mod schemas;
mod values;

use std::fs;
use std::path::{Path, PathBuf};

use reg::hash::Hash;

/// The id of each golden file.
const IDS: &[(&str, &str)] = &[
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn golden(file: &str) -> PathBuf {
    root().join("fixtures/golden").join(file)
}

fn regenerate() -> bool {
    std::env::var_os("REG_REGENERATE").is_some_and(|value| value == "1")
}

#[test]
fn every_kind_has_the_bytes_that_it_always_had() {
    for value in values::all() {
        let path = golden(value.file);
        if regenerate() {
            fs::write(&path, &value.bytes).unwrap();
        }
        let bytes = fs::read(&path).unwrap();
        assert!(value.bytes == bytes, "{}: {}", value.file, String::from_utf8_lossy(&value.bytes));
        assert!((value.means)(&bytes).unwrap(), "{} is read as something else", value.file);
    }
}

#[test]
fn every_golden_object_has_the_id_that_it_always_had() {
    let id = |file: &str| Hash::of(&fs::read(golden(file)).unwrap()).to_string();
    let found: Vec<(&str, String)> = values::all().iter().map(|value| (value.file, id(value.file))).collect();
    let pinned: Vec<(&str, String)> = IDS.iter().map(|(file, id)| (*file, (*id).to_owned())).collect();
    assert_eq!(found, pinned);
}

#[test]
fn every_kind_and_every_golden_file_is_covered() {
    let values = values::all();
    let begins = |kind: &str| values.iter().any(|value| value.file.starts_with(kind));
    for kind in reg::records::KINDS.iter().copied().chain(reg::records::PACKED.iter().map(|(kind, _)| *kind)) {
        assert!(begins(kind), "{kind} has no golden file");
    }
    for entry in fs::read_dir(golden("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(values.iter().any(|value| value.file == name), "{name} belongs to no value");
    }
}
