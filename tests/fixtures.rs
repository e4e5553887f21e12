//! Checks `fixtures/tiny` against its generator. `REG_REGENERATE=1 cargo test -p reg --test
//! fixtures` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use reg::dataset::synthetic::{BOXES, IMAGES, METADATA, SyntheticOptions, TEST, TRAIN_VAL, generate};

const TINY: SyntheticOptions = SyntheticOptions { patients: 24, size: 64, seed: 1 };

/// The committed folder, regenerated first on request.
fn tiny() -> PathBuf {
    static WRITTEN: std::sync::Once = std::sync::Once::new();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tiny");
    WRITTEN.call_once(|| {
        if std::env::var_os("REG_REGENERATE").is_some_and(|value| value == "1") {
            if dir.exists() {
                fs::remove_dir_all(&dir).unwrap();
            }
            generate(&dir, &TINY).unwrap();
        }
    });
    dir
}

/// Width, height and gray values of each image, by name.
fn pictures(dir: &Path) -> BTreeMap<String, (u32, u32, Vec<u8>)> {
    let read = |path: PathBuf| {
        let image = image::open(&path).unwrap();
        assert_eq!(image.color(), image::ColorType::L8, "{}", path.display());
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, (image.width(), image.height(), image.into_bytes()))
    };
    fs::read_dir(dir.join(IMAGES)).unwrap().map(|entry| read(entry.unwrap().path())).collect()
}

#[test]
fn the_committed_fixture_is_what_the_generator_writes() {
    let (committed, made) = (tiny(), tempfile::tempdir().unwrap());
    generate(made.path(), &TINY).unwrap();
    let [old, new] = [committed.as_path(), made.path()].map(pictures);
    assert!(old.keys().eq(new.keys()), "{:?} {:?}", old.keys(), new.keys());
    for (name, picture) in &new {
        // Not by bytes: another version of the PNG encoder may compress differently.
        assert!(old[name] == *picture, "{name} differs");
    }
    for list in [METADATA, BOXES, TRAIN_VAL, TEST] {
        let [old, new] = [committed.as_path(), made.path()].map(|dir| fs::read(dir.join(list)).unwrap());
        assert!(old == new, "{list} differs");
    }
}

#[test]
fn the_fixture_has_the_published_formats_and_every_label() {
    let dir = tiny();
    let read = |name| fs::read_to_string(dir.join(name)).unwrap();
    let metadata = read(METADATA);
    let (header, rows) = metadata.split_once('\n').unwrap();
    assert_eq!(
        header,
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,\
         OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
    );
    assert!(rows.ends_with('\n'));
    let rows: Vec<Vec<&str>> = rows.lines().map(|row| row.split(',').collect()).collect();
    assert!(rows.iter().all(|row| row.len() == 11));
    let labels: BTreeSet<&str> = rows.iter().flat_map(|row| row[1].split('|')).collect();
    assert_eq!(labels.len(), 15, "{labels:?}");
    assert!(rows.iter().all(|row| !row[1].contains("No Finding") || row[1] == "No Finding"));

    let boxes = read(BOXES);
    assert_eq!(boxes.lines().next(), Some("Image Index,Finding Label,Bbox [x,y,w,h],,,"));
    assert!(boxes.lines().count() > 1);

    let subsets = [TRAIN_VAL, TEST].map(|name| {
        let list = read(name);
        assert!(!list.ends_with('\n'), "{name}");
        list.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    let patients = subsets.each_ref().map(|list| list.iter().map(|name| &name[..8]).collect::<BTreeSet<_>>());
    assert!(patients[0].is_disjoint(&patients[1]));
    let mut listed: Vec<String> = subsets.concat();
    listed.sort();
    assert!(listed.iter().eq(rows.iter().map(|row| row[0])));
    assert!(listed.iter().eq(pictures(&dir).keys()));
}
