//! The numbers of a table for models on their test images.

use super::*;
use crate::records::{DelongRow, Primary, Spread, StdError};

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
        seeds: Vec::new(),
        seed_std: None,
    };
    assert_eq!(mass.auc, expected);
    // Of the second fold, the positives beat 4, 4, 4 and 0 of 4 negatives: a variance of 1/4 over 4 positives, and
    // each negative is beaten by 3. Of the third, 4, 4, 0 and 0: a variance of 1/3 over 4.
    assert_eq!(
        (mass.negatives.as_slice(), mass.positive_patients.as_slice()),
        (&[4, 4, 4][..], &[4, 4, 4][..])
    );
    assert_eq!(
        (mass.negative_patients.as_slice(), comparison.models[0].patients.as_slice()),
        (&[4, 4, 4][..], &[8, 8, 8][..])
    );
    let errors: Vec<f64> = mass.std_errors.iter().map(|error| error.value.unwrap()).collect();
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
    assert_eq!((hernia.positives.as_slice(), hernia.std_errors[2]), (&[4, 4, 0][..], StdError::default()));
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
    assert_eq!(
        (spread.auc.mean, spread.auc.std, spread.std_errors[0]),
        (Some(1.0), None, StdError::default())
    );
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

fn compared(variance: Variance) -> Vec<DelongRow> {
    let (world, inputs) = for_delong();
    let options = CompareOptions { variance, ..CompareOptions::default() };
    world.compare(&inputs.iter().collect::<Vec<_>>(), &options).unwrap().delong
}

#[test]
fn paired_tests_have_the_values_of_their_definition_and_none_with_few_patients() {
    for variance in [Variance::Delong, Variance::Clustered] {
        let rows = compared(variance);
        // Three labels and their mean, on two folds.
        assert_eq!(rows.len(), 4 * 2);
        for row in rows.iter().filter(|row| row.label.is_some()) {
            let label = row.label.as_ref().unwrap();
            let (_, difference, std_error, p) = DELONG.iter().find(|(known, ..)| known == label).unwrap();
            let sign = if row.fold == Some(0) { 1.0 } else { -1.0 };
            assert_eq!((row.a.as_str(), row.b.as_str(), row.over), ("one", "two", None));
            close(row.difference, sign * difference);
            // With one image a patient both variances are the same.
            close(row.std_error.value.unwrap(), *std_error);
            // Mass and Edema have four positive patients.
            match (label.as_str(), variance) {
                ("Nodule", Variance::Delong) => close(row.p.unwrap(), *p),
                ("Nodule", Variance::Clustered) => {
                    // Student's t has heavier tails than the normal distribution.
                    assert!(row.p.unwrap() > *p && row.p.unwrap() < 2.0 * p, "{row:?}");
                    assert!((4.0..8.0).contains(&row.std_error.df.unwrap()), "{row:?}");
                }
                _ => assert_eq!((row.positive_patients, row.p, row.p_holm), (4, None, None)),
            }
            assert_eq!(row.std_error.df.is_some(), variance == Variance::Clustered);
        }
        let means: Vec<_> = rows.iter().filter(|row| row.label.is_none()).collect();
        for (row, fold) in means.iter().zip([0, 1]) {
            assert_eq!((row.over, row.fold, row.positive_patients), (Some(3), Some(fold), 4));
            let sign = if fold == 0 { 1.0 } else { -1.0 };
            close(row.difference, sign * DELONG.iter().map(|row| row.1).sum::<f64>() / 3.0);
        }
    }
}

/// Three models, two folds of sixty images of thirty patients each, and two labels.
fn for_families() -> (World, Vec<Input>) {
    let rows = (0..120).map(|n| image(n, n / 2, n * 7 / 3 % 4));
    let folds = ["2".repeat(60) + &"0".repeat(60), "0".repeat(60) + &"2".repeat(60)];
    let mut world = World::new(&["Mass", "Edema"], rows.collect(), &[folds[0].as_str(), folds[1].as_str()]);
    let mut inputs = Vec::new();
    for (model, factor) in [("one", 3), ("two", 5), ("three", 11)] {
        for fold in 0..2 {
            let run = world.run(model, fold);
            let score = |label: u32| {
                let of = |n: u32| {
                    f64::from((n * factor + label * 3 + fold) % 19)
                        + f64::from(((n * 7 / 3 % 4) >> label) & 1) * 4.0
                };
                (0..60).map(of).collect::<Vec<f64>>()
            };
            inputs.push(world.tested(run, &[&score(0), &score(1)]));
        }
    }
    (world, inputs)
}

#[test]
fn all_labels_pairs_and_folds_of_a_table_are_one_family_of_tests() {
    let (world, inputs) = for_families();
    let found = world.compare(&inputs.iter().collect::<Vec<_>>(), &CompareOptions::default()).unwrap();
    // Three pairs on two folds: two labels and the mean.
    assert_eq!((found.delong.len(), found.resampled.len()), (3 * 2 * 3, 3 * 3));
    let p: Vec<Option<f64>> = found.delong.iter().map(|row| row.p).collect();
    assert!(p.iter().all(Option::is_some));
    assert_eq!(found.delong.iter().map(|row| row.p_holm).collect::<Vec<_>>(), crate::stats::holm(&p));
    assert_eq!(
        found.delong.iter().map(|row| row.p_bh).collect::<Vec<_>>(),
        crate::stats::benjamini_hochberg(&p)
    );
    let p: Vec<Option<f64>> = found.resampled.iter().map(|row| row.p).collect();
    assert_eq!(found.resampled.iter().map(|row| row.p_holm).collect::<Vec<_>>(), crate::stats::holm(&p));
}

#[test]
fn the_primary_comparison_stands_outside_of_the_family() {
    let (world, inputs) = for_families();
    let primary = Some(Primary { a: "three".into(), b: "one".into() });
    let options =
        CompareOptions { primary: primary.clone().map(ColumnPair::from), ..CompareOptions::default() };
    let found = world.compare(&inputs.iter().collect::<Vec<_>>(), &options).unwrap();
    assert_eq!(found.primary, primary);
    // Over several folds it is the test over folds.
    let named =
        |row: &&crate::records::ResampledRow| row.label.is_none() && row.a == "one" && row.b == "three";
    let outside: Vec<_> = found.resampled.iter().filter(named).collect();
    assert_eq!(outside.len(), 1);
    assert!(outside[0].p.is_some() && outside[0].p_holm.is_none() && outside[0].p_bh.is_none());
    let p: Vec<Option<f64>> = found.resampled.iter().filter(|row| !named(row)).map(|row| row.p).collect();
    let holm: Vec<_> = found.resampled.iter().filter(|row| !named(row)).map(|row| row.p_holm).collect();
    assert_eq!(holm, crate::stats::holm(&p));
    assert!(found.delong.iter().all(|row| row.p_holm.is_some()));
    // On one fold it is the test on its images.
    let one: Vec<&Input> = inputs.iter().step_by(2).collect();
    let found = world.compare(&one, &options).unwrap();
    let outside: Vec<_> = found.delong.iter().filter(|row| row.p.is_some() && row.p_holm.is_none()).collect();
    assert_eq!(outside.len(), 1);
    assert_eq!((outside[0].a.as_str(), outside[0].b.as_str(), &outside[0].label), ("one", "three", &None));
    let other = CompareOptions { primary: Some("one:four".parse().unwrap()), ..options };
    assert!(
        matches!(world.compare(&one, &other), Err(CompareError::NoSuchColumn { name, .. }) if name == "four")
    );
}

#[test]
fn images_of_one_patient_that_are_alike_count_once_unless_taken_as_independent() {
    // Every image twice, of one patient: with patients as clusters nothing changes.
    let of = |copies: u32, variance| {
        let rows = (0..40 * copies).map(|n| image(n, n / copies, u32::from((n / copies).is_multiple_of(3))));
        let mut world = World::new(&["Mass"], rows.collect(), &["2".repeat(40 * copies as usize).as_str()]);
        let run = world.run("mlp", 0);
        let scores: Vec<f64> = (0..40 * copies).map(|n| f64::from(n / copies * 7 % 23)).collect();
        let input = world.tested(run, &[&scores]);
        let options = CompareOptions { variance, ..CompareOptions::default() };
        let found = world.compare(&[&input], &options).unwrap();
        assert_eq!(found.variance, variance);
        label(&found, "mlp", "Mass").std_errors[0].value.unwrap()
    };
    close(of(1, Variance::Clustered), of(1, Variance::Delong));
    close(of(2, Variance::Clustered), of(1, Variance::Clustered));
    assert!(of(2, Variance::Delong) < 0.75 * of(2, Variance::Clustered));
}

#[test]
fn scores_of_a_part_of_the_subset_say_of_how_many() {
    let mut world = World::new(&["Mass"], images(&[1, 0, 1, 0, 1, 0]), &["222222"]);
    let split = world.split;
    let part = world.imported("part", &["Mass"], &[0, 1, 2, 3], &[&[4.0, 3.0, 2.0, 1.0]]);
    let part = world.altered(&part, |predictions| {
        (predictions.split, predictions.fold, predictions.subset) =
            (Some(split), Some(0), Some(Subset::Test));
    });
    let found = world.compare(&[&part], &CompareOptions::default()).unwrap();
    assert_eq!(
        (found.models[0].images.as_slice(), found.models[0].of_images.as_slice()),
        (&[4][..], &[6][..])
    );
    let run = world.run("all", 0);
    let all = world.tested(run, &[&[6.0, 5.0, 4.0, 3.0, 2.0, 1.0]]);
    let found = world.compare(&[&all], &CompareOptions::default()).unwrap();
    assert!(found.models[0].of_images.is_empty());
    assert_eq!(
        kinds(&world.against(&[&all, &part], &CompareOptions::default())),
        [IncomparableKind::DifferentImages]
    );
    // Restricted to the shared images, the complete scores are still complete.
    let shared = CompareOptions { shared_images: true, ..CompareOptions::default() };
    let found = world.compare(&[&all, &part], &shared).unwrap();
    assert!(found.models[0].of_images.is_empty() && found.models[1].of_images == [6]);
}

#[test]
fn models_that_order_the_images_alike_have_a_difference_of_zero_and_no_p_value() {
    let mut world = World::new(&["Mass"], images(&[1, 1, 0, 0]), &["2222"]);
    let (one, two) = (world.run("one", 0), world.run("two", 0));
    let inputs = [world.tested(one, &[&[4.0, 2.0, 3.0, 1.0]]), world.tested(two, &[&[0.4, 0.2, 0.3, 0.1]])];
    let found = world.compare(&[&inputs[0], &inputs[1]], &CompareOptions::default()).unwrap();
    let row = &found.delong[0];
    assert_eq!((row.difference, row.std_error.value), (0.0, Some(0.0)));
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
        // The label and the mean over labels are two tests of the same p-value.
        close(row.p_holm.unwrap(), (2.0 * p).min(1.0));
        close(row.p_bh.unwrap(), p);
    }
}
