//! Help that teaches: commands in groups, examples, exit codes, variables; and what there is where an argument is
//! missing.

use std::ffi::OsString;

use clap::{CommandFactory, builder::StyledStr, error::ContextKind, error::ContextValue, error::ErrorKind};
use reg::network;
use reg::records::{Kind, Split};
use reg::registry::Registry;

use super::error::there_is;
use super::examples::EXAMPLES;
use super::{Cli, complete};

/// The commands in groups, in the order in which somebody gets to know them.
const GROUPS: &[(&str, &[&str])] = &[
    ("Data", &["init", "demo", "ingest", "dataset", "split", "weights"]),
    ("Train", &["train", "run", "eval", "ensemble", "predict", "predictions", "study", "probe", "gradcam"]),
    ("Compare", &["list", "show", "compare", "report", "serve", "note", "mv", "tag", "rm", "log", "cat"]),
    ("Trace and audit", &["trace", "diff", "verify", "reproduce", "audit", "attest", "key", "withdraw"]),
    ("Exchange", &["push", "pull", "export", "trust"]),
    ("Maintenance", &["gc", "doctor", "reindex", "completions", "man", "help"]),
];

/// Exit codes, the same for all commands.
pub(super) const EXIT_STATUS: &[(&str, &str)] = &[
    ("0", "Done."),
    ("1", "An error: standard error shows the reason and, if there is one, a hint."),
    ("2", "Wrong usage: a mistake on the command line."),
    (
        "3",
        "A check failed: damage was found, results are not identical, a split leaks, inputs are not comparable.",
    ),
    ("130", "Interrupted; the same command resumes the work."),
];

/// Variables that commands read.
pub(super) const ENVIRONMENT: &[(&str, &str)] = &[
    ("REG_REGISTRY", "Path of the registry, unless --registry is given."),
    ("REG_TORCH", "Path of the worker reg-torch, unless it is beside reg or in PATH."),
    ("COLUMNS", "Width of tables; default: the width of the terminal."),
    ("NO_COLOR", "If set, help and errors have no colours."),
];

/// The examples of a command.
pub(super) fn examples(path: &[&str]) -> &'static [(&'static str, &'static str)] {
    EXAMPLES.iter().find(|(of, _)| *of == path).map_or(&[], |(_, examples)| *examples)
}

/// The command line, with groups and examples in its help.
pub(super) fn command() -> clap::Command {
    let command = with_examples(Cli::command(), &mut Vec::new());
    let groups = groups(&command);
    let heading = *command.get_styles().get_header();
    command.long_version(BUILD).help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}{heading}Global options:{heading:#}\n{{options}}{{after-help}}",
        groups.ansi()
    ))
}

/// The version, and what this program was built from.
const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("REG_BUILD"), ")");

/// The commands with what they do, group by group.
fn groups(command: &clap::Command) -> StyledStr {
    let style = command.get_styles();
    let (heading, literal) = (style.get_header(), style.get_literal());
    let about = |name: &str| {
        let sub = command.get_subcommands().find(|sub| sub.get_name() == name);
        let about = sub.and_then(|sub| sub.get_about()).map(ToString::to_string);
        // Its own help stands there, too, and clap adds it later.
        let about = about.unwrap_or_else(|| "Print help of a command".to_owned());
        // One line a command; the whole text is in the command's own help.
        about.split(['.', ';', ':']).next().unwrap_or_default().to_owned()
    };
    let mut out = String::new();
    for (group, names) in GROUPS {
        out += &format!("{heading}{group}:{heading:#}\n");
        for name in *names {
            out += &format!("  {literal}{name:<12}{literal:#} {}\n", about(name));
        }
        out.push('\n');
    }
    out.into()
}

/// Adds its examples to the help of a command and of those below it.
fn with_examples(mut command: clap::Command, path: &mut Vec<String>) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names {
        path.push(name.clone());
        command = command.mut_subcommand(&name, |sub| with_examples(sub, path));
        path.pop();
    }
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let examples = examples(&path);
    if examples.is_empty() {
        return command;
    }
    let style = command.get_styles();
    let (heading, literal) = (*style.get_header(), *style.get_literal());
    let line = |(command, about): &(&str, &str)| format!("  {about}:\n    {literal}{command}{literal:#}\n");
    let text: String = examples.iter().map(line).collect();
    // What a command says at the end of its help stands before its examples.
    let before = command
        .get_after_long_help()
        .or(command.get_after_help())
        .map(|text| format!("{}\n\n", text.ansi()))
        .unwrap_or_default();
    command.after_long_help(format!("{before}{heading}Examples:{heading:#}\n{}", text.trim_end()))
}

/// What there is for an argument that is missing: data sets, splits of the data set that was given, runs, models.
pub(super) fn missing(e: &clap::Error) -> Vec<String> {
    let is_without_value = || {
        let value = e.get(ContextKind::InvalidValue);
        matches!(value, None | Some(ContextValue::None))
            || matches!(value, Some(ContextValue::String(text)) if text.is_empty())
    };
    match e.kind() {
        ErrorKind::MissingRequiredArgument => {}
        ErrorKind::InvalidValue if is_without_value() => {}
        _ => return Vec::new(),
    }
    let names: Vec<String> = match e.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(names)) => names.clone(),
        Some(ContextValue::String(name)) => vec![name.clone()],
        _ => Vec::new(),
    };
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let given = |option: &str| {
        let with = format!("{option}=");
        let beside = arguments.iter().position(|word| word == option).and_then(|at| arguments.get(at + 1));
        let joined = || arguments.iter().find_map(|word| complete::after(word, &with));
        beside.cloned().or_else(joined)
    };
    let registry = complete::open(given("--registry").map(Into::into));
    let dataset = given("--dataset").map(|name| name.to_string_lossy().into_owned());
    names.iter().filter_map(|name| there(name, registry.as_ref(), dataset.as_deref())).collect()
}

fn there(argument: &str, registry: Option<&Registry>, dataset: Option<&str>) -> Option<String> {
    let word = argument.split_whitespace().next().unwrap_or_default();
    let word = word.trim_matches(|c| "<>.[]-".contains(c)).to_lowercase();
    let kind = match word.as_str() {
        "model" => return Some(format!("the models are {}", network::names().join(", "))),
        "dataset" => Kind::Dataset,
        "split" => Kind::Split,
        "weights" => Kind::Weights,
        "run" | "runs" => Kind::Run,
        "id" | "a" | "b" | "old" => return names(registry?),
        _ => return None,
    };
    let registry = registry?;
    let view = registry.view().ok()?;
    let names = match (kind, dataset) {
        (Kind::Split, Some(dataset)) => splits_of(registry, dataset)?,
        _ => registry.names_of(&view, kind).ok()?,
    };
    let plural = match (kind, dataset) {
        (Kind::Dataset, _) => "data sets".to_owned(),
        (Kind::Split, Some(dataset)) => format!("splits of {dataset}"),
        (kind, _) => kind.descriptor().plural.to_owned(),
    };
    let make = match kind {
        Kind::Dataset => "`reg ingest` makes one",
        Kind::Split => "`reg split make` makes one",
        Kind::Weights => "`reg weights import` makes some",
        _ => "`reg train` makes one",
    };
    Some(match names.is_empty() {
        true => format!("there are no {plural} yet; {make}"),
        false => there_is(&plural, &names),
    })
}

/// All names, for an argument that takes records of several kinds.
fn names(registry: &Registry) -> Option<String> {
    const SHOWN: usize = 20;
    let view = registry.view().ok()?;
    let names: Vec<String> = view.names().ok()?.into_iter().map(|(name, _)| name).collect();
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    Some(match (names.len(), names.len().saturating_sub(SHOWN)) {
        (0, _) => "nothing has a name here yet; `reg list` shows all records".to_owned(),
        (_, 0) => format!("the names here are {shown}"),
        (_, more) => format!("the names here are {shown} and {more} more; `reg list` shows all"),
    })
}

/// The names of the splits of a data set.
fn splits_of(registry: &Registry, dataset: &str) -> Option<Vec<String>> {
    let view = registry.view().ok()?;
    let dataset = registry.resolve(&view, dataset).ok()?;
    let names = view.names_by_id().ok()?;
    let splits = registry.referring::<Split>(&view, &dataset).ok()?;
    Some(splits.iter().filter_map(|(id, _)| names.get(&id.hash).cloned()).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let mut command = Cli::command();
        command.build();
        let all: BTreeSet<&str> =
            command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(clap::Command::get_name).collect();
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        assert_eq!(grouped.iter().copied().collect::<BTreeSet<_>>(), all);
        assert_eq!(grouped.len(), all.len(), "none is in two groups");
    }

    #[test]
    fn every_command_has_an_example() {
        fn look(command: &clap::Command, path: &mut Vec<String>) {
            let below: Vec<&clap::Command> = command
                .get_subcommands()
                .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
                .collect();
            let names: Vec<&str> = path.iter().map(String::as_str).collect();
            // What only groups others has none of its own.
            let groups = command.is_subcommand_required_set();
            assert!(groups || !examples(&names).is_empty(), "{names:?}");
            for sub in below {
                path.push(sub.get_name().to_owned());
                look(sub, path);
                path.pop();
            }
        }
        let mut command = Cli::command();
        command.build();
        look(&command, &mut Vec::new());
    }

    #[test]
    fn every_example_is_a_command_that_can_be_typed() {
        for (path, examples) in EXAMPLES {
            for (example, _) in *examples {
                // Quoted text in the examples holds no quotes.
                let words = example.split('\'').enumerate().flat_map(|(place, part)| match place % 2 {
                    0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
                    _ => vec![part.to_owned()],
                });
                let words: Vec<String> = words.collect();
                assert!(
                    words[1..].starts_with(&path.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()),
                    "{example}"
                );
                if let Err(e) = command().try_get_matches_from(&words) {
                    panic!("{example}: {e}");
                }
            }
        }
    }
}
