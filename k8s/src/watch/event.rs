//! What goes in and out of the state machine.

use std::time::Duration;

use crate::meta::Key;
use crate::status::{Error, Retry};

/// What a watch has to tell.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEvent<T> {
    /// A list begins, or begins anew: what is applied until `Listed` is part of it.
    Listing,
    /// The list is complete. What was known before and was neither applied nor found malformed since `Listing` is gone, unless
    /// it is newer than the list.
    Listed {
        /// As of when: what is newer than this may exist although it was not listed.
        resource_version: String,
    },
    /// The list goes on beyond what is read of one. What was applied since `Listing` exists; what was not may exist too. The list
    /// is tried again when the watch that follows comes to its end.
    Overlong(Error),
    /// An object exists, was made or changed; may repeat what is known.
    Applied(T),
    /// The same, but something of it did not fit into the limits.
    Partial {
        /// What did fit.
        object: T,
        /// Names what did not.
        error: Error,
    },
    /// An object is gone; this is its last state.
    Deleted(T),
    /// An object exists, or is gone, but cannot be read as `T`.
    Malformed {
        /// Which object; empty where not even that can be read.
        key: Key,
        /// Its uid; may be empty too.
        uid: String,
        /// What is wrong with it.
        error: Error,
        /// Whether this is its deletion.
        deleted: bool,
    },
    /// The watch is blind for now. Told at each failed attempt; it goes on trying.
    Failing(Error),
    /// The watch sees again, after `Failing`.
    Recovered,
}

impl<T> WatchEvent<T> {
    /// The same about something else, which `read` makes of an object; none where it makes nothing of it.
    pub fn filter_map<U>(self, read: impl FnOnce(T) -> Option<U>) -> Option<WatchEvent<U>> {
        Some(match self {
            Self::Applied(object) => WatchEvent::Applied(read(object)?),
            Self::Partial { object, error } => WatchEvent::Partial { object: read(object)?, error },
            Self::Deleted(object) => WatchEvent::Deleted(read(object)?),
            Self::Listing => WatchEvent::Listing,
            Self::Listed { resource_version } => WatchEvent::Listed { resource_version },
            Self::Overlong(error) => WatchEvent::Overlong(error),
            Self::Malformed { key, uid, error, deleted } => {
                WatchEvent::Malformed { key, uid, error, deleted }
            }
            Self::Failing(error) => WatchEvent::Failing(error),
            Self::Recovered => WatchEvent::Recovered,
        })
    }
}

/// What to do next with the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Read on.
    Read,
    /// Drop the connection and send [`Watcher::request`](super::Watcher::request) at once.
    Send,
    /// Drop the connection, wait as told, then send [`Watcher::request`](super::Watcher::request).
    Wait(Retry),
}

/// Why a watch's stream came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The server ended it, as it does when the time asked for is over.
    End,
    /// Nothing came for longer than bookmarks are apart; the connection may be dead.
    Silence,
    /// A list has taken longer than it may, which is this.
    Overdue(Duration),
    /// The connection broke.
    Broken(Error),
}
