//! How comparisons are tested: options of `reg compare`, `reg report` and `reg study compare`.

use clap::ValueEnum;
use reg::compare::{ColumnPair, CompareOptions};
use reg::records::Variance;

/// Variance, primary comparison and margin.
#[derive(clap::Args)]
pub(super) struct InferenceArgs {
    /// Variance of AUCs: `clustered` by patient, or `delong`, which treats images as independent. Default: clustered
    #[arg(long, value_enum)]
    variance: Option<VarianceChoice>,
    /// Primary comparison, named in advance: the difference of the mean AUCs of two columns; its p-value is
    /// not adjusted for multiple tests
    #[arg(long, value_name = "A:B")]
    primary: Option<ColumnPair>,
    /// Margin of non-inferiority and equivalence, a difference of AUCs such as 0.01; adds one-sided p-values
    #[arg(long, value_name = "AUC", value_parser = margin)]
    margin: Option<f64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum VarianceChoice {
    Clustered,
    Delong,
}

impl InferenceArgs {
    /// The options with these.
    pub(super) fn in_options(&self, options: CompareOptions) -> CompareOptions {
        let variance = match self.variance {
            None => options.variance,
            Some(VarianceChoice::Clustered) => Variance::Clustered,
            Some(VarianceChoice::Delong) => Variance::Delong,
        };
        CompareOptions { variance, primary: self.primary.clone(), margin: self.margin, ..options }
    }
}

/// A margin, as a difference of AUCs.
fn margin(text: &str) -> Result<f64, String> {
    let margin: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    let is_margin = margin > 0.0 && margin < 1.0;
    is_margin.then_some(margin).ok_or_else(|| "a margin is between 0 and 1, such as 0.01".to_owned())
}
