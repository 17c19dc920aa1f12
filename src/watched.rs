//! What is watched, and what of each object is kept on its way from the wire.
//!
//! Owns the table of watches: kind, selector, the labels and annotations that anybody here reads, and how much one object may
//! bring along. Leaves alone who drives a watch: the shell's threads, or the simulator. Invariant: what an object brings is
//! within its row of [`budget`](crate::budget) before it is handed on, and of test runs that are nobody's only the name is.

use k8s::shape::Picks;
use k8s::sieve::Limits;
use k8s::{Pod, WatchEvent, WatchSpec};

use crate::budget::{LARGE_OBJECT_LIMITS, OBJECT_LIMITS};
use crate::event::Seen;
use crate::testrun::api::{LABEL_RUNNER, LABEL_TEST_RUN, TestRun, TestRunSpec};
use crate::zone::api::{PLZ_UID_ANNOTATION, PrivateLoadZone};
use crate::{testrun, zone};

/// The watch on zones.
#[must_use]
pub fn zones(namespace: Option<&str>) -> WatchSpec {
    let picks = Picks { annotations: &[PLZ_UID_ANNOTATION], ..Picks::default() };
    spec(WatchSpec::new(zone::api::RESOURCE, namespace), picks, OBJECT_LIMITS)
}

/// The watch on test runs: until its Jobs exist, a run carries all that GCk6 has sent for it.
#[must_use]
pub fn runs(namespace: Option<&str>) -> WatchSpec {
    spec(WatchSpec::new(testrun::api::RESOURCE, namespace), Picks::default(), LARGE_OBJECT_LIMITS)
}

/// The watch on pods of runners.
#[must_use]
pub fn pods(namespace: Option<&str>) -> WatchSpec {
    let picks = Picks { labels: &[LABEL_TEST_RUN, LABEL_RUNNER], ..Picks::default() };
    spec(WatchSpec::new(k8s::PODS, namespace).with_labels(LABEL_TEST_RUN), picks, OBJECT_LIMITS)
}

fn spec(spec: WatchSpec, picks: Picks, limits: Limits) -> WatchSpec {
    spec.with_picks(picks).with_limits(limits)
}

/// What a watch on zones has seen.
#[must_use]
pub fn zone(event: WatchEvent<PrivateLoadZone>) -> Seen {
    Seen::Zone(match event {
        WatchEvent::Partial { object, error } => {
            let (key, uid) = (object.metadata.key(), object.metadata.uid);
            WatchEvent::Malformed { key, uid, error, deleted: false }
        }
        event => event,
    })
}

/// What a watch on test runs has seen.
#[must_use]
pub fn run(event: WatchEvent<TestRun>) -> Seen {
    Seen::Run(match event {
        WatchEvent::Applied(run) | WatchEvent::Partial { object: run, .. } if !run.is_of_zone() => {
            WatchEvent::Applied(stub(run))
        }
        WatchEvent::Deleted(run) => WatchEvent::Deleted(stub(run)),
        WatchEvent::Partial { object, error } => {
            let (key, uid) = (object.metadata.key(), object.metadata.uid);
            WatchEvent::Malformed { key, uid, error, deleted: false }
        }
        event => event,
    })
}

/// What a watch on pods has seen.
#[must_use]
pub fn pod(event: WatchEvent<Pod>) -> Seen {
    Seen::Pod(match event {
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
}
