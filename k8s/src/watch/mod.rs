//! List, then watch: a state machine without a socket, a thread or a clock.
//!
//! ```text
//!          ┌────────────── 410, unusable stream ──────────────┐
//!          ▼                                                  │
//!   List { page 1 … n } ── last page ── Listed ────► Watch { since resourceVersion } ──┐
//!          ▲  410 in mid-list  ╲                              ▲                        │
//!          └──┘                 ╲─ without an end ─ Overlong ─┴── cut, end, silence ───┘
//! ```
//! Owns what to ask for next and what the answers mean. Leaves alone sending, reading and waiting: `client.rs` drives it,
//! and a simulator can. Invariants: objects are told one by one, as they arrive, and none is held; that objects are gone is told
//! by the end of a list alone, which comes when every page of it was read to its end; a list that goes on beyond its bounds is
//! given up, and what was read of it counts; within a watch the resourceVersion never goes back; one object that cannot be read,
//! or is too large, is reported and never hides the others.

mod event;
mod frames;
mod listing;
mod spec;

use std::marker::PhantomData;
use std::time::Duration;

use crate::fields::Read;
use crate::request::Request;
use crate::resource::{ListOptions, WatchOptions};
use crate::sieve::Sieve;
use crate::status::{Error, Retry};

pub use event::{Cut, Step, WatchEvent};
use frames::{Frames, ITEM_FIELD_DEPTH, LINE_FIELD_DEPTH, Page};
use listing::{Listing, endless};
pub use spec::{OBJECT_LIMITS, WatchSpec};

/// Objects in a page of a list, unless pages of that size fail.
pub const LIST_PAGE_LIMIT: u32 = 250;
/// After which the server is asked to end a watch, so that one that leads nowhere ends by itself.
pub const WATCH_TIMEOUT: Duration = Duration::from_secs(290);

/// After so many refusals in a row, which are half a minute, somebody has to grant the rights before it helps to ask.
const REFUSALS_MAX: u32 = 7;
/// The state of one watch. Of what it reads, the type has to have `metadata` as an [`ObjectMeta`](crate::ObjectMeta).
#[derive(Debug)]
pub struct Watcher<T> {
    spec: WatchSpec,
    state: State,
    sieve: Sieve,
    /// Objects that the next page is asked to have.
    page_limit: u32,
    /// In which phase the last failure was, as long as that phase has not worked since: a list that works does not mend a
    /// watch that is refused.
    failing: Option<Phase>,
    /// How often the rights were refused in a row.
    refusals: u32,
    /// Whether anything useful came since the last pause. Without it every end of a watch is followed by a pause, so that a
    /// server which accepts watches and drops them is not asked in a tight loop.
    fruitful: bool,
    /// Whether the place was too old already since a watch has brought something useful.
    was_gone: bool,
    objects: PhantomData<T>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    List,
    Watch,
}

#[derive(Debug)]
enum State {
    List(Listing),
    Watch {
        version: String,
        /// Whether the list before it was given up.
        is_partial: bool,
    },
}

impl<T: Read> Watcher<T> {
    /// A watch that begins with a list.
    #[must_use]
    pub fn new(spec: WatchSpec) -> Self {
        Self {
            sieve: Sieve::new(Frames::<T>::LIST, spec.picks, spec.limits, ITEM_FIELD_DEPTH),
            spec,
            state: State::List(Listing::default()),
            page_limit: LIST_PAGE_LIMIT,
            failing: None,
            refusals: 0,
            fruitful: true,
            was_gone: false,
            objects: PhantomData,
        }
    }

    /// Whether the request to send is a watch, which may be silent for a while, or a page of a list.
    #[must_use]
    pub fn is_watching(&self) -> bool {
        matches!(self.state, State::Watch { .. })
    }

    /// What to send next. The answer goes to [`Self::opened`], the body of a success to [`Self::read`] and its end to
    /// [`Self::cut`].
    #[must_use]
    pub fn request(&self) -> Request {
        let WatchSpec { resource, namespace, label_selector, field_selector, .. } = &self.spec;
        let (namespace, label_selector) = (namespace.as_deref(), label_selector.as_deref());
        let field_selector = field_selector.as_deref();
        match &self.state {
            State::List(Listing { continue_token, .. }) => {
                let continue_token = (!continue_token.is_empty()).then_some(continue_token.as_str());
                let limit = Some(self.page_limit);
                let resource_version = None;
                let options =
                    ListOptions { label_selector, field_selector, limit, continue_token, resource_version };
                resource.list(namespace, &options)
            }
            State::Watch { version, .. } => {
                let (resource_version, timeout) = (Some(version.as_str()), Some(WATCH_TIMEOUT));
                let options = WatchOptions { label_selector, field_selector, resource_version, timeout };
                resource.watch(namespace, &options)
            }
        }
    }

    /// Takes in that the request was answered with success or failure; the body comes after.
    pub fn opened(&mut self, answer: Result<(), Error>, out: &mut Vec<WatchEvent<T>>) -> Step {
        self.sieve.forget();
        let phase = self.phase();
        match (answer, &mut self.state) {
            (Ok(()), State::Watch { .. }) => {
                self.recovered(phase, out);
                Step::Read
            }
            (Ok(()), State::List(list)) => {
                (list.page, list.page_items) = (None, 0);
                if !std::mem::replace(&mut list.is_begun, true) {
                    out.push(WatchEvent::Listing);
                }
                Step::Read
            }
            (Err(error), State::Watch { .. }) => self.refused(error, out),
            (Err(error), State::List(list)) if error.is_gone() && !list.continue_token.is_empty() => {
                self.list_again()
            }
            (Err(error), State::List(_)) => self.failed(phase, error, out),
        }
    }

    /// Takes in a piece of the body.
    pub fn read(&mut self, bytes: &[u8], out: &mut Vec<WatchEvent<T>>) -> Step {
        let limits = self.spec.limits;
        let mut refusal = None;
        let mut fruitful = false;
        let state = &mut self.state;
        let result = self.sieve.feed(bytes, &mut |kept| {
            // What follows an error in the same piece belongs to a stream that is given up.
            if refusal.is_some() {
                return;
            }
            let told = match state {
                State::List(list) => list.take(&kept, limits),
                State::Watch { version, .. } => {
                    let told = frames::line(&kept, limits, version);
                    fruitful |= told.is_ok();
                    told
                }
            };
            match told {
                Ok(event) => out.extend(event),
                Err(error) => refusal = Some(error),
            }
        });
        self.fruitful |= fruitful;
        self.was_gone &= !fruitful;
        let phase = self.phase();
        match (refusal, result) {
            (Some(error), _) if phase == Phase::Watch => self.refused(error, out),
            (Some(error), _) => self.list_failed(error, out),
            (None, Ok(())) => Step::Read,
            (None, Err(_)) => {
                let what = if phase == Phase::List { "the list" } else { "an event of the watch" };
                let cause = "it is not JSON".to_owned();
                self.failed(phase, Error::Decode { what: what.to_owned(), cause }, out)
            }
        }
    }

    /// Takes in that the body is over. What was not finished is dropped: the next answer brings it again.
    pub fn cut(&mut self, cut: Cut, out: &mut Vec<WatchEvent<T>>) -> Step {
        self.sieve.forget();
        if let State::List(list) = &mut self.state {
            let page = match cut {
                Cut::End => list.turn_page(),
                Cut::Silence => Err(Error::Timeout {
                    server: "the API server".to_owned(),
                    cause: "a list stalled".to_owned(),
                }),
                Cut::Overdue(limit) if list.items > 0 => {
                    Err(endless(format!("it takes longer than {} s", limit.as_secs())))
                }
                Cut::Overdue(limit) => Err(Error::Timeout {
                    server: "the API server".to_owned(),
                    cause: format!("a list took longer than {} s", limit.as_secs()),
                }),
                Cut::Broken(error) => Err(error),
            };
            return match page {
                Ok(page) => self.turned(page, out),
                Err(error) => self.list_failed(error, out),
            };
        }
        match cut {
            Cut::End if matches!(self.state, State::Watch { is_partial: true, .. }) => {
                self.begin_list();
                Step::Wait(Retry::Backoff)
            }
            Cut::Silence | Cut::Overdue(_) => Step::Send,
            // A connection that brought something and broke is everyday life behind load balancers.
            Cut::End | Cut::Broken(_) if self.fruitful => {
                self.fruitful = false;
                Step::Send
            }
            Cut::End => Step::Wait(Retry::Backoff),
            Cut::Broken(error) => self.failed(Phase::Watch, error, out),
        }
    }

    /// Whether anything useful came since the last pause: a reason to forget earlier failures when pausing.
    #[must_use]
    pub fn is_fruitful(&self) -> bool {
        self.fruitful
    }

    /// Lists everything anew in place of going on with the watch. For a reader that has dropped something and now has room.
    pub fn list_anew(&mut self) {
        self.begin_list();
    }

    /// The kind of objects, as it stands in paths.
    #[must_use]
    pub fn plural(&self) -> &'static str {
        self.spec.resource.plural
    }

    fn phase(&self) -> Phase {
        if self.is_watching() { Phase::Watch } else { Phase::List }
    }

    fn begin_list(&mut self) {
        self.state = State::List(Listing::default());
        self.sieve = Sieve::new(Frames::<T>::LIST, self.spec.picks, self.spec.limits, ITEM_FIELD_DEPTH);
    }

    fn begin_watch(&mut self, version: String, is_partial: bool) {
        self.state = State::Watch { version, is_partial };
        self.sieve = Sieve::new(Frames::<T>::LINE, self.spec.picks, self.spec.limits, LINE_FIELD_DEPTH);
    }

    /// A page was read to its end.
    fn turned(&mut self, page: Page, out: &mut Vec<WatchEvent<T>>) -> Step {
        // Pages that come through may be larger again.
        self.page_limit = self.page_limit.saturating_mul(2).min(LIST_PAGE_LIMIT);
        if page.continue_token.is_empty() {
            self.begin_watch(page.resource_version.clone(), false);
            self.recovered(Phase::List, out);
            out.push(WatchEvent::Listed { resource_version: page.resource_version });
        }
        Step::Send
    }

    fn list_again(&mut self) -> Step {
        self.begin_list();
        if std::mem::replace(&mut self.was_gone, true) { Step::Wait(Retry::Backoff) } else { Step::Send }
    }

    /// The server would not watch, or no longer.
    fn refused(&mut self, error: Error, out: &mut Vec<WatchEvent<T>>) -> Step {
        if error.is_gone() {
            log::debug!("{}: the watch is too far behind, listing again", self.spec.resource.plural);
            return self.list_again();
        }
        self.failed(Phase::Watch, error, out)
    }

    /// A list that has no end is given up: whoever waits for it would wait for ever, and with it everybody whose objects are in
    /// it. Where no page has told its version there is nothing to watch from, and it is tried again.
    fn list_failed(&mut self, error: Error, out: &mut Vec<WatchEvent<T>>) -> Step {
        let (State::List(list), Error::Endless { .. }) = (&mut self.state, &error) else {
            return self.failed(Phase::List, error, out);
        };
        let version = std::mem::take(&mut list.version);
        (self.failing, self.fruitful) = (Some(Phase::List), false);
        out.push(WatchEvent::Overlong(error));
        if version.is_empty() {
            self.begin_list();
            return Step::Wait(Retry::Backoff);
        }
        self.begin_watch(version, true);
        Step::Send
    }

    fn failed(&mut self, phase: Phase, error: Error, out: &mut Vec<WatchEvent<T>>) -> Step {
        self.failing = Some(phase);
        self.fruitful = false;
        // What the server finds wrong with this very request may lie in the resourceVersion or in the token: begin anew. What
        // may pass goes on where it was, by fewer at once: the page may have been too long for the line or for the server.
        if error.retry() == Retry::Never {
            self.begin_list();
        } else if phase == Phase::List {
            self.page_limit = (self.page_limit / 2).max(1);
        }
        self.refusals = if error.is_forbidden() { self.refusals.saturating_add(1) } else { 0 };
        let pause = match (error.retry(), self.spec.refused_pause) {
            (Retry::After(pause), _) => Retry::After(pause),
            (_, Some(pause)) if self.refusals > REFUSALS_MAX => Retry::After(pause),
            (Retry::Backoff | Retry::Never, _) => Retry::Backoff,
        };
        out.push(WatchEvent::Failing(error));
        Step::Wait(pause)
    }

    fn recovered(&mut self, phase: Phase, out: &mut Vec<WatchEvent<T>>) {
        if self.failing.take_if(|failing| *failing == phase).is_some() {
            self.refusals = 0;
            out.push(WatchEvent::Recovered);
        }
    }
}

#[cfg(test)]
mod tests;
