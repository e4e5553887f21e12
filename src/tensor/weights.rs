//! Converts tensors to safetensors bytes and back. Pickle is never read, because it can run code.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, BufWriter, Write};

use reg::hash::Hash;
use reg::records::tensors::{self, WeightsFile};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo, TensorView, View};
use tch::{Device, Tensor};

use crate::error::TensorError;
use crate::net::Net;

type Result<T> = std::result::Result<T, TensorError>;

/// Which tensors of a file may differ in shape from those of the network.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Fit {
    /// None: the file is a checkpoint of this model.
    Whole,
    /// The last dense layer, which then keeps its initial values.
    Body,
}

/// A tensor's values as bytes, little endian, channels first. Refuses values that are not finite.
fn bytes(name: &str, tensor: &Tensor) -> Result<Vec<u8>> {
    let tensor = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous()?;
    let mut values = vec![0f32; tensor.numel()];
    tensor.f_copy_data(&mut values, tensor.numel())?;
    tensors::sound(name, &values).map_err(TensorError::NotFinite)?;
    Ok(values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

/// Copies values into a tensor, which keeps its layout and device.
pub(crate) fn fill(tensor: &Tensor, values: &[f32]) -> Result<()> {
    let _off = tch::no_grad_guard();
    let source = Tensor::f_from_slice(values)?.f_reshape(tensor.size())?;
    Ok(tensor.shallow_clone().f_copy_(&source)?)
}

/// The values of a stored tensor that has the shape of a tensor of the network.
pub(crate) fn matching(tensor: &Tensor, view: &TensorView) -> Option<Vec<f32>> {
    let shape = view.shape().iter().map(|n| *n as i64);
    shape.eq(tensor.size()).then(|| tensors::values(view))?
}

/// One tensor of a safetensors file.
pub(crate) struct Entry {
    name: String,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Entry {
    /// A copy of a tensor of the network.
    pub(crate) fn tensor(name: String, tensor: &Tensor) -> Result<Self> {
        let shape = tensor.size().iter().map(|n| *n as usize).collect();
        let bytes = bytes(&name, tensor)?;
        Ok(Entry { name, shape, bytes })
    }
}

impl View for &Entry {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// The bytes of a safetensors file, sorted by name, so that the same entries give the same bytes.
fn encode(entries: &[Entry]) -> Vec<u8> {
    let entries = entries.iter().map(|entry| (&entry.name, entry));
    safetensors::serialize(entries, None).expect("memory takes every byte, and shapes do not overflow")
}

/// Writes a safetensors file with a note, a tensor at a time: the crate itself writes to a path or to memory only.
pub(crate) fn write_to(out: impl Write, entries: &[Entry], (key, text): (&str, String)) -> io::Result<()> {
    let mut entries: Vec<&Entry> = entries.iter().collect();
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let mut end = 0;
    let mut infos = Vec::new();
    for entry in &entries {
        let data_offsets = (end, end + entry.bytes.len());
        end = data_offsets.1;
        infos.push((
            entry.name.clone(),
            TensorInfo { dtype: Dtype::F32, shape: entry.shape.clone(), data_offsets },
        ));
    }
    let notes = HashMap::from([(key.to_owned(), text)]);
    let metadata = Metadata::new(Some(notes), infos).map_err(io::Error::other)?;
    let mut header = serde_json::to_vec(&metadata)?;
    // Data begin at a multiple of eight.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut out = BufWriter::new(out);
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    entries.iter().try_for_each(|entry| out.write_all(&entry.bytes))?;
    out.flush()
}

/// The network's parameters and buffers as a checkpoint.
pub(crate) fn checkpoint(net: &Net) -> Result<Vec<u8>> {
    let entries = net.named.iter().map(|n| Entry::tensor(n.name.clone(), &n.tensor));
    Ok(encode(&entries.collect::<Result<Vec<_>>>()?))
}

/// Loads the safetensors `file`, whose object is `id`, into a network.
///
/// Every tensor of the network must be present with its shape, and no others except for torchvision's counters
/// of batches; `fit` permits exceptions.
pub(crate) fn load(net: &Net, file: &[u8], id: Hash, fit: Fit) -> Result<()> {
    let wrong = |reason: String| TensorError::Weights { id, reason };
    let file =
        WeightsFile::read(file).map_err(|e| wrong(format!("they are not a safetensors file ({e})")))?;
    for entry in &net.named {
        let skippable = fit == Fit::Body && net.is_head(&entry.name);
        let Some(view) = file.get(&entry.name) else {
            if skippable {
                continue;
            }
            return Err(wrong(format!("tensor {} is missing", entry.name)));
        };
        if let Some(values) = matching(&entry.tensor, view) {
            tensors::sound(&entry.name, &values).map_err(wrong)?;
            fill(&entry.tensor, &values)?;
        } else if net.plan().first_conv() == entry.name.strip_suffix(".weight")
            && view.shape().get(1) == Some(&3)
            && entry.tensor.size()[1] == 1
        {
            return Err(TensorError::Channels { id });
        } else if !skippable {
            let (found, dtype) = (view.shape(), view.dtype());
            let expected = entry.tensor.size();
            return Err(wrong(format!(
                "tensor {} is {dtype:?} {found:?}, expected F32 {expected:?}",
                entry.name
            )));
        }
    }
    let known = |name: &str| net.named.iter().any(|entry| entry.name == name);
    let mut names = file.tensors().map(|(name, _)| name);
    match names.find(|name| !known(name) && WeightsFile::is_used(name)) {
        Some(name) => Err(wrong(format!("the model has no tensor {name}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{InitialValues, Memory};
    use crate::net::resnet;

    fn net(channels: u32, blocks: [u32; 4], labels: u32, seed: u64) -> Net {
        let model = resnet(blocks, channels, 32, false, false);
        Net::build(&model, labels, InitialValues::Drawn(seed), Memory::CPU).unwrap()
    }

    fn tensor(net: &Net, name: &str) -> Vec<u8> {
        bytes(name, &net.named.iter().find(|entry| entry.name == name).unwrap().tensor).unwrap()
    }

    #[test]
    fn weights_fit_by_name_and_shape_or_the_tensor_is_named() {
        let id = Hash::of(b"");
        let blocks = [1, 1, 1, 1];
        let given = net(3, blocks, 10, 1);
        let file = checkpoint(&given).unwrap();
        assert!(file == checkpoint(&given).unwrap(), "the same bytes each time");

        let same = net(3, blocks, 10, 2);
        load(&same, &file, id, Fit::Whole).unwrap();
        assert!(checkpoint(&same).unwrap() == file);

        let other_labels = net(3, blocks, 15, 2);
        let head = tensor(&other_labels, "fc.weight");
        let error = load(&other_labels, &file, id, Fit::Whole).unwrap_err().to_string();
        assert!(error.contains("fc.weight is F32 [10, 2048], expected F32 [15, 2048]"), "{error}");
        load(&other_labels, &file, id, Fit::Body).unwrap();
        assert!(tensor(&other_labels, "fc.weight") == head);
        assert!(tensor(&other_labels, "layer4.0.conv2.weight") == tensor(&given, "layer4.0.conv2.weight"));

        let error = load(&net(1, blocks, 10, 2), &file, id, Fit::Body).unwrap_err();
        assert!(matches!(error, TensorError::Channels { .. }) && error.hint().is_some(), "{error}");
        let deeper = load(&net(3, [2, 1, 1, 1], 10, 2), &file, id, Fit::Body).unwrap_err().to_string();
        assert!(deeper.contains("layer1.1.conv1.weight is missing"), "{deeper}");

        let other = |name: &str| Entry { name: name.into(), shape: vec![1], bytes: vec![0; 4] };
        let mut entries = vec![other("extra"), other("bn1.num_batches_tracked")];
        entries.extend(given.named.iter().map(|n| Entry::tensor(n.name.clone(), &n.tensor).unwrap()));
        let error = load(&same, &encode(&entries), id, Fit::Whole).unwrap_err().to_string();
        assert!(error.contains("has no tensor extra"), "{error}");
        load(&same, &encode(&entries[1..]), id, Fit::Whole).unwrap();
    }
}
