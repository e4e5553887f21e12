//! Whose numbers a record holds.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::digits::several;
use crate::hash::{Hash, Id};
use crate::records::{Header, Kind, Predictions, Role, Subset, summary};
use crate::registry::Registry;

/// The runs whose results a table or predictions hold, in the order in which it names them, each once. Scores of
/// another tool stand for themselves.
///
/// What cannot be read is left out.
pub fn owners(registry: &Registry, header: &Header) -> Vec<Hash> {
    let mut found = Vec::new();
    let mut add = |id: Hash| {
        if !found.contains(&id) {
            found.push(id);
        }
    };
    match header.kind {
        Kind::Predictions | Kind::Table => {
            named_as(header, &Role::Run).for_each(&mut add);
            // An ensemble holds the results of the runs of its members.
            let mut open: VecDeque<Hash> = named_as(header, &Role::Predictions).collect();
            let mut seen: HashSet<Hash> = open.iter().copied().collect();
            while let Some(predictions) = open.pop_front() {
                let read = registry.store().read(&predictions).ok();
                let read = read.and_then(|bytes| Header::read(&bytes).ok());
                let named = |role| read.iter().flat_map(|header| named_as(header, role)).collect::<Vec<_>>();
                let (runs, members) = (named(&Role::Run), named(&Role::Predictions));
                if runs.is_empty() && members.is_empty() {
                    add(predictions);
                }
                runs.into_iter().for_each(&mut add);
                open.extend(members.into_iter().filter(|id| seen.insert(*id)));
            }
        }
        Kind::Dataset
        | Kind::Split
        | Kind::Weights
        | Kind::Software
        | Kind::Spec
        | Kind::Run
        | Kind::Study
        | Kind::Execution
        | Kind::Withdrawal
        | Kind::Note
        | Kind::PixelHashes
        | Kind::Removal
        | Kind::Event => {}
    }
    found
}

/// One line on what a record is, with whose numbers it holds and of which images unless it is those of the test subset; and
/// the names of whose they are.
pub fn described(
    registry: &Registry,
    names: &HashMap<Hash, String>,
    header: &Header,
) -> (String, Vec<String>) {
    let called = |id: &Hash| names.get(id).cloned().unwrap_or_else(|| id.short());
    let of: Vec<String> = owners(registry, header).iter().map(called).collect();
    let mut what = summary(header);
    if !of.is_empty() {
        what += &format!("; of {}", several(&of));
    }
    if let Some(subset) = subset(registry, header).filter(|subset| *subset != Subset::Test) {
        what += &format!(" on its {} images", subset.in_words());
    }
    (what, of)
}

/// The subset whose images a table of one model's AUCs is about, which its record leaves to its scores.
pub fn subset(registry: &Registry, header: &Header) -> Option<Subset> {
    let mut predictions = named_as(header, &Role::Predictions);
    match (header.kind, predictions.next(), predictions.next()) {
        (Kind::Table, Some(one), None) => registry.get::<Predictions>(Id::new(one)).ok()?.subset,
        _ => None,
    }
}

fn named_as<'h>(header: &'h Header, role: &'h Role) -> impl Iterator<Item = Hash> + 'h {
    header.links().into_iter().filter(move |link| link.role == *role).map(|link| link.to)
}
