//! Any program as a run: it gets a job and leaves files, which are registered like the results of a training.
//!
//! `source` and `interpreter` say what the program is, which becomes a spec; `job` lays out what it is given;
//! `attempt` starts it by way of `child` and [`launch`], confined to what `allowed` lists; [`outputs`] and [`scores`] check what it
//! left. Nothing is registered before all of it is right.

mod again;
mod allowed;
mod attempt;
mod child;
mod error;
mod interpreter;
mod job;
pub mod launch;
pub mod outputs;
pub mod scores;
mod source;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::dataset::revealed::reveals_labels;
use crate::disk::{Dir, Doing};
use crate::hash::{Digest, Hash, Id};
use crate::limits;
use crate::records::{
    Dataset, Execution, Isolation, Kind, OperatingPoint, Predictions, Program, ProgramEnvironment,
    ProgramFile, ProgramInput, ProgramOutput, ProgramSpec, Role, Run, ScoreSource, Spec, Split, Subset,
    Table, is_key, rules, variable,
};
use crate::registry::{Registry, RegistryError, Transaction, is_name};
use crate::scores::{auc_table, subset_images};
use crate::store::{FileState, LinkMode};
use crate::withdrawal::{UsePolicy, refuse};

use super::evaluate::{Evaluated, existing_table};
use super::inputs::{ExecutionStart, divided};
use super::process::Listener;
use super::{Environment, RunError, unfinished};
use again::changed;
pub(crate) use again::run_again;
use attempt::{Ran, run_in};
pub use error::ProgramError;
use interpreter::{Executable, gpus};
pub use job::ProgramJob;
use scores::SubsetScores;
use source::Source;

/// A program to run.
#[derive(Debug, Clone)]
pub struct ProgramRequest {
    /// The data set.
    pub dataset: Id<Dataset>,
    /// The split.
    pub split: Id<Split>,
    /// Its fold, from 0.
    pub fold: u32,
    /// The seed that the program is given.
    pub seed: u64,
    /// Name of the run.
    pub name: String,
    /// Name of the model in tables; default: that of the program's file.
    pub model: Option<String>,
    /// The folder of the program's files; default: the files that the command names.
    pub source: Option<PathBuf>,
    /// Declared inputs: key and file.
    pub inputs: Vec<(String, PathBuf)>,
    /// Declared environment variables as `NAME=VALUE`.
    pub variables: Vec<String>,
    /// Whether it may use the network.
    pub network: bool,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// The command.
    pub command: Vec<String>,
}

impl ProgramRequest {
    /// The arguments of `reg run` for the program in a study, whose runs take over the names of earlier ones.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["run".to_owned()];
        let mut flag = |name: &str, value: String| arguments.extend([format!("--{name}"), value]);
        flag("dataset", self.dataset.hash.to_string());
        flag("split", self.split.hash.to_string());
        flag("fold", self.fold.to_string());
        flag("seed", self.seed.to_string());
        flag("name", self.name.clone());
        self.model.iter().for_each(|model| flag("model", model.clone()));
        self.source.iter().for_each(|source| flag("source", source.display().to_string()));
        self.inputs.iter().for_each(|(key, path)| flag("input", format!("{key}={}", path.display())));
        self.variables.iter().for_each(|variable| flag("env", variable.clone()));
        arguments.extend(["--move", "--"].map(str::to_owned));
        arguments.extend(self.command.iter().cloned());
        arguments
    }
}

/// A program's run with its evaluated scores.
#[derive(Debug)]
pub struct ProgramRun {
    /// The run.
    pub run: Id<Run>,
    /// Its record.
    pub record: Run,
    /// Its name.
    pub name: String,
    /// Predictions and AUC table of the test images.
    pub test: Evaluated,
    /// Whether the run already existed.
    pub cached: bool,
    /// Differences between this environment and that of an existing run.
    pub environment: Vec<String>,
    /// What kept the program from everything else.
    pub isolation: Option<Isolation>,
    /// Folders and hidden files that it left, which are not registered.
    pub ignored: Vec<String>,
    /// Other names of the run.
    pub other_names: Vec<String>,
    /// What lies below `--source` and is no file of the program; folders end with a slash.
    pub left_out: Vec<String>,
}

/// A request as a spec, with the bytes behind it.
struct Prepared {
    spec: ProgramSpec,
    source: Source,
    inputs: Vec<(Hash, PathBuf)>,
    executable: Executable,
}

impl Prepared {
    /// The file or input with this hash in a message.
    fn called(&self, hash: &Hash) -> String {
        let input = self.inputs.iter().find(|(input, _)| input == hash);
        let own = || self.source.files.iter().find(|file| Hash::of(&file.bytes) == *hash);
        input
            .map(|(_, path)| path.display().to_string())
            .or_else(|| Some(own()?.path.clone()))
            .unwrap_or_else(|| hash.short())
    }
}

fn prepare_spec(request: &ProgramRequest) -> Result<Prepared, ProgramError> {
    let mut source = match &request.source {
        Some(folder) => Source::of_folder(folder, &request.command, &request.inputs)?,
        None => Source::of_command(&request.command)?,
    };
    let executable = Executable::find(&mut source.command, &source.files)?;
    let mut inputs = Vec::new();
    for (key, path) in &request.inputs {
        let option = |reason: &str| ProgramError::Option {
            option: "input",
            value: format!("{key}={}", path.display()),
            reason: reason.to_owned(),
        };
        if !is_key(key) {
            return Err(option("a key has letters, digits and _, a letter first"));
        }
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
            return Err(option("it is a pipe or a device: give a file"));
        }
        let bytes = limits::read(path, limits::PROGRAM_INPUT).map_err(|e| ProgramError::io(path, &e))?;
        let digest = Digest::of(&bytes);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if !crate::records::is_plain_name(&name) || name.parse::<Hash>().is_ok() {
            return Err(option("the file needs a plain name"));
        }
        let file = crate::records::File::from(digest);
        let input = ProgramInput {
            name: key.clone(),
            file_name: name,
            object: file.object,
            sha256: file.sha256,
            bytes: file.bytes,
        };
        inputs.push((input, path.clone()));
        // Where the file lies is no part of what the program is given.
        let typed = path.to_string_lossy();
        let words = source.command.iter_mut().skip(1).filter(|word| **word == *typed);
        words.for_each(|word| *word = format!("{{{key}}}"));
    }
    inputs.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    if let Some(pair) = inputs.windows(2).find(|pair| pair[0].0.name == pair[1].0.name) {
        let reason = "the same key is given twice".to_owned();
        return Err(ProgramError::Option { option: "input", value: pair[0].0.name.clone(), reason });
    }
    let mut variables = request.variables.clone();
    variables.sort_by(|a, b| variable(a).0.cmp(variable(b).0));
    let name = match &request.model {
        Some(name) => name.clone(),
        None => own_name(&source),
    };
    // An input that the command names is no file of the program.
    let is_input = |path: &str, hash: &Hash| {
        request.source.is_none()
            && inputs.iter().any(|(input, _)| input.object.hash == *hash && input.file_name == path)
    };
    let file = |file: &source::SourceFile| ProgramFile {
        path: file.path.clone(),
        object: Id::new(Hash::of(&file.bytes)),
        executable: file.executable,
    };
    let files = source.files.iter().map(file);
    let program = Program {
        name,
        command: source.command.clone(),
        files: files.filter(|file| !is_input(&file.path, &file.object.hash)).collect(),
        interpreter: executable.version.clone(),
        inputs: inputs.iter().map(|(input, _)| input.clone()).collect(),
        variables,
        network: request.network,
    };
    if let Some(word) = program.word_like_id() {
        return Err(ProgramError::LikeId(word.to_owned()));
    }
    let spec = ProgramSpec {
        dataset: request.dataset,
        split: request.split,
        fold: request.fold,
        program,
        seed: request.seed,
    };
    let inputs = inputs.into_iter().map(|(input, path)| (input.object.hash, path)).collect();
    Ok(Prepared { spec, source, inputs, executable })
}

/// The name of the first file of the program in the command, without ending; otherwise of its first word.
fn own_name(source: &Source) -> String {
    let is_own = |word: &&String| {
        let word = word.strip_prefix("./").unwrap_or(word);
        source.files.iter().any(|file| file.path == word)
    };
    let word = source.command.iter().find(is_own).or(source.command.first());
    let path = Path::new(word.map_or("program", String::as_str));
    path.file_stem().map_or_else(|| "program".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// Runs a program and registers what it leaves; a spec whose run is recorded is answered from the registry.
pub fn run_program(
    registry: &Registry,
    environment: &Environment,
    request: &ProgramRequest,
    listener: &mut dyn Listener,
) -> Result<ProgramRun, RunError> {
    if !is_name(&request.name) {
        return Err(RegistryError::BadName(request.name.clone()).into());
    }
    let (dataset, _) = divided(registry, request.dataset, request.split, request.fold)?;
    let prepared = prepare_spec(request)?;
    let spec = Spec::Program(prepared.spec.clone());
    let spec_id = Registry::id_of(&spec)?;
    let view = registry.view()?;
    let known = registry.referring::<Run>(&view, &spec_id.hash)?.into_iter().next();
    if let Some((run, record)) = known {
        let executions = registry.referring::<Execution>(&view, &run.hash)?;
        let then =
            executions.into_iter().find_map(|(_, execution)| Some((execution.cpu, execution.program?)));
        let other_names = view.names()?.into_iter();
        let other_names = other_names.filter(|(name, id)| *id == run.hash && *name != request.name);
        let other_names = other_names.map(|(name, _)| name).collect();
        drop(view);
        for object in record.files.iter().map(|file| file.object).chain(record.checkpoint).chain(record.log) {
            registry.store().verify(&object.hash, 0, &mut Vec::new())?;
        }
        let mut transaction = registry.transaction()?;
        transaction.name(&request.name, run.hash)?;
        transaction.commit(&environment.stamp)?;
        let changes = match &then {
            Some((cpu, then)) => changed(registry, cpu, then, &prepared.executable, environment)?,
            None => Vec::new(),
        };
        let isolation = then.map(|(_, then)| then.isolation);
        let name = request.name.clone();
        let test = existing_scores(registry, environment, run)?;
        return Ok(ProgramRun {
            run,
            record,
            name,
            test,
            cached: true,
            environment: changes,
            isolation,
            ignored: Vec::new(),
            other_names,
            left_out: prepared.source.left_out,
        });
    }
    registry.check_name(&view, &request.name, None)?;
    drop(view);
    refuse(UsePolicy { registry, allow_withdrawn: false }, &spec, &dataset, None)?;
    refuse_labels(registry, &dataset, &prepared)?;
    register_spec(registry, environment, &spec, &prepared)?;
    execute(registry, environment, (spec_id, &prepared), request, listener)
}

/// The spec of a request.
pub(crate) fn spec_of(registry: &Registry, request: &ProgramRequest) -> Result<Spec, RunError> {
    divided(registry, request.dataset, request.split, request.fold)?;
    Ok(Spec::Program(prepare_spec(request)?.spec))
}

/// Registers the spec of a request, with the program's files and inputs.
pub(crate) fn register(
    registry: &Registry,
    environment: &Environment,
    request: &ProgramRequest,
) -> Result<(), RunError> {
    let prepared = prepare_spec(request)?;
    register_spec(registry, environment, &Spec::Program(prepared.spec.clone()), &prepared)
}

/// Refuses a program that is given the labels of its test images: the metadata or the boxes of a data set, or a table
/// that has them.
fn refuse_labels(registry: &Registry, dataset: &Dataset, prepared: &Prepared) -> Result<(), RunError> {
    let spec = Spec::Program(prepared.spec.clone());
    let view = registry.view()?;
    for file in spec.given() {
        for (from, roles) in view.referrers(&file).map_err(RegistryError::from)? {
            let labels =
                [Role::Metadata, Role::BoxesFile, Role::Manifest].iter().any(|role| roles.contains(role));
            if labels && view.kind(&from).map_err(RegistryError::from)? == Some(Kind::Dataset) {
                return Err(ProgramError::HoldsLabels { file: prepared.called(&file), dataset: from }.into());
            }
        }
    }
    drop(view);
    let manifest = registry.manifest(dataset)?;
    let test = registry.members(&spec, Subset::Test)?;
    let reveals = |bytes: &[u8]| reveals_labels(bytes, dataset, &manifest, &test);
    let holds = |file: String| {
        let dataset = prepared.spec.dataset.hash;
        Err(ProgramError::HoldsLabels { file, dataset }.into())
    };
    for file in &prepared.source.files {
        if reveals(&file.bytes) {
            return holds(file.path.clone());
        }
    }
    for (_, path) in &prepared.inputs {
        if reveals(&limits::read(path, limits::PROGRAM_INPUT).doing("read", path)?) {
            return holds(path.display().to_string());
        }
    }
    Ok(())
}

/// Registers the spec with the program's files and inputs.
fn register_spec(
    registry: &Registry,
    environment: &Environment,
    spec: &Spec,
    prepared: &Prepared,
) -> Result<(), RunError> {
    let mut transaction = registry.transaction()?;
    for file in &prepared.source.files {
        transaction.put_blob(&file.bytes)?;
    }
    for (hash, path) in &prepared.inputs {
        put_file(&mut transaction, path, limits::PROGRAM_INPUT, Some(*hash))?;
    }
    transaction.put(spec)?;
    transaction.commit(&environment.stamp)?;
    Ok(())
}

/// Registers a file outside of the registry; its bytes must be those that were hashed, if they were.
fn put_file(
    transaction: &mut Transaction,
    path: &Path,
    most: u64,
    hashed: Option<Hash>,
) -> Result<Hash, RunError> {
    let mut bytes = Vec::new();
    let state = FileState::read(path, most, &mut bytes).doing("read", path)?;
    let hash = Hash::of(&bytes);
    if hashed.is_some_and(|hashed| hashed != hash) {
        return Err(
            ProgramError::file(path, "it has changed while it was read: run the command again").into()
        );
    }
    transaction.put_file(path, &state, &bytes, hash, LinkMode::Reflink)?;
    Ok(hash)
}

fn execute(
    registry: &Registry,
    environment: &Environment,
    (spec_id, prepared): (Id<Spec>, &Prepared),
    request: &ProgramRequest,
    listener: &mut dyn Listener,
) -> Result<ProgramRun, RunError> {
    unfinished::remove_failed(registry, &request.name);
    let (folder, _locked) = unfinished::lock(registry, spec_id)?;
    let place = registry.training_folder(&spec_id.hash);
    let start = ExecutionStart::now(environment);
    unfinished::announce(&folder, &request.name, spec_id, &start.time, environment)?;
    let out = folder.folder(unfinished::PROGRAM_OUT);
    let out = out.doing("create", &folder.path_of(unfinished::PROGRAM_OUT))?;
    let resumed = out.read(outputs::EPOCHS, limits::TRAINING_LOG).ok();
    let resumed =
        resumed.and_then(|text| outputs::parse_epochs(&text).ok()).map_or(0, |epochs| epochs.len() as u32);
    let ran =
        run_in(registry, &prepared.spec, &prepared.executable, (&folder, &out), request.timeout, listener);
    let ran = ran.inspect_err(|e| {
        if !matches!(e, RunError::Program(ProgramError::Interrupted)) {
            unfinished::failed(&folder, &e.to_string());
        }
    })?;

    let mut transaction = registry.transaction()?;
    let mut files = Vec::new();
    for name in ran.outputs.others.iter().chain([&ran.outputs.scores]) {
        let hash = put_left(&mut transaction, &out, name)?;
        files.push(ProgramOutput { name: name.clone(), object: Id::new(hash) });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let checkpoint =
        ran.outputs.checkpoint.as_ref().map(|name| put_left(&mut transaction, &out, name)).transpose()?;
    let best = ran.epochs.as_deref().and_then(outputs::best_epoch);
    let log = ran.epochs.as_ref().map(|epochs| transaction.put_blob(&outputs::log(epochs))).transpose()?;
    let record = Run {
        spec: spec_id,
        checkpoint: checkpoint.map(Id::new),
        log,
        epochs: ran.epochs.as_ref().map(|epochs| epochs.len() as u32),
        best_epoch: best.map(|best| best.epoch),
        val_loss: best.and_then(|best| best.val_loss),
        parameters: None,
        files,
    };
    let run = transaction.put(&record)?;
    let execution = execution(&mut transaction, environment, &start, run, prepared, &ran, resumed)?;
    transaction.put(&execution)?;
    let isolation = ran.ended.isolation;
    let (test, val) = ran.scores;
    let test = put_scores(registry, &mut transaction, &prepared.spec, run, (Subset::Test, test))?;
    if let Some(val) = val {
        put_scores(registry, &mut transaction, &prepared.spec, run, (Subset::Val, val))?;
    }
    transaction.name(&request.name, run.hash)?;
    transaction.commit(&environment.stamp)?;
    match registry.dir().remove_dir_all(&place) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        removed => removed.doing("remove", folder.path())?,
    }
    Ok(ProgramRun {
        run,
        record,
        name: request.name.clone(),
        test,
        cached: false,
        environment: Vec::new(),
        isolation: Some(isolation),
        ignored: ran.outputs.ignored,
        other_names: Vec::new(),
        left_out: prepared.source.left_out.clone(),
    })
}

/// Registers a file that a program left.
fn put_left(transaction: &mut Transaction, out: &Dir, name: &str) -> Result<Hash, RunError> {
    let path = out.path_of(name);
    let mut bytes = Vec::new();
    let read = out.open_file(name);
    let read =
        read.and_then(|(mut file, _)| FileState::read_file(&mut file, limits::PROGRAM_OUTPUT, &mut bytes));
    let state = read.doing("read", &path)?;
    let hash = Hash::of(&bytes);
    transaction.put_file(&path, &state, &bytes, hash, LinkMode::Reflink)?;
    Ok(hash)
}

/// The execution: when and where it ran, and with what.
fn execution(
    transaction: &mut Transaction,
    environment: &Environment,
    start: &ExecutionStart,
    run: Id<Run>,
    prepared: &Prepared,
    ran: &Ran,
    resumed: u32,
) -> Result<Execution, RunError> {
    let packages = ran.packages.list.as_ref().map(|list| list.join("\n") + "\n");
    let packages = packages.map(|text| transaction.put_blob(text.as_bytes())).transpose()?;
    let gpus = gpus();
    let told = |path: &PathBuf| path.to_string_lossy().into_owned();
    let own = || prepared.spec.program.command[0].clone();
    Ok(Execution {
        made: run.hash,
        started: start.time.clone(),
        seconds: start.instant.elapsed().as_secs_f64(),
        host: environment.host.clone(),
        cpu: environment.cpu.clone(),
        gpu: gpus.first().and_then(|gpu| gpu.split(',').next()).map(str::to_owned),
        cores: environment.cores,
        cpu_capability: None,
        reg: env!("CARGO_PKG_VERSION").to_owned(),
        software: None,
        program: Some(ProgramEnvironment {
            executable: prepared.executable.interpreter.as_ref().map_or_else(own, told),
            packages,
            gpus,
            source: prepared.source.git.clone(),
            isolation: ran.ended.isolation,
            stdout: transaction.put_blob(&ran.ended.stdout.bytes())?,
            stderr: transaction.put_blob(&ran.ended.stderr.bytes())?,
        }),
        git: environment.git.clone(),
        command: environment.stamp.command.clone(),
        resumed,
        deterministic: None,
    })
}

/// Registers the scores of a subset and their AUC table.
fn put_scores(
    registry: &Registry,
    transaction: &mut Transaction,
    spec: &ProgramSpec,
    run: Id<Run>,
    (subset, read): (Subset, SubsetScores),
) -> Result<Evaluated, RunError> {
    let dataset = registry.get(spec.dataset)?;
    let manifest = registry.manifest(&dataset)?;
    let predictions = Predictions {
        dataset: spec.dataset,
        split: Some(spec.split),
        fold: Some(spec.fold),
        subset: Some(subset),
        source: ScoreSource::Program { run, rules: rules::PROGRAM_SCORES },
        model: spec.program.name.clone(),
        labels: read.labels,
        scale: read.scale,
        images: read.scores.rows.len() as u64,
        scores: transaction.put_packed(&read.scores)?,
    };
    let id = transaction.put(&predictions)?;
    let of_images = subset_images(registry, &predictions)?;
    let auc = auc_table(
        id,
        &predictions,
        &dataset,
        &manifest,
        &read.scores,
        of_images,
        OperatingPoint::usual(Some(subset)),
    );
    let table = transaction.put(&Table::Auc(auc.clone()))?;
    Ok(Evaluated { predictions: id, table, auc, cached: false, other_sources: None })
}

/// The recorded scores of the test images of a run; scores by older rules are read again from the program's file.
fn existing_scores(
    registry: &Registry,
    environment: &Environment,
    run: Id<Run>,
) -> Result<Evaluated, RunError> {
    let view = registry.view()?;
    let source = ScoreSource::Program { run, rules: rules::PROGRAM_SCORES };
    let known = registry.referring::<Predictions>(&view, &run.hash)?.into_iter();
    let mut known = known.filter(|(_, known)| known.subset == Some(Subset::Test) && known.source == source);
    if let Some((id, predictions)) = known.next() {
        let at = OperatingPoint::usual(Some(Subset::Test));
        return existing_table(registry, environment, view, (id, predictions), at, None);
    }
    drop(view);
    let record = registry.get(run)?;
    let spec = registry.get(record.spec)?;
    let Spec::Program(program) = &spec else { return Err(ProgramError::NoScores.into()) };
    let (name, object) = scores::file_of(&record)?;
    let (test, _) = scores::read(registry, &spec, name, &registry.store().read(&object.hash)?)?;
    let mut transaction = registry.transaction()?;
    let evaluated = put_scores(registry, &mut transaction, program, run, (Subset::Test, test))?;
    transaction.commit(&environment.stamp)?;
    Ok(evaluated)
}
