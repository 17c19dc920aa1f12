//! Deletion: preconditions, grace, finalizers, what becomes of dependents.
//!
//! Invariant: an object is gone in the same call in which the last thing that held it goes.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::resource::{Key, Kind, Tracking};
use super::status::Status;
use super::write::{Part, bump_generation};
use super::{Api, ChangeKind};
use crate::json;

/// The finalizer that holds an object until its dependents are gone.
pub const FOREGROUND: &str = "foregroundDeletion";

/// What becomes of dependents when their owner is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They lose the reference to the owner.
    Orphan,
    /// The garbage collector deletes them afterwards.
    Background,
    /// The garbage collector deletes them first.
    Foreground,
}

/// Options of a deletion (`DeleteOptions`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// `preconditions.uid`.
    pub uid: Option<String>,
    /// `preconditions.resourceVersion`.
    pub version: Option<String>,
    /// `gracePeriodSeconds`; none for the pod's own.
    pub grace: Option<u64>,
    /// `propagationPolicy`; none for the default of the kind, which is Orphan for Jobs and Background for all else.
    pub propagation: Option<Propagation>,
}

impl Api {
    /// Deletes an object, or marks it when finalizers or a grace period hold it. Returns it as it is afterwards.
    pub fn delete(
        &mut self,
        now: Duration,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<Arc<Value>, Status> {
        let old = Arc::clone(self.object(key).ok_or_else(|| Status::not_found(key))?);
        for (given, path) in [(&options.uid, "metadata.uid"), (&options.version, "metadata.resourceVersion")]
        {
            let have = json::text(&old, path);
            if let Some(given) = given.as_deref().filter(|given| *given != have) {
                let what = if path.ends_with("uid") { "UID" } else { "ResourceVersion" };
                let why = format!(
                    "Precondition failed: {what} in precondition: {given}, {what} in object meta: {have}"
                );
                return Err(Status::conflict(key, &why));
            }
        }
        let default = if key.kind == Kind::Job { Propagation::Orphan } else { Propagation::Background };
        let propagation = options.propagation.unwrap_or(default);
        if propagation == Propagation::Orphan {
            self.orphan(json::text(&old, "metadata.uid"));
        }
        let mut new = Value::clone(&old);
        let has_dependents = || self.dependents(json::text(&old, "metadata.uid")).next().is_some();
        if propagation == Propagation::Foreground && has_dependents() {
            let finalizers = &mut new["metadata"]["finalizers"];
            if !finalizers.is_array() {
                *finalizers = json!([]);
            }
            let finalizers = finalizers.as_array_mut().expect("made a list above");
            if !finalizers.contains(&json!(FOREGROUND)) {
                finalizers.push(json!(FOREGROUND));
            }
        }
        let grace = if key.kind == Kind::Pod { pod_grace(&old, options.grace) } else { 0 };
        let had = old["metadata"]["deletionGracePeriodSeconds"].as_u64();
        if had.is_none_or(|had| grace < had) {
            new["metadata"]["deletionTimestamp"] = json!(self.wall.at(now + Duration::from_secs(grace)));
            new["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
            if key.kind.row().tracking == Tracking::Generation {
                bump_generation(&mut new);
            }
        }
        if key.kind == Kind::Namespace {
            new["status"]["phase"] = json!("Terminating");
            new["spec"]["finalizers"] = json!(["kubernetes"]);
        }
        if is_over(&new) {
            return Ok(self.remove(key, new));
        }
        Ok(self.commit_change(key, new))
    }

    pub(super) fn remove_if_over(&mut self, key: &Key) {
        if let Some(object) = self.objects.get(key).filter(|object| is_over(object)) {
            let object = Value::clone(object);
            self.remove(key, object);
        }
    }

    fn remove(&mut self, key: &Key, mut last: Value) -> Arc<Value> {
        let before = self.objects.remove(key);
        last["metadata"]["resourceVersion"] = json!(self.next_version());
        let last = Arc::new(last);
        self.record(ChangeKind::Deleted, key, Arc::clone(&last), before);
        last
    }

    fn orphan(&mut self, uid: &str) {
        let dependents: Vec<Key> = self.dependents(uid).cloned().collect();
        for key in dependents {
            self.modify(&key, Part::Main, |object| {
                if let Some(owners) = object["metadata"]["ownerReferences"].as_array_mut() {
                    owners.retain(|owner| owner["uid"] != uid);
                }
            });
        }
    }

    /// The objects that name `uid` as an owner.
    pub fn dependents(&self, uid: &str) -> impl Iterator<Item = &Key> {
        let owned = move |object: &Value| {
            json::list(object, "metadata.ownerReferences").iter().any(|owner| owner["uid"] == uid)
        };
        self.objects.iter().filter(move |(_, object)| owned(object)).map(|(key, _)| key)
    }
}

/// Whether nothing holds an object any more that is being deleted.
fn is_over(object: &Value) -> bool {
    !json::text(object, "metadata.deletionTimestamp").is_empty()
        && json::list(object, "metadata.finalizers").is_empty()
        && json::list(object, "spec.finalizers").is_empty()
        && object["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(0) == 0
}

/// The grace of a pod in seconds: none when no kubelet has it or it has ended already.
fn pod_grace(pod: &Value, asked: Option<u64>) -> u64 {
    let is_bound = !json::text(pod, "spec.nodeName").is_empty();
    let has_ended = matches!(json::text(pod, "status.phase"), "Succeeded" | "Failed");
    if !is_bound || has_ended {
        return 0;
    }
    asked.or_else(|| pod["spec"]["terminationGracePeriodSeconds"].as_u64()).unwrap_or(30)
}
