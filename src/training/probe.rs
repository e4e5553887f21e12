//! Linear probes of a run's frozen features, for view position, gender or age, over the folds.

use std::path::Path;

use super::evaluate::{numbers, read_columns};
use super::inputs::{ExecutionStart, TrainInputs, TrainedNetwork, execution};
use super::process::Listener;
use super::software::{OtherSources, put_software};
use super::{Device, RunContext, RunError};
use crate::hash::Id;
use crate::records::{
    Assignment, Computed, Execution, Manifest, NetworkSpec, ProbeResult, ProbeTable, ProbedFold, Run, Scores,
    Spec, Subset, Table, Target, different_network_settings, rules,
};
use crate::registry::Registry;
use crate::scores::spread;
use crate::stats;
use crate::withdrawal::refuse;
use crate::worker::{Job, PROTOCOL, Work, files};

/// A recorded table of probes.
#[derive(Debug, Clone)]
pub struct Probed {
    /// The table.
    pub table: Id<Table>,
    /// Its content.
    pub probe: ProbeTable,
    /// The other sources of the same numerics that fitted existing predictors, if there are any.
    pub other_sources: Option<OtherSources>,
}

/// Trains a predictor on the features of each run, with the run's split and fold, and evaluates it on the test
/// images.
///
/// The runs are folds of one model. Predictors that were fitted with the same numerics are taken from the
/// registry.
pub fn probe(
    run_context: RunContext,
    runs: &[Id<Run>],
    target: Target,
    device: Option<Device>,
    name: Option<&str>,
    listener: &mut dyn Listener,
) -> Result<Probed, RunError> {
    let RunContext { registry, worker, environment, .. } = run_context;
    let mut asked = runs
        .iter()
        .map(|id| Ok((*id, TrainedNetwork::of(registry, *id)?)))
        .collect::<Result<Vec<_>, RunError>>()?;
    asked.sort_by_key(|(_, network)| network.spec.fold);
    let first = &asked.first().ok_or(RunError::Nothing)?.1.spec;
    belong_together(&asked)?;
    if first.model.architecture.image().is_none() {
        return Err(RunError::SeesNoImage(first.model.name.clone()));
    }
    let context = TrainInputs::load(registry, first)?;
    let manifest = registry.manifest(&context.dataset)?;
    let assignment = registry.assignment(&context.split)?;

    let mut folds = Vec::new();
    let mut executions = Vec::new();
    let mut other_sources = Vec::new();
    for (id, network) in &asked {
        let spec = &network.spec;
        let whole = &Spec::Network(spec.clone());
        let device = device.clone().unwrap_or_else(|| Device::of(spec.device));
        let numerics = worker.identity().numerics();
        let computed = Computed { device: device.kind, threads: spec.threads, numerics };
        let members = [
            registry.members(whole, Subset::Train)?,
            registry.members(whole, Subset::Val)?,
            registry.members(whole, Subset::Test)?,
        ];
        let known = members.each_ref().map(|rows| truth(&manifest, rows, target));
        check_classes(&known, target, spec.fold)?;
        let images = known.each_ref().map(|part| part.len() as u64);
        let unknown = members.iter().map(Vec::len).sum::<usize>() as u64 - images.iter().sum::<u64>();
        if let Some((table, fold)) = fitted(registry, *id, target, &computed)? {
            let view = registry.view()?;
            other_sources.extend(OtherSources::of(registry, &view, &table.hash, worker.identity())?);
            let known = registry.referring::<Execution>(&view, &table.hash)?;
            executions.extend(known.into_iter().map(|(_, execution)| execution));
            folds.push(fold);
            continue;
        }
        refuse(run_context.policy(), whole, &context.dataset, None)?;
        let start = ExecutionStart::now(environment);
        let out = registry.store().scratch()?;
        let job = job(registry, &context, network, target, &device, out.path());
        let worked = worker.run(&job, listener)?;
        let read = |name| read_columns(out.dir(), name, manifest.rows.len());
        let [validation, test] = [read(files::VALIDATION)?, read(files::SCORES)?];
        let mut transaction = registry.transaction()?;
        let software = put_software(&mut transaction, worker.identity())?;
        let fold = ProbedFold {
            fold: spec.fold,
            run: *id,
            images,
            unknown,
            penalty: worked.outcome.penalty.unwrap_or(f64::NAN),
            validation: transaction.put_packed(&validation)?,
            test: transaction.put_packed(&test)?,
            computed,
        };
        // Each fold is also recorded separately, so that it need not be fitted again after an interruption.
        let alone =
            probe_table(first, target, &manifest, &assignment, vec![(fold.clone(), [validation, test])]);
        let alone = transaction.put(&Table::Probe(Box::new(alone)))?;
        let execution = execution(alone.hash, (worker, software), &worked, &start, environment);
        transaction.put(&execution)?;
        transaction.commit(&environment.stamp)?;
        executions.push(execution);
        folds.push(fold);
    }
    let with_scores = |fold: ProbedFold| -> Result<_, RunError> {
        let of = |id| registry.probe_scores(id, &context.dataset);
        let scores = [of(fold.validation)?, of(fold.test)?];
        Ok((fold, scores))
    };
    let folds = folds.into_iter().map(with_scores).collect::<Result<_, _>>()?;
    let table = probe_table(first, target, &manifest, &assignment, folds);
    let mut transaction = registry.transaction()?;
    let id = transaction.put(&Table::Probe(Box::new(table.clone())))?;
    // The combined table was computed by the executions that fitted its folds, so it is linked to them.
    for execution in executions {
        transaction.put(&Execution { made: id.hash, ..execution })?;
    }
    if let Some(name) = name {
        transaction.name(name, id.hash)?;
    }
    transaction.commit(&environment.stamp)?;
    Ok(Probed { table: id, probe: table, other_sources: OtherSources::together(other_sources) })
}

/// Refuses runs that are not different folds of one model on one split, trained with the same settings.
fn belong_together(asked: &[(Id<Run>, TrainedNetwork)]) -> Result<(), RunError> {
    for pair in asked.windows(2) {
        let [(a, TrainedNetwork { spec: one, .. }), (b, TrainedNetwork { spec: other, .. })] = pair else {
            continue;
        };
        let (a, b) = (a.hash.short(), b.hash.short());
        if (&one.model, one.split) != (&other.model, other.split) {
            let [one, other] =
                [one, other].map(|spec| format!("{} on split {}", spec.model.name, spec.split.hash.short()));
            return Err(RunError::NotOneModel { a, one, b, other });
        }
        if one.fold == other.fold {
            let (model, fold) = (one.model.name.clone(), one.fold);
            return Err(RunError::NotOneFold { a, b, model, fold });
        }
        if let Some((what, one, other)) = different_network_settings(one, other) {
            let [one, other] = [one, other].map(|value| format!("of {what} {value}"));
            return Err(RunError::NotOneModel { a, one, b, other });
        }
    }
    Ok(())
}

/// The targets of those rows whose target is known.
fn truth(manifest: &Manifest, rows: &[u32], target: Target) -> Vec<f64> {
    rows.iter().filter_map(|row| target.of(&manifest.rows[*row as usize])).collect()
}

/// Refuses targets that cannot be predicted or evaluated.
fn check_classes(parts: &[Vec<f64>; 3], target: Target, fold: u32) -> Result<(), RunError> {
    for (subset, truth) in [Subset::Train, Subset::Val, Subset::Test].into_iter().zip(parts) {
        let differ = truth.iter().any(|value| *value != truth[0]);
        if truth.is_empty() || subset == Subset::Train && !differ {
            return Err(RunError::NothingToProbe { target: target.name(), subset: subset.name(), fold });
        }
    }
    Ok(())
}

/// The recorded predictor of a run, and the table for it alone; tables made by other rules count too, because
/// only the evaluation depends on the rules.
fn fitted(
    registry: &Registry,
    run: Id<Run>,
    target: Target,
    computed: &Computed,
) -> Result<Option<(Id<Table>, ProbedFold)>, RunError> {
    let view = registry.view()?;
    let tables = registry.referring::<Table>(&view, &run.hash)?.into_iter();
    let probes = tables.filter_map(|(id, table)| match table {
        Table::Probe(probe) if probe.target == target => Some((id, probe)),
        _ => None,
    });
    let mut found = None;
    for (id, probe) in probes {
        let is_alone = probe.folds.len() == 1;
        let wanted = |fold: &ProbedFold| fold.run == run && fold.computed == *computed;
        if let Some(fold) = probe.folds.into_iter().find(wanted) {
            if is_alone {
                return Ok(Some((id, fold)));
            }
            found.get_or_insert((id, fold));
        }
    }
    Ok(found)
}

fn job(
    registry: &Registry,
    context: &TrainInputs,
    TrainedNetwork { spec, checkpoint }: &TrainedNetwork,
    target: Target,
    device: &Device,
    out: &Path,
) -> Job {
    Job {
        protocol: PROTOCOL,
        objects: registry.store().objects().to_owned(),
        out: out.to_owned(),
        cache: Some(registry.cache()),
        device: device.name.clone(),
        threads: spec.threads,
        labels: context.dataset.labels.len() as u32,
        age: context.dataset.age,
        work: Work::Probe {
            model: spec.model.clone(),
            checkpoint: *checkpoint,
            numbers: numbers(spec, device.kind),
            manifest: context.dataset.manifest,
            assignment: context.split.assignment,
            fold: spec.fold,
            target,
        },
    }
}

/// Evaluates the predictions for the validation and the test images.
fn probe_table(
    spec: &NetworkSpec,
    target: Target,
    manifest: &Manifest,
    assignment: &Assignment,
    folds: Vec<(ProbedFold, [Scores; 2])>,
) -> ProbeTable {
    let over = |of: &dyn Fn(&ProbedFold, &[Scores; 2]) -> Option<f64>| {
        spread(folds.iter().map(|(fold, scores)| of(fold, scores)).collect())
    };
    let values = |scores: &Scores| truth(manifest, &scores.rows, target);
    let result = match target {
        Target::Age => {
            let errors = |said: &Scores| -> Vec<Option<f64>> {
                said.scores.iter().zip(values(said)).map(|(said, truth)| Some((said - truth).abs())).collect()
            };
            let baseline = |fold: &ProbedFold, test: &Scores| {
                let training = truth(manifest, &assignment.rows(fold.fold as usize, Subset::Train), target);
                let mean = stats::summarize(&training.into_iter().map(Some).collect::<Vec<_>>()).mean?;
                let errors = values(test).into_iter().map(|truth| Some((truth - mean).abs()));
                stats::summarize(&errors.collect::<Vec<_>>()).mean
            };
            ProbeResult::Years {
                mae: over(&|_, [_, test]| stats::summarize(&errors(test)).mean),
                deviation: over(&|_, [_, test]| stats::summarize(&errors(test)).std),
                baseline: over(&|fold, [_, test]| baseline(fold, test)),
            }
        }
        Target::View | Target::Gender => {
            let classes =
                |scores: &Scores| values(scores).into_iter().map(|value| value == 1.0).collect::<Vec<_>>();
            let chosen = |on: &Scores| stats::youden(&on.scores, &classes(on)).map(|best| best.threshold);
            let at = |[on, test]: &[Scores; 2]| {
                Some(stats::at_threshold(&test.scores, &classes(test), chosen(on)?))
            };
            let positives = |test: &Scores| classes(test).into_iter().filter(|class| *class).count() as u64;
            ProbeResult::Classes {
                positive: if target == Target::View { "AP" } else { "female" }.to_owned(),
                positives: folds.iter().map(|(_, [_, test])| positives(test)).collect(),
                auc: over(&|_, [_, test]| stats::auc(&test.scores, &classes(test))),
                threshold: over(&|_, [on, _]| chosen(on)),
                sensitivity: over(&|_, scores| at(scores)?.sensitivity),
                specificity: over(&|_, scores| at(scores)?.specificity),
            }
        }
    };
    ProbeTable {
        target,
        model: spec.model.name.clone(),
        dataset: spec.dataset,
        split: spec.split,
        result,
        folds: folds.into_iter().map(|(fold, _)| fold).collect(),
        rules: rules::PROBE,
    }
}
