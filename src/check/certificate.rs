//! Until when a client certificate is valid: the one date of X.509 that is worth the reading.
//!
//! Pure. Owns just enough of DER to find `notAfter`. Leaves trust and signatures to rustls. Invariant: a certificate of
//! another shape reads as `None`, never as a wrong date.

use std::time::{Duration, SystemTime};

use super::finding::{Check, Finding};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

const DAY: Duration = Duration::from_secs(24 * 3600);
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
    let (date, clock) = text.split_at(8);
    let stamp = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &date[..4],
        &date[4..6],
        &date[6..],
        &clock[..2],
        &clock[2..4],
        &clock[4..]
    );
    humantime::parse_rfc3339(&stamp).ok().map(|time| (time, rest))
}

/// What follows from the date.
pub(super) fn judge(after: SystemTime, now: SystemTime) -> Finding {
    let date = k8s::format_time(after);
    let renew = "renew it and put the new one into the kubeconfig; a ServiceAccount's token does as well";
    match after.duration_since(now) {
        Err(_) => Finding::failed(
            Check::Certificate,
            &format!("the client certificate has expired on {date}"),
            renew,
        ),
        Ok(left) => {
            let days = left.as_secs() / DAY.as_secs();
            let message = format!("the client certificate is valid until {date}, for {days} days");
            if left < LEFT_MIN {
                Finding::warning(Check::Certificate, &message, renew)
            } else {
                Finding::ok(Check::Certificate, &message)
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
        let check = |after, verdict| assert_eq!(judge(after, now).verdict, verdict);
        check(now - DAY, Verdict::Failed);
        check(now + DAY, Verdict::Warning);
        check(now + 100 * DAY, Verdict::Ok);
    }
}
