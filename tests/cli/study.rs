//! Many runs from one file: planned, run, stopped in every way, combined with manual trainings, compared.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{INGEST, Study, overwrite};
use crate::training::signal;

const HEAD: &str = "name = 'st'\ndataset = 'tiny'\nthreads = 1\ndevice = 'cpu'\n[settings]\nepochs = 2\n\
    [[split]]\nname = 'drawn'\nfolds = 2\nratios = [70, 10, 20]\n\
    [[section]]\nname = 'table-4'\ntitle = 'Networks'\nsplit = 'drawn'\n\
    [[setup]]\nsection = 'table-4'\nname = 'image'\nmodel = 'tiny'\n\
    [[setup]]\nsection = 'table-4'\nname = 'small'\nmodel = 'tiny'\nset = { input = 32, widths = [8, 8] }\n\
    [[setup]]\nsection = 'table-4'\nname = 'meta'\nmodel = 'mlp'\n";

/// A setup that diverges, one without weights, and one without a list.
const TROUBLE: &str = "[[probe]]\nsetup = 'image'\ntargets = ['view']\n\
    [[probe]]\nsetup = 'tuned'\ntargets = ['age']\n[[section]]\nname = 'trouble'\nsplit = 'drawn'\nfolds = [1]\n\
    [[setup]]\nsection = 'trouble'\nname = 'wild'\nmodel = 'tiny'\nset = { lr = 1e30 }\n\
    [[setup]]\nsection = 'trouble'\nname = 'tuned'\nmodel = 'tiny'\nweights = 'imagenet'\n\
    [[section]]\nname = 'listed'\nsplit = 'official'\n\
    [[split]]\nname = 'official'\ntrain_val = 'nowhere.txt'\ntest = 'test.txt'\n\
    [[setup]]\nsection = 'listed'\nname = 'other'\nmodel = 'mlp'\n";

fn ingested(text: &str) -> Study {
    let study = Study::new();
    study.ok(INGEST);
    fs::write(study.path("st.toml"), text).unwrap();
    study
}

fn states(document: &Value) -> Vec<(&str, &str)> {
    let runs = document["runs"].as_array().unwrap().iter();
    runs.map(|run| (run["name"].as_str().unwrap(), run["state"].as_str().unwrap())).collect()
}

#[test]
fn a_study_trains_what_is_missing_names_what_fails_and_shares_with_trainings_by_hand() {
    let head = HEAD.replace("[settings]", "gradcam = ['image']\n[settings]");
    let study = ingested(&format!("{head}{TROUBLE}"));
    let plan = study.json("study run st.toml --plan");
    assert_eq!((&plan["planned"], &plan["cached"], &plan["blocked"]), (&json!(9), &json!(0), &json!(2)));
    assert!(plan["seconds"].as_f64().unwrap() > 0.0 && plan["disk"]["checkpoints"].as_u64().unwrap() > 0);
    assert_eq!(plan["runs"][0]["expected"]["basis"]["from"], "rule");
    for kind in ["study", "split", "spec"] {
        assert_eq!(study.json(&format!("list {kind}"))["records"], json!([]), "a plan writes nothing");
    }

    // One of them is trained by hand.
    study.ok("split make tiny --folds 2 --ratios 70/10/20 --seed 1 --name drawn");
    let by_hand =
        study.json("train --dataset tiny --split drawn --fold 1 --model mlp --set epochs=2 --threads 1");

    let answer = study.reg("--json study run st.toml --jobs 2");
    assert_eq!(answer.code, 1, "{answer:?}");
    let ran = answer.json();
    for (key, count) in [("planned", 9), ("cached", 1), ("done", 6), ("failed", 1), ("blocked", 2)] {
        assert_eq!(ran[key], json!(count), "{key}: {ran}");
    }
    assert_eq!(
        states(&ran)[4..],
        [
            ("st-meta-f0", "done"),
            ("st-meta-f1", "done"),
            ("st-wild-f1", "failed"),
            ("st-tuned-f1", "blocked"),
            ("st-other-f0", "blocked")
        ]
    );
    assert_eq!((&ran["runs"][5]["spec"], &ran["runs"][5]["cached"]), (&by_hand["spec"], &json!(true)));
    assert!(ran["runs"][6]["error"].as_str().unwrap().contains("loss"), "{ran}");
    assert!(ran["runs"][7]["hint"].as_str().unwrap().contains("weights import"), "{ran}");
    assert!(ran["runs"][8]["error"].as_str().unwrap().contains("nowhere.txt"), "{ran}");

    assert_eq!((&ran["probes"][0]["state"], &ran["probes"][1]["state"]), (&json!("done"), &json!("waiting")));
    // A network with image input; once.
    assert!(ran["heats"][0]["made"].as_u64().unwrap() > 0, "{ran}");
    assert_eq!(study.id("st-image-view"), ran["probes"][0]["table"].as_str().unwrap());

    // The same command repeats only the failed run, and says so.
    let again = study.reg("study run st");
    again.says(1, &["Estimated from", "2 earlier runs of this model"]);
    let text = String::from_utf8(again.stdout).unwrap();
    assert!(!text.contains("heat maps of image"), "{text}");
    for words in ["failed: st-wild-f1: ", "blocked: st-tuned-f1: no weights are named `imagenet`", "2 of 2"] {
        assert!(text.contains(words), "{words} is missing in {text}");
    }
    let status = study.json("study status st");
    assert_eq!((&status["done"], &status["blocked"], &status["failed"]), (&json!(6), &json!(2), &json!(1)));
    let why = status["runs"][6]["error"].as_str().unwrap();
    assert!(
        why.contains("loss") && study.ok("study status st").contains(&format!("failed: st-wild-f1: {why}"))
    );

    // A study that has run shows the first table that `study compare` computes, with its legend, and records none.
    assert!(!study.ok("list table").contains("comparison"));
    let compared = study.ok("study compare st.toml");
    let first: Vec<&str> = compared.lines().skip(1).take_while(|line| !line.is_empty()).collect();
    assert!(first.len() > 5 && text.contains(&first.join("\n")), "{text}\n{compared}");
    let compared = study.json("study compare st.toml");
    assert_eq!(compared["sections"].as_array().unwrap().len(), 1, "{compared}");
    let section = &compared["sections"][0];
    assert_eq!(section["spearman"]["models"], json!(["image", "small", "meta"]));
    assert_eq!(section["auc"]["image"]["mean"]["folds"].as_array().unwrap().len(), 2);
    assert_eq!(study.id("st-table-4"), section["table"].as_str().unwrap());
    assert_eq!(study.json("study compare st")["sections"][0]["table"], section["table"]);
    let traced = study.ok("trace --down tiny");
    assert!(traced.contains("study") && traced.contains("st-table-4"), "{traced}");
    assert_eq!(compared["probes"][0]["name"], "st-image-view");
    assert!(study.ok("study compare st --format markdown").contains("Networks: "));

    // Imported weights unblock the runs that needed them; an edited file is a new study with the same runs.
    let checkpoint = study.json("show st-image-f1")["record"]["checkpoint"].as_str().unwrap().to_owned();
    fs::copy(study.object(&checkpoint), study.path("w.safetensors")).unwrap();
    study.ok("weights import w.safetensors --name imagenet");
    study.edit("st.toml", |text| text.replace("lr = 1e30", "lr = 0.001"));
    let mended = study.json("study run st.toml");
    assert_eq!((&mended["done"], &mended["cached"], &mended["failed"]), (&json!(8), &json!(6), &json!(0)));
    assert_ne!(mended["study"], ran["study"]);
    study.is_sound();

    // A file without a device matches the runs on any device.
    study.edit("st.toml", |text| text.replace("device = 'cpu'", "device = 'cuda'").replace("'st'", "'dv'"));
    study.refused(1, "study run st.toml --devices cuda:7", &["unknown device `cuda:7`", "hint:"]);
    let elsewhere = study.json("study run st.toml --devices cpu,cpu");
    assert_eq!((&elsewhere["done"], &elsewhere["cached"]), (&json!(8), &json!(8)));
    assert_eq!(study.json("study status st.toml")["done"], json!(8));
    study.ok("report st.toml -o page.html");
    let page = fs::read_to_string(study.path("page.html")).unwrap();
    assert!(page.contains("Heat map on the X-ray: "), "the study's heat maps are in its report");
    study.refused(1, "audit dv -o dv.zip", &["is a study", "study compare dv"]);

    // The results of a study are copied and verified with it.
    let other = Study::bare();
    other.ok("init");
    let there = other.path(".reg").display().to_string();
    study.ok(&format!("push {there} dv"));
    assert_eq!(other.json("study status dv")["done"], json!(8));
    other.json("verify dv");
    let path = other.object(&checkpoint);
    let mut bytes = fs::read(&path).unwrap();
    bytes[0] ^= 1;
    overwrite(&path, &bytes);
    let answer = other.reg("--json verify dv");
    assert_eq!((answer.code, &answer.json()["damaged"][0]["id"]), (3, &json!(checkpoint)));
    study.nothing_staged();
}

fn begin(study: &Study) -> Child {
    let mut command = study.command("study run st.toml --jobs 2");
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until a run of the study has saved a checkpoint.
fn wait_for_epochs(study: &Study) {
    let since = Instant::now();
    loop {
        let status = study.json("study status st");
        let runs = status["runs"].as_array().unwrap();
        if runs.iter().any(|run| run["live"]["standing"]["epochs"].as_array().is_some_and(|e| e.len() > 1)) {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(120), "{status}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_study_that_is_interrupted_or_killed_goes_on_and_trains_nothing_twice() {
    let study =
        ingested(&HEAD.replace("epochs = 2", "epochs = 30").replace("'mlp'", "'mlp'\nset = { epochs = 2 }"));
    // So that its name is known from the start.
    let plan = study.json("study run st.toml --plan");
    study.ok("split make tiny --folds 2 --ratios 70/10/20 --seed 1 --name drawn");
    fs::write(study.path("first.toml"), HEAD.replace("epochs = 2", "epochs = 1")).unwrap();
    assert_eq!(plan["planned"], json!(6));
    study.reg("study run first.toml --jobs 2");

    let mut child = begin(&study);
    wait_for_epochs(&study);
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let status = study.json("study status st");
    assert!(status["interrupted"].as_u64().unwrap() >= 1 && status["running"] == json!(0), "{status}");

    let mut child = begin(&study);
    wait_for_epochs(&study);
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    // Its trainings continue, and the next process waits for them.
    let ended = study.json("study run st.toml --jobs 2");
    assert_eq!((&ended["done"], &ended["failed"]), (&json!(6), &json!(0)), "{ended}");
    let specs: Vec<&str> =
        ended["runs"].as_array().unwrap().iter().map(|r| r["spec"].as_str().unwrap()).collect();
    let runs = study.json("list run")["records"].as_array().unwrap().len();
    let executions = study.json("list execution")["records"].as_array().unwrap().len();
    // Each run was trained once, and its test and validation images scored once; six specs of this file and six of the
    // first.
    assert_eq!((specs.len(), runs, executions), (6, 12, 36));
    study.is_sound();
    assert_eq!(fs::read_dir(study.path(".reg/live")).unwrap().count(), 0);
}

#[test]
fn a_study_file_is_written_once_and_what_makes_no_sense_in_it_is_named() {
    let study = ingested(HEAD);
    study.ok("study init");
    study.ok("study init small.toml --small --dataset tiny");
    study.refused(1, "study init", &["paper.toml", "hint:"]);
    assert_eq!(study.json("study run small.toml --plan")["planned"], json!(11));
    let text = fs::read_to_string(study.path("paper.toml")).unwrap();
    fs::write(study.path("paper.toml"), text.replace("\"nih\"", "\"tiny\"")).unwrap();
    let paper = study.json("study run paper.toml --plan");
    // Eight setups on five folds, and three whose lists are missing; without weights, four of eight wait.
    assert_eq!((&paper["planned"], &paper["blocked"]), (&json!(43), &json!(23)));

    study.refused(1, "study run nowhere.toml", &["no study `nowhere.toml`", "hint:"]);
    study.refused(1, "study status s7", &["no study `s7`"]);
    study.refused(1, "study run tiny", &["`tiny` is a dataset"]);
    study.edit("st.toml", |text| format!("gradcam = ['meta']\n{text}"));
    study.refused(
        1,
        "study run st.toml --plan",
        &["st.toml: `gradcam` lists setup `meta`, whose model does not use images"],
    );
    study.edit("st.toml", |text| text.replace("gradcam = ['meta']\n", ""));
    study.edit("st.toml", |text| text.replace("model = 'mlp'", "model = 'mlpp'"));
    study.refused(
        1,
        "study run st.toml",
        &["setup `meta`: unknown model `mlpp`", "hint: did you mean `mlp`"],
    );
    study.edit("st.toml", |text| text.replace("dataset = 'tiny'", "dataset = 'nih'"));
    study.refused(
        1,
        "study run st.toml",
        &["data set `nih`, which is not in the registry", "hint: import it with `reg ingest"],
    );
    study.edit("st.toml", |text| text.replace("threads = 1", "thread = 1"));
    study.refused(1, "study run st.toml", &["st.toml: ", "thread", "line 3"]);
    assert_eq!(study.json("list study")["records"], json!([]));
}

#[test]
fn a_manifest_for_kubernetes_holds_to_its_schema() {
    let study = ingested(&format!("{HEAD}{TROUBLE}"));
    study.ok("split make tiny --folds 2 --ratios 70/10/20 --seed 1 --name drawn");
    let command = "study run st.toml --kubernetes --image registry.example/reg:1 --claim data --jobs 3";
    let manifest = study.json(command);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/kubernetes/job-v1.33.schema.json");
    let schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&manifest).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?}");
    // The text output is the same.
    assert_eq!(serde_json::from_str::<Value>(&study.ok(command)).unwrap(), manifest);
    // The schema refuses documents of another kind.
    for (place, wrong) in [("/spec/completion", json!(3)), ("/spec/completions", json!("3"))] {
        let mut other = manifest.clone();
        let (parent, key) = place.rsplit_once('/').unwrap();
        other.pointer_mut(parent).unwrap()[key] = wrong;
        assert!(!validator.is_valid(&other), "{place}");
    }

    // Fields that are optional in the schema but required by the server.
    assert_eq!((&manifest["apiVersion"], &manifest["kind"]), (&json!("batch/v1"), &json!("Job")));
    let spec = &manifest["spec"];
    assert_eq!(
        (&spec["completionMode"], &spec["completions"], &spec["parallelism"]),
        (&json!("Indexed"), &json!(7), &json!(3))
    );
    assert_eq!(spec["template"]["spec"]["restartPolicy"], "Never");
    for rule in spec["podFailurePolicy"]["rules"].as_array().unwrap() {
        assert!(["Ignore", "FailIndex"].contains(&rule["action"].as_str().unwrap()), "{rule}");
    }
    let script = spec["template"]["spec"]["containers"][0]["command"][2].as_str().unwrap();
    assert_eq!(script.matches("exec reg --registry /registry --json train ").count(), 7, "{script}");
    let parsed = std::process::Command::new("sh").args(["-n", "-c", script]).status().unwrap();
    assert!(parsed.success(), "{script}");
    study.refused(2, "study run st.toml --kubernetes", &["--image"]);
}

/// The script of a plan is submitted by hand on a cluster whose login node is another machine.
#[test]
fn a_printed_script_trains_what_the_submitted_one_does_or_is_refused() {
    let study = ingested(&format!("{HEAD}{TROUBLE}"));
    fs::create_dir(study.path("bin")).unwrap();
    for (name, text) in [("squeue", "exit 0"), ("sbatch", "cp \"$2\" submitted.sh; echo 7")] {
        fs::write(study.path("bin").join(name), format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(study.path("bin").join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", study.path("bin").display(), std::env::var("PATH").unwrap());
    let slurm = |options: &str| study.reg_with("PATH", &path, &format!("study run st.toml --slurm{options}"));

    // No task could be told its split.
    let make = "split make tiny --folds 2 --ratios 70/10/20 --seed 1 --name drawn";
    let hint = format!("hint: `reg {make}`");
    slurm(" --plan").says(1, &["a split of the study does not exist yet", &hint]);
    let kubernetes = "study run st.toml --kubernetes --image x --claim y --plan";
    study.refused(1, kubernetes, &["a split of the study does not exist yet", &hint]);

    study.ok(make);
    let blocked =
        ["blocked: st-tuned-f1: no weights are named `imagenet`", "blocked: st-other-f0", "nowhere.txt"];
    let printed = slurm(" --plan");
    printed.says(0, &blocked);
    study.reg(kubernetes).says(0, &blocked);
    assert_eq!(study.json("list study")["records"], json!([]), "a plan writes nothing");

    // As Slurm starts a task, before a submission has made the folder of the logs.
    fs::write(study.path("plan.sh"), &printed.stdout).unwrap();
    let mut task = std::process::Command::new("bash");
    task.arg("plan.sh").current_dir(study.path("")).env("SLURM_ARRAY_TASK_ID", "4");
    task.env("REG_TORCH", crate::harness::worker());
    assert!(task.status().unwrap().success());
    assert_eq!(states(&study.json("study status st.toml"))[4], ("st-meta-f0", "done"));
    let printed = String::from_utf8(printed.stdout).unwrap();
    let value =
        |text: &str, option: &str| text.split(option).nth(1).unwrap().lines().next().unwrap().to_owned();
    let job = value(&printed, "--job-name=");
    let log = study.path(".reg/slurm").join(job.strip_prefix("reg-").unwrap()).join("4.log");
    assert!(fs::read_to_string(log).unwrap().contains("st-meta-f0"));

    let answer = slurm("");
    answer.says(0, &blocked);
    assert!(String::from_utf8(answer.stdout).unwrap().starts_with("job 7: 6 tasks"));
    let submitted = fs::read_to_string(study.path("submitted.sh")).unwrap();
    assert_eq!(value(&submitted, "--job-name="), job);
    let tasks = |text: &str| {
        text.lines().filter(|line| line.contains(") run=")).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut due = tasks(&printed);
    assert!(due.remove(4).starts_with("4) run=st-meta-f0; train --dataset "), "{printed}");
    assert_eq!(tasks(&submitted), due);
}

#[test]
fn the_command_that_a_refused_plan_gives_makes_the_split_that_the_study_would_make() {
    let lists = "train_val = 'train_val.txt'\ntest = 'test.txt'\nval_fraction = 0.2\n";
    let file = HEAD.replace("folds = 2\nratios = [70, 10, 20]\n", lists);
    let [by_hand, by_study] = [ingested(&file), ingested(&file)];
    let manifest = "study run st.toml --kubernetes --image x --claim y";
    let refused = by_hand.refused(1, &format!("{manifest} --plan"), &["does not exist yet"]);
    let command = refused.stderr.split('`').nth(1).unwrap();
    by_hand.ok(command.strip_prefix("reg ").unwrap());
    assert_eq!(by_hand.json(&format!("{manifest} --plan")), by_study.json(manifest));
    assert_eq!(by_hand.id("drawn"), by_study.id("drawn"));
}
