//! The semantics of the API server, through its HTTP interface.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Api, ExpiredBy, Fault, Kind, Part, Rule, Served, Status, Watch};
use crate::http::{Answer, Method, Request, Response};
use crate::wall::Wall;

const RUNS: &str = "/apis/k6.io/v1alpha1/namespaces/default/testruns";
const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";

fn api() -> Api {
    Api::new(Wall::default(), 1)
}

fn call(api: &mut Api, method: Method, target: &str, body: &Value) -> Response {
    let mut request = Request::new(method, target);
    if method == Method::Patch {
        request = request.with_header("content-type", "application/merge-patch+json");
    }
    if !body.is_null() {
        request = request.with_json(body);
    }
    api.serve(Duration::ZERO, &request).answer().response().expect("an answer")
}

fn post(api: &mut Api, target: &str, body: impl Into<Value>) -> Value {
    call(api, Method::Post, target, &body.into()).value()
}

fn watch(api: &mut Api, target: &str) -> Watch {
    match api.serve(Duration::ZERO, &Request::new(Method::Get, target)) {
        Served::Watch(watch) => watch,
        Served::Answer(answer) => panic!("no watch but {answer:?}"),
    }
}

/// The types and names of the events that a poll brings.
fn events(watch: &mut Watch, api: &Api, now: Duration) -> Vec<String> {
    let polled = watch.poll(now, api);
    let lines = String::from_utf8(polled.lines).unwrap();
    let mut events: Vec<String> = lines
        .lines()
        .map(|line| {
            let event: Value = serde_json::from_str(line).unwrap();
            let name = event["object"]["metadata"]["name"].as_str().unwrap_or("-");
            format!("{} {name}", event["type"].as_str().unwrap())
        })
        .collect();
    if polled.is_over {
        events.push("end".to_owned());
    }
    events
}

fn run(name: &str) -> Value {
    let spec = json!({"parallelism": 1, "script": {"localFile": "/test/archive.tar"}});
    json!({"apiVersion": "k6.io/v1alpha1", "kind": "TestRun", "metadata": {"name": name}, "spec": spec})
}

fn check(response: &Response, code: u16, reason: &str, words: &str) {
    let value = response.value();
    assert_eq!((response.status, value["reason"].as_str().unwrap_or("")), (code, reason), "{value}");
    assert_eq!(value["code"], code);
    assert!(value["message"].as_str().unwrap().contains(words), "{value}");
}

#[test]
fn creation_sets_what_the_server_owns() {
    let mut api = api();
    let made = post(&mut api, RUNS, run("a"));
    assert_eq!(made["metadata"]["generation"], 1);
    assert_eq!(made["metadata"]["creationTimestamp"], "2026-01-01T00:00:00Z");
    assert_eq!(made["metadata"]["resourceVersion"], api.version().to_string());
    assert_eq!(made["metadata"]["uid"].as_str().unwrap().len(), 36);
    assert_eq!(made["spec"]["paused"], "true");
    check(
        &call(&mut api, Method::Post, RUNS, &run("a")),
        409,
        "AlreadyExists",
        "testruns.k6.io \"a\" already exists",
    );
    check(&call(&mut api, Method::Post, RUNS, &run("A")), 422, "Invalid", "RFC 1123");
    check(&call(&mut api, Method::Post, RUNS, &json!({"metadata": {}})), 422, "Invalid", "generateName");
    let elsewhere = RUNS.replace("default", "nowhere");
    check(&call(&mut api, Method::Post, &elsewhere, &run("a")), 404, "NotFound", "namespaces \"nowhere\"");
    let mut generated = run("");
    generated["metadata"] = json!({"generateName": "g-"});
    assert_eq!(post(&mut api, RUNS, generated)["metadata"]["name"].as_str().unwrap().len(), 7);
}

#[test]
fn status_and_spec_are_written_apart() {
    let mut api = api();
    let mut object = run("a");
    object["status"] = json!({"stage": "created"});
    assert!(post(&mut api, RUNS, object)["status"].is_null());
    let path = format!("{RUNS}/a");
    let both = json!({"spec": {"parallelism": 3}, "status": {"stage": "started"}});
    let main = call(&mut api, Method::Patch, &path, &both).value();
    assert_eq!(
        (&main["spec"]["parallelism"], &main["status"], &main["metadata"]["generation"]),
        (&json!(3), &Value::Null, &json!(2))
    );
    let both = json!({"spec": {"parallelism": 5}, "metadata": {"labels": {"x": "y"}}, "status": {"stage": "started"}});
    let status = call(&mut api, Method::Patch, &format!("{path}/status"), &both).value();
    assert_eq!(status["spec"]["parallelism"], 3);
    assert_eq!(status["status"]["stage"], "started");
    assert_eq!(status["metadata"]["generation"], 2);
    assert!(status["metadata"]["labels"].is_null());
    let before = api.version();
    call(&mut api, Method::Patch, &format!("{path}/status"), &json!({"status": {"stage": "started"}}));
    assert_eq!(api.version(), before, "a write without a change makes no version");
}

#[test]
fn preconditions_conflict() {
    let mut api = api();
    let made = post(&mut api, RUNS, run("a"));
    let path = format!("{RUNS}/a");
    let version = made["metadata"]["resourceVersion"].clone();
    let patch = |version: &Value, label: &str| json!({"metadata": {"resourceVersion": version, "labels": {"l": label}}});
    assert_eq!(call(&mut api, Method::Patch, &path, &patch(&version, "1")).status, 200);
    check(&call(&mut api, Method::Patch, &path, &patch(&version, "2")), 409, "Conflict", "has been modified");
    check(&call(&mut api, Method::Put, &path, &made), 409, "Conflict", "has been modified");
    check(&call(&mut api, Method::Put, &path, &run("a")), 422, "Invalid", "must be specified for an update");
    let uid = json!({"preconditions": {"uid": "other"}});
    check(&call(&mut api, Method::Delete, &path, &uid), 409, "Conflict", "UID in precondition");
    let uid = json!({"preconditions": {"uid": made["metadata"]["uid"]}});
    assert_eq!(call(&mut api, Method::Delete, &path, &uid).value()["status"], "Success");
    check(
        &call(&mut api, Method::Get, &path, &Value::Null),
        404,
        "NotFound",
        "testruns.k6.io \"a\" not found",
    );
}

#[test]
fn finalizers_hold_an_object() {
    let mut api = api();
    let mut object = run("a");
    object["metadata"]["finalizers"] = json!(["x.io/f"]);
    post(&mut api, RUNS, object);
    let path = format!("{RUNS}/a");
    let marked = call(&mut api, Method::Delete, &path, &Value::Null).value();
    assert_eq!(marked["metadata"]["deletionTimestamp"], "2026-01-01T00:00:00Z");
    assert_eq!(marked["metadata"]["generation"], 2);
    let more = json!({"metadata": {"finalizers": ["x.io/f", "y.io/g"]}});
    check(&call(&mut api, Method::Patch, &path, &more), 422, "Invalid", "no new finalizers");
    let gone = call(&mut api, Method::Patch, &path, &json!({"metadata": {"finalizers": null}}));
    assert_eq!(gone.status, 200);
    assert_eq!(call(&mut api, Method::Get, &path, &Value::Null).status, 404);
}

#[test]
fn refusals_name_their_causes() {
    let mut api = api();
    let invalid = json!({"metadata": {"name": "a"}, "spec": {"script": {}, "args": null}});
    let refused = call(&mut api, Method::Post, RUNS, &invalid);
    check(&refused, 422, "Invalid", "spec.parallelism: Required value");
    let causes = refused.value()["details"]["causes"].clone();
    assert_eq!(causes[1]["field"], "spec.args");
    assert_eq!(causes[1]["reason"], "FieldValueTypeInvalid");
    let secret = json!({"metadata": {"name": "s", "labels": {"a": "b c"}}, "stringData": {"token": "t"}});
    check(&call(&mut api, Method::Post, SECRETS, &secret), 422, "Invalid", "a valid label must be");
    let secret = json!({"metadata": {"name": "s"}, "data": {"token": "%"}});
    check(&call(&mut api, Method::Post, SECRETS, &secret), 400, "BadRequest", "base64");
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"token": "t"}});
    assert_eq!(post(&mut api, SECRETS, secret)["data"]["token"], "dA==");
    check(
        &call(&mut api, Method::Get, "/apis/k6.io/v1/testruns", &Value::Null),
        404,
        "NotFound",
        "could not find",
    );
}

#[test]
fn jobs_are_defaulted_and_immutable() {
    let mut api = api();
    let container = json!({"name": "k6", "image": "grafana/k6:latest"});
    let job = json!({"metadata": {"name": "j"}, "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}});
    let made = post(&mut api, JOBS, job.clone());
    assert_eq!(made["spec"]["backoffLimit"], 6);
    assert_eq!(made["spec"]["template"]["metadata"]["labels"]["batch.kubernetes.io/job-name"], "j");
    assert_eq!(made["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"], "Always");
    let patch = json!({"spec": {"template": {"spec": {"dnsPolicy": "None"}}}});
    check(&call(&mut api, Method::Patch, &format!("{JOBS}/j"), &patch), 422, "Invalid", "field is immutable");
    let mut always = job;
    always["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
    check(&call(&mut api, Method::Post, JOBS, &always), 422, "Invalid", "restartPolicy");
}

#[test]
fn lists_are_selected_and_paged() {
    let mut api = api();
    for (name, label) in [("a", "x"), ("b", "y"), ("c", "x")] {
        let mut object = run(name);
        object["metadata"]["labels"] = json!({"l": label});
        post(&mut api, RUNS, object);
    }
    let mut list =
        |query: &str| call(&mut api, Method::Get, &format!("{RUNS}?{query}"), &Value::Null).value();
    assert_eq!(list("labelSelector=l%3Dx")["items"].as_array().unwrap().len(), 2);
    let first = list("limit=2");
    assert_eq!(first["metadata"]["remainingItemCount"], 1);
    let token = first["metadata"]["continue"].as_str().unwrap().replace('=', "%3D").replace('+', "%2B");
    let second = list(&format!("limit=2&continue={token}"));
    assert_eq!(second["items"][0]["metadata"]["name"], "c");
    assert!(second["metadata"]["continue"].is_null());
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    post(&mut api, RUNS, run("d"));
    api.compact();
    let late = call(&mut api, Method::Get, &format!("{RUNS}?continue={token}"), &Value::Null);
    check(&late, 410, "Expired", "too old");
}

#[test]
fn items_of_built_in_kinds_do_not_say_what_they_are() {
    let mut api = api();
    post(&mut api, SECRETS, json!({"metadata": {"name": "s"}}));
    post(&mut api, RUNS, run("a"));
    let mut kind =
        |path: &str| call(&mut api, Method::Get, path, &Value::Null).value()["items"][0]["kind"].clone();
    assert_eq!((kind(SECRETS), kind(RUNS)), (Value::Null, json!("TestRun")));
}

#[test]
fn watches_follow_the_selector() {
    let mut api = api();
    post(&mut api, RUNS, run("old"));
    let from = api.version();
    let mut all = watch(&mut api, &format!("{RUNS}?watch=1"));
    let mut some = watch(&mut api, &format!("{RUNS}?watch=1&resourceVersion={from}&labelSelector=l"));
    assert_eq!(events(&mut all, &api, Duration::ZERO), ["ADDED old"]);
    post(&mut api, RUNS, run("a"));
    let path = format!("{RUNS}/a");
    assert!(events(&mut some, &api, Duration::ZERO).is_empty());
    call(&mut api, Method::Patch, &path, &json!({"metadata": {"labels": {"l": "1"}}}));
    call(&mut api, Method::Patch, &path, &json!({"metadata": {"labels": {"l": "2"}}}));
    call(&mut api, Method::Patch, &path, &json!({"metadata": {"labels": {"l": null}}}));
    call(&mut api, Method::Delete, &path, &Value::Null);
    assert_eq!(events(&mut some, &api, Duration::ZERO), ["ADDED a", "MODIFIED a", "DELETED a"]);
    assert_eq!(
        events(&mut all, &api, Duration::ZERO),
        ["ADDED a", "MODIFIED a", "MODIFIED a", "MODIFIED a", "DELETED a"]
    );
    let end = all.next_wakeup();
    assert_eq!(events(&mut all, &api, end), ["end"]);
}

#[test]
fn watches_get_bookmarks_and_expire() {
    let mut api = api();
    let from = api.version();
    let target = format!("{RUNS}?watch=1&resourceVersion={from}&allowWatchBookmarks=true&timeoutSeconds=90");
    let mut bookmarked = watch(&mut api, &target);
    post(&mut api, SECRETS, json!({"metadata": {"name": "s"}}));
    assert!(events(&mut bookmarked, &api, Duration::from_secs(59)).is_empty());
    let line = String::from_utf8(bookmarked.poll(Duration::from_secs(60), &api).lines).unwrap();
    let bookmark: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(bookmark["object"]["metadata"]["resourceVersion"], api.version().to_string());
    assert_eq!(events(&mut bookmarked, &api, Duration::from_secs(90)), ["BOOKMARK -", "end"]);
    api.compact();
    let old = format!("{RUNS}?watch=1&resourceVersion={from}");
    assert_eq!(events(&mut watch(&mut api, &old), &api, Duration::ZERO), ["ERROR -", "end"]);
    api.expired_by = ExpiredBy::HttpStatus;
    check(&call(&mut api, Method::Get, &old, &Value::Null), 410, "Expired", "too old resource version");
}

#[test]
fn faults_strike_before_or_after_the_effect() {
    let mut api = api();
    api.faults = Some(Box::new(|_, call, body| match body["metadata"]["name"].as_str() {
        Some("before") => Fault::DropBefore,
        Some("after") => Fault::DropAfter,
        Some("quota") => {
            let why = "exceeded quota: pods, requested: count/testruns.k6.io=1, used: 1, limited: 1";
            Fault::Refuse(Status::forbidden(call.resource, "quota", why), None)
        }
        Some("busy") => Fault::Refuse(Status::new(429, "TooManyRequests", "try later"), Some(3)),
        _ => Fault::None,
    }));
    let mut make = |name: &str| {
        let request = Request::new(Method::Post, RUNS).with_json(&run(name));
        let answer = api.serve(Duration::ZERO, &request).answer();
        (answer, api.objects(Kind::TestRun, "").count())
    };
    assert!(matches!(make("before"), (Answer::Drop, 0)));
    assert!(matches!(make("after"), (Answer::Drop, 1)));
    check(&make("quota").0.response().unwrap(), 403, "Forbidden", "exceeded quota");
    assert_eq!(make("busy").0.response().unwrap().header("Retry-After"), Some("3"));
    assert_eq!(make("fine").1, 2);
    assert_eq!(api.requests(), 5);
}

#[test]
fn rules_are_enforced_and_reviewed() {
    let mut api = api();
    api.rules = Some(
        Rule::from_yaml("kind: Role\nrules: [{apiGroups: [k6.io], resources: [testruns], verbs: [list]}]")
            .unwrap(),
    );
    assert_eq!(call(&mut api, Method::Get, RUNS, &Value::Null).status, 200);
    check(
        &call(&mut api, Method::Post, RUNS, &run("a")),
        403,
        "Forbidden",
        "cannot create resource \"testruns\"",
    );
    let mut review = |verb: &str| {
        let attributes = json!({"group": "k6.io", "resource": "testruns", "verb": verb});
        let body = json!({"spec": {"resourceAttributes": attributes}});
        api.rules.as_mut().unwrap().push(Rule {
            groups: vec!["authorization.k8s.io".to_owned()],
            resources: vec!["*".to_owned()],
            names: vec![],
            verbs: vec!["*".to_owned()],
        });
        post(&mut api, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)["status"]["allowed"]
            .clone()
    };
    assert_eq!(review("list"), true);
    assert_eq!(review("create"), false);
}

#[test]
fn controllers_write_past_the_requests() {
    let mut api = api();
    post(&mut api, RUNS, run("a"));
    let key = super::Key::new(Kind::TestRun, "default", "a");
    api.modify(&key, Part::Status, |object| object["status"] = json!({"stage": "error"}));
    assert_eq!(api.object(&key).unwrap()["status"]["stage"], "error");
    assert_eq!(api.requests(), 1);
}

#[test]
fn of_two_who_write_a_lease_one_is_refused() {
    const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    let mut api = api();
    let lease =
        json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15}});
    let created = post(&mut api, LEASES, lease.clone());
    assert_eq!(post(&mut api, LEASES, lease)["reason"], "AlreadyExists");
    let target = format!("{LEASES}/l");
    let mut patch = |holder: &str, version: &Value, uid: &Value| {
        let metadata = json!({"resourceVersion": version, "uid": uid});
        let body = json!({"metadata": metadata, "spec": {"holderIdentity": holder, "leaseTransitions": 1}});
        call(&mut api, Method::Patch, &target, &body).value()
    };
    let (version, uid) = (&created["metadata"]["resourceVersion"], &created["metadata"]["uid"]);
    let taken = patch("b", version, uid);
    assert_eq!(
        (&taken["spec"]["holderIdentity"], &taken["spec"]["leaseDurationSeconds"]),
        (&json!("b"), &json!(15))
    );
    let late = patch("c", version, uid);
    assert_eq!((&late["code"], &late["reason"]), (&json!(409), &json!("Conflict")));
    let other = patch("c", &taken["metadata"]["resourceVersion"], &json!("another"));
    assert_eq!((&other["code"], &other["reason"]), (&json!(409), &json!("Conflict")));
    assert_eq!(patch("", &taken["metadata"]["resourceVersion"], uid)["spec"]["holderIdentity"], "");
    let wrong = json!({"spec": {"leaseDurationSeconds": 0}});
    assert_eq!(call(&mut api, Method::Patch, &target, &wrong).status, 422);
    let mut found = |name: &str| {
        let target = format!("/apis/coordination.k8s.io/v1/leases?fieldSelector=metadata.name%3D{name}");
        call(&mut api, Method::Get, &target, &Value::Null).value()["items"].as_array().map(Vec::len)
    };
    assert_eq!((found("l"), found("m")), (Some(1), Some(0)));
}
