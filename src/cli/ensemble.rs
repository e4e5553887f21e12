//! `reg ensemble`.

use reg::compare::{CompareError, Input};
use reg::digits::counted;
use reg::records::{OperatingPoint, Subset};
use reg::registry::Registry;
use reg::report::results;
use reg::scores::{Averaged, Ensemble, ensemble};
use serde_json::{Value, json};

use super::error::Failure;
use super::output::{Reply, TableFormat};
use super::train::{auc_json, constant_labels, thresholds_json, warn_of_leaks};
use super::{Context, Moving, complete, marks};

/// Average the scores of several runs on their test images, and compute the AUC table of the mean
///
/// The mean is recorded as predictions, which can be compared, exported and traced like those of a run. If the validation
/// images of all runs are scored, their mean is recorded as well, and thresholds are chosen on it.
#[derive(clap::Args)]
pub(crate) struct EnsembleArgs {
    /// Names or ids of two or more runs or predictions of the same images
    #[arg(value_name = "RUN", required = true, num_args = 2.., add = complete::scored())]
    members: Vec<String>,
    /// Name of the mean, which is also the name of the model in tables
    #[arg(long)]
    name: String,
    #[command(flatten)]
    moving: Moving,
    /// Name of the model in tables, the same for all folds or re-samplings; default: the name of the mean
    #[arg(long)]
    model: Option<String>,
    /// Output format of the table
    #[arg(long, value_enum, default_value = "text")]
    format: TableFormat,
}

pub(crate) fn run(context: &Context, args: EnsembleArgs) -> Result<Reply, Failure> {
    let registry = context.registry_to_name(&args.moving)?;
    let model = args.model.as_ref().unwrap_or(&args.name);
    let members = members(&registry, &args.members, Subset::Test)?;
    // Before anything is written.
    let validation = match self::members(&registry, &args.members, Subset::Val) {
        Ok(members) => Some(members),
        Err(CompareError::NoPredictions { .. }) => None,
        Err(e) => return Err(e.into()),
    };
    let average = |members: Vec<Input>, name: Option<&String>| {
        let subset = members.first().and_then(|member| member.predictions.subset);
        let wanted = Ensemble {
            members: members.into_iter().map(|member| (member.name, member.id)).collect(),
            model: model.clone(),
            operating_point: OperatingPoint::usual(subset),
            name: name.cloned(),
        };
        ensemble(&registry, &wanted, &context.environment.stamp)
    };
    let averaged = average(members, Some(&args.name))?;
    // Predictions that were named are of one subset only.
    let validation = validation
        .filter(|members| members.iter().all(|member| member.predictions.subset == Some(Subset::Val)))
        .filter(|_| averaged.predictions.subset != Some(Subset::Val));
    let validation = validation.map(|members| average(members, None)).transpose()?;
    if validation.is_none() && averaged.predictions.subset == Some(Subset::Test) {
        context.note(
            "note: no thresholds: the validation images of some members are not scored; `reg eval RUN --subset val` scores them",
        );
    }
    reply(context, &registry, &args, &averaged, validation.as_ref())
}

fn members(registry: &Registry, names: &[String], subset: Subset) -> Result<Vec<Input>, CompareError> {
    let view = registry.view()?;
    names.iter().map(|name| Input::of_subset(registry, &view, name, subset)).collect()
}

fn reply(
    context: &Context,
    registry: &Registry,
    args: &EnsembleArgs,
    averaged: &Averaged,
    validation: Option<&Averaged>,
) -> Result<Reply, Failure> {
    let incomparable = warn_of_leaks(context, registry, averaged.id)?;
    let subset = averaged.predictions.subset;
    let images = match subset {
        Some(subset) => format!("its {} images", subset.name()),
        None => counted(averaged.predictions.images, "image"),
    };
    let title = format!("AUC of {}, the mean of {}, on {images}", args.name, args.members.join(", "));
    let marks = marks::warn(context, registry, [averaged.table.hash])?;
    let mut text = args.format.marked(vec![results::auc(&title, &averaged.auc)], &marks);
    if args.format == TableFormat::Text {
        let (id, table) = (averaged.id.hash.short(), averaged.table.hash.short());
        text += &format!("predictions {id} {}\ntable {table}\n", args.name);
    }
    let mut json = json!({
        "name": args.name,
        "subset": subset,
        "members": members_json(averaged),
        "predictions": averaged.id,
        "table": averaged.table,
        "cached": averaged.cached,
        "auc": auc_json(&averaged.auc),
        "mean_over": averaged.auc.mean_over,
        "constant": constant_labels(&averaged.auc),
        "unfair": incomparable,
        "validation": validation.map(|averaged| json!({
            "predictions": averaged.id,
            "table": averaged.table,
            "auc": auc_json(&averaged.auc),
            "mean_over": averaged.auc.mean_over,
            "thresholds": thresholds_json(&averaged.auc),
        })),
    });
    if let Some(thresholds) = thresholds_json(&averaged.auc) {
        json["thresholds"] = thresholds;
    }
    Ok(Reply::new(text, json).marked(&marks))
}

/// The ids of the averaged predictions.
fn members_json(averaged: &Averaged) -> Value {
    match &averaged.predictions.source {
        reg::records::ScoreSource::Mean { predictions, .. } => json!(predictions),
        _ => Value::Null,
    }
}
