//! The time, as decisions get it.

use std::time::{Duration, SystemTime};

/// One reading of both clocks. Deadlines are reckoned on `mono`, which never jumps; `wall` is only ever written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time since the process began.
    pub mono: Duration,
    /// The calendar, for condition and Event timestamps.
    pub wall: SystemTime,
}
