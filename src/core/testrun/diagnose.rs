//! When a run has to end although its test is not over.
//!
//! Owns the order in which causes are looked for and the sentences that people read. Leaves alone what is done then.
//! Invariant: an answer that did not come is never taken for an end; only a pod's own status, GCk6's word, a person's
//! deletion or a deadline is.

use std::time::Duration;

use super::exits::{self, End};
use super::facts::{Facts, RUN_TIME_MAX, Runner, SETUP_TIME_MAX, SILENCE_MAX};
use super::identity::Identity;
use super::jobs::runner as job;
use super::life::{FailureKind, Life, PodFailure};
use super::state::{Crowd, Job, Keeping, Setup};
use super::table::{Block, Fact};
use super::termination::{Cause, Termination};
use super::{pod_refusal, script};
use crate::api::run::TestRun;
use crate::archive;
use crate::testrun::network;

/// After how many answers of "not found" in a row, one each 10 s, a run counts as gone from GCk6.
const STATE_MISSING_MAX: u32 = 3;

/// How long something may hold a runner up before the conditions say so.
pub const HOLD_UP_PATIENCE: Duration = Duration::from_secs(5);
/// How long one step of a start may simply take, pulling an image or loading the script, before the conditions say so.
const STEP_PATIENCE: Duration = Duration::from_secs(30);

/// How many runners a message names one by one.
const RUNNERS_NAMED_MAX: usize = 3;

/// Why the run has to end now, if it has to.
#[must_use]
pub fn diagnose(facts: &Facts<'_>) -> Option<Termination> {
    if !matches!(facts.state.block, Block::New | Block::Created | Block::Started) {
        return None;
    }
    asked_to_end(facts)
        .or_else(|| refused(facts))
        .or_else(|| broken(facts))
        .or_else(|| ended_itself(facts))
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
        return Some(ending(Cause::UnknownToCloud, "GCk6 does not know this test run any more".to_owned()));
    }
    let status = state.cloud_status?;
    Cause::from_cloud(status).map(|cause| ending(cause, format!("GCk6 reports the test run as {status}")))
}

/// It cannot even begin.
fn refused(facts: &Facts<'_>) -> Option<Termination> {
    let state = facts.state;
    if state.verdict.is_some() {
        return state.verdict.clone();
    }
    // How many there are to be is known only once the Jobs are to be made.
    if state.parallelism == 0 && !facts.holds(Fact::Unproven) {
        // An edit has no effect, and none that puts the number right.
        let message = facts.run.runners_refused().unwrap_or_else(|| {
            format!(
                "how many runners TestRun {} had is not known any more: its spec was edited, and GCk6 does not say; \
                 delete it and start the test anew",
                name(facts.run)
            )
        });
        return Some(ending(Cause::CouldNotStart, message));
    }
    if state.plan.as_ref().is_some_and(|plan| script::locate(&plan.spec.script).is_none()) {
        return Some(ending(
            Cause::CouldNotStart,
            format!("TestRun {}: {}", name(facts.run), job::Error::NoScript),
        ));
    }
    if let Keeping::Refused(why) = &facts.state.keeping {
        let message = format!("Secret {} with the archive's URL cannot be made: {why}", name(facts.run));
        return Some(ending(Cause::CouldNotStart, message));
    }
    facts
        .runners()
        .find_map(|runner| match &runner.state.job {
            Job::Refused(message) => Some(ending(
                Cause::CouldNotStart,
                format!(
                    "Job {} was refused by the API server: {message}",
                    job::name(&facts.run.metadata.name, runner.number)
                ),
            )),
            _ => None,
        })
        .or_else(|| {
            facts.runners().filter(Runner::lacks_pod).find_map(|runner| {
                let words = runner.state.refusal.as_deref().filter(|words| pod_refusal::is_final(words));
                words.map(|_| ending(Cause::CouldNotStart, pod_refused(facts, runner)))
            })
        })
}

/// The script or a runner has failed.
fn broken(facts: &Facts<'_>) -> Option<Termination> {
    if let Setup::Failed(message) = &facts.state.setup {
        return Some(ending(Cause::SetupFailed, format!("setup() of the script failed: {message}")));
    }
    if facts.state.block == Block::Created
        && let Some(runner) = facts.runners().find(|runner| runner.was_stopped_early())
    {
        let message = format!("k6 was stopped on {} before its test could start", who(facts, runner));
        return Some(ending(Cause::CouldNotStart, message));
    }
    facts.runners().filter(|runner| !runner.has_ended()).find_map(|runner| {
        if let Some(ending) = job_lost(facts, runner) {
            return Some(ending);
        }
        match runner.pod {
            Some(pod) => match &pod.life {
                Life::Failed(failure) => Some(runner_failed(facts, runner, failure)),
                _ => None,
            },
            // Of a Job that is not known no pod is known either.
            None if runner.state.job.uid().is_none() => None,
            // Every started run had all its pods, and every pod that was seen was there.
            None if runner.state.pod_seen || facts.state.block == Block::Started => Some(ending(
                Cause::RunnerFailed,
                format!(
                    "the pod of runner {} is gone: it was deleted, or its node was removed",
                    of(facts, runner.number)
                ),
            )),
            None => None,
        }
    })
}

/// The Job of a runner that was made is gone, or is not ours any more.
fn job_lost(facts: &Facts<'_>, runner: Runner<'_>) -> Option<Termination> {
    let what = match runner.state.job {
        _ if facts.state.block == Block::New => return None,
        Job::Gone(_) => "is gone: somebody has deleted it",
        Job::Foreign => "was replaced by one that belongs to something else",
        _ => return None,
    };
    let job = job::name(&facts.run.metadata.name, runner.number);
    let message = format!("Job {job} of runner {} {what}", of(facts, runner.number));
    Some(ending(Cause::RunnerFailed, message))
}

/// The test has come to an end that it has made itself, or that somebody has made on a runner.
fn ended_itself(facts: &Facts<'_>) -> Option<Termination> {
    let has_started = facts.state.block == Block::Started || facts.any_started();
    let (runner, end) = if has_started { end_that_counts(facts)? } else { facts.ends().next()? };
    let who = who(facts, runner);
    let said = runner.exit().map(|exit| after_colon(&exit.message)).unwrap_or_default();
    if let Some(cause) = end.cause.filter(|cause| has_started || !cause.is_verdict()) {
        return Some(ending(cause, format!("{} on {who}{said}", end.words)));
    }
    // The end of a test that has not begun is no end.
    let code = runner.exit().map_or(0, |exit| exit.code);
    let message =
        format!("k6 exited with code {code} ({}) on {who} before its test could start{said}", end.words);
    Some(ending(Cause::CouldNotStart, message))
}

/// One runner that has cut its test short ends the whole, unless it may have been GCk6 that did it. How the test came out
/// counts once all runners are over.
fn end_that_counts<'a>(facts: &Facts<'a>) -> Option<(Runner<'a>, End)> {
    if facts.holds(Fact::EndUnclear) {
        return None;
    }
    let is_cut = |end: &End| end.cause.is_some_and(|cause| !cause.is_verdict());
    let cut = facts.ends().find(|(_, end)| is_cut(end));
    cut.or_else(|| {
        let is_over = facts.runners().all(|runner| runner.has_ended());
        facts.ends().find(|(_, end)| is_over && end.cause.is_some())
    })
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
                "setup() was not over within {} min after the runners' start",
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

fn runner_failed(facts: &Facts<'_>, runner: Runner<'_>, failure: &PodFailure) -> Termination {
    let who = who(facts, runner);
    let said = after_colon(&failure.message);
    let before_start = facts.state.block != Block::Started;
    let other = if before_start { Cause::CouldNotStart } else { Cause::RunnerFailed };
    let container = failure.container.as_str();
    match failure.kind {
        FailureKind::OutOfMemory if container.is_empty() => ending(
            Cause::OutOfMemory,
            format!(
                "{who} ran out of memory{said}; raise spec.resources.limits.memory of the PrivateLoadZone, or use more runners"
            ),
        ),
        FailureKind::OutOfMemory => ending(
            other,
            format!(
                "init container {container} of {who} ran out of memory{said}; raise the memory limit of that container"
            ),
        ),
        FailureKind::NotStarted if container.is_empty() => ending(
            other,
            format!(
                "k6 never ran on {who}: image {} cannot start it{said}; set spec.image of the PrivateLoadZone to one with k6 in its PATH",
                facts.run.spec.runner.image
            ),
        ),
        FailureKind::NotStarted => {
            ending(other, format!("init container {container} of {who} could not be started{said}"))
        }
        FailureKind::Evicted => ending(other, format!("{who} was evicted{said}")),
        FailureKind::Deleted => ending(other, format!("{who} was deleted by somebody else{said}")),
        FailureKind::Download(code) => {
            ending(other, format!("{who}: {}", archive::outcome(code, &failure.message).message))
        }
        FailureKind::Init(code) => {
            ending(other, format!("init container {container} of {who} exited with code {code}{said}"))
        }
        FailureKind::K6(code) => {
            let end = exits::of_code(code);
            let cause = end.cause.filter(|cause| *cause != Cause::RunnerFailed).unwrap_or(other);
            ending(
                cause,
                match cause {
                    Cause::ScriptException | Cause::Panicked => format!("{} on {who}{said}", end.words),
                    _ => format!("k6 exited with code {code} ({}) on {who}{said}", end.words),
                },
            )
        }
        FailureKind::Unknown => ending(other, format!("{who} failed{said}")),
    }
}

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
        "GCk6 has not confirmed since the agent's start that test run {id} is of PrivateLoadZone {zone}{error}"
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
            _ => Some(format!("Secret {} with the archive's URL is not made yet", name(facts.run))),
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
                "no pod has been made for Job {}; see its events for a quota or an admission webhook",
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
            "what setup() has returned waits to be handed to the runners: others' data are being handed on, \
             and the agent holds 8 MiB of them at a time"
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
        "{code} waits for its turn: {all} setup() and teardown() functions are running, {own} of them in namespace {namespace}"
    ))
}

/// Why no pod is made of a Job, in the words of its Event.
fn pod_refused(facts: &Facts<'_>, runner: Runner<'_>) -> String {
    let words = runner.state.refusal.as_deref().unwrap_or_default();
    let job = job::name(&facts.run.metadata.name, runner.number);
    format!("the pod of Job {job} is refused: {words}{}", pod_refusal::advice(words))
}

/// What a pod's status does not say: a volume that cannot be mounted is told in an event only.
fn being_made(facts: &Facts<'_>) -> String {
    let text = "its containers are being made or the archive is being downloaded";
    match network::awaited_config_map(&facts.run.spec.runner) {
        Some(config_map) => {
            let namespace = &facts.run.metadata.namespace;
            format!(
                "{text}; the pod waits as long as {config_map} (--runner-ca) is missing in namespace {namespace}"
            )
        }
        None => text.to_owned(),
    }
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
