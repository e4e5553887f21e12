//! Intervals from resampling patients.

use super::*;
use crate::records::{Bootstrap, BootstrapRow};

const LABELS: [&str; 2] = ["Mass", "Hernia"];

/// Twenty patients with `each` images that have the same scores and labels.
fn patients(each: u32) -> (World, Vec<Input>) {
    let n = 20 * each;
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
    assert_eq!((one.resamples, one.seed, one.level, one.patients), (200, 7, 0.95, 20));
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
    assert_eq!((one.patients, four.patients), (20, 20));
    assert_eq!(one.rows.len(), 3 * 3);
    for (a, b) in one.rows.iter().zip(&four.rows) {
        assert_eq!((&a.model, &a.less, &a.label, a.resamples), (&b.model, &b.less, &b.label, b.resamples));
        close(a.value, b.value);
        close(a.low, b.low);
        close(a.high, b.high);
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
    let none = row(&found, "one", Some("two"), None);
    assert_eq!((none.value, none.low, none.high), (0.0, 0.0, 0.0));
    let own = row(&found, "one", None, None);
    assert!(own.low < own.value && own.value < own.high, "{own:?}");
}

#[test]
fn draws_without_both_classes_are_left_out_and_counted() {
    // One positive of five patients: (4 / 5)^5, about a third, of the draws have none.
    let mut world = World::new(&["Mass"], images(&[1, 0, 0, 0, 0]), &["22222"]);
    let run = world.run("mlp", 0);
    let input = world.tested(run, &[&[3.0, 1.0, 4.0, 2.0, 0.0]]);
    let found = bootstrap(&world, &[input], 1000, 1);
    let drawn = row(&found, "mlp", None, Some("Mass")).resamples;
    // 672 are expected, with a standard deviation of 15.
    assert!((612..732).contains(&drawn), "{drawn}");
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
