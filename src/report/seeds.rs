//! Several seeds and several setups: what a deviation is over, and which setup the validation images choose.

use super::means::{DECIMALS, labels};
use super::pivot::of_models;
use super::{Cell, Column, ReportTable};
use crate::digits::counted;
use crate::records::{ComparedModel, Comparison, Spread};
use crate::values::Pivot;

/// Whether a model has several seeds in a fold.
pub(super) fn has_seeds(comparison: &Comparison) -> bool {
    comparison.models.iter().any(|model| !model.seeds.is_empty())
}

/// The AUC of each label and model with its deviations over re-samplings and over seeds apart; `None` if no model has
/// several seeds.
pub(super) fn seeds(comparison: &Comparison, aucs: &Pivot<'_>) -> Option<ReportTable> {
    if !has_seeds(comparison) {
        return None;
    }
    let each = comparison.division().name();
    let mut columns = vec![Column::left("Label")];
    for model in &comparison.models {
        let of = |what: &str| Column::under(&model.name, what);
        columns.extend([of("mean"), of(&format!("std over {each}s")), of("std over seeds")]);
    }
    let mut table = ReportTable::new(format!("AUC over {each}s and over seeds"), columns);
    table.rows = of_models(comparison, aucs, labels(comparison), ["auc_mean", "auc_std", "auc_seed_std"]);
    table.notes.push(format!(
        "The value of a {each} is the mean over its seeds. Over {each}s: sample standard deviation of these means. Over seeds: standard deviation of the seeds of a {each}, pooled over the {each}s; n/a with one seed."
    ));
    table.notes.push(format!("Seeds per {each}: {}.", numbers(comparison)));
    Some(table)
}

/// The number of seeds of each fold, for each model.
fn numbers(comparison: &Comparison) -> String {
    let of_model = |model: &ComparedModel| {
        let counts: Vec<String> = match model.seeds.is_empty() {
            true => vec!["1".to_owned()],
            false => model.seeds.iter().map(|seeds| seeds.len().to_string()).collect(),
        };
        let same = counts.windows(2).all(|pair| pair[0] == pair[1]);
        let shown = if same { counts[..counts.len().min(1)].join("") } else { counts.join(", ") };
        format!("{} {shown}", model.name)
    };
    comparison.models.iter().map(of_model).collect::<Vec<_>>().join("; ")
}

/// The models by their AUC on validation images, with their AUC on test images; `None` if that was not asked for.
pub(super) fn ranking(comparison: &Comparison) -> Option<ReportTable> {
    if comparison.ranking.is_empty() {
        return None;
    }
    let columns = vec![
        Column::right("Rank").key(),
        Column::left("Model"),
        Column::right("Validation AUC"),
        Column::right("Labels in the mean"),
        Column::right("Test AUC"),
    ];
    let mut table = ReportTable::new("Ranking by validation AUC", columns);
    let cell = |spread: &Spread| Cell::MeanStd { mean: spread.mean, std: spread.std, decimals: DECIMALS };
    for (place, ranked) in (1..).zip(&comparison.ranking) {
        let test = comparison.models.iter().find(|model| model.name == ranked.model);
        table.rows.push(vec![
            Cell::Integer(place),
            Cell::Text(ranked.model.clone()),
            cell(&ranked.validation),
            ranked.labels.iter().min().map_or(Cell::Empty, |fewest| Cell::Integer((*fewest).into())),
            test.map_or(Cell::Empty, |model| cell(&model.mean)),
        ]);
    }
    let count = comparison.ranking.len() as u64;
    table.notes.push(format!(
        "{} ranked. Report the test AUC of the setup with the highest validation AUC: the highest of {count} test AUCs would be too optimistic.",
        if count == 1 { "1 setup was".to_owned() } else { format!("{} were", counted(count, "setup")) }
    ));
    let each = comparison.division().name();
    if comparison.folds.len() > 1 {
        table.notes.push(format!("Mean ± sample standard deviation over the {each}s."));
    }
    if comparison.ranking.iter().any(|ranked| ranked.labels.contains(&0)) {
        table.notes.push(
            "n/a, or fewer labels: validation images are not scored; `reg eval RUN --subset val` scores them."
                .to_owned(),
        );
    }
    Some(table)
}
