//! The whole vocabulary between core and shell, plain data in both directions.
//!
//! The shell hands in [`Event`]s: what a watch has seen, what a worker has done. The core hands out [`Task`]s: one call
//! each, addressed so that its [`Report`] finds the way back. Invariant: nothing in here holds a socket, a thread or a
//! clock, and no `Debug` output shows a token or a presigned URL.

use std::fmt;
use std::time::{Duration, SystemTime};

use k8s::{Pod, WatchEvent};

use crate::cloud::{self, RunId};
use crate::lease::record::Lease;
use crate::redact::Secret;
use crate::runner;
use crate::testrun;
use crate::testrun::api::{Stage, TestRun};
use crate::zone;
use crate::zone::api::PrivateLoadZone;

pub use k8s::Key as ObjectKey;

/// One reading of both clocks. Deadlines are reckoned on `mono`, which never jumps; `wall` is only ever written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time since the process began.
    pub mono: Duration,
    /// The calendar, for condition and Event timestamps.
    pub wall: SystemTime,
}

/// What the shell tells the core.
#[derive(Debug)]
pub enum Event {
    /// A watch has seen something.
    Seen {
        /// The namespace that the watch covers, `None` for all of them.
        scope: Option<String>,
        /// What it has seen.
        what: Box<Seen>,
    },
    /// A worker is done with a task.
    Done(Report),
    /// A worker has not made the call, since the agent may not act any more: nothing is known of the other side. Never of a
    /// call for a Lease while the process lives.
    Unsent(TaskId),
}

/// What a watch has seen, by kind.
#[expect(clippy::large_enum_variant, reason = "it travels in a box")]
#[derive(Debug)]
pub enum Seen {
    /// From the watch on `privateloadzones`.
    Zone(WatchEvent<PrivateLoadZone>),
    /// From the watch on `testruns`.
    Run(WatchEvent<TestRun>),
    /// From the watch on pods that carry the label `k6_cr`.
    Pod(WatchEvent<Pod>),
    /// From the watch on k6-operator's Lease.
    Operator(WatchEvent<Lease>),
}

/// What any watch may tell, whatever it is on.
#[derive(Debug)]
pub enum News<'a> {
    /// What has been listed is complete.
    Listed,
    /// It goes on beyond what is read of a list.
    Overlong(&'a k8s::Error),
    /// The watch is blind for now.
    Failing(&'a k8s::Error),
    /// It sees again.
    Recovered,
    /// An object cannot be read, or is too large.
    Malformed {
        /// Which one.
        key: &'a ObjectKey,
        /// Its uid; empty where it cannot be read, or where the object is gone.
        uid: &'a str,
        /// What is wrong with it.
        error: &'a k8s::Error,
    },
    /// An object is there, or gone; or a list begins.
    Object,
}

impl Seen {
    /// The name of what is watched, as it stands in paths.
    #[must_use]
    pub fn plural(&self) -> &'static str {
        match self {
            Self::Zone(_) => zone::api::RESOURCE.plural,
            Self::Run(_) => testrun::api::RESOURCE.plural,
            Self::Pod(_) => k8s::PODS.plural,
            Self::Operator(_) => k8s::LEASES.plural,
        }
    }

    /// What it tells but for the object.
    #[must_use]
    pub fn news(&self) -> News<'_> {
        match self {
            Self::Zone(event) => news(event),
            Self::Run(event) => news(event),
            Self::Pod(event) => news(event),
            Self::Operator(event) => news(event),
        }
    }
}

fn news<T>(event: &WatchEvent<T>) -> News<'_> {
    match event {
        WatchEvent::Listed { .. } => News::Listed,
        WatchEvent::Overlong(error) => News::Overlong(error),
        WatchEvent::Failing(error) => News::Failing(error),
        WatchEvent::Recovered => News::Recovered,
        WatchEvent::Malformed { key, uid, error, deleted } => {
            News::Malformed { key, uid: if *deleted { "" } else { uid }, error }
        }
        WatchEvent::Listing
        | WatchEvent::Applied(_)
        | WatchEvent::Partial { .. }
        | WatchEvent::Deleted(_) => News::Object,
    }
}

/// What decisions are made about, and what is marked dirty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The GCk6 token in the Secret of that name.
    Token(ObjectKey),
    /// A `PrivateLoadZone`.
    Zone(ObjectKey),
    /// A `TestRun`.
    Run(ObjectKey),
    /// The Lease by which one of several agents is elected.
    Lease(ObjectKey),
    /// k6-operator's Lease in a namespace where it counts.
    Operator(ObjectKey),
}

impl Key {
    /// The object behind the key.
    #[must_use]
    pub fn object(&self) -> &ObjectKey {
        match self {
            Self::Token(key) | Self::Zone(key) | Self::Run(key) | Self::Lease(key) | Self::Operator(key) => {
                key
            }
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Token(_) => "Secret",
            Self::Zone(_) => "PrivateLoadZone",
            Self::Run(_) => "TestRun",
            Self::Lease(_) | Self::Operator(_) => "Lease",
        };
        write!(f, "{kind} {}", self.object())
    }
}

/// What a task does for its key. Runner numbers count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    // Token
    /// Read the Secret.
    ReadToken,
    // PrivateLoadZone
    /// Put our finalizer and the provider id on the zone.
    Adopt,
    /// Register the zone with GCk6.
    Register,
    /// Write the zone's conditions.
    WriteZoneStatus,
    /// Ask GCk6 for the zone's test runs.
    Poll,
    /// Ask GCk6 for the data of a listed test run.
    FetchData(RunId),
    /// Create the `TestRun` of a listed test run.
    CreateTestRun(RunId),
    /// Read a `TestRun` that was there already, to see whose it is.
    InspectTestRun(RunId),
    /// Tell GCk6 that a listed test run cannot be started, and abort it.
    Refuse(RunId),
    /// Deregister the zone from GCk6.
    Deregister,
    // TestRun
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
    TellCloud,
    /// Tell GCk6 that the test run is over.
    Finish,
    /// Write the run's stage and conditions.
    WriteRunStatus(RunStatusWrite),
    /// Delete the `TestRun`.
    DeleteTestRun,
    // both
    /// Take our finalizer off the object.
    Release,
    /// Post a Kubernetes Event.
    Announce,
    // Lease
    /// Read the Lease.
    ReadLease,
    /// Create the Lease, with this agent as its holder.
    CreateLease,
    /// Renew the Lease, take it over or give it up.
    WriteLease,
    /// Look whether k6-operator has renewed its Lease.
    FindOperator,
}

/// Which of a run's status writes this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunStatusWrite {
    /// The conditions' messages alone.
    Conditions,
    /// A new stage, and the conditions that go with it.
    Stage(Stage),
}

impl Action {
    /// The lane of an action: a key has at most one task in each lane in flight. All writes to one status share a lane.
    #[must_use]
    pub fn lane(self) -> Self {
        match self {
            Self::WriteRunStatus(_) => Self::WriteRunStatus(RunStatusWrite::Conditions),
            other => other,
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
            _ => None,
        }
    }

    /// Whether its call may have an effect after the process that made it has ended, which the next agent does not expect: it
    /// does expect the user's code to be running, and a question changes nothing.
    #[must_use]
    pub fn may_outlast_us(self) -> bool {
        match self {
            Self::ReadToken
            | Self::FetchData(_)
            | Self::InspectTestRun(_)
            | Self::Confirm
            | Self::FetchCredentials
            | Self::InspectCredentials
            | Self::InspectJob(_)
            | Self::ReadEvents(_)
            | Self::AskRunner(_)
            | Self::ReadSetup(_)
            | Self::TakeSetupData(_) => false,
            other => matches!(other.class(), Class::Kubernetes | Class::Cloud | Class::Runner),
        }
    }

    /// Who is called. Calls of different classes never wait for each other's workers.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::ReadToken
            | Self::Adopt
            | Self::WriteZoneStatus
            | Self::CreateTestRun(_)
            | Self::InspectTestRun(_)
            | Self::Release
            | Self::CreateCredentials
            | Self::InspectCredentials
            | Self::CreateJob(_)
            | Self::InspectJob(_)
            | Self::ReadEvents(_)
            | Self::DeleteJob(_)
            | Self::WriteRunStatus(_)
            | Self::DeleteTestRun
            | Self::Announce => Class::Kubernetes,
            Self::Poll | Self::CheckState => Class::CloudNews,
            Self::Register
            | Self::FetchData(_)
            | Self::Confirm
            | Self::FetchCredentials
            | Self::Refuse(_)
            | Self::Deregister
            | Self::TellCloud
            | Self::Finish => Class::Cloud,
            Self::AskRunner(_)
            | Self::ReadSetup(_)
            | Self::TakeSetupData(_)
            | Self::SendSetupData(_)
            | Self::ResumeRunner(_)
            | Self::StopRunner(_) => Class::Runner,
            Self::RunSetup(_) | Self::RunTeardown(_) => Class::UserCode,
            Self::ReadLease | Self::CreateLease | Self::WriteLease => Class::Lease,
            Self::FindOperator => Class::Operator,
        }
    }
}

/// Whom a call goes to, and hence what it may have to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The API server.
    Kubernetes,
    /// GCk6, which may be far away, or accept a call and not answer.
    Cloud,
    /// GCk6 too, for what it is asked again and again: one answer more or less does not matter.
    CloudNews,
    /// A runner, whose node may be gone.
    Runner,
    /// A runner that runs the user's `setup()` or `teardown()`, which may take minutes.
    UserCode,
    /// The API server, for the agent's own Lease: a renewal waits for nobody.
    Lease,
    /// The API server, for k6-operator's Lease.
    Operator,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 7] = [
        Self::Kubernetes,
        Self::Cloud,
        Self::CloudNews,
        Self::Runner,
        Self::UserCode,
        Self::Lease,
        Self::Operator,
    ];
}

/// Where a task came from, and where its report goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskId {
    /// For which object.
    pub key: Key,
    /// To which end.
    pub action: Action,
}

impl TaskId {
    /// The same task with its action replaced by its lane.
    #[must_use]
    pub fn lane(&self) -> Self {
        Self { key: self.key.clone(), action: self.action.lane() }
    }
}

/// How long an answer is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patience {
    /// As long as calls of its kind usually are given.
    #[default]
    Usual,
    /// Not for long, since others wait and nobody knows whether an answer will come.
    Brief,
}

/// One call for a worker to make.
#[derive(Clone, Debug)]
pub struct Task {
    /// The return address.
    pub id: TaskId,
    /// The call.
    pub call: Call,
    /// How long its answer is waited for.
    pub patience: Patience,
}

impl Call {
    /// How large the body is of a call to the API server, in bytes. The others' bodies are small, or shared.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        match self {
            Self::Kubernetes(request) => request.body.len(),
            Self::Cloud { .. } | Self::Runner { .. } => 0,
        }
    }
}

/// The calls there are.
#[derive(Clone, Debug)]
pub enum Call {
    /// To the API server.
    Kubernetes(k8s::Request),
    /// To GCk6, with the token that it asks for.
    Cloud {
        /// What to ask.
        request: cloud::Request,
        /// For the `Authorization` header.
        token: Secret,
    },
    /// To the REST API of a runner.
    Runner {
        /// Which one.
        target: RunnerTarget,
        /// What to ask.
        request: runner::Request,
    },
}

/// How to reach a runner: at its address, or by its name through the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerTarget {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// `status.podIP`.
    pub ip: String,
}

/// What came of a task.
#[derive(Debug)]
pub struct Report {
    /// Of which task.
    pub id: TaskId,
    /// The answer, or why there is none.
    pub reply: Reply,
}

/// The answers, by whom they come from. A body is whatever came with a 2xx.
#[derive(Debug)]
pub enum Reply {
    /// From the API server.
    Kubernetes(Result<Vec<u8>, k8s::Error>),
    /// From GCk6.
    Cloud(Result<Vec<u8>, cloud::Error>),
    /// From a runner.
    Runner(Result<Vec<u8>, runner::Error>),
}

impl Reply {
    /// Whether it is what was asked for.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        match self {
            Self::Kubernetes(reply) => reply.is_ok(),
            Self::Cloud(reply) => reply.is_ok(),
            Self::Runner(reply) => reply.is_ok(),
        }
    }
}
