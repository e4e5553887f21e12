//! Checks `NUMERICS` in `src/tensor/identity.rs` against the numbers that the worker computes.
//!
//! `numerics.json` pins short trainings, scores, a probe and a heat map: the BLAKE3 of their bits, and some of
//! their values. The worker runs with one thread and with the least that its libraries can use on any processor
//! of the target: ATen without vector instructions, oneDNN with SSE4.1 at most, MKL in its compatible mode,
//! glibc's functions without FMA. Then the bits have been the same on every x86-64 that was tried. What no
//! variable fixes is how oneDNN divides a convolution into blocks, which depends on the size of the caches; if
//! a processor gives other bits for this reason, the values still agree within [`TOLERANCE`]. Its bits can be pinned
//! beside the others; until they are, only the values are compared there.
//!
//! `REG_REGENERATE=1 cargo test -p reg-torch --test golden` rewrites the file: only new entries, or everything
//! after `NUMERICS` was raised.

#[allow(dead_code)]
#[path = "../worker/bench.rs"]
mod bench;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bench::*;
use reg::hash::{Hash, Id};
use reg::records::{
    Architecture, Augmentation, EpochLog, Init, Loss, Model, NetworkSpec, Scores, Subset, Target, codec,
};
use reg::worker::{GradcamImages, Identity, Work, files};
use serde::{Deserialize, Serialize};

/// With these variables, bits do not depend on the processor.
const PLAIN: [(&str, &str); 5] = [
    ("ATEN_CPU_CAPABILITY", "default"),
    ("ONEDNN_MAX_CPU_ISA", "SSE41"),
    ("MKL_CBWR", "COMPATIBLE"),
    ("OMP_NUM_THREADS", "1"),
    ("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2,-AVX512F,-FMA,-FMA4"),
];

/// Largest difference from a pinned value, relative to the larger of the value and 1, on a processor whose bits are not
/// pinned: allows for single precision after some steps of training, in which rounding errors grow. With other vector
/// instructions, losses of the ResNets move by 0.03, everything else by less than 0.01.
const TOLERANCE: f64 = 5e-2;

/// Number of values of a result that are pinned in addition to its bits.
const SHOWN: usize = 12;

/// The pinned results of one version.
#[derive(Debug, Serialize, Deserialize)]
struct Pinned {
    /// The worker's `NUMERICS`.
    numerics: u32,
    /// The processor on which they were pinned.
    processor: String,
    /// Results by job.
    results: BTreeMap<String, Result>,
    /// Bits by job where they are other ones, by processor.
    #[serde(default)]
    elsewhere: BTreeMap<String, BTreeMap<String, String>>,
}

impl Pinned {
    /// The bits that a processor must give; none for a job whose bits may be others on it.
    fn bits(&self, name: &str, processor: &str) -> Option<&str> {
        let own = self.elsewhere.get(processor).and_then(|bits| bits.get(name));
        let known = self.results.get(name).filter(|_| self.processor == processor);
        own.or(known.map(|result| &result.bits)).map(String::as_str)
    }
}

/// The result of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Result {
    /// BLAKE3 of all its numbers, as little-endian 64-bit floats, and of its checkpoint.
    bits: String,
    /// The first of its numbers.
    values: Vec<f64>,
}

impl Result {
    fn of(numbers: &[f64], checkpoint: &[u8]) -> Self {
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        bytes.extend(checkpoint);
        Result { bits: Hash::of(&bytes).to_string(), values: numbers.iter().copied().take(SHOWN).collect() }
    }

    fn is_near(&self, other: &Result) -> bool {
        let near = |(a, b): (&f64, &f64)| (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()).max(1.0);
        self.values.len() == other.values.len() && self.values.iter().zip(&other.values).all(near)
    }
}

/// Jobs on one small data set, and their results.
struct Jobs {
    bench: Bench,
    results: BTreeMap<String, Result>,
}

impl Jobs {
    fn read(out: &Path, file: &str) -> Scores {
        codec::unpack(&fs::read(out.join(file)).unwrap()).unwrap()
    }

    /// Trains, then scores the test subset. Returns the checkpoint.
    fn train(&mut self, name: &str, spec: &NetworkSpec, weights: Option<Hash>) -> Hash {
        let out = self.bench.out(name);
        run_with(&self.bench.train(&out, spec, weights), &PLAIN);
        let log = fs::read_to_string(out.join(files::LOG)).unwrap();
        let epochs = log.lines().map(|line| serde_json::from_str::<EpochLog>(line).unwrap());
        let losses: Vec<f64> = epochs.flat_map(|epoch| [epoch.train_loss, epoch.val_loss]).collect();
        let checkpoint = fs::read(out.join(files::CHECKPOINT)).unwrap();
        self.results.insert(format!("{name}: losses and weights"), Result::of(&losses, &checkpoint));
        let checkpoint = self.bench.put(&checkpoint);
        let out = self.bench.out(&format!("{name} scores"));
        run_with(&self.bench.predict(&out, &spec.model, checkpoint, Subset::Test), &PLAIN);
        let scores = Jobs::read(&out, files::SCORES).scores;
        self.results.insert(format!("{name}: scores"), Result::of(&scores, &[]));
        checkpoint
    }

    fn probe(&mut self, model: &Model, checkpoint: Hash, target: Target) {
        let name = format!("probe of {}", target.name());
        let out = self.bench.out(&name);
        let work = Work::Probe {
            model: model.clone(),
            checkpoint: Id::new(checkpoint),
            numbers: NUMBERS,
            manifest: Id::new(self.bench.manifest),
            assignment: Id::new(self.bench.assignment),
            fold: 0,
            target,
        };
        let (outcome, _) = run_with(&self.bench.job(&out, work), &PLAIN);
        let mut numbers = vec![outcome.penalty.unwrap()];
        for file in [files::VALIDATION, files::SCORES] {
            numbers.extend(Jobs::read(&out, file).scores);
        }
        self.results.insert(name, Result::of(&numbers, &[]));
    }

    fn heat_maps(&mut self, name: &str, model: &Model, checkpoint: Hash) {
        let name = format!("heat maps of {name}");
        let out = self.bench.out(&name);
        let work = Work::Gradcam {
            model: model.clone(),
            checkpoint: Id::new(checkpoint),
            numbers: NUMBERS,
            images: GradcamImages::Rows(Id::new(self.bench.manifest), vec![0, 4, 0, 4]),
            labels: vec![0, 0, 1, 1],
        };
        run_with(&self.bench.job(&out, work), &PLAIN);
        let maps = Jobs::read(&out, files::SCORES).scores;
        assert!(
            maps.iter().filter(|value| **value > 0.0).count() > 1,
            "heat that is nowhere holds nothing: {maps:?}"
        );
        self.results.insert(name, Result::of(&maps, &[]));
    }
}

/// A ResNet with the fewest blocks of all presets, on images of 32 x 32.
fn resnet() -> Architecture {
    layers("resnet38", &[], Some(image_input(1, 32)))
}

/// With the paper's augmentation. A deep network has a learning rate so low that its weights stay near each other on
/// processors that round otherwise: Adam moves every weight by that much, in the direction of a gradient that may be
/// nothing but rounding, and BatchNorm over four values makes much of it.
fn augmented(architecture: Architecture, epochs: u32) -> NetworkSpec {
    let lr = if architecture == resnet() { 1e-6 } else { 0.001 };
    let mut spec = spec(architecture, epochs);
    (spec.training.lr, spec.training.batch) = (lr, 4);
    spec.training.augmentation = Some(Augmentation {
        crop_area: [0.08, 1.0],
        crop_aspect: [0.75, 4.0 / 3.0],
        rotation: 7.0,
        flip: 0.5,
    });
    spec
}

fn computed() -> BTreeMap<String, Result> {
    let mut jobs = Jobs { bench: Bench::new(40, true), results: BTreeMap::new() };
    let rare = |loss| {
        let mut spec = spec(mlp(), 4);
        spec.training.loss = loss;
        spec
    };
    jobs.train("mlp", &rare(Loss::Bce), None);
    jobs.train("mlp, positive-negative", &rare(Loss::PositiveNegative), None);
    jobs.train("mlp, class-balanced", &rare(Loss::ClassBalanced), None);
    let tiny = augmented(tiny(), 3);
    let small = jobs.train("tiny", &tiny, None);
    jobs.heat_maps("tiny", &tiny.model, small);
    let scratch = augmented(resnet(), 1);
    let trained = jobs.train("resnet from scratch", &scratch, None);
    let weights = Some(Id::new(trained));
    let tuned = NetworkSpec { init: Init::FineTune, weights, seed: 6, ..augmented(resnet(), 1) };
    jobs.train("resnet fine-tuned", &tuned, Some(trained));
    let mut shelf = NetworkSpec { init: Init::OffTheShelf, weights, seed: 7, ..spec(resnet(), 3) };
    (shelf.training.lr, shelf.training.augmentation) = (0.001, None);
    jobs.train("resnet off the shelf", &shelf, Some(trained));
    // The penalty is a choice, which the features of a network must not leave to rounding.
    jobs.probe(&tiny.model, small, Target::Gender);
    jobs.probe(&tiny.model, small, Target::Age);
    jobs.results
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/numerics.json")
}

fn identity() -> Identity {
    let output = Command::new(env!("CARGO_BIN_EXE_reg-torch")).arg("identity").output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let of = |key: &str| {
        let line = info.lines().find(|line| line.split(':').next().is_some_and(|own| own.trim() == key));
        line.and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    format!("{}, family {} model {}", of("model name"), of("cpu family"), of("model"))
}

const RAISE: &str = "raise NUMERICS in src/tensor/identity.rs, or mend the change";

/// The differences from the pinned results, as messages for the author of a change; empty if there are none.
fn differences(pinned: &Pinned, found: &BTreeMap<String, Result>, processor: &str) -> Vec<String> {
    let mut said = Vec::new();
    for (name, result) in found {
        match pinned.results.get(name) {
            None => said.push(format!("{name}: not pinned; REG_REGENERATE=1 adds it")),
            Some(known) if known.bits == result.bits => {}
            Some(_) if pinned.bits(name, processor) == Some(&result.bits) => {}
            Some(known) if !known.is_near(result) => said.push(format!(
                "{name}: other numbers: {RAISE}\n  pinned {:?}\n  now    {:?}",
                known.values, result.values
            )),
            Some(_) if pinned.bits(name, processor).is_some() => {
                said.push(format!("{name}: other bits, and values that agree to {TOLERANCE}: {RAISE}"));
            }
            Some(_) => println!(
                "{name}: other bits; the values agree to {TOLERANCE}, and the bits of this processor ({processor}) are \
                 not pinned; REG_REGENERATE=1 pins them if the change is innocent on {}",
                pinned.processor
            ),
        }
    }
    for name in pinned.results.keys().filter(|name| !found.contains_key(*name)) {
        said.push(format!("{name}: pinned and not computed any more"));
    }
    said
}

#[test]
fn numbers_change_only_with_their_version() {
    let identity = identity();
    if identity.libtorch != "2.11.0" || identity.target != "x86_64-linux" {
        panic!("pinned for libtorch 2.11.0 on x86_64-linux, and this is {}", identity.numerics());
    }
    let (found, processor) = (computed(), processor());
    let pinned: Option<Pinned> = fs::read(file()).ok().map(|bytes| serde_json::from_slice(&bytes).unwrap());
    if std::env::var_os("REG_REGENERATE").is_some_and(|value| value == "1") {
        let mut results = found.clone();
        if let Some(known) = &pinned
            && known.numerics == identity.numerics
        {
            // Pinned values stay the same as long as the version does.
            results.extend(known.results.clone());
            results.retain(|name, _| found.contains_key(name));
        }
        let kept = pinned.filter(|known| known.numerics == identity.numerics);
        let mut elsewhere = kept.as_ref().map(|known| known.elsewhere.clone()).unwrap_or_default();
        let first = kept.map_or_else(|| processor.clone(), |known| known.processor);
        if first != processor {
            let near = |(name, result): &(&String, &Result)| {
                results.get(*name).is_some_and(|known| known.bits != result.bits && known.is_near(result))
            };
            let own = found.iter().filter(near).map(|(name, result)| (name.clone(), result.bits.clone()));
            elsewhere.entry(processor.clone()).or_insert_with(|| own.collect());
        }
        let new = Pinned { numerics: identity.numerics, processor: first, results, elsewhere };
        fs::write(file(), serde_json::to_string_pretty(&new).unwrap() + "\n").unwrap();
    }
    let pinned: Pinned = serde_json::from_slice(&fs::read(file()).unwrap()).unwrap();
    assert_eq!(
        pinned.numerics, identity.numerics,
        "NUMERICS was raised: REG_REGENERATE=1 cargo test -p reg-torch --test golden pins the new numbers"
    );
    let said = differences(&pinned, &found, &processor);
    assert!(said.is_empty(), "{}", said.join("\n"));
}

#[test]
fn what_differs_is_told_apart_by_how_much_and_where() {
    let result = |bits: &str, value| Result { bits: bits.to_owned(), values: vec![value, 2.0] };
    let pinned = Pinned {
        numerics: 1,
        processor: "one".to_owned(),
        results: [("a".to_owned(), result("x", 1.0)), ("b".to_owned(), result("y", 1.0))].into(),
        elsewhere: [("third".to_owned(), [("b".to_owned(), "w".to_owned())].into())].into(),
    };
    let found = |bits: &str, value| {
        BTreeMap::from([("a".to_owned(), result("x", 1.0)), ("b".to_owned(), result(bits, value))])
    };
    let said = |bits: &str, value, processor: &str| differences(&pinned, &found(bits, value), processor);
    assert_eq!(said("y", 1.0, "other"), Vec::<String>::new());
    for processor in ["one", "other"] {
        let said = said("z", 1.2, processor);
        assert!(said.len() == 1 && said[0].starts_with(&format!("b: other numbers: {RAISE}")), "{said:?}");
    }
    assert!(
        said("z", 1.0001, "one")[0]
            .starts_with("b: other bits, and values that agree to 0.05: raise NUMERICS")
    );
    // On a processor whose bits are not pinned, the values decide.
    assert_eq!(said("z", 1.0001, "other"), Vec::<String>::new());
    assert_eq!(said("w", 1.0, "third"), Vec::<String>::new());
    assert!(said("z", 1.0001, "third")[0].starts_with("b: other bits"));
}
