//! `reg verify`.

use reg::hash::Hash;
use reg::lineage::verify;
use reg::report::thousands;
use serde_json::json;

use super::Context;
use super::error::Failure;
use super::output::{NO, Reply};

/// Hash everything again; name what is damaged and the results that it taints; exit code 3 if anything is
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Names or ids: check only what these depend on
    ids: Vec<String>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let view = registry.view()?;
    let roots: Vec<Hash> = args.ids.iter().map(|id| registry.resolve(&view, id)).collect::<Result<_, _>>()?;
    let roots = (!roots.is_empty()).then_some(roots.as_slice());
    let result = verify(&registry, &view, roots, &context.progress())?;
    let mut lines = Vec::new();
    for damage in &result.damaged {
        let name = damage.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        lines.push(format!("{}{name} {} {}", damage.kind, damage.id, damage.problem));
        for tainted in &damage.taints {
            let name = tainted.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
            lines.push(format!("  taints {} {}{name}", tainted.kind, tainted.id.short()));
        }
    }
    lines.extend(result.names.iter().cloned());
    if !result.names.is_empty() {
        lines.push("`reg reindex` builds the names anew from their log".to_owned());
    }
    for stranger in &result.strangers {
        context.note(&format!("note: {} is no object", stranger.display()));
    }
    let (checked, bytes) = (thousands(result.checked), thousands(result.bytes));
    let sound = result.sound();
    lines.push(match sound {
        true => format!("sound: {checked} objects, {bytes} bytes"),
        false => format!("{} damaged among {checked} objects, {bytes} bytes", result.damaged.len()),
    });
    let reply = Reply::new(lines.join("\n"), json!(result));
    Ok(if sound { reply } else { reply.with_code(NO) })
}
