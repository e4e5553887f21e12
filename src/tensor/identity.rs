//! Who this worker is: versions, devices, and the sources that its numbers depend on.

use reg::hash::Hash;
use reg::worker::{Identity, PROTOCOL};

use crate::device;

/// The version of what this worker computes. It stands in every spec, in the source of scores and beside every table
/// that a network made, so it decides which runs are the same.
///
/// It is raised by one in the change that gives other numbers for the same job on the same machine: in losses, weights,
/// scores, the predictors of probes or heat maps, by whatever way, such as the order of a sum, a network, a default,
/// the order of images, a random view, how pixels are decoded or resized ([`reg::records::rules::PIXELS`]), or another
/// version of a crate in `Cargo.lock`. Whoever raises it makes every run in every registry a run of the past, which is
/// what then is true.
///
/// It is not raised for what gives the same numbers: a comment, a name, a message, a faster way to the same bits, a new
/// network beside the others, another lock file. Another version of libtorch and another target are told apart without
/// it.
///
/// `tests/golden` holds it: pinned trainings, a probe and a heatmap map. `docs/src/ids.md` tells users.
pub(crate) const NUMERICS: u32 = 1;

/// Paths below the root of the source tree, and contents.
const SOURCES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));

/// What the worker says of itself.
pub(crate) fn identity() -> Identity {
    Identity {
        protocol: PROTOCOL,
        worker: env!("CARGO_PKG_VERSION").to_owned(),
        numerics: NUMERICS,
        tch: env!("REG_TCH").to_owned(),
        libtorch: env!("REG_LIBTORCH").to_owned(),
        crates: CRATES.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect(),
        target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        cpu_capability: device::cpu_capability(),
        cuda: device::cuda_names(),
        sources: sources(),
    }
}

/// Names and versions, from `Cargo.lock`.
const CRATES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/crates.rs"));

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
        for path in [
            "src/tensor/train.rs",
            "src/records/run.rs",
            "src/dataset/pixels.rs",
            "src/dataset/png.rs",
            "src/stats/auc.rs",
            "Cargo.lock",
        ] {
            assert!(sources.contains(&format!("  {path}\n")), "{path}");
        }
    }

    #[test]
    fn the_versions_are_known() {
        let identity = identity();
        assert_eq!((identity.tch.as_str(), identity.libtorch.as_str()), ("0.24.0", "2.11.0"));
        assert_eq!(identity.crates["torch-sys"], "0.24.0");
        assert!(identity.crates.values().all(|version| version.starts_with(|c: char| c.is_ascii_digit())));
    }
}
