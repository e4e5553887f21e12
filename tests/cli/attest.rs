//! Signed statements about the lineage of a result: `reg key`, `reg attest`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reg::hash::Digest;
use serde_json::{Value, json};

use crate::harness::{Study, files, id_of, overwrite};
use crate::support;

/// The statement in an envelope.
fn payload(study: &Study, name: &str) -> Value {
    let envelope: Value = serde_json::from_slice(&fs::read(study.path(name)).unwrap()).unwrap();
    serde_json::from_slice(&BASE64.decode(envelope["payload"].as_str().unwrap()).unwrap()).unwrap()
}

/// Asserts that the check runs and says no.
fn says_no(study: &Study, arguments: &str, words: &[&str]) {
    let answer = study.reg(arguments);
    let text = String::from_utf8_lossy(&answer.stdout);
    assert!(answer.code == 3 && words.iter().all(|word| text.contains(word)), "{answer:?}");
}

fn signed() -> Study {
    let study = Study::trained();
    study.ok("key new -o k");
    study.ok("attest table --key k -o s.json");
    study
}

#[test]
fn a_statement_names_everything_behind_a_result_by_both_hashes() {
    let study = signed();
    let statement = payload(&study, "s.json");
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    let definition = &statement["predicate"]["buildDefinition"];
    let mut named: Vec<String> = Vec::new();
    for list in [
        &statement["subject"],
        &definition["resolvedDependencies"],
        &statement["predicate"]["runDetails"]["byproducts"],
    ] {
        for artifact in list.as_array().unwrap() {
            let id = artifact["digest"]["blake3"].as_str().unwrap();
            let bytes = fs::read(study.object(id)).unwrap();
            let digest = Digest::of(&bytes);
            assert_eq!(artifact["digest"]["sha256"], digest.sha256.digits());
            assert_eq!(artifact["annotations"]["bytes"], digest.bytes);
            named.push(id.to_owned());
        }
    }
    // The same objects as the trace has, images aside.
    let trace = study.json("trace table");
    let nodes = trace["nodes"].as_array().unwrap().iter().filter(|node| node["kind"] != "image");
    let mut traced: Vec<String> = nodes.map(|node| node["id"].as_str().unwrap().to_owned()).collect();
    named.sort();
    traced.sort();
    assert_eq!(named, traced);
    let materials: Vec<&str> = definition["resolvedDependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|artifact| artifact["name"].as_str().unwrap().rsplit_once('-').unwrap().0)
        .collect();
    for kind in ["manifest", "metadata", "split", "assignment", "sources", "spec", "software", "dataset"] {
        assert!(materials.contains(&kind), "{kind}: {materials:?}");
    }
    for kind in ["checkpoint", "log", "scores", "run", "predictions", "table", "execution"] {
        assert!(!materials.contains(&kind), "{kind} is made, not given");
    }
    let specs = definition["externalParameters"]["specs"].as_object().unwrap();
    assert_eq!(specs.len(), 4);
    let seeds = specs.values().map(|spec| spec["seed"].as_u64().unwrap());
    assert!(seeds.into_iter().all(|seed| seed == 1));
    let executions = definition["internalParameters"]["executions"].as_object().unwrap();
    assert!(executions.len() >= 4 && executions.values().all(|one| one["cpu"].is_string()));
}

#[test]
fn only_the_public_key_is_needed_to_check_it_and_files_are_held_against_it() {
    let study = signed();
    let again = fs::read(study.path("s.json")).unwrap();
    study.ok("attest table --key k -o s.json");
    assert_eq!(fs::read(study.path("s.json")).unwrap(), again, "the same statement is the same bytes");
    fs::write(study.path("t.json"), fs::read(study.object(&study.id("table"))).unwrap()).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    for name in ["s.json", "k.pub", "t.json", "data.csv"] {
        fs::copy(study.path(name), elsewhere.path().join(name)).unwrap();
    }
    let at = |name: &str| elsewhere.path().join(name).display().to_string();
    let verify = format!("attest verify {} --key {}", at("s.json"), at("k.pub"));
    let checked = study.json(&format!("{verify} {} {} --registry /nowhere", at("t.json"), at("data.csv")));
    assert_eq!((&checked["ok"], &checked["id"]), (&json!(true), &json!(study.id("table"))));
    let names: Vec<&str> =
        checked["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect();
    assert!(names[0].starts_with("table-") && names[1].starts_with("metadata-"), "{names:?}");
    fs::write(at("t.json"), "{}").unwrap();
    says_no(&study, &format!("{verify} {}", at("t.json")), &["the statement has no file"]);
    // In a registry, all objects of the statement are checked.
    let text = study.ok(&format!("{verify} --objects"));
    assert!(text.contains("match the statement"), "{text}");
    let statement = payload(&study, "s.json");
    let csv = statement["predicate"]["buildDefinition"]["resolvedDependencies"].as_array().unwrap();
    let csv = csv.iter().find(|one| one["name"].as_str().unwrap().starts_with("metadata-")).unwrap();
    let object = study.object(csv["digest"]["blake3"].as_str().unwrap());
    let mut bytes = fs::read(&object).unwrap();
    bytes[100] ^= 1;
    overwrite(&object, &bytes);
    says_no(
        &study,
        &format!("{verify} --objects"),
        &["metadata-", "bytes in the registry differ", "not all files match"],
    );
    study.refused(1, "attest table --key k -o t2.json", &["metadata", "damaged", "reg verify"]);
    assert!(!study.path("t2.json").exists());
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let study = signed();
    // A smaller statement: each of its bytes is flipped.
    study.ok("attest tiny --key k -o d.json");
    let key = reg::attest::PublicKey::read(&study.path("k.pub")).unwrap();
    let path = study.path("d.json");
    let whole = fs::read(&path).unwrap();
    assert_eq!(reg::attest::open(&whole, &key, &path).unwrap().subject.len(), 1);
    for place in 0..whole.len() {
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[place] ^= 1 << bit;
            assert!(reg::attest::open(&changed, &key, &path).is_err(), "byte {place}, bit {bit}");
        }
    }
    for end in 0..whole.len() {
        assert!(reg::attest::open(&whole[..end], &key, &path).is_err(), "cut at {end}");
    }
    fs::write(study.path("cut.json"), &whole[..whole.len() / 2]).unwrap();
    study.refused(3, "attest verify cut.json --key k.pub", &["cut.json", "not a DSSE envelope"]);
}

#[test]
fn what_others_signed_or_signed_as_something_else_is_refused() {
    let study = signed();
    study.ok("key new -o other");
    study.refused(3, "attest verify s.json --key other.pub", &["not signed with the key"]);
    // The other's signature under the first one's name.
    study.ok("attest table --key other -o o.json");
    let [mut mine, other]: [Value; 2] = ["s.json", "o.json"]
        .map(|name| serde_json::from_slice(&fs::read(study.path(name)).unwrap()).unwrap());
    mine["signatures"][0]["sig"] = other["signatures"][0]["sig"].clone();
    fs::write(study.path("m.json"), mine.to_string()).unwrap();
    study.refused(3, "attest verify m.json --key k.pub", &["its signature does not match"]);
    // Signed, and of another type.
    mine["payloadType"] = "text/plain".into();
    fs::write(study.path("m.json"), mine.to_string()).unwrap();
    study.refused(3, "attest verify m.json --key k.pub", &["text/plain", "not an in-toto statement"]);
    mine["signatures"] = json!([]);
    mine["payloadType"] = other["payloadType"].clone();
    fs::write(study.path("m.json"), mine.to_string()).unwrap();
    study.refused(3, "attest verify m.json --key k.pub", &["not signed with the key"]);
    // Two signatures, one by the key: valid, according to DSSE.
    let [mut both, _]: [Value; 2] = ["s.json", "o.json"]
        .map(|name| serde_json::from_slice(&fs::read(study.path(name)).unwrap()).unwrap());
    both["signatures"].as_array_mut().unwrap().push(other["signatures"][0].clone());
    fs::write(study.path("b.json"), both.to_string()).unwrap();
    for key in ["k.pub", "other.pub"] {
        study.ok(&format!("attest verify b.json --key {key}"));
    }
}

#[test]
fn keys_are_their_owners_are_never_overwritten_and_never_in_a_registry() {
    let study = Study::divided();
    let made = study.json("key new -o k");
    assert_eq!(made["public"], "k.pub");
    let mode = |name: &str| fs::metadata(study.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("k"), mode("k.pub")), (0o600, 0o644));
    let before = fs::read(study.path("k")).unwrap();
    study.refused(1, "key new -o k", &["k already exists", "never overwritten", "--output"]);
    let public = fs::read(study.path("k.pub")).unwrap();
    fs::remove_file(study.path("k.pub")).unwrap();
    study.refused(
        1,
        "key new -o k",
        &["k already exists, but not its public key k.pub", "`reg key public k`"],
    );
    assert_eq!(study.json("key public k"), made);
    assert_eq!(fs::read(study.path("k.pub")).unwrap(), public);
    study.refused(1, "key public k", &["k.pub already exists", "never overwritten"]);
    study.refused(1, "key public none", &["cannot read none"]);
    fs::remove_file(study.path("k")).unwrap();
    study.refused(1, "key new -o k", &["k.pub already exists"]);
    assert!(!study.path("k").exists(), "both or neither");
    fs::write(study.path("k"), &before).unwrap();
    fs::set_permissions(study.path("k"), fs::Permissions::from_mode(0o640)).unwrap();
    study.refused(1, "attest tiny --key k -o s.json", &["read by others", "640", "chmod 600"]);
    fs::set_permissions(study.path("k"), fs::Permissions::from_mode(0o600)).unwrap();
    for place in [".reg/k", ".reg/objects/k"] {
        study.refused(1, &format!("key new -o {place}"), &["is inside the registry", "must not be"]);
    }
    // A key that was put there is not used either, whatever path leads to it.
    fs::copy(study.path("k"), study.path(".reg/k")).unwrap();
    std::os::unix::fs::symlink(".reg/k", study.path("link")).unwrap();
    for key in [".reg/k", "link"] {
        let hint = "keep the key in a private folder";
        study.refused(1, &format!("attest tiny --key {key} -o s.json"), &["is inside the registry", hint]);
    }
    fs::remove_file(study.path(".reg/k")).unwrap();
    study.refused(1, "key new -o nowhere/k", &["nowhere/k"]);
    study.refused(1, "attest tiny --key k.pub -o s.json", &["k.pub", "it is a public key"]);
    study.refused(1, "attest tiny --key data.csv -o s.json", &["data.csv", "the file contains no key"]);
    study.refused(1, "attest tiny --key none -o s.json", &["none"]);
    study.refused(1, "attest nothing --key k -o s.json", &["no record is named `nothing`"]);
    study.ok("attest tiny --key k -o s.json");
    study.refused(1, "attest verify s.json --key k", &["it is a private key"]);
    study.refused(1, "attest verify none.json --key k.pub", &["none.json"]);
    study.refused(2, "attest tiny -o s.json", &["--key"]);
    // The registry contains neither keys nor statements.
    for file in files(&study.path(".reg")) {
        let bytes = fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("PRIVATE KEY") && !text.contains("DSSE"), "{}", file.display());
    }
    study.is_sound();
}

#[test]
fn keys_are_those_of_openssl() {
    if !support::programs(&["openssl"]) {
        return;
    }
    let study = Study::divided();
    let openssl = |arguments: &str| {
        let output =
            Command::new("openssl").args(arguments.split(' ')).current_dir(study.path(".")).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    study.ok("key new -o k");
    // It reads the private key and finds the same public one.
    assert_eq!(openssl("pkey -in k -pubout"), fs::read(study.path("k.pub")).unwrap());
    openssl("genpkey -algorithm ed25519 -out o");
    openssl("pkey -in o -pubout -out o.pub");
    fs::set_permissions(study.path("o"), fs::Permissions::from_mode(0o600)).unwrap();
    study.ok("attest tiny --key o -o s.json");
    study.ok("attest verify s.json --key o.pub");
    // openssl itself verifies the signature over the encoding of DSSE.
    let envelope: Value = serde_json::from_slice(&fs::read(study.path("s.json")).unwrap()).unwrap();
    let payload = BASE64.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let kind = envelope["payloadType"].as_str().unwrap();
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    fs::write(study.path("signed"), [head.as_bytes(), &payload].concat()).unwrap();
    let signature = BASE64.decode(envelope["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    fs::write(study.path("sig"), signature).unwrap();
    openssl("pkeyutl -verify -pubin -inkey o.pub -rawin -in signed -sigfile sig");
    for (arguments, words) in [
        ("genpkey -algorithm rsa -out r", "a key of another type"),
        ("genpkey -algorithm ed25519 -aes256 -pass pass:x -out r", "protected by a passphrase"),
    ] {
        openssl(arguments);
        fs::set_permissions(study.path("r"), fs::Permissions::from_mode(0o600)).unwrap();
        study.refused(1, "attest tiny --key r -o n.json", &[words]);
    }
}

#[test]
fn outputs_replace_neither_keys_nor_what_is_in_a_registry() {
    let study = Study::trained();
    study.ok("key new -o k");
    let key = fs::read(study.path("k")).unwrap();
    for output in ["k", "./k", "k.pub"] {
        study.refused(1, &format!("attest table --key k -o {output}"), &["keys are never overwritten"]);
    }
    for command in ["audit table", "report table", "export tiny-s-f0 --format card"] {
        study.refused(1, &format!("{command} -o k"), &["k is a key; keys are never overwritten"]);
    }
    assert_eq!(fs::read(study.path("k")).unwrap(), key);
    let record = study.object(&study.id("table"));
    let record = record.strip_prefix(study.path(".")).unwrap_or(&record).to_owned();
    for command in [
        "attest table --key k",
        "audit table",
        "report table",
        "export tiny-s-f0 --format csv",
        "export tiny-s-f0 --format checkpoint",
        "export tiny-s-f0 --format card",
        "gradcam tiny-s-f0 00000003_000.png --label Mass",
        "trace table --format ro-crate",
        "dataset export tiny --format croissant",
    ] {
        for inside in [".reg/reg.redb", ".reg/format", ".reg/objects/new", record.to_str().unwrap()] {
            let refused = study.reg(&format!("{command} -o {inside}"));
            refused.says(1, &["is inside the registry", "only reg itself may write"]);
        }
    }
    study.refused(1, "export mlflow .reg/cache/tracking", &["is inside the registry"]);
    study.is_sound();
    // Next to a registry is not inside it.
    study.ok("report table -o page.html");
    // An object that is not a record has no lineage.
    let run = study.json("show tiny-s-f0")["record"].clone();
    let image = id_of(&study.path("images/00000003_000.png"));
    for id in [run["checkpoint"].as_str().unwrap(), &image] {
        let refused = study.reg(&format!("attest {id} --key k -o s.json"));
        refused.says(1, &["is not a record and has no lineage", "reg trace --down"]);
    }
    assert!(!study.path("s.json").exists());
}

#[test]
fn files_that_are_handed_out_are_signed_without_a_registry() {
    let study = Study::bare();
    study.ok("key new -o k");
    fs::create_dir(study.path("dist")).unwrap();
    fs::write(study.path("dist/b.whl"), b"a wheel").unwrap();
    fs::write(study.path("a.tar.gz"), b"an archive").unwrap();
    let made = study.json("attest --files dist/b.whl a.tar.gz --key k -o s.json");
    assert_eq!((&made["id"], made["files"].as_array().unwrap().len()), (&Value::Null, 2));
    let statement = payload(&study, "s.json");
    assert_eq!(statement["predicate"]["buildDefinition"]["buildType"], "urn:reg:files:1");
    let names: Vec<&Value> =
        statement["subject"].as_array().unwrap().iter().map(|file| &file["name"]).collect();
    assert_eq!(names, ["a.tar.gz", "b.whl"]);
    let digest = Digest::of(b"a wheel");
    assert_eq!(statement["subject"][1]["digest"]["sha256"], digest.sha256.digits());
    assert_eq!(statement["subject"][1]["digest"]["blake3"], digest.blake3.to_string());
    let said = study.ok("attest verify s.json --key k.pub a.tar.gz dist/b.whl");
    assert!(said.contains("verified: 2 files"), "{said}");
    fs::write(study.path("a.tar.gz"), b"another archive").unwrap();
    says_no(
        &study,
        "attest verify s.json --key k.pub a.tar.gz dist/b.whl",
        &["a.tar.gz", "not all files match"],
    );
    // One name for two files, a folder, a missing file, and a result besides: nothing is written.
    fs::write(study.path("b.whl"), b"").unwrap();
    study.refused(
        1,
        "attest --files b.whl dist/b.whl --key k -o t.json",
        &["two of the files have the name b.whl"],
    );
    study.refused(1, "attest --files dist --key k -o t.json", &["dist"]);
    study.refused(1, "attest --files nothing --key k -o t.json", &["nothing"]);
    study.refused(2, "attest table --files b.whl --key k -o t.json", &["cannot be used with"]);
    assert!(!study.path("t.json").exists());
}
