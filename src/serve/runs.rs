//! The runs of a registry: sorted, filtered, searched, with chosen columns, and selected to be compared.
//!
//! All of what is asked stands in the address. One form has it all, so that the page does without a script; with one, the
//! parts that change are fetched and put in place.

use std::collections::{BTreeSet, HashSet};

use maud::{Markup, html};

use super::answer::{Answer, Nothing, Query};
use super::site::Site;
use crate::digits::{counted, thousands};
use crate::filter::Filter;
use crate::listing::{self, ListError, ListRequest, ListedRun, SortDirection, SortOrder, field, fields};
use crate::report::page::Page;
use crate::report::{self, Align, ReportTable};

/// Runs per page.
const LEAF: usize = 100;

/// The columns that stand at the left unless others are asked for: what a reader looks for must be visible in a narrow
/// window, which cuts a table off at the right.
const FIRST: [&str; 7] =
    ["name", "test_auc", "test_auc_labels", "val_auc", "val_auc_labels", "model", "state"];

/// What is asked of the list.
struct Asked {
    words: String,
    expression: String,
    sort: String,
    /// The chosen columns; empty for the usual ones.
    columns: Vec<String>,
    /// Columns to show beside the chosen or the usual ones.
    added: Vec<String>,
    selected: Vec<String>,
}

impl Asked {
    fn of(query: &Query) -> Self {
        let columns = query.get("columns");
        let columns = columns.split(',').map(str::trim).filter(|name| !name.is_empty());
        let mut seen = HashSet::new();
        let mut selected = query.all("run");
        selected.retain(|id| seen.insert(id.clone()));
        if !query.get("clear").is_empty() {
            selected.clear();
        }
        Asked {
            words: query.get("q").trim().to_owned(),
            expression: query.get("where").trim().to_owned(),
            sort: query.get("sort"),
            columns: columns.map(str::to_owned).collect(),
            added: query.all("add"),
            selected,
        }
    }
}

/// A list of runs, and what is wrong with what was asked.
struct Listed {
    runs: Vec<ListedRun>,
    columns: Vec<String>,
    /// The columns that were asked for, the added ones included; empty for the usual ones.
    chosen: Vec<String>,
    order: Option<SortOrder>,
    problems: Vec<String>,
}

/// Chooses and sorts. What cannot be done as asked is said, and left out.
fn listed(all: Vec<ListedRun>, asked: &Asked) -> Listed {
    let mut problems = Vec::new();
    let mut request = ListRequest::default();
    match Some(&asked.expression).filter(|text| !text.is_empty()).map(|text| Filter::parse(text)).transpose()
    {
        Ok(filter) => request.filter = filter,
        Err(e) => problems.push(e.to_string()),
    }
    let mut runs = listing::choose(all.clone(), &request).unwrap_or_else(|e| {
        problems.push(told(&e));
        all.clone()
    });
    let order =
        Some(&asked.sort).filter(|text| !text.is_empty()).map(|text| SortOrder::parse(text)).transpose();
    let mut order = order.unwrap_or_else(|e| {
        problems.push(e.to_string());
        None
    });
    if order.is_some() {
        let request = ListRequest { order: order.clone(), ..ListRequest::default() };
        runs = listing::choose(runs, &request).unwrap_or_else(|e| {
            problems.push(told(&e));
            order = None;
            all.clone()
        });
    }
    if order.is_none() {
        // The newest first: that is what somebody comes back for.
        runs.reverse();
    }
    let words = asked.words.to_lowercase();
    if !words.is_empty() {
        runs.retain(|run| matches(run, &words));
    }
    let usual = || results_first(listing::of_columns(None, &runs).unwrap_or_default());
    let mut chosen = asked.columns.clone();
    if chosen.is_empty() && !asked.added.is_empty() {
        chosen = usual();
    }
    for name in &asked.added {
        if !chosen.contains(name) {
            chosen.push(name.clone());
        }
    }
    let wanted = (!chosen.is_empty()).then_some(&chosen[..]);
    let wanted = wanted
        .and_then(|wanted| listing::of_columns(Some(wanted), &all).map_err(|e| problems.push(told(&e))).ok());
    let columns = wanted.unwrap_or_else(usual);
    Listed { runs, columns, chosen, order, problems }
}

/// The usual columns in the order of a page: results first, then what the runs were trained with.
fn results_first(mut columns: Vec<String>) -> Vec<String> {
    let place = |name: &String| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len());
    columns.sort_by_key(place);
    columns
}

/// What is wrong, with the names that there are.
fn told(e: &ListError) -> String {
    match e {
        ListError::UnknownField { known, .. } => format!("{e}; there are: {}", known.join(", ")),
        ListError::Registry(_) | ListError::Filter(_) => e.to_string(),
    }
}

/// Whether words occur in what a run is called or made of.
fn matches(run: &ListedRun, words: &str) -> bool {
    let texts = [&run.name, &run.model, &run.dataset, &run.split, &run.weights, &run.note];
    let is_id = run.id.is_some_and(|id| id.to_string().starts_with(words));
    is_id || texts.into_iter().flatten().any(|text| text.to_lowercase().contains(words))
}

/// The page with the list.
pub(super) fn list(site: &Site, query: &Query) -> Result<Answer, Nothing> {
    let asked = Asked::of(query);
    let view = site.registry.view()?;
    let all = listing::runs(&site.registry, &view)?;
    drop(view);
    let known: Vec<String> = known(&all);
    let total = all.len() as u64;
    let Listed { runs, columns, chosen, order, problems } = listed(all, &asked);
    let (page, pages) = (query.page(), runs.len().div_ceil(LEAF));
    let found = runs.len() as u64;
    let mut shown: Vec<ListedRun> = runs.into_iter().skip(page * LEAF).take(LEAF).collect();
    let remarks = site.found(|found| report::run_remarks_with(&site.registry, &mut shown, found))?;
    let table = report::runs(&shown, &columns);
    let is_shown = |id: &String| shown.iter().any(|run| key(run).as_ref() == Some(id));
    let elsewhere: Vec<&String> = asked.selected.iter().filter(|id| !is_shown(id)).collect();
    let sorted = order.as_ref().map_or("the newest first".to_owned(), |order| {
        let head = field(order.key()).map_or(order.key(), |field| field.head);
        let direction = match order.direction() {
            SortDirection::Ascending => "ascending",
            SortDirection::Descending => "descending",
        };
        format!("sorted by {head}, {direction}")
    });
    let main = html! {
        form #runs action="/runs" data-live {
            div.bar role="search" {
                label { "Search " input type="search" name="q" value=(asked.words) placeholder="name, model, note"; }
                label.long {
                    "Where "
                    input type="search" name="where" value=(asked.expression) placeholder="model=mlp and lr<0.01" spellcheck="false"
                        aria-describedby="where-help";
                }
                button { "Show" }
                button formaction="/compare" { "Compare selected" }
            }
            p.notes #where-help { "The field Where takes the same expressions as --where of `reg list run`: = != < > ~ and or not in ( ), with any column or setting." }
            div #problems data-part role="alert" {
                @for problem in &problems { pre.warning { (problem) } }
            }
            p #count role="status" data-part {
                (thousands(found)) " of " (counted(total, "run")) ", " (sorted)
                @if pages > 1 { ", page " (page + 1) " of " (pages) }
                @if !asked.selected.is_empty() { ", " (asked.selected.len()) " selected" }
            }
            div #shown data-part {
                input type="hidden" name="sort" value=(asked.sort);
                @for id in elsewhere { input type="hidden" name="run" value=(id); }
                @if shown.is_empty() {
                    p { @if total == 0 { "No runs yet; `reg train` makes one." } @else { "No run matches." } }
                } @else {
                    (rows(&table, &shown, &columns, order.as_ref(), &asked))
                }
                @for remark in &remarks { p.warning { (remark) } }
                @if pages > 1 {
                    div.bar role="group" aria-label="Pages" {
                        @if page > 0 { button #before name="page" value=(page) { "Previous" } }
                        span { "Page " (page + 1) " of " (pages) }
                        @if page + 1 < pages { button #after name="page" value=(page + 2) { "Next" } }
                    }
                }
                @if !asked.selected.is_empty() {
                    p.bar { button #clear name="clear" value="1" { "Clear the selection" } }
                }
                details #columns {
                    summary { "Columns" }
                    p.bar {
                        label.long { "Columns " input #names name="columns" value=(chosen.join(",")) placeholder=(columns.join(",")) spellcheck="false"; }
                        button { "Show" }
                    }
                    p.chips {
                        @for name in &known {
                            @if !columns.contains(name) { button #{ "add-" (name) } name="add" value=(name) { "+ " (name) } }
                        }
                    }
                }
            }
        }
    };
    Ok(Answer::page(&Page::new("Runs", main), "/runs"))
}

/// All names of columns: fields, then settings.
fn known(runs: &[ListedRun]) -> Vec<String> {
    let mut seen = HashSet::new();
    let texts = runs.iter().filter(|run| seen.insert(run.settings.text()));
    let settings: BTreeSet<&str> = texts.flat_map(|run| run.settings.iter().map(|(name, _)| name)).collect();
    fields().iter().map(|field| field.name).chain(settings).map(str::to_owned).collect()
}

/// What stands for a recorded run in an address.
fn key(run: &ListedRun) -> Option<String> {
    run.id.map(|id| id.short())
}

fn rows(
    table: &ReportTable,
    runs: &[ListedRun],
    columns: &[String],
    order: Option<&SortOrder>,
    asked: &Asked,
) -> Markup {
    html! {
        div.scroll.wide role="group" tabindex="0" aria-label="Runs" {
            table {
                caption { "Runs" }
                thead { tr {
                    th scope="col" { "Select" }
                    @for (name, column) in columns.iter().zip(&table.columns) {
                        (heading(name, &column.name, column.align, order))
                    }
                } }
                tbody {
                    @for (run, cells) in runs.iter().zip(&table.rows) {
                        tr {
                            td {
                                @if let Some(key) = key(run) {
                                    input type="checkbox" name="run" value=(key) aria-label={ "Select " (run.called()) }
                                        checked[asked.selected.contains(&key)];
                                }
                            }
                            @for ((name, column), cell) in columns.iter().zip(&table.columns).zip(cells) {
                                @let text = cell.shown();
                                @match (name.as_str(), link(run, name)) {
                                    ("name", Some(link)) => { th scope="row" { a href=(link) { (run.called()) } (mark(run)) } }
                                    ("name", None) => { th scope="row" { (run.called()) } }
                                    (_, Some(link)) => { td { a href=(link) { (text) } } }
                                    (_, None) => { td.n[column.align == Align::Right] { (text) } }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if !table.notes.is_empty() { p.notes { (table.notes.join(" ")) } }
    }
}

/// What must not be overlooked beside the name of a run; the sentence stands below the table.
fn mark(run: &ListedRun) -> Markup {
    html! {
        @if !run.leaks.is_empty() { " " strong.warning { "leak" } }
        @if !run.unknown_ancestry.is_empty() { " " small { "unknown ancestry" } }
    }
}

/// What a cell leads to.
fn link(run: &ListedRun, column: &str) -> Option<String> {
    let id = match column {
        "name" | "id" => run.id?,
        "spec" => run.spec?,
        "dataset" => run.dataset_id?,
        "split" => run.split_id?,
        _ => return None,
    };
    Some(format!("/record/{}", id.short()))
}

/// A heading that sorts: by the column, or the other way round.
fn heading(name: &str, head: &str, align: Align, order: Option<&SortOrder>) -> Markup {
    let current = order.filter(|order| order.key() == name).map(SortOrder::direction);
    let (next, aria) = match current {
        Some(SortDirection::Ascending) => (format!("{name}:desc"), Some("ascending")),
        Some(SortDirection::Descending) => (format!("{name}:asc"), Some("descending")),
        None => (name.to_owned(), None),
    };
    html! {
        th.n[align == Align::Right] scope="col" aria-sort=[aria] {
            button #{ "sort-" (name) } name="sort" value=(next) { (head) }
        }
    }
}
