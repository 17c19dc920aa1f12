//! What was asked of the world, in order: for those who count round trips and measure times between requests.
//!
//! Owns the list. Leaves its meaning to the reader. Off unless somebody asks for it, for a simulation makes millions of
//! requests. Invariant: an entry is written before the request is served, at the time it came in.

use std::time::Duration;

use crate::http::Request;

/// Whose door a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// The API server, the pod proxy included.
    Api,
    /// Either host of GCk6.
    Cloud,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When it came in, since the start of the world.
    pub at: Duration,
    /// Where.
    pub door: Door,
    /// The request itself.
    pub request: Request,
}

/// The list; see the module.
#[derive(Debug, Default)]
pub struct Journal {
    entries: Option<Vec<Entry>>,
}

impl Journal {
    /// Begins an empty list.
    pub fn start(&mut self) {
        self.entries = Some(Vec::new());
    }

    /// Ends the list and forgets it.
    pub fn stop(&mut self) {
        self.entries = None;
    }

    /// The entries since the start, oldest first; empty when there was none.
    pub fn entries(&self) -> &[Entry] {
        self.entries.as_deref().unwrap_or_default()
    }

    /// Writes a request down if a list was begun.
    pub fn note(&mut self, at: Duration, door: Door, request: &Request) {
        if let Some(entries) = &mut self.entries {
            entries.push(Entry { at, door, request: request.clone() });
        }
    }
}
