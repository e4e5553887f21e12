//! Queries for images: of a patient, with a name, of a file, of a row of metadata.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rayon::prelude::*;

use crate::hash::{Hash, Id};
use crate::index::View;
use crate::limits;
use crate::records::{Dataset, ImageRow, Kind, Manifest, PatientId, Role};
use crate::registry::walk::manifests_of;
use crate::registry::{Registry, RegistryError};

/// The subject of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// All images of a patient.
    Patient(PatientId),
    /// The images with this name.
    Name(String),
    /// The images with these bytes.
    File(Hash),
    /// A data row of a metadata file, from 1 after its header.
    Row {
        /// The file.
        metadata: Hash,
        /// The row.
        row: u32,
    },
}

impl Asked {
    /// Reads `patient:13` or `patient:p10`, `DATASET:42`, `FILE.csv:42`, the name of an image, or the id of one; none
    /// if it is something else.
    ///
    /// A row can be given by its data set, by the object of the metadata, or by a copy of the file.
    ///
    /// # Errors
    /// Text that begins like one of these and is invalid.
    pub fn read(
        registry: &Registry,
        view: &View,
        argument: impl AsRef<OsStr>,
    ) -> Result<Option<Self>, RegistryError> {
        let argument = argument.as_ref();
        let text = &*argument.to_string_lossy();
        let unknown = || RegistryError::Unknown { text: text.to_owned(), similar: Vec::new(), known: None };
        // The id of a patient may contain a colon.
        if let Some((what, patient)) = text.split_once(':')
            && what.eq_ignore_ascii_case("patient")
        {
            return Ok(Some(Asked::Patient(patient.parse().map_err(|_| unknown())?)));
        }
        if let Some((_, number)) = text.rsplit_once(':') {
            let what = OsStr::from_bytes(&argument.as_bytes()[..argument.len() - number.len() - 1]);
            let number: u32 = number.parse().map_err(|_| unknown())?;
            let metadata = metadata_of(registry, view, what)?.ok_or_else(unknown)?;
            return Ok(Some(Asked::Row { metadata, row: number }));
        }
        match registry.resolve(view, text) {
            Ok(id) => {
                let is_image = view.kind(&id)?.is_none() && !manifests_of(view, &id)?.is_empty();
                Ok(is_image.then_some(Asked::File(id)))
            }
            Err(RegistryError::Unknown { .. } | RegistryError::Removed { .. }) => {
                let named = datasets(registry, view)?;
                let known = named.iter().any(|(_, _, manifest)| manifest.row_named(text).is_some());
                Ok(known.then(|| Asked::Name(text.to_owned())))
            }
            Err(_) => Ok(None),
        }
    }

    /// Whether the query is for a row of a data set.
    pub fn is(&self, dataset: &Dataset, row: &ImageRow) -> bool {
        match self {
            Asked::Patient(patient) => row.patient == *patient,
            Asked::Name(name) => row.name == *name,
            Asked::File(object) => row.object == Some(*object),
            Asked::Row { metadata, row: number } => {
                dataset.metadata.object.hash == *metadata && row.row == *number
            }
        }
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Asked::Patient(patient) => write!(f, "patient:{patient}"),
            Asked::Name(name) => f.write_str(name),
            Asked::File(object) => write!(f, "{object}"),
            Asked::Row { metadata, row } => write!(f, "{metadata}:{row}"),
        }
    }
}

/// The metadata file of a data set, or the file itself by its id or by a copy of it.
fn metadata_of(registry: &Registry, view: &View, what: &OsStr) -> Result<Option<Hash>, RegistryError> {
    let id = match registry.resolve(view, &what.to_string_lossy()) {
        Err(e @ (RegistryError::Unknown { .. } | RegistryError::Removed { .. })) => {
            match limits::read(Path::new(what), limits::TEXT) {
                Ok(bytes) => Hash::of(&bytes),
                Err(_) => return Err(e),
            }
        }
        id => id?,
    };
    if view.kind(&id)? == Some(Kind::Dataset) {
        return Ok(Some(registry.get::<Dataset>(Id::new(id))?.metadata.object.hash));
    }
    Ok(view.referrers(&id)?.iter().any(|(_, roles)| roles.contains(&Role::Metadata)).then_some(id))
}

/// All data sets with their manifests, oldest first. Unreadable data sets are left out: `reg verify` reports them.
pub fn datasets(
    registry: &Registry,
    view: &View,
) -> Result<Vec<(Id<Dataset>, Dataset, Manifest)>, RegistryError> {
    let read = |id: Hash| {
        let dataset = registry.get::<Dataset>(Id::new(id)).ok()?;
        let manifest = registry.manifest(&dataset).ok()?;
        Some((Id::new(id), dataset, manifest))
    };
    Ok(view.of_kind(Kind::Dataset)?.into_par_iter().filter_map(read).collect())
}
