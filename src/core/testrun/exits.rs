//! How k6 ends on a runner without the agent's doing, and which cause that is for the run.
//!
//! Owns k6's exit codes, by its `errext/exitcodes`, and the ends that its REST API tells while the process lingers. Leaves
//! alone what follows from a cause (see `termination`) and whether GCk6 has to be asked first (see `diagnose`).
//!
//! Invariant: an end that the agent has asked for is none of these.

use super::facts::{Facts, Runner};
use super::life::{Exit, Life};
use super::termination::Cause;

/// The end of the test on one runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// What it is for the run; none for a test that is over and has passed.
    pub cause: Option<Cause>,
    /// What has happened, to go before `on runner 1/2`.
    pub words: &'static str,
}

use Cause as C;

const fn end(cause: Cause, words: &'static str) -> End {
    End { cause: Some(cause), words }
}

/// What an exit of k6 means.
#[rustfmt::skip]
#[must_use]
pub const fn of_code(code: i32) -> End {
    match code {
        // code         what it is for the run     in words
        0   => End { cause: None,            words: "as after a test that has passed" },
        97  => end(C::RunnerFailed,                "the cloud run failed"),
        98  => end(C::RunnerFailed,                "GCk6 did not report the test's progress"),
        99  => end(C::ThresholdsCrossed,           "thresholds were crossed"),
        100 => end(C::SetupFailed,                 "setup() took too long"),
        101 => end(C::RunnerFailed,                "teardown() took too long"),
        102 => end(C::RunnerFailed,                "a step of the test took too long"),
        103 => end(C::StoppedOnRunner,             "somebody stopped the test through k6's REST API"),
        104 => end(C::RunnerFailed,                "invalid configuration or command line"),
        105 => end(C::RunnerFailed,                "aborted by a signal: a liveness probe, a node shutdown, or a person"),
        106 => end(C::RunnerFailed,                "its REST API could not listen"),
        107 => end(C::ScriptException,             "the script failed"),
        108 => end(C::ScriptAborted,               "the script called test.abort()"),
        109 => end(C::Panicked,                    "k6 panicked"),
        110 => end(C::MarkedAsFailed,              "the script called test.fail()"),
        137 => end(C::RunnerFailed,                "killed"),
        143 => end(C::RunnerFailed,                "terminated"),
        _   => end(C::RunnerFailed,                "failed"),
    }
}

/// What it means when a test was cut short, by the exit code that k6 will end with, if it tells.
#[rustfmt::skip]
const fn of_interruption(code: Option<i32>) -> End {
    match code {
        Some(99)   => end(C::ThresholdsAborted, "thresholds with abortOnFail were crossed"),
        Some(105)  => end(C::RunnerFailed,      "k6 stopped the test because GCk6 accepts no more metrics from it"),
        Some(code @ 1..) => of_code(code),
        // k6 up to 2.2.0 does not tell while it lingers.
        _ => end(C::Interrupted, "the test was interrupted: the script called test.abort(), or somebody stopped it through k6's REST API"),
    }
}

/// Whether k6 exits like this when its test has run, whatever its result, or was ended by somebody who meant it. A signal
/// (105) is none of them: those that the agent causes come with the deletion of the pod.
#[must_use]
pub const fn is_end_of_test(code: i32) -> bool {
    matches!(code, 0 | 99 | 103 | 108 | 110)
}

impl<'a> Facts<'a> {
    /// The ends that the agent has not asked for, in the order of the runners.
    pub fn ends(&self) -> impl Iterator<Item = (Runner<'a>, End)> + '_ {
        self.runners().filter_map(|runner| Some((runner, runner.end()?)))
    }
}

impl<'a> Runner<'a> {
    /// How k6 has exited by itself, if it has.
    #[must_use]
    pub fn exit(&self) -> Option<&'a Exit> {
        match &self.pod?.life {
            Life::Ended(exit) => Some(exit),
            _ => None,
        }
    }

    /// Whether its test was cut short, and not by the agent.
    #[must_use]
    pub fn was_interrupted(&self) -> bool {
        !self.state.stopped && self.state.status.as_ref().is_some_and(|status| status.is_interrupted())
    }

    /// How its test has ended, if it has, and not by the agent.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        if self.state.stopped || !self.has_ended() {
            return None;
        }
        let status = self.state.status.unwrap_or_default();
        let code = self.exit().map(|exit| exit.code).or(status.exit_code());
        Some(match code {
            code if status.is_interrupted() => of_interruption(code),
            Some(code) => of_code(code),
            None if status.is_marked_as_failed() => of_code(110),
            None => of_code(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_k6_exits_with_is_a_cause() {
        #[rustfmt::skip]
        let rows = [
            (0, None), (99, Some(C::ThresholdsCrossed)), (100, Some(C::SetupFailed)), (103, Some(C::StoppedOnRunner)),
            (107, Some(C::ScriptException)), (108, Some(C::ScriptAborted)), (109, Some(C::Panicked)),
            (110, Some(C::MarkedAsFailed)),
        ];
        for (code, cause) in rows {
            assert_eq!(of_code(code).cause, cause, "{code}");
        }
        for code in [1, -1, 97, 98, 101, 102, 104, 105, 106, 111, 128, 137, 143, i32::MAX, i32::MIN] {
            assert_eq!(of_code(code).cause, Some(C::RunnerFailed), "{code}");
        }
    }

    #[test]
    fn an_end_of_the_test_is_never_a_failure_of_the_runner() {
        for code in -1..=255 {
            let cause = of_code(code).cause;
            assert_eq!(is_end_of_test(code), cause.is_none_or(|cause| !cause.is_failure()), "{code}");
        }
    }

    #[test]
    fn an_interruption_without_a_code_names_who_it_may_have_been() {
        let rows = [
            (None, C::Interrupted),
            (Some(0), C::Interrupted),
            (Some(-1), C::Interrupted),
            (Some(99), C::ThresholdsAborted),
            (Some(103), C::StoppedOnRunner),
            (Some(105), C::RunnerFailed),
            (Some(108), C::ScriptAborted),
        ];
        for (code, cause) in rows {
            assert_eq!(of_interruption(code).cause, Some(cause), "{code:?}");
        }
    }
}
