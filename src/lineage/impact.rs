//! The use of an image, of a patient's images, or of a row of a metadata file: not everything that depends on their
//! data set, but the records that used them, and how.

use std::collections::{BTreeMap, HashMap, HashSet};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::graph::{Node, NodeKind};
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::records::codec::{Header, Link};
use crate::records::{self, Dataset, ImageRow, Kind, PatientId, Role, Subset};
use crate::registry::walk::{Edge, Walk, images, learnt_files, results};
use crate::registry::{Registry, RegistryError};
use crate::usage::{Asked, UsageCounts, UsageQuery, datasets, different};
use crate::withdrawal::Withdrawn;

/// Everything that used some images.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Impact {
    /// The query: `patient:13`, the id of an image, its name, or the id of a metadata file, a colon and
    /// a row.
    pub root: String,
    /// The images, once for each data set.
    pub images: Vec<AffectedImage>,
    /// The images that have files, and every record that used them.
    pub nodes: Vec<AffectedNode>,
    /// The references among them.
    pub edges: Vec<Edge>,
    /// The records, grouped by data set.
    pub datasets: Vec<InDataset>,
    /// Records whose use is unknown because they could not be read, with the reasons.
    pub unread: BTreeMap<Hash, String>,
}

impl Impact {
    /// Shows a data set with one of its names.
    pub fn call(&mut self, dataset: &Hash, name: &str) {
        let nodes =
            self.nodes.iter_mut().filter(|node| node.node.id == *dataset).map(|node| &mut node.node.name);
        let grouped = self.datasets.iter_mut().filter(|one| one.id == *dataset).map(|one| &mut one.name);
        nodes.chain(grouped).for_each(|called| *called = Some(name.to_owned()));
    }

    /// Number of different images, however many data sets have them.
    pub fn different(&self) -> u64 {
        different(self.images.iter().map(|image| (image.name.as_str(), image.id)))
    }
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
    /// The withdrawal that covers it; null if none does.
    pub withdrawn: Option<Hash>,
}

/// A record that used the images, or one of them.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AffectedNode {
    /// Its node.
    #[serde(flatten)]
    pub node: Node,
    /// Number of images that it used, by use.
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
    /// A summary in one line.
    pub summary: String,
    /// Number of images that it used, by use.
    pub uses: UsageCounts,
    /// Tables of it alone.
    pub tables: Vec<AffectedRecord>,
}

/// The use of the images of one data set.
#[derive(Debug, Serialize, JsonSchema)]
pub struct InDataset {
    /// The data set.
    pub id: Hash,
    /// Its name.
    pub name: Option<String>,
    /// Number of the images in it.
    pub images: u64,
    /// Its splits.
    pub splits: Vec<InSplit>,
    /// Imported scores without a split, and tables of several folds or of the whole.
    pub others: Vec<AffectedRecord>,
}

impl InDataset {
    /// All records of the data set.
    fn records(&self) -> impl Iterator<Item = &AffectedRecord> {
        let folds = self.splits.iter().flat_map(|split| &split.folds);
        folds.flat_map(|fold| &fold.used_by).chain(&self.others)
    }
}

/// The use of the images with one split.
#[derive(Debug, Serialize, JsonSchema)]
pub struct InSplit {
    /// The split.
    pub id: Hash,
    /// Its name.
    pub name: Option<String>,
    /// What each of them is: `re-sampling`, `fold`.
    pub division: &'static str,
    /// Its folds.
    pub folds: Vec<InFold>,
}

/// The use of the images in one fold.
#[derive(Debug, Serialize, JsonSchema)]
pub struct InFold {
    /// Number of the fold, from 0.
    pub fold: u32,
    /// Number of the images in the subset `train`.
    pub train: u64,
    /// Number of the images in the subset `val`.
    pub val: u64,
    /// Number of the images in the subset `test`.
    pub test: u64,
    /// Runs that were trained or evaluated on them, and imported scores of them.
    pub used_by: Vec<AffectedRecord>,
}

/// Finds everything that used the images.
pub fn impact(registry: &Registry, view: &View, asked: &Asked) -> Result<Impact, RegistryError> {
    let withdrawn = Withdrawn::known(registry, view)?;
    let mut affected = Vec::new();
    let mut holding = Vec::new();
    let mut chosen: HashMap<Hash, Vec<u32>> = HashMap::new();
    for (id, dataset, manifest) in datasets(registry, view)? {
        let rows = (0..).zip(&manifest.rows).filter(|(_, row)| asked.is(&dataset, row));
        let rows: Vec<(u32, &ImageRow)> = rows.collect();
        if rows.is_empty() {
            continue;
        }
        affected.extend(rows.iter().map(|(_, row)| AffectedImage {
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
    // A run that has not seen the images is listed because it was evaluated on them.
    for named in datasets.iter().flat_map(InDataset::records) {
        if let Some(found) = gather.unseeing.remove(&named.id) {
            gather.found.insert(named.id, Found { uses: named.uses, ..found });
            ids.push(named.id);
        }
    }
    let (mut nodes, mut edges) = (Vec::new(), Vec::new());
    let mut files: HashSet<Hash> = HashSet::new();
    for image in affected.iter().filter(|image| image.id.is_some_and(|id| files.insert(id))) {
        let id = image.id.expect("it was just looked at");
        let here = registry.store().contains(&id);
        let summary = format!("patient {}{}", image.patient, if here { "" } else { ", not here" });
        let name = Some(image.name.to_string());
        let node = Node { id, kind: NodeKind::Image, name, summary, row: Some(image.row) };
        nodes.push(AffectedNode { node, uses: UsageCounts::default() });
    }
    edges.extend(affected.iter().flat_map(|image| images(image.dataset, image.id)));
    for id in &ids {
        let found = &gather.found[id];
        let (name, summary) = (names.get(id).cloned(), found.summary.clone());
        let node = Node { id: *id, kind: NodeKind::Record(found.kind), name, summary, row: None };
        nodes.push(AffectedNode { node, uses: found.uses });
        let links = found.links.iter().filter(|link| gather.found.contains_key(&link.to));
        edges.extend(links.map(|link| Edge { from: *id, to: link.to, role: link.role.clone().into() }));
    }
    let unread = usage.unread;
    Ok(Impact { root: asked.to_string(), images: affected, nodes, edges, datasets, unread })
}

/// A record that used the images, with only those fields of its document that are needed for grouping.
struct Found {
    kind: Kind,
    summary: String,
    links: Vec<Link>,
    fold: Option<u32>,
    subset: Option<String>,
    /// Whether it is a table of AUCs.
    is_auc: bool,
    uses: UsageCounts,
}

impl Found {
    fn of(header: &Header, links: Vec<Link>, uses: UsageCounts) -> Self {
        let text = |key: &str| header.document.get(key).and_then(Value::as_str);
        Found {
            kind: header.kind,
            summary: records::summary(header),
            links,
            fold: header.document.get("fold").and_then(Value::as_u64).and_then(|fold| fold.try_into().ok()),
            subset: text("subset").map(str::to_owned),
            is_auc: header.kind == Kind::Table && text("type") == Some("auc"),
            uses,
        }
    }
}

struct Gather<'g, 'a> {
    usage: &'g mut UsageQuery<'a>,
    names: &'g HashMap<Hash, String>,
    found: HashMap<Hash, Found>,
    /// Runs that used none of the images themselves; their scores may be of them.
    unseeing: HashMap<Hash, Found>,
}

impl Gather<'_, '_> {
    /// Records that used the images, in the order in which they are reached from the data sets.
    fn all(&mut self, view: &View, datasets: &[Id<Dataset>]) -> Result<Vec<Hash>, RegistryError> {
        let mut walk = Walk::from(datasets.iter().map(|id| (id.hash, ())));
        let mut ids = Vec::new();
        while let Some((id, ())) = walk.step() {
            let used = self.usage.of(&id);
            let uses = self.usage.counts(&used);
            let mut files = Vec::new();
            if let Some(header) = self.usage.header(&id) {
                let links = header.links();
                files = learnt_files(header.kind, &links);
                if uses != UsageCounts::default() {
                    let mut found = Found::of(&header, links, uses);
                    if let Some(subset) = self.table_subset(&found) {
                        found.summary += &format!(" on its {} images", subset.in_words());
                    }
                    self.found.insert(id, found);
                    ids.push(id);
                } else if header.kind == Kind::Run {
                    self.unseeing.insert(id, Found::of(&header, links, uses));
                }
            }
            // A record that used none of the images can still be compared with one that did.
            for edge in results(view, id, &files)? {
                walk.reach(edge.from, ());
            }
        }
        Ok(ids)
    }

    /// The subset that a table of AUCs is about, unless that is the test subset; a run has a table of each.
    fn table_subset(&mut self, table: &Found) -> Option<Subset> {
        let scores = table.links.iter().find(|link| table.is_auc && link.role == Role::Predictions)?;
        let scores = self.usage.header(&scores.to)?;
        let subset: Subset = serde_json::from_value(scores.document.get("subset")?.clone()).ok()?;
        Some(subset).filter(|subset| *subset != Subset::Test)
    }

    fn named(&self, id: &Hash) -> AffectedRecord {
        let found = &self.found[id];
        AffectedRecord {
            id: *id,
            kind: found.kind,
            name: self.names.get(id).cloned(),
            summary: found.summary.clone(),
            uses: found.uses,
            tables: Vec::new(),
        }
    }

    /// The target of a record's field.
    fn link(&self, id: &Hash, role: &Role) -> Option<Hash> {
        let link = self.found.get(id)?.links.iter().find(|link| link.role == *role)?;
        Some(link.to)
    }

    /// Split and fold of a spec or of scores.
    fn fold(&self, id: &Hash) -> Option<(Hash, u32)> {
        Some((self.link(id, &Role::Split)?, self.found.get(id)?.fold?))
    }

    fn of_kind<'i>(&'i self, ids: &'i [Hash], kind: Kind) -> impl Iterator<Item = &'i Hash> + 'i {
        ids.iter().filter(move |id| self.found[*id].kind == kind)
    }

    /// Groups by data set, split, fold, and run or scores.
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
        // Split and fold of each run and of scores, and their position in the groups.
        let mut folds: HashMap<(Hash, u32), (usize, usize, usize)> = HashMap::new();
        for id in self.of_kind(ids, Kind::Split).copied().collect::<Vec<_>>() {
            let dataset = self.link(&id, &Role::Dataset);
            let Some(at) = dataset.and_then(|dataset| place(&grouped, &dataset)) else { continue };
            let divided = self.usage.folds(Id::new(id));
            let divided = divided.and_then(|folds| Ok((folds, self.usage.division(Id::new(id))?)));
            let (divided, division) = match divided {
                Ok(divided) => divided,
                Err(e) => {
                    self.usage.unread.insert(id, e.to_string());
                    continue;
                }
            };
            let mut split = InSplit { id, name: self.names.get(&id).cloned(), division, folds: Vec::new() };
            for (fold, [train, val, test]) in (0..).zip(divided.iter()) {
                folds.insert((id, fold), (at, grouped[at].splits.len(), split.folds.len()));
                let [train, val, test] = [train, val, test].map(|rows| rows.len() as u64);
                split.folds.push(InFold { fold, train, val, test, used_by: Vec::new() });
            }
            grouped[at].splits.push(split);
        }
        // Scores are listed with their run, and tables of scores with the scores.
        let mut runs: Vec<(Hash, AffectedRecord)> = Vec::new();
        let mut holder: HashMap<Hash, usize> = HashMap::new();
        let mut homes: Vec<Option<(usize, usize, usize)>> = Vec::new();
        for id in self.of_kind(ids, Kind::Run).copied().collect::<Vec<_>>() {
            let fold = self.link(&id, &Role::Spec).and_then(|spec| self.fold(&spec));
            holder.insert(id, runs.len());
            // A run that started from the weights of another run has seen the images in that run's data set.
            let seen = self.usage.of(&id).rows().first().map_or(id, |(dataset, _)| *dataset);
            runs.push((seen, self.named(&id)));
            homes.push(fold.and_then(|fold| folds.get(&fold).copied()));
        }
        for id in self.of_kind(ids, Kind::Predictions) {
            let home = self.fold(id).and_then(|fold| folds.get(&fold).copied());
            let made_by = self.link(id, &Role::Run);
            let at = match made_by.and_then(|run| holder.get(&run).copied()) {
                Some(at) => at,
                None => {
                    // A run that has not seen the images, or scores without a run.
                    let mut named = self.named(id);
                    if let Some(run) = made_by {
                        (named.id, named.kind) = (run, Kind::Run);
                        named.name = self.names.get(&run).cloned();
                        holder.insert(run, runs.len());
                    }
                    runs.push((self.link(id, &Role::Dataset).unwrap_or(*id), named));
                    homes.push(home);
                    runs.len() - 1
                }
            };
            let scored = self.found[id].uses.scored;
            let subset = self.found[id].subset.as_deref().unwrap_or("all").to_owned();
            let own = &mut runs[at].1;
            own.uses.scored = own.uses.scored.max(scored);
            if scored > 0 && made_by.is_some() {
                own.summary = format!("{subset} subset");
            }
            holder.insert(*id, at);
        }
        for id in self.of_kind(ids, Kind::Table).copied().collect::<Vec<_>>() {
            let named = self.named(&id);
            let predictions = self.link(&id, &Role::Predictions).filter(|_| self.found[&id].is_auc);
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
