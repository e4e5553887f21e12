//! Whether a network can be built for the images that it is given.

use super::image::LARGEST;
use super::{NetworkError, Plan};
use crate::records::Architecture;

/// Expands an architecture, if it can be built and each of its strides halves something.
///
/// # Errors
/// As [`Plan::of`]; and images that are too small or too large.
pub fn check(architecture: &Architecture, labels: u32) -> Result<Plan, NetworkError> {
    let unsupported =
        |side: u32| NetworkError::new("input", side, "the network does not support this image size");
    let checked = Plan::of(architecture, labels).and_then(|plan| match architecture.image() {
        Some(image) if u64::from(image.input) < plan.smallest || image.input > LARGEST => {
            Err(unsupported(image.input))
        }
        _ => Ok(plan),
    });
    checked.map_err(|e| match e.field() {
        "input" => match possible(architecture) {
            // With the margin for the centre crop that networks have.
            Some(side) => e.instead(&[("input", side.to_string()), ("resize", (side * 8 / 7).to_string())]),
            None => e,
        },
        _ => e,
    })
}

/// The side of the input nearest to that of an architecture with which it can be built, if it is only the side that is
/// wrong.
fn possible(architecture: &Architecture) -> Option<u32> {
    let mut tried = architecture.clone();
    let mut side = architecture.image()?.input.min(LARGEST);
    while side <= LARGEST {
        let image = tried.image.as_mut()?;
        (image.input, image.resize) = (side, side);
        match Plan::of(&tried, 1) {
            Ok(plan) if u64::from(side) >= plan.smallest => return Some(side),
            Ok(plan) => side = plan.smallest.try_into().ok()?,
            Err(e) if e.field() == "input" => side += 1,
            Err(_) => return None,
        }
    }
    None
}
