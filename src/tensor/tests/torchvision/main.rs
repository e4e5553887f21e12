//! The worker computes the same logits, gradients and training steps as PyTorch and torchvision, with the same
//! names.
//!
//! `tests/torchvision_reference.py` writes the golden numbers in double precision, with the difference between
//! them and torchvision's own float32; the tolerances here are a few times that difference. The tests take at
//! most half a minute: every network has its true size, and each step of a training is saved to disk.

mod formula;
#[path = "../../../../tests/support/mod.rs"]
mod support;
mod workspace;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reg::records::{EpochLog, ImageRow};
use serde::Deserialize;
use serde_json::{Value, json};
use workspace::{Shown, Workspace, checkpoint, golden, is_counter, logits, shapes};

/// Relative to the largest logit; float32 alone gives 1e-6.
const LOGITS: f64 = 1e-5;
/// Relative to the hottest cell; likewise.
const HEAT: f64 = 1e-4;

/// Values by a tensor's name.
type Values = BTreeMap<String, Vec<f64>>;

#[derive(Deserialize)]
struct Golden {
    #[serde(flatten)]
    shown: Shown,
    logits: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Training {
    model: String,
    side: u32,
    batch: u32,
    steps: u32,
    lr: f64,
    betas: [f64; 2],
    eps: f64,
    losses: Vec<f64>,
    val_losses: Vec<f64>,
    gradients: Values,
    changes: Values,
    float32: Float32,
}

/// How far torchvision's own single precision is from double precision: of sums and of samples.
#[derive(Deserialize)]
struct Float32 {
    gradients: [f64; 2],
}

/// The largest difference divided by the largest magnitude.
fn apart(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, |a: f64, b| a.max(b.abs()));
    largest(&mut found.iter().zip(expected).map(|(a, b)| a - b)) / largest(&mut expected.iter().copied())
}

/// Checks tensors against golden sums and samples: the error of each sum, relative to the sum of magnitudes, is
/// at most `sums`; the root mean square error of the samples, relative to the largest in each tensor, is at
/// most `samples`.
fn check(what: &str, found: &Values, expected: &Values, sums: f64, samples: f64) {
    let (mut worst, mut at, mut squares) = (0.0, "", Vec::new());
    for (name, expected) in expected {
        let found = formula::sampled(name, &found[name]);
        for workspace in 0..2 {
            let off = (found[workspace] - expected[workspace]).abs() / expected[1];
            (worst, at) = if off > worst { (off, name.as_str()) } else { (worst, at) };
        }
        let largest = expected[2..].iter().fold(0.0, |a: f64, b| a.max(b.abs()));
        squares.extend(found[2..].iter().zip(&expected[2..]).map(|(a, b)| ((a - b) / largest).powi(2)));
    }
    let off = (squares.iter().sum::<f64>() / squares.len() as f64).sqrt();
    println!("{what}: a sum is {worst:.1e} off in {at}, samples {off:.1e}");
    assert!(worst <= sums, "sum of the {what} of {at} is {worst:.1e} off");
    assert!(off <= samples, "samples of the {what} are {off:.1e} off");
}

/// Checks numbers against golden ones: the largest difference divided by the largest magnitude.
fn close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    let off = apart(found, expected);
    println!("{what}: {off:.1e} off");
    assert!(off <= tolerance, "{what}: {off:.1e} off");
}

/// Logits of the formula's images for a checkpoint: through a data set if the model needs meta features,
/// otherwise as image files.
fn predict(
    workspace: &Workspace,
    shown: &Shown,
    name: &str,
    weights: reg::hash::Hash,
    images: u32,
) -> Vec<f64> {
    let (files, rows): (Vec<_>, Vec<_>) = (0..images).map(|n| workspace.image(n, shown.side)).unzip();
    let model = shown.model(name);
    let numbers = json!({ "precision": "f32", "layout": "channels-last" });
    let work = if shown.meta {
        let [manifest, assignment] = workspace.dataset(rows, vec![2; images as usize]);
        json!({
            "work": "predict", "model": model, "checkpoint": weights, "numbers": numbers, "batch": 2, "flipped": false,
            "manifest": manifest, "assignment": assignment, "fold": 0, "subset": "test",
        })
    } else {
        let file = |path: PathBuf| {
            let hash = reg::hash::Hash::of(&fs::read(&path).unwrap());
            json!({ "path": path, "hash": hash, "meta": null })
        };
        let images: Vec<Value> = files.into_iter().map(file).collect();
        json!({
            "work": "predict-files", "model": model, "checkpoint": weights, "numbers": numbers, "images": images,
            "flipped": false,
        })
    };
    logits(&workspace.run(&format!("predict {name}"), work))
}

fn logits_agree(name: &str) {
    #[derive(Deserialize)]
    struct File {
        models: BTreeMap<String, Golden>,
    }
    let Golden { shown, logits } = golden::<File>("logits.json").models.remove(name).unwrap();
    let workspace = Workspace::new();
    // The worker accepts a checkpoint only if it has exactly the tensors of its network.
    let weights = workspace.weights(&shapes(name));
    let found = predict(&workspace, &shown, name, weights, logits.len() as u32);
    close(&format!("logits of {name}"), &found, &logits.concat(), LOGITS);
}

/// A network and all that is derived from it.
fn variants_agree(base: &str) {
    for suffix in ["", "-1channel", "-large", "-meta", "-1channel-meta", "-large-meta"] {
        logits_agree(&format!("{base}{suffix}"));
    }
}

#[test]
fn resnet50_has_the_tensors_and_logits_of_torchvision() {
    logits_agree("resnet50");
}

#[test]
fn resnet101_has_the_tensors_and_logits_of_torchvision() {
    logits_agree("resnet101");
}

#[test]
fn resnets_of_basic_blocks_have_the_tensors_and_logits_of_torchvision() {
    variants_agree("resnet18");
    variants_agree("resnet34");
}

#[test]
fn densenet121_has_the_tensors_and_logits_of_torchvision() {
    variants_agree("densenet121");
}

/// Without weights: names and shapes of all that torchvision has, in its order of creation.
#[test]
fn plans_have_the_tensors_of_torchvision() {
    #[derive(Deserialize)]
    struct File {
        models: BTreeMap<String, workspace::Shapes>,
    }
    for (name, mut expected) in golden::<File>("state_dicts.json").models {
        expected.retain(|name, _| !is_counter(name));
        let model = reg::network::preset(&name).unwrap().model;
        let tensors = reg::network::Plan::of(&model.architecture, formula::LABELS).unwrap().tensors();
        let shape = |shape: Vec<u64>| shape.into_iter().map(|side| side as usize).collect();
        let found: workspace::Shapes = tensors.into_iter().map(|t| (t.name, shape(t.shape))).collect();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn what_the_paper_changes_gives_the_logits_that_torchvision_would() {
    for name in ["resnet38-meta", "resnet50-1channel", "resnet50-large-meta"] {
        logits_agree(name);
    }
}

/// Grad-CAM of the last block, for every label on two images, compared with hooks and a backward pass in
/// PyTorch.
#[test]
fn heat_is_that_of_pytorch_s_backward_pass() {
    #[derive(Deserialize)]
    struct Logits {
        models: BTreeMap<String, Golden>,
    }
    #[derive(Deserialize)]
    struct GoldenHeatmap {
        models: BTreeMap<String, Vec<Vec<Vec<f64>>>>,
    }
    for (name, expected) in golden::<GoldenHeatmap>("gradcam.json").models {
        let Golden { shown, logits } = golden::<Logits>("logits.json").models.remove(&name).unwrap();
        let workspace = Workspace::new();
        let weights = workspace.weights(&shapes(&name));
        let (_, rows): (Vec<PathBuf>, Vec<ImageRow>) = (0..2).map(|n| workspace.image(n, shown.side)).unzip();
        let [manifest, _] = workspace.dataset(rows, vec![2; 2]);
        let labels: Vec<usize> = (0..expected[0].len()).collect();
        let asked = (0..2).flat_map(|image| labels.iter().map(move |label| (image, *label)));
        let (images, of): (Vec<u32>, Vec<usize>) = asked.unzip();
        let work = json!({
            "work": "gradcam", "model": shown.model(&name), "checkpoint": weights, "labels": of,
            "numbers": { "precision": "f32", "layout": "channels-last" }, "images": { "rows": [manifest, images] },
        });
        let found = workspace::logits(&workspace.run(&format!("heat {name}"), work));
        let cells = expected[0][0].len();
        let (said, maps): (Vec<f64>, Vec<&[f64]>) =
            found.chunks_exact(cells + 1).map(|row| (row[0], &row[1..])).unzip();
        close(&format!("logits beside the heat of {name}"), &said, &logits[..2].concat(), LOGITS);
        let expected: Vec<f64> = expected.into_iter().flatten().flatten().collect();
        assert!(expected.iter().filter(|heatmap| **heatmap > 0.0).count() > expected.len() / 10);
        close(&format!("heat of {name}"), &maps.concat(), &expected, HEAT);
    }
}

/// Trains the golden network on its one batch, validated on the same images, so that steps are epochs.
/// Returns the log and the changes.
fn train(workspace: &Workspace, name: &str, golden: &Training, settings: &Value) -> (Vec<EpochLog>, Values) {
    let shown = Shown { meta: false, side: golden.side };
    let all = shapes(&golden.model);
    let weights = workspace.weights(&all);
    let mut rows: Vec<_> = (0..golden.batch).map(|n| workspace.image(n, golden.side).1).collect();
    let codes = [vec![0; rows.len()], vec![1; rows.len()]].concat();
    let again = rows
        .clone()
        .into_iter()
        .map(|row| ImageRow { name: format!("again {}", row.name).parse().unwrap(), ..row });
    rows.extend(again);
    let [manifest, assignment] = workspace.dataset(rows, codes);
    let mut training = json!({
        "batch": golden.batch, "beta1": golden.betas[0], "beta2": golden.betas[1], "lr_factor": 0.5,
        "patience": 100, "loss": "bce", "augmentation": null,
    });
    for (key, value) in settings.as_object().unwrap() {
        training[key] = value.clone();
    }
    let spec = json!({
        "dataset": weights, "split": weights, "fold": 0, "model": shown.model(&golden.model), "init": "fine-tune",
        "weights": weights, "training": training, "seed": 1, "threads": 1, "device": "cpu",
        "numerics": { "version": 1, "libtorch": "2.11.0", "target": "x86_64-linux" },
    });
    let work = json!({
        "work": "train", "spec": spec, "manifest": manifest, "assignment": assignment, "weights": weights,
        "save_every": 1e9,
    });
    let out = workspace.run(name, work);
    let log = fs::read_to_string(out.join("log.jsonl")).unwrap();
    let log = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();

    let (tensors, mut found) = checkpoint(&out);
    let mut expected = all.clone();
    // Either all counters are present or none.
    if !found.keys().any(|name| is_counter(name)) {
        expected.retain(|name, _| !is_counter(name));
    }
    found.retain(|name, shape| expected.get(name) != Some(shape));
    assert!(found.is_empty(), "torchvision does not have {found:?}");
    let changes = tensors.into_iter().map(|(name, after)| {
        let before = formula::weight(&name, &all[&name]);
        let change = |(after, before): (&f32, &f32)| f64::from(*after) - f64::from(*before);
        (name, after.iter().zip(&before).map(change).collect())
    });
    let changes: Values = changes.collect();
    assert_eq!(changes.len(), all.keys().filter(|name| !is_counter(name)).count());
    (log, changes)
}

#[test]
fn gradients_of_resnet50_are_those_of_torchvision() {
    gradients_agree("training.json");
}

#[test]
fn gradients_of_densenet121_are_those_of_torchvision() {
    gradients_agree("training-densenet121.json");
}

#[test]
fn gradients_of_resnet18_are_those_of_torchvision() {
    gradients_agree("training-resnet18.json");
}

/// The golden gradients are in double precision; ours may be four times as far from them as torchvision's own in single
/// precision, which sums in another order.
fn gradients_agree(file: &str) {
    // If Adam's epsilon is much larger than the second moment, a step is a multiple of the gradient.
    const MULTIPLE: f64 = 16.0;
    const EPS: f64 = 1e6;
    let golden: Training = golden(file);
    let settings = json!({ "epochs": 1, "lr": MULTIPLE * EPS, "eps": EPS });
    let (log, mut changes) = train(&Workspace::new(), "one step", &golden, &settings);
    close("loss of the first step", &[log[0].train_loss], &golden.losses[..1], 1e-6);
    changes.values_mut().flatten().for_each(|value| *value /= -MULTIPLE);
    let [sums, samples] = golden.float32.gradients.map(|off| 4.0 * off);
    check("gradient", &changes, &golden.gradients, sums, samples);
}

#[test]
fn one_step_of_densenet121_and_of_resnet18_is_that_of_torchvision_and_torch_s_adam() {
    for name in ["densenet121", "resnet18"] {
        steps_agree(&Workspace::new(), &golden(&format!("training-{name}.json")));
    }
}

#[test]
fn three_steps_of_resnet50_are_those_of_torchvision_and_torch_s_adam() {
    let workspace = Workspace::new();
    steps_agree(&workspace, &golden("training.json"));
    if let Some(python) = support::torch() {
        torchvision_loads(&python, &workspace);
    }
}

fn steps_agree(workspace: &Workspace, golden: &Training) {
    let settings = json!({ "epochs": golden.steps, "lr": golden.lr, "eps": golden.eps });
    let (log, changes) = train(workspace, &format!("steps of {}", golden.model), golden, &settings);
    // So the checkpoint is that of the last step.
    assert!(golden.val_losses.is_sorted_by(|a, b| a > b));
    assert!(log.iter().all(|epoch| epoch.improved && epoch.lr == golden.lr));
    let of = |loss: fn(&EpochLog) -> f64| log.iter().map(loss).collect::<Vec<_>>();
    close("losses", &of(|epoch| epoch.train_loss), &golden.losses, 5e-4);
    close("validation losses", &of(|epoch| epoch.val_loss), &golden.val_losses, 5e-4);
    let (counted, trained) =
        golden.changes.clone().into_iter().partition(|(name, _)| name.contains(".running_"));
    check("change of parameters", &changes, &trained, 2e-2, 5e-2);
    check("change of running statistics", &changes, &counted, 1e-3, 2e-3);
}

/// Loads the checkpoint strictly in torchvision and compares the logits.
fn torchvision_loads(python: &Path, workspace: &Workspace) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = workspace.path("steps of resnet50").join("checkpoint.safetensors");
    let output = Command::new(python)
        .arg(root.join("tests/torchvision_reference.py"))
        .args(["--model", "resnet50", "--load"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Vec<Vec<f64>> = serde_json::from_slice(&output.stdout).unwrap();
    let shown = Shown { meta: false, side: 224 };
    let id = workspace.put(&fs::read(path).unwrap());
    let ours = predict(workspace, &shown, "resnet50", id, theirs.len() as u32);
    close("logits of the loaded checkpoint", &ours, &theirs.concat(), LOGITS);
}
