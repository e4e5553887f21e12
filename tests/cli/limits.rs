//! A stranger's files that are too long, never end or lie about their length: each reader stops at its limit.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::{Study, worker};

/// A sparse file of this length.
fn sparse(path: &std::path::Path, length: u64) {
    let _ = fs::remove_file(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    File::create(path).unwrap().set_len(length).unwrap();
}

#[test]
fn files_of_a_remote_are_read_up_to_their_limits() {
    let study = Study::divided();
    study.ok("push good");
    let taker = Study::bare();
    taker.ok("init");
    let pull = |what: &str, change: &dyn Fn(&std::path::Path)| {
        let remote = study.path("bad");
        let _ = fs::remove_dir_all(&remote);
        crate::harness::copy(&study.path("good"), &remote);
        change(&remote);
        let answer = taker.reg(&format!("pull {}", remote.display()));
        assert_eq!(answer.code, 1, "{what}: {answer:?}");
        answer.stderr
    };
    let said = pull("a sparse list of names", &|remote| sparse(&remote.join("names/00000002"), 2 << 30));
    assert!(said.contains("names/00000002") && said.contains("longer than 67,108,864 bytes"), "{said}");
    let index = format!("index/{}", "a".repeat(64));
    let said = pull("a sparse index", &|remote| sparse(&remote.join(&index), 100 << 30));
    assert!(said.contains(&index) && said.contains("longer than 67,108,864 bytes"), "{said}");
    let said = pull("a sparse format", &|remote| sparse(&remote.join("format"), 100 << 30));
    assert!(said.contains("bad"), "{said}");
    let object = format!("objects/{}", "b".repeat(64));
    let said = pull("a huge object", &|remote| sparse(&remote.join(&object), 65 << 30));
    assert!(said.contains(&object) && said.contains("at most 68,719,476,736"), "{said}");
    // The last number, after which no list can follow.
    let said = pull("the last number", &|remote| {
        let names = remote.join("names");
        let text = fs::read_to_string(names.join("00000001")).unwrap();
        let (document, _) = text.split_once('\n').unwrap();
        let document = document.replace("\"seq\":1,", &format!("\"seq\":{},", u64::MAX));
        let check = reg::hash::Hash::of(document.as_bytes());
        fs::write(names.join(u64::MAX.to_string()), format!("{document}\n\"{check}\"\n")).unwrap();
    });
    assert!(said.contains("tampered"), "{said}");
}

#[test]
fn what_never_ends_is_not_read_for_ever() {
    let study = Study::divided();
    study.ok("key new -o k");
    study.refused(1, "weights import /dev/zero", &["/dev/zero", "hint:"]);
    study.refused(1, "attest verify /dev/zero --key k.pub", &["/dev/zero", "longer than"]);
    study.refused(1, "study run /dev/zero", &["/dev/zero"]);
    study.refused(
        1,
        "train --dataset tiny --split s --model mlp --config /dev/zero",
        &["/dev/zero", "longer than"],
    );
    // A header that claims more than there is.
    let mut bytes = br#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#.to_vec();
    bytes.splice(0..0, (bytes.len() as u64).to_le_bytes());
    bytes.extend([0; 9]);
    fs::write(study.path("long.safetensors"), &bytes).unwrap();
    study.refused(1, "weights import long.safetensors", &["it has bytes after its last tensor"]);
}

#[test]
fn a_pipe_without_end_is_read_up_to_the_limit_of_what_it_stands_for() {
    let study = Study::divided();
    study.ok("key new -o k");
    study.ok("attest tiny --key k -o s.json");
    let mkfifo = Command::new("mkfifo").arg(study.path("pipe")).status().unwrap();
    assert!(mkfifo.success());
    for command in [
        "ingest images --metadata pipe --name x",
        "ingest pipe --metadata data.csv --name x",
        "ingest images --metadata data.csv --boxes pipe --name x",
        "predictions import pipe --dataset tiny --name x",
        "weights import pipe",
        "study run pipe",
        "train --dataset tiny --split s --model mlp --config pipe",
        "attest verify pipe --key k.pub",
        "attest verify s.json --key pipe",
        "audit verify pipe",
        "key public pipe",
    ] {
        // Ends when the reader closes the pipe, or is killed.
        let mut endless =
            Command::new("sh").args(["-c", "exec yes >pipe"]).current_dir(study.path(".")).spawn().unwrap();
        let begun = Instant::now();
        let answer = study.reg(command);
        endless.kill().unwrap();
        endless.wait().unwrap();
        assert!([1, 3].contains(&answer.code) && answer.stderr.contains("pipe"), "{command}: {answer:?}");
        assert!(begun.elapsed() < Duration::from_secs(30), "{command}: {:?}", begun.elapsed());
    }
}

#[test]
fn a_worker_that_talks_without_end_is_stopped() {
    let study = Study::divided();
    let script = |name: &str, text: String| {
        let path = study.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let endless = "while :; do printf '%01000000d' 0; done";
    let train = "train --dataset tiny --split s --model mlp --set epochs=1 --threads 1";
    let program = script("mute", format!("#!/bin/sh\n{endless}\n"));
    study.reg_with("REG_TORCH", &program, train).says(1, &["does not identify itself"]);
    let real = worker();
    let text = format!("#!/bin/sh\n{} </dev/null\n{endless}\n", real.display());
    let program = script("talker", text);
    study.reg_with("REG_TORCH", &program, train).says(1, &["not part of the protocol"]);
    fs::remove_dir_all(study.path(".reg/live")).unwrap();
}

#[test]
fn a_bundle_whose_members_overlap_or_are_packed_is_refused_at_once() {
    let study = Study::bare();
    let member = |name: &str, at: u32, size: u32| {
        let mut central = b"PK\x01\x02".to_vec();
        central.extend([10, 3, 10, 0, 0, 0, 0, 0, 0, 0, 33, 0, 0, 0, 0, 0]);
        central.extend(size.to_le_bytes());
        central.extend(size.to_le_bytes());
        central.extend((name.len() as u16).to_le_bytes());
        central.extend([0; 12]);
        central.extend(at.to_le_bytes());
        central.extend(name.as_bytes());
        central
    };
    let names: Vec<String> = (0..400).map(|n| format!("objects/{n:02x}/{n:062x}")).collect();
    let data = vec![0; 1 << 20];
    let mut zip = b"PK\x03\x04".to_vec();
    zip.extend([10, 0, 0, 0, 0, 0, 0, 0, 33, 0, 0, 0, 0, 0]);
    zip.extend((data.len() as u32).to_le_bytes());
    zip.extend((data.len() as u32).to_le_bytes());
    zip.extend((names[0].len() as u16).to_le_bytes());
    zip.extend([0; 2]);
    zip.extend(names[0].as_bytes());
    zip.extend(&data);
    let at = zip.len() as u32;
    names.iter().for_each(|name| zip.extend(member(name, 0, data.len() as u32)));
    let size = zip.len() as u32 - at;
    zip.extend(b"PK\x05\x06");
    zip.extend([0; 4]);
    zip.extend((names.len() as u16).to_le_bytes());
    zip.extend((names.len() as u16).to_le_bytes());
    zip.extend(size.to_le_bytes());
    zip.extend(at.to_le_bytes());
    zip.extend([0; 2]);
    fs::write(study.path("b.zip"), &zip).unwrap();
    study.refused(1, "audit verify b.zip", &["b.zip", "overlap"]);
}

#[test]
fn the_check_program_is_that_of_a_bundle_and_its_hash_is_told() {
    let study = Study::trained();
    let told = study.json("audit check-program -o mine.py");
    let sha256 = told["sha256"].as_str().unwrap().to_owned();
    study.ok("audit table -o b.zip --no-weights");
    let mut zip = zip::ZipArchive::new(File::open(study.path("b.zip")).unwrap()).unwrap();
    let mut member = Vec::new();
    std::io::Read::read_to_end(&mut zip.by_name("check.py").unwrap(), &mut member).unwrap();
    assert_eq!(fs::read(study.path("mine.py")).unwrap(), member);
    assert_eq!(reg::hash::Digest::of(&member).sha256.to_string(), sha256);
    assert!(study.ok("audit --help").contains(sha256.trim_start_matches("sha256:")));
    assert_eq!(study.ok("audit check-program").into_bytes(), member);
}

#[test]
fn cells_of_a_spreadsheet_are_no_formulas() {
    let study = Study::trained();
    study.ok("compare tiny-s-f0 mlp-s-f0 --name plain");
    // A model's name is free text in an import.
    let scores =
        study.json("show plain")["record"]["models"][0]["predictions"][0].as_str().unwrap().to_owned();
    study.ok(&format!("export {scores} -o scores.csv"));
    study.ok("predictions import scores.csv --logits --dataset tiny --split s --fold 0 --model =HYPERLINK(1) --name theirs");
    study.ok("compare theirs tiny-s-f0 --name odd");
    study.ok("export odd --format csv -o odd");
    let read = |path: std::path::PathBuf| fs::read_to_string(path).unwrap();
    let text: String = crate::harness::files(&study.path("odd")).into_iter().map(read).collect();
    assert!(
        text.contains("'=HYPERLINK(1)") && !text.contains(",=HYPERLINK") && !text.contains("\n=HYPERLINK"),
        "{text}"
    );
    let shown = study.ok("compare theirs tiny-s-f0 --format csv");
    assert!(!shown.contains(",=HYPERLINK") && !shown.contains("\n=HYPERLINK"), "{shown}");
}
