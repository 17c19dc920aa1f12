//! The block of zones that are being deleted.

use super::*;
use crate::zone::facts::{DEREGISTRATION_PATIENCE, RUNS_PATIENCE};

const ROWS: &[Expected] = &[
    (Fact::NotOurs, World::without_finalizer, &[]),
    (Fact::RunsLeft, |world| world.runs_left = 1, &[]),
    (Fact::DeregistrationDue, |world| world.state.deregistered = false, &[Action::Deregister]),
    (Fact::Otherwise, |_| (), &[Action::Release]),
];

#[test]
fn each_fact_alone() {
    check_alone(Block::Leaving, World::leaving, ROWS);
}

#[test]
fn the_first_of_two_facts_wins() {
    check_pairs(Block::Leaving, World::leaving, ROWS);
}

/// The row that is chosen for a zone that GCk6 may still know.
#[track_caller]
fn check(change: impl FnOnce(&mut World), wanted: Fact) {
    let mut world = World::leaving();
    world.state.deregistered = false;
    change(&mut world);
    assert_eq!(world.decide().row, (Block::Leaving, wanted));
}

#[test]
fn runs_are_waited_for_so_long_and_no_longer() {
    let begun = |ago: Duration| {
        move |world: &mut World| {
            world.runs_left = 2;
            world.state.leaving_since = Some(NOW - ago);
        }
    };
    check(begun(RUNS_PATIENCE - S), Fact::RunsLeft);
    check(begun(RUNS_PATIENCE), Fact::DeregistrationDue);
    check(|world| (world.runs_left, world.state.leaving_since) = (1, None), Fact::RunsLeft);
}

#[test]
fn deregistration_is_given_up_only_without_a_token_that_is_taken() {
    let since = |ago: Duration| Some(NOW - ago);
    let long = since(DEREGISTRATION_PATIENCE);
    check(|world| world.state.deregistering_since = long, Fact::DeregistrationDue);
    let refused = |at: Option<Duration>| {
        move |world: &mut World| {
            (world.state.deregistration_refused, world.state.deregistering_since) = (true, at);
        }
    };
    check(refused(None), Fact::DeregistrationDue);
    check(refused(since(DEREGISTRATION_PATIENCE - S)), Fact::DeregistrationDue);
    check(refused(long), Fact::Otherwise);
    check(|world| (world.token, world.state.deregistering_since) = (None, long), Fact::Otherwise);
}

#[test]
fn a_zone_that_gck6_may_know_is_deregistered_and_no_other() {
    let unknown = |world: &mut World| world.zone.metadata.annotations.clear();
    check(unknown, Fact::Otherwise);
    check(|world| world.name_stays = true, Fact::Otherwise);
    check(
        |world| {
            unknown(world);
            world.state.registered = World::registered().state.registered;
        },
        Fact::DeregistrationDue,
    );
    for status in ["True", "False", "Unknown"] {
        check(
            |world| {
                unknown(world);
                world.condition(&json!({"type": "PLZRegistered", "status": status}));
            },
            Fact::DeregistrationDue,
        );
    }
}

#[test]
fn the_wait_ends_by_itself() {
    let mut world = World::leaving();
    (world.runs_left, world.state.leaving_since) = (1, Some(NOW - S));
    assert_eq!(world.decide().wake, Some(NOW - S + RUNS_PATIENCE));
    world.state.deregistering_since = Some(NOW - 2 * S);
    assert_eq!(world.decide().wake, Some(NOW - 2 * S + DEREGISTRATION_PATIENCE), "the earlier of both");
    world.state.leaving_since = Some(Duration::ZERO);
    world.state.deregistering_since = Some(Duration::ZERO);
    assert_eq!(world.decide().wake, None, "what is past wakes nobody");
}

#[test]
fn neither_the_poll_nor_test_runs_go_on() {
    let mut world = World::leaving();
    world.state.registered = World::registered().state.registered;
    world.state.listed.insert(ID, Listed::NEW);
    assert_eq!(world.decide().actions, [Action::Release]);
}
