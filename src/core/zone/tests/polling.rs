//! Answers to a poll: what GCk6 lists, and when it is asked next.

use super::*;
use crate::zone::poll::POLL_BACKOFF_MAX;

const NEXT: Duration = NOW.saturating_add(POLL_INTERVAL);

fn list(ids: &[u64]) -> Reply {
    let items: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
    gck6(200, &json!({"object": items}).to_string())
}

impl World {
    fn polled(&mut self, reply: Reply) -> Outcome {
        self.answered(NOW, Action::Poll, reply)
    }

    /// How long after `NOW` the next poll comes.
    fn pause(&self) -> Duration {
        self.state.next_poll - NOW
    }
}

/// A pause is up to a quarter shorter, at random.
#[track_caller]
fn check_pause(world: &World, full: Duration) {
    let pause = world.pause();
    assert!(pause <= full && pause >= full.mul_f64(0.75), "{pause:?} of {full:?}");
}

#[test]
fn what_is_listed_is_new_unless_it_is_dealt_with() {
    let mut world = World::registered();
    world.state.settle(RunId(1));
    world.state.listed.insert(RunId(2), ready(NOW));
    world.state.listed.insert(RunId(3), Listed::Refused("no".to_owned()));
    assert_eq!(world.polled(list(&[1, 2, 3, 4])), Outcome::Done);
    let found: Vec<String> = (1..=5).map(|id| world.run(RunId(id))).collect();
    assert_eq!(found, ["settled", "ready", "refused: no", "new, 0 unreadable", "not listed"]);
    assert_eq!((world.state.next_poll, world.state.polled), (NEXT, true));
}

#[test]
fn what_is_not_listed_any_more_is_dropped_but_for_a_refusal_that_gck6_has_not_taken() {
    for nothing in ["", "null", "{}", r#"{"object":[]}"#] {
        let mut world = World::registered();
        world.state.listed.insert(RunId(1), Listed::NEW);
        world.state.listed.insert(RunId(2), ready(NOW));
        world.state.listed.insert(RunId(3), Listed::Unclear { since: NOW, told: true });
        world.state.listed.insert(RunId(4), Listed::Refused("no".to_owned()));
        assert_eq!(world.polled(gck6(200, nothing)), Outcome::Done, "{nothing}");
        assert_eq!(world.state.listed.keys().collect::<Vec<_>>(), [&RunId(4)], "{nothing}");
    }
}

#[test]
fn a_list_without_end_is_taken_up_in_parts() {
    let mut world = World::registered();
    let ids: Vec<u64> = (1..=1000).collect();
    let _ = world.polled(list(&ids));
    assert_eq!(world.state.listed.len(), 256);
    assert_eq!(world.state.listed.keys().next_back(), Some(&RunId(256)));
    world.state.settle(RunId(1));
    let _ = world.polled(list(&ids));
    assert_eq!((world.run(RunId(1)), world.run(RunId(257))), ("settled".into(), "new, 0 unreadable".into()));
}

/// An answer, its outcome, and whether GCk6 has answered at all.
type Row = (&'static str, fn() -> Reply, &'static str, bool);

#[test]
fn each_answer_that_is_no_list() {
    let rows: &[Row] = &[
        ("refused", || gck6(400, "{}"), "done", true),
        ("refused with 403", || gck6(403, "{}"), "done", true),
        ("refused with 422", || gck6(422, "{}"), "done", true),
        ("not found, once", || gck6(404, "{}"), "done", true),
        ("token refused", || gck6(401, "{}"), "token refused", true),
        ("busy", || gck6(429, ""), "done", true),
        ("down", || gck6(503, ""), "done", true),
        ("lost", gck6_lost, "done", false),
        ("a portal on the way", || gck6(403, "<html>"), "done", false),
        ("a web page", || gck6(200, "<html>"), "done", true),
        ("of the wrong type", || gck6(200, r#"{"object":{}}"#), "done", true),
        ("ids that are none", || gck6(200, r#"{"object":[{"id":"../x"}]}"#), "done", true),
    ];
    for (answer, reply, wanted, is_answered) in rows {
        let mut world = World::registered();
        world.state.listed.insert(ID, Listed::NEW);
        assert_eq!(word(&world.polled(reply())), *wanted, "{answer}");
        let state = &world.state;
        assert!(state.registered.is_some(), "{answer}");
        assert_eq!(world.run(ID), "new, 0 unreadable", "{answer}: it may be listed yet");
        assert_eq!((state.polls_failed, state.polled), (1, false), "{answer}");
        assert_eq!(state.poll_unanswered, !is_answered, "{answer}");
        assert!(state.poll_error.is_some(), "{answer}");
        check_pause(&world, POLL_INTERVAL);
    }
}

#[test]
fn a_poll_that_keeps_failing_comes_ever_later_up_to_a_minute() {
    let mut world = World::registered();
    for (failures, seconds) in [(1, 10), (2, 20), (3, 40), (4, 60), (5, 60)] {
        let _ = world.polled(gck6_lost());
        assert_eq!(world.state.polls_failed, failures);
        check_pause(&world, S * seconds);
    }
    world.state.polls_failed = u32::MAX - 1;
    for _ in 0..2 {
        let _ = world.polled(gck6_lost());
        check_pause(&world, POLL_BACKOFF_MAX);
    }
}

#[test]
fn an_interval_of_more_than_a_minute_is_no_shorter_for_a_failure() {
    let mut world = World::registered();
    let interval = 300 * S;
    let settings = world.settings.clone();
    let context =
        Context { now: NOW, zone: &world.zone, data_room: 0, poll_interval: interval, settings: &settings };
    let _ = apply_reply(&mut world.state, &context, &mut Rng::new(1), Action::Poll, gck6_lost());
    check_pause(&world, interval);
}

#[test]
fn gck6_is_not_asked_before_it_will_be() {
    let mut world = World::registered();
    let _ = world.polled(gck6_asks_for(300 * S));
    assert_eq!(world.pause(), 300 * S);
    let _ = world.polled(gck6_asks_for(S));
    check_pause(&world, 2 * POLL_INTERVAL);
}

#[test]
fn an_answer_forgives_all_failures() {
    let mut world = World::registered();
    for reply in [gck6_lost(), gck6(503, ""), gck6_lost()] {
        let _ = world.polled(reply);
    }
    assert_eq!(world.state.polls_failed, 3);
    let _ = world.polled(list(&[]));
    let state = &world.state;
    assert_eq!((state.polls_failed, &state.poll_error, state.poll_unanswered), (0, &None, false));
    assert_eq!(state.next_poll, NEXT);
    let _ = world.polled(gck6_lost());
    check_pause(&world, POLL_INTERVAL);
}

#[test]
fn a_zone_that_is_not_found_twice_is_registered_again() {
    let mut world = World::registered();
    let _ = world.polled(gck6(404, "{}"));
    assert!(world.state.registered.is_some() && !world.state.forgotten);
    assert_eq!(world.polled(gck6(404, "{}")), Outcome::Done);
    let state = &world.state;
    assert!(state.registered.is_none() && state.forgotten);
    assert_eq!((state.registration_salt, state.polls_failed), (1, 0), "the same call with another key");
    assert_eq!(state.next_poll, NEXT);
    assert_eq!(world.decide().actions, [Action::Register]);
    // Once it is not registered, nothing is to be forgotten.
    for _ in 0..3 {
        let _ = world.polled(gck6(404, "{}"));
    }
    assert_eq!(world.state.registration_salt, 1);
}

#[test]
fn not_found_from_a_portal_forgets_nothing() {
    let mut world = World::registered();
    for _ in 0..5 {
        let _ = world.polled(gck6(404, "<html>"));
    }
    assert!(world.state.registered.is_some());
}

/// Whether a zone is still registered after these answers.
#[track_caller]
fn check_known(answers: &[fn() -> Reply], wanted: bool) {
    let mut world = World::registered();
    for reply in answers {
        let _ = world.polled(reply());
    }
    assert_eq!(world.state.registered.is_some(), wanted);
}

#[test]
fn only_answers_of_not_found_count_and_only_in_a_row() {
    let not_found: fn() -> Reply = || gck6(404, "{}");
    check_known(&[not_found], true);
    check_known(&[not_found, not_found], false);
    check_known(&[|| gck6(503, ""), not_found], true);
    check_known(&[gck6_lost, gck6_lost, not_found], true);
    check_known(&[not_found, || gck6(503, ""), not_found], true);
    check_known(&[not_found, || list(&[]), not_found], true);
    // No answer says nothing either way.
    check_known(&[not_found, gck6_lost, not_found], false);
}

#[test]
fn what_was_not_found_before_it_was_registered_does_not_count() {
    let mut world = World::pending();
    for _ in 0..3 {
        let _ = world.polled(gck6(404, "{}"));
    }
    world.state.registering = world.facts().registration().ok();
    let _ = world.answered(NOW, Action::Register, gck6(200, ""));
    let _ = world.polled(gck6(404, "{}"));
    assert!(world.state.registered.is_some());
}
