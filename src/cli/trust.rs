//! `reg trust`.

use std::path::PathBuf;

use reg::disk::Doing;
use reg::registry::{Registry, TrustList};
use serde_json::json;

use super::error::Failure;
use super::output::{Reply, in_json};

/// Trust a registry of another account, so that it is used without --registry; without DIR, list the trusted
/// registries
#[derive(clap::Args)]
pub(crate) struct TrustArgs {
    /// The registry
    dir: Option<PathBuf>,
    /// Stop trusting the registry
    #[arg(long, requires = "dir")]
    revoke: bool,
}

/// The folder of a user's configuration.
pub(super) fn list() -> Option<TrustList> {
    let set = |name: &str| std::env::var_os(name).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME").filter(|dir| dir.is_absolute());
    let config = config.or_else(|| set("HOME").map(|home| home.join(".config")))?;
    Some(TrustList::in_folder(&config))
}

pub(crate) fn run(args: TrustArgs) -> Result<Reply, Failure> {
    let none = || {
        Failure::new(
            "there is no folder for the configuration",
            Some("set HOME or XDG_CONFIG_HOME".to_owned()),
        )
    };
    let list = list().ok_or_else(none)?;
    let Some(dir) = args.dir else {
        let roots = list.read().doing("change", list.path())?;
        let lines: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
        let text = if lines.is_empty() {
            "no registry of another account is trusted".to_owned()
        } else {
            lines.join("\n")
        };
        return Ok(Reply::new(text, json!({ "trusted": lines })));
    };
    // One that is gone can still be revoked.
    let root = match Registry::load(&dir) {
        Ok(registry) => registry.root().to_owned(),
        Err(_) if args.revoke => dir.clone(),
        Err(e) => return Err(e.into()),
    };
    let root = std::fs::canonicalize(&root).or_else(|e| if args.revoke { Ok(root) } else { Err(e) });
    let root = root.doing("change", list.path())?;
    let changed = list.set(&root, !args.revoke).doing("change", list.path())?;
    let text = match (args.revoke, changed) {
        (false, true) => format!("{} is trusted", root.display()),
        (false, false) => format!("{} was already trusted", root.display()),
        (true, true) => format!("{} is no longer trusted", root.display()),
        (true, false) => format!("{} was not trusted", root.display()),
    };
    Ok(Reply::new(text, json!({ "registry": in_json(&root), "trusted": !args.revoke, "changed": changed })))
}
