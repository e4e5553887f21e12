//! `reg attest`.

use std::path::{Path, PathBuf};

use reg::attest::{Artifact, PublicKey, SigningKey, Statement, file_digest, open, seal, state, state_files};
use reg::digits::{counted, thousands};
use reg::disk::Doing;
use reg::hash::{Hash, Hasher};
use reg::limits;
use reg::lineage::behind;
use reg::recompute::verify_record;
use reg::registry::{Registry, RegistryError};
use serde_json::json;

use super::error::Failure;
use super::output::{NO, Reply, in_json, save};
use super::{Context, complete, marks};

/// Sign an attestation of a result and its lineage (in-toto, SLSA provenance), or verify an attestation
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct AttestArgs {
    #[command(subcommand)]
    verify: Option<Verify>,
    /// Name or id of a table or of any other object
    #[arg(required_unless_present = "files", add = complete::anything())]
    id: Option<String>,
    /// Sign these files instead of a result, such as the files of a release; needs no registry
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "id")]
    files: Vec<PathBuf>,
    /// The private key, made by `reg key new` or openssl
    #[arg(long, value_name = "FILE", required = true)]
    key: Option<PathBuf>,
    /// The signed statement (a DSSE envelope)
    #[arg(short, long, value_name = "FILE", required = true)]
    output: Option<PathBuf>,
}

#[derive(clap::Subcommand)]
enum Verify {
    /// Verify the signature of a statement, and check files against the statement; exit code 3 if any check fails
    Verify {
        /// The signed statement
        statement: PathBuf,
        /// The public key of the expected signer
        #[arg(long, value_name = "FILE.pub")]
        key: PathBuf,
        /// Files to check against the statement
        files: Vec<PathBuf>,
        /// Also hash every object of the statement in the registry
        #[arg(long)]
        objects: bool,
    },
}

pub(crate) fn run(context: &Context, args: AttestArgs) -> Result<Reply, Failure> {
    if let Some(Verify::Verify { statement, key, files, objects }) = args.verify {
        return verify(context, &statement, &key, &files, objects);
    }
    let (Some(key), Some(output)) = (args.key, args.output) else {
        return Err(Failure::usage("give --key and --output"));
    };
    Registry::refuse_output(&output)?;
    let key = SigningKey::read(&key)?;
    let Some(id) = args.id else {
        let statement = state_files(&args.files, context.environment.git.as_ref())?;
        return sign(&statement, &key, &output, None);
    };
    let registry = context.registry()?;
    let view = registry.view()?;
    let id = registry.resolve(&view, &id)?;
    let mut records = Vec::new();
    for id in behind(&registry, &view, &[id])? {
        let kind = view.kind(&id).map_err(RegistryError::from)?;
        records.extend(kind.map(|kind| (id, kind)));
    }
    drop(view);
    marks::warn(context, &registry, [id])?;
    let statement = state(&registry, id)?;
    // A false result is not signed.
    for (id, kind) in records {
        match verify_record(&registry, id, kind) {
            Err(e) if e.is_older_rules() => context.note(&format!("warning: {e}")),
            held => held?,
        }
    }
    sign(&statement, &key, &output, Some(id))
}

/// Writes a signed statement, about a result or about files.
fn sign(statement: &Statement, key: &SigningKey, output: &Path, id: Option<Hash>) -> Result<Reply, Failure> {
    save(output, &seal(statement, key))?;
    let (materials, byproducts) = (statement.materials().len(), statement.byproducts().len());
    let keyid = key.public().id();
    let text = format!("{}: signed {}, with key {}", output.display(), contents(statement), &keyid[..12]);
    let mut json = json!({
        "id": id, "file": in_json(output), "keyid": keyid, "materials": materials, "byproducts": byproducts,
    });
    if id.is_none() {
        json["files"] = json!(statement.subject);
    }
    Ok(Reply::new(text, json))
}

/// A result with its SHA-256.
fn named(subject: &Artifact) -> String {
    format!("{} ({})", subject.name, subject.sha256().unwrap_or_default())
}

/// What a statement is about, in words.
fn contents(statement: &Statement) -> String {
    if statement.is_of_files() {
        return counted(statement.subject.len() as u64, "file");
    }
    format!(
        "{}, {}, {}",
        named(&statement.subject[0]),
        counted(statement.materials().len() as u64, "input"),
        counted(statement.byproducts().len() as u64, "intermediate result")
    )
}

fn verify(
    context: &Context,
    path: &Path,
    key: &Path,
    files: &[PathBuf],
    objects: bool,
) -> Result<Reply, Failure> {
    let key = PublicKey::read(key)?;
    let statement = open(&limits::read(path, limits::STATEMENT).doing("read", path)?, &key, path)?;
    let (mut lines, mut wrong, mut checked) = (Vec::new(), Vec::new(), Vec::new());
    for file in files {
        let digits = file_digest(file)?.sha256.digits();
        match statement.artifacts().find(|artifact| artifact.sha256() == Some(&digits)) {
            Some(artifact) => {
                lines.push(format!("{}: {}", file.display(), artifact.name));
                checked.push(json!({ "file": in_json(file), "sha256": digits, "name": artifact.name }));
            }
            None => {
                wrong.push(format!("{}: the statement has no file with SHA-256 {digits}", file.display()))
            }
        }
    }
    if objects {
        let registry = context.registry()?;
        for artifact in statement.artifacts() {
            if let Err(why) = object(&registry, artifact) {
                wrong.push(format!("{}: {why}", artifact.name));
            }
        }
    }
    let ok = wrong.is_empty();
    let (subject, materials, byproducts) =
        (&statement.subject[0], statement.materials().len(), statement.byproducts().len());
    lines.extend(wrong.iter().cloned());
    lines.push(format!(
        "{}: {}, signed with key {}",
        if ok { "verified" } else { "signature valid, but not all files match" },
        contents(&statement),
        &key.id()[..12],
    ));
    if objects && ok {
        lines.push(match statement.artifacts().count() {
            1 => "1 object in the registry matches the statement".to_owned(),
            many => format!("{} objects in the registry match the statement", thousands(many as u64)),
        });
    }
    let json = json!({
        "ok": ok, "id": subject.id(), "keyid": key.id(), "subject": subject, "materials": materials,
        "byproducts": byproducts, "files": checked, "wrong": wrong,
    });
    let reply = Reply::new(lines.join("\n"), json);
    Ok(if ok { reply } else { reply.with_code(NO) })
}

/// Compares an object of the registry with the statement.
fn object(registry: &Registry, artifact: &Artifact) -> Result<(), String> {
    let id = artifact.id().ok_or("it has no id")?;
    if artifact.is_purged() && !registry.store().contains(&id) {
        return Ok(());
    }
    let mut hasher = Hasher::both();
    let file = registry.store().open_object(&id).map_err(std::io::Error::other);
    let read = file.and_then(|(file, _)| hasher.read(file));
    read.map_err(|_| "it is not in the registry".to_owned())?;
    let digest = hasher.digest();
    match digest.blake3 == id && artifact.sha256() == Some(&digest.sha256.digits()) {
        true => Ok(()),
        false => Err("its bytes in the registry differ".to_owned()),
    }
}
