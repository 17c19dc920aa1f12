//! Block `Created`: the runners come up, setup runs, all are let go.

use std::sync::Arc;
use std::time::Duration;

use super::super::make::{deletion_overdue, job_unseen, runner_paused, stop_overdue, termination, unproven};
use super::super::world::World;
use super::{Case, Exclusion, check_actions, check_alone, check_otherwise, check_pairs};
use crate::api::run::Stage;
use crate::testrun::action::{Action as A, StatusWrite};
use crate::testrun::facts::READY_POLL_INTERVAL;
use crate::testrun::state::{Job, Setup, SetupData};
use crate::testrun::table::{Block, Fact as F};

const STOPPED: A = A::WriteStatus(StatusWrite::Stage(Stage::Stopped));
const STARTED: A = A::WriteStatus(StatusWrite::Stage(Stage::Started));

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { fact: F::DeletionOverdue, make: deletion_overdue, with: &[],                 actions: &[A::Release] },
    Case { fact: F::JobsUnseen,      make: job_unseen,       with: &[],                 actions: &[A::InspectJob(3)] },
    Case { fact: F::StopOverdue,     make: stop_overdue,     with: &[F::Termination],
           actions: &[A::StopRunner(1), A::StopRunner(2), A::StopRunner(3), STOPPED] },
    Case { fact: F::Termination,     make: termination,      with: &[],                 actions: &[STOPPED] },
    Case { fact: F::Unproven,        make: unproven,         with: &[],                 actions: &[A::Confirm] },
    Case { fact: F::RunnersSilent,   make: runner_silent,    with: &[],                 actions: &[A::AskRunner(1)] },
    Case { fact: F::SetupDue,        make: setup_due,        with: &[F::RunnersPaused], actions: &[A::RunSetup(1)] },
    Case { fact: F::SetupDataDue,    make: setup_data_due,   with: &[F::RunnersPaused], actions: &[A::SendSetupData(2)] },
    Case { fact: F::RunnersPaused,   make: runner_paused,    with: &[],                 actions: &[A::ResumeRunner(3)] },
];

const EXCLUSIONS: &[Exclusion] = &[];

/// Runner 1 has not answered.
fn runner_silent(world: &mut World) {
    world.runner(1).status = None;
    world.runner(1).resumed = false;
}

fn nobody_started(world: &mut World) {
    (1..=3).for_each(|n| world.waits(n));
}

fn setup_due(world: &mut World) {
    nobody_started(world);
    world.state.setup = Setup::NotRun;
}

fn setup_data_due(world: &mut World) {
    nobody_started(world);
    world.runner(2).data_sent = false;
}

#[test]
fn nothing_special_means_that_all_run() {
    check_otherwise(Block::Created, &[STARTED], false);
}

#[test]
fn each_fact_alone() {
    check_alone(Block::Created, CASES);
}

#[test]
fn of_two_facts_the_first() {
    check_pairs(Block::Created, CASES, EXCLUSIONS);
}

#[test]
fn what_ends_the_run_is_told_to_gck6_with_the_stage() {
    let untold = |world: &mut World| {
        termination(world);
        world.state.told = false;
    };
    check_actions(Block::Created, untold, F::Termination, &[A::SendEvents, STOPPED]);
    let unproven_too = |world: &mut World| {
        untold(world);
        unproven(world);
    };
    check_actions(Block::Created, unproven_too, F::Termination, &[A::Confirm, STOPPED]);
}

#[test]
fn a_runner_is_asked_again_in_its_own_time() {
    let asked_before = |world: &mut World| {
        runner_silent(world);
        world.runner(1).asked = Some(world.now);
    };
    let mut world = check_actions(Block::Created, asked_before, F::RunnersSilent, &[]);
    assert_eq!(world.decide().wake, Some(world.now + READY_POLL_INTERVAL));
    world.now += READY_POLL_INTERVAL;
    assert_eq!(world.decide().actions, [A::AskRunner(1)]);
}

#[test]
fn why_there_is_no_pod_is_looked_up_in_its_own_time() {
    let podless = |world: &mut World| {
        for n in [1, 2] {
            world.job(n, Job::Ours("without-a-pod".to_owned()));
            world.runner(n).status = None;
        }
    };
    let mut world = check_actions(Block::Created, podless, F::RunnersSilent, &[]);
    let first = world.now + Duration::from_secs(3);
    assert_eq!(world.decide().wake, Some(first));
    world.now = first;
    assert_eq!(world.decide().actions, [A::ReadEvents(1)], "one speaks for all");
    world.state.dispatched(first, A::ReadEvents(1));
    assert_eq!(world.decide().actions, []);
    world.now = first + Duration::from_secs(15);
    world.state.trouble_said = crate::testrun::diagnose::trouble(&world.facts());
    assert_eq!(world.decide().actions, [A::ReadEvents(1), A::CheckState]);
}

#[test]
fn how_far_setup_is_says_what_is_next() {
    let check = |setup: Setup, actions: &[A]| {
        let change = |world: &mut World| {
            setup_due(world);
            world.state.setup = setup;
        };
        check_actions(Block::Created, change, F::SetupDue, actions);
    };
    // The last runner has the data only if setup is over.
    check(Setup::Unclear, &[A::ReadSetup(3)]);
    check(Setup::NotRun, &[A::RunSetup(1)]);
    check(Setup::OnRunner(2), &[A::TakeSetupData(2)]);
    check(Setup::Failed("no".to_owned()), &[]);
}

#[test]
fn a_single_runner_runs_setup_without_being_asked_before() {
    let change = |world: &mut World| {
        world.state.set_parallelism(1);
        world.job(1, super::super::world::ours(1));
        world.waits(1);
        world.state.setup = Setup::Unclear;
    };
    check_actions(Block::Created, change, F::SetupDue, &[A::RunSetup(1)]);
}

#[test]
fn the_data_go_to_all_who_do_not_have_them() {
    let change = |world: &mut World| {
        nobody_started(world);
        let data = SetupData { text: Arc::new("1".to_owned()), runner: 1, since: world.now };
        world.state.setup = Setup::Run(Some(data));
        (1..=3).for_each(|n| world.runner(n).data_sent = n == 2);
    };
    check_actions(Block::Created, change, F::SetupDataDue, &[A::SendSetupData(1), A::SendSetupData(3)]);
}

#[test]
fn once_one_has_started_setup_is_over() {
    let change = |world: &mut World| {
        nobody_started(world);
        world.state.setup = Setup::Unclear;
        world.runner(1).resumed = true;
    };
    check_actions(Block::Created, change, F::RunnersPaused, &[A::ResumeRunner(2), A::ResumeRunner(3)]);
}
