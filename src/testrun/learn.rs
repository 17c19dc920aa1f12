//! What an answer teaches about a run.
//!
//! Owns the way from a report to the memory: what counts as done, what is tried again, what ends the run. Leaves alone
//! what is done next. Invariant: an error is either tried again later, or ends up in the memory with a message; none is
//! dropped.

use std::time::Duration;

use super::api::Stage;
use super::credentials::Credentials;
use super::memory::{Job, Keeping, RunMemory, Setup, SetupData, Teardown};
use super::proof::Proof;
use super::refusal;
use super::stage::Block;
use crate::announce::Announcement;
use crate::cloud;
use crate::event::{Action, Reply, RunStatusWrite};
use crate::lesson::{Lesson, announced, controlled_by, is_deleting, text};
use crate::runner;

/// Learns from the report of an action on this run.
pub fn learn(memory: &mut RunMemory, now: Duration, action: Action, reply: Reply) -> Lesson {
    match reply {
        Reply::Kubernetes(reply) => from_kubernetes(memory, now, action, reply),
        Reply::Cloud(reply) => from_cloud(memory, action, reply),
        Reply::Runner(reply) => from_runner(memory, now, action, reply),
    }
}

fn from_kubernetes(
    memory: &mut RunMemory,
    now: Duration,
    action: Action,
    reply: Result<Vec<u8>, k8s::Error>,
) -> Lesson {
    let block = memory.block;
    let owner = memory.uid.clone();
    if let (Action::DeleteJob(_), Ok(_)) = (action, &reply) {
        memory.jobs_deleted = Some(now);
    }
    if matches!(&reply, Err(error) if error.is_namespace_terminating()) && memory.namespace_goes() {
        log::warn!("a test run of PrivateLoadZone {} ends with its namespace", memory.identity.zone);
    }
    match (action, reply) {
        (Action::CreateCredentials, Ok(_)) => keep(memory, Keeping::Kept),
        (Action::CreateCredentials, Err(error)) if error.is_already_exists() => {
            keep(memory, Keeping::Unknown)
        }
        (Action::CreateCredentials, Err(error)) if error.retry() == k8s::Retry::Never => {
            keep(memory, Keeping::Refused(text(&error)))
        }
        (Action::InspectCredentials, Ok(body)) if controlled_by(&body, &owner).is_some() => {
            keep(memory, Keeping::Kept)
        }
        (Action::InspectCredentials, Ok(_)) => {
            memory.keeping = Keeping::Foreign;
            let why = "a Secret of that name belongs to something else".to_owned();
            Lesson::Again { after: None, why }
        }
        (Action::InspectCredentials, Err(error)) if error.is_not_found() => {
            let spare = memory.spare.take();
            keep(memory, spare.map_or(Keeping::Lost, Keeping::InHand))
        }
        (Action::CreateJob(n), reply) => job(memory, n, |job| match reply {
            Ok(body) => learnt(job, controlled_by(&body, &owner).map_or(Job::Unclear, Job::Ours)),
            Err(error) if error.is_already_exists() && *job == Job::Foreign => again(&error),
            Err(error) if error.is_already_exists() => learnt(job, Job::Unclear),
            Err(error) if error.retry() == k8s::Retry::Never => learnt(job, Job::Refused(text(&error))),
            Err(error) => again(&error),
        }),
        (Action::InspectJob(n), reply) => job(memory, n, |job| match reply {
            Ok(body) => match controlled_by(&body, &owner) {
                Some(uid) if block == Block::Stopped && is_deleting(&body) => learnt(job, Job::Gone(uid)),
                Some(uid) => learnt(job, Job::Ours(uid)),
                None if matches!(job, Job::Contested(_)) => replaced(job),
                None => {
                    *job = Job::Foreign;
                    Lesson::Again {
                        after: None,
                        why: "a Job of that name belongs to something else".to_owned(),
                    }
                }
            },
            // Before the start it has to be made; later on it was there, and is no more.
            Err(error) if error.is_not_found() && block == Block::New => learnt(job, Job::Unknown),
            Err(error) if error.is_not_found() => replaced(job),
            Err(error) => again(&error),
        }),
        (Action::ReadEvents(n), Ok(body)) => {
            if let (Some(words), Some(runner)) = (refusal::words(&body), memory.runner(n)) {
                runner.refusal = Some(words);
            }
            Lesson::Done
        }
        // It is asked again in its own time; without the right to, never with success.
        (Action::ReadEvents(_), Err(_)) => Lesson::Done,
        (Action::DeleteJob(n), reply) => job(memory, n, |job| {
            let uid = job.uid().unwrap_or_default().to_owned();
            match reply {
                Err(error) if error.is_conflict() => {
                    *job = Job::Contested(uid);
                    again(&error)
                }
                Err(error) if !error.is_not_found() => again(&error),
                _ => learnt(job, Job::Deleted(uid)),
            }
        }),
        (Action::WriteRunStatus(write), Ok(body)) => {
            recorded(memory, now, write);
            Lesson::run(&body)
        }
        (Action::Release, reply) => released(reply),
        (Action::WriteRunStatus(_), Err(error)) if error.is_not_found() => Lesson::Done,
        (Action::DeleteTestRun, Ok(_)) => {
            memory.deletion_sent = true;
            Lesson::Done
        }
        (Action::DeleteTestRun, Err(error)) if error.is_not_found() => {
            memory.deletion_sent = true;
            Lesson::Done
        }
        (Action::Announce, reply) => announced(&mut memory.announcements, reply),
        (_, Ok(_)) => Lesson::Done,
        (_, Err(error)) => again(&error),
    }
}

/// Our finalizer is off the run, or the run is gone.
pub fn released(reply: Result<Vec<u8>, k8s::Error>) -> Lesson {
    match reply {
        Ok(body) => Lesson::run(&body),
        Err(error) if error.is_not_found() => Lesson::Done,
        Err(error) => again(&error),
    }
}

fn from_cloud(memory: &mut RunMemory, action: Action, reply: Result<Vec<u8>, cloud::Error>) -> Lesson {
    let error = match (action, reply) {
        (Action::CheckState, Ok(body)) => match cloud::reply::test_run_state(&body) {
            Ok(status) => {
                memory.state = Some(status);
                memory.state_as_of = Some(memory.state_asked);
                memory.state_missing = 0;
                return Lesson::Done;
            }
            Err(error) => error,
        },
        (Action::FetchCredentials, Ok(body)) => match cloud::reply::test_run_data(&body) {
            Ok(data) => {
                let gone = || Keeping::Refused("GCk6 does not name its archive any more".to_owned());
                return keep(memory, Credentials::of(&data).map_or_else(gone, Keeping::InHand));
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
            memory.state_as_of = Some(memory.state_asked);
            // The next check is due in its own time.
            Lesson::Done
        }
        (cloud::Retry::Never, Action::FetchCredentials) => {
            keep(memory, Keeping::Refused(format!("GCk6 does not tell it: {}", text(&error))))
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
        (retry, _) => Lesson::again(retry, &error),
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
        Action::ReadSetup(n) | Action::TakeSetupData(n) | Action::RunSetup(n) => {
            let data = reply.and_then(runner::setup_reply);
            let data = data.map(|text| text.map(|text| SetupData { text, runner: n, since: now }));
            setup(memory, action, data)
        }
        Action::SendSetupData(n) => match reply {
            Ok(_) => {
                if let Some(runner) = memory.runner(n) {
                    runner.data_sent = true;
                }
                memory.drop_handed_out_data();
                Lesson::Done
            }
            Err(error) => unreached(&error),
        },
        Action::RunTeardown(_) if matches!(reply, Err(runner::Error::Refused(_))) => {
            memory.withdrawn(action);
            reply.err().map_or(Lesson::Done, |error| unreached(&error))
        }
        Action::RunTeardown(_) => {
            // Never twice: after an answer that did not come, too.
            memory.teardown = match reply {
                Ok(_) => Teardown::Done,
                Err(error) => {
                    let message = if error.is_transient() {
                        format!("teardown() could not be run: {}", text(&error))
                    } else {
                        format!("teardown() of the script failed: {}", text(&error))
                    };
                    memory.announcements.push(Announcement::warning("TeardownFailed", message.clone()));
                    Teardown::Failed(message)
                }
            };
            Lesson::Done
        }
        _ => Lesson::Done,
    }
}

fn setup(memory: &mut RunMemory, action: Action, data: Result<Option<SetupData>, runner::Error>) -> Lesson {
    memory.setup = match (action, data) {
        (Action::ReadSetup(_), Ok(None)) => Setup::NotRun,
        (_, Ok(data)) => Setup::Run(data),
        // Longer than what is taken of data of unknown length: it is there, and stays there until there is room.
        (Action::ReadSetup(n) | Action::RunSetup(n), Err(runner::Error::TooLarge)) => Setup::OnRunner(n),
        (Action::RunSetup(_) | Action::TakeSetupData(_), Err(error)) if !error.is_transient() => {
            Setup::Failed(text(&error))
        }
        // k6 cuts a setup short whose caller is gone, and what it then returns is worth nothing: it is run again.
        (Action::RunSetup(_), Err(error)) => {
            memory.setup = Setup::NotRun;
            return unreached(&error);
        }
        (_, Err(error)) => return unreached(&error),
    };
    Lesson::Done
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
            if memory.teardown == Teardown::Unclear && !status.has_ended() {
                memory.teardown = Teardown::Due;
            }
            if status.has_ended() && !had_ended {
                memory.last_end = Some(now);
            }
            known.status = Some(status);
            known.trouble = None;
            known.silent_since = None;
            if let Action::ResumeRunner(_) = action {
                known.resumed = true;
                memory.first_resumed.get_or_insert(now);
            }
            known.stopped |= matches!(action, Action::StopRunner(_));
            Lesson::Done
        }
        Err(error) => {
            known.trouble = Some(text(&error));
            // The silence of the API server is not the runner's: that of the runner counts anew.
            known.silent_since =
                if let runner::Error::NoWay(_) = error { None } else { known.silent_since.or(Some(now)) };
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
            if let Some(reason) = &writing.trouble {
                memory.announcements.push(match memory.block {
                    _ if memory.proof == Proof::Unknown => {
                        Announcement::warning("Unconfirmed", reason.clone())
                    }
                    Block::Started => Announcement::warning("RunnerSilent", reason.clone()),
                    Block::Stopped => Announcement::warning("Waiting", format!("the end waits: {reason}")),
                    _ => Announcement::warning("Waiting", format!("the start waits: {reason}")),
                });
            }
            memory.trouble_said = writing.trouble;
            memory.trouble_said_at = Some(now);
        }
        RunStatusWrite::Stage(Stage::Stopped) => {
            memory.trouble_said = None;
            memory.trouble_said_at = None;
            if writing.teardown_due {
                memory.teardown = Teardown::Due;
            }
        }
        RunStatusWrite::Stage(Stage::Started) => {
            memory.trouble_said = None;
            memory.trouble_said_at = None;
            let message = format!("the test runs: {}", memory.all_started());
            memory.announcements.push(Announcement::normal("Started", message));
        }
        RunStatusWrite::Stage(Stage::Finished | Stage::Error) if memory.ending.is_none() => {
            memory.announcements.push(Announcement::normal("Finished", "the test has ended on all runners"));
        }
        RunStatusWrite::Stage(_) => {}
    }
}

fn keep(memory: &mut RunMemory, keeping: Keeping) -> Lesson {
    memory.keeping = keeping;
    Lesson::Done
}

fn job(memory: &mut RunMemory, n: u32, change: impl FnOnce(&mut Job) -> Lesson) -> Lesson {
    memory.runner(n).map_or(Lesson::Done, |runner| change(&mut runner.job))
}

/// No Job of ours has that name any more.
fn replaced(job: &mut Job) -> Lesson {
    let uid = job.uid().unwrap_or_default().to_owned();
    learnt(job, Job::Gone(uid))
}

fn learnt(job: &mut Job, what: Job) -> Lesson {
    *job = what;
    Lesson::Done
}

fn unreached(error: &runner::Error) -> Lesson {
    Lesson::Again { after: None, why: text(error) }
}

/// Tried again, as soon as the API server will have it.
fn again(error: &k8s::Error) -> Lesson {
    Lesson::again(error.retry(), error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testrun::api::TestRun;
    use crate::zone::template::tests::plain_data;

    /// What an answer makes of what was known of the run's Secret.
    #[track_caller]
    fn check(known: &Keeping, action: Action, reply: Reply, wanted: &Keeping) {
        let run: TestRun =
            serde_json::from_value(json!({ "metadata": { "name": "r", "uid": "u" } })).unwrap();
        let mut memory = RunMemory::new(&run, 1, Block::New, Duration::ZERO);
        memory.keeping = known.clone();
        let _ = learn(&mut memory, Duration::ZERO, action, reply);
        assert_eq!(&memory.keeping, wanted, "{known:?}, {action:?}");
    }

    fn refusal(code: u16, reason: &str) -> Reply {
        let body = json!({ "kind": "Status", "reason": reason, "message": "no", "code": code }).to_string();
        Reply::Kubernetes(k8s::status::interpret(code, None, body.into_bytes()))
    }

    #[test]
    fn a_secret_is_kept_once_it_is_known_to_be_ours() {
        let hand = Keeping::InHand(Credentials::of(&plain_data()).unwrap());
        let secret = |owner: &str| {
            let owners = json!([{ "uid": owner, "controller": true }]);
            let object = json!({ "metadata": { "name": "r", "uid": "s", "ownerReferences": owners } });
            Reply::Kubernetes(Ok(object.to_string().into_bytes()))
        };
        check(&hand, Action::CreateCredentials, secret("u"), &Keeping::Kept);
        check(&hand, Action::CreateCredentials, refusal(409, "AlreadyExists"), &Keeping::Unknown);
        check(&hand, Action::CreateCredentials, refusal(503, ""), &hand);
        check(&Keeping::Unknown, Action::InspectCredentials, secret("u"), &Keeping::Kept);
        check(&Keeping::Unknown, Action::InspectCredentials, secret("other"), &Keeping::Foreign);
        check(&Keeping::Foreign, Action::InspectCredentials, refusal(404, "NotFound"), &Keeping::Lost);
        check(&Keeping::Unknown, Action::InspectCredentials, refusal(503, ""), &Keeping::Unknown);
    }

    #[test]
    fn a_conflict_does_not_pass_for_a_deletion() {
        let run: TestRun =
            serde_json::from_value(json!({ "metadata": { "name": "r", "uid": "u" } })).unwrap();
        let mut memory = RunMemory::new(&run, 1, Block::Stopped, Duration::ZERO);
        let contested = || Job::Contested("j".to_owned());
        let by = |owner: &str| {
            let owners = json!([{ "uid": owner, "controller": true }]);
            let job = json!({ "metadata": { "name": "r-1", "uid": "j", "ownerReferences": owners } });
            Reply::Kubernetes(Ok(job.to_string().into_bytes()))
        };
        let cases = [
            (Job::Ours("j".to_owned()), Action::DeleteJob(1), refusal(409, "Conflict"), contested()),
            (contested(), Action::InspectJob(1), by("u"), Job::Ours("j".to_owned())),
            (contested(), Action::InspectJob(1), by("other"), Job::Gone("j".to_owned())),
            (contested(), Action::InspectJob(1), refusal(404, "NotFound"), Job::Gone("j".to_owned())),
            (contested(), Action::InspectJob(1), refusal(503, ""), contested()),
        ];
        for (known, action, reply, wanted) in cases {
            memory.runners.entry(1).or_default().job = known.clone();
            let _ = learn(&mut memory, Duration::ZERO, action, reply);
            assert_eq!(memory.runners[&1].job, wanted, "{known:?}, {action:?}");
        }
        let lesson = learn(&mut memory, Duration::ZERO, Action::DeleteTestRun, refusal(409, "Conflict"));
        assert!(matches!(lesson, Lesson::Again { .. }) && !memory.deletion_sent);
    }

    #[test]
    fn what_was_lost_is_asked_of_gck6_again() {
        let url = json!({ "k8s_load_zones_config": { "k6_archive_temp_public_url":
            "https://bucket.s3.amazonaws.com/a.tar?X-Amz-Expires=300" } });
        let body = |value: &serde_json::Value| Reply::Cloud(Ok(value.to_string().into_bytes()));
        let hand = Keeping::InHand(Credentials::of(&plain_data()).unwrap());
        let fetch = Action::FetchCredentials;
        check(&Keeping::Lost, fetch, body(&url), &hand);
        let gone = Keeping::Refused("GCk6 does not name its archive any more".to_owned());
        check(&Keeping::Lost, fetch, body(&json!({})), &gone);
        let silent = || cloud::Error::Transport("no route".to_owned());
        check(&Keeping::Lost, fetch, Reply::Cloud(Err(silent())), &Keeping::Lost);
    }
}
