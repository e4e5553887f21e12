//! `reg verify`.

use std::collections::{BTreeMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use reg::digits::{counted, thousands};
use reg::hash::{Hash, Id};
use reg::lineage::{Gone, Verification, behind, repair, verify, verify_some};
use reg::recompute::{RecomputeError, images, recompute};
use reg::records::Kind;
use reg::records::Mismatch;
use reg::registry::{Registry, RegistryError};
use reg::remote::{self, Address, TransferJob};
use serde_json::{Value, json};

use super::error::Failure;
use super::exchange::stop_on_signals;
use super::output::{NO, Reply, plural};
use super::reproduce::described;
use super::{Context, complete};

/// Hash every object; list damaged objects and the results they taint; exit code 3 if any object is damaged
#[derive(clap::Args)]
pub(crate) struct VerifyArgs {
    /// Names or ids: check only these and their dependencies
    #[arg(add = complete::anything())]
    ids: Vec<String>,
    /// Repair damaged objects from another registry, from a remote of `reg push`, or from a folder with the original
    /// files, whatever their names
    #[arg(long, value_name = "PATH|REMOTE")]
    repair_from: Vec<OsString>,
    /// Also recompute everything except training and inference: data sets from their metadata, splits from their
    /// seed, every number of a table from scores and labels. This detects forged records with correct hashes
    #[arg(long)]
    recompute: bool,
}

pub(crate) fn run(context: &Context, args: VerifyArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let progress = context.progress();
    let check = || -> Result<Verification, Failure> {
        if args.ids.is_empty() {
            return Ok(verify(&registry, &progress)?);
        }
        let view = registry.view()?;
        let ids = args.ids.iter().map(|id| registry.resolve(&view, id));
        let roots: Vec<Hash> = ids.collect::<Result<_, _>>()?;
        drop(view);
        Ok(verify_some(&registry, &roots, &progress)?)
    };
    let mut result = check()?;
    for source in &args.repair_from {
        if result.damaged.is_empty() {
            context.note(&format!(
                "note: no object is damaged, so nothing was copied from {}",
                source.display()
            ));
        }
        let repaired = repair_from(context, &registry, &result, source)?;
        if repaired.is_empty() {
            if !result.damaged.is_empty() {
                context.note(&format!("note: none of the damaged objects is in {}", source.display()));
            }
        } else {
            // What is whole again may name what is not.
            let before = std::mem::take(&mut result.repaired);
            result = check()?;
            result.repaired = before.into_iter().chain(repaired).collect();
        }
    }
    for stranger in &result.strangers {
        context.note(&format!("note: {} is not an object", stranger.display()));
    }
    for id in &result.unregistered {
        context.note(&format!(
            "note: record {} is intact but not in the index, as after a killed command; `reg reindex` adds it, \
             `reg gc` removes it once it is old enough",
            id.short()
        ));
    }
    let mut text = describe(&result, 0);
    let mut json = json!(result);
    let mut sound = result.sound() && result.lingering.is_empty();
    if args.recompute {
        let recomputed = recompute_all(&registry, &args.ids)?;
        sound &= recomputed.wrong.is_empty();
        text = describe(&result, recomputed.wrong.len());
        text = [recomputed.lines.join("\n"), text].join("\n").trim_start().to_owned();
        text += &format!("\n{} recomputed", recomputed.counted());
        text += if recomputed.wrong.is_empty() { ", the same to the last digit" } else { "" };
        json["recomputed"] = json!(recomputed.done.get(&Kind::Table));
        let kinds = recomputed.done.iter().map(|(kind, count)| (kind.name().to_owned(), json!(count)));
        json["recomputed_kinds"] = Value::Object(kinds.collect());
        json["wrong"] = json!(recomputed.wrong);
        json["other_rules"] = json!(recomputed.other_rules);
    }
    let reply = Reply::new(text, json);
    Ok(if sound { reply } else { reply.with_code(NO) })
}

/// Repairs damaged objects from a remote, a registry or a folder, and says from where each came.
fn repair_from(
    context: &Context,
    registry: &Registry,
    result: &Verification,
    source: &OsStr,
) -> Result<Vec<(Hash, PathBuf)>, Failure> {
    let (progress, stop) = (context.progress(), stop_on_signals());
    // A path such as `host:folder` is no address of a remote, but may be that of a folder of images.
    if let Ok(address) = Address::of(source) {
        let job = TransferJob { stamp: &context.environment.stamp, progress: &progress, stop: &stop };
        let damaged: Vec<Hash> = result.damaged.iter().map(|damage| damage.id).collect();
        if let Some(repaired) = remote::repair(registry, &damaged, &address, job)? {
            return Ok(repaired.into_iter().map(|id| (id, PathBuf::from(source))).collect());
        }
    }
    Ok(repair(registry, &result.damaged, Path::new(source), &progress)?)
}

/// The result of recomputing records.
#[derive(Default)]
struct Recomputed {
    /// Number of recomputed records of each kind.
    done: BTreeMap<Kind, usize>,
    /// Number of tables, including those whose numbers need a network.
    tables: usize,
    lines: Vec<String>,
    wrong: Vec<Value>,
    /// Records made by other rules than those of this reg: they cannot be checked here.
    other_rules: Vec<Value>,
}

impl Recomputed {
    /// `1 dataset, 3 runs, 12 of 17 tables`.
    fn counted(&self) -> String {
        let said = self.done.iter().map(|(kind, count)| match *kind == Kind::Table {
            true => format!("{count} of {}", kind.counted(self.tables)),
            false => kind.counted(*count),
        });
        let said: Vec<String> = said.collect();
        if said.is_empty() { "nothing".to_owned() } else { said.join(", ") }
    }
}

/// Recomputes every record for which that is possible, or only the dependencies of `ids`.
fn recompute_all(registry: &Registry, ids: &[String]) -> Result<Recomputed, Failure> {
    let mut records: Vec<(Kind, Hash)> = Vec::new();
    {
        let view = registry.view()?;
        for kind in Kind::ALL {
            records.extend(view.of_kind(*kind)?.into_iter().map(|id| (*kind, id)));
        }
        if !ids.is_empty() {
            let roots = ids.iter().map(|id| registry.resolve(&view, id)).collect::<Result<Vec<_>, _>>()?;
            let behind: HashSet<Hash> = behind(registry, &view, &roots)?.into_iter().collect();
            records.retain(|(_, id)| behind.contains(id));
        }
    }
    let tables = records.iter().filter(|(kind, _)| *kind == Kind::Table).count();
    let mut result = Recomputed { tables, done: BTreeMap::from([(Kind::Table, 0)]), ..Recomputed::default() };
    for (kind, id) in records {
        let short = id.short();
        let mut made = recompute(registry, id, kind);
        if let (Ok(Some(found)), Kind::Dataset) = (&mut made, kind) {
            found.extend(images(registry, Id::new(id))?);
        }
        match made {
            Ok(None) => {}
            Ok(Some(found)) => {
                *result.done.entry(kind).or_default() += 1;
                result
                    .lines
                    .extend(found.iter().map(|m| format!("{kind} {short} is false: {}", described(m))));
                let wrong = |m: &Mismatch| json!({ "id": id, "place": m.place, "recorded": m.recorded, "now": m.now });
                result.wrong.extend(found.iter().map(wrong));
            }
            // Damaged objects have been reported already.
            Err(RecomputeError::Registry(e @ RegistryError::Store(_))) => {
                result.lines.push(format!("{kind} {short} cannot be recomputed: {e}"));
            }
            Err(ref e @ RecomputeError::OtherRules { recorded, here, .. }) => {
                result.lines.push(e.to_string());
                result.other_rules.push(json!({ "id": id, "kind": kind, "rules": recorded, "here": here }));
            }
            Err(e) => {
                result.lines.push(format!("{kind} {short} is false: {e}"));
                result.wrong.push(json!({ "id": id, "place": "inputs", "error": e.to_string() }));
            }
        }
    }
    Ok(result)
}

/// The verdict on objects and index; `wrong` is the number of recorded values that were recomputed otherwise.
pub(super) fn describe(result: &Verification, wrong: usize) -> String {
    let mut lines = Vec::new();
    for damage in &result.damaged {
        let name = damage.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        lines.push(format!("{}{name} {} {}", damage.kind, damage.id, damage.problem));
        for tainted in &damage.taints {
            let name = tainted.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
            lines.push(format!("  taints {} {}{name}", tainted.kind, tainted.id.short()));
        }
    }
    lines.extend(result.repaired.iter().map(|(id, path)| format!("repaired {id} from {}", path.display())));
    lines.extend(result.names.iter().chain(&result.index).cloned());
    if !result.names.is_empty() || !result.index.is_empty() {
        lines.push("`reg reindex` rebuilds index and names from the objects".to_owned());
    }
    for Gone { id, name, subject, .. } in &result.lingering {
        let name = name.as_deref().unwrap_or("a picture");
        lines.push(format!("{name} {id} should have been purged with {subject} but is still here"));
    }
    if !result.lingering.is_empty() {
        lines.push("run the same `reg withdraw` with --purge again to remove these files".to_owned());
    }
    for Gone { id, name, subject, withdrawal } in &result.purged {
        let name = name.as_deref().unwrap_or("a picture");
        lines.push(format!("purged {name} {}: {subject}, withdrawal {}", id.short(), withdrawal.short()));
    }
    if let Some(first) =
        result.removed.iter().find(|removed| removed.name.is_some()).or(result.removed.first())
    {
        let count = plural(result.removed.len(), "record");
        let name = first.name.clone().unwrap_or_else(|| first.id.short());
        lines.push(format!("removed: {count}, such as {} {name}; `reg gc` frees the space", first.kind));
    }
    let (checked, bytes) = (counted(result.checked, "object"), counted(result.bytes, "byte"));
    lines.push(match result.damaged.len() {
        0 if result.sound() && wrong > 0 => {
            let values = plural(wrong, "recorded value");
            format!("NOT sound: {values} cannot be right; the bytes of {checked}, {bytes}, are intact")
        }
        0 if result.sound() && !result.purged.is_empty() => {
            let purged = thousands(result.purged.len() as u64);
            format!("sound: {checked}, {bytes}; purged: {purged}")
        }
        0 if result.sound() => format!("sound: {checked}, {bytes}"),
        0 => format!("the index is damaged, the objects are sound: {checked}, {bytes}"),
        damaged => format!("{} damaged among {checked}, {bytes}", thousands(damaged as u64)),
    });
    lines.join("\n")
}
