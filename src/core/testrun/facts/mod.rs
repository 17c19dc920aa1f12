//! What is true of a run: every [`Fact`] read off the object, its pods and the memory.
//!
//! Owns the limits on how long a stage may wait. Leaves alone what follows from a fact (see `table`) and why a run ends
//! (see `diagnose`). Invariant: `holds` changes nothing, and whatever turns a fact over by mere passing of time has its
//! moment in `next_change`.

mod deadlines;
mod limits;
mod runner;

use std::time::{Duration, SystemTime};

use super::credentials;
use super::proof::Proof;
use super::state::{Job, Keeping, RunState, Setup, Teardown};
use super::table::{Block, Fact};
use crate::api::run::TestRun;
use crate::testrun::pods::Pods;

pub use limits::*;
pub use runner::Runner;

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

impl<'a> Facts<'a> {
    /// The facts about `run`, with the pods of its Jobs among `pods`.
    #[must_use]
    pub fn new(
        (now, wall): (Duration, SystemTime),
        run: &'a TestRun,
        pods: &'a Pods,
        state: &'a RunState,
        zone_deleting: bool,
        start_deadline: Duration,
    ) -> Self {
        let mut runners = Vec::with_capacity(state.runners.len());
        runners.extend(state.runners.iter().map(|(number, runner)| Runner::new(run, *number, runner, pods)));
        let known: usize = runners.iter().map(|runner| runner.pods(run, pods).count()).sum();
        // What claims to be a runner of a Job that nobody knows any more is waited for, and no more than that.
        let is_unsure = runners.iter().any(|runner| runner.state.job.uid().is_none());
        let pods_unknown = if is_unsure { pods.claims(&run.metadata.key()).saturating_sub(known) } else { 0 };
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
            Fact::RunnersToStop => self.runners_to_stop(),
            Fact::Termination => state.ending.is_some(),
            Fact::EventsDue => {
                let is_known = state.proof == Proof::Proven && self.within(CLOUD_PATIENCE);
                is_known && (self.ending_untold() || self.teardown_failure_untold())
            }
            Fact::Unproven => self.unproven(),
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
            Fact::TeardownUnclear => self.teardown_unclear(),
            Fact::TeardownDue => self.teardown_due(),
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

    fn runners_to_stop(&self) -> bool {
        let state = self.state;
        state.ending.as_ref().is_some_and(|ending| !ending.cause.is_verdict())
            && self.now < state.ending_since + STOP_PATIENCE
            && (self.pods_unknown > 0 || self.runners().any(|runner| runner.is_to_stop()))
    }

    fn unproven(&self) -> bool {
        let state = self.state;
        match state.proof {
            // How it ended can be told for so long, and hence whose it is.
            Proof::Unknown => state.block < Block::Stopped || self.within(CLOUD_PATIENCE),
            Proof::Proven => state.block == Block::New && state.plan.is_none(),
            Proof::Denied => false,
        }
    }

    fn teardown_unclear(&self) -> bool {
        let is_unheard = |runner: Runner<'_>| runner.address().is_some() && runner.state.status.is_none();
        self.state.teardown == Teardown::Unclear
            && self.within(STOP_PATIENCE)
            && self.runners().any(is_unheard)
    }

    fn teardown_due(&self) -> bool {
        match self.state.teardown {
            Teardown::Due => self.for_teardown().is_some(),
            Teardown::Running => true,
            Teardown::NotOurs
            | Teardown::Unclear
            | Teardown::Lost
            | Teardown::Past
            | Teardown::Done
            | Teardown::Failed(_) => false,
        }
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
}
