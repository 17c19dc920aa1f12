//! Facts that turn over by mere passing of time: when they do, and that somebody looks at the clock then.

use std::time::Duration;

use super::super::make;
use super::super::world::{NOW, World};
use super::{Case, created, done, gone, held, new, started, stopped};
use crate::testrun::facts::{
    CLOUD_PATIENCE, CLOUD_WORD_PATIENCE, DELETION_PATIENCE, PODS_PATIENCE, PODS_PATIENCE_PER_RUNNER,
    RECORD_PATIENCE, STOP_PATIENCE,
};
use crate::testrun::table::{Block, Fact};

const TICK: Duration = Duration::from_millis(1);

/// `fact` is what it is at first until so long after `NOW`, and the opposite from then on.
#[track_caller]
fn check(block: Block, change: fn(&mut World), fact: Fact, at_first: bool, after: Duration) {
    let mut world = World::new(block);
    change(&mut world);
    let holds = |at: Duration| world.facts_at(at).holds(fact);
    assert_eq!(holds(NOW), at_first, "{block}: {fact:?} at first");
    assert_eq!(holds(NOW + after - TICK), at_first, "{block}: {fact:?} just before {after:?}");
    assert_eq!(holds(NOW + after), !at_first, "{block}: {fact:?} after {after:?}");
}

fn deleted_now(world: &mut World) {
    world.state.deleting_since = Some(NOW);
}

fn ends_now(world: &mut World) {
    make::stop_overdue(world);
    world.state.ending_since = NOW;
}

fn to_stop(world: &mut World) {
    make::termination(world);
    world.pod(1);
}

fn pod_went(world: &mut World) {
    make::pod_left(world);
    world.state.pod_went = Some(NOW + Duration::from_secs(5));
}

#[test]
#[rustfmt::skip]
fn each_patience_has_its_end() {
    for block in [Block::New, Block::Created, Block::Started, Block::Stopped] {
        check(block, deleted_now, Fact::DeletionOverdue, false, DELETION_PATIENCE);
    }
    check(Block::Created, ends_now,               Fact::StopOverdue,     false, RECORD_PATIENCE);
    check(Block::Started, ends_now,               Fact::StopOverdue,     false, RECORD_PATIENCE);
    check(Block::Started, ends_now,               Fact::RunnersToStop,   true,  STOP_PATIENCE);
    check(Block::Started, started::end_unclear,   Fact::EndUnclear,      true,  CLOUD_WORD_PATIENCE);
    check(Block::Stopped, stopped::teardown_unclear, Fact::TeardownUnclear, true,  STOP_PATIENCE);
    check(Block::Stopped, to_stop,                Fact::RunnersToStop,   true,  STOP_PATIENCE);
    check(Block::Stopped, make::pod_left,         Fact::PodsLeft,        true,  PODS_PATIENCE);
    check(Block::Stopped, make::unproven,         Fact::Unproven,        true,  CLOUD_PATIENCE);
    check(Block::Stopped, make::events_due,       Fact::EventsDue,       true,  CLOUD_PATIENCE);
    check(Block::Stopped, make::finish_due,       Fact::FinishDue,       true,  CLOUD_PATIENCE);
    check(Block::Gone,    make::events_due,       Fact::EventsDue,       true,  CLOUD_PATIENCE);
}

#[test]
fn pods_are_waited_for_from_the_last_that_went_but_not_for_ever() {
    check(Block::Stopped, pod_went, Fact::PodsLeft, true, PODS_PATIENCE + Duration::from_secs(5));
    let most = PODS_PATIENCE + 3 * PODS_PATIENCE_PER_RUNNER;
    check(
        Block::Stopped,
        |world| {
            make::pod_left(world);
            world.state.pod_went = Some(NOW + Duration::from_secs(3600));
        },
        Fact::PodsLeft,
        true,
        most,
    );
}

/// Whatever is true stays true until the clock is looked at again.
#[track_caller]
fn check_wakes(block: Block, world: &World, what: &[Fact]) {
    let limits = [
        RECORD_PATIENCE,
        STOP_PATIENCE,
        CLOUD_WORD_PATIENCE,
        PODS_PATIENCE,
        PODS_PATIENCE + 3 * PODS_PATIENCE_PER_RUNNER,
        DELETION_PATIENCE,
        CLOUD_PATIENCE,
        2 * CLOUD_PATIENCE,
    ];
    let rows_at = |at: Duration| {
        let facts = world.facts_at(at);
        crate::testrun::table::rows(block).iter().map(|row| facts.holds(row.fact)).collect::<Vec<_>>()
    };
    let next = world.facts().next_change();
    for at in limits.iter().map(|limit| NOW + *limit) {
        if next.is_none_or(|next| at < next) {
            assert_eq!(rows_at(at), rows_at(NOW), "{block}, {what:?}: {:?} passed unseen", at - NOW);
        }
    }
}

#[test]
fn whatever_time_turns_over_is_seen_then() {
    let all: [(Block, &[Case]); 6] = [
        (Block::New, new::CASES),
        (Block::Created, created::CASES),
        (Block::Started, started::CASES),
        (Block::Stopped, stopped::CASES),
        (Block::Done, done::CASES),
        (Block::Gone, gone::CASES),
    ];
    for (block, cases) in all {
        for one in cases {
            for other in cases {
                let mut world = World::new(block);
                (other.make)(&mut world);
                (one.make)(&mut world);
                check_wakes(block, &world, &held(block, &world));
            }
        }
        for change in [deleted_now, ends_now, pod_went] {
            if block != Block::Done {
                let mut world = World::new(block);
                change(&mut world);
                check_wakes(block, &world, &held(block, &world));
            }
        }
    }
}
