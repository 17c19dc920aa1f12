//! An answer as plain data.
//!
//! Pure. Leaves alone what a status means.

use std::time::Duration;

pub use k8s::{parse_http_date, parse_retry_after};

/// What a server answered, whatever the status.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// How long the server asks to wait: `Retry-After`, as seconds or as a date.
    pub retry_after: Option<Duration>,
    /// The body, whole.
    pub body: Vec<u8>,
}

/// A body may hold a token or a presigned URL, so only its length is printed.
impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}
