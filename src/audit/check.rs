//! Reads a bundle and believes nothing that it says of itself.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use serde::Deserialize;
use zip::ZipArchive;
use zip::result::ZipError;

use super::AuditError;
use super::bundle::{FORMAT, LISTING, derived, mark, object_at, path_of, write};
use super::same::Same;
use super::walk::{BundleMember, ObjectSource, walk};
use crate::hash::{Hash, Id};
use crate::lineage::{Mark, NodeKind};
use crate::records::{
    Content, Execution, Kind, Predictions, Recomputed, Role, Roles, Run, Split, Table, Withdrawal, codec,
};
use crate::registry::walk::Lineage;
use crate::registry::{Objects, RegistryError};
use crate::runs::{Mismatch, recompute};
use crate::split::{Leak, leaks};
use crate::store::StoreError;

/// A member longer than this is refused.
const MAX_MEMBER: u64 = 8 << 30;
/// Patients in two parts of a split that are told one by one.
const MAX_REPORTED: usize = 10;
/// More members than this are refused.
const MAX_MEMBERS: usize = 1_000_000;

/// What came of checking a bundle.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The result that it is about.
    pub root: Hash,
    /// Records in it.
    pub records: u64,
    /// Objects in it, records among them.
    pub objects: u64,
    /// Tables of which every number was computed again.
    pub recomputed: Vec<Hash>,
    /// AUCs in these tables.
    pub aucs: u64,
    /// Tables that were not computed again, whose numbers come out of a network.
    pub uncomputed: Vec<Hash>,
    /// Records that this reg would make by other rules and did not compute again, a sentence each.
    pub other_rules: Vec<String>,
    /// Data sets whose images were not held to their metadata, which are of a format that is not read here.
    pub unread: Vec<Hash>,
    /// Columns of comparisons, with the models that they are of where they are called otherwise: names are words, and
    /// nothing computes them.
    pub renamed: BTreeMap<String, BTreeSet<String>>,
    /// What the result has of withdrawn images.
    pub mark: Option<Mark>,
    /// Withdrawals in it: of whom or what, and why.
    pub withdrawals: Vec<Withdrawal>,
    /// What is wrong with it; empty where nothing is.
    pub wrong: Vec<String>,
}

#[derive(Deserialize)]
struct Listing {
    format: String,
    root: Hash,
    weights: bool,
}

/// Checks every hash, the whole lineage, everything for reading, every record that can be made again without a network,
/// splits for patients in two parts, and every byte of the archive itself.
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
    let names: Result<BTreeSet<String>, _> =
        zip.file_names().map(|name| name.map(|name| name.into_owned())).collect();
    let members = names.map_err(|e| not(e.to_string()))?;
    let bundle = OfBundle::read(zip, &members);
    let listing = bundle.member(LISTING).ok_or_else(|| {
        let why = bundle.wrong.borrow().iter().next().cloned();
        not(why.unwrap_or_else(|| format!("it lacks {LISTING}")))
    })?;
    let listing: Listing = serde_json::from_slice(&listing).map_err(|e| not(format!("{LISTING}: {e}")))?;
    if listing.format != FORMAT {
        return Err(not(format!("its format is {:?}, and this reg reads {FORMAT:?}", listing.format)));
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
            let wrong = || AuditError::io("read", path);
            // A handle of its own: the archive's moves about.
            let file = File::open(path).map_err(wrong())?;
            let same = write(&bundle, root, &parts, weights, Same::with(file), wrong)?;
            if let Some(place) = same.differs().map_err(wrong())? {
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
    /// Looks at everything but the archive.
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
            self.wrong.push(format!("{} {id} is named and not there, or not what it is named by", part.role));
        }
        // Nothing is computed of half of it.
        if !self.wrong.is_empty() {
            return Ok(());
        }
        let mut expected: BTreeSet<String> = kept.map(|(id, _)| path_of(id)).collect();
        for (name, bytes) in derived(bundle, self.root, parts, weights)? {
            match bundle.member(&name) {
                Some(found) if found == bytes => {}
                Some(_) => self.wrong.push(format!("{name} does not match the objects")),
                None => self.wrong.push(format!("{name} is missing")),
            }
            expected.insert(name);
        }
        let (folders, others): (Vec<&String>, Vec<_>) =
            members.difference(&expected).partition(|name| name.ends_with('/'));
        if !folders.is_empty() {
            self.wrong
                .push(format!("{} folders do not belong to the bundle: it was repacked", folders.len()));
        }
        self.wrong.extend(others.into_iter().map(|name| format!("{name} does not belong to the bundle")));
        for (id, part) in parts {
            if let Some(kind) = part.kind.record() {
                self.record(bundle, *id, kind)?;
            }
        }
        self.mark = mark(bundle, self.root, parts)?;
        Ok(())
    }

    /// Makes a record again from what it names, and looks at what is no mismatch and an auditor should know.
    fn record(&mut self, objects: &dyn Objects, id: Hash, kind: Kind) -> Result<(), AuditError> {
        let short = id.short();
        let by = kind.descriptor().recomputed.map_or("", Recomputed::by);
        match recompute(objects, id, kind) {
            Ok(None) if kind == Kind::Table => self.uncomputed.push(id),
            Ok(None) if kind == Kind::Dataset => self.unread.push(id),
            Ok(None) => {}
            Ok(Some(differences)) => {
                let said = |Mismatch { place, recorded, now }: &Mismatch| {
                    format!("{kind} {short}: {place} is {recorded}, and {by} {now}")
                };
                self.wrong.extend(differences.iter().map(said));
                self.recomputed.extend((kind == Kind::Table).then_some(id));
            }
            Err(e) if e.is_older_rules() => self.other_rules.push(e.to_string()),
            Err(e) => self.wrong.push(format!("{kind} {short} cannot be computed again: {e}")),
        }
        match kind.descriptor().content {
            Content::Split => {
                let split = objects.get(Id::<Split>::new(id))?;
                let rows = objects.get_packed(objects.get(split.dataset)?.manifest)?.rows;
                let leaks = leaks(&rows, &objects.get_packed(split.assignment)?);
                let said = leaks.iter().take(MAX_REPORTED).map(|Leak { fold, patient, .. }| {
                    format!("split {short}, fold {fold}: patient {patient} is in two subsets")
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

/// Where objects of a bundle are read.
struct OfBundle {
    zip: RefCell<ZipArchive<BufReader<File>>>,
    /// The objects whose bytes are those that they are named by.
    whole: HashSet<Hash>,
    /// Runs and executions in it.
    kinds: HashMap<Hash, Kind>,
    /// The executions in it, by what they made.
    made: HashMap<Hash, Vec<Hash>>,
    /// The runs in it, by their checkpoints.
    trained: HashMap<Hash, Vec<Id<Run>>>,
    withdrawals: Vec<(Id<Withdrawal>, Withdrawal)>,
    /// Members whose bytes are not what they are named by.
    wrong: RefCell<BTreeSet<String>>,
}

impl OfBundle {
    /// Hashes every object, once: from then on, those that are whole are there and no others.
    fn read(zip: ZipArchive<BufReader<File>>, members: &BTreeSet<String>) -> Self {
        let mut bundle = OfBundle {
            zip: RefCell::new(zip),
            whole: HashSet::new(),
            kinds: HashMap::new(),
            made: HashMap::new(),
            trained: HashMap::new(),
            withdrawals: Vec::new(),
            wrong: RefCell::default(),
        };
        for name in members {
            let Some(id) = object_at(name) else { continue };
            let Some(bytes) = bundle.member(name) else { continue };
            if Hash::of(&bytes) != id {
                let wrong = format!("{name} does not have its hash");
                bundle.wrong.borrow_mut().insert(wrong);
                continue;
            }
            bundle.whole.insert(id);
            if let Ok(run) = codec::decode::<Run>(&bytes) {
                bundle.kinds.insert(id, Kind::Run);
                bundle.trained.entry(run.checkpoint.hash).or_default().push(Id::new(id));
            }
            // Nothing that they are about names these two.
            if let Ok(execution) = codec::decode::<Execution>(&bytes) {
                bundle.kinds.insert(id, Kind::Execution);
                bundle.made.entry(execution.made).or_default().push(id);
            } else if let Ok(withdrawal) = codec::decode::<Withdrawal>(&bytes) {
                bundle.withdrawals.push((Id::new(id), withdrawal));
            }
        }
        bundle
    }

    fn member(&self, name: &str) -> Option<Vec<u8>> {
        let wrong = |e: String| {
            self.wrong.borrow_mut().insert(format!("{name} cannot be read: {e}"));
        };
        let mut zip = self.zip.borrow_mut();
        let mut member = match zip.by_name(name) {
            Ok(member) => member,
            Err(ZipError::FileNotFound) => return None,
            // A bundle's members are not compressed: whoever packed it anew changed it.
            Err(e) => {
                wrong(e.to_string());
                return None;
            }
        };
        let mut bytes = Vec::new();
        // What a header claims is not allocated before it is there.
        match member.by_ref().take(MAX_MEMBER).read_to_end(&mut bytes) {
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
}

/// As far as an audit asks: of what made an object, and of runs by their checkpoints.
impl Lineage for OfBundle {
    fn kind(&self, id: &Hash) -> Result<Option<Kind>, RegistryError> {
        Ok(self.kinds.get(id).copied())
    }

    fn referrers(&self, id: &Hash) -> Result<Vec<(Hash, Roles)>, RegistryError> {
        let made = self.made.get(id).into_iter().flatten().map(|by| (*by, Role::Made.into()));
        let trained = self.trained.get(id).into_iter().flatten();
        Ok(made.chain(trained.map(|run| (run.hash, Role::Checkpoint.into()))).collect())
    }
}

impl ObjectSource for OfBundle {
    fn withdrawals(&self) -> Result<Vec<(Id<Withdrawal>, Withdrawal)>, AuditError> {
        Ok(self.withdrawals.clone())
    }
}
