//! The worker process: finds it, identifies it, gives it jobs and reads its events.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::digits::thousands;
use crate::disk::{Dir, Refused};
use crate::limits;
use crate::records::codec::printable;
use crate::worker::{Identity, Job, JobOutcome, PROTOCOL, WorkerEvent, files};

const PROGRAM: &str = "reg-torch";
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
/// How long the standard error of a process that has ended may take to arrive.
const LAST_WORDS: Duration = Duration::from_secs(1);
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

/// The worker program, and the process of it that waits for a job.
///
/// One process does all jobs of a command, because each start costs a fifth of a second.
#[derive(Debug)]
pub struct Worker {
    path: PathBuf,
    identity: Identity,
    /// `None` after a process that ended with an error; the next job starts another.
    process: Mutex<Option<Process>>,
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
    /// Finds the worker (`$REG_TORCH`, or next to this program), starts it and reads its identity.
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
        let mut process = Process::start(&path)?;
        let line = process.line().map_err(WorkerError::Pipe)?;
        // Parsed without a schema first: a worker of another version may answer in another form.
        let Ok(answer) = serde_json::from_slice::<serde_json::Value>(&line) else {
            let (status, last) = process.end(!line.is_empty()).map_err(WorkerError::Pipe)?;
            let reason = if last.is_empty() { status.to_string() } else { last };
            return Err(WorkerError::Mute { path, reason });
        };
        let version = answer.get("worker").and_then(|v| v.as_str()).unwrap_or("unknown").to_owned();
        let protocol = answer.get("protocol").and_then(|v| v.as_u64());
        match serde_json::from_value(answer) {
            Ok(identity) if protocol == Some(PROTOCOL.into()) && version == env!("CARGO_PKG_VERSION") => {
                Ok(Worker { path, identity, process: Mutex::new(Some(process)) })
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
        // Without what an earlier attempt left.
        folder.create(files::WORKER_LOG).map_err(WorkerError::Pipe)?;
        let mut place = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let mut process = match place.take() {
            Some(process) => process,
            None => {
                let mut process = Process::start(&self.path)?;
                // It identifies itself as the first one did.
                process.line().map_err(WorkerError::Pipe)?;
                process
            }
        };
        let forwarding = Forwarding::to(&process.child).map_err(WorkerError::Pipe)?;
        let result = process.converse(job, listener);
        let ended = match &result {
            Ok(Some(_)) => None,
            // It has ended, or will: nobody reads it.
            Ok(None) => Some(process.end(false)),
            Err(_) => Some(process.end(true)),
        };
        let asked_to_stop = forwarding.end();
        let died = |ended: io::Result<(ExitStatus, String)>| {
            let (status, said) = ended.map_err(WorkerError::Pipe)?;
            let logged = last_line(&folder);
            Err(WorkerError::Died { status, last: if logged.is_empty() { said } else { logged } })
        };
        match (result, ended) {
            (Ok(Some(worked)), _) => {
                *place = Some(process);
                Ok(worked)
            }
            // The worker was killed after a second signal and could not report it.
            (Ok(None), _) if asked_to_stop => Err(WorkerError::Killed),
            (Ok(None), Some(ended)) => died(ended),
            // A worker that died before it read its job broke the pipe; how it died says more.
            (Err(WorkerError::Pipe(e)), Some(ended)) if e.kind() == io::ErrorKind::BrokenPipe => died(ended),
            (Err(e), _) => Err(e),
            (Ok(None), None) => unreachable!("a process without a result was waited for"),
        }
    }
}

/// A process of the worker.
#[derive(Debug)]
struct Process {
    child: Child,
    /// `None` once it is being ended.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// What it writes to standard error before its first job; from then on that goes to the job's folder.
    errors: Receiver<Vec<u8>>,
}

impl Process {
    fn start(path: &Path) -> Result<Self, WorkerError> {
        let mut command = Command::new(path);
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
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| WorkerError::Start { path: path.to_owned(), source })?;
        let mut errors = child.stderr.take().expect("it is a pipe");
        let (to, from) = channel();
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let read = errors.by_ref().take(limits::WORKER_LOG).read_to_end(&mut text);
            // What is longer is thrown away.
            let _ = read.and_then(|_| io::copy(&mut errors, &mut io::sink()));
            let _ = to.send(text);
        });
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("it is a pipe"));
        Ok(Process { child, input, output, errors: from })
    }

    /// Reads a line, or what there is of one that is too long; empty at the end of the output.
    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.output.by_ref().take(limits::WORKER_LINE).read_until(b'\n', &mut line)?;
        Ok(line)
    }

    /// Waits for its end, after killing it if asked to; the last line that it wrote to standard error before its
    /// first job.
    fn end(&mut self, kill: bool) -> io::Result<(ExitStatus, String)> {
        self.input = None;
        if kill {
            let _ = self.child.kill();
        }
        let status = self.child.wait()?;
        // If the worker is a script, a program that it started may keep the pipe open.
        let errors = self.errors.recv_timeout(LAST_WORDS).unwrap_or_default();
        Ok((status, last_of(&String::from_utf8_lossy(&errors))))
    }

    /// Sends a job and reads its events. `None` if the output ends before the result.
    fn converse(&mut self, job: &Job, listener: &mut dyn Listener) -> Result<Option<Worked>, WorkerError> {
        let mut document = serde_json::to_vec(job).map_err(|e| WorkerError::Pipe(e.into()))?;
        document.push(b'\n');
        let Some(input) = &mut self.input else { return Ok(None) };
        input.write_all(&document).map_err(WorkerError::Pipe)?;
        let mut worked = Worked::default();
        loop {
            let line = self.line().map_err(WorkerError::Pipe)?;
            if line.is_empty() {
                return Ok(None);
            }
            let event = match serde_json::from_slice(&line) {
                Ok(event) if (line.len() as u64) < limits::WORKER_LINE => event,
                _ => {
                    let line = String::from_utf8_lossy(&line);
                    return Err(WorkerError::Garbled(printable(line.trim_end())));
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
}

impl Drop for Process {
    /// Whatever waits for a job has nothing to lose, and ending libtorch in order takes time.
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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

fn last_line(folder: &Dir) -> String {
    let mut end = Vec::new();
    let read = folder.open_file(files::WORKER_LOG).and_then(|(mut file, metadata)| {
        file.seek(SeekFrom::Start(metadata.len().saturating_sub(limits::WORKER_LOG)))?;
        file.take(limits::WORKER_LOG).read_to_end(&mut end)
    });
    read.map(|_| last_of(&String::from_utf8_lossy(&end))).unwrap_or_default()
}

/// The last line that is not blank.
fn last_of(text: &str) -> String {
    printable(text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default())
}
