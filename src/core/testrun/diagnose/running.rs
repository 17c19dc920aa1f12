//! What has befallen the script or a runner, and how the test has ended by itself.

use super::{after_colon, ending, of, who};
use crate::archive;
use crate::testrun::exits::{self, End};
use crate::testrun::facts::{Facts, Runner};
use crate::testrun::jobs::runner as job;
use crate::testrun::life::{FailureKind, Life, PodFailure};
use crate::testrun::state::{Job, Setup};
use crate::testrun::table::{Block, Fact};
use crate::testrun::termination::{Cause, Termination};

/// The script or a runner has failed.
pub(super) fn broken(facts: &Facts<'_>) -> Option<Termination> {
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
        Job::Gone(_) => "is gone: somebody deleted it",
        Job::Foreign => "was replaced by one that belongs to something else",
        _ => return None,
    };
    let job = job::name(&facts.run.metadata.name, runner.number);
    let message = format!("Job {job} of runner {} {what}", of(facts, runner.number));
    Some(ending(Cause::RunnerFailed, message))
}

/// The test has come to an end that it has made itself, or that somebody has made on a runner.
pub(super) fn ended_itself(facts: &Facts<'_>) -> Option<Termination> {
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
