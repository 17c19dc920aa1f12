//! The Job that checks, and that what `check` asks for is what the shipped rules grant.

use std::collections::BTreeSet;

use plz_agent::check::rights::{Place, RIGHTS, Right, When};
use serde_json::{Value, json};

use super::rbac::{PROXY, RBAC, rights};
use super::{document, object};

/// The rights of the table that `is_meant` chooses, as `group/resource verb`.
fn asked(is_meant: impl Fn(&Right) -> bool) -> BTreeSet<String> {
    let mut asked = BTreeSet::new();
    for right in RIGHTS.iter().filter(|right| is_meant(right)) {
        let slash = if right.subresource.is_empty() { "" } else { "/" };
        let resource =
            format!("{}/{}{slash}{}", right.resource.group, right.resource.plural, right.subresource);
        asked.extend(right.verbs.iter().map(|verb| format!("{resource} {verb}")));
    }
    asked
}

#[test]
fn what_is_asked_for_is_what_is_granted() {
    let is_watched = |right: &Right| matches!(right.place, Place::Watched | Place::Lookout | Place::Cluster);
    let watched = asked(|right| is_watched(right) && right.when != When::ProxyAccess);
    assert_eq!(watched, rights(&object(RBAC, "ClusterRole", "plz-agent")));
    assert_eq!(asked(|right| !is_watched(right)), rights(&object(RBAC, "Role", "plz-agent-self")));
    let proxy = asked(|right| right.when == When::ProxyAccess);
    assert_eq!(proxy, rights(&object(PROXY, "ClusterRole", "plz-agent-proxy")));
}

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
