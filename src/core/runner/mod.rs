//! The REST API of k6 on a runner, as plain data.
//!
//! Owns the calls, what a status means for the run, and what a failed call means. It leaves alone how a runner is
//! reached (pod IP or the API server's pod proxy) and the waiting. Its invariants: a runner counts as ended only by
//! its own word, never by an error or by silence; and each kind of answer has one bound, whichever way it comes.

mod json;

use std::fmt;
use std::sync::Arc;

use k8s::fields::{self, Faults};
use serde_json::Value;

use crate::excerpt;
use json::Step;

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
/// Longest attributes of a status, in bytes. k6 writes some 200; what is read makes a tree of them.
const ATTRIBUTES_BYTES_MAX: usize = 16 << 10;

/// How much is looked at of an error that is too long to be read whole, in bytes.
const EXCERPT_SOURCE_BYTES_MAX: usize = 4 << 10;

const STATUS_PATH: &str = "/v1/status";
const SETUP_PATH: &str = "/v1/setup";
const TEARDOWN_PATH: &str = "/v1/teardown";

/// How the title of an error begins when `setup()` or `teardown()` threw. Other titles of status 500, such as `Pause
/// error` for a test that runs already, are not the script's doing.
const SCRIPT_FAILED: &str = "Error executing ";

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
    /// `GET /v1/status`: see [`status_reply`].
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

    /// `POST /v1/setup`: runs the script's `setup()`, which may take minutes; see [`setup_reply`]. Data of more than
    /// [`SMALL_SETUP_BYTES_MAX`] are [`Error::TooLarge`] here, and are had by [`setup_data`](Self::setup_data).
    pub fn run_setup() -> Self {
        Self::new("POST", SETUP_PATH, Answer::SmallSetupData, Arc::default())
    }

    /// `GET /v1/setup`: the setup data that the runner has; see [`setup_reply`].
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

    /// Whether the answer waits for the user's code.
    #[must_use]
    pub fn runs_user_code(&self) -> bool {
        self.method == "POST"
    }

    /// Whether it changes nothing on the runner.
    #[must_use]
    pub fn is_question(&self) -> bool {
        self.method == "GET"
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
    /// Occurs when setup data are longer than what is taken of them: [`SETUP_BYTES_MAX`]. Again would be in vain.
    #[error(
        "what setup() returned is larger than the {} MiB that are handed on to the other runners; \
         return less, and load what all runners need in the init context",
        SETUP_BYTES_MAX >> 20
    )]
    TooLarge,
    /// Occurs when a status is longer than [`STATUS_BYTES_MAX`]: it is not k6's.
    #[error("the runner answered with a status of more than {} KiB: it is not k6 that answers", STATUS_BYTES_MAX >> 10)]
    StatusTooLarge,
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
        _ if is_success(status) => Ok(()),
        502..=504 => Err(Error::Unreachable(format!("{status}: {}", excerpt::of_body(body)))),
        _ => Err(refused(status, body)),
    }
}

/// The reply to [`Request::status`], [`Request::resume`] and [`Request::stop`].
pub fn status_reply(body: &[u8]) -> Result<RunnerStatus, Error> {
    let attributes = json::at(body, &[Step::Field("data"), Step::Field("attributes")])
        .map_err(|cause| undecoded(&cause.to_string(), body))?;
    let attributes = attributes.ok_or_else(|| Error::Decode("status without attributes".to_owned()))?;
    if attributes.len() > ATTRIBUTES_BYTES_MAX {
        return Err(Error::StatusTooLarge);
    }
    let attributes: Value =
        serde_json::from_str(attributes).map_err(|cause| undecoded(&cause.to_string(), body))?;
    fields::read(&attributes).map_err(|cause| undecoded(&cause, body))
}

/// The reply to [`Request::run_setup`] and [`Request::setup_data`]: the data as the JSON text it came in, to be
/// handed to the other runners unchanged; none when there is none.
pub fn setup_reply(mut body: Vec<u8>) -> Result<Option<Arc<String>>, Error> {
    let way = ["data", "attributes", "data"].map(Step::Field);
    // Neither an excerpt nor serde's quotation of a value: setup data may hold what a script logged in with.
    let data = json::at(&body, &way)
        .map_err(|cause| Error::Decode(format!("setup data, byte {} of {}", cause.column(), body.len())))?;
    let Some(data) = data else { return Ok(None) };
    // In place: the data are too long to be there twice.
    let begin = data.as_ptr().addr() - body.as_ptr().addr();
    let end = begin + data.len();
    body.truncate(end);
    body.drain(..begin);
    body.shrink_to_fit();
    let data =
        String::from_utf8(body).map_err(|_| Error::Decode("setup data that are not text".to_owned()))?;
    Ok(Some(Arc::new(data)))
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

fn undecoded(cause: &str, body: &[u8]) -> Error {
    Error::Decode(format!("{}; it begins: {}", excerpt::one_line(cause), excerpt::of_body(body)))
}

/// What k6 says of its own failure: title and detail of the first error, each on one line.
fn failure(body: &[u8]) -> Option<(String, String)> {
    let text = |name| {
        let found = json::at(body, &[Step::Field("errors"), Step::First, Step::Field(name)]).ok()??;
        serde_json::from_str::<String>(found).ok().map(|text| excerpt::one_line(&text))
    };
    let title = text("title")?;
    Some((title, text("detail").unwrap_or_else(|| "k6 names no cause".to_owned())))
}

/// The same of the script's failure where its detail is so long that the answer was not read to its end.
fn cut_failure(body: &[u8]) -> Option<(String, String)> {
    let text = String::from_utf8_lossy(&body[..body.len().min(EXCERPT_SOURCE_BYTES_MAX)]);
    let (_, rest) = text.split_once(r#""title":""#)?;
    let (title, rest) = rest.split_once('"')?;
    let detail = rest.split_once(r#""detail":""#).map_or("k6 names no cause", |(_, detail)| detail);
    title.starts_with(SCRIPT_FAILED).then(|| (excerpt::one_line(title), excerpt::one_line(detail)))
}

fn refused(code: u16, body: &[u8]) -> Error {
    match failure(body) {
        Some((title, detail)) if code == 500 && title.starts_with(SCRIPT_FAILED) => {
            Error::ScriptFailed { title, detail }
        }
        Some((title, detail)) => Error::Status { code, excerpt: format!("{title}: {detail}") },
        None if code == 500 && body.len() > ERROR_BYTES_MAX => match cut_failure(body) {
            Some((title, detail)) => Error::ScriptFailed { title, detail },
            None => Error::Status { code, excerpt: excerpt::of_body(body) },
        },
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
            let reply = setup_reply(body.into_bytes()).unwrap();
            assert_eq!(reply.as_ref().map(|data| data.as_str()), wanted, "{attributes}");
        };
        check(r#"{"data":{"b":1.0,"a":12345678901234567890123, "é":"\u00e9"}}"#, {
            Some(r#"{"b":1.0,"a":12345678901234567890123, "é":"\u00e9"}"#)
        });
        check(r#"{"data":0}"#, Some("0"));
        check(r#"{"data":""}"#, Some(r#""""#));
        check(r#"{"data":null}"#, None);
        check("{}", None);
        check("null", None);
        assert!(setup_reply(Vec::new()).is_err());
        let not_utf8 = b"{\"data\":{\"attributes\":{\"data\":\"\xff\"}}}";
        assert!(setup_reply(not_utf8.to_vec()).is_err());
        let torn = setup_reply(br#"{"data":{"attributes":{"data":{"session":"s3cret""#.to_vec()).unwrap_err();
        assert!(!torn.to_string().contains("s3cret"), "{torn}");
        assert_eq!(format!("{:?}", Request::put_setup_data(Some(Arc::new("7".to_owned())))), "PUT /v1/setup");
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
        assert!(Error::StatusTooLarge.to_string().contains("a status of more than 64 KiB"));
        assert!(Error::TooLarge.to_string().contains("4 MiB") && !Error::TooLarge.is_transient());
    }

    #[test]
    fn a_status_makes_no_tree_of_what_it_does_not_need() {
        let body =
            |attributes: &str, more: &str| format!(r#"{{"data":{{"attributes":{attributes},{more}}}}}"#);
        let many = format!(r#""x":[{}0]"#, r#"{"":0},"#.repeat(6000));
        assert!(status_reply(body(r#"{"status":4}"#, &many).as_bytes()).unwrap().is_paused_before_start());
        let inside = body(&format!("{{\"status\":4,{many}}}"), r#""x":0"#);
        assert_eq!(status_reply(inside.as_bytes()), Err(Error::StatusTooLarge));
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
        let long = format!(
            r#"{{"errors":[{{"status":"500","title":"Error executing setup","detail":"Error: no{}"#,
            "x".repeat(ERROR_BYTES_MAX)
        );
        let cut = interpret(500, long.as_bytes()).unwrap_err();
        assert!(
            matches!(&cut, Error::ScriptFailed { detail, .. } if detail.starts_with("Error: no")),
            "{cut}"
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
