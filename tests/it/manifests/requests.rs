//! What the agent asks of an API server, read off its source, against what the shipped rules permit.
//!
//! Owns: finding every request that the code can build. Leaves alone whether it builds it at the right time; in the end-to-end
//! tests the server refuses what the rules do not permit. Invariant: a request that is built in a way that this module does
//! not know is a failure, and never one that is passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use k8s::request::Attributes;
use k8s::resource::{ListOptions, WatchOptions};
use k8s::{Method, Resource};
use serde_json::{Value, json};

use super::{object, read};

/// The resources by the names that the source has for them.
const RESOURCES: [(&str, Resource); 9] = [
    ("PODS", k8s::PODS),
    ("SECRETS", k8s::SECRETS),
    ("EVENTS", k8s::EVENTS),
    ("JOBS", k8s::JOBS),
    ("LEASES", k8s::resource::LEASES),
    ("ADMISSION_POLICY_BINDINGS", k8s::ADMISSION_POLICY_BINDINGS),
    ("CRDS", k8s::resource::CRDS),
    ("zone RESOURCE", plz_core::api::zone::RESOURCE),
    ("testrun RESOURCE", plz_core::api::run::RESOURCE),
];

/// Rights that are asked for without a request of their own: admission asks them of whoever sets `blockOwnerDeletion`.
const OF_OWNERS: [&str; 2] = ["k6.io/privateloadzones/finalizers update", "k6.io/testruns/finalizers update"];

/// What authorization sees of each builder of a resource.
fn builders(resource: Resource) -> BTreeMap<&'static str, Attributes> {
    let (place, name, empty) = (Some("n"), "x", json!({}));
    BTreeMap::from([
        ("get", resource.get(place, name).attributes),
        ("find", resource.find(place, name).attributes),
        ("list", resource.list(place, &ListOptions::default()).attributes),
        ("watch", resource.watch(place, &WatchOptions::default()).attributes),
        ("create", resource.create(place, &empty).attributes),
        ("merge_patch", resource.merge_patch(place, name, &empty).attributes),
        ("merge_patch_status", resource.merge_patch_status(place, name, &empty).attributes),
        ("delete", resource.delete(place, name, None).attributes),
    ])
}

fn right(seen: &Attributes) -> String {
    let slash = if seen.subresource.is_empty() { "" } else { "/" };
    format!("{}/{}{slash}{} {}", seen.group, seen.resource, seen.subresource, seen.verb)
}

/// The agent's sources without their tests, by path.
fn sources() -> Vec<(String, String)> {
    fn visit(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.file_stem().is_some_and(|name| name == "tests") {
                continue;
            }
            if path.is_dir() {
                visit(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
                found.push((path.display().to_string(), text));
            }
        }
    }
    let mut found = Vec::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 50, "{}", found.len());
    found
}

/// The resource whose name ends just before a place in a source.
fn resource_before(path: &str, text: &str) -> Option<Resource> {
    let word = text.rsplit(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).next()?;
    let mut parts = word.rsplit("::");
    let name = parts.next()?;
    if name != "RESOURCE" {
        return RESOURCES.iter().find(|(known, _)| *known == name).map(|(_, resource)| *resource);
    }
    let of_runs = match parts.next() {
        Some(module) => matches!(module, "run" | "run_api" | "testrun"),
        None => path.ends_with("/api/run/mod.rs"),
    };
    let name = if of_runs { "testrun RESOURCE" } else { "zone RESOURCE" };
    RESOURCES.iter().find(|(known, _)| *known == name).map(|(_, resource)| *resource)
}

/// A source as one line, without comments and imports.
fn statements(text: &str) -> String {
    // rustfmt may put a builder on a line of its own.
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let joined = lines.collect::<Vec<_>>().join("").replace(", ", ",");
    joined
        .split_inclusive(';')
        .filter(|statement| !statement.starts_with("use ") && !statement.starts_with("pub use "))
        .collect()
}

/// Every right that some line of the agent needs.
fn needed() -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    // The table of what `check` asks about holds resources, and sends nothing.
    for (path, text) in sources().into_iter().filter(|(path, _)| !path.ends_with("src/check/rights.rs")) {
        let text = statements(&text);
        let names: BTreeSet<&str> =
            RESOURCES.iter().filter_map(|(name, _)| name.split(' ').next_back()).collect();
        for name in names {
            for (at, _) in text.match_indices(name) {
                let (before, after) = (&text[..at], &text[at + name.len()..]);
                let is_word = |c: char| c.is_alphanumeric() || c == '_';
                if before.ends_with(is_word) || after.starts_with(is_word) {
                    continue;
                }
                let is_definition = before.ends_with("const ");
                let is_text = text.contains(&format!("const {name}: &str"));
                let is_watched =
                    before.rsplit_once('(').is_some_and(|(head, _)| head.ends_with("WatchSpec::new"));
                if is_definition || is_text || is_watched {
                    continue;
                }
                let resource = resource_before(&path, &text[..at + name.len()]).expect("a known name");
                let method =
                    after.strip_prefix('.').unwrap_or_else(|| panic!("{path} uses {name} in a new way"));
                let method = &method[..method.find(|c: char| !is_word(c)).expect("something follows")];
                if matches!(method, "plural" | "group" | "version" | "api_version") {
                    continue;
                }
                let builders = builders(resource);
                let built = builders.get(method).unwrap_or_else(|| panic!("{path}: {name}.{method} is new"));
                needed.insert(right(built));
            }
        }
        for (at, start) in text.match_indices("WatchSpec::new(") {
            let argument = text[at + start.len()..].split(',').next().unwrap();
            let resource = resource_before(&path, argument).unwrap_or_else(|| panic!("{path}: {argument}"));
            needed.extend(["list", "watch"].map(|verb| right(&builders(resource)[verb])));
        }
        // A runner is spoken to in the methods of its own API.
        if path.ends_with("src/core/runner/request.rs") {
            for method in text.split("Self::new(\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
                let method = match method {
                    "GET" => Method::Get,
                    "POST" => Method::Post,
                    "PUT" => Method::Put,
                    "PATCH" => Method::Patch,
                    other => panic!("{path}: {other} is new"),
                };
                let request = k8s::resource::pod_proxy(method, "n", "p", 1, "/", None, Vec::new());
                needed.insert(right(&request.attributes));
            }
        }
    }
    needed
}

/// What the rules permit, names left out.
fn permitted() -> BTreeSet<String> {
    let roles = [
        object("manifests/rbac/rbac.yaml", "ClusterRole", "plz-agent"),
        object("manifests/rbac/rbac.yaml", "Role", "plz-agent-self"),
        object("manifests/outside/proxy.yaml", "ClusterRole", "plz-agent-proxy"),
    ];
    roles.iter().flat_map(super::rbac::rights).collect()
}

#[test]
fn the_code_sends_what_the_rules_permit_and_the_rules_permit_nothing_else() {
    let mut needed = needed();
    needed.extend(OF_OWNERS.map(str::to_owned));
    assert_eq!(needed, permitted(), "what the code builds, then the rules");
}

#[test]
fn every_builder_is_known() {
    let source = read("k8s/src/resource.rs");
    let (methods, functions): (Vec<&str>, Vec<&str>) = source
        .split("pub fn ")
        .skip(1)
        .filter(|rest| rest.split('{').next().is_some_and(|head| head.contains("-> Request")))
        .partition(|rest| rest.split(')').next().is_some_and(|head| head.contains("&self")));
    let name = |rest: &str| rest.split(['(', '<']).next().unwrap().to_owned();
    let known: BTreeSet<String> = builders(k8s::PODS).into_keys().map(str::to_owned).collect();
    assert_eq!(methods.into_iter().map(name).collect::<BTreeSet<_>>(), known);
    // The proxy is heeded above, logs are not asked for, and everybody may review what is permitted to himself.
    let functions: Vec<String> = functions.into_iter().map(name).collect();
    assert_eq!(functions, ["pod_log", "pod_proxy", "self_subject_access_review"]);
    for (path, text) in sources() {
        assert!(!text.contains("pod_log("), "{path} reads logs");
        let built_by_hand = text.replace("-> k8s::Request {", "").contains("k8s::Request {");
        assert!(!built_by_hand, "{path} builds a request by hand");
    }
}

/// Both kinds of owner: only then do the rules have to permit it of both.
#[test]
fn owners_are_held_back_until_what_they_own_is_gone() {
    for (path, kind) in [
        ("tests/golden/testrun/plain.json", "PrivateLoadZone"),
        ("tests/golden/job/plz-plain.json", "TestRun"),
    ] {
        let owned: Value = serde_json::from_str(&read(path)).unwrap();
        let owner = &owned["metadata"]["ownerReferences"][0];
        assert_eq!((&owner["kind"], &owner["blockOwnerDeletion"]), (&json!(kind), &json!(true)), "{path}");
    }
}
