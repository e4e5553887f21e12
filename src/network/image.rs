//! The inputs of a network.

use super::NetworkError;
use crate::limits;
use crate::records::Architecture;

/// The largest side of a network's input.
pub(super) const LARGEST: u32 = 4096;
/// What a network without the table `[image]` lacks.
pub(super) const IMAGE: &str = "{ channels = 1, input = 224, resize = 256, mean = [0.5], std = [0.25] }";

/// Checks the inputs of an architecture.
pub(super) fn input_check(architecture: &Architecture) -> Result<(), NetworkError> {
    let wrong = |field: &str, value: String, reason: &str| NetworkError::new(field, value, reason);
    let Some(image) = &architecture.image else {
        return match architecture.meta {
            true => Ok(()),
            false => Err(wrong("meta", "false".into(), "a network without images has no other input")
                .instead(&[("meta", "true".to_owned())])),
        };
    };
    let scaling = |number: &str| format!("[{}]", vec![number; image.channels as usize].join(", "));
    if image.channels != 1 && image.channels != 3 {
        let fields = [("channels", "3"), ("mean", "[0.5, 0.5, 0.5]"), ("std", "[0.25, 0.25, 0.25]")];
        let fields = fields.map(|(field, value)| (field, value.to_owned()));
        return Err(wrong("channels", image.channels.to_string(), "1 or 3").instead(&fields));
    }
    for (field, values) in [("mean", &image.mean), ("std", &image.std)] {
        let bad = |value: &f64| !value.is_finite() || field == "std" && *value <= 0.0;
        if values.len() != image.channels as usize || values.iter().any(bad) {
            let reason = "expected one number per channel, deviations above 0";
            let fields = [("mean", scaling("0.5")), ("std", scaling("0.25"))];
            return Err(wrong(field, format!("{values:?}"), reason).instead(&fields));
        }
    }
    if image.input == 0 || image.input > image.resize || image.resize > limits::IMAGE_SIDE {
        let reason = format!("it must not be smaller than `input`, nor larger than {}", limits::IMAGE_SIDE);
        let fields = match image.input {
            1..=LARGEST => vec![("resize", image.input.to_string())],
            _ => vec![("input", "224".to_owned()), ("resize", "256".to_owned())],
        };
        return Err(wrong("resize", image.resize.to_string(), &reason).instead(&fields));
    }
    Ok(())
}
