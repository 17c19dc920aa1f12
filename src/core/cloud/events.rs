//! What the agent tells GCk6, and through it the user, about a run that goes wrong.
//!
//! Owns the event shapes and error codes. It leaves alone when an event is due. Its invariant: an error alone
//! informs; only an abort beside it ends the run.

use serde::Serialize;

/// Why a run could not be brought to its end, as GCk6 numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorCode {
    /// 8030: the script's `setup()` threw.
    Setup,
    /// 8031: the script's `teardown()` threw.
    Teardown,
    /// 8032: a runner ran out of memory.
    OutOfMemory,
    /// 8033: k6 panicked.
    Panic,
    /// 8034: none of the others.
    Unknown,
    /// 8035: the script threw.
    ScriptException,
    /// 8050: the run could not be started.
    CouldNotStart,
    /// 8052: a runner failed.
    RunnerFailed,
}

impl ErrorCode {
    /// The number that GCk6 knows it by.
    pub fn number(self) -> u32 {
        match self {
            Self::Setup => 8030,
            Self::Teardown => 8031,
            Self::OutOfMemory => 8032,
            Self::Panic => 8033,
            Self::Unknown => 8034,
            Self::ScriptException => 8035,
            Self::CouldNotStart => 8050,
            Self::RunnerFailed => 8052,
        }
    }
}

/// Who ends the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The user's side, an agent on the user's cluster included.
    User,
    /// k6 itself.
    K6,
}

/// One event of a test run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event_type", content = "event")]
pub enum Event {
    /// Something failed; the run goes on unless an abort follows.
    #[serde(rename = "TestRunErrorEvent")]
    Error {
        /// See [`ErrorCode::number`].
        #[serde(serialize_with = "as_number")]
        error_code: ErrorCode,
        /// For those who run GCk6.
        #[serde(skip_serializing_if = "String::is_empty")]
        error_detail: String,
        /// For the user, on the run's page.
        #[serde(skip_serializing_if = "String::is_empty")]
        error_detail_public: String,
    },
    /// Ends the run.
    #[serde(rename = "TestRunAbortEvent")]
    Abort {
        /// Who ends it.
        origin: Origin,
        /// Why, when there is more to say than the error beside it does.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

impl Event {
    /// An error whose detail is the same for both audiences.
    pub fn error(code: ErrorCode, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::Error { error_code: code, error_detail: detail.clone(), error_detail_public: detail }
    }

    /// An abort without a reason of its own.
    pub fn abort(origin: Origin) -> Self {
        Self::Abort { origin, reason: None }
    }

    /// An abort with the reason that the user reads.
    pub fn abort_because(origin: Origin, reason: impl Into<String>) -> Self {
        Self::Abort { origin, reason: Some(reason.into()) }
    }

    /// The pair that ends a run with a cause: the error, then the abort.
    pub fn error_and_abort(code: ErrorCode, detail: impl Into<String>) -> Vec<Self> {
        vec![Self::error(code, detail), Self::abort(Origin::User)]
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn as_number<S: serde::Serializer>(code: &ErrorCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(code.number())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_gck6_reads_them() {
        let check =
            |events: &[Event], wanted: &str| assert_eq!(serde_json::to_string(events).unwrap(), wanted);
        check(
            &Event::error_and_abort(ErrorCode::CouldNotStart, "no \"image\""),
            r#"[{"event_type":"TestRunErrorEvent","event":{"error_code":8050,"error_detail":"no \"image\"","error_detail_public":"no \"image\""}},{"event_type":"TestRunAbortEvent","event":{"origin":"user"}}]"#,
        );
        check(
            &[Event::abort_because(Origin::K6, "gone"), Event::error(ErrorCode::OutOfMemory, "")],
            r#"[{"event_type":"TestRunAbortEvent","event":{"origin":"k6","reason":"gone"}},{"event_type":"TestRunErrorEvent","event":{"error_code":8032}}]"#,
        );
        check(&[], "[]");
    }
}
