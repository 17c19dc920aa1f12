//! Block `Done`: the run is over.

use super::super::world::World;
use super::{Case, check_actions, check_alone, check_otherwise, check_pairs};
use crate::api::run::FINALIZER;
use crate::testrun::action::Action as A;
use crate::testrun::table::{Block, Fact as F};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { fact: F::Held,       make: held,        with: &[], actions: &[A::Release] },
    Case { fact: F::CleanupDue, make: cleanup_due, with: &[], actions: &[A::DeleteTestRun] },
];

fn held(world: &mut World) {
    world.run.metadata.finalizers = vec!["other/finalizer".to_owned(), FINALIZER.to_owned()];
}

fn cleanup_due(world: &mut World) {
    world.run.spec.cleanup = "post".to_owned();
}

#[test]
fn nothing_special_means_that_nothing_is_done() {
    check_otherwise(Block::Done, &[], false);
}

#[test]
fn each_fact_alone() {
    check_alone(Block::Done, CASES);
}

#[test]
fn of_two_facts_the_first() {
    check_pairs(Block::Done, CASES, &[]);
}

#[test]
fn a_deletion_is_asked_for_once() {
    let sent = |world: &mut World| {
        cleanup_due(world);
        world.state.deletion_sent = true;
    };
    check_actions(Block::Done, sent, F::CleanupDue, &[]);
    let deleting = |world: &mut World| {
        cleanup_due(world);
        world.run.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".to_owned());
    };
    check_actions(Block::Done, deleting, F::CleanupDue, &[]);
}
