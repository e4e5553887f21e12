//! The one reader of weights in safetensors: of `reg`, at import, and of the worker, which computes with them.
//!
//! The bytes that were imported stay the object that they are. What a network needs of them (32 bits, names without
//! the prefix of a wrapper) is made each time that they are read, always in the same way.

use std::collections::{BTreeMap, BTreeSet};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::limits;

/// What wrappers put before the names of the network that they hold.
const PREFIXES: &[&str] =
    &["module.", "model.", "_orig_mod.", "backbone.", "encoder.", "net.", "network.", "densenet121."];
/// Where the layers of a DenseNet are, by whose names the older spellings are recognized.
const DENSENET: &str = "features.";
/// PyTorch's counters of batches, and TorchXRayVision's thresholds: no network of `reg` uses them.
const UNUSED: &[&str] = &["num_batches_tracked", THRESHOLDS];
/// TorchXRayVision's thresholds of scores.
const THRESHOLDS: &str = "op_threshs";

/// The tensors of a file under the names that networks have.
#[derive(Debug)]
pub struct WeightsFile<'a> {
    tensors: BTreeMap<String, TensorView<'a>>,
    /// The prefixes that were taken off names, sorted.
    pub prefixes: BTreeSet<&'static str>,
    /// Number of tensors with an older name of a DenseNet's layers, which is read as today's.
    pub renamed: u64,
}

impl<'a> WeightsFile<'a> {
    /// Reads the bytes of a safetensors file.
    ///
    /// # Errors
    /// One clause: what is no safetensors file, has no tensors, or has two tensors of one name without prefixes.
    pub fn read(bytes: &'a [u8]) -> Result<Self, String> {
        if let Some(length) = bytes.first_chunk()
            && u64::from_le_bytes(*length) > limits::WEIGHTS_HEADER
        {
            return Err("it does not start with the length of a header".to_owned());
        }
        let file = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
        let (mut tensors, mut prefixes, mut renamed) = (BTreeMap::new(), BTreeSet::new(), 0);
        let bare: Vec<_> = file.iter().map(|(name, view)| (bare(name, &mut prefixes), view)).collect();
        let is_densenet = bare.iter().any(|(name, _)| name.starts_with(DENSENET));
        for (name, view) in bare {
            let today = if is_densenet { of_densenet(name) } else { None };
            renamed += u64::from(today.is_some());
            let today = today.unwrap_or_else(|| name.to_owned());
            if tensors.contains_key(&today) {
                return Err(format!("two of its tensors have the current name {today:?}"));
            }
            tensors.insert(today, view);
        }
        match tensors.is_empty() {
            true => Err("it contains no tensors".to_owned()),
            false => Ok(WeightsFile { tensors, prefixes, renamed }),
        }
    }

    /// Names without prefixes and tensors, by name.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &TensorView<'a>)> {
        self.tensors.iter().map(|(name, view)| (name.as_str(), view))
    }

    /// Whether the file is of TorchXRayVision, whose networks take pixels from -1024 to 1024.
    pub fn is_of_torchxrayvision(&self) -> bool {
        self.tensors.contains_key(THRESHOLDS)
    }

    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<&TensorView<'a>> {
        self.tensors.get(name)
    }

    /// Whether a network could use a tensor of this name: all but counters of batches and thresholds of scores.
    pub fn is_used(name: &str) -> bool {
        !name.rsplit('.').next().is_some_and(|last| UNUSED.contains(&last))
    }

    /// The types of numbers that are converted to 32 bits, sorted by their names.
    pub fn converted(&self) -> BTreeSet<String> {
        let other = self.tensors.values().map(|view| view.dtype());
        other
            .filter(|d| matches!(d, Dtype::F16 | Dtype::BF16 | Dtype::F64))
            .map(|d| format!("{d:?}"))
            .collect()
    }

    /// Refuses weights with which every score would be NaN.
    ///
    /// # Errors
    /// One clause that names the first tensor with a NaN, an infinity or a negative variance.
    pub fn check_finite(&self) -> Result<(), String> {
        // TorchXRayVision has NaN for labels that a data set lacks.
        for (name, view) in self.tensors.iter().filter(|(name, _)| WeightsFile::is_used(name)) {
            let Some(numbers) = values(view) else { continue };
            if let (Dtype::F64, Some(at)) = (view.dtype(), numbers.iter().position(|v| v.is_infinite())) {
                let exact = view.data().as_chunks().0.get(at).map_or(f64::NAN, |b| f64::from_le_bytes(*b));
                if exact.is_finite() {
                    return Err(format!(
                        "tensor {name} holds {exact:e} at value {at}, which 32 bits cannot hold"
                    ));
                }
            }
            sound(name, &numbers)?;
        }
        Ok(())
    }

    /// The types of numbers with which no network can start, such as those of quantised weights, each with the first
    /// tensor that has it.
    pub fn unusable(&self) -> BTreeMap<String, &str> {
        let mut found = BTreeMap::new();
        for (name, view) in self.tensors().filter(|(name, _)| WeightsFile::is_used(name)) {
            if !is_float(view) {
                found.entry(format!("{:?}", view.dtype())).or_insert(name);
            }
        }
        found
    }
}

/// Whether a tensor has numbers that are read as 32-bit floats.
pub fn is_float(view: &TensorView) -> bool {
    matches!(view.dtype(), Dtype::F32 | Dtype::F64 | Dtype::F16 | Dtype::BF16)
}

/// The values of a tensor as 32-bit floats; `None` for integers and packed types.
pub fn values(view: &TensorView) -> Option<Vec<f32>> {
    let data = view.data();
    Some(match view.dtype() {
        Dtype::F32 => data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F64 => data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        Dtype::BF16 => data
            .as_chunks()
            .0
            .iter()
            .map(|b| f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16))
            .collect(),
        Dtype::F16 => data.as_chunks().0.iter().map(|b| half(u16::from_le_bytes(*b))).collect(),
        _ => return None,
    })
}

/// The tensors of a file with their number of values.
pub fn sizes(bytes: &[u8]) -> Result<Vec<(String, u64)>, String> {
    let file = WeightsFile::read(bytes)?;
    let numbers = |shape: &[usize]| shape.iter().map(|side| *side as u64).product();
    Ok(file.tensors().map(|(name, view)| (name.to_owned(), numbers(view.shape()))).collect())
}

/// What is learnt by other means than the gradient, or not used: the running statistics of BatchNorm, counters of batches,
/// thresholds of scores. It does not count as parameters.
const BUFFERS: [&str; 4] = ["running_mean", "running_var", "num_batches_tracked", THRESHOLDS];

/// Number of values in tensors, given by name, without buffers.
pub fn parameters(tensors: &[(String, u64)]) -> u64 {
    let is_parameter = |name: &str| !name.rsplit('.').next().is_some_and(|last| BUFFERS.contains(&last));
    tensors.iter().filter(|(name, _)| is_parameter(name)).map(|(_, numbers)| numbers).sum()
}

/// Whether values can be computed with: finite, and variances not negative.
///
/// # Errors
/// One clause that names the tensor and the place.
pub fn sound(name: &str, values: &[f32]) -> Result<(), String> {
    let variance = name.ends_with("running_var");
    match values.iter().position(|v| !v.is_finite() || variance && *v < 0.0) {
        None => Ok(()),
        Some(at) if values[at].is_finite() => {
            Err(format!("tensor {name} holds a negative variance at value {at}"))
        }
        Some(at) => Err(format!("tensor {name} holds {} at value {at}", values[at])),
    }
}

/// An IEEE half as a float: exact.
fn half(bits: u16) -> f32 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// Today's name of a tensor of a DenseNet; none where it has that name already.
///
/// Files of torchvision's first DenseNets, CheXNet's among them, have a point before the number of a layer
/// (`denselayer1.norm.1.weight`), and networks whose last layer is a sequence call that `classifier.0`.
fn of_densenet(name: &str) -> Option<String> {
    if let Some(rest) = name.strip_prefix("classifier.0.") {
        return Some(format!("classifier.{rest}"));
    }
    let (before, after) = name.split_once("denselayer")?;
    let (number, layer) = after.split_once('.')?;
    let (kind, rest) = ["norm", "conv"].iter().find_map(|kind| {
        let rest = layer.strip_prefix(kind)?.strip_prefix('.')?;
        Some((kind, rest)).filter(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()))
    })?;
    Some(format!("{before}denselayer{number}.{kind}{rest}"))
}

/// A name without the prefixes of wrappers, which are noted.
fn bare<'n>(mut name: &'n str, found: &mut BTreeSet<&'static str>) -> &'n str {
    while let Some((prefix, rest)) = PREFIXES
        .iter()
        .find_map(|prefix| Some((*prefix, name.strip_prefix(prefix)?)))
        .filter(|(_, r)| !r.is_empty())
    {
        found.insert(prefix);
        name = rest;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn halves_and_prefixes_are_read_and_said() {
        let header = r#"{"module.model.a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},"module.b":{"dtype":"BF16","shape":[1],"data_offsets":[8,10]}}"#;
        let data: Vec<u8> =
            [0x3c00u16, 0xc000, 0x0001, 0x7bff, 0x3fc0].iter().flat_map(|n| n.to_le_bytes()).collect();
        let bytes = file(header, &data);
        let read = WeightsFile::read(&bytes).unwrap();
        assert_eq!(values(read.get("a").unwrap()).unwrap(), [1.0, -2.0, 2f32.powi(-24), 65504.0]);
        assert_eq!(values(read.get("b").unwrap()).unwrap(), [1.5]);
        assert_eq!(read.prefixes, BTreeSet::from(["model.", "module."]));
        assert_eq!(read.converted(), BTreeSet::from(["BF16".to_owned(), "F16".to_owned()]));
        assert!(half(0x7c00) == f32::INFINITY && half(0x7e00).is_nan());
    }

    #[test]
    fn older_names_of_densenets_are_read_as_those_of_today() {
        let tensor = |name: &str, at: usize| {
            format!(r#""{name}":{{"dtype":"F32","shape":[1],"data_offsets":[{},{}]}}"#, 4 * at, 4 * at + 4)
        };
        let of = |names: &[&str]| {
            let tensors: Vec<String> = names.iter().enumerate().map(|(at, name)| tensor(name, at)).collect();
            file(&format!("{{{}}}", tensors.join(",")), &vec![0; 4 * names.len()])
        };
        let bytes = of(&[
            "module.densenet121.features.denseblock1.denselayer12.norm.1.weight",
            "module.densenet121.features.denseblock1.denselayer12.conv.2.weight",
            "module.densenet121.features.norm5.weight",
            "module.densenet121.classifier.0.weight",
        ]);
        let read = WeightsFile::read(&bytes).unwrap();
        let names: Vec<&str> = read.tensors().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "classifier.weight",
                "features.denseblock1.denselayer12.conv2.weight",
                "features.denseblock1.denselayer12.norm1.weight",
                "features.norm5.weight"
            ]
        );
        assert_eq!((read.renamed, read.prefixes.len()), (3, 2));
        // A network with other layers keeps its names.
        let other = of(&["classifier.0.weight", "denselayer1.norm.1.weight"]);
        assert_eq!(WeightsFile::read(&other).unwrap().renamed, 0);
        let twice = of(&["features.a", "classifier.0.bias", "classifier.bias"]);
        assert!(WeightsFile::read(&twice).unwrap_err().contains("classifier.bias"));
        assert!(!WeightsFile::is_used("op_threshs") && WeightsFile::is_used("features.a"));
    }

    #[test]
    fn what_the_format_forbids_is_refused() {
        let one = |dtype: &str, from: u32, to: u32| {
            format!(r#"{{"x":{{"dtype":"{dtype}","shape":[2],"data_offsets":[{from},{to}]}}}}"#)
        };
        let overlap = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#;
        let twice = r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"module.a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#;
        let metadata = r#"{"__metadata__":{"a":1},"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
        for (header, length) in [
            (one("F32", 0, 8), 7),
            (one("F32", 0, 8), 9),
            (one("F32", 4, 12), 12),
            (one("F99", 0, 8), 8),
            (one("F32", 0, 4), 4),
            (overlap.to_owned(), 12),
            (twice.to_owned(), 2),
            (metadata.to_owned(), 1),
            ("{}".to_owned(), 0),
            ("[".to_owned(), 0),
        ] {
            assert!(WeightsFile::read(&file(&header, &vec![0; length])).is_err(), "{header} {length}");
        }
        assert!(WeightsFile::read(&file(&one("F32", 0, 8), &[0; 8])).is_ok());
    }

    #[test]
    fn numbers_that_poison_scores_are_named() {
        assert!(sound("a", &[0.0, f32::NAN]).unwrap_err().contains("tensor a holds NaN at value 1"));
        assert!(sound("bn.running_var", &[-1.0]).unwrap_err().contains("negative variance"));
        assert!(sound("bn.running_mean", &[-1.0]).is_ok());
    }
}
