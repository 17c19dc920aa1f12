//! Side by side, and never longer than until the deadline.
//!
//! Owns the threads of a check. Invariant: it returns by the deadline, whatever the work waits for; a thread that is left
//! behind ends with the process.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crossbeam_channel::{bounded, unbounded};

use super::finding::{Check, Finding};

/// Calls that are made at the same time.
const THREADS_MAX: usize = 8;
/// The work recurses little; untouched stack costs nothing.
const STACK_BYTES: usize = 512 * 1024;

/// One piece of work, and which check has failed if it does not come to its end.
pub(super) struct Task {
    check: Check,
    subject: String,
    work: Box<dyn FnOnce() -> Vec<Finding> + Send>,
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
            "there was no answer in time".to_owned()
        } else {
            format!("{}: there was no answer in time", task.subject)
        };
        vec![
            Finding::failed(task.check, &message, "see whether the network drops packets, and try again")
                .about(&task.subject),
        ]
    };
    let mut found: Vec<Vec<Finding>> = tasks.iter().map(late).collect();
    let (work_in, work) = unbounded();
    let count = tasks.len();
    for (at, task) in tasks.into_iter().enumerate() {
        // The receiver is right below.
        let _ = work_in.send((at, task.work));
    }
    drop(work_in);
    let (done_in, done) = bounded(count);
    let work = Arc::new(work);
    for _ in 0..THREADS_MAX.min(count) {
        let (work, done_in) = (work.clone(), done_in.clone());
        let body = move || {
            while let Ok((at, work)) = work.recv() {
                if done_in.send((at, work())).is_err() {
                    return;
                }
            }
        };
        // Fewer threads than wanted do the same work; with none it shows as late.
        let _ = thread::Builder::new().name("check".to_owned()).stack_size(STACK_BYTES).spawn(body);
    }
    drop(done_in);
    while let Ok((at, findings)) = done.recv_deadline(deadline) {
        found[at] = findings;
    }
    found.into_iter().flatten().collect()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "what hangs is waited for until a deadline")]
mod tests {
    use std::time::Duration;

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
        assert_eq!(found[1].message, "host: there was no answer in time");
    }
}
