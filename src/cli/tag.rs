//! `reg tag`.

use serde_json::json;

use super::error::Failure;
use super::output::Reply;
use super::{Context, complete};

/// Set or remove a name; the log keeps the old target
#[derive(clap::Args)]
pub(crate) struct TagArgs {
    /// The name
    #[arg(add = complete::anything())]
    name: String,
    /// Name or id of the object to name
    #[arg(required_unless_present = "delete", add = complete::anything())]
    id: Option<String>,
    /// Remove the name
    #[arg(long, conflicts_with = "id")]
    delete: bool,
}

pub(crate) fn run(context: &Context, args: TagArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let stamp = &context.environment.stamp;
    let Some(text) = args.id else {
        registry.remove_name(&args.name, stamp)?;
        let json = json!({ "name": args.name, "id": null });
        return Ok(Reply::new(format!("removed the name {}", args.name), json));
    };
    let id = registry.resolve(&registry.view()?, &text)?;
    let mut transaction = registry.transaction()?;
    transaction.move_name(&args.name, id)?;
    let committed = transaction.commit(stamp)?;
    let was = committed.names.first().and_then(|change| change.from);
    // A warning gives the old and the new object of a name that moved.
    let text = match was {
        Some(_) => format!("moved the name {}", args.name),
        None => format!("{} now points to {}", args.name, id.short()),
    };
    Ok(Reply::new(text, json!({ "name": args.name, "id": id, "was": was })))
}
