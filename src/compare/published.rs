//! Published numbers for a comparison: a TOML file with a source for every model.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::CompareError;
use crate::limits;
use crate::records::{PublishedAuc, PublishedModel};

/// Built-in files: the means in the paper's table 6 for the official split, and those of its table 4.
const OURS: [(&str, &str); 2] = [
    ("paper", include_str!("published/table6.toml")),
    ("paper-table4", include_str!("published/table4.toml")),
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
    mean_over: Option<u32>,
    #[serde(default)]
    auc: BTreeMap<String, f64>,
}

impl From<Entry> for PublishedModel {
    fn from(entry: Entry) -> Self {
        let Entry { name, source, split, images, mean, mean_over, auc } = entry;
        let auc = auc.into_iter().map(|(label, auc)| PublishedAuc { label, auc }).collect();
        PublishedModel { name, source, split, images, mean, mean_over, auc }
    }
}

/// Reads published numbers: `paper`, `paper-table4`, or a file. Also returns the bytes.
pub(super) fn read(wanted: &Path) -> Result<(Vec<u8>, Vec<PublishedModel>), CompareError> {
    let bytes = match OURS.iter().find(|(name, _)| Path::new(name) == wanted) {
        Some((_, text)) => text.as_bytes().to_vec(),
        None => limits::read(wanted, limits::STUDY_FILE).map_err(CompareError::io("read", wanted))?,
    };
    let models = parse(&bytes, wanted)?;
    Ok((bytes, models))
}

/// Parses a file of published numbers; messages call it `path`.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Vec<PublishedModel>, CompareError> {
    let wrong = |reason: String| CompareError::NotPublished { path: path.to_owned(), reason };
    let text = std::str::from_utf8(bytes).map_err(|e| wrong(e.to_string()))?;
    let file: File = toml::from_str(text).map_err(|e| wrong(e.message().to_owned()))?;
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
            assert!(models.len() >= 4 && models.iter().all(|model| model.source.contains("table")));
        }
        assert!(read(Path::new("paper")).unwrap().1.iter().all(|model| model.split == "official"));
    }
}
