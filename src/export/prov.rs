//! A lineage as PROV-JSON (W3C member submission of 24 April 2013).
//!
//! Every object is an entity, every execution an activity. A reference between objects is a derivation with its
//! role; a reference from a manifest to an image is a membership, and one from an execution to its result a
//! generation. The worker's version is an agent. Machine names are left out.
//!
//! A withdrawn image is invalidated by its withdrawal, the PROV term for the end of its use; results computed
//! from it have an attribute. Neither adds a node to the lineage.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::activities::{Activity, activities};
use super::{ExportError, time};
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::lineage::{Graph, NodeKind};
use crate::records::{Dataset, Execution, Kind, PackedKind, Software, Withdrawal};
use crate::registry::Registry;
use crate::withdrawal::{Marks, Withdrawn};

/// Relation, then its identifier, then its content.
type Document = BTreeMap<&'static str, Map<String, Value>>;

/// A lineage as a PROV-JSON document.
///
/// # Errors
/// An execution or a description of software that cannot be read.
pub fn prov(registry: &Registry, view: &View, graph: &Graph) -> Result<Value, ExportError> {
    let mut document = Document::new();
    let mut marks = Marks::open(registry, view)?;
    let withdrawn = withdrawn_images(registry, view, graph)?;
    for node in graph.nodes() {
        if node.kind.is(Kind::Execution) {
            let execution: Execution = registry.get(Id::new(node.id))?;
            activity(&mut document, node.id, &execution);
            continue;
        }
        let mut entity = json!({
            "prov:type": [typed(node.kind.name())],
            "prov:label": node.summary,
            "reg:hash": format!("blake3:{}", node.id),
        });
        if let Some(name) = &node.name {
            entity["reg:name"] = json!(name);
        }
        if node.kind.record().is_some()
            && let Some(mark) = marks.of(&node.id)
        {
            entity["reg:withdrawn"] = json!(mark.to_string());
        }
        if let Some((id, record)) = withdrawn.get(&node.id) {
            let why = format!("{}: {}", record.subject, record.reason);
            entity["reg:withdrawn"] = json!(why);
            let invalidation = json!({
                "prov:entity": name(&node.id),
                "prov:time": record.time,
                "reg:withdrawal": format!("blake3:{id}"),
                "reg:purged": record.purge,
            });
            put(&mut document, "wasInvalidatedBy", format!("_:w{}", node.id), invalidation);
        }
        if let Some(row) = node.row {
            entity["reg:metadataRow"] = json!(row);
        }
        if node.kind == NodeKind::Packed(PackedKind::Manifest)
            && let Some(types) = entity["prov:type"].as_array_mut()
        {
            types.push(json!({ "$": "prov:Collection", "type": "prov:QUALIFIED_NAME" }));
        }
        put(&mut document, "entity", name(&node.id), entity);
        if node.kind.is(Kind::Software) {
            let software: Software = registry.get(Id::new(node.id))?;
            put(&mut document, "agent", agent(&node.id), of_software(&software));
        }
    }
    for (number, edge) in graph.edges.iter().enumerate() {
        let (from, to, id) = (name(&edge.from), name(&edge.to), format!("_:e{number}"));
        if graph.kind(&edge.from) == Some(Kind::Execution) && !edge.is_made() {
            // That it is an agent is said with the activities.
            continue;
        }
        if edge.is_made() {
            put(&mut document, "wasGeneratedBy", id, json!({ "prov:entity": to, "prov:activity": from }));
        } else if edge.is_image() {
            put(&mut document, "hadMember", id, json!({ "prov:collection": from, "prov:entity": to }));
        } else {
            let derived =
                json!({ "prov:generatedEntity": from, "prov:usedEntity": to, "reg:role": edge.role });
            put(&mut document, "wasDerivedFrom", id, derived);
        }
    }
    for activity in activities(registry, graph)? {
        relate(&mut document, &activity);
    }
    let mut all = serde_json::to_value(document).expect("a document's keys are texts");
    all["prefix"] = json!({ "reg": "urn:reg:" });
    Ok(all)
}

/// The withdrawn images of a lineage, each with the withdrawal that covers it.
fn withdrawn_images(
    registry: &Registry,
    view: &View,
    graph: &Graph,
) -> Result<HashMap<Hash, (Id<Withdrawal>, Withdrawal)>, ExportError> {
    let withdrawn = Withdrawn::known(registry, view)?;
    let mut found = HashMap::new();
    if withdrawn.is_empty() {
        return Ok(found);
    }
    for node in graph.nodes().iter().filter(|node| node.kind.is(Kind::Dataset)) {
        let manifest = registry.manifest(&registry.get(Id::<Dataset>::new(node.id))?)?;
        for row in &manifest.rows {
            if let (Some(object), Some(by)) = (row.object, withdrawn.of_row(row)) {
                found.insert(object, by.clone());
            }
        }
    }
    Ok(found)
}

fn put(document: &mut Document, relation: &'static str, id: String, what: Value) {
    document.entry(relation).or_default().insert(id, what);
}

fn name(id: &Hash) -> String {
    format!("reg:{id}")
}

fn agent(id: &Hash) -> String {
    format!("reg:agent-{id}")
}

fn typed(kind: &str) -> Value {
    json!({ "$": format!("reg:{kind}"), "type": "prov:QUALIFIED_NAME" })
}

fn activity(document: &mut Document, id: Hash, execution: &Execution) {
    let mut activity = json!({
        "prov:type": typed(Kind::Execution.name()),
        "prov:startTime": execution.started,
        "reg:hash": format!("blake3:{id}"),
        "reg:command": execution.command,
        "reg:processor": execution.cpu,
        "reg:version": execution.reg,
    });
    if let Some(end) = time::after(&execution.started, execution.seconds) {
        activity["prov:endTime"] = json!(end);
    }
    for (key, value) in [
        ("reg:gpu", execution.gpu.clone()),
        ("reg:commit", execution.git.as_ref().map(|git| git.commit.clone())),
        ("reg:cleanTree", execution.git.as_ref().map(|git| git.clean.to_string())),
    ] {
        if let Some(value) = value {
            activity[key] = json!(value);
        }
    }
    put(document, "activity", name(&id), activity);
}

fn of_software(software: &Software) -> Value {
    json!({
        "prov:type": { "$": "prov:SoftwareAgent", "type": "prov:QUALIFIED_NAME" },
        "prov:label": format!("reg-torch {}", software.worker),
        "reg:version": software.worker,
        "reg:tch": software.tch,
        "reg:libtorch": software.numerics.libtorch,
        "reg:target": software.numerics.target,
        "reg:numerics": software.numerics.version,
    })
}

/// The inputs, other results and software of an execution.
fn relate(document: &mut Document, activity: &Activity) {
    let id = name(&activity.id);
    let mut relate = |relation, letter: char, other: &Hash, [own, role]: [&str; 2], named: String| {
        let related = json!({ own: id, role: named });
        put(document, relation, format!("_:{letter}{}-{other}", activity.id), related);
    };
    for entity in &activity.used {
        relate("used", 'u', entity, ["prov:activity", "prov:entity"], name(entity));
    }
    for entity in &activity.made[1..] {
        relate("wasGeneratedBy", 'g', entity, ["prov:activity", "prov:entity"], name(entity));
    }
    if let Some(software) = &activity.software {
        relate("wasAssociatedWith", 'a', software, ["prov:activity", "prov:agent"], agent(software));
    }
}
