//! Whether k6-operator is live: its Lease is watched, and how it changes.
//!
//! k6-operator elects its leader by the Lease `fcdfce80.io` in its own namespace (`--leader-elect`, which its bundle and its
//! chart pass; held for 15 s, renewed every 2 s, not given up at its end: the defaults of controller-runtime). Whoever may write
//! Leases can make one like it, so it counts only in the namespaces that the administrator names; elsewhere it is told of, see
//! [`elsewhere`](super::elsewhere). Owns what was seen of it. Leaves alone what follows, and who drives the watches.
//!
//! ```text
//!   no Lease, or nobody holds it ◄──── event, look ──── live ◄── any change ── dead
//!              └─────────────── holder ────────────────► │                      ▲
//!                                                        └─ unchanged for its duration, and a look says so
//! ```
//! A watch that tells nothing may be one that hears nothing. So the end of an operator is believed of a look alone, which is a
//! call; where none is live there is none. A Lease that an operator of the past has left behind costs its duration once.
//! Invariant: only an answer makes an operator dead; while the API server is silent, or refuses for less than
//! [`REFUSED_LIVE`], it stays what it was. Nothing in here grows with what others write.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s::{Request, WatchEvent};

use super::elsewhere::Elsewhere;
use super::record::{LEASE_DURATION, Lease, Record};
use crate::api::ObjectKey;
use crate::outcome;

/// The name of k6-operator's Lease.
pub const NAME: &str = "fcdfce80.io";
/// Before a look that has not been answered is repeated.
pub const LOOK_RETRY: Duration = Duration::from_secs(5);
/// How long a refusal has to stand before anything was seen, so that an operator counts as absent: an API server that has just
/// started refuses everything for a second.
pub const REFUSED_AT_START: Duration = Duration::from_secs(5);
/// The same where it has been seen already.
pub const REFUSED_LIVE: Duration = Duration::from_secs(30);
/// How often a watch is tried that goes on being refused.
pub const REFUSED_PAUSE: Duration = Duration::from_secs(120);
/// How many looks may be under way.
pub const LOOKS_MAX: usize = 4;

/// What to watch: the watched places, where one that does not count is told of, and the namespaces where it counts.
#[must_use]
pub fn scopes(watched: &[Option<String>], named: &BTreeSet<String>) -> Vec<Option<String>> {
    if watched.contains(&None) {
        return vec![None];
    }
    let all: BTreeSet<&String> = watched.iter().flatten().chain(named).collect();
    all.into_iter().cloned().map(Some).collect()
}

/// See the module.
#[derive(Debug)]
pub struct Operators {
    posts: Vec<Post>,
    watches: Vec<Watch>,
    elsewhere: Elsewhere,
    /// When the watches on all else had listed.
    synced: Option<Duration>,
}

/// A namespace where the Lease counts.
#[derive(Debug)]
struct Post {
    namespace: String,
    seen: Option<Seen>,
    /// Uid and version of the record that a look is under way for.
    asked: Option<(String, String)>,
    next_look: Duration,
    refused_since: Option<Duration>,
}

/// A Lease, since when it is as it is, and whether it counts as held by a live operator.
#[derive(Debug)]
struct Seen {
    record: Record,
    since: Duration,
    is_live: bool,
    /// Whether the list that is under way has shown it.
    is_listed: bool,
}

/// A watch, as far as it has come.
#[derive(Debug)]
struct Watch {
    scope: Option<String>,
    /// Whether there is a namespace in it where the Lease counts.
    counts: bool,
    has_listed: bool,
    refused: Option<Refused>,
    is_told: bool,
}

/// Since when, and when last.
#[derive(Clone, Copy, Debug)]
struct Refused {
    since: Duration,
    last: Duration,
}

impl Watch {
    /// What is to be said, if it is time for it.
    fn refuse(&mut self, now: Duration, error: &k8s::Error) -> Option<String> {
        let refused = self.refused.get_or_insert(Refused { since: now, last: now });
        refused.last = now;
        let is_news = self.is_blind() && !std::mem::replace(&mut self.is_told, true);
        is_news.then(|| unseen(self.scope.as_deref(), error))
    }

    /// Whether it is refused, and that counts.
    fn is_blind(&self) -> bool {
        let patience = if self.has_listed { REFUSED_LIVE } else { REFUSED_AT_START };
        self.refused.is_some_and(|refused| refused.last >= refused.since + patience)
    }
}

impl Operators {
    /// For the namespaces that are worked in, one `None` for all; the Lease counts in those that are `named`.
    #[must_use]
    pub fn new(watched: &[Option<String>], named: &BTreeSet<String>) -> Self {
        let post = |namespace: &String| Post {
            namespace: namespace.clone(),
            seen: None,
            asked: None,
            next_look: Duration::ZERO,
            refused_since: None,
        };
        let watch = |scope: Option<String>| Watch {
            counts: scope.as_ref().is_none_or(|namespace| named.contains(namespace)),
            scope,
            has_listed: false,
            refused: None,
            is_told: false,
        };
        Self {
            posts: named.iter().map(post).collect(),
            watches: scopes(watched, named).into_iter().map(watch).collect(),
            elsewhere: Elsewhere::default(),
            synced: None,
        }
    }

    /// The watches on all else have listed: now the API server knows its own roles, and what it refuses is not granted.
    pub fn synced(&mut self, now: Duration) {
        self.synced.get_or_insert(now);
    }

    /// Whether it is known of every place where it counts.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        let mut counting = self.watches.iter().filter(|watch| watch.counts);
        let is_refused_since =
            |watch: &Watch, synced| watch.refused.is_some_and(|refused| refused.last >= synced);
        let is_blind = |watch: &Watch| {
            watch.is_blind() && self.synced.is_some_and(|synced| is_refused_since(watch, synced))
        };
        counting.all(|watch| watch.has_listed || is_blind(watch))
    }

    /// A live operator: the namespace of its Lease, and who holds it.
    #[must_use]
    pub fn live(&self) -> Option<(&str, &str)> {
        let mut seen = self.posts.iter().filter_map(|post| post.seen.as_ref());
        let Seen { record, .. } = seen.find(|seen| seen.is_live)?;
        Some((&record.key.namespace, &record.holder))
    }

    /// How many Leases of that name are held where they do not count.
    #[must_use]
    pub fn elsewhere(&self, now: Duration) -> usize {
        self.elsewhere.held(now)
    }

    /// When there is something to do although nothing is seen.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let looks = self.posts.iter().filter_map(Post::look_at).filter(|_| self.looks() < LOOKS_MAX);
        looks.chain(self.elsewhere.next_line()).min()
    }

    /// The looks that are due, by the Lease that they are for.
    pub fn calls(&mut self, now: Duration) -> Vec<(ObjectKey, Request)> {
        let room = LOOKS_MAX.saturating_sub(self.looks());
        let due = self.posts.iter_mut().filter(|post| post.look_at().is_some_and(|at| at <= now)).take(room);
        let look = |post: &mut Post| {
            post.asked = post.seen.as_ref().map(|seen| seen.record.base());
            let key = ObjectKey::new(post.namespace.clone(), NAME);
            (key, k8s::LEASES.find(Some(&post.namespace), NAME))
        };
        due.map(look).collect()
    }

    /// What is to be said by now of Leases that do not count.
    pub fn line(&mut self, now: Duration) -> Option<String> {
        self.elsewhere.line(now)
    }

    /// Takes what the watch over `scope` has seen. Returns what is to be said.
    pub fn watched(
        &mut self,
        now: Duration,
        scope: Option<&str>,
        event: WatchEvent<Lease>,
    ) -> Option<String> {
        let watch = self.watches.iter_mut().find(|watch| watch.scope.as_deref() == scope)?;
        let posts =
            self.posts.iter_mut().filter(|post| scope.is_none_or(|namespace| post.namespace == namespace));
        match event {
            WatchEvent::Listing => {
                posts.flat_map(|post| &mut post.seen).for_each(|seen| seen.is_listed = false);
                self.elsewhere.listing(scope);
            }
            WatchEvent::Listed { resource_version } => {
                watch.has_listed = true;
                posts.for_each(|post| post.listed(&resource_version));
                self.elsewhere.listed(scope);
            }
            // What it did not show may be there.
            WatchEvent::Overlong(_) => watch.has_listed = true,
            WatchEvent::Failing(error) if error.is_forbidden() || error.is_not_found() => {
                return watch.refuse(now, &error);
            }
            WatchEvent::Failing(_) => watch.refused = None,
            WatchEvent::Recovered => (watch.refused, watch.is_told) = (None, false),
            // A server that does not know the field selector sends them all.
            WatchEvent::Applied(Lease { metadata, .. })
            | WatchEvent::Deleted(Lease { metadata, .. })
            | WatchEvent::Partial { object: Lease { metadata, .. }, .. }
                if metadata.name != NAME => {}
            WatchEvent::Applied(lease) | WatchEvent::Partial { object: lease, .. } => {
                let record = Record::from(lease);
                match posts.into_iter().find(|post| post.namespace == record.key.namespace) {
                    Some(post) => post.take(now, record),
                    None => self.elsewhere.take(now, &record),
                }
            }
            WatchEvent::Deleted(Lease { metadata, .. }) => self.gone(&metadata.namespace, &metadata.uid),
            WatchEvent::Malformed { key, uid, deleted: true, .. } => self.gone(&key.namespace, &uid),
            // It is there, and was what it was.
            WatchEvent::Malformed { key, .. } => {
                let post = posts.into_iter().find(|post| post.namespace == key.namespace);
                post.and_then(|post| post.seen.as_mut()).into_iter().for_each(|seen| seen.is_listed = true);
            }
        }
        None
    }

    /// Learns from the answer to a look. Returns what is to be said.
    pub fn apply_reply(
        &mut self,
        now: Duration,
        place: &ObjectKey,
        reply: Result<Vec<u8>, k8s::Error>,
    ) -> Option<String> {
        let post = self.posts.iter_mut().find(|post| post.namespace == place.namespace)?;
        let error = post.apply_reply(now, reply)?;
        let scope = Some(place.namespace.as_str());
        let is_over = |watch: &&mut Watch| watch.scope.is_none() || watch.scope.as_deref() == scope;
        let watch = self.watches.iter_mut().find(is_over)?;
        let is_news = !std::mem::replace(&mut watch.is_told, true);
        is_news.then(|| unseen(scope, &error))
    }

    fn gone(&mut self, namespace: &str, uid: &str) {
        match self.posts.iter_mut().find(|post| post.namespace == namespace) {
            Some(post) => drop(post.seen.take_if(|seen| seen.record.uid == uid)),
            None => self.elsewhere.gone(namespace, uid),
        }
    }

    fn looks(&self) -> usize {
        self.posts.iter().filter(|post| post.asked.is_some()).count()
    }
}

impl Post {
    /// When it is to be looked whether the operator is dead.
    fn look_at(&self) -> Option<Duration> {
        let seen = self.seen.as_ref().filter(|seen| seen.is_live && self.asked.is_none())?;
        Some(seen.ends().max(self.next_look))
    }

    fn take(&mut self, now: Duration, record: Record) {
        if let Some(seen) = &mut self.seen {
            seen.is_listed = true;
            // A watch may tell later what a look has shown, and what was before it.
            if record.number() < seen.record.number() || record == seen.record {
                return;
            }
        }
        let is_live = !record.holder.is_empty();
        self.seen = Some(Seen { record, since: now, is_live, is_listed: true });
        (self.next_look, self.refused_since) = (Duration::ZERO, None);
    }

    /// The list is complete; what it does not show is gone unless it is newer.
    fn listed(&mut self, list_version: &str) {
        let list: u128 = list_version.parse().unwrap_or(u128::MAX);
        drop(self.seen.take_if(|seen| !seen.is_listed && seen.record.number() <= list));
    }

    /// Why it cannot be seen any more, if so.
    fn apply_reply(&mut self, now: Duration, reply: Result<Vec<u8>, k8s::Error>) -> Option<k8s::Error> {
        let asked = self.asked.take();
        let seen = self.seen.as_mut().filter(|seen| Some(seen.record.base()) == asked)?;
        match reply.and_then(|body| Record::read_list(&body)) {
            Ok(records) => {
                self.refused_since = None;
                let shown = records.into_iter().find(|record| record.key == seen.record.key);
                match shown {
                    None => self.seen = None,
                    Some(record) if record == seen.record => seen.is_live = false,
                    Some(record) => self.take(now, record),
                }
                None
            }
            Err(error) if error.is_forbidden() || error.is_not_found() => {
                self.next_look = now + LOOK_RETRY;
                let since = *self.refused_since.get_or_insert(now);
                if now < since + REFUSED_LIVE {
                    return None;
                }
                (self.seen, self.refused_since) = (None, None);
                Some(error)
            }
            Err(_) => {
                (self.next_look, self.refused_since) = (now + LOOK_RETRY, None);
                None
            }
        }
    }
}

impl Seen {
    /// When it is dead if nothing changes. No operator holds its Lease for less than that.
    fn ends(&self) -> Duration {
        self.since + self.record.duration.max(LEASE_DURATION)
    }
}

/// Who may not look has to trust that there is none.
fn unseen(scope: Option<&str>, error: &k8s::Error) -> String {
    let why = outcome::text(error);
    let place = scope.map_or_else(String::new, |namespace| format!(" in namespace {namespace}"));
    format!(
        "cannot see whether k6-operator is live{place}, assuming that it is not: {why}; grant list and watch on leases in \
         coordination.k8s.io with the resource name {NAME}{place}, or name the namespaces that may have one with --operator-namespace"
    )
}

#[cfg(test)]
mod tests;
