//! Published numbers are compared with numbers on the same test images.

use std::path::Path;

use super::*;

const FILE: &str = "[[model]]\nname = 'theirs'\nsource = 'a paper, table 1'\nsplit = 'official'\nimages = 4\n\
    mean = 0.8\nmean_over = 14\n[model.auc]\nMass = 0.75\nHernia = 0.9\n";

fn official(world: &mut World) -> SplitMethod {
    let list = world.store.put_file(b"names");
    SplitMethod::Official { train_val: list, test: list, val_fraction: 0.1, seed: 1 }
}

fn read(text: &str) -> Result<Vec<PublishedModel>, CompareError> {
    super::super::published::parse(text.as_bytes(), Path::new("them.toml"))
}

/// The objections to published numbers for a model on the official split or another.
fn against(on_official: bool, text: &str) -> Vec<String> {
    let mut world = World::new(&["Mass"], images(&[1, 1, 0, 0, 1, 0]), &["222200"]);
    let method = if on_official { official(&mut world) } else { resampled(1) };
    let split = world.add_split(world.dataset, method, &["222200"]);
    let run = world.run_with("mlp", 0, |spec| spec.split = split);
    let input = world.tested(run, &[&[4.0, 3.0, 2.0, 1.0]]);
    let models = read(text).unwrap();
    let compare = |options: &CompareOptions| world.compare_beside(&[&input], options, Some(&models), &[]);
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
    assert_eq!(against(true, FILE), Vec::<String>::new());
    // If a paper does not give its number of test images, the split decides.
    assert_eq!(against(true, &FILE.replace("images = 4\n", "")), Vec::<String>::new());
}

#[test]
fn numbers_of_other_images_are_refused_or_marked() {
    assert_eq!(
        against(false, FILE),
        ["theirs is published on the official test images, and these are of another split"]
    );
    assert_eq!(
        against(true, &FILE.replace("images = 4", "images = 25596")),
        ["theirs is published on 25596 test images, and these are 4"]
    );
    assert_eq!(
        against(true, &FILE.replace("'official'", "'a fifth at random'")),
        ["theirs is published on other images (a fifth at random)"]
    );
    // One of two is enough, and is reported.
    let two = format!("{FILE}{}", FILE.replace("theirs", "others").replace("images = 4", "images = 5"));
    assert_eq!(against(true, &two), ["others is published on 5 test images, and these are 4"]);
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
