//! A network built from a [`Model`]: maps images and meta features to one logit per label.

use std::rc::Rc;

use reg::network::{Module, Plan};
use reg::records::{ImageInput, Model};
use tch::{Kind, Tensor};

use crate::body::Body;
use crate::error::TensorError;
use crate::layers::{Builder, Dense, InitialValues, Memory, NamedTensor, global_mean};

type Result<T> = std::result::Result<T, TensorError>;

/// A network.
pub(crate) struct Net {
    plan: Rc<Plan>,
    body: Rc<Body>,
    head: Dense,
    meta: bool,
    input: Option<Rc<Input>>,
    frozen: bool,
    memory: Memory,
    /// All parameters and buffers, in the order of their creation.
    pub(crate) named: Vec<NamedTensor>,
}

/// Converts gray bytes to the input of the first convolution.
struct Input {
    memory: Memory,
    channels: i64,
    side: i64,
    /// `[1, channels, 1, 1]` each.
    scale: Tensor,
    shift: Tensor,
}

impl Net {
    /// Builds the network on the device where it will compute.
    pub(crate) fn build(model: &Model, labels: u32, start: InitialValues, memory: Memory) -> Result<Self> {
        let plan = Plan::of(&model.architecture, labels).map_err(|e| TensorError::Settings(e.to_string()))?;
        let mut builder = Builder::new(start, plan.initial, memory);
        let body = Body::build(&mut builder, &plan)?;
        let Module::Dense { name, inputs, outputs } = &plan.head else {
            return Err(TensorError::Settings("the last layer is dense".into()));
        };
        let head = builder.dense(name, *inputs as i64, *outputs as i64)?;
        let meta = *inputs > plan.features();
        let input = model.architecture.image().map(|image| Input::new(image, memory)).transpose()?;
        let (plan, body, input) = (Rc::new(plan), Rc::new(body), input.map(Rc::new));
        Ok(Net { plan, body, head, meta, input, frozen: false, memory, named: builder.named })
    }

    /// What the network is built from.
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether a tensor is one of the last layer.
    pub(crate) fn is_head(&self, name: &str) -> bool {
        let Module::Dense { name: head, .. } = &self.plan.head else { return false };
        name.strip_prefix(head.as_str()).is_some_and(|rest| rest.starts_with('.'))
    }

    /// Restricts training to the dense layer; BatchNorm stays in evaluation mode.
    pub(crate) fn freeze(&mut self) -> Result<()> {
        for entry in self.named.iter().filter(|entry| entry.parameter && !self.is_head(&entry.name)) {
            let _ = entry.tensor.f_set_requires_grad(false)?;
        }
        self.body = Rc::new(self.body.folded(self.memory)?);
        self.frozen = true;
        Ok(())
    }

    /// The current network for evaluation: faster, without parameters of its own.
    pub(crate) fn folded(&self) -> Result<Self> {
        Ok(Net {
            plan: self.plan.clone(),
            body: if self.frozen { self.body.clone() } else { Rc::new(self.body.folded(self.memory)?) },
            head: self.head.shared(),
            meta: self.meta,
            input: self.input.clone(),
            frozen: true,
            memory: self.memory,
            named: Vec::new(),
        })
    }

    /// The trained parameters.
    pub(crate) fn trained(&self) -> Vec<&NamedTensor> {
        let trained = |entry: &&NamedTensor| entry.parameter && (!self.frozen || self.is_head(&entry.name));
        self.named.iter().filter(trained).collect()
    }

    /// Whether training normalises with the statistics of a batch.
    pub(crate) fn has_batch_statistics(&self) -> bool {
        !self.frozen && self.named.iter().any(|entry| !entry.parameter)
    }

    /// Number of parameters, including frozen ones, without buffers.
    pub(crate) fn parameters(&self) -> u64 {
        self.named.iter().filter(|entry| entry.parameter).map(|entry| entry.tensor.numel() as u64).sum()
    }

    /// Logits `[batch, labels]` for gray values `[batch, side, side]` in bytes and meta features `[batch, 3]`;
    /// models ignore inputs that they do not have.
    pub(crate) fn forward(&self, gray: Option<&Tensor>, meta: &Tensor, training: bool) -> Result<Tensor> {
        let features = match self.frozen {
            true => {
                let _off = tch::no_grad_guard();
                self.body(gray, meta, false)?
            }
            false => self.body(gray, meta, training)?,
        };
        self.head(&features, meta)
    }

    /// Logits `[batch, labels]` from features and meta features.
    pub(crate) fn head(&self, features: &Tensor, meta: &Tensor) -> Result<Tensor> {
        match self.meta {
            true => self.head.forward(&Tensor::f_cat(&[features, meta], 1)?),
            false => self.head.forward(features),
        }
    }

    /// Number of features, the inputs of the dense layer.
    pub(crate) fn features(&self) -> i64 {
        self.plan.features() as i64
    }

    /// The inputs of the dense layer: `[batch, features]`.
    pub(crate) fn body(&self, gray: Option<&Tensor>, meta: &Tensor, training: bool) -> Result<Tensor> {
        match self.input {
            Some(_) => global_mean(&self.map(gray, training)?),
            None => self.body.forward(&self.plan, meta.shallow_clone(), training),
        }
    }

    /// The output of the last layer before the means over the plane, which are the features:
    /// `[batch, features, side, side]`.
    fn map(&self, gray: Option<&Tensor>, training: bool) -> Result<Tensor> {
        let (Some(input), Some(gray)) = (&self.input, gray) else {
            return Err(TensorError::Settings("it needs images and was given none".into()));
        };
        self.body.forward(&self.plan, input.prepare(gray)?, training)
    }

    /// Grad-CAM of one label per image (Selvaraju et al., ICCV 2017): logits `[batch]` and heat maps `[batch,
    /// side, side]`, non-negative, of the layer whose means over the plane are the inputs of the dense layer.
    ///
    /// The derivative of a logit with respect to a channel is therefore the same at every position: the
    /// channel's weight in the dense layer divided by the number of positions. No backward pass is needed.
    pub(crate) fn heatmap(
        &self,
        gray: Option<&Tensor>,
        meta: &Tensor,
        labels: &[i64],
    ) -> Result<[Tensor; 2]> {
        let map = self.map(gray, false)?.f_to_kind(Kind::Float)?;
        let labels = Tensor::f_from_slice(labels)?.f_to_device(map.device())?;
        let logits = self.head(&global_mean(&map)?, meta)?.f_gather(1, &labels.f_unsqueeze(1)?, false)?;
        let &[batch, _, height, width] = map.size().as_slice() else {
            return Err(TensorError::Settings("a map has rows and columns".into()));
        };
        let weights = self.head.weight().f_narrow(1, 0, self.features())?.f_index_select(0, &labels)?;
        let places = (height * width) as f64;
        let heatmap = weights.f_unsqueeze(1)?.f_bmm(&map.f_flatten(2, 3)?)?.f_div_scalar(places)?.f_relu()?;
        Ok([logits.f_squeeze_dim(1)?, heatmap.f_reshape([batch, height, width])?])
    }
}

impl Input {
    fn new(image: &ImageInput, memory: Memory) -> Result<Self> {
        let channels = i64::from(image.channels);
        let pairs = || image.mean.iter().zip(&image.std);
        let row = |values: Vec<f32>| -> Result<Tensor> {
            Ok(Tensor::f_from_slice(&values)?.f_reshape([1, channels, 1, 1])?.f_to_device(memory.device)?)
        };
        Ok(Input {
            channels,
            memory,
            side: i64::from(image.input),
            scale: row(pairs().map(|(_, std)| (1.0 / (255.0 * std)) as f32).collect())?,
            shift: row(pairs().map(|(mean, std)| (-mean / std) as f32).collect())?,
        })
    }

    /// `[batch, side, side]` bytes to `[batch, channels, side, side]`: (v / 255 - mean) / std.
    fn prepare(&self, gray: &Tensor) -> Result<Tensor> {
        let x = gray.f_reshape([-1, 1, self.side, self.side])?.f_to_kind(Kind::Float)?;
        let x = x.f_expand([-1, self.channels, -1, -1], false)?;
        self.memory.place(&x.f_mul(&self.scale)?.f_add(&self.shift)?)
    }
}

/// A ResNet of bottleneck blocks on images of `channels` channels.
#[cfg(test)]
pub(crate) fn resnet(blocks: [u32; 4], channels: u32, side: u32, extra_pool: bool, meta: bool) -> Model {
    let mut model = reg::network::preset("resnet50").unwrap().model;
    let (mean, std) = (vec![0.5; channels as usize], vec![0.25; channels as usize]);
    model.architecture.image = Some(ImageInput { channels, input: side, resize: side, mean, std });
    model.architecture.meta = meta;
    for (name, value) in [("blocks", blocks.to_vec().into()), ("extra_pool", extra_pool.into())] {
        reg::network::set(&mut model.architecture, name, &value).unwrap().unwrap();
    }
    model
}

#[cfg(test)]
mod tests {
    use super::*;
    use reg::network::META;
    use reg::records::Layout;
    use tch::Device;

    fn build(model: &Model, labels: u32, start: InitialValues) -> Net {
        Net::build(model, labels, start, Memory::CPU).unwrap()
    }

    fn shape(net: &Net, name: &str) -> Vec<i64> {
        let entry = net.named.iter().find(|entry| entry.name == name);
        entry.unwrap_or_else(|| panic!("no tensor {name}")).tensor.size()
    }

    #[test]
    fn resnets_have_the_tensors_and_parameters_of_torchvision() {
        let fifty = build(&resnet([3, 4, 6, 3], 3, 32, false, false), 1000, InitialValues::Empty);
        assert_eq!(fifty.parameters(), 25_557_032);
        let convolutions = fifty.named.iter().filter(|entry| entry.tensor.dim() == 4).count();
        assert_eq!(convolutions, 53);
        // 53 convolutions, 53 x 4 of BatchNorm, 2 of the dense layer.
        assert_eq!(fifty.named.len(), 53 + 53 * 4 + 2);
        assert_eq!(shape(&fifty, "conv1.weight"), [64, 3, 7, 7]);
        assert_eq!(shape(&fifty, "bn1.running_var"), [64]);
        assert_eq!(shape(&fifty, "layer1.0.conv1.weight"), [64, 64, 1, 1]);
        assert_eq!(shape(&fifty, "layer1.0.downsample.0.weight"), [256, 64, 1, 1]);
        assert_eq!(shape(&fifty, "layer1.0.downsample.1.bias"), [256]);
        assert_eq!(shape(&fifty, "layer2.0.conv2.weight"), [128, 128, 3, 3]);
        assert_eq!(shape(&fifty, "layer4.2.bn3.running_mean"), [2048]);
        assert_eq!(shape(&fifty, "fc.weight"), [1000, 2048]);
        let hundred = build(&resnet([3, 4, 23, 3], 3, 32, false, false), 1000, InitialValues::Empty);
        assert_eq!(hundred.parameters(), 44_549_160);
    }

    /// Mean and deviation of each parameter from scratch, held to those that torchvision drew: of as many values as that,
    /// either is at most six standard errors off. What torchvision begins with one number, we do too.
    #[test]
    fn weights_from_scratch_are_distributed_as_torchvision_s() {
        #[derive(serde::Deserialize)]
        struct Golden {
            models: std::collections::BTreeMap<String, std::collections::BTreeMap<String, [f64; 2]>>,
        }
        let path = format!("{}/../../fixtures/torchvision/initial.json", env!("CARGO_MANIFEST_DIR"));
        let golden: Golden = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(golden.models.keys().collect::<Vec<_>>(), ["densenet121", "resnet18"]);
        for (name, mut expected) in golden.models {
            let net = build(&reg::network::preset(&name).unwrap().model, 15, InitialValues::Drawn(1));
            for entry in net.named.iter().filter(|entry| entry.parameter) {
                let [mean, deviation] = expected.remove(&entry.name).unwrap();
                let values = entry.tensor.detach().to_kind(Kind::Double);
                let found = [values.mean(Kind::Double), values.std(false)].map(|x| x.double_value(&[]));
                let errors = 6.0 * deviation / (values.numel() as f64).sqrt();
                let what = format!("{name}, {}: {found:?}, not {:?}", entry.name, [mean, deviation]);
                assert!((found[0] - mean).abs() <= errors * 2f64.sqrt(), "{what}");
                assert!((found[1] - deviation).abs() <= errors, "{what}");
            }
            assert!(expected.is_empty(), "{expected:?}");
        }
    }

    #[test]
    fn a_resnet_50_computes_what_tch_s_own_computes() {
        let _off = tch::no_grad_guard();
        let ours = build(&resnet([3, 4, 6, 3], 3, 64, false, false), 15, InitialValues::Drawn(3));
        let mut theirs = tch::nn::VarStore::new(Device::Cpu);
        let reference = tch::vision::resnet::resnet50(&theirs.root(), 15);
        let file = tempfile::Builder::new().suffix(".safetensors").tempfile().unwrap();
        std::fs::write(file.path(), crate::weights::checkpoint(&ours).unwrap()).unwrap();
        theirs.load(file.path()).unwrap();
        let bytes: Vec<u8> = (0..2 * 64 * 64u32).map(|i| (i * i / 7 % 251) as u8).collect();
        let gray = Tensor::from_data_size(&bytes, &[2, 64, 64], Kind::Uint8);
        let meta = Tensor::zeros([2, META as i64], (Kind::Float, Device::Cpu));
        let found = ours.forward(Some(&gray), &meta, false).unwrap();
        let image =
            ((gray.to_kind(Kind::Float) / 255.0 - 0.5) / 0.25).unsqueeze(1).expand([2, 3, 64, 64], false);
        let expected = image.apply_t(&reference, false);
        let scale = expected.abs().max().double_value(&[]);
        let difference = (&found - &expected).abs().max().double_value(&[]);
        assert!(difference < 1e-4 * scale && scale > 0.0, "{found} and {expected}");
    }

    #[test]
    fn a_folded_network_computes_the_same() {
        let _off = tch::no_grad_guard();
        for memory in [Memory::CPU, Memory { layout: Layout::ChannelsFirst, ..Memory::CPU }] {
            let net =
                Net::build(&resnet([2, 1, 1, 1], 1, 64, true, true), 15, InitialValues::Drawn(3), memory)
                    .unwrap();
            // Running statistics different from the identity.
            for (index, entry) in net.named.iter().enumerate() {
                let offset = 0.1 * (index % 7) as f64;
                if entry.name.ends_with("running_var") || entry.name.contains("bn") {
                    let _ = entry.tensor.shallow_clone().f_add_scalar_(offset).unwrap();
                }
            }
            let bytes: Vec<u8> = (0..3 * 64 * 64u32).map(|i| (i * i / 7 % 251) as u8).collect();
            let gray = Tensor::from_data_size(&bytes, &[3, 64, 64], Kind::Uint8);
            let meta = Tensor::zeros([3, META as i64], (Kind::Float, Device::Cpu));
            let expected = net.forward(Some(&gray), &meta, false).unwrap();
            let found = net.folded().unwrap().forward(Some(&gray), &meta, false).unwrap();
            let scale = expected.abs().max().double_value(&[]);
            let difference = (&found - &expected).abs().max().double_value(&[]);
            assert!(difference < 1e-5 * scale && scale > 0.0, "{memory:?}: {found} and {expected}");
        }
    }

    #[test]
    fn meta_features_and_the_extra_pooling_keep_the_shape_of_the_logits() {
        let _off = tch::no_grad_guard();
        let model = resnet([1, 1, 1, 1], 1, 64, true, true);
        let net = build(&model, 15, InitialValues::Drawn(1));
        assert_eq!(shape(&net, "fc.weight"), [15, 2051]);
        let gray = Tensor::f_zeros([2, 64, 64], (Kind::Uint8, Device::Cpu)).unwrap();
        let logits = |meta: f64| {
            let meta = Tensor::f_full([2, META as i64], meta, (Kind::Float, Device::Cpu)).unwrap();
            net.forward(Some(&gray), &meta, false).unwrap()
        };
        assert_eq!(logits(0.0).size(), [2, 15]);
        assert!(logits(0.0) != logits(1.0), "the meta features reach the logits");
    }

    #[test]
    fn initial_weights_follow_the_seed_and_he_s_variance() {
        let model = resnet([1, 1, 1, 1], 1, 64, false, false);
        let values = |seed| {
            let net = build(&model, 15, InitialValues::Drawn(seed));
            let conv = net.named.iter().find(|entry| entry.name == "layer2.0.conv2.weight").unwrap();
            conv.tensor.f_detach().unwrap().f_contiguous().unwrap()
        };
        assert!(values(1) == values(1) && values(1) != values(2));
        let deviation = values(1).std(false).double_value(&[]);
        let expected = (2.0f64 / (128.0 * 9.0)).sqrt();
        assert!((deviation / expected - 1.0).abs() < 0.01, "{deviation}, not {expected}");
    }

    #[test]
    fn models_that_make_no_sense_are_refused() {
        let mut three = resnet([1, 1, 1, 1], 3, 64, false, false);
        three.architecture.image.as_mut().unwrap().mean.pop();
        for model in [three, resnet([1, 0, 1, 1], 1, 64, false, false), resnet([1; 4], 2, 64, false, false)] {
            assert!(matches!(
                Net::build(&model, 15, InitialValues::Empty, Memory::CPU),
                Err(TensorError::Settings(_))
            ));
        }
    }
}
