//! Registries exchange missing objects, through a folder or directly; both sides stay sound, whatever fails.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;

use reg::hash::Hash;
use serde_json::{Value, json};

use crate::damage::flip;
use crate::harness::{Study, files, overwrite};
use crate::support;

/// An empty registry.
pub(crate) fn fresh() -> Study {
    let study = Study::bare();
    study.ok("init");
    study
}

/// Answers of a registry that come from objects and names, without orders of registration.
pub(crate) fn answers(study: &Study) -> Vec<Value> {
    let commands = [
        "show table",
        "show mlp-s-f0",
        "trace table",
        "trace --down tiny",
        "dataset stats tiny",
        "split check s",
        "compare tiny-s-f0 tiny-s-f1 mlp-s-f0 mlp-s-f1",
        "eval tiny-s-f0",
        "train --dataset tiny --split s --model mlp --set epochs=4 --threads 1 --fold 0",
    ];
    commands.map(|command| sorted(without_command(study.json(command)))).into()
}

/// Without what only one registry knows: the command that made a record, from its log.
fn without_command(mut document: Value) -> Value {
    if let Some(document) = document.as_object_mut() {
        document.remove("command");
    }
    document
}

/// Sorts lists whose order is that of the records' registration.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, item)| (key, sorted(item))).collect()),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(sorted).collect();
            items.sort_by_key(Value::to_string);
            items.into()
        }
        other => other,
    }
}

/// Names and their targets.
pub(crate) fn names(study: &Study) -> Vec<(String, Hash)> {
    study.registry().view().unwrap().names().unwrap()
}

/// The names in the newest list of a pack store.
fn listed(pack_store: &Path) -> Value {
    let newest = files(&pack_store.join("names")).pop().unwrap();
    serde_json::from_str(fs::read_to_string(newest).unwrap().lines().next().unwrap()).unwrap()
}

/// Asserts that a registry is sound according to every check.
pub(crate) fn is_sound_throughout(study: &Study) {
    let verified = study.json("verify");
    for key in ["damaged", "names", "index", "unregistered", "strangers"] {
        assert_eq!(verified[key], json!([]), "{key}: {verified}");
    }
    study.nothing_staged();
}

#[test]
fn what_was_pushed_to_a_folder_is_the_same_in_the_registry_that_pulls_it() {
    let study = Study::trained();
    let pushed = study.json("push depot");
    let objects = study.json("verify")["checked"].as_u64().unwrap();
    let log = study.json("log")["events"].as_array().unwrap().len() as u64;
    assert_eq!(pushed["objects"].as_u64().unwrap(), objects - log, "all but the log");
    assert_eq!((&pushed["skipped"], &pushed["remote"]), (&json!(0), &json!("depot")));
    assert_eq!(pushed["names"], json!({ "added": 7, "unchanged": 0, "moved": 0, "conflicts": [] }));
    assert_eq!(files(&study.path("depot/tmp")), Vec::<std::path::PathBuf>::new());

    let other = fresh();
    let pack_store = study.path("depot").display().to_string();
    let pulled = other.json(&format!("pull file://{pack_store}"));
    for key in ["objects", "bytes", "kinds", "names"] {
        assert_eq!(pulled[key], pushed[key], "{key}");
    }
    is_sound_throughout(&other);
    assert_eq!(names(&other), names(&study));
    assert_eq!(answers(&other), answers(&study));
    assert_eq!(other.json("reproduce mlp-s-f0")["identical"], json!(true));
    let events = other.json("log")["events"].clone();
    assert_eq!(events.as_array().unwrap().len(), 1, "{events}");
    assert!(events[0]["command"].as_str().unwrap().starts_with("reg --json pull"));
    let before = names(&other);
    assert_eq!(other.json("reindex")["breaks"], json!([]));
    assert_eq!(names(&other), before);
    is_sound_throughout(&other);

    // Nothing is new on either side.
    for (side, command) in [(&study, "push depot".to_owned()), (&other, format!("pull {pack_store}"))] {
        let files_before = files(&study.path("depot"));
        let again = side.json(&command);
        assert_eq!((&again["objects"], &again["packs"]), (&json!(0), &json!(0)), "{command}");
        assert_eq!(again["names"], json!({ "added": 0, "unchanged": 7, "moved": 0, "conflicts": [] }));
        assert_eq!(files(&study.path("depot")), files_before);
    }
    assert_eq!(other.json("log")["events"], events);
}

#[test]
fn two_registries_exchange_without_a_pack_store_between_them() {
    let study = Study::trained();
    let (pulls, takes) = (fresh(), fresh());
    let from = study.path("").display().to_string();
    let pulled = pulls.json(&format!("pull {from}"));
    let pushed = study.json(&format!("push {}", takes.path(".reg").display()));
    assert_eq!((&pulled["objects"], &pulled["names"]), (&pushed["objects"], &pushed["names"]));
    for other in [&pulls, &takes] {
        is_sound_throughout(other);
        assert_eq!(names(other), names(&study));
        assert_eq!(answers(other), answers(&study));
        assert_eq!(other.json("reindex")["breaks"], json!([]));
        is_sound_throughout(other);
    }
    assert_eq!(study.json(&format!("push {}", takes.path("").display()))["objects"], json!(0));
    study.refused(1, "push .", &["is this registry itself"]);
}

#[test]
fn ids_travel_with_what_they_depend_on_and_with_what_hangs_on_runs() {
    let study = Study::trained();
    study.ok("push depot");
    let pack_store = study.path("depot").display().to_string();
    let registry = study.path("").display().to_string();
    for from in [&pack_store, &registry] {
        let other = fresh();
        other.ok(&format!("pull {from} mlp-s-f0"));
        let named: Vec<String> = names(&other).into_iter().map(|(name, _)| name).collect();
        assert_eq!(named, ["mlp-s-f0", "s", "tiny"]);
        let kinds = |kind: &str| other.json(&format!("list {kind}"))["records"].as_array().unwrap().len();
        let found = ["run", "predictions", "table", "execution"].map(kinds);
        assert_eq!(found, [1, 2, 2, 3], "what hangs on other runs, and on this and others together, stays");
        // But for the comparison, which was made of it and of others.
        let shown = |of: &Study| {
            let mut page = of.json("show mlp-s-f0");
            let made = page["made"].as_array_mut().unwrap();
            made.retain(|one| one["name"] != "table");
            page
        };
        assert_eq!(shown(&other), shown(&study));
        is_sound_throughout(&other);
        assert_eq!(other.json("reproduce mlp-s-f0")["identical"], json!(true));
        // A table is pulled with the runs that it compares; a prefix of an id is as good as a name.
        let table = study.id("table");
        other.ok(&format!("pull {from} {}", &table[..12]));
        assert_eq!(names(&other).len(), 7);
        assert_eq!(answers(&other), answers(&study));
        is_sound_throughout(&other);
    }
    let other = fresh();
    other.refused(1, &format!("pull {pack_store} nobody"), &["no record in", "is named `nobody`"]);
    other.refused(1, &format!("pull {registry} nobody"), &["no record is named `nobody`"]);
    other.is_empty();
    // The other way, into the same pack store as all the rest.
    study.ok("push one tiny");
    assert_eq!(listed(&study.path("one"))["names"], json!({ "tiny": study.id("tiny") }));
}

#[test]
fn a_dry_run_says_what_would_travel_and_changes_nothing() {
    let study = Study::trained();
    let dry = study.json("push depot --dry-run");
    assert!(!study.path("depot").exists());
    let pushed = study.json("push depot");
    let other = fresh();
    let pack_store = study.path("depot").display().to_string();
    let dry_pull = other.json(&format!("pull {pack_store} --dry-run"));
    other.is_empty();
    for key in ["objects", "bytes", "kinds", "names", "skipped"] {
        assert_eq!((&dry[key], &dry_pull[key]), (&pushed[key], &pushed[key]), "{key}");
    }
    assert_eq!((&dry["dry_run"], &pushed["dry_run"]), (&json!(true), &json!(false)));
    assert!(study.ok("push elsewhere --dry-run").contains("run: 4 objects"));
}

#[test]
fn a_name_that_names_something_else_is_a_conflict_and_stays_until_it_is_moved() {
    let study = Study::divided();
    study.ok("push depot");
    let pack_store = study.path("depot").display().to_string();
    let other = fresh();
    other.ok(&format!("pull {pack_store}"));
    // Both sides move the name.
    study.ok("split make tiny --folds 1 --seed 8 --name s --move");
    other.ok("split make tiny --folds 1 --seed 9 --name s --move");
    other.ok("tag new tiny");
    let (ours, theirs) = (study.id("s"), other.id("s"));
    study.ok("push depot --move-names");
    assert_eq!(listed(&study.path("depot"))["names"]["s"], json!(ours));
    assert_eq!(files(&study.path("depot/names")).len(), 2, "what it was can be read");

    let conflict = json!([{ "name": "s", "local": theirs, "remote": ours }]);
    for command in ["pull", "push"] {
        for to in [&pack_store, &study.path("").display().to_string()] {
            let text = other.reg(&format!("{command} {to} --dry-run"));
            assert_eq!(text.code, 3, "{text:?}");
            let answer = other.reg(&format!("--json {command} {to}"));
            assert_eq!(answer.code, 3, "{answer:?}");
            assert!(answer.stderr.contains("--move-names"), "{answer:?}");
            assert_eq!(answer.json()["names"]["conflicts"], conflict, "{command} {to}");
        }
    }
    // The objects and the other names were copied, this name was not.
    assert_eq!((study.id("s"), other.id("s")), (ours.clone(), theirs.clone()));
    assert_eq!(study.id("new"), other.id("new"));
    for side in [&study, &other] {
        assert!(side.object(&ours).exists() && side.object(&theirs).exists());
        is_sound_throughout(side);
    }
    let moved = other.json(&format!("pull {pack_store} --move-names"));
    assert_eq!((&moved["names"]["moved"], &moved["names"]["conflicts"]), (&json!(1), &json!([])));
    assert_eq!(other.id("s"), ours);
    let change = other.json("log s")["events"][0]["names"][0].clone();
    assert_eq!(change, json!({ "name": "s", "from": theirs, "to": ours }));
    is_sound_throughout(&other);
    assert_eq!(other.json("reindex")["breaks"], json!([]));
    assert_eq!(other.id("s"), ours);
}

#[test]
fn a_flipped_byte_anywhere_in_a_pack_store_is_refused_and_nothing_of_it_enters() {
    let study = Study::trained();
    study.ok("push depot");
    let pack_store = study.path("depot").display().to_string();
    for file in files(&study.path("depot")) {
        let key = file.strip_prefix(&pack_store).unwrap().display().to_string();
        for harm in ["flipped", "cut", "gone"] {
            // Without lists of names, a pack store has no names yet. Heads only tell how old a registry is.
            if harm == "gone" && key.starts_with("names") || key.starts_with("heads") {
                continue;
            }
            let whole = fs::read(&file).unwrap();
            match harm {
                "flipped" => drop(flip(&file)),
                "cut" => overwrite(&file, &whole[..whole.len() - 1]),
                _ => fs::remove_file(&file).unwrap(),
            }
            let other = fresh();
            let answer = other.reg(&format!("--json pull {pack_store}"));
            assert_eq!((answer.code, answer.stdout.is_empty()), (1, false), "{key} {harm}: {answer:?}");
            let error = answer.json()["error"].as_str().unwrap().to_owned();
            // If a file is missing, the missing object is named.
            let gone = harm == "gone" || harm == "cut" && key.starts_with("packs");
            assert!(gone || key == "format" || error.contains(&key), "{key} {harm}: {error}");
            if harm == "flipped" && key.starts_with("packs") {
                assert!(error.starts_with("object ") && error.contains("is damaged in"), "{error}");
            }
            assert_eq!(other.json("list")["records"], json!([]), "{key} {harm}");
            assert_eq!(names(&other), []);
            is_sound_throughout(&other);
            for object in files(&other.path(".reg/objects")) {
                let id = object.strip_prefix(other.path(".reg/objects")).unwrap().display().to_string();
                assert_eq!(
                    Hash::of(&fs::read(&object).unwrap()).to_string(),
                    id.replace('/', ""),
                    "{key} {harm}"
                );
            }
            let _ = fs::remove_file(&file);
            fs::write(&file, &whole).unwrap();
            if harm == "flipped" {
                other.ok(&format!("pull {pack_store}"));
                is_sound_throughout(&other);
            }
        }
    }
    // A push restores missing files.
    let pack = files(&study.path("depot/packs")).remove(0);
    fs::remove_file(&pack).unwrap();
    assert!(study.json("push depot")["objects"].as_u64().unwrap() > 0);
    let other = fresh();
    other.ok(&format!("pull {pack_store}"));
    assert_eq!(answers(&other), answers(&study));
}

#[test]
fn a_source_that_lies_about_an_object_is_refused() {
    let study = Study::divided();
    study.ok("push depot");
    let pack_store = study.path("depot");
    // An index that calls a record a blob, and one that offers an entry of the log.
    let index = files(&pack_store.join("index")).remove(0);
    let whole = fs::read_to_string(&index).unwrap();
    for (from, to, word) in [
        (r#""kind":"dataset""#, r#""kind":"blob""#, "its pack lists it as"),
        (r#""kind":"dataset""#, r#""kind":"event""#, "a log entry does not belong in a remote"),
        (r#""kind":"dataset""#, r#""kind":"galaxy""#, "unknown to this version of reg"),
        (r#""kind":"pack""#, r#""kind":"pack" "#, "is not in canonical form"),
    ] {
        let lie = whole.replacen(from, to, 1);
        assert_ne!(lie, whole);
        fs::remove_file(&index).unwrap();
        let other_index = index.with_file_name(Hash::of(lie.as_bytes()).to_string());
        fs::write(&other_index, &lie).unwrap();
        let other = fresh();
        let answer = other.reg(&format!("pull {}", pack_store.display()));
        assert_eq!(answer.code, 1, "{to}");
        assert!(answer.stderr.contains(word), "{to}: {}", answer.stderr);
        assert_eq!(names(&other), []);
        is_sound_throughout(&other);
        fs::remove_file(&other_index).unwrap();
        fs::write(&index, &whole).unwrap();
    }
    fresh().ok(&format!("pull {}", pack_store.display()));
}

#[test]
fn pushes_at_once_lose_no_name_and_no_object() {
    for round in 0..3 {
        let middle = Study::bare();
        let pack_store = middle.path("depot").display().to_string();
        let studies: Vec<Study> = (0..4)
            .map(|n| {
                let study = Study::divided();
                study.ok(&format!("split make tiny --folds 1 --seed {} --name s{n}", 10 * round + n));
                study.ok(&format!("tag t{n} tiny"));
                study
            })
            .collect();
        thread::scope(|scope| {
            for study in &studies {
                scope.spawn(|| study.ok(&format!("push {pack_store}")));
            }
        });
        let all: BTreeSet<(String, Hash)> = studies.iter().flat_map(names).collect();
        let other = fresh();
        other.ok(&format!("pull {pack_store}"));
        assert_eq!(names(&other), all.into_iter().collect::<Vec<_>>());
        is_sound_throughout(&other);
        // Each list continues the one before.
        let mut before = json!(null);
        for (seq, file) in (1..).zip(files(&middle.path("depot/names"))) {
            let text = fs::read_to_string(file).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            let list: Value = serde_json::from_str(lines[0]).unwrap();
            assert_eq!((&list["prev"], &list["seq"]), (&before, &json!(seq)));
            before = serde_json::from_str(lines[1]).unwrap();
        }
    }
}

#[test]
fn large_objects_lie_alone_and_are_read_piece_by_piece() {
    let study = fresh();
    let header = r#"{"w":{"dtype":"U8","shape":[20000000],"data_offsets":[0,20000000]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend((0..20_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8));
    fs::write(study.path("w.safetensors"), &bytes).unwrap();
    study.ok("weights import w.safetensors --name w");
    let pushed = study.json("push depot");
    assert_eq!((&pushed["objects"], &pushed["packs"]), (&json!(2), &json!(1)));
    let alone = files(&study.path("depot/objects"));
    assert_eq!(alone.len(), 1);
    assert_eq!(fs::read(&alone[0]).unwrap(), bytes);
    let pack_store = study.path("depot").display().to_string();
    for from in [pack_store.clone(), study.path("").display().to_string()] {
        let other = fresh();
        other.ok(&format!("pull {from}"));
        is_sound_throughout(&other);
        assert_eq!(other.id("w"), study.id("w"));
    }
    flip(&alone[0]);
    let other = fresh();
    other.refused(1, &format!("pull {pack_store}"), &["is damaged in", "objects/"]);
    other.is_empty();
    // Damaged objects of the source are not copied.
    let object = study.object(&Hash::of(&bytes).to_string());
    overwrite(&object, &[&bytes[..10_000_000], b"x", &bytes[10_000_001..]].concat());
    study.refused(1, "push second", &["is damaged"]);
    assert_eq!(files(&study.path("second")), [study.path("second/format")]);
}

#[test]
fn the_python_program_takes_a_remote_apart() {
    let document =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/on-disk.md")).unwrap();
    let programs = document.split("```python\n").filter_map(|block| block.split("```").next());
    let program = programs.into_iter().find(|block| block.starts_with("# remote.py:")).unwrap();
    assert!(program.lines().count() <= 20);
    if !support::programs(&["python3"]) {
        return;
    }
    let study = Study::trained();
    study.ok("push depot");
    let mut python = std::process::Command::new("python3");
    python.args(["-c", program, "depot", "apart"]).current_dir(study.path(""));
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed: String = names(&study).into_iter().map(|(name, id)| format!("{id} {name}\n")).collect();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), listed);
    let log = study.json("log")["events"].as_array().unwrap().len();
    let objects = files(&study.path("apart"));
    assert_eq!(objects.len(), files(&study.path(".reg/objects")).len() - log);
    for object in objects {
        let id = object.strip_prefix(study.path("apart")).unwrap().display().to_string().replace('/', "");
        assert_eq!(Hash::of(&fs::read(&object).unwrap()).to_string(), id);
    }
}

#[test]
fn mistakes_are_named() {
    let study = Study::new();
    study.refused(1, "pull nowhere", &["there is nothing at nowhere", "reg push"]);
    study.refused(1, "push images", &["images is neither a registry nor a remote"]);
    study.refused(1, "pull images", &["neither a registry nor a remote"]);
    study.refused(1, "push me@host:folder", &["mount a folder", "sshfs"]);
    study.refused(1, "push ftp://host/folder", &["only file:// and s3:// are supported"]);
    study.refused(1, "push s3://key:secret@bucket/prefix", &["has no bucket"]);
    study.refused(1, "push depot nobody", &["no record is named `nobody`"]);
    study.refused(1, "push data.csv", &["data.csv"]);
    fs::create_dir(study.path("newer")).unwrap();
    fs::write(study.path("newer/format"), "reg-remote 6\n").unwrap();
    study.refused(1, "pull newer", &["has format 6", "install a newer reg"]);
    study.refused(2, "push", &["REMOTE"]);
}
