//! Records as sheets: the images of a data set, the folds of a split, scores, the numbers of a table.
//!
//! Columns that exist in the published CSV have the same names as there.

use std::collections::HashSet;

use super::ExportError;
use super::sheet::{ColumnValues, Sheet, SheetColumn};
use crate::hash::{Hash, Id};
use crate::index::View;
use crate::records::{
    Assignment, Boxes, Content, Dataset, Gender, ImageRow, Kind, Manifest, Predictions, Scores, Split,
    Subset, Table, ViewPosition,
};
use crate::registry::Registry;
use crate::report::{self, Cell, results};
use crate::usage::unknown_ancestry;
use crate::withdrawal::Marks;

/// Heading of the images' names.
pub(super) const IMAGE: &str = "Image Index";
/// Heading of the patients' numbers.
pub(super) const PATIENT: &str = "Patient ID";
/// Name of the sheet of images.
pub(super) const IMAGES: &str = "images";

/// The sheets of a record; for a run, those of its predictions.
///
/// # Errors
/// Among others, a kind of record that is not tabular: a spec, weights.
pub fn sheets(registry: &Registry, view: &View, id: Hash) -> Result<Vec<Sheet>, ExportError> {
    let kind = view.kind(&id)?;
    let all = match kind.map(|kind| kind.descriptor().content) {
        Some(Content::Dataset) => return dataset_sheets(registry, view, Id::new(id), None),
        Some(Content::Split) => vec![folds(registry, Id::new(id))?],
        Some(Content::Predictions) => vec![scores(registry, Id::new(id))?],
        Some(Content::Table) => table(id, &registry.get(Id::new(id))?),
        Some(Content::Run) => {
            let all = registry.referring::<Predictions>(view, &id)?;
            let mut of_run = Vec::new();
            // Each is flagged for its own content: a patient may be in only one of the subsets.
            for (id, _) in all {
                of_run.extend(sheets(registry, view, id.hash)?);
            }
            return if of_run.is_empty() { Err(ExportError::NoPredictions(id)) } else { Ok(of_run) };
        }
        Some(Content::Study | Content::Withdrawal | Content::Document) | None => {
            let kind = kind.map_or("", Kind::name).to_owned();
            return Err(ExportError::NoSuchForm { kind, id, form: "a table" });
        }
    };
    marked(registry, view, id, all)
}

/// The one sheet of a record for a single file; of a run, that of its test scores, if it has any.
///
/// # Errors
/// As [`sheets`].
pub fn main_sheets(registry: &Registry, view: &View, id: Hash) -> Result<Vec<Sheet>, ExportError> {
    if view.kind(&id)? == Some(Kind::Run) {
        let all = registry.referring::<Predictions>(view, &id)?;
        if let Some((test, _)) = all.into_iter().find(|(_, scores)| scores.is_plain(Subset::Test)) {
            return sheets(registry, view, test.hash);
        }
    }
    sheets(registry, view, id)
}

/// The sheets of a record with the withdrawn data that it contains.
pub(super) fn marked(
    registry: &Registry,
    view: &View,
    id: Hash,
    mut sheets: Vec<Sheet>,
) -> Result<Vec<Sheet>, ExportError> {
    if let Some(mark) = Marks::open(registry, view)?.of(&id) {
        for sheet in &mut sheets {
            sheet.about.push(("reg.withdrawn".to_owned(), mark.to_string()));
        }
    }
    if let Some(unknown) = unknown_ancestry(registry, view, &[id])? {
        for sheet in &mut sheets {
            sheet.about.push(("reg.unknown_ancestry".to_owned(), unknown.clone()));
        }
    }
    Ok(sheets)
}

/// The images of a data set and its boxes, if it has any; with `split`, the subset of each image in each fold.
pub fn dataset_sheets(
    registry: &Registry,
    view: &View,
    id: Id<Dataset>,
    split: Option<Id<Split>>,
) -> Result<Vec<Sheet>, ExportError> {
    let dataset = registry.get(id)?;
    let manifest = registry.manifest(&dataset)?;
    let mut images = images(id, &dataset, &manifest);
    if let Some(split) = split {
        images.columns.extend(fold_columns(registry, split, id, &manifest)?);
        images.about.push(("reg.split".to_owned(), split.hash.to_string()));
    }
    let mut sheets = vec![images];
    if let Some(boxes) = registry.boxes(&dataset)? {
        sheets.push(self::boxes(id, &dataset, &manifest, &boxes)?);
    }
    marked(registry, view, id.hash, sheets)
}

pub(super) fn about(id: Hash, kind: Kind) -> Vec<(String, String)> {
    [("reg.id", id.to_string()), ("reg.kind", kind.name().to_owned())]
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec()
}

fn images(id: Id<Dataset>, dataset: &Dataset, manifest: &Manifest) -> Sheet {
    let rows = &manifest.rows;
    let of_file = |of: &dyn Fn(&ImageRow) -> i64| {
        ColumnValues::Integer(rows.iter().map(|row| row.object.map(|_| of(row))).collect())
    };
    let mut columns = vec![
        SheetColumn::new(IMAGE, names(rows)),
        SheetColumn::new(PATIENT, patients(rows.iter())),
        SheetColumn::new(
            "Follow-up #",
            ColumnValues::Integer(rows.iter().map(|row| row.follow_up.map(i64::from)).collect()),
        ),
        SheetColumn::new(
            "Patient Age",
            ColumnValues::Integer(rows.iter().map(|row| row.age.map(i64::from)).collect()),
        ),
        SheetColumn::new("Patient Gender", words(rows, |row| gender(row.gender))),
        SheetColumn::new("View Position", words(rows, |row| view_position(row.view))),
    ];
    if rows.iter().any(|row| row.study.is_some()) {
        let study = |row: &ImageRow| row.study.as_ref().map(|study| study.as_str().to_owned());
        columns.push(SheetColumn::new("Study ID", ColumnValues::Text(rows.iter().map(study).collect())));
    }
    columns.extend(dataset.labels.iter().enumerate().map(|(bit, label)| {
        SheetColumn::new(label, ColumnValues::Truth(rows.iter().map(|row| row.label(bit)).collect()))
    }));
    columns.extend([
        SheetColumn::new("width", of_file(&|row| i64::from(row.width))),
        SheetColumn::new("height", of_file(&|row| i64::from(row.height))),
        SheetColumn::new("bytes", of_file(&|row| row.bytes as i64)),
        SheetColumn::new(
            "blake3",
            ColumnValues::Text(rows.iter().map(|row| row.object.map(|object| object.to_string())).collect()),
        ),
        SheetColumn::new(
            "sha256",
            ColumnValues::Text(rows.iter().map(|row| row.object.map(|_| row.sha256.digits())).collect()),
        ),
        SheetColumn::new("metadata row", ColumnValues::integers(rows.iter().map(|row| row.row))),
    ]);
    Sheet { name: IMAGES.to_owned(), about: about(id.hash, Kind::Dataset), columns }
}

fn names(rows: &[ImageRow]) -> ColumnValues {
    ColumnValues::words(rows.iter().map(|row| row.name.as_str()))
}

/// Patients as numbers if all of them are numbers, so that readers of the published file can read this one too.
fn patients<'a>(rows: impl Iterator<Item = &'a ImageRow> + Clone) -> ColumnValues {
    let number = |row: &ImageRow| row.patient.number().and_then(|number| i64::try_from(number).ok());
    match rows.clone().all(|row| number(row).is_some()) {
        true => ColumnValues::Integer(rows.map(number).collect()),
        false => ColumnValues::words(rows.map(|row| row.patient.as_str())),
    }
}

fn words(rows: &[ImageRow], word: impl Fn(&ImageRow) -> Option<&'static str>) -> ColumnValues {
    ColumnValues::Text(rows.iter().map(|row| word(row).map(str::to_owned)).collect())
}

fn gender(gender: Gender) -> Option<&'static str> {
    match gender {
        Gender::Male => Some("M"),
        Gender::Female => Some("F"),
        Gender::Unknown => None,
    }
}

fn view_position(view: ViewPosition) -> Option<&'static str> {
    match view {
        ViewPosition::PA => Some("PA"),
        ViewPosition::AP => Some("AP"),
        ViewPosition::Unknown => None,
    }
}

fn boxes(
    id: Id<Dataset>,
    dataset: &Dataset,
    manifest: &Manifest,
    boxes: &Boxes,
) -> Result<Sheet, ExportError> {
    let wrong = || ExportError::Inconsistent {
        id: id.hash,
        reason: "a box belongs to an image or a label that the data set does not have".to_owned(),
    };
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for row in &boxes.rows {
        images.push(manifest.rows.get(row.image as usize).ok_or_else(wrong)?.name.as_str());
        labels.push(dataset.labels.get(row.label as usize).ok_or_else(wrong)?.as_str());
    }
    let edge = |of: fn(&crate::records::BoxRow) -> f64| {
        ColumnValues::Number(boxes.rows.iter().map(|row| Some(of(row))).collect())
    };
    let columns = vec![
        SheetColumn::new(IMAGE, ColumnValues::words(images)),
        SheetColumn::new("Finding Label", ColumnValues::words(labels)),
        SheetColumn::new("x", edge(|row| row.x)),
        SheetColumn::new("y", edge(|row| row.y)),
        SheetColumn::new("w", edge(|row| row.w)),
        SheetColumn::new("h", edge(|row| row.h)),
    ];
    Ok(Sheet { name: "boxes".to_owned(), about: about(id.hash, Kind::Dataset), columns })
}

fn folds(registry: &Registry, id: Id<Split>) -> Result<Sheet, ExportError> {
    let split = registry.get(id)?;
    let manifest = registry.manifest(&registry.get(split.dataset)?)?;
    let mut columns = vec![
        SheetColumn::new(IMAGE, names(&manifest.rows)),
        SheetColumn::new(PATIENT, patients(manifest.rows.iter())),
    ];
    columns.extend(fold_columns(registry, id, split.dataset, &manifest)?);
    let mut about = about(id.hash, Kind::Split);
    about.push(("reg.dataset".to_owned(), split.dataset.hash.to_string()));
    Ok(Sheet { name: "folds".to_owned(), about, columns })
}

/// `train`, `val` or `test`, one column per fold; empty for images that a fold does not use.
fn fold_columns(
    registry: &Registry,
    id: Id<Split>,
    dataset: Id<Dataset>,
    manifest: &Manifest,
) -> Result<Vec<SheetColumn>, ExportError> {
    let split = registry.get(id)?;
    if split.dataset != dataset {
        return Err(ExportError::OtherDataset { split: id.hash, dataset: dataset.hash });
    }
    let assignment: Assignment = registry.assignment(&split)?;
    let column = |(number, fold): (usize, &Vec<u8>)| {
        let subset = |code: Option<&u8>| {
            let subset = Subset::ALL.into_iter().find(|subset| Some(&(*subset as u8)) == code);
            subset.map(|subset| subset.name().to_owned())
        };
        let subsets = (0..manifest.rows.len()).map(|row| subset(fold.get(row)));
        SheetColumn::new(format!("fold {number}"), ColumnValues::Text(subsets.collect()))
    };
    Ok(assignment.folds.iter().enumerate().map(column).collect())
}

/// Scores with the names of their images, in the form that `reg predictions import` reads.
fn scores(registry: &Registry, id: Id<Predictions>) -> Result<Sheet, ExportError> {
    let predictions = registry.get(id)?;
    let manifest = registry.manifest(&registry.get(predictions.dataset)?)?;
    let scores: Scores = registry.scores(&predictions)?;
    let wrong = |reason: &str| ExportError::Inconsistent { id: id.hash, reason: reason.to_owned() };
    if scores.labels as usize != predictions.labels.len() {
        return Err(wrong("it does not have one column of scores per label"));
    }
    let rows = scores.rows.iter().map(|row| manifest.rows.get(*row as usize));
    let rows: Vec<&ImageRow> =
        rows.collect::<Option<_>>().ok_or_else(|| wrong("it scores an image that is not in the data set"))?;
    let mut columns = vec![
        SheetColumn::new(IMAGE, ColumnValues::words(rows.iter().map(|row| row.name.as_str()))),
        SheetColumn::new(PATIENT, patients(rows.iter().copied())),
    ];
    columns.extend(predictions.labels.iter().enumerate().map(|(label, name)| {
        SheetColumn::new(name, ColumnValues::Number(scores.column(label).into_iter().map(Some).collect()))
    }));
    let mut about = about(id.hash, Kind::Predictions);
    let scale = serde_json::to_value(predictions.scale).unwrap_or_default();
    let mut more = |key: &str, value: String| about.push((format!("reg.{key}"), value));
    more("scale", scale.as_str().unwrap_or_default().to_owned());
    more("model", predictions.model.clone());
    more("dataset", predictions.dataset.hash.to_string());
    if let Some(split) = predictions.split {
        more("split", split.hash.to_string());
    }
    if let Some(fold) = predictions.fold {
        more("fold", fold.to_string());
    }
    if let Some(subset) = predictions.subset {
        more("subset", subset.name().to_owned());
    }
    let name = predictions.subset.map_or("predictions", Subset::name);
    Ok(Sheet { name: name.to_owned(), about, columns })
}

/// The numbers of a table, as one or more sheets.
fn table(id: Hash, table: &Table) -> Vec<Sheet> {
    let names: Vec<&str> = match table {
        Table::Auc(_) => vec!["auc"],
        Table::Dataset(_) => vec!["overview", "prevalence", "ages"],
        Table::Comparison(comparison) => {
            results::tables(comparison).into_iter().map(|(name, _)| name).collect()
        }
        Table::Probe(_) => vec!["probe"],
        Table::Heatmap(_) => vec!["heat"],
        Table::Pointing(_) => vec!["pointing"],
    };
    names.into_iter().zip(results::of(table)).map(|(name, table)| typed(id, name, &table)).collect()
}

/// A printed table with all digits. A column with a deviation or an interval becomes several columns, as in its
/// CSV.
fn typed(id: Hash, name: &str, table: &report::ReportTable) -> Sheet {
    let mut columns = Vec::new();
    for (place, column) in table.columns.iter().enumerate() {
        let cells: Vec<&Cell> = table.rows.iter().map(|row| row.get(place).unwrap_or(&Cell::Empty)).collect();
        let more: &[&str] = match cells.iter().find(|cell| !matches!(cell, Cell::Empty)) {
            Some(Cell::MeanStd { .. }) => &["std"],
            Some(Cell::Interval { .. }) => &["low", "high"],
            _ => &[],
        };
        columns.push(SheetColumn::new(&column.name, main_values(&cells)));
        for (number, what) in more.iter().enumerate() {
            let value = |cell: &&Cell| match cell {
                Cell::MeanStd { std, .. } => *std,
                Cell::Interval { ends, .. } => ends.map(|ends| ends[number]),
                _ => None,
            };
            let values = ColumnValues::Number(cells.iter().map(value).collect());
            columns.push(SheetColumn::new(format!("{} {what}", column.name), values));
        }
    }
    if let Some(why) = &table.warning {
        let values = ColumnValues::words(table.rows.iter().map(|_| why.as_str()));
        columns.push(SheetColumn::new("not comparable", values));
    }
    if let Some(why) = &table.caution {
        columns
            .push(SheetColumn::new("warning", ColumnValues::words(table.rows.iter().map(|_| why.as_str()))));
    }
    distinct(&mut columns);
    let mut about = about(id, Kind::Table);
    about.push(("reg.title".to_owned(), table.title.clone()));
    about.extend(table.notes.iter().enumerate().map(|(i, note)| (format!("reg.note.{i}"), note.clone())));
    Sheet { name: name.to_owned(), about, columns }
}

/// Makes duplicate column names unique (a model can have the name of another column): readers of Parquet
/// identify columns by name.
fn distinct(columns: &mut [SheetColumn]) {
    let mut taken = HashSet::new();
    for column in columns {
        let own = column.name.clone();
        let mut number = 1;
        while !taken.insert(column.name.clone()) {
            number += 1;
            column.name = format!("{own} ({number})");
        }
    }
}

/// Whole numbers if all cells are, otherwise numbers if all cells are, otherwise the displayed text.
fn main_values(cells: &[&Cell]) -> ColumnValues {
    let number = |cell: &Cell| match cell {
        Cell::Integer(count) => Some(*count as f64),
        Cell::Number { value, .. } | Cell::PValue(value) | Cell::Interval { value, .. } => *value,
        Cell::MeanStd { mean, .. } => *mean,
        Cell::Text(_) | Cell::Empty => None,
    };
    if cells.iter().any(|cell| matches!(cell, Cell::Text(_))) {
        let shown = |cell: &&Cell| (!matches!(cell, Cell::Empty)).then(|| cell.shown());
        return ColumnValues::Text(cells.iter().map(shown).collect());
    }
    if cells.iter().all(|cell| matches!(cell, Cell::Integer(_) | Cell::Empty)) {
        let count = |cell: &&Cell| match cell {
            Cell::Integer(count) => i64::try_from(*count).ok(),
            _ => None,
        };
        return ColumnValues::Integer(cells.iter().map(count).collect());
    }
    ColumnValues::Number(cells.iter().map(|cell| number(cell)).collect())
}
