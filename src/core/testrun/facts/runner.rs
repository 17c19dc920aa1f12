//! What is true of one runner.

use crate::api::run::TestRun;
use crate::testrun::life::Life;
use crate::testrun::pod::RunnerPod;
use crate::testrun::pods::Pods;
use crate::testrun::state::{Job, RunnerMemory};

/// One runner, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub struct Runner<'a> {
    /// From 1.
    pub number: u32,
    /// Its pod, if there is one.
    pub pod: Option<&'a RunnerPod>,
    /// What is remembered of it.
    pub state: &'a RunnerMemory,
}

impl<'a> Runner<'a> {
    /// A runner with its pod: the oldest of its Job's that has not failed. One that was replaced and still lingers says nothing
    /// about its successor, and who forges a pod comes later than the Job's own.
    #[must_use]
    pub fn new(run: &'a TestRun, number: u32, state: &'a RunnerMemory, pods: &'a Pods) -> Self {
        let mut runner = Self { number, pod: None, state };
        let age = |pod: &&'a RunnerPod| (matches!(pod.life, Life::Failed(_)), pod.created);
        runner.pod = runner.pods(run, pods).min_by_key(age);
        runner
    }

    pub(super) fn pods(
        &self,
        run: &'a TestRun,
        pods: &'a Pods,
    ) -> impl Iterator<Item = &'a RunnerPod> + use<'a> {
        let uid = self.state.job.uid();
        uid.map(|uid| pods.of_job(&run.metadata.namespace, uid)).into_iter().flatten()
    }

    /// The pod and its address, while k6 runs in it.
    #[must_use]
    pub fn address(&self) -> Option<(&'a RunnerPod, &'a str)> {
        let pod = self.pod.filter(|pod| pod.life == Life::Running)?;
        Some((pod, pod.ip.as_deref()?))
    }

    /// Whether it has answered that it is paused before the start, or is past that.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let answered = self
            .state
            .status
            .as_ref()
            .is_some_and(|status| status.is_paused_before_start() || status.has_started());
        answered || self.exit().is_some()
    }

    /// Whether its test is over. A call that fails never means that.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.exit().is_some() || self.state.status.as_ref().is_some_and(|status| status.has_ended())
    }

    /// Whether somebody has stopped it, as far as this process knows without letting it go first.
    #[must_use]
    pub fn was_stopped_early(&self) -> bool {
        !self.state.resumed
            && self.state.status.as_ref().is_some_and(|status| status.was_stopped_before_start())
    }

    /// Whether it waits to be let go.
    #[must_use]
    pub fn is_to_resume(&self) -> bool {
        !self.state.resumed
            && !self.has_ended()
            && self.state.status.as_ref().is_some_and(|status| status.is_paused_before_start())
    }

    /// Whether it has to be told to stop.
    #[must_use]
    pub fn is_to_stop(&self) -> bool {
        self.address().is_some() && !self.has_ended() && !self.state.stopped
    }

    /// Whether its Job exists, and no pod of it was ever seen.
    #[must_use]
    pub fn lacks_pod(&self) -> bool {
        matches!(self.state.job, Job::Ours(_)) && self.pod.is_none() && !self.state.pod_seen
    }

    /// Whether its Job has to be looked up.
    #[must_use]
    pub fn job_is_unseen(&self) -> bool {
        matches!(self.state.job, Job::Unknown | Job::Unclear | Job::Contested(_))
    }

    /// Whether its Job may still exist, and would be ours to delete.
    #[must_use]
    pub fn job_is_left(&self) -> bool {
        !matches!(self.state.job, Job::Deleted(_) | Job::Gone(_) | Job::Foreign | Job::Refused(_))
    }
}
