//! What GCk6 tells about a test run that is to be started.
//!
//! Owns the reading of the `test_runs(<id>)` reply: any field may be missing or null, and values may come as
//! numbers or booleans where text is meant. It leaves alone whether the run can be started: `zone::template`
//! decides that. Its invariant: presigned URL, token and the user's environment are [`Secret`], so that a debug
//! print of the whole shows none of them. `gck6_env_vars` is not read: no variable may be set through it.

use std::collections::BTreeMap;

use k8s::fields::{Faults, Read};
use serde_json::Value;

use super::{RunId, RunStatus};
use crate::maps::map_of;
use crate::redact::Secret;

/// Environment variables of k6 that say how runners push metrics, in the order of `status.aggregationVars`.
pub const AGGREGATION_VARS: [&str; 5] = [
    "K6_CLOUD_API_VERSION",
    "K6_CLOUD_AGGREGATION_PERIOD",
    "K6_CLOUD_AGGREGATION_WAIT_PERIOD",
    "K6_CLOUD_METRIC_PUSH_INTERVAL",
    "K6_CLOUD_METRIC_PUSH_CONCURRENCY",
];

/// Value of the first of [`AGGREGATION_VARS`].
pub const AGGREGATION_API_VERSION: &str = "2";

/// What a variable, a tag or an address takes beside its text.
const PART_BYTES: usize = 128;

/// Reply to [`super::request::data`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestRunData {
    /// `id`.
    pub id: Option<RunId>,
    /// `run_status`.
    pub run_status: Option<RunStatus>,
    /// `k8s_load_zones_config`.
    pub config: LoadZoneConfig,
    /// `k6_runtime_config`.
    pub runtime: RuntimeConfig,
    /// `load_zone_distribution`: by label. Exactly one entry can be served.
    pub distribution: BTreeMap<String, Distribution>,
    /// `test_run_token`: lets the runners read the secrets of this run; none when empty.
    pub test_run_token: Option<Secret>,
    /// `secrets_config`.
    pub secrets: Option<SecretsConfig>,
}
k8s::readable!(TestRunData {
    id: "id",
    run_status: "run_status",
    config: "k8s_load_zones_config",
    runtime: "k6_runtime_config",
    distribution: "load_zone_distribution",
    test_run_token: "test_run_token" by secret,
    secrets: "secrets_config",
});

impl TestRunData {
    /// What it takes in memory, about, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let LoadZoneConfig { flags, environment, .. } = &self.config;
        let environment = environment.iter().map(|(name, value)| name.len() + value.expose().len());
        let tags = flags.tags.iter().map(|(name, value)| name.len() + value.len());
        let texts = flags.blacklist_ips.iter().chain(&flags.blocked_hostnames).map(String::len);
        let parts = environment.chain(tags).chain(texts);
        size_of::<Self>() + parts.map(|bytes| bytes + PART_BYTES).sum::<usize>()
    }
}

/// `k8s_load_zones_config`: how to run the test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadZoneConfig {
    /// `load_runner_image`; empty when missing.
    pub image: String,
    /// `instance_count`: how many runners; 0 when missing.
    pub instance_count: i64,
    /// `k6_archive_temp_public_url`: where the archive lies, presigned for 300 s; none when empty.
    pub archive_url: Option<Secret>,
    /// `cli_flags`.
    pub flags: CliFlags,
    /// `environment`: what the script finds in `__ENV`, by name.
    pub environment: BTreeMap<String, Secret>,
}
k8s::readable!(LoadZoneConfig {
    image: "load_runner_image" by text,
    instance_count: "instance_count" by number,
    archive_url: "k6_archive_temp_public_url" by secret,
    flags: "cli_flags",
    environment: "environment" by secrets,
});

/// `cli_flags`: options of k6 that GCk6 took from the user's archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CliFlags {
    /// Networks that the script must not reach.
    pub blacklist_ips: Vec<String>,
    /// Host patterns that the script must not reach.
    pub blocked_hostnames: Vec<String>,
    /// Whether the script sees the environment of the runner's process.
    include_system_env_vars: bool,
    include_system_env_variables: bool,
    /// `User-Agent` of the script's requests; empty when missing.
    pub user_agent: String,
    /// Tags on every metric, by name.
    pub tags: BTreeMap<String, String>,
}
k8s::readable!(CliFlags {
    blacklist_ips: "blacklist_ips" by texts,
    blocked_hostnames: "blocked_hostnames" by texts,
    include_system_env_vars: "include_system_env_vars" by flag,
    include_system_env_variables: "include_system_env_variables" by flag,
    user_agent: "user_agent" by text,
    tags: "tags" by text_map,
});

impl CliFlags {
    /// Whether the script sees the environment of the runner's process. GCk6 has two spellings of the flag; one that
    /// says so is enough.
    pub fn include_system_env_vars(&self) -> bool {
        self.include_system_env_vars || self.include_system_env_variables
    }
}

/// `k6_runtime_config`: how the runners push metrics. Durations are text as k6 reads it, such as `3s`; what is
/// missing is left to k6's own defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeConfig {
    /// Span of one aggregate.
    pub aggregation_period: Option<String>,
    /// How long to wait for stragglers of an aggregate.
    pub aggregation_wait_period: Option<String>,
    /// Time between pushes.
    pub metric_push_interval: Option<String>,
    /// Pushes at a time.
    pub metric_push_concurrency: Option<String>,
}
k8s::readable!(RuntimeConfig {
    aggregation_period: "aggregationPeriod" by duration,
    aggregation_wait_period: "aggregationWaitPeriod" by duration,
    metric_push_interval: "metricPushInterval" by duration,
    metric_push_concurrency: "metricPushConcurrency" by filled_text,
});

/// One entry of `load_zone_distribution`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// Name of the zone; empty when missing.
    pub load_zone: String,
}
k8s::readable!(Distribution {
    load_zone: "loadZone" by text,
});

/// `secrets_config`: where the runners read the secrets of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretsConfig {
    /// URL template with `{key}` in it.
    pub endpoint: String,
    /// Where in the reply the secret stands.
    pub response_path: String,
}
k8s::readable!(SecretsConfig {
    endpoint: "endpoint" by text,
    response_path: "response_path" by text,
});

/// Any JSON value as the text that a person would have written for it.
fn text(value: &Value, _: &mut Faults) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn filled_text(value: &Value, faults: &mut Faults) -> Option<String> {
    Some(text(value, faults)).filter(|text| !text.is_empty())
}

fn secret(value: &Value, faults: &mut Faults) -> Option<Secret> {
    filled_text(value, faults).map(Secret::new)
}

fn texts(value: &Value, faults: &mut Faults) -> Vec<String> {
    let list: Vec<Value> = Read::read(value, faults);
    list.iter().filter_map(|value| filled_text(value, faults)).collect()
}

fn text_map(value: &Value, faults: &mut Faults) -> BTreeMap<String, String> {
    let map: BTreeMap<String, Value> = Read::read(value, faults);
    map_of(map.into_iter().map(|(key, value)| (key, text(&value, faults))))
}

fn secrets(value: &Value, faults: &mut Faults) -> BTreeMap<String, Secret> {
    map_of(text_map(value, faults).into_iter().map(|(key, value)| (key, Secret::new(value))))
}

/// A whole number, also as text; what is not one counts as 0, which the template refuses with a message.
fn number(value: &Value, faults: &mut Faults) -> i64 {
    text(value, faults).trim().parse().unwrap_or(0)
}

fn flag(value: &Value, faults: &mut Faults) -> bool {
    text(value, faults).eq_ignore_ascii_case("true")
}

/// A duration as text. k6's own JSON form of a duration is either text or a number of milliseconds.
fn duration(value: &Value, faults: &mut Faults) -> Option<String> {
    match value {
        Value::Number(milliseconds) => Some(format!("{milliseconds}ms")),
        other => filled_text(other, faults),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::reply::test_run_data;

    #[track_caller]
    fn read(body: &str) -> TestRunData {
        test_run_data(body.as_bytes()).unwrap()
    }

    #[test]
    fn anything_may_be_missing_or_null() {
        let all_null = r#"{"id":null,"run_status":null,"k8s_load_zones_config":null,"k6_runtime_config":null,
            "load_zone_distribution":null,"test_run_token":null,"secrets_config":null,"more":[null]}"#;
        assert_eq!(read(all_null), TestRunData::default());
        assert_eq!(read("{}"), TestRunData::default());
        let inner_null = r#"{"k8s_load_zones_config":{"load_runner_image":null,"instance_count":null,
            "k6_archive_temp_public_url":null,"cli_flags":{"blacklist_ips":null,"blocked_hostnames":[null,""],
            "include_system_env_vars":null,"user_agent":null,"tags":null},"environment":null,"gck6_env_vars":null},
            "k6_runtime_config":{"aggregationPeriod":null,"metricPushConcurrency":null},"test_run_token":""}"#;
        assert_eq!(read(inner_null), TestRunData::default());
        assert_eq!(read(r#"{"secrets_config":{}}"#).secrets, Some(SecretsConfig::default()));
        let distribution =
            read(r#"{"load_zone_distribution":{"a":null,"b":{"loadZone":null,"percent":"x"}}}"#).distribution;
        assert_eq!(
            distribution.into_values().collect::<Vec<_>>(),
            [Distribution::default(), Distribution::default()]
        );
    }

    #[test]
    fn values_become_text() {
        let data = read(
            r#"{"k8s_load_zones_config":{"instance_count":"3","environment":{"N":1,"B":true,"Z":null,"T":"t","O":{"a":[1]}},
                "cli_flags":{"tags":{"n":1.5,"b":false,"":""},"blacklist_ips":["10.0.0.0/8",7]}},
                "k6_runtime_config":{"aggregationPeriod":"3s","metricPushInterval":1000,"metricPushConcurrency":2}}"#,
        );
        let environment: Vec<_> =
            data.config.environment.iter().map(|(key, value)| format!("{key}={}", value.expose())).collect();
        assert_eq!(environment, ["B=true", "N=1", r#"O={"a":[1]}"#, "T=t", "Z="]);
        assert_eq!(data.config.flags.tags, [("n", "1.5"), ("b", "false"), ("", "")].map(owned).into());
        assert_eq!(data.config.flags.blacklist_ips, ["10.0.0.0/8", "7"]);
        assert_eq!(data.config.instance_count, 3);
        assert_eq!(data.runtime.aggregation_period.as_deref(), Some("3s"));
        assert_eq!(data.runtime.metric_push_interval.as_deref(), Some("1000ms"));
        assert_eq!(data.runtime.metric_push_concurrency.as_deref(), Some("2"));
    }

    #[test]
    fn both_spellings_of_the_system_environment() {
        let check = |flags: &str, wanted: bool| {
            let data = read(&format!(r#"{{"k8s_load_zones_config":{{"cli_flags":{{{flags}}}}}}}"#));
            assert_eq!(data.config.flags.include_system_env_vars(), wanted, "{flags}");
        };
        check("", false);
        check(r#""include_system_env_vars":true"#, true);
        check(r#""include_system_env_variables":true"#, true);
        check(r#""include_system_env_vars":false,"include_system_env_variables":true"#, true);
        check(r#""include_system_env_vars":"true""#, true);
        check(r#""include_system_env_vars":false"#, false);
    }

    #[test]
    fn nonsense_for_a_count_is_zero() {
        for count in ["\"many\"", "1.5", "true", "[2]", "1e99"] {
            let data = read(&format!(r#"{{"k8s_load_zones_config":{{"instance_count":{count}}}}}"#));
            assert_eq!(data.config.instance_count, 0, "{count}");
        }
    }

    #[test]
    fn debug_shows_no_credential() {
        let data = read(
            r#"{"test_run_token":"s3cret","k8s_load_zones_config":{"k6_archive_temp_public_url":"https://s3/?s3cret",
                "environment":{"PASSWORD":"s3cret"}}}"#,
        );
        assert_eq!(data.test_run_token.as_ref().unwrap().expose(), "s3cret");
        let shown = format!("{data:?}");
        assert!(shown.contains("PASSWORD") && !shown.contains("s3cret"), "{shown}");
    }

    fn owned((key, value): (&str, &str)) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }
}
