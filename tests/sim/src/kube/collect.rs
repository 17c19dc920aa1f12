//! The garbage collector: objects go when all of their owners are gone; namespaces are emptied.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Around, Kube, Task, is_deleting};
use crate::api::delete::FOREGROUND;
use crate::api::{Change, ChangeKind, DeleteOptions, Key, Kind, Part, Propagation};
use crate::json;

/// When a namespace is looked at again whose pods are going: half their grace period later, and a second.
const PODS_RECHECK: Duration = Duration::from_secs(16);
/// When one is in which something is held by a finalizer: half of the 15 s that the controller gives it, and a second.
const CONTENT_RECHECK: Duration = Duration::from_secs(8);

/// Who owns whom, by uid.
#[derive(Debug, Default)]
pub(super) struct Owners {
    alive: BTreeMap<String, Key>,
    dependents: BTreeMap<String, BTreeSet<Key>>,
}

impl Owners {
    /// Takes a change in and returns what has to be looked at.
    pub(super) fn absorb(&mut self, change: &Change) -> Vec<Key> {
        for uid in change.before.iter().flat_map(|before| owner_uids(before)) {
            if let Some(dependents) = self.dependents.get_mut(uid) {
                dependents.remove(&change.key);
                if dependents.is_empty() {
                    self.dependents.remove(uid);
                }
            }
        }
        let uid = json::text(&change.object, "metadata.uid");
        let mut dirty = Vec::new();
        if change.kind == ChangeKind::Deleted {
            self.alive.remove(uid);
            dirty.extend(self.of(uid));
        } else {
            self.alive.insert(uid.to_owned(), change.key.clone());
            for owner in owner_uids(&change.object) {
                self.dependents.entry(owner.to_owned()).or_default().insert(change.key.clone());
                if !self.alive.contains_key(owner) {
                    dirty.push(change.key.clone());
                }
            }
            if waits_for_dependents(&change.object) {
                dirty.push(change.key.clone());
            }
        }
        // An owner that waits for its dependents waits for this one's end, too, or until it is no dependent of its any more.
        let before = change.before.iter().flat_map(|before| owner_uids(before));
        let owners = before.chain(owner_uids(&change.object));
        dirty.extend(owners.filter_map(|owner| self.alive.get(owner)).cloned());
        dirty
    }

    fn of(&self, uid: &str) -> Vec<Key> {
        self.dependents.get(uid).into_iter().flatten().cloned().collect()
    }
}

fn owner_uids(object: &Value) -> impl Iterator<Item = &str> {
    json::list(object, "metadata.ownerReferences").iter().map(|owner| json::text(owner, "uid"))
}

fn waits_for_dependents(object: &Value) -> bool {
    is_deleting(object) && json::list(object, "metadata.finalizers").iter().any(|name| name == FOREGROUND)
}

impl Kube {
    /// Deletes an object whose owners are all gone; lets an owner go whose dependents are all gone.
    pub(super) fn collect(&mut self, now: Duration, around: &mut Around<'_>, key: &Key) {
        let Some(object) = around.api.object(key).cloned() else { return };
        let background =
            DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
        if waits_for_dependents(&object) {
            let dependents = self.owners.of(json::text(&object, "metadata.uid"));
            if dependents.is_empty() {
                around.api.modify(key, Part::Main, |object| {
                    if let Some(finalizers) = object["metadata"]["finalizers"].as_array_mut() {
                        finalizers.retain(|name| name != FOREGROUND);
                    }
                });
            }
            let foreground =
                DeleteOptions { propagation: Some(Propagation::Foreground), ..DeleteOptions::default() };
            for dependent in dependents {
                if around.api.object(&dependent).is_some_and(|object| !is_deleting(object)) {
                    around.api.delete(now, &dependent, &foreground).expect("the dependent was just there");
                }
            }
            return;
        }
        let mut owners = owner_uids(&object).peekable();
        let is_orphan = owners.peek().is_some() && owners.all(|uid| !self.owners.alive.contains_key(uid));
        if is_orphan && !is_deleting(&object) {
            around.api.delete(now, key, &background).expect("the object was just there");
        }
    }

    /// Deletes what is in a namespace that is being deleted, then lets it go. Since Kubernetes 1.33 all pods go before anything else.
    pub(super) fn empty_namespace(&mut self, now: Duration, around: &mut Around<'_>, key: &Key) {
        // One of that name may have been made anew meanwhile.
        if !around.api.object(key).is_some_and(|namespace| is_deleting(namespace)) {
            return;
        }
        let inside: Vec<(Key, bool)> = around
            .api
            .all()
            .filter(|(inside, _)| inside.namespace == key.name)
            .map(|(inside, object)| (inside.clone(), is_deleting(object)))
            .collect();
        if inside.is_empty() {
            around.api.modify(key, Part::Main, |namespace| namespace["spec"] = json!({}));
            return;
        }
        let options =
            DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
        let pods_left = inside.iter().any(|(inside, _)| inside.kind == Kind::Pod);
        for (inside, is_deleting) in inside {
            let waits = self.config.pods_go_first && pods_left && inside.kind != Kind::Pod;
            if !is_deleting && !waits {
                around.api.delete(now, &inside, &options).expect("the object was just there");
            }
        }
        let again = if pods_left { PODS_RECHECK } else { CONTENT_RECHECK };
        self.tasks.insert((now + again, Task::Namespace(key.clone())));
    }
}
