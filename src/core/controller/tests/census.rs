//! What the metrics are told.

use super::*;
use crate::metrics::ZonePhase;

fn phase(rig: &Rig) -> (ZonePhase, bool, bool) {
    let census = rig.core.census(rig.now());
    assert_eq!(census.zones.len(), 1);
    let line = &census.zones[0];
    assert_eq!((line.namespace, line.name), ("ns", "edge"));
    (line.phase, line.is_registered, line.is_token_refused)
}

#[test]
fn a_zone_is_in_the_first_phase_that_fits() {
    let mut rig = Rig::active();
    rig.sees_zone(&zone("ns"));
    assert_eq!(phase(&rig), (ZonePhase::TokenMissing, false, false), "before it was looked at");
    rig.turn();
    assert_eq!(phase(&rig), (ZonePhase::TokenMissing, false, false));
    rig.answer(READS, secret("t"));
    assert_eq!(phase(&rig), (ZonePhase::NotRegistered, false, false));
    rig.answer(REGISTERS, gck6(200, ""));
    assert_eq!(phase(&rig), (ZonePhase::Registered, true, false));
    let id = TaskId::zone(&ObjectKey::new("ns", "edge"), zone::Action::Poll);
    rig.core.token_refused(rig.now(), &id, "401");
    assert_eq!(phase(&rig), (ZonePhase::TokenRefused, true, true));
    let mut leaving = zone("ns");
    leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    leaving["metadata"]["resourceVersion"] = json!("9");
    rig.sees_zone(&leaving);
    assert_eq!(phase(&rig), (ZonePhase::Leaving, true, true));
}

#[test]
fn a_token_that_was_refused_and_is_gone_is_refused() {
    let mut rig = Rig::with_zone();
    let id = TaskId::zone(&ObjectKey::new("ns", "edge"), zone::Action::Poll);
    rig.core.token_refused(rig.now(), &id, "401");
    rig.turn();
    rig.answer(READS, api_server(404, "NotFound"));
    assert_eq!(phase(&rig).0, ZonePhase::TokenRefused);
}

#[test]
fn polls_are_told_by_their_last_answer_and_the_failures_since() {
    let mut rig = Rig::with_zone();
    let line = |rig: &Rig| {
        let census = rig.core.census(rig.now());
        (census.zones[0].last_poll, census.zones[0].poll_failures)
    };
    assert_eq!(line(&rig), (None, 0));
    rig.zone_state("ns").next_poll = Duration::ZERO;
    rig.sees_zone(&registered_zone("ns"));
    rig.turn();
    rig.answer(POLLS, gck6(200, "{}"));
    let answered = rig.mono;
    assert_eq!(line(&rig), (Some(answered), 0));
    let names = rig.run_for(10 * S);
    assert!(names.contains(&POLLS.to_owned()), "{names:?}");
    rig.answer(POLLS, gck6(503, ""));
    assert_eq!(line(&rig), (Some(answered), 1));
    let polls: Vec<_> = rig.core.tally.polls().collect();
    assert_eq!(polls, [("ok", 1), ("refused", 0), ("error", 1)]);
}

#[test]
fn test_runs_are_counted_by_stage_with_the_oldest() {
    let mut rig = Rig::with_run();
    rig.mono += 7 * S;
    rig.sees_run(&test_run(102));
    rig.turn();
    rig.mono += S;
    let census = rig.core.census(rig.now());
    let found: Vec<_> = census.stages.iter().map(|row| (row.block, row.count, row.oldest)).collect();
    assert_eq!(found[0], (Block::New, 2, 8 * S));
    assert_eq!(found.len(), Block::ALL.len(), "a row for every block");
    assert!(found[1..].iter().all(|(_, count, oldest)| (*count, *oldest) == (0, Duration::ZERO)));
    assert_eq!(rig.core.runs_under_way(), 2);
}

#[test]
fn calls_are_counted_by_class_but_for_those_for_leases() {
    let rig = Rig::with_run();
    let census = rig.core.census(rig.now());
    let classes: Vec<Class> = census.loads.iter().map(|load| load.class).collect();
    assert_eq!(classes, [Class::Kubernetes, Class::Cloud, Class::CloudNews, Class::Runner, Class::UserCode]);
    let in_flight: Vec<usize> = census.loads.iter().map(|load| load.in_flight).collect();
    assert_eq!(in_flight, [0, 1, 0, 0, 0], "the question whose the run is");
    assert!(census.store_bytes > 0);
}
