//! The pods of runners, by the Job that controls them.
//!
//! Owns which pods a run may look at. Leaves alone what a pod is (`pod`) and what there is room for, which is the ledger's.
//! Invariant: who does not know the uid of a run's Job has no part in the run.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use k8s::{Pod, WatchEvent};

use super::pod::RunnerPod;
use crate::api::ObjectKey;
use crate::objects::ledger::Ledger;
use crate::objects::{Object as _, Objects};

/// See the module.
#[derive(Debug, Default)]
pub struct Pods {
    pods: Objects<RunnerPod>,
    /// By the uid of the Job. One flat set: nearly every Job has one pod, and a set of its own has room for eleven.
    by_job: BTreeSet<(String, ObjectKey)>,
    /// How many pods claim to be of a run, by their label alone.
    claims: BTreeMap<ObjectKey, usize>,
}

/// What a piece of news has changed.
#[derive(Debug, Default)]
pub(crate) struct Absorbed {
    /// Runs to look at.
    pub runs: Vec<ObjectKey>,
    /// A pod that there is no room for, and its uid.
    pub no_room: Option<(ObjectKey, String)>,
}

impl Pods {
    /// Whether a list of the watch over `scope` has come to its end, or as far as it is read.
    pub(crate) fn has_listed(&self, scope: &Option<String>) -> bool {
        self.pods.has_listed(scope)
    }

    /// The pods that the Job of that uid controls, which is in this namespace.
    pub fn of_job<'a>(&'a self, namespace: &str, uid: &str) -> impl Iterator<Item = &'a RunnerPod> + use<'a> {
        let first = (uid.to_owned(), ObjectKey::new(namespace, ""));
        self.by_job
            .range(first.clone()..)
            .take_while(move |(job, key)| *job == first.0 && key.namespace == first.1.namespace)
            .filter_map(|(_, key)| self.pods.find(key))
    }

    /// How many pods claim to be of a run. That is no proof.
    #[must_use]
    pub fn claims(&self, run: &ObjectKey) -> usize {
        self.claims.get(run).copied().unwrap_or_default()
    }

    /// Takes what a watch has seen.
    pub(crate) fn absorb(
        &mut self,
        ledger: &mut Ledger,
        scope: Option<&str>,
        event: WatchEvent<Pod>,
    ) -> Absorbed {
        let mut changes = Absorbed::default();
        let event = match event {
            WatchEvent::Deleted(pod) => {
                let key = pod.metadata.key();
                let gone = self.pods.remove(ledger, &key, &pod.metadata.uid);
                gone.into_iter().for_each(|pod| self.pod_gone(&key, &pod, &mut changes));
                return changes;
            }
            WatchEvent::Applied(pod) | WatchEvent::Partial { object: pod, .. } => {
                let Some(pod) = self.read_pod(&pod) else { return changes };
                self.forget_claim(&pod.key(), &mut changes);
                WatchEvent::Applied(pod)
            }
            other => match other.filter_map(|_| None) {
                Some(event) => event,
                None => return changes,
            },
        };
        let key = if let WatchEvent::Applied(pod) = &event { Some(pod.key()) } else { None };
        let absorbed = self.pods.absorb(ledger, scope, event);
        changes.no_room = absorbed.no_room;
        key.into_iter().for_each(|key| self.note_claim(&key, &mut changes));
        absorbed.gone.into_iter().for_each(|(key, pod)| self.pod_gone(&key, &pod, &mut changes));
        changes
    }

    fn pod_gone(&mut self, key: &ObjectKey, pod: &RunnerPod, changes: &mut Absorbed) {
        self.unindex(key, &pod.job_uid, pod.run());
        changes.runs.push(pod.run());
    }

    /// Once a pod is known as a Job's it stays so: a Job that is deleted without its pods leaves them without an owner, and they
    /// run on.
    fn read_pod(&self, pod: &Pod) -> Option<RunnerPod> {
        RunnerPod::read(pod).or_else(|| {
            let known = self.pods.find(&pod.metadata.key())?;
            (known.uid() == pod.metadata.uid).then(|| known.renewed(pod))
        })
    }

    /// What is known of a pod may change now: labels and owners can be edited.
    fn forget_claim(&mut self, key: &ObjectKey, changes: &mut Absorbed) {
        if let Some(pod) = self.pods.find(key) {
            let (job, run) = (pod.job_uid.clone(), pod.run());
            self.unindex(key, &job, run.clone());
            changes.runs.push(run);
        }
    }

    fn note_claim(&mut self, key: &ObjectKey, changes: &mut Absorbed) {
        if let Some(pod) = self.pods.find(key) {
            self.by_job.insert((pod.job_uid.clone(), key.clone()));
            *self.claims.entry(pod.run()).or_default() += 1;
            changes.runs.push(pod.run());
        }
    }

    fn unindex(&mut self, key: &ObjectKey, job: &str, run: ObjectKey) {
        self.by_job.remove(&(job.to_owned(), key.clone()));
        if let Entry::Occupied(mut claims) = self.claims.entry(run) {
            *claims.get_mut() -= 1;
            if *claims.get() == 0 {
                claims.remove();
            }
        }
    }
}
