//! Estimates of what runs will take: time from earlier runs if there are any, otherwise from a rule of thumb;
//! disk space from the sizes of networks and images.
//!
//! The rule counts multiplications. A training step costs three forward passes, validation and test one. A core
//! does 19 billion per second (ResNet-50 at 224 pixels: 0.65 s per image), a GPU 1,200 billion (the paper's GTX
//! 1080: 10 ms per image); reading an image takes 1 ms of a core. The ratio between the actual time of earlier
//! runs and the rule is applied to the next runs.

use std::collections::BTreeSet;

use serde::Serialize;

use super::StudyError;
use crate::dataset::pixel_cache::{self, ResizedPixels};
use crate::hash::{Hash, Id};
use crate::network::{Counts, Plan};
use crate::records::{
    Architecture, Dataset, DeviceKind, Execution, FoldSizes, Init, Kind, Manifest, Model, Pixels, Run,
    Training,
};
use crate::registry::Registry;
use crate::training::Environment;

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
        let Counts { parameters, kept, .. } = counts(&self.model.architecture);
        match self.device {
            DeviceKind::Cpu => {
                PROCESS + NUMBER * (8 * parameters + kept * u64::from(self.training.batch) * 3 / 2)
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
        let compute = passes * counts(&self.model.architecture).multiplications as f64 / speed;
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
    ) -> Result<Self, StudyError> {
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
            let spec = registry.get(run.spec).ok()?;
            let spec = spec.network().filter(|spec| spec.device == device)?;
            let sizes = registry.get(spec.split).ok()?.folds.get(spec.fold as usize)?.clone();
            let load = Load {
                model: &spec.model,
                training: &spec.training,
                init: spec.init,
                threads: spec.threads,
                device,
                sizes,
            };
            let ratio = execution.seconds / load.rule(run.epochs?);
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
    let parameters: Vec<u64> = loads.iter().map(|load| counts(&load.model.architecture).parameters).collect();
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
            (false, _) => {
                let numbers = plan(&load.model.architecture).map_or(0, |plan| plan.features());
                features = features.max(manifest.rows.len() as u64 * numbers * NUMBER);
            }
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

/// The plan of a network without its labels; `None` for a record that describes no network.
fn plan(architecture: &Architecture) -> Option<Plan> {
    Plan::of(architecture, 1).ok()
}

fn counts(architecture: &Architecture) -> Counts {
    let nothing = Counts { parameters: 0, multiplications: 0, kept: 0, largest: 0 };
    plan(architecture).map_or(nothing, |plan| plan.counts())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::preset;
    use crate::records::SubsetSize;
    use crate::training::presets;

    fn load<'a>(model: &'a Model, training: &'a Training, init: Init, device: DeviceKind) -> Load<'a> {
        let images = |images| SubsetSize { images, patients: images };
        let sizes = FoldSizes { train: images(70_000), val: images(10_000), test: images(20_000) };
        Load { model, training, init, threads: 2, device, sizes }
    }

    #[test]
    fn the_rule_is_near_what_was_measured_and_earlier_runs_correct_it() {
        let resnet = preset("resnet50").unwrap();
        let (model, training) = (resnet.model.clone(), presets::training(&resnet, Init::Scratch));
        let cuda = load(&model, &training, Init::Scratch, DeviceKind::Cuda);
        let none = History { device: DeviceKind::Cuda, ratios: Vec::new() };
        let rule = none.cost(&cuda);
        let images = 30.0 * 70_000.0;
        assert!((0.009..0.012).contains(&(rule.seconds / images)), "{rule:?}");
        assert_eq!(rule.basis, Basis::Rule);

        let other = preset("resnet38").unwrap().model;
        let mut ratios = vec![(other.architecture.clone(), Init::Scratch, 0.5)];
        let history = History { device: DeviceKind::Cuda, ratios: ratios.clone() };
        let cost = history.cost(&cuda);
        assert_eq!((cost.seconds, cost.basis), (rule.seconds * 0.5, Basis::OtherModels(1)));
        ratios.extend([0.1, 0.2, 9.0].map(|ratio| (model.architecture.clone(), Init::Scratch, ratio)));
        let cost = History { device: DeviceKind::Cuda, ratios }.cost(&cuda);
        assert_eq!((cost.seconds, cost.basis), (rule.seconds * 0.2, Basis::SameModel(3)));

        // A frozen network sees each image once.
        let training = presets::training(&resnet, Init::OffTheShelf);
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
