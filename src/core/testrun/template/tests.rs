//! Golden test runs, hostile values, and refusals.

use std::collections::BTreeMap;

use super::*;
use crate::cloud::reply::test_run_data;
use crate::golden;
use crate::testrun::credentials::Credentials;
use crate::testrun::network::{RunnerCa, ShareProxy};

const ID: RunId = RunId(101);

/// Compares an object with `tests/golden/<name>.json`.
#[track_caller]
pub(crate) fn check_golden(name: &str, object: &impl serde::Serialize) {
    golden::check(&format!("{name}.json"), &(serde_json::to_string_pretty(object).unwrap() + "\n"));
}

pub(crate) fn settings() -> Settings {
    Settings {
        fetch_image: "registry.example/plz-agent:1".to_owned(),
        ingest: "https://ingest.k6.io".to_owned(),
        network: RunnerNetwork::default(),
    }
}

/// Settings under which runner pods get proxies and a CA.
pub(crate) fn shared() -> Settings {
    Settings { network: network("http://proxy:3128"), ..settings() }
}

/// Both proxy and CA for both containers.
fn network(proxy: &str) -> RunnerNetwork {
    let no_proxy = Secret::new("10.0.0.0/8,.cluster.local");
    let proxies = [("HTTPS_PROXY", Secret::new(proxy)), ("NO_PROXY", no_proxy)];
    let ca = RunnerCa { config_map: "edge-ca".to_owned(), key: "root.pem".to_owned() };
    RunnerNetwork::new(&proxies, ShareProxy::All, Some(ca))
}

pub(crate) fn zone(spec: &Value) -> PrivateLoadZone {
    let metadata = json!({ "name": "edge", "namespace": "load", "uid": "zone-uid" });
    serde_json::from_value(json!({ "metadata": metadata, "spec": spec })).unwrap()
}

pub(crate) fn plain_zone() -> PrivateLoadZone {
    zone(&json!({ "token": "k6-token", "resources": { "limits": { "cpu": "200m", "memory": "256Mi" } } }))
}

/// A zone with everything that its schema has, and nulls where Go writes them.
pub(crate) fn full_zone() -> PrivateLoadZone {
    zone(&json!({
        "token": "k6-token",
        "resources": { "limits": { "cpu": 1, "memory": "1Gi" }, "requests": { "cpu": "500m" }, "claims": null },
        "serviceAccountName": "runners",
        "nodeSelector": { "pool": "load" },
        "image": "registry.example/k6:2",
        "imagePullSecrets": [{ "name": "pull" }],
        "config": { "secrets": [{ "secretRef": { "name": "s" } }, { "configMapRef": { "name": "c", "optional": true }, "secretRef": null }] },
        "podTemplate": {
            "metadata": { "creationTimestamp": null, "labels": { "team": "edge" }, "annotations": { "a": "b" } },
            "spec": {
                "securityContext": { "runAsNonRoot": true, "runAsUser": 12345, "seccompProfile": { "type": "RuntimeDefault" }, "sysctls": null },
                "tolerations": [{ "key": "load", "operator": "Exists", "tolerationSeconds": null }],
                "containers": [{ "name": "", "resources": {}, "securityContext": {
                    "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"], "add": null } } }],
            },
        },
    }))
}

pub(crate) fn plain_data() -> TestRunData {
    data(&json!({}))
}

/// The least that a run needs, with `more` in its `k8s_load_zones_config`.
pub(crate) fn data(more: &Value) -> TestRunData {
    let mut config = json!({
        "load_runner_image": "grafana/k6:latest",
        "instance_count": 1,
        "k6_archive_temp_public_url": "https://bucket.s3.amazonaws.com/a.tar?X-Amz-Expires=300",
    });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let distribution = json!({ "label": { "loadZone": "edge", "percent": 100 } });
    let body = json!({ "id": 101, "k8s_load_zones_config": config, "load_zone_distribution": distribution });
    test_run_data(body.to_string().as_bytes()).unwrap()
}

pub(crate) fn full_data() -> TestRunData {
    let body = json!({
        "id": 101,
        "run_status": 1,
        "k8s_load_zones_config": {
            "load_runner_image": "grafana/k6:latest",
            "instance_count": 3,
            "k6_archive_temp_public_url": "https://bucket.s3.amazonaws.com/a'b$(HOME)?X-Amz-Expires=300&X-Amz-Signature=$$abc",
            "cli_flags": {
                "blacklist_ips": ["10.0.0.0/8", "fd00::/8"],
                "blocked_hostnames": ["*.bad", "worse.example"],
                "include_system_env_vars": true,
                "user_agent": "agent/1 ($(HOME))",
                "tags": { "team": "edge team", "load_zone": "elsewhere", "": "no key", "empty": "", "cost": "5$" },
            },
            "environment": {
                "GREETING": "it's $(HOME) \"quoted\"",
                "K6_CLOUDRUN_LOAD_ZONE": "elsewhere",
                "K6_CLOUDRUN_INSTANCE_ID": "7",
                "EMPTY": "",
            },
            "gck6_env_vars": { "K6_LOG_OUTPUT": "none" },
        },
        "k6_runtime_config": {
            "aggregationPeriod": "3s", "aggregationWaitPeriod": "8s", "metricPushInterval": "1s", "metricPushConcurrency": 1,
        },
        "load_zone_distribution": { "my label": { "loadZone": "edge", "percent": 100 } },
        "test_run_token": "run-t$ken",
        "secrets_config": { "endpoint": "https://secrets.example/{key}", "response_path": "plaintext" },
    });
    test_run_data(body.to_string().as_bytes()).unwrap()
}

#[test]
fn golden_test_runs() {
    let check = |name: &str, zone: &PrivateLoadZone, data: &TestRunData, settings: &Settings| {
        check_golden(name, &test_run(zone, ID, data, settings).unwrap());
    };
    check("testrun/plain", &plain_zone(), &plain_data(), &settings());
    let proxied = Settings {
        ingest: "https://ingest.example".to_owned(),
        network: network("http://user:pa$$@proxy:3128"),
        ..settings()
    };
    check("testrun/full", &full_zone(), &full_data(), &proxied);
}

/// What the kubelet makes of an argument or a value: `$(NAME)` of a variable that is set becomes its value, `$$`
/// becomes `$`, anything else stays (k8s.io/kubernetes third_party/forked/golang/expansion).
pub(crate) fn expanded(text: &str, set: &BTreeMap<&str, &str>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let name = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        rest = match (after.strip_prefix('$'), name) {
            (Some(tail), _) => {
                out.push('$');
                tail
            }
            (None, Some((name, tail))) => {
                out.push_str(
                    &set.get(name).map_or_else(|| format!("$({name})"), |value| (*value).to_owned()),
                );
                tail
            }
            (None, None) => {
                out.push('$');
                after
            }
        };
    }
    out + rest
}

/// Text out of the pieces that shells, kubelets and flag parsers stumble over. A fixed seed makes it repeatable.
pub(crate) struct Hostile(pub(crate) u64);

impl Hostile {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    pub(crate) fn text(&mut self) -> String {
        const PIECES: [&str; 22] = [
            "$",
            "$$",
            "$(",
            ")",
            "$(HOME)",
            "$(K6_CLOUD_TOKEN)",
            "'",
            "\"",
            "\\",
            "\n",
            "\r",
            "\t",
            " ",
            "=",
            ",",
            "-",
            "--",
            "é",
            "🦀",
            "`id`",
            ";",
            "a",
        ];
        (0..self.below(8)).map(|_| PIECES[self.below(PIECES.len())]).collect()
    }
}

#[test]
fn hostile_values_reach_k6_byte_for_byte() {
    let set = BTreeMap::from([("HOME", "/root"), ("K6_CLOUD_TOKEN", "s3cret")]);
    let mut hostile = Hostile(1);
    for round in 0..500 {
        let (key, value, url) = (hostile.text(), hostile.text(), hostile.text() + "u");
        let data = data(&json!({
            "environment": { &key: &value },
            "cli_flags": { "tags": { &key: &value }, "user_agent": &value, "blacklist_ips": [&value] },
            "k6_archive_temp_public_url": &url,
        }));
        let run = test_run(&plain_zone(), ID, &data, &settings()).unwrap();
        let args: Vec<String> = run.spec.args.iter().map(|argument| expanded(argument, &set)).collect();
        let pair = format!("{key}={value}");
        let has = |flag: &str| args.windows(2).any(|two| two[0] == flag && two[1] == pair);
        assert_eq!(has("-e"), !key.is_empty(), "round {round}: {pair:?} in {args:?}");
        assert_eq!(has("--tag"), !key.is_empty() && !value.is_empty(), "round {round}: {pair:?} in {args:?}");
        // No value gets at the token; only the log output carries it.
        assert_eq!(
            args.iter().filter(|argument| argument.contains("s3cret")).count(),
            1,
            "round {round}: {args:?}"
        );

        let variable = |env: &[EnvVar], name: &str| {
            env.iter().find(|variable| variable.name == name).map(|variable| expanded(&variable.value, &set))
        };
        let filled = Some(value).filter(|value| !value.is_empty());
        let env = &run.spec.runner.env;
        assert_eq!(variable(env, "K6_USER_AGENT"), filled, "round {round}");
        assert_eq!(variable(env, "K6_BLACKLIST_IPS"), filled, "round {round}");
        let secret = Credentials::of(&data).unwrap().object(&run);
        assert_eq!(
            secret["stringData"][ARCHIVE_URL_KEY], url,
            "round {round}: the kubelet expands nothing there"
        );
    }
}

#[test]
fn refusals_name_cause_and_mend() {
    let check = |zone: &PrivateLoadZone, data: &TestRunData, settings: &Settings, wanted: &str| {
        let refusal = test_run(zone, ID, data, settings).unwrap_err().to_string();
        assert!(refusal.contains(wanted), "{refusal:?} lacks {wanted:?}");
    };
    let refused = |more: Value, wanted: &str| check(&plain_zone(), &data(&more), &settings(), wanted);
    for count in [json!(0), json!(-1), json!(1001), json!(null), json!("many"), json!(9_000_000_000_u64)] {
        refused(json!({ "instance_count": count }), "the agent runs 1 to 1000");
    }
    refused(json!({ "k6_archive_temp_public_url": null }), "start the test again");
    refused(json!({ "k6_archive_temp_public_url": "" }), "start the test again");
    refused(json!({ "load_runner_image": "" }), "set spec.image");
    refused(json!({ "environment": { "A": "x\0y" } }), "environment variable A has a NUL");
    refused(
        json!({ "cli_flags": { "tags": { "A": "x".repeat(ARGUMENT_BYTES_MAX) } } }),
        "tag A has 131073 bytes",
    );
    check(&zone(&json!({})), &plain_data(), &settings(), "set spec.token");
    check(
        &plain_zone(),
        &plain_data(),
        &Settings { fetch_image: String::new(), ..settings() },
        "--fetch-image",
    );

    let mut data = plain_data();
    data.distribution
        .insert("other".to_owned(), crate::cloud::data::Distribution { load_zone: "far".to_owned() });
    check(&plain_zone(), &data, &settings(), "over 2 load zones (edge, far)");
    data.distribution.clear();
    check(&plain_zone(), &data, &settings(), "over 0 load zones (none named)");
}

#[test]
fn limits_of_what_is_accepted() {
    let accepted = |more: Value| test_run(&plain_zone(), ID, &data(&more), &settings()).unwrap();
    assert_eq!(accepted(json!({ "instance_count": 1000 })).runners(), 1000);
    accepted(json!({ "environment": { "A": "x".repeat(ARGUMENT_BYTES_MAX - 2) } }));
    let zone = full_zone();
    let run = test_run(&zone, ID, &data(&json!({ "load_runner_image": null })), &settings()).unwrap();
    assert_eq!(run.spec.runner.image, zone.spec.image);
    let mut unnamed = plain_data();
    unnamed.distribution.values_mut().for_each(|entry| entry.load_zone.clear());
    let run = test_run(&plain_zone(), ID, &unnamed, &settings()).unwrap();
    assert!(run.spec.args.contains(&"load_zone=edge".to_owned()));
}

#[test]
fn no_debug_form_shows_a_credential() {
    let proxied = Settings { network: network("http://user:pa55@proxy:3128"), ..settings() };
    let run = test_run(&full_zone(), ID, &full_data(), &proxied).unwrap();
    let shown = format!("{run:?} {proxied:?}");
    assert!(serde_json::to_string(&run).unwrap().contains("pa55"), "it is there");
    assert!(!shown.contains("pa55"), "{shown}");
}

#[test]
fn an_older_k6_is_told_what_it_knows() {
    let args = |image: &str| {
        let flags = json!({ "include_system_env_vars": false, "tags": { "team": "a,b" } });
        let data = data(&json!({ "load_runner_image": image, "cli_flags": flags }));
        test_run(&plain_zone(), ID, &data, &settings()).unwrap().spec.args
    };
    let check = |image: &str, tag: &str, summary: &str| {
        let args = args(image);
        assert!(
            args.iter().any(|arg| arg == tag) && args.iter().any(|arg| arg == summary),
            "{image}: {args:?}"
        );
    };
    check("grafana/k6:0.57.0", "\"team=a,b\"", "--no-summary");
    check("grafana/k6:1.2.0", "team=a,b", "--no-summary");
    check("grafana/k6:latest", "team=a,b", "--summary-mode=disabled");
}
