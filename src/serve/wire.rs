//! HTTP: which requests are answered, and the headers of every answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::ServeError;
use super::route::{self, Answer};
use crate::registry::Registry;

/// Maximum number of connections; a browser opens six.
const CONNECTIONS: usize = 64;
/// How long a request may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
/// Maximum size of a request's head in bytes.
const HEAD: usize = 16 * 1024;

/// No external content, no inline content, no embedding in frames.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Accepts connections forever.
pub(super) async fn accept(
    listener: TcpListener,
    port: u16,
    registry: Arc<Registry>,
) -> Result<(), ServeError> {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let permit = free.clone().acquire_owned().await.expect("nobody closes it");
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // An error of this connection, or too many open files: other connections continue.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let registry = registry.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, port, registry.clone()));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .max_buf_size(HEAD)
                .serve_connection(TokioIo::new(stream), service);
            // An aborted connection is not an error.
            let _ = connection.await;
            drop(permit);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    port: u16,
    registry: Arc<Registry>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let head = request.method() == Method::HEAD;
    let answer = match refusal(&request, port) {
        Some(refused) => refused,
        None => {
            let path = request.uri().path().to_owned();
            let query = request.uri().query().unwrap_or_default().to_owned();
            let answered = tokio::task::spawn_blocking(move || route::answer(&registry, &path, &query));
            answered.await.unwrap_or_else(|_| Answer::text(500, "this page could not be rendered"))
        }
    };
    Ok(response(answer, head))
}

/// The answer to a request that no reader of these pages sends; `None` for all other requests.
fn refusal(request: &Request<Incoming>, port: u16) -> Option<Answer> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return Some(Answer::text(405, "this server is read-only"));
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()).unwrap_or_default();
    let own = ["127.0.0.1", "localhost"].iter().any(|name| {
        host.eq_ignore_ascii_case(&format!("{name}:{port}")) || port == 80 && host.eq_ignore_ascii_case(name)
    });
    if !own || hosts.next().is_some() {
        return Some(Answer::text(421, "this is 127.0.0.1 and answers to no other name"));
    }
    // A request of the form `GET http://elsewhere/ HTTP/1.1` is meant for proxies.
    if request.uri().authority().is_some() || !request.uri().path().starts_with('/') {
        return Some(Answer::text(400, "a path of this server is expected"));
    }
    None
}

fn response(answer: Answer, head: bool) -> Response<Full<Bytes>> {
    let length = answer.body.len();
    let body = if head { Bytes::new() } else { Bytes::from(answer.body) };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(answer.status).expect("a status of ours");
    let headers = response.headers_mut();
    let cache = if answer.lasting { "private, max-age=31536000, immutable" } else { "no-store" };
    for (name, value) in [
        (header::CONTENT_TYPE, answer.kind),
        (header::CACHE_CONTROL, cache),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if answer.status == 405 {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    if let Some(place) = answer.place.and_then(|place| HeaderValue::from_str(&place).ok()) {
        headers.insert(header::LOCATION, place);
    }
    response
}
