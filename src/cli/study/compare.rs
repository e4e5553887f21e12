//! `reg study compare`.

use std::ffi::OsStr;

use reg::compare::CompareOptions;
use reg::digits::thousands;
use reg::report::{features, results};
use reg::study::{self, ProbeState, StudyError};
use serde_json::{Value, json};

use super::{probe_row, recorded};
use crate::cli::compare::document;
use crate::cli::error::Failure;
use crate::cli::output::{Reply, TableFormat};
use crate::cli::{Context, marks};

pub(super) fn compare(
    context: &Context,
    text: &OsStr,
    options: &CompareOptions,
    full: bool,
    format: TableFormat,
) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let (_, study, runs) = recorded(context, &registry, text)?;
    let stamp = &context.environment.stamp;
    let sections =
        study::compare_sections(&registry, &study, &runs, options, true, stamp).map_err(|e| match e {
            // A study of which nothing is recorded is known by its file only.
            StudyError::NothingDone { name, .. } => StudyError::NothingDone { name, given: text.to_owned() },
            e => e,
        })?;
    let (mut text, mut documents, mut marked) = (String::new(), Vec::new(), Vec::new());
    for section in &sections {
        if !section.left_out.is_empty() {
            context.note(&format!(
                "note: {}: runs are pending for {}",
                section.name,
                section.left_out.join(", ")
            ));
        }
        let mut tables = match full {
            true => results::tables(&section.comparison).into_iter().map(|(_, table)| table).collect(),
            false => results::main_tables(&section.comparison),
        };
        if format == TableFormat::Text {
            text += &format!("# {} ({})\n", section.section.title, section.name);
        } else {
            for table in &mut tables {
                table.title = format!("{}: {}", section.section.title, table.title);
            }
        }
        let marks = marks::warn(context, &registry, [section.table.hash])?;
        text += &format.marked(tables, &marks);
        marked.extend(marks);
        if format == TableFormat::Text {
            text += &format!("table {} {}\n", section.table.hash.short(), section.name);
        }
        text.push('\n');
        let mut document = document(&section.table.to_string(), &section.comparison);
        document["section"] = json!(section.section.name);
        document["name"] = json!(section.name);
        document["left_out"] = json!(section.left_out);
        documents.push(document);
    }
    let probes = study::probes(&registry, &study, &runs)?;
    for probe in &probes {
        let ProbeState::Done(table, content) = &probe.state else { continue };
        let marks = marks::warn(context, &registry, [table.hash])?;
        text += &format.marked(vec![features::probe(content, Some(&probe.row.setup))], &marks);
        marked.extend(marks);
        if format == TableFormat::Text {
            text += &format!("table {} {}\n", table.hash.short(), probe.row.name);
        }
        text.push('\n');
    }
    let left = study.sections.len() - sections.len();
    if left > 0 {
        context.note(&format!(
            "note: {} no setup whose runs are all done",
            match left {
                1 => "1 section has".to_owned(),
                _ => format!("{} sections have", thousands(left as u64)),
            }
        ));
    }
    let probes: Vec<Value> = probes.iter().map(probe_row).collect();
    let json = json!({ "study": study.name, "sections": documents, "probes": probes });
    if format == TableFormat::Latex {
        text = reg::report::with_packages_once(&text);
    }
    Ok(Reply::new(text.trim_end(), json).marked(&marked))
}
