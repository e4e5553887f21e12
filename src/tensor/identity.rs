//! Who this worker is: versions, devices, and the sources that its numbers depend on.

use reg::hash::Hash;
use reg::worker::{Identity, PROTOCOL};

use crate::device;

/// Paths below the root of the source tree, and contents.
const SOURCES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));

/// What the worker says of itself.
pub(crate) fn identity() -> Identity {
    Identity {
        protocol: PROTOCOL,
        worker: env!("CARGO_PKG_VERSION").to_owned(),
        tch: env!("REG_TCH").to_owned(),
        libtorch: env!("REG_LIBTORCH").to_owned(),
        target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        cpu_capability: device::cpu_capability(),
        cuda: device::cuda_names(),
        sources: sources(),
    }
}

fn sources() -> String {
    SOURCES.iter().map(|(path, bytes)| format!("{}  {path}\n", Hash::of(bytes))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sources_are_those_of_the_tree() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let sources = sources();
        assert!(sources.lines().is_sorted_by_key(|line| &line[66..]));
        for line in sources.lines() {
            let (hash, path) = line.split_once("  ").unwrap();
            assert_eq!(Hash::of(&std::fs::read(root.join(path)).unwrap()).to_string(), hash, "{path}");
        }
        for path in ["src/tensor/train.rs", "src/records/run.rs", "src/dataset/pixels.rs", "Cargo.lock"] {
            assert!(sources.contains(&format!("  {path}\n")), "{path}");
        }
    }

    #[test]
    fn the_versions_are_known() {
        let identity = identity();
        assert_eq!((identity.tch.as_str(), identity.libtorch.as_str()), ("0.24.0", "2.11.0"));
    }
}
