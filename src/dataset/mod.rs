//! What ChestX-ray14 means.

pub mod synthetic;
