//! Published numbers for a comparison: a TOML file with a source for every model.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::CompareError;
use crate::disk::Doing;
use crate::limits;
use crate::records::{PublishedAuc, PublishedModel};

/// Built-in files: the means in the paper's table 6 for the official split, those of its table 4, and AUCs by label of
/// other publications on splits of their own.
const OURS: [(&str, &str); 3] = [
    ("paper", include_str!("published/table6.toml")),
    ("paper-table4", include_str!("published/table4.toml")),
    ("literature", include_str!("published/literature.toml")),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    model: Vec<Entry>,
}

/// A model in the file, in which optional keys may be absent; a record has every key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    source: String,
    split: String,
    images: Option<u64>,
    mean: Option<f64>,
    mean_std: Option<f64>,
    mean_over: Option<u32>,
    #[serde(default)]
    auc: BTreeMap<String, f64>,
    /// Standard deviations of the AUCs.
    #[serde(default)]
    std: BTreeMap<String, f64>,
}

impl From<Entry> for PublishedModel {
    fn from(entry: Entry) -> Self {
        let Entry { name, source, split, images, mean, mean_std, mean_over, auc, std } = entry;
        let with_std = |(label, auc)| PublishedAuc { std: std.get(&label).copied(), label, auc };
        let auc = auc.into_iter().map(with_std).collect();
        PublishedModel { name, source, split, images, mean, mean_std, mean_over, auc }
    }
}

/// Reads published numbers: `paper`, `paper-table4`, `literature`, or a file. Also returns the bytes.
pub(super) fn read(wanted: &Path) -> Result<(Vec<u8>, Vec<PublishedModel>), CompareError> {
    let bytes = match OURS.iter().find(|(name, _)| Path::new(name) == wanted) {
        Some((_, text)) => text.as_bytes().to_vec(),
        None => limits::read(wanted, limits::STUDY_FILE).doing("read", wanted)?,
    };
    let models = parse(&bytes, wanted)?;
    Ok((bytes, models))
}

/// Parses a file of published numbers; messages call it `path`.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Vec<PublishedModel>, CompareError> {
    let wrong = |reason: String| CompareError::NotPublished { path: path.to_owned(), reason };
    let text = std::str::from_utf8(bytes).map_err(|e| wrong(e.to_string()))?;
    let file: File = toml::from_str(text).map_err(|e| wrong(e.message().to_owned()))?;
    for entry in &file.model {
        if let Some(label) = entry.std.keys().find(|label| !entry.auc.contains_key(*label)) {
            return Err(wrong(format!("{} has a standard deviation for {label}, but no AUC", entry.name)));
        }
        let no_std = |value: &&f64| !(0.0..=0.5).contains(*value);
        if let Some(value) = entry.std.values().chain(&entry.mean_std).find(no_std) {
            return Err(wrong(format!(
                "{} has {value} as a standard deviation of AUCs, but it must be 0 to 0.5",
                entry.name
            )));
        }
    }
    let models: Vec<PublishedModel> = file.model.into_iter().map(PublishedModel::from).collect();
    if models.is_empty() {
        return Err(wrong("it has no [[model]]".to_owned()));
    }
    for model in &models {
        let no_auc = |value: &f64| !(0.0..=1.0).contains(value);
        if let Some(value) =
            model.auc.iter().map(|label| &label.auc).chain(&model.mean).find(|value| no_auc(value))
        {
            return Err(wrong(format!("{value} of {} is not an AUC", model.name)));
        }
    }
    Ok(models)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_with_reg_is_read_and_names_its_source() {
        for (name, _) in OURS {
            let (_, models) = read(Path::new(name)).unwrap();
            assert!(
                models.len() >= 4
                    && models.iter().all(|model| !model.source.is_empty() && !model.split.is_empty())
            );
        }
        assert!(read(Path::new("paper")).unwrap().1.iter().all(|model| model.split == "official"));
    }
}
