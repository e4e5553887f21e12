//! Memory estimates before the work starts, and free memory.

use std::fs;

use reg::records::{Architecture, Model};
use tch::Device;

use crate::device;
use crate::error::TensorError;

/// Memory of libtorch before it computes anything.
const PROCESS: u64 = 350 << 20;
/// Bytes per number.
const NUMBER: u64 = 4;

/// Activations of a network for one image.
struct Traces {
    /// Number of values that the backward pass needs.
    kept: u64,
    /// Number of values of the largest layer.
    largest: u64,
}

/// Estimated peak memory of training: the network has `parameters` parameters; `trained` of them are trained.
pub(crate) fn of_training(model: &Model, batch: u32, parameters: u64, trained: u64) -> u64 {
    let Traces { kept, largest } = traces(&model.architecture);
    let seen = if trained == parameters { kept + 3 * largest } else { 4 * largest };
    // A trained parameter has a gradient and two moments; the resume checkpoint that is being written has
    // copies of all these except the gradient, and the weights of the selected epoch are in memory too.
    let numbers = 3 * parameters + 5 * trained + seen * u64::from(batch);
    PROCESS + NUMBER * numbers
}

/// Estimated peak memory of scoring.
pub(crate) fn of_scoring(model: &Model, batch: u32, parameters: u64) -> u64 {
    PROCESS + NUMBER * (3 * parameters + 4 * traces(&model.architecture).largest * u64::from(batch))
}

/// Refuses work that does not fit into the memory of its device.
pub(crate) fn check(needed: u64, batch: u32, on: Device) -> Result<(), TensorError> {
    let (free, place) = match on {
        Device::Cuda(index) => (device::free_memory(index), format!("cuda:{index}")),
        _ => (free(), "this machine".to_owned()),
    };
    match free {
        Some(free) if free < needed => Err(TensorError::Memory { needed, free, place, batch }),
        _ => Ok(()),
    }
}

fn traces(architecture: &Architecture) -> Traces {
    let mut traces = Traces { kept: 0, largest: 0 };
    // The output of the convolution, which BatchNorm needs, and the output of BatchNorm, which the next layer
    // needs.
    let mut conv = |channels: u64, side: u64| {
        let numbers = channels * side * side;
        traces.kept += 2 * numbers;
        traces.largest = traces.largest.max(numbers);
    };
    match architecture {
        Architecture::Resnet { blocks, extra_pool, image, .. } => {
            let mut side = u64::from(image.input).div_ceil(2);
            conv(64, side);
            side = side.div_ceil(2);
            for (stage, (&count, planes)) in blocks.iter().zip([64u64, 128, 256, 512]).enumerate() {
                for block in 0..count {
                    conv(planes, side);
                    if stage > 0 && block == 0 {
                        side = side.div_ceil(2);
                    }
                    conv(planes, side);
                    conv(4 * planes, side);
                    if block == 0 {
                        conv(4 * planes, side);
                    }
                }
                if stage == 0 && *extra_pool {
                    side = side.div_ceil(2);
                }
            }
        }
        Architecture::Tiny { widths, image, .. } => {
            let mut side = u64::from(image.input);
            for width in widths {
                conv(u64::from(*width), side);
                side /= 2;
            }
        }
        Architecture::Mlp { hidden } => hidden.iter().for_each(|units| conv(u64::from(*units), 1)),
    }
    traces
}

/// Bytes that this process may still allocate: the machine's available memory within the limit of the control
/// group.
fn free() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let machine = line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024;
    let number = |name: &str| {
        let text = fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let group = number("memory.max").zip(number("memory.current")).map(|(max, now)| max.saturating_sub(now));
    Some(group.map_or(machine, |group| group.min(machine)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reg::records::ImageInput;

    #[test]
    fn the_traces_are_those_of_the_network() {
        let image =
            ImageInput { channels: 3, input: 224, resize: 256, mean: vec![0.5; 3], std: vec![0.5; 3] };
        let architecture =
            Architecture::Resnet { blocks: [3, 4, 6, 3], extra_pool: false, meta: false, image };
        let Traces { kept, largest } = traces(&architecture);
        assert_eq!(largest, 64 * 112 * 112);
        // The 11.1 million activations reported for ResNet-50, before and after BatchNorm.
        assert_eq!(kept, 2 * 11_113_984);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_both_numbers() {
        let error = check(1 << 60, 16, Device::Cpu).unwrap_err();
        assert!(error.to_string().contains("1152921504.6 GB"), "{error}");
        assert!(error.hint().unwrap().contains("batch"));
        check(1 << 20, 16, Device::Cpu).unwrap();
    }
}
