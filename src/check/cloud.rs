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
            let message = format!("{base} answers with a redirect ({status}), {way}");
            let mend = "see whether a proxy or login portal answers in its place, or correct the address";
            return Finding::warning(check, &message, mend);
        }
        Ok(407) => {
            let mend = "put user and password into HTTPS_PROXY, or the host into NO_PROXY";
            return Finding::failed(check, &format!("the proxy in front of {base} wants a password"), mend);
        }
        Ok(status @ 500..) => {
            let message = format!("{base} is reached {way} and answers {status}");
            return Finding::warning(check, &message, "try again in a while; the agent does so by itself");
        }
        Ok(_) => return Finding::ok(check, &format!("{base} is reached {way}")),
        Err(error) => error,
    };
    let text = outcome::text(&error);
    let otherwise = match (&error, proxy) {
        (NetError::Dns { .. }, None) => {
            "see this machine's DNS; where only a proxy leads out, set HTTPS_PROXY"
        }
        (NetError::Dns { .. }, Some(_)) => {
            "see whether the proxy's name in HTTPS_PROXY is right, and this machine's DNS"
        }
        (NetError::Proxy { .. }, _) => {
            "see whether HTTPS_PROXY is right and lets the agent through to this host"
        }
        (NetError::Tls { .. }, _) => {
            "see whether something on the way opens TLS, and add its CA with --ca-file"
        }
        (_, Some(_)) => "see whether the proxy lets the agent through to this host",
        (_, None) => "let the agent through to this host, or set HTTPS_PROXY",
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
            let waiting = if runs == 0 { String::new() } else { format!("; test runs that wait: {runs}") };
            Finding::ok(Check::ZoneToken, &format!("zone {zone}: GCk6 accepts its token{waiting}"))
        }
        Err(error) if error.is_unauthorized() => {
            let message =
                format!("zone {zone}: GCk6 refuses the token in Secret {secret}: {}", outcome::text(&error));
            Finding::failed(Check::ZoneToken, &message, "put a valid token into it")
        }
        Err(error) if error.is_not_found() && registered => {
            let message = format!("zone {zone}: GCk6 accepts its token, but does not know the zone any more");
            Finding::warning(Check::ZoneToken, &message, "nothing: the agent registers it again")
        }
        Err(error) if error.is_not_found() => Finding::ok(
            Check::ZoneToken,
            &format!("zone {zone}: GCk6 accepts its token; the zone is new to it"),
        ),
        Err(cloud::Error::Status { code: 429 | 500.., .. }) => {
            let message = format!("zone {zone}: GCk6 has no time to say whether it accepts the token");
            Finding::warning(Check::ZoneToken, &message, "try again in a while")
        }
        Err(error @ cloud::Error::Status { code: 403, .. }) => {
            let message = format!(
                "zone {zone}: GCk6 does not let the token in Secret {secret} ask for test runs: {}",
                outcome::text(&error)
            );
            let mend = "use a token that may run tests in this stack, and see the limits of the account";
            Finding::failed(Check::ZoneToken, &message, mend)
        }
        Err(error) => {
            let message = format!("zone {zone}: {}", outcome::text(&error));
            Finding::failed(
                Check::ZoneToken,
                &message,
                "see whether --cloud-api is right, and what answers there",
            )
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
            assert!(format!("{} {}", finding.message, finding.mend).contains(says), "{finding:?}");
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
        check(true, Ok(2), Verdict::Ok, "test runs that wait: 2");
        check(true, status(401), Verdict::Failed, "refuses the token in Secret load/token");
        check(true, status(403), Verdict::Failed, "does not let the token");
        check(false, status(404), Verdict::Ok, "new to it");
        check(true, status(404), Verdict::Warning, "does not know the zone");
        check(true, status(503), Verdict::Warning, "no time");
        check(true, status(429), Verdict::Warning, "no time");
        check(true, Err(cloud::Error::Transport("cut".to_owned())), Verdict::Failed, "cut");
    }
}
