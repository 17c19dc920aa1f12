//! The workers: threads that make one call at a time and report, a group for each class of calls.
//!
//! Calls that run the user's code have a thread of their own each, since they may wait for minutes. Invariant: after a
//! signal a worker finishes the call that it is in and makes none of those that wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::calls::Caller;
use super::{StartError, spawn};
use crate::event::{Class, Report, Task};
use crate::queue;

/// The classes whose calls are short, each with its own workers.
const POOLED: [Class; 4] = [Class::Kubernetes, Class::Cloud, Class::CloudNews, Class::Runner];

/// See the module.
pub(super) struct Pool {
    caller: Arc<Caller>,
    jobs: BTreeMap<Class, Sender<Task>>,
    done: Sender<Report>,
    stopping: Arc<AtomicBool>,
}

impl Pool {
    /// Starts the workers. Their reports come out of the channel, which holds as many as can ever be under way.
    pub(super) fn start(workers: usize, caller: Caller) -> Result<(Self, Receiver<Report>), StartError> {
        let most: usize = Class::ALL.into_iter().map(|class| queue::capacity(class, workers)).sum();
        let (done, reports) = bounded(most);
        let mut pool = Self {
            caller: Arc::new(caller),
            jobs: BTreeMap::new(),
            done,
            stopping: Arc::new(AtomicBool::new(false)),
        };
        for class in POOLED {
            let (send, receive) = bounded(queue::capacity(class, workers));
            pool.jobs.insert(class, send);
            for n in 1..=workers {
                let (worker, jobs) = (pool.worker(), receive.clone());
                spawn(&format!("{class:?}-{n}"), move || jobs.iter().all(|task| worker.work(task)))?;
            }
        }
        Ok((pool, reports))
    }

    /// Has the call made. Never blocks: the core hands out no more than the channels hold.
    pub(super) fn hand(&self, task: Task) -> Result<(), StartError> {
        match self.jobs.get(&task.id.action.class()) {
            Some(jobs) => {
                // The workers hold the other end for as long as the pool lives.
                let _ = jobs.send(task);
                Ok(())
            }
            None => {
                let worker = self.worker();
                spawn("user-code", move || worker.work(task))
            }
        }
    }

    /// From now on only the calls in hand are made.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn worker(&self) -> Worker {
        Worker { caller: self.caller.clone(), done: self.done.clone(), stopping: self.stopping.clone() }
    }
}

struct Worker {
    caller: Arc<Caller>,
    done: Sender<Report>,
    stopping: Arc<AtomicBool>,
}

impl Worker {
    /// Makes one call; false when there is nothing to do any more.
    fn work(&self, task: Task) -> bool {
        if self.stopping.load(Ordering::Relaxed) {
            return false;
        }
        let reply = self.caller.call(&task.call);
        self.done.send(Report { id: task.id, reply }).is_ok()
    }
}
