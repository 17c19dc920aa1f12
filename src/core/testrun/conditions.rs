//! What a run's status says at each stage.
//!
//! Owns the wording of the conditions that users and tools know from k6-operator. Leaves alone when they are written.
//! Invariant: whatever must survive a restart is in here: the stage, why the run ends, and that teardown has begun.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::diagnose;
use super::facts::Facts;
use super::proof::Proof;
use super::state::Teardown;
use super::table::{Block, Fact};
use crate::api::run::{
    CLOUD_PLZ_TEST_RUN, CLOUD_TEST_RUN, CLOUD_TEST_RUN_ABORTED, CLOUD_TEST_RUN_CREATED,
    CLOUD_TEST_RUN_FINALIZED, Stage, TEARDOWN_EXECUTED, TEST_RUN_RUNNING, TestRun,
};
use crate::conditions::{self, Claim, Truth};
use crate::testrun::action::StatusWrite;

/// Reason of the condition `TeardownExecuted` from when teardown is about to be run until it is known how that went.
pub const TEARDOWN_BEGUN: &str = "TeardownBegun";

/// The merge patch for the status subresource. The uid makes it miss an object that was made again under the same name. A stage
/// is recorded onto the version alone that it was decided upon: an agent that takes over while its watch lags behind must not
/// record, and then do once more, what its predecessor has recorded already.
#[must_use]
pub fn patch(facts: &Facts<'_>, write: StatusWrite) -> Value {
    let known = &facts.run.status.conditions;
    let claims = match write {
        StatusWrite::Conditions if facts.state.block == Block::Started => vec![running(facts)],
        StatusWrite::Conditions if facts.state.block == Block::Stopped => vec![teardown_begun(facts)],
        StatusWrite::Conditions => vec![starting(facts)],
        StatusWrite::Stage(stage) => claims(facts, stage),
    };
    let mut status = json!({ "conditions": conditions::merge(known, &claims, None, facts.wall) });
    let mut metadata = json!({ "uid": facts.run.metadata.uid });
    if let StatusWrite::Stage(stage) = write {
        status["stage"] = json!(stage);
        status["testRunId"] = json!(facts.state.identity.id.to_string());
        metadata["resourceVersion"] = json!(facts.run.metadata.resource_version);
    }
    json!({ "metadata": metadata, "status": status })
}

/// The merge patch for a `TestRun` that is none of ours, or `None` where it stands already.
#[must_use]
pub fn refusal(run: &TestRun, message: &str, wall: SystemTime) -> Option<Value> {
    let claim = Claim::new(CLOUD_PLZ_TEST_RUN, Truth::False, "NotMadeByAgent", message);
    let known = &run.status.conditions;
    if claim.stands_in(known, None) {
        return None;
    }
    let status = json!({ "conditions": conditions::merge(known, &[claim], None, wall) });
    Some(json!({ "metadata": { "uid": run.metadata.uid }, "status": status }))
}

/// Whether teardown is to be run by this process once the runners have ended: setup has been run, or the test has started
/// and setup with it, as seen on a runner or by an earlier process, and someone is left to run teardown on.
#[must_use]
pub fn teardown_is_due(facts: &Facts<'_>) -> bool {
    let started = facts.state.block == Block::Started || facts.any_started();
    let set_up = facts.state.setup.was_run() || started;
    set_up && facts.reachable().is_some()
}

fn claims(facts: &Facts<'_>, stage: Stage) -> Vec<Claim> {
    match stage {
        Stage::Created => vec![
            starting(facts),
            Claim::new(
                CLOUD_TEST_RUN,
                Truth::True,
                "PrivateLoadZone",
                "the runners send their metrics to GCk6",
            ),
            Claim::new(
                CLOUD_TEST_RUN_CREATED,
                Truth::True,
                "CreatedByCloud",
                "GCk6 has created the test run",
            ),
            Claim::new(
                CLOUD_PLZ_TEST_RUN,
                Truth::True,
                "PrivateLoadZone",
                "GCk6 has listed it for this zone",
            ),
            Claim::new(CLOUD_TEST_RUN_ABORTED, Truth::False, "NotAborted", "nothing has ended it early"),
            Claim::new(CLOUD_TEST_RUN_FINALIZED, Truth::False, "NotEnded", "the test run is not over"),
            Claim::new(TEARDOWN_EXECUTED, Truth::False, "NotEnded", "the test run is not over"),
        ],
        Stage::Started => vec![running(facts)],
        Stage::Stopped => vec![stopped(facts), aborted(facts), teardown_begun(facts)],
        Stage::Finished | Stage::Error => {
            vec![stopped(facts), aborted(facts), teardown_done(facts), finalized(facts)]
        }
        Stage::New | Stage::Initialization | Stage::Initialized | Stage::Unknown => Vec::new(),
    }
}

fn running(facts: &Facts<'_>) -> Claim {
    let trouble = diagnose::trouble(facts).filter(|_| facts.state.block == Block::Started);
    if let Some(trouble) = trouble {
        let reason = if facts.holds(Fact::Unproven) {
            "Unconfirmed"
        } else if facts.state.refusal.is_some() {
            "Refused"
        } else {
            "RunnerSilent"
        };
        return Claim::new(TEST_RUN_RUNNING, Truth::True, reason, &trouble);
    }
    Claim::new(TEST_RUN_RUNNING, Truth::True, "RunnersResumed", &facts.state.all_started())
}

fn starting(facts: &Facts<'_>) -> Claim {
    let message = match diagnose::hold_up(facts) {
        Some(reason) => format!("waiting for the runners: {reason}"),
        None if facts.holds(Fact::RunnersSilent) => "the Jobs exist, waiting for the runners".to_owned(),
        None => "all runners are ready".to_owned(),
    };
    Claim::new(TEST_RUN_RUNNING, Truth::False, "RunnersStarting", &message)
}

fn stopped(facts: &Facts<'_>) -> Claim {
    match &facts.state.ending {
        Some(ending) => Claim::new(TEST_RUN_RUNNING, Truth::False, ending.cause.reason(), &ending.message),
        None => Claim::new(TEST_RUN_RUNNING, Truth::False, "TestEnded", "the test has ended on all runners"),
    }
}

fn aborted(facts: &Facts<'_>) -> Claim {
    match &facts.state.ending {
        Some(ending) if !ending.cause.is_verdict() => {
            Claim::new(CLOUD_TEST_RUN_ABORTED, Truth::True, ending.cause.reason(), &ending.message)
        }
        _ => Claim::new(CLOUD_TEST_RUN_ABORTED, Truth::False, "NotAborted", "nothing has ended it early"),
    }
}

fn teardown_begun(facts: &Facts<'_>) -> Claim {
    if teardown_is_due(facts) {
        let usual = "teardown() is about to be run; if this stays, the agent was restarted in the meantime";
        let message = diagnose::trouble(facts).unwrap_or_else(|| usual.to_owned());
        Claim::new(TEARDOWN_EXECUTED, Truth::Unknown, TEARDOWN_BEGUN, &message)
    } else {
        let message = "the test has not started, or no runner is left to run teardown() on";
        Claim::new(TEARDOWN_EXECUTED, Truth::False, "TeardownNotRun", message)
    }
}

fn teardown_done(facts: &Facts<'_>) -> Claim {
    match &facts.state.teardown {
        Teardown::Done => {
            Claim::new(TEARDOWN_EXECUTED, Truth::True, "TeardownExecuted", "teardown() was run once")
        }
        Teardown::Past => {
            let message = "teardown() was run once, before the agent was restarted";
            Claim::new(TEARDOWN_EXECUTED, Truth::True, "TeardownExecuted", message)
        }
        Teardown::Failed(message) => Claim::new(TEARDOWN_EXECUTED, Truth::False, "TeardownFailed", message),
        lost @ (Teardown::Lost | Teardown::Unclear) => {
            let message = lost.trouble().unwrap_or_default();
            Claim::new(TEARDOWN_EXECUTED, Truth::Unknown, "TeardownUnknown", message)
        }
        Teardown::NotOurs | Teardown::Due | Teardown::Running => {
            let message = "the test has not started, or no runner was left to run teardown() on";
            Claim::new(TEARDOWN_EXECUTED, Truth::False, "TeardownNotRun", message)
        }
    }
}

fn finalized(facts: &Facts<'_>) -> Claim {
    match &facts.state.finish {
        Some(Ok(())) => Claim::new(
            CLOUD_TEST_RUN_FINALIZED,
            Truth::True,
            "Finished",
            "GCk6 has been told that the test run is over",
        ),
        Some(Err(why)) => {
            let message = format!("GCk6 did not accept the end of the test run: {why}");
            Claim::new(CLOUD_TEST_RUN_FINALIZED, Truth::False, "FinishFailed", &message)
        }
        None if facts.state.proof == Proof::Denied => {
            let message = "GCk6 is not told about a test run that does not belong to this zone";
            Claim::new(CLOUD_TEST_RUN_FINALIZED, Truth::False, "FinishFailed", message)
        }
        None => {
            let message = "GCk6 could not be told in time that the test run is over; it will time out there";
            Claim::new(CLOUD_TEST_RUN_FINALIZED, Truth::False, "FinishFailed", message)
        }
    }
}
