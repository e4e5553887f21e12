//! The images of a data set: a list, and a viewer with boxes and heat maps.

use std::fmt::Write as _;
use std::path::Path;

use super::answer::{Answer, Nothing, Query, encoded, leaves};
use crate::dataset::formats::ImageFormat;
use crate::dataset::{formats, overlay, pixels};
use crate::hash::{Hash, Id};
use crate::records::{Dataset, Heatmap, ImageRow, Kind, Manifest, PatientId, Scale, Table};
use crate::registry::{Registry, RegistryError};
use crate::report::page::{HtmlWriter, withheld};
use crate::report::svg::escape;
use crate::report::{Cell, Column, ReportTable as Shown, thousands};
use crate::stats::{HeatmapGrid, Rect};

/// Images per page.
const LEAF: usize = 60;

fn read(registry: &Registry, id: Hash) -> Result<(Dataset, Manifest), Nothing> {
    if registry.view()?.kind(&id)? != Some(Kind::Dataset) {
        return Err(Nothing::Unknown(format!("data set {id}")));
    }
    let dataset: Dataset = registry.get(Id::new(id))?;
    let manifest = registry.manifest(&dataset)?;
    Ok((dataset, manifest))
}

fn row<'m>(manifest: &'m Manifest, place: &str) -> Result<(usize, &'m ImageRow), Nothing> {
    let found = place.parse::<usize>().ok().and_then(|place| Some((place, manifest.rows.get(place)?)));
    found.ok_or_else(|| Nothing::Unknown(format!("image {place}")))
}

fn labels(dataset: &Dataset, row: &ImageRow) -> String {
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
pub(super) fn meant(registry: &Registry, words: &str) -> Result<Vec<(Hash, u64)>, Nothing> {
    let mut found = Vec::new();
    if words.starts_with(PATIENT) || ImageFormat::of_name(Path::new(words)).is_some() {
        for id in registry.view()?.of_kind(Kind::Dataset)? {
            let (_, manifest) = read(registry, id)?;
            let count = manifest.rows.iter().filter(|row| is_meant(row, words)).count() as u64;
            found.extend((count > 0).then_some((id, count)));
        }
    }
    Ok(found)
}

/// Lists images by label, name and patient.
pub(super) fn list(registry: &Registry, id: Hash, query: &Query) -> Result<Answer, Nothing> {
    let (dataset, manifest) = read(registry, id)?;
    let (words, wanted) = (query.get("q"), query.get("label"));
    let words = words.trim();
    let label = dataset.labels.iter().position(|label| *label == wanted);
    let matches =
        |row: &ImageRow| label.is_none_or(|label| row.label(label) == Some(true)) && is_meant(row, words);
    let found: Vec<usize> =
        (0..manifest.rows.len()).filter(|place| matches(&manifest.rows[*place])).collect();
    let (page, pages) = (query.page(), found.len().div_ceil(LEAF));

    let mut out = HtmlWriter::served();
    let options: Vec<String> = std::iter::once("<option value=\"\">any</option>".to_owned())
        .chain(dataset.labels.iter().enumerate().map(|(place, name)| {
            let chosen = if Some(place) == label { " selected" } else { "" };
            format!("<option{chosen}>{}</option>", escape(name))
        }))
        .collect();
    out.push(&format!(
        "<form class=\"bar\" role=\"search\"><label>Name or patient <input type=\"search\" name=\"q\" value=\"{}\"></label> <label>Label <select name=\"label\">{}</select></label> <button>Search</button></form>",
        escape(words),
        options.join("")
    ));
    let columns = [
        Column::left("Image"),
        Column::right("Patient"),
        Column::right("Follow-up"),
        Column::right("Age"),
        Column::left("Gender"),
        Column::left("View"),
        Column::left("Labels"),
    ];
    let mut table = Shown::new(format!("{} images", thousands(found.len() as u64)), columns.into());
    let mut links = Vec::new();
    for place in found.iter().skip(page * LEAF).take(LEAF) {
        let row = &manifest.rows[*place];
        table.rows.push(vec![
            Cell::Text(row.name.to_string()),
            Cell::Text(row.patient.to_string()),
            Cell::Text(row.follow_up.map_or(String::new(), |number| number.to_string())),
            Cell::Text(row.age.map_or(String::new(), |age| age.to_string())),
            Cell::Text(format!("{:?}", row.gender)),
            Cell::Text(format!("{:?}", row.view)),
            Cell::Text(labels(&dataset, row)),
        ]);
        links.push(format!("/image/{id}/{place}"));
    }
    out.links(&table, "Look", &links);
    out.push(&leaves(page, pages, |n| {
        format!("/images/{id}?q={}&label={}&page={n}", encoded(words), encoded(&wanted))
    }));
    Ok(Answer::page(&format!("Images of {}", id.short()), &out.out))
}

/// One image with its boxes and its recorded heat maps.
pub(super) fn viewer(registry: &Registry, id: Hash, place: &str, query: &Query) -> Result<Answer, Nothing> {
    let (dataset, manifest) = read(registry, id)?;
    let (place, row) = row(&manifest, place)?;
    let boxes = registry.boxes(&dataset)?.map_or(Vec::new(), |boxes| boxes.rows);
    let mut heatmaps: Vec<(Hash, Heatmap)> = Vec::new();
    if let Some(object) = row.object {
        let recorded = registry.referring::<Table>(&registry.view()?, &object)?;
        heatmaps.extend(recorded.into_iter().filter_map(|(id, table)| match table {
            Table::Heatmap(heatmap) => Some((id.hash, *heatmap)),
            _ => None,
        }));
    }
    let chosen = heatmaps.iter().find(|(heatmap, _)| heatmap.to_string() == query.get("heat"));

    let mut out = HtmlWriter::served();
    let fact = |what: &str, value: &str| format!("<dt>{what}</dt><dd>{}</dd>", escape(value));
    let study = row.study.as_ref().map_or(String::new(), |study| format!(", study {study}"));
    let follow_up = row.follow_up.map_or(String::new(), |number| format!(", follow-up {number}"));
    let age = row.age.map_or("not given".to_owned(), |age| format!("{age} years"));
    out.push(&format!(
        "<dl class=\"facts\">{}{}{}{}{}</dl>",
        fact("Labels", &labels(&dataset, row)),
        fact("Patient", &format!("{}{study}{follow_up}, {age}, {:?}", row.patient, row.gender)),
        fact("View", &format!("{:?}", row.view)),
        fact("Size", &format!("{} x {}", row.width, row.height)),
        fact("Metadata", &format!("row {}", row.row)),
    ));
    if !heatmaps.is_empty() {
        let link = |heatmap: &str, text: &str, current: bool| {
            let current = if current { " aria-current=\"true\"" } else { "" };
            format!("<li><a href=\"/image/{id}/{place}{heatmap}\"{current}>{}</a></li>", escape(text))
        };
        let mut links = vec![link("", "X-ray", chosen.is_none())];
        links.extend(heatmaps.iter().map(|(hash, heatmap)| {
            let probability = Scale::Logit.probability(heatmap.logit);
            let text =
                format!("{}, run {}, probability {probability:.3}", heatmap.label, heatmap.run.hash.short());
            link(&format!("?heat={hash}"), &text, chosen.is_some_and(|(chosen, _)| chosen == hash))
        }));
        out.push(&format!("<nav aria-label=\"Heat maps\"><ol>{}</ol></nav>", links.join("")));
    }
    match row.object {
        None => out.paragraph("", "This data set has metadata only, and no images."),
        Some(object) if withheld(registry, &object)?.is_some() => {
            let why = withheld(registry, &object)?.unwrap_or_default();
            out.paragraph("warning", &why);
        }
        Some(object) => {
            let source = match chosen {
                Some((heatmap, _)) => format!("/heat/{heatmap}"),
                None => format!("/xray/{id}/{place}"),
            };
            let own: Vec<_> = boxes.iter().filter(|of| of.image as usize == place).collect();
            let mut frames = String::new();
            let mut said = Vec::new();
            for of in &own {
                let label = dataset.labels.get(of.label as usize).map_or("?", String::as_str);
                let _ = write!(
                    frames,
                    "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/><text x=\"{}\" y=\"{}\" font-size=\"{}\">{}</text>",
                    of.x,
                    of.y,
                    of.w,
                    of.h,
                    of.x,
                    of.y - f64::from(row.height) / 120.0,
                    row.height / 36 + 1,
                    escape(label)
                );
                said.push(format!("{label} at {:.0}, {:.0}, {:.0} by {:.0} pixels", of.x, of.y, of.w, of.h));
            }
            let what = chosen.map_or("X-ray".to_owned(), |(_, heatmap)| {
                format!("Heat map of {} on the X-ray", heatmap.label)
            });
            let said = if said.is_empty() { "no annotated box".to_owned() } else { said.join("; ") };
            out.push(&format!(
                "<p class=\"bar\"><label><input type=\"checkbox\" id=\"boxes\" checked> Boxes ({})</label> <a href=\"/lineage/down/{object}\">Results</a></p><div class=\"viewer\"><img src=\"{source}\" width=\"{}\" height=\"{}\" alt=\"{}\"><svg viewBox=\"0 0 {} {}\" role=\"img\"><title>{}</title>{frames}</svg></div>",
                own.len(), row.width, row.height,
                escape(&format!("{what}, {}", row.name)),
                row.width, row.height,
                escape(&said),
            ));
        }
    }
    let step = |to: usize, text: &str| format!("<a href=\"/image/{id}/{to}\">{text}</a>");
    let before = place.checked_sub(1).map(|to| step(to, "Previous")).unwrap_or_default();
    let after = if place + 1 < manifest.rows.len() { step(place + 1, "Next") } else { String::new() };
    out.push(&format!("<p class=\"bar\">{before} <a href=\"/images/{id}\">All images</a> {after}</p>"));
    Ok(Answer::page(&row.name, &out.out))
}

/// The bytes of an image in a row of a manifest, only if they are an image.
pub(super) fn xray(registry: &Registry, id: Hash, place: &str) -> Result<Answer, Nothing> {
    let (_, manifest) = read(registry, id)?;
    let (_, row) = row(&manifest, place)?;
    let object = row.object.ok_or_else(|| Nothing::Unknown(format!("image {place}")))?;
    if let Some(why) = withheld(registry, &object)? {
        return Err(Nothing::Unknown(format!("image {place}: {why}")));
    }
    let bytes = registry.store().read(&object).map_err(RegistryError::from)?;
    match formats::check(&bytes) {
        Ok(info) => Ok(Answer::image(info.format, bytes)),
        Err(_) => Err(Nothing::Unknown(format!("image in {object}"))),
    }
}

/// An image with the colours of a recorded heat map, without boxes.
pub(super) fn heatmap(registry: &Registry, id: Hash) -> Result<Answer, Nothing> {
    let unknown = || Nothing::Unknown(format!("heat map {id}"));
    let kind = registry.view()?.kind(&id)?;
    let heatmap = match kind.map(|_| registry.get::<Table>(Id::new(id))) {
        Some(Ok(Table::Heatmap(heatmap))) => heatmap,
        _ => return Err(unknown()),
    };
    if withheld(registry, &heatmap.object.hash)?.is_some() {
        return Err(unknown());
    }
    let bytes = registry.store().read(&heatmap.object.hash).map_err(RegistryError::from)?;
    let gray = pixels::decode(&bytes).map_err(|_| unknown())?;
    let (side, cells) = (heatmap.map.len(), heatmap.map.concat());
    if side == 0 || cells.len() != side * side {
        return Err(unknown());
    }
    let over = Rect { x: heatmap.over.x, y: heatmap.over.y, w: heatmap.over.w, h: heatmap.over.h };
    let map = HeatmapGrid { cells, side, over, image: [gray.width, gray.height] };
    Ok(Answer::image(ImageFormat::Png, overlay::paint(&gray, &map.pixels(), &[])))
}
