//! The Python package, as scripts use it: its own tests, its types, the notebook of the book.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::Study;
use crate::{ROOT, support};

/// The package with the module that `cargo test --workspace` builds, in a folder for PYTHONPATH.
fn package() -> Option<tempfile::TempDir> {
    // Beside the tests, or above them beside the programs, as cargo pleases.
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let places = [folder.parent().unwrap().join("libregcxr.so"), folder.join("libregcxr.so")];
    let newest = |path: &PathBuf| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let Some(module) = places.into_iter().filter(|path| path.is_file()).max_by_key(newest) else {
        support::absent("libregcxr.so", "`cargo test --workspace` builds the Python module");
        return None;
    };
    let site = tempfile::tempdir().unwrap();
    let package = site.path().join("regcxr");
    fs::create_dir(&package).unwrap();
    for entry in fs::read_dir(Path::new(ROOT).join("python/regcxr")).unwrap() {
        let from = entry.unwrap().path();
        if from.is_file() {
            fs::copy(&from, package.join(from.file_name().unwrap())).unwrap();
        }
    }
    fs::copy(module, package.join("_native.abi3.so")).unwrap();
    Some(site)
}

/// A Python with the package, and a trained study.
fn python(program: &Path, site: &Path, study: &Study) -> Command {
    let mut command = Command::new(program);
    command.current_dir(study.path(".")).env("PYTHONPATH", site).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("REGCXR_STUDY", study.path(".")).env("REG", env!("CARGO_BIN_EXE_reg"));
    command
}

/// The Python of the peers.
fn peers() -> Option<PathBuf> {
    let python = Path::new(ROOT).join("peers/bin/python");
    if !python.exists() {
        support::absent("peers/bin/python", "`make peers` installs the tools of others");
        return None;
    }
    Some(python)
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (said(&output.stdout), said(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{stdout}\n{stderr}");
    stdout + &stderr
}

/// Runs a file of python/tests.
fn passes(program: &Path, site: &Path, file: &str) -> String {
    let study = Study::trained();
    succeeds(
        python(program, site, &study)
            .arg("-W")
            .arg("error")
            .arg(Path::new(ROOT).join("python/tests").join(file)),
    )
}

#[test]
fn the_package_reads_what_the_program_wrote() {
    let (Some(program), Some(site)) = (peers(), package()) else { return };
    assert!(passes(&program, site.path(), "test_registry.py").contains("\nOK"));
}

#[test]
fn the_package_serves_the_scripts_of_jobs() {
    let (Some(program), Some(site)) = (peers(), package()) else { return };
    assert!(passes(&program, site.path(), "test_job.py").contains("\nOK"));
    // With torch, also its data sets.
    let Some(torch) = support::torch() else { return };
    let said = passes(&torch, site.path(), "test_job.py");
    assert!(said.contains("\nOK\n"), "nothing was skipped: {said}");
}

#[test]
fn the_types_of_the_package_are_right() {
    let (Some(program), Some(site)) = (peers(), package()) else { return };
    let study = Study::bare();
    let settings = Path::new(ROOT).join("python/pyproject.toml");
    let mut mypy = python(&program, site.path(), &study);
    succeeds(mypy.args(["-m", "mypy", "--config-file"]).arg(&settings).arg(site.path().join("regcxr")));
    // The stub of the module against the module itself.
    succeeds(
        python(&program, site.path(), &study)
            .args(["-m", "mypy.stubtest", "--mypy-config-file"])
            .arg(&settings)
            .arg("regcxr._native"),
    );
}

#[test]
fn every_row_of_the_published_metadata_is_a_row_of_a_frame() {
    let (Some(program), Some(site), Some(nih)) = (peers(), package(), support::nih()) else { return };
    let study = Study::bare();
    study.ok("init");
    let metadata = nih.join("Data_Entry_2017_v2020.csv.gz");
    study.ok(&format!("ingest --metadata-only --metadata {} --name nih", metadata.display()));
    // How long it takes: benches/frame.
    let script = "import regcxr\nframe = regcxr.open('.').dataset('nih').frame()\n\
        assert len(frame) == len(frame.to_pandas()) == 112_120";
    succeeds(python(&program, site.path(), &study).args(["-c", script]));
}

#[test]
fn the_notebook_of_the_book_runs_as_it_is_written() {
    let (Some(program), Some(site)) = (peers(), package()) else { return };
    let study = Study::trained();
    let runner = Path::new(ROOT).join("python/tests/notebook.py");
    let notebook = Path::new(ROOT).join("docs/src/notebook.ipynb");
    let mut command = python(&program, site.path(), &study);
    command.arg(runner).arg(&notebook);
    if std::env::var_os("REG_REGENERATE").is_some_and(|value| value == "1") {
        command.arg("--write");
    }
    succeeds(&mut command);
}

/// A script that scores by age, as a user's would with a network.
const SCRIPT: &str = "import sys, numpy as np, regcxr\n\
    job = regcxr.job()\n\
    train, test = job.subset('train'), job.subset('test')\n\
    prevalence = np.nanmean(train.labels, axis=0)\n\
    for epoch in (1, 2):\n    \
        job.log(epoch=epoch, train_loss=1 / epoch, val_loss=2 / epoch, val_auc=0.5, own=3.0)\n\
    for subset in ('val', 'test'):\n    \
        age = job.subset(subset).meta(job.age_range)[:, :1]\n    \
        job.save_scores(np.clip(prevalence + age / 10, 0, 1), subset)\n\
    job.save_checkpoint({'prevalence': prevalence.astype(np.float32)})\n\
    print(job, file=sys.stderr)\n";

#[test]
fn a_script_of_reg_run_is_served_without_the_registry() {
    let (Some(program), Some(site)) = (peers(), package()) else { return };
    let study = Study::trained();
    // The package in an environment of its own, as pip would put it there, beside the numpy of the peers.
    let environment = study.path("environment");
    succeeds(Command::new(&program).args(["-m", "venv", "--without-pip"]).arg(&environment));
    let paths = "import site, sysconfig; print(sysconfig.get_path('purelib'))";
    let of = |python: &Path| succeeds(Command::new(python).args(["-c", paths])).trim().to_owned();
    let interpreter = environment.join("bin/python");
    let (own, theirs) = (of(&interpreter), of(&program));
    fs::create_dir(Path::new(&own).join("regcxr")).unwrap();
    for entry in fs::read_dir(site.path().join("regcxr")).unwrap().map(|entry| entry.unwrap()) {
        fs::copy(entry.path(), Path::new(&own).join("regcxr").join(entry.file_name())).unwrap();
    }
    fs::write(Path::new(&own).join("peers.pth"), format!("{theirs}\n")).unwrap();
    fs::write(study.path("script.py"), SCRIPT).unwrap();
    let command =
        format!("run --dataset tiny --split s --fold 0 --name mine -- {} script.py", interpreter.display());
    let made = study.json(&command);
    assert_eq!(made["cached"], false);
    assert_eq!(study.json(&command)["cached"], true);
    let read = "import regcxr\nregistry = regcxr.open('.')\nrun = registry.run('mine')\n\
        assert run.predictions().scale == 'probability' and list(run.log()['epoch']) == [1, 2]\n\
        assert len(run.predictions('val').scores().images) == len(run.split.images(0, 'val'))\n\
        print(run.model, run.fold, registry.compare(run).type)";
    let said = succeeds(python(&program, site.path(), &study).args(["-c", read]));
    assert_eq!(said.trim(), "script 0 comparison");
}
