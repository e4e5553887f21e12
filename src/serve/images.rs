//! The images of a data set: a grid of thumbnails, filtered.

use std::path::Path;

use maud::{Markup, html};

use super::answer::{Answer, Nothing, Query, leaves};
use super::site::{ImageSet, Site};
use crate::dataset::formats::ImageFormat;
use crate::digits::counted;
use crate::hash::{Hash, Id};
use crate::records::{Assignment, Dataset, Gender, ImageRow, Kind, PatientId, Split, Subset, ViewPosition};
use crate::report::page::Page;

/// Images per page.
const LEAF: usize = 60;

/// The labels of an image in words.
pub(super) fn labels(dataset: &Dataset, row: &ImageRow) -> String {
    let named = row.labels.positives().filter_map(|place| dataset.labels.get(place)).map(String::as_str);
    let named = named.collect::<Vec<_>>().join(", ");
    match row.labels.missing().count() {
        0 => named,
        missing => format!("{named} ({missing} not known)").trim_start().to_owned(),
    }
}

/// The prefix of a patient's number, as on the command line.
const PATIENT: &str = "patient:";

/// Whether the search words match an image: its name, part of the name, or its patient.
fn is_meant(row: &ImageRow, words: &str) -> bool {
    let is = |text: &str| text.parse().is_ok_and(|patient: PatientId| row.patient == patient);
    match words.strip_prefix(PATIENT) {
        Some(patient) => is(patient.trim()),
        None => words.is_empty() || row.name.contains(words) || is(words),
    }
}

/// Data sets with images that match the search words, and the number of these images.
pub(super) fn meant(site: &Site, words: &str) -> Result<Vec<(Hash, u64)>, Nothing> {
    let mut found = Vec::new();
    if words.starts_with(PATIENT) || ImageFormat::of_name(Path::new(words)).is_some() {
        for id in site.registry.view()?.of_kind(Kind::Dataset)? {
            let images = site.images(id)?;
            let count = images.manifest.rows.iter().filter(|row| is_meant(row, words)).count() as u64;
            found.extend((count > 0).then_some((id, count)));
        }
    }
    Ok(found)
}

/// A split of a data set, with what it is called.
pub(super) struct NamedSplit {
    pub(super) id: Id<Split>,
    pub(super) name: String,
    pub(super) split: Split,
}

/// The splits of a data set, oldest first.
pub(super) fn splits(site: &Site, dataset: Hash) -> Result<Vec<NamedSplit>, Nothing> {
    let view = site.registry.view()?;
    let names = view.names_by_id()?;
    let of = |id: Id<Split>, split| NamedSplit {
        id,
        name: names.get(&id.hash).cloned().unwrap_or_else(|| id.hash.short()),
        split,
    };
    let mut found = Vec::new();
    for (from, _) in view.referrers(&dataset)? {
        if view.kind(&from)? == Some(Kind::Split) {
            let split = site.registry.get::<Split>(Id::new(from))?;
            found.extend((split.dataset.hash == dataset).then(|| of(Id::new(from), split)));
        }
    }
    Ok(found)
}

/// Which images are listed.
struct Choice {
    words: String,
    label: Option<usize>,
    without: bool,
    view: Option<ViewPosition>,
    gender: Option<Gender>,
    ages: [Option<i32>; 2],
    /// The codes of the images in a fold of a split, and the wanted one.
    subset: Option<(Assignment, usize, Subset)>,
    /// What was asked for and does not exist.
    problems: Vec<String>,
}

const VIEWS: [ViewPosition; 3] = [ViewPosition::PA, ViewPosition::AP, ViewPosition::Unknown];
const GENDERS: [Gender; 3] = [Gender::Male, Gender::Female, Gender::Unknown];

impl Choice {
    fn of(site: &Site, images: &ImageSet, splits: &[NamedSplit], query: &Query) -> Result<Self, Nothing> {
        let (label, view, gender) = (query.get("label"), query.get("view"), query.get("gender"));
        let wanted = Subset::ALL.into_iter().find(|subset| subset.name() == query.get("subset"));
        let fold = query.get("fold").parse::<usize>().unwrap_or(0);
        let name = query.get("split");
        let split = splits.iter().find(|split| split.name == name || split.id.hash.to_string() == name);
        let subset = match (split, wanted) {
            (Some(split), Some(wanted)) if fold < split.split.folds.len() => {
                Some((site.registry.assignment(&split.split)?, fold, wanted))
            }
            _ => None,
        };
        let mut problems = Vec::new();
        let asked = |key: &str| Some(query.get(key)).filter(|value| !value.is_empty());
        let mut unknown = |what: &str, key: &str, is_known: bool| {
            problems.extend(
                asked(key).filter(|_| !is_known).map(|value| format!("There is no {what} {value:?}.")),
            );
        };
        unknown("label", "label", images.dataset.labels.contains(&label));
        unknown("view", "view", VIEWS.iter().any(|known| known.letters() == view));
        unknown("gender", "gender", GENDERS.iter().any(|known| known.letter() == gender));
        unknown("subset", "subset", wanted.is_some());
        unknown("split of this data set", "split", split.is_some());
        match (split, wanted) {
            (Some(of), Some(_)) if subset.is_none() => {
                problems.push(format!("The split {} has no division {fold}.", of.name));
            }
            (None, Some(wanted)) => {
                problems.push(format!(
                    "Choose a split, too: each split has its own {} images.",
                    wanted.in_words()
                ));
            }
            _ => {}
        }
        Ok(Choice {
            problems,
            words: query.get("q").trim().to_owned(),
            label: images.dataset.labels.iter().position(|known| *known == label),
            without: query.get("has") == "no",
            view: VIEWS.into_iter().find(|known| known.letters() == view),
            gender: GENDERS.into_iter().find(|known| known.letter() == gender),
            ages: ["from", "to"].map(|key| query.get(key).parse().ok()),
            subset,
        })
    }

    fn holds(&self, place: usize, row: &ImageRow) -> bool {
        let aged = |bound: Option<i32>, is: fn(i32, i32) -> bool| {
            bound.is_none_or(|bound| row.age.is_some_and(|age| is(age, bound)))
        };
        self.label.is_none_or(|label| row.label(label) == Some(!self.without))
            && self.view.is_none_or(|view| row.view == view)
            && self.gender.is_none_or(|gender| row.gender == gender)
            && aged(self.ages[0], |age, from| age >= from)
            && aged(self.ages[1], |age, to| age <= to)
            && self.subset.as_ref().is_none_or(|(assignment, fold, subset)| {
                assignment.folds[*fold].get(place) == Some(&(*subset as u8))
            })
            && is_meant(row, &self.words)
    }
}

/// Lists images by label, view, gender, age, patient, name and subset.
pub(super) fn list(site: &Site, id: Hash, query: &Query) -> Result<Answer, Nothing> {
    let images = site.images(id)?;
    let splits = splits(site, id)?;
    let choice = Choice::of(site, &images, &splits, query)?;
    let rows = images.manifest.rows.iter().enumerate();
    let found: Vec<usize> =
        rows.filter(|(place, row)| choice.holds(*place, row)).map(|(place, _)| place).collect();
    let (page, pages) = (query.page(), found.len().div_ceil(LEAF));
    let name = site.registry.view()?.names_by_id()?.remove(&id).unwrap_or_else(|| id.short());
    let shown = found.iter().skip(page * LEAF).take(LEAF);
    let count = counted(found.len() as u64, "image");
    let all = counted(images.manifest.rows.len() as u64, "image");
    let main = html! {
        form.bar role="search" data-live {
            (field("Name or patient", html! { input type="search" name="q" value=(choice.words); }))
            (select("Label", "label", &images.dataset.labels, &query.get("label")))
            (select("is", "has", &["yes", "no"], &query.get("has")))
            (select("View", "view", &VIEWS.map(ViewPosition::letters), &query.get("view")))
            (select("Gender", "gender", &GENDERS.map(Gender::letter), &query.get("gender")))
            (field("Age from", html! { input type="number" name="from" min="0" max="150" value=(query.get("from")); }))
            (field("to", html! { input type="number" name="to" min="0" max="150" value=(query.get("to")); }))
            @if !splits.is_empty() {
                @let names: Vec<&str> = splits.iter().map(|split| split.name.as_str()).collect();
                @let folds = splits.iter().map(|split| split.split.folds.len()).max().unwrap_or(0);
                @let folds: Vec<String> = (0..folds).map(|fold| fold.to_string()).collect();
                (select("Subset", "subset", &Subset::ALL.map(Subset::name), &query.get("subset")))
                (select("of split", "split", &names, &query.get("split")))
                (select("division", "fold", &folds, &query.get("fold")))
            }
            button { "Show" }
        }
        div #problems data-part role="alert" {
            @for problem in &choice.problems { pre.warning { (problem) } }
        }
        p #count role="status" data-part { (count) " of " (all) }
        div #shown data-part {
            ul.thumbs {
                @for place in shown { li { (thumbnail(&images, *place, None)) } }
            }
            (leaves(page, pages, query))
        }
    };
    let intro = html! { p { a href={ "/record/" (id) } { "Data set " (name) } } };
    Ok(Answer::page(&Page { intro, ..Page::new(format!("Images of {name}"), main) }, "/?kind=dataset"))
}

/// A small picture of an image that leads to it, with its labels or what else is said of it.
pub(super) fn thumbnail(images: &ImageSet, place: usize, said: Option<&str>) -> Markup {
    let (id, row) = (images.id.hash, &images.manifest.rows[place]);
    let labels = labels(&images.dataset, row);
    let age = row.age.map_or(String::new(), |age| format!(", {age}"));
    let about = format!("patient {}{age}, {}, {}", row.patient, row.gender.letter(), row.view.letters());
    html! {
        a.thumb href={ "/image/" (id.short()) "/" (place) } {
            @if row.object.is_some() {
                img src={ "/thumb/" (id) "/" (place) } alt="" width="160" height="160" loading="lazy";
            }
            b { (row.name) }
            span { (labels) }
            small { (about) }
            @if let Some(said) = said { strong { (said) } }
        }
    }
}

fn field(label: &str, input: Markup) -> Markup {
    html! { label { (label) " " (input) } }
}

/// A choice among values, or none of them.
pub(super) fn select<T: AsRef<str>>(label: &str, name: &str, values: &[T], chosen: &str) -> Markup {
    field(
        label,
        html! {
            select name=(name) {
                option value="" { "any" }
                @for value in values {
                    @let value = value.as_ref();
                    option selected[value == chosen] { (value) }
                }
            }
        },
    )
}
