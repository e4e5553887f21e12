//! Checks a bundle without trusting any of its claims about itself.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use serde::Deserialize;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::AuditError;
use super::bundle::{FORMAT, LISTING, derived, object_at, path_of, write};
use super::claims::check_claims;
use super::remarks::{BundleRemarks, remarks};
use super::same::Same;
use super::walk::{BundleMember, ObjectSource, walk};
use crate::compare::leaks_among;
use crate::digits::thousands;
use crate::disk::{Doing, FileError};
use crate::hash::{Hash, Hasher, Id};
use crate::limits;
use crate::lineage::NodeKind;
use crate::recompute::recompute;
use crate::records::Mismatch;
use crate::records::codec::printable;
use crate::records::{
    Content, Execution, Kind, PixelHashes, Predictions, Recomputed, Role, Roles, Run, Split, Table, Weights,
    Withdrawal, codec,
};
use crate::registry::walk::Lineage;
use crate::registry::{Objects, RegistryError};
use crate::split::{Leak, SharedImage, leaks, shared_images};
use crate::store::StoreError;
use crate::withdrawal::Mark;

/// Maximum number of leaking patients that are listed one by one.
const MAX_REPORTED: usize = 10;

/// The result of checking a bundle.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The audited result.
    pub root: Hash,
    /// Number of records in the bundle.
    pub records: u64,
    /// Number of objects in the bundle, including records.
    pub objects: u64,
    /// Tables whose numbers were all recomputed.
    pub recomputed: Vec<Hash>,
    /// Number of AUCs in these tables.
    pub aucs: u64,
    /// Tables that were not recomputed, because a network is needed for their numbers.
    pub uncomputed: Vec<Hash>,
    /// Records made by other rules than those of this reg, which were not recomputed; one sentence each.
    pub other_rules: Vec<String>,
    /// Data sets whose images were not compared with their metadata, because reg does not read the metadata's
    /// format.
    pub unread: Vec<Hash>,
    /// Columns of comparisons whose names differ from the models' names, with these names: column names are
    /// free text, which cannot be recomputed.
    pub renamed: BTreeMap<String, BTreeSet<String>>,
    /// The withdrawn data that the result contains.
    pub mark: Option<Mark>,
    /// The files of unknown origin from which its models started, as a sentence without subject.
    pub unknown: Option<String>,
    /// What the models of the result have seen of what they are tested on, a sentence each.
    pub leaks: BTreeSet<String>,
    /// The withdrawals in the bundle: their subjects and reasons.
    pub withdrawals: Vec<Withdrawal>,
    /// Everything that is wrong with the bundle; empty if nothing is.
    pub wrong: Vec<String>,
}

#[derive(Deserialize)]
struct Listing {
    format: String,
    root: Hash,
    weights: bool,
}

/// Checks every hash, the whole lineage, all readable files, every record that can be recomputed without a
/// network, splits for patients in two subsets, and every byte of the archive itself.
///
/// # Errors
/// A file that is not a bundle. Defects of a bundle are not errors but part of the result.
pub fn check(path: &Path) -> Result<Checked, AuditError> {
    let not = |reason: String| AuditError::NotABundle { path: path.to_owned(), reason };
    let file = File::open(path).doing("read", path)?;
    let about = file.metadata().doing("read", path)?;
    // Of an endless file even the search for the end would not end.
    if !about.is_file() {
        return Err(not(
            "it is not a regular file: save it to disk first, because a zip archive is read from its end"
                .to_owned(),
        ));
    }
    let length = about.len();
    let zip = ZipArchive::new(BufReader::new(file)).map_err(|e| not(e.to_string()))?;
    if zip.len() > limits::BUNDLE_MEMBERS {
        return Err(not(format!("it has {} members", thousands(zip.len() as u64))));
    }
    let names: Result<BTreeSet<String>, _> =
        zip.file_names().map(|name| name.map(|name| name.into_owned())).collect();
    let members = names.map_err(|e| not(e.to_string()))?;
    let zip = apart(zip, length).map_err(not)?;
    let bundle = OfBundle::read(zip, &members);
    let listing = bundle.member(LISTING).ok_or_else(|| {
        let why = bundle.wrong.borrow().iter().next().cloned();
        not(why.unwrap_or_else(|| format!("{LISTING} is missing")))
    })?;
    let listing: Listing = serde_json::from_slice(&listing).map_err(|e| not(format!("{LISTING}: {e}")))?;
    if listing.format != FORMAT {
        return Err(not(format!("its format is {:?}, expected {FORMAT:?}", listing.format)));
    }
    let Listing { root, weights, .. } = listing;
    let mut checked = Checked {
        root,
        records: 0,
        objects: bundle.whole.len() as u64,
        recomputed: Vec::new(),
        aucs: 0,
        uncomputed: Vec::new(),
        other_rules: Vec::new(),
        unread: Vec::new(),
        renamed: BTreeMap::new(),
        mark: None,
        unknown: None,
        leaks: BTreeSet::new(),
        withdrawals: Vec::new(),
        wrong: Vec::new(),
    };
    let parts = walk(&bundle, root, weights).and_then(|parts| {
        checked.look(&bundle, &members, &parts, weights)?;
        Ok(parts)
    });
    checked.wrong.extend(bundle.wrong.take());
    match parts {
        Ok(parts) if checked.wrong.is_empty() => {
            let wrong = |e| AuditError::Io(FileError::new("read", path, e));
            // A separate handle: the archive moves the position of its own.
            let file = File::open(path).map_err(wrong)?;
            let same = write(&bundle, root, &parts, weights, Same::with(file), wrong)?;
            if let Some(place) = same.differs().map_err(wrong)? {
                checked.wrong.push(format!(
                    "the archive differs from reg's own packing at byte {place}: it has extra data, or it was \
                     repacked"
                ));
            }
        }
        Ok(_) => {}
        Err(e) => checked.wrong.push(e.to_string()),
    }
    Ok(checked)
}

impl Checked {
    /// Checks everything except for the archive itself.
    fn look(
        &mut self,
        bundle: &OfBundle,
        members: &BTreeSet<String>,
        parts: &BTreeMap<Hash, BundleMember>,
        weights: bool,
    ) -> Result<(), AuditError> {
        let kept = parts.iter().filter(|(_, part)| part.kept);
        self.records = kept.clone().filter(|(_, part)| part.kind.record().is_some()).count() as u64;
        for (id, part) in kept.clone().filter(|(_, part)| part.kind == NodeKind::Missing) {
            self.wrong.push(format!("{} {id} is missing, or does not have its hash", part.role));
        }
        // Nothing is recomputed from incomplete objects.
        if !self.wrong.is_empty() {
            return Ok(());
        }
        let mut expected: BTreeSet<String> = kept.map(|(id, _)| path_of(id)).collect();
        for (name, bytes) in derived(bundle, self.root, parts, weights)? {
            match bundle.member(&name) {
                Some(found) if found == bytes => {}
                Some(_) => self.wrong.push(format!("{name} does not match the objects")),
                // What is there and cannot be read is told as such.
                None if members.contains(&name) => {}
                None => self.wrong.push(format!("{name} is missing")),
            }
            expected.insert(name);
        }
        let (folders, others): (Vec<&String>, Vec<_>) =
            members.difference(&expected).partition(|name| name.ends_with('/'));
        if !folders.is_empty() {
            self.wrong.push(format!(
                "{} not belong to the bundle: it was repacked",
                match folders.len() as u64 {
                    1 => "1 folder does".to_owned(),
                    many => format!("{} folders do", thousands(many)),
                }
            ));
        }
        self.wrong.extend(others.into_iter().map(|name| format!("{name} does not belong to the bundle")));
        for (id, part) in parts {
            if let Some(kind) = part.kind.record() {
                self.record(bundle, *id, kind)?;
            }
        }
        self.wrong.extend(check_claims(bundle, parts)?);
        let BundleRemarks { mark, unknown } = remarks(bundle, self.root, parts)?;
        (self.mark, self.unknown) = (mark, unknown);
        let of_kind =
            |kind| parts.iter().filter(move |(_, part)| part.kept && part.kind.is(kind)).map(|(id, _)| *id);
        let pixels: Vec<Id<PixelHashes>> = of_kind(Kind::PixelHashes).map(Id::new).collect();
        for predictions in of_kind(Kind::Predictions) {
            // A record that cannot be read is told above.
            let found = leaks_among(bundle, Id::new(predictions), &pixels).unwrap_or_default();
            self.leaks.extend(found.into_iter().map(|leak| leak.why));
        }
        Ok(())
    }

    /// Recomputes a record from its inputs, and notes what is not a mismatch but relevant to an auditor.
    fn record(&mut self, objects: &dyn Objects, id: Hash, kind: Kind) -> Result<(), AuditError> {
        let short = id.short();
        let by = kind.descriptor().recomputed.map_or("", Recomputed::by);
        match recompute(objects, id, kind) {
            Ok(None) if kind == Kind::Table => self.uncomputed.push(id),
            Ok(None) if kind == Kind::Dataset => self.unread.push(id),
            Ok(None) => {}
            Ok(Some(differences)) => {
                let said = |Mismatch { place, recorded, now }: &Mismatch| {
                    format!("{kind} {short}: {place} is {recorded}, but {by} {now}")
                };
                self.wrong.extend(differences.iter().map(said));
                self.recomputed.extend((kind == Kind::Table).then_some(id));
            }
            Err(e) if e.is_older_rules() => self.other_rules.push(e.to_string()),
            Err(e) => self.wrong.push(format!("{kind} {short} cannot be recomputed: {e}")),
        }
        match kind.descriptor().content {
            Content::Split => {
                let split = objects.get(Id::<Split>::new(id))?;
                let rows = objects.manifest(&objects.get(split.dataset)?)?.rows;
                let leaks = leaks(&rows, &objects.assignment(&split)?);
                let word = split.method.division().name();
                let said = leaks.iter().take(MAX_REPORTED).map(|Leak { fold, patient, .. }| {
                    format!("split {short}, {word} {fold}: patient {patient} is in two subsets")
                });
                self.wrong.extend(said);
                let shared = shared_images(&rows, &objects.assignment(&split)?, |row| row.object);
                let said = shared.iter().take(MAX_REPORTED).map(|SharedImage { fold, images, .. }| {
                    let names: Vec<&str> =
                        images.iter().map(|row| rows[*row as usize].name.as_str()).collect();
                    format!(
                        "split {short}, {word} {fold}: one file, {}, is in two subsets",
                        names.join(" = ")
                    )
                });
                self.wrong.extend(said);
            }
            Content::Table => self.table(objects, Id::new(id))?,
            Content::Withdrawal => {
                let record = objects.get(Id::<Withdrawal>::new(id))?;
                self.withdrawals.extend(record.revokes.is_none().then_some(record));
            }
            Content::Dataset | Content::Run | Content::Predictions | Content::Study | Content::Document => {}
        }
        Ok(())
    }

    fn table(&mut self, objects: &dyn Objects, id: Id<Table>) -> Result<(), AuditError> {
        match objects.get(id)? {
            Table::Auc(table) => self.aucs += table.labels.len() as u64,
            Table::Comparison(table) => {
                for model in &table.models {
                    self.aucs += model.labels.iter().map(|label| label.auc.folds.len() as u64).sum::<u64>();
                    for id in &model.predictions {
                        let Predictions { model: own, .. } = objects.get(*id)?;
                        if own != model.name {
                            self.renamed.entry(model.name.clone()).or_default().insert(own);
                        }
                    }
                }
            }
            Table::Dataset(_) | Table::Probe(_) | Table::Heatmap(_) | Table::Pointing(_) => {}
        }
        Ok(())
    }
}

/// Reads objects from a bundle.
struct OfBundle {
    zip: RefCell<ZipArchive<BufReader<File>>>,
    /// The objects whose bytes match their hash.
    whole: HashSet<Hash>,
    /// Kinds of the runs, weights and executions in the bundle.
    kinds: HashMap<Hash, Kind>,
    /// The executions in the bundle, by their result.
    made: HashMap<Hash, Vec<Hash>>,
    /// The runs in the bundle, by the files that they left.
    trained: HashMap<Hash, Vec<Id<Run>>>,
    /// Imported weights by their file.
    imported: HashMap<Hash, Vec<Id<Weights>>>,
    withdrawals: Vec<(Id<Withdrawal>, Withdrawal)>,
    /// Members whose bytes do not match their hash.
    wrong: RefCell<BTreeSet<String>>,
}

/// Asserts that the members lie one behind the other and are not compressed. So all of them together are no longer than the
/// archive, and what is read of it is as much as somebody has sent.
fn apart(mut zip: ZipArchive<BufReader<File>>, length: u64) -> Result<ZipArchive<BufReader<File>>, String> {
    let mut ranges = Vec::with_capacity(zip.len());
    for place in 0..zip.len() {
        let member = zip.by_index_raw(place).map_err(|e| e.to_string())?;
        let name = member.name().map_or_else(|_| place.to_string(), printable);
        if member.compression() != CompressionMethod::Stored || member.size() != member.compressed_size() {
            return Err(format!("its member {name} is compressed; members of a bundle never are"));
        }
        if member.size() > limits::BUNDLE_MEMBER {
            return Err(format!(
                "its member {name} is longer than {} bytes",
                thousands(limits::BUNDLE_MEMBER)
            ));
        }
        let start = member.header_start();
        let data =
            member.data_start().ok_or_else(|| format!("the position of its member {name} is invalid"))?;
        let end = data.checked_add(member.compressed_size()).filter(|end| *end <= length);
        ranges.push((
            start,
            end.ok_or_else(|| format!("its member {name} extends past the end of the file"))?,
            name,
        ));
    }
    ranges.sort_unstable();
    match ranges.windows(2).find(|pair| pair[0].1 > pair[1].0) {
        Some(pair) => Err(format!("its members {} and {} overlap", pair[0].2, pair[1].2)),
        None => Ok(zip),
    }
}

impl OfBundle {
    /// Hashes every object once; only intact objects count as present.
    fn read(zip: ZipArchive<BufReader<File>>, members: &BTreeSet<String>) -> Self {
        let mut bundle = OfBundle {
            zip: RefCell::new(zip),
            whole: HashSet::new(),
            kinds: HashMap::new(),
            made: HashMap::new(),
            trained: HashMap::new(),
            imported: HashMap::new(),
            withdrawals: Vec::new(),
            wrong: RefCell::default(),
        };
        for name in members {
            let Some(id) = object_at(name) else { continue };
            // Only what can be a record is kept in memory.
            let Some((found, bytes)) = bundle.hashed(name) else { continue };
            if found != id {
                let wrong = format!("{name} does not have its hash");
                bundle.wrong.borrow_mut().insert(wrong);
                continue;
            }
            bundle.whole.insert(id);
            if let Ok(run) = codec::decode::<Run>(&bytes) {
                bundle.kinds.insert(id, Kind::Run);
                let left = run.files.iter().map(|file| file.object.hash);
                let left = left.chain(run.checkpoint.map(|checkpoint| checkpoint.hash));
                for file in left.filter(|file| *file != Hash::of(b"")) {
                    let runs = bundle.trained.entry(file).or_default();
                    // The same bytes twice.
                    if runs.last() != Some(&Id::new(id)) {
                        runs.push(Id::new(id));
                    }
                }
            }
            if let Ok(weights) = codec::decode::<Weights>(&bytes) {
                bundle.kinds.insert(id, Kind::Weights);
                bundle.imported.entry(weights.file.object.hash).or_default().push(Id::new(id));
            }
            // No record refers to executions and withdrawals.
            if let Ok(execution) = codec::decode::<Execution>(&bytes) {
                bundle.kinds.insert(id, Kind::Execution);
                bundle.made.entry(execution.made).or_default().push(id);
            } else if let Ok(withdrawal) = codec::decode::<Withdrawal>(&bytes) {
                bundle.withdrawals.push((Id::new(id), withdrawal));
            }
        }
        bundle
    }

    /// The hash of a member, and its bytes if they are few enough for a record.
    fn hashed(&self, name: &str) -> Option<(Hash, Vec<u8>)> {
        let large = self.zip.borrow_mut().by_name(name).is_ok_and(|member| member.size() > limits::RECORD);
        if !large {
            return self.member(name).map(|bytes| (Hash::of(&bytes), bytes));
        }
        let mut zip = self.zip.borrow_mut();
        let mut member = zip.by_name(name).ok()?;
        let mut hasher = Hasher::name_only();
        match hasher.read(&mut member) {
            Ok(_) => Some((hasher.finish(), Vec::new())),
            Err(e) => {
                self.wrong.borrow_mut().insert(format!("{name} cannot be read: {e}"));
                None
            }
        }
    }

    fn member(&self, name: &str) -> Option<Vec<u8>> {
        let wrong = |e: String| {
            self.wrong.borrow_mut().insert(format!("{name} cannot be read: {e}"));
        };
        let mut zip = self.zip.borrow_mut();
        let mut member = match zip.by_name(name) {
            Ok(member) => member,
            Err(ZipError::FileNotFound) => return None,
            // The members of a bundle are not compressed; a compressed one was repacked.
            Err(e) => {
                wrong(e.to_string());
                return None;
            }
        };
        let mut bytes = Vec::new();
        // The size claimed in a header is not allocated in advance.
        match member.by_ref().take(limits::BUNDLE_MEMBER).read_to_end(&mut bytes) {
            Ok(_) => Some(bytes),
            Err(e) => {
                wrong(e.to_string());
                None
            }
        }
    }
}

impl Objects for OfBundle {
    fn bytes(&self, id: &Hash) -> Result<Vec<u8>, RegistryError> {
        let path = path_of(id);
        let bytes = if self.lacks(id) { None } else { self.member(&path) };
        Ok(bytes.ok_or_else(|| StoreError::Missing { id: *id, path: path.into() })?)
    }

    fn lacks(&self, id: &Hash) -> bool {
        !self.whole.contains(id)
    }

    fn runs_of(&self, file: &Hash) -> Result<Vec<Id<Run>>, RegistryError> {
        Ok(self.trained.get(file).cloned().unwrap_or_default())
    }

    fn weights_of(&self, file: &Hash) -> Result<Vec<Id<Weights>>, RegistryError> {
        Ok(self.imported.get(file).cloned().unwrap_or_default())
    }
}

/// Only what an audit needs: the executions of an object, the runs that left a file, and the weights of a file.
impl Lineage for OfBundle {
    fn kind(&self, id: &Hash) -> Result<Option<Kind>, RegistryError> {
        Ok(self.kinds.get(id).copied())
    }

    fn referrers(&self, id: &Hash) -> Result<Vec<(Hash, Roles)>, RegistryError> {
        let made = self.made.get(id).into_iter().flatten().map(|by| (*by, Role::Made.into()));
        let trained = self.trained.get(id).into_iter().flatten();
        let imported = self.imported.get(id).into_iter().flatten();
        let weights = imported.map(|weights| (weights.hash, Role::File.into()));
        Ok(made.chain(trained.map(|run| (run.hash, Role::Checkpoint.into()))).chain(weights).collect())
    }
}

impl ObjectSource for OfBundle {
    fn withdrawals(&self) -> Result<Vec<(Id<Withdrawal>, Withdrawal)>, AuditError> {
        Ok(self.withdrawals.clone())
    }
}
