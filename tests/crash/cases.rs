//! The commands that write, each with the state before it.

use std::fs;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::workspace::{Names, Workspace};

const DATA: &str = "--metadata Data_Entry_2017_v2020.csv";
const BOXES: &str = "--boxes BBox_List_2017.csv";

/// A command that is interrupted by faults.
pub(crate) struct Case {
    pub(crate) what: &'static str,
    pub(crate) before: Workspace,
    pub(crate) command: String,
    /// Names before and after the command.
    pub(crate) names: [Names; 2],
    /// Whether the command repairs the registry, which need not be sound before.
    mends: bool,
    /// Whether the command fills a remote in the folder `depot`, of which readers must never see a part.
    fills: bool,
    /// Whether the command removes bytes permanently.
    purges: bool,
    /// Duration of the command.
    pub(crate) took: Duration,
}

impl Case {
    fn new(what: &'static str, before: Workspace, command: impl Into<String>) -> Self {
        let command = command.into();
        let after = before.copy();
        let start = Instant::now();
        after.ok(&command);
        let took = start.elapsed();
        let names = [before.names(), after.names()];
        Case { what, before, command, names, mends: false, fills: false, purges: false, took }
    }

    fn purges(self) -> Self {
        Case { purges: true, ..self }
    }

    fn fills(self) -> Self {
        Case { fills: true, ..self }
    }

    /// Asserts that a pull from the pack store now finds either nothing or everything.
    fn can_be_pulled(&self, workspace: &Workspace, what: &str) -> bool {
        let reader = registry();
        let answer = reader.reg(&format!("pull {}", workspace.path().join("depot").display()));
        assert!(
            answer.status.success() || answer.stderr.contains("there is nothing at"),
            "{what}: {answer:?}"
        );
        reader.is_sound(what);
        let names = reader.names();
        assert!(names.is_empty() || names == self.names[1], "{what}: {names:?}");
        !names.is_empty()
    }

    fn mends(self) -> Self {
        Case { mends: true, ..self }
    }

    /// Asserts what must hold however the command ended, and that the same command then succeeds.
    pub(crate) fn survives(&self, workspace: &Workspace, how: &str) {
        let what = format!("{}, {how}", self.what);
        if !self.mends {
            workspace.is_sound(&what);
        }
        let [before, after] = &self.names;
        workspace.names_are_old_or_new(before, after, &what);
        if self.fills {
            self.can_be_pulled(workspace, &what);
        }
        let again = workspace.reg(&self.command);
        // A command that cannot be done twice says that it is done.
        let done = ["already", "no record is named"].iter().any(|text| again.stderr.contains(text));
        assert!(again.status.success() || done, "{what}: {}", again.stderr);
        assert_eq!(workspace.names(), *after, "{what}");
        workspace.is_sound(&what);
        assert!(!self.fills || self.can_be_pulled(workspace, &what), "{what}");
        if self.purges {
            workspace.is_purged(&what);
        }
    }
}

fn registry() -> Workspace {
    let workspace = Workspace::new();
    workspace.ok("init");
    workspace
}

fn ingested() -> Workspace {
    let workspace = registry();
    workspace.ok(&format!("ingest images {DATA} --name tiny --move"));
    workspace
}

fn divided() -> Workspace {
    let workspace = ingested();
    workspace.ok("split make tiny --folds 1 --seed 1 --name s");
    workspace.ok("tag best tiny");
    workspace
}

/// A data set with pixels of its images in the cache, as a training leaves them.
fn seen() -> Workspace {
    let workspace = divided();
    let registry = workspace.registry().unwrap();
    let view = registry.view().unwrap();
    let dataset = registry.resolve_as::<reg::records::Dataset>(&view, "tiny").unwrap();
    let manifest = registry.get(dataset).unwrap().manifest;
    let pixels = workspace.path().join(".reg/cache/pixels");
    fs::create_dir_all(&pixels).unwrap();
    fs::write(pixels.join(format!("{manifest}-original-r1")), b"pixels").unwrap();
    workspace
}

/// All commands except for trainings.
pub(crate) fn cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(|| {
        // The name moves to a data set with boxes, and nothing refers to the one without.
        let moved = ingested();
        moved.ok(&format!("ingest images {DATA} {BOXES} --name tiny --move"));
        moved.ok("split make tiny --folds 1 --seed 1 --name s");
        moved.ok("tag s --delete");
        moved.ok("tag keep tiny");
        let lost = divided();
        fs::remove_file(lost.path().join(".reg/reg.redb")).unwrap();
        let damaged = divided();
        let image = fs::read(damaged.path().join("images/00000001_000.png")).unwrap();
        let object = damaged.registry().unwrap().store().path(&reg::hash::Hash::of(&image));
        fs::remove_file(object).unwrap();
        let filled = registry();
        divided().ok(&format!("push {}", filled.path().join("depot").display()));
        vec![
            Case::new("push", divided(), "push depot").fills(),
            Case::new("pull", filled, "pull depot"),
            Case::new("init", Workspace::new(), "init"),
            Case::new(
                "ingest",
                registry(),
                format!("ingest images {DATA} {BOXES} --name tiny --move --link copy"),
            ),
            Case::new(
                "ingest by links",
                registry(),
                format!("ingest images {DATA} --name tiny --move --link hardlink"),
            ),
            Case::new("ingest again", ingested(), format!("ingest images {DATA} {BOXES} --name tiny --move")),
            Case::new("split", ingested(), "split make tiny --folds 1 --seed 1 --name s"),
            Case::new("tag", divided(), "tag best s"),
            Case::new("untag", divided(), "tag best --delete"),
            Case::new("reindex", divided(), "reindex"),
            Case::new("reindex of nothing", lost, "reindex").mends(),
            Case::new("gc", moved, "gc --keep-days 0"),
            Case::new("purge", seen(), "withdraw patient:5 --reason consent --purge").purges(),
            Case::new("repair", damaged, "verify --repair-from images").mends(),
        ]
    })
}

/// A training, whose worker takes most of the time.
pub(crate) fn training() -> Case {
    let train = "train --dataset tiny --split s --model mlp --set epochs=1 --threads 1";
    Case::new("train", divided(), train)
}

/// Faults strike trainings at every n-th step; returns n.
pub(crate) fn stride() -> u64 {
    if std::env::var("REG_CRASH").is_ok_and(|what| what == "all") { 1 } else { 9 }
}

/// The number of steps that a command takes.
pub(crate) fn steps(case: &Case) -> u64 {
    let (workspace, outside) = (case.before.copy(), Workspace::empty());
    let count = outside.path().join("count");
    let answer = workspace.strike(&case.command, format!("count:{}", count.display()));
    assert!(answer.status.success(), "{}: {}", case.what, answer.stderr);
    fs::read_to_string(count).unwrap().parse().unwrap()
}
