//! Operating points: thresholds chosen on validation images, from which on a score counts as positive.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Subset;

/// How the threshold of a label is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OperatingPoint {
    /// The largest Youden index, sensitivity + specificity - 1; of several thresholds with it, the highest.
    Youden,
    /// The highest threshold with at least this sensitivity.
    Sensitivity(f64),
    /// The lowest threshold with at least this specificity.
    Specificity(f64),
}

impl OperatingPoint {
    /// How the thresholds of a subset are chosen unless something else is asked for: on validation images by the Youden
    /// index. On other images none is chosen: thresholds that were chosen on test images flatter a model.
    pub fn usual(subset: Option<Subset>) -> Option<OperatingPoint> {
        (subset == Some(Subset::Val)).then_some(OperatingPoint::Youden)
    }

    /// The share that is to be reached; `None` for the Youden index.
    pub fn share(self) -> Option<f64> {
        match self {
            OperatingPoint::Youden => None,
            OperatingPoint::Sensitivity(share) | OperatingPoint::Specificity(share) => Some(share),
        }
    }
}

impl fmt::Display for OperatingPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OperatingPoint::Youden => f.write_str("the largest Youden index"),
            OperatingPoint::Sensitivity(share) => write!(f, "a sensitivity of at least {share}"),
            OperatingPoint::Specificity(share) => write!(f, "a specificity of at least {share}"),
        }
    }
}

impl FromStr for OperatingPoint {
    type Err = String;

    /// Reads `youden`, `sensitivity=0.9` or `specificity=0.95`.
    fn from_str(text: &str) -> Result<Self, String> {
        let share = |text: &str| match text.parse() {
            Ok(share) if 0.0 < share && share <= 1.0 => Ok(share),
            _ => Err(format!("{text:?} is not a share above 0 and up to 1, such as 0.9")),
        };
        match text.split_once('=') {
            None if text == "youden" => Ok(OperatingPoint::Youden),
            Some(("sensitivity", text)) => share(text).map(OperatingPoint::Sensitivity),
            Some(("specificity", text)) => share(text).map(OperatingPoint::Specificity),
            _ => Err("youden, sensitivity=SHARE or specificity=SHARE is needed".to_owned()),
        }
    }
}

/// The threshold of a label, with its sensitivity and specificity on the images on which it was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelThreshold {
    /// The score from which on an image counts as positive, on the scale of the predictions.
    pub score: f64,
    /// The same as a probability.
    pub probability: f64,
    /// Share of the positives at or above the threshold.
    pub sensitivity: f64,
    /// Share of the negatives below the threshold.
    pub specificity: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operating_point_is_read_as_it_is_typed() {
        assert_eq!("youden".parse(), Ok(OperatingPoint::Youden));
        assert_eq!("sensitivity=0.9".parse(), Ok(OperatingPoint::Sensitivity(0.9)));
        assert_eq!("specificity=1".parse(), Ok(OperatingPoint::Specificity(1.0)));
        for wrong in
            ["", "0.9", "sensitivity", "sensitivity=0", "specificity=1.1", "sensitivity=NaN", "youden=1"]
        {
            assert!(wrong.parse::<OperatingPoint>().is_err(), "{wrong}");
        }
    }
}
