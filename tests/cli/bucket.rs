//! An S3 server on loopback, in the process of the tests: s3s implements the protocol, s3s-fs the files. Conditional
//! writes and lists in pages, which s3s-fs lacks, are added.

use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::dto::*;
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const KEYS: [&str; 2] = ["AKIDREG", "not-a-secret"];
const BUCKET: &str = "bucket";
/// Keys in a page of a list.
const PAGE: usize = 3;

/// A server with one bucket; it ends when dropped.
pub(crate) struct Bucket {
    dir: tempfile::TempDir,
    endpoint: String,
    log: Log,
    holds: Arc<Mutex<Option<Hold>>>,
    _runtime: Runtime,
}

type Log = Arc<Mutex<Vec<(&'static str, String)>>>;

/// Writes of keys with this text wait: one channel reports them, the other lets them continue.
struct Hold {
    text: &'static str,
    reached: Sender<()>,
    release: Receiver<()>,
}

struct Server {
    files: FileSystem,
    conditions: bool,
    /// Held between the check that a key is free and the write.
    one_at_a_time: tokio::sync::Mutex<()>,
    log: Log,
    holds: Arc<Mutex<Option<Hold>>>,
}

impl Bucket {
    pub(crate) fn new() -> Self {
        Self::with_conditions(true)
    }

    /// A server that ignores the condition that a key must be new, as some do.
    pub(crate) fn without_conditions() -> Self {
        Self::with_conditions(false)
    }

    fn with_conditions(conditions: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(BUCKET)).unwrap();
        let (log, holds) = (Log::default(), Arc::<Mutex<Option<Hold>>>::default());
        let server = Server {
            files: FileSystem::new(dir.path()).unwrap(),
            conditions,
            one_at_a_time: tokio::sync::Mutex::new(()),
            log: Arc::clone(&log),
            holds: Arc::clone(&holds),
        };
        let mut service = S3ServiceBuilder::new(server);
        service.set_auth(SimpleAuth::from_single(KEYS[0], KEYS[1]));
        let service = service.build().into_shared();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let http =
                        hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
                    let _ = http.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Bucket { dir, endpoint, log, holds, _runtime: runtime }
    }

    /// Sets address and credentials in a command's environment.
    pub(crate) fn tell<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("AWS_ENDPOINT_URL", &self.endpoint).env("AWS_ALLOW_HTTP", "true");
        command.env("AWS_REGION", "eu-central-1");
        command.env("AWS_ACCESS_KEY_ID", KEYS[0]).env("AWS_SECRET_ACCESS_KEY", KEYS[1])
    }

    /// Where the server keeps a key.
    pub(crate) fn path(&self, key: &str) -> PathBuf {
        self.dir.path().join(BUCKET).join(key)
    }

    /// The requests since the last call: operation and key.
    pub(crate) fn requests(&self) -> Vec<(&'static str, String)> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    /// Makes writes of keys with `text` wait. The receiver reports the first; all continue when the sender is dropped.
    pub(crate) fn hold(&self, text: &'static str) -> (Receiver<()>, Sender<()>) {
        let ((reached, hears), (lets_go, release)) = (channel(), channel());
        *self.holds.lock().unwrap() = Some(Hold { text, reached, release });
        (hears, lets_go)
    }
}

impl Server {
    async fn note(&self, what: &'static str, key: &str) {
        self.log.lock().unwrap().push((what, key.to_owned()));
        let held = {
            let mut holds = self.holds.lock().unwrap();
            let due = holds.as_ref().is_some_and(|hold| what.starts_with("write") && key.contains(hold.text));
            if due { holds.take() } else { None }
        };
        if let Some(hold) = held {
            let wait = move || {
                let _ = hold.reached.send(());
                let _ = hold.release.recv();
            };
            let _ = tokio::task::spawn_blocking(wait).await;
        }
    }
}

#[async_trait::async_trait]
impl S3 for Server {
    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.note("read", &req.input.key).await;
        self.files.get_object(req).await
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.note("head", &req.input.key).await;
        self.files.head_object(req).await
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.note("write", &req.input.key).await;
        let _alone = self.one_at_a_time.lock().await;
        let only_if_new = req.headers.get("if-none-match").is_some_and(|value| value == "*");
        if only_if_new && self.conditions {
            let head = HeadObjectInput::builder().bucket(req.input.bucket.clone()).key(req.input.key.clone());
            if self.files.head_object(S3Request::new(head.build().unwrap())).await.is_ok() {
                return Err(s3_error!(PreconditionFailed));
            }
        }
        self.files.put_object(req).await
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.note("list", req.input.prefix.as_deref().unwrap_or_default()).await;
        let after = req.input.continuation_token.clone();
        let mut found = self.files.list_objects_v2(req).await?;
        let mut keys = found.output.contents.take().unwrap_or_default();
        keys.retain(|object| after.is_none() || object.key > after);
        let more = keys.len() > PAGE;
        keys.truncate(PAGE);
        found.output.next_continuation_token = keys.last().filter(|_| more).and_then(|last| last.key.clone());
        found.output.is_truncated = Some(more);
        found.output.key_count = Some(keys.len() as i32);
        found.output.contents = Some(keys);
        Ok(found)
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.note("write parts", &req.input.key).await;
        self.files.create_multipart_upload(req).await
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.note("write part", &req.input.key).await;
        self.files.upload_part(req).await
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        self.note("write whole", &req.input.key).await;
        self.files.complete_multipart_upload(req).await
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.note("abort", &req.input.key).await;
        self.files.abort_multipart_upload(req).await
    }
}
