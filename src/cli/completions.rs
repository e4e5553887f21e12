//! `reg completions` and `reg man`.

use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::Shell;
use serde_json::json;

use super::Cli;
use super::error::Failure;
use super::output::{Reply, in_json};

/// Print a completion script for a shell
#[derive(clap::Args)]
pub(crate) struct CompletionsArgs {
    #[arg(value_enum)]
    shell: Shell,
}

/// Print the manual page of reg or of one command, or write all manual pages
#[derive(clap::Args)]
pub(crate) struct ManArgs {
    /// The command, such as `compare` or `study run`
    command: Vec<String>,
    /// Write every page into this folder, such as ~/.local/share/man/man1
    #[arg(short, long, value_name = "FOLDER", conflicts_with = "command")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: CompletionsArgs) -> Reply {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "reg", &mut out);
    let json = json!({ "shell": args.shell.to_string(), "script": String::from_utf8_lossy(&out) });
    Reply::raw(out, json)
}

pub(crate) fn man(args: ManArgs) -> Result<Reply, Failure> {
    let mut cli = Cli::command();
    cli.build();
    if let Some(folder) = args.output {
        let failed = |e: std::io::Error| Failure::of_file("write to", &folder, &e);
        std::fs::create_dir_all(&folder).map_err(failed)?;
        clap_mangen::generate_to(Cli::command(), &folder).map_err(failed)?;
        return Ok(Reply::new(
            format!("wrote the manual pages to {}", folder.display()),
            json!({ "folder": in_json(&folder) }),
        ));
    }
    let mut command = &cli;
    // Also as one quoted word.
    for name in args.command.iter().flat_map(|words| words.split_whitespace()) {
        command = command
            .find_subcommand(name)
            .ok_or_else(|| Failure::new(format!("unknown command `{}`", args.command.join(" ")), None))?;
    }
    let command = command.clone();
    let mut out = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut out)
        .map_err(|e| Failure::new(format!("cannot write the manual page: {e}"), None))?;
    let json = json!({ "roff": String::from_utf8_lossy(&out) });
    Ok(Reply::raw(out, json))
}
