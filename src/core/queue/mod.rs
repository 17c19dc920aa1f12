//! What is to be looked at, and when: dirty keys, deadlines, tasks under way, backoff.
//!
//! Owns the pace of the agent. A key is looked at when it is dirty or its earliest deadline has come; a lane of a key has
//! one task under way at most; a task that failed waits before it is tried again; each class of calls has its own [`line`] for
//! its own workers, so that a GCk6 that hangs or a node that is gone holds up nobody else. Leaves alone what any of it means.
//!
//! A task that waits is its address and no more: its call is built when a worker can take it, so that a thousand Jobs that
//! wait cost nothing.
//!
//! Invariant: every key that waits for something is either in a lane under way or has a deadline, so nothing is forgotten;
//! tasks handed out never exceed `capacity`, class by class, nor their bodies the room that they have (module `bodies`).

mod bodies;
mod limits;
mod line;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s::backoff::Backoff;

use crate::event::{Action, Class, Key, Patience, TaskId};
use crate::maps::map_of;
use crate::rng::Rng;
use crate::testrun::state::Crowd;
use bodies::Bodies;
use line::Line;

pub use bodies::{LARGE_BODIES_BYTES_MAX, SMALL_BODY_BYTES_MAX, Weighed};
pub use limits::USER_CODE_MAX;
pub use line::Completion;

/// A lane that could have been tried again for so long is not going to be.
const BACKOFF_FORGOTTEN: Duration = Duration::from_secs(1800);

/// A lane that failed, and from when on it may be tried again.
#[derive(Clone, Copy, Debug)]
struct Failed {
    failures: u32,
    not_before: Duration,
    /// What the other side asked for; nothing makes that shorter.
    asked_until: Duration,
}

/// See the module.
#[derive(Debug)]
pub struct Queue {
    dirty: BTreeSet<Key>,
    /// By key: there are hundreds at the most, so the earliest is looked for when it is asked for.
    deadlines: BTreeMap<Key, Duration>,
    lines: BTreeMap<Class, Line>,
    /// Lanes whose task waits or is with a worker.
    busy: BTreeSet<TaskId>,
    /// Those of them whose report nobody waits for any more.
    disowned: BTreeSet<TaskId>,
    backoffs: BTreeMap<TaskId, Failed>,
    bodies: Bodies,
    rng: Rng,
}

impl Queue {
    /// An empty queue for `workers` (at least 2) per class.
    #[must_use]
    pub fn new(workers: usize, rng: Rng) -> Self {
        Self {
            dirty: BTreeSet::new(),
            deadlines: BTreeMap::new(),
            lines: map_of(Class::ALL.map(|class| (class, Line::new(limits::limits(class, workers))))),
            busy: BTreeSet::new(),
            disowned: BTreeSet::new(),
            backoffs: BTreeMap::new(),
            bodies: Bodies::default(),
            rng,
        }
    }

    /// Marks a key for the next turn.
    pub fn mark(&mut self, key: Key) {
        self.dirty.insert(key);
    }

    /// Looks at the key again at `at`, unless it is looked at earlier anyway.
    pub fn wake(&mut self, key: &Key, at: Duration) {
        match self.deadlines.get_mut(key) {
            Some(known) => *known = at.min(*known),
            None => drop(self.deadlines.insert(key.clone(), at)),
        }
    }

    /// The next moment at which something is due; `None` when only an event can bring news.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        if !self.dirty.is_empty() {
            return Some(Duration::ZERO);
        }
        let turns = self.lines.values().filter_map(Line::next_change);
        self.deadlines.values().copied().chain(turns).min()
    }

    /// Takes every key that is dirty or due.
    pub fn take_due(&mut self, now: Duration) -> BTreeSet<Key> {
        let due = self.deadlines.iter().filter(|(_, at)| **at <= now);
        let due: Vec<Key> = due.map(|(key, _)| key.clone()).collect();
        for key in due {
            self.deadlines.remove(&key);
            self.dirty.insert(key);
        }
        std::mem::take(&mut self.dirty)
    }

    /// Whether a task in this lane could start now. If it only has to wait for its backoff, the key is woken then.
    pub fn is_free(&mut self, now: Duration, id: &TaskId) -> bool {
        let lane = id.lane();
        if self.busy.contains(&lane) {
            return false;
        }
        match self.backoffs.get(&lane) {
            Some(backoff) if backoff.not_before > now => {
                let at = backoff.not_before;
                self.wake(&lane.key, at);
                false
            }
            _ => true,
        }
    }

    /// Queues a task whose lane [`is_free`](Self::is_free).
    pub fn push(&mut self, id: TaskId) {
        self.busy.insert(id.lane());
        if let Some(line) = self.lines.get_mut(&id.action.class()) {
            line.push(id);
        }
    }

    /// The next task that a worker can take now, class by class, and how long its answer is to be waited for. It counts as with
    /// a worker from now on, until it is [`done`](Self::done), or [waits](Self::weigh) again.
    pub fn next_task(&mut self, now: Duration) -> Option<(TaskId, Patience)> {
        let Self { lines, bodies, .. } = self;
        lines.values_mut().find_map(|line| {
            line.look(now);
            line.next(|id| bodies.may_begin(id))
        })
    }

    /// Says how large the body of a task is that is to be sent to the API server. One that is too large for now waits: the task
    /// comes again.
    pub fn weigh(&mut self, id: &TaskId, body_bytes: usize) -> Weighed {
        let weighed = self.bodies.weigh(id, body_bytes);
        if weighed == Weighed::Waits
            && let Some(line) = self.lines.get_mut(&id.action.class())
        {
            line.put_back(id.clone());
        }
        weighed
    }

    /// A worker is done with a task, or never got it: its lane is free, its key dirty. False if nobody waits for the report.
    pub fn done(&mut self, now: Duration, id: &TaskId, outcome: Completion) -> bool {
        let lane = id.lane();
        self.bodies.done(id);
        if self.busy.remove(&lane)
            && let Some(line) = self.lines.get_mut(&id.action.class())
        {
            line.done(now, id, outcome);
        }
        self.mark(id.key.clone());
        !self.disowned.remove(&lane)
    }

    /// Drops all that is known, and the tasks that wait. A task with a worker keeps its lane until it is done, so that its
    /// report cannot be taken for that of a later one.
    pub fn disown(&mut self) {
        for id in self.lines.values_mut().flat_map(|line| line.drop_waiting(None)) {
            self.busy.remove(&id.lane());
        }
        self.dirty.clear();
        self.deadlines.clear();
        self.backoffs.clear();
        self.bodies.forget(|_| true);
        self.disowned.clone_from(&self.busy);
    }

    /// The task went well: its lane starts afresh.
    pub fn succeeded(&mut self, id: &TaskId) {
        self.backoffs.remove(&id.lane());
    }

    /// The task failed: its lane waits, at least as long as the other side asked for.
    pub fn failed(&mut self, now: Duration, id: &TaskId, pace: Backoff, asked: Option<Duration>) -> Duration {
        let lane = id.lane();
        let failures = self.backoffs.get(&lane).map_or(0, |b| b.failures) + 1;
        let wait = pace.pause(failures, self.rng.fraction()).max(asked.unwrap_or_default());
        let asked_until = now + asked.unwrap_or_default();
        // What is not tried any more, such as a test run that is listed no longer, has nobody who would forget it.
        self.backoffs.retain(|_, backoff| now < backoff.not_before + BACKOFF_FORGOTTEN);
        self.backoffs.insert(lane, Failed { failures, not_before: now + wait, asked_until });
        wait
    }

    /// How often the lane has failed in a row.
    #[must_use]
    pub fn failures(&self, id: &TaskId) -> u32 {
        self.backoffs.get(&id.lane()).map_or(0, |b| b.failures)
    }

    /// Lets the key's lanes be tried again at once, for instance because a new token has come.
    pub fn forgive(&mut self, key: &Key) {
        self.backoffs.retain(|id, _| id.key != *key);
        self.mark(key.clone());
    }

    /// Lets every lane of a class be tried again at once, because the other side answers again.
    pub fn forgive_class(&mut self, class: Class) {
        let waiting: Vec<TaskId> =
            self.backoffs.keys().filter(|id| id.action.class() == class).cloned().collect();
        for id in waiting {
            self.backoffs.remove(&id);
            self.mark(id.key);
        }
    }

    /// Lets lanes be tried again within `spread`, because the other side answers again; not before it asked for.
    pub fn hasten(&mut self, now: Duration, spread: Duration, is_meant: impl Fn(Action) -> bool) {
        let mut sooner = Vec::new();
        for (id, backoff) in self.backoffs.iter_mut().filter(|(id, _)| is_meant(id.action)) {
            let soon = now + spread.mul_f64(self.rng.fraction());
            backoff.not_before = backoff.not_before.min(soon.max(backoff.asked_until));
            sooner.push((id.key.clone(), backoff.not_before));
        }
        for (key, at) in sooner {
            self.wake(&key, at);
        }
    }

    /// How many tasks of each class wait, and how many are with its workers.
    pub fn loads(&self) -> impl Iterator<Item = (Class, usize, usize)> + '_ {
        self.lines.iter().map(|(class, line)| (*class, line.waiting(), line.under_way()))
    }

    /// Before whom a run's `setup()` or `teardown()` waits for its turn, if it does.
    #[must_use]
    pub fn user_code_waits(&self, run: &Key) -> Option<Crowd> {
        let line = self.lines.get(&Class::UserCode).filter(|line| line.has_waiting(run))?;
        Some(Crowd { all: line.under_way(), own: line.under_way_in(&run.object().namespace) })
    }

    /// How many tasks of a kind wait or are with a worker.
    pub fn count_under_way(&self, is_meant: impl Fn(Action) -> bool) -> usize {
        self.busy.iter().filter(|id| is_meant(id.action)).count()
    }

    /// The keys of the tasks of a kind that wait or are with a worker.
    pub fn under_way(&self, is_meant: impl Fn(Action) -> bool) -> impl Iterator<Item = &Key> {
        self.busy.iter().filter(move |id| is_meant(id.action)).map(|id| &id.key)
    }

    /// Drops all that is known of a key that is gone. Tasks that wait are dropped too; those with a worker run out, and their
    /// reports are not for another object that gets the same name meanwhile.
    pub fn forget(&mut self, key: &Key) {
        self.backoffs.retain(|id, _| id.key != *key);
        self.bodies.forget(|id| id.key == *key);
        self.dirty.remove(key);
        self.deadlines.remove(key);
        for id in self.lines.values_mut().flat_map(|line| line.drop_waiting(Some(key))) {
            self.busy.remove(&id.lane());
        }
        self.disowned.extend(self.busy.iter().filter(|id| id.key == *key).cloned());
    }
}

/// How many tasks of a class may be with its workers at once. Channels are made this large, so that nobody ever blocks on
/// one.
#[must_use]
pub const fn capacity(class: Class, workers: usize) -> usize {
    limits::limits(class, workers).most()
}

#[cfg(test)]
mod tests;
