//! Study files in TOML, validated as far as possible without a registry.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::StudyError;
use crate::escape::{shell, shell_os};
use crate::limits;
use crate::records::{Init, Primary, SplitMethod, Target, Variance};
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
/// Most setups of one grid; more would be a mistake.
const MAX_SETUPS: usize = 1000;

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
    /// Default seed of the runs; 1 if there are no `seeds` either.
    pub seed: Option<u64>,
    /// Default seeds: each run is trained once with each, and the mean over the seeds of a re-sampling is compared.
    pub seeds: Option<Vec<u64>>,
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

    /// The command that makes this split of a data set. `folder` is that of the study file.
    pub fn command(&self, dataset: &str, folder: &Path) -> String {
        let mut words = vec![dataset.to_owned()];
        let mut option = |name: &str, value: String| words.extend([format!("--{name}"), value]);
        let list = |path: &PathBuf| shell_os(folder.join(path));
        let function = match (&self.train_val, &self.test) {
            (Some(train_val), Some(test)) => {
                option("train-val", list(train_val));
                option("test", list(test));
                if let Some(fraction) = self.val_fraction {
                    option("val-fraction", fraction.to_string());
                }
                "import"
            }
            _ => {
                if self.scheme == Some(Scheme::KFold) {
                    option("scheme", "k-fold".to_owned());
                }
                option("folds", self.folds.unwrap_or(1).to_string());
                let ratios = self.ratios.iter().flatten().map(u32::to_string).collect::<Vec<_>>();
                option("ratios", ratios.join("/"));
                "make"
            }
        };
        option("seed", self.seed.to_string());
        option("name", shell(&self.name));
        format!("reg split {function} {}", words.join(" "))
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
    /// The two setups of the comparison that is named in advance, with a colon between them.
    pub primary: Option<String>,
    /// Margin of non-inferiority and equivalence, a difference of AUCs.
    pub margin: Option<f64>,
    /// Variance of AUCs: `clustered` by patient (default), or `delong`.
    pub variance: Option<Variance>,
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
    /// Seeds, if they differ from the default.
    pub seeds: Option<Vec<u64>>,
    /// Settings of this setup, which override those of all runs.
    #[serde(default)]
    pub set: toml::Table,
    /// Settings with a list of values each: there is one setup for every combination of them, whose name ends in its
    /// values, such as `NAME-lr0.01`.
    #[serde(default)]
    pub grid: toml::Table,
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
        let mut file: StudyFile = toml::from_str(text)
            .map_err(|e| StudyError::Toml { path: path.to_owned(), reason: toml_reason(&e) })?;
        let senseless = |reason| StudyError::Senseless { path: path.to_owned(), reason };
        let setups = file.setup.iter().map(SetupTable::combinations).collect::<Result<Vec<_>, _>>();
        file.setup = setups.map_err(senseless)?.concat();
        file.check().map_err(senseless)?;
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
        seeds_make_sense("the file", self.seed, self.seeds.as_deref())?;
        for section in &self.section {
            let own = || self.setup.iter().filter(|setup| setup.section == section.name);
            if let Some(text) = &section.primary {
                let primary: Primary =
                    text.parse().map_err(|e| format!("`primary` of section `{}`: {e}", section.name))?;
                for name in [&primary.a, &primary.b] {
                    if !own().any(|setup| setup.name == *name) {
                        let all: Vec<&str> = own().map(|setup| setup.name.as_str()).collect();
                        return Err(format!(
                            "`primary` of section `{}` names setup `{name}`, but its setups are {}",
                            section.name,
                            all.join(", ")
                        ));
                    }
                }
            }
            let folds = section.folds.as_deref().unwrap_or_default();
            if let Some(twice) = folds.iter().enumerate().find(|(at, fold)| folds[..*at].contains(fold)) {
                return Err(format!("`folds` of section `{}` has {} twice", section.name, twice.1));
            }
            if let Some(margin) = section.margin.filter(|margin| !(*margin > 0.0 && *margin < 1.0)) {
                return Err(format!(
                    "`margin` of section `{}` is {margin}; expected a difference of AUCs between 0 and 1, such as 0.01",
                    section.name
                ));
            }
        }
        for setup in &self.setup {
            seeds_make_sense(&format!("setup `{}`", setup.name), setup.seed, setup.seeds.as_deref())?;
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
                    "setup `{name}` is a program: reg has no network for it, which probes and heat maps need"
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

    /// The seeds of the runs of a setup, one or more.
    pub fn seeds_of(&self, setup: &SetupTable) -> Vec<u64> {
        let own = setup.seeds.clone().or(setup.seed.map(|seed| vec![seed]));
        own.or(self.seeds.clone()).unwrap_or_else(|| vec![self.seed.unwrap_or(SEED)])
    }

    /// The settings of a setup as arguments of `--set` of `reg train`, in order.
    pub fn settings_of(&self, setup: &SetupTable) -> Vec<String> {
        [config::pairs(&self.settings), config::pairs(&setup.set)].concat()
    }
}

impl SetupTable {
    /// The setups of all combinations of the grid's values; the setup itself if it has no grid.
    fn combinations(&self) -> Result<Vec<SetupTable>, String> {
        let mut all = vec![SetupTable { grid: toml::Table::new(), ..self.clone() }];
        for (key, values) in &self.grid {
            let values = values.as_array().filter(|values| !values.is_empty()).ok_or_else(|| {
                format!(
                    "setup `{}`: `{key}` of its grid needs a list of values, such as {key} = [1, 2]",
                    self.name
                )
            })?;
            if self.set.contains_key(key) {
                return Err(format!("setup `{}` has `{key}` in its set and in its grid", self.name));
            }
            let with = |setup: &SetupTable, value: &toml::Value| {
                let mut one = setup.clone();
                one.name += &format!("-{}", in_name(key, value));
                one.set.insert(key.clone(), value.clone());
                one
            };
            all = all.iter().flat_map(|setup| values.iter().map(move |value| with(setup, value))).collect();
            if all.len() > MAX_SETUPS {
                return Err(format!(
                    "the grid of setup `{}` has more than {MAX_SETUPS} combinations",
                    self.name
                ));
            }
        }
        Ok(all)
    }

    /// How weights are initialized.
    pub fn start(&self) -> Init {
        self.init.unwrap_or(if self.weights.is_some() { Init::FineTune } else { Init::Scratch })
    }
}

/// A setting with its value as a part of a name: `lr0.01`, `widths8-16`.
fn in_name(key: &str, value: &toml::Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
    let words = text.split(|c| !allowed(c)).filter(|word| !word.is_empty());
    format!("{key}{}", words.collect::<Vec<_>>().join("-"))
}

/// Checks that there is a seed, or different seeds, and not both.
fn seeds_make_sense(of: &str, seed: Option<u64>, seeds: Option<&[u64]>) -> Result<(), String> {
    let Some(seeds) = seeds else { return Ok(()) };
    let different: BTreeSet<&u64> = seeds.iter().collect();
    if seed.is_some() {
        return Err(format!("{of} has both `seed` and `seeds`; leave one out"));
    }
    match seeds.is_empty() || different.len() < seeds.len() {
        true => Err(format!("`seeds` of {of} needs different seeds, such as seeds = [1, 2, 3]")),
        false => Ok(()),
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

/// The error for a study file that was never run, given by its path or by its name without `.toml`; `None` if there is no
/// such file.
pub fn never_run(argument: &OsStr) -> Option<StudyError> {
    let with_ending = [argument, OsStr::new(".toml")].into_iter().collect::<OsString>();
    let files = [PathBuf::from(argument), PathBuf::from(with_ending)];
    files.into_iter().find_map(|path| {
        let words = limits::read_text(&path, limits::STUDY_FILE).ok()?;
        let name = StudyFile::parse(&words, &path).ok()?.name;
        Some(StudyError::NeverRun { path, name })
    })
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
        assert_eq!(
            (file.threads, file.seeds_of(&file.setup[0]), file.setup[0].start()),
            (4, vec![1], Init::Scratch)
        );
    }

    #[test]
    fn a_grid_is_a_setup_for_every_combination() {
        let text = "[[setup]]\nname = 't'\nsection = 'a'\nmodel = 'tiny'\nset = { epochs = 3 }\n\
            grid = { lr = [0.01, 0.003], widths = [[4, 8], [8, 8]] }\n\
            [[setup]]\nname = 'u'\nsection = 'a'\nmodel = 'mlp'\nseeds = [7]\n";
        let file = parse(&format!("seeds = [1, 2]\n{LEAST}{text}")).unwrap();
        let names: Vec<&str> = file.setup.iter().map(|setup| setup.name.as_str()).collect();
        let of_grid =
            ["t-lr0.01-widths4-8", "t-lr0.01-widths8-8", "t-lr0.003-widths4-8", "t-lr0.003-widths8-8"];
        assert_eq!(names, [&of_grid[..], &["u"]].concat());
        assert_eq!(file.settings_of(&file.setup[1]), ["epochs=3", "lr=0.01", "widths=[8, 8]"]);
        assert_eq!((file.seeds_of(&file.setup[0]), file.seeds_of(&file.setup[4])), (vec![1, 2], vec![7]));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let setup = "[[setup]]\nname = 't'\nsection = 'a'\nmodel = 'tiny'\n";
        for (text, word) in [
            (LEAST.to_owned(), "no [[setup]]"),
            (format!("{LEAST}{setup}{setup}"), "`t` is defined twice"),
            (format!("{LEAST}{}", setup.replace("'a'", "'b'")), "section `b`, which is not defined"),
            (format!("{LEAST}{setup}depth = 3"), "depth"),
            (format!("{LEAST}folds = [0, 1, 0]\n{setup}"), "`folds` of section `a` has 0 twice"),
            (format!("threads = 0\n{LEAST}{setup}"), "`threads` must be at least 1"),
            (format!("device = 'tpu'\n{LEAST}{setup}"), "auto, cpu or cuda"),
            (format!("{LEAST}{setup}[[split]]\nname = 'x'\nfolds = 2"), "split `x` needs"),
            (format!("{LEAST}{setup}[[probe]]\nsetup = 't'\ntargets = ['height']"), "height"),
            (format!("{LEAST}{setup}[[probe]]\nsetup = 'u'\ntargets = ['age']"), "setup `u`"),
            (format!("gradcam = ['u']\n{LEAST}{setup}"), "setup `u`"),
            (LEAST.replace("'s'", "'a b'"), "name `a b`"),
            (format!("{LEAST}{setup}grid = {{ lr = 0.1 }}"), "`lr` of its grid needs a list"),
            (
                format!("{LEAST}{setup}set = {{ lr = 1 }}\ngrid = {{ lr = [0.1] }}"),
                "in its set and in its grid",
            ),
            (format!("{LEAST}{setup}seed = 1\nseeds = [2]"), "setup `t` has both"),
            (format!("{LEAST}{setup}seeds = [2, 2]"), "different seeds"),
            (format!("{LEAST}primary = 't:u'\n{setup}"), "names setup `u`, but its setups are t"),
            (format!("{LEAST}margin = 2\n{setup}"), "`margin` of section `a` is 2"),
        ] {
            let refused = parse(&text).unwrap_err();
            assert!(refused.starts_with("study.toml") && refused.contains(word), "{refused}");
        }
    }
}
