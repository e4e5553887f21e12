//! Commands that messages give can be typed.
//!
//! The sources are scanned for what stands between backquotes and is a command or an option. Each is typed here: a complete
//! command as it stands, one with a word in capitals with what that word means in the fixture, and one with a value in it
//! ([`SCENES`]) as the message prints it. What is in none of these lists makes the test fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{Answer, Study, finish};
use crate::support;

/// Programs that messages name.
const PROGRAMS: &[&str] = &[
    "reg", "git", "python3", "python", "chmod", "cp", "rm", "mv", "tar", "unzip", "unxz", "unzstd",
    "bunzip2", "7z", "unrar", "openssl", "cargo", "make", "cd", "mlflow",
];

/// What words in capitals mean in a trained study; the longest first.
const MEANINGS: &[(&str, &str)] = &[
    ("FILE.safetensors", "w.safetensors"),
    ("OUT.png", "out.png"),
    ("IMAGE", "images/00000001_000.png"),
    ("PATIENT", "patient:5"),
    ("DATASET", "tiny"),
    ("STUDY", "small.toml"),
    ("SPLIT", "s"),
    ("NAME", "w"),
    ("PATH", "images"),
    ("DIR", "new"),
    ("RUN", "tiny-s-f0"),
    ("KEY", "k"),
    ("WHY", "consent"),
    ("ID", "table"),
    ("L", "Mass"),
];

/// What cannot be typed as it stands, and why.
const UNTYPED: &[(&str, &str)] = &[
    ("reg split make {} --name {name}", "the split of a study, whose file says how it is divided"),
    ("reg tag --delete NAME", "NAME is one that only the reader knows"),
    ("reg trace --down", "the heading of a list that was cut, with the record that is shown"),
    ("reg train", "said of a list without runs, and names no data set"),
    ("reg train --model MODEL --settings", "MODEL is one of those that `reg train --help` lists"),
    ("reg split import", "the lists are files that only the reader has"),
    ("reg compare --by run", "the runs are those of the report, which the reader has just typed"),
    ("reg split make", "said where the data sets are listed of which one is missing"),
    ("reg key public {}", "typed by the test of keys, which loses the public one"),
    ("reg list {plural}", "not the end of an error; typed by the tests of lists"),
    ("reg rm --undo {name}", "typed by the tests of removals"),
    ("reg show {}", "what a training says at its end, and no hint"),
    ("reg mv {name} NEW", "NEW is a name that only the reader knows"),
    ("-- {interpreter} {word}", "the end of the same command, with the file that only the reader has"),
    ("chmod +x {0}", "typed by the test of programs that are not executable"),
    ("chmod +x {path}", "typed by the test of programs that are not executable"),
    ("reg compare {}", "after the command before it, which scores the missing images"),
    ("reg eval {}{subset}", "typed by the test of scores of different subsets"),
    // Not what to type, but what is spoken of.
    ("--", "the words after which a program stands"),
    ("reg ingest", "the same command as before, with what it was given"),
    ("--box-size image", "the other way out of the same error: which of both fits depends on the list"),
    ("mv {from} {to}", "the paths are those of the test of settings, which reads this hint"),
    ("reg withdraw", "the same command as before, with what it was given"),
    ("reg probe", "the same command as before, with what it was given"),
    ("reg gradcam", "the same command as before, with what it was given"),
    ("reg weights import", "says what importing does"),
    ("reg show", "says what it shows of a split"),
    ("reg trace", "a model card: says where ids lead"),
    ("reg report", "says which commands compute a comparison"),
    ("reg compare", "says which commands compute a comparison"),
    ("reg study compare", "says which numbers differ there"),
    ("reg cat", "names the command that is refused"),
    ("reg cat {}", "lists packages, typed by the tests of programs"),
    ("reg cat {out}", "output of a program, typed by the tests of programs"),
    ("reg cat {err}", "output of a program, typed by the tests of programs"),
    ("reg reproduce {}", "what a program says at its end, and no hint"),
    ("reg log --follow", "names the command that is refused"),
    ("reg serve", "has no end: tests/cli/serve.rs runs it"),
    ("reg train --threads N", "the option of a training of the user's choice"),
    ("reg predictions import --subset val", "the option of an import of the user's scores"),
    ("tar --dereference", "the option with which the archive has to be packed"),
    ("tar --hard-dereference", "the option with which the archive has to be packed"),
    ("--sparse", "the option with which the archive must not be packed"),
    ("7z x", "p7zip is not on every machine"),
    ("7z x {file}", "p7zip is not on every machine"),
    ("unrar x {file}", "unrar is not free software"),
    ("git {there}lfs pull", "needs a server of Git LFS"),
    ("git {there}annex get {}", "needs a repository of git-annex with a remote"),
    ("mlflow ui", "has no end: tests/peers reads the store with MLflow"),
    ("make build", "compiles everything"),
    ("cargo install --path src/tensor", "compiles everything"),
    (
        "python3 -c \\\"import sys, pandas; pandas.read_parquet(sys.argv[1]).to_csv('scores.csv', index=False)\\\" {}",
        "needs pandas",
    ),
    (
        "reg weights import weights.safetensors",
        "typed by a_checkpoint_of_pytorch_is_converted_as_the_hint_says",
    ),
    // What only a rare state of a registry brings about; the command itself is checked against the help.
    ("reg eval {}", "a run whose predictions a kill has kept from being recorded"),
    ("reg eval {} --subset val", "a run whose validation scores a kill has kept from being recorded"),
    ("reg eval {} --subset {}", "asked of the library alone; reg ensemble has a note instead"),
    ("reg trace {} {}", "a lineage of hundreds of steps"),
    ("reg show {short}", "files of a training whose announcement is gone"),
    ("reg trust {path}", "another account's registry: tests/cli/accounts.rs"),
    ("--registry {path}", "another account's registry: tests/cli/accounts.rs"),
    ("reg pull {}", "an older copy: tests/cli/stale.rs"),
    ("reg doctor --remote {}", "an older copy: tests/cli/stale.rs"),
    ("reg study run {study} --plan", "a study whose inputs were missing when it was recorded"),
    ("reg study run {file}", "trains for minutes; its --plan is typed"),
    ("reg study run STUDY --slurm --template {}", "needs Slurm: tests/slurm.rs"),
    ("reg study run {name}", "trains for minutes; its --plan is typed"),
    ("reg study run {given}", "trains for minutes; its --plan is typed"),
    ("reg study status {name}", "printed after a batch job was submitted: tests/slurm.rs"),
    ("reg list run --sort {key}", "typed by the tests of lists, where other records are sorted by it"),
    ("reg predictions import", "said of exported scores: a test in tests/cli/comparability.rs imports them"),
    ("reg study compare {name}", "printed after a study was run: tests/cli/study.rs"),
    ("reg study compare {0}", "printed for a study that was run: tests/cli/study.rs"),
    ("--link copy", "another file system or account: tests/cli/accounts.rs"),
    ("rm -r {}", "what another account owns, which root alone could bring about"),
    ("--set lr=0.001", "trained again with it in a_training_that_diverged_is_not_to_be_resumed_for_ever"),
    ("--set batch=16", "trained again with it in batchnorm_of_one_value_is_refused_as_pytorch_does"),
];

/// A state in which a message is printed.
struct Scene {
    /// The fixture.
    study: fn() -> Study,
    /// What brings it about; each line must succeed.
    before: &'static [&'static str],
    /// What prints the message.
    provoke: &'static str,
    /// The commands in the message, as they stand in the sources.
    commands: &'static [&'static str],
}

const OBJECT: &str =
    "id=$(reg --json show mlp-s-f0 | jq -r .record.checkpoint); f=.reg/objects/${id:0:2}/${id:2}";

const SCENES: &[Scene] = &[
    Scene {
        study: Study::trained,
        before: &[OBJECT, "reg key new --output k"],
        provoke: "reg attest $id --key k -o s.json",
        commands: &["reg trace --down {}"],
    },
    Scene {
        study: Study::trained,
        before: &["reg key new --output k", "chmod 644 k"],
        provoke: "reg attest table --key k -o s.json",
        commands: &["chmod 600 {}"],
    },
    Scene {
        study: Study::trained,
        before: &[OBJECT, "mv $f elsewhere", "ln -s $PWD/elsewhere $f"],
        provoke: "reg export mlp-s-f0 --format checkpoint -o out",
        commands: &["cp --remove-destination \\\"$(readlink -f {0})\\\" {0}"],
    },
    Scene {
        study: Study::trained,
        before: &[OBJECT],
        provoke: "reg show $id",
        commands: &["reg cat {short}", "reg trace --down {short}"],
    },
    Scene {
        study: Study::trained,
        before: &["rm -rf .reg/cache", "mkdir away", "ln -s $PWD/away .reg/cache"],
        provoke: "reg ingest images --metadata data.csv --name again",
        commands: &["rm {}"],
    },
    Scene {
        study: Study::trained,
        before: &[],
        provoke: "reg show mlp-s-f0 --format latex",
        commands: &["reg export {} -o FILE.csv"],
    },
    Scene { study: Study::trained, before: &[], provoke: "reg pull nowhere", commands: &["reg push {word}"] },
    Scene {
        study: Study::trained,
        before: &["reg init other"],
        provoke: "reg doctor --remote other",
        commands: &["reg push {word}"],
    },
    Scene {
        study: Study::new,
        before: &[
            "cp images/$(head -1 train_val.txt) images/$(head -1 test.txt)",
            "reg ingest images --metadata data.csv --name tiny",
        ],
        provoke: "reg split import tiny --train-val train_val.txt --test test.txt --val-fraction 0.2 --name leaking",
        commands: &["reg split check {check}"],
    },
    Scene {
        study: Study::new,
        before: &["mv data.csv d.csv", "xz d.csv"],
        provoke: "reg ingest --metadata-only --metadata d.csv.xz",
        commands: &["unxz --keep {file}"],
    },
    Scene {
        study: Study::new,
        before: &["mv data.csv d.csv", "zstd -q --rm d.csv"],
        provoke: "reg ingest --metadata-only --metadata d.csv.zst",
        commands: &["unzstd {file}"],
    },
    Scene {
        study: Study::new,
        before: &["mv data.csv d.csv", "bzip2 d.csv"],
        provoke: "reg ingest --metadata-only --metadata d.csv.bz2",
        commands: &["bunzip2 --keep {file}"],
    },
    Scene {
        study: Study::new,
        before: &["mv data.csv d.csv", "zip -qm d.zip d.csv"],
        provoke: "reg ingest --metadata-only --metadata d.zip",
        commands: &["unzip {file}"],
    },
    Scene {
        study: Study::new,
        before: &["mv data.csv d.csv", "tar -cf d.tar --remove-files d.csv"],
        provoke: "reg ingest --metadata-only --metadata d.tar",
        commands: &["tar -xf {file}"],
    },
    Scene {
        study: Study::divided,
        before: &[],
        provoke: "reg study init own.toml --small --dataset tiny",
        commands: &["reg study run {shown} --plan"],
    },
    Scene {
        study: Study::divided,
        before: &["reg study init own.toml --small --dataset tiny"],
        provoke: "reg report own.toml -o r.html",
        commands: &["reg study run {file} --plan"],
    },
    Scene {
        study: Study::divided,
        before: &["reg study init own.toml --small --dataset tiny"],
        provoke: "reg study compare own.toml",
        commands: &["reg study status {given}"],
    },
    Scene {
        study: Study::new,
        before: &["reg study init own.toml --small --dataset mine"],
        provoke: "reg study run own.toml --plan",
        commands: &["reg ingest images --metadata CSV --name {name}"],
    },
    Scene {
        study: Study::new,
        before: &[
            "reg ingest images --metadata data.csv --boxes boxes.csv --name tiny",
            "sed 's/1,2,30,40/9,9,9999,9/' boxes.csv > b.csv",
            "printf '00000001_000.png,Mass,900,900,900,900\\n' >> b.csv",
        ],
        provoke: "reg ingest images --metadata data.csv --boxes b.csv",
        commands: &["--box-size WxH"],
    },
    Scene { study: Study::divided, before: &[], provoke: "reg split check s", commands: &["--pixels"] },
    Scene {
        study: Study::trained,
        before: &[OBJECT, "chmod 644 $f"],
        provoke: "reg verify",
        commands: &["chmod 444 {path}", "chmod 444 {}"],
    },
    Scene {
        study: Study::trained,
        before: &["mv .reg/reg.redb kept", "mkdir .reg/reg.redb"],
        provoke: "reg list",
        commands: &["mv {0} {0}.away"],
    },
    Scene {
        study: Study::trained,
        before: &[
            "reg train --dataset tiny --split s --model mlp --set epochs=1 --threads 1 --fold 0 --seed 2 --name seeded",
        ],
        provoke: "reg compare mlp-s-f0 seeded",
        commands: &["--by run"],
    },
];

/// The text of the sources without comments and tests, with the lines of each literal joined.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = walkdir::WalkDir::new(&root).into_iter().map(|entry| entry.unwrap().into_path());
    let is_code = |path: &Path| {
        let text = path.to_string_lossy();
        text.ends_with(".rs") && !text.contains("/tests/") && !text.ends_with("tests.rs")
    };
    let code = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.fold(String::new(), |mut text, line| match text.ends_with('\\') {
            true => {
                text.pop();
                text + line.trim_start()
            }
            false => text + "\n" + line,
        })
    };
    files
        .filter(|path| is_code(path))
        .map(|path| (path.strip_prefix(&root).unwrap().display().to_string(), code(&path)))
        .collect()
}

/// The commands and options between backquotes in the sources, each with a file that it stands in.
fn commands() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (file, code) in sources() {
        for line in code.lines() {
            for text in line.split('`').skip(1).step_by(2) {
                let first = text.split(' ').next().unwrap();
                if PROGRAMS.contains(&first) && text != "reg" || text.starts_with("--") {
                    found.insert(text.to_owned(), file.clone());
                }
            }
        }
    }
    assert!(found.len() > 80, "{found:?}");
    found
}

/// Runs a line of a shell in a study, where `reg` is the program that is tested.
fn shell(study: &Study, line: &str) -> Answer {
    let bin = Path::new(env!("CARGO_BIN_EXE_reg")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(bin.to_owned()).chain(std::env::split_paths(&path));
    let mut command = Command::new("bash");
    command.args(["-c", line]).current_dir(study.path(".")).stdin(Stdio::null());
    command.env_clear().env("PATH", std::env::join_paths(folders).unwrap());
    // What other programs print need not be in our words.
    let output = command.output().unwrap();
    if !line.contains("reg ") {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        return Answer { code: output.status.code().unwrap_or(-1), stdout: output.stdout, stderr };
    }
    finish(Ok(output), line)
}

/// Whether a command is complete as it stands in the sources.
fn is_complete(command: &str) -> bool {
    command.starts_with("reg ") && !command.contains('{')
}

/// A command with what its words in capitals mean.
fn meant(command: &str) -> String {
    // One file of scores, not all tables of a comparison.
    let command = command.replace("reg export ID", "reg export tiny-s-f0");
    let word = |word: &str| {
        MEANINGS
            .iter()
            .find(|(capitals, _)| *capitals == word)
            .map_or(word, |(_, meaning)| meaning)
            .to_owned()
    };
    command.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_command_between_backquotes_is_typed_or_says_why_not() {
    let commands = commands();
    let in_scenes: BTreeSet<&str> = SCENES.iter().flat_map(|scene| scene.commands).copied().collect();
    for (command, why) in UNTYPED {
        assert!(!why.is_empty() && commands.contains_key(*command), "no source has `{command}`");
    }
    for command in &in_scenes {
        assert!(commands.contains_key(*command), "no source has `{command}`");
    }
    let untyped: BTreeSet<&str> = UNTYPED.iter().map(|(command, _)| *command).collect();
    let known =
        |command: &str| untyped.contains(command) || in_scenes.contains(command) || is_complete(command);
    let lost: Vec<_> = commands.iter().filter(|(command, _)| !known(command)).collect();
    assert!(lost.is_empty(), "tests/cli/hints.rs neither types them nor says why not: {lost:#?}");
}

#[test]
fn complete_commands_can_be_typed() {
    let untyped: BTreeSet<&str> = UNTYPED.iter().map(|(command, _)| *command).collect();
    let original = Study::trained();
    let mut wrong = Vec::new();
    let prepare = "id=$(reg --json show tiny-s-f0 | jq -r .record.checkpoint); reg cat $id > w.safetensors; \
                   reg key new --output k0; reg study init small.toml --small --dataset tiny; \
                   cp images/00000001_000.png out0.png; mkdir empty; \
                   reg withdraw patient:5 --reason consent";
    assert_eq!(shell(&original, prepare).code, 0);
    for (command, file) in commands().iter().filter(|(command, _)| is_complete(command)) {
        if untyped.contains(command.as_str()) {
            continue;
        }
        // One does not change what the next one finds.
        let study = Study::bare();
        crate::harness::copy(&original.path("."), &study.path("."));
        let folder = if command == "reg init" { "cd empty; " } else { "" };
        let answer = shell(&study, &format!("{folder}{}", meant(command)));
        if ![0, 3].contains(&answer.code) {
            wrong.push(format!("src/{file}: `{command}`: {}", answer.stderr));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The commands between backquotes in what a command printed.
fn printed(answer: &Answer) -> Vec<String> {
    let text = format!("{}\n{}", String::from_utf8_lossy(&answer.stdout), answer.stderr);
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// Whether a printed command is that of the sources, with something in the place of each brace.
fn is_of(printed: &str, command: &str) -> bool {
    let command = command.replace("\\\"", "\"");
    let mut rest = printed;
    for (place, piece) in command.split('{').enumerate() {
        let piece = if place == 0 { piece } else { piece.split_once('}').unwrap().1 };
        match (place, rest.find(piece)) {
            (0, Some(0)) => rest = &rest[piece.len()..],
            (1.., Some(at)) => rest = &rest[at + piece.len()..],
            _ => return false,
        }
    }
    true
}

#[test]
fn commands_that_messages_print_can_be_typed() {
    if !support::programs(&["bash", "jq", "xz", "zstd", "bzip2", "zip", "unzip", "tar"]) {
        return;
    }
    for scene in SCENES {
        let Scene { study, before, provoke, commands } = scene;
        for command in *commands {
            let study = study();
            let variables = if before.contains(&OBJECT) { format!("{OBJECT}; ") } else { String::new() };
            for line in before.iter().filter(|line| **line != OBJECT) {
                let prepared = shell(&study, &format!("{variables}{line}"));
                assert_eq!(prepared.code, 0, "{line}: {prepared:?}");
            }
            let first = shell(&study, &format!("{variables}{provoke}"));
            let found = printed(&first);
            let typed = found.iter().find(|printed| is_of(printed, command));
            let typed = typed.unwrap_or_else(|| panic!("{provoke} does not print `{command}`: {first:?}"));
            let line = match typed.starts_with("--") {
                // An option is added to the command.
                true => format!("{variables}{provoke} {}", typed.replace("WxH", "2000x2000")),
                false => typed.replace("CSV", "data.csv"),
            };
            let answer = shell(&study, &line);
            assert!([0, 3].contains(&answer.code), "{provoke}: `{line}`: {answer:?}");
            let error = |answer: &Answer| {
                answer.stderr.lines().find(|line| line.starts_with("error: ")).map(str::to_owned)
            };
            assert!(
                error(&answer).is_none() || error(&answer) != error(&first),
                "`{line}` changes nothing: {answer:?}"
            );
        }
    }
}

/// All options of all commands, from the help.
fn options() -> BTreeSet<String> {
    let study = Study::bare();
    let mut options = BTreeSet::new();
    let mut paths = vec![String::new()];
    while let Some(path) = paths.pop() {
        let help = study.ok(&format!("{path} --help"));
        options.extend(help.lines().flat_map(named));
        // What follows the options are examples.
        let help = help.split_once("Global options:").map_or(help.as_str(), |(listed, _)| listed);
        let mut within = false;
        for line in help.lines() {
            // `reg --help` has a heading for each group of commands.
            let heads = line.ends_with(':') && !line.starts_with(' ') && !line.contains("ptions");
            within = heads && !line.starts_with("Arguments")
                || within && (line.starts_with(' ') || line.is_empty());
            within &= !line.ends_with("ptions:");
            let word = line.split_whitespace().next().unwrap_or_default();
            if within
                && word != "Commands:"
                && word != "help"
                && line.starts_with("  ")
                && !line.starts_with("   ")
            {
                paths.push(format!("{path} {word}").trim().to_owned());
            }
            options.extend(named(line));
        }
    }
    assert!(options.contains("--allow-different-images") && options.contains("--template"), "{options:?}");
    options
}

/// The long options in a text.
fn named(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_ascii_lowercase() && c != '-')
        .filter(|word| word.starts_with("--") && word.len() > 3 && !word.starts_with("---"))
        .map(|word| word.trim_end_matches('-').to_owned())
}

#[test]
fn every_option_that_a_message_names_is_one() {
    // Of other programs, and of scripts for them.
    const OTHERS: &[&str] = &[
        "--keep",
        "--dereference",
        "--hard-dereference",
        "--sparse",
        "--remove-destination",
        "--path",
        "--force",
        "--recursive",
    ];
    let options = options();
    for (file, code) in sources() {
        // What reg hands to Slurm, to shells, to git and to `unshare`.
        if file.ends_with("slurm.rs")
            || file.ends_with("completions.rs")
            || file.ends_with("kubernetes.rs")
            || file.ends_with("program/source.rs")
            || file.ends_with("program/child.rs")
            || file.ends_with("program/interpreter.rs")
            || file.starts_with("tensor/")
        {
            continue;
        }
        for line in code.lines().filter(|line| line.contains('"')) {
            for option in named(line) {
                let known = options.contains(&option) || OTHERS.contains(&option.as_str());
                assert!(known, "src/{file} names {option}: {line}");
            }
        }
    }
}

/// Checkpoints as PyTorch writes and wrote them: nested beside an optimiser, bare, a list; in zip archives, and as pickles
/// as before PyTorch 1.6.
#[test]
fn a_checkpoint_of_pytorch_is_converted_as_the_hint_says() {
    let Some(python) = support::torch() else { return };
    let study = Study::new();
    let program = r"
import torch
net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
adam = torch.optim.Adam(net.parameters())
net(torch.rand(5, 3)).sum().backward()
adam.step()
state = net.state_dict()
nested = {'epoch': 3, 'optimizer': adam.state_dict(), 'model': {'state_dict': state}}
shared = {'a': state['0.weight'], 'b': state['0.weight'].t()}
for name, what in [('plain', state), ('nested', nested), ('bare', state['0.weight']), ('list', [state['0.bias']]), ('shared', shared)]:
    torch.save(what, f'{name}-zip.pth')
    torch.save(what, f'{name}-old.pth.tar', _use_new_zipfile_serialization=False)
";
    fs::write(study.path("make.py"), program).unwrap();
    let bin = python.parent().unwrap().to_owned();
    let with_torch = |line: &str| shell(&study, &format!("PATH={}:$PATH; {line}", bin.display()));
    let made = with_torch("python3 make.py");
    assert_eq!(made.code, 0, "{made:?}");
    for name in ["plain", "nested", "bare", "list", "shared"] {
        for file in [format!("{name}-zip.pth"), format!("{name}-old.pth.tar")] {
            let refused = with_torch(&format!("reg weights import {file}"));
            assert_eq!(refused.code, 1, "{file}: {refused:?}");
            let commands = printed(&refused);
            let [convert, import] = commands.as_slice() else { panic!("{refused:?}") };
            assert!(convert.starts_with("python3 -c "), "{convert}");
            let converted = with_torch(convert);
            assert_eq!(converted.code, 0, "{file}: {converted:?}");
            let imported = with_torch(&import.replace("reg ", "reg --json "));
            assert_eq!(imported.code, 0, "{file}: {imported:?}");
            let tensors = if ["plain", "nested"].contains(&name) {
                7
            } else if name == "shared" {
                2
            } else {
                1
            };
            assert_eq!(imported.json()["tensors"], tensors, "{file}");
            fs::remove_file(study.path("weights.safetensors")).unwrap();
        }
    }
}
