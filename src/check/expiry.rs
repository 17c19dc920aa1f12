//! Until when a client certificate or a token is valid: the day on which an agent stops that nobody has touched.
//!
//! Pure. Owns just enough of a JSON web token to find `exp`. Leaves trust and signatures to others. Invariant: what is of another shape reads as `None`, never as a wrong date, and nothing else of it is kept.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::finding::{Check, Finding};

const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);
/// Before this much is left somebody should renew it.
const LEFT_MIN: Duration = Duration::from_secs(14 * 24 * 3600);

/// `exp` of a JSON web token (RFC 7519 §4.1.4), as ServiceAccounts have them.
pub(super) fn expires(token: &str) -> Option<SystemTime> {
    let payload = URL_SAFE_NO_PAD.decode(token.trim().split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(claims["exp"].as_u64()?))
}

/// What follows from the date. `what` is the client certificate or the token.
pub(super) fn judge(what: &str, after: SystemTime, now: SystemTime) -> Finding {
    let date = k8s::format_time(after);
    let renew = "put a new one into the kubeconfig";
    match after.duration_since(now) {
        Err(_) => {
            Finding::failed(Check::Expiry, &format!("{what} of the kubeconfig expired on {date}"), renew)
        }
        Ok(left) => {
            let hours = left.as_secs() / HOUR.as_secs();
            let left_for = if left < 2 * DAY { format!("{hours} h") } else { format!("{} days", hours / 24) };
            let message = format!("{what} of the kubeconfig is valid until {date} ({left_for} left)");
            if left < LEFT_MIN {
                Finding::warning(Check::Expiry, &message, renew)
            } else {
                Finding::ok(Check::Expiry, &message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_token_tells_its_end() {
        let check = |token: &str, wanted: Option<&str>| {
            assert_eq!(expires(token).map(k8s::format_time).as_deref(), wanted, "{token}");
        };
        let of = |claims: &str| format!("head.{}.signature", URL_SAFE_NO_PAD.encode(claims));
        check(&of(r#"{"exp":784111777,"sub":"ü?"}"#), Some("1994-11-06T08:49:37Z"));
        check(&of(r#"{"exp":18446744073709551615}"#), None);
        check(&of("{}"), None);
        check("glc_abc", None);
        check("a.b.c", None);
    }

    #[test]
    fn the_end_is_told_in_time() {
        let now = SystemTime::UNIX_EPOCH + 1000 * DAY;
        let check = |after, verdict| assert_eq!(judge("the token", after, now).verdict, verdict);
        check(now - DAY, Verdict::Failed);
        check(now + DAY, Verdict::Warning);
        check(now + 100 * DAY, Verdict::Ok);
        let told = |after, end: &str| {
            let finding = judge("the token", after, now);
            assert!(finding.message.ends_with(end), "{}", finding.message);
        };
        told(now + 100 * DAY, " (100 days left)");
        told(now + 2 * DAY - HOUR, " (47 h left)");
        told(now + HOUR / 2, " (0 h left)");
    }
}
