//! What is remembered of one runner.

use std::time::Duration;

use super::Job;
use crate::runner::RunnerStatus;
use crate::testrun::life::Step;
use crate::testrun::pod::RunnerPod;

/// What is remembered of a runner.
#[derive(Debug, Default)]
pub struct RunnerMemory {
    /// What is known of its Job.
    pub job: Job,
    /// Whether its pod has been seen.
    pub pod_seen: bool,
    /// When the Events of its Job were last read.
    pub events_read: Option<Duration>,
    /// Why its pod was refused, in the words of an Event. Whoever may create Events in the namespace may have written them.
    pub refusal: Option<String>,
    /// How far its pod has come on the way to k6.
    pub step: Step,
    /// When its pod was last seen to have taken a step.
    pub moved_at: Duration,
    /// When it was last asked for its status.
    pub asked: Option<Duration>,
    /// What it last answered.
    pub status: Option<RunnerStatus>,
    /// Whether it has been given the setup data.
    pub data_sent: bool,
    /// Whether it has taken "resume".
    pub resumed: bool,
    /// Whether it has taken "stop".
    pub stopped: bool,
    /// Since when it has not answered.
    pub silent_since: Option<Duration>,
    /// Why the last call to it failed.
    pub trouble: Option<String>,
}

impl RunnerMemory {
    /// Its pod was seen. Only a step forward is one: a pod that was made again begins anew and counts from there.
    pub fn saw(&mut self, now: Duration, pod: &RunnerPod) {
        if !self.pod_seen || pod.step > self.step {
            self.step = pod.step;
            self.moved_at = now;
        }
        self.pod_seen = true;
    }
}
