//! `reg weights`.

use std::ffi::OsString;
use std::path::PathBuf;

use reg::digits::counted;
use reg::escape;
use reg::training::{declared, import_weights};
use serde_json::json;

use super::error::Failure;
use super::output::Reply;
use super::{Context, Moving};

/// Import pre-trained weights
#[derive(clap::Subcommand)]
pub(crate) enum WeightsCommand {
    /// Import a safetensors file with the tensor names of torchvision, timm or TorchXRayVision
    Import {
        /// The safetensors file
        #[arg(value_name = "FILE.safetensors", required_unless_present = "trained_on")]
        file: Option<PathBuf>,
        /// Training data of the weights: a data set, a division of one of its splits, or images that are in no data set
        /// of this registry; repeatable [default: unknown]
        ///
        /// A model that starts from the weights has seen these images, so a comparison that tests the model on these
        /// patients is refused. Results that start from weights of unknown origin say so.
        #[arg(
            long,
            value_name = "DATASET[:SPLIT:FOLD]|external NAME|unknown",
            num_args = 1..=2,
            action = clap::ArgAction::Append
        )]
        trained_on: Vec<OsString>,
        /// Name of the weights
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        moving: Moving,
    },
}

pub(crate) fn run(context: &Context, command: WeightsCommand) -> Result<Reply, Failure> {
    let WeightsCommand::Import { file, trained_on, name, moving } = command;
    let (file, declarations) = told(file, trained_on)?;
    let registry = context.registry_to_name(&moving)?;
    let declarations: Result<Vec<_>, _> = declarations.iter().map(|text| declared(&registry, text)).collect();
    let declarations = declarations?;
    if declarations.len() > 1 && declarations.contains(&None) {
        return Err(Failure::usage("unknown training data cannot be combined with another --trained-on"));
    }
    let declarations = declarations.into_iter().flatten().collect();
    let stamp = &context.environment.stamp;
    let (id, weights, notes) = import_weights(&registry, &file, name.as_deref(), declarations, stamp)?;
    // Names of tensors are a stranger's.
    let notes: Vec<String> = notes.iter().map(|note| shortened(&escape::line(note))).collect();
    for note in &notes {
        let kind = if note.starts_with("warning: ") { "" } else { "note: " };
        context.note(&format!("{kind}{note}"));
    }
    let text = format!(
        "weights {}: {}, {}",
        id.hash.short(),
        counted(weights.tensors, "tensor"),
        counted(weights.parameters, "parameter")
    );
    Ok(Reply::new(
        text,
        json!({
            "id": id,
            "tensors": weights.tensors,
            "parameters": weights.parameters,
            "trained_on": weights.trained_on,
            "notes": notes
        }),
    ))
}

/// A note that fits a screen.
fn shortened(note: &str) -> String {
    const LONGEST: usize = 2000;
    match note.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &note[..end]),
        None => note.to_owned(),
    }
}

/// The file, and each declaration as one text. `external` is followed by a name, in the same word or in the next; the
/// file may stand behind a declaration.
fn told(file: Option<PathBuf>, words: Vec<OsString>) -> Result<(PathBuf, Vec<String>), Failure> {
    let mut words = words.into_iter().peekable();
    let (mut file, mut declarations) = (file, Vec::new());
    while let Some(word) = words.next() {
        if words.peek().is_none() && file.is_none() && !declarations.is_empty() {
            file = Some(word.into());
            continue;
        }
        let mut text = word.to_string_lossy().into_owned();
        if text == "external"
            && let Some(name) = words.next()
        {
            text = format!("{text} {}", name.to_string_lossy());
        }
        declarations.push(text);
    }
    let file = file.ok_or_else(|| Failure::usage("give the file of weights: FILE.safetensors"))?;
    Ok((file, declarations))
}
