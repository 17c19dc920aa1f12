//! Creation and replacement; deletion is in [`super::delete`].
//!
//! Owns what a write may change (main resource or status), and which fields only the server sets.
//! Invariant: a write that changes nothing makes no entry in the history.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::resource::{Key, Kind, Scope, Tracking};
use super::status::{Cause, Status};
use super::{Api, ChangeKind, defaults, schema, validate};
use crate::json;

/// What of an object a write is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All but the status.
    Main,
    /// The status alone.
    Status,
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
        let mut status = Status::forbidden(kind.row(), name, &why);
        status.details["causes"] = json!([{"reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"), "field": "metadata.namespace"}]);
        Err(status)
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
    pub fn replace(&mut self, key: &Key, part: Part, new: Value) -> Result<Arc<Value>, Status> {
        let new = self.admit_change(key, part, new)?;
        Ok(self.commit_change(key, new))
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

    pub(super) fn commit_change(&mut self, key: &Key, mut new: Value) -> Arc<Value> {
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
        self.remove_if_over(key);
        new
    }

    /// What a controller does: reads, changes, writes without a precondition. Nothing happens when the object is gone.
    pub fn modify(&mut self, key: &Key, part: Part, change: impl FnOnce(&mut Value)) {
        let Some(old) = self.object(key) else { return };
        let mut new = Value::clone(old);
        change(&mut new);
        self.replace(key, part, new).expect("controllers write what the server takes");
    }
}

pub(super) fn bump_generation(object: &mut Value) {
    let generation = object["metadata"]["generation"].as_u64().unwrap_or(0);
    object["metadata"]["generation"] = json!(generation + 1);
}
