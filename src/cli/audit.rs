//! `reg audit`.

use std::path::PathBuf;

use reg::audit::{CHECK_PROGRAM, bundle, check};
use reg::digits::counted;
use reg::hash::{Digest, Sha256};
use serde_json::json;

use super::error::Failure;
use super::output::{NO, Reply, in_json, plural, save};
use super::{Context, complete, marks};

/// Write a result and its whole lineage into one bundle that can be checked without reg, or verify a bundle
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_help = after_help())]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    verify: Option<Verify>,
    /// Name or id of a table or of any other object
    #[arg(required = true, add = complete::anything())]
    id: Option<String>,
    /// The bundle to write
    #[arg(short, long, value_name = "FILE.zip", required = true)]
    output: Option<PathBuf>,
    /// Leave out checkpoints and weights; the bundle lists their hashes
    #[arg(long)]
    no_weights: bool,
}

#[derive(clap::Subcommand)]
enum Verify {
    /// Verify a bundle: every hash, the lineage, the readable documents, every number, the archive; exit code 3 if
    /// anything is wrong
    Verify {
        /// The bundle
        file: PathBuf,
    },
    /// Write the program that checks a bundle without reg; use this copy, not the one in the bundle
    CheckProgram {
        /// Output file; default: standard output
        #[arg(short, long, value_name = "FILE.py")]
        output: Option<PathBuf>,
    },
}

pub(crate) fn run(context: &Context, args: AuditArgs) -> Result<Reply, Failure> {
    match args.verify {
        Some(Verify::Verify { file }) => return verified(&file),
        Some(Verify::CheckProgram { output }) => return check_program(output),
        None => {}
    }
    let (Some(id), Some(output)) = (args.id, args.output) else {
        return Err(Failure::usage("give an id and --output"));
    };
    let registry = context.registry()?;
    let id = registry.resolve(&registry.view()?, &id)?;
    let made = bundle(&registry, id, !args.no_weights, &output)?;
    let mut text = format!(
        "{}: {} ({}), {}",
        output.display(),
        plural(made.objects as usize, "object"),
        plural(made.records as usize, "record"),
        plural(made.bytes as usize, "byte")
    );
    if made.left_out > 0 {
        text += &format!("; {} listed but not included", reg::report::thousands(made.left_out as u64));
    }
    let json = json!({
        "ok": true, "id": id, "file": in_json(&output), "records": made.records, "objects": made.objects,
        "left_out": made.left_out, "bytes": made.bytes,
    });
    Ok(Reply::new(text, json).marked(&marks::warn_of_leaks_too(context, &registry, id)?))
}

fn check_program(output: Option<PathBuf>) -> Result<Reply, Failure> {
    let Digest { blake3, sha256, bytes } = Digest::of(CHECK_PROGRAM.as_bytes());
    let json =
        json!({ "file": output.as_deref().map(in_json), "blake3": blake3, "sha256": sha256, "bytes": bytes });
    let Some(path) = output else { return Ok(Reply::new(CHECK_PROGRAM, json)) };
    save(&path, CHECK_PROGRAM.as_bytes())?;
    let text = format!("{}\nSHA-256 {}\nBLAKE3  {blake3}", path.display(), digits(&sha256));
    Ok(Reply::new(text, json))
}

/// The end of `reg audit --help`.
pub(crate) fn after_help() -> String {
    let sha256 = digits(&Digest::of(CHECK_PROGRAM.as_bytes()).sha256);
    format!("SHA-256 of the check program of this version (`reg audit check-program`):\n  {sha256}")
}

/// A hash as `sha256sum` prints it.
fn digits(sha256: &Sha256) -> String {
    sha256.to_string().trim_start_matches("sha256:").to_owned()
}

fn verified(file: &std::path::Path) -> Result<Reply, Failure> {
    let checked = check(file)?;
    let ok = checked.wrong.is_empty();
    let (root, records, objects) = (checked.root, checked.records, checked.objects);
    // Names are untrusted text, and a line break would turn one line into two.
    let mut lines: Vec<String> = checked.wrong.iter().map(|line| line.replace('\n', "\\n")).collect();
    for (name, models) in &checked.renamed {
        let models = models.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let line =
            format!("note: column `{name}` holds scores of {models}; names of columns are not checked");
        lines.push(line.replace('\n', "\\n"));
    }
    for id in &checked.uncomputed {
        let short = id.short();
        lines.push(format!("note: the numbers of table {short} come from a network and were not recomputed"));
    }
    if checked.recomputed.is_empty() && checked.uncomputed.is_empty() {
        lines.push(
            "note: this lineage has no table, so no number was checked: to check numbers, audit a table"
                .to_owned(),
        );
    }
    lines.extend(checked.other_rules.iter().map(|line| format!("note: {line}")));
    for id in &checked.unread {
        let short = id.short();
        lines.push(format!(
            "note: the metadata of data set {short} has a format that this reg does not read; the images were not compared with the metadata"
        ));
    }
    for record in &checked.withdrawals {
        lines.push(format!("note: withdrawn: {}: {}", record.subject, record.reason).replace('\n', "\\n"));
    }
    lines.extend(checked.mark.map(|mark| format!("note: {} {mark}", root.short())));
    let unknown = checked.unknown.iter().map(|said| format!("note: {} {said}", root.short()));
    lines.extend(unknown.map(|line| line.replace('\n', "\\n")));
    let leaks = checked.leaks.iter().map(|why| format!("note: {} has a leak: {why}", root.short()));
    lines.extend(leaks.map(|line| line.replace('\n', "\\n")));
    lines.push(match ok {
        true => format!(
            "sound: {} ({}) in the lineage of {}; {} recomputed, equal to the last \
             digit, including {}\ncompare this id with the one that you were given through another \
             channel:\n{root}",
            counted(objects, "object"),
            counted(records, "record"),
            root.short(),
            plural(checked.recomputed.len(), "table"),
            counted(checked.aucs, "AUC")
        ),
        false => format!("not sound: {}", plural(checked.wrong.len(), "problem")),
    });
    let mut json = json!({
        "ok": ok, "id": root, "records": records, "objects": objects, "aucs": checked.aucs,
        "recomputed": checked.recomputed, "uncomputed": checked.uncomputed, "unread": checked.unread,
        "other_rules": checked.other_rules, "renamed": checked.renamed,
        "withdrawn": checked.mark, "withdrawals": checked.withdrawals, "wrong": checked.wrong,
    });
    if !checked.leaks.is_empty() {
        json["leaks"] = json!([{ "id": root, "why": checked.leaks }]);
    }
    let reply = Reply::new(lines.join("\n"), json);
    Ok(if ok { reply } else { reply.with_code(NO) })
}
