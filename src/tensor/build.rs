//! Sets the worker's run path to libtorch, determines the versions in its identity, and embeds the source files
//! that affect its numbers, so that it can hash them at run time.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let lib = PathBuf::from(env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys names its library folder"));
    // So that the worker starts without LD_LIBRARY_PATH. That of a wheel has no run path: its launcher finds libtorch.
    println!("cargo:rerun-if-env-changed=REG_TORCH_FOR_WHEEL");
    if env::var_os("REG_TORCH_FOR_WHEEL").is_none() {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    }
    compile_calls(&lib);

    let room = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = room.ancestors().nth(2).expect("the crate lies in src/tensor").to_owned();
    let lock = fs::read_to_string(root.join("Cargo.lock")).expect("the source tree is complete");
    println!("cargo:rustc-env=REG_TCH={}", locked_versions(&lock, "tch"));
    println!("cargo:rustc-env=REG_LIBTORCH={}", libtorch_version(&lib));

    let mut sources = Vec::new();
    for dir in ["src/tensor", "src/records", "src/network"] {
        println!("cargo:rerun-if-changed={}", root.join(dir).display());
        let files = fs::read_dir(root.join(dir)).expect("the source tree is complete");
        sources.extend(files.map(|entry| entry.expect("readable").path()).filter(|path| is_source(path)));
    }
    let single = ["Cargo.lock", "src/tensor/Cargo.toml", "src/hash.rs", "src/random.rs", "src/worker.rs"];
    sources.extend(single.map(|path| root.join(path)));
    let others = ["formats.rs", "jpeg.rs", "pixel_cache.rs", "pixels.rs", "png.rs"]
        .map(|name| root.join("src/dataset").join(name));
    sources.extend(others);
    sources.extend(["src/stats/auc.rs", "src/store/slots.rs"].map(|path| root.join(path)));
    sources.extend(FOREIGN.map(|path| root.join("src/tensor").join(path)));
    sources.sort();

    let mut list = String::from("&[\n");
    for path in sources {
        println!("cargo:rerun-if-changed={}", path.display());
        let name = path.strip_prefix(&root).expect("below the root").display();
        writeln!(list, "    ({:?}, include_bytes!({path:?})),", name.to_string()).expect("a string grows");
    }
    list.push_str("]\n");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("sources.rs"), list).expect("the folder for generated files takes one");
    let crates = CRATES.map(|name| (name, locked_versions(&lock, name)));
    fs::write(out.join("crates.rs"), format!("&{crates:?}"))
        .expect("the folder for generated files takes one");
}

/// Crates that can affect numbers: the tensor library, random streams, pixels, weights and scores as files.
const CRATES: [&str; 12] = [
    "bincode",
    "blake3",
    "fast_image_resize",
    "fdeflate",
    "image",
    "png",
    "rand_chacha",
    "safetensors",
    "tch",
    "torch-sys",
    "zune-core",
    "zune-jpeg",
];

/// Sources in C++.
const FOREIGN: [&str; 5] =
    ["cpp/calls.cpp", "cpp/guarded.h", "cpp/norm.cpp", "cpp/norm_loops.cpp", "cpp/norm_loops.h"];

/// Compiles the calls of libtorch that tch does not have, against the headers next to libtorch's libraries, and the
/// loops of our own.
fn compile_calls(lib: &Path) {
    for path in FOREIGN {
        println!("cargo:rerun-if-changed={path}");
    }
    let include = lib.with_file_name("include");
    let mut build = cc::Build::new();
    // Optimised in every profile: the loops run in each step of a training.
    build.cpp(true).std("c++17").opt_level(3);
    build
        .clone()
        // Warnings of libtorch's own headers.
        .warnings(false)
        .includes([include.join("torch/csrc/api/include"), include])
        .files(["cpp/calls.cpp", "cpp/norm.cpp"])
        .compile("calls");
    // Behind those that call them, as linkers want it.
    build
        // No fused multiplications, which not every processor has. Comparisons may become masks.
        .flags(["-ffp-contract=off", "-fno-trapping-math", "-fno-math-errno"])
        .file("cpp/norm_loops.cpp")
        .compile("norm_loops");
}

fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// The versions of a crate in a lock file, usually one.
fn locked_versions(lock: &str, name: &str) -> String {
    let begin = format!("name = \"{name}\"\nversion = \"");
    let found: Vec<&str> = lock.split(&begin).skip(1).filter_map(|rest| rest.split('"').next()).collect();
    if found.is_empty() { "unknown".to_owned() } else { found.join(", ") }
}

/// The version in the headers, which exist in a download of libtorch and in an installed PyTorch.
fn libtorch_version(lib: &Path) -> String {
    let header = lib.with_file_name("include").join("torch/headeronly/version.h");
    let text = fs::read_to_string(header).unwrap_or_default();
    let part = |name: &str| {
        let define = format!("#define TORCH_VERSION_{name} ");
        text.lines().find_map(|line| line.strip_prefix(&define)).map(str::trim)
    };
    match (part("MAJOR"), part("MINOR"), part("PATCH")) {
        (Some(major), Some(minor), Some(patch)) => format!("{major}.{minor}.{patch}"),
        _ => "unknown".to_owned(),
    }
}
