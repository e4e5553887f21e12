//! The features of images from a frozen network, without its last layer: computed once per data set and cached
//! like pixels.
//!
//! Images are processed in groups that depend only on the manifest, because the sums in a batch may depend on
//! its size: so the features of an image are the same whichever fold needs them first.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use reg::disk::Dir;
use reg::hash::Hash;
use reg::records::codec::canonical;
use reg::store::Slots;
use reg::worker::{Phase, ProgressStep, WorkerEvent};
use serde_json::json;
use tch::{Device, Tensor};

use crate::error::TensorError;
pub(crate) use crate::feature_rows::Features;
use crate::identity;
use crate::images::{Crop, ImageDataset};
use crate::net::Net;
use crate::predict::Inputs;
use crate::reporter::{Pace, Reporter};

type Result<T> = std::result::Result<T, TensorError>;

/// Number of images that the network processes at once.
const GROUP: usize = 32;

impl Features {
    /// Computes the features of `rows`, which ascend, or reads them from `cache`. The network has frozen
    /// layers, which `weights` and `threads` determine.
    pub(crate) fn compute<W: Write>(
        net: &Net,
        inputs: &Inputs,
        (weights, threads): (Hash, u32),
        rows: &[u32],
        cache: &Dir,
        reporter: &mut Reporter<W>,
    ) -> Result<Self> {
        let (Some(dataset), Some(image)) = (inputs.images.dataset(), inputs.model.architecture.image())
        else {
            return Err(TensorError::Settings("features are those of a data set's images".into()));
        };
        if let Some(row) = rows.iter().find(|row| dataset.source(**row).is_none()) {
            return Err(TensorError::NoPixels { name: inputs.images.name(*row) });
        }
        let width = net.features() as usize;
        let slots = open(inputs, dataset, weights, threads, width, cache)
            .map_err(TensorError::file("open", cache.path()))?;
        let mut groups: Vec<usize> = rows.iter().map(|row| *row as usize / GROUP).collect();
        groups.dedup();
        let at = ProgressStep {
            phase: Phase::Features,
            epoch: 0,
            epochs: 0,
            done: 0,
            total: groups.len() as u64 * GROUP as u64,
            rate: 0.0,
            loss: None,
            left: None,
        };
        let mut kept = true;
        let mut found: Vec<Option<Vec<u8>>> = Vec::new();
        let mut missing: Vec<Vec<u32>> = Vec::new();
        for group in &groups {
            let members = members(dataset, *group);
            let bytes = slots.get(*group, &source(dataset, &members));
            if bytes.is_none() {
                missing.push(members);
            }
            found.push(bytes);
        }
        let mut done = at.total - (missing.len() * GROUP) as u64;
        let pace = Pace::begin(ProgressStep { done, ..at });
        let mut computed = Vec::new();
        let view = Some((image, Crop::Evaluation));
        let _off = tch::no_grad_guard();
        inputs.images.for_each_batch(&missing, view, |rows, squares| {
            let features = inputs.body(net, rows, squares)?.f_to_device(Device::Cpu)?.f_contiguous()?;
            let mut values = vec![0f32; features.numel()];
            features.f_copy_data(&mut values, features.numel())?;
            let mut bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            // Images without a file leave the end of their group's slot empty.
            bytes.resize(GROUP * width * 4, 0);
            let group = rows[0] as usize / GROUP;
            let length = group_length(dataset.len(), group) * width * 4;
            if let (true, Err(e)) = (kept, slots.put(group, &source(dataset, rows), &bytes[..length])) {
                kept = false;
                let message = format!("features are not cached in {}: {e}", cache.path().display());
                reporter.send(&WorkerEvent::Note { message })?;
            }
            computed.push(bytes);
            done += GROUP as u64;
            reporter.progress(pace.step(done, None, None))
        })?;

        let mut computed = computed.into_iter();
        let mut values: Vec<f32> = Vec::with_capacity(rows.len() * width);
        let mut places = HashMap::new();
        let mut wanted = rows.iter().peekable();
        for (group, bytes) in groups.iter().zip(found) {
            let bytes = bytes.or_else(|| computed.next()).expect("what was not found was computed");
            let members = members(dataset, *group);
            while let Some(row) = wanted.next_if(|row| **row as usize / GROUP == *group) {
                let place = members.iter().position(|member| member == row).expect("a row with a file");
                let start = place * width * 4;
                let of_image = bytes[start..start + width * 4].chunks_exact(4);
                places.insert(*row, places.len() as i64);
                values.extend(of_image.map(|b| f32::from_le_bytes(b.try_into().expect("four bytes"))));
            }
        }
        let values = Tensor::f_from_slice(&values)?.f_reshape([places.len() as i64, width as i64])?;
        Ok(Features { values: values.f_to_device(inputs.memory.device)?, places })
    }
}

/// Rows of a group that have a file.
fn members(dataset: &ImageDataset, group: usize) -> Vec<u32> {
    let start = group * GROUP;
    let rows = start as u32..(start + group_length(dataset.len(), group)) as u32;
    rows.filter(|row| dataset.source(*row).is_some()).collect()
}

fn group_length(images: usize, group: usize) -> usize {
    GROUP.min(images - group * GROUP)
}

/// A hash of the images of a group.
fn source(dataset: &ImageDataset, rows: &[u32]) -> Hash {
    let ids: Vec<u8> = rows.iter().filter_map(|row| dataset.source(*row)).flat_map(|id| id.0).collect();
    Hash::of(&ids)
}

/// The cache file for everything on which the bits of features depend besides the images.
fn open(
    inputs: &Inputs,
    dataset: &ImageDataset,
    weights: Hash,
    threads: u32,
    width: usize,
    cache: &Dir,
) -> std::io::Result<Slots> {
    let key = json!({
        "manifest": dataset.manifest(),
        "model": inputs.model.architecture,
        "weights": weights,
        "precision": inputs.precision,
        "memory": format!("{:?}", inputs.memory),
        "threads": threads,
        "worker": identity::identity(),
    });
    let name = Hash::of(&canonical(&key)).to_string();
    let lengths = (0..dataset.len().div_ceil(GROUP))
        .map(|group| (group_length(dataset.len(), group) * width * 4) as u64);
    Slots::open(cache, &Path::new("features").join(name), lengths)
}
