//! The use of some images as text: by data set, split and fold.

use std::fmt::Write as _;

use crate::digits::{counted, thousands};
use crate::lineage::{AffectedRecord, Impact, InDataset, InFold, InSplit};
use crate::records::Kind;
use crate::usage::UsageCounts;

/// Maximum number of listed images; the others are counted.
const NAMED: usize = 3;

/// A line and the lines below it.
struct Branch {
    line: String,
    below: Vec<Branch>,
}

impl Branch {
    fn draw(&self, indent: &str, out: &mut String) {
        for (place, branch) in self.below.iter().enumerate() {
            let last = place + 1 == self.below.len();
            let (twig, next) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let _ = writeln!(out, "{indent}{twig}{}", branch.line);
            branch.draw(&format!("{indent}{next}"), out);
        }
    }
}

/// Draws the use of the images called `asked`: a tree for each data set that contains them.
pub fn tree(impact: &Impact, asked: &str) -> String {
    let count = impact.different() as usize;
    if count == 0 {
        return format!("no data set contains {asked}\n");
    }
    // An id given by the user is shown with the image's name.
    let mut of_file = impact.images.iter().filter_map(|image| Some((image, image.id?)));
    let by_id = of_file.find(|(_, id)| id.to_string() == impact.root);
    let head = by_id.map_or_else(|| asked.to_owned(), |(image, id)| format!("{} {}", image.name, id.short()));
    let plural = |count: usize, one: &str| {
        format!("{} {one}{}", thousands(count as u64), if count == 1 { "" } else { "s" })
    };
    let mut out = format!("{head}: {}", plural(count, "image"));
    let mut named: Vec<String> = Vec::new();
    for image in &impact.images {
        // Data sets that agree on an image are merged into one line.
        let said = format!("{} (patient {}, metadata row {})", image.name, image.patient, image.row);
        if !named.contains(&said) {
            named.push(said);
        }
        if named.len() > NAMED {
            break;
        }
    }
    let more = if named.len() > NAMED { ", …" } else { "" };
    named.truncate(NAMED);
    let datasets = plural(impact.datasets.len(), "data set");
    let _ = writeln!(out, " in {datasets}: {}{more}", named.join(", "));
    for dataset in &impact.datasets {
        let tree = of_dataset(dataset);
        let _ = writeln!(out, "{}", tree.line);
        tree.draw("", &mut out);
    }
    for (id, why) in &impact.unread {
        let _ = writeln!(out, "unknown, because {} cannot be read: {why}", id.short());
    }
    out
}

fn called(id: &crate::hash::Hash, name: Option<&String>) -> String {
    name.map_or_else(|| id.short(), |name| format!("{name} {}", id.short()))
}

fn of_dataset(dataset: &InDataset) -> Branch {
    let line = format!(
        "data set {}: contains {}",
        called(&dataset.id, dataset.name.as_ref()),
        counted(dataset.images, "image")
    );
    let splits = dataset.splits.iter().map(of_split);
    let below = splits.chain(dataset.others.iter().map(|named| of_record(named, None))).collect();
    Branch { line, below }
}

fn of_split(split: &InSplit) -> Branch {
    let line = format!("split {}", called(&split.id, split.name.as_ref()));
    Branch { line, below: split.folds.iter().map(|fold| of_fold(split.division, fold)).collect() }
}

fn of_fold(division: &str, fold: &InFold) -> Branch {
    let parts = [("train", fold.train), ("val", fold.val), ("test", fold.test)];
    let parts = parts.iter().filter(|(_, images)| *images > 0);
    let parts: Vec<String> =
        parts.map(|(subset, images)| format!("{} {subset}", thousands(*images))).collect();
    let where_ = if parts.is_empty() { "not used".to_owned() } else { parts.join(", ") };
    let line = format!("{division} {}: {where_}", fold.fold);
    Branch { line, below: fold.used_by.iter().map(|named| of_record(named, Some(fold))).collect() }
}

fn of_record(named: &AffectedRecord, fold: Option<&InFold>) -> Branch {
    let UsageCounts { trained, validated, .. } = named.uses;
    let unseen = fold.is_some() && named.kind == Kind::Run && trained + validated == 0;
    let what = if named.kind == Kind::Table { format!(" ({})", named.summary) } else { String::new() };
    let line = format!(
        "{} {}{what}: {}{}",
        named.kind,
        called(&named.id, named.name.as_ref()),
        named.uses,
        if unseen { ", not trained on them" } else { "" }
    );
    Branch { line, below: named.tables.iter().map(|table| of_record(table, None)).collect() }
}
