//! What kustomize and Helm make of the files, as it is applied: every home has the same agent with the same rights.
//!
//! Owns: the files that `.ci/render` writes and compares. Leaves alone what is in the sources themselves.
//! Invariant: a check goes through every output in which it has a meaning; none is left out by being new.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

use plz_agent::config::{self, Command, Env, Namespaces};
use serde_json::{Value, json};

use super::{documents, object, read, strings};

/// How far an output reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// All namespaces.
    Cluster,
    /// Those in which it has Roles, and nothing cluster-wide.
    Namespaces,
}

/// Something to apply.
#[derive(Debug)]
struct Output {
    path: &'static str,
    reach: Reach,
    /// Whether runners are reached through the API server.
    uses_proxy: bool,
    agents: usize,
    /// Where the agent is to work; none for all namespaces.
    watches: &'static [&'static str],
}

#[rustfmt::skip]
const OUTPUTS: [Output; 7] = [
    Output { path: "manifests/k3s/plz-agent.yaml",                   reach: Reach::Cluster,    uses_proxy: false, agents: 1, watches: &[] },
    Output { path: "tests/golden/rendered/cluster.yaml",             reach: Reach::Cluster,    uses_proxy: false, agents: 1, watches: &[] },
    Output { path: "tests/golden/rendered/outside.yaml",             reach: Reach::Cluster,    uses_proxy: true,  agents: 0, watches: &[] },
    Output { path: "tests/golden/rendered/namespaced.yaml",          reach: Reach::Namespaces, uses_proxy: false, agents: 1, watches: &["k6-tests"] },
    Output { path: "tests/golden/rendered/helm-default.yaml",        reach: Reach::Cluster,    uses_proxy: false, agents: 1, watches: &[] },
    Output { path: "tests/golden/rendered/helm-namespaced.yaml",     reach: Reach::Namespaces, uses_proxy: false, agents: 1, watches: &["plz-agent-system", "team-b"] },
    Output { path: "tests/golden/rendered/helm-everything.yaml",     reach: Reach::Cluster,    uses_proxy: true,  agents: 1, watches: &["team-a", "team-b", "team-c"] },
];
/// Rights alone; the namespace is given when it is applied.
const WATCHED: &str = "tests/golden/rendered/watched.yaml";
/// No agent either: the Job that checks, which `check` looks into.
const CHECK: &str = "tests/golden/rendered/check-namespaced.yaml";

const NAMESPACED_KINDS: [&str; 10] = [
    "ConfigMap",
    "Deployment",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "PrometheusRule",
    "Role",
    "RoleBinding",
    "Service",
    "ServiceAccount",
    "ServiceMonitor",
];

/// The rules of roles as `group/resource[name …] verb`, one for each combination. The name of the agent's own Lease is for the
/// user to choose, hence a star.
fn rights<'a>(roles: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    for rule in roles.into_iter().flat_map(|role| role["rules"].as_array().expect("a role has rules")) {
        let names = rule.get("resourceNames").map(strings).unwrap_or_default().join(" ");
        let names = if names.ends_with("-agent") { "*" } else { &names };
        for group in strings(&rule["apiGroups"]) {
            for resource in strings(&rule["resources"]) {
                for verb in strings(&rule["verbs"]) {
                    rights.insert(format!("{group}/{resource}[{names}] {verb}"));
                }
            }
        }
    }
    rights
}

/// What the agent's account may do, by namespace; the empty one stands for the whole cluster. Fails on a binding to another
/// account, or to a role that is not there.
fn given(objects: &[Value]) -> BTreeMap<String, BTreeSet<String>> {
    let account = objects.iter().find(|object| object["kind"] == "ServiceAccount");
    let mut given: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for binding in objects.iter().filter(|object| object.get("roleRef").is_some()) {
        let (wanted, place) = (&binding["roleRef"], &binding["metadata"]["namespace"]);
        let role = objects.iter().find(|role| {
            role["kind"] == wanted["kind"]
                && role["metadata"]["name"] == wanted["name"]
                && role["metadata"]["namespace"] == *place
        });
        let role = role.unwrap_or_else(|| panic!("no role for {binding}"));
        assert_eq!(binding["subjects"].as_array().map(Vec::len), Some(1), "{binding}");
        let subject = &binding["subjects"][0];
        assert_eq!(subject["kind"], "ServiceAccount");
        if let Some(account) = account {
            assert_eq!(subject["name"], account["metadata"]["name"], "{binding}");
            assert_eq!(subject["namespace"], account["metadata"]["namespace"], "{binding}");
        }
        given.entry(place.as_str().unwrap_or_default().to_owned()).or_default().extend(rights([role]));
    }
    // Roles for people are added to those that they have, by label.
    let is_aggregated = |role: &Value| {
        let labels = role["metadata"]["labels"].as_object();
        labels.is_some_and(|labels| labels.keys().any(|label| label.contains("/aggregate-to-")))
    };
    let roles =
        objects.iter().filter(|object| object.get("rules").is_some() && !is_aggregated(object)).count();
    let bindings = objects.iter().filter(|object| object.get("roleRef").is_some()).count();
    assert_eq!(roles, bindings, "a role that nobody is given");
    given
}

/// The rights in a watched namespace, with the way through the API server if that is the way; then those in the agent's own.
fn shipped(uses_proxy: bool) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut roles = vec![object("manifests/rbac/rbac.yaml", "ClusterRole", "plz-agent")];
    if uses_proxy {
        roles.push(object("manifests/outside/proxy.yaml", "ClusterRole", "plz-agent-proxy"));
    }
    (rights(&roles), rights([&object("manifests/rbac/rbac.yaml", "Role", "plz-agent-self")]))
}

/// The Deployments of an output: as many as it should have.
fn deployments(output: &Output) -> Vec<Value> {
    let mut objects = documents(&read(output.path));
    objects.retain(|object| object["kind"] == "Deployment");
    assert_eq!(objects.len(), output.agents, "{}", output.path);
    objects
}

/// The container of the agent, the only one of its pod.
fn container(deployment: &Value) -> &Value {
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["containers"].as_array().map(Vec::len), Some(1));
    assert_eq!(pod.get("initContainers"), None);
    &pod["containers"][0]
}

#[test]
fn every_file_that_is_rendered_is_among_the_outputs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rendered");
    let found = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let found: BTreeSet<String> = found
        .map(|name| format!("tests/golden/rendered/{}", name.to_str().unwrap()))
        .filter(|path| !path.contains("/values-"))
        .collect();
    let known = OUTPUTS.iter().map(|output| output.path).filter(|path| path.starts_with("tests/"));
    assert_eq!(found, known.chain([WATCHED, CHECK]).map(str::to_owned).collect());
}

#[test]
fn every_output_gives_the_rights_that_are_shipped_and_no_others() {
    for output in &OUTPUTS {
        let objects = documents(&read(output.path));
        let (watched, own) = shipped(output.uses_proxy);
        let account = objects.iter().find(|object| object["kind"] == "ServiceAccount").expect("an account");
        let home = account["metadata"]["namespace"].as_str().expect("it has a namespace");
        let mut wanted = BTreeMap::from([(home.to_owned(), own)]);
        match output.reach {
            Reach::Cluster => drop(wanted.insert(String::new(), watched)),
            Reach::Namespaces => {
                for namespace in output.watches {
                    wanted.entry((*namespace).to_owned()).or_default().extend(watched.clone());
                }
            }
        }
        assert_eq!(given(&objects), wanted, "{}", output.path);
    }
}

#[test]
fn one_more_namespace_is_given_what_the_first_has() {
    let objects = documents(&read(WATCHED));
    assert!(objects.iter().all(|object| object["metadata"].get("namespace").is_none()), "kubectl gives it");
    assert_eq!(given(&objects), BTreeMap::from([(String::new(), shipped(false).0)]));
    assert_eq!(
        objects.iter().map(|object| object["kind"].as_str().unwrap()).collect::<Vec<_>>(),
        ["Role", "RoleBinding"]
    );
}

#[test]
fn a_namespaced_output_has_nothing_cluster_wide() {
    for output in OUTPUTS.iter().filter(|output| output.reach == Reach::Namespaces) {
        for object in documents(&read(output.path)) {
            let kind = object["kind"].as_str().unwrap();
            assert!(NAMESPACED_KINDS.contains(&kind), "{}: {kind}", output.path);
            assert!(object["metadata"]["namespace"].is_string(), "{}: {kind}", output.path);
        }
    }
}

#[test]
fn no_output_lists_secrets_or_has_a_wildcard() {
    for output in &OUTPUTS {
        for right in given(&documents(&read(output.path))).values().flatten() {
            let wildcard = right.replace("[*]", "").contains('*');
            let of_secrets = right.strip_prefix("/secrets[] ");
            let reads_one = of_secrets.is_none_or(|verb| ["get", "create"].contains(&verb));
            assert!(!wildcard && reads_one && !right.starts_with("/secrets[*"), "{}: {right}", output.path);
            assert!(output.uses_proxy || !right.contains("pods/proxy"), "{}: {right}", output.path);
        }
    }
}

/// Pod Security Standards, "restricted", as far as a pod spec can offend against it; and what is ours beyond that.
#[test]
fn every_pod_passes_the_restricted_profile() {
    for output in &OUTPUTS {
        for deployment in deployments(output) {
            let path = output.path;
            let pod = &deployment["spec"]["template"]["spec"];
            let security = &pod["securityContext"];
            assert_eq!(security["runAsNonRoot"], true, "{path}");
            assert!(security["runAsUser"].as_u64().is_some_and(|user| user > 0), "{path}");
            assert_eq!(security["seccompProfile"], json!({"type": "RuntimeDefault"}), "{path}");
            for field in ["hostNetwork", "hostPID", "hostIPC", "hostUsers"] {
                assert_eq!(pod.get(field), None, "{path}: {field}");
            }
            for volume in pod["volumes"].as_array().into_iter().flatten() {
                assert!(volume.get("configMap").is_some(), "{path}: {volume}");
            }
            let container = container(&deployment);
            let security = &container["securityContext"];
            assert_eq!(security["allowPrivilegeEscalation"], false, "{path}");
            assert_eq!(security["readOnlyRootFilesystem"], true, "{path}");
            assert_eq!(security["capabilities"], json!({"drop": ["ALL"]}), "{path}");
            assert_ne!(security["privileged"], true, "{path}");
            assert!(
                container["ports"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .all(|port| port.get("hostPort").is_none())
            );
            assert!(container.get("command").is_none(), "{path}: the image's entry point is the command");
            assert!(container["resources"]["limits"]["memory"].is_string(), "{path}");
            assert_eq!(container["resources"]["limits"].get("cpu"), None, "{path}");
        }
    }
}

/// The arguments and variables of a Deployment, as its container would get them.
fn start(deployment: &Value) -> (Vec<OsString>, Env) {
    let container = container(deployment);
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/testdata/ca.pem");
    let mut args: Vec<OsString> = Vec::new();
    for arg in container.get("args").map(strings).unwrap_or_default() {
        // The file is there in the pod alone.
        match arg.strip_prefix("--ca-file=/etc/plz-agent/ca/") {
            Some(_) => args.push(format!("--ca-file={}", bundle.display()).into()),
            None => args.push(arg.into()),
        }
    }
    let mut variables = vec![("KUBERNETES_SERVICE_HOST".to_owned(), "10.43.0.1".to_owned())];
    for variable in container["env"].as_array().into_iter().flatten() {
        let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
            Some("metadata.name") => "plz-agent-7d9c6b5f4-x2x4v",
            Some("metadata.namespace") => deployment["metadata"]["namespace"].as_str().unwrap(),
            _ => variable["value"].as_str().expect("a variable has a value"),
        };
        variables.push((variable["name"].as_str().unwrap().to_owned(), value.to_owned()));
    }
    (args, variables.into_iter().collect())
}

#[test]
fn the_agent_understands_what_every_output_tells_it() {
    for output in &OUTPUTS {
        for deployment in deployments(output) {
            let (args, env) = start(&deployment);
            let command = config::parse(args.into_iter(), &env);
            let Ok(Command::Run(config)) = command else { panic!("{}: {command:?}", output.path) };
            let wanted = match output.watches {
                [] => Namespaces::All,
                names => Namespaces::Named(names.iter().map(|name| (*name).to_owned()).collect()),
            };
            assert_eq!(config.namespaces, wanted, "{}", output.path);
        }
    }
}

#[test]
fn the_file_of_k3s_is_what_the_sources_have() {
    let sources = [
        "manifests/crds/privateloadzones.yaml",
        "manifests/crds/testruns.yaml",
        "manifests/rbac/namespace.yaml",
        "manifests/rbac/rbac.yaml",
        "manifests/tenants/policy.yaml",
        "manifests/tenants/roles.yaml",
    ];
    let base = super::document("manifests/base/kustomization.yaml");
    let of_base = strings(&base["resources"]).into_iter().filter(|path| path.ends_with(".yaml"));
    let of_base = of_base.map(|path| format!("manifests/base/{path}"));
    let mut wanted: Vec<Value> = sources
        .map(str::to_owned)
        .into_iter()
        .chain(of_base)
        .flat_map(|path| documents(&read(&path)))
        .collect();
    let mut found = documents(&read("manifests/k3s/plz-agent.yaml"));
    let by_name = |object: &Value| format!("{} {}", object["kind"], object["metadata"]["name"]);
    wanted.sort_by_key(by_name);
    found.sort_by_key(by_name);
    assert_eq!(found, wanted);
    assert_eq!(found.iter().filter(|object| object["kind"] == "Namespace").count(), 1);
}
