//! Registries with right hashes and false contents, as a stranger can forge them: no command may panic on one.
//!
//! One record or array of a trained registry is changed, all records that refer to it are rewritten with the new ids,
//! and the index is rebuilt. So all hashes are right, and only the contents are false. `REG_LIES=N` tries N changes of
//! records instead of eight; `REG_LIES_SEED` selects others.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::PermissionsExt;

use reg::hash::Hash;
use reg::random::Stream;
use reg::records::{Assignment, Boxes, Manifest, PackedKind, PixelDigests, Scores, codec};
use serde_json::Value;

use crate::harness::{Answer, Study};
use crate::serve::{Server, links};

/// Commands that read a registry, with the names of [`Study::trained`].
const READING: &[&str] = &[
    "verify",
    "verify --recompute",
    "doctor",
    "list",
    "log",
    "log tiny-s-f0",
    "show tiny",
    "show s",
    "show tiny-s-f0",
    "show table",
    "trace table",
    "--json trace table",
    "trace table --format prov",
    "trace table --format ro-crate -o crate",
    "export mlflow mlflow",
    "trace --down patient:5",
    "trace --down tiny",
    "diff tiny-s-f0 tiny-s-f1",
    "diff table table",
    "dataset stats tiny",
    "dataset show tiny",
    "dataset export tiny -o images.csv",
    "dataset export tiny --format croissant -o croissant",
    "split show s",
    "split check s",
    "eval tiny-s-f0",
    "eval mlp-s-f0 --subset val",
    "compare tiny-s-f0 tiny-s-f1 mlp-s-f0 mlp-s-f1 --bootstrap 20",
    "report table -o report.html",
    "report tiny -o dataset.html",
    "export table -o table.csv",
    "export tiny-s-f0 --format card -o card.md",
    "audit table -o bundle.zip",
    "audit verify bundle.zip",
    "reproduce table",
    "reproduce tiny",
    "reproduce s",
    "probe tiny-s-f0 --target view --threads 1",
    "gradcam tiny-s-f0 --boxes",
    "gc --dry-run",
    "push elsewhere",
];

/// The objects of an honest registry.
struct Honest {
    study: Study,
    records: BTreeMap<Hash, Value>,
    arrays: BTreeMap<Hash, (PackedKind, Vec<u8>)>,
}

impl Honest {
    fn new() -> Self {
        let study = Study::trained();
        study.ok("split check s --pixels");
        let registry = study.registry();
        let (mut records, mut arrays) = (BTreeMap::new(), BTreeMap::new());
        for id in registry.store().list().unwrap().objects {
            let bytes = registry.store().read(&id).unwrap();
            match (PackedKind::of(&bytes), serde_json::from_slice::<Value>(&bytes)) {
                (Some(kind), _) => drop(arrays.insert(id, (kind, bytes))),
                (None, Ok(value)) if value["kind"].is_string() => drop(records.insert(id, value)),
                _ => {}
            }
        }
        assert!(records.len() > 15 && arrays.len() > 4, "{} records, {} arrays", records.len(), arrays.len());
        Honest { study, records, arrays }
    }

    /// The registry in which an object has other bytes, and all records that refer to it have its new id.
    fn with(&self, target: Hash, bytes: Vec<u8>) -> Study {
        let forged = Study::bare();
        forged.ok("init");
        let mut renamed = HashMap::from([(target, Hash::of(&bytes))]);
        let mut written = vec![bytes];
        let mut seen = HashMap::new();
        for id in self.records.keys() {
            self.rewrite(*id, &mut renamed, &mut written, &mut seen);
        }
        let registry = forged.registry();
        let put = |id: &Hash, bytes: &[u8]| {
            let path = registry.store().path(id);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if !path.exists() {
                fs::write(&path, bytes).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
            }
        };
        let store = self.study.registry().store().clone();
        for id in store.list().unwrap().objects.iter().filter(|id| !renamed.contains_key(id)) {
            let path = registry.store().path(id);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::hard_link(store.path(id), path).unwrap();
        }
        written.iter().for_each(|bytes| put(&Hash::of(bytes), bytes));
        forged
    }

    /// Rewrites a record if an object to which it refers has a new id.
    fn rewrite(
        &self,
        id: Hash,
        renamed: &mut HashMap<Hash, Hash>,
        written: &mut Vec<Vec<u8>>,
        seen: &mut HashMap<Hash, ()>,
    ) {
        if seen.insert(id, ()).is_some() || renamed.contains_key(&id) {
            return;
        }
        let mut text = self.records[&id].to_string();
        let named: Vec<Hash> = ids(&self.records[&id]);
        for other in named.iter().filter(|other| self.records.contains_key(other)) {
            self.rewrite(*other, renamed, written, seen);
        }
        let honest = text.clone();
        for other in named {
            if let Some(new) = renamed.get(&other) {
                text = text.replace(&other.to_string(), &new.to_string());
            }
        }
        if text != honest {
            renamed.insert(id, Hash::of(text.as_bytes()));
            written.push(text.into_bytes());
        }
    }
}

/// The ids in a document.
fn ids(value: &Value) -> Vec<Hash> {
    match value {
        Value::String(text) => text.parse().into_iter().collect(),
        Value::Array(each) => each.iter().flat_map(ids).collect(),
        Value::Object(map) => map.values().flat_map(ids).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// Runs all reading commands, each of which may succeed, refuse or find a problem, and returns the answers.
fn read_all(forged: &Study, what: &str) -> Vec<(&'static str, Answer)> {
    let mut answers = Vec::new();
    // An index that cannot be rebuilt has nothing to read.
    let rebuilt = forged.reg("reindex");
    assert!([0, 1, 3].contains(&rebuilt.code), "{what}: reindex: {rebuilt:?}");
    for command in READING {
        // `Study::reg` fails on a panic.
        let answer = forged.reg(command);
        assert!([0, 1, 2, 3].contains(&answer.code), "{what}: reg {command}: {answer:?}");
        answers.push((*command, answer));
    }
    let server = Server::start(forged);
    let mut pages = vec!["/".to_owned()];
    let mut known: std::collections::HashSet<String> = pages.iter().cloned().collect();
    while let Some(page) = pages.pop() {
        let reply = server.get(&page);
        // A page that cannot be rendered gives the reason; a page that panicked does not.
        let panicked = reply.body.contains("this page could not be rendered");
        assert!(reply.status != 0 && !panicked, "{what}: {page}: {reply:?}");
        for link in links(&reply.body) {
            if known.len() < 60 && known.insert(link.clone()) {
                pages.push(link);
            }
        }
    }
    answers
}

/// Asserts that a command has found the lie.
fn found(answers: &[(&str, Answer)], command: &str, what: &str) {
    let (_, answer) = answers.iter().find(|(one, _)| *one == command).unwrap();
    assert_eq!(answer.code, 3, "{what}: reg {command} does not find it: {answer:?}");
}

#[test]
fn arrays_that_lie_are_found_and_nothing_panics() {
    let honest = Honest::new();
    let (mut tried, mut scored) = (0, 0);
    let mut lie = |id: Hash, what: &str, bytes: Vec<u8>| {
        let answers = read_all(&honest.with(id, bytes), what);
        found(&answers, "verify --recompute", what);
        tried += 1;
    };
    for (id, (kind, bytes)) in &honest.arrays {
        match kind {
            PackedKind::Manifest => {
                let manifest: Manifest = codec::unpack(bytes).unwrap();
                let mut short = manifest.clone();
                short.rows.truncate(1);
                lie(*id, "a manifest of one row", codec::pack(&short).unwrap());
                let rows = Vec::new();
                lie(
                    *id,
                    "a manifest of no row",
                    codec::pack(&Manifest { rows, ..manifest.clone() }).unwrap(),
                );
                lie(
                    *id,
                    "a manifest of more labels",
                    codec::pack(&Manifest { labels: 40, ..manifest }).unwrap(),
                );
            }
            PackedKind::Boxes => {
                let boxes: Boxes = codec::unpack(bytes).unwrap();
                let mut far = boxes.clone();
                far.rows.last_mut().unwrap().image = 1_000_000;
                lie(*id, "a box of no image", codec::pack(&far).unwrap());
                let mut other = boxes.clone();
                other.rows.last_mut().unwrap().label = 99;
                lie(*id, "a box of no label", codec::pack(&other).unwrap());
            }
            PackedKind::Assignment => {
                let assignment: Assignment = codec::unpack(bytes).unwrap();
                let cut = |codes: &Vec<u8>| codes[..3].to_vec();
                let short = Assignment { folds: assignment.folds.iter().map(cut).collect() };
                lie(*id, "an assignment of three images", codec::pack(&short).unwrap());
                let one = Assignment { folds: assignment.folds[..1].to_vec() };
                lie(*id, "an assignment of one fold", codec::pack(&one).unwrap());
                lie(*id, "an assignment of no fold", codec::pack(&Assignment { folds: vec![] }).unwrap());
            }
            PackedKind::Scores if scored < 2 => {
                scored += 1;
                let scores: Scores = codec::unpack(bytes).unwrap();
                let far = scores.rows.iter().map(|row| row + 1_000_000).collect();
                lie(*id, "scores of no image", codec::pack(&Scores { rows: far, ..scores.clone() }).unwrap());
                let labels = 1;
                let narrow = Scores {
                    rows: scores.rows.clone(),
                    labels,
                    scores: scores.scores[..scores.rows.len()].to_vec(),
                };
                lie(*id, "scores of one label", codec::pack(&narrow).unwrap());
            }
            PackedKind::Scores => {}
            PackedKind::PixelDigests => {
                let digests: PixelDigests = codec::unpack(bytes).unwrap();
                let mut other = digests.clone();
                other.rows.reverse();
                lie(*id, "pixels of other images", codec::pack(&other).unwrap());
                let short = PixelDigests { rows: digests.rows[..1].to_vec() };
                lie(*id, "pixels of one image", codec::pack(&short).unwrap());
            }
        }
    }
    assert!(tried > 13, "{tried}");
}

/// Times and durations are sorted, added and shown, so a record with an impossible one is refused when it is read.
#[test]
fn executions_of_impossible_times_are_named_and_left_out() {
    let honest = Honest::new();
    let (id, execution) = honest.records.iter().find(|(_, value)| value["kind"] == "execution").unwrap();
    let commands = [
        "list",
        "list execution",
        "trace table",
        "report table -o report.html",
        "report tiny-s-f0 -o run.html",
        "export mlflow mlflow",
        "study run two.toml --plan",
    ];
    for (field, lie, shown) in [
        ("started", Value::from("9999-12-31T23:59:59Z"), "\"9999-12-31T23:59:59Z\""),
        ("started", Value::from("2026-02-30T00:00:00Z"), "\"2026-02-30T00:00:00Z\""),
        ("started", Value::from("soon"), "\"soon\""),
        ("seconds", Value::from(-1.0), "-1e0"),
        ("seconds", Value::from(1e300), "1e300"),
    ] {
        let mut lying = execution.clone();
        lying[field] = lie;
        let forged = honest.with(*id, codec::canonical(&lying));
        let expected = format!("not a valid execution record: its `{field}`");
        let rebuilt = forged.reg("reindex");
        assert_eq!(rebuilt.code, 3, "{shown}: {rebuilt:?}");
        let found = forged.reg("verify");
        let said = String::from_utf8(found.stdout).unwrap() + &found.stderr;
        assert!(found.code == 3 && said.contains(&expected) && said.contains(shown), "{shown}: {said}");
        let lying = Hash::of(&codec::canonical(&lying)).to_string();
        forged.refused(1, &format!("show {lying}"), &[&expected, shown]);
        fs::write(
            forged.path("two.toml"),
            "name = \"two\"\ndataset = \"tiny\"\nthreads = 1\n[[section]]\nname = \"a\"\nsplit = \"s\"\n[[setup]]\nname = \"m\"\nsection = \"a\"\nmodel = \"mlp\"\n",
        )
        .unwrap();
        for command in commands {
            let answer = forged.reg(command);
            assert_eq!(answer.code, 0, "{shown}: {command}: {answer:?}");
            let told = String::from_utf8(answer.stdout).unwrap();
            assert!(!told.contains(shown.trim_matches('"')), "{shown}: {command}: {told}");
        }
    }
}

/// The announcement of a training is a file of the registry, so a stranger may have written it.
#[test]
fn no_command_but_one_of_reg_is_offered_to_resume_a_training() {
    let study = Study::divided();
    let spec = "a".repeat(64);
    let folder = study.path(".reg/live").join(&spec);
    fs::create_dir_all(&folder).unwrap();
    let announce = |started: &str, command: &str| {
        let text = serde_json::json!({
            "name": "theirs", "spec": spec, "started": started, "host": "h", "command": command
        });
        fs::write(folder.join("training.json"), text.to_string()).unwrap();
        study.reg("show theirs")
    };
    let said = |answer: &Answer| String::from_utf8_lossy(&answer.stdout).into_owned();
    let honest = announce("2026-11-05T08:30:00Z", "reg train --dataset tiny --name 'a b'");
    let expected = "theirs was interrupted before anything was saved; to start again: `reg train --dataset tiny --name 'a b'`";
    assert!(said(&honest).contains(expected), "{honest:?}");
    for (command, offered) in [
        ("rm -rf ~", ""),
        ("reg list\nrm", ""),
        ("regret", ""),
        // Characters with a meaning in shells are quoted.
        ("reg list; rm -rf ~", "; to start again: `reg 'list;' rm -rf '~'`"),
        ("reg $(rm -rf ~)", "; to start again: `reg '$(rm' -rf '~)'`"),
    ] {
        let said = said(&announce("2026-11-05T08:30:00Z", command));
        assert!(
            said.contains(&format!("theirs was interrupted before anything was saved{offered}\n")),
            "{command}: {said}"
        );
    }
    assert_eq!(announce("9999-12-31T23:59:59Z", "reg list").code, 1);
}

/// Every place of a document, with other values for it.
fn lies(value: &Value, at: &str, whole: &Value, others: &[Value], out: &mut Vec<(String, Value)>) {
    let mut with = |other: Value| {
        if other != *value {
            let mut lying = whole.clone();
            *lying.pointer_mut(at).unwrap() = other;
            out.push((at.to_owned(), lying));
        }
    };
    match value {
        Value::Number(_) => {
            for number in [0_u64, 1, 2, 99, u64::from(u32::MAX), u64::MAX] {
                with(number.into());
            }
            [-1.0, 0.5, 1e300, -1e-300].into_iter().for_each(|number| with(number.into()));
            with(Value::Null);
        }
        Value::Bool(value) => with((!value).into()),
        Value::Null => [Value::from(0), Value::from(1e9), Value::from("x")].into_iter().for_each(with),
        Value::String(text) if text.parse::<Hash>().is_ok() => others.iter().cloned().for_each(with),
        Value::String(_) => {
            ["", "x", "\u{202e}", "9999-12-31T23:59:59Z", "../x"].map(Value::from).into_iter().for_each(with)
        }
        Value::Array(each) => {
            with(Value::Array(Vec::new()));
            if let Some(first) = each.first() {
                with(Value::Array(vec![first.clone()]));
                with(Value::Array(each.iter().chain([first]).cloned().collect()));
                with(Value::Array(each.iter().rev().cloned().collect()));
            }
            for (place, one) in each.iter().enumerate().take(3) {
                lies(one, &format!("{at}/{place}"), whole, others, out);
            }
        }
        Value::Object(map) => {
            for (key, one) in map {
                if !(at.is_empty() && ["kind", "version"].contains(&key.as_str())) {
                    lies(
                        one,
                        &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")),
                        whole,
                        others,
                        out,
                    );
                }
            }
        }
    }
}

#[test]
fn records_that_lie_make_nothing_panic() {
    let variable = |name: &str, usual: u64| std::env::var(name).map_or(usual, |text| text.parse().unwrap());
    let (tries, seed) = (variable("REG_LIES", 8), variable("REG_LIES_SEED", 1));
    let honest = Honest::new();
    let mut all: Vec<(Hash, String, Value)> = Vec::new();
    for (id, record) in &honest.records {
        // Ids of the same kind are other runs and data sets; an id of any other kind is a lie about the kind.
        let same =
            honest.records.iter().filter(|(other, value)| *other != id && value["kind"] == record["kind"]);
        let any = honest.records.keys().take(2).chain(honest.arrays.keys().take(2));
        let others: Vec<Value> =
            same.map(|(id, _)| id).take(2).chain(any).map(|id| id.to_string().into()).collect();
        let mut found = Vec::new();
        lies(record, "", record, &others, &mut found);
        let kind = record["kind"].as_str().unwrap().to_owned();
        all.extend(found.into_iter().map(|(at, value)| (*id, format!("{kind}{at}"), value)));
    }
    assert!(all.len() > 2_000, "{}", all.len());
    let mut stream = Stream::new("lies", seed, &[]);
    for _ in 0..tries {
        let (id, at, lying) = &all[stream.below(all.len() as u64) as usize];
        read_all(
            &honest.with(*id, lying.to_string().into_bytes()),
            &format!("{at} = {}", lying.pointer(&at[at.find('/').unwrap_or(0)..]).unwrap_or(lying)),
        );
    }
}
