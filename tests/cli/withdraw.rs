//! Withdrawn data: left out of new results, flagged in earlier ones, and purged on request.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use reg::hash::{Hash, Id, Mention};
use reg::records::{Run, Spec, Split, Subject, Withdrawal, WithdrawnImage};
use reg::registry::Stamp;
use serde_json::{Value, json};

use crate::harness::{INGEST, MLP, Study, TINY, files, id_of};

/// A patient of the fixture with two images.
const PATIENT: u32 = 5;
const IMAGES: [&str; 2] = ["00000005_000.png", "00000005_001.png"];
const WITHDRAW: &str = "withdraw patient:5 --reason consent";

fn image(study: &Study, name: &str) -> String {
    id_of(&study.path(&format!("images/{name}")))
}

/// Names of the runs whose training or validation images include the patient, from the split itself.
fn runs_that_saw(study: &Study) -> BTreeSet<String> {
    let registry = study.registry();
    let view = registry.view().unwrap();
    let names = view.names_by_id().unwrap();
    let mut saw = BTreeSet::new();
    for id in view.of_kind(reg::records::Kind::Run).unwrap() {
        let spec: Spec = registry.get(registry.get::<Run>(Id::new(id)).unwrap().spec).unwrap();
        let split: Split = registry.get(spec.split()).unwrap();
        let manifest = registry.manifest(&registry.get(spec.dataset()).unwrap()).unwrap();
        let codes = registry.assignment(&split).unwrap().folds[spec.fold() as usize].clone();
        let of_patient = manifest.rows.iter().zip(codes).filter(|(row, _)| row.patient == PATIENT.into());
        if of_patient.map(|(_, code)| code).any(|code| code < 2) {
            saw.insert(names[&id].clone());
        }
    }
    saw
}

fn marked(study: &Study, kind: &str) -> BTreeSet<String> {
    let listed = study.json(&format!("list {kind}"));
    let records = listed["records"].as_array().unwrap().iter().filter(|one| !one["withdrawn"].is_null());
    records.map(|one| one["name"].as_str().unwrap_or("").to_owned()).collect()
}

#[test]
fn what_leaves_the_registry_says_that_it_contains_withdrawn_data_and_images_stay() {
    let study = Study::trained();
    study.ok("key new -o k");
    study.ok("attest table --key k -o before.json");
    study.ok(WITHDRAW);
    let saw = runs_that_saw(&study).into_iter().next().unwrap();
    study.ok(&format!("export {saw} -o card.md"));
    study.refused(
        2,
        &format!("export {saw} --format card -o q.csv"),
        &["q.csv has the extension of csv", "card"],
    );
    let card = fs::read_to_string(study.path("card.md")).unwrap();
    assert!(card.contains("This run contains withdrawn data: 2 images"), "{card}");
    study.ok("attest table --key k -o after.json");
    let [before, after] = ["before.json", "after.json"].map(|name| {
        let key = reg::attest::PublicKey::read(&study.path("k.pub")).unwrap();
        let bytes = fs::read(study.path(name)).unwrap();
        let statement = reg::attest::open(&bytes, &key, &study.path(name)).unwrap();
        serde_json::to_string(&statement).unwrap()
    });
    let said = "\"withdrawn\":{";
    assert!(!before.contains(said) && after.contains(said) && after.contains("\"images\":2"), "{after}");
    // An output file carries the flag itself, since it has no standard error.
    let said = "contains withdrawn data: 2 images";
    for format in ["text", "markdown", "latex", "csv"] {
        let text = study.ok(&format!("show table --format {format}"));
        assert!(text.contains(said), "{format}: {text}");
    }
    let csv = study.ok("compare tiny-s-f0 mlp-s-f0 --table spearman --format csv");
    assert!(csv.lines().next().unwrap().ends_with(",withdrawn data"), "{csv}");
    assert!(csv.lines().skip(1).all(|line| line.contains(said)), "{csv}");
    for command in ["trace table", "dataset stats tiny", "split show s", "show tiny"] {
        let text = study.ok(command);
        assert!(text.contains(said), "{command}: {text}");
    }
    assert_eq!(study.json("trace table")["withdrawn"][0]["uses"]["images"], json!(2));
    let prov = study.json("trace table --format prov");
    let of = |id: &str| prov["entity"][format!("reg:{id}")]["reg:withdrawn"].clone();
    assert!(of(&study.id("table")).as_str().unwrap().starts_with(said), "{prov}");
    let images = IMAGES.map(|name| image(&study, name));
    let invalidated = prov["wasInvalidatedBy"].as_object().unwrap();
    assert_eq!(invalidated.len(), 2);
    for id in &images {
        assert_eq!(of(id), json!("patient 5: consent"));
        assert_eq!(invalidated[&format!("_:w{id}")]["prov:entity"], json!(format!("reg:{id}")));
    }
    assert_eq!(of(&image(&study, "00000001_000.png")), Value::Null);
    study.ok("trace table --format ro-crate -o crate");
    let described = fs::read_to_string(study.path("crate/ro-crate-metadata.json")).unwrap();
    assert!(described.contains(". This contains") && !described.contains("labels This"), "{described}");
    let described: Value = serde_json::from_str(&described).unwrap();
    let graph = described["@graph"].as_array().unwrap();
    let root = graph.iter().find(|one| one["@id"] == "./").unwrap();
    assert!(root["description"].as_str().unwrap().contains(said), "{root}");
    // Neither contains the name of the machine.
    assert!(
        files(&study.path("crate"))
            .iter()
            .all(|file| { !String::from_utf8_lossy(&fs::read(file).unwrap()).contains("\"host\":") })
    );
    study.ok("export mlflow tracking");
    let store = fs::read(study.path("tracking/mlflow.db")).unwrap();
    assert!(String::from_utf8_lossy(&store).contains(said), "a tag of the runs");
    study.ok(&format!("export {saw} --format parquet -o sheets"));
    let marked = files(&study.path("sheets"));
    assert!(String::from_utf8_lossy(&fs::read(&marked[0]).unwrap()).contains("reg.withdrawn"));
    study.refused(
        3,
        "dataset export tiny --format croissant -o shared",
        &["2 images", "patient 5: consent", "reg ingest"],
    );
    assert!(!study.path("shared").exists());
    // A purged object does not count as missing.
    let purged = study.ok(&format!("{WITHDRAW} --purge"));
    assert!(!purged.contains("from now on"), "it is marked already: {purged}");
    let doctor = study.reg("doctor");
    assert!(!String::from_utf8_lossy(&doctor.stdout).contains("missing"), "{doctor:?}");
}

#[test]
fn scores_of_a_withdrawn_patient_are_marked_also_where_a_run_that_never_saw_him_is_asked_for() {
    let study = Study::trained();
    // A patient in the test subset of the first fold.
    let run = "tiny-s-f0";
    let fold = |patient: &u32| {
        study.json(&format!("trace --down patient:{patient}"))["datasets"][0]["splits"][0]["folds"][0].clone()
    };
    let patient = (1..20).find(|patient| fold(patient)["test"].as_u64() > Some(0)).unwrap();
    let images = fold(&patient)["test"].as_u64().unwrap();
    study.ok(&format!("withdraw patient:{patient} --reason consent"));
    assert!(!marked(&study, "run").contains(run), "it never saw him");
    let plural = if images == 1 { "" } else { "s" };
    let of = |verb: &str| format!("contains withdrawn data: {images} image{plural} ({verb} {images})");
    let said = of("scored");
    let said = said.as_str();
    for file in ["f.parquet", "f.csv", "m.md"] {
        let answer = study.reg(&format!("--json export {run} -o {file}"));
        answer.says(0, &[said]);
        assert_eq!(answer.json()["withdrawn"][0]["uses"]["scored"], json!(images), "{file}");
        let bytes = fs::read(study.path(file)).unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes).contains(said), file != "f.csv", "{file}");
    }
    let answer = study.reg(&format!("--json export {run} --format checkpoint -o c"));
    assert_eq!(answer.json()["withdrawn"], Value::Null, "the weights have not seen him");
    study.reg(&format!("export mlflow tracking {run}")).says(0, &[said]);
    let store = fs::read(study.path("tracking/mlflow.db")).unwrap();
    assert!(String::from_utf8_lossy(&store).contains(said), "a tag of the run");
    let answer = study.reg("--json dataset export tiny --format parquet -o sheets");
    answer.says(0, &[&of("holds")]);
    assert_eq!(answer.json()["withdrawn"][0]["uses"]["holds"], json!(images));
    for file in files(&study.path("sheets")) {
        assert!(String::from_utf8_lossy(&fs::read(file).unwrap()).contains("reg.withdrawn"));
    }
}

#[test]
fn a_patient_and_his_images_are_withdrawn_each_by_itself() {
    let study = Study::divided();
    let new =
        |study: &Study, what: &str| study.json(&format!("withdraw {what} --reason asked"))["new"].clone();
    for name in IMAGES {
        assert_eq!(new(&study, name), json!(true));
    }
    // All of the patient's images are withdrawn, but not the patient: a new image would be accepted.
    assert_eq!(new(&study, "patient:5"), json!(true));
    for what in ["patient:5", IMAGES[0], IMAGES[1]] {
        assert_eq!(new(&study, what), json!(false), "{what}");
    }
    for (name, left_out) in [(IMAGES[0], 2), (IMAGES[1], 2), ("patient:5", 0)] {
        study.ok(&format!("withdraw {name} --revoke --reason mistake"));
        assert_eq!(study.json(INGEST)["withdrawn"], json!(left_out), "{name}");
    }
    // And the other way round.
    assert_eq!((new(&study, "patient:5"), new(&study, IMAGES[1])), (json!(true), json!(true)));
    let taken = study.ok("withdraw patient:5 --revoke --reason mistake");
    assert!(taken.contains("still withdrawn through: image 00000005_001.png (asked)"), "{taken}");
    assert_eq!(study.json(INGEST)["withdrawn"], json!(1));
    // A data set with only one of the images does not know the other; the withdrawal of the patient does.
    let small = Study::new();
    std::fs::remove_file(small.path(&format!("images/{}", IMAGES[1]))).unwrap();
    small.ok("ingest images --metadata data.csv --name tiny --allow-missing");
    assert_eq!((new(&small, IMAGES[0]), new(&small, "patient:5")), (json!(true), json!(true)));
    std::fs::copy(study.path(&format!("images/{}", IMAGES[1])), small.path(&format!("images/{}", IMAGES[1])))
        .unwrap();
    assert_eq!(small.json(INGEST)["withdrawn"], json!(2));
}

#[test]
fn a_withdrawn_patient_leaves_the_next_data_set_and_marks_what_used_him_and_nothing_else() {
    let study = Study::trained();
    assert_eq!(marked(&study, "run"), BTreeSet::new());
    let done = study.json(WITHDRAW);
    assert_eq!((&done["new"], &done["purged"]), (&json!(true), &Value::Null));
    let names: Vec<&str> =
        done["images"].as_array().unwrap().iter().map(|i| i["name"].as_str().unwrap()).collect();
    assert_eq!(names, IMAGES);
    assert_eq!(marked(&study, "run"), runs_that_saw(&study));
    // Every fold contains the patient, so each table is about a run that saw the patient or has scores of the patient.
    let tables = study.json("list table")["records"].as_array().unwrap().len();
    let of_tables = done["results"].as_array().unwrap().iter().filter(|one| one["kind"] == "table");
    assert_eq!(of_tables.count(), tables);
    let shown = study.reg("show table");
    shown.says(0, &["contains withdrawn data: 2 images"]);
    assert!(study.json("show table")["withdrawn"][0]["uses"]["images"] == json!(2));
    study.reg("compare tiny-s-f0 mlp-s-f0").says(0, &["contains withdrawn data"]);
    study.ok("report table -o page.html");
    assert!(fs::read_to_string(study.path("page.html")).unwrap().contains("Contains withdrawn data"));
    study.reg("trace table").says(0, &["contains withdrawn data"]);
    study.reg("trace --down patient:5").says(0, &["patient 5 was withdrawn on", "consent"]);
    let images = study.json("trace --down patient:5")["images"].clone();
    let withdrawal = study.json("list withdrawal")["records"][0]["id"].clone();
    assert!(images.as_array().unwrap().iter().all(|image| image["withdrawn"] == withdrawal), "{images}");
    study.is_sound();

    let before = files(&study.path(".reg/objects")).len();
    let again = study.json(INGEST);
    assert_eq!((&again["images"], &again["withdrawn"]), (&json!(28), &json!(2)));
    let findings = again["findings"].to_string();
    assert!(findings.contains("2 rows of the metadata were left out: patient 5, withdrawn on"), "{findings}");
    assert!(findings.contains("consent") && !findings.contains("no row"), "{findings}");
    assert_eq!(study.json("show tiny")["record"]["withdrawn"], json!(2));
    // Record, manifest, boxes and the entry of the log: the metadata file and the other images are there.
    assert!(files(&study.path(".reg/objects")).len() <= before + 4);
    let marked = marked(&study, "dataset");
    assert!(!marked.contains("tiny"), "the new version is clean: {marked:?}");
}

#[test]
fn what_would_compute_with_withdrawn_images_is_refused_until_it_is_allowed() {
    let study = Study::trained();
    let old = study.id("tiny");
    study.ok(WITHDRAW);
    // Existing results are returned, and flagged.
    assert!(!study.ok(WITHDRAW).contains("from now on"), "it is marked already");
    let known = study.reg(MLP);
    known.says(0, &[]);
    assert!(known.stderr.contains("contains withdrawn data"), "{known:?}");
    for command in [
        format!("{MLP} --set lr=0.5"),
        "eval tiny-s-f0 --subset train".to_owned(),
        format!("{TINY} --seed 7"),
    ] {
        let answer = study.refused(3, &command, &["were withdrawn (patient 5: consent)"]);
        assert!(answer.stderr.contains("--allow-withdrawn"), "{answer:?}");
    }
    assert_eq!(study.id("tiny"), old);
    let allowed = study.json(&format!("{MLP} --set lr=0.5 --allow-withdrawn --name anyway"));
    assert!(!allowed["withdrawn"].as_array().unwrap().is_empty());
    study.ok("reproduce anyway");
}

#[test]
fn a_withdrawn_image_is_known_again_where_its_bytes_are_scored() {
    let study = Study::trained();
    study.ok(WITHDRAW);
    fs::copy(study.path("images/00000005_000.png"), study.path("other.png")).unwrap();
    let scored = study.reg("--json predict tiny-s-f0 other.png images/00000001_000.png");
    assert!(scored.stderr.contains("other.png was withdrawn (patient 5: consent)"), "{scored:?}");
    let images = scored.json()["images"].clone();
    assert_eq!(
        (&images[0]["withdrawn"], &images[1]["withdrawn"]),
        (&json!("patient 5: consent"), &Value::Null)
    );
    let csv = study.ok("predict tiny-s-f0 other.png --format csv");
    assert!(csv.lines().next().unwrap().ends_with(",withdrawn data"), "{csv}");
}

#[test]
fn images_are_counted_once_however_many_data_sets_hold_them() {
    let study = Study::new();
    study.ok(INGEST);
    study.ok("ingest --metadata data.csv --metadata-only --name rows");
    study.edit("data.csv", |text| text.replace('\n', "\r\n"));
    study.ok(&INGEST.replace("--name tiny", "--name bytes"));
    let traced = study.ok("trace --down 00000005_000.png");
    let head = "00000005_000.png: 1 image in 3 data sets: 00000005_000.png (patient 5, metadata row ";
    assert!(traced.starts_with(head), "{traced}");
    assert_eq!(traced.lines().next().unwrap().matches("00000005_000.png").count(), 2, "{traced}");
    let row = traced.lines().next().unwrap().rsplit("row ").next().unwrap().trim_end_matches(')').to_owned();
    let by_row = study.ok(&format!("trace --down tiny:{row}"));
    assert!(by_row.starts_with(&format!("tiny:{row}: 1 image in 2 data sets")), "{by_row}");
    let id = image(&study, IMAGES[0]);
    let by_id = study.ok(&format!("trace --down {id}"));
    assert!(by_id.starts_with(&format!("00000005_000.png {}: 1 image in 2 data sets", &id[..12])), "{by_id}");
    let done = study.ok("withdraw 00000005_000.png --reason blurred");
    assert!(done.contains("00000005_000.png, 1 image in 3 data sets"), "{done}");
    assert!(study.ok(WITHDRAW).contains("patient 5, 2 images in 3 data sets"));
}

#[test]
fn a_list_reads_no_manifest_twice_and_trusts_no_note_that_does_not_fit() {
    let study = Study::divided();
    study.ok(WITHDRAW);
    let marked_with = |images: u64| {
        let listed = study.json("list dataset");
        assert_eq!(listed["records"][0]["withdrawn"]["images"], json!(images), "{listed}");
    };
    marked_with(2);
    let notes = files(&study.path(".reg/cache/withdrawn"));
    let [note] = notes.as_slice() else { panic!("{notes:?}") };
    let whole = fs::read_to_string(note).unwrap();
    // An intact cache entry is used without reading the manifest; a changed one is not.
    let manifest = study.object(study.json("show tiny")["record"]["manifest"].as_str().unwrap());
    let elsewhere = study.path("manifest");
    fs::rename(&manifest, &elsewhere).unwrap();
    marked_with(2);
    fs::rename(&elsewhere, &manifest).unwrap();
    fs::write(note, whole.rsplit_once(' ').unwrap().0).unwrap();
    marked_with(2);
    assert_eq!(fs::read_to_string(note).unwrap(), whole);
    // Another withdrawal, and a revoked one.
    study.ok("withdraw 00000001_000.png --reason blurred");
    marked_with(3);
    study.ok("withdraw patient:5 --reason typo --revoke");
    marked_with(1);
    fs::remove_dir_all(study.path(".reg/cache")).unwrap();
    marked_with(1);
}

#[test]
fn a_withdrawal_can_be_taken_back_and_given_again() {
    let study = Study::divided();
    study.refused(1, &format!("{WITHDRAW} --revoke"), &["patient 5 is not withdrawn"]);
    study.ok(WITHDRAW);
    let again = study.json(WITHDRAW);
    assert_eq!(again["new"], json!(false));
    let again = study.ok(WITHDRAW);
    assert!(again.contains("no run, scores or table contains withdrawn data"), "{again}");
    assert_eq!(study.json("list withdrawal")["records"].as_array().unwrap().len(), 1);
    study.ok("withdraw patient:5 --reason typo --revoke");
    assert_eq!(study.json(INGEST)["withdrawn"], json!(0));
    assert_eq!(marked(&study, "split"), BTreeSet::new());
    study.ok(WITHDRAW);
    assert_eq!(study.json(INGEST)["withdrawn"], json!(2));
    study.ok("withdraw 00000001_000.png --reason blurred");
    assert_eq!(study.json(INGEST)["withdrawn"], json!(3));
    study.ok("reindex");
    assert_eq!(study.json(INGEST)["withdrawn"], json!(3));
    study.is_sound();
}

#[test]
fn purged_bytes_are_gone_for_good_and_that_is_no_damage() {
    let study = Study::trained();
    let objects = IMAGES.map(|name| study.object(&image(&study, name)));
    study.ok("gradcam tiny-s-f0 00000005_000.png --label Hernia -o heat.png");
    let picture = study.object(&id_of(&study.path("heat.png")));
    assert!(picture.exists());
    let pixels = files(&study.path(".reg/cache/pixels")).len();
    assert!(pixels > 0, "a training leaves pixels in the cache");
    study.ok(WITHDRAW);
    assert!(objects.iter().all(|object| object.exists()), "withdrawn is not purged");
    let done = study.json(&format!("{WITHDRAW} --purge"));
    assert_eq!((&done["new"], &done["purged"]["objects"]), (&json!(true), &json!(3)));
    assert_eq!(done["purged"]["cached"], json!(pixels));
    assert!(objects.iter().all(|object| !object.exists()) && !picture.exists());

    let gone = |study: &Study| {
        let verified = study.json("verify");
        assert_eq!((&verified["damaged"], &verified["lingering"]), (&json!([]), &json!([])));
        let names: Vec<Value> =
            verified["purged"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
        assert_eq!(names, [Value::Null, json!(IMAGES[0]), json!(IMAGES[1])]);
    };
    gone(&study);
    assert!(study.ok("verify table").contains("purged: 2"));
    assert!(study.ok("verify").contains("purged 00000005_000.png"));
    // The source files still exist, and no ingest takes them.
    assert_eq!(study.json(INGEST)["withdrawn"], json!(2));
    study.ok(&format!("{INGEST} --paranoid"));
    study.ok("verify --repair-from images");
    study.ok("gc --keep-days 0");
    study.ok("reindex");
    gone(&study);
    study.refused(3, "reproduce tiny-s-f0", &["2 of the images were withdrawn and purged"]);
    study.ok("reproduce mlp-s-f0");
    let again = study.json(&format!("{WITHDRAW} --purge"));
    assert_eq!((&again["new"], &again["purged"]["objects"]), (&json!(false), &json!(0)));
    study.refused(3, "gradcam tiny-s-f0 00000005_000.png --label Hernia -o b.png", &["purged"]);
    study.ok("report table -o page.html");
    study.ok("trace table");
    study.ok("trace --down patient:5");

    // A purged file is put back by hand.
    fs::copy(study.path("images/00000005_000.png"), &objects[0]).unwrap();
    fs::set_permissions(&objects[0], fs::Permissions::from_mode(0o444)).unwrap();
    let found = study.reg("verify");
    assert_eq!(found.code, 3, "{found:?}");
    assert!(String::from_utf8_lossy(&found.stdout).contains("should have been purged with patient 5"));
    study.ok(&format!("{WITHDRAW} --purge"));
    gone(&study);
}

#[test]
fn a_purge_travels_and_bytes_do_not_come_back_by_another_registry() {
    let (study, other) = (Study::trained(), Study::bare());
    other.ok("init");
    let from = study.path("").display().to_string();
    other.ok(&format!("pull {from}"));
    let objects = IMAGES.map(|name| image(&study, name));
    study.ok(&format!("{WITHDRAW} --purge"));
    // The other registry receives the withdrawal, flags its results, and removes nothing by itself.
    let pulled = other.reg(&format!("pull {from}"));
    pulled.says(0, &["1 withdrawal arrived"]);
    assert_eq!(marked(&other, "run"), runs_that_saw(&study));
    assert!(objects.iter().all(|id| other.object(id).exists()));
    assert_eq!(other.reg("verify").code, 3, "what should be gone is here");
    // It still has the bytes, and they are not copied back.
    let back = study.json(&format!("pull {}", other.path("").display()));
    assert_eq!((&back["objects"], &back["purged"]), (&json!(0), &json!(2)));
    study.is_sound();
    assert!(objects.iter().all(|id| !study.object(id).exists()));
    other.ok(&format!("{WITHDRAW} --purge"));
    other.is_sound();
    study.ok("withdraw 00000001_000.png --reason blurred");
    other.ok(&format!("pull {from}"));
    study.ok("withdraw 00000001_000.png --reason typo --revoke");
    let pulled = other.reg(&format!("pull {from}"));
    pulled.says(0, &["a withdrawal was revoked: image 00000001_000.png"]);
    assert!(!pulled.stderr.contains("from now on"), "{pulled:?}");
    // A third registry gets everything except for the purged images, from a registry and through a pack store.
    for by in [from.clone(), "depot".to_owned()] {
        if by == "depot" {
            study.ok("push depot");
        }
        let third = Study::bare();
        third.ok("init");
        let by = if by == "depot" { study.path("depot").display().to_string() } else { by };
        third.ok(&format!("pull {by} tiny-s-f0"));
        assert_eq!(third.json("verify")["purged"].as_array().unwrap().len(), 2);
        third.is_sound();
        assert!(
            third.reg("show tiny-s-f0").stderr.contains("withdrawn")
                == runs_that_saw(&study).contains("tiny-s-f0")
        );
    }
}

#[test]
fn a_made_up_withdrawal_excuses_no_checkpoint_and_keeps_none_from_travelling() {
    let study = Study::trained();
    let run = study.json("show mlp-s-f0")["record"].clone();
    let checkpoint: Hash = run["checkpoint"].as_str().unwrap().parse().unwrap();
    let registry = study.registry();
    let forged = Withdrawal {
        subject: Subject::Patient { patient: 999.into() },
        number: 0,
        reason: "none".to_owned(),
        time: "2026-11-05T08:30:00Z".to_owned(),
        host: "h".to_owned(),
        command: "c".to_owned(),
        images: vec![WithdrawnImage {
            name: "x.png".to_owned(),
            patient: 999.into(),
            blake3: Some(Mention(checkpoint)),
            sha256: None,
            bytes: 1,
        }],
        pictures: vec![Mention(checkpoint)],
        purge: true,
        revokes: None,
    };
    let stamp = Stamp { time: forged.time.clone(), command: "c".to_owned() };
    let mut transaction = registry.transaction().unwrap();
    transaction.put(&forged).unwrap();
    transaction.commit(&stamp).unwrap();
    assert_eq!(study.json("verify")["lingering"], json!([]));
    let other = Study::bare();
    other.ok("init");
    other.ok(&format!("pull {}", study.path("").display()));
    assert!(other.object(&checkpoint.to_string()).exists());
    fs::remove_file(study.object(&checkpoint.to_string())).unwrap();
    let found = study.reg("--json verify");
    assert_eq!(found.code, 3);
    assert_eq!(found.json()["damaged"][0]["id"], json!(checkpoint));
    assert_eq!(found.json()["purged"], json!([]));
}

#[test]
fn bytes_that_are_also_another_patients_are_purged_only_if_that_is_said() {
    let study = Study::new();
    fs::copy(study.path("images/00000005_000.png"), study.path("images/00000001_000.png")).unwrap();
    study.ok(INGEST);
    study.refused(1, &format!("{WITHDRAW} --purge"), &["00000001_000.png of patient 1", "--shared"]);
    assert_eq!(study.json("list withdrawal")["records"], json!([]));
    let done = study.json(&format!("{WITHDRAW} --purge --shared"));
    assert_eq!(done["shared"], json!(["00000001_000.png of patient 1"]));
    assert_eq!(study.json(INGEST)["withdrawn"], json!(3), "the same picture is the same picture");
    study.is_sound();
}

#[test]
fn a_hard_linked_original_is_told_of() {
    let study = Study::new();
    study.ok(&format!("{INGEST} --link hardlink"));
    study
        .reg(&format!("{WITHDRAW} --purge"))
        .says(0, &["2 of the purged objects were hard links", "remove the images there too"]);
    assert!(study.path("images/00000005_000.png").exists());
}

#[test]
fn what_cannot_be_withdrawn_is_said_and_leaves_nothing() {
    let study = Study::divided();
    let before = files(&study.path(".reg/objects"));
    for (what, words) in [
        ("patient:999", "no data set here has an image of patient:999"),
        ("patient:p10-α", "no data set here has an image of patient:p10-α"),
        ("patient:", "no record is named"),
        ("tiny", "neither a patient nor an image"),
        ("tiny:3", "neither a patient nor an image"),
        ("nobody.png", "no record is named"),
    ] {
        study.refused(1, &format!("withdraw {what} --reason r"), &[words]);
    }
    let mut command = study.command("withdraw patient:5 --reason");
    let answer = crate::harness::finish(command.arg("  ").output(), "withdraw");
    answer.says(1, &["the reason must be one line"]);
    assert_eq!(study.reg("withdraw patient:5").code, 2);
    assert_eq!(files(&study.path(".reg/objects")), before);

    let rows = Study::new();
    rows.ok("ingest --metadata-only --metadata data.csv --name rows");
    assert!(rows.ok(&format!("{WITHDRAW} --purge")).contains("nothing to purge"));
    rows.is_sound();
    assert_eq!(rows.json("ingest --metadata-only --metadata data.csv")["images"], json!(28));
}
