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
    ("dataset.json", "7486934ac39afac473847031f7b20ee36cf346ae694c9a3992086db7cf15fbaa"),
    ("dataset-metadata-only.json", "d5c56be3182e099bbb2bf8a9bd2f6fbdf1a2932798c7b7f8494e4b462863fb77"),
    ("dataset-withdrawn.json", "4a07168932c8eedf11064e1ae1c1dbd92e1389128d59dbf6d332ad05470e15bb"),
    ("split-resample.json", "1780b3b2f8d4488b0fabccdf31ba8a51bfc22e82b91e3d1642291b9ace864a59"),
    ("split-official.json", "6f4e3a172ad3ddd9409257ec37edf70d1cfe71c5a0ca048073afeadfeb4b1c22"),
    ("weights.json", "38ca378baf6bf8d2ff4e61e1a96cdf3c7f1c49a8dfb1400e476b771fd5952b88"),
    ("software.json", "7bb3b5ae7c3acea600d26ed6ba02b1bcb92fb71f960df3ef1c94049bdc58d410"),
    ("spec-resnet.json", "c4eb64d31ed90287f38d1e952f5004a339c240dbb6c7fc54cd06bd6a6a1cf0be"),
    ("spec-tiny.json", "3fb783632b6b8ad9dcfae150246219cb011a59175e74b48269882cf8dc074905"),
    ("spec-mlp.json", "2cad4904f9cb7faf25b55abf13d025add40e1c0b95232c66c8c58250ce6d4175"),
    ("spec-settings.json", "c5ea73dded2e8780d644b3547f6f3e65162a694491179b2bfd303386411bc960"),
    ("run.json", "8ce3f1aab30f1cbd62c33b62bb9d21e9d30412fa5a190e68e064d2f8104ba8e5"),
    ("predictions-run.json", "7cf7ca597440f7079f013276e2cac6f25cb2fa1d6835797be7dcc164d0245273"),
    ("predictions-import.json", "1d0f8e789be4ca4101dccdfefcf8175b39c23a57a076957248d6689ccd9a2776"),
    ("table-auc.json", "95943336714e053e7091eaf278311d3262b90b332d34afb781901832a903170d"),
    ("table-dataset.json", "d2e8530ef8ca1a23e2c5b6274955734cad4df1832ac9f8a8f39bff5f3fb9f044"),
    ("table-comparison.json", "dcea9957b68d53410e3e08d9620ad31e4b6ce1052ca6331d848419ff76299ae3"),
    ("table-comparison-full.json", "4744b9650f78aff0239c9c3e543f99e128fdc8134156faa0ab96fd01c37179c5"),
    ("table-probe-view.json", "46d32a99449f80ddf06f7dc7eec961e78b91b56b200850e5b427e61e5b8fa6e0"),
    ("table-probe-age.json", "fcc5f1f735cac2d518da822b620fc02625394be603a8e0c1e4d42338cc2884f3"),
    ("table-heat.json", "9553027eba690735ac3338989c9bf4373d779fb3346081911607efcfe776a49b"),
    ("table-pointing.json", "21ffcc5ba6b2a74344b68dcf0c08337e73731f5d0bb94e79d3fce9abef856d0c"),
    ("study.json", "51be371321ec2299492890adea6f0a906565a6e4a32a2e31be8bb22723691cc1"),
    ("execution.json", "f5b644b5a83dc43a19b99bf904a8ee7fb56bbaf283af21db5f28f6e2e19311de"),
    ("execution-deterministic.json", "758b58fab0ab576a56f46d78f871c283f818dbecb23bad8a276bc0121b489a1d"),
    ("withdrawal.json", "aabbf6dc08d4b0de7a83bd2f134d11736e3216fc19a5940fbd26b7742784f8fb"),
    ("withdrawal-revoked.json", "1f3efb4cfebb86a5883320133f1140ee7235d30cf1f6feeb75b7462b2f38d828"),
    ("event.json", "01267fbebe7bf40b26357da1082747bf36802eaa6bf2dca0a9082531a29d11e0"),
    ("table-auc-missing.json", "579f4ebd4d961d367f37ce476380da09c2d26d24c1cff5b2d006c59826714b7d"),
    ("table-dataset-missing.json", "631619d085ddeff4a52f8c875b121c5ebd745e1dae3c326d18d6b097dce0d3cd"),
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
