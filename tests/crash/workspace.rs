//! A folder with a registry in it, and `reg` run there with a fault.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use rayon::prelude::*;
use reg::hash::Hash;
use reg::lineage::verify;
use reg::progress::Silent;
use reg::registry::Registry;
use reg::registry::survey::Depth;
use reg::withdrawal::Withdrawn;

/// Names and what they name.
pub(crate) type Names = BTreeMap<String, Hash>;

pub(crate) struct Workspace {
    dir: tempfile::TempDir,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: ExitStatus,
    pub(crate) stderr: String,
}

impl Answer {
    pub(crate) fn was_killed(&self) -> bool {
        self.status.signal() == Some(9)
    }
}

impl Workspace {
    /// The files of `fixtures/tiny`, in memory where the system has a file system for that.
    pub(crate) fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let roomy = rustix::fs::statvfs(memory).is_ok_and(|disk| disk.f_bavail * disk.f_frsize > 1 << 30);
        let dir = match roomy {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        let workspace = Workspace { dir: dir.unwrap() };
        let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tiny");
        copy(&tiny.join("."), workspace.path());
        workspace
    }

    pub(crate) fn empty() -> Self {
        let workspace = Workspace::new();
        fs::remove_dir_all(workspace.path()).unwrap();
        fs::create_dir(workspace.path()).unwrap();
        workspace
    }

    /// The same files in another folder.
    pub(crate) fn copy(&self) -> Self {
        let other = Workspace::empty();
        copy(&self.path().join("."), other.path());
        other
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// `reg` with arguments that hold no spaces.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reg"));
        command.args(arguments.split_whitespace()).current_dir(self.path());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Runs `reg` with a fault planned.
    pub(crate) fn strike(&self, arguments: &str, fault: impl AsRef<OsStr>) -> Answer {
        answer(self.command(arguments).env("REG_FAULT", fault), arguments)
    }

    pub(crate) fn reg(&self, arguments: &str) -> Answer {
        answer(&mut self.command(arguments), arguments)
    }

    /// Runs `reg`, which must succeed.
    pub(crate) fn ok(&self, arguments: &str) {
        let answer = self.reg(arguments);
        assert!(answer.status.success(), "reg {arguments}: {}", answer.stderr);
    }

    pub(crate) fn registry(&self) -> Option<Registry> {
        self.path().join(".reg/format").exists().then(|| Registry::load(self.path()).unwrap())
    }

    /// What each name names; none where there is no registry, or no index that says so.
    pub(crate) fn names(&self) -> Names {
        let names = self.registry().and_then(|registry| registry.view().ok()?.names().ok());
        names.into_iter().flatten().collect()
    }

    /// Asserts that the registry, if there is one, is sound, and that no record names what is not there,
    /// whether the index knows the record or not.
    pub(crate) fn is_sound(&self, what: &str) {
        let Some(registry) = self.registry() else { return };
        let found = verify(&registry, &Silent).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert!(found.sound(), "{what}: {found:?}");
        let objects = registry.store().list().unwrap().objects;
        let survey = registry.survey(&objects, Depth::Records, &Silent);
        let withdrawn = Withdrawn::known(&registry, &registry.view().unwrap()).unwrap();
        for id in survey.records.keys().chain(survey.packed.keys()) {
            for to in survey.links(id) {
                let there = objects.binary_search(&to).is_ok() || withdrawn.is_purged(&to);
                assert!(there, "{what}: {id} names {to}, which is not there");
            }
        }
        let named = survey.events.values().flat_map(|event| event.prev);
        assert!(named.into_iter().all(|prev| objects.binary_search(&prev.hash).is_ok()), "{what}");
    }

    /// Asserts that nothing is left of what was to be purged: no object, no derived pixels.
    pub(crate) fn is_purged(&self, what: &str) {
        let found = verify(&self.registry().unwrap(), &Silent).unwrap();
        assert_eq!((found.lingering.len(), found.purged.len()), (0, 2), "{what}: {found:?}");
        let pixels = fs::read_dir(self.path().join(".reg/cache/pixels")).unwrap();
        assert_eq!(pixels.count(), 0, "{what}");
    }

    /// Asserts that every name names what it did before or what it shall name.
    pub(crate) fn names_are_old_or_new(&self, before: &Names, after: &Names, what: &str) {
        let now = self.names();
        for name in before.keys().chain(after.keys()).chain(now.keys()) {
            let [before, now, after] = [before, &now, after].map(|names| names.get(name));
            assert!(
                now == before || now == after,
                "{what}: {name} names {now:?}, not {before:?} or {after:?}"
            );
        }
    }

    /// Asserts that nothing lies in `tmp/`.
    pub(crate) fn nothing_is_staged(&self, what: &str) {
        let staged: Vec<PathBuf> = fs::read_dir(self.path().join(".reg/tmp"))
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(staged.is_empty(), "{what}: {staged:?}");
    }
}

fn answer(command: &mut Command, arguments: &str) -> Answer {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!stderr.contains("panicked"), "reg {arguments}: {stderr}");
    Answer { status: output.status, stderr }
}

/// Does something for each of many, in threads whose output is that of this test.
pub(crate) fn each<T: Sync>(items: &[T], act: impl Fn(&T) + Sync + Send) {
    // Those of the common pool speak for the test that came first.
    let pool = rayon::ThreadPoolBuilder::new().build().unwrap();
    pool.install(|| items.par_iter().for_each(act));
}

/// Copies with times, modes and hard links.
pub(crate) fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// Numbers that depend on a seed and nothing else.
pub(crate) struct Draw {
    seed: u64,
    count: u64,
}

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Draw { seed, count: 0 }
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.count += 1;
        let bytes = Hash::of([self.seed.to_le_bytes(), self.count.to_le_bytes()].concat().as_slice()).0;
        u64::from_le_bytes(bytes[..8].try_into().unwrap()) % end
    }
}

/// The seed of what is drawn: printed, and taken from `REG_SEED` to repeat it.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("REG_SEED").ok().map(|text| text.parse().expect("REG_SEED is a number"));
    let now = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 % 1_000_000;
    let seed = given.unwrap_or_else(now);
    println!("REG_SEED={seed}");
    seed
}
