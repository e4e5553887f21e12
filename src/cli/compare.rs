//! `reg compare`.

use clap::ValueEnum;
use reg::records::{Comparison, Spread};
use reg::report::results;
use reg::runs::{Grouping, Input, compare};
use serde_json::{Map, Value, json};

use super::Context;
use super::error::Failure;
use super::output::{Reply, TableFormat};

/// Compare models on the same images: AUC table, Spearman matrix, paired tests
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Names or ids of runs or predictions
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// What makes a column: all folds of a `model`, or each `run`
    #[arg(long, value_enum, default_value = "model")]
    by: By,
    /// Name of the table
    #[arg(long)]
    name: Option<String>,
    /// How the tables are written
    #[arg(long, value_enum, default_value = "text")]
    format: TableFormat,
    /// Show every test of DeLong, and the smallest and largest AUC over the folds
    #[arg(long)]
    full: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum By {
    Model,
    Run,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let view = registry.view()?;
    let inputs = args.ids.iter().map(|id| Input::resolve(&registry, &view, id)).collect::<Result<_, _>>()?;
    drop(view);
    let by = match args.by {
        By::Model => Grouping::Model,
        By::Run => Grouping::Run,
    };
    let (id, comparison) = compare(&registry, inputs, by, args.name.as_deref(), &context.surroundings.stamp)?;

    let mut tables = vec![results::comparison(&comparison), results::spearman(&comparison)];
    if args.full {
        tables.extend([results::range(&comparison), results::delong(&comparison)]);
    }
    let mut text = args.format.render(&tables);
    if args.format == TableFormat::Text {
        text += &format!("table {}\n", id.hash.short());
    }
    Ok(Reply::new(text, document(&id.to_string(), &comparison)))
}

fn document(id: &str, comparison: &Comparison) -> Value {
    let spread = |s: &Spread| json!({ "mean": s.mean, "std": s.std, "min": s.min, "max": s.max, "n": s.n, "folds": s.folds });
    let auc: Map<String, Value> = comparison
        .models
        .iter()
        .map(|model| {
            let mut labels: Map<String, Value> =
                model.labels.iter().map(|label| (label.label.clone(), spread(&label.auc))).collect();
            labels.insert("mean".to_owned(), spread(&model.mean));
            (model.name.clone(), Value::Object(labels))
        })
        .collect();
    let models: Vec<&str> = comparison.models.iter().map(|model| model.name.as_str()).collect();
    json!({
        "table": id,
        "auc": auc,
        "spearman": { "models": models, "matrix": comparison.spearman },
        "delong": comparison.delong,
    })
}
