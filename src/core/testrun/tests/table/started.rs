//! Block `Started`: all runners were let go, and are watched until all have ended.

use std::time::Duration;

use super::super::make::{deletion_overdue, job_unseen, runner_paused, stop_overdue, termination, unproven};
use super::super::world::{INTERRUPTED, RUNNING, World};
use super::{Case, Exclusion, check_actions, check_alone, check_otherwise, check_pairs};
use crate::api::run::Stage;
use crate::testrun::action::{Action as A, StatusWrite};
use crate::testrun::facts::{RUNNER_POLL_INTERVAL, STATE_CHECK_INTERVAL};
use crate::testrun::table::{Block, Fact as F};

const STOPPED: A = A::WriteStatus(StatusWrite::Stage(Stage::Stopped));

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { fact: F::DeletionOverdue, make: deletion_overdue, with: &[],                  actions: &[A::Release] },
    Case { fact: F::JobsUnseen,      make: job_unseen,       with: &[],                  actions: &[A::InspectJob(3)] },
    Case { fact: F::StopOverdue,     make: stop_overdue,     with: &[F::Termination, F::RunnersRunning],
           actions: &[A::StopRunner(2), STOPPED] },
    Case { fact: F::Termination,     make: termination,      with: &[],                  actions: &[STOPPED] },
    Case { fact: F::Unproven,        make: unproven,         with: &[],                  actions: &[A::Confirm] },
    Case { fact: F::RunnersPaused,   make: runner_paused,    with: &[F::RunnersRunning], actions: &[A::ResumeRunner(3)] },
    Case { fact: F::EndUnclear,      make: end_unclear,      with: &[],                  actions: &[A::CheckState] },
    Case { fact: F::RunnersRunning,  make: runner_running,   with: &[],                  actions: &[A::AskRunner(2)] },
];

const NOT_WAITED_FOR: &str =
    "once something ends the run, GCk6's word about an interruption is not waited for";
const EXCLUSIONS: &[Exclusion] =
    &[(F::StopOverdue, F::EndUnclear, NOT_WAITED_FOR), (F::Termination, F::EndUnclear, NOT_WAITED_FOR)];

/// Runner 1 was interrupted, it may be by GCk6, which was last asked before.
pub(super) fn end_unclear(world: &mut World) {
    world.answers(1, INTERRUPTED);
    world.state.last_end = Some(world.now);
    world.state.state_asked = world.now - Duration::from_secs(1);
}

fn runner_running(world: &mut World) {
    world.answers(2, RUNNING);
}

#[test]
fn nothing_special_means_that_all_have_ended() {
    check_otherwise(Block::Started, &[STOPPED], false);
}

#[test]
fn each_fact_alone() {
    check_alone(Block::Started, CASES);
}

#[test]
fn of_two_facts_the_first() {
    check_pairs(Block::Started, CASES, EXCLUSIONS);
}

#[test]
fn gck6_is_asked_once_about_an_interruption() {
    let asked_since = |world: &mut World| {
        end_unclear(world);
        world.state.state_asked = world.now;
    };
    let world = check_actions(Block::Started, asked_since, F::EndUnclear, &[]);
    assert_eq!(world.decide().wake, Some(world.now + STATE_CHECK_INTERVAL));
    let has_answered = |world: &mut World| {
        end_unclear(world);
        world.state.state_as_of = Some(world.now);
    };
    check_actions(Block::Started, has_answered, F::Otherwise, &[STOPPED]);
}

#[test]
fn an_interruption_by_the_agent_is_none() {
    let stopped = |world: &mut World| {
        end_unclear(world);
        world.runner(1).stopped = true;
    };
    check_actions(Block::Started, stopped, F::Otherwise, &[STOPPED]);
}

/// All run and have answered a moment ago: the first speaks for all, and the state is not due.
fn quiet(world: &mut World) {
    for n in 1..=3 {
        world.answers(n, RUNNING);
        world.runner(n).asked = Some(world.now - RUNNER_POLL_INTERVAL);
    }
}

#[test]
fn while_all_is_quiet_one_speaks_for_all() {
    check_actions(Block::Started, quiet, F::RunnersRunning, &[A::AskRunner(1)]);
}

#[test]
fn once_one_has_ended_the_others_are_asked_at_once() {
    let one_ends = |world: &mut World| {
        quiet(world);
        world.answers(1, super::super::world::ENDED);
        world.state.last_end = Some(world.now);
    };
    check_actions(Block::Started, one_ends, F::RunnersRunning, &[A::AskRunner(2), A::AskRunner(3)]);
}

#[test]
fn who_has_not_been_heard_is_asked_at_once() {
    let unheard = |world: &mut World| {
        quiet(world);
        (1..=3).for_each(|n| world.runner(n).asked = Some(world.now));
        world.runner(3).status = None;
    };
    check_actions(Block::Started, unheard, F::RunnersRunning, &[A::AskRunner(3)]);
}

#[test]
fn the_state_is_asked_for_in_its_own_time() {
    let due = |world: &mut World| {
        quiet(world);
        (1..=3).for_each(|n| world.runner(n).asked = Some(world.now));
        world.state.state_asked = world.now - STATE_CHECK_INTERVAL;
    };
    check_actions(Block::Started, due, F::RunnersRunning, &[A::CheckState]);
}
