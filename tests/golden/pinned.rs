//! Checks that the rules of each version in `src/records/rules.rs` give the same results as before, and that the
//! worker's `NUMERICS` matches pixels and random streams, which the worker takes from the library.
//!
//! `fixtures/pinned.json` has a hash of each result without the ids of other records, so that a change of one rule does
//! not change the pinned hash of another. `REG_REGENERATE=1` adds new entries and rewrites those of raised versions,
//! and no others. If only the form of a record has changed and not its content, remove its entry by hand first.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use reg::compare::{CompareOptions, Grouping, Input, Labels, compare};
use reg::dataset::ingest::{IngestRequest, ingest};
use reg::dataset::pixels::{self, Gray};
use reg::dataset::statistics::Statistics;
use reg::dataset::{overlay, table_of};
use reg::hash::{Hash, Id};
use reg::progress::Silent;
use reg::random::Stream;
use reg::records::{
    Augmentation, Dataset, GroupBy, Manifest, Program, ProgramSpec, Scale, Spec, Split, SplitMethod, Subset,
    Table, codec, rules,
};
use reg::registry::{Registry, Stamp};
use reg::scores::{Ensemble, Foreign, Imported, ScoredSubset, ensemble, import_scores};
use reg::split::{self, Lists};
use reg::stats::{self, HeatmapGrid, Rect};
use reg::store::LinkMode;
use reg::training::program;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{regenerate, root};

/// The pinned results of the rules of one version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pinned {
    version: u32,
    results: BTreeMap<String, String>,
}

type All = BTreeMap<String, Pinned>;

/// The hash of a value without the ids of objects and the versions of rules.
fn content(value: impl Serialize) -> String {
    fn blank(value: &mut Value) {
        match value {
            Value::String(text) if text.parse::<Hash>().is_ok() => text.clear(),
            Value::Array(items) => items.iter_mut().for_each(blank),
            Value::Object(map) => {
                map.remove("rules");
                map.values_mut().for_each(blank);
            }
            _ => {}
        }
    }
    let mut value = serde_json::to_value(value).unwrap();
    blank(&mut value);
    Hash::of(&codec::canonical(&value)).to_string()
}

fn hash(bytes: &[u8]) -> String {
    Hash::of(bytes).to_string()
}

/// A registry with the fixture in it.
struct Place {
    dir: tempfile::TempDir,
    registry: Registry,
    stamp: Stamp,
    dataset: Id<Dataset>,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::init(dir.path()).unwrap();
        let stamp = Stamp { time: "2026-01-01T00:00:00Z".to_owned(), command: "pin".to_owned() };
        let tiny = root().join("fixtures/tiny");
        let request = IngestRequest {
            box_size: Some(reg::dataset::boxes::PUBLISHED_SIZE),
            paths: vec![tiny.join("images")],
            metadata: tiny.join("Data_Entry_2017_v2020.csv"),
            boxes: Some(tiny.join("BBox_List_2017.csv")),
            name: None,
            link: LinkMode::Copy,
            allow_missing: false,
            metadata_only: false,
            decode: true,
            paranoid: true,
        };
        let dataset = ingest(&registry, &request, &stamp, &Silent).unwrap().id;
        Place { dir, registry, stamp, dataset }
    }

    fn manifest(&self) -> Manifest {
        self.registry.manifest(&self.registry.get(self.dataset).unwrap()).unwrap()
    }

    fn split(&self) -> Id<Split> {
        self.drawn(SplitMethod::Resample { seed: 7, ratios: [50, 20, 30] })
    }

    fn drawn(&self, method: SplitMethod) -> Id<Split> {
        split::make(&self.registry, self.dataset, method, 2, None, &self.stamp).unwrap().id
    }

    /// What a program leaves: random scores of the validation and test images.
    fn left(&self, prefix: &str, spec: &Spec) -> Vec<u8> {
        let labels = self.registry.get(self.dataset).unwrap().labels;
        let headings: Vec<String> = labels.iter().map(|label| format!("{prefix}{label}")).collect();
        let mut text = format!("Image Index,{}\n", headings.join(","));
        let manifest = self.manifest();
        let members = [Subset::Val, Subset::Test].map(|subset| self.registry.members(spec, subset).unwrap());
        for row in members.concat().into_iter().map(|place| &manifest.rows[place as usize]) {
            let mut stream = Stream::new("reg test", 3, &[row.row.into()]);
            let scores: Vec<String> = labels.iter().map(|_| format!("{:.3}", stream.uniform())).collect();
            text += &format!("{},{}\n", row.name, scores.join(","));
        }
        text.into_bytes()
    }

    /// Random scores for the test images of a fold, as another tool would write them.
    fn import(&self, split: Id<Split>, model: &str, fold: u32) -> Imported {
        let labels = self.registry.get(self.dataset).unwrap().labels;
        let mut text = format!("Image Index,{}\n", labels.join(","));
        for row in &self.manifest().rows {
            let seed = model.len() as u64;
            let mut stream = Stream::new("reg test", seed, &[row.row.into()]);
            let scores: Vec<String> = labels.iter().map(|_| format!("{:.3}", stream.uniform())).collect();
            text += &format!("{},{}\n", row.name, scores.join(","));
        }
        let file = self.dir.path().join(format!("{model}-{fold}.csv"));
        fs::write(&file, text).unwrap();
        let foreign = Foreign {
            file,
            columns: None,
            dataset: self.dataset,
            subset: Some(ScoredSubset { split, fold, subset: Subset::Test }),
            scale: Scale::Probability,
            model: model.to_owned(),
            name: format!("{model}-{fold}"),
        };
        import_scores(&self.registry, &foreign, &self.stamp).unwrap()
    }
}

/// The results of all rules.
fn found() -> All {
    let place = Place::new();
    let registry = &place.registry;
    let manifest = place.manifest();
    let mut all = All::new();
    let mut pin = |rule: &str, version: u32, name: &str, value: String| {
        let of = all.entry(rule.to_owned()).or_insert_with(|| Pinned { version, results: BTreeMap::new() });
        of.results.insert(name.to_owned(), value);
    };

    let dataset = registry.get(place.dataset).unwrap();
    pin("INGEST", rules::INGEST, "record", content(&dataset));
    pin("INGEST", rules::INGEST, "manifest", content(&manifest));
    pin("INGEST", rules::INGEST, "boxes", content(registry.boxes(&dataset).unwrap().unwrap()));

    let drawn = place.split();
    let folds = place.drawn(SplitMethod::KFold { seed: 7, ratios: [60, 20] });
    let tiny = root().join("fixtures/tiny");
    let lists = Lists {
        train_val: tiny.join("train_val_list.txt"),
        test: tiny.join("test_list.txt"),
        val_fraction: 0.25,
        seed: 3,
    };
    let official = split::import(registry, place.dataset, &lists, None, &place.stamp).unwrap().id;
    for (name, id) in [("drawn", drawn), ("folds", folds), ("official", official)] {
        let split = registry.get(id).unwrap();
        pin("SPLIT", rules::SPLIT, name, content(&split));
        let assignment = registry.assignment(&split).unwrap();
        pin("SPLIT", rules::SPLIT, &format!("{name}, subsets"), content(&assignment));
    }

    let statistics = Statistics::of(&dataset, manifest.rows.iter());
    pin("COUNTS", rules::COUNTS, "table", content(table_of(place.dataset, &statistics)));

    let mut members = Vec::new();
    for (model, fold) in [("one", 0), ("one", 1), ("other", 0), ("other", 1)] {
        let Imported { id, predictions, .. } = place.import(drawn, model, fold);
        if fold == 0 {
            members.push((model.to_owned(), id));
        }
        let name = format!("{model}, fold {fold}");
        pin("IMPORT", rules::IMPORT, &name, content(&predictions));
        let scores = registry.scores(&predictions).unwrap();
        pin("IMPORT", rules::IMPORT, &format!("{name}, scores"), content(&scores));
        let of = Id::new(Hash::of(b"predictions"));
        let auc = reg::scores::auc_table(of, &predictions, &dataset, &manifest, &scores, None, None);
        pin("AUC", rules::AUC, &name, content(auc));
    }

    let program = Program {
        name: "theirs".to_owned(),
        command: vec!["./theirs".to_owned()],
        files: Vec::new(),
        interpreter: None,
        inputs: Vec::new(),
        variables: Vec::new(),
        network: false,
    };
    let of_program =
        Spec::Program(ProgramSpec { dataset: place.dataset, split: drawn, fold: 0, program, seed: 1 });
    for (name, prefix) in [("probabilities", ""), ("logits", "logit_")] {
        let (test, val) =
            program::scores::read(registry, &of_program, "scores.csv", &place.left(prefix, &of_program))
                .unwrap();
        let val = val.unwrap();
        assert_eq!(test.scale, if prefix.is_empty() { Scale::Probability } else { Scale::Logit });
        pin("PROGRAM_SCORES", rules::PROGRAM_SCORES, name, content(&test.scores));
        pin("PROGRAM_SCORES", rules::PROGRAM_SCORES, &format!("{name}, validation"), content(&val.scores));
    }

    let both = Ensemble { members, model: "both".to_owned(), operating_point: None, name: None };
    let mean = ensemble(registry, &both, &place.stamp).unwrap().predictions;
    pin("MEAN", rules::MEAN, "record", content(&mean));
    pin("MEAN", rules::MEAN, "scores", content(registry.scores(&mean).unwrap()));

    let view = registry.view().unwrap();
    let inputs =
        ["one-0", "one-1", "other-0", "other-1"].map(|name| Input::resolve(registry, &view, name).unwrap());
    drop(view);
    let inputs: Vec<Input> = inputs.into();
    let plain = CompareOptions { grouping: Grouping::Model, ..CompareOptions::default() };
    let rich = CompareOptions {
        labels: Labels::All,
        bootstrap: Some((50, 1)),
        metrics: true,
        groups: vec![GroupBy::Gender, GroupBy::View, GroupBy::Age],
        ..plain.clone()
    };
    for (name, options) in [("plain", plain), ("rich", rich)] {
        let (id, _) = compare(registry, inputs.clone(), &options, None, &place.stamp).unwrap();
        let table: Table = registry.get(id).unwrap();
        pin("COMPARISON", rules::COMPARISON, name, content(table));
    }

    let truth: Vec<bool> = (0..60).map(|i| i * 7 % 11 < 4).collect();
    let mut stream = Stream::new("reg test", 9, &[]);
    let scores: Vec<f64> = truth.iter().map(|t| stream.uniform() + if *t { 0.3 } else { 0.0 }).collect();
    let best = stats::youden(&scores, &truth).unwrap();
    let at = stats::at_threshold(&scores, &truth, best.threshold);
    let judged = json!([stats::auc(&scores, &truth), best.threshold, at.sensitivity, at.specificity]);
    pin("PROBE", rules::PROBE, "threshold and what it gives", content(judged));

    let map = HeatmapGrid {
        cells: (0..16).map(|i| f64::from(i * 5 % 7)).collect(),
        side: 4,
        over: Rect { x: 3.0, y: 2.0, w: 40.0, h: 36.0 },
        image: [48, 40],
    };
    let rect = Rect { x: 10.0, y: 8.0, w: 12.0, h: 20.5 };
    pin("HEAT", rules::HEAT, "share and peak", content(json!([map.share(rect), map.peak()])));
    let picture = overlay::paint(&ramp(48, 40), &map.pixels(), &[[10.0, 8.0, 12.0, 20.5]]);
    let (width, height, colours) = {
        let picture = image::load_from_memory(&picture).unwrap().into_rgb8();
        (picture.width(), picture.height(), picture.into_raw())
    };
    pin(
        "HEAT",
        rules::HEAT,
        "picture",
        hash(&[format!("{width} x {height}").as_bytes(), &colours[..]].concat()),
    );
    pin("POINTING", rules::POINTING, "share and peak", content(json!([map.share(rect), map.peak()])));

    for (name, value) in pictures(&tiny.join("images")) {
        pin("PIXELS", rules::PIXELS, &name, value);
    }
    for (name, value) in streams(&tiny.join("images")) {
        pin("NUMERICS", numerics(), &name, value);
    }
    all
}

fn ramp(width: u32, height: u32) -> Gray {
    let data = (0..height).flat_map(|y| (0..width).map(move |x| (x * 7 + y * 13) as u8)).collect();
    Gray { width, height, data }
}

fn images(folder: &Path) -> Vec<Gray> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| pixels::decode(&fs::read(path).unwrap()).unwrap()).collect()
}

/// Decoding and resizing.
fn pictures(folder: &Path) -> Vec<(String, String)> {
    let images = images(folder);
    let all = |of: &dyn Fn(&Gray) -> Vec<u8>| hash(&images.iter().flat_map(of).collect::<Vec<u8>>());
    let larger = ramp(301, 257);
    vec![
        ("decoded".to_owned(), all(&|image| image.data.clone())),
        ("shrunk".to_owned(), all(&|image| pixels::shrunk(image.clone(), 37).data)),
        ("seen in evaluation".to_owned(), all(&|image| pixels::evaluation_view(image, 40, 32))),
        ("a larger one, shrunk".to_owned(), hash(&pixels::shrunk(larger.clone(), 99).data)),
        ("a larger one in evaluation".to_owned(), hash(&pixels::evaluation_view(&larger, 256, 224))),
    ]
}

/// Random views, and the streams of sample orders and initial weights.
fn streams(folder: &Path) -> Vec<(String, String)> {
    let how =
        Augmentation { crop_area: [0.08, 1.0], crop_aspect: [0.75, 4.0 / 3.0], rotation: 7.0, flip: 0.5 };
    let views = |image: &Gray, side: u32, seed: u64| -> Vec<u8> {
        let each = (0..8).flat_map(|epoch| {
            let mut stream = Stream::new("reg view", seed, &[epoch, 3]);
            pixels::training_view(image, side, &how, &mut stream)
        });
        each.collect()
    };
    let of_fixture: Vec<u8> =
        images(folder).iter().zip(0..).flat_map(|(image, seed)| views(image, 32, seed)).collect();
    let mut order: Vec<u32> = (0..1000).collect();
    Stream::new("reg order", 5, &[2]).shuffle(&mut order);
    let mut stream = Stream::new("reg initial weights", 5, &[4]);
    let normal: Vec<u8> = (0..1000).flat_map(|_| (stream.normal() as f32).to_le_bytes()).collect();
    let between: Vec<u8> =
        (0..1000).flat_map(|_| (stream.between(-0.125, 0.125) as f32).to_le_bytes()).collect();
    vec![
        ("random views of the fixture".to_owned(), hash(&of_fixture)),
        ("random views of a larger one".to_owned(), hash(&views(&ramp(301, 257), 64, 1))),
        ("order".to_owned(), hash(&order.iter().flat_map(|row| row.to_le_bytes()).collect::<Vec<u8>>())),
        ("normal weights".to_owned(), hash(&normal)),
        ("uniform weights".to_owned(), hash(&between)),
    ]
}

/// The worker's version, from its source: this program does not link the worker.
fn numerics() -> u32 {
    let source = fs::read_to_string(root().join("src/tensor/identity.rs")).unwrap();
    let after = source.split("const NUMERICS: u32 = ").nth(1).unwrap();
    after.split(';').next().unwrap().parse().unwrap()
}

/// An explanation for whoever changed the code.
fn differences(pinned: &All, found: &All) -> Vec<String> {
    let mut said = Vec::new();
    for (rule, now) in found {
        let place = match rule.as_str() {
            "NUMERICS" => "src/tensor/identity.rs",
            _ => "src/records/rules.rs",
        };
        let Some(known) = pinned.get(rule).filter(|known| known.version == now.version) else {
            said.push(format!("{rule} is {}, which is not pinned: REG_REGENERATE=1 does it", now.version));
            continue;
        };
        for (name, value) in &now.results {
            match known.results.get(name) {
                Some(known) if known == value => {}
                Some(_) if rule == "PIXELS" => said.push(format!(
                    "{rule}, {name}: other bytes: raise PIXELS in {place} and NUMERICS in src/tensor/identity.rs, or mend \
                     the change"
                )),
                Some(_) => said.push(format!("{rule}, {name}: raise {rule} in {place}, or mend the change")),
                None => said.push(format!("{rule}, {name}: not pinned: REG_REGENERATE=1 does it")),
            }
        }
    }
    said
}

#[test]
fn records_change_only_with_the_version_of_their_rules() {
    let path = root().join("fixtures/pinned.json");
    let found = found();
    if regenerate() {
        let mut all: All =
            fs::read(&path).map_or_else(|_| All::new(), |bytes| serde_json::from_slice(&bytes).unwrap());
        for (rule, now) in &found {
            let of = all.entry(rule.clone()).or_insert_with(|| now.clone());
            if of.version == now.version {
                for (name, value) in &now.results {
                    of.results.entry(name.clone()).or_insert_with(|| value.clone());
                }
            } else {
                *of = now.clone();
            }
        }
        fs::write(&path, serde_json::to_string_pretty(&all).unwrap() + "\n").unwrap();
    }
    let pinned: All = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let said = differences(&pinned, &found);
    assert!(said.is_empty(), "{}", said.join("\n"));
    // Every rule of the list is checked, and the book names it.
    let source = fs::read_to_string(root().join("src/records/rules.rs")).unwrap();
    let book = fs::read_to_string(root().join("docs/src/ids.md")).unwrap();
    let names = source.split("pub const ").skip(1).map(|rest| rest.split(':').next().unwrap());
    for rule in names.chain(["NUMERICS"]) {
        assert!(found.contains_key(rule) || rule == "STUDY", "nothing holds {rule}");
        assert!(book.contains(&format!("`{rule}`")), "docs/src/ids.md does not say what {rule} covers");
    }
}

#[test]
fn a_change_is_told_with_what_to_raise() {
    let of =
        |version, value: &str| Pinned { version, results: [("name".to_owned(), value.to_owned())].into() };
    let all = |pinned: Pinned| All::from([("SPLIT".to_owned(), pinned)]);
    let said = |found| differences(&all(of(1, "x")), &all(found));
    assert_eq!(said(of(1, "x")), Vec::<String>::new());
    assert_eq!(said(of(1, "y")), ["SPLIT, name: raise SPLIT in src/records/rules.rs, or mend the change"]);
    assert_eq!(said(of(2, "y")), ["SPLIT is 2, which is not pinned: REG_REGENERATE=1 does it"]);
}
