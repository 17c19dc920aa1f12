//! What the API server answered: `metav1.Status`, the error type of this crate, and what may be tried again.
//!
//! Owns the reading of answers and the one place where retryability is decided ([`Error::retry`]). Leaves alone
//! waiting and trying again: callers do those. Invariant: no error text holds a token or more than a short, printable
//! excerpt of a foreign body.

mod answer;
mod error;
mod review;

use std::time::Duration;

use crate::text::printable;

pub(crate) use answer::decode_error;
pub use answer::{Response, decode, interpret, read_object};
pub use error::{Error, RETRY_AFTER_MAX, Retry};
pub use review::AccessReview;

/// The longest piece of a foreign body that is kept in an error, in characters.
const EXCERPT_CHARS_MAX: usize = 200;
/// The longest message of a `Status` that is kept, in characters; admission webhooks can be talkative.
const MESSAGE_CHARS_MAX: usize = 2048;

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

#[cfg(test)]
mod tests;
