//! What all objects have in common: `metav1.ObjectMeta`, owner references, conditions, keys and times.
//!
//! Reads with tolerance (a `null` is as good as an absence, unknown fields are skipped) and writes with restraint (what is
//! empty is left out, `null` is never written).

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::{Value, json};

/// The finalizer of the garbage collector (`metav1.FinalizerDeleteDependents`).
const FOREGROUND: &str = "foregroundDeletion";

/// `metav1.ObjectMeta`. Text that is absent is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectMeta {
    /// Unique within kind and namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Empty for cluster-scoped objects.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Tells an object from an earlier one of the same name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Changes with every write.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// Counts the changes of the spec, from 1; 0 where the server has not said.
    #[serde(skip_serializing_if = "is_zero")]
    pub generation: i64,
    /// RFC 3339; see [`parse_time`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<String>,
    /// RFC 3339; set once somebody has asked for the deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<String>,
    /// To select by.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// To keep notes in.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Who has to let go before the object can be gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
    /// Whose deletion takes this object along.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owner_references: Vec<OwnerReference>,
}
crate::readable!(ObjectMeta {
    name: "name",
    namespace: "namespace",
    uid: "uid",
    resource_version: "resourceVersion",
    generation: "generation",
    creation_timestamp: "creationTimestamp",
    deletion_timestamp: "deletionTimestamp",
    labels: "labels" pick Labels,
    annotations: "annotations" pick Annotations,
    finalizers: "finalizers",
    owner_references: "ownerReferences",
});

impl ObjectMeta {
    /// Namespace and name.
    #[must_use]
    pub fn key(&self) -> Key {
        Key { namespace: self.namespace.clone(), name: self.name.clone() }
    }

    /// Whether the deletion has been asked for.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        self.deletion_timestamp.is_some()
    }

    /// Whether the garbage collector deletes what the object owns while the object is still there.
    #[must_use]
    pub fn is_deleting_in_foreground(&self) -> bool {
        self.is_deleting() && self.finalizers.iter().any(|finalizer| finalizer == FOREGROUND)
    }

    /// The merge patch that takes a finalizer off. Onto this version alone: the list is replaced as a whole, and others write
    /// in it too.
    #[must_use]
    pub fn without_finalizer(&self, finalizer: &str) -> Value {
        let rest: Vec<&String> = self.finalizers.iter().filter(|known| *known != finalizer).collect();
        json!({ "metadata": { "resourceVersion": self.resource_version, "finalizers": rest } })
    }

    /// The owner that manages the object. Other owners only keep it alive.
    #[must_use]
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller == Some(true) && !owner.uid.is_empty())
    }

    /// Whether the owner of this uid manages the object.
    #[must_use]
    pub fn is_controlled_by(&self, uid: &str) -> bool {
        self.controller().is_some_and(|owner| owner.uid == uid)
    }

    /// When the object was created, where the server has said so readably.
    #[must_use]
    pub fn created(&self) -> Option<SystemTime> {
        self.creation_timestamp.as_deref().and_then(parse_time)
    }
}

/// `metav1.OwnerReference`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference {
    /// `batch/v1`.
    pub api_version: String,
    /// `Job`.
    pub kind: String,
    /// The owner's name; it lives in the same namespace, or in none.
    pub name: String,
    /// The owner's uid.
    pub uid: String,
    /// Whether the owner is the one that manages the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
    /// Whether a foreground deletion of the owner waits for the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_owner_deletion: Option<bool>,
}
crate::readable!(OwnerReference {
    api_version: "apiVersion",
    kind: "kind",
    name: "name",
    uid: "uid",
    controller: "controller",
    block_owner_deletion: "blockOwnerDeletion",
});

impl OwnerReference {
    /// The reference to `owner` that what it makes bears: it is the controller, and a foreground deletion waits.
    #[must_use]
    pub fn controller(api_version: &str, kind: &str, owner: &ObjectMeta) -> Self {
        Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }
}

/// `metav1.Condition`; pods' conditions read as one too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// CamelCase, unique within the list.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// A CamelCase word for programs.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// RFC 3339: when `status` last changed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_transition_time: String,
    /// The `metadata.generation` that the condition speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}
crate::readable!(Condition {
    type_: "type",
    status: "status",
    reason: "reason",
    message: "message",
    last_transition_time: "lastTransitionTime",
    observed_generation: "observedGeneration",
});

impl Condition {
    /// Whether `status` is `True`.
    #[must_use]
    pub fn is_true(&self) -> bool {
        self.status == "True"
    }
}

/// Namespace and name: what identifies an object of a kind. Shown as `namespace/name`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// A key from its two parts.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// The last moment that RFC 3339 can write: the end of the year 9999, in seconds since 1970.
const TIME_SECONDS_MAX: u64 = 253_402_300_799;

/// `metav1.Time`: `2026-05-04T03:02:01Z`. Moments that it cannot write become the nearest that it can.
#[must_use]
pub fn format_time(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(writable(time)).to_string()
}

/// `metav1.MicroTime`: `2026-05-04T03:02:01.000009Z`, as Leases and Events want it.
#[must_use]
pub fn format_micro_time(time: SystemTime) -> String {
    humantime::format_rfc3339_micros(writable(time)).to_string()
}

/// Reads RFC 3339 with or without a fraction, in UTC or with an offset; none where the text is something else.
#[must_use]
pub fn parse_time(text: &str) -> Option<SystemTime> {
    if let Ok(time) = humantime::parse_rfc3339(text) {
        return Some(time);
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub("+00:00".len())?)?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let seconds = hours.parse::<u64>().ok()? * 3600 + minutes.parse::<u64>().ok()? * 60;
    let time = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    match offset.as_bytes()[0] {
        b'+' => time.checked_sub(Duration::from_secs(seconds)),
        b'-' => time.checked_add(Duration::from_secs(seconds)),
        _ => None,
    }
}

fn writable(time: SystemTime) -> SystemTime {
    time.clamp(UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(TIME_SECONDS_MAX))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands skip_serializing_if a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_reads_as_empty_and_empty_is_not_written() {
        let text = r#"{"name":"a","namespace":null,"labels":null,"finalizers":null,"ownerReferences":null,
            "generation":null,"creationTimestamp":null,"managedFields":[{"x":1}],"annotations":{"k":"v"}}"#;
        let meta: ObjectMeta = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&meta).unwrap(), r#"{"name":"a","annotations":{"k":"v"}}"#);
        assert_eq!(serde_json::to_string(&ObjectMeta::default()).unwrap(), "{}");
    }

    #[test]
    fn the_controller_is_told_by_its_uid() {
        let owner = |uid: &str, controller| OwnerReference {
            uid: uid.to_owned(),
            controller,
            ..OwnerReference::default()
        };
        let owner_references = vec![owner("u1", None), owner("", Some(true)), owner("u2", Some(true))];
        let meta = ObjectMeta { owner_references, ..ObjectMeta::default() };
        assert!(meta.is_controlled_by("u2") && !meta.is_controlled_by("u1") && !meta.is_controlled_by(""));
    }

    #[test]
    fn a_finalizer_is_taken_off_one_version() {
        let finalizers = ["a/x".to_owned(), "b/y".to_owned()].into();
        let meta = ObjectMeta { finalizers, resource_version: "7".to_owned(), ..ObjectMeta::default() };
        let patch = meta.without_finalizer("a/x").to_string();
        assert_eq!(patch, r#"{"metadata":{"finalizers":["b/y"],"resourceVersion":"7"}}"#);
    }

    #[test]
    fn conditions_round_trip() {
        let text = r#"{"type":"Ready","status":"True","reason":"Up","message":"it is up","lastTransitionTime":"2026-05-04T03:02:01Z","observedGeneration":3}"#;
        let condition: Condition = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&condition).unwrap(), text);
    }

    #[test]
    fn times() {
        let check = |text: &str, wanted: Option<u64>| {
            let seconds = parse_time(text).map(|time| time.duration_since(UNIX_EPOCH).unwrap().as_secs());
            assert_eq!(seconds, wanted, "{text}");
        };
        check("1970-01-01T00:01:00Z", Some(60));
        check("1970-01-01T00:01:00.000009Z", Some(60));
        check("1970-01-01T01:01:00+01:00", Some(60));
        check("1969-12-31T23:01:00-01:00", None);
        check("1970-01-01T00:01:00.5-01:30", Some(60 + 5400));
        check("", None);
        check("soon", None);
        check("é1970-01-01", None);
        let time = UNIX_EPOCH + Duration::from_micros(1_000_009);
        assert_eq!(format_time(time), "1970-01-01T00:00:01Z");
        assert_eq!(format_micro_time(time), "1970-01-01T00:00:01.000009Z");
        assert_eq!(format_time(UNIX_EPOCH - Duration::from_secs(9)), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn keys_sort_by_namespace_first() {
        assert!(Key::new("a", "z") < Key::new("b", "a"));
        assert_eq!(Key::new("a", "z").to_string(), "a/z");
        assert_eq!(Key::new("", "z").to_string(), "z");
    }
}
