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

impl UnknownAncestry {
    /// Searches what the records were made of; none if all is known, or nothing was started from.
    ///
    /// A file is known if it is the checkpoint of a run, if imported weights declare what it was trained on, or if it
    /// holds no weights: text, and among a program's own files whatever has no format of weights. Objects that are not there are passed over: whoever needs them says so.
    ///
    /// # Errors
    /// Among others, a record that cannot be decoded.
    pub fn of(objects: &dyn Objects, ids: &[Hash]) -> Result<Option<Self>, RegistryError> {
        let opened = objects.opened()?;
        let objects = opened.as_deref().unwrap_or(objects);
        let mut files: BTreeMap<Hash, UnknownOrigin> = BTreeMap::new();
        let mut walk = Walk::from(ids.iter().map(|id| (*id, ())));
        let mut kinds: HashMap<Hash, FileKind> = HashMap::new();
        while let Some((id, ())) = walk.step() {
            if objects.lacks(&id) {
                continue;
            }
            let bytes = objects.bytes(&id)?;
            let wrong = |source| RegistryError::Codec { id, source };
            let Ok(header) = codec::Header::read(&bytes) else { continue };
            let mut learnt = Vec::new();
            for term in records::decode_any(&bytes).map_err(wrong)?.uses(id) {
                match term {
                    ImageUse::Of(on) => drop(walk.reach(on, ())),
                    ImageUse::File { run, .. } => drop(walk.reach(run.hash, ())),
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
                for run in &origins.runs {
                    walk.reach(run.hash, ());
                }
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
                let found = UnknownOrigin { file, weights, input };
                // Weights have a name.
                match files.get_mut(&file) {
                    Some(known) if known.weights.is_none() => *known = found,
                    Some(_) => {}
                    None => drop(files.insert(file, found)),
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
    let Some(unknown) = UnknownAncestry::of(registry, ids)? else { return Ok(None) };
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
