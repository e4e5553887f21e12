//! The commands of the book in `docs/` work: they are run, chapter by chapter, as a reader would type them. Blocks
//! marked `sh` are run, those marked `sh fails` must fail, and a block marked `output` below is compared with what they
//! printed (`REG_REGENERATE=1` writes it there). Blocks marked `text` are not run.

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A smaller `reg demo`, with which the chapters on lineage and audit begin.
const DEMO: &str = "
reg init >/dev/null
reg ingest xrays/images --metadata xrays/Data_Entry_2017_v2020.csv --boxes xrays/BBox_List_2017.csv --name demo
reg split make demo --folds 2 --name demo-split
for fold in 0 1; do reg train --dataset demo --split demo-split --fold $fold --model mlp --set epochs=2 --threads 1; done
reg compare mlp-demo-split-f0 mlp-demo-split-f1 --name demo-table
";

/// A block of commands of a page, and what the page says that they print.
struct Step {
    commands: String,
    /// The block is marked `sh fails`: it must fail, and its errors are part of the output.
    fails: bool,
    /// The block marked `output` that follows, if there is one.
    output: Option<String>,
}

/// The blocks of a page that are run, in their order.
fn steps(page: &str) -> Vec<Step> {
    let path = Path::new(ROOT).join(page);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut steps: Vec<Step> = Vec::new();
    // Every second part lies between fences.
    for block in text.split("```").skip(1).step_by(2) {
        let (info, body) = block.split_once('\n').unwrap_or((block, ""));
        match info {
            "sh" | "sh fails" => {
                steps.push(Step { commands: body.to_owned(), fails: info == "sh fails", output: None });
            }
            "output" => {
                let step = steps.last_mut().unwrap_or_else(|| panic!("{page}: output of no command"));
                assert!(step.output.is_none(), "{page}: two outputs of one command");
                step.output = Some(body.to_owned());
            }
            _ => {}
        }
    }
    steps
}

/// Types a page in a folder, in one shell, and compares what each block prints with what the page says. The result is
/// all that was printed.
fn follow(folder: &Path, page: &str) -> String {
    let steps = steps(page);
    let printed = tempfile::tempdir().unwrap();
    let mut script = String::new();
    for (at, step) in steps.iter().enumerate() {
        let file = printed.path().join(at.to_string());
        let (file, commands) = (file.display(), &step.commands);
        script += &if step.fails {
            format!("if ( {commands} ) >{file} 2>&1; then echo 'this must fail: '; cat {file}; exit 1; fi\n")
        } else {
            format!("{{ {commands}\n}} >{file}\n")
        };
    }
    run(folder, &script);
    let mut all = String::new();
    for (at, step) in steps.iter().enumerate() {
        let said = fs::read_to_string(printed.path().join(at.to_string())).unwrap();
        if let Some(shown) = &step.output {
            let lines = |text: &str| text.trim_end().lines().map(str::to_owned).collect::<Vec<_>>();
            if let Err(reason) = fitting_lines(&lines(shown), &lines(&said)) {
                if std::env::var_os("REG_REGENERATE").is_some() {
                    let path = Path::new(ROOT).join(page);
                    let trimmed = said.trim_end().lines().map(|line| line.trim_end().to_owned() + "\n");
                    let block = format!("```output\n{}```", trimmed.collect::<String>());
                    let text = fs::read_to_string(&path).unwrap();
                    fs::write(&path, text.replacen(&format!("```output\n{shown}```"), &block, 1)).unwrap();
                    continue;
                }
                panic!(
                    "{page}, below\n{}\n{reason}\nthe page shows\n{shown}\nprinted was\n{said}",
                    step.commands
                );
            }
        }
        all += &said;
    }
    all
}

/// The processor on which the pages were typed and the pictures drawn.
const DRAWN_ON: &str = "AMD EPYC, family 25 model 17";

/// This processor.
fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let of = |key: &str| {
        let line = info.lines().find(|line| line.split(':').next().is_some_and(|own| own.trim() == key));
        line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim()).to_owned()
    };
    format!("{}, family {} model {}", of("model name"), of("cpu family"), of("model"))
}

/// Whether lines of a page are those printed. Another processor rounds otherwise in trainings: there, numbers of lines
/// with a decimal may be others, and lines in the order of ids may have another order.
fn fitting_lines(shown: &[String], printed: &[String]) -> Result<(), String> {
    let exactly = same_lines(shown, printed);
    if exactly.is_ok() || processor() == DRAWN_ON {
        return exactly;
    }
    near_lines(shown, printed)
        .map_err(|reason| format!("{reason}\nthe first difference:\n{}", exactly.unwrap_err()))
}

/// Whether each line of a page is near one that was printed, each near another one.
fn near_lines(shown: &[String], printed: &[String]) -> Result<(), String> {
    let is_gap = |line: &&String| line.trim() == "…";
    let mut left: Vec<&String> = printed.iter().collect();
    for line in shown.iter().filter(|line| !is_gap(line)) {
        match left.iter().position(|other| near_line(line, other)) {
            Some(place) => drop(left.remove(place)),
            None => return Err(format!("not printed, whatever the numbers: {line:?}")),
        }
    }
    match left.first() {
        Some(line) if !shown.iter().any(|line| is_gap(&line)) => Err(format!("not on the page: {line:?}")),
        _ => Ok(()),
    }
}

fn near_line(shown: &str, printed: &str) -> bool {
    let number =
        |word: &str| word.trim_matches(|c: char| !c.is_ascii_digit()).replace(',', "").parse::<f64>().is_ok();
    let decimal = |line: &str| line.split_whitespace().any(|word| number(word) && word.contains('.'));
    let words = |line: &str| -> Vec<String> {
        // The last twig of a branch has another form.
        let twig = |word: &str| word.chars().all(|c| "│├└─".contains(c));
        let mask = |word: &str| {
            if number(word) {
                "0"
            } else if twig(word) {
                "│"
            } else {
                word
            }
            .to_owned()
        };
        line.split_whitespace().map(mask).collect()
    };
    same_line(shown, printed)
        // Files that depend on a training have another size.
        || [shown, printed].iter().all(|line| decimal(line) || line.ends_with(" bytes)")) && same_line(&words(shown).join(" "), &words(printed).join(" "))
}

/// Whether lines of a page are those printed. A line `…` of the page stands for any lines.
fn same_lines(shown: &[String], printed: &[String]) -> Result<(), String> {
    match (shown.split_first(), printed.split_first()) {
        (None, None) => Ok(()),
        (Some((first, rest)), _) if first.trim() == "…" => (1..=printed.len())
            .find(|&n| same_lines(rest, &printed[n..]).is_ok())
            .map(|_| ())
            .ok_or_else(|| format!("nothing fits what follows …: {:?}", rest.first())),
        (Some((first, rest)), Some((second, others))) => {
            if !same_line(first, second) {
                return Err(format!("the page: {first:?}\nprinted:  {second:?}"));
            }
            same_lines(rest, others)
        }
        (Some((first, _)), None) => Err(format!("not printed: {first:?}")),
        (None, Some((second, _))) => Err(format!("not on the page: {second:?}")),
    }
}

/// Whether a line of a page is that printed, but for what must vary: times and dates, with the rules below them, and the
/// ids of what a training made. The
/// ids of data sets and splits follow from the files, so the page must have them right.
fn same_line(shown: &str, printed: &str) -> bool {
    if shown.trim_end() == printed.trim_end() {
        return true;
    }
    let (shown, printed): (Vec<&str>, Vec<&str>) =
        (shown.split_whitespace().collect(), printed.split_whitespace().collect());
    let id = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        word.len() == 12 && word.bytes().all(|b| b.is_ascii_hexdigit())
    };
    let rule = |word: &str| word.chars().all(|c| c == '─');
    let date = |word: &str| {
        word.len() >= 5
            && word.contains(['-', ':'])
            && word.chars().all(|c| c.is_ascii_digit() || c == '-' || c == ':')
    };
    let number = |word: &str| word.trim_matches(|c: char| !c.is_ascii_digit()).parse::<f64>().is_ok();
    shown.len() == printed.len()
        && (0..shown.len()).all(|at| {
            let before = if at > 0 { shown[at - 1] } else { "" };
            let unit = shown.get(at + 1).map_or("", |word| word.trim_end_matches([',', '.', ';']));
            let units = ["ms", "s", "min", "h", "threads"];
            shown[at] == printed[at]
                || id(shown[at]) && id(printed[at]) && !["set", "split"].contains(&before)
                || rule(shown[at]) && rule(printed[at])
                || date(shown[at]) && date(printed[at])
                || number(shown[at]) && number(printed[at]) && units.contains(&unit)
        })
}

#[test]
fn an_output_of_a_page_may_differ_in_times_and_ids_of_trainings_alone() {
    assert!(same_line("table 706c2734e96b", "table 806c2734e96b"));
    assert!(!same_line("data set 706c2734e96b", "data set 806c2734e96b"));
    assert!(same_line("done in 2.5 s, 3 images", "done in 12 s, 3 images"));
    assert!(!same_line("done in 2.5 s, 3 images", "done in 12 s, 4 images"));
    assert!(same_line("a 2026-11-30 06:01 ───", "a 2027-01-02 16:01 ────") && !same_line("a 0.61", "a 0.62"));
    let lines = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    assert!(same_lines(&lines("a/…/d"), &lines("a/b/c/d")).is_ok());
    assert!(same_lines(&lines("a/…/d"), &lines("a/b/c/e")).is_err());
    assert!(same_lines(&lines("a"), &lines("a/b")).is_err());
    assert!(near_lines(&lines("mlp 6 0.61/3 images"), &lines("3 images/mlp 7 0.62")).is_ok());
    assert!(near_lines(&lines("3 images"), &lines("4 images")).is_err());
    assert!(near_lines(&lines("mlp 0.61"), &lines("tiny 0.61")).is_err());
    assert!(near_lines(&lines("a 0.1"), &lines("a 0.2/b")).is_err());
    assert!(near_lines(&lines("a 0.1/…"), &lines("b/a 0.2")).is_ok());
}

/// Runs a script in a folder with the `reg` that was built, and returns what it prints.
fn run(folder: &Path, script: &str) -> String {
    let bin = Path::new(env!("CARGO_BIN_EXE_reg")).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(bin.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let output = Command::new("bash")
        .args(["-euc", script])
        .current_dir(folder)
        .env("PATH", path.unwrap())
        .env_remove("REG_REGISTRY")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}\n{out}\n{err}");
    out.into_owned()
}

fn with_fixture() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let tiny = Path::new(ROOT).join("fixtures/tiny");
    let xrays = folder.path().join("xrays");
    fs::create_dir(&xrays).unwrap();
    for file in ["Data_Entry_2017_v2020.csv", "BBox_List_2017.csv"] {
        fs::copy(tiny.join(file), xrays.join(file)).unwrap();
    }
    std::os::unix::fs::symlink(tiny.join("images"), xrays.join("images")).unwrap();
    run(folder.path(), DEMO);
    folder
}

#[test]
fn the_chapters_on_audit_and_lineage_run_as_they_are_written() {
    if !support::programs(&["jq", "b3sum", "python3"]) {
        return;
    }
    let folder = with_fixture();
    let audit = follow(folder.path(), "docs/src/audit.md");
    assert!(audit.contains("identical: checkpoint, log, predictions, table"), "{audit}");
    assert!(!audit.contains("FAILED"), "{audit}");
    let id = run(folder.path(), "reg --json show demo-table | jq -r .id");
    assert!(follow(folder.path(), "docs/src/lineage.md").starts_with(&id), "the hash of the table is its id");
}

#[test]
fn the_chapter_on_uncertainty_runs_as_it_is_written() {
    let folder = with_fixture();
    let said = follow(folder.path(), "docs/src/uncertainty.md");
    for words in [
        "Difference of the mean AUCs",
        "Primary comparison",
        "Margin 0.01",
        "patients as clusters",
        "Positive patients",
        "2 setups were ranked",
        "std over seeds",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn the_chapter_on_thresholds_and_ensembles_runs_as_it_is_written() {
    let folder = with_fixture();
    let said = follow(folder.path(), "docs/src/thresholds.md");
    for words in
        ["a sensitivity of at least 0.9", "a specificity of at least 0.95", "AUC of both, the mean of"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
}

/// The lines of a picture of a terminal.
fn drawn(picture: &Path) -> Vec<String> {
    let text = fs::read_to_string(picture).unwrap_or_else(|e| panic!("{}: {e}", picture.display()));
    let lines = text.split("<text ").skip(1).map(|rest| {
        let (line, _) = rest.split_once('>').unwrap().1.split_once("</text>").unwrap();
        // Tags of what is bold.
        let mut words = line.split('<');
        let first = words.next().unwrap().to_owned();
        let plain = words.fold(first, |all, word| all + word.split_once('>').unwrap().1);
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&amp;", "&")]
            .iter()
            .fold(plain, |text, (escape, sign)| text.replace(escape, sign))
    });
    lines.collect()
}

/// The pictures are of the whole `reg demo`, and so is the chapter on withdrawals. `REG_REGENERATE=1` draws them again.
#[test]
fn what_the_demo_says_is_typed_and_pictures_and_the_chapter_on_withdrawals_show_what_it_made() {
    if !support::programs(&["python3", "taskset"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // The number of threads is part of ids, in whose order some lines stand.
    let said = run(folder.path(), "taskset --cpu-list 0,1 reg demo demo");
    let last = said.trim_end().lines().next_back().unwrap();
    let typed = last.split('`').nth(1).unwrap_or_else(|| panic!("{last}"));
    assert!(run(folder.path(), typed).contains("tiny-demo-split-f0"), "{typed}");
    assert!(said.lines().rev().nth(2).unwrap().starts_with("sound: "), "as `reg verify` says: {said}");

    let (demo, now) = (folder.path().join("demo"), folder.path().join("pictures"));
    let pictures = Path::new(ROOT).join("docs/src/pictures");
    run(folder.path(), &format!("python3 {ROOT}/docs/pictures.py {} {}", demo.display(), now.display()));
    let names = |folder: &Path| {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    if std::env::var_os("REG_REGENERATE").is_some() {
        for name in names(&now) {
            fs::copy(now.join(&name), pictures.join(&name)).unwrap();
        }
    }
    assert_eq!(names(&pictures), names(&now), "each picture is drawn by docs/pictures.py");
    for name in names(&pictures) {
        let shown = drawn(&pictures.join(&name));
        assert!(shown.len() > 10, "{name:?}: {shown:?}");
        if let Err(reason) = fitting_lines(&shown, &drawn(&now.join(&name))) {
            panic!("{name:?}: {reason}");
        }
    }

    let said = follow(&demo, "docs/src/withdraw.md");
    assert!(said.contains("1 removed: 00000002_000.png"), "{said}");
    assert!(said.contains("purged ") && said.contains("; purged: "), "{said}");
}

#[test]
fn the_chapter_on_runs_runs_as_it_is_written() {
    let folder = with_fixture();
    let said = follow(folder.path(), "docs/src/runs.md");
    for text in [
        "Test AUC",
        "Settings (* is not the default of mlp)",
        "overfits after",
        "baseline",
        "would remove",
        "sound: ",
    ] {
        assert!(said.contains(text), "{text}: {said}");
    }
    let csv = fs::read_to_string(folder.path().join("runs.csv")).unwrap();
    assert!(
        csv.starts_with("name,lr,batch,val_loss,test_auc,test_auc_labels\n") && csv.lines().count() == 3,
        "{csv}"
    );
}

#[test]
fn the_chapter_on_programs_runs_as_it_is_written() {
    if !support::programs(&["python3"]) {
        return;
    }
    let folder = with_fixture();
    let page = fs::read_to_string(Path::new(ROOT).join("docs/src/programs.md")).unwrap();
    let (_, script) = page.split_once("```python\n").unwrap();
    fs::write(folder.path().join("train.py"), script.split("```").next().unwrap()).unwrap();
    let said = follow(folder.path(), "docs/src/programs.md");
    for words in
        ["Scored by a program of the user's own: train. Trained by reg: resnet50.", "identical", "sound: "]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn the_chapter_on_other_tools_runs_as_it_is_written() {
    let folder = with_fixture();
    let meta = "--model tiny-meta --set epochs=1 --threads 1";
    run(folder.path(), &format!("reg train --dataset demo --split demo-split --fold 0 {meta}"));
    follow(folder.path(), "docs/src/tools.md");
    for made in [
        "scores.csv",
        "tables/demo-table-auc.parquet",
        "tables/mlp-demo-split-f0-test.parquet",
        "demo-images/images.parquet",
        "model/model.py",
        "card.md",
        "crate/workflow.sh",
    ] {
        assert!(folder.path().join(made).exists(), "{made}");
    }
}

#[test]
fn the_chapter_on_signatures_runs_as_it_is_written() {
    if !support::programs(&["jq", "openssl"]) {
        return;
    }
    let folder = with_fixture();
    let said = follow(folder.path(), "docs/src/attest.md");
    assert!(said.contains("Signature Verified Successfully") && said.contains("verified: table-"), "{said}");
}

#[test]
fn the_chapter_on_reports_runs_as_it_is_written() {
    let folder = with_fixture();
    let figures = follow(folder.path(), "docs/src/report.md");
    assert!(
        figures.ends_with("figures/range.svg\nfigures/roc-Mass.svg\nfigures/spearman.svg\n"),
        "{figures}"
    );
    assert!(folder.path().join("runs.html").exists());
}

/// A folder with the published files in `nih`.
fn with_nih() -> Option<tempfile::TempDir> {
    let nih = support::nih()?;
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(nih, folder.path().join("nih")).unwrap();
    Some(folder)
}

#[test]
fn the_walk_in_the_readme_prints_what_it_shows() {
    if !support::programs(&["jq"]) {
        return;
    }
    let Some(folder) = with_nih() else { return };
    let walk = follow(folder.path(), "README.md");
    assert!(walk.contains("identical: checkpoint, log, predictions, table"), "{walk}");
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    assert!(readme.lines().count() <= 200, "{} lines", readme.lines().count());
    let made = readme.lines().filter(|line| line.starts_with("make "));
    assert_eq!(
        made.take(2).map(|line| line.split("  ").next().unwrap()).collect::<Vec<_>>(),
        ["make demo", "make test"]
    );
}

#[test]
fn the_tutorial_runs_as_it_is_written() {
    let Some(folder) = with_nih() else { return };
    let said = follow(folder.path(), "docs/src/tutorial.md");
    assert!(said.contains("96 images of 96 patients") && said.contains("sound: "), "{said}");
    assert!(folder.path().join("study/heat.png").exists());
}

#[test]
fn every_chapter_is_in_the_summary_and_every_link_leads_somewhere() {
    let book = Path::new(ROOT).join("docs/src");
    let summary = fs::read_to_string(book.join("SUMMARY.md")).unwrap();
    let links = |text: &str| -> Vec<String> {
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next().map(str::to_owned));
        targets.filter(|target| !target.contains("://") && !target.starts_with('#')).collect()
    };
    for entry in fs::read_dir(&book).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".md") {
            continue;
        }
        assert!(name == "SUMMARY.md" || summary.contains(&format!("({name})")), "{name} is in no summary");
        for link in links(&fs::read_to_string(book.join(&name)).unwrap()) {
            let file = link.split('#').next().unwrap();
            assert!(book.join(file).exists(), "{name} links to {link}, which is not there");
        }
    }
}

#[test]
fn the_book_prints_every_limit() {
    let path = Path::new(ROOT).join("docs/src/limits.md");
    let text = fs::read_to_string(&path).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    let row = |limit: &reg::limits::Limit| format!("| {} | {} | {} |", limit.what, limit.of, limit.value);
    assert_eq!(rows, reg::limits::TABLE.iter().map(row).collect::<Vec<_>>());
}

/// The auditor compares the program with this hash, and not with the bundle's own statement.
#[test]
fn the_release_notes_have_the_hash_of_the_check_program() {
    let notes = fs::read_to_string(Path::new(ROOT).join("CHANGELOG.md")).unwrap();
    let sha256 = reg::hash::Digest::of(reg::audit::CHECK_PROGRAM.as_bytes()).sha256.to_string();
    let digits = sha256.trim_start_matches("sha256:");
    assert!(notes.contains(&format!("`{digits}`")), "CHANGELOG.md lacks {digits}");
}
