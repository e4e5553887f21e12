//! Paths in the protocol. A path is text in JSON if it is UTF-8, as almost all are, and its bytes otherwise: a folder of
//! any name can hold a registry.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    Bytes(Vec<u8>),
}

impl Form {
    fn of(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Form::Text(text.to_owned()),
            None => Form::Bytes(path.as_os_str().as_bytes().to_vec()),
        }
    }

    fn path(self) -> PathBuf {
        match self {
            Form::Text(text) => text.into(),
            Form::Bytes(bytes) => OsString::from_vec(bytes).into(),
        }
    }
}

/// For `serde(with)`.
pub(super) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    Form::of(path).serialize(serializer)
}

/// For `serde(with)`.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    Form::deserialize(deserializer).map(Form::path)
}

/// The same for a path that may be absent.
pub(super) mod optional {
    use super::{Deserialize, Deserializer, Form, PathBuf, Serialize, Serializer};

    pub(in crate::worker) fn serialize<S: Serializer>(
        path: &Option<PathBuf>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        path.as_deref().map(Form::of).serialize(serializer)
    }

    pub(in crate::worker) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<Form>::deserialize(deserializer)?.map(Form::path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Paths {
        #[serde(with = "super")]
        one: PathBuf,
        #[serde(with = "super::optional")]
        other: Option<PathBuf>,
    }

    #[test]
    fn every_path_arrives_as_it_was_sent() {
        let odd = || PathBuf::from(OsString::from_vec(b"/a/\xff b".to_vec()));
        for (paths, text) in [
            (Paths { one: "/a/é".into(), other: None }, r#"{"one":"/a/é","other":null}"#),
            (
                Paths { one: odd(), other: Some(odd()) },
                r#"{"one":[47,97,47,255,32,98],"other":[47,97,47,255,32,98]}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&paths).unwrap(), text);
            assert_eq!(serde_json::from_str::<Paths>(text).unwrap(), paths);
        }
    }
}
