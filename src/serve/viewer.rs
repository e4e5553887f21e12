//! One image: boxes, recorded heat maps, the scores of runs, and what each run used it for.

use std::collections::HashSet;

use maud::{Markup, html};
use rayon::prelude::*;

use super::answer::{Answer, Nothing, Query, leaves};
use super::images::labels;
use super::pictures;
use super::site::{ImageSet, Site};
use crate::digits::counted;
use crate::hash::{Hash, Id};
use crate::index::{IndexError, View};
use crate::listing::{self, ListedRun};
use crate::records::{
    BoxRow, Dataset, Heatmap, ImageRow, Kind, Predictions, Scale, ScoreSource, Subset, Table,
};
use crate::registry::{Registry, RegistryError};
use crate::report::page::{HtmlWriter, Page, TableContext, withheld};
use crate::report::{Cell, Column, ReportTable};
use crate::usage::UsageQuery;

/// Runs whose scores are shown on a page: the scores of each are a file.
const LEAF: usize = 20;

/// One image with its boxes and its recorded heat maps.
pub(super) fn viewer(site: &Site, id: Hash, place: &str, query: &Query) -> Result<Answer, Nothing> {
    let images = site.images(id)?;
    let registry = &site.registry;
    let (place, row) = pictures::row(&images, place)?;
    let boxes = registry.boxes(&images.dataset)?.map_or(Vec::new(), |boxes| boxes.rows);
    let own: Vec<&BoxRow> = boxes.iter().filter(|of| of.image as usize == place).collect();
    let view = registry.view()?;
    let names = view.names_by_id()?;
    let mut heatmaps: Vec<(Hash, Heatmap)> = Vec::new();
    if let Some(object) = row.object {
        let recorded = registry.referring::<Table>(&view, &object)?;
        heatmaps.extend(recorded.into_iter().filter_map(|(id, table)| match table {
            Table::Heatmap(heatmap) => Some((id.hash, *heatmap)),
            _ => None,
        }));
    }
    drop(view);
    let wanted = query.get("heat");
    let chosen = heatmaps.iter().find(|(id, _)| wanted.len() >= 6 && id.to_string().starts_with(&wanted));
    let of = names.get(&id).cloned().unwrap_or_else(|| id.short());

    let mut out = HtmlWriter::served();
    out.push(facts(&images, row));
    if !heatmaps.is_empty() {
        let said = |heatmap: &Heatmap| {
            let run = names.get(&heatmap.run.hash).cloned().unwrap_or_else(|| heatmap.run.hash.short());
            format!("{}, {run}, probability {:.3}", heatmap.label, Scale::Logit.probability(heatmap.logit))
        };
        out.push(html! {
            nav aria-label="Heat maps" {
                ol {
                    li { a href="?" aria-current=[chosen.is_none().then_some("true")] { "X-ray" } }
                    @for (hash, heatmap) in &heatmaps {
                        @let is_chosen = chosen.is_some_and(|(chosen, _)| chosen == hash);
                        li {
                            a href={ "?heat=" (hash.short()) } aria-current=[is_chosen.then_some("true")] { (said(heatmap)) }
                        }
                    }
                }
            }
        });
    }
    match row.object {
        None => out.paragraph("", "This data set has metadata only, and no images."),
        Some(object) => match withheld(registry, &object)? {
            Some(why) => out.paragraph("warning", &why),
            None => {
                let (source, what) = match chosen {
                    Some((id, heatmap)) => {
                        (format!("/heat/{id}"), format!("Heat map of {} on the X-ray", heatmap.label))
                    }
                    None => (format!("/xray/{id}/{place}"), "X-ray".to_owned()),
                };
                out.push(html! {
                    p.bar {
                        @if !own.is_empty() { label { input type="checkbox" id="boxes" checked; " Boxes (" (own.len()) ")" } }
                        a href={ "/lineage/" (object) } { "Lineage of the file" }
                    }
                });
                out.push(picture(&images.dataset, row, &own, &source, &what));
            }
        },
    }
    let last = images.manifest.rows.len() - 1;
    out.push(html! {
        nav.bar aria-label="Images" {
            @if place > 0 { a href=(place - 1) { "Previous image" } }
            a href={ "/images/" (id.short()) } { "All images" }
            a href={ "/images/" (id.short()) "?q=patient:" (row.patient) } { "Images of patient " (row.patient) }
            @if place < last { a href=(place + 1) { "Next image" } }
        }
    });
    scores(site, &mut out, &images, place, query)?;
    let intro = html! { p { a href={ "/record/" (id) } { "Data set " (of) } } };
    let page = Page { intro, ..Page::new(row.name.to_string(), out.into_markup()) };
    Ok(Answer::page(&page, "/?kind=dataset"))
}

fn facts(images: &ImageSet, row: &ImageRow) -> Markup {
    html! {
        dl.facts {
            dt { "Labels" } dd { (labels(&images.dataset, row)) }
            dt { "Patient" }
            dd {
                (row.patient)
                @if let Some(study) = &row.study { ", study " (study) }
                @if let Some(number) = row.follow_up { ", follow-up " (number) }
                ", " @match row.age { Some(age) => { (age) " years" } None => { "age not given" } }
                ", gender " (row.gender.letter())
            }
            dt { "View" } dd { (row.view.letters()) }
            @if row.object.is_some() { dt { "Size" } dd { (row.width) " x " (row.height) " pixels" } }
            dt { "Metadata" } dd { "row " (row.row) }
        }
    }
}

/// The image with its boxes, which are drawn over it.
fn picture(dataset: &Dataset, row: &ImageRow, boxes: &[&BoxRow], source: &str, what: &str) -> Markup {
    let label = |of: &BoxRow| dataset.labels.get(of.label as usize).map_or("?", String::as_str);
    let told: Vec<String> = boxes
        .iter()
        .map(|of| format!("{} at {:.0}, {:.0}, {:.0} by {:.0} pixels", label(of), of.x, of.y, of.w, of.h))
        .collect();
    let told = if told.is_empty() { "no annotated box".to_owned() } else { told.join("; ") };
    html! {
        div.viewer {
            img src=(source) width=(row.width) height=(row.height) alt={ (what) ", " (row.name) };
            svg viewBox={ "0 0 " (row.width) " " (row.height) } role="img" {
                title { (told) }
                @for of in boxes {
                    rect x=(of.x) y=(of.y) width=(of.w) height=(of.h) {}
                    text x=(of.x) y=(of.y - f64::from(row.height) / 120.0) font-size=(row.height / 36 + 1) { (label(of)) }
                }
            }
        }
    }
}

/// What the runs of the data set say of the image, the newest first, and what each used it for.
fn scores(
    site: &Site,
    out: &mut HtmlWriter,
    images: &ImageSet,
    place: usize,
    query: &Query,
) -> Result<(), Nothing> {
    let registry = &site.registry;
    let view = registry.view()?;
    let mut runs = listing::runs(registry, &view)?;
    let others = without_run(&view, &runs)?;
    drop(view);
    let others = of_dataset(registry, others, images.id)?;
    runs.retain(|run| run.id.is_some() && run.dataset_id == Some(images.id.hash));
    runs.reverse();
    let (page, pages) = (query.page(), (others.len() + runs.len()).div_ceil(LEAF));
    let places = page * LEAF..page.saturating_add(1).saturating_mul(LEAF);
    let runs = (others.len()..).zip(runs).filter(|(at, _)| places.contains(at));
    let shown: Vec<ListedRun> = runs.map(|(_, run)| run).collect();
    let others = (0..).zip(others).filter(|(at, _)| places.contains(at)).map(|(_, other)| other);
    let object = images.manifest.rows[place].object;
    let id = images.id;
    let mut usage = UsageQuery::new(
        registry,
        Box::new(move |dataset: Id<Dataset>, record: &Dataset| match dataset == id {
            true => Ok(vec![place as u32]),
            // Weights may come from a run on other data with the same file.
            false => {
                let rows = registry.manifest(record)?.rows.into_iter().zip(0..);
                Ok(rows
                    .filter(|(row, _)| row.object.is_some() && row.object == object)
                    .map(|(_, at)| at)
                    .collect())
            }
        }),
    );
    let mut used = Vec::new();
    for run in &shown {
        used.push(role(&mut usage, run)?);
    }
    let scored: Vec<Option<Scored>> =
        shown.par_iter().map(|run| of_run(registry, run.id?, place as u32).ok().flatten()).collect();
    let mut rows: Vec<(String, String, String, Option<Scored>)> = Vec::new();
    for (name, id, predictions) in others {
        let role = match &predictions.source {
            ScoreSource::Mean { predictions, .. } => {
                format!("a mean of {}", counted(predictions.len() as u64, "prediction"))
            }
            _ => "imported scores".to_owned(),
        };
        let scored = of_predictions(registry, predictions, place as u32)?;
        rows.push((name, format!("/record/{}", id.hash.short()), role, scored));
    }
    rows.extend(shown.iter().zip(used).zip(scored).map(|((run, role), scored)| {
        let link = run.id.map_or(String::new(), |id| format!("/record/{}", id.short()));
        (run.called(), link, role, scored)
    }));
    out.heading(2, "scores", "Scores of the runs");
    if rows.is_empty() {
        out.paragraph("", "No run was trained on this data set, and no scores of it were imported.");
        return Ok(());
    }
    let mut columns = vec![Column::left("Run"), Column::left("This image")];
    let truth = |label: usize| images.manifest.rows[place].label(label) == Some(true);
    columns.extend(images.dataset.labels.iter().enumerate().map(|(label, name)| {
        Column::right(if truth(label) { format!("{name} (present)") } else { name.clone() })
    }));
    let mut table = ReportTable::new("Probabilities of the labels", columns);
    for (name, _, role, scored) in &rows {
        let mut row = vec![Cell::Text(name.clone()), Cell::Text(role.clone())];
        row.extend(images.dataset.labels.iter().map(|label| {
            match scored.as_ref().and_then(|scored| scored.of(label)) {
                Some(probability) => Cell::Number { value: Some(probability), decimals: 3 },
                None => Cell::Empty,
            }
        }));
        table.rows.push(row);
    }
    table.notes.push("Empty where the image was not scored: `reg eval RUN` scores the test or the validation images of a run.".to_owned());
    let links = rows.iter().map(|(_, link, ..)| link.clone()).collect();
    out.list(&table, &TableContext { links: Some((0, links)), ..TableContext::default() });
    out.push(leaves(page, pages, query));
    Ok(())
}

/// Predictions of no listed run, by name or id, the newest first. By the index alone, because those of runs are many.
fn without_run(view: &View, runs: &[ListedRun]) -> Result<Vec<(String, Id<Predictions>)>, IndexError> {
    let mut of_runs = HashSet::new();
    for run in runs.iter().filter_map(|run| run.id) {
        of_runs.extend(view.referrers(&run)?.into_iter().map(|(from, _)| from));
    }
    let names = view.names_by_id()?;
    let ids = view.of_kind(Kind::Predictions)?.into_iter().rev().filter(|id| !of_runs.contains(id));
    Ok(ids.map(|id| (names.get(&id).cloned().unwrap_or_else(|| id.short()), Id::new(id))).collect())
}

/// The scores of a data set among them: imported ones, and means of others.
fn of_dataset(
    registry: &Registry,
    all: Vec<(String, Id<Predictions>)>,
    dataset: Id<Dataset>,
) -> Result<Vec<(String, Id<Predictions>, Predictions)>, RegistryError> {
    let mut found = Vec::new();
    for (name, id) in all {
        let predictions = registry.get(id)?;
        if predictions.dataset == dataset && predictions.source.run().is_none() {
            found.push((name, id, predictions));
        }
    }
    Ok(found)
}

/// What a run used the image for.
fn role(usage: &mut UsageQuery, run: &ListedRun) -> Result<String, RegistryError> {
    let Some(id) = run.id else { return Ok(String::new()) };
    let used = usage.of(&id);
    let tested = match (run.split_id, run.fold) {
        (Some(split), Some(fold)) => {
            let folds = usage.folds(Id::new(split))?;
            folds.get(fold as usize).is_some_and(|subsets| !subsets[Subset::Test as usize].is_empty())
        }
        _ => false,
    };
    let roles = [
        (!used.trained.is_empty(), "trained on it"),
        (!used.validated.is_empty(), "selected on it"),
        (tested, "tested on it"),
    ];
    let roles: Vec<&str> = roles.into_iter().filter(|(is, _)| *is).map(|(_, role)| role).collect();
    Ok(if roles.is_empty() { "did not use it".to_owned() } else { roles.join(", ") })
}

/// The probabilities of an image by label.
struct Scored {
    labels: Vec<String>,
    probabilities: Vec<f64>,
}

impl Scored {
    fn of(&self, label: &str) -> Option<f64> {
        let place = self.labels.iter().position(|own| own == label)?;
        self.probabilities.get(place).copied()
    }
}

/// The newest scores of a run for an image.
fn of_run(registry: &Registry, run: Hash, row: u32) -> Result<Option<Scored>, RegistryError> {
    let recorded = registry.referring::<Predictions>(&registry.view()?, &run)?;
    // Those of mirrored images are half of a mean, and say nothing alone.
    for (_, predictions) in recorded.into_iter().rev().filter(|(_, one)| !one.is_flipped()) {
        if let Some(scored) = of_predictions(registry, predictions, row)? {
            return Ok(Some(scored));
        }
    }
    Ok(None)
}

fn of_predictions(
    registry: &Registry,
    predictions: Predictions,
    row: u32,
) -> Result<Option<Scored>, RegistryError> {
    let scores = registry.scores(&predictions)?;
    let Ok(place) = scores.rows.binary_search(&row) else { return Ok(None) };
    let columns = scores.labels as usize;
    let own = &scores.scores[place * columns..(place + 1) * columns];
    let probabilities = own.iter().map(|score| predictions.scale.probability(*score)).collect();
    Ok(Some(Scored { labels: predictions.labels, probabilities }))
}
