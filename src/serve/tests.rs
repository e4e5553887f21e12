//! Pages of what strangers made.

use std::thread;

use super::route::answer;
use super::site::Site;
use crate::hash::{Hash, Id};
use crate::records::{Note, Weights, codec};
use crate::registry::{Registry, Stamp};

/// Weights, and a chain of notes about them, each of which replaces the one before.
fn chain(registry: &Registry, notes: usize) -> (Id<Weights>, Vec<Id<Note>>) {
    let mut transaction = registry.transaction().unwrap();
    let file = transaction.put_outside(b"weights").unwrap();
    let about = transaction
        .put(&Weights { file, runs: Vec::new(), trained_on: Vec::new(), tensors: 1, parameters: 2 })
        .unwrap();
    let (mut chain, mut notes_made): (Vec<Id<Note>>, _) = (Vec::new(), Vec::new());
    for n in 0..notes {
        let (text, time) = (format!("note {n}"), "2026-11-01T00:00:00Z".to_owned());
        let note = Note { about: about.hash, text, time, prev: chain.last().copied() };
        // A record that names another new one waits for it to be on the disk: of what is there, nothing waits.
        transaction.put_blob(&codec::encode(&note).unwrap()).unwrap();
        chain.push(Registry::id_of(&note).unwrap());
        notes_made.push(note);
    }
    transaction.settle().unwrap();
    notes_made.iter().for_each(|note| _ = transaction.put(note).unwrap());
    let (time, command) = ("2026-11-01T00:00:00Z".to_owned(), "test".to_owned());
    transaction.commit(&Stamp { time, command }).unwrap();
    (about, chain)
}

/// The body of a page that is there.
fn page(site: &Site, path: &str) -> String {
    let answer = answer(site, path, "");
    assert_eq!(answer.status, 200, "{path}");
    String::from_utf8(answer.body).unwrap()
}

/// Reads from page to page for as long as one says that the lineage goes on elsewhere, and gives all of them.
fn pages(site: &Site, way: &str, root: Hash) -> Vec<String> {
    let mut pages = vec![page(site, &format!("/lineage/{way}/{root}"))];
    loop {
        let last = pages.last().unwrap();
        let Some(before) = last.find("\">continues here</a>") else { return pages };
        let link = &last[..before];
        let path = link[link.rfind("href=\"").unwrap()..].trim_start_matches("href=\"");
        let next = page(site, path);
        pages.push(next);
    }
}

/// Takes ten seconds, almost all of it for the notes to be on the disk.
#[test]
fn a_lineage_of_5_000_notes_is_shown_page_by_page_on_a_small_stack() {
    const NOTES: usize = 5000;
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::init(dir.path()).unwrap();
    let (about, notes) = chain(&registry, NOTES);
    let site = Site::new(registry);
    let look = move || {
        for (way, from, to) in [("up", NOTES - 1, 0), ("down", 0, NOTES - 1)] {
            let pages = pages(&site, way, notes[from].hash);
            assert_eq!(pages.len(), NOTES.div_ceil(150), "{way}");
            let last = pages.last().unwrap();
            assert!(last.contains(&format!("href=\"/record/{}\"", notes[to])), "{way}");
            for page in &pages {
                let [open, close] = ["<details", "</details>"].map(|tag| page.matches(tag).count());
                // Those of a level each, and that of the weights.
                assert!(open <= 151 && open == close, "{open} boxes open, {close} close");
                assert!(page.len() < 300_000, "{} bytes", page.len());
            }
        }
        // All of them are about it.
        assert!(page(&site, &format!("/lineage/down/{about}")).contains(&notes[0].to_string()));
        for id in [about.hash, notes[0].hash, notes[NOTES - 1].hash] {
            page(&site, &format!("/record/{id}"));
        }
    };
    thread::Builder::new().stack_size(512 << 10).spawn(look).unwrap().join().unwrap();
}
