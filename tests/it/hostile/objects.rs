//! Objects beyond number and measure: of one tenant, and beside them the zone of another.
//!
//! Owns the floods. Invariant of what is tested: whatever one tenant has in his namespace, and however the API server tells of
//! it, the other's zone is registered and polled, and his test run comes to its end; and the process stays under the memory
//! limit of the shipped Deployment.

use std::fs;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use plz_core::budget::MEMORY_LIMIT_BYTES;
use serde_json::json;
use sim::agent::Signal;
use sim::api::Kind;
use sim::loopback::Scheme;
use sim::loopback::flood::{Flood, Paging};

use crate::e2e::{Place, ZONE};

const KB: usize = 1000;
/// Until the agent has read whatever there is: in a debug build, on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(150);

/// The most that the process has held so far, in bytes.
pub(super) fn peak_bytes(place: &mut Place) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", place.agent().id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    peak.unwrap().parse::<usize>().unwrap() * 1024
}

/// An agent that meets `floods` when it starts, and goes on serving the zone of somebody else. Hands it back before its end.
#[track_caller]
fn beside(floods: impl IntoIterator<Item = Flood>) -> Place {
    let mut place = Place::new(Scheme::Http, &[]);
    floods.into_iter().for_each(|flood| place.sim.flood(flood));
    place.start();
    serves(&mut place);
    place
}

/// The other tenant's zone is registered and polled, and its test run comes to its end.
#[track_caller]
pub(super) fn serves(place: &mut Place) {
    place.within(PATIENCE, "the zone is polled", |world| {
        world.cloud.zones.get(ZONE).is_some_and(|zone| zone.polls > 0)
    });
    let id = place.queue(2);
    place.over(id, 3);
    let polls = place.sim.with(|world, _| world.cloud.zones[ZONE].polls);
    place.until("it polls on", |world| world.cloud.zones[ZONE].polls > polls);
}

#[track_caller]
fn ends_small(mut place: Place) {
    let peak = peak_bytes(&mut place);
    assert!(peak < MEMORY_LIMIT_BYTES, "{peak} bytes");
    place.stop(Signal::Term);
}

/// A test run of a tenant, the n-th; nobody's but his own.
fn run(n: u64, spec: &serde_json::Value) -> String {
    let metadata = json!({"namespace": "greedy", "name": format!("run-{n}"), "uid": format!("greedy-{n}"), "resourceVersion": "1"});
    json!({"metadata": metadata, "spec": spec}).to_string()
}

fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

#[test]
fn a_hundred_thousand_small_test_runs() {
    ends_small(beside([Flood::list("testruns", 100_000, |n| run(n, &json!({"parallelism": 1})))]));
}

#[test]
fn seventy_test_runs_of_a_megabyte() {
    let spec = json!({"arguments": text(1000 * KB)});
    ends_small(beside([Flood::list("testruns", 70, move |n| run(n, &spec))]));
}

#[test]
fn ten_test_runs_of_more_than_a_megabyte() {
    let spec = json!({"arguments": text(1200 * KB)});
    ends_small(beside([Flood::list("testruns", 10, move |n| run(n, &spec))]));
}

#[test]
fn five_thousand_pods_with_much_beside_them() {
    let pod = |n: u64, annotations: &str, fields: &str| {
        let labels =
            json!({"k6_cr": "plz-test-101", "runner": "true", "job-name": format!("plz-test-101-{n}")});
        format!(
            r#"{{"metadata":{{"namespace":"greedy","name":"pod-{n}","uid":"pod-{n}","resourceVersion":"1","labels":{labels},"annotations":{{"a":"{annotations}"}},"managedFields":[{{"manager":"{fields}"}}]}}}}"#
        )
    };
    let (annotations, fields) = (text(190 * KB), text(10 * KB));
    ends_small(beside([Flood::list("pods", 5000, move |n| pod(n, &annotations, &fields))]));
}

#[test]
fn a_page_of_a_million_objects() {
    let items = |n| format!(r#"{{"metadata":{{"namespace":"greedy","name":"r{n}","uid":"{n}"}}}}"#);
    ends_small(beside([Flood::list("testruns", 1_000_000, items).paged(Paging::AllAtOnce)]));
}

#[test]
fn a_page_without_an_end() {
    let items = |n| format!(r#"{{"metadata":{{"namespace":"greedy","name":"r{n}","uid":"{n}"}}}}"#);
    let mut place = beside([Flood::list("testruns", u64::MAX, items).paged(Paging::AllAtOnce)]);
    assert!(place.agent().log().contains("the agent does not see all testruns: the list does not end"));
    ends_small(place);
}

#[test]
fn pages_without_an_end() {
    let items = |n| format!(r#"{{"metadata":{{"namespace":"greedy","name":"p{n}","uid":"{n}"}}}}"#);
    let mut place = beside([Flood::list("pods", u64::MAX, items)]);
    assert!(place.agent().log().contains("the agent does not see all pods: the list does not end"));
    ends_small(place);
}

#[test]
fn five_thousand_test_runs_that_claim_to_be_of_gck6() {
    let mut place = Place::new(Scheme::Http, &[]);
    place.sim.with(|world, now| {
        world.api.create(now, Kind::Namespace, "", json!({"metadata": {"name": "greedy"}})).unwrap();
        for n in 0..5000 {
            let object = json!({
                "metadata": {"name": format!("run-{n}")},
                "spec": {"parallelism": 1, "script": {"localFile": "/a.js"}, "testRunId": format!("{n}"), "token": "t"},
            });
            world.api.create(now, Kind::TestRun, "greedy", object).unwrap();
        }
    });
    place.start();
    serves(&mut place);
    ends_small(place);
}

#[test]
fn events_of_more_than_a_megabyte_in_quick_succession() {
    let large = text(1500 * KB);
    let line = move |n: u64| {
        let spec = if n.is_multiple_of(2) {
            json!({"arguments": large})
        } else {
            json!({"testRunId": "7", "arguments": large})
        };
        format!(r#"{{"type":"MODIFIED","object":{}}}"#, run(n, &spec))
    };
    let mut place = beside([Flood::watch("testruns", Duration::from_millis(10), line)]);
    assert!(place.agent().log().contains("is too large and is ignored"));
    ends_small(place);
}

#[test]
fn a_quarter_of_a_million_objects_that_cannot_be_read() {
    let mut place = beside([Flood::list("testruns", 250_000, |n| run(n, &json!({"parallelism": []})))]);
    let log = place.agent().log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("cannot be read")).collect();
    let minutes = place.sim.now().as_secs() as usize / 60 + 1;
    assert!((1..=minutes).contains(&lines.len()), "{lines:?}");
    ends_small(place);
}

/// What zones of somebody name, and what comes back of a write to them: as large as an etcd takes them.
#[test]
fn secrets_of_many_keys() {
    let mut place = Place::new(Scheme::Http, &[]);
    place.sim.with(|world, now| {
        world.api.create(now, Kind::Namespace, "", json!({"metadata": {"name": "greedy"}})).unwrap();
        let keys: serde_json::Map<String, serde_json::Value> =
            (0..125_000).map(|n| (n.to_string(), json!(""))).collect();
        let token = "x".repeat(900);
        for n in 0..8 {
            let mut data = keys.clone();
            data.insert("token".to_owned(), json!(STANDARD.encode(format!("{token}{n}"))));
            let secret = json!({"metadata": {"name": format!("secret-{n}")}, "data": data});
            world.api.create(now, Kind::Secret, "greedy", secret).unwrap();
            let spec = json!({
                "token": format!("secret-{n}"), "resources": {"limits": {"cpu": "200m", "memory": "256Mi"}},
            });
            let zone = json!({"metadata": {"name": format!("zone-{n}")}, "spec": spec});
            world.api.create(now, Kind::PrivateLoadZone, "greedy", zone).unwrap();
        }
    });
    place.start();
    serves(&mut place);
    ends_small(place);
}
