//! How many images and patients stand behind the numbers of a comparison.

use super::means::labels;
use super::{Cell, Column, ReportTable, thousands};
use crate::records::{ComparedModel, Comparison, LabelSpread};

/// What is counted of a label, for each fold.
type Count = (&'static str, fn(&LabelSpread) -> &[u64]);

/// The counts beside AUCs, with their headings.
const BESIDE: [Count; 3] = [
    ("positives", |label| &label.positives),
    ("negatives", |label| &label.negatives),
    ("positive patients", |label| &label.positive_patients),
];

/// The columns of counts beside the AUCs, each with its cells for the labels. Several folds show their smallest count;
/// there are none if the counts of models differ.
pub(super) fn beside(comparison: &Comparison) -> Vec<(Column, Vec<Cell>)> {
    let [first, rest @ ..] = comparison.models.as_slice() else { return Vec::new() };
    let count = labels(comparison).count();
    let same = |of: fn(&LabelSpread) -> &[u64]| {
        rest.iter().all(|model| (0..count).all(|label| of(&model.labels[label]) == of(&first.labels[label])))
    };
    if !BESIDE.iter().all(|(_, of)| same(*of)) {
        return Vec::new();
    }
    let column = |(name, of): &Count| {
        let heading = match first.mean.folds.len() {
            0 | 1 => capital(name),
            _ => format!("Fewest {name}"),
        };
        let least =
            |label: &LabelSpread| of(label).iter().min().map_or(Cell::Empty, |count| Cell::Integer(*count));
        (Column::right(heading), first.labels.iter().take(count).map(least).collect())
    };
    BESIDE.iter().map(column).collect()
}

fn capital(name: &str) -> String {
    name[..1].to_uppercase() + &name[1..]
}

/// The counts of each label and fold; one row for all models whose counts are the same.
pub(super) fn counts(comparison: &Comparison) -> ReportTable {
    let columns = vec![
        Column::left("Label"),
        Column::left("Models"),
        Column::right(comparison.division().head()).key(),
        Column::right("Positives"),
        Column::right("Negatives"),
        Column::right("Missing"),
        Column::right("Positive patients"),
        Column::right("Negative patients"),
        Column::right("Images"),
        Column::right("Patients"),
    ];
    let mut table = ReportTable::new("Images and patients behind the AUCs", columns);
    for (place, name) in labels(comparison).enumerate() {
        for fold in 0..comparison.models.first().map_or(0, |model| model.mean.folds.len()) {
            let mut rows: Vec<(Vec<Cell>, Vec<&str>)> = Vec::new();
            for model in
                comparison.models.iter().filter(|model| model.images.get(fold).is_some_and(|n| *n > 0))
            {
                let cells = of_fold(model, place, fold);
                match rows.iter_mut().find(|(known, _)| *known == cells) {
                    Some((_, names)) => names.push(&model.name),
                    None => rows.push((cells, vec![&model.name])),
                }
            }
            for (cells, names) in rows {
                let names =
                    if names.len() == comparison.models.len() { "all".to_owned() } else { names.join(", ") };
                let heads = [Cell::Text(name.to_owned()), Cell::Text(names), fold_cell(comparison, fold)];
                table.rows.push(heads.into_iter().chain(cells).collect());
            }
        }
    }
    table.notes.push("Positive patients have an image with the label, negative patients one without it; a patient can be both.".to_owned());
    table.notes.extend(partial(comparison));
    table
}

fn of_fold(model: &ComparedModel, place: usize, fold: usize) -> Vec<Cell> {
    let label = &model.labels[place];
    let missing = label.missing.get(fold).copied().unwrap_or(0);
    let at = |of: &[u64]| of.get(fold).map_or(Cell::Empty, |count| Cell::Integer(*count));
    vec![
        at(&label.positives),
        at(&label.negatives),
        Cell::Integer(missing),
        at(&label.positive_patients),
        at(&label.negative_patients),
        at(&model.images),
        at(&model.patients),
    ]
}

/// The number of a fold, given by its place; scores outside of a fold stand first.
fn fold_cell(comparison: &Comparison, fold: usize) -> Cell {
    let models = comparison.models.first().map_or(0, |model| model.mean.folds.len());
    let outside = models.saturating_sub(comparison.folds.len());
    let number = fold.checked_sub(outside).and_then(|fold| comparison.folds.get(fold));
    number.map_or(Cell::Empty, |number| Cell::Integer((*number).into()))
}

/// What is said of models that scored only a part of the images of a fold.
pub(super) fn partial(comparison: &Comparison) -> Option<String> {
    let each = comparison.division().name();
    let mut parts: Vec<String> = Vec::new();
    for model in &comparison.models {
        for (fold, (images, all)) in model.images.iter().zip(&model.of_images).enumerate() {
            if images < all {
                let place = match fold_cell(comparison, fold) {
                    Cell::Integer(number) if comparison.folds.len() > 1 => format!(" in {each} {number}"),
                    _ => String::new(),
                };
                parts.push(format!(
                    "{} scored {} of {}{place}",
                    model.name,
                    thousands(*images),
                    thousands(*all)
                ));
            }
        }
    }
    (!parts.is_empty()).then(|| format!("PART OF THE IMAGES ONLY: {}.", parts.join("; ")))
}

/// Images and patients of the folds, in words.
pub(super) fn in_words(comparison: &Comparison) -> Option<String> {
    let [first, rest @ ..] = comparison.models.as_slice() else { return None };
    if rest.iter().any(|model| (&model.images, &model.patients) != (&first.images, &first.patients)) {
        return None;
    }
    let each = |of: &[u64]| of.iter().map(|count| thousands(*count)).collect::<Vec<_>>().join("; ");
    let per =
        if first.images.len() > 1 { format!(" per {}", comparison.division().name()) } else { String::new() };
    Some(format!("Images{per}: {}. Patients{per}: {}.", each(&first.images), each(&first.patients)))
}
