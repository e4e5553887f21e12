//! `reg withdraw`.

use reg::digits::counted;
use reg::report::thousands;
use reg::usage::Asked;
use reg::withdrawal::{Marks, WithdrawError, WithdrawRequest, Withdrew, in_force, revoke, withdraw};
use serde_json::json;

use super::Context;
use super::error::Failure;
use super::output::{Reply, plural};

/// Withdraw the data of a patient or an image: later data sets leave it out, earlier results are flagged
///
/// With --purge, the images are also removed from this registry permanently.
#[derive(clap::Args)]
pub(crate) struct WithdrawArgs {
    /// `patient:13`, or the file name or id of an image
    id: String,
    /// The reason, one line; it is recorded
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Remove the images and all files derived from them from this registry permanently
    #[arg(long)]
    purge: bool,
    /// Purge images even if another patient has an identical image
    #[arg(long, requires = "purge")]
    shared: bool,
    /// Revoke a withdrawal: it was a mistake, or consent was given again
    #[arg(long, conflicts_with = "purge")]
    revoke: bool,
}

pub(crate) fn run(context: &Context, args: WithdrawArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let asked = {
        let view = registry.view()?;
        match Asked::read(&registry, &view, &args.id)? {
            Some(Asked::Row { .. }) => return Err(WithdrawError::NotAnImage(args.id).into()),
            Some(asked) => asked,
            None => {
                registry.resolve(&view, &args.id)?;
                return Err(WithdrawError::NotAnImage(args.id).into());
            }
        }
    };
    let environment = &context.environment;
    let host = &environment.host;
    let request =
        WithdrawRequest { asked, reason: &args.reason, purge: args.purge, shared: args.shared, host };
    if args.revoke {
        let revoked = revoke(&registry, &request, &environment.stamp)?;
        let subject = request.asked.to_string();
        let mut text = format!("{subject} is no longer withdrawn; purged images are not restored");
        let in_force = in_force(&registry, &request.asked)?;
        if !in_force.is_empty() {
            let each = in_force.iter().map(|record| format!("{} ({})", record.subject, record.reason));
            let each = each.collect::<Vec<_>>().join(", ");
            text = format!("a withdrawal of {subject} was revoked; still withdrawn through: {each}");
        }
        let in_force: Vec<_> = in_force.iter().map(|record| &record.subject).collect();
        return Ok(Reply::new(
            text,
            json!({ "subject": subject, "revoked": revoked, "still_withdrawn": in_force }),
        ));
    }
    let marked = || -> Result<_, Failure> {
        let view = registry.view()?;
        Ok(Marks::open(&registry, &view)?.results(&view)?)
    };
    let before = marked()?;
    let done = withdraw(&registry, &request, &environment.stamp)?;
    let marked = marked()?;
    let names = registry.view()?.names_by_id()?;
    let results: Vec<_> = marked
        .iter()
        .map(|(id, kind, mark)| json!({ "id": id, "kind": kind, "name": names.get(id), "withdrawn": mark }))
        .collect();
    let Withdrew { id, record, new, shared, purged, datasets } = &done;
    let mut lines = Vec::new();
    let subject = &record.subject;
    match new {
        true => lines.push(format!(
            "withdrawal {}: {subject}, {} in {}",
            id.hash.short(),
            plural(done.different() as usize, "image"),
            plural(datasets.len(), "data set")
        )),
        false => lines.push(format!(
            "{subject} was already withdrawn on {}: {} (withdrawal {})",
            record.time,
            record.reason,
            id.hash.short()
        )),
    }
    for other in shared {
        lines.push(format!("{other} has the same bytes and is withdrawn too"));
    }
    let from = if marked == before { "" } else { " from now on" };
    lines.push(match marked.len() {
        0 => "no run, scores or table contains withdrawn data".to_owned(),
        1 => format!("1 result contains withdrawn data and is flagged{from}"),
        n => format!("{n} results contain withdrawn data and are flagged{from}"),
    });
    match purged {
        Some(purged) if record.images.iter().all(|image| image.blake3.is_none()) => {
            lines.push("no data set here has image files of this subject: nothing to purge".to_owned());
        }
        Some(purged) => {
            lines.push(format!(
                "purged {}, {}, and {} of derived pixels and features",
                plural(purged.objects as usize, "object"),
                counted(purged.bytes, "byte"),
                plural(purged.cached as usize, "file")
            ));
            if purged.linked > 0 {
                context.note(&format!(
                    "warning: {} of the purged objects {} outside the registry, which still {} the bytes",
                    thousands(purged.linked),
                    if purged.linked == 1 { "was a hard link to a file" } else { "were hard links to files" },
                    if purged.linked == 1 { "has" } else { "have" }
                ));
            }
            context.note(
                "note: original files and archives, other registries, remotes and backups are not touched; remove \
                 the images there too",
            );
        }
        None => lines.push("the image files stay until --purge".to_owned()),
    }
    let json = json!({
        "id": id,
        "new": new,
        "subject": subject,
        "reason": record.reason,
        "images": record.images,
        "datasets": datasets.iter().map(|(id, images)| json!({ "id": id, "images": images })).collect::<Vec<_>>(),
        "shared": shared,
        "results": results,
        "purged": purged.map(|purged| json!({
            "objects": purged.objects,
            "bytes": purged.bytes,
            "hard_links": purged.linked,
            "cached": purged.cached,
        })),
    });
    Ok(Reply::new(lines.join("\n"), json))
}
