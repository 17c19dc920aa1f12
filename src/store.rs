//! What the watches and the API server's answers have told: objects by key.
//!
//! Owns the picture of the cluster that decisions are made on. Leaves alone what follows from it.
//!
//! Invariant: it never goes back in time. An object is replaced only by a later version of itself, one that was deleted
//! does not come back under the same uid, and a list that is older than what an answer has shown does not undo it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use k8s::{ObjectMeta, Pod, WatchEvent};

use crate::event::{Key, ObjectKey, Seen};
use crate::testrun::api::{PodSettings, Stage, TestRun};
use crate::testrun::pod::RunnerPod;
use crate::zone::api::PrivateLoadZone;
use crate::zone::network;

/// How many deleted uids are remembered per kind, some 130 bytes each. A late answer is at most a worker's queue behind; this
/// is far more.
const TOMBSTONES_MAX: usize = 1024;

/// What the store asks of a kind.
pub trait Object {
    /// Its metadata.
    fn metadata(&self) -> &ObjectMeta;

    /// Namespace and name.
    fn key(&self) -> ObjectKey {
        self.metadata().key()
    }

    /// Drops what no decision reads any more.
    fn slim(&mut self) {}

    /// The uid, empty if the server sent none.
    fn uid(&self) -> &str {
        &self.metadata().uid
    }
}

impl Object for PrivateLoadZone {
    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }
}

impl Object for TestRun {
    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    /// What only the Jobs are made from is the most of a run, and holds its credentials.
    fn slim(&mut self) {
        if self.status.stage >= Stage::Created {
            self.spec.args = Vec::new();
            self.spec.runner.volumes.retain(network::is_awaited);
            let volumes = std::mem::take(&mut self.spec.runner.volumes);
            self.spec.runner = PodSettings { volumes, ..PodSettings::default() };
            self.spec.starter = PodSettings::default();
            self.spec.initializer = None;
        }
    }
}

/// The uids of what was deleted lately, in the order of their deletion too.
#[derive(Debug, Default)]
struct Graves {
    order: VecDeque<String>,
    uids: BTreeSet<String>,
}

impl Graves {
    fn bury(&mut self, uid: String) {
        if uid.is_empty() || !self.uids.insert(uid.clone()) {
            return;
        }
        self.order.push_back(uid);
        if self.order.len() > TOMBSTONES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.uids.remove(&oldest);
        }
    }
}

/// All objects of one kind.
#[derive(Debug)]
pub struct Objects<T> {
    /// Boxed: a node of the map has room for eleven values, mostly unused.
    by_key: BTreeMap<ObjectKey, Box<T>>,
    graves: Graves,
    scopes_listed: BTreeSet<Option<String>>,
}

impl<T> Default for Objects<T> {
    fn default() -> Self {
        Self { by_key: BTreeMap::new(), graves: Graves::default(), scopes_listed: BTreeSet::new() }
    }
}

impl<T: Object> Objects<T> {
    /// The object of that key.
    #[must_use]
    pub fn find(&self, key: &ObjectKey) -> Option<&T> {
        self.by_key.get(key).map(Box::as_ref)
    }

    /// All of them, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&ObjectKey, &T)> {
        self.by_key.iter().map(|(key, object)| (key, object.as_ref()))
    }

    /// Takes an object as of now. False if a later version, or the end of this very object, is known.
    pub fn apply(&mut self, mut object: T) -> bool {
        if self.graves.uids.contains(object.uid()) {
            return false;
        }
        let key = object.key();
        if let Some(known) = self.by_key.get(&key) {
            let replaced = known.uid() != object.uid();
            if !replaced && version(known.metadata()) > version(object.metadata()) {
                return false;
            }
            if replaced {
                if version(known.metadata()) > version(object.metadata()) {
                    return false;
                }
                let uid = known.uid().to_owned();
                self.graves.bury(uid);
            }
        }
        object.slim();
        self.by_key.insert(key, Box::new(object));
        true
    }

    /// The object is gone. Hands it back if it was known; another object of the same name stays.
    pub fn remove(&mut self, key: &ObjectKey, uid: &str) -> Option<T> {
        self.graves.bury(uid.to_owned());
        if self.by_key.get(key).is_some_and(|known| known.uid() == uid) {
            self.by_key.remove(key).map(|object| *object)
        } else {
            None
        }
    }

    /// A list of everything in `scope` as of `list_version`. Hands back what it proves to be gone.
    fn snapshot(&mut self, scope: Option<&str>, items: Vec<T>, list_version: u128) -> Vec<(ObjectKey, T)> {
        self.scopes_listed.insert(scope.map(str::to_owned));
        let mut listed = BTreeSet::new();
        listed.extend(items.iter().map(|item| (item.key(), item.uid().to_owned())));
        let gone: Vec<(ObjectKey, String)> = self
            .by_key
            .iter()
            .filter(|(key, _)| scope.is_none_or(|namespace| key.namespace == namespace))
            .map(|(key, known)| (key.clone(), known.uid().to_owned(), version(known.metadata())))
            .filter(|(key, uid, version)| {
                !listed.contains(&(key.clone(), uid.clone()))
                    && (*version <= list_version || list_version == 0)
            })
            .map(|(key, uid, _)| (key, uid))
            .collect();
        let gone =
            gone.into_iter().filter_map(|(key, uid)| self.remove(&key, &uid).map(|old| (key, old))).collect();
        for item in items {
            self.apply(item);
        }
        gone
    }
}

/// Versions grow; one that is no number (no known server sends such) counts as the latest news.
fn version(metadata: &ObjectMeta) -> u128 {
    parse_version(&metadata.resource_version)
}

fn parse_version(text: &str) -> u128 {
    text.parse().unwrap_or(0)
}

/// See the module.
#[derive(Debug, Default)]
pub struct Store {
    /// The zones.
    pub zones: Objects<PrivateLoadZone>,
    /// The test runs.
    pub runs: Objects<TestRun>,
    pods: Objects<RunnerPod>,
    /// Pods by the uid of the Job that controls them. Who does not know the uid of a run's Job has no part in the run.
    pods_of_job: BTreeMap<String, BTreeSet<ObjectKey>>,
    /// How many pods claim to be of a run, by their label alone.
    claims: BTreeMap<ObjectKey, usize>,
}

/// What a piece of news has changed.
#[derive(Debug, Default)]
pub struct Changes {
    /// Keys to look at.
    pub dirty: Vec<Key>,
    /// Test runs that are gone, as they were last known.
    pub runs_gone: Vec<(ObjectKey, TestRun)>,
}

impl Store {
    /// Whether every watch over `scopes` has delivered its first list. Before that, what is missing means nothing.
    #[must_use]
    pub fn synced(&self, scopes: &[Option<String>]) -> bool {
        scopes.iter().all(|scope| {
            self.zones.scopes_listed.contains(scope)
                && self.runs.scopes_listed.contains(scope)
                && self.pods.scopes_listed.contains(scope)
        })
    }

    /// The pods that the Job of that uid controls, which is in this namespace.
    pub fn pods_of_job<'a>(
        &'a self,
        namespace: &'a str,
        uid: &str,
    ) -> impl Iterator<Item = &'a RunnerPod> + use<'a> {
        let keys = self.pods_of_job.get(uid).into_iter().flatten();
        keys.filter(move |key| key.namespace == namespace).filter_map(|key| self.pods.find(key))
    }

    /// How many pods claim to be of a run. That is no proof.
    #[must_use]
    pub fn claims(&self, run: &ObjectKey) -> usize {
        self.claims.get(run).copied().unwrap_or_default()
    }

    /// The highest number of a runner that a pod claims to be. That is no proof.
    #[must_use]
    pub fn highest_claim(&self, run: &ObjectKey) -> Option<u32> {
        let pods = self.pods.iter().map(|(_, pod)| pod).filter(|pod| pod.run == *run);
        pods.map(|pod| pod.runner).max()
    }

    /// Takes what a watch has seen.
    pub fn absorb(&mut self, scope: Option<&str>, seen: Seen) -> Changes {
        let mut changes = Changes::default();
        match seen {
            Seen::Zone(event) => {
                let (touched, gone) = self.zones.absorb(scope, event);
                changes.dirty.extend(touched.into_iter().map(Key::Zone));
                changes.dirty.extend(gone.into_iter().map(|(key, _)| Key::Zone(key)));
            }
            Seen::Run(event) => {
                let (touched, gone) = self.runs.absorb(scope, event);
                changes.dirty.extend(touched.into_iter().map(Key::Run));
                changes.dirty.extend(gone.iter().map(|(key, _)| Key::Run(key.clone())));
                changes.runs_gone = gone;
            }
            Seen::Pod(event) => self.absorb_pods(scope, event, &mut changes),
        }
        changes
    }

    fn absorb_pods(&mut self, scope: Option<&str>, event: WatchEvent<Pod>, changes: &mut Changes) {
        let mut gone = Vec::new();
        match event {
            WatchEvent::Snapshot { items, resource_version } => {
                let pods: Vec<RunnerPod> = items.iter().filter_map(|pod| self.read_pod(pod)).collect();
                let keys: Vec<ObjectKey> = pods.iter().map(Object::key).collect();
                keys.iter().for_each(|key| self.forget_claim(key, changes));
                gone = self.pods.snapshot(scope, pods, parse_version(&resource_version));
                keys.iter().for_each(|key| self.note_claim(key, changes));
            }
            WatchEvent::Applied(pod) => {
                let key = pod.metadata.key();
                let Some(pod) = self.read_pod(&pod) else { return };
                self.forget_claim(&key, changes);
                self.pods.apply(pod);
                self.note_claim(&key, changes);
            }
            WatchEvent::Deleted(pod) => {
                let key = pod.metadata.key();
                gone.extend(self.pods.remove(&key, &pod.metadata.uid).map(|pod| (key, pod)));
            }
            _ => {}
        }
        for (key, pod) in gone {
            self.unindex(&key, &pod.job_uid, pod.run.clone());
            changes.dirty.push(Key::Run(pod.run));
        }
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
            let (job, run) = (pod.job_uid.clone(), pod.run.clone());
            self.unindex(key, &job, run.clone());
            changes.dirty.push(Key::Run(run));
        }
    }

    fn note_claim(&mut self, key: &ObjectKey, changes: &mut Changes) {
        if let Some(pod) = self.pods.find(key) {
            self.pods_of_job.entry(pod.job_uid.clone()).or_default().insert(key.clone());
            *self.claims.entry(pod.run.clone()).or_default() += 1;
            changes.dirty.push(Key::Run(pod.run.clone()));
        }
    }

    fn unindex(&mut self, key: &ObjectKey, job: &str, run: ObjectKey) {
        if let Some(keys) = self.pods_of_job.get_mut(job) {
            keys.remove(key);
            if keys.is_empty() {
                self.pods_of_job.remove(job);
            }
        }
        if let Entry::Occupied(mut claims) = self.claims.entry(run) {
            *claims.get_mut() -= 1;
            if *claims.get() == 0 {
                claims.remove();
            }
        }
    }
}

impl<T: Object> Objects<T> {
    /// Takes a watch event: the keys that it touched, and what is gone.
    fn absorb(&mut self, scope: Option<&str>, event: WatchEvent<T>) -> (Vec<ObjectKey>, Vec<(ObjectKey, T)>) {
        match event {
            WatchEvent::Snapshot { items, resource_version } => {
                let touched = items.iter().map(Object::key).collect();
                let gone = self.snapshot(scope, items, parse_version(&resource_version));
                (touched, gone)
            }
            WatchEvent::Applied(object) => {
                let key = object.key();
                (if self.apply(object) { vec![key] } else { Vec::new() }, Vec::new())
            }
            WatchEvent::Deleted(object) => {
                let key = object.key();
                (Vec::new(), self.remove(&key, object.uid()).map(|old| (key, old)).into_iter().collect())
            }
            _ => (Vec::new(), Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, uid: &str, version: u64) -> TestRun {
        let json = serde_json::json!({
            "metadata": {"name": name, "namespace": "ns", "uid": uid, "resourceVersion": version.to_string()}
        });
        serde_json::from_value(json).unwrap()
    }

    fn key(name: &str) -> ObjectKey {
        ObjectKey { namespace: "ns".into(), name: name.into() }
    }

    fn known(objects: &Objects<TestRun>, name: &str) -> Option<(String, u128)> {
        objects.find(&key(name)).map(|run| (run.uid().to_owned(), version(run.metadata())))
    }

    #[test]
    fn an_older_version_does_not_replace_a_later_one() {
        let mut objects = Objects::default();
        assert!(objects.apply(run("a", "1", 5)));
        assert!(!objects.apply(run("a", "1", 4)));
        assert_eq!(known(&objects, "a"), Some(("1".into(), 5)));
    }

    #[test]
    fn a_deleted_object_does_not_come_back_but_its_successor_does() {
        let mut objects = Objects::default();
        objects.apply(run("a", "1", 5));
        assert!(objects.remove(&key("a"), "1").is_some());
        assert!(!objects.apply(run("a", "1", 6)));
        assert!(objects.apply(run("a", "2", 7)));
        assert!(objects.remove(&key("a"), "1").is_none());
        assert_eq!(known(&objects, "a"), Some(("2".into(), 7)));
    }

    #[test]
    fn a_list_older_than_an_answer_does_not_undo_it() {
        let mut objects = Objects::default();
        objects.apply(run("made", "1", 9));
        objects.apply(run("gone", "2", 3));
        let gone = objects.snapshot(None, vec![run("other", "3", 4)], 8);
        assert_eq!(gone.iter().map(|(key, _)| key.name.as_str()).collect::<Vec<_>>(), ["gone"]);
        assert!(known(&objects, "made").is_some() && known(&objects, "other").is_some());
    }

    #[test]
    fn a_list_of_one_namespace_says_nothing_about_another() {
        let mut objects = Objects::default();
        objects.apply(run("a", "1", 1));
        assert!(objects.snapshot(Some("elsewhere"), Vec::new(), 8).is_empty());
        assert_eq!(objects.snapshot(Some("ns"), Vec::new(), 8).len(), 1);
    }

    #[test]
    fn synced_means_every_kind_in_every_scope() {
        let mut store = Store::default();
        let scopes = [Some("a".to_owned()), Some("b".to_owned())];
        fn empty<T>() -> WatchEvent<T> {
            WatchEvent::Snapshot { items: Vec::new(), resource_version: "1".into() }
        }
        for scope in ["a", "b"] {
            assert!(!store.synced(&scopes));
            store.absorb(Some(scope), Seen::Zone(empty()));
            store.absorb(Some(scope), Seen::Run(empty()));
            assert!(!store.synced(&scopes));
            store.absorb(Some(scope), Seen::Pod(empty()));
        }
        assert!(store.synced(&scopes));
    }
}
