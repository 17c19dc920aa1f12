//! What the answers of GCk6 mean.
//!
//! Owns the classification of failures and the parsers. It leaves alone waiting and trying again: [`Error::retry`]
//! decides, the caller sleeps. Its invariant: no error text holds a token or the query of a URL.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{RunId, RunStatus, TestRunData};
use crate::excerpt;

/// Longest `Retry-After` that is followed: beyond it a zone would look dead.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// How a call to GCk6 failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Occurs when GCk6 answered with anything but 2xx.
    #[error("GCk6 answered {code}: {message}")]
    Status {
        /// HTTP status.
        code: u16,
        /// What GCk6 said, on one line, scrubbed.
        message: String,
        /// `Retry-After`, when it was sent.
        retry_after: Option<Duration>,
    },
    /// Occurs when no answer came: name resolution, connection, TLS, timeout.
    #[error("GCk6 could not be reached: {0}")]
    Transport(String),
    /// Occurs when the answer is a success but not what the call promises, for example the page of a proxy.
    #[error("GCk6 answered {call} with something unreadable: {cause}; it begins: {excerpt}")]
    Decode {
        /// What had been asked for.
        call: &'static str,
        /// What is wrong with it.
        cause: String,
        /// How it begins; empty where it could hold credentials.
        excerpt: String,
    },
}

/// Whether a failed call is worth another try.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same call would fail the same way.
    Never,
    /// Try again at the caller's pace.
    Backoff,
    /// Try again, but not before this time has passed.
    After(Duration),
}

impl Error {
    /// Whether the call is worth another try: 429 and 5xx are, and so is everything that never was an answer of GCk6.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Transport(_) | Self::Decode { .. } => Retry::Backoff,
            Self::Status { code: 408 | 429 | 500.., retry_after, .. } => match retry_after {
                Some(wait) => Retry::After(*wait.min(&RETRY_AFTER_MAX)),
                None => Retry::Backoff,
            },
            Self::Status { .. } => Retry::Never,
        }
    }

    /// Whether GCk6 refuses the token: 401 for one that it does not know, 403 for one that may not do this. In both
    /// cases only another token helps.
    pub fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Status { code: 401 | 403, .. })
    }

    /// Whether GCk6 does not know the object (404).
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { code: 404, .. })
    }

    /// Whether GCk6 sees a clash with what it has (409), for example a zone of that name with another provider id.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Status { code: 409, .. })
    }
}

/// Whether an answer is a success. `retry_after` is the header of that name.
pub fn interpret(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Result<(), Error> {
    match status {
        200..=299 => Ok(()),
        code => Err(Error::Status { code, message: message(code, body), retry_after }),
    }
}

/// Ids in the reply to [`super::request::poll`], in GCk6's order, each once.
pub fn listed_runs(body: &[u8]) -> Result<Vec<RunId>, Error> {
    #[derive(Default, Deserialize)]
    struct List {
        object: Option<Vec<Item>>,
    }
    #[derive(Deserialize)]
    struct Item {
        id: RunId,
    }
    let list: Option<List> = decode("the list of test runs", body)?;
    let mut ids = Vec::new();
    for Item { id } in list.unwrap_or_default().object.unwrap_or_default() {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// The reply to [`super::request::data`].
pub fn test_run_data(body: &[u8]) -> Result<TestRunData, Error> {
    let call = "the test run's data";
    serde_json::from_slice(body).map_err(|cause| {
        // An excerpt, or serde's quotation of a value, could show the presigned URL or the token.
        let cause = format!("{:?} error at byte {} of {}", cause.classify(), cause.column(), body.len());
        Error::Decode { call, cause: cause.to_lowercase(), excerpt: String::new() }
    })
}

/// The reply to [`super::request::state`].
pub fn test_run_state(body: &[u8]) -> Result<RunStatus, Error> {
    #[derive(Deserialize)]
    struct State {
        run_status: Option<RunStatus>,
    }
    let call = "the test run's state";
    let state: State = decode(call, body)?;
    state.run_status.ok_or_else(|| Error::Decode {
        call,
        cause: "run_status is missing".to_owned(),
        excerpt: excerpt::of_body(body),
    })
}

fn decode<'a, T: Deserialize<'a>>(call: &'static str, body: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|cause| Error::Decode {
        call,
        cause: excerpt::one_line(&cause.to_string()),
        excerpt: excerpt::of_body(body),
    })
}

/// What the body of a failure says: `error.message` with its `code`, else whatever it begins with, else the meaning
/// of the status.
fn message(status: u16, body: &[u8]) -> String {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = &document["error"];
    let said = ["message", "detail"].iter().find_map(|key| error[*key].as_str()).or_else(|| error.as_str());
    let said = said.or_else(|| document["message"].as_str()).filter(|said| !said.trim().is_empty());
    match (said, &error["code"]) {
        (Some(said), Value::Number(code)) if code.as_u64() != Some(0) => {
            excerpt::one_line(&format!("{said} (E{code})"))
        }
        (Some(said), _) => excerpt::one_line(said),
        (None, _) => Some(excerpt::of_body(body)).filter(|text| !text.is_empty()).unwrap_or_else(|| {
            match status {
                300..=399 => "a redirect; is the configured address right?",
                400 | 422 => "the request was refused",
                401 => "the token is not known",
                403 => "the token may not do this",
                404 => "not found",
                409 => "a conflict with what is there",
                429 => "too many requests",
                _ => "no explanation",
            }
            .to_owned()
        }),
    }
}
