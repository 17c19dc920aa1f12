//! What the watches and the API server's answers have told: objects by key.
//!
//! Owns the picture of the cluster that decisions are made on. Leaves alone what follows from it.
//!
//! Invariant: it never goes back in time. An object is replaced only by a later version of itself, one that was deleted
//! does not come back under the same uid, and a list that is older than what an answer has shown does not undo it. Objects of a
//! list count as they come; what a list does not show is gone only once the list is complete. All that is held is in the
//! [`ledger`](crate::objects::ledger): an object for which there is no room is not taken, and told by its name.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use k8s::{Pod, WatchEvent};

use crate::objects::ledger::{Ledger, MEMORY_BYTES, weigh};
use crate::objects::{self, Object, Objects, Taken};

use crate::api::run::{PodSettings, Stage, TestRun};
use crate::api::zone::PrivateLoadZone;
use crate::event::{Key, ObjectKey, Seen};
use crate::testrun::network;
use crate::testrun::pod::RunnerPod;

impl Object for PrivateLoadZone {
    fn key(&self) -> ObjectKey {
        self.metadata.key()
    }

    fn uid(&self) -> &str {
        &self.metadata.uid
    }

    fn version(&self) -> u128 {
        objects::version(&self.metadata.resource_version)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + MEMORY_BYTES + weigh(self)
    }
}

impl Object for TestRun {
    fn key(&self) -> ObjectKey {
        self.metadata.key()
    }

    fn uid(&self) -> &str {
        &self.metadata.uid
    }

    fn version(&self) -> u128 {
        objects::version(&self.metadata.resource_version)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + MEMORY_BYTES + weigh(self)
    }

    /// Of runs that nobody made for a zone nothing depends on us. One that was such a run stays known, whatever has become of it.
    fn is_wanted(&self) -> bool {
        self.is_of_zone()
    }

    /// What only Jobs are made from is the most of a run. Those of a zone's runs are made from what GCk6 and the zone say.
    fn slim(&mut self) {
        if self.is_plz() || self.status.stage >= Stage::Created {
            self.spec.args = Vec::new();
            self.spec.runner.volumes.retain(network::is_awaited);
            let volumes = std::mem::take(&mut self.spec.runner.volumes);
            self.spec.runner = PodSettings { volumes, ..PodSettings::default() };
            self.spec.starter = PodSettings::default();
            self.spec.initializer = None;
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Store {
    /// The zones.
    pub zones: Objects<PrivateLoadZone>,
    /// The test runs.
    pub runs: Objects<TestRun>,
    pods: Objects<RunnerPod>,
    /// Pods by the uid of the Job that controls them. Who does not know the uid of a run's Job has no part in the run. One flat
    /// set: nearly every Job has one pod, and a set of its own has room for eleven.
    pods_of_job: BTreeSet<(String, ObjectKey)>,
    /// How many pods claim to be of a run, by their label alone.
    claims: BTreeMap<ObjectKey, usize>,
    ledger: Ledger,
}

/// What a piece of news has changed.
#[derive(Debug, Default)]
pub struct Changes {
    /// Keys to look at.
    pub dirty: Vec<Key>,
    /// Test runs that are gone, as they were last known.
    pub runs_gone: Vec<(ObjectKey, TestRun)>,
    /// An object that there is no room for, and its uid.
    pub no_room: Option<(ObjectKey, String)>,
}

impl Store {
    /// Whether every watch over `scopes` has delivered its first list. Before that, what is missing means nothing.
    #[must_use]
    pub fn synced(&self, scopes: &[Option<String>]) -> bool {
        scopes.iter().all(|scope| {
            self.zones.has_listed(scope) && self.runs.has_listed(scope) && self.pods.has_listed(scope)
        })
    }

    /// The pods that the Job of that uid controls, which is in this namespace.
    pub fn pods_of_job<'a>(
        &'a self,
        namespace: &str,
        uid: &str,
    ) -> impl Iterator<Item = &'a RunnerPod> + use<'a> {
        let first = (uid.to_owned(), ObjectKey::new(namespace, ""));
        self.pods_of_job
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
    pub fn absorb(&mut self, scope: Option<&str>, seen: Seen) -> Changes {
        let mut changes = Changes::default();
        match seen {
            Seen::Zone(event) => {
                let absorbed = self.zones.absorb(&mut self.ledger, scope, event);
                changes.dirty.extend(absorbed.touched.into_iter().map(Key::Zone));
                changes.dirty.extend(absorbed.gone.into_iter().map(|(key, _)| Key::Zone(key)));
                changes.no_room = absorbed.no_room;
            }
            Seen::Run(event) => {
                let absorbed = self.runs.absorb(&mut self.ledger, scope, event);
                changes.dirty.extend(absorbed.touched.into_iter().map(Key::Run));
                changes.dirty.extend(absorbed.gone.iter().map(|(key, _)| Key::Run(key.clone())));
                changes.runs_gone = absorbed.gone;
                changes.no_room = absorbed.no_room;
            }
            Seen::Pod(event) => self.absorb_pods(scope, event, &mut changes),
            // The look-out keeps what it needs of it.
            Seen::Operator(_) => {}
        }
        changes
    }

    /// Takes a zone that an answer has shown.
    pub fn apply_zone(&mut self, zone: PrivateLoadZone) -> Taken {
        self.zones.apply(&mut self.ledger, zone)
    }

    /// Takes a test run that an answer has shown.
    pub fn apply_run(&mut self, run: TestRun) -> Taken {
        self.runs.apply(&mut self.ledger, run)
    }

    /// What all of it takes in memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.ledger.total()
    }

    fn absorb_pods(&mut self, scope: Option<&str>, event: WatchEvent<Pod>, changes: &mut Changes) {
        let event = match event {
            WatchEvent::Deleted(pod) => {
                let key = pod.metadata.key();
                let gone = self.pods.remove(&mut self.ledger, &key, &pod.metadata.uid);
                return gone.into_iter().for_each(|pod| self.pod_gone(&key, &pod, changes));
            }
            WatchEvent::Applied(pod) | WatchEvent::Partial { object: pod, .. } => {
                let Some(pod) = self.read_pod(&pod) else { return };
                self.forget_claim(&pod.key(), changes);
                WatchEvent::Applied(pod)
            }
            other => match other.filter_map(|_| None) {
                Some(event) => event,
                None => return,
            },
        };
        let key = if let WatchEvent::Applied(pod) = &event { Some(pod.key()) } else { None };
        let absorbed = self.pods.absorb(&mut self.ledger, scope, event);
        changes.no_room = absorbed.no_room;
        key.into_iter().for_each(|key| self.note_claim(&key, changes));
        absorbed.gone.into_iter().for_each(|(key, pod)| self.pod_gone(&key, &pod, changes));
    }

    fn pod_gone(&mut self, key: &ObjectKey, pod: &RunnerPod, changes: &mut Changes) {
        self.unindex(key, &pod.job_uid, pod.run());
        changes.dirty.push(Key::Run(pod.run()));
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
    fn forget_claim(&mut self, key: &ObjectKey, changes: &mut Changes) {
        if let Some(pod) = self.pods.find(key) {
            let (job, run) = (pod.job_uid.clone(), pod.run());
            self.unindex(key, &job, run.clone());
            changes.dirty.push(Key::Run(run));
        }
    }

    fn note_claim(&mut self, key: &ObjectKey, changes: &mut Changes) {
        if let Some(pod) = self.pods.find(key) {
            self.pods_of_job.insert((pod.job_uid.clone(), key.clone()));
            *self.claims.entry(pod.run()).or_default() += 1;
            changes.dirty.push(Key::Run(pod.run()));
        }
    }

    fn unindex(&mut self, key: &ObjectKey, job: &str, run: ObjectKey) {
        self.pods_of_job.remove(&(job.to_owned(), key.clone()));
        if let Entry::Occupied(mut claims) = self.claims.entry(run) {
            *claims.get_mut() -= 1;
            if *claims.get() == 0 {
                claims.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests;
