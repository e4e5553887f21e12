//! The library in few calls: what scripts and notebooks ask of a [`Registry`], by name.
//!
//! Each method resolves names and ids as the command line does, opens the view that it needs, and leads to the one
//! function of a lower room that does the work; whoever needs more options calls that function.

use crate::compare::{CompareError, CompareOptions, Input, compare};
use crate::hash::Id;
use crate::lineage::{self, Direction, Graph};
use crate::records::{Comparison, Dataset, Manifest, Predictions, Record, Table};
use crate::registry::{Registry, RegistryError, Stamp};
use crate::scores::truth;

/// A record and its id.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Found<T> {
    /// The id.
    pub id: Id<T>,
    /// The record.
    pub record: T,
}

/// The scores of predictions beside the labels of their images: one row per image, in the order of the manifest.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ScoredImages {
    /// `Image Index` of each row.
    pub images: Vec<String>,
    /// `Patient ID` of each row.
    pub patients: Vec<String>,
    /// The labels, in the order of the columns.
    pub labels: Vec<String>,
    /// Probabilities `[images, labels]`, row after row.
    pub probabilities: Vec<f64>,
    /// Whether an image has a label, `[images, labels]`, row after row; `None` if that is unknown.
    pub truth: Vec<Option<bool>>,
}

impl ScoredImages {
    /// One label's probabilities and truth, without the images for which its truth is unknown; `None` if it was not
    /// scored.
    pub fn of_label(&self, label: &str) -> Option<(Vec<f64>, Vec<bool>)> {
        let column = self.labels.iter().position(|own| own == label)?;
        let cells = self.probabilities.iter().zip(&self.truth).skip(column).step_by(self.labels.len());
        Some(cells.filter_map(|(score, truth)| Some((*score, (*truth)?))).unzip())
    }
}

impl Registry {
    /// The record with this name, id or unique prefix of an id.
    ///
    /// # Errors
    /// Nothing has that name; it is a record of another kind; damage.
    pub fn find_record<T: Record>(&self, name: &str) -> Result<Found<T>, RegistryError> {
        let id = self.resolve_as::<T>(&self.view()?, name)?;
        Ok(Found { id, record: self.get(id)? })
    }

    /// The images of a data set, one row each: file, patient, age, gender, view, labels.
    ///
    /// # Errors
    /// As [`Registry::find_record`].
    pub fn read_images(&self, dataset: &str) -> Result<(Dataset, Manifest), RegistryError> {
        let dataset = self.find_record::<Dataset>(dataset)?.record;
        let manifest = self.manifest(&dataset)?;
        Ok((dataset, manifest))
    }

    /// The scores of predictions, or the newest test scores of a run, beside the labels of their images.
    ///
    /// # Errors
    /// Nothing has that name; it is neither predictions nor a run with test predictions; damage.
    pub fn read_scores(&self, name: &str) -> Result<ScoredImages, CompareError> {
        let predictions: Predictions = Input::resolve(self, &self.view()?, name)?.predictions;
        let dataset = self.get(predictions.dataset)?;
        let manifest = self.manifest(&dataset)?;
        let scores = self.scores(&predictions)?;
        let rows = || scores.rows.iter().map(|row| &manifest.rows[*row as usize]);
        let columns: Vec<Vec<Option<bool>>> =
            predictions.labels.iter().map(|label| truth(&dataset, &manifest, &scores, label)).collect();
        let cells = (0..scores.rows.len()).flat_map(|row| columns.iter().map(move |column| column[row]));
        Ok(ScoredImages {
            images: rows().map(|row| row.name.to_string()).collect(),
            patients: rows().map(|row| row.patient.to_string()).collect(),
            truth: cells.collect(),
            probabilities: scores.scores.iter().map(|score| predictions.scale.probability(*score)).collect(),
            labels: predictions.labels,
        })
    }

    /// Compares runs or predictions as `reg compare` does, and records the comparison under `name`.
    ///
    /// # Errors
    /// As [`compare()`].
    pub fn compare(
        &self,
        names: &[&str],
        options: &CompareOptions,
        name: Option<&str>,
        stamp: &Stamp,
    ) -> Result<(Id<Table>, Comparison), CompareError> {
        let view = self.view()?;
        let inputs = names.iter().map(|name| Input::resolve(self, &view, name));
        let inputs = inputs.collect::<Result<_, _>>()?;
        drop(view);
        compare(self, inputs, options, name, stamp)
    }

    /// The lineage of a record or file: upwards all that it was made of, downwards all that was made of it.
    ///
    /// # Errors
    /// Nothing has that name; damage.
    pub fn trace(&self, name: &str, direction: Direction) -> Result<Graph, RegistryError> {
        let view = self.view()?;
        let root = self.resolve(&view, name)?;
        lineage::trace(self, &view, root, direction)
    }
}
