//! Which Secrets are read when, and whom a token lets go on.

use super::*;
use crate::token::{MEND_INTERVAL, READ_INTERVAL};

const OTHER_REGISTERS: &str = "PrivateLoadZone ns/other: registering with GCk6";

/// A second zone of the namespace, which names the same Secret.
fn other() -> Value {
    let mut zone = zone("ns");
    zone["metadata"]["name"] = json!("other");
    zone["metadata"]["uid"] = json!("zone-other");
    zone
}

/// Two zones with one Secret, whose registrations are under way.
fn two_zones() -> Rig {
    let mut rig = Rig::active();
    rig.sees_zone(&zone("ns"));
    rig.sees_zone(&other());
    assert_eq!(rig.turn(), [READS], "once for both");
    assert_eq!(rig.answer(READS, secret("t")), [OTHER_REGISTERS, REGISTERS]);
    rig
}

/// Whether the API server was asked for the Secret within a time.
fn reads_within(rig: &mut Rig, time: Duration) -> bool {
    rig.run_for(time).iter().any(|name| name == READS)
}

#[test]
fn a_secret_is_read_again_now_and_then() {
    let mut rig = Rig::with_zone();
    assert!(!reads_within(&mut rig, READ_INTERVAL - S));
    assert!(reads_within(&mut rig, S));
    assert_eq!(rig.core.tokens.len(), 1);
}

#[test]
fn a_secret_that_is_missing_is_read_again_soon_and_told_of() {
    let mut rig = Rig::active();
    rig.sees_zone(&zone("ns"));
    rig.turn();
    let names = rig.answer(READS, api_server(404, "NotFound"));
    assert_eq!(names, [ANNOUNCES, WRITES]);
    assert_eq!(rig.body(WRITES)["status"]["conditions"][0]["reason"], "TokenMissing");
    rig.task(ANNOUNCES);
    assert!(!reads_within(&mut rig, MEND_INTERVAL - S));
    assert!(reads_within(&mut rig, S));
    assert!(rig.answer(READS, secret("t")).contains(&REGISTERS.to_owned()), "at once");
}

#[test]
fn a_token_that_is_refused_keeps_all_who_use_it_waiting() {
    let mut rig = two_zones();
    let names = rig.answer(REGISTERS, gck6(401, "{}"));
    assert!(names.contains(&READS.to_owned()), "it may be another by now: {names:?}");
    assert!(!names.contains(&REGISTERS.to_owned()), "{names:?}");
    for zone in [WRITES, "PrivateLoadZone ns/other: writing the status"] {
        assert_eq!(rig.body(zone)["status"]["conditions"][0]["reason"], "TokenRefused", "{zone}");
    }
    // The same one again is no better.
    let names = rig.answer(READS, secret("t"));
    assert!(!names.contains(&REGISTERS.to_owned()), "{names:?}");
}

#[test]
fn another_token_lets_all_go_on_at_once() {
    let mut rig = two_zones();
    rig.answer(REGISTERS, gck6(401, "{}"));
    rig.answer(OTHER_REGISTERS, gck6(401, "{}"));
    let names = rig.answer(READS, secret("another"));
    assert!(names.contains(&REGISTERS.to_owned()), "{names:?}");
    assert!(names.contains(&OTHER_REGISTERS.to_owned()), "{names:?}");
}

#[test]
fn a_token_that_is_taken_again_lets_go_on_who_waits_if_it_was_refused_for_long() {
    for (time, is_tried) in [(Duration::ZERO, false), (6 * S, true)] {
        let mut rig = two_zones();
        rig.answer(REGISTERS, gck6(401, "{}"));
        // So that its own pause would last.
        let id = TaskId::zone(&ObjectKey::new("ns", "edge"), zone::Action::Register);
        let now = rig.now().mono;
        let _ = rig.core.queue.failed(now, &id, pace::REMOTE, Some(600 * S));
        rig.wait(time);
        let names = rig.answer(OTHER_REGISTERS, gck6(200, ""));
        assert!(!rig.core.tokens.values().any(|token| token.refused));
        assert_eq!(names.contains(&REGISTERS.to_owned()), is_tried, "{time:?}: {names:?}");
    }
}

/// GCk6 says "not found" only to whom it takes.
#[test]
fn not_found_is_as_good_as_an_answer() {
    for (code, is_accepted) in [(404, true), (403, false), (500, false)] {
        let mut rig = Rig::active();
        rig.sees_zone(&zone("ns"));
        rig.turn();
        rig.answer(READS, secret("t"));
        rig.answer(REGISTERS, gck6(code, "{}"));
        let token = rig.core.tokens.values().next().unwrap();
        assert_eq!(token.accepted_since().is_some(), is_accepted, "{code}");
    }
}

#[test]
fn a_secret_that_nobody_names_any_more_is_forgotten() {
    let mut rig = Rig::with_zone();
    let mut renamed = registered_zone("ns");
    renamed["metadata"]["resourceVersion"] = json!("9");
    renamed["spec"]["token"] = json!("another");
    rig.sees_zone(&renamed);
    assert_eq!(rig.turn(), ["Secret ns/another: reading the Secret"]);
    rig.run_for(READ_INTERVAL);
    assert_eq!(rig.core.tokens.keys().map(|secret| secret.name.as_str()).collect::<Vec<_>>(), ["another"]);
}

#[test]
fn a_run_has_the_token_of_its_zone_whatever_it_names_by_now() {
    let mut rig = Rig::with_run();
    let mut edited = test_run(101);
    (edited["metadata"]["generation"], edited["metadata"]["resourceVersion"]) = (json!(2), json!("9"));
    edited["spec"]["token"] = json!("somebody-elses");
    rig.sees_run(&edited);
    rig.turn();
    let run = Key::Run(ObjectKey::new("ns", "plz-test-101"));
    assert_eq!(rig.core.token_of(&run), Some(ObjectKey::new("ns", "k6-token")));
    assert_eq!(rig.core.tokens.len(), 1);
    // It lives on after its zone.
    rig.sees(Seen::Zone(WatchEvent::Deleted(serde_json::from_value(zone("ns")).unwrap())));
    rig.turn();
    assert_eq!(rig.core.token_of(&run), Some(ObjectKey::new("ns", "k6-token")));
    for key in [Key::Token(run.object().clone()), Key::Lease(run.object().clone())] {
        assert_eq!(rig.core.token_of(&key), None);
    }
}
