//! The promises of a registry: names, references without missing targets, and an index that can be lost.

use std::path::Path;

use tempfile::TempDir;

use super::open::FORMAT_FILE;
use super::*;
use crate::progress::Silent;
use crate::records::{self, Numerics, Software, Weights};

fn registry() -> (TempDir, Registry) {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::init(dir.path()).unwrap();
    (dir, registry)
}

fn stamp(time: &str) -> Stamp {
    Stamp { time: time.to_owned(), command: "test".to_owned() }
}

/// Adds weights of the bytes `content` under a name.
fn add(registry: &Registry, content: &str, name: &str) -> Id<Weights> {
    let mut transaction = registry.transaction().unwrap();
    let file = transaction.put_outside(content.as_bytes()).unwrap();
    let id = transaction
        .put(&Weights { file, runs: Vec::new(), trained_on: Vec::new(), tensors: 1, parameters: 2 })
        .unwrap();
    transaction.name(name, id.hash).unwrap();
    transaction.commit(&stamp("2026-11-01T00:00:00Z")).unwrap();
    id
}

fn names(registry: &Registry) -> Vec<String> {
    registry.view().unwrap().names().unwrap().into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_name_is_plain_and_cannot_be_taken_for_an_id() {
    let longest = "n".repeat(128);
    for good in ["a", "0", "nih96", "resnet50-1channel", "v1.0+b_2", "beef", "abcde", "Face-12", &longest] {
        assert!(is_name(good), "{good}");
    }
    let too_long = "n".repeat(129);
    for bad in [
        "", "-a", ".a", "+a", "_a", "a b", "a/b", "..", "a:b", "a\n", "é", "facade", "FACADE", "123456",
        &too_long,
    ] {
        assert!(!is_name(bad), "{bad}");
    }
    let (_dir, registry) = registry();
    let mut transaction = registry.transaction().unwrap();
    let refused = transaction.name("a/b", Hash::of(b"x")).unwrap_err();
    assert!(matches!(refused, RegistryError::BadName(name) if name == "a/b"));
}

#[test]
fn a_record_that_names_what_is_not_there_is_refused() {
    let (_dir, registry) = registry();
    let missing = Hash::of(b"nowhere");
    let text = || "1".to_owned();
    let numerics = Numerics { version: 1, libtorch: text(), target: text() };
    let (worker, tch) = (text(), text());
    let software = Software { worker, numerics, tch, crates: Default::default(), sources: Id::new(missing) };
    let mut transaction = registry.transaction().unwrap();
    let id = transaction.put(&software).unwrap();
    transaction.name("dangling", id.hash).unwrap();
    let refused = transaction.commit(&stamp("")).unwrap_err();
    let RegistryError::Dangling { id: named, missing: found, .. } = refused else { panic!("{refused}") };
    assert_eq!((named, found), (id.hash, missing));
    let view = registry.view().unwrap();
    assert_eq!((view.records().unwrap(), view.names().unwrap(), view.log().unwrap()), (0, vec![], vec![]));

    // With the object in the same transaction the name is accepted.
    drop(view);
    let mut transaction = registry.transaction().unwrap();
    transaction.put(&software).unwrap();
    transaction.put_blob(b"nowhere").unwrap();
    transaction.commit(&stamp("2026-11-01T00:00:00Z")).unwrap();
    assert_eq!(registry.view().unwrap().records().unwrap(), 1);
}

#[test]
fn an_object_is_found_by_name_by_id_and_by_the_beginning_of_its_id() {
    let (_dir, registry) = registry();
    let id = add(&registry, "one", "first");
    let view = registry.view().unwrap();
    let digits = id.to_string();
    for text in ["first", &digits, &digits[..6], &digits[..63]] {
        assert_eq!(registry.resolve(&view, text).unwrap(), id.hash, "{text}");
        assert_eq!(registry.resolve_as::<Weights>(&view, text).unwrap(), id, "{text}");
    }
    let wrong = registry.resolve_as::<Software>(&view, "first").unwrap_err();
    assert!(
        matches!(&wrong, RegistryError::WrongKind { expected: "software", found, .. } if found == "weights"),
        "{wrong}"
    );
    let file = Hash::of(b"one").to_string();
    let wrong = registry.resolve_as::<Weights>(&view, &file).unwrap_err();
    assert!(
        matches!(&wrong, RegistryError::WrongKind { found, .. } if found.contains("no record")),
        "{wrong}"
    );
}

#[test]
fn what_fits_nothing_or_several_objects_is_refused() {
    let (_dir, registry) = registry();
    let id = add(&registry, "one", "resnet50");
    let view = registry.view().unwrap();
    let digits = id.to_string();
    let too_long = format!("{digits}0");
    for text in ["", "a", "ab", &digits[..5], &too_long, &digits.to_uppercase(), "zzzzzz", "../../../x"] {
        let unknown = registry.resolve(&view, text).unwrap_err();
        assert!(matches!(unknown, RegistryError::Unknown { .. }), "{text}: {unknown}");
    }
    let unknown = registry.resolve(&view, "resnet-50").unwrap_err();
    assert!(
        matches!(&unknown, RegistryError::Unknown { similar, .. } if *similar == ["resnet50"]),
        "{unknown}"
    );

    // Another object whose id starts with the same digits.
    let twin: Hash = format!("{}{}", &digits[..10], "0".repeat(54)).parse().unwrap();
    std::fs::write(registry.store().path(&twin), b"").unwrap();
    let ambiguous = registry.resolve(&view, &digits[..10]).unwrap_err();
    let RegistryError::Ambiguous { candidates, .. } = &ambiguous else { panic!("{ambiguous}") };
    let mut expected = vec![(twin, "object".to_owned()), (id.hash, "weights".to_owned())];
    expected.sort();
    assert_eq!(*candidates, expected);
    assert_eq!(registry.resolve(&view, &digits).unwrap(), id.hash);
}

/// All answers of an index.
fn answers(registry: &Registry) -> String {
    let view = registry.view().unwrap();
    let kinds: Vec<_> = records::Kind::ALL
        .iter()
        .map(|kind| {
            let mut ids = view.of_kind(*kind).unwrap();
            ids.sort();
            (kind, ids)
        })
        .collect();
    let objects = registry.store().list().unwrap().objects;
    let referrers: Vec<_> = objects.iter().map(|id| (id, view.referrers(id).unwrap())).collect();
    format!("{kinds:?} {referrers:?} {:?} {:?}", view.names().unwrap(), view.log().unwrap())
}

#[test]
fn a_lost_or_damaged_index_comes_back_with_its_names_and_log() {
    let (_dir, registry) = registry();
    let one = add(&registry, "one", "a");
    add(&registry, "two", "b");
    add(&registry, "three", "b");
    let mut transaction = registry.transaction().unwrap();
    transaction.name("c", one.hash).unwrap();
    transaction.commit(&stamp("2026-11-02T00:00:00Z")).unwrap();
    registry.remove_name("a", &stamp("2026-11-03T00:00:00Z")).unwrap();
    let before = answers(&registry);
    assert_eq!(names(&registry), ["b", "c"]);

    for spoil in [None, Some(&b""[..]), Some(b"not a database")] {
        match spoil {
            None => std::fs::remove_file(registry.index.path()).unwrap(),
            Some(bytes) => std::fs::write(registry.index.path(), bytes).unwrap(),
        }
        let found = registry.reindex(&Silent).unwrap();
        assert_eq!(answers(&registry), before);
        assert_eq!((found.records, found.names, found.log, found.damaged.len()), (3, 2, 5, 0));
    }
    // Also over an intact index, which has an entry that is no longer true.
    registry
        .index
        .write(|writer| {
            writer.record(&Hash::of(b"ghost"), records::Kind::Run)?;
            writer.set_name("ghost", Some(one.hash))
        })
        .unwrap();
    registry.reindex(&Silent).unwrap();
    assert_eq!(answers(&registry), before);
    // The log continues where it ended.
    add(&registry, "four", "d");
    assert_eq!(registry.view().unwrap().log().unwrap().len(), 6);
}

/// Leaves an event that belongs to no log, as a crash between its writing and the commit does.
fn orphan(registry: &Registry, seq: u64, prev: Hash, time: &str, name: &str, to: Hash) {
    let names = vec![NameChange { name: name.to_owned(), from: None, to: Some(to) }];
    let event = records::Event {
        seq,
        prev: Some(Id::new(prev)),
        time: time.to_owned(),
        command: "crashed".to_owned(),
        names,
    };
    let batch = registry.store().batch().unwrap();
    batch.put(&codec::encode(&event).unwrap()).unwrap();
    batch.persist().unwrap();
}

#[test]
fn of_two_chains_of_events_the_known_one_counts_then_the_longer_then_the_later() {
    let (_dir, registry) = registry();
    let one = add(&registry, "one", "a");
    let log = |registry: &Registry| registry.view().unwrap().log().unwrap();
    // The orphan is the second entry and later than all that follow, but another second entry has a successor.
    orphan(&registry, 2, log(&registry)[0], "2099-01-01T00:00:00Z", "shorter", one.hash);
    add(&registry, "two", "b");
    add(&registry, "three", "c");
    // As long as the log, with an earlier end.
    orphan(&registry, 3, log(&registry)[1], "2026-01-01T00:00:00Z", "earlier", one.hash);
    let before = log(&registry);
    registry.reindex(&Silent).unwrap();
    assert_eq!((names(&registry), log(&registry)), (["a", "b", "c"].map(str::to_owned).into(), before));

    // As long as the log, with a later end: the command had done everything except for its last step.
    orphan(&registry, 3, log(&registry)[1], "2027-01-01T00:00:00Z", "later", one.hash);
    registry.reindex(&Silent).unwrap();
    assert_eq!(names(&registry), ["a", "b", "c"], "the index knows better");
    std::fs::remove_file(registry.index.path()).unwrap();
    registry.reindex(&Silent).unwrap();
    assert_eq!(names(&registry), ["a", "b", "c"], "the head knows better");
    std::fs::remove_file(registry.index.path()).unwrap();
    for entry in std::fs::read_dir(registry.root().join("objects")).unwrap().map(Result::unwrap) {
        if entry.file_name().to_string_lossy().starts_with("head-") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    registry.reindex(&Silent).unwrap();
    assert_eq!(names(&registry), ["a", "b", "later"]);
}

#[test]
fn a_damaged_record_is_left_out_and_reported() {
    let (_dir, registry) = registry();
    let id = add(&registry, "one", "a");
    let path = registry.store().path(&id.hash);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, [&bytes[..bytes.len() - 1], b" "].concat()).unwrap();
    let found = registry.reindex(&Silent).unwrap();
    assert_eq!((found.damaged, found.records, found.names), (vec![id.hash], 0, 1));
}

#[test]
fn a_registry_is_made_once_and_found_from_below() {
    let (dir, registry) = registry();
    let text = std::fs::read_to_string(registry.root().join(FORMAT_FILE)).unwrap();
    assert_eq!(text, "reg 6\n");
    assert!(
        matches!(Registry::init(dir.path()), Err(RegistryError::Exists(root)) if root == registry.root())
    );
    let below = dir.path().join("a/b");
    std::fs::create_dir_all(&below).unwrap();
    assert_eq!(find(&below).unwrap().root(), registry.root());
    assert_eq!(find(dir.path()).unwrap().root(), registry.root());
    for named in [dir.path(), registry.root()] {
        assert_eq!(Registry::load(named).unwrap().root(), registry.root());
    }
    // The nearest one is used.
    let nearer = Registry::init(&dir.path().join("a")).unwrap();
    assert_eq!(find(&below).unwrap().root(), nearer.root());
}

fn find(from: &Path) -> Result<Registry, RegistryError> {
    Registry::find(&Search { from, home: None, trusted: None })
}

#[test]
fn a_search_ends_at_home_and_where_others_can_write() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, registry) = registry();
    let below = dir.path().join("a/b");
    std::fs::create_dir_all(&below).unwrap();
    let within = |home: &Path| Registry::find(&Search { from: &below, home: Some(home), trusted: None });
    assert_eq!(within(dir.path()).unwrap().root(), registry.root());
    let ended = within(&dir.path().join("a")).unwrap_err().to_string();
    assert!(ended.ends_with("/a, your home folder") && ended.contains("the search ended at"), "{ended}");
    // Somebody else's folder may hold what somebody else put there, and so may all above it.
    let open = |mode| {
        std::fs::set_permissions(dir.path().join("a"), std::fs::Permissions::from_mode(mode)).unwrap();
        find(&below)
    };
    let ended = open(0o777).unwrap_err().to_string();
    assert!(ended.ends_with("/a, to which other accounts may write"), "{ended}");
    assert!(matches!(open(0o1777), Err(RegistryError::NotFound { .. })));
    assert_eq!(open(0o755).unwrap().root(), registry.root());
}

#[test]
fn trusted_registries_are_listed_once_and_can_be_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let list = TrustList::in_folder(dir.path());
    let (a, b) = (Path::new("/lab/.reg"), Path::new("/home/x/.reg"));
    assert_eq!(list.read().unwrap(), [a; 0]);
    assert!(list.set(a, true).unwrap() && list.set(b, true).unwrap() && !list.set(a, true).unwrap());
    assert_eq!(list.read().unwrap(), [a, b]);
    assert!(list.set(a, false).unwrap() && !list.set(a, false).unwrap());
    assert_eq!(list.read().unwrap(), [b]);
}

#[test]
fn another_format_and_no_registry_are_told_apart() {
    let (dir, registry) = registry();
    let format = registry.root().join(FORMAT_FILE);
    std::fs::write(&format, "reg 1\n").unwrap();
    for loaded in [Registry::load(dir.path()), find(dir.path())] {
        let older = loaded.unwrap_err();
        assert!(matches!(older, RegistryError::OlderFormat { found: 1, .. }), "{older}");
        assert!(older.to_string().contains("is of an older format, 1; this reg reads format 6"), "{older}");
    }
    std::fs::write(&format, "reg 7\n").unwrap();
    for loaded in [Registry::load(dir.path()), find(dir.path())] {
        assert!(matches!(loaded, Err(RegistryError::NewerFormat { found: 7, .. })));
    }
    for other in ["", "reg\n", "reg one\n", "git 1\n", "reg 0\n"] {
        std::fs::write(&format, other).unwrap();
        assert!(matches!(Registry::load(dir.path()), Err(RegistryError::NoFormat(_))), "{other:?}");
    }
    std::fs::remove_file(&format).unwrap();
    assert!(matches!(Registry::load(dir.path()), Err(RegistryError::NotARegistry(_))));
    assert!(matches!(find(dir.path()), Err(RegistryError::NotFound { .. })));
}
