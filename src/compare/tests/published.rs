//! Published numbers are compared with numbers on the same test images.

use std::path::Path;

use super::*;
use crate::split::names_hash;

const FILE: &str = "[[model]]\nname = 'theirs'\nsource = 'a paper, table 1'\nsplit = 'official'\nimages = 4\n\
    mean = 0.8\nmean_over = 14\n[model.auc]\nMass = 0.75\nHernia = 0.9\n";

/// Lists of six images: four to test, one to train and one to validate.
fn lists() -> PublishedLists {
    let name = |n: u32| format!("{n:04}.png");
    let hash = |rows: std::ops::Range<u32>| {
        let names: Vec<String> = rows.map(name).collect();
        let hash = names_hash(names.iter().map(String::as_str)).to_string();
        &*hash.leak()
    };
    PublishedLists { train_val: hash(4..6), test: hash(0..4) }
}

fn read(text: &str) -> Result<Vec<PublishedModel>, CompareError> {
    super::super::published::parse(text.as_bytes(), Path::new("them.toml"))
}

/// The objections to published numbers for a model on a fold of six images.
fn against(fold: &str, text: &str) -> Vec<String> {
    let mut world = World::new(&["Mass"], images(&[1, 1, 0, 0, 1, 0]), &[fold]);
    let split = world.split;
    let run = world.run_with("mlp", 0, |spec| spec.split = split);
    let tested = fold.matches('2').count();
    let input = world.tested(run, &[&[4.0, 3.0, 2.0, 1.0, 0.0][..tested]]);
    let models = read(text).unwrap();
    let compare =
        |options: &CompareOptions| world.compare_beside(&[&input], options, Some((&models, &lists())), &[]);
    let marked = compare(&CompareOptions { allow_incomparable: true, ..CompareOptions::default() })
        .unwrap()
        .incomparable;
    assert!(marked.iter().all(|incomparable| incomparable.kind == IncomparableKind::Published), "{marked:?}");
    match compare(&CompareOptions::default()) {
        Ok(comparison) => assert_eq!(comparison.incomparable, marked),
        Err(CompareError::Incomparable(incomparable)) => assert_eq!(incomparable, marked),
        Err(e) => panic!("{e}"),
    }
    marked.into_iter().map(|incomparable| incomparable.why).collect()
}

#[test]
fn numbers_of_the_official_test_images_stand_beside_a_model_on_them() {
    assert_eq!(against("222201", FILE), Vec::<String>::new());
    // If a paper does not give its number of test images, the names decide.
    assert_eq!(against("222210", &FILE.replace("images = 4\n", "")), Vec::<String>::new());
}

#[test]
fn numbers_of_other_images_are_refused_or_marked() {
    // As many images, but others.
    let others = "theirs was published for the official test images, but other images are scored here";
    assert_eq!(against("022221", FILE), [others]);
    assert_eq!(against("222221", &FILE.replace("images = 4\n", "")), [others]);
    let trained = "theirs was published for models trained on the official list, but the models here were trained on other images";
    assert_eq!(against("222203", FILE), [trained]);
    assert_eq!(
        against("222201", &FILE.replace("images = 4", "images = 25596")),
        ["theirs was published for 25,596 test images, but 4 are scored here"]
    );
    assert_eq!(
        against("222201", &FILE.replace("'official'", "'a fifth at random'")),
        ["theirs was published for other images (a fifth at random)"]
    );
    // One of two is enough, and is reported.
    let two = format!("{FILE}{}", FILE.replace("theirs", "others").replace("images = 4", "images = 5"));
    assert_eq!(against("222201", &two), ["others was published for 5 test images, but 4 are scored here"]);
}

#[test]
fn deviations_are_read_of_labels_that_have_an_auc() {
    let with = FILE.replace("mean_over", "mean_std = 0.004\nmean_over") + "[model.std]\nMass = 0.02\n";
    let [model] = read(&with).unwrap().try_into().unwrap_or_else(|_| panic!("one model"));
    assert_eq!(model.mean_std, Some(0.004));
    let stds: Vec<_> = model.auc.iter().map(|auc| (auc.label.as_str(), auc.std)).collect();
    assert_eq!(stds, [("Hernia", None), ("Mass", Some(0.02))]);
    let refused = read(&with.replace("[model.std]\nMass", "[model.std]\nEdema")).unwrap_err().to_string();
    assert!(refused.contains("theirs has a standard deviation for Edema, but no AUC"), "{refused}");
    let refused = read(&with.replace("0.02", "-0.02")).unwrap_err().to_string();
    assert!(refused.contains("theirs has -0.02 as a standard deviation of AUCs"), "{refused}");
}

#[test]
fn a_file_of_published_numbers_is_read_as_it_is_written_or_not_at_all() {
    let models = read(FILE).unwrap();
    let [model] = models.as_slice() else { panic!("{models:?}") };
    assert_eq!((model.images, model.mean, model.mean_over), (Some(4), Some(0.8), Some(14)));
    let aucs: Vec<(&str, f64)> = model.auc.iter().map(|auc| (auc.label.as_str(), auc.auc)).collect();
    assert_eq!(aucs, [("Hernia", 0.9), ("Mass", 0.75)]);
    for (wrong, said) in [
        ("", "missing field `model`"),
        ("model = []", "it has no [[model]]"),
        (FILE.replace("0.75", "75.0").as_str(), "75 of theirs is not an AUC"),
        (FILE.replace("0.8", "-0.8").as_str(), "-0.8 of theirs is not an AUC"),
        (FILE.replace("0.8", "nan").as_str(), "NaN of theirs is not an AUC"),
        (FILE.replace("source", "sauce").as_str(), "unknown field `sauce`"),
    ] {
        let refused = read(wrong).unwrap_err().to_string();
        assert!(
            refused.starts_with("them.toml is not a file of published numbers") && refused.contains(said),
            "{refused}"
        );
    }
}
