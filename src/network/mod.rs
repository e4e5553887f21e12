//! Networks as data: what follows from the layers of a model, once for all who need it.
//!
//! [`Plan::of`] expands the layers of an [`Architecture`](crate::records::Architecture) into operations and the
//! names and shapes of their tensors. The worker builds and folds a network from the plan, the estimates of
//! memory and cost count it, the checks of settings and of weights read it. [`preset`] gives the networks that
//! come with `reg`, each a file in `presets/`, which a user's own file looks like.

mod counts;
mod fit;
mod plan;
mod presets;
mod settings;

pub use counts::Counts;
pub use fit::{WeightsFit, weights_fit};
pub use plan::{Extent, META, Op, Part, Plan, Step, TensorShape};
pub use presets::{Preset, bases, names, parse, preset};
pub use settings::{set, settings};

/// A field of an architecture that is out of range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`{place} cannot be {value}: {reason}")]
pub struct NetworkError {
    field: String,
    place: String,
    value: String,
    reason: String,
}

impl NetworkError {
    fn new(field: &str, value: impl ToString, reason: impl Into<String>) -> Self {
        let (value, reason) = (value.to_string(), reason.into());
        NetworkError { field: field.to_owned(), place: String::new(), value, reason }
    }

    /// The same of a layer.
    fn at(self, layer: String) -> Self {
        NetworkError { place: format!(" of {layer}"), ..self }
    }

    /// The field.
    pub fn field(&self) -> &str {
        &self.field
    }
}
