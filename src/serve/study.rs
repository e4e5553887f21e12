//! A study: how far its runs are, and its report as far as it is recorded.

use maud::{Markup, html};

use super::answer::Nothing;
use super::site::Site;
use crate::digits::{counted, span, thousands};
use crate::escape::shell;
use crate::hash::{Hash, Id};
use crate::records::Study;
use crate::report::page::{HtmlWriter, comparison};
use crate::study::{State, StudyRunStatus, recorded_sections, status};
use crate::training::unfinished::{self, UnfinishedTraining};

/// Shows a study below its title.
pub(super) fn content(site: &Site, page: &mut HtmlWriter, id: Hash) -> Result<(), Nothing> {
    let study = site.registry.get::<Study>(Id::new(id))?;
    let runs = status(&site.registry, &study)?;
    page.heading(2, "progress", "Progress");
    page.push(progress(&runs, id));
    let sections = recorded_sections(&site.registry, &site.registry.view()?, &study, &runs)?;
    if sections.is_empty() {
        page.heading(2, "results", "Results");
        let command = format!("reg study compare {}", shell(&study.name));
        page.push(html! { p { "No comparison of the finished runs is recorded. To record it: " code { (command) } } });
        return Ok(());
    }
    page.push(html! { p { a href={ "/report/" (id.short()) } { "The whole report" } } });
    for (place, section) in sections.into_iter().enumerate() {
        comparison(page, &site.registry, section.section.title, section.table, section.comparison, place)?;
    }
    Ok(())
}

/// The state of each run; fetched again for as long as one is running.
fn progress(runs: &[StudyRunStatus], id: Hash) -> Markup {
    let count = |name: &str| runs.iter().filter(|run| run.state.name() == name).count();
    let states = ["done", "running", "interrupted", "failed", "missing", "blocked"];
    let told: Vec<String> = states
        .iter()
        .filter(|name| count(name) > 0)
        .map(|name| format!("{} {}", count(name), if *name == "missing" { "pending" } else { name }))
        .collect();
    let unfinished = count("done") < runs.len();
    html! {
        div #study data-refresh=[unfinished.then(|| format!("/record/{}", id.short()))] {
            p { (told.join(", ")) " of " (counted(runs.len() as u64, "planned run")) "." }
            progress max=(runs.len()) value=(count("done")) aria-label="Finished runs" {}
            div.scroll role="group" tabindex="0" aria-label="Runs of the study" {
                table.sortable {
                    caption { "Runs of the study." }
                    thead { tr {
                        @for (place, name) in ["Run", "Section", "Setup", "State"].iter().enumerate() {
                            th scope="col" data-c=(place) { (name) }
                        }
                        th.n scope="col" data-c="4" { "Test AUC" }
                        th.n scope="col" data-c="5" { "Labels" }
                        th scope="col" data-c="6" { "Now" }
                    } }
                    tbody { @for run in runs { (row(run)) } }
                }
            }
        }
    }
}

fn row(run: &StudyRunStatus) -> Markup {
    let state = run.state.shown();
    html! {
        tr {
            th scope="row" {
                @if let State::Done { run: id, .. } = &run.state {
                    a href={ "/record/" (id.hash.short()) } { (run.row.name) }
                } @else { (run.row.name) }
            }
            td { (run.row.section) }
            td { (run.row.setup) }
            td { (state) }
            @match &run.state {
                State::Done { auc, .. } => {
                    td.n data-v=[auc.mean.map(|mean| format!("{mean:?}"))] { (auc.mean.map_or("n/a".to_owned(), |mean| format!("{mean:.4}"))) }
                    td.n { (auc.mean_over) " of " (auc.labels.len()) }
                    td {}
                }
                State::Running(training) | State::Interrupted(training) => { td {} td {} td { (now(training)) } }
                State::Blocked { why, mend } => {
                    td {} td {}
                    td { (why) @if let Some(mend) = mend { "; " (mend) } }
                }
                State::Missing => { td {} td {} td {} }
            }
        }
    }
}

/// What a training does, or why it ended.
fn now(training: &UnfinishedTraining) -> String {
    if let Some(error) = &training.error {
        return error.clone();
    }
    let Some(status) = &training.status else { return String::new() };
    let step = &status.step;
    let left = step.left.filter(|_| training.pid.is_some()).map(|left| format!(", {} left", span(left)));
    format!("epoch {} of {}{}", step.epoch, step.epochs, left.unwrap_or_default())
}

/// All unfinished trainings; fetched again every few seconds.
pub(super) fn trainings(site: &Site) -> Markup {
    let all = unfinished::all(&site.registry);
    html! {
        div #live data-refresh="/live" {
            @if !all.is_empty() {
                section aria-labelledby="in-training" {
                    h2 #in-training { "In training" }
                    div.scroll role="group" tabindex="0" aria-label="In training" {
                        table {
                            caption { "Trainings that are not recorded yet." }
                            thead { tr {
                                th scope="col" { "Run" }
                                th scope="col" { "State" }
                                @for name in ["Epoch", "Images", "Images/s", "Loss", "Best validation loss", "Left"] {
                                    th.n scope="col" { (name) }
                                }
                            } }
                            tbody { @for training in &all { (training_row(training)) } }
                        }
                    }
                }
            }
        }
    }
}

fn training_row(training: &UnfinishedTraining) -> Markup {
    let step = training.status.as_ref().map(|status| &status.step);
    let is_running = training.pid.is_some();
    let losses = training.status.iter().flat_map(|status| &status.epochs).map(|epoch| epoch.val_loss);
    let best = losses.fold(f64::INFINITY, f64::min);
    let state = match (is_running, &training.error) {
        (false, Some(error)) => format!("failed: {error}"),
        (false, None) => "interrupted".to_owned(),
        (true, _) => step.map_or("starts".to_owned(), |step| format!("{:?}", step.phase).to_lowercase()),
    };
    let of = |text: Option<String>| text.unwrap_or_default();
    let number = |value: f64, digits: usize| format!("{value:.digits$}");
    html! {
        tr {
            th scope="row" { (training.announcement.name) }
            td { (state) }
            td.n { (of(step.filter(|step| step.epoch > 0).map(|step| format!("{} of {}", step.epoch, step.epochs)))) }
            td.n { (of(step.map(|step| format!("{} of {}", thousands(step.done), thousands(step.total))))) }
            td.n { (of(step.filter(|_| is_running).map(|step| number(step.rate, 1)))) }
            td.n { (of(step.and_then(|step| step.loss).map(|loss| number(loss, 4)))) }
            td.n { (of(best.is_finite().then(|| number(best, 4)))) }
            td.n { (of(step.filter(|_| is_running).and_then(|step| step.left).map(span))) }
        }
    }
}
