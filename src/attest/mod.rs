//! Signed provenance: a statement of a result and its lineage that other tools can read and verify.
//!
//! The statement follows in-toto (Statement v1 with an SLSA provenance v1 predicate), the envelope is DSSE, the
//! signature Ed25519 (RFC 8032), the keys are PEM (PKCS #8, RFC 8410). Nothing of this is stored in a registry:
//! a statement is a function of the objects in the lineage of a result, and the signer vouches for them. Files that are
//! handed out, such as those of a release, are stated in the same form.

mod envelope;
mod error;
mod files;
mod key;
mod statement;

pub use envelope::{open, seal};
pub use error::AttestError;
pub use files::{file_digest, state_files};
pub use key::{PublicKey, SigningKey, public_path};
pub use statement::{Artifact, PREDICATE_TYPE, Statement, state};
