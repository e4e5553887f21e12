//! A run: what it was trained with, its result, its curves, its thresholds and its strongest errors.

use maud::{Markup, html};

use super::answer::{Nothing, Query};
use super::compare::epochs;
use super::facts;
use super::images::{select, thumbnail};
use super::site::{ImageSet, Site};
use crate::compare::{CompareError, Input};
use crate::digits::counted;
use crate::escape::shell;
use crate::hash::{Hash, Id};
use crate::records::{Run, Subset};
use crate::report::page::{HtmlWriter, TableContext};
use crate::report::show::of_run;
use crate::report::{confusion, results, svg};

/// Thumbnails of each kind of error.
const ERRORS: usize = 8;

/// Shows a run below its title.
pub(super) fn content(site: &Site, page: &mut HtmlWriter, id: Hash, query: &Query) -> Result<(), Nothing> {
    let registry = &site.registry;
    let run = Id::<Run>::new(id);
    let view = registry.view()?;
    let names = view.names_by_id()?;
    let called = names.get(&id).cloned().unwrap_or_else(|| id.short());
    facts::sections(page, &of_run(registry, &view, &names, run)?);
    let input = Input::resolve(registry, &view, &id.to_string());
    drop(view);
    let epochs = epochs(registry, run)?;
    // A program need not say anything of epochs.
    if !epochs.is_empty() {
        page.heading(2, "curves", "Learning curves");
        page.figures(
            "Losses, validation AUC and learning rate by epoch.",
            &svg::curves(&[(&called, &epochs)]),
            &[],
        );
    }
    page.heading(2, "result", "Result on the test images");
    let mut input = match input {
        Ok(input) => input,
        Err(CompareError::Registry(e)) => return Err(e.into()),
        Err(_) => {
            let command = format!("`reg eval {}` scores them.", shell(&called));
            page.paragraph("", &format!("The test images are not scored. {command}"));
            return Ok(());
        }
    };
    input.name.clone_from(&called);
    let scale = input.predictions.scale;
    match site.comparison(vec![input.clone()], true) {
        Ok(comparison) => {
            page.figure(&svg::intervals(&comparison), &[input.id.hash]);
            for (name, table) in results::tables(&comparison) {
                let last = results::closing_rows(&table);
                let beside = TableContext { last, ..TableContext::default() };
                match name {
                    "intervals" | "counts" => page.table(&table, &beside),
                    "metrics" => {
                        page.fold("Beyond the AUC: precision, thresholds, calibration", true, |page| {
                            page.table(&table, &beside)
                        })
                    }
                    "calibration" => {
                        page.fold("Calibration curves", false, |page| page.table(&table, &beside))
                    }
                    _ => {}
                }
            }
            page.heading(2, "thresholds", "Thresholds and confusion table");
            match confusion(&comparison.metrics, scale) {
                Some(table) => page.table(&table, &TableContext::default()),
                None => {
                    let command = format!("`reg eval {} --subset val` scores them.", shell(&called));
                    page.paragraph("", &format!("No threshold: thresholds are chosen on validation images, which are not scored. {command}"));
                }
            }
        }
        Err(e) => page.paragraph("warning", &format!("The result cannot be computed: {e}.")),
    }
    strongest(site, page, &input, query)
}

/// The images that a run is most wrong about, by label.
fn strongest(site: &Site, page: &mut HtmlWriter, input: &Input, query: &Query) -> Result<(), Nothing> {
    let predictions = &input.predictions;
    let images = site.images(predictions.dataset.hash)?;
    let scores = site.registry.scores(predictions)?;
    let positives = |label: &str| {
        let place = images.dataset.labels.iter().position(|own| own == label);
        place.map_or(0, |place| {
            scores.rows.iter().filter(|row| truth(&images, **row, place) == Some(true)).count()
        })
    };
    let wanted = query.get("label");
    let chosen = match predictions.labels.iter().find(|label| **label == wanted) {
        Some(label) => Some(label),
        // The label with the most images to be wrong about; that of no finding is none.
        None => {
            let own =
                predictions.labels.iter().filter(|label| images.dataset.no_finding.as_ref() != Some(*label));
            own.max_by_key(|label| positives(label))
        }
    };
    let Some(label) = chosen else { return Ok(()) };
    page.heading(2, "errors", "Largest errors");
    let subset = predictions.subset.map_or("scored", Subset::name);
    let column = predictions.labels.iter().position(|own| own == label).unwrap_or(0);
    let place = images.dataset.labels.iter().position(|own| own == label);
    let values = scores.column(column);
    let mut wrong: [Vec<(f64, u32)>; 2] = Default::default();
    for (row, score) in scores.rows.iter().zip(values) {
        if let Some(truth) = place.and_then(|place| truth(&images, *row, place)) {
            wrong[usize::from(truth)].push((predictions.scale.probability(score), *row));
        }
    }
    let [negatives, positives] = &mut wrong;
    negatives.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    positives.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    page.push(html! {
        form.bar data-live { (select("Label", "label", &predictions.labels, label)) button { "Show" } }
        div #errors-shown data-part {
            h3 { "Without " (label) ", highest probability" }
            p.notes { (negatives.len().min(ERRORS)) " of " (counted(negatives.len() as u64, "image")) " of the " (subset) " subset." }
            (grid(&images, negatives))
            h3 { "With " (label) ", lowest probability" }
            p.notes { (positives.len().min(ERRORS)) " of " (counted(positives.len() as u64, "image")) " of the " (subset) " subset." }
            (grid(&images, positives))
        }
    });
    Ok(())
}

fn grid(images: &ImageSet, errors: &[(f64, u32)]) -> Markup {
    html! {
        ul.thumbs {
            @for (probability, row) in errors.iter().take(ERRORS) {
                li { (thumbnail(images, *row as usize, Some(&format!("probability {probability:.3}")))) }
            }
        }
    }
}

fn truth(images: &ImageSet, row: u32, label: usize) -> Option<bool> {
    images.manifest.rows.get(row as usize)?.label(label)
}
