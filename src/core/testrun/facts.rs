//! What is true of a run: every [`Fact`] read off the object, its pods and the memory.
//!
//! Owns the limits on how long a stage may wait. Leaves alone what follows from a fact (see `stage`) and why a run ends
//! (see `detect`). Invariant: `holds` changes nothing, and whatever turns a fact over by mere passing of time has its
//! moment in `next_change`.

use std::time::{Duration, SystemTime};

use super::credentials;
use super::life::Life;
use super::pod::RunnerPod;
use super::proof::Proof;
use super::state::{Job, Keeping, RunState, RunnerMemory, Setup, Teardown};
use super::table::{Block, Fact};
use crate::api::run::TestRun;
use crate::store::Store;

/// How often a run's state is asked of GCk6.
pub const STATE_CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// How often a running runner is asked for its status. The end of a run is seen within this time.
pub const RUNNER_POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How many of a run's runners are asked in a second, on average, while one speaks for all.
pub const HEARTBEATS_PER_SECOND_MAX: u32 = 10;
/// How often every runner is asked at the most.
pub const HEARTBEAT_INTERVAL_MIN: Duration = Duration::from_secs(2);
/// How often every runner is asked at the least.
pub const HEARTBEAT_INTERVAL_MAX: Duration = Duration::from_secs(30);
/// How long a runner may leave calls unanswered before the conditions say so.
pub const SILENCE_MAX: Duration = Duration::from_secs(15);
/// How often a runner that answers, but is not ready, is asked again.
pub const READY_POLL_INTERVAL: Duration = Duration::from_millis(250);
/// How long GCk6 is given to say that it was the one who interrupted the test on a runner.
pub const CLOUD_WORD_PATIENCE: Duration = Duration::from_secs(10);
/// How long the cause of an early end is given to be recorded before the runners are stopped without that.
pub const RECORD_PATIENCE: Duration = Duration::from_secs(3);
/// How long GCk6 is not told of an end that may be the namespace's, until the Event about it is taken or refused.
pub const NAMESPACE_PATIENCE: Duration = Duration::from_secs(3);
/// How long runners are given to take "stop". Deleting their Jobs stops them anyway.
pub const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// How long pods are given to go, from their deletion or the last one that went: twice the default grace period of 30 s. A pod
/// on a lost node never goes.
pub const PODS_PATIENCE: Duration = Duration::from_secs(60);
/// How much longer they are given in all, for each runner: a slow node ends them one after another.
pub const PODS_PATIENCE_PER_RUNNER: Duration = Duration::from_secs(2);
/// How long a `TestRun` that somebody deletes is kept for its run to come to its end.
pub const DELETION_PATIENCE: Duration = Duration::from_secs(180);
/// How long GCk6 is told again and again what has happened while it cannot be reached: longer than a line to the world is
/// usually gone.
pub const CLOUD_PATIENCE: Duration = Duration::from_secs(4 * 3600);
/// How long setup may take after all runners are ready, tries included.
pub const SETUP_TIME_MAX: Duration = Duration::from_secs(30 * 60);
/// How long a test may run. GCk6 ends every test long before; this is for runs that it has forgotten.
pub const RUN_TIME_MAX: Duration = Duration::from_secs(48 * 3600);

/// All that decisions about one run are made on.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The clock of deadlines.
    pub now: Duration,
    /// The clock of timestamps.
    pub wall: SystemTime,
    /// The object.
    pub run: &'a TestRun,
    /// What is remembered of it.
    pub state: &'a RunState,
    /// Whether its zone is being deleted, or is gone.
    pub zone_deleting: bool,
    /// How long runners may take to answer.
    pub start_deadline: Duration,
    runners: Vec<Runner<'a>>,
    /// How many pods of its runners are still there.
    pub pods_left: usize,
    /// How many of them claim to be a runner whose Job was gone before this process could know it.
    pods_unknown: usize,
}

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

impl<'a> Facts<'a> {
    /// The facts about `run`, with the pods that `store` has of its Jobs.
    #[must_use]
    pub fn new(
        (now, wall): (Duration, SystemTime),
        run: &'a TestRun,
        store: &'a Store,
        state: &'a RunState,
        zone_deleting: bool,
        start_deadline: Duration,
    ) -> Self {
        let mut runners = Vec::with_capacity(state.runners.len());
        runners.extend(state.runners.iter().map(|(number, runner)| Runner::new(run, *number, runner, store)));
        let known: usize = runners.iter().map(|runner| runner.pods(run, store).count()).sum();
        // What claims to be a runner of a Job that nobody knows any more is waited for, and no more than that.
        let is_unsure = runners.iter().any(|runner| runner.state.job.uid().is_none());
        let pods_unknown =
            if is_unsure { store.claims(&run.metadata.key()).saturating_sub(known) } else { 0 };
        let pods_left = known + pods_unknown;
        Self { now, wall, run, state, zone_deleting, start_deadline, runners, pods_left, pods_unknown }
    }

    /// Whether `fact` is true now.
    #[must_use]
    pub fn holds(&self, fact: Fact) -> bool {
        let state = self.state;
        match fact {
            Fact::DeletionOverdue => {
                self.run.has_finalizer() && self.deletion_end().is_some_and(|end| self.now >= end)
            }
            Fact::StopOverdue => {
                self.now >= state.ending_since + RECORD_PATIENCE && self.holds(Fact::RunnersToStop)
            }
            Fact::RunnersToStop => {
                state.ending.as_ref().is_some_and(|ending| !ending.cause.is_verdict())
                    && self.now < state.ending_since + STOP_PATIENCE
                    && (self.pods_unknown > 0 || self.runners().any(|runner| runner.is_to_stop()))
            }
            Fact::Termination => state.ending.is_some(),
            Fact::EventsDue => {
                let is_known = state.proof == Proof::Proven && self.within(CLOUD_PATIENCE);
                is_known && (self.ending_untold() || self.teardown_failure_untold())
            }
            Fact::Unproven => match state.proof {
                // How it ended can be told for so long, and hence whose it is.
                Proof::Unknown => state.block < Block::Stopped || self.within(CLOUD_PATIENCE),
                Proof::Proven => state.block == Block::New && state.plan.is_none(),
                Proof::Denied => false,
            },
            Fact::CredentialsMissing => {
                let is_awaited = state.plan.as_deref().is_some_and(credentials::are_awaited);
                state.keeping != Keeping::Kept && is_awaited
            }
            Fact::EndUnclear => state.ending.is_none() && self.cloud_word_awaited_until() > Some(self.now),
            Fact::JobsMissing => self.runners().any(|runner| !matches!(runner.state.job, Job::Ours(_))),
            Fact::RunnersSilent => self.runners().any(|runner| !runner.is_ready()),
            Fact::SetupDue => !self.any_started() && !matches!(state.setup, Setup::Run(_)),
            Fact::SetupDataDue => !self.any_started() && self.runners().any(|runner| !runner.state.data_sent),
            Fact::RunnersPaused => self.runners().any(|runner| runner.is_to_resume()),
            Fact::RunnersRunning => self.runners().any(|runner| !runner.has_ended()),
            Fact::JobsUnseen => self.jobs_unseen(),
            Fact::TeardownUnclear => {
                state.teardown == Teardown::Unclear
                    && self.within(STOP_PATIENCE)
                    && self
                        .runners()
                        .any(|runner| runner.address().is_some() && runner.state.status.is_none())
            }
            Fact::TeardownDue => match state.teardown {
                Teardown::Due => self.for_teardown().is_some(),
                Teardown::Running => true,
                Teardown::NotOurs
                | Teardown::Unclear
                | Teardown::Lost
                | Teardown::Past
                | Teardown::Done
                | Teardown::Failed(_) => false,
            },
            Fact::JobsLeft => self.runners().any(|runner| runner.job_is_left()),
            Fact::PodsLeft => self.pods_left > 0 && self.now < self.pods_end(),
            Fact::FinishDue => {
                state.proof == Proof::Proven && self.within(CLOUD_PATIENCE) && state.finish.is_none()
            }
            Fact::Held => self.run.has_finalizer(),
            Fact::CleanupDue => self.run.spec.cleans_up(),
            Fact::Otherwise => true,
        }
    }

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

    /// The runners, in the order of their numbers.
    pub fn runners(&self) -> impl Iterator<Item = Runner<'a>> + '_ {
        self.runners.iter().copied()
    }

    /// One runner.
    #[must_use]
    pub fn runner(&self, number: u32) -> Option<Runner<'a>> {
        let at = self.runners.binary_search_by_key(&number, |runner| runner.number).ok()?;
        Some(self.runners[at])
    }

    /// The first runner that can be spoken to.
    #[must_use]
    pub fn reachable(&self) -> Option<Runner<'a>> {
        self.runners().find(|runner| runner.address().is_some())
    }

    /// The first runner that teardown can be run on: its test has ended, or it has taken "stop". One that has not answered
    /// that would leave teardown without an answer too.
    #[must_use]
    pub fn for_teardown(&self) -> Option<Runner<'a>> {
        self.runners().find(|runner| {
            runner.address().is_some()
                && (runner.state.stopped || runner.state.status.is_some() && runner.has_ended())
        })
    }

    /// Whether GCk6 has to hear why the run ends.
    #[must_use]
    pub fn ending_untold(&self) -> bool {
        !self.state.told && self.state.ending.as_ref().is_some_and(|ending| ending.cause.is_news_to_cloud())
    }

    /// Whether the run may end because its namespace does, which the API server says in answer to the Event about the end.
    #[must_use]
    pub fn may_be_of_namespace(&self) -> bool {
        let is_unclear = self.state.ending.as_ref().is_some_and(|ending| ending.cause.may_be_of_namespace());
        is_unclear && !self.state.announcements.is_empty() && self.now < self.namespace_end()
    }

    fn namespace_end(&self) -> Duration {
        self.state.ending_since + NAMESPACE_PATIENCE
    }

    /// Whether GCk6 has to hear that teardown failed.
    #[must_use]
    pub fn teardown_failure_untold(&self) -> bool {
        let state = self.state;
        let over = state.block == Block::Stopped && !self.holds(Fact::TeardownUnclear);
        let settled = !(state.teardown.is_in_doubt() && self.jobs_unseen());
        over && settled && !state.teardown_told && state.teardown.trouble().is_some()
    }

    /// Whether there is a Job of which nothing is known.
    fn jobs_unseen(&self) -> bool {
        self.runners().any(|runner| runner.job_is_unseen())
    }

    /// Whether the test, or a part of it, has been started. Then setup is over, whoever has run it.
    #[must_use]
    pub fn any_started(&self) -> bool {
        self.runners().any(|runner| {
            runner.state.resumed || runner.state.status.as_ref().is_some_and(|s| s.has_started())
        })
    }

    /// Until when a run that somebody deletes is given to come to its end.
    fn deletion_end(&self) -> Option<Duration> {
        self.state.deleting_since.map(|since| since + DELETION_PATIENCE)
    }

    /// Until when pods are waited for: from the last one that went, and so long for all of them.
    fn pods_end(&self) -> Duration {
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

    fn within(&self, patience: Duration) -> bool {
        self.now < self.state.since + patience
    }
}

impl<'a> Runner<'a> {
    /// A runner with its pod: the oldest of its Job's that has not failed. One that was replaced and still lingers says nothing
    /// about its successor, and who forges a pod comes later than the Job's own.
    #[must_use]
    pub fn new(run: &'a TestRun, number: u32, state: &'a RunnerMemory, store: &'a Store) -> Self {
        let mut runner = Self { number, pod: None, state };
        let age = |pod: &&'a RunnerPod| (matches!(pod.life, Life::Failed(_)), pod.created);
        runner.pod = runner.pods(run, store).min_by_key(age);
        runner
    }

    fn pods(&self, run: &'a TestRun, store: &'a Store) -> impl Iterator<Item = &'a RunnerPod> + use<'a> {
        let uid = self.state.job.uid();
        uid.map(|uid| store.pods_of_job(&run.metadata.namespace, uid)).into_iter().flatten()
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
