//! Several seeds of a setup, rankings by validation images, and ensembles.

use super::*;
use crate::records::RankedModel;
use crate::stats;

/// Two folds, each of six test and four validation images; the first half of each has the label.
fn world() -> World {
    let labels = [1, 1, 1, 0, 0, 0, 1, 1, 0, 0];
    let folds = ["22222211110000000000", "00000000002222221111"];
    World::new(&["Mass"], images(&[labels, labels].concat()), &folds)
}

/// 9, 8 and 6 of 9 pairs are in the right order.
const RIGHT: [[f64; 6]; 3] =
    [[9.0, 8.0, 7.0, 3.0, 2.0, 1.0], [9.0, 8.0, 2.5, 3.0, 2.0, 1.0], [9.0, 8.0, 0.0, 3.0, 2.0, 1.0]];

/// A setup whose seeds have these scores in each fold.
fn setup(world: &mut World, model: &str, of_folds: &[&[[f64; 6]]]) -> Vec<Input> {
    let mut inputs = Vec::new();
    for (fold, seeds) in (0..).zip(of_folds) {
        for (seed, scores) in (1..).zip(*seeds) {
            let run = world.run_with(model, fold, |spec| spec.seed = seed);
            inputs.push(world.tested(run, &[scores]));
        }
    }
    inputs
}

#[test]
fn a_division_has_the_mean_over_its_seeds_and_both_deviations_stand_apart() {
    let mut world = world();
    let inputs = setup(&mut world, "one", &[&RIGHT, &RIGHT[..2]]);
    // In any order.
    let reversed: Vec<&Input> = inputs.iter().rev().collect();
    let found = world.compare(&reversed, &CompareOptions::default()).unwrap();
    let [model] = found.models.as_slice() else { panic!("{:?}", found.models) };
    assert_eq!((model.seeds.as_slice(), model.predictions.len()), (&[vec![1, 2, 3], vec![1, 2]][..], 5));
    assert_eq!(model.fold_count(), 2);
    let ids: Vec<_> = inputs.iter().map(|input| input.id).collect();
    assert_eq!(model.predictions, ids, "by division, then by seed");
    let auc = &model.labels[0].auc;
    assert_eq!(auc.seeds, [vec![1.0, 8.0 / 9.0, 6.0 / 9.0], vec![1.0, 8.0 / 9.0]]);
    let means = [23.0 / 27.0, 17.0 / 18.0];
    close(auc.folds[0].unwrap(), means[0]);
    close(auc.folds[1].unwrap(), means[1]);
    close(auc.mean.unwrap(), (means[0] + means[1]) / 2.0);
    close(auc.std.unwrap(), (means[1] - means[0]) / 2f64.sqrt());
    close(auc.seed_std.unwrap(), stats::pooled_std(&auc.seeds).unwrap());
    assert_eq!(found.incomparable, []);
    assert_eq!(comparison(&world.store, &found).unwrap(), found);
}

#[test]
fn tests_intervals_and_metrics_are_those_of_the_mean_over_seeds() {
    let mut world = world();
    let one = setup(&mut world, "one", &[&RIGHT, &RIGHT]);
    let other = setup(&mut world, "other", &[&RIGHT[..1], &RIGHT[..1]]);
    let inputs: Vec<&Input> = one.iter().chain(&other).collect();
    let options = CompareOptions {
        bootstrap: Some((20, 1)),
        metrics: true,
        groups: vec![GroupBy::View],
        ..CompareOptions::default()
    };
    let found = world.compare(&inputs, &options).unwrap();
    assert_eq!(found.incomparable, []);
    let means = [0, 1].map(|model: usize| found.models[model].labels[0].auc.folds[0].unwrap());
    let row = found.delong.iter().find(|row| row.label.is_some() && row.fold == Some(0)).unwrap();
    close(row.difference, means[0] - means[1]);
    close(found.resampled[0].difference, means[0] - means[1]);
    close(found.groups[0].auc.unwrap(), means[0]);
    let drawn = &found.bootstrap.as_ref().unwrap().rows[0];
    close(drawn.value, means[0]);
    let seeds: Vec<Option<u64>> = found.metrics.iter().map(|row| row.seed).collect();
    let several = [Some(1), Some(2), Some(3)];
    assert_eq!(seeds, [&several[..], &several, &[None, None]].concat());
    // The mean over all pairs of a seed of either.
    let pairs = RIGHT.map(|scores| stats::spearman(&scores, &RIGHT[0]).unwrap());
    close(found.spearman[0][1].unwrap(), pairs.iter().sum::<f64>() / 3.0);
    assert_eq!((found.spearman[0][0], found.spearman[1][1]), (Some(1.0), Some(1.0)));
    assert_eq!(comparison(&world.store, &found).unwrap(), found);
}

#[test]
fn only_runs_that_differ_in_their_seed_share_a_cell() {
    let mut world = world();
    let own = world.run("one", 0);
    let own = world.tested(own, &[&RIGHT[0]]);
    let slower = world.run_with("one", 0, |spec| (spec.seed, spec.training.lr) = (2, 0.5));
    let again = world.run_with("one", 0, |spec| spec.threads = 7);
    for other in [slower, again] {
        let other = world.tested(other, &[&RIGHT[1]]);
        let refused = world.compare(&[&own, &other], &CompareOptions::default());
        assert!(matches!(refused, Err(CompareError::SameCell { .. })), "{refused:?}");
        // Under names of their own they are two columns.
        let label = |input: &Input, name: &str| Input { label: Some(name.to_owned()), ..input.clone() };
        let found =
            world.compare(&[&label(&own, "a"), &label(&other, "b")], &CompareOptions::default()).unwrap();
        assert_eq!(found.models.iter().map(|model| &*model.name).collect::<Vec<_>>(), ["a", "b"]);
    }
}

#[test]
fn a_ranking_is_by_validation_images_whatever_the_test_images_say() {
    let mut world = world();
    let (mut inputs, mut validation) = (Vec::new(), Vec::new());
    // The best on test images is the worst on validation images; the last has none.
    for (model, tested, validated) in [
        ("best-tested", RIGHT[0], Some([1.0, 2.0, 3.0, 4.0])),
        ("best-validated", RIGHT[2], Some([4.0, 3.0, 2.0, 1.0])),
        ("unknown", RIGHT[1], None),
    ] {
        let run = world.run(model, 0);
        inputs.push(world.tested(run, &[&tested]));
        validation.extend(validated.map(|scores| world.scored(run, Subset::Val, &[&scores])));
    }
    let options = CompareOptions { ranking: true, ..CompareOptions::default() };
    let inputs: Vec<&Input> = inputs.iter().collect();
    let found =
        world.compare_beside(&inputs, &options, None, &validation.iter().collect::<Vec<_>>()).unwrap();
    let ranked = |of: &RankedModel| (of.model.clone(), of.validation.mean, of.labels.clone());
    let expected = [("best-validated", Some(1.0), 1), ("best-tested", Some(0.0), 1), ("unknown", None, 0)];
    let expected = expected.map(|(model, mean, labels)| (model.to_owned(), mean, vec![labels]));
    assert_eq!(found.ranking.iter().map(ranked).collect::<Vec<_>>(), expected);
    assert_eq!(comparison(&world.store, &found).unwrap(), found);
}

#[test]
fn an_ensemble_has_seen_what_its_members_have_seen() {
    let mut world = world();
    let first = world.run("first", 1);
    let weights = world.weights(first);
    let members = [world.run("one", 0), world.run_with("two", 0, |spec| spec.weights = Some(weights))];
    let members = members.map(|run| world.tested(run, &[&RIGHT[0]]));
    let mut predictions: Vec<_> = members.iter().map(|member| member.id).collect();
    predictions.sort_unstable();
    let mean = world.altered(&members[0], |mean| {
        mean.source = ScoreSource::Mean { predictions: predictions.clone(), rules: rules::MEAN };
        mean.model = "both".to_owned();
    });
    let found = own_leaks(&world.store, mean.id, None, PixelSource::Among(&[])).unwrap();
    // The second started from a run that was trained on the test patients of fold 0.
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].why.contains("6 of the 6 patients"), "{found:?}");
    assert_eq!(own_leaks(&world.store, members[0].id, None, PixelSource::Among(&[])).unwrap(), []);
}
