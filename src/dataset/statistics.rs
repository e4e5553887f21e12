//! The counts of a data set: tables 2 and 3 and figure 3 of the paper.

use std::collections::HashSet;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::records::{Dataset, Gender, ImageRow, LabelCounts, ViewPosition};

/// Years per bar of the age histogram, as in figure 3.
const BIN: usize = 2;

/// Counts of a data set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistics {
    /// Images.
    pub images: u64,
    /// Different patients.
    pub patients: u64,
    /// Ages of the patients at each image (figure 3).
    pub age: AgeStatistics,
    /// Images by the patient's gender (table 3).
    pub gender: GenderCounts,
    /// Images by view position (table 3).
    pub view: ViewCounts,
    /// One per label, in the data set's order (table 2). A map from name to counts in JSON.
    #[serde(serialize_with = "by_name")]
    pub labels: Vec<LabelCount>,
    /// Mean number of positive pathologies per image, without the label for no finding; null without images.
    pub findings_per_image: Option<f64>,
}

/// Ages in years, one per image. Impossible and missing ages are counted and left out of the other numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgeStatistics {
    /// Mean; null without an age.
    pub mean: Option<f64>,
    /// Sample standard deviation (divisor n - 1); null below two ages.
    pub std: Option<f64>,
    /// Smallest.
    pub min: Option<i32>,
    /// Largest.
    pub max: Option<i32>,
    /// Ages below 0 or above 120.
    pub impossible: u64,
    /// Images without an age.
    pub missing: u64,
    /// Bars of two years without a gap, from the smallest age to the largest.
    pub histogram: Vec<AgeBin>,
}

/// One bar of the age histogram: `from <= age < to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AgeBin {
    /// Smallest age in years.
    pub from: i32,
    /// Smallest age of the next bar.
    pub to: i32,
    /// Images.
    pub images: u64,
}

/// Images by the patient's gender.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct GenderCounts {
    /// Male.
    #[serde(rename = "M")]
    pub male: u64,
    /// Female.
    #[serde(rename = "F")]
    pub female: u64,
    /// Not given.
    pub unknown: u64,
    /// M:F; null without F.
    pub ratio: Option<f64>,
}

/// Images by view position.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ViewCounts {
    /// From back to front.
    #[serde(rename = "PA")]
    pub pa: u64,
    /// From front to back.
    #[serde(rename = "AP")]
    pub ap: u64,
    /// Not given.
    pub unknown: u64,
    /// PA:AP; null without AP.
    pub ratio: Option<f64>,
}

/// How often a label is positive.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelCount {
    /// The label's name.
    #[serde(skip)]
    pub name: String,
    /// Images with the label.
    pub positives: u64,
    /// Their share of the images whose label is known, from 0 to 1; null without such images.
    pub prevalence: Option<f64>,
    /// Images whose label is missing; `None` if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<u64>,
}

impl Statistics {
    /// Counts images of a data set.
    pub fn of<'a>(dataset: &Dataset, rows: impl Iterator<Item = &'a ImageRow>) -> Self {
        Self::of_labels((&dataset.labels, dataset.no_finding.as_deref()), rows)
    }

    /// Counts images with these labels, one of which may be the label for no finding.
    pub(super) fn of_labels<'a>(
        (labels, no_finding): (&[String], Option<&str>),
        rows: impl Iterator<Item = &'a ImageRow>,
    ) -> Self {
        let mut images = 0;
        let mut patients = HashSet::new();
        let (mut gender, mut view) = (GenderCounts::default(), ViewCounts::default());
        let mut counts = LabelCounts::new(labels.len());
        let mut ages = Ages::default();
        for row in rows {
            images += 1;
            patients.insert(&row.patient);
            *match row.gender {
                Gender::Male => &mut gender.male,
                Gender::Female => &mut gender.female,
                Gender::Unknown => &mut gender.unknown,
            } += 1;
            *match row.view {
                ViewPosition::PA => &mut view.pa,
                ViewPosition::AP => &mut view.ap,
                ViewPosition::Unknown => &mut view.unknown,
            } += 1;
            ages.count(row);
            counts.add(&row.labels);
        }
        gender.ratio = ratio(gender.male, gender.female);
        view.ratio = ratio(view.pa, view.ap);
        let labels: Vec<LabelCount> = labels
            .iter()
            .zip(counts.positives.into_iter().zip(counts.missing))
            .map(|(name, (positives, missing))| LabelCount {
                name: name.clone(),
                positives,
                prevalence: ratio(positives, images - missing),
                missing: (missing > 0).then_some(missing),
            })
            .collect();
        let pathologies = labels.iter().filter(|label| Some(label.name.as_str()) != no_finding);
        let findings_per_image = ratio(pathologies.map(|label| label.positives).sum(), images);
        let patients = patients.len() as u64;
        Statistics { images, patients, age: ages.statistics(), gender, view, labels, findings_per_image }
    }
}

pub(super) fn ratio(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

fn by_name<S: Serializer>(labels: &[LabelCount], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(labels.len()))?;
    for label in labels {
        map.serialize_entry(&label.name, label)?;
    }
    map.end()
}

/// Images of each age, so that mean and deviation are computed from exact sums, independent of the order of
/// rows.
#[derive(Default)]
struct Ages {
    images: Vec<u64>,
    impossible: u64,
    missing: u64,
}

impl Ages {
    fn count(&mut self, row: &ImageRow) {
        match (row.plausible_age(), row.age) {
            (Some(age), _) => {
                let age = usize::try_from(age).expect("a plausible age is not negative");
                if self.images.len() <= age {
                    self.images.resize(age + 1, 0);
                }
                self.images[age] += 1;
            }
            (None, Some(_)) => self.impossible += 1,
            (None, None) => self.missing += 1,
        }
    }

    fn statistics(self) -> AgeStatistics {
        let by_age = || (0i32..).zip(&self.images).filter(|(_, images)| **images > 0);
        let n: u64 = self.images.iter().sum();
        let sum: u64 = (0u64..).zip(&self.images).map(|(age, images)| age * images).sum();
        let squares: u64 = (0u64..).zip(&self.images).map(|(age, images)| age * age * images).sum();
        let variance = (n > 1).then(|| {
            let deviations = u128::from(n) * u128::from(squares) - u128::from(sum) * u128::from(sum);
            deviations as f64 / n as f64 / (n - 1) as f64
        });
        let min = by_age().map(|(age, _)| age).next();
        let max = by_age().map(|(age, _)| age).last();
        let bin = BIN as i32;
        let bins = (0i32..).step_by(BIN).zip(self.images.chunks(BIN));
        let histogram = bins
            .skip_while(|(from, _)| min.is_some_and(|min| from + bin <= min))
            .map(|(from, images)| AgeBin { from, to: from + bin, images: images.iter().sum() })
            .collect();
        AgeStatistics {
            mean: ratio(sum, n),
            std: variance.map(f64::sqrt),
            min,
            max,
            impossible: self.impossible,
            missing: self.missing,
            histogram,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::dataset::{labels, metadata, published};
    use crate::records::LabelValues;

    fn of(rows: &str) -> Statistics {
        let header =
            "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position";
        let csv = format!("{header}\n{rows}");
        let metadata = metadata::read(csv.as_bytes(), Path::new("d.csv")).unwrap();
        chest_xray14(metadata.rows.iter())
    }

    fn chest_xray14<'a>(rows: impl Iterator<Item = &'a ImageRow>) -> Statistics {
        Statistics::of_labels((&labels::names(), Some(labels::NO_FINDING)), rows)
    }

    #[test]
    fn counts_are_those_of_the_rows() {
        let statistics =
            of("a,Mass|Hernia,0,1,7,M,PA\nb,Mass,1,1,10,M,PA\nc,No Finding,0,2,411,F,AP\nd,Mass,0,3,,,");
        assert_eq!((statistics.images, statistics.patients), (4, 3));
        // Ages 7 and 10: mean 8.5, squared deviations 2 * 1.5^2 over n - 1 = 1.
        let age = &statistics.age;
        assert_eq!((age.mean, age.std), (Some(8.5), Some(4.5f64.sqrt())));
        assert_eq!((age.min, age.max, age.impossible, age.missing), (Some(7), Some(10), 1, 1));
        let bins: Vec<_> = age.histogram.iter().map(|bin| (bin.from, bin.to, bin.images)).collect();
        assert_eq!(bins, [(6, 8, 1), (8, 10, 0), (10, 12, 1)]);
        let json = serde_json::to_string(&statistics).unwrap();
        assert!(json.contains(r#""gender":{"M":2,"F":1,"unknown":1,"ratio":2.0}"#), "{json}");
        assert!(json.contains(r#""view":{"PA":2,"AP":1,"unknown":1,"ratio":2.0}"#), "{json}");
        assert!(
            json.contains(r#""labels":{"Atelectasis":{"positives":0,"prevalence":0.0},"Cardio"#),
            "{json}"
        );
        assert!(json.contains(r#""Mass":{"positives":3,"prevalence":0.75}"#), "{json}");
        assert!(json.contains(r#""findings_per_image":1.0"#), "{json}");
    }

    #[test]
    fn missing_labels_are_neither_positive_nor_negative() {
        let mut rows = metadata::read(
            b"Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position\n\
              a,Mass,0,1,7,M,PA\nb,Mass,1,1,10,M,PA\nc,Mass,0,2,41,F,AP\nd,Mass,0,3,,,",
            Path::new("d.csv"),
        )
        .unwrap()
        .rows;
        let values = [
            [Some(true), None, None],
            [Some(false), None, Some(true)],
            [None, None, Some(true)],
            [Some(true), None, Some(true)],
        ];
        for (row, values) in rows.iter_mut().zip(values) {
            row.labels = LabelValues::of(&values);
        }
        let names = ["Mass", "Edema", "Normal"].map(str::to_owned);
        let statistics = Statistics::of_labels((&names, Some("Normal")), rows.iter());
        let counts: Vec<_> =
            statistics.labels.iter().map(|l| (l.positives, l.prevalence, l.missing)).collect();
        assert_eq!(counts, [(2, Some(2.0 / 3.0), Some(1)), (0, None, Some(4)), (3, Some(1.0), Some(1))]);
        assert_eq!(statistics.findings_per_image, Some(0.5));
        let json = serde_json::to_string(&statistics).unwrap();
        assert!(json.contains(r#""Edema":{"positives":0,"prevalence":null,"missing":4}"#), "{json}");
    }

    #[test]
    fn what_is_not_defined_is_null() {
        let json = serde_json::to_value(chest_xray14(std::iter::empty())).unwrap();
        for pointer in [
            "/age/mean",
            "/age/std",
            "/age/min",
            "/gender/ratio",
            "/labels/Mass/prevalence",
            "/findings_per_image",
        ] {
            assert!(json.pointer(pointer).unwrap().is_null(), "{pointer}");
        }
        let one = of("a,Mass,0,1,7,M,PA");
        assert_eq!((one.age.mean, one.age.std, one.gender.ratio), (Some(7.0), None, None));
    }

    #[test]
    fn the_published_file_gives_the_paper_s_tables() {
        let Some(folder) = published() else { return };
        let path = folder.join("Data_Entry_2017_v2020.csv.gz");
        let metadata = metadata::read(&std::fs::read(&path).unwrap(), &path).unwrap();
        let statistics = chest_xray14(metadata.rows.iter());
        assert_eq!((statistics.images, statistics.patients), (112_120, 30_805));
        let rounded = |value: Option<f64>, digits: f64| (value.unwrap() * digits).round() / digits;
        let age = &statistics.age;
        assert_eq!((rounded(age.mean, 1e4), rounded(age.std, 1e4)), (46.6264, 16.6027));
        assert_eq!((age.min, age.max, age.impossible, age.missing), (Some(0), Some(95), 0, 0));
        assert_eq!(age.histogram.iter().map(|bin| bin.images).sum::<u64>(), 112_120);
        let (gender, view) = (&statistics.gender, &statistics.view);
        assert_eq!((gender.male, gender.female, rounded(gender.ratio, 10.0)), (63_340, 48_780, 1.3));
        assert_eq!((view.pa, view.ap, rounded(view.ratio, 10.0)), (67_310, 44_810, 1.5));
        let positives: Vec<u64> = statistics.labels.iter().map(|label| label.positives).collect();
        assert_eq!(
            positives,
            [
                11_559, 2_776, 4_667, 2_303, 13_317, 2_516, 1_686, 227, 19_894, 5_782, 6_331, 3_385, 1_431,
                5_302, 60_361
            ]
        );
        // Table 2: 0.2 % of Hernia to 17.74 % of Infiltration.
        assert_eq!(rounded(statistics.labels[8].prevalence, 1e4), 0.1774);
        assert_eq!(rounded(statistics.labels[7].prevalence, 1e3), 0.002);
    }
}
