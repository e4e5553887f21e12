//! Comparisons on the labels and images that all models scored.

use super::*;

const LABELS: [&str; 3] = ["Mass", "Hernia", "Edema"];

/// Eight test images of eight patients.
fn world() -> World {
    World::new(&LABELS, images(&[0b001, 0b110, 0b101, 0b000, 0b011, 0b100, 0b111, 0b010]), &["22222222"])
}

const MASS: [f64; 8] = [0.9, 0.2, 0.4, 0.5, 0.8, 0.1, 0.3, 0.6];
const HERNIA: [f64; 8] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];
const EDEMA: [f64; 8] = [0.3, 0.9, 0.2, 0.8, 0.1, 0.7, 0.4, 0.6];

fn own(world: &mut World) -> Input {
    let run = world.run("own", 0);
    world.tested(run, &[&MASS, &HERNIA, &EDEMA])
}

/// Another tool's scores of fold 0.
fn theirs(world: &mut World, labels: &[&str], rows: &[u32], scores: &[&[f64]]) -> Input {
    let input = world.imported("theirs", labels, rows, scores);
    world.altered(&input, |predictions| predictions.fold = Some(0))
}

#[test]
fn shared_labels_are_those_that_every_model_scores_each_by_its_own_column() {
    let mut world = world();
    let own = own(&mut world);
    let rows: Vec<u32> = (0..8).collect();
    let theirs = theirs(&mut world, &["Edema", "Cough", "Mass"], &rows, &[&EDEMA, &HERNIA, &HERNIA]);
    let options = CompareOptions { labels: Labels::Shared, ..CompareOptions::default() };
    let found = world.compare(&[&own, &theirs], &options).unwrap();
    assert_eq!(found.incomparable, []);
    for model in &found.models {
        let names: Vec<&str> = model.labels.iter().map(|spread| spread.label.as_str()).collect();
        assert_eq!(names, ["Mass", "Edema"], "in the order of the first");
    }
    assert_eq!(label(&found, "own", "Edema").auc, label(&found, "theirs", "Edema").auc);
    let alone = world.compare(&[&own], &CompareOptions::default()).unwrap();
    assert_eq!(label(&found, "own", "Mass"), label(&alone, "own", "Mass"));
    // Of the positives 0, 2, 4 and 6, their scores 0.1, 0.3, 0.5 and 0.7 beat 0, 1, 2 and 3 of 0.2, 0.4, 0.6 and 0.8.
    assert_eq!(label(&found, "theirs", "Mass").auc.mean, Some(6.0 / 16.0));
    assert_eq!(found.delong.iter().map(|row| row.label.as_str()).collect::<Vec<_>>(), ["Mass", "Edema"]);

    let these = |labels: &[&str]| CompareOptions {
        labels: Labels::These(owned(labels)),
        ..CompareOptions::default()
    };
    let found = world.compare(&[&own, &theirs], &these(&["Edema"])).unwrap();
    assert_eq!((found.models[1].labels.len(), found.models[1].labels[0].label.as_str()), (1, "Edema"));
    let refused = world.compare(&[&own, &theirs], &these(&["Hernia"]));
    assert!(
        matches!(refused, Err(CompareError::LabelNotScored { label, shared }) if label == "Hernia" && shared == ["Mass", "Edema"])
    );
}

#[test]
fn shared_images_are_those_that_every_model_scored() {
    let mut world = world();
    let own = own(&mut world);
    let rows = [1, 2, 3, 4, 6];
    let pick = |scores: &[f64; 8]| rows.map(|row| scores[row as usize]);
    let (mass, hernia, edema) = (pick(&HERNIA), pick(&EDEMA), pick(&MASS));
    let theirs = theirs(&mut world, &LABELS, &rows, &[&mass, &hernia, &edema]);
    let options = CompareOptions { shared_images: true, ..CompareOptions::default() };
    let found = world.compare(&[&own, &theirs], &options).unwrap();
    assert_eq!((found.shared_images, found.incomparable.as_slice()), (true, &[][..]));
    assert_eq!(found.models.iter().map(|model| model.images[0]).collect::<Vec<_>>(), [5, 5]);
    // Mass of the images 2, 4 and 6: 0.4, 0.8 and 0.3 beat one, two and one of 0.2 and 0.5.
    let of_mass = label(&found, "own", "Mass");
    assert_eq!((of_mass.positives[0], of_mass.auc.mean), (3, Some(4.0 / 6.0)));
    // The result is the same as for scores of only these images.
    let alone = world.altered(&theirs, |predictions| predictions.model = "alone".to_owned());
    let alone = world.compare(&[&alone], &CompareOptions::default()).unwrap();
    assert_eq!(label(&found, "theirs", "Hernia"), label(&alone, "alone", "Hernia"));

    let elsewhere = world.imported("theirs", &LABELS, &rows, &[&mass, &hernia, &edema]);
    let none = world.compare(&[&own, &elsewhere], &options);
    assert!(matches!(none, Err(CompareError::NoSharedImage)), "of no fold");
}

#[test]
fn folds_that_not_every_model_has_are_left_out_of_what_is_shared() {
    let labels = [1, 0, 1, 0, 1, 0, 1, 0];
    let mut world = World::new(&["Mass"], images(&labels), &["22223333", "33332222"]);
    let mut inputs = Vec::new();
    for (model, folds) in [("one", vec![0, 1]), ("two", vec![0])] {
        for fold in folds {
            let run = world.run(model, fold);
            inputs.push(world.tested(run, &[&[4.0, 3.0, 2.0, 1.0]]));
        }
    }
    let inputs: Vec<&Input> = inputs.iter().collect();
    let against = world.against(&inputs, &CompareOptions::default());
    assert_eq!(kinds(&against), [IncomparableKind::DifferentFolds]);
    let allowing = CompareOptions { allow_incomparable: true, ..CompareOptions::default() };
    let marked = world.compare(&inputs, &allowing).unwrap();
    // The missing fold is undefined, and no paired statistics are computed.
    assert_eq!((marked.folds.as_slice(), marked.models[1].images.as_slice()), (&[0, 1][..], &[4, 0][..]));
    assert_eq!(label(&marked, "two", "Mass").auc.folds[1], None);
    assert!(marked.delong.iter().all(|row| row.fold == Some(0)) && marked.resampled.is_empty());
    let options = CompareOptions { shared_images: true, ..CompareOptions::default() };
    let shared = world.compare(&inputs, &options).unwrap();
    assert_eq!((shared.folds.as_slice(), shared.incomparable.as_slice()), (&[0][..], &[][..]));
}

#[test]
fn an_image_of_two_data_sets_is_the_same_where_source_name_patient_and_labels_are() {
    let mut world = world();
    let own = own(&mut world);
    // A later version: the first image was withdrawn, the second has another label, the third another patient.
    let mut rows = images(&[0b001, 0b111, 0b101, 0b000, 0b011, 0b100, 0b111, 0b010]);
    rows[2].patient = 99.into();
    let rows = rows.split_off(1);
    let shared = |world: &mut World, source: &str| {
        let dataset = world.add_dataset(source, &LABELS, rows.clone());
        let split = world.add_split(dataset, resampled(1), &["2222222"]);
        let run = world.run_with("later", 0, |spec| (spec.dataset, spec.split) = (dataset, split));
        let later = world.tested(run, &[&MASS[1..], &HERNIA[1..], &EDEMA[1..]]);
        let against = world.against(&[&own, &later], &CompareOptions::default());
        assert_eq!(kinds(&against), [IncomparableKind::DifferentImages]);
        let options = CompareOptions { shared_images: true, ..CompareOptions::default() };
        world.compare(&[&own, &later], &options)
    };
    let found = shared(&mut world, "made up").unwrap();
    assert_eq!(found.models.iter().map(|model| model.images[0]).collect::<Vec<_>>(), [5, 5]);
    assert_eq!(label(&found, "own", "Mass").auc, label(&found, "later", "Mass").auc);
    assert_eq!(found.spearman[0][1], Some(1.0));
    assert!(matches!(shared(&mut world, "elsewhere"), Err(CompareError::NoSharedImage)));
}
