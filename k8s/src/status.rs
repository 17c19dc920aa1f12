//! What the API server answered: `metav1.Status`, the error type of this crate, and what may be tried again.
//!
//! Owns the reading of answers and the one place where retryability is decided ([`Error::retry`]). Leaves alone
//! waiting and trying again: callers do those. Invariant: no error text holds a token or more than a short, printable
//! excerpt of a foreign body.

use std::time::Duration;

use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::backoff::RETRY_AFTER_MAX;
use crate::fields::{Read, read_text};
use crate::shape::{Picks, Shape};
use crate::sieve::{Limits, Sieve};

/// The longest piece of a foreign body that is kept in an error, in characters.
const EXCERPT_CHARS_MAX: usize = 200;
/// The longest message of a `Status` that is kept, in characters; admission webhooks can be talkative.
const MESSAGE_CHARS_MAX: usize = 2048;

/// How the messages begin by which admission refuses for good: quota, pod security, webhooks, policies.
const ADMISSION_WORDS: [&str; 4] =
    ["exceeded quota", "violates PodSecurity", "denied the request", "denied request"];
/// The cause by which admission refuses new objects in a namespace that is being deleted.
const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";

/// `metav1.Status` of an answer that was no success, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The HTTP status code.
    pub code: u16,
    /// `AlreadyExists`, `Conflict`, `Expired`, `Forbidden`, `Invalid`, `NotFound`, `TooManyRequests`, …; may be empty.
    pub reason: String,
    /// What the server says to a person; an excerpt of the body where that was no `Status`.
    pub message: String,
    /// `Retry-After`, or `details.retryAfterSeconds`.
    pub retry_after: Option<Duration>,
    /// Whether `details.causes` says that the namespace is being deleted, in which nothing is created any more.
    pub is_namespace_terminating: bool,
}

/// Why a call to the API server did not bring what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// The server answered, and the answer was no success.
    #[error("{} (HTTP {}{}{})", .status.message, .status.code, if .status.reason.is_empty() { "" } else { " " }, .status.reason)]
    Api {
        /// The answer.
        status: Status,
    },
    /// The server refuses it, and has not done so for long: it may have just started. A caller that keeps count makes this of
    /// an [`Api`](Self::Api) error that [`may_be_unsettled`](Self::may_be_unsettled); it is tried again.
    #[error("{} (HTTP {}{}{})", .status.message, .status.code, if .status.reason.is_empty() { "" } else { " " }, .status.reason)]
    Unsettled {
        /// The answer.
        status: Status,
    },
    /// No answer: the name did not resolve, nothing listens, TLS failed, the connection was cut.
    #[error("{server} cannot be reached: {cause}")]
    Transport {
        /// The server, as scheme, host and port.
        server: String,
        /// What went wrong.
        cause: String,
    },
    /// The server took longer than this client waits.
    #[error("{server} did not answer in time: {cause}")]
    Timeout {
        /// The server, as scheme, host and port.
        server: String,
        /// Which limit was hit.
        cause: String,
    },
    /// The answer was a success but not what it should have been.
    #[error("{what} cannot be read: {cause}")]
    Decode {
        /// What was being read.
        what: String,
        /// Where it went wrong.
        cause: String,
    },
    /// The answer was longer than this client is willing to hold.
    #[error("{what} is longer than {limit_bytes} bytes")]
    TooLarge {
        /// What was too long.
        what: String,
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// A list goes on beyond what this client reads of one.
    #[error("{what} goes on and on: {cause}")]
    Endless {
        /// What was being read.
        what: String,
        /// Which limit was hit.
        cause: String,
    },
    /// The credentials could not be read or made: a token file is gone, a plugin failed, a key does not fit.
    #[error("{message}")]
    Auth {
        /// Names the file or the plugin, the cause and the mend.
        message: String,
    },
    /// The client was told to stop before the call ended.
    #[error("the client is stopping")]
    Stopped,
}

/// Whether the same request may be sent again, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Retry {
    /// Sending it again would end the same way.
    Never,
    /// After a pause of the caller's choice that grows with each failure.
    Backoff,
    /// The server named the pause; no longer than [`RETRY_AFTER_MAX`], since a date may be reckoned by another clock.
    After(Duration),
}

impl Error {
    /// The one place that says what may be tried again.
    ///
    /// A conflict (409 `Conflict`) is worth another try once the object has been read again; a 401 once the credentials
    /// have been, which [`Client::call`](crate::Client::call) has already done once.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Api { status } => match (status.code, status.retry_after) {
                (429 | 500..=599, Some(pause)) => Retry::After(pause.min(RETRY_AFTER_MAX)),
                (401 | 408 | 429 | 500..=599, _) => Retry::Backoff,
                (409, _) if self.is_conflict() => Retry::Backoff,
                _ => Retry::Never,
            },
            Self::Unsettled { .. } | Self::Transport { .. } | Self::Timeout { .. } | Self::Auth { .. } => {
                Retry::Backoff
            }
            Self::Decode { .. } | Self::TooLarge { .. } | Self::Endless { .. } | Self::Stopped => {
                Retry::Never
            }
        }
    }

    /// The HTTP status code, where there was an answer.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Api { status } | Self::Unsettled { status } => Some(status.code),
            _ => None,
        }
    }

    /// `Status.reason`; empty where there was no answer or the answer named none.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Api { status } | Self::Unsettled { status } => &status.reason,
            _ => "",
        }
    }

    /// The server is not there, or what stands before it finds none: nobody else would be answered either.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Transport { .. } | Self::Timeout { .. })
            || self.code().is_some_and(|code| code >= 500)
    }

    /// No such object, or no such resource.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// A create met an object of that name.
    #[must_use]
    pub fn is_already_exists(&self) -> bool {
        self.code() == Some(409) && self.reason() == "AlreadyExists"
    }

    /// The object has changed since it was read, or is another than the uid asked for.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409) && self.reason() != "AlreadyExists"
    }

    /// A resourceVersion or `continue` token is too old: list again.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.code() == Some(410)
    }

    /// RBAC, admission or a quota says no.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.code() == Some(403)
    }

    /// Whether a 403 may pass by waiting although nobody changes anything. A server whose caches of roles, or of what admission
    /// needs, are not filled yet refuses what it takes a second later. What a quota, pod security, a webhook or a policy has
    /// decided it says in words of its own.
    #[must_use]
    pub fn may_be_unsettled(&self) -> bool {
        let Self::Api { status } = self else { return false };
        status.code == 403
            && !status.is_namespace_terminating
            && !ADMISSION_WORDS.iter().any(|words| status.message.contains(words))
    }

    /// A create was refused since its namespace is being deleted.
    #[must_use]
    pub fn is_namespace_terminating(&self) -> bool {
        matches!(self, Self::Api { status } if status.code == 403 && status.is_namespace_terminating)
    }

    /// The credentials are not, or no longer, accepted.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.code() == Some(401)
    }
}

/// A complete answer, success or not.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status code.
    pub code: u16,
    /// `Retry-After`, as seconds from now.
    pub retry_after: Option<Duration>,
    /// `Date`: the server's clock as it answered, an HTTP date (RFC 9110 §5.6.7).
    pub date: Option<String>,
    /// The body, in full; may hold secrets, hence absent from `Debug`.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HTTP {}, {} bytes", self.code, self.body.len())
    }
}

impl Response {
    /// The body of a success, or the error that the answer stands for.
    pub fn into_body(self) -> Result<Vec<u8>, Error> {
        interpret(self.code, self.retry_after, self.body)
    }
}

/// Tells success from failure: the body of a 2xx, or an [`Error::Api`]. A body that is no `Status` leaves its code and a
/// short, printable excerpt.
pub fn interpret(code: u16, retry_after: Option<Duration>, body: Vec<u8>) -> Result<Vec<u8>, Error> {
    if (200..300).contains(&code) {
        return Ok(body);
    }
    Err(Error::Api { status: read_status(code, retry_after, &body) })
}

/// Reads a success's body as JSON. `what` names it in the error.
pub fn decode<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| decode_error(what, &error))
}

/// Reads an object off a success's body as a watch with these limits would: what nobody reads costs nothing, however much of it
/// there is, and what is too large is an error.
pub fn read_object<T: Read>(what: &str, body: &[u8], picks: Picks, limits: Limits) -> Result<T, Error> {
    let kept = sift(what, body, T::SHAPE, picks, limits)?;
    read_text(&kept).map_err(|error| decode_error(what, &error))
}

fn sift(
    what: &str,
    body: &[u8],
    shape: &'static Shape,
    picks: Picks,
    limits: Limits,
) -> Result<Vec<u8>, Error> {
    let mut sieve = Sieve::new(shape, picks, limits, 1);
    let mut kept = Err(Error::Decode { what: what.to_owned(), cause: "it is no object".to_owned() });
    let _ = sieve.feed(body, &mut |value| {
        kept = match value.left_out {
            Some(path) => {
                let what = format!("{path} of {what}");
                Err(Error::TooLarge { what, limit_bytes: limits.text_bytes })
            }
            None => Ok(value.json.to_vec()),
        };
    });
    kept
}

/// Says what is wrong without repeating the text that is, since it may be a secret.
pub(crate) fn decode_error(what: &str, error: &serde_json::Error) -> Error {
    let text = error.to_string();
    let cause = match (text.find('"'), text.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            printable(&format!("{}…{}", &text[..first], &text[last + 1..]), EXCERPT_CHARS_MAX)
        }
        _ => printable(&text, EXCERPT_CHARS_MAX),
    };
    Error::Decode { what: what.to_owned(), cause }
}

/// Reads a `Status` that came as an HTTP body or as the object of an ERROR event. The code within it counts where the
/// HTTP code is none (0).
pub(crate) fn read_status(code: u16, retry_after: Option<Duration>, body: &[u8]) -> Status {
    let wire = serde_json::from_slice::<WireStatus>(body).ok().filter(|wire| wire.kind == "Status");
    let Some(wire) = wire else {
        let excerpt = printable(&String::from_utf8_lossy(body), EXCERPT_CHARS_MAX);
        let message = if excerpt.is_empty() { "the answer has no body".to_owned() } else { excerpt };
        return Status { code, message, retry_after, ..Status::default() };
    };
    let named = (wire.details.retry_after_seconds > 0)
        .then(|| Duration::from_secs(u64::from(wire.details.retry_after_seconds)));
    Status {
        code: if code == 0 { wire.code } else { code },
        reason: printable(&wire.reason, EXCERPT_CHARS_MAX),
        message: printable(&wire.message, MESSAGE_CHARS_MAX),
        retry_after: retry_after.or(named),
        is_namespace_terminating: wire
            .details
            .causes
            .iter()
            .any(|cause| cause.reason == NAMESPACE_TERMINATING),
    }
}

/// One line without control characters, cut at `chars_max`.
pub(crate) fn printable(text: &str, chars_max: usize) -> String {
    let mut line = String::new();
    let mut count = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if count > 0 {
            line.push(' ');
            count += 1;
        }
        for c in word.chars() {
            if count >= chars_max {
                line.push('…');
                return line;
            }
            line.push(c);
            count += 1;
        }
    }
    line
}

#[derive(Default)]
pub(crate) struct WireStatus {
    kind: String,
    code: u16,
    reason: String,
    message: String,
    details: WireDetails,
}
crate::readable!(WireStatus {
    kind: "kind",
    code: "code",
    reason: "reason",
    message: "message",
    details: "details",
});

#[derive(Default)]
struct WireDetails {
    retry_after_seconds: u32,
    causes: Vec<WireCause>,
}
crate::readable!(WireDetails { retry_after_seconds: "retryAfterSeconds", causes: "causes" });

#[derive(Default)]
struct WireCause {
    reason: String,
}
crate::readable!(WireCause { reason: "reason" });

/// The answer to [`self_subject_access_review`](crate::resource::self_subject_access_review).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessReview {
    /// Whether the caller may.
    pub allowed: bool,
    /// Why, or why not; may be empty.
    pub reason: String,
    /// What the authorizer stumbled over; may be empty.
    pub evaluation_error: String,
}
crate::readable!(AccessReview { allowed: "allowed", reason: "reason", evaluation_error: "evaluationError" });

impl AccessReview {
    /// Reads the body of the answer.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        #[derive(Default)]
        struct Wire {
            status: Option<AccessReview>,
        }
        crate::readable!(Wire { status: "status" });
        let what = "the SelfSubjectAccessReview";
        let wire: Wire = decode(what, body)?;
        wire.status
            .ok_or_else(|| Error::Decode { what: what.to_owned(), cause: "it has no status".to_owned() })
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
