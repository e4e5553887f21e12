//! `reg serve`.

use reg::serve::serve;
use serde_json::Value;

use super::Context;
use super::error::Failure;
use super::output::{Reply, tell};

/// Show the registry in a browser on this machine, read-only, until it is interrupted
#[derive(clap::Args)]
pub(crate) struct ServeArgs {
    /// The port on 127.0.0.1; 0 for one that is free
    #[arg(long, default_value_t = 8477)]
    port: u16,
}

pub(crate) fn run(context: &Context, args: ServeArgs) -> Result<Reply, Failure> {
    if context.global.json {
        return Err(Failure::usage("`reg serve` does not end with one JSON document"));
    }
    let registry = context.registry()?;
    serve(registry, args.port, |port| tell(&format!("http://127.0.0.1:{port}/ (Ctrl-C ends it)")))?;
    Ok(Reply::new("", Value::Null))
}
