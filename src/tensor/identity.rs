//! The worker's identity: versions, devices, and the sources that affect its numbers.

use reg::hash::Hash;
use reg::worker::{Identity, PROTOCOL};

use crate::device;

/// The version of this worker's numbers. It is part of every spec, of the source of scores and of every table
/// computed by a network, so it decides which runs are the same.
///
/// It is raised by one in any change that gives other numbers for the same job on the same machine: in losses,
/// weights, scores, the predictors of probes or heat maps, for whatever reason, such as the order of a sum, a
/// network, a default, the order of images, a random view, how pixels are decoded or resized
/// ([`reg::records::rules::PIXELS`]), or another version of a crate in `Cargo.lock`. After that, no earlier run
/// in any registry answers a training any more.
///
/// It is not raised for changes that give the same numbers: a comment, a name, a message, a faster way to the
/// same bits, an additional network, another lock file. Other versions of libtorch and other targets are
/// distinguished without it.
///
/// `tests/golden` checks it with pinned trainings, a probe and a heat map. `docs/src/ids.md` explains it to
/// users.
pub(crate) const NUMERICS: u32 = 2;

/// Paths relative to the root of the source tree, and contents.
const SOURCES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));

/// The worker's identity.
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
