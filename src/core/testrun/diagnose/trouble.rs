//! What keeps a run from moving on, for the conditions. None of it ends the run.

use std::time::Duration;

use super::{name, of, pod_refused};
use crate::testrun::facts::{Facts, Runner, SILENCE_MAX};
use crate::testrun::identity::Identity;
use crate::testrun::jobs::runner as job;
use crate::testrun::life::Life;
use crate::testrun::network;
use crate::testrun::state::{Crowd, Job, Keeping};
use crate::testrun::table::{Block, Fact};

/// How long something may hold a runner up before the conditions say so.
pub const HOLD_UP_PATIENCE: Duration = Duration::from_secs(5);
/// How long one step of a start may simply take, pulling an image or loading the script, before the conditions say so.
const STEP_PATIENCE: Duration = Duration::from_secs(30);

/// How many runners a message names one by one.
const RUNNERS_NAMED_MAX: usize = 3;

/// The runners that the start waits for: before all Jobs exist, those whose Job does not.
fn waited_for<'a>(facts: &Facts<'a>) -> impl Iterator<Item = Runner<'a>> {
    let jobs_missing = facts.state.block == Block::New;
    facts.runners().filter(move |runner| {
        if jobs_missing { !matches!(runner.state.job, Job::Ours(_)) } else { !runner.is_ready() }
    })
}

/// What is wrong with the runners, if anything is: why the start does not move on, or who has fallen silent.
#[must_use]
pub fn trouble(facts: &Facts<'_>) -> Option<String> {
    match facts.state.block {
        // It mostly takes no longer than the question.
        _ if facts.holds(Fact::Unproven) => {
            let is_late = facts.now >= facts.state.known_since + HOLD_UP_PATIENCE;
            facts.state.proof_error.as_ref().filter(|_| is_late).map(|_| unproven(facts))
        }
        Block::Started => silence(facts).or_else(|| facts.state.refusal.clone()),
        Block::Stopped => turn_awaited(facts, "teardown()"),
        _ => stalls_at(facts).filter(|at| facts.now >= *at).and_then(|_| hold_up(facts)),
    }
}

/// Why nothing is done for the run yet.
fn unproven(facts: &Facts<'_>) -> String {
    let Identity { id, zone, .. } = &facts.state.identity;
    let error = facts.state.proof_error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    format!(
        "GCk6 has not confirmed since the agent's start that test run {id} belongs to PrivateLoadZone {zone}{error}"
    )
}

/// When the start counts as stalled unless a runner that it waits for takes a step forward.
#[must_use]
pub fn stalls_at(facts: &Facts<'_>) -> Option<Duration> {
    if facts.state.block == Block::Stopped {
        return None;
    }
    let is_held_up = facts.state.keeping == Keeping::Foreign || setup_waits(facts).is_some();
    if is_held_up || facts.state.refusal.is_some() {
        return Some(facts.state.since + HOLD_UP_PATIENCE);
    }
    waited_for(facts).map(|runner| runner_stalls_at(facts, runner)).min()
}

/// The patience counts from a runner's last step forward.
fn runner_stalls_at(facts: &Facts<'_>, runner: Runner<'_>) -> Duration {
    let is_held_up = matches!(runner.pod.map(|pod| &pod.life), None | Some(Life::Waiting(Some(_))));
    let patience = if is_held_up { HOLD_UP_PATIENCE } else { STEP_PATIENCE };
    runner.state.moved_at.max(facts.state.since) + patience
}

/// Which running runners have not answered for long. That is no end: k6 may be busy, and its pod says if it is gone.
fn silence(facts: &Facts<'_>) -> Option<String> {
    let is_silent = |runner: &Runner<'_>| {
        !runner.has_ended() && runner.state.silent_since.is_some_and(|since| facts.now >= since + SILENCE_MAX)
    };
    let mut silent = facts.runners().filter(is_silent);
    let first = silent.next()?;
    let (why, more) = (first.state.trouble.as_deref().unwrap_or_default(), silent.count());
    let others = if more == 0 { String::new() } else { format!(", and {more} more") };
    let who = of(facts, first.number);
    Some(format!("runner {who} has not answered for {} s{others}: {why}", SILENCE_MAX.as_secs()))
}

/// What keeps the runners from being ready, runner by runner, if anything but time does.
#[must_use]
pub fn hold_up(facts: &Facts<'_>) -> Option<String> {
    if facts.holds(Fact::Unproven) {
        return Some(unproven(facts));
    }
    if facts.state.refusal.is_some() {
        return facts.state.refusal.clone();
    }
    if facts.state.block == Block::New && facts.holds(Fact::CredentialsMissing) {
        return match facts.state.keeping {
            Keeping::Foreign => {
                Some(format!("Secret {} exists and belongs to something else; delete it", name(facts.run)))
            }
            _ => Some(format!("Secret {} with the archive's URL has not been created yet", name(facts.run))),
        };
    }
    let mut reasons = Vec::new();
    let mut more = 0;
    for runner in waited_for(facts) {
        let reason = match (runner.pod, &runner.state.job) {
            (None, Job::Foreign) => format!(
                "Job {} exists and belongs to something else; delete it",
                job::name(&facts.run.metadata.name, runner.number)
            ),
            (None, Job::Unknown | Job::Unclear) if facts.state.block != Block::New => {
                format!("Job {} is being looked up", job::name(&facts.run.metadata.name, runner.number))
            }
            (None, _) if runner.state.refusal.is_some() => pod_refused(facts, runner),
            (None, _) => format!(
                "Job {} has no pod yet; check its Events for a quota or an admission webhook",
                job::name(&facts.run.metadata.name, runner.number)
            ),
            (Some(pod), _) => match (&pod.life, &runner.state.trouble) {
                (Life::Waiting(Some(reason)), _) => reason.clone(),
                (Life::Waiting(None), _) => being_made(facts),
                // Nobody listens until k6 has read the script.
                (_, Some(trouble)) if facts.now >= runner_stalls_at(facts, runner) => trouble.clone(),
                _ => "k6 is loading the script".to_owned(),
            },
        };
        if reasons.len() == RUNNERS_NAMED_MAX {
            more += 1;
        } else {
            reasons.push(format!("runner {}: {reason}", of(facts, runner.number)));
        }
    }
    if more > 0 {
        reasons.push(format!("and {more} more"));
    }
    (!reasons.is_empty()).then(|| reasons.join("; ")).or_else(|| setup_waits(facts))
}

/// What setup waits for that others have: a place to run in, or room for what it has returned.
fn setup_waits(facts: &Facts<'_>) -> Option<String> {
    let data = || {
        facts.state.data_waits_since.map(|_| {
            "what setup() returned is waiting to be passed to the runners: the agent holds 8 MiB of such data at a \
             time, and other runs are using it"
                .to_owned()
        })
    };
    turn_awaited(facts, "setup()").or_else(data)
}

/// What the user's code waits for.
fn turn_awaited(facts: &Facts<'_>, code: &str) -> Option<String> {
    let Crowd { all, own } = facts.state.user_code_waits?;
    let namespace = &facts.run.metadata.namespace;
    Some(format!(
        "{code} is waiting for its turn: {all} setup() and teardown() functions are running, {own} of them in \
         namespace {namespace}"
    ))
}

/// What a pod's status does not say: a volume that cannot be mounted is told in an event only.
fn being_made(facts: &Facts<'_>) -> String {
    let text = "its containers are being created or the archive is being downloaded";
    match network::awaited_config_map(&facts.run.spec.runner) {
        Some(config_map) => {
            let namespace = &facts.run.metadata.namespace;
            format!("{text}; the pod waits until {config_map} (--runner-ca) exists in namespace {namespace}")
        }
        None => text.to_owned(),
    }
}
