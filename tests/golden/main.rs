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
    ("dataset.json", "f8d25c03065fcfd3e976d1443b04aa2334ec4855f47fcd2c71e6e0ad5decda99"),
    ("dataset-metadata-only.json", "9d465d20d15fff4834a6a81f7d145161589b38b3e4d318a1fffcbfe810c9e819"),
    ("dataset-withdrawn.json", "860ec5c69de06fb4fa100801a219357f731fe7969c13c017976a8f8e1b7fe8ec"),
    ("split-resample.json", "6a01b0f7d5b4d8579c95544ee299c7bfe44ac4741643089558ef559d7a7fc67b"),
    ("split-official.json", "a65c17cee0aedf86370ac11a88edbd96e37eff0dd8c8a3277e544b9829b992b7"),
    ("weights.json", "38ca378baf6bf8d2ff4e61e1a96cdf3c7f1c49a8dfb1400e476b771fd5952b88"),
    ("software.json", "4b6edb964be749ad384b831a154e7b9a6b2b93961203dc21544cdbd4c0bc1f72"),
    ("spec-resnet.json", "a28e3a59e3162817d82abef68b2db719bac5d50d90a2387c776c40face10239a"),
    ("spec-tiny.json", "b6896c2b604b55d57d47afaeb2e697cf0ae1ced142545d6b5529e921d29cc15c"),
    ("spec-mlp.json", "9565e3257ddcd5f80938e9b4480ef2734f459c3a9448a5772537ac757a525c2a"),
    ("spec-settings.json", "5b3050be3bec5516e80ae06907cf0f3c429ce9e0a6fec083aff7b72c6f0d29a9"),
    ("run.json", "f648229afa20ad6afb64a39a661f79879b553ba2c8561c234d86b8606d0fb5eb"),
    ("predictions-run.json", "5840baa58574ef27415a54de04dd2d292a8c9daf42acf0671d1e2ea5c20ad2b9"),
    ("predictions-import.json", "ff3c875d7bc8d6d123efe8385699efd71ee0cdb52a010a0c70c9cf1d5e8bb671"),
    ("table-auc.json", "46a7e34a5fb3a6009109fcc561851a7c07a6dce33674f80bb82e74b932bcb3a7"),
    ("table-dataset.json", "59cc5d6cfe1e168dbc82bfb0b684b91d62e54c07732ddeaa2f995587118d6ef3"),
    ("table-auc-missing.json", "579f4ebd4d961d367f37ce476380da09c2d26d24c1cff5b2d006c59826714b7d"),
    ("table-dataset-missing.json", "631619d085ddeff4a52f8c875b121c5ebd745e1dae3c326d18d6b097dce0d3cd"),
    ("table-comparison.json", "b6d7358f6e34dd603eed36ac0b8c1728e4c0fbe94b2110ba96768a670381ddc6"),
    ("table-comparison-full.json", "350fef7807940adef001dcb4f1f7f8f224cf5276acdeed28f9778f4e7618153c"),
    ("table-probe-view.json", "4537884c9f88c9dbdd8e9d272fbffde158d4a5a7af0a1973321ee09e56570af8"),
    ("table-probe-age.json", "2b034a450d6aff9311ba9d2959d6f20086c0da1c785c0cb0a751e603cb18d0db"),
    ("table-heat.json", "d8d252d34e1115e84f822b8c2a7336583c1950f263e0be45506c7ce84460c1ab"),
    ("table-pointing.json", "0a53359d5d535cbe13ce7855b84d0c7e82d5f153cb165150a972cdf0e930a9ec"),
    ("study.json", "9b10a8eb1581e72069ea76e8d1a26a3f1f613df5f55dd5d489063722d2d549be"),
    ("execution.json", "fe3a02089b40ebc2bde1bfb0d7f64c289416c058027a5f9b1508babf36e166f4"),
    ("execution-deterministic.json", "80cb752adda761283a021c7d049129fd5117f5e0d445cdef63df772ff2d83899"),
    ("withdrawal.json", "5e6fec4f4fe63b777ad562ebb25339d493fbff461fdc0b86005835c58ea62524"),
    ("withdrawal-revoked.json", "cebdf3dd0fb0fd734145b21f8d2b46932cbf9625545cabfd6fae09ec466dec8a"),
    ("event.json", "d2358118be20e9cded99d5977f62b8cc0b52c69c7f7d0adf017d64886d1e425b"),
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
