//! Pauses that grow with each failure, with jitter, so that clients that failed together do not come back together.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use crate::status::Retry;

/// The pause after a first failure.
pub const PAUSE_MIN: Duration = Duration::from_millis(500);
/// The longest pause.
pub const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The longest pause that a server may ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(120);

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
    pub fn pause(&mut self, retry: Retry) -> Duration {
        let entropy = RandomState::new().build_hasher().finish();
        self.pause_with(retry, entropy)
    }

    fn pause_with(&mut self, retry: Retry, entropy: u64) -> Duration {
        let full = PAUSE_MIN.saturating_mul(2_u32.saturating_pow(self.failures)).min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        let half = full / 2;
        let jitter = half.mul_f64((entropy % 1024) as f64 / 1023.0);
        match retry {
            Retry::After(asked) => asked.min(RETRY_AFTER_MAX).max(half) + jitter,
            Retry::Backoff | Retry::Never => half + jitter,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_begin_anew() {
        let mut backoff = Backoff::default();
        let mut next = |entropy| backoff.pause_with(Retry::Backoff, entropy).as_millis();
        assert_eq!([next(1023), next(1023), next(0), next(1023)], [500, 1000, 1000, 4000]);
        assert_eq!((0..99).map(|_| next(1023)).last(), Some(30_000));
        backoff.reset();
        assert_eq!(backoff.pause_with(Retry::Backoff, 0).as_millis(), 250);
    }

    #[test]
    fn a_server_is_heard_within_reason() {
        let mut backoff = Backoff::default();
        let seconds = |pause: Duration| pause.as_secs();
        assert_eq!(seconds(backoff.pause_with(Retry::After(Duration::from_secs(7)), 0)), 7);
        assert_eq!(seconds(backoff.pause_with(Retry::After(Duration::MAX), 0)), 120);
        assert!(backoff.pause_with(Retry::After(Duration::ZERO), 0) >= Duration::from_millis(500));
    }
}
