//! What is wrong with the scores that somebody gave for a comparison: some twice, some of another subset.

use std::collections::HashMap;

use super::{CompareError, Input};
use crate::digits::{several, thousands};
use crate::escape::shell;
use crate::hash::Hash;
use crate::records::{Incomparable, IncomparableKind, Subset};

/// Most names that a hint repeats.
const SHOWN: usize = 8;

/// A sentence for each of the scores that one column was given more than once: they count once.
pub fn repeated(inputs: &[Input]) -> Vec<String> {
    let mut counts: HashMap<(Option<&str>, Hash), u64> = HashMap::new();
    let mut each = Vec::new();
    for input in inputs {
        let column = (input.label.as_deref(), input.id.hash);
        *counts.entry(column).or_insert_with(|| {
            each.push((column, input));
            0
        }) += 1;
    }
    let said = |(column, input): ((Option<&str>, Hash), &Input)| {
        let count = counts[&column];
        let of = input.label.as_ref().map_or_else(String::new, |label| format!(" for {label}"));
        let times = if count == 2 { "twice".to_owned() } else { format!("{} times", thousands(count)) };
        (count > 1).then(|| format!("{} was given {times}{of} and is compared once", input.name))
    };
    each.into_iter().filter_map(said).collect()
}

/// The commands that make scores of one subset for all, where some inputs are scores of another subset than the others: of the
/// test images where there are some, otherwise of the subset of the first. `None` if all are of one subset, as far as that is known.
pub(super) fn missing_scores(inputs: &[Input]) -> Option<String> {
    let of = |input: &Input| input.predictions.subset;
    let first = inputs.iter().find_map(of)?;
    if inputs.iter().filter_map(of).all(|subset| subset == first) {
        return None;
    }
    let wanted =
        if inputs.iter().any(|input| of(input) == Some(Subset::Test)) { Subset::Test } else { first };
    let others = inputs.iter().filter(|input| of(input).is_some_and(|subset| subset != wanted));
    let (mut commands, mut rest) = (Vec::new(), Vec::new());
    for input in others {
        let subset = match wanted {
            Subset::Test => String::new(),
            other => format!(" --subset {}", other.name()),
        };
        match input.predictions.source.run() {
            Some(_) => commands.push(format!("`reg eval {}{subset}`", shell(&input.name))),
            None => rest.push(input.name.clone()),
        }
    }
    commands.dedup();
    rest.dedup();
    let images = format!("{} images", wanted.in_words());
    let mut hint = Vec::new();
    if !commands.is_empty() {
        let verb = if commands.len() == 1 { "scores" } else { "score" };
        hint.push(format!("{} {verb} the {images}", several(&commands)));
    }
    if !rest.is_empty() {
        hint.push(format!("give scores of the {images} for {}", several(&rest)));
    }
    // The name of a run stands for its test scores.
    let names: Vec<&str> = inputs.iter().map(|input| &*input.name).collect();
    hint.push(match names.len() <= SHOWN && rest.is_empty() && wanted == Subset::Test {
        true => format!("then `reg compare {}`", names.into_iter().map(shell).collect::<Vec<_>>().join(" ")),
        false => format!("then compare the scores of the {images}"),
    });
    Some(hint.join("; "))
}

/// The error for scores of different subsets, if that is what the first reason comes from. Leaks are left out then: who was
/// selected on the validation images is not compared on them.
pub(super) fn different_subsets(mut reasons: Vec<Incomparable>, missing: String) -> CompareError {
    use IncomparableKind::{DifferentImages, Leak, MixedFolds};
    match reasons.first().map(|reason| reason.kind) {
        Some(DifferentImages | MixedFolds) => {
            reasons.retain(|reason| reason.kind != Leak);
            CompareError::DifferentSubsets { reasons, missing }
        }
        _ => CompareError::Incomparable(reasons),
    }
}
