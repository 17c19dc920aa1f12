//! Why a test run ends before its test is over, and what follows from the cause.
//!
//! Owns the table of causes: the condition reason that makes a cause durable, the code and the events that GCk6 is told,
//! the status that the run is finished with. Leaves alone when a cause applies (see `detect`).
//!
//! Invariant: `Cause::from_reason(cause.reason()) == Some(cause)`, so that a new process finds in the conditions what the
//! old one had decided.

use crate::cloud::{self, ErrorCode, Origin, RunStatus};

/// A cause, and the sentence that says it to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// What it is.
    pub cause: Cause,
    /// Which object, why, and what to do about it. No secrets.
    pub message: String,
}

/// Why a test run ends before its test is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table below says what each one is")]
pub enum Cause {
    TimedOut,
    AbortedByUser,
    AbortedBySystem,
    AbortedByScriptError,
    AbortedByThreshold,
    AbortedByLimit,
    Archived,
    UnknownToCloud,
    ZoneDeleted,
    TestRunDeleted,
    CouldNotStart,
    StartDeadlineExceeded,
    RunTimeExceeded,
    OutOfMemory,
    Panicked,
    ScriptException,
    RunnerFailed,
    SetupFailed,
}

/// What GCk6 is told when a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tell {
    /// Nothing: the news came from there.
    Nothing,
    /// To abort the run.
    Abort,
    /// What went wrong, and to abort the run.
    Error(ErrorCode),
}

use Cause as C;
use RunStatus as S;
use Tell::{Abort, Error, Nothing};

/// Cause, what GCk6 is told, and the status that the run is finished with.
#[rustfmt::skip]
const CAUSES: &[(Cause, Tell, RunStatus)] = &[
    // GCk6 has ended it
    (C::TimedOut,              Nothing,                          S::TIMED_OUT),
    (C::AbortedByUser,         Nothing,                          S::ABORTED_BY_USER),
    (C::AbortedBySystem,       Nothing,                          S::ABORTED_BY_SYSTEM),
    (C::AbortedByScriptError,  Nothing,                          S::ABORTED_BY_SCRIPT_ERROR),
    (C::AbortedByThreshold,    Nothing,                          S::ABORTED_BY_THRESHOLD),
    (C::AbortedByLimit,        Nothing,                          S::ABORTED_BY_LIMIT),
    (C::Archived,              Nothing,                          S::ARCHIVED),
    (C::UnknownToCloud,        Nothing,                          S::ABORTED_BY_SYSTEM),
    // somebody in the cluster has ended it
    (C::ZoneDeleted,           Abort,                            S::ABORTED_BY_USER),
    (C::TestRunDeleted,        Abort,                            S::ABORTED_BY_USER),
    // it has failed
    (C::CouldNotStart,         Error(ErrorCode::CouldNotStart),   S::ABORTED_BY_SYSTEM),
    (C::StartDeadlineExceeded, Error(ErrorCode::CouldNotStart),   S::ABORTED_BY_SYSTEM),
    (C::RunTimeExceeded,       Error(ErrorCode::Unknown),         S::TIMED_OUT),
    (C::OutOfMemory,           Error(ErrorCode::OutOfMemory),     S::ABORTED_BY_SYSTEM),
    (C::Panicked,              Error(ErrorCode::Panic),           S::ABORTED_BY_SYSTEM),
    (C::ScriptException,       Error(ErrorCode::ScriptException), S::ABORTED_BY_SCRIPT_ERROR),
    (C::RunnerFailed,          Error(ErrorCode::RunnerFailed),    S::ABORTED_BY_SYSTEM),
    (C::SetupFailed,           Error(ErrorCode::Setup),           S::ABORTED_BY_SCRIPT_ERROR),
];

impl Cause {
    /// All causes.
    pub fn all() -> impl Iterator<Item = Self> {
        CAUSES.iter().map(|row| row.0)
    }

    /// The reason written into the condition `CloudTestRunAborted`.
    #[must_use]
    pub fn reason(self) -> String {
        format!("{self:?}")
    }

    /// The cause behind a condition's reason.
    #[must_use]
    pub fn from_reason(reason: &str) -> Option<Self> {
        Self::all().find(|cause| cause.reason() == reason)
    }

    /// The cause that a status reported by GCk6 stands for. `None` if that status does not end the run.
    #[must_use]
    pub fn from_cloud(status: RunStatus) -> Option<Self> {
        if !status.stops_the_run() {
            return None;
        }
        let told_by_cloud = CAUSES.iter().filter(|row| row.1 == Nothing && row.0 != C::UnknownToCloud);
        Some(told_by_cloud.into_iter().find(|row| row.2 == status).map_or(C::AbortedBySystem, |row| row.0))
    }

    /// The status that the run is finished with at GCk6.
    #[must_use]
    pub fn finish_status(self) -> RunStatus {
        self.row().2
    }

    /// Whether the run has failed, rather than been ended by somebody who meant it.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(self.row().1, Error(_))
    }

    /// Whether GCk6 has yet to be told.
    #[must_use]
    pub fn is_news_to_cloud(self) -> bool {
        self.row().1 != Nothing
    }

    fn row(self) -> &'static (Self, Tell, RunStatus) {
        CAUSES.iter().find(|row| row.0 == self).expect("every cause has a row, see the test")
    }
}

impl Ending {
    /// The events for GCk6; empty when the news came from there.
    #[must_use]
    pub fn events(&self) -> Vec<cloud::Event> {
        match self.cause.row().1 {
            Nothing => Vec::new(),
            Abort => vec![cloud::Event::abort_because(Origin::User, &self.message)],
            Error(code) => cloud::Event::error_and_abort(code, &self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Cause; 18] = [
        C::TimedOut,
        C::AbortedByUser,
        C::AbortedBySystem,
        C::AbortedByScriptError,
        C::AbortedByThreshold,
        C::AbortedByLimit,
        C::Archived,
        C::UnknownToCloud,
        C::ZoneDeleted,
        C::TestRunDeleted,
        C::CouldNotStart,
        C::StartDeadlineExceeded,
        C::RunTimeExceeded,
        C::OutOfMemory,
        C::Panicked,
        C::ScriptException,
        C::RunnerFailed,
        C::SetupFailed,
    ];

    #[test]
    fn every_cause_has_a_row_and_is_found_by_its_reason() {
        assert_eq!(ALL.len(), CAUSES.len());
        for cause in ALL {
            assert_eq!(Cause::from_reason(&cause.reason()), Some(cause));
        }
        assert_eq!(Cause::from_reason("CloudTestRunAbortedTrue"), None);
    }

    #[test]
    fn a_status_from_gck6_is_handed_back_as_it_came() {
        for number in 4..=10 {
            let status = RunStatus(number);
            assert_eq!(Cause::from_cloud(status).unwrap().finish_status(), status);
        }
        assert_eq!(Cause::from_cloud(RunStatus(3)), None);
        assert_eq!(Cause::from_cloud(RunStatus(77)), Some(C::AbortedBySystem));
    }

    #[test]
    fn a_failure_tells_gck6_the_code_and_aborts() {
        let ending = Ending { cause: C::OutOfMemory, message: "runner 2 ran out of memory".into() };
        assert_eq!(ending.events().len(), 2);
        assert!(Ending { cause: C::AbortedByUser, message: String::new() }.events().is_empty());
    }
}
