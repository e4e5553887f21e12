//! Diagnoses problems of a registry, its disk and the tensor library, and suggests commands.
//!
//! Runs only cheap checks: no object is hashed, nothing is changed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use crate::digits::{counted, thousands};
use crate::disk;
use crate::hash::Hash;
use crate::registry::{Registry, RegistryError};
use crate::store;
use crate::training::process::Worker;
use crate::training::unfinished::{self, UnfinishedTraining};
use crate::withdrawal::Withdrawn;

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked: `registry`, `disk`, `worker`.
    pub section: &'static str,
    /// The result.
    pub status: Status,
    /// The finding, in a sentence.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// No problem.
    Ok,
    /// Worth knowing, but no problem.
    Note,
    /// A problem.
    Bad,
}

/// Below this free space, in bytes, a note is printed.
const LITTLE_SPACE: u64 = 5 << 30;
/// Below this free space, in bytes, large commands fail.
const NO_SPACE: u64 = 100 << 20;

struct Page {
    section: &'static str,
    checks: Vec<Check>,
}

impl Page {
    fn new(section: &'static str) -> Self {
        Page { section, checks: Vec::new() }
    }

    fn add(&mut self, status: Status, message: impl Into<String>, hint: Option<&str>) {
        let hint = hint.map(str::to_owned);
        self.checks.push(Check { section: self.section, status, message: message.into(), hint });
    }

    fn ok(&mut self, message: impl Into<String>) {
        self.add(Status::Ok, message, None);
    }

    fn note(&mut self, message: impl Into<String>, hint: &str) {
        self.add(Status::Note, message, Some(hint));
    }

    fn bad(&mut self, message: impl Into<String>, hint: &str) {
        self.add(Status::Bad, message, Some(hint));
    }
}

/// Checks a registry: whether its index opens and is current, whether the objects it refers to exist, and what
/// killed processes left behind.
pub fn registry(registry: &Registry) -> Vec<Check> {
    let mut page = Page::new("registry");
    page.ok(format!("registry {}", registry.root().display()));
    let listing = match registry.store().list() {
        Ok(listing) => listing,
        Err(e) => {
            page.bad(e.to_string(), "the folder objects/ is missing; restore it from a backup");
            return page.checks;
        }
    };
    page.ok(format!("{} objects", thousands(listing.objects.len() as u64)));
    if let Some(stranger) = listing.strangers.first() {
        let others = thousands(listing.strangers.len() as u64 - 1);
        page.note(
            format!(
                "{} and {others} more files among the objects do not have an object's name",
                stranger.display()
            ),
            "they do no harm; move them elsewhere",
        );
    }
    match registry.index().check().map_err(RegistryError::from).and_then(|()| registry.view()) {
        Err(e) => page.bad(e.to_string(), "`reg reindex` rebuilds the index from the objects"),
        Ok(view) => {
            let named = || -> Result<(usize, u64, Vec<Hash>), RegistryError> {
                let names = view.names()?;
                let [records, _] = view.registrations()?;
                let named = names.iter().map(|(_, id)| *id).chain(records.into_iter().map(|(.., id)| id));
                let named =
                    named.chain(view.all_referrers()?.into_iter().map(|(to, ..)| to)).chain(view.log()?);
                let mut missing: Vec<Hash> =
                    named.filter(|id| listing.objects.binary_search(id).is_err()).collect();
                missing.sort_unstable();
                missing.dedup();
                // Permanently removed objects are expected to be missing.
                let withdrawn = Withdrawn::known(registry, &view)?;
                missing.retain(|id| withdrawn.gone(id).is_none());
                Ok((names.len(), view.records()?, missing))
            };
            match named() {
                Err(e) => page.bad(e.to_string(), "`reg reindex` rebuilds the index from the objects"),
                Ok((names, records, missing)) => {
                    let [records, names] = [records, names as u64].map(thousands);
                    page.ok(format!("the index is intact: {records} records, {names} names"));
                    if registry.index().head().is_none() {
                        page.note(
                            "the head of the history is missing in objects/, so an older index would not be noticed",
                            "the next change writes it again; if it is still missing after that, check whether something else has its file name",
                        );
                    }
                    if let Some(first) = missing.first() {
                        page.bad(
                            format!(
                                "{} referenced objects are missing, the first is {first}",
                                thousands(missing.len() as u64)
                            ),
                            "`reg verify` lists them; `reg verify --repair-from PATH` restores them from another \
                             registry or from the original files",
                        );
                    }
                }
            }
        }
    }
    left_behind(registry, &mut page);
    page.checks
}

/// Folders of killed processes, and interrupted trainings.
fn left_behind(registry: &Registry, page: &mut Page) {
    let abandoned = store::abandoned(registry.dir());
    if abandoned > 0 {
        page.note(
            format!("{} in tmp/ left by killed processes", counted(abandoned as u64, "folder")),
            "the next command that writes removes them",
        );
    }
    let unfinished = unfinished::all(registry).into_iter();
    let unfinished: BTreeMap<String, UnfinishedTraining> =
        unfinished.map(|training| (training.announcement.spec.hash.to_string(), training)).collect();
    for spec in registry.live_entries().unwrap_or_default() {
        let short = spec.chars().take(12).collect::<String>();
        let lock = registry.dir().open_file(Path::new("live").join(&spec).join("lock"));
        let is_free = lock.is_ok_and(|(lock, _)| lock.try_lock().is_ok());
        match (is_free, unfinished.get(&spec)) {
            (false, _) => page.ok(format!("a training of spec {short} is running")),
            (true, None) => page.note(
                format!("a training of spec {short} left files that do not include its name"),
                &format!("`reg show {short}` shows its settings"),
            ),
            (true, Some(UnfinishedTraining { announcement, error, resumable, .. })) => {
                let (name, command) = (&announcement.name, &announcement.command);
                match error {
                    Some(error) if *resumable => page.note(
                        format!("the training {name} failed: {error}"),
                        &format!("`{command}` resumes it"),
                    ),
                    Some(error) => page
                        .note(format!("the training {name} failed: {error}"), "`reg gc` removes its files"),
                    None if *resumable => page.note(
                        format!("the training {name} was interrupted"),
                        &format!("`{command}` resumes it"),
                    ),
                    None => page.note(
                        format!("the training {name} was interrupted before anything was saved"),
                        &format!("`{command}` starts it again, `reg gc` removes its files"),
                    ),
                }
            }
        }
    }
}

/// Checks the file system that holds `folder`: its free space, and whether it supports what a registry needs.
pub fn disk(folder: &Path) -> Vec<Check> {
    let mut page = Page::new("disk");
    let shown = folder.display();
    match rustix::fs::statvfs(folder) {
        Err(e) => page.bad(format!("cannot read the file system of {shown}: {e}"), "is it mounted?"),
        Ok(status) => {
            let free = status.f_bavail * status.f_frsize;
            let message =
                format!("{:.1} GB free of {:.1} GB", gb(free), gb(status.f_blocks * status.f_frsize));
            match free {
                free if free < NO_SPACE => page.bad(
                    message,
                    "free some space: everything in cache/ may be deleted; `reg gc` itself needs a little space",
                ),
                free if free < LITTLE_SPACE => {
                    page.note(message, "`reg gc --dry-run` lists what can be removed")
                }
                _ => page.ok(message),
            }
        }
    }
    if let Some(kind) = file_system(folder) {
        match kind.as_str() {
            "tmpfs" | "ramfs" => page.note(
                format!("{kind}: its files are lost when the machine stops"),
                "move the registry to a disk",
            ),
            "nfs" | "nfs4" | "cifs" | "smb3" | "9p" | "fuse.sshfs" | "lustre" | "ceph" => page.note(
                format!("{kind}: a network file system"),
                "concurrent use by several machines needs file locks (flock) that work across machines",
            ),
            _ => page.ok(format!("file system {kind}")),
        }
    }
    let dir = match tempfile::Builder::new().prefix("doctor-").tempdir_in(folder) {
        Ok(dir) => dir,
        Err(e) => {
            page.note(format!("{shown} is not writable: {e}"), "reading commands still work");
            return page.checks;
        }
    };
    if let Err(e) = abilities(dir.path(), &mut page) {
        page.bad(format!("cannot write files in {shown}: {e}"), "check its mount options and quotas");
    }
    page.checks
}

fn abilities(dir: &Path, page: &mut Page) -> std::io::Result<()> {
    let (one, two) = (dir.join("one"), dir.join("two"));
    let mut file = File::create(&one)?;
    file.write_all(&[7; 1 << 16])?;
    let start = Instant::now();
    const SYNCS: u32 = 8;
    for _ in 0..SYNCS {
        file.write_all(b"more")?;
        file.sync_all()?;
    }
    page.ok(format!("a sync takes {:.1} ms", start.elapsed().as_secs_f64() * 1e3 / f64::from(SYNCS)));
    fs::set_permissions(&one, fs::Permissions::from_mode(0o444))?;
    match fs::metadata(&one)?.permissions().mode() & 0o222 {
        0 => page.ok("files can be made read-only"),
        _ => page.bad(
            "files cannot be made read-only",
            "`reg verify` will report each object as writable; use a file system with permissions",
        ),
    }
    match fs::hard_link(&one, &two) {
        Ok(()) => page.ok("hard links work (--link hardlink)"),
        Err(e) => page.note(format!("hard links do not work: {e}"), "use --link copy"),
    }
    let there = disk::Dir::open(dir)?;
    match there.reflink(&File::open(&one)?, "three", 0o600) {
        Ok(()) => page.ok("files can share blocks (--link reflink)"),
        Err(_) => page.ok("files cannot share blocks: --link reflink copies"),
    }
    let (first, second) = (File::open(&one)?, File::open(&one)?);
    let locks = first.try_lock().is_ok() && second.try_lock().is_err();
    match locks {
        true => page.ok("locks work"),
        false => page.bad(
            "file locks (flock) do not work",
            "concurrent processes would damage the index; use another file system or mount option",
        ),
    }
    Ok(())
}

fn gb(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}

/// Type of the file system that holds `folder`, if the system provides it.
fn file_system(folder: &Path) -> Option<String> {
    let folder = fs::canonicalize(folder).ok()?;
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        // A space is written as \040 in this file.
        Some((PathBuf::from(words.next()?.replace("\\040", " ")), words.next()?.to_owned()))
    });
    // If several file systems are mounted at one point, the last one hides the others.
    let of_folder = mounts.filter(|(point, _)| folder.starts_with(point));
    of_folder.max_by_key(|(point, _)| point.as_os_str().len()).map(|(_, kind)| kind)
}

/// Checks the worker and the tensor library; `cores` is the number of cores of this machine.
pub fn worker(cores: u32) -> Vec<Check> {
    let mut page = Page::new("worker");
    let start = Instant::now();
    match Worker::find() {
        Err(e) => page.bad(
            e.to_string(),
            &e.hint().unwrap_or_else(|| {
                "build it with `make build`; everything except training and inference works without it"
                    .to_owned()
            }),
        ),
        Ok(worker) => {
            let identity = worker.identity();
            page.ok(format!(
                "reg-torch {} with numerics {}, libtorch {} (tch {}), starts in {:.2} s",
                identity.worker,
                identity.numerics,
                identity.libtorch,
                identity.tch,
                start.elapsed().as_secs_f64()
            ));
            match identity.cpu_capability.as_str() {
                "DEFAULT" => page.note(
                    "libtorch uses no vector instructions here",
                    "unset ATEN_CPU_CAPABILITY if it is set; numbers differ from machines with vector instructions",
                ),
                capability => page.ok(format!("{cores} cores with {capability}")),
            }
            match identity.cuda.as_slice() {
                [] => page.ok("no CUDA device: computes on the CPU"),
                devices => page.ok(format!("CUDA: {}", devices.join(", "))),
            }
        }
    }
    let threads = std::env::var("OMP_NUM_THREADS").ok();
    if let Some(threads) = threads.filter(|text| text.parse().is_ok_and(|threads: u32| threads > cores)) {
        page.note(
            format!("OMP_NUM_THREADS is {threads}, but there are {cores} cores"),
            "more threads than cores make libtorch slower; set the number with `reg train --threads N`",
        );
    }
    page.checks
}
