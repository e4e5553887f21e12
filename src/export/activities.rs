//! What happened, of a lineage: executions with what they used, what they made and by which software.

use std::collections::{BTreeSet, HashMap};

use super::ExportError;
use crate::hash::{Hash, Id};
use crate::lineage::Graph;
use crate::records::{Execution, Record, Software, Spec};
use crate::registry::Registry;

/// The parts that what came out of the same computation plays in a result.
pub(super) const MADE_WITH_IT: [&str; 5] = ["checkpoint", "log", "scores", "assignment", "picture"];

/// One execution of a lineage.
pub(super) struct Activity {
    /// Its record.
    pub(super) id: Hash,
    pub(super) execution: Execution,
    /// What it made: the result first, then its parts.
    pub(super) made: Vec<Hash>,
    /// What the result names, and what the spec of that names.
    pub(super) used: BTreeSet<Hash>,
    /// Who carried it out, where the lineage leads there.
    pub(super) software: Option<Hash>,
}

/// The executions of a lineage in the order of its nodes.
pub(super) fn activities(registry: &Registry, graph: &Graph) -> Result<Vec<Activity>, ExportError> {
    let kinds: HashMap<Hash, &str> = graph.nodes.iter().map(|node| (node.id, &*node.kind)).collect();
    let is = |id: &Hash, kind: &str| kinds.get(id) == Some(&kind);
    let mut links: HashMap<Hash, Vec<(Hash, &str)>> = HashMap::new();
    for edge in &graph.edges {
        links.entry(edge.from).or_default().push((edge.to, &edge.role));
    }
    let of = |id: &Hash| links.get(id).map_or(&[][..], Vec::as_slice);
    let mut activities = Vec::new();
    for node in graph.nodes.iter().filter(|node| node.kind == Execution::KIND) {
        let execution: Execution = registry.get(Id::new(node.id))?;
        let (mut made, mut used) = (vec![execution.made], BTreeSet::new());
        for (to, role) in of(&execution.made) {
            if MADE_WITH_IT.contains(&&**role) {
                made.push(*to);
                continue;
            }
            used.insert(*to);
            if is(to, Spec::KIND) {
                used.extend(of(to).iter().map(|(to, _)| *to));
            }
        }
        let software = of(&node.id).iter().find(|(to, _)| is(to, Software::KIND)).map(|(to, _)| *to);
        activities.push(Activity { id: node.id, execution, made, used, software });
    }
    Ok(activities)
}

/// The commands that made and named what is in a lineage, each with its moment, in that order.
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
