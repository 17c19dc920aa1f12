//! What clients ask before anything else: `/version`, `/api`, `/apis`, the resources of a group, and health.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::resource::{RESOURCES, Resource, Scope, Tracking};
use crate::http::Response;

/// The Kubernetes version that the server claims.
pub const MINOR: &str = "36";

/// The answer to a path outside of the resources; `None` when nothing is there. Of the plurals in `absent` nobody tells.
pub fn answer(path: &str, absent: &BTreeSet<&'static str>) -> Option<Response> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let value = match parts[..] {
        ["version"] => {
            json!({"major": "1", "minor": MINOR, "gitVersion": format!("v1.{MINOR}.0"), "gitCommit": "sim",
            "gitTreeState": "clean", "buildDate": "2026-01-01T00:00:00Z", "goVersion": "none", "compiler": "none",
            "platform": "linux/amd64"})
        }
        ["healthz" | "livez" | "readyz"] => return Some(Response::text(200, "ok")),
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ["apis"] => {
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups(absent).values().collect::<Vec<_>>()})
        }
        ["api", "v1"] => resources("", "v1", absent),
        ["apis", group] => groups(absent).get(group)?.clone(),
        ["apis", group, version] => {
            rows(absent).find(|row| row.group == group && row.version == version)?;
            resources(group, version, absent)
        }
        _ => return None,
    };
    Some(Response::json(200, &value))
}

fn rows(absent: &BTreeSet<&'static str>) -> impl Iterator<Item = &'static Resource> {
    RESOURCES.iter().filter(|row| !absent.contains(row.plural))
}

fn groups(absent: &BTreeSet<&'static str>) -> BTreeMap<&'static str, Value> {
    let group = |row: &Resource| {
        let version = json!({"groupVersion": row.api_version(), "version": row.version});
        json!({"kind": "APIGroup", "apiVersion": "v1", "name": row.group, "versions": [version], "preferredVersion": version})
    };
    rows(absent).filter(|row| !row.group.is_empty()).map(|row| (row.group, group(row))).collect()
}

fn resources(group: &str, version: &str, absent: &BTreeSet<&'static str>) -> Value {
    let mut list = Vec::new();
    for row in rows(absent).filter(|row| row.group == group && row.version == version) {
        let entry = |suffix: &str, verbs: &[&str]| {
            json!({"name": format!("{}{suffix}", row.plural), "singularName": row.name.to_lowercase(), "kind": row.name,
                "namespaced": row.scope == Scope::Namespaced, "verbs": verbs,
                "shortNames": if suffix.is_empty() { short_names(row.plural) } else { &[] }})
        };
        if row.plural == "selfsubjectaccessreviews" {
            list.push(entry("", &["create"]));
            continue;
        }
        list.push(entry(
            "",
            &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        ));
        if row.tracking != Tracking::Plain {
            list.push(entry("/status", &["get", "patch", "update"]));
        }
    }
    let version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": list})
}

fn short_names(plural: &str) -> &'static [&'static str] {
    match plural {
        "namespaces" => &["ns"],
        "pods" => &["po"],
        "events" => &["ev"],
        "configmaps" => &["cm"],
        "services" => &["svc"],
        "serviceaccounts" => &["sa"],
        "privateloadzones" => &["plz"],
        "customresourcedefinitions" => &["crd"],
        _ => &[],
    }
}
