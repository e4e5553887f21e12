//! The differences between two results: data, split, configuration, code, environment, then numbers, and where their
//! lineages first diverge.

mod data;
mod dependencies;
mod divergence;
mod documents;
mod numbers;
mod paths;
mod sides;
mod split;
mod values;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

pub use data::{Changed, DatasetDiff, Relabelled, datasets as diff_datasets};
pub use divergence::DivergencePoint;
pub use split::{FoldOf, SplitDiff, SubsetDiff};

use crate::hash::{Hash, Id};
use crate::index::{IndexError, View};
use crate::records::{
    Content, Execution, Kind, Program, Software, Spec, Split, Table, differing_sources, source_files,
};
use crate::registry::{Registry, RegistryError};
use dependencies::{InputDependencies, matters, why_harmless};
use sides::{Side, pairs, sides};

/// Why two objects cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Objects of different kinds.
    #[error("{0} and {1} cannot be compared")]
    Kinds(String, String),
    /// A kind that is not compared.
    #[error("a {0} cannot be compared; runs, predictions, tables, data sets and splits can")]
    Kind(String),
}

impl From<IndexError> for DiffError {
    fn from(e: IndexError) -> Self {
        DiffError::Registry(e.into())
    }
}

/// One of the two objects.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ComparedRecord {
    /// Its id.
    pub id: Hash,
    /// Its kind.
    pub kind: String,
    /// The kind of a record; none for other objects.
    #[serde(skip)]
    pub record: Option<Kind>,
    /// Its name.
    pub name: Option<String>,
    /// A summary in one line.
    pub summary: String,
}

/// A differing value.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Change {
    /// The path or name of the value.
    pub what: String,
    /// The value of the first; null if absent.
    pub a: Value,
    /// The value of the second.
    pub b: Value,
}

impl Change {
    /// A change, if the two differ.
    fn of(what: impl Into<String>, a: impl Serialize, b: impl Serialize) -> Option<Self> {
        let [a, b] = [serde_json::to_value(a), serde_json::to_value(b)].map(Result::unwrap_or_default);
        (a != b).then(|| Change { what: what.into(), a, b })
    }

    /// What changed, in the words of messages: the field `fold` of a spec counts the divisions of any split.
    pub(crate) fn in_words(&self) -> &str {
        if self.what == "fold" { "division" } else { &self.what }
    }
}

/// The differences between two results, data sets or splits.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Difference {
    /// The first.
    pub a: ComparedRecord,
    /// The second.
    pub b: ComparedRecord,
    /// Whether they are equal: the same numbers to the last digit, the same images, the same subsets.
    pub equal: bool,
    /// Why they are equal in spite of differences, or the causes of the difference.
    pub why: Vec<String>,
    /// Where the lineages first diverge; null if they are equal.
    pub first: Option<DivergencePoint>,
    /// The first 1,000 points of divergence.
    pub parts: Vec<DivergencePoint>,
    /// Number of further points; left out if there are none.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_parts: u64,
    /// Data sets that differ.
    pub data: Vec<DatasetDiff>,
    /// Folds that differ.
    pub split: Vec<SplitDiff>,
    /// Folds of only the first, and folds of only the second.
    pub folds: [Vec<FoldOf>; 2],
    /// Settings.
    pub configuration: Vec<Change>,
    /// Programs.
    pub code: Vec<Change>,
    /// Machines.
    pub environment: Vec<Change>,
    /// Numbers.
    pub numbers: Vec<Change>,
}

/// Compares two results of a kind, two data sets or two splits.
pub fn diff(registry: &Registry, view: &View, a: Hash, b: Hash) -> Result<Difference, DiffError> {
    let [a, b] = [side(registry, view, a)?, side(registry, view, b)?];
    if a.kind != b.kind {
        let called = |side: &ComparedRecord| match side.record {
            Some(kind) => kind.descriptor().called.to_owned(),
            None => format!("a {}", side.kind),
        };
        return Err(DiffError::Kinds(called(&a), called(&b)));
    }
    let of: fn(&mut Difference, &Registry, &View) -> Result<(), DiffError> =
        match a.record.map(|kind| kind.descriptor().content) {
            Some(Content::Dataset) => Difference::of_datasets,
            Some(Content::Split) => Difference::of_splits,
            Some(Content::Run | Content::Predictions | Content::Table) => Difference::of_results,
            Some(Content::Study | Content::Withdrawal | Content::Document) | None => {
                return Err(DiffError::Kind(a.kind));
            }
        };
    let (parts, more_parts) = divergence::divergence_points(registry, a.id, b.id)?;
    let mut found = Difference {
        a,
        b,
        equal: true,
        why: Vec::new(),
        first: parts.first().cloned(),
        parts,
        more_parts,
        data: Vec::new(),
        split: Vec::new(),
        folds: Default::default(),
        configuration: Vec::new(),
        code: Vec::new(),
        environment: Vec::new(),
        numbers: Vec::new(),
    };
    if found.a.id == found.b.id {
        found.why.push("both are the same record".to_owned());
        return Ok(found);
    }
    of(&mut found, registry, view)?;
    Ok(found)
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn folds(count: u32) -> String {
    format!("{count} division{}", if count == 1 { "" } else { "s" })
}

/// Folds of one result's sides that the other result does not have.
fn folds_alone<'l>(sides: &[Side], others: impl Iterator<Item = &'l Side>) -> Vec<FoldOf> {
    fn fold(side: &Side) -> Option<FoldOf> {
        Some(FoldOf { split: side.split?.hash, fold: side.fold? })
    }
    let others: BTreeSet<FoldOf> = others.filter_map(fold).collect();
    let alone: BTreeSet<FoldOf> = sides.iter().filter_map(fold).filter(|of| !others.contains(of)).collect();
    alone.into_iter().collect()
}

fn side(registry: &Registry, view: &View, id: Hash) -> Result<ComparedRecord, DiffError> {
    let record = view.kind(&id)?;
    let kind = record.map_or("file that is no record", Kind::name).to_owned();
    let name = view.names_by_id()?.remove(&id);
    let bytes = registry.store().read(&id).map_err(RegistryError::from)?;
    let header = crate::records::Header::read(&bytes).ok();
    let summary = header.map(|header| crate::records::summary(&header)).unwrap_or_default();
    Ok(ComparedRecord { id, kind, record, name, summary })
}

impl Difference {
    fn of_datasets(&mut self, registry: &Registry, _: &View) -> Result<(), DiffError> {
        let found = data::datasets(registry, [Id::new(self.a.id), Id::new(self.b.id)])?;
        self.equal = found.says_the_same();
        if self.equal {
            let what =
                if found.same_metadata { "their records differ" } else { "their metadata files differ" };
            self.why.push(format!("{what}, but both record the same for every image"));
        }
        self.data.push(found);
        Ok(())
    }

    fn of_splits(&mut self, registry: &Registry, _: &View) -> Result<(), DiffError> {
        let ids: [Id<Split>; 2] = [Id::new(self.a.id), Id::new(self.b.id)];
        let records = [registry.get(ids[0])?, registry.get(ids[1])?];
        if records[0].dataset != records[1].dataset {
            self.data.push(data::datasets(registry, [records[0].dataset, records[1].dataset])?);
        }
        self.configuration.extend(Change::of("method", &records[0].method, &records[1].method));
        let counts = [0, 1].map(|side| records[side].folds.len() as u32);
        let [one, other] = counts;
        self.configuration.extend(Change::of("divisions", one, other));
        let shared = one.min(other);
        let beyond =
            |side: usize| (shared..counts[side]).map(|fold| FoldOf { split: ids[side].hash, fold }).collect();
        self.folds = [beyond(0), beyond(1)];
        if one != other {
            self.why.push(format!("a has {}, b has {other}", folds(one)));
        }
        for fold in 0..shared {
            let found = split::folds(registry, [(ids[0], fold), (ids[1], fold)])?;
            self.split.extend((!found.same).then_some(found));
        }
        self.equal = self.split.is_empty() && one == other;
        if self.equal {
            self.why.push("every division has the same images in every subset".to_owned());
        }
        Ok(())
    }

    fn of_results(&mut self, registry: &Registry, view: &View) -> Result<(), DiffError> {
        let left = sides(registry, &self.a)?;
        let right = sides(registry, &self.b)?;
        let (pairs, only_a, only_b) = pairs(left, right);
        let tables = self.tables(registry)?;
        let looks = tables
            .iter()
            .flatten()
            .map(InputDependencies::of)
            .fold(InputDependencies::default(), InputDependencies::and);
        let (mut harmless, mut causes) = (Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        for (a, b) in &pairs {
            let both = [a, b];
            let dependencies =
                both.iter().map(|side| side.dependencies()).fold(looks, InputDependencies::and);
            if seen.insert((a.dataset, b.dataset, a.split, b.split, a.fold, b.fold)) {
                self.inputs(registry, both, dependencies, (&mut harmless, &mut causes))?;
            }
            self.settings(registry, view, both)?;
            self.of_other_things(registry, both, &mut harmless)?;
        }
        if let Some([one, other]) = &tables {
            self.asked(one, other);
        }
        for changes in [&mut self.configuration, &mut self.code, &mut self.environment, &mut self.numbers] {
            let mut seen: Vec<Change> = Vec::new();
            changes.retain(|change| {
                let new = !seen.contains(change);
                seen.push(change.clone());
                new
            });
        }
        self.programs_as_causes(&mut harmless, &mut causes);
        self.folds = [
            folds_alone(&only_a, pairs.iter().map(|(_, b)| b).chain(&only_b)),
            folds_alone(&only_b, pairs.iter().map(|(a, _)| a).chain(&only_a)),
        ];
        let each =
            [("a", &self.folds[0]), ("b", &self.folds[1])].into_iter().filter(|(_, folds)| !folds.is_empty());
        let each: Vec<String> = each
            .map(|(side, folds)| {
                let numbers: Vec<String> = folds.iter().map(|of| of.fold.to_string()).collect();
                let plural = if numbers.len() == 1 { "" } else { "s" };
                format!("only {side} has division{plural} {}", numbers.join(", "))
            })
            .collect();
        if !each.is_empty() {
            causes.push(format!("split: {}", each.join(", ")));
        }
        if !only_a.is_empty() || !only_b.is_empty() {
            let alone =
                [("a", only_a.len()), ("b", only_b.len())].into_iter().filter(|(_, scores)| *scores > 0);
            let alone: Vec<String> = alone.map(|(side, scores)| format!("{scores} only in {side}")).collect();
            causes.push(format!("scores: {}", alone.join(", ")));
        }
        for lines in [&mut harmless, &mut causes] {
            let mut seen = HashSet::new();
            lines.retain(|line| seen.insert(line.clone()));
        }
        let none = None::<String>;
        self.configuration
            .extend(only_a.iter().filter_map(|side| Change::of("part", side.to_string(), &none)));
        self.configuration
            .extend(only_b.iter().filter_map(|side| Change::of("part", &none, side.to_string())));
        let found = numbers::numbers(registry, view, &self.a, &self.b)?;
        self.numbers.extend(found.changes);
        self.equal = self.numbers.is_empty();
        if self.equal {
            if !found.looks.is_empty() {
                self.part_in_order_alone();
            }
            let digits = if found.rounding > 0.0 {
                format!("except for {:.0e}, the rounding of sums in a different order", found.rounding)
            } else {
                "to the last digit".to_owned()
            };
            self.why.extend(found.looks);
            self.why.push(format!("the numbers are equal {digits}"));
            self.why.extend(harmless.iter().map(|why| format!("no effect: {why}")));
            self.why.extend(causes.iter().map(|why| format!("possible cause without effect: {why}")));
        } else {
            self.why.extend(found.looks);
            self.why.extend(causes.iter().map(|why| format!("possible cause: {why}")));
            self.why.extend(harmless.iter().map(|why| format!("no effect: {why}")));
            if causes.is_empty() {
                self.why.push(
                    "no input with an effect differs: the computation was not bit-identical".to_owned(),
                );
            }
        }
        Ok(())
    }

    /// Results about different images or models are not equal, whatever their numbers are.
    fn of_other_things(
        &mut self,
        registry: &Registry,
        [a, b]: [&Side; 2],
        harmless: &mut Vec<String>,
    ) -> Result<(), RegistryError> {
        if let (Some(one), Some(other)) = (a.predictions, b.predictions)
            && one != other
        {
            self.numbers.extend(numbers::images(registry, [one, other])?);
        }
        if let (Some(one), Some(other)) = (&a.model, &b.model)
            && one != other
        {
            match a.scores.is_some() && a.scores == b.scores {
                true => harmless.push(format!("the same scores belong to {one} in a and to {other} in b")),
                false => self.numbers.extend(Change::of("model", one, other)),
            }
        }
        // A table of counts has no scores and is about all images of its data set.
        if let Some(found) = self.data.first().filter(|_| a.model.is_none() && b.model.is_none()) {
            let only = [found.removed.len(), found.added.len()].map(Value::from);
            if only != [0, 0].map(Value::from) {
                let [a, b] = only;
                self.numbers.push(Change { what: "images counted on one side only".to_owned(), a, b });
            }
        }
        Ok(())
    }

    /// Adds settings, code and machine to the differences that can, or cannot, matter.
    fn programs_as_causes(&self, harmless: &mut Vec<String>, causes: &mut Vec<String>) {
        let told = |changes: &[&Change]| {
            let each: BTreeSet<&str> = changes.iter().map(|change| change.in_words()).collect();
            each.into_iter().collect::<Vec<_>>().join(", ")
        };
        let (sums, machine): (Vec<&Change>, Vec<&Change>) =
            self.environment.iter().partition(|change| matches!(change.what.as_str(), "threads" | "device"));
        for (what, changes) in [("settings", &self.configuration), ("code", &self.code)] {
            if !changes.is_empty() {
                causes.push(format!("{what}: {}", told(&changes.iter().collect::<Vec<_>>())));
            }
        }
        if !sums.is_empty() {
            causes.push(format!("{}: sums are in a different order", told(&sums)));
        }
        if !machine.is_empty() {
            harmless.push("the machine is recorded with a result but is not an input".to_owned());
        }
    }

    /// Both, if they are tables.
    fn tables(&self, registry: &Registry) -> Result<Option<[Table; 2]>, RegistryError> {
        if self.a.record != Some(Kind::Table) {
            return Ok(None);
        }
        Ok(Some([registry.get(Id::new(self.a.id))?, registry.get(Id::new(self.b.id))?]))
    }

    /// The options of two tables, and the versions of their rules.
    fn asked(&mut self, a: &Table, b: &Table) {
        if values::kind(a) == values::kind(b) {
            let each = values::asked(a).into_iter().zip(values::asked(b));
            self.configuration
                .extend(each.filter_map(|((what, one), (_, other))| Change::of(what, one, other)));
        } else {
            self.configuration.extend(Change::of("kind of table", values::kind(a), values::kind(b)));
        }
        self.code.extend(Change::of("rules of the table", a.rules().0, b.rules().0));
    }

    /// Removes the order of models and labels from the differing fields of two tables.
    fn part_in_order_alone(&mut self) {
        for divergence in
            self.parts.iter_mut().chain(&mut self.first).filter(|divergence| divergence.path.is_empty())
        {
            divergence.fields = vec!["/models".to_owned()];
        }
    }

    /// Compares data and split of a pair, and decides whether the differences can matter.
    fn inputs(
        &mut self,
        registry: &Registry,
        [a, b]: [&Side; 2],
        dependencies: InputDependencies,
        (harmless, causes): (&mut Vec<String>, &mut Vec<String>),
    ) -> Result<(), DiffError> {
        let folds = match (a.split.zip(a.fold), b.split.zip(b.fold)) {
            (Some(one), Some(other)) if one != other => Some(split::folds(registry, [one, other])?),
            _ => None,
        };
        if a.dataset != b.dataset {
            let found = data::datasets(registry, [a.dataset, b.dataset])?;
            let used = match (a.split.zip(a.fold), b.split.zip(b.fold)) {
                (Some(one), Some(other)) => Some(split::members(registry, [one, other])?),
                _ => None,
            };
            let matters = matters(&found, used.as_ref(), dependencies);
            // A random split depends on all patients and images.
            let drawn = folds.as_ref().is_some_and(|folds| !folds.same);
            match (matters.is_empty(), drawn) {
                (true, true) => causes.push("data: the images from which the split was drawn".to_owned()),
                (true, false) => harmless.push(why_harmless(&found)),
                _ => causes.extend(matters),
            }
            if !found.same_boxes {
                match dependencies.boxes {
                    true => causes.push("data: annotated boxes".to_owned()),
                    false => harmless.push("annotated boxes do not affect scores".to_owned()),
                }
            }
            // For several folds of the same two data sets, once.
            if self.data.iter().all(|known| known.datasets != found.datasets) {
                self.data.push(found);
            }
        }
        if let Some(found) = folds {
            match found.same {
                true => harmless.push("the divisions have the same images in every subset".to_owned()),
                false => causes.push(format!("split: {found}")),
            }
            self.split.push(found);
        }
        Ok(())
    }

    fn settings(&mut self, registry: &Registry, view: &View, [a, b]: [&Side; 2]) -> Result<(), DiffError> {
        if let (Some(one), Some(other)) = (&a.spec, &b.spec) {
            let document = |spec| serde_json::to_value(spec).unwrap_or_default();
            let (one, other) = (document(one), document(other));
            let mut fields = Vec::new();
            documents::compare("", &one, &other, &mut fields);
            for at in fields {
                let what = at.trim_start_matches('/').replace('/', ".");
                let change = Change::of(what.as_str(), one.pointer(&at), other.pointer(&at));
                match what.as_str() {
                    "threads" | "device" => self.environment.extend(change),
                    _ if what.starts_with("numerics.") => self.code.extend(change),
                    _ => self.configuration.extend(change),
                }
            }
        }
        let program = |side: &Side| side.spec.as_ref().and_then(Spec::program).cloned();
        if let (Some(one), Some(other)) = (program(a), program(b)) {
            self.of_programs(&one, &other);
        }
        self.configuration.extend(Change::of("subset", a.subset, b.subset));
        self.configuration.extend(Change::of("imported file", a.source, b.source));
        // Only the bytes count.
        let weights = |side: &Side| -> Result<Option<Hash>, RegistryError> {
            let weights = side.spec.as_ref().and_then(Spec::weights);
            weights.map(|id| Ok(registry.get(id)?.file.object.hash)).transpose()
        };
        self.configuration.extend(Change::of("weights", weights(a)?, weights(b)?));
        // The program of imported scores is unknown, and reg does not compute with the user's own.
        if a.computed.is_empty() != b.computed.is_empty() {
            let numerics = |side: &Side| side.computed.first().map(|of| of.numerics.clone());
            let threads = |side: &Side| side.computed.first().map(|of| of.threads);
            let device = |side: &Side| side.computed.first().map(|of| of.device);
            self.configuration.extend(Change::of("run", a.run, b.run));
            self.code.extend(Change::of("numerics", numerics(a), numerics(b)));
            self.environment.extend(Change::of("threads", threads(a), threads(b)));
            self.environment.extend(Change::of("device", device(a), device(b)));
        }
        for (one, other) in a.computed.iter().zip(&b.computed) {
            self.environment.extend(Change::of("threads", one.threads, other.threads));
            self.environment.extend(Change::of("device", one.device, other.device));
            let (then, now) = (&one.numerics, &other.numerics);
            self.code.extend(Change::of("numerics.version", then.version, now.version));
            self.code.extend(Change::of("numerics.libtorch", &then.libtorch, &now.libtorch));
            self.code.extend(Change::of("numerics.target", &then.target, &now.target));
        }
        for (one, other) in a.made.iter().zip(&b.made) {
            let [one, other] = [execution(registry, view, *one)?, execution(registry, view, *other)?];
            if let (Some(one), Some(other)) = (one, other)
                && let (Some(one), Some(other)) = (one.software, other.software)
                && one != other
            {
                self.programs(registry, [one, other])?;
            }
        }
        let [one, other] = [a, b].map(|side| side.run.map(|run| execution(registry, view, run.hash)));
        if let (Some(Some(one)), Some(Some(other))) = (one.transpose()?, other.transpose()?) {
            self.code.extend(Change::of("git", &one.git, &other.git));
            self.code.extend(Change::of("reg", &one.reg, &other.reg));
            for change in [
                Change::of("host", &one.host, &other.host),
                Change::of("processor", &one.cpu, &other.cpu),
                Change::of("gpu", &one.gpu, &other.gpu),
                Change::of("cores", one.cores, other.cores),
                Change::of("vector instructions", &one.cpu_capability, &other.cpu_capability),
                Change::of("deterministic", one.deterministic, other.deterministic),
            ] {
                self.environment.extend(change);
            }
        }
        Ok(())
    }

    /// The files and inputs of two programs of the user's own, by their bytes.
    fn of_programs(&mut self, a: &Program, b: &Program) {
        let files = |of: &Program| -> BTreeMap<String, Hash> {
            of.files.iter().map(|file| (file.path.clone(), file.object.hash)).collect()
        };
        let inputs = |of: &Program| -> BTreeMap<String, Hash> {
            of.inputs.iter().map(|input| (format!("input {}", input.name), input.object.hash)).collect()
        };
        for (changes, [one, other]) in
            [(&mut self.code, [a, b].map(files)), (&mut self.configuration, [a, b].map(inputs))]
        {
            let all: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            changes.extend(
                all.into_iter().filter_map(|path| Change::of(path.clone(), one.get(path), other.get(path))),
            );
        }
    }

    fn programs(&mut self, registry: &Registry, ids: [Id<Software>; 2]) -> Result<(), DiffError> {
        let [a, b] = [registry.get(ids[0])?, registry.get(ids[1])?];
        self.code.extend(Change::of("reg-torch", &a.worker, &b.worker));
        self.code.extend(Change::of("tch", &a.tch, &b.tch));
        let crates: BTreeSet<&String> = a.crates.keys().chain(b.crates.keys()).collect();
        for name in crates {
            let what = format!("crate {name}");
            self.code.extend(Change::of(what, a.crates.get(name), b.crates.get(name)));
        }
        if a.sources != b.sources {
            let list = |id: Hash| -> Result<String, RegistryError> {
                Ok(String::from_utf8_lossy(&registry.store().read(&id)?).into_owned())
            };
            let [one, other] = [list(a.sources.hash)?, list(b.sources.hash)?];
            let [then, now] = [source_files(&one), source_files(&other)];
            for path in differing_sources(&one, &other) {
                let [a, b] = [&then, &now].map(|files| files.get(path.as_str()));
                self.code.extend(Change::of(path.clone(), a, b));
            }
        }
        Ok(())
    }
}

/// The first execution of a result.
fn execution(registry: &Registry, view: &View, made: Hash) -> Result<Option<Execution>, RegistryError> {
    Ok(registry.referring::<Execution>(view, &made)?.into_iter().next().map(|(_, execution)| execution))
}
