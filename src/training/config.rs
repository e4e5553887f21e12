//! Combines a preset, a TOML file and `--set key=value` into the settings of a run.
//!
//! The keys are those of the [`Model`] and [`Training`] records, identified by their last name, so a new field
//! becomes a new key without further code.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::expected::expected;
use super::presets;
use crate::escape::shell;
use crate::limits;
use crate::network::{self, NetworkError, NetworkFileError, Preset};
use crate::records::{EarlyStop, Init, Model, Pixels, Training};
use crate::registry::is_name;
use crate::suggest::similar;

/// The requested settings.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Name of the network: of a preset, or the path of a file that describes one.
    pub model: String,
    /// That file and its text, which [`network_file`] reads.
    pub network: Option<(PathBuf, String)>,
    /// How weights are initialized.
    pub init: Option<Init>,
    /// The configuration file and its text.
    pub file: Option<(PathBuf, String)>,
    /// `key=value`, in order.
    pub set: Vec<String>,
}

/// Invalid settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// An unknown preset.
    #[error("unknown model `{name}`")]
    UnknownModel {
        /// The requested name.
        name: String,
        /// Presets with a similar name.
        similar: Vec<String>,
    },
    /// A file that describes no network.
    #[error("{}: {source}", path.display())]
    Network {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: NetworkFileError,
    },
    /// A network's file whose name cannot be that of a network.
    #[error("{}: a network cannot be named `{name}`: {reason}", path.display())]
    NetworkName {
        /// The file.
        path: PathBuf,
        /// Its name without `.toml`.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// A field of the network out of range.
    #[error(transparent)]
    Layers(#[from] NetworkError),
    /// An unknown key.
    #[error("{origin}: {model} has no setting `{key}`")]
    UnknownKey {
        /// Where the key was given.
        origin: String,
        /// The key.
        key: String,
        /// The preset.
        model: String,
        /// Keys with a similar name.
        similar: Vec<String>,
        /// All keys.
        known: Vec<String>,
    },
    /// A setting that is not `key=value`.
    #[error("--set {0}: expected `key=value`")]
    NotAPair(String),
    /// A file that is not TOML.
    #[error("{}: {reason}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// The parser's message with the line.
        reason: String,
    },
    /// A value of the wrong type.
    #[error("{origin}: `{key}` cannot be {value}: {reason}")]
    IllTyped {
        /// Where the key was given.
        origin: String,
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// The expected values.
        reason: String,
    },
    /// A value out of range.
    #[error("`{key}` cannot be {value}: {reason}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// The expected values.
        reason: &'static str,
    },
}

#[derive(Serialize, Deserialize)]
struct Settings {
    model: Model,
    training: Training,
}

/// Placeholder for the size that follows from input and crops, unless another one is requested.
const UNSETTLED: Pixels = Pixels::Side(0);

/// The file that describes a network and its text, if `model` is the path of one: it ends in `.toml`. A relative path is
/// relative to `folder`.
///
/// # Errors
/// The path, and what the system says.
pub fn network_file(
    model: impl AsRef<Path>,
    folder: &Path,
) -> Result<Option<(PathBuf, String)>, (PathBuf, std::io::Error)> {
    let path = folder.join(model);
    match path.extension().is_some_and(|extension| extension == "toml") {
        true => match limits::read_text(&path, limits::STUDY_FILE) {
            Ok(text) => Ok(Some((path, text))),
            Err(e) => Err((path, e)),
        },
        false => Ok(None),
    }
}

/// The preset, or the network of a file under the file's name.
fn preset(overrides: &Overrides) -> Result<Preset, ConfigError> {
    let model = &overrides.model;
    let Some((path, text)) = &overrides.network else {
        return network::preset(model).ok_or_else(|| ConfigError::UnknownModel {
            name: model.clone(),
            similar: close(model, &network::names()),
        });
    };
    let path = path.clone();
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let reason = match () {
        () if network::preset(&name).is_some() => "that is the name of one of reg's own",
        () if !is_name(&name) => "a name has letters, digits and . _ - + only",
        () => return network::parse(&name, text).map_err(|source| ConfigError::Network { path, source }),
    };
    Err(ConfigError::NetworkName { path, name, reason })
}

/// Determines model and training: the preset's defaults, overridden by the file, overridden by `--set`.
pub fn resolve(overrides: &Overrides) -> Result<(Model, Training), ConfigError> {
    let preset = preset(overrides)?;
    let mut training = presets::training(&preset, overrides.init.unwrap_or(Init::Scratch));
    training.pixels = preset.model.architecture.image().map(|_| UNSETTLED);
    let mut settings = Settings { model: preset.model, training };
    for (key, value) in preset.training {
        // Its file has crops for a training that augments.
        if settings.training.augmentation.is_some() || !AUGMENTATION.contains(&key.as_str()) {
            settings = apply(settings, &overrides.model, &key, value, false)?;
        }
    }

    let mut wanted = Vec::new();
    if let Some((path, text)) = &overrides.file {
        let table: toml::Table = toml::from_str(text)
            .map_err(|e| ConfigError::Toml { path: path.clone(), reason: toml_reason(&e) })?;
        flatten(table, path, &mut wanted);
    }
    for pair in &overrides.set {
        let (key, value) = pair.split_once('=').ok_or_else(|| ConfigError::NotAPair(pair.clone()))?;
        wanted.push((format!("--set {pair}"), key.trim().to_owned(), parse(value.trim())));
    }
    let resized = wanted.iter().any(|(_, key, _)| last(key) == "resize");
    for (origin, key, value) in wanted {
        settings = apply(settings, &origin, &key, value, resized)?;
    }
    check(&settings)?;
    let Settings { model, mut training } = settings;
    if training.pixels == Some(UNSETTLED) {
        training.pixels = presets::pixels(&model, &training);
    }
    Ok((model, training))
}

/// Entries of a TOML file by their dotted keys; tables only group keys.
fn flatten(table: toml::Table, path: &Path, wanted: &mut Vec<(String, String, Value)>) {
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => flatten(inner, path, wanted),
            other => {
                let value = serde_json::to_value(&other).unwrap_or(Value::Null);
                wanted.push((path.display().to_string(), key, value));
            }
        }
    }
}

/// The entries of a table in the form `key=value` of `--set`; those of nested tables with dotted keys.
pub fn pairs(table: &toml::Table) -> Vec<String> {
    let mut pairs = Vec::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => pairs.extend(pairs_within(key, inner)),
            toml::Value::String(text) if text == "none" || parse(text) == *text => {
                pairs.push(format!("{key}={text}"));
            }
            other => pairs.push(format!("{key}={other}")),
        }
    }
    pairs
}

fn pairs_within(key: &str, table: &toml::Table) -> impl Iterator<Item = String> {
    pairs(table).into_iter().map(move |pair| format!("{key}.{pair}"))
}

/// A value in TOML syntax; a bare word is a string, `none` is null.
fn parse(text: &str) -> Value {
    if text == "none" {
        return Value::Null;
    }
    let parsed = toml::from_str::<toml::Table>(&format!("value = {text}"));
    let value = parsed.ok().and_then(|mut table| table.remove("value"));
    // JSON has no `nan`, which is then a word like another.
    let value = value.and_then(|value| serde_json::to_value(value).ok()).filter(|value| !value.is_null());
    value.unwrap_or_else(|| text.into())
}

fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

fn apply(
    mut settings: Settings,
    origin: &str,
    key: &str,
    value: Value,
    resized: bool,
) -> Result<Settings, ConfigError> {
    let ill_typed = |reason: String| ConfigError::IllTyped {
        origin: origin.to_owned(),
        key: key.to_owned(),
        value: value.to_string(),
        reason,
    };
    if let Some(changed) = network::set(&mut settings.model.architecture, last(key), &value) {
        return changed.map(|()| settings).map_err(ill_typed);
    }
    let before = settings.model.architecture.image().map(|image| (image.input, image.resize));
    let mut tree = serde_json::to_value(&settings).expect("settings have a JSON form");
    let mut known = Vec::new();
    keys(&tree, &mut known);
    known.extend(network::settings(&settings.model.architecture).into_iter().map(|(key, _)| key.to_owned()));
    let Some(slot) = find(&mut tree, last(key)) else {
        return Err(ConfigError::UnknownKey {
            origin: origin.to_owned(),
            key: key.to_owned(),
            model: settings.model.name,
            similar: close(last(key), &known),
            known,
        });
    };
    *slot = value.clone();
    let mut settings: Settings = serde_path_to_error::deserialize(tree).map_err(|e| {
        let reason = e.into_inner().to_string();
        ill_typed(expected(last(key)).map_or(reason, |expected| format!("it must be {expected}")))
    })?;
    // With another input size, the margin that the preset leaves for the centre crop stays the same.
    if let (Some((input, resize)), false, "input") = (before, resized, last(key))
        && let Some(image) = &mut settings.model.architecture.image
    {
        let scaled = f64::from(resize) * f64::from(image.input) / f64::from(input);
        image.resize = scaled.round() as u32;
    }
    Ok(settings)
}

/// Keys of [`crate::records::Augmentation`].
const AUGMENTATION: [&str; 4] = ["crop_area", "crop_aspect", "rotation", "flip"];
/// Keys that identify a preset and cannot be set.
const FIXED: [&str; 3] = ["name", "head", "layers"];
/// Groups that are not part of a key.
const GROUPS: [&str; 4] = ["model", "training", "architecture", "image"];

fn keys(value: &Value, known: &mut Vec<String>) {
    for (key, item) in value.as_object().into_iter().flatten() {
        if !FIXED.contains(&key.as_str()) && !GROUPS.contains(&key.as_str()) {
            known.push(key.clone());
        }
        keys(item, known);
    }
}

fn find<'a>(value: &'a mut Value, wanted: &str) -> Option<&'a mut Value> {
    let map: &mut Map<String, Value> = value.as_object_mut()?;
    let settable = !FIXED.contains(&wanted) && !GROUPS.contains(&wanted);
    if settable && map.contains_key(wanted) {
        return map.get_mut(wanted);
    }
    map.values_mut().find_map(|item| find(item, wanted))
}

fn close(wanted: &str, known: &[String]) -> Vec<String> {
    similar(wanted, known.iter().map(String::as_str)).into_iter().map(str::to_owned).collect()
}

/// `did you mean a or b?`, in backticks.
fn meant(similar: &[String]) -> String {
    format!("did you mean `{}`?", similar.join("` or `"))
}

fn check(settings: &Settings) -> Result<(), ConfigError> {
    let wrong = |key, value: String, reason| Err(ConfigError::OutOfRange { key, value, reason });
    let t = &settings.training;
    for (key, value) in [("epochs", t.epochs), ("batch", t.batch)] {
        if value == 0 {
            return wrong(key, "0".into(), "at least 1 is needed");
        }
    }
    for (key, value) in [("lr", t.lr), ("eps", t.eps)] {
        if !(value > 0.0 && value.is_finite()) {
            return wrong(key, value.to_string(), "it must be above 0");
        }
    }
    for (key, value) in [("beta1", t.beta1), ("beta2", t.beta2)] {
        if !(0.0..1.0).contains(&value) {
            return wrong(key, value.to_string(), "it must be in [0, 1)");
        }
    }
    if !(t.lr_factor > 0.0 && t.lr_factor <= 1.0) {
        return wrong("lr_factor", t.lr_factor.to_string(), "it must be in (0, 1]");
    }
    if t.early_stop == Some(EarlyStop::Epochs(0)) {
        return wrong("early_stop", "0".into(), "`never`, or a number of epochs above 0");
    }
    if let Some(a) = &t.augmentation {
        let [low, high] = a.crop_area;
        if !(low > 0.0 && low <= high && high <= 1.0) {
            return wrong(
                "crop_area",
                format!("{:?}", a.crop_area),
                "two shares of the area in (0, 1], the smaller first",
            );
        }
        let [low, high] = a.crop_aspect;
        if !(low > 0.0 && low <= high && high.is_finite()) {
            return wrong(
                "crop_aspect",
                format!("{:?}", a.crop_aspect),
                "two ratios above 0, the smaller first",
            );
        }
        if !(0.0..=180.0).contains(&a.rotation) {
            return wrong("rotation", a.rotation.to_string(), "degrees from 0 to 180");
        }
        if !(0.0..=1.0).contains(&a.flip) {
            return wrong("flip", a.flip.to_string(), "it is a probability");
        }
    }
    // With one label: their number is that of the data set.
    network::check(&settings.model.architecture, 1)?;
    if let Some(image) = settings.model.architecture.image() {
        match t.pixels {
            Some(Pixels::Side(side)) if t.pixels != Some(UNSETTLED) && side < image.input => {
                return wrong("pixels", side.to_string(), "`original`, or a side of at least `input`");
            }
            _ => {}
        }
    }
    Ok(())
}

/// Properties of a run that are options rather than settings of model or training.
const OPTIONS: [&str; 8] = ["dataset", "split", "fold", "seed", "init", "weights", "device", "threads"];

impl ConfigError {
    /// A hint.
    pub fn hint(&self) -> Option<String> {
        match self {
            ConfigError::UnknownModel { name, .. } if name.contains(['/', '.']) => {
                Some("the name of a network's file ends in .toml".to_owned())
            }
            ConfigError::UnknownModel { similar, .. } if !similar.is_empty() => Some(meant(similar)),
            ConfigError::UnknownModel { .. } => {
                Some(format!("known models: {}", network::names().join(", ")))
            }
            ConfigError::UnknownKey { origin, key, .. }
                if origin.starts_with("--set") && OPTIONS.contains(&&**key) =>
            {
                Some(format!("it has its own option: --{key}"))
            }
            ConfigError::UnknownKey { similar, .. } if !similar.is_empty() => Some(meant(similar)),
            ConfigError::UnknownKey { known, .. } => Some(format!("its settings are {}", known.join(", "))),
            ConfigError::NotAPair(_) => Some("for example --set epochs=5".to_owned()),
            ConfigError::Network { source, .. } => source.hint.clone(),
            ConfigError::NetworkName { path, name, .. } => {
                let renamed = path.with_file_name(format!("{}.toml", another_name(name)));
                let [from, to] = [path, &renamed].map(|path| shell(&path.to_string_lossy()));
                Some(format!("give it another name: `mv {from} {to}`"))
            }
            ConfigError::Layers(e) => {
                let fields = e.possible().iter().map(|(field, value)| shell(&format!("{field}={value}")));
                let set: Vec<String> = fields.map(|pair| format!("--set {pair}")).collect();
                (!set.is_empty()).then(|| format!("for example {}", set.join(" ")))
            }
            ConfigError::Toml { .. } | ConfigError::IllTyped { .. } | ConfigError::OutOfRange { .. } => None,
        }
    }
}

/// A name for a network of one's own, like the wanted one.
fn another_name(wanted: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-+".contains(c) { c } else { '_' };
    let mut name: String = format!("my-{wanted}").chars().map(plain).collect();
    name.truncate(64);
    name
}

/// Why a text is no TOML, with its place. The parser prints the whole line, which is cut to what a screen shows.
pub(crate) fn toml_reason(e: &toml::de::Error) -> String {
    const SHOWN: usize = 160;
    let text = e.to_string();
    let lines = text.trim_end().lines().map(|line| match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(model: &str, file: Option<&str>, set: &[&str]) -> Result<(Model, Training), ConfigError> {
        resolve(&Overrides {
            model: model.to_owned(),
            network: None,
            init: None,
            file: file.map(|text| ("run.toml".into(), text.to_owned())),
            set: set.iter().map(|&pair| pair.to_owned()).collect(),
        })
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_the_file_over_the_preset() {
        let file = "epochs = 7\n[training.augmentation]\nflip = 0\n[model.image]\ninput = 64\n";
        let (model, training) =
            with("resnet50-1channel", Some(file), &["epochs=3", "loss=class-balanced"]).unwrap();
        assert_eq!((training.epochs, training.batch), (3, 16));
        assert_eq!(training.augmentation.unwrap().flip, 0.0);
        assert_eq!(training.loss, crate::records::Loss::ClassBalanced);
        let image = model.architecture.image().unwrap();
        assert_eq!((image.input, image.resize), (64, 73));
    }

    #[test]
    fn nothing_can_be_asked_for_with_none_and_lists_as_in_toml() {
        let (model, training) =
            with("tiny", None, &["augmentation=none", "widths=[4,8]", "resize=70"]).unwrap();
        assert_eq!(training.augmentation, None);
        assert_eq!(network::settings(&model.architecture), [("widths", serde_json::json!([4, 8]))]);
        assert_eq!(model.architecture.image().unwrap().resize, 70);
    }

    #[test]
    fn an_unknown_key_is_named_with_the_nearest_one() {
        let error = with("mlp", None, &["epoch=3"]).unwrap_err();
        assert_eq!(error.to_string(), "--set epoch=3: mlp has no setting `epoch`");
        assert_eq!(error.hint().unwrap(), "did you mean `epochs`?");
        let error = with("mlp", Some("[training]\nbatchsize = 3"), &[]).unwrap_err();
        assert_eq!(error.to_string(), "run.toml: mlp has no setting `batchsize`");
        let hint = error.hint().unwrap();
        assert!(hint.starts_with("its settings are ") && hint.contains("batch"), "{hint}");
        let error = with("mlp", None, &["seed=2"]).unwrap_err();
        assert_eq!(error.hint().unwrap(), "it has its own option: --seed");
        for fixed in ["name=x", "head=x", "layers=[]", "image=none", "zzz=1"] {
            assert!(matches!(with("tiny", None, &[fixed]), Err(ConfigError::UnknownKey { .. })), "{fixed}");
        }
    }

    #[test]
    fn an_ill_typed_or_impossible_value_is_named() {
        let error = with("mlp", None, &["epochs=many"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--set epochs=many: `epochs` cannot be \"many\": it must be a whole number"
        );
        let error = with("mlp", None, &["lr=nan"]).unwrap_err();
        assert_eq!(error.to_string(), "--set lr=nan: `lr` cannot be \"nan\": it must be a number");
        for wrong in [
            "epochs=0",
            "epochs=-1",
            "lr=0",
            "lr=nan",
            "beta1=1",
            "flip=2",
            "crop_area=[0.5,0.1]",
            "input=4",
            "resize=10",
            "channels=2",
            "channels=3",
            "std=[0]",
            "widths=[]",
            "widths=[0]",
            "lr_factor=0",
        ] {
            let error = with("tiny", None, &[wrong]).unwrap_err();
            let key = wrong.split('=').next().unwrap();
            let named = if key == "channels" && wrong.ends_with('3') { "mean" } else { key };
            assert!(error.to_string().contains(&format!("`{named}`")), "{wrong}: {error}");
        }
        assert!(matches!(with("mlp", None, &["epochs"]), Err(ConfigError::NotAPair(_))));
        assert!(matches!(with("mlp", Some("epochs = "), &[]), Err(ConfigError::Toml { .. })));
        let hint = |model: &str| with(model, None, &[]).unwrap_err().hint().unwrap();
        assert_eq!(hint("resnet51"), "did you mean `resnet50`?");
        assert!(hint("vgg16").starts_with("known models: densenet121, "), "{}", hint("vgg16"));
    }

    #[test]
    fn a_layer_s_setting_that_is_impossible_has_one_that_is_possible_as_its_hint() {
        for (model, wrong) in [
            ("tiny", "widths=[]"),
            ("tiny", "widths=[0]"),
            ("tiny", "channels=2"),
            ("tiny", "channels=3"),
            ("tiny", "std=[0]"),
            ("tiny", "resize=10"),
            ("tiny", "input=4"),
            ("tiny", "input=9000"),
            ("mlp", "hidden=[]"),
            ("mlp", "meta=false"),
            ("resnet18", "blocks=[2,0,2,2]"),
            ("densenet121", "growth=0"),
        ] {
            let error = with(model, None, &[wrong]).unwrap_err();
            let hint = error.hint().unwrap_or_else(|| panic!("{wrong}: {error}"));
            let typed = hint.strip_prefix("for example --set ").expect(&hint);
            let typed: Vec<&str> = typed.split(" --set ").map(|pair| pair.trim_matches('\'')).collect();
            let all: Vec<&str> = [wrong].into_iter().chain(typed).collect();
            with(model, None, &all).unwrap_or_else(|e| panic!("{wrong}: {hint}: {e}"));
        }
    }

    #[test]
    fn a_network_s_file_of_another_s_name_or_of_none_is_renamed_by_its_hint() {
        for (path, renamed) in [
            ("nets/tiny.toml", "mv nets/tiny.toml nets/my-tiny.toml"),
            ("a net.toml", "mv 'a net.toml' my-a_net.toml"),
            ("cafe01.toml", "mv cafe01.toml my-cafe01.toml"),
        ] {
            let text = "head = 'fc'\nlayers = [{ layer = 'dense', name = 'hidden', hidden = [4] }]\n";
            let of = |path: &str| {
                let network = Some((path.into(), text.to_owned()));
                resolve(&Overrides { model: path.to_owned(), network, ..Overrides::default() })
            };
            let hint = of(path).unwrap_err().hint().unwrap();
            assert_eq!(hint, format!("give it another name: `{renamed}`"));
            let (model, _) = of(renamed.rsplit(' ').next().unwrap()).unwrap();
            assert!(model.name.starts_with("my-"), "{}", model.name);
        }
    }
}
