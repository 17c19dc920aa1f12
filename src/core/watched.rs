//! What is watched, and what of each object is kept on its way from the wire, be it that a watch or an answer brings it.
//!
//! Owns the table of watches: kind, selector, the labels and annotations that anybody here reads, and how much one object may
//! bring along. Leaves alone who drives a watch: the shell's threads, or the simulator. Invariant: what an object brings is
//! within its row of [`budget`](crate::budget) before it is handed on, and of test runs that are nobody's only the name is.

use k8s::fields::Read as _;
use k8s::intake::{Keep, Partial};
use k8s::shape::{Picks, Shape};
use k8s::sieve::Limits;
use k8s::{ObjectMeta, Pod, WatchEvent, WatchSpec};

use crate::api;
use crate::api::run::{LABEL_RUNNER, LABEL_TEST_RUN, TestRun, TestRunSpec};
use crate::api::zone::{PLZ_UID_ANNOTATION, PrivateLoadZone, TOKEN_KEY};
use crate::event::Seen;
use crate::lease::operator;
use crate::lease::record::{ANSWER, Lease, RELEASED};
use crate::limits::{LARGE_OBJECT_LIMITS, LEASE_LIMITS, OBJECT_LIMITS, PART_LIMITS};

/// The resources that are watched, by their names in paths.
pub const RESOURCES: [&str; 4] =
    [api::zone::RESOURCE.plural, api::run::RESOURCE.plural, k8s::PODS.plural, k8s::LEASES.plural];

/// The annotations of a zone that anybody reads.
const ZONE_PICKS: Picks = Picks { labels: &[], annotations: &[PLZ_UID_ANNOTATION] };

/// The watch on zones.
#[must_use]
pub fn zones(namespace: Option<&str>) -> WatchSpec {
    spec(WatchSpec::new(api::zone::RESOURCE, namespace), ZONE_PICKS, OBJECT_LIMITS)
}

/// The watch on test runs: until its Jobs exist, a run carries all that GCk6 has sent for it.
#[must_use]
pub fn runs(namespace: Option<&str>) -> WatchSpec {
    spec(WatchSpec::new(api::run::RESOURCE, namespace), Picks::default(), LARGE_OBJECT_LIMITS)
}

/// The watch on pods of runners.
#[must_use]
pub fn pods(namespace: Option<&str>) -> WatchSpec {
    let picks = Picks { labels: &[LABEL_TEST_RUN, LABEL_RUNNER], ..Picks::default() };
    spec(WatchSpec::new(k8s::PODS, namespace).with_labels(LABEL_TEST_RUN), picks, OBJECT_LIMITS)
}

/// The watch on k6-operator's Lease. Who may not watch it goes on without.
#[must_use]
pub fn operators(namespace: Option<&str>) -> WatchSpec {
    let by_name = format!("metadata.name={}", operator::NAME);
    let watch = WatchSpec::new(k8s::LEASES, namespace).with_fields(&by_name);
    spec(watch.with_refused_pause(operator::REFUSED_PAUSE), Picks::default(), LEASE_LIMITS)
}

fn spec(spec: WatchSpec, picks: Picks, limits: Limits) -> WatchSpec {
    spec.with_picks(picks).with_limits(limits)
}

/// What is kept of the answer to a call: of zones and test runs the same as by their watches, of anything else what shows whose
/// it is, and what it is asked for.
#[must_use]
pub fn answer(request: &k8s::Request) -> Keep {
    let resource = request.attributes.resource;
    let whole = |spec: WatchSpec, shape| {
        let (picks, limits) = (spec.picks, spec.limits);
        Keep { shape, picks, limits, partial: Partial::Unknown }
    };
    let part = |shape| Keep { shape, picks: Picks::default(), limits: PART_LIMITS, partial: Partial::Kept };
    match resource {
        _ if resource == api::zone::RESOURCE.plural => whole(zones(None), PrivateLoadZone::SHAPE),
        _ if resource == api::run::RESOURCE.plural => whole(runs(None), TestRun::SHAPE),
        // Of a Lease that was read in part nobody knows who holds it.
        _ if resource == k8s::LEASES.plural => {
            let picks = Picks { annotations: &[RELEASED], ..Picks::default() };
            Keep { shape: ANSWER, picks, limits: PART_LIMITS, partial: Partial::Unknown }
        }
        _ if resource == k8s::SECRETS.plural => part(SECRET),
        _ if resource == k8s::EVENTS.plural => part(crate::testrun::pod_refusal::LIST),
        _ => part(OWNED),
    }
}

/// Whose an object is.
const OWNED: &Shape = &Shape::Fields(&[&[("metadata", ObjectMeta::SHAPE)]]);
/// The same, and GCk6's token.
const SECRET: &Shape = &Shape::Fields(&[&[
    ("metadata", ObjectMeta::SHAPE),
    ("data", &Shape::Fields(&[&[(TOKEN_KEY, &Shape::Whole)]])),
]]);

/// What a watch on zones has seen.
#[must_use]
pub fn zone(event: WatchEvent<PrivateLoadZone>) -> Seen {
    Seen::Zone(whole(event, |zone| zone.metadata))
}

/// What a watch on test runs has seen.
#[must_use]
pub fn run(event: WatchEvent<TestRun>) -> Seen {
    Seen::Run(match event {
        WatchEvent::Applied(run) | WatchEvent::Partial { object: run, .. } if !run.is_of_zone() => {
            WatchEvent::Applied(stub(run))
        }
        WatchEvent::Deleted(run) => WatchEvent::Deleted(stub(run)),
        event => whole(event, |run| run.metadata),
    })
}

/// What a watch on pods has seen.
#[must_use]
pub fn pod(event: WatchEvent<Pod>) -> Seen {
    Seen::Pod(whole(event, |pod| pod.metadata))
}

/// An object of which a part is missing is not decided on: what is missing would count as not being there.
fn whole<T>(event: WatchEvent<T>, metadata: fn(T) -> ObjectMeta) -> WatchEvent<T> {
    match event {
        WatchEvent::Partial { object, error } => {
            let metadata = metadata(object);
            WatchEvent::Malformed { key: metadata.key(), uid: metadata.uid, error, deleted: false }
        }
        event => event,
    }
}

/// What a watch on k6-operator's Lease has seen.
#[must_use]
pub fn operator(event: WatchEvent<Lease>) -> Seen {
    Seen::Operator(match event {
        WatchEvent::Partial { object, error } => {
            let (key, uid) = (object.metadata.key(), object.metadata.uid);
            WatchEvent::Malformed { key, uid, error, deleted: false }
        }
        event => event,
    })
}

/// A run that nothing is done for: what identifies it, and how far it has come.
fn stub(run: TestRun) -> TestRun {
    let TestRun { mut metadata, spec, status } = run;
    metadata.owner_references = Vec::new();
    let spec = TestRunSpec { parallelism: spec.parallelism, ..TestRunSpec::default() };
    TestRun { metadata, spec, status }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::record::Record;

    fn large(spec: &serde_json::Value) -> WatchEvent<TestRun> {
        let object =
            serde_json::json!({ "metadata": { "namespace": "ns", "name": "a", "uid": "u" }, "spec": spec });
        let error = k8s::Error::TooLarge { what: "spec.runner".to_owned(), limit_bytes: 1 };
        WatchEvent::Partial { object: serde_json::from_value(object).unwrap(), error }
    }

    #[test]
    fn a_large_run_is_a_fault_only_where_it_would_be_run() {
        let Seen::Run(WatchEvent::Applied(run)) = run(large(&serde_json::json!({ "arguments": "x" }))) else {
            panic!("nobody's run is no fault");
        };
        assert_eq!((run.metadata.uid.as_str(), run.spec.arguments.as_str()), ("u", ""));
        let seen = super::run(large(&serde_json::json!({ "testRunId": "7" })));
        assert!(matches!(seen, Seen::Run(WatchEvent::Malformed { deleted: false, .. })), "{seen:?}");
    }

    #[test]
    fn what_anybody_reads_of_maps_is_kept() {
        assert_eq!(zones(None).picks.annotations, [PLZ_UID_ANNOTATION]);
        assert_eq!(pods(None).picks.labels, [LABEL_TEST_RUN, LABEL_RUNNER]);
    }

    /// What an answer about Leases becomes on its way in.
    fn kept(text: &str) -> Vec<u8> {
        let request = k8s::LEASES.find(Some("k6"), operator::NAME);
        let mut intake = k8s::intake::Intake::new(200, &answer(&request));
        intake.feed(text.as_bytes()).unwrap();
        intake.into_body()
    }

    #[test]
    fn of_a_lease_all_is_kept_that_decides_or_nothing() {
        let lease = |holder: &str, notes: &str| {
            let annotations = serde_json::json!({"a": notes, RELEASED: "past"});
            let metadata = serde_json::json!({"name": operator::NAME, "namespace": "k6", "uid": "u", "resourceVersion": "7",
                "annotations": annotations, "managedFields": [notes]});
            serde_json::json!({"metadata": metadata, "spec": {"holderIdentity": holder, "leaseTransitions": 3}})
        };
        let large = "x".repeat(500_000);
        let one = Record::read(&kept(&lease("op", &large).to_string())).unwrap();
        assert_eq!((one.holder.as_str(), one.released_by.as_str(), one.transitions), ("op", "past", 3));
        let list = serde_json::json!({"metadata": {"resourceVersion": "9"}, "items": [lease("op", &large)]});
        assert_eq!(Record::read_list(&kept(&list.to_string())), Ok(vec![one]));
        // A live operator whose answer does not fit is not one that is gone.
        let list = serde_json::json!({"items": [lease(&large, "")]});
        assert!(Record::read_list(&kept(&list.to_string())).is_err());
        assert!(Record::read(&kept(&lease(&large, "").to_string())).is_err());
    }
}
