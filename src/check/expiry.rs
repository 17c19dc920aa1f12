//! Until when a client certificate or a token is valid: the day on which an agent stops that nobody has touched.
//!
//! Pure. Owns just enough of DER to find `notAfter`, and of a JSON web token to find `exp`. Leaves trust and signatures to
//! others. Invariant: what is of another shape reads as `None`, never as a wrong date, and nothing else of it is kept.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::finding::{Check, Finding};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);
/// Before this much is left somebody should renew it.
const LEFT_MIN: Duration = Duration::from_secs(14 * 24 * 3600);

/// `notAfter` of a certificate in DER.
pub(super) fn not_after(der: &[u8]) -> Option<SystemTime> {
    let (certificate, _) = take(der, SEQUENCE)?;
    let (mut tbs, _) = take(certificate, SEQUENCE)?;
    if let Some((_, rest)) = take(tbs, VERSION) {
        tbs = rest;
    }
    let (_serial, rest) = take(tbs, INTEGER)?;
    let (_algorithm, rest) = take(rest, SEQUENCE)?;
    let (_issuer, rest) = take(rest, SEQUENCE)?;
    let (validity, _) = take(rest, SEQUENCE)?;
    let (_, rest) = time(validity)?;
    time(rest).map(|(after, _)| after)
}

/// The content of the element at the beginning, and what follows it; `None` for another tag or a cut element.
fn take(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first > 0x7f {
        let count = usize::from(first & 0x7f);
        let bytes = rest.get(..count).filter(|_| (1..=3).contains(&count))?;
        length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        rest = &rest[count..];
    }
    (found == tag && length <= rest.len()).then(|| rest.split_at(length))
}

/// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ` (RFC 5280 §4.1.2.5).
fn time(der: &[u8]) -> Option<(SystemTime, &[u8])> {
    let (text, rest, is_long) = match take(der, UTC_TIME) {
        Some((text, rest)) => (text, rest, false),
        None => take(der, GENERALIZED_TIME).map(|(text, rest)| (text, rest, true))?,
    };
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z').filter(|text| text.is_ascii())?;
    let text = match (is_long, text.len()) {
        (true, 14) => text.to_owned(),
        // Two digits stand for 1950 to 2049.
        (false, 12) => format!("{}{text}", if text < "5" { "20" } else { "19" }),
        _ => return None,
    };
    let mut stamp = String::with_capacity(20);
    for (at, digit) in text.char_indices() {
        match at {
            4 | 6 => stamp.push('-'),
            8 => stamp.push('T'),
            10 | 12 => stamp.push(':'),
            _ => {}
        }
        stamp.push(digit);
    }
    stamp.push('Z');
    humantime::parse_rfc3339(&stamp).ok().map(|time| (time, rest))
}

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
            Finding::failed(Check::Expiry, &format!("{what} of the kubeconfig has expired on {date}"), renew)
        }
        Ok(left) => {
            let hours = left.as_secs() / HOUR.as_secs();
            let left_for = if left < 2 * DAY { format!("{hours} h") } else { format!("{} days", hours / 24) };
            let message = format!("{what} of the kubeconfig is valid until {date}, for {left_for}");
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
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::super::finding::Verdict;
    use super::*;

    fn der() -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(include_bytes!("../config/testdata/ca.pem")).unwrap()
    }

    #[test]
    fn a_certificate_tells_its_end() {
        let after = not_after(&der()).expect("it is a certificate");
        assert_eq!(k8s::format_time(after), "2126-10-29T13:18:56Z");
    }

    #[test]
    fn what_is_cut_or_no_certificate_has_no_end() {
        let der = der();
        for end in 0..der.len().min(120) {
            assert_eq!(not_after(&der[..end]), None, "{end}");
        }
        assert_eq!(not_after(&[SEQUENCE, 0x84, 1, 1, 1, 1]), None);
        assert_eq!(not_after(b"-----BEGIN"), None);
    }

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
    fn both_forms_of_time() {
        let check = |tag: u8, text: &str, wanted: Option<&str>| {
            let mut der = vec![tag, u8::try_from(text.len()).unwrap()];
            der.extend(text.bytes());
            assert_eq!(time(&der).map(|(time, _)| k8s::format_time(time)).as_deref(), wanted, "{text}");
        };
        check(UTC_TIME, "270102030405Z", Some("2027-01-02T03:04:05Z"));
        check(UTC_TIME, "991231235959Z", Some("1999-12-31T23:59:59Z"));
        check(GENERALIZED_TIME, "20510102030405Z", Some("2051-01-02T03:04:05Z"));
        check(UTC_TIME, "2701020304Z", None);
        check(UTC_TIME, "ä70102030405", None);
        check(GENERALIZED_TIME, "20511302030405Z", None);
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
        told(now + 100 * DAY, ", for 100 days");
        told(now + 2 * DAY - HOUR, ", for 47 h");
        told(now + HOUR / 2, ", for 0 h");
    }
}
