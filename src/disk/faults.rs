//! Planned faults, for tests. Never part of a release: only the feature `faults` compiles this file.
//!
//! `REG_FAULT` says which fault; steps are counted from 1, in the order of their beginnings.
//!
//! - `kill:N`: the process is killed (SIGKILL) instead of step N. A step that writes bytes counts as two:
//!   at the second, half of the bytes are written.
//! - `full:N`: from step N on, every step that needs space fails as on a full disk.
//! - `trace:FILE`: each step is appended to FILE, one JSON document a line.
//! - `count:FILE`: FILE contains the number of steps so far.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use rustix::process::{Signal, getpid, kill_process};

use super::WriteStep;

enum Plan {
    None,
    Kill(u64),
    Full(u64),
    Trace(Mutex<File>),
    Count(PathBuf),
}

fn plan() -> &'static Plan {
    static PLAN: OnceLock<Plan> = OnceLock::new();
    PLAN.get_or_init(|| {
        let Ok(text) = std::env::var("REG_FAULT") else { return Plan::None };
        let (what, argument) = text.split_once(':').expect("REG_FAULT is WHAT:ARGUMENT");
        let number = || argument.parse().expect("REG_FAULT names the number of a step");
        match what {
            "kill" => Plan::Kill(number()),
            "full" => Plan::Full(number()),
            "trace" => {
                let file = OpenOptions::new().create(true).append(true).open(argument);
                Plan::Trace(Mutex::new(file.expect("the file of REG_FAULT can be written")))
            }
            "count" => Plan::Count(argument.into()),
            other => panic!("REG_FAULT cannot {other}"),
        }
    })
}

static TAKEN: AtomicU64 = AtomicU64::new(0);

/// Takes a step, or causes the planned fault.
pub(crate) fn step<T>(step: WriteStep<'_>, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let plan = plan();
    let points = if matches!(step, WriteStep::Write { .. } | WriteStep::WriteAt { .. }) { 2 } else { 1 };
    let number = TAKEN.fetch_add(points, Ordering::SeqCst) + 1;
    match plan {
        Plan::Kill(at) if *at == number => die(),
        Plan::Kill(at) if points == 2 && *at == number + 1 => {
            write_half(step);
            die();
        }
        Plan::Full(at) if *at < number + points && needs_space(step) => {
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error()));
        }
        Plan::Count(file) => std::fs::write(file, (number + points - 1).to_string())?,
        _ => {}
    }
    let Plan::Trace(file) = plan else { return act() };
    // Locked during the step, so that the order in FILE is the order on the disk.
    let mut file = file.lock().expect("no step panics");
    let taken = act()?;
    let mut line = serde_json::to_vec(&step).expect("a step has a JSON form");
    line.push(b'\n');
    file.write_all(&line)?;
    Ok(taken)
}

fn die() -> ! {
    let _ = kill_process(getpid(), Signal::KILL);
    unreachable!("SIGKILL cannot be survived")
}

fn needs_space(step: WriteStep<'_>) -> bool {
    !matches!(step, WriteStep::SetMode { .. } | WriteStep::Remove { .. } | WriteStep::RemoveDirAll { .. })
}

fn write_half(step: WriteStep<'_>) {
    let _ = match step {
        WriteStep::Write { path, bytes } => std::fs::write(path, &bytes[..bytes.len() / 2]),
        WriteStep::WriteAt { path, offset, bytes } => OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|file| file.write_all_at(&bytes[..bytes.len() / 2], offset)),
        _ => Ok(()),
    };
}
