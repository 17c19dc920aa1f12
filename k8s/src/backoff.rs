//! Pauses that grow with each failure, with jitter, so that those who failed together do not come back together; and when a
//! watch need not wait for their end.
//!
//! Owns the reckoning alone: entropy and time are arguments. Leaves waiting to its callers.

use std::time::Duration;

use crate::status::{Error, RETRY_AFTER_MAX, Retry};

/// Within which time those that wait for a server ask again once somebody has heard from it.
pub const WAKE_SPREAD: Duration = Duration::from_secs(1);

/// As often is a pause doubled at the most.
const DOUBLINGS_MAX: u32 = 31;

/// How pauses grow: doubled with each failure in a row, up to a bound. Who counts the failures forgets them by counting from
/// 0 again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after a first failure.
    pub first: Duration,
    /// The longest pause.
    pub most: Duration,
    /// By how much of itself a pause may be shorter, in percent.
    pub jitter_percent: u8,
}

impl Backoff {
    /// The API server, of a watch: 0.5 s, 1 s, … 30 s.
    pub const WATCH: Self =
        Self { first: Duration::from_millis(500), most: Duration::from_secs(30), jitter_percent: 50 };

    /// The pause after the `failures`-th failure in a row. `fraction`, from 0 to 1, is how much of the jitter is taken off.
    #[must_use]
    pub fn pause(self, failures: u32, fraction: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(DOUBLINGS_MAX);
        let full = self.first.saturating_mul(1 << doublings).min(self.most);
        full.saturating_sub(
            full.mul_f64(fraction.clamp(0.0, 1.0) * f64::from(self.jitter_percent.min(100)) / 100.0),
        )
    }

    /// The same, where a server may have asked for a pause: that and a little more, within reason.
    #[must_use]
    pub fn pause_as_asked(self, failures: u32, fraction: f64, retry: Retry) -> Duration {
        let pause = self.pause(failures, fraction);
        let shortest = self.pause(failures, 1.0);
        match retry {
            Retry::After(asked) => asked.min(RETRY_AFTER_MAX).max(shortest) + (pause - shortest),
            Retry::Backoff | Retry::Never => pause,
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
    failures: u32,
    is_away: bool,
    wakings: u32,
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
        self.failures = 0;
    }

    /// Counts one more failure and says how long to wait.
    pub fn pause(&mut self, retry: Retry, entropy: u64) -> Pause {
        self.failures = self.failures.saturating_add(1);
        let at_most = Backoff::WATCH.pause_as_asked(self.failures, fraction(entropy), retry);
        let is_vain = std::mem::take(&mut self.was_woken);
        let deaf = self.is_away.then(|| {
            if !is_vain {
                return Duration::ZERO;
            }
            self.wakings = self.wakings.saturating_add(1);
            Backoff::WATCH.pause(self.wakings, fraction(entropy)).min(at_most)
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

/// A number from 0 to 1.
#[must_use]
pub fn fraction(entropy: u64) -> f64 {
    (entropy % 1024) as f64 / 1023.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn pauses_grow_to_a_bound_and_begin_anew() {
        let pause = |failures, fraction| Backoff::WATCH.pause(failures, fraction).as_millis();
        assert_eq!([pause(1, 0.0), pause(2, 0.0), pause(3, 1.0), pause(4, 0.0)], [500, 1000, 1000, 4000]);
        assert_eq!([pause(0, 0.0), pause(99, 0.0), pause(u32::MAX, 1.0)], [500, 30_000, 15_000]);
        let quarter = Backoff { first: 100 * MS, most: 1000 * MS, jitter_percent: 25 };
        assert_eq!(
            [quarter.pause(1, 1.0), quarter.pause(1, 7.0), quarter.pause(2, 0.5)],
            [75 * MS, 75 * MS, 175 * MS]
        );
        let never = Backoff { first: Duration::ZERO, most: Duration::ZERO, jitter_percent: 255 };
        assert_eq!(never.pause(9, 0.5), Duration::ZERO);
    }

    #[test]
    fn a_server_is_heard_within_reason() {
        let pause = |failures, fraction, asked| {
            let pause = Backoff::WATCH.pause_as_asked(failures, fraction, Retry::After(asked));
            pause.as_millis()
        };
        assert_eq!(pause(1, 1.0, 7000 * MS), 7000);
        assert_eq!(pause(1, 0.0, 7000 * MS), 7250);
        assert_eq!(pause(1, 1.0, Duration::MAX), 120_000);
        assert_eq!(pause(2, 1.0, Duration::ZERO), 500);
        assert_eq!(Backoff::WATCH.pause_as_asked(1, 0.0, Retry::Backoff), 500 * MS);
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
            let _ = pace.pause(Retry::Backoff, 0);
        }
        pace.heed(Err(&refusal()));
        assert_eq!(pace.pause(Retry::Backoff, 0), Pause { at_most: 500 * MS, deaf: None });
        // One refusal after the other is no new beginning.
        pace.heed(Err(&refusal()));
        assert_eq!(pace.pause(Retry::Backoff, 0).at_most, 1000 * MS);
    }

    #[test]
    fn who_waits_in_an_outage_listens_and_less_each_time_in_vain() {
        let mut pace = Pace::default();
        let deaf = |pace: &mut Pace| {
            pace.heed(Err(&outage()));
            let pause = pace.pause(Retry::Backoff, 0);
            pace.woken();
            pause.deaf.map(|deaf| deaf.as_millis())
        };
        let heard = [deaf(&mut pace), deaf(&mut pace), deaf(&mut pace), deaf(&mut pace)];
        assert_eq!(heard, [Some(0), Some(500), Some(1000), Some(2000)]);
        pace.heed(Ok(()));
        assert_eq!(deaf(&mut pace), Some(0));
    }
}
