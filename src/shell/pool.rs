//! The workers: threads that make one call at a time and report, a group for each class of calls.
//!
//! A group grows as there is more to do at once, so that each call that the core hands out has a thread, be it that all others
//! hang; and it shrinks again when its threads find nothing to do: an agent that only polls has a thread or two, whatever it had
//! to do an hour ago. Those that a burst has called for go within seconds, and with the last one that calls runners the
//! connections to them. Calls that run the user's code have a thread of their own each, since they may wait for minutes.
//! Invariants: after a signal a worker finishes the call that it is in and makes none of those that wait; a call that waits
//! has a worker that will look for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::calls::{Caller, Held, target_and_verb};
use super::clock::Clock;
use super::{StartError, spawn};
use crate::metrics::CallDone;
use plz_core::event::{Class, Reply, Task, TaskId};
use plz_core::queue;

/// How long a worker waits for the next call before its thread ends; longer than a zone's polls are apart as users have
/// them, so that these keep one.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(20);
/// The same for workers beyond `--workers`: calls come to them in turn, so that few calls would keep many of them.
const BURST_IDLE_MAX: Duration = Duration::from_secs(2);

/// What comes back from a worker.
pub(super) struct Done {
    pub(super) id: TaskId,
    /// The answer, and what is counted of the call; none if it was not made.
    pub(super) made: Option<(Reply, CallDone)>,
    /// The room that the answer takes.
    pub(super) held: Held,
}

/// See the module.
pub(super) struct Pool {
    caller: Arc<Caller>,
    workers: usize,
    idle_max: Duration,
    groups: BTreeMap<Class, Group>,
    done: Sender<Done>,
    stopping: Arc<AtomicBool>,
    license: License,
}

/// Until when calls may be begun, on the clock of the process. A call that has waited for a worker, or a loop that hangs, does
/// not outlast the lead that it was handed out under.
#[derive(Clone)]
struct License {
    clock: Clock,
    until_ms: Arc<AtomicU64>,
}

impl License {
    fn permits(&self, class: Class) -> bool {
        let is_free = matches!(class, Class::Lease | Class::Operator);
        is_free || self.clock.now().mono < Duration::from_millis(self.until_ms.load(Ordering::Relaxed))
    }
}

/// The workers of one class, and the calls that wait for them.
struct Group {
    class: Class,
    /// How many there are at the most.
    most: usize,
    jobs: Sender<Box<Task>>,
    waiting: Receiver<Box<Task>>,
    spawned: Spawned,
    /// Calls that wait or are being made.
    open: Arc<AtomicUsize>,
}

/// How many workers of a group there are. Who holds the lock may hand over a call, or leave because none waits; hence
/// nobody leaves a call behind.
#[derive(Clone, Default)]
struct Spawned(Arc<Mutex<usize>>);

impl Spawned {
    fn lock(&self) -> MutexGuard<'_, usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// A pool for as many calls of each class as the core hands out with `workers`, whose threads end after `idle_max` without
    /// a call. The reports come out of the channel, which holds as many as can ever be under way.
    pub(super) fn new(
        workers: usize,
        idle_max: Duration,
        caller: Caller,
        clock: Clock,
    ) -> (Self, Receiver<Done>) {
        let most: usize = Class::ALL.into_iter().map(|class| queue::capacity(class, workers)).sum();
        let (done, reports) = bounded(most);
        let mut groups = BTreeMap::new();
        for class in Class::ALL {
            let most = queue::capacity(class, workers);
            let (jobs, waiting) = bounded(most);
            let (spawned, open) = (Spawned::default(), Arc::default());
            groups.insert(class, Group { class, most, jobs, waiting, spawned, open });
        }
        let (caller, stopping) = (Arc::new(caller), Arc::new(AtomicBool::new(false)));
        let license = License { clock, until_ms: Arc::default() };
        (Self { caller, workers, idle_max, groups, done, stopping, license }, reports)
    }

    /// What makes the calls.
    pub(super) fn caller(&self) -> Arc<Caller> {
        self.caller.clone()
    }

    /// Calls, those for Leases excepted, may be begun before this time and not after.
    pub(super) fn allow_until(&self, end: Duration) {
        let end = u64::try_from(end.as_millis()).unwrap_or(u64::MAX);
        self.license.until_ms.store(end, Ordering::Relaxed);
    }

    /// Has the call made. Never blocks: the core hands out no more than the channels hold.
    pub(super) fn hand(&mut self, task: Task) -> Result<(), StartError> {
        let class = task.id.action.class();
        let (caller, done, stopping) = (self.caller.clone(), self.done.clone(), self.stopping.clone());
        let group = self.groups.get_mut(&class).expect("every class has a group");
        let license = self.license.clone();
        let idle = Idle { class: group.class, usual: self.workers, max: self.idle_max };
        let worker = Worker { caller, done, stopping, license, open: group.open.clone(), idle };
        let open = group.open.fetch_add(1, Ordering::Relaxed) + 1;
        if class == Class::UserCode {
            let work = move || {
                worker.work(task);
            };
            return spawn("user-code", Box::new(work));
        }
        let mut spawned = group.spawned.lock();
        if open > *spawned && *spawned < group.most {
            let (waiting, count) = (group.waiting.clone(), group.spawned.clone());
            let serve = move || worker.serve(&waiting, &count);
            match spawn(&format!("{class:?}"), Box::new(serve)) {
                Ok(()) => *spawned += 1,
                Err(error) if *spawned == 0 => return Err(error),
                // Where the system has no thread to spare, fewer workers do the same work.
                Err(error) => log::debug!("{error}; carrying on with {spawned} workers"),
            }
        }
        // The pool holds the other end as well, so the channel is open.
        let _ = group.jobs.send(Box::new(task));
        Ok(())
    }

    /// From now on only the calls in hand are made.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }
}

struct Worker {
    caller: Arc<Caller>,
    done: Sender<Done>,
    stopping: Arc<AtomicBool>,
    license: License,
    open: Arc<AtomicUsize>,
    idle: Idle,
}

/// When a worker that finds nothing to do ends.
struct Idle {
    class: Class,
    /// How many of its class there are without a burst.
    usual: usize,
    max: Duration,
}

impl Worker {
    /// Makes calls as long as there are some.
    fn serve(&self, waiting: &Receiver<Box<Task>>, spawned: &Spawned) {
        loop {
            let is_usual = *spawned.lock() <= self.idle.usual;
            let idle_max = if is_usual { self.idle.max } else { self.idle.max.min(BURST_IDLE_MAX) };
            match waiting.recv_timeout(idle_max) {
                Ok(task) => {
                    if !self.work(*task) {
                        return;
                    }
                }
                Err(_) => {
                    let mut spawned = spawned.lock();
                    if waiting.is_empty() {
                        *spawned -= 1;
                        if *spawned == 0 && self.idle.class == Class::Runner {
                            self.caller.rest_runners();
                        }
                        return;
                    }
                }
            }
        }
    }

    /// Makes one call, or reports that it was not made; false when nobody listens any more.
    fn work(&self, task: Task) -> bool {
        let mut held = Held::default();
        let made = self.make(&task, &mut held);
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.done.send(Done { id: task.id, made, held }).is_ok()
    }

    fn make(&self, task: &Task, held: &mut Held) -> Option<(Reply, CallDone)> {
        if self.stopping.load(Ordering::Relaxed) || !self.license.permits(task.id.action.class()) {
            return None;
        }
        let now = || self.license.clock.now().mono;
        let begin = now();
        let mut code = None;
        let reply;
        (reply, *held) = self.caller.call(&task.call, task.timeout, &mut code);
        let (target, verb) = target_and_verb(&task.call);
        Some((reply, CallDone { target, verb, code, took: now().saturating_sub(begin) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::HttpClient;
    use crate::net::ProxySettings;
    use crate::shell::calls::Rooms;
    use plz_core::event::{Action, Call, Key, ObjectKey};
    use plz_core::{lease, testrun};

    /// For anything to happen.
    const TIMEOUT: Duration = Duration::from_secs(20);

    /// A pool that reaches nobody.
    fn pool() -> (Pool, Receiver<Done>) {
        let nobody = k8s::Config::plain("http://127.0.0.1:1").unwrap();
        let caller = Caller {
            kubernetes: k8s::Client::new(nobody),
            cloud: HttpClient::cloud(&ProxySettings::default(), None),
            cloud_api: String::new(),
            cloud_ingest: String::new(),
            runners: None,
            rooms: Rooms::default(),
        };
        Pool::new(2, Duration::ZERO, caller, Clock::start())
    }

    fn task(n: u32, action: Action) -> Task {
        let key = Key::Run(ObjectKey::new("ns".to_owned(), format!("run-{n}")));
        let call = Call::Kubernetes(k8s::PODS.get(Some("ns"), "p"));
        Task { id: TaskId { key, action }, call, timeout: None }
    }

    #[test]
    fn a_worker_that_leaves_leaves_no_call_behind() {
        let (mut pool, done) = pool();
        pool.allow_until(Duration::MAX);
        for n in 0..500 {
            let task = task(n, Action::Run(testrun::Action::CreateJob(1)));
            let id = task.id.clone();
            pool.hand(task).unwrap();
            let done = done.recv_timeout(TIMEOUT).unwrap();
            assert_eq!((done.id, done.made.is_some()), (id, true));
        }
    }

    #[test]
    fn a_call_without_a_license_is_not_made_and_comes_back() {
        let (mut pool, done) = pool();
        for action in [
            Action::Run(testrun::Action::CreateJob(1)),
            Action::Run(testrun::Action::RunTeardown(1)),
            Action::Lease(lease::Action::Write),
        ] {
            let task = task(1, action);
            pool.hand(task).unwrap();
            let done = done.recv_timeout(TIMEOUT).unwrap();
            assert_eq!(
                (done.id.action, done.made.is_some()),
                (action, action == Action::Lease(lease::Action::Write))
            );
        }
    }

    #[test]
    fn a_license_that_has_run_out_is_for_leases_alone() {
        let license = License { clock: Clock::start(), until_ms: Arc::default() };
        let permitted = || Class::ALL.into_iter().filter(|class| license.permits(*class)).collect::<Vec<_>>();
        assert_eq!(permitted(), [Class::Lease, Class::Operator]);
        license.until_ms.store(u64::MAX, Ordering::Relaxed);
        assert_eq!(permitted(), Class::ALL);
    }
}
