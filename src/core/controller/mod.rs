//! The core: takes what was seen and done, hands out what is to be done next.
//!
//! ```text
//!   absorb(now, Event)      turn(now) ──► for every key that is dirty or due:
//!     Seen ─► store              object + pods + memory ─► facts ─► table ─► actions ─► calls ─► queue
//!     Done ─► memory         ──► the tasks that the pool can take now
//! ```
//! Owns the store, the memories and the queue. Leaves alone everything that can block or fail: there is no socket, thread,
//! clock or environment in here, and none in what it calls.
//!
//! Invariant: decisions read the store and the memories, never an event; before every watch has delivered its first list
//! none is made, since what is missing would mean nothing.

mod aliens;
mod census;
mod intake;
mod leadership;
pub mod notices;
pub mod reach;
mod refusals;
mod rejected;
mod reports;
pub mod room;
mod runs;
#[cfg(test)]
mod tests;
mod tokens;
mod zones;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::event::{Action, Class, Event, Key, News, Now, ObjectKey, Seen, Task};
use crate::ignored::Ignored;
use crate::lease::Candidacy;
use crate::maps::map_of;
use crate::metrics::Tally;
use crate::queue::{Queue, Weighed};
use crate::rng::Rng;
use crate::store::Store;
use crate::testrun::state::RunState;
use crate::testrun::table::Block;
use crate::testrun::{self, template};
use crate::token::TokenState;
use crate::zone;
use crate::zone::state::ZoneState;
use aliens::Aliens;
use leadership::Leadership;
use notices::Notices;
use reach::{Reach, Sign, Target};
use refusals::Refusals;
use rejected::Rejected;

/// How often a turn looks at keys that it has itself marked, before it lets the shell breathe.
const PASSES_PER_TURN_MAX: usize = 4;

/// Within what time all that waits for a target is tried again once it answers: soon, and not in one moment for all agents
/// behind one line.
const RETURN_SPREAD: Duration = Duration::from_secs(3);

/// What the core is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespaces that are watched; one `None` for all.
    pub scopes: Vec<Option<String>>,
    /// The namespaces where a k6-operator may be: elsewhere its Lease does not count.
    pub operator_namespaces: BTreeSet<String>,
    /// How it takes part in the election of one active agent; none: it is the only one.
    pub candidacy: Option<Candidacy>,
    /// How many workers there are.
    pub workers: usize,
    /// How often GCk6 is polled per zone.
    pub poll_interval: Duration,
    /// How long runners may take to answer.
    pub start_deadline: Duration,
    /// What `TestRun`s are made with.
    pub template: template::Settings,
    /// For jitter.
    pub seed: u64,
}

/// A row of one of the two tables that was chosen, for those who count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// Of `testrun::table`.
    Run(Block, testrun::table::Fact),
    /// Of `zone::table`.
    Zone(zone::table::Block, zone::table::Fact),
}

/// See the module.
#[derive(Debug)]
pub struct Core {
    settings: Settings,
    leadership: Leadership,
    store: Store,
    queue: Queue,
    // Boxed: a node of a map has room for eleven values, mostly unused, and maps of boxes share their code.
    zones: BTreeMap<ObjectKey, Box<ZoneState>>,
    runs: BTreeMap<ObjectKey, Box<RunState>>,
    /// Test runs of a zone, by its uid, that wait until others of that zone are proven.
    candidates: BTreeMap<String, BTreeSet<ObjectKey>>,
    aliens: Aliens,
    tokens: BTreeMap<ObjectKey, Box<TokenState>>,
    reach: BTreeMap<Target, Reach>,
    refusals: Refusals,
    leaving: room::Leaving,
    rng: Rng,
    synced: bool,
    rows: BTreeMap<Row, u64>,
    tally: Tally,
    notices: Notices,
    rejected: Rejected,
    wants_list: BTreeSet<(&'static str, Option<String>)>,
}

impl Core {
    /// A core that knows nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let mut rng = Rng::new(settings.seed);
        let queue = Queue::new(settings.workers, Rng::new(rng.next_u64()));
        Self {
            leadership: Leadership::new(
                settings.candidacy.clone(),
                &settings.scopes,
                &settings.operator_namespaces,
            ),
            settings,
            store: Store::default(),
            queue,
            zones: BTreeMap::new(),
            runs: BTreeMap::new(),
            candidates: BTreeMap::new(),
            aliens: Aliens::default(),
            tokens: BTreeMap::new(),
            refusals: Refusals::default(),
            reach: map_of(Target::ALL.map(|target| (target, Reach::default()))),
            leaving: room::Leaving::default(),
            rng,
            synced: false,
            rows: BTreeMap::new(),
            tally: Tally::default(),
            notices: Notices::default(),
            rejected: Rejected::default(),
            wants_list: BTreeSet::new(),
        }
    }

    /// Takes what was seen or done.
    pub fn absorb(&mut self, now: Now, event: Event) {
        match event {
            Event::Seen { scope, what } => {
                let plural = what.plural();
                match what.news() {
                    News::Recovered => {
                        self.queue.forgive_class(Class::Kubernetes);
                        self.heed(now, Target::Kubernetes, Sign::Answer);
                    }
                    News::Failing(error) => {
                        if let Some(sign) = Sign::of_watch(error) {
                            self.heed(now, Target::Kubernetes, sign);
                        }
                    }
                    News::Malformed { key, uid, error } => {
                        self.ignored(now, plural, Ignored::of(error), (key, uid), &error.to_string());
                    }
                    News::Listed | News::Overlong(_) | News::Object => {}
                }
                let what = match *what {
                    Seen::Operator(event) => return self.leadership_seen(now, scope.as_deref(), event),
                    what => what,
                };
                let changes = self.store.absorb(scope.as_deref(), what);
                for (key, run) in changes.runs_gone {
                    self.run_gone(now, &key, run);
                }
                if let Some((key, uid)) = changes.no_room {
                    self.ignored(now, plural, Ignored::NoRoom, (&key, &uid), "");
                    self.wants_list.insert((plural, scope));
                }
                // Who is not at work looks at everything when it begins.
                let dirty = if self.leadership.is_at_work() { changes.dirty } else { Vec::new() };
                for key in dirty {
                    self.mark(key);
                }
            }
            Event::Done(report) => {
                if let Some(report) = self.leadership_report(now, report) {
                    self.report(now, report);
                }
            }
            Event::Unsent(id) => self.unsent(now, &id),
        }
    }

    /// Decides for every key that is dirty or due, and hands out what the pool can take.
    #[must_use]
    pub fn turn(&mut self, now: Now) -> Vec<Task> {
        if !self.synced {
            self.synced = self.store.synced(&self.settings.scopes);
            if self.synced {
                self.leadership.operators.synced(now.mono);
                log::info!("all watches have delivered their first list");
            }
        }
        for line in self.notices.due(now.mono) {
            log::warn!("{line}");
        }
        let mut tasks = self.attend(now);
        if !self.role().is_active() {
            return tasks;
        }
        self.tell_rejected(now);
        for _ in 0..PASSES_PER_TURN_MAX {
            let due = self.queue.take_due(now.mono);
            if due.is_empty() {
                break;
            }
            for key in due {
                match &key {
                    Key::Token(secret) => self.token_turn(now, secret),
                    Key::Zone(zone) => self.zone_turn(now, zone),
                    Key::Run(run) => self.run_turn(now, run),
                    Key::Lease(_) | Key::Operator(_) => {}
                }
            }
        }
        self.hand_out(now, &mut tasks);
        tasks
    }

    /// Builds the calls that workers can take now. What cannot be built any more is decided on anew.
    fn hand_out(&mut self, now: Now, tasks: &mut Vec<Task>) {
        while let Some((id, patience)) = self.queue.next_task(now.mono) {
            let object = id.key.object();
            let call = match id.action {
                _ if self.rejected.is_about(&id) => self.rejected.call(&id, now.wall),
                Action::Token(action) => Some(Self::token_call(object, action)),
                Action::Zone(action) => self.zone_call(now, object, action),
                Action::Run(action) => self.run_call(now, object, action),
                Action::Lease(_) | Action::FindOperator => None,
            };
            match call {
                Some(call) if self.queue.weigh(&id, call.body_bytes()) == Weighed::Fits => {
                    let timeout = id.action.timeout(patience);
                    tasks.push(Task { id, call, timeout });
                }
                Some(_) => {}
                None => self.unsent(now, &id),
            }
        }
    }

    /// When to call [`turn`](Self::turn) again although nothing happens.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let work = if self.role().is_active() { self.queue.next_deadline() } else { None };
        [work, self.leadership_deadline(), self.notices.next_deadline()].into_iter().flatten().min()
    }

    /// The watches, by their resource and scope, that are to list everything anew when they can: what was not taken in for lack
    /// of room may be by then. Each is told once.
    pub fn take_wants_list(&mut self) -> BTreeSet<(&'static str, Option<String>)> {
        std::mem::take(&mut self.wants_list)
    }

    /// An object is not taken in.
    fn ignored(
        &mut self,
        now: Now,
        plural: &'static str,
        cause: Ignored,
        (key, uid): (&ObjectKey, &str),
        detail: &str,
    ) {
        self.tally.ignored(plural, cause);
        self.rejected.note(now.mono, plural, cause, (key, uid), detail);
        if let Some(line) = self.notices.heed(now.mono, plural, cause, key, detail) {
            log::warn!("{line}");
        }
    }

    /// Whether every watch has delivered its first list, as of the last turn.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.synced
    }

    /// How many zones there are.
    #[must_use]
    pub fn zones(&self) -> usize {
        self.store.zones.iter().count()
    }

    /// How many test runs there are that are not over.
    #[must_use]
    pub fn runs_under_way(&self) -> usize {
        self.runs.values().filter(|state| state.block != Block::Done).count()
    }

    /// How often each row of the tables was chosen.
    #[must_use]
    pub fn rows_chosen(&self) -> &BTreeMap<Row, u64> {
        &self.rows
    }

    /// Marks a key, and what depends on it: a zone's runs look at the zone, its namesakes at its name, a zone at its runs.
    fn mark(&mut self, key: Key) {
        match &key {
            Key::Zone(zone) => {
                let runs: Vec<ObjectKey> = self.runs_in(&zone.namespace);
                let namesakes = self.namesakes(zone);
                runs.into_iter().for_each(|run| self.queue.mark(Key::Run(run)));
                namesakes.into_iter().for_each(|zone| self.queue.mark(Key::Zone(zone)));
            }
            Key::Run(run) => {
                let leaving = self.zones.iter().filter(|(_, zone)| zone.leaving_since.is_some());
                let leaving: Vec<ObjectKey> = leaving
                    .filter(|(zone, _)| zone.namespace == run.namespace)
                    .map(|(zone, _)| zone.clone())
                    .collect();
                leaving.into_iter().for_each(|zone| self.queue.mark(Key::Zone(zone)));
            }
            Key::Token(_) | Key::Lease(_) | Key::Operator(_) => {}
        }
        self.queue.mark(key);
    }

    /// Drops what is known of the calls for a key that is gone.
    fn forget(&mut self, key: &Key) {
        self.queue.forget(key);
        self.refusals.forget(key);
    }

    fn runs_in(&self, namespace: &str) -> Vec<ObjectKey> {
        self.runs.keys().filter(|run| run.namespace == namespace).cloned().collect()
    }
}
