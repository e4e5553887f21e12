//! Whether a network can be built for the images that it is given.

use super::{NetworkError, Plan};
use crate::records::Architecture;

/// The largest side of a network's input.
const LARGEST: u32 = 4096;

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
    checked.map_err(|e| match possible(architecture).filter(|_| e.field() == "input") {
        // With the margin for the centre crop that networks have.
        Some(side) => e.instead(&[("input", side.to_string()), ("resize", (side * 8 / 7).to_string())]),
        None => e,
    })
}

/// The side of the input nearest to that of an architecture with which it can be built.
fn possible(architecture: &Architecture) -> Option<u32> {
    let mut tried = architecture.clone();
    let asked = architecture.image()?.input;
    if asked > LARGEST {
        return Some(LARGEST);
    }
    (asked..=LARGEST).find(|side| {
        let Some(image) = &mut tried.image else { return false };
        (image.input, image.resize) = (*side, *side);
        Plan::of(&tried, 1).is_ok_and(|plan| u64::from(*side) >= plan.smallest)
    })
}
