//! `reg completions` and `reg man`.

use clap::CommandFactory;
use clap_complete::Shell;
use serde_json::json;

use super::Cli;
use super::error::Failure;
use super::output::Reply;

/// Print a completion script for a shell
#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(value_enum)]
    shell: Shell,
}

/// Print the manual page of reg or of one of its commands
#[derive(clap::Args)]
pub(crate) struct ManArgs {
    /// The command
    command: Option<String>,
}

pub(crate) fn run(args: Args) -> Reply {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "reg", &mut out);
    let json = json!({ "shell": args.shell.to_string(), "script": String::from_utf8_lossy(&out) });
    Reply::raw(out, json)
}

pub(crate) fn man(args: ManArgs) -> Result<Reply, Failure> {
    let mut cli = Cli::command();
    cli.build();
    let command = match &args.command {
        None => cli,
        Some(name) => match cli.find_subcommand(name) {
            Some(found) => found.clone(),
            None => return Err(Failure::new(format!("there is no command `{name}`"), None)),
        },
    };
    let mut out = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut out)
        .map_err(|e| Failure::new(format!("cannot write the manual page: {e}"), None))?;
    let json = json!({ "roff": String::from_utf8_lossy(&out) });
    Ok(Reply::raw(out, json))
}
