//! Several accounts of one machine: whose registry is used, who may write to a shared one, who sees what.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::{Answer, Study, finish};
use crate::support;

/// The group of the laboratory, and two of its members.
const LAB: u32 = 3000;
const ANNE: u32 = 2001;
const BOB: u32 = 2002;

/// A folder that all accounts can enter, with a copy of the program and the fixture in it.
struct House {
    dir: tempfile::TempDir,
}

impl House {
    fn new() -> Option<Self> {
        if !support::root("other accounts") || !support::programs(&["setpriv"]) {
            return None;
        }
        let house = House { dir: tempfile::tempdir().unwrap() };
        open(house.dir.path(), 0o755);
        fs::copy(env!("CARGO_BIN_EXE_reg"), house.path("reg")).unwrap();
        let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tiny");
        let copied = Command::new("cp").arg("-r").args([&tiny, &house.path("t")]).status().unwrap();
        assert!(copied.success());
        let opened = Command::new("chmod").args(["-R", "a+rX"]).arg(house.path("t")).status().unwrap();
        assert!(opened.success());
        Some(house)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A folder of an account and group.
    fn folder(&self, name: &str, owner: u32, group: u32, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        chown(&path, Some(owner), Some(group)).unwrap();
        open(&path, mode);
        path
    }

    /// Runs `reg` as an account with an umask, in a folder; the account's home is that folder.
    fn reg_as(&self, account: u32, umask: &str, folder: &Path, arguments: &str) -> Answer {
        let mut command = Command::new("setpriv");
        let account = account.to_string();
        command.args([
            &format!("--reuid={account}"),
            &format!("--regid={account}"),
            &format!("--groups={LAB}"),
        ]);
        command.args(["--inh-caps=-all", "sh", "-c"]);
        command.arg(format!("umask {umask}; exec {} {arguments}", self.path("reg").display()));
        let home = self.path(&format!("home-{account}"));
        command.current_dir(folder).stdin(Stdio::null()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", home);
        finish(command.output(), arguments)
    }
}

fn open(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_registry_of_another_account_is_used_only_when_it_is_named_or_trusted() {
    let Some(house) = House::new() else { return };
    house.folder("home-2002", BOB, BOB, 0o755);
    let annes = house.folder("anne", ANNE, ANNE, 0o755);
    assert_eq!(house.reg_as(ANNE, "022", &annes, "init .").code, 0);
    assert_eq!(house.reg_as(ANNE, "022", &annes, "list").code, 0);
    // A registry that was planted above a folder of Bob's.
    let bobs = house.folder("anne/bob", BOB, BOB, 0o755);
    let refused = house.reg_as(BOB, "022", &bobs, "list");
    refused.says(1, &["belongs to user 2001, not to you", "hint: `reg trust", "--registry"]);
    assert_eq!(house.reg_as(BOB, "022", &bobs, "--registry .. list").code, 0);
    assert_eq!(house.reg_as(BOB, "022", &bobs, "trust ..").code, 0);
    assert_eq!(house.reg_as(BOB, "022", &bobs, "list").code, 0);
    let listed = house.reg_as(BOB, "022", &bobs, "trust");
    assert!(String::from_utf8_lossy(&listed.stdout).contains("anne/.reg"), "{listed:?}");
    assert_eq!(house.reg_as(BOB, "022", &bobs, "trust .. --revoke").code, 0);
    assert_eq!(house.reg_as(BOB, "022", &bobs, "list").code, 1);
}

#[test]
fn members_of_a_group_share_a_registry_whatever_their_umasks() {
    let Some(house) = House::new() else { return };
    let lab = house.folder("lab", ANNE, LAB, 0o2775);
    let anne = |arguments: &str| house.reg_as(ANNE, "002", &lab, arguments);
    let bob = |arguments: &str| house.reg_as(BOB, "077", &lab, arguments);
    let t = house.path("t").display().to_string();
    let (images, csv) = (format!("{t}/images"), format!("{t}/Data_Entry_2017_v2020.csv"));
    assert_eq!(anne("init . --shared=group").code, 0);
    for (who, command) in [
        (&anne as &dyn Fn(&str) -> Answer, format!("ingest --metadata-only --metadata {csv} --name meta")),
        (&bob, format!("ingest {images} --metadata {csv} --allow-missing --name d")),
        (&anne, "tag x d".to_owned()),
        (&anne, "split make d --folds 5 --ratios 70/10/20 --seed 9 --name s9".to_owned()),
        (&bob, "split make d --folds 3 --ratios 60/20/20 --seed 8 --name s8".to_owned()),
        (&anne, "gc --keep-days 0".to_owned()),
        (&bob, "reindex".to_owned()),
        (&anne, "tag y d".to_owned()),
        (&bob, "dataset stats d --name counts".to_owned()),
        (&anne, "verify".to_owned()),
        (&bob, "verify".to_owned()),
    ] {
        let answer = who(&command);
        assert_eq!(answer.code, 0, "{command}: {answer:?}");
    }
    // Everything belongs to the group, and others have no access.
    for entry in walkdir::WalkDir::new(lab.join(".reg")).into_iter().map(Result::unwrap) {
        let found = entry.metadata().unwrap();
        let (mode, path) = (found.mode() & 0o7777, entry.path());
        assert_eq!(found.gid(), LAB, "{}", path.display());
        if found.is_dir() {
            assert_eq!(mode & 0o2070, 0o2070, "{}: {mode:o}", path.display());
        } else if path.starts_with(lab.join(".reg/objects"))
            && !path.file_name().unwrap().to_string_lossy().starts_with("head-")
        {
            assert_eq!(mode & 0o222, 0, "{}: {mode:o}", path.display());
            assert_eq!(mode & 0o040, 0o040, "{}: {mode:o}", path.display());
        } else {
            assert_eq!(mode & 0o060, 0o060, "{}: {mode:o}", path.display());
        }
    }
    // His own outputs stay private.
    let own = house.folder("home-2002", BOB, BOB, 0o700);
    let out = own.join("d.csv");
    assert_eq!(bob(&format!("export d -o {}", out.display())).code, 0);
    assert_eq!(fs::metadata(&out).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn a_registry_without_sharing_keeps_to_the_umask() {
    let Some(house) = House::new() else { return };
    let annes = house.folder("anne", ANNE, ANNE, 0o700);
    let t = house.path("t").display().to_string();
    assert_eq!(house.reg_as(ANNE, "077", &annes, "init .").code, 0);
    let ingest =
        format!("ingest {t}/images --metadata {t}/Data_Entry_2017_v2020.csv --allow-missing --name d");
    assert_eq!(house.reg_as(ANNE, "077", &annes, &ingest).code, 0);
    for entry in walkdir::WalkDir::new(annes.join(".reg")).into_iter().map(Result::unwrap) {
        let mode = entry.metadata().unwrap().mode() & 0o077;
        assert_eq!(mode, 0, "{}: {mode:o}", entry.path().display());
    }
}

/// Every account of the machine can reach the port.
#[test]
fn another_account_sees_nothing_of_a_server() {
    let Some(house) = House::new() else { return };
    if !support::programs(&["curl"]) {
        return;
    }
    let study = Study::divided();
    let server = crate::serve::Server::start(&study);
    let address = format!("http://127.0.0.1:{}/xray/{}/0", server.port(), study.id("tiny"));
    let mut command = Command::new("setpriv");
    command.args(["--reuid=2001", "--regid=2001", "--clear-groups", "--inh-caps=-all"]);
    command.args(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{content_type}", &address]);
    let said = command.current_dir(house.dir.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), "403 text/plain; charset=utf-8");
}

/// Without a shared file system, a task creates its registry in a folder where everybody can write, under a name that
/// `squeue` shows to everybody.
#[test]
fn the_registry_of_a_task_is_never_one_that_another_account_has_put_there() {
    let Some(house) = House::new() else { return };
    let study = Study::divided();
    let bin = house.folder("bin", 0, 0, 0o755);
    for name in ["squeue", "sbatch"] {
        fs::write(bin.join(name), "#!/bin/sh\nexit 0\n").unwrap();
        open(&bin.join(name), 0o755);
    }
    let remote = house.path("remote");
    let file = "name = \"two\"\ndataset = \"tiny\"\nthreads = 1\n[[section]]\nname = \"a\"\nsplit = \"s\"\n[[setup]]\nname = \"m\"\nsection = \"a\"\nmodel = \"mlp\"\n[settings]\nepochs = 3\n";
    fs::write(study.path("two.toml"), file).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let plan = format!("study run two.toml --slurm --push {} --plan", remote.display());
    let planned = study.reg_with("PATH", &path, &plan);
    assert_eq!(planned.code, 0, "{planned:?}");
    let script = String::from_utf8(planned.stdout).unwrap();
    study.ok(&format!("push {}", remote.display()));
    assert!(Command::new("chmod").args(["-R", "a+rX"]).arg(&remote).status().unwrap().success());

    let tag = script.split("--job-name=").nth(1).unwrap().lines().next().unwrap().to_owned();
    let beginning = script.find("\nregistry=").unwrap()..script.find("\ntrain()").unwrap();
    // The study itself was not pushed: its data set is pulled instead.
    let (before, behind) = script[beginning].split_once(" pull ").unwrap();
    let (address, behind) = behind.split_once(' ').unwrap();
    let (_, behind) = behind.split_once(' ').unwrap();
    let task = format!("{before} pull {address} tiny {behind}");
    let task = task.replace(env!("CARGO_BIN_EXE_reg"), house.path("reg").to_str().unwrap());
    fs::write(house.path("task"), task + "\necho \"$registry\" >&3\n").unwrap();

    for planted in ["nothing", "a registry", "a link", "a registry that leads to his home"] {
        let folders = ["node", "home-2002"].map(|name| house.path(name));
        folders
            .iter()
            .filter(|folder| folder.exists())
            .for_each(|folder| fs::remove_dir_all(folder).unwrap());
        let node = house.folder("node", 0, 0, 0o1777);
        let home = house.folder("home-2002", BOB, BOB, 0o700);
        fs::create_dir(home.join("thesis")).unwrap();
        fs::write(home.join("thesis/text"), b"precious").unwrap();
        let foreseen = node.join(format!("{tag}-{BOB}"));
        match planted {
            "nothing" => {}
            "a link" => std::os::unix::fs::symlink(&home, &foreseen).unwrap(),
            planted => {
                house.folder(&format!("node/{tag}-{BOB}"), ANNE, ANNE, 0o777);
                assert_eq!(house.reg_as(ANNE, "000", &foreseen, "init .").code, 0);
                if planted != "a registry" {
                    fs::remove_dir(foreseen.join(".reg/tmp")).unwrap();
                    std::os::unix::fs::symlink(&home, foreseen.join(".reg/tmp")).unwrap();
                }
            }
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=2002", "--regid=2002", "--clear-groups", "--inh-caps=-all", "bash", "-c"]);
        command.arg(format!("bash {} 3>&1", house.path("task").display()));
        command.current_dir(&node).env("HOME", &home).env("TMPDIR", &node).env("SLURM_ARRAY_TASK_ID", "0");
        let said = command.output().unwrap();
        assert!(said.status.success(), "{planted}: {said:?}");
        let used = PathBuf::from(String::from_utf8(said.stdout).unwrap().trim());
        let owner = fs::metadata(used.join(".reg/objects")).unwrap().uid();
        assert_eq!((owner, used == foreseen), (BOB, planted == "nothing"), "{planted}: {}", used.display());
        assert_eq!(fs::read(home.join("thesis/text")).unwrap(), b"precious", "{planted}");
        assert_eq!(fs::read_dir(&home).unwrap().count(), 1, "{planted}: nothing is put there");
    }
}

#[test]
fn images_of_another_account_are_copied_and_never_hard_linked() {
    let Some(house) = House::new() else { return };
    let home = house.folder("home-2001", ANNE, ANNE, 0o755);
    assert_eq!(house.reg_as(ANNE, "022", &home, "init").code, 0);
    let ingest = "ingest ../t/images --metadata ../t/Data_Entry_2017_v2020.csv --link";
    let answer = house.reg_as(ANNE, "022", &home, &format!("{ingest} hardlink"));
    let why =
        ".png: it belongs to another user (uid 0), and only its owner may link it and make it read-only";
    answer.says(1, &["cannot hard-link ../t/images/", why, "hint: give `--link copy`"]);
    for link in ["copy", "reflink"] {
        let answer = house.reg_as(ANNE, "022", &home, &format!("{ingest} {link}"));
        assert_eq!(answer.code, 0, "{answer:?}");
    }
}
