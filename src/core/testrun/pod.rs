//! The pod of a runner, as far as it is kept.
//!
//! Owns which pods are runners, and of which run. Leaves alone how a pod fares (see `life`) and what a run does about it.
//! Invariant: a [`RunnerPod`] is small, since one is kept for every pod of every run.

use std::time::SystemTime;

use k8s::pod::Pod;

use super::jobs;
use super::life::{self, Life, Step};
use crate::api::ObjectKey;
use crate::api::run::{LABEL_RUNNER, LABEL_TEST_RUN};
use crate::objects::ledger::BESIDE_BYTES;
use crate::objects::{self, Object};

/// One pod of a runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerPod {
    key: ObjectKey,
    uid: String,
    version: u64,
    /// The uid of the Job that controls it: this alone says whose runner it is.
    pub job_uid: String,
    run: String,
    /// The runner that it claims to be, from 1, by the name of its Job.
    pub runner: u32,
    /// When the API server created it.
    pub created: Option<SystemTime>,
    /// `status.podIP`, once there is one.
    pub ip: Option<String>,
    /// How far it is on its way to k6.
    pub step: Step,
    /// How it fares.
    pub life: Life,
}

impl Object for RunnerPod {
    fn key(&self) -> ObjectKey {
        self.key.clone()
    }

    fn uid(&self) -> &str {
        &self.uid
    }

    fn version(&self) -> u128 {
        self.version.into()
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
        Some(Self {
            key: pod.metadata.key(),
            uid: pod.metadata.uid.clone(),
            version: version(pod),
            run: run.clone(),
            job_uid: job.uid.clone(),
            runner,
            created: pod.metadata.creation_timestamp.as_deref().and_then(k8s::parse_time),
            ip: address(pod),
            step: life::step(pod),
            life: life::life(pod),
        })
    }

    /// The same pod as it fares by now, whatever has become of its labels and owners.
    #[must_use]
    pub fn renewed(&self, pod: &Pod) -> Self {
        let (ip, step, life) = (address(pod), life::step(pod), life::life(pod));
        Self { version: version(pod), ip, step, life, ..self.clone() }
    }

    /// How long all its text is, in bytes: the key three times, since the pod is found by it and by its Job.
    fn text_bytes(&self) -> usize {
        let Self { key, uid, run, job_uid, .. } = self;
        let said = match &self.life {
            Life::Waiting(text) => text.as_ref().map_or(0, String::len),
            Life::Failed(failure) => failure.message.len() + failure.container.len(),
            Life::Ended(exit) => exit.message.len(),
            Life::Running => 0,
        };
        let once = uid.len() + run.len();
        once + self.ip.as_ref().map_or(0, String::len)
            + said
            + 2 * job_uid.len()
            + 3 * (key.name.len() + key.namespace.len())
    }

    /// The test run that it claims to belong to, by its label `k6_cr`.
    #[must_use]
    pub fn run(&self) -> ObjectKey {
        ObjectKey { namespace: self.key.namespace.clone(), name: self.run.clone() }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.key.name
    }
}

/// Versions of a pod grow, and fit into this on every known server.
fn version(pod: &Pod) -> u64 {
    objects::version(&pod.metadata.resource_version).try_into().unwrap_or(0)
}

fn address(pod: &Pod) -> Option<String> {
    let status = &pod.status;
    let first = status.pod_ips.first().map(|ip| &ip.ip);
    [Some(&status.pod_ip), first].into_iter().flatten().find(|ip| !ip.is_empty()).cloned()
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
}
