//! Exchange through an S3 server with the real protocol, on loopback.

use std::fs;
use std::process::Stdio;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::bucket::Bucket;
use crate::damage::flip;
use crate::harness::{Answer, Study, files, finish};
use crate::remote::{answers, fresh, is_sound_throughout, names};

fn reg(study: &Study, bucket: &Bucket, arguments: &str) -> Answer {
    finish(bucket.tell(&mut study.command(arguments)).output(), arguments)
}

fn ok(study: &Study, bucket: &Bucket, arguments: &str) -> Value {
    let answer = reg(study, bucket, &format!("--json {arguments}"));
    assert_eq!(answer.code, 0, "{arguments}: {answer:?}");
    answer.json()
}

/// Number of written keys that contain a text.
fn written(requests: &[(&str, String)], text: &str) -> usize {
    requests.iter().filter(|(what, key)| what.starts_with("write") && key.contains(text)).count()
}

#[test]
fn what_was_pushed_to_a_bucket_is_the_same_in_the_registry_that_pulls_it() {
    let (study, bucket) = (Study::trained(), Bucket::new());
    let pushed = ok(&study, &bucket, "push s3://bucket/a/b");
    let requests = bucket.requests().len() as u64;
    let objects = pushed["objects"].as_u64().unwrap();
    assert!(objects > 3 * requests, "{objects} objects in {requests} requests");
    assert_eq!(pushed["remote"], json!("s3://bucket/a/b"));

    let other = fresh();
    let pulled = ok(&other, &bucket, "pull s3://bucket/a/b/");
    let requests = bucket.requests().len() as u64;
    assert!(objects > 3 * requests, "{objects} objects in {requests} requests");
    assert_eq!((&pulled["objects"], &pulled["names"]), (&pushed["objects"], &pushed["names"]));
    is_sound_throughout(&other);
    assert_eq!(names(&other), names(&study));
    assert_eq!(answers(&other), answers(&study));

    // Nothing is new, and only the inventory is read.
    assert_eq!(ok(&study, &bucket, "push s3://bucket/a/b")["objects"], json!(0));
    assert_eq!(written(&bucket.requests(), "/packs/"), 0);
    assert_eq!(ok(&other, &bucket, "pull s3://bucket/a/b")["objects"], json!(0));
    assert!(!bucket.requests().iter().any(|(what, key)| *what == "read" && key.contains("/packs/")));

    // One more split: one pack, with only the new objects.
    other.ok("split make tiny --folds 1 --seed 5 --name five");
    let more = ok(&other, &bucket, "push s3://bucket/a/b");
    assert_eq!(
        (&more["objects"], &more["packs"], &more["names"]["added"]),
        (&json!(2), &json!(1), &json!(1))
    );
    let requests = bucket.requests();
    assert_eq!((written(&requests, "/packs/"), written(&requests, "/names/")), (1, 1));
    // A bucket with another file next to the remote.
    fs::write(bucket.path("a/c"), "mine").unwrap();
    let answer = reg(&study, &bucket, "push s3://bucket/a");
    assert!(answer.code == 1 && answer.stderr.contains("neither a registry nor a remote"), "{answer:?}");
}

#[test]
fn a_partial_pull_reads_ranges_of_packs() {
    let (study, bucket) = (Study::trained(), Bucket::new());
    ok(&study, &bucket, "push s3://bucket");
    let other = fresh();
    let pulled = ok(&other, &bucket, "pull s3://bucket s");
    assert!(pulled["objects"].as_u64().unwrap() < 45, "{pulled}");
    assert_eq!(names(&other).into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["s", "tiny"]);
    is_sound_throughout(&other);
    ok(&other, &bucket, "pull s3://bucket");
    assert_eq!(answers(&other), answers(&study));
}

#[test]
fn a_flipped_byte_in_a_bucket_is_refused_with_the_object_and_the_pack() {
    let (study, bucket) = (Study::trained(), Bucket::new());
    ok(&study, &bucket, "push s3://bucket/p");
    let pack = files(&bucket.path("p/packs")).remove(0);
    flip(&pack);
    let other = fresh();
    let answer = reg(&other, &bucket, "--json pull s3://bucket/p");
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    let key = format!("s3://bucket/p/packs/{}", pack.file_name().unwrap().display());
    assert!(answer.code == 1 && error.starts_with("object ") && error.contains(&key), "{error}");
    assert_eq!(names(&other), []);
    is_sound_throughout(&other);
}

#[test]
fn a_large_object_is_sent_in_parts() {
    let (study, bucket) = (fresh(), Bucket::new());
    let header = r#"{"w":{"dtype":"U8","shape":[40000000],"data_offsets":[0,40000000]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend((0..40_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8));
    fs::write(study.path("w.safetensors"), &bytes).unwrap();
    study.ok("weights import w.safetensors --name w");
    ok(&study, &bucket, "push s3://bucket/p");
    let parts = bucket.requests().iter().filter(|(what, _)| *what == "write part").count();
    assert_eq!(parts, 3, "of 16 MiB");
    let other = fresh();
    ok(&other, &bucket, "pull s3://bucket/p");
    is_sound_throughout(&other);
    assert_eq!(other.id("w"), study.id("w"));
}

#[test]
fn a_push_that_was_killed_or_interrupted_goes_on_where_it_stopped() {
    for (text, signal) in [
        ("/packs/", Signal::KILL),
        ("/index/", Signal::KILL),
        ("/packs/", Signal::INT),
        ("/names/", Signal::KILL),
    ] {
        let (study, bucket) = (Study::trained(), Bucket::new());
        let (reached, release) = bucket.hold(text);
        let mut push = study.command("push s3://bucket/p");
        let child = bucket.tell(&mut push).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        reached.recv().unwrap();
        kill_process(Pid::from_raw(child.id() as i32).unwrap(), signal).unwrap();
        if signal == Signal::KILL {
            // The process is dead before its request is answered.
            let answer = finish(child.wait_with_output(), "push");
            assert_eq!(answer.code, -1);
            drop(release);
        } else {
            drop(release);
            let answer = finish(child.wait_with_output(), "push");
            assert_eq!(answer.code, 130, "{answer:?}");
            assert!(answer.stderr.contains("to resume: `reg push s3://bucket/p`"), "{answer:?}");
        }
        // A reader in between sees no names.
        let early = fresh();
        assert_eq!(reg(&early, &bucket, "pull s3://bucket/p").code, 0);
        is_sound_throughout(&early);
        bucket.requests();
        let again = ok(&study, &bucket, "push s3://bucket/p");
        let requests = bucket.requests();
        if (text, signal) != ("/packs/", Signal::KILL) {
            assert_eq!(
                written(&requests, "/packs/"),
                0,
                "{text} {signal:?}: what is there is not sent again"
            );
        }
        if text == "/names/" || signal == Signal::INT {
            assert_eq!(again["objects"], json!(0), "{text} {signal:?}");
        }
        let other = fresh();
        ok(&other, &bucket, "pull s3://bucket/p");
        assert_eq!(names(&other), names(&study));
        is_sound_throughout(&other);
    }
}

#[test]
fn pushes_at_once_to_a_bucket_lose_no_name() {
    let bucket = Bucket::new();
    let studies: Vec<Study> = (0..4)
        .map(|n| {
            let study = Study::new();
            study.ok(&format!("ingest --metadata-only --metadata data.csv --name d{n}"));
            study
        })
        .collect();
    thread::scope(|scope| {
        for study in &studies {
            scope.spawn(|| ok(study, &bucket, "push s3://bucket/p"));
        }
    });
    let other = fresh();
    ok(&other, &bucket, "pull s3://bucket/p");
    let found: Vec<String> = names(&other).into_iter().map(|(name, _)| name).collect();
    assert_eq!(found, ["d0", "d1", "d2", "d3"]);
    is_sound_throughout(&other);
}

#[test]
fn what_a_store_refuses_or_does_not_heed_is_told() {
    let (study, bucket) = (Study::divided(), Bucket::new());
    let told = |answer: Answer, words: &[&str]| {
        assert_eq!(answer.code, 1, "{answer:?}");
        for word in words {
            assert!(answer.stderr.contains(word), "{word}: {}", answer.stderr);
        }
        assert!(!answer.stderr.contains('<'), "XML: {}", answer.stderr);
    };
    told(reg(&study, &bucket, "push s3://elsewhere/p"), &["s3://elsewhere"]);
    told(reg(&study, &bucket, "pull s3://bucket/p"), &["there is nothing at s3://bucket/p"]);
    let command = |key: &str, value: &str| {
        let mut command = study.command("push s3://bucket/p");
        finish(bucket.tell(&mut command).env(key, value).output(), "push")
    };
    told(command("AWS_SECRET_ACCESS_KEY", "wrong"), &["AWS_SECRET_ACCESS_KEY", ": SignatureDoesNotMatch\n"]);
    told(command("AWS_ALLOW_HTTP", "false"), &["AWS_ALLOW_HTTP=true"]);
    told(command("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), &["AWS_ENDPOINT_URL"]);
    assert!(!bucket.path("p").exists());
    let careless = Bucket::without_conditions();
    told(
        reg(&study, &careless, "push s3://bucket/p"),
        &["two concurrent pushes could lose names", "If-None-Match"],
    );
}
