//! What a value of the long form is about.

use std::fmt;

/// What a value is about. No two values of a table have the same subject. What is the same for all values of a record, such as the
/// model of a probe, is not part of it but a value of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ValueSubject<'t> {
    /// The part of the record, by the name of its printed table where it has one: `auc`, `spearman`, `delong`, `bootstrap`.
    pub table: &'static str,
    /// The model; `None` for a value of all models.
    pub model: Option<&'t str>,
    /// The other model of a difference or of a correlation.
    pub against: Option<&'t str>,
    /// The label, or the labels that the value is a mean over.
    pub label: LabelScope<'t>,
    /// The property by which images are grouped.
    pub by: Option<&'static str>,
    /// The group.
    pub group: Option<&'t str>,
    /// The fold; `None` for a value of no fold or over all folds.
    pub fold: Option<u32>,
    /// The seed, where a fold has several.
    pub seed: Option<u64>,
    /// What else tells values apart: an image, a box, a bin.
    pub item: Option<String>,
    /// The statistic, such as `auc`, `std_error` or `p_holm`.
    pub statistic: &'static str,
}

/// The label of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LabelScope<'t> {
    /// The value is not about labels.
    #[default]
    None,
    /// One label.
    Label(&'t str),
    /// All labels where the value is defined.
    Labels,
    /// The same without the label of images without a finding.
    Pathologies,
}

impl<'t> LabelScope<'t> {
    /// The label of a row, or what a row without a label is a mean over.
    pub fn of(label: Option<&'t str>, pathologies: bool) -> Self {
        match label {
            Some(label) => LabelScope::Label(label),
            None if pathologies => LabelScope::Pathologies,
            None => LabelScope::Labels,
        }
    }

    /// The one label.
    pub fn label(self) -> Option<&'t str> {
        match self {
            LabelScope::Label(label) => Some(label),
            LabelScope::None | LabelScope::Labels | LabelScope::Pathologies => None,
        }
    }

    /// What a mean is over: `labels` or `pathologies`.
    pub fn mean_over(self) -> Option<&'static str> {
        match self {
            LabelScope::None | LabelScope::Label(_) => None,
            LabelScope::Labels => Some("labels"),
            LabelScope::Pathologies => Some("pathologies"),
        }
    }
}

impl<'t> ValueSubject<'t> {
    /// A value about all of a table; the builders below narrow it.
    pub fn new(table: &'static str, statistic: &'static str) -> Self {
        ValueSubject {
            table,
            model: None,
            against: None,
            label: LabelScope::None,
            by: None,
            group: None,
            fold: None,
            seed: None,
            item: None,
            statistic,
        }
    }

    /// The same of a model.
    pub fn model(self, model: &'t str) -> Self {
        ValueSubject { model: Some(model), ..self }
    }

    /// The same of a model and another one.
    pub fn pair(self, model: &'t str, against: Option<&'t str>) -> Self {
        ValueSubject { model: Some(model), against, ..self }
    }

    /// The same of a label.
    pub fn label(self, label: &'t str) -> Self {
        self.scope(LabelScope::Label(label))
    }

    /// The same of a label, or of a mean over labels.
    pub fn scope(self, label: LabelScope<'t>) -> Self {
        ValueSubject { label, ..self }
    }

    /// The same of a group.
    pub fn group(self, by: &'static str, group: &'t str) -> Self {
        ValueSubject { by: Some(by), group: Some(group), ..self }
    }

    /// The same of a fold.
    pub fn fold(self, fold: Option<u32>) -> Self {
        ValueSubject { fold, ..self }
    }

    /// The same of a seed.
    pub fn seed(self, seed: Option<u64>) -> Self {
        ValueSubject { seed, ..self }
    }

    /// The same of an image, a box or a bin.
    pub fn item(self, item: impl Into<String>) -> Self {
        ValueSubject { item: Some(item.into()), ..self }
    }

    /// Another statistic of the same.
    pub fn statistic(&self, statistic: &'static str) -> Self {
        ValueSubject { statistic, ..self.clone() }
    }

    /// The table in words.
    pub fn table_in_words(&self) -> String {
        match self.table {
            "auc" => "AUC".to_owned(),
            "counts" => "count".to_owned(),
            "delong" => "paired".to_owned(),
            "spearman" => "Spearman".to_owned(),
            other => other.replace('-', " "),
        }
    }

    /// The statistic in words, without what the table says already.
    pub fn statistic_in_words(&self) -> String {
        let own = self.statistic.strip_prefix(self.table);
        let own = own.filter(|rest| rest.is_empty() || rest.starts_with('_')).unwrap_or(self.statistic);
        own.trim_start_matches('_').replace('_', " ")
    }
}

impl fmt::Display for ValueSubject<'_> {
    /// In words, on one line: `AUC tiny Effusion division 0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mean = match self.label {
            LabelScope::None | LabelScope::Label(_) => None,
            LabelScope::Labels => Some("mean"),
            LabelScope::Pathologies => Some("mean over pathologies"),
        };
        let against = self.against.map(|against| format!("- {against}"));
        let statistic = self.statistic_in_words();
        let fold = self.fold.map(|fold| format!("division {fold}"));
        let seed = self.seed.map(|seed| format!("seed {seed}"));
        let parts = [
            self.by,
            self.group,
            self.model,
            against.as_deref(),
            mean,
            self.label.label(),
            self.item.as_deref(),
            Some(statistic.as_str()).filter(|words| !words.is_empty()),
            fold.as_deref(),
            seed.as_deref(),
        ];
        f.write_str(&self.table_in_words())?;
        parts.into_iter().flatten().try_for_each(|part| write!(f, " {part}"))
    }
}
