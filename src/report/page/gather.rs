//! Collects the content of a report from the registry.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use super::PageError;
use super::lineage::near;
use crate::compare::{
    CompareOptions, Input, PrecisionRecallCurve, RocCurve, compare, precision_recall_curves, roc_curves,
};
use crate::dataset::statistics::Statistics;
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::lineage::{Direction, Graph};
use crate::recompute::verify_record;
use crate::records::{
    Comparison, Content, Dataset, Execution, Heatmap, Kind, Pointing, Predictions, ProbeTable, RecordedEpoch,
    Run, Spec, Split, Study, Table,
};
use crate::registry::{Registry, RegistryError, Stamp};
use crate::study::{self, StudyRunStatus, compare_sections, recorded_sections, status};

/// The request for a report.
#[derive(Debug, Clone)]
pub struct ReportRequest {
    /// Names or ids, or files of studies, in order.
    pub ids: Vec<OsString>,
    /// Options for comparing runs and predictions that no table contains yet.
    pub options: CompareOptions,
    /// Title; default: made from the comparisons.
    pub title: Option<String>,
}

/// One comparison.
pub(super) struct ReportSection {
    pub(super) title: String,
    pub(super) id: Id<Table>,
    pub(super) comparison: Comparison,
    pub(super) curves: Vec<RocCurve>,
    pub(super) precision: Vec<PrecisionRecallCurve>,
    /// Setups that should be in it but are missing.
    pub(super) left_out: Vec<String>,
}

/// A run, with its execution.
pub(super) struct ReportedRun {
    pub(super) id: Id<Run>,
    pub(super) name: String,
    pub(super) run: Run,
    pub(super) spec: Spec,
    pub(super) epochs: Vec<RecordedEpoch>,
    /// The newest execution; `None` if there is no record of it.
    pub(super) execution: Option<Execution>,
}

/// A data set with its counts.
pub(super) struct Counted {
    pub(super) id: Id<Dataset>,
    pub(super) name: String,
    pub(super) dataset: Dataset,
    pub(super) statistics: Statistics,
}

/// A study with the state of its runs.
pub(super) struct StudyProgress {
    pub(super) id: Hash,
    pub(super) study: Study,
    pub(super) runs: Vec<StudyRunStatus>,
}

/// The content of a report.
#[derive(Default)]
pub(super) struct Material {
    pub(super) studies: Vec<StudyProgress>,
    pub(super) datasets: Vec<Counted>,
    pub(super) splits: Vec<(Id<Split>, String, Split)>,
    pub(super) sections: Vec<ReportSection>,
    pub(super) runs: Vec<ReportedRun>,
    /// With the name of the probed networks: a study's setup, or a model and the name of the table.
    pub(super) probes: Vec<(Hash, String, ProbeTable)>,
    pub(super) pointings: Vec<(Hash, Pointing)>,
    pub(super) heatmaps: Vec<(Hash, Heatmap)>,
    /// Lineages of all of these, one per root.
    pub(super) graphs: Vec<Graph>,
    /// What people wrote about them: name, time and text.
    pub(super) notes: Vec<[String; 3]>,
}

/// Collects the requested records. Runs and predictions are compared and the comparison is recorded, as by `reg
/// compare`; nothing else is written. Without a `stamp` nothing may be written, and only recorded results are
/// read.
pub(super) fn gather(
    registry: &Registry,
    request: &ReportRequest,
    stamp: Option<&Stamp>,
) -> Result<Material, PageError> {
    let mut material = Material::default();
    let mut inputs = Vec::new();
    let mut studies = Vec::new();
    let view = registry.view()?;
    for argument in &request.ids {
        // A name is ASCII, so what is lost here is no name.
        let text = &*argument.to_string_lossy();
        let id = match registry.resolve(&view, text) {
            // A study's file stands for the study that was run from it.
            Err(e @ (RegistryError::Unknown { .. } | RegistryError::Removed { .. })) => {
                let found = study::of_file(registry, &view, Path::new(argument))?;
                let never = || study::never_run(argument).map_or(PageError::from(e), PageError::from);
                found.map(|(id, _)| id.hash).ok_or_else(never)?
            }
            found => found?,
        };
        let not_reported = |kind: Option<Kind>| PageError::NotReported {
            text: text.to_owned(),
            kind: kind.map_or("file that is no record", Kind::name).to_owned(),
        };
        let kind = view.kind(&id)?;
        let Some(record) = kind else { return Err(not_reported(kind)) };
        if stamp.is_some() {
            match verify_record(registry, id, record) {
                Err(e) if e.is_older_rules() => {}
                held => held?,
            }
        }
        match record.descriptor().content {
            Content::Run | Content::Predictions => inputs.push(Input::resolve(registry, &view, text)?),
            Content::Study => studies.push(id),
            Content::Dataset => material.add_dataset(registry, &view, Id::new(id))?,
            Content::Table => match registry.get::<Table>(Id::new(id))? {
                Table::Auc(auc) => {
                    inputs.push(Input::resolve(registry, &view, &auc.predictions.to_string())?)
                }
                Table::Dataset(table) => material.add_dataset(registry, &view, table.dataset)?,
                Table::Comparison(comparison) => {
                    let name = view.names_by_id()?.remove(&id);
                    material.add_section(registry, name, Id::new(id), *comparison, Vec::new())?;
                }
                Table::Probe(probe) => material.probes.push((id, String::new(), *probe)),
                Table::Heatmap(heatmap) => material.heatmaps.push((id, *heatmap)),
                Table::Pointing(pointing) => material.pointings.push((id, *pointing)),
            },
            Content::Split | Content::Withdrawal | Content::Document => return Err(not_reported(kind)),
        }
    }
    // A comparison writes, and no view may be open during that.
    drop(view);
    if let (None, Some(text)) = (stamp, request.ids.first())
        && !inputs.is_empty()
    {
        return Err(PageError::NotCompared(text.to_string_lossy().into_owned()));
    }
    if let Some(stamp) = stamp.filter(|_| !inputs.is_empty()) {
        let (id, comparison) = compare(registry, inputs, &request.options, None, stamp)?;
        material.add_section(registry, None, id, comparison, Vec::new())?;
    }
    for id in studies {
        let study = registry.get::<Study>(Id::new(id))?;
        let status = status(registry, &study)?;
        let sections = match stamp {
            Some(stamp) => compare_sections(registry, &study, &status, &request.options, false, stamp)?,
            None => recorded_sections(registry, &registry.view()?, &study, &status)?,
        };
        for done in sections {
            let study::ComparedSection { section, table, comparison, left_out, .. } = done;
            material.add_section(registry, Some(section.title), table, comparison, left_out)?;
        }
        material.studies.push(StudyProgress { id, study, runs: status });
    }
    let view = registry.view()?;
    material.add_runs(registry, &view)?;
    material.add_lineages(registry, &view)?;
    material.add_notes(registry, &view)?;
    Ok(material)
}

impl Material {
    fn add_section(
        &mut self,
        registry: &Registry,
        title: Option<String>,
        id: Id<Table>,
        comparison: Comparison,
        left_out: Vec<String>,
    ) -> Result<(), PageError> {
        if self.sections.iter().any(|section| section.id == id) {
            return Ok(());
        }
        let curves = roc_curves(registry, &comparison)?;
        let precision = match comparison.metrics.is_empty() {
            true => Vec::new(),
            false => precision_recall_curves(registry, &comparison)?,
        };
        let models: Vec<&str> = comparison.models.iter().map(|model| model.name.as_str()).collect();
        let title = title.unwrap_or_else(|| models.join(", "));
        self.sections.push(ReportSection { title, id, comparison, curves, precision, left_out });
        Ok(())
    }

    fn add_dataset(&mut self, registry: &Registry, view: &View, id: Id<Dataset>) -> Result<(), PageError> {
        if self.datasets.iter().any(|known| known.id == id) {
            return Ok(());
        }
        let dataset = registry.get(id)?;
        let manifest = registry.manifest(&dataset)?;
        let statistics = Statistics::of(&dataset, manifest.rows.iter());
        let name = named(view, &id.hash)?;
        self.datasets.push(Counted { id, name, dataset, statistics });
        Ok(())
    }

    fn add_split(&mut self, registry: &Registry, view: &View, id: Id<Split>) -> Result<(), PageError> {
        if !self.splits.iter().any(|(known, ..)| *known == id) {
            self.splits.push((id, named(view, &id.hash)?, registry.get(id)?));
        }
        Ok(())
    }

    /// Adds the runs of the sections, with their data sets, splits and heat maps.
    fn add_runs(&mut self, registry: &Registry, view: &View) -> Result<(), PageError> {
        let predictions: Vec<Id<Predictions>> = self
            .sections
            .iter()
            .flat_map(|section| &section.comparison.models)
            .flat_map(|model| model.predictions.iter().copied())
            .collect();
        let mut runs = Vec::new();
        for id in predictions {
            let predictions: Predictions = registry.get(id)?;
            self.add_dataset(registry, view, predictions.dataset)?;
            if let Some(split) = predictions.split {
                self.add_split(registry, view, split)?;
            }
            runs.extend(predictions.source.run());
        }
        runs.extend(self.heatmaps.iter().map(|(_, heatmap)| heatmap.run));
        runs.extend(self.pointings.iter().map(|(_, pointing)| pointing.run));
        for id in runs {
            if self.runs.iter().any(|known| known.id == id) {
                continue;
            }
            let trained = trained(registry, view, id)?;
            self.add_dataset(registry, view, trained.spec.dataset())?;
            self.add_split(registry, view, trained.spec.split())?;
            self.runs.push(trained);
            for (table, recorded) in registry.referring::<Table>(view, &id.hash)? {
                match recorded {
                    Table::Heatmap(heatmap)
                        if self.heatmaps.iter().all(|(known, _)| *known != table.hash) =>
                    {
                        self.heatmaps.push((table.hash, *heatmap));
                    }
                    Table::Pointing(game) if self.pointings.iter().all(|(known, _)| *known != table.hash) => {
                        self.pointings.push((table.hash, *game));
                    }
                    Table::Probe(probe) if self.probes.iter().all(|(known, ..)| *known != table.hash) => {
                        self.probes.push((table.hash, String::new(), *probe));
                    }
                    // What is shown already, and what sections have.
                    Table::Heatmap(_) | Table::Pointing(_) | Table::Probe(_) => {}
                    Table::Auc(_) | Table::Dataset(_) | Table::Comparison(_) => {}
                }
            }
        }
        // Independent of the order in which they were computed.
        self.heatmaps.sort_by(|(a, heatmap_a), (b, heatmap_b)| {
            (&heatmap_a.label, &heatmap_a.image, a).cmp(&(&heatmap_b.label, &heatmap_b.image, b))
        });
        self.pointings.sort_by_key(|(id, _)| *id);
        self.name_probes(view)?;
        Ok(())
    }

    /// Names the networks of each probe, and removes probes of single folds that a probe over folds includes.
    fn name_probes(&mut self, view: &View) -> Result<(), PageError> {
        let names = view.names_by_id()?;
        let planned = self.studies.iter().flat_map(|of| &of.study.probes);
        let setups: BTreeMap<&str, &str> =
            planned.map(|probe| (probe.name.as_str(), probe.setup.as_str())).collect();
        let covers = |a: &ProbeTable, b: &ProbeTable| {
            let has = |run| a.folds.iter().any(|fold| fold.run == run);
            a.target == b.target && a.folds.len() > b.folds.len() && b.folds.iter().all(|fold| has(fold.run))
        };
        let all = std::mem::take(&mut self.probes);
        for (id, _, probe) in &all {
            if all.iter().any(|(_, _, other)| covers(other, probe)) {
                continue;
            }
            let of = match names.get(id).map(String::as_str) {
                Some(name) => match setups.get(name) {
                    Some(setup) => (*setup).to_owned(),
                    None => format!("{} ({name})", probe.model),
                },
                None => probe.model.clone(),
            };
            self.probes.push((*id, of, probe.clone()));
        }
        self.probes.sort_by(|(a, of_a, probe_a), (b, of_b, probe_b)| {
            (of_a, probe_a.target.name(), a).cmp(&(of_b, probe_b.target.name(), b))
        });
        Ok(())
    }

    /// Adds the newest notes about studies, data sets, splits, tables and runs.
    fn add_notes(&mut self, registry: &Registry, view: &View) -> Result<(), PageError> {
        let studies = self.studies.iter().map(|of| (of.id, of.study.name.clone()));
        let datasets = self.datasets.iter().map(|of| (of.id.hash, of.name.clone()));
        let splits = self.splits.iter().map(|(id, name, _)| (id.hash, name.clone()));
        let sections = self.sections.iter().map(|of| (of.id.hash, of.title.clone()));
        let runs = self.runs.iter().map(|of| (of.id.hash, of.name.clone()));
        let mut notes = Vec::new();
        for (id, name) in studies.chain(datasets).chain(splits).chain(sections).chain(runs) {
            if let Some((_, note)) = registry.note(view, &id)? {
                notes.push([name, note.time, note.text]);
            }
        }
        self.notes = notes;
        Ok(())
    }

    fn add_lineages(&mut self, registry: &Registry, view: &View) -> Result<(), PageError> {
        let of_sections = self.sections.iter().map(|section| section.id.hash);
        let others = self.probes.iter().map(|(id, ..)| *id).chain(self.pointings.iter().map(|(id, _)| *id));
        let heatmaps = self.heatmaps.iter().map(|(id, _)| *id);
        let roots: Vec<Hash> = of_sections.chain(others).chain(heatmaps).collect();
        let studies = self.studies.iter().map(|of| of.id);
        let datasets = self.datasets.iter().map(|counted| counted.id.hash);
        for root in roots.into_iter().chain(studies).chain(datasets) {
            // A data set is only a root if it is not part of another lineage.
            let known = self.graphs.iter().any(|graph| graph.node(&root).is_some());
            if !known {
                self.graphs.push(near(registry, view, root, Direction::Up)?);
            }
        }
        Ok(())
    }

    /// The run of some predictions.
    pub(super) fn run_of(
        &self,
        registry: &Registry,
        id: Id<Predictions>,
    ) -> Result<Option<&ReportedRun>, PageError> {
        let predictions: Predictions = registry.get(id)?;
        let run = predictions.source.run();
        Ok(run.and_then(|run| self.runs.iter().find(|known| known.id == run)))
    }
}

fn trained(registry: &Registry, view: &View, id: Id<Run>) -> Result<ReportedRun, PageError> {
    let run = registry.get(id)?;
    let spec = registry.get(run.spec)?;
    let epochs = registry.epochs(&run)?;
    let mut executions: BTreeMap<String, Execution> = BTreeMap::new();
    for (_, execution) in registry.referring::<Execution>(view, &id.hash)? {
        executions.insert(execution.started.clone(), execution);
    }
    let execution = executions.into_values().next_back();
    Ok(ReportedRun { id, name: named(view, &id.hash)?, run, spec, epochs, execution })
}

/// The name of an object, or its short id.
fn named(view: &View, id: &Hash) -> Result<String, PageError> {
    Ok(view.names_by_id()?.remove(id).unwrap_or_else(|| id.short()))
}
