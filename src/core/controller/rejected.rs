//! Zones and test runs that are not taken in, since they are too large or there is no room: an Event on each says so, at a pace
//! that nobody can make a flood of.
//!
//! Owns that pace, and the Events until they are posted. Leaves alone the log and the count, which miss none (`notices`). Invariants:
//! a namespace has its share, so that whoever makes a thousand such objects does not keep others from hearing of theirs; and
//! however many objects and namespaces there are, what is kept here is bounded.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use k8s::ObjectMeta;

use super::Core;
use crate::announce::Announcement;
use crate::event::{Action, Call, Key, Now, ObjectKey, Reply, TaskId};
use crate::ignored::Ignored;
use crate::outcome::{Outcome, posted};
use crate::{api, testrun, zone};

/// How many Events a namespace has within [`WINDOW`].
const EVENTS_PER_NAMESPACE_MAX: u32 = 4;
/// For how long that is reckoned.
const WINDOW: Duration = Duration::from_secs(600);
/// Of how many namespaces it is reckoned. Objects of others wait until the time of one of these is over.
const NAMESPACES_MAX: usize = 256;
/// How many Events wait to be posted.
const WAITING_MAX: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rejected {
    /// Since when, and how many Events there were.
    shares: BTreeMap<String, (Duration, u32)>,
    /// By object: its uid, and what is to be said of it.
    waiting: BTreeMap<Key, (String, Announcement)>,
}

impl Rejected {
    /// Takes in that an object is not taken in.
    pub(super) fn note(
        &mut self,
        now: Duration,
        plural: &'static str,
        cause: Ignored,
        (key, uid): (&ObjectKey, &str),
        detail: &str,
    ) {
        let warning: fn(String) -> Announcement = match cause {
            Ignored::Unreadable => return,
            Ignored::TooLarge => |message| Announcement::warning("TooLarge", message),
            Ignored::NoRoom => |message| Announcement::warning("NoRoom", message),
        };
        let object = if plural == api::zone::RESOURCE.plural {
            Key::Zone(key.clone())
        } else if plural == api::run::RESOURCE.plural {
            Key::Run(key.clone())
        } else {
            return;
        };
        let is_known = self.waiting.contains_key(&object);
        if uid.is_empty() || is_known || self.waiting.len() >= WAITING_MAX || !self.admits(now, key) {
            return;
        }
        let message = cause.line(plural, key, detail);
        self.waiting.insert(object, (uid.to_owned(), warning(message)));
    }

    fn admits(&mut self, now: Duration, key: &ObjectKey) -> bool {
        if !self.shares.contains_key(&key.namespace) {
            self.shares.retain(|_, (since, _)| now < *since + WINDOW);
            if self.shares.len() >= NAMESPACES_MAX {
                return false;
            }
        }
        let (since, count) = self.shares.entry(key.namespace.clone()).or_insert((now, 0));
        if now >= *since + WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count <= EVENTS_PER_NAMESPACE_MAX
    }

    /// Whether a task is for one of these.
    pub(super) fn is_about(&self, id: &TaskId) -> bool {
        is_event(id.action) && self.waiting.contains_key(&id.key)
    }

    pub(super) fn call(&self, id: &TaskId, wall: SystemTime) -> Option<Call> {
        let (uid, announcement) = self.waiting.get(&id.key)?;
        let ObjectKey { namespace, name } = id.key.object().clone();
        let about = ObjectMeta { namespace, name, uid: uid.clone(), ..ObjectMeta::default() };
        let kind = if let Key::Zone(_) = id.key { api::zone::KIND } else { api::run::KIND };
        Some(Call::Kubernetes(announcement.request(&about, kind, wall)))
    }
}

/// Whether a Kubernetes Event is posted.
fn is_event(action: Action) -> bool {
    matches!(action, Action::Zone(zone::Action::Announce) | Action::Run(testrun::Action::Announce))
}

impl Core {
    /// Has the Events posted that wait for it.
    pub(super) fn tell_rejected(&mut self, now: Now) {
        let keys: Vec<Key> = self.rejected.waiting.keys().cloned().collect();
        for key in keys {
            let action = if let Key::Zone(_) = key {
                Action::Zone(zone::Action::Announce)
            } else {
                Action::Run(testrun::Action::Announce)
            };
            let id = TaskId { key, action };
            if self.queue.is_free(now.mono, &id) {
                self.queue.push(id);
            }
        }
    }

    pub(super) fn rejected_report(&mut self, now: Now, id: &TaskId, reply: Reply) {
        let Reply::Kubernetes(reply) = reply else { return };
        let outcome = posted(reply);
        if !matches!(outcome, Outcome::Again { .. }) {
            self.rejected.waiting.remove(&id.key);
        }
        self.apply(now, id, outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNS: &str = api::run::RESOURCE.plural;

    fn note(rejected: &mut Rejected, now: Duration, namespace: &str, name: usize) {
        let key = ObjectKey::new(namespace, format!("run-{name}"));
        rejected.note(now, RUNS, Ignored::TooLarge, (&key, "u"), "spec.args is longer than 7 bytes");
    }

    #[test]
    fn a_namespace_has_its_share_and_others_have_theirs() {
        let mut rejected = Rejected::default();
        (0..1000).for_each(|n| note(&mut rejected, Duration::ZERO, "greedy", n));
        note(&mut rejected, Duration::ZERO, "modest", 0);
        let told = |rejected: &Rejected, namespace: &str| {
            rejected.waiting.keys().filter(|key| key.object().namespace == namespace).count()
        };
        assert_eq!((told(&rejected, "greedy"), told(&rejected, "modest")), (4, 1));
        rejected.waiting.clear();
        note(&mut rejected, WINDOW - Duration::from_secs(1), "greedy", 1);
        assert!(rejected.waiting.is_empty());
        note(&mut rejected, WINDOW, "greedy", 1);
        assert_eq!(told(&rejected, "greedy"), 1);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut rejected = Rejected::default();
        (0..10_000).for_each(|n| note(&mut rejected, Duration::ZERO, &format!("ns-{n}"), n));
        assert_eq!(rejected.waiting.len(), WAITING_MAX);
        assert!(rejected.shares.len() <= NAMESPACES_MAX);
    }

    #[test]
    fn the_event_names_the_object_the_limit_and_the_fix() {
        let mut rejected = Rejected::default();
        note(&mut rejected, Duration::ZERO, "ns", 1);
        let id = TaskId::run(&ObjectKey::new("ns", "run-1"), testrun::Action::Announce);
        let Some(Call::Kubernetes(request)) = rejected.call(&id, SystemTime::UNIX_EPOCH) else { panic!() };
        let event: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(event["involvedObject"]["uid"], "u");
        assert_eq!(
            event["message"],
            "testruns ns/run-1 is too large and is ignored in its current form: spec.args is longer than 7 bytes; \
             make it smaller"
        );
        for (plural, cause, uid) in [
            (RUNS, Ignored::Unreadable, "u"),
            (k8s::PODS.plural, Ignored::TooLarge, "u"),
            (RUNS, Ignored::NoRoom, ""),
        ] {
            let mut none = Rejected::default();
            none.note(Duration::ZERO, plural, cause, (id.key.object(), uid), "");
            assert!(none.waiting.is_empty(), "{plural} {cause:?}");
        }
    }
}
