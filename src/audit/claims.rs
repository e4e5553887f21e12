//! What a run says of itself against what the bundle holds: the network of its spec against the tensors of its checkpoint,
//! the command of its program against the files and inputs of its spec, and weights that are said to come from elsewhere
//! against the checkpoints.

use std::collections::{BTreeMap, HashSet};

use super::walk::BundleMember;
use crate::hash::{Hash, Id};
use crate::network::Plan;
use crate::records::{
    Execution, Kind, NetworkSpec, ProgramSpec, Run, Spec, TrainingData, Weights, tensors::WeightsFile,
};
use crate::registry::{Objects, RegistryError};

/// Interpreters whose first word without a dash is a script.
const INTERPRETERS: [&str; 9] = ["python", "pypy", "Rscript", "julia", "bash", "zsh", "perl", "ruby", "node"];

/// Everything that contradicts the records of runs and weights.
pub(super) fn check_claims(
    objects: &dyn Objects,
    parts: &BTreeMap<Hash, BundleMember>,
) -> Result<Vec<String>, RegistryError> {
    let of_kind =
        |kind| parts.iter().filter(move |(_, part)| part.kept && part.kind.is(kind)).map(|(id, _)| *id);
    let is_kept = |id: &Hash| parts.get(id).is_some_and(|part| part.kept);
    let mut wrong = Vec::new();
    let mut checkpoints: Vec<(Id<Run>, NetworkSpec, Id<_>, HashSet<Hash>)> = Vec::new();
    for id in of_kind(Kind::Run) {
        let id = Id::<Run>::new(id);
        let run = objects.get(id)?;
        match objects.get(run.spec)? {
            Spec::Program(spec) => {
                wrong.extend(missing(&spec).map(|what| format!("spec {}: {what}", run.spec.hash.short())));
            }
            Spec::Network(spec) => {
                let Some(checkpoint) = run.checkpoint.filter(|file| is_kept(&file.hash)) else { continue };
                let labels = objects.get(spec.dataset)?.labels.len() as u32;
                let bytes = objects.bytes(&checkpoint.hash)?;
                // A checkpoint that is no safetensors file is told where it is recomputed.
                let Ok(file) = WeightsFile::read(&bytes) else { continue };
                if let Err(reason) = fits(&file, &spec, labels) {
                    wrong.push(format!("run {}: {reason}", id.hash.short()));
                }
                checkpoints.push((id, spec, checkpoint, contents(&file)));
            }
        }
    }
    for id in of_kind(Kind::Execution) {
        let execution = objects.get(Id::<Execution>::new(id))?;
        if !parts.get(&execution.made).is_some_and(|part| part.kept && part.kind.is(Kind::Run)) {
            continue;
        }
        let run = objects.get(Id::<Run>::new(execution.made))?;
        if let Spec::Program(spec) = objects.get(run.spec)? {
            let told = inputs_of(&execution.command);
            let lacking =
                told.into_iter().filter(|key| !spec.program.inputs.iter().any(|own| own.name == *key));
            wrong.extend(lacking.map(|key| {
                format!(
                    "spec {}: it has no input {key}, which `{}` gave",
                    run.spec.hash.short(),
                    execution.command
                )
            }));
        }
    }
    for id in of_kind(Kind::Weights) {
        let weights = objects.get(Id::<Weights>::new(id))?;
        let file = weights.file.object;
        if !is_kept(&file.hash) {
            continue;
        }
        let bytes = objects.bytes(&file.hash)?;
        let Ok(read) = WeightsFile::read(&bytes) else { continue };
        let held = contents(&read);
        for (run, spec, checkpoint, tensors) in &checkpoints {
            let is_declared = weights.runs.contains(run)
                || weights.trained_on.iter().any(|data| match data {
                    TrainingData::Dataset { dataset } => *dataset == spec.dataset,
                    TrainingData::Division { split, fold, .. } => (*split, *fold) == (spec.split, spec.fold),
                    TrainingData::External { .. } => false,
                });
            if checkpoint.hash != file.hash && !is_declared && !tensors.is_empty() && tensors.is_subset(&held)
            {
                wrong.push(format!(
                    "weights {}: their file has all tensors of the checkpoint of run {}, which they do not name",
                    id.short(),
                    run.hash.short()
                ));
            }
        }
    }
    Ok(wrong)
}

/// Whether the tensors are those of the network of a spec, by name and shape.
fn fits(file: &WeightsFile, spec: &NetworkSpec, labels: u32) -> Result<(), String> {
    let plan = Plan::of(&spec.model.architecture, labels)
        .map_err(|e| format!("the network of its spec cannot be built: {e}"))?;
    let expected: BTreeMap<String, Vec<u64>> =
        plan.tensors().into_iter().map(|tensor| (tensor.name, tensor.shape)).collect();
    for (name, shape) in &expected {
        let found =
            file.get(name).map(|view| view.shape().iter().map(|side| *side as u64).collect::<Vec<_>>());
        match found {
            Some(found) if found == *shape => {}
            Some(found) => {
                return Err(format!(
                    "tensor {name} of its checkpoint is {found:?}, but {shape:?} in the network of its spec"
                ));
            }
            None => {
                return Err(format!(
                    "its checkpoint has no tensor {name}, which the network of its spec has"
                ));
            }
        }
    }
    let mut names = file.tensors().map(|(name, _)| name).filter(|name| WeightsFile::is_used(name));
    match names.find(|name| !expected.contains_key(*name)) {
        Some(name) => Err(format!("its checkpoint has a tensor {name}, which the network of its spec lacks")),
        None => Ok(()),
    }
}

/// The contents of the tensors that a network uses, but for single numbers, which can be equal by chance.
fn contents(file: &WeightsFile) -> HashSet<Hash> {
    let used = file.tensors().filter(|(name, view)| WeightsFile::is_used(name) && view.data().len() > 64);
    used.map(|(_, view)| Hash::of(view.data())).collect()
}

/// What the command of a program needs, but its spec does not have.
fn missing(spec: &ProgramSpec) -> Option<String> {
    let program = &spec.program;
    let has_file =
        |path: &str| program.files.iter().any(|file| file.path == path.strip_prefix("./").unwrap_or(path));
    let is_input = |word: &str| {
        let key = word.strip_prefix('{').and_then(|word| word.strip_suffix('}'));
        program.inputs.iter().any(|input| Some(input.name.as_str()) == key || input.file_name == word)
    };
    let first = program.command.first()?;
    if first.starts_with("./") && !has_file(first) {
        return Some(format!("its command starts {first}, which is not among its files"));
    }
    let bare = first.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let script =
        program.command.get(1).filter(|word| INTERPRETERS.contains(&bare) && !word.starts_with(['-', '/']));
    let script = script.filter(|word| !has_file(word) && !is_input(word))?;
    Some(format!("its command runs {script}, which is not among its files"))
}

/// The keys of `--input` in the command line of `reg run`.
fn inputs_of(command: &str) -> Vec<&str> {
    let own = command.split(" -- ").next().unwrap_or_default();
    let words = own.split([' ', '=', '\'', '"']).filter(|word| !word.is_empty()).collect::<Vec<_>>();
    words.windows(2).filter(|pair| pair[0] == "--input").map(|pair| pair[1]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inputs_of_a_command_line_are_those_before_its_program() {
        let line =
            "reg run --dataset d --input a=x.txt --input='b=y z.txt' --name n -- python3 t.py --input c=1";
        assert_eq!(inputs_of(line), ["a", "b"]);
        assert!(inputs_of("reg study run s").is_empty());
    }
}
