//! How far a download is, for the log.
//!
//! Pure but for the log line. Invariant: at most one line in [`REPORT_INTERVAL`], host and path only.

use std::time::{Duration, Instant};

use log::info;

/// Between two lines.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// The progress of one try.
#[derive(Debug)]
pub(super) struct Progress<'a> {
    place: &'a str,
    length_bytes: Option<u64>,
    started: Instant,
    reported: Instant,
}

impl<'a> Progress<'a> {
    pub(super) fn new(place: &'a str, length_bytes: Option<u64>, now: Instant) -> Progress<'a> {
        Progress { place, length_bytes, started: now, reported: now }
    }

    /// Tells that there are `total_bytes` now.
    pub(super) fn advance(&mut self, total_bytes: u64, now: Instant) {
        if now.saturating_duration_since(self.reported) >= REPORT_INTERVAL {
            self.reported = now;
            let took = now.saturating_duration_since(self.started);
            info!("{}: {}", self.place, describe(total_bytes, self.length_bytes, took));
        }
    }
}

/// `1.5 MiB of 3.0 MiB (50%), 512.0 KiB/s`.
pub(super) fn describe(total_bytes: u64, length_bytes: Option<u64>, took: Duration) -> String {
    let share = match length_bytes {
        Some(length) if length > 0 => {
            let percent = u128::from(total_bytes) * 100 / u128::from(length);
            format!(" of {} ({percent}%)", size(length))
        }
        _ => String::new(),
    };
    let rate = u128::from(total_bytes) * 1000 / took.as_millis().max(1);
    format!("{}{share}, {}/s", size(total_bytes), size(u64::try_from(rate).unwrap_or(u64::MAX)))
}

fn size(bytes: u64) -> String {
    const KIB: u64 = 1024;
    let in_units = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    if bytes < KIB {
        format!("{bytes} B")
    } else if bytes < KIB * KIB {
        format!("{} KiB", in_units(KIB))
    } else {
        format!("{} MiB", in_units(KIB * KIB))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_reads_well() {
        let second = Duration::from_secs(1);
        assert_eq!(describe(3 << 19, Some(3 << 20), 3 * second), "1.5 MiB of 3.0 MiB (50%), 512.0 KiB/s");
        assert_eq!(describe(512, None, second), "512 B, 512 B/s");
        assert_eq!(describe(0, Some(0), Duration::ZERO), "0 B, 0 B/s");
    }
}
