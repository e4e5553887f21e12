//! A plan: the layers of an architecture, expanded into operations with the names and shapes of their tensors.

use std::collections::BTreeSet;

use super::image::{IMAGE, input_check};
use super::names::{another_name, is_attribute, is_plain};
use super::{Initial, NetworkError};
use crate::limits;
use crate::records::{Architecture, Block, Layer};

/// Features of an image besides its pixels: age, gender, view position.
pub const META: u64 = 3;
/// Ratio of a bottleneck block's output channels to those of its 3 x 3 convolution.
const EXPANSION: u64 = 4;
/// Layers of a network with images, and of one without.
const LAYERS: &str = "[{ layer = \"conv-pool\", name = \"features\", widths = [16] }]";
const HIDDEN: &str = "[{ layer = \"dense\", name = \"hidden\", hidden = [64] }]";

/// The operations of a network before its last layer, in the order in which they are computed, and the modules
/// with tensors to which they refer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The modules with tensors, in torchvision's order.
    pub modules: Vec<Module>,
    /// The operations. The first one computes value 1, the next one value 2; value 0 is the input.
    pub steps: Vec<Step>,
    /// The shape of each value. The last value is the map, whose means over the plane are the features, or the
    /// features themselves.
    pub shapes: Vec<Extent>,
    /// The last layer.
    pub head: Module,
    /// The smallest side of images for which each stride halves something: the product of all strides.
    pub smallest: u64,
    /// What the weights begin with from scratch.
    pub initial: Initial,
}

/// The shape of a value for one image: `[channels, side, side]`; `[channels]` with side 1 without images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Channels, or units.
    pub channels: u64,
    /// Side of the square map.
    pub side: u64,
}

impl Extent {
    /// Number of numbers.
    pub fn numbers(self) -> u64 {
        self.channels * self.side * self.side
    }
}

/// A module of a network with tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Module {
    /// A convolution without bias, with a BatchNorm of its output if it has one.
    Conv {
        /// Name of the convolution.
        name: String,
        /// Name of the BatchNorm.
        norm: Option<String>,
        /// Input channels.
        inputs: u64,
        /// Output channels.
        outputs: u64,
        /// Side of the kernel.
        kernel: u64,
        /// The stride.
        stride: u64,
    },
    /// A BatchNorm of its own.
    Norm {
        /// The name.
        name: String,
        /// Channels.
        channels: u64,
    },
    /// A dense layer with bias.
    Dense {
        /// The name.
        name: String,
        /// Inputs.
        inputs: u64,
        /// Outputs.
        outputs: u64,
    },
}

/// An operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub op: Op,
    /// The values that it is done to.
    pub of: Vec<usize>,
    /// Those of them that nothing needs afterwards.
    pub last: Vec<usize>,
}

/// What is done to one value, or to several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// A convolution with its BatchNorm. A second value, which nothing needs afterwards, is added before the ReLU.
    Conv {
        /// Position in [`Plan::modules`].
        module: usize,
        /// Whether negative values become 0.
        relu: bool,
    },
    /// BatchNorm and ReLU.
    Norm {
        /// Position in [`Plan::modules`].
        module: usize,
    },
    /// A dense layer and ReLU.
    Dense {
        /// Position in [`Plan::modules`].
        module: usize,
    },
    /// Max-pooling.
    MaxPool {
        /// Side of the window.
        kernel: u64,
        /// The stride.
        stride: u64,
        /// Padding on each side.
        padding: u64,
    },
    /// Average pooling of 2 x 2 with stride 2.
    AvgPool,
    /// The channels of all values, one after another.
    Concat,
}

/// A tensor of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorShape {
    /// The name in torchvision.
    pub name: String,
    /// The shape.
    pub shape: Vec<u64>,
    /// Whether it is a parameter; otherwise a running statistic of BatchNorm.
    pub parameter: bool,
}

impl Plan {
    /// Expands an architecture with one output per label.
    ///
    /// # Errors
    /// The first field that is out of range. Nothing large is allocated before it is found.
    pub fn of(architecture: &Architecture, labels: u32) -> Result<Plan> {
        let input = match &architecture.image {
            Some(image) => Extent { channels: image.channels.into(), side: image.input.into() },
            None => Extent { channels: META, side: 1 },
        };
        input_check(architecture)?;
        let mut planner = Planner {
            modules: Vec::new(),
            steps: Vec::new(),
            shapes: vec![input],
            names: BTreeSet::new(),
            operands: 0,
            parameters: 0,
            smallest: 1,
            at: LayerPosition { number: 0, name: "" },
        };
        let mut x = 0;
        for (number, layer) in architecture.layers.iter().enumerate() {
            planner.at = LayerPosition { number, name: name(layer) };
            let dense = matches!(layer, Layer::Dense { .. });
            if dense == architecture.image.is_some() {
                let reason = match dense {
                    true => "only a network without images can have hidden dense layers",
                    false => "a network without images can have only dense layers",
                };
                let wrong = planner.wrong("layer", if dense { "dense" } else { "of images" }, reason);
                return Err(if dense { wrong } else { wrong.instead(&[("image", IMAGE.to_owned())]) });
            }
            x = planner.layer(layer, x)?;
        }
        if architecture.layers.is_empty() {
            let fields = [("layers", if architecture.image.is_some() { LAYERS } else { HIDDEN }.to_owned())];
            return Err(NetworkError::new("layers", "[]", "at least one layer is needed").instead(&fields));
        }
        let features = planner.shapes[x].channels;
        // The features of a network without images are computed from the meta features already.
        let meta = if architecture.meta && architecture.image.is_some() { META } else { 0 };
        let (inputs, outputs) = (features + meta, u64::from(labels));
        planner.at = LayerPosition { number: usize::MAX, name: "" };
        let head = Module::Dense { name: architecture.head.clone(), inputs, outputs };
        planner.claim("head", &head)?;
        let Planner { modules, mut steps, shapes, smallest, .. } = planner;
        let mut needed = vec![false; shapes.len()];
        needed[x] = true;
        for step in steps.iter_mut().rev() {
            step.last = step.of.iter().copied().filter(|value| !needed[*value]).collect();
            step.of.iter().for_each(|value| needed[*value] = true);
        }
        Ok(Plan { modules, steps, shapes, head, smallest, initial: Initial::of(architecture) })
    }

    /// The input of the first operation.
    pub fn input(&self) -> Extent {
        self.shapes[0]
    }

    /// The map of the last operation, for which Grad-CAM is computed.
    pub fn map(&self) -> Extent {
        self.shapes[self.shapes.len() - 1]
    }

    /// The number of features, which are the means of the map.
    pub fn features(&self) -> u64 {
        self.map().channels
    }

    /// All parameters and buffers in torchvision's order, with the last layer.
    pub fn tensors(&self) -> Vec<TensorShape> {
        self.modules.iter().chain([&self.head]).flat_map(Module::tensors).collect()
    }

    /// The convolution that sees the image.
    pub fn first_conv(&self) -> Option<&str> {
        self.modules.iter().find_map(|module| match module {
            Module::Conv { name, .. } => Some(name.as_str()),
            _ => None,
        })
    }
}

impl Module {
    /// The parameters and buffers, in torchvision's order.
    pub fn tensors(&self) -> Vec<TensorShape> {
        let tensor =
            |name: String, shape: &[u64], parameter| TensorShape { name, shape: shape.to_vec(), parameter };
        let of_norm = |name: &str, channels: u64| {
            let tensors = [("weight", true), ("bias", true), ("running_mean", false), ("running_var", false)];
            tensors.map(|(of, parameter)| tensor(format!("{name}.{of}"), &[channels], parameter))
        };
        match self {
            Module::Conv { name, norm, inputs, outputs, kernel, .. } => {
                let weight = tensor(format!("{name}.weight"), &[*outputs, *inputs, *kernel, *kernel], true);
                let norm = norm.iter().flat_map(|norm| of_norm(norm, *outputs));
                std::iter::once(weight).chain(norm).collect()
            }
            Module::Norm { name, channels } => of_norm(name, *channels).to_vec(),
            Module::Dense { name, inputs, outputs } => vec![
                tensor(format!("{name}.weight"), &[*outputs, *inputs], true),
                tensor(format!("{name}.bias"), &[*outputs], true),
            ],
        }
    }

    /// Number of parameters, without buffers; `None` if that is more than a number holds.
    pub(super) fn parameters(&self) -> Option<u64> {
        match self {
            Module::Conv { norm, inputs, outputs, kernel, .. } => {
                let weights = kernel.checked_mul(*kernel)?.checked_mul(*inputs)?.checked_mul(*outputs)?;
                weights.checked_add(if norm.is_some() { 2 * outputs } else { 0 })
            }
            Module::Norm { channels, .. } => channels.checked_mul(2),
            Module::Dense { inputs, outputs, .. } => inputs.checked_add(1)?.checked_mul(*outputs),
        }
    }
}

/// Where in an architecture.
#[derive(Clone, Copy)]
struct LayerPosition<'a> {
    number: usize,
    name: &'a str,
}

fn name(layer: &Layer) -> &str {
    match layer {
        Layer::Conv { name, .. }
        | Layer::ConvPool { name, .. }
        | Layer::Residual { name, .. }
        | Layer::DenseBlock { name, .. }
        | Layer::Transition { name }
        | Layer::Norm { name }
        | Layer::Dense { name, .. } => name,
        Layer::MaxPool { .. } => "",
    }
}

/// Collects modules and steps.
struct Planner<'a> {
    modules: Vec<Module>,
    steps: Vec<Step>,
    shapes: Vec<Extent>,
    names: BTreeSet<String>,
    operands: usize,
    parameters: u64,
    smallest: u64,
    at: LayerPosition<'a>,
}

type Result<T, E = NetworkError> = std::result::Result<T, E>;

impl Planner<'_> {
    fn wrong(&self, field: &str, value: impl ToString, reason: impl Into<String>) -> NetworkError {
        let error = NetworkError::new(field, value, reason);
        match self.at {
            LayerPosition { number: usize::MAX, .. } => error,
            LayerPosition { number, name: "" } => error.at(format!("layer {}", number + 1)),
            LayerPosition { number, name } => error.at(format!("layer {} (`{name}`)", number + 1)),
        }
    }

    /// Adds the operations of a layer on a value, and returns the value that they compute.
    fn layer(&mut self, layer: &Layer, x: usize) -> Result<usize> {
        match layer {
            Layer::Conv { name, norm, channels, kernel, stride } => {
                self.least(&[("channels", *channels), ("kernel", *kernel), ("stride", *stride)])?;
                if kernel % 2 == 0 {
                    return Err(self.wrong("kernel", kernel, "it must be odd").exemplified());
                }
                let shape = [u64::from(*channels), (*kernel).into(), (*stride).into()];
                self.smallest = self.smallest.saturating_mul(shape[2]);
                self.conv(x, [name, norm], shape)
            }
            Layer::MaxPool { kernel, stride, padding } => {
                self.least(&[("kernel", *kernel), ("stride", *stride)])?;
                if padding.saturating_mul(2) > *kernel {
                    let most = [("padding", (kernel / 2).to_string())];
                    return Err(self.wrong("padding", padding, "at most half of `kernel`").instead(&most));
                }
                let [kernel, stride, padding] = [*kernel, *stride, *padding].map(u64::from);
                self.smallest = self.smallest.saturating_mul(stride);
                self.pool(Op::MaxPool { kernel, stride, padding }, x, [kernel, stride, padding])
            }
            Layer::ConvPool { name, widths } => {
                self.some("widths", widths, "at least one convolution is needed")?;
                let mut x = x;
                for (number, width) in widths.iter().enumerate() {
                    let names = ["conv", "bn"].map(|of| format!("{name}.{number}.{of}"));
                    x = self.conv(x, [&names[0], &names[1]], [u64::from(*width), 3, 1])?;
                    self.smallest = self.smallest.saturating_mul(2);
                    x = self.pool(Op::MaxPool { kernel: 2, stride: 2, padding: 0 }, x, [2, 2, 0])?;
                }
                Ok(x)
            }
            Layer::Residual { name, block, blocks, planes, stride } => {
                if *blocks == 0 {
                    return Err(self
                        .wrong("blocks", 0, "every stage needs at least one block")
                        .exemplified());
                }
                self.least(&[("planes", *planes), ("stride", *stride)])?;
                self.smallest = self.smallest.saturating_mul((*stride).into());
                let (planes, mut stride, mut x) = (u64::from(*planes), u64::from(*stride), x);
                for number in 0..*blocks {
                    x = self.residual(&format!("{name}.{number}"), *block, x, planes, stride)?;
                    stride = 1;
                }
                Ok(x)
            }
            Layer::DenseBlock { name, depth, growth, bottleneck } => {
                self.least(&[("depth", *depth), ("growth", *growth), ("bottleneck", *bottleneck)])?;
                let (growth, inner) = (u64::from(*growth), u64::from(*growth) * u64::from(*bottleneck));
                let mut maps = vec![x];
                for number in 1..=*depth {
                    let name = format!("{name}.denselayer{number}");
                    let x = self.concat(&maps)?;
                    let x = self.norm(x, format!("{name}.norm1"))?;
                    let x =
                        self.conv(x, [&format!("{name}.conv1"), &format!("{name}.norm2")], [inner, 1, 1])?;
                    maps.push(self.bare(x, format!("{name}.conv2"), [growth, 3, 1])?);
                }
                self.concat(&maps)
            }
            Layer::Transition { name } => {
                let half = self.shapes[x].channels / 2;
                if half == 0 {
                    return Err(self.wrong("layer", "transition", "one channel cannot be halved"));
                }
                self.smallest = self.smallest.saturating_mul(2);
                let x = self.norm(x, format!("{name}.norm"))?;
                let x = self.bare(x, format!("{name}.conv"), [half, 1, 1])?;
                self.pool(Op::AvgPool, x, [2, 2, 0])
            }
            Layer::Norm { name } => self.norm(x, name.clone()),
            Layer::Dense { name, hidden } => {
                self.some("hidden", hidden, "at least one layer is needed")?;
                let mut x = x;
                for (number, units) in hidden.iter().enumerate() {
                    let (inputs, outputs) = (self.shapes[x].channels, u64::from(*units));
                    let module = Module::Dense { name: format!("{name}.{number}"), inputs, outputs };
                    let module = self.module("name", module)?;
                    x = self.step(Op::Dense { module }, vec![x], Extent { channels: outputs, side: 1 })?;
                }
                Ok(x)
            }
        }
    }

    fn residual(&mut self, name: &str, block: Block, x: usize, planes: u64, stride: u64) -> Result<usize> {
        let inputs = self.shapes[x].channels;
        let (shapes, outputs) = match block {
            Block::Basic => (vec![[planes, 3, stride], [planes, 3, 1]], planes),
            Block::Bottleneck => {
                let outputs = planes * EXPANSION;
                (vec![[planes, 1, 1], [planes, 3, stride], [outputs, 1, 1]], outputs)
            }
        };
        let mut modules = Vec::new();
        let mut channels = inputs;
        for (number, shape) in (1..).zip(&shapes) {
            let names = [format!("{name}.conv{number}"), format!("{name}.bn{number}")];
            modules.push(self.conv_module(names, channels, *shape)?);
            channels = shape[0];
        }
        let downsample = match stride != 1 || inputs != outputs {
            true => {
                let names = [format!("{name}.downsample.0"), format!("{name}.downsample.1")];
                Some(self.conv_module(names, inputs, [outputs, 1, stride])?)
            }
            false => None,
        };
        let (last, first) = modules.split_last().expect("a block has convolutions");
        let (last, mut y) = (*last, x);
        for module in first.iter().copied() {
            y = self.conv_step(module, true, vec![y])?;
        }
        let shortcut = match downsample {
            Some(module) => self.conv_step(module, false, vec![x])?,
            None => x,
        };
        self.conv_step(last, true, vec![y, shortcut])
    }

    /// Convolution, BatchNorm, ReLU.
    fn conv(&mut self, x: usize, [name, norm]: [&str; 2], shape: [u64; 3]) -> Result<usize> {
        let module = self.conv_module([name.to_owned(), norm.to_owned()], self.shapes[x].channels, shape)?;
        self.conv_step(module, true, vec![x])
    }

    /// A convolution alone.
    fn bare(&mut self, x: usize, name: String, [outputs, kernel, stride]: [u64; 3]) -> Result<usize> {
        let inputs = self.shapes[x].channels;
        let module =
            self.module("name", Module::Conv { name, norm: None, inputs, outputs, kernel, stride })?;
        self.conv_step(module, false, vec![x])
    }

    fn norm(&mut self, x: usize, name: String) -> Result<usize> {
        let shape = self.shapes[x];
        let module = self.module("name", Module::Norm { name, channels: shape.channels })?;
        self.step(Op::Norm { module }, vec![x], shape)
    }

    fn concat(&mut self, maps: &[usize]) -> Result<usize> {
        let &[first, ..] = maps else { return Err(self.wrong("depth", 0, "at least 1 is needed")) };
        if maps.len() == 1 {
            return Ok(first);
        }
        let channels = maps.iter().map(|map| self.shapes[*map].channels).sum();
        self.step(Op::Concat, maps.to_vec(), Extent { channels, side: self.shapes[first].side })
    }

    fn conv_module(
        &mut self,
        [name, norm]: [String; 2],
        inputs: u64,
        [outputs, kernel, stride]: [u64; 3],
    ) -> Result<usize> {
        self.module("name", Module::Conv { name, norm: Some(norm), inputs, outputs, kernel, stride })
    }

    fn conv_step(&mut self, module: usize, relu: bool, of: Vec<usize>) -> Result<usize> {
        let Module::Conv { outputs, kernel, stride, .. } = self.modules[module] else {
            unreachable!("the module of a convolution")
        };
        let side = self.side(self.shapes[of[0]].side, [kernel, stride, kernel / 2])?;
        self.step(Op::Conv { module, relu }, of, Extent { channels: outputs, side })
    }

    fn pool(&mut self, op: Op, x: usize, window: [u64; 3]) -> Result<usize> {
        let Extent { channels, side } = self.shapes[x];
        let side = self.side(side, window)?;
        self.step(op, vec![x], Extent { channels, side })
    }

    fn side(&self, side: u64, [kernel, stride, padding]: [u64; 3]) -> Result<u64> {
        match (side + 2 * padding).checked_sub(kernel) {
            Some(rest) => Ok(rest / stride + 1),
            None => {
                let layer = self.at.number.saturating_add(1);
                let reason = format!("layer {layer} would leave nothing of a map of {side} x {side}");
                Err(NetworkError::new("input", self.shapes[0].side, reason))
            }
        }
    }

    fn step(&mut self, op: Op, of: Vec<usize>, shape: Extent) -> Result<usize> {
        // Of a dense block, each map is an operand of all later layers.
        self.operands += of.len();
        if self.operands > limits::NETWORK_STEPS {
            let most = crate::digits::thousands(limits::NETWORK_STEPS as u64);
            return Err(self.wrong(
                "layer",
                "added",
                format!("the operations of a network have at most {most} operands"),
            ));
        }
        self.steps.push(Step { op, of, last: Vec::new() });
        self.shapes.push(shape);
        Ok(self.shapes.len() - 1)
    }

    fn module(&mut self, field: &str, module: Module) -> Result<usize> {
        self.claim(field, &module)?;
        self.modules.push(module);
        Ok(self.modules.len() - 1)
    }

    /// Checks names and sizes of a module.
    fn claim(&mut self, field: &str, module: &Module) -> Result<()> {
        let (names, inputs, outputs) = match module {
            Module::Conv { name, norm, inputs, outputs, .. } => {
                (vec![name.as_str(), norm.as_deref().unwrap_or(name)], *inputs, *outputs)
            }
            Module::Norm { name, channels } => (vec![name.as_str()], *channels, *channels),
            Module::Dense { name, inputs, outputs } => (vec![name.as_str()], *inputs, *outputs),
        };
        let bare = matches!(module, Module::Conv { norm: None, .. });
        for (place, name) in names.iter().enumerate().skip(bare.into()) {
            let named = |reason| match place {
                // The name of a BatchNorm of its own, which does not follow from that of its layer.
                1 if names[0] == self.at.name => self.misnamed("norm", name, name, reason),
                _ if field == "head" => self.misnamed(field, name, name, reason),
                _ => self.misnamed(field, name, self.at.name, reason),
            };
            if name.len() > limits::FILE_NAME || !name.split('.').all(is_plain) {
                return Err(named("a name has letters, digits and _, in parts that are separated by dots"));
            }
            if is_attribute(name) {
                return Err(named("PyTorch's modules have an attribute of this name"));
            }
            if self.names.contains(*name) {
                return Err(named("another layer has the same name"));
            }
            self.names.insert((*name).to_owned());
        }
        let parameters = module.parameters().and_then(|more| self.parameters.checked_add(more));
        if inputs.max(outputs) > limits::NETWORK_CHANNELS {
            let most = crate::digits::thousands(limits::NETWORK_CHANNELS);
            return Err(self.wrong("channels", inputs.max(outputs), format!("at most {most}")));
        }
        match parameters {
            Some(all) if all <= limits::WEIGHTS / 4 => self.parameters = all,
            _ => {
                let most = crate::digits::thousands(limits::WEIGHTS / 4);
                return Err(self.wrong("layer", "added", format!("a network has at most {most} parameters")));
            }
        }
        Ok(())
    }

    /// A name that cannot be that of a module, and one that can be given instead of `own`, from which it comes.
    fn misnamed(&self, field: &str, name: &str, own: &str, reason: &str) -> NetworkError {
        let another = [(field, format!("\"{}\"", another_name(own, &self.names)))];
        self.wrong(field, format!("{name:?}"), reason).instead(&another)
    }

    fn least(&self, fields: &[(&str, u32)]) -> Result<()> {
        match fields.iter().find(|(_, value)| *value == 0) {
            Some((field, value)) => Err(self.wrong(field, value, "at least 1 is needed").exemplified()),
            None => Ok(()),
        }
    }

    fn some(&self, field: &str, values: &[u32], reason: &str) -> Result<()> {
        match values {
            [] => Err(self.wrong(field, "[]", reason).exemplified()),
            values if values.contains(&0) => {
                let reason = "every layer needs at least one unit";
                Err(self.wrong(field, format!("{values:?}"), reason).exemplified())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
