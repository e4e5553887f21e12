//! `reg completions` and `reg man`.

use std::path::PathBuf;

use clap::ValueEnum;
use clap_complete::env::Shells;
use reg::disk::Doing;
use serde_json::json;

use super::error::Failure;
use super::help;
use super::output::{Reply, in_json};

/// The variable that makes `reg` answer a shell that asks for completions.
pub(super) const VARIABLE: &str = "REG_COMPLETE";

/// Print a shell script that completes commands, options and the names of runs, data sets, splits and models
///
/// Install it where the shell looks for completions of `reg`: bash: `reg completions bash >
/// ~/.local/share/bash-completion/completions/reg`, zsh: `reg completions zsh > FOLDER/_reg`, where FOLDER is in
/// `$fpath`, fish: `reg completions fish > ~/.config/fish/completions/reg.fish`, which also replaces the completions
/// that fish brings for the `reg` of Windows.
#[derive(clap::Args)]
pub(crate) struct CompletionsArgs {
    #[arg(value_enum)]
    shell: ShellArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ShellArg {
    Bash,
    Elvish,
    Fish,
    #[value(name = "powershell")]
    PowerShell,
    Zsh,
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

pub(crate) fn run(args: CompletionsArgs) -> Result<Reply, Failure> {
    let name = args.shell.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
    let mut out = Vec::new();
    if args.shell == ShellArg::Fish {
        // Fish brings completions for the `reg` of Windows, and would show both.
        out.extend(b"complete --erase --command reg\n");
    }
    let shells = Shells::builtins();
    let completer =
        shells.completer(&name).ok_or_else(|| Failure::new(format!("unknown shell {name}"), None))?;
    completer
        .write_registration(VARIABLE, "reg", "reg", "reg", &mut out)
        .map_err(|e| Failure::new(format!("cannot write the script: {e}"), None))?;
    let json = json!({ "shell": name, "script": String::from_utf8_lossy(&out) });
    Ok(Reply::raw(out, json))
}

pub(crate) fn man(args: ManArgs) -> Result<Reply, Failure> {
    let mut cli = help::command();
    cli.build();
    if let Some(folder) = args.output {
        std::fs::create_dir_all(&folder).doing("write to", &folder)?;
        for (name, page) in pages(&cli, &[]).doing("write to", &folder)? {
            let file = folder.join(format!("{name}.1"));
            std::fs::write(&file, page).doing("write to", &file)?;
        }
        return Ok(Reply::new(
            format!("wrote the manual pages to {}", folder.display()),
            json!({ "folder": in_json(&folder) }),
        ));
    }
    let mut command = &cli;
    let mut path = Vec::new();
    // Also as one quoted word.
    for name in args.command.iter().flat_map(|words| words.split_whitespace()) {
        command = command
            .find_subcommand(name)
            .ok_or_else(|| Failure::new(format!("unknown command `{}`", args.command.join(" ")), None))?;
        path.push(command.get_name());
    }
    let out =
        page(command, &path).map_err(|e| Failure::new(format!("cannot write the manual page: {e}"), None))?;
    let json = json!({ "roff": String::from_utf8_lossy(&out) });
    Ok(Reply::raw(out, json))
}

/// The pages of a command and of all below it, by name.
fn pages<'c>(command: &'c clap::Command, path: &[&'c str]) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let name = std::iter::once("reg").chain(path.iter().copied()).collect::<Vec<_>>().join("-");
    let mut all = vec![(name, page(command, path)?)];
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        all.extend(pages(sub, &[path, &[sub.get_name()]].concat())?);
    }
    Ok(all)
}

/// One page, with the sections that every page has.
fn page(command: &clap::Command, path: &[&str]) -> std::io::Result<Vec<u8>> {
    let full = std::iter::once("reg").chain(path.iter().copied()).collect::<Vec<_>>();
    // The usage line of the help has all of the command, and which arguments go together.
    let usage = command.clone().render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage).trim().to_owned();
    let whole = command.clone().display_name(full.join("-")).bin_name(full.join(" "));
    let man = clap_mangen::Man::new(whole);
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    let section = |out: &mut Vec<u8>, title: &str, body: &str| {
        out.extend(format!(".SH {title}\n{body}").bytes());
    };
    let lines = usage.lines().map(|line| format!(".br\n{}\n", escaped(line.trim()))).collect::<String>();
    section(&mut out, "SYNOPSIS", &lines);
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    if command.get_subcommands().any(|sub| !sub.is_hide_set()) {
        man.render_subcommands_section(&mut out)?;
    }
    let pairs = |pairs: &[(&str, &str)]| {
        let pair =
            |(name, about): &(&str, &str)| format!(".TP\n\\fB{}\\fR\n{}\n", escaped(name), escaped(about));
        pairs.iter().map(pair).collect::<String>()
    };
    let examples = help::examples(path);
    if !examples.is_empty() {
        let pair = |(command, about): &(&str, &str)| {
            format!(".TP\n{}\n\\fB{}\\fR\n", escaped(about), escaped(command))
        };
        section(&mut out, "EXAMPLES", &examples.iter().map(pair).collect::<String>());
    }
    section(&mut out, "EXIT STATUS", &pairs(help::EXIT_STATUS));
    section(&mut out, "ENVIRONMENT", &pairs(help::ENVIRONMENT));
    if path.is_empty() {
        man.render_version_section(&mut out)?;
    }
    Ok(out)
}

/// Text in which roff finds no commands of its own.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('-', "\\-");
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}
