//! Imports pre-trained weights as safetensors, never as pickle, which can run code.

use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::RunError;
use crate::digits::{counted, thousands};
use crate::disk::Doing;
use crate::escape;
use crate::hash::{Hash, Id};
use crate::limits;
use crate::network::weights_fit;
use crate::recognise::{FileKind, HEAD};
use crate::records::tensors::{WeightsFile, is_float, parameters, sizes};
use crate::records::{Dataset, TrainingData, Weights, is_plain_text};
use crate::registry::{Objects, Registry, Stamp};

/// What stands for weights of which nobody knows.
const UNKNOWN: &str = "unknown";
/// What stands before the name of images that are in no data set.
const EXTERNAL: &str = "external";

/// What the weights of a file were trained on, by what somebody says: `DATASET`, `DATASET:SPLIT:FOLD`, `external NAME`
/// or `unknown`, which gives none.
///
/// # Errors
/// A text of another form, names that are not known, and a division that the split does not have.
pub fn declared(registry: &Registry, text: &str) -> Result<Option<TrainingData>, RunError> {
    let odd = |reason: String| RunError::TrainedOn { text: escape::line(text), reason };
    let text = text.trim();
    if text == UNKNOWN {
        return Ok(None);
    }
    if let Some(name) = text.strip_prefix(EXTERNAL).filter(|rest| !rest.starts_with(char::is_alphanumeric)) {
        let name = name.trim_start_matches([' ', ':']).trim();
        if !is_plain_text(name, limits::SOURCE_ID) {
            let most = limits::SOURCE_ID;
            return Err(odd(format!("`{EXTERNAL}` needs a name of 1 to {most} visible characters")));
        }
        let first = name.split(':').next().unwrap_or(name);
        if name == UNKNOWN || registry.resolve_as::<Dataset>(&registry.view()?, first).is_ok() {
            let what =
                if name == UNKNOWN { "means an unknown origin" } else { "is a data set of this registry" };
            return Err(odd(format!("`{first}` {what}: give it without `{EXTERNAL}`")));
        }
        return Ok(Some(TrainingData::External { name: name.to_owned() }));
    }
    let view = registry.view()?;
    let parts: Vec<&str> = text.split(':').collect();
    let data = match parts[..] {
        [dataset] => TrainingData::Dataset { dataset: registry.resolve_as(&view, dataset)? },
        [dataset, split, fold] => TrainingData::Division {
            dataset: registry.resolve_as(&view, dataset)?,
            split: registry.resolve_as(&view, split)?,
            fold: fold.parse().map_err(|_| odd(format!("`{fold}` is not the number of a division")))?,
        },
        _ => return Err(odd("it has neither the form DATASET nor DATASET:SPLIT:FOLD".to_owned())),
    };
    if let TrainingData::Division { dataset, split, fold } = data {
        let (record, of) = (registry.get(split)?, parts[1]);
        if record.dataset != dataset {
            return Err(odd(format!("split `{of}` is of another data set")));
        }
        if record.folds.len() <= fold as usize {
            let divisions = record.method.division().counted(record.folds.len());
            return Err(odd(format!("split `{of}` has {divisions}, counted from 0")));
        }
    }
    Ok(Some(data))
}

/// Imports a safetensors file. The weights are linked to the runs of this registry whose checkpoint the file
/// is, and to what they were `trained_on`. The last part of the result are notes: what is converted when the weights are
/// read, what does not fit, and whether anybody knows what they were trained on.
pub fn import_weights(
    registry: &Registry,
    path: &Path,
    name: Option<&str>,
    mut trained_on: Vec<TrainingData>,
    stamp: &Stamp,
) -> Result<(Id<Weights>, Weights, Vec<String>), RunError> {
    let bytes = load(path)?;
    let wrong = |reason: String| not_safetensors(path, &bytes, reason);
    let file = WeightsFile::read(&bytes).map_err(wrong)?;
    file.check_finite().map_err(|reason| RunError::BadWeights { path: path.to_owned(), reason })?;
    let mut notes = Vec::new();
    if !file.prefixes.is_empty() {
        let prefixes: Vec<String> = file.prefixes.iter().map(|prefix| format!("`{prefix}`")).collect();
        notes.push(format!("tensors are read without the prefix {}", prefixes.join(" and ")));
    }
    if file.renamed > 0 {
        notes.push(format!(
            "{} with an older name of a DenseNet layer {} read under torchvision's current name",
            counted(file.renamed, "tensor"),
            if file.renamed == 1 { "is" } else { "are" }
        ));
    }
    if !file.converted().is_empty() {
        let types: Vec<String> = file.converted().into_iter().collect();
        notes
            .push(format!("numbers of type {} are converted to F32 when they are read", types.join(" and ")));
    }
    if file.is_of_torchxrayvision() {
        notes.push(
            "TorchXRayVision's networks take pixels from -1024 to 1024, and reg's take normalized ones: fine-tune these \
             weights (--init fine-tune) before their scores are used"
                .to_owned(),
        );
    }
    for (kind, tensor) in file.unusable() {
        notes.push(format!(
            "tensor {tensor} has numbers of type {kind}, from which no network can start: save the weights as floating point"
        ));
    }
    let used = file.tensors().filter(|(name, view)| WeightsFile::is_used(name) && is_float(view));
    let shape = |view: &[usize]| view.iter().map(|side| *side as u64).collect();
    notes.push(weights_fit(&used.map(|(name, view)| (name, shape(view.shape()))).collect()).to_string());
    let tensors = sizes(&bytes).map_err(wrong)?;
    let parameters = parameters(&tensors);
    let hash = Hash::of(&bytes);
    let mut known = (registry as &dyn Objects).origins(&hash)?;
    trained_on.sort_unstable();
    trained_on.dedup();
    known.trained_on.extend(trained_on.iter().cloned());
    if known.is_unknown() {
        notes.push(
            "the training data of these weights is unknown, and every result that starts from them will say so; if you know the training data, import the file again with --trained-on"
                .to_owned(),
        );
    }
    let runs = registry.runs_of(&hash)?;
    let mut transaction = registry.transaction()?;
    let file = transaction.put_outside(&bytes)?;
    let weights = Weights { file, runs, trained_on, tensors: tensors.len() as u64, parameters };
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
    let mut file = fs::File::open(path).doing("read", path)?;
    let mut bytes = Vec::new();
    let mut take = |bytes: &mut Vec<u8>, until: u64| {
        let more = until.saturating_sub(bytes.len() as u64);
        file.by_ref().take(more).read_to_end(bytes).doing("read", path)
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What is said of a file with zeros in the tensors that another package's network has.
    fn said_of(network: &str) -> String {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/weights");
        let packed = fs::read(format!("{folder}/{network}.json.gz")).unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
        let shapes: Map<String, Value> = serde_json::from_str(&text).unwrap();
        let (mut header, mut end) = (Map::new(), 0);
        for (name, shape) in shapes {
            let start = end;
            end += 4 * shape.as_array().unwrap().iter().map(|side| side.as_u64().unwrap()).product::<u64>();
            let tensor = serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, end] });
            header.insert(name, tensor);
        }
        let header = Value::Object(header).to_string().into_bytes();
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(&header);
        bytes.resize(bytes.len() + end as usize, 0);
        let file = WeightsFile::read(&bytes).unwrap();
        let used = file.tensors().filter(|(name, _)| WeightsFile::is_used(name));
        let shape = |view: &[usize]| view.iter().map(|side| *side as u64).collect();
        weights_fit(&used.map(|(name, view)| (name, shape(view.shape()))).collect()).to_string()
    }

    #[test]
    fn the_names_of_other_packages_are_those_of_our_networks() {
        for (network, expected) in [
            (
                "torchvision-densenet121",
                "tensors of densenet121; the last layer, `classifier`, has 1,000 outputs",
            ),
            ("torchvision-resnet50", "tensors of resnet50; the last layer, `fc`, has 1,000 outputs"),
            ("timm-densenet121", "tensors of densenet121; the last layer, `classifier`, has 1,000 outputs"),
            ("timm-resnet18-1channel", "tensors of resnet18-1channel; the last layer, `fc`, has 14 outputs"),
            ("timm-resnet50", "tensors of resnet50, without a last layer"),
            (
                "torchxrayvision-densenet121",
                "tensors of densenet121-1channel; the last layer, `classifier`, has 18",
            ),
            (
                "torchxrayvision-resnet50",
                "tensors of resnet50-1channel; the last layer, `fc`, has 18 outputs",
            ),
            ("chexnet", "tensors of densenet121; the last layer, `classifier`, has 14 outputs"),
        ] {
            let said = said_of(network);
            assert!(said.starts_with(expected), "{network}: {said}");
        }
    }
}
