//! The executions of a lineage: their inputs, their results and their software.

use std::collections::{BTreeSet, HashMap};

use super::ExportError;
use crate::hash::{Hash, Id};
use crate::lineage::{Edge, Graph};
use crate::records::{Execution, Kind};
use crate::registry::Registry;

/// Whether what is named came out of the computation that made the record which names it.
pub(super) fn is_output(graph: &Graph, edge: &Edge) -> bool {
    let of = graph.kind(&edge.from).map(Kind::descriptor);
    of.is_some_and(|of| edge.role.as_slice().iter().any(|role| of.is_output(role)))
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
    let is = |id: &Hash, kind: Kind| graph.kind(id) == Some(kind);
    let mut links: HashMap<Hash, Vec<&Edge>> = HashMap::new();
    for edge in &graph.edges {
        links.entry(edge.from).or_default().push(edge);
    }
    let of = |id: &Hash| links.get(id).map_or(&[][..], Vec::as_slice);
    let mut activities = Vec::new();
    for node in graph.nodes().iter().filter(|node| node.kind.is(Kind::Execution)) {
        let execution: Execution = registry.get(Id::new(node.id))?;
        let (mut made, mut used) = (vec![execution.made], BTreeSet::new());
        for edge in of(&execution.made) {
            if is_output(graph, edge) {
                made.push(edge.to);
                continue;
            }
            used.insert(edge.to);
            if is(&edge.to, Kind::Spec) {
                used.extend(of(&edge.to).iter().map(|edge| edge.to));
            }
        }
        let software = of(&node.id).iter().find(|edge| is(&edge.to, Kind::Software)).map(|edge| edge.to);
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
    let mut commands = BTreeSet::new();
    for event in log {
        let event: crate::records::Event = registry.get(Id::new(*event))?;
        if event.names.iter().any(|change| change.to.is_some_and(|to| graph.node(&to).is_some())) {
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
