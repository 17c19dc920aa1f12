//! A pod's status as the kubelet writes it, from the typed state of its containers.

use std::time::Duration;

use serde_json::{Value, json};

use super::sidecar::Sidecar;
use crate::json;
use crate::wall::Wall;

/// The state of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not started.
    Waiting {
        /// `PodInitializing`, `ContainerCreating`, `ErrImagePull`, …
        reason: &'static str,
        /// More of it; may be empty.
        message: String,
    },
    /// Running since.
    Running(Duration),
    /// Ended.
    Terminated {
        /// Exit code.
        code: i32,
        /// `Completed`, `Error`, `OOMKilled`.
        reason: &'static str,
        /// The termination message; may be empty.
        message: String,
        /// When it was started.
        started: Duration,
        /// When it ended.
        finished: Duration,
    },
}

impl State {
    /// Waiting without a message.
    pub fn waiting(reason: &'static str) -> Self {
        Self::Waiting { reason, message: String::new() }
    }
}

/// Everything that the status says.
#[derive(Clone, Debug)]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed`.
    pub phase: &'static str,
    /// `status.reason`; empty if none.
    pub reason: &'static str,
    /// `status.message`; empty if none.
    pub message: String,
    /// When the kubelet took the pod; none before.
    pub started: Option<Duration>,
    /// The pod's address; empty before the sandbox.
    pub ip: String,
    /// Init containers, in the order of the spec.
    pub inits: Vec<State>,
    /// The first init container's restarts, if it is a sidecar.
    pub sidecar: Option<Sidecar>,
    /// Containers, in the order of the spec.
    pub mains: Vec<State>,
    /// Whether the pod is ready, and if not, why.
    pub ready: Readiness,
    /// Whether it is bound, and if not, the scheduler's words.
    pub bound: Result<(), String>,
    /// Reason and message of `DisruptionTarget`; none if it is not one.
    pub disrupted: Option<(&'static str, &'static str)>,
}

/// The Ready condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// True.
    Ready,
    /// False for the usual reasons.
    NotReady,
    /// False because nothing is heard of the node.
    NodeNotReady,
}

impl PodStatus {
    /// The status of a pod that nobody has looked at.
    pub fn fresh(inits: usize, mains: usize) -> Self {
        Self {
            phase: "Pending",
            reason: "",
            message: String::new(),
            started: None,
            ip: String::new(),
            inits: vec![State::waiting("PodInitializing"); inits],
            sidecar: None,
            mains: vec![
                State::waiting(if inits > 0 { "PodInitializing" } else { "ContainerCreating" });
                mains
            ],
            ready: Readiness::NotReady,
            bound: Ok(()),
            disrupted: None,
        }
    }

    /// The `status` of the pod; `old` gives the transition times of conditions that stay.
    pub fn render(&self, now: Duration, wall: Wall, pod: &Value) -> Value {
        let old = &pod["status"];
        let mut status = json!({"phase": self.phase, "qosClass": "Burstable", "conditions": self.conditions(now, wall, old)});
        for (field, value) in [("reason", self.reason), ("message", &self.message)] {
            if !value.is_empty() {
                status[field] = json!(value);
            }
        }
        let Some(started) = self.started else { return status };
        status["startTime"] = json!(wall.at(started));
        status["hostIP"] = json!("127.0.0.1");
        status["hostIPs"] = json!([{"ip": "127.0.0.1"}]);
        if !self.ip.is_empty() {
            status["podIP"] = json!(self.ip);
            status["podIPs"] = json!([{"ip": self.ip}]);
        }
        let uid = json::text(pod, "metadata.uid");
        for (field, list, states) in [
            ("initContainerStatuses", "initContainers", &self.inits),
            ("containerStatuses", "containers", &self.mains),
        ] {
            if !states.is_empty() {
                let spec = json::list(&pod["spec"], list);
                status[field] = spec
                    .iter()
                    .zip(states)
                    .map(|(spec, state)| self.container(wall, uid, spec, state))
                    .collect();
            }
        }
        if let Some(Sidecar { restarts, last: Some(last), .. }) = &self.sidecar {
            let last = self.container(wall, uid, &pod["spec"]["initContainers"][0], last);
            let sidecar = &mut status["initContainerStatuses"][0];
            sidecar["restartCount"] = json!(restarts);
            sidecar["lastState"] = last["state"].clone();
        }
        status
    }

    fn container(&self, wall: Wall, uid: &str, spec: &Value, state: &State) -> Value {
        let name = json::text(spec, "name");
        let id = format!("containerd://{}-{name}", uid.get(..8).unwrap_or_default());
        let (is_ready, is_started, id, state) = match state {
            State::Waiting { reason, message } => {
                let mut waiting = json!({"reason": reason});
                if !message.is_empty() {
                    waiting["message"] = json!(message);
                }
                (false, false, "", json!({"waiting": waiting}))
            }
            State::Running(since) => {
                let is_ready = self.ready == Readiness::Ready;
                (is_ready, true, id.as_str(), json!({"running": {"startedAt": wall.at(*since)}}))
            }
            State::Terminated { code, reason, message, started, finished } => {
                let mut terminated = json!({"exitCode": code, "reason": reason, "startedAt": wall.at(*started),
                    "finishedAt": wall.at(*finished), "containerID": id});
                if !message.is_empty() {
                    terminated["message"] = json!(message);
                }
                (*code == 0, false, id.as_str(), json!({"terminated": terminated}))
            }
        };
        let mut status = json!({"name": name, "image": spec["image"], "imageID": "", "state": state, "lastState": {},
            "ready": is_ready, "restartCount": 0, "started": is_started});
        if !id.is_empty() {
            status["containerID"] = json!(id);
            status["imageID"] = json!(format!("sha256:{name}"));
        }
        status
    }

    fn conditions(&self, now: Duration, wall: Wall, old: &Value) -> Value {
        let mut conditions = Vec::new();
        let mut put = |kind: &str, is_true: bool, reason: &str, message: &str| {
            let status = if is_true { "True" } else { "False" };
            let since = json::list(old, "conditions")
                .iter()
                .find(|condition| condition["type"] == kind && condition["status"] == status)
                .map_or_else(|| json!(wall.at(now)), |condition| condition["lastTransitionTime"].clone());
            let mut condition =
                json!({"type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": since});
            if !reason.is_empty() {
                condition["reason"] = json!(reason);
            }
            if !message.is_empty() {
                condition["message"] = json!(message);
            }
            conditions.push(condition);
        };
        if let Some((reason, message)) = self.disrupted {
            put("DisruptionTarget", true, reason, message);
        }
        if self.started.is_some() {
            let is_over = matches!(self.phase, "Succeeded" | "Failed");
            let is_done = |init: &State| matches!(init, State::Terminated { code: 0, .. });
            let beside = self.sidecar.as_ref();
            let has_begun = beside.is_none_or(|sidecar| sidecar.since.is_some());
            let is_initialized =
                has_begun && self.inits.iter().skip(usize::from(beside.is_some())).all(is_done);
            let (why, words) = match (self.ready, self.phase) {
                (Readiness::Ready, _) => ("", ""),
                (Readiness::NodeNotReady, _) => ("", ""),
                (_, "Succeeded") => ("PodCompleted", ""),
                (_, "Failed") => ("PodFailed", ""),
                _ => ("ContainersNotReady", "containers with unready status: [k6]"),
            };
            put("PodReadyToStartContainers", !self.ip.is_empty() && !is_over, "", "");
            let (reason, message) = if is_initialized {
                ("", "")
            } else {
                ("ContainersNotInitialized", "containers with incomplete status: [archive-download]")
            };
            put("Initialized", is_initialized, reason, message);
            put("Ready", self.ready == Readiness::Ready, why, words);
            put("ContainersReady", self.ready == Readiness::Ready, why, words);
        }
        match &self.bound {
            Ok(()) if self.started.is_none() => {}
            Ok(()) => put("PodScheduled", true, "", ""),
            Err(message) => put("PodScheduled", false, "Unschedulable", message),
        }
        Value::Array(conditions)
    }
}
