//! The connections that are open, and who has to go when there are too many.
//!
//! Invariant: never more than [`CONNECTIONS_MAX`] slots are taken, and a slot is free again when its thread is done with it.

use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many connections are served at once: a kubelet's two probes, two Prometheus servers, a person, and some more.
pub(super) const CONNECTIONS_MAX: usize = 8;
/// How long a newcomer waits until the one that is pushed out has gone; longer than the loop may take for its answer.
const EVICTION_PATIENCE: Duration = Duration::from_millis(1200);

/// What a connection is waiting for. The order is that in which they are pushed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// The client, to send or to close.
    Reading,
    /// The client, to read the answer.
    Writing,
    /// The loop, which is never long.
    Asking,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    phase: Phase,
    stream: Arc<TcpStream>,
}

#[derive(Debug, Default)]
struct Entries {
    next_id: u64,
    entries: Vec<Entry>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Slots {
    entries: Mutex<Entries>,
    freed: Condvar,
}

impl Slots {
    /// A slot for a new connection, for which the oldest may have to go. None if nobody has gone in time; the new connection
    /// is closed then.
    pub(super) fn take(slots: &Arc<Self>, stream: TcpStream) -> Option<Slot> {
        let stream = Arc::new(stream);
        let mut entries = slots.lock();
        if entries.entries.len() >= CONNECTIONS_MAX {
            let oldest = entries.entries.iter().min_by_key(|entry| (entry.phase, entry.id));
            if let Some(oldest) = oldest {
                // Whatever its thread waits for of the client comes to an end by this.
                let _ = oldest.stream.shutdown(Shutdown::Both);
            }
            let is_full = |entries: &mut Entries| entries.entries.len() >= CONNECTIONS_MAX;
            let waited = slots.freed.wait_timeout_while(entries, EVICTION_PATIENCE, is_full);
            entries = waited.unwrap_or_else(PoisonError::into_inner).0;
            if entries.entries.len() >= CONNECTIONS_MAX {
                return None;
            }
        }
        let id = entries.next_id;
        entries.next_id += 1;
        entries.entries.push(Entry { id, phase: Phase::Reading, stream: stream.clone() });
        drop(entries);
        Some(Slot { id, stream, slots: slots.clone() })
    }

    /// A thread that panics ends the process, so nothing half-done can be behind the lock.
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place; given back when this is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    id: u64,
    /// The connection.
    pub(super) stream: Arc<TcpStream>,
    slots: Arc<Slots>,
}

impl Slot {
    /// Notes what the connection waits for from now on.
    pub(super) fn enter(&self, phase: Phase) {
        let mut entries = self.slots.lock();
        if let Some(entry) = entries.entries.iter_mut().find(|entry| entry.id == self.id) {
            entry.phase = phase;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().entries.retain(|entry| entry.id != self.id);
        self.slots.freed.notify_one();
    }
}
