//! Holds the bytes on disk to what they were when they were first written, and to `schema/`.
//!
//! What is stored must stay readable and keep its id. `fixtures/golden` has a file for each kind and
//! version; when a kind gets a new version, the old files stay and new ones come beside them.
//! `REG_REGENERATE=1 cargo test -p reg --test golden` writes the golden files and the JSON Schemas anew;
//! the ids pinned here and the hex in `schema/on-disk.md` are changed by hand, so that nobody does it
//! without noticing.

mod on_disk;
mod packed;
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
    ("manifest.bin", "bbe2b88d2c676065cee4f80ca8c0c9a868da242cbaf2b992aac989e7eef6d4fe"),
    ("manifest-metadata-only.bin", "061fa6989f54f3e6135bc7c4706264180dded62ceff87fe7a9b8d6e9b22e6006"),
    ("boxes.bin", "d499a9a51681b56306aee4951ad165947e797e6027dce25b7f3825881461c8d5"),
    ("assignment.bin", "5900bfb47c0dd11f58ed0dbbd7c66df5db6fb6a50105a7d010d740e31b9005ec"),
    ("scores.bin", "0bdb70d46177b9af6f1e135236a5664a0c5095b8597fba8011db20c658d8310d"),
    ("dataset.json", "afc4c1968ee0f5525fad5f7c148ec26563dcc072b29651a139614a054f3d518a"),
    ("dataset-metadata-only.json", "eac25c918681d2b66c3b976ecb2f2a999edd57bf1fd57e22e10d610ec5bc526e"),
    ("dataset-withdrawn.json", "faab135bdf9264b69084c81966a95994e046a692bf9ed770f91202acbaa094e1"),
    ("split-resample.json", "8ddac87aeabba75309ec883d7c7becc150be3f9d6ea6611757f677558daff7c4"),
    ("split-official.json", "7a0fad0aab0bc9e292159f3cd784eacd84b2f199d07dc07573def2a1af72d41e"),
    ("weights.json", "38ca378baf6bf8d2ff4e61e1a96cdf3c7f1c49a8dfb1400e476b771fd5952b88"),
    ("software.json", "4b6edb964be749ad384b831a154e7b9a6b2b93961203dc21544cdbd4c0bc1f72"),
    ("spec-resnet.json", "4f675d9eabc92622e0fac43525a6a53e1f517ad7bfb33fb6c1b4c2f4b31624d5"),
    ("spec-tiny.json", "5694fa0a3369eec2877289c52c14d9b220dc6623d5ee3d4830c8c9c0d7eb5906"),
    ("spec-mlp.json", "76b9914db2b5dd7256576c3fc97b6dfea5047a80627365e6aaa0cd433567fe25"),
    ("spec-settings.json", "e30cdbea6c6c39902caea2483a5af30bd2c450b6ee2e159a596ca0cd5bc7792c"),
    ("run.json", "de30664b91dbc8100c5740fd085dc8c8d111a386cb5fe4a66fbdc33c937a40b4"),
    ("predictions-run.json", "b284f1f431deed5a5fda4255416933dbc06f83631fbb6c7ff5149fd08cc7b932"),
    ("predictions-import.json", "1d1aaaf0977fa90e15ce7a5a50ddb79f17538c01224c451fcaa7130ecd9a924e"),
    ("table-auc.json", "c327bb7c30854a291e3c07e6d06f9d60e98527f847bda5db05cea6b2f453bfe3"),
    ("table-dataset.json", "d3848863052692c47c53c2a72330a3a030a12834746d9fd2081e62897c8c738d"),
    ("table-comparison.json", "c37b2277139b359e7bdc19765f8d917c83be38776dd1638d332b5c338159c8a7"),
    ("table-comparison-full.json", "98103164d0e0736c75ec143f3a00bd87f9caa39c92d008be8ac248055463e717"),
    ("table-probe-view.json", "34e0e8fffc4701a0953dd4a93dbe512bef03062ceb37ca5c7addcefd45a0a087"),
    ("table-probe-age.json", "714716f4d6446007a4d47b30ecc4908a2b9f2bd5b3fea6579d32cec7ad0f7c8b"),
    ("table-heat.json", "5ee7e6ef91b05b8b42e47f5e11d606796b8bdc61e6a24a0cd96dad038ee8c6cc"),
    ("table-pointing.json", "1b3fc128b0d2cfa4a0aef8aafd17d90a6fa13264c19550e1b205f56037944abb"),
    ("study.json", "9af05bd1e1d44ba81d7dc45949c50586a9601e02ddd6435cb03a6ccf864d39d2"),
    ("execution.json", "788976b2cf17e0a2eae55937ed3e6c93b2581b55f79bb81f045fb625cfb1f012"),
    ("execution-deterministic.json", "3d5b3aedd121f5473cc46a79eb3b23729ea71a3f1ab3ebbd8aad9fedbd40e16f"),
    ("withdrawal.json", "aabbf6dc08d4b0de7a83bd2f134d11736e3216fc19a5940fbd26b7742784f8fb"),
    ("withdrawal-revoked.json", "1f3efb4cfebb86a5883320133f1140ee7235d30cf1f6feeb75b7462b2f38d828"),
    ("event.json", "18d489af96db1bbe9e75c524197d39e240a26df2dec9a018c5997f559da74cda"),
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
    for kind in reg::records::KINDS.iter().copied().chain(reg::records::PACKED.iter().map(|(kind, _)| *kind))
    {
        assert!(begins(kind), "{kind} has no golden file");
    }
    for entry in fs::read_dir(golden("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(values.iter().any(|value| value.file == name), "{name} belongs to no value");
    }
}
