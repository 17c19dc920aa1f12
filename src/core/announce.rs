//! Kubernetes Events about zones and runs.
//!
//! Owns their wording's frame: a type, a reason in CamelCase, a message of at most 1024 bytes (`core/v1.Event`).
//! Invariant: the name is made from the object, the content and the hour, so that an agent that is restarted does not say
//! everything twice.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{SystemTime, UNIX_EPOCH};

use k8s::ObjectMeta;
use serde_json::json;

use crate::redact;

/// The API server refuses messages of more than 1024.
const MESSAGE_BYTES_MAX: usize = 1000;
const SECONDS_PER_HOUR: u64 = 3600;

/// One thing worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// `Normal` or `Warning`.
    pub kind: Kind,
    /// A word that tools filter by.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

/// The types that Kubernetes knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "Kubernetes' own words")]
pub enum Kind {
    Normal,
    Warning,
}

impl Announcement {
    /// Something that went as it should.
    #[must_use]
    pub fn normal(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: Kind::Normal, reason: reason.into(), message: message.into() }
    }

    /// Something that somebody should look at.
    #[must_use]
    pub fn warning(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: Kind::Warning, reason: reason.into(), message: message.into() }
    }

    /// The call that posts it.
    #[must_use]
    pub fn request(&self, about: &ObjectMeta, object_kind: &str, wall: SystemTime) -> k8s::Request {
        let mut hasher = DefaultHasher::new();
        let hour = wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / SECONDS_PER_HOUR);
        (&about.uid, self.kind, &self.reason, &self.message, hour).hash(&mut hasher);
        let time = k8s::format_time(wall);
        let event = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": format!("{}.{:016x}", about.name, hasher.finish()), "namespace": about.namespace},
            "involvedObject": {
                "apiVersion": "k6.io/v1alpha1", "kind": object_kind,
                "namespace": about.namespace, "name": about.name, "uid": about.uid,
            },
            "type": format!("{:?}", self.kind),
            "reason": self.reason,
            "message": redact::scrubbed_line(&self.message, MESSAGE_BYTES_MAX),
            "source": {"component": "plz-agent"},
            "reportingComponent": "plz-agent",
            "reportingInstance": "plz-agent",
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
        });
        k8s::EVENTS.create(Some(&about.namespace), &event)
    }
}
