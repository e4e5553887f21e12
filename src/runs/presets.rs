//! The paper's models and their training defaults, by name.
//!
//! Baltruschat et al., Scientific Reports 9, 6381 (2019). A ResNet's name is composed:
//! `resnet38|resnet50|resnet101`, then `-1channel` or `-large`, then `-meta`.

use crate::records::{
    Architecture, Augmentation, EarlyStop, ImageInput, Init, Layout, Loss, Model, Pixels, Precision, Training,
};

/// Names of all presets.
pub fn names() -> Vec<String> {
    let mut names = Vec::new();
    for depth in DEPTHS {
        for (input, _) in INPUTS {
            for meta in ["", META] {
                names.push(format!("resnet{}{input}{meta}", depth.0));
            }
        }
    }
    names.extend(["mlp", "tiny", "tiny-meta"].map(str::to_owned));
    names
}

/// Bottleneck blocks per stage.
///
/// "ResNet-38" uses the block counts given in the paper (conv2_x, conv3_x, conv4_x reduced to two, two, three
/// blocks), which amount to 32 layers. "ResNet-101: conv_3 from 5 to 22" is interpreted as the identity blocks
/// of conv4_x, which gives torchvision's ResNet-101.
const DEPTHS: [(u32, [u32; 4]); 3] = [(38, [2, 2, 3, 3]), (50, [3, 4, 6, 3]), (101, [3, 4, 23, 3])];

/// Suffix and image input.
const INPUTS: [(&str, Input); 3] = [("", Input::Rgb), ("-1channel", Input::Gray), ("-large", Input::Large)];
const META: &str = "-meta";

#[derive(Clone, Copy, PartialEq)]
enum Input {
    Rgb,
    Gray,
    Large,
}

/// The preset `name`, if there is one.
pub fn model(name: &str) -> Option<Model> {
    let (base, meta) = name.strip_suffix(META).map_or((name, false), |base| (base, true));
    let architecture = match base {
        "mlp" if !meta => Architecture::Mlp { hidden: vec![64, 64] },
        "tiny" => Architecture::Tiny { widths: vec![16, 32, 64], meta, image: gray(64, 73) },
        _ => {
            let depth = DEPTHS.iter().find(|(depth, _)| base.starts_with(&format!("resnet{depth}")))?;
            let suffix = &base[format!("resnet{}", depth.0).len()..];
            let (_, input) = INPUTS.iter().find(|(known, _)| *known == suffix)?;
            let image = match input {
                Input::Rgb => ImageInput {
                    channels: 3,
                    input: 224,
                    resize: 256,
                    // Means and standard deviations of ImageNet, which the pre-trained weights expect.
                    mean: vec![0.485, 0.456, 0.406],
                    std: vec![0.229, 0.224, 0.225],
                },
                Input::Gray => gray(224, 256),
                Input::Large => gray(448, 480),
            };
            Architecture::Resnet { blocks: depth.1, extra_pool: *input == Input::Large, meta, image }
        }
    };
    Some(Model { name: name.to_owned(), architecture })
}

/// One channel. The paper does not say how it scales gray values; these numbers give approximately zero mean
/// and unit standard deviation.
fn gray(input: u32, resize: u32) -> ImageInput {
    ImageInput { channels: 1, input, resize, mean: vec![0.5], std: vec![0.25] }
}

/// The paper's settings for training such a model, as far as it states them.
pub fn training(model: &Model, init: Init) -> Training {
    // Without augmentation the features of an image are the same in each epoch, so a frozen network processes
    // the image only once.
    let augmentation = (init != Init::OffTheShelf).then_some(Augmentation {
        crop_area: [0.08, 1.0],
        crop_aspect: [0.75, 4.0 / 3.0],
        rotation: 7.0,
        flip: 0.5,
    });
    let adam = Training {
        epochs: 30,
        batch: 16,
        lr: if init == Init::Scratch { 0.01 } else { 0.001 },
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        lr_factor: 0.5,
        patience: 0,
        loss: Loss::Bce,
        augmentation,
        pixels: None,
        precision: Some(Precision::F32),
        layout: Some(Layout::ChannelsLast),
        early_stop: Some(EarlyStop::Never),
    };
    match &model.architecture {
        Architecture::Mlp { .. } => {
            Training { epochs: 40, batch: 512, augmentation: None, precision: None, layout: None, ..adam }
        }
        // A network for tests and the demo learns faster from views close to the evaluation's.
        Architecture::Tiny { .. } => Training {
            epochs: 10,
            augmentation: adam.augmentation.map(|a| Augmentation { crop_area: [0.6, 1.0], ..a }),
            ..adam
        },
        Architecture::Resnet { extra_pool: true, .. } if init == Init::Scratch => {
            Training { batch: 8, ..adam }
        }
        Architecture::Resnet { .. } => adam,
    }
}

/// The default source of augmentation crops: the image resized so that the smallest crop still has as many
/// pixels as the network's input.
///
/// The paper crops from the images of 1024 x 1024, where a crop of 8 % of the area has 290 x 290 pixels, which
/// are reduced to an input of 224 x 224. From an image resized to 792 x 792, the crop has 224 x 224 pixels.
pub fn pixels(model: &Model, training: &Training) -> Option<Pixels> {
    let (image, augmentation) = (model.architecture.image()?, training.augmentation.as_ref()?);
    let side = f64::from(image.input) / augmentation.crop_area[0].sqrt();
    Some(Pixels::Side((side / 8.0).ceil() as u32 * 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_preset_and_the_rest_is_none() {
        assert_eq!(names().len(), 21);
        for name in names() {
            assert_eq!(model(&name).unwrap().name, name);
        }
        for wrong in ["resnet", "resnet500", "resnet50-", "resnet50-meta-large", "mlp-meta", "", "-meta"] {
            assert!(model(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn large_networks_pool_once_more_and_train_in_small_batches() {
        let large = model("resnet50-large-meta").unwrap();
        let Architecture::Resnet { blocks, extra_pool, meta, image } = &large.architecture else {
            panic!("a ResNet")
        };
        assert_eq!((*blocks, *extra_pool, *meta), ([3, 4, 6, 3], true, true));
        assert_eq!((image.channels, image.input, image.resize), (1, 448, 480));
        assert_eq!(training(&large, Init::Scratch).batch, 8);
        assert_eq!(training(&large, Init::Scratch).lr, 0.01);
        assert_eq!(training(&model("resnet50").unwrap(), Init::FineTune).lr, 0.001);
    }
}
