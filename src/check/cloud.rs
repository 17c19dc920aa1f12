//! What the way to GCk6, and its answers, mean.
//!
//! Pure. Owns the words. Leaves the asking to `probe`. Invariant: no token is in a finding.

use crate::net::NetError;
use plz_core::cloud;
use plz_core::outcome;

use super::finding::{Check, Finding};

/// What a request without a token to the root of a host has brought: any status will do.
pub(super) fn host(check: Check, base: &str, proxy: Option<&str>, answer: Result<u16, NetError>) -> Finding {
    let way = proxy.map_or_else(|| "directly".to_owned(), |proxy| format!("through the proxy {proxy}"));
    let error = match answer {
        Ok(status @ 300..=399) => {
            let message = format!("{base}, reached {way}, answers with a redirect ({status})");
            let fix = "check whether a proxy or login portal answers in its place, or correct the address";
            return Finding::warning(check, &message, fix);
        }
        Ok(407) => {
            let fix = "put a user and password into HTTPS_PROXY, or add the host to NO_PROXY";
            return Finding::failed(check, &format!("the proxy in front of {base} requires a password"), fix);
        }
        Ok(status @ 500..) => {
            let message = format!("{base} is reachable {way}, but answers with HTTP {status}");
            return Finding::warning(check, &message, "try again later; the agent retries by itself");
        }
        Ok(_) => return Finding::ok(check, &format!("{base} is reachable {way}")),
        Err(error) => error,
    };
    let text = outcome::text(&error);
    let otherwise = match (&error, proxy) {
        (NetError::Dns { .. }, None) => {
            "check this machine's DNS; if only a proxy leads out, set HTTPS_PROXY"
        }
        (NetError::Dns { .. }, Some(_)) => "check the proxy's name in HTTPS_PROXY and this machine's DNS",
        (NetError::Proxy { .. }, _) => {
            "check HTTPS_PROXY, and that the proxy lets the agent through to this host"
        }
        (NetError::Tls { .. }, _) => "if something on the way intercepts TLS, add its CA with --ca-file",
        (_, Some(_)) => "check that the proxy lets the agent through to this host",
        (_, None) => "allow connections from the agent to this host, or set HTTPS_PROXY",
    };
    Finding::told(check, &text, otherwise)
}

/// The answer to the poll of a zone with the token of its Secret. A poll is a GET and takes nothing from anybody; GCk6 looks
/// at the token before it looks for the zone, hence "not found" speaks for the token.
pub(super) fn token(
    zone: &str,
    secret: &str,
    registered: bool,
    answer: Result<usize, cloud::Error>,
) -> Finding {
    let subject = zone;
    let finding = match answer {
        Ok(runs) => {
            let waiting = if runs == 0 { String::new() } else { format!("; test runs waiting: {runs}") };
            Finding::ok(Check::ZoneToken, &format!("zone {zone}: GCk6 accepts its token{waiting}"))
        }
        Err(error) if error.is_unauthorized() => {
            let message =
                format!("zone {zone}: GCk6 rejects the token in Secret {secret}: {}", outcome::text(&error));
            Finding::failed(Check::ZoneToken, &message, "put a valid token into it")
        }
        Err(error) if error.is_not_found() && registered => {
            let message = format!("zone {zone}: GCk6 accepts its token, but no longer knows the zone");
            Finding::warning(Check::ZoneToken, &message, "nothing to do: the agent registers it again")
        }
        Err(error) if error.is_not_found() => Finding::ok(
            Check::ZoneToken,
            &format!("zone {zone}: GCk6 accepts its token and does not know the zone yet"),
        ),
        Err(cloud::Error::Status { code: 429 | 500.., .. }) => {
            let message = format!("zone {zone}: GCk6 is too busy to say whether it accepts the token");
            Finding::warning(Check::ZoneToken, &message, "try again later")
        }
        Err(error @ cloud::Error::Status { code: 403, .. }) => {
            let message = format!(
                "zone {zone}: GCk6 does not allow the token in Secret {secret} to poll for test runs: {}",
                outcome::text(&error)
            );
            let fix = "use a token that may run tests in this stack, and check the account's limits";
            Finding::failed(Check::ZoneToken, &message, fix)
        }
        Err(error) => {
            let message = format!("zone {zone}: {}", outcome::text(&error));
            Finding::failed(Check::ZoneToken, &message, "check --cloud-api, and what answers at that address")
        }
    };
    finding.about(subject)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn any_answer_is_an_answer() {
        let check = |answer, verdict, says: &str| {
            let finding = host(Check::CloudApi, "https://api", Some("p:3128"), answer);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(format!("{} {}", finding.message, finding.fix).contains(says), "{finding:?}");
        };
        check(Ok(200), Verdict::Ok, "through the proxy p:3128");
        check(Ok(404), Verdict::Ok, "https://api");
        check(Ok(401), Verdict::Ok, "https://api");
        check(Ok(302), Verdict::Warning, "login portal");
        check(Ok(407), Verdict::Failed, "HTTPS_PROXY");
        check(Ok(503), Verdict::Warning, "503");
        let (target, cause) = (String::from("https://api/"), |cause: &str| cause.to_owned());
        check(Err(NetError::Dns { target: target.clone(), cause: cause("x") }), Verdict::Failed, "DNS");
        check(
            Err(NetError::Proxy { target: target.clone(), cause: cause("p: 407; put a password there") }),
            Verdict::Failed,
            " put a password there",
        );
        check(
            Err(NetError::Proxy { target: target.clone(), cause: cause("p: 403") }),
            Verdict::Failed,
            "lets the agent",
        );
        check(
            Err(NetError::Tls { target: target.clone(), cause: cause("a; do b") }),
            Verdict::Failed,
            " do b",
        );
        check(
            Err(NetError::Timeout { target, cause: cause("late") }),
            Verdict::Failed,
            "through to this host",
        );
    }

    #[test]
    fn a_token_is_refused_by_401_and_403_alone() {
        let status =
            |code| Err(cloud::Error::Status { code, message: "said so".to_owned(), retry_after: None });
        let check = |registered, answer, verdict, says: &str| {
            let finding = token("edge", "load/token", registered, answer);
            assert_eq!((finding.verdict, finding.subject.as_str()), (verdict, "edge"), "{finding:?}");
            assert!(finding.message.contains(says), "{finding:?}");
        };
        check(true, Ok(0), Verdict::Ok, "accepts");
        check(true, Ok(2), Verdict::Ok, "test runs waiting: 2");
        check(true, status(401), Verdict::Failed, "rejects the token in Secret load/token");
        check(true, status(403), Verdict::Failed, "does not allow the token");
        check(false, status(404), Verdict::Ok, "does not know the zone yet");
        check(true, status(404), Verdict::Warning, "no longer knows the zone");
        check(true, status(503), Verdict::Warning, "too busy");
        check(true, status(429), Verdict::Warning, "too busy");
        check(true, Err(cloud::Error::Transport("cut".to_owned())), Verdict::Failed, "cut");
    }
}
