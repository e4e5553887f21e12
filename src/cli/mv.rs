//! `reg mv`.

use serde_json::json;

use super::error::Failure;
use super::output::Reply;
use super::{Context, complete};

/// Rename a run, data set, split or anything else that has a name; the log keeps the old name
#[derive(clap::Args)]
pub(crate) struct MvArgs {
    /// The current name
    #[arg(add = complete::anything())]
    old: String,
    /// The new name
    new: String,
    /// If the new name is in use, move it to this object
    #[arg(long = "move")]
    move_name: bool,
}

pub(crate) fn run(context: &Context, args: MvArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let id = registry.rename(&args.old, &args.new, args.move_name, &context.environment.stamp)?;
    let text = format!("{} is now {}", args.old, args.new);
    Ok(Reply::new(text, json!({ "id": id, "name": args.new, "was": args.old })))
}
