//! The clock: the only place that reads the time for the core.

#![expect(clippy::disallowed_methods, reason = "this is the clock")]

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use plz_core::event::Now;

/// Time since the process began, and the calendar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(super) fn now(&self) -> Now {
        Now { mono: self.start.elapsed(), wall: SystemTime::now() }
    }

    /// When the clock was started, as the time since 1970.
    pub(super) fn started(&self) -> Duration {
        let now = self.now();
        now.wall.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(now.mono)
    }

    /// A name for this process that no other one has had: `host` and a number of the system's own randomness.
    pub(super) fn identity(&self, host: &str) -> String {
        // Std seeds the keys of its hash maps from the operating system.
        let random = RandomState::new().hash_one(self.seed());
        format!("{host}_{random:016x}")
    }

    /// A number that differs from process to process, so that forty agents do not keep step.
    pub(super) fn seed(&self) -> u64 {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let low = u64::try_from(nanos & u128::from(u64::MAX)).unwrap_or(0);
        low ^ (u64::from(std::process::id()) << 32)
    }
}
