//! Documents that are not records: another spelling of the same value, another kind, a newer version.

use std::fs;

use serde_json::{Value, json};

use reg::hash::Hash;
use reg::records::codec::{self, CodecError, Header};
use reg::records::{Dataset, Event, Run, Table, Weights};

use super::{golden, values};

fn text(file: &str) -> String {
    fs::read_to_string(golden(file)).unwrap()
}

/// Why the golden event with `from` replaced by `to` is refused.
fn refusal(from: &str, to: &str) -> CodecError {
    let event = text("event.json");
    assert!(event.contains(from), "{event}");
    codec::decode::<Event>(event.replacen(from, to, 1).as_bytes()).unwrap_err()
}

#[test]
fn another_spelling_of_the_same_value_is_refused() {
    for (from, to) in [
        (r#"{"command""#, r#"{ "command""#),
        (r#""version":1}"#, "\"version\":1}\n"),
        (r#""seq":2,"#, r#""seq":2,"seq":2,"#),
        (r#""seq":2,"#, r#""seq":1,"seq":2,"#),
        ("reg ingest", "reg\\u0020ingest"),
        ("reg ingest images", "reg ingest \\/"),
        (r#""version":1}"#, r#""version":0}"#),
    ] {
        let refused = refusal(from, to);
        assert!(matches!(refused, CodecError::NotCanonical("event")), "{to}: {refused}");
    }
    let event: Value = serde_json::from_str(&text("event.json")).unwrap();
    let map = event.as_object().unwrap();
    let backwards: Vec<String> = map.iter().rev().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    let refused = codec::decode::<Event>(format!("{{{}}}", backwards.join(",")).as_bytes()).unwrap_err();
    assert!(matches!(refused, CodecError::NotCanonical("event")), "{refused}");
}

#[test]
fn a_whole_number_is_not_a_float() {
    let auc = text("table-auc.json");
    for (from, to) in [(r#""auc":1.0"#, r#""auc":1"#), (r#""auc":0.5"#, r#""auc":0.50"#), ("0.5", "5e-1")] {
        assert!(auc.contains(from), "{auc}");
        let refused = codec::decode::<Table>(auc.replacen(from, to, 1).as_bytes()).unwrap_err();
        assert!(matches!(refused, CodecError::NotCanonical("table")), "{refused}");
    }
    assert!(matches!(refusal(r#""seq":2"#, r#""seq":2.0"#), CodecError::Shape { kind: "event", .. }));
}

#[test]
fn an_unknown_a_missing_and_a_wrong_field_are_refused_and_named() {
    let path = |error| match error {
        CodecError::Shape { kind: "event", path, source } => format!("{path}: {source}"),
        other => panic!("{other}"),
    };
    assert!(path(refusal(r#""seq""#, r#""author":"me","seq""#)).contains("author"));
    assert!(path(refusal(r#""seq":2,"#, "")).contains("seq"));
    assert!(path(refusal(r#""seq":2"#, r#""seq":-2"#)).starts_with("seq: "));
    assert!(path(refusal(r#""name":"old""#, r#""name":1"#)).starts_with("names[1].name: "));
    // Absent is not null.
    let event = text("event.json").replacen(r#""from":null,"#, "", 1);
    assert!(matches!(codec::decode::<Event>(event.as_bytes()), Err(CodecError::NotCanonical("event"))));
}

#[test]
fn another_kind_a_newer_version_and_no_record_at_all_are_told_apart() {
    let weights = codec::decode::<Weights>(text("event.json").as_bytes()).unwrap_err();
    assert!(matches!(&weights, CodecError::Kind { expected: "weights", found } if found == "event"));
    let newer = refusal(r#""version":1"#, r#""version":2"#);
    assert!(matches!(&newer, CodecError::Version { found: 2, known: 1, .. }), "{newer}");
    // A newer version may have fields that this reg does not know.
    let newer = refusal(r#""version":1"#, r#""version":2,"worth":1"#);
    assert!(matches!(&newer, CodecError::Version { found: 2, known: 1, .. }), "{newer}");
    // Versions of kinds that came before the first release are not read.
    let mut older = Vec::new();
    for entry in fs::read_dir(super::root().join("fixtures/older")).unwrap() {
        match reg::records::check(&fs::read(entry.unwrap().path()).unwrap()).err().unwrap() {
            e @ CodecError::OlderFormat { found: 1, known: 2, .. } => older.push(e.to_string()),
            other => panic!("{other}"),
        }
    }
    older.sort();
    assert_eq!(older.len(), 8);
    assert_eq!(older[0], "dataset version 1 is of an older format than this reg reads, which is version 2");
    for other in ["", "{", "{}", "null", " {}", r#"{"kind":"event"}"#, r#"{"kind":"event","version":1.0}"#] {
        let refused = codec::decode::<Event>(other.as_bytes()).unwrap_err();
        assert!(matches!(refused, CodecError::NotARecord(_)), "{other}: {refused}");
    }
    let dataset = text("dataset.json");
    let older = codec::decode::<Dataset>(dataset.replacen(r#""version":2"#, r#""version":1"#, 1).as_bytes());
    let older = older.unwrap_err();
    assert!(matches!(&older, CodecError::OlderFormat { found: 1, known: 2, .. }), "{older}");
    assert!(
        older.to_string().starts_with("dataset version 1 is of an older format than this reg reads"),
        "{older}"
    );
    let unknown = reg::records::check(br#"{"kind":"poem","version":1}"#).err().unwrap();
    assert!(matches!(unknown, CodecError::NotARecord(_)), "{unknown}");
}

#[test]
fn a_data_set_has_one_to_512_labels_with_plain_and_different_names() {
    let dataset: Dataset = codec::decode(text("dataset.json").as_bytes()).unwrap();
    let with = |labels: Vec<String>| Dataset { labels, no_finding: None, ..dataset.clone() };
    let numbered = |count: usize| (0..count).map(|label| format!("label {label}")).collect::<Vec<_>>();
    for labels in
        [numbered(0), numbered(513), vec!["a".into(), "a".into()], vec!["a|b".into()], vec!["a\n".into()]]
    {
        let refused = codec::encode(&with(labels)).unwrap_err();
        assert!(matches!(refused, CodecError::Invalid { kind: "dataset", .. }), "{refused}");
    }
    let bytes = codec::encode(&with(numbered(512))).unwrap();
    assert_eq!(codec::decode::<Dataset>(&bytes).unwrap().labels.len(), 512);
    // As another program might write it.
    let twice = text("dataset.json").replacen("Cardiomegaly", "Atelectasis", 1);
    let refused = codec::decode::<Dataset>(twice.as_bytes()).unwrap_err().to_string();
    assert_eq!(refused, "not a valid dataset record: it has two labels `Atelectasis`");
}

#[test]
fn a_number_that_json_cannot_hold_is_not_written() {
    let run: Run = codec::decode(text("run.json").as_bytes()).unwrap();
    for val_loss in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let refused = codec::encode(&Run { val_loss: Some(val_loss), ..run.clone() }).unwrap_err();
        assert!(matches!(refused, CodecError::Unwritable { kind: "run", .. }), "{refused}");
        // Where a value may be absent, null would be read as absent.
        let table = Table::Auc(reg::records::AucTable { mean: Some(val_loss), ..values::auc_table() });
        let refused = codec::encode(&table).unwrap_err();
        assert!(matches!(refused, CodecError::Unwritable { kind: "table", .. }), "{refused}");
        let mut comparison = values::comparison();
        comparison.spearman[0][1] = Some(val_loss);
        assert!(codec::encode(&Table::Comparison(comparison.into())).is_err());
    }
}

#[test]
fn floats_are_written_in_their_shortest_form() {
    // Numbers with decimal exponents from -5 to 15 have no `e`. This is a choice of serde_json, not a rule of JSON: a
    // version that writes numbers differently would change the id of every record with such a number.
    for (number, written) in [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e-5, "0.00001"),
        (1.25e-5, "0.0000125"),
        (1e-6, "1e-6"),
        (1.5e-7, "1.5e-7"),
        (1e15, "1000000000000000.0"),
        (9007199254740993.0, "9007199254740992.0"),
        (1e16, "1e+16"),
        (1.5e300, "1.5e+300"),
        (f64::MAX, "1.7976931348623157e+308"),
        (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        (5e-324, "5e-324"),
    ] {
        assert_eq!(String::from_utf8(codec::canonical(&json!(number))).unwrap(), written);
    }
}

#[test]
fn keys_are_sorted_by_their_bytes_and_only_what_must_be_is_escaped() {
    let value = json!({ "b": 1, "a": [], "B": {}, "\u{e9}": null, "\u{1f600}": true, "\u{ff5e}": false });
    let expected = "{\"B\":{},\"a\":[],\"b\":1,\"\u{e9}\":null,\"\u{ff5e}\":false,\"\u{1f600}\":true}";
    assert_eq!(String::from_utf8(codec::canonical(&value)).unwrap(), expected);
    let text: String = (0..0x21).chain([0x22, 0x2f, 0x5c, 0x7f, 0x2028]).filter_map(char::from_u32).collect();
    let expected = "\"\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\\u000f\
        \\u0010\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b\\u001c\\u001d\\u001e\
        \\u001f \\\"/\\\\\u{7f}\u{2028}\"";
    assert_eq!(String::from_utf8(codec::canonical(&json!(text))).unwrap(), expected);
}

#[test]
fn links_are_the_hashes_in_a_document_and_roles_their_keys() {
    let roles = |file: &str| {
        let links = Header::read(text(file).as_bytes()).unwrap().links();
        let mut roles: Vec<String> = links.into_iter().map(|link| link.role.to_string()).collect();
        roles.sort();
        roles.join(" ")
    };
    assert_eq!(roles("dataset.json"), "boxes boxes_file manifest metadata");
    assert_eq!(roles("split-official.json"), "assignment dataset test train_val");
    assert_eq!(roles("weights.json"), "dataset dataset file split");
    assert_eq!(roles("spec-resnet.json"), "dataset split weights");
    assert_eq!(roles("predictions-run.json"), "dataset run scores split");
    assert_eq!(roles("predictions-import.json"), "dataset file scores");
    assert_eq!(roles("table-comparison.json"), "dataset predictions predictions predictions predictions");
    let full = "dataset file pixel_hashes predictions predictions predictions predictions validation";
    assert_eq!(roles("table-comparison-full.json"), full);
    assert_eq!(roles("study.json"), "dataset file spec split");
    // A commit and a SHA-256 are not links.
    assert_eq!(roles("execution.json"), "made software");
    assert_eq!(roles("withdrawal.json"), "", "what is withdrawn is spoken of and not depended on");
    assert_eq!(roles("withdrawal-revoked.json"), "revokes");
    assert_eq!(roles("event.json"), "from from prev to to");
}

#[test]
fn a_manifest_links_to_its_images_and_the_other_arrays_to_nothing() {
    for file in [
        "manifest.bin",
        "manifest-metadata-only.bin",
        "boxes.bin",
        "assignment.bin",
        "scores.bin",
        "pixels.bin",
    ] {
        let links = reg::records::packed_links(&fs::read(golden(file)).unwrap()).unwrap();
        let expected: Vec<Hash> = match file {
            "manifest.bin" => values::manifest().rows.iter().filter_map(|row| row.object).collect(),
            _ => Vec::new(),
        };
        assert_eq!(links, expected, "{file}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, cut in 0usize..2000, at in 0usize..2000, byte: u8) {
        let _ = reg::records::check(&bytes);
        for (_, golden) in values::BYTES.iter().filter(|(file, _)| file.ends_with(".json")) {
            let mut changed = golden.clone();
            changed.truncate(cut);
            if let Some(place) = changed.get_mut(at) {
                *place = byte;
            }
            let _ = reg::records::check(&changed);
        }
    }
}
