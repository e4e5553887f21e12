//! Tables 2 and 3 and figure 3 of the paper for any data set, and the sizes of a split.

use super::{Bar, Cell, Column, ReportTable, bars};
use crate::dataset::statistics::Statistics;
use crate::records::{Division, Split, Subset};
use crate::split::SubsetPrevalence;

/// Table 2: positives and prevalence of each label.
pub fn prevalence(statistics: &Statistics) -> ReportTable {
    let columns = vec![Column::left("Label"), Column::right("Images"), Column::right("Prevalence [%]")];
    let mut table = ReportTable::new("Prevalence of labels", columns);
    let has_missing = statistics.labels.iter().any(|label| label.missing.is_some());
    if has_missing {
        table.columns.push(Column::right("Missing"));
        table.notes.push("Prevalence is the share of the images whose label is known.".to_owned());
    }
    table.rows = statistics
        .labels
        .iter()
        .map(|label| {
            let percent = label.prevalence.map(|share| 100.0 * share);
            let mut row = vec![
                Cell::Text(label.name.clone()),
                Cell::Integer(label.positives),
                Cell::Number { value: percent, decimals: 2 },
            ];
            row.extend(has_missing.then(|| Cell::Integer(label.missing.unwrap_or(0))));
            row
        })
        .collect();
    table
}

/// Table 3: sizes, age, gender, view position.
pub fn overview(statistics: &Statistics) -> ReportTable {
    let s = statistics;
    let number = |value, decimals| Cell::Number { value, decimals };
    let year = |value: Option<i32>| number(value.map(f64::from), 0);
    let rows = [
        ("Images", Cell::Integer(s.images)),
        ("Patients", Cell::Integer(s.patients)),
        ("Pathologies per image, mean", number(s.findings_per_image, 3)),
        (
            "Age, mean ± standard deviation (sample) [years]",
            Cell::MeanStd { mean: s.age.mean, std: s.age.std, decimals: 2 },
        ),
        ("Age, youngest", year(s.age.min)),
        ("Age, oldest", year(s.age.max)),
        ("Impossible ages, ignored", Cell::Integer(s.age.impossible)),
        ("Age not given", Cell::Integer(s.age.missing)),
        ("Gender, male", Cell::Integer(s.gender.male)),
        ("Gender, female", Cell::Integer(s.gender.female)),
        ("Gender, not given", Cell::Integer(s.gender.unknown)),
        ("Gender, M : F", number(s.gender.ratio, 2)),
        ("View, PA", Cell::Integer(s.view.pa)),
        ("View, AP", Cell::Integer(s.view.ap)),
        ("View, not given", Cell::Integer(s.view.unknown)),
        ("View, PA : AP", number(s.view.ratio, 2)),
    ];
    let mut table = ReportTable::new("Data set", vec![Column::prose("Quantity"), Column::right("Value")]);
    table.rows = rows.into_iter().map(|(name, cell)| vec![Cell::Text(name.to_owned()), cell]).collect();
    table
}

/// Figure 3: the ages as a table of two-year bins.
pub fn ages(statistics: &Statistics) -> ReportTable {
    let columns =
        vec![Column::right("From [years]").key(), Column::right("Below").key(), Column::right("Images")];
    let mut table = ReportTable::new("Ages", columns);
    let year = |age: i32| Cell::Number { value: Some(f64::from(age)), decimals: 0 };
    table.rows = statistics
        .age
        .histogram
        .iter()
        .map(|bin| vec![year(bin.from), year(bin.to), Cell::Integer(bin.images)])
        .collect();
    table
}

/// Figure 3: the ages as bars for a terminal of `width` columns.
pub fn age_histogram(statistics: &Statistics, width: u16) -> String {
    let bin = |bin: &crate::dataset::statistics::AgeBin| Bar {
        label: format!("{}-{}", bin.from, bin.to - 1),
        count: bin.images,
    };
    let each: Vec<Bar> = statistics.age.histogram.iter().map(bin).collect();
    format!("Ages in years, images per bin\n{}", bars(&each, width))
}

/// Images and patients of each subset of each division of a split.
pub fn split_sizes(split: &Split) -> ReportTable {
    let mut columns = vec![Column::right(split.method.division().head())];
    for subset in Subset::ALL {
        columns.extend(["images", "patients"].map(|what| Column::under(subset.name(), what)));
    }
    let mut table = ReportTable::new("Sizes of the subsets", columns);
    for (number, fold) in split.folds.iter().enumerate() {
        let mut row = vec![Cell::Integer(number as u64)];
        for size in [fold.train, fold.val, fold.test] {
            row.push(Cell::Integer(size.images));
            row.push(Cell::Integer(size.patients));
        }
        table.rows.push(row);
    }
    table
}

/// Prevalence of each label in each subset of each division of a split, in percent.
pub fn split_prevalence(folds: &[[SubsetPrevalence; 3]], division: Division) -> ReportTable {
    let mut columns = vec![Column::left("Label")];
    for (fold, subsets) in folds.iter().enumerate() {
        let fold = fold.to_string();
        columns.extend(subsets.iter().map(|subset| Column::under(&fold, subset.subset.name())));
    }
    let mut table = ReportTable::new(format!("Prevalence by {} and subset [%]", division.name()), columns);
    let each = folds.iter().flatten().flat_map(|subset| &subset.labels);
    if each.into_iter().any(|label| label.missing.is_some()) {
        table.notes.push("Of the images whose label is known.".to_owned());
    }
    let labels = folds.first().map_or(0, |subsets| subsets[0].labels.len());
    for label in 0..labels {
        let name = folds[0][0].labels[label].label.clone();
        let cells = folds.iter().flatten().map(|subset| {
            let share = subset.labels[label].prevalence.map(|share| 100.0 * share);
            Cell::Number { value: share, decimals: 2 }
        });
        table.rows.push(std::iter::once(Cell::Text(name)).chain(cells).collect());
    }
    table
}
