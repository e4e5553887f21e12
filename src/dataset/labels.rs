//! The fifteen labels: 14 pathologies and an explicit "No Finding".
//!
//! Their order is part of every data set (a label is a bit position), so it is fixed here.

/// The label names in their fixed order: the pathologies alphabetically, then `No Finding`.
///
/// M = 15 in the paper, section "Data".
pub const LABELS: [&str; 15] = [
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Hernia",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pleural_Thickening",
    "Pneumonia",
    "Pneumothorax",
    NO_FINDING,
];

/// The label of an image that shows none of the pathologies.
pub const NO_FINDING: &str = "No Finding";

/// Other names in published files: the box list has `Infiltrate`.
const ALIASES: [(&str, &str); 1] = [("Infiltrate", "Infiltration")];

/// Names with a smaller similarity are not suggested.
const SIMILAR: f64 = 0.5;

/// Finds the position of a label by its name or published alias.
pub fn index(name: &str) -> Option<usize> {
    let name = published(name);
    LABELS.iter().position(|label| *label == name)
}

/// The label's name for a name in a published file.
pub(super) fn published(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, label)| label)
}

/// Suggests the label whose name is most similar to `name`.
pub fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let similar = |label: &str| strsim::normalized_damerau_levenshtein(&label.to_lowercase(), &name);
    let (label, similarity) = LABELS
        .into_iter()
        .map(|label| (label, similar(label)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .expect("there are labels");
    (similarity >= SIMILAR).then_some(label)
}

/// The label names for a record.
pub fn names() -> Vec<String> {
    LABELS.map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pathologies_are_alphabetical_and_no_finding_is_last() {
        assert!(LABELS[..14].is_sorted());
        assert_eq!(LABELS[14], "No Finding");
        for (i, label) in LABELS.into_iter().enumerate() {
            assert_eq!(index(label), Some(i));
        }
    }

    #[test]
    fn the_box_list_s_infiltrate_is_infiltration() {
        assert_eq!(index("Infiltrate"), Some(8));
    }

    #[test]
    fn a_misspelt_label_is_unknown_but_has_a_suggestion() {
        for (written, meant) in [
            ("Pnuemonia", "Pneumonia"),
            ("effusion", "Effusion"),
            ("Pleural Thickening", "Pleural_Thickening"),
            ("NoFinding", "No Finding"),
        ] {
            assert_eq!(index(written), None);
            assert_eq!(nearest(written), Some(meant));
        }
        assert_eq!(nearest("Zzyx"), None);
    }
}
