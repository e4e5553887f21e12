//! A program run again, and what is different about the machine.

use std::path::Path;

use super::super::process::Listener;
use super::super::{Environment, RunError, unfinished};
use super::attempt::run_in;
use super::interpreter::{Executable, gpus};
use super::scores::SubsetScores;
use super::{outputs, source};
use crate::disk::Doing;
use crate::hash::Hash;
use crate::limits;
use crate::records::{Execution, ProgramEnvironment, ProgramSpec};
use crate::registry::{Registry, RegistryError};

/// In what the surroundings differ from those of a run.
pub(super) fn changed(
    registry: &Registry,
    cpu: &str,
    then: &ProgramEnvironment,
    executable: &Executable,
    environment: &Environment,
) -> Result<Vec<String>, RunError> {
    let mut changes = Vec::new();
    let mut differs = |what: &str, then: String, now: String| {
        if then != now {
            changes.push(format!("{what} was {then} and is {now}"));
        }
    };
    if let Some(path) = &executable.interpreter {
        differs("the interpreter's file", then.executable.clone(), path.to_string_lossy().into_owned());
    }
    differs("the processor", cpu.to_owned(), environment.cpu.clone());
    let gpus_of = |all: &[String]| if all.is_empty() { "none".to_owned() } else { all.join("; ") };
    differs("the GPU", gpus_of(&then.gpus), gpus_of(&gpus()));
    let before = then.packages.map(|id| registry.store().read(&id.hash)).transpose()?;
    let before = before.map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default();
    let now = executable.packages().list.unwrap_or_default();
    let split = |line: &str| {
        let (name, version) = line.split_once(' ').unwrap_or((line, ""));
        (name.to_owned(), version.to_owned())
    };
    let one: std::collections::BTreeMap<_, _> =
        before.lines().filter(|line| !line.is_empty()).map(split).collect();
    let other: std::collections::BTreeMap<_, _> =
        now.iter().filter(|line| !line.is_empty()).map(|line| split(line)).collect();
    for name in one.keys().chain(other.keys()).collect::<std::collections::BTreeSet<_>>() {
        let told = |of: Option<&String>| of.cloned().unwrap_or_else(|| "not installed".to_owned());
        differs(name, told(one.get(name)), told(other.get(name)));
    }
    Ok(changes)
}

/// A program run again, to compare.
pub(crate) struct RanAgain {
    /// The scores of the test and of the validation images.
    pub(crate) scores: (SubsetScores, Option<SubsetScores>),
    /// Name and hash of each file that it left; `checkpoint` and `log` for these two.
    pub(crate) files: Vec<(String, Hash)>,
    /// In what the surroundings differ from those of the run.
    pub(crate) environment: Vec<String>,
}

/// Runs the program of a spec again in scratch space; nothing is recorded.
pub(crate) fn run_again(
    registry: &Registry,
    environment: &Environment,
    spec: &ProgramSpec,
    recorded: Option<&Execution>,
    listener: &mut dyn Listener,
) -> Result<RanAgain, RunError> {
    let files = spec.program.files.iter().map(|file| {
        let bytes = registry.store().read(&file.object.hash)?;
        Ok(source::SourceFile { path: file.path.clone(), bytes, executable: file.executable })
    });
    let files = files.collect::<Result<Vec<_>, RegistryError>>()?;
    let mut command = spec.program.command.clone();
    // The interpreter of the run, if it is still there; otherwise the one of that name.
    if let Some(first) = command.first_mut()
        && let Some(ran) = recorded.and_then(|execution| execution.program.as_ref())
        && !files.iter().any(|file| file.path == *first.strip_prefix("./").unwrap_or(first))
        && Path::new(&ran.executable).is_file()
    {
        first.clone_from(&ran.executable);
    }
    let executable = Executable::find(&mut command, &files)?;
    let scratch = registry.store().scratch()?;
    let out = scratch.dir().folder(unfinished::PROGRAM_OUT);
    let out = out.doing("create", &scratch.dir().path_of(unfinished::PROGRAM_OUT))?;
    let ran = run_in(registry, spec, &executable, (scratch.dir(), &out), None, listener)?;
    let mut notes = Vec::new();
    if let Some((execution, then)) = recorded.and_then(|of| Some((of, of.program.as_ref()?))) {
        notes = changed(registry, &execution.cpu, then, &executable, environment)?;
    }
    if executable.version != spec.program.interpreter {
        let told = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".to_owned());
        let (then, now) = (told(&spec.program.interpreter), told(&executable.version));
        notes.insert(0, format!("the interpreter was {then} and is {now}"));
    }
    let hash = |name: &str| -> Result<Hash, RunError> {
        let bytes = out.read(name, limits::PROGRAM_OUTPUT).doing("read", &out.path_of(name))?;
        Ok(Hash::of(&bytes))
    };
    let mut left = Vec::new();
    for name in ran.outputs.others.iter().chain([&ran.outputs.scores]) {
        left.push((name.clone(), hash(name)?));
    }
    if let Some(name) = &ran.outputs.checkpoint {
        left.push(("checkpoint".to_owned(), hash(name)?));
    }
    if let Some(epochs) = &ran.epochs {
        left.push(("log".to_owned(), Hash::of(&outputs::log(epochs))));
    }
    left.sort();
    Ok(RanAgain { scores: ran.scores, files: left, environment: notes })
}
