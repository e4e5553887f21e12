//! Where in an image a network saw what it says of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Blob, Boxes, Computed, Dataset, Run, Subset};
use crate::hash::Id;

/// Grad-CAM of the last convolutional layer on one image (Selvaraju et al., ICCV 2017).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Heat {
    /// Whose checkpoint looks.
    pub run: Id<Run>,
    /// The image's name.
    pub image: String,
    /// The image file.
    pub object: Id<Blob>,
    /// Its width and height in pixels.
    pub size: [u32; 2],
    /// Name of the label.
    pub label: String,
    /// The label's score before the sigmoid.
    pub logit: f64,
    /// The map, row after row: the positive part of the layer's channels, each weighted by the mean of the
    /// logit's derivative with respect to it.
    pub map: Vec<Vec<f64>>,
    /// The part of the image that the network sees and the map covers.
    pub over: Area,
    /// The boxes that are annotated with the label on this image, where they are known.
    pub boxes: Vec<HeatInBox>,
    /// The image with the map as colours and the boxes, as PNG.
    pub picture: Id<Blob>,
    /// With what it was computed.
    pub computed: Computed,
    /// Version of the rules by which it was made.
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

/// How much of a map lies in an annotated box.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeatInBox {
    /// The box.
    pub area: Area,
    /// Its share of the image's area: of a map without preference, this is the share of the heat.
    pub area_share: f64,
    /// Its share of the heat; null of a map without heat.
    pub heat_share: Option<f64>,
    /// Whether the hottest place lies in it; false of a map without heat.
    pub hit: bool,
}

/// The pointing game (Zhang et al., ECCV 2016): whether a network looks where an annotated box is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pointing {
    /// Whose checkpoint looks.
    pub run: Id<Run>,
    /// The images.
    pub dataset: Id<Dataset>,
    /// The boxes.
    pub boxes: Id<Boxes>,
    /// The subset of the run's fold whose boxes count.
    pub subset: Subset,
    /// A box each.
    pub rows: Vec<PointedBox>,
    /// A label with boxes each, in the order of the data set's labels.
    pub labels: Vec<PointedLabel>,
    /// All boxes.
    pub all: PointedLabel,
    /// With what it was computed.
    pub computed: Computed,
    /// Version of the rules by which it was made.
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
    /// The box and the heat in it.
    pub heat: HeatInBox,
}

/// The pointing game over some boxes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PointedLabel {
    /// Name; empty for all labels.
    pub label: String,
    /// Boxes.
    pub boxes: u64,
    /// Those that the hottest place lies in.
    pub hits: u64,
    /// Those on whose image there is no heat: counted as missed, and no part of `heat_share` and `area_share`.
    pub without_heat: u64,
    /// Mean share of the heat in a box, of those with heat; null without one.
    pub heat_share: Option<f64>,
    /// Mean share of the image's area, of the same boxes.
    pub area_share: Option<f64>,
}
