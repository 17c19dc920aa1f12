//! The files under `manifests/` as an API server gets them.
//!
//! Owns: that the custom resources accept what users of k6-operator have and refuse what it refuses, that the rights are
//! those of the agent's table, of the code and no others, that every pod is what the restricted profile asks for, in the
//! sources and in what kustomize and Helm make of them, that alerts and dashboard ask for metrics that there are. Leaves
//! alone the making, which `.ci/render` does, and CEL beyond the one rule that is shipped.
//! Invariant: every check reads the shipped file; none has a copy of it.

mod chart;
mod check;
mod crds;
mod deployment;
mod monitoring;
mod rbac;
mod rendered;
mod requests;
mod rights;
mod schema;

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

/// The text of the file at `path`, relative to the repository's root.
fn read(path: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every document of a YAML text, in order.
fn documents(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).expect("the text is YAML with string keys"))
        .collect()
}

/// The only document of a file.
fn document(path: &str) -> Value {
    let mut all = documents(&read(path));
    assert_eq!(all.len(), 1, "{path} has one document");
    all.remove(0)
}

/// The one document of `kind` and `name` in a file.
fn object(path: &str, kind: &str, name: &str) -> Value {
    let mut found = documents(&read(path));
    found.retain(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    assert_eq!(found.len(), 1, "{path} has one {kind} {name}");
    found.remove(0)
}

/// The strings of a JSON list.
fn strings(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap_or_else(|| panic!("not a list: {list}"));
    list.iter().map(|item| item.as_str().expect("a list of strings")).collect()
}
