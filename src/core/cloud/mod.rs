//! Grafana Cloud k6 (GCk6): the calls as plain data, and what its answers mean.
//!
//! Owns paths, bodies, idempotency keys, reply shapes and the question whether a failed call is worth another
//! try. It leaves alone the hosts' addresses, the token, the `User-Agent` and the sending: the shell adds them.
//! Its invariant: no I/O, and the same arguments always build the same [`Request`].

pub mod data;
pub mod events;
pub mod reply;
pub mod request;

use std::fmt;
use std::str::FromStr;

use k8s::fields::{Faults, Read};
use serde::Serialize;
use serde_json::Value;

pub use data::TestRunData;
pub use events::{ErrorCode, Event, Origin};
pub use k8s::Retry;
pub use reply::Error;
pub use request::Registration;

/// The number of a test run at GCk6. Read from a JSON number or a numeric string, written as a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Occurs when a test run id is not a decimal number of at most 64 bits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("test run id is not a number: {0:?}")]
pub struct NotARunId(String);

impl FromStr for RunId {
    type Err = NotARunId;

    fn from_str(text: &str) -> Result<Self, NotARunId> {
        // `u64` would also take a leading plus sign, which no id has.
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits => Ok(Self(number)),
            _ => Err(NotARunId(crate::excerpt::one_line(text))),
        }
    }
}

/// No run has the id 0, which stands for an absent one.
impl Read for RunId {
    fn read(value: &Value, faults: &mut Faults) -> Self {
        let id = match value {
            Value::String(text) => text.parse().ok(),
            Value::Null => Some(Self::default()),
            number => number.as_u64().map(Self),
        };
        id.unwrap_or_else(|| {
            faults.expected("a test run id, a number or a numeric string");
            Self::default()
        })
    }
}

/// `run_status` of a test run at GCk6. Numbers that are not among the constants are kept as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RunStatus(pub i64);

impl Read for RunStatus {
    fn read(value: &Value, faults: &mut Faults) -> Self {
        Self(i64::read(value, faults))
    }
}

impl RunStatus {
    /// Made, not yet validated.
    pub const CREATED: Self = Self(-2);
    /// The script has been validated.
    pub const VALIDATED: Self = Self(-1);
    /// Waits for its turn.
    pub const QUEUED: Self = Self(0);
    /// Load generators are being prepared.
    pub const INITIALIZING: Self = Self(1);
    /// Generates load.
    pub const RUNNING: Self = Self(2);
    /// Ended by itself.
    pub const FINISHED: Self = Self(3);
    /// GCk6 heard nothing of it for too long.
    pub const TIMED_OUT: Self = Self(4);
    /// A person stopped it.
    pub const ABORTED_BY_USER: Self = Self(5);
    /// GCk6 or an agent stopped it.
    pub const ABORTED_BY_SYSTEM: Self = Self(6);
    /// The script threw.
    pub const ABORTED_BY_SCRIPT_ERROR: Self = Self(7);
    /// A threshold with `abortOnFail` was crossed.
    pub const ABORTED_BY_THRESHOLD: Self = Self(8);
    /// A limit of the account was reached.
    pub const ABORTED_BY_LIMIT: Self = Self(9);
    /// Kept as an archive only.
    pub const ARCHIVED: Self = Self(10);

    /// Whether GCk6 counts the run as over, in whatever way.
    pub fn is_ended(self) -> bool {
        self >= Self::FINISHED
    }

    /// Whether the runners have to stop: everything beyond [`RunStatus::FINISHED`], numbers unknown today included.
    pub fn stops_the_run(self) -> bool {
        self >= Self::TIMED_OUT
    }
}

impl fmt::Display for RunStatus {
    /// What a person reads, for example `aborted by user`; `status 42` for a number that is not known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::CREATED => "created",
            Self::VALIDATED => "validated",
            Self::QUEUED => "queued",
            Self::INITIALIZING => "initializing",
            Self::RUNNING => "running",
            Self::FINISHED => "finished",
            Self::TIMED_OUT => "timed out",
            Self::ABORTED_BY_USER => "aborted by user",
            Self::ABORTED_BY_SYSTEM => "aborted by system",
            Self::ABORTED_BY_SCRIPT_ERROR => "aborted by a script error",
            Self::ABORTED_BY_THRESHOLD => "aborted by a threshold",
            Self::ABORTED_BY_LIMIT => "aborted by a limit",
            Self::ARCHIVED => "archived",
            Self(number) => return write!(f, "status {number}"),
        })
    }
}

/// `result_status` of a finished test run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultStatus {
    /// 0.
    Passed,
    /// 1.
    Failed,
}

/// Which of the two hosts of GCk6 a call goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// `https://api.k6.io` unless configured.
    Api,
    /// `https://ingest.k6.io` unless configured (`K6_CLOUD_HOST`).
    Ingest,
}

/// One call to GCk6, without host address and credentials. A retry sends the same value again.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The host that serves the call.
    pub host: Host,
    /// `GET`, `POST` or `DELETE`.
    pub method: &'static str,
    /// Path and query, from the `/` on.
    pub path: String,
    /// The JSON document to send.
    pub body: Option<Vec<u8>>,
    /// Value of `K6-Idempotency-Key`, 16 hexadecimal digits; none for GET.
    pub idempotency_key: Option<String>,
}

impl fmt::Debug for Request {
    /// The request line: bodies quote what users wrote.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.method, self.host, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_id_from_number_or_text() {
        let check = |json: &str, wanted: Option<u64>| {
            assert_eq!(
                k8s::fields::read(&serde_json::from_str(json).unwrap()).ok(),
                wanted.map(RunId),
                "{json}"
            );
        };
        check("101", Some(101));
        check("\"101\"", Some(101));
        check("18446744073709551615", Some(u64::MAX));
        for json in ["-1", "1.5", "\"\"", "\"+1\"", "\" 1\"", "\"1/../2\"", "\"18446744073709551616\"", "[]"]
        {
            check(json, None);
        }
        assert_eq!(serde_json::to_string(&RunId(101)).unwrap(), "101");
    }

    #[test]
    fn run_status_ends_and_stops() {
        for status in -2..=2 {
            assert!(!RunStatus(status).is_ended() && !RunStatus(status).stops_the_run(), "{status}");
        }
        assert!(RunStatus::FINISHED.is_ended() && !RunStatus::FINISHED.stops_the_run());
        for status in [4, 5, 6, 7, 8, 9, 10, 11, 999] {
            assert!(RunStatus(status).is_ended() && RunStatus(status).stops_the_run(), "{status}");
        }
        assert_eq!(RunStatus::ABORTED_BY_USER.to_string(), "aborted by user");
        assert_eq!(RunStatus(42).to_string(), "status 42");
    }
}
