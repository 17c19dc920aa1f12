//! What can be done for a test run, one call each.
//!
//! Owns who is called for what. Leaves alone when (`table`), how the call looks (`calls`) and what its answer means (`reply`).

use std::fmt;

use crate::api::run::Stage;
use crate::call::Class;

/// See the module. Runner numbers count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Ask GCk6 whether the run is the zone's.
    Confirm,
    /// Ask GCk6 anew for what belongs into the Secret of the run.
    FetchCredentials,
    /// Create the Secret of the run.
    CreateCredentials,
    /// Read a Secret that may be there already, to see whose it is.
    InspectCredentials,
    /// Create the Job of a runner.
    CreateJob(u32),
    /// Read a Job that was there already, to see whose it is.
    InspectJob(u32),
    /// Read the Events of a runner's Job: why no pod of it is made.
    ReadEvents(u32),
    /// Ask a runner for its status.
    AskRunner(u32),
    /// Ask a runner that setup does not run on whether it has been handed the data of an earlier one.
    ReadSetup(u32),
    /// Run the script's `setup()` on a runner.
    RunSetup(u32),
    /// Read the setup data that a runner keeps since there was no room for them.
    TakeSetupData(u32),
    /// Hand the setup data to a runner.
    SendSetupData(u32),
    /// Let a paused runner go.
    ResumeRunner(u32),
    /// Stop the test on a runner.
    StopRunner(u32),
    /// Run the script's `teardown()` on a runner.
    RunTeardown(u32),
    /// Delete the Job of a runner.
    DeleteJob(u32),
    /// Ask GCk6 for the state of the test run.
    CheckState,
    /// Tell GCk6 why the test run ends early, or that its teardown failed.
    SendEvents,
    /// Tell GCk6 that the test run is over.
    Finish,
    /// Write the run's stage and conditions.
    WriteStatus(StatusWrite),
    /// Delete the `TestRun`.
    DeleteTestRun,
    /// Take our finalizer off the `TestRun`.
    Release,
    /// Post a Kubernetes Event.
    Announce,
}

/// Which of a run's status writes this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatusWrite {
    /// The conditions' messages alone.
    Conditions,
    /// A new stage, and the conditions that go with it.
    Stage(Stage),
}

impl Action {
    /// Who is called.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::CreateCredentials
            | Self::InspectCredentials
            | Self::CreateJob(_)
            | Self::InspectJob(_)
            | Self::ReadEvents(_)
            | Self::DeleteJob(_)
            | Self::WriteStatus(_)
            | Self::DeleteTestRun
            | Self::Release
            | Self::Announce => Class::Kubernetes,
            Self::CheckState => Class::CloudNews,
            Self::Confirm | Self::FetchCredentials | Self::SendEvents | Self::Finish => Class::Cloud,
            Self::AskRunner(_)
            | Self::ReadSetup(_)
            | Self::TakeSetupData(_)
            | Self::SendSetupData(_)
            | Self::ResumeRunner(_)
            | Self::StopRunner(_) => Class::Runner,
            Self::RunSetup(_) | Self::RunTeardown(_) => Class::UserCode,
        }
    }

    /// The lane of an action: a run has at most one task in each lane in flight. All writes to its status share a lane.
    #[must_use]
    pub fn lane(self) -> Self {
        match self {
            Self::WriteStatus(_) => Self::WriteStatus(StatusWrite::Conditions),
            other => other,
        }
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_question(self) -> bool {
        match self {
            Self::Confirm
            | Self::FetchCredentials
            | Self::InspectCredentials
            | Self::InspectJob(_)
            | Self::ReadEvents(_)
            | Self::AskRunner(_)
            | Self::ReadSetup(_)
            | Self::TakeSetupData(_)
            | Self::CheckState => true,
            Self::CreateCredentials
            | Self::CreateJob(_)
            | Self::RunSetup(_)
            | Self::SendSetupData(_)
            | Self::ResumeRunner(_)
            | Self::StopRunner(_)
            | Self::RunTeardown(_)
            | Self::DeleteJob(_)
            | Self::SendEvents
            | Self::Finish
            | Self::WriteStatus(_)
            | Self::DeleteTestRun
            | Self::Release
            | Self::Announce => false,
        }
    }

    /// The runner that it is about, if it is about one.
    #[must_use]
    pub fn runner(self) -> Option<u32> {
        match self {
            Self::CreateJob(n)
            | Self::InspectJob(n)
            | Self::ReadEvents(n)
            | Self::AskRunner(n)
            | Self::ReadSetup(n)
            | Self::RunSetup(n)
            | Self::TakeSetupData(n)
            | Self::SendSetupData(n)
            | Self::ResumeRunner(n)
            | Self::StopRunner(n)
            | Self::RunTeardown(n)
            | Self::DeleteJob(n) => Some(n),
            Self::Confirm
            | Self::FetchCredentials
            | Self::CreateCredentials
            | Self::InspectCredentials
            | Self::CheckState
            | Self::SendEvents
            | Self::Finish
            | Self::WriteStatus(_)
            | Self::DeleteTestRun
            | Self::Release
            | Self::Announce => None,
        }
    }
}

/// As the subject of a sentence.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confirm => f.write_str("confirming the test run with GCk6"),
            Self::FetchCredentials => f.write_str("fetching the archive's URL from GCk6"),
            Self::CreateCredentials => f.write_str("creating the Secret"),
            Self::InspectCredentials => f.write_str("reading the Secret"),
            Self::CreateJob(n) => write!(f, "creating the Job of runner {n}"),
            Self::InspectJob(n) => write!(f, "reading the Job of runner {n}"),
            Self::ReadEvents(n) => write!(f, "reading the Events of runner {n}'s Job"),
            Self::AskRunner(n) => write!(f, "asking runner {n} for its status"),
            Self::ReadSetup(n) | Self::TakeSetupData(n) => write!(f, "reading the setup data of runner {n}"),
            Self::RunSetup(n) => write!(f, "running setup() on runner {n}"),
            Self::SendSetupData(n) => write!(f, "sending the setup data to runner {n}"),
            Self::ResumeRunner(n) => write!(f, "starting runner {n}"),
            Self::StopRunner(n) => write!(f, "stopping runner {n}"),
            Self::RunTeardown(n) => write!(f, "running teardown() on runner {n}"),
            Self::DeleteJob(n) => write!(f, "deleting the Job of runner {n}"),
            Self::CheckState => f.write_str("asking GCk6 for the state of the test run"),
            Self::SendEvents => f.write_str("telling GCk6 what went wrong"),
            Self::Finish => f.write_str("telling GCk6 that the test run is over"),
            Self::WriteStatus(StatusWrite::Conditions) => f.write_str("writing the conditions"),
            Self::WriteStatus(StatusWrite::Stage(stage)) => write!(f, "recording stage {:?}", stage.as_str()),
            Self::DeleteTestRun => f.write_str("deleting the TestRun"),
            Self::Release => f.write_str("removing our finalizer"),
            Self::Announce => f.write_str("posting an Event"),
        }
    }
}
