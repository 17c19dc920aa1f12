//! What an answer teaches about a run.
//!
//! Owns the way from a report to the memory: what counts as done, what is tried again, what ends the run. Leaves alone
//! what is done next. Invariant: an error is either tried again later, or ends up in the memory with a message; none is
//! dropped.

use std::time::Duration;

use k8s::ObjectMeta;

use super::api::{Stage, TestRun};
use super::memory::{Job, RunMemory, Setup, Teardown};
use super::stage::Block;
use crate::announce::Announcement;
use crate::cloud;
use crate::event::{Action, Reply, RunStatusWrite};
use crate::redact;
use crate::runner;

/// How much of an error is kept.
const MESSAGE_BYTES_MAX: usize = 300;

/// What is to be made of a report beside what the memory has learnt.
#[derive(Debug, PartialEq)]
#[must_use]
pub enum Lesson {
    /// It went well.
    Done,
    /// It went well, and this is the run as the API server has it now.
    Object(Box<TestRun>),
    /// It did not, and is tried again; not before the given time has passed, if one is given.
    Again {
        /// What the other side asked for.
        after: Option<Duration>,
        /// Why.
        why: String,
    },
    /// GCk6 refuses the token: tried again, with a token that is read again.
    TokenRefused(String),
}

/// Learns from the report of an action on this run.
pub fn learn(memory: &mut RunMemory, run: &TestRun, now: Duration, action: Action, reply: Reply) -> Lesson {
    match reply {
        Reply::Kubernetes(reply) => from_kubernetes(memory, run, now, action, reply),
        Reply::Cloud(reply) => from_cloud(memory, action, reply),
        Reply::Runner(reply) => from_runner(memory, now, action, reply),
    }
}

fn from_kubernetes(
    memory: &mut RunMemory,
    run: &TestRun,
    now: Duration,
    action: Action,
    reply: Result<Vec<u8>, k8s::Error>,
) -> Lesson {
    let over = memory.block == Block::Stopped;
    match (action, reply) {
        (Action::CreateJob(n), reply) => job(memory, n, |job| match reply {
            Ok(body) => learnt(job, Job::Ours(uid(&body))),
            Err(error) if error.is_already_exists() && *job == Job::Foreign => again(&error),
            Err(error) if error.is_already_exists() => learnt(job, Job::Unclear),
            Err(error) if error.retry() == k8s::Retry::Never => learnt(job, Job::Refused(text(&error))),
            Err(error) => again(&error),
        }),
        (Action::InspectJob(n), reply) => job(memory, n, |job| match reply {
            Ok(body) => match owned_by(&body, &run.metadata.uid) {
                Some(uid) => learnt(job, Job::Ours(uid)),
                None => {
                    *job = Job::Foreign;
                    Lesson::Again {
                        after: None,
                        why: "a Job of that name belongs to something else".to_owned(),
                    }
                }
            },
            // Before the start it has to be made again; at the end there is nothing to delete.
            Err(error) if error.is_not_found() => learnt(job, if over { Job::Deleted } else { Job::Unknown }),
            Err(error) => again(&error),
        }),
        (Action::DeleteJob(n), reply) => job(memory, n, |job| match reply {
            Ok(_) => learnt(job, Job::Deleted),
            // A conflict is the uid precondition: what has that name now is not ours.
            Err(error) if error.is_not_found() || error.is_conflict() => learnt(job, Job::Deleted),
            Err(error) => again(&error),
        }),
        (Action::WriteRunStatus(write), Ok(body)) => {
            recorded(memory, now, write);
            serde_json::from_slice(&body).map_or(Lesson::Done, |run| Lesson::Object(Box::new(run)))
        }
        (Action::WriteRunStatus(_), Err(error)) if error.is_not_found() => Lesson::Done,
        (Action::DeleteTestRun, Ok(_)) => {
            memory.deletion_sent = true;
            Lesson::Done
        }
        (Action::DeleteTestRun, Err(error)) if error.is_not_found() || error.is_conflict() => {
            memory.deletion_sent = true;
            Lesson::Done
        }
        (Action::Announce, reply) => announced(&mut memory.announcements, reply),
        (_, Ok(_)) => Lesson::Done,
        (_, Err(error)) => again(&error),
    }
}

/// The first announcement is posted, known already, refused for good, or tried again.
pub fn announced(announcements: &mut Vec<Announcement>, reply: Result<Vec<u8>, k8s::Error>) -> Lesson {
    match reply {
        Err(error) if error.retry() != k8s::Retry::Never && !error.is_already_exists() => again(&error),
        reply => {
            if let Err(error) = reply
                && !error.is_already_exists()
            {
                log::warn!("an Event was not taken: {}", text(&error));
            }
            if !announcements.is_empty() {
                announcements.remove(0);
            }
            Lesson::Done
        }
    }
}

fn from_cloud(memory: &mut RunMemory, action: Action, reply: Result<Vec<u8>, cloud::Error>) -> Lesson {
    let error = match (action, reply) {
        (Action::CheckState, Ok(body)) => match cloud::reply::test_run_state(&body) {
            Ok(status) => {
                memory.state = Some(status);
                memory.state_missing = 0;
                return Lesson::Done;
            }
            Err(error) => error,
        },
        (Action::TellCloud, Ok(_)) => {
            memory.told();
            return Lesson::Done;
        }
        (Action::Finish, Ok(_)) => {
            memory.finish = Some(Ok(()));
            return Lesson::Done;
        }
        (_, Ok(_)) => return Lesson::Done,
        (_, Err(error)) => error,
    };
    if error.is_unauthorized() {
        return Lesson::TokenRefused(text(&error));
    }
    match (error.retry(), action) {
        (cloud::Retry::Never, Action::CheckState) => {
            if error.is_not_found() {
                memory.state_missing += 1;
            }
            // The next check is due in its own time.
            Lesson::Done
        }
        (cloud::Retry::Never, Action::TellCloud) => {
            memory.told();
            log::warn!("GCk6 does not take the event: {}", text(&error));
            Lesson::Done
        }
        (cloud::Retry::Never, Action::Finish) => {
            memory.finish = Some(Err(text(&error)));
            Lesson::Done
        }
        (cloud::Retry::After(after), _) => Lesson::Again { after: Some(after), why: text(&error) },
        (_, _) => Lesson::Again { after: None, why: text(&error) },
    }
}

fn from_runner(
    memory: &mut RunMemory,
    now: Duration,
    action: Action,
    reply: Result<Vec<u8>, runner::Error>,
) -> Lesson {
    match action {
        Action::AskRunner(n) | Action::ResumeRunner(n) | Action::StopRunner(n) => {
            status(memory, now, action, n, reply.and_then(|body| runner::status_reply(&body)))
        }
        Action::ReadSetup(_) => match reply.and_then(|body| runner::setup_reply(&body)) {
            Ok(None) => {
                memory.setup = Setup::NotRun;
                Lesson::Done
            }
            Ok(data) => {
                memory.setup = Setup::Run(data);
                Lesson::Done
            }
            Err(error) => unreached(&error),
        },
        Action::RunSetup(_) => match reply.and_then(|body| runner::setup_reply(&body)) {
            Ok(data) => {
                memory.setup = Setup::Run(data);
                Lesson::Done
            }
            Err(error) if !error.is_transient() => {
                memory.setup = Setup::Failed(text(&error));
                Lesson::Done
            }
            // The answer may be lost although setup has run. k6 gives up a setup whose caller is gone, and keeps the
            // data of one that ended: asking for it tells the two apart.
            Err(error) => {
                memory.setup = Setup::Unclear;
                unreached(&error)
            }
        },
        Action::SendSetupData(n) => match reply {
            Ok(_) => {
                if let Some(runner) = memory.runner(n) {
                    runner.data_sent = true;
                }
                Lesson::Done
            }
            Err(error) => unreached(&error),
        },
        Action::RunTeardown(_) => {
            // Never twice: after an answer that did not come, too.
            memory.teardown = match reply {
                Ok(_) => Teardown::Done,
                Err(error) => {
                    let message = format!("teardown() failed: {}", text(&error));
                    memory.announcements.push(Announcement::warning("TeardownFailed", message));
                    Teardown::Failed(text(&error))
                }
            };
            Lesson::Done
        }
        _ => Lesson::Done,
    }
}

fn status(
    memory: &mut RunMemory,
    now: Duration,
    action: Action,
    n: u32,
    reply: Result<runner::RunnerStatus, runner::Error>,
) -> Lesson {
    let Some(known) = memory.runners.get_mut(&n) else { return Lesson::Done };
    match reply {
        Ok(status) => {
            let had_ended = known.status.as_ref().is_some_and(|before| before.has_ended());
            if status.has_ended() && !had_ended {
                memory.last_end = Some(now);
            }
            known.status = Some(status);
            known.trouble = None;
            known.resumed |= matches!(action, Action::ResumeRunner(_));
            known.stopped |= matches!(action, Action::StopRunner(_));
            Lesson::Done
        }
        Err(error) => {
            known.trouble = Some(text(&error));
            if let Action::ResumeRunner(_) = action {
                // It may have been let go although its answer was lost, and k6 refuses a second time: ask first.
                known.status = None;
            }
            unreached(&error)
        }
    }
}

/// A status write has gone through: this process may now do what the record covers. The watch may say so before the
/// answer does, or in place of one that was lost; the first counts.
pub fn recorded(memory: &mut RunMemory, now: Duration, write: RunStatusWrite) {
    let Some(writing) = memory.writing.take_if(|writing| writing.write == write) else { return };
    match write {
        RunStatusWrite::Conditions => {
            if let Some(reason) = &writing.hold_up {
                memory
                    .announcements
                    .push(Announcement::warning("Waiting", format!("the start waits: {reason}")));
            }
            memory.hold_up_said = writing.hold_up;
            memory.hold_up_said_at = Some(now);
        }
        RunStatusWrite::Stage(Stage::Stopped) if writing.teardown_due => memory.teardown = Teardown::Due,
        RunStatusWrite::Stage(Stage::Started) => {
            let message = format!("the test runs: {} runners were started together", memory.parallelism);
            memory.announcements.push(Announcement::normal("Started", message));
        }
        RunStatusWrite::Stage(Stage::Finished | Stage::Error) if memory.ending.is_none() => {
            memory.announcements.push(Announcement::normal("Finished", "the test has ended on all runners"));
        }
        RunStatusWrite::Stage(_) => {}
    }
}

fn job(memory: &mut RunMemory, n: u32, change: impl FnOnce(&mut Job) -> Lesson) -> Lesson {
    memory.runner(n).map_or(Lesson::Done, |runner| change(&mut runner.job))
}

fn learnt(job: &mut Job, what: Job) -> Lesson {
    *job = what;
    Lesson::Done
}

/// The uid of the object in an answer.
fn uid(body: &[u8]) -> String {
    metadata(body).map(|metadata| metadata.uid).unwrap_or_default()
}

/// The uid of the object in an answer, if its controller has the given uid.
pub(crate) fn owned_by(body: &[u8], owner: &str) -> Option<String> {
    metadata(body).filter(|metadata| metadata.is_owned_by(owner)).map(|metadata| metadata.uid)
}

fn metadata(body: &[u8]) -> Option<ObjectMeta> {
    #[derive(Default)]
    struct Object {
        metadata: ObjectMeta,
    }
    k8s::readable!(Object { metadata: "metadata" });
    serde_json::from_slice::<Object>(body).ok().map(|object| object.metadata)
}

/// Tried again, as soon as the API server will have it.
pub(crate) fn again(error: &k8s::Error) -> Lesson {
    let after = match error.retry() {
        k8s::Retry::After(after) => Some(after),
        k8s::Retry::Backoff | k8s::Retry::Never => None,
    };
    Lesson::Again { after, why: text(error) }
}

fn unreached(error: &runner::Error) -> Lesson {
    Lesson::Again { after: None, why: text(error) }
}

/// An error as a message that may leave the process.
pub(crate) fn text(error: &impl std::fmt::Display) -> String {
    redact::one_line(&redact::scrub(&error.to_string(), &[]), MESSAGE_BYTES_MAX)
}
