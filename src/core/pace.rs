//! How what failed waits before it is tried again: a pause that is doubled with each failure, up to a bound. Up to a quarter is
//! taken off at random, so that forty agents do not come back in the same second.

use std::time::Duration;

use k8s::backoff::Backoff;

/// By how much of itself a pause may be shorter.
const JITTER_PERCENT: u8 = 25;

/// For calls over the network to somebody else's service.
pub const REMOTE: Backoff = pace(Duration::from_secs(1), Duration::from_secs(60));
/// For looking at something that is about to change.
pub const LOOK: Backoff = pace(Duration::from_secs(1), Duration::from_secs(10));
/// For calls to a runner that is about to listen.
pub const RUNNER: Backoff = pace(Duration::from_millis(150), Duration::from_secs(1));

/// From the pause after a first failure to the longest one.
#[must_use]
pub const fn pace(first: Duration, most: Duration) -> Backoff {
    Backoff { first, most, jitter_percent: JITTER_PERCENT }
}
