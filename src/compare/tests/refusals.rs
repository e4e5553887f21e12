//! Non-comparable inputs are refused with the reason, or flagged with the same reason if the user insists.

use super::*;

/// Forty images of twenty patients. Each fold tests ten images, validates ten and trains on twenty.
const FOLDS: [&str; 2] =
    ["2222222222111111111100000000000000000000", "0000000000000000000022222222221111111111"];

fn world() -> World {
    let rows = (0..40).map(|n| image(n, n / 2, n % 3));
    World::new(&["Mass", "Hernia"], rows.collect(), &FOLDS)
}

const SCORES: [f64; 10] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];

fn tested(world: &mut World, model: &str, fold: u32) -> Input {
    let run = world.run(model, fold);
    world.tested(run, &[&SCORES, &SCORES])
}

#[test]
fn models_on_the_same_folds_and_images_are_compared_and_nothing_is_marked() {
    let mut world = world();
    let inputs =
        [("one", 0), ("one", 1), ("two", 0), ("two", 1)].map(|(model, fold)| tested(&mut world, model, fold));
    assert_eq!(world.against(&inputs.iter().collect::<Vec<_>>(), &CompareOptions::default()), []);
}

#[test]
fn other_images_of_the_fold_are_refused() {
    let mut world = world();
    let own = tested(&mut world, "one", 0);
    let rows: Vec<u32> = (0..9).collect();
    let theirs = world.imported("two", &["Mass", "Hernia"], &rows, &[&SCORES[..9], &SCORES[..9]]);
    let theirs = world.altered(&theirs, |predictions| predictions.fold = Some(0));
    let against = world.against(&[&own, &theirs], &CompareOptions::default());
    assert_eq!(kinds(&against), [IncomparableKind::DifferentImages]);
    assert_eq!(
        against[0].why,
        "one and two scored different images on division 0: 10 and 9 images, 9 of them the same"
    );
    // As many images, but different ones.
    let rows: Vec<u32> = (5..15).collect();
    let theirs = world.imported("two", &["Mass", "Hernia"], &rows, &[&SCORES, &SCORES]);
    let theirs = world.altered(&theirs, |predictions| predictions.fold = Some(0));
    let against = world.against(&[&own, &theirs], &CompareOptions::default());
    assert!(kinds(&against).contains(&IncomparableKind::DifferentImages), "{against:?}");
    assert!(against[0].why.ends_with("10 and 10 images, 5 of them the same"), "{against:?}");
}

#[test]
fn test_images_beside_validation_images_are_refused() {
    let mut world = world();
    let own = tested(&mut world, "one", 0);
    let run = world.run("two", 0);
    let validated = world.scored(run, Subset::Val, &[&SCORES, &SCORES]);
    let against = world.against(&[&own, &validated], &CompareOptions::default());
    assert_eq!(kinds(&against)[0], IncomparableKind::DifferentImages);
    assert_eq!(
        against[0].why,
        "one and two have scores of different subsets of re-sampling 0: one of the test images, two of the validation images"
    );
}

#[test]
fn other_folds_are_refused_and_every_model_is_held_against_every_other() {
    let mut world = world();
    let (first, second) = (tested(&mut world, "one", 0), tested(&mut world, "two", 1));
    let against = world.against(&[&first, &second], &CompareOptions::default());
    // Fold 0 trains on the ten patients of the test and validation images of fold 1, and the other way round.
    assert_eq!(
        kinds(&against),
        [IncomparableKind::DifferentFolds, IncomparableKind::Leak, IncomparableKind::Leak]
    );
    assert_eq!(against[0].why, "one has re-sampling 0, and two has re-sampling 1");
    assert_eq!(
        against[1].why,
        "one (re-sampling 0) was trained or selected on 5 of the 5 patients that two is tested on"
    );
}

#[test]
fn other_labels_are_refused_by_name() {
    let mut world = world();
    let own = tested(&mut world, "one", 0);
    let rows: Vec<u32> = (0..10).collect();
    let theirs = world.imported("two", &["Hernia", "Edema"], &rows, &[&SCORES, &SCORES]);
    let theirs = world.altered(&theirs, |predictions| predictions.fold = Some(0));
    let against = world.against(&[&own, &theirs], &CompareOptions::default());
    assert_eq!(kinds(&against), [IncomparableKind::DifferentLabels]);
    assert_eq!(against[0].why, "one and two score different labels: only one has Mass; only two has Edema");
    let none = world.imported("two", &["Edema"], &rows, &[&SCORES]);
    let none = world.altered(&none, |predictions| predictions.fold = Some(0));
    let allowing = CompareOptions { allow_incomparable: true, ..CompareOptions::default() };
    assert!(matches!(world.compare(&[&own, &none], &allowing), Err(CompareError::NoSharedLabel)));
}

#[test]
fn a_model_that_was_trained_on_the_patients_it_is_tested_on_is_refused() {
    let mut world = world();
    let run = world.run("one", 0);
    let twenty = [0.5; 20];
    let trained = world.scored(run, Subset::Train, &[&twenty, &twenty]);
    let against = world.against(&[&trained], &CompareOptions::default());
    assert_eq!(kinds(&against), [IncomparableKind::Leak]);
    assert_eq!(
        against[0].why,
        "one (re-sampling 0) was trained or selected on 10 of the 10 patients that it is tested on"
    );
    // Validation images may be evaluated as such: no other model was trained on them.
    let validated = world.scored(run, Subset::Val, &[&SCORES, &SCORES]);
    assert_eq!(world.against(&[&validated], &CompareOptions::default()), []);
    // But not as the test images of another split of the same data set.
    let other = world.add_split(world.dataset, resampled(2), &["1111111111222222222200000000000000000000"]);
    let elsewhere = world.run_with("two", 0, |spec| spec.split = other);
    let there = world.tested(elsewhere, &[&SCORES, &SCORES]);
    let rows = world.rows(other, 0, Subset::Test);
    let theirs = world.imported("three", &["Mass", "Hernia"], &rows, &[&SCORES, &SCORES]);
    let theirs = world.altered(&theirs, |predictions| predictions.fold = Some(0));
    assert_eq!(world.against(&[&there, &theirs], &CompareOptions::default()), []);
    let scores = there.predictions.scores;
    let selected = world.altered(&there, |predictions| {
        (predictions.source, predictions.model, predictions.scores) = (by_run(run), "one".to_owned(), scores);
    });
    let against = world.against(&[&selected, &theirs], &CompareOptions::default());
    assert_eq!(kinds(&against), [IncomparableKind::Leak, IncomparableKind::Leak], "{against:?}");
    assert!(against[0].why.contains("on 5 of the 5 patients that it is tested on"), "{against:?}");
    assert!(against[1].why.contains("on 5 of the 5 patients that three is tested on"), "{against:?}");
}

#[test]
fn a_patient_is_known_by_source_and_number_in_whatever_data_set() {
    let mut world = world();
    let own = tested(&mut world, "one", 0);
    // The same patients under other image names, and other patients with the same numbers from another source.
    for (source, leaks) in [("made up", 1), ("elsewhere", 0)] {
        let rows: Vec<ImageRow> = (0..40).map(|n| image(n + 100, n / 2, 1)).collect();
        let dataset = world.add_dataset(source, &["Mass", "Hernia"], rows);
        let split = world.add_split(dataset, resampled(1), &["0000000000333333333333333333333333333333"]);
        let run = world.run_with("two", 0, |spec| (spec.dataset, spec.split) = (dataset, split));
        let scores = own.predictions.scores;
        let theirs = world.altered(&own, |predictions| {
            (predictions.source, predictions.model, predictions.scores) =
                (by_run(run), "two".to_owned(), scores);
        });
        let against = world.against(&[&own, &theirs], &CompareOptions::default());
        assert_eq!(kinds(&against), vec![IncomparableKind::Leak; 2 * leaks], "{source}: {against:?}");
    }
}

#[test]
fn whoever_begins_with_weights_has_seen_what_their_run_saw_however_far_back() {
    let mut world = world();
    // Trained on the patients that fold 0 tests on.
    let source = world.run("source", 1);
    let weights = world.weights(source);
    let between = |spec: &mut NetworkSpec| (spec.init, spec.weights) = (Init::FineTune, Some(weights));
    let between = world.run_with("between", 0, between);
    let weights = world.weights(between);
    let tuned = |spec: &mut NetworkSpec| (spec.init, spec.weights) = (Init::OffTheShelf, Some(weights));
    let tuned = world.run_with("tuned", 0, tuned);
    let input = world.tested(tuned, &[&SCORES, &SCORES]);
    let against = world.against(&[&input], &CompareOptions::default());
    assert_eq!(kinds(&against), [IncomparableKind::Leak]);
    assert!(against[0].why.contains("on 5 of the 5 patients that it is tested on"), "{against:?}");
    // The scores of a single run cause a warning as well, those of a run from scratch do not.
    assert_eq!(own_leaks(&world.store, input.id, None, PixelSource::Among(&[])).unwrap(), against);
    let scratch = tested(&mut world, "scratch", 0);
    assert_eq!(own_leaks(&world.store, scratch.id, None, PixelSource::Among(&[])).unwrap(), []);
    // Weights of a run of the same fold have seen no other images.
    let source = world.run("source", 0);
    let weights = world.weights(source);
    let tuned = |spec: &mut NetworkSpec| (spec.init, spec.weights) = (Init::FineTune, Some(weights));
    let tuned = world.run_with("tuned", 0, tuned);
    let input = world.tested(tuned, &[&SCORES, &SCORES]);
    assert_eq!(own_leaks(&world.store, input.id, None, PixelSource::Among(&[])).unwrap(), []);
}

/// The reasons given for a column with the given second fold.
fn mixed(change: impl FnOnce(&mut World, &Input) -> Input) -> Vec<Incomparable> {
    let mut world = world();
    let inputs = [0, 1].map(|fold| tested(&mut world, "one", fold));
    let second = change(&mut world, &inputs[1]);
    let against = world.against(&[&inputs[0], &second], &CompareOptions::default());
    against.into_iter().filter(|incomparable| incomparable.kind == IncomparableKind::MixedFolds).collect()
}

#[test]
fn folds_of_one_column_that_are_of_two_experiments_are_refused() {
    let rows = || (0..40).map(|n| image(n, n / 2, n % 2)).collect::<Vec<_>>();
    type Change = Box<dyn FnOnce(&mut World, &Input) -> Input>;
    let cases: [(&str, Change); 7] = [
        (
            "data set ",
            Box::new(move |world, _| {
                let dataset = world.add_dataset("made up", &["Mass", "Hernia"], rows());
                let split = world.add_split(dataset, resampled(1), &FOLDS);
                let run = world.run_with("one", 1, |spec| (spec.dataset, spec.split) = (dataset, split));
                world.tested(run, &[&SCORES, &SCORES])
            }),
        ),
        (
            "split ",
            Box::new(|world, _| {
                let split = world.add_split(world.dataset, resampled(2), &FOLDS);
                let run = world.run_with("one", 1, |spec| spec.split = split);
                world.tested(run, &[&SCORES, &SCORES])
            }),
        ),
        (
            "subset test on re-sampling 0, and val on re-sampling 1",
            Box::new(|world, second| {
                let ScoreSource::Run { run, .. } = second.predictions.source else { unreachable!() };
                world.scored(run, Subset::Val, &[&SCORES, &SCORES])
            }),
        ),
        (
            "source a run on re-sampling 0, and another tool on re-sampling 1",
            Box::new(|world, second| {
                let file = world.store.put_file(b"a table");
                world.altered(second, |predictions| {
                    predictions.source = ScoreSource::Import { file, columns: None, rules: rules::IMPORT }
                })
            }),
        ),
        (
            "training.lr 0.001 on re-sampling 0, and 0.01 on re-sampling 1",
            Box::new(|world, _| {
                let run = world.run_with("one", 1, |spec| spec.training.lr = 0.01);
                world.tested(run, &[&SCORES, &SCORES])
            }),
        ),
        (
            "model.architecture.layers.1.hidden [16] on re-sampling 0, and [8] on re-sampling 1",
            Box::new(|world, _| {
                let run = world.run_with("one", 1, |spec| {
                    spec.model.architecture = perceptron(8);
                });
                world.tested(run, &[&SCORES, &SCORES])
            }),
        ),
        (
            "init scratch on re-sampling 0, and fine-tune on re-sampling 1",
            Box::new(|world, _| {
                let run = world.run_with("one", 1, |spec| spec.init = Init::FineTune);
                world.tested(run, &[&SCORES, &SCORES])
            }),
        ),
    ];
    for (said, change) in cases {
        let against = mixed(change);
        assert_eq!(against.len(), 1, "{said}: {against:?}");
        let why = format!("the runs of one do not belong to one experiment: {said}");
        assert!(against[0].why.starts_with(&why), "{against:?}");
    }
}

#[test]
fn seed_threads_and_device_may_differ_between_folds() {
    let against = mixed(|world, _| {
        let run = world.run_with("one", 1, |spec| {
            (spec.seed, spec.threads, spec.device) = (2, 8, DeviceKind::Cuda);
        });
        world.tested(run, &[&SCORES, &SCORES])
    });
    assert_eq!(against, []);
}

#[test]
fn mixed_folds_have_no_test_over_folds() {
    let mut world = world();
    let mut inputs: Vec<Input> = Vec::new();
    for model in ["one", "two"] {
        for (fold, lr) in [(0, 0.001), (1, 0.01)] {
            let run = world.run_with(model, fold, |spec| spec.training.lr = lr);
            let by_image: Vec<f64> = SCORES.iter().map(|score| (score * 7.0) % (5.0 + lr * 1e3)).collect();
            inputs.push(world.tested(run, &[&by_image, &SCORES]));
        }
    }
    let inputs: Vec<&Input> = inputs.iter().collect();
    let allowing = CompareOptions { allow_incomparable: true, ..CompareOptions::default() };
    let found = world.compare(&inputs, &allowing).unwrap();
    assert_eq!(kinds(&found.incomparable), [IncomparableKind::MixedFolds, IncomparableKind::MixedFolds]);
    assert!(found.resampled.is_empty() && !found.delong.is_empty());
}

#[test]
fn two_scores_of_one_model_on_one_fold_are_refused_and_the_same_named_twice_are_one() {
    let mut world = world();
    let own = tested(&mut world, "one", 0);
    let run = world.run_with("one", 0, |spec| spec.training.lr = 0.5);
    let second = world.tested(run, &[&SCORES, &SCORES]);
    let refused = world.compare(&[&own, &second], &CompareOptions::default());
    assert!(
        matches!(&refused, Err(CompareError::SameCell { model, fold, .. }) if model == "one" && fold == "re-sampling 0")
    );
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("are both model one on re-sampling 0, but they differ in lr: "), "{said}");
    assert_eq!(world.compare(&[&own, &own], &CompareOptions::default()).unwrap().models.len(), 1);
    // Each run is a column.
    let named = Input { name: "again".to_owned(), ..second };
    let by_run = CompareOptions { grouping: Grouping::Run, ..CompareOptions::default() };
    let found = world.compare(&[&own, &named], &by_run).unwrap();
    assert_eq!(found.models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>(), ["one-f0", "again"]);
}
