//! Devices and threads. One binary works with and without CUDA.

use std::path::{Path, PathBuf};
use std::sync::Once;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LAZY};
use tch::{Cuda, Device};

use crate::calls;
use crate::error::TensorError;

/// Prepares the job's device (`cpu` or `cuda:N`) and the threads of libtorch. On a GPU, `tf32` sets whether
/// single precision may be computed in TensorFloat-32.
pub(crate) fn prepare(name: &str, threads: u32, tf32: bool) -> Result<Device, TensorError> {
    let fail = |reason: String| TensorError::Device { device: name.to_owned(), reason };
    let device = parse(name).ok_or_else(|| fail("the device must be `cpu` or `cuda:N`".into()))?;
    let threads = i32::try_from(threads).ok().filter(|n| *n > 0);
    let threads = threads.ok_or_else(|| fail("the number of threads must be positive".into()))?;
    tch::set_num_threads(threads);
    // libtorch takes this number once in a process.
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tch::set_num_interop_threads(1));
    let Device::Cuda(index) = device else {
        return Ok(device);
    };
    let count = cuda_devices().map_err(fail)?;
    if index >= count {
        return Err(fail(format!("libtorch sees {count} CUDA devices")));
    }
    calls::cuda_rules(tf32)?;
    Ok(device)
}

fn parse(name: &str) -> Option<Device> {
    match name {
        "cpu" => Some(Device::Cpu),
        "cuda" => Some(Device::Cuda(0)),
        _ => name.strip_prefix("cuda:")?.parse().ok().map(Device::Cuda),
    }
}

/// Names of the CUDA devices that libtorch can use.
pub(crate) fn cuda_names() -> Vec<String> {
    let count = cuda_devices().unwrap_or(0);
    let mut names = driver_names();
    if names.len() != count {
        names = (0..count).map(|index| format!("CUDA device {index}")).collect();
    }
    names
}

/// Free bytes on a GPU, if CUDA provides the number.
#[allow(unsafe_code)]
pub(crate) fn free_memory(index: usize) -> Option<u64> {
    use libloading::os::unix::Symbol;
    let (index, program) = (i32::try_from(index).ok()?, Library::this());
    let (mut free, mut total) = (0usize, 0usize);
    // SAFETY: the signatures of `cudaSetDevice` and `cudaMemGetInfo` as CUDA's runtime declares them; the
    // symbols are looked up among the libraries that libtorch_cuda has loaded.
    unsafe {
        let set: Symbol<unsafe extern "C" fn(i32) -> i32> = program.get(b"cudaSetDevice\0").ok()?;
        let ask: Symbol<unsafe extern "C" fn(*mut usize, *mut usize) -> i32> =
            program.get(b"cudaMemGetInfo\0").ok()?;
        (set(index) == 0 && ask(&mut free, &mut total) == 0).then_some(free as u64)
    }
}

/// The name of a GPU; `None` for the CPU.
pub(crate) fn gpu_name(device: Device) -> Option<String> {
    match device {
        Device::Cuda(index) => cuda_names().into_iter().nth(index),
        _ => None,
    }
}

/// Vector instructions that libtorch's own kernels use, determined like in its dispatcher.
pub(crate) fn cpu_capability() -> String {
    let asked = std::env::var("ATEN_CPU_CAPABILITY").unwrap_or_default();
    if ["avx512", "avx2", "default"].contains(&asked.as_str()) {
        return asked.to_uppercase();
    }
    detected_capability().to_owned()
}

#[cfg(target_arch = "x86_64")]
fn detected_capability() -> &'static str {
    let fma = is_x86_feature_detected!("fma");
    let wide = is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq");
    match (wide && fma, is_x86_feature_detected!("avx2") && fma) {
        (true, _) => "AVX512",
        (false, true) => "AVX2",
        (false, false) => "DEFAULT",
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detected_capability() -> &'static str {
    "DEFAULT"
}

/// Loads libtorch's CUDA part, if it exists, and counts the devices.
fn cuda_devices() -> Result<usize, String> {
    let folder = libtorch_folder().ok_or("the folder of libtorch_cpu is unknown")?;
    let library = folder.join("libtorch_cuda.so");
    if !library.exists() {
        return Err(format!("this libtorch is built without CUDA (there is no {})", library.display()));
    }
    load_for_ever(&library)?;
    Ok(usize::try_from(Cuda::device_count()).unwrap_or(0))
}

/// The folder from which the dynamic linker loaded libtorch_cpu.
fn libtorch_folder() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps
        .lines()
        .find_map(|line| line.find('/').map(|at| &line[at..]).filter(|p| p.ends_with("/libtorch_cpu.so")))?;
    Path::new(path).parent().map(Path::to_owned)
}

/// Loads libtorch_cuda. The linker would drop it from a program that uses no symbol of it, so it cannot be
/// linked; when loaded, it registers itself with libtorch_cpu.
#[allow(unsafe_code)]
fn load_for_ever(library: &Path) -> Result<(), String> {
    // SAFETY: it belongs to the libtorch_cpu of this process, and its initialisers may run at any time; it is
    // never closed.
    let opened = unsafe { Library::open(Some(library), RTLD_GLOBAL | RTLD_LAZY) };
    opened.map(std::mem::forget).map_err(|e| format!("{} does not load: {e}", library.display()))
}

/// The names that NVIDIA's driver gives its devices, in the order of their bus addresses.
fn driver_names() -> Vec<String> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/proc/driver/nvidia/gpus")
        .map(|entries| entries.filter_map(|entry| entry.ok().map(|e| e.path())).collect())
        .unwrap_or_default();
    folders.sort();
    let model = |folder: PathBuf| {
        let text = std::fs::read_to_string(folder.join("information")).ok()?;
        text.lines().find_map(|line| line.strip_prefix("Model:")).map(|name| name.trim().to_owned())
    };
    folders.into_iter().filter_map(model).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_device_are_refused() {
        for wrong in ["gpu", "cuda:x", "cuda1", "cuda:", "cuda:-1", ""] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        assert_eq!(parse("cuda:3"), Some(Device::Cuda(3)));
    }

    #[test]
    fn libtorch_is_found_and_can_be_asked_for_reproducible_results() {
        assert!(libtorch_folder().unwrap().join("libtorch_cpu.so").exists());
        assert!(!calls::cuda_reproducible());
        calls::cuda_rules(false).unwrap();
        assert!(calls::cuda_reproducible());
    }
}
