//! A folder with weights and images by formula, for running the real worker.
//!
//! Jobs are written as JSON, as by any other program, so that settings that were added later have their
//! defaults.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use reg::dataset::pixels::encode_png;
use reg::hash::{Hash, Sha256};
use reg::records::{Assignment, ImageRow, LabelValues, Manifest, Packed, Scores, codec};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::formula::{self, LABELS};

/// Names and shapes of a state_dict.
pub(crate) type Shapes = BTreeMap<String, Vec<usize>>;
/// Values by a tensor's name.
pub(crate) type Tensors = BTreeMap<String, Vec<f32>>;

/// torchvision's counter of batches, which does not affect computations.
pub(crate) fn is_counter(name: &str) -> bool {
    name.ends_with(".num_batches_tracked")
}

/// A document of `fixtures/torchvision`.
pub(crate) fn golden<T: for<'a> Deserialize<'a>>(file: &str) -> T {
    let path = format!("{}/../../fixtures/torchvision/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Names and shapes of a model's tensors in torchvision.
pub(crate) fn shapes(model: &str) -> Shapes {
    #[derive(Deserialize)]
    struct File {
        models: BTreeMap<String, Shapes>,
    }
    golden::<File>("state_dicts.json").models.remove(model).unwrap()
}

/// How a preset is tried: whether it sees meta features, and its square images: the input and the resized side are equal, so nothing is
/// resampled.
#[derive(Deserialize)]
pub(crate) struct Shown {
    pub(crate) meta: bool,
    pub(crate) side: u32,
}

impl Shown {
    pub(crate) fn model(&self, name: &str) -> Value {
        let mut model = reg::network::preset(name).unwrap().model;
        assert_eq!(model.architecture.meta, self.meta, "{name}");
        let image = model.architecture.image.as_mut().unwrap();
        (image.input, image.resize) = (self.side, self.side);
        json!(model)
    }
}

/// A folder of objects.
pub(crate) struct Workspace {
    dir: tempfile::TempDir,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        Workspace { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn object(&self, id: &Hash) -> PathBuf {
        let name = id.to_string();
        self.dir.path().join("objects").join(&name[..2]).join(&name[2..])
    }

    pub(crate) fn put(&self, bytes: &[u8]) -> Hash {
        let id = Hash::of(bytes);
        fs::create_dir_all(self.object(&id).parent().unwrap()).unwrap();
        fs::write(self.object(&id), bytes).unwrap();
        id
    }

    /// The folder of the job `name`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn pack<T: Packed>(&self, value: &T) -> Hash {
        self.put(&codec::pack(value).unwrap())
    }

    /// The model's weights by formula.
    pub(crate) fn weights(&self, shapes: &Shapes) -> Hash {
        let tensors: Vec<(&str, &[usize], Vec<u8>)> = shapes
            .iter()
            .filter(|(name, _)| !is_counter(name))
            .map(|(name, shape)| {
                let bytes = formula::weight(name, shape).iter().flat_map(|v| v.to_le_bytes()).collect();
                (name.as_str(), shape.as_slice(), bytes)
            })
            .collect();
        let view =
            |shape: &[usize], bytes| TensorView::new(Dtype::F32, shape.to_vec(), bytes).expect("they fit");
        let views = tensors.iter().map(|(name, shape, bytes)| (*name, view(shape, bytes)));
        self.put(&safetensors::serialize(views, None).unwrap())
    }

    /// An image by formula: its file and its row in a manifest. Ages rise from 20 in steps of 17 years below
    /// 90; every second patient is female, every third view is AP.
    pub(crate) fn image(&self, number: u32, side: u32) -> (PathBuf, ImageRow) {
        let png = self.put(&encode_png(&formula::image(number, side)));
        let labels: Vec<_> = (0..LABELS).map(|label| Some(formula::has(number, label))).collect();
        let row = json!({
            "name": format!("{number:08}_000.png"), "object": png, "sha256": Sha256([0; 32]), "bytes": 0,
            "width": side, "height": side, "row": number + 1, "patient": number.to_string(), "follow_up": 0,
            "age": 20 + 17 * number % 70, "gender": if number % 2 == 1 { "Female" } else { "Male" },
            "view": if number % 3 == 2 { "AP" } else { "PA" },
        });
        let row: ImageRow = serde_json::from_value(row).unwrap();
        (self.object(&png), ImageRow { labels: LabelValues::of(&labels), ..row })
    }

    /// A data set of rows with the code of each in its single fold: manifest and assignment.
    pub(crate) fn dataset(&self, rows: Vec<ImageRow>, codes: Vec<u8>) -> [Hash; 2] {
        [self.pack(&Manifest { labels: LABELS, rows }), self.pack(&Assignment { folds: vec![codes] })]
    }

    /// Runs a job that must succeed, and returns its folder.
    pub(crate) fn run(&self, name: &str, work: Value) -> PathBuf {
        let out = self.path(name);
        fs::create_dir(&out).unwrap();
        let job = json!({
            "protocol": reg::worker::PROTOCOL, "objects": self.dir.path().join("objects"), "out": out,
            "device": "cpu", "threads": 1, "labels": LABELS, "age": { "min": 0, "max": 90 }, "work": work,
        });
        let mut child = Command::new(env!("CARGO_BIN_EXE_reg-torch"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(job.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
        out
    }
}

/// The logits that a job wrote, image after image.
pub(crate) fn logits(out: &Path) -> Vec<f64> {
    let scores: Scores = codec::unpack(&fs::read(out.join("scores.bin")).unwrap()).unwrap();
    scores.scores
}

/// The tensors of the checkpoint that a job wrote, and the names and shapes of all tensors, including counters.
pub(crate) fn checkpoint(out: &Path) -> (Tensors, Shapes) {
    let bytes = fs::read(out.join("checkpoint.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let value = |b: &[u8]| f32::from_le_bytes(b.try_into().unwrap());
    let tensors = file.tensors();
    let shapes = tensors.iter().map(|(name, view)| (name.clone(), view.shape().to_vec())).collect();
    let floats = tensors
        .into_iter()
        .filter(|(name, _)| !is_counter(name))
        .map(|(name, view)| {
            assert_eq!(view.dtype(), Dtype::F32, "{name}");
            (name, view.data().chunks_exact(4).map(value).collect())
        })
        .collect();
    (floats, shapes)
}
