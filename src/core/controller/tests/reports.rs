//! What a report does beside teaching the memories: the pace of its lane, the store, and what becomes of one that is too late.

use super::*;
use crate::testrun::Action as Run;
use crate::zone::Action as Zone;

fn id(action: Zone) -> TaskId {
    TaskId::zone(&ObjectKey::new("ns", "edge"), action)
}

/// A zone that is not adopted, of which that is being written.
fn adopting() -> Rig {
    let mut rig = Rig::active();
    let mut zone = zone("ns");
    zone["metadata"]["finalizers"] = json!([]);
    rig.sees_zone(&zone);
    rig.turn();
    assert_eq!(rig.answer(READS, secret("t")), [ADOPTS]);
    rig
}

const ADOPTS: &str = "PrivateLoadZone ns/edge: adding our finalizer";

#[test]
fn an_answer_shows_the_object_before_the_watch_does() {
    let mut rig = adopting();
    let mut adopted = zone("ns");
    adopted["metadata"]["resourceVersion"] = json!("9");
    assert_eq!(rig.answer(ADOPTS, shows(&adopted)), [REGISTERS]);
}

/// A zone that has become too large to be read in one piece is written to all the same.
#[test]
fn a_write_whose_answer_shows_nothing_is_not_repeated_at_once() {
    let mut rig = adopting();
    for seconds in [1, 2, 4] {
        assert_eq!(rig.answer(ADOPTS, shows(&Value::Null)), Vec::<String>::new());
        assert_eq!(rig.run_for(S * seconds), [ADOPTS]);
    }
    assert_eq!(rig.core.store.zones.iter().count(), 1);
}

#[test]
fn a_call_that_failed_waits_as_long_as_it_is_asked_to() {
    let mut rig = adopting();
    let busy = || Reply::Kubernetes(k8s::status::interpret(429, Some(30 * S), b"{}".to_vec()));
    assert_eq!(rig.answer(ADOPTS, busy()), Vec::<String>::new());
    assert_eq!(rig.run_for(29 * S), Vec::<String>::new());
    assert_eq!(rig.run_for(S), [ADOPTS]);
    assert_eq!(rig.core.queue.failures(&id(Zone::Adopt)), 1);
}

#[test]
fn a_success_forgives_the_failures_of_its_lane() {
    let mut rig = adopting();
    rig.answer(ADOPTS, api_server_lost());
    rig.run_for(2 * S);
    let mut adopted = zone("ns");
    adopted["metadata"]["resourceVersion"] = json!("9");
    rig.answer(ADOPTS, shows(&adopted));
    assert_eq!(rig.core.queue.failures(&id(Zone::Adopt)), 0);
}

#[test]
fn a_refusal_that_is_young_is_looked_at_often_and_told_of() {
    let mut rig = adopting();
    let begun = rig.mono;
    while rig.mono < begun + 55 * S {
        rig.answer(ADOPTS, api_server(403, "Forbidden"));
        let is_told = rig.zone_state("ns").refusal.is_some();
        assert_eq!(is_told, rig.mono >= begun + 2 * S, "an API server that starts is no news");
        assert!(rig.until(ADOPTS) <= 10 * S);
    }
    let why = rig.zone_state("ns").refusal.clone().unwrap();
    assert!(
        why.starts_with("the API server denies a call that is needed here, which will be retried: no"),
        "{why}"
    );
}

#[test]
fn the_report_of_a_key_that_is_gone_changes_nothing() {
    let mut rig = adopting();
    let gone = serde_json::from_value(zone("ns")).unwrap();
    rig.sees(Seen::Zone(WatchEvent::Deleted(gone)));
    assert_eq!(rig.turn(), Vec::<String>::new());
    let mut adopted = zone("ns");
    adopted["metadata"]["resourceVersion"] = json!("9");
    assert_eq!(rig.answer(ADOPTS, shows(&adopted)), Vec::<String>::new());
    assert_eq!((rig.core.zones(), rig.core.zones.len()), (0, 0));
}

/// Its name is another object's by now.
#[test]
fn the_report_for_an_object_of_the_same_name_is_not_taken() {
    let mut rig = Rig::active();
    rig.sees_zone(&zone("ns"));
    rig.turn();
    rig.answer(READS, secret("t"));
    let mut next = zone("ns");
    (next["metadata"]["uid"], next["metadata"]["resourceVersion"]) = (json!("another"), json!("9"));
    rig.sees(Seen::Zone(WatchEvent::Deleted(serde_json::from_value(zone("ns")).unwrap())));
    rig.turn();
    rig.sees_zone(&next);
    rig.turn();
    assert_eq!(rig.answer(REGISTERS, gck6(200, "")), [REGISTERS], "for the other one");
    assert!(rig.zone_state("ns").registered.is_none());
}

#[test]
fn a_task_that_was_not_sent_is_decided_anew_and_nobody_has_failed() {
    let mut rig = adopting();
    let task = rig.task(ADOPTS);
    rig.core.absorb(rig.now(), Event::Unsent(task.id));
    assert_eq!(rig.turn(), [ADOPTS]);
    assert_eq!(rig.core.queue.failures(&id(Zone::Adopt)), 0);
    // By now there is nothing to do.
    let task = rig.task(ADOPTS);
    rig.core.absorb(rig.now(), Event::Unsent(task.id));
    let mut adopted = zone("ns");
    adopted["metadata"]["resourceVersion"] = json!("9");
    rig.sees_zone(&adopted);
    assert_eq!(rig.turn(), [REGISTERS]);
}

#[test]
fn a_call_that_cannot_be_built_any_more_frees_its_lane() {
    let mut rig = Rig::with_zone();
    rig.core.queue.push(id(Zone::Refuse(cloud::RunId(7))));
    assert_eq!(rig.turn(), Vec::<String>::new());
    let now = rig.now().mono;
    assert!(rig.core.queue.is_free(now, &id(Zone::Refuse(cloud::RunId(7)))));
}

#[test]
fn an_event_that_is_not_taken_holds_up_nothing() {
    let mut rig = Rig::active();
    rig.sees_zone(&zone("ns"));
    rig.turn();
    rig.answer(READS, api_server(404, "NotFound"));
    assert_eq!(rig.answer(ANNOUNCES, api_server(422, "Invalid")), Vec::<String>::new());
    assert_eq!(rig.core.queue.failures(&id(Zone::Announce)), 0);
    assert!(rig.zone_state("ns").announcements.is_empty());
}

#[test]
fn a_poll_that_the_token_is_refused_to_keeps_its_own_pace() {
    let mut rig = Rig::with_zone();
    rig.zone_state("ns").next_poll = Duration::ZERO;
    rig.sees_zone(&registered_zone("ns"));
    rig.turn();
    rig.answer(POLLS, gck6(401, "{}"));
    assert_eq!(rig.core.queue.failures(&id(Zone::Poll)), 0);
    let now = rig.mono;
    assert!(rig.zone_state("ns").next_poll > now);
}

#[test]
fn each_call_that_keeps_failing_has_the_pace_of_whom_it_goes_to() {
    let run = |action| TaskId::run(&ObjectKey::new("ns", "plz-test-101"), action);
    for (id, most) in [
        (id(Zone::Adopt), 60 * S),
        (id(Zone::Register), 60 * S),
        (id(Zone::InspectTestRun(cloud::RunId(101))), 10 * S),
        (run(Run::CreateJob(1)), 10 * S),
        (run(Run::CheckState), 60 * S),
        (run(Run::AskRunner(1)), S),
        (run(Run::RunSetup(1)), S),
    ] {
        let mut rig = Rig::active();
        (0..20).for_each(|_| rig.core.try_again(rig.now(), &id, None, "why"));
        let queue = &mut rig.core.queue;
        assert!(queue.is_free(rig.mono + most, &id), "{}", id.action);
        assert!(!queue.is_free(rig.mono + most.mul_f64(0.7), &id), "{}", id.action);
    }
}
