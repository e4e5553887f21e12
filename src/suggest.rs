//! Names that a mistyped one may be meant to be.

/// The names that differ from `wanted` in the fewest letters, if these are few: one letter of a name of three to
/// five, two of one of six to eight, three of a longer one.
pub fn similar<'n>(wanted: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let most = wanted.chars().count().min(9) / 3;
    let mut found: Vec<(usize, &str)> = names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&name.to_lowercase(), &wanted.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= most)
        .collect();
    found.sort_unstable();
    found.dedup();
    let closest = found.first().map(|(distance, _)| *distance);
    found.retain(|(distance, _)| Some(*distance) == closest);
    found.into_iter().map(|(_, name)| name).collect()
}

/// Those names, or all if none is similar.
pub fn similar_or_all<'n>(wanted: &str, names: &[&'n str]) -> Vec<&'n str> {
    match similar(wanted, names.iter().copied()) {
        none if none.is_empty() => names.to_vec(),
        found => found,
    }
}

/// A hint at the names that are close to a mistyped one, or at all that there are.
pub fn did_you_mean(wanted: &str, names: &[&str]) -> String {
    match similar(wanted, names.iter().copied()).as_slice() {
        [] => format!("there are {}", names.join(", ")),
        close => format!("did you mean `{}`?", close.join("` or `")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_close_is_suggested() {
        let names = ["densenet121", "resnet50", "resnet38", "tiny", "mlp"];
        assert_eq!(similar("resnet51", names), ["resnet50"]);
        assert_eq!(similar("resnet58", names), ["resnet38", "resnet50"]);
        assert_eq!(similar("Tiny", names), ["tiny"]);
        assert_eq!(similar("tinny", names), ["tiny"]);
        assert_eq!(similar("ml", names), [""; 0], "two letters are like many names");
        assert_eq!(similar("efficientnet", names), [""; 0]);
        assert_eq!(similar_or_all("efficientnet", &names), names);
        assert_eq!(did_you_mean("resnet58", &names), "did you mean `resnet38` or `resnet50`?");
        assert!(did_you_mean("efficientnet", &names).starts_with("there are densenet121, "));
    }
}
