//! Metrics besides the AUC: thresholds are chosen only on validation images.

use super::*;
use crate::records::MetricRow;

/// Six validation and six test images. The first three of each have the label.
fn world() -> World {
    World::new(&["Mass"], images(&[1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0]), &["111111222222"])
}

/// At a threshold of 3: all three positives and no negative.
const VALIDATED: [f64; 6] = [5.0, 4.0, 3.0, 2.5, 1.0, 0.0];
/// At a threshold of 3: two of three positives and two of three negatives; the best threshold of these scores
/// would be 6.
const TESTED: [f64; 6] = [7.0, 6.0, 1.0, 4.0, 3.0, 2.0];

fn figures(world: &World, input: &Input, validation: &[&Input]) -> (MetricRow, Vec<Id<Predictions>>) {
    let options = CompareOptions { metrics: true, ..CompareOptions::default() };
    let found = world.compare_beside(&[input], &options, None, validation).unwrap();
    let [row] = found.metrics.as_slice() else { panic!("{:?}", found.metrics) };
    (row.clone(), found.models[0].validation.clone())
}

#[test]
fn a_threshold_is_the_best_on_validation_images_whatever_the_test_images_say() {
    let mut world = world();
    let run = world.run("mlp", 0);
    let validated = world.scored(run, Subset::Val, &[&VALIDATED]);
    let tested = world.tested(run, &[&TESTED]);
    let (row, used) = figures(&world, &tested, &[&validated]);
    assert_eq!((row.threshold, used.as_slice()), (Some(3.0), &[validated.id][..]));
    close(row.sensitivity.unwrap(), 2.0 / 3.0);
    close(row.specificity.unwrap(), 1.0 / 3.0);
    // Other test scores change the metrics at the threshold, not the threshold.
    let better = world.tested(run, &[&[7.0, 6.0, 5.0, 2.0, 1.0, 0.0]]);
    let (row, _) = figures(&world, &better, &[&validated]);
    assert_eq!((row.threshold, row.sensitivity, row.specificity), (Some(3.0), Some(1.0), Some(1.0)));
    // Other validation scores change the threshold.
    let validated = world.scored(run, Subset::Val, &[&[9.0, 8.0, 7.0, 6.5, 6.0, 5.0]]);
    let (row, _) = figures(&world, &tested, &[&validated]);
    assert_eq!((row.threshold, row.sensitivity, row.specificity), (Some(7.0), Some(1.0 / 3.0), Some(1.0)));
}

#[test]
fn without_validation_scores_of_its_own_a_model_has_no_threshold() {
    let mut world = world();
    let (run, other) = (world.run("mlp", 0), world.run("other", 0));
    let again = world.run_with("mlp", 0, |spec| spec.seed = 2);
    let tested = world.tested(run, &[&TESTED]);
    let validated = world.scored(run, Subset::Val, &[&VALIDATED]);
    let mut strangers = vec![
        world.scored(other, Subset::Val, &[&VALIDATED]),
        world.scored(again, Subset::Val, &[&VALIDATED]),
    ];
    // Test images (a threshold chosen on them would flatter the model); another scale; another fold.
    strangers.push(tested.clone());
    strangers.push(world.altered(&validated, |predictions| predictions.scale = Scale::Probability));
    strangers.push(world.altered(&validated, |predictions| predictions.fold = Some(1)));
    for stranger in &strangers {
        let (row, used) = figures(&world, &tested, &[stranger]);
        assert_eq!((row.threshold, row.sensitivity, row.specificity), (None, None, None), "{stranger:?}");
        assert!(used.is_empty(), "{stranger:?}");
        assert!(row.average_precision.is_some() && row.brier.is_some() && row.ece.is_some());
    }
    // Neither do validation scores themselves: metrics would be measured where the threshold was chosen.
    let (row, used) = figures(&world, &validated, &[&validated]);
    assert_eq!((row.threshold, used.len()), (None, 0));
}

#[test]
fn of_several_validation_scores_those_by_the_same_computation_count() {
    let mut world = world();
    let run = world.run("mlp", 0);
    let tested = world.tested(run, &[&TESTED]);
    let same = world.scored(run, Subset::Val, &[&VALIDATED]);
    let elsewhere = world.scored(run, Subset::Val, &[&[9.0, 8.0, 7.0, 6.5, 6.0, 5.0]]);
    let elsewhere = world.altered(&elsewhere, |predictions| {
        let ScoreSource::Run { threads, .. } = &mut predictions.source else { unreachable!() };
        *threads = 8;
    });
    for both in [[&same, &elsewhere], [&elsewhere, &same]] {
        assert_eq!(figures(&world, &tested, &both).1, [same.id]);
    }
    assert_eq!(figures(&world, &tested, &[&elsewhere]).0.threshold, Some(7.0));
}

#[test]
fn calibration_is_of_probabilities_also_where_scores_are_logits() {
    let mut world = world();
    let run = world.run("mlp", 0);
    // Probabilities of 3/4 and 1/4.
    let logit = 3.0f64.ln();
    let tested = world.tested(run, &[&[logit, logit, -logit, logit, -logit, -logit]]);
    let (row, _) = figures(&world, &tested, &[]);
    assert_eq!(row.prevalence, Some(0.5));
    // Four are 1/4 away from the true value, two 3/4.
    close(row.brier.unwrap(), (4.0 / 16.0 + 2.0 * 9.0 / 16.0) / 6.0);
    // Of three at 3/4, two have the label; of three at 1/4, one.
    close(row.ece.unwrap(), 0.75 - 2.0 / 3.0);
    let bins: Vec<(u64, u64)> = row.bins.iter().map(|bin| (bin.images, bin.positives)).collect();
    assert_eq!(bins, [(0, 0), (0, 0), (3, 1), (0, 0), (0, 0), (0, 0), (0, 0), (3, 2), (0, 0), (0, 0)]);
    // Probabilities are used unchanged.
    let (high, low) = (0.75, 0.25);
    let same = world.tested(run, &[&[high, high, low, high, low, low]]);
    let same = world.altered(&same, |predictions| predictions.scale = Scale::Probability);
    let (same, _) = figures(&world, &same, &[]);
    close(same.brier.unwrap(), row.brier.unwrap());
    close(same.ece.unwrap(), row.ece.unwrap());
    assert_eq!(same.average_precision, row.average_precision);
}
