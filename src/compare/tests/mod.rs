//! Comparisons of a few made-up images in a store in memory: the content of tables, and the reasons for
//! refusals.
//!
//! Every record is built by a function below.

mod curves;
mod groups;
mod intervals;
mod numbers;
mod published;
mod recorded;
mod refusals;
mod seeds;
mod shared;
mod thresholds;

use super::*;
use crate::hash::Sha256;
use crate::records::{
    Architecture, Assignment, Dataset, DeviceKind, File, FoldSizes, Gender, ImageRow, Init, LabelSpread,
    LabelValues, Layer, Loss, Manifest, Model, NetworkSpec, Numerics, Record, Run, Scale, ScoreSource,
    Scores, Spec, Split, SplitMethod, SubsetSize, Training, ViewPosition, Weights,
};
use crate::registry::MemoryStore;

/// A metadata-only data set, a split of it, and the store that contains both.
struct World {
    store: MemoryStore,
    dataset: Id<Dataset>,
    split: Id<Split>,
}

/// A perceptron with one hidden layer.
fn perceptron(units: u32) -> Architecture {
    let layers = vec![Layer::Dense { name: "hidden".to_owned(), hidden: vec![units] }];
    Architecture { image: None, meta: true, layers, head: "fc".to_owned() }
}

/// Image `n` of a patient. Bit `i` of `labels` is label `i`.
fn image(n: u32, patient: u32, labels: u32) -> ImageRow {
    ImageRow {
        name: format!("{n:04}.png").parse().unwrap(),
        object: None,
        sha256: Sha256([0; 32]),
        bytes: 0,
        width: 0,
        height: 0,
        row: n + 1,
        patient: patient.into(),
        study: None,
        follow_up: Some(0),
        age: Some(50),
        gender: Gender::Male,
        view: ViewPosition::PA,
        labels: positive(labels),
    }
}

/// Labels whose bits are set are positive, the others negative.
fn positive(bits: u32) -> LabelValues {
    let mut labels = LabelValues::negative(u32::BITS as usize);
    (0..u32::BITS)
        .filter(|label| bits >> label & 1 == 1)
        .for_each(|label| labels.set(label as usize, Some(true)));
    labels
}

/// One image for each element of `labels`, each of another patient, with these labels.
fn images(labels: &[u32]) -> Vec<ImageRow> {
    (0..).zip(labels).map(|(n, labels)| image(n, n, *labels)).collect()
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl World {
    /// One digit per image in each fold: 0 trains, 1 validates, 2 tests, 3 is unused.
    fn new(labels: &[&str], rows: Vec<ImageRow>, folds: &[&str]) -> Self {
        let none = Hash::of(b"none yet");
        let mut world = World { store: MemoryStore::default(), dataset: Id::new(none), split: Id::new(none) };
        world.dataset = world.add_dataset("made up", labels, rows);
        world.split = world.add_split(world.dataset, resampled(1), folds);
        world
    }

    fn add_dataset(&mut self, source: &str, labels: &[&str], rows: Vec<ImageRow>) -> Id<Dataset> {
        let dataset = dataset(&mut self.store, source, labels, &rows);
        self.store.put(&dataset)
    }

    fn add_split(&mut self, dataset: Id<Dataset>, method: SplitMethod, folds: &[&str]) -> Id<Split> {
        let codes = |fold: &&str| fold.bytes().map(|digit| digit - b'0').collect::<Vec<u8>>();
        let assignment = Assignment { folds: folds.iter().map(codes).collect() };
        let sizes = (0..folds.len()).map(|fold| {
            let of = |subset| SubsetSize { images: assignment.rows(fold, subset).len() as u64, patients: 0 };
            FoldSizes { train: of(Subset::Train), val: of(Subset::Val), test: of(Subset::Test) }
        });
        let folds = sizes.collect();
        let assignment = self.store.put_packed(&assignment);
        self.store.put(&Split { dataset, method, rules: rules::SPLIT, assignment, folds })
    }

    /// A run of a model on a fold of the split.
    fn run(&mut self, model: &str, fold: u32) -> Id<Run> {
        self.run_with(model, fold, |_| {})
    }

    fn run_with(&mut self, model: &str, fold: u32, change: impl FnOnce(&mut NetworkSpec)) -> Id<Run> {
        let mut spec = spec(self.dataset, self.split, model, fold);
        change(&mut spec);
        let spec = self.store.put(&Spec::Network(spec));
        let checkpoint = self.store.put_file(format!("weights of {spec}").as_bytes()).object;
        let log = self.store.put_file(b"log").object;
        self.store.put(&Run {
            spec,
            checkpoint: Some(checkpoint),
            log: Some(log),
            epochs: Some(1),
            best_epoch: Some(1),
            val_loss: Some(1.0),
            parameters: Some(1),
            files: Vec::new(),
        })
    }

    /// Weights that are the checkpoint of a run.
    fn weights(&mut self, of: Id<Run>) -> Id<Weights> {
        let checkpoint = self.get(of).checkpoint.unwrap();
        let file = File { object: checkpoint, sha256: Sha256([0; 32]), bytes: 1 };
        self.store.put(&Weights { file, runs: Vec::new(), trained_on: Vec::new(), tensors: 1, parameters: 1 })
    }

    fn get<T: Record>(&self, id: Id<T>) -> T {
        (&self.store as &dyn Objects).get(id).unwrap()
    }

    fn rows(&self, split: Id<Split>, fold: u32, subset: Subset) -> Vec<u32> {
        let split = self.get(split);
        (&self.store as &dyn Objects).assignment(&split).unwrap().rows(fold as usize, subset)
    }

    /// A run's scores of the test images of its fold, one slice per label of the data set.
    fn tested(&mut self, run: Id<Run>, scores: &[&[f64]]) -> Input {
        self.scored(run, Subset::Test, scores)
    }

    fn scored(&mut self, run: Id<Run>, subset: Subset, scores: &[&[f64]]) -> Input {
        let spec = self.get(self.get(run).spec);
        let labels = self.get(spec.dataset()).labels;
        let rows = self.rows(spec.split(), spec.fold(), subset);
        let scores = self.scores(rows, scores);
        let predictions = Predictions {
            dataset: spec.dataset(),
            split: Some(spec.split()),
            fold: Some(spec.fold()),
            subset: Some(subset),
            source: by_run(run),
            model: spec.model_name().to_owned(),
            labels,
            scale: Scale::Logit,
            images: scores.1,
            scores: scores.0,
        };
        self.input(predictions)
    }

    /// Another tool's scores of some images.
    fn imported(&mut self, model: &str, labels: &[&str], rows: &[u32], scores: &[&[f64]]) -> Input {
        let file = self.store.put_file(model.as_bytes());
        let scores = self.scores(rows.to_vec(), scores);
        let predictions = Predictions {
            dataset: self.dataset,
            split: None,
            fold: None,
            subset: None,
            source: ScoreSource::Import { file, columns: None, rules: rules::IMPORT },
            model: model.to_owned(),
            labels: owned(labels),
            scale: Scale::Probability,
            images: scores.1,
            scores: scores.0,
        };
        self.input(predictions)
    }

    /// The same scores in a modified record.
    fn altered(&mut self, input: &Input, change: impl FnOnce(&mut Predictions)) -> Input {
        let mut predictions = input.predictions.clone();
        change(&mut predictions);
        self.input(predictions)
    }

    fn input(&mut self, predictions: Predictions) -> Input {
        let fold = predictions.fold.map_or("none".to_owned(), |fold| fold.to_string());
        let name = format!("{}-f{fold}", predictions.model);
        Input { name, label: None, id: self.store.put(&predictions), predictions }
    }

    /// Turns scores by label into scores by image; returns them with the number of images.
    fn scores(&mut self, rows: Vec<u32>, by_label: &[&[f64]]) -> (Id<Scores>, u64) {
        let images = rows.len();
        assert!(by_label.iter().all(|scores| scores.len() == images), "a score an image");
        let scores = (0..images).flat_map(|image| by_label.iter().map(move |scores| scores[image]));
        let scores = Scores { rows, labels: by_label.len() as u32, scores: scores.collect() };
        (self.store.put_packed(&scores), images as u64)
    }

    fn compare(&self, inputs: &[&Input], options: &CompareOptions) -> Result<Comparison, CompareError> {
        self.compare_beside(inputs, options, None, &[])
    }

    fn compare_beside(
        &self,
        inputs: &[&Input],
        options: &CompareOptions,
        published: Option<(&[PublishedModel], &PublishedLists)>,
        validation: &[&Input],
    ) -> Result<Comparison, CompareError> {
        let inputs: Vec<Input> = inputs.iter().map(|input| (*input).clone()).collect();
        let columns = columns::columns(&self.store, inputs, options.grouping)?;
        let validation: Vec<Id<Predictions>> = validation.iter().map(|input| input.id).collect();
        let sources = (Validation::Among(&validation), PixelSource::Among(&[]));
        compute(&self.store, columns, options, published, sources)
    }

    /// The reasons why a comparison is refused; with the flag they are recorded instead.
    fn against(&self, inputs: &[&Input], options: &CompareOptions) -> Vec<Incomparable> {
        let allowing = CompareOptions { allow_incomparable: true, ..options.clone() };
        let marked = self.compare(inputs, &allowing).unwrap().incomparable;
        match self.compare(inputs, options) {
            Err(CompareError::Incomparable(refused)) => assert_eq!(refused, marked),
            Ok(comparison) => assert_eq!(comparison.incomparable, marked),
            Err(e) => panic!("{e}"),
        }
        marked
    }
}

fn dataset(store: &mut MemoryStore, source: &str, labels: &[&str], rows: &[ImageRow]) -> Dataset {
    let manifest = Manifest { labels: labels.len() as u32, rows: rows.to_vec() };
    let dataset = Dataset {
        source: source.to_owned(),
        rules: rules::INGEST,
        labels: owned(labels),
        no_finding: labels.contains(&"No Finding").then(|| "No Finding".to_owned()),
        manifest: store.put_packed(&manifest),
        metadata: store.put_file(b"metadata"),
        boxes_file: None,
        box_size: None,
        boxes: None,
        metadata_only: true,
        images: 0,
        patients: 0,
        bytes: 0,
        missing: 0,
        age: None,
        impossible_ages: 0,
        withdrawn: None,
    };
    dataset.counted(&manifest)
}

fn resampled(seed: u64) -> SplitMethod {
    SplitMethod::Resample { seed, ratios: [70, 10, 20] }
}

fn spec(dataset: Id<Dataset>, split: Id<Split>, model: &str, fold: u32) -> NetworkSpec {
    NetworkSpec {
        dataset,
        split,
        fold,
        model: Model { name: model.to_owned(), architecture: perceptron(16) },
        init: Init::Scratch,
        weights: None,
        training: Training {
            epochs: 30,
            batch: 16,
            lr: 0.001,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            lr_factor: 0.5,
            patience: 1,
            loss: Loss::Bce,
            augmentation: None,
            pixels: None,
            precision: None,
            layout: None,
            early_stop: None,
        },
        seed: 1,
        threads: 1,
        device: DeviceKind::Cpu,
        numerics: numerics(),
    }
}

fn by_run(run: Id<Run>) -> ScoreSource {
    ScoreSource::Run { run, device: DeviceKind::Cpu, threads: 1, numerics: numerics(), flipped: false }
}

fn numerics() -> Numerics {
    Numerics { version: 1, libtorch: "2.11.0".to_owned(), target: "x86_64-linux".to_owned() }
}

/// One label of one model.
fn label<'a>(comparison: &'a Comparison, model: &str, label: &str) -> &'a LabelSpread {
    let model = comparison.models.iter().find(|column| column.name == model).unwrap();
    model.labels.iter().find(|spread| spread.label == label).unwrap()
}

fn kinds(incomparable: &[Incomparable]) -> Vec<IncomparableKind> {
    incomparable.iter().map(|incomparable| incomparable.kind).collect()
}

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
}
