//! The long forms of the golden tables.

use std::collections::BTreeSet;

use serde_json::Value;

use super::interval::FoldAuc;
use super::*;
use crate::records::codec;

macro_rules! golden {
    ($($name:literal),+) => {
        [$(($name, include_bytes!(concat!("../../fixtures/golden/table-", $name, ".json")).as_slice())),+]
    };
}

/// A table of every type, with all that it can have, and its document.
fn tables() -> Vec<(&'static str, Table, Value)> {
    let files = golden!(
        "auc",
        "auc-missing",
        "auc-thresholds",
        "comparison",
        "comparison-full",
        "dataset",
        "dataset-missing",
        "heat",
        "pointing",
        "probe-age",
        "probe-view"
    );
    let read = |(name, bytes): (&'static str, &'static [u8])| {
        (name, codec::decode(bytes).unwrap(), serde_json::from_slice(bytes).unwrap())
    };
    files.into_iter().map(read).collect()
}

fn comparison() -> Table {
    tables().into_iter().find(|(name, ..)| *name == "comparison-full").unwrap().1
}

/// All numbers of a document with their places.
fn numbers(place: &str, document: &Value, found: &mut Vec<(String, Value)>) {
    match document {
        Value::Number(_) => found.push((place.to_owned(), document.clone())),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| numbers(&format!("{place}/{at}"), item, found));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(key, field)| numbers(&format!("{place}/{key}"), field, found));
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// The numbers of a long form: values, and the folds, seeds and items of subjects.
fn known(long: &LongTable<'_>) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for LongRow { subject, value, .. } in &long.rows {
        known.insert(serde_json::to_value(value).unwrap().to_string());
        known.extend(subject.fold.map(|fold| fold.to_string()));
        known.extend(subject.seed.map(|seed| seed.to_string()));
        let edges = subject.item.iter().flat_map(|item| item.split([' ', '-', ',']));
        known.extend(edges.map(str::to_owned));
    }
    known
}

/// Replaces the number at a place of a document.
fn replaced(document: &Value, place: &str, by: Value) -> Value {
    let mut document = document.clone();
    *document.pointer_mut(place).unwrap() = by;
    document
}

#[test]
fn every_number_of_a_record_is_in_its_long_form() {
    let mut types = BTreeSet::new();
    for (name, table, mut document) in tables() {
        types.insert(document["type"].as_str().unwrap().to_owned());
        // The version of the format.
        document.as_object_mut().unwrap().remove("version");
        let known = known(&long(&table));
        let mut all = Vec::new();
        numbers("", &document, &mut all);
        assert!(all.len() > 5, "{name} has numbers");
        for (place, number) in all {
            assert!(known.contains(&number.to_string()), "{name}: {place} is {number}");
        }
    }
    assert_eq!(types.len(), 6, "a table of each type: {types:?}");
}

/// That a value is somewhere could be by chance: many numbers of a record are equal.
#[test]
fn another_number_at_any_place_is_another_long_form() {
    let mut told = 0;
    for (name, _, document) in tables() {
        let mut all = Vec::new();
        numbers("", &document, &mut all);
        for (place, number) in all.into_iter().filter(|(place, _)| place != "/version") {
            // Of the right type and the right size for every number.
            let other = if number.is_f64() { Value::from(0.015625) } else { Value::from(77) };
            let other = replaced(&document, &place, other);
            let (table, changed): (Table, Table) = [&document, &other]
                .map(|document| codec::decode(&codec::canonical(document)).unwrap())
                .into();
            let (table, changed) = (long(&table), long(&changed));
            assert!(!join(&table, &changed).is_empty(), "{name}: {place}");
            told += 1;
        }
    }
    assert!(told > 300, "{told}");
}

#[test]
fn no_two_values_have_the_same_subject() {
    for (name, table, _) in tables() {
        let long = long(&table);
        let subjects: std::collections::HashSet<_> = long.rows.iter().map(|row| &row.subject).collect();
        assert_eq!(subjects.len(), long.rows.len(), "{name}");
        assert!(join(&long, &long.clone()).is_empty(), "{name}");
        let words: BTreeSet<String> = long.rows.iter().map(|row| row.subject.to_string()).collect();
        assert_eq!(words.len(), long.rows.len(), "{name}: in words, too");
    }
}

#[test]
fn a_value_is_found_by_its_subject_whatever_its_position() {
    let Table::Comparison(one) = comparison() else { unreachable!() };
    let mut other = one.clone();
    other.models[1].labels.reverse();
    other.delong.reverse();
    other.metrics[0].sensitivity = Some(0.25);
    let (one, other) = (Table::Comparison(one), Table::Comparison(other));
    let found = join(&long(&one), &long(&other));
    let [ValueDifference { subject, a, b }] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(subject.to_string(), "metrics mlp Atelectasis sensitivity division 0 seed 2");
    assert_eq!((a, b), (&Some(LongValue::Undefined), &Some(LongValue::Number(0.25))));
}

#[test]
fn counts_stand_beside_values_and_are_values() {
    let table = comparison();
    let long = long(&table);
    let of = |statistic| {
        let is = |row: &&LongRow<'_>| {
            let ValueSubject { table, label, model, fold, seed, .. } = &row.subject;
            (*table, *model, label.label(), *fold, *seed)
                == ("auc", Some("mlp"), Some("Atelectasis"), Some(1), None)
                && row.subject.statistic == statistic
        };
        long.rows.iter().find(is).unwrap_or_else(|| panic!("{statistic}"))
    };
    let auc = of("auc");
    assert_eq!(
        (auc.value.clone(), auc.counts.negatives, auc.counts.missing),
        (LongValue::Number(0.75), Some(2), Some(1))
    );
    assert_eq!((of("negatives").value.as_count(), of("missing").value.as_count()), (Some(2), Some(1)));
    for row in &long.rows {
        for (name, count) in row.counts.named() {
            let Some(count) = count else { continue };
            // A mean over folds says how many it covers in its own words.
            let names = [name, "auc_folds", "test_images"];
            let subject = |name| row.subject.statistic(name);
            let is = |other: &LongRow<'_>| other.value.as_count() == Some(count);
            let beside = |name| long.rows.iter().any(|other| other.subject == subject(name) && is(other));
            let is_of_fold = row.subject.label == LabelScope::Labels && matches!(name, "images" | "patients");
            assert!(
                is_of_fold || row.subject.seed.is_some() || names.into_iter().any(beside),
                "{name} of {}",
                row.subject
            );
        }
    }
}

#[test]
fn a_pair_the_other_way_round_has_the_opposite_difference() {
    let Table::Comparison(mut one) = comparison() else { unreachable!() };
    let bootstrap = one.bootstrap.as_mut().unwrap();
    (bootstrap.rows[1].low, bootstrap.rows[1].high) = (Some(0.5), Some(0.75));
    let table = Table::Comparison(one);
    let rows: Vec<LongRow<'_>> = long(&table).rows.into_iter().map(LongRow::turned).collect();
    let of = |statistic: &str| {
        let is = |row: &&LongRow<'_>| {
            let ValueSubject { table, label, .. } = row.subject;
            (table, label, row.subject.statistic) == ("bootstrap", LabelScope::Labels, statistic)
        };
        rows.iter().find(is).unwrap()
    };
    assert_eq!(
        (of("difference").subject.model, of("difference").subject.against),
        (Some("theirs"), Some("mlp"))
    );
    let values = ["difference", "low", "high"].map(|statistic| of(statistic).value.as_number());
    assert_eq!(values, [Some(-0.625), Some(-0.75), Some(-0.5)]);
}

#[test]
fn a_pivot_has_a_row_for_each_subject_and_a_column_for_each_statistic() {
    let table = comparison();
    let pivot = Pivot::of(&long(&table), "group-tests");
    let [row] = pivot.rows.as_slice() else { panic!("{pivot:?}") };
    assert_eq!(
        (row.subject.by, row.subject.group, row.text("reference")),
        (Some("gender"), Some("F"), Some("M"))
    );
    assert_eq!(
        (row.number("difference"), row.number("p_bh"), row.count("positive_patients")),
        (Some(-0.125), None, Some(5))
    );
    assert_eq!(row.value("p_bh"), Some(&LongValue::Undefined));
    assert_eq!((row.value("brier"), row.ends("p", "p_holm")), (None, Some([0.75, 1.0])));
    assert_eq!(pivot.with("difference").count(), 1);
    assert_eq!(pivot.get(&row.subject).map(|row| row.number("df")), Some(Some(6.5)));
    assert!(pivot.get(&ValueSubject::new("group-tests", "")).is_none());
    assert_eq!(Pivot::of(&long(&table), "nothing").rows.len(), 0);
}

/// What reports print beside the recorded numbers: intervals, margins, predictive values at another prevalence.
#[test]
fn numbers_that_follow_from_recorded_ones_are_rows_too() {
    let Table::Comparison(mut one) = comparison() else { unreachable!() };
    one.margin = Some(0.25);
    one.prevalence = Some(0.5);
    for row in &mut one.metrics {
        (row.sensitivity, row.specificity) = (Some(0.75), Some(0.5));
    }
    for row in &mut one.delong {
        (row.positive_patients, row.negative_patients) = (5, 5);
        row.std_error.value = Some(0.125);
    }
    let table = Table::Comparison(one.clone());
    let (all, recorded) = (long(&table), long_comparison(&one));
    assert_eq!(all.rows[..recorded.rows.len()], recorded.rows, "the recorded ones come first");
    let subjects: std::collections::HashSet<_> = all.rows.iter().map(|row| &row.subject).collect();
    assert_eq!(subjects.len(), all.rows.len());
    let rows = |name| Pivot::of(&all, name).rows;
    for row in rows("delong") {
        let estimate = interval::of_pair(&row).unwrap();
        assert_eq!(row.ends("low", "high"), estimate.difference_interval());
        let within = estimate.within(0.25).unwrap();
        let margins = ["p_a_not_inferior", "p_b_not_inferior", "p_equivalent"].map(|name| row.number(name));
        assert_eq!(margins, [Some(within[0]), Some(within[1]), Some(within[0].max(within[1]))]);
    }
    let metrics = rows("metrics");
    let metrics: Vec<_> = metrics.iter().filter(|row| row.number("sensitivity").is_some()).collect();
    assert!(!metrics.is_empty());
    for row in metrics {
        assert_eq!(
            (row.number("ppv_at_prevalence"), row.number("npv_at_prevalence")),
            (Some(0.6), Some(2.0 / 3.0))
        );
    }
    let aucs = Pivot::of(&all, "auc");
    for (place, model) in one.models.iter().enumerate() {
        let of = ValueSubject::new("auc", "").model(&model.name);
        let row = |scope| aucs.get(&of.clone().scope(scope)).unwrap();
        let expected = interval::of_auc(one.variance, &FoldAuc::of_mean(&one, place)).ok();
        assert_eq!(row(LabelScope::Labels).ends("auc_mean_low", "auc_mean_high"), expected);
        let mean = mean_over_pathologies(&one, model).unwrap();
        assert_eq!(row(LabelScope::Pathologies).number("auc_mean"), mean.mean);
        for label in &model.labels {
            let expected = interval::of_auc(one.variance, &FoldAuc::of(label)).ok();
            let row = row(LabelScope::Label(&label.label));
            assert_eq!(row.ends("auc_mean_low", "auc_mean_high"), expected, "{}", label.label);
        }
    }
    for row in rows("groups") {
        let expected = interval::of_auc(one.variance, &[FoldAuc::from(&row)]).ok();
        assert_eq!(row.ends("auc_low", "auc_high"), expected);
    }
    let ranks: Vec<Option<u64>> =
        rows("ranking").iter().filter_map(|row| row.value("rank")).map(LongValue::as_count).collect();
    assert_eq!(ranks, (1..=one.ranking.len() as u64).map(Some).collect::<Vec<_>>());
}
