//! What is remembered of a zone: complaints, and the test runs that are dealt with.

use super::*;
use crate::conditions::{Claim, Truth};

fn claim(type_: &'static str, truth: Truth, reason: &str) -> Claim {
    Claim::new(type_, truth, reason, "why")
}

/// The reasons that Events are posted about, as one set of claims follows another.
#[track_caller]
fn check_complaints(turns: &[&[Claim]], wanted: &[&str]) {
    let mut state = ZoneState::new("u", NOW, 0);
    turns.iter().for_each(|claims| state.complain(claims));
    let told: Vec<&str> = state.announcements.iter().map(|event| event.reason.as_str()).collect();
    assert_eq!(told, wanted);
}

#[test]
fn a_complaint_is_told_once_until_it_is_fixed() {
    let missing = || claim("PLZRegistered", Truth::False, "TokenMissing");
    let refused = || claim("PLZRegistered", Truth::False, "TokenRefused");
    let well = || claim("PLZRegistered", Truth::True, "Registered");
    let failing = || claim("PLZPolled", Truth::False, "PollFailing");
    check_complaints(&[&[missing()], &[missing()]], &["TokenMissing"]);
    check_complaints(&[&[missing()], &[refused()], &[missing()]], &["TokenMissing", "TokenRefused"]);
    check_complaints(&[&[missing()], &[well()], &[missing()]], &["TokenMissing", "TokenMissing"]);
    check_complaints(&[&[missing()], &[], &[missing()]], &["TokenMissing"]);
    check_complaints(&[&[well(), failing()], &[well(), failing()]], &["PollFailing"]);
    check_complaints(&[&[missing(), failing()]], &["TokenMissing", "PollFailing"]);
    check_complaints(&[&[well()]], &[]);
}

#[test]
fn test_runs_that_are_dealt_with_are_remembered_up_to_a_bound_the_newest_longest() {
    let mut state = ZoneState::new("u", NOW, 0);
    (1..=5000).for_each(|id| state.settle(RunId(id)));
    assert_eq!((state.settled.len(), state.settled.first()), (4096, Some(&RunId(905))));
}

#[test]
fn a_test_run_has_begun_once_there_may_be_a_test_run_object() {
    let check = |listed: Option<Listed>, wanted: bool| {
        let mut state = ZoneState::new("u", NOW, 0);
        listed.into_iter().for_each(|listed| drop(state.listed.insert(ID, listed)));
        assert_eq!(state.has_begun(ID), wanted);
        state.settle(ID);
        assert!(state.has_begun(ID));
    };
    check(None, false);
    check(Some(Listed::NEW), false);
    check(Some(Listed::Refused("no".to_owned())), false);
    check(Some(ready(NOW)), true);
    check(Some(Listed::Unclear { since: NOW, told: false }), true);
}

#[test]
fn only_data_that_are_held_take_room() {
    let mut state = ZoneState::new("u", NOW, 0);
    state.listed.insert(RunId(1), Listed::NEW);
    state.listed.insert(RunId(2), Listed::Refused("no".to_owned()));
    assert_eq!(state.data_bytes(), 0);
    state.listed.insert(RunId(3), ready(NOW));
    let one = state.data_bytes();
    assert_eq!(one, plain_data().bytes());
    state.listed.insert(RunId(4), ready(NOW));
    assert_eq!(state.data_bytes(), 2 * one);
}

#[test]
fn who_steps_down_drops_what_was_listed_and_says_it_anew() {
    let mut world = World::registered();
    world.state.listed.insert(ID, Listed::NEW);
    world.state.settle(RunId(7));
    world.state.step_down();
    assert!(world.state.registered.is_none() && world.state.listed.is_empty());
    assert_eq!((world.state.registration_salt, world.state.settled.len()), (1, 1));
}
