//! The REST API of k6 on a runner, as plain data.
//!
//! Owns the calls, what a status means for the run, and what a failed call means. It leaves alone how a runner is
//! reached (pod IP or the API server's pod proxy) and the waiting. Its invariant: a runner counts as ended only by
//! its own word, never by an error or by silence.

use std::fmt;
use std::sync::Arc;

use k8s::fields::{self, Faults};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::excerpt;

/// Port that k6 listens on in a runner.
pub const PORT: u16 = 6565;

const STATUS_PATH: &str = "/v1/status";
/// Longest answer of a runner that is taken, in bytes. Setup data are the longest there are, and are held a few times over for
/// a moment by an agent that may use 32 MiB.
pub const REPLY_BYTES_MAX: u64 = 4 << 20;

const SETUP_PATH: &str = "/v1/setup";
const TEARDOWN_PATH: &str = "/v1/teardown";

/// How the title of an error begins when `setup()` or `teardown()` threw. Other titles of status 500, such as `Pause
/// error` for a test that runs already, are not the script's doing.
const SCRIPT_FAILED: &str = "Error executing ";

/// One call to a runner.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `PATCH`, `POST` or `PUT`.
    pub method: &'static str,
    /// From the `/` on.
    pub path: &'static str,
    /// Type of the body, when there is one.
    pub content_type: Option<&'static str>,
    /// Text to send; empty for none. Shared, since setup data go to all runners but one.
    pub body: Arc<str>,
}

impl fmt::Debug for Request {
    /// The request line: setup data may hold what a script logged in with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Request {
    /// `GET /v1/status`: see [`status_reply`].
    pub fn status() -> Self {
        Self::new("GET", STATUS_PATH, "")
    }

    /// `PATCH /v1/status`: a runner that waits begins its test. Answers with a status.
    pub fn resume() -> Self {
        Self::patch(r#"{"paused":false}"#)
    }

    /// `PATCH /v1/status`: a runner ends its test. Answers with a status; with `--linger` the process stays.
    pub fn stop() -> Self {
        Self::patch(r#"{"stopped":true}"#)
    }

    /// `POST /v1/setup`: runs the script's `setup()`, which may take minutes; see [`setup_reply`].
    pub fn run_setup() -> Self {
        Self::new("POST", SETUP_PATH, "")
    }

    /// `GET /v1/setup`: the setup data that the runner has; see [`setup_reply`].
    pub fn setup_data() -> Self {
        Self::new("GET", SETUP_PATH, "")
    }

    /// `PUT /v1/setup`: hands over what `setup()` returned elsewhere, `None` for nothing. Any text that is JSON.
    pub fn put_setup_data(data: Option<Arc<str>>) -> Self {
        Self::new("PUT", SETUP_PATH, data.unwrap_or_default())
    }

    /// `POST /v1/teardown`: runs the script's `teardown()`, which may take minutes.
    pub fn run_teardown() -> Self {
        Self::new("POST", TEARDOWN_PATH, "")
    }

    fn patch(attributes: &str) -> Self {
        let body = format!(r#"{{"data":{{"type":"status","id":"default","attributes":{attributes}}}}}"#);
        Self::new("PATCH", STATUS_PATH, body)
    }

    fn new(method: &'static str, path: &'static str, body: impl Into<Arc<str>>) -> Self {
        let body = body.into();
        let content_type = (!body.is_empty()).then_some("application/json");
        Self { method, path, content_type, body }
    }
}

/// What a runner says of itself. `status` runs: 0 created, 1 and 2 initializing, 3 ready, 4 paused before the run,
/// 5 started, 6 setup, 7 running, 8 teardown, 9 ended, 10 interrupted, 11 marked as failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunnerStatus {
    /// The number above.
    pub status: u32,
    /// Waits to be resumed.
    pub paused: bool,
    /// Started and not ended. A lingering runner that was stopped still says so: it tells nothing about the end.
    pub running: bool,
    /// The test was told to stop, or is over.
    pub stopped: bool,
    /// A threshold was crossed.
    pub tainted: bool,
    /// Virtual users at work.
    pub vus: u64,
    /// Virtual users that are initialized.
    pub vus_max: u64,
    /// The exit code that the process will end with, once the test is over. k6 tells it from the release after 2.2.0 on.
    exit_code: Option<i32>,
}
k8s::readable!(RunnerStatus {
    status: "status",
    paused: "paused",
    running: "running",
    stopped: "stopped",
    tainted: "tainted",
    vus: "vus",
    vus_max: "vus-max",
    exit_code: "execution_result" by read_exit_code,
});

/// The exit code of an `execution_result`. That of a later k6 may look otherwise; then it is as if there were none.
fn read_exit_code(result: &Value, _: &mut Faults) -> Option<i32> {
    result.get("exit_code")?.as_i64()?.try_into().ok()
}

impl RunnerStatus {
    const PAUSED_BEFORE_START: u32 = 4;
    const STARTED: u32 = 5;
    const ENDED: u32 = 9;
    const INTERRUPTED: u32 = 10;
    const MARKED_AS_FAILED: u32 = 11;

    /// Whether the runner is ready and waits for the others. Only then may the run be started.
    pub fn is_paused_before_start(&self) -> bool {
        self.status == Self::PAUSED_BEFORE_START
    }

    /// Whether the test began, be it that it has ended since.
    pub fn has_started(&self) -> bool {
        self.status >= Self::STARTED
    }

    /// Whether the test is over, in whatever way.
    pub fn has_ended(&self) -> bool {
        self.status >= Self::ENDED
    }

    /// Whether the test was cut short, be it by us.
    pub fn is_interrupted(&self) -> bool {
        self.status == Self::INTERRUPTED
    }

    /// Whether the script has marked its test as failed, which has run to its end.
    pub fn is_marked_as_failed(&self) -> bool {
        self.status == Self::MARKED_AS_FAILED
    }

    /// The exit code that the process will end with, if the test is over and k6 is one that tells.
    pub fn exit_code(&self) -> Option<i32> {
        self.exit_code.filter(|_| self.has_ended())
    }

    /// Whether it was stopped before its test began. Who is stopped later says that he runs for as long as he lingers.
    pub fn was_stopped_before_start(&self) -> bool {
        self.stopped && !self.running
    }
}

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
    #[error("the runner was not asked: {0}")]
    Refused(String),
    /// Occurs when the runner, or what stands between, answered with anything else but 2xx.
    #[error("the runner answered {code}: {excerpt}")]
    Status {
        /// HTTP status.
        code: u16,
        /// How the answer begins.
        excerpt: String,
    },
    /// Occurs when an answer is longer than [`REPLY_BYTES_MAX`], which only setup data can be. Again would be in vain.
    #[error(
        "what setup() returned is larger than the {} MiB that are handed on to the other runners; \
         return less, and load what all runners need in the init context",
        REPLY_BYTES_MAX >> 20
    )]
    TooLarge,
    /// Occurs when a success is not what the call promises.
    #[error("the runner answered with something unreadable: {0}")]
    Decode(String),
}

impl Error {
    /// Whether the same call may succeed later: all but the script's own doing.
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::ScriptFailed { .. } | Self::TooLarge)
    }
}

/// Whether an answer is a success. With the API server's pod proxy in between, 502, 503 and 504 are its own and say
/// that the runner did not answer.
pub fn interpret(status: u16, body: &[u8]) -> Result<(), Error> {
    match status {
        200..=299 => Ok(()),
        502..=504 => Err(Error::Unreachable(format!("{status}: {}", excerpt::of_body(body)))),
        _ => Err(refused(status, body)),
    }
}

/// The reply to [`Request::status`], [`Request::resume`] and [`Request::stop`].
pub fn status_reply(body: &[u8]) -> Result<RunnerStatus, Error> {
    let document: Value =
        serde_json::from_slice(body).map_err(|cause| undecoded(&cause.to_string(), body))?;
    let attributes = &document["data"]["attributes"];
    if attributes.is_null() {
        return Err(Error::Decode("status without attributes".to_owned()));
    }
    fields::read(attributes).map_err(|cause| undecoded(&cause, body))
}

/// The reply to [`Request::run_setup`] and [`Request::setup_data`]: the data as the JSON text it came in, to be
/// handed to the other runners unchanged; none when there is none.
pub fn setup_reply(body: &[u8]) -> Result<Option<Arc<str>>, Error> {
    #[derive(Deserialize)]
    struct Document {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        attributes: Option<Attributes>,
    }
    #[derive(Deserialize)]
    struct Attributes {
        data: Option<Box<RawValue>>,
    }
    if body.len() as u64 > REPLY_BYTES_MAX {
        return Err(Error::TooLarge);
    }
    // Neither an excerpt nor serde's quotation of a value: setup data may hold what a script logged in with.
    let document: Document = serde_json::from_slice(body)
        .map_err(|cause| Error::Decode(format!("setup data, byte {} of {}", cause.column(), body.len())))?;
    let data = document.data.attributes.and_then(|attributes| attributes.data);
    Ok(data.map(|data| Arc::from(data.get())))
}

fn undecoded(cause: &str, body: &[u8]) -> Error {
    Error::Decode(format!("{}; it begins: {}", excerpt::one_line(cause), excerpt::of_body(body)))
}

/// What k6 says of its own failure: title and detail of the first error, each on one line.
fn failure(body: &[u8]) -> Option<(String, String)> {
    let document: Value = serde_json::from_slice(body).ok()?;
    let failure = document["errors"].get(0)?;
    let detail = failure["detail"].as_str().unwrap_or("k6 names no cause");
    Some((excerpt::one_line(failure["title"].as_str()?), excerpt::one_line(detail)))
}

fn refused(code: u16, body: &[u8]) -> Error {
    match failure(body) {
        Some((title, detail)) if code == 500 && title.starts_with(SCRIPT_FAILED) => {
            Error::ScriptFailed { title, detail }
        }
        Some((title, detail)) => Error::Status { code, excerpt: format!("{title}: {detail}") },
        None => Error::Status { code, excerpt: excerpt::of_body(body) },
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
            assert_eq!(&*request.body, body, "{line}");
        };
        check(Request::status(), "GET /v1/status", "");
        check(Request::resume(), "PATCH /v1/status", r#"{"data":{"type":"status","id":"default","attributes":{"paused":false}}}"#);
        check(Request::stop(), "PATCH /v1/status", r#"{"data":{"type":"status","id":"default","attributes":{"stopped":true}}}"#);
        check(Request::run_setup(), "POST /v1/setup", "");
        check(Request::setup_data(), "GET /v1/setup", "");
        check(Request::put_setup_data(Some(r#"{"a":1.0}"#.into())), "PUT /v1/setup", r#"{"a":1.0}"#);
        check(Request::put_setup_data(None), "PUT /v1/setup", "");
        check(Request::run_teardown(), "POST /v1/teardown", "");
    }

    #[test]
    fn a_status_as_k6_writes_it() {
        let body = br#"{"data":{"type":"status","id":"default","attributes":{"status":4,"paused":true,"vus":0,"vus-max":2,"stopped":false,"running":false,"tainted":false}}}"#;
        let wanted = RunnerStatus { status: 4, paused: true, vus_max: 2, ..RunnerStatus::default() };
        assert_eq!(status_reply(body), Ok(wanted));
        let nulls = br#"{"data":{"attributes":{"status":10,"paused":null,"vus":null,"vus-max":null,"running":true,"stopped":true}}}"#;
        let status = status_reply(nulls).unwrap();
        assert!(status.has_ended() && status.running && status.stopped, "{status:?}");
    }

    #[test]
    fn the_exit_code_is_read_where_it_is_told() {
        let check = |more: &str, wanted: Option<i32>| {
            let body = format!(r#"{{"data":{{"attributes":{{"status":10{more}}}}}}}"#);
            assert_eq!(status_reply(body.as_bytes()).unwrap().exit_code(), wanted, "{more}");
        };
        check("", None);
        check(r#","execution_result":null"#, None);
        check(r#","execution_result":{"exit_code":108}"#, Some(108));
        check(r#","execution_result":{"exit_code":null}"#, None);
        check(r#","execution_result":{"exit_code":"108"}"#, None);
        check(r#","execution_result":{"exit_code":1e300}"#, None);
        check(r#","execution_result":[108]"#, None);
        let running = br#"{"data":{"attributes":{"status":7,"execution_result":{"exit_code":0}}}}"#;
        assert_eq!(status_reply(running).unwrap().exit_code(), None, "it is not over");
    }

    #[test]
    fn what_a_status_says() {
        for number in 0..=12 {
            let status = RunnerStatus { status: number, ..RunnerStatus::default() };
            assert_eq!(status.is_paused_before_start(), number == 4, "{number}");
            assert_eq!(status.has_started(), number >= 5, "{number}");
            assert_eq!(status.has_ended(), number >= 9, "{number}");
            assert_eq!(status.is_interrupted(), number == 10, "{number}");
            assert_eq!(status.is_marked_as_failed(), number == 11, "{number}");
        }
        // A lingering runner that was told to stop still calls itself running, and one that only says so has not ended.
        assert!(!RunnerStatus { status: 7, stopped: true, ..RunnerStatus::default() }.has_ended());
    }

    #[test]
    fn nothing_unreadable_counts_as_a_status() {
        for body in [
            "",
            "null",
            "{}",
            r#"{"data":null}"#,
            r#"{"data":{}}"#,
            r#"{"data":{"attributes":null}}"#,
            "<html>",
        ] {
            assert!(matches!(status_reply(body.as_bytes()), Err(Error::Decode(_))), "{body}");
        }
    }

    #[test]
    fn setup_data_stays_as_it_came() {
        let check = |attributes: &str, wanted: Option<&str>| {
            let body =
                format!(r#"{{"data":{{"type":"setupData","id":"default","attributes":{attributes}}}}}"#);
            assert_eq!(setup_reply(body.as_bytes()), Ok(wanted.map(Arc::from)), "{attributes}");
        };
        check(r#"{"data":{"b":1.0,"a":12345678901234567890123, "é":"\u00e9"}}"#, {
            Some(r#"{"b":1.0,"a":12345678901234567890123, "é":"\u00e9"}"#)
        });
        check(r#"{"data":0}"#, Some("0"));
        check(r#"{"data":""}"#, Some(r#""""#));
        check(r#"{"data":null}"#, None);
        check("{}", None);
        check("null", None);
        assert!(setup_reply(b"").is_err());
        let endless = " ".repeat(usize::try_from(REPLY_BYTES_MAX).unwrap() + 1);
        let too_large = setup_reply(endless.as_bytes()).unwrap_err();
        assert!(!too_large.is_transient() && too_large.to_string().contains("4 MiB"), "{too_large}");
        let torn = setup_reply(br#"{"data":{"attributes":{"data":{"session":"s3cret""#).unwrap_err();
        assert!(!torn.to_string().contains("s3cret"), "{torn}");
        assert_eq!(format!("{:?}", Request::put_setup_data(Some("7".into()))), "PUT /v1/setup");
    }

    #[test]
    fn failures() {
        let check = |status, body: &str, wanted: &str| {
            let error = interpret(status, body.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), wanted);
            error
        };
        let thrown = r#"{"errors":[{"status":"500","title":"Error executing setup","detail":"Error: no\n\tat setup"}]}"#;
        let script = check(500, thrown, "Error executing setup: Error: no at setup");
        assert!(matches!(script, Error::ScriptFailed { .. }) && !script.is_transient());
        check(
            500,
            r#"{"errors":[{"title":"Error executing teardown"}]}"#,
            "Error executing teardown: k6 names no cause",
        );
        let resumed = r#"{"errors":[{"title":"Pause error","detail":"it runs"}]}"#;
        assert!(check(500, resumed, "the runner answered 500: Pause error: it runs").is_transient());
        for (status, body) in
            [(500, r#"{"errors":[]}"#), (500, "oops"), (404, "oops"), (400, thrown), (301, "")]
        {
            let error = interpret(status, body.as_bytes()).unwrap_err();
            assert!(
                matches!(error, Error::Status { code, .. } if code == status) && error.is_transient(),
                "{error:?}"
            );
        }
        let proxied = r#"{"kind":"Status","status":"Failure","message":"dial tcp 10.1.2.3:6565: connect: connection refused","code":503}"#;
        assert!(matches!(interpret(503, proxied.as_bytes()), Err(Error::Unreachable(_))));
        assert_eq!(interpret(200, b""), Ok(()));
    }
}
