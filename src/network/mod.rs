//! Networks as data: what follows from the layers of a model, once for all who need it.
//!
//! [`Plan::of`] expands the layers of an [`Architecture`](crate::records::Architecture) into operations and the
//! names and shapes of their tensors. The worker builds and folds a network from the plan, the estimates of
//! memory and cost count it, the checks of settings and of weights read it. [`preset`] gives the networks that
//! come with `reg`, each a file in `presets/`, which a user's own file looks like.

mod check;
mod counts;
mod error;
mod fit;
mod image;
mod initial;
mod names;
mod plan;
mod presets;
mod settings;
mod spec_settings;

pub use check::check;
pub use counts::Counts;
pub use error::{NetworkError, NetworkFileError};
pub use fit::{WeightsFit, weights_fit};
pub use initial::Initial;
pub use plan::{Extent, META, Module, Op, Plan, Step, TensorShape};
#[cfg(test)]
use presets::text_of;
pub use presets::{Preset, bases, names, parse, preset};
pub use settings::{set, settings};
pub use spec_settings::{OF_THE_NETWORK, model_settings, network_settings, spec_settings};
