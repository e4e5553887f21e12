//! The environment, which only the binary knows: clock, machine, command line, source tree.

use reg::escape::shell_os;
use reg::records::{Git, Model};
use reg::registry::{Cutoff, Stamp};
use reg::training::Environment;

/// Determined once, when the program starts.
pub(crate) fn look() -> Environment {
    let uname = rustix::system::uname();
    Environment {
        stamp: Stamp { time: now(), command: command() },
        now,
        host: uname.nodename().to_string_lossy().into_owned(),
        cpu: cpu().unwrap_or_else(|| uname.machine().to_string_lossy().into_owned()),
        cores: cores(),
        git: commit().map(|commit| Git { commit: format!("git:{commit}"), clean: is_clean() }),
    }
}

/// The commit that this program was built from; none for a source archive.
pub(super) fn commit() -> Option<&'static str> {
    option_env!("REG_GIT_COMMIT").filter(|commit| !commit.is_empty())
}

/// Whether there were no changes on top of it.
pub(super) fn is_clean() -> bool {
    option_env!("REG_GIT_CLEAN") == Some("true")
}

/// Number of cores available to this process.
pub(crate) fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as u32)
}

/// Default number of threads of a training: all cores, or one for a network without images. Its steps are so small
/// that a second thread waits longer than it computes: it makes `mlp` 1.7 times as slow on 112,120 rows.
pub(crate) fn default_threads(model: &Model) -> u32 {
    if model.architecture.image().is_some() { cores() } else { 1 }
}

fn now() -> String {
    // Truncated, not rounded, so that no time is in the future.
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

/// The time `days` days ago; for 0 days, a time after that of every object.
pub(crate) fn days_ago(days: u32) -> Cutoff {
    if days == 0 {
        return Cutoff { seconds: i64::MAX, time: jiff::Timestamp::MAX.to_string() };
    }
    let seconds = jiff::Timestamp::now().as_second() - i64::from(days) * 86_400;
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    Cutoff { seconds, time: moment.to_string() }
}

/// The command line of this process, quoted for a shell.
pub(crate) fn command() -> String {
    let quoted = std::env::args_os().skip(1).map(shell_os);
    std::iter::once("reg".to_owned()).chain(quoted).collect::<Vec<_>>().join(" ")
}

fn cpu() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_owned())
}
