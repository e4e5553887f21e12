//! Statistics of a data set as a record, so that a printed table leads back to its metadata.

use super::statistics::{AgeBin, AgeStatistics, GenderCounts, LabelCount, Statistics, ViewCounts, ratio};
use crate::hash::Id;
use crate::records::{AgeCount, Dataset, DatasetTable, LabelPrevalence, Table, rules};
use crate::registry::{Registry, RegistryError, Stamp};

/// Counts a data set and records the table under a name.
pub fn tabulate(
    registry: &Registry,
    dataset: Id<Dataset>,
    statistics: &Statistics,
    name: &str,
    stamp: &Stamp,
) -> Result<Id<Table>, RegistryError> {
    let mut transaction = registry.transaction()?;
    let id = transaction.put(&Table::Dataset(table_of(dataset, statistics)))?;
    transaction.name(name, id.hash)?;
    transaction.commit(stamp)?;
    Ok(id)
}

/// The table of a data set's statistics; nothing is recorded.
pub fn table_of(dataset: Id<Dataset>, s: &Statistics) -> DatasetTable {
    let bin = |bin: &AgeBin| AgeCount { from: bin.from, to: bin.to, images: bin.images };
    let label = |label: &LabelCount| LabelPrevalence {
        label: label.name.clone(),
        positives: label.positives,
        prevalence: label.prevalence,
        missing: label.missing,
    };
    DatasetTable {
        dataset,
        images: s.images,
        patients: s.patients,
        gender: [s.gender.male, s.gender.female, s.gender.unknown],
        view: [s.view.pa, s.view.ap, s.view.unknown],
        age_mean: s.age.mean,
        age_std: s.age.std,
        ages: s.age.histogram.iter().map(bin).collect(),
        age_min: s.age.min,
        age_max: s.age.max,
        impossible_ages: s.age.impossible,
        missing_ages: s.age.missing,
        labels: s.labels.iter().map(label).collect(),
        findings_per_image: s.findings_per_image,
        rules: rules::COUNTS,
    }
}

/// The statistics in a recorded table.
impl From<&DatasetTable> for Statistics {
    fn from(table: &DatasetTable) -> Self {
        let [male, female, no_gender] = table.gender;
        let [pa, ap, no_view] = table.view;
        let bin = |bin: &AgeCount| AgeBin { from: bin.from, to: bin.to, images: bin.images };
        let label = |label: &LabelPrevalence| LabelCount {
            name: label.label.clone(),
            positives: label.positives,
            prevalence: label.prevalence,
            missing: label.missing,
        };
        Statistics {
            images: table.images,
            patients: table.patients,
            age: AgeStatistics {
                mean: table.age_mean,
                std: table.age_std,
                min: table.age_min,
                max: table.age_max,
                impossible: table.impossible_ages,
                missing: table.missing_ages,
                histogram: table.ages.iter().map(bin).collect(),
            },
            gender: GenderCounts { male, female, unknown: no_gender, ratio: ratio(male, female) },
            view: ViewCounts { pa, ap, unknown: no_view, ratio: ratio(pa, ap) },
            labels: table.labels.iter().map(label).collect(),
            findings_per_image: table.findings_per_image,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hash;

    #[test]
    fn a_recorded_table_has_the_statistics_that_it_was_made_of() {
        let csv = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position\n\
            a.png,Mass|Hernia,0,1,7,M,PA\nb.png,No Finding,0,2,411,F,AP\nc.png,Edema,0,3,,,\n";
        let metadata = crate::dataset::metadata::read(csv.as_bytes(), std::path::Path::new("d.csv")).unwrap();
        let labels = crate::dataset::labels::names();
        let statistics = Statistics::of_labels((&labels, Some("No Finding")), metadata.rows.iter());
        let table = table_of(Id::new(Hash::of(b"a data set")), &statistics);
        assert_eq!(Statistics::from(&table), statistics);
    }
}
