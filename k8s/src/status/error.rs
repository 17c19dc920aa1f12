//! Why a call failed, and whether to send it again.

use std::time::Duration;

use thiserror::Error;

use super::Status;

/// How the messages begin by which admission refuses for good: quota, pod security, webhooks, policies.
const ADMISSION_WORDS: [&str; 4] =
    ["exceeded quota", "violates PodSecurity", "denied the request", "denied request"];
/// The longest pause that a server may ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(120);

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
    #[error("{what} does not end: {cause}")]
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
