//! A recorded comparison is recomputed from its scores and labels.

use super::*;
use crate::scores::ScoreError;

/// Two models on two folds, compared with all options.
fn compared() -> (World, Comparison) {
    let rows = (0..24).map(|n| image(n, n / 2, n % 3));
    let folds = ["222222221111000000000000", "000000000000222222221111"];
    let mut world = World::new(&["Mass", "Hernia"], rows.collect(), &folds);
    let (mut inputs, mut validation) = (Vec::new(), Vec::new());
    for (model, factor) in [("one", 3), ("two", 5)] {
        for fold in 0..2 {
            let run = world.run(model, fold);
            let scores = |n: u32| (0..n).map(|image| f64::from(image * factor % 7)).collect::<Vec<f64>>();
            let (tested, validated) = (scores(8), scores(4));
            inputs.push(world.tested(run, &[&tested, &tested]));
            validation.push(world.scored(run, Subset::Val, &[&validated, &validated]));
        }
    }
    let options = CompareOptions {
        bootstrap: Some((50, 1)),
        metrics: true,
        groups: vec![GroupBy::Age, GroupBy::View],
        pooling: Pooling::AllScores,
        primary: Some("one:two".parse().unwrap()),
        margin: Some(0.05),
        ..CompareOptions::default()
    };
    let inputs: Vec<&Input> = inputs.iter().collect();
    let validation: Vec<&Input> = validation.iter().collect();
    let found = world.compare_beside(&inputs, &options, None, &validation).unwrap();
    (world, found)
}

#[test]
fn a_comparison_gives_itself_again_with_all_that_was_asked_for() {
    let (world, recorded) = compared();
    assert!(recorded.bootstrap.is_some() && recorded.models.iter().all(|model| model.validation.len() == 2));
    assert!(!recorded.metrics.is_empty() && !recorded.groups.is_empty() && !recorded.resampled.is_empty());
    assert_eq!(comparison(&world.store, &recorded).unwrap(), recorded);
}

#[test]
fn a_number_that_was_changed_comes_out_as_it_was() {
    let (world, recorded) = compared();
    let mut forged = recorded.clone();
    forged.models[0].labels[0].auc.mean = Some(0.99);
    forged.models[1].images[0] += 1;
    forged.spearman[0][1] = Some(1.0);
    forged.delong[0].p = Some(0.001);
    forged.bootstrap.as_mut().unwrap().rows[0].low = Some(0.0);
    forged.models[0].mean_errors[0].value = Some(0.5);
    forged.models[0].labels[0].positive_patients[0] += 1;
    forged.metrics[0].threshold = Some(0.0);
    forged.groups[0].auc = Some(1.0);
    assert_eq!(comparison(&world.store, &forged).unwrap(), recorded);
    // The leak is also found without the record's help.
    let mut world = world;
    let input = world.get(recorded.models[0].predictions[0]);
    let ScoreSource::Run { run, .. } = input.source else { unreachable!() };
    let zeros = [0.0; 12];
    let trained = world.scored(run, Subset::Train, &[&zeros, &zeros]);
    let mut incomparable = world
        .compare(&[&trained], &CompareOptions { allow_incomparable: true, ..CompareOptions::default() })
        .unwrap();
    assert_eq!(kinds(&std::mem::take(&mut incomparable.incomparable)), [IncomparableKind::Leak]);
    assert_eq!(
        kinds(&comparison(&world.store, &incomparable).unwrap().incomparable),
        [IncomparableKind::Leak]
    );
}

#[test]
fn scores_that_their_run_cannot_have_made_are_refused() {
    let (mut world, mut recorded) = compared();
    let id = recorded.models[0].predictions[0];
    let predictions = world.get(id);
    let said = Input { name: "one".to_owned(), label: None, id, predictions };
    let moved = world.altered(&said, |predictions| predictions.fold = Some(1));
    recorded.models[0].predictions[0] = moved.id;
    let refused = comparison(&world.store, &recorded);
    assert!(
        matches!(refused, Err(CompareError::Score(ScoreError::Misattributed { predictions, .. })) if predictions == moved.id.hash)
    );
    // A missing object is reported by its id.
    let nowhere = Hash::of(b"nowhere");
    recorded.models[0].predictions[0] = Id::new(nowhere);
    let missed = comparison(&world.store, &recorded).unwrap_err().to_string();
    assert!(missed.contains(&nowhere.to_string()), "{missed}");
}
