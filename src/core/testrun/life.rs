//! How a runner's pod fares: what the kubelet and the control plane say of it, put into one of four words.
//!
//! Owns the reading of `status.phase`, `status.conditions` and the container statuses. Leaves alone whose pod it is (see
//! `pod`) and what a run does about it (see `diagnose`). k6 is judged before all others: once it has run, no other container
//! has a say. Before that, the init containers that run to an end count; a sidecar only holds the pod up.

use k8s::pod::{ContainerStatus, Pod, Terminated};

use super::exits;
use super::jobs::runner::ARCHIVE_CONTAINER;
use crate::api::run::RUNNER_CONTAINER;
use crate::redact;

/// How much of a kubelet's or k6's message is kept.
const MESSAGE_BYTES_MAX: usize = 400;

/// How a pod fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// k6 does not run yet. The text says what holds it up, if it is more than the usual way.
    Waiting(Option<String>),
    /// k6 runs.
    Running,
    /// k6 has exited by itself, with a code that means that its test is over.
    Ended(Exit),
    /// It will not run (any more).
    Failed(PodFailure),
}

/// How k6 has exited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// k6's exit code.
    pub code: i32,
    /// Its last words, one line.
    pub message: String,
}

/// What has gone wrong with a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFailure {
    /// Which kind of thing.
    pub kind: FailureKind,
    /// The container that it befell, where that is not k6; empty otherwise.
    pub container: String,
    /// What was said about it, one line.
    pub message: String,
}

/// The kinds of failure that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// A container was killed for its memory.
    OutOfMemory,
    /// A container could not be started: the image has no such program.
    NotStarted,
    /// The pod was evicted, preempted, or its node is lost.
    Evicted,
    /// The pod was deleted by somebody else.
    Deleted,
    /// The download of the archive failed, with this exit code.
    Download(i32),
    /// Another init container failed, with this exit code.
    Init(i32),
    /// k6 failed, with this exit code.
    K6(i32),
    /// The pod failed, and nobody can say how.
    Unknown,
}

/// How far a pod is on its way to k6. What comes later is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// It exists.
    #[default]
    Made,
    /// It has a node.
    Scheduled,
    /// The kubelet has taken so many steps with its init containers: one for a start, one for an end.
    Preparing(usize),
    /// k6 was started.
    Started,
}

/// How far the pod is.
#[must_use]
pub fn step(pod: &Pod) -> Step {
    let status = &pod.status;
    let k6 = status.container(RUNNER_CONTAINER).map(|k6| &k6.state);
    if k6.is_some_and(|state| state.running.is_some() || state.terminated.is_some()) {
        return Step::Started;
    }
    let steps = |container: &ContainerStatus| {
        let state = &container.state;
        if state.terminated.is_some() { 2 } else { usize::from(state.running.is_some()) }
    };
    let prepared: usize = status.init_container_statuses.iter().map(steps).sum();
    if prepared > 0 || !status.start_time.is_empty() {
        Step::Preparing(prepared)
    } else if pod.spec.node_name.is_empty() {
        Step::Made
    } else {
        Step::Scheduled
    }
}

/// How the pod fares. The order matters: what has ended outweighs what is being deleted, and that outweighs what still runs.
#[must_use]
pub fn life(pod: &Pod) -> Life {
    let status = &pod.status;
    if let Some(failure) = disruption(pod) {
        return Life::Failed(failure);
    }
    let is_deleting = pod.metadata.deletion_timestamp.is_some();
    let k6 = status.container(RUNNER_CONTAINER).map(|k6| &k6.state);
    if let Some(end) = k6.and_then(|state| state.terminated.as_ref()) {
        return k6_ended(end, is_deleting);
    }
    if is_deleting {
        return failed(FailureKind::Deleted, "", "");
    }
    let has_ended = matches!(status.phase.as_str(), "Failed" | "Succeeded");
    if !has_ended && k6.is_some_and(|state| state.running.is_some()) {
        return Life::Running;
    }
    if let Some(failure) = preparation_failure(pod) {
        return Life::Failed(failure);
    }
    match status.phase.as_str() {
        "Failed" => failed(FailureKind::Unknown, "", &said(&status.reason, &status.message)),
        "Succeeded" => Life::Ended(Exit::default()),
        _ => Life::Waiting(hold_up(pod)),
    }
}

fn k6_ended(end: &Terminated, is_deleting: bool) -> Life {
    match verdict(end) {
        Verdict::OutOfMemory => failed(FailureKind::OutOfMemory, "", &end.message),
        Verdict::NotStarted => failed(FailureKind::NotStarted, "", &end.message),
        Verdict::Exited(code) if exits::is_end_of_test(code) && !is_deleting => {
            Life::Ended(Exit { code, message: line(&errors_in(&end.message)) })
        }
        Verdict::Exited(_) | Verdict::Lost if is_deleting => failed(FailureKind::Deleted, "", ""),
        Verdict::Exited(code) => failed(FailureKind::K6(code), "", &errors_in(&end.message)),
        Verdict::Lost => failed(FailureKind::Unknown, "", &said(&end.reason, &end.message)),
    }
}

/// How a container has ended.
enum Verdict {
    OutOfMemory,
    NotStarted,
    /// Nobody saw it end: its node was away.
    Lost,
    Exited(i32),
}

/// The reason outweighs the exit code, which the kubelet makes up where no process has given one.
fn verdict(end: &Terminated) -> Verdict {
    match end.reason.as_str() {
        "OOMKilled" => Verdict::OutOfMemory,
        "StartError" | "ContainerCannotRun" => Verdict::NotStarted,
        "ContainerStatusUnknown" => Verdict::Lost,
        _ => Verdict::Exited(end.exit_code),
    }
}

/// The first init container that had to come to a good end and has not.
fn preparation_failure(pod: &Pod) -> Option<PodFailure> {
    let ends =
        pod.status.init_container_statuses.iter().filter(|container| !is_sidecar(pod, &container.name));
    let mut bad_ends = ends.filter_map(|container| {
        let end = container.state.terminated.as_ref()?;
        (end.exit_code != 0).then_some((container.name.as_str(), end))
    });
    let (name, end) = bad_ends.next()?;
    let kind = match verdict(end) {
        Verdict::OutOfMemory => FailureKind::OutOfMemory,
        Verdict::NotStarted => FailureKind::NotStarted,
        Verdict::Exited(code) if name == ARCHIVE_CONTAINER => FailureKind::Download(code),
        Verdict::Exited(code) => FailureKind::Init(code),
        Verdict::Lost => FailureKind::Unknown,
    };
    Some(failure(kind, name, &end.message))
}

/// Whether the init container is one that runs beside k6: it may end as often as it likes.
fn is_sidecar(pod: &Pod, name: &str) -> bool {
    let mut spec = pod.spec.init_containers.iter();
    spec.any(|container| container.name == name && container.restart_policy == "Always")
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
    Some(failure(FailureKind::Evicted, "", &format!("{word}: {message}")))
}

/// What holds a pending pod up, if it is more than the usual way.
fn hold_up(pod: &Pod) -> Option<String> {
    let status = &pod.status;
    let unscheduled = status.condition("PodScheduled").filter(|condition| condition.status == "False");
    if let Some(condition) = unscheduled {
        return Some(line(&said(&condition.reason, &condition.message)));
    }
    let inits = status.init_container_statuses.iter().map(|container| (container, "init container "));
    let mains = status.container_statuses.iter().map(|container| (container, "container "));
    inits.chain(mains).find_map(|(container, what)| {
        let waiting = container.state.waiting.as_ref()?;
        if matches!(waiting.reason.as_str(), "" | "PodInitializing" | "ContainerCreating") {
            return None;
        }
        let mut text = said(&waiting.reason, &waiting.message);
        if let Some(end) = &container.last_state.terminated {
            text = format!("exited with code {}, {text}", end.exit_code);
        }
        let is_own = matches!(container.name.as_str(), RUNNER_CONTAINER | ARCHIVE_CONTAINER);
        Some(line(&if is_own { text } else { format!("{what}{}: {text}", container.name) }))
    })
}

fn said(reason: &str, message: &str) -> String {
    match (reason, message.trim()) {
        (reason, "") => reason.to_owned(),
        ("", message) => message.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

fn failed(kind: FailureKind, container: &str, message: &str) -> Life {
    Life::Failed(failure(kind, container, message))
}

fn failure(kind: FailureKind, container: &str, message: &str) -> PodFailure {
    PodFailure { kind, container: container.to_owned(), message: line(message) }
}

fn line(text: &str) -> String {
    redact::scrubbed_line(text, MESSAGE_BYTES_MAX)
}

#[cfg(test)]
mod tests;
