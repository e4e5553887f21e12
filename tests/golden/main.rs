//! Holds the bytes on disk to what they were when they were first written, and to `schema/`.
//!
//! What is stored must stay readable and keep its id. `fixtures/golden` has a file for each kind and
//! version; when a kind gets a new version, the old files stay and new ones come beside them. Versions from before the
//! first release, which are not read any more, are in `fixtures/older`.
//! `REG_REGENERATE=1 cargo test -p reg --test golden` writes the golden files and the JSON Schemas anew;
//! the ids pinned here and the hex in `schema/on-disk.md` are changed by hand, so that nobody does it
//! without noticing.

mod on_disk;
mod packed;
mod pinned;
mod records;
mod schemas;
#[path = "../support/mod.rs"]
mod support;
mod values;

use std::fs;
use std::path::{Path, PathBuf};

use reg::hash::Hash;

/// The id of each golden file.
const IDS: &[(&str, &str)] = &[
    ("manifest.bin", "19cee92da203f4364d078e859ab2148cc6b6dcdc9a380d71dabb14e548c3a6fd"),
    ("manifest-metadata-only.bin", "eda1ffd6e4e10b837aa2a7a47e7f020c874b6c7d71692dcae1ff12a43b530e78"),
    ("boxes.bin", "d499a9a51681b56306aee4951ad165947e797e6027dce25b7f3825881461c8d5"),
    ("assignment.bin", "5900bfb47c0dd11f58ed0dbbd7c66df5db6fb6a50105a7d010d740e31b9005ec"),
    ("scores.bin", "0bdb70d46177b9af6f1e135236a5664a0c5095b8597fba8011db20c658d8310d"),
    ("dataset.json", "349a2280e294872c4f683b4b69df10a77208444628415317ecdc66a508964797"),
    ("dataset-metadata-only.json", "65e831099a625368def85216a9bf18ffac5b14cbe0ffa6b77862dcf3cb9e5e9b"),
    ("dataset-withdrawn.json", "fd90ad111a475019d7ed1494d2cc46ff9ea75e92bcc2b6cea95aa84ba9b685ca"),
    ("split-resample.json", "b0e50f1fb214d0469d03bb8b7fb57d41524c5e4c91500e00cec82dae54e4ef80"),
    ("split-official.json", "a4eae3b8a7f34e23caabe44dc78b1951e501f201544f4de2684f7d6462946b9a"),
    ("split-k-fold.json", "d5da4c2dfa23d9fa92d5391ddd244a3b45f5dad5905fa1f4160229c3e46e5abe"),
    ("weights.json", "38ca378baf6bf8d2ff4e61e1a96cdf3c7f1c49a8dfb1400e476b771fd5952b88"),
    ("software.json", "7bb3b5ae7c3acea600d26ed6ba02b1bcb92fb71f960df3ef1c94049bdc58d410"),
    ("spec-resnet.json", "2daa556fc41aef995054ed7607a3503cecf3ac78f4c8324ed20902dddb7e11a1"),
    ("spec-tiny.json", "265f96320a4951d1be24d1d5bfabceba859f2ba2c7a4f38c251dab3624d8f8a5"),
    ("spec-mlp.json", "0b14c1bc4a761824d47954d37a08fb21faf9713f6ac1cb6af17dd41e19c1d737"),
    ("spec-densenet.json", "627abd01bd5812f5526f33de1189d58f96ee602a0f5e146a3ede6228a48eff4f"),
    ("spec-settings.json", "e110b5101207919a5b08513399d936fa49efa7e961990a172288fd00705ec12f"),
    ("run.json", "e2f0162f6f5c76122e9e88cf5b9e7bdf80fcb1e7fa346bc1399bad55b53da79f"),
    ("predictions-run.json", "72f752a5c12fe7f3d13746ed9e1f9a6fd8f21ae753e9c100159b141c5c65f998"),
    ("predictions-import.json", "3e4cdf0456619f1ae53b228115913e8fb01620dc2685b3d77dc04d540cc3c6cf"),
    ("table-auc.json", "37024521a1e744ee91ee35d837f9a0d149955927eb3e48baf5d416f00cbdb257"),
    ("table-dataset.json", "b76ad449691b4e662b9553658cc38c8bb1a4ba1da87434a1fb6cfea3b9c00ee9"),
    ("table-auc-missing.json", "f27974d331015d202387153927813dbbbe1100eeb70b28ce34db81dbf1cd9023"),
    ("table-dataset-missing.json", "c071b47c923a204453317e0087f00e2fbacc1b4aa7c251ce75f6915d0b8efd6c"),
    ("table-comparison.json", "fdd29c6c6dc8f6dc84ac03fa64895075a9976a0291a677ce1152310f7afab532"),
    ("table-comparison-full.json", "76f65398dd2bb9872ac110afe95f7ba62f9e3014120869c3b6f473851617cf74"),
    ("table-probe-view.json", "a27b90057796266288797d61397c5900e420b49473c755ae288204d79626c884"),
    ("table-probe-age.json", "e1f0486bef36fc00b7e5de574b66074882b540938395a7be3298ce79bc58a4c9"),
    ("table-heat.json", "1eb3c47828e78e4a70bdbb3f3f48b4c3780aa83b789953849f424b5183ed0155"),
    ("table-pointing.json", "7c332994c1563f0a5b228e4715c89ee99c00b2e55a22801ffa92a745ae8e75f2"),
    ("study.json", "bf1425def2f2ff8ab66fc20c5338a91f46715d33fee6ac4e70ff9f2c521548c8"),
    ("execution.json", "57067ba1140d8b1b647c8ff288e3505539181ee6f931be3ae03810c002db3566"),
    ("execution-deterministic.json", "ade6e102099fe945108640c1c1871bda681f297b775e13dbdb7d210c723dc7b6"),
    ("withdrawal.json", "5e6fec4f4fe63b777ad562ebb25339d493fbff461fdc0b86005835c58ea62524"),
    ("withdrawal-revoked.json", "cebdf3dd0fb0fd734145b21f8d2b46932cbf9625545cabfd6fae09ec466dec8a"),
    ("note.json", "a25d8cdb65b1ef46f4a8ef6f9f1fb342cf6a172bc7b202811c2703ca6c4368c0"),
    ("note-replaced.json", "e6f9637481a617806b63d3fe489efb05cb15be0b3d542e8541a79f79e0d56a16"),
    ("event.json", "c6e52d02ad456adff15d1b2e3cbb52c789e3a27e8d23870fe5dded2fcde5bbf3"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn golden(file: &str) -> PathBuf {
    root().join("fixtures/golden").join(file)
}

fn regenerate() -> bool {
    std::env::var_os("REG_REGENERATE").is_some_and(|value| value == "1")
}

#[test]
fn every_kind_has_the_bytes_that_it_always_had() {
    for value in values::all() {
        let path = golden(value.file);
        if regenerate() {
            fs::write(&path, &value.bytes).unwrap();
        }
        let bytes = fs::read(&path).unwrap();
        assert!(value.bytes == bytes, "{}: {}", value.file, String::from_utf8_lossy(&value.bytes));
        assert!((value.means)(&bytes).unwrap(), "{} is read as something else", value.file);
    }
}

#[test]
fn every_golden_object_has_the_id_that_it_always_had() {
    let id = |file: &str| Hash::of(&fs::read(golden(file)).unwrap()).to_string();
    let found: Vec<(&str, String)> = values::all().iter().map(|value| (value.file, id(value.file))).collect();
    let pinned: Vec<(&str, String)> = IDS.iter().map(|(file, id)| (*file, (*id).to_owned())).collect();
    assert_eq!(found, pinned);
}

#[test]
fn every_kind_and_every_golden_file_is_covered() {
    let values = values::all();
    let begins = |kind: &str| values.iter().any(|value| value.file.starts_with(kind));
    let records = reg::records::Kind::ALL.iter().map(|kind| kind.name());
    for kind in records.chain(reg::records::PackedKind::ALL.iter().map(|kind| kind.name())) {
        assert!(begins(kind), "{kind} has no golden file");
    }
    for entry in fs::read_dir(golden("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(values.iter().any(|value| value.file == name), "{name} belongs to no value");
    }
}
