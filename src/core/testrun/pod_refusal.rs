//! Why no pod is made of a Job that exists: the refusal's own words, from the Events of the Job.
//!
//! Owns which refusals can pass by waiting. Leaves alone when Events are read. Invariant: an Event is taken for words only,
//! since others may write Events too, and only about a Job of which we see ourselves that it has no pod; whoever forges one
//! ends a run in a namespace that he may write in.

use k8s::fields::Read as _;
use k8s::shape::Shape;

use crate::redact;

/// How many Events are read at the most.
pub const EVENTS_MAX: u32 = 4;

/// How much of the words is kept.
const WORDS_BYTES_MAX: usize = 600;

/// What the Job controller puts before the words.
const PREFIX: &str = "Error creating: ";

/// What of a refusal can pass by waiting: room in a quota, an account that comes, a webhook that is away, a server that starts.
const PASSING: [&str; 6] = [
    "exceeded quota",
    "status unknown for quota",
    "error looking up service account",
    "failed calling webhook",
    "being terminated",
    "not yet ready to handle request",
];

/// What marks a refusal for good, where nothing of [`PASSING`] is said.
const FINAL: [&str; 4] = [" is forbidden: ", "denied the request", "denied request", " is invalid: "];

/// The words of the latest Event in a list of them; none if there is none with words.
#[must_use]
pub fn words(body: &[u8]) -> Option<String> {
    let list: List = serde_json::from_slice(body).ok()?;
    let last =
        list.items.into_iter().filter(|event| !event.message.trim().is_empty()).max_by_key(Event::time)?;
    let said = last.message.trim();
    Some(redact::scrubbed_line(said.strip_prefix(PREFIX).unwrap_or(said), WORDS_BYTES_MAX))
}

/// Whether waiting does not help.
#[must_use]
pub fn is_final(words: &str) -> bool {
    !PASSING.iter().any(|part| words.contains(part)) && FINAL.iter().any(|part| words.contains(part))
}

/// What to do about it, where the words do not say; empty otherwise.
#[must_use]
pub fn advice(words: &str) -> &'static str {
    if words.contains("violates PodSecurity") {
        "; in the PrivateLoadZone set spec.podTemplate.spec.securityContext to {runAsNonRoot: true, seccompProfile: {type: \
         RuntimeDefault}} and spec.podTemplate.spec.containers[0].securityContext to {allowPrivilegeEscalation: false, \
         capabilities: {drop: [ALL]}}, as manifests/samples/zone-restricted.yaml does"
    } else {
        ""
    }
}

/// What is read of the list.
pub(crate) const LIST: &Shape = List::SHAPE;

#[derive(Default)]
struct List {
    items: Vec<Event>,
}
k8s::readable!(List { items: "items" });

#[derive(Default)]
struct Event {
    message: String,
    last_timestamp: String,
    event_time: String,
}
k8s::readable!(Event { message: "message", last_timestamp: "lastTimestamp", event_time: "eventTime" });

impl Event {
    fn time(&self) -> String {
        let times = [&self.last_timestamp, &self.event_time];
        times.into_iter().max().cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_words_count_without_the_controllers() {
        let body = r#"{"items":[
            {"message":"Error creating: later","lastTimestamp":"2026-01-01T00:00:09Z","eventTime":null},
            {"message":"Error creating: earlier","lastTimestamp":"2026-01-01T00:00:01Z"},
            {"message":" ","lastTimestamp":"2026-01-01T00:00:10Z"}]}"#;
        assert_eq!(words(body.as_bytes()).as_deref(), Some("later"));
        assert_eq!(words(br#"{"items":[]}"#), None);
        assert_eq!(words(b"{"), None);
        let long = format!(r#"{{"items":[{{"message":"{}"}}]}}"#, "x".repeat(100_000));
        assert!(words(long.as_bytes()).unwrap().len() < 1000);
    }

    #[test]
    fn what_waiting_does_not_help_is_told_apart() {
        for (words, expected) in [
            (
                r#"pods "a" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true"#,
                true,
            ),
            (r#"pods "a" is forbidden: maximum memory usage per Container is 1Mi, but limit is 256Mi"#, true),
            (r#"pods "a" is forbidden: failed quota: q: must specify limits.cpu for: k6"#, true),
            (r#"admission webhook "v.example.com" denied the request: no"#, true),
            (r#"Pod "a" is invalid: spec.containers[0].image: Required value"#, true),
            (
                r#"pods "a" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2"#,
                false,
            ),
            (
                r#"pods "a" is forbidden: error looking up service account ns/sa: serviceaccount "sa" not found"#,
                false,
            ),
            (r#"Internal error occurred: failed calling webhook "v.example.com": connection refused"#, false),
            ("etcdserver: request timed out", false),
        ] {
            assert_eq!(is_final(words), expected, "{words}");
        }
    }
}
