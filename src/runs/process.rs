//! The worker as a process: found, asked who it is, given a job, listened to.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::disk::{Dir, Refused};
use crate::worker::{Identity, Job, JobOutcome, PROTOCOL, WorkerEvent};

const PROGRAM: &str = "reg-torch";
/// What the worker writes to standard error.
const LOG: &str = "worker.log";
/// Bytes at the end of it in which its last line is looked for.
const MAX_LAST: u64 = 64 << 10;
/// How often a thread of GNU's OpenMP looks for work before it sleeps.
const SPIN: &str = "GOMP_SPINCOUNT";
/// Names the worker where it does not lie beside `reg`.
pub const VARIABLE: &str = "REG_TORCH";

/// A worker that is not there, not ours, or that failed.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// There is none.
    #[error("this command needs the worker {}, which is not installed", .0.display())]
    Missing(PathBuf),
    /// It cannot be started.
    #[error("cannot start the worker {}: {source}", path.display())]
    Start {
        /// The program.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is no reg-torch, or its libraries are missing.
    #[error("the worker {} does not identify itself: {reason}", path.display())]
    Mute {
        /// The program.
        path: PathBuf,
        /// The last line that it wrote to standard error, or its exit status.
        reason: String,
    },
    /// It is of another version.
    #[error("the worker {} is version {found}, but this reg is {}", path.display(), env!("CARGO_PKG_VERSION"))]
    OtherVersion {
        /// The program.
        path: PathBuf,
        /// Its version.
        found: String,
    },
    /// It said so itself.
    #[error("{message}")]
    Failed {
        /// One sentence.
        message: String,
        /// What might help.
        hint: Option<String>,
    },
    /// It ended without a word.
    #[error("the worker ended early ({status}){}", if last.is_empty() { String::new() } else { format!(": {last}") })]
    Died {
        /// How.
        status: ExitStatus,
        /// The last line that it wrote to standard error.
        last: String,
    },
    /// It said something that is not in the protocol.
    #[error("the worker sent `{0}`, which is not part of the protocol")]
    Garbled(String),
    /// It was stopped by a signal.
    #[error("interrupted; checkpoint saved after {}", kept(*epochs, *batches))]
    Interrupted {
        /// Whole epochs that are kept.
        epochs: u32,
        /// Batches of the next one that are kept.
        batches: u64,
    },
    /// It was stopped by a second signal.
    #[error("stopped at once; the run resumes from its last checkpoint")]
    Killed,
    /// The pipe to it broke.
    #[error("cannot talk to the worker: {0}")]
    Pipe(io::Error),
}

fn kept(epochs: u32, batches: u64) -> String {
    let count = |n: u64, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
    let epochs = count(epochs.into(), "epoch", "epochs");
    match batches {
        0 => epochs,
        _ => format!("{epochs} and {}", count(batches, "batch", "batches")),
    }
}

impl WorkerError {
    /// What might help.
    pub fn hint(&self) -> Option<String> {
        match self {
            WorkerError::Missing(_) => Some(format!(
                "install it with `cargo install --path src/tensor`, or set {VARIABLE}; everything except training and inference works without it"
            )),
            WorkerError::OtherVersion { .. } => {
                Some(format!("build both from the same source, or set {VARIABLE} to another worker"))
            }
            WorkerError::Mute { .. } => {
                Some("run it with the argument `identity` to see the error".to_owned())
            }
            WorkerError::Failed { hint, .. } => hint.clone(),
            WorkerError::Died { status, .. } => {
                use std::os::unix::process::ExitStatusExt;
                (status.signal() == Some(9)).then(|| {
                    "signal 9 often means that the system ran out of memory: try a smaller `batch`; the run resumes where it stopped".to_owned()
                })
            }
            WorkerError::Interrupted { .. } | WorkerError::Killed => {
                Some("run the same command again to resume".to_owned())
            }
            WorkerError::Pipe(e) => Refused::behind(e).and_then(Refused::hint),
            WorkerError::Start { .. } | WorkerError::Garbled(_) => None,
        }
    }
}

/// The worker program.
#[derive(Debug, Clone)]
pub struct Worker {
    path: PathBuf,
    identity: Identity,
}

/// What a caller hears while a worker works.
pub trait Listener {
    /// Hears an event that does not end the work, or its [`WorkerEvent::Done`].
    fn hear(&mut self, event: &WorkerEvent);
}

/// What a piece of work came to.
#[derive(Debug, Clone, Default)]
pub struct Worked {
    /// What the worker says.
    pub outcome: JobOutcome,
    /// Name of the GPU, where one was used.
    pub gpu: Option<String>,
    /// Whether that GPU was held to algorithms that give the same bits at every run.
    pub deterministic: Option<bool>,
    /// Epochs that were there from an interrupted training.
    pub resumed_epochs: u32,
}

impl Worker {
    /// Finds the worker (`$REG_TORCH`, or beside this program) and asks who it is.
    pub fn find() -> Result<Self, WorkerError> {
        let path = match std::env::var_os(VARIABLE) {
            Some(path) => PathBuf::from(path),
            None => {
                let here = std::env::current_exe().ok();
                here.and_then(|exe| exe.parent().map(|dir| dir.join(PROGRAM)))
                    .unwrap_or_else(|| PROGRAM.into())
            }
        };
        if !path.is_file() {
            return Err(WorkerError::Missing(path));
        }
        let start = |source| WorkerError::Start { path: path.clone(), source };
        let output = Command::new(&path).arg("identity").stdin(Stdio::null()).output().map_err(start)?;
        // Read loosely first: a worker of another version may answer in another form.
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|_| {
            let last = String::from_utf8_lossy(&output.stderr).lines().last().map(str::to_owned);
            WorkerError::Mute {
                path: path.clone(),
                reason: last.unwrap_or_else(|| output.status.to_string()),
            }
        })?;
        let version = answer.get("worker").and_then(|v| v.as_str()).unwrap_or("unknown").to_owned();
        let protocol = answer.get("protocol").and_then(|v| v.as_u64());
        match serde_json::from_value(answer) {
            Ok(identity) if protocol == Some(PROTOCOL.into()) && version == env!("CARGO_PKG_VERSION") => {
                Ok(Worker { path, identity })
            }
            _ => Err(WorkerError::OtherVersion { path, found: version }),
        }
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Has it do a job. Its standard error goes to `worker.log` beside its files.
    pub fn run(&self, job: &Job, listener: &mut dyn Listener) -> Result<Worked, WorkerError> {
        let folder = job.folder(&job.out).map_err(WorkerError::Pipe)?;
        let log = folder.create(LOG).map_err(WorkerError::Pipe)?;
        let mut command = Command::new(&self.path);
        // A fault at a step is one of this program's.
        #[cfg(feature = "faults")]
        command.env_remove("REG_FAULT");
        // OpenMP's threads spin for milliseconds before they sleep: time that images could be decoded in, and that
        // a second training on the same cores waits for. Whoever has set it knows better.
        if [SPIN, "OMP_WAIT_POLICY"].iter().all(|name| std::env::var_os(name).is_none()) {
            command.env(SPIN, "1000");
        }
        let mut child = command
            // PyTorch documents this beside its deterministic algorithms; without a GPU it means nothing.
            .env("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|source| WorkerError::Start { path: self.path.clone(), source })?;
        let forwarding = Forwarding::to(&child).map_err(WorkerError::Pipe)?;
        let result = converse(&mut child, job, listener);
        let status = child.wait().map_err(WorkerError::Pipe)?;
        let asked_to_stop = forwarding.end();
        match result {
            Ok(Some(worked)) => Ok(worked),
            // It was killed by a second signal and could not say so.
            Ok(None) if asked_to_stop => Err(WorkerError::Killed),
            Ok(None) => Err(WorkerError::Died { status, last: last_line(&folder) }),
            // A worker that died before it read its job broke the pipe; how it died says more.
            Err(WorkerError::Pipe(e)) if e.kind() == io::ErrorKind::BrokenPipe => {
                Err(WorkerError::Died { status, last: last_line(&folder) })
            }
            Err(e) => Err(e),
        }
    }
}

/// Passes interrupts on while a worker works, so that it stops cleanly and says so. At the second
/// interrupt it is killed, which costs what it has done since its state was kept last.
struct Forwarding {
    handle: signal_hook::iterator::Handle,
    thread: std::thread::JoinHandle<u32>,
}

impl Forwarding {
    fn to(child: &Child) -> io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let handle = signals.handle();
        let pid = Pid::from_child(child);
        let thread = std::thread::spawn(move || {
            let mut count = 0;
            for _ in signals.forever() {
                count += 1;
                // It may have ended in this very moment.
                let _ = kill_process(pid, if count == 1 { Signal::TERM } else { Signal::KILL });
            }
            count
        });
        Ok(Forwarding { handle, thread })
    }

    /// Stops listening and says whether there was an interrupt.
    fn end(self) -> bool {
        self.handle.close();
        self.thread.join().is_ok_and(|count| count > 0)
    }
}

fn converse(
    child: &mut Child,
    job: &Job,
    listener: &mut dyn Listener,
) -> Result<Option<Worked>, WorkerError> {
    let document = serde_json::to_vec(job).map_err(|e| WorkerError::Pipe(e.into()))?;
    let mut input = child.stdin.take().expect("the worker's standard input is a pipe");
    input.write_all(&document).map_err(WorkerError::Pipe)?;
    drop(input);
    let output = child.stdout.take().expect("the worker's standard output is a pipe");
    let mut worked = Worked::default();
    for line in BufReader::new(output).lines() {
        let line = line.map_err(WorkerError::Pipe)?;
        let Ok(event) = serde_json::from_str(&line) else {
            let _ = child.kill();
            return Err(WorkerError::Garbled(line));
        };
        match event {
            WorkerEvent::Interrupted { epochs, batches } => {
                return Err(WorkerError::Interrupted { epochs, batches });
            }
            WorkerEvent::Failed { message, hint } => return Err(WorkerError::Failed { message, hint }),
            _ => listener.hear(&event),
        }
        match event {
            WorkerEvent::Started { gpu, deterministic, resumed_epochs, .. } => {
                worked = Worked { gpu, deterministic, resumed_epochs, ..worked };
            }
            WorkerEvent::Done(outcome) => return Ok(Some(Worked { outcome, ..worked })),
            _ => {}
        }
    }
    Ok(None)
}

fn last_line(folder: &Dir) -> String {
    let mut text = Vec::new();
    let read = folder.open_file(LOG).and_then(|(mut file, metadata)| {
        // Only the end of it is of interest.
        file.seek(SeekFrom::Start(metadata.len().saturating_sub(MAX_LAST)))?;
        file.take(MAX_LAST).read_to_end(&mut text)
    });
    if read.is_err() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&text);
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
}
