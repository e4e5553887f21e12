//! Tables as people see them: in terminals of several widths, and printed by pdflatex. No number and no name is broken,
//! and no row is lost.

use std::fs;
use std::process::{Command, Stdio};

use reg::records::Subset;

use crate::comparability::theirs;
use crate::harness::Study;
use crate::support;

const PAIR: &str = "compare tiny-s-f0 tiny-s-f1 mlp-s-f0 mlp-s-f1";
/// Overfull boxes up to this many points are invisible.
const TOLERANCE: f64 = 0.5;

/// Commands that print tables in every format.
fn tables() -> Vec<String> {
    let of_pair = [
        "--metrics",
        "--by gender",
        "--by age --full",
        "--by view,gender,age --full --metrics --bootstrap 100",
        "--by run --full --metrics --allow-different-images",
        "--published paper --allow-different-images",
        "--table roc",
    ];
    let others = [
        "show table",
        "split show s",
        "dataset stats tiny",
        "eval tiny-s-f0",
        "probe tiny-s-f0 --target gender",
        "predict mlp-s-f0 images/00000001_000.png images/00000002_000.png",
    ];
    let of_pair = of_pair.iter().map(|options| format!("{PAIR} {options}"));
    of_pair.chain(others.map(str::to_owned)).collect()
}

/// The cells of each row of each table in a text without a terminal, where every row is a line.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with('─') {
            inside = true;
        } else if !line.starts_with(' ') {
            inside = false;
        } else if inside {
            let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
            rows.push(cells.map(str::to_owned).collect());
        }
    }
    rows
}

/// The output in a terminal with so many columns, without bold type.
fn in_terminal(study: &Study, columns: u16, environment: &str, command: &str) -> String {
    let reg = env!("CARGO_BIN_EXE_reg");
    let line = format!("stty cols {columns} rows 50; exec env {environment} '{reg}' {command} 2>/dev/null");
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(study.path(".")).stdin(Stdio::null());
    let output = script.output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n");
    text.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "")
}

/// What stands beside each heading on a page of `reg show`, outside of its tables.
fn values(text: &str) -> Vec<Vec<String>> {
    let inside = rows(text);
    let lines = text.lines().filter_map(|line| line.strip_prefix("  "));
    let cells = lines.map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()));
    let all = cells.map(|line| line.map(str::to_owned).collect::<Vec<_>>());
    all.filter(|line| !line.is_empty() && !inside.contains(line)).collect()
}

/// Fails if a terminal of any width breaks a number or a name of these, or has a line that is too wide.
fn is_whole_in_terminals(study: &Study, command: &str, whole: &[Vec<String>]) {
    assert!(!whole.is_empty(), "{command}");
    for columns in [40, 80, 200] {
        let text = in_terminal(study, columns, "COLUMNS=", command);
        let lines: Vec<&str> = text.lines().collect();
        for cell in whole.iter().flatten() {
            // Sentences are broken between two words.
            let is_there = |part: &str| lines.iter().any(|line| line.contains(part));
            let is_word = |word: &&str| word.trim_end_matches([',', ':']).chars().all(char::is_alphabetic);
            let words = cell.split(' ').filter(is_word).count();
            let there = is_there(cell) || words > 2 && cell.split(' ').all(is_there);
            assert!(there, "{command}: `{cell}` is broken at {columns} columns:\n{text}");
        }
        // A command that can be copied is not broken, nor is a value that no line has room for.
        let is_value = |line: &str| whole.iter().flatten().any(|cell| line == format!("   {cell}"));
        let may = |line: &str| line.contains('`') || columns == 40 && is_value(line);
        let too_wide = |line: &&&str| line.chars().count() > usize::from(columns) && !may(line);
        assert_eq!(lines.iter().find(too_wide), None, "{command} at {columns} columns:\n{text}");
    }
}

#[test]
fn nothing_breaks_inside_a_number_or_a_name_in_a_terminal() {
    if !support::programs(&["script", "stty"]) {
        return;
    }
    let study = Study::trained();
    for command in tables().into_iter().chain(["list".to_owned()]) {
        is_whole_in_terminals(&study, &command, &rows(&study.ok(&command)));
    }
}

#[test]
fn nothing_breaks_on_the_pages_of_records_and_in_the_list_of_runs_in_a_terminal() {
    if !support::programs(&["script", "stty"]) {
        return;
    }
    let study = Study::trained();
    let file = "name = 'st'\ndataset = 'tiny'\nthreads = 1\ndevice = 'cpu'\n[settings]\nepochs = 2\n\
        [[split]]\nname = 'drawn'\nfolds = 1\nratios = [70, 10, 20]\n\
        [[section]]\nname = 'one'\ntitle = 'Metadata alone'\nsplit = 'drawn'\n\
        [[setup]]\nsection = 'one'\nname = 'meta'\nmodel = 'mlp'\n";
    fs::write(study.path("st.toml"), file).unwrap();
    study.ok("study run st.toml");
    study.ok("note tiny-s-f0 the-best-so-far");
    for command in ["list run", "study status st.toml"] {
        is_whole_in_terminals(&study, command, &rows(&study.ok(command)));
    }
    for name in ["tiny-s-f0", "mlp-s-f1", "s", "drawn", "tiny", "table"] {
        let command = format!("show {name}");
        let text = study.ok(&command);
        let beside = values(&text);
        assert!(beside.iter().any(|line| line.iter().any(|cell| cell.contains("`reg "))), "{text}");
        is_whole_in_terminals(&study, &command, &[rows(&text), beside].concat());
    }
}

#[test]
fn columns_is_the_width_whatever_the_terminal_says() {
    if !support::programs(&["script", "stty"]) {
        return;
    }
    let study = Study::trained();
    let command = format!("{PAIR} --metrics");
    let told = study.reg_with("COLUMNS", "60", &command);
    let told = String::from_utf8(told.stdout).unwrap();
    assert_ne!(told, study.ok(&command));
    // Bold numbers in a terminal leave blanks at the end of a line.
    let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert_eq!(trimmed(&in_terminal(&study, 200, "COLUMNS=60", &command)), trimmed(&told));
    assert_eq!(trimmed(&in_terminal(&study, 60, "COLUMNS=", &command)), trimmed(&told));
}

/// Text without the characters that a font prints differently: blanks, underscores, hyphens and minus signs.
fn plain(text: &str) -> String {
    let kept = |c: &char| !c.is_whitespace() && *c != '_';
    text.chars().filter(kept).map(|c| if matches!(c, '−' | '–') { '-' } else { c }).collect()
}

/// The text of the tables as printed by pdflatex, without text outside of the page.
fn printed(study: &Study, latex: &str) -> Vec<String> {
    let packages: Vec<&str> = latex.lines().filter_map(|line| line.strip_prefix("% ")).collect();
    assert!(packages.len() == 1 && packages[0].starts_with("\\usepackage{booktabs"), "{packages:?}");
    assert!(latex.starts_with("% \\usepackage"), "{latex}");
    let folder = study.path("printed");
    fs::create_dir_all(&folder).unwrap();
    let document = format!(
        "\\documentclass{{article}}\n{}\n\\begin{{document}}\n{latex}\n\\end{{document}}\n",
        packages.join("\n")
    );
    fs::write(folder.join("t.tex"), document).unwrap();
    let mut log = String::new();
    // `longtable` measures its columns in one run and uses the widths in the next ones.
    for _ in 0..3 {
        let mut pdflatex = Command::new("pdflatex");
        pdflatex.args(["-interaction=nonstopmode", "-halt-on-error", "t.tex"]).current_dir(&folder);
        let output = pdflatex.env("max_print_line", "1000").stdin(Stdio::null()).output().unwrap();
        log = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{log}\n{latex}");
    }
    for line in log.lines() {
        let over = line.strip_prefix("Overfull \\hbox (").and_then(|rest| rest.split("pt").next());
        let over = over.map_or(0.0, |points| points.parse::<f64>().unwrap());
        let wrong = ["Overfull \\vbox", "too large", "Missing character"];
        assert!(over <= TOLERANCE && !wrong.iter().any(|what| line.contains(what)), "{line}\n{latex}");
    }
    let converted = Command::new("pdftotext").args(["-layout", "t.pdf"]).current_dir(&folder).status();
    assert!(converted.unwrap().success());
    fs::read_to_string(folder.join("t.txt")).unwrap().lines().map(plain).collect()
}

#[test]
fn pdflatex_prints_every_row_of_every_table_on_the_page() {
    if !support::programs(&["pdflatex", "pdftotext"]) {
        return;
    }
    let study = Study::trained();
    for command in tables() {
        let whole = rows(&study.ok(&command));
        let lines = printed(&study, &study.ok(&format!("{command} --format latex")));
        for row in &whole {
            let key = plain(&row[0]);
            for cell in row {
                let there = lines.iter().any(|line| line.contains(&key) && line.contains(&plain(cell)));
                assert!(there, "{command}: `{cell}` of `{}` is not on the page: {lines:#?}", row[0]);
            }
        }
        for row in &whole {
            let key = plain(&row[0]);
            // The page shows the subsets of all repeats in one row, the terminal in a table for each.
            let of = match command.starts_with("split show") {
                true => 1,
                false => whole.iter().filter(|other| plain(&other[0]) == key).count(),
            };
            let found = lines.iter().filter(|line| line.starts_with(&key)).count();
            assert!(found >= of, "{command}: {found} of {of} rows of `{}`: {lines:#?}", row[0]);
        }
    }
}

#[test]
fn pdflatex_prints_commands_as_they_are_typed() {
    if !support::programs(&["pdflatex", "pdftotext"]) {
        return;
    }
    let study = Study::trained();
    // Scores of another tool, whose validation images are not scored.
    let theirs = theirs(&study, &reg::dataset::labels::LABELS, Subset::Test);
    fs::write(study.path("theirs.csv"), theirs).unwrap();
    study.ok("predictions import theirs.csv --dataset tiny --split s --fold 0 --name theirs");
    let latex = study.ok("compare mlp-s-f0 theirs --metrics --format latex");
    let text = study.ok("compare mlp-s-f0 theirs --metrics");
    printed(&study, &latex);
    let page = fs::read_to_string(study.path("printed/t.txt")).unwrap();
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    let commands: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    assert!(commands.iter().any(|command| command.contains("--subset")), "{text}");
    for command in commands {
        assert!(page.contains(command), "{command}: {page}");
    }
}
