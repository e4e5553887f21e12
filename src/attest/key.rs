//! Keys, in standard formats.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes,
};
use ed25519_dalek::{Signature, Signer, VerifyingKey};

use super::AttestError;
use crate::disk::{Doing, FileError, OutputFile};
use crate::hash::Digest;
use crate::limits;
use crate::registry::Registry;

/// A private Ed25519 key; it is wiped from memory when it is dropped.
pub struct SigningKey(ed25519_dalek::SigningKey);

/// A public Ed25519 key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// Path of the public key of a private key: next to it, with `.pub` appended.
pub fn public_path(private: &Path) -> PathBuf {
    let mut name = OsString::from(private);
    name.push(".pub");
    name.into()
}

impl SigningKey {
    /// Generates a key from the system's random bytes.
    pub fn generate() -> Result<Self, AttestError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|e| AttestError::Random(e.to_string()))?;
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        seed.fill(0);
        Ok(SigningKey(key))
    }

    /// Writes the private key, readable only by its owner, and the public key next to it.
    ///
    /// Both are on the disk under random names before the private key gets its name, and then the public key its own.
    /// So a process that is killed leaves no key, a private key, which [`SigningKey::write_public`] completes, or both.
    ///
    /// # Errors
    /// A file that already exists, and a path inside a registry.
    pub fn write(&self, path: &Path) -> Result<PathBuf, AttestError> {
        let public = public_path(path);
        outside_of_registries(path)?;
        match [path, &public].map(|path| path.symlink_metadata().is_ok()) {
            [false, false] => {}
            [true, false] => return Err(AttestError::NoPublicKey { private: path.to_owned(), public }),
            [true, true] => return Err(AttestError::Exists(path.to_owned())),
            [false, true] => return Err(AttestError::Exists(public)),
        }
        // Without the public key in it: OpenSSL 3.0 reads only version 1 of PKCS #8.
        let bytes = KeypairBytes { secret_key: self.0.to_bytes(), public_key: None };
        let private = bytes.to_pkcs8_pem(LineEnding::LF).expect("an Ed25519 key can be written");
        let private = staged(path, private.as_bytes(), 0o600)?;
        let second = staged(&public, self.public().pem().as_bytes(), 0o644)?;
        private.finish_new().map_err(not_new(path))?;
        // A process that is not killed leaves nothing.
        second.finish_new().map_err(not_new(&public)).inspect_err(|_| drop(fs::remove_file(path)))?;
        Ok(public)
    }

    /// Writes the public key next to its private key, which lies at `private` already.
    ///
    /// # Errors
    /// A file that already exists.
    pub fn write_public(&self, private: &Path) -> Result<PathBuf, AttestError> {
        let public = public_path(private);
        let file = staged(&public, self.public().pem().as_bytes(), 0o644)?;
        file.finish_new().map_err(not_new(&public))?;
        Ok(public)
    }

    /// Reads a private key from `reg key new` or `openssl genpkey -algorithm ed25519`.
    ///
    /// # Errors
    /// A file that others can read, a file inside a registry, and a file with other content.
    pub fn read(path: &Path) -> Result<Self, AttestError> {
        let text = read(path)?;
        outside_of_registries(path)?;
        let not = |reason: &str| AttestError::NotAKey {
            path: path.to_owned(),
            expected: "private Ed25519 key in PEM",
            reason: reason.to_owned(),
        };
        match ed25519_dalek::SigningKey::from_pkcs8_pem(&text) {
            Ok(key) => {
                let mode = fs::metadata(path).doing("read", path)?.permissions().mode();
                match mode & 0o077 {
                    0 => Ok(SigningKey(key)),
                    _ => Err(AttestError::Exposed { path: path.to_owned(), mode: mode & 0o777 }),
                }
            }
            Err(_) if text.contains("BEGIN PUBLIC KEY") => Err(not("it is a public key")),
            Err(_) if text.contains("BEGIN ENCRYPTED PRIVATE KEY") => {
                Err(not("it is protected by a passphrase"))
            }
            Err(_) if text.contains("BEGIN OPENSSH PRIVATE KEY") => Err(not("it is an OpenSSH key")),
            Err(_) if text.contains("BEGIN PRIVATE KEY") => {
                Err(not("it is a key of another type, or damaged"))
            }
            Err(_) => Err(not("the file contains no key")),
        }
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs; the same bytes give the same signature.
    pub(super) fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.0.sign(bytes).to_bytes()
    }
}

impl PublicKey {
    /// Reads a public key in PEM.
    pub fn read(path: &Path) -> Result<Self, AttestError> {
        let text = read(path)?;
        let not = |reason: &str| AttestError::NotAKey {
            path: path.to_owned(),
            expected: "public Ed25519 key in PEM",
            reason: reason.to_owned(),
        };
        match VerifyingKey::from_public_key_pem(&text) {
            // Anybody can make signatures that a key of small order accepts.
            Ok(key) if key.is_weak() => Err(not("it is a weak key and proves nothing")),
            Ok(key) => Ok(PublicKey(key)),
            Err(_) if text.contains("PRIVATE KEY") => Err(not("it is a private key; keep it secret")),
            Err(_) if text.contains("BEGIN PUBLIC KEY") => {
                Err(not("it is a key of another type, or damaged"))
            }
            Err(_) => Err(not("the file contains no key")),
        }
    }

    /// As PEM (SubjectPublicKeyInfo).
    pub fn pem(&self) -> String {
        self.0.to_public_key_pem(LineEnding::LF).expect("an Ed25519 key can be written")
    }

    /// The key's id in envelopes: the SHA-256 of its canonical JSON, as defined by The Update Framework
    /// (specification 1.0, 4.2) and computed by securesystemslib.
    pub fn id(&self) -> String {
        let digits: String = self.0.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let canonical =
            format!(r#"{{"keytype":"ed25519","keyval":{{"public":"{digits}"}},"scheme":"ed25519"}}"#);
        Digest::of(canonical.as_bytes()).sha256.digits()
    }

    /// Whether the signature of these bytes is by the key's owner.
    pub(super) fn verifies(&self, bytes: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(bytes, &Signature::from_bytes(signature)).is_ok()
    }
}

/// The bytes of a key, on the disk under a random name beside `path`.
fn staged(path: &Path, bytes: &[u8], mode: u32) -> Result<OutputFile, AttestError> {
    let mut file = OutputFile::begin_with_mode(path, mode).doing("write", path)?;
    file.write_durably(bytes).doing("write", path)?;
    Ok(file)
}

/// The error of a key that could not get its name.
fn not_new(path: &Path) -> impl FnOnce(io::Error) -> AttestError {
    move |e| match e.kind() {
        ErrorKind::AlreadyExists => AttestError::Exists(path.to_owned()),
        _ => FileError::new("write", path, e).into(),
    }
}

/// Refuses a path inside a registry, which is copied, served and passed on.
fn outside_of_registries(path: &Path) -> Result<(), AttestError> {
    match Registry::holding(path) {
        Some(registry) => Err(AttestError::InRegistry { path: path.to_owned(), registry }),
        None => Ok(()),
    }
}

fn read(path: &Path) -> Result<String, AttestError> {
    let text = limits::read(path, limits::KEY).doing("read", path)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
