//! A lineage as a drawing that opens step by step, in both directions.
//!
//! Inputs stand at the left of an object and results at its right, a column for each step. What is open stands in the
//! address: `u` and `d` with the start of an id, for its inputs and its results; each time that it is named, more of them
//! are shown. Without a style sheet or a mouse every box is a link, and the lists at the foot of the page say the same.

use std::collections::{BTreeMap, HashMap};

use maud::{Markup, html};

use super::answer::{Answer, Nothing, Query};
use super::site::Site;
use crate::hash::Hash;
use crate::index::View;
use crate::lineage::{Direction, Graph, trace_near};
use crate::records::{Header, Kind, summary};
use crate::registry::{Registry, RegistryError};
use crate::report::page::Page;

/// Objects that are shown for each time that one is opened.
const STEP: usize = 8;
/// Steps that are followed at once: each reads records.
const OPENED: usize = 60;
const BOX: [i32; 2] = [248, 62];
const GAP: [i32; 2] = [64, 18];
/// Where text begins, clear of the sign at the left: as wide as that at the right.
const TEXT: i32 = 30;
/// What a sign at the right of the last box needs beyond it.
const SIGN: i32 = 8;

/// An object in the drawing.
struct Placed {
    id: Hash,
    kind: String,
    name: Option<String>,
    summary: String,
    /// Steps from the root: negative for inputs, positive for results.
    level: i32,
    /// What it says of the object beside it: its role there.
    role: String,
    /// How many of its inputs and results are not shown; none where it was not opened.
    more: [Option<usize>; 2],
    y: i32,
}

/// A lineage as far as it is open.
struct Drawing {
    placed: Vec<Placed>,
    known: HashMap<Hash, usize>,
    /// From an input to a result.
    lines: Vec<(usize, usize)>,
}

fn way(direction: Direction) -> (usize, &'static str, i32) {
    match direction {
        Direction::Up => (0, "u", -1),
        Direction::Down => (1, "d", 1),
    }
}

impl Drawing {
    fn of(registry: &Registry, view: &View, root: Hash, open: &[String]) -> Result<Self, RegistryError> {
        let names = view.names_by_id()?;
        let mut drawing = Drawing { placed: Vec::new(), known: HashMap::new(), lines: Vec::new() };
        drawing.place(registry, view, &names, root, 0, String::new())?;
        let mut next = 0;
        while next < drawing.placed.len() {
            let (id, level) = (drawing.placed[next].id, drawing.placed[next].level);
            for direction in [Direction::Up, Direction::Down] {
                let (side, letter, step) = way(direction);
                let token = format!("{letter}{}", id.short());
                let mut times = open.iter().filter(|own| **own == token).count();
                if next == 0 {
                    times += 1;
                }
                if times == 0 {
                    continue;
                }
                let graph = trace_near(registry, view, id, direction, 0)?;
                let mut beside = neighbours(&graph, id);
                if view.kind(&id)? != Some(Kind::Note) {
                    // Of notes, the one that counts; `reg log` has those that it replaced.
                    let current = registry.note(view, &id)?.map(|(note, _)| note.hash);
                    let mut kept = Vec::new();
                    for one in beside {
                        if view.kind(&one.0)? != Some(Kind::Note) || Some(one.0) == current {
                            kept.push(one);
                        }
                    }
                    beside = kept;
                }
                let shown = beside.len().min(times * STEP);
                drawing.placed[next].more[side] = Some(beside.len() - shown);
                for (other, role) in &beside[..shown] {
                    // A result is said by its kind; what it calls its input is said of the input.
                    let role = if step < 0 { role.clone() } else { String::new() };
                    let at = match drawing.known.get(other) {
                        Some(at) => *at,
                        None => drawing.place(registry, view, &names, *other, level + step, role)?,
                    };
                    let line = if step < 0 { (at, next) } else { (next, at) };
                    // Of what stands beside a record, either end leads to the other.
                    if !drawing.lines.contains(&line) && !drawing.lines.contains(&(line.1, line.0)) {
                        drawing.lines.push(line);
                    }
                }
            }
            next += 1;
        }
        drawing.arrange();
        Ok(drawing)
    }

    fn place(
        &mut self,
        registry: &Registry,
        view: &View,
        names: &HashMap<Hash, String>,
        id: Hash,
        level: i32,
        role: String,
    ) -> Result<usize, RegistryError> {
        let kind = view.kind(&id)?;
        let header =
            kind.and_then(|_| registry.store().read(&id).ok()).and_then(|bytes| Header::read(&bytes).ok());
        let size = || registry.store().size(&id).map_or("missing".to_owned(), crate::digits::size);
        let text = |header: &Header| match header.document.get("text").and_then(|text| text.as_str()) {
            // A note is known by its words, not by its time.
            Some(text) if header.kind == Kind::Note => text.lines().next().unwrap_or_default().to_owned(),
            _ => summary(header),
        };
        let summary = header.as_ref().map_or_else(size, text);
        let kind = kind.map_or("file", Kind::name).to_owned();
        self.known.insert(id, self.placed.len());
        let name = names.get(&id).cloned();
        self.placed.push(Placed { id, kind, name, summary, level, role, more: [None; 2], y: 0 });
        Ok(self.placed.len() - 1)
    }

    /// Places the objects of each column below each other, each column in the middle.
    fn arrange(&mut self) {
        let mut columns: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
        for (place, placed) in self.placed.iter().enumerate() {
            columns.entry(placed.level).or_default().push(place);
        }
        let most = columns.values().map(Vec::len).max().unwrap_or(1) as i32;
        for column in columns.values() {
            let free = (most - column.len() as i32) * (BOX[1] + GAP[1]) / 2;
            for (place, own) in column.iter().enumerate() {
                self.placed[*own].y = free + place as i32 * (BOX[1] + GAP[1]);
            }
        }
    }

    fn size(&self) -> (i32, [i32; 2]) {
        let levels = || self.placed.iter().map(|placed| placed.level);
        let (first, last) = (levels().min().unwrap_or(0), levels().max().unwrap_or(0));
        let bottom = self.placed.iter().map(|placed| placed.y).max().unwrap_or(0) + BOX[1];
        (first, [(last - first + 1) * (BOX[0] + GAP[0]) - GAP[0] + SIGN, bottom + 2])
    }
}

/// The objects one step away, with their roles: records first, in the order of their kinds.
fn neighbours(graph: &Graph, id: Hash) -> Vec<(Hash, String)> {
    let mut beside: Vec<(Hash, String)> = Vec::new();
    for edge in &graph.edges {
        let other = edge.other(&id);
        if other != id && beside.iter().all(|(known, _)| *known != other) {
            beside.push((other, edge.role.text().into_owned()));
        }
        // Of the images of a data set, nobody looks through all.
        if beside.len() > OPENED * STEP {
            break;
        }
    }
    beside
}

/// The page with the drawing.
pub(super) fn page(site: &Site, id: Hash, query: &Query) -> Result<Answer, Nothing> {
    let open: Vec<String> = query
        .get("open")
        .split(',')
        .filter(|token| !token.is_empty())
        .take(OPENED)
        .map(str::to_owned)
        .collect();
    let view = site.registry.view()?;
    let drawing = Drawing::of(&site.registry, &view, id, &open)?;
    drop(view);
    let root = &drawing.placed[0];
    let called = root.name.clone().unwrap_or_else(|| root.id.short());
    let title = format!("Lineage of {} {called}", root.kind);
    let main = html! {
        p { "Inputs are on the left, results on the right. The signs at the sides of a box show and hide its inputs and its results." }
        div #graph data-part { (drawn(&drawing, &open)) }
        p.bar {
            a href={ "/lineage/up/" (id.short()) } { "All inputs as a list" }
            a href={ "/lineage/down/" (id.short()) } { "All results as a list" }
        }
    };
    let intro = html! { p { a href={ "/record/" (id.short()) } { (called) } } };
    Ok(Answer::page(&Page { intro, ..Page::new(title, main) }, ""))
}

fn drawn(drawing: &Drawing, open: &[String]) -> Markup {
    let (first, [width, height]) = drawing.size();
    let x = |placed: &Placed| 1 + (placed.level - first) * (BOX[0] + GAP[0]);
    let line = |(from, to): &(usize, usize)| {
        let (a, b) = (&drawing.placed[*from], &drawing.placed[*to]);
        let (x1, y1) = (x(a) + BOX[0], a.y + BOX[1] / 2);
        let (x2, y2) = (x(b), b.y + BOX[1] / 2);
        let bend = GAP[0].max((x2 - x1).abs() / 2);
        format!("M{x1} {y1}C{} {y1} {} {y2} {x2} {y2}", x1 + bend, x2 - bend)
    };
    html! {
        div.graph role="group" tabindex="0" aria-label="Drawing of the lineage" {
            svg.lineage width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } {
                @for of in &drawing.lines { path d=(line(of)) {} }
                @for (place, placed) in drawing.placed.iter().enumerate() {
                    (node(placed, x(placed), place == 0, open))
                }
            }
        }
    }
}

fn node(placed: &Placed, x: i32, is_root: bool, open: &[String]) -> Markup {
    let short = placed.id.short();
    // What has no name is known by what it holds; its id is small.
    let (called, below) = match &placed.name {
        Some(name) => (name.as_str(), placed.summary.as_str()),
        None => (placed.summary.as_str(), short.as_str()),
    };
    let (width, height) = (BOX[0], BOX[1]);
    let href = format!("/record/{short}");
    let kind = match placed.role.as_str() {
        role if role.is_empty() || role == placed.kind => placed.kind.clone(),
        role => format!("{}, {role}", placed.kind),
    };
    html! {
        g.root[is_root] {
            a href=(href) {
                rect x=(x) y=(placed.y) width=(width) height=(height) rx="4" {}
                text.quiet x=(x + TEXT) y=(placed.y + 17) { (cut(&kind, 30)) }
                text.name x=(x + TEXT) y=(placed.y + 34) { (cut(called, 24)) }
                text.quiet x=(x + TEXT) y=(placed.y + 51) { (cut(below, 30)) }
            }
            @for direction in [Direction::Up, Direction::Down] {
                (sign(placed, x, direction, is_root, open))
            }
        }
    }
}

/// What opens or closes a side of a box.
fn sign(placed: &Placed, x: i32, direction: Direction, is_root: bool, open: &[String]) -> Markup {
    let (side, letter, step) = way(direction);
    let token = format!("{letter}{}", placed.id.short());
    let what = if step < 0 { "inputs" } else { "results" };
    let called = placed.name.clone().unwrap_or_else(|| placed.id.short());
    let state = placed.more[side];
    let (mark, said, tokens): (&str, String, Vec<&str>) = match state {
        // The root is open from the start.
        Some(0) if is_root => return html! {},
        Some(0) => {
            let rest = open.iter().map(String::as_str).filter(|own| *own != token);
            ("−", format!("Close the {what} of {called}"), rest.collect())
        }
        more => {
            let all = open.iter().map(String::as_str).chain([token.as_str()]);
            let said = more.map_or(format!("Open the {what} of {called}"), |more| {
                format!("Show more of the {what} of {called}: {more} are not shown")
            });
            ("+", said, all.collect())
        }
    };
    let at = if step < 0 { x + 12 } else { x + BOX[0] - 10 };
    let id = format!("{token}-sign");
    html! {
        a #(id) href={ "?open=" (tokens.join(",")) } data-live aria-label=(said) {
            circle cx=(at) cy=(placed.y + BOX[1] / 2) r="12" {}
            text.sign x=(at) y=(placed.y + BOX[1] / 2 + 5) text-anchor="middle" { (mark) }
        }
    }
}

/// A text of at most so many letters.
fn cut(text: &str, letters: usize) -> String {
    match text.chars().count() > letters {
        true => text.chars().take(letters - 1).collect::<String>() + "…",
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut() {
        assert_eq!([cut("abc", 3), cut("abcd", 3)], ["abc", "ab…"]);
    }
}
