//! List, then watch: a state machine without a socket, a thread or a clock.
//!
//! ```text
//!          ┌────────────── 410, unusable stream ──────────────┐
//!          ▼                                                  │
//!   List { page 1 … n } ── last page ── Snapshot ──► Watch { since resourceVersion } ──┐
//!          ▲  410 in mid-list                                 ▲                        │
//!          └──┘                                               └── cut, end, silence ───┘
//! ```
//! Owns what to ask for next and what the answers mean. Leaves alone sending, reading and waiting: `client.rs` drives it,
//! and a simulator can. Invariants: a snapshot is complete or not given at all; within a watch the resourceVersion never
//! goes back; one object that cannot be read is reported and never hides the others.

mod frames;

use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::lines::{LINE_BYTES_MAX, Lines};
use crate::meta::Key;
use crate::request::Request;
use crate::resource::{ListOptions, Resource, WatchOptions};
use crate::status::{Error, Retry};

use frames::{Line, Page};

/// Objects in a page of a list.
pub const LIST_PAGE_LIMIT: u32 = 500;
/// After which the server is asked to end a watch, so that one that leads nowhere ends by itself.
pub const WATCH_TIMEOUT: Duration = Duration::from_secs(290);

/// What to keep an eye on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchSpec {
    /// The kind of objects.
    pub resource: Resource,
    /// The namespace; none for all of them.
    pub namespace: Option<String>,
    /// Only objects whose labels match.
    pub label_selector: Option<String>,
}

impl WatchSpec {
    /// Everything of a kind, in a namespace or in all.
    #[must_use]
    pub fn new(resource: Resource, namespace: Option<&str>) -> Self {
        Self { resource, namespace: namespace.map(str::to_owned), label_selector: None }
    }

    /// The same, but only objects whose labels match.
    #[must_use]
    pub fn with_labels(self, selector: &str) -> Self {
        Self { label_selector: Some(selector.to_owned()), ..self }
    }
}

/// What a watch has to tell.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEvent<T> {
    /// All there is; what was known and is not in here is gone. Objects reported as `Malformed` since the list began
    /// exist all the same.
    Snapshot {
        /// The objects.
        items: Vec<T>,
        /// As of when: what is newer than this may exist although it is not among them.
        resource_version: String,
    },
    /// An object was made or changed; may repeat what is known.
    Applied(T),
    /// An object is gone; this is its last state.
    Deleted(T),
    /// An object exists, or is gone, but cannot be read as `T`.
    Malformed {
        /// Which object; empty where not even that can be read.
        key: Key,
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

/// What to do next with the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Read on.
    Read,
    /// Drop the connection and send [`Watcher::request`] at once.
    Send,
    /// Drop the connection, wait as told, then send [`Watcher::request`].
    Wait(Retry),
}

/// Why a watch's stream came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The server ended it, as it does when the time asked for is over.
    End,
    /// Nothing came for longer than bookmarks are apart; the connection may be dead.
    Silence,
    /// The connection broke.
    Broken(Error),
}

/// The state of one watch.
#[derive(Debug)]
pub struct Watcher<T> {
    spec: WatchSpec,
    state: State<T>,
    lines: Lines,
    /// In which phase the last failure was, as long as that phase has not worked since: a list that works does not mend a
    /// watch that is refused.
    failing: Option<Phase>,
    /// Whether anything useful came since the last pause. Without it every end of a watch is followed by a pause, so that a
    /// server which accepts watches and drops them is not asked in a tight loop.
    fruitful: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    List,
    Watch,
}

#[derive(Debug)]
enum State<T> {
    List { continue_token: String, gathered: Vec<T> },
    Watch { version: String, kind: PhantomData<T> },
}

impl<T> State<T> {
    fn beginning() -> Self {
        Self::List { continue_token: String::new(), gathered: Vec::new() }
    }
}

impl<T: DeserializeOwned> Watcher<T> {
    /// A watch that begins with a list.
    #[must_use]
    pub fn new(spec: WatchSpec) -> Self {
        Self { spec, state: State::beginning(), lines: Lines::default(), failing: None, fruitful: true }
    }

    /// Whether the request to send is a watch, whose body is a stream for [`Self::read`], or a page of a list, whose body
    /// goes to [`Self::listed`] as a whole.
    #[must_use]
    pub fn is_watching(&self) -> bool {
        matches!(self.state, State::Watch { .. })
    }

    /// What to send next.
    #[must_use]
    pub fn request(&self) -> Request {
        let WatchSpec { resource, namespace, label_selector } = &self.spec;
        let (namespace, label_selector) = (namespace.as_deref(), label_selector.as_deref());
        match &self.state {
            State::List { continue_token, .. } => {
                let continue_token = (!continue_token.is_empty()).then_some(continue_token.as_str());
                let limit = Some(LIST_PAGE_LIMIT);
                let options = ListOptions { label_selector, limit, continue_token, resource_version: None };
                resource.list(namespace, &options)
            }
            State::Watch { version, .. } => {
                let timeout = Some(WATCH_TIMEOUT);
                let options =
                    WatchOptions { label_selector, resource_version: Some(version.as_str()), timeout };
                resource.watch(namespace, &options)
            }
        }
    }

    /// Takes in the answer to a list request.
    pub fn listed(&mut self, answer: Result<Vec<u8>, Error>, out: &mut Vec<WatchEvent<T>>) -> Step {
        let State::List { continue_token, gathered } = &mut self.state else { return Step::Send };
        let page = answer.and_then(|body| Page::read(&body, gathered, out));
        match page {
            Ok(page) if !page.continue_token.is_empty() => {
                *continue_token = page.continue_token;
                Step::Send
            }
            Ok(page) => {
                let items = std::mem::take(gathered);
                let resource_version = page.resource_version.clone();
                self.state = State::Watch { version: page.resource_version, kind: PhantomData };
                self.recovered(Phase::List, out);
                out.push(WatchEvent::Snapshot { items, resource_version });
                Step::Send
            }
            Err(error) if error.is_gone() && !continue_token.is_empty() => self.list_again(),
            Err(error) => self.failed(Phase::List, error, out),
        }
    }

    /// Takes in that the watch request was answered with success or failure; the stream comes after.
    pub fn opened(&mut self, answer: Result<(), Error>, out: &mut Vec<WatchEvent<T>>) -> Step {
        self.lines.forget();
        match answer {
            Ok(()) => {
                self.recovered(Phase::Watch, out);
                Step::Read
            }
            Err(error) => self.refused(error, out),
        }
    }

    /// Takes in a piece of the watch's stream.
    pub fn read(&mut self, bytes: &[u8], out: &mut Vec<WatchEvent<T>>) -> Step {
        let State::Watch { version, .. } = &mut self.state else { return Step::Send };
        let mut refusal = None;
        let mut fruitful = false;
        let result = self.lines.feed(bytes, |line| {
            // What follows an error in the same piece belongs to a stream that is given up.
            if refusal.is_none() {
                match Line::read(line, version, out) {
                    Ok(()) => fruitful = true,
                    Err(error) => refusal = Some(error),
                }
            }
        });
        self.fruitful |= fruitful;
        match (refusal, result) {
            (Some(error), _) => self.refused(error, out),
            (None, Ok(())) => Step::Read,
            (None, Err(_)) => {
                self.state = State::beginning();
                self.failed(
                    Phase::Watch,
                    Error::TooLarge { what: "an event of the watch", limit_bytes: LINE_BYTES_MAX },
                    out,
                )
            }
        }
    }

    /// Takes in that the stream is over. A line that was not finished is dropped: the next watch brings it again.
    pub fn cut(&mut self, cut: Cut, out: &mut Vec<WatchEvent<T>>) -> Step {
        self.lines.forget();
        match cut {
            Cut::Silence => Step::Send,
            // A connection that brought something and broke is everyday life behind load balancers.
            Cut::End | Cut::Broken(_) if self.fruitful => {
                self.fruitful = false;
                Step::Send
            }
            Cut::End => Step::Wait(Retry::Backoff),
            Cut::Broken(error) => self.failed(Phase::Watch, error, out),
        }
    }

    /// Whether anything useful came since this was last asked: a reason to forget earlier failures when pausing.
    #[must_use]
    pub fn is_fruitful(&self) -> bool {
        self.fruitful
    }

    fn list_again(&mut self) -> Step {
        self.state = State::beginning();
        if std::mem::take(&mut self.fruitful) { Step::Send } else { Step::Wait(Retry::Backoff) }
    }

    /// The server would not watch, or no longer.
    fn refused(&mut self, error: Error, out: &mut Vec<WatchEvent<T>>) -> Step {
        if error.is_gone() {
            log::debug!("{}: the watch is too far behind, listing again", self.spec.resource.plural);
            return self.list_again();
        }
        // What the server finds wrong with this very request may lie in the resourceVersion: begin anew.
        if error.retry() == Retry::Never {
            self.state = State::beginning();
        }
        self.failed(Phase::Watch, error, out)
    }

    fn failed(&mut self, phase: Phase, error: Error, out: &mut Vec<WatchEvent<T>>) -> Step {
        self.failing = Some(phase);
        self.fruitful = false;
        if let State::List { .. } = self.state {
            self.state = State::beginning();
        }
        let pause = match error.retry() {
            Retry::After(pause) => Retry::After(pause),
            Retry::Backoff | Retry::Never => Retry::Backoff,
        };
        out.push(WatchEvent::Failing(error));
        Step::Wait(pause)
    }

    fn recovered(&mut self, phase: Phase, out: &mut Vec<WatchEvent<T>>) {
        if self.failing.take_if(|failing| *failing == phase).is_some() {
            out.push(WatchEvent::Recovered);
        }
    }
}

#[cfg(test)]
mod tests;
