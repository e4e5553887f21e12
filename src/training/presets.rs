//! The paper's settings for training a network, which a preset's file and the user override.
//!
//! Baltruschat et al., Scientific Reports 9, 6381 (2019).

use crate::network::Preset;
use crate::records::{Augmentation, EarlyStop, Init, Layout, Loss, Model, Pixels, Precision, Training};

/// The paper's settings for training such a network, as far as it states them, without those of its file.
pub fn training(preset: &Preset, init: Init) -> Training {
    let images = preset.model.architecture.image().is_some();
    // Without augmentation the features of an image are the same in each epoch, so a frozen network processes
    // the image only once.
    let augmentation = (images && init != Init::OffTheShelf).then_some(Augmentation {
        crop_area: [0.08, 1.0],
        crop_aspect: [0.75, 4.0 / 3.0],
        rotation: 7.0,
        flip: 0.5,
    });
    Training {
        epochs: 30,
        batch: if preset.large && init == Init::Scratch { 8 } else { 16 },
        lr: if init == Init::Scratch { 0.01 } else { 0.001 },
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        lr_factor: 0.5,
        patience: 0,
        loss: Loss::Bce,
        augmentation,
        pixels: None,
        precision: images.then_some(Precision::F32),
        layout: images.then_some(Layout::ChannelsLast),
        early_stop: Some(EarlyStop::Never),
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
    use crate::network::preset;

    #[test]
    fn large_networks_train_in_small_batches_from_scratch() {
        let of = |name: &str, init| training(&preset(name).unwrap(), init);
        let large = of("resnet50-large-meta", Init::Scratch);
        assert_eq!((large.batch, large.lr), (8, 0.01));
        assert_eq!(of("resnet50-large", Init::FineTune).batch, 16);
        assert_eq!(of("resnet50", Init::FineTune).lr, 0.001);
        assert_eq!(of("mlp", Init::Scratch).augmentation, None);
    }
}
