//! The JSON of every command is what `schema/cli/` says: each command is run, and its document held to its schema.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::BufRead;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{Answer, MLP, Study};

/// Schemas of commands that take minutes.
const TOO_LONG: [&str; 1] = ["demo"];

/// A study of two small runs.
const TWO: &str = "name = 'two'\ndataset = 'tiny'\nthreads = 1\ndevice = 'cpu'\n[settings]\nepochs = 1\n\
    [[split]]\nname = 'drawn'\nfolds = 2\nratios = [70, 10, 20]\n\
    [[section]]\nname = 'only'\ntitle = 'Networks'\nsplit = 'drawn'\n\
    [[setup]]\nsection = 'only'\nname = 'meta'\nmodel = 'mlp'\n";

/// The schemas, and which of them documents were held to.
struct Schemas {
    validators: BTreeMap<String, jsonschema::Validator>,
    seen: BTreeSet<String>,
    /// What documents have and their schemas do not describe.
    wrong: BTreeSet<String>,
}

impl Schemas {
    fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/cli");
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let validator = |path: std::path::PathBuf| {
            let schema: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap().strip_suffix(".schema.json").unwrap();
            (name.to_owned(), jsonschema::validator_for(&schema).unwrap())
        };
        Schemas {
            validators: entries.map(validator).collect(),
            seen: BTreeSet::new(),
            wrong: BTreeSet::new(),
        }
    }

    fn check(&mut self, name: &str, answer: &Answer) -> Value {
        let document = answer.json();
        let name = if answer.code == 0 || answer.code == 3 && document.get("error").is_none() {
            name
        } else {
            "error"
        };
        let validator = self.validators.get(name).unwrap_or_else(|| panic!("{name} has no schema"));
        let errors: Vec<String> =
            validator.iter_errors(&document).map(|e| format!("{} at {}", e, e.instance_path())).collect();
        self.wrong.extend(errors.iter().map(|error| format!("{name}: {error}")));
        self.seen.insert(name.to_owned());
        document
    }

    /// Runs a command, which must succeed or say no.
    fn run(&mut self, study: &Study, name: &str, arguments: &str) -> Value {
        let answer = study.reg(&format!("--json {arguments}"));
        assert!([0, 3].contains(&answer.code), "{arguments}: {answer:?}");
        self.check(name, &answer)
    }
}

#[test]
fn every_command_writes_the_document_that_its_schema_describes() {
    let mut schemas = Schemas::read();
    let study = Study::bare();
    schemas.run(&study, "init", "init");
    let study = Study::trained();
    let mut run = |name: &str, arguments: &str| schemas.run(&study, name, arguments);
    run("ingest", "ingest images --metadata data.csv --boxes boxes.csv --name again");
    run("ingest", "ingest images --metadata data.csv --boxes boxes.csv --name again");
    run("dataset-list", "dataset list");
    run("dataset-show", "dataset show tiny");
    run("dataset-stats", "dataset stats tiny");
    run("dataset-stats", "dataset stats tiny --name counted --svg figures");
    run("dataset-diff", "dataset diff tiny again");
    run("dataset-export", "dataset export tiny --format csv -o images-csv");
    run("dataset-export", "dataset export tiny --format croissant -o croissant");
    run("split-make", "split make tiny --folds 2 --seed 7 --name other");
    run("split-make", "split make tiny --folds 2 --seed 8 --name other --move");
    run("split-import", "split import tiny --train-val train_val.txt --test test.txt --name official");
    run("split-show", "split show s");
    run("split-check", "split check s");
    run("train", MLP);
    run("train", &format!("{MLP} --seed 3 --name seeded"));
    run("train-settings", "train --model tiny --settings");
    let copy = "open(out + '/job.json', 'w').write(open(os.environ['REG_JOB']).read())\n";
    let program = format!("{}{copy}", include_str!("../../examples/programs/prevalence.py"));
    fs::write(study.path("train.py"), program).unwrap();
    let ran = run("run", "run --dataset tiny --split s --name program -- python3 train.py");
    let job = ran["files"].as_array().unwrap().iter().find(|file| file["name"] == "job.json").unwrap();
    let job = format!("cat {}", job["object"].as_str().unwrap());
    run("eval", "eval mlp-s-f0 --subset val");
    run("eval", "eval mlp-s-f0 --subset val --operating-point sensitivity=0.9");
    run("eval", "eval tiny-s-f0 --tta flip");
    run("ensemble", "ensemble mlp-s-f0 tiny-s-f0 --name both");
    run("predict", "predict tiny-s-f0 images/00000001_000.png");
    run("predict", "predict mlp-s-f0 images/00000001_000.png");
    run(
        "compare",
        "compare tiny-s-f0 tiny-s-f1 mlp-s-f0 mlp-s-f1 --metrics --bootstrap 100 --by gender --roc --precision-recall --svg svg",
    );
    run("compare", "compare mlp-s-f0");
    run("probe", "probe tiny-s-f0 --target gender");
    run("probe", "probe tiny-s-f0 --target age");
    run("gradcam", "gradcam tiny-s-f0 --boxes --subset train");
    run("gradcam", "gradcam tiny-s-f0 00000001_000.png --label Mass -o heat.png");
    run("report", "report table -o report.html");
    run("export", "export seeded -o scores.csv");
    run("export", "export table -o tables --format csv");
    run("export", "export table -o values.json --long");
    run("export", "export tiny-s-f0 -o model --format checkpoint");
    run("export", "export tiny-s-f0 -o card.md");
    run("weights-import", "weights import model/checkpoint.safetensors --name w");
    study.ok("export seeded -o theirs.csv");
    run(
        "predictions-import",
        "predictions import theirs.csv --dataset tiny --split s --fold 0 --name theirs --logits",
    );
    run("list", "list");
    run("list", "list table");
    run("list-run", "list run");
    run("note", "note mlp-s-f0 odd");
    run("note", "note tiny");
    for text in ["mlp-s-f0", "s", "tiny", "table", "w", "theirs"] {
        run("show", &format!("show {text}"));
    }
    let image = crate::harness::id_of(&study.path("images/00000001_000.png"));
    run("show", &format!("show {image}"));
    run("log", "log");
    run("log", "log mlp-s-f0");
    run("tag", "tag best mlp-s-f1");
    run("tag", "tag best tiny-s-f1");
    run("tag", "tag best --delete");
    run("mv", "mv seeded renamed");
    run("rm", "rm renamed --dry-run");
    run("rm", "rm renamed");
    run("verify", "verify");
    run("rm", "rm --undo renamed");
    run("diff", "diff mlp-s-f0 mlp-s-f1");
    run("trace", "trace table");
    run("trace", "trace --down patient:2");
    run("verify", "verify table");
    run("verify", "verify --recompute");
    run("reproduce", "reproduce program");
    run("reproduce", "reproduce mlp-s-f0");
    run("reproduce", "reproduce table");
    run("audit", "audit table -o table.zip");
    run("audit-verify", "audit verify table.zip");
    run("audit-check-program", "audit check-program");
    run("key-new", "key new -o k");
    fs::remove_file(study.path("k.pub")).unwrap();
    run("key-public", "key public k");
    run("attest", "attest table --key k -o table.att");
    run("attest-verify", "attest verify table.att --key k.pub");
    run("attest", "attest --files table.att --key k -o files.att");
    run("attest-verify", "attest verify files.att --key k.pub table.att");
    run("push", "push remote");
    run("pull", "pull remote");
    run("study-init", "study init small.toml --small --dataset tiny");
    run("withdraw", "withdraw patient:2 --reason asked");
    run("show", "show mlp-s-f0");
    run("list-run", "list run");
    run("withdraw", "withdraw patient:2 --reason asked --purge");
    run("withdraw", "withdraw patient:2 --revoke --reason mistaken");
    run("gc", "gc --dry-run --keep-days 0");
    run("gc", "gc");
    run("doctor", "doctor");
    run("reindex", "reindex");
    run("completions", "completions bash");
    run("man", "man train");
    run("man", "man -o pages");
    run("export-mlflow", "export mlflow tracking");
    schemas.check("run-job", &study.reg(&job));
    schemas.check("trust", &study.reg_with("HOME", study.path("home"), "--json trust"));
    schemas.check("serve", &served(&study));
    for wrong in ["show nothing", "paint", "list --where x=", "train"] {
        let answer = study.reg(&format!("--json {wrong}"));
        assert_ne!(answer.code, 0);
        schemas.check("error", &answer);
    }
    // A study of two small runs.
    fs::write(study.path("two.toml"), TWO).unwrap();
    for (name, arguments) in [
        ("study-run", "study run two.toml --plan"),
        ("study-run", "study run two.toml"),
        ("study-status", "study status two"),
        ("study-compare", "study compare two"),
    ] {
        schemas.run(&study, name, arguments);
    }
    assert!(schemas.wrong.is_empty(), "{:#?}", schemas.wrong);
    let mut left: BTreeSet<&str> = schemas.validators.keys().map(String::as_str).collect();
    left.retain(|name| !schemas.seen.contains(*name) && !TOO_LONG.contains(name));
    assert_eq!(left, BTreeSet::new(), "no document was held to these schemas");
}

/// The document with which `reg serve` begins.
fn served(study: &Study) -> Answer {
    let mut command = study.command("--json serve --port 0");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    Answer { code: 0, stdout: line.into_bytes(), stderr: String::new() }
}

#[test]
fn every_command_has_a_schema() {
    let study = Study::bare();
    study.ok("man -o pages");
    let pages = fs::read_dir(study.path("pages")).unwrap().map(|entry| entry.unwrap().file_name());
    let pages: BTreeSet<String> = pages.map(|name| name.into_string().unwrap().replace(".1", "")).collect();
    let schemas = Schemas::read();
    for page in &pages {
        let name = page.strip_prefix("reg-").unwrap_or("");
        let has_commands = pages.iter().any(|other| other.starts_with(&format!("{page}-")));
        // What prints bytes or an HTML page has no document.
        if !has_commands && !["", "cat"].contains(&name) {
            assert!(schemas.validators.contains_key(name), "{page} has no schema in schema/cli");
        }
    }
}
