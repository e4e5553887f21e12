//! Two long forms beside each other.

use std::collections::HashMap;

use super::derived::turned;
use super::subject::ValueSubject;
use super::value::LongValue;
use super::{LongRow, LongTable, long};
use crate::records::{MAX_REPORTED, Mismatch, Table, compared};

/// A value of two tables; `None` where a table does not have it.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueDifference<'t> {
    /// What the value is about.
    pub subject: ValueSubject<'t>,
    /// The value of the first.
    pub a: Option<LongValue<'t>>,
    /// The value of the second.
    pub b: Option<LongValue<'t>>,
}

/// The values that differ between two tables, in the order of the first, followed by those that only the second has.
pub fn join<'t>(a: &LongTable<'t>, b: &LongTable<'t>) -> Vec<ValueDifference<'t>> {
    fn values<'r, 't>(of: &'r LongTable<'t>) -> HashMap<&'r ValueSubject<'t>, &'r LongValue<'t>> {
        of.rows.iter().map(|row| (&row.subject, &row.value)).collect()
    }
    let (ours, theirs) = (values(a), values(b));
    let only_b = b.rows.iter().filter(|row| !ours.contains_key(&row.subject));
    let each = a.rows.iter().map(|row| &row.subject).chain(only_b.map(|row| &row.subject));
    let of = |subject: &ValueSubject<'t>| {
        let [a, b] = [&ours, &theirs].map(|values| values.get(subject).map(|value| (*value).clone()));
        (a != b).then(|| ValueDifference { subject: subject.clone(), a, b })
    };
    each.filter_map(of).collect()
}

/// The first values of a recorded table that differ from the recomputed ones, by what they are about. What is no value, such as
/// a link, is named by its path in the record if no value differs.
pub fn mismatches(recorded: &Table, now: &Table) -> Vec<Mismatch> {
    let differences = join(&long(recorded), &long(now)).into_iter();
    let differ =
        differences.filter_map(|ValueDifference { subject, a, b }| Mismatch::of(&subject.to_string(), a, b));
    let found: Vec<Mismatch> = differ.take(MAX_REPORTED).collect();
    if found.is_empty() { compared(recorded, now) } else { found }
}

impl LongRow<'_> {
    /// The same with the two models the other way round: a difference has the opposite sign, the ends of its interval change
    /// places.
    pub fn turned(self) -> Self {
        let LongRow { mut subject, mut value, counts } = self;
        if subject.against.is_some() {
            std::mem::swap(&mut subject.model, &mut subject.against);
            let statistic = match subject.statistic {
                "low" => Some("high"),
                "high" => Some("low"),
                "difference" => Some("difference"),
                _ => None,
            };
            match statistic {
                Some(statistic) => (subject.statistic, value) = (statistic, value.negated()),
                None => subject.statistic = turned(subject.statistic),
            }
        }
        LongRow { subject, value, counts }
    }
}
