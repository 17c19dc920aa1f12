//! What an answer teaches about a run.
//!
//! Owns the way from a report to the memory: what counts as done, what is tried again, what ends the run. One file for whoever has
//! answered: about the objects of the run (`objects`), GCk6 (`gck6`), a runner (`runners`). Leaves alone what is done next, and
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
    if let StatusWrite::Stage(stage) = write {
        state.recorded = Some(stage);
    }
    match write {
        StatusWrite::Conditions => {
            if let Some(reason) = &writing.trouble {
                state.announcements.push(match state.block {
                    _ if state.proof == Proof::Unknown => {
                        Announcement::warning("Unconfirmed", reason.clone())
                    }
                    Block::Started => Announcement::warning("RunnerSilent", reason.clone()),
                    Block::Stopped => {
                        Announcement::warning("Waiting", format!("the end is waiting: {reason}"))
                    }
                    _ => Announcement::warning("Waiting", format!("the start is waiting: {reason}")),
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
