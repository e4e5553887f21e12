//! Who used an image, the images of a patient, or a row of a metadata file: the way down, told by what was
//! done with them and not by what depends on the data set that holds them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::Path;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::graph::{Node, NodeKind, checkpoint_of, node_of};
use super::usage::{UsageCounts, UsageQuery};
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::records::codec::Header;
use crate::records::{Dataset, ImageRow, Kind, Manifest, PatientId, role};
use crate::registry::walk::{Edge, Walk, results};
use crate::registry::{IMAGE, Registry, RegistryError};

/// Whom or what is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// All images of a patient.
    Patient(PatientId),
    /// The images of this name.
    Name(String),
    /// The images with these bytes.
    File(Hash),
    /// A data row of a metadata file, from 1 behind its header.
    Row {
        /// The file.
        metadata: Hash,
        /// The row.
        row: u32,
    },
}

impl Asked {
    /// Reads `patient:13` or `patient:p10`, `DATASET:42`, `FILE.csv:42`, the name of an image, or the id of one; none if it is
    /// something else.
    ///
    /// A row is named by a data set, by the object that its metadata is, or by a copy of that file.
    ///
    /// # Errors
    /// Text that begins like one of these and is none.
    pub fn read(registry: &Registry, view: &View, text: &str) -> Result<Option<Self>, RegistryError> {
        let unknown = || RegistryError::Unknown { text: text.to_owned(), similar: Vec::new() };
        // A patient may be called what has a colon in it.
        if let Some((what, patient)) = text.split_once(':')
            && what.eq_ignore_ascii_case("patient")
        {
            return Ok(Some(Asked::Patient(patient.parse().map_err(|_| unknown())?)));
        }
        if let Some((what, number)) = text.rsplit_once(':') {
            let number: u32 = number.parse().map_err(|_| unknown())?;
            let metadata = metadata_of(registry, view, what)?.ok_or_else(unknown)?;
            return Ok(Some(Asked::Row { metadata, row: number }));
        }
        match registry.resolve(view, text) {
            Ok(id) => {
                let is_image =
                    view.kind(&id)?.is_none() && view.referrers(&id)?.iter().any(|(_, role)| role == IMAGE);
                Ok(is_image.then_some(Asked::File(id)))
            }
            Err(RegistryError::Unknown { .. }) => {
                let named = datasets(registry, view)?;
                let known = named.iter().any(|(_, _, manifest)| manifest.row_named(text).is_some());
                Ok(known.then(|| Asked::Name(text.to_owned())))
            }
            Err(_) => Ok(None),
        }
    }

    /// Whether a row of a data set is meant.
    pub fn is(&self, dataset: &Dataset, row: &ImageRow) -> bool {
        match self {
            Asked::Patient(patient) => row.patient == *patient,
            Asked::Name(name) => row.name == *name,
            Asked::File(object) => row.object == Some(*object),
            Asked::Row { metadata, row: number } => {
                dataset.metadata.object.hash == *metadata && row.row == *number
            }
        }
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Asked::Patient(patient) => write!(f, "patient:{patient}"),
            Asked::Name(name) => f.write_str(name),
            Asked::File(object) => write!(f, "{object}"),
            Asked::Row { metadata, row } => write!(f, "{metadata}:{row}"),
        }
    }
}

/// The metadata file of a data set, or the file itself by its id or by a copy of it.
fn metadata_of(registry: &Registry, view: &View, text: &str) -> Result<Option<Hash>, RegistryError> {
    let id = match registry.resolve(view, text) {
        Err(e @ RegistryError::Unknown { .. }) => match fs::read(Path::new(text)) {
            Ok(bytes) => Hash::of(&bytes),
            Err(_) => return Err(e),
        },
        id => id?,
    };
    if view.kind(&id)? == Some(Kind::Dataset) {
        return Ok(Some(registry.get::<Dataset>(Id::new(id))?.metadata.object.hash));
    }
    Ok(view.referrers(&id)?.iter().any(|(_, role)| role.split(',').any(|r| r == "metadata")).then_some(id))
}

/// All data sets with their manifests, oldest first. One that cannot be read is left out: `reg verify` names it.
pub fn datasets(
    registry: &Registry,
    view: &View,
) -> Result<Vec<(Id<Dataset>, Dataset, Manifest)>, RegistryError> {
    let read = |id: Hash| {
        let dataset = registry.get::<Dataset>(Id::new(id)).ok()?;
        let manifest = registry.manifest(&dataset).ok()?;
        Some((Id::new(id), dataset, manifest))
    };
    Ok(view.of_kind(Kind::Dataset)?.into_par_iter().filter_map(read).collect())
}

/// Everything that used some images.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Impact {
    /// What was asked: `patient:13`, the id of an image, its name, or the id of a metadata file, a colon and
    /// a row.
    pub root: String,
    /// The images, a data set each.
    pub images: Vec<AffectedImage>,
    /// The images that have files, and every record that used them.
    pub nodes: Vec<AffectedNode>,
    /// Who names whom among them.
    pub edges: Vec<Edge>,
    /// The same, grouped.
    pub datasets: Vec<InDataset>,
    /// What could not be read, so that its use is not known, and why.
    pub unread: BTreeMap<Hash, String>,
}

impl Impact {
    /// Calls a data set by one of its names.
    pub fn call(&mut self, dataset: &Hash, name: &str) {
        let nodes =
            self.nodes.iter_mut().filter(|node| node.node.id == *dataset).map(|node| &mut node.node.name);
        let grouped = self.datasets.iter_mut().filter(|one| one.id == *dataset).map(|one| &mut one.name);
        nodes.chain(grouped).for_each(|called| *called = Some(name.to_owned()));
    }

    /// How many different images these are, however many data sets hold them.
    pub fn different(&self) -> u64 {
        different(self.images.iter().map(|image| (image.name.as_str(), image.id)))
    }
}

/// How many different images there are among some names with files. A name without a file, in a data set of metadata
/// only, is the image of that name.
pub(super) fn different<'i>(images: impl Iterator<Item = (&'i str, Option<Hash>)>) -> u64 {
    let mut files: BTreeMap<&str, BTreeSet<Hash>> = BTreeMap::new();
    for (name, file) in images {
        files.entry(name).or_default().extend(file);
    }
    files.values().map(|files| files.len().max(1) as u64).sum()
}

/// An image in a data set.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AffectedImage {
    /// File name.
    pub name: String,
    /// Its file; null in a data set of metadata only.
    pub id: Option<Hash>,
    /// Patient.
    pub patient: PatientId,
    /// Data row of the metadata, from 1.
    pub row: u32,
    /// The data set.
    pub dataset: Hash,
    /// The withdrawal that covers it; null where none does.
    pub withdrawn: Option<Hash>,
}

/// A record that used the images, or one of them.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AffectedNode {
    /// What it is.
    #[serde(flatten)]
    pub node: Node,
    /// How many of the images it used, and how.
    pub uses: UsageCounts,
}

/// A record by id and name.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AffectedRecord {
    /// Its id.
    pub id: Hash,
    /// Its kind.
    #[schemars(with = "String")]
    pub kind: Kind,
    /// Its name.
    pub name: Option<String>,
    /// One line on what it is.
    pub summary: String,
    /// How many of the images it used, and how.
    pub uses: UsageCounts,
    /// Tables made of it alone.
    pub tables: Vec<AffectedRecord>,
}

/// What used the images of one data set.
#[derive(Debug, Serialize, JsonSchema)]
pub struct InDataset {
    /// The data set.
    pub id: Hash,
    /// Its name.
    pub name: Option<String>,
    /// How many of the images it holds.
    pub images: u64,
    /// Its splits.
    pub splits: Vec<InSplit>,
    /// Imported scores without a split, and tables of several folds or of the whole.
    pub others: Vec<AffectedRecord>,
}

impl InDataset {
    /// What stands under it by itself, in its folds and beside them.
    fn records(&self) -> impl Iterator<Item = &AffectedRecord> {
        let folds = self.splits.iter().flat_map(|split| &split.folds);
        folds.flat_map(|fold| &fold.used_by).chain(&self.others)
    }
}

/// What used them by one split.
#[derive(Debug, Serialize, JsonSchema)]
pub struct InSplit {
    /// The split.
    pub id: Hash,
    /// Its name.
    pub name: Option<String>,
    /// Its folds.
    pub folds: Vec<InFold>,
}

/// What used them in one fold.
#[derive(Debug, Serialize, JsonSchema)]
pub struct InFold {
    /// From 0.
    pub fold: u32,
    /// How many of the images are in the subset `train`.
    pub train: u64,
    /// How many select models.
    pub val: u64,
    /// How many test.
    pub test: u64,
    /// Runs that were trained or evaluated on them, and imported scores of them.
    pub used_by: Vec<AffectedRecord>,
}

/// Finds everything that used the images.
pub fn impact(registry: &Registry, view: &View, asked: &Asked) -> Result<Impact, RegistryError> {
    let withdrawn = registry.withdrawn(view)?;
    let mut images = Vec::new();
    let mut holding = Vec::new();
    let mut chosen: HashMap<Hash, Vec<u32>> = HashMap::new();
    for (id, dataset, manifest) in datasets(registry, view)? {
        let rows = (0..).zip(&manifest.rows).filter(|(_, row)| asked.is(&dataset, row));
        let rows: Vec<(u32, &ImageRow)> = rows.collect();
        if rows.is_empty() {
            continue;
        }
        images.extend(rows.iter().map(|(_, row)| AffectedImage {
            name: row.name.to_string(),
            id: row.object,
            patient: row.patient.clone(),
            row: row.row,
            dataset: id.hash,
            withdrawn: withdrawn.of_row(row).map(|(id, _)| id.hash),
        }));
        chosen.insert(id.hash, rows.iter().map(|(place, _)| *place).collect());
        holding.push(id);
    }
    let choice = move |id: Id<Dataset>, _: &Dataset| Ok(chosen.get(&id.hash).cloned().unwrap_or_default());
    let mut usage = UsageQuery::new(registry, Box::new(choice));
    let names = view.names_by_id()?;
    let mut gather =
        Gather { usage: &mut usage, names: &names, found: HashMap::new(), unseeing: HashMap::new() };
    let mut ids = gather.all(view, &holding)?;
    let datasets = gather.grouped(&ids, &holding)?;
    // A run that has not seen them is here because it evaluated them.
    for named in datasets.iter().flat_map(InDataset::records) {
        if let Some(header) = gather.unseeing.remove(&named.id) {
            gather.found.insert(named.id, Found { header, uses: named.uses });
            ids.push(named.id);
        }
    }
    let (mut nodes, mut edges) = (Vec::new(), Vec::new());
    let mut files: HashSet<Hash> = HashSet::new();
    for image in images.iter().filter(|image| image.id.is_some_and(|id| files.insert(id))) {
        let id = image.id.expect("it was just looked at");
        let here = registry.store().contains(&id);
        let summary = format!("patient {}{}", image.patient, if here { "" } else { ", not here" });
        let name = Some(image.name.to_string());
        let node = Node { id, kind: NodeKind::Image, name, summary, row: Some(image.row) };
        nodes.push(AffectedNode { node, uses: UsageCounts::default() });
    }
    edges.extend(
        images
            .iter()
            .filter_map(|image| Some(Edge { from: image.dataset, to: image.id?, role: IMAGE.into() })),
    );
    for id in &ids {
        let found = &gather.found[id];
        nodes.push(AffectedNode { node: node_of(*id, &found.header, &names), uses: found.uses });
        let links = found.header.links().into_iter().filter(|link| gather.found.contains_key(&link.to));
        edges.extend(links.map(|link| Edge { from: *id, to: link.to, role: role(&link.role) }));
    }
    let unread = usage.unread;
    Ok(Impact { root: asked.to_string(), images, nodes, edges, datasets, unread })
}

/// A record that used the images.
struct Found {
    header: Header,
    uses: UsageCounts,
}

struct Gather<'g, 'a> {
    usage: &'g mut UsageQuery<'a>,
    names: &'g HashMap<Hash, String>,
    found: HashMap<Hash, Found>,
    /// Runs that used none of the images themselves; their scores may be of them.
    unseeing: HashMap<Hash, Header>,
}

impl Gather<'_, '_> {
    /// Records that used the images, in the order in which they are reached from the data sets.
    fn all(&mut self, view: &View, datasets: &[Id<Dataset>]) -> Result<Vec<Hash>, RegistryError> {
        let mut walk = Walk::from(datasets.iter().map(|id| (id.hash, ())));
        let mut ids = Vec::new();
        while let Some((id, ())) = walk.step() {
            let used = self.usage.of(&id);
            let uses = self.usage.counts(&used);
            let header = self.usage.header(&id);
            let checkpoint = header.as_ref().and_then(checkpoint_of);
            match header {
                Some(header) if uses != UsageCounts::default() => {
                    self.found.insert(id, Found { header, uses });
                    ids.push(id);
                }
                Some(header) if header.kind == Kind::Run => drop(self.unseeing.insert(id, header)),
                _ => {}
            }
            // What used nothing itself can still be compared with what did.
            for edge in results(view, id, checkpoint)? {
                walk.reach(edge.from, ());
            }
        }
        Ok(ids)
    }

    fn named(&self, id: &Hash) -> AffectedRecord {
        let found = &self.found[id];
        AffectedRecord {
            id: *id,
            kind: found.header.kind,
            name: self.names.get(id).cloned(),
            summary: crate::records::summary(&found.header),
            uses: found.uses,
            tables: Vec::new(),
        }
    }

    /// A value in the document of a record.
    fn value(&self, id: &Hash, at: &str) -> Option<&Value> {
        let (key, rest) = at.split_once('/').unwrap_or((at, ""));
        let value = self.found.get(id)?.header.document.get(key)?;
        if rest.is_empty() { Some(value) } else { value.get(rest) }
    }

    /// A link in the document of a record.
    fn link(&self, id: &Hash, at: &str) -> Option<Hash> {
        self.value(id, at)?.as_str()?.parse().ok()
    }

    /// The split and the fold that a spec or scores name.
    fn fold(&self, id: &Hash) -> Option<(Hash, u32)> {
        let fold = self.value(id, "fold")?.as_u64()?;
        Some((self.link(id, "split")?, u32::try_from(fold).ok()?))
    }

    fn of_kind<'i>(&'i self, ids: &'i [Hash], kind: Kind) -> impl Iterator<Item = &'i Hash> + 'i {
        ids.iter().filter(move |id| self.found[*id].header.kind == kind)
    }

    /// Groups by data set, split, fold, and what was trained or scored there.
    fn grouped(&mut self, ids: &[Hash], datasets: &[Id<Dataset>]) -> Result<Vec<InDataset>, RegistryError> {
        let mut grouped: Vec<InDataset> = Vec::new();
        for id in datasets {
            let images = self.usage.rows(*id)?.len() as u64;
            let (splits, others) = (Vec::new(), Vec::new());
            grouped.push(InDataset {
                id: id.hash,
                name: self.names.get(&id.hash).cloned(),
                images,
                splits,
                others,
            });
        }
        let place = |grouped: &[InDataset], id: &Hash| grouped.iter().position(|one| one.id == *id);
        // Split and fold of each run and of scores, and where those stand in the groups.
        let mut folds: HashMap<(Hash, u32), (usize, usize, usize)> = HashMap::new();
        for id in self.of_kind(ids, Kind::Split).copied().collect::<Vec<_>>() {
            let dataset = self.link(&id, "dataset");
            let Some(at) = dataset.and_then(|dataset| place(&grouped, &dataset)) else { continue };
            let mut split = InSplit { id, name: self.names.get(&id).cloned(), folds: Vec::new() };
            let divided = match self.usage.folds(Id::new(id)) {
                Ok(divided) => divided,
                Err(e) => {
                    self.usage.unread.insert(id, e.to_string());
                    continue;
                }
            };
            for (fold, [train, val, test]) in (0..).zip(divided.iter()) {
                folds.insert((id, fold), (at, grouped[at].splits.len(), split.folds.len()));
                let [train, val, test] = [train, val, test].map(|rows| rows.len() as u64);
                split.folds.push(InFold { fold, train, val, test, used_by: Vec::new() });
            }
            grouped[at].splits.push(split);
        }
        // Scores stand with the run that made them, and the tables of scores with the scores.
        let mut runs: Vec<(Hash, AffectedRecord)> = Vec::new();
        let mut holder: HashMap<Hash, usize> = HashMap::new();
        let mut homes: Vec<Option<(usize, usize, usize)>> = Vec::new();
        for id in self.of_kind(ids, Kind::Run).copied().collect::<Vec<_>>() {
            let fold = self.link(&id, "spec").and_then(|spec| self.fold(&spec));
            holder.insert(id, runs.len());
            // One that began with the weights of another run has seen them in the data set of that.
            let seen = self.usage.of(&id).rows().first().map_or(id, |(dataset, _)| *dataset);
            runs.push((seen, self.named(&id)));
            homes.push(fold.and_then(|fold| folds.get(&fold).copied()));
        }
        for id in self.of_kind(ids, Kind::Predictions) {
            let home = self.fold(id).and_then(|fold| folds.get(&fold).copied());
            let made_by = self.link(id, "source/run");
            let at = match made_by.and_then(|run| holder.get(&run).copied()) {
                Some(at) => at,
                None => {
                    // A run that has not seen them, or none of ours.
                    let mut named = self.named(id);
                    if let Some(run) = made_by {
                        (named.id, named.kind) = (run, Kind::Run);
                        named.name = self.names.get(&run).cloned();
                        holder.insert(run, runs.len());
                    }
                    runs.push((self.link(id, "dataset").unwrap_or(*id), named));
                    homes.push(home);
                    runs.len() - 1
                }
            };
            let scored = self.found[id].uses.scored;
            let subset = self.value(id, "subset").and_then(Value::as_str).unwrap_or("all").to_owned();
            let own = &mut runs[at].1;
            own.uses.scored = own.uses.scored.max(scored);
            if scored > 0 && made_by.is_some() {
                own.summary = format!("{subset} subset");
            }
            holder.insert(*id, at);
        }
        for id in self.of_kind(ids, Kind::Table).copied().collect::<Vec<_>>() {
            let named = self.named(&id);
            let is_auc = self.value(&id, "type").is_some_and(|kind| kind == "auc");
            let predictions = self.link(&id, "predictions").filter(|_| is_auc);
            match predictions.and_then(|predictions| holder.get(&predictions)) {
                Some(at) => runs[*at].1.tables.push(named),
                None => {
                    let mut of: Vec<Hash> = Vec::new();
                    let used = self.usage.of(&id);
                    of.extend(used.rows().into_iter().map(|(dataset, _)| dataset));
                    of.dedup();
                    for dataset in of {
                        if let Some(at) = place(&grouped, &dataset) {
                            grouped[at].others.push(named.clone());
                        }
                    }
                }
            }
        }
        for ((dataset, named), home) in runs.into_iter().zip(homes) {
            match home {
                Some((at, split, fold)) => grouped[at].splits[split].folds[fold].used_by.push(named),
                None => {
                    if let Some(at) = place(&grouped, &dataset) {
                        grouped[at].others.push(named);
                    }
                }
            }
        }
        Ok(grouped)
    }
}
