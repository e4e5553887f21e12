//! Intervals from resampling patients.

use super::*;
use crate::records::{Bootstrap, BootstrapRow};

const LABELS: [&str; 2] = ["Mass", "Hernia"];

/// Sixty patients with `each` images that have the same scores and labels.
fn patients(each: u32) -> (World, Vec<Input>) {
    let n = 60 * each;
    let rows = (0..n).map(|image| super::image(image, image / each, (image / each * 7 + 3) % 4));
    let mut world = World::new(&LABELS, rows.collect(), &["2".repeat(n as usize).as_str()]);
    let inputs = [("one", 3u32), ("two", 11)].map(|(model, factor)| {
        let score = |image: u32, label: u32| f64::from((image / each * factor + label * 5) % 17);
        let by_label = [0, 1].map(|label| (0..n).map(|image| score(image, label)).collect::<Vec<f64>>());
        let run = world.run(model, 0);
        world.tested(run, &[&by_label[0], &by_label[1]])
    });
    (world, inputs.into())
}

fn bootstrap(world: &World, inputs: &[Input], resamples: u32, seed: u64) -> Bootstrap {
    let options = CompareOptions { bootstrap: Some((resamples, seed)), ..CompareOptions::default() };
    world.compare(&inputs.iter().collect::<Vec<_>>(), &options).unwrap().bootstrap.unwrap()
}

fn row<'a>(found: &'a Bootstrap, model: &str, less: Option<&str>, label: Option<&str>) -> &'a BootstrapRow {
    let wanted = |row: &&BootstrapRow| {
        (row.model.as_str(), row.less.as_deref(), row.label.as_deref()) == (model, less, label)
    };
    found.rows.iter().find(wanted).unwrap()
}

#[test]
fn the_same_draws_come_out_on_any_number_of_threads_and_others_of_another_seed() {
    let (world, inputs) = patients(1);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| bootstrap(&world, &inputs, 200, 7))
    };
    let one = on(1);
    assert_eq!((one.resamples, one.seed, one.level, one.patients), (200, 7, 0.95, 60));
    for threads in [2, 3, 8] {
        assert_eq!(on(threads), one, "{threads} threads");
    }
    assert_ne!(bootstrap(&world, &inputs, 200, 8).rows, one.rows);
}

#[test]
fn images_of_one_patient_are_drawn_together() {
    // Whether a patient has one image or four that look alike, the number of independent patients is the same:
    // drawing images would halve the width of the intervals.
    let [one, four] = [1, 4].map(|each| {
        let (world, inputs) = patients(each);
        bootstrap(&world, &inputs, 500, 1)
    });
    assert_eq!((one.patients, four.patients), (60, 60));
    assert_eq!(one.rows.len(), 3 * 3);
    for (a, b) in one.rows.iter().zip(&four.rows) {
        assert_eq!((&a.model, &a.less, &a.label, a.resamples), (&b.model, &b.less, &b.label, b.resamples));
        close(a.value, b.value);
        close(a.low.unwrap(), b.low.unwrap());
        close(a.high.unwrap(), b.high.unwrap());
        assert!(a.low < a.high, "{a:?}");
    }
}

#[test]
fn a_difference_is_of_the_same_draws() {
    let (mut world, mut inputs) = patients(1);
    let found = bootstrap(&world, &inputs, 300, 3);
    for label in [Some("Mass"), Some("Hernia"), None] {
        let value = |model: &str| row(&found, model, None, label).value;
        close(row(&found, "one", Some("two"), label).value, value("one") - value("two"));
    }
    // A model that orders the images like another differs from it by zero in every resample.
    let scores = inputs[0].predictions.scores;
    let same = world.run("two", 0);
    inputs[1] = world.altered(&inputs[0], |predictions| {
        (predictions.source, predictions.model, predictions.scores) =
            (by_run(same), "two".to_owned(), scores);
    });
    let found = bootstrap(&world, &inputs, 300, 3);
    // An interval without width is none.
    let none = row(&found, "one", Some("two"), None);
    assert_eq!((none.value, none.low, none.high, none.resamples), (0.0, None, None, 300));
    let own = row(&found, "one", None, None);
    assert!(own.low < Some(own.value) && Some(own.value) < own.high, "{own:?}");
}

#[test]
fn a_label_keeps_both_classes_in_every_draw_and_a_mean_counts_what_it_discards() {
    // One positive of five patients: (4 / 5)^5, about a third, of the draws of all patients have none.
    let mut world = World::new(&["Mass"], images(&[1, 0, 0, 0, 0]), &["22222"]);
    let run = world.run("mlp", 0);
    let input = world.tested(run, &[&[3.0, 1.0, 4.0, 2.0, 0.0]]);
    let found = bootstrap(&world, &[input], 1000, 1);
    let label = row(&found, "mlp", None, Some("Mass"));
    assert_eq!(
        (label.resamples, label.low, label.high),
        (1000, None, None),
        "one positive patient has no interval"
    );
    let mean = row(&found, "mlp", None, None);
    // 672 are expected, with a standard deviation of 15.
    assert!((612..732).contains(&mean.resamples), "{mean:?}");
    assert_eq!((mean.low, mean.high), (None, None));
}

#[test]
fn a_perfect_auc_has_no_interval_without_width() {
    let labels: Vec<u32> = (0..60).map(|n| n % 2).collect();
    let mut world = World::new(&["Mass"], images(&labels), &["2".repeat(60).as_str()]);
    let run = world.run("mlp", 0);
    let scores: Vec<f64> = labels.iter().map(|label| f64::from(*label)).collect();
    let input = world.tested(run, &[&scores]);
    let found = bootstrap(&world, &[input], 200, 1);
    let label = row(&found, "mlp", None, Some("Mass"));
    assert_eq!((label.value, label.low, label.high, label.resamples), (1.0, None, None, 200));
}

#[test]
fn the_labels_of_a_mean_are_fixed_before_anything_is_drawn() {
    // Hernia has one positive patient: without it, a mean over the other label alone would be of something else.
    let truth: Vec<u32> = (0..50).map(|n| (n % 2) | (u32::from(n == 0) << 1)).collect();
    let mut world = World::new(&LABELS, images(&truth), &["2".repeat(50).as_str()]);
    let run = world.run("mlp", 0);
    let scores: Vec<f64> = (0..50).map(|n| f64::from(n * 7 % 13)).collect();
    let input = world.tested(run, &[&scores, &scores]);
    let found = bootstrap(&world, &[input], 1000, 1);
    assert_eq!(row(&found, "mlp", None, Some("Mass")).resamples, 1000);
    // (49 / 50)^50 of the draws, 364 of 1,000 with a standard deviation of 15, lack the patient.
    let mean = row(&found, "mlp", None, None).resamples;
    assert!((576..696).contains(&mean), "{mean}");
}

#[test]
fn the_mean_over_pathologies_is_that_of_a_comparison_without_the_other_label() {
    let labels = ["Mass", "No Finding", "Hernia"];
    // Of 120 patients, 24 are tested in one re-sampling only.
    let n = 480;
    let rows = (0..n).map(|one| {
        let patient = one / 4;
        super::image(one, patient, ((patient * 7 + 3) % 4) | (u32::from(patient % 3 == 0) << 2))
    });
    let fold = |left_out: u32| (0..n).map(|one| if one / 4 % 5 == left_out { '3' } else { '2' }).collect();
    let folds: Vec<String> = vec![fold(1), fold(2)];
    let mut world =
        World::new(&labels, rows.collect(), &folds.iter().map(String::as_str).collect::<Vec<_>>());
    let mut inputs = Vec::new();
    for (model, factor) in [("one", 3u32), ("two", 11)] {
        for (fold, subsets) in (0..).zip(&folds) {
            let of = |label: u32| {
                let own = (0..n).filter(|one| subsets.as_bytes()[*one as usize] == b'2');
                own.map(|one| f64::from((one * factor + label * 5 + fold) % 17)).collect::<Vec<f64>>()
            };
            let scores = [0, 1, 2].map(of);
            let run = world.run(model, fold);
            inputs.push(world.tested(run, &[&scores[0], &scores[1], &scores[2]]));
        }
    }
    let inputs: Vec<&Input> = inputs.iter().collect();
    let options = CompareOptions { bootstrap: Some((100, 1)), ..CompareOptions::default() };
    let all = world.compare(&inputs, &options).unwrap();
    let asked = Labels::These(owned(&["Mass", "Hernia"]));
    let only = world.compare(&inputs, &CompareOptions { labels: asked, ..options }).unwrap();
    assert_eq!((all.no_finding.as_deref(), &only.no_finding), (Some("No Finding"), &None));
    for (own, other) in all.models.iter().zip(&only.models) {
        assert_eq!(own.pathology_errors, other.mean_errors);
        assert_ne!(own.mean_errors, other.mean_errors);
        assert!(own.pathology_errors.iter().all(|error| error.value > Some(0.0)), "{own:?}");
        assert_eq!(other.pathology_errors, []);
    }
    // The resamples of the means are the same ones.
    let means = |comparison: &Comparison, wanted: bool| -> Vec<BootstrapRow> {
        let rows = comparison.bootstrap.clone().unwrap().rows.into_iter();
        rows.filter(|row| row.label.is_none() && row.pathologies == wanted)
            .map(|row| BootstrapRow { pathologies: false, ..row })
            .collect()
    };
    let pathologies = means(&all, true);
    assert_eq!(pathologies.len(), 3, "two models and their difference");
    assert!(pathologies.iter().all(|row| row.low < row.high), "{pathologies:?}");
    assert_eq!(pathologies, means(&only, false));
    assert_ne!(pathologies, means(&all, false));
    assert_eq!(means(&only, true), []);
}

#[test]
fn models_of_other_images_have_no_difference() {
    // No difference is computed for models that did not score the same images.
    let (mut world, inputs) = patients(1);
    let rows: Vec<u32> = (0..10).collect();
    let few = world.imported("few", &LABELS, &rows, &[&[0.5; 10], &[0.5; 10]]);
    let few = world.altered(&few, |predictions| predictions.fold = Some(0));
    let options =
        CompareOptions { bootstrap: Some((10, 1)), allow_incomparable: true, ..CompareOptions::default() };
    let found = world.compare(&[&inputs[0], &few], &options).unwrap().bootstrap.unwrap();
    assert!(!found.rows.is_empty() && found.rows.iter().all(|row| row.less.is_none()));
}
