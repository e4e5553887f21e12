//! A link, a pipe or a device in the place of a file or folder of a registry, a remote or an output. No file outside is
//! read, written or removed, no command waits, and the error names the path and gives a hint.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use crate::harness::{Study, id_of};
use crate::support;

/// Commands that write, and some that only read.
const COMMANDS: &[&str] =
    &["tag again tiny", "split make tiny --folds 2 --seed 9", "gc", "verify", "reindex", "list"];

/// A folder outside of the registry with old files and folders whose names look like reg's temporary names.
struct Home {
    dir: tempfile::TempDir,
    before: Vec<(PathBuf, Vec<u8>, u32, i64)>,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let old = SystemTime::now() - Duration::from_secs(9 * 24 * 3600);
        for name in ["scratch-1-1/thesis", "1-2-3", "0123456789abcdef", ".bashrc", "ab/key", "file"] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, b"precious").unwrap();
            fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        }
        let mut home = Home { dir, before: Vec::new() };
        home.before = home.look();
        home
    }

    fn look(&self) -> Vec<(PathBuf, Vec<u8>, u32, i64)> {
        let files =
            walkdir::WalkDir::new(self.dir.path()).sort_by_file_name().into_iter().map(Result::unwrap);
        files
            .map(|entry| {
                let metadata = entry.metadata().unwrap();
                let bytes = if metadata.is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
                (entry.into_path(), bytes, metadata.mode(), metadata.mtime())
            })
            .collect()
    }

    fn is_untouched(&self, what: &str) {
        assert_eq!(self.look(), self.before, "{what}");
    }
}

/// Replaces a file or folder; the original is renamed.
fn put(path: &Path, how: &str, home: &Home) {
    if path.symlink_metadata().is_ok() {
        fs::rename(path, path.with_extension("away")).unwrap();
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    match how {
        "a link to a folder" => symlink(home.dir.path(), path).unwrap(),
        "a link to a file" => symlink(home.dir.path().join("file"), path).unwrap(),
        "a link to nothing" => symlink(home.dir.path().join("new"), path).unwrap(),
        "a link to a device" => symlink("/dev/zero", path).unwrap(),
        "a link to what was there" => symlink(path.with_extension("away"), path).unwrap(),
        "a pipe" => assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
        other => panic!("{other}"),
    }
}

fn restore(path: &Path) {
    fs::remove_file(path).unwrap();
    let away = path.with_extension("away");
    if away.symlink_metadata().is_ok() {
        fs::rename(away, path).unwrap();
    }
}

const LINKS: &[&str] = &[
    "a link to a folder",
    "a link to a file",
    "a link to nothing",
    "a link to a device",
    "a link to what was there",
];

#[test]
fn a_link_in_a_registry_is_named_and_not_followed() {
    let study = Study::divided();
    let home = Home::new();
    for name in ["tmp", "objects", "cache", "live", "slurm", "commits", "reg.redb", "format", "lock", "turn"]
    {
        let path = study.path(".reg").join(name);
        for how in LINKS {
            put(&path, how, &home);
            for command in COMMANDS {
                let words = [
                    &*format!(".reg/{name} is a symbolic link"),
                    "hint: `rm ",
                    "move all of ",
                    ".reg and link that",
                ];
                let answer = study.refused(1, command, &words);
                let error = answer.json()["error"].as_str().unwrap().to_owned();
                assert_eq!(error.matches(&format!(".reg/{name}")).count(), 1, "named once: {error}");
                home.is_untouched(&format!("{name} is {how}: {command}"));
            }
            restore(&path);
        }
    }
    study.is_sound();
    // The registry's folder itself may be a link.
    fs::rename(study.path(".reg"), study.path("elsewhere")).unwrap();
    symlink("elsewhere", study.path(".reg")).unwrap();
    study.ok("tag again tiny");
    study.is_sound();
}

#[test]
fn a_registry_is_not_made_through_links() {
    let home = Home::new();
    for name in ["tmp", "objects", "cache", "live", "commits", "reg.redb"] {
        let study = Study::bare();
        put(&study.path(".reg").join(name), "a link to a folder", &home);
        study.refused(1, "init", &[&format!(".reg/{name} is a symbolic link")]);
        home.is_untouched(name);
    }
}

#[test]
fn a_folder_of_objects_that_is_a_link_is_named_and_nothing_is_put_behind_it() {
    let study = Study::divided();
    let home = Home::new();
    let image = fs::read_dir(study.path("images")).unwrap().next().unwrap().unwrap().path();
    let folder = study.object(&id_of(&image)).parent().unwrap().to_owned();
    let called = format!("objects/{} is a symbolic link", folder.file_name().unwrap().to_str().unwrap());
    for how in LINKS {
        put(&folder, how, &home);
        for command in ["gc", "reindex", "doctor"] {
            let answer = study.reg(command);
            assert!(answer.code != 0, "{how}: {answer:?}");
            let said = answer.stderr + &String::from_utf8(answer.stdout).unwrap();
            assert!(said.contains(&called), "{how}: {said}");
        }
        // Adds all objects, some of them in that folder.
        let answer = study.reg("ingest images --metadata data.csv --boxes boxes.csv --name tiny --paranoid");
        answer.says(1, &[&called]);
        home.is_untouched(how);
        restore(&folder);
    }
    study.is_sound();
}

#[test]
fn pipes_and_devices_in_the_place_of_files_are_named_and_not_waited_for() {
    let study = Study::divided();
    let home = Home::new();
    for name in ["format", "reg.redb", "lock", "turn"] {
        let path = study.path(".reg").join(name);
        put(&path, "a pipe", &home);
        let begun = Instant::now();
        study.refused(1, "tag again tiny", &[&format!("{name} is a pipe, not a file"), "hint: `rm "]);
        assert!(begun.elapsed() < Duration::from_secs(15), "{name}");
        restore(&path);
    }
    // `commits` only serves to notice an old index, and is written anew.
    put(&study.path(".reg/commits"), "a pipe", &home);
    study.ok("tag again tiny");
    fs::remove_file(study.path(".reg/commits.away")).unwrap();
    assert!(study.path(".reg/commits").is_file());
    study.is_sound();
}

#[test]
fn links_in_the_cache_and_beside_files_are_not_followed() {
    let study = Study::divided();
    let home = Home::new();
    // The list of files seen by an ingest, as a link; then its folder.
    let seen = fs::read_dir(study.path(".reg/cache/seen")).unwrap().next().unwrap().unwrap().path();
    put(&seen, "a link to a file", &home);
    study.ok("ingest images --metadata data.csv --boxes boxes.csv --name tiny");
    home.is_untouched("a list of seen files");
    for (folder, command) in
        [("seen", "ingest images --metadata data.csv --boxes boxes.csv --name tiny"), ("withdrawn", "list")]
    {
        let path = study.path(".reg/cache").join(folder);
        put(&path, "a link to a folder", &home);
        let answer = study.reg(command);
        // An unusable cache costs time, or the command gives the reason.
        if answer.code != 0 {
            answer.says(1, &[&format!("cache/{folder} is a symbolic link")]);
        }
        home.is_untouched(folder);
    }
    // Temporary names that were once predictable.
    for name in ["commits.new", "reg.new"] {
        symlink(home.dir.path().join("file"), study.path(".reg").join(name)).unwrap();
    }
    study.ok("tag other tiny");
    fs::remove_file(study.path(".reg/reg.redb")).unwrap();
    study.ok("reindex");
    home.is_untouched("names that were foreseen");
    study.is_sound();
}

#[test]
fn links_in_the_folder_of_a_training_are_not_followed() {
    let study = Study::divided();
    let home = Home::new();
    let train = "train --dataset tiny --split s --model mlp --set epochs=3 --threads 1 --fold 0";
    study.ok(train);
    let spec = study.json("show mlp-s-f0")["record"]["spec"].as_str().unwrap().to_owned();
    // The same training, in a registry that has the spec's folder but not its run.
    let other = || {
        let other = Study::divided();
        let folder = other.path(".reg/live").join(&spec);
        (other, folder)
    };
    let (fresh, folder) = other();
    put(&folder, "a link to a folder", &home);
    fresh.refused(1, train, &["is a symbolic link", "hint: "]);
    home.is_untouched("live/SPEC");
    for name in ["lock", "worker.log"] {
        let (fresh, folder) = other();
        put(&folder.join(name), "a link to a file", &home);
        fresh.refused(1, train, &[&format!("{name} is a symbolic link")]);
        home.is_untouched(name);
    }
    // A file that is replaced as a whole replaces the link, and the target of the link stays.
    let (fresh, folder) = other();
    for name in ["training.json", "standing.json", "state.safetensors", "checkpoint.safetensors", "log.jsonl"]
    {
        put(&folder.join(name), "a link to a file", &home);
    }
    fresh.ok(train);
    home.is_untouched("files of live/SPEC");
    for name in ["pixels", "features"] {
        let (fresh, _) = other();
        put(&fresh.path(".reg/cache").join(name), "a link to a folder", &home);
        fresh.ok("train --dataset tiny --split s --model tiny --set epochs=1 --threads 1 --fold 0");
        home.is_untouched(name);
    }
}

#[test]
fn a_link_in_a_remote_is_named_and_not_followed() {
    let study = Study::divided();
    let home = Home::new();
    let remote = study.path("remote");
    study.ok("push remote");
    let pulled = Study::bare();
    pulled.ok("init");
    let pull = format!("pull {}", remote.display());
    for name in ["tmp", "names", "index", "packs", "objects", "format"] {
        for how in ["a link to a folder", "a link to a file", "a link to what was there"] {
            let path = remote.join(name);
            put(&path, how, &home);
            study.ok(&format!("tag new-{name}-{} tiny", how.len()));
            study.refused(1, "push remote", &[&format!("remote/{name} is a symbolic link"), "hint: "]);
            // A pull stages nothing at the remote.
            if name != "tmp" {
                pulled.refused(1, &pull, &[&format!("remote/{name} is a symbolic link"), "hint: "]);
            }
            home.is_untouched(&format!("{name} is {how}"));
            restore(&path);
        }
    }
    for folder in ["names", "index", "packs"] {
        let file = fs::read_dir(remote.join(folder)).unwrap().next().unwrap().unwrap().path();
        for how in ["a link to a file", "a link to what was there", "a pipe"] {
            put(&file, how, &home);
            let begun = Instant::now();
            let is = if how == "a pipe" { "is a pipe, not a file" } else { "is a symbolic link" };
            pulled.refused(1, &pull, &[&format!("remote/{folder}/"), is, "hint: `rm "]);
            assert!(begun.elapsed() < Duration::from_secs(15), "{folder}");
            restore(&file);
            home.is_untouched(&format!("{folder}/…: {how}"));
        }
    }
    put(&remote.join("format"), "a pipe", &home);
    pulled.refused(1, &pull, &["format is a pipe, not a file"]);
    restore(&remote.join("format"));
    study.ok("push remote");
    pulled.ok(&pull);
    pulled.is_sound();
}

#[test]
fn outputs_are_not_written_through_links_that_wait_for_them() {
    let study = Study::trained();
    let home = Home::new();
    let target = home.dir.path().join("file");
    // The output itself, and a temporary name of it.
    for (output, command) in
        [("out.zip", "audit table --output out.zip"), ("out.html", "report table --output out.html")]
    {
        let waiting = study.path(&format!(".{output}.0123456789abcdef.part"));
        for link in [&study.path(output), &waiting] {
            symlink(&target, link).unwrap();
        }
        study.ok(command);
        home.is_untouched(command);
        assert!(!study.path(output).is_symlink() && waiting.is_symlink(), "{command}");
    }
    // The next command removes files that a killed one has left.
    let left = study.path(".out.html.fedcba9876543210.part");
    fs::write(&left, b"half").unwrap();
    study.ok("report table --output out.html");
    assert!(!left.exists());
}

#[test]
fn a_hard_link_takes_rights_and_gives_none() {
    for (mode, linked) in [(0o600, 0o400), (0o640, 0o440), (0o664, 0o444), (0o400, 0o400), (0o755, 0o444)] {
        let study = Study::new();
        for entry in fs::read_dir(study.path("images")).unwrap() {
            fs::set_permissions(entry.unwrap().path(), fs::Permissions::from_mode(mode)).unwrap();
        }
        study.ok("ingest images --metadata data.csv --boxes boxes.csv --name tiny --link hardlink");
        for entry in fs::read_dir(study.path("images")).unwrap() {
            let metadata = entry.unwrap().metadata().unwrap();
            assert_eq!((metadata.mode() & 0o777, metadata.nlink()), (linked, 2), "{mode:o}");
        }
        study.is_sound();
    }
}

#[test]
fn what_belongs_to_somebody_else_is_not_tidied_away() {
    if !support::root("files of other accounts need it") {
        return;
    }
    let study = Study::divided();
    let chown = |path: &Path, owner: &str| {
        assert!(Command::new("chown").arg(owner).arg("-R").arg(path).status().unwrap().success());
    };
    chown(&study.path(".reg"), "2001:2001");
    let folders = ["scratch-7-7", "scratch-00112233445566ff"].map(|name| study.path(".reg/tmp").join(name));
    for (folder, owner) in folders.iter().zip(["2002:2002", "2001:2001"]) {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("thesis"), b"precious").unwrap();
        chown(folder, owner);
    }
    study.ok("--registry . tag again tiny");
    assert!(folders[0].join("thesis").exists() && !folders[1].exists());
}

#[test]
fn who_may_not_write_to_a_registry_cannot_hold_its_lock() {
    let study = Study::divided();
    for name in ["lock", "turn"] {
        let mode = fs::metadata(study.path(".reg").join(name)).unwrap().mode();
        assert_eq!((mode & 0o222) << 1, mode & 0o444, "{name} has mode {mode:o}");
    }
}
