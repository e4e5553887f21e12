//! Checks the bytes on disk against golden files and against `schema/`.
//!
//! Stored objects must stay readable and keep their ids. `fixtures/golden` has a file for each kind and version; when a
//! kind gets a new version, new files are added and the old ones stay. Versions from before the first release, which
//! are not read any more, are in `fixtures/older`.
//! `REG_REGENERATE=1 cargo test -p reg --test golden` writes the golden files and the JSON Schemas anew;
//! the ids pinned here and the hex in `schema/on-disk.md` are changed by hand, so that no change goes unnoticed.

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
    ("pixels.bin", "d09a4322a25514479cdec7430dfad3e5f1bf926122c9ccca34ba1c98ad1d5ec9"),
    ("dataset.json", "37d8a6f106fe1550c843885ecb1de03a15c5613b937463dd62ebeb1a2ed5372a"),
    ("dataset-metadata-only.json", "65e831099a625368def85216a9bf18ffac5b14cbe0ffa6b77862dcf3cb9e5e9b"),
    ("dataset-withdrawn.json", "085f170a154cfc493c44fb3f78f500c60664dcc7590367e542656d01eae96556"),
    ("pixel-hashes.json", "c8f191d75b3cde329b3cb0084021994ae1a601cf93067dab9d8aef79cc5910dd"),
    ("split-resample.json", "341a59fb45506503ee7ac2a42c988aa38e0c631685be5aa8f5140e4061a8006d"),
    ("split-official.json", "37d1ba13c1abd27b6ea383281acd363014f1f33d3980a088266ab7794d935632"),
    ("split-k-fold.json", "df1d1e8fc2caf2f2dfa5c8eefb408f5403893205a80bb4e1fe2fe4b5e08e9044"),
    ("weights.json", "5443bd261ecb1ca2bbcd1ec24581d25664706daebb184dd78f59f36617e61b57"),
    ("software.json", "7bb3b5ae7c3acea600d26ed6ba02b1bcb92fb71f960df3ef1c94049bdc58d410"),
    ("spec-resnet.json", "254c97ffeecca5deb611a3c9a6f1e4ad270044a0d3078e46c37ed7a0a873f2ca"),
    ("spec-tiny.json", "8ad3f406e418ce930ce0eaea93f382de8e3eedb81b17e741efd47d6a56fc46e9"),
    ("spec-mlp.json", "d1e89d291ade4510bedc9b330785ea2ac74197478fcbd48be27d009d17991418"),
    ("spec-densenet.json", "ef8630ce49886ee1ee2d02555ca5e543b664656b0a0d3d2e5c1c25bdc4bd0257"),
    ("spec-settings.json", "07f1cd7e3aa5125b978dc12c8f18f791dc3b34fd4f13844dd03b7f2901ac6b39"),
    ("spec-program.json", "a06b5bd56b64cc046d06153cb261cd2cfb1df7a823d8be223f193e3225eae7d2"),
    ("run.json", "2b24294dbb1ffe2564bc3996d70d6100a46169e6114d570469218699b443e0de"),
    ("run-program.json", "abc5a3bb11f80023942022e1161f9727c9a5a4bfcecab587c764c761c54c3e79"),
    ("predictions-run.json", "bc4df09764e98b67a734b0227c6d63666fac5dc7ac573aad178f60c6498a8166"),
    ("predictions-program.json", "ee0ae8763c5c8c3ac19b9bf6ffa802bfe1985e43c4729d77eedd486665300aa7"),
    ("predictions-import.json", "caf259a958ece426f2b83188b8a1bec87f50a4c03628fe5b6ed939dc05087e65"),
    ("predictions-flipped.json", "19f64f6a882232822b554db27e406f0103e171348431928ec5110b869aae233d"),
    ("predictions-mean.json", "af93648b8c0be4a5f91ee87a69af74be61d2f85cb6937d424f393cdba5f55fa7"),
    ("table-auc.json", "39233b3bf80c9c215d9fa7afdf1edaed8c00d3e7cdf2ce24ed1fa3a3e433b8da"),
    ("table-dataset.json", "5d9484a3f814aab4da36640e5095464e836895a2be4152d04846507dbbbdaeaa"),
    ("table-auc-missing.json", "01a8be898cbf107e9f951307452534b01317847cd25e5350566260449b8fad36"),
    ("table-auc-thresholds.json", "481fd33d4b48b66591a5e5eae93c45e1719cd9a025678159897acd2034c71b79"),
    ("table-dataset-missing.json", "a7b333d40ec8d8782eee1c5ad901e772184fcf597723e05199a39a663616cdbf"),
    ("table-comparison.json", "6ff9ef52885ee3fd1f21843eec01172c1bb5214854269968776ca9db74b40096"),
    ("table-comparison-full.json", "eb2b51f7dde8e149dc135d8bb1a9cc38eaaa55716acc84b66559477e0b9b6523"),
    ("table-probe-view.json", "7c379a7f48c17712217232fa861913bb1d37af51d3fdb57d7cac007146fca27c"),
    ("table-probe-age.json", "ed9451e243744fbc634b73191e70ae022f9422bcc4f63d73d32a46ada3357c35"),
    ("table-heat.json", "130643f3d11653d8fc49904eb4c3a34a27d8eb427bdc5e086d3aa5d944d26b61"),
    ("table-pointing.json", "dbc523bfc62c593b3308e4ada7fc0bdcaec1310974632e50ef70d65c7e18085b"),
    ("study.json", "c8d15616016ac2981f11b5693bdce89f03446668c881d6236ecd529173e8a5e2"),
    ("execution.json", "665d39afbdedbaddfadf37070559ef4094c9ea4a94203d3b675b192bb755caef"),
    ("execution-program.json", "8240c64d02927d7587a4d4b08ad7367b9d3097399b9892baa7c02b8e24e5dabc"),
    ("execution-deterministic.json", "357119b1a0f5d8e5231dd76ea2a90800c37a85b7a2d6114f615066f8c7079d51"),
    ("withdrawal.json", "5e6fec4f4fe63b777ad562ebb25339d493fbff461fdc0b86005835c58ea62524"),
    ("withdrawal-revoked.json", "cebdf3dd0fb0fd734145b21f8d2b46932cbf9625545cabfd6fae09ec466dec8a"),
    ("note.json", "4fc460d12af75e3e29a5351658debcc6070271984f324f7d10b98c5d31b97819"),
    ("note-replaced.json", "3002b48ea310eafbe76bad1d7a7495dc69ad8e146f405ec5aedc58053bdaa239"),
    ("removal.json", "72ddb119a1d8b99b334de5013f1b9b6dfc5a6a69b91d0e4970af90b8cc2cc221"),
    ("removal-revoked.json", "47a7b27c7c3e69edaa0c50ad6e24ef576a2ce9b2c11dc162150ebdc3973bed9c"),
    ("event.json", "4f14b93c79eb21574422e8ac4acaaa1fd2b084f0f3620e946891f57121cd414c"),
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
