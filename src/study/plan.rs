//! From a study file to a plan: specs, existing results, and the expected cost.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::StudyError;
use super::cost::{self, Cost, Disk, History, Load};
use super::file::{ProbeEntry, SectionTable, SetupTable, SplitTable, StudyFile};
use super::status::{State, of_spec};
use crate::disk::FileError;
use crate::hash::{Digest, Hash, Id};
use crate::index::View;
use crate::limits;
use crate::records::{
    Dataset, FoldSizes, Kind, Model, Numerics, Spec, Split, SplitMethod, Study, StudyProbe, StudyRun,
    StudySection, SubsetSize, Training, Variance, Weights, rules,
};
use crate::registry::{Registry, RegistryError};
use crate::split::{self, Lists};
use crate::training::config::{Overrides, network_file, resolve};
use crate::training::program::{self, ProgramRequest};
use crate::training::{self, Device, RunContext, RunError, TrainInputs, TrainRequest};

/// A study file with its origin.
#[derive(Debug, Clone)]
pub struct StudySource {
    /// The path of the file, or its name if it comes from the registry.
    pub path: PathBuf,
    /// Its content.
    pub file: StudyFile,
    /// Its record, if the study was given by name.
    pub recorded: Option<Id<Study>>,
    bytes: Vec<u8>,
}

impl StudySource {
    /// The folder of the file, to which its paths are relative.
    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

/// Finds a study: a file, or the name or id of a study that was run before.
pub fn load(registry: &Registry, argument: impl AsRef<OsStr>) -> Result<StudySource, StudyError> {
    let path = PathBuf::from(argument.as_ref());
    // A name is ASCII, so what is lost here is no name.
    let text = &*argument.as_ref().to_string_lossy();
    let (bytes, recorded) = match limits::read(&path, limits::STUDY_FILE) {
        Ok(bytes) => (bytes, None),
        Err(e) => {
            let missing = e.kind() == std::io::ErrorKind::NotFound;
            match registry.resolve_as::<Study>(&registry.view()?, text) {
                Ok(id) => (registry.store().read(&registry.get(id)?.file.object.hash)?, Some(id)),
                Err(RegistryError::Unknown { .. } | RegistryError::Removed { .. }) if missing => {
                    return Err(StudyError::Unknown(text.to_owned()));
                }
                Err(RegistryError::Unknown { .. } | RegistryError::Removed { .. }) => {
                    return Err(FileError::new("read", &path, e).into());
                }
                Err(e) => return Err(e.into()),
            }
        }
    };
    let words = std::str::from_utf8(&bytes)
        .map_err(|e| StudyError::Senseless { path: path.clone(), reason: e.to_string() })?;
    let file = StudyFile::parse(words, &path)?;
    Ok(StudySource { path, file, recorded, bytes })
}

/// The newest study that was run from a file with these bytes, whatever its path was; `None` if there is no
/// such file or study.
pub fn of_file(
    registry: &Registry,
    view: &View,
    path: &Path,
) -> Result<Option<(Id<Study>, Study)>, StudyError> {
    let Ok(bytes) = limits::read(path, limits::STUDY_FILE) else { return Ok(None) };
    let id = Hash::of(&bytes);
    for study in view.of_kind(Kind::Study)?.into_iter().rev() {
        let record: Study = registry.get(Id::new(study))?;
        if record.file.object.hash == id {
            return Ok(Some((Id::new(study), record)));
        }
    }
    Ok(None)
}

/// The plan of a study.
#[derive(Debug)]
pub struct StudyPlan {
    /// The record of the study.
    pub study: Study,
    /// The id of the record, once it is recorded.
    pub id: Id<Study>,
    /// The runs, in the order of the record.
    pub runs: Vec<Planned>,
    /// Number of parallel runs.
    pub jobs: usize,
    /// Seconds until the missing runs are done.
    pub seconds: f64,
    /// Required disk space.
    pub disk: Disk,
    /// What was, or would be, created in advance, and anomalies, one sentence each.
    pub notes: Vec<String>,
}

/// A run of a plan.
#[derive(Debug)]
pub struct Planned {
    /// Its row in the record.
    pub row: StudyRun,
    /// Its state.
    pub state: State,
    /// Its expected cost, if it is not done.
    pub cost: Option<Cost>,
    /// The arguments of `reg` that train it, without the device; empty if it is blocked.
    pub arguments: Vec<String>,
}

impl Planned {
    /// Whether it is a program of the user's own.
    pub fn is_program(&self) -> bool {
        self.arguments.first().is_some_and(|command| command == "run")
    }

    /// Whether it still has to be trained, by this process or by one that has started already.
    pub fn is_due(&self) -> bool {
        !matches!(self.state, State::Done { .. } | State::Blocked { .. })
    }
}

/// A section's split.
enum Divided {
    /// The split exists; with the sizes of its folds.
    There(Id<Split>, Vec<FoldSizes>),
    /// The split will be created when the plan is executed.
    Due(FoldSizes, usize),
    Absent {
        why: String,
        mend: Option<String>,
    },
}

/// Plans a study for a kind of device and a number of parallel runs. With `make`, missing splits are created
/// and the plan is recorded under the study's name; without, nothing is written.
pub fn plan(
    run_context: RunContext,
    source: &StudySource,
    device: &Device,
    jobs: usize,
    make: bool,
) -> Result<StudyPlan, StudyError> {
    let RunContext { registry, worker, environment, .. } = run_context;
    let StudyFile { name, dataset, .. } = &source.file;
    let dataset_id = match registry.resolve_as::<Dataset>(&registry.view()?, dataset) {
        Err(RegistryError::Unknown { .. } | RegistryError::Removed { .. }) => {
            return Err(StudyError::NoDataset(dataset.clone()));
        }
        found => found?,
    };
    let record = registry.get(dataset_id)?;
    let manifest = registry.manifest(&record)?;
    let numerics = worker.identity().numerics();
    let mut notes = Vec::new();
    let mut drafts = Vec::new();
    let mut sections = Vec::new();
    for section in &source.file.section {
        let divided = divide(run_context, source, section, (dataset_id, &record), make, &mut notes)?;
        sections.push(StudySection {
            name: section.name.clone(),
            title: section.title.clone().unwrap_or_else(|| section.name.clone()),
            split: if let Divided::There(id, _) = divided { Some(id) } else { None },
            published: section.published.clone(),
            // The file was checked.
            primary: section.primary.as_ref().and_then(|text| text.parse().ok()),
            margin: section.margin,
            variance: section.variance.filter(|variance| *variance != Variance::default()),
        });
        let official = match &divided {
            Divided::There(id, _) => matches!(registry.get(*id)?.method, SplitMethod::Official { .. }),
            Divided::Due(..) | Divided::Absent { .. } => {
                let table = source.file.split.iter().find(|table| table.name == section.split);
                table.is_none_or(|table| table.test.is_some())
            }
        };
        if section.published.as_deref() == Some("paper") && !official {
            notes.push(format!(
                "section `{}`: the paper's table 6 uses the official split, this section another one, so `reg \
                 study compare` will refuse the comparison; remove `published` from the section, or set it to \
                 `paper-table4`",
                section.name
            ));
        }
        let view = registry.view()?;
        for setup in source.file.setup.iter().filter(|setup| setup.section == section.name) {
            if !setup.command.is_empty() {
                for fold in folds(section, &divided) {
                    for seed in source.file.seeds_of(setup) {
                        let maker = Maker { registry, view: &view, source, dataset: dataset_id, device };
                        drafts.push(maker.program((section, &divided), setup, (fold, seed))?);
                    }
                }
                continue;
            }
            let settled = settle(source, setup)?;
            if source.file.gradcam.contains(&setup.name) && settled.0.architecture.image().is_none() {
                let reason =
                    format!("`gradcam` lists setup `{}`, whose model does not use images", setup.name);
                return Err(StudyError::Senseless { path: source.path.clone(), reason });
            }
            for fold in folds(section, &divided) {
                for seed in source.file.seeds_of(setup) {
                    let maker = Maker { registry, view: &view, source, dataset: dataset_id, device };
                    drafts.push(maker.draft(
                        (section, &divided),
                        setup,
                        &settled,
                        (fold, seed),
                        &numerics,
                    )?);
                }
            }
        }
    }

    let history = History::of(registry, device.kind, environment)?;
    let due: Vec<Load> =
        drafts.iter().filter(|draft| draft.planned.is_due()).filter_map(Draft::load).collect();
    let seconds = due.iter().map(|load| history.cost(load).seconds).collect();
    let disk = cost::disk(registry, (&record, &manifest), &due, jobs);
    let study = Study {
        name: name.clone(),
        file: Digest::of(&source.bytes).into(),
        dataset: dataset_id,
        sections,
        runs: drafts.iter().map(|draft| draft.planned.row.clone()).collect(),
        probes: probes(&source.file),
        rules: rules::STUDY,
    };
    if make {
        for draft in &drafts {
            if let (Some(_), DraftRequest::Program(request)) = (&draft.spec, &draft.request) {
                program::register(registry, environment, request)?;
            }
        }
        let mut transaction = registry.transaction()?;
        for spec in drafts.iter().filter_map(|draft| draft.spec.as_ref()) {
            transaction.put(spec)?;
        }
        transaction.put_outside(&source.bytes)?;
        let id = transaction.put(&study)?;
        transaction.name(name, id.hash)?;
        transaction.commit(&environment.stamp)?;
    }
    let id = Registry::id_of(&study)?;
    for draft in &mut drafts {
        let load = draft.planned.is_due().then(|| draft.load()).flatten();
        draft.planned.cost = load.map(|load| history.cost(&load));
    }
    let runs = drafts.into_iter().map(|draft| draft.planned).collect();
    Ok(StudyPlan { study, id, runs, jobs, seconds: cost::wall_clock(seconds, jobs), disk, notes })
}

/// Finds or creates a section's split.
fn divide(
    run_context: RunContext,
    source: &StudySource,
    section: &SectionTable,
    (dataset_id, dataset): (Id<Dataset>, &Dataset),
    make: bool,
    notes: &mut Vec<String>,
) -> Result<Divided, StudyError> {
    let RunContext { registry, environment, .. } = run_context;
    let name = &section.split;
    match registry.resolve_as::<Split>(&registry.view()?, name) {
        Ok(id) => return Ok(Divided::There(id, registry.get(id)?.folds)),
        Err(RegistryError::Unknown { .. } | RegistryError::Removed { .. }) => {}
        Err(e) => return Err(e.into()),
    }
    let Some(table) = source.file.split.iter().find(|table| table.name == *name) else {
        let mend = format!(
            "create it with `reg split make {} --name {name}`, or add a [[split]] to the file",
            source.file.dataset
        );
        return Ok(Divided::Absent { why: format!("no split is named `{name}`"), mend: Some(mend) });
    };
    if !make {
        if let Some(lists) = lists(source, table)
            && let Some(missing) = [&lists.train_val, &lists.test].into_iter().find(|list| !list.exists())
        {
            let why = format!("split `{name}` needs {}, which does not exist", missing.display());
            let mend = "copy the list there, or change the path in the file; .gz is read, too".to_owned();
            return Ok(Divided::Absent { why, mend: Some(mend) });
        }
        notes.push(format!("split `{name}` will be made"));
        return Ok(nominal(table, dataset));
    }
    let stamp = &environment.stamp;
    let made = match (lists(source, table), table.drawn()) {
        (Some(lists), _) => split::import(registry, dataset_id, &lists, Some(name), stamp),
        (None, Ok(Some((method, folds)))) => {
            split::make(registry, dataset_id, method, folds, Some(name), stamp)
        }
        (None, _) => unreachable!("the file's check asks for one or the other"),
    };
    match made {
        Ok(made) => {
            let divisions = made.split.method.division().counted(made.split.folds.len());
            notes.push(format!("split `{name}` made: {divisions}"));
            notes.extend(made.findings.into_iter().map(|finding| format!("split `{name}`: {finding}")));
            Ok(Divided::There(made.id, made.split.folds))
        }
        Err(split::RegisterError::Registry(e)) => Err(e.into()),
        Err(e) => Ok(Divided::Absent { why: format!("split `{name}` cannot be made: {e}"), mend: e.hint() }),
    }
}

/// The lists of a split, from the folder of the study file.
fn lists(source: &StudySource, table: &SplitTable) -> Option<Lists> {
    let folder = source.folder();
    Some(Lists {
        train_val: folder.join(table.train_val.as_ref()?),
        test: folder.join(table.test.as_ref()?),
        val_fraction: table.val_fraction.unwrap_or(0.125),
        seed: table.seed,
    })
}

/// A split that does not exist yet, with its approximate sizes.
fn nominal(table: &SplitTable, dataset: &Dataset) -> Divided {
    // The official lists keep 77 % of the images for training and validation.
    let (shares, of) = match table.drawn() {
        Ok(Some((SplitMethod::Resample { ratios, .. }, _))) => (ratios.map(u64::from), 100),
        Ok(Some((SplitMethod::KFold { ratios: [train, val], .. }, folds))) => {
            let [train, val, folds] = [train, val, folds.max(2)].map(u64::from);
            ([train * (folds - 1), val * (folds - 1), train + val], (train + val) * folds)
        }
        _ => ([67, 10, 23], 100),
    };
    let [train, val, test] =
        shares.map(|share| SubsetSize { images: dataset.images * share / of, patients: 0 });
    Divided::Due(FoldSizes { train, val, test }, table.folds.unwrap_or(1) as usize)
}

fn folds(section: &SectionTable, divided: &Divided) -> Vec<u32> {
    let all = match divided {
        Divided::There(_, folds) => folds.len(),
        Divided::Due(_, folds) => *folds,
        Divided::Absent { .. } => 1,
    };
    section.folds.clone().unwrap_or_else(|| (0..all as u32).collect())
}

/// Model and training of a setup.
fn settle(source: &StudySource, setup: &SetupTable) -> Result<(Model, Training), StudyError> {
    let set = source.file.settings_of(setup);
    let network = network_file(&setup.model, source.folder())
        .map_err(|(path, source)| FileError::new("read", &path, source))?;
    let overrides =
        Overrides { model: setup.model.clone(), network, init: Some(setup.start()), file: None, set };
    resolve(&overrides)
        .map_err(|source| StudyError::Settings { setup: setup.name.clone(), source: Box::new(source) })
}

/// A planned run in progress.
struct Draft {
    planned: Planned,
    spec: Option<Spec>,
    request: DraftRequest,
    sizes: FoldSizes,
}

/// What a planned run executes.
enum DraftRequest {
    Network(Box<TrainRequest>),
    Program(Box<ProgramRequest>),
}

impl Draft {
    /// What the cost follows from; nothing is known of a program.
    fn load(&self) -> Option<Load<'_>> {
        let DraftRequest::Network(request) = &self.request else { return None };
        Some(Load {
            model: &request.model,
            training: &request.training,
            init: request.init,
            threads: request.threads,
            device: request.device.kind,
            sizes: self.sizes.clone(),
        })
    }
}

/// The common parts of the runs of a study.
struct Maker<'a> {
    registry: &'a Registry,
    view: &'a View,
    source: &'a StudySource,
    dataset: Id<Dataset>,
    device: &'a Device,
}

impl Maker<'_> {
    fn draft(
        &self,
        (section, divided): (&SectionTable, &Divided),
        setup: &SetupTable,
        (model, training): &(Model, Training),
        (fold, seed): (u32, u64),
        numerics: &Numerics,
    ) -> Result<Draft, StudyError> {
        let weights = self.weights(setup)?;
        let (split, sizes) = match divided {
            Divided::There(id, folds) => (Some(*id), folds.get(fold as usize).cloned()),
            Divided::Due(sizes, _) => (None, Some(sizes.clone())),
            Divided::Absent { .. } => (None, None),
        };
        let none = SubsetSize { images: 0, patients: 0 };
        let of_seed = self.of_seed(setup, seed);
        let mut request = TrainRequest {
            dataset: self.dataset,
            split: split.unwrap_or(Id::new(crate::hash::Hash([0; 32]))),
            fold,
            model: model.clone(),
            training: training.clone(),
            init: setup.start(),
            weights: None,
            seed,
            threads: self.source.file.threads,
            device: self.device.clone(),
            save_every: 0.0,
            name: Some(format!("{}-{}-f{fold}{of_seed}", self.source.file.name, setup.name)),
        };
        training::cap_batch(&mut request.training, sizes.as_ref());
        let mut spec = None;
        let state = match (divided, weights) {
            (Divided::Absent { why, mend }, _) => State::Blocked { why: why.clone(), mend: mend.clone() },
            (_, Err(blocked)) => blocked,
            (_, Ok(weights)) => {
                request.weights = weights;
                let wanted = training::spec(&request, numerics.clone());
                match split.map(|_| TrainInputs::load(self.registry, &wanted)) {
                    None => State::Missing,
                    Some(Err(RunError::Registry(e))) => return Err(e.into()),
                    Some(Err(e)) => State::Blocked { why: e.to_string(), mend: e.hint() },
                    Some(Ok(_)) => {
                        let wanted = Spec::Network(wanted);
                        let state = of_spec(self.registry, self.view, Registry::id_of(&wanted)?)?;
                        spec = Some(wanted);
                        state
                    }
                }
            }
        };
        let row = StudyRun {
            section: section.name.clone(),
            setup: setup.name.clone(),
            fold,
            name: request.name.clone().expect("it was given one"),
            spec: spec.as_ref().map(Registry::id_of).transpose()?,
            weights: setup.weights.clone(),
        };
        let arguments = if spec.is_some() { self.arguments(&request, setup) } else { Vec::new() };
        let sizes = sizes.unwrap_or(FoldSizes { train: none, val: none, test: none });
        let request = DraftRequest::Network(Box::new(request));
        Ok(Draft { planned: Planned { row, state, cost: None, arguments }, spec, request, sizes })
    }

    /// The end of the name of a run, where a setup has several seeds.
    fn of_seed(&self, setup: &SetupTable, seed: u64) -> String {
        match self.source.file.seeds_of(setup).len() {
            1 => String::new(),
            _ => format!("-seed{seed}"),
        }
    }

    /// A planned run of a program.
    fn program(
        &self,
        (section, divided): (&SectionTable, &Divided),
        setup: &SetupTable,
        (fold, seed): (u32, u64),
    ) -> Result<Draft, StudyError> {
        let of_seed = self.of_seed(setup, seed);
        let (split, sizes) = match divided {
            Divided::There(id, folds) => (Some(*id), folds.get(fold as usize).cloned()),
            Divided::Due(sizes, _) => (None, Some(sizes.clone())),
            Divided::Absent { .. } => (None, None),
        };
        let folder = self.source.folder();
        let absolute =
            |path: &Path| std::path::absolute(folder.join(path)).unwrap_or_else(|_| folder.join(path));
        // As if the command were typed in the study file's folder.
        let word =
            |(place, word): (usize, &String)| match setup.source.is_none() && folder.join(word).is_file() {
                true if place > 0 || word.contains('/') => absolute(word.as_ref()).display().to_string(),
                _ => word.clone(),
            };
        let none = SubsetSize { images: 0, patients: 0 };
        let request = ProgramRequest {
            dataset: self.dataset,
            split: split.unwrap_or(Id::new(crate::hash::Hash([0; 32]))),
            fold,
            seed,
            name: format!("{}-{}-f{fold}{of_seed}", self.source.file.name, setup.name),
            model: Some(setup.name.clone()),
            source: setup.source.as_deref().map(absolute),
            inputs: setup.input.iter().map(|(key, path)| (key.clone(), absolute(path))).collect(),
            variables: setup.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            network: false,
            timeout: None,
            command: setup.command.iter().enumerate().map(word).collect(),
        };
        let mut spec = None;
        let state = match (divided, split) {
            (Divided::Absent { why, mend }, _) => State::Blocked { why: why.clone(), mend: mend.clone() },
            (_, None) => State::Missing,
            (_, Some(_)) => match program::spec_of(self.registry, &request) {
                Ok(wanted) => {
                    let state = of_spec(self.registry, self.view, Registry::id_of(&wanted)?)?;
                    spec = Some(wanted);
                    state
                }
                Err(RunError::Registry(e)) => return Err(e.into()),
                Err(e) => State::Blocked { why: e.to_string(), mend: e.hint() },
            },
        };
        let row = StudyRun {
            section: section.name.clone(),
            setup: setup.name.clone(),
            fold,
            name: request.name.clone(),
            spec: spec.as_ref().map(Registry::id_of).transpose()?,
            weights: None,
        };
        let arguments = if spec.is_some() { request.arguments() } else { Vec::new() };
        let sizes = sizes.unwrap_or(FoldSizes { train: none, val: none, test: none });
        let request = DraftRequest::Program(Box::new(request));
        Ok(Draft { planned: Planned { row, state, cost: None, arguments }, spec, request, sizes })
    }

    /// The initial weights of a setup, or why it is blocked.
    fn weights(&self, setup: &SetupTable) -> Result<Result<Option<Id<Weights>>, State>, StudyError> {
        let Some(name) = &setup.weights else { return Ok(Ok(None)) };
        match self.registry.resolve_as::<Weights>(self.view, name) {
            Ok(id) => Ok(Ok(Some(id))),
            Err(RegistryError::Unknown { .. } | RegistryError::Removed { .. }) => Ok(Err(State::Blocked {
                why: format!("no weights are named `{name}`"),
                mend: Some(format!("reg weights import FILE.safetensors --name {name}")),
            })),
            Err(e @ RegistryError::WrongKind { .. }) => {
                Ok(Err(State::Blocked { why: e.to_string(), mend: None }))
            }
            Err(e) => Err(e.into()),
        }
    }

    /// The arguments of `reg train` for these settings.
    fn arguments(&self, request: &TrainRequest, setup: &SetupTable) -> Vec<String> {
        let mut arguments = vec!["train".to_owned()];
        let mut flag = |name: &str, value: String| arguments.extend([format!("--{name}"), value]);
        flag("dataset", request.dataset.hash.to_string());
        flag("split", request.split.hash.to_string());
        flag("fold", request.fold.to_string());
        let own = Path::new(&setup.model).extension().is_some_and(|extension| extension == "toml");
        let path = std::path::absolute(self.source.folder().join(&setup.model)).ok().filter(|_| own);
        flag("model", path.map_or_else(|| setup.model.clone(), |path| path.display().to_string()));
        flag("init", request.init.name().to_owned());
        if let Some(weights) = request.weights {
            flag("weights", weights.hash.to_string());
        }
        for pair in self.source.file.settings_of(setup) {
            flag("set", pair);
        }
        flag("seed", request.seed.to_string());
        flag("threads", request.threads.to_string());
        flag("name", request.name.clone().unwrap_or_default());
        // Names of runs begin with that of the study: an edited file takes them over, as it does its own name.
        arguments.push("--move".to_owned());
        arguments
    }
}

/// The planned probes, in the order of the file.
fn probes(file: &StudyFile) -> Vec<StudyProbe> {
    let of_setup = |probe: &ProbeEntry| {
        let setup = probe.setup.clone();
        let name = format!("{}-{setup}", file.name);
        probe.targets.clone().into_iter().map(move |target| StudyProbe {
            setup: setup.clone(),
            target,
            name: format!("{name}-{}", target.name()),
        })
    };
    file.probe.iter().flat_map(of_setup).collect()
}
