//! The calls to a runner, as plain data.
//!
//! Owns methods, paths and bodies, and how much is read of each answer. Invariant: each kind of answer has one bound, whichever way
//! it comes.

use std::fmt;
use std::sync::Arc;

use super::reply::{interpret, is_success};
use super::{ERROR_BYTES_MAX, Error, SETUP_BYTES_MAX, SMALL_SETUP_BYTES_MAX, STATUS_BYTES_MAX};

const STATUS_PATH: &str = "/v1/status";
const SETUP_PATH: &str = "/v1/setup";
const TEARDOWN_PATH: &str = "/v1/teardown";

/// What a call to a runner is answered with when it goes well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// A status.
    Status,
    /// Setup data, as long as they may be.
    SetupData,
    /// Setup data, unless they are long.
    SmallSetupData,
    /// Nothing that anybody reads.
    Nothing,
}

/// One call to a runner.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `PATCH`, `POST` or `PUT`.
    pub method: &'static str,
    /// From the `/` on.
    pub path: &'static str,
    /// Type of the body, when there is one.
    pub content_type: Option<&'static str>,
    /// Text to send; empty for none. Shared, since setup data go to all runners.
    pub body: Arc<String>,
    answer: Answer,
}

impl fmt::Debug for Request {
    /// The request line: setup data may hold what a script logged in with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Request {
    /// `GET /v1/status`: see [`status_reply`](super::status_reply).
    pub fn status() -> Self {
        Self::new("GET", STATUS_PATH, Answer::Status, Arc::default())
    }

    /// `PATCH /v1/status`: a runner that waits begins its test. Answers with a status.
    pub fn resume() -> Self {
        Self::patch(r#"{"paused":false}"#)
    }

    /// `PATCH /v1/status`: a runner ends its test. Answers with a status; with `--linger` the process stays.
    pub fn stop() -> Self {
        Self::patch(r#"{"stopped":true}"#)
    }

    /// `POST /v1/setup`: runs the script's `setup()`, which may take minutes; see [`setup_reply`](super::setup_reply). Data of more than
    /// [`SMALL_SETUP_BYTES_MAX`] are [`Error::TooLarge`] here, and are had by [`setup_data`](Self::setup_data).
    pub fn run_setup() -> Self {
        Self::new("POST", SETUP_PATH, Answer::SmallSetupData, Arc::default())
    }

    /// `GET /v1/setup`: the setup data that the runner has; see [`setup_reply`](super::setup_reply).
    pub fn setup_data() -> Self {
        Self::new("GET", SETUP_PATH, Answer::SetupData, Arc::default())
    }

    /// The same, for as long as they are small, as with [`run_setup`](Self::run_setup).
    pub fn small_setup_data() -> Self {
        Self::new("GET", SETUP_PATH, Answer::SmallSetupData, Arc::default())
    }

    /// `PUT /v1/setup`: hands over what `setup()` returned elsewhere, `None` for nothing. Any text that is JSON.
    pub fn put_setup_data(data: Option<Arc<String>>) -> Self {
        // k6 answers with the same data once more.
        Self::new("PUT", SETUP_PATH, Answer::Nothing, data.unwrap_or_default())
    }

    /// `POST /v1/teardown`: runs the script's `teardown()`, which may take minutes.
    pub fn run_teardown() -> Self {
        Self::new("POST", TEARDOWN_PATH, Answer::Nothing, Arc::default())
    }

    /// How much of an answer with that HTTP status is to be read, in bytes. One more would be too many.
    #[must_use]
    pub fn answer_bytes_max(&self, status: u16) -> usize {
        match self.answer {
            Answer::SetupData if is_success(status) => SETUP_BYTES_MAX,
            Answer::SmallSetupData if is_success(status) => SMALL_SETUP_BYTES_MAX,
            Answer::Status if is_success(status) => STATUS_BYTES_MAX,
            Answer::SetupData | Answer::Status | Answer::SmallSetupData | Answer::Nothing => ERROR_BYTES_MAX,
        }
    }

    /// Takes an answer, or says why it is none. `body` is what was read of it: all, or more than
    /// [`answer_bytes_max`](Self::answer_bytes_max).
    pub fn accept(&self, status: u16, mut body: Vec<u8>) -> Result<Vec<u8>, Error> {
        let is_whole = body.len() <= self.answer_bytes_max(status);
        interpret(status, &body)?;
        match self.answer {
            Answer::Nothing => body = Vec::new(),
            Answer::SetupData | Answer::SmallSetupData if !is_whole => return Err(Error::TooLarge),
            Answer::Status if !is_whole => return Err(Error::StatusTooLarge),
            Answer::SetupData | Answer::SmallSetupData | Answer::Status => {}
        }
        Ok(body)
    }

    fn patch(attributes: &str) -> Self {
        let body = format!(r#"{{"data":{{"type":"status","id":"default","attributes":{attributes}}}}}"#);
        Self::new("PATCH", STATUS_PATH, Answer::Status, Arc::new(body))
    }

    fn new(method: &'static str, path: &'static str, answer: Answer, body: Arc<String>) -> Self {
        let content_type = (!body.is_empty()).then_some("application/json");
        Self { method, path, content_type, body, answer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn calls() {
        let check = |request: Request, line: &str, body: &str| {
            assert_eq!(format!("{} {}", request.method, request.path), line);
            assert_eq!(request.content_type, (!body.is_empty()).then_some("application/json"), "{line}");
            assert_eq!(request.body.as_str(), body, "{line}");
        };
        check(Request::status(), "GET /v1/status", "");
        check(Request::resume(), "PATCH /v1/status", r#"{"data":{"type":"status","id":"default","attributes":{"paused":false}}}"#);
        check(Request::stop(), "PATCH /v1/status", r#"{"data":{"type":"status","id":"default","attributes":{"stopped":true}}}"#);
        check(Request::run_setup(), "POST /v1/setup", "");
        check(Request::setup_data(), "GET /v1/setup", "");
        check(Request::put_setup_data(Some(Arc::new(r#"{"a":1.0}"#.to_owned()))), "PUT /v1/setup", r#"{"a":1.0}"#);
        check(Request::put_setup_data(None), "PUT /v1/setup", "");
        check(Request::run_teardown(), "POST /v1/teardown", "");
    }

    #[test]
    fn each_kind_of_answer_has_its_bound_and_its_word() {
        let check = |request: &Request, status: u16, bound: usize, wanted: Option<Error>| {
            assert_eq!(request.answer_bytes_max(status), bound, "{request:?}");
            let body = |count: usize| vec![b' '; count];
            assert!(request.accept(200, body(request.answer_bytes_max(200))).is_ok(), "{request:?}");
            assert_eq!(request.accept(status, body(bound + 1)).err(), wanted, "{request:?}");
        };
        let refused = Error::Status { code: 500, excerpt: String::new() };
        for request in [Request::status(), Request::resume(), Request::stop()] {
            check(&request, 200, STATUS_BYTES_MAX, Some(Error::StatusTooLarge));
        }
        for request in [Request::run_setup(), Request::small_setup_data()] {
            check(&request, 200, SMALL_SETUP_BYTES_MAX, Some(Error::TooLarge));
        }
        check(&Request::setup_data(), 200, SETUP_BYTES_MAX, Some(Error::TooLarge));
        check(&Request::setup_data(), 500, ERROR_BYTES_MAX, Some(refused));
        for request in [Request::put_setup_data(None), Request::run_teardown()] {
            check(&request, 200, ERROR_BYTES_MAX, None);
            assert_eq!(request.accept(200, b"echo".to_vec()), Ok(Vec::new()));
        }
        assert!(Error::StatusTooLarge.to_string().contains("status is larger than 64 KiB"));
        assert!(Error::TooLarge.to_string().contains("4 MiB") && !Error::TooLarge.is_transient());
    }
}
