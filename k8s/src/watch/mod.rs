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

mod frames;

use std::marker::PhantomData;
use std::time::Duration;

use crate::fields::Read;
use crate::meta::Key;
use crate::request::Request;
use crate::resource::{ListOptions, Resource, WatchOptions};
use crate::shape::Picks;
use crate::sieve::{Kept, Limits, Sieve};
use crate::status::{Error, Retry};

use frames::{Frames, ITEM_FIELD_DEPTH, LINE_FIELD_DEPTH, Page};

/// Objects in a page of a list, unless pages of that size fail.
pub const LIST_PAGE_LIMIT: u32 = 250;
/// After which the server is asked to end a watch, so that one that leads nowhere ends by itself.
pub const WATCH_TIMEOUT: Duration = Duration::from_secs(290);
/// What is kept of an object unless the watch says otherwise.
pub const OBJECT_LIMITS: Limits = Limits { text_bytes: 256 * 1024, value_bytes: 512 * 1024 };

/// The longest token to go on with, in bytes. Those of real servers hold a version and a name: some 400.
const CONTINUE_BYTES_MAX: usize = 8 * 1024;
/// How many pages in a row may be empty although the list goes on. Real servers fill all but the last.
const EMPTY_PAGES_MAX: u32 = 16;
/// After so many refusals in a row, which are half a minute, somebody has to grant the rights before it helps to ask.
const REFUSALS_MAX: u32 = 7;
/// The most objects that are read of a list: some ten times what a cluster is made for.
const ITEMS_MAX: u64 = 1024 * 1024;

/// What to keep an eye on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchSpec {
    /// The kind of objects.
    pub resource: Resource,
    /// The namespace; none for all of them.
    pub namespace: Option<String>,
    /// Only objects whose labels match.
    pub label_selector: Option<String>,
    /// Only objects with these fields.
    pub field_selector: Option<String>,
    /// Which labels and annotations are kept.
    pub picks: Picks,
    /// What is kept of one object at the most.
    pub limits: Limits,
    /// How rarely the server is asked that has refused the rights for a while; none: as after any failure.
    pub refused_pause: Option<Duration>,
}

impl WatchSpec {
    /// Everything of a kind, in a namespace or in all.
    #[must_use]
    pub fn new(resource: Resource, namespace: Option<&str>) -> Self {
        Self {
            resource,
            namespace: namespace.map(str::to_owned),
            label_selector: None,
            field_selector: None,
            picks: Picks::default(),
            limits: OBJECT_LIMITS,
            refused_pause: None,
        }
    }

    /// The same, but only objects whose labels match.
    #[must_use]
    pub fn with_labels(self, selector: &str) -> Self {
        Self { label_selector: Some(selector.to_owned()), ..self }
    }

    /// The same, but only objects with these fields: `metadata.name=web` for those of one name.
    #[must_use]
    pub fn with_fields(self, selector: &str) -> Self {
        Self { field_selector: Some(selector.to_owned()), ..self }
    }

    /// The same, for who can do without: a server that goes on refusing is asked this rarely.
    #[must_use]
    pub fn with_refused_pause(self, pause: Duration) -> Self {
        Self { refused_pause: Some(pause), ..self }
    }

    /// The same, and of labels and annotations these are kept.
    #[must_use]
    pub fn with_picks(self, picks: Picks) -> Self {
        Self { picks, ..self }
    }

    /// The same, with other limits on one object.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }
}

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
    /// A list has taken longer than it may, which is this.
    Overdue(Duration),
    /// The connection broke.
    Broken(Error),
}

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

/// A list in progress.
#[derive(Debug, Default)]
struct Listing {
    continue_token: String,
    /// As of when the list is, as the pages so far say.
    version: String,
    /// Whether it was told that the list begins.
    is_begun: bool,
    items: u64,
    page_items: u32,
    empty_pages: u32,
    /// What stands around the items of the page, once all of that has come.
    page: Option<Page>,
}

impl Listing {
    /// What is wrong with the page that was read to its end, if anything. Counts it.
    fn turn_page(&mut self) -> Result<Page, Error> {
        let page = self.page.take().ok_or_else(|| {
            let cause = "it ends in the middle".to_owned();
            Error::Decode { what: "the list".to_owned(), cause }
        })?;
        if self.version.is_empty() {
            page.resource_version.clone_into(&mut self.version);
        }
        self.empty_pages = if std::mem::take(&mut self.page_items) == 0 { self.empty_pages + 1 } else { 0 };
        let is_last = page.continue_token.is_empty();
        if page.continue_token.len() > CONTINUE_BYTES_MAX {
            return Err(endless("its token to go on with is too long".to_owned()));
        }
        if !is_last && (page.continue_token == self.continue_token || self.empty_pages > EMPTY_PAGES_MAX) {
            return Err(endless("there is no object on its pages any more".to_owned()));
        }
        page.continue_token.clone_into(&mut self.continue_token);
        Ok(page)
    }
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
                let cause = "it is no JSON".to_owned();
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
                    cause: "a list stood still".to_owned(),
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

impl Listing {
    /// Takes what has come of a page: an item, or all that stands around them.
    fn take<T: Read>(&mut self, kept: &Kept<'_>, limits: Limits) -> Result<Option<WatchEvent<T>>, Error> {
        if !kept.is_item {
            let page = Page::read(kept)?;
            self.page.get_or_insert(page);
            return Ok(None);
        }
        (self.items, self.page_items) = (self.items + 1, self.page_items.saturating_add(1));
        if self.items > ITEMS_MAX {
            return Err(endless(format!("it has more than {ITEMS_MAX} objects")));
        }
        Ok(Some(frames::item(kept, limits)))
    }
}

fn endless(cause: String) -> Error {
    Error::Endless { what: "the list".to_owned(), cause }
}

#[cfg(test)]
mod tests;
