//! Estimates of what runs will take: time from earlier runs if there are any, otherwise from a rule of thumb;
//! disk space from the sizes of networks and images.
//!
//! The rule counts multiplications. A training step costs three forward passes, validation and test one. A core
//! does 19 billion per second (ResNet-50 at 224 pixels: 0.65 s per image), a GPU 1,200 billion (the paper's GTX
//! 1080: 10 ms per image); reading an image takes 1 ms of a core. The ratio between the actual time of earlier
//! runs and the rule is applied to the next runs.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::dataset::pixel_cache::{self, ResizedPixels};
use crate::hash::{Hash, Id};
use crate::records::{
    Architecture, Dataset, DeviceKind, Execution, FoldSizes, Init, Kind, Manifest, Model, Pixels, Run,
    Training,
};
use crate::registry::Registry;
use crate::runs::{Environment, RunError};

/// Multiplications per second of a core.
const CORE: f64 = 19e9;
/// Multiplications per second of a GPU.
const GPU: f64 = 1.2e12;
/// Seconds of a core to read and augment an image.
const IMAGE: f64 = 1e-3;
/// Seconds of a core for a row of metadata and its library calls.
const ROW: f64 = 2e-6;
/// Seconds to start.
const START: f64 = 2.0;
/// Bytes per parameter.
const NUMBER: u64 = 4;
/// Memory of a process before it computes anything, and of one that uses a GPU.
const PROCESS: u64 = 512 << 20;
const GPU_PROCESS: u64 = 6 << 30;

/// The estimated cost of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// Seconds on an otherwise idle device.
    pub seconds: f64,
    /// The basis of the estimate.
    pub basis: Basis,
    /// Estimated peak memory in bytes.
    pub memory: u64,
}

/// The basis of a time estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "from", content = "runs", rename_all = "kebab-case")]
pub enum Basis {
    /// This many earlier runs of the same network on such a machine.
    SameModel(usize),
    /// This many earlier runs of other networks on such a machine.
    OtherModels(usize),
    /// The rule of thumb.
    Rule,
}

/// Disk space in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// Checkpoints, which are kept.
    pub checkpoints: u64,
    /// Temporary files of the runs that are trained in parallel.
    pub working: u64,
    /// Decoded pixels and features in the cache, which can be deleted.
    pub cache: u64,
    /// Free space on the registry's file system, if the system provides it.
    pub free: Option<u64>,
}

/// Everything that determines the cost of a run.
pub(super) struct Load<'a> {
    pub(super) model: &'a Model,
    pub(super) training: &'a Training,
    pub(super) init: Init,
    pub(super) threads: u32,
    pub(super) device: DeviceKind,
    pub(super) sizes: FoldSizes,
}

impl Load<'_> {
    /// Whether only features of a frozen network are computed, once per image.
    fn frozen(&self) -> bool {
        self.init == Init::OffTheShelf && self.training.augmentation.is_none()
    }

    /// Main memory in bytes: on a GPU, network and batch are in the GPU's memory.
    fn memory(&self) -> u64 {
        let Size { parameters, traces, .. } = size(&self.model.architecture);
        match self.device {
            DeviceKind::Cpu => {
                PROCESS + NUMBER * (8 * parameters + 3 * traces * u64::from(self.training.batch))
            }
            DeviceKind::Cuda => GPU_PROCESS + NUMBER * 8 * parameters,
        }
    }

    /// Seconds according to the rule.
    fn rule(&self, epochs: u32) -> f64 {
        let FoldSizes { train, val, test } = self.sizes;
        let [train, val, test] = [train, val, test].map(|size| size.images as f64);
        // In forward passes; each image is read once per pass.
        let epochs = f64::from(epochs);
        let (passes, images) = match self.frozen() {
            true => (train + val + test, train + val + test),
            false => (epochs * (3.0 * train + val) + test, epochs * (train + val) + test),
        };
        let threads = f64::from(self.threads);
        let (speed, read) = match self.device {
            DeviceKind::Cpu => (CORE * threads, 0.0),
            DeviceKind::Cuda => (GPU, images * IMAGE / threads),
        };
        let compute = passes * size(&self.model.architecture).products as f64 / speed;
        let rows = epochs * (train + val) * ROW;
        let seen = if self.model.architecture.image().is_some() { images * IMAGE / threads } else { 0.0 };
        START
            + rows
            + match self.device {
                DeviceKind::Cpu => compute + seen,
                // The next images are read while the GPU computes.
                DeviceKind::Cuda => compute.max(read),
            }
    }
}

/// Ratios between the actual time of earlier runs on such a machine and the rule.
pub(super) struct History {
    device: DeviceKind,
    /// Network, initialization and ratio.
    ratios: Vec<(Architecture, Init, f64)>,
}

impl History {
    /// Reads the time of finished runs on a kind of device and, for the CPU, on a processor like this one.
    pub(super) fn of(
        registry: &Registry,
        device: DeviceKind,
        environment: &Environment,
    ) -> Result<Self, RunError> {
        let view = registry.view()?;
        // Unreadable records are ignored; `reg verify` reports them.
        let ratio = |id: Hash| {
            let execution: Execution = registry.get(Id::new(id)).ok()?;
            let same = match device {
                DeviceKind::Cpu => execution.cpu == environment.cpu && execution.cores == environment.cores,
                DeviceKind::Cuda => true,
            };
            if !same || execution.resumed > 0 || view.kind(&execution.made).ok()? != Some(Kind::Run) {
                return None;
            }
            let run: Run = registry.get(Id::new(execution.made)).ok()?;
            let spec = registry.get(run.spec).ok().filter(|spec| spec.device == device)?;
            let sizes = registry.get(spec.split).ok()?.folds.get(spec.fold as usize)?.clone();
            let load = Load {
                model: &spec.model,
                training: &spec.training,
                init: spec.init,
                threads: spec.threads,
                device,
                sizes,
            };
            let ratio = execution.seconds / load.rule(run.epochs);
            Some((spec.model.architecture.clone(), spec.init, ratio))
        };
        let ratios = view.of_kind(Kind::Execution)?.into_iter().filter_map(ratio).collect();
        Ok(History { device, ratios })
    }

    /// The estimated cost of a run.
    pub(super) fn cost(&self, load: &Load) -> Cost {
        debug_assert_eq!(load.device, self.device, "one history is of one kind of device");
        let rule = load.rule(load.training.epochs);
        let ratios = |wanted: &dyn Fn(&Architecture, Init) -> bool| {
            let all = self.ratios.iter().filter(|(architecture, init, _)| wanted(architecture, *init));
            let mut all: Vec<f64> = all.map(|(_, _, ratio)| *ratio).collect();
            all.sort_by(f64::total_cmp);
            (all.get(all.len() / 2).copied(), all.len())
        };
        let memory = load.memory();
        let same =
            |architecture: &Architecture, init| *architecture == load.model.architecture && init == load.init;
        if let (Some(ratio), n) = ratios(&same) {
            return Cost { seconds: rule * ratio, basis: Basis::SameModel(n), memory };
        }
        // Whether the features of a frozen network were cached is unknown, so such runs say nothing about
        // others.
        match ratios(&|_, init| init != Init::OffTheShelf) {
            (Some(ratio), n) => Cost { seconds: rule * ratio, basis: Basis::OtherModels(n), memory },
            (None, _) => Cost { seconds: rule, basis: Basis::Rule, memory },
        }
    }
}

/// Seconds until all of these are done, `jobs` in parallel, the longest first.
pub(super) fn wall_clock(mut seconds: Vec<f64>, jobs: usize) -> f64 {
    seconds.sort_by(|a, b| b.total_cmp(a));
    let mut ends = vec![0.0f64; jobs.max(1)];
    for one in seconds {
        let next = ends.iter_mut().min_by(|a, b| a.total_cmp(b)).expect("there is a job at least");
        *next += one;
    }
    ends.into_iter().fold(0.0, f64::max)
}

/// Disk space for runs of a data set.
pub(super) fn disk(
    registry: &Registry,
    (dataset, manifest): (&Dataset, &Manifest),
    loads: &[Load],
    jobs: usize,
) -> Disk {
    let parameters: Vec<u64> = loads.iter().map(|load| size(&load.model.architecture).parameters).collect();
    let largest = parameters.iter().max().copied().unwrap_or(0);
    let mut forms = BTreeSet::new();
    let mut features = 0;
    for load in loads {
        let Some(image) = load.model.architecture.image() else { continue };
        let ResizedPixels::Evaluation { resize, input } = ResizedPixels::evaluation(image) else { continue };
        forms.insert((resize, input));
        match (load.training.augmentation.is_some(), load.training.pixels()) {
            (true, Pixels::Original) => drop(forms.insert((0, 0))),
            (true, Pixels::Side(side)) => drop(forms.insert((side, 0))),
            (false, _) => features = manifest.rows.len() as u64 * 2048 * NUMBER,
        }
    }
    let folder = registry.dir().subdir("cache").ok();
    let cache = forms.into_iter().map(|form| {
        let resized = match form {
            (0, 0) => ResizedPixels::Original,
            (side, 0) => ResizedPixels::Shrunk(side),
            (resize, input) => ResizedPixels::Evaluation { resize, input },
        };
        let (all, made) = pixel_cache::room(folder.as_ref(), dataset.manifest, &manifest.rows, resized);
        all.saturating_sub(made)
    });
    let cache = cache.sum::<u64>() + features;
    Disk {
        checkpoints: parameters.iter().sum::<u64>() * NUMBER,
        // Parameters and two moments, the selected checkpoint, and the resume checkpoint that is being written.
        working: 7 * largest * NUMBER * jobs.min(loads.len()) as u64,
        cache,
        free: registry.dir().free_space(),
    }
}

/// The size of a network without its dense layer.
struct Size {
    parameters: u64,
    /// Multiplications of a forward pass on one image.
    products: u64,
    /// Activations of its convolutions for one image.
    traces: u64,
}

fn size(architecture: &Architecture) -> Size {
    let mut size = Size { parameters: 0, products: 0, traces: 0 };
    // A square convolution with BatchNorm; `side` is the side of its output.
    let mut conv = |inputs: u64, outputs: u64, kernel: u64, side: u64| {
        let weights = kernel * kernel * inputs * outputs;
        size.parameters += weights + 2 * outputs;
        size.products += weights * side * side;
        size.traces += outputs * side * side;
    };
    match architecture {
        Architecture::Resnet { blocks, extra_pool, image, .. } => {
            let mut side = u64::from(image.input).div_ceil(2);
            conv(image.channels.into(), 64, 7, side);
            side = side.div_ceil(2);
            let mut inputs = 64;
            for (stage, (&count, planes)) in blocks.iter().zip([64u64, 128, 256, 512]).enumerate() {
                for block in 0..count {
                    conv(inputs, planes, 1, side);
                    if stage > 0 && block == 0 {
                        side = side.div_ceil(2);
                    }
                    conv(planes, planes, 3, side);
                    conv(planes, 4 * planes, 1, side);
                    if block == 0 {
                        conv(inputs, 4 * planes, 1, side);
                    }
                    inputs = 4 * planes;
                }
                if stage == 0 && *extra_pool {
                    side = side.div_ceil(2);
                }
            }
        }
        Architecture::Tiny { widths, image, .. } => {
            let (mut side, mut inputs) = (u64::from(image.input), u64::from(image.channels));
            for width in widths {
                conv(inputs, (*width).into(), 3, side);
                (inputs, side) = ((*width).into(), side / 2);
            }
        }
        Architecture::Mlp { hidden } => {
            let mut inputs = 3;
            for units in hidden {
                conv(inputs, (*units).into(), 1, 1);
                inputs = (*units).into();
            }
        }
    }
    size
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::SubsetSize;
    use crate::runs::presets;

    #[test]
    fn a_resnet_50_has_the_parameters_and_products_that_are_stated_of_it() {
        let Size { parameters, products, traces } = size(&presets::model("resnet50").unwrap().architecture);
        assert_eq!(traces, 11_113_984);
        // 25,557,032 with a dense layer of 2048 x 1000 and its 1000 biases; 4.09 billion with its products.
        assert_eq!(parameters, 25_557_032 - 2_049_000);
        assert_eq!(products, 4_089_184_256 - 2_048_000);
    }

    fn load<'a>(model: &'a Model, training: &'a Training, init: Init, device: DeviceKind) -> Load<'a> {
        let images = |images| SubsetSize { images, patients: images };
        let sizes = FoldSizes { train: images(70_000), val: images(10_000), test: images(20_000) };
        Load { model, training, init, threads: 2, device, sizes }
    }

    #[test]
    fn the_rule_is_near_what_was_measured_and_earlier_runs_correct_it() {
        let model = presets::model("resnet50").unwrap();
        let training = presets::training(&model, Init::Scratch);
        let cuda = load(&model, &training, Init::Scratch, DeviceKind::Cuda);
        let none = History { device: DeviceKind::Cuda, ratios: Vec::new() };
        let rule = none.cost(&cuda);
        let images = 30.0 * 70_000.0;
        assert!((0.009..0.012).contains(&(rule.seconds / images)), "{rule:?}");
        assert_eq!(rule.basis, Basis::Rule);

        let other = presets::model("resnet38").unwrap();
        let mut ratios = vec![(other.architecture.clone(), Init::Scratch, 0.5)];
        let history = History { device: DeviceKind::Cuda, ratios: ratios.clone() };
        let cost = history.cost(&cuda);
        assert_eq!((cost.seconds, cost.basis), (rule.seconds * 0.5, Basis::OtherModels(1)));
        ratios.extend([0.1, 0.2, 9.0].map(|ratio| (model.architecture.clone(), Init::Scratch, ratio)));
        let cost = History { device: DeviceKind::Cuda, ratios }.cost(&cuda);
        assert_eq!((cost.seconds, cost.basis), (rule.seconds * 0.2, Basis::SameModel(3)));

        // A frozen network sees each image once.
        let training = presets::training(&model, Init::OffTheShelf);
        let frozen = none.cost(&load(&model, &training, Init::OffTheShelf, DeviceKind::Cuda));
        assert!(frozen.seconds < rule.seconds / 50.0, "{frozen:?}");
    }

    #[test]
    fn runs_side_by_side_take_as_long_as_the_longest_row_of_them() {
        assert_eq!(wall_clock(vec![1.0, 2.0, 3.0], 1), 6.0);
        assert_eq!(wall_clock(vec![1.0, 2.0, 3.0], 2), 3.0);
        assert_eq!(wall_clock(vec![1.0, 2.0, 3.0], 8), 3.0);
        assert_eq!(wall_clock(Vec::new(), 8), 0.0);
    }
}
