//! Re-hashes objects, compares them with the index, and finds the results that are tainted by damage.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::graph::NodeKind;
use super::known::Known;
use super::trace::behind;
use crate::hash::{Hash, Id};
use crate::index::IndexError;
use crate::progress::{Progress, Unit};
use crate::records::{Kind, Manifest, Role, Roles};
use crate::registry::survey::{Depth, Survey, breaks};
use crate::registry::walk::{Edge, Lineage, Walk, is_image_alone, manifests_of, results};
use crate::registry::{Registry, RegistryError, Removed, freed};
use crate::withdrawal::Withdrawn;

/// The result of a verification.
#[derive(Debug, Default, Serialize)]
pub struct Verification {
    /// Number of objects that were re-hashed.
    pub checked: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Damaged and missing objects.
    pub damaged: Vec<Damage>,
    /// Missing images whose purge was recorded: no damage.
    pub purged: Vec<Gone>,
    /// Images whose purge was recorded and that still exist: `reg withdraw … --purge` was interrupted, or somebody has
    /// put them back.
    pub lingering: Vec<Gone>,
    /// Names that contradict the log of their changes, and breaks in that log.
    pub names: Vec<String>,
    /// Records that were removed and whose objects are here until `reg gc`: no damage.
    pub removed: Vec<RemovedObject>,
    /// Contradictions between the index and the objects.
    pub index: Vec<String>,
    /// Intact records that are not in the index: a crash left them, and the command that was registering them was not
    /// repeated. They do no harm.
    pub unregistered: Vec<Hash>,
    /// Files in the folder of objects whose names are not ids. They do no harm.
    #[serde(serialize_with = "shown")]
    pub strangers: Vec<PathBuf>,
    /// Objects that were repaired, and the file with their bytes.
    #[serde(serialize_with = "shown_beside")]
    pub repaired: Vec<(Hash, PathBuf)>,
}

/// Paths as text, since not every one is UTF-8.
fn shown<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| path.display().to_string()))
}

/// The same beside ids.
fn shown_beside<S: Serializer>(pairs: &[(Hash, PathBuf)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(pairs.iter().map(|(id, path)| (id, path.display().to_string())))
}

/// An image whose purge was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gone {
    /// Its id.
    pub id: Hash,
    /// Its file name; none for the picture of a heat map.
    pub name: Option<String>,
    /// The withdrawal.
    pub withdrawal: Hash,
    /// The subject of the withdrawal.
    pub subject: String,
}

/// A removed record whose object is still here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemovedObject {
    /// Its id.
    pub id: Hash,
    /// Its kind.
    pub kind: Kind,
    /// The name that it had.
    pub name: Option<String>,
    /// The removal; none for what only stood beside a removed record.
    pub removal: Option<Hash>,
}

/// One damaged or missing object.
#[derive(Debug, Clone, Serialize)]
pub struct Damage {
    /// Its id.
    pub id: Hash,
    /// Its kind, `image`, or its role.
    pub kind: String,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// The problem.
    pub problem: String,
    /// Results that depend on it: tables first.
    pub taints: Vec<Tainted>,
}

/// A result that depends on a damaged object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tainted {
    /// Its id.
    pub id: Hash,
    /// Its kind.
    pub kind: Kind,
    /// Its name, if it has one.
    pub name: Option<String>,
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn sound(&self) -> bool {
        self.damaged.is_empty() && self.names.is_empty() && self.index.is_empty()
    }

    /// Separates purged objects from damaged ones.
    fn settle(
        &mut self,
        registry: &Registry,
        survey: &mut Survey,
        known: Option<&Known>,
        mut missing: Vec<Hash>,
        withdrawn: &Withdrawn,
    ) {
        let unread = survey.problems.iter().map(|(id, _)| *id).filter(|id| !registry.store().contains(id));
        let suspects: HashSet<Hash> = missing.iter().copied().chain(unread).collect();
        if suspects.iter().any(|id| withdrawn.gone(id).is_some()) {
            let graph = DamageGraph::of(survey, known);
            let by_right = |id: &&Hash| withdrawn.gone(id).is_some() && graph.is_image(id);
            let purged: HashSet<&Hash> = suspects.iter().filter(by_right).collect();
            missing.retain(|id| !purged.contains(id));
            survey.problems.retain(|(id, _)| !purged.contains(id));
            self.purged = purged.iter().filter_map(|id| gone(withdrawn, id)).collect();
            self.purged.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        }
        self.damaged = damage(registry, survey, known, missing);
    }
}

/// Checks all objects and the index.
///
/// Every object is hashed; records and packed arrays must also be valid for their kind, and the targets of registered
/// records, manifests, names and the index must exist. The index must match the objects exactly, and its pages must
/// have their checksums. If the index is damaged, everything else is still checked.
pub fn verify(registry: &Registry, progress: &dyn Progress) -> Result<Verification, RegistryError> {
    let _lease = registry.lease_to_look()?;
    let mut result = Verification::default();
    let before = registry.store().list()?.objects;
    progress.begin("verify", Unit::Items, before.len() as u64);
    let (known, mut survey) = rayon::join(
        || Known::read(registry.index()),
        || registry.survey(&before, Depth::Everything, progress),
    );
    // Objects in the index exist now, but may have been added after the objects were listed.
    let listing = registry.store().list()?;
    let new: Vec<Hash> =
        listing.objects.iter().filter(|id| before.binary_search(id).is_err()).copied().collect();
    survey.extend(registry.survey(&new, Depth::Everything, progress));
    progress.end();
    result.strangers = listing.strangers;
    let known = match known {
        Ok(known) => Some(known),
        Err(e @ (IndexError::Missing(_) | IndexError::Damaged { .. })) => {
            result.index.push(e.to_string());
            None
        }
        Err(e) => return Err(e.into()),
    };
    (result.checked, result.bytes) = (listing.objects.len() as u64, survey.bytes);

    let there = |id: &Hash| listing.objects.binary_search(id).is_ok();
    let mut expected: Vec<Hash> = Vec::new();
    match &known {
        Some(known) => {
            // Objects that other processes have added meanwhile are registered too.
            let later = match registry.index().commits() == known.commits {
                true => None,
                false => Some(Known::of(&registry.index().view_of_any_age()?)?),
            };
            let later = later.as_ref().unwrap_or(known);
            result.index.extend(known.compare(&survey, there));
            let wrong = registry.wrong_run_rows(&registry.index().view_of_any_age()?)?;
            result.index.extend(wrong.iter().map(|id| {
                format!("the index lists run {} with values that its objects do not have", id.short())
            }));
            result.names = known.check_names(&survey, later);
            let nobodys = survey.records.keys().filter(|id| !known.is_registered(id));
            result.unregistered = nobodys.filter(|id| !later.is_registered(id)).copied().collect();
            expected.extend(known.expected());
            // Unregistered records, as a crash can leave them, need not have all their targets.
            for id in survey.records.keys().chain(survey.packed.keys()).filter(|id| known.mentions_from(id)) {
                expected.extend(survey.links(id));
            }
        }
        None => {
            let log = survey.log(None);
            result.names = breaks(&log).into_iter().chain(survey.strays(&log)).collect();
            let names = crate::registry::survey::replay(log.into_iter().map(|(_, event)| event));
            expected.extend(names.into_values());
            expected
                .extend(survey.records.keys().chain(survey.packed.keys()).flat_map(|id| survey.links(id)));
        }
    }
    result.unregistered.sort_unstable();
    let is_listed = |id: &Hash| known.as_ref().is_some_and(|known| known.is_registered(id));
    let removed = registry.removed_in(&survey)?.without(is_listed);
    result.unregistered.retain(|id| !removed.contains(id));
    result.removed = removed_objects(&survey, &removed);
    // Nobody needs the bytes of what was removed.
    let freed = freed(&survey, &removed);
    let is_needed = |id: &Hash| !freed.contains(id) || known.as_ref().is_some_and(|known| known.is_named(id));
    survey.problems.retain(|(id, _)| is_needed(id));
    expected.retain(|id| !there(id));
    let withdrawn = Withdrawn::surveyed(registry, &survey)?;
    let lingering: Vec<&Hash> = listing.objects.iter().filter(|id| withdrawn.is_purged(id)).collect();
    if !lingering.is_empty() {
        let graph = DamageGraph::of(&survey, known.as_ref());
        let image = lingering.into_iter().filter(|id| graph.is_image(id));
        result.lingering = image.filter_map(|id| gone(&withdrawn, id)).collect();
    }
    result.settle(registry, &mut survey, known.as_ref(), expected, &withdrawn);
    Ok(result)
}

/// The removed records that are here, by kind and id.
fn removed_objects(survey: &Survey, removed: &Removed) -> Vec<RemovedObject> {
    let mut objects: Vec<RemovedObject> = removed
        .ids()
        .filter_map(|id| {
            let (kind, _) = survey.records.get(id)?;
            let (removal, name) = match removed.get(id) {
                Some((removal, _, record)) => (Some(removal.hash), record.name.clone()),
                None => (None, None),
            };
            Some(RemovedObject { id: *id, kind: *kind, name, removal })
        })
        .collect();
    objects.sort_by_key(|object| (object.kind, object.id));
    objects
}

fn gone(withdrawn: &Withdrawn, id: &Hash) -> Option<Gone> {
    let (withdrawal, record) = withdrawn.gone(id)?;
    let image = record.images.iter().find(|image| image.blake3.is_some_and(|object| object.0 == *id));
    Some(Gone {
        id: *id,
        name: image.map(|image| image.name.clone()),
        withdrawal: withdrawal.hash,
        subject: record.subject.to_string(),
    })
}

/// Checks the objects that `roots` depend on, including themselves, and only the entries of the index that lead to
/// them.
pub fn verify_some(
    registry: &Registry,
    roots: &[Hash],
    progress: &dyn Progress,
) -> Result<Verification, RegistryError> {
    let _lease = registry.lease_to_look()?;
    // Not kept open while the objects are read, which may take long: no process could register anything.
    let (wanted, known, withdrawn) = {
        let view = registry.view()?;
        (behind(registry, &view, roots)?, Known::of(&view)?, Withdrawn::known(registry, &view)?)
    };
    progress.begin("verify", Unit::Items, wanted.len() as u64);
    let mut survey = registry.survey(&wanted, Depth::Everything, progress);
    progress.end();
    let named = survey.records.keys().chain(survey.packed.keys()).flat_map(|id| survey.links(id));
    let expected: Vec<Hash> = named.filter(|id| !registry.store().contains(id)).collect();
    let mut result = Verification::default();
    result.settle(registry, &mut survey, Some(&known), expected, &withdrawn);
    // Purged objects are among their dependencies, and cannot be checked.
    result.checked = (wanted.len() - result.purged.len()) as u64;
    result.bytes = survey.bytes;
    Ok(result)
}

/// The problems of a survey and the `missing` objects, sorted by id, each with the results that it taints.
fn damage(registry: &Registry, survey: &Survey, known: Option<&Known>, missing: Vec<Hash>) -> Vec<Damage> {
    let mut problems = survey.problems.clone();
    let named: HashSet<Hash> = problems.iter().map(|(id, _)| *id).collect();
    let missing = missing.into_iter().filter(|id| !named.contains(id));
    problems.extend(missing.map(|id| (id, "is missing".to_owned())));
    if problems.is_empty() {
        return Vec::new();
    }
    problems.sort();
    problems.dedup();
    let graph = DamageGraph::of(survey, known);
    let images = graph.image_names(registry, problems.iter().map(|(id, _)| id));
    let each = problems.into_iter().map(|(id, problem)| {
        let (kind, name) = graph.describe(&id, &images);
        Damage { id, kind, name, problem, taints: graph.taints(&id) }
    });
    each.collect()
}

/// The references in the objects and in the index together: those of a damaged object are only in the index.
pub(super) struct DamageGraph {
    referrers: HashMap<Hash, Vec<(Hash, Roles)>>,
    kinds: HashMap<Hash, Kind>,
    names: HashMap<Hash, String>,
    /// The result of each execution.
    made: HashMap<Hash, Hash>,
    /// The files that each run left.
    files: HashMap<Hash, Vec<Hash>>,
}

impl Lineage for DamageGraph {
    fn kind(&self, id: &Hash) -> Result<Option<Kind>, RegistryError> {
        Ok(self.kinds.get(id).copied())
    }

    fn referrers(&self, id: &Hash) -> Result<Vec<(Hash, Roles)>, RegistryError> {
        Ok(self.named_by(id).to_vec())
    }
}

impl DamageGraph {
    pub(super) fn of(survey: &Survey, known: Option<&Known>) -> Self {
        let mut mentions: Vec<(Hash, Hash, Roles)> = survey.mentions().collect();
        let mut kinds: HashMap<Hash, Kind> =
            survey.records.iter().map(|(id, (kind, _))| (*id, *kind)).collect();
        kinds.extend(survey.events.keys().map(|id| (*id, Kind::Event)));
        let mut names = HashMap::new();
        if let Some(known) = known {
            mentions.extend(known.mentions.iter().cloned());
            kinds.extend(known.kinds());
            for (name, id) in &known.names {
                names.entry(*id).or_insert_with(|| name.clone());
            }
        }
        mentions.sort_unstable();
        mentions.dedup();
        let mut referrers: HashMap<Hash, Vec<(Hash, Roles)>> = HashMap::new();
        let mut made = HashMap::new();
        let mut files: HashMap<Hash, Vec<Hash>> = HashMap::new();
        for (to, from, roles) in mentions {
            let is_left = [Role::Checkpoint, Role::Files].iter().any(|role| roles.contains(role));
            if is_left && kinds.get(&from) == Some(&Kind::Run) {
                files.entry(from).or_default().push(to);
            }
            if roles.is_only(&Role::Made) {
                made.insert(from, to);
            }
            referrers.entry(to).or_default().push((from, roles));
        }
        DamageGraph { referrers, kinds, names, made, files }
    }

    fn named_by(&self, id: &Hash) -> &[(Hash, Roles)] {
        self.referrers.get(id).map_or(&[], Vec::as_slice)
    }

    /// Whether an object is only an image or its picture.
    fn is_image(&self, id: &Hash) -> bool {
        // A survey that is there can always be asked.
        is_image_alone(self, id).unwrap_or(false)
    }

    /// The names of the images among `ids`, from manifests. Each manifest is read once; a damaged one is skipped.
    fn image_names<'i>(
        &self,
        registry: &Registry,
        ids: impl Iterator<Item = &'i Hash>,
    ) -> HashMap<Hash, String> {
        let mut images: HashSet<&Hash> = HashSet::new();
        let mut manifests: HashSet<Hash> = HashSet::new();
        for id in ids {
            // A survey that is there can always be asked.
            let holding = manifests_of(self, id).unwrap_or_default();
            images.extend((!holding.is_empty()).then_some(id));
            manifests.extend(holding);
        }
        let mut names = HashMap::new();
        for manifest in manifests {
            let Ok(manifest) = registry.packed_alone::<Manifest>(Id::new(manifest)) else { continue };
            for row in manifest.rows {
                if let Some(id) = row.object.filter(|id| images.contains(id)) {
                    names.entry(id).or_insert_with(|| row.name.to_string());
                }
            }
        }
        names
    }

    /// Kind and name of an object that may be unreadable.
    fn describe(&self, id: &Hash, images: &HashMap<Hash, String>) -> (String, Option<String>) {
        let name = self.names.get(id).cloned();
        if let Some(kind) = self.kinds.get(id) {
            return (kind.name().to_owned(), name);
        }
        if let Some(image) = images.get(id) {
            return (NodeKind::Image.name().to_owned(), name.or(Some(image.clone())));
        }
        let roles = self.named_by(id).first().map(|(_, roles)| roles.to_string());
        (roles.unwrap_or_else(|| "object without references".to_owned()), name)
    }

    fn tainted(&self, id: &Hash) -> Option<Tainted> {
        let kind = self.kinds.get(id).filter(|kind| !kind.descriptor().class.is_beside())?;
        Some(Tainted { id: *id, kind: *kind, name: self.names.get(id).cloned() })
    }

    /// The records that depend on an object, tables first, then in the order of a study.
    pub(super) fn taints(&self, id: &Hash) -> Vec<Tainted> {
        let mut walk = Walk::from([(*id, ())]);
        let mut tainted = Vec::new();
        while let Some((next, ())) = walk.step() {
            // The results of a program depend on it; a damaged execution taints nothing.
            if let Some(made) = self.made.get(&next).filter(|made| next != *id && walk.reach(**made, ())) {
                tainted.extend(self.tainted(made));
            }
            // A survey that is there can always be asked.
            let files = self.files.get(&next).map_or(&[][..], Vec::as_slice);
            let edges = results(self, next, files).unwrap_or_default();
            for Edge { from, .. } in edges.iter() {
                if !walk.reach(*from, ()) {
                    continue;
                }
                // Executions do not affect values, and packed arrays are represented by the
                // records that refer to them.
                tainted.extend(self.tainted(from));
            }
        }
        tainted.sort_by_key(|t| (t.kind != Kind::Table, t.kind, t.id));
        tainted
    }
}
