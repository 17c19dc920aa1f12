//! The Job of one runner.
//!
//! Owns what of the test run's settings goes where in the pod. It leaves alone the command line (`argv`) and the
//! script's volume (`script`). Its invariant: the Job makes one attempt and no pod of it is ever replaced, since a
//! runner that begins anew would run its share of the test twice.

use serde_json::{Value, json};

use super::Fields;
use crate::api::run::{
    APP, EnvVar, InitContainer, LABEL_APP, LABEL_RUNNER, PodSettings, RUNNER_CONTAINER, RUNNERS_MAX, TestRun,
};
use crate::api::zone::TOKEN_KEY;
use crate::cloud::data::AGGREGATION_VARS;
use crate::testrun::argv;
use crate::testrun::script::{self, Location};

/// Name of the init container that downloads the archive of a PLZ run.
pub const ARCHIVE_CONTAINER: &str = "archive-download";
/// Image of a plain run whose test run names none.
const DEFAULT_IMAGE: &str = "grafana/k6:latest";
/// Environment variable of k6 with the token of GCk6.
pub const TOKEN_VAR: &str = "K6_CLOUD_TOKEN";
/// Environment variable of k6 with the id of the run at GCk6.
const PUSH_REF_ID_VAR: &str = "K6_CLOUD_PUSH_REF_ID";
/// What the kubelet reports of a container that died without a last word: the end of its log.
const LAST_WORDS: &str = "FallbackToLogsOnError";

/// Why a runner's Job cannot be built from the test run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Occurs when `spec.script` names no place.
    #[error("spec.script names no script: give one of configMap, volumeClaim and localFile")]
    NoScript,
}

/// Name of the Job of runner `index`, counted from 1: `<test run>-<index>`.
pub fn name(run: &str, index: u32) -> String {
    format!("{run}-{index}")
}

/// The runner that the Job of that name would be of.
pub fn number(run: &str, job: &str) -> Option<u32> {
    let number = job.strip_prefix(run)?.strip_prefix('-')?.parse().ok()?;
    let is_one = (1..=RUNNERS_MAX).contains(&number) && name(run, number) == job;
    is_one.then_some(number)
}

/// The Job (`batch/v1`) of runner `index`, counted from 1.
pub fn job(run: &TestRun, index: u32) -> Result<Value, Error> {
    let script = script::locate(&run.spec.script).ok_or(Error::NoScript)?;
    let settings = &run.spec.runner;
    // The run's own labels win: its pods are found by them.
    let mut labels = settings.metadata.labels.clone();
    labels.extend(run.runner_labels());
    let annotations = &settings.metadata.annotations;

    let metadata = Fields::default()
        .with("name", name(&run.metadata.name, index))
        .with("namespace", &run.metadata.namespace)
        .with("labels", &labels)
        .with("annotations", annotations)
        .with("ownerReferences", [run.owner_reference()])
        .build();
    let template = Fields::default()
        .with("metadata", Fields::default().with("labels", &labels).with("annotations", annotations).build())
        .with("spec", pod(run, index, &script))
        .build();
    Ok(json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": { "backoffLimit": 0, "template": template },
    }))
}

fn pod(run: &TestRun, index: u32, script: &Location) -> Value {
    let settings = &run.spec.runner;
    let affinity = if run.spec.separate { Some(apart()) } else { settings.affinity.clone() };
    let init_containers: Vec<Value> = settings
        .init_containers
        .iter()
        .enumerate()
        .map(|(position, container)| init_container(settings, script, position, container))
        .collect();
    Fields::default()
        .with("restartPolicy", "Never")
        .with("automountServiceAccountToken", argv::flag(&settings.automount_service_account_token))
        .with("serviceAccountName", &settings.service_account_name)
        .with("schedulerName", &settings.scheduler_name)
        .with("priorityClassName", &settings.priority_class_name)
        .with("affinity", affinity)
        .with("nodeSelector", &settings.node_selector)
        .with("tolerations", &settings.tolerations)
        .with("topologySpreadConstraints", &settings.topology_spread_constraints)
        .with("securityContext", &settings.security_context)
        .with("imagePullSecrets", &settings.image_pull_secrets)
        .with("initContainers", init_containers)
        .with("containers", [k6(run, index, script)])
        .with("volumes", joined(script.volume.as_ref(), &settings.volumes))
        .build()
}

fn k6(run: &TestRun, index: u32, script: &Location) -> Value {
    let settings = &run.spec.runner;
    let image = if settings.image.is_empty() { DEFAULT_IMAGE } else { &settings.image };
    let port = json!({ "containerPort": crate::runner::PORT });
    Fields::default()
        .with("name", RUNNER_CONTAINER)
        .with("image", image)
        .with("imagePullPolicy", &settings.image_pull_policy)
        .with("command", argv::command(run, index, script))
        .with("env", environment(run))
        .with("envFrom", &settings.env_from)
        .with("ports", joined(Some(&port), &run.spec.ports))
        .with("resources", &settings.resources)
        .with("volumeMounts", joined(script.mount.as_ref(), &settings.volume_mounts))
        .with("readinessProbe", &settings.readiness_probe)
        .with("livenessProbe", &settings.liveness_probe)
        .with("securityContext", &settings.container_security_context)
        .with("terminationMessagePolicy", LAST_WORDS)
        .build()
}

/// What a run at GCk6 needs, then what the test run asks for: of two variables of one name the later wins.
fn environment(run: &TestRun) -> Vec<EnvVar> {
    let mut environment = Vec::new();
    if !run.is_plz() {
        let values: Vec<&str> = run.status.aggregation_vars.split('|').collect();
        if values.len() == AGGREGATION_VARS.len() {
            environment
                .extend(AGGREGATION_VARS.iter().zip(values).map(|(name, value)| EnvVar::new(*name, value)));
        }
    }
    if let Some(id) = run.run_id() {
        environment.push(EnvVar::new(PUSH_REF_ID_VAR, id.to_string()));
        if !run.spec.token.is_empty() {
            let key = json!({ "secretKeyRef": { "name": run.spec.token, "key": TOKEN_KEY } });
            environment.push(EnvVar { value_from: Some(key), ..EnvVar::new(TOKEN_VAR, "") });
        }
    }
    environment.extend(run.spec.runner.env.iter().cloned());
    environment
}

fn init_container(
    settings: &PodSettings,
    script: &Location,
    position: usize,
    container: &InitContainer,
) -> Value {
    let name = match container.name.as_str() {
        "" => format!("k6-init-{position}"),
        name => name.to_owned(),
    };
    let given = settings.container_security_context.as_ref();
    let security_context = if name == ARCHIVE_CONTAINER { Some(unprivileged(given)) } else { given.cloned() };
    Fields::default()
        .with("name", name)
        .with("image", &container.image)
        .with("imagePullPolicy", &settings.image_pull_policy)
        .with("command", &container.command)
        .with("args", &container.args)
        .with("workingDir", &container.working_dir)
        .with("env", &container.env)
        .with("envFrom", &container.env_from)
        .with("resources", &container.resources)
        .with("restartPolicy", &container.restart_policy)
        .with("volumeMounts", joined(script.mount.as_ref(), &container.volume_mounts))
        .with("securityContext", security_context)
        .with("terminationMessagePolicy", LAST_WORDS)
        .build()
}

/// What of a container's `v1.SecurityContext` says who it runs as; all else in there gives rights, or takes them away from a process
/// that the download does not run.
const IDENTITY_FIELDS: [&str; 5] =
    ["runAsUser", "runAsGroup", "runAsNonRoot", "readOnlyRootFilesystem", "seLinuxOptions"];
/// Profiles that confine a process, unless they are of the type `Unconfined`.
const PROFILE_FIELDS: [&str; 2] = ["seccompProfile", "appArmorProfile"];

/// The security context of the archive download: k6 may need privileges that a zone's `podTemplate` gives it, the download needs none.
/// It runs as the same user, so that it may go where k6 may go, and k6 can read what it has written.
fn unprivileged(given: Option<&Value>) -> Value {
    let mut context = json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
    for field in IDENTITY_FIELDS {
        if let Some(value) = given.and_then(|given| given.get(field)) {
            context[field] = value.clone();
        }
    }
    for field in PROFILE_FIELDS {
        if let Some(profile) = given.and_then(|given| given.get(field))
            && profile["type"] != "Unconfined"
        {
            context[field] = profile.clone();
        }
    }
    context
}

fn joined(first: Option<&Value>, rest: &[Value]) -> Vec<Value> {
    first.into_iter().chain(rest).cloned().collect()
}

/// Keeps runners, of whatever run, off each other's nodes.
fn apart() -> Value {
    let is = |label: &str, value: &str| json!({ "key": label, "operator": "In", "values": [value] });
    let term = json!({
        "labelSelector": { "matchExpressions": [is(LABEL_APP, APP), is(LABEL_RUNNER, "true")] },
        "topologyKey": "kubernetes.io/hostname",
    });
    json!({ "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [term] } })
}

#[cfg(test)]
mod tests;
