//! Reads a bundle and believes nothing that it says of itself.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use serde::Deserialize;
use zip::ZipArchive;
use zip::result::ZipError;

use super::AuditError;
use super::bundle::{FORMAT, LISTING, derived, object_at, path_of};
use super::data::data;
use super::recompute::recompute;
use super::walk::{Objects, walk};
use crate::hash::Hash;
use crate::records::{Execution, KINDS, codec};

/// A member longer than this is refused.
const MAX_MEMBER: u64 = 8 << 30;
/// More members than this are refused.
const MAX_MEMBERS: usize = 1_000_000;

/// What came of checking a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The result that it is about.
    pub root: Hash,
    /// Records in it.
    pub records: u64,
    /// Objects in it, records among them.
    pub objects: u64,
    /// AUCs that were computed again.
    pub aucs: u64,
    /// What is wrong with it; empty where nothing is.
    pub wrong: Vec<String>,
}

#[derive(Deserialize)]
struct Listing {
    format: String,
    root: Hash,
    weights: bool,
}

/// Checks every hash, the whole lineage, everything for reading, what data sets say against the metadata, splits for
/// patients in two parts, and every AUC.
///
/// # Errors
/// A file that is no bundle. What is wrong in one is no error but part of the answer.
pub fn check(path: &Path) -> Result<Checked, AuditError> {
    let not = |reason: String| AuditError::NotABundle { path: path.to_owned(), reason };
    let file = File::open(path).map_err(AuditError::io("read", path))?;
    let zip = ZipArchive::new(BufReader::new(file)).map_err(|e| not(e.to_string()))?;
    if zip.len() > MAX_MEMBERS {
        return Err(not(format!("it has {} members", zip.len())));
    }
    let mut bundle = OfBundle { zip, made: HashMap::new(), wrong: RefCell::default() };
    let listing = bundle.member(LISTING).ok_or_else(|| {
        let why = bundle.wrong.borrow().iter().next().cloned();
        not(why.unwrap_or_else(|| format!("it lacks {LISTING}")))
    })?;
    let listing: Listing = serde_json::from_slice(&listing).map_err(|e| not(format!("{LISTING}: {e}")))?;
    if listing.format != FORMAT {
        return Err(not(format!("its format is {:?}, and this reg reads {FORMAT:?}", listing.format)));
    }
    let names: Result<BTreeSet<String>, _> =
        bundle.zip.file_names().map(|name| name.map(|name| name.into_owned())).collect();
    let members = names.map_err(|e| not(e.to_string()))?;
    let twice = bundle.zip.len() - members.len();
    let held: Vec<Hash> = members.iter().filter_map(|name| object_at(name)).collect();
    for id in &held {
        // An execution is no link of what it made.
        let execution = bundle.read(id)?.and_then(|bytes| codec::decode::<Execution>(&bytes).ok());
        if let Some(execution) = execution {
            bundle.made.entry(execution.made).or_default().push(*id);
        }
    }
    let Listing { root, weights, .. } = listing;
    let parts = walk(&mut bundle, root, weights)?;
    let mut wrong = Vec::new();
    for (id, part) in parts.iter().filter(|(_, part)| part.kept && part.kind == "missing") {
        wrong.push(format!("{} {id} is named and not there, or not what it is named by", part.role));
    }
    let recomputed = derived(&mut bundle, root, &parts, weights)
        .and_then(|files| Ok((files, data(&mut bundle, &parts)?, recompute(&mut bundle, &parts)?)));
    let mut expected: BTreeSet<String> =
        parts.iter().filter(|(_, part)| part.kept).map(|(id, _)| path_of(id)).collect();
    let mut aucs = 0;
    match recomputed {
        Ok((files, contradictions, (differences, count))) => {
            wrong.extend(contradictions);
            for (name, bytes) in &files {
                match bundle.member(name) {
                    Some(found) if found == *bytes => {}
                    Some(_) => wrong.push(format!("{name} is not what the objects give")),
                    None => wrong.push(format!("{name} is missing")),
                }
            }
            expected.extend(files.into_keys());
            wrong.extend(differences);
            aucs = count;
        }
        Err(e) => wrong.push(e.to_string()),
    }
    wrong.extend(members.difference(&expected).map(|name| format!("{name} does not belong to it")));
    if twice > 0 {
        wrong.push(format!("{twice} members are there twice"));
    }
    wrong.extend(bundle.wrong.take());
    let records =
        parts.values().filter(|part| part.kept && KINDS.contains(&part.kind.as_str())).count() as u64;
    Ok(Checked { root, records, objects: held.len() as u64, aucs, wrong })
}

/// Where objects of a bundle are read.
struct OfBundle {
    zip: ZipArchive<BufReader<File>>,
    /// The executions in it, by what they made.
    made: HashMap<Hash, Vec<Hash>>,
    /// Members whose bytes are not what they are named by.
    wrong: RefCell<BTreeSet<String>>,
}

impl OfBundle {
    fn member(&mut self, name: &str) -> Option<Vec<u8>> {
        let mut member = match self.zip.by_name(name) {
            Ok(member) => member,
            Err(ZipError::FileNotFound) => return None,
            // A bundle's members are not compressed: whoever packed it anew changed it.
            Err(e) => {
                self.wrong.borrow_mut().insert(format!("{name} cannot be read: {e}"));
                return None;
            }
        };
        let mut bytes = Vec::new();
        // What a header claims is not allocated before it is there.
        let read = member.by_ref().take(MAX_MEMBER).read_to_end(&mut bytes);
        if let Err(e) = read {
            self.wrong.borrow_mut().insert(format!("{name} cannot be read: {e}"));
            return None;
        }
        Some(bytes)
    }
}

impl Objects for OfBundle {
    fn read(&mut self, id: &Hash) -> Result<Option<Vec<u8>>, AuditError> {
        let name = path_of(id);
        let Some(bytes) = self.member(&name) else { return Ok(None) };
        if Hash::of(&bytes) != *id {
            self.wrong.borrow_mut().insert(format!("{name} does not have the bytes that it is named by"));
            return Ok(None);
        }
        Ok(Some(bytes))
    }

    fn executions(&mut self, made: &Hash) -> Result<Vec<Hash>, AuditError> {
        Ok(self.made.get(made).cloned().unwrap_or_default())
    }
}
