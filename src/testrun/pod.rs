//! How a runner's pod fares, read off its status.
//!
//! Owns the reading of `status.phase`, `status.conditions` and the container statuses. Leaves alone what a run does about
//! it. Invariant: a [`RunnerPod`] is small, since one is kept for every pod of every run.

use k8s::ObjectMeta;
use k8s::pod::{ContainerState, ContainerStatus, Pod};

use super::api::{LABEL_RUNNER, LABEL_TEST_RUN, RUNNER_CONTAINER};
use super::jobs;
use crate::event::ObjectKey;
use crate::redact;
use crate::store::Object;
use crate::store::ledger::BESIDE_BYTES;

/// How much of a kubelet's or k6's message is kept.
const MESSAGE_BYTES_MAX: usize = 400;

/// One pod of a runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerPod {
    metadata: ObjectMeta,
    /// The uid of the Job that controls it: this alone says whose runner it is.
    pub job_uid: String,
    /// The test run that it claims to belong to, by its label `k6_cr`.
    pub run: ObjectKey,
    /// The runner that it claims to be, from 1, by the name of its Job.
    pub runner: u32,
    /// When the API server created it, as it writes it.
    pub created: String,
    /// `status.podIP`, once there is one.
    pub ip: Option<String>,
    /// How it fares.
    pub life: Life,
}

/// How a pod fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// k6 does not run yet. The text says what holds it up, if it is more than the usual way.
    Waiting(Option<String>),
    /// k6 runs.
    Running,
    /// k6 has exited by itself, with a code that means that the test is over.
    Ended,
    /// It will not run (any more).
    Failed(PodFailure),
}

/// What has gone wrong with a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFailure {
    /// Which kind of thing.
    pub kind: FailureKind,
    /// What was said about it, one line.
    pub message: String,
}

/// The kinds of failure that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// A container was killed for its memory.
    OutOfMemory,
    /// The pod was evicted, preempted, or its node is lost.
    Evicted,
    /// The pod was deleted by somebody else.
    Deleted,
    /// An init container failed, with this exit code.
    Init(i32),
    /// k6 failed, with this exit code.
    K6(i32),
    /// The pod failed and does not say more.
    Unknown,
}

impl Object for RunnerPod {
    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + BESIDE_BYTES + self.text_bytes()
    }
}

impl RunnerPod {
    /// Reads a pod. `None` if it is no runner: initializers and starters carry the same `k6_cr` label, and anybody can make a
    /// pod that carries all of our labels. One that no Job controls is nobody's runner.
    ///
    /// Who may create pods in a run's namespace can forge the controller as well; with the uid of one of our Jobs he meddles
    /// with that namespace's own runs.
    #[must_use]
    pub fn read(pod: &Pod) -> Option<Self> {
        let labels = &pod.metadata.labels;
        if labels.get(LABEL_RUNNER).map(String::as_str) != Some("true") {
            return None;
        }
        let run = labels.get(LABEL_TEST_RUN)?;
        let job = pod.metadata.controller().filter(|owner| owner.kind == "Job")?;
        let runner = jobs::runner::number(run, &job.name)?;
        let namespace = pod.metadata.namespace.clone();
        Some(Self {
            run: ObjectKey { namespace: namespace.clone(), name: run.clone() },
            job_uid: job.uid.clone(),
            runner,
            created: pod.metadata.creation_timestamp.clone().unwrap_or_default(),
            ip: address(pod),
            life: life(pod),
            metadata: ObjectMeta {
                name: pod.metadata.name.clone(),
                namespace,
                uid: pod.metadata.uid.clone(),
                resource_version: pod.metadata.resource_version.clone(),
                ..ObjectMeta::default()
            },
        })
    }

    /// The same pod as it fares by now, whatever has become of its labels and owners.
    #[must_use]
    pub fn renewed(&self, pod: &Pod) -> Self {
        let mut metadata = self.metadata.clone();
        metadata.resource_version.clone_from(&pod.metadata.resource_version);
        Self { metadata, ip: address(pod), life: life(pod), ..self.clone() }
    }

    /// How long all its text is, in bytes: some of it twice, where the pod is found by it.
    fn text_bytes(&self) -> usize {
        let ObjectMeta { name, namespace, uid, resource_version, .. } = &self.metadata;
        let said = match &self.life {
            Life::Waiting(text) => text.as_ref().map_or(0, String::len),
            Life::Failed(failure) => failure.message.len(),
            Life::Running | Life::Ended => 0,
        };
        let once = uid.len() + resource_version.len() + self.ip.as_ref().map_or(0, String::len) + said;
        let twice = name.len() + namespace.len() * 2 + self.run.name.len() + self.job_uid.len();
        once + 2 * twice + self.created.len()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.metadata.name
    }
}

fn address(pod: &Pod) -> Option<String> {
    let status = &pod.status;
    let first = status.pod_ips.first().map(|ip| &ip.ip);
    [Some(&status.pod_ip), first].into_iter().flatten().find(|ip| !ip.is_empty()).cloned()
}

/// The order matters: what has ended outweighs what is being deleted, and that outweighs what still runs.
fn life(pod: &Pod) -> Life {
    let status = &pod.status;
    if let Some(failure) = disruption(pod) {
        return Life::Failed(failure);
    }
    for container in &status.init_container_statuses {
        if let Some(state) = &container.state.terminated
            && state.exit_code != 0
        {
            let kind = if is_out_of_memory(&state.reason) {
                FailureKind::OutOfMemory
            } else {
                FailureKind::Init(state.exit_code)
            };
            return failed(kind, &state.message);
        }
    }
    let k6 = status.container_statuses.iter().find(|container| container.name == RUNNER_CONTAINER);
    if let Some(state) = k6.and_then(|k6| k6.state.terminated.as_ref()) {
        let message = &state.message;
        return match state.exit_code {
            _ if is_out_of_memory(&state.reason) => failed(FailureKind::OutOfMemory, message),
            code if k6_has_ended(code) && pod.metadata.deletion_timestamp.is_none() => Life::Ended,
            _ if pod.metadata.deletion_timestamp.is_some() => deleted(),
            code => failed(FailureKind::K6(code), &errors_in(message)),
        };
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return deleted();
    }
    match status.phase.as_str() {
        "Failed" => failed(FailureKind::Unknown, &status.message),
        "Succeeded" => Life::Ended,
        _ if k6.is_some_and(|k6| k6.state.running.is_some()) => Life::Running,
        _ => Life::Waiting(hold_up(pod)),
    }
}

/// The errors in the end of k6's log, which the kubelet hands over as the message; all of it if there are none. What k6 says
/// of its log's way to the cloud is noise beside the cause.
fn errors_in(log: &str) -> String {
    let is_error = |line: &&str| line.contains("level=error") && !line.contains("Error while sending logs");
    let errors: Vec<&str> = log.lines().filter(is_error).collect();
    if errors.is_empty() { log.to_owned() } else { errors.join(" ") }
}

/// Eviction by the kubelet, preemption, taints, a lost node.
fn disruption(pod: &Pod) -> Option<PodFailure> {
    let status = &pod.status;
    let reason = status.reason.as_str();
    let condition = status.conditions.iter().find(|c| c.type_ == "DisruptionTarget" && c.status == "True");
    let (word, message) = match (reason, condition) {
        (
            "Evicted"
            | "NodeLost"
            | "NodeShutdown"
            | "Terminated"
            | "Preempting"
            | "UnexpectedAdmissionError",
            _,
        ) => (reason, status.message.as_str()),
        (_, Some(condition)) => (condition.reason.as_str(), condition.message.as_str()),
        _ => return None,
    };
    let message = redact::scrubbed_line(&format!("{word}: {message}"), MESSAGE_BYTES_MAX);
    Some(PodFailure { kind: FailureKind::Evicted, message })
}

fn is_out_of_memory(reason: &str) -> bool {
    reason == "OOMKilled"
}

/// k6's exit codes that say that the test has run to an end, whatever its result: success, thresholds crossed, stopped
/// through REST, `test.abort()`, marked as failed. A signal (105) is none of them: those that the agent causes come with
/// the deletion of the pod.
fn k6_has_ended(exit_code: i32) -> bool {
    matches!(exit_code, 0 | 99 | 103 | 108 | 110)
}

fn deleted() -> Life {
    failed(FailureKind::Deleted, "")
}

fn failed(kind: FailureKind, message: &str) -> Life {
    Life::Failed(PodFailure { kind, message: redact::scrubbed_line(message, MESSAGE_BYTES_MAX) })
}

/// What holds a pending pod up, if it is more than the usual way.
fn hold_up(pod: &Pod) -> Option<String> {
    let status = &pod.status;
    let unscheduled = status
        .conditions
        .iter()
        .find(|c| c.type_ == "PodScheduled" && c.status == "False")
        .map(|c| said(&c.reason, &c.message));
    let waiting = || {
        status.init_container_statuses.iter().chain(&status.container_statuses).find_map(
            |container: &ContainerStatus| {
                let ContainerState { waiting, .. } = &container.state;
                let waiting = waiting.as_ref()?;
                let usual = matches!(waiting.reason.as_str(), "" | "PodInitializing" | "ContainerCreating");
                (!usual).then(|| said(&waiting.reason, &waiting.message))
            },
        )
    };
    unscheduled.or_else(waiting)
}

fn said(reason: &str, message: &str) -> String {
    let text =
        if message.trim().is_empty() { reason.to_owned() } else { format!("{reason}: {}", message.trim()) };
    redact::scrubbed_line(&text, MESSAGE_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(labels: &Value, extra: &Value, status: &Value) -> Option<RunnerPod> {
        let mut metadata = json!({
            "name": "run-2-abcde", "namespace": "ns", "uid": "u", "resourceVersion": "1", "labels": labels,
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "run-2", "uid": "j", "controller": true}],
        });
        for (key, value) in extra.as_object().unwrap() {
            metadata[key] = value.clone();
        }
        RunnerPod::read(&serde_json::from_value(json!({"metadata": metadata, "status": status})).unwrap())
    }

    #[expect(clippy::needless_pass_by_value, reason = "literals read better without a borrow")]
    fn runner(status: Value) -> RunnerPod {
        pod(&json!({"k6_cr": "run", "runner": "true"}), &json!({}), &status).unwrap()
    }

    #[track_caller]
    fn check(status: Value, expected: &Life) {
        assert_eq!(&runner(status).life, expected);
    }

    fn failure(kind: FailureKind, message: &str) -> Life {
        Life::Failed(PodFailure { kind, message: message.into() })
    }

    #[test]
    fn a_runner_is_what_a_job_controls() {
        let check = |extra: Value, is_runner: bool| {
            let labels = json!({"k6_cr": "run", "runner": "true", "job-name": "run-2",
                "batch.kubernetes.io/job-name": "run-2"});
            assert_eq!(pod(&labels, &extra, &json!({})).is_some(), is_runner, "{extra}");
        };
        let owned = |kind: &str, name: &str, controller: Value| json!({"ownerReferences": [{"kind": kind, "name": name, "uid": "j", "controller": controller}]});
        check(owned("Job", "run-2", json!(true)), true);
        check(json!({"ownerReferences": null}), false);
        check(owned("Job", "run-2", json!(null)), false);
        check(owned("Job", "run-2", json!(false)), false);
        check(owned("ReplicaSet", "run-2", json!(true)), false);
        check(owned("Job", "other-2", json!(true)), false);
        for number in ["0", "-1", "+2", "02", "1001", "4000000000", "99999999999", "two", ""] {
            check(owned("Job", &format!("run-{number}"), json!(true)), false);
        }
    }

    #[test]
    fn runners_are_told_by_their_labels_and_their_job() {
        let found = runner(json!({}));
        assert_eq!((found.job_uid.as_str(), found.runner), ("j", 2));
        assert_eq!(runner(json!({"podIP": "10.0.0.7"})).ip.as_deref(), Some("10.0.0.7"));
        assert_eq!(runner(json!({"podIPs": [{"ip": "fd00::7"}]})).ip.as_deref(), Some("fd00::7"));
        assert_eq!(pod(&json!({"k6_cr": "run"}), &json!({}), &json!({})), None);
        assert_eq!(pod(&json!({"k6_cr": "other", "runner": "true"}), &json!({}), &json!({})), None);
    }

    #[test]
    fn the_usual_way_to_running() {
        check(json!(null), &Life::Waiting(None));
        check(
            json!({"phase": "Pending", "conditions": null, "containerStatuses": null}),
            &Life::Waiting(None),
        );
        check(
            json!({"phase": "Pending", "initContainerStatuses": [
                {"name": "archive-download", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
            ], "containerStatuses": [{"name": "k6", "state": {"waiting": {"reason": "PodInitializing"}}}]}),
            &Life::Waiting(None),
        );
        check(
            json!({"phase": "Running", "containerStatuses": [{"name": "k6", "ready": false, "state": {"running": {}}}]}),
            &Life::Running,
        );
    }

    #[test]
    fn what_holds_a_pod_up_is_said() {
        check(
            json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
                "reason": "Unschedulable", "message": "0/3 nodes are available"}]}),
            &Life::Waiting(Some("Unschedulable: 0/3 nodes are available".into())),
        );
        check(
            json!({"phase": "Pending", "containerStatuses": [
                {"name": "k6", "state": {"waiting": {"reason": "ErrImagePull", "message": "not\nfound"}}}]}),
            &Life::Waiting(Some("ErrImagePull: not found".into())),
        );
    }

    #[test]
    fn failures_are_told_apart() {
        let k6 =
            |state: Value| json!({"phase": "Failed", "containerStatuses": [{"name": "k6", "state": state}]});
        check(
            k6(json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}})),
            &failure(FailureKind::OutOfMemory, ""),
        );
        check(
            k6(json!({"terminated": {"exitCode": 107, "reason": "Error", "message": "ReferenceError: x"}})),
            &failure(FailureKind::K6(107), "ReferenceError: x"),
        );
        let log = "HTTP\n http_reqs: 1\nlevel=error msg=\"Error while sending logs to loki\"\nlevel=error msg=\"TypeError\"";
        check(
            k6(json!({"terminated": {"exitCode": 107, "message": log}})),
            &failure(FailureKind::K6(107), "level=error msg=\"TypeError\""),
        );
        check(k6(json!({"terminated": {"exitCode": 99, "reason": "Error"}})), &Life::Ended);
        check(
            k6(json!({"terminated": {"exitCode": 105, "reason": "Error"}})),
            &failure(FailureKind::K6(105), ""),
        );
        check(
            json!({"phase": "Failed", "initContainerStatuses": [{"name": "archive-download",
                "state": {"terminated": {"exitCode": 10, "message": "expired: the URL has expired"}}}],
                "containerStatuses": [{"name": "k6", "state": {"waiting": {"reason": "PodInitializing"}}}]}),
            &failure(FailureKind::Init(10), "expired: the URL has expired"),
        );
        check(
            json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory"}),
            &failure(FailureKind::Evicted, "Evicted: The node was low on memory"),
        );
        check(
            json!({"phase": "Running", "conditions": [{"type": "DisruptionTarget", "status": "True",
                "reason": "PreemptionByScheduler", "message": "preempted"}]}),
            &failure(FailureKind::Evicted, "PreemptionByScheduler: preempted"),
        );
        check(json!({"phase": "Failed"}), &failure(FailureKind::Unknown, ""));
    }

    #[test]
    fn a_pod_that_is_being_deleted_has_failed() {
        let labels = json!({"k6_cr": "run", "runner": "true"});
        let extra = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        let running =
            json!({"phase": "Running", "containerStatuses": [{"name": "k6", "state": {"running": {}}}]});
        assert_eq!(pod(&labels, &extra, &running).unwrap().life, failure(FailureKind::Deleted, ""));
    }
}
