//! Whole registries whose hashes are right and whose contents lie, as a stranger can make them.
//!
//! The input chooses one object of an honest registry and what it says instead. Everything that names the object is
//! written again with the new ids, and the index is rebuilt. Then everything that reads a registry reads this one:
//! each reader may succeed, refuse or report something, but must not panic. `tests/cli/lies.rs` does the same
//! to the programs, with fewer lies.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use reg::attest;
use reg::audit;
use reg::compare::{self, CompareError, CompareOptions, Input};
use reg::dataset::ingest::{IngestRequest, ingest};
use reg::dataset::statistics::Statistics;
use reg::dataset::tabulate;
use reg::diff;
use reg::export::{self, ExportFolder, FileFormat};
use reg::hash::{Hash, Id};
use reg::lineage::{self, Direction};
use reg::progress::Silent;
use reg::recompute;
use reg::records::{
    AucTable, Dataset, EpochLog, Execution, GroupBy, Init, Kind, NetworkSpec, Note, PackedKind, Predictions,
    Run, ScoreSource, Scores, Software, Spec, Split, SplitMethod, Subset, Table, codec,
};
use reg::registry::{Cutoff, Registry, RegistryError, Stamp};
use reg::report::page::{self, ReportRequest};
use reg::scores::{self, Foreign, ScoredSubset};
use reg::split;
use reg::store::LinkMode;
use reg::usage::Asked;
use reg::withdrawal::{self, Marks, WithdrawRequest};
use serde_json::Value;
use tempfile::TempDir;

/// Bytes that choose the object, and the position in it.
const CHOICE: usize = 4;

/// Makes the registry that the input describes, and reads all of it.
pub fn registries(bytes: &[u8]) {
    let honest = HONEST.get_or_init(Honest::new);
    if let Some((id, forged)) = honest.lie(bytes) {
        let folder = scratch();
        read(&honest.with(folder.path(), id, forged), folder.path());
    }
}

static HONEST: OnceLock<Honest> = OnceLock::new();

/// The objects of an honest registry.
struct Honest {
    registry: Registry,
    records: BTreeMap<Hash, Value>,
    arrays: BTreeMap<Hash, Vec<u8>>,
    _folder: TempDir,
}

/// A folder in memory where there is one: thousands of registries are written.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    }
    .expect("there is room for a registry")
}

fn stamp() -> Stamp {
    Stamp { time: "2026-11-05T08:30:00Z".to_owned(), command: "reg fuzz".to_owned() }
}

macro_rules! golden {
    ($type:ty, $file:literal) => {
        codec::decode::<$type>(include_bytes!(concat!("../../fixtures/golden/", $file)))
            .expect("golden bytes")
    };
}

impl Honest {
    fn new() -> Self {
        let folder = scratch();
        let registry = Registry::init(folder.path()).expect("a folder that is empty");
        fill(&registry, folder.path());
        let (mut records, mut arrays) = (BTreeMap::new(), BTreeMap::new());
        for id in registry.store().list().expect("it was made here").objects {
            let bytes = registry.store().read(&id).expect("it was written here");
            match (PackedKind::of(&bytes), serde_json::from_slice::<Value>(&bytes)) {
                (Some(_), _) => drop(arrays.insert(id, bytes)),
                (None, Ok(value)) if value["kind"].is_string() => drop(records.insert(id, value)),
                _ => {}
            }
        }
        assert!(records.len() > 12 && arrays.len() > 4, "{} records, {} arrays", records.len(), arrays.len());
        Honest { registry, records, arrays, _folder: folder }
    }

    /// The object that the input chooses, and its new bytes; none if they are the old ones or no JSON.
    ///
    /// Two bytes choose the object, two the position in a record, and the rest is the JSON that stands there instead.
    /// In an array the rest changes bytes: two bytes of position, one of the new value.
    fn lie(&self, bytes: &[u8]) -> Option<(Hash, Vec<u8>)> {
        let (choice, rest) = bytes.split_at_checked(CHOICE)?;
        let number = |at: usize| usize::from(u16::from_le_bytes([choice[at], choice[at + 1]]));
        let object = number(0) % (self.records.len() + self.arrays.len());
        if let Some((id, record)) = self.records.iter().nth(object) {
            let mut places = Vec::new();
            positions(record, String::new(), &mut places);
            let at = &places[number(2) % places.len()];
            let mut lying = record.clone();
            *lying.pointer_mut(at)? = serde_json::from_slice(rest).ok()?;
            return (lying != *record).then(|| (*id, lying.to_string().into_bytes()));
        }
        let (id, honest) = self.arrays.iter().nth(object - self.records.len())?;
        let mut array = honest.clone();
        for change in rest.chunks_exact(3) {
            let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % array.len();
            array[at] = change[2];
        }
        (array != *honest).then_some((*id, array))
    }

    /// The registry in which an object is another, and whatever names it names the other.
    fn with(&self, folder: &Path, target: Hash, bytes: Vec<u8>) -> Registry {
        let registry = Registry::init(folder).expect("a folder that is empty");
        let mut renamed = HashMap::from([(target, Hash::of(&bytes))]);
        let mut written = vec![bytes];
        // Records name older ones only, so each round renames at least one record until all are.
        let mut left: Vec<&Hash> = self.records.keys().filter(|id| **id != target).collect();
        loop {
            let before = left.len();
            left.retain(|id| {
                let named = ids(&self.records[*id]);
                let text = self.records[*id].to_string();
                let new = named.iter().filter_map(|id| Some((id, renamed.get(id)?)));
                let now = new
                    .fold(text.clone(), |text, (old, new)| text.replace(&old.to_string(), &new.to_string()));
                if now == text {
                    return true;
                }
                // What it names may itself be renamed in a later round.
                let waits = |other: &&Hash| named.contains(other) && other != id;
                if self
                    .records
                    .keys()
                    .filter(waits)
                    .any(|other| self.reaches(other, target) && !renamed.contains_key(other))
                {
                    return true;
                }
                renamed.insert(**id, Hash::of(now.as_bytes()));
                written.push(now.into_bytes());
                false
            });
            if left.len() == before {
                break;
            }
        }
        let store = self.registry.store();
        for id in
            store.list().expect("it was made here").objects.iter().filter(|id| !renamed.contains_key(id))
        {
            let path = registry.store().path(id);
            fs::create_dir_all(path.parent().expect("an object lies in a folder")).expect("a folder");
            fs::hard_link(store.path(id), path).expect("a link");
        }
        for bytes in written {
            let path = registry.store().path(&Hash::of(&bytes));
            fs::create_dir_all(path.parent().expect("an object lies in a folder")).expect("a folder");
            if !path.exists() {
                fs::write(&path, bytes).expect("a file");
                fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).expect("a mode");
            }
        }
        registry
    }

    /// Whether a record names an object, or a record that does.
    fn reaches(&self, from: &Hash, target: Hash) -> bool {
        let mut waiting = vec![*from];
        let mut seen = Vec::new();
        while let Some(id) = waiting.pop() {
            if id == target {
                return true;
            }
            if !seen.contains(&id) {
                seen.push(id);
                waiting.extend(self.records.get(&id).map(ids).unwrap_or_default());
            }
        }
        false
    }
}

/// Registers a data set with boxes, a split, scores of a run and of two other tools, tables, a note, a withdrawal.
fn fill(registry: &Registry, folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = if root.ends_with("fuzz") { root.join("..") } else { root.to_owned() };
    let tiny = root.join("fixtures/tiny");
    let request = IngestRequest {
        paths: vec![tiny.join("images")],
        metadata: tiny.join("Data_Entry_2017_v2020.csv"),
        boxes: Some(tiny.join("BBox_List_2017.csv")),
        box_size: Some(reg::dataset::boxes::PUBLISHED_SIZE),
        name: Some("tiny".to_owned()),
        link: LinkMode::Copy,
        allow_missing: false,
        metadata_only: false,
        decode: false,
        paranoid: false,
    };
    let dataset = ingest(registry, &request, &stamp(), &Silent).expect("an honest data set").id;
    let method = SplitMethod::Resample { seed: 1, ratios: [50, 20, 30] };
    let divided = split::make(registry, dataset, method, 2, Some("s"), &stamp()).expect("patients enough");
    let record: Dataset = registry.get(dataset).expect("it was just made");
    let manifest = registry.manifest(&record).expect("it was just made");
    let score = |model: &str, row: usize, label: &str| {
        let mut hasher = DefaultHasher::new();
        (model, row, label).hash(&mut hasher);
        (hasher.finish() % 1000) as f64 / 1000.0
    };
    let subset = ScoredSubset { split: divided.id, fold: 0, subset: Subset::Test };
    let mut inputs = Vec::new();
    for model in ["a", "b"] {
        let mut csv = format!("Image Index,{}\n", record.labels.join(","));
        for (row, image) in manifest.rows.iter().enumerate() {
            let scores = record.labels.iter().map(|label| score(model, row, label).to_string());
            csv += &format!("{},{}\n", image.name, scores.collect::<Vec<_>>().join(","));
        }
        let file = folder.join(format!("{model}.csv"));
        fs::write(&file, csv).expect("a file");
        let foreign = Foreign {
            file,
            dataset,
            subset: Some(subset),
            columns: None,
            scale: reg::records::Scale::Probability,
            model: model.to_owned(),
            name: model.to_owned(),
        };
        let imported = scores::import_scores(registry, &foreign, &stamp()).expect("scores of all images");
        inputs.push(Input {
            name: model.to_owned(),
            label: None,
            id: imported.id,
            predictions: imported.predictions,
        });
    }
    let scores: Scores = registry.scores(&inputs[0].predictions).expect("they were just made");

    let mut transaction = registry.transaction().expect("nobody else writes");
    let epoch = |epoch: u32| EpochLog {
        epoch,
        lr: 0.01,
        train_loss: 0.3,
        val_loss: 0.2 + f64::from(epoch) / 100.0,
        val_auc: Some(0.6),
        val_auc_labels: 15,
        improved: epoch == 1,
    };
    let log: String = (1..=3).map(|n| serde_json::to_string(&epoch(n)).expect("numbers") + "\n").collect();
    let golden = golden!(Spec, "spec-mlp.json").network().expect("a network").clone();
    let spec = Spec::Network(NetworkSpec {
        dataset,
        split: divided.id,
        fold: 0,
        init: Init::Scratch,
        weights: None,
        ..golden
    });
    let spec = transaction.put(&spec).expect("a spec");
    let checkpoint = transaction.put_blob(b"not read here").expect("a file");
    let log = transaction.put_blob(log.as_bytes()).expect("a file");
    let (checkpoint, log) = (Some(checkpoint), Some(log));
    let run = Run { spec, checkpoint, log, best_epoch: Some(1), epochs: Some(3), ..golden!(Run, "run.json") };
    let run = transaction.put(&run).expect("a run");
    let sources = transaction.put_blob(b"").expect("a file");
    let software = Software { sources, ..golden!(Software, "software.json") };
    let software = transaction.put(&software).expect("software");
    let execution =
        Execution { made: run.hash, software: Some(software), ..golden!(Execution, "execution.json") };
    transaction.put(&execution).expect("an execution");
    let mut predictions = Predictions { model: "mlp".to_owned(), ..inputs[0].predictions.clone() };
    predictions.source = match golden!(Predictions, "predictions-run.json").source {
        ScoreSource::Run { device, threads, numerics, flipped, .. } => {
            ScoreSource::Run { run, device, threads, numerics, flipped }
        }
        other => other,
    };
    let id = transaction.put(&predictions).expect("predictions");
    let auc: AucTable = scores::auc_table(id, &predictions, &record, &manifest, &scores, None, None);
    transaction.put(&Table::Auc(auc)).expect("a table");
    let about =
        Note { about: run.hash, text: "odd".to_owned(), time: "2026-11-05T08:30:00Z".to_owned(), prev: None };
    transaction.put(&about).expect("a note");
    transaction.name("run", run.hash).expect("a name");
    transaction.commit(&stamp()).expect("nothing is missing");
    inputs.push(Input { name: "run".to_owned(), label: None, id, predictions });

    let options = CompareOptions {
        bootstrap: Some((20, 1)),
        metrics: true,
        groups: vec![GroupBy::Gender],
        ..CompareOptions::default()
    };
    compare::compare(registry, inputs, &options, Some("table"), &stamp()).expect("the same images");
    let counted = Statistics::of(&record, manifest.rows.iter());
    tabulate(registry, dataset, &counted, "counts", &stamp()).expect("an honest data set");
    let patient = manifest.rows[0].patient.clone();
    let request = WithdrawRequest {
        asked: Asked::Patient(patient),
        reason: "asked to",
        purge: false,
        shared: false,
        host: "here",
    };
    withdrawal::withdraw(registry, &request, &stamp()).expect("a patient of the data set");
}

/// Everything that reads a registry.
fn read(registry: &Registry, folder: &Path) {
    let _ = registry.reindex(&Silent);
    if let Ok(found) = lineage::verify(registry, &Silent) {
        assert!(found.damaged.iter().all(|one| !one.problem.is_empty()));
    }
    let cutoff = Cutoff { seconds: i64::MAX, time: stamp().time };
    let _ = registry.gc(&cutoff, true, &Silent);
    let registrations = || Ok::<_, RegistryError>(registry.view()?.registrations()?);
    let Ok([known, _]) = registrations() else { return };
    let marks = || Marks::open(registry, &registry.view()?)?.results(&registry.view()?);
    let _ = marks();
    let mut out = 0;
    let mut file = || -> PathBuf {
        out += 1;
        folder.join(format!("out-{out}"))
    };
    let mut before = None;
    for (kind, _, id) in known {
        let Some(kind) = Kind::named(&kind) else { continue };
        let _ = recompute::recompute(registry, id, kind);
        let _ = recompute::verify_record(registry, id, kind);
        viewed(registry, kind, id, before.replace(id), &mut file);
        let _ = attest::state(registry, id);
        let bundle = file();
        if audit::bundle(registry, id, false, &bundle).is_ok() {
            let _ = audit::check(&bundle);
        }
        let request = ReportRequest {
            ids: vec![id.to_string().into()],
            options: CompareOptions::default(),
            title: None,
        };
        let _ = page::report(registry, &request, &stamp());
        if kind == Kind::Split {
            let _ = divided(registry, Id::new(id));
        }
        if kind == Kind::Predictions {
            let inputs = || -> Result<Vec<Input>, CompareError> {
                let view = registry.view()?;
                [&*id.to_string(), "b"]
                    .map(|text| Input::resolve(registry, &view, text))
                    .into_iter()
                    .collect()
            };
            let _ = inputs().and_then(|inputs| {
                compare::compare(registry, inputs, &CompareOptions::default(), None, &stamp())
            });
        }
    }
    for text in ["patient:1", "tiny:1", "00000001_000.png"] {
        let asked = || -> Result<(), RegistryError> {
            let view = registry.view()?;
            if let Some(asked) = Asked::read(registry, &view, text)? {
                lineage::impact(registry, &view, &asked)?;
                drop(view);
                let _ = withdrawal::in_force(registry, &asked);
            }
            Ok(())
        };
        let _ = asked();
    }
}

/// What reads through a view of the index, which nothing else may open meanwhile.
fn viewed(
    registry: &Registry,
    kind: Kind,
    id: Hash,
    before: Option<Hash>,
    file: &mut dyn FnMut() -> PathBuf,
) {
    let Ok(view) = registry.view() else { return };
    for direction in [Direction::Up, Direction::Down] {
        if let Ok(graph) = lineage::trace(registry, &view, id, direction) {
            let _ = export::prov(registry, &view, &graph);
            let to = ExportFolder::begin(&file());
            let _ = to.and_then(|to| export::ro_crate(registry, &view, &graph, &to));
        }
    }
    if let Some(before) = before {
        let _ = diff::diff(registry, &view, before, id);
    }
    let _ = export::sheets(registry, &view, id)
        .map(|sheets| sheets.iter().map(|sheet| sheet.render(FileFormat::Csv).len()).sum::<usize>());
    let to = ExportFolder::begin(&file());
    if kind == Kind::Run {
        let _ = export::card(registry, &view, Id::new(id));
        let _ = to.and_then(|to| export::mlflow(registry, &view, &[Id::new(id)], &to, LinkMode::Copy));
    } else if kind == Kind::Dataset {
        let _ = to.and_then(|to| export::croissant(registry, &view, Id::new(id), None, LinkMode::Copy, &to));
    }
}

/// The sizes of a split's subsets, and its leaks.
fn divided(registry: &Registry, id: Id<Split>) -> Result<usize, RegistryError> {
    let split = registry.get(id)?;
    let manifest = registry.manifest(&registry.get(split.dataset)?)?;
    let assignment = registry.assignment(&split)?;
    Ok(split::leaks(&manifest.rows, &assignment).len() + split::sizes(&manifest.rows, &assignment).len())
}

/// The JSON pointers of a document, the document itself left out.
fn positions(value: &Value, at: String, out: &mut Vec<String>) {
    let below: Vec<(String, &Value)> = match value {
        Value::Array(each) => each.iter().enumerate().map(|(n, one)| (n.to_string(), one)).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, one)| (key.replace('~', "~0").replace('/', "~1"), one)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (key, one) in below {
        let at = format!("{at}/{key}");
        out.push(at.clone());
        positions(one, at, out);
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
