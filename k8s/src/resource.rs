//! Resources and the requests that can be made of them: pure builders, one per verb.
//!
//! Owns paths, query parameters and bodies of the Kubernetes REST API. Leaves alone what objects look like inside.
//! Invariant: a builder never fails and never writes `null`.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::request::{Attributes, Method, Request, push_query, push_segment};

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";
/// The field selector of one object, but for its name.
const BY_NAME: &str = "metadata.name=";

/// A kind of object the API server keeps: `pods`, `batch/v1 jobs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The version, `v1`.
    pub version: &'static str,
    /// The name in paths, `pods`.
    pub plural: &'static str,
}

/// `v1` pods.
pub const PODS: Resource = Resource::core("pods");
/// `v1` secrets.
pub const SECRETS: Resource = Resource::core("secrets");
/// `v1` events, the ones `kubectl describe` shows.
pub const EVENTS: Resource = Resource::core("events");
/// `batch/v1` jobs.
pub const JOBS: Resource = Resource::new("batch", "v1", "jobs");
/// `coordination.k8s.io/v1` leases.
pub const LEASES: Resource = Resource::new("coordination.k8s.io", "v1", "leases");
/// `apiextensions.k8s.io/v1` custom resource definitions; cluster-scoped.
pub const CRDS: Resource = Resource::new("apiextensions.k8s.io", "v1", "customresourcedefinitions");

/// `admissionregistration.k8s.io/v1` bindings of validating admission policies; cluster-scoped.
pub const ADMISSION_POLICY_BINDINGS: Resource =
    Resource::new("admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings");

const ACCESS_REVIEWS: Resource = Resource::new("authorization.k8s.io", "v1", "selfsubjectaccessreviews");

/// What to list, and which page of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListOptions<'a> {
    /// Only objects whose labels match, `app=web,tier!=db`.
    pub label_selector: Option<&'a str>,
    /// Only objects with these fields, `reason=FailedCreate`.
    pub field_selector: Option<&'a str>,
    /// The most objects a page may hold.
    pub limit: Option<u32>,
    /// `metadata.continue` of the page before.
    pub continue_token: Option<&'a str>,
    /// `0` to be content with the server's cache, none for the latest.
    pub resource_version: Option<&'a str>,
}

/// What to watch, and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchOptions<'a> {
    /// Only objects whose labels match.
    pub label_selector: Option<&'a str>,
    /// Only objects with these fields.
    pub field_selector: Option<&'a str>,
    /// The resourceVersion after which events are wanted.
    pub resource_version: Option<&'a str>,
    /// When the server is to end the watch; whole seconds count.
    pub timeout: Option<Duration>,
}

/// Which part of a log to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogOptions<'a> {
    /// The container; may be left out for pods that have one.
    pub container: Option<&'a str>,
    /// Only the last lines.
    pub tail_lines: Option<u32>,
    /// At most so many bytes.
    pub limit_bytes: Option<u32>,
    /// The log of the container's previous life.
    pub previous: bool,
}

impl Resource {
    /// A resource of a named group.
    #[must_use]
    pub const fn new(group: &'static str, version: &'static str, plural: &'static str) -> Self {
        Self { group, version, plural }
    }

    /// A `v1` resource of the core group.
    #[must_use]
    pub const fn core(plural: &'static str) -> Self {
        Self::new("", "v1", plural)
    }

    /// `v1` or `batch/v1`, as objects write it.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Reads one object. `namespace` is none for cluster-scoped resources, here and below.
    #[must_use]
    pub fn get(&self, namespace: Option<&str>, name: &str) -> Request {
        self.request(Method::Get, "get", namespace, Some(name), "")
    }

    /// Lists a namespace, or all of them. The body is a list object with `items` and `metadata`.
    #[must_use]
    pub fn list(&self, namespace: Option<&str>, options: &ListOptions<'_>) -> Request {
        let mut request = self.request(Method::Get, "list", namespace, None, "");
        let target = &mut request.target;
        query(target, "labelSelector", options.label_selector);
        query(target, "fieldSelector", options.field_selector);
        query(target, "limit", options.limit.map(|limit| limit.to_string()).as_deref());
        query(target, "continue", options.continue_token);
        query(target, "resourceVersion", options.resource_version);
        request.of_one(options.field_selector)
    }

    /// Lists the objects of one name, of which a namespace has one at the most. An object that is not there is an empty list and
    /// no error.
    #[must_use]
    pub fn find(&self, namespace: Option<&str>, name: &str) -> Request {
        let selector = format!("{BY_NAME}{name}");
        self.list(namespace, &ListOptions { field_selector: Some(&selector), ..ListOptions::default() })
    }

    /// Watches a namespace, or all of them, with bookmarks. The body is one JSON object a line.
    #[must_use]
    pub fn watch(&self, namespace: Option<&str>, options: &WatchOptions<'_>) -> Request {
        let mut request = self.request(Method::Get, "watch", namespace, None, "");
        let target = &mut request.target;
        push_query(target, "watch", "1");
        query(target, "labelSelector", options.label_selector);
        query(target, "fieldSelector", options.field_selector);
        query(target, "resourceVersion", options.resource_version);
        push_query(target, "allowWatchBookmarks", "true");
        query(target, "timeoutSeconds", options.timeout.map(|time| time.as_secs().to_string()).as_deref());
        request.of_one(options.field_selector)
    }

    /// Creates an object; 409 `AlreadyExists` when there is one of that name.
    #[must_use]
    pub fn create(&self, namespace: Option<&str>, object: &impl Serialize) -> Request {
        self.request(Method::Post, "create", namespace, None, "").with(JSON, object)
    }

    /// Merges fields into an object (RFC 7386). With `metadata.resourceVersion` inside, 409 when it has changed since.
    #[must_use]
    pub fn merge_patch(&self, namespace: Option<&str>, name: &str, patch: &impl Serialize) -> Request {
        self.request(Method::Patch, "patch", namespace, Some(name), "").with(MERGE_PATCH, patch)
    }

    /// Merges fields into an object's status; whatever lies outside of `status` and `metadata` is ignored.
    #[must_use]
    pub fn merge_patch_status(&self, namespace: Option<&str>, name: &str, patch: &impl Serialize) -> Request {
        self.request(Method::Patch, "patch", namespace, Some(name), "status").with(MERGE_PATCH, patch)
    }

    /// Deletes one object at once, and its dependents after it. With `uid` only the object that has it: another under the same
    /// name answers 409.
    #[must_use]
    pub fn delete(&self, namespace: Option<&str>, name: &str, uid: Option<&str>) -> Request {
        let mut body = Map::new();
        body.insert("apiVersion".to_owned(), json!("v1"));
        body.insert("kind".to_owned(), json!("DeleteOptions"));
        body.insert("propagationPolicy".to_owned(), json!("Background"));
        if let Some(uid) = uid {
            body.insert("preconditions".to_owned(), json!({ "uid": uid }));
        }
        self.request(Method::Delete, "delete", namespace, Some(name), "").with(JSON, &Value::Object(body))
    }

    fn request(
        &self,
        method: Method,
        verb: &'static str,
        namespace: Option<&str>,
        name: Option<&str>,
        subresource: &'static str,
    ) -> Request {
        let mut target = String::with_capacity(64);
        target.push_str(if self.group.is_empty() { "/api" } else { "/apis" });
        if !self.group.is_empty() {
            push_segment(&mut target, self.group);
        }
        push_segment(&mut target, self.version);
        if let Some(namespace) = namespace {
            target.push_str("/namespaces");
            push_segment(&mut target, namespace);
        }
        push_segment(&mut target, self.plural);
        if let Some(name) = name {
            push_segment(&mut target, name);
        }
        if !subresource.is_empty() {
            push_segment(&mut target, subresource);
        }
        let attributes = Attributes {
            verb,
            group: self.group,
            version: self.version,
            resource: self.plural,
            subresource,
            namespace: namespace.unwrap_or_default().to_owned(),
            name: name.unwrap_or_default().to_owned(),
        };
        Request { method, target, content_type: None, body: Vec::new(), attributes }
    }
}

impl Request {
    /// Authorization takes a list or a watch that is narrowed to one name for one of that object, so that a rule for certain names
    /// permits it.
    fn of_one(mut self, field_selector: Option<&str>) -> Self {
        let name = field_selector.and_then(|selector| selector.strip_prefix(BY_NAME));
        name.unwrap_or_default().clone_into(&mut self.attributes.name);
        self
    }

    fn with(mut self, content_type: &'static str, object: &impl Serialize) -> Self {
        self.content_type = Some(content_type);
        self.body =
            serde_json::to_vec(object).expect("objects have text for keys and derive their Serialize");
        self
    }
}

/// Reads a container's log; the body is plain text, newest line last.
#[must_use]
pub fn pod_log(namespace: &str, pod: &str, options: &LogOptions<'_>) -> Request {
    let mut request = PODS.request(Method::Get, "get", Some(namespace), Some(pod), "log");
    let target = &mut request.target;
    query(target, "container", options.container);
    query(target, "tailLines", options.tail_lines.map(|lines| lines.to_string()).as_deref());
    query(target, "limitBytes", options.limit_bytes.map(|bytes| bytes.to_string()).as_deref());
    query(target, "previous", options.previous.then_some("true"));
    request
}

/// Calls an HTTP port of a pod through the API server. `path` is absolute and already encoded, with its query.
///
/// The answer is the pod's own; where the API server cannot reach the pod it answers 503 with a `Status`. Use
/// [`Client::send`](crate::Client::send) to see the body of an answer that is no success.
#[must_use]
pub fn pod_proxy(
    method: Method,
    namespace: &str,
    pod: &str,
    port: u16,
    path: &str,
    content_type: Option<&'static str>,
    body: Vec<u8>,
) -> Request {
    let verb = match method {
        Method::Get => "get",
        Method::Post => "create",
        Method::Put => "update",
        Method::Patch => "patch",
        Method::Delete => "delete",
    };
    let mut request = PODS.request(method, verb, Some(namespace), Some(&format!("{pod}:{port}")), "proxy");
    if !path.starts_with('/') {
        request.target.push('/');
    }
    request.target.push_str(path);
    pod.clone_into(&mut request.attributes.name);
    Request { content_type, body, ..request }
}

/// Asks whether the caller may do what `attributes` say. The answer is read by
/// [`AccessReview::parse`](crate::status::AccessReview::parse).
#[must_use]
pub fn self_subject_access_review(attributes: &Attributes) -> Request {
    let fields = [
        ("verb", attributes.verb),
        ("group", attributes.group),
        ("version", attributes.version),
        ("resource", attributes.resource),
        ("subresource", attributes.subresource),
        ("namespace", &attributes.namespace),
        ("name", &attributes.name),
    ];
    let filled = fields.into_iter().filter(|(_, value)| !value.is_empty());
    // Collected, the map would be sorted first, by 5 KB of code.
    let mut wanted = Map::new();
    wanted.extend(filled.map(|(name, value)| (name.to_owned(), json!(value))));
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": wanted },
    });
    ACCESS_REVIEWS.create(None, &review)
}

fn query(target: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        push_query(target, name, value);
    }
}

#[cfg(test)]
#[path = "resource_tests.rs"]
mod tests;
