//! The attacks of `tests/attacks` that take seconds, on a trained registry.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::Study;
use crate::support;

/// Runs an attack, which must find no failure, and returns the number of commands that it tried.
fn attack(script: &str) -> u64 {
    let study = Study::trained();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks").join(script);
    let output = Command::new("python3")
        .arg("-B")
        .arg(path)
        .env("REG", env!("CARGO_BIN_EXE_reg"))
        .env("BASE", study.path("."))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{script}: {said}{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(found["failures"], serde_json::json!([]));
    found["tried"].as_u64().unwrap()
}

#[test]
fn remotes_of_a_stranger_do_no_harm_and_their_lies_are_found() {
    if support::programs(&["python3", "b3sum"]) {
        let tried = attack("remotes.py");
        assert!(tried > 70, "{tried}");
    }
}

#[test]
fn files_of_a_stranger_that_lie_about_their_size_are_refused() {
    if support::programs(&["python3"]) {
        let tried = attack("inputs.py");
        assert!(tried > 15, "{tried}");
    }
}
