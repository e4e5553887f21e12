//! `reg-torch`: the worker that trains and scores. `reg` starts it, sends it jobs and reads its events.
//!
//! It is a separate program because linking libtorch adds a third of a second to every start, and because a
//! failure of the worker (a crash, running out of memory) then cannot damage a record.

mod adam;
mod body;
mod calls;
mod checkpoint;
mod device;
mod error;
mod feature_rows;
mod features;
mod gradcam;
mod identity;
mod images;
mod job;
mod layers;
mod loss;
mod memory;
mod net;
mod output;
mod paths;
mod predict;
mod probe;
mod reporter;
mod train;
mod weights;

/// The values of the golden files, for unit tests.
#[cfg(test)]
#[allow(dead_code)]
#[path = "tests/torchvision/formula.rs"]
mod formula;

use std::io::{self, BufRead};
use std::process::ExitCode;

use error::TensorError;
use reg::worker::WorkerEvent;
use reporter::Reporter;

/// Exit code after a signal, which shells use for SIGINT.
const INTERRUPTED: u8 = 130;
const USAGE: u8 = 2;

fn main() -> ExitCode {
    // What is not UTF-8 is no word of ours.
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match arguments.iter().map(|word| word.to_str().unwrap_or("?")).collect::<Vec<_>>()[..] {
        [] => work(),
        ["identity"] => {
            let text =
                serde_json::to_string(&identity::identity()).expect("strings and numbers have a JSON form");
            print(&text)
        }
        ["--version" | "-V"] => print(concat!("reg-torch ", env!("CARGO_PKG_VERSION"))),
        _ => {
            eprintln!(
                "usage: reg-torch [identity | --version]; without arguments it reads jobs from standard input, one a line"
            );
            ExitCode::from(USAGE)
        }
    }
}

fn print(text: &str) -> ExitCode {
    use std::io::Write;
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Does one job after the other until there is none, or one fails.
fn work() -> ExitCode {
    let mut reporter = match Reporter::listen(io::stdout().lock()) {
        Ok(reporter) => reporter,
        Err(e) => {
            eprintln!("reg-torch: {e}");
            return ExitCode::FAILURE;
        }
    };
    if reporter.send(&WorkerEvent::Ready(identity::identity())).is_err() {
        return ExitCode::FAILURE;
    }
    let mut jobs = io::stdin().lock();
    loop {
        let mut text = Vec::new();
        match jobs.read_until(b'\n', &mut text) {
            Ok(0) => return ExitCode::SUCCESS,
            Ok(_) => {}
            Err(e) => {
                eprintln!("reg-torch: the job on standard input cannot be read: {e}");
                return ExitCode::FAILURE;
            }
        }
        reporter.begin();
        let result = job::parse(&text).and_then(|job| job::execute(job, &mut reporter));
        calls::release_memory();
        let (event, code) = match result {
            Ok(outcome) => (WorkerEvent::Done(outcome), None),
            Err(TensorError::Interrupted { epochs, batches }) => {
                (WorkerEvent::Interrupted { epochs, batches }, Some(ExitCode::from(INTERRUPTED)))
            }
            // Nobody would read a message.
            Err(TensorError::Gone) => return ExitCode::FAILURE,
            Err(e) => {
                (WorkerEvent::Failed { message: e.to_string(), hint: e.hint() }, Some(ExitCode::FAILURE))
            }
        };
        match (reporter.send(&event), code) {
            (Ok(()), None) => {}
            (Ok(()), Some(code)) => return code,
            (Err(_), _) => return ExitCode::FAILURE,
        }
    }
}
