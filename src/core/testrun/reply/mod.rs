//! What an answer teaches about a run.
//!
//! Owns the way from a report to the memory: what counts as done, what is tried again, what ends the run. One file for whoever has
//! answered: about the objects of the run ([`objects`]), GCk6 ([`gck6`]), a runner ([`runners`]). Leaves alone what is done next, and
//! whose a run is (`proof`). Invariant: an error is either tried again later, or ends up in the memory with a message; none is
//! dropped.

mod gck6;
mod objects;
mod runners;

use std::time::Duration;

use super::proof::Proof;
use super::state::{RunState, Teardown};
use super::table::Block;
use crate::announce::Announcement;
use crate::api::run::Stage;
use crate::call::Reply;
use crate::outcome::{Outcome, announced};
use crate::testrun::action::{Action, StatusWrite};

pub use objects::released;

/// Learns from the report of an action on this run.
pub fn apply_reply(state: &mut RunState, now: Duration, action: Action, reply: Reply) -> Outcome {
    if matches!(&reply, Reply::Kubernetes(Err(error)) if error.is_namespace_terminating())
        && state.namespace_goes()
    {
        log::warn!("a test run of PrivateLoadZone {} ends with its namespace", state.identity.zone);
    }
    match action {
        // Takes more than the memory: see `proof::reply`.
        Action::Confirm => Outcome::Done,
        Action::FetchCredentials => gck6::credentials(state, reply.cloud()),
        Action::CreateCredentials => objects::credentials_created(state, reply.kubernetes()),
        Action::InspectCredentials => objects::credentials_read(state, reply.kubernetes()),
        Action::CreateJob(n) => objects::job_created(state, n, reply.kubernetes()),
        Action::InspectJob(n) => objects::job_read(state, n, reply.kubernetes()),
        Action::ReadEvents(n) => objects::events_read(state, n, reply.kubernetes()),
        Action::DeleteJob(n) => objects::job_deleted(state, now, n, reply.kubernetes()),
        Action::AskRunner(n) | Action::ResumeRunner(n) | Action::StopRunner(n) => {
            runners::status(state, now, action, n, reply.runner())
        }
        Action::ReadSetup(n) | Action::TakeSetupData(n) | Action::RunSetup(n) => {
            runners::setup(state, now, action, n, reply.runner())
        }
        Action::SendSetupData(n) => runners::setup_data_sent(state, n, reply.runner()),
        Action::RunTeardown(_) => runners::teardown(state, action, reply.runner()),
        Action::CheckState => gck6::state(state, reply.cloud()),
        Action::SendEvents => gck6::told(state, reply.cloud()),
        Action::Finish => gck6::finished(state, reply.cloud()),
        Action::WriteStatus(write) => objects::status_written(state, now, write, reply.kubernetes()),
        Action::DeleteTestRun => objects::test_run_deleted(state, reply.kubernetes()),
        Action::Release => released(reply.kubernetes()),
        Action::Announce => announced(&mut state.announcements, reply.kubernetes()),
    }
}

/// A status write has gone through: this process may now do what the record covers. The watch may say so before the
/// answer does, or in place of one that was lost; the first counts.
pub fn recorded(state: &mut RunState, now: Duration, write: StatusWrite) {
    let Some(writing) = state.writing.take_if(|writing| writing.write == write) else { return };
    match write {
        StatusWrite::Conditions => {
            if let Some(reason) = &writing.trouble {
                state.announcements.push(match state.block {
                    _ if state.proof == Proof::Unknown => {
                        Announcement::warning("Unconfirmed", reason.clone())
                    }
                    Block::Started => Announcement::warning("RunnerSilent", reason.clone()),
                    Block::Stopped => Announcement::warning("Waiting", format!("the end waits: {reason}")),
                    _ => Announcement::warning("Waiting", format!("the start waits: {reason}")),
                });
            }
            state.trouble_said = writing.trouble;
            state.trouble_said_at = Some(now);
        }
        StatusWrite::Stage(Stage::Stopped) => {
            state.trouble_said = None;
            state.trouble_said_at = None;
            if writing.teardown_due {
                state.teardown = Teardown::Due;
            }
        }
        StatusWrite::Stage(Stage::Started) => {
            state.trouble_said = None;
            state.trouble_said_at = None;
            let message = format!("the test runs: {}", state.all_started());
            state.announcements.push(Announcement::normal("Started", message));
        }
        StatusWrite::Stage(Stage::Finished | Stage::Error) if state.ending.is_none() => {
            state.announcements.push(Announcement::normal("Finished", "the test has ended on all runners"));
        }
        StatusWrite::Stage(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::run::TestRun;
    use crate::cloud;
    use crate::testrun::credentials::Credentials;
    use crate::testrun::state::{Job, Keeping};
    use crate::testrun::template::tests::plain_data;

    /// What an answer makes of what was known of the run's Secret.
    #[track_caller]
    fn check(known: &Keeping, action: Action, reply: Reply, wanted: &Keeping) {
        let run: TestRun =
            serde_json::from_value(json!({ "metadata": { "name": "r", "uid": "u" } })).unwrap();
        let mut state = RunState::new(&run, 1, Block::New, Duration::ZERO);
        state.keeping = known.clone();
        let _ = apply_reply(&mut state, Duration::ZERO, action, reply);
        assert_eq!(&state.keeping, wanted, "{known:?}, {action:?}");
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
        let mut state = RunState::new(&run, 1, Block::Stopped, Duration::ZERO);
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
            state.runners.entry(1).or_default().job = known.clone();
            let _ = apply_reply(&mut state, Duration::ZERO, action, reply);
            assert_eq!(state.runners[&1].job, wanted, "{known:?}, {action:?}");
        }
        let outcome =
            apply_reply(&mut state, Duration::ZERO, Action::DeleteTestRun, refusal(409, "Conflict"));
        assert!(matches!(outcome, Outcome::Again { .. }) && !state.deletion_sent);
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
