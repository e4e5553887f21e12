//! The envelope: DSSE 1.0, a document and its signatures in JSON.
//!
//! The signature covers the *pre-authentication encoding* of type and payload, so a signature cannot be reused
//! for another type of document.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::{AttestError, PublicKey, SigningKey, Statement};

/// The type of an in-toto statement.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// Unknown fields are refused: unsigned data must not look as if it were signed.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    keyid: String,
    sig: String,
}

/// Signs a statement. The same statement and key give the same bytes.
pub fn seal(statement: &Statement, key: &SigningKey) -> Vec<u8> {
    let mut payload = serde_json::to_vec(statement).expect("a document's keys are texts");
    // Without padding, base64 has no unused bits.
    payload.resize(payload.len().next_multiple_of(3), b'\n');
    let sig = key.sign(&encoding(PAYLOAD_TYPE, &payload));
    let envelope = Envelope {
        payload: BASE64.encode(payload),
        payload_type: PAYLOAD_TYPE.to_owned(),
        signatures: vec![Signature { keyid: key.public().id(), sig: BASE64.encode(sig) }],
    };
    serde_json::to_vec(&envelope).expect("a document's keys are texts")
}

/// Reads a statement that the key's owner signed.
///
/// # Errors
/// [`AttestError::Refused`] for any other content of the file.
pub fn open(bytes: &[u8], key: &PublicKey, path: &Path) -> Result<Statement, AttestError> {
    let refused = |reason: String| AttestError::Refused { path: path.to_owned(), reason };
    let envelope: Envelope =
        serde_json::from_slice(bytes).map_err(|e| refused(format!("it is not a DSSE envelope ({e})")))?;
    let decode =
        |text: &str| BASE64.decode(text).map_err(|e| refused(format!("its base64 is invalid ({e})")));
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(refused(format!("its payload is {:?}, not an in-toto statement", envelope.payload_type)));
    }
    let payload = decode(&envelope.payload)?;
    let signed = encoding(PAYLOAD_TYPE, &payload);
    let id = key.id();
    let mut verified = false;
    for signature in envelope.signatures.iter().filter(|signature| signature.keyid == id) {
        let sig: [u8; 64] = decode(&signature.sig)?
            .try_into()
            .map_err(|_| refused("its signature is not 64 bytes long".to_owned()))?;
        if !key.verifies(&signed, &sig) {
            return Err(refused("its signature does not match its content".to_owned()));
        }
        verified = true;
    }
    if !verified {
        return Err(refused(format!("it was not signed with the key {id}")));
    }
    serde_json::from_slice(&payload)
        .map_err(|e| refused(format!("the signed document is not a provenance statement ({e})")))
        .and_then(|statement: Statement| statement.checked().map_err(refused))
}

/// DSSE's pre-authentication encoding.
fn encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the DSSE specification.
    #[test]
    fn the_encoding_is_that_of_the_specification() {
        let expected: &[u8] = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
        assert_eq!(encoding("http://example.com/HelloWorld", b"hello world"), expected);
    }
}
