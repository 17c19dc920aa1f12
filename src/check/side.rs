//! Side by side, and never longer than until the deadline.
//!
//! Owns the threads of a check. Invariant: it returns by the deadline, whatever the work waits for; a thread that is left
//! behind ends with the process.

#![expect(clippy::disallowed_methods, reason = "waiting has a deadline")]

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::finding::{Check, Finding};
use crate::threads;

/// Calls that are made at the same time.
const THREADS_MAX: usize = 8;

/// One piece of work, and which check has failed if it does not come to its end.
pub(super) struct Task {
    check: Check,
    subject: String,
    work: Work,
}

impl Task {
    pub(super) fn new(
        check: Check,
        subject: &str,
        work: impl FnOnce() -> Vec<Finding> + Send + 'static,
    ) -> Task {
        Task { check, subject: subject.to_owned(), work: Box::new(work) }
    }
}

/// Does all the work and brings its findings, in the order of the tasks.
pub(super) fn side_by_side(tasks: Vec<Task>, deadline: Instant) -> Vec<Finding> {
    let late = |task: &Task| {
        let message = if task.subject.is_empty() {
            "no answer in time".to_owned()
        } else {
            format!("{}: no answer in time", task.subject)
        };
        vec![
            Finding::failed(task.check, &message, "check whether the network drops packets, and try again")
                .about(&task.subject),
        ]
    };
    let mut found: Vec<Vec<Finding>> = tasks.iter().map(late).collect();
    let left = tasks.len();
    let bench = Arc::new(Bench::default());
    {
        let mut state = bench.lock();
        state.left = left;
        state.waiting = tasks.into_iter().enumerate().map(|(at, task)| (at, task.work)).collect();
        // They are taken from the end.
        state.waiting.reverse();
    }
    for _ in 0..THREADS_MAX.min(left) {
        let bench = bench.clone();
        // Fewer threads than wanted do the same work; with none it shows as late.
        let _ = threads::spawn("check", threads::STACK_BYTES, Box::new(move || bench.work()));
    }
    let mut state = bench.lock();
    while state.left > 0 {
        let time = deadline.saturating_duration_since(Instant::now());
        if time.is_zero() {
            break;
        }
        state = bench.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0;
    }
    for (at, findings) in state.done.drain(..) {
        found[at] = findings;
    }
    found.into_iter().flatten().collect()
}

type Work = Box<dyn FnOnce() -> Vec<Finding> + Send>;

/// Where the work lies, and what has come of it.
#[derive(Default)]
struct Bench {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<(usize, Work)>,
    done: Vec<(usize, Vec<Finding>)>,
    left: usize,
}

impl Bench {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        loop {
            let Some((at, work)) = self.lock().waiting.pop() else { return };
            let findings = work();
            let mut state = self.lock();
            state.done.push((at, findings));
            state.left -= 1;
            self.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crossbeam_channel::bounded;

    use super::*;

    #[test]
    fn order_is_kept_and_what_hangs_is_late() {
        let (hold, held) = bounded::<()>(0);
        let mut tasks: Vec<Task> = (0..20)
            .map(|number: u32| {
                Task::new(Check::Namespace, "n", move || {
                    vec![Finding::ok(Check::Namespace, &number.to_string())]
                })
            })
            .collect();
        tasks.insert(
            1,
            Task::new(Check::CloudApi, "host", move || {
                let _ = held.recv();
                Vec::new()
            }),
        );
        let found = side_by_side(tasks, Instant::now() + Duration::from_secs(1));
        drop(hold);
        assert_eq!(found.len(), 21);
        assert_eq!((found[0].message.as_str(), found[20].message.as_str()), ("0", "19"));
        assert_eq!(found[1].message, "host: no answer in time");
    }
}
