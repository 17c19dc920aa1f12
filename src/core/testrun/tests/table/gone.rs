//! Block `Gone`: the `TestRun` was deleted under us.

use super::super::make::{events_due, finish_due, pod_left, unproven};
use super::super::world::{World, ours};
use super::{Case, Exclusion, check_alone, check_otherwise, check_pairs};
use crate::announce::Announcement;
use crate::testrun::action::Action as A;
use crate::testrun::table::{Block, Fact as F};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { fact: F::Unproven,  make: unproven,   with: &[], actions: &[A::Confirm] },
    Case { fact: F::EventsDue, make: events_due, with: &[], actions: &[A::SendEvents] },
    Case { fact: F::PodsLeft,  make: pod_of_job, with: &[], actions: &[] },
    Case { fact: F::FinishDue, make: finish_due, with: &[], actions: &[A::Finish] },
];

const UNTOLD: &str = "GCk6 is told nothing of a run that it has not confirmed";
const EXCLUSIONS: &[Exclusion] = &[(F::Unproven, F::EventsDue, UNTOLD), (F::Unproven, F::FinishDue, UNTOLD)];

fn pod_of_job(world: &mut World) {
    world.job(3, ours(3));
    pod_left(world);
}

#[test]
fn nothing_special_means_that_it_is_forgotten() {
    check_otherwise(Block::Gone, &[], true);
}

#[test]
fn each_fact_alone() {
    check_alone(Block::Gone, CASES);
}

#[test]
fn of_two_facts_the_first() {
    check_pairs(Block::Gone, CASES, EXCLUSIONS);
}

#[test]
fn it_is_not_forgotten_with_an_event_to_post() {
    let mut world = World::new(Block::Gone);
    world.state.announcements.push(Announcement::normal("Aborted", "why"));
    let decision = world.decide();
    assert_eq!((decision.row.1, decision.actions, decision.forget), (F::Otherwise, vec![A::Announce], false));
}
