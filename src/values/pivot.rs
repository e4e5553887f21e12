//! A long form turned into rows by subject and columns by statistic.

use std::collections::HashMap;

use super::LongTable;
use super::subject::ValueSubject;
use super::value::LongValue;

/// The values of one table of a long form: a row for each subject, in the order of the record, a column for each statistic.
#[derive(Debug, Clone, Default)]
pub struct Pivot<'t> {
    /// The rows.
    pub rows: Vec<PivotRow<'t>>,
    places: HashMap<ValueSubject<'t>, usize>,
}

/// All statistics of a subject.
#[derive(Debug, Clone)]
pub struct PivotRow<'t> {
    /// The subject, without a statistic.
    pub subject: ValueSubject<'t>,
    values: Vec<(&'static str, LongValue<'t>)>,
}

impl<'t> Pivot<'t> {
    /// The rows of the table with this name; none if the record has no such values.
    pub fn of(long: &LongTable<'t>, table: &str) -> Self {
        let mut places: HashMap<ValueSubject<'t>, usize> = HashMap::new();
        let mut rows: Vec<PivotRow<'t>> = Vec::new();
        for row in long.rows.iter().filter(|row| row.subject.table == table) {
            let subject = row.subject.statistic("");
            let place = *places.entry(subject).or_insert_with_key(|subject| {
                rows.push(PivotRow { subject: subject.clone(), values: Vec::new() });
                rows.len() - 1
            });
            rows[place].values.push((row.subject.statistic, row.value.clone()));
        }
        Pivot { rows, places }
    }

    /// The row of a subject without a statistic.
    pub fn get(&self, subject: &ValueSubject<'t>) -> Option<&PivotRow<'t>> {
        self.places.get(subject).map(|place| &self.rows[*place])
    }

    /// The rows that have a statistic.
    pub fn with(&self, statistic: &str) -> impl Iterator<Item = &PivotRow<'t>> {
        self.rows.iter().filter(move |row| row.value(statistic).is_some())
    }
}

impl<'t> PivotRow<'t> {
    /// The value of a statistic; `None` if the record does not have it.
    pub fn value(&self, statistic: &str) -> Option<&LongValue<'t>> {
        self.values.iter().find(|(name, _)| *name == statistic).map(|(_, value)| value)
    }

    /// A quantity; `None` if it is undefined.
    pub fn number(&self, statistic: &str) -> Option<f64> {
        self.value(statistic).and_then(LongValue::as_number)
    }

    /// A count.
    pub fn count(&self, statistic: &str) -> Option<u64> {
        self.value(statistic).and_then(LongValue::as_count)
    }

    /// A text.
    pub fn text(&self, statistic: &str) -> Option<&str> {
        self.value(statistic).and_then(LongValue::as_text)
    }

    /// The ends of an interval, if both are defined.
    pub fn ends(&self, low: &str, high: &str) -> Option<[f64; 2]> {
        Some([self.number(low)?, self.number(high)?])
    }
}
