//! The Job that checks.

use serde_json::{Value, json};

use super::{document, object};

fn job() -> Value {
    document("manifests/check/job.yaml")
}

/// The pod of a Job or Deployment without what makes it one or the other.
fn pod(workload: &Value) -> Value {
    let mut pod = workload["spec"]["template"]["spec"].clone();
    let fields = pod.as_object_mut().unwrap();
    fields.remove("restartPolicy");
    fields.remove("terminationGracePeriodSeconds");
    let container = pod["containers"][0].as_object_mut().unwrap();
    for field in ["args", "ports", "livenessProbe", "readinessProbe", "startupProbe"] {
        container.remove(field);
    }
    pod
}

#[test]
fn what_is_checked_is_what_runs() {
    let deployment = document("manifests/base/deployment.yaml");
    assert_eq!(pod(&job()), pod(&deployment));
    assert_eq!(job()["metadata"]["namespace"], deployment["metadata"]["namespace"]);
    let args = |workload: &Value| {
        let args = &workload["spec"]["template"]["spec"]["containers"][0]["args"];
        args.as_array().cloned().unwrap_or_default()
    };
    let mut wanted = vec![json!("check")];
    wanted.extend(args(&deployment));
    assert_eq!(args(&job()), wanted);
}

#[test]
fn what_is_checked_is_what_runs_in_one_namespace_too() {
    let namespaced = "tests/golden/rendered/namespaced.yaml";
    let deployment = object(namespaced, "Deployment", "plz-agent");
    let job = document("tests/golden/rendered/check-namespaced.yaml");
    assert_eq!(pod(&job), pod(&deployment));
    assert_eq!(job["metadata"]["namespace"], deployment["metadata"]["namespace"]);
}

#[test]
fn it_runs_once_and_is_no_agent() {
    let job = job();
    let spec = &job["spec"];
    assert_eq!(
        (&spec["backoffLimit"], &spec["template"]["spec"]["restartPolicy"]),
        (&json!(0), &json!("Never"))
    );
    assert!(spec["ttlSecondsAfterFinished"].is_u64());
    let labels = &document("manifests/base/deployment.yaml")["spec"]["selector"]["matchLabels"];
    assert_ne!(
        &spec["template"]["metadata"]["labels"], labels,
        "the Deployment and its Service do not take it for theirs"
    );
}
