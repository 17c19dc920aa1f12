//! Why a run cannot even begin.

use super::{ending, name, pod_refused};
use crate::testrun::facts::{Facts, Runner};
use crate::testrun::jobs::runner as job;
use crate::testrun::state::{Job, Keeping};
use crate::testrun::table::Fact;
use crate::testrun::termination::{Cause, Termination};
use crate::testrun::{pod_refusal, script};

/// It cannot even begin.
pub(super) fn refused(facts: &Facts<'_>) -> Option<Termination> {
    let state = facts.state;
    if state.verdict.is_some() {
        return state.verdict.clone();
    }
    // How many there are to be is known only once the Jobs are to be made.
    if state.parallelism == 0 && !facts.holds(Fact::Unproven) {
        // An edit has no effect, and none that puts the number right.
        let message = facts.run.runners_refused().unwrap_or_else(|| {
            format!(
                "it is unknown how many runners TestRun {} had: its spec was edited, and GCk6 does not say; \
                 delete it and start the test again",
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
        let message = format!("Secret {} with the archive's URL cannot be created: {why}", name(facts.run));
        return Some(ending(Cause::CouldNotStart, message));
    }
    facts
        .runners()
        .find_map(|runner| match &runner.state.job {
            Job::Refused(message) => Some(ending(
                Cause::CouldNotStart,
                format!(
                    "the API server rejected Job {}: {message}",
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
