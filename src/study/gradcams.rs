//! Grad-CAM heat maps of a study's networks, for its report.

use std::collections::HashSet;

use super::StudyError;
use super::file::StudyFile;
use super::status::{State, StudyRunStatus};
use crate::hash::{Hash, Id};
use crate::records::{Predictions, Run, Table};
use crate::registry::Registry;
use crate::training::process::{Listener, WorkerError};
use crate::training::{Device, RunContext, RunError, gradcams};
use crate::withdrawal::Withdrawn;

/// The result of computing the heat maps of one setup.
#[derive(Debug)]
pub struct SetupHeatmaps {
    /// The setup.
    pub setup: String,
    /// Number of maps computed now, or the error and a hint.
    pub made: Result<usize, (String, Option<String>)>,
}

/// Computes the missing heat maps that a study file requests: for the first finished run of each setup, and for
/// each finding with annotated boxes among its test images, the map of the image with a box that has the
/// highest score; without any boxes among the test images, for each finding the image with this label that has
/// the highest score.
///
/// Continues after a failed setup; only an interrupt stops it.
pub fn execute_gradcams(
    run_context: RunContext,
    file: &StudyFile,
    runs: &[StudyRunStatus],
    device: &Device,
    listener: &mut dyn Listener,
) -> Result<Vec<SetupHeatmaps>, StudyError> {
    let mut all = Vec::new();
    for setup in &file.gradcam {
        let done = runs.iter().filter(|run| run.row.setup == *setup).find_map(|run| match &run.state {
            State::Done { run, predictions, .. } => Some((*run, *predictions)),
            _ => None,
        });
        let Some((run, predictions)) = done else { continue };
        let made =
            wanted(run_context.registry, run, predictions).and_then(|wanted| match wanted.as_slice() {
                [] => Ok(0),
                wanted => Ok(gradcams(run_context, run, wanted, Some(device.clone()), listener)?.len()),
            });
        let made = match made {
            Err(
                e @ StudyError::Run(RunError::Worker(WorkerError::Interrupted { .. } | WorkerError::Killed)),
            ) => {
                return Err(e);
            }
            made => made.map_err(|e| (e.to_string(), e.hint())),
        };
        all.push(SetupHeatmaps { setup: setup.clone(), made });
    }
    Ok(all)
}

/// Manifest rows and labels for which maps are needed.
fn wanted(
    registry: &Registry,
    run: Id<Run>,
    predictions: Id<Predictions>,
) -> Result<Vec<(u32, u32)>, StudyError> {
    let predictions = registry.get(predictions)?;
    let dataset = registry.get(predictions.dataset)?;
    let manifest = registry.manifest(&dataset)?;
    let scores = registry.scores(&predictions)?;
    let boxes = registry.boxes(&dataset)?;
    let withdrawn = Withdrawn::known(registry, &registry.view()?)?;
    let scored: HashSet<u32> = scores.rows.iter().copied().collect();
    let of_test = boxes.iter().flat_map(|boxes| &boxes.rows).filter(|row| scored.contains(&row.image));
    let boxed: HashSet<(u32, u32)> = of_test.map(|row| (row.image, row.label)).collect();
    // By the bytes: another image may have the same name.
    let known: HashSet<(Hash, String)> = registry
        .referring::<Table>(&registry.view()?, &run.hash)?
        .into_iter()
        .filter_map(|(_, table)| match table {
            Table::Heatmap(heatmap) => Some((heatmap.object.hash, heatmap.label)),
            _ => None,
        })
        .collect();
    let mut wanted = Vec::new();
    for (column, name) in predictions.labels.iter().enumerate() {
        if dataset.no_finding.as_ref() == Some(name) {
            continue;
        }
        let Some(label) = dataset.labels.iter().position(|own| own == name) else { continue };
        let column = scores.column(column);
        let shows = |row: u32| {
            let image = &manifest.rows[row as usize];
            let fits = if boxed.is_empty() {
                image.label(label) == Some(true)
            } else {
                boxed.contains(&(row, label as u32))
            };
            image.object.is_some() && fits && withdrawn.of_row(image).is_none()
        };
        let candidates = scores.rows.iter().zip(column).filter(|(row, _)| shows(**row));
        // The first of equal scores.
        let surest = candidates.reduce(|best, next| if next.1 > best.1 { next } else { best });
        if let Some((row, _)) = surest
            && let Some(object) = manifest.rows[*row as usize].object
            && !known.contains(&(object, name.clone()))
        {
            wanted.push((*row, label as u32));
        }
    }
    Ok(wanted)
}
