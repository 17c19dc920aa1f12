//! The part of `v1.Pod` that tells how a pod fares: read-only, null-tolerant, unknown fields skipped.
//!
//! Leaves alone what follows from it; that is for callers to decide.

use serde::Deserialize;

use crate::meta::{Condition, ObjectMeta, nullable};

/// `v1.Pod`, as far as it tells how the pod fares. Text that is absent is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Pod {
    /// Name, labels, owners.
    #[serde(default, deserialize_with = "nullable")]
    pub metadata: ObjectMeta,
    /// What was asked for.
    #[serde(default, deserialize_with = "nullable")]
    pub spec: PodSpec,
    /// What became of it.
    #[serde(default, deserialize_with = "nullable")]
    pub status: PodStatus,
}

/// `v1.PodSpec`, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSpec {
    /// The node; empty until the pod is scheduled.
    #[serde(default, deserialize_with = "nullable")]
    pub node_name: String,
}

/// `v1.PodStatus`, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    #[serde(default, deserialize_with = "nullable")]
    pub phase: String,
    /// `Evicted`, `NodeLost`, …; mostly empty.
    #[serde(default, deserialize_with = "nullable")]
    pub reason: String,
    /// A sentence to `reason`.
    #[serde(default, deserialize_with = "nullable")]
    pub message: String,
    /// The first of the pod's addresses, without brackets; empty until it has one.
    #[serde(rename = "podIP", default, deserialize_with = "nullable")]
    pub pod_ip: String,
    /// All of the pod's addresses; two on dual-stack clusters.
    #[serde(rename = "podIPs", default, deserialize_with = "nullable")]
    pub pod_ips: Vec<PodIp>,
    /// RFC 3339: when the kubelet took the pod in.
    #[serde(default, deserialize_with = "nullable")]
    pub start_time: String,
    /// `PodScheduled`, `Ready`, `DisruptionTarget`, …
    #[serde(default, deserialize_with = "nullable")]
    pub conditions: Vec<Condition>,
    /// One per init container, once the kubelet has the pod.
    #[serde(default, deserialize_with = "nullable")]
    pub init_container_statuses: Vec<ContainerStatus>,
    /// One per container, once the kubelet has the pod.
    #[serde(default, deserialize_with = "nullable")]
    pub container_statuses: Vec<ContainerStatus>,
}

/// `v1.PodIP`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct PodIp {
    /// The address, without brackets.
    #[serde(default, deserialize_with = "nullable")]
    pub ip: String,
}

/// `v1.ContainerStatus`, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerStatus {
    /// The container's name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Whether the readiness probe holds; true as soon as it runs where there is no probe.
    #[serde(default, deserialize_with = "nullable")]
    pub ready: bool,
    /// How often it was started again.
    #[serde(default, deserialize_with = "nullable")]
    pub restart_count: u32,
    /// How it is.
    #[serde(default, deserialize_with = "nullable")]
    pub state: ContainerState,
    /// How its previous life ended.
    #[serde(default, deserialize_with = "nullable")]
    pub last_state: ContainerState,
}

/// `v1.ContainerState`: one of three, or none of them while nobody knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ContainerState {
    /// Not started yet.
    #[serde(default)]
    pub waiting: Option<Waiting>,
    /// Running.
    #[serde(default)]
    pub running: Option<Running>,
    /// Ended.
    #[serde(default)]
    pub terminated: Option<Terminated>,
}

/// `v1.ContainerStateWaiting`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Waiting {
    /// `ContainerCreating`, `PodInitializing`, `ErrImagePull`, `ImagePullBackOff`, `CreateContainerConfigError`, …
    #[serde(default, deserialize_with = "nullable")]
    pub reason: String,
    /// A sentence to it.
    #[serde(default, deserialize_with = "nullable")]
    pub message: String,
}

/// `v1.ContainerStateRunning`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    /// RFC 3339.
    #[serde(default, deserialize_with = "nullable")]
    pub started_at: String,
}

/// `v1.ContainerStateTerminated`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terminated {
    /// The process's exit code; 128 + n after signal n.
    #[serde(default, deserialize_with = "nullable")]
    pub exit_code: i32,
    /// The signal that ended it; 0 for none.
    #[serde(default, deserialize_with = "nullable")]
    pub signal: i32,
    /// `Completed`, `Error`, `OOMKilled`, `ContainerStatusUnknown`, …
    #[serde(default, deserialize_with = "nullable")]
    pub reason: String,
    /// What the container left in its termination log.
    #[serde(default, deserialize_with = "nullable")]
    pub message: String,
    /// RFC 3339.
    #[serde(default, deserialize_with = "nullable")]
    pub finished_at: String,
}

impl PodStatus {
    /// The condition of that type.
    #[must_use]
    pub fn condition(&self, type_: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.type_ == type_)
    }

    /// The container of that name, among the ordinary ones.
    #[must_use]
    pub fn container(&self, name: &str) -> Option<&ContainerStatus> {
        self.container_statuses.iter().find(|container| container.name == name)
    }

    /// The init container of that name.
    #[must_use]
    pub fn init_container(&self, name: &str) -> Option<&ContainerStatus> {
        self.init_container_statuses.iter().find(|container| container.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_ran_out_of_memory() {
        let text = r#"{"metadata":{"name":"a"},"spec":{"nodeName":"n1","containers":[{"name":"k"}]},"status":{
            "phase":"Failed","podIP":"fd00::1","podIPs":[{"ip":"fd00::1"},{"ip":"10.0.0.1"}],
            "conditions":[{"type":"PodScheduled","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-05-04T03:02:01Z"}],
            "containerStatuses":[{"name":"k","restartCount":0,"lastState":{},"state":{"terminated":
                {"exitCode":137,"reason":"OOMKilled","startedAt":null,"containerID":"x"}}}]}}"#;
        let pod: Pod = serde_json::from_str(text).unwrap();
        let ended = pod.status.container("k").unwrap().state.terminated.as_ref().unwrap();
        assert_eq!((ended.exit_code, ended.reason.as_str()), (137, "OOMKilled"));
        assert_eq!(pod.status.pod_ips.len(), 2);
        assert!(pod.status.condition("PodScheduled").unwrap().is_true());
        assert_eq!(pod.spec.node_name, "n1");
    }

    #[test]
    fn nothing_at_all_is_a_pod() {
        let check = |text: &str| assert_eq!(serde_json::from_str::<Pod>(text).unwrap(), Pod::default());
        check("{}");
        check(r#"{"metadata":null,"spec":null,"status":null}"#);
        check(
            r#"{"status":{"phase":null,"podIPs":null,"conditions":null,"containerStatuses":null,"initContainerStatuses":null}}"#,
        );
    }
}
