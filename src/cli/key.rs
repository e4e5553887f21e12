//! `reg key`.

use std::path::PathBuf;

use reg::attest::SigningKey;
use serde_json::json;

use super::error::Failure;
use super::output::Reply;

/// Make keys that sign attestations
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make an Ed25519 key: the private half for its owner's eyes only, the public one beside it, both PEM
    New {
        /// The private key; the public one has `.pub` behind its name
        #[arg(short, long, value_name = "FILE", default_value = "reg.key")]
        output: PathBuf,
    },
}

pub(crate) fn run(command: Command) -> Result<Reply, Failure> {
    let Command::New { output } = command;
    let key = SigningKey::generate()?;
    let public = key.write(&output)?;
    let id = key.public().id();
    let text = format!(
        "private  {} (keep it; nobody else may read it)\npublic   {} (give it to whoever shall check)\nkey id   {id}",
        output.display(),
        public.display()
    );
    Ok(Reply::new(text, json!({ "private": output, "public": public, "keyid": id })))
}
