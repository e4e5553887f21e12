//! Keys of an S3 bucket.
//!
//! Endpoint, region and credentials come from the usual AWS_* variables, or from the metadata service of a cloud
//! machine. Every request is signed with the SHA-256 of its body, so that the store accepts only the bytes that were
//! sent.

use std::ops::Range;
use std::sync::Arc;

use futures_util::StreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path as Key;
use object_store::{
    ClientConfigKey, Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutPayload,
    RetryConfig,
};
use tokio::runtime::{Builder, Runtime};

use super::answers::LimitedAnswers;
use super::{Location, Pieces};
use crate::disk::Doing;
use crate::limits;
use crate::remote::RemoteError;

/// Bytes of each part of a large file; S3 allows 10,000 parts.
const PART: usize = 16 << 20;
const RETRIES: usize = 4;

pub(in crate::remote) struct S3Location {
    store: Arc<AmazonS3>,
    runtime: Runtime,
    prefix: String,
    called: String,
}

impl S3Location {
    pub(in crate::remote) fn open(bucket: &str, prefix: &str) -> Result<Self, RemoteError> {
        // Fails if a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let called = format!("s3://{bucket}");
        let timeout = AmazonS3ConfigKey::Client(ClientConfigKey::Timeout);
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_http_connector(LimitedAnswers::default());
        if builder.get_config_value(&timeout).is_none() {
            builder = builder.with_config(timeout, format!("{} seconds", limits::REMOTE_WAIT.as_secs()));
        }
        let retry = RetryConfig { max_retries: RETRIES, ..RetryConfig::default() };
        let store = builder.with_retry(retry).build().map_err(|e| told("open", &called, &e))?;
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.doing("reach", std::path::Path::new(&called))?;
        Ok(S3Location { store: Arc::new(store), runtime, prefix: prefix.to_owned(), called })
    }

    fn key(&self, key: &str) -> Result<Key, RemoteError> {
        let whole = [self.prefix.as_str(), key].into_iter().filter(|part| !part.is_empty());
        let whole = whole.collect::<Vec<_>>().join("/");
        Key::parse(&whole).map_err(|e| self.told("name", key, &e.into()))
    }

    fn told(&self, doing: &'static str, key: &str, e: &Error) -> RemoteError {
        told(doing, &self.at(key), e)
    }

    fn at(&self, key: &str) -> String {
        let whole = [self.called.as_str(), &self.prefix, key].into_iter().filter(|part| !part.is_empty());
        whole.collect::<Vec<_>>().join("/")
    }

    /// The result of a request, unless the request takes too long.
    async fn in_time<T>(&self, request: impl Future<Output = T>) -> Result<T, tokio::time::error::Elapsed> {
        tokio::time::timeout(limits::REMOTE_WAIT, request).await
    }

    fn slow(&self, doing: &'static str, key: &str) -> RemoteError {
        RemoteError::S3 {
            doing,
            location: self.at(key),
            reason: format!("no answer within {} minutes", limits::REMOTE_WAIT.as_secs() / 60),
            hint: Some("run the same command again when the store answers"),
        }
    }
}

const WHO_ASKS: &str = "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION";

/// Code and message in the XML of a store's error; the other elements do not help users.
fn answer(text: &str) -> Option<String> {
    let within = |tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>"))?;
        Some(rest.split_once(&format!("</{tag}>"))?.0)
    };
    let code = within("Code")?;
    Some(within("Message").map_or(code.to_owned(), |message| format!("{message} ({code})")))
}

/// The error of the store, with a hint.
fn told(doing: &'static str, location: &str, e: &Error) -> RemoteError {
    // The outer errors say what was tried; only the innermost says why it failed.
    let causes = std::iter::successors(Some(e as &dyn std::error::Error), |e| e.source());
    let texts: Vec<String> = causes.map(crate::records::codec::printable).collect();
    let has = |what: &str| texts.iter().any(|text| text.contains(what));
    let hint = match e {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Some(WHO_ASKS),
        // A refusal to list files has no error variant of its own.
        _ if has("403 Forbidden") => Some(WHO_ASKS),
        Error::NotFound { .. } => {
            Some("the bucket must exist; for a store other than Amazon's set AWS_ENDPOINT_URL")
        }
        Error::NotImplemented { .. } | Error::NotSupported { .. } => None,
        _ if has("URL scheme is not allowed") || has("BadScheme") => {
            Some("AWS_ALLOW_HTTP=true allows an endpoint without TLS")
        }
        _ if has("169.254.169.254") || has("metadata") => {
            Some("no credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        }
        _ => Some(
            "check AWS_ENDPOINT_URL and AWS_REGION, and run the same command again when the store answers",
        ),
    };
    let mut reason = texts[0].clone();
    if let Some(cause) = texts.last().filter(|cause| !reason.contains(cause.as_str())) {
        reason = format!("{reason}: {cause}");
    }
    RemoteError::S3 { doing, location: location.to_owned(), reason: answer(&reason).unwrap_or(reason), hint }
}

impl Location for S3Location {
    fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, RemoteError> {
        let key = self.key(folder)?;
        let called = || format!("{}/{key}", self.called);
        let list = async {
            let mut found = self.store.list(Some(&key));
            let mut files: Vec<(String, u64)> = Vec::new();
            let mut last: Option<Key> = None;
            // All of them count, also those of other folders, which a store should not list here.
            let mut listed = 0;
            while let Some(meta) = found.next().await {
                let meta = meta.map_err(|e| self.told("list", folder, &e))?;
                // S3 lists keys in ascending order. A list that repeats a key might never end.
                if last.as_ref().is_some_and(|last| last.as_ref() >= meta.location.as_ref()) {
                    let reason = "the list of its files is not in order".to_owned();
                    return Err(RemoteError::Garbled { location: called(), reason });
                }
                if listed == limits::REMOTE_FILES {
                    return Err(super::too_many_files(called()));
                }
                listed += 1;
                let location = meta.location;
                let rest: Vec<_> = location.prefix_match(&key).into_iter().flatten().collect();
                // A file of the folder itself, not of a folder below it.
                if let [name] = &rest[..] {
                    files.push((name.as_ref().to_owned(), meta.size));
                }
                drop(rest);
                last = Some(location);
            }
            Ok(files)
        };
        self.runtime.block_on(self.in_time(list)).unwrap_or_else(|_| Err(self.slow("list", folder)))
    }

    fn read(&self, key: &str, range: Range<u64>) -> Result<Option<Vec<u8>>, RemoteError> {
        if range.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let location = self.key(key)?;
        let most = range.end - range.start;
        // A store may send another length than requested, and more than it announces.
        let get = async {
            let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
            let mut pieces = self.store.get_opts(&location, options).await?.into_stream();
            let mut bytes = Vec::new();
            while let Some(piece) = pieces.next().await {
                let piece = piece?;
                let room = usize::try_from(most).unwrap_or(usize::MAX) - bytes.len();
                bytes.extend_from_slice(&piece[..piece.len().min(room)]);
                if piece.len() >= room {
                    break;
                }
            }
            Ok(bytes)
        };
        match self.runtime.block_on(self.in_time(get)) {
            Err(_) => Err(self.slow("read", key)),
            Ok(Ok(bytes)) => Ok(Some(bytes)),
            // For a missing bucket, listing its files fails.
            Ok(Err(Error::NotFound { .. })) => Ok(None),
            Ok(Err(e)) => Err(self.told("read", key, &e)),
        }
    }

    fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), RemoteError> {
        let location = self.key(key)?;
        let put = self.runtime.block_on(self.store.put(&location, PutPayload::from(bytes)));
        put.map(drop).map_err(|e| self.told("write", key, &e))
    }

    fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool, RemoteError> {
        let location = self.key(key)?;
        let put = self.store.put_opts(&location, PutPayload::from(bytes), PutMode::Create.into());
        match self.runtime.block_on(put) {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
            Err(e) => Err(self.told("write", key, &e)),
        }
    }

    fn put_pieces(&self, key: &str, next: &mut Pieces<'_>) -> Result<(), RemoteError> {
        let location = self.key(key)?;
        let failed = |e| self.told("write", key, &e);
        let mut upload = self.runtime.block_on(self.store.put_multipart(&location)).map_err(failed)?;
        let mut send = || -> Result<(), RemoteError> {
            let mut part = Vec::new();
            loop {
                let piece = next()?;
                let last = piece.is_none();
                part.extend(piece.into_iter().flatten());
                if part.len() >= PART || last && !part.is_empty() {
                    let payload = PutPayload::from(std::mem::take(&mut part));
                    self.runtime.block_on(upload.put_part(payload)).map_err(failed)?;
                }
                if last {
                    return self.runtime.block_on(upload.complete()).map(drop).map_err(failed);
                }
            }
        };
        let sent = send();
        if sent.is_err() {
            // If the upload cannot be cancelled, the lifecycle rules of the bucket remove its parts.
            let _ = self.runtime.block_on(upload.abort());
        }
        sent
    }

    fn is_empty(&self) -> Result<bool, RemoteError> {
        let prefix = (!self.prefix.is_empty()).then(|| self.key("")).transpose()?;
        // One file answers the question, so no more of the list is asked for.
        let mut found = self.store.list(prefix.as_ref());
        let first = self.runtime.block_on(self.in_time(found.next())).map_err(|_| self.slow("list", ""))?;
        first.transpose().map(|first| first.is_none()).map_err(|e| self.told("list", "", &e))
    }
}
