//! A folder of objects with a small data set, for running the real worker.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use reg::dataset::pixels::{Gray, encode_png};
use reg::hash::{Hash, Id, Sha256};
use reg::network;
use reg::random::Stream;
use reg::records::{
    AgeRange, Architecture, Assignment, Augmentation, DeviceKind, EarlyStop, Gender, ImageInput, ImageRow,
    Init, LabelValues, Layout, Loss, Manifest, Model, NetworkSpec, Numerics, Packed, Pixels, Precision,
    Scores, Subset, Training, ViewPosition, codec,
};
use reg::worker::{Job, JobOutcome, Numbers, PROTOCOL, Work, WorkerEvent};
use serde_json::{Value, json};

pub(crate) const LABELS: u32 = 2;
pub(crate) const NUMBERS: Numbers = Numbers { precision: Precision::F32, layout: Layout::ChannelsLast };

/// Objects, and a data set of `images` in which label 0 says which half of the picture is bright and label 1
/// that the patient is female and older than 50.
pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) rows: Vec<ImageRow>,
    pub(crate) manifest: Hash,
    pub(crate) assignment: Hash,
}

impl Bench {
    pub(crate) fn new(images: u32, with_pixels: bool) -> Self {
        Self::with_subsets(images, with_pixels, |row| [0, 0, 0, 1, 2][row as usize % 5])
    }

    pub(crate) fn with_subsets(images: u32, with_pixels: bool, subset: impl Fn(u32) -> u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut stream = Stream::new("reg test", 1, &[]);
        let rows: Vec<ImageRow> = (0..images)
            .map(|index| {
                let (right, female) = (stream.below(2) == 1, stream.below(2) == 1);
                let age = stream.below(90) as i32;
                let object = with_pixels.then(|| {
                    let gray = picture(right, &mut stream);
                    put(dir.path(), &encode_png(&gray))
                });
                ImageRow {
                    name: format!("{index:08}_000.png").parse().unwrap(),
                    object,
                    sha256: Sha256([0; 32]),
                    bytes: 0,
                    width: if with_pixels { 48 } else { 0 },
                    height: if with_pixels { 40 } else { 0 },
                    row: index + 1,
                    patient: index.into(),
                    study: None,
                    follow_up: Some(0),
                    age: Some(age),
                    gender: if female { Gender::Female } else { Gender::Male },
                    view: ViewPosition::PA,
                    labels: LabelValues::of(&[Some(right), Some(female && age > 50)]),
                }
            })
            .collect();
        let manifest = pack(dir.path(), &Manifest { labels: LABELS, rows: rows.clone() });
        let assignment = pack(dir.path(), &Assignment { folds: vec![(0..images).map(subset).collect()] });
        Bench { dir, rows, manifest, assignment }
    }

    pub(crate) fn put(&self, bytes: &[u8]) -> Hash {
        put(self.dir.path(), bytes)
    }

    /// A new folder for a job's files.
    pub(crate) fn out(&self, name: &str) -> PathBuf {
        let out = self.dir.path().join(name);
        fs::create_dir_all(&out).unwrap();
        out
    }

    pub(crate) fn object(&self, id: &Hash) -> PathBuf {
        path(self.dir.path(), id)
    }

    pub(crate) fn job(&self, out: &Path, work: Work) -> Job {
        Job {
            protocol: PROTOCOL,
            objects: self.dir.path().join("objects"),
            out: out.to_owned(),
            cache: Some(self.dir.path().join("cache")),
            device: "cpu".into(),
            threads: 1,
            labels: LABELS,
            age: Some(AgeRange { min: 0, max: 90 }),
            work,
        }
    }

    pub(crate) fn train(&self, out: &Path, spec: &NetworkSpec, weights: Option<Hash>) -> Job {
        let (manifest, assignment) = (Id::new(self.manifest), Id::new(self.assignment));
        self.job(
            out,
            Work::Train { spec: Box::new(spec.clone()), manifest, assignment, weights, save_every: 0.0 },
        )
    }

    pub(crate) fn predict(&self, out: &Path, model: &Model, checkpoint: Hash, subset: Subset) -> Job {
        let work = Work::Predict {
            model: model.clone(),
            checkpoint: Id::new(checkpoint),
            numbers: NUMBERS,
            batch: 4,
            manifest: Id::new(self.manifest),
            assignment: Id::new(self.assignment),
            fold: 0,
            subset,
            flipped: false,
        };
        self.job(out, work)
    }
}

/// Noise, with one half brighter.
fn picture(right: bool, stream: &mut Stream) -> Gray {
    let (width, height) = (48, 40);
    let pixel = |index: u32, stream: &mut Stream| {
        let bright = (index % width >= width / 2) == right;
        (stream.below(60) + if bright { 150 } else { 40 }) as u8
    };
    let data = (0..width * height).map(|index| pixel(index, stream)).collect();
    Gray { width, height, data }
}

fn path(dir: &Path, id: &Hash) -> PathBuf {
    let name = id.to_string();
    dir.join("objects").join(&name[..2]).join(&name[2..])
}

fn put(dir: &Path, bytes: &[u8]) -> Hash {
    let id = Hash::of(bytes);
    fs::create_dir_all(path(dir, &id).parent().unwrap()).unwrap();
    fs::write(path(dir, &id), bytes).unwrap();
    id
}

fn pack<T: Packed>(dir: &Path, value: &T) -> Hash {
    put(dir, &codec::pack(value).unwrap())
}

pub(crate) fn image_input(channels: u32, side: u32) -> ImageInput {
    let (mean, std) = (vec![0.5; channels as usize], vec![0.25; channels as usize]);
    ImageInput { channels, input: side, resize: side + side / 8, mean, std }
}

/// A preset's layers with other settings, and other images if it has any.
pub(crate) fn layers(preset: &str, settings: &[(&str, Value)], image: Option<ImageInput>) -> Architecture {
    let mut architecture = network::preset(preset).unwrap().model.architecture;
    for (name, value) in settings {
        network::set(&mut architecture, name, value).unwrap().unwrap();
    }
    architecture.image = image;
    architecture
}

pub(crate) fn tiny() -> Architecture {
    layers("tiny-meta", &[("widths", json!([4, 8]))], Some(image_input(1, 16)))
}

pub(crate) fn mlp() -> Architecture {
    layers("mlp", &[("hidden", json!([16]))], None)
}

/// Two labels, a few quick epochs.
pub(crate) fn spec(architecture: Architecture, epochs: u32) -> NetworkSpec {
    let hash = Hash::of(b"a link that the worker does not follow");
    NetworkSpec {
        dataset: Id::new(hash),
        split: Id::new(hash),
        fold: 0,
        model: Model { name: "test".into(), architecture },
        init: Init::Scratch,
        weights: None,
        training: Training {
            epochs,
            batch: 8,
            lr: 0.01,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            lr_factor: 0.5,
            patience: 1,
            loss: Loss::Bce,
            // No flip, because the first label distinguishes left from right.
            augmentation: Some(Augmentation {
                crop_area: [0.5, 1.0],
                crop_aspect: [0.75, 4.0 / 3.0],
                rotation: 7.0,
                flip: 0.0,
            }),
            pixels: Some(Pixels::Side(32)),
            precision: Some(Precision::F32),
            layout: Some(Layout::ChannelsLast),
            early_stop: Some(EarlyStop::Never),
        },
        seed: 5,
        threads: 1,
        device: DeviceKind::Cpu,
        numerics: Numerics { version: 1, libtorch: "2.11.0".to_owned(), target: "x86_64-linux".to_owned() },
    }
}

/// A worker that has read its job.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) events: std::io::Lines<BufReader<ChildStdout>>,
}

pub(crate) fn start(job: &impl serde::Serialize, loaders: u32) -> Running {
    start_with(job, loaders, &[])
}

/// The same with other variables in the worker's environment.
pub(crate) fn start_with(job: &impl serde::Serialize, loaders: u32, variables: &[(&str, &str)]) -> Running {
    let mut child = Command::new(env!("CARGO_BIN_EXE_reg-torch"))
        .env("RAYON_NUM_THREADS", loaders.to_string())
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(job).unwrap()).unwrap();
    let mut events = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = events.next().unwrap().unwrap();
    assert!(matches!(serde_json::from_str(&ready).unwrap(), WorkerEvent::Ready(_)), "{ready}");
    Running { child, events }
}

impl Running {
    pub(crate) fn next(&mut self) -> Option<WorkerEvent> {
        self.events.next().map(|line| serde_json::from_str(&line.unwrap()).unwrap())
    }

    /// All other events and the exit status.
    pub(crate) fn finish(mut self) -> (Vec<WorkerEvent>, Option<i32>) {
        let events = std::iter::from_fn(|| self.next()).collect();
        (events, self.child.wait().unwrap().code())
    }
}

/// Runs a job that must succeed.
pub(crate) fn run(job: &Job) -> (JobOutcome, Vec<WorkerEvent>) {
    run_with(job, &[])
}

/// The same with other variables in the worker's environment.
pub(crate) fn run_with(job: &Job, variables: &[(&str, &str)]) -> (JobOutcome, Vec<WorkerEvent>) {
    let (mut events, code) = start_with(job, 1, variables).finish();
    match (events.pop(), code) {
        (Some(WorkerEvent::Done(outcome)), Some(0)) => (outcome, events),
        other => panic!("not done: {other:?}"),
    }
}

/// Runs a job that must fail, and returns message and hint.
pub(crate) fn fail(job: &impl serde::Serialize) -> (String, String) {
    let (mut events, code) = start(job, 1).finish();
    match (events.pop(), code) {
        (Some(WorkerEvent::Failed { message, hint }), Some(1)) => (message, hint.unwrap_or_default()),
        other => panic!("not failed: {other:?}"),
    }
}

pub(crate) fn scores(out: &Path) -> Scores {
    codec::unpack(&fs::read(out.join("scores.bin")).unwrap()).unwrap()
}

/// The results of a training, by file.
pub(crate) fn results(out: &Path) -> BTreeMap<&'static str, Vec<u8>> {
    ["checkpoint.safetensors", "log.jsonl"].map(|name| (name, fs::read(out.join(name)).unwrap())).into()
}
