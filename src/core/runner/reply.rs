//! What a runner's answers say.
//!
//! Owns what a failed call means, and where in an answer its content stands. Invariant: neither a tree nor an error text is made of
//! setup data, which may hold what a script logged in with.

use std::sync::Arc;

use k8s::fields;
use serde_json::Value;

use super::json::{self, Step};
use super::status::RunnerStatus;
use super::{ERROR_BYTES_MAX, Error};
use crate::excerpt;

/// Longest attributes of a status, in bytes. k6 writes some 200; what is read makes a tree of them.
const ATTRIBUTES_BYTES_MAX: usize = 16 << 10;

/// How much is looked at of an error that is too long to be read whole, in bytes.
const EXCERPT_SOURCE_BYTES_MAX: usize = 4 << 10;

/// How the title of an error begins when `setup()` or `teardown()` threw. Other titles of status 500, such as `Pause
/// error` for a test that runs already, are not the script's doing.
const SCRIPT_FAILED: &str = "Error executing ";

/// Whether an answer is a success. With the API server's pod proxy in between, 502, 503 and 504 are its own and say
/// that the runner did not answer.
pub fn interpret(status: u16, body: &[u8]) -> Result<(), Error> {
    match status {
        _ if is_success(status) => Ok(()),
        502..=504 => Err(Error::Unreachable(format!("{status}: {}", excerpt::of_body(body)))),
        _ => Err(refused(status, body)),
    }
}

/// The reply to [`Request::status`](super::Request::status), [`Request::resume`](super::Request::resume) and [`Request::stop`](super::Request::stop).
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

/// The reply to [`Request::run_setup`](super::Request::run_setup) and [`Request::setup_data`](super::Request::setup_data): the data as the JSON text it came in, to be
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

pub(super) fn is_success(status: u16) -> bool {
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
    use crate::runner::Request;

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
