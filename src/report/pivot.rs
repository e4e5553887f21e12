//! Printed tables with a row for each subject of a long form and a column for each of its statistics.

use super::means::{DECIMALS, labels};
use super::{Cell, Column, ReportTable};
use crate::records::{Comparison, Division};
use crate::values::{LabelScope, Pivot, PivotRow, ValueSubject};

/// A column, with its cell for a subject.
pub(super) struct PivotColumn<'p> {
    column: Column,
    cell: Box<dyn Fn(&PivotRow<'_>) -> Cell + 'p>,
}

impl<'p> PivotColumn<'p> {
    pub(super) fn new(column: Column, cell: impl Fn(&PivotRow<'_>) -> Cell + 'p) -> Self {
        PivotColumn { column, cell: Box::new(cell) }
    }

    /// The same column, which tells rows apart.
    pub(super) fn key(self) -> Self {
        PivotColumn { column: self.column.key(), ..self }
    }

    /// A part of the subject, such as its model.
    pub(super) fn named(heading: &str, of: fn(&ValueSubject<'_>) -> Option<String>) -> Self {
        let cell = move |row: &PivotRow<'_>| of(&row.subject).map_or(Cell::Empty, Cell::Text);
        PivotColumn::new(Column::left(heading), cell)
    }

    pub(super) fn label() -> Self {
        PivotColumn::named("Label", |of| of.label.label().map(str::to_owned))
    }

    pub(super) fn model(heading: &str) -> Self {
        PivotColumn::named(heading, |of| of.model.map(str::to_owned))
    }

    pub(super) fn against(heading: &str) -> Self {
        PivotColumn::named(heading, |of| of.against.map(str::to_owned))
    }

    pub(super) fn fold(division: Division) -> Self {
        let cell =
            |row: &PivotRow<'_>| row.subject.fold.map_or(Cell::Empty, |fold| Cell::Integer(fold.into()));
        PivotColumn::new(Column::right(division.head()).key(), cell)
    }

    pub(super) fn text(heading: &str, statistic: &'static str) -> Self {
        let cell = move |row: &PivotRow<'_>| {
            row.text(statistic).map_or(Cell::Empty, |text| Cell::Text(text.to_owned()))
        };
        PivotColumn::new(Column::left(heading), cell)
    }

    pub(super) fn count(heading: impl Into<String>, statistic: &'static str) -> Self {
        let cell = move |row: &PivotRow<'_>| row.count(statistic).map_or(Cell::Empty, Cell::Integer);
        PivotColumn::new(Column::right(heading), cell)
    }

    pub(super) fn number(heading: &str, statistic: &'static str, decimals: usize) -> Self {
        let cell = move |row: &PivotRow<'_>| Cell::Number { value: row.number(statistic), decimals };
        PivotColumn::new(Column::right(heading), cell)
    }

    pub(super) fn p_value(heading: &str, statistic: &'static str) -> Self {
        PivotColumn::new(Column::right(heading), move |row| Cell::PValue(row.number(statistic)))
    }

    /// A quantity with its interval.
    pub(super) fn interval(
        heading: &str,
        statistic: &'static str,
        ends: impl Fn(&PivotRow<'_>) -> Option<[f64; 2]> + 'p,
    ) -> Self {
        PivotColumn::new(Column::right(heading), move |row| Cell::Interval {
            value: row.number(statistic),
            ends: ends(row),
            decimals: DECIMALS,
        })
    }
}

/// A table of these columns.
pub(super) fn table<'r, 't: 'r>(
    title: impl Into<String>,
    columns: Vec<PivotColumn<'_>>,
    rows: impl IntoIterator<Item = &'r PivotRow<'t>>,
) -> ReportTable {
    let (columns, cells): (Vec<Column>, Vec<_>) =
        columns.into_iter().map(|PivotColumn { column, cell }| (column, cell)).unzip();
    let mut table = ReportTable::new(title, columns);
    table.rows = rows.into_iter().map(|row| cells.iter().map(|cell| cell(row)).collect()).collect();
    table
}

/// The rows that have a statistic, a label after the other in the order of the comparison.
pub(super) fn by_label<'p, 't>(
    comparison: &Comparison,
    pivot: &'p Pivot<'t>,
    statistic: &str,
) -> Vec<&'p PivotRow<'t>> {
    let rows: Vec<&PivotRow<'t>> = pivot.with(statistic).collect();
    let of_label = |label| rows.iter().copied().filter(move |row| row.subject.label.label() == Some(label));
    labels(comparison).flat_map(of_label).collect()
}

/// The AUCs of each label and their mean, a row each, with these statistics of each model.
pub(super) fn of_models<'l>(
    comparison: &Comparison,
    aucs: &Pivot<'_>,
    labels: impl IntoIterator<Item = &'l str>,
    statistics: [&'static str; 3],
) -> Vec<Vec<Cell>> {
    let each = labels.into_iter().map(|label| (label, LabelScope::Label(label)));
    let row = |(head, scope): (&str, LabelScope<'_>)| {
        let cells = comparison.models.iter().flat_map(|model| {
            let of = aucs.get(&ValueSubject::new("auc", "").model(&model.name).scope(scope));
            statistics.map(|statistic| Cell::Number {
                value: of.and_then(|row| row.number(statistic)),
                decimals: DECIMALS,
            })
        });
        std::iter::once(Cell::Text(head.to_owned())).chain(cells).collect()
    };
    each.chain([("Mean", LabelScope::Labels)]).map(row).collect()
}
