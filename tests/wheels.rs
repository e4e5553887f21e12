//! The wheels, installed into an empty environment as a user does. Slow: it takes wheels of a release (`make wheels`, 20 minutes)
//! and PyTorch with its libraries (3 GB), so it runs where REG_WHEELS names the folder of the wheels.

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What a script of a user does after the demo.
const SCRIPT: &str = "import regcxr\n\
    registry = regcxr.open('demo')\n\
    frame = registry.run_frame(sort='test_auc')\n\
    table = regcxr.compare(*registry.runs(where='model=mlp'), name='mine')\n\
    images = registry.dataset('demo').frame(split='demo-split')\n\
    print(len(frame), len(images), table.type, regcxr.__version__)\n";

fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}\n{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn wheel(folder: &Path, name: &str) -> PathBuf {
    let mut all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_it = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(name);
    all.find(is_it).unwrap_or_else(|| panic!("{} has no {name}*.whl", folder.display()))
}

#[test]
fn both_wheels_work_in_an_empty_environment() {
    let Some(dist) = support::wheels() else { return };
    let (reg, torch) = (wheel(&dist, "reg_cxr-"), wheel(&dist, "reg_cxr_torch-"));
    for wheel in [&reg, &torch] {
        let bytes = fs::metadata(wheel).unwrap().len();
        println!("{}: {bytes} bytes", wheel.display());
        assert!(bytes < 20_000_000, "{} has {bytes} bytes", wheel.display());
    }
    let folder = tempfile::tempdir().unwrap();
    let environment = folder.path().join("environment");
    said(Command::new("python3").arg("-m").arg("venv").arg(&environment));
    let program = |name: &str| {
        let mut command = Command::new(environment.join("bin").join(name));
        // Nothing of this source tree, and no libtorch but that of the environment.
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", folder.path())
            .current_dir(folder.path());
        command
    };
    let mut pip = Command::new(environment.join("bin/pip"));
    said(pip.args(["install", "--quiet"]).arg(&reg).arg(&torch));

    let version = said(program("reg").arg("--version"));
    println!("{}", version.trim());
    assert!(version.contains("release build of"), "{version}");
    let demo = said(program("reg").args(["demo", "demo", "--patients", "60"]));
    assert!(demo.contains("0 damaged"), "{demo}");
    let script = said(program("python").args(["-c", SCRIPT]));
    assert_eq!(
        script,
        format!("9 {} comparison {}\n", script.split(' ').nth(1).unwrap(), env!("CARGO_PKG_VERSION"))
    );
    // A list opens the registry, too.
    let mut times: Vec<Duration> = (0..50)
        .map(|_| {
            let start = Instant::now();
            said(program("reg").args(["--registry", "demo", "list", "dataset"]));
            start.elapsed()
        })
        .collect();
    times.sort();
    println!("reg list: median {:?}", times[times.len() / 2]);
    assert!(times[0] < Duration::from_millis(20), "{:?}", times[0]);

    // Without PyTorch, the launcher says what is missing.
    said(program("pip").args(["uninstall", "--quiet", "--yes", "torch"]));
    let output = program("reg")
        .args(["--registry", "demo", "train", "--dataset", "demo", "--split", "demo-split"])
        .args(["--fold", "0", "--model", "tiny", "--seed", "9"])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains("torch==2.11.*"), "{stderr}");
}
