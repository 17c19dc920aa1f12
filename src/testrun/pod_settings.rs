//! The pod settings of a `TestRun`: shapes only, re-exported by [`super::api`].
//!
//! Owns field names. It leaves alone where a setting ends up in a pod (`jobs`). Its invariants: null reads like
//! absence, nothing empty is written, and no `Debug` form shows arguments or environment, which hold credentials.

use std::collections::BTreeMap;
use std::fmt;

use k8s::meta::nullable;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::api::is_default;
use crate::passthrough::{self, PodMetadata};

/// Settings of a pod of the run. What is only handed on is kept as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSettings {
    /// Initializer only: do without it.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub disabled: bool,
    /// `v1.Affinity`.
    #[serde(deserialize_with = "passthrough::object", skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Value>,
    /// `true` (also when empty) or `false`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub automount_service_account_token: String,
    /// Environment of the k6 container.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Image of the k6 container.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// `v1.LocalObjectReference`s.
    #[serde(deserialize_with = "passthrough::list", skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<Value>,
    /// `Always`, `IfNotPresent` or `Never`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub image_pull_policy: String,
    /// Labels and annotations of the pod.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "PodMetadata::is_empty")]
    pub metadata: PodMetadata,
    /// Labels of the nodes to run on.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// `v1.Toleration`s.
    #[serde(deserialize_with = "passthrough::list", skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Value>,
    /// `v1.TopologySpreadConstraint`s.
    #[serde(deserialize_with = "passthrough::list", skip_serializing_if = "Vec::is_empty")]
    pub topology_spread_constraints: Vec<Value>,
    /// `v1.ResourceRequirements`.
    #[serde(deserialize_with = "passthrough::object", skip_serializing_if = "Option::is_none")]
    pub resources: Option<Value>,
    /// The namespace's `default` when empty.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub service_account_name: String,
    /// `v1.PodSecurityContext`.
    #[serde(deserialize_with = "passthrough::object", skip_serializing_if = "Option::is_none")]
    pub security_context: Option<Value>,
    /// `v1.SecurityContext` of every container of the pod.
    #[serde(deserialize_with = "passthrough::object", skip_serializing_if = "Option::is_none")]
    pub container_security_context: Option<Value>,
    /// `v1.EnvFromSource`s.
    #[serde(deserialize_with = "passthrough::list", skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<Value>,
    /// `v1.Probe`.
    #[serde(deserialize_with = "passthrough::object", skip_serializing_if = "Option::is_none")]
    pub readiness_probe: Option<Value>,
    /// `v1.Probe`.
    #[serde(deserialize_with = "passthrough::object", skip_serializing_if = "Option::is_none")]
    pub liveness_probe: Option<Value>,
    /// Containers that run to their end before k6.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub init_containers: Vec<InitContainer>,
    /// `v1.Volume`s.
    #[serde(deserialize_with = "passthrough::list", skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Value>,
    /// `v1.VolumeMount`s of the k6 container.
    #[serde(deserialize_with = "passthrough::list", skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<Value>,
    /// Name of a PriorityClass.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub priority_class_name: String,
    /// The cluster's default scheduler when empty.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub scheduler_name: String,
}

/// A container that runs before k6.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct InitContainer {
    /// `k6-init-<n>` when empty.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its image.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Its environment.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// `v1.EnvFromSource`s.
    #[serde(deserialize_with = "passthrough::list", skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<Value>,
    /// The image's entrypoint when empty.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Its arguments.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// The image's when empty.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// `v1.VolumeMount`s.
    #[serde(deserialize_with = "passthrough::list", skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<Value>,
    /// `v1.ResourceRequirements`.
    #[serde(deserialize_with = "passthrough::object", skip_serializing_if = "Option::is_none")]
    pub resources: Option<Value>,
    /// `Always` makes it a sidecar.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub restart_policy: String,
}

impl fmt::Debug for InitContainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InitContainer")
            .field("name", &self.name)
            .field("image", &self.image)
            .finish_non_exhaustive()
    }
}

/// `v1.EnvVar`. Its `Debug` form is the name: values may be credentials.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvVar {
    /// The variable.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
    /// Its value, in which the kubelet expands `$(NAME)` and turns `$$` into `$`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// `v1.EnvVarSource`.
    #[serde(deserialize_with = "passthrough::object", skip_serializing_if = "Option::is_none")]
    pub value_from: Option<Value>,
}

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
