//! What the writes of a row become: polls that are due, listed test runs, Events; and when to look again.

use super::*;
use crate::announce::Announcement;
use crate::zone::facts::{DEREGISTRATION_PATIENCE, RUNS_PATIENCE};

#[test]
fn a_poll_starts_when_it_is_due_and_not_before() {
    for (next_poll, actions, wake) in [
        (NOW - S, vec![Action::Poll], None),
        (NOW, vec![Action::Poll], None),
        (NOW + S, vec![], Some(NOW + S)),
    ] {
        let mut world = World::registered();
        world.state.next_poll = next_poll;
        let decision = world.decide();
        assert_eq!((decision.actions, decision.wake), (actions, wake), "{next_poll:?}");
    }
}

#[test]
fn the_poll_by_which_a_token_is_tried_keeps_the_same_pace() {
    let mut world = World::pending();
    world.named_after(Some(NOW - S));
    world.state.next_poll = NOW + S;
    let decision = world.decide();
    assert_eq!((decision.actions, decision.wake), (vec![Action::WriteStatus], Some(NOW + S)));
}

#[test]
fn each_listed_test_run_has_its_next_step() {
    let check = |listed: Listed, wanted: Action| {
        let mut world = World::registered();
        world.state.next_poll = NOW + S;
        world.state.listed.insert(ID, listed);
        assert_eq!(world.decide().actions, [wanted]);
    };
    check(Listed::NEW, Action::FetchData(ID));
    check(Listed::New { unreadable: 4 }, Action::FetchData(ID));
    check(ready(NOW), Action::CreateTestRun(ID));
    check(Listed::Unclear { since: NOW, told: false }, Action::InspectTestRun(ID));
    check(Listed::Refused("no".to_owned()), Action::Refuse(ID));
}

#[test]
fn what_was_worked_out_for_another_secret_is_asked_for_anew() {
    let mut world = World::registered();
    world.state.next_poll = NOW + S;
    world.state.listed.insert(ID, ready(NOW));
    world.zone.spec.resources.limits.clear();
    assert_eq!(world.decide().actions, [Action::CreateTestRun(ID)], "whatever else was edited");
    world.zone.spec.token = "another".to_owned();
    assert_eq!(world.decide().actions, [Action::FetchData(ID)]);
}

#[test]
fn so_many_test_runs_are_taken_up_at_once_the_oldest_first() {
    let mut world = World::registered();
    world.state.next_poll = NOW + S;
    world.state.listed.extend((1..=20).map(|id| (RunId(id), Listed::NEW)));
    let wanted: Vec<Action> = (1..=16).map(|id| Action::FetchData(RunId(id))).collect();
    assert_eq!(world.decide().actions, wanted);
}

#[test]
fn an_event_is_posted_first_whatever_the_row() {
    for (base, others) in [
        (World::pending as fn() -> World, vec![Action::Register]),
        (World::registered, vec![Action::Poll]),
        (World::leaving, vec![Action::Release]),
    ] {
        let mut world = base();
        world.state.announcements.push(Announcement::normal("Registered", "m"));
        let mut wanted = vec![Action::Announce];
        wanted.extend(others);
        assert_eq!(world.decide().actions, wanted);
    }
}

#[test]
fn the_status_is_written_only_when_it_has_news() {
    let mut world = World::registered();
    world.state.next_poll = NOW + S;
    assert_eq!(world.decide().actions, [], "it says all of it");
    world.zone.metadata.generation += 1;
    assert_eq!(world.decide().actions, [Action::WriteStatus], "it says so of the spec before");
}

#[test]
fn the_earliest_that_may_turn_over_wakes() {
    let mut world = World::pending();
    world.named_after(Some(NOW + 500 * S));
    assert_eq!(world.decide().wake, Some(NOW + 500 * S));
    world.state.leaving_since = Some(NOW);
    assert_eq!(world.decide().wake, Some(NOW + RUNS_PATIENCE));
    world.state.deregistering_since = Some(NOW);
    assert_eq!(world.decide().wake, Some(NOW + DEREGISTRATION_PATIENCE));
    world.named_after(Some(NOW + S));
    assert_eq!(world.decide().wake, Some(NOW + S));
}

#[test]
fn a_poll_that_is_due_earlier_than_all_else_wakes() {
    for (next_poll, wake) in [(NOW + S, NOW + S), (NOW + 2 * RUNS_PATIENCE, NOW + RUNS_PATIENCE)] {
        let mut world = World::registered();
        (world.state.leaving_since, world.state.next_poll) = (Some(NOW), next_poll);
        assert_eq!(world.decide().wake, Some(wake));
    }
}

#[test]
fn the_same_facts_give_the_same_decision() {
    for base in [World::pending, World::registered, World::leaving] {
        assert_eq!(base().decide(), base().decide());
    }
}
