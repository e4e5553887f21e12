//! One execution of a program: how it is started, and what it leaves.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::RunError;
use super::super::process::Listener;
use super::allowed;
use super::child::{EndedProgram, Start};
use super::error::{ProgramError, SCORE_FILES};
use super::interpreter::{Executable, Packages};
use super::job::{ProgramFolders, prepare};
use super::launch::LaunchPlan;
use super::outputs::{self, ProgramOutputs};
use super::scores::{self, ReadError, SubsetScores};
use crate::digits::counted;
use crate::disk::{Dir, Doing};
use crate::limits;
use crate::records::{ProgramInput, ProgramSpec, RecordedEpoch, Spec, variable};
use crate::registry::Registry;
use crate::scores::{ToldTruth, truth_among};

/// Variables that say where things are on a machine, and are passed on undeclared.
const PASSED: [&str; 14] = [
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "CUDA_HOME",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "SLURM_CPUS_PER_TASK",
];
/// Variables that make programs repeatable and their output timely.
const SET: [(&str, &str); 4] = [
    ("PYTHONHASHSEED", "0"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("PYTHONUNBUFFERED", "1"),
    // PyTorch requires this for its deterministic algorithms.
    ("CUBLAS_WORKSPACE_CONFIG", ":4096:8"),
];

/// What ran, and what it left.
pub(super) struct Ran {
    pub(super) ended: EndedProgram,
    pub(super) packages: Packages,
    pub(super) outputs: ProgramOutputs,
    pub(super) epochs: Option<Vec<RecordedEpoch>>,
    pub(super) scores: (SubsetScores, Option<SubsetScores>),
}

/// Runs a program in a folder and checks what it leaves.
pub(super) fn run_in(
    registry: &Registry,
    spec: &ProgramSpec,
    executable: &Executable,
    (folder, out): (&Dir, &Dir),
    timeout: Option<Duration>,
    listener: &mut dyn Listener,
) -> Result<Ran, RunError> {
    // Scores of an earlier attempt are no scores of this one.
    for name in SCORE_FILES {
        match out.remove_file(name) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            removed => removed.doing("remove", &out.path_of(name))?,
        }
    }
    let folders = prepare(registry, spec, folder)?;
    let packages = executable.packages();
    let ended = start(registry, spec, executable, &packages, &folders, timeout).run(listener)?;
    let outputs = ProgramOutputs::list(out)?;
    let read = |name: &str, most: u64| out.read(name, most).doing("read", &out.path_of(name));
    let epochs = match outputs.has_epochs {
        true => {
            let text = read(outputs::EPOCHS, limits::TRAINING_LOG)?;
            let epochs = outputs::parse_epochs(&text);
            Some(epochs.map_err(|reason| ProgramError::output(outputs::EPOCHS, reason))?)
        }
        false => None,
    };
    let bytes = read(&outputs.scores, limits::PROGRAM_SCORES)?;
    let scores = scores::read(registry, &Spec::Program(spec.clone()), &outputs.scores, &bytes)?;
    let dataset = registry.get(spec.dataset)?;
    let told = truth_among(&dataset, &registry.manifest(&dataset)?, &scores.0.scores, &scores.0.labels);
    if let Some(ToldTruth { label, images, .. }) = told {
        let images = counted(images, "test image");
        let reason = format!("its scores for {label} are the labels of all {images}, which it was not given");
        return Err(ProgramError::output(&outputs.scores, reason).into());
    }
    Ok(Ran { ended, packages, outputs, epochs, scores })
}

/// How a program is started: its command with the paths of its inputs, its environment, what it may read and write.
fn start<'f>(
    registry: &Registry,
    spec: &ProgramSpec,
    executable: &Executable,
    packages: &Packages,
    folders: &'f ProgramFolders,
    timeout: Option<Duration>,
) -> Start<'f> {
    let program = &spec.program;
    let word = |word: &String| {
        let input = folders.input_paths.iter().find(|(key, _)| *word == format!("{{{key}}}"));
        input.map_or_else(|| word.clone(), |(_, path)| path.to_string_lossy().into_owned())
    };
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let mut never: Vec<PathBuf> = vec![registry.root().to_owned()];
    never.extend(std::path::absolute(registry.root()));
    never.extend(std::fs::canonicalize(registry.root()));
    let no_home = [never.clone(), home.clone().into_iter().collect()].concat();
    let mut own = packages.paths.clone();
    own.extend(packages.user_base.clone());
    let folders_of = |path: &Path| {
        let whole = std::fs::canonicalize(path).ok();
        [path.parent().map(Path::to_owned), whole.and_then(|path| path.parent().map(Path::to_owned))]
    };
    own.extend(executable.interpreter.iter().flat_map(|path| folders_of(path)).flatten());
    // A script may start other programs.
    let search = std::env::var_os("PATH").unwrap_or_default();
    own.extend(std::env::split_paths(&search).filter(|folder| folder.is_absolute()));
    let own = own.iter().flat_map(|folder| allowed::of_programs(folder));
    // A folder of the interpreter may lie in the home, but must not hold it.
    let inside = |path: &PathBuf| home.as_ref().is_some_and(|home| path.starts_with(home) && path != home);
    let (in_home, elsewhere): (Vec<PathBuf>, Vec<PathBuf>) = own.partition(inside);
    let mut read = allowed::readable(&elsewhere, &no_home);
    read.extend(
        in_home
            .into_iter()
            .filter(|path| !never.iter().any(|never| never.starts_with(path) || path.starts_with(never))),
    );
    read.extend([folders.job.clone(), folders.source.clone(), folders.inputs.clone()]);
    read.extend(folders.images.iter().cloned());
    let object = |input: &ProgramInput| std::path::absolute(registry.store().path(&input.object.hash)).ok();
    read.extend(program.inputs.iter().filter_map(object));
    let mut variables: Vec<(String, std::ffi::OsString)> =
        PASSED.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var_os(name)?))).collect();
    let mut set = |name: &str, value: &std::ffi::OsStr| variables.push((name.to_owned(), value.to_owned()));
    SET.iter().for_each(|(name, value)| set(name, value.as_ref()));
    if let Some(base) = &packages.user_base {
        set("PYTHONUSERBASE", base.as_os_str());
    }
    for (key, path) in &folders.input_paths {
        set(&format!("REG_INPUT_{key}"), path.as_os_str());
    }
    for text in &program.variables {
        let (name, value) = variable(text);
        set(name, value.as_ref());
    }
    set("HOME", folders.home.as_os_str());
    set("TMPDIR", folders.home.as_os_str());
    set("REG_JOB", folders.job.join("job.json").as_os_str());
    set("REG_OUT", folders.out.as_os_str());
    let path = executable.path.clone();
    let own = program.command[0].strip_prefix("./").unwrap_or(&program.command[0]);
    Start {
        plan: LaunchPlan {
            read,
            write: [vec![folders.out.clone(), folders.home.clone()], allowed::devices()].concat(),
            forbid_tcp: false,
            status: folders.plan.with_file_name("launched.json"),
            program: path.unwrap_or_else(|| folders.source.join(own)),
            arguments: program.command.iter().skip(1).map(word).collect(),
        },
        plan_file: &folders.plan,
        folder: &folders.source,
        variables,
        network: program.network,
        timeout,
    }
}

impl From<ReadError> for RunError {
    fn from(e: ReadError) -> Self {
        match e {
            ReadError::Registry(e) => RunError::Registry(e),
            ReadError::Program(e) => RunError::Program(e),
        }
    }
}
