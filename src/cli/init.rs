//! `reg init`.

use std::path::PathBuf;

use reg::registry::Registry;
use serde_json::json;

use super::error::Failure;
use super::output::Reply;

/// Create a registry
#[derive(clap::Args)]
pub(crate) struct InitArgs {
    /// Folder in which to create `.reg`; created if missing
    #[arg(default_value = ".")]
    dir: PathBuf,
}

pub(crate) fn run(args: InitArgs) -> Result<Reply, Failure> {
    let registry = Registry::init(&args.dir)?;
    let root = registry.root().display();
    Ok(Reply::new(format!("created the registry {root}"), json!({ "registry": root.to_string() })))
}
