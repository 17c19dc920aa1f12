//! The workers: threads that make one call at a time and report, a group for each class of calls.
//!
//! A group grows as there is more to do at once, up to `--workers`: an agent that only polls has a thread or two. Calls that
//! run the user's code have a thread of their own each, since they may wait for minutes. Invariant: after a signal a worker
//! finishes the call that it is in and makes none of those that wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::calls::{Caller, target_and_verb};
use super::clock::Clock;
use super::{StartError, spawn};
use crate::event::{Class, Report, Task};
use crate::metrics::CallDone;
use crate::queue;

/// What comes back from a worker: the report for the core, and what is counted of the call.
pub(super) struct Done {
    pub(super) report: Report,
    pub(super) call: CallDone,
}

/// See the module.
pub(super) struct Pool {
    caller: Arc<Caller>,
    clock: Clock,
    workers: usize,
    groups: BTreeMap<Class, Group>,
    done: Sender<Done>,
    stopping: Arc<AtomicBool>,
}

/// The workers of one class, and the calls that wait for them.
struct Group {
    jobs: Sender<Box<Task>>,
    waiting: Receiver<Box<Task>>,
    spawned: usize,
    /// Calls that wait or are being made.
    open: Arc<AtomicUsize>,
}

impl Pool {
    /// A pool of up to `workers` for each class. The reports come out of the channel, which holds as many as can ever be
    /// under way.
    pub(super) fn new(workers: usize, caller: Caller, clock: Clock) -> (Self, Receiver<Done>) {
        let most: usize = Class::ALL.into_iter().map(|class| queue::capacity(class, workers)).sum();
        let (done, reports) = bounded(most);
        let mut groups = BTreeMap::new();
        for class in Class::ALL {
            let (jobs, waiting) = bounded(queue::capacity(class, workers));
            groups.insert(class, Group { jobs, waiting, spawned: 0, open: Arc::default() });
        }
        let (caller, stopping) = (Arc::new(caller), Arc::new(AtomicBool::new(false)));
        (Self { caller, clock, workers, groups, done, stopping }, reports)
    }

    /// Has the call made. Never blocks: the core hands out no more than the channels hold.
    pub(super) fn hand(&mut self, task: Task) -> Result<(), StartError> {
        let class = task.id.action.class();
        let (caller, done, stopping) = (self.caller.clone(), self.done.clone(), self.stopping.clone());
        let group = self.groups.get_mut(&class).expect("every class has a group");
        let worker = Worker { caller, clock: self.clock, done, stopping, open: group.open.clone() };
        let open = group.open.fetch_add(1, Ordering::Relaxed) + 1;
        if class == Class::UserCode {
            return spawn("user-code", move || worker.work(task));
        }
        if open > group.spawned && group.spawned < self.workers {
            group.spawned += 1;
            let waiting = group.waiting.clone();
            spawn(&format!("{class:?}-{}", group.spawned), move || {
                waiting.iter().all(|task| worker.work(*task))
            })?;
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
    clock: Clock,
    done: Sender<Done>,
    stopping: Arc<AtomicBool>,
    open: Arc<AtomicUsize>,
}

impl Worker {
    /// Makes one call; false when there is nothing to do any more.
    fn work(&self, task: Task) -> bool {
        if self.stopping.load(Ordering::Relaxed) {
            return false;
        }
        let begin = self.clock.now().mono;
        let mut code = None;
        let reply = self.caller.call(&task.call, &mut code);
        let (target, verb) = target_and_verb(&task.call);
        let call = CallDone { target, verb, code, took: self.clock.now().mono.saturating_sub(begin) };
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.done.send(Done { report: Report { id: task.id, reply }, call }).is_ok()
    }
}
