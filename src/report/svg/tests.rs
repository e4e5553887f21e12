use super::palette::{DARK, LIGHT, contrast, heatmap};
use super::*;
use crate::dataset::statistics::{AgeBin, AgeStatistics};
use crate::hash::{Hash, Id};
use crate::records::{
    ComparedModel, IncomparableKind, LabelSpread, Pooling, RecordedEpoch, Spread, Variance,
};

/// A name with hostile characters.
const ODD: &str = "a<script>alert(1)</script>&\"'\u{1b}";

fn curve(name: &str, points: Vec<[f64; 2]>) -> Curve {
    Curve { name: name.into(), auc: "0.7".into(), points }
}

fn precision(model: &str, label: &str) -> PrecisionRecallCurve {
    PrecisionRecallCurve {
        model: model.into(),
        label: label.into(),
        fold: Some(0),
        recall: vec![0.5, 1.0],
        precision: vec![1.0, 0.4],
        thresholds: vec![0.9, 0.1],
    }
}

fn epochs(losses: &[f64]) -> Vec<RecordedEpoch> {
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let epoch = |(number, loss): (u32, &f64)| RecordedEpoch {
        epoch: number,
        lr: Some(0.01),
        train_loss: Some(*loss / 2.0),
        val_loss: Some(*loss),
        val_auc: None,
        val_auc_labels: Some(0),
        improved: *loss == best,
    };
    (1..).zip(losses).map(epoch).collect()
}

/// All figures, for normal, minimal and unusual input.
fn figures() -> Vec<Figure> {
    let spread = |folds: Vec<Option<f64>>| {
        let s = crate::stats::summarize(&folds);
        Spread {
            n: s.n as u32,
            mean: s.mean,
            std: s.std,
            min: s.min,
            max: s.max,
            folds,
            seeds: Vec::new(),
            seed_std: None,
        }
    };
    let label = |label: &str, folds: Vec<Option<f64>>| LabelSpread {
        label: label.into(),
        positives: Vec::new(),
        negatives: Vec::new(),
        positive_patients: Vec::new(),
        negative_patients: Vec::new(),
        missing: Vec::new(),
        auc: spread(folds),
        std_errors: Vec::new(),
    };
    let model = |name: &str, shift: f64| ComparedModel {
        name: name.into(),
        imported: false,
        program: false,
        predictions: Vec::new(),
        seeds: Vec::new(),
        validation: Vec::new(),
        images: Vec::new(),
        of_images: Vec::new(),
        patients: Vec::new(),
        mean_errors: Vec::new(),
        pathology_errors: Vec::new(),
        labels: vec![
            label(ODD, vec![None, None]),
            label("Edema", vec![Some(0.6 + shift), Some(0.8)]),
            label("Mass", vec![Some(0.5 + shift), None]),
        ],
        mean: spread(vec![Some(0.55 + shift), Some(0.8)]),
    };
    let compared = Comparison {
        dataset: Id::new(Hash::of(b"")),
        subset: None,
        folds: vec![0, 1],
        shared_images: false,
        division: None,
        variance: Variance::Clustered,
        no_finding: None,
        primary: None,
        margin: None,
        models: vec![model(ODD, 0.0), model("resnet50-large-meta", 0.1)],
        spearman: vec![vec![Some(1.0), Some(-0.5)], vec![None, Some(1.0)]],
        constant: Vec::new(),
        pooling: Pooling::PerLabel,
        delong: Vec::new(),
        resampled: Vec::new(),
        bootstrap: None,
        operating_point: None,
        prevalence: None,
        metrics: Vec::new(),
        groups: Vec::new(),
        group_tests: Vec::new(),
        ranking: Vec::new(),
        published: None,
        leak_check: None,
        incomparable: vec![Incomparable { kind: IncomparableKind::Leak, why: ODD.into() }],
        rules: 1,
    };
    let nothing = Comparison { models: Vec::new(), spearman: Vec::new(), ..compared.clone() };
    let curves = [curve(ODD, vec![[0.0, 0.0], [0.2, 0.7], [1.0, 1.0]]), curve("none", Vec::new())];
    let bin = |from, images| AgeBin { from, to: from + 2, images };
    let age = |histogram| AgeStatistics {
        mean: Some(47.5),
        std: None,
        min: None,
        max: None,
        impossible: 0,
        missing: 0,
        histogram,
    };
    let mut figures = comparison(&compared, &[]);
    figures.extend(comparison(&nothing, &[]));
    figures.extend(beyond(&compared, &[precision(ODD, ODD), precision("resnet50-large-meta", "Edema")]));
    figures.extend(beyond(&nothing, &[]));
    figures.extend([&compared, &nothing].map(intervals));
    let long = epochs(&[0.5, 0.3, 0.4]);
    figures.extend(super::curves(&[(ODD, &long[..]), ("none", &[]), ("one", &long[..1])]));
    figures.extend(super::curves(&[]));
    figures.extend([
        roc(ODD, &curves),
        roc("", &[]),
        ages(&age(vec![bin(46, 3), bin(48, 20)])),
        ages(&age(vec![])),
    ]);
    figures.extend(
        [&[][..], &[0.5], &[0.5, 0.3, 0.4], &[0.7; 500]].map(|losses| learning(ODD, &epochs(losses))),
    );
    figures
}

#[test]
fn figures_are_well_formed_and_say_in_words_what_they_show() {
    for figure in figures() {
        let file = figure.file();
        let document = roxmltree::Document::parse(&file).unwrap_or_else(|e| panic!("{e}: {file}"));
        let svg = document.root_element();
        let texts: Vec<&str> = ["title", "desc"]
            .iter()
            .filter_map(|tag| svg.children().find(|c| c.has_tag_name(*tag))?.text())
            .collect();
        assert!(texts.len() == 2 && texts.iter().all(|text| !text.is_empty()), "{texts:?}");
        let named: Vec<&str> = svg.attribute("aria-labelledby").unwrap().split(' ').collect();
        let ids: Vec<&str> = svg.descendants().filter_map(|node| node.attribute("id")).collect();
        assert_eq!((svg.attribute("role"), named), (Some("img"), ids));
        let known = ["svg", "title", "desc", "style", "rect", "line", "path", "circle", "text"];
        let strange = svg.descendants().filter(|n| n.is_element() && !known.contains(&n.tag_name().name()));
        assert_eq!(strange.count(), 0, "what a file brings in is text and not markup: {file}");
        assert!(!file.contains("NaN") && !file.contains("inf"), "{file}");
        assert!(figure.key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')));
    }
    let first = figures();
    assert_eq!(first, figures());
    assert!(first[0].description.starts_with("NOT COMPARABLE"), "{}", first[0].description);
    assert!(first[0].file().contains(">NOT COMPARABLE"));
    assert_eq!(escape("<a b='\"'>&\u{1b}\u{ffff}"), "&lt;a b=&#39;&quot;&#39;&gt;&amp;\u{fffd}\u{fffd}");
}

#[test]
fn a_learning_curve_marks_the_epoch_that_was_kept() {
    insta::assert_snapshot!(learning("mlp", &epochs(&[0.5, 0.3, 0.4])).inline());
}

#[test]
fn everything_stands_out_from_its_ground() {
    for scheme in [LIGHT, DARK] {
        for text in [scheme.ink, scheme.quiet] {
            assert!(contrast(text, scheme.ground) >= 4.5, "{text} on {}", scheme.ground);
        }
        for line in scheme.series.iter().chain([&scheme.axis]) {
            assert!(contrast(line, scheme.ground) >= 3.0, "{line} on {}", scheme.ground);
        }
    }
    for step in -100..=100 {
        let (ground, class) = heatmap(f64::from(step) / 100.0);
        let text = if class == "on-light" { "#000000" } else { "#ffffff" };
        assert!(contrast(&ground, text) >= 4.5, "{text} on {ground}");
    }
    assert!((contrast("#ffffff", "#000000") - 21.0).abs() < 1e-9);
}

#[test]
fn marks_and_colours_of_sixty_four_models_are_pairs_of_their_own() {
    let look = |series: usize| (series % SERIES, series_class(series));
    let all: std::collections::BTreeSet<_> = (0..64).map(look).collect();
    assert_eq!(all.len(), 64);
}

#[test]
fn coordinates_are_short_and_names_fit() {
    assert_eq!([1.0, -0.01, 2.25, 1e3].map(number), ["1", "0", "2.2", "1000"]);
    assert!(text_width(&fitted("resnet50-large-meta-and-a-long-tail", 80.0)) <= 92.0);
    assert_eq!(fitted("mlp", 80.0), "mlp");
}
