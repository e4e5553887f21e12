//! HTTP: which requests are answered, and the headers of every answer.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::ServeError;
use super::answer::Answer;
use super::connections::{ConnectionEntry, Connections};
use super::route;
use super::site::Site;
use super::token::Token;
use crate::limits;

/// No external content, no inline content, no embedding in frames.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What a request must have to be answered.
pub(super) struct Access {
    /// The port that it must be for; through a Unix socket, requests are for whatever port is forwarded to it.
    pub(super) port: Option<u16>,
    /// The token.
    pub(super) token: Token,
}

/// Accepts connections forever.
pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    next: impl AsyncFn() -> io::Result<S>,
    access: Arc<Access>,
    site: Arc<Site>,
) -> Result<(), ServeError> {
    let connections = Connections::new(limits::CONNECTIONS);
    for id in 0.. {
        let stream = match next().await {
            Ok(stream) => stream,
            // An error of this connection, or too many open files: other connections continue.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        connections.make_room().await;
        let (site, access) = (site.clone(), access.clone());
        let entry = connections.enter(id);
        let task = tokio::spawn(async move {
            let service = service_fn(|request| answer(request, &entry, access.clone(), site.clone()));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits::REQUEST_WAIT)
                .max_buf_size(limits::REQUEST_HEAD)
                .serve_connection(TokioIo::new(stream), service);
            // An aborted connection is not an error.
            let _ = connection.await;
        });
        // The task has not run yet: it begins when this one waits.
        connections.serves(id, task.abort_handle());
    }
    Ok(())
}

async fn answer(
    request: Request<Incoming>,
    entry: &ConnectionEntry,
    access: Arc<Access>,
    site: Arc<Site>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let head = request.method() == Method::HEAD;
    let answer = match access.admit(&request) {
        Err(refused) => refused,
        Ok(()) => {
            entry.answering();
            let path = request.uri().path().to_owned();
            let query = request.uri().query().unwrap_or_default().to_owned();
            let answered = tokio::task::spawn_blocking(move || route::answer(&site, &path, &query));
            let answer =
                answered.await.unwrap_or_else(|_| Answer::text(500, "this page could not be rendered"));
            entry.answered();
            answer
        }
    };
    Ok(response(answer, head))
}

impl Access {
    /// Refuses a request that no reader of these pages sends, and one without the token. The first request with the token
    /// in its query is answered with a cookie and the same address without the token.
    fn admit(&self, request: &Request<Incoming>) -> Result<(), Answer> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return Err(Answer::text(405, "this server is read-only"));
        }
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok()).unwrap_or_default();
        let port = port_of(host).filter(|port| self.port.is_none_or(|own| own == *port));
        let Some(port) = port.filter(|_| hosts.next().is_none()) else {
            return Err(Answer::text(421, "this server answers only to the host name 127.0.0.1"));
        };
        // A request of the form `GET http://elsewhere/ HTTP/1.1` is meant for proxies.
        if request.uri().authority().is_some() || !request.uri().path().starts_with('/') {
            return Err(Answer::text(400, "a path of this server is expected"));
        }
        if self.token.is_in(request.headers(), port) {
            return Ok(());
        }
        let query = request.uri().query().unwrap_or_default();
        let given = query.split('&').find_map(|pair| pair.strip_prefix("token="));
        match given {
            Some(given) if self.token.is(given) => {
                let rest: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("token=")).collect();
                let query = if rest.is_empty() { String::new() } else { format!("?{}", rest.join("&")) };
                let cookie = Some(self.token.set_cookie(port));
                // A path that begins with two slashes would be an address elsewhere.
                let path = format!("/{}", request.uri().path().trim_start_matches('/'));
                Err(Answer { cookie, ..Answer::see(format!("{path}{query}")) })
            }
            _ => Err(Answer::text(403, "open the address that `reg serve` has printed: it has the token")),
        }
    }
}

/// The port in the name of a host on this machine; none in any other name.
fn port_of(host: &str) -> Option<u16> {
    let (name, port) = host.split_once(':').unwrap_or((host, "80"));
    let own = ["127.0.0.1", "localhost"].iter().any(|own| name.eq_ignore_ascii_case(own));
    port.parse().ok().filter(|_| own && port.bytes().all(|digit| digit.is_ascii_digit()))
}

fn response(answer: Answer, head: bool) -> Response<Full<Bytes>> {
    let length = answer.body.len();
    let body = if head { Bytes::new() } else { Bytes::from(answer.body) };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(answer.status).expect("a status of ours");
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, answer.kind),
        (header::CACHE_CONTROL, "no-store"),
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
    if let Some(cookie) = answer.cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        headers.insert(header::SET_COOKIE, cookie);
    }
    if let Some(place) = answer.place.and_then(|place| HeaderValue::from_str(&place).ok()) {
        headers.insert(header::LOCATION, place);
    }
    response
}
