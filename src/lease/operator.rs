//! Whether k6-operator is live in a watched place: its Lease is looked for, and how it changes is watched.
//!
//! k6-operator elects its leader by the Lease `fcdfce80.io` in its own namespace (`--leader-elect`, which its bundle and its
//! chart pass; held for 15 s, renewed every 2 s, not given up at its end: the defaults of controller-runtime). Owns what was
//! seen of it. Leaves alone what follows.
//!
//! A holder counts as live until the record was seen unchanged for its own duration, by a look at the end of that time. So a
//! Lease that an operator of the past has left behind costs its duration once, and one that is not held nothing.
//! Invariant: only an answer makes an operator dead; while the API server is silent, it stays what it was.

use std::time::Duration;

use k8s::Request;

use super::record::Record;
use crate::event::ObjectKey;

/// The name of k6-operator's Lease.
pub const NAME: &str = "fcdfce80.io";
/// Between two looks.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// Between two looks where none is granted.
const FORBIDDEN_INTERVAL: Duration = Duration::from_secs(300);
/// After a look that went wrong before any was answered.
const START_INTERVAL: Duration = Duration::from_secs(2);
/// So that a short duration in the record does not make us ask all the time.
const LOOK_INTERVAL_MIN: Duration = Duration::from_secs(1);
/// How many looks may be under way: there is one for each watched place.
pub const LOOKS_MAX: usize = 4;

/// What is known of the Leases in one watched place.
#[derive(Debug, Default)]
struct Place {
    is_asked: bool,
    next_look: Duration,
    answered: bool,
    told: bool,
    seen: Vec<Seen>,
}

/// A Lease of k6-operator, since when it is as it is, and whether it counts as held by a live one.
#[derive(Debug)]
struct Seen {
    record: Record,
    since: Duration,
    is_live: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Operators {
    places: Vec<(Option<String>, Place)>,
}

impl Operators {
    /// For the namespaces that are watched; one `None` for all.
    #[must_use]
    pub fn new(scopes: &[Option<String>]) -> Self {
        Self { places: scopes.iter().map(|scope| (scope.clone(), Place::default())).collect() }
    }

    /// Whether every watched place was looked at.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.places.iter().all(|(_, place)| place.answered)
    }

    /// A live operator: the namespace of its Lease, and who holds it.
    #[must_use]
    pub fn live(&self) -> Option<(&str, &str)> {
        let mut seen = self.places.iter().flat_map(|(_, place)| &place.seen);
        let Seen { record, .. } = seen.find(|seen| seen.is_live)?;
        Some((&record.key.namespace, &record.holder))
    }

    /// When a look is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        if self.under_way() >= LOOKS_MAX {
            return None;
        }
        let resting = self.places.iter().filter(|(_, place)| !place.is_asked);
        resting.map(|(_, place)| place.next_look).min()
    }

    /// The looks that are due, by the place that they are for.
    pub fn calls(&mut self, now: Duration) -> Vec<(ObjectKey, Request)> {
        let room = LOOKS_MAX.saturating_sub(self.under_way());
        let mut calls = Vec::new();
        for (scope, place) in &mut self.places {
            if calls.len() < room && !place.is_asked && place.next_look <= now {
                place.is_asked = true;
                let key = ObjectKey::new(scope.clone().unwrap_or_default(), NAME);
                calls.push((key, k8s::LEASES.find(scope.as_deref(), NAME)));
            }
        }
        calls
    }

    /// Learns from the answer to a look.
    pub fn learn(&mut self, now: Duration, place: &ObjectKey, reply: Result<Vec<u8>, k8s::Error>) {
        let scope = Some(place.namespace.clone()).filter(|namespace| !namespace.is_empty());
        let place = self.places.iter_mut().find(|(of, _)| *of == scope);
        let Some((_, place)) = place else { return };
        place.is_asked = false;
        match reply.and_then(|body| Record::read_list(&body)) {
            Ok(records) => place.learn(now, records),
            Err(error) => place.fail(now, scope.as_deref(), &error),
        }
    }

    fn under_way(&self) -> usize {
        self.places.iter().filter(|(_, place)| place.is_asked).count()
    }
}

impl Place {
    fn learn(&mut self, now: Duration, records: Vec<Record>) {
        self.answered = true;
        self.told = false;
        self.next_look = now + LOOK_INTERVAL;
        let mut seen = Vec::new();
        for record in records {
            // A server that does not know the field selector sends them all.
            if record.key.name != NAME {
                continue;
            }
            let known = self.seen.iter().find(|known| known.record == record);
            let since = known.map_or(now, |known| known.since);
            let dead_at = since + record.duration;
            let is_live = !record.holder.is_empty() && now < dead_at;
            if is_live {
                self.next_look = self.next_look.min(dead_at.max(now + LOOK_INTERVAL_MIN));
            }
            seen.push(Seen { record, since, is_live });
        }
        self.seen = seen;
    }

    fn fail(&mut self, now: Duration, scope: Option<&str>, error: &k8s::Error) {
        self.next_look = now + if self.answered { LOOK_INTERVAL } else { START_INTERVAL };
        let is_refused = error.is_forbidden() || error.is_not_found();
        if is_refused {
            // Who may not look has to trust that there is none.
            self.answered = true;
            self.seen.clear();
            self.next_look = now + FORBIDDEN_INTERVAL;
        }
        // What the watches meet as well is theirs to tell.
        let level = match error.retry() {
            k8s::Retry::Never if !self.told => log::Level::Warn,
            _ => log::Level::Debug,
        };
        self.told |= level == log::Level::Warn;
        let place = scope.map_or_else(String::new, |namespace| format!(" in namespace {namespace}"));
        let (so, mend) = if is_refused {
            (
                "cannot be seen and is taken to be absent",
                "; grant list on leases in coordination.k8s.io with the resource name fcdfce80.io",
            )
        } else {
            ("cannot be seen yet", "")
        };
        log::log!(level, "whether k6-operator is live{place} {so}: {}{mend}", crate::lesson::text(error));
    }
}
