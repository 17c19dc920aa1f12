//! What becomes of news, and when all of it has come.

use serde_json::json;

use k8s::WatchEvent;

use super::*;
use crate::api::run::RUNNERS_MAX;
use crate::limits::NAMESPACE_BYTES_MAX;

#[test]
fn synced_means_every_kind_in_every_scope() {
    let mut store = Store::default();
    let scopes = [Some("a".to_owned()), Some("b".to_owned())];
    fn listed<T>() -> WatchEvent<T> {
        WatchEvent::Listed { resource_version: "1".into() }
    }
    for scope in ["a", "b"] {
        assert!(!store.synced(&scopes));
        store.absorb(Some(scope), Seen::Zone(listed()));
        store.absorb(Some(scope), Seen::Run(listed()));
        assert!(!store.synced(&scopes));
        store.absorb(Some(scope), Seen::Pod(listed()));
    }
    assert!(store.synced(&scopes));
}

/// As large as they get: a name of GCk6's, a long namespace, and a pod that says what it waits for.
#[test]
fn four_runs_of_a_thousand_runners_fit_into_one_namespace() {
    let mut store = Store::default();
    let namespace = "load-tests-of-shop-17";
    for run in 1..=4 {
        for number in 1..=RUNNERS_MAX {
            let name = format!("plz-test-100000{run}");
            let uid = |kind| format!("{kind:08}-7b54-4c5a-9f0e-{number:012}");
            let status = json!({"phase": "Pending", "podIP": "10.244.117.200", "containerStatuses": [
                {"name": "k6", "state": {"waiting": {"reason": "PodInitializing"}}}]});
            let pod = json!({"metadata": {
                "name": format!("{name}-{number}-abcde"), "namespace": namespace, "uid": uid(run),
                "resourceVersion": "123456789", "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": {"k6_cr": name, "runner": "true"},
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "controller": true,
                    "name": format!("{name}-{number}"), "uid": uid(run + 10)}],
            }, "status": status});
            let pod = serde_json::from_value(pod).unwrap();
            let changes = store.absorb(None, Seen::Pod(WatchEvent::Applied(pod)));
            assert!(changes.no_room.is_none(), "run {run}, runner {number}: {} bytes", store.bytes());
        }
        assert_eq!(store.pods.claims(&ObjectKey::new(namespace, format!("plz-test-100000{run}"))), 1000);
    }
    let uid = format!("{:08}-7b54-4c5a-9f0e-{:012}", 12, 7);
    assert_eq!(store.pods.of_job(namespace, &uid).map(|pod| pod.runner).collect::<Vec<_>>(), [7]);
    assert_eq!(store.pods.of_job("elsewhere", &uid).count(), 0);
    let left = NAMESPACE_BYTES_MAX - store.bytes();
    assert!(left > 4 * 9 * 1024, "room for the test runs themselves: {left} bytes");
}
