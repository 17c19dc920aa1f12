//! What the answers of GCk6 mean.
//!
//! Owns the classification of failures and the parsers. It leaves alone waiting and trying again: [`Error::retry`]
//! decides, the caller sleeps. Its invariant: no error text holds a token or the query of a URL.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s::Retry;
use k8s::fields::Read;
use k8s::shape::Picks;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::error::Category;

use super::{RunId, RunStatus, TestRunData};
use crate::excerpt;
use crate::limits::{DATA_BYTES_MAX, LARGE_OBJECT_LIMITS};

/// Longest `Retry-After` that is followed: beyond it a zone would look dead.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// The longest explanation of a failure that is looked into.
const EXPLANATION_BYTES_MAX: usize = 16 * 1024;

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
    #[error("GCk6's answer for {call} is unreadable: {cause}; it begins: {excerpt}")]
    Decode {
        /// What had been asked for.
        call: &'static str,
        /// What is wrong with it.
        cause: String,
        /// How it begins; empty where it could hold credentials.
        excerpt: String,
    },
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

    /// Whether GCk6 rejects the token (401), so that only another one helps. A 403 refuses the one call: a limit of the
    /// account, a run of somebody else.
    pub fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Status { code: 401, .. })
    }

    /// Whether GCk6 does not know the object (404).
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { code: 404, .. })
    }
}

/// Whether an answer is a success. `retry_after` is the header of that name.
///
/// GCk6 speaks JSON and never redirects. Whatever else refuses is not GCk6: the login portal of a network, the page of a proxy. Taken for
/// GCk6's word, its "not found" would end a test run that is well.
pub fn interpret(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Result<(), Error> {
    match status {
        200..=299 => Ok(()),
        300..=399 => Err(in_between(status, "redirects")),
        402..=499 if body.trim_ascii_start().starts_with(b"<") => {
            Err(in_between(status, "answers with a web page"))
        }
        code => Err(Error::Status { code, message: message(code, body), retry_after }),
    }
}

fn in_between(status: u16, does: &str) -> Error {
    Error::Transport(format!(
        "something on the way {does} in its place ({status}); check the configured address, and look for a login \
         portal or a proxy that rejects the request"
    ))
}

/// Ids in the reply to [`super::request::poll`], in GCk6's order, each once. Nothing at all is an empty list.
pub fn listed_runs(body: &[u8]) -> Result<Vec<RunId>, Error> {
    #[derive(Default)]
    struct List {
        object: Vec<Item>,
    }
    k8s::readable!(List { object: "object" });
    #[derive(Default)]
    struct Item {
        id: Option<RunId>,
    }
    k8s::readable!(Item { id: "id" });
    if matches!(body.trim_ascii(), b"" | b"null") {
        return Ok(Vec::new());
    }
    let list: List = decode("the list of test runs", body)?;
    let mut seen = BTreeSet::new();
    Ok(list.object.into_iter().filter_map(|item| item.id).filter(|id| seen.insert(*id)).collect())
}

/// The reply to [`super::request::data`].
pub fn test_run_data(body: &[u8]) -> Result<TestRunData, Error> {
    let call = "the test run's data";
    // An excerpt, or serde's quotation of a value, could show the presigned URL or the token.
    let undecoded = |cause: String| Error::Decode { call, cause, excerpt: String::new() };
    let text = std::str::from_utf8(body).map_err(|_| undecoded("it is not UTF-8".to_owned()))?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|cause| {
        let kind = match cause.classify() {
            Category::Eof => "it ends too early",
            Category::Io | Category::Syntax | Category::Data => "it is not JSON",
        };
        undecoded(format!("{kind}, byte {} of {}", cause.column(), body.len()))
    })?;
    let data: TestRunData = k8s::status::read_object(call, body, Picks::default(), LARGE_OBJECT_LIMITS)
        .map_err(|error| {
            undecoded(match error {
                k8s::Error::TooLarge { .. } => error.to_string(),
                _ => "it does not have the expected shape".to_owned(),
            })
        })?;
    if data.bytes() > DATA_BYTES_MAX {
        // Else they would wait for room that there never is.
        let (kib, max) = (data.bytes() / 1024, DATA_BYTES_MAX / 1024);
        return Err(undecoded(format!(
            "its variables, tags and addresses take {kib} KiB, but the agent holds at most {max} KiB; pass fewer"
        )));
    }
    Ok(data)
}

/// The reply to [`super::request::state`].
pub fn test_run_state(body: &[u8]) -> Result<RunStatus, Error> {
    #[derive(Default)]
    struct State {
        run_status: Option<RunStatus>,
    }
    k8s::readable!(State { run_status: "run_status" });
    let call = "the test run's state";
    let state: State = decode(call, body)?;
    state.run_status.ok_or_else(|| Error::Decode {
        call,
        cause: "run_status is missing".to_owned(),
        excerpt: excerpt::of_body(body),
    })
}

fn decode<T: Read>(call: &'static str, body: &[u8]) -> Result<T, Error> {
    k8s::fields::read_text(body).map_err(|cause| Error::Decode {
        call,
        cause: excerpt::one_line(&cause.to_string()),
        excerpt: excerpt::of_body(body),
    })
}

/// What the body of a failure says: `error.message` with its `code`, else whatever it begins with, else the meaning
/// of the status.
fn message(status: u16, body: &[u8]) -> String {
    // A tree of many small values takes thirty times its text.
    let is_short = body.len() <= EXPLANATION_BYTES_MAX;
    let document: Value = is_short.then(|| serde_json::from_slice(body).ok()).flatten().unwrap_or_default();
    let error = &document["error"];
    let said = ["message", "detail"].iter().find_map(|key| error[*key].as_str()).or_else(|| error.as_str());
    let said = said.or_else(|| document["message"].as_str()).filter(|said| !said.trim().is_empty());
    let code = match &error["code"] {
        Value::Number(code) if code.as_u64() != Some(0) => format!(" (E{code})"),
        _ => String::new(),
    };
    // Which field is wrong with it: an object of lists under either name.
    let fields = ["field_errors", "details"].iter().map(|key| &error[*key]);
    let fields = fields.filter_map(Value::as_object).find(|fields| !fields.is_empty());
    let fields =
        fields.and_then(|fields| serde_json::to_string(fields).ok()).map(|fields| format!(": {fields}"));
    match said {
        Some(said) => excerpt::one_line(&format!("{said}{code}{}", fields.unwrap_or_default())),
        None => Some(excerpt::of_body(body)).filter(|text| !text.is_empty()).unwrap_or_else(|| {
            match status {
                400 | 422 => "the request was rejected",
                401 => "the token is unknown",
                403 => "the token may not do this",
                404 => "not found",
                409 => "it conflicts with what exists",
                429 => "too many requests",
                _ => "no explanation",
            }
            .to_owned()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[track_caller]
    fn failure(status: u16, body: &str) -> Error {
        interpret(status, None, body.as_bytes()).unwrap_err()
    }

    #[test]
    fn success_is_2xx_and_nothing_else() {
        for status in [100, 199, 300, 304, 400, 599] {
            assert!(interpret(status, None, b"").is_err(), "{status}");
        }
        for status in [200, 201, 204, 299] {
            assert_eq!(interpret(status, None, b"<html>"), Ok(()), "{status}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn retry_by_status() {
        let check = |status, retry_after, wanted| {
            assert_eq!(interpret(status, retry_after, b"").unwrap_err().retry(), wanted, "{status}");
        };
        for status in [400, 401, 403, 404, 409, 422] {
            check(status, Some(SECOND), Retry::Never);
        }
        for status in [408, 429, 500, 502, 503, 599] {
            check(status, None,                  Retry::Backoff);
            check(status, Some(7 * SECOND),      Retry::After(7 * SECOND));
            check(status, Some(86_400 * SECOND), Retry::After(RETRY_AFTER_MAX));
        }
        assert_eq!(Error::Transport("timed out".to_owned()).retry(), Retry::Backoff);
        assert_eq!(listed_runs(b"<html>").unwrap_err().retry(), Retry::Backoff);
    }

    #[test]
    fn what_is_not_gck6_refuses_nothing() {
        let page = "\n<!DOCTYPE html><title>Welcome to our shop</title>";
        for (status, body) in [(302, ""), (307, page), (403, page), (404, page), (407, page)] {
            let error = failure(status, body);
            assert!(error.retry() == Retry::Backoff && !error.is_not_found(), "{error}");
            assert!(error.to_string().contains("portal"), "{error}");
        }
        assert!(failure(401, page).is_unauthorized() && failure(404, "{}").is_not_found());
    }

    #[test]
    fn kinds_of_refusal() {
        assert!(failure(401, "").is_unauthorized() && !failure(403, "").is_unauthorized());
        assert!(failure(404, "").is_not_found() && !failure(404, "").is_unauthorized());
    }

    #[test]
    #[rustfmt::skip]
    fn message_of_a_failure() {
        let check = |status, body: &str, wanted: &str| assert_eq!(failure(status, body).to_string(), wanted, "{body}");
        check(400, r#"{"error":{"message":"no such zone","code":7}}"#, "GCk6 answered 400: no such zone (E7)");
        check(400, r#"{"error":{"message":"no such zone","code":0}}"#, "GCk6 answered 400: no such zone");
        check(400, r#"{"error":{"message":"two\nlines","code":null}}"#, "GCk6 answered 400: two lines");
        check(422, r#"{"error":{"message":"invalid","field_errors":{"cpu":["too small"]},"details":{"x":[]}}}"#, r#"GCk6 answered 422: invalid: {"cpu":["too small"]}"#);
        check(400, r#"{"error":{"message":" "}}"#, r#"GCk6 answered 400: {"error":{"message":" "}}"#);
        check(400, r#"{"error":"plain"}"#, "GCk6 answered 400: plain");
        check(400, r#"{"message":"elsewhere"}"#, "GCk6 answered 400: elsewhere");
        check(400, r#"{"error":null}"#, r#"GCk6 answered 400: {"error":null}"#);
        check(400, r#"[1,2]"#, "GCk6 answered 400: [1,2]");
        check(502, "<html><head><title>502 Bad\nGateway</title></head><body>x</body></html>", "GCk6 answered 502: 502 Bad Gateway");
        check(401, "", "GCk6 answered 401: the token is unknown");
        check(500, "  ", "GCk6 answered 500: no explanation");
        check(500, "see https://s3/a?X-Amz-Signature=abc now", "GCk6 answered 500: see https://s3/a?<redacted> now");
        assert!(interpret(500, None, b"\xff\xfe\x00").is_err());
        assert!(failure(500, &"x".repeat(1 << 20)).to_string().len() < 400);
    }

    #[test]
    #[rustfmt::skip]
    fn listed() {
        let check = |body: &str, wanted: &[u64]| {
            assert_eq!(listed_runs(body.as_bytes()), Ok(wanted.iter().copied().map(RunId).collect()), "{body}");
        };
        check(r#"{"object":[{"id":101},{"id":"102","x":1}]}"#, &[101, 102]);
        check(r#"{"object":[{"id":7},{"id":7},null,{"id":null},{}]}"#, &[7]);
        check(r#"{"object":[]}"#, &[]);
        check(r#"{"object":null}"#, &[]);
        check("{}", &[]);
        check("null", &[]);
        check(" ", &[]);
        for body in ["<html>", r#"{"object":{}}"#, r#"{"object":[{"id":-1}]}"#, r#"{"object":[{"id":"../x"}]}"#, r#"{"object":["#] {
            assert!(matches!(listed_runs(body.as_bytes()), Err(Error::Decode { .. })), "{body}");
        }
    }

    #[test]
    fn state() {
        assert_eq!(test_run_state(br#"{"id":1,"run_status":5}"#), Ok(RunStatus::ABORTED_BY_USER));
        assert_eq!(test_run_state(br#"{"run_status":42}"#), Ok(RunStatus(42)));
        let missing = test_run_state(br#"{"id":1,"run_status":null}"#).unwrap_err();
        assert!(missing.to_string().contains("run_status is missing"), "{missing}");
        assert!(test_run_state(b"").is_err() && test_run_state(b"null").is_err());
    }

    #[test]
    fn many_small_variables_are_too_much() {
        let body = |count: usize| {
            let variables: String = (0..count).map(|n| format!(r#""v{n}":"","#)).collect();
            format!(r#"{{"k8s_load_zones_config":{{"environment":{{{variables}"a":"b"}}}}}}"#)
        };
        assert_eq!(test_run_data(body(8000).as_bytes()).unwrap().config.environment.len(), 8001);
        let said = test_run_data(body(40_000).as_bytes()).unwrap_err().to_string();
        assert!(
            said.contains("k8s_load_zones_config.environment of the test run's data is longer"),
            "{said}"
        );
        // What is taken is never more than can be held, or it would wait for room for ever.
        for count in (9000..40_000).step_by(500) {
            let held = test_run_data(body(count).as_bytes()).map_or(0, |data| data.bytes());
            assert!(held <= DATA_BYTES_MAX, "{count} variables: {held} bytes");
        }
    }

    #[test]
    fn what_is_wrong_with_data_is_said_in_words() {
        let check = |body: &str, wanted: &str| {
            let said = test_run_data(body.as_bytes()).unwrap_err().to_string();
            let wanted =
                format!("GCk6's answer for the test run's data is unreadable: {wanted}; it begins: ");
            assert_eq!(said, wanted);
        };
        check("<html>", "it is not JSON, byte 1 of 6");
        check("", "it ends too early, byte 0 of 0");
        check(r#"{"id":1"#, "it ends too early, byte 7 of 7");
        check("null", "it does not have the expected shape");
    }

    #[test]
    fn undecodable_data_shows_no_credential() {
        let body = br#"{"test_run_token":"t0ps3cret","k8s_load_zones_config":"https://s3/a?X-Amz-Signature=t0ps3cret"}"#;
        let error = test_run_data(body).unwrap_err();
        assert_eq!(error.retry(), Retry::Backoff);
        assert!(!format!("{error} {error:?}").contains("t0ps3cret"), "{error:?}");
    }
}
