//! The values of two tables beside each other: their long forms with the names that models have in the comparison.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::{Value, json};

use super::Change;
use crate::hash::Id;
use crate::records::{AucTable, ComparedModel, Comparison, Predictions, Scores, Table};
use crate::registry::RegistryError;
use crate::values::{LongRow, LongTable, LongValue, SETTINGS, ValueDifference, ValueSubject, join, long};

/// Sums of the same numbers in another order differ by less.
const ROUNDING: f64 = 1e-12;

/// The differences between the values of two tables.
pub(super) struct Gap {
    pub(super) changes: Vec<Change>,
    /// The largest difference that counts as rounding.
    pub(super) rounding: f64,
    /// Number of changes that are parts of only one table.
    pub(super) sections: usize,
}

/// The parts of a table: all of its values, and those of each statistic.
fn parts<'t>(of: &LongTable<'t>) -> HashSet<(&'static str, Option<&'static str>)> {
    let both = |row: &LongRow<'t>| [None, Some(row.subject.statistic)].map(|of| (row.subject.table, of));
    of.rows.iter().flat_map(both).collect()
}

/// Keeps only the values that another table has, too.
pub(super) fn shared_with<'t>(of: &mut LongTable<'t>, other: &LongTable<'t>) {
    let theirs: HashSet<&ValueSubject<'t>> = other.rows.iter().map(|row| &row.subject).collect();
    of.rows.retain(|row| theirs.contains(&row.subject));
}

/// Lists the values that differ. A part of only one table is one line, and so is a heat map, with the size of the difference.
pub(super) fn gap<'t>(a: &LongTable<'t>, b: &LongTable<'t>, rounded: bool) -> Gap {
    let (ours, theirs) = (parts(a), parts(b));
    let mut gap = Gap { changes: Vec::new(), rounding: 0.0, sections: 0 };
    let (mut alone, mut map) = (BTreeMap::new(), None::<Option<f64>>);
    for ValueDifference { subject, a, b } in join(a, b) {
        let parts = [None, Some(subject.statistic)].map(|statistic| (subject.table, statistic));
        if let Some(part) = parts.into_iter().find(|part| ours.contains(part) != theirs.contains(part)) {
            let there = |of: &HashSet<_>| of.contains(&part).then_some("there");
            let what = ValueSubject::new(part.0, part.1.unwrap_or(part.0)).to_string();
            alone.entry(what.clone()).or_insert_with(|| Change::of(what, there(&ours), there(&theirs)));
            continue;
        }
        let numbers =
            a.as_ref().and_then(LongValue::as_number).zip(b.as_ref().and_then(LongValue::as_number));
        if subject.table == "map" {
            let apart = numbers.map(|(a, b)| (a - b).abs());
            map = Some(map.unwrap_or(Some(0.0)).zip(apart).map(|(largest, apart)| largest.max(apart)));
            continue;
        }
        let is_quantity = matches!((&a, &b), (Some(LongValue::Number(_)), Some(LongValue::Number(_))));
        match numbers.map(|(a, b)| (a - b).abs() / a.abs().max(1.0)) {
            Some(apart) if rounded && is_quantity && apart <= ROUNDING => {
                gap.rounding = gap.rounding.max(apart)
            }
            _ => gap.changes.extend(Change::of(subject.to_string(), a, b)),
        }
    }
    gap.sections = alone.len();
    gap.changes.splice(0..0, alone.into_values().flatten());
    gap.changes.extend(map.and_then(|apart| Change::of("largest difference of the map", 0.0, apart)));
    gap
}

/// The names of a table's models in the comparison, and the order in which their differences are taken.
pub(super) struct ModelNames {
    /// Own name, name in the comparison, position.
    of: HashMap<String, (String, usize)>,
}

impl ModelNames {
    /// Each model with its own name.
    pub(super) fn own(models: &[ComparedModel]) -> Self {
        let each = models.iter().enumerate();
        ModelNames { of: each.map(|(at, model)| (model.name.clone(), (model.name.clone(), at))).collect() }
    }

    /// The models of `b` with their names in `a`: a model with the same scores, then one with the same name.
    pub(super) fn matched(
        a: &[ComparedModel],
        b: &[ComparedModel],
        scores: impl Fn(&ComparedModel) -> Result<BTreeSet<Id<Scores>>, RegistryError>,
    ) -> Result<Self, RegistryError> {
        let mut free: Vec<usize> = (0..a.len()).collect();
        let mut of: HashMap<String, (String, usize)> = HashMap::new();
        let [ones, others] = [a, b].map(|models| models.iter().map(&scores).collect::<Result<Vec<_>, _>>());
        let (ones, others) = (ones?, others?);
        let alike: [&dyn Fn(usize, usize) -> bool; 2] =
            [&|at, other| ones[at] == others[other], &|at, other| a[at].name == b[other].name];
        for alike in alike {
            for (other, model) in b.iter().enumerate() {
                if of.contains_key(&model.name) {
                    continue;
                }
                if let Some(at) = free.iter().position(|at| alike(*at, other)) {
                    let at = free.remove(at);
                    of.insert(model.name.clone(), (a[at].name.clone(), at));
                }
            }
        }
        for (at, model) in b.iter().enumerate() {
            let taken = a.iter().any(|one| one.name == model.name);
            let name = if taken { format!("{} (b)", model.name) } else { model.name.clone() };
            of.entry(model.name.clone()).or_insert((name, a.len() + at));
        }
        Ok(ModelNames { of })
    }

    pub(super) fn called<'n>(&'n self, own: &'n str) -> &'n str {
        self.of.get(own).map_or(own, |(name, _)| name)
    }

    fn place(&self, own: &str) -> usize {
        self.of.get(own).map_or(usize::MAX, |(_, place)| *place)
    }

    /// Models with another name in the comparison, and that name.
    pub(super) fn renamed(&self) -> Vec<(&str, &str)> {
        let mut renamed: Vec<_> =
            self.of.iter().map(|(own, (name, _))| (own.as_str(), name.as_str())).collect();
        renamed.retain(|(own, name)| own != name && !name.ends_with(" (b)"));
        renamed.sort_unstable();
        renamed
    }
}

/// All values of a table, with the names and the order of the models in the comparison.
pub(super) fn values<'t>(table: &'t Table, names: &'t ModelNames) -> LongTable<'t> {
    let mut long = long(table);
    // Settings are not results.
    long.rows.retain(|row| row.subject.table != SETTINGS);
    let rows = long.rows.into_iter().filter_map(|mut row| {
        if row.subject.table == "published" {
            return Some(row);
        }
        let [a, b] = [row.subject.model, row.subject.against];
        (row.subject.model, row.subject.against) =
            (a.map(|own| names.called(own)), b.map(|own| names.called(own)));
        match a.zip(b).is_some_and(|(a, b)| names.place(a) > names.place(b)) {
            false => Some(row),
            // A correlation is recorded both ways.
            true if row.subject.table == "spearman" => None,
            true => Some(row.turned()),
        }
    });
    LongTable { rows: rows.collect() }
}

/// An AUC table as the column of a comparison with its predictions.
pub(super) fn as_column<'t>(
    auc: &'t Table,
    table: &AucTable,
    of: &Predictions,
    comparison: &'t Comparison,
) -> Option<LongTable<'t>> {
    let model = comparison.models.iter().find(|model| model.predictions.contains(&table.predictions))?;
    let mut long = long(auc);
    for row in &mut long.rows {
        row.subject.model = Some(&model.name);
        row.subject.fold = of.fold;
    }
    Some(long)
}

/// The kind of a table in words.
pub(super) fn kind(table: &Table) -> &'static str {
    match table {
        Table::Auc(_) => "AUC",
        Table::Dataset(_) => "counts",
        Table::Comparison(_) => "comparison",
        Table::Probe(_) => "probe",
        Table::Heatmap(_) => "Grad-CAM",
        Table::Pointing(_) => "pointing game",
    }
}

/// Models and labels, in the order of the table.
pub(super) fn columns_and_rows<'t>(of: &LongTable<'t>) -> [Vec<&'t str>; 2] {
    fn each<'t>(all: impl Iterator<Item = &'t str>) -> Vec<&'t str> {
        let mut seen = HashSet::new();
        all.filter(|name| seen.insert(*name)).collect()
    }
    let own = || of.rows.iter().map(|row| &row.subject).filter(|subject| subject.table != "published");
    [each(own().filter_map(|subject| subject.model)), each(own().filter_map(|subject| subject.label.label()))]
}

/// Keeps only the values of these models and labels. A value without a label is about all labels.
pub(super) fn keep(of: &mut LongTable<'_>, models: &BTreeSet<String>, labels: &BTreeSet<String>) {
    let stays = |subject: &ValueSubject<'_>| {
        let mut names = [subject.model, subject.against].into_iter().flatten();
        names.all(|name| models.contains(name))
            && subject.label.label().is_none_or(|label| labels.contains(label))
    };
    of.rows.retain(|row| row.subject.table == "published" || stays(&row.subject));
}

/// The options of a table, besides its inputs.
pub(super) fn asked(table: &Table) -> Vec<(&'static str, Value)> {
    match table {
        Table::Comparison(of) => {
            let [_, mut labels] = columns_and_rows(&long(table));
            labels.sort_unstable();
            let mut groups: Vec<&str> = of.groups.iter().map(|row| row.by.name()).collect();
            groups.sort_unstable();
            groups.dedup();
            vec![
                ("labels", json!(labels)),
                ("pooling", json!(of.pooling)),
                ("shared images", json!(of.shared_images)),
                ("variance", json!(of.variance)),
                ("primary", json!(of.primary)),
                ("margin", json!(of.margin)),
                ("operating point", json!(of.operating_point)),
                ("prevalence", json!(of.prevalence)),
                (
                    "resamples and seed",
                    json!(of.bootstrap.as_ref().map(|of| [u64::from(of.resamples), of.seed])),
                ),
                ("metrics", json!(!of.metrics.is_empty())),
                ("groups", json!(groups)),
                ("published", json!(of.published.as_ref().map(|of| of.file.object.hash))),
            ]
        }
        Table::Probe(of) => vec![("target", json!(of.target))],
        Table::Heatmap(of) => vec![("image", json!(of.image)), ("label", json!(of.label))],
        Table::Pointing(of) => vec![("subset", json!(of.subset))],
        Table::Auc(of) => vec![("operating point", json!(of.operating_point))],
        Table::Dataset(_) => Vec::new(),
    }
}
