//! Unfinished trainings: what other processes can see of them.

use std::fs::File;
use std::fs::TryLockError;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Environment, RunError};
use crate::disk::{self, Dir, Doing, FileError};
use crate::hash::Id;
use crate::limits;
use crate::records::{Spec, is_time};
use crate::registry::Registry;
use crate::worker::{RunStatus, files};

const FILE: &str = "training.json";
const ERROR: &str = "error.txt";
/// The folder for what a program leaves.
pub(super) const PROGRAM_OUT: &str = "out";
/// File that is locked during a training.
pub(super) const LOCK: &str = "lock";

/// The announcement of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Announcement {
    /// The name that its run will have, unless the name is in use by then.
    pub name: String,
    /// Its spec.
    pub spec: Id<Spec>,
    /// The time of its last start, in UTC.
    pub started: String,
    /// Name of the machine.
    pub host: String,
    /// The command line.
    pub command: String,
}

/// A training that is running or was interrupted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UnfinishedTraining {
    /// Its announcement.
    #[serde(flatten)]
    pub announcement: Announcement,
    /// The process that trains, if the system provides it; `None` for an interrupted training.
    pub pid: Option<u32>,
    /// Its progress; `None` before its first report.
    #[serde(rename = "standing")]
    pub status: Option<RunStatus>,
    /// Why the last attempt failed; `None` if it was only interrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether the same command goes on from a checkpoint.
    pub resumable: bool,
}

impl UnfinishedTraining {
    /// Whether it ended in an error and nothing trains it now.
    pub fn is_failed(&self) -> bool {
        self.pid.is_none() && self.error.is_some()
    }
}

/// Announces a training in its folder.
pub(super) fn announce(
    dir: &Dir,
    name: &str,
    spec: Id<Spec>,
    started: &str,
    environment: &Environment,
) -> Result<(), RunError> {
    let announcement = Announcement {
        name: name.to_owned(),
        spec,
        started: started.to_owned(),
        host: environment.host.clone(),
        command: environment.stamp.command.clone(),
    };
    let text = serde_json::to_vec(&announcement).expect("strings have a JSON form");
    // A new attempt has not failed yet.
    match dir.remove_file(ERROR) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        removed => removed.doing("remove", &dir.path_of(ERROR))?,
    }
    Ok(dir.replace(FILE, &text).doing("write", &dir.path_of(FILE))?)
}

/// The folder of a training, locked: let go by the system however this process ends.
pub(super) fn lock(registry: &Registry, spec: Id<Spec>) -> Result<(Dir, File), RunError> {
    let place = registry.training_folder(&spec.hash);
    let folder = registry.dir().folder(&place);
    let folder = folder.doing("create", &registry.dir().path_of(&place))?;
    let lock = folder.path_of(LOCK);
    let locked = folder.create(LOCK).doing("create", &lock)?;
    locked.try_lock().map_err(|e| match e {
        TryLockError::WouldBlock => RunError::Running(lock.clone()),
        TryLockError::Error(source) => FileError::new("lock", &lock, source).into(),
    })?;
    Ok((folder, locked))
}

/// Says in the folder of a training why it failed; whoever asks how it stands reads it there.
pub(super) fn failed(dir: &Dir, error: &str) {
    // The failure itself goes on its way, whether or not it can be noted.
    let _ = dir.replace(ERROR, error.as_bytes());
}

/// All running or interrupted trainings, by name.
pub fn all(registry: &Registry) -> Vec<UnfinishedTraining> {
    let entries = registry.live_entries().unwrap_or_default().into_iter();
    let specs = entries.filter_map(|name| name.parse().ok());
    let mut all: Vec<UnfinishedTraining> =
        specs.filter_map(|spec| read(registry.dir(), &registry.training_folder(&spec))).collect();
    all.sort_by(|a, b| a.announcement.name.cmp(&b.announcement.name));
    all
}

/// The training that will have this name, or whose spec's id starts with it.
pub fn find(registry: &Registry, text: &str) -> Option<UnfinishedTraining> {
    let begins = |unfinished: &UnfinishedTraining| {
        text.len() >= 6 && unfinished.announcement.spec.hash.to_string().starts_with(text)
    };
    all(registry).into_iter().find(|unfinished| unfinished.announcement.name == text || begins(unfinished))
}

/// Bytes of what an unfinished training has left.
pub fn bytes(registry: &Registry, training: &UnfinishedTraining) -> u64 {
    let folder = registry.dir().subdir(registry.training_folder(&training.announcement.spec.hash));
    let entries = folder.as_ref().ok().and_then(|folder| folder.entries().ok()).unwrap_or_default();
    let size = |name: &std::ffi::OsString| folder.as_ref().ok()?.stat(name).ok().map(|stat| stat.len());
    entries.iter().filter(|(_, is_dir)| !is_dir).filter_map(|(name, _)| size(name)).sum()
}

/// Removes what an unfinished training has left.
///
/// # Errors
/// Also a process that trains by the same spec.
pub fn remove(registry: &Registry, training: &UnfinishedTraining) -> Result<(), RunError> {
    let place = registry.training_folder(&training.announcement.spec.hash);
    let path = registry.dir().path_of(&place);
    let lock = registry.dir().open_file(place.join(LOCK));
    // Held until the folder is gone, so that no training begins in it.
    let _held = match lock {
        Ok((lock, _)) => match lock.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(RunError::Running(path.join(LOCK))),
            _ => Some(lock),
        },
        Err(_) => None,
    };
    Ok(registry.dir().remove_dir_all(&place).doing("remove", &path)?)
}

/// The training of a spec.
pub fn of(registry: &Registry, spec: Id<Spec>) -> Option<UnfinishedTraining> {
    read(registry.dir(), &registry.training_folder(&spec.hash))
}

/// Removes failed attempts under a name from which nothing goes on: whoever corrects a program and runs it again under
/// the same name is not told of each.
pub(super) fn remove_failed(registry: &Registry, name: &str) {
    let is_over =
        |one: &UnfinishedTraining| one.announcement.name == name && one.is_failed() && !one.resumable;
    for one in all(registry).iter().filter(|one| is_over(one)) {
        // What cannot be removed is listed as before.
        let _ = remove(registry, one);
    }
}

/// Whether a process, also on another machine, trains a spec. The check holds the lock for a moment, so do not
/// call it while a training of this spec may be starting.
pub(crate) fn is_locked(registry: &Registry, spec: Id<Spec>) -> bool {
    let lock = registry.dir().open_file(registry.training_folder(&spec.hash).join(LOCK));
    lock.is_ok_and(|(file, _)| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// What lies in a training's folder; none where it is not announced, half written, or not as reg writes it.
fn read(root: &Dir, folder: &Path) -> Option<UnfinishedTraining> {
    let dir = root.subdir(folder).ok()?;
    let file = |name: &str| dir.read(name, limits::TRAINING_STATUS).ok();
    let announcement: Announcement = serde_json::from_slice(&file(FILE)?).ok()?;
    if !is_time(&announcement.started) {
        return None;
    }
    let status = file(files::STATUS).and_then(|text| serde_json::from_slice(&text).ok());
    let pid = dir.open_file(LOCK).ok().and_then(|(lock, _)| disk::lock_holder(&lock));
    let error = file(ERROR).and_then(|text| String::from_utf8(text).ok()).filter(|_| pid.is_none());
    // A program may have left something that it goes on from.
    let left = dir.subdir(PROGRAM_OUT).and_then(|out| out.entries()).is_ok_and(|entries| !entries.is_empty());
    let resumable = dir.stat(files::STATE).is_ok() || left;
    Some(UnfinishedTraining { announcement, pid, status, error, resumable })
}
