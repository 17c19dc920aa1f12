//! A zone's memory beside its object: taking over, namesakes, what GCk6 lists, and leaving.

use super::*;
use crate::announce::Announcement;
use crate::cloud::RunId;
use crate::testrun::proof::Proof;
use crate::zone::facts::{DEREGISTRATION_PATIENCE, RUNS_PATIENCE};
use crate::zone::state::Listed;

const ID: RunId = RunId(101);
const FETCHES: &str = "PrivateLoadZone ns/edge: fetching the data of test run 101";
const CREATES: &str = "PrivateLoadZone ns/edge: creating the TestRun of test run 101";
const DEREGISTERS: &str = "PrivateLoadZone ns/edge: deregistering from GCk6";

/// Whether a zone with this condition counts as registered to a new process.
#[track_caller]
fn check_taken_over(change: &Value, wanted: bool) {
    let mut zone = registered_zone("ns");
    for (field, value) in change.as_object().unwrap() {
        zone["status"]["conditions"][0][field] = value.clone();
    }
    let mut rig = Rig::active();
    rig.sees_zone(&zone);
    rig.turn();
    assert_eq!(rig.zone_state("ns").registered.is_some(), wanted, "{change}");
}

#[test]
fn a_zone_is_taken_over_if_gck6_knows_it_as_it_is() {
    check_taken_over(&json!({}), true);
    check_taken_over(&json!({"observedGeneration": null, "reason": "PLZRegisteredTrue"}), true);
    check_taken_over(&json!({"observedGeneration": 7}), false);
    check_taken_over(&json!({"reason": "UpdateFailed"}), false);
    check_taken_over(&json!({"status": "False"}), false);
    check_taken_over(&json!({"type": "PLZPolled"}), false);
    let mut incomplete = registered_zone("ns");
    incomplete["spec"]["resources"] = json!({});
    let mut rig = Rig::active();
    rig.sees_zone(&incomplete);
    rig.turn();
    assert!(rig.zone_state("ns").registered.is_none());
}

#[test]
fn the_first_poll_comes_within_an_interval() {
    let mut rig = Rig::active();
    rig.sees_zone(&registered_zone("ns"));
    rig.turn();
    let first = rig.zone_state("ns").next_poll - rig.mono;
    assert!(first > Duration::ZERO && first < 10 * S, "{first:?}");
}

#[test]
fn an_object_with_another_uid_is_another_zone() {
    let mut rig = Rig::with_zone();
    rig.zone_state("ns").settle(ID);
    let mut next = zone("ns");
    (next["metadata"]["uid"], next["metadata"]["resourceVersion"]) = (json!("another"), json!("9"));
    rig.sees_zone(&next);
    rig.turn();
    let state = rig.zone_state("ns");
    assert_eq!((state.uid.as_str(), state.settled.len()), ("another", 0));
    rig.sees(Seen::Zone(WatchEvent::Deleted(serde_json::from_value(next).unwrap())));
    rig.turn();
    assert_eq!((rig.core.zones.len(), rig.core.next_deadline().is_some()), (0, true), "but for its Secret");
}

/// What GCk6 has been told is what was sent, whatever the zone says by now.
#[test]
fn a_zone_that_is_edited_while_it_is_registered_is_registered_again() {
    let mut rig = Rig::active();
    rig.sees_zone(&zone("ns"));
    rig.turn();
    rig.answer(READS, secret("t"));
    let mut edited = zone("ns");
    (edited["spec"]["image"], edited["metadata"]["resourceVersion"]) = (json!("k6:2"), json!("9"));
    rig.sees_zone(&edited);
    rig.turn();
    let names = rig.answer(REGISTERS, gck6(200, ""));
    assert!(names.contains(&REGISTERS.to_owned()), "{names:?}");
    assert_eq!(rig.body(REGISTERS)["config"]["load_runner_image"], "k6:2");
}

/// A zone to which GCk6 has listed test run 101, whose data are being fetched.
fn listed() -> Rig {
    let mut rig = Rig::with_zone();
    rig.zone_state("ns").next_poll = Duration::ZERO;
    rig.sees_zone(&registered_zone("ns"));
    rig.turn();
    assert_eq!(rig.answer(POLLS, gck6(200, r#"{"object":[{"id":101}]}"#)), [FETCHES]);
    rig
}

#[test]
fn a_listed_test_run_becomes_a_test_run_once() {
    let mut rig = listed();
    assert_eq!(rig.answer(FETCHES, data()), [CREATES]);
    let made = test_run(101);
    let names = rig.answer(CREATES, shows(&made));
    assert!(names.iter().all(|name| name.starts_with("TestRun ")), "{names:?}");
    assert!(rig.zone_state("ns").settled.contains(&ID));
    assert!(rig.zone_state("ns").listed.is_empty());
    assert_eq!(rig.run_state(101).proof, Proof::Proven, "by what GCk6 gave the zone");
    rig.sees_run(&made);
    assert!(!rig.turn().contains(&CREATES.to_owned()));
}

#[test]
fn a_test_run_that_the_watch_shows_first_is_settled_by_it() {
    let mut rig = listed();
    rig.answer(FETCHES, data());
    rig.sees_run(&test_run(101));
    rig.turn();
    assert!(rig.zone_state("ns").settled.contains(&ID));
    // Then its answer comes, whatever it is.
    let names = rig.answer(CREATES, api_server(409, "AlreadyExists"));
    assert!(names.iter().all(|name| name.starts_with("TestRun ")), "{names:?}");
    assert!(rig.zone_state("ns").listed.is_empty());
}

#[test]
fn a_test_run_of_that_name_that_somebody_else_made_settles_nothing() {
    let mut rig = listed();
    let mut theirs = test_run(101);
    theirs["metadata"]["ownerReferences"][0]["uid"] = json!("forged");
    rig.sees_run(&theirs);
    rig.core.mark(Key::Zone(ObjectKey::new("ns", "edge")));
    rig.turn();
    assert!(rig.core.store.runs.find(&ObjectKey::new("ns", "plz-test-101")).is_some());
    assert!(rig.zone_state("ns").listed.contains_key(&ID));
}

/// Two zones of one name that were registered before.
fn namesakes() -> Rig {
    let mut rig = Rig::with_zone();
    let mut other = registered_zone("other");
    other["metadata"]["creationTimestamp"] = json!("2026-01-02T00:00:00Z");
    rig.sees_zone(&other);
    rig.turn();
    let reads = "Secret other/k6-token: reading the Secret";
    rig.answer(reads, secret("t"));
    rig.zone_state("other").next_poll = 10_000 * S;
    rig
}

#[test]
fn of_two_zones_of_one_name_that_are_registered_both_stay_until_they_contend() {
    let mut rig = namesakes();
    assert!(rig.zone_state("ns").registered.is_some() && rig.zone_state("other").registered.is_some());
    assert!(!rig.zone_state("ns").contends && !rig.zone_state("other").contends);
    for namespace in ["ns", "other"] {
        rig.zone_state(namespace).listed.insert(ID, Listed::NEW);
        rig.core.mark(Key::Zone(ObjectKey::new(namespace, "edge")));
    }
    rig.turn();
    assert!(rig.zone_state("ns").contends && rig.zone_state("other").contends);
}

#[test]
fn a_test_run_that_a_namesake_has_begun_with_is_left_to_it() {
    let mut rig = namesakes();
    rig.zone_state("ns").settle(ID);
    rig.zone_state("other").listed.insert(ID, Listed::NEW);
    rig.zone_state("other").listed.insert(RunId(102), Listed::NEW);
    rig.core.mark(Key::Zone(ObjectKey::new("other", "edge")));
    let names = rig.turn();
    assert!(!names.iter().any(|name| name.contains("test run 101")), "{names:?}");
    let other = rig.zone_state("other");
    assert!(other.settled.contains(&ID) && other.listed.contains_key(&RunId(102)));
}

#[test]
fn who_loses_the_name_stops_polling_and_both_are_registered_anew() {
    let mut rig = namesakes();
    let salts = [rig.zone_state("ns").registration_salt, rig.zone_state("other").registration_salt];
    for namespace in ["ns", "other"] {
        rig.zone_state(namespace).contends = true;
        rig.zone_state(namespace).listed.insert(RunId(7), Listed::NEW);
    }
    // GCk6 takes the token of the older one since then.
    let secret = ObjectKey::new("ns", "k6-token");
    let _ = rig.core.tokens.get_mut(&secret).unwrap().accept(rig.mono);
    rig.core.mark(Key::Zone(ObjectKey::new("other", "edge")));
    let names = rig.turn();
    assert!(names.contains(&REGISTERS.to_owned()), "{names:?}");
    for (namespace, salt) in ["ns", "other"].into_iter().zip(salts) {
        let state = rig.zone_state(namespace);
        assert!(state.registered.is_none() && state.listed.is_empty(), "{namespace}");
        assert_ne!(state.registration_salt, salt, "{namespace}: another call, though it says the same");
    }
    let other = "PrivateLoadZone other/edge: writing the status";
    assert_eq!(rig.body(other)["status"]["conditions"][0]["reason"], "NameTaken");
}

/// A registered zone that somebody deletes.
fn deleted() -> Value {
    let mut zone = registered_zone("ns");
    zone["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    zone["metadata"]["resourceVersion"] = json!("9");
    zone
}

#[test]
fn a_zone_that_is_deleted_is_deregistered_once_its_runs_are_over() {
    let mut rig = Rig::with_run();
    rig.sees_zone(&deleted());
    assert!(!rig.turn().contains(&DEREGISTERS.to_owned()));
    let state = rig.zone_state("ns");
    assert!(state.leaving_since.is_some() && state.deregistering_since.is_none());
    rig.run_state(101).block = Block::Done;
    rig.core.mark(Key::Run(ObjectKey::new("ns", "plz-test-101")));
    let mut over = test_run(101);
    (over["status"]["stage"], over["metadata"]["resourceVersion"]) = (json!("finished"), json!("9"));
    rig.sees_run(&over);
    let names = rig.turn();
    assert!(names.contains(&DEREGISTERS.to_owned()), "{names:?}");
    assert!(rig.zone_state("ns").deregistering_since.is_some());
    let names = rig.answer(DEREGISTERS, gck6(204, ""));
    assert!(names.contains(&"PrivateLoadZone ns/edge: removing our finalizer".to_owned()), "{names:?}");
}

#[test]
fn runs_that_do_not_end_hold_a_zone_up_for_so_long() {
    let mut rig = Rig::with_run();
    rig.sees_zone(&deleted());
    let names = rig.run_for(RUNS_PATIENCE - S);
    assert!(!names.contains(&DEREGISTERS.to_owned()), "{names:?}");
    let names = rig.run_for(S);
    assert!(names.contains(&DEREGISTERS.to_owned()), "{names:?}");
}

#[test]
fn a_zone_that_cannot_be_deregistered_goes_all_the_same_and_says_so() {
    let mut rig = Rig::active();
    rig.sees_zone(&deleted());
    rig.turn();
    rig.answer(READS, api_server(404, "NotFound"));
    let names = rig.run_for(DEREGISTRATION_PATIENCE);
    assert!(names.contains(&"PrivateLoadZone ns/edge: removing our finalizer".to_owned()), "{names:?}");
    let event = rig.body(ANNOUNCES);
    assert_eq!(event["reason"], "NotDeregistered");
    let message = event["message"].as_str().unwrap();
    assert!(message.contains("delete the load zone there: Secret ns/k6-token does not exist"), "{message}");
}

#[test]
fn what_waits_to_be_told_is_bounded() {
    let mut rig = Rig::with_zone();
    let event = |n: usize| Announcement::normal("Registered", n.to_string());
    rig.zone_state("ns").announcements.extend((0..1000).map(event));
    rig.core.mark(Key::Zone(ObjectKey::new("ns", "edge")));
    rig.turn();
    assert_eq!(rig.zone_state("ns").announcements.len(), 64);
}
