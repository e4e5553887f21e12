//! The process of a program: started in a group of its own, heard, and ended with all that it has started.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::error::ProgramError;
use super::launch::{ARGUMENT, LaunchPlan, Launched};
use crate::escape;
use crate::limits;
use crate::records::{Isolation, NetworkIsolation};
use crate::training::process::Listener;
use crate::worker::WorkerEvent;

/// How long a program may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(10);
/// How long output is waited for that something has kept open which outlived the program.
const DRAIN: Duration = Duration::from_secs(2);
/// How often the process is looked at.
const TICK: Duration = Duration::from_millis(20);
/// The variable that names the folder of a program's outputs, which no other program has.
const MARK: &str = "REG_OUT";
/// The folder of shared memory.
const MEMORY: &str = "/dev/shm";
/// The longest line that is shown while the program runs.
const SHOWN: usize = 400;

/// What a program wrote: the beginning and the end, where there is more than the limit.
#[derive(Debug, Default)]
pub(super) struct Said {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl Said {
    fn add(&mut self, bytes: &[u8]) {
        let room = limits::PROGRAM_SAID - self.head.len();
        let (head, rest) = bytes.split_at(bytes.len().min(room));
        self.head.extend(head);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(limits::PROGRAM_SAID);
        self.tail.drain(..over);
        self.left_out += over as u64;
    }

    /// All of it, with a line in place of what was left out.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut all = self.head.clone();
        if self.left_out > 0 {
            all.extend(format!("\n[{} bytes left out]\n", self.left_out).into_bytes());
        }
        all.extend(self.tail.iter());
        all
    }

    /// The last line with a visible character.
    fn last_line(&self) -> String {
        let end: Vec<u8> =
            if self.tail.is_empty() { self.head.clone() } else { self.tail.iter().copied().collect() };
        let text = String::from_utf8_lossy(&end[end.len().saturating_sub(limits::WORKER_LOG as usize)..])
            .into_owned();
        shown(text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default())
    }
}

fn shown(line: &str) -> String {
    let line = line.rsplit('\r').find(|part| !part.trim().is_empty()).unwrap_or_default();
    escape::line(&line.chars().take(SHOWN).collect::<String>())
}

/// A program that ended with status 0.
pub(super) struct EndedProgram {
    pub(super) stdout: Said,
    pub(super) stderr: Said,
    pub(super) isolation: Isolation,
}

/// How a program is started.
pub(super) struct Start<'a> {
    /// The plan of its process; `forbid_tcp` and `status` are filled in.
    pub(super) plan: LaunchPlan,
    /// The file that holds the plan.
    pub(super) plan_file: &'a Path,
    /// The folder in which it runs.
    pub(super) folder: &'a Path,
    /// Its environment.
    pub(super) variables: Vec<(String, std::ffi::OsString)>,
    /// Whether it may use the network.
    pub(super) network: bool,
    /// How long it may take.
    pub(super) timeout: Option<Duration>,
}

impl Start<'_> {
    /// Runs the program to its end.
    pub(super) fn run(mut self, listener: &mut dyn Listener) -> Result<EndedProgram, ProgramError> {
        let reg = std::env::current_exe().map_err(|e| ProgramError::io(Path::new("reg"), &e))?;
        let namespaces = Namespaces::find(!self.network);
        self.plan.forbid_tcp = !self.network && !namespaces.network;
        if !namespaces.memory {
            self.plan.write.retain(|path| path != Path::new(MEMORY));
        }
        let text = serde_json::to_vec(&self.plan)
            .map_err(|_| ProgramError::NotText(self.plan.program.to_string_lossy().into_owned()))?;
        std::fs::write(self.plan_file, text).map_err(|e| ProgramError::io(self.plan_file, &e))?;
        let mut command = match namespaces.command.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&reg);
                command
            }
            None => Command::new(&reg),
        };
        let child = command
            .arg(ARGUMENT)
            .arg(self.plan_file)
            .current_dir(self.folder)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn();
        let mut child = child.map_err(|e| self.not_started(&e.to_string()))?;
        let heard = hear(&mut child, &self.mark(), self.timeout, listener);
        let status = std::fs::read(&self.plan.status).unwrap_or_default();
        let launched = serde_json::from_slice::<Launched>(&status).ok();
        if let Some(error) = launched.as_ref().and_then(|launched| launched.error.as_ref()) {
            return Err(self.not_started(error));
        }
        let (status, [stdout, stderr]) = heard?;
        let Some(launched) = launched else { return Err(self.not_started(&stderr.last_line())) };
        if !status.success() {
            return Err(ProgramError::Failed { status: told(status), last: stderr.last_line() });
        }
        let network = match (self.network, namespaces.network, launched.tcp) {
            (true, ..) => NetworkIsolation::Allowed,
            (false, true, _) => NetworkIsolation::Namespace,
            (false, false, true) => NetworkIsolation::Tcp,
            (false, false, false) => NetworkIsolation::None,
        };
        Ok(EndedProgram { stdout, stderr, isolation: Isolation { landlock: launched.landlock, network } })
    }

    /// The variable by which all processes of this program are found, those in a group of their own too.
    fn mark(&self) -> Vec<u8> {
        let own = self.variables.iter().find(|(name, _)| name == MARK);
        own.map_or_else(Vec::new, |(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat())
    }

    fn not_started(&self, reason: &str) -> ProgramError {
        ProgramError::Start { path: self.plan.program.clone(), reason: reason.to_owned() }
    }
}

fn told(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(9)) => "signal 9, often a lack of memory".to_owned(),
        (None, signal) => format!("signal {}", signal.unwrap_or(0)),
    }
}

/// What a process can have of its own here.
struct Namespaces {
    /// A command that gives it that, to be followed by the command of the process; empty if there is none.
    command: Vec<&'static str>,
    /// A network without any interface.
    network: bool,
    /// Shared memory, which vanishes with the process: other runs must not find in it what this one leaves.
    memory: bool,
}

impl Namespaces {
    /// The most that the system allows, with the rights of this process or in a user namespace.
    fn find(network: bool) -> Self {
        const USER: [&str; 3] = ["--user", "--map-current-user", "--keep-caps"];
        const MOUNT: [&str; 4] =
            ["sh", "-c", "mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /dev/shm && exec \"$@\"", "sh"];
        for (memory, user) in [(true, false), (true, true), (false, false), (false, true)] {
            if !memory && !network {
                break;
            }
            let mut command = vec!["unshare"];
            command.extend(user.then_some(USER).into_iter().flatten());
            command.extend(network.then_some("--net"));
            command.extend(memory.then_some("--mount"));
            command.push("--");
            command.extend(memory.then_some(MOUNT).into_iter().flatten());
            let mut trial = Command::new(command[0]);
            trial.args(&command[1..]).arg("true");
            trial.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if trial.status().is_ok_and(|status| status.success()) {
                return Namespaces { command, network, memory };
            }
        }
        Namespaces { command: Vec::new(), network: false, memory: false }
    }
}

/// A line of output, or the end of one of the two.
type Heard = Receiver<String>;

/// Reads a pipe to its end in a thread, and passes each line on.
fn reader(pipe: impl Read + Send + 'static, lines: Sender<String>) -> (Arc<Mutex<Said>>, JoinHandle<()>) {
    let said = Arc::new(Mutex::new(Said::default()));
    let kept = Arc::clone(&said);
    let thread = std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        loop {
            let piece = match pipe.fill_buf() {
                Ok([]) => break,
                Ok(piece) => piece.to_vec(),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            pipe.consume(piece.len());
            lock(&said).add(&piece);
            for byte in piece {
                match byte {
                    b'\n' => {
                        let text = shown(&String::from_utf8_lossy(&line));
                        if !text.is_empty() {
                            let _ = lines.send(text);
                        }
                        line.clear();
                    }
                    byte if line.len() < 4 * SHOWN => line.push(byte),
                    // A bar that is drawn again and again.
                    b'\r' => line.clear(),
                    _ => {}
                }
            }
        }
    });
    (kept, thread)
}

fn lock(said: &Mutex<Said>) -> MutexGuard<'_, Said> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the processes that have a variable in their environment.
fn end_marked(mark: &[u8]) {
    if mark.is_empty() {
        return;
    }
    // A process may start another while the others are ended.
    for _ in 0..8 {
        let mut found = false;
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| Pid::from_raw(name.parse().ok()?));
            let Some(pid) = pid else { continue };
            let environment = limits::read(&entry.path().join("environ"), limits::PROGRAM_ANSWER);
            let Ok(environment) = environment else { continue };
            if environment.split(|byte| *byte == 0).any(|variable| variable == mark) {
                found |= kill_process(pid, Signal::KILL).is_ok();
            }
        }
        if !found {
            return;
        }
        std::thread::sleep(TICK);
    }
}

/// Waits for the end of a program. A signal or the time limit ends its whole group.
fn hear(
    child: &mut Child,
    mark: &[u8],
    timeout: Option<Duration>,
    listener: &mut dyn Listener,
) -> Result<(ExitStatus, [Said; 2]), ProgramError> {
    let wrong = |e: io::Error| ProgramError::io(Path::new("the program"), &e);
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(wrong)?;
    let group = Pid::from_child(child);
    let (sender, lines) = channel();
    let (stdout, out) = reader(child.stdout.take().expect("a pipe"), sender.clone());
    let (stderr, err) = reader(child.stderr.take().expect("a pipe"), sender);
    let begun = Instant::now();
    let mut ending: Option<(Instant, ProgramError)> = None;
    let status = loop {
        match lines.recv_timeout(TICK) {
            Ok(message) => listener.hear(&WorkerEvent::Note { message }),
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(TICK),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Some(status) = child.try_wait().map_err(wrong)? {
            break status;
        }
        let signalled = signals.pending().next().is_some();
        let late = timeout.filter(|timeout| begun.elapsed() > *timeout);
        match &ending {
            None if signalled || late.is_some() => {
                let why = late.map_or(ProgramError::Interrupted, ProgramError::TimedOut);
                ending = Some((Instant::now(), why));
                let _ = kill_process_group(group, Signal::TERM);
            }
            Some((asked, _)) if signalled || asked.elapsed() > GRACE => {
                let _ = kill_process_group(group, Signal::KILL);
            }
            _ => {}
        }
    };
    // Whatever it has started and left behind.
    let _ = kill_process_group(group, Signal::KILL);
    end_marked(mark);
    drain(&lines, listener);
    let ended = Instant::now();
    while !(out.is_finished() && err.is_finished()) && ended.elapsed() < DRAIN {
        std::thread::sleep(TICK);
    }
    // What was read so far, where something keeps a pipe open.
    let said = [stdout, stderr].map(|said| std::mem::take(&mut *lock(&said)));
    match ending {
        Some((_, why)) => Err(why),
        None => Ok((status, said)),
    }
}

/// Passes on what was written before the end.
fn drain(lines: &Heard, listener: &mut dyn Listener) {
    let begun = Instant::now();
    while let Some(left) = DRAIN.checked_sub(begun.elapsed()) {
        match lines.recv_timeout(left) {
            Ok(message) => listener.hear(&WorkerEvent::Note { message }),
            Err(_) => break,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_much_output_the_beginning_and_the_end_are_kept() {
        let mut said = Said::default();
        said.add(b"first\n");
        said.add(&vec![b'.'; 3 * limits::PROGRAM_SAID]);
        said.add(b"\nlast\r\n");
        let bytes = said.bytes();
        assert!(bytes.starts_with(b"first\n...") && bytes.ends_with(b"...\nlast\r\n"));
        assert!(bytes.len() < 2 * limits::PROGRAM_SAID + 100);
        assert!(String::from_utf8_lossy(&bytes).contains(&format!("[{} bytes left out]", said.left_out)));
        assert_eq!(said.last_line(), "last");
    }
}
