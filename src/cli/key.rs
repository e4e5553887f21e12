//! `reg key`.

use std::path::{Path, PathBuf};

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
    /// Write a missing public key next to its private key
    Public {
        /// File of the private key; the public key gets the same name with `.pub` added
        #[arg(value_name = "FILE", default_value = "reg.key")]
        private: PathBuf,
    },
}

pub(crate) fn run(command: KeyCommand) -> Result<Reply, Failure> {
    match command {
        KeyCommand::New { output } => {
            let key = SigningKey::generate()?;
            let public = key.write(&output)?;
            Ok(reply(&key, &output, &public))
        }
        KeyCommand::Public { private } => {
            let key = SigningKey::read(&private)?;
            let public = key.write_public(&private)?;
            Ok(reply(&key, &private, &public))
        }
    }
}

fn reply(key: &SigningKey, private: &Path, public: &Path) -> Reply {
    let id = key.public().id();
    let text = format!(
        "private  {} (keep it secret)\npublic   {} (give it to everyone who verifies)\nkey id   {id}",
        private.display(),
        public.display()
    );
    Reply::new(text, json!({ "private": in_json(private), "public": in_json(public), "keyid": id }))
}
