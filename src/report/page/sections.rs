//! The sections of a report, from the data to the limitations.

use maud::{Markup, html};

use super::PageError;
use super::gather::{Counted, Material, ReportSection, ReportedRun, StudyProgress};
use super::html::{HtmlWriter, TableContext};
use crate::digits::{self, counted};
use crate::hash::Hash;
use crate::records::{Architecture, ComparedModel, Division, Incomparable, Spec, SplitMethod};
use crate::registry::Registry;
use crate::report::svg;
use crate::report::{
    Cell, Column, ReportTable, counts, dataset, details, features, results, thousands, uncertainty,
};
use crate::study::{State, StudyRunStatus};

/// The request: data, splits, models.
pub(super) fn asked(
    page: &mut HtmlWriter,
    material: &Material,
    registry: &Registry,
) -> Result<(), PageError> {
    page.heading(2, "asked", "Request");
    let mut facts: Vec<(&str, Markup)> = Vec::new();
    let mut fact = |what: &'static str, html: Markup| facts.push((what, html));
    for StudyProgress { id, study, runs: status } in &material.studies {
        let planned = digits::counted(status.len() as u64, "run");
        fact("Study", html! { (study.name) ", " (done(status)) " of " (planned) " done " (page.id(id)) });
    }
    for Counted { id, name, dataset, .. } in &material.datasets {
        let images = match dataset.metadata_only {
            true => counted(dataset.images, "row") + " of metadata, without images",
            false => counted(dataset.images, "image"),
        };
        let patients = counted(dataset.patients, "patient");
        fact("Data", html! { (name) ", " (images) ", " (patients) " " (page.id(&id.hash)) });
    }
    for (id, name, split) in &material.splits {
        let folds = split.method.division().counted(split.folds.len());
        let how = match &split.method {
            SplitMethod::Resample { seed, ratios: [a, b, c] } => {
                format!(
                    "{folds}, drawn by patient, {a} % training, {b} % validation, {c} % test images, seed {seed}"
                )
            }
            SplitMethod::KFold { seed, ratios: [train, val] } => format!(
                "{folds}, every patient tested in exactly one, the others divided {train}/{val} into training and validation, seed {seed}"
            ),
            SplitMethod::Official { val_fraction, seed, .. } => format!(
                "{folds}, published lists, {:.1} % of the training images split off by patient for validation, seed {seed}",
                100.0 * val_fraction
            ),
        };
        fact("Split", html! { (name) ", " (how) " " (page.id(&id.hash)) });
    }
    for section in &material.sections {
        let models: Vec<&str> = section.comparison.models.iter().map(|model| model.name.as_str()).collect();
        let subset = section.comparison.subset.map_or("", |subset| subset.name());
        let evaluated = match subset {
            "" => String::new(),
            subset => format!(", evaluated on the {subset} images"),
        };
        fact("Models", html! { (models.join(", ")) (evaluated) " " (page.id(&section.id.hash)) });
    }
    for [name, time, text] in &material.notes {
        fact("Note", html! { (name) ": " (text) " (" (time) ")" });
    }
    page.push(html! { dl.facts { @for (what, html) in &facts { dt { (what) } dd { (html) } } } });
    for section in &material.sections {
        let (table, runs) = models(material, section, registry)?;
        if !table.rows.is_empty() {
            page.table(&table, &TableContext { ids: Some(("Runs", runs)), ..TableContext::default() });
        }
    }
    Ok(())
}

fn done(status: &[StudyRunStatus]) -> usize {
    status.iter().filter(|run| matches!(run.state, State::Done { .. })).count()
}

/// The models of a section, their settings and their runs.
fn models(
    material: &Material,
    section: &ReportSection,
    registry: &Registry,
) -> Result<(ReportTable, Vec<Vec<Hash>>), PageError> {
    let mut columns = vec![Column::left("Model"), Column::left("Initial weights")];
    columns.extend(["Input [px]", "Channels"].map(Column::right));
    columns.push(Column::left("Metadata"));
    columns
        .extend(["Batch", "Learning rate", "Max. epochs", "Seed", "Runs", "Parameters"].map(Column::right));
    let mut table = ReportTable::new(format!("Settings: {}", section.title), columns);
    let mut all = Vec::new();
    for model in &section.comparison.models {
        let mut runs: Vec<&ReportedRun> = Vec::new();
        for id in &model.predictions {
            runs.extend(material.run_of(registry, *id)?);
        }
        let Some(run) = runs.first() else {
            let row = [&model.name, "scores of another tool"].map(|text| Cell::Text(text.to_owned()));
            table.rows.push(row.to_vec());
            all.push(model.predictions.iter().map(|id| id.hash).collect());
            continue;
        };
        let Spec::Network(spec) = &run.spec else {
            let mut row =
                vec![Cell::Text(model.name.clone()), Cell::Text("a program of the user's own".to_owned())];
            row.extend((0..6).map(|_| Cell::Empty));
            row.extend([
                Cell::Text(run.spec.seed().to_string()),
                Cell::Integer(model.predictions.len() as u64),
            ]);
            row.push(Cell::Empty);
            table.rows.push(row);
            all.push(runs.iter().map(|run| run.id.hash).collect());
            continue;
        };
        let image = spec.model.architecture.image();
        let size = |value: Option<u32>| value.map_or(Cell::Text("none".into()), |n| Cell::Integer(n.into()));
        table.rows.push(vec![
            Cell::Text(model.name.clone()),
            Cell::Text(spec.init.name().to_owned()),
            size(image.map(|image| image.input)),
            size(image.map(|image| image.channels)),
            Cell::Text(metadata(&spec.model.architecture).to_owned()),
            Cell::Integer(spec.training.batch.into()),
            Cell::Text(spec.training.lr.to_string()),
            Cell::Integer(spec.training.epochs.into()),
            // Without separators, because a seed is not a count.
            Cell::Text(spec.seed.to_string()),
            Cell::Integer(model.fold_count() as u64),
            run.run.parameters.map_or(Cell::Empty, Cell::Integer),
        ]);
        all.push(runs.iter().map(|run| run.id.hash).collect());
    }
    table.notes.push("Settings of the first run; the spec of each run has all settings.".into());
    Ok((table, all))
}

fn metadata(architecture: &Architecture) -> &'static str {
    match (architecture.image(), architecture.meta()) {
        (None, _) => "age, gender, view only",
        (Some(_), true) => "age, gender, view",
        (Some(_), false) => "no",
    }
}

/// Tables 2 and 3, figure 3, and the sizes of the splits.
pub(super) fn data(page: &mut HtmlWriter, material: &Material) {
    if material.datasets.is_empty() {
        return;
    }
    page.heading(2, "data", "Data");
    for counted in &material.datasets {
        let source = &[counted.id.hash];
        let beside = TableContext { source, ..TableContext::default() };
        if material.datasets.len() > 1 {
            page.heading(3, &format!("data-{}", counted.id.hash.short()), &counted.name);
        }
        page.side(
            [&dataset::prevalence(&counted.statistics), &dataset::overview(&counted.statistics)],
            &beside,
        );
        let mut ages = svg::ages(&counted.statistics.age);
        ages.key += &format!("-{}", counted.id.hash.short());
        page.figure(&ages, source);
    }
    for (id, name, split) in &material.splits {
        let mut table = dataset::split_sizes(split);
        table.title = format!("Sizes of the subsets of {name}");
        page.table(&table, &TableContext { source: &[id.hash], ..TableContext::default() });
    }
}

/// The results of one comparison.
pub(super) fn results(page: &mut HtmlWriter, section: &ReportSection, key: &str) {
    let comparison = &section.comparison;
    page.heading(2, key, &format!("Results: {}", section.title));
    if !comparison.incomparable.is_empty() {
        page.push(html! {
            div.box role="note" {
                p.warning { "These models are not comparable." }
                @for incomparable in &comparison.incomparable { p { (capital(&incomparable.why)) } }
            }
        });
    }
    let source = &[section.id.hash];
    let mut tables = results::tables(comparison);
    let mut take = |name: &str| {
        let at = tables.iter().position(|(known, _)| *known == name)?;
        Some(tables.remove(at).1)
    };
    let intervals = take("intervals");
    if let Some(mut table) = take("auc") {
        table.title = "AUC by label and model".to_owned();
        table.notes.push(format!(
            "In brackets: 95 % confidence interval ({}). {}",
            uncertainty::method(comparison.variance),
            uncertainty::about_intervals(comparison)
        ));
        let made_of =
            comparison.models.iter().map(|model| model.predictions.iter().map(|id| id.hash).collect());
        let made_of = made_of.collect();
        page.table(
            &table,
            &TableContext {
                intervals: intervals.as_ref(),
                made_of,
                source,
                last: results::closing_rows(&table),
                ..TableContext::default()
            },
        );
    }
    for name in ["differences", "ranking", "seeds"] {
        if let Some(table) = take(name) {
            page.table(&table, &TableContext { source, ..TableContext::default() });
        }
    }
    let figures = keyed(svg::comparison(comparison, &section.curves), key);
    let mut figures = figures.into_iter();
    if let Some(range) = figures.next() {
        page.figure(&range, source);
    }
    let matrix = figures.next();
    page.heading(3, &format!("{key}-roc"), "ROC curves");
    let each = comparison.division().name();
    let (curves, aucs) = match comparison.folds.len() {
        0 | 1 => (String::new(), "its AUC".to_owned()),
        _ => (
            format!(", vertical means over the {each}s"),
            format!("the mean and standard deviation of its AUC over the {each}s"),
        ),
    };
    let title = format!(
        "ROC curves by label{curves}. The legend shows the name of each model and {aucs}. Points are left out where they would change a curve by less than a sixth of a pixel."
    );
    page.figures(&title, &figures.collect::<Vec<_>>(), source);
    page.heading(3, &format!("{key}-tests"), "Correlations and tests");
    if let Some(matrix) = matrix {
        page.figure(&matrix, source);
    }
    for (name, summary) in [
        ("spearman", "Rank correlations with four digits"),
        ("range", "Mean, smallest and largest AUC with four digits"),
        ("counts", "Images and patients of each label"),
        ("delong", "Paired tests on the same test images"),
        ("resampled", "Corrected resampled t-tests"),
        ("bootstrap", "Bootstrap intervals (by patient)"),
    ] {
        if let Some(table) = take(name).filter(|table| !table.rows.is_empty()) {
            let last = results::closing_rows(&table);
            page.fold(summary, false, |page| {
                page.table(&table, &TableContext { source, last, ..TableContext::default() })
            });
        }
    }
    if let Some(table) = take("metrics") {
        page.fold("Beyond the AUC: precision, thresholds, calibration", true, |page| {
            page.table(&table, &TableContext { source, ..TableContext::default() });
        });
    }
    let beyond = keyed(svg::beyond(comparison, &section.precision), &format!("{key}-beyond"));
    if !beyond.is_empty() {
        let title = format!(
            "Precision-recall and calibration curves by label. Precision-recall: one curve of steps for each {each}; the level line is the prevalence, which is the precision of random scores; the average precision is given beside the name. Calibration: the images of all {each}s together; calibrated probabilities lie on the diagonal."
        );
        page.fold("Precision-recall and calibration curves", false, |page| {
            page.figures(&title, &beyond, source);
        });
    }
    for (name, summary) in [
        ("metric-intervals", "Beyond the AUC, with bootstrap intervals (by patient)"),
        ("calibration", "Calibration curves"),
    ] {
        if let Some(table) = take(name).filter(|table| !table.rows.is_empty()) {
            page.fold(summary, false, |page| {
                page.table(&table, &TableContext { source, ..TableContext::default() })
            });
        }
    }
    let group_tests = take("group-tests");
    if !comparison.groups.is_empty() {
        page.heading(3, &format!("{key}-groups"), "Groups of patients");
        page.paragraph("", "A mean over all patients can hide groups for which a model fails.");
        for table in details::each_group(comparison) {
            let summary = table.title.clone();
            page.fold(&summary, true, |page| {
                page.table(&table, &TableContext { source, ..TableContext::default() })
            });
        }
        if let Some(table) = group_tests {
            page.fold("Tests between groups", false, |page| {
                page.table(&table, &TableContext { source, ..TableContext::default() })
            });
        }
    }
}

/// Figures with ids that are unique on the page.
fn keyed(mut figures: Vec<svg::Figure>, key: &str) -> Vec<svg::Figure> {
    for (place, figure) in figures.iter_mut().enumerate() {
        figure.key = format!("{key}-{place}-{}", figure.key);
    }
    figures
}

/// Learning curves, and when and where each run was executed.
pub(super) fn training(page: &mut HtmlWriter, material: &Material) {
    if material.runs.is_empty() {
        return;
    }
    page.heading(2, "training", "Training");
    let figures: Vec<svg::Figure> =
        material.runs.iter().map(|run| svg::learning(&run.name, &run.epochs)).collect();
    let ids: Vec<Hash> = material.runs.iter().map(|run| run.id.hash).collect();
    page.figures(
        "Learning curves. The epoch with the lowest validation loss is selected.",
        &keyed(figures, "run"),
        &[],
    );
    let mut divisions = material.splits.iter().map(|(_, _, split)| split.method.division());
    let first = divisions.next().unwrap_or(Division::Published);
    let division = if divisions.all(|other| other == first) { first } else { Division::Published };
    let columns = vec![
        Column::left("Run"),
        Column::right(division.head()),
        Column::right("Best epoch"),
        Column::right("of"),
        Column::right("Validation loss"),
        Column::left("Device"),
        Column::right("Minutes"),
        Column::left("Started (UTC)"),
        Column::left("Machine"),
    ];
    let mut table = ReportTable::new("Runs", columns);
    for run in &material.runs {
        let execution = run.execution.as_ref();
        let text = |value: Option<&str>| value.map_or(Cell::Empty, |text| Cell::Text(text.to_owned()));
        table.rows.push(vec![
            Cell::Text(run.name.clone()),
            Cell::Integer(run.spec.fold().into()),
            run.run.best_epoch.map_or(Cell::Empty, |epoch| Cell::Integer(epoch.into())),
            run.run.epochs.map_or(Cell::Empty, |epochs| Cell::Integer(epochs.into())),
            run.run.val_loss.map_or(Cell::Empty, |loss| Cell::Number { value: Some(loss), decimals: 4 }),
            run.spec.network().map_or(Cell::Empty, |spec| {
                Cell::Text(
                    format!("{:?}, {}", spec.device, counted(spec.threads.into(), "thread")).to_lowercase(),
                )
            }),
            execution.map_or(Cell::Empty, |e| Cell::Number { value: Some(e.seconds / 60.0), decimals: 1 }),
            // Shown to the minute.
            text(
                execution
                    .map(|e| e.started.get(..16).unwrap_or(&e.started))
                    .map(|t| t.replace('T', " "))
                    .as_deref(),
            ),
            text(execution.map(|e| e.gpu.as_deref().unwrap_or(&e.cpu))),
        ]);
    }
    let ids = ids.into_iter().map(|id| vec![id]).collect();
    page.table(&table, &TableContext { ids: Some(("Run id", ids)), ..TableContext::default() });
}

/// Probes and pointing games.
pub(super) fn features(page: &mut HtmlWriter, material: &Material) {
    if material.probes.is_empty() && material.pointings.is_empty() {
        return;
    }
    page.heading(2, "features", "Probes and pointing game");
    for (id, of, probe) in &material.probes {
        page.table(
            &features::probe(probe, Some(of)),
            &TableContext { source: &[*id], last: 2, ..TableContext::default() },
        );
    }
    for (id, pointing) in &material.pointings {
        page.table(
            &features::pointing(pointing),
            &TableContext { source: &[*id], ..TableContext::default() },
        );
    }
}

/// Undefined values, non-comparable inputs, anomalies and missing results.
pub(super) fn cautions(
    page: &mut HtmlWriter,
    material: &Material,
    registry: &Registry,
) -> Result<(), PageError> {
    let mut items: Vec<String> = Vec::new();
    for section in &material.sections {
        let title = &section.title;
        let comparison = &section.comparison;
        if !comparison.incomparable.is_empty() {
            items.push(format!(
                "{title}: not comparable: {}.",
                Incomparable::reasons(&comparison.incomparable)
            ));
        }
        for model in &comparison.models {
            let name = &model.name;
            for label in &model.labels {
                for (fold, positives) in label.positives.iter().enumerate() {
                    // A fold that a model does not have does not count as undefined.
                    let images = model.images.get(fold).copied().unwrap_or(0);
                    if label.auc.folds.get(fold).copied().flatten().is_some() || images == 0 {
                        continue;
                    }
                    let why =
                        if *positives == 0 { "no test image has it" } else { "every test image has it" };
                    let fold = comparison
                        .folds
                        .get(fold)
                        .map(|fold| format!(" in {} {fold}", comparison.division().name()));
                    let fold = fold.unwrap_or_default();
                    items.push(format!("The AUC of {name} for {} is undefined{fold}: {why}.", label.label));
                }
            }
            if model.imported {
                items.push(format!("{name} was imported: it may have been trained on these test patients."));
            }
            let mut uneven = Vec::new();
            for id in &model.predictions {
                let run = material.run_of(registry, *id)?;
                uneven.extend(run.and_then(|run| run.spec.network()).map(|spec| &spec.training));
            }
            if uneven.windows(2).any(|pair| pair[0] != pair[1]) {
                items.push(format!("The runs of {name} were not all trained with the same settings."));
            }
        }
        let unscored = |model: &&ComparedModel| model.validation.len() < model.predictions.len();
        let without: Vec<&str> =
            comparison.models.iter().filter(unscored).map(|model| model.name.as_str()).collect();
        if !comparison.metrics.is_empty() && !without.is_empty() {
            items.push(format!(
                "{title}: no threshold could be chosen for {}: validation images are not scored in every {} (score them with `reg eval RUN --subset val`).",
                without.join(", "),
                comparison.division().name()
            ));
        }
        let last_epoch =
            |run: &&ReportedRun| run.run.best_epoch == run.run.epochs && run.run.epochs > Some(1);
        let growing: Vec<&str> =
            material.runs.iter().filter(last_epoch).map(|run| run.name.as_str()).collect();
        if !growing.is_empty() && std::ptr::eq(section, &material.sections[0]) {
            items.push(format!(
                "Best epoch is the last one, so more epochs might help: {}.",
                growing.join(", ")
            ));
        }
        if let Some(partial) = counts::partial(comparison) {
            items.push(format!("{title}: {partial}"));
        }
        // Of scores outside of a split nothing is known of a division.
        if comparison.folds.len() == 1 {
            items.push(format!("{title}: a single division into training and test images, so the effect of that choice is unknown."));
        }
        let undefined = comparison.groups.iter().filter(|row| row.auc.is_none()).count();
        if undefined > 0 {
            items.push(format!(
                "{} of {} AUCs of groups are undefined: all images of the group have the label, or none has.",
                thousands(undefined as u64),
                thousands(comparison.groups.len() as u64)
            ));
        }
        let apart = |row: &Vec<Option<f64>>| row.iter().any(Option::is_none);
        if comparison.spearman.iter().any(apart) {
            items.push(format!("{title}: some rank correlations are undefined: a model's scores are all equal, or no images are shared."));
        }
        if !comparison.constant.is_empty() {
            let cells = comparison.constant.len() as u64;
            items.push(format!(
                "{title}: rank correlations leave out {} in which a model gives all images the same score; the table says how many each covers.",
                if cells == 1 { "1 cell".to_owned() } else { format!("{} cells", thousands(cells)) }
            ));
        }
        if !comparison.is_of_same_labels() {
            items.push(format!(
                "{title}: the mean AUCs do not cover the same labels in every model and division of the split."
            ));
        }
        items.extend(
            section
                .left_out
                .iter()
                .map(|what| format!("{title}: {what} is not shown, because not all its runs are done.")),
        );
    }
    for StudyProgress { study, runs: status, .. } in &material.studies {
        let missing = status.len() - done(status);
        if missing > 0 {
            items.push(format!(
                "{}: {missing} of {} pending.",
                study.name,
                match status.len() {
                    1 => "1 planned run is".to_owned(),
                    all => format!("{all} planned runs are"),
                }
            ));
        }
    }
    for counted in &material.datasets {
        let Counted { name, dataset, statistics, .. } = counted;
        for (count, what) in [
            (dataset.missing, "rows of the metadata have no image and are ignored"),
            (statistics.age.impossible, "images have an impossible age, which means and models ignore"),
            (statistics.age.missing, "images have no age"),
            (statistics.gender.unknown, "images have no gender"),
            (statistics.view.unknown, "images have no view position"),
        ] {
            if count > 0 {
                items.push(format!("{name}: {} {what}.", thousands(count)));
            }
        }
    }
    page.heading(2, "cautions", "Limitations");
    if items.is_empty() {
        page.paragraph("", "None: every number is defined, all models scored the same images, and no model has seen its test patients.");
    } else {
        page.push(html! { ul { @for item in &items { li { (item) } } } });
    }
    Ok(())
}

fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect::<String>() + ".")
}
