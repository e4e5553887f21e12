//! Imports pre-trained weights as safetensors, never as pickle, which can run code.

use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::RunError;
use crate::digits::thousands;
use crate::hash::{Hash, Id};
use crate::limits;
use crate::records::{Spec, Weights};
use crate::registry::{Objects, Registry, RegistryError, Stamp};

/// Imports a safetensors file. The weights are linked to the runs of this registry whose checkpoint the file
/// is.
pub fn import_weights(
    registry: &Registry,
    path: &Path,
    name: Option<&str>,
    stamp: &Stamp,
) -> Result<(Id<Weights>, Weights), RunError> {
    let wrong = |reason: &str| RunError::NotSafetensors { path: path.to_owned(), reason: reason.to_owned() };
    let bytes = load(path)?;
    let tensors = tensors(&bytes).map_err(|reason| wrong(&reason))?;
    let parameters = tensors.iter().map(|(_, numbers)| numbers).sum();
    let hash = Hash::of(&bytes);
    let runs = registry.runs_of(&hash)?;
    let mut transaction = registry.transaction()?;
    let file = transaction.put_outside(&bytes)?;
    let weights = Weights { file, runs, tensors: tensors.len() as u64, parameters };
    let id = transaction.put(&weights)?;
    if let Some(name) = name {
        transaction.name(name, id.hash)?;
    }
    transaction.commit(stamp)?;
    Ok((id, weights))
}

/// Reads a file as long as its header says that it is: nothing else is kept in memory, however long the file is.
fn load(path: &Path) -> Result<Vec<u8>, RunError> {
    let wrong = |reason: String| RunError::NotSafetensors { path: path.to_owned(), reason };
    let io = || RunError::io("read", path);
    let mut file = fs::File::open(path).map_err(io())?;
    let mut bytes = Vec::new();
    let mut take = |bytes: &mut Vec<u8>, most: u64| file.by_ref().take(most).read_to_end(bytes).map_err(io());
    take(&mut bytes, 8)?;
    let Some(length) = bytes.first_chunk().map(|length| u64::from_le_bytes(*length)) else {
        return Ok(bytes);
    };
    if length > limits::WEIGHTS_HEADER {
        return Err(wrong(TOO_LONG_A_HEADER.to_owned()));
    }
    take(&mut bytes, length)?;
    let header: Map<String, Value> =
        serde_json::from_slice(&bytes[8..]).map_err(|e| wrong(format!("its header: {e}")))?;
    let ends = header.values().filter_map(|tensor| tensor.get("data_offsets")?.get(1)?.as_u64());
    let data = ends.max().unwrap_or(0);
    if data > limits::WEIGHTS {
        return Err(wrong(format!("its tensors have more than {} bytes", thousands(limits::WEIGHTS))));
    }
    // One more byte shows that the file is longer.
    take(&mut bytes, data + 1)?;
    Ok(bytes)
}

const TOO_LONG_A_HEADER: &str = "it does not start with the length of a header";

/// The specs of the runs from which a network's weights come: of the run whose checkpoint was its initial
/// weights, of the run whose checkpoint that run started from, and so on. The network has seen everything that
/// they have seen.
pub(super) fn learnt_before(objects: &dyn Objects, spec: &Spec) -> Result<Vec<Spec>, RegistryError> {
    let (mut before, mut begun): (Vec<Spec>, Vec<Id<Weights>>) =
        (Vec::new(), spec.weights.into_iter().collect());
    while let Some(weights) = begun.pop() {
        for run in objects.origins(weights)? {
            let spec = objects.get(objects.get(run)?.spec)?;
            begun.extend(spec.weights);
            before.push(spec);
        }
    }
    Ok(before)
}

/// Bytes per number; `None` for packed or unknown types.
fn width(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "F64" | "I64" | "U64" => 8,
        "F32" | "I32" | "U32" => 4,
        "F16" | "BF16" | "I16" | "U16" => 2,
        "I8" | "U8" | "BOOL" => 1,
        _ => return None,
    })
}

/// The tensors of a file with their number of values; checks that every tensor is within the file.
pub(super) fn tensors(bytes: &[u8]) -> Result<Vec<(String, u64)>, String> {
    let too_short = || "it is cut off".to_owned();
    let (length, rest) = bytes.split_first_chunk().ok_or_else(too_short)?;
    let length = u64::from_le_bytes(*length);
    if length > limits::WEIGHTS_HEADER {
        return Err(TOO_LONG_A_HEADER.to_owned());
    }
    let (header, data) = rest.split_at_checked(length as usize).ok_or_else(too_short)?;
    let header: Map<String, Value> =
        serde_json::from_slice(header).map_err(|e| format!("its header: {e}"))?;
    let (mut tensors, mut all) = (Vec::new(), 0u64);
    for (name, tensor) in header.iter().filter(|(name, _)| *name != "__metadata__") {
        let numbers = |key: &str| -> Option<Vec<u64>> {
            tensor.get(key)?.as_array()?.iter().map(Value::as_u64).collect()
        };
        let shape = numbers("shape").ok_or_else(|| format!("tensor `{name}` has no shape"))?;
        let room = match numbers("data_offsets").as_deref() {
            Some([from, to]) if from <= to && *to <= data.len() as u64 => to - from,
            _ => return Err(format!("tensor `{name}` is not within the file")),
        };
        let too_large = || format!("tensor `{name}` is too large");
        let count = shape.iter().try_fold(1u64, |product, side| product.checked_mul(*side));
        let count = count.ok_or_else(too_large)?;
        let width = tensor.get("dtype").and_then(Value::as_str).and_then(width);
        if width.is_some_and(|width| count.checked_mul(width) != Some(room)) {
            return Err(format!("tensor `{name}` does not have the number of bytes of its shape"));
        }
        all = all.checked_add(count).ok_or_else(too_large)?;
        tensors.push((name.clone(), count));
    }
    let ends = header.values().filter_map(|tensor| tensor.get("data_offsets")?.get(1)?.as_u64());
    if ends.max().is_some_and(|end| end < data.len() as u64) {
        return Err("it has bytes after its last tensor".to_owned());
    }
    if tensors.is_empty() { Err("it contains no tensors".to_owned()) } else { Ok(tensors) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    }

    #[test]
    fn tensors_and_numbers_are_counted() {
        let header = r#"{"__metadata__":{"a":"b"},"x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;
        assert_eq!(tensors(&file(header, 24)), Ok(vec![("x".to_owned(), 6)]));
    }

    #[test]
    fn what_is_no_safetensors_is_refused() {
        let outside = r#"{"x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;
        for wrong in [
            Vec::new(),
            b"PK\x03\x04 a pickle in a zip".to_vec(),
            file("{}", 0),
            file("[", 0),
            file(outside, 23),
            file(&outside.replace("[2,3]", "[2,2]"), 24),
        ] {
            assert!(tensors(&wrong).is_err());
        }
    }
}
