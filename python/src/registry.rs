//! A registry, as the Python package sees it.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use reg::compare::Input;
use reg::disk::Doing;
use reg::export::{ColumnValues, Sheet, SheetColumn, dataset_sheets, long_sheet, run_sheet, sheets};
use reg::failure::Failure;
use reg::filter::Filter;
use reg::hash::{Hash, Id};
use reg::lineage::Direction;
use reg::listing::{self, ListRequest, SortOrder, of_columns};
use reg::records::{Header, Kind, Predictions};
use reg::registry::{RegistryError, Search, TrustList};
use reg::suggest::similar_or_all;
use serde_json::{Map, Value};

use crate::columns::{Columns, PackedSheets};
use crate::compare::Options;
use crate::error::{Answer, unlocked};
use crate::images::{Pixels, decoded};

/// Images, patients, labels, probabilities, truth; see [`Registry::scores`].
type ScoreArrays = (Vec<String>, Vec<String>, Vec<String>, Py<PyByteArray>, Py<PyByteArray>);

/// An open registry.
#[pyclass(frozen, module = "regcxr._native")]
pub(crate) struct Registry {
    inner: reg::Registry,
}

#[pymethods]
impl Registry {
    /// Opens the registry in a folder; without one, that of REG_REGISTRY, else the nearest `.reg` upwards.
    #[staticmethod]
    #[pyo3(signature = (path=None))]
    fn open(py: Python<'_>, path: Option<PathBuf>) -> PyResult<Self> {
        let inner = unlocked(py, || Ok(found(path)?))?;
        Ok(Registry { inner })
    }

    /// The registry's folder.
    #[getter]
    fn root(&self) -> PathBuf {
        self.inner.root().to_owned()
    }

    /// Id and name of each record of a kind, oldest first.
    fn of_kind(&self, py: Python<'_>, kind: &str) -> PyResult<Vec<(String, Option<String>)>> {
        unlocked(py, || {
            let view = self.inner.view()?;
            let names = view.names_by_id()?;
            let all = view.of_kind(kind_named(kind)?)?;
            Ok(all.into_iter().map(|id| (id.to_string(), names.get(&id).cloned())).collect())
        })
    }

    /// Kind, id and name of what a name, an id or the beginning of one means; with a kind, a record of that kind.
    #[pyo3(signature = (text, kind=None))]
    fn resolve(
        &self,
        py: Python<'_>,
        text: &str,
        kind: Option<&str>,
    ) -> PyResult<(String, String, Option<String>)> {
        unlocked(py, || {
            let view = self.inner.view()?;
            let expected = kind.map(kind_named).transpose()?;
            let id = match (self.inner.resolve(&view, text), expected) {
                (Err(RegistryError::Unknown { text, similar, known: None }), Some(kind)) => {
                    let known = Some((kind.descriptor().plural, self.inner.names_of(&view, kind)?));
                    return Err(RegistryError::Unknown { text, similar, known }.into());
                }
                (id, _) => id?,
            };
            let found = view.kind(&id)?;
            let kind = match (found, expected) {
                (Some(found), Some(expected)) if found == expected => found,
                (Some(found), None) => found,
                (found, expected) => {
                    let expected = expected.map_or("record", Kind::name);
                    let found = found.map_or("file that is no record", Kind::name).to_owned();
                    return Err(RegistryError::WrongKind { text: text.to_owned(), expected, found }.into());
                }
            };
            let name = match view.name(text)? {
                Some(_) => Some(text.to_owned()),
                None => view.names_by_id()?.remove(&id),
            };
            Ok((kind.name().to_owned(), id.to_string(), name))
        })
    }

    /// The JSON document of a record.
    fn record(&self, py: Python<'_>, id: &str) -> PyResult<String> {
        unlocked(py, || {
            let id = hash(id)?;
            let bytes = self.inner.store().read(&id)?;
            let header = Header::read(&bytes).map_err(|source| RegistryError::Codec { id, source })?;
            Ok(Value::Object(header.document).to_string())
        })
    }

    /// The sheets of a record.
    fn sheets(&self, py: Python<'_>, id: &str) -> PyResult<Vec<Columns>> {
        let all =
            unlocked(py, || Ok(PackedSheets::of(sheets(&self.inner, &self.inner.view()?, hash(id)?)?)))?;
        all.into_python(py)
    }

    /// The long form of a table: a row for each value.
    fn values(&self, py: Python<'_>, id: &str) -> PyResult<Columns> {
        let sheet = unlocked(py, || {
            Ok(PackedSheets::of(vec![long_sheet(&self.inner, &self.inner.view()?, hash(id)?)?]))
        })?;
        Ok(sheet.into_python(py)?.remove(0))
    }

    /// The images of a data set, with the subset of each in each fold of a split if one is given, and its boxes.
    #[pyo3(signature = (id, split=None))]
    fn images(&self, py: Python<'_>, id: &str, split: Option<&str>) -> PyResult<Vec<Columns>> {
        let all = unlocked(py, || {
            let split = split.map(hash).transpose()?.map(Id::new);
            let view = self.inner.view()?;
            Ok(PackedSheets::of(dataset_sheets(&self.inner, &view, Id::new(hash(id)?), split)?))
        })?;
        all.into_python(py)
    }

    /// The file of an image as gray values, from its id.
    #[pyo3(signature = (id, size=None))]
    fn pixels(&self, py: Python<'_>, id: &str, size: Option<u32>) -> PyResult<Pixels> {
        let image = unlocked(py, || {
            let id = hash(id)?;
            let bytes = self.inner.store().read(&id)?;
            decoded(&bytes, size).map_err(|e| Failure::new(format!("image {}: {e}", id.short()), None))
        })?;
        Ok((image.height, image.width, PyByteArray::new(py, &image.data).unbind()))
    }

    /// Runs as JSON documents, those of `reg list run`, and as a sheet with the columns that say something.
    #[pyo3(signature = (r#where=None, sort=None, limit=None, columns=None))]
    fn runs(
        &self,
        py: Python<'_>,
        r#where: Option<&str>,
        sort: Option<&str>,
        limit: Option<usize>,
        columns: Option<Vec<String>>,
    ) -> PyResult<(String, Columns)> {
        let (documents, sheet) = unlocked(py, || {
            let wrong = |name: &str, e: &dyn std::fmt::Display| Failure::usage(format!("{name}: {e}"));
            let filter = r#where.map(Filter::parse).transpose().map_err(|e| wrong("where", &e))?;
            let order = sort.map(SortOrder::parse).transpose().map_err(|e| wrong("sort", &e))?;
            let all = listing::runs(&self.inner, &self.inner.view()?)?;
            if let Some(asked) = &columns {
                of_columns(Some(asked), &all)?;
            }
            let runs = listing::choose(all, &ListRequest { filter, order, limit })?;
            let columns = match columns {
                Some(columns) => columns,
                None => of_columns(None, &runs)?,
            };
            let documents = serde_json::to_string(&runs).expect("a document's keys are texts");
            Ok((documents, PackedSheets::of(vec![run_sheet(&runs, &columns)])))
        })?;
        let mut sheets = sheet.into_python(py)?;
        Ok((documents, sheets.remove(0)))
    }

    /// The log of a run, one row an epoch, from the id of the object.
    fn log(&self, py: Python<'_>, id: &str) -> PyResult<Columns> {
        let sheet = unlocked(py, || {
            let id = hash(id)?;
            let bytes = self.inner.store().read(&id)?;
            let damaged = |e: &dyn std::fmt::Display| {
                let hint = "`reg verify` lists damaged objects".to_owned();
                Failure::new(format!("the log {} is not readable: {e}", id.short()), Some(hint))
            };
            let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            let lines =
                lines.map(serde_json::from_slice::<Map<String, Value>>).collect::<Result<Vec<_>, _>>();
            Ok(PackedSheets::of(vec![log_sheet(&lines.map_err(|e| damaged(&e))?)]))
        })?;
        Ok(sheet.into_python(py)?.remove(0))
    }

    /// Ids of the predictions of a run, oldest first.
    fn predictions_of(&self, py: Python<'_>, run: &str) -> PyResult<Vec<String>> {
        unlocked(py, || {
            let all = self.inner.referring::<Predictions>(&self.inner.view()?, &hash(run)?)?;
            Ok(all.into_iter().map(|(id, _)| id.hash.to_string()).collect())
        })
    }

    /// The id of the predictions that a comparison takes for a name: the newest test scores of a run, or predictions.
    fn scored(&self, py: Python<'_>, name: &str) -> PyResult<String> {
        unlocked(py, || Ok(Input::resolve(&self.inner, &self.inner.view()?, name)?.id.hash.to_string()))
    }

    /// Images, patients, labels, probabilities `[images, labels]` as the bytes of `float64`, and truth `[images, labels]`
    /// as bytes: 0, 1, or 2 where it is unknown.
    fn scores(&self, py: Python<'_>, id: &str) -> PyResult<ScoreArrays> {
        let (scores, probabilities, truth) = unlocked(py, || {
            let scores = self.inner.read_scores(id)?;
            let bytes: Vec<u8> = scores.probabilities.iter().flat_map(|score| score.to_ne_bytes()).collect();
            let truth: Vec<u8> = scores.truth.iter().map(|truth| truth.map_or(2, u8::from)).collect();
            Ok((scores, bytes, truth))
        })?;
        let bytes = |bytes: &[u8]| PyByteArray::new(py, bytes).unbind();
        Ok((scores.images, scores.patients, scores.labels, bytes(&probabilities), bytes(&truth)))
    }

    /// Compares runs or predictions, records the table and returns its id.
    fn compare(&self, py: Python<'_>, names: Vec<String>, options: Options) -> PyResult<String> {
        unlocked(py, || crate::compare::compare(&self.inner, &names, options))
    }

    /// The lineage of a record or file as a JSON document, that of `reg trace`.
    fn trace(&self, py: Python<'_>, name: &str, down: bool) -> PyResult<String> {
        unlocked(py, || {
            let direction = if down { Direction::Down } else { Direction::Up };
            let graph = self.inner.trace(name, direction)?;
            Ok(serde_json::to_string(&graph).expect("a document's keys are texts"))
        })
    }
}

/// The registry in a folder, or the one that the command line would use.
fn found(path: Option<PathBuf>) -> Result<reg::Registry, RegistryError> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let registry = match path.or_else(|| set("REG_REGISTRY")) {
        Some(path) => reg::Registry::load(&path)?,
        None => {
            let here = std::env::current_dir();
            let here = here.doing("find", Path::new(".")).map_err(RegistryError::Io)?;
            let home = set("HOME");
            let config = set("XDG_CONFIG_HOME").filter(|dir| dir.is_absolute());
            let config = config.or_else(|| home.as_ref().map(|home| home.join(".config")));
            let trusted = config.as_deref().map(TrustList::in_folder);
            reg::Registry::find(&Search {
                from: &here,
                home: home.as_deref().map(Path::new),
                trusted: trusted.as_ref(),
            })?
        }
    };
    if let Some(sharing) = registry.sharing() {
        reg::disk::allow(sharing.mode());
    }
    Ok(registry)
}

fn hash(id: &str) -> Answer<Hash> {
    id.parse().map_err(|_| Failure::usage(format!("`{id}` is not a full id")))
}

fn kind_named(text: &str) -> Answer<Kind> {
    Kind::named(text).ok_or_else(|| {
        let all: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        let meant = similar_or_all(text, &all).join(", ");
        Failure::usage(format!("there is no kind `{text}`")).hinting(format!("there are {meant}"))
    })
}

/// A column for each key of the first line, of the type that its values have.
fn log_sheet(lines: &[Map<String, Value>]) -> Sheet {
    let column = |key: &String| {
        let all = || lines.iter().map(|line| line.get(key).filter(|value| !value.is_null()));
        let is = |of: fn(&Value) -> bool| all().flatten().all(of);
        let values = if is(Value::is_boolean) && all().any(|value| value.is_some()) {
            ColumnValues::Truth(all().map(|value| value?.as_bool()).collect())
        } else if is(Value::is_i64) && all().any(|value| value.is_some()) {
            ColumnValues::Integer(all().map(|value| value?.as_i64()).collect())
        } else if is(Value::is_number) {
            ColumnValues::Number(all().map(|value| value?.as_f64()).collect())
        } else {
            ColumnValues::Text(all().map(|value| Some(value?.to_string())).collect())
        };
        SheetColumn::new(key, values)
    };
    let columns = lines.first().map_or_else(Vec::new, |line| line.keys().map(column).collect());
    Sheet { name: "log".to_owned(), about: Vec::new(), columns }
}
