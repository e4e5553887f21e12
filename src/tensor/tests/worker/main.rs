//! The worker from `reg`'s point of view: a job in, events and files out. About half a second per start.

mod bench;

use std::fs;
use std::path::Path;
use std::process::Command;

use bench::*;
use reg::dataset::pixels::{decode, encode_png};
use reg::records::{EarlyStop, EpochLog, Init, Layout, Pixels, Precision, Subset, Training};
use reg::worker::{Identity, JobFile, Phase, ProgressStep, Work, WorkerEvent};
use serde_json::json;

/// Share of (positive, negative) pairs in the right order.
fn auc(scores: &[f64], positive: &[bool]) -> f64 {
    let of = |class| scores.iter().zip(positive).filter(move |(_, p)| **p == class).map(|(s, _)| *s);
    let pairs = of(true).flat_map(|p| of(false).map(move |n| (p, n)));
    let (right, all) = pairs.fold((0, 0), |(right, all), (p, n)| (right + u32::from(p > n), all + 1));
    f64::from(right) / f64::from(all)
}

#[test]
fn a_perceptron_learns_a_planted_rule_and_scores_the_test_subset() {
    let bench = Bench::new(600, false);
    let (out, spec) = (bench.out("train"), spec(mlp(), 30));
    let (outcome, events) = run(&bench.train(&out, &spec, None));
    assert_eq!((outcome.epochs, outcome.parameters), (30, 3 * 16 + 16 + 16 * 2 + 2));
    let epochs: Vec<_> = events
        .iter()
        .filter_map(|e| if let WorkerEvent::Epoch(log) = e { Some(log) } else { None })
        .collect();
    assert_eq!(epochs.len(), 30);
    assert_eq!(outcome.val_loss, epochs.iter().map(|log| log.val_loss).fold(f64::INFINITY, f64::min));
    assert_eq!(outcome.val_loss, epochs[outcome.best_epoch as usize - 1].val_loss);

    let checkpoint = bench.put(&results(&out)["checkpoint.safetensors"]);
    let scored = bench.out("predict");
    run(&bench.predict(&scored, &spec.model, checkpoint, Subset::Test));
    let scores = scores(&scored);
    assert_eq!(scores.rows, (0..600).filter(|row| row % 5 == 4).collect::<Vec<_>>());
    let positive: Vec<bool> =
        scores.rows.iter().map(|row| bench.rows[*row as usize].label(1) == Some(true)).collect();
    let found = auc(&scores.column(1), &positive);
    assert!(found > 0.95, "AUC {found} of a rule on age and gender");
}

#[test]
fn the_same_spec_gives_the_same_bytes_however_many_threads_load() {
    let bench = Bench::new(40, true);
    let spec = spec(tiny(), 4);
    let (first, second) = (bench.out("first"), bench.out("second"));
    let (_, events) = run(&bench.train(&first, &spec, None));
    let (events_of_two, _) = start(&bench.train(&second, &spec, None), 2).finish();
    assert!(matches!(events_of_two.last(), Some(WorkerEvent::Done(_))));
    assert!(results(&first) == results(&second));
    let losses: Vec<f64> = events
        .iter()
        .filter_map(|e| if let WorkerEvent::Epoch(l) = e { Some(l.train_loss) } else { None })
        .collect();
    assert!(losses[3] < losses[0], "{losses:?}");

    let mut other = spec.clone();
    other.seed += 1;
    let third = bench.out("third");
    run(&bench.train(&third, &other, None));
    assert!(results(&first)["checkpoint.safetensors"] != results(&third)["checkpoint.safetensors"]);
}

#[test]
fn an_interrupted_training_ends_with_the_same_bytes() {
    let bench = Bench::new(200, true);
    let slow = layers("tiny-meta", &[("widths", json!([16, 32, 32]))], Some(image_input(1, 32)));
    let mut spec = spec(slow, 20);
    spec.training.batch = 2;
    let (whole, broken) = (bench.out("whole"), bench.out("broken"));
    run(&bench.train(&whole, &spec, None));
    let mut resumed = Vec::new();
    // At some point of an epoch, each time with another number of loader threads. On a fast machine an epoch
    // has one training event, on a slow one several; two are certain.
    for (attempt, signal) in ["INT", "KILL", "TERM", "KILL", "INT"].into_iter().enumerate() {
        let mut running = start(&bench.train(&broken, &spec, None), 1 + attempt as u32 % 3);
        let mut seen = 0;
        while let Some(event) = running.next() {
            match event {
                WorkerEvent::Started { resumed_epochs, resumed_batches, .. } => {
                    resumed.push((resumed_epochs, resumed_batches));
                }
                WorkerEvent::Progress(ProgressStep { phase: Phase::Train, .. }) => seen += 1,
                _ => {}
            }
            if seen == 2 {
                break;
            }
        }
        Command::new("kill").args(["-s", signal, &running.child.id().to_string()]).status().unwrap();
        let (events, code) = running.finish();
        match signal {
            "KILL" => assert_eq!(code, None),
            _ => {
                assert_eq!(code, Some(130));
                assert!(matches!(events.last(), Some(WorkerEvent::Interrupted { .. })), "{events:?}");
            }
        }
    }
    let (_, events) = run(&bench.train(&broken, &spec, None));
    let WorkerEvent::Started { resumed_epochs, resumed_batches, .. } = events[0] else {
        panic!("{events:?}")
    };
    resumed.push((resumed_epochs, resumed_batches));
    assert!(resumed[0] == (0, 0) && resumed.is_sorted() && resumed[5] > resumed[0], "{resumed:?}");
    assert!(resumed.iter().any(|(_, batches)| *batches > 0), "within an epoch: {resumed:?}");
    assert!(results(&whole) == results(&broken));
}

#[test]
fn a_state_that_is_kept_seldom_or_damaged_costs_time_and_changes_nothing() {
    let bench = Bench::new(40, true);
    let spec = spec(tiny(), 6);
    let (whole, broken) = (bench.out("whole"), bench.out("broken"));
    let never = |out: &Path| {
        let mut job = bench.train(out, &spec, None);
        let Work::Train { save_every, .. } = &mut job.work else { panic!("a training") };
        *save_every = 1e9;
        job
    };
    run(&never(&whole));
    assert!(!whole.join("state.safetensors").exists());
    run(&bench.train(&broken, &spec, None));
    for name in fs::read_dir(&broken).unwrap().map(|entry| entry.unwrap().path()) {
        let text = name.file_name().unwrap().to_str().unwrap().to_owned();
        if !text.starts_with("state") && !text.starts_with("best-") {
            continue;
        }
        let bytes = fs::read(&name).unwrap();
        fs::write(&name, &bytes[..bytes.len() - 9]).unwrap();
        fs::remove_file(broken.join("checkpoint.safetensors")).unwrap();
        let (_, events) = run(&never(&broken));
        assert!(
            matches!(events[0], WorkerEvent::Started { resumed_epochs: 0, resumed_batches: 0, .. }),
            "{text}"
        );
        assert!(results(&whole) == results(&broken), "{text}");
        fs::write(&name, &bytes).unwrap();
    }
}

#[test]
fn pixels_are_decoded_once_and_checked_when_they_are_used() {
    let bench = Bench::new(40, true);
    let spec = spec(tiny(), 2);
    let [first, second, damaged, without] = ["a", "b", "c", "d"].map(|name| bench.out(name));
    let decodes = |events: &[WorkerEvent]| {
        events.iter().any(|e| matches!(e, WorkerEvent::Progress(ProgressStep { phase: Phase::Pixels, .. })))
    };
    let (_, events) = run(&bench.train(&first, &spec, None));
    assert!(decodes(&events));
    let (_, events) = run(&bench.train(&second, &spec, None));
    assert!(!decodes(&events));
    let folder = bench.dir.path().join("cache/pixels");
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2, "shrunk for training, cut for validation: {files:?}");
    for file in &files {
        let mut bytes = fs::read(file).unwrap();
        bytes.iter_mut().step_by(1000).for_each(|byte| *byte ^= 0x10);
        fs::write(file, bytes).unwrap();
    }
    run(&bench.train(&damaged, &spec, None));
    let mut job = bench.train(&without, &spec, None);
    job.cache = None;
    run(&job);
    for out in [&second, &damaged, &without] {
        assert!(results(&first) == results(out), "{}", out.display());
    }
    // A folder that cannot be written only costs time.
    job.cache = Some("/proc/none".into());
    let (_, events) = run(&job);
    assert!(
        events.iter().any(|e| matches!(e, WorkerEvent::Note { message } if message.contains("/proc/none")))
    );

    let mut original = spec.clone();
    original.training.pixels = Some(Pixels::Original);
    let other = bench.out("e");
    run(&bench.train(&other, &original, None));
    assert!(results(&first)["checkpoint.safetensors"] != results(&other)["checkpoint.safetensors"]);
}

#[test]
fn arithmetic_layout_and_early_stop_follow_the_spec() {
    let bench = Bench::new(40, true);
    let spec = spec(tiny(), 4);
    let trained = |name: &str, change: &dyn Fn(&mut Training)| {
        let (out, mut spec) = (bench.out(name), spec.clone());
        change(&mut spec.training);
        let (outcome, _) = run(&bench.train(&out, &spec, None));
        (outcome, results(&out)["checkpoint.safetensors"].clone())
    };
    let (plain, checkpoint) = trained("plain", &|_| {});
    for (name, change) in [
        ("bf16", &(|t: &mut Training| t.precision = Some(Precision::Bf16)) as &dyn Fn(&mut Training)),
        ("first", &|t: &mut Training| t.layout = Some(Layout::ChannelsFirst)),
    ] {
        let (outcome, other) = trained(name, change);
        assert!(other != checkpoint, "{name} has other bits");
        let distance = (outcome.val_loss / plain.val_loss - 1.0).abs();
        assert!(distance < 0.1, "{name}: {} and {}", outcome.val_loss, plain.val_loss);
    }
    let (stopped, _) = trained("stopped", &|t: &mut Training| {
        (t.epochs, t.lr, t.early_stop) = (50, 1.0, Some(EarlyStop::Epochs(2)));
    });
    assert!(stopped.epochs < 50 && stopped.epochs == stopped.best_epoch + 2, "{stopped:?}");
}

#[test]
fn the_state_of_another_spec_is_left_alone() {
    let bench = Bench::new(40, false);
    let (spec, out, fresh) = (spec(mlp(), 2), bench.out("out"), bench.out("fresh"));
    let mut other = spec.clone();
    other.seed += 1;
    run(&bench.train(&out, &other, None));
    let (_, events) = run(&bench.train(&out, &spec, None));
    assert!(matches!(events[0], WorkerEvent::Started { resumed_epochs: 0, .. }));
    run(&bench.train(&fresh, &spec, None));
    assert!(results(&out) == results(&fresh));
}

#[test]
fn frozen_networks_change_only_their_last_layer() {
    let bench = Bench::new(20, true);
    let (first, second) = (bench.out("first"), bench.out("second"));
    let scratch = spec(tiny(), 1);
    run(&bench.train(&first, &scratch, None));
    let given = results(&first)["checkpoint.safetensors"].clone();
    let mut frozen = scratch.clone();
    frozen.init = Init::OffTheShelf;
    run(&bench.train(&second, &frozen, Some(bench.put(&given))));
    let trained = results(&second)["checkpoint.safetensors"].clone();
    let read = |bytes: &'_ [u8]| -> Vec<(String, Vec<u8>)> {
        let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
        file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect()
    };
    let (mut before, mut after) = (read(&given), read(&trained));
    before.sort();
    after.sort();
    assert!(before.len() > 10);
    for ((name, a), (_, b)) in before.iter().zip(&after) {
        assert_eq!(a != b, name.starts_with("fc."), "{name}");
    }

    // Without augmentation the features are computed once: with the same result whether they are cached or not.
    frozen.training.augmentation = None;
    frozen.training.epochs = 5;
    let [first, second, without] = ["a", "b", "c"].map(|name| bench.out(name));
    let given = bench.put(&given);
    let computes = |events: &[WorkerEvent]| {
        events.iter().any(|e| matches!(e, WorkerEvent::Progress(ProgressStep { phase: Phase::Features, .. })))
    };
    let (_, events) = run(&bench.train(&first, &frozen, Some(given)));
    assert!(computes(&events));
    let (_, events) = run(&bench.train(&second, &frozen, Some(given)));
    assert!(!computes(&events), "{events:?}");
    let mut job = bench.train(&without, &frozen, Some(given));
    job.cache = None;
    run(&job);
    assert!(results(&first) == results(&second) && results(&first) == results(&without));
    let losses: Vec<EpochLog> = String::from_utf8(results(&first)["log.jsonl"].clone())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(losses[4].train_loss < losses[0].train_loss, "{losses:?}");
    // The validation loss from features equals that of the whole network on the images.
    let checkpoint = bench.put(&results(&first)["checkpoint.safetensors"]);
    let scored = bench.out("scored");
    run(&bench.predict(&scored, &frozen.model, checkpoint, Subset::Val));
    let scores = scores(&scored);
    let loss = scores
        .rows
        .iter()
        .enumerate()
        .map(|(image, row)| {
            (0..LABELS as usize)
                .map(|label| {
                    let (x, y) = (
                        scores.scores[image * LABELS as usize + label],
                        bench.rows[*row as usize].label(label) == Some(true),
                    );
                    (if y { -x } else { x }).exp().ln_1p()
                })
                .sum::<f64>()
        })
        .sum::<f64>()
        / scores.scores.len() as f64;
    let best = losses.iter().map(|log| log.val_loss).fold(f64::INFINITY, f64::min);
    assert!((loss / best - 1.0).abs() < 1e-5, "{loss} and {best}");
}

#[test]
fn files_of_no_data_set_are_scored_as_the_data_set_scores_them() {
    let bench = Bench::new(20, true);
    let (out, spec) = (bench.out("out"), spec(tiny(), 1));
    run(&bench.train(&out, &spec, None));
    let checkpoint = bench.put(&results(&out)["checkpoint.safetensors"]);
    let (of_dataset, of_files) = (bench.out("dataset"), bench.out("files"));
    run(&bench.predict(&of_dataset, &spec.model, checkpoint, Subset::Test));
    let expected = scores(&of_dataset);
    let images = expected.rows.iter().map(|row| {
        let row = &bench.rows[*row as usize];
        let hash = row.object.unwrap();
        JobFile { path: bench.object(&hash), hash, meta: Some(row.meta()) }
    });
    let (model, checkpoint) = (spec.model.clone(), reg::hash::Id::new(checkpoint));
    let work =
        Work::PredictFiles { model, checkpoint, numbers: NUMBERS, images: images.collect(), flipped: false };
    run(&bench.job(&of_files, work));
    let found = scores(&of_files);
    assert_eq!(found.rows, (0..expected.rows.len() as u32).collect::<Vec<_>>());
    for (a, b) in found.scores.iter().zip(&expected.scores) {
        assert!((a - b).abs() < 1e-6, "{a} and {b}");
    }

    // Mirrored by the worker, or files that were mirrored before.
    let (of_dataset, of_files) = (bench.out("flipped"), bench.out("mirrored"));
    let mut job = bench.predict(&of_dataset, &spec.model, checkpoint.hash, Subset::Test);
    let Work::Predict { flipped, .. } = &mut job.work else { unreachable!("it predicts") };
    *flipped = true;
    run(&job);
    let images = expected.rows.iter().map(|row| {
        let row = &bench.rows[*row as usize];
        let mut gray = decode(&fs::read(bench.object(&row.object.unwrap())).unwrap()).unwrap();
        gray.data.chunks_exact_mut(gray.width as usize).for_each(<[u8]>::reverse);
        let hash = bench.put(&encode_png(&gray));
        JobFile { path: bench.object(&hash), hash, meta: Some(row.meta()) }
    });
    let model = spec.model.clone();
    let work =
        Work::PredictFiles { model, checkpoint, numbers: NUMBERS, images: images.collect(), flipped: false };
    run(&bench.job(&of_files, work));
    let (flipped, mirrored) = (scores(&of_dataset).scores, scores(&of_files).scores);
    let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart(&flipped, &mirrored) < 1e-2, "{flipped:?} and {mirrored:?}");
    assert!(apart(&flipped, &expected.scores) > 1e-2, "{flipped:?} and {:?}", expected.scores);
}

#[test]
fn failures_name_the_thing_and_say_what_might_help() {
    let bench = Bench::new(20, true);
    let out = bench.out("out");
    let tiny = spec(tiny(), 1);

    let mut job = serde_json::to_value(bench.train(&out, &tiny, None)).unwrap();
    job["protocol"] = 99.into();
    assert!(fail(&job).0.contains("version 99"));

    let mut job = bench.train(&out, &tiny, None);
    job.device = "cuda:0".into();
    assert!(fail(&job).0.contains("cuda:0"));

    let mut fine = tiny.clone();
    fine.init = Init::FineTune;
    let weights = bench.put(b"no safetensors");
    assert!(fail(&bench.train(&out, &fine, Some(weights))).0.contains("not a safetensors file"));

    let image = bench.rows[0].object.unwrap();
    let bytes = fs::read(bench.object(&image)).unwrap();
    fs::write(bench.object(&image), &bytes[..bytes.len() - 1]).unwrap();
    let (message, hint) = fail(&bench.train(&out, &tiny, None));
    assert!(
        message.contains(bench.rows[0].name.as_str()) && message.contains(&image.to_string()),
        "{message}"
    );
    assert!(hint.contains("reg verify"), "{hint}");
    fs::remove_file(bench.object(&image)).unwrap();
    assert!(fail(&bench.train(&out, &tiny, None)).0.contains("missing"));

    let unselected = Bench::with_subsets(10, false, |_| 0);
    let (message, hint) = fail(&unselected.train(&unselected.out("out"), &spec(mlp(), 1), None));
    assert!(message.contains("val subset") && hint.contains("--ratios"), "{message} {hint}");

    let mut wild = spec(mlp(), 5);
    wild.training.lr = 1e38;
    let bare = Bench::new(20, false);
    let (message, hint) = fail(&bare.train(&bare.out("out"), &wild, None));
    assert!(message.contains("diverged") && hint.contains("learning rate"), "{message} {hint}");

    let mut vast = spec(layers("resnet101", &[], Some(image_input(1, 4096))), 1);
    vast.training.batch = 10_000;
    let (message, hint) = fail(&bench.train(&out, &vast, None));
    assert!(message.contains("at `batch` 10000") && message.contains("GB are free"), "{message}");
    assert!(hint.contains("batch"), "{hint}");
}

#[test]
fn the_worker_says_who_it_is() {
    let program = env!("CARGO_BIN_EXE_reg-torch");
    let output = Command::new(program).arg("identity").output().unwrap();
    let identity: Identity = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(identity.protocol, reg::worker::PROTOCOL);
    assert!(identity.sources.contains("  src/tensor/train.rs\n"));
    assert_eq!(Command::new(program).arg("no such word").output().unwrap().status.code(), Some(2));
}

#[test]
fn nobody_listening_ends_the_worker_quietly() {
    let bench = Bench::new(200, false);
    let running = start(&bench.train(&bench.out("out"), &spec(mlp(), 1_000_000), None), 1);
    let mut child = running.child;
    drop(running.events);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
