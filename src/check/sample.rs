//! A test run as the agent would write it, with every field that it can write, and what an API server leaves of it.
//!
//! Pure. Owns the zone and the data that the sample is made of; the making is `zone::template`'s, so that the sample is what
//! a real run would be. Invariant: the sample is owned by nobody and starts nothing even if somebody stored it: it has no
//! `testRunId` that GCk6 knows, and is sent as a dry run alone.

use k8s::Request;
use serde_json::Value;

use plz_core::api::zone::PrivateLoadZone;
use plz_core::cloud::{self, RunId};
use plz_core::testrun::template::{self, Settings};

/// A zone with each field from which something is taken over.
const ZONE: &str = r#"{"metadata":{"name":"check"},"spec":{"token":"check","image":"check",
"resources":{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"1"}},
"serviceAccountName":"check","nodeSelector":{"check":"check"},"imagePullSecrets":[{"name":"check"}],
"config":{"secrets":[{"secretRef":{"name":"check"}}]},
"podTemplate":{"metadata":{"labels":{"check":"check"},"annotations":{"check":"check"}},
"spec":{"securityContext":{"runAsUser":1},"tolerations":[{"key":"check","operator":"Exists"}],
"containers":[{"name":"check","securityContext":{"runAsUser":1}}]}}}}"#;

/// Data with all that a runner cannot do without.
const DATA: &str = r#"{"k8s_load_zones_config":{"load_runner_image":"check","instance_count":1,
"k6_archive_temp_public_url":"https://check.invalid/check"},"load_zone_distribution":{"check":{"loadZone":"check"}}}"#;

/// The creation of the sample in a namespace, as a dry run: admitted and validated, never stored.
pub(super) fn dry_run(namespace: &str, settings: &Settings) -> (Request, Value) {
    // From bytes, as everything is read: reading from text would be the same code once more.
    let zone: PrivateLoadZone =
        serde_json::from_slice(ZONE.as_bytes()).expect("it is a literal that a test reads");
    let data = cloud::reply::test_run_data(DATA.as_bytes()).expect("it is a literal that a test reads");
    let mut run = template::test_run(&zone, RunId(0), &data, settings).expect("it has all that a run needs");
    "plz-agent-check".clone_into(&mut run.metadata.name);
    run.metadata.namespace.clear();
    run.metadata.owner_references.clear();
    let mut request = plz_core::api::run::RESOURCE.create(Some(namespace), &run);
    let sent = serde_json::from_slice(&request.body).expect("what was written is JSON");
    request.target.push_str("?dryRun=All");
    (request, sent)
}

/// The fields of `sent` that are missing in `kept`, as paths.
pub(super) fn lost(sent: &Value, kept: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    compare(sent, kept, "", &mut paths);
    paths
}

fn compare(sent: &Value, kept: &Value, path: &str, paths: &mut Vec<String>) {
    match (sent, kept) {
        (Value::Object(sent), kept) => {
            for (name, sent) in sent {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{name}");
                match kept.get(name) {
                    Some(kept) => compare(sent, kept, &path, paths),
                    None => paths.push(path),
                }
            }
        }
        (Value::Array(sent), kept) => {
            for (at, sent) in sent.iter().enumerate() {
                let path = format!("{path}[{at}]");
                match kept.get(at) {
                    Some(kept) => compare(sent, kept, &path, paths),
                    None => paths.push(path),
                }
            }
        }
        // Defaults and other spellings of a quantity are the API server's business.
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use plz_core::testrun::network::RunnerNetwork;

    fn settings() -> Settings {
        Settings {
            fetch_image: "i".to_owned(),
            ingest: "https://i".to_owned(),
            network: RunnerNetwork::default(),
        }
    }

    #[test]
    fn the_sample_is_never_stored_and_has_what_runs_have() {
        let (request, sent) = dry_run("ns", &settings());
        assert_eq!(request.target, "/apis/k6.io/v1alpha1/namespaces/ns/testruns?dryRun=All");
        let runner = &sent["spec"]["runner"];
        for field in [
            "image",
            "env",
            "envFrom",
            "initContainers",
            "volumes",
            "volumeMounts",
            "resources",
            "nodeSelector",
            "serviceAccountName",
            "imagePullSecrets",
            "tolerations",
            "metadata",
            "securityContext",
            "containerSecurityContext",
        ] {
            assert!(!runner[field].is_null(), "{field}: {runner}");
        }
        assert_eq!(runner["initContainers"][0]["args"][0], "fetch");
        assert!(sent["spec"]["args"].is_array() && sent["metadata"].get("ownerReferences").is_none());
    }

    #[test]
    fn what_is_pruned_is_named() {
        let sent = json!({"spec": {"args": ["a", "b"], "runner": {"initContainers": [{"name": "x", "args": ["fetch"]}]}, "n": 1}});
        let check = |kept: Value, wanted: &[&str]| assert_eq!(lost(&sent, &kept), wanted, "{kept}");
        check(sent.clone(), &[]);
        check(
            json!({"spec": {"args": ["a", "b"], "runner": {"initContainers": [{"name": "x"}]}, "n": "1", "more": 1}, "kind": "T"}),
            &["spec.runner.initContainers[0].args"],
        );
        check(
            json!({"spec": {"runner": null, "args": ["a"], "n": 1}}),
            &["spec.args[1]", "spec.runner.initContainers"],
        );
        check(json!({}), &["spec"]);
    }
}
