//! The values of a table. Each value is identified by its subject and not by its position, so that two tables can be
//! compared whatever the order of their models and labels.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Serialize;
use serde_json::{Value, json};

use super::Change;
use crate::hash::{Hash, Id};
use crate::records::{AucTable, ComparedModel, Comparison, Predictions, Scores, Spread, Table};
use crate::registry::RegistryError;

/// Sums of the same numbers in another order differ by less.
const ROUNDING: f64 = 1e-12;

/// Values by section and subject, in the order of the table.
#[derive(Default)]
pub(super) struct Values {
    all: Vec<(&'static str, String, Value)>,
    /// Number of values with the same name.
    same: HashMap<String, u32>,
}

/// The differences between the values of two tables.
pub(super) struct Gap {
    pub(super) changes: Vec<Change>,
    /// The largest difference that counts as rounding.
    pub(super) rounding: f64,
    /// Number of changes that are sections of only one table.
    pub(super) sections: usize,
}

impl Values {
    fn say(&mut self, section: &'static str, of: impl Into<String>, value: impl Serialize) {
        self.all.push((section, of.into(), json!(value)));
    }

    /// Adds every field of a row, except for those that identify the row, and links, which are its inputs.
    fn row(&mut self, section: &'static str, of: &str, row: &impl Serialize, named_by: &[&str]) {
        let Value::Object(fields) = json!(row) else { return };
        for (field, value) in fields {
            if named_by.contains(&&*field) || is_link(&value) {
                continue;
            }
            let what = format!("{of} {field}");
            match value {
                // A number with another that belongs to it, such as a standard error.
                Value::Object(parts) => {
                    parts.into_iter().for_each(|(part, value)| {
                        self.say(section, format!("{what} {part}").trim_start(), value)
                    });
                }
                value => self.say(section, what.trim_start(), value),
            }
        }
    }

    /// Adds a quantity over folds.
    fn spread(&mut self, section: &'static str, of: &str, spread: &Spread, folds: &[String]) {
        for (fold, value) in folds.iter().zip(&spread.folds) {
            self.say(section, format!("{of}{fold}"), value);
        }
        self.row(section, of, spread, &["folds"]);
    }

    /// Numbers values with the same name.
    fn numbered(&mut self, of: String) -> String {
        let seen = self.same.entry(of.clone()).or_default();
        *seen += 1;
        if *seen == 1 { of } else { format!("{of} ({seen})") }
    }

    /// Keeps only the values that another table has, too.
    pub(super) fn shared_with(&mut self, other: &Values) {
        let theirs: HashSet<(&str, &str)> =
            other.all.iter().map(|(section, of, _)| (*section, &**of)).collect();
        self.all.retain(|(section, of, _)| theirs.contains(&(*section, &**of)));
    }

    /// Lists the values that differ from another table's. A section of only one table is one line.
    pub(super) fn against(&self, other: &Values, rounded: bool) -> Gap {
        let places = |of: &Values| -> HashMap<(&'static str, String), Value> {
            of.all.iter().map(|(section, of, value)| ((*section, of.clone()), value.clone())).collect()
        };
        let (mine, theirs) = (places(self), places(other));
        let [ours, others] = [self, other]
            .map(|of| of.all.iter().map(|(section, ..)| *section).collect::<BTreeSet<&'static str>>());
        let mut gap = Gap { changes: Vec::new(), rounding: 0.0, sections: 0 };
        gap.sections = ours.symmetric_difference(&others).count();
        for section in ours.symmetric_difference(&others) {
            let there = |of: &BTreeSet<&str>| of.contains(section).then_some("there");
            gap.changes.extend(Change::of(*section, there(&ours), there(&others)));
        }
        let new = |of: &&(&'static str, String, Value)| !mine.contains_key(&(of.0, of.1.clone()));
        for (section, of, _) in self.all.iter().chain(other.all.iter().filter(new)) {
            if !ours.contains(section) || !others.contains(section) {
                continue;
            }
            let key = (*section, of.clone());
            let (a, b) = (mine.get(&key), theirs.get(&key));
            let numbers = a.and_then(Value::as_f64).zip(b.and_then(Value::as_f64));
            match numbers.map(|(a, b)| (a - b).abs() / a.abs().max(1.0)) {
                Some(apart) if rounded && apart <= ROUNDING => gap.rounding = gap.rounding.max(apart),
                _ => gap.changes.extend(change(section, of, a, b)),
            }
        }
        gap
    }
}

/// A change of one value; for a heat map, only its size.
fn change(section: &str, of: &str, a: Option<&Value>, b: Option<&Value>) -> Option<Change> {
    let what = format!("{section} {of}").trim().to_owned();
    if section == "map" && a != b {
        return Change::of("largest difference of the map", 0.0, largest(a?, b?));
    }
    Change::of(what, a, b)
}

/// The largest difference of two maps; null if their sizes differ.
fn largest(a: &Value, b: &Value) -> Option<f64> {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).map(|(a, b)| largest(a, b)).try_fold(0.0, |max, gap| Some(f64::max(max, gap?)))
        }
        _ => Some((a.as_f64()? - b.as_f64()?).abs()),
    }
}

fn is_link(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.parse::<Hash>().is_ok())
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

    /// A pair in the order of their positions, and whether it was swapped.
    fn pair(&self, a: &str, b: &str) -> (String, bool) {
        let turned = self.place(a) > self.place(b);
        let (a, b) = if turned { (b, a) } else { (a, b) };
        (format!("{} - {}", self.called(a), self.called(b)), turned)
    }
}

/// A fold in texts, with a space before it; empty for scores without a fold.
fn of_fold(fold: Option<u32>) -> String {
    fold.map_or(String::new(), |fold| format!(" division {fold}"))
}

/// All values of a table.
pub(super) fn values(table: &Table, names: &ModelNames) -> Values {
    let mut out = Values::default();
    match table {
        Table::Auc(auc) => {
            of_auc(&mut out, auc, "", "");
            out.row("AUC", "mean over", &json!({ "labels": auc.mean_over }), &[]);
        }
        Table::Comparison(comparison) => of_comparison(&mut out, comparison, names),
        Table::Dataset(counted) => {
            out.row("count", "", counted, &["ages", "labels", "rules"]);
            for age in &counted.ages {
                out.say("count", format!("ages {}-{}", age.from, age.to), age.images);
            }
            for label in &counted.labels {
                out.row("count", &label.label, label, &["label"]);
            }
        }
        Table::Probe(probe) => {
            out.say("probe", "of", &probe.model);
            out.say("probe", "for", probe.target);
            for fold in &probe.folds {
                let named_by = ["fold", "computed"];
                out.row("probe", of_fold(Some(fold.fold)).trim_start(), fold, &named_by);
            }
            let folds: Vec<String> = probe.folds.iter().map(|fold| of_fold(Some(fold.fold))).collect();
            let quantities = json!(probe.result);
            for (quantity, value) in quantities.as_object().into_iter().flatten() {
                match serde_json::from_value::<Spread>(value.clone()) {
                    Ok(spread) => out.spread("probe", quantity, &spread, &folds),
                    Err(_) => out.say("probe", quantity, value),
                }
            }
        }
        Table::Heatmap(heatmap) => {
            out.row("heat", "", heatmap, &["type", "map", "computed", "rules"]);
            out.say("map", "", &heatmap.map);
        }
        Table::Pointing(pointing) => {
            out.say("pointing", "subset", pointing.subset);
            for row in &pointing.rows {
                let of = out.numbered(format!("{} {}", row.image, row.label));
                out.row("pointing", &of, row, &["image", "label"]);
            }
            for label in &pointing.labels {
                out.row("pointing", &label.label, label, &["label"]);
            }
            out.row("pointing", "all", &pointing.all, &["label"]);
        }
    }
    out
}

/// An AUC table as the column of a comparison with its predictions.
pub(super) fn as_column(auc: &AucTable, of: &Predictions, comparison: &Comparison) -> Option<Values> {
    let model = comparison.models.iter().find(|model| model.predictions.contains(&auc.predictions))?;
    let mut out = Values::default();
    of_auc(&mut out, auc, &format!("{} ", model.name), &of_fold(of.fold));
    Some(out)
}

fn of_auc(out: &mut Values, auc: &AucTable, model: &str, fold: &str) {
    out.say("AUC", format!("{model}mean{fold}"), auc.mean);
    let whose = format!("{}{fold}", model.trim_end());
    let [labels, images, patients] = match whose.is_empty() {
        true => ["labels in the mean", "images", "patients"],
        false => ["labels in the mean of", "images of", "patients of"],
    };
    out.say(labels, whose.clone(), auc.mean_over);
    out.say(images, whose.clone(), auc.images);
    out.say(patients, whose, auc.patients);
    for label in &auc.labels {
        out.say("AUC", format!("{model}{}{fold}", label.label), label.auc);
        out.say("images with", format!("{model}{}{fold}", label.label), label.positives);
        out.say("images without", format!("{model}{}{fold}", label.label), label.negatives);
        out.say("patients with", format!("{model}{}{fold}", label.label), label.positive_patients);
        if let Some(missing) = label.missing {
            out.say("images unlabelled", format!("{model}{}{fold}", label.label), missing);
        }
        if let Some(threshold) = &label.threshold {
            out.row("threshold", &format!("{model}{}{fold}", label.label), threshold, &[]);
        }
    }
}

fn of_comparison(out: &mut Values, comparison: &Comparison, names: &ModelNames) {
    out.say("subset", "", comparison.subset);
    let folds = |model: &ComparedModel| -> Vec<String> {
        // Scores without a fold come first.
        let none = model.mean.folds.len() > comparison.folds.len();
        let folds = none.then_some(None).into_iter().chain(comparison.folds.iter().copied().map(Some));
        folds.map(of_fold).collect()
    };
    // The most important values come first.
    for model in &comparison.models {
        out.spread("AUC", &format!("{} mean", names.called(&model.name)), &model.mean, &folds(model));
    }
    for model in &comparison.models {
        let (name, folds) = (names.called(&model.name), folds(model));
        out.say("divisions of", name, model.mean.folds.len());
        for (fold, covered) in folds.iter().zip(model.covered()) {
            let Some(covered) = covered else { continue };
            out.say("labels in the mean of", format!("{name}{fold}"), covered.len());
        }
        for (fold, images) in folds.iter().zip(&model.images) {
            out.say("images of", format!("{name}{fold}"), images);
        }
        for (fold, images) in folds.iter().zip(&model.of_images) {
            out.say("images of the subset of", format!("{name}{fold}"), images);
        }
        for (fold, patients) in folds.iter().zip(&model.patients) {
            out.say("patients of", format!("{name}{fold}"), patients);
        }
        for (fold, error) in folds.iter().zip(&model.mean_errors) {
            out.say("standard error", format!("{name} mean{fold}"), error.value);
            out.say("degrees of freedom", format!("{name} mean{fold}"), error.df);
        }
        for (fold, error) in folds.iter().zip(&model.pathology_errors) {
            out.say("standard error", format!("{name} mean over pathologies{fold}"), error.value);
            out.say("degrees of freedom", format!("{name} mean over pathologies{fold}"), error.df);
        }
        for label in &model.labels {
            let of = format!("{name} {}", label.label);
            out.spread("AUC", &of, &label.auc, &folds);
            for (fold, positives) in folds.iter().zip(&label.positives) {
                out.say("images with", format!("{of}{fold}"), positives);
            }
            for (fold, missing) in folds.iter().zip(&label.missing).filter(|(_, missing)| **missing > 0) {
                out.say("images unlabelled", format!("{of}{fold}"), missing);
            }
            for (fold, negatives) in folds.iter().zip(&label.negatives) {
                out.say("images without", format!("{of}{fold}"), negatives);
            }
            for (fold, patients) in folds.iter().zip(&label.positive_patients) {
                out.say("patients with", format!("{of}{fold}"), patients);
            }
            for (fold, patients) in folds.iter().zip(&label.negative_patients) {
                out.say("patients without", format!("{of}{fold}"), patients);
            }
            for (fold, error) in folds.iter().zip(&label.std_errors) {
                out.say("standard error", format!("{of}{fold}"), error.value);
                out.say("degrees of freedom", format!("{of}{fold}"), error.df);
            }
        }
    }
    for (a, row) in comparison.models.iter().zip(&comparison.spearman) {
        for (b, value) in comparison.models.iter().zip(row) {
            if names.place(&a.name) <= names.place(&b.name) {
                out.say("Spearman", names.pair(&a.name, &b.name).0, value);
            }
        }
    }
    let turn = |value: f64, turned: bool| if turned { -value } else { value };
    for row in &comparison.delong {
        let (pair, turned) = names.pair(&row.a, &row.b);
        let mean = if row.pathologies { "mean over pathologies" } else { "mean" };
        let of = format!("{pair} {}{}", row.label.as_deref().unwrap_or(mean), of_fold(row.fold));
        out.say("paired", format!("{of} difference"), turn(row.difference, turned));
        out.row("paired", &of, row, &["a", "b", "label", "pathologies", "fold", "difference"]);
    }
    for row in &comparison.resampled {
        let (pair, turned) = names.pair(&row.a, &row.b);
        let mean = if row.pathologies { "mean over pathologies" } else { "mean" };
        let of = format!("{pair} {}", row.label.as_deref().unwrap_or(mean));
        out.say("resampled", format!("{of} difference"), turn(row.difference, turned));
        out.row("resampled", &of, row, &["a", "b", "label", "pathologies", "difference"]);
    }
    if let Some(bootstrap) = &comparison.bootstrap {
        out.row("bootstrap", "", bootstrap, &["rows"]);
        for row in &bootstrap.rows {
            let alone = || (names.called(&row.model).to_owned(), false);
            let (of, turned) = row.less.as_ref().map_or_else(alone, |less| names.pair(&row.model, less));
            let mean = if row.pathologies { "mean over pathologies" } else { "mean" };
            let of = format!("{of} {}", row.label.as_deref().unwrap_or(mean));
            let minus = |end: Option<f64>| end.map(|end| -end);
            let [low, high] = if turned { [minus(row.high), minus(row.low)] } else { [row.low, row.high] };
            out.say("bootstrap", format!("{of} value"), turn(row.value, turned));
            out.say("bootstrap", format!("{of} low"), low);
            out.say("bootstrap", format!("{of} high"), high);
            out.say("bootstrap", format!("{of} resamples"), row.resamples);
        }
    }
    for row in &comparison.metrics {
        let of = format!("{} {}{}", names.called(&row.model), row.label, of_fold(row.fold));
        out.row("metrics", &of, row, &["model", "label", "fold"]);
    }
    for row in &comparison.groups {
        let model = names.called(&row.model);
        let of = format!("{} {} {model} {}{}", row.by.name(), row.group, row.label, of_fold(row.fold));
        out.row("groups", &of, row, &["by", "group", "model", "label", "fold"]);
    }
    for row in &comparison.group_tests {
        let model = names.called(&row.model);
        let of = format!("{} {} {model} {}{}", row.by.name(), row.group, row.label, of_fold(row.fold));
        out.row("group tests", &of, row, &["by", "group", "model", "label", "fold"]);
    }
    for model in comparison.published.iter().flat_map(|published| &published.models) {
        out.row("published", &model.name, model, &["name"]);
    }
    let mut kinds: Vec<Value> =
        comparison.incomparable.iter().map(|incomparable| json!(incomparable.kind)).collect();
    kinds.sort_by_key(Value::to_string);
    if !kinds.is_empty() {
        out.say("not comparable", "", kinds);
    }
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
pub(super) fn columns_and_rows<'t>(table: &'t Table, names: &'t ModelNames) -> [Vec<&'t str>; 2] {
    let labels: Vec<&str> = match table {
        Table::Auc(table) => table.labels.iter().map(|of| of.label.as_str()).collect(),
        Table::Dataset(table) => table.labels.iter().map(|of| of.label.as_str()).collect(),
        Table::Comparison(table) => {
            let first = table.models.first().map_or(&[][..], |model| &model.labels);
            first.iter().map(|of| of.label.as_str()).collect()
        }
        Table::Pointing(table) => table.labels.iter().map(|of| of.label.as_str()).collect(),
        Table::Probe(_) | Table::Heatmap(_) => Vec::new(),
    };
    let models = match table {
        Table::Comparison(table) => table.models.iter().map(|model| names.called(&model.name)).collect(),
        Table::Auc(_) | Table::Dataset(_) | Table::Probe(_) | Table::Heatmap(_) | Table::Pointing(_) => {
            Vec::new()
        }
    };
    [models, labels]
}

/// Keeps only the values of these models, by their own names, and of these labels.
pub(super) fn keep(table: &mut Table, models: &BTreeSet<String>, labels: &BTreeSet<String>) {
    let of = |label: &String| labels.contains(label);
    // A value without a label is about all labels.
    let of_any = |label: &Option<String>| label.as_ref().is_none_or(of);
    match table {
        Table::Auc(table) => table.labels.retain(|row| of(&row.label)),
        Table::Dataset(table) => table.labels.retain(|row| of(&row.label)),
        Table::Pointing(table) => table.labels.retain(|row| of(&row.label)),
        Table::Comparison(table) => {
            let both = |a: &String, b: &String| models.contains(a) && models.contains(b);
            let stays: Vec<bool> = table.models.iter().map(|model| models.contains(&model.name)).collect();
            for rows in table.spearman.iter_mut() {
                kept(rows, &stays);
            }
            kept(&mut table.spearman, &stays);
            table.constant.retain(|cell| models.contains(&cell.model));
            kept(&mut table.models, &stays);
            table.models.iter_mut().for_each(|model| model.labels.retain(|row| of(&row.label)));
            table.delong.retain(|row| both(&row.a, &row.b) && of_any(&row.label));
            table.resampled.retain(|row| both(&row.a, &row.b) && of_any(&row.label));
            if let Some(bootstrap) = &mut table.bootstrap {
                let there = |less: &Option<String>| less.as_ref().is_none_or(|less| models.contains(less));
                bootstrap
                    .rows
                    .retain(|row| models.contains(&row.model) && there(&row.less) && of_any(&row.label));
            }
            table.metrics.retain(|row| models.contains(&row.model) && of(&row.label));
            table.groups.retain(|row| models.contains(&row.model) && of(&row.label));
            table.group_tests.retain(|row| models.contains(&row.model) && of(&row.label));
        }
        Table::Probe(_) | Table::Heatmap(_) => {}
    }
}

/// Keeps the selected elements.
fn kept<T>(of: &mut Vec<T>, stays: &[bool]) {
    let mut stays = stays.iter();
    of.retain(|_| stays.next().is_none_or(|stays| *stays));
}

/// The options of a table, besides its inputs.
pub(super) fn asked(table: &Table) -> Vec<(&'static str, Value)> {
    match table {
        Table::Comparison(of) => {
            let names = ModelNames::own(&of.models);
            let [_, mut labels] = columns_and_rows(table, &names);
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
