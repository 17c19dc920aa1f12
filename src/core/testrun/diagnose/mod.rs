//! When a run has to end although its test is not over.
//!
//! Owns the order in which causes are looked for and the sentences that people read. Leaves alone what is done then.
//! Invariant: an answer that did not come is never taken for an end; only a pod's own status, GCk6's word, a person's
//! deletion or a deadline is.

mod running;
mod starting;
mod trouble;

use super::facts::{Facts, RUN_TIME_MAX, Runner, SETUP_TIME_MAX};
use super::jobs::runner as job;
use super::pod_refusal;
use super::table::{Block, Fact};
use super::termination::{Cause, Termination};
use crate::api::run::TestRun;

pub use trouble::{HOLD_UP_PATIENCE, hold_up, stalls_at, trouble};

/// After how many answers of "not found" in a row, one each 10 s, a run counts as gone from GCk6.
const STATE_MISSING_MAX: u32 = 3;

/// Why the run has to end now, if it has to.
#[must_use]
pub fn diagnose(facts: &Facts<'_>) -> Option<Termination> {
    if !matches!(facts.state.block, Block::New | Block::Created | Block::Started) {
        return None;
    }
    asked_to_end(facts)
        .or_else(|| starting::refused(facts))
        .or_else(|| running::broken(facts))
        .or_else(|| running::ended_itself(facts))
        .or_else(|| too_late(facts))
}

/// Somebody wants it to end.
fn asked_to_end(facts: &Facts<'_>) -> Option<Termination> {
    let state = facts.state;
    if state.namespace_deleting {
        return Some(Termination::of_namespace(&facts.run.metadata.namespace));
    }
    if facts.run.metadata.deletion_timestamp.is_some() {
        return Some(ending(
            Cause::TestRunDeleted,
            format!("TestRun {} is being deleted in the cluster", name(facts.run)),
        ));
    }
    if facts.zone_deleting {
        return Some(ending(
            Cause::ZoneDeleted,
            format!("the PrivateLoadZone of TestRun {} is deleted in the cluster", name(facts.run)),
        ));
    }
    if state.state_missing >= STATE_MISSING_MAX {
        return Some(ending(Cause::UnknownToCloud, "GCk6 no longer knows this test run".to_owned()));
    }
    let status = state.cloud_status?;
    Cause::from_cloud(status).map(|cause| ending(cause, format!("GCk6 reports the test run as {status}")))
}

/// A deadline has passed.
fn too_late(facts: &Facts<'_>) -> Option<Termination> {
    let since = if facts.state.block == Block::Started { facts.state.since } else { facts.state.known_since };
    let waited = facts.now.saturating_sub(since);
    match facts.state.block {
        Block::New | Block::Created
            if waited >= facts.start_deadline
                && (facts.holds(Fact::RunnersSilent) || facts.holds(Fact::Unproven)) =>
        {
            let why = hold_up(facts).unwrap_or_else(|| "no reason is known".to_owned());
            Some(ending(
                Cause::StartDeadlineExceeded,
                format!("the runners were not ready within {} s: {why}", facts.start_deadline.as_secs()),
            ))
        }
        Block::New | Block::Created if waited >= facts.start_deadline + SETUP_TIME_MAX => Some(ending(
            Cause::StartDeadlineExceeded,
            format!(
                "setup() did not finish within {} min after the runners' start",
                SETUP_TIME_MAX.as_secs() / 60
            ),
        )),
        Block::Started if waited >= RUN_TIME_MAX => Some(ending(
            Cause::RunTimeExceeded,
            format!("the test did not end within {} h", RUN_TIME_MAX.as_secs() / 3600),
        )),
        _ => None,
    }
}

/// Why no pod is made of a Job, in the words of its Event.
fn pod_refused(facts: &Facts<'_>, runner: Runner<'_>) -> String {
    let words = runner.state.refusal.as_deref().unwrap_or_default();
    let job = job::name(&facts.run.metadata.name, runner.number);
    format!("the pod of Job {job} is rejected: {words}{}", pod_refusal::advice(words))
}

/// A runner with its pod: its log is found by that.
fn who(facts: &Facts<'_>, runner: Runner<'_>) -> String {
    let pod = runner.pod.map(|pod| format!(" (pod {})", pod.name())).unwrap_or_default();
    format!("runner {}{pod}", of(facts, runner.number))
}

/// What was said of it, to go after the sentence that it belongs to.
fn after_colon(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {words}") }
}

fn of(facts: &Facts<'_>, number: u32) -> String {
    format!("{number}/{}", facts.state.parallelism)
}

fn name(run: &TestRun) -> String {
    run.metadata.key().to_string()
}

fn ending(cause: Cause, message: String) -> Termination {
    Termination { cause, message }
}
