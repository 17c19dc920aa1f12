//! The worker pool: threads that make one call at a time and report.
//!
//! Invariant: after a signal a worker finishes the call that it is in and makes none of those that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender};

use super::calls::Caller;
use super::{StartError, spawn};
use crate::event::{Report, Task};

/// Starts the workers. They end when the other side of `jobs` is dropped.
pub(super) fn start(
    workers: usize,
    caller: &Arc<Caller>,
    jobs: &Receiver<Task>,
    done: &Sender<Report>,
    stopping: &Arc<AtomicBool>,
) -> Result<(), StartError> {
    for n in 1..=workers {
        let (caller, jobs, done, stopping) = (caller.clone(), jobs.clone(), done.clone(), stopping.clone());
        spawn(&format!("worker-{n}"), move || {
            for task in jobs {
                if stopping.load(Ordering::Relaxed) {
                    return;
                }
                let reply = caller.call(&task.call);
                if done.send(Report { id: task.id, reply }).is_err() {
                    return;
                }
            }
        })?;
    }
    Ok(())
}
