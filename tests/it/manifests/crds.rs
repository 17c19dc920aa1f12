//! The custom resources: their names and columns, what they accept, keep and refuse.

use serde_json::{Value, json};

use super::schema::{Verdict, admit, structural_errors};
use super::{document, documents, read, strings};

const ZONES: &str = "manifests/crds/privateloadzones.yaml";
const TEST_RUNS: &str = "manifests/crds/testruns.yaml";

/// The only version of a custom resource.
fn version(path: &str) -> Value {
    let crd = document(path);
    let versions = crd["spec"]["versions"].as_array().expect("a custom resource has versions");
    assert_eq!(versions.len(), 1, "{path}");
    versions[0].clone()
}

/// Prunes, defaults and validates an object by the schema of its kind.
fn admitted(object: &mut Value) -> Verdict {
    let path = match object["kind"].as_str() {
        Some("PrivateLoadZone") => ZONES,
        Some("TestRun") => TEST_RUNS,
        kind => panic!("{kind:?} is none of our kinds"),
    };
    admit(&version(path)["schema"]["openAPIV3Schema"], object)
}

/// The smallest object of a kind, changed by a merge patch; fails unless the only error begins with `expected`, or there is none.
fn check(kind: &str, patch: &Value, expected: Option<&str>) {
    let spec = match kind {
        "PrivateLoadZone" => json!({"token": "t", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}),
        _ => json!({"parallelism": 1, "script": {"localFile": "/test/archive.tar"}}),
    };
    let mut object =
        json!({"apiVersion": "k6.io/v1alpha1", "kind": kind, "metadata": {"name": "x"}, "spec": spec});
    overlay(&mut object, patch);
    let verdict = admitted(&mut object);
    match expected {
        None => assert!(verdict.errors.is_empty(), "{kind} {patch}: {verdict:?}"),
        Some(start) => {
            assert!(
                verdict.errors.len() == 1 && verdict.errors[0].starts_with(start),
                "{kind} {patch}: expected {start}, got {verdict:?}"
            );
        }
    }
}

/// Lays `patch` over `object`. Unlike a merge patch it puts nulls in, for nulls are what is tried; `"-"` takes a field away.
fn overlay(object: &mut Value, patch: &Value) {
    match (object, patch) {
        (Value::Object(object), Value::Object(patch)) => {
            for (name, value) in patch {
                if value == "-" {
                    object.remove(name);
                } else {
                    overlay(object.entry(name.clone()).or_insert_with(|| json!({})), value);
                }
            }
        }
        (object, patch) => *object = patch.clone(),
    }
}

#[test]
fn names_are_those_of_k6_operator() {
    let names = |path| {
        let crd = document(path);
        let spec = &crd["spec"];
        assert_eq!(crd["apiVersion"], "apiextensions.k8s.io/v1");
        assert_eq!(
            crd["metadata"]["name"],
            format!("{}.{}", spec["names"]["plural"].as_str().unwrap(), spec["group"].as_str().unwrap())
        );
        assert_eq!((&spec["group"], &spec["scope"]), (&json!("k6.io"), &json!("Namespaced")));
        let version = version(path);
        assert_eq!(version["name"], "v1alpha1");
        assert_eq!((&version["served"], &version["storage"]), (&json!(true), &json!(true)));
        assert_eq!(version["subresources"], json!({"status": {}}));
        ["kind", "listKind", "plural", "singular"]
            .map(|name| spec["names"][name].as_str().unwrap().to_owned())
    };
    assert_eq!(
        names(ZONES),
        ["PrivateLoadZone", "PrivateLoadZoneList", "privateloadzones", "privateloadzone"]
    );
    assert_eq!(names(TEST_RUNS), ["TestRun", "TestRunList", "testruns", "testrun"]);
}

#[test]
fn columns_show_what_a_person_asks_for() {
    let columns = |path| {
        let version = version(path);
        let columns = version["additionalPrinterColumns"].as_array().unwrap().clone();
        columns.into_iter().map(|c| [c["name"].clone(), c["jsonPath"].clone()]).collect::<Vec<_>>()
    };
    assert_eq!(
        columns(ZONES),
        [
            [json!("Registered"), json!(r#".status.conditions[?(@.type=="PLZRegistered")].status"#)],
            [json!("Age"), json!(".metadata.creationTimestamp")],
            [json!("Message"), json!(r#".status.conditions[?(@.type=="PLZRegistered")].message"#)],
        ]
    );
    assert_eq!(
        columns(TEST_RUNS),
        [
            [json!("Stage"), json!(".status.stage")],
            [json!("Age"), json!(".metadata.creationTimestamp")],
            [json!("TestRunID"), json!(".status.testRunId")],
        ]
    );
}

#[test]
fn schemas_are_structural() {
    for path in [ZONES, TEST_RUNS] {
        let schema = &version(path)["schema"]["openAPIV3Schema"];
        assert_eq!(structural_errors(schema, path), Vec::<String>::new());
    }
}

#[test]
fn samples_are_accepted_and_nothing_of_them_is_lost() {
    for path in [
        "tests/golden/samples/zone-full.yaml",
        "tests/golden/samples/testrun-full.yaml",
        "manifests/samples/zone.yaml",
    ] {
        let mut ours = documents(&read(path));
        ours.retain(|object| object["apiVersion"] == "k6.io/v1alpha1");
        assert!(!ours.is_empty(), "{path} has one of our objects");
        for object in &mut ours {
            let verdict = admitted(object);
            assert_eq!((verdict.pruned, verdict.errors), (vec![], vec![]), "{path}");
        }
    }
}

#[test]
fn samples_name_every_declared_field() {
    for (crd, sample) in [
        (ZONES, "tests/golden/samples/zone-full.yaml"),
        (TEST_RUNS, "tests/golden/samples/testrun-full.yaml"),
    ] {
        let mut missing = Vec::new();
        unnamed(&version(crd)["schema"]["openAPIV3Schema"], &document(sample), "", &mut missing);
        assert_eq!(missing, Vec::<String>::new(), "{sample}");
    }
}

/// The declared fields that no part of `value` has.
fn unnamed(schema: &Value, value: &Value, path: &str, missing: &mut Vec<String>) {
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        match value.get(name) {
            None => missing.push(path),
            Some(Value::Array(items)) => {
                // A field is named when any of the items has it, so the items are laid over each other.
                let mut all = json!({});
                items.iter().for_each(|item| overlay(&mut all, item));
                unnamed(&child["items"], &all, &path, missing);
            }
            Some(value) => unnamed(child, value, &path, missing),
        }
    }
}

#[test]
fn defaults_are_those_of_k6_operator() {
    let mut run = document("tests/golden/samples/testrun-null-settings.yaml");
    run["spec"]["initializer"] = json!({"image": "grafana/k6"});
    let verdict = admitted(&mut run);
    assert_eq!(verdict.errors, Vec::<String>::new());
    assert_eq!((&run["spec"]["quiet"], &run["spec"]["paused"]), (&json!("true"), &json!("true")));
    assert_eq!(run["spec"]["initializer"]["disabled"], false);
    assert_eq!(run["spec"].get("starter"), None, "a default makes no object where there was none");
}

#[test]
#[rustfmt::skip]
fn zones_are_accepted_or_refused() {
    let zone = |patch, expected| check("PrivateLoadZone", &patch, expected);
    //   patch over the smallest zone                                            error
    zone(json!({}),                                                              None);
    zone(json!({"spec": {"resources": {"limits": {"cpu": 2, "memory": 1e9 as i64}}}}), None);
    zone(json!({"spec": {"token": "-"}}),                                        Some(".spec.token: required"));
    zone(json!({"spec": {"token": null}}),                                       Some(".spec.token: required"));
    zone(json!({"spec": {"resources": "-"}}),                                    Some(".spec.resources: required"));
    zone(json!({"spec": {"resources": {"limits": "-"}}}),                        Some(".spec.resources: resources.limits must name both"));
    zone(json!({"spec": {"resources": {"limits": {"cpu": "-"}}}}),               Some(".spec.resources: resources.limits must name both"));
    zone(json!({"spec": {"resources": {"limits": {"memory": "-"}}}}),            Some(".spec.resources: resources.limits must name both"));
    zone(json!({"spec": {"resources": {"limits": {"memory": "lots"}}}}),         Some(".spec.resources.limits.memory: \"lots\" does not match"));
    zone(json!({"spec": {"resources": {"limits": {"cpu": 0.5}}}}),               Some(".spec.resources.limits.cpu: 0.5 is not"));
    zone(json!({"spec": {"podTemplate": {"spec": {"containers": null}}}}),       Some(".spec.podTemplate.spec.containers: required"));
    zone(json!({"spec": {"podTemplate": {"spec": {}}}}),                         Some(".spec.podTemplate.spec.containers: required"));
    zone(json!({"spec": {"podTemplate": {"spec": {"containers": [{}]}}}}),       Some(".spec.podTemplate.spec.containers[0].name: required"));
    zone(json!({"spec": {"nodeSelector": {"disk": true}}}),                      Some(".spec.nodeSelector.disk: true"));
    zone(json!({"spec": {"podTemplate": {"metadata": {"labels": {"a": 1}}}}}),   Some(".spec.podTemplate.metadata.labels.a: 1"));
}

#[test]
#[rustfmt::skip]
fn test_runs_are_accepted_or_refused() {
    let run = |patch, expected| check("TestRun", &patch, expected);
    //  patch over the smallest test run                           error
    run(json!({}),                                                 None);
    run(json!({"spec": {"script": {"configMap": {"name": ""}, "volumeClaim": {"name": ""}}}}), None);
    run(json!({"spec": {"script": "test.js"}}),                    Some(".spec.script: \"test.js\""));
    run(json!({"spec": {"script": "-"}}),                          Some(".spec.script: required"));
    run(json!({"spec": {"script": {"configMap": {"file": "a"}}}}), Some(".spec.script.configMap.name: required"));
    run(json!({"spec": {"parallelism": "-"}}),                     Some(".spec.parallelism: required"));
    run(json!({"spec": {"parallelism": "3"}}),                     Some(".spec.parallelism: \"3\""));
    run(json!({"spec": {"parallelism": 1_i64 << 31}}),             Some(".spec.parallelism: 2147483648"));
    run(json!({"spec": {"cleanup": "pre"}}),                       Some(".spec.cleanup: \"pre\" is none of"));
    run(json!({"spec": {"cleanup": ""}}),                          Some(".spec.cleanup: \"\" is none of"));
    run(json!({"spec": {"parallelism": null}}),                    Some(".spec.parallelism: required"));
    run(json!({"spec": {"args": [null]}}),                         Some(".spec.args[0]: null"));
    run(json!({"spec": {"quiet": false}}),                         Some(".spec.quiet: false"));
    run(json!({"spec": {"args": "--vus 1"}}),                      Some(".spec.args: \"--vus 1\""));
    run(json!({"spec": {"runner": {"env": [{"value": "a"}]}}}),    Some(".spec.runner.env[0].name: required"));
    run(json!({"spec": {"runner": {"volumeMounts": [{"name": "a"}]}}}), Some(".spec.runner.volumeMounts[0].mountPath: required"));
    run(json!({"spec": {"initializer": {"automountServiceAccountToken": true}}}), Some(".spec.initializer.automountServiceAccountToken: true"));
    // What people get wrong in what is Kubernetes' own: found now, and not when the Jobs are made.
    run(json!({"spec": {"runner": {"env": [{"name": "A", "value": 5}]}}}), Some(".spec.runner.env[0].value: 5"));
    run(json!({"spec": {"runner": {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s"}}}]}}}), Some(".spec.runner.env[0].valueFrom.secretKeyRef.key: required"));
    run(json!({"spec": {"starter": {"env": [{"name": "A", "valueFrom": {"fieldRef": {}}}]}}}), Some(".spec.starter.env[0].valueFrom.fieldRef.fieldPath: required"));
    run(json!({"spec": {"runner": {"initContainers": [{"env": [{"name": "A", "value": true}]}]}}}), Some(".spec.runner.initContainers[0].env[0].value: true"));
    run(json!({"spec": {"runner": {"resources": {"limits": {"memory": "1 GB"}}}}}), Some(".spec.runner.resources.limits.memory: \"1 GB\" does not match"));
    run(json!({"spec": {"runner": {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone"}]}}}), Some(".spec.runner.topologySpreadConstraints[0].whenUnsatisfiable: required"));
    run(json!({"spec": {"runner": {"affinity": {"nodeAffinity": []}}}}), Some(".spec.runner.affinity.nodeAffinity: []"));
    run(json!({"spec": {"runner": {"livenessProbe": {"periodSeconds": "10"}}}}), Some(".spec.runner.livenessProbe.periodSeconds: \"10\""));
    run(json!({"spec": {"runner": {"readinessProbe": {"httpGet": {"path": "/"}}}}}), Some(".spec.runner.readinessProbe.httpGet.port: required"));
    run(json!({"spec": {"runner": {"securityContext": {"runAsUser": "1000"}}}}), Some(".spec.runner.securityContext.runAsUser: \"1000\""));
    run(json!({"spec": {"runner": {"containerSecurityContext": {"capabilities": {"drop": "ALL"}}}}}), Some(".spec.runner.containerSecurityContext.capabilities.drop: \"ALL\""));
    run(json!({"spec": {"runner": {"tolerations": [{"tolerationSeconds": "60"}]}}}), Some(".spec.runner.tolerations[0].tolerationSeconds: \"60\""));
    run(json!({"spec": {"runner": {"initContainers": [{"command": "sh"}]}}}), Some(".spec.runner.initContainers[0].command: \"sh\""));
    run(json!({"spec": {"runner": {"volumes": [{"name": "a", "persistentVolumeClaim": {}}]}}}), Some(".spec.runner.volumes[0].persistentVolumeClaim.claimName: required"));
    run(json!({"status": {"stage": "running"}}),                   Some(".status.stage: \"running\" is none of"));
}

#[test]
fn nulls_are_dropped_where_a_field_is_declared() {
    let mut run = document("tests/golden/samples/testrun-null-settings.yaml");
    let verdict = admitted(&mut run);
    assert_eq!(verdict.errors, Vec::<String>::new());
    let spec = &run["spec"];
    assert_eq!((spec.get("args"), spec.get("cleanup")), (None, None));
    assert_eq!(
        spec["runner"],
        json!({"securityContext": {"seLinuxOptions": {"level": null}}, "disabled": false}),
        "but not further down"
    );
}

#[test]
#[rustfmt::skip]
fn conditions_are_those_of_kubernetes() {
    for kind in ["PrivateLoadZone", "TestRun"] {
        let condition = |patch: &Value, expected| {
            let mut condition = json!({"type": "T", "status": "True", "reason": "R", "message": "", "lastTransitionTime": "2026-01-02T03:04:05Z"});
            overlay(&mut condition, patch);
            check(kind, &json!({"status": {"conditions": [condition]}}), expected);
        };
        //         patch over the smallest condition     error
        condition(&json!({}),                            None);
        condition(&json!({"observedGeneration": 1}),     None);
        condition(&json!({"status": "true"}),            Some(".status.conditions[0].status: \"true\" is none of"));
        condition(&json!({"reason": ""}),                Some(".status.conditions[0].reason"));
        condition(&json!({"reason": "not a reason"}),    Some(".status.conditions[0].reason"));
        condition(&json!({"reason": "7"}),               Some(".status.conditions[0].reason"));
        condition(&json!({"message": "-"}),              Some(".status.conditions[0].message: required"));
        condition(&json!({"observedGeneration": -1}),    Some(".status.conditions[0].observedGeneration"));
        let twice = json!({"type": "T", "status": "True", "reason": "R", "message": "", "lastTransitionTime": "2026-01-02T03:04:05Z"});
        check(kind, &json!({"status": {"conditions": [twice, twice]}}), Some(".status.conditions: \"T\" twice"));
    }
}

#[test]
fn lists_merge_as_their_readers_expect() {
    let run = version(TEST_RUNS);
    let run = &run["schema"]["openAPIV3Schema"]["properties"];
    assert_eq!(run["spec"]["properties"]["args"]["x-kubernetes-list-type"], "atomic");
    let zone = version(ZONES);
    for status in [&run["status"], &zone["schema"]["openAPIV3Schema"]["properties"]["status"]] {
        let conditions = &status["properties"]["conditions"];
        assert_eq!(conditions["x-kubernetes-list-type"], "map");
        assert_eq!(strings(&conditions["x-kubernetes-list-map-keys"]), ["type"]);
    }
}

/// What pod security `restricted` asks of a pod, as `k8s.io/pod-security-admission` checks it in version 1.36.
#[test]
fn the_restricted_sample_makes_pods_that_fit() {
    let zone = document("manifests/samples/zone-restricted.yaml");
    let mut zone: plz_core::api::zone::PrivateLoadZone = serde_json::from_value(zone).unwrap();
    zone.metadata.uid = "u".to_owned();
    let data = br#"{"id":1,"k8s_load_zones_config":{"load_runner_image":"grafana/k6","instance_count":1,
        "k6_archive_temp_public_url":"https://a/b"},"load_zone_distribution":{"l":{"loadZone":"my-zone"}}}"#;
    let data = plz_core::cloud::reply::test_run_data(data).unwrap();
    let settings = sim::drive::settings(1).template;
    let run = plz_core::testrun::template::test_run(&zone, "1".parse().unwrap(), &data, &settings).unwrap();
    let pod = plz_core::testrun::jobs::runner::job(&run, 1).unwrap()["spec"]["template"]["spec"].clone();
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{pod:#}");
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{pod:#}");
    assert_ne!(pod["securityContext"]["runAsUser"], 0);
    for list in ["initContainers", "containers"] {
        for container in pod[list].as_array().unwrap() {
            let security = &container["securityContext"];
            assert_eq!(security["allowPrivilegeEscalation"], false, "{container:#}");
            assert_eq!(security["capabilities"], serde_json::json!({"drop": ["ALL"]}), "{container:#}");
            assert!(security["privileged"].is_null() && container["ports"][0]["hostPort"].is_null());
        }
    }
    let allowed = ["emptyDir", "secret", "configMap", "projected"];
    for volume in pod["volumes"].as_array().unwrap() {
        assert!(allowed.iter().any(|kind| !volume[*kind].is_null()), "{volume:#}");
    }
    for host in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(pod[host].is_null());
    }
}
