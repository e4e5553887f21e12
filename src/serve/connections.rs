//! The open connections, and which of them is closed when there are too many.
//!
//! Every account of the machine can connect to the port, send nothing or half a request, and so take a connection for as
//! long as a request may take to arrive. That must keep nobody else waiting: where there are as many connections as are
//! allowed, the oldest is closed on which no request with the token has come yet; if there is none, the oldest that
//! waits for its next request. A connection whose request is being answered is never closed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// All open connections.
pub(super) struct Connections {
    most: usize,
    /// In the order in which they came.
    open: Mutex<Vec<Connection>>,
    /// A connection ended, or waits for its next request.
    changed: Notify,
}

struct Connection {
    id: u64,
    state: State,
    task: Option<AbortHandle>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No request with the token has come.
    Unknown,
    /// A request with the token was answered, and the next has not come.
    Waiting,
    /// A request with the token is being answered.
    Answering,
}

/// The entry of a connection, which ends with the value.
pub(super) struct ConnectionEntry {
    id: u64,
    connections: Arc<Connections>,
}

impl Connections {
    /// At most so many at once.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Connections { most, open: Mutex::default(), changed: Notify::new() })
    }

    fn open(&self) -> MutexGuard<'_, Vec<Connection>> {
        // Nothing is done under the lock that could leave the list half changed.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room for another connection, for which one that waits is closed.
    pub(super) async fn make_room(&self) {
        while !self.has_room() {
            self.changed.notified().await;
        }
    }

    fn has_room(&self) -> bool {
        let mut open = self.open();
        if open.len() < self.most {
            return true;
        }
        let oldest = |state| open.iter().position(|connection| connection.state == state);
        let Some(place) = oldest(State::Unknown).or_else(|| oldest(State::Waiting)) else { return false };
        if let Some(task) = open.remove(place).task {
            task.abort();
        }
        true
    }

    /// Enters a connection; `id` is another for each.
    pub(super) fn enter(self: &Arc<Self>, id: u64) -> ConnectionEntry {
        self.open().push(Connection { id, state: State::Unknown, task: None });
        ConnectionEntry { id, connections: Arc::clone(self) }
    }

    /// Says which task serves a connection.
    pub(super) fn serves(&self, id: u64, task: AbortHandle) {
        if let Some(connection) = self.open().iter_mut().find(|connection| connection.id == id) {
            connection.task = Some(task);
        }
    }
}

impl ConnectionEntry {
    fn set(&self, state: State) {
        if let Some(connection) = self.connections.open().iter_mut().find(|one| one.id == self.id) {
            connection.state = state;
        }
    }

    /// A request with the token has come.
    pub(super) fn answering(&self) {
        self.set(State::Answering);
    }

    /// That request was answered.
    pub(super) fn answered(&self) {
        self.set(State::Waiting);
        self.connections.changed.notify_one();
    }
}

impl Drop for ConnectionEntry {
    fn drop(&mut self) {
        self.connections.open().retain(|connection| connection.id != self.id);
        self.connections.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_without_a_request_goes_then_the_oldest_that_waits_and_none_that_is_answered() {
        let connections = Connections::new(3);
        let ids = || connections.open().iter().map(|connection| connection.id).collect::<Vec<_>>();
        let entries = [0, 1, 2].map(|id| connections.enter(id));
        entries[0].answering();
        entries[0].answered();
        entries[2].answering();
        assert!(connections.has_room());
        assert_eq!(ids(), [0, 2], "the one that sent nothing");
        let third = connections.enter(3);
        third.answering();
        assert!(connections.has_room());
        assert_eq!(ids(), [2, 3], "the one that waits");
        let fourth = connections.enter(4);
        fourth.answering();
        assert!(!connections.has_room());
        assert_eq!(ids(), [2, 3, 4], "all are being answered");
        third.answered();
        assert!(connections.has_room());
        drop(entries);
        assert_eq!(ids(), [4]);
    }
}
