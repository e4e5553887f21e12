//! The population: patients, their visits and the findings of each visit.
//!
//! Every patient has separate random streams, so the first patients of a large population are those of a small
//! one. Only +, -, x, / and square roots are used, which every platform rounds in the same way.

use std::collections::BTreeSet;

use crate::random::Stream;

/// A finding of ChestX-ray14, in the order of the metadata file's joined labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DrawnFinding {
    Atelectasis,
    Cardiomegaly,
    Consolidation,
    Edema,
    Effusion,
    Emphysema,
    Fibrosis,
    Hernia,
    Infiltration,
    Mass,
    Nodule,
    PleuralThickening,
    Pneumonia,
    Pneumothorax,
}

/// How often a finding occurs together with another one, and in which patients.
///
/// Rates follow Table 2 of Baltruschat et al. (2019). The dependence on age, gender and view follows the
/// published metadata, exaggerated so that a few hundred images show it.
struct Profile {
    finding: DrawnFinding,
    name: &'static str,
    /// Probability as an additional finding of a patient who has another one.
    rate: f64,
    /// Mean age in years.
    age: f64,
    /// Share of women.
    female: f64,
    /// Share of AP views.
    ap: f64,
}

const fn profile(
    finding: DrawnFinding,
    name: &'static str,
    rate: f64,
    age: f64,
    female: f64,
    ap: f64,
) -> Profile {
    Profile { finding, name, rate, age, female, ap }
}

const PROFILES: [Profile; 14] = [
    profile(DrawnFinding::Atelectasis, "Atelectasis", 0.13, 52.0, 0.38, 0.55),
    profile(DrawnFinding::Cardiomegaly, "Cardiomegaly", 0.03, 55.0, 0.58, 0.50),
    profile(DrawnFinding::Consolidation, "Consolidation", 0.05, 45.0, 0.43, 0.68),
    profile(DrawnFinding::Edema, "Edema", 0.03, 50.0, 0.50, 0.85),
    profile(DrawnFinding::Effusion, "Effusion", 0.15, 52.0, 0.44, 0.64),
    profile(DrawnFinding::Emphysema, "Emphysema", 0.03, 56.0, 0.28, 0.35),
    profile(DrawnFinding::Fibrosis, "Fibrosis", 0.02, 57.0, 0.46, 0.22),
    profile(DrawnFinding::Hernia, "Hernia", 0.005, 61.0, 0.62, 0.22),
    profile(DrawnFinding::Infiltration, "Infiltration", 0.22, 45.0, 0.42, 0.54),
    profile(DrawnFinding::Mass, "Mass", 0.06, 52.0, 0.36, 0.33),
    profile(DrawnFinding::Nodule, "Nodule", 0.07, 52.0, 0.42, 0.28),
    profile(DrawnFinding::PleuralThickening, "Pleural_Thickening", 0.04, 53.0, 0.32, 0.28),
    profile(DrawnFinding::Pneumonia, "Pneumonia", 0.02, 41.0, 0.42, 0.62),
    profile(DrawnFinding::Pneumothorax, "Pneumothorax", 0.06, 41.0, 0.54, 0.33),
];

/// Age, share of women and of AP views of those without a finding.
const HEALTHY: (f64, f64, f64) = (43.0, 0.44, 0.33);
const MEAN_AGE: f64 = 47.0;
const OLDEST: f64 = 95.0;
const FEMALE: f64 = 0.44;
const AP: f64 = 0.40;

/// Patients are generated in groups of this size: each finding occurs for certain in one patient of a group, so
/// even the rarest occurs in a small population; the other patients are healthy.
const ROSTER: u32 = 24;
/// Probability that a patient has one image, two, and so on.
const IMAGES_A_PATIENT: [f64; 6] = [0.70, 0.15, 0.08, 0.04, 0.02, 0.01];
/// Probability that a finding is still present at a later visit.
const PERSISTENCE: f64 = 0.8;
/// Probability that a later visit draws a new view.
const NEW_VIEW: f64 = 0.25;
/// Share of the images on the test list, which is filled with whole patients.
const TEST_SHARE: f64 = 0.2;
/// Width, height and pixel spacing of the detectors, as written in the published file, with their frequencies.
const DETECTORS: [(&str, f64); 6] = [
    ("2500,2048,0.168,0.168", 0.36),
    ("2992,2991,0.14300000000000002,0.14300000000000002", 0.27),
    ("3056,2544,0.139,0.139", 0.19),
    ("2500,2048,0.171,0.171", 0.08),
    ("2048,2500,0.168,0.168", 0.06),
    ("2021,2021,0.19431099999999998,0.19431099999999998", 0.04),
];

impl DrawnFinding {
    /// All, in the order of their numbers.
    pub(super) fn all() -> impl Iterator<Item = DrawnFinding> {
        PROFILES.iter().map(|p| p.finding)
    }

    /// Its name in the column `Finding Labels`.
    pub(super) fn name(self) -> &'static str {
        PROFILES[self as usize].name
    }
}

/// A set of findings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Findings(u16);

impl Findings {
    pub(super) fn has(self, finding: DrawnFinding) -> bool {
        self.0 >> finding as u16 & 1 == 1
    }

    pub(super) fn insert(&mut self, finding: DrawnFinding) {
        self.0 |= 1 << finding as u16;
    }

    pub(super) fn iter(self) -> impl Iterator<Item = DrawnFinding> {
        DrawnFinding::all().filter(move |&f| self.has(f))
    }
}

/// One image to be generated.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Visit {
    pub(super) patient: u32,
    pub(super) follow_up: u32,
    pub(super) age: u32,
    pub(super) female: bool,
    pub(super) ap: bool,
    pub(super) findings: Findings,
    detector: &'static str,
}

impl Visit {
    /// `Image Index`: the file name.
    pub(super) fn name(&self) -> String {
        format!("{:08}_{:03}.png", self.patient, self.follow_up)
    }

    /// The row of the metadata file, without a line end.
    pub(super) fn row(&self) -> String {
        let names: Vec<&str> = self.findings.iter().map(DrawnFinding::name).collect();
        format!(
            "{},{},{},{},{},{},{},{}",
            self.name(),
            if names.is_empty() { "No Finding".to_owned() } else { names.join("|") },
            self.follow_up,
            self.patient,
            self.age,
            if self.female { "F" } else { "M" },
            if self.ap { "AP" } else { "PA" },
            self.detector,
        )
    }
}

/// The visits of patients 1 to `patients`, in the order of their names.
pub(super) fn visits(patients: u32, seed: u64) -> Vec<Visit> {
    let mut all = Vec::new();
    let mut roster = Vec::new();
    for patient in 1..=patients {
        let place = (patient - 1) % ROSTER;
        if place == 0 {
            let number = (patient - 1) / ROSTER;
            roster = (0..ROSTER as usize).map(|i| PROFILES.get(i)).collect();
            Stream::new("reg synthetic roster", seed, &[number.into()]).shuffle(&mut roster);
        }
        let mut stream = Stream::new("reg synthetic patient", seed, &[patient.into()]);
        add_patient(&mut all, patient, roster[place as usize], &mut stream);
    }
    all
}

fn add_patient(all: &mut Vec<Visit>, patient: u32, main: Option<&Profile>, stream: &mut Stream) {
    let (mean_age, female, ap_share) = main.map_or(HEALTHY, |p| (p.age, p.female, p.ap));
    let age = age_around(mean_age, stream);
    let female = stream.uniform() < female;
    let mut ap = stream.uniform() < ap_share;
    let mut chronic = Findings::default();
    if let Some(main) = main {
        for profile in &PROFILES {
            if stream.uniform() < profile.rate * profile.tilt(age, female, ap) {
                chronic.insert(profile.finding);
            }
        }
        chronic.insert(main.finding);
    }
    let detector = DETECTORS[choose(DETECTORS.iter().map(|d| d.1), stream)].0;
    let images = 1 + choose(IMAGES_A_PATIENT.into_iter(), stream) as u32;
    let mut months = 0;
    for follow_up in 0..images {
        let mut findings = chronic;
        if follow_up > 0 {
            months += stream.below(12);
            if stream.uniform() < NEW_VIEW {
                ap = stream.uniform() < ap_share;
            }
            findings = Findings::default();
            for finding in chronic.iter().filter(|_| stream.uniform() < PERSISTENCE) {
                findings.insert(finding);
            }
        }
        let age = (age + months as f64 / 12.0).min(OLDEST) as u32;
        all.push(Visit { patient, follow_up, age, female, ap, findings, detector });
    }
}

impl Profile {
    /// How much more likely the finding is in such a patient than in an average one.
    fn tilt(&self, age: f64, female: bool, ap: bool) -> f64 {
        let odds = |has: bool, share: f64, average: f64| {
            if has { share / average } else { (1.0 - share) / (1.0 - average) }
        };
        let by_age = 1.0 + (self.age - MEAN_AGE) / 16.0 * (age - MEAN_AGE) / 16.0;
        by_age.clamp(0.1, 3.0) * odds(female, self.female, FEMALE) * odds(ap, self.ap, AP)
    }
}

/// An age in 0..=95 about `mean` with a standard deviation of some 15 years.
fn age_around(mean: f64, stream: &mut Stream) -> f64 {
    loop {
        // Four uniform numbers add up to something bell-shaped with variance 1/3.
        let sum: f64 = (0..4).map(|_| stream.uniform() - 0.5).sum();
        let age = mean + 26.5 * sum;
        if (0.0..=OLDEST).contains(&age) {
            return age;
        }
    }
}

/// The index of the drawn entry, given the probability of each.
fn choose(shares: impl ExactSizeIterator<Item = f64>, stream: &mut Stream) -> usize {
    let last = shares.len() - 1;
    let mut left = stream.uniform();
    shares
        .take(last)
        .position(|share| {
            left -= share;
            left < 0.0
        })
        .unwrap_or(last)
}

/// Which patients are on the test list: as many as hold about a fifth of the images.
pub(super) fn test_patients(visits: &[Visit], seed: u64) -> BTreeSet<u32> {
    let mut patients: Vec<&[Visit]> = visits.chunk_by(|a, b| a.patient == b.patient).collect();
    Stream::new("reg synthetic split", seed, &[]).shuffle(&mut patients);
    let mut wanted = (visits.len() as f64 * TEST_SHARE).round() as usize;
    let mut test = BTreeSet::new();
    for images in patients {
        if images.len() <= wanted {
            wanted -= images.len();
            test.insert(images[0].patient);
        }
    }
    test
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(visits: &[Visit], has: impl Fn(&Visit) -> bool) -> f64 {
        visits.iter().filter(|v| has(v)).count() as f64 / visits.len() as f64
    }

    #[test]
    fn every_finding_has_its_own_number_and_the_names_are_in_order() {
        assert!(PROFILES.iter().enumerate().all(|(i, p)| p.finding as usize == i));
        assert!(PROFILES.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn three_hundred_patients_show_every_finding_at_least_eight_times() {
        for seed in 0..20 {
            let visits = visits(300, seed);
            for finding in DrawnFinding::all() {
                let n = visits.iter().filter(|v| v.findings.has(finding)).count();
                assert!(n >= 8, "seed {seed}: {n} x {}", finding.name());
            }
        }
    }

    #[test]
    fn the_population_resembles_the_published_one() {
        let visits = visits(6000, 1);
        let n = visits.len() as f64;
        let mean = visits.iter().map(|v| f64::from(v.age)).sum::<f64>() / n;
        let variance = visits.iter().map(|v| (f64::from(v.age) - mean).powi(2)).sum::<f64>() / n;
        assert!((mean - 46.6).abs() < 2.0, "mean age {mean}");
        assert!((variance.sqrt() - 16.6).abs() < 1.5, "standard deviation {}", variance.sqrt());
        let about = |what, value: f64, expected: f64| {
            assert!((value - expected).abs() < 0.05, "{what}: {value}");
        };
        about("women", share(&visits, |v| v.female), 0.44);
        about("AP", share(&visits, |v| v.ap), 0.40);
        about("No Finding", share(&visits, |v| v.findings == Findings::default()), 0.45);
        about("Infiltration", share(&visits, |v| v.findings.has(DrawnFinding::Infiltration)), 0.15);
        let edema = |ap| {
            let view: Vec<Visit> = visits.iter().filter(|v| v.ap == ap).cloned().collect();
            share(&view, |v| v.findings.has(DrawnFinding::Edema))
        };
        assert!(edema(true) > 2.0 * edema(false), "edema belongs to AP");
    }

    #[test]
    fn a_larger_population_begins_with_the_smaller_one() {
        let small = visits(30, 5);
        assert_eq!(visits(70, 5)[..small.len()], small);
        assert_ne!(visits(30, 6), small);
    }

    #[test]
    fn the_test_list_holds_a_fifth_of_the_images() {
        let visits = visits(300, 2);
        let test = test_patients(&visits, 2);
        let share = share(&visits, |v| test.contains(&v.patient));
        assert!((share - 0.2).abs() < 0.01, "{share}");
    }
}
