//! What the API server says of the run's objects: its Secret, its Jobs, itself.

use std::time::Duration;

use super::recorded;
use crate::outcome::{Outcome, controlled_by, is_deleting, shows_object, text};
use crate::testrun::action::StatusWrite;
use crate::testrun::pod_refusal;
use crate::testrun::state::{Job, Keeping, RunState};
use crate::testrun::table::Block;

type Reply = Result<Vec<u8>, k8s::Error>;

pub(super) fn credentials_created(state: &mut RunState, reply: Reply) -> Outcome {
    state.keeping = match reply {
        Ok(_) => Keeping::Kept,
        Err(error) if error.is_already_exists() => Keeping::Unknown,
        Err(error) if error.retry() == k8s::Retry::Never => Keeping::Refused(text(&error)),
        Err(error) => return again(&error),
    };
    Outcome::Done
}

pub(super) fn credentials_read(state: &mut RunState, reply: Reply) -> Outcome {
    state.keeping = match reply {
        Ok(body) if !shows_object(&body) => return Outcome::unseen(),
        Ok(body) if controlled_by(&body, &state.uid).is_some() => Keeping::Kept,
        Ok(_) => {
            state.keeping = Keeping::Foreign;
            let why = "a Secret of that name belongs to something else".to_owned();
            return Outcome::Again { after: None, why };
        }
        Err(error) if error.is_not_found() => state.spare.take().map_or(Keeping::Lost, Keeping::InHand),
        Err(error) => return again(&error),
    };
    Outcome::Done
}

pub(super) fn job_created(state: &mut RunState, n: u32, reply: Reply) -> Outcome {
    let owner = state.uid.clone();
    job(state, n, |job| match reply {
        Ok(body) => learnt(job, controlled_by(&body, &owner).map_or(Job::Unclear, Job::Ours)),
        Err(error) if error.is_already_exists() && *job == Job::Foreign => again(&error),
        Err(error) if error.is_already_exists() => learnt(job, Job::Unclear),
        Err(error) if error.retry() == k8s::Retry::Never => learnt(job, Job::Refused(text(&error))),
        Err(error) => again(&error),
    })
}

pub(super) fn job_read(state: &mut RunState, n: u32, reply: Reply) -> Outcome {
    let (owner, block) = (state.uid.clone(), state.block);
    job(state, n, |job| match reply {
        // Taken for somebody else's, it would end the run, and stay behind.
        Ok(body) if !shows_object(&body) => Outcome::unseen(),
        Ok(body) => match controlled_by(&body, &owner) {
            Some(uid) if block == Block::Stopped && is_deleting(&body) => learnt(job, Job::Gone(uid)),
            Some(uid) => learnt(job, Job::Ours(uid)),
            None if matches!(job, Job::Contested(_)) => replaced(job),
            None => {
                *job = Job::Foreign;
                let why = "a Job of that name belongs to something else".to_owned();
                Outcome::Again { after: None, why }
            }
        },
        // Before the start it has to be made; later on it was there, and is no more.
        Err(error) if error.is_not_found() && block == Block::New => learnt(job, Job::Unknown),
        Err(error) if error.is_not_found() => replaced(job),
        Err(error) => again(&error),
    })
}

pub(super) fn events_read(state: &mut RunState, n: u32, reply: Reply) -> Outcome {
    // After a failure they are read again in their own time; without the right to, never with success.
    let words = reply.ok().and_then(|body| pod_refusal::words(&body));
    if let (Some(words), Some(runner)) = (words, state.runner(n)) {
        runner.refusal = Some(words);
    }
    Outcome::Done
}

pub(super) fn job_deleted(state: &mut RunState, now: Duration, n: u32, reply: Reply) -> Outcome {
    if reply.is_ok() {
        state.jobs_deleted = Some(now);
    }
    job(state, n, |job| {
        let uid = job.uid().unwrap_or_default().to_owned();
        match reply {
            Err(error) if error.is_conflict() => {
                *job = Job::Contested(uid);
                again(&error)
            }
            Err(error) if !error.is_not_found() => again(&error),
            _ => learnt(job, Job::Deleted(uid)),
        }
    })
}

pub(super) fn status_written(
    state: &mut RunState,
    now: Duration,
    write: StatusWrite,
    reply: Reply,
) -> Outcome {
    let error = match reply {
        Ok(body) => {
            recorded(state, now, write);
            return Outcome::run(&body);
        }
        Err(error) if error.is_not_found() => return Outcome::Done,
        Err(error) => error,
    };
    if let Some(writing) = &mut state.writing {
        if !error.is_conflict() {
            writing.unheard |= error.code().is_none_or(|code| code >= 500);
        } else if !writing.unheard {
            // What the watch will show has been written by somebody else.
            state.writing = None;
        }
    }
    again(&error)
}

pub(super) fn test_run_deleted(state: &mut RunState, reply: Reply) -> Outcome {
    match reply {
        Err(error) if !error.is_not_found() => again(&error),
        _ => {
            state.deletion_sent = true;
            Outcome::Done
        }
    }
}

/// Our finalizer is off the run, or the run is gone.
pub fn released(reply: Result<Vec<u8>, k8s::Error>) -> Outcome {
    match reply {
        Ok(body) => Outcome::run(&body),
        Err(error) if error.is_not_found() => Outcome::Done,
        Err(error) => again(&error),
    }
}

fn job(state: &mut RunState, n: u32, change: impl FnOnce(&mut Job) -> Outcome) -> Outcome {
    state.runner(n).map_or(Outcome::Done, |runner| change(&mut runner.job))
}

/// No Job of ours has that name any more.
fn replaced(job: &mut Job) -> Outcome {
    let uid = job.uid().unwrap_or_default().to_owned();
    learnt(job, Job::Gone(uid))
}

fn learnt(job: &mut Job, what: Job) -> Outcome {
    *job = what;
    Outcome::Done
}

/// Tried again, as soon as the API server will have it.
fn again(error: &k8s::Error) -> Outcome {
    Outcome::again(error.retry(), error)
}
