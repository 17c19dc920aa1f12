//! Golden Jobs, and what must hold for every Job.

use super::*;
use crate::cloud::RunId;
use crate::testrun::template::{self, tests as zones};

fn run(value: Value) -> TestRun {
    let mut run: TestRun = serde_json::from_value(value).unwrap();
    run.metadata.uid = "run-uid".to_owned();
    run
}

fn plz(zone: &crate::api::zone::PrivateLoadZone, data: &crate::cloud::TestRunData) -> TestRun {
    plz_with(zone, data, &zones::settings())
}

fn plz_with(
    zone: &crate::api::zone::PrivateLoadZone,
    data: &crate::cloud::TestRunData,
    settings: &template::Settings,
) -> TestRun {
    let run = template::test_run(zone, RunId(101), data, settings).unwrap();
    // As it comes back from the API server.
    self::run(serde_json::to_value(run).unwrap())
}

#[test]
fn golden_jobs() {
    let check = |name: &str, run: &TestRun, index: u32| zones::check_golden(name, &job(run, index).unwrap());
    check("job/plz-plain", &plz(&zones::plain_zone(), &zones::plain_data()), 1);
    check("job/plz-full", &plz(&zones::full_zone(), &zones::full_data()), 2);
    check("job/plz-shared", &plz_with(&zones::plain_zone(), &zones::plain_data(), &zones::shared()), 1);
    let plain = json!({
        "metadata": { "name": "smoke", "namespace": "load" },
        "spec": { "script": { "configMap": { "name": "scripts", "file": "smoke.js" } }, "parallelism": 1 },
    });
    check("job/plain", &run(plain), 1);
    let full = json!({
        "metadata": { "name": "smoke", "namespace": "load" },
        "spec": {
            "script": { "volumeClaim": { "name": "claim", "file": "dir/smoke.js", "readOnly": true } },
            "parallelism": 4,
            "separate": true,
            "arguments": "  --out cloud\t--tag a=$(POD) ",
            "quiet": "false",
            "paused": "false",
            "token": "k6-token",
            "ports": [{ "containerPort": 5665, "name": "dashboard" }],
            "scuttle": { "enabled": "true" },
            "runner": {
                "automountServiceAccountToken": "false",
                "env": [{ "name": "A", "value": "b" }, { "name": "POD", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }],
                "envFrom": [{ "configMapRef": { "name": "c" } }],
                "image": "registry.example/k6:2",
                "imagePullPolicy": "Always",
                "imagePullSecrets": [{ "name": "pull" }],
                "metadata": { "labels": { "runner": "false", "team": "edge" }, "annotations": { "a": "b" } },
                "affinity": { "nodeAffinity": null },
                "nodeSelector": { "pool": "load" },
                "tolerations": [{ "operator": "Exists" }],
                "topologySpreadConstraints": [{ "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway" }],
                "resources": { "limits": { "cpu": 1 }, "requests": null },
                "serviceAccountName": "runners",
                "securityContext": { "runAsUser": 1 },
                "containerSecurityContext": { "privileged": false },
                "readinessProbe": { "httpGet": { "path": "/v1/status", "port": 6565 } },
                "livenessProbe": { "exec": { "command": ["true"] } },
                "initContainers": [{ "image": "busybox", "command": ["sh", "-c", "true"], "workingDir": "/", "restartPolicy": "Always" }],
                "volumes": [{ "name": "v", "emptyDir": {} }],
                "volumeMounts": [{ "name": "v", "mountPath": "/v" }],
                "priorityClassName": "high",
                "schedulerName": "mine",
            },
        },
        "status": { "testRunId": "77", "aggregationVars": "2|3s|8s|1s|1" },
    });
    check("job/full", &run(full), 4);
    let shell = json!({
        "metadata": { "name": "smoke", "namespace": "load" },
        "spec": { "script": { "localFile": "/scripts/smoke.js" }, "parallelism": 1, "arguments": "-e A=\"b c\"" },
    });
    check("job/local-file-arguments", &run(shell), 1);
}

#[track_caller]
fn no_null_in(value: &Value) {
    match value {
        Value::Null => panic!("a null"),
        Value::Array(list) => list.iter().for_each(no_null_in),
        Value::Object(map) => map.values().for_each(no_null_in),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn nothing_written_holds_a_null() {
    for (zone, data) in [(zones::plain_zone(), zones::plain_data()), (zones::full_zone(), zones::full_data())]
    {
        let run = plz(&zone, &data);
        no_null_in(&serde_json::to_value(&zone).unwrap());
        no_null_in(&serde_json::to_value(&run).unwrap());
        for index in 1..=run.runners() {
            no_null_in(&job(&run, index).unwrap());
        }
    }
}

#[test]
fn what_a_user_labels_cannot_hide_a_runner() {
    let labels = json!({ "app": "x", "k6_cr": "x", "runner": "x", "team": "edge" });
    let spec = json!({ "script": { "localFile": "/a" }, "runner": { "metadata": { "labels": labels } } });
    let job = job(&run(json!({ "metadata": { "name": "smoke" }, "spec": spec })), 1).unwrap();
    let wanted = json!({ "app": "k6", "k6_cr": "smoke", "runner": "true", "team": "edge" });
    assert_eq!(job["metadata"]["labels"], wanted);
    assert_eq!(job["spec"]["template"]["metadata"]["labels"], wanted);
}

#[test]
fn the_download_has_no_privilege_whatever_k6_has() {
    #[track_caller]
    fn check(given: &Value, kept: &Value) {
        let mut zone = zones::plain_zone();
        zone.spec.pod_template = serde_json::from_value(json!({
            "spec": { "containers": [{ "name": "k6", "securityContext": given }] }
        }))
        .unwrap();
        let job = job(&plz(&zone, &zones::plain_data()), 1).unwrap();
        let pod = &job["spec"]["template"]["spec"];
        let mut wanted = json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
        wanted.as_object_mut().unwrap().extend(kept.as_object().unwrap().clone());
        assert_eq!(pod["initContainers"][0]["securityContext"], wanted, "{given}");
        if !given.is_null() {
            assert_eq!(pod["containers"][0]["securityContext"], *given, "k6 has what it was given");
        }
    }
    check(&json!(null), &json!({}));
    check(
        &json!({ "privileged": true, "allowPrivilegeEscalation": true, "capabilities": { "add": ["SYS_ADMIN"] },
            "procMount": "Unmasked", "seccompProfile": { "type": "Unconfined" }, "appArmorProfile": { "type": "Unconfined" } }),
        &json!({}),
    );
    let confined = json!({ "runAsUser": 12345, "runAsGroup": 1, "runAsNonRoot": true, "readOnlyRootFilesystem": true,
        "seccompProfile": { "type": "RuntimeDefault" } });
    check(&confined, &confined);
}

#[test]
fn no_container_of_a_zones_run_has_a_token_of_the_cluster() {
    for zone in [zones::plain_zone(), zones::full_zone()] {
        let job = job(&plz(&zone, &zones::plain_data()), 1).unwrap();
        assert_eq!(job["spec"]["template"]["spec"]["automountServiceAccountToken"], json!(false));
    }
}

#[test]
fn a_run_without_a_script_has_no_job() {
    for script in
        [json!({}), json!(null), json!({ "configMap": { "name": "" }, "volumeClaim": { "name": "" } })]
    {
        assert_eq!(job(&run(json!({ "spec": { "script": script } })), 1), Err(Error::NoScript));
    }
}

#[test]
fn the_token_is_never_written_out() {
    let job = job(&plz(&zones::plain_zone(), &zones::plain_data()), 1).unwrap();
    let env = job["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    let token = env.iter().find(|variable| variable["name"] == TOKEN_VAR).unwrap();
    assert_eq!(
        token,
        &json!({ "name": TOKEN_VAR, "valueFrom": { "secretKeyRef": { "name": "k6-token", "key": "token" } } })
    );
}
