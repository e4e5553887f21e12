//! Removes results, and the results that depend on them alone.
//!
//! A plan lists the records and the space that is freed; then a removal is recorded, which the registry executes. The
//! bytes stay until `reg gc`, and until then the removal can be undone.

use std::collections::{BTreeSet, HashSet};

use crate::hash::{Hash, Id, Mention};
use crate::index::{IndexError, View};
use crate::records::codec::Header;
use crate::records::{Kind, RecordClass, Removal, RemovedRecord, Run, Weights};
use crate::registry::walk::{learnt_files, results};
use crate::registry::{Objects, Registry, RegistryError, Stamp, depends, is_own};

/// Why something is not removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoveError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The record is not a result.
    #[error("`{text}` is {called}, and only runs, predictions, tables and weights can be removed")]
    NotAResult {
        /// The requested name.
        text: String,
        /// What it is.
        called: String,
    },
    /// A record that stays depends on it.
    #[error("{} on the records that would be removed: {}", if by.len() == 1 { "1 result depends" } else { "other results depend" }, named(by))]
    Needed {
        /// The records that depend on it.
        by: Vec<Dependent>,
    },
    /// Objects that no longer exist.
    #[error("{0} cannot be restored: `reg gc` has freed its objects")]
    Freed(String),
    /// Nothing was removed under this name.
    #[error("nothing named `{0}` was removed, and no id of a removed record starts with it")]
    NotRemoved(String),
}

impl From<IndexError> for RemoveError {
    fn from(e: IndexError) -> Self {
        RemoveError::Registry(e.into())
    }
}

fn named(by: &[Dependent]) -> String {
    const SHOWN: usize = 5;
    let shown = by.iter().take(SHOWN).map(|one| format!("{} {}", one.kind, one.called()));
    let mut shown: Vec<String> = shown.collect();
    shown.extend((by.len() > SHOWN).then(|| format!("and {} more", by.len() - SHOWN)));
    shown.join(", ")
}

impl RemoveError {
    /// A hint.
    pub fn hint(&self) -> Option<String> {
        match self {
            RemoveError::Registry(_) => None,
            RemoveError::NotAResult { .. } => Some(
                "data sets, splits and studies are freed by `reg gc` when nothing uses them and they have no name: \
                 `reg tag --delete NAME`"
                    .to_owned(),
            ),
            RemoveError::Needed { by } if by.iter().all(|one| one.kind == Kind::Table) => {
                Some("--with-tables removes these tables, too".to_owned())
            }
            RemoveError::Needed { by } => {
                let names: Vec<String> = by.iter().map(Dependent::called).collect();
                Some(format!("to remove them, too, add them to the command: {}", names.join(" ")))
            }
            RemoveError::Freed(_) => Some("train it again, or pull it from a remote that has it".to_owned()),
            RemoveError::NotRemoved(_) => Some("`reg list removal` lists removals".to_owned()),
        }
    }
}

/// A record that depends on another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependent {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: Hash,
    /// Its name.
    pub name: Option<String>,
}

impl Dependent {
    fn called(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.id.short())
    }
}

/// What a removal takes away.
#[derive(Debug, Default)]
pub struct RemovalPlan {
    /// The records, results before what was made of them.
    pub records: Vec<Dependent>,
    /// Objects that nothing else needs: the records and their outputs.
    pub objects: u64,
    /// Bytes of these objects, which are freed.
    pub bytes: u64,
}

/// Plans the removal of some results, and of the results that depend on them alone.
///
/// # Errors
/// Among others, a result that stays and depends on one of them, or on its weights. With `with_tables`, tables are
/// removed instead.
pub fn plan_removal(
    registry: &Registry,
    view: &View,
    texts: &[String],
    with_tables: bool,
) -> Result<RemovalPlan, RemoveError> {
    let mut gone: BTreeSet<Hash> = BTreeSet::new();
    for text in texts {
        let id = registry.resolve(view, text)?;
        match view.kind(&id)? {
            Some(kind) if is_removable(kind) => gone.insert(id),
            kind => {
                let called = kind.map_or("a file", |kind| kind.descriptor().called).to_owned();
                return Err(RemoveError::NotAResult { text: text.clone(), called });
            }
        };
    }
    let names = view.names_by_id()?;
    let mut found = Dependents { registry, view, with_tables, staying: BTreeSet::new() };
    // A record that depends on two results is removed with the second, in whatever order they are visited.
    loop {
        let more = found.made_of(&gone)?;
        if more.is_empty() {
            break;
        }
        gone.extend(more);
    }
    let specs = specs_of(registry, view, &gone)?;
    gone.extend(specs);
    let dependent = |id: &Hash| -> Result<Option<Dependent>, RemoveError> {
        let kind = view.kind(id)?;
        Ok(kind.map(|kind| Dependent { kind, id: *id, name: names.get(id).cloned() }))
    };
    if !found.staying.is_empty() {
        let by = found.staying.iter().filter_map(|id| dependent(id).transpose());
        let mut by = by.collect::<Result<Vec<_>, _>>()?;
        by.sort();
        return Err(RemoveError::Needed { by });
    }
    let records = gone.iter().filter_map(|id| dependent(id).transpose());
    let mut records = records.collect::<Result<Vec<_>, _>>()?;
    records.sort();
    let freed = freed_with(registry, view, &gone)?;
    let bytes = freed.iter().map(|id| registry.store().size(id).unwrap_or(0)).sum();
    Ok(RemovalPlan { records, objects: freed.len() as u64, bytes })
}

fn is_removable(kind: Kind) -> bool {
    kind.descriptor().class == RecordClass::Computed || kind == Kind::Weights
}

struct Dependents<'a> {
    registry: &'a Registry,
    view: &'a View,
    with_tables: bool,
    /// Records that stay and depend on removed ones.
    staying: BTreeSet<Hash>,
}

impl Dependents<'_> {
    /// Records that depend on these alone and are not among them; other dependents are added to `staying`.
    fn made_of(&mut self, gone: &BTreeSet<Hash>) -> Result<Vec<Hash>, RemoveError> {
        self.staying.clear();
        let mut more = Vec::new();
        for id in gone {
            for edge in results(self.view, *id, &self.files(id)?)? {
                let Some(kind) = self.view.kind(&edge.from)? else { continue };
                if gone.contains(&edge.from) {
                    continue;
                }
                if !depends(kind, edge.role.as_slice()) || self.is_made_alone(&edge.from, kind, gone)? {
                    more.push(edge.from);
                } else if kind == Kind::Spec {
                    // A spec alone is no result: its runs are.
                    let made = self.made_by_spec(&edge.from)?;
                    self.staying.extend(made.into_iter().filter(|id| !gone.contains(id)));
                } else {
                    self.staying.insert(edge.from);
                }
            }
        }
        Ok(more)
    }

    /// The files of a run or of weights on which other records may depend without naming the run or the weights. None
    /// that a run was given as its input, and none of weights without a declared ancestry.
    fn files(&self, id: &Hash) -> Result<Vec<Hash>, RemoveError> {
        let Some(kind) = self.view.kind(id)? else { return Ok(Vec::new()) };
        let files = learnt_files(kind, &self.links(id)?);
        Ok(match kind {
            Kind::Run => {
                let run = self.registry.get::<Run>(Id::new(*id))?;
                let given = (self.registry as &dyn Objects).starts_from(&self.registry.get(run.spec)?)?;
                files.into_iter().filter(|file| !given.contains(file)).collect()
            }
            Kind::Weights if self.registry.get::<Weights>(Id::new(*id))?.trained_on.is_empty() => Vec::new(),
            _ => files,
        })
    }

    fn links(&self, id: &Hash) -> Result<Vec<crate::records::Link>, RemoveError> {
        let bytes = self.registry.store().read(id).map_err(RegistryError::from)?;
        let header = Header::read(&bytes).map_err(|source| RegistryError::Codec { id: *id, source })?;
        Ok(header.links())
    }

    /// Whether all results on which a result depends are removed.
    fn is_made_alone(&self, id: &Hash, kind: Kind, gone: &BTreeSet<Hash>) -> Result<bool, RemoveError> {
        if kind.descriptor().class != RecordClass::Computed {
            return Ok(false);
        }
        if kind == Kind::Table && self.with_tables {
            return Ok(true);
        }
        for link in self.links(id)? {
            if self.view.kind(&link.to)?.is_some_and(is_removable) && !gone.contains(&link.to) {
                return Ok(false);
            }
        }
        // The inputs of a run are weights, which its spec names.
        Ok(kind != Kind::Run)
    }

    /// The runs of a spec, or the spec itself if its training was not finished.
    fn made_by_spec(&self, spec: &Hash) -> Result<Vec<Hash>, RemoveError> {
        let mut runs = Vec::new();
        for (from, _) in self.view.referrers(spec)? {
            if self.view.kind(&from)? == Some(Kind::Run) {
                runs.push(from);
            }
        }
        Ok(if runs.is_empty() { vec![*spec] } else { runs })
    }
}

/// The specs of these runs alone. They are removed too, because a spec keeps the weights that it names.
fn specs_of(registry: &Registry, view: &View, gone: &BTreeSet<Hash>) -> Result<Vec<Hash>, RemoveError> {
    let named: HashSet<Hash> = view.names()?.into_iter().map(|(_, id)| id).collect();
    let mut specs = Vec::new();
    for id in gone {
        if view.kind(id)? == Some(Kind::Run) {
            let spec = registry.get::<Run>(Id::new(*id))?.spec.hash;
            let others = view.referrers(&spec)?;
            if !named.contains(&spec) && others.iter().all(|(from, _)| gone.contains(from)) {
                specs.push(spec);
            }
        }
    }
    Ok(specs)
}

/// The objects that only these records need.
fn freed_with(registry: &Registry, view: &View, gone: &BTreeSet<Hash>) -> Result<HashSet<Hash>, RemoveError> {
    let mut freed: HashSet<Hash> = gone.iter().copied().collect();
    let named: HashSet<Hash> = view.names()?.into_iter().map(|(_, id)| id).collect();
    for id in gone {
        let Some(kind) = view.kind(id)? else { continue };
        let bytes = registry.store().read(id).map_err(RegistryError::from)?;
        let header = Header::read(&bytes).map_err(|source| RegistryError::Codec { id: *id, source })?;
        for link in header.links().into_iter().filter(|link| is_own(kind, &link.role)) {
            let others = view.referrers(&link.to)?;
            if others.iter().all(|(from, _)| gone.contains(from)) && !named.contains(&link.to) {
                freed.insert(link.to);
            }
        }
    }
    Ok(freed)
}

/// Writes the record of a removal, with which the registry forgets the results.
pub fn remove(
    registry: &Registry,
    plan: &RemovalPlan,
    stamp: &Stamp,
) -> Result<Option<Id<Removal>>, RemoveError> {
    if plan.records.is_empty() {
        return Ok(None);
    }
    let number = registry.removals(&registry.view()?)?.len() as u64;
    let record = |of: &Dependent| RemovedRecord {
        id: Mention(of.id),
        kind: of.kind.name().to_owned(),
        name: of.name.clone(),
    };
    let mut records: Vec<RemovedRecord> = plan.records.iter().map(record).collect();
    records.sort();
    let (time, command) = (stamp.time.clone(), stamp.command.clone());
    let mut transaction = registry.transaction()?;
    let id = transaction.put(&Removal { records, number, time, command, revokes: None })?;
    transaction.commit(stamp)?;
    Ok(Some(id))
}

/// Undoes the removal of some records, and of all that the same command removed and whose objects still exist. Returns
/// the restored records.
pub fn undo_removal(
    registry: &Registry,
    texts: &[String],
    stamp: &Stamp,
) -> Result<Vec<RemovedRecord>, RemoveError> {
    let view = registry.view()?;
    let removed = registry.removed(&view)?;
    let mut back: BTreeSet<RemovedRecord> = BTreeSet::new();
    for text in texts {
        let of_id = || removed.ids().find(|id| text.len() >= 6 && id.to_string().starts_with(text)).copied();
        let found = removed.named(text).or_else(of_id).and_then(|id| removed.get(&id));
        let (_, removal, asked) = found.ok_or_else(|| RemoveError::NotRemoved(text.clone()))?;
        if !registry.store().contains(&asked.id.0) {
            return Err(RemoveError::Freed(asked.called()));
        }
        let is_here = |record: &&RemovedRecord| {
            removed.contains(&record.id.0) && registry.store().contains(&record.id.0)
        };
        back.extend(removal.records.iter().filter(is_here).cloned());
    }
    drop(view);
    let mut transaction = registry.transaction()?;
    for record in &back {
        transaction.adopt_record(registry.store().read(&record.id.0).map_err(RegistryError::from)?)?;
    }
    for record in &back {
        if let Some(name) = &record.name {
            transaction.name_untaken(name, record.id.0)?;
        }
    }
    transaction.commit(stamp)?;
    Ok(back.into_iter().collect())
}
