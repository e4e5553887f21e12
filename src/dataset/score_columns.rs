//! Which columns of a table are the scores of a label, where a table holds more than scores.
//!
//! Tools write the true labels beside their scores: `Mass` and `pred_Mass`, or `true_Mass` and `Mass`. A column is
//! named by its label, alone or with words before or behind it; columns with the same words belong together. Words
//! such as `prob` or `pred` mark scores, words such as `true` mark labels, and the name of a network says nothing. Any
//! other word may turn the meaning round (`prob_no_Mass`) or change it (`prob_std_Mass`). Where nothing says that columns
//! are scores, or two groups of columns could be, nothing is guessed: a pattern such as `pred_{label}` says which.

use std::collections::BTreeMap;

use super::labels::published;

/// Where a pattern has the label.
pub const LABEL: &str = "{label}";

const SCORE_WORDS: &[&str] = &[
    "conf",
    "confidence",
    "logit",
    "logits",
    "output",
    "outputs",
    "pred",
    "predicted",
    "prediction",
    "predictions",
    "preds",
    "prob",
    "proba",
    "probabilities",
    "probability",
    "probas",
    "probs",
    "score",
    "scores",
    "sigmoid",
    "yhat",
];
const TRUTH_WORDS: &[&str] = &[
    "actual",
    "binary",
    "class",
    "gt",
    "groundtruth",
    "label",
    "labels",
    "target",
    "targets",
    "true",
    "truth",
];

/// Words that leave a score what it is: whose it is, on which images.
const NEUTRAL_WORDS: &[&str] = &[
    "avg",
    "average",
    "chexnet",
    "cnn",
    "convnext",
    "densenet",
    "efficientnet",
    "ensemble",
    "final",
    "hat",
    "image",
    "inception",
    "mean",
    "mlp",
    "model",
    "my",
    "net",
    "network",
    "our",
    "ours",
    "raw",
    "resnet",
    "swin",
    "test",
    "tta",
    "val",
    "validation",
    "value",
    "vit",
    "xception",
    "y",
];

/// The words around a label in the names of columns that belong together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Affix {
    /// Lower case, with a space between words.
    before: String,
    behind: String,
}

/// What the words around a label say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Plain,
    Scores,
    Truth,
    Unclear,
}

impl Affix {
    fn meaning(&self) -> Meaning {
        let text = format!("{} {}", self.before, self.behind);
        let words: Vec<&str> = text.split_whitespace().collect();
        let is = |list: &[&str]| words.iter().any(|word| list.contains(word));
        // `densenet121`, `v2`: a word with a digit is a name.
        let is_neutral =
            |word: &&str| NEUTRAL_WORDS.contains(word) || word.contains(|c: char| c.is_ascii_digit());
        let is_known = words.iter().all(|word| SCORE_WORDS.contains(word) || is_neutral(word));
        match (words.as_slice(), is(SCORE_WORDS), is(TRUTH_WORDS)) {
            ([], ..) => Meaning::Plain,
            // `y_true` and `y_pred` have a word of their own.
            (["y"], ..) => Meaning::Truth,
            (["p"], ..) => Meaning::Scores,
            (_, true, false) if is_known => Meaning::Scores,
            (_, false, true) => Meaning::Truth,
            _ => Meaning::Unclear,
        }
    }
}

/// Whether the name of a column says that it has logits.
fn names_logits(name: &str) -> bool {
    let mut words = name.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    words.any(|word| word == "logit" || word == "logits")
}

/// The columns of scores.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ScoreColumns {
    /// Label and column, ascending by label.
    pub(super) columns: Vec<(usize, usize)>,
    /// The other columns.
    pub(super) ignored: Vec<usize>,
    /// Whether their names say that they have logits.
    pub(super) named_logits: bool,
}

/// Why no columns could be chosen.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Unchosen {
    /// No column has a label's name.
    None,
    /// Columns are named by labels, but these are the true labels, or nothing says that they are scores; a pattern of
    /// such columns.
    NoScores(String),
    /// Two groups of columns could be the scores: the name of a column of each, and the pattern of each.
    Two([String; 2], [String; 2]),
    /// Columns of some labels are named in one way, and those of other labels in another: a column of each.
    Mixed([String; 2]),
    /// A column with more in its name than a label, beside columns with the names of the others, and the label.
    Longer(String, usize),
    /// Two columns for one label.
    Repeated(usize),
}

/// Chooses the columns of scores among `headings`; `image` is the column of the images.
///
/// With `pattern`, only columns named by it are scores.
pub(super) fn choose(
    headings: &[String],
    image: usize,
    labels: &[String],
    pattern: Option<&str>,
) -> Result<ScoreColumns, Unchosen> {
    let mut groups: BTreeMap<Affix, Vec<(usize, usize)>> = BTreeMap::new();
    for (place, heading) in headings.iter().enumerate().filter(|(place, _)| *place != image) {
        let found = match pattern {
            Some(pattern) => by_pattern(heading, pattern, labels).map(|label| (Affix::default(), label)),
            None => parse(heading, labels),
        };
        if let Some((affix, label)) = found {
            groups.entry(affix).or_default().push((label, place));
        }
    }
    let chosen = match groups.len() {
        0 => return Err(Unchosen::None),
        _ => group(&groups, headings, labels)?,
    };
    let mut columns = groups.remove(&chosen).unwrap_or_default();
    columns.sort_unstable();
    if let Some(pair) = columns.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Unchosen::Repeated(pair[0].0));
    }
    let is_score = |place: &usize| columns.iter().any(|(_, column)| column == place);
    let ignored = (0..headings.len()).filter(|place| *place != image && !is_score(place)).collect();
    let named_logits = columns.iter().any(|(_, place)| names_logits(&headings[*place]));
    Ok(ScoreColumns { columns, ignored, named_logits })
}

/// The group of the scores.
fn group(
    groups: &BTreeMap<Affix, Vec<(usize, usize)>>,
    headings: &[String],
    labels: &[String],
) -> Result<Affix, Unchosen> {
    let of = |meaning| groups.keys().filter(move |affix| affix.meaning() == meaning);
    let scores: Vec<&Affix> = of(Meaning::Scores).collect();
    let plain: Vec<&Affix> = of(Meaning::Plain).collect();
    let unclear: Vec<&Affix> = of(Meaning::Unclear).collect();
    let labels_of = |affix: &Affix| groups[affix].iter().map(|(label, _)| *label);
    let are_apart =
        |a: &Affix, b: &Affix| !labels_of(a).any(|label| labels_of(b).any(|other| other == label));
    let names = |pair: [&Affix; 2]| pair.map(|affix| headings[groups[affix][0].1].clone());
    let candidates = match (scores.is_empty(), plain.is_empty()) {
        // `logit_Mass` beside `Edema`: were the latter the truth, the labels with scores would have theirs, too.
        (false, false) if scores.len() == 1 && are_apart(scores[0], plain[0]) => {
            return Err(Unchosen::Mixed(names([scores[0], plain[0]])));
        }
        (false, _) => scores,
        (true, false) => [plain, unclear].concat(),
        (true, true) => {
            let affix =
                unclear.first().copied().or_else(|| groups.keys().next()).cloned().unwrap_or_default();
            return Err(Unchosen::NoScores(pattern_of(&groups[&affix], headings, labels)));
        }
    };
    match candidates[..] {
        [only] => Ok(only.clone()),
        [a, b, ..] => {
            // `Pleural Effusion` beside the names of all other labels is no second column of a label.
            let (plain, longer) = if a.meaning() == Meaning::Plain { (a, b) } else { (b, a) };
            if plain.meaning() == Meaning::Plain && are_apart(plain, longer) {
                let (label, place) = groups[longer][0];
                return Err(Unchosen::Longer(headings[place].clone(), label));
            }
            if are_apart(a, b) {
                return Err(Unchosen::Mixed(names([a, b])));
            }
            Err(Unchosen::Two(
                names([a, b]),
                [a, b].map(|affix| pattern_of(&groups[affix], headings, labels)),
            ))
        }
        [] => Err(Unchosen::None),
    }
}

/// The pattern of a group, with its words as they are written.
fn pattern_of(group: &[(usize, usize)], headings: &[String], labels: &[String]) -> String {
    let (label, place) = group[0];
    let heading = &headings[place];
    let spans = spans(heading).filter(|span| label_of(&heading[span.clone()], labels) == Some(label));
    match spans.max_by_key(|span| span.len()) {
        Some(span) => format!("{}{LABEL}{}", &heading[..span.start], &heading[span.end..]),
        None => heading.clone(),
    }
}

/// Whether a pattern has exactly one place for the label.
pub fn is_pattern(pattern: &str) -> bool {
    pattern.matches(LABEL).count() == 1
}

fn by_pattern(heading: &str, pattern: &str, labels: &[String]) -> Option<usize> {
    let (before, behind) = pattern.split_once(LABEL)?;
    let starts = heading.get(..before.len()).is_some_and(|start| start.eq_ignore_ascii_case(before));
    let rest = if starts { heading.get(before.len()..)? } else { return None };
    let end = rest.len().checked_sub(behind.len())?;
    let ends = rest.get(end..).is_some_and(|end| end.eq_ignore_ascii_case(behind));
    if ends { label_of(rest.get(..end)?, labels) } else { None }
}

/// The words around the label in the name of a column, and the label: the longest one that the name starts or ends
/// with.
fn parse(heading: &str, labels: &[String]) -> Option<(Affix, usize)> {
    let found = spans(heading).filter_map(|span| Some((label_of(&heading[span.clone()], labels)?, span)));
    let (label, span) = found.max_by_key(|(_, span)| span.len())?;
    let words = |text: &str| {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(" ").to_lowercase()
    };
    Some((Affix { before: words(&heading[..span.start]), behind: words(&heading[span.end..]) }, label))
}

/// The parts of a name that may be its label: the whole, and what is before or behind a sign between words.
fn spans(heading: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    let is_between = |c: char| matches!(c, '_' | ' ' | '-' | '.' | ':' | '/' | '(' | ')' | '[' | ']');
    let cuts: Vec<(usize, usize)> = heading
        .char_indices()
        .filter(|(_, c)| is_between(*c))
        .map(|(at, c)| (at, at + c.len_utf8()))
        .collect();
    let before = cuts.clone().into_iter().map(|(at, _)| 0..at);
    let behind = cuts.into_iter().map(|(_, end)| end..heading.len());
    // A name in parentheses ends before them.
    let inner = heading.char_indices().next_back().filter(|(_, c)| matches!(c, ')' | ']'));
    let inside = inner.map(|(end, _)| end).and_then(|end| {
        let start = heading[..end].rfind(['(', '['])?;
        Some(start + 1..end)
    });
    std::iter::once(0..heading.len()).chain(before).chain(behind).chain(inside)
}

/// The label of a name: the label with exactly this name, otherwise the only label that differs just in spaces
/// and case.
fn label_of(name: &str, labels: &[String]) -> Option<usize> {
    let name = name.trim();
    if let Some(exact) = labels.iter().position(|label| label == name) {
        return Some(exact);
    }
    let plain = |name: &str| name.replace('_', " ").to_lowercase();
    let name_plain = plain(name);
    let mut alike = (0..labels.len()).filter(|label| plain(&labels[*label]) == name_plain);
    match (alike.next(), alike.next()) {
        (None, _) => labels.iter().position(|label| label == published(name)),
        (only, None) => only,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::labels::names;

    fn chosen(header: &str, pattern: Option<&str>) -> Result<Vec<String>, Unchosen> {
        let headings: Vec<String> = header.split(',').map(str::to_owned).collect();
        let found = choose(&headings, 0, &names(), pattern)?;
        assert_eq!(found.columns.len() + found.ignored.len(), headings.len() - 1);
        Ok(found.columns.iter().map(|(_, place)| headings[*place].clone()).collect())
    }

    #[test]
    fn the_columns_of_scores_are_told_from_the_labels_beside_them() {
        for score in [
            "prob_Mass",
            "PRED_mass",
            "Mass_prob",
            "score_Mass",
            "Mass score",
            "y_pred_Mass",
            "Mass (probability)",
            "p_Mass",
            "Mass.pred",
            "densenet121_prob_Mass",
            "logit:Mass",
            "prob(Mass)",
        ] {
            for truth in ["Mass", "true_Mass", "Mass_gt", "label_Mass", "y_true_Mass", "y_Mass"] {
                for header in [format!("i,{truth},{score},Age"), format!("i,{score},{truth},Age")] {
                    assert_eq!(chosen(&header, None), Ok(vec![score.to_owned()]), "{header}");
                }
            }
        }
        assert_eq!(chosen("i,true_Mass,Mass", None), Ok(vec!["Mass".to_owned()]));
        let two = "prob_Mass,prob_Pleural_Thickening,Mass_true,prob_No Finding,prob_pleural";
        let expected = ["prob_Mass", "prob_Pleural_Thickening", "prob_No Finding"].map(str::to_owned);
        assert_eq!(chosen(&format!("i,{two}"), None), Ok(expected.into()));
    }

    #[test]
    fn a_longer_name_beside_those_of_the_other_labels_is_asked_about() {
        let longer = Unchosen::Longer("Pleural Effusion".to_owned(), 4);
        let labels: Vec<String> = ["Mass", "Nodule", "Edema", "Hernia", "Effusion"].map(str::to_owned).into();
        let headings: Vec<String> = ["i", "Mass", "Pleural Effusion", "Nodule"].map(str::to_owned).into();
        assert_eq!(choose(&headings, 0, &labels, None), Err(longer));
        let plain = choose(&headings, 0, &labels, Some("{label}")).unwrap();
        assert_eq!(plain.columns, [(0, 1), (1, 3)]);
    }

    #[test]
    fn two_that_fit_are_not_chosen_from_and_a_pattern_decides() {
        let name = |text: &str| text.to_owned();
        for (header, names, patterns) in [
            ("i,prob_Mass,pred_Mass", ["pred_Mass", "prob_Mass"], ["pred_{label}", "prob_{label}"]),
            ("i,Mass,densenet_Mass", ["Mass", "densenet_Mass"], ["{label}", "densenet_{label}"]),
        ] {
            let two = Unchosen::Two(names.map(name), patterns.map(name));
            assert_eq!(chosen(header, None), Err(two));
            for (name, pattern) in names.iter().zip(patterns) {
                assert_eq!(chosen(header, Some(pattern)), Ok(vec![(*name).to_owned()]));
            }
        }
        assert_eq!(chosen("i,true_Mass,true_Edema", None), Err(Unchosen::NoScores(name("true_{label}"))));
        assert_eq!(chosen("i,densenet_Mass", None), Err(Unchosen::NoScores(name("densenet_{label}"))));
        assert_eq!(chosen("i,Masses", None), Err(Unchosen::None));
        assert_eq!(chosen("i,Mass", Some("x_{label}")), Err(Unchosen::None));
        assert_eq!(chosen("i,Mass,mass", None), Err(Unchosen::Repeated(9)));
    }

    #[test]
    fn a_word_that_may_change_a_score_is_asked_about() {
        for word in [
            "no",
            "not",
            "neg",
            "absent",
            "std",
            "var",
            "rank",
            "loss",
            "threshold",
            "lower",
            "expert",
            "calibrated",
        ] {
            for column in
                [format!("prob_{word}_Mass"), format!("Mass_{word}_prob"), format!("{word}_score_Mass")]
            {
                let pattern = column.replace("Mass", LABEL);
                assert_eq!(
                    chosen(&format!("i,{column}"), None),
                    Err(Unchosen::NoScores(pattern.clone())),
                    "{column}"
                );
                assert_eq!(chosen(&format!("i,{column}"), Some(&pattern)), Ok(vec![column.clone()]));
                let beside = format!("i,{column},prob_Mass");
                assert_eq!(chosen(&beside, None), Ok(vec!["prob_Mass".to_owned()]), "{column}");
            }
        }
    }

    #[test]
    fn columns_that_are_named_in_two_ways_are_not_half_of_a_file() {
        for (header, names) in [
            ("i,logit_Mass,Edema", ["logit_Mass", "Edema"]),
            ("i,prob_Mass,pred_Edema", ["pred_Edema", "prob_Mass"]),
        ] {
            assert_eq!(chosen(header, None), Err(Unchosen::Mixed(names.map(str::to_owned))), "{header}");
        }
    }

    #[test]
    fn the_longest_label_counts() {
        let labels = ["Opacity", "Lung Opacity", "Lung, left"].map(str::to_owned);
        let headings =
            ["i", "prob_Lung Opacity", "Lung Opacity", "prob_opacity", "prob_Lung, left"].map(str::to_owned);
        let found = choose(&headings, 0, &labels, None).unwrap();
        assert_eq!((found.columns, found.ignored), (vec![(0, 3), (1, 1), (2, 4)], vec![2]));
    }

    proptest::proptest! {
        #[test]
        fn no_heading_makes_it_panic(headings: Vec<String>, near in "(mass|Mass|é|_| |[(]|[)]|prob){0,6}", pattern in "[pé]{0,2}\\{label\\}[é_]{0,2}") {
            let mut headings = headings;
            headings.push(near);
            let _ = choose(&headings, 0, &names(), None);
            let _ = choose(&headings, 0, &names(), Some(&pattern));
        }
    }
}
