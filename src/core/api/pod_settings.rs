//! The pod settings of a `TestRun`: shapes only, re-exported by [`run`](super::run).
//!
//! Owns field names. It leaves alone where a setting ends up in a pod (`jobs`). Its invariants: null reads like
//! absence, nothing empty is written, and no `Debug` form shows arguments or environment, which hold credentials.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::run::is_default;
use crate::passthrough::{self, PodMetadata};

/// Settings of a pod of the run. What is only handed on is kept as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSettings {
    /// Initializer only: do without it.
    #[serde(skip_serializing_if = "is_default")]
    pub disabled: bool,
    /// `v1.Affinity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Value>,
    /// `true` (also when empty) or `false`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub automount_service_account_token: String,
    /// Environment of the k6 container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Image of the k6 container.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// `v1.LocalObjectReference`s.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<Value>,
    /// `Always`, `IfNotPresent` or `Never`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub image_pull_policy: String,
    /// Labels and annotations of the pod.
    #[serde(skip_serializing_if = "PodMetadata::is_empty")]
    pub metadata: PodMetadata,
    /// Labels of the nodes to run on.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// `v1.Toleration`s.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Value>,
    /// `v1.TopologySpreadConstraint`s.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub topology_spread_constraints: Vec<Value>,
    /// `v1.ResourceRequirements`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Value>,
    /// The namespace's `default` when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_account_name: String,
    /// `v1.PodSecurityContext`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_context: Option<Value>,
    /// `v1.SecurityContext` of every container of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_security_context: Option<Value>,
    /// `v1.EnvFromSource`s.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<Value>,
    /// `v1.Probe`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness_probe: Option<Value>,
    /// `v1.Probe`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness_probe: Option<Value>,
    /// Containers that run to their end before k6.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub init_containers: Vec<InitContainer>,
    /// `v1.Volume`s.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Value>,
    /// `v1.VolumeMount`s of the k6 container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<Value>,
    /// Name of a PriorityClass.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub priority_class_name: String,
    /// The cluster's default scheduler when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scheduler_name: String,
}
k8s::readable!(PodSettings {
    disabled: "disabled",
    affinity: "affinity" by passthrough::object,
    automount_service_account_token: "automountServiceAccountToken",
    env: "env",
    image: "image",
    image_pull_secrets: "imagePullSecrets" by passthrough::list,
    image_pull_policy: "imagePullPolicy",
    metadata: "metadata",
    node_selector: "nodeSelector",
    tolerations: "tolerations" by passthrough::list,
    topology_spread_constraints: "topologySpreadConstraints" by passthrough::list,
    resources: "resources" by passthrough::object,
    service_account_name: "serviceAccountName",
    security_context: "securityContext" by passthrough::object,
    container_security_context: "containerSecurityContext" by passthrough::object,
    env_from: "envFrom" by passthrough::list,
    readiness_probe: "readinessProbe" by passthrough::object,
    liveness_probe: "livenessProbe" by passthrough::object,
    init_containers: "initContainers",
    volumes: "volumes" by passthrough::list,
    volume_mounts: "volumeMounts" by passthrough::list,
    priority_class_name: "priorityClassName",
    scheduler_name: "schedulerName",
});

/// A container that runs before k6.
#[derive(Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InitContainer {
    /// `k6-init-<n>` when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its image.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Its environment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// `v1.EnvFromSource`s.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<Value>,
    /// The image's entrypoint when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Its arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// The image's when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// `v1.VolumeMount`s.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<Value>,
    /// `v1.ResourceRequirements`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Value>,
    /// `Always` makes it a sidecar.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub restart_policy: String,
}
k8s::readable!(InitContainer {
    name: "name",
    image: "image",
    env: "env",
    env_from: "envFrom" by passthrough::list,
    command: "command",
    args: "args",
    working_dir: "workingDir",
    volume_mounts: "volumeMounts" by passthrough::list,
    resources: "resources" by passthrough::object,
    restart_policy: "restartPolicy",
});

impl fmt::Debug for InitContainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InitContainer")
            .field("name", &self.name)
            .field("image", &self.image)
            .finish_non_exhaustive()
    }
}

/// `v1.EnvVar`. Its `Debug` form is the name: values may be credentials.
#[derive(Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// The variable.
    pub name: String,
    /// Its value, in which the kubelet expands `$(NAME)` and turns `$$` into `$`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// `v1.EnvVarSource`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<Value>,
}
k8s::readable!(EnvVar {
    name: "name",
    value: "value",
    value_from: "valueFrom" by passthrough::object,
});

impl EnvVar {
    /// A variable with a literal value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), value_from: None }
    }
}

impl fmt::Debug for EnvVar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvVar").field("name", &self.name).finish_non_exhaustive()
    }
}
