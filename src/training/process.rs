//! The worker process: finds it, identifies it, gives it a job and reads its events.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::digits::thousands;
use crate::disk::{Dir, Refused};
use crate::limits;
use crate::records::codec::printable;
use crate::worker::{Identity, Job, JobOutcome, PROTOCOL, WorkerEvent};

const PROGRAM: &str = "reg-torch";
/// What the worker writes to standard error.
const LOG: &str = "worker.log";
/// How often a thread of GNU's OpenMP looks for work before it sleeps.
const SPIN: &str = "GOMP_SPINCOUNT";
/// The variable with settings of glibc's malloc, and settings that make malloc keep freed tensors for the next step.
/// By default malloc returns each large tensor to the system, and every step pays for fresh pages: a fifth of the
/// processor time of a ResNet-50.
const MALLOC: (&str, &str) =
    ("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=8589934592:glibc.malloc.trim_threshold=17179869184");
/// Other variables by which users choose how malloc works.
const OTHER_MALLOC: [&str; 4] =
    ["LD_PRELOAD", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_ARENA_MAX"];
/// Path of the worker, if it is not next to `reg`.
pub const VARIABLE: &str = "REG_TORCH";

/// An error of the worker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The worker is not installed.
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
    /// The program is not reg-torch, or its libraries are missing.
    #[error("the worker {} does not identify itself: {reason}", path.display())]
    Mute {
        /// The program.
        path: PathBuf,
        /// The last line that it wrote to standard error, or its exit status.
        reason: String,
    },
    /// The worker is of another version.
    #[error("the worker {} is version {found}, but this reg is {}", path.display(), env!("CARGO_PKG_VERSION"))]
    OtherVersion {
        /// The program.
        path: PathBuf,
        /// Its version.
        found: String,
    },
    /// The worker reported an error.
    #[error("{message}")]
    Failed {
        /// One sentence.
        message: String,
        /// A hint.
        hint: Option<String>,
    },
    /// The worker ended without reporting a result.
    #[error("the worker ended early ({status}){}", if last.is_empty() { String::new() } else { format!(": {last}") })]
    Died {
        /// Its exit status.
        status: ExitStatus,
        /// The last line that it wrote to standard error.
        last: String,
    },
    /// The worker sent something outside of the protocol.
    #[error("the worker sent `{0}`, which is not part of the protocol")]
    Garbled(String),
    /// The worker was stopped by a signal.
    #[error("interrupted; checkpoint saved after {}", kept(*epochs, *batches))]
    Interrupted {
        /// Number of saved whole epochs.
        epochs: u32,
        /// Number of saved batches of the next epoch.
        batches: u64,
    },
    /// The worker was stopped by a second signal.
    #[error("stopped at once; the run resumes from its last checkpoint")]
    Killed,
    /// The pipe to the worker broke.
    #[error("cannot talk to the worker: {0}")]
    Pipe(io::Error),
}

fn kept(epochs: u32, batches: u64) -> String {
    let count =
        |n: u64, one: &str, many: &str| format!("{} {}", thousands(n), if n == 1 { one } else { many });
    let epochs = count(epochs.into(), "epoch", "epochs");
    match batches {
        0 => epochs,
        _ => format!("{epochs} and {}", count(batches, "batch", "batches")),
    }
}

impl WorkerError {
    /// A hint.
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

/// Receives the events of a worker.
pub trait Listener {
    /// Receives an event that does not end the work, or [`WorkerEvent::Done`].
    fn hear(&mut self, event: &WorkerEvent);
}

/// The result of a job.
#[derive(Debug, Clone, Default)]
pub struct Worked {
    /// The worker's result.
    pub outcome: JobOutcome,
    /// Name of the GPU, if one was used.
    pub gpu: Option<String>,
    /// Whether the GPU was restricted to deterministic algorithms.
    pub deterministic: Option<bool>,
    /// Number of epochs completed by interrupted attempts.
    pub resumed_epochs: u32,
}

impl Worker {
    /// Finds the worker (`$REG_TORCH`, or next to this program) and asks for its identity.
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
        let Said { stdout, stderr, status } = ask(Command::new(&path).arg("identity")).map_err(start)?;
        // Parsed without a schema first: a worker of another version may answer in another form.
        let answer: serde_json::Value = serde_json::from_slice(&stdout).map_err(|_| {
            let last = String::from_utf8_lossy(&stderr).lines().last().map(printable);
            WorkerError::Mute { path: path.clone(), reason: last.unwrap_or_else(|| status.to_string()) }
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

    /// Its identity.
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
        if std::env::var_os(MALLOC.0).is_none()
            && OTHER_MALLOC.iter().all(|name| std::env::var_os(name).is_none())
        {
            command.env(MALLOC.0, MALLOC.1);
        }
        let mut child = command
            // PyTorch requires this for its deterministic algorithms; without a GPU it has no effect.
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
            // The worker was killed after a second signal and could not report it.
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

/// What a program wrote before it ended.
struct Said {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    status: ExitStatus,
}

/// Runs a program. One that writes more than a line of the protocol is killed; what it writes to standard error beyond
/// the limit is thrown away.
fn ask(command: &mut Command) -> io::Result<Said> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut errors = child.stderr.take().expect("it is a pipe");
    let reader = std::thread::spawn(move || {
        let mut stderr = Vec::new();
        let read = errors.by_ref().take(limits::WORKER_LOG).read_to_end(&mut stderr);
        let _ = read.and_then(|_| io::copy(&mut errors, &mut io::sink()));
        stderr
    });
    let mut stdout = Vec::new();
    let output = child.stdout.take().expect("it is a pipe");
    output.take(limits::WORKER_LINE).read_to_end(&mut stdout)?;
    if stdout.len() as u64 == limits::WORKER_LINE {
        let _ = child.kill();
    }
    let status = child.wait()?;
    Ok(Said { stdout, stderr: reader.join().unwrap_or_default(), status })
}

/// Forwards interrupts to the worker, so that it stops cleanly and reports it. At the second interrupt the
/// worker is killed, which costs the work since its last checkpoint.
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
                // The worker may have ended just now.
                let _ = kill_process(pid, if count == 1 { Signal::TERM } else { Signal::KILL });
            }
            count
        });
        Ok(Forwarding { handle, thread })
    }

    /// Stops forwarding and returns whether there was an interrupt.
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
    let mut output = BufReader::new(output);
    loop {
        let mut line = Vec::new();
        let most = limits::WORKER_LINE;
        output.by_ref().take(most).read_until(b'\n', &mut line).map_err(WorkerError::Pipe)?;
        if line.is_empty() {
            return Ok(None);
        }
        let event = match serde_json::from_slice(&line) {
            Ok(event) if line.len() as u64 != most => event,
            _ => {
                let _ = child.kill();
                return Err(WorkerError::Garbled(printable(String::from_utf8_lossy(&line).trim_end())));
            }
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
}

fn last_line(folder: &Dir) -> String {
    let mut end = Vec::new();
    let read = folder.open_file(LOG).and_then(|(mut file, metadata)| {
        file.seek(SeekFrom::Start(metadata.len().saturating_sub(limits::WORKER_LOG)))?;
        file.take(limits::WORKER_LOG).read_to_end(&mut end)
    });
    let text = if read.is_ok() { String::from_utf8_lossy(&end).into_owned() } else { String::new() };
    printable(text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default())
}
