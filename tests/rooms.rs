//! The house rules that a compiler does not check: one importer for each crate, no upward dependencies between rooms,
//! files of readable length, one meaning for each name, no test that ends early without saying so. Reads the sources.

#[path = "rooms/imports.rs"]
mod imports;
#[path = "support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Crates, and the only files or folders of `src` that may import them.
const IMPORTERS: &[(&str, &[&str])] = &[
    ("bincode", &["records/codec.rs"]),
    ("redb", &["index/"]),
    ("tch", &["tensor/"]),
    ("blake3", &["hash.rs"]),
    ("sha2", &["hash.rs"]),
    ("safetensors", &["records/tensors.rs", "tensor/"]),
    ("smol_str", &["records/text.rs"]),
    ("image", &["dataset/pixels.rs"]),
    ("fast_image_resize", &["dataset/pixels.rs"]),
    ("csv", &["dataset/table.rs", "export/csv.rs", "report/table.rs"]),
    ("clap", &["cli/"]),
    ("clap_complete", &["cli/"]),
    ("clap_mangen", &["cli/"]),
    ("indicatif", &["cli/"]),
    ("jiff", &["cli/", "export/time.rs"]),
    ("maud", &["report/page/", "serve/"]),
    ("hyper", &["serve/"]),
    ("hyper_util", &["serve/"]),
    ("base64", &["attest/envelope.rs", "report/page/html.rs"]),
    ("ed25519_dalek", &["attest/key.rs"]),
    ("getrandom", &["attest/key.rs", "disk/change.rs", "registry/open.rs", "serve/"]),
    ("comfy_table", &["report/terminal.rs"]),
    ("unicode_width", &["report/terminal.rs"]),
    ("rand_chacha", &["random.rs"]),
    ("zip", &["audit/", "dataset/archive/"]),
    ("tar", &["dataset/archive/"]),
    ("lzma_rust2", &["dataset/archive/unpack.rs"]),
    ("ruzstd", &["dataset/archive/unpack.rs"]),
    ("unicode_normalization", &["dataset/matching.rs"]),
    ("landlock", &["training/program/launch.rs"]),
    ("parquet", &["export/parquet.rs"]),
    ("rusqlite", &["export/mlflow.rs"]),
    ("object_store", &["remote/location/answers.rs", "remote/location/s3.rs"]),
    ("futures_util", &["remote/location/s3.rs"]),
    ("tokio", &["remote/location/s3.rs", "serve/"]),
    ("rustls", &["remote/location/s3.rs"]),
];

/// Rooms of the library from below, and the rooms that each may use, which lie below it.
const ARROWS: &[(&str, &[&str])] = &[
    ("digits", &[]),
    ("filter", &[]),
    ("suggest", &[]),
    ("escape", &[]),
    ("hash", &[]),
    ("progress", &[]),
    ("stats", &[]),
    ("limits", &["digits"]),
    ("disk", &["digits", "escape", "limits"]),
    ("random", &["hash"]),
    ("recognise", &["escape"]),
    ("store", &["disk", "hash"]),
    ("records", &["digits", "hash", "limits"]),
    ("index", &["digits", "disk", "hash", "limits", "records", "store"]),
    ("network", &["digits", "limits", "records"]),
    ("worker", &["disk", "hash", "records"]),
    (
        "registry",
        &[
            "digits", "disk", "escape", "hash", "index", "limits", "network", "progress", "records", "store",
            "suggest",
        ],
    ),
    ("values", &["records", "stats"]),
    ("diff", &["hash", "index", "records", "registry", "values"]),
    ("usage", &["hash", "index", "limits", "recognise", "records", "registry"]),
    ("withdrawal", &["digits", "disk", "hash", "index", "limits", "records", "registry", "usage"]),
    (
        "dataset",
        &[
            "digits",
            "disk",
            "escape",
            "hash",
            "limits",
            "progress",
            "random",
            "recognise",
            "records",
            "registry",
            "store",
            "withdrawal",
        ],
    ),
    (
        "lineage",
        &[
            "diff",
            "digits",
            "disk",
            "hash",
            "index",
            "limits",
            "progress",
            "records",
            "registry",
            "store",
            "usage",
            "withdrawal",
        ],
    ),
    (
        "remote",
        &[
            "digits",
            "disk",
            "escape",
            "hash",
            "index",
            "limits",
            "progress",
            "records",
            "registry",
            "store",
            "withdrawal",
        ],
    ),
    (
        "attest",
        &[
            "digits",
            "disk",
            "hash",
            "index",
            "limits",
            "lineage",
            "records",
            "registry",
            "store",
            "withdrawal",
        ],
    ),
    ("split", &["dataset", "digits", "hash", "limits", "random", "records", "registry"]),
    (
        "scores",
        &["dataset", "digits", "hash", "index", "limits", "records", "registry", "split", "stats", "values"],
    ),
    (
        "compare",
        &[
            "digits", "disk", "escape", "hash", "index", "limits", "random", "records", "registry", "scores",
            "split", "stats",
        ],
    ),
    (
        "training",
        &[
            "dataset",
            "digits",
            "disk",
            "escape",
            "hash",
            "index",
            "limits",
            "network",
            "recognise",
            "records",
            "registry",
            "scores",
            "split",
            "stats",
            "store",
            "suggest",
            "withdrawal",
            "worker",
        ],
    ),
    (
        "listing",
        &[
            "digits", "filter", "hash", "index", "network", "records", "registry", "suggest", "training",
            "usage",
        ],
    ),
    ("doctor", &["digits", "disk", "hash", "registry", "store", "training", "withdrawal"]),
    (
        "recompute",
        &[
            "compare",
            "dataset",
            "disk",
            "hash",
            "recognise",
            "records",
            "registry",
            "scores",
            "split",
            "store",
            "training",
            "values",
            "withdrawal",
            "worker",
        ],
    ),
    (
        "study",
        &[
            "compare",
            "dataset",
            "digits",
            "disk",
            "escape",
            "hash",
            "index",
            "limits",
            "network",
            "records",
            "registry",
            "split",
            "store",
            "training",
            "withdrawal",
        ],
    ),
    ("library", &["compare", "hash", "lineage", "records", "registry", "scores"]),
    (
        "report",
        &[
            "compare",
            "dataset",
            "diff",
            "digits",
            "escape",
            "filter",
            "hash",
            "index",
            "lineage",
            "listing",
            "network",
            "recompute",
            "records",
            "registry",
            "scores",
            "split",
            "stats",
            "study",
            "training",
            "usage",
            "values",
            "withdrawal",
        ],
    ),
    (
        "audit",
        &[
            "compare",
            "digits",
            "disk",
            "hash",
            "index",
            "limits",
            "lineage",
            "network",
            "recompute",
            "records",
            "registry",
            "report",
            "split",
            "store",
            "usage",
            "withdrawal",
        ],
    ),
    (
        "export",
        &[
            "compare",
            "dataset",
            "digits",
            "disk",
            "escape",
            "filter",
            "hash",
            "index",
            "lineage",
            "listing",
            "network",
            "records",
            "registry",
            "report",
            "scores",
            "stats",
            "store",
            "usage",
            "values",
            "withdrawal",
        ],
    ),
    ("documents", &["diff", "hash", "listing", "records", "report", "usage"]),
    (
        "serve",
        &[
            "compare", "dataset", "diff", "digits", "escape", "filter", "hash", "index", "limits", "lineage",
            "listing", "records", "registry", "report", "stats", "store", "study", "training", "usage",
        ],
    ),
    (
        "failure",
        &[
            "attest",
            "audit",
            "compare",
            "dataset",
            "diff",
            "disk",
            "escape",
            "export",
            "filter",
            "index",
            "lineage",
            "listing",
            "recognise",
            "recompute",
            "records",
            "registry",
            "remote",
            "report",
            "scores",
            "serve",
            "split",
            "store",
            "study",
            "training",
            "withdrawal",
        ],
    ),
];

/// Rooms of the library that the worker may use: no registry, no index.
const OF_THE_WORKER: &[&str] = &[
    "dataset",
    "digits",
    "disk",
    "escape",
    "hash",
    "limits",
    "network",
    "random",
    "recognise",
    "records",
    "stats",
    "store",
    "worker",
];

/// Rooms and files that access a registry, a remote or the folder of a job, through `disk` only.
const TOUCHING: &[&str] = &[
    "attest/statement.rs",
    "audit/bundle.rs",
    "compare/",
    "dataset/ingest.rs",
    "dataset/pixel_cache.rs",
    "dataset/seen.rs",
    "diff/",
    "export/",
    "index/",
    "lineage/",
    "recompute/",
    "registry.rs",
    "registry/",
    "remote/",
    "report/",
    "scores/",
    "serve/",
    "split/",
    "store/",
    "study/",
    "tensor/",
    "training/",
    "usage/",
    "withdrawal/",
    "worker.rs",
];

/// Other ways to access files.
const OTHER_WAYS: &[&str] = &[
    "fs::",
    "File::open",
    "File::create",
    "OpenOptions",
    "DirBuilder",
    ".exists()",
    ".is_symlink()",
    "symlink_metadata",
    "WalkDir::",
    "tempfile::",
    "Database::create",
    "Database::open",
];

/// Files of those rooms with other accesses, the number of lines, and the reason.
const ELSEWHERE: &[(&str, usize, &str)] = &[
    ("export/folder.rs", 1, "looks whether the folder that somebody asked for is empty"),
    ("lineage/repair.rs", 5, "a folder that somebody named; only hashes of its files count"),
    ("registry/open.rs", 5, "outputs that somebody asked for: whether they lie in a registry or are keys"),
    ("registry/trust.rs", 4, "folders above the working directory, and the list of those that a user trusts"),
    ("remote/address.rs", 1, "whether two names are the same folder"),
    (
        "training/program/allowed.rs",
        5,
        "programs and settings of the machine, which a user's program may read",
    ),
    ("training/program/attempt.rs", 2, "whole paths of the registry and of programs"),
    (
        "training/program/child.rs",
        3,
        "how the program is started, in a folder that only its user can enter; the processes of the machine",
    ),
    ("training/program/interpreter.rs", 2, "the interpreter that somebody named"),
    ("training/program/mod.rs", 1, "whether an input that somebody named is a file"),
    (
        "training/program/launch.rs",
        3,
        "what the started program says of its confinement, and what it has open",
    ),
    ("training/program/source.rs", 7, "the program's files, which somebody named"),
    ("training/files.rs", 1, "images that somebody named"),
    ("training/gradcam.rs", 1, "an image that somebody named"),
    ("study/plan.rs", 1, "lists that somebody named"),
    ("study/slurm.rs", 1, "the registry's whole path, for a script"),
    ("training/weights.rs", 1, "weights that somebody named"),
    ("serve/socket.rs", 7, "a socket that somebody asked for, in a folder of its own until it has its mode"),
    ("store/batch.rs", 2, "files that are taken in, which may be links"),
    ("store/state.rs", 2, "files that are taken in"),
    ("tensor/build.rs", 5, "the build script"),
    ("tensor/device.rs", 4, "the tensor library, and what the system says of GPUs"),
    ("tensor/memory.rs", 2, "what the system says of memory"),
];

const LONGEST: usize = 600;

/// Ways in which a test could find out by itself that something is absent, or report it: `tests/support` does both.
const ON_ITS_OWN: &[&str] =
    &["eprint", "is_root()", "ErrorKind::NotFound", "REG_STRICT", "REG_PYTHON", "REG_WHEELS", "#[ignore"];

/// Callers of `tests/support`: a test may end early where the answer is no.
const ASKING: &[&str] = &[
    "support::",
    "Browser::start()",
    "House::new()",
    "SmallDisk::mount(",
    "chest_xray14()",
    "cluster()",
    "metadata_only()",
    "nih()",
    "peer(",
    "published()",
    "package()",
    "peers()",
    "python(",
];

/// Tests that end early for another reason, and the number of places.
const DONE: &[(&str, usize)] = &[
    ("src/split/k_fold.rs", 1),
    // No registry was made before the process was killed.
    ("tests/crash/workspace.rs", 1),
    // The record is rewritten already.
    ("tests/cli/lies.rs", 1),
    // There is nothing yet for a process to work on.
    ("tests/cli/storm.rs", 3),
    // The awaited event has happened.
    ("tests/cli/study.rs", 1),
    // A kernel without Landlock confines nothing, and the test has seen that the record says so.
    ("tests/cli/programs.rs", 2),
    // The element has the focus.
    ("tests/cli/pages.rs", 1),
    // The random draw is not a case of the test.
    ("src/split/resample.rs", 1),
];

/// A source file: its path below `src` and its text without comments.
struct Source {
    path: String,
    lines: usize,
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = walkdir::WalkDir::new(&root).into_iter().map(|entry| entry.unwrap().into_path());
    let files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "rs")).collect();
    assert!(files.len() > 50, "the sources are found");
    files
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            let path = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            Source { path, lines: text.lines().count(), code: code.join("\n") }
        })
        .collect()
}

/// Whether `code` has a path that begins with the name of a crate.
fn names(code: &str, name: &str) -> bool {
    let begins = |at: usize| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    };
    let paths = code.match_indices(&format!("{name}::")).any(|(at, _)| begins(at));
    paths || code.contains(&format!("use {name};")) || code.contains(&format!("use {name} as "))
}

/// The first segments behind `prefix` in paths such as `crate::store::Link` or `crate::{hash, store}`.
fn used(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices(&format!("{prefix}::")) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + prefix.len() + 2..];
        let group = rest.strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or("");
        let first =
            |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        rooms.extend(group.split(',').map(first));
        rooms.insert(first(rest));
    }
    rooms.remove("");
    rooms
}

/// Texts of all sources, by path below `src`.
fn texts() -> Vec<(String, String)> {
    sources().into_iter().map(|source| (source.path, source.code)).collect()
}

fn room(path: &str) -> &str {
    path.split('/').next().unwrap().trim_end_matches(".rs")
}

#[test]
fn each_crate_is_named_in_its_place_only() {
    let sources = sources();
    for (name, places) in IMPORTERS {
        let allowed = |path: &str| {
            places.iter().any(|place| path == *place || place.ends_with('/') && path.starts_with(place))
        };
        let users: Vec<&str> = sources
            .iter()
            .filter(|source| names(&source.code, name))
            .map(|source| source.path.as_str())
            .collect();
        assert!(!users.is_empty(), "nobody uses {name}; is its name right?");
        let strangers: Vec<&str> = users.into_iter().filter(|path| !allowed(path)).collect();
        assert!(strangers.is_empty(), "{name} belongs to {places:?}, and {strangers:?} name it");
    }
}

#[test]
fn arrows_go_down_only() {
    let mut seen = BTreeMap::new();
    for source in sources() {
        let room = room(&source.path);
        let (uses, allowed) = match ARROWS.iter().find(|(name, _)| *name == room) {
            Some((_, allowed)) => (used(&source.code, "crate"), *allowed),
            None if room == "tensor" => (used(&source.code, "reg"), OF_THE_WORKER),
            None => {
                assert!(
                    ["cli", "main", "lib"].contains(&room),
                    "the room {room} is not in the list of arrows"
                );
                continue;
            }
        };
        let wrong: Vec<&String> =
            uses.iter().filter(|used| *used != room && !allowed.contains(&used.as_str())).collect();
        // An item at the root of the crate, such as a macro, would be a room that does not exist.
        assert!(wrong.is_empty(), "src/{} uses {wrong:?}; {room} may use {allowed:?}", source.path);
        seen.entry(room.to_owned()).or_insert_with(BTreeSet::new).extend(uses);
    }
    assert_eq!(seen.len(), ARROWS.len() + 1, "every room was looked at: {seen:?}");
    for (room, allowed) in ARROWS {
        let idle: Vec<&&str> = allowed.iter().filter(|other| !seen[*room].contains(**other)).collect();
        assert!(idle.is_empty(), "{room} uses none of {idle:?}: strike them from the list");
    }
}

#[test]
fn no_import_runs_up() {
    for (place, (room, below)) in ARROWS.iter().enumerate() {
        let lower: Vec<&str> = ARROWS[..place].iter().map(|(room, _)| *room).collect();
        let up: Vec<&&str> = below.iter().filter(|used| !lower.contains(*used)).collect();
        assert!(up.is_empty(), "{room} may use {up:?}, which do not lie below it in the list");
    }
}

#[test]
fn no_two_files_import_each_other() {
    let imports = imports::imports(&texts());
    assert!(imports.len() > 250, "imports are found: {}", imports.len());
    let circles = imports::circles(&imports);
    let told: Vec<String> = circles.iter().map(|circle| imports::told(&imports, circle)).collect();
    assert!(
        circles.is_empty(),
        "files that import each other; what they share goes into a file below them:\n\n{}",
        told.join("\n\n")
    );
}

#[test]
fn a_registry_is_touched_through_disk_only() {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let touching = |path: &str| {
        TOUCHING.iter().any(|room| path == *room || room.ends_with('/') && path.starts_with(room))
    };
    let is_test = |path: &str| {
        path.contains("/tests/")
            || path.ends_with("tests.rs")
            || path.ends_with("memory.rs") && path.starts_with("registry/")
    };
    for source in sources().into_iter().filter(|source| touching(&source.path) && !is_test(&source.path)) {
        let code = source.code.split("#[cfg(test)]\nmod tests {").next().unwrap();
        // Names of the system's own calls may stand for numbers and types, and a `use` accesses nothing.
        let code = code
            .replace("rustix::fs::", "rustix ")
            .replace("os::unix::fs::", "")
            .replace("std::fs::TryLockError", "");
        let lines = code
            .lines()
            .filter(|line| !line.starts_with("use ") && OTHER_WAYS.iter().any(|way| line.contains(way)));
        let lines: Vec<String> = lines.map(|line| line.trim().to_owned()).collect();
        if !lines.is_empty() {
            found.insert(source.path, lines);
        }
    }
    let allowed =
        |path: &str| ELSEWHERE.iter().find(|(file, ..)| *file == path).map_or(0, |(_, lines, _)| *lines);
    let wrong: Vec<_> = found.iter().filter(|(path, lines)| lines.len() != allowed(path)).collect();
    assert!(wrong.is_empty(), "only src/disk touches files of a registry or remote: {wrong:#?}");
    assert_eq!(found.len(), ELSEWHERE.len(), "{:?}", found.keys());
    assert!(ELSEWHERE.iter().all(|(.., why)| !why.is_empty()));
}

/// No limit of bytes outside the table, and no read without a limit.
#[test]
fn limits_of_what_comes_from_outside_are_in_one_table() {
    let limit = |line: &&str| {
        let named =
            line.contains("const ") && ["MAX", "MOST", "LIMIT"].iter().any(|word| line.contains(word));
        named && line.contains("<<") || line.contains(".read(") && line.contains("u64::MAX")
    };
    let of = |source: &Source| -> Vec<String> {
        let code = source.code.split("#[cfg(test)]\nmod tests {").next().unwrap();
        code.lines().filter(limit).map(|line| format!("{}: {}", source.path, line.trim())).collect()
    };
    let all = sources();
    let found: Vec<String> = all.iter().filter(|source| source.path != "limits.rs").flat_map(of).collect();
    assert!(found.is_empty(), "src/limits.rs is the table of limits: {found:#?}");
}

#[test]
fn the_registry_is_not_linked_to_libtorch() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    assert!(!manifest.lines().any(|line| line.starts_with("tch") || line.starts_with("torch-sys")));
}

#[test]
fn no_file_is_longer_than_it_can_be_read() {
    let long: Vec<String> = sources()
        .into_iter()
        .filter(|source| source.lines > LONGEST)
        .map(|source| format!("{} ({} lines)", source.path, source.lines))
        .collect();
    assert!(long.is_empty(), "more than {LONGEST} lines: {long:?}");
}

/// The names of the public types in a text: structs, enums, traits, aliases outside of traits and impls.
fn public_types(code: &str) -> Vec<String> {
    let public = |line: &str| {
        let line = line.strip_prefix("pub")?;
        let line = match line.strip_prefix('(') {
            Some(rest) => rest.split_once(')')?.1,
            None => line,
        };
        let mut words = line.strip_prefix(' ')?.split_whitespace();
        let word = words.find(|word| *word != "unsafe")?;
        let name = words.next().filter(|_| ["struct", "enum", "union", "trait", "type"].contains(&word))?;
        Some(name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
    };
    code.lines().filter_map(|line| public(line.trim_start())).collect()
}

#[test]
fn no_two_public_types_share_a_name() {
    let mut homes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources() {
        for name in public_types(&source.code) {
            homes.entry(name).or_default().push(source.path.clone());
        }
    }
    assert!(homes.len() > 400, "public types are found: {}", homes.len());
    homes.retain(|_, files| files.len() > 1);
    assert!(homes.is_empty(), "one name, several types: {homes:?}");
}

#[test]
fn public_types_are_found_in_every_form() {
    let code = "pub struct A<T>(T);\n    pub(crate) enum B {\npub(in crate::x) unsafe trait C: D {\npub type E = F;\n\
                pub(super) struct G;\nstruct H;\npub fn struct_i() {}\npub use j::struct;\npub const K: L = M;";
    assert_eq!(public_types(code), ["A", "B", "C", "E", "G"]);
}

#[test]
fn uses_are_found_in_every_form() {
    assert!(names("use csv::Reader;", "csv") && names("let r = csv::Reader::new();", "csv"));
    assert!(names("use redb;", "redb") && !names("crate::image::x", "image") && !names("mycsv::x", "csv"));
    let code = "use crate::{hash::Hash, store};\npub(crate) fn f(x: crate::index::View) {}\nmycrate::no";
    let rooms: Vec<String> = used(code, "crate").into_iter().collect();
    assert_eq!(rooms, ["hash", "index", "store"]);
}

/// The code of all tests, by path from the root: the files below `tests`, and the unit tests.
fn tests() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["tests", "src"].into_iter().flat_map(|folder| walkdir::WalkDir::new(root.join(folder)));
    let files = files.map(|entry| entry.unwrap().into_path());
    let mut tests = Vec::new();
    for file in files.filter(|path| path.extension().is_some_and(|e| e == "rs")) {
        let path = file.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&file).unwrap();
        let whole = path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs");
        let begin = if whole { Some(0) } else { text.find("#[cfg(test)]\nmod tests {") };
        let code = |begin| text[begin..].lines().filter(|line| !line.trim_start().starts_with("//"));
        tests.extend(begin.map(|begin| (path, code(begin).collect::<Vec<_>>().join("\n"))));
    }
    tests
}

/// Lines on which a function returns early without a value or with `None`, unless they or the two lines above ask for
/// something that may be absent.
fn early_ends(code: &str) -> Vec<&str> {
    let lines: Vec<&str> = code.lines().collect();
    let ends = |line: &str| {
        ["return;", "return }", "return eprintln", "return None", "return Ok(())"]
            .iter()
            .any(|end| line.contains(end))
    };
    let asks = |at: usize| {
        lines[at.saturating_sub(2)..=at].iter().any(|line| ASKING.iter().any(|asking| line.contains(asking)))
    };
    (0..lines.len()).filter(|at| ends(lines[*at]) && !asks(*at)).map(|at| lines[at]).collect()
}

#[test]
fn no_test_goes_no_further_without_saying_so_to_the_one_switch() {
    let tests = tests();
    assert!(tests.len() > 100, "the tests are found");
    let own = ["tests/rooms.rs", "tests/rooms/imports.rs", "tests/support/mod.rs"];
    let (mut skips, mut done) = (Vec::new(), Vec::new());
    for (path, code) in tests.iter().filter(|(path, _)| !own.contains(&path.as_str())) {
        let code = code.replace("support::is_root()", "");
        let words = ON_ITS_OWN.iter().filter(|word| code.contains(*word));
        skips.extend(words.map(|word| format!("{path}: {word}")));
        let ends = early_ends(&code);
        let allowed = DONE.iter().find(|(file, _)| file == path).map_or(0, |(_, times)| *times);
        if ends.len() != allowed {
            skips.push(format!("{path}: {ends:?}"));
        }
        done.extend((allowed > 0).then_some(path));
    }
    assert!(skips.is_empty(), "what a test lacks goes through tests/support: {skips:#?}");
    assert_eq!(done.len(), DONE.len(), "{done:?}");
}

#[test]
fn what_is_absent_fails_a_test_where_strict_unless_it_is_excused() {
    for (thing, reason) in support::EXCUSED {
        assert!(!support::must_be_there(thing, true) && !reason.is_empty(), "{thing}");
    }
    for thing in ["root", "jq", "slurmd", "chromedriver", "peers/bin/python", "a small disk"] {
        assert!(support::must_be_there(thing, true) && !support::must_be_there(thing, false), "{thing}");
    }
    assert_eq!(early_ends("let Some(x) = found() else { return };\nlet y = 1;").len(), 1);
    assert_eq!(early_ends("if !support::programs(&[\"jq\"]) {\n    return;\n}").len(), 0);
}
