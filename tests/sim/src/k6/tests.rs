//! The REST API of a runner as protocol.md has it.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::http::{Method, Response};

const READY: Duration = Duration::from_millis(150);

fn start(k6s: &mut K6s, pod: &str, flags: &str, script: Script) {
    let words: Vec<String> = format!("k6 run {flags} a.tar").split_whitespace().map(str::to_owned).collect();
    k6s.start(Duration::ZERO, "ns", pod, Argv::read(&words).unwrap().unwrap(), script);
}

fn paused(script: Script) -> K6s {
    let mut k6s = K6s::default();
    start(&mut k6s, "r-1", "--paused --no-setup --no-teardown --linger", script);
    k6s
}

fn call(k6s: &mut K6s, now: Duration, method: Method, path: &str, body: &Value) -> Option<Response> {
    let mut request = Request::new(method, path);
    if !body.is_null() {
        request = request.with_json(body);
    }
    k6s.serve(now, "ns", "r-1", &request).response()
}

fn attributes(k6s: &mut K6s, now: Duration) -> Value {
    let value = call(k6s, now, Method::Get, "/v1/status", &Value::Null).unwrap().value();
    value["data"]["attributes"].clone()
}

fn change(k6s: &mut K6s, now: Duration, attributes: impl Into<Value>) -> Response {
    let body = json!({"data": {"type": "status", "id": "default", "attributes": attributes.into()}});
    call(k6s, now, Method::Patch, "/v1/status", &body).unwrap()
}

#[test]
fn a_run_goes_from_pause_to_the_end() {
    let mut k6s = paused(Script::default());
    assert!(call(&mut k6s, Duration::ZERO, Method::Get, "/v1/status", &Value::Null).is_none());
    assert_eq!(attributes(&mut k6s, Duration::from_millis(60))["status"], 1);
    let waiting = attributes(&mut k6s, READY);
    assert_eq!((&waiting["status"], &waiting["paused"]), (&json!(4), &json!(true)));
    change(&mut k6s, READY, json!({"paused": false}));
    let running = attributes(&mut k6s, READY);
    assert_eq!((&running["status"], &running["running"]), (&json!(7), &json!(true)));
    let again = change(&mut k6s, READY, json!({"paused": false}));
    assert_eq!((again.status, &again.value()["errors"][0]["title"]), (500, &json!("Pause error")));
    let end = READY + Duration::from_secs(5);
    assert_eq!(attributes(&mut k6s, end)["status"], 9);
    assert_eq!(attributes(&mut k6s, end)["running"], false);
    assert_eq!(k6s.runner("ns", "r-1").unwrap().exits(), None, "it lingers");
}

#[test]
fn resumed_early_it_starts_when_it_can() {
    let mut k6s = paused(Script::default());
    assert_eq!(change(&mut k6s, Duration::from_millis(60), json!({"paused": false})).status, 200);
    assert_eq!(attributes(&mut k6s, Duration::from_millis(149))["status"], 1);
    assert_eq!(attributes(&mut k6s, READY)["status"], 7);
    assert_eq!(k6s.faults("r-"), ["a runner was resumed before all of them were ready"]);
}

#[test]
fn stopped_it_lingers_as_running() {
    let mut k6s = paused(Script::default());
    change(&mut k6s, READY, json!({"paused": false}));
    change(&mut k6s, READY + Duration::from_secs(1), json!({"stopped": true}));
    let stopped = attributes(&mut k6s, Duration::from_secs(60));
    assert_eq!(
        (&stopped["status"], &stopped["running"], &stopped["stopped"]),
        (&json!(10), &json!(true), &json!(true))
    );
    let runner = k6s.runner_mut("ns", "r-1").unwrap();
    runner.terminated = Some(Duration::from_secs(60));
    assert_eq!(runner.exits().unwrap().0, Duration::from_millis(60_100));
}

#[test]
fn a_test_that_aborts_itself_lingers_as_running_and_keeps_its_exit() {
    let aborts = Some((Duration::from_secs(1), Exit::new(108, "test aborted")));
    let mut k6s = paused(Script { aborts, ..Script::default() });
    change(&mut k6s, READY, json!({"paused": false}));
    assert_eq!(attributes(&mut k6s, READY)["status"], 7);
    let aborted = attributes(&mut k6s, Duration::from_secs(60));
    assert_eq!(
        (&aborted["status"], &aborted["running"], &aborted["stopped"], &aborted["execution_result"]),
        (&json!(10), &json!(true), &json!(true), &Value::Null)
    );
    let runner = k6s.runner_mut("ns", "r-1").unwrap();
    assert_eq!(runner.exits(), None, "it lingers");
    runner.terminated = Some(Duration::from_secs(60));
    assert_eq!(runner.exits().unwrap().1.code, 108);
}

#[test]
fn a_test_that_is_marked_as_failed_runs_to_its_end() {
    let mut k6s = paused(Script { fails: Fails::Once, version: Version::TellsExitCode, ..Script::default() });
    change(&mut k6s, READY, json!({"paused": false}));
    let running = attributes(&mut k6s, READY + Duration::from_secs(4));
    assert_eq!((&running["status"], &running["execution_result"]), (&json!(7), &Value::Null));
    let ended = attributes(&mut k6s, READY + Duration::from_secs(5));
    assert_eq!((&ended["status"], &ended["execution_result"]["exit_code"]), (&json!(11), &json!(110)));
}

#[test]
fn setup_data_is_passed_on() {
    let mut k6s = paused(Script { setup_data: json!({"a": [1]}), ..Script::default() });
    let data = call(&mut k6s, READY, Method::Post, "/v1/setup", &Value::Null).unwrap().value();
    assert_eq!(data["data"]["attributes"]["data"], json!({"a": [1]}));
    assert_eq!(call(&mut k6s, READY, Method::Put, "/v1/setup", &json!([2])).unwrap().status, 200);
    let data = call(&mut k6s, READY, Method::Get, "/v1/setup", &Value::Null).unwrap().value();
    assert_eq!(data["data"]["attributes"]["data"], json!([2]));
    call(&mut k6s, READY, Method::Put, "/v1/setup", &Value::Null);
    assert_eq!(k6s.runner("ns", "r-1").unwrap().data_puts.last().unwrap().1, None);
}

#[test]
fn a_setup_has_its_data_at_its_end() {
    let ms = Duration::from_millis;
    let mut k6s = paused(Script { setup: ms(400), setup_data: json!(1), ..Script::default() });
    call(&mut k6s, READY, Method::Post, "/v1/setup", &Value::Null);
    let data = |k6s: &mut K6s, at| {
        let shown = call(k6s, at, Method::Get, "/v1/setup", &Value::Null).unwrap().value();
        shown["data"]["attributes"]["data"].clone()
    };
    assert_eq!(data(&mut k6s, READY + ms(399)), Value::Null);
    // Asked for again before its end: the first caller is gone.
    call(&mut k6s, READY + ms(200), Method::Post, "/v1/setup", &Value::Null);
    assert_eq!(data(&mut k6s, READY + ms(400)), Value::Null);
    assert_eq!(data(&mut k6s, READY + ms(600)), json!(1));
    let runner = k6s.runner("ns", "r-1").unwrap();
    assert_eq!((runner.setups.len(), runner.setups_abandoned.len()), (1, 1));
    assert_eq!(runner.status(READY + ms(300)), 4, "setup over REST does not show in the status");
}

#[test]
fn a_failing_setup_is_the_scripts_own() {
    let mut k6s = paused(Script { setup_error: Some("Error: boom".to_owned()), ..Script::default() });
    let failed = call(&mut k6s, READY, Method::Post, "/v1/setup", &Value::Null).unwrap();
    assert_eq!((failed.status, &failed.value()["errors"][0]["detail"]), (500, &json!("Error: boom")));
}

#[test]
fn manners_show() {
    for (manners, expected) in
        [(Manners::Unreachable, None), (Manners::Failing(500), Some(500)), (Manners::Slow(READY), Some(200))]
    {
        let mut k6s = paused(Script { manners, ..Script::default() });
        let status =
            call(&mut k6s, READY, Method::Get, "/v1/status", &Value::Null).map(|response| response.status);
        assert_eq!(status, expected, "{manners:?}");
    }
}

#[test]
fn without_flags_it_runs_and_exits_by_itself() {
    let mut k6s = K6s::default();
    start(&mut k6s, "r-1", "", Script { exit: Exit::new(99, "thresholds"), ..Script::default() });
    let (at, exit) = k6s.runner("ns", "r-1").unwrap().exits().unwrap();
    assert_eq!((at, exit.code), (READY + Duration::from_millis(5100), 99));
}

#[test]
fn faults_of_a_run_are_found() {
    let mut k6s = K6s::default();
    let flags = "--paused --no-setup --no-teardown --linger --execution-segment-sequence=0,1/2,1";
    start(&mut k6s, "r-1", &format!("{flags} --execution-segment=0:1/2"), Script::default());
    start(&mut k6s, "r-2", &format!("{flags} --execution-segment=1/2:1"), Script::default());
    assert!(k6s.faults("r-").is_empty());
    for pod in ["r-1", "r-2"] {
        k6s.runner_mut("ns", pod).unwrap().resumed = Some(READY);
    }
    assert_eq!(k6s.start_skew("r-"), Some(Duration::ZERO));
    call(&mut k6s, READY, Method::Post, "/v1/teardown", &Value::Null);
    call(&mut k6s, READY, Method::Post, "/v1/teardown", &Value::Null);
    assert_eq!(k6s.faults("r-"), ["teardown ran 2 times", "teardown ran before all runners had ended"]);
}
