//! Two clocks beside each other: this machine's, and that in the `Date` of an answer.
//!
//! Pure. Owns how far they may be apart. Invariant: what the way of the answer may have taken counts for nobody.

use std::time::{Duration, SystemTime};

use super::finding::{Check, Finding};

/// Beyond this, signatures and certificates of short life are refused by somebody.
const APART_MAX: Duration = Duration::from_secs(300);
const FIX: &str = "synchronize this machine's clock by NTP, for example with systemd-timesyncd or chrony";

/// How far the clocks may be apart before it is worth a word.
pub(super) fn tolerance(check: Check) -> Duration {
    // Kubernetes' own components expect to agree within seconds; what GCk6 signs is valid for minutes.
    Duration::from_secs(if check == Check::KubernetesClock { 5 } else { 30 })
}

/// What follows from the `date` of an answer to a request that was sent at `sent` and answered by `received`.
pub(super) fn judge(
    check: Check,
    whose: &str,
    date: Option<SystemTime>,
    sent: SystemTime,
    received: SystemTime,
) -> Finding {
    let Some(date) = date else {
        return Finding::skipped(
            check,
            &format!("{whose} sent no date to compare with this machine's clock"),
        );
    };
    // A date is cut to whole seconds.
    let behind = date.duration_since(received).unwrap_or_default();
    let ahead = sent.duration_since(date + Duration::from_secs(1)).unwrap_or_default();
    let (apart, which) = if behind > ahead { (behind, "behind") } else { (ahead, "ahead of") };
    let message = format!("this machine's clock is {} s {which} that of {whose}", apart.as_secs());
    if apart >= APART_MAX {
        Finding::failed(check, &message, FIX)
    } else if apart > tolerance(check) {
        Finding::warning(check, &message, FIX)
    } else {
        Finding::ok(check, &format!("this machine's clock agrees with that of {whose}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[track_caller]
    fn check(date: i64, verdict: Verdict, says: &str) {
        let now = SystemTime::UNIX_EPOCH + 1_000_000 * SECOND;
        let apart = SECOND * u32::try_from(date.unsigned_abs()).unwrap();
        let date = if date < 0 { now - apart } else { now + apart };
        let finding = judge(Check::KubernetesClock, "it", Some(date), now - SECOND, now);
        assert_eq!(finding.verdict, verdict, "{finding:?}");
        assert!(finding.message.contains(says), "{finding:?}");
    }

    #[test]
    fn seconds_are_forgiven_and_minutes_are_not() {
        check(0, Verdict::Ok, "agrees");
        check(5, Verdict::Ok, "agrees");
        check(-7, Verdict::Ok, "agrees");
        check(20, Verdict::Warning, "20 s behind that of it");
        check(-22, Verdict::Warning, "20 s ahead of that of it");
        check(300, Verdict::Failed, "300 s behind");
        check(-3600, Verdict::Failed, "ahead of");
    }

    #[test]
    fn a_server_without_a_clock_is_no_failure() {
        let now = SystemTime::UNIX_EPOCH;
        assert_eq!(judge(Check::CloudClock, "it", None, now, now).verdict, Verdict::Skipped);
    }
}
