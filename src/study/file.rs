//! Study files in TOML, validated as far as possible without a registry.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::StudyError;
use crate::records::{Init, SplitMethod, Target};
use crate::registry::is_name;
use crate::split::{Scheme, SplitError};
use crate::training::config::{self, toml_reason};

/// The paper's study, which `reg study init` writes.
pub const PAPER: &str = include_str!("paper.toml");
/// A study that takes minutes on the demo's data, which `reg study init --small` writes.
pub const SMALL: &str = include_str!("small.toml");

/// Default number of threads of a run: it is part of the spec, so it does not depend on the machine.
const THREADS: u32 = 4;
/// Default seed of a run.
const SEED: u64 = 1;

/// A study file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyFile {
    /// Name of the study.
    pub name: String,
    /// Name or id of the data set.
    pub dataset: String,
    /// `auto`, `cpu` or `cuda`.
    #[serde(default = "auto")]
    pub device: String,
    /// Threads of the tensor library in each run.
    #[serde(default = "threads")]
    pub threads: u32,
    /// Default seed of the runs.
    #[serde(default = "seed")]
    pub seed: u64,
    /// Setups for whose first run the report shows heat maps.
    #[serde(default)]
    pub gradcam: Vec<String>,
    /// Settings of all runs.
    #[serde(default)]
    pub settings: toml::Table,
    /// Splits to create if they do not exist.
    #[serde(default)]
    pub split: Vec<SplitTable>,
    /// Sections: groups of setups that are compared with each other.
    #[serde(default)]
    pub section: Vec<SectionTable>,
    /// Setups: models and settings to train.
    #[serde(default)]
    pub setup: Vec<SetupTable>,
    /// Probes of the trained networks.
    #[serde(default)]
    pub probe: Vec<ProbeEntry>,
}

fn auto() -> String {
    "auto".to_owned()
}

fn threads() -> u32 {
    THREADS
}

fn seed() -> u64 {
    SEED
}

/// A `[[split]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitTable {
    /// Its name in the registry.
    pub name: String,
    /// Seed of the random draw.
    #[serde(default = "seed")]
    pub seed: u64,
    /// How images are divided: `resample` (default) or `k-fold`.
    pub scheme: Option<Scheme>,
    /// Number of re-samplings or folds.
    pub folds: Option<u32>,
    /// Shares of train, validation and test in per cent; for `k-fold` the parts of train and validation.
    pub ratios: Option<Vec<u32>>,
    /// Published list of images for training and validation, relative to the file's folder.
    pub train_val: Option<PathBuf>,
    /// Published list of test images.
    pub test: Option<PathBuf>,
    /// Share of the first list that is used for validation.
    pub val_fraction: Option<f64>,
}

impl SplitTable {
    /// How a split is drawn, with the number of its re-samplings or folds; `None` for one by lists.
    ///
    /// # Errors
    /// Ratios that do not fit the scheme.
    pub fn drawn(&self) -> Result<Option<(SplitMethod, u32)>, SplitError> {
        let Some((folds, ratios)) = self.folds.zip(self.ratios.as_ref()) else { return Ok(None) };
        let text = ratios.iter().map(u32::to_string).collect::<Vec<_>>().join("/");
        let method = self.scheme.unwrap_or_default().method(Some(&text), folds, self.seed)?;
        Ok(Some((method, folds)))
    }
}

/// A `[[section]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SectionTable {
    /// Its name, which is the last part of its table's name.
    pub name: String,
    /// Title of its tables; default: the name.
    pub title: Option<String>,
    /// Name or id of the split.
    pub split: String,
    /// Folds to train; default: all.
    pub folds: Option<Vec<u32>>,
    /// Published numbers to compare with.
    pub published: Option<String>,
}

/// A `[[setup]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetupTable {
    /// Its name, which is a column of the tables.
    pub name: String,
    /// The section that it belongs to.
    pub section: String,
    /// The network: a preset, or a file that describes one, relative to the study file's folder.
    #[serde(default)]
    pub model: String,
    /// Instead of a network, a command that `reg run` executes; files that it names are relative to the study file's
    /// folder.
    #[serde(default)]
    pub command: Vec<String>,
    /// The folder of the command's files, relative to the study file's folder.
    pub source: Option<PathBuf>,
    /// Further files that the command reads, by key, relative to the study file's folder.
    #[serde(default)]
    pub input: BTreeMap<String, PathBuf>,
    /// Environment variables of the command.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Initial weights; default: fine-tune with --weights, else scratch.
    pub init: Option<Init>,
    /// Name or id of imported weights.
    pub weights: Option<String>,
    /// Seed, if it differs from the default.
    pub seed: Option<u64>,
    /// Settings of this setup, which override those of all runs.
    #[serde(default)]
    pub set: toml::Table,
}

/// A `[[probe]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeEntry {
    /// The setup whose networks are probed.
    pub setup: String,
    /// The targets of the probes.
    pub targets: Vec<Target>,
}

impl StudyFile {
    /// Reads a study file and checks its consistency.
    pub fn parse(text: &str, path: &Path) -> Result<Self, StudyError> {
        let file: StudyFile = toml::from_str(text)
            .map_err(|e| StudyError::Toml { path: path.to_owned(), reason: toml_reason(&e) })?;
        file.check().map_err(|reason| StudyError::Senseless { path: path.to_owned(), reason })?;
        Ok(file)
    }

    fn check(&self) -> Result<(), String> {
        named("name", [&self.name])?;
        named("section", self.section.iter().map(|section| &section.name))?;
        named("setup", self.setup.iter().map(|setup| &setup.name))?;
        named("split", self.split.iter().map(|split| &split.name))?;
        if self.setup.is_empty() {
            return Err("the file has no [[setup]]".to_owned());
        }
        if self.threads == 0 {
            return Err("`threads` must be at least 1".to_owned());
        }
        if !["auto", "cpu", "cuda"].contains(&self.device.as_str()) {
            return Err(format!("`device` is {:?}; expected auto, cpu or cuda", self.device));
        }
        for setup in &self.setup {
            if !self.section.iter().any(|section| section.name == setup.section) {
                let (setup, section) = (&setup.name, &setup.section);
                return Err(format!("setup `{setup}` belongs to section `{section}`, which is not defined"));
            }
        }
        for setup in &self.setup {
            let name = &setup.name;
            let of_command = setup.source.is_some() || !setup.input.is_empty() || !setup.env.is_empty();
            let of_network = setup.init.is_some() || setup.weights.is_some() || !setup.set.is_empty();
            match (setup.model.is_empty(), setup.command.is_empty()) {
                (true, true) | (false, false) => {
                    return Err(format!("setup `{name}` needs either `model` or `command`"));
                }
                (false, true) if of_command => {
                    return Err(format!("setup `{name}`: `source`, `input` and `env` belong to a `command`"));
                }
                (true, false) if of_network => {
                    return Err(format!("setup `{name}`: `init`, `weights` and `set` belong to a `model`"));
                }
                _ => {}
            }
            let looked_at =
                self.gradcam.contains(name) || self.probe.iter().any(|probe| probe.setup == *name);
            if !setup.command.is_empty() && looked_at {
                return Err(format!(
                    "setup `{name}` is a program: reg has no network of it to probe or to map"
                ));
            }
        }
        for probe in &self.probe {
            if !self.setup.iter().any(|setup| setup.name == probe.setup) {
                return Err(format!("a probe uses setup `{}`, which is not defined", probe.setup));
            }
        }
        for name in &self.gradcam {
            if !self.setup.iter().any(|setup| setup.name == *name) {
                return Err(format!("`gradcam` lists setup `{name}`, which is not defined"));
            }
        }
        for split in &self.split {
            let drawn = split.folds.is_some() && split.ratios.is_some();
            let listed = split.train_val.is_some() && split.test.is_some();
            let scheme_of_lists = listed && split.scheme.is_some();
            if drawn == listed || scheme_of_lists {
                let name = &split.name;
                return Err(format!("split `{name}` needs either folds and ratios, or train_val and test"));
            }
            if let Err(e) = split.drawn() {
                return Err(format!("split `{}`: {e}", split.name));
            }
        }
        Ok(())
    }

    /// The settings of a setup as arguments of `--set` of `reg train`, in order.
    pub fn settings_of(&self, setup: &SetupTable) -> Vec<String> {
        [config::pairs(&self.settings), config::pairs(&setup.set)].concat()
    }
}

impl SetupTable {
    /// How weights are initialized.
    pub fn start(&self) -> Init {
        self.init.unwrap_or(if self.weights.is_some() { Init::FineTune } else { Init::Scratch })
    }
}

/// Checks that these are valid names without duplicates.
fn named<'a>(what: &str, names: impl IntoIterator<Item = &'a String>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !is_name(name) {
            return Err(format!("{what} `{name}`: a name has letters, digits and . _ - + only"));
        }
        if !seen.insert(name) {
            return Err(format!("{what} `{name}` is defined twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<StudyFile, String> {
        StudyFile::parse(text, Path::new("study.toml")).map_err(|e| e.to_string())
    }

    const LEAST: &str = "name = 's'\ndataset = 'd'\n[[section]]\nname = 'a'\nsplit = 'x'\n";

    #[test]
    fn the_paper_is_eight_setups_on_five_folds_and_three_depths_on_the_official_split() {
        let paper = parse(PAPER).unwrap();
        let of = |section: &str| paper.setup.iter().filter(|setup| setup.section == section).count();
        assert_eq!((of("table-4"), of("table-6"), paper.setup.len()), (8, 3, 11));
        assert_eq!((paper.split[0].folds, paper.split[0].ratios.clone()), (Some(5), Some(vec![70, 10, 20])));
        let small = parse(SMALL).unwrap();
        for file in [&paper, &small] {
            for setup in &file.setup {
                let overrides = config::Overrides {
                    model: setup.model.clone(),
                    network: None,
                    init: Some(setup.start()),
                    file: None,
                    set: file.settings_of(setup),
                };
                config::resolve(&overrides).unwrap();
            }
        }
    }

    #[test]
    fn settings_are_those_of_every_run_and_then_those_of_the_setup() {
        let text = "[[setup]]\nname = 't'\nsection = 'a'\nmodel = 'tiny'\nset = { epochs = 3, augmentation = 'none', widths = [4, 8], loss = 'class-balanced', image = { input = 32 } }\n[settings]\nepochs = 9\n";
        let file = parse(&format!("{LEAST}{text}")).unwrap();
        let mut settings = file.settings_of(&file.setup[0]);
        settings[1..].sort();
        let own = ["augmentation=none", "epochs=3", "image.input=32", "loss=class-balanced", "widths=[4, 8]"];
        assert_eq!(settings, [&["epochs=9"], &own[..]].concat());
        assert_eq!((file.threads, file.seed, file.setup[0].start()), (4, 1, Init::Scratch));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let setup = "[[setup]]\nname = 't'\nsection = 'a'\nmodel = 'tiny'\n";
        for (text, word) in [
            (LEAST.to_owned(), "no [[setup]]"),
            (format!("{LEAST}{setup}{setup}"), "`t` is defined twice"),
            (format!("{LEAST}{}", setup.replace("'a'", "'b'")), "section `b`, which is not defined"),
            (format!("{LEAST}{setup}depth = 3"), "depth"),
            (format!("threads = 0\n{LEAST}{setup}"), "`threads` must be at least 1"),
            (format!("device = 'tpu'\n{LEAST}{setup}"), "auto, cpu or cuda"),
            (format!("{LEAST}{setup}[[split]]\nname = 'x'\nfolds = 2"), "split `x` needs"),
            (format!("{LEAST}{setup}[[probe]]\nsetup = 't'\ntargets = ['height']"), "height"),
            (format!("{LEAST}{setup}[[probe]]\nsetup = 'u'\ntargets = ['age']"), "setup `u`"),
            (format!("gradcam = ['u']\n{LEAST}{setup}"), "setup `u`"),
            (LEAST.replace("'s'", "'a b'"), "name `a b`"),
        ] {
            let refused = parse(&text).unwrap_err();
            assert!(refused.starts_with("study.toml") && refused.contains(word), "{refused}");
        }
    }
}
