//! Block `New`: nothing is recorded, the Secret and the Jobs are made.

use super::super::make::{deletion_overdue, termination, unproven};
use super::super::world::World;
use super::{Case, Exclusion, check_actions, check_alone, check_otherwise, check_pairs};
use crate::api::run::Stage;
use crate::testrun::action::{Action as A, StatusWrite};
use crate::testrun::credentials::Credentials;
use crate::testrun::state::{Job, Keeping};
use crate::testrun::table::{Block, Fact as F};
use crate::testrun::template::tests::plain_data;

const STOPPED: A = A::WriteStatus(StatusWrite::Stage(Stage::Stopped));
const CREATED: A = A::WriteStatus(StatusWrite::Stage(Stage::Created));

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { fact: F::DeletionOverdue,    make: deletion_overdue,    with: &[], actions: &[A::Release] },
    Case { fact: F::Termination,        make: termination,         with: &[], actions: &[STOPPED] },
    Case { fact: F::Unproven,           make: unproven,            with: &[], actions: &[A::Confirm] },
    Case { fact: F::CredentialsMissing, make: credentials_missing, with: &[], actions: &[A::InspectCredentials] },
    Case { fact: F::JobsMissing,        make: job_missing,         with: &[], actions: &[A::CreateJob(2)] },
];

const EXCLUSIONS: &[Exclusion] = &[];

fn credentials_missing(world: &mut World) {
    world.state.keeping = Keeping::Unknown;
}

fn job_missing(world: &mut World) {
    world.job(2, Job::Unknown);
}

#[test]
fn nothing_special_means_that_all_is_made() {
    check_otherwise(Block::New, &[CREATED], false);
}

#[test]
fn each_fact_alone() {
    check_alone(Block::New, CASES);
}

#[test]
fn of_two_facts_the_first() {
    check_pairs(Block::New, CASES, EXCLUSIONS);
}

#[test]
fn a_run_without_a_plan_is_not_proven_for_this_process() {
    check_actions(Block::New, |world| world.state.plan = None, F::Unproven, &[A::Confirm]);
}

#[test]
fn the_secret_is_looked_for_before_it_is_made() {
    let check = |keeping: Keeping, actions: &[A]| {
        check_actions(Block::New, |world| world.state.keeping = keeping, F::CredentialsMissing, actions);
    };
    check(Keeping::Unknown, &[A::InspectCredentials]);
    check(Keeping::Foreign, &[A::InspectCredentials]);
    check(Keeping::Lost, &[A::FetchCredentials]);
    check(Keeping::InHand(Credentials::of(&plain_data()).unwrap()), &[A::CreateCredentials]);
    check(Keeping::Refused("no".to_owned()), &[]);
}

#[test]
fn a_job_is_made_unless_one_of_its_name_has_to_be_looked_at() {
    let check = |job: Job, actions: &[A]| {
        check_actions(Block::New, |world| world.job(2, job), F::JobsMissing, actions);
    };
    check(Job::Unknown, &[A::CreateJob(2)]);
    check(Job::Foreign, &[A::CreateJob(2)]);
    check(Job::Unclear, &[A::InspectJob(2)]);
    check(Job::Refused("no".to_owned()), &[]);
}

#[test]
fn an_event_to_post_goes_first() {
    let mut world = World::new(Block::New);
    termination(&mut world);
    world.state.refuse(None);
    world.state.announcements.push(crate::announce::Announcement::normal("Finished", "why"));
    assert_eq!(world.decide().actions, [A::Announce, STOPPED]);
}
