//! Heat maps of a network for an image and a label.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Blob, Boxes, Computed, Dataset, MetaFeatures, Run, Subset};
use crate::hash::Id;

/// Grad-CAM of the last convolutional layer on one image (Selvaraju et al., ICCV 2017).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Heatmap {
    /// The run of the checkpoint.
    pub run: Id<Run>,
    /// The image's name.
    pub image: String,
    /// The image file.
    pub object: Id<Blob>,
    /// The age, gender and view position that were given for it; absent if the network does not see them, or
    /// if the file is an image of the run's data set, which has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "MetaFeatures")]
    pub meta: Option<MetaFeatures>,
    /// Its width and height in pixels.
    pub size: [u32; 2],
    /// Name of the label.
    pub label: String,
    /// The label's score before the sigmoid.
    pub logit: f64,
    /// The map, row after row: the positive part of the layer's channels, each weighted by the mean of the
    /// logit's derivative with respect to it.
    pub map: Vec<Vec<f64>>,
    /// The part of the image that is the network's input and that the map covers.
    pub over: Area,
    /// The annotated boxes of the label on this image, if there are any.
    pub boxes: Vec<HeatmapInBox>,
    /// PNG of the image with the map in colours and the boxes.
    pub picture: Id<Blob>,
    /// The environment in which it was computed.
    pub computed: Computed,
    /// Version of the rules that produced this record.
    pub rules: u32,
}

/// A rectangle in pixels of an image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

/// How much of a map is inside an annotated box.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeatmapInBox {
    /// The box.
    pub area: Area,
    /// Its share of the image's area; for a uniform map this equals the share of the heat map.
    pub area_share: f64,
    /// Its share of the heat map; null for a zero map.
    pub heat_share: Option<f64>,
    /// Whether the maximum of the map is inside; false for a zero map.
    pub hit: bool,
}

/// The pointing game (Zhang et al., ECCV 2016): whether the maximum of a heat map is inside the annotated box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pointing {
    /// The run of the checkpoint.
    pub run: Id<Run>,
    /// The images.
    pub dataset: Id<Dataset>,
    /// The boxes.
    pub boxes: Id<Boxes>,
    /// The subset of the run's fold whose boxes are used.
    pub subset: Subset,
    /// One row per box.
    pub rows: Vec<PointedBox>,
    /// One entry per label with boxes, in the order of the data set's labels.
    pub labels: Vec<PointedLabel>,
    /// All boxes.
    pub all: PointedLabel,
    /// The environment in which it was computed.
    pub computed: Computed,
    /// Version of the rules that produced this record.
    pub rules: u32,
}

/// One box of the pointing game.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PointedBox {
    /// The image's name.
    pub image: String,
    /// The box's label.
    pub label: String,
    /// The label's score before the sigmoid.
    pub logit: f64,
    /// The box and the share of the heat map in it.
    #[serde(rename = "heat")]
    pub heatmap: HeatmapInBox,
}

/// The pointing game over some boxes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PointedLabel {
    /// Name; empty for all labels.
    pub label: String,
    /// Boxes.
    pub boxes: u64,
    /// Boxes that contain the maximum of the map.
    pub hits: u64,
    /// Boxes with a zero map: counted as misses, and not used for `heat_share` and `area_share`.
    pub without_heat: u64,
    /// Mean share of the heat map in a box, over boxes with a nonzero map; null if there are none.
    pub heat_share: Option<f64>,
    /// Mean share of the image's area, over the same boxes.
    pub area_share: Option<f64>,
}
