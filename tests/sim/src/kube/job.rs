//! The Job controller: pods for Jobs, and the Jobs' status from their pods.
//!
//! A pod that is deleted or gone before its end counts as failed. Invariant: it never makes more pods than
//! `parallelism`, and none for a Job that is over, suspended or being deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Around, Kube, Mishap, Task, is_deleting};
use crate::api::{DeleteOptions, Key, Kind, Part, Propagation};
use crate::json;

/// How long the controller waits after a refused creation.
const RETRY: Duration = Duration::from_secs(10);

/// What the controller remembers of a Job.
#[derive(Debug, Default)]
pub(super) struct JobState {
    pods: BTreeMap<String, Verdict>,
    started: Duration,
    refusals: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Active,
    Succeeded,
    Failed,
}

impl Kube {
    /// Brings a Job and its pods together.
    pub(super) fn sync_job(&mut self, now: Duration, around: &mut Around<'_>, key: &Key) {
        let Some(job) = around.api.object(key).cloned() else { return };
        if is_over(&job) {
            self.expire(now, around, key, &job);
            return;
        }
        let state =
            self.jobs.entry(key.clone()).or_insert_with(|| JobState { started: now, ..JobState::default() });
        let mut ready = 0;
        for (name, verdict) in state.pods.iter_mut().filter(|(_, verdict)| **verdict == Verdict::Active) {
            let pod = around.api.object(&Key::new(Kind::Pod, &key.namespace, name));
            *verdict = match pod.map(|pod| (json::text(pod, "status.phase"), is_deleting(pod))) {
                Some(("Succeeded", _)) => Verdict::Succeeded,
                Some(("Failed", _) | (_, true)) | None => Verdict::Failed,
                Some(_) => Verdict::Active,
            };
            let is_ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
            ready +=
                u64::from(pod.is_some_and(|pod| json::list(pod, "status.conditions").iter().any(is_ready)));
        }
        let count = |wanted| state.pods.values().filter(|verdict| **verdict == wanted).count() as u64;
        let (mut active, succeeded, failed) =
            (count(Verdict::Active), count(Verdict::Succeeded), count(Verdict::Failed));
        let number = |path: &str, default| json::at(&job, path).as_u64().unwrap_or(default);
        let completions = number("spec.completions", 1);
        let end = if failed > number("spec.backoffLimit", 6) {
            Some(("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"))
        } else if succeeded >= completions {
            Some(("Complete", "CompletionsReached", "Reached expected number of succeeded pods"))
        } else {
            None
        };
        let is_resting = is_deleting(&job) || job["spec"]["suspend"] == true || end.is_some();
        let wanted = if is_resting { 0 } else { number("spec.parallelism", 1).min(completions - succeeded) };
        while active < wanted && self.make_pod(now, around, key, &job) {
            active += 1;
        }
        let state = self.jobs.get(key).expect("the entry was made above");
        let mut status = json!({"startTime": around.api.wall.at(state.started), "terminating": 0, "ready": ready,
            "uncountedTerminatedPods": {}});
        for (field, count) in [("active", active), ("succeeded", succeeded), ("failed", failed)] {
            if count > 0 {
                status[field] = json!(count);
            }
        }
        if let Some((kind, reason, message)) = end {
            let at = around.api.wall.at(now);
            status["conditions"] = json!([{"type": kind, "status": "True", "reason": reason, "message": message,
                "lastProbeTime": at, "lastTransitionTime": at}]);
            if kind == "Complete" {
                status["completionTime"] = json!(at);
            }
        }
        around.api.modify(key, Part::Status, |job| job["status"] = status);
    }

    /// Creates one pod; false when that is refused.
    fn make_pod(&mut self, now: Duration, around: &mut Around<'_>, key: &Key, job: &Value) -> bool {
        if let Some(Mishap::Quota(words)) = self.config.plan(&key.name).mishap {
            let state = self.jobs.get_mut(key).expect("the caller made the entry");
            state.refusals += 1;
            if state.refusals == 1 {
                let message = format!("Error creating: pods \"{}-\" is forbidden: {words}", key.name);
                self.event(now, around.api, key, "FailedCreate", &message);
            }
            self.tasks.insert((now + RETRY, Task::Job(key.clone())));
            return false;
        }
        let name = format!("{}-{}", key.name, self.rng.suffix());
        let template = &job["spec"]["template"];
        let mut metadata = template["metadata"].clone();
        metadata["name"] = json!(name);
        metadata["generateName"] = json!(format!("{}-", key.name));
        metadata["ownerReferences"] = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": key.name,
            "uid": job["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true}]);
        json::remove(&mut metadata, "creationTimestamp");
        let mut pod = json!({"metadata": metadata, "spec": template["spec"]});
        if let Some(injected) = self.config.plan(&key.name).injected {
            let inits = &mut pod["spec"]["initContainers"];
            let own = inits.as_array().cloned().unwrap_or_default();
            *inits = std::iter::once(injected.container).chain(own).collect();
        }
        match around.api.create(now, Kind::Pod, &key.namespace, pod) {
            Ok(_) => {
                let state = self.jobs.get_mut(key).expect("the caller made the entry");
                state.pods.insert(name, Verdict::Active);
                true
            }
            // The namespace goes, and the Job with it.
            Err(status) if status.code == 403 && status.details["causes"].is_array() => false,
            Err(status) => {
                let message = format!("Error creating: {}", status.message);
                self.event(now, around.api, key, "FailedCreate", &message);
                self.tasks.insert((now + RETRY, Task::Job(key.clone())));
                false
            }
        }
    }

    /// Deletes a Job that is over when its `ttlSecondsAfterFinished` have passed.
    fn expire(&mut self, now: Duration, around: &mut Around<'_>, key: &Key, job: &Value) {
        let Some(seconds) = json::at(job, "spec.ttlSecondsAfterFinished").as_u64() else { return };
        if is_deleting(job) {
            return;
        }
        let since = json::text(job, "status.conditions.0.lastTransitionTime");
        let since = humantime::parse_rfc3339(since).unwrap_or(around.api.wall.0);
        let due = since.duration_since(around.api.wall.0).unwrap_or_default() + Duration::from_secs(seconds);
        if now < due {
            self.tasks.insert((due, Task::Job(key.clone())));
            return;
        }
        let options =
            DeleteOptions { propagation: Some(Propagation::Foreground), ..DeleteOptions::default() };
        around.api.delete(now, key, &options).expect("the Job was just there");
    }
}

fn is_over(job: &Value) -> bool {
    let ends = |condition: &Value| {
        matches!(json::text(condition, "type"), "Complete" | "Failed") && condition["status"] == "True"
    };
    json::list(job, "status.conditions").iter().any(ends)
}
