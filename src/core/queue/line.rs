//! The line for the workers of one class of calls: who waits, who is with a worker, and whose turn is next.
//!
//! The next turn is that of whoever has the fewest calls under way: first among the namespaces, then among the objects of one.
//! Among equals turns go round, so a tenant's tenth run takes nothing from another tenant's first. That alone does not help
//! where calls hang, since a worker that waits serves nobody. Hence a call that hangs gives its place to another one; an object
//! that did not answer has one call under way and no more, goes to the back of its namespace, and all of its kind together have
//! few places; and an object of which nothing is known yet is given little time where others wait, the latest first.
//!
//! ```text
//!             an answer                  no answer for long
//!   untried ─────────────► answering ───────────────────────► silent
//!      │                       ▲────────── an answer ──────────┘ ▲
//!      └──────────────── no answer for long ─────────────────────┘
//! ```
//! Owns the order and the places. Leaves alone when something may be tried again (`queue`), and what a call is about.
//!
//! Invariants: no more calls are under way than [`Limits::most`]; as long as there are fewer, a namespace that has none under
//! way waits for nobody, unless it is silent.
//!
//! What that comes to for runners, with four workers: a run in a namespace of its own begins at once. Among `n` runs of one
//! namespace that have never been asked and do not answer it begins within n/80 s if all come at once, and within 0.2 s if it
//! comes after them; those are asked once in that way, and hold up nobody from then on.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;

use super::limits::Limits;
use crate::event::{Key, Patience, TaskId};

/// How many calls an object may have under way of which none has been answered yet.
const UNTRIED_CALLS_MAX: usize = 2;
/// How many calls that hang an object may have under way, and begin another one.
const HANGING_CALLS_MAX: usize = 4;

/// What came of a call, as far as it says how the other side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// What was asked for.
    Answered,
    /// An error.
    Failed,
    /// The call was not made.
    Unmade,
}

/// How an object has answered so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing is known. The number says how many objects came before it.
    Untried(u64),
    Answering,
    /// It has not answered that many times in a row.
    Silent(u32),
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
    /// How many objects have come.
    came: u64,
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

/// How many calls each object has under way.
type Begun<'a> = BTreeMap<&'a Key, usize>;

impl Line {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            tenants: BTreeMap::new(),
            last: None,
            under_way: BTreeMap::new(),
            standings: BTreeMap::new(),
            came: 0,
            now: Duration::ZERO,
        }
    }

    /// Puts a task at the end of its object's.
    pub(super) fn push(&mut self, id: TaskId) {
        let came = &mut self.came;
        self.standings.entry(id.key.clone()).or_insert_with(|| {
            *came += 1;
            Standing::Untried(*came)
        });
        self.waiting_of(&id.key).push_back(id);
    }

    /// Puts a task back that [`next`](Self::next) has handed out and that cannot be begun yet: it stays the first of its object's.
    pub(super) fn put_back(&mut self, id: TaskId) {
        self.under_way.remove(&id);
        self.waiting_of(&id.key).push_front(id);
    }

    fn waiting_of(&mut self, key: &Key) -> &mut VecDeque<TaskId> {
        let tenant = self.tenants.entry(key.object().namespace.clone()).or_default();
        tenant.waiting.entry(key.clone()).or_default()
    }

    /// Turns are given as of now.
    pub(super) fn look(&mut self, now: Duration) {
        self.now = now;
    }

    /// The next task to be begun now, if there is one that has a place and `may` be begun.
    pub(super) fn next(&mut self, may: impl Fn(&TaskId) -> bool) -> Option<(TaskId, Patience)> {
        if self.tenants.is_empty() || self.under_way.len() >= self.limits.most() {
            return None;
        }
        let patience = if self.is_alone() { Patience::Usual } else { Patience::Brief };
        let (namespace, key) = self.whose_turn(&may)?;
        let tenant = self.tenants.get_mut(&namespace)?;
        let tasks = tenant.waiting.get_mut(&key)?;
        let id = tasks.iter().position(may).and_then(|at| tasks.remove(at))?;
        if tasks.is_empty() {
            tenant.waiting.remove(&key);
        }
        if tenant.waiting.is_empty() {
            self.tenants.remove(&namespace);
        } else {
            tenant.last = Some(key);
        }
        self.last = Some(namespace);
        self.under_way.insert(id.clone(), self.now);
        let is_untried = matches!(self.standings.get(&id.key), None | Some(Standing::Untried(_)));
        Some((id, if is_untried { patience } else { Patience::Usual }))
    }

    fn whose_turn(&self, may: &impl Fn(&TaskId) -> bool) -> Option<(String, Key)> {
        let (counts, is_alone) = (self.counts(), self.is_alone());
        let mut begun = Begun::new();
        let mut own: BTreeMap<&str, usize> = BTreeMap::new();
        for TaskId { key, .. } in self.under_way.keys() {
            *begun.entry(key).or_default() += 1;
            *own.entry(&key.object().namespace).or_default() += 1;
        }
        let mut tenants: Vec<(usize, &String, &Tenant)> = round(&self.tenants, self.last.as_ref())
            .map(|(namespace, tenant)| {
                (own.get(namespace.as_str()).copied().unwrap_or_default(), namespace, tenant)
            })
            .collect();
        // Stable: among equals the round decides.
        tenants.sort_by_key(|(own, ..)| *own);
        tenants.into_iter().find_map(|(own, namespace, tenant)| {
            let objects = round(&tenant.waiting, tenant.last.as_ref())
                .filter(|(_, tasks)| tasks.iter().any(may))
                .map(|(key, _)| (begun.get(key).copied().unwrap_or_default(), key))
                .filter(|(begun, key)| self.has_place(counts, (own, *begun), key, is_alone));
            let (_, key) = objects.min_by_key(|(begun, key)| self.rank(*begun, key))?;
            Some((namespace.clone(), key.clone()))
        })
    }

    /// The order of the objects of a namespace, the first first: who is silent comes last, and the later the longer he is;
    /// then who has the fewest calls under way; then who answers, in turn; then the untried, the latest first. A newcomer need
    /// not wait until all who came before him have been found silent. Where nothing counts as hanging, turns simply go round.
    fn rank(&self, begun: usize, key: &Key) -> (u32, usize, Option<Reverse<u64>>) {
        match self.standings.get(key) {
            Some(Standing::Silent(times)) => (*times, begun, None),
            Some(Standing::Untried(came)) if self.limits.hangs_after < Duration::MAX => {
                (0, begun, Some(Reverse(*came)))
            }
            Some(Standing::Untried(_) | Standing::Answering) | None => (0, begun, None),
        }
    }

    /// Whether an object that has `begun` calls under way, and its namespace `own`, may begin another one.
    fn has_place(&self, counts: Counts, (own, begun): (usize, usize), key: &Key, is_alone: bool) -> bool {
        let Limits { places, hanging, silent, untried, tenant, .. } = self.limits;
        let brisk = counts.all - counts.hanging + counts.hanging.saturating_sub(hanging);
        let standing = self.standings.get(key);
        if let Some(Standing::Silent(_)) = standing {
            return begun == 0 && counts.silent < silent && (brisk < places || own == 0);
        }
        if own == 0 {
            return true;
        }
        if brisk >= places || own >= tenant {
            return false;
        }
        match standing {
            Some(Standing::Answering) => {
                let most = if is_alone { places } else { (places / 2).max(1) };
                let hangs = |(id, at): &(&TaskId, &Duration)| id.key == *key && self.hangs(**at);
                begun < most && self.under_way.iter().filter(hangs).count() < HANGING_CALLS_MAX
            }
            // Some places are always left to those that answer.
            _ => {
                begun < UNTRIED_CALLS_MAX
                    && counts.untried < untried
                    && counts.untried + counts.untried_hanging < hanging + untried
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

    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (id, at) in &self.under_way {
            let hangs = self.hangs(*at);
            counts.all += 1;
            counts.hanging += usize::from(hangs);
            match self.standings.get(&id.key) {
                Some(Standing::Silent(_)) => counts.silent += 1,
                Some(Standing::Answering) => {}
                _ if hangs => counts.untried_hanging += 1,
                _ => counts.untried += 1,
            }
        }
        counts
    }

    fn hangs(&self, begun: Duration) -> bool {
        self.now >= begun.saturating_add(self.limits.hangs_after)
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
    pub(super) fn done(&mut self, now: Duration, id: &TaskId, outcome: Completion) {
        let Some(begun) = self.under_way.remove(id) else { return };
        // Of an object that was forgotten meanwhile nothing is kept.
        let Some(known) = self.standings.get_mut(&id.key) else { return };
        match outcome {
            Completion::Answered => *known = Standing::Answering,
            Completion::Failed if now >= begun.saturating_add(self.limits.silent_after) => {
                let times = if let Standing::Silent(times) = known { *times } else { 0 };
                *known = Standing::Silent(times.saturating_add(1));
            }
            Completion::Failed | Completion::Unmade => {}
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
        self.under_way.keys().filter(|id| id.key.object().namespace == namespace).count()
    }

    /// Whether tasks of an object wait.
    pub(super) fn has_waiting(&self, key: &Key) -> bool {
        let tenant = self.tenants.get(&key.object().namespace);
        tenant.is_some_and(|tenant| tenant.waiting.contains_key(key))
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
