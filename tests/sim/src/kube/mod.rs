//! What runs in a cluster beside the API server: Job controller, garbage collector, scheduler, one kubelet.
//!
//! Owns the life of pods from the Job to the end of their processes. All of it is tasks with a time: changes of the API
//! server's objects make tasks, [`Kube::tick`] runs those that are due. Leaves k6 to [`crate::k6`] and downloads to
//! [`crate::s3`]. Controllers write past the request interface: they are neither counted nor struck by faults.
//!
//! Reading order: [`plan`] (what is configured) · [`job`] · [`collect`] · [`kubelet`] (with `start`, `running`, `sidecar`) · [`status`] · [`mod@env`].
//! Invariant: a tick with nothing due changes nothing, and its cost grows with what is due, not with what there is.

pub mod collect;
pub mod env;
pub mod job;
pub mod kubelet;
pub mod plan;
mod running;
mod sidecar;
mod start;
pub mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use self::collect::Owners;
use self::job::JobState;
use self::kubelet::Sandbox;
pub use self::plan::{Config, Delays, Injected, Mishap, Place, PodPlan};
use crate::api::{Api, Change, ChangeKind, Key, Kind};
use crate::json;
use crate::k6::K6s;
use crate::rng::Rng;
use crate::s3::S3;

/// What a controller has to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    /// A Job against its pods.
    Job(Key),
    /// A pod's next step.
    Pod(Key),
    /// An object whose owner may be gone, or that waits for its dependents.
    Collect(Key),
    /// A namespace that is being emptied.
    Namespace(Key),
}

/// The other models that controllers reach.
pub struct Around<'a> {
    /// The API server.
    pub api: &'a mut Api,
    /// The k6 processes.
    pub k6s: &'a mut K6s,
    /// The bucket.
    pub s3: &'a mut S3,
}

/// The controllers.
pub struct Kube {
    /// Delays and plans.
    pub config: Config,
    /// Gives a new pod its address.
    pub addresses: Box<dyn FnMut() -> String + Send>,
    seen: u64,
    tasks: BTreeSet<(Duration, Task)>,
    owners: Owners,
    jobs: BTreeMap<Key, JobState>,
    pods: BTreeMap<Key, Sandbox>,
    /// Whose an address is: calls to pods are many.
    pods_by_ip: BTreeMap<String, Key>,
    released: Vec<String>,
    rng: Rng,
}

impl Kube {
    /// Controllers of an empty cluster whose pods are numbered through `10.244.0.0/16`.
    pub fn new(config: Config, seed: u64) -> Self {
        let mut count = 0_u32;
        let addresses = move || {
            count += 1;
            format!("10.244.{}.{}", (count >> 8) & 0xff, count & 0xff)
        };
        Self {
            config,
            addresses: Box::new(addresses),
            seen: 0,
            tasks: BTreeSet::new(),
            owners: Owners::default(),
            jobs: BTreeMap::new(),
            pods: BTreeMap::new(),
            pods_by_ip: BTreeMap::new(),
            released: Vec::new(),
            rng: Rng::new(seed),
        }
    }

    /// Looks at what has changed and runs every task that is due.
    pub fn tick(&mut self, now: Duration, around: &mut Around<'_>) {
        loop {
            self.absorb(now, around);
            let Some((due, task)) = self.tasks.first().cloned().filter(|(due, _)| *due <= now) else {
                return;
            };
            self.tasks.remove(&(due, task.clone()));
            match task {
                Task::Job(key) => self.sync_job(now, around, &key),
                Task::Pod(key) => self.step_pod(now, around, &key),
                Task::Collect(key) => self.collect(now, around, &key),
                Task::Namespace(key) => self.empty_namespace(now, around, &key),
            }
        }
    }

    /// When there is something to do; none while all rests.
    pub fn next_wakeup(&self) -> Option<Duration> {
        self.tasks.first().map(|(due, _)| *due)
    }

    /// Has the kubelet look at a pod now: its process was spoken to.
    pub fn nudge(&mut self, now: Duration, namespace: &str, pod: &str) {
        self.tasks.insert((now, Task::Pod(Key::new(Kind::Pod, namespace, pod))));
    }

    /// The pod with an address, if its main container runs and its node is there.
    pub fn pod_at(&self, ip: &str) -> Option<&Key> {
        let key = self.pods_by_ip.get(ip)?;
        self.pods.get(key).filter(|sandbox| sandbox.is_reachable()).map(|_| key)
    }

    /// Whether calls to the main container of a pod go through.
    pub fn is_reachable(&self, namespace: &str, pod: &str) -> bool {
        self.pods.get(&Key::new(Kind::Pod, namespace, pod)).is_some_and(Sandbox::is_reachable)
    }

    /// The addresses of pods that have gone since the last call.
    pub fn take_released(&mut self) -> Vec<String> {
        std::mem::take(&mut self.released)
    }

    /// The log of a container (empty name: the first) of a pod.
    pub fn log(&self, namespace: &str, pod: &str, container: &str) -> Option<String> {
        let sandbox = self.pods.get(&Key::new(Kind::Pod, namespace, pod))?;
        Some(sandbox.log(container).to_owned())
    }

    fn absorb(&mut self, now: Duration, around: &mut Around<'_>) {
        if self.seen == around.api.version() {
            return;
        }
        assert!(
            !around.api.has_forgotten(self.seen),
            "more changes than the history holds came between two ticks"
        );
        let changes: Vec<Change> = around.api.changes_since(self.seen).cloned().collect();
        self.seen = around.api.version();
        for change in &changes {
            self.react(now, change);
            if change.key.kind == Kind::Pod && change.kind == ChangeKind::Deleted {
                around.k6s.kill(now, &change.key.namespace, &change.key.name);
            }
        }
    }

    fn react(&mut self, now: Duration, change: &Change) {
        for key in self.owners.absorb(change) {
            self.tasks.insert((now + self.config.delays.collect, Task::Collect(key)));
        }
        let sync = now + self.config.delays.job;
        match (change.key.kind, change.kind) {
            (Kind::Job, ChangeKind::Deleted) => {
                self.jobs.remove(&change.key);
            }
            (Kind::Job, _) => {
                self.tasks.insert((sync, Task::Job(change.key.clone())));
            }
            (Kind::Pod, kind) => {
                if let Some(owner) = json::list(&change.object, "metadata.ownerReferences").first() {
                    let job = Key::new(Kind::Job, &change.key.namespace, json::text(owner, "name"));
                    self.tasks.insert((sync, Task::Job(job)));
                }
                match kind {
                    ChangeKind::Added => self.take_pod(now, change),
                    ChangeKind::Deleted => {
                        let address = self.pods.remove(&change.key).map(|sandbox| sandbox.status.ip);
                        if let Some(address) = address.filter(|address| !address.is_empty()) {
                            self.pods_by_ip.remove(&address);
                            self.released.push(address);
                        }
                    }
                    ChangeKind::Modified => {
                        let was_deleting = change.before.as_ref().is_some_and(|pod| is_deleting(pod));
                        if is_deleting(&change.object) && !was_deleting {
                            self.tasks.insert((now, Task::Pod(change.key.clone())));
                        }
                    }
                }
            }
            (Kind::Namespace, ChangeKind::Modified) if is_deleting(&change.object) => {
                self.tasks.insert((now + self.config.delays.collect, Task::Namespace(change.key.clone())));
            }
            _ => {}
        }
    }

    /// Writes an Event about an object, as controllers do: a namespace that is being deleted takes none.
    fn event(&mut self, now: Duration, api: &mut Api, about: &Key, reason: &str, message: &str) {
        let row = about.kind.row();
        let uid = api.object(about).map_or(json!(""), |object| object["metadata"]["uid"].clone());
        let name = format!("{}.{:016x}", about.name, self.rng.bits());
        let at = api.wall.at(now);
        let event = json!({"metadata": {"name": name}, "reason": reason, "message": message, "type": "Warning", "count": 1,
            "firstTimestamp": at, "lastTimestamp": at, "source": {"component": "sim"}, "involvedObject": {"kind": row.name,
            "apiVersion": row.api_version(), "namespace": about.namespace, "name": about.name, "uid": uid}});
        let _ = api.create(now, Kind::Event, &about.namespace, event);
    }
}

fn is_deleting(object: &serde_json::Value) -> bool {
    !json::text(object, "metadata.deletionTimestamp").is_empty()
}

#[cfg(test)]
mod tests;
