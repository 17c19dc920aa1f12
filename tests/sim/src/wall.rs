//! Wall time for models that have no clock: a base that the caller gives, plus the time since the start.

use std::time::{Duration, SystemTime};

/// The wall time at the start of a world.
#[derive(Clone, Copy, Debug)]
pub struct Wall(pub SystemTime);

impl Default for Wall {
    /// A fixed moment, so that simulations print the same on every day.
    fn default() -> Self {
        Self(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600))
    }
}

impl Wall {
    /// RFC 3339 with whole seconds, as `metav1.Time` is written (`2026-01-01T00:00:00Z`).
    pub fn at(self, now: Duration) -> String {
        humantime::format_rfc3339_seconds(self.0 + now).to_string()
    }

    /// The basic ISO 8601 form of AWS signatures (`20260101T000000Z`).
    pub fn compact(self, now: Duration) -> String {
        self.at(now).chars().filter(|c| !matches!(c, '-' | ':')).collect()
    }
}
