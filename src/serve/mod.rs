//! The pages of a live registry, for a browser on this machine: read-only, without external resources.
//!
//! Neither pages from other sites nor other accounts of this machine may read the registry. So the server listens only
//! on the loopback interface or on a Unix socket, answers only requests with its token ([`Token`]) for its own name and
//! port (against DNS rebinding), and sends a policy that allows only its own style sheet and script. A path contains an
//! id (64 hex digits) or a row of a manifest, never a file name. Nothing is kept in a browser's cache: an image that
//! was purged is not shown any more.
//!
//! The server opens the index as every command does, for a moment and for reading, so that no writer waits for
//! it.

mod answer;
mod browse;
mod compare;
mod connections;
mod facts;
mod graph;
mod images;
mod pictures;
mod record;
mod route;
mod run;
mod runs;
mod site;
mod socket;
mod study;
#[cfg(test)]
mod tests;
mod token;
mod viewer;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use crate::registry::Registry;
use site::Site;
use socket::Socket;
pub use token::Token;
use wire::Access;

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The port is taken, or not allowed.
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Port {
        /// The port.
        port: u16,
        /// What the system says.
        source: std::io::Error,
    },
    /// The socket cannot be made.
    #[error("cannot listen on {}: {source}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Where it listens cannot be said.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] std::io::Error),
    /// Threads or sockets are not available.
    #[error("cannot serve: {0}")]
    System(#[source] std::io::Error),
}

/// Number of threads.
const THREADS: usize = 4;

/// Where a server listens.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// A port of 127.0.0.1; the system chooses it if it is 0.
    Port(u16),
    /// A Unix socket of mode 0600.
    Socket(PathBuf),
}

/// A server that has started.
pub struct Listening {
    /// The port, or the socket.
    pub endpoint: Endpoint,
    /// What a request needs.
    pub token: Token,
}

impl Listening {
    /// The address for a browser. A socket is reached through a port that is forwarded to it; `forwarded` is its number.
    pub fn url(&self, forwarded: u16) -> String {
        let port = match self.endpoint {
            Endpoint::Port(port) => port,
            Endpoint::Socket(_) => forwarded,
        };
        format!("http://127.0.0.1:{port}/?token={}", self.token.as_str())
    }
}

/// Serves a registry until the process ends. `started` receives where the server listens.
pub fn serve(
    registry: Registry,
    endpoint: Endpoint,
    started: impl FnOnce(&Listening) -> io::Result<()>,
) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(THREADS)
        .build()
        .map_err(ServeError::System)?;
    let site = Arc::new(Site::new(registry));
    let token = Token::new()?;
    runtime.block_on(async {
        match endpoint {
            Endpoint::Port(port) => {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                let failed = |source| ServeError::Port { port, source };
                let listener = tokio::net::TcpListener::bind(address).await.map_err(failed)?;
                let port = listener.local_addr().map_err(failed)?.port();
                let listening = Listening { endpoint: Endpoint::Port(port), token: token.clone() };
                started(&listening).map_err(ServeError::Output)?;
                let access = Arc::new(Access { port: Some(port), token });
                wire::accept(async || listener.accept().await.map(|(stream, _)| stream), access, site).await
            }
            Endpoint::Socket(path) => {
                let failed = |source| ServeError::Socket { path: path.clone(), source };
                let socket = Socket::bind(&path).map_err(failed)?;
                let listening = Listening { endpoint: Endpoint::Socket(path.clone()), token: token.clone() };
                started(&listening).map_err(ServeError::Output)?;
                let access = Arc::new(Access { port: None, token });
                let accept = async || socket.listener.accept().await.map(|(stream, _)| stream);
                wire::accept(accept, access, site).await
            }
        }
    })
}
