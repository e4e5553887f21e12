//! The one reader of weights in safetensors: of `reg`, at import, and of the worker, which computes with them.
//!
//! The bytes that were imported stay the object that they are. What a network needs of them (32 bits, names without
//! the prefix of a wrapper) is made each time that they are read, always in the same way.

use std::collections::{BTreeMap, BTreeSet};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::limits;

/// What wrappers put before the names of the network that they hold.
const PREFIXES: &[&str] = &["module.", "model.", "_orig_mod.", "backbone.", "encoder.", "net.", "network."];
/// PyTorch's counters of batches, which no network of `reg` uses.
const COUNTER: &str = "num_batches_tracked";

/// The tensors of a file under the names that networks have.
#[derive(Debug)]
pub struct WeightsFile<'a> {
    tensors: BTreeMap<String, TensorView<'a>>,
    /// The prefixes that were taken off names, sorted.
    pub prefixes: BTreeSet<&'static str>,
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
        let (mut tensors, mut prefixes) = (BTreeMap::new(), BTreeSet::new());
        for (name, view) in file.iter() {
            let bare = bare(name, &mut prefixes);
            if tensors.insert(bare.to_owned(), view).is_some() {
                return Err(format!("two of its tensors are {bare:?} without their prefixes"));
            }
        }
        match tensors.is_empty() {
            true => Err("it contains no tensors".to_owned()),
            false => Ok(WeightsFile { tensors, prefixes }),
        }
    }

    /// Names without prefixes and tensors, by name.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &TensorView<'a>)> {
        self.tensors.iter().map(|(name, view)| (name.as_str(), view))
    }

    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<&TensorView<'a>> {
        self.tensors.get(name)
    }

    /// Whether a network could use a tensor of this name: all but counters of batches.
    pub fn is_used(name: &str) -> bool {
        name.rsplit('.').next() != Some(COUNTER)
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
        for (name, view) in &self.tensors {
            let Some(values) = values(view) else { continue };
            sound(name, &values)?;
        }
        Ok(())
    }

    /// What is missing and what is left over for the network that the names come closest to; `None` if a network has
    /// exactly these, with or without the last layer.
    pub fn misfit(&self) -> Option<String> {
        let names: BTreeSet<&str> =
            self.tensors.keys().map(String::as_str).filter(|name| Self::is_used(name)).collect();
        let begins = |with: &str| names.iter().any(|name| name.starts_with(with));
        let (family, expected) = if begins("layer") || begins("conv1.") {
            ("a ResNet with bottlenecks", resnet(&names))
        } else if begins("features.0.conv.") {
            ("the network `tiny`", numbered(&names, "features.", &["conv.weight"], Some("bn")))
        } else if begins("hidden.") {
            ("the network `mlp`", numbered(&names, "hidden.", &["weight", "bias"], None))
        } else {
            return Some(format!("its tensors have the names of no network of reg: {}", some(names.iter())));
        };
        let missing: Vec<&String> = expected.iter().filter(|name| !names.contains(name.as_str())).collect();
        let left: Vec<&&str> = names
            .iter()
            .filter(|name| !expected.contains(**name) && !matches!(**name, "fc.weight" | "fc.bias"))
            .collect();
        let parts = [("missing", some(missing.iter())), ("left over", some(left.iter()))];
        let parts: Vec<String> =
            parts.iter().filter(|(_, of)| !of.is_empty()).map(|(what, of)| format!("{what}: {of}")).collect();
        (!parts.is_empty()).then(|| format!("it does not fit {family}; {}", parts.join("; ")))
    }
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

/// The first three of a list, and how many more there are.
fn some<S: AsRef<str>>(names: impl ExactSizeIterator<Item = S>) -> String {
    let more = names.len().saturating_sub(3);
    let shown: Vec<String> = names.take(3).map(|name| name.as_ref().to_owned()).collect();
    match more {
        0 => shown.join(", "),
        _ => format!("{} and {} more", shown.join(", "), crate::digits::thousands(more as u64)),
    }
}

fn norm(name: &str) -> [String; 4] {
    ["weight", "bias", "running_mean", "running_var"].map(|part| format!("{name}.{part}"))
}

/// One more than the largest number after a prefix.
fn count(names: &BTreeSet<&str>, prefix: &str) -> u32 {
    let numbers = names.iter().filter_map(|name| name.strip_prefix(prefix)?.split('.').next()?.parse().ok());
    // No network is deeper; a larger number is left over.
    numbers.filter(|n| *n < 1000).max().map_or(0, |n: u32| n + 1)
}

fn resnet(names: &BTreeSet<&str>) -> BTreeSet<String> {
    let mut all = BTreeSet::from(["conv1.weight".to_owned()]);
    all.extend(norm("bn1"));
    for layer in 1..=4 {
        for block in 0..count(names, &format!("layer{layer}.")).max(1) {
            let at = format!("layer{layer}.{block}");
            for part in 1..=3 {
                all.insert(format!("{at}.conv{part}.weight"));
                all.extend(norm(&format!("{at}.bn{part}")));
            }
            if block == 0 {
                all.insert(format!("{at}.downsample.0.weight"));
                all.extend(norm(&format!("{at}.downsample.1")));
            }
        }
    }
    all
}

fn numbered(names: &BTreeSet<&str>, prefix: &str, parts: &[&str], bn: Option<&str>) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for number in 0..count(names, prefix) {
        all.extend(parts.iter().map(|part| format!("{prefix}{number}.{part}")));
        all.extend(bn.into_iter().flat_map(|bn| norm(&format!("{prefix}{number}.{bn}"))));
    }
    all
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
        assert!(read.misfit().unwrap().contains("no network of reg: a, b"));
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
