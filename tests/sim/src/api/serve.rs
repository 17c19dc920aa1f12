//! From a request to an answer: counting, faults, authorization, dispatch.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::call::{Call, Fault};
use super::delete::{DeleteOptions, Propagation};
use super::resource::{Key, Kind, Scope, Tracking};
use super::status::Status;
use super::watch::Watch;
use super::write::Part;
use super::{Api, discovery, rbac, read};
use crate::http::{Answer, Method, Request, Response};
use crate::json;

/// What the API server says to a request.
#[derive(Debug)]
pub enum Served {
    /// An answer like that of any server.
    Answer(Answer),
    /// Status 200, then event lines until the watch is over.
    Watch(Watch),
}

impl Served {
    /// The answer; a watch shows as an empty 200.
    pub fn answer(self) -> Answer {
        match self {
            Self::Answer(answer) => answer,
            Self::Watch(_) => Response::empty(200).into(),
        }
    }
}

impl Api {
    /// Serves a request.
    pub fn serve(&mut self, now: Duration, request: &Request) -> Served {
        let call = Call::parse(request).filter(|call| !self.absent.contains(call.resource.plural));
        let Some(call) = call else {
            let found =
                discovery::answer(&request.path, &self.absent).filter(|_| request.method == Method::Get);
            let response = found.unwrap_or_else(|| Status::no_such_path().response());
            return Served::Answer(response.into());
        };
        let fault = match self.screen(now, &call, request) {
            Ok(fault) => fault,
            Err(answer) => return Served::Answer(answer),
        };
        let served = match self.dispatch(now, &call, request) {
            Ok(served) => served,
            Err(status) => Served::Answer(status.response().into()),
        };
        after_effect(fault, served)
    }

    /// Counts a call, then asks the fault hook and the rules about it; the error is the answer to give instead.
    pub(crate) fn screen(&mut self, now: Duration, call: &Call, request: &Request) -> Result<Fault, Answer> {
        let user_agent = request.header("user-agent").unwrap_or_default();
        *self.counts.entry(call.counted(user_agent)).or_default() += 1;
        let fault = match self.faults.as_mut() {
            Some(hook) => hook(now, call, &request.json().unwrap_or_default()),
            None => Fault::None,
        };
        match fault {
            Fault::DropBefore => return Err(Answer::Drop),
            Fault::Refuse(status, retry_after) => {
                let response = status.response();
                return Err(match retry_after {
                    Some(seconds) => response.with_header("Retry-After", &seconds.to_string()).into(),
                    None => response.into(),
                });
            }
            Fault::None | Fault::DropAfter | Fault::Late(_) => {}
        }
        if now < self.warming_until {
            let role = "clusterrole.rbac.authorization.k8s.io \"sim\" not found";
            let mut status = refused(call);
            status.message.push_str(&format!(": RBAC: {role}"));
            return Err(status.response().into());
        }
        if self.rules.as_ref().is_some_and(|rules| !rbac::allowed(rules, call)) {
            return Err(refused(call).response().into());
        }
        Ok(fault)
    }

    fn dispatch(&mut self, now: Duration, call: &Call, request: &Request) -> Result<Served, Status> {
        let row = call.resource;
        let kind = row.kind;
        if kind == Kind::SelfSubjectAccessReview {
            return self.review(call, request);
        }
        let part = match call.subresource.as_str() {
            "" => Part::Main,
            "status" if row.tracking != Tracking::Plain && request.method != Method::Delete => Part::Status,
            _ => return Err(Status::no_such_path()),
        };
        let needs_namespace = row.scope == Scope::Namespaced && !matches!(call.verb, "list" | "watch");
        if needs_namespace && call.namespace.is_empty() {
            return Err(Status::no_such_path());
        }
        let key = Key::new(kind, &call.namespace, &call.name);
        let done = |status: u16, object: &Value| Ok(Served::Answer(Response::json(status, object).into()));
        match call.verb {
            "get" => done(200, self.object(&key).ok_or_else(|| Status::not_found(&key))?),
            "list" => done(200, &self.list(kind, &call.namespace, request)?),
            "watch" => Ok(Served::Watch(self.watch_named(now, call, request)?)),
            "create" => {
                if !call.name.is_empty() {
                    return Err(Status::new(
                        405,
                        "MethodNotAllowed",
                        "the server does not allow this method on the requested resource",
                    ));
                }
                let body = body(request)?;
                if is_dry(request) {
                    let (key, object) = self.admit_new(now, kind, &call.namespace, body)?;
                    return if self.object(&key).is_some() {
                        Err(Status::already_exists(&key))
                    } else {
                        done(201, &object)
                    };
                }
                let object = self.create(now, kind, &call.namespace, body)?;
                done(201, &object)
            }
            "update" => {
                let new = body(request)?;
                if row.is_custom()
                    && json::text(&new, "metadata.resourceVersion").is_empty()
                    && self.object(&key).is_some()
                {
                    let cause = super::status::Cause::invalid(
                        "metadata.resourceVersion",
                        &json!(0),
                        "must be specified for an update",
                    );
                    return Err(Status::invalid(row, &call.name, &[cause]));
                }
                if is_dry(request) {
                    return done(200, &self.admit_change(&key, part, new)?);
                }
                let object = self.replace(&key, part, new)?;
                done(200, &object)
            }
            "patch" => self.patch(now, &key, part, request),
            "delete" => {
                let options = delete_options(request)?;
                if is_dry(request) {
                    return done(200, self.object(&key).ok_or_else(|| Status::not_found(&key))?);
                }
                let object = self.delete(now, &key, &options)?;
                done(200, &self.deleted(&key, &object))
            }
            _ => self.delete_collection(now, call, request),
        }
    }

    fn watch_named(&self, now: Duration, call: &Call, request: &Request) -> Result<Watch, Status> {
        if call.name.is_empty() {
            return self.watch(now, call.resource.kind, &call.namespace, request);
        }
        let mut request = request.clone();
        request.query.push(("fieldSelector".to_owned(), format!("metadata.name={}", call.name)));
        self.watch(now, call.resource.kind, &call.namespace, &request)
    }

    fn patch(&mut self, now: Duration, key: &Key, part: Part, request: &Request) -> Result<Served, Status> {
        let row = key.kind.row();
        let is_apply = request.content_type() == "application/apply-patch+yaml";
        let patch = if is_apply {
            if request.query("fieldManager").unwrap_or_default().is_empty() {
                return Err(Status::bad_request(
                    "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
                ));
            }
            serde_yaml::from_slice(&request.body).map_err(|error| Status::bad_request(error.to_string()))?
        } else {
            body(request)?
        };
        let Some(old) = self.object(key) else {
            if !is_apply || part == Part::Status {
                return Err(Status::not_found(key));
            }
            let mut object = patch;
            object["metadata"]["name"] = json!(key.name);
            let object = self.create(now, key.kind, &key.namespace, object)?;
            return Ok(Served::Answer(Response::json(201, &object).into()));
        };
        let mut new = Value::clone(old);
        match request.content_type() {
            "application/merge-patch+json" => json::merge(&mut new, &patch),
            "application/strategic-merge-patch+json" if !row.is_custom() => {
                json::merge_strategic(&mut new, &patch);
            }
            "application/apply-patch+yaml" => json::merge_strategic(&mut new, &patch),
            "application/json-patch+json" => {
                json::patch(&mut new, &patch).map_err(|error| Status::new(422, "Invalid", error))?;
            }
            other => {
                let message = format!(
                    "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml (got {other:?})"
                );
                return Err(Status::new(415, "UnsupportedMediaType", message));
            }
        }
        let object = if is_dry(request) {
            Arc::new(self.admit_change(key, part, new)?)
        } else {
            self.replace(key, part, new)?
        };
        Ok(Served::Answer(Response::json(200, &object).into()))
    }

    fn delete_collection(&mut self, now: Duration, call: &Call, request: &Request) -> Result<Served, Status> {
        let (kind, options, selector) =
            (call.resource.kind, delete_options(request)?, read::selector(request)?);
        let keys: Vec<Key> = self
            .objects(kind, &call.namespace)
            .filter(|(_, object)| selector.matches(object))
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            self.delete(now, &key, &options)?;
        }
        let value = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"});
        Ok(Served::Answer(Response::json(200, &value).into()))
    }

    /// The body of the answer to a deletion: the object while it is still there, and for pods; a Status otherwise.
    fn deleted(&self, key: &Key, object: &Value) -> Value {
        if self.object(key).is_some() || key.kind == Kind::Pod {
            return object.clone();
        }
        let row = key.kind.row();
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details":
            {"name": key.name, "group": row.group, "kind": row.plural, "uid": object["metadata"]["uid"]}})
    }

    fn review(&self, call: &Call, request: &Request) -> Result<Served, Status> {
        if call.verb != "create" {
            return Err(Status::no_such_path());
        }
        let mut review = body(request)?;
        let asked = json::at(&review, "spec.resourceAttributes");
        let text = |field| json::text(asked, field);
        let resource = match text("subresource") {
            "" => text("resource").to_owned(),
            subresource => format!("{}/{subresource}", text("resource")),
        };
        let is_allowed = self
            .rules
            .as_ref()
            .is_none_or(|rules| rbac::permitted(rules, text("group"), &resource, text("name"), text("verb")));
        review["status"] = json!({"allowed": is_allowed});
        review["apiVersion"] = json!(call.resource.api_version());
        review["kind"] = json!(call.resource.name);
        Ok(Served::Answer(Response::json(201, &review).into()))
    }
}

/// Applies what a fault does to an answer whose effects have happened.
pub(crate) fn after_effect(fault: Fault, served: Served) -> Served {
    match (fault, served) {
        (Fault::DropAfter, _) => Served::Answer(Answer::Drop),
        (Fault::Late(after), Served::Answer(Answer::Now(response))) => {
            Served::Answer(Answer::After(after, response))
        }
        (_, served) => served,
    }
}

fn refused(call: &Call) -> Status {
    let row = call.resource;
    let resource = rbac::with_subresource(call);
    let place = match call.namespace.as_str() {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace {namespace:?}"),
    };
    let why = format!(
        "User \"sim\" cannot {} resource {resource:?} in API group {:?} {place}",
        call.verb, row.group
    );
    Status::forbidden(row, &call.name, &why)
}

fn body(request: &Request) -> Result<Value, Status> {
    if request.content_type() == "application/vnd.kubernetes.protobuf" {
        let message = "the stand-in reads JSON and YAML, not protobuf";
        return Err(Status::new(415, "UnsupportedMediaType", message));
    }
    let body: Result<Value, String> = match request.content_type() {
        "application/yaml" => serde_yaml::from_slice(&request.body).map_err(|error| error.to_string()),
        _ => serde_json::from_slice(&request.body).map_err(|error| error.to_string()),
    };
    body.map_err(|error| Status::bad_request(format!("unable to decode the body of the request: {error}")))
}

fn is_dry(request: &Request) -> bool {
    request.query("dryRun") == Some("All")
}

fn delete_options(request: &Request) -> Result<DeleteOptions, Status> {
    let given = if request.body.is_empty() { Value::Null } else { body(request)? };
    let text = |path| json::at(&given, path).as_str().map(str::to_owned);
    let propagation =
        text("propagationPolicy").or_else(|| request.query("propagationPolicy").map(str::to_owned));
    let propagation = match propagation.as_deref() {
        None | Some("") => None,
        Some("Orphan") => Some(Propagation::Orphan),
        Some("Background") => Some(Propagation::Background),
        Some("Foreground") => Some(Propagation::Foreground),
        Some(other) => {
            let message = format!(
                "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: {other:?}: supported values: \"Foreground\", \"Background\", \"Orphan\""
            );
            return Err(Status::new(422, "Invalid", message));
        }
    };
    let grace = given["gracePeriodSeconds"].as_u64();
    let grace =
        grace.or_else(|| request.query("gracePeriodSeconds").and_then(|seconds| seconds.parse().ok()));
    Ok(DeleteOptions {
        uid: text("preconditions.uid"),
        version: text("preconditions.resourceVersion"),
        grace,
        propagation,
    })
}
