//! The part of `v1.Pod` that tells how a pod fares: read-only, null-tolerant, unknown fields skipped.
//!
//! Leaves alone what follows from it; that is for callers to decide.

use crate::meta::{Condition, ObjectMeta};

/// `v1.Pod`, as far as it tells how the pod fares. Text that is absent is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Name, labels, owners.
    pub metadata: ObjectMeta,
    /// What was asked for.
    pub spec: PodSpec,
    /// What became of it.
    pub status: PodStatus,
}
crate::readable!(Pod { metadata: "metadata", spec: "spec", status: "status" });

/// `v1.PodSpec`, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodSpec {
    /// The node; empty until the pod is scheduled.
    pub node_name: String,
    /// The containers that are started before the ordinary ones, in their order.
    pub init_containers: Vec<InitContainer>,
}
crate::readable!(PodSpec { node_name: "nodeName", init_containers: "initContainers" });

/// `v1.Container` among the init containers, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InitContainer {
    /// The container's name.
    pub name: String,
    /// `Always` for a sidecar, which runs beside the ordinary containers and ends after them; empty otherwise.
    pub restart_policy: String,
}
crate::readable!(InitContainer { name: "name", restart_policy: "restartPolicy" });

/// `v1.PodStatus`, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    pub phase: String,
    /// `Evicted`, `NodeLost`, …; mostly empty.
    pub reason: String,
    /// A sentence to `reason`.
    pub message: String,
    /// The first of the pod's addresses, without brackets; empty until it has one.
    pub pod_ip: String,
    /// All of the pod's addresses; two on dual-stack clusters.
    pub pod_ips: Vec<PodIp>,
    /// RFC 3339: when the kubelet took the pod in.
    pub start_time: String,
    /// `PodScheduled`, `Ready`, `DisruptionTarget`, …
    pub conditions: Vec<Condition>,
    /// One per init container, once the kubelet has the pod.
    pub init_container_statuses: Vec<ContainerStatus>,
    /// One per container, once the kubelet has the pod.
    pub container_statuses: Vec<ContainerStatus>,
}
crate::readable!(PodStatus {
    phase: "phase",
    reason: "reason",
    message: "message",
    pod_ip: "podIP",
    pod_ips: "podIPs",
    start_time: "startTime",
    conditions: "conditions",
    init_container_statuses: "initContainerStatuses",
    container_statuses: "containerStatuses",
});

/// `v1.PodIP`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodIp {
    /// The address, without brackets.
    pub ip: String,
}
crate::readable!(PodIp { ip: "ip" });

/// `v1.ContainerStatus`, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerStatus {
    /// The container's name.
    pub name: String,
    /// How it is.
    pub state: ContainerState,
    /// How its previous life ended.
    pub last_state: ContainerState,
}
crate::readable!(ContainerStatus { name: "name", state: "state", last_state: "lastState" });

/// `v1.ContainerState`: one of three, or none of them while nobody knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerState {
    /// Not started yet.
    pub waiting: Option<Waiting>,
    /// Running.
    pub running: Option<Running>,
    /// Ended.
    pub terminated: Option<Terminated>,
}
crate::readable!(ContainerState { waiting: "waiting", running: "running", terminated: "terminated" });

/// `v1.ContainerStateWaiting`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// `ContainerCreating`, `PodInitializing`, `ErrImagePull`, `ImagePullBackOff`, `CreateContainerConfigError`, …
    pub reason: String,
    /// A sentence to it.
    pub message: String,
}
crate::readable!(Waiting { reason: "reason", message: "message" });

/// `v1.ContainerStateRunning`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// RFC 3339.
    pub started_at: String,
}
crate::readable!(Running { started_at: "startedAt" });

/// `v1.ContainerStateTerminated`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terminated {
    /// The process's exit code; 128 + n after signal n.
    pub exit_code: i32,
    /// `Completed`, `Error`, `OOMKilled`, `ContainerStatusUnknown`, …
    pub reason: String,
    /// What the container left in its termination log.
    pub message: String,
}
crate::readable!(Terminated { exit_code: "exitCode", reason: "reason", message: "message" });

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
