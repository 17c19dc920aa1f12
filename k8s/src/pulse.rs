//! Whether the server answers, as all that speak to it through one client have found: who hears from it wakes the others.
//!
//! Invariant: a return is counted once, by the first answer after a silence; who waits for one misses none.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::status::Error;
use crate::stop::Stop;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_silent: bool,
    returns: u64,
}

impl Pulse {
    /// Takes in an answer, or that there was none.
    pub(crate) fn heed(&self, answer: Result<(), &Error>) {
        let mut state = self.lock();
        if answer.is_err_and(Error::is_outage) {
            state.is_silent = true;
        } else if answer.is_ok() && std::mem::take(&mut state.is_silent) {
            state.returns += 1;
            self.wake.notify_all();
        }
    }

    /// How often the server has come back.
    pub(crate) fn returns(&self) -> u64 {
        self.lock().returns
    }

    /// Waits for so long, until the stop, or until the server has come back once more than `returns`. Whether it has.
    pub(crate) fn wait(&self, time: Duration, stop: &Stop, returns: u64) -> bool {
        let is_over = |state: &mut State| stop.is_stopped() || state.returns != returns;
        let waited = self.wake.wait_timeout_while(self.lock(), time, |state| !is_over(state));
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.returns != returns
    }

    /// Makes those that wait look again whether they are to stop.
    pub(crate) fn nudge(&self) {
        drop(self.lock());
        self.wake.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_return_is_the_first_answer_after_a_silence() {
        let (pulse, stop) = (Pulse::default(), Stop::new());
        let gone = Error::Transport { server: String::new(), cause: String::new() };
        let told: Vec<u64> = [Ok(()), Err(&gone), Err(&gone), Ok(()), Ok(()), Err(&Error::Stopped)]
            .into_iter()
            .map(|answer| {
                pulse.heed(answer);
                pulse.returns()
            })
            .collect();
        assert_eq!(told, [0, 0, 0, 1, 1, 1]);
        assert!(pulse.wait(Duration::from_secs(3600), &stop, 0));
        assert!(!pulse.wait(Duration::ZERO, &stop, 1));
        stop.stop();
        assert!(!pulse.wait(Duration::from_secs(3600), &stop, 1));
    }
}
