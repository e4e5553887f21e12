//! Problems of the machine: full disk, no permission, no registry, a registry of a newer format.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use reg::registry::Stamp;
use serde_json::json;

use crate::harness::{INGEST, Study, finish};
use crate::support;

fn stamp() -> Stamp {
    Stamp { time: "2026-01-01T00:00:00Z".to_owned(), command: "test".to_owned() }
}

#[test]
fn a_registry_is_made_once() {
    let study = Study::bare();
    study.ok("init study");
    study.refused(1, "init study", &["study/.reg", "already", "hint:"]);
    study.ok("--registry study list");
    study.ok("--registry study/.reg list");
    study.refused(
        1,
        "--registry nowhere list",
        &["nowhere is not a registry", "hint: create one with `reg init DIR`"],
    );
    assert_eq!(study.reg_with("REG_REGISTRY", study.path("study"), "list").code, 0);
    // An empty variable counts as unset; an empty flag is an error.
    assert!(study.reg_with("REG_REGISTRY", "", "--registry study list").code == 0);
    study.reg_with("REG_REGISTRY", "", "list").says(1, &["no registry found in"]);
    study.refused(2, "--registry= list", &["--registry"]);
}

#[test]
fn no_registry_found() {
    let study = Study::bare();
    for command in ["list", "verify", "reindex", "show x", "log", "ingest . --metadata x.csv"] {
        study.refused(1, command, &["no registry found in", "hint: create one here with `reg init`"]);
    }
    assert_eq!(fs::read_dir(study.path("")).unwrap().count(), 0);
}

#[test]
fn a_registry_is_found_from_a_folder_below_it() {
    let study = Study::new();
    let output = study.command("--json list").current_dir(study.path("images")).output();
    assert_eq!(finish(output, "list").json()["records"], json!([]));
}

#[test]
fn a_registry_of_a_newer_format() {
    let study = Study::new();
    fs::write(study.path(".reg/format"), "reg 7\n").unwrap();
    for command in ["list", INGEST, "verify", "reindex"] {
        study.refused(
            1,
            command,
            &[".reg has format 7, but this reg reads format 6", "hint: install a newer reg"],
        );
    }
    fs::write(study.path(".reg/format"), "something else").unwrap();
    study.refused(1, "list", &["is damaged: its file `format` does not name a format", "echo 'reg 6'"]);
}

#[test]
fn an_id_prefix_that_fits_two_objects() {
    let study = Study::new();
    let hash = |n: u64| reg::hash::Hash::of(&n.to_le_bytes());
    // Two of some thousand hashes share their first 24 bits, by the birthday paradox.
    let mut seen = std::collections::HashMap::new();
    let (a, b) = (0u64..)
        .find_map(|n| {
            let [x, y, z, ..] = hash(n).0;
            seen.insert([x, y, z], n).map(|before| (before, n))
        })
        .unwrap();
    let registry = study.registry();
    let transaction = registry.transaction().unwrap();
    for n in [a, b] {
        transaction.put_blob(&n.to_le_bytes()).unwrap();
    }
    transaction.commit(&stamp()).unwrap();
    let prefix = &hash(a).to_string()[..6];
    let both = [hash(a), hash(b)].map(|hash| hash.to_string()[..16].to_owned());
    for command in ["show", "cat", "trace", "tag it", "verify"] {
        let json = if command == "cat" { "" } else { "--json " };
        study.reg(&format!("{json}{command} {prefix}")).says(
            1,
            &[&format!("`{prefix}` matches 2 objects"), &both[0], &both[1], "hint: give more digits"],
        );
    }
    study.ok(&format!("show {}", both[0]));
    study.refused(1, &format!("show {}", &prefix[..5]), &["hint:", "6 or more digits"]);
}

/// A small file system that is unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf, kib: u32) -> Option<Self> {
        fs::create_dir_all(&at).unwrap();
        let mounted = support::is_root()
            && Command::new("mount")
                .args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs"])
                .arg(&at)
                .output()
                .is_ok_and(|output| output.status.success());
        if !mounted {
            support::absent("a small disk", "only root can mount one");
        }
        mounted.then(|| SmallDisk(at))
    }

    /// Leaves about `kib` free.
    fn fill(&self, kib: u64) {
        let ballast = self.0.join("ballast");
        let _ = fs::remove_file(&ballast);
        let free = rustix::fs::statvfs(&self.0).map(|s| s.f_bavail * s.f_frsize / 1024).unwrap();
        fs::write(&ballast, vec![0; (free.saturating_sub(kib) * 1024) as usize]).unwrap();
    }

    fn empty(&self) {
        let _ = fs::remove_file(self.0.join("ballast"));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_registers_nothing_and_leaves_nothing_behind() {
    let study = Study::new();
    let Some(disk) = SmallDisk::mount(study.path("disk"), 2048) else { return };
    study.ok("init disk");
    let ingest = format!("--registry disk {INGEST}");
    // The images need about 160 KiB, then the index some more: the disk is full at every stage.
    for free in [0, 4, 8, 40, 80, 120, 160] {
        disk.fill(free);
        let answer = study.reg(&format!("--json {ingest}"));
        answer.says(1, &["No space left", "hint: nothing was registered; free some disk space"]).json();
        disk.empty();
        assert_eq!(study.json("--registry disk list")["records"], json!([]), "{free} KiB");
        let verified = study.json("--registry disk verify");
        assert_eq!(verified["damaged"], json!([]), "{free} KiB");
        assert_eq!(fs::read_dir(study.path("disk/.reg/tmp")).unwrap().count(), 0, "{free} KiB");
        // If only the index did not fit, objects without references stay: another process may have
        // started to refer to them.
        assert!(free > 120 || verified["checked"] == json!(0), "{free} KiB: {verified}");
    }
    study.ok(&ingest);
    study.ok("--registry disk split make tiny --folds 1 --name s");
    disk.fill(16);
    let train = "--registry disk train --dataset tiny --split s --model tiny --set epochs=2 --threads 1";
    study.refused(1, train, &["No space left", "hint:"]);
    disk.empty();
    assert_eq!(study.json("--registry disk list run")["records"], json!([]));
    study.ok(train);
    assert_eq!(study.json("--registry disk verify")["damaged"], json!([]));
}

/// Makes a folder and its contents readable for everybody, and not writable.
fn for_reading(path: &Path) {
    for entry in walkdir::WalkDir::new(path).contents_first(true) {
        let path = entry.unwrap().into_path();
        let mode = if path.is_dir() { 0o555 } else { 0o444 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn a_read_only_registry_can_be_read_and_says_that_it_cannot_be_written() {
    let study = Study::trained();
    let outside = Study::bare();
    // Root may write anywhere, so the test runs as nobody, who cannot read the folder of the build.
    let program = outside.path("reg");
    fs::copy(env!("CARGO_BIN_EXE_reg"), &program).unwrap();
    let nobody = |arguments: &str| {
        let mut command = study.command_of(&program, arguments);
        if support::is_root() {
            command.uid(65_534).gid(65_534);
        }
        command
    };
    for_reading(&study.path(""));
    fs::set_permissions(outside.path(""), fs::Permissions::from_mode(0o777)).unwrap();
    if nobody("--version").output().is_err() {
        support::absent("a folder that all may read", "TMPDIR lies where another user cannot look");
        return;
    }
    let table = study.id("table");
    for command in [
        "list",
        "show table",
        "log",
        "dataset stats tiny",
        "split check s",
        "trace table",
        "compare tiny-s-f0 tiny-s-f1 mlp-s-f0 mlp-s-f1",
        "reproduce table",
        "verify",
        "gc --dry-run",
    ] {
        let answer = finish(nobody(&format!("--registry . --json {command}")).output(), command);
        assert_eq!(answer.code, 0, "{command}: {answer:?}");
        answer.json();
    }
    for command in [
        INGEST,
        "split make tiny --seed 3",
        "tag it tiny",
        "compare tiny-s-f1 mlp-s-f1",
        "gc --keep-days 0",
        "reindex",
    ] {
        let answer = finish(nobody(&format!("--registry . --json {command}")).output(), command);
        answer.says(1, &["ermission denied", "belongs to another user", "; reading commands still work"]);
        answer.json();
    }
    let answer = finish(nobody("init").output(), "init");
    assert_eq!(answer.code, 1, "{answer:?}");
    assert_eq!(study.id("table"), table);
    // So that the folder can be removed.
    for entry in walkdir::WalkDir::new(study.path("")) {
        let path = entry.unwrap().into_path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}
