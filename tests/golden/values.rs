//! The values of the golden files: one of each kind of record and packed array, which refer to each other as in a real
//! study. Together they have every variant, and each optional value once absent and once present.

use std::sync::LazyLock;

use reg::hash::{Digest, Hash, Id, Mention, Sha256};
use reg::records::codec::{self, CodecError};
use reg::records::{
    AgeCount, Architecture, Area, Assignment, AucTable, Augmentation, Blob, Bootstrap, BootstrapRow, BoxRow,
    Boxes, CalibrationBin, ComparedDivision, ComparedModel, Comparison, Computed, Dataset, DatasetTable,
    DelongRow, DeviceKind, EarlyStop, Event, Execution, File, FoldSizes, Gender, Git, GroupBy, GroupRow,
    GroupTest, Heatmap, HeatmapInBox, ImageInput, ImageRow, Incomparable, IncomparableKind, Init, Isolation,
    LabelAuc, LabelPrevalence, LabelSpread, LabelThreshold, LabelValues, Layout, LeakCheck,
    LineOfCalibration, Loss, Manifest, MetricIntervals, MetricRow, Model, NameChange, NetworkIsolation,
    NetworkSpec, Note, Numerics, OperatingPoint, Packed, PixelDigests, PixelHashes, Pixels, PointedBox,
    PointedLabel, Pointing, Pooling, Precision, Predictions, Primary, ProbeResult, ProbeTable, ProbedFold,
    Program, ProgramEnvironment, ProgramFile, ProgramInput, ProgramOutput, ProgramSpec, PublishedAuc,
    PublishedModel, PublishedTable, RankedModel, Record, Removal, RemovedRecord, ResampledRow, Run, Scale,
    ScoreSource, Scores, Software, Spec, Split, SplitMethod, Spread, StdError, Study, StudyProbe, StudyRun,
    StudySection, Subject, Subset, SubsetSize, Table, Target, Training, TrainingData, Variance, ViewPosition,
    Weights, Withdrawal, WithdrawnImage,
};

type Means = dyn Fn(&[u8]) -> Result<bool, CodecError>;

/// Encoder and decoder of a kind, without its type.
pub(crate) struct Golden {
    /// Name of the file in `fixtures/golden`.
    pub(crate) file: &'static str,
    /// The encoded value.
    pub(crate) bytes: Vec<u8>,
    /// Reads bytes and returns whether they decode to the value.
    pub(crate) means: Box<Means>,
}

fn record<T: Record + 'static>(file: &'static str, value: T) -> Golden {
    let bytes = codec::encode(&value).unwrap();
    Golden { file, bytes, means: Box::new(move |bytes| Ok(codec::decode::<T>(bytes)? == value)) }
}

fn packed<T: Packed + PartialEq + 'static>(file: &'static str, value: T) -> Golden {
    let bytes = codec::pack(&value).unwrap();
    Golden { file, bytes, means: Box::new(move |bytes| Ok(codec::unpack::<T>(bytes)? == value)) }
}

/// The bytes of every golden file, encoded once for tests that need them many times.
pub(crate) static BYTES: LazyLock<Vec<(&str, Vec<u8>)>> =
    LazyLock::new(|| all().into_iter().map(|value| (value.file, value.bytes)).collect());

/// Every golden file and its value.
pub(crate) fn all() -> Vec<Golden> {
    vec![
        packed("manifest.bin", manifest()),
        packed("manifest-metadata-only.bin", manifest_of_metadata()),
        packed("boxes.bin", boxes()),
        packed("assignment.bin", assignment()),
        packed("scores.bin", scores()),
        packed("pixels.bin", pixels()),
        record("dataset.json", dataset()),
        record("dataset-metadata-only.json", dataset_of_metadata()),
        record("dataset-withdrawn.json", Dataset { withdrawn: Some(2), ..dataset() }),
        record("pixel-hashes.json", pixel_hashes()),
        record("split-resample.json", resampled()),
        record("split-official.json", official()),
        record("split-k-fold.json", folded()),
        record("weights.json", weights()),
        record("software.json", software()),
        record("spec-resnet.json", Spec::Network(spec_resnet())),
        record("spec-tiny.json", Spec::Network(spec_tiny())),
        record("spec-mlp.json", Spec::Network(spec_mlp())),
        record("spec-densenet.json", Spec::Network(spec_densenet())),
        record("spec-settings.json", Spec::Network(spec_settings())),
        record("spec-program.json", spec_program()),
        record("run.json", run()),
        record("run-program.json", run_program()),
        record("predictions-run.json", predicted()),
        record("predictions-program.json", predicted_by_program()),
        record("predictions-import.json", imported()),
        record("predictions-flipped.json", flipped()),
        record("predictions-mean.json", averaged()),
        record("table-auc.json", auc()),
        record("table-dataset.json", counted()),
        record("table-auc-missing.json", auc_missing()),
        record("table-auc-thresholds.json", auc_thresholds()),
        record("table-dataset-missing.json", counted_missing()),
        record("table-comparison.json", Table::Comparison(comparison().into())),
        record("table-comparison-full.json", Table::Comparison(full_comparison().into())),
        record("table-probe-view.json", Table::Probe(probe(Target::View).into())),
        record("table-probe-age.json", Table::Probe(probe(Target::Age).into())),
        record("table-heat.json", Table::Heatmap(heatmap().into())),
        record("table-pointing.json", Table::Pointing(pointing().into())),
        record("study.json", study()),
        record("execution.json", execution()),
        record("execution-program.json", execution_of_program()),
        record("execution-deterministic.json", Execution { deterministic: Some(true), ..execution() }),
        record("withdrawal.json", withdrawal()),
        record("withdrawal-revoked.json", revoked()),
        record("note.json", note()),
        record("note-replaced.json", replaced_note()),
        record("removal.json", removal()),
        record("removal-revoked.json", restored()),
        record("event.json", event()),
    ]
}

fn id<T: Record>(value: &T) -> Id<T> {
    Id::new(Hash::of(&codec::encode(value).unwrap()))
}

fn packed_id<T: Packed>(value: &T) -> Id<T> {
    Id::new(Hash::of(&codec::pack(value).unwrap()))
}

fn file(content: &str) -> File {
    Digest::of(content.as_bytes()).into()
}

fn blob(content: &str) -> Id<Blob> {
    Id::new(Hash::of(content.as_bytes()))
}

pub(crate) fn manifest() -> Manifest {
    let image = |name: &str, row| {
        let digest = Digest::of(name.as_bytes());
        ImageRow {
            name: name.parse().unwrap(),
            object: Some(digest.blake3),
            sha256: digest.sha256,
            bytes: digest.bytes,
            width: 1024,
            height: 1000 + row,
            row,
            patient: 1.into(),
            study: None,
            follow_up: Some(row - 1),
            age: Some(58),
            gender: Gender::Male,
            view: ViewPosition::PA,
            labels: LabelValues::of(&[Some(false), Some(true), Some(false)]),
        }
    };
    let second = ImageRow {
        age: None,
        gender: Gender::Female,
        view: ViewPosition::AP,
        labels: LabelValues::of(&[Some(true), Some(false), Some(true)]),
        ..image("00000001_001.png", 2)
    };
    Manifest { labels: 3, rows: vec![image("00000001_000.png", 1), second] }
}

/// More labels than a word has bits, the last of them positive and the second missing.
fn manifest_of_metadata() -> Manifest {
    let mut labels = [Some(false); 66];
    (labels[1], labels[65]) = (None, Some(true));
    let row = ImageRow {
        name: "a-\u{e9}.png".parse().unwrap(),
        object: None,
        sha256: Sha256([0; 32]),
        bytes: 0,
        width: 0,
        height: 0,
        row: 7,
        patient: "p10-\u{3b1}".parse().unwrap(),
        study: Some("s 1".parse().unwrap()),
        follow_up: None,
        age: Some(-1),
        gender: Gender::Unknown,
        view: ViewPosition::Unknown,
        labels: LabelValues::of(&labels),
    };
    Manifest { labels: 66, rows: vec![row] }
}

fn boxes() -> Boxes {
    let first = BoxRow { image: 0, label: 1, x: 225.5, y: 0.0, w: 86.25, h: 79.0 };
    Boxes { rows: vec![first.clone(), BoxRow { image: 1, label: 0, x: 1.0, ..first }] }
}

pub(crate) fn assignment() -> Assignment {
    Assignment { folds: vec![vec![0, 2], vec![1, 3]] }
}

pub(crate) fn scores() -> Scores {
    Scores { rows: vec![0, 1], labels: 3, scores: vec![-2.5, 0.0, 1e-3, 0.1, 0.125, 3e20] }
}

fn dataset() -> Dataset {
    Dataset {
        source: "ChestX-ray14".to_owned(),
        rules: 1,
        labels: ["Atelectasis", "Cardiomegaly", "No Finding"].map(str::to_owned).into(),
        no_finding: Some("No Finding".to_owned()),
        manifest: packed_id(&manifest()),
        metadata: file("metadata"),
        boxes_file: Some(file("boxes")),
        box_size: Some([1024, 1024]),
        boxes: Some(packed_id(&boxes())),
        metadata_only: false,
        images: 2,
        patients: 1,
        bytes: 32,
        missing: 3,
        age: Some(reg::records::AgeRange { min: 58, max: 58 }),
        impossible_ages: 0,
        withdrawn: None,
    }
}

fn dataset_of_metadata() -> Dataset {
    Dataset {
        manifest: packed_id(&manifest_of_metadata()),
        boxes_file: None,
        box_size: None,
        boxes: None,
        metadata_only: true,
        images: 1,
        bytes: 0,
        missing: 0,
        age: None,
        impossible_ages: 1,
        ..dataset()
    }
}

fn folds() -> Vec<FoldSizes> {
    let of = |images, patients| SubsetSize { images, patients };
    vec![
        FoldSizes { train: of(1, 1), val: of(0, 0), test: of(1, 1) },
        FoldSizes { train: of(0, 0), val: of(1, 1), test: of(0, 0) },
    ]
}

fn resampled() -> Split {
    Split {
        dataset: id(&dataset()),
        // The largest seed: a reader that takes integers for 64-bit floats loses it.
        method: SplitMethod::Resample { seed: u64::MAX, ratios: [70, 10, 20] },
        rules: 1,
        assignment: packed_id(&assignment()),
        folds: folds(),
    }
}

fn folded() -> Split {
    Split { method: SplitMethod::KFold { seed: 1, ratios: [70, 10] }, ..resampled() }
}

fn official() -> Split {
    let method = SplitMethod::Official {
        train_val: file("train_val_list.txt"),
        test: file("test_list.txt"),
        val_fraction: 0.125,
        seed: 1,
    };
    Split { method, ..resampled() }
}

fn weights() -> Weights {
    let (dataset, split) = (id(&dataset()), id(&resampled()));
    Weights {
        file: file("resnet50.safetensors"),
        runs: Vec::new(),
        trained_on: vec![
            TrainingData::Dataset { dataset },
            TrainingData::Division { dataset, split, fold: 1 },
            TrainingData::External { name: "ImageNet-1k".into() },
        ],
        tensors: 267,
        parameters: 25_557_032,
    }
}

fn software() -> Software {
    Software {
        worker: "0.1.0".to_owned(),
        numerics: numerics(),
        tch: "0.24.0".to_owned(),
        crates: [("image", "0.25.10"), ("rand_chacha", "0.3.1, 0.10.0")]
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .into(),
        sources: blob("sources"),
    }
}

fn numerics() -> Numerics {
    Numerics { version: 1, libtorch: "2.11.0".to_owned(), target: "x86_64-linux".to_owned() }
}

fn image_input(channels: usize) -> ImageInput {
    ImageInput {
        channels: channels as u32,
        input: 224,
        resize: 256,
        mean: [0.485, 0.456, 0.406][..channels].into(),
        std: [0.229, 0.224, 0.225][..channels].into(),
    }
}

fn training() -> Training {
    Training {
        epochs: 30,
        batch: 16,
        lr: 0.001,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        lr_factor: 0.5,
        patience: 1,
        loss: Loss::PositiveNegative,
        augmentation: Some(Augmentation {
            crop_area: [0.08, 1.0],
            crop_aspect: [0.75, 4.0 / 3.0],
            rotation: 7.0,
            flip: 0.5,
        }),
        pixels: None,
        precision: None,
        layout: None,
        early_stop: None,
    }
}

/// A preset's layers with other settings, and other images if it has any.
fn layers(preset: &str, settings: &[(&str, serde_json::Value)], image: Option<ImageInput>) -> Architecture {
    let mut architecture = reg::network::preset(preset).unwrap().model.architecture;
    for (name, value) in settings {
        reg::network::set(&mut architecture, name, value).unwrap().unwrap();
    }
    architecture.image = image;
    architecture
}

/// BatchNorm before convolution, and basic blocks.
fn spec_densenet() -> NetworkSpec {
    let mut architecture = layers("densenet121", &[("depth", [2, 2, 1, 1].into())], Some(image_input(3)));
    architecture.layers.insert(2, layers("resnet18", &[], None).layers.remove(2));
    NetworkSpec { model: Model { name: "own".to_owned(), architecture }, ..spec_resnet() }
}

fn spec_resnet() -> NetworkSpec {
    let architecture = layers("resnet50-large-meta", &[], Some(image_input(3)));
    NetworkSpec {
        dataset: id(&dataset()),
        split: id(&resampled()),
        fold: 1,
        model: Model { name: "resnet50-large-meta".to_owned(), architecture },
        init: Init::FineTune,
        weights: Some(id(&weights())),
        training: training(),
        seed: 1,
        threads: 2,
        device: DeviceKind::Cuda,
        numerics: numerics(),
    }
}

fn spec_tiny() -> NetworkSpec {
    let architecture = layers("tiny", &[("widths", [8, 16].into())], Some(image_input(1)));
    NetworkSpec {
        model: Model { name: "tiny".to_owned(), architecture },
        init: Init::OffTheShelf,
        training: Training { loss: Loss::ClassBalanced, ..training() },
        device: DeviceKind::Cpu,
        ..spec_resnet()
    }
}

/// With all settings that older specs lack.
fn spec_settings() -> NetworkSpec {
    NetworkSpec {
        training: Training {
            pixels: Some(Pixels::Side(792)),
            precision: Some(Precision::Bf16),
            layout: Some(Layout::ChannelsFirst),
            early_stop: Some(EarlyStop::Epochs(3)),
            ..training()
        },
        ..spec_resnet()
    }
}

fn spec_mlp() -> NetworkSpec {
    NetworkSpec {
        model: Model {
            name: "mlp".to_owned(),
            architecture: layers("mlp", &[("hidden", [16].into())], None),
        },
        init: Init::Scratch,
        weights: None,
        training: Training { loss: Loss::Bce, augmentation: None, ..training() },
        device: DeviceKind::Cpu,
        ..spec_resnet()
    }
}

fn run() -> Run {
    Run {
        spec: id(&Spec::Network(spec_mlp())),
        checkpoint: Some(blob("checkpoint")),
        log: Some(blob("log")),
        epochs: Some(30),
        best_epoch: Some(12),
        val_loss: Some(0.1875),
        parameters: Some(79),
        files: Vec::new(),
    }
}

/// Of a program with all that a program can have.
fn spec_program() -> Spec {
    let weights = file("weights");
    Spec::Program(ProgramSpec {
        dataset: id(&dataset()),
        split: id(&resampled()),
        fold: 1,
        program: Program {
            name: "theirs".to_owned(),
            command: ["python3", "y.py", "--weights", "{weights}"].map(str::to_owned).into(),
            files: vec![ProgramFile { path: "y.py".to_owned(), object: blob("train.py"), executable: true }],
            interpreter: Some("Python 3.13.1".to_owned()),
            inputs: vec![ProgramInput {
                name: "weights".to_owned(),
                file_name: "weights.safetensors".to_owned(),
                object: weights.object,
                sha256: weights.sha256,
                bytes: weights.bytes,
            }],
            variables: vec!["EPOCHS=3".to_owned()],
            network: true,
        },
        seed: 5,
    })
}

fn run_program() -> Run {
    Run {
        spec: id(&spec_program()),
        checkpoint: None,
        log: None,
        epochs: None,
        best_epoch: None,
        val_loss: None,
        parameters: None,
        files: vec![ProgramOutput { name: "scores.csv".to_owned(), object: blob("scores.csv") }],
    }
}

fn predicted_by_program() -> Predictions {
    Predictions {
        subset: Some(Subset::Test),
        source: ScoreSource::Program { run: id(&run_program()), rules: 1 },
        model: "theirs".to_owned(),
        scale: Scale::Probability,
        ..predicted()
    }
}

fn execution_of_program() -> Execution {
    Execution {
        made: id(&run_program()).hash,
        cpu_capability: None,
        software: None,
        program: Some(ProgramEnvironment {
            executable: "/usr/bin/python3".to_owned(),
            packages: Some(blob("packages")),
            gpus: Vec::new(),
            source: None,
            isolation: Isolation { landlock: Some(7), network: NetworkIsolation::Allowed },
            stdout: blob(""),
            stderr: blob("stderr"),
        }),
        deterministic: None,
        ..execution()
    }
}

fn predicted() -> Predictions {
    Predictions {
        dataset: id(&dataset()),
        split: Some(id(&resampled())),
        fold: Some(1),
        subset: Some(Subset::Val),
        source: ScoreSource::Run {
            run: id(&run()),
            device: DeviceKind::Cpu,
            threads: 2,
            numerics: numerics(),
            flipped: false,
        },
        model: "mlp".to_owned(),
        labels: dataset().labels,
        scale: Scale::Logit,
        images: 2,
        scores: packed_id(&scores()),
    }
}

/// Hashes of pixels, of which one is not known.
pub(crate) fn pixels() -> PixelDigests {
    PixelDigests { rows: vec![Some(Hash::of(b"pixels")), None] }
}

fn pixel_hashes() -> PixelHashes {
    PixelHashes { dataset: id(&dataset()), pixels: packed_id(&pixels()), known: 1, rules: 1 }
}

fn imported() -> Predictions {
    Predictions {
        split: None,
        fold: None,
        subset: None,
        source: ScoreSource::Import { file: file("scores.csv"), columns: None, rules: 1 },
        model: "theirs".to_owned(),
        scale: Scale::Probability,
        ..predicted()
    }
}

fn flipped() -> Predictions {
    let mut flipped = predicted();
    let ScoreSource::Run { flipped: is_flipped, .. } = &mut flipped.source else { unreachable!("of a run") };
    *is_flipped = true;
    flipped
}

fn averaged() -> Predictions {
    // Fixed, so that they stay sorted if a test puts another id in the place of one.
    let predictions = [1, 2].map(|byte| Id::new(Hash([byte; 32]))).to_vec();
    Predictions {
        source: ScoreSource::Mean { predictions, rules: 1 },
        model: "mlp+flip".to_owned(),
        ..predicted()
    }
}

/// Thresholds of validation images, of which a label has none.
fn auc_thresholds() -> Table {
    let mut table = auc_table();
    table.operating_point = Some(OperatingPoint::Sensitivity(0.9));
    let threshold = LabelThreshold { score: 0.0, probability: 0.5, sensitivity: 1.0, specificity: 0.5 };
    table.labels[0].threshold = Some(threshold);
    Table::Auc(table)
}

pub(crate) fn auc_table() -> AucTable {
    let label = |label: &str, auc, positives| LabelAuc {
        label: label.to_owned(),
        auc,
        positives,
        negatives: 2 - positives,
        positive_patients: positives,
        missing: None,
        constant: false,
        threshold: None,
    };
    AucTable {
        predictions: id(&predicted()),
        dataset: id(&dataset()),
        images: 2,
        of_images: None,
        patients: 2,
        operating_point: None,
        labels: vec![
            label("Atelectasis", Some(1.0), 1),
            label("Cardiomegaly", Some(0.5), 1),
            label("No Finding", None, 0),
        ],
        mean: Some(0.75),
        mean_over: 2,
        rules: 1,
    }
}

/// A label that is missing for an image, and one for which all images have the same score.
fn auc_missing() -> Table {
    let mut table = auc_table();
    (table.labels[0].negatives, table.labels[0].missing) = (0, Some(1));
    table.labels[1].constant = true;
    table.of_images = Some(3);
    Table::Auc(table)
}

fn counted_missing() -> Table {
    let Table::Dataset(mut table) = counted() else { unreachable!("it is one of a data set") };
    table.labels[0].missing = Some(1);
    Table::Dataset(table)
}

fn counted() -> Table {
    let label = |label: &str, positives, prevalence| LabelPrevalence {
        label: label.to_owned(),
        positives,
        prevalence,
        missing: None,
    };
    Table::Dataset(DatasetTable {
        dataset: id(&dataset()),
        images: 4,
        patients: 3,
        gender: [2, 1, 1],
        view: [3, 1, 0],
        age_mean: Some(8.5),
        age_std: None,
        ages: vec![AgeCount { from: 8, to: 10, images: 2 }],
        age_min: Some(8),
        age_max: Some(9),
        impossible_ages: 1,
        missing_ages: 1,
        labels: vec![label("Atelectasis", 1, Some(0.25)), label("No Finding", 0, None)],
        findings_per_image: Some(0.25),
        rules: 1,
    })
}

fn auc() -> Table {
    Table::Auc(auc_table())
}

fn computed() -> Computed {
    Computed { device: DeviceKind::Cpu, threads: 2, numerics: numerics() }
}

fn probe(target: Target) -> ProbeTable {
    let spread = |value| Spread {
        folds: vec![Some(value)],
        n: 1,
        mean: Some(value),
        std: None,
        min: Some(value),
        max: Some(value),
        seeds: Vec::new(),
        seed_std: None,
    };
    let result = match target {
        Target::Age => {
            ProbeResult::Years { mae: spread(9.25), deviation: spread(7.5), baseline: spread(13.5) }
        }
        _ => ProbeResult::Classes {
            positive: "AP".to_owned(),
            positives: vec![1],
            auc: spread(0.75),
            threshold: spread(-0.5),
            sensitivity: spread(1.0),
            specificity: spread(0.5),
        },
    };
    let scores = Id::new(Hash::of(&codec::pack(&scores()).unwrap()));
    ProbeTable {
        target,
        model: "resnet50-large".to_owned(),
        dataset: id(&dataset()),
        split: id(&resampled()),
        folds: vec![ProbedFold {
            fold: 1,
            run: id(&run()),
            images: [2, 1, 1],
            unknown: 1,
            penalty: 0.01,
            validation: scores,
            test: scores,
            computed: computed(),
        }],
        result,
        rules: 1,
    }
}

fn heat_in_box(heat_share: Option<f64>) -> HeatmapInBox {
    let area = Area { x: 10.5, y: 20.0, w: 30.0, h: 40.25 };
    HeatmapInBox { area, area_share: 0.0625, heat_share, hit: heat_share.is_some() }
}

fn heatmap() -> Heatmap {
    Heatmap {
        run: id(&run()),
        image: "00000001_000.png".to_owned(),
        object: blob("image"),
        meta: None,
        size: [1024, 1024],
        label: "Atelectasis".to_owned(),
        logit: -1.25,
        map: vec![vec![0.0, 0.5], vec![0.25, 1.0]],
        over: Area { x: 64.0, y: 64.0, w: 896.0, h: 896.0 },
        boxes: vec![heat_in_box(Some(0.5))],
        picture: blob("picture"),
        computed: computed(),
        rules: 1,
    }
}

fn pointing() -> Pointing {
    let of = |label: &str, hits, heat_share| PointedLabel {
        label: label.to_owned(),
        boxes: 2,
        hits,
        without_heat: 1,
        heat_share,
        area_share: Some(0.0625),
    };
    let row = |heat_share| PointedBox {
        image: "00000001_000.png".to_owned(),
        label: "Atelectasis".to_owned(),
        logit: 0.5,
        heatmap: heat_in_box(heat_share),
    };
    Pointing {
        run: id(&run()),
        dataset: id(&dataset()),
        boxes: Id::new(Hash::of(&codec::pack(&boxes()).unwrap())),
        subset: Subset::Test,
        rows: vec![row(Some(0.5)), row(None)],
        labels: vec![of("Atelectasis", 1, Some(0.5))],
        all: of("", 1, None),
        computed: computed(),
        rules: 1,
    }
}

pub(crate) fn comparison() -> Comparison {
    let defined = Spread {
        folds: vec![Some(0.5), Some(0.75)],
        n: 2,
        mean: Some(0.625),
        std: Some(0.1767766952966369),
        min: Some(0.5),
        max: Some(0.75),
        seeds: Vec::new(),
        seed_std: None,
    };
    let undefined = Spread {
        folds: vec![None, None],
        n: 0,
        mean: None,
        std: None,
        min: None,
        max: None,
        seeds: Vec::new(),
        seed_std: None,
    };
    let label = |label: &str, auc| LabelSpread {
        label: label.to_owned(),
        positives: vec![1, 0],
        negatives: vec![1, 2],
        positive_patients: vec![1, 0],
        negative_patients: vec![1, 2],
        missing: Vec::new(),
        auc,
        std_errors: vec![StdError { value: Some(0.125), df: Some(1.5) }, StdError::default()],
    };
    let model = |name: &str, predictions: &Predictions| ComparedModel {
        name: name.to_owned(),
        imported: false,
        program: false,
        predictions: vec![id(predictions), id(predictions)],
        seeds: Vec::new(),
        validation: Vec::new(),
        images: Vec::new(),
        of_images: Vec::new(),
        patients: vec![2, 2],
        labels: vec![label("Atelectasis", defined.clone()), label("No Finding", undefined.clone())],
        mean: defined.clone(),
        mean_errors: vec![StdError { value: Some(0.125), df: Some(1.5) }, StdError::default()],
        pathology_errors: Vec::new(),
    };
    let delong = |fold, p| DelongRow {
        a: "mlp".to_owned(),
        b: "theirs".to_owned(),
        label: Some("Atelectasis".to_owned()),
        over: None,
        pathologies: false,
        fold,
        positive_patients: 5,
        negative_patients: 6,
        difference: -0.0625,
        std_error: StdError { value: Some(1e-16), df: Some(4.5) },
        p,
        p_holm: None,
        p_bh: None,
    };
    Comparison {
        dataset: id(&dataset()),
        subset: Some(Subset::Test),
        folds: vec![0, 1],
        shared_images: false,
        division: None,
        variance: Variance::Clustered,
        no_finding: None,
        primary: None,
        margin: None,
        models: vec![model("mlp", &predicted()), model("theirs", &imported())],
        spearman: vec![vec![Some(1.0), None], vec![None, Some(1.0)]],
        constant: Vec::new(),
        pooling: Pooling::PerLabel,
        delong: vec![delong(Some(0), Some(0.03125)), delong(None, None)],
        resampled: Vec::new(),
        bootstrap: None,
        operating_point: None,
        prevalence: None,
        metrics: Vec::new(),
        groups: Vec::new(),
        group_tests: Vec::new(),
        ranking: Vec::new(),
        published: None,
        incomparable: Vec::new(),
        leak_check: None,
        rules: 1,
    }
}

/// A comparison with all options.
fn full_comparison() -> Comparison {
    let mut full = comparison();
    full.shared_images = true;
    full.division = Some(ComparedDivision::Fold);
    full.pooling = Pooling::AllScores;
    full.models[1].imported = true;
    full.models[0].validation = vec![id(&predicted())];
    full.models[0].images = vec![2, 2];
    full.variance = Variance::Delong;
    full.no_finding = Some("No Finding".to_owned());
    full.primary = Some(Primary { a: "mlp".to_owned(), b: "theirs".to_owned() });
    full.margin = Some(0.01);
    full.prevalence = Some(0.05);
    full.operating_point = Some(OperatingPoint::Specificity(0.95));
    full.models[0].seeds = vec![vec![1, 2], vec![3]];
    let spread = Spread {
        seeds: vec![vec![0.25, 0.75], vec![0.75]],
        seed_std: Some(0.25),
        ..full.models[0].mean.clone()
    };
    full.models[0].mean = spread.clone();
    full.ranking = vec![RankedModel { model: "mlp".to_owned(), validation: spread, labels: vec![1, 0] }];
    full.models[0].of_images = vec![2, 4];
    full.models[0].labels[0].std_errors =
        vec![StdError { value: Some(0.125), df: None }, StdError::default()];
    (full.delong[1].label, full.delong[1].over, full.delong[1].pathologies) = (None, Some(1), true);
    full.models[0].labels[0].missing = vec![0, 1];
    (full.delong[0].p_holm, full.delong[0].p_bh) = (Some(0.0625), Some(0.03125));
    let resampled = |label: Option<&str>, adjusted| ResampledRow {
        a: "mlp".to_owned(),
        b: "theirs".to_owned(),
        label: label.map(str::to_owned),
        pathologies: label.is_none(),
        n: 2,
        test_to_train: 0.25,
        difference: -0.0625,
        std_error: 0.5,
        p: Some(0.75),
        p_holm: adjusted,
        p_bh: adjusted,
    };
    full.resampled = vec![resampled(Some("Atelectasis"), Some(0.75)), resampled(None, None)];
    full.models[0].pathology_errors =
        vec![StdError { value: Some(0.0625), df: Some(2.5) }, StdError::default()];
    let drawn = |less: Option<&str>, label: Option<&str>| BootstrapRow {
        model: "mlp".to_owned(),
        less: less.map(str::to_owned),
        label: label.map(str::to_owned),
        pathologies: false,
        value: 0.625,
        low: less.is_none().then_some(0.5),
        high: less.is_none().then_some(0.75),
        resamples: 1999,
    };
    full.bootstrap = Some(Bootstrap {
        resamples: 2000,
        seed: 1,
        level: 0.95,
        patients: 2,
        rows: vec![
            drawn(None, Some("Atelectasis")),
            drawn(Some("theirs"), None),
            BootstrapRow { pathologies: true, ..drawn(Some("theirs"), None) },
        ],
    });
    full.metrics = vec![MetricRow {
        model: "mlp".to_owned(),
        label: "Atelectasis".to_owned(),
        fold: Some(0),
        seed: Some(2),
        positives: 1,
        negatives: 1,
        positive_patients: 1,
        prevalence: Some(0.5),
        average_precision: Some(1.0),
        threshold: Some(0.0),
        threshold_probability: Some(0.5),
        sensitivity: None,
        specificity: None,
        ppv: Some(1.0),
        npv: None,
        brier: Some(0.25),
        ece: Some(0.0),
        line: Some(LineOfCalibration { in_the_large: -0.5, intercept: 0.25, slope: 0.75 }),
        intervals: Some(MetricIntervals {
            average_precision: Some([0.5, 1.0]),
            sensitivity: None,
            specificity: None,
            brier: Some([0.125, 0.5]),
            ece: None,
        }),
        bins: vec![
            CalibrationBin { images: 2, positives: 1, mean: Some(0.5) },
            CalibrationBin { images: 0, positives: 0, mean: None },
        ],
    }];
    let group = |by, group: &str, auc| GroupRow {
        by,
        group: group.to_owned(),
        model: "mlp".to_owned(),
        label: "Atelectasis".to_owned(),
        fold: None,
        images: 2,
        patients: 2,
        positives: 1,
        positive_patients: 1,
        negative_patients: 1,
        missing: None,
        auc,
        std_error: StdError::default(),
    };
    full.groups = vec![
        group(GroupBy::Gender, "F", Some(1.0)),
        group(GroupBy::View, "PA", None),
        GroupRow { missing: Some(1), ..group(GroupBy::Age, "40-49", None) },
    ];
    full.group_tests = vec![GroupTest {
        by: GroupBy::Gender,
        group: "F".to_owned(),
        reference: "M".to_owned(),
        model: "mlp".to_owned(),
        label: "Atelectasis".to_owned(),
        fold: Some(0),
        positive_patients: 5,
        negative_patients: 6,
        difference: -0.125,
        std_error: StdError { value: Some(0.25), df: Some(6.5) },
        p: Some(0.75),
        p_holm: Some(1.0),
        p_bh: None,
    }];
    let published = |mean, auc: &[(&str, f64)]| PublishedModel {
        name: "somebody".to_owned(),
        source: "somewhere, table 1".to_owned(),
        split: "official".to_owned(),
        images: Some(25_596),
        mean,
        mean_std: mean.map(|_| 0.0625),
        mean_over: None,
        auc: auc
            .iter()
            .map(|(label, auc)| PublishedAuc { label: (*label).to_owned(), auc: *auc, std: None })
            .collect(),
    };
    full.published = Some(PublishedTable {
        file: file("published.toml"),
        models: vec![published(Some(0.75), &[]), published(None, &[("Hernia", 0.875)])],
    });
    full.leak_check =
        Some(LeakCheck { images: 4, bytes: 3, pixels: 1, pixel_hashes: vec![id(&pixel_hashes())] });
    full.incomparable = vec![
        Incomparable {
            kind: IncomparableKind::DifferentImages,
            why: "mlp and theirs scored different images".to_owned(),
        },
        Incomparable { kind: IncomparableKind::Leak, why: "mlp was trained on them".to_owned() },
    ];
    full
}

/// A planned run, and a run without its weights.
fn study() -> Study {
    let section = |name: &str, split, published: Option<&str>| StudySection {
        name: name.to_owned(),
        title: "Eight setups, five re-samplings".to_owned(),
        split,
        published: published.map(str::to_owned),
        primary: None,
        margin: None,
        variance: None,
    };
    let run = |section: &str, fold, spec| StudyRun {
        section: section.to_owned(),
        setup: "fine-tuned".to_owned(),
        fold,
        name: format!("paper-fine-tuned-f{fold}"),
        spec,
        weights: None,
    };
    let lacking = StudyRun { weights: Some("imagenet".to_owned()), ..run("table-6", 1, None) };
    Study {
        name: "paper".to_owned(),
        file: file("study.toml"),
        dataset: id(&dataset()),
        sections: vec![
            section("table-4", Some(id(&resampled())), None),
            section("table-6", None, Some("paper")),
        ],
        runs: vec![run("table-4", 0, Some(id(&Spec::Network(spec_mlp())))), lacking],
        probes: vec![StudyProbe {
            setup: "fine-tuned".to_owned(),
            target: Target::View,
            name: "paper-fine-tuned-view".to_owned(),
        }],
        rules: 1,
    }
}

fn execution() -> Execution {
    Execution {
        made: id(&run()).hash,
        started: "2026-11-05T08:30:00Z".to_owned(),
        seconds: 12345678.9,
        host: "radiologie-\u{e9}t\u{e9}".to_owned(),
        cpu: "AMD EPYC 7763".to_owned(),
        gpu: None,
        cores: 2,
        cpu_capability: Some("AVX2".to_owned()),
        reg: "0.1.0".to_owned(),
        software: Some(id(&software())),
        program: None,
        git: Some(Git { commit: "git:0123456789abcdef0123456789abcdef01234567".to_owned(), clean: true }),
        // Characters that JSON must escape, and others.
        command: "reg train --name 'a\"b\\c/d\t\u{1}\u{7f}\u{2028}'".to_owned(),
        resumed: 1,
        deterministic: None,
    }
}

/// A patient with images as files and as rows of metadata only.
fn withdrawal() -> Withdrawal {
    let image = |name: &str, blake3: Option<Mention>, sha256, bytes| WithdrawnImage {
        name: name.to_owned(),
        patient: 13.into(),
        blake3,
        sha256,
        bytes,
    };
    let file = Digest::of(b"an image");
    Withdrawal {
        subject: Subject::Patient { patient: 13.into() },
        number: 1,
        reason: "consent withdrawn, letter of 2026-11-04".to_owned(),
        time: "2026-11-05T08:30:00Z".to_owned(),
        host: "radiologie".to_owned(),
        command: "reg withdraw patient:13 --purge".to_owned(),
        images: vec![
            image("00000013_000.png", None, None, 0),
            image("00000013_000.png", Some(Mention(file.blake3)), Some(file.sha256), file.bytes),
        ],
        pictures: vec![Mention(Hash::of(b"a picture"))],
        purge: true,
        revokes: None,
    }
}

fn revoked() -> Withdrawal {
    Withdrawal {
        subject: Subject::Image { name: "00000013_000.png".to_owned() },
        images: Vec::new(),
        pictures: Vec::new(),
        purge: false,
        revokes: Some(id(&withdrawal())),
        ..withdrawal()
    }
}

fn note() -> Note {
    Note {
        about: id(&run()).hash,
        text: "Overfits after epoch 3;\nsee \"r\u{e9}sum\u{e9}\".".to_owned(),
        time: "2026-11-05T08:30:00Z".to_owned(),
        prev: None,
    }
}

/// A note that removes the previous one.
fn replaced_note() -> Note {
    Note { text: String::new(), prev: Some(id(&note())), ..note() }
}

fn removal() -> Removal {
    let record = |id: Hash, kind: &str, name: Option<&str>| RemovedRecord {
        id: Mention(id),
        kind: kind.to_owned(),
        name: name.map(str::to_owned),
    };
    Removal {
        records: vec![
            record(id(&run()).hash, "run", Some("resnet38-s-f0")),
            record(Hash::of(b"its predictions"), "predictions", None),
        ],
        number: 0,
        time: "2026-11-05T08:30:00Z".to_owned(),
        command: "reg rm resnet38-s-f0".to_owned(),
        revokes: None,
    }
}

/// One of the records came back.
fn restored() -> Removal {
    let back = removal().records.remove(0);
    Removal { records: vec![back], number: 1, revokes: Some(id(&removal())), ..removal() }
}

pub(crate) fn event() -> Event {
    let change = |name: &str, from, to| NameChange { name: name.to_owned(), from, to };
    let (old, new) = (id(&dataset_of_metadata()).hash, id(&dataset()).hash);
    Event {
        seq: 2,
        prev: Some(Id::new(Hash::of(b"the event before"))),
        time: "2026-11-05T08:30:00Z".to_owned(),
        command: "reg ingest images".to_owned(),
        names: vec![
            change("nih", Some(old), Some(new)),
            change("old", Some(old), None),
            change("tiny", None, Some(new)),
        ],
    }
}
