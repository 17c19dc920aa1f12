//! How far `teardown()` is. It is never run twice: whatever leaves that open counts as run.

use super::{Job, RunState};
use crate::api::run::TestRun;
use crate::testrun::termination::Cause;

/// How far teardown is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Teardown {
    /// This process may not run it: it was not due, or an earlier process may have run it.
    #[default]
    NotOurs,
    /// An earlier process has recorded that it runs it, together with why the run ends. It did not come to that if a
    /// runner has not been stopped; the runners have to be asked.
    Unclear,
    /// An earlier process was killed while it ran, or just before, or after.
    Lost,
    /// An earlier process has got past it: Jobs are deleted only then, and one of them was found gone.
    Past,
    /// This process has recorded that it runs it now.
    Due,
    /// It is being run. It is never run again, on whatever runner.
    Running,
    /// It was run.
    Done,
    /// It failed.
    Failed(String),
}

/// What a person is told of a teardown whose end nobody has heard.
const TEARDOWN_LOST: &str =
    "teardown() may have been cut short: the agent was restarted while it ran, and it is never run twice";

impl Teardown {
    /// What is wrong with it, for a person, if anything is.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        match self {
            Self::Failed(message) => Some(message),
            Self::Lost | Self::Unclear => Some(TEARDOWN_LOST),
            Self::NotOurs | Self::Past | Self::Due | Self::Running | Self::Done => None,
        }
    }

    /// Whether an earlier process has begun it, and nothing says how far it got.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        matches!(self, Self::Lost | Self::Unclear)
    }
}

impl RunState {
    /// Reads off the Jobs whether an earlier process has got past teardown. They prove nothing where somebody else deletes
    /// them: the garbage collector in a deletion in the foreground, whoever has taken a runner away, or whoever deletes the
    /// namespace.
    pub fn settle_teardown(&mut self, run: &TestRun) {
        if !self.teardown.is_in_doubt() || run.metadata.is_deleting_in_foreground() {
            return;
        }
        let mut jobs = self.runners.values().map(|runner| matches!(runner.job, Job::Gone(_)));
        let cause = self.ending.as_ref().map(|ending| ending.cause);
        if cause == Some(Cause::NamespaceDeleted) {
            return;
        }
        let one_was_taken = cause == Some(Cause::RunnerFailed);
        if if one_was_taken { jobs.all(|gone| gone) } else { jobs.any(|gone| gone) } {
            self.teardown = Teardown::Past;
        }
    }
}
