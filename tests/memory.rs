//! The memory of walks over long lineages. A test crate of its own with one test, because the peak is that of a
//! process.

#![cfg(target_os = "linux")]

use std::fs;

use reg::hash::{Hash, Id};
use reg::records::codec::{self, Header};
use reg::records::{Kind, Note, Role, Roles, Run, Weights};
use reg::registry::walk::{Lineage, Walk, inputs, results};
use reg::registry::{Objects, RegistryError};
use reg::usage::UsageQuery;

const RECORDS: u64 = 100_000;
/// Bytes of the text of each.
const TEXT: usize = 2 << 10;
/// Limit of a walk: a fifteenth of the records.
const WALK: u64 = 13 << 20;
/// Limit of a query for the use of images, which holds all open nodes of a chain until it returns.
const USAGE: u64 = 5 * WALK;

/// Notes about notes, each created when it is read, so that only a walk can hold them.
struct Chain;

fn id(number: u64) -> Hash {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&number.to_le_bytes());
    Hash(id)
}

fn number(id: &Hash) -> u64 {
    u64::from_le_bytes(id.0[..8].try_into().unwrap())
}

impl Objects for Chain {
    fn bytes(&self, note: &Hash) -> Result<Vec<u8>, RegistryError> {
        let (about, text, time) =
            (id(number(note).saturating_sub(1)), "x".repeat(TEXT), "2026-11-05T08:30:00Z");
        let note =
            format!(r#"{{"about":"{about}","kind":"note","text":"{text}","time":"{time}","version":1}}"#);
        Ok(note.into_bytes())
    }

    fn runs_of(&self, _: &Hash) -> Result<Vec<Id<Run>>, RegistryError> {
        Ok(Vec::new())
    }

    fn weights_of(&self, _: &Hash) -> Result<Vec<Id<Weights>>, RegistryError> {
        Ok(Vec::new())
    }
}

impl Lineage for Chain {
    fn kind(&self, _: &Hash) -> Result<Option<Kind>, RegistryError> {
        Ok(Some(Kind::Note))
    }

    fn referrers(&self, note: &Hash) -> Result<Vec<(Hash, Roles)>, RegistryError> {
        let next = number(note) + 1;
        Ok((next < RECORDS).then(|| (id(next), Role::About.into())).into_iter().collect())
    }
}

/// Peak memory of this process so far, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Walks from a note to the end of the chain.
fn walk(from: u64, edges: impl Fn(Hash) -> Vec<reg::lineage::Edge>) -> usize {
    let mut walk = Walk::from([(id(from), ())]);
    while let Some((id, ())) = walk.step() {
        edges(id).iter().for_each(|edge| _ = walk.reach(edge.other(&id), ()));
    }
    assert_eq!(walk.widest(), 1);
    walk.reached()
}

#[test]
fn a_chain_of_100_000_records_is_walked_in_a_fraction_of_its_size() {
    let chain = Chain;
    assert!(codec::decode::<Note>(&chain.bytes(&id(7)).unwrap()).is_ok());
    let size = RECORDS * chain.bytes(&id(RECORDS - 1)).unwrap().len() as u64;
    assert!(15 * WALK <= size, "{size}");
    let before = peak();
    let up = |id: Hash| {
        let header = Header::read(&chain.bytes(&id).unwrap()).unwrap();
        inputs(&chain, id, header.kind, &header.links(), false).unwrap()
    };
    assert_eq!(walk(RECORDS - 1, up), RECORDS as usize);
    assert_eq!(walk(0, |id| results(&chain, id, &[]).unwrap()), RECORDS as usize);
    let walked = peak() - before;
    assert!(walked < WALK, "{walked} bytes for {size} of records");

    let mut usage = UsageQuery::new(&chain, Box::new(|_, _| Ok(Vec::new())));
    assert!(usage.of(&id(RECORDS - 1)).is_empty() && usage.unread.is_empty());
    let used = peak() - before;
    assert!(used < USAGE, "{used} bytes for {size} of records");
}
