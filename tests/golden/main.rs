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
    ("spec-resnet.json", "c0819d33e5437795ada29a1a4197e3f7612e7e997a68544484da28c538c61338"),
    ("spec-tiny.json", "87f7ab0e45a1a4d130815642cc2ba886108d1ddaf723449ecb3bdad85c6e9d0d"),
    ("spec-mlp.json", "130523cae3b172decbb9405fd6c77ec9fd865c631daa59665968c36d456ce37f"),
    ("spec-settings.json", "a7b4c1c7b0a047cc9b7d3ae36bb4a14b7fba92085147bc0daca7749c3eab382a"),
    ("run.json", "40f63a33f67208d2f960ac54dcd37dd52d3f45189905f62fd3ac46b7897305c5"),
    ("predictions-run.json", "4b7ab6353e5b6d79315198912eb8c1b348e5221f1db9f2cefb067755428bcb92"),
    ("predictions-import.json", "3e4cdf0456619f1ae53b228115913e8fb01620dc2685b3d77dc04d540cc3c6cf"),
    ("table-auc.json", "d63fe5e9622c14364d9196fa69473cee4c2dd1e7ce4921182da556cc1eb7a834"),
    ("table-dataset.json", "b76ad449691b4e662b9553658cc38c8bb1a4ba1da87434a1fb6cfea3b9c00ee9"),
    ("table-auc-missing.json", "a94e3207382f0fb3931b529ca61b037e2d5ebf6db550ffe88266e34f49eb301c"),
    ("table-dataset-missing.json", "c071b47c923a204453317e0087f00e2fbacc1b4aa7c251ce75f6915d0b8efd6c"),
    ("table-comparison.json", "a3176ef12fae0d3afeae06099676409ce75d83a99b98ddd1ce5f8e326dcae826"),
    ("table-comparison-full.json", "1864f6faa898052f08474b63b2b3f4f719d5ed4678756501b3ea790fe9a9a2c7"),
    ("table-probe-view.json", "9436357270407de97ce173e48ff278082eb067d98939ae64eb6065554727b2f7"),
    ("table-probe-age.json", "1ab92d17def4c8f71408338543f1b37e5bc1e44b3801a6a21d6478652dd1644a"),
    ("table-heat.json", "0b22b33357012ade9b7610155779040e0af8221d960c8ac14e0ee3a4d1d4b7c6"),
    ("table-pointing.json", "d6be449e3b09f86412ea09b53f1110ab91079716304be0b2234ed9eddc083889"),
    ("study.json", "62876c1c8af25b2c757e7d1a9a7b48ffcabc28404f5ce292cd61177c9f828254"),
    ("execution.json", "4fe2462bde397d2b4e981b5c09426347a6c33f980931673c5bfa78984c5c8455"),
    ("execution-deterministic.json", "39c1222219e81fd75ae4788dbff1638ba2be04622c40dbb1eac1ab4198691ad4"),
    ("withdrawal.json", "5e6fec4f4fe63b777ad562ebb25339d493fbff461fdc0b86005835c58ea62524"),
    ("withdrawal-revoked.json", "cebdf3dd0fb0fd734145b21f8d2b46932cbf9625545cabfd6fae09ec466dec8a"),
    ("note.json", "9813565d5d537aa44db9c77dfd2aec2896ad1e4b6974e4de4bb8be5c35a32ed8"),
    ("note-replaced.json", "f4b442dab68301611fb015f173f6e1d79abed25ad8ddbd4b30c6216c3efb86a6"),
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
