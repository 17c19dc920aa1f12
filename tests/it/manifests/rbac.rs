//! The rights: those that the agent uses, each by name, and nothing that reaches further.

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

/// Fails unless a role has exactly the rights of `table`: lines of `group/resource verb verb …`.
fn check(role: &Value, table: &[&str]) {
    let mut expected = BTreeSet::new();
    for line in table {
        let (resource, verbs) = line.split_once(' ').expect("a resource and its verbs");
        expected.extend(verbs.split(' ').map(|verb| format!("{resource} {verb}")));
    }
    assert_eq!(rights(role), expected, "{}", role["metadata"]["name"]);
}

#[test]
fn the_agent_may_do_what_it_does_and_no_more() {
    check(
        &object(RBAC, "ClusterRole", "plz-agent"),
        &[
            "k6.io/privateloadzones list watch patch",
            "k6.io/privateloadzones/status patch",
            "k6.io/privateloadzones/finalizers update",
            "k6.io/testruns get list watch create patch delete",
            "k6.io/testruns/status patch",
            "k6.io/testruns/finalizers update",
            "batch/jobs get create delete",
            "/pods list watch",
            "/secrets get create",
            "/events list create",
            "coordination.k8s.io/leases list watch",
            "admissionregistration.k8s.io/validatingadmissionpolicybindings get",
        ],
    );
    check(
        &object(RBAC, "Role", "plz-agent-self"),
        &["/pods get", "coordination.k8s.io/leases get create patch"],
    );
    check(&object(PROXY, "ClusterRole", "plz-agent-proxy"), &["/pods/proxy get create update patch"]);
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
fn the_table_in_the_file_is_the_rules() {
    let text = read(RBAC);
    let rows = text.lines().filter_map(|line| line.strip_prefix("#   "));
    let mut table = BTreeSet::new();
    let mut resource = String::new();
    for row in rows.skip_while(|row| !row.starts_with("---")).skip(1) {
        let (what, verbs) = (row.get(..34).unwrap_or(row).trim(), row.get(34..61).unwrap_or_default());
        // A group whose name leaves no room for the resource has a row of its own.
        match (what, resource.ends_with(".io")) {
            ("", _) => {}
            (what, true) => resource = format!("{resource}/{what}"),
            (what, false) => resource = what.replace(' ', "/"),
        }
        // A Role's row says its namespace, the core group has no name.
        let right = resource.split(',').next().expect("split has a first part");
        let right = if right.contains(".io/") || right.starts_with("batch/") {
            right.to_owned()
        } else {
            format!("/{right}")
        };
        table.extend(verbs.split_whitespace().map(|verb| format!("{right} {verb}")));
    }
    let mut rules = rights(&object(RBAC, "ClusterRole", "plz-agent"));
    rules.extend(rights(&object(RBAC, "Role", "plz-agent-self")));
    assert_eq!(table, rules);
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
