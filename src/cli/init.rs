//! `reg init`.

use std::path::PathBuf;

use reg::registry::{Registry, Sharing};
use serde_json::json;

use super::error::Failure;
use super::output::Reply;

/// Create a registry
#[derive(clap::Args)]
pub(crate) struct InitArgs {
    /// Folder in which to create `.reg`; created if missing
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Let the group of the folder write to the registry, too, whatever the umask of each member; with `all`, everybody
    /// may read
    #[arg(long, value_name = "WHO", num_args = 0..=1, require_equals = true, default_missing_value = "group")]
    shared: Option<Shared>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Shared {
    /// The group of the folder
    Group,
    /// The group of the folder; everybody may read
    All,
}

pub(crate) fn run(args: InitArgs) -> Result<Reply, Failure> {
    let sharing = args.shared.map(|shared| match shared {
        Shared::Group => Sharing::Group,
        Shared::All => Sharing::All,
    });
    if let Some(sharing) = sharing {
        reg::disk::allow(sharing.mode());
    }
    let registry = Registry::init_shared(&args.dir, sharing)?;
    let root = registry.root().display();
    let with = sharing.map(|sharing| format!(", shared with {}", sharing.name())).unwrap_or_default();
    let json = json!({ "registry": root.to_string(), "shared": sharing.map(Sharing::name) });
    Ok(Reply::new(format!("created the registry {root}{with}"), json))
}
