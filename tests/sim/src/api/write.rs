//! Creation, replacement, deletion.
//!
//! Owns what a write may change (main resource or status), which fields only the server sets, and when an object goes.
//! Invariant: a write that changes nothing makes no entry in the history.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::resource::{Key, Kind, Scope, Tracking};
use super::status::{Cause, Status};
use super::{Api, ChangeKind, defaults, schema, validate};
use crate::json;

/// The finalizer that holds an object until its dependents are gone.
pub const FOREGROUND: &str = "foregroundDeletion";

/// What of an object a write is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All but the status.
    Main,
    /// The status alone.
    Status,
}

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
    /// Creates an object and returns it as stored.
    pub fn create(
        &mut self,
        now: Duration,
        kind: Kind,
        namespace: &str,
        object: Value,
    ) -> Result<Arc<Value>, Status> {
        let (key, object) = self.admit_new(now, kind, namespace, object)?;
        self.commit_new(&key, object)
    }

    /// Everything of a creation but storing it: what a dry run does.
    pub(super) fn admit_new(
        &mut self,
        now: Duration,
        kind: Kind,
        namespace: &str,
        mut object: Value,
    ) -> Result<(Key, Value), Status> {
        let row = kind.row();
        self.check_type(kind, &object)?;
        validate::decodes(&object).map_err(Status::bad_request)?;
        if row.scope == Scope::Namespaced {
            let given = json::text(&object, "metadata.namespace");
            if !given.is_empty() && given != namespace {
                return Err(Status::bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request",
                ));
            }
            self.check_namespace(kind, namespace, json::text(&object, "metadata.name"))?;
            object["metadata"]["namespace"] = json!(namespace);
        }
        if !json::text(&object, "metadata.resourceVersion").is_empty() {
            let message = "resourceVersion should not be set on objects to be created";
            return Err(Status::new(500, "InternalError", message));
        }
        let prefix = json::text(&object, "metadata.generateName").to_owned();
        if json::text(&object, "metadata.name").is_empty() {
            if prefix.is_empty() {
                let cause = Cause::required("metadata.name");
                let cause =
                    Cause { message: "Required value: name or generateName is required".to_owned(), ..cause };
                return Err(Status::invalid(row, "", &[cause]));
            }
            object["metadata"]["name"] = json!(format!("{prefix}{}", self.rng.suffix()));
        }
        for field in
            ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields", "generation"]
        {
            json::remove(&mut object, &format!("metadata.{field}"));
        }
        object["apiVersion"] = json!(row.api_version());
        object["kind"] = json!(row.name);
        object["metadata"]["uid"] = json!(self.rng.uuid());
        object["metadata"]["creationTimestamp"] = json!(self.wall.at(now));
        if row.tracking == Tracking::Generation {
            object["metadata"]["generation"] = json!(1);
        }
        if row.tracking != Tracking::Plain {
            json::remove(&mut object, "status");
        }
        self.admit(kind, &mut object, None)?;
        let key = Key::new(kind, namespace, json::text(&object, "metadata.name"));
        Ok((key, object))
    }

    fn commit_new(&mut self, key: &Key, mut object: Value) -> Result<Arc<Value>, Status> {
        if self.objects.contains_key(key) {
            return Err(Status::already_exists(key));
        }
        object["metadata"]["resourceVersion"] = json!(self.next_version());
        if key.kind == Kind::CustomResourceDefinition {
            self.install(&object);
        }
        let object = Arc::new(object);
        self.objects.insert(key.clone(), Arc::clone(&object));
        self.record(ChangeKind::Added, key, Arc::clone(&object), None);
        Ok(object)
    }

    /// Takes the schema of a CustomResourceDefinition into use.
    fn install(&mut self, definition: &Value) {
        let schema = json::at(definition, "spec.versions.0.schema.openAPIV3Schema");
        if schema.is_object() {
            self.schemas.insert(json::text(definition, "spec.names.plural").to_owned(), schema.clone());
        }
    }

    fn check_type(&self, kind: Kind, object: &Value) -> Result<(), Status> {
        let row = kind.row();
        if !object.is_object() {
            return Err(Status::bad_request(format!("the object provided is not a {}", row.name)));
        }
        let (version, name) = (json::text(object, "apiVersion"), json::text(object, "kind"));
        if (!version.is_empty() && version != row.api_version()) || (!name.is_empty() && name != row.name) {
            return Err(Status::bad_request(format!(
                "{name} in version {version:?} cannot be handled as a {}: no kind {name:?} is registered",
                row.name
            )));
        }
        Ok(())
    }

    fn check_namespace(&self, kind: Kind, namespace: &str, name: &str) -> Result<(), Status> {
        let key = Key::new(Kind::Namespace, "", namespace);
        let object = self.object(&key).ok_or_else(|| Status::not_found(&key))?;
        if json::text(object, "metadata.deletionTimestamp").is_empty() {
            return Ok(());
        }
        let why =
            format!("unable to create new content in namespace {namespace} because it is being terminated");
        Err(Status::forbidden(kind.row(), name, &why))
    }

    /// Prunes, defaults and validates.
    fn admit(&self, kind: Kind, object: &mut Value, old: Option<&Value>) -> Result<(), Status> {
        let row = kind.row();
        let mut causes = validate::metadata(kind, object);
        if row.is_custom() {
            let schema = self.schemas.get(row.plural).expect("every custom kind has a schema from the start");
            causes.extend(schema::admit(schema, object));
        } else {
            if old.is_none() || kind == Kind::Secret {
                defaults::fill(kind, object)?;
            }
            causes.extend(defaults::causes(kind, object, old));
        }
        if causes.is_empty() {
            return Ok(());
        }
        Err(Status::invalid(row, json::text(object, "metadata.name"), &causes))
    }

    /// Replaces the part of an object; `new` holds all of it. A `resourceVersion` or `uid` in it is a precondition.
    pub fn replace(
        &mut self,
        now: Duration,
        key: &Key,
        part: Part,
        new: Value,
    ) -> Result<Arc<Value>, Status> {
        let new = self.admit_change(key, part, new)?;
        Ok(self.commit_change(now, key, new))
    }

    /// Everything of a replacement but storing it: what a dry run does.
    pub(super) fn admit_change(&self, key: &Key, part: Part, mut new: Value) -> Result<Value, Status> {
        let row = key.kind.row();
        let old = self.object(key).ok_or_else(|| Status::not_found(key))?;
        self.check_type(key.kind, &new)?;
        validate::decodes(&new).map_err(Status::bad_request)?;
        let version = json::text(&new, "metadata.resourceVersion");
        if !version.is_empty() && version != json::text(old, "metadata.resourceVersion") {
            return Err(Status::modified(key));
        }
        let (uid, old_uid) = (json::text(&new, "metadata.uid"), json::text(old, "metadata.uid"));
        if !uid.is_empty() && uid != old_uid {
            let why =
                format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {old_uid}");
            return Err(Status::conflict(key, &why));
        }
        let name = json::text(&new, "metadata.name");
        if !name.is_empty() && name != key.name {
            let message =
                format!("the name of the object ({name}) does not match the name on the URL ({})", key.name);
            return Err(Status::bad_request(message));
        }
        match part {
            Part::Status => {
                let status = new["status"].take();
                new = Value::clone(old);
                if status.is_null() {
                    json::remove(&mut new, "status");
                } else {
                    new["status"] = status;
                }
            }
            Part::Main if row.tracking != Tracking::Plain => match old.get("status") {
                Some(status) => new["status"] = status.clone(),
                None => json::remove(&mut new, "status"),
            },
            Part::Main => {}
        }
        new["apiVersion"] = json!(row.api_version());
        new["kind"] = json!(row.name);
        for field in [
            "name",
            "namespace",
            "uid",
            "creationTimestamp",
            "generateName",
            "generation",
            "resourceVersion",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ] {
            match old["metadata"].get(field) {
                Some(value) => new["metadata"][field] = value.clone(),
                None => json::remove(&mut new, &format!("metadata.{field}")),
            }
        }
        json::remove(&mut new, "metadata.managedFields");
        for list in ["finalizers", "ownerReferences", "labels", "annotations"] {
            let value = &new["metadata"][list];
            let is_empty =
                value.as_array().map(Vec::is_empty).or(value.as_object().map(|map| map.is_empty()));
            if value.is_null() || is_empty == Some(true) {
                json::remove(&mut new, &format!("metadata.{list}"));
            }
        }
        self.check_finalizers(key, old, &new)?;
        self.admit(key.kind, &mut new, Some(old))?;
        if row.tracking == Tracking::Generation && part == Part::Main {
            let spec = |object: &Value| {
                let mut object = object.clone();
                json::remove(&mut object, "metadata");
                json::remove(&mut object, "status");
                object
            };
            if spec(&new) != spec(old) {
                bump_generation(&mut new);
            }
        }
        Ok(new)
    }

    fn check_finalizers(&self, key: &Key, old: &Value, new: &Value) -> Result<(), Status> {
        if json::text(old, "metadata.deletionTimestamp").is_empty() {
            return Ok(());
        }
        let had = json::list(old, "metadata.finalizers");
        let added: Vec<&Value> = json::list(new, "metadata.finalizers")
            .iter()
            .filter(|finalizer| !had.contains(finalizer))
            .collect();
        if added.is_empty() {
            return Ok(());
        }
        let why = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers {added:?}"
        );
        Err(Status::invalid(key.kind.row(), &key.name, &[Cause::forbidden("metadata.finalizers", &why)]))
    }

    fn commit_change(&mut self, now: Duration, key: &Key, mut new: Value) -> Arc<Value> {
        let old = self.objects.get(key).expect("admit_change has found the object");
        if **old == new {
            return Arc::clone(old);
        }
        let old = Arc::clone(old);
        new["metadata"]["resourceVersion"] = json!(self.next_version());
        if key.kind == Kind::CustomResourceDefinition {
            self.install(&new);
        }
        let new = Arc::new(new);
        self.objects.insert(key.clone(), Arc::clone(&new));
        self.record(ChangeKind::Modified, key, Arc::clone(&new), Some(old));
        self.remove_if_over(now, key);
        new
    }

    /// What a controller does: reads, changes, writes without a precondition. Nothing happens when the object is gone.
    pub fn modify(&mut self, now: Duration, key: &Key, part: Part, change: impl FnOnce(&mut Value)) {
        let Some(old) = self.object(key) else { return };
        let mut new = Value::clone(old);
        change(&mut new);
        self.replace(now, key, part, new).expect("controllers write what the server takes");
    }

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
            self.orphan(now, json::text(&old, "metadata.uid"));
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
        Ok(self.commit_change(now, key, new))
    }

    fn remove_if_over(&mut self, _now: Duration, key: &Key) {
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

    fn orphan(&mut self, now: Duration, uid: &str) {
        let dependents: Vec<Key> = self.dependents(uid).cloned().collect();
        for key in dependents {
            self.modify(now, &key, Part::Main, |object| {
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

fn bump_generation(object: &mut Value) {
    let generation = object["metadata"]["generation"].as_u64().unwrap_or(0);
    object["metadata"]["generation"] = json!(generation + 1);
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
