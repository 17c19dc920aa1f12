//! From a zone and what GCk6 says of a test run to the `TestRun` object.
//!
//! Owns what the runners of a private load zone are told, and what makes a run impossible to start. It leaves alone
//! the Jobs (`testrun::jobs`) and the telling of a refusal. Its invariants: every `$` that comes from GCk6 or from the
//! agent's configuration is doubled, so that the kubelet expands nothing but the token's variable; a refusal names the
//! cause and what mends it, and shows no credential.

use std::iter::once;

use serde_json::{Value, json};

use super::k6::Version;
use super::network::RunnerNetwork;
pub use super::refusal::Refusal;
use super::size;
pub use crate::api::run::RUNNERS_MAX;
use crate::api::run::{EnvVar, FINALIZER, InitContainer, PodSettings, Script, TestRun, TestRunSpec};
use crate::api::zone::PrivateLoadZone;
use crate::archive::URL_VAR;
use crate::cloud::data::{AGGREGATION_API_VERSION, AGGREGATION_VARS};
use crate::cloud::{RunId, TestRunData};
use crate::maps::map_of;
use crate::redact::Secret;
use crate::testrun::argv::{self, literal};
use crate::testrun::credentials::{self, ARCHIVE_URL_KEY, AUTHORIZATION_KEY};
use crate::testrun::jobs::runner::{ARCHIVE_CONTAINER, TOKEN_VAR};

/// Longest argument that Linux takes, in bytes (`MAX_ARG_STRLEN` without the terminating NUL).
pub const ARGUMENT_BYTES_MAX: usize = 128 * 1024 - 1;

/// Where the init container puts the archive, and k6 finds it.
pub const ARCHIVE_PATH: &str = "/test/archive.tar";

const ARCHIVE_VOLUME: &str = "archive-volume";
const ARCHIVE_MOUNT_PATH: &str = "/test";

/// Where k6 sends its log lines.
const LOGS_URL: &str = "https://cloudlogs.k6.io/api/v1/push";

/// Tag on every metric with the zone it comes from.
const LOAD_ZONE_TAG: &str = "load_zone";

/// Environment variable of k6 with the header by which it reads the secrets of the test.
const SECRETS_AUTHORIZATION_VAR: &str = "K6_SECRET_SOURCE_URL_HEADER_AUTHORIZATION";

// What scripts find in `__ENV` in every run at GCk6.
const LOAD_ZONE_VAR: &str = "K6_CLOUDRUN_LOAD_ZONE";
const DISTRIBUTION_VAR: &str = "K6_CLOUDRUN_DISTRIBUTION";
const TEST_RUN_ID_VAR: &str = "K6_CLOUDRUN_TEST_RUN_ID";

/// What the agent itself adds to every test run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Image of the init container that downloads the archive: the agent's own.
    pub fetch_image: String,
    /// Address of GCk6's ingest host, handed to the runners as `K6_CLOUD_HOST`.
    pub ingest: String,
    /// Proxy and CA settings of the runners' pods.
    pub network: RunnerNetwork,
}

/// Name of the `TestRun` of a run: `plz-test-<id>`.
pub fn name(id: RunId) -> String {
    format!("plz-test-{id}")
}

/// The run whose `TestRun` is named so.
pub fn id(name: &str) -> Option<RunId> {
    let id = name.strip_prefix("plz-test-")?.parse().ok()?;
    (self::name(id) == name).then_some(id)
}

/// The `TestRun` of the run `id` in the zone's namespace, owned by the zone.
#[inline(never)]
pub fn test_run(
    zone: &PrivateLoadZone,
    id: RunId,
    data: &TestRunData,
    settings: &Settings,
) -> Result<TestRun, Refusal> {
    let place = place(zone, data)?;
    let runners = data.config.instance_count;
    if !(1..=i64::from(RUNNERS_MAX)).contains(&runners) {
        return Err(Refusal::Runners(runners));
    }
    if zone.spec.token.is_empty() {
        return Err(Refusal::NoToken);
    }
    let mut run = TestRun {
        spec: TestRunSpec {
            script: Script { local_file: ARCHIVE_PATH.to_owned(), ..Script::default() },
            parallelism: runners,
            args: arguments(zone, id, data, &place)?,
            runner: pod_settings(zone, id, data, settings)?,
            cleanup: "post".to_owned(),
            test_run_id: id.to_string(),
            token: zone.spec.token.clone(),
            ..TestRunSpec::default()
        },
        ..TestRun::default()
    };
    run.metadata.name = name(id);
    run.metadata.namespace.clone_from(&zone.metadata.namespace);
    run.metadata.owner_references = vec![zone.owner_reference()];
    run.metadata.finalizers = vec![FINALIZER.to_owned()];
    match size::excess(&run) {
        Some(excess) => Err(Refusal::TooLarge(excess)),
        None => Ok(run),
    }
}

/// The one entry of the distribution.
struct Place<'a> {
    label: &'a str,
    load_zone: &'a str,
}

fn place<'a>(zone: &'a PrivateLoadZone, data: &'a TestRunData) -> Result<Place<'a>, Refusal> {
    let mut entries = data.distribution.iter();
    match (entries.next(), entries.next()) {
        (Some((label, distribution)), None) => {
            let named = &distribution.load_zone;
            Ok(Place { label, load_zone: if named.is_empty() { &zone.metadata.name } else { named } })
        }
        _ => Err(Refusal::Distribution(
            data.distribution.values().map(|entry| entry.load_zone.clone()).collect(),
        )),
    }
}

/// `spec.args`: each element reaches k6 as it is, but for the token's variable, which the kubelet fills in.
fn arguments(
    zone: &PrivateLoadZone,
    id: RunId,
    data: &TestRunData,
    place: &Place<'_>,
) -> Result<Vec<String>, Refusal> {
    let flags = &data.config.flags;
    let k6 = Version::of_image(image(zone, data)?);
    let mut args = vec!["--out".to_owned(), "cloud".to_owned()];

    // k6 takes either all tags from the command line or none, hence the user's beside ours.
    let mut tags = map_of(flags.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    tags.insert(LOAD_ZONE_TAG, place.load_zone);
    for (key, value) in tags {
        if !key.is_empty() && !value.is_empty() {
            args.extend(["--tag".to_owned(), k6.tag(pair("tag", key, value)?)]);
        }
    }

    args.push("--no-thresholds".to_owned());
    args.push(format!(
        "--log-output=loki={LOGS_URL},label.lz={},label.test_run_id={id},header.Authorization=Token $({TOKEN_VAR})",
        literal(&zone.metadata.name),
    ));

    let id = Secret::new(id.to_string());
    let (label, load_zone) = (Secret::new(place.label), Secret::new(place.load_zone));
    let reserved = [(LOAD_ZONE_VAR, &load_zone), (DISTRIBUTION_VAR, &label), (TEST_RUN_ID_VAR, &id)];
    let mut variables = map_of(data.config.environment.iter().map(|(key, value)| (key.as_str(), value)));
    variables.extend(reserved);
    // Each runner gets its own.
    variables.remove(argv::INSTANCE_ID);
    for (key, value) in variables {
        // k6 refuses to start over a variable without a name, and no script could read it.
        if !key.is_empty() {
            args.extend(["-e".to_owned(), pair("environment variable", key, value.expose())?]);
        }
    }

    let sees_system = flags.include_system_env_vars();
    args.push(format!("--include-system-env-vars={sees_system}"));
    if !sees_system {
        args.extend(["--verbose".to_owned(), k6.no_summary().to_owned()]);
    }
    Ok(args)
}

/// GCk6's image of k6, or the zone's where it names none.
fn image<'a>(zone: &'a PrivateLoadZone, data: &'a TestRunData) -> Result<&'a str, Refusal> {
    let images = [&data.config.image, &zone.spec.image];
    images.into_iter().map(String::as_str).find(|image| !image.is_empty()).ok_or(Refusal::NoImage)
}

fn pair(kind: &str, key: &str, value: &str) -> Result<String, Refusal> {
    let unfit = |cause: String| {
        let argument = format!("{kind} {}", crate::excerpt::one_line(key));
        Err(Refusal::Argument { argument, cause })
    };
    let length = key.len() + "=".len() + value.len();
    if length > ARGUMENT_BYTES_MAX {
        return unfit(format!(
            "has {length} bytes, but Linux passes at most {ARGUMENT_BYTES_MAX} to a process"
        ));
    }
    if key.contains('\0') || value.contains('\0') {
        return unfit("has a NUL character in it, which cannot be passed to a process".to_owned());
    }
    Ok(format!("{}={}", literal(key), literal(value)))
}

fn pod_settings(
    zone: &PrivateLoadZone,
    id: RunId,
    data: &TestRunData,
    settings: &Settings,
) -> Result<PodSettings, Refusal> {
    let spec = &zone.spec;
    let template = &spec.pod_template;
    Ok(PodSettings {
        image: image(zone, data)?.to_owned(),
        env: environment(id, data, settings),
        env_from: spec.config.secrets.clone(),
        init_containers: vec![archive_download(zone, id, data, settings)?],
        volumes: once(json!({ "name": ARCHIVE_VOLUME, "emptyDir": {} }))
            .chain(settings.network.volume())
            .collect(),
        volume_mounts: once(archive_mount()).chain(settings.network.mount()).collect(),
        resources: filled(json!(spec.resources)),
        node_selector: spec.node_selector.clone(),
        service_account_name: spec.service_account_name.clone(),
        // Neither k6 nor the download speaks to the API server, and the script is somebody else's code.
        automount_service_account_token: "false".to_owned(),
        image_pull_secrets: spec.image_pull_secrets.clone(),
        tolerations: template.spec.tolerations.clone(),
        metadata: template.metadata.clone(),
        security_context: template.spec.security_context.clone(),
        container_security_context: template.spec.container_security_context().cloned(),
        ..PodSettings::default()
    })
}

/// The environment of k6 itself, options that have no flag or must not be seen on a command line.
fn environment(id: RunId, data: &TestRunData, settings: &Settings) -> Vec<EnvVar> {
    let flags = &data.config.flags;
    let runtime = &data.runtime;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let [version, period, wait, interval, concurrency] = AGGREGATION_VARS;
    let mut variables = vec![
        ("K6_USER_AGENT", flags.user_agent.clone()),
        ("K6_BLACKLIST_IPS", flags.blacklist_ips.join(",")),
        ("K6_BLOCK_HOSTNAMES", flags.blocked_hostnames.join(",")),
        (version, AGGREGATION_API_VERSION.to_owned()),
        (period, text(&runtime.aggregation_period)),
        (wait, text(&runtime.aggregation_wait_period)),
        (interval, text(&runtime.metric_push_interval)),
        (concurrency, text(&runtime.metric_push_concurrency)),
    ];
    if let Some(secrets) = data.secrets.as_ref().filter(|secrets| !secrets.endpoint.is_empty()) {
        variables.extend([
            ("K6_SECRET_SOURCE", "url".to_owned()),
            ("K6_SECRET_SOURCE_URL_URL_TEMPLATE", secrets.endpoint.clone()),
            ("K6_SECRET_SOURCE_URL_RESPONSE_PATH", secrets.response_path.clone()),
        ]);
    }
    variables.push(("K6_CLOUD_HOST", settings.ingest.clone()));
    let filled = variables.into_iter().filter(|(_, value)| !value.is_empty());
    let own = filled.map(|(name, value)| EnvVar::new(name, literal(&value)));
    let authorization = (credentials::has_secrets(data) && data.test_run_token.is_some())
        .then(|| credentials::variable(SECRETS_AUTHORIZATION_VAR, &name(id), AUTHORIZATION_KEY));
    settings.network.k6_env().chain(own).chain(authorization).collect()
}

/// The init container that puts the archive where k6 finds it: the agent's own image and its `fetch` command.
fn archive_download(
    zone: &PrivateLoadZone,
    id: RunId,
    data: &TestRunData,
    settings: &Settings,
) -> Result<InitContainer, Refusal> {
    if data.config.archive_url.is_none() {
        return Err(Refusal::NoArchive);
    }
    if settings.fetch_image.is_empty() {
        return Err(Refusal::NoFetchImage);
    }
    // A pod needs the larger of what its init containers and its containers need, so the runner's own resources cost
    // nothing here, and whatever quota or limit range admits the runner admits the download.
    let resources = json!({ "limits": zone.spec.resources.limits, "requests": zone.spec.resources.requests });
    Ok(InitContainer {
        name: ARCHIVE_CONTAINER.to_owned(),
        image: settings.fetch_image.clone(),
        args: ["fetch", "--to", ARCHIVE_PATH].map(str::to_owned).into(),
        env: once(credentials::variable(URL_VAR, &name(id), ARCHIVE_URL_KEY))
            .chain(settings.network.archive_env())
            .collect(),
        volume_mounts: once(archive_mount()).chain(settings.network.mount()).collect(),
        resources: filled(resources),
        ..InitContainer::default()
    })
}

fn archive_mount() -> Value {
    json!({ "name": ARCHIVE_VOLUME, "mountPath": ARCHIVE_MOUNT_PATH })
}

/// `object` without its empty fields; none when nothing is left.
fn filled(object: Value) -> Option<Value> {
    let Value::Object(mut map) = object else { return None };
    map.retain(|_, value| value.as_object().is_none_or(|inner| !inner.is_empty()));
    (!map.is_empty()).then_some(Value::Object(map))
}

#[cfg(test)]
pub(crate) mod tests;
