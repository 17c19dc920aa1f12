//! GCk6's answers as protocol.md has them, and its strictness.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::http::{Answer, Method, Request};
use crate::s3::S3;
use crate::wall::Wall;

const NOW: Duration = Duration::ZERO;

fn request(method: Method, target: &str, body: &Value, key: u64) -> Request {
    let mut request =
        Request::new(method, target).with_header("Authorization", "Token t").with_header("User-Agent", "a");
    if method != Method::Get {
        request = request.with_header("K6-Idempotency-Key", &format!("{key:016x}"));
    }
    if body.is_null() { request } else { request.with_json(body) }
}

struct Client {
    cloud: Cloud,
    key: u64,
}

impl Client {
    fn new() -> Self {
        let mut client = Self { cloud: Cloud::new("t"), key: 0 };
        let body = json!({"k6_load_zone_id": "z", "pod_tiers": {"cpu": "1", "memory": "1Gi"}, "config": {}, "provider_id": "p"});
        assert_eq!(client.call(Method::Post, "/cloud-resources/v1/load-zones", &body).status, 200);
        client
    }

    fn call(&mut self, method: Method, target: &str, body: &Value) -> Response {
        self.key += 1;
        self.cloud.serve(NOW, &request(method, target, body, self.key)).response().expect("an answer")
    }

    fn get(&mut self, target: &str) -> Value {
        self.call(Method::Get, target, &Value::Null).value()
    }

    fn queue(&mut self) -> u64 {
        self.cloud.queue(NOW, RunSpec::new("z", 2, "https://x"))
    }
}

const STATE: &str = "/loadtests/v4/test_runs(101)?$select=id,run_status";

#[test]
fn a_run_is_listed_read_and_finished() {
    let mut client = Client::new();
    client.queue();
    assert_eq!(client.get("/v4/plz-test-runs?plz_name=z"), json!({"object": [{"id": 101}]}));
    assert_eq!(client.get(STATE)["run_status"], INITIALIZING);
    let data = client.get(
        "/loadtests/v4/test_runs(101)?$select=id,run_status,k8s_load_zones_config,load_zone_distribution",
    );
    assert_eq!(data["k8s_load_zones_config"]["instance_count"], 2);
    assert_eq!(data["load_zone_distribution"]["distribution-1"]["loadZone"], "z");
    assert_eq!(client.get(STATE)["run_status"], RUNNING);
    let finish = json!({"result_status": 0, "run_status": 3, "thresholds": {}});
    assert_eq!(client.call(Method::Post, "/v1/tests/101", &finish).status, 200);
    assert_eq!(client.get("/v4/plz-test-runs?plz_name=z"), json!({"object": []}));
    assert_eq!(client.cloud.complaints, Vec::<String>::new());
    assert_eq!(client.cloud.runs[&101].finishes.len(), 1);
}

#[test]
fn an_abort_event_ends_a_run_and_stands() {
    let mut client = Client::new();
    client.queue();
    let events = json!([{"event_type": "TestRunErrorEvent", "event": {"error_code": 8050, "error_detail": "d", "error_detail_public": "d"}},
        {"event_type": "TestRunAbortEvent", "event": {"origin": "user"}}]);
    assert_eq!(client.call(Method::Post, "/orchestrator/v1/testruns/101/events", &events).status, 204);
    client.call(
        Method::Post,
        "/v1/tests/101",
        &json!({"result_status": 0, "run_status": 3, "thresholds": {}}),
    );
    assert_eq!(client.get(STATE)["run_status"], ABORTED_BY_SYSTEM);
    assert_eq!(client.cloud.runs[&101].events_of("TestRunAbortEvent").count(), 1);
}

#[test]
fn headers_are_checked() {
    let cases =
        [("authorization", 401), ("user-agent", 400), ("content-type", 400), ("k6-idempotency-key", 400)];
    for (header, expected) in cases {
        let mut client = Client::new();
        let id = client.queue();
        let mut request = request(Method::Post, &format!("/v1/tests/{id}"), &json!({}), 99);
        request.headers.remove(header);
        assert_eq!(client.cloud.serve(NOW, &request).response().unwrap().status, expected, "{header}");
        assert!(client.cloud.runs[&id].finishes.is_empty());
    }
}

#[test]
fn a_retry_with_the_same_key_has_no_second_effect() {
    let mut client = Client::new();
    client.queue();
    let finish = request(
        Method::Post,
        "/v1/tests/101",
        &json!({"result_status": 0, "run_status": 3, "thresholds": {}}),
        77,
    );
    client.cloud.trouble(Some(Route::Finish), Trouble::LostAnswer, 1);
    assert!(matches!(client.cloud.serve(NOW, &finish), Answer::Drop));
    assert_eq!(client.cloud.serve(NOW, &finish).response().unwrap().status, 200);
    assert_eq!(client.cloud.runs[&101].finishes.len(), 1);
}

#[test]
fn troubles_show() {
    for (trouble, expected) in [
        (Trouble::Down, None),
        (Trouble::Failing(503), Some(503)),
        (Trouble::Busy(7), Some(429)),
        (Trouble::Unauthorized, Some(401)),
        (Trouble::Nulls, Some(200)),
    ] {
        let mut client = Client::new();
        client.cloud.trouble(Some(Route::Poll), trouble, 1);
        let poll = request(Method::Get, "/v4/plz-test-runs?plz_name=z", &Value::Null, 0);
        let response = client.cloud.serve(NOW, &poll).response();
        assert_eq!(response.as_ref().map(|response| response.status), expected, "{trouble:?}");
        if trouble == Trouble::Busy(7) {
            assert_eq!(response.unwrap().header("retry-after"), Some("7"));
        }
        assert_eq!(client.get("/v4/plz-test-runs?plz_name=z"), json!({"object": []}), "it is over after one");
    }
}

#[test]
fn a_second_provider_id_is_noticed() {
    let mut client = Client::new();
    let body =
        json!({"k6_load_zone_id": "z", "pod_tiers": {"cpu": "1", "memory": "1Gi"}, "provider_id": "q"});
    client.call(Method::Post, "/cloud-resources/v1/load-zones", &body);
    assert_eq!(client.cloud.doubles, [("z".to_owned(), "q".to_owned())]);
    assert_eq!(client.call(Method::Delete, "/cloud-resources/v1/load-zones/z", &Value::Null).status, 204);
    assert_eq!(client.call(Method::Delete, "/cloud-resources/v1/load-zones/z", &Value::Null).status, 404);
}

#[test]
fn control_queues_and_aborts() {
    let mut cloud = Cloud::new("");
    let mut s3 = S3::new("http://bucket", Wall::default(), 1);
    let mut call = |method, path: &str, body: &Value| {
        let request = Request::new(method, path).with_json(body);
        control::serve(NOW, &mut cloud, &mut s3, b"tar", &request)
    };
    assert_eq!(call(Method::Post, "/control/runs", &json!({})).status, 400);
    assert_eq!(
        call(Method::Post, "/control/runs", &json!({"zone": "z", "instances": 2})).value(),
        json!({"id": 101})
    );
    assert_eq!(
        call(Method::Post, "/control/runs/101/abort", &json!({})).value()["run_status"],
        ABORTED_BY_USER
    );
    assert_eq!(call(Method::Post, "/control/runs/7/abort", &json!({})).status, 404);
    let state = call(Method::Get, "/control", &json!({}));
    assert_eq!(state.value()["runs"]["101"]["instances"], 2);
    assert!(!state.as_text().contains("X-Amz"));
}
