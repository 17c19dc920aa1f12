//! Jobs and pods through their phases, on the virtual clock.

use std::time::Duration;

use serde_json::{Value, json};

use super::is_deleting;
use super::plan::{Mishap, Place, PodPlan};
use crate::api::{DeleteOptions, Key, Kind, Part, Propagation};
use crate::http::{Method, Request};
use crate::json::{list, text};
use crate::k6::Exit;
use crate::world::{Options, World};

const DEADLINE: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

fn job(url: &str) -> Value {
    let download = json!({"name": "archive-download", "image": "a", "env": [{"name": "PLZ_ARCHIVE_URL", "value": url}],
        "volumeMounts": [{"name": "archive-volume", "mountPath": "/test"}]});
    let args = [
        "run",
        "/test/archive.tar",
        "--address=0.0.0.0:6565",
        "--paused",
        "--no-setup",
        "--no-teardown",
        "--linger",
        "-e",
        "T=$(TOKEN)",
        "-e",
        "D=$$(TOKEN)",
    ];
    let k6 = json!({"name": "k6", "image": "grafana/k6:latest", "command": ["k6"], "args": args, "terminationMessagePolicy": "FallbackToLogsOnError",
        "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "token"}}}]});
    let spec = json!({"restartPolicy": "Never", "volumes": [{"name": "archive-volume", "emptyDir": {}}],
        "initContainers": [download], "containers": [k6]});
    let template = json!({"metadata": {"labels": {"k6_cr": "run", "runner": "true"}}, "spec": spec});
    json!({"metadata": {"name": "run-1"}, "spec": {"backoffLimit": 0, "template": template}})
}

/// A world in which the Job `run-1` has just been created under a plan.
fn world(plan: PodPlan) -> World {
    let mut world = World::new(Options::default());
    world.kube.config.prefer("run-*", plan);
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"token": "t0"}});
    world.api.create(world.now, Kind::Secret, "default", secret).unwrap();
    let url = world.s3.store(world.now, "a.tar", world.archive.clone());
    world.api.create(world.now, Kind::Job, "default", job(&url)).unwrap();
    world
}

fn pod(world: &World) -> Value {
    let pod = world.api.objects(Kind::Pod, "default").next();
    pod.map_or(Value::Null, |(_, pod)| Value::clone(pod))
}

fn is_ready(world: &World) -> bool {
    condition(&pod(world), "Ready") == "True"
}

fn condition(object: &Value, kind: &str) -> String {
    let found = list(object, "status.conditions").iter().find(|condition| condition["type"] == kind);
    found.map_or("", |condition| text(condition, "status")).to_owned()
}

fn job_ends(world: &World) -> String {
    let job = world.object(Kind::Job, "default", "run-1");
    list(&job, "status.conditions").iter().map(|condition| text(condition, "type")).collect()
}

/// Runs a plan to the end of the Job and compares what the pod says.
fn check_failure(mishap: Mishap, path: &str, expected: &Value) {
    let shown = format!("{mishap:?}");
    let mut world = world(PodPlan::mishap(mishap));
    let pod_says = |world: &World| crate::json::at(&pod(world), path) == expected;
    assert!(world.run_until(DEADLINE, pod_says), "{shown}: {}", pod(&world)["status"]);
    assert!(world.run_until(DEADLINE, |world| job_ends(world) == "Failed"), "{shown}");
}

#[test]
fn a_pod_goes_through_its_phases_in_order() {
    let mut world = world(PodPlan::default());
    assert!(world.run_until(DEADLINE, is_ready));
    let pod = pod(&world);
    let name = text(&pod, "metadata.name").to_owned();
    assert_eq!((name.len(), text(&pod, "metadata.labels.job-name")), (11, "run-1"));
    assert_eq!(text(&pod, "metadata.ownerReferences.0.kind"), "Job");
    let phases: Vec<String> = world
        .api
        .changes_since(0)
        .filter(|change| change.key.kind == Kind::Pod)
        .map(|change| {
            let status = &change.object["status"];
            let state = |list: &str| {
                let state =
                    status[list][0]["state"].as_object().and_then(|state| state.keys().next().cloned());
                state.unwrap_or_default()
            };
            format!(
                "{} {} {}",
                text(status, "phase"),
                state("initContainerStatuses"),
                state("containerStatuses")
            )
        })
        .collect();
    let mut phases: Vec<&str> = phases.iter().map(String::as_str).collect();
    phases.dedup();
    assert_eq!(
        phases,
        [
            "Pending  ",
            "Pending waiting waiting",
            "Pending running waiting",
            "Pending terminated waiting",
            "Running terminated running"
        ]
    );
    let runner = world.k6s.runner("default", &name).unwrap();
    assert_eq!((runner.argv.env("T"), runner.argv.env("D")), (Some("t0"), Some("$(TOKEN)")));
    assert_eq!(world.object(Kind::Job, "default", "run-1")["status"]["active"], 1);
}

#[test]
fn a_runner_is_reached_directly_and_through_the_proxy() {
    let mut world = world(PodPlan::default());
    let ip = |world: &World| text(&pod(world), "status.podIP").to_owned();
    let status = Request::new(Method::Get, "/v1/status");
    assert!(world.run_until(DEADLINE, |world| !ip(world).is_empty()));
    let (now, address) = (world.now, ip(&world));
    assert!(world.serve_pod(now, &address, &status).response().is_none(), "k6 is not there yet");
    assert!(world.run_until(DEADLINE, is_ready));
    let (now, name) = (world.now, text(&pod(&world), "metadata.name").to_owned());
    assert_eq!(world.serve_pod(now, &address, &status).response().unwrap().status, 200);
    let mut proxied = |port: &str| {
        let target = format!("/api/v1/namespaces/default/pods/{name}:{port}/proxy/v1/status");
        world.serve_api(now, &Request::new(Method::Get, &target)).answer().response().unwrap()
    };
    assert_eq!(proxied("6565").value()["data"]["attributes"]["status"], 4);
    assert_eq!(
        (proxied("80").status, proxied("80").value()["reason"].clone()),
        (503, json!("ServiceUnavailable"))
    );
}

#[test]
fn deletion_waits_for_the_flush() {
    let mut world = world(PodPlan::default());
    assert!(world.run_until(DEADLINE, is_ready));
    let (now, key) = (world.now, Key::new(Kind::Job, "default", "run-1"));
    let name = text(&pod(&world), "metadata.name").to_owned();
    let options = DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
    world.api.delete(now, &key, &options).unwrap();
    assert!(world.run_until(DEADLINE, |world| !pod(world)["metadata"]["deletionTimestamp"].is_null()));
    assert!(world.run_until(DEADLINE, |world| pod(world).is_null()));
    let (exit, _) = world.k6s.runner("default", &name).unwrap().exits().unwrap();
    assert!(world.now >= exit && world.now < exit + SECOND);
}

#[test]
fn propagation_is_the_callers_choice() {
    for (propagation, expected) in
        [(None, false), (Some(Propagation::Background), true), (Some(Propagation::Foreground), true)]
    {
        let mut world = world(PodPlan::default());
        assert!(world.run_until(DEADLINE, is_ready));
        let (now, key) = (world.now, Key::new(Kind::Job, "default", "run-1"));
        world.api.delete(now, &key, &DeleteOptions { propagation, ..DeleteOptions::default() }).unwrap();
        let stays = world.api.object(&key).is_some();
        assert_eq!(stays, propagation == Some(Propagation::Foreground));
        world.run_until(now + 10 * SECOND, |_| false);
        assert_eq!(pod(&world).is_null(), expected, "{propagation:?}");
        assert!(world.api.object(&key).is_none());
        assert_eq!(world.next_wakeup(), None, "all rests");
    }
}

#[test]
fn what_goes_wrong_shows_where_a_real_cluster_shows_it() {
    let words = || "words".to_owned();
    let terminated = "status.containerStatuses.0.state.terminated";
    check_failure(
        Mishap::Exit(SECOND, Exit::new(107, "boom")),
        &format!("{terminated}.exitCode"),
        &json!(107),
    );
    check_failure(
        Mishap::Exit(SECOND, Exit::new(107, "boom")),
        &format!("{terminated}.message"),
        &json!("boom"),
    );
    check_failure(Mishap::OomKilled(SECOND), &format!("{terminated}.reason"), &json!("OOMKilled"));
    check_failure(Mishap::Evicted(SECOND, words()), "status.reason", &json!("Evicted"));
    check_failure(Mishap::Disrupted(SECOND), "status.conditions.0.type", &json!("DisruptionTarget"));
    check_failure(Mishap::Deleted(SECOND), "metadata.deletionGracePeriodSeconds", &json!(30));
    let init = "status.initContainerStatuses.0.state.terminated.exitCode";
    check_failure(Mishap::Init(Exit::new(10, "expired")), init, &json!(10));
}

#[test]
fn pods_that_do_not_start_wait_with_a_reason() {
    let words = || "words".to_owned();
    let main = "status.containerStatuses.0.state.waiting.reason";
    let init = "status.initContainerStatuses.0.state.waiting.reason";
    for (mishap, path, expected) in [
        (Mishap::Unschedulable(words()), "status.conditions.0.message", "words"),
        (Mishap::Pull(Place::Main, words()), main, "ErrImagePull"),
        (Mishap::Pull(Place::Main, words()), main, "ImagePullBackOff"),
        (Mishap::Pull(Place::Init, words()), init, "ImagePullBackOff"),
        (Mishap::InvalidImage(Place::Main), main, "InvalidImageName"),
        (Mishap::ConfigError(Place::Main, words()), main, "CreateContainerConfigError"),
    ] {
        let shown = format!("{mishap:?}");
        let mut world = world(PodPlan::mishap(mishap));
        let says = |world: &World| text(&pod(world), path) == expected;
        assert!(world.run_until(Duration::from_secs(60), says), "{shown}: {}", pod(&world)["status"]);
        assert_eq!(job_ends(&world), "", "{shown}");
    }
}

#[test]
fn an_expired_url_and_a_missing_secret_show_by_themselves() {
    let mut late = World::new(Options::default());
    let url = late.s3.store(late.now, "a.tar", late.archive.clone());
    late.tick(Duration::from_secs(301));
    late.api.create(late.now, Kind::Job, "default", job(&url)).unwrap();
    assert!(late.run_until(DEADLINE, |world| job_ends(world) == "Failed"));
    assert_eq!(pod(&late)["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"], 10);

    let mut world = World::new(Options::default());
    let url = world.s3.store(world.now, "a.tar", world.archive.clone());
    world.api.create(world.now, Kind::Job, "default", job(&url)).unwrap();
    let message =
        |world: &World| text(&pod(world), "status.containerStatuses.0.state.waiting.message").to_owned();
    assert!(world.run_until(DEADLINE, |world| message(world) == "secret \"s\" not found"));
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"token": "t"}});
    world.api.create(world.now, Kind::Secret, "default", secret).unwrap();
    assert!(world.run_until(DEADLINE, is_ready), "the kubelet tries again");
}

#[test]
fn a_quota_leaves_the_job_without_a_pod() {
    let mut world = world(PodPlan::mishap(Mishap::Quota("exceeded quota: pods".to_owned())));
    world.run_until(60 * SECOND, |_| false);
    assert!(pod(&world).is_null());
    let events: Vec<&str> =
        world.api.objects(Kind::Event, "default").map(|(_, event)| text(event, "message")).collect();
    assert_eq!(events, ["Error creating: pods \"run-1-\" is forbidden: exceeded quota: pods"]);
}

#[test]
fn a_lost_node_keeps_its_pod_until_it_is_removed() {
    let mut world = world(PodPlan::mishap(Mishap::NodeLost(SECOND)));
    assert!(world.run_until(DEADLINE, is_ready));
    let name = text(&pod(&world), "metadata.name").to_owned();
    let evicted = |world: &World| pod(world)["status"]["reason"] == "NodeLost";
    assert!(world.run_until(DEADLINE, evicted));
    world.run_until(world.now + Duration::from_secs(20 * 60), |_| false);
    assert!(!world.kube.is_reachable("default", &name));
    assert_eq!(pod(&world)["status"]["reason"], "NodeLost");
    assert_eq!(pod(&world)["status"]["phase"], "Running");
    assert!(world.run_until(DEADLINE, |world| text(&pod(world), "metadata.name") != name));
}

#[test]
fn a_pod_on_a_lost_node_goes_by_force() {
    let mut world = world(PodPlan::mishap(Mishap::NodeLost(SECOND)));
    assert!(world.run_until(DEADLINE, is_ready));
    let name = text(&pod(&world), "metadata.name").to_owned();
    world.run_until(world.now + Duration::from_secs(10), |_| false);
    let force = DeleteOptions { grace: Some(0), ..DeleteOptions::default() };
    world.api.delete(world.now, &Key::new(Kind::Pod, "default", &name), &force).unwrap();
    assert!(pod(&world).is_null());
}

#[test]
fn wrong_flags_end_k6() {
    let mut world = World::new(Options::default());
    let container = json!({"name": "k6", "image": "grafana/k6", "args": ["run", "--nope", "a.js"]});
    let spec = json!({"restartPolicy": "Never", "containers": [container]});
    let job = json!({"metadata": {"name": "run-1"}, "spec": {"backoffLimit": 0, "template": {"spec": spec}}});
    world.api.create(world.now, Kind::Job, "default", job).unwrap();
    assert!(world.run_until(DEADLINE, |world| job_ends(world) == "Failed"));
    let pod = pod(&world);
    let terminated = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!((&terminated["exitCode"], &terminated["message"]), (&json!(104), &Value::Null));
    let target = format!("/api/v1/namespaces/default/pods/{}/log?container=k6", text(&pod, "metadata.name"));
    let log = world.serve_api(world.now, &Request::new(Method::Get, &target)).answer().response().unwrap();
    assert_eq!(log.as_text(), "unknown flag: --nope", "k6 writes no termination log");
}

#[test]
fn namespaces_are_emptied() {
    for pods_go_first in [true, false] {
        let mut world = world(PodPlan::default());
        world.kube.config.pods_go_first = pods_go_first;
        let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/held"]}});
        world.api.create(world.now, Kind::ConfigMap, "default", held).unwrap();
        assert!(world.run_until(DEADLINE, is_ready));
        let key = Key::new(Kind::Namespace, "", "default");
        world.api.delete(world.now, &key, &DeleteOptions::default()).unwrap();
        let new = json!({"metadata": {"name": "new"}});
        let refusal = world.api.create(world.now, Kind::ConfigMap, "default", new).unwrap_err();
        let cause = &refusal.details["causes"][0];
        assert_eq!((refusal.code, &cause["reason"]), (403, &json!("NamespaceTerminating")));
        let has_job = |world: &World| world.api.objects(Kind::Job, "default").next().is_some();
        assert!(world.run_until(DEADLINE, |world| is_deleting(&pod(world))));
        assert_eq!(has_job(&world), pods_go_first);
        let held = Key::new(Kind::ConfigMap, "default", "held");
        assert!(world.run_until(DEADLINE, |world| pod(world).is_null() && !has_job(world)));
        assert!(world.api.object(&key).is_some() && world.api.object(&held).is_some());
        world.api.modify(&held, Part::Main, |object| object["metadata"]["finalizers"] = json!([]));
        assert!(world.run_until(DEADLINE, |world| world.api.object(&key).is_none()));
        assert!(!world.api.all().any(|(key, _)| key.namespace == "default"));
    }
}

#[test]
fn an_owner_that_never_was_counts_as_gone() {
    let mut world = World::new(Options::default());
    let owners = json!([{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "00000000-0000-4000-8000-000000000000"}]);
    let object = json!({"metadata": {"name": "c", "ownerReferences": owners}});
    world.api.create(world.now, Kind::ConfigMap, "default", object).unwrap();
    assert!(world.run_until(DEADLINE, |world| world.api.objects(Kind::ConfigMap, "").next().is_none()));
}
