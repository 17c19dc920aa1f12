//! Until when what is waited for: whatever turns a fact over by mere passing of time.

use std::time::Duration;

use super::{
    CLOUD_PATIENCE, CLOUD_WORD_PATIENCE, DELETION_PATIENCE, Facts, NAMESPACE_PATIENCE, PODS_PATIENCE,
    PODS_PATIENCE_PER_RUNNER, RECORD_PATIENCE, RUN_TIME_MAX, SETUP_TIME_MAX, STOP_PATIENCE,
};
use crate::testrun::state::Teardown;
use crate::testrun::table::Block;

impl Facts<'_> {
    /// When a fact may next turn over although nothing happens.
    #[must_use]
    pub fn next_change(&self) -> Option<Duration> {
        let since = self.state.since;
        let ending = self.state.ending.is_some().then_some(self.state.ending_since);
        let stop = ending.map(|since| since + STOP_PATIENCE);
        let overdue = ending.map(|since| since + RECORD_PATIENCE);
        let deletion = self.deletion_end();
        let unclear_end = self.may_be_of_namespace().then(|| self.namespace_end());
        let candidates = match self.state.block {
            Block::New | Block::Created => {
                let start = self.state.known_since + self.start_deadline;
                [Some(if self.now < start { start } else { start + SETUP_TIME_MAX }), stop, overdue, deletion]
            }
            Block::Started => {
                let word = self.cloud_word_awaited_until();
                // When it is to stop, GCk6's word is not waited for any more.
                [Some(since + RUN_TIME_MAX), stop.or(word), overdue, deletion]
            }
            Block::Stopped | Block::Gone => {
                let unclear = (self.state.teardown == Teardown::Unclear).then_some(since + STOP_PATIENCE);
                [Some(self.pods_end()), Some(since + CLOUD_PATIENCE), stop.or(unclear), deletion]
            }
            Block::Done => [None; 4],
        };
        candidates.into_iter().chain([unclear_end]).flatten().filter(|at| *at > self.now).min()
    }

    pub(super) fn namespace_end(&self) -> Duration {
        self.state.ending_since + NAMESPACE_PATIENCE
    }

    /// Until when a run that somebody deletes is given to come to its end.
    pub(super) fn deletion_end(&self) -> Option<Duration> {
        self.state.deleting_since.map(|since| since + DELETION_PATIENCE)
    }

    /// Until when pods are waited for: from the last one that went, and so long for all of them.
    pub(super) fn pods_end(&self) -> Duration {
        let state = self.state;
        let begun = state.jobs_deleted.unwrap_or(state.since).max(state.since);
        let moved = state.pod_went.unwrap_or(begun).max(begun);
        let most = begun + PODS_PATIENCE + PODS_PATIENCE_PER_RUNNER * state.parallelism;
        (moved + PODS_PATIENCE).min(most)
    }

    /// Until when GCk6 is asked whether it has interrupted the test: k6 stops by itself when GCk6 takes no more metrics, for
    /// instance of a test that a user has aborted there. None if there is nothing to ask, or if GCk6 has been asked since.
    #[must_use]
    pub fn cloud_word_awaited_until(&self) -> Option<Duration> {
        let last_end = self.state.last_end?;
        let is_asked = self.state.state_as_of >= Some(last_end);
        let is_open = !is_asked && self.runners().any(|runner| runner.was_interrupted());
        is_open.then_some(last_end + CLOUD_WORD_PATIENCE)
    }

    pub(super) fn within(&self, patience: Duration) -> bool {
        self.now < self.state.since + patience
    }
}
