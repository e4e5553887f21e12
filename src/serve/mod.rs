//! The pages of a live registry, for a browser on this machine: read-only, without external resources.
//!
//! Pages from other sites must not be able to read the registry. So the server listens only on the loopback
//! interface, answers only requests for its own name and port (against DNS rebinding), and sends a policy that
//! allows only its own style sheet and script. A path contains an id (64 hex digits) or a row of a manifest,
//! never a file name.
//!
//! The server opens the index as every command does, for a moment and for reading, so that no writer waits for
//! it.

mod browse;
mod images;
mod record;
mod route;
mod wire;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use crate::registry::Registry;

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The port is taken, or not allowed.
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Port {
        /// The port.
        port: u16,
        /// What the system says.
        source: std::io::Error,
    },
    /// Threads or sockets are not available.
    #[error("cannot serve: {0}")]
    System(#[source] std::io::Error),
}

/// Number of threads.
const THREADS: usize = 4;

/// Serves a registry until the process ends. `started` receives the port, which the system chooses if it is 0.
pub fn serve(registry: Registry, port: u16, started: impl FnOnce(u16)) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(THREADS)
        .build()
        .map_err(ServeError::System)?;
    let registry = Arc::new(registry);
    runtime.block_on(async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let failed = |source| ServeError::Port { port, source };
        let listener = tokio::net::TcpListener::bind(address).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        started(port);
        wire::accept(listener, port, registry).await
    })
}
