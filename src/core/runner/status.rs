//! What a runner says of itself.
//!
//! Owns what a status means for the run. Invariant: a runner counts as ended only by its own word.

use k8s::fields::Faults;
use serde_json::Value;

/// What a runner says of itself. `status` runs: 0 created, 1 and 2 initializing, 3 ready, 4 paused before the run,
/// 5 started, 6 setup, 7 running, 8 teardown, 9 ended, 10 interrupted, 11 marked as failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunnerStatus {
    /// The number above.
    pub status: u32,
    /// Waits to be resumed.
    pub paused: bool,
    /// Started and not ended. A lingering runner that was stopped still says so: it tells nothing about the end.
    pub running: bool,
    /// The test was told to stop, or is over.
    pub stopped: bool,
    /// A threshold was crossed.
    pub tainted: bool,
    /// Virtual users at work.
    pub vus: u64,
    /// Virtual users that are initialized.
    pub vus_max: u64,
    /// The exit code that the process will end with, once the test is over. k6 tells it from the release after 2.2.0 on.
    pub(super) exit_code: Option<i32>,
}
k8s::readable!(RunnerStatus {
    status: "status",
    paused: "paused",
    running: "running",
    stopped: "stopped",
    tainted: "tainted",
    vus: "vus",
    vus_max: "vus-max",
    exit_code: "execution_result" by read_exit_code,
});

/// The exit code of an `execution_result`. That of a later k6 may look otherwise; then it is as if there were none.
fn read_exit_code(result: &Value, _: &mut Faults) -> Option<i32> {
    result.get("exit_code")?.as_i64()?.try_into().ok()
}

impl RunnerStatus {
    const PAUSED_BEFORE_START: u32 = 4;
    const STARTED: u32 = 5;
    const ENDED: u32 = 9;
    const INTERRUPTED: u32 = 10;
    const MARKED_AS_FAILED: u32 = 11;

    /// Whether the runner is ready and waits for the others. Only then may the run be started.
    pub fn is_paused_before_start(&self) -> bool {
        self.status == Self::PAUSED_BEFORE_START
    }

    /// Whether the test began, be it that it has ended since.
    pub fn has_started(&self) -> bool {
        self.status >= Self::STARTED
    }

    /// Whether the test is over, in whatever way.
    pub fn has_ended(&self) -> bool {
        self.status >= Self::ENDED
    }

    /// Whether the test was cut short, be it by us.
    pub fn is_interrupted(&self) -> bool {
        self.status == Self::INTERRUPTED
    }

    /// Whether the script has marked its test as failed, which has run to its end.
    pub fn is_marked_as_failed(&self) -> bool {
        self.status == Self::MARKED_AS_FAILED
    }

    /// The exit code that the process will end with, if the test is over and k6 is one that tells.
    pub fn exit_code(&self) -> Option<i32> {
        self.exit_code.filter(|_| self.has_ended())
    }

    /// Whether it was stopped before its test began. Who is stopped later says that he runs for as long as he lingers.
    pub fn was_stopped_before_start(&self) -> bool {
        self.stopped && !self.running
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_status_says() {
        for number in 0..=12 {
            let status = RunnerStatus { status: number, ..RunnerStatus::default() };
            assert_eq!(status.is_paused_before_start(), number == 4, "{number}");
            assert_eq!(status.has_started(), number >= 5, "{number}");
            assert_eq!(status.has_ended(), number >= 9, "{number}");
            assert_eq!(status.is_interrupted(), number == 10, "{number}");
            assert_eq!(status.is_marked_as_failed(), number == 11, "{number}");
        }
        // A lingering runner that was told to stop still calls itself running, and one that only says so has not ended.
        assert!(!RunnerStatus { status: 7, stopped: true, ..RunnerStatus::default() }.has_ended());
    }
}
