//! The ROC curves behind a comparison.

use super::*;

#[test]
fn a_curve_has_the_corners_that_its_scores_make_and_encloses_the_auc() {
    let mut world = World::new(&["Mass", "Hernia"], images(&[1, 1, 0, 1, 0, 0]), &["222222"]);
    let run = world.run("mlp", 0);
    // In falling order: two positives, a negative, a positive beside a negative, a negative.
    let input = world.tested(run, &[&[6.0, 5.0, 4.0, 3.0, 3.0, 1.0], &[1.0; 6]]);
    let found = world.compare(&[&input], &CompareOptions::default()).unwrap();
    let curves = roc_curves(&world.store, &found).unwrap();
    let [curve] = curves.as_slice() else { panic!("no image has Hernia: {curves:?}") };
    assert_eq!((curve.model.as_str(), curve.label.as_str(), curve.fold), ("mlp", "Mass", Some(0)));
    // The point at 6 is on the line to the point at 5.
    assert_eq!(curve.fpr, [0.0, 0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0]);
    assert_eq!(curve.tpr, [0.0, 2.0 / 3.0, 2.0 / 3.0, 1.0, 1.0]);
    assert_eq!(curve.thresholds, [None, Some(5.0), Some(4.0), Some(3.0), Some(1.0)]);
    let steps = curve.fpr.windows(2).zip(curve.tpr.windows(2));
    let area: f64 = steps.map(|(x, y)| (x[1] - x[0]) * (y[0] + y[1]) / 2.0).sum();
    close(area, label(&found, "mlp", "Mass").auc.mean.unwrap());
}

#[test]
fn a_label_that_was_not_compared_has_no_curve() {
    let mut world = World::new(&["Mass", "Hernia"], images(&[3, 0, 1, 2]), &["2222"]);
    let run = world.run("mlp", 0);
    let input = world.tested(run, &[&[4.0, 3.0, 2.0, 1.0], &[4.0, 3.0, 2.0, 1.0]]);
    let options = CompareOptions { labels: Labels::These(owned(&["Hernia"])), ..CompareOptions::default() };
    let found = world.compare(&[&input], &options).unwrap();
    let labels: Vec<String> =
        roc_curves(&world.store, &found).unwrap().into_iter().map(|curve| curve.label).collect();
    assert_eq!(labels, ["Hernia"]);
}
