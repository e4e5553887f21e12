//! A lineage as a Workflow Run RO-Crate: a folder with the records, their inputs, tables for reading, and
//! `ro-crate-metadata.json`, which describes how they were made.
//!
//! The workflow consists of the recorded commands in order. Images stay in the registry; the manifest among the
//! files lists each with its hashes. Executions are actions rather than files, because their records contain
//! machine names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::activities::{Activity, activities, commands, is_output};
use super::{ExportError, ExportFolder, FileFormat, sheets, time};
use crate::escape;
use crate::hash::{Digest, Hash, Id};
use crate::index::View;
use crate::lineage::{Graph, NodeKind};
use crate::records::{Content, Execution, Kind, Software};
use crate::registry::Registry;
use crate::withdrawal::{Mark, Marks, Withdrawn};

/// The versions of the profiles that the crate follows.
const PROFILES: [[&str; 3]; 3] = [
    ["https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"],
    ["https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"],
    ["https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"],
];
const WORKFLOW: &str = "workflow.sh";
const RUN: &str = "#run";
const README: &str = include_str!("crate.md");
const BASH: &str = "https://www.gnu.org/software/bash/";

/// The result of writing a crate.
pub struct Crate {
    /// Number of files besides the metadata.
    pub files: usize,
}

/// Writes a lineage, towards the inputs, as a crate.
///
/// # Errors
/// Among others, objects that are damaged or missing, and a lineage without any recorded time.
pub fn ro_crate(
    registry: &Registry,
    view: &View,
    graph: &Graph,
    folder: &ExportFolder,
) -> Result<Crate, ExportError> {
    let activities = activities(registry, graph)?;
    let commands = commands(registry, &view.log()?, graph, &activities)?;
    let mut parts = Parts { folder, entities: BTreeMap::new() };
    let mut marks = Marks::open(registry, view)?;
    let withdrawn = Withdrawn::known(registry, view)?;
    let mut purged = Vec::new();
    // An execution is an action here, not a file, because its record contains the machine's name.
    for node in
        graph.nodes().iter().filter(|node| node.kind != NodeKind::Image && !node.kind.is(Kind::Execution))
    {
        if withdrawn.gone(&node.id).is_some() && !registry.store().contains(&node.id) {
            purged.push(json!({
                "@id": format!("#{}", node.id),
                "@type": "CreativeWork",
                "name": node.name,
                "identifier": format!("blake3:{}", node.id),
                "description": "Purged with withdrawn data, so not in this crate",
            }));
            continue;
        }
        let bytes = registry.store().read(&node.id)?;
        let record = node.kind.record().is_some();
        let encoding = if record { "application/json" } else { "application/octet-stream" };
        let title = match &node.name {
            Some(name) if *name != node.kind.name() => format!("{} {name}", node.kind),
            _ => format!("{} {}", node.kind, node.id.short()),
        };
        let mut entity = parts.file(&path_of(&node.id), &bytes, encoding, &title)?;
        let mark = if record { marks.of(&node.id) } else { None };
        entity["description"] = json!(described(&node.summary, mark));
        entity["identifier"] = json!(format!("blake3:{}", node.id));
        parts.add(entity);
        if node.kind.record().is_some_and(has_sheets) {
            for sheet in sheets(registry, view, node.id)? {
                let path = format!("tables/{}-{}-{}.csv", node.kind, node.id.short(), sheet.name);
                let title = format!("{title}: {}", sheet.name);
                let mut entity = parts.file(&path, &sheet.render(FileFormat::Csv), "text/csv", &title)?;
                entity["isBasedOn"] = reference(&path_of(&node.id));
                if mark.is_some() {
                    entity["description"] = json!(described("", mark));
                }
                parts.add(entity);
            }
        }
    }
    let script = script(&commands);
    let mut workflow = parts.file(WORKFLOW, script.as_bytes(), "text/x-shellscript", "Commands as typed")?;
    workflow["@type"] = json!(["File", "SoftwareSourceCode", "ComputationalWorkflow"]);
    workflow["programmingLanguage"] = reference(BASH);
    workflow["version"] = json!(env!("CARGO_PKG_VERSION"));
    parts.add(workflow);

    let mut readme =
        parts.file("README.md", README.as_bytes(), "text/markdown", "Contents of this folder")?;
    readme["about"] = reference("./");
    parts.add(readme);

    let files: Vec<String> = parts.entities.keys().cloned().collect();
    let began = commands.first().map(|(time, _)| time.clone());
    let began = began.and_then(|time| time::with_offset(&time, 0.0));
    let ends = activities.iter().filter_map(|a| time::with_offset(&a.execution.started, a.execution.seconds));
    let ended = ends.chain(commands.iter().filter_map(|(time, _)| time::with_offset(time, 0.0))).max();
    let (Some(began), Some(ended)) = (began, ended) else {
        let reason = "no time is recorded for it".to_owned();
        return Err(ExportError::Inconsistent { id: graph.root, reason });
    };
    let root_file = path_of(&graph.root);
    let title = parts.entities.get(&root_file).map_or(Value::Null, |entity| entity["name"].clone());
    let actions: Vec<Value> = activities.iter().map(|activity| action(activity, &parts.entities)).collect();
    let mentions: Vec<Value> =
        std::iter::once(reference(RUN)).chain(actions.iter().chain(&purged).map(same_id)).collect();
    let mut all = vec![
        json!({
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "about": { "@id": "./" },
            "conformsTo": [
                { "@id": "https://w3id.org/ro/crate/1.1" },
                { "@id": "https://w3id.org/workflowhub/workflow-ro-crate/1.0" },
            ],
        }),
        json!({
            "@id": "./",
            "@type": "Dataset",
            "name": title,
            "description": described(&format!(
                "{} {} of a reg registry and its whole lineage except for images, which the manifests list.",
                graph.nodes().first().map_or("Object", |node| node.kind.name()), graph.root
            ), marks.of(&graph.root)),
            "datePublished": ended,
            "license": "No licence is recorded; the licences of the data set and of imported weights apply.",
            "conformsTo": PROFILES.map(|[id, _, _]| reference(id)),
            "hasPart": references(files.iter().cloned()),
            "mainEntity": { "@id": WORKFLOW },
            "mentions": mentions,
        }),
        json!({
            "@id": RUN,
            "@type": "CreateAction",
            "name": "From the inputs to the result",
            "description": "All commands of workflow.sh, ordered by recorded time",
            "instrument": { "@id": WORKFLOW },
            "object": references(outside(graph).iter().map(path_of)),
            "result": { "@id": root_file },
            "startTime": began,
            "endTime": ended,
            "actionStatus": "http://schema.org/CompletedActionStatus",
        }),
        json!({
            "@id": BASH,
            "@type": "ComputerLanguage",
            "name": "Bash",
            "identifier": { "@id": BASH },
            "url": { "@id": BASH },
        }),
    ];
    all.extend(PROFILES.map(
        |[id, name, version]| json!({ "@id": id, "@type": "CreativeWork", "name": name, "version": version }),
    ));
    all.extend(actions);
    all.extend(purged);
    let software: BTreeSet<Hash> = activities.iter().filter_map(|activity| activity.software).collect();
    for id in software {
        all.push(program(&id, &registry.get(Id::new(id))?));
    }
    all.extend(parts.entities.into_values());
    let metadata = json!({
        // The only term that version 1.1 does not have, defined in place, so that no further context is needed.
        "@context": [
            "https://w3id.org/ro/crate/1.1/context",
            { "sha256": "https://w3id.org/ro/terms/workflow-run#sha256" },
        ],
        "@graph": all,
    });
    let text = serde_json::to_string_pretty(&metadata).expect("a document's keys are texts") + "\n";
    folder.write("ro-crate-metadata.json", text.as_bytes())?;
    Ok(Crate { files: files.len() })
}

/// The files of a crate in progress, and their entities.
struct Parts<'a> {
    folder: &'a ExportFolder,
    entities: BTreeMap<String, Value>,
}

impl Parts<'_> {
    /// Writes a file and starts its entity.
    fn file(&self, path: &str, bytes: &[u8], encoding: &str, title: &str) -> Result<Value, ExportError> {
        self.folder.write(path, bytes)?;
        let digest = Digest::of(bytes);
        Ok(json!({
            "@id": path,
            "@type": "File",
            "name": title,
            "encodingFormat": encoding,
            "contentSize": digest.bytes.to_string(),
            "sha256": digest.sha256.digits(),
        }))
    }

    fn add(&mut self, entity: Value) {
        if let Some(id) = entity["@id"].as_str() {
            self.entities.insert(id.to_owned(), entity);
        }
    }
}

/// Whether records of a kind can be shown as sheets; the sheets of a run are those of its predictions.
fn has_sheets(kind: Kind) -> bool {
    match kind.descriptor().content {
        Content::Dataset | Content::Split | Content::Predictions | Content::Table => true,
        Content::Run | Content::Study | Content::Withdrawal | Content::Document => false,
    }
}

/// A description, followed by the withdrawn data that the entity contains.
fn described(what: &str, mark: Option<Mark>) -> String {
    let mark = mark.map(|mark| format!("This {mark}."));
    let what = what.to_owned();
    let what = if what.is_empty() || what.ends_with('.') || mark.is_none() { what } else { what + "." };
    let said = [what].into_iter().chain(mark).filter(|text| !text.is_empty());
    said.collect::<Vec<_>>().join(" ")
}

/// Path of an object in a crate, as in a registry.
fn path_of(id: &Hash) -> String {
    let digits = id.to_string();
    format!("objects/{}/{}", &digits[..2], &digits[2..])
}

fn reference(id: &str) -> Value {
    json!({ "@id": id })
}

/// A single reference, or a list of several: the format disallows lists of one.
fn references(ids: impl Iterator<Item = String>) -> Value {
    let mut all: Vec<Value> = ids.map(|id| reference(&id)).collect();
    if all.len() == 1 { all.remove(0) } else { Value::Array(all) }
}

fn same_id(entity: &Value) -> Value {
    json!({ "@id": entity["@id"] })
}

fn script(commands: &BTreeSet<(String, String)>) -> String {
    let mut script = String::from("#!/usr/bin/env bash\n# The commands, with their times.\nset -e\n");
    for (time, command) in commands {
        // Whoever made the registry wrote the record. What is not a command of reg is shown and not run.
        let command =
            escape::command(command).unwrap_or_else(|| format!("# not run: {}", escape::line(command)));
        script += &format!("{command}  # {}\n", escape::line(time));
    }
    script
}

/// Given files: those that no object of the lineage produced.
fn outside(graph: &Graph) -> Vec<Hash> {
    let naming: BTreeSet<Hash> = graph.edges.iter().map(|edge| edge.from).collect();
    let made: BTreeSet<Hash> =
        graph.edges.iter().filter(|edge| is_output(graph, edge)).map(|edge| edge.to).collect();
    let is_input = |id: &Hash| !naming.contains(id) && !made.contains(id) && *id != graph.root;
    let files = graph.nodes().iter().filter(|node| node.kind == NodeKind::File && is_input(&node.id));
    files.map(|node| node.id).collect()
}

fn action(activity: &Activity, entities: &BTreeMap<String, Value>) -> Value {
    let Activity { id, execution, made, used, software } = activity;
    // Images are listed in the manifests and not included in a crate: an action refers only to included
    // objects.
    let there = |ids: &mut dyn Iterator<Item = &Hash>| -> Vec<String> {
        ids.map(path_of).filter(|path| entities.contains_key(path)).collect()
    };
    let Execution { started, seconds, .. } = execution;
    let mut action = json!({
        "@id": format!("#{id}"),
        "@type": "CreateAction",
        "name": format!("Execution {}", id.short()),
        "description": carried_out(execution),
        "instrument": references(software.iter().map(program_id)),
        "object": references(there(&mut used.iter()).into_iter()),
        "result": references(there(&mut made.iter()).into_iter()),
        "actionStatus": "http://schema.org/CompletedActionStatus",
    });
    for (key, after) in [("startTime", 0.0), ("endTime", *seconds)] {
        if let Some(time) = time::with_offset(started, after) {
            action[key] = json!(time);
        }
    }
    action
}

/// The command, and the kind of machine.
fn carried_out(execution: &Execution) -> String {
    let Execution { command, cpu, gpu, reg, git, .. } = execution;
    let commit =
        git.as_ref().map(|git| format!(" ({}{})", git.commit, if git.clean { "" } else { ", changed" }));
    let processor = gpu.as_ref().unwrap_or(cpu);
    format!("`{command}` with reg {reg}{} on {processor}", commit.unwrap_or_default())
}

fn program_id(id: &Hash) -> String {
    format!("urn:reg:{id}")
}

fn program(id: &Hash, software: &Software) -> Value {
    json!({
        "@id": program_id(id),
        "@type": "SoftwareApplication",
        "name": "reg-torch",
        "softwareVersion": software.worker,
        "softwareRequirements": format!("libtorch {}, tch {}", software.numerics.libtorch, software.tch),
        "operatingSystem": software.numerics.target,
        "isBasedOn": reference(&path_of(id)),
    })
}
