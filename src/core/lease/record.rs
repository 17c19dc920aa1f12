//! A Lease as far as an election reads it, and the requests that an election makes.
//!
//! Owns the wire format, as client-go writes it, so that `kubectl get lease` reads well. Leaves alone who holds it. Invariant:
//! a change is written on condition of the `resourceVersion` that it is based on; of two writers, one gets 409.

use std::time::{Duration, SystemTime};

use k8s::fields::Read;
use k8s::shape::Shape;
use k8s::{ObjectMeta, Request};
use serde_json::json;

use crate::api::ObjectKey;

/// `spec.leaseDurationSeconds` of ours: how long an agent that has died keeps the others waiting.
pub const LEASE_DURATION: Duration = Duration::from_secs(15);

/// More than this is not believed of `spec.leaseDurationSeconds`: whoever has died would hold it for years.
const LEASE_DURATION_MAX: Duration = Duration::from_secs(60);

/// The annotation that tells a Lease that its leader has given up from one that somebody else has emptied. Whoever takes it
/// takes this off.
pub const RELEASED: &str = "plz-agent/released-by";

/// The API server takes no more.
const TRANSITIONS_MAX: u32 = i32::MAX.unsigned_abs();

/// What stands in a Lease. Times in it are of its writer's clock and are not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it is.
    pub key: ObjectKey,
    /// Tells it from an earlier Lease of that name.
    pub uid: String,
    /// Changes with every write.
    pub version: String,
    /// `spec.holderIdentity`; empty when nobody holds it.
    pub holder: String,
    /// For how long it holds without being renewed, a minute at most.
    pub duration: Duration,
    /// `spec.renewTime`, to know a write of ours by.
    pub renew_time: String,
    /// Who has given it up.
    pub released_by: String,
    /// `spec.leaseTransitions`: how often it has changed hands.
    pub transitions: u32,
}

/// A Lease as it is read; what decisions read is the [`Record`] that becomes of it.
#[derive(Debug, Default)]
pub struct Lease {
    /// Its metadata.
    pub metadata: ObjectMeta,
    spec: Spec,
}
k8s::readable!(Lease { metadata: "metadata", spec: "spec" });

#[derive(Debug, Default)]
struct Spec {
    holder: String,
    duration_s: i64,
    renew_time: String,
    transitions: i64,
}
k8s::readable!(Spec {
    holder: "holderIdentity",
    duration_s: "leaseDurationSeconds",
    renew_time: "renewTime",
    transitions: "leaseTransitions",
});

/// What is read of a Lease, or of a list of them.
pub const ANSWER: &Shape = &Shape::Fields(&[&[
    ("metadata", ObjectMeta::SHAPE),
    ("spec", Spec::SHAPE),
    ("items", <Vec<Lease> as Read>::SHAPE),
]]);

#[derive(Default)]
struct List {
    items: Vec<Lease>,
}
k8s::readable!(List { items: "items" });

impl From<Lease> for Record {
    fn from(Lease { mut metadata, spec }: Lease) -> Self {
        let seconds = u64::try_from(spec.duration_s).ok().filter(|seconds| *seconds > 0);
        Self {
            key: metadata.key(),
            released_by: metadata.annotations.remove(RELEASED).unwrap_or_default(),
            renew_time: spec.renew_time,
            uid: metadata.uid,
            version: metadata.resource_version,
            holder: spec.holder,
            duration: seconds.map_or(LEASE_DURATION, Duration::from_secs).min(LEASE_DURATION_MAX),
            transitions: u32::try_from(spec.transitions).unwrap_or_default().min(TRANSITIONS_MAX),
        }
    }
}

impl Record {
    /// Reads a Lease; the error says what is wrong with it. One without a version is refused, since a write that is based on
    /// it would be unconditional.
    pub fn read(body: &[u8]) -> Result<Self, k8s::Error> {
        let record = k8s::status::decode::<Lease>("the Lease", body).map(Self::from)?;
        if record.version.is_empty() {
            let cause = "it has no metadata.resourceVersion".to_owned();
            return Err(k8s::Error::Decode { what: "the Lease".to_owned(), cause });
        }
        Ok(record)
    }

    /// Reads a list of Leases.
    pub fn read_list(body: &[u8]) -> Result<Vec<Self>, k8s::Error> {
        // What was too large to be kept is no empty list.
        if body == b"null" {
            let cause = "it is too large".to_owned();
            return Err(k8s::Error::Decode { what: "the list of Leases".to_owned(), cause });
        }
        let list: List = k8s::status::decode("the list of Leases", body)?;
        Ok(list.items.into_iter().map(Self::from).collect())
    }

    /// Its version as a number, which grows with every write to the cluster; 0 if it is none.
    #[must_use]
    pub fn number(&self) -> u128 {
        self.version.parse().unwrap_or(0)
    }

    /// Uid and version: what a write is based on.
    #[must_use]
    pub fn base(&self) -> (String, String) {
        (self.uid.clone(), self.version.clone())
    }

    /// Whether its leader has given it up, and no other hand has emptied it.
    #[must_use]
    pub fn is_released(&self) -> bool {
        self.holder.is_empty() && !self.released_by.is_empty()
    }

    /// The request that extends the holder's time.
    #[must_use]
    pub fn renewal(&self, wall: SystemTime) -> Request {
        let spec = json!({
            "holderIdentity": self.holder,
            "leaseDurationSeconds": LEASE_DURATION.as_secs(),
            "renewTime": renew_time(wall),
        });
        self.patch(None, &spec)
    }

    /// The request that makes `identity` the holder.
    #[must_use]
    pub fn takeover(&self, identity: &str, wall: SystemTime) -> Request {
        self.patch(None, &spec(identity, (self.transitions + 1).min(TRANSITIONS_MAX), wall))
    }

    /// The request that gives it up, so that the next one need not wait.
    #[must_use]
    pub fn release(&self, identity: &str, wall: SystemTime) -> Request {
        let now = renew_time(wall);
        self.patch(
            Some(identity),
            &json!({ "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": now }),
        )
    }

    fn patch(&self, released_by: Option<&str>, spec: &serde_json::Value) -> Request {
        // With its uid too: the version of a Lease that was deleted and made again says nothing of this one.
        let mut metadata = json!({ "resourceVersion": self.version, "uid": self.uid });
        if released_by.is_some() || !self.released_by.is_empty() {
            metadata["annotations"] = json!({ RELEASED: released_by });
        }
        let patch = json!({ "metadata": metadata, "spec": spec });
        k8s::LEASES.merge_patch(Some(&self.key.namespace), &self.key.name, &patch)
    }
}

/// A time as the API server gives it back.
#[must_use]
pub fn renew_time(wall: SystemTime) -> String {
    k8s::meta::format_micro_time(wall)
}

/// The request that creates a Lease with `identity` as its holder; 409 `AlreadyExists` when somebody else was faster.
#[must_use]
pub fn creation(lease: &ObjectKey, identity: &str, wall: SystemTime) -> Request {
    let object = json!({
        "apiVersion": k8s::LEASES.api_version(),
        "kind": "Lease",
        "metadata": { "name": lease.name, "namespace": lease.namespace },
        "spec": spec(identity, 0, wall),
    });
    k8s::LEASES.create(Some(&lease.namespace), &object)
}

fn spec(identity: &str, transitions: u32, wall: SystemTime) -> serde_json::Value {
    let now = renew_time(wall);
    json!({
        "holderIdentity": identity,
        "leaseDurationSeconds": LEASE_DURATION.as_secs(),
        "acquireTime": now,
        "renewTime": now,
        "leaseTransitions": transitions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"metadata":{"name":"plz-agent","namespace":"ns","uid":"u","resourceVersion":"7"},
        "spec":{"holderIdentity":"a_1","leaseDurationSeconds":20,"leaseTransitions":4,"renewTime":"2099-01-01T00:00:00.000000Z"}}"#;

    #[test]
    fn a_lease_is_read_with_tolerance() {
        let record = Record::read(BODY.as_bytes()).unwrap();
        assert_eq!((record.holder.as_str(), record.duration.as_secs(), record.transitions), ("a_1", 20, 4));
        for spec in
            ["null", "{}", r#"{"leaseDurationSeconds":0,"leaseTransitions":-1,"holderIdentity":null}"#]
        {
            let body = format!(r#"{{"metadata":{{"resourceVersion":"1","labels":null}},"spec":{spec}}}"#);
            let record = Record::read(body.as_bytes()).unwrap();
            assert_eq!(
                (record.holder.as_str(), record.duration, record.transitions),
                ("", LEASE_DURATION, 0)
            );
        }
        assert_eq!(Record::read_list(br#"{"items":null}"#), Ok(Vec::new()));
        let error = Record::read(br#"{"spec":{"holderIdentity":["s3cret"]}}"#).unwrap_err().to_string();
        assert!(error.contains("spec.holderIdentity is not text") && !error.contains("s3cret"), "{error}");
        assert!(
            Record::read(b"{}").is_err()
                && Record::read(b"<html>").is_err()
                && Record::read_list(b"[]").is_err()
                && Record::read_list(b"null").is_err()
        );
    }

    #[track_caller]
    fn check(request: &Request, target: &str, body: &str) {
        assert_eq!(format!("{request:?}"), target);
        assert_eq!(String::from_utf8_lossy(&request.body), body);
    }

    #[test]
    fn what_is_sent() {
        let record = Record::read(BODY.as_bytes()).unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_000_009);
        let target = "PATCH /apis/coordination.k8s.io/v1/namespaces/ns/leases/plz-agent";
        check(
            &record.renewal(at),
            target,
            r#"{"metadata":{"resourceVersion":"7","uid":"u"},"spec":{"holderIdentity":"a_1","leaseDurationSeconds":15,"renewTime":"1970-01-01T00:00:01.000009Z"}}"#,
        );
        check(
            &record.takeover("b_2", at),
            target,
            r#"{"metadata":{"resourceVersion":"7","uid":"u"},"spec":{"acquireTime":"1970-01-01T00:00:01.000009Z","holderIdentity":"b_2","leaseDurationSeconds":15,"leaseTransitions":5,"renewTime":"1970-01-01T00:00:01.000009Z"}}"#,
        );
        check(
            &record.release("a_1", at),
            target,
            r#"{"metadata":{"annotations":{"plz-agent/released-by":"a_1"},"resourceVersion":"7","uid":"u"},"spec":{"holderIdentity":"","leaseDurationSeconds":1,"renewTime":"1970-01-01T00:00:01.000009Z"}}"#,
        );
        let released = Record { holder: String::new(), released_by: "a_1".to_owned(), ..record.clone() };
        assert!(released.is_released() && !record.is_released());
        check(
            &released.takeover("b_2", at),
            target,
            r#"{"metadata":{"annotations":{"plz-agent/released-by":null},"resourceVersion":"7","uid":"u"},"spec":{"acquireTime":"1970-01-01T00:00:01.000009Z","holderIdentity":"b_2","leaseDurationSeconds":15,"leaseTransitions":5,"renewTime":"1970-01-01T00:00:01.000009Z"}}"#,
        );
        check(
            &creation(&record.key, "b_2", at),
            "POST /apis/coordination.k8s.io/v1/namespaces/ns/leases",
            r#"{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"plz-agent","namespace":"ns"},"spec":{"acquireTime":"1970-01-01T00:00:01.000009Z","holderIdentity":"b_2","leaseDurationSeconds":15,"leaseTransitions":0,"renewTime":"1970-01-01T00:00:01.000009Z"}}"#,
        );
    }
}
