//! The executions of a lineage: their inputs, their results and their software.

use std::collections::{BTreeSet, HashMap};

use super::ExportError;
use crate::hash::{Hash, Id};
use crate::lineage::Graph;
use crate::records::{Execution, Kind};
use crate::registry::Registry;

/// Whether an object with this role in a record was made by the same computation.
pub(super) fn is_output(of: Option<Kind>, role: &str) -> bool {
    of.is_some_and(|kind| kind.descriptor().outputs.contains(&role))
}

/// One execution of a lineage.
pub(super) struct Activity {
    /// Its record.
    pub(super) id: Hash,
    pub(super) execution: Execution,
    /// Its results: the main result first, then the parts of it.
    pub(super) made: Vec<Hash>,
    /// The inputs of the result, and those of its spec.
    pub(super) used: BTreeSet<Hash>,
    /// The software, if it is part of the lineage.
    pub(super) software: Option<Hash>,
}

/// The executions of a lineage in the order of its nodes.
pub(super) fn activities(registry: &Registry, graph: &Graph) -> Result<Vec<Activity>, ExportError> {
    let records = graph.nodes.iter().filter_map(|node| Some((node.id, node.kind.record()?)));
    let kinds: HashMap<Hash, Kind> = records.collect();
    let is = |id: &Hash, kind: Kind| kinds.get(id) == Some(&kind);
    let mut links: HashMap<Hash, Vec<(Hash, &str)>> = HashMap::new();
    for edge in &graph.edges {
        links.entry(edge.from).or_default().push((edge.to, &edge.role));
    }
    let of = |id: &Hash| links.get(id).map_or(&[][..], Vec::as_slice);
    let mut activities = Vec::new();
    for node in graph.nodes.iter().filter(|node| node.kind.is(Kind::Execution)) {
        let execution: Execution = registry.get(Id::new(node.id))?;
        let (mut made, mut used) = (vec![execution.made], BTreeSet::new());
        for (to, role) in of(&execution.made) {
            if is_output(kinds.get(&execution.made).copied(), role) {
                made.push(*to);
                continue;
            }
            used.insert(*to);
            if is(to, Kind::Spec) {
                used.extend(of(to).iter().map(|(to, _)| *to));
            }
        }
        let software = of(&node.id).iter().find(|(to, _)| is(to, Kind::Software)).map(|(to, _)| *to);
        activities.push(Activity { id: node.id, execution, made, used, software });
    }
    Ok(activities)
}

/// The commands that made and named the objects of a lineage, each with its time, in the order of time.
///
/// # Errors
/// Executions or events that cannot be read.
pub(super) fn commands(
    registry: &Registry,
    log: &[Hash],
    graph: &Graph,
    activities: &[Activity],
) -> Result<BTreeSet<(String, String)>, ExportError> {
    let nodes: BTreeSet<Hash> = graph.nodes.iter().map(|node| node.id).collect();
    let mut commands = BTreeSet::new();
    for event in log {
        let event: crate::records::Event = registry.get(Id::new(*event))?;
        if event.names.iter().any(|change| change.to.is_some_and(|to| nodes.contains(&to))) {
            commands.insert((event.time, event.command));
        }
    }
    let known: BTreeSet<String> = commands.iter().map(|(_, command)| command.clone()).collect();
    for Activity { execution, .. } in activities {
        // A training is also named, at its end, by the same command.
        if !known.contains(&execution.command) {
            commands.insert((execution.started.clone(), execution.command.clone()));
        }
    }
    Ok(commands)
}
