//! The REST API of k6 on a runner, as plain data.
//!
//! Owns the calls ([`request`]), what a status means for the run ([`status`]), and what a failed call means ([`reply`]). It leaves
//! alone how a runner is reached (pod IP or the API server's pod proxy) and the waiting. Its invariants: a runner counts as ended
//! only by its own word, never by an error or by silence; and each kind of answer has one bound, whichever way it comes.

mod json;
pub mod reply;
pub mod request;
pub mod status;

pub use reply::{interpret, setup_reply, status_reply};
pub use request::Request;
pub use status::RunnerStatus;

/// Port that k6 listens on in a runner.
pub const PORT: u16 = 6565;

/// Longest answer of which no more is read than what went wrong, in bytes.
pub use crate::limits::RUNNER_ERROR_BYTES_MAX as ERROR_BYTES_MAX;
/// Longest status of a runner that is taken, in bytes. k6 writes some 300.
pub use crate::limits::RUNNER_STATUS_BYTES_MAX as STATUS_BYTES_MAX;
/// Longest setup data that are taken, in bytes, from whoever may have any of any length. Longer ones are left on their runner
/// until there is room for them.
pub const SMALL_SETUP_BYTES_MAX: usize = 8 << 10;
/// Longest setup data that are handed on, in bytes, with the few that stand around them. They pass through an agent that may
/// use 32 MiB.
pub const SETUP_BYTES_MAX: usize = 4 << 20;

/// How a call to a runner failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Occurs when the script itself failed in `setup()` or `teardown()`: HTTP 500 with the cause. Again would be in vain.
    #[error("{title}: {detail}")]
    ScriptFailed {
        /// What k6 was doing, for example `Error executing setup`.
        title: String,
        /// What the script threw, on one line.
        detail: String,
    },
    /// Occurs when no answer of k6 came: no connection, a timeout, a pod proxy without a backend.
    #[error("the runner did not answer: {0}")]
    Unreachable(String),
    /// Occurs when the API server did not answer through which the runner is reached: nothing is known of the runner.
    #[error("{0}")]
    NoWay(String),
    /// Occurs when the API server, through which runners are reached, refuses to pass the call on: it has not reached the runner.
    #[error("the runner was not called: {0}")]
    Refused(String),
    /// Occurs when the runner, or what stands between, answered with anything else but 2xx.
    #[error("the runner answered {code}: {excerpt}")]
    Status {
        /// HTTP status.
        code: u16,
        /// How the answer begins.
        excerpt: String,
    },
    /// Occurs when setup data are longer than what is taken of them: [`SETUP_BYTES_MAX`]. Again would be in vain.
    #[error(
        "setup() returned more than the {} MiB that can be passed on to the other runners; \
         return less, and load what all runners need in the init context",
        SETUP_BYTES_MAX >> 20
    )]
    TooLarge,
    /// Occurs when a status is longer than [`STATUS_BYTES_MAX`]: it is not k6's.
    #[error("the runner's status is larger than {} KiB: this is not k6 answering", STATUS_BYTES_MAX >> 10)]
    StatusTooLarge,
    /// Occurs when a success is not what the call promises.
    #[error("the runner's answer is unreadable: {0}")]
    Decode(String),
}

impl Error {
    /// Whether the same call may succeed later: all but the script's own doing.
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::ScriptFailed { .. } | Self::TooLarge)
    }
}
