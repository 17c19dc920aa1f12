//! The whole vocabulary between core and shell, plain data in both directions.
//!
//! The shell hands in [`Event`]s: what a watch has seen, what a worker has done. The core hands out [`Task`]s: one call
//! each, addressed so that its [`Report`] finds the way back. Invariant: nothing in here holds a socket, a thread or a
//! clock, and no `Debug` output shows a token or a presigned URL.

use std::fmt;
use std::time::Duration;

use k8s::{Pod, WatchEvent};

pub use crate::api::ObjectKey;
pub use crate::call::{Call, Class, Reply, RunnerTarget};
pub use crate::now::Now;

use crate::api::run::TestRun;
use crate::api::zone::PrivateLoadZone;
use crate::lease::record::Lease;
use crate::{api, lease, testrun, token, zone};

/// How long a runner that has never answered is waited for while others wait for their turn.
pub const BRIEF_TIMEOUT: Duration = Duration::from_millis(400);

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
            Self::Zone(_) => api::zone::RESOURCE.plural,
            Self::Run(_) => api::run::RESOURCE.plural,
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

/// What a task does for its key: the actions of all resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// For the token in a Secret.
    Token(token::Action),
    /// For a `PrivateLoadZone`.
    Zone(zone::Action),
    /// For a `TestRun`.
    Run(testrun::Action),
    /// For the agent's own Lease.
    Lease(lease::Action),
    /// Look whether k6-operator has renewed its Lease.
    FindOperator,
}

impl Action {
    /// The lane of an action: a key has at most one task in each lane in flight.
    #[must_use]
    pub fn lane(self) -> Self {
        match self {
            Self::Run(action) => Self::Run(action.lane()),
            Self::Token(_) | Self::Zone(_) | Self::Lease(_) | Self::FindOperator => self,
        }
    }

    /// Whether its call may have an effect after the process that made it has ended, which the next agent does not expect: it
    /// does expect the user's code to be running, and a question changes nothing.
    #[must_use]
    pub fn may_outlast_us(self) -> bool {
        match self {
            Self::Zone(action) => !action.is_question(),
            Self::Run(action) => !action.is_question() && action.class() != Class::UserCode,
            Self::Token(_) | Self::Lease(_) | Self::FindOperator => false,
        }
    }

    /// Who is called. Calls of different classes never wait for each other's workers.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::Token(token::Action::Read) => Class::Kubernetes,
            Self::Zone(action) => action.class(),
            Self::Run(action) => action.class(),
            Self::Lease(_) => Class::Lease,
            Self::FindOperator => Class::Operator,
        }
    }

    /// How long its answer is waited for. In brief, only a question to a runner is: nothing is lost if it has to be asked again.
    #[must_use]
    pub fn timeout(self, patience: Patience) -> Option<Duration> {
        match (patience, self) {
            (Patience::Brief, Self::Run(action))
                if action.is_question() && action.class() == Class::Runner =>
            {
                Some(BRIEF_TIMEOUT)
            }
            _ => self.class().timeout(),
        }
    }
}

/// As the subject of a sentence.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(token::Action::Read) => f.write_str("reading the Secret"),
            Self::Zone(action) => action.fmt(f),
            Self::Run(action) => action.fmt(f),
            Self::Lease(action) => action.fmt(f),
            Self::FindOperator => f.write_str("looking for k6-operator's Lease"),
        }
    }
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
    /// Of a task for the token in a Secret.
    #[must_use]
    pub fn token(secret: &ObjectKey, action: token::Action) -> Self {
        Self { key: Key::Token(secret.clone()), action: Action::Token(action) }
    }

    /// Of a task for a zone.
    #[must_use]
    pub fn zone(zone: &ObjectKey, action: zone::Action) -> Self {
        Self { key: Key::Zone(zone.clone()), action: Action::Zone(action) }
    }

    /// Of a task for a test run.
    #[must_use]
    pub fn run(run: &ObjectKey, action: testrun::Action) -> Self {
        Self { key: Key::Run(run.clone()), action: Action::Run(action) }
    }

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
    /// How long its answer is waited for; none for as long as the client of the API server usually waits.
    pub timeout: Option<Duration>,
}

/// What came of a task.
#[derive(Debug)]
pub struct Report {
    /// Of which task.
    pub id: TaskId,
    /// The answer, or why there is none.
    pub reply: Reply,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::RunId;

    #[test]
    fn the_class_of_a_call_says_how_long_its_answer_is_waited_for() {
        let check = |action: Action, millis: Option<u64>, brief: Option<u64>| {
            let timeout = |patience| action.timeout(patience).map(|timeout| timeout.as_millis() as u64);
            assert_eq!((timeout(Patience::Usual), timeout(Patience::Brief)), (millis, brief), "{action}");
        };
        let same = |action, millis| check(action, millis, millis);
        same(Action::Token(token::Action::Read), None);
        same(Action::Zone(zone::Action::Poll), Some(8_000));
        // As large as data get, and asked for once: it is no news.
        same(Action::Zone(zone::Action::FetchData(RunId(7))), Some(20_000));
        same(Action::Run(testrun::Action::CheckState), Some(8_000));
        same(Action::Run(testrun::Action::Finish), Some(20_000));
        check(Action::Run(testrun::Action::AskRunner(1)), Some(5_000), Some(400));
        same(Action::Run(testrun::Action::ResumeRunner(1)), Some(5_000));
        same(Action::Run(testrun::Action::RunTeardown(1)), Some(900_000));
        same(Action::Lease(lease::Action::Write), Some(2_500));
        same(Action::FindOperator, Some(2_500));
    }
}
