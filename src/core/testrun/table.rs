//! THE TABLE: what a test run does next, by its stage and by the facts.
//!
//! For each stage rows of *fact → writes → then*. The first row whose fact holds wins; every block ends with `Otherwise`.
//! A row's writes are started together, and each is started at most once at a time. `Record` writes the next stage down,
//! which happens only in rows whose work is done: the recorded stage never runs ahead of the world. The one exception is
//! `stopped`: why a run ends early is recorded before its runners are stopped, since a stopped runner does not tell. So a
//! process that is killed anywhere leaves a stage from which its successor repeats, at worst, writes that are idempotent.
//!
//! ```text
//!              runners created     all answer, setup, resumed      all ended         jobs and pods gone, GCk6 told
//!   (new) ───────────────► created ───────────────────► started ───────────► stopped ──────────────► finished | error
//!     └── ending ─────────────┴────────── ending ──────────┴──────────────────►┘                         │ cleanup
//!                                                                                                        ▼
//!   held: our finalizer keeps a TestRun that somebody deletes until the run is over, or the time for that
//!   gone: the TestRun was deleted under us; GCk6 is told, then the run is forgotten                   (deleted)
//! ```

use std::fmt;

use crate::api::run::Stage;

/// The blocks of the table. `New` stands for no stage, `initialization` and `initialized`; `Done` for `finished` and
/// `error`; `Gone` for a `TestRun` that was deleted before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Block {
    /// The `TestRun` exists, and perhaps some of its Jobs. `initialization` and `initialized`, which k6-operator writes,
    /// count as this.
    New,
    /// All Jobs exist; the runners are starting or waiting for each other.
    Created,
    /// All runners were resumed.
    Started,
    /// The test has ended on all runners, or something ended it; teardown and clean-up are under way.
    Stopped,
    /// The run is over, and GCk6 was told; `error` if it failed.
    Done,
    /// The `TestRun` disappeared before its end: it had no finalizer, or its time was up. GCk6 is told, then the run is
    /// forgotten.
    Gone,
}

/// What can be true of a run. `Facts::holds` says when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// Somebody deletes the `TestRun`, our finalizer keeps it, and the time that the run is given for its end is over.
    DeletionOverdue,
    /// Something ends the run, the API server does not take the news, and load must not go on for that.
    StopOverdue,
    /// Something ends the run, and runners that run have not been told to stop, or cannot be told and are not gone yet.
    RunnersToStop,
    /// Something ends the run.
    Termination,
    /// A runner's test was interrupted, and it may have been GCk6 that did it, which has not been asked since.
    EndUnclear,
    /// GCk6 has not heard why the run ends, or that its teardown failed.
    EventsDue,
    /// GCk6 has not confirmed that the run is of this zone. Until then nothing is made for it and nothing told of it.
    Unproven,
    /// The Secret that the run's pods refer to is not known to exist.
    CredentialsMissing,
    /// Not every runner's Job is known to exist.
    JobsMissing,
    /// Not every runner has answered that it is ready.
    RunnersSilent,
    /// No runner has started, and setup has not been run.
    SetupDue,
    /// No runner has started, and some have not been given the setup data.
    SetupDataDue,
    /// Some runners are ready and paused.
    RunnersPaused,
    /// Some runners have not ended.
    RunnersRunning,
    /// Whether some runner's Job is there, and ours, has not been looked up. Until then no pod is known to be its runner.
    JobsUnseen,
    /// An earlier process may have run teardown, and runners that could tell have not been asked.
    TeardownUnclear,
    /// The test has started, all runners have ended, teardown is not over.
    TeardownDue,
    /// Not every runner's Job is known to be deleted.
    JobsLeft,
    /// Some pods are still there, flushing their last metrics.
    PodsLeft,
    /// GCk6 has not been told that the run is over.
    FinishDue,
    /// Our finalizer keeps the `TestRun`.
    Held,
    /// The `TestRun` is to be deleted after its end.
    CleanupDue,
    /// Always true; the last row of every block.
    Otherwise,
}

/// What a row sets going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is named after the action that it starts")]
pub enum Write {
    Confirm,
    KeepCredentials,
    CreateJobs,
    InspectJobs,
    AskRunners,
    ReadEvents,
    ReportTrouble,
    RunSetup,
    SendSetupData,
    ResumeRunners,
    WatchRunners,
    CheckState,
    StopRunners,
    SendEvents,
    RunTeardown,
    DeleteJobs,
    Finish,
    Release,
    DeleteTestRun,
}

/// What comes after a row's writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Stay until a fact changes.
    Stay,
    /// Write this stage down.
    Record(Stage),
    /// Write `finished` down, or `error` if the run has failed.
    RecordEnd,
    /// Forget the run.
    Forget,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The fact that selects it.
    pub fact: Fact,
    /// What is started.
    pub writes: &'static [Write],
    /// What comes after.
    pub then: Then,
}

use Fact as F;
use Then::{Forget, Record, RecordEnd, Stay};
use Write as W;

const fn row(fact: Fact, writes: &'static [Write], then: Then) -> Row {
    Row { fact, writes, then }
}

/// The rows of a block, in order.
#[rustfmt::skip]
#[must_use]
pub const fn rows(block: Block) -> &'static [Row] {
    match block {
        //                    fact                writes                                           then
        Block::New => const { &[
            row(F::DeletionOverdue, &[W::Release, W::SendEvents],                    Stay),
            row(F::Termination,         &[],                                             Record(Stage::Stopped)),
            row(F::Unproven,       &[W::Confirm, W::ReportTrouble],                    Stay),
            row(F::CredentialsMissing, &[W::KeepCredentials, W::CheckState, W::ReportTrouble], Stay),
            row(F::JobsMissing,    &[W::CreateJobs, W::CheckState, W::ReportTrouble],   Stay),
            row(F::Otherwise,      &[],                                             Record(Stage::Created)),
        ] },
        Block::Created => const { &[
            row(F::DeletionOverdue, &[W::Release, W::SendEvents],                    Stay),
            row(F::JobsUnseen,     &[W::InspectJobs, W::CheckState, W::ReportTrouble],  Stay),
            row(F::StopOverdue,    &[W::StopRunners, W::SendEvents],                 Record(Stage::Stopped)),
            row(F::Termination,         &[W::SendEvents],                                 Record(Stage::Stopped)),
            row(F::Unproven,       &[W::Confirm, W::ReportTrouble],                    Stay),
            row(F::RunnersSilent,  &[W::AskRunners, W::ReadEvents, W::CheckState, W::ReportTrouble], Stay),
            row(F::SetupDue,       &[W::RunSetup, W::CheckState, W::ReportTrouble],     Stay),
            row(F::SetupDataDue,   &[W::SendSetupData, W::CheckState],              Stay),
            row(F::RunnersPaused,  &[W::ResumeRunners, W::CheckState],              Stay),
            row(F::Otherwise,      &[],                                             Record(Stage::Started)),
        ] },
        Block::Started => const { &[
            row(F::DeletionOverdue, &[W::Release, W::SendEvents],                    Stay),
            row(F::JobsUnseen,     &[W::InspectJobs, W::CheckState, W::ReportTrouble],  Stay),
            row(F::StopOverdue,    &[W::StopRunners, W::SendEvents],                 Record(Stage::Stopped)),
            row(F::Termination,         &[W::SendEvents],                                 Record(Stage::Stopped)),
            row(F::Unproven,       &[W::Confirm, W::ReportTrouble],                    Stay),
            row(F::RunnersPaused,  &[W::ResumeRunners, W::CheckState],              Stay),
            row(F::EndUnclear,     &[W::CheckState, W::WatchRunners],               Stay),
            row(F::RunnersRunning, &[W::WatchRunners, W::CheckState, W::ReportTrouble], Stay),
            row(F::Otherwise,      &[],                                             Record(Stage::Stopped)),
        ] },
        Block::Stopped => const { &[
            row(F::DeletionOverdue, &[W::Release, W::SendEvents],                    Stay),
            row(F::JobsUnseen,     &[W::InspectJobs, W::SendEvents],                 Stay),
            row(F::TeardownUnclear, &[W::AskRunners, W::SendEvents],                 Stay),
            row(F::RunnersToStop,  &[W::StopRunners, W::SendEvents],                 Stay),
            row(F::TeardownDue,    &[W::RunTeardown, W::SendEvents, W::ReportTrouble],   Stay),
            row(F::JobsLeft,       &[W::DeleteJobs, W::SendEvents],                  Stay),
            row(F::PodsLeft,       &[W::SendEvents],                                 Stay),
            row(F::Unproven,       &[W::Confirm],                                   Stay),
            row(F::EventsDue,    &[W::SendEvents],                                 Stay),
            row(F::FinishDue,      &[W::Finish],                                    Stay),
            row(F::Otherwise,      &[],                                             RecordEnd),
        ] },
        Block::Done => const { &[
            row(F::Held,           &[W::Release],                                   Stay),
            row(F::CleanupDue,     &[W::DeleteTestRun],                             Stay),
            row(F::Otherwise,      &[],                                             Stay),
        ] },
        Block::Gone => const { &[
            row(F::Unproven,       &[W::Confirm],                                   Stay),
            row(F::EventsDue,    &[W::SendEvents],                                 Stay),
            row(F::PodsLeft,       &[],                                             Stay),
            row(F::FinishDue,      &[W::Finish],                                    Stay),
            row(F::Otherwise,      &[],                                             Forget),
        ] },
    }
}

impl Block {
    /// All blocks, in the order in which a run goes through them.
    pub const ALL: [Self; 6] =
        [Self::New, Self::Created, Self::Started, Self::Stopped, Self::Done, Self::Gone];

    /// The block of a recorded stage. `None` for one that this version does not know: it is somebody else's run then.
    #[must_use]
    pub fn of(stage: Stage) -> Option<Self> {
        match stage {
            Stage::New | Stage::Initialization | Stage::Initialized => Some(Self::New),
            Stage::Created => Some(Self::Created),
            Stage::Started => Some(Self::Started),
            Stage::Stopped => Some(Self::Stopped),
            Stage::Finished | Stage::Error => Some(Self::Done),
            Stage::Unknown => None,
        }
    }
}

/// The table as Markdown, for docs/architecture.md.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from("| stage | if | start | then |\n|---|---|---|---|\n");
    for block in Block::ALL {
        for row in rows(block) {
            let writes: Vec<String> = row.writes.iter().map(|write| format!("{write:?}")).collect();
            let writes = if writes.is_empty() { "–".to_owned() } else { writes.join(", ") };
            text.push_str(&format!("| {block} | {:?} | {writes} | {} |\n", row.fact, row.then));
        }
    }
    text
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "(new)",
            Self::Created => "created",
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Done => "finished, error",
            Self::Gone => "(gone)",
        })
    }
}

impl fmt::Display for Then {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stay => f.write_str("stay"),
            Self::Record(stage) => write!(f, "→ {stage}"),
            Self::RecordEnd => f.write_str("→ finished or error"),
            Self::Forget => f.write_str("forget"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_ends_with_otherwise_and_names_a_fact_once() {
        for block in Block::ALL {
            let facts: Vec<Fact> = rows(block).iter().map(|row| row.fact).collect();
            assert_eq!(facts.last(), Some(&Fact::Otherwise), "{block}");
            let mut unique = facts.clone();
            unique.sort();
            unique.dedup();
            assert_eq!(unique.len(), facts.len(), "{block}");
        }
    }

    #[test]
    fn stages_only_move_forward() {
        for block in Block::ALL {
            for row in rows(block) {
                if let Record(stage) = row.then {
                    assert!(Block::of(stage) > Some(block), "{block}: {:?}", row.fact);
                }
            }
        }
    }
}
