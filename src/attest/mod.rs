//! Signed provenance: a statement of what a result is and what it was made of, that tools of others read and check.
//!
//! The statement is in-toto's (Statement v1 with SLSA's provenance v1 as predicate), the envelope is DSSE, the
//! signature Ed25519 (RFC 8032), the keys are PEM (PKCS #8, RFC 8410). Nothing of it enters a registry: a statement
//! is a function of the objects behind a result, and whoever signs it vouches for them.

mod envelope;
mod error;
mod key;
mod statement;

pub use envelope::{open, seal};
pub use error::AttestError;
pub use key::{PublicKey, SigningKey, public_path};
pub use statement::{Artifact, PREDICATE_TYPE, Statement, state};
