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

impl Kind {
    /// As it stands in `type`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
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
            "type": self.kind.word(),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::*;

    fn about() -> ObjectMeta {
        ObjectMeta { namespace: "ns".into(), name: "edge".into(), uid: "u".into(), ..ObjectMeta::default() }
    }

    fn posted(announcement: &Announcement, about: &ObjectMeta, seconds: u64) -> Value {
        let request = announcement.request(about, "TestRun", UNIX_EPOCH + Duration::from_secs(seconds));
        serde_json::from_slice(&request.body).unwrap()
    }

    #[test]
    fn an_event_is_written_as_kubernetes_reads_it() {
        let event = posted(&Announcement::warning("Waiting", "why"), &about(), 7);
        assert_eq!((&event["type"], &event["reason"]), (&json!("Warning"), &json!("Waiting")));
        assert_eq!((&event["message"], &event["count"]), (&json!("why"), &json!(1)));
        assert_eq!(event["firstTimestamp"], "1970-01-01T00:00:07Z");
        let object = json!({"apiVersion": "k6.io/v1alpha1", "kind": "TestRun", "namespace": "ns", "name": "edge", "uid": "u"});
        assert_eq!(event["involvedObject"], object);
        assert_eq!(posted(&Announcement::normal("Started", "why"), &about(), 7)["type"], "Normal");
    }

    #[test]
    fn what_is_said_twice_within_an_hour_is_one_event() {
        let warning = Announcement::warning("Waiting", "why");
        let name = |announcement: &Announcement, about: &ObjectMeta, seconds| {
            posted(announcement, about, seconds)["metadata"]["name"].as_str().unwrap().to_owned()
        };
        let first = name(&warning, &about(), 0);
        assert!(first.starts_with("edge."), "{first}");
        assert_eq!(name(&warning, &about(), 3599), first);
        let other = ObjectMeta { uid: "another".into(), ..about() };
        for different in [
            name(&warning, &about(), 3600),
            name(&warning, &other, 0),
            name(&Announcement::normal("Waiting", "why"), &about(), 0),
            name(&Announcement::warning("Waiting", "why else"), &about(), 0),
            name(&Announcement::warning("Failed", "why"), &about(), 0),
        ] {
            assert_ne!(different, first);
        }
    }

    #[test]
    fn a_message_is_one_line_that_the_api_server_takes_without_credentials() {
        let message = format!("see https://s3/a?X-Amz-Signature=abc\n{}", "x".repeat(5000));
        let event = posted(&Announcement::warning("Failed", message), &about(), 0);
        let message = event["message"].as_str().unwrap();
        assert!(message.len() <= 1000 && !message.contains("abc") && !message.contains('\n'), "{message}");
    }
}
