//! The line for the workers of one class of calls: who waits, who is with a worker, and whose turn is next.
//!
//! Who has the fewest calls under way is next, first of the namespaces, then of the objects in one, and among equals turns go
//! round; so a tenant's tenth run takes nothing from another one's first. That alone does not help where calls hang, since a worker that waits is none: hence who does not answer has
//! one call under way and no more, all of that kind together few, and a call that hangs gives its place to another one.
//!
//! ```text
//!             an answer                  no answer, after long
//!   untried ─────────────► answering ─────────────────────────► silent
//!      └──── no answer, after long ──────────────────────────────▲ │
//!                              ▲────────────── an answer ──────────┘
//! ```
//! Owns the order and the places. Leaves alone when something may be tried again (`queue`), and what a call is about.
//!
//! Invariant: no more calls are under way than [`Limits::most`]; and as long as there are fewer, a namespace that has none
//! under way waits for nobody, unless it is silent.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;

use crate::event::{Key, TaskId};

/// How many calls an object may have under way of which none has been answered yet.
const UNTRIED_CALLS_MAX: usize = 2;
/// How many calls that hang an object may have under way, and begin another one.
const HANGING_CALLS_MAX: usize = 4;

/// How many calls of a class may be under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Places for calls that do not hang.
    pub(super) places: usize,
    /// Further places for those that do.
    pub(super) hanging: usize,
    /// Further places, one for each namespace that has no call under way.
    pub(super) spare: usize,
    /// Of all places, those for objects that have not answered lately.
    pub(super) silent: usize,
    /// Of `places`, those for objects of which nothing is known yet.
    pub(super) untried: usize,
    /// Of `places`, those for one namespace.
    pub(super) tenant: usize,
    /// After what time a call hangs.
    pub(super) hangs_after: Duration,
}

impl Limits {
    /// How many calls are under way at the most.
    pub(super) const fn most(self) -> usize {
        self.places + self.hanging + self.spare
    }
}

/// What came of a call, as far as it says how the other side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What was asked for.
    Answered,
    /// An error.
    Failed,
    /// The call was not made.
    Unmade,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Answering,
    Silent,
}

/// The objects of a namespace that wait.
#[derive(Debug, Default)]
struct Tenant {
    waiting: BTreeMap<Key, VecDeque<TaskId>>,
    /// Whose turn was last.
    last: Option<Key>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Line {
    limits: Limits,
    tenants: BTreeMap<String, Tenant>,
    /// Whose turn was last.
    last: Option<String>,
    /// Since when each is with a worker.
    under_way: BTreeMap<TaskId, Duration>,
    standings: BTreeMap<Key, Standing>,
    /// When turns were last given.
    now: Duration,
}

/// How many calls are under way, of all kinds.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    all: usize,
    hanging: usize,
    silent: usize,
    untried: usize,
    untried_hanging: usize,
}

impl Line {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            tenants: BTreeMap::new(),
            last: None,
            under_way: BTreeMap::new(),
            standings: BTreeMap::new(),
            now: Duration::ZERO,
        }
    }

    /// Puts a task at the end of its object's.
    pub(super) fn push(&mut self, id: TaskId) {
        let tenant = self.tenants.entry(id.key.object().namespace.clone()).or_default();
        tenant.waiting.entry(id.key.clone()).or_default().push_back(id);
    }

    /// Turns are given as of now.
    pub(super) fn look(&mut self, now: Duration) {
        self.now = now;
    }

    /// The next task to be begun now, if there is one that has a place.
    pub(super) fn next(&mut self) -> Option<TaskId> {
        let now = self.now;
        if self.tenants.is_empty() || self.under_way.len() >= self.limits.most() {
            return None;
        }
        let counts = self.counts(now);
        let (namespace, key) = self.whose_turn(now, counts)?;
        let tenant = self.tenants.get_mut(&namespace)?;
        let tasks = tenant.waiting.get_mut(&key)?;
        let id = tasks.pop_front()?;
        if tasks.is_empty() {
            tenant.waiting.remove(&key);
        }
        tenant.last = Some(key);
        if tenant.waiting.is_empty() {
            self.tenants.remove(&namespace);
        }
        self.last = Some(namespace);
        self.under_way.insert(id.clone(), now);
        Some(id)
    }

    fn whose_turn(&self, now: Duration, counts: Counts) -> Option<(String, Key)> {
        let is_alone = self.is_alone();
        let mut tenants: Vec<(usize, &String, &Tenant)> = round(&self.tenants, self.last.as_ref())
            .map(|(namespace, tenant)| (self.under_way_in(namespace), namespace, tenant))
            .collect();
        // Stable: among equals the round decides.
        tenants.sort_by_key(|(own, ..)| *own);
        tenants.into_iter().find_map(|(own, namespace, tenant)| {
            let objects = round(&tenant.waiting, tenant.last.as_ref())
                .map(|(key, _)| (self.count(|other| other == key), key))
                .filter(|(begun, key)| self.has_place(now, counts, (own, *begun), key, is_alone));
            let (_, key) = objects.min_by_key(|(begun, _)| *begun)?;
            Some((namespace.clone(), key.clone()))
        })
    }

    fn count(&self, is_meant: impl Fn(&Key) -> bool) -> usize {
        self.under_way.keys().filter(|id| is_meant(&id.key)).count()
    }

    /// Whether an object that has `begun` calls under way, and its namespace `own`, may begin another one.
    fn has_place(
        &self,
        now: Duration,
        counts: Counts,
        (own, begun): (usize, usize),
        key: &Key,
        is_alone: bool,
    ) -> bool {
        let Limits { places, hanging, silent, untried, tenant, .. } = self.limits;
        let brisk = counts.all - counts.hanging + counts.hanging.saturating_sub(hanging);
        let standing = self.standings.get(key);
        if standing == Some(&Standing::Silent) {
            return begun == 0 && counts.silent < silent && (brisk < places || own == 0);
        }
        if own == 0 {
            return true;
        }
        if brisk >= places || own >= tenant {
            return false;
        }
        match standing {
            // Some places are always left to those that answer.
            None => {
                begun < UNTRIED_CALLS_MAX
                    && counts.untried < untried
                    && counts.untried + counts.untried_hanging < hanging + untried
            }
            Some(_) => {
                let most = if is_alone { places } else { (places / 2).max(1) };
                let hangs = |(id, at): &(&TaskId, &Duration)| id.key == *key && self.hangs(now, **at);
                begun < most && self.under_way.iter().filter(hangs).count() < HANGING_CALLS_MAX
            }
        }
    }

    /// Whether all calls, under way and to come, are one object's.
    fn is_alone(&self) -> bool {
        let waiting = self.tenants.values().flat_map(|tenant| tenant.waiting.keys());
        let mut keys = waiting.chain(self.under_way.keys().map(|id| &id.key));
        let first = keys.next();
        keys.all(|key| Some(key) == first)
    }

    fn counts(&self, now: Duration) -> Counts {
        let mut counts = Counts::default();
        for (id, at) in &self.under_way {
            let hangs = self.hangs(now, *at);
            counts.all += 1;
            counts.hanging += usize::from(hangs);
            match self.standings.get(&id.key) {
                Some(Standing::Silent) => counts.silent += 1,
                Some(Standing::Answering) => {}
                None if hangs => counts.untried_hanging += 1,
                None => counts.untried += 1,
            }
        }
        counts
    }

    fn hangs(&self, now: Duration, begun: Duration) -> bool {
        now >= begun.saturating_add(self.limits.hangs_after)
    }

    /// When somebody may get a place although no call has ended: another one hangs by then.
    pub(super) fn next_change(&self) -> Option<Duration> {
        if self.tenants.is_empty() {
            return None;
        }
        let hangs_at = self.under_way.values().map(|at| at.saturating_add(self.limits.hangs_after));
        hangs_at.filter(|at| *at > self.now && *at < Duration::MAX).min()
    }

    /// A call has ended, or was never made.
    pub(super) fn done(&mut self, now: Duration, id: &TaskId, outcome: Outcome) {
        let Some(begun) = self.under_way.remove(id) else { return };
        match outcome {
            Outcome::Answered => drop(self.standings.insert(id.key.clone(), Standing::Answering)),
            Outcome::Failed if self.hangs(now, begun) => {
                self.standings.insert(id.key.clone(), Standing::Silent);
            }
            Outcome::Failed | Outcome::Unmade => {}
        }
    }

    /// Drops the tasks that wait, and hands them out; of one object, or of all.
    pub(super) fn drop_waiting(&mut self, of: Option<&Key>) -> Vec<TaskId> {
        match of {
            None => {
                let tenants = std::mem::take(&mut self.tenants);
                tenants.into_values().flat_map(|tenant| tenant.waiting.into_values().flatten()).collect()
            }
            Some(key) => {
                self.standings.remove(key);
                let namespace = &key.object().namespace;
                let Some(tenant) = self.tenants.get_mut(namespace) else { return Vec::new() };
                let dropped = tenant.waiting.remove(key).unwrap_or_default();
                if tenant.waiting.is_empty() {
                    self.tenants.remove(namespace);
                }
                dropped.into()
            }
        }
    }

    /// How many tasks wait.
    pub(super) fn waiting(&self) -> usize {
        self.tenants.values().flat_map(|tenant| tenant.waiting.values()).map(VecDeque::len).sum()
    }

    /// How many tasks are with workers.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// The same in a namespace.
    pub(super) fn under_way_in(&self, namespace: &str) -> usize {
        self.count(|key| key.object().namespace == namespace)
    }

    /// Whether this task is among those that wait.
    pub(super) fn is_waiting(&self, id: &TaskId) -> bool {
        let tenant = self.tenants.get(&id.key.object().namespace);
        tenant.and_then(|tenant| tenant.waiting.get(&id.key)).is_some_and(|tasks| tasks.contains(id))
    }
}

/// The entries of a map, from the one after `last` on and round to it.
fn round<'a, K: Ord, V>(
    map: &'a BTreeMap<K, V>,
    last: Option<&'a K>,
) -> impl Iterator<Item = (&'a K, &'a V)> {
    let begin = last.map_or(Unbounded, Excluded);
    let before = last.map(|last| map.range(..=last));
    map.range((begin, Unbounded)).chain(before.into_iter().flatten())
}

#[cfg(test)]
mod tests;
