//! What can be done for a zone, one call each.
//!
//! Owns who is called for what. Leaves alone when (`table`), how the call looks (`calls`) and what its answer means (`reply`).

use std::fmt;

use crate::call::Class;
use crate::cloud::RunId;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Put our finalizer and the provider id on the zone.
    Adopt,
    /// Register the zone with GCk6.
    Register,
    /// Write the zone's conditions.
    WriteStatus,
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
    /// Take our finalizer off the zone.
    Release,
    /// Post a Kubernetes Event.
    Announce,
}

impl Action {
    /// Who is called.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::Adopt
            | Self::WriteStatus
            | Self::CreateTestRun(_)
            | Self::InspectTestRun(_)
            | Self::Release
            | Self::Announce => Class::Kubernetes,
            Self::Poll => Class::CloudNews,
            Self::Register | Self::FetchData(_) | Self::Refuse(_) | Self::Deregister => Class::Cloud,
        }
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_question(self) -> bool {
        match self {
            Self::Poll | Self::FetchData(_) | Self::InspectTestRun(_) => true,
            Self::Adopt
            | Self::Register
            | Self::WriteStatus
            | Self::CreateTestRun(_)
            | Self::Refuse(_)
            | Self::Deregister
            | Self::Release
            | Self::Announce => false,
        }
    }
}

/// As the subject of a sentence.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adopt => f.write_str("adding our finalizer"),
            Self::Register => f.write_str("registering with GCk6"),
            Self::WriteStatus => f.write_str("writing the status"),
            Self::Poll => f.write_str("polling GCk6"),
            Self::FetchData(id) => write!(f, "fetching the data of test run {id}"),
            Self::CreateTestRun(id) => write!(f, "creating the TestRun of test run {id}"),
            Self::InspectTestRun(id) => write!(f, "reading the TestRun of test run {id}"),
            Self::Refuse(id) => write!(f, "telling GCk6 that test run {id} cannot start"),
            Self::Deregister => f.write_str("deregistering from GCk6"),
            Self::Release => f.write_str("removing our finalizer"),
            Self::Announce => f.write_str("posting an Event"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn each_action_calls_somebody_for_something() {
        let check = |action: Action, class: Class, is_question: bool, said: &str| {
            assert_eq!((action.class(), action.is_question()), (class, is_question), "{said}");
            assert_eq!(action.to_string(), said);
        };
        let id = RunId(7);
        check(Action::Adopt,              Class::Kubernetes, false, "adding our finalizer");
        check(Action::Register,           Class::Cloud,      false, "registering with GCk6");
        check(Action::WriteStatus,        Class::Kubernetes, false, "writing the status");
        check(Action::Poll,               Class::CloudNews,  true,  "polling GCk6");
        check(Action::FetchData(id),      Class::Cloud,      true,  "fetching the data of test run 7");
        check(Action::CreateTestRun(id),  Class::Kubernetes, false, "creating the TestRun of test run 7");
        check(Action::InspectTestRun(id), Class::Kubernetes, true,  "reading the TestRun of test run 7");
        check(Action::Refuse(id),         Class::Cloud,      false, "telling GCk6 that test run 7 cannot start");
        check(Action::Deregister,         Class::Cloud,      false, "deregistering from GCk6");
        check(Action::Release,            Class::Kubernetes, false, "removing our finalizer");
        check(Action::Announce,           Class::Kubernetes, false, "posting an Event");
    }
}
