//! How a test run reads and writes.

use serde_json::{Value, json};

use super::*;

#[track_caller]
fn read(value: Value) -> TestRun {
    serde_json::from_value(value).unwrap()
}

#[test]
fn null_reads_like_absence_and_is_not_written() {
    let empty = json!({ "apiVersion": API_VERSION, "kind": KIND, "metadata": {}, "spec": { "script": {}, "parallelism": 0 } });
    let nulls = json!({ "metadata": null, "spec": null, "status": null });
    assert_eq!(serde_json::to_value(read(nulls)).unwrap(), empty);
    let inner = json!({
        "spec": {
            "script": { "configMap": null, "volumeClaim": null, "localFile": null }, "parallelism": null,
            "args": null, "ports": [null], "initializer": null, "starter": null, "quiet": null, "scuttle": null,
            "runner": { "env": null, "image": null, "metadata": { "labels": null }, "affinity": null, "volumes": null,
                "nodeSelector": null, "tolerations": [null], "initContainers": null, "resources": null },
        },
        "status": { "stage": null, "conditions": null, "testRunId": null, "aggregationVars": null },
    });
    assert_eq!(serde_json::to_value(read(inner)).unwrap(), empty);
    assert_eq!(read(json!({})), TestRun::default());
}

#[test]
fn nulls_within_carried_values_are_dropped() {
    let run = read(json!({ "spec": { "runner": {
        "affinity": { "nodeAffinity": null, "podAffinity": { "a": [null, { "b": null, "c": {} }] } } } } }));
    assert_eq!(run.spec.runner.affinity, Some(json!({ "podAffinity": { "a": [{ "c": {} }] } })));
}

#[test]
fn an_edit_is_told_from_a_deletion() {
    let is_edited = |generation: i64, deleted: Value| {
        let metadata = json!({ "generation": generation, "deletionTimestamp": deleted });
        read(json!({ "metadata": metadata })).is_edited()
    };
    let deleted = || json!("2026-01-01T00:00:00Z");
    assert!(!is_edited(0, json!(null)) && !is_edited(1, json!(null)) && is_edited(2, json!(null)));
    assert!(!is_edited(1, deleted()) && !is_edited(2, deleted()) && is_edited(3, deleted()));
}

#[test]
fn stages() {
    let stage = |value: Value| read(json!({ "status": { "stage": value } })).status.stage;
    for known in Stage::ALL.into_iter().filter(|stage| *stage != Stage::Unknown) {
        assert_eq!(stage(json!(known.as_str())), known);
    }
    assert_eq!(stage(json!(null)), Stage::New);
    assert_eq!(stage(json!("resting")), Stage::Unknown);
    assert!(Stage::ALL.is_sorted() && Stage::Created < Stage::Started && Stage::Finished < Stage::Error);
    let status = TestRunStatus { stage: Stage::Unknown, ..TestRunStatus::default() };
    assert_eq!(serde_json::to_value(status).unwrap(), json!({}));
}

#[test]
fn ids() {
    let check = |spec: &str, status: &str, is_plz: bool, id: Option<u64>| {
        let run = read(json!({ "spec": { "testRunId": spec }, "status": { "testRunId": status } }));
        assert_eq!((run.is_plz(), run.run_id()), (is_plz, id.map(RunId)), "{spec} {status}");
    };
    check("101", "", true, Some(101));
    check("101", "7", true, Some(101));
    check("", "7", false, Some(7));
    check("", "", false, None);
    check("x", "7", true, None);
}

#[test]
fn runners_are_never_negative() {
    for (parallelism, wanted) in [(-1, 0), (0, 0), (3, 3), (i64::MAX, 0)] {
        assert_eq!(read(json!({ "spec": { "parallelism": parallelism } })).runners(), wanted);
    }
    for parallelism in [-5, 0, 1001, 100_000, 2_147_483_647] {
        let run = read(json!({ "metadata": { "name": "a" }, "spec": { "parallelism": parallelism } }));
        let message = run.runners_refused().unwrap();
        assert!(
            message.contains(&format!(
                "asks for {parallelism} runners, but the agent runs 1 to 1000; delete it"
            ))
        );
    }
    assert_eq!(read(json!({ "spec": { "parallelism": RUNNERS_MAX } })).runners_refused(), None);
}
