//! Pods as kubelets report them, and what is made of them.

use super::*;
use serde_json::{Value, json};

#[expect(clippy::needless_pass_by_value, reason = "literals read better without a borrow")]
fn pod(metadata: Value, spec: Value, status: Value) -> Pod {
    serde_json::from_value(json!({"metadata": metadata, "spec": spec, "status": status})).unwrap()
}

#[track_caller]
fn check(status: Value, expected: &Life) {
    assert_eq!(&life(&pod(json!({}), json!({}), status)), expected);
}

fn told(kind: FailureKind, container: &str, message: &str) -> Life {
    Life::Failed(PodFailure { kind, container: container.into(), message: message.into() })
}

fn ended(code: i32, message: &str) -> Life {
    Life::Ended(Exit { code, message: message.into() })
}

/// The end of k6, in a pod with nothing else in it.
fn k6(phase: &str, end: &Value) -> Value {
    json!({"phase": phase, "containerStatuses": [{"name": "k6", "state": {"terminated": end}}]})
}

/// An init container that has ended, before k6.
fn init(name: &str, end: &Value) -> Value {
    json!({"phase": "Failed", "initContainerStatuses": [{"name": name, "state": {"terminated": end}}],
        "containerStatuses": [{"name": "k6", "state": {"waiting": {"reason": "PodInitializing"}}}]})
}

/// A pod with Istio's native sidecar, as the injector writes it, in the given state beside k6 in the other.
#[expect(clippy::needless_pass_by_value, reason = "literals read better without a borrow")]
fn with_sidecar(metadata: Value, phase: &str, sidecar: Value, k6: Value) -> Pod {
    let spec = json!({"initContainers": [
        {"name": "istio-proxy", "image": "istio/proxyv2", "restartPolicy": "Always"},
        {"name": "archive-download", "image": "plz-agent"}
    ], "containers": [{"name": "k6"}]});
    let mut sidecar = sidecar;
    sidecar["name"] = json!("istio-proxy");
    let download =
        json!({"name": "archive-download", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}});
    let status = json!({"phase": phase, "initContainerStatuses": [sidecar, download],
        "containerStatuses": [{"name": "k6", "state": k6}]});
    pod(metadata, spec, status)
}

#[test]
fn the_usual_way_to_running() {
    check(json!(null), &Life::Waiting(None));
    check(json!({"phase": "Pending", "conditions": null, "containerStatuses": null}), &Life::Waiting(None));
    check(
        json!({"phase": "Pending", "initContainerStatuses": [
            {"name": "archive-download", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
        ], "containerStatuses": [{"name": "k6", "state": {"waiting": {"reason": "PodInitializing"}}}]}),
        &Life::Waiting(None),
    );
    check(
        json!({"phase": "Running", "containerStatuses": [{"name": "k6", "ready": false, "state": {"running": {}}}]}),
        &Life::Running,
    );
}

#[test]
fn what_holds_a_pod_up_is_said_and_by_whom() {
    let waits = |text: &str| Life::Waiting(Some(text.into()));
    check(
        json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "0/3 nodes are available"}]}),
        &waits("Unschedulable: 0/3 nodes are available"),
    );
    check(
        json!({"phase": "Pending", "containerStatuses": [
            {"name": "k6", "state": {"waiting": {"reason": "ErrImagePull", "message": "not\nfound"}}}]}),
        &waits("ErrImagePull: not found"),
    );
    check(
        json!({"phase": "Pending", "initContainerStatuses": [
            {"name": "vault-agent-init", "state": {"waiting": {"reason": "ErrImagePull", "message": "denied"}}}]}),
        &waits("init container vault-agent-init: ErrImagePull: denied"),
    );
}

#[test]
fn failures_of_k6_are_told_apart() {
    let check = |end: Value, expected: &Life| check(k6("Failed", &end), expected);
    check(json!({"exitCode": 137, "reason": "OOMKilled"}), &told(FailureKind::OutOfMemory, "", ""));
    check(
        json!({"exitCode": 107, "reason": "Error", "message": "ReferenceError: x"}),
        &told(FailureKind::K6(107), "", "ReferenceError: x"),
    );
    let log = "HTTP\n http_reqs: 1\nlevel=error msg=\"Error while sending logs to loki\"\nlevel=error msg=\"TypeError\"";
    check(
        json!({"exitCode": 107, "message": log}),
        &told(FailureKind::K6(107), "", "level=error msg=\"TypeError\""),
    );
    check(json!({"exitCode": 105, "reason": "Error"}), &told(FailureKind::K6(105), "", ""));
    let words = "failed to create containerd task: exec: \"k6\": executable file not found in $PATH";
    check(
        json!({"exitCode": 128, "reason": "StartError", "message": words}),
        &told(FailureKind::NotStarted, "", words),
    );
    check(
        json!({"exitCode": 137, "reason": "ContainerStatusUnknown",
            "message": "The container could not be located when the pod was terminated"}),
        &told(
            FailureKind::Unknown,
            "",
            "ContainerStatusUnknown: The container could not be located when the pod was terminated",
        ),
    );
}

#[test]
fn a_test_that_is_over_is_no_failure_of_the_pod_and_keeps_its_exit() {
    for code in [0, 99, 103, 108, 110] {
        let phase = if code == 0 { "Succeeded" } else { "Failed" };
        check(k6(phase, &json!({"exitCode": code, "message": "why"})), &ended(code, "why"));
    }
    check(json!({"phase": "Succeeded"}), &ended(0, ""));
}

#[test]
fn failures_of_the_whole_pod_are_told_apart() {
    check(
        json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory"}),
        &told(FailureKind::Evicted, "", "Evicted: The node was low on memory"),
    );
    check(
        json!({"phase": "Running", "conditions": [{"type": "DisruptionTarget", "status": "True",
            "reason": "PreemptionByScheduler", "message": "preempted"}]}),
        &told(FailureKind::Evicted, "", "PreemptionByScheduler: preempted"),
    );
    check(json!({"phase": "Failed"}), &told(FailureKind::Unknown, "", ""));
    check(
        json!({"phase": "Failed", "reason": "DeadlineExceeded", "message": "Pod was active too long"}),
        &told(FailureKind::Unknown, "", "DeadlineExceeded: Pod was active too long"),
    );
}

#[test]
fn init_containers_that_fail_are_named_and_only_the_download_is_the_download() {
    check(
        init("archive-download", &json!({"exitCode": 10, "message": "expired: the URL has expired"})),
        &told(FailureKind::Download(10), "archive-download", "expired: the URL has expired"),
    );
    check(
        init("istio-init", &json!({"exitCode": 10, "reason": "Error", "message": "iptables: denied"})),
        &told(FailureKind::Init(10), "istio-init", "iptables: denied"),
    );
    check(
        init("vault-agent-init", &json!({"exitCode": 137, "reason": "OOMKilled"})),
        &told(FailureKind::OutOfMemory, "vault-agent-init", ""),
    );
    check(
        init(
            "archive-download",
            &json!({"exitCode": 128, "reason": "StartError", "message": "no such file"}),
        ),
        &told(FailureKind::NotStarted, "archive-download", "no such file"),
    );
}

#[test]
fn a_sidecar_may_end_and_start_again_while_k6_runs() {
    let running = json!({"running": {}});
    let crash = json!({"terminated": {"exitCode": 255, "reason": "Error"}});
    let oom = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
    for sidecar in [
        json!({"restartCount": 1, "state": {"running": {}}, "lastState": crash}),
        json!({"restartCount": 1, "state": crash}),
        json!({"restartCount": 3, "state": oom}),
        json!({"restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": oom}),
    ] {
        let pod = with_sidecar(json!({}), "Running", sidecar, running.clone());
        assert_eq!(life(&pod), Life::Running);
    }
}

#[test]
fn a_sidecar_that_ends_after_k6_says_nothing_of_it() {
    let sidecar = json!({"state": {"terminated": {"exitCode": 143, "reason": "Error"}}});
    let end = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
    let pod = with_sidecar(json!({}), "Succeeded", sidecar.clone(), end);
    assert_eq!(life(&pod), ended(0, ""));
    let oom = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
    let pod = with_sidecar(json!({}), "Failed", sidecar, oom);
    assert_eq!(life(&pod), told(FailureKind::OutOfMemory, "", ""));
}

#[test]
fn a_sidecar_that_does_not_start_holds_the_pod_up_and_is_named() {
    let waiting = json!({"waiting": {"reason": "PodInitializing"}});
    let sidecar = json!({"restartCount": 3, "lastState": {"terminated": {"exitCode": 255}}, "state":
        {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}}});
    let text = "init container istio-proxy: exited with code 255, CrashLoopBackOff: back-off 40s restarting failed container";
    let pod = with_sidecar(json!({}), "Pending", sidecar, waiting.clone());
    assert_eq!(life(&pod), Life::Waiting(Some(text.into())));
    // Between its end and its next start.
    let sidecar = json!({"state": {"terminated": {"exitCode": 255, "reason": "Error"}}});
    let pod = with_sidecar(json!({}), "Pending", sidecar, waiting);
    assert_eq!(life(&pod), Life::Waiting(None));
}

#[test]
fn a_container_that_was_injected_beside_k6_has_no_say() {
    let status = |k6: Value, other: Value| json!({"phase": "Running", "containerStatuses": [{"name": "linkerd-proxy", "state": other}, {"name": "k6", "state": k6}]});
    let failed = json!({"terminated": {"exitCode": 1, "reason": "Error"}});
    check(status(json!({"running": {}}), failed), &Life::Running);
    let end = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
    check(status(end, json!({"running": {}})), &ended(0, ""));
}

#[test]
fn a_pod_that_is_being_deleted_has_failed() {
    let metadata = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
    for state in [
        json!({"running": {}}),
        json!({"terminated": {"exitCode": 0}}),
        json!({"terminated": {"exitCode": 105}}),
    ] {
        let status = json!({"phase": "Running", "containerStatuses": [{"name": "k6", "state": state}]});
        let pod = pod(metadata.clone(), json!({}), status);
        assert_eq!(life(&pod), told(FailureKind::Deleted, "", ""));
    }
}

#[test]
fn steps_only_lead_forward() {
    let node = json!({"nodeName": "n"});
    let status = |init: Value, k6: Value| {
        json!({"startTime": "2026-01-01T00:00:00Z", "initContainerStatuses": [{"name": "archive-download", "state": init}],
            "containerStatuses": [{"name": "k6", "state": k6}]})
    };
    let (waiting, running, end) =
        (json!({"waiting": {}}), json!({"running": {}}), json!({"terminated": {"exitCode": 0}}));
    let way = [
        pod(json!({}), json!({}), json!({})),
        pod(json!({}), node.clone(), json!({})),
        pod(json!({}), node.clone(), status(waiting.clone(), waiting.clone())),
        pod(json!({}), node.clone(), status(running.clone(), waiting.clone())),
        pod(json!({}), node.clone(), status(end.clone(), waiting)),
        pod(json!({}), node, status(end, running)),
    ];
    let steps: Vec<Step> = way.iter().map(step).collect();
    assert!(steps.is_sorted_by(|one, next| one < next), "{steps:?}");
}
