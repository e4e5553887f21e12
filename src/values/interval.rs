//! Confidence intervals of recorded AUCs and differences, and the reason where there is none.

use std::fmt;

use super::means::mean_over_pathologies;
use super::pivot::PivotRow;
use crate::records::{Comparison, LabelSpread, StdError, Variance};
use crate::stats::{self, Estimate, FEWEST_PATIENTS, FEWEST_RESAMPLED};

/// Why there is no interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NoInterval {
    /// The AUC itself is undefined.
    NoAuc,
    /// Too few patients of a class.
    FewPatients {
        /// How many there are.
        patients: u64,
        /// Whether they are those with a positive image.
        positive: bool,
        /// How many are needed.
        needed: u64,
    },
    /// The AUC is 0 or 1.
    Extreme(f64),
    /// Nothing varies: the scores are constant, or two models order the images alike.
    NoVariance,
}

impl fmt::Display for NoInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoInterval::NoAuc => write!(f, "no AUC"),
            NoInterval::FewPatients { patients, positive, needed } => {
                let class = if *positive { "positive" } else { "negative" };
                let noun = if *patients == 1 { "patient" } else { "patients" };
                write!(f, "{patients} {class} {noun}, {needed} needed")
            }
            NoInterval::Extreme(auc) => write!(f, "an AUC of {auc}"),
            NoInterval::NoVariance => write!(f, "no variance"),
        }
    }
}

/// The AUC of a fold, with what its interval is computed from.
#[derive(Debug, Clone, Copy)]
pub struct FoldAuc {
    /// The AUC.
    pub auc: Option<f64>,
    /// Its standard error.
    pub error: StdError,
    /// Patients with a positive and with a negative image.
    pub patients: [u64; 2],
}

impl FoldAuc {
    /// The folds of a label.
    pub fn of(label: &LabelSpread) -> Vec<FoldAuc> {
        let at = |of: &[u64], fold: usize| of.get(fold).copied().unwrap_or(0);
        let fold = |(fold, auc): (usize, &Option<f64>)| FoldAuc {
            auc: *auc,
            error: label.std_errors.get(fold).copied().unwrap_or_default(),
            patients: [at(&label.positive_patients, fold), at(&label.negative_patients, fold)],
        };
        label.auc.folds.iter().enumerate().map(fold).collect()
    }

    /// The folds of the mean over the labels of a model, given by its place: patients are the fewest of a label that the
    /// mean covers.
    pub fn of_mean(comparison: &Comparison, model: usize) -> Vec<FoldAuc> {
        let Some(model) = comparison.models.get(model) else { return Vec::new() };
        of_labels(&model.labels.iter().collect::<Vec<_>>(), &model.mean.folds, &model.mean_errors)
    }

    /// The same of the mean over pathologies; `None` if the comparison has no such mean, or not its errors.
    pub fn of_pathologies(comparison: &Comparison, model: usize) -> Option<Vec<FoldAuc>> {
        let model = comparison.models.get(model).filter(|model| !model.pathology_errors.is_empty())?;
        let mean = mean_over_pathologies(comparison, model)?;
        let no_finding = comparison.no_finding.as_deref()?;
        let labels: Vec<_> = model.labels.iter().filter(|label| label.label != no_finding).collect();
        Some(of_labels(&labels, &mean.folds, &model.pathology_errors))
    }
}

/// The folds of a mean over these labels, with the fewest patients of a label that it covers.
fn of_labels(labels: &[&LabelSpread], folds: &[Option<f64>], errors: &[StdError]) -> Vec<FoldAuc> {
    let labels: Vec<Vec<FoldAuc>> = labels.iter().map(|label| FoldAuc::of(label)).collect();
    let fold = |(fold, auc): (usize, &Option<f64>)| {
        let covered = || labels.iter().filter_map(|of| of.get(fold)).filter(|of| of.auc.is_some());
        FoldAuc {
            auc: *auc,
            error: errors.get(fold).copied().unwrap_or_default(),
            patients: [0, 1].map(|class| covered().map(|of| of.patients[class]).min().unwrap_or(0)),
        }
    };
    folds.iter().enumerate().map(fold).collect()
}

impl From<&PivotRow<'_>> for FoldAuc {
    fn from(row: &PivotRow<'_>) -> Self {
        let error = StdError { value: row.number("std_error"), df: row.number("df") };
        FoldAuc { auc: row.number("auc"), error, patients: patients(row) }
    }
}

/// Patients with a positive and with a negative image.
fn patients(row: &PivotRow<'_>) -> [u64; 2] {
    ["positive_patients", "negative_patients"].map(|count| row.count(count).unwrap_or(0))
}

fn too_few([positive, negative]: [u64; 2], needed: u64) -> Option<NoInterval> {
    let few = |patients: u64, positive| NoInterval::FewPatients { patients, positive, needed };
    match (positive < needed, negative < needed) {
        (true, _) => Some(few(positive, true)),
        (false, true) => Some(few(negative, false)),
        (false, false) => None,
    }
}

/// The 95 % confidence interval of the mean AUC over the folds where it is defined.
///
/// Random folds share images, in the worst case all of them; then the standard error of the mean is the mean of the
/// standard errors; it is never larger. Degrees of freedom and patients are those of the fold with the fewest.
pub fn of_auc(variance: Variance, folds: &[FoldAuc]) -> Result<[f64; 2], NoInterval> {
    let defined: Vec<&FoldAuc> = folds.iter().filter(|fold| fold.auc.is_some()).collect();
    let value = stats::summarize(&folds.iter().map(|fold| fold.auc).collect::<Vec<_>>()).mean;
    let value = value.ok_or(NoInterval::NoAuc)?;
    let few = defined.iter().find_map(|fold| too_few(fold.patients, FEWEST_PATIENTS));
    few.map_or(Ok(()), Err)?;
    if value <= 0.0 || value >= 1.0 {
        return Err(NoInterval::Extreme(value));
    }
    let errors: Option<Vec<f64>> = defined.iter().map(|fold| fold.error.value).collect();
    let errors: Vec<Option<f64>> = errors.ok_or(NoInterval::NoVariance)?.into_iter().map(Some).collect();
    let std_error = stats::summarize(&errors).mean.unwrap_or(0.0);
    let df = defined.iter().filter_map(|fold| fold.error.df).fold(f64::INFINITY, f64::min);
    let ends = match variance {
        Variance::Clustered => Estimate { value, std_error, df }.logit_interval(),
        Variance::Delong => stats::interval(value, std_error),
    };
    ends.ok_or(NoInterval::NoVariance)
}

/// The estimate of a paired test; the error says why there is no test.
pub fn of_pair(row: &PivotRow<'_>) -> Result<Estimate, NoInterval> {
    too_few(patients(row), FEWEST_PATIENTS).map_or(Ok(()), Err)?;
    estimate(row, row.number("df").unwrap_or(f64::INFINITY))
}

/// The estimate of a test between groups; the error says why there is no test.
pub fn of_groups(row: &PivotRow<'_>) -> Result<Estimate, NoInterval> {
    // Where there are too few patients for a p-value, there are too few for an interval.
    row.number("p").ok_or(NoInterval::NoVariance)?;
    estimate(row, row.number("df").unwrap_or(f64::INFINITY))
}

/// The estimate of a test over folds: Student's t with n - 1 degrees of freedom and the corrected error.
pub fn of_folds(row: &PivotRow<'_>) -> Result<Estimate, NoInterval> {
    estimate(row, (row.count("folds").unwrap_or(0).max(2) - 1) as f64)
}

fn estimate(row: &PivotRow<'_>, df: f64) -> Result<Estimate, NoInterval> {
    let std_error = row.number("std_error").filter(|error| *error > 0.0);
    let both = row.number("difference").zip(std_error).ok_or(NoInterval::NoVariance)?;
    Ok(Estimate { value: both.0, std_error: both.1, df })
}

/// Why a bootstrap gave no interval for folds of such AUCs, or for a difference of them.
pub fn of_resamples<'f>(folds: impl IntoIterator<Item = &'f FoldAuc>) -> NoInterval {
    let defined: Vec<&FoldAuc> = folds.into_iter().filter(|fold| fold.auc.is_some()).collect();
    let few = defined.iter().find_map(|fold| too_few(fold.patients, FEWEST_RESAMPLED));
    few.unwrap_or(NoInterval::NoVariance)
}
