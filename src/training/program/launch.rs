//! The last step before a program: confines the process to the program's files and becomes the program.
//!
//! Runs in a process of its own, `reg` started by `reg` with [`ARGUMENT`]: what Landlock and seccomp forbid a process they
//! forbid all that the process starts, and cannot be taken back.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Seek, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope, path_beneath_rules,
};
use nix::libc;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use serde::{Deserialize, Serialize};

use crate::limits;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// The first argument of a process that becomes a program; the second is the path of its plan.
pub const ARGUMENT: &str = "become-program";
/// The newest interface of Landlock whose rights are asked for; an older kernel grants those that it knows.
const NEWEST: ABI = ABI::V6;
/// What a shell answers if a program cannot be started.
const NOT_STARTED: u8 = 126;

/// Calls that change modes, owners, times or attributes of files, for which Landlock has no right: by them a program
/// could open the registry, or the files of its user, to others. Programs copy files with such calls, so that these
/// succeed and do nothing. The numbers are those of calls that libc has no names for: fchmodat2, setxattrat,
/// removexattrat.
const IGNORED: &[libc::c_long] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    452,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    463,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    466,
];
/// Calls that fail as in a kernel without them: memory and queues of System V, which outlive a process and lead from one
/// run to another, and rings, which make calls that no filter sees.
const MISSING: &[libc::c_long] =
    &[libc::SYS_shmget, libc::SYS_msgget, libc::SYS_semget, libc::SYS_io_uring_setup];

/// What a process becomes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LaunchPlan {
    /// Files and folders to read and execute.
    pub(super) read: Vec<PathBuf>,
    /// Folders to write to, and devices.
    pub(super) write: Vec<PathBuf>,
    /// Whether TCP is forbidden, where the network is not kept away by other means.
    pub(super) forbid_tcp: bool,
    /// The file into which the process writes what was enforced.
    pub(super) status: PathBuf,
    /// The program.
    pub(super) program: PathBuf,
    /// Its arguments.
    pub(super) arguments: Vec<String>,
}

/// What was enforced, or why the program could not be started.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Launched {
    /// Version of Landlock's interface; none if the kernel has none.
    pub(super) landlock: Option<u32>,
    /// Whether TCP is refused.
    pub(super) tcp: bool,
    /// Why it could not be started.
    pub(super) error: Option<String>,
}

/// Confines this process and becomes the program of a plan; returns only if that fails.
pub fn become_program(plan: &Path) -> ExitCode {
    let read = limits::read(plan, limits::ARRAY).ok();
    let Some(plan) = read.and_then(|bytes| serde_json::from_slice::<LaunchPlan>(&bytes).ok()) else {
        return ExitCode::from(NOT_STARTED);
    };
    // Opened before the process is confined.
    let Ok(mut status) = File::create(&plan.status) else { return ExitCode::from(NOT_STARTED) };
    close_inherited(&status);
    let mut launched = match confine(&plan) {
        Ok(launched) => launched,
        Err(e) => Launched { landlock: None, tcp: false, error: Some(e.to_string()) },
    };
    let _ = tell(&mut status, &launched);
    if launched.error.is_none() {
        launched.error = Some(Command::new(&plan.program).args(&plan.arguments).exec().to_string());
        let _ = tell(&mut status, &launched);
    }
    ExitCode::from(NOT_STARTED)
}

/// Replaces what the file says.
fn tell(status: &mut File, launched: &Launched) -> std::io::Result<()> {
    status.rewind()?;
    status.set_len(0)?;
    status.write_all(&serde_json::to_vec(launched)?)
}

/// Closes what whoever started reg had open, such as `9<labels.csv`: what is open can be read, whatever is forbidden.
fn close_inherited(status: &File) {
    let open = fs::read_dir("/proc/self/fd").map(|entries| {
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<RawFd>().ok();
        entries.flatten().filter_map(number).collect::<Vec<_>>()
    });
    let open = open.unwrap_or_else(|_| (3..1024).collect());
    for number in open.into_iter().filter(|number| *number > 2 && *number != status.as_raw_fd()) {
        let _ = nix::unistd::close(number);
    }
}

/// Installs a filter with which some calls end with an error number, or as if they had done their work with 0.
fn answer_calls(calls: &[libc::c_long], with: i32) -> Result<(), AnyError> {
    let rules: BTreeMap<i64, Vec<_>> = calls.iter().map(|call| (*call, Vec::new())).collect();
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let action = SeccompAction::Errno(with as u32);
    let filter: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, action, arch)?.try_into()?;
    Ok(seccompiler::apply_filter(&filter)?)
}

/// Takes the rights of root from this process and all that it becomes, but for that to every file, which Landlock
/// confines: with others it could read the memory and the environment of processes outside.
fn drop_capabilities() {
    let kept = CapabilitySet::DAC_OVERRIDE;
    let Ok(now) = capabilities(None) else { return };
    let [effective, permitted, inheritable] =
        [now.effective, now.permitted, now.inheritable].map(|set| set & kept);
    // Without this, a program of root gets all of them back.
    let _ = set_no_new_privs(true);
    let _ = set_capabilities(None, CapabilitySets { effective, permitted, inheritable });
}

fn confine(plan: &LaunchPlan) -> Result<Launched, AnyError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?;
    if plan.forbid_tcp {
        rules = rules.handle_access(AccessNet::from_all(NEWEST))?;
    }
    let status = rules
        .create()?
        .add_rules(path_beneath_rules(&plan.read, AccessFs::from_read(NEWEST)))?
        .add_rules(path_beneath_rules(&plan.write, AccessFs::from_all(NEWEST)))?
        .restrict_self()?;
    drop_capabilities();
    answer_calls(IGNORED, 0)?;
    answer_calls(MISSING, libc::ENOSYS)?;
    let version = match status.landlock {
        LandlockStatus::Available { effective_abi, kernel_abi } => {
            let number = (1..=64).find(|number| ABI::from(*number) == effective_abi);
            kernel_abi.or(number).and_then(|version| u32::try_from(version).ok())
        }
        _ => None,
    };
    let enforced = status.ruleset != RulesetStatus::NotEnforced;
    let landlock = version.filter(|_| enforced);
    // TCP is among the rights since version 4.
    Ok(Launched { landlock, tcp: plan.forbid_tcp && landlock >= Some(4), error: None })
}
