//! `reg diff`.

use reg::diff::diff;
use reg::recompute::{RecomputeError, verify_record};
use reg::report::diff::text;
use serde_json::json;

use super::error::Failure;
use super::output::Reply;
use super::{Context, complete, marks};

/// Explain how two results, data sets or splits differ, and where their lineages first diverge
///
/// Differences are listed in the order of their effect: data, split, configuration, code, environment, numbers. Where
/// the numbers are equal although an input differs, the report says why.
#[derive(clap::Args)]
pub(crate) struct DiffArgs {
    /// Name or id of a run, predictions, a table, a data set or a split
    #[arg(add = complete::anything())]
    a: String,
    /// Name or id of another object of the same kind
    #[arg(add = complete::anything())]
    b: String,
}

pub(crate) fn run(context: &Context, args: DiffArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let view = registry.view()?;
    let (a, b) = (registry.resolve(&view, &args.a)?, registry.resolve(&view, &args.b)?);
    let mut found = diff(&registry, &view, a, b)?;
    // Of several names, the typed one is shown.
    for (side, text) in [(&mut found.a, args.a), (&mut found.b, args.b)] {
        if view.name(&text)?.is_some() {
            side.name = Some(text);
        }
    }
    drop(view);
    if !found.equal {
        let sides = [&found.a, &found.b].map(|side| Some((side.id, side.record?)));
        // A false record differs for reasons that are not among the inputs.
        for (id, kind) in sides.into_iter().flatten() {
            if let Err(e @ RecomputeError::False(_)) = verify_record(&registry, id, kind) {
                found.why.insert(0, e.to_string());
            }
        }
    }
    Ok(Reply::new(text(&found), json!(found)).marked(&marks::warn(context, &registry, [a, b])?))
}
