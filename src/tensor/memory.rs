//! Memory estimates before the work starts, and free memory.

use std::fs;

use reg::network::{Counts, Plan};
use tch::Device;

use crate::device;
use crate::error::TensorError;

/// Memory of libtorch before it computes anything.
const PROCESS: u64 = 350 << 20;
/// Bytes per number.
const NUMBER: u64 = 4;

/// Estimated peak memory of training: `trained` of the network's parameters are trained.
pub(crate) fn of_training(plan: &Plan, batch: u32, trained: u64) -> u64 {
    let (Counts { kept, largest, .. }, parameters) = (plan.counts(), plan.parameters());
    let seen = if trained == parameters { kept + 3 * largest } else { 4 * largest };
    // A trained parameter has a gradient and two moments; the resume checkpoint that is being written has
    // copies of all these except the gradient, and the weights of the selected epoch are in memory too.
    let numbers = 3 * parameters + 5 * trained + seen * u64::from(batch);
    PROCESS + NUMBER * numbers
}

/// Estimated peak memory of scoring.
pub(crate) fn of_scoring(plan: &Plan, batch: u32) -> u64 {
    PROCESS + NUMBER * (3 * plan.parameters() + 4 * plan.counts().largest * u64::from(batch))
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

    #[test]
    fn what_does_not_fit_is_refused_with_both_numbers() {
        let error = check(1 << 60, 16, Device::Cpu).unwrap_err();
        assert!(error.to_string().contains("1152921504.6 GB"), "{error}");
        assert!(error.hint().unwrap().contains("batch"));
        check(1 << 20, 16, Device::Cpu).unwrap();
    }
}
