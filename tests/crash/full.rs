//! A full disk.

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cases::{cases, steps};
use crate::support;
use crate::workspace::{Workspace, copy, each};

#[test]
fn a_disk_that_is_full_from_any_step_on_is_an_error_and_leaves_the_registry_sound() {
    for case in cases() {
        let steps = steps(case);
        let failed = AtomicU64::new(0);
        each(&(1..=steps).collect::<Vec<_>>(), |step| {
            let workspace = case.before.copy();
            let answer = workspace.strike(&case.command, format!("full:{step}"));
            let how = format!("full from step {step}");
            if answer.status.success() {
                // Only files that may be lost did not fit.
                assert_eq!(workspace.names(), case.names[1], "{}, {how}", case.what);
            } else {
                assert_eq!(answer.status.code(), Some(1), "{}, {how}: {answer:?}", case.what);
                assert!(
                    answer.stderr.contains("No space left on device"),
                    "{}, {how}: {answer:?}",
                    case.what
                );
                workspace.nothing_is_staged(&how);
                failed.fetch_add(1, Ordering::Relaxed);
            }
            case.survives(&workspace, &how);
        });
        let failed = failed.into_inner();
        println!("{}: full from each of {steps} steps on, {failed} errors", case.what);
        assert!(failed > 0);
    }
}

#[test]
fn a_key_pair_that_does_not_fit_leaves_nothing() {
    let mut failed = 0;
    for step in 1.. {
        let workspace = Workspace::empty();
        let answer = workspace.strike("key new -o k", format!("full:{step}"));
        if answer.status.success() {
            break;
        }
        assert!(answer.stderr.contains("No space left on device"), "{step}: {answer:?}");
        assert_eq!(std::fs::read_dir(workspace.path()).unwrap().count(), 0, "full from step {step}");
        failed += 1;
    }
    assert!(failed > 5, "{failed}");
}

/// A small file system that is unmounted when dropped.
struct SmallDisk(Workspace);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let disk = SmallDisk(Workspace::empty());
        let mount = ["-t", "tmpfs", "-o", "size=64m", "tmpfs"];
        let mounted = support::is_root()
            && Command::new("mount")
                .args(mount)
                .arg(disk.0.path())
                .output()
                .is_ok_and(|o| o.status.success());
        if !mounted {
            support::absent("a small disk", "only root can mount one");
        }
        mounted.then_some(disk)
    }

    /// Resizes it to its contents plus this number of pages.
    fn leave(&self, pages: u64) {
        let status = rustix::fs::statvfs(self.0.path()).unwrap();
        let used = (status.f_blocks - status.f_bfree) * status.f_frsize;
        let size = format!("remount,size={}", used + pages * 4096);
        assert!(Command::new("mount").args(["-o", &size]).arg(self.0.path()).status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_real_disk_that_ends_at_any_page_is_an_error_and_leaves_the_registry_sound() {
    let ingest = cases().iter().find(|case| case.what == "ingest").unwrap();
    let (mut pages, mut failed) = (0, 0);
    loop {
        let Some(disk) = SmallDisk::mount() else { return };
        copy(&ingest.before.path().join("."), disk.0.path());
        disk.leave(pages);
        let answer = disk.0.reg(&ingest.command);
        disk.leave(100_000);
        let how = format!("{pages} pages free");
        if answer.status.success() {
            ingest.survives(&disk.0, &how);
            break;
        }
        assert_eq!(answer.status.code(), Some(1), "{how}: {answer:?}");
        assert!(answer.stderr.contains("No space left on device"), "{how}: {answer:?}");
        disk.0.nothing_is_staged(&how);
        ingest.survives(&disk.0, &how);
        failed += 1;
        pages += 1;
    }
    println!("ingest: failed for {failed} sizes of the disk, then fit");
    assert!(failed > 20, "{failed}");
}
