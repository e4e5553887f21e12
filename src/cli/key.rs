//! `reg key`.

use std::path::PathBuf;

use reg::attest::SigningKey;
use serde_json::json;

use super::error::Failure;
use super::output::{Reply, in_json};

/// Create keys that sign attestations
#[derive(clap::Subcommand)]
pub(crate) enum KeyCommand {
    /// Create an Ed25519 key pair in PEM; only its owner can read the private key
    New {
        /// File of the private key; the public key gets the same name with `.pub` added
        #[arg(short, long, value_name = "FILE", default_value = "reg.key")]
        output: PathBuf,
    },
}

pub(crate) fn run(command: KeyCommand) -> Result<Reply, Failure> {
    let KeyCommand::New { output } = command;
    let key = SigningKey::generate()?;
    let public = key.write(&output)?;
    let id = key.public().id();
    let text = format!(
        "private  {} (keep it secret)\npublic   {} (give it to everyone who verifies)\nkey id   {id}",
        output.display(),
        public.display()
    );
    Ok(Reply::new(text, json!({ "private": in_json(&output), "public": in_json(&public), "keyid": id })))
}
