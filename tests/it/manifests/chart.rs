//! The Helm chart: it is the same agent as that of the kustomize base, and its values are described, checked and heeded.
//!
//! Owns: the chart's copies of the custom resources and of the rights, which Helm cannot read outside of a chart; the table in
//! its README. Leaves alone what Helm makes of the templates: `.ci/render` compares that with the rendered files.
//! Invariant: nothing in the chart says a second time what another file says, unless a test here compares the two.

#![expect(clippy::disallowed_methods, reason = "a variable asks for new golden files")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use serde_json::{Value, json};

use super::{document, documents, read};

const VALUES: &str = "manifests/helm/plz-agent/values.yaml";
const README: &str = "manifests/helm/plz-agent/README.md";
const TABLE: [&str; 2] = ["<!-- values: begin -->\n", "<!-- values: end -->\n"];

/// Where `UPDATE_GOLDEN` in the environment asks for it, `text` becomes the file.
fn update(path: &str, text: &str) {
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(path), text).unwrap();
    }
}

#[test]
fn what_the_chart_brings_along_is_what_the_manifests_have() {
    super::rights::write();
    for (source, name) in [
        ("manifests/crds/privateloadzones.yaml", "privateloadzones.yaml"),
        ("manifests/crds/testruns.yaml", "testruns.yaml"),
        ("manifests/rbac/rbac.yaml", "rbac.yaml"),
        ("manifests/tenants/roles.yaml", "roles.yaml"),
        ("manifests/tenants/policy.yaml", "policy.yaml"),
        ("manifests/outside/proxy.yaml", "proxy.yaml"),
        ("manifests/monitoring/alerts.yaml", "alerts.yaml"),
        ("manifests/monitoring/dashboard.json", "dashboard.json"),
    ] {
        let (source, copy) = (read(source), format!("manifests/helm/plz-agent/files/{name}"));
        update(&copy, &source);
        assert!(read(&copy) == source, "{copy} differs; run with UPDATE_GOLDEN=1, then .ci/render --update");
    }
}

/// What is left of an object without what Helm's charts label and annotate, by kind and name.
fn unlabelled(path: &str) -> BTreeMap<String, Value> {
    let mut objects = BTreeMap::new();
    for mut object in documents(&read(path)) {
        let name =
            format!("{} {}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.remove("labels");
        metadata.remove("annotations");
        match object["kind"].as_str() {
            Some("Deployment") => {
                object["spec"]["selector"]["matchLabels"] = json!({});
                object["spec"]["template"]["metadata"]["labels"] = json!({});
            }
            Some("Service") => object["spec"]["selector"] = json!({}),
            _ => {}
        }
        objects.insert(name, object);
    }
    objects
}

#[test]
fn by_default_it_is_the_agent_of_the_base() {
    let mut wanted = unlabelled("manifests/k3s/plz-agent.yaml");
    // The namespace of a release is made by whoever installs it.
    assert!(wanted.remove("Namespace plz-agent-system").is_some());
    let found = unlabelled("tests/golden/rendered/helm-default.yaml");
    assert_eq!(found.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    for (name, object) in found {
        assert!(object == wanted[&name], "{name} differs: {object:#} and in the base {:#}", wanted[&name]);
    }
}

#[test]
fn custom_resources_outlive_the_release() {
    let objects = documents(&read("tests/golden/rendered/helm-default.yaml"));
    let crds = objects.iter().filter(|object| object["kind"] == "CustomResourceDefinition");
    let policies = crds.map(|crd| crd["metadata"]["annotations"]["helm.sh/resource-policy"].clone());
    assert_eq!(policies.collect::<Vec<_>>(), [json!("keep"), json!("keep")]);
}

#[test]
fn selectors_find_their_pods() {
    for release in ["default", "namespaced", "everything"] {
        let objects = documents(&read(&format!("tests/golden/rendered/helm-{release}.yaml")));
        let one = |kind: &str| objects.iter().find(|object| object["kind"] == kind);
        let deployment = one("Deployment").expect("a release has a Deployment");
        let has = |labels: &Value, wanted: &Value| {
            let wanted = wanted.as_object().expect("a selector");
            assert!(
                !wanted.is_empty() && wanted.iter().all(|(name, value)| labels[name] == *value),
                "{release}"
            );
        };
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        has(labels, &deployment["spec"]["selector"]["matchLabels"]);
        let service = one("Service").expect("a release has a Service");
        has(labels, &service["spec"]["selector"]);
        if let Some(budget) = one("PodDisruptionBudget") {
            has(labels, &budget["spec"]["selector"]["matchLabels"]);
        }
        if let Some(monitor) = one("ServiceMonitor") {
            has(&service["metadata"]["labels"], &monitor["spec"]["selector"]["matchLabels"]);
            assert_eq!(monitor["spec"]["endpoints"][0]["port"], service["spec"]["ports"][0]["name"]);
        }
        let port = &service["spec"]["ports"][0]["targetPort"];
        assert_eq!(deployment["spec"]["template"]["spec"]["containers"][0]["ports"][0]["name"], *port);
    }
}

#[test]
fn the_chart_is_of_this_version() {
    let chart = document("manifests/helm/plz-agent/Chart.yaml");
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
}

/// The values that have no values below them: `image.tag`, and of a map that a user fills in, the map itself.
fn leaves(value: &Value, schema: &Value, path: &str, found: &mut BTreeMap<String, Value>) {
    match (value, schema.get("properties")) {
        (Value::Object(fields), Some(properties)) if path != "resources" => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(value, &properties[name], &path, found);
            }
        }
        _ => drop(found.insert(path.to_owned(), value.clone())),
    }
}

fn schema() -> Value {
    serde_json::from_str(&read("manifests/helm/plz-agent/values.schema.json")).unwrap()
}

fn leaves_of(path: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    leaves(&document(path), &schema(), "", &mut found);
    found
}

/// A typing error in the values must not be silent.
#[test]
fn the_schema_knows_every_value_and_no_other() {
    fn compare(value: &Value, schema: &Value, path: &str) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        // Values below `global` may be meant for other charts.
        assert_eq!(schema["additionalProperties"], path == ".global", "{path}");
        let known: BTreeSet<&String> = properties.keys().collect();
        let given: BTreeSet<&String> = value.as_object().expect("a map of values").keys().collect();
        if path == ".resources" {
            assert!(given.is_subset(&known), "{path}");
            return;
        }
        assert_eq!(known, given, "{path}: the schema, then the values");
        for (name, schema) in properties {
            compare(&value[name], schema, &format!("{path}.{name}"));
        }
    }
    compare(&document(VALUES), &schema(), "");
}

/// What the rendered file with everything set shows, it shows of every value: none has its default there.
#[test]
fn everything_is_set_where_everything_is_set() {
    // On and off; the defaults are what goes with the other settings there.
    let kept =
        ["lease.enabled", "rbac.create", "rbac.namespaced", "service.enabled", "serviceAccount.create"];
    let set = leaves_of("tests/golden/rendered/values-everything.yaml");
    for (path, default) in leaves_of(VALUES) {
        let value = set.get(&path).unwrap_or_else(|| panic!("{path} is not set"));
        assert_eq!(*value == default, kept.contains(&&*path), "{path}: {value}");
    }
}

/// A row for each value that has a comment of its own.
fn table() -> String {
    let values = document(VALUES);
    let mut text = String::from("| value | default | meaning |\n|---|---|---|\n");
    let (mut comment, mut path): (String, Vec<(usize, &str)>) = Default::default();
    let source = read(VALUES);
    for line in source.lines() {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        if let Some(words) = content.strip_prefix("# ") {
            let separator = if comment.is_empty() { "" } else { " " };
            comment = format!("{comment}{separator}{words}");
        } else if let Some((name, _)) = content.split_once(':').filter(|_| !content.starts_with('-')) {
            path.retain(|(outer, _)| *outer < indent);
            path.push((indent, name.trim_matches('"')));
            let names: Vec<&str> = path.iter().map(|(_, name)| *name).collect();
            let value = names.iter().fold(&values, |value, name| &value[name]);
            if !comment.is_empty() {
                // The default of a group is that of its members, which have rows of their own.
                let is_group = line.ends_with(':')
                    && value.is_object()
                    && source.contains(&format!("\n{line}\n{}# ", " ".repeat(indent + 2)));
                let default = if is_group { "–".to_owned() } else { format!("`{value}`") };
                let _ = writeln!(text, "| `{}` | {default} | {comment} |", names.join("."));
                comment.clear();
            }
        } else {
            comment.clear();
        }
    }
    text
}

/// The README up to the table, the table, and what comes after it.
fn readme() -> [String; 3] {
    let page = read(README);
    let [begin, end] = TABLE;
    let (before, rest) = page.split_once(begin).expect("the table begins");
    let (shown, after) = rest.split_once(end).expect("the table ends");
    [format!("{before}{begin}"), shown.to_owned(), format!("{end}{after}")]
}

#[test]
fn every_value_is_described() {
    let table = table();
    let [before, _, after] = readme();
    update(README, &format!("{before}{table}{after}"));
    let [_, shown, _] = readme();
    assert!(shown == table, "{README} differs; run with UPDATE_GOLDEN=1 and read the diff. Now:\n{table}");
    for path in leaves_of(VALUES).keys() {
        assert!(table.contains(&format!("| `{path}` |")), "{VALUES} does not say what {path} is for");
    }
}

/// What Prometheus and Grafana get is what the files have, although Helm's templates and theirs look alike.
#[test]
fn alerts_and_dashboard_come_through_unchanged() {
    let objects = documents(&read("tests/golden/rendered/helm-everything.yaml"));
    let one = |kind: &str| {
        objects.iter().find(|object| object["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
    };
    let alerts = document("manifests/helm/plz-agent/files/alerts.yaml");
    assert_eq!(one("PrometheusRule")["spec"]["groups"], alerts["groups"]);
    let board = read("manifests/helm/plz-agent/files/dashboard.json");
    assert_eq!(
        one("ConfigMap")["data"]["plz-agent.json"].as_str().map(str::trim_end),
        Some(board.trim_end())
    );
}
