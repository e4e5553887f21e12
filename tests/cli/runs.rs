//! `reg list run`: which of my runs was best.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{MLP, Study, worker};

fn names(listed: &Value) -> Vec<&str> {
    listed["runs"].as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap()).collect()
}

/// Runs `reg --json list run` with an expression that has spaces.
fn choose(study: &Study, expression: &str) -> Value {
    let output = study.command("--json list run --where").arg(expression).output();
    let answer = crate::harness::finish(output, expression);
    assert_eq!(answer.code, 0, "{expression}: {answer:?}");
    answer.json()
}

#[test]
fn runs_are_listed_with_what_matters_sorted_and_chosen() {
    let study = Study::trained();
    study.ok("note mlp-s-f1 odd");
    let listed = study.json("list run --sort test_auc");
    let runs = listed["runs"].as_array().unwrap();
    let aucs: Vec<f64> = runs.iter().map(|run| run["test_auc"].as_f64().unwrap()).collect();
    assert!(aucs.len() == 4 && aucs.windows(2).all(|pair| pair[0] >= pair[1]), "{aucs:?}");
    for run in runs {
        let id = run["id"].as_str().unwrap();
        let (record, name) =
            (study.json(&format!("show {id}"))["record"].clone(), run["name"].as_str().unwrap());
        assert_eq!((&run["epoch"], &run["val_loss"]), (&record["best_epoch"], &record["val_loss"]));
        let answer: Value =
            serde_json::from_slice(&fs::read(study.path(&format!("answers/{name}.json"))).unwrap()).unwrap();
        assert_eq!((&run["test_auc"], &run["table"]), (&answer["auc"]["mean"], &answer["table"]), "{name}");
        assert_eq!(run["test_auc_labels"], answer["mean_over"]);
        assert_eq!((&run["dataset"], &run["split"], &run["seed"]), (&json!("tiny"), &json!("s"), &json!(1)));
        assert_eq!((&run["state"], &run["settings"]["lr"]), (&json!("done"), &json!(0.01)));
        let log = study.json(&format!("log {name}"))["epochs"].clone();
        let kept = &log[record["best_epoch"].as_u64().unwrap() as usize - 1];
        assert_eq!((&run["val_auc"], &run["val_auc_labels"]), (&kept["val_auc"], &kept["val_auc_labels"]));
        assert!(run["seconds"].as_f64().unwrap() > 0.0 && run["date"].as_str().unwrap().ends_with('Z'));
        assert_eq!(run["note"], if name == "mlp-s-f1" { json!("odd") } else { Value::Null });
    }
    // What a list of any kind says is there, too.
    assert_eq!(listed["records"].as_array().unwrap().len(), 4);
    assert_eq!(listed["records"][0]["id"], runs[0]["id"]);
    assert!(listed["records"][0]["summary"].as_str().unwrap().contains("validation loss"));
    assert_eq!(listed["live"], json!([]));

    assert_eq!(names(&choose(&study, "model=mlp and fold=1")), ["mlp-s-f1"]);
    assert_eq!(names(&choose(&study, "not (model=mlp or fold in (0)) and epochs<3")), ["tiny-s-f1"]);
    assert_eq!(names(&choose(&study, "note~ODD")), ["mlp-s-f1"]);
    assert_eq!(names(&choose(&study, "input=missing")), ["mlp-s-f0", "mlp-s-f1"], "mlp has no images");
    assert_eq!(names(&choose(&study, "state!=done")), [""; 0]);
    assert_eq!(
        names(&study.json("list run --sort fold:desc --limit 1"))[0].split('-').next_back(),
        Some("f1")
    );
}

#[test]
fn a_wrong_expression_key_or_column_is_shown_and_says_what_there_is() {
    let study = Study::trained();
    let refused = |arguments: &[&str], words: &[&str]| {
        let output = study.command("list run").args(arguments).output();
        crate::harness::finish(output, "list run").says(2, words);
    };
    refused(
        &["--where", "modle=tiny"],
        &["no value is named `modle`; there is `model`", "\n  modle=tiny\n  ^^^^^\n"],
    );
    refused(
        &["--where", "model=tiny and lr<high"],
        &["`lr` is a number, but `high` is not", "                    ^^^^"],
    );
    refused(&["--where", "model=tiny and"], &["is expected at the end"]);
    refused(&["--sort", "test_acu"], &["no value named `test_acu`", "hint: did you mean `test_auc`?"]);
    refused(
        &["--columns", "name,learning"],
        &["no value named `learning`", "hint: choose from name, id, spec"],
    );
    for (expression, words) in [
        ("state=don", "not one of its values: done, running, interrupted, failed, damaged"),
        ("date>yesterday", "which is not a time: write 2026-11-30"),
        ("id=xyz", "which is not an id"),
    ] {
        refused(&["--where", expression], &[words, "^"]);
    }
    refused(&["--limit", "0"], &["a number of records, 1 or more"]);
    study.refused(1, "list tabel", &["hint: did you mean `table`?"]);
    study.refused(
        2,
        "list table --sort test_auc",
        &["tables have no value named", "`reg list run --sort test_auc`"],
    );
    study.refused(2, "list table --sort nmae", &["tables have no value named", "did you mean `name`?"]);
    let output = study.command("list --where").arg("kind=tabel").output();
    crate::harness::finish(output, "list").says(2, &["is not one of its values"]);
    // What tables print of an id and a time chooses the record.
    let listed = study.json("list run");
    let run = &listed["runs"][0];
    let [id, spec, date] = ["id", "spec", "date"].map(|name| run[name].as_str().unwrap());
    for chosen in [
        format!("id={}", &id[..12]),
        format!("spec={} AND NOT model=other", &spec[..12]),
        format!("name={} and date={}", run["name"].as_str().unwrap(), &date[..10]),
        format!("name={} and date='{} {}'", run["name"].as_str().unwrap(), &date[..10], &date[11..16]),
    ] {
        assert_eq!(names(&choose(&study, &chosen)), [run["name"].as_str().unwrap()], "{chosen}");
    }
    let output = study.command("list --where").arg(format!("id={}", &id[..12])).output();
    assert!(crate::harness::finish(output, "list").stdout.len() > 100);
    let output = study.command("list --where").arg("kindd=run").output();
    crate::harness::finish(output, "list").says(2, &["there is `kind`"]);
    let choose = "hint: choose from kind, id, name, what, note";
    study.refused(2, "list table --sort foo", &["tables have no value named `foo`", choose]);
    study.refused(2, "list --columns name", &["--columns belongs to `reg list run`"]);
}

#[test]
fn the_table_has_the_settings_that_differ_and_fits() {
    let study = Study::divided();
    for lr in ["0.01", "0.001"] {
        study.ok(&format!("{MLP} --set lr={lr}"));
    }
    let text = study.ok("list run");
    let head = text.lines().next().unwrap();
    for column in
        ["Name", "Model", "Data set", "Split", "Division", "Seed", "lr", "Epoch", "Test AUC", "State"]
    {
        assert!(head.contains(column), "{column}: {text}");
    }
    assert!(!head.contains("batch") && text.contains("0.001") && text.contains("mlp-s-f0-2"), "{text}");
    assert!(text.contains("The test AUC is the mean over"), "{text}");
    let csv = study.ok("list run --columns name,lr,test_auc,date --format csv");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!((lines[0], lines.len()), ("name,lr,test_auc,test_auc_labels,date", 3));
    let first: Vec<&str> = lines[1].split(',').collect();
    let run = study.json("list run")["runs"][0].clone();
    assert_eq!(first[2].parse::<f64>().unwrap(), run["test_auc"].as_f64().unwrap(), "all digits");
    assert_eq!((first[1], first[4]), ("0.01", run["date"].as_str().unwrap()));
    assert_eq!(first[3].parse::<u64>().ok(), run["test_auc_labels"].as_u64());
    study.ok("list run --format parquet -o runs.parquet");
    assert!(fs::read(study.path("runs.parquet")).unwrap().starts_with(b"PAR1"));
}

#[test]
fn unfinished_trainings_are_in_the_list_with_their_state() {
    let study = Study::divided();
    let failing = format!("{MLP} --set lr=1e30 --set epochs=50 --name wild");
    let answer = study.reg(&failing);
    let state = if answer.code == 0 { "done" } else { "failed" };
    let listed = study.json("list run");
    assert_eq!((&listed["runs"][0]["name"], &listed["runs"][0]["state"]), (&json!("wild"), &json!(state)));
    assert_eq!(listed["runs"][0]["settings"]["lr"], json!(1e30));
    let before = listed["runs"].as_array().unwrap().len();
    // Killed behind its announcement, as by a lost connection.
    let mut command = study.command(&format!("{MLP} --set epochs=100000 --name stopped"));
    command.env("REG_TORCH", worker());
    let mut child =
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let is_announced = || study.json("list run")["runs"].as_array().unwrap().len() > before;
    let begin = std::time::Instant::now();
    while !is_announced() && begin.elapsed().as_secs() < 60 {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let running = choose(&study, "state=running");
    assert_eq!(names(&running), ["stopped"]);
    assert_eq!((&running["runs"][0]["model"], &running["runs"][0]["split"]), (&json!("mlp"), &json!("s")));
    child.kill().unwrap();
    child.wait().unwrap();
    let begin = std::time::Instant::now();
    while names(&choose(&study, "state=interrupted")) != ["stopped"] && begin.elapsed().as_secs() < 60 {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let text = study.ok("list run");
    assert!(
        text.contains("interrupted") && text.contains("; to ") && text.contains(": `reg train"),
        "{text}"
    );
    let removed = study.json("rm stopped");
    assert_eq!(removed["trainings"][0]["name"], json!("stopped"));
    assert_eq!(names(&choose(&study, "state=interrupted")), [""; 0]);
}

#[test]
fn the_index_keeps_rows_as_the_objects_have_them_through_everything() {
    let study = Study::trained();
    study.ok("note mlp-s-f0 first");
    study.ok("eval mlp-s-f0 --subset val");
    let before = study.json("list run");
    study.is_sound();
    study.ok("reindex");
    let after = study.json("list run");
    let sorted = |listed: &Value| {
        let mut runs = listed["runs"].as_array().unwrap().clone();
        runs.sort_by_key(|run| run["name"].as_str().unwrap().to_owned());
        runs
    };
    assert_eq!(sorted(&before), sorted(&after));
    study.ok("push remote");
    let other = Study::bare();
    other.ok("init");
    other.ok(&format!("pull {}", study.path("remote").display()));
    assert_eq!(sorted(&other.json("list run")), sorted(&before));
    // A row that says something else is found.
    let registry = study.registry();
    let id = study.id("mlp-s-f0").parse().unwrap();
    let mut row = registry.view().unwrap().run_row(&id).unwrap().unwrap();
    row.val_loss = Some(0.0);
    registry.index().write(|writer| writer.set_run_row(&id, Some(&row))).unwrap();
    let answer = study.reg("verify");
    assert!(
        answer.code == 3
            && String::from_utf8_lossy(&answer.stdout).contains("with values that its objects do not have"),
        "{answer:?}"
    );
    study.ok("reindex");
    study.ok("verify");
    // Without its row, the objects are read.
    registry.index().write(|writer| writer.set_run_row(&id, None)).unwrap();
    assert_eq!(sorted(&study.json("list run")), sorted(&before));
}

#[test]
fn tables_and_predictions_say_whose_they_are() {
    let study = Study::trained();
    let tables = study.json("list table");
    let of: Vec<Value> =
        tables["records"].as_array().unwrap().iter().map(|table| table["of"].clone()).collect();
    for name in ["tiny-s-f0", "mlp-s-f1"] {
        assert!(of.contains(&json!([name])), "{of:?}");
    }
    let all = of.iter().find(|of| of.as_array().is_some_and(|of| of.len() == 4));
    assert!(all.is_some(), "the comparison: {of:?}");
    let text = study.ok("list predictions");
    assert!(text.contains("; of mlp-s-f0"), "{text}");
    let output = study.command("--json list table --where").arg("what~'of mlp-s-f0'").output();
    let chosen = crate::harness::finish(output, "list table").json();
    assert_eq!(chosen["records"].as_array().unwrap().len(), 2, "its AUCs: {chosen}");
}
