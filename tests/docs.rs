//! The commands of the book in `docs/` work: they are run, chapter by chapter, as a reader would type them. Blocks
//! marked `sh` are run; blocks marked `text` are not.

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

/// The `sh` blocks of a chapter, joined.
fn commands(chapter: &str) -> String {
    let path = Path::new(ROOT).join("docs/src").join(chapter);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    blocks.collect::<Vec<_>>().join("\n")
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
    let audit = run(folder.path(), &commands("audit.md"));
    assert!(audit.contains("identical: checkpoint, log, predictions, table"), "{audit}");
    assert!(!audit.contains("FAILED"), "{audit}");
    let id = run(folder.path(), "reg --json show demo-table | jq -r .id");
    assert!(run(folder.path(), &commands("lineage.md")).starts_with(&id), "the hash of the table is its id");
}

#[test]
fn the_chapter_on_uncertainty_runs_as_it_is_written() {
    let folder = with_fixture();
    let said = run(folder.path(), &commands("uncertainty.md"));
    for words in [
        "Difference of the mean AUCs",
        "Primary comparison",
        "Margin 0.01",
        "patients as clusters",
        "Positive patients",
        "2 setups were looked at",
        "std over seeds",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn the_chapter_on_thresholds_and_ensembles_runs_as_it_is_written() {
    let folder = with_fixture();
    let said = run(folder.path(), &commands("thresholds.md"));
    for words in ["a sensitivity of at least 0.9", "a specificity of at least 0.95", "AUC of both, the mean of"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn the_chapter_on_withdrawals_runs_as_it_is_written() {
    let folder = with_fixture();
    let said = run(folder.path(), &commands("withdraw.md"));
    assert!(said.contains("29 images") && said.contains("1 removed: 00000002_000.png"), "{said}");
    assert!(said.contains("purged 1 object, ") && said.contains("; purged: 1"), "{said}");
}

#[test]
fn the_chapter_on_runs_runs_as_it_is_written() {
    let folder = with_fixture();
    let said = run(folder.path(), &commands("runs.md"));
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
    assert!(csv.starts_with("name,lr,batch,val_loss,test_auc\n") && csv.lines().count() == 3, "{csv}");
}

#[test]
fn the_chapter_on_other_tools_runs_as_it_is_written() {
    let folder = with_fixture();
    let meta = "--model tiny-meta --set epochs=1 --threads 1";
    run(folder.path(), &format!("reg train --dataset demo --split demo-split --fold 0 {meta}"));
    run(folder.path(), &commands("tools.md"));
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
    let said = run(folder.path(), &commands("attest.md"));
    assert!(said.contains("Signature Verified Successfully") && said.contains("verified: table-"), "{said}");
}

#[test]
fn the_chapter_on_reports_runs_as_it_is_written() {
    let folder = with_fixture();
    let figures = run(folder.path(), &commands("report.md"));
    assert!(
        figures.ends_with("figures/range.svg\nfigures/roc-Mass.svg\nfigures/spearman.svg\n"),
        "{figures}"
    );
    assert!(folder.path().join("runs.html").exists());
}

#[test]
fn the_tutorial_runs_as_it_is_written() {
    let Some(nih) = support::nih() else { return };
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(nih, folder.path().join("nih")).unwrap();
    let said = run(folder.path(), &commands("tutorial.md"));
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
