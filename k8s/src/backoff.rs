//! Pauses that grow with each failure, with jitter, so that clients that failed together do not come back together; and when a
//! watch need not wait for their end.
//!
//! Owns the reckoning alone: entropy and time are arguments. Leaves waiting to its callers.

use std::time::Duration;

use crate::status::{Error, Retry};

/// The pause after a first failure.
pub const PAUSE_MIN: Duration = Duration::from_millis(500);
/// The longest pause.
pub const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The longest pause that a server may ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(120);
/// Within which time those that wait for a server ask again once somebody has heard from it.
pub const WAKE_SPREAD: Duration = Duration::from_secs(1);

/// Counts failures in a row.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Forgets the failures.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Counts one more failure and says how long to pause: between half and all of 0.5 s, 1 s, … 30 s; or what the server
    /// asked for and a little more.
    pub fn pause(&mut self, retry: Retry, entropy: u64) -> Duration {
        let full = PAUSE_MIN.saturating_mul(2_u32.saturating_pow(self.failures)).min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        let half = full / 2;
        let jitter = half.mul_f64(fraction(entropy));
        match retry {
            Retry::After(asked) => asked.min(RETRY_AFTER_MAX).max(half) + jitter,
            Retry::Backoff | Retry::Never => half + jitter,
        }
    }
}

/// How a watch waits: its own backoff, which begins anew once the server answers after it was away; and, while it is away, an
/// ear for others that hear from it.
///
/// Who answers others and not this watch is asked at growing intervals all the same: each waking that leads to nothing makes
/// the watch hard of hearing for as long as a backoff of that many failures.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    backoff: Backoff,
    is_away: bool,
    wakings: Backoff,
    was_woken: bool,
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// If nothing happens.
    pub at_most: Duration,
    /// After which a sign of life of the server ends the wait, within [`WAKE_SPREAD`]; none: its signs mean nothing.
    pub deaf: Option<Duration>,
}

impl Pace {
    /// The request of the watch was answered, well or not; or it was not, for a reason that has nothing to do with the watch.
    pub fn heed(&mut self, answer: Result<(), &Error>) {
        let is_away = answer.is_err_and(Error::is_outage);
        if self.is_away && !is_away {
            *self = Self::default();
        }
        self.is_away = is_away;
    }

    /// The watch has brought something.
    pub fn reset(&mut self) {
        self.backoff.reset();
    }

    /// Counts one more failure and says how long to wait.
    pub fn pause(&mut self, retry: Retry, entropy: u64) -> Pause {
        let at_most = self.backoff.pause(retry, entropy);
        let woken = std::mem::take(&mut self.was_woken);
        let deaf = self.is_away.then(|| {
            let deaf = if woken { self.wakings.pause(Retry::Backoff, entropy) } else { Duration::ZERO };
            deaf.min(at_most)
        });
        Pause { at_most, deaf }
    }

    /// The wait was ended by a sign of life.
    pub fn woken(&mut self) {
        self.was_woken = true;
    }
}

/// Somewhere in [`WAKE_SPREAD`].
#[must_use]
pub fn wake_after(entropy: u64) -> Duration {
    WAKE_SPREAD.mul_f64(fraction(entropy))
}

fn fraction(entropy: u64) -> f64 {
    (entropy % 1024) as f64 / 1023.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_begin_anew() {
        let mut backoff = Backoff::default();
        let mut next = |entropy| backoff.pause(Retry::Backoff, entropy).as_millis();
        assert_eq!([next(1023), next(1023), next(0), next(1023)], [500, 1000, 1000, 4000]);
        assert_eq!((0..99).map(|_| next(1023)).last(), Some(30_000));
        backoff.reset();
        assert_eq!(backoff.pause(Retry::Backoff, 0).as_millis(), 250);
    }

    #[test]
    fn a_server_is_heard_within_reason() {
        let mut backoff = Backoff::default();
        let seconds = |pause: Duration| pause.as_secs();
        assert_eq!(seconds(backoff.pause(Retry::After(Duration::from_secs(7)), 0)), 7);
        assert_eq!(seconds(backoff.pause(Retry::After(Duration::MAX), 0)), 120);
        assert!(backoff.pause(Retry::After(Duration::ZERO), 0) >= Duration::from_millis(500));
    }

    fn outage() -> Error {
        Error::Transport { server: String::new(), cause: String::new() }
    }

    fn refusal() -> Error {
        Error::Api { status: crate::status::Status { code: 403, ..crate::status::Status::default() } }
    }

    #[test]
    fn an_answer_after_an_outage_begins_the_backoff_anew() {
        let mut pace = Pace::default();
        for _ in 0..9 {
            pace.heed(Err(&outage()));
            let _ = pace.pause(Retry::Backoff, 1023);
        }
        pace.heed(Err(&refusal()));
        assert_eq!(pace.pause(Retry::Backoff, 1023), Pause { at_most: PAUSE_MIN, deaf: None });
        // One refusal after the other is no new beginning.
        pace.heed(Err(&refusal()));
        assert_eq!(pace.pause(Retry::Backoff, 1023).at_most, PAUSE_MIN * 2);
    }

    #[test]
    fn who_waits_in_an_outage_listens_and_less_each_time_in_vain() {
        let mut pace = Pace::default();
        let deaf = |pace: &mut Pace| {
            pace.heed(Err(&outage()));
            let pause = pace.pause(Retry::Backoff, 1023);
            pace.woken();
            pause.deaf.map(|deaf| deaf.as_millis())
        };
        let heard = [deaf(&mut pace), deaf(&mut pace), deaf(&mut pace), deaf(&mut pace)];
        assert_eq!(heard, [Some(0), Some(500), Some(1000), Some(2000)]);
        pace.heed(Ok(()));
        assert_eq!(deaf(&mut pace), Some(0));
    }
}
