//! `schema/on-disk.md`: its examples are the golden files, its programs run, its promises have tests.

use std::fs;
use std::path::Path;
use std::process::Command;

use reg::records::codec;

use super::{golden, root, support, values};

fn document() -> String {
    fs::read_to_string(root().join("schema/on-disk.md")).unwrap()
}

/// Bytes as `xxd -g1` prints them, without the letters.
fn dump(bytes: &[u8]) -> String {
    let line = |(i, line): (usize, &[u8])| {
        let digits: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{:08x}: {}\n", i * 16, digits.join(" "))
    };
    bytes.chunks(16).enumerate().map(line).collect()
}

#[test]
fn the_worked_examples_are_the_golden_files() {
    let document = document();
    for file in ["manifest-metadata-only.bin", "boxes.bin", "assignment.bin", "scores.bin", "pixels.bin"] {
        let dump = dump(&fs::read(golden(file)).unwrap());
        assert!(document.contains(&dump), "schema/on-disk.md lacks the bytes of {file}:\n{dump}");
    }
}

#[test]
fn every_kind_and_every_key_is_described() {
    let document = document();
    for (kind, schema) in reg::records::Kind::ALL.iter().map(|kind| (kind.name(), kind.schema())) {
        assert!(document.contains(&format!("\n### {kind}\n")), "{kind}");
        let section = document.split(&format!("\n### {kind}\n")).nth(1).unwrap();
        let section = section.split("\n### ").next().unwrap();
        let mut keys = Vec::new();
        keys_of(&schema, &mut keys);
        for key in keys
            .iter()
            .filter(|key| !["kind", "version", "object", "sha256", "bytes"].contains(&key.as_str()))
        {
            assert!(section.contains(&format!("`{key}`")), "{kind} has `{key}`");
        }
    }
}

fn keys_of(schema: &serde_json::Value, keys: &mut Vec<String>) {
    match schema {
        serde_json::Value::Object(map) => {
            if let Some(serde_json::Value::Object(properties)) = map.get("properties") {
                keys.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| keys_of(value, keys));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| keys_of(item, keys)),
        _ => {}
    }
}

/// The output of a program of the document, named in its first line, for a file; none without Python.
fn python(name: &str, file: &Path) -> Option<String> {
    let document = document();
    let program = document
        .split("```python\n")
        .skip(1)
        .filter_map(|block| block.split("```").next())
        .find(|block| block.starts_with(&format!("# {name}:")))
        .unwrap_or_else(|| panic!("schema/on-disk.md has no program {name}"));
    assert!(program.lines().count() <= 20, "{name} has {} lines", program.lines().count());
    if !support::programs(&["python3"]) {
        return None;
    }
    let output = Command::new("python3").arg("-c").arg(program).arg(file).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_python_program_reads_manifests() {
    for file in ["manifest.bin", "manifest-metadata-only.bin"] {
        let manifest: reg::records::Manifest = codec::unpack(&fs::read(golden(file)).unwrap()).unwrap();
        let row = |row: &reg::records::ImageRow| {
            let object = row.object.map_or("None".to_owned(), |id| id.to_string());
            let age = row.age.map_or("None".to_owned(), |age| age.to_string());
            let study = row.study.as_ref().map_or("None".to_owned(), |study| study.to_string());
            let follow_up = row.follow_up.map_or("None".to_owned(), |number| number.to_string());
            let labels = (0..manifest.labels as usize).map(|label| match row.label(label) {
                Some(true) => '1',
                Some(false) => '0',
                None => '-',
            });
            let (width, height, gender, view) = (row.width, row.height, row.gender as u32, row.view as u32);
            let sha256 = row.sha256.to_string().replace("sha256:", "");
            format!(
                "{} {object} {sha256} {} {width} {height} {} {} {study} {follow_up} {age} {gender} {view} {}\n",
                row.name,
                row.bytes,
                row.row,
                row.patient,
                labels.collect::<String>()
            )
        };
        let Some(printed) = python("manifest.py", &golden(file)) else { return };
        assert_eq!(printed, manifest.rows.iter().map(row).collect::<String>());
    }
}

#[test]
fn the_python_program_reads_scores() {
    let scores = values::scores();
    let of_row = |(i, row): (usize, &u32)| {
        let columns = 0..scores.labels as usize;
        let bits = columns.map(|label| format!("{:016x}", scores.column(label)[i].to_bits()));
        format!("{row} {}\n", bits.collect::<Vec<_>>().join(" "))
    };
    let expected: String = scores.rows.iter().enumerate().map(of_row).collect();
    let Some(printed) = python("scores.py", &golden("scores.bin")) else { return };
    // Python spells numbers differently; the bits count.
    let bits = |line: &str| {
        let (row, rest) = line.split_once(' ').unwrap();
        let bits = rest.split(' ').map(|text| format!("{:016x}", text.parse::<f64>().unwrap().to_bits()));
        format!("{row} {}\n", bits.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(printed.lines().map(bits).collect::<String>(), expected);
}

#[test]
fn the_python_program_writes_canonical_json() {
    let floats = [0.0, -0.0, 1e-5, 1.25e-5, 1e-6, 1.5e-7, 123456.75, 1e15, 1e16, -1.5e300, f64::MAX, 5e-324];
    let mut list = format!("[{}", String::from_utf8(codec::canonical(&serde_json::json!(floats))).unwrap());
    for (_, golden) in values::BYTES.iter().filter(|(file, _)| file.ends_with(".json")) {
        list.push(',');
        list.push_str(std::str::from_utf8(golden).unwrap());
    }
    list.push(']');
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("list.json");
    // With spaces, which the program must remove.
    fs::write(&file, list.replace("],{", "] , {").replace("},{", "} ,\n{")).unwrap();
    let Some(printed) = python("canonical.py", &file) else { return };
    assert_eq!(printed, list);
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let document = document();
    let promises = document.split("\n## Promises\n").nth(1).unwrap();
    let mut tests = 0;
    for line in promises.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let (file, test) = line
            .split('`')
            .filter_map(|code| code.split_once(": "))
            .find(|(file, _)| file.ends_with(".rs"))
            .unwrap_or_else(|| panic!("no test in {line}"));
        let source = fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(source.contains(&format!("fn {test}(")), "{file} has no test {test}");
        tests += 1;
    }
    assert!(tests > 10, "{tests} promises");
}
