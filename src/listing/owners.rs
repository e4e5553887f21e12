//! Whose numbers a record holds.

use crate::hash::Hash;
use crate::records::{Header, Kind, Role};
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
        Kind::Predictions => named_as(header, &Role::Run).for_each(add),
        Kind::Table => {
            named_as(header, &Role::Run).for_each(&mut add);
            for predictions in named_as(header, &Role::Predictions) {
                let read = registry.store().read(&predictions).ok();
                let read = read.and_then(|bytes| Header::read(&bytes).ok());
                let runs: Vec<Hash> = read.iter().flat_map(|header| named_as(header, &Role::Run)).collect();
                match runs.is_empty() {
                    true => add(predictions),
                    false => runs.into_iter().for_each(&mut add),
                }
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

fn named_as<'h>(header: &'h Header, role: &'h Role) -> impl Iterator<Item = Hash> + 'h {
    header.links().into_iter().filter(move |link| link.role == *role).map(|link| link.to)
}
