//! Parallel transfers. Transfers wait for disks and networks more than they compute, so their number does not depend on
//! the number of cores.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::{RemoteError, TransferJob};

/// Number of parallel transfers. Each holds at most one pack in memory.
const AT_ONCE: usize = 8;

/// Runs a function for each item, in any order. Ends early with the first error, or when the exchange is interrupted.
pub(super) fn each<T: Sync>(
    items: &[T],
    job: TransferJob<'_>,
    act: impl Fn(&T) -> Result<(), RemoteError> + Sync,
) -> Result<(), RemoteError> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let first: Mutex<Option<RemoteError>> = Mutex::new(None);
    let work = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            if failed.load(Ordering::Relaxed) {
                return;
            }
            if let Err(e) = job.go_on().and_then(|()| act(item)) {
                failed.store(true, Ordering::Relaxed);
                first.lock().expect("no thread panics while it holds this lock").get_or_insert(e);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..AT_ONCE.min(items.len()) {
            scope.spawn(work);
        }
        work();
    });
    match first.into_inner().expect("no thread panics while it holds this lock") {
        Some(e) => Err(e),
        None => Ok(()),
    }
}
