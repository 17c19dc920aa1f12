//! Watches: a cursor over the history that turns changes into event lines.
//!
//! A watch holds no lock and no channel: a driver polls it with the server at hand, sends what comes, and waits for the
//! next change or for [`Watch::next_wakeup`]. Dropping it is all there is to ending it; cutting a line short to simulate a
//! broken connection is the driver's.
//! Invariant: the events of one watch are in the order of their resourceVersions.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::resource::Kind;
use super::select::Selector;
use super::status::Status;
use super::{Api, Change, ChangeKind, ExpiredBy, read};
use crate::http::Request;

/// How often a watch that allows bookmarks gets one.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);
/// The timeout of watches that ask for none.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(1800);

/// Whether a watch may be sent bookmarks (`allowWatchBookmarks`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bookmarks {
    Allowed,
    Unwanted,
}

/// A watch in progress.
#[derive(Clone, Debug)]
pub struct Watch {
    kind: Kind,
    namespace: String,
    selector: Selector,
    seen: u64,
    bookmarks: Bookmarks,
    next_bookmark: Duration,
    deadline: Duration,
    pending: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The pending lines are the last.
    Termination,
}

/// What a poll brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polled {
    /// Event lines, each ended by a newline; may be empty.
    pub lines: Vec<u8>,
    /// Whether the server ends the stream after these lines.
    pub is_over: bool,
}

impl Api {
    /// Starts a watch as the request asks.
    pub(super) fn watch(
        &self,
        now: Duration,
        kind: Kind,
        namespace: &str,
        request: &Request,
    ) -> Result<Watch, Status> {
        let seconds = request.query("timeoutSeconds").and_then(|seconds| seconds.parse().ok());
        let bookmarks =
            if request.asks("allowWatchBookmarks") { Bookmarks::Allowed } else { Bookmarks::Unwanted };
        let mut watch = Watch {
            kind,
            namespace: namespace.to_owned(),
            selector: read::selector(request)?,
            seen: self.version,
            bookmarks,
            next_bookmark: now + BOOKMARK_INTERVAL,
            deadline: now + seconds.map_or(TIMEOUT_DEFAULT, Duration::from_secs),
            pending: Vec::new(),
            state: State::Open,
        };
        let from = request.query("resourceVersion").unwrap_or_default();
        if matches!(from, "" | "0") || request.asks("sendInitialEvents") {
            for (_, object) in self.objects(kind, namespace) {
                if watch.selector.matches(object) {
                    watch.send("ADDED", object);
                }
            }
            if request.asks("sendInitialEvents") {
                watch.bookmark(&json!({"k8s.io/initial-events-end": "true"}));
            }
            return Ok(watch);
        }
        let Ok(from) = from.parse::<u64>() else {
            return Err(Status::bad_request(format!("invalid resource version {from:?}")));
        };
        watch.seen = from;
        if from < self.oldest {
            let status = Status::expired(from, self.oldest);
            if self.expired_by == ExpiredBy::HttpStatus {
                return Err(status);
            }
            watch.send("ERROR", &status.value());
            watch.state = State::Termination;
        }
        Ok(watch)
    }
}

impl Watch {
    /// The events since the last poll.
    pub fn poll(&mut self, now: Duration, api: &Api) -> Polled {
        if self.state == State::Open {
            if api.has_forgotten(self.seen) {
                self.send("ERROR", &Status::expired(self.seen, api.oldest).value());
                return Polled { lines: std::mem::take(&mut self.pending), is_over: true };
            }
            for change in api.changes_since(self.seen) {
                self.absorb(change);
            }
            self.seen = self.seen.max(api.version);
            let is_over = now >= self.deadline;
            if self.bookmarks == Bookmarks::Allowed && (is_over || now >= self.next_bookmark) {
                self.next_bookmark = now + BOOKMARK_INTERVAL;
                self.bookmark(&Value::Null);
            }
            if is_over {
                self.state = State::Termination;
            }
        }
        Polled { lines: std::mem::take(&mut self.pending), is_over: self.state == State::Termination }
    }

    /// Queues a bookmark for the next poll, whatever the request allowed.
    pub fn demand_bookmark(&mut self) {
        self.bookmark(&Value::Null);
    }

    /// When the watch has something to say even if nothing changes.
    pub fn next_wakeup(&self) -> Duration {
        match self.bookmarks {
            Bookmarks::Allowed => self.deadline.min(self.next_bookmark),
            Bookmarks::Unwanted => self.deadline,
        }
    }

    /// The kind that is watched.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    fn absorb(&mut self, change: &Change) {
        let is_inside = self.namespace.is_empty() || change.key.namespace == self.namespace;
        if change.key.kind != self.kind || !is_inside {
            return;
        }
        let is_match = self.selector.matches(&change.object);
        let was_match = change.before.as_ref().is_some_and(|before| self.selector.matches(before));
        let event = match (change.kind, was_match, is_match) {
            (ChangeKind::Added, _, true) | (ChangeKind::Modified, false, true) => "ADDED",
            (ChangeKind::Modified, true, true) => "MODIFIED",
            (ChangeKind::Modified, true, false) => {
                // An object that leaves the selector is shown as it was, with the version of the change.
                let mut last = change.before.as_deref().cloned().unwrap_or_default();
                last["metadata"]["resourceVersion"] = json!(change.version.to_string());
                self.send("DELETED", &Arc::new(last));
                return;
            }
            (ChangeKind::Deleted, _, true) => "DELETED",
            _ => return,
        };
        self.send(event, &change.object);
    }

    fn bookmark(&mut self, annotations: &Value) {
        let row = self.kind.row();
        let mut metadata = json!({"resourceVersion": self.seen.to_string(), "creationTimestamp": null});
        if annotations.is_object() {
            metadata["annotations"] = annotations.clone();
        }
        self.send(
            "BOOKMARK",
            &json!({"kind": row.name, "apiVersion": row.api_version(), "metadata": metadata}),
        );
    }

    fn send(&mut self, event: &str, object: &Value) {
        let line = format!("{{\"type\":\"{event}\",\"object\":{object}}}\n");
        self.pending.extend_from_slice(line.as_bytes());
    }
}
