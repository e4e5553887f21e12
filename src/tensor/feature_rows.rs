//! Features of images, by row.

use std::collections::HashMap;

use tch::Tensor;

use crate::error::TensorError;

type Result<T> = std::result::Result<T, TensorError>;

/// Features of some images.
pub(crate) struct Features {
    /// `[images, features]`.
    pub(crate) values: Tensor,
    /// Position of each row of the manifest.
    pub(crate) places: HashMap<u32, i64>,
}

impl Features {
    /// `[rows, features]`.
    pub(crate) fn of(&self, rows: &[u32]) -> Result<Tensor> {
        let places: Vec<i64> = rows.iter().map(|row| self.places[row]).collect();
        let places = Tensor::f_from_slice(&places)?.f_to_device(self.values.device())?;
        Ok(self.values.f_index_select(0, &places)?)
    }
}
