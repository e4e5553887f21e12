//! `reg rm`.

use std::collections::BTreeMap;

use reg::digits::{counted, size};
use reg::lineage::{RemovalPlan, plan_removal, remove, undo_removal};
use reg::records::Kind;
use reg::registry::{Registry, RegistryError};
use reg::training::unfinished::{self, UnfinishedTraining};
use serde_json::{Value, json};

use super::error::Failure;
use super::output::Reply;
use super::{Context, complete};

/// Remove runs and everything that depends on them alone: predictions, tables, notes, checkpoint; also
/// interrupted or failed trainings
///
/// A run is not removed if another result depends on it, such as a run that was fine-tuned from its weights
/// or a comparison with other runs (--with-tables also removes comparisons). A removal is recorded, so that a
/// rebuilt index or a pull does not bring the run back. `reg gc` frees the space; until then --undo undoes
/// the removal. Training the run again restores it at any time.
#[derive(clap::Args)]
pub(crate) struct RmArgs {
    /// Names or ids of runs, unfinished trainings, predictions, tables or weights
    #[arg(required = true, value_name = "RUN", add = complete::runs())]
    ids: Vec<String>,
    /// Also remove tables that compare the run with results that stay
    #[arg(long)]
    with_tables: bool,
    /// Print what would be removed and the space that would be freed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Undo a removal, with everything that the same command removed
    #[arg(long, conflicts_with_all = ["with_tables", "dry_run"])]
    undo: bool,
}

pub(crate) fn run(context: &Context, args: RmArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let stamp = &context.environment.stamp;
    if args.undo {
        let back = undo_removal(&registry, &args.ids, stamp)?;
        let lines: Vec<String> = back.iter().map(|record| format!("restored {}", record.called())).collect();
        return Ok(Reply::new(lines.join("\n"), json!({ "restored": back })));
    }
    let view = registry.view()?;
    let (mut trainings, mut recorded) = (Vec::new(), Vec::new());
    for text in args.ids {
        match unfinished(&registry, &view, &text)? {
            Some(training) => trainings.push(training),
            None => {
                // Whoever removes a run by name does not want to find its failed attempts either.
                if view.name(&text).map_err(RegistryError::from)?.is_some() {
                    let failed = unfinished::all(&registry).into_iter();
                    trainings.extend(failed.filter(|one| one.is_failed() && one.announcement.name == text));
                }
                recorded.push(text);
            }
        }
    }
    if let Some(training) = trainings.iter().find(|training| training.pid.is_some()) {
        let (name, pid) = (&training.announcement.name, training.pid.unwrap_or_default());
        let hint = format!("stop it first: `kill -INT {pid}`");
        return Err(Failure::new(format!("{name} is training (pid {pid})"), Some(hint)));
    }
    let plan = plan_removal(&registry, &view, &recorded, args.with_tables)?;
    drop(view);
    let mut freed = 0;
    for training in &trainings {
        freed += unfinished::bytes(&registry, training);
    }
    let removal = match args.dry_run {
        true => None,
        false => {
            for training in &trainings {
                unfinished::remove(&registry, training)?;
            }
            remove(&registry, &plan, stamp)?
        }
    };
    let text = describe(&plan, &trainings, freed, args.dry_run);
    let record = |of: &reg::lineage::Dependent| json!({ "id": of.id, "kind": of.kind, "name": of.name });
    let training =
        |of: &UnfinishedTraining| json!({ "name": of.announcement.name, "spec": of.announcement.spec });
    let json = json!({
        "dry_run": args.dry_run,
        "removal": removal,
        "removed": plan.records.iter().map(record).collect::<Vec<Value>>(),
        "trainings": trainings.iter().map(training).collect::<Vec<Value>>(),
        "objects": plan.objects,
        "bytes": plan.bytes + freed,
    });
    Ok(Reply::new(text, json))
}

/// The unfinished training that is meant, if no record is.
fn unfinished(
    registry: &Registry,
    view: &reg::index::View,
    text: &str,
) -> Result<Option<UnfinishedTraining>, Failure> {
    match registry.resolve(view, text) {
        Ok(id) => Ok(unfinished::find(registry, &id.to_string())),
        Err(e @ (RegistryError::Unknown { .. } | RegistryError::Removed { .. })) => {
            Ok(Some(unfinished::find(registry, text).ok_or(e)?))
        }
        Err(e) => Err(e.into()),
    }
}

fn describe(plan: &RemovalPlan, trainings: &[UnfinishedTraining], freed: u64, dry_run: bool) -> String {
    let verb = if dry_run { "would remove" } else { "removed" };
    let mut lines = Vec::new();
    let mut others: BTreeMap<Kind, usize> = BTreeMap::new();
    for record in &plan.records {
        match &record.name {
            Some(name) => lines.push(format!("{verb} {} {name}", record.kind)),
            None if record.kind == Kind::Run => lines.push(format!("{verb} run {}", record.id.short())),
            None => *others.entry(record.kind).or_default() += 1,
        }
    }
    for (kind, count) in others {
        lines.push(format!("{verb} {}", kind.counted(count)));
    }
    for training in trainings {
        lines.push(format!("{verb} the unfinished training {}", training.announcement.name));
    }
    if !plan.records.is_empty() {
        let (objects, bytes) = (counted(plan.objects, "object"), size(plan.bytes));
        lines.push(match dry_run {
            true => format!("the next `reg gc` would free {objects}: {bytes}"),
            false => format!("`reg gc` frees {objects}: {bytes}"),
        });
    }
    if freed > 0 {
        let would = if dry_run { "would be" } else { "were" };
        lines.push(format!("{} of unfinished trainings {would} freed at once", size(freed)));
    }
    lines.join("\n")
}
