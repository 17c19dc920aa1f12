//! Why a test run ends as it does, when it is not simply that its test is over and has passed.
//!
//! Owns the table of causes: the condition reason that makes a cause durable, the code and the events that GCk6 is told, the
//! status and the result that the run is finished with. Leaves alone when a cause applies (see `diagnose`) and which exit of
//! k6 stands for which cause (see `exits`).
//!
//! Invariant: `Cause::from_reason(cause.reason()) == Some(cause)`, so that a new process finds in the conditions what the
//! old one had decided.

use crate::cloud::{self, ErrorCode, Origin, ResultStatus, RunStatus};

/// A cause, and the sentence that says it to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Termination {
    /// What it is.
    pub cause: Cause,
    /// Which object, why, and what to do about it. No secrets.
    pub message: String,
}

/// Why a test run ends as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// GCk6 reports that the run timed out.
    TimedOut,
    /// Somebody pressed *Stop* at GCk6.
    AbortedByUser,
    /// GCk6 aborted the run, or reports a status that this version does not know.
    AbortedBySystem,
    /// GCk6 aborted the run because of a script error.
    AbortedByScriptError,
    /// GCk6 aborted the run: a threshold with `abortOnFail` was crossed.
    AbortedByThreshold,
    /// GCk6 aborted the run because it hit a limit.
    AbortedByLimit,
    /// GCk6 reports the run as archived.
    Archived,
    /// GCk6 answered "not found" three times in a row.
    UnknownToCloud,
    /// GCk6 says that the test run does not belong to this zone, or does not know it. GCk6 is not told; the
    /// stage ends as `error`.
    NotOfZone,
    /// The zone is being deleted or is gone. GCk6 gets an abort event.
    ZoneDeleted,
    /// The `TestRun` is being deleted or is gone. GCk6 gets an abort event.
    TestRunDeleted,
    /// The namespace is being deleted, and the zone, `TestRun`, Jobs and pods with it. GCk6 gets an abort
    /// event.
    NamespaceDeleted,
    /// The script called `test.abort()` on a runner (k6 exit code 108). The other runners are stopped, and GCk6
    /// gets an abort event.
    ScriptAborted,
    /// Somebody else stopped the test through k6's REST API (103). The other runners are stopped, and GCk6 gets
    /// an abort event.
    StoppedOnRunner,
    /// `ScriptAborted` or `StoppedOnRunner`; k6 does not say which.
    Interrupted,
    /// A threshold with `abortOnFail` was crossed on a runner (99). The other runners are stopped, and GCk6
    /// gets an abort event.
    ThresholdsAborted,
    /// The API server rejects a Job, a runner fails before the start, or the `TestRun` is not as the agent
    /// creates it.
    CouldNotStart,
    /// The runners were not ready, or setup was not finished, in time.
    StartDeadlineExceeded,
    /// The test did not end within 48 h.
    RunTimeExceeded,
    /// A runner was killed for using too much memory.
    OutOfMemory,
    /// k6 panicked (109).
    Panicked,
    /// The script threw an exception (107).
    ScriptException,
    /// After the start a runner failed, was evicted or was deleted, or its pod vanished.
    RunnerFailed,
    /// The script's `setup()` threw.
    SetupFailed,
    /// The script called `test.fail()` on a runner (110).
    MarkedAsFailed,
    /// Thresholds were crossed on a runner (99). Runners of a zone leave thresholds to GCk6.
    ThresholdsCrossed,
}

/// What GCk6 is told when a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tell {
    /// Nothing: the news came from there.
    Nothing,
    /// To abort the run, and who wants that.
    Abort(Origin),
    /// What went wrong, and to abort the run.
    Error(ErrorCode),
    /// What went wrong with a test that is over.
    Word(ErrorCode),
}

struct Row {
    reason: &'static str,
    tell: Tell,
    status: RunStatus,
    result: ResultStatus,
}

use Cause as C;
use ErrorCode as E;
use ResultStatus::{Failed, Passed};
use RunStatus as S;
use Tell::{Abort, Error, Nothing, Word};

const fn row(reason: &'static str, tell: Tell, status: RunStatus, result: ResultStatus) -> Row {
    Row { reason, tell, status, result }
}

impl Cause {
    /// All causes, in the order of the table.
    #[rustfmt::skip]
    pub const ALL: [Self; 26] = [
        C::TimedOut, C::AbortedByUser, C::AbortedBySystem, C::AbortedByScriptError, C::AbortedByThreshold,
        C::AbortedByLimit, C::Archived, C::UnknownToCloud, C::NotOfZone, C::ZoneDeleted, C::TestRunDeleted,
        C::NamespaceDeleted, C::ScriptAborted, C::StoppedOnRunner, C::Interrupted, C::ThresholdsAborted, C::CouldNotStart, C::StartDeadlineExceeded,
        C::RunTimeExceeded, C::OutOfMemory, C::Panicked, C::ScriptException, C::RunnerFailed, C::SetupFailed,
        C::MarkedAsFailed, C::ThresholdsCrossed,
    ];

    /// Cause, its reason in conditions, what GCk6 is told, and the status and the result that the run is finished with.
    #[rustfmt::skip]
    const fn row(self) -> Row {
        match self {
            // GCk6 has ended it
            C::TimedOut              => row("TimedOut",              Nothing,                   S::TIMED_OUT,               Passed),
            C::AbortedByUser         => row("AbortedByUser",         Nothing,                   S::ABORTED_BY_USER,         Passed),
            C::AbortedBySystem       => row("AbortedBySystem",       Nothing,                   S::ABORTED_BY_SYSTEM,       Passed),
            C::AbortedByScriptError  => row("AbortedByScriptError",  Nothing,                   S::ABORTED_BY_SCRIPT_ERROR, Passed),
            C::AbortedByThreshold    => row("AbortedByThreshold",    Nothing,                   S::ABORTED_BY_THRESHOLD,    Passed),
            C::AbortedByLimit        => row("AbortedByLimit",        Nothing,                   S::ABORTED_BY_LIMIT,        Passed),
            C::Archived              => row("Archived",              Nothing,                   S::ARCHIVED,                Passed),
            C::UnknownToCloud        => row("UnknownToCloud",        Nothing,                   S::ABORTED_BY_SYSTEM,       Passed),
            // GCk6 does not have it for this zone, and does not hear of it
            C::NotOfZone             => row("NotOfZone",             Nothing,                   S::ABORTED_BY_SYSTEM,       Passed),
            // somebody in the cluster has ended it
            C::ZoneDeleted           => row("ZoneDeleted",           Abort(Origin::User),       S::ABORTED_BY_USER,         Passed),
            C::TestRunDeleted        => row("TestRunDeleted",        Abort(Origin::User),       S::ABORTED_BY_USER,         Passed),
            C::NamespaceDeleted      => row("NamespaceDeleted",      Abort(Origin::User),       S::ABORTED_BY_USER,         Passed),
            // the test has ended itself before its time, or was ended on a runner: the other runners are stopped
            C::ScriptAborted         => row("ScriptAborted",         Abort(Origin::K6),         S::ABORTED_BY_USER,         Failed),
            C::StoppedOnRunner       => row("StoppedOnRunner",       Abort(Origin::User),       S::ABORTED_BY_USER,         Failed),
            C::Interrupted           => row("Interrupted",           Abort(Origin::K6),         S::ABORTED_BY_USER,         Failed),
            C::ThresholdsAborted     => row("ThresholdsAborted",     Abort(Origin::K6),         S::ABORTED_BY_THRESHOLD,    Failed),
            // it has failed
            C::CouldNotStart         => row("CouldNotStart",         Error(E::CouldNotStart),   S::ABORTED_BY_SYSTEM,       Failed),
            C::StartDeadlineExceeded => row("StartDeadlineExceeded", Error(E::CouldNotStart),   S::ABORTED_BY_SYSTEM,       Failed),
            C::RunTimeExceeded       => row("RunTimeExceeded",       Error(E::Unknown),         S::TIMED_OUT,               Failed),
            C::OutOfMemory           => row("OutOfMemory",           Error(E::OutOfMemory),     S::ABORTED_BY_SYSTEM,       Failed),
            C::Panicked              => row("Panicked",              Error(E::Panic),           S::ABORTED_BY_SYSTEM,       Failed),
            C::ScriptException       => row("ScriptException",       Error(E::ScriptException), S::ABORTED_BY_SCRIPT_ERROR, Failed),
            C::RunnerFailed          => row("RunnerFailed",          Error(E::RunnerFailed),    S::ABORTED_BY_SYSTEM,       Failed),
            C::SetupFailed           => row("SetupFailed",           Error(E::Setup),           S::ABORTED_BY_SCRIPT_ERROR, Failed),
            // the test is over on all runners, and has not passed
            C::MarkedAsFailed        => row("MarkedAsFailed",        Word(E::Unknown),          S::FINISHED,                Failed),
            C::ThresholdsCrossed     => row("ThresholdsCrossed",     Word(E::Unknown),          S::FINISHED,                Failed),
        }
    }

    /// The reason written into the conditions.
    #[must_use]
    pub fn reason(self) -> &'static str {
        self.row().reason
    }

    /// The cause behind a condition's reason.
    #[must_use]
    pub fn from_reason(reason: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.reason() == reason)
    }

    /// The cause that a status reported by GCk6 stands for. `None` if that status does not end the run.
    #[must_use]
    pub fn from_cloud(status: RunStatus) -> Option<Self> {
        let told_by_cloud = Self::ALL
            .into_iter()
            .filter(|cause| !cause.is_news_to_cloud() && !matches!(cause, C::UnknownToCloud | C::NotOfZone));
        status.stops_the_run().then(|| {
            told_by_cloud
                .into_iter()
                .find(|cause| cause.finish_status() == status)
                .unwrap_or(C::AbortedBySystem)
        })
    }

    /// The status that the run is finished with at GCk6.
    #[must_use]
    pub fn finish_status(self) -> RunStatus {
        self.row().status
    }

    /// The result that the run is finished with at GCk6.
    #[must_use]
    pub fn result(self) -> ResultStatus {
        self.row().result
    }

    /// Whether the run has failed, rather than been ended by somebody who meant it.
    #[must_use]
    pub fn is_failure(self) -> bool {
        self == C::NotOfZone || matches!(self.row().tell, Error(_))
    }

    /// Whether the test went on to its end, and this is only how it came out.
    #[must_use]
    pub fn is_verdict(self) -> bool {
        self.row().status == S::FINISHED
    }

    /// Whether the deletion of the whole namespace looks like this at first: pods, Jobs, the run and the zone go one by one.
    #[must_use]
    pub fn may_be_of_namespace(self) -> bool {
        matches!(self, C::ZoneDeleted | C::TestRunDeleted | C::CouldNotStart | C::RunnerFailed)
    }

    /// Whether GCk6 has yet to be told.
    #[must_use]
    pub fn is_news_to_cloud(self) -> bool {
        self.row().tell != Nothing
    }
}

impl Termination {
    /// The whole namespace is being deleted.
    #[must_use]
    pub fn of_namespace(namespace: &str) -> Self {
        let message =
            format!("namespace {namespace} is being deleted in the cluster, and the test run with it");
        Self { cause: C::NamespaceDeleted, message }
    }

    /// The events for GCk6; empty when the news came from there.
    #[must_use]
    pub fn events(&self) -> Vec<cloud::Event> {
        match self.cause.row().tell {
            Nothing => Vec::new(),
            Abort(origin) => vec![cloud::Event::abort_because(origin, &self.message)],
            Error(code) => cloud::Event::error_and_abort(code, &self.message),
            Word(code) => vec![cloud::Event::error(code, &self.message)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They stand in conditions that a later version reads, and people filter by them: none of them ever changes.
    const REASONS: [&str; 26] = [
        "TimedOut",
        "AbortedByUser",
        "AbortedBySystem",
        "AbortedByScriptError",
        "AbortedByThreshold",
        "AbortedByLimit",
        "Archived",
        "UnknownToCloud",
        "NotOfZone",
        "ZoneDeleted",
        "TestRunDeleted",
        "NamespaceDeleted",
        "ScriptAborted",
        "StoppedOnRunner",
        "Interrupted",
        "ThresholdsAborted",
        "CouldNotStart",
        "StartDeadlineExceeded",
        "RunTimeExceeded",
        "OutOfMemory",
        "Panicked",
        "ScriptException",
        "RunnerFailed",
        "SetupFailed",
        "MarkedAsFailed",
        "ThresholdsCrossed",
    ];

    #[test]
    fn every_cause_is_in_the_list_and_is_found_by_its_reason() {
        for (at, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, at, "{cause:?}");
            assert_eq!(Cause::from_reason(cause.reason()), Some(cause));
        }
        assert_eq!(C::ThresholdsCrossed as usize + 1, Cause::ALL.len(), "the last one");
        assert_eq!(Cause::ALL.map(Cause::reason), REASONS);
        for other in ["CloudTestRunAbortedTrue", "", "timedout", "TimedOut "] {
            assert_eq!(Cause::from_reason(other), None, "{other}");
        }
    }

    /// The code, the status and the result of each cause, as GCk6 has them.
    #[test]
    #[rustfmt::skip]
    fn what_each_cause_is_at_gck6() {
        let rows = [
            (C::TimedOut, "", 4, 0), (C::AbortedByUser, "", 5, 0), (C::AbortedBySystem, "", 6, 0),
            (C::AbortedByScriptError, "", 7, 0), (C::AbortedByThreshold, "", 8, 0), (C::AbortedByLimit, "", 9, 0),
            (C::Archived, "", 10, 0), (C::UnknownToCloud, "", 6, 0), (C::NotOfZone, "", 6, 0),
            (C::ZoneDeleted, "abort by user;", 5, 0), (C::TestRunDeleted, "abort by user;", 5, 0),
            (C::NamespaceDeleted, "abort by user;", 5, 0), (C::ScriptAborted, "abort by k6;", 5, 1),
            (C::StoppedOnRunner, "abort by user;", 5, 1), (C::Interrupted, "abort by k6;", 5, 1),
            (C::ThresholdsAborted, "abort by k6;", 8, 1), (C::CouldNotStart, "8050;abort by user;", 6, 1),
            (C::StartDeadlineExceeded, "8050;abort by user;", 6, 1), (C::RunTimeExceeded, "8034;abort by user;", 4, 1),
            (C::OutOfMemory, "8032;abort by user;", 6, 1), (C::Panicked, "8033;abort by user;", 6, 1),
            (C::ScriptException, "8035;abort by user;", 7, 1), (C::RunnerFailed, "8052;abort by user;", 6, 1),
            (C::SetupFailed, "8030;abort by user;", 7, 1), (C::MarkedAsFailed, "8034;", 3, 1),
            (C::ThresholdsCrossed, "8034;", 3, 1),
        ];
        assert_eq!(rows.map(|row| row.0), Cause::ALL);
        for (cause, events, status, result) in rows {
            let result = if result == 0 { Passed } else { Failed };
            let found = (told(cause), cause.finish_status(), cause.result());
            assert_eq!(found, (events.to_owned(), RunStatus(status), result), "{cause:?}");
        }
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

    /// What GCk6 is told of a cause, a word each.
    fn told(cause: Cause) -> String {
        let events = serde_json::to_value(Termination { cause, message: "why".into() }.events()).unwrap();
        let word = |event: &serde_json::Value| match event["event_type"].as_str() {
            Some("TestRunErrorEvent") => format!("{};", event["event"]["error_code"]),
            _ => format!("abort by {};", event["event"]["origin"].as_str().unwrap()),
        };
        events.as_array().unwrap().iter().map(word).collect()
    }

    #[test]
    fn only_an_end_that_was_asked_for_from_outside_the_test_passes() {
        for cause in Cause::ALL {
            let by_deletion = matches!(cause, C::ZoneDeleted | C::TestRunDeleted | C::NamespaceDeleted);
            let asked_for = !cause.is_news_to_cloud() || by_deletion;
            assert_eq!(cause.result() == Passed, asked_for, "{cause:?}");
            assert!(!(cause.is_failure() && cause.is_verdict()), "{cause:?}");
        }
    }
}
