//! `reg serve`.

use std::io::{self, Write};
use std::path::PathBuf;

use reg::serve::{Endpoint, Listening, serve};
use serde_json::{Value, json};

use super::Context;
use super::error::Failure;
use super::output::{Reply, in_json, tell};

/// Show the registry in a browser on this machine, read-only, until interrupted
#[derive(clap::Args)]
pub(crate) struct ServeArgs {
    /// The port on 127.0.0.1; 0 picks a free port
    #[arg(long, default_value_t = PORT)]
    port: u16,
    /// Listen on a Unix socket that only you can connect to, instead of a port: for `ssh -L 8477:PATH HOST`
    #[arg(long, value_name = "PATH", conflicts_with = "port")]
    socket: Option<PathBuf>,
}

/// The usual port.
const PORT: u16 = 8477;

pub(crate) fn run(context: &Context, args: ServeArgs) -> Result<Reply, Failure> {
    let registry = context.registry()?;
    let endpoint = args.socket.map_or(Endpoint::Port(args.port), Endpoint::Socket);
    let json = context.global.json;
    serve(registry, endpoint, |listening| if json { write_json(listening) } else { write_text(listening) })?;
    Ok(Reply::new("", Value::Null))
}

/// Written when the server starts, since it does not end by itself.
fn write_json(listening: &Listening) -> io::Result<()> {
    let token = listening.token.as_str();
    let document = match &listening.endpoint {
        Endpoint::Port(port) => json!({ "url": listening.url(PORT), "token": token, "port": port }),
        Endpoint::Socket(path) => {
            json!({ "url": listening.url(PORT), "token": token, "socket": in_json(path) })
        }
    };
    let mut out = io::stdout();
    match writeln!(out, "{document}").and_then(|()| out.flush()) {
        // Whoever does not read it can still ask the server.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        wrote => wrote,
    }
}

fn write_text(listening: &Listening) -> io::Result<()> {
    if let Endpoint::Socket(path) = &listening.endpoint {
        tell(&format!("from your own machine: ssh -L {PORT}:{} HOST, then open", path.display()));
    }
    tell(&format!("{} (Ctrl-C ends it)", listening.url(PORT)));
    Ok(())
}
