//! Several runs side by side: settings, learning curves, AUCs, differences, and the comparison that is recorded of them.

use maud::{Markup, html};

use super::answer::{Answer, Nothing, Query};
use super::site::Site;
use crate::compare::{Input, comparisons_of};
use crate::diff::diff;
use crate::escape::shell;
use crate::hash::{Hash, Id};
use crate::listing::{ListedRun, with_coverage};
use crate::records::{Incomparable, RecordedEpoch, Run, Table};
use crate::registry::{Registry, RegistryError};
use crate::report::diff::{first, sections, verdict};
use crate::report::page::{HtmlWriter, Page, TableContext, notice_with};
use crate::report::{self, results, svg};

/// Most runs that are shown side by side: more cannot be told apart on one chart.
const MOST: usize = 16;

/// The epochs of a run.
pub(super) fn epochs(registry: &Registry, run: Id<Run>) -> Result<Vec<RecordedEpoch>, RegistryError> {
    let run = registry.get(run)?;
    registry.epochs(&run)
}

/// Compares the selected runs.
pub(super) fn compare(site: &Site, query: &Query) -> Result<Answer, Nothing> {
    let registry = &site.registry;
    let view = registry.view()?;
    let mut ids: Vec<Id<Run>> = Vec::new();
    let mut again: Vec<Id<Run>> = Vec::new();
    for text in query.all("run") {
        let id = registry.resolve_as::<Run>(&view, &text).map_err(|e| match e {
            RegistryError::Unknown { .. } | RegistryError::WrongKind { .. } => {
                Nothing::Unknown(format!("run {text}"))
            }
            e => e.into(),
        })?;
        match ids.contains(&id) {
            false => ids.push(id),
            true if again.contains(&id) => {}
            true => again.push(id),
        }
    }
    let back = html! { p { a href={ "/runs" (query.with(&[])) } { "Back to the runs" } } };
    let names = view.names_by_id()?;
    let called = |id: &Id<Run>| names.get(&id.hash).cloned().unwrap_or_else(|| id.hash.short());
    let again: Vec<String> = again
        .iter()
        .map(|id| format!("{} was selected more than once and is compared once.", called(id)))
        .collect();
    let said = match ids.len() {
        1 if !again.is_empty() => {
            Some(format!("{} Select another run in the list to compare it with.", again.join(" ")))
        }
        0 | 1 => Some("Select two or more runs in the list, then compare them.".to_owned()),
        many if many > MOST => {
            Some(format!("{many} runs are selected; at most {MOST} can be told apart on a chart."))
        }
        _ => None,
    };
    if let Some(said) = said {
        let page = Page { intro: back, ..Page::new("Compare runs", html! { p { (said) } }) };
        return Ok(Answer::page(&page, "/runs"));
    }
    let mut runs = Vec::new();
    let mut inputs = Vec::new();
    let mut unscored = Vec::new();
    for id in &ids {
        let row = registry.run_row(&view, *id)?;
        let run = ListedRun::recorded(id.hash, names.get(&id.hash).cloned(), row, &names);
        match Input::resolve(registry, &view, &id.to_string()) {
            Ok(input) => inputs.push(input),
            Err(_) => unscored.push(run.called()),
        }
        runs.push(run);
    }
    drop(view);

    let mut page = HtmlWriter::served();
    let named = runs.iter().zip(&ids).map(|(run, id)| (id.hash, run.called()));
    site.found(|found| notice_with(&mut page, registry, named, found))?;
    again.iter().for_each(|said| page.paragraph("notes", said));
    page.heading(2, "settings", "Settings");
    let [differ, same] = report::settings(&runs);
    let links = || {
        runs.iter()
            .map(|run| (run.called(), run.id.map_or(String::new(), |id| format!("/record/{}", id.short()))))
    };
    match differ.rows.is_empty() {
        true => page.paragraph("", "The settings are the same."),
        false => page.list(&differ, &TableContext::default()),
    }
    page.fold(&same.title, false, |page| page.list(&same, &TableContext::default()));
    let columns = ["name", "epoch", "val_loss", "val_auc", "test_auc", "test_auc_labels", "seconds", "date"];
    let columns = with_coverage(columns.map(str::to_owned).to_vec(), &runs, false);
    let mut table = report::runs(&runs, &columns);
    table.title = "Results".to_owned();
    let addresses = links().map(|(_, link)| link).collect();
    page.list(&table, &TableContext { links: Some((0, addresses)), ..TableContext::default() });

    page.heading(2, "curves", "Learning curves");
    let epochs: Vec<Vec<RecordedEpoch>> =
        ids.iter().map(|id| epochs(registry, *id)).collect::<Result<_, _>>()?;
    let called: Vec<String> = runs.iter().map(ListedRun::called).collect();
    let series: Vec<(&str, &[RecordedEpoch])> =
        called.iter().zip(&epochs).map(|(name, epochs)| (name.as_str(), &epochs[..])).collect();
    page.figures("Losses, validation AUC and learning rate by epoch.", &svg::curves(&series), &[]);

    page.heading(2, "auc", "AUC of each label");
    if !unscored.is_empty() {
        let each =
            unscored.iter().map(|name| format!("`reg eval {}`", shell(name))).collect::<Vec<_>>().join(", ");
        page.paragraph(
            "",
            &format!("Not scored on test images: {}. {each} scores them.", unscored.join(", ")),
        );
    }
    aucs(site, &mut page, inputs, &called)?;

    page.heading(2, "diff", "Differences");
    let pairs = &ids[1..];
    for (place, id) in pairs.iter().enumerate() {
        let title = format!("{} and {}", called[0], called[place + 1]);
        if pairs.len() == 1 {
            page.push(difference(registry, ids[0].hash, id.hash)?);
        } else {
            // Each takes as long as `reg diff`: only what is asked for is computed.
            let link = format!("/compare?run={}&run={}#diff", ids[0].hash.short(), id.hash.short());
            page.push(html! { p { a href=(link) { "Differences of " (title) } } });
        }
    }
    let page = Page { intro: back, ..Page::new(format!("Compare {}", listed(&called)), page.into_markup()) };
    Ok(Answer::page(&page, "/runs"))
}

/// Names in a title; many are counted.
fn listed(names: &[String]) -> String {
    match names {
        [a, b] => format!("{a} and {b}"),
        [a, b, c] => format!("{a}, {b} and {c}"),
        many => format!("{} runs", many.len()),
    }
}

/// The AUCs of runs with intervals, and the comparison that is recorded of them, or the command that records one.
fn aucs(site: &Site, page: &mut HtmlWriter, inputs: Vec<Input>, called: &[String]) -> Result<(), Nothing> {
    if inputs.is_empty() {
        return Ok(());
    }
    let predictions: Vec<_> = inputs.iter().map(|input| input.id).collect();
    let mut comparable = false;
    match site.comparison(inputs, false) {
        Ok(comparison) => {
            comparable = comparison.incomparable.is_empty();
            if !comparison.incomparable.is_empty() {
                let why = Incomparable::reasons(&comparison.incomparable);
                page.push(html! {
                    div.box role="note" {
                        p.warning { "These runs are not comparable." }
                        p { (why) "." }
                    }
                });
            }
            page.figure(&svg::intervals(&comparison), &[]);
            page.fold("AUC of each label in numbers", false, |page| {
                for table in results::main_tables(&comparison) {
                    let last = results::closing_rows(&table);
                    page.list(&table, &TableContext { last, ..TableContext::default() });
                }
            });
        }
        Err(e) => page.paragraph("warning", &format!("The AUCs cannot be compared: {e}.")),
    }
    let recorded = recorded(&site.registry, &predictions)?;
    page.push(html! {
        @if recorded.is_empty() {
            @let names: Vec<String> = called.iter().map(|name| shell(name)).collect();
            @if comparable { p { "No comparison of exactly these runs is recorded. To record one with tests: " code { "reg compare --by run --full " (names.join(" ")) } } }
        } @else {
            p {
                "Recorded comparisons of these runs: "
                @for (place, (name, id)) in recorded.iter().enumerate() {
                    @if place > 0 { ", " }
                    a href={ "/record/" (id.hash.short()) } { (name) }
                }
            }
        }
    });
    Ok(())
}

/// The recorded comparisons of predictions, with what they are called.
fn recorded(
    registry: &Registry,
    predictions: &[Id<crate::records::Predictions>],
) -> Result<Vec<(String, Id<Table>)>, RegistryError> {
    let view = registry.view()?;
    let names = view.names_by_id()?;
    let found = comparisons_of(registry, &view, predictions)?.into_iter();
    let called =
        |id: &Id<Table>| names.get(&id.hash).cloned().unwrap_or_else(|| format!("table {}", id.hash.short()));
    Ok(found.map(|(id, _)| (called(&id), id)).collect())
}

/// What `reg diff` says of two records.
fn difference(registry: &Registry, a: Hash, b: Hash) -> Result<Markup, Nothing> {
    let found = match diff(registry, &registry.view()?, a, b) {
        Ok(found) => found,
        Err(e) => {
            return Ok(html! { p.warning { "The differences cannot be computed: " (e.to_string()) "." } });
        }
    };
    let name = |side: &crate::diff::ComparedRecord| side.name.clone().unwrap_or_else(|| side.id.short());
    Ok(html! {
        p { "a is " b { (name(&found.a)) } ", b is " b { (name(&found.b)) } ": " strong { (verdict(&found)) } }
        @if !found.why.is_empty() { ul { @for why in &found.why { li { (why) } } } }
        @if let Some(first) = first(&found) { p { "First divergence: " (first) } }
        dl.facts {
            @for (title, lines) in sections(&found) {
                dt { (title) }
                dd { @if lines.is_empty() { "the same" } @else { ul.plain { @for line in &lines { li { (line) } } } } }
            }
        }
    })
}
