//! Imports pre-trained weights as safetensors, never as pickle, which can run code.

use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::RunError;
use crate::digits::thousands;
use crate::hash::{Hash, Id};
use crate::limits;
use crate::recognise::{FileKind, HEAD};
use crate::records::Weights;
use crate::records::tensors::{WeightsFile, sizes};
use crate::registry::{Objects, Registry, Stamp};

/// Imports a safetensors file. The weights are linked to the runs of this registry whose checkpoint the file
/// is. The last part of the result are notes: what is converted when the weights are read, and what does not fit.
pub fn import_weights(
    registry: &Registry,
    path: &Path,
    name: Option<&str>,
    stamp: &Stamp,
) -> Result<(Id<Weights>, Weights, Vec<String>), RunError> {
    let bytes = load(path)?;
    let wrong = |reason: String| not_safetensors(path, &bytes, reason);
    let file = WeightsFile::read(&bytes).map_err(wrong)?;
    file.check_finite().map_err(|reason| RunError::BadWeights { path: path.to_owned(), reason })?;
    let mut notes = Vec::new();
    if !file.prefixes.is_empty() {
        let prefixes: Vec<String> = file.prefixes.iter().map(|prefix| format!("`{prefix}`")).collect();
        notes.push(format!("tensors are read without the prefix {}", prefixes.join(" or ")));
    }
    if !file.converted().is_empty() {
        let types: Vec<String> = file.converted().into_iter().collect();
        notes
            .push(format!("numbers of type {} are converted to F32 when they are read", types.join(" and ")));
    }
    notes.extend(
        file.misfit().map(|misfit| format!("warning: no model can start from these weights: {misfit}")),
    );
    let tensors = sizes(&bytes).map_err(wrong)?;
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
    Ok((id, weights, notes))
}

fn not_safetensors(path: &Path, head: &[u8], reason: String) -> RunError {
    let kind = FileKind::of(&head[..head.len().min(HEAD)]);
    let reason = match kind {
        FileKind::Safetensors | FileKind::Other | FileKind::Text => reason,
        kind => format!("it is {}", kind.described()),
    };
    RunError::NotSafetensors { path: path.to_owned(), reason, kind }
}

/// Reads a file as long as its header says that it is: nothing else is kept in memory, however long the file is.
fn load(path: &Path) -> Result<Vec<u8>, RunError> {
    let io = || RunError::io("read", path);
    let mut file = fs::File::open(path).map_err(io())?;
    let mut bytes = Vec::new();
    let mut take = |bytes: &mut Vec<u8>, until: u64| {
        let more = until.saturating_sub(bytes.len() as u64);
        file.by_ref().take(more).read_to_end(bytes).map_err(io())
    };
    take(&mut bytes, HEAD as u64)?;
    let Some(length) = bytes.first_chunk().map(|length| u64::from_le_bytes(*length)) else {
        return Ok(bytes);
    };
    if length > limits::WEIGHTS_HEADER {
        let reason = "it does not start with the length of a header".to_owned();
        return Err(not_safetensors(path, &bytes, reason));
    }
    take(&mut bytes, 8 + length)?;
    let header = bytes.get(8..8 + length as usize).ok_or_else(|| "it is cut off".to_owned());
    let header: Result<Map<String, Value>, String> =
        header.and_then(|header| serde_json::from_slice(header).map_err(|e| format!("its header: {e}")));
    let header = header.map_err(|reason| not_safetensors(path, &bytes, reason))?;
    let ends = header.values().filter_map(|tensor| tensor.get("data_offsets")?.get(1)?.as_u64());
    let data = ends.max().unwrap_or(0);
    if data > limits::WEIGHTS {
        let reason = format!("its tensors have more than {} bytes", thousands(limits::WEIGHTS));
        return Err(not_safetensors(path, &bytes, reason));
    }
    // One more byte shows that the file is longer.
    take(&mut bytes, 8 + length + data + 1)?;
    if bytes.len() as u64 > 8 + length + data {
        return Err(not_safetensors(path, &bytes, "it has bytes after its last tensor".to_owned()));
    }
    Ok(bytes)
}
