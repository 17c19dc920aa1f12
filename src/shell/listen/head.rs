//! From the bytes of a request's head to what is asked for.
//!
//! Pure. Owns the paths and what is refused. Invariant: nothing of a request is ever repeated in an answer.

use super::Topic;
use super::reply::Status;

/// The largest head that is taken, in bytes. Probes and scrapes send a few hundred.
pub(super) const HEAD_BYTES_MAX: usize = 4096;
const HEADERS_MAX: usize = 64;

/// What a path shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The list of the other paths.
    Index,
    /// What the loop knows.
    Of(Topic),
}

/// The paths there are.
pub(super) const PATHS: [(&str, Target); 4] = [
    ("/", Target::Index),
    ("/healthz", Target::Of(Topic::Health)),
    ("/readyz", Target::Of(Topic::Ready)),
    ("/metrics", Target::Of(Topic::Metrics)),
];

/// A request that can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// What is asked for.
    pub(super) target: Target,
    /// Whether the head of the answer is enough.
    pub(super) is_head: bool,
}

/// Reads what has come so far. `None` asks for more.
pub(super) fn read(bytes: &[u8]) -> Option<Result<Request, Status>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {
            Some(understand(request.method.unwrap_or_default(), request.path.unwrap_or_default()))
        }
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES_MAX => None,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            Some(Err(Status::HeadTooLarge))
        }
        Err(httparse::Error::Version) => Some(Err(Status::VersionNotSupported)),
        Err(_) => Some(Err(Status::BadRequest)),
    }
}

fn understand(method: &str, target: &str) -> Result<Request, Status> {
    // The form that is sent to a proxy is as good.
    let path = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => target,
    };
    let path = path.split('?').next().unwrap_or_default();
    let (_, target) = PATHS.iter().find(|(known, _)| *known == path).ok_or(Status::NotFound)?;
    match method {
        "GET" | "HEAD" => Ok(Request { target: *target, is_head: method == "HEAD" }),
        _ => Err(Status::MethodNotAllowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<Result<&str, Status>>) {
        let path = |request: Request| {
            let shown = PATHS.iter().find(|(_, target)| *target == request.target).unwrap().0;
            if request.is_head { format!("HEAD {shown}") } else { shown.to_owned() }
        };
        let read = read(text.as_bytes()).map(|result| result.map(path));
        assert_eq!(read, expected.map(|result| result.map(str::to_owned)), "{text:?}");
    }

    #[test]
    fn what_probes_and_scrapers_send() {
        check(
            "GET /healthz HTTP/1.1\r\nHost: 10.0.0.7:8080\r\nConnection: close\r\n\r\n",
            Some(Ok("/healthz")),
        );
        check("GET /metrics?name[]=up HTTP/1.1\r\nHost: a\r\n\r\n", Some(Ok("/metrics")));
        check("GET http://a:8080/readyz HTTP/1.1\r\nHost: a\r\n\r\n", Some(Ok("/readyz")));
        check("GET http://a HTTP/1.0\r\n\r\n", Some(Ok("/")));
        check("HEAD / HTTP/1.0\n\n", Some(Ok("HEAD /")));
        check("GET /healthz HTTP/1.1\r\nHost: a\r\n", None);
        check("", None);
    }

    #[test]
    fn what_is_refused() {
        check("GET /metrics/ HTTP/1.1\r\n\r\n", Some(Err(Status::NotFound)));
        check("GET //x://a/metrics HTTP/1.1\r\n\r\n", Some(Err(Status::NotFound)));
        check("POST /nothing HTTP/1.1\r\n\r\n", Some(Err(Status::NotFound)));
        check("POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", Some(Err(Status::MethodNotAllowed)));
        check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(Err(Status::VersionNotSupported)));
        check("GET / HTTP/3\r\n\r\n", Some(Err(Status::VersionNotSupported)));
        check("\u{16}\u{3}\u{1}", Some(Err(Status::BadRequest)));
        check("GET  HTTP/1.1\r\n\r\n", Some(Err(Status::BadRequest)));
        check("GET / HTTP/1.1\r\nno colon\r\n\r\n", Some(Err(Status::BadRequest)));
    }

    #[test]
    fn heads_without_end_are_refused_at_the_limit() {
        let endless = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(HEAD_BYTES_MAX));
        check(&endless[..HEAD_BYTES_MAX - 1], None);
        check(&endless[..HEAD_BYTES_MAX], Some(Err(Status::HeadTooLarge)));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(HEADERS_MAX + 1));
        check(&many, Some(Err(Status::HeadTooLarge)));
    }

    /// Whatever comes: an answer, or a wish for more as long as there is room for it.
    #[test]
    fn any_bytes_are_answered_within_the_limit() {
        let mut rng = plz_core::rng::Rng::new(7);
        let mut below = |bound: usize| usize::try_from(rng.next_u64()).unwrap() % bound;
        let whole = b"GET http://a:8080/metrics?x=y HTTP/1.1\r\nHost: a\r\nX-Y: z\r\n\r\n";
        for _ in 0..20_000 {
            let mut bytes = whole.to_vec();
            for _ in 0..below(6) {
                let at = below(bytes.len());
                match below(4) {
                    0 => bytes[at] = u8::try_from(below(256)).unwrap(),
                    1 => drop(bytes.drain(at..at + below(bytes.len() - at))),
                    2 => bytes
                        .splice(at..at, std::iter::repeat_n(b"\r\n :/\0a\xff"[below(8)], below(900)))
                        .for_each(drop),
                    _ => bytes.extend_from_within(at..),
                }
                bytes.truncate(HEAD_BYTES_MAX);
                bytes.push(b'\n');
            }
            bytes.truncate(HEAD_BYTES_MAX);
            let mut answered = None;
            for end in (0..bytes.len()).step_by(1 + below(200)).chain([bytes.len()]) {
                let now = read(&bytes[..end]);
                // What was answered once is not answered otherwise by what follows: it would not have been read any more.
                assert!(answered.is_none() || now.is_some(), "{bytes:?}");
                answered = answered.or(now);
            }
            assert!(bytes.len() < HEAD_BYTES_MAX || answered.is_some(), "{bytes:?}");
        }
    }
}
