//! A sidecar: an init container that goes on beside k6, is started again whenever it ends, and ends with the pod.

use std::time::Duration;

use super::kubelet::{Sandbox, Step};
use super::status::State;

/// How long its end shows before the kubelet says that it waits.
const ENDED: Duration = Duration::from_secs(1);
/// How long after its end the kubelet starts one again.
const RESTART: Duration = Duration::from_secs(5);

/// A sidecar so far.
#[derive(Clone, Debug, Default)]
pub struct Sidecar {
    /// When it was first started; none before.
    pub since: Option<Duration>,
    /// How often it was started again, or is about to be.
    pub restarts: usize,
    /// How it ended last; none if it never has.
    pub last: Option<State>,
}

impl Sandbox {
    /// Takes the sidecar to where it is by now; returns when it takes its next step.
    pub(super) fn step_sidecar(&mut self, now: Duration) -> Option<Duration> {
        let first = self.status.sidecar.as_ref()?.since?;
        if matches!(self.step, Step::Ended | Step::Terminating | Step::Lost) {
            return None;
        }
        let ends = self.plan.injected.as_ref().map_or(&[][..], |injected| &injected.ends);
        let restarts = ends.iter().filter(|(after, ..)| now >= first + *after).count();
        let next = ends.get(restarts).map(|(after, ..)| first + *after);
        let Some((after, reason, code)) = restarts.checked_sub(1).map(|at| ends[at]) else { return next };
        let finished = first + after;
        let again = finished + RESTART;
        let last = State::Terminated { code, reason, message: String::new(), started: first, finished };
        let last_of = |restarts, last| Some(Sidecar { since: Some(first), restarts, last });
        if now < finished + ENDED {
            self.status.sidecar = last_of(restarts - 1, None);
            self.status.inits[0] = last;
            return Some(finished + ENDED);
        }
        self.status.sidecar = last_of(restarts, Some(last));
        self.status.inits[0] = if now < again {
            let message = "back-off 5s restarting failed container".to_owned();
            State::Waiting { reason: "CrashLoopBackOff", message }
        } else {
            State::Running(again)
        };
        [next, Some(again).filter(|at| *at > now)].into_iter().flatten().min()
    }

    /// Ends it with the pod.
    pub(super) fn end_sidecar(&mut self, now: Duration) {
        if let (Some(_), Some(State::Running(started))) = (&self.status.sidecar, self.status.inits.first()) {
            let code = self.plan.injected.as_ref().map_or(0, |injected| injected.last);
            let (started, finished, message) = (*started, now, String::new());
            let reason = if code == 0 { "Completed" } else { "Error" };
            self.status.inits[0] = State::Terminated { code, reason, message, started, finished };
        }
    }
}
