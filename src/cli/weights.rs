//! `reg weights`.

use std::path::PathBuf;

use reg::digits::counted;
use reg::training::import_weights;
use serde_json::json;

use super::Context;
use super::error::Failure;
use super::output::Reply;

/// Import pre-trained weights
#[derive(clap::Subcommand)]
pub(crate) enum WeightsCommand {
    /// Import a safetensors file with torchvision's tensor names
    Import {
        /// The file
        #[arg(value_name = "FILE.safetensors")]
        file: PathBuf,
        /// Name of the weights
        #[arg(long)]
        name: Option<String>,
    },
}

pub(crate) fn run(context: &Context, command: WeightsCommand) -> Result<Reply, Failure> {
    let WeightsCommand::Import { file, name } = command;
    let registry = context.registry()?;
    let (id, weights, notes) = import_weights(&registry, &file, name.as_deref(), &context.environment.stamp)?;
    notes.iter().for_each(|note| context.note(note));
    let text = format!(
        "weights {}: {}, {}",
        id.hash.short(),
        counted(weights.tensors, "tensor"),
        counted(weights.parameters, "parameter")
    );
    Ok(Reply::new(
        text,
        json!({ "id": id, "tensors": weights.tensors, "parameters": weights.parameters, "notes": notes }),
    ))
}
