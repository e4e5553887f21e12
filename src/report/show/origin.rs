//! What a record was made of, what was made of it, and how.

use std::collections::{BTreeSet, HashMap, HashSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::digits::span;
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::listing::described;
use crate::records::{Event, Execution, Header, Kind, Role, Table};
use crate::registry::walk::named;
use crate::registry::{Registry, RegistryError};

/// Records of one direction that are listed; there may be thousands.
const LISTED: usize = 20;
/// Log entries that are looked through for the command that made a record.
const LOOKED_THROUGH: usize = 2_000;

/// A record beside another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RelatedRecord {
    /// Its id.
    pub id: Hash,
    /// Its kind.
    #[schemars(with = "String")]
    pub kind: Kind,
    /// Its name.
    pub name: Option<String>,
    /// A summary in one line.
    pub summary: String,
}

impl RelatedRecord {
    /// Its name or the start of its id, and what it is.
    pub(super) fn told(&self) -> String {
        format!("{}: {}", self.name.clone().unwrap_or_else(|| self.id.short()), self.summary)
    }
}

/// Where a record came from and what became of it.
#[derive(Debug, Default)]
pub struct Origin {
    /// Records that it was made of.
    pub inputs: Vec<RelatedRecord>,
    /// Records that were made of it, those with a name first; the first ones.
    pub results: Vec<RelatedRecord>,
    /// How many more were made of it.
    pub more_results: usize,
    /// The command that made it.
    pub command: Option<String>,
    /// Where it was computed, when and how long that took.
    pub machine: Option<String>,
}

/// Looks around a record. A spec stands for what it names, because nobody asks for it; what cannot be read is left
/// out.
pub fn origin(
    registry: &Registry,
    view: &View,
    names: &HashMap<Hash, String>,
    id: Hash,
) -> Result<Origin, RegistryError> {
    let related = |id: Hash, kind: Kind| {
        let header = registry.store().read(&id).ok().and_then(|bytes| Header::read(&bytes).ok());
        let told = |header: Header| described(registry, names, &header).0;
        let summary = header.map_or_else(|| "cannot be read".to_owned(), told);
        RelatedRecord { id, kind, name: names.get(&id).cloned(), summary }
    };
    let mut found = Origin::default();
    for (to, kind) in inputs(registry, view, id)? {
        found.inputs.push(related(to, kind));
    }
    let results = results(view, names, id)?;
    found.more_results = results.len().saturating_sub(LISTED);
    found.results = results.into_iter().take(LISTED).map(|(_, kind, from)| related(from, kind)).collect();
    let execution = |of: Hash| {
        let executions = registry.referring::<Execution>(view, &of).unwrap_or_default();
        let made = executions.into_iter().map(|(_, one)| one).filter(|one| one.made == of);
        made.min_by(|a, b| a.started.cmp(&b.started))
    };
    // The command that scored the images made the table of their AUCs as well.
    let scored = || match registry.get::<Table>(Id::new(id)) {
        Ok(Table::Auc(table)) => execution(table.predictions.hash),
        _ => None,
    };
    match execution(id).or_else(scored) {
        Some(execution) => {
            let on = execution.gpu.as_ref().unwrap_or(&execution.cpu);
            let (time, took) = (super::super::runs::minute(&execution.started), span(execution.seconds));
            found.machine = Some(format!("{} ({on}), {time} UTC, {took}", execution.host));
            found.command = Some(execution.command);
        }
        None => found.command = command_of(registry, view, id)?,
    }
    Ok(found)
}

/// What was made of a record, those with a name first. Specs and scores without a name stand for what was made of them.
fn results(
    view: &View,
    names: &HashMap<Hash, String>,
    id: Hash,
) -> Result<BTreeSet<(bool, Kind, Hash)>, RegistryError> {
    let (mut found, mut seen, mut open) = (BTreeSet::new(), HashSet::from([id]), vec![id]);
    while let Some(at) = open.pop() {
        for (from, _) in view.referrers(&at)? {
            if !seen.insert(from) {
                continue;
            }
            match view.kind(&from)? {
                Some(Kind::Execution | Kind::Note) | None => {}
                Some(Kind::Spec | Kind::Predictions) if !names.contains_key(&from) => open.push(from),
                Some(kind) => drop(found.insert((!names.contains_key(&from), kind, from))),
            }
        }
    }
    Ok(found)
}

/// The records that a record was made of.
fn inputs(registry: &Registry, view: &View, id: Hash) -> Result<Vec<(Hash, Kind)>, RegistryError> {
    let Some(header) = registry.store().read(&id).ok().and_then(|bytes| Header::read(&bytes).ok()) else {
        return Ok(Vec::new());
    };
    let mut inputs = Vec::new();
    for edge in named(id, header.links()) {
        match view.kind(&edge.to)? {
            Some(Kind::Spec) if edge.role.contains(&Role::Spec) => {
                inputs.extend(self::inputs(registry, view, edge.to)?);
            }
            Some(kind) => inputs.push((edge.to, kind)),
            None => {}
        }
    }
    inputs.sort_unstable_by_key(|(id, kind)| (*kind, *id));
    inputs.dedup();
    Ok(inputs)
}

/// The command that gave a record its first name, as far as the log goes back here.
fn command_of(registry: &Registry, view: &View, id: Hash) -> Result<Option<String>, RegistryError> {
    let log = view.log()?;
    let newest = log.iter().rev().take(LOOKED_THROUGH);
    let mut events = newest.filter_map(|event| registry.get::<Event>(Id::new(*event)).ok());
    let first = events.rfind(|event| event.names.iter().any(|change| change.to == Some(id)));
    // What a pull or a push of another registry has brought was made elsewhere.
    let is_exchange = |command: &str| command.split(' ').any(|word| matches!(word, "pull" | "push"));
    Ok(first.map(|event| event.command).filter(|command| !is_exchange(command)))
}
