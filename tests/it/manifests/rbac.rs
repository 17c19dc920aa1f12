//! The shipped rights as an API server reads them: nothing in them reaches further than it should.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{document, documents, object, read, strings};

pub(super) const RBAC: &str = "manifests/rbac/rbac.yaml";
pub(super) const PROXY: &str = "manifests/outside/proxy.yaml";

/// Every right of a role as `group/resource verb`.
pub(super) fn rights(role: &Value) -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().expect("a role has rules") {
        for group in strings(&rule["apiGroups"]) {
            for resource in strings(&rule["resources"]) {
                rights
                    .extend(strings(&rule["verbs"]).iter().map(|verb| format!("{group}/{resource} {verb}")));
            }
        }
    }
    rights
}

#[test]
fn leases_are_reached_by_name() {
    let lease = document("manifests/base/deployment.yaml");
    let args = &lease["spec"]["template"]["spec"]["containers"][0]["args"];
    let own = strings(args).into_iter().find_map(|arg| arg.strip_prefix("--lease=").map(str::to_owned));
    let own = own.expect("the Deployment names its Lease");
    for (kind, role, name) in [
        ("ClusterRole", "plz-agent", plz_core::lease::operator::NAME),
        ("Role", "plz-agent-self", own.as_str()),
    ] {
        let role = object(RBAC, kind, role);
        let rules = role["rules"].as_array().unwrap();
        let mut leases = 0;
        for rule in rules.iter().filter(|rule| strings(&rule["resources"]).contains(&"leases")) {
            leases += 1;
            // A create has no name yet.
            let creates = strings(&rule["verbs"]) == ["create"];
            let names = rule.get("resourceNames").map(strings).unwrap_or_default();
            assert_eq!(names, if creates { vec![] } else { vec![name] }, "{kind}: {rule}");
        }
        assert!(leases > 0, "{kind}");
    }
}

#[test]
fn no_right_is_a_wildcard_or_lists_secrets() {
    for path in [RBAC, PROXY] {
        let mut roles = documents(&read(path));
        roles.retain(|object| object.get("rules").is_some());
        assert!(!roles.is_empty(), "{path} has roles");
        for right in roles.iter().flat_map(rights) {
            assert!(!right.contains('*'), "{path}: {right}");
            let of_secrets = right.strip_prefix("/secrets ");
            assert!(of_secrets.is_none_or(|verb| ["get", "create"].contains(&verb)), "{path}: {right}");
            assert!(
                !["escalate", "bind", "impersonate"].iter().any(|verb| right.ends_with(verb)),
                "{path}: {right}"
            );
        }
    }
}

#[test]
fn every_binding_gives_a_role_of_its_file_to_the_agent() {
    for path in [RBAC, PROXY] {
        let objects = documents(&read(path));
        for binding in objects.iter().filter(|object| object.get("roleRef").is_some()) {
            let role = &binding["roleRef"];
            assert!(
                objects.iter().any(|o| o["kind"] == role["kind"] && o["metadata"]["name"] == role["name"]),
                "{path}: {role}"
            );
            assert_eq!(binding["subjects"].as_array().map(Vec::len), Some(1), "{path}");
            let subject = &binding["subjects"][0];
            assert_eq!(subject["kind"], "ServiceAccount", "{path}");
            let account = object(RBAC, "ServiceAccount", subject["name"].as_str().unwrap());
            assert_eq!(account["metadata"]["namespace"], subject["namespace"], "{path}");
        }
    }
}

#[test]
fn the_proxy_is_for_agents_outside_alone() {
    let resources = |path: &str| document(path)["resources"].clone();
    assert!(strings(&resources("manifests/outside/kustomization.yaml")).contains(&"proxy.yaml"));
    for inside in ["base", "cluster", "rbac"] {
        let kustomization = resources(&format!("manifests/{inside}/kustomization.yaml"));
        assert!(
            !strings(&kustomization).iter().any(|r| r.contains("proxy") || r.contains("outside")),
            "{inside}"
        );
    }
}
