//! The pages of a live registry, for a browser on this machine: read-only, and nothing from outside.
//!
//! A page of somewhere else must learn nothing here. So the server listens on the loopback alone, answers only
//! requests for its own name and port (against names that somebody lets point to 127.0.0.1), and sends a policy under
//! which nothing but its own style sheet and script is run. What a path names is an id, which is 64 hex digits, or a
//! row of a manifest; never a file.
//!
//! It opens the index as every command does, for a moment and to read, so that nobody who writes waits for it.

mod browse;
mod images;
mod record;
mod route;
#[cfg(test)]
mod tests;
mod wire;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use crate::registry::Registry;

/// Why nothing is served.
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
    /// Threads or sockets cannot be had.
    #[error("cannot serve: {0}")]
    System(#[source] std::io::Error),
}

/// Threads that answer at once.
const THREADS: usize = 4;

/// Serves a registry until the process ends. `started` is told the port, which the system chooses where it is 0.
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
