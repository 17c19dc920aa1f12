//! Answers to registering and deregistering.

use super::*;

/// An answer, its outcome, and what GCk6 has said then: nothing, that it may pass, or that it does not.
type Row = (&'static str, fn() -> Reply, &'static str, &'static str);

const REFUSED: &str = "GCk6 answered 400: no (E7)";

fn says_no() -> Reply {
    gck6(400, r#"{"error":{"message":"no","code":7}}"#)
}

fn registering() -> World {
    let mut world = World::pending();
    world.state.registering = world.facts().registration().ok();
    world
}

#[test]
fn a_registration_that_is_taken_stands() {
    for body in ["", "null", "{}", "<html>", "[]"] {
        let mut world = registering();
        (world.state.forgotten, world.state.contends) = (true, true);
        (world.state.registration_refused, world.state.registration_error) = (true, Some("no".to_owned()));
        assert_eq!(world.answered(NOW, Action::Register, gck6(200, body)), Outcome::Done, "{body}");
        let state = &world.state;
        assert_eq!(state.registered, world.facts().registration().ok(), "{body}");
        assert_eq!((&state.registering, &state.registration_error), (&None, &None));
        assert!(!state.forgotten && !state.registration_refused && !state.contends);
        let event = &state.announcements[0];
        assert_eq!((event.reason.as_str(), event.message.as_str()), ("Registered", "registered with GCk6"));
    }
}

/// The zone was edited while the answer was on its way.
#[test]
fn what_was_sent_counts_as_registered_and_not_what_is_wanted_by_now() {
    let mut world = registering();
    let sent = world.state.registering.clone();
    world.zone.spec.image = "k6:2".to_owned();
    let _ = world.answered(NOW, Action::Register, gck6(201, ""));
    assert_eq!(world.state.registered, sent);
    assert!(world.facts().holds(Fact::RegistrationDue));
}

#[test]
fn a_change_of_a_registered_zone_is_told_as_such() {
    let mut world = World::registered();
    world.state.registering = world.state.registered.clone();
    let _ = world.answered(NOW, Action::Register, gck6(200, ""));
    assert_eq!(world.state.announcements[0].message, "GCk6 has accepted the change to the spec");
}

#[test]
fn each_other_answer_to_a_registration() {
    let rows: &[Row] = &[
        ("refused", says_no, "again", "final"),
        ("refused with 403", || gck6(403, "{}"), "again", "final"),
        ("refused with 422", || gck6(422, "{}"), "again", "final"),
        ("a conflict", || gck6(409, "{}"), "again", "final"),
        ("unknown", || gck6(404, "{}"), "again", "final"),
        ("token refused", || gck6(401, "{}"), "token refused", "may pass"),
        ("a portal on the way", || gck6(403, "<html>"), "again", "may pass"),
        ("busy", || gck6(429, ""), "again", "may pass"),
        ("down for 7 s", || gck6_asks_for(7 * S), "again in 7 s", "may pass"),
        ("lost", gck6_lost, "again", "may pass"),
        ("somebody else's", api_server_lost, "again", "may pass"),
    ];
    for (answer, reply, wanted, said) in rows {
        for base in [World::pending, World::registered] {
            let mut world = base();
            let before = world.state.registered.clone();
            let outcome = world.answered(NOW, Action::Register, reply());
            assert_eq!(word(&outcome), *wanted, "{answer}");
            assert_eq!(world.state.registered, before, "{answer}: it is what it was");
            assert!(world.state.registration_error.is_some(), "{answer}");
            assert_eq!(world.state.registration_refused, *said == "final", "{answer}");
            assert!(world.state.announcements.is_empty(), "{answer}: the condition tells");
        }
    }
    let mut world = World::pending();
    let _ = world.answered(NOW, Action::Register, says_no());
    assert_eq!(world.state.registration_error.as_deref(), Some(REFUSED));
    // It is not final for ever: GCk6 is away by now.
    let _ = world.answered(NOW, Action::Register, gck6_lost());
    assert!(!world.state.registration_refused);
}

#[test]
fn each_answer_to_a_deregistration() {
    let rows: &[Row] = &[
        ("accepted", || gck6(204, ""), "done", "gone"),
        ("accepted with a web page", || gck6(200, "<html>"), "done", "gone"),
        ("unknown already", || gck6(404, "{}"), "done", "gone"),
        ("a portal on the way", || gck6(404, "<html>"), "again", "may pass"),
        ("refused", says_no, "again", "final"),
        ("refused with 403", || gck6(403, "{}"), "again", "final"),
        ("token refused", || gck6(401, "{}"), "token refused", "final"),
        ("busy", || gck6(429, ""), "again", "may pass"),
        ("down for 7 s", || gck6_asks_for(7 * S), "again in 7 s", "may pass"),
        ("lost", gck6_lost, "again", "may pass"),
    ];
    for (answer, reply, wanted, said) in rows {
        let mut world = World::leaving();
        world.state.deregistered = false;
        let outcome = world.answered(NOW, Action::Deregister, reply());
        assert_eq!(word(&outcome), *wanted, "{answer}");
        assert_eq!(world.state.deregistered, *said == "gone", "{answer}");
        assert_eq!(world.state.deregistration_error.is_some(), *said != "gone", "{answer}");
        assert_eq!(world.state.deregistration_refused, *said == "final", "{answer}");
    }
    let mut world = World::leaving();
    world.state.deregistration_error = Some("busy".to_owned());
    let _ = world.answered(NOW, Action::Deregister, gck6(204, ""));
    assert_eq!(world.state.deregistration_error, None);
}
