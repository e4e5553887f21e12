//! What is not known of the images from which the models behind a result have learnt.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::hash::{Hash, Id};
use crate::index::View;
use crate::recognise::{FileKind, HEAD};
use crate::records::{self, ImageUse, Kind, Spec, codec};
use crate::registry::walk::Walk;
use crate::registry::{Objects, Registry, RegistryError};

/// A file of unknown origin from which a training started.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
pub struct UnknownOrigin {
    /// The file.
    pub file: Hash,
    /// The imported weights; absent for an input of a program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Hash>,
    /// The name of the file as the input of a program, or its path among the program's own files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
}

/// The files of unknown origin behind some records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownAncestry {
    /// The files, by hash; at least one.
    pub files: Vec<UnknownOrigin>,
}

/// Records that are remembered; a server runs for weeks.
const MOST_STEPS: usize = 100_000;

/// What a search found at each record: where it leads, and files of unknown origin. It holds as long as the source has the same
/// records, so that searches of many records that share their inputs read each of these once.
#[derive(Debug, Default)]
pub struct AncestrySteps {
    steps: HashMap<Hash, Step>,
    kinds: HashMap<Hash, FileKind>,
}

#[derive(Debug, Default)]
struct Step {
    leads_to: Vec<Hash>,
    unknown: Vec<UnknownOrigin>,
}

impl UnknownAncestry {
    /// Searches what the records were made of; none if all is known, or nothing was started from.
    ///
    /// A file is known if it is the checkpoint of a run, if imported weights declare what it was trained on, or if it
    /// holds no weights: text, and among a program's own files whatever has no format of weights. Objects that are not there are passed over: whoever needs them says so.
    ///
    /// # Errors
    /// Among others, a record that cannot be decoded.
    pub fn of(objects: &dyn Objects, ids: &[Hash]) -> Result<Option<Self>, RegistryError> {
        UnknownAncestry::with(objects, ids, &mut AncestrySteps::default())
    }

    /// The same with what earlier searches of the same source found.
    ///
    /// # Errors
    /// As [`UnknownAncestry::of`].
    pub fn with(
        objects: &dyn Objects,
        ids: &[Hash],
        known: &mut AncestrySteps,
    ) -> Result<Option<Self>, RegistryError> {
        if known.steps.len() > MOST_STEPS {
            *known = AncestrySteps::default();
        }
        let opened = objects.opened()?;
        let objects = opened.as_deref().unwrap_or(objects);
        let mut files: BTreeMap<Hash, UnknownOrigin> = BTreeMap::new();
        let mut walk = Walk::from(ids.iter().map(|id| (*id, ())));
        while let Some((id, ())) = walk.step() {
            if objects.lacks(&id) {
                continue;
            }
            if !known.steps.contains_key(&id) {
                let step = step(objects, id, &mut known.kinds)?;
                known.steps.insert(id, step);
            }
            let Step { leads_to, unknown } = &known.steps[&id];
            for to in leads_to {
                walk.reach(*to, ());
            }
            for found in unknown {
                // Weights have a name.
                match files.get_mut(&found.file) {
                    Some(known) if known.weights.is_none() => *known = found.clone(),
                    Some(_) => {}
                    None => drop(files.insert(found.file, found.clone())),
                }
            }
        }
        let files: Vec<UnknownOrigin> = files.into_values().collect();
        Ok((!files.is_empty()).then_some(UnknownAncestry { files }))
    }

    /// The files in a sentence without subject: `depends on …`. `name_of` gives weights the name that readers know.
    pub fn said(&self, name_of: impl Fn(&Hash) -> Option<String>) -> String {
        let each = self.files.iter().map(|origin| match (&origin.weights, &origin.input) {
            (Some(weights), _) => match name_of(weights) {
                Some(name) => format!("the weights {name}"),
                None => format!("weights {}", weights.short()),
            },
            (None, Some(input)) => format!("the file {input} ({})", origin.file.short()),
            (None, None) => format!("the file {}", origin.file.short()),
        });
        let each: Vec<String> = each.collect();
        format!(
            "starts from {}, whose training images are unknown: test images may be among them",
            each.join(", ")
        )
    }
}

/// What a search finds at one record.
fn step(objects: &dyn Objects, id: Hash, kinds: &mut HashMap<Hash, FileKind>) -> Result<Step, RegistryError> {
    let mut found = Step::default();
    let bytes = objects.bytes(&id)?;
    let wrong = |source| RegistryError::Codec { id, source };
    let Ok(header) = codec::Header::read(&bytes) else { return Ok(found) };
    let mut learnt = Vec::new();
    for term in records::decode_any(&bytes).map_err(wrong)?.uses(id) {
        match term {
            ImageUse::Of(on) => found.leads_to.push(on),
            ImageUse::File { run, .. } => found.leads_to.push(run.hash),
            ImageUse::Learnt(file) => learnt.push(file),
            ImageUse::Holds(_)
            | ImageUse::Subset { .. }
            | ImageUse::TrainedOnAll(_)
            | ImageUse::Scores { .. }
            | ImageUse::Names { .. }
            | ImageUse::Shared(_) => {}
        }
    }
    for file in learnt {
        let origins = objects.origins(&file)?;
        found.leads_to.extend(origins.runs.iter().map(|run| run.hash));
        if !origins.is_unknown() {
            continue;
        }
        let weights = (header.kind == Kind::Weights).then_some(id);
        let input = match weights {
            Some(_) => None,
            None => {
                let kind = match kinds.get(&file) {
                    Some(known) => *known,
                    None if objects.lacks(&file) => FileKind::Other,
                    None => kind_of(&objects.bytes(&file)?),
                };
                kinds.insert(file, kind);
                let spec: Spec = objects.get(Id::new(id))?;
                let own = spec.inputs().iter().find(|input| input.object.hash == file);
                // What is given as an input may be anything but text; among a program's own files lie
                // libraries and pictures, too.
                let is_known = match own {
                    Some(_) => is_text(kind),
                    None => !objects.lacks(&file) && !may_be_weights(kind),
                };
                if is_known {
                    continue;
                }
                let files = spec.program().map_or(&[][..], |program| &program.files);
                let own_file = || files.iter().find(|own| own.object.hash == file);
                own.map(|input| input.file_name.clone()).or_else(|| Some(own_file()?.path.clone()))
            }
        };
        found.unknown.push(UnknownOrigin { file, weights, input });
    }
    Ok(found)
}

/// The sentence about the files of unknown origin behind records of a registry, with the names of weights; none if there
/// are none.
///
/// # Errors
/// As [`UnknownAncestry::of`].
pub fn unknown_ancestry(
    registry: &Registry,
    view: &View,
    ids: &[Hash],
) -> Result<Option<String>, RegistryError> {
    unknown_ancestry_with(registry, view, ids, &mut AncestrySteps::default())
}

/// The same with what earlier searches of the same registry found.
///
/// # Errors
/// As [`UnknownAncestry::of`].
pub fn unknown_ancestry_with(
    registry: &Registry,
    view: &View,
    ids: &[Hash],
    known: &mut AncestrySteps,
) -> Result<Option<String>, RegistryError> {
    let Some(unknown) = UnknownAncestry::with(registry, ids, known)? else { return Ok(None) };
    let names = view.names_by_id()?;
    Ok(Some(unknown.said(|id| names.get(id).cloned())))
}

fn kind_of(bytes: &[u8]) -> FileKind {
    FileKind::of(&bytes[..bytes.len().min(HEAD)])
}

/// Whether a file is text.
fn is_text(kind: FileKind) -> bool {
    use FileKind::{Empty, Html, Json, Text, Utf16, Xml};
    matches!(kind, Empty | Html | Json | Text | Utf16 | Xml)
}

/// Whether a file has a format in which weights are stored. Keras writes a zip archive of no other mark.
fn may_be_weights(kind: FileKind) -> bool {
    use FileKind::{Gguf, Hdf5, Npy, Npz, Onnx, Pickle, Safetensors, Tflite, TorchZip, Zip};
    matches!(kind, Safetensors | TorchZip | Pickle | Npy | Npz | Hdf5 | Onnx | Tflite | Gguf | Zip)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::records::Weights;
    use crate::registry::MemoryStore;

    #[test]
    fn what_an_earlier_search_found_is_not_read_again() {
        let mut store = MemoryStore::default();
        let file = store.put_file(b"weights");
        let weights = Weights { file, runs: Vec::new(), trained_on: Vec::new(), tensors: 1, parameters: 1 };
        let id = store.put(&weights).hash;
        let mut known = AncestrySteps::default();
        let mut search = || {
            let found = UnknownAncestry::with(&store, &[id], &mut known).unwrap();
            (found.map(|of| of.files), store.reads.load(Ordering::Relaxed))
        };
        let (first, read) = search();
        let unknown = UnknownOrigin { file: file.object.hash, weights: Some(id), input: None };
        assert_eq!((first.clone(), read > 0), (Some(vec![unknown]), true));
        assert_eq!(search(), (first, read));
    }
}
