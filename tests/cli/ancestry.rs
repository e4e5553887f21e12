//! What weights that come from elsewhere were trained on: declared, unknown, or known because a run left them.

use std::fs;

use serde_json::json;

use crate::audit::python;
use crate::harness::Study;
use crate::serve::Server;

const UNKNOWN: &str = "whose training images are unknown: test images may be among them";

/// A file with the weights of `tiny-s-f1`, and `spaces` more in its header: other bytes, of which nobody knows.
fn weights_from_elsewhere(study: &Study, name: &str, spaces: usize) {
    study.ok("export tiny-s-f1 --format checkpoint -o model");
    let bytes = fs::read(study.path("model/checkpoint.safetensors")).unwrap();
    let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let mut other = ((length + spaces) as u64).to_le_bytes().to_vec();
    other.extend(&bytes[8..8 + length]);
    other.extend(vec![b' '; spaces]);
    other.extend(&bytes[8 + length..]);
    fs::write(study.path(name), other).unwrap();
    fs::remove_dir_all(study.path("model")).unwrap();
}

fn tune(weights: &str) -> String {
    format!(
        "train --dataset tiny --split s --fold 0 --model tiny --weights {weights} --set epochs=1 --threads 1 --name {weights}-tuned"
    )
}

/// Both programs that check a bundle find it right; what they print.
fn audited(study: &Study, name: &str) -> [String; 2] {
    study.ok(&format!("audit {name} -o {name}.zip"));
    let ours = study.ok(&format!("audit verify {name}.zip"));
    let (code, theirs) = python(study, &format!("{name}.zip"));
    assert_eq!(code, 0, "{theirs}");
    fs::remove_file(study.path(&format!("{name}.zip"))).unwrap();
    [ours, theirs]
}

#[test]
fn unknown_ancestry_is_told_wherever_a_result_is_shown_until_somebody_declares_it() {
    let study = Study::trained();
    weights_from_elsewhere(&study, "w.safetensors", 8);
    study
        .reg("weights import w.safetensors --name w")
        .says(0, &["training data of these weights is unknown", "--trained-on"]);
    let said = format!("starts from the weights w, {UNKNOWN}");
    let trained = study.reg(&tune("w"));
    trained.says(0, &[&said]);
    assert!(String::from_utf8_lossy(&trained.stdout).contains(&format!("This {said}.")), "{trained:?}");
    let shown = study.json("show w-tuned");
    assert_eq!(shown["unknown_ancestry"][0]["files"][0]["weights"], json!(study.id("w")));
    // The browser marks it where it can be chosen and where it is compared.
    let server = Server::start(&study);
    let runs = server.get("/runs").body;
    assert!(runs.contains("w-tuned</a> <small>unknown ancestry</small>"), "{runs}");
    assert!(runs.contains(&format!("w-tuned: {said}.")), "{runs}");
    let compared = server.get(&format!(
        "/compare?run={}&run={}",
        &study.id("w-tuned")[..12],
        &study.id("mlp-s-f0")[..12]
    ));
    assert!(compared.body.contains(&said) && compared.body.contains("Unknown ancestry"), "{}", compared.body);
    drop(server);
    let csv = study.ok("compare w-tuned mlp-s-f0 --name both --format csv");
    assert!(csv.lines().next().unwrap().ends_with(",unknown ancestry"), "{csv}");
    for command in ["show both", "show both --format latex", "show w-tuned", "trace both", "eval w-tuned"] {
        let text = study.ok(command);
        assert!(text.replace('\n', " ").contains("training images are unknown"), "{command}: {text}");
    }
    study.ok("export w-tuned -o card.md");
    assert!(fs::read_to_string(study.path("card.md")).unwrap().contains(UNKNOWN));
    study.ok("report both -o both.html");
    let page = fs::read_to_string(study.path("both.html")).unwrap();
    assert!(page.contains("Unknown ancestry") && page.contains(UNKNOWN));
    let [ours, theirs] = audited(&study, "both");
    assert!(ours.contains(UNKNOWN) && theirs.contains("whose training data is unknown"), "{ours}{theirs}");
    // What did not start from them says nothing.
    assert_eq!(study.json("show mlp-s-f0")["unknown_ancestry"], json!(null));

    study.ok("weights import w.safetensors --trained-on external ImageNet-1k --name w --move");
    assert_eq!(study.json("show both")["unknown_ancestry"], json!(null));
    assert!(study.ok("show w-tuned").contains("ImageNet-1k"));
    study.ok("export w-tuned -o card.md");
    let card = fs::read_to_string(study.path("card.md")).unwrap();
    assert!(
        card.contains("the initial weights were trained on ImageNet-1k") && !card.contains(UNKNOWN),
        "{card}"
    );
    let [ours, theirs] = audited(&study, "both");
    assert!(!ours.contains(UNKNOWN) && !theirs.contains("unknown ancestry"), "{ours}{theirs}");

    // The declaration belongs to another import of the file than the one from which the run started.
    for (remote, what) in [("one", "both"), ("all", "")] {
        study.ok(&format!("push {remote} {what}"));
        let other = Study::new();
        other.ok(&format!("pull {}", study.path(remote).display()));
        assert_eq!(other.json("show both")["unknown_ancestry"], json!(null), "{remote}");
    }
}

#[test]
fn a_declared_overlap_with_test_patients_is_a_leak() {
    let study = Study::trained();
    let said = "tiny (re-sampling 0) was trained or selected on";
    let cases = [("all", "tiny", true), ("other", "tiny:s:1", true), ("own", "tiny:s:0", false)];
    for (spaces, (name, data, leaks)) in (1..).zip(cases) {
        weights_from_elsewhere(&study, name, 8 * spaces);
        let imported = study.json(&format!("weights import --trained-on {data} {name} --name {name}"));
        assert_eq!(imported["trained_on"].as_array().unwrap().len(), 1, "{imported}");
        let trained = study.json(&tune(name));
        assert_eq!(trained["unknown_ancestry"], json!(null));
        let compare = format!("compare {name}-tuned mlp-s-f0 --name {name}-both");
        if leaks {
            assert_eq!(trained["unfair"][0]["kind"], json!("leak"), "{name}");
            study.refused(3, &compare, &[said, "mlp is tested on"]);
            study.ok(&format!("{compare} --allow-different-images"));
        } else {
            assert_eq!(trained["unfair"], json!([]), "{name}");
            study.ok(&compare);
        }
        audited(&study, &format!("{name}-both"));
        assert!(study.ok(&format!("trace {name}")).contains("dataset"), "{name}");
    }
    study.ok("withdraw patient:2 --reason consent");
    study.reg("show all-tuned").says(0, &["contains withdrawn data", "trained on"]);
}

#[test]
fn a_wrong_declaration_is_refused_with_the_reason() {
    let study = Study::trained();
    weights_from_elsewhere(&study, "w", 8);
    for (data, why) in [
        ("tiny:s:9", "split `s` has 2 re-samplings, counted from 0"),
        ("tiny:s:x", "`x` is not the number of a division"),
        ("tiny:s", "neither the form DATASET nor DATASET:SPLIT:FOLD"),
        ("nothing", "nothing"),
        ("s", "s"),
        ("external", "`external` needs a name"),
        ("unknown --trained-on tiny", "cannot be combined"),
    ] {
        let answer = study.reg(&format!("weights import w --name w --trained-on {data}"));
        assert!(answer.code == 1 || answer.code == 2, "{data}: {answer:?}");
        assert!(answer.stderr.contains(why), "{data}: {answer:?}");
    }
    study.ok("weights import w --trained-on unknown --name w");
    study.ok("weights import w --trained-on tiny --trained-on external:MIMIC-CXR --name v");
    assert_eq!(
        study.json("show v")["record"]["trained_on"][1],
        json!({ "type": "external", "name": "MIMIC-CXR" })
    );
}

#[test]
fn a_program_that_was_given_a_checkpoint_has_seen_what_its_run_saw() {
    let study = Study::trained();
    fs::write(study.path("train.py"), include_str!("../../examples/programs/prevalence.py")).unwrap();
    study.ok("export tiny-s-f1 --format checkpoint -o model");
    let run = |name: &str, file: &str| {
        study.json(&format!(
            "run --dataset tiny --split s --fold 0 --name {name} --input weights={file} -- python3 train.py"
        ))
    };
    let ran = run("theirs", "model/checkpoint.safetensors");
    assert_eq!((&ran["unfair"][0]["kind"], &ran["unknown_ancestry"]), (&json!("leak"), &json!(null)));
    study.refused(3, "compare theirs mlp-s-f0", &["was trained or selected on", "mlp is tested on"]);
    study.ok("compare theirs mlp-s-f0 --allow-different-images --name both");
    audited(&study, "both");
    let first = study.id("tiny-s-f1");
    assert!(study.ok("trace theirs").contains(&first[..12]));
    assert!(study.ok(&format!("trace --down {first}")).contains("theirs"));
    study.refused(1, "rm tiny-s-f1", &["depend on the records that would be removed", "theirs"]);
    fs::remove_dir_all(study.path("model")).unwrap();
    weights_from_elsewhere(&study, "w.safetensors", 8);
    let ran = run("begun", "w.safetensors");
    assert_eq!(ran["unknown_ancestry"][0]["files"][0]["input"], json!("w.safetensors"));
    assert!(audited(&study, "begun").iter().all(|said| said.contains("w.safetensors")));
    fs::write(study.path("words.txt"), "one\ntwo\n").unwrap();
    assert_eq!(run("words", "words.txt")["unknown_ancestry"], json!(null));
    // Imported with a declaration, the same file is known, for programs too.
    study.ok("weights import w.safetensors --trained-on tiny --name w");
    assert_eq!(study.json("show begun")["unknown_ancestry"], json!(null));
    study.refused(3, "compare begun mlp-s-f0", &["was trained or selected on"]);
    study.ok(&format!("audit {} -o begun.zip", ran["table"].as_str().unwrap()));
    let said = study.ok("audit verify begun.zip");
    assert!(said.contains("has a leak: ") && said.contains("was trained or selected on"), "{said}");
    // Of a program's own files only formats of weights count: a library is none.
    fs::create_dir(study.path("own")).unwrap();
    fs::copy(study.path("train.py"), study.path("own/train.py")).unwrap();
    fs::write(study.path("own/native.so"), b"\x7fELF\x02\x01\x01\0\0\0\0").unwrap();
    let own = |name: &str| {
        study.json(&format!(
            "run --dataset tiny --split s --fold 0 --name {name} --source own -- python3 train.py"
        ))
    };
    assert_eq!(own("library")["unknown_ancestry"], json!(null));
    fs::write(study.path("own/net.onnx"), b"\x08\x08\x12\x07pytorch\x1a\x05").unwrap();
    assert_eq!(own("network")["unknown_ancestry"][0]["files"][0]["input"], json!("net.onnx"));
    assert!(study.ok("trace begun").contains(&study.id("w")[..12]));
}

/// A program that leaves what it was given as its checkpoint.
const PASSES_ON: &str = "import os, shutil, sys, runpy
sys.argv = ['train.py']
runpy.run_path('train.py')
os.remove(os.path.join(os.environ['REG_OUT'], 'checkpoint.json'))
shutil.copy(os.environ['REG_INPUT_weights'], os.path.join(os.environ['REG_OUT'], 'checkpoint.bin'))
";

#[test]
fn who_leaves_the_weights_that_it_was_given_has_not_made_them() {
    let study = Study::trained();
    fs::write(study.path("train.py"), include_str!("../../examples/programs/prevalence.py")).unwrap();
    fs::write(study.path("pass.py"), PASSES_ON).unwrap();
    weights_from_elsewhere(&study, "w.safetensors", 8);
    study.ok("weights import w.safetensors --name w");
    study.ok(&tune("w"));
    study.ok("compare w-tuned mlp-s-f0 --name both");
    let ran = study.json(
        "run --dataset tiny --split s --fold 1 --name launder --input weights=w.safetensors -- python3 pass.py train.py",
    );
    assert!(ran["unknown_ancestry"][0]["files"][0].is_object(), "{ran}");
    for shown in ["w-tuned", "both", "launder"] {
        assert!(study.json(&format!("show {shown}"))["unknown_ancestry"].is_array(), "{shown}");
    }
    study.ok("verify --recompute both");
    let said = audited(&study, "both");
    assert!(said[0].contains(UNKNOWN) && said[1].contains("unknown ancestry"), "{said:?}");
    study.ok("rm launder");
}

#[test]
fn all_files_that_a_program_is_given_are_looked_at() {
    let study = Study::trained();
    fs::write(study.path("train.py"), include_str!("../../examples/programs/prevalence.py")).unwrap();
    study.ok("export tiny-s-f1 --format checkpoint -o model");
    let run = |name: &str, with: &str| format!("run --dataset tiny --split s --fold 0 --name {name} {with}");
    let begin = "import sys, runpy; sys.argv = ['train.py']; runpy.run_path('train.py')";
    fs::write(study.path("begin.py"), begin).unwrap();
    let ran = study.json(&run("named", "-- python3 begin.py train.py model/checkpoint.safetensors"));
    assert_eq!(ran["unfair"][0]["kind"], json!("leak"), "{ran}");
    study.ok("compare named mlp-s-f0 --allow-different-images --name both");
    audited(&study, "both");
    // The labels of the test images are no input.
    study.refused(
        1,
        &run("cheat", "--input labels=data.csv -- python3 train.py"),
        &["contains the labels of data set", "hint: read the labels"],
    );
    assert_eq!(
        study.json("list run")["runs"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|run| run["name"] == "cheat")
            .count(),
        0
    );
}

#[test]
fn what_is_declared_later_is_told_of_what_was_made_before() {
    let study = Study::trained();
    weights_from_elsewhere(&study, "w.safetensors", 8);
    study.ok("weights import w.safetensors --name w");
    study.ok(&tune("w"));
    study.ok("compare w-tuned mlp-s-f0 --name both");
    study.ok("weights import w.safetensors --trained-on tiny --name v");
    let said = "w-tuned (re-sampling 0) was trained or selected on";
    for shown in ["w-tuned", "both"] {
        let answer = study.reg(&format!("--json show {shown}"));
        answer.says(0, &[said]);
        assert!(answer.json()["leaks"][0]["why"][0].as_str().unwrap().contains(said), "{shown}");
    }
    assert!(study.ok("show both").contains("NOT COMPARABLE: w-tuned"));
    let listed = study.ok("list run").replace('\n', " ");
    assert!(
        listed.contains("w-tuned: LEAK: the model (re-sampling 0) was trained or selected on"),
        "{listed}"
    );
    let server = Server::start(&study);
    let runs = server.get("/runs").body;
    assert!(runs.contains("w-tuned</a> <strong class=\"warning\">leak</strong>"), "{runs}");
    assert!(runs.contains("w-tuned: LEAK: the model (re-sampling 0) was trained or selected on"), "{runs}");
    let (tuned, other) = (study.id("w-tuned"), study.id("mlp-s-f0"));
    let pages = [format!("/record/{tuned}"), format!("/compare?run={}&run={}", &tuned[..12], &other[..12])];
    for path in pages {
        assert!(server.get(&path).body.contains(said), "{path}");
    }
    drop(server);
    study.reg("audit both -o both.zip").says(0, &[said]);
    // What declares a leak is not removed while something starts from the file.
    study.refused(1, "rm v", &["depend"]);
}

#[test]
fn a_stranger_s_words_stay_on_their_line() {
    let study = Study::trained();
    weights_from_elsewhere(&study, "w", 8);
    let bytes = fs::read(study.path("w")).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let odd = text.find("fc.bias").unwrap();
    let mut forged = bytes.clone();
    forged[odd..odd + 7].copy_from_slice(b"a\\nerr:");
    fs::write(study.path("odd"), forged).unwrap();
    let answer = study.reg("weights import odd");
    assert!(answer.stderr.lines().all(|line| !line.starts_with("err:")), "{answer:?}");
    for (data, why) in [
        ("external unknown", "means an unknown origin"),
        ("external tiny", "is a data set of this registry"),
        ("external tiny:s:0", "is a data set of this registry"),
    ] {
        let answer = study.reg(&format!("weights import w --trained-on {data}"));
        assert!(answer.code == 1 && answer.stderr.contains(why), "{data}: {answer:?}");
    }
}
