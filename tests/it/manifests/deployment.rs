//! The Deployment, its namespace and the image: one agent, small, unprivileged, without a shell.

use serde_json::{Value, json};

use super::{document, object, read, strings};

fn deployment() -> Value {
    document("manifests/base/deployment.yaml")
}

fn pod() -> Value {
    deployment()["spec"]["template"]["spec"].clone()
}

fn container() -> Value {
    let pod = pod();
    assert_eq!(pod["containers"].as_array().map(Vec::len), Some(1), "one container");
    assert_eq!(pod.get("initContainers"), None);
    pod["containers"][0].clone()
}

#[test]
fn one_agent_runs_at_a_time() {
    let spec = deployment()["spec"].clone();
    assert_eq!(spec["replicas"], 1);
    assert_eq!(spec["strategy"], json!({"type": "Recreate"}));
    let labels = &spec["template"]["metadata"]["labels"];
    assert_eq!(&spec["selector"]["matchLabels"], labels, "the selector finds its pods");
    assert_eq!(pod()["terminationGracePeriodSeconds"], 5);
}

#[test]
fn the_pod_passes_the_restricted_profile() {
    let namespace = document("manifests/rbac/namespace.yaml");
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    assert_eq!(deployment()["metadata"]["namespace"], namespace["metadata"]["name"]);
    assert_eq!(
        pod()["securityContext"],
        json!({"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}})
    );
    assert_eq!(
        container()["securityContext"],
        json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
            "capabilities": {"drop": ["ALL"]},
        })
    );
    for field in ["hostNetwork", "hostPID", "hostIPC", "volumes"] {
        assert_eq!(pod().get(field), None, "{field}");
    }
}

#[test]
fn the_pod_gets_its_account_and_knows_its_name() {
    let account = object("manifests/rbac/rbac.yaml", "ServiceAccount", "plz-agent");
    assert_eq!(account["automountServiceAccountToken"], false);
    assert_eq!(pod()["serviceAccountName"], account["metadata"]["name"]);
    assert_eq!(pod()["automountServiceAccountToken"], true);
    assert_eq!(
        container()["env"],
        json!([
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        ])
    );
}

#[test]
fn the_kubelet_probes_where_the_agent_listens() {
    let container = container();
    let ports = json!([{"name": "http", "containerPort": 8080, "protocol": "TCP"}]);
    assert_eq!(container["ports"], ports);
    let listen = strings(&container["args"]).into_iter().find_map(|arg| arg.strip_prefix("--listen="));
    assert_eq!(listen, Some(":8080"));
    let probe = |path: &str, period: u64| json!({"httpGet": {"path": path, "port": "http"}, "periodSeconds": period, "timeoutSeconds": 2, "failureThreshold": 3});
    assert_eq!(container["livenessProbe"], probe("/healthz", 20));
    assert_eq!(container["readinessProbe"], probe("/readyz", 10));
    assert_eq!(container.get("startupProbe"), None, "it listens before it waits for anything");
}

#[test]
fn the_arguments_are_options_of_the_agent() {
    let container = container();
    let args = strings(&container["args"]).into_iter().map(std::ffi::OsString::from);
    let env = plz_agent::config::Env::default();
    assert!(plz_agent::config::parse(args, &env).is_ok());
}

#[test]
fn memory_is_bounded_and_the_processor_is_not() {
    assert_eq!(
        container()["resources"],
        json!({"requests": {"cpu": "5m", "memory": "8Mi"}, "limits": {"memory": "32Mi"}})
    );
}

#[test]
fn the_image_is_of_this_version_wherever_it_is_named() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(container()["image"], format!("plz-agent:{version}"));
    let overlay = document("manifests/cluster/kustomization.yaml");
    assert_eq!(overlay["images"][0]["name"], "plz-agent");
    assert_eq!(overlay["images"][0]["newTag"], version);
    for path in ["Dockerfile", "manifests/systemd/plz-agent.service"] {
        assert!(read(path).contains(version), "{path} names {version}");
    }
}

#[test]
fn the_image_holds_one_program_and_runs_as_the_user_of_the_pod() {
    let text = read("Dockerfile");
    let (_, last) = text.split_once("\nFROM scratch\n").expect("the last stage is empty");
    let lines = |instruction: &str| {
        last.lines().filter(|line| line.starts_with(instruction)).map(str::to_owned).collect::<Vec<_>>()
    };
    let held = ["COPY manifests/image/LICENSES /LICENSES", "COPY --from=build /plz-agent /plz-agent"];
    assert_eq!(lines("COPY"), held, "as manifests/image/oci-archive packs it");
    assert_eq!(lines("USER"), [format!("USER {0}:{0}", pod()["securityContext"]["runAsUser"])]);
    assert_eq!(lines("ENTRYPOINT"), [r#"ENTRYPOINT ["/plz-agent"]"#]);
    assert_eq!(lines("RUN"), Vec::<String>::new(), "there is no shell to run anything");
    assert!(container().get("command").is_none(), "the image's entry point is the command");
}
