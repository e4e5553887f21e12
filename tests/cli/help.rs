//! Help that teaches: what there is where something is missing, settings with their meaning, completion, manual
//! pages.

use serde_json::json;

use crate::harness::{MLP, Study, finish};

#[test]
fn a_missing_argument_lists_what_there_is() {
    let study = Study::divided();
    study.ok("split make tiny --folds 3 --name three");
    study.refused(2, "train --dataset tiny --model mlp", &["--split", "hint: the splits of tiny here are"]);
    let answer = study.reg("train --dataset tiny --model mlp");
    assert!(answer.stderr.contains("three") && answer.stderr.contains("s"), "{answer:?}");
    study.refused(2, "train --split s --model mlp", &["hint: the data sets here are tiny"]);
    study.refused(2, "train --dataset tiny --split s", &["hint: the models are densenet121"]);
    study.refused(2, "eval", &["hint: there are no runs yet; `reg train` makes one"]);
    study.refused(1, "train --dataset tiny --split foo --model mlp", &["hint: the splits here are"]);
    study.refused(1, "train --dataset tiny --split s --model vgg16", &["hint: known models: densenet121"]);
    study.refused(1, "train --dataset tiny --split s --model tinny", &["hint: did you mean `tiny`?"]);
}

#[test]
fn settings_are_named_explained_and_have_their_defaults() {
    let study = Study::bare();
    let help = study.ok("train --help");
    for name in ["lr", "batch", "growth", "early_stop", "crop_area"] {
        assert!(help.contains(name), "{name}: {help}");
    }
    let told = study.json("train --model mlp --settings --set lr=0.5");
    assert_eq!((&told["model"], &told["init"]), (&json!("mlp"), &json!("scratch")));
    let settings = told["settings"].as_array().unwrap();
    let lr = settings.iter().find(|setting| setting["name"] == "lr").unwrap();
    assert_eq!((&lr["default"], &lr["about"]), (&json!(0.5), &json!("Learning rate of Adam at the start.")));
    assert!(study.ok("train --model tiny --settings").contains("Probability of a horizontal flip."));
}

#[test]
fn help_groups_the_commands() {
    let help = Study::bare().ok("--help");
    let at = |text: &str| help.find(text).unwrap_or_else(|| panic!("{text}: {help}"));
    let groups =
        ["Data:", "Train:", "Compare:", "Trace and audit:", "Exchange:", "Maintenance:", "Global options:"];
    let places: Vec<usize> = groups.into_iter().map(at).collect();
    assert!(places.is_sorted(), "{help}");
    assert!(at("  ingest ") < places[1] && at("  rm ") > places[2], "{help}");
    let help = Study::bare().ok("rm --help");
    assert!(
        help.contains("Global options:") && help.contains("Examples:") && help.contains("--undo tiny-s-f0")
    );
}

#[test]
fn a_batch_larger_than_the_data_is_capped_with_a_word() {
    let study = Study::divided();
    let answer = study.reg(&format!("--json {MLP} --set batch=4096"));
    let images = study.json("split show s")["folds"][0]["train"]["images"].as_u64().unwrap();
    answer.says(0, &[&format!("the batch of 4,096 is reduced to all {images} training images")]);
    let spec = answer.json()["spec"].as_str().unwrap().to_owned();
    let record: serde_json::Value = serde_json::from_str(&study.ok(&format!("cat {spec}"))).unwrap();
    assert_eq!(record["training"]["batch"], json!(images));
    assert_eq!(study.json(&format!("{MLP} --set batch={images}"))["cached"], json!(true), "one spec");
}

/// What a shell is offered for the last of some words.
fn completed(study: &Study, words: &str) -> Vec<String> {
    let mut command = study.command("--");
    command.env("REG_COMPLETE", "fish").args(words.split(' '));
    let answer = finish(command.output(), words);
    let text = String::from_utf8(answer.stdout).unwrap();
    text.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

#[test]
fn shells_complete_names_of_the_registry() {
    let study = Study::divided();
    study.ok(MLP);
    assert_eq!(completed(&study, "reg train --dataset "), ["tiny"]);
    assert_eq!(completed(&study, "reg train --split "), ["s"]);
    assert_eq!(completed(&study, "reg eval m"), ["mlp-s-f0"]);
    assert!(completed(&study, "reg train --model res").contains(&"resnet50-meta".to_owned()));
    assert!(completed(&study, "reg sh").contains(&"show".to_owned()));
    for (shell, word) in [("bash", "complete "), ("zsh", "#compdef reg"), ("fish", "complete ")] {
        let script = study.ok(&format!("completions {shell}"));
        assert!(script.contains(word) && script.contains("REG_COMPLETE"), "{shell}: {script}");
    }
    // Fish brings completions for the `reg` of Windows.
    assert!(study.ok("completions fish").starts_with("complete --erase --command reg\n"));
    // Without a registry nothing is offered, and nothing goes wrong.
    assert_eq!(completed(&Study::bare(), "reg train --dataset "), [""; 0]);
}

#[test]
fn manual_pages_have_whole_synopses_examples_exit_status_and_environment() {
    let study = Study::bare();
    let page = study.ok("man train").replace("\\-", "-").replace("\\fB", "").replace("\\fR", "");
    for text in [
        ".SH SYNOPSIS",
        "reg train",
        "--dataset",
        ".SH EXAMPLES",
        ".SH \"EXIT STATUS\"",
        ".SH ENVIRONMENT",
        "REG_REGISTRY",
    ] {
        assert!(page.contains(text) || page.contains(&text.replace('"', "")), "{text}: {page}");
    }
    study.ok("man -o pages");
    for name in ["reg.1", "reg-study-run.1", "reg-rm.1"] {
        assert!(study.path(&format!("pages/{name}")).exists(), "{name}");
    }
    let page = std::fs::read_to_string(study.path("pages/reg-study-run.1")).unwrap();
    assert!(page.replace("\\-", "-").contains("reg study run"), "{page}");
}

#[test]
fn a_training_says_at_once_what_it_does_and_at_the_end_what_comes_next() {
    let study = Study::divided();
    let answer = study.reg(MLP);
    let told: Vec<&str> = answer.stderr.lines().collect();
    assert!(told[0].starts_with("mlp on tiny, split s, re-sampling 0, seed 1, 4 epochs on cpu"), "{told:?}");
    let mut once = told.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), told.len(), "nothing is printed twice: {told:?}");
    assert_eq!(told.iter().filter(|line| line.starts_with("epoch ")).count(), 4);
    let text = String::from_utf8(answer.stdout).unwrap();
    let last: Vec<&str> = text.lines().rev().take(3).collect();
    assert!(last[0].starts_with("next: `reg show mlp-s-f0`"), "{text}");
    assert!(last[2].contains("mlp-s-f0: epoch ") && last[2].contains(" labels"), "{text}");
    // Each command that is suggested can be typed.
    for command in last[0].split('`').skip(1).step_by(2).filter(|command| !command.contains("OTHER")) {
        study.ok(command.strip_prefix("reg ").unwrap());
    }
}
