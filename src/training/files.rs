//! Image files that somebody names: each is identified by its bytes, never by what it is called.
//!
//! A file with the bytes of an image of the run's data set is that image, with its age, gender and view. Of any other
//! file these are not known, whatever its name: a network that sees them needs them given.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::RunError;
use crate::disk::Doing;
use crate::hash::Hash;
use crate::limits;
use crate::records::{Gender, ImageRow, Manifest, MetaFeatures, Model, ViewPosition};
use crate::store::Scratch;

/// Age, gender and view as somebody gives them for files; `None` for what is not given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GivenMeta {
    /// Age in years, or that it is unknown.
    pub age: Option<Option<i32>>,
    /// Gender.
    pub gender: Option<Gender>,
    /// View position.
    pub view: Option<ViewPosition>,
}

impl GivenMeta {
    pub(super) fn is_empty(&self) -> bool {
        *self == GivenMeta::default()
    }

    /// The values, if all are given; else the options that are missing.
    fn whole(&self) -> Result<MetaFeatures, Vec<&'static str>> {
        match *self {
            GivenMeta { age: Some(age), gender: Some(gender), view: Some(view) } => {
                Ok(MetaFeatures { age, gender, view })
            }
            GivenMeta { age, gender, view } => {
                let missing =
                    [(age.is_none(), "--age"), (gender.is_none(), "--gender"), (view.is_none(), "--view")];
                Err(missing.into_iter().filter(|(missing, _)| *missing).map(|(_, option)| option).collect())
            }
        }
    }

    fn contradicts(&self, meta: &MetaFeatures) -> bool {
        self.age.is_some_and(|age| age != meta.age)
            || self.gender.is_some_and(|gender| gender != meta.gender)
            || self.view.is_some_and(|view| view != meta.view)
    }
}

/// A file, and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct KnownFile {
    /// Hash of its bytes.
    pub(super) hash: Hash,
    /// Its row in the manifest, if it is an image of the data set.
    pub(super) row: Option<usize>,
    /// Its meta features, if the network sees them.
    pub(super) meta: Option<MetaFeatures>,
}

/// The path at which the worker reads a file. A pipe has been read already, so its bytes are put into `scratch`.
pub(super) fn for_worker(
    path: &Path,
    bytes: &[u8],
    scratch: &Scratch,
    number: usize,
) -> Result<PathBuf, RunError> {
    if path.is_file() {
        // The worker may run in another folder.
        return Ok(fs::canonicalize(path).doing("read", path)?);
    }
    let name = format!("image-{number}");
    scratch.dir().write_new(&name, bytes, 0o600).doing("write", scratch.path())?;
    Ok(scratch.dir().path_of(name))
}

/// The images of a data set, by the hash of their bytes.
pub(super) struct KnownImages<'m> {
    manifest: &'m Manifest,
    by_hash: HashMap<Hash, Vec<usize>>,
}

/// Reads a named file once, whether it is a file or a pipe.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, RunError> {
    Ok(limits::read(path, limits::IMAGE_FILE).doing("read", path)?)
}

impl<'m> KnownImages<'m> {
    pub(super) fn of(manifest: &'m Manifest) -> Self {
        let mut by_hash: HashMap<Hash, Vec<usize>> = HashMap::new();
        for (place, row) in manifest.rows.iter().enumerate() {
            if let Some(object) = row.object {
                by_hash.entry(object).or_default().push(place);
            }
        }
        KnownImages { manifest, by_hash }
    }

    /// Whether some image has these bytes.
    pub(super) fn has(&self, hash: Hash) -> bool {
        self.by_hash.contains_key(&hash)
    }

    /// Identifies a file by the hash of its bytes, and finds its meta features if `model` sees them. Where
    /// several images have these bytes, the one of the file's name is meant, or any if they do not differ.
    ///
    /// # Errors
    /// Meta features that the network needs and that are neither known nor given; given ones that it does not
    /// see, or that are not those of the data set.
    pub(super) fn identify(
        &self,
        path: &Path,
        hash: Hash,
        model: &Model,
        given: &GivenMeta,
    ) -> Result<KnownFile, RunError> {
        let rows = self.by_hash.get(&hash).map_or(&[][..], Vec::as_slice);
        let name = path.file_name().and_then(|name| name.to_str());
        let named = rows.iter().find(|row| Some(self.row(**row).name.as_str()) == name);
        let row = named.or(rows.first()).copied();
        if !model.architecture.meta() {
            return match given.is_empty() {
                true => Ok(KnownFile { hash, row, meta: None }),
                false => Err(RunError::MetaUnused(model.name.clone())),
            };
        }
        let path = || path.to_owned();
        let meta = match row.map(|row| self.row(row)) {
            Some(row) => {
                let other = rows.iter().map(|row| self.row(*row)).find(|other| other.meta() != row.meta());
                if let (Some(other), None) = (other, named) {
                    let [a, b] = [row, other].map(|row| row.name.to_string());
                    return Err(RunError::MetaAmbiguous { path: path(), a, b });
                }
                let meta = row.meta();
                if given.contradicts(&meta) {
                    return Err(RunError::MetaContradicts {
                        path: path(),
                        image: row.name.to_string(),
                        meta,
                        mixed: false,
                    });
                }
                meta
            }
            None => given.whole().map_err(|missing| RunError::MetaUnknown {
                path: path(),
                model: model.name.clone(),
                named: name.is_some_and(|name| self.manifest.row_named(name).is_some()),
                missing,
                mixed: false,
            })?,
        };
        Ok(KnownFile { hash, row, meta: Some(meta) })
    }

    pub(super) fn row(&self, place: usize) -> &'m ImageRow {
        &self.manifest.rows[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Sha256;
    use crate::records::LabelValues;

    fn row(name: &str, bytes: &[u8], age: i32) -> ImageRow {
        ImageRow {
            name: name.parse().unwrap(),
            object: Some(Hash::of(bytes)),
            sha256: Sha256([0; 32]),
            bytes: 1,
            width: 1,
            height: 1,
            row: 1,
            patient: 1.into(),
            study: None,
            follow_up: None,
            age: Some(age),
            gender: Gender::Male,
            view: ViewPosition::PA,
            labels: LabelValues::negative(1),
        }
    }

    #[test]
    fn a_file_is_the_image_with_its_bytes_whatever_either_is_called() {
        let rows = vec![
            row("a.png", b"a", 30),
            row("b.png", b"b", 40),
            row("c.png", b"b", 50),
            row("d.png", b"d", 60),
            row("e.png", b"d", 60),
        ];
        let manifest = Manifest { labels: 1, rows };
        let known = KnownImages::of(&manifest);
        let [plain, meta] = ["tiny", "tiny-meta"].map(|name| crate::network::preset(name).unwrap().model);
        let given =
            GivenMeta { age: Some(Some(7)), gender: Some(Gender::Female), view: Some(ViewPosition::Unknown) };
        let find = |name: &str, bytes: &[u8], model: &Model, given: &GivenMeta| {
            known
                .identify(Path::new(name), Hash::of(bytes), model, given)
                .map(|file| (file.row, file.meta.and_then(|meta| meta.age)))
                .map_err(|e| e.to_string())
        };
        let none = GivenMeta::default();
        assert_eq!(find("elsewhere/x.png", b"a", &meta, &none), Ok((Some(0), Some(30))));
        assert_eq!(find("b.png", b"a", &meta, &none), Ok((Some(0), Some(30))), "not the age of b.png");
        assert_eq!(find("c.png", b"b", &meta, &none), Ok((Some(2), Some(50))));
        assert_eq!(find("x.png", b"d", &meta, &none), Ok((Some(3), Some(60))));
        assert_eq!(find("x.png", b"a", &plain, &none), Ok((Some(0), None)));
        assert_eq!(find("a.png", b"other", &plain, &none), Ok((None, None)));
        assert_eq!(find("a.png", b"other", &meta, &given), Ok((None, Some(7))));
        for (name, bytes, model, given, message) in [
            (
                "a.png",
                &b"other"[..],
                &meta,
                none,
                "tiny-meta needs age, gender and view, but a.png is not the image of that name in the data set",
            ),
            (
                "x.png",
                b"other",
                &meta,
                GivenMeta { age: None, ..given },
                "tiny-meta needs age, gender and view, but x.png is not an image of the data set",
            ),
            (
                "x.png",
                b"b",
                &meta,
                none,
                "x.png is both b.png and c.png of the data set, which differ in age, gender or view",
            ),
            (
                "x.png",
                b"a",
                &meta,
                given,
                "x.png is the data set's image a.png, for which different values are recorded: age 30, gender M, view PA",
            ),
            ("x.png", b"a", &plain, given, "tiny sees no age, gender or view"),
        ] {
            assert_eq!(find(name, bytes, model, &given), Err(message.to_owned()));
        }
    }
}
