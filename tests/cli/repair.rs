//! All damage of objects is found, wrong bytes are never used, and good bytes can be restored.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::damage::{flip, verify, victims};
use crate::harness::{Study, TINY, files, id_of, overwrite};

/// Kinds of damage.
const HARM: [&str; 10] = [
    "flipped",
    "cut short",
    "longer",
    "emptied",
    "deleted",
    "writable",
    "a link",
    "a folder",
    "a pipe",
    "a link to what never ends",
];

fn harm(path: &Path, how: &str, elsewhere: &Path) {
    let bytes = fs::read(path).unwrap();
    match how {
        "flipped" => drop(flip(path)),
        "cut short" => overwrite(path, &bytes[..bytes.len() - 1]),
        "longer" => overwrite(path, &[bytes, vec![0]].concat()),
        "emptied" => overwrite(path, b""),
        "deleted" => fs::remove_file(path).unwrap(),
        "writable" => fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap(),
        "a link" => {
            fs::rename(path, elsewhere).unwrap();
            symlink(elsewhere, path).unwrap();
        }
        "a folder" => {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }
        "a pipe" => {
            fs::remove_file(path).unwrap();
            assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        }
        "a link to what never ends" => {
            fs::remove_file(path).unwrap();
            symlink("/dev/zero", path).unwrap();
        }
        other => panic!("{other}"),
    }
}

pub(crate) fn heal(path: &Path, whole: &[u8]) {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
    fs::write(path, whole).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
}

fn ids(found: &Value) -> Vec<String> {
    let mut ids: Vec<String> = found["damaged"]
        .as_array()
        .unwrap()
        .iter()
        .map(|damage| damage["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

/// Answers of a registry that come from the objects.
fn answers(study: &Study) -> Vec<Vec<u8>> {
    let commands = [
        "list",
        "log",
        "show table",
        "trace table",
        "dataset stats tiny",
        "split check s",
        "compare tiny-s-f0 tiny-s-f1 mlp-s-f0 mlp-s-f1",
        "eval tiny-s-f0",
    ];
    commands.map(|command| study.reg(&format!("--json {command}"))).map(|answer| answer.stdout).into()
}

#[test]
fn every_harm_to_every_kind_of_object_is_named_and_taints_the_table() {
    let study = Study::trained();
    let table = study.id("table");
    for (n, (id, kind, name)) in victims(&study).into_iter().enumerate() {
        let path = study.object(&id);
        let whole = fs::read(&path).unwrap();
        // Two kinds of damage for each object: over all objects, every kind occurs with every kind of object.
        for how in [HARM[n % HARM.len()], HARM[(n + 5) % HARM.len()]] {
            harm(&path, how, &study.path("elsewhere"));
            let (code, found) = verify(&study, "");
            assert_eq!((code, ids(&found)), (3, vec![id.clone()]), "{kind} {how}: {found}");
            let damaged = &found["damaged"][0];
            assert_eq!((&damaged["kind"], &damaged["name"]), (&json!(kind), &json!(name)), "{how}");
            let taints = damaged["taints"].as_array().unwrap();
            assert!(taints.iter().any(|taint| taint["id"] == json!(table)), "{kind} {how}: {found}");
            let (code, of_table) = verify(&study, "table");
            assert_eq!((code, ids(&of_table)), (3, vec![id.clone()]), "{kind} {how}: {of_table}");
            let problem = damaged["problem"].as_str().unwrap();
            match how {
                "deleted" => assert_eq!(problem, "is missing"),
                "writable" => assert!(problem.starts_with("has mode 644"), "{problem}"),
                "a link" | "a link to what never ends" => {
                    assert!(problem.starts_with("is a symbolic link"), "{problem}")
                }
                "a folder" | "a pipe" => assert!(problem.starts_with("cannot be read"), "{problem}"),
                _ => assert!(problem.starts_with("is damaged: its bytes hash to"), "{problem}"),
            }
            heal(&path, &whole);
        }
    }
    study.is_sound();
}

#[test]
fn two_objects_that_changed_places_are_both_named() {
    let study = Study::trained();
    let victims = victims(&study);
    for pair in victims.windows(2) {
        let paths = [study.object(&pair[0].0), study.object(&pair[1].0)];
        let [one, other] = paths.clone().map(|path| fs::read(path).unwrap());
        overwrite(&paths[0], &other);
        overwrite(&paths[1], &one);
        let (code, found) = verify(&study, "");
        let mut both = vec![pair[0].0.clone(), pair[1].0.clone()];
        both.sort();
        assert_eq!((code, ids(&found)), (3, both), "{found}");
        overwrite(&paths[0], &one);
        overwrite(&paths[1], &other);
    }
    study.is_sound();
}

/// A text without its parts in brackets.
fn without_sizes(text: &str) -> String {
    let parts = text.split('(').map(|part| part.split_once(')').map_or(part, |(_, rest)| rest));
    parts.collect()
}

#[test]
fn nobody_is_handed_wrong_bytes() {
    let study = Study::trained();
    let victims = victims(&study);
    let commands = |id: &str| {
        vec![
            format!("show {id}"),
            format!("cat {id}"),
            "show table".to_owned(),
            "trace table".to_owned(),
            "dataset stats tiny".to_owned(),
            "split show s".to_owned(),
            "compare tiny-s-f0 tiny-s-f1 mlp-s-f0 mlp-s-f1".to_owned(),
        ]
    };
    let ask = |id: &str| -> Vec<_> {
        commands(id).into_iter().map(|command| (study.reg(&command), command)).collect()
    };
    for (n, (id, kind, _)) in victims.iter().enumerate() {
        let before = ask(id);
        assert!(before.iter().all(|(answer, _)| answer.code == 0), "{kind}: {before:?}");
        let path = study.object(id);
        let whole = fs::read(&path).unwrap();
        let other = fs::read(study.object(&victims[(n + 1) % victims.len()].0)).unwrap();
        for how in ["flipped", "cut short", "another's bytes"] {
            match how {
                "another's bytes" => overwrite(&path, &other),
                how => harm(&path, how, Path::new("")),
            }
            for ((now, command), (before, _)) in ask(id).into_iter().zip(&before) {
                let what = format!("{kind} {how}: reg {command}: {now:?}");
                let says_so = || String::from_utf8_lossy(&now.stdout).contains("damaged: its links");
                if command.starts_with("trace") && now.code == 0 {
                    // A trace continues past damaged objects, and does not hash objects without references.
                    let plain = |bytes: &[u8]| without_sizes(&String::from_utf8_lossy(bytes));
                    assert!(says_so() || plain(&now.stdout) == plain(&before.stdout), "{what}");
                } else if command.starts_with("show") && now.code == 0 {
                    // The page of a record says of each one around it whether it can be read.
                    let text = String::from_utf8_lossy(&now.stdout);
                    assert!(text.contains("cannot be read") || now.stdout == before.stdout, "{what}");
                } else if now.code == 0 {
                    assert_eq!(now.stdout, before.stdout, "{what}");
                } else {
                    now.says(1, &["is damaged", "hint:"]);
                    assert_eq!(now.stdout, b"", "{what}");
                }
                // Commands that print the object itself always notice the damage.
                assert!(now.code == 1 || !command.starts_with("cat "), "{what}");
            }
            heal(&path, &whole);
        }
    }
    let checkpoint = victims.iter().find(|(_, kind, _)| *kind == "checkpoint").unwrap().0.clone();
    flip(&study.object(&checkpoint));
    for command in [TINY, "eval tiny-s-f0 --subset train", "predict tiny-s-f0 images/00000001_000.png"] {
        study.refused(1, command, &["is damaged", "hint: `reg verify`"]);
    }
}

/// Damages every victim and a log entry, each in a different way.
fn harm_all(study: &Study) -> Vec<String> {
    let mut harmed: Vec<String> = victims(study).into_iter().map(|(id, ..)| id).collect();
    harmed.push(study.json("log")["events"][2]["id"].as_str().unwrap().to_owned());
    harmed.push(study.id("table"));
    for (n, id) in harmed.iter().enumerate() {
        harm(&study.object(id), HARM[n % HARM.len()], &study.path(&format!("elsewhere-{n}")));
    }
    harmed.sort();
    harmed
}

#[test]
fn everything_is_mended_from_another_registry_and_gives_the_same_results() {
    let (study, good) = (Study::trained(), Study::trained());
    let before = answers(&study);
    for from in ["", ".reg"] {
        let harmed = harm_all(&study);
        let (code, found) = verify(&study, "");
        assert_eq!((code, ids(&found)), (3, harmed.clone()), "{found}");
        let from = good.path(from);
        let (code, mended) = verify(&study, &format!("--repair-from {}", from.display()));
        assert_eq!((code, &mended["damaged"]), (0, &json!([])), "{mended}");
        let mut repaired: Vec<&str> =
            mended["repaired"].as_array().unwrap().iter().map(|pair| pair[0].as_str().unwrap()).collect();
        repaired.sort_unstable();
        assert_eq!(repaired, harmed);
        study.is_sound();
        assert_eq!(answers(&study), before);
        study.nothing_staged();
    }
    good.is_sound();
    // Also for a single result; and a sound registry stays unchanged.
    let (id, ..) = victims(&study).swap_remove(7);
    harm(&study.object(&id), "emptied", Path::new(""));
    for repaired in [1, 0] {
        let answer = study.reg(&format!("--json verify table --repair-from {}", good.path("").display()));
        assert_eq!(answer.code, 0, "{answer:?}");
        assert_eq!(answer.json()["repaired"].as_array().unwrap().len(), repaired);
    }
    let text = {
        harm(&study.object(&id), "emptied", Path::new(""));
        study.ok(&format!("verify --repair-from {}", good.path("").display()))
    };
    assert!(text.contains(&format!("repaired {id} from ")) && text.contains("sound: "), "{text}");
}

#[test]
fn images_are_mended_from_their_folder_whatever_they_are_called_there() {
    let (study, good) = (Study::trained(), Study::trained());
    let before = answers(&study);
    let run = study.id("tiny-s-f0");
    let mut images: Vec<String> = files(&study.path("images")).iter().map(|path| id_of(path)).collect();
    fs::create_dir_all(study.path("moved/deep")).unwrap();
    for (n, path) in files(&study.path("images")).into_iter().enumerate() {
        fs::rename(path, study.path(&format!("moved/deep/{n}.bin"))).unwrap();
    }
    images.sort();
    images.dedup();
    for (n, id) in images.iter().enumerate() {
        harm(&study.object(id), HARM[n % HARM.len()], &study.path(&format!("elsewhere-{n}")));
    }
    harm(&study.object(&run), "a pipe", Path::new(""));
    let (code, mended) = verify(&study, "--repair-from moved");
    assert_eq!((code, ids(&mended)), (3, vec![run.clone()]), "the rest is named: {mended}");
    assert_eq!(mended["repaired"].as_array().unwrap().len(), images.len());
    // Several sources together.
    flip(&study.object(&images[0]));
    let both = format!("--repair-from moved --repair-from {}", good.path("").display());
    let (code, mended) = verify(&study, &both);
    assert_eq!((code, ids(&mended)), (0, vec![]), "{mended}");
    assert_eq!(mended["repaired"].as_array().unwrap().len(), 2);
    study.is_sound();
    assert_eq!(answers(&study), before);
}

#[test]
fn nothing_wrong_is_taken_whatever_it_is_called() {
    let (study, bad) = (Study::trained(), Study::trained());
    let image = id_of(&study.path("images/00000004_000.png"));
    let table = study.id("table");
    for id in [&image, &table] {
        flip(&study.object(id));
        flip(&bad.object(id));
    }
    fs::create_dir(study.path("wrong")).unwrap();
    for name in ["00000004_000.png", &image, &table, "table"] {
        fs::copy(study.path("images/00000001_000.png"), study.path("wrong").join(name)).unwrap();
    }
    let before = files(&study.path(".reg/objects")).iter().map(|path| id_of(path)).collect::<Vec<_>>();
    let mut both = vec![image, table];
    both.sort();
    for from in ["wrong".to_owned(), bad.path("").display().to_string(), "data.csv".to_owned()] {
        let (code, found) = verify(&study, &format!("--repair-from {from}"));
        assert_eq!((code, ids(&found), &found["repaired"]), (3, both.clone(), &json!([])), "{from}");
    }
    let after = files(&study.path(".reg/objects")).iter().map(|path| id_of(path)).collect::<Vec<_>>();
    assert_eq!(after, before);
    study.nothing_staged();
}

#[test]
fn a_remote_repairs_what_it_holds() {
    let study = Study::trained();
    study.ok("push rem");
    let ids_of_images: Vec<String> = files(&study.path("images")).iter().map(|path| id_of(path)).collect();
    let table = study.id("table");
    let kinds = HARM.iter().zip(&ids_of_images).chain([(&HARM[0], &table)]);
    let mut harmed: Vec<String> = Vec::new();
    for (n, (how, id)) in kinds.map(|(how, id)| (how, id.clone())).enumerate() {
        if !harmed.contains(&id) {
            harm(&study.object(&id), how, &study.path(&format!("elsewhere-{n}")));
            harmed.push(id);
        }
    }
    // `reg pull` asks only whether a file is there.
    study.ok("pull rem");
    let (code, mended) = verify(&study, "--repair-from rem");
    assert_eq!((code, ids(&mended)), (0, vec![]), "{mended}");
    // The pull brought the deleted one.
    assert_eq!(mended["repaired"].as_array().unwrap().len(), harmed.len() - 1);
    study.is_sound();

    // What the remote does not hold, or holds damaged, is not taken, and said to be missing there.
    flip(&study.object(&harmed[0]));
    for pack in files(&study.path("rem/packs")) {
        let bytes: Vec<u8> = fs::read(&pack).unwrap().iter().map(|byte| byte ^ 1).collect();
        overwrite(&pack, &bytes);
    }
    study.reg("verify --repair-from rem").says(3, &["note: none of the damaged objects is in rem"]);
    let nothing = study.reg("verify --repair-from images --repair-from rem");
    nothing.says(0, &["no object is damaged, so nothing was copied from rem"]);
}

#[test]
fn a_place_that_is_not_there_is_an_error() {
    let study = Study::divided();
    study.refused(1, "verify --repair-from nowhere", &["nowhere"]);
    flip(&study.object(&study.id("s")));
    study.refused(1, "verify --repair-from nowhere", &["nowhere"]);
    // Also after a source that repairs everything.
    let answer = study.reg("verify --repair-from images --repair-from nowhere");
    answer.says(1, &["nowhere"]);
}
