//! `TestRun`s that say they are of GCk6 and are none: each is told so, at a pace that nobody can make a flood of.
//!
//! Owns whose turn it is. Leaves alone why one is refused (`testrun::identity`). Invariants: for such an object nothing is asked of
//! GCk6, no Secret is read and no Job is made; it gets one Event and one condition, and while that stands, nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Core;
use crate::announce::Announcement;
use crate::api::run::{self as run_api, TestRun};
use crate::event::{Call, Key, Now, ObjectKey, Reply, TaskId};
use crate::objects::Object as _;
use crate::outcome::{Outcome, announced, text};
use crate::testrun::identity::Alien;
use crate::testrun::table::Block;
use crate::testrun::{Action, StatusWrite, conditions};

/// How long a `TestRun` is given before it is refused: its zone may be as new as itself, and heard of later.
const GRACE: Duration = Duration::from_secs(3);
/// How often one is refused per namespace.
const INTERVAL: Duration = Duration::from_secs(1);
/// How many aliens of a namespace may be under way.
const UNDER_WAY_MAX: usize = 8;
/// How many of a namespace wait for their turn by name. Beyond that they are found again when they change, or by the next agent.
const WAITING_MAX: usize = 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Aliens {
    by_namespace: BTreeMap<String, Turns>,
}

#[derive(Debug, Default)]
struct Turns {
    next: Duration,
    waiting: BTreeSet<String>,
    under_way: BTreeMap<String, Told>,
}

/// One that is being told.
#[derive(Debug)]
struct Told {
    uid: String,
    message: String,
    announcements: Vec<Announcement>,
}

impl Aliens {
    /// Begins with a refusal if it has its turn, else says for whom to come back, and when.
    fn admit(
        &mut self,
        now: Duration,
        key: &ObjectKey,
        begin: impl FnOnce() -> Told,
    ) -> Option<(ObjectKey, Duration)> {
        let turns = self.by_namespace.entry(key.namespace.clone()).or_default();
        if turns.under_way.contains_key(&key.name) {
            return None;
        }
        if turns.waiting.is_empty() {
            turns.next = turns.next.max(now + GRACE);
        }
        if turns.waiting.len() < WAITING_MAX {
            turns.waiting.insert(key.name.clone());
        }
        if now >= turns.next && turns.under_way.len() < UNDER_WAY_MAX && turns.waiting.remove(&key.name) {
            turns.next = now + INTERVAL;
            turns.under_way.insert(key.name.clone(), begin());
        }
        let first = turns.waiting.first()?;
        Some((ObjectKey::new(key.namespace.clone(), first.clone()), turns.next.max(now + INTERVAL / 2)))
    }

    fn find(&self, key: &ObjectKey) -> Option<&Told> {
        self.by_namespace.get(&key.namespace)?.under_way.get(&key.name)
    }

    fn find_mut(&mut self, key: &ObjectKey) -> Option<&mut Told> {
        self.by_namespace.get_mut(&key.namespace)?.under_way.get_mut(&key.name)
    }

    fn remove(&mut self, now: Duration, key: &ObjectKey) {
        if let Some(turns) = self.by_namespace.get_mut(&key.namespace) {
            turns.waiting.remove(&key.name);
            turns.under_way.remove(&key.name);
            if turns.waiting.is_empty() && turns.under_way.is_empty() && now >= turns.next {
                self.by_namespace.remove(&key.namespace);
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.by_namespace.clear();
    }
}

impl Core {
    /// A `TestRun` is none that the agent made: it is told once.
    pub(super) fn refuse_run(&mut self, now: Now, key: &ObjectKey, alien: &Alien) {
        let Some(run) = self.store.runs.find(key) else { return };
        let message = alien.message();
        let is_over = Block::of(run.status.stage).is_none_or(|block| block == Block::Done);
        let is_told = conditions::refusal(run, &message, now.wall).is_none();
        let is_current = |refusal: &Told| refusal.uid == run.uid() && refusal.message == message;
        if is_over || is_told || self.aliens.find(key).is_some_and(|refusal| !is_current(refusal)) {
            self.aliens.remove(now.mono, key);
        }
        if is_over || is_told {
            return;
        }
        let uid = run.uid().to_owned();
        let begin = || {
            log::warn!("TestRun {key} is ignored: {message}");
            let announcements = vec![Announcement::warning("NotMadeByAgent", message.clone())];
            Told { uid, message: message.clone(), announcements }
        };
        if let Some((other, at)) = self.aliens.admit(now.mono, key, begin) {
            self.queue.wake(&Key::Run(other), at);
        }
        let Some(refusal) = self.aliens.find(key) else { return };
        let is_announced = refusal.announcements.is_empty();
        let action =
            if is_announced { Action::WriteStatus(StatusWrite::Conditions) } else { Action::Announce };
        let id = TaskId::run(key, action);
        if self.queue.is_free(now.mono, &id) {
            self.queue.push(id);
        }
    }

    /// Nothing is to be refused there any more.
    pub(super) fn accept_run(&mut self, now: Now, key: &ObjectKey) {
        self.aliens.remove(now.mono, key);
    }

    pub(super) fn refusal_call(&self, now: Now, key: &ObjectKey, action: Action) -> Option<Call> {
        let refusal = self.aliens.find(key)?;
        let run: &TestRun = self.store.runs.find(key).filter(|run| run.uid() == refusal.uid)?;
        match action {
            Action::Announce => {
                let announcement = refusal.announcements.first()?;
                Some(Call::Kubernetes(announcement.request(&run.metadata, run_api::KIND, now.wall)))
            }
            Action::WriteStatus(StatusWrite::Conditions) => {
                let patch = conditions::refusal(run, &refusal.message, now.wall)?;
                let namespace = Some(key.namespace.as_str());
                Some(Call::Kubernetes(run_api::RESOURCE.merge_patch_status(namespace, &key.name, &patch)))
            }
            _ => None,
        }
    }

    pub(super) fn refusal_report(
        &mut self,
        now: Now,
        key: &ObjectKey,
        action: Action,
        reply: Reply,
    ) -> Outcome {
        let (Some(refusal), Reply::Kubernetes(reply)) = (self.aliens.find_mut(key), reply) else {
            return Outcome::Done;
        };
        match (action, reply) {
            (Action::Announce, reply) => announced(&mut refusal.announcements, reply),
            (_, Ok(body)) => Outcome::run(&body),
            (_, Err(error)) if error.is_not_found() => {
                self.aliens.remove(now.mono, key);
                Outcome::Done
            }
            (_, Err(error)) => Outcome::Again { after: None, why: text(&error) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin() -> Told {
        Told { uid: String::new(), message: String::new(), announcements: Vec::new() }
    }

    /// Lets time pass, and looks at each key when it is told to.
    fn admitted(aliens: &mut Aliens, count: usize, until: Duration) -> usize {
        let key = |n: usize| ObjectKey::new("ns", format!("run-{n:05}"));
        let mut wakes = BTreeMap::new();
        for n in 0..count {
            wakes.extend(aliens.admit(Duration::ZERO, &key(n), begin));
        }
        let mut begun = 0;
        while let Some((name, at)) =
            wakes.iter().min_by_key(|(_, at)| **at).map(|(key, at)| (key.clone(), *at))
            && at <= until
        {
            wakes.remove(&name);
            wakes.extend(aliens.admit(at, &name, begin));
            if aliens.find(&name).is_some() {
                begun += 1;
                aliens.remove(at, &name);
            }
        }
        begun
    }

    #[test]
    fn a_namespace_has_one_turn_a_second_however_many_there_are() {
        assert_eq!(admitted(&mut Aliens::default(), 3, Duration::from_secs(60)), 3);
        let mut aliens = Aliens::default();
        let begun = admitted(&mut aliens, 10_000, Duration::from_secs(60));
        assert!((50..=60).contains(&begun), "{begun} in a minute");
        assert!(aliens.by_namespace["ns"].waiting.len() <= WAITING_MAX);
    }

    #[test]
    fn nothing_is_left_of_a_namespace_that_has_none() {
        let mut aliens = Aliens::default();
        assert_eq!(admitted(&mut aliens, 2, Duration::from_secs(60)), 2);
        aliens.remove(Duration::from_secs(90), &ObjectKey::new("ns", "run-00000"));
        assert!(aliens.by_namespace.is_empty());
    }
}
