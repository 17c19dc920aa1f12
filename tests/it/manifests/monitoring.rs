//! Alerts, dashboard and scrape: they speak of metrics that the agent has, and of objects that are shipped.

#![expect(clippy::disallowed_methods, reason = "a variable asks for the generated file")]

use std::collections::BTreeSet;

use plz_agent::metrics::{FAMILIES, Kind};
use serde_json::{Value, json};

use super::{document, read, strings};

const ALERTS: &str = "manifests/monitoring/alerts.yaml";
const ALERTS_TEST: &str = "manifests/monitoring/alerts_test.yaml";
const RULE: &str = "manifests/monitoring/prometheusrule.yaml";
const DASHBOARD: &str = "manifests/monitoring/dashboard.json";

fn dashboard() -> Value {
    serde_json::from_str(&read(DASHBOARD)).unwrap()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn alerts() -> Vec<Value> {
    let file = document(ALERTS);
    list(&file["groups"]).flat_map(|group| list(&group["rules"])).cloned().collect()
}

/// Every expression of the dashboard: of its panels and of its variables.
fn queries() -> Vec<String> {
    let dashboard = dashboard();
    let panels = list(&dashboard["panels"]).flat_map(|panel| list(&panel["targets"])).map(|t| &t["expr"]);
    let variables = list(&dashboard["templating"]["list"]).map(|variable| &variable["query"]["query"]);
    let texts = panels.chain(variables).filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// The names of the series that Prometheus makes of our families.
fn series() -> BTreeSet<String> {
    let parts = |kind| if kind == Kind::Histogram { &["_bucket", "_sum", "_count"][..] } else { &[""] };
    FAMILIES.iter().flat_map(|f| parts(f.kind).iter().map(|part| format!("{}{part}", f.name))).collect()
}

/// The words of an expression that are metrics, each with the labels in its braces.
fn selectors(query: &str) -> Vec<(String, BTreeSet<String>)> {
    let mut found = Vec::new();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for (at, _) in query.match_indices(|c: char| c.is_ascii_lowercase()) {
        let before = query[..at].chars().next_back();
        if before.is_some_and(|c| is_word(c) || c == '$') {
            continue;
        }
        let word: String = query[at..].chars().take_while(|c| is_word(*c)).collect();
        if !word.starts_with("plz_agent") && !word.starts_with("process_") {
            continue;
        }
        let braces = query[at + word.len()..].strip_prefix('{').and_then(|rest| rest.split('}').next());
        let labels = braces.into_iter().flat_map(|inner| inner.split("\",")).filter_map(|matcher| {
            matcher.split(['=', '!']).next().filter(|label| !label.is_empty()).map(str::to_owned)
        });
        found.push((word, labels.collect()));
    }
    found
}

#[test]
fn every_metric_that_is_asked_for_exists_with_its_labels() {
    let known = series();
    let mut queries = queries();
    assert!(queries.len() > 20, "{}", queries.len());
    queries.extend(alerts().iter().map(|alert| alert["expr"].as_str().unwrap().to_owned()));
    let mut used = BTreeSet::new();
    for query in &queries {
        let selectors = selectors(query);
        assert!(!selectors.is_empty() || query.contains("up{"), "no metric in {query}");
        for (name, labels) in selectors {
            assert!(known.contains(&name), "there is no {name}: {query}");
            let family = FAMILIES.iter().filter(|family| name.starts_with(family.name));
            let family = family.max_by_key(|family| family.name.len()).expect("a series is of a family");
            for label in labels {
                // What the scrape or a site adds, and what a bucket has.
                let is_added = ["cluster", "job", "instance", "le"].contains(&&*label);
                assert!(is_added || family.labels.contains(&&*label), "{name} has no {label}: {query}");
            }
            used.insert(family.name);
        }
    }
    let unused = FAMILIES.iter().map(|f| f.name).filter(|name| !used.contains(name));
    let unused: Vec<&str> = unused.collect();
    assert_eq!(unused, ["process_virtual_memory_bytes", "process_max_fds"], "in no panel and in no alert");
}

#[test]
fn every_alert_says_what_is_wrong_and_what_to_do_and_is_tested() {
    let tests = read(ALERTS_TEST);
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        assert!(
            ["critical", "warning", "info"].contains(&alert["labels"]["severity"].as_str().unwrap()),
            "{name}"
        );
        let text = |field: &str| alert["annotations"][field].as_str().unwrap_or_default().to_owned();
        assert!(text("summary").ends_with('.'), "{name}");
        assert!(text("description").len() > text("summary").len(), "{name}");
        assert!(tests.contains(&format!("alertname: {name}\n        exp_alerts:")), "{name} is never raised");
        assert!(tests.contains(&format!("alertname: {name}}}")), "{name} is never quiet");
    }
}

#[test]
fn the_operators_object_has_the_same_groups() {
    let alerts = read(ALERTS);
    let (_, groups) = alerts.split_once("\ngroups:\n").expect("the file has groups");
    let mut expected = String::from(
        "# Made from alerts.yaml; run the tests with UPDATE_GOLDEN=1 after a change there.\n\
         apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: plz-agent\n  namespace: plz-agent-system\n  \
         labels:\n    app.kubernetes.io/name: plz-agent\nspec:\n  groups:\n",
    );
    for line in groups.lines() {
        expected.push_str(&if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") });
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(RULE);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &expected).unwrap();
    }
    assert!(read(RULE) == expected, "{RULE} is out of date; run with UPDATE_GOLDEN=1");
    assert_eq!(document(RULE)["spec"]["groups"], document(ALERTS)["groups"]);
}

#[test]
fn the_dashboard_asks_the_chosen_data_source() {
    let dashboard = dashboard();
    let source = json!({"type": "prometheus", "uid": "${datasource}"});
    let mut ids = BTreeSet::new();
    for panel in list(&dashboard["panels"]) {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels of one id: {panel}");
        if panel["type"] == "row" {
            continue;
        }
        assert_eq!(panel["datasource"], source, "{}", panel["title"]);
        assert!(list(&panel["targets"]).all(|target| target["datasource"] == source), "{}", panel["title"]);
    }
    let variables: Vec<&str> =
        list(&dashboard["templating"]["list"]).filter_map(|variable| variable["name"].as_str()).collect();
    assert_eq!(variables[0], "datasource");
    for query in queries() {
        for variable in query.split('$').skip(1).map(|rest| {
            rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default()
        }) {
            assert!(variable.starts_with("__") || variables.contains(&variable), "${variable} in {query}");
        }
    }
}

#[test]
fn the_scrape_finds_the_agents_port() {
    let service = document("manifests/base/service.yaml");
    let monitor = document("manifests/monitoring/servicemonitor.yaml");
    let pod = document("manifests/base/deployment.yaml")["spec"]["template"].clone();
    assert_eq!(service["spec"]["selector"], pod["metadata"]["labels"]);
    assert_eq!(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"]);
    assert_eq!(monitor["metadata"]["namespace"], service["metadata"]["namespace"]);
    let port = &service["spec"]["ports"][0];
    assert_eq!(port["targetPort"], pod["spec"]["containers"][0]["ports"][0]["name"]);
    let endpoint = &monitor["spec"]["endpoints"][0];
    assert_eq!((&endpoint["port"], &endpoint["honorLabels"]), (&port["name"], &json!(true)));
    // The name of the job is that of the Service, by which alerts know the agent's scrape.
    let name = service["metadata"]["name"].as_str().unwrap();
    let jobs = read(ALERTS).matches(&format!("job=\"{name}\"")).count();
    assert_eq!(read(ALERTS).matches("job=\"").count(), jobs);
    assert!(jobs > 0);
    assert!(strings(&document("manifests/base/kustomization.yaml")["resources"]).contains(&"service.yaml"));
    let parts = document("manifests/monitoring/kustomization.yaml");
    assert_eq!(strings(&parts["resources"]), ["servicemonitor.yaml", "prometheusrule.yaml"]);
    assert_eq!(parts["configMapGenerator"][0]["files"], json!(["dashboard.json"]));
}
