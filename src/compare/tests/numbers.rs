//! The numbers of a table for models on their test images.

use super::*;
use crate::records::Spread;

/// Three folds of eight test images. The first four images of each have the first label; every second image has
/// the second label, except in the last fold, where none has it.
fn three_folds() -> World {
    let labels = (0..24).map(|n: u32| u32::from(n % 8 < 4) | u32::from(n < 16 && n.is_multiple_of(2)) << 1);
    let folds = ["222222220000000000000000", "000000002222222200000000", "000000000000000022222222"];
    World::new(&["Mass", "Hernia"], images(&labels.collect::<Vec<u32>>()), &folds)
}

/// 16, 12 and 8 of 16 pairs of a positive and a negative are in the right order.
const MASS: [[f64; 8]; 3] = [
    [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0],
    [9.0, 8.0, 7.0, 1.0, 5.0, 4.0, 3.0, 2.0],
    [9.0, 8.0, 1.0, 0.0, 5.0, 4.0, 3.0, 2.0],
];
/// The same for the second label: 16 pairs, then 8 because all scores are tied, then no pairs at all.
const HERNIA: [[f64; 8]; 3] =
    [[9.0, 1.0, 8.0, 2.0, 7.0, 3.0, 6.0, 4.0], [1.0; 8], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]];

fn of_three_folds(world: &mut World, model: &str) -> Vec<Input> {
    (0..3)
        .map(|fold| {
            let run = world.run(model, fold as u32);
            world.tested(run, &[&MASS[fold], &HERNIA[fold]])
        })
        .collect()
}

#[test]
fn an_auc_stands_with_its_folds_their_mean_sample_deviation_and_extremes() {
    let mut world = three_folds();
    let inputs = of_three_folds(&mut world, "mlp");
    let comparison = world.compare(&inputs.iter().collect::<Vec<_>>(), &CompareOptions::default()).unwrap();
    assert_eq!((comparison.folds.as_slice(), comparison.incomparable.as_slice()), (&[0, 1, 2][..], &[][..]));
    assert_eq!(comparison.models.len(), 1);
    assert_eq!(comparison.models[0].images, [8, 8, 8]);
    assert_eq!(comparison.models[0].predictions, inputs.iter().map(|input| input.id).collect::<Vec<_>>());
    let mass = label(&comparison, "mlp", "Mass");
    assert_eq!(mass.positives, [4, 4, 4]);
    // 1, 0.75 and 0.5 are 0.25 apart: squares of 0.0625, 0 and 0.0625, divided by 3 - 1.
    let expected = Spread {
        folds: vec![Some(1.0), Some(0.75), Some(0.5)],
        n: 3,
        mean: Some(0.75),
        std: Some(0.25),
        min: Some(0.5),
        max: Some(1.0),
    };
    assert_eq!(mass.auc, expected);
    // Of the second fold, the positives beat 4, 4, 4 and 0 of 4 negatives: a variance of 1/4 over 4 positives, and
    // each negative is beaten by 3. Of the third, 4, 4, 0 and 0: a variance of 1/3 over 4.
    let errors: Vec<f64> = mass.std_errors.iter().map(|error| error.unwrap()).collect();
    close(errors[0], 0.0);
    close(errors[1], (1.0f64 / 16.0).sqrt());
    close(errors[2], (1.0f64 / 12.0).sqrt());
}

#[test]
fn a_fold_without_a_positive_has_no_auc_and_the_counts_say_why_and_how_many_a_mean_covers() {
    let mut world = three_folds();
    let inputs = of_three_folds(&mut world, "mlp");
    let comparison = world.compare(&inputs.iter().collect::<Vec<_>>(), &CompareOptions::default()).unwrap();
    let hernia = label(&comparison, "mlp", "Hernia");
    assert_eq!((hernia.positives.as_slice(), hernia.std_errors[2]), (&[4, 4, 0][..], None));
    assert_eq!(hernia.auc.folds, [Some(1.0), Some(0.5), None]);
    assert_eq!((hernia.auc.n, hernia.auc.mean, hernia.auc.min), (2, Some(0.75), Some(0.5)));
    close(hernia.auc.std.unwrap(), 0.125f64.sqrt());
    // The mean of a fold covers the labels that are defined there: both, both, only Mass.
    let mean = &comparison.models[0].mean;
    assert_eq!(mean.folds, [Some(1.0), Some(0.625), Some(0.5)]);
    assert_eq!((mean.n, mean.min, mean.max), (3, Some(0.5), Some(1.0)));
    close(mean.mean.unwrap(), 2.125 / 3.0);
    // There is no AUC either if all images have a label.
    let world_of_positives = |labels: &[u32]| {
        let mut world = World::new(&["Mass"], images(labels), &["222"]);
        let run = world.run("mlp", 0);
        let input = world.tested(run, &[&[1.0, 2.0, 3.0]]);
        world.compare(&[&input], &CompareOptions::default()).unwrap()
    };
    let all = world_of_positives(&[1, 1, 1]);
    let spread = label(&all, "mlp", "Mass");
    assert_eq!((spread.positives.as_slice(), all.models[0].images.as_slice()), (&[3][..], &[3][..]));
    assert_eq!((spread.auc.n, spread.auc.mean, all.models[0].mean.mean), (0, None, None));
    assert_eq!(all.models[0].mean.n, 0);
    // One positive has an AUC but no standard error.
    let one = world_of_positives(&[0, 0, 1]);
    let spread = label(&one, "mlp", "Mass");
    assert_eq!((spread.auc.mean, spread.auc.std, spread.std_errors[0]), (Some(1.0), None, None));
}

#[test]
fn scores_of_another_tool_are_called_so_and_no_label_that_the_data_set_has_not_is_positive() {
    let mut world = World::new(&["Mass"], images(&[1, 0, 1, 0]), &["2222"]);
    let input =
        world.imported("theirs", &["Mass", "Cough"], &[0, 1, 2, 3], &[&[0.9, 0.1, 0.8, 0.2], &[0.5; 4]]);
    let comparison = world.compare(&[&input], &CompareOptions::default()).unwrap();
    assert!(comparison.models[0].imported && comparison.folds.is_empty());
    assert_eq!(label(&comparison, "theirs", "Mass").auc.mean, Some(1.0));
    let cough = label(&comparison, "theirs", "Cough");
    assert_eq!((cough.positives.as_slice(), cough.auc.mean), (&[0][..], None));
    let run = world.run("mlp", 0);
    let own = world.tested(run, &[&[1.0, 2.0, 3.0, 4.0]]);
    assert!(!world.compare(&[&own], &CompareOptions::default()).unwrap().models[0].imported);
}

/// Two models on two folds of four test images and two labels.
fn two_models(first: [[[f64; 4]; 2]; 2], second: [[[f64; 4]; 2]; 2]) -> (World, Vec<Input>) {
    let labels = [0b01, 0b10, 0b01, 0b10, 0b01, 0b10, 0b01, 0b10];
    let mut world = World::new(&["Mass", "Hernia"], images(&labels), &["22220000", "00002222"]);
    let mut inputs = Vec::new();
    for (model, scores) in [("one", first), ("two", second)] {
        for (fold, [mass, hernia]) in (0..).zip(scores) {
            let run = world.run(model, fold);
            inputs.push(world.tested(run, &[&mass, &hernia]));
        }
    }
    (world, inputs)
}

#[test]
fn rank_correlations_are_a_mean_over_labels_and_folds() {
    let ascending = [1.0, 2.0, 3.0, 4.0];
    // Of n = 4 without ties, 1 - 6 * sum(d^2) / (n * (n^2 - 1)) = 1 - sum(d^2) / 10.
    let (same, neighbours, outer, backwards) =
        ([10.0, 20.0, 30.0, 40.0], [2.0, 1.0, 3.0, 4.0], [4.0, 2.0, 3.0, 1.0], [4.0, 3.0, 2.0, 1.0]);
    let (world, inputs) = two_models([[ascending; 2]; 2], [[same, neighbours], [outer, backwards]]);
    let inputs: Vec<&Input> = inputs.iter().collect();
    let found = world.compare(&inputs, &CompareOptions::default()).unwrap();
    // 1, 0.8, -0.8 and -1: sums of squares of 0, 2, 18 and 20.
    close(found.spearman[0][1].unwrap(), 0.0);
    assert_eq!(found.spearman[0][1], found.spearman[1][0]);
    assert_eq!((found.spearman[0][0], found.spearman[1][1]), (Some(1.0), Some(1.0)));
    assert_eq!(found.pooling, Pooling::PerLabel);

    // If a model gives all images the same score, the correlation is undefined: the mean is over the other
    // three, with equal weights.
    let (world, inputs) = two_models([[ascending; 2]; 2], [[same, neighbours], [backwards, [7.0; 4]]]);
    let inputs: Vec<&Input> = inputs.iter().collect();
    let found = world.compare(&inputs, &CompareOptions::default()).unwrap();
    close(found.spearman[0][1].unwrap(), (1.0 + 0.8 - 1.0) / 3.0);

    // Pooling all scores of a fold shows that one label is scored higher than the other.
    let lower = [-4.0, -3.0, -2.0, -1.0];
    let (world, inputs) = two_models([[ascending, lower]; 2], [[backwards, lower], [ascending, lower]]);
    let inputs: Vec<&Input> = inputs.iter().collect();
    let options = CompareOptions { pooling: Pooling::AllScores, ..CompareOptions::default() };
    let found = world.compare(&inputs, &options).unwrap();
    // n = 8: 1 - 6 * 20 / (8 * 63) on the first fold, 1 on the second; by label, (-1 + 1 + 1 + 1) / 4.
    close(found.spearman[0][1].unwrap(), (1.0 - 120.0 / 504.0 + 1.0) / 2.0);
    close(world.compare(&inputs, &CompareOptions::default()).unwrap().spearman[0][1].unwrap(), 0.5);
}

/// Two models, ten images and three labels; in the second fold the scores of the two models are exchanged.
fn for_delong() -> (World, Vec<Input>) {
    let truth = [0b011, 0b001, 0b011, 0b101, 0b110, 0b100, 0b010, 0b000, 0b010, 0b100];
    let labels = [truth, truth].concat();
    let folds = ["22222222220000000000", "00000000002222222222"];
    let mut world = World::new(&["Mass", "Nodule", "Edema"], images(&labels), &folds);
    let one: [&[f64]; 3] = [
        &[0.9, 0.8, 0.7, 0.4, 0.5, 0.3, 0.3, 0.2, 0.1, 0.6],
        &[0.9, 0.1, 0.7, 0.3, 0.8, 0.2, 0.6, 0.4, 0.5, 0.5],
        &[0.2, 0.3, 0.1, 0.9, 0.8, 0.4, 0.5, 0.3, 0.2, 0.7],
    ];
    let two: [&[f64]; 3] = [
        &[0.6, 0.5, 0.2, 0.4, 0.5, 0.7, 0.1, 0.3, 0.8, 0.4],
        &[0.8, 0.3, 0.2, 0.6, 0.9, 0.1, 0.5, 0.4, 0.7, 0.6],
        &[0.6, 0.5, 0.2, 0.4, 0.3, 0.9, 0.5, 0.1, 0.7, 0.4],
    ];
    let mut inputs = Vec::new();
    for (model, scores) in [("one", [one, two]), ("two", [two, one])] {
        for (fold, scores) in (0..).zip(scores) {
            let run = world.run(model, fold);
            inputs.push(world.tested(run, &scores));
        }
    }
    (world, inputs)
}

/// From the definition (DeLong, DeLong and Clarke-Pearson 1988, equations 4 to 6) in Python's `fractions`:
/// placements V10 and V01 of every pair, S = S10 / m + S01 / n, and p = erfc(|z| / sqrt(2)) of `math`.
const DELONG: [(&str, f64, f64, f64); 3] = [
    ("Mass", 0.4583333333333333, 0.2207415952009314, 0.037863048190589825),
    ("Nodule", 0.22, 0.18110770276274835, 0.22446268200786784),
    ("Edema", 0.4583333333333333, 0.2568505834570407, 0.07435290536856365),
];

#[test]
fn delong_s_paired_test_has_the_p_values_of_its_definition() {
    let (world, inputs) = for_delong();
    let found = world.compare(&inputs.iter().collect::<Vec<_>>(), &CompareOptions::default()).unwrap();
    assert_eq!(found.delong.len(), 3 * 2);
    for row in &found.delong {
        let (_, difference, std_error, p) = DELONG.iter().find(|(label, ..)| *label == row.label).unwrap();
        let sign = if row.fold == Some(0) { 1.0 } else { -1.0 };
        assert_eq!((row.a.as_str(), row.b.as_str()), ("one", "two"));
        close(row.difference, sign * difference);
        close(row.std_error, *std_error);
        close(row.p.unwrap(), *p);
    }
}

#[test]
fn p_values_are_adjusted_over_the_labels_of_a_pair_and_fold() {
    let (world, inputs) = for_delong();
    let found = world.compare(&inputs.iter().collect::<Vec<_>>(), &CompareOptions::default()).unwrap();
    for row in &found.delong {
        let [mass, nodule, edema] = DELONG.map(|(.., p)| p);
        // Ascending: Mass, Edema, Nodule. Holm: 3 p, 2 p, p, each at least the previous one. Benjamini and
        // Hochberg: 3 p, 3 p / 2, p, each at most the next one. For six tests at once they would be twice that.
        let (holm, bh) = match row.label.as_str() {
            "Mass" => (3.0 * mass, 1.5 * edema),
            "Edema" => (2.0 * edema, 1.5 * edema),
            _ => (nodule, nodule),
        };
        assert!(3.0 * mass > 1.5 * edema && 1.5 * edema < nodule);
        close(row.p_holm.unwrap(), holm);
        close(row.p_bh.unwrap(), bh);
    }
}

#[test]
fn models_that_order_the_images_alike_have_a_difference_of_zero_and_no_p_value() {
    let mut world = World::new(&["Mass"], images(&[1, 1, 0, 0]), &["2222"]);
    let (one, two) = (world.run("one", 0), world.run("two", 0));
    let inputs = [world.tested(one, &[&[4.0, 2.0, 3.0, 1.0]]), world.tested(two, &[&[0.4, 0.2, 0.3, 0.1]])];
    let found = world.compare(&[&inputs[0], &inputs[1]], &CompareOptions::default()).unwrap();
    let row = &found.delong[0];
    assert_eq!((row.difference, row.std_error), (0.0, 0.0));
    assert_eq!((row.p, row.p_holm, row.p_bh), (None, None, None));
    // One fold is not a sample of folds.
    assert_eq!(found.resampled, []);
}

#[test]
fn the_test_over_folds_widens_its_variance_by_test_over_training_images() {
    let labels: Vec<u32> = (0..24).map(|n| u32::from(n % 8 < 4)).collect();
    // Eight test and twelve training images per fold; the others validate.
    let folds = ["222222220000000000001111", "000011112222222200000000", "000000000000111122222222"];
    let mut world = World::new(&["Mass"], images(&labels), &folds);
    let mut inputs = Vec::new();
    for (model, of_folds) in [("one", [0, 1, 0]), ("two", [1, 2, 2])] {
        for (fold, scores) in (0..).zip(of_folds) {
            let run = world.run(model, fold);
            inputs.push(world.tested(run, &[&MASS[scores]]));
        }
    }
    let found = world.compare(&inputs.iter().collect::<Vec<_>>(), &CompareOptions::default()).unwrap();
    assert_eq!(found.resampled.len(), 2, "a label, and the mean of labels");
    let ratio = 24.0 / 36.0;
    // Differences of 0.25, 0.25 and 0.5.
    let mean: f64 = 1.0 / 3.0;
    let deviation = ((2.0 * (0.25 - mean).powi(2) + (0.5 - mean).powi(2)) / 2.0).sqrt();
    let std_error = (1.0f64 / 3.0 + ratio).sqrt() * deviation;
    // Student's t of two degrees of freedom: two-sided, p = 1 - |t| / sqrt(2 + t^2).
    let t: f64 = mean / std_error;
    let p = 1.0 - t / (2.0 + t * t).sqrt();
    for row in &found.resampled {
        assert_eq!((row.n, row.test_to_train), (3, ratio));
        close(row.difference, mean);
        close(row.std_error, std_error);
        close(row.p.unwrap(), p);
        // With a single label there is nothing to adjust; the mean over labels does not belong to the family.
        assert_eq!(row.p_holm, row.label.as_ref().and(row.p));
        assert_eq!(row.p_bh, row.p_holm);
    }
}
