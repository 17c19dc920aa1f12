//! Block `Stopped`: the runners are stopped, teardown runs, the Jobs go, GCk6 hears of the end.

use super::super::make::{
    deletion_overdue, events_due, finish_due, job_unseen, pod_left, termination, unproven,
};
use super::super::world::{ENDED, RUNNING, World, ours};
use super::{Case, Exclusion, check_actions, check_alone, check_otherwise, check_pairs};
use crate::announce::Announcement;
use crate::api::run::Stage;
use crate::testrun::action::{Action as A, StatusWrite};
use crate::testrun::state::{Job, Teardown};
use crate::testrun::table::{Block, Fact as F};
use crate::testrun::termination::Cause;

const FINISHED: A = A::WriteStatus(StatusWrite::Stage(Stage::Finished));
const ERROR: A = A::WriteStatus(StatusWrite::Stage(Stage::Error));

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { fact: F::DeletionOverdue, make: deletion_overdue, with: &[],            actions: &[A::Release] },
    Case { fact: F::JobsUnseen,      make: job_unseen,       with: &[F::JobsLeft], actions: &[A::InspectJob(3)] },
    Case { fact: F::TeardownUnclear, make: teardown_unclear, with: &[F::PodsLeft], actions: &[A::AskRunner(1)] },
    Case { fact: F::RunnersToStop,   make: runner_to_stop,   with: &[F::PodsLeft], actions: &[A::StopRunner(1)] },
    Case { fact: F::TeardownDue,     make: teardown_due,     with: &[F::PodsLeft], actions: &[A::RunTeardown(2)] },
    Case { fact: F::JobsLeft,        make: job_left,         with: &[],            actions: &[A::DeleteJob(3)] },
    Case { fact: F::PodsLeft,        make: pod_left,         with: &[],            actions: &[] },
    Case { fact: F::Unproven,        make: unproven,         with: &[],            actions: &[A::Confirm] },
    Case { fact: F::EventsDue,       make: events_due,       with: &[],            actions: &[A::SendEvents] },
    Case { fact: F::FinishDue,       make: finish_due,       with: &[],            actions: &[A::Finish] },
];

const UNTOLD: &str = "GCk6 is told nothing of a run that it has not confirmed";
const EXCLUSIONS: &[Exclusion] = &[
    (F::TeardownUnclear, F::TeardownDue, "teardown is in one state at a time"),
    (F::Unproven, F::EventsDue, UNTOLD),
    (F::Unproven, F::FinishDue, UNTOLD),
];

/// An earlier process may have run it; runner 1, which may tell, has not been asked.
pub(super) fn teardown_unclear(world: &mut World) {
    world.state.teardown = Teardown::Unclear;
    world.pod(1);
    world.runner(1).status = None;
}

/// Runner 1 runs though the run ends.
fn runner_to_stop(world: &mut World) {
    termination(world);
    world.pod(1);
    world.answers(1, RUNNING);
}

/// Runner 2 has ended and can be reached.
fn teardown_due(world: &mut World) {
    world.state.teardown = Teardown::Due;
    world.pod(2);
    world.answers(2, ENDED);
}

fn job_left(world: &mut World) {
    world.job(3, ours(3));
}

#[test]
fn nothing_special_means_that_it_is_over() {
    check_otherwise(Block::Stopped, &[FINISHED], false);
}

#[test]
fn each_fact_alone() {
    check_alone(Block::Stopped, CASES);
}

#[test]
fn of_two_facts_the_first() {
    check_pairs(Block::Stopped, CASES, EXCLUSIONS);
}

#[test]
fn the_cause_says_how_it_ends() {
    for cause in Cause::ALL {
        let stage = if cause.is_failure() { ERROR } else { FINISHED };
        check_actions(Block::Stopped, |world| world.ends(cause), F::Otherwise, &[stage]);
    }
}

#[test]
fn teardown_runs_once_and_where_it_can_be_answered() {
    let check = |teardown: Teardown, row: F, actions: &[A]| {
        let change = |world: &mut World| {
            teardown_due(world);
            world.state.teardown = teardown;
        };
        check_actions(Block::Stopped, change, row, actions);
    };
    check(Teardown::Due, F::TeardownDue, &[A::RunTeardown(2)]);
    check(Teardown::Running, F::TeardownDue, &[]);
    for over in [Teardown::NotOurs, Teardown::Past, Teardown::Done] {
        check(over, F::PodsLeft, &[]);
    }
    // GCk6 hears of these on the way.
    for failed in [Teardown::Lost, Teardown::Failed("why".to_owned())] {
        check(failed, F::PodsLeft, &[A::SendEvents]);
    }
    let nobody_ended = |world: &mut World| {
        teardown_due(world);
        world.answers(2, RUNNING);
    };
    check_actions(Block::Stopped, nobody_ended, F::PodsLeft, &[]);
    let has_taken_stop = |world: &mut World| {
        nobody_ended(world);
        world.runner(2).stopped = true;
    };
    check_actions(Block::Stopped, has_taken_stop, F::TeardownDue, &[A::RunTeardown(2)]);
}

#[test]
fn only_jobs_that_are_ours_are_deleted() {
    let check = |job: Job, row: F, actions: &[A]| {
        check_actions(Block::Stopped, |world| world.job(3, job), row, actions);
    };
    check(Job::Contested("job-3".to_owned()), F::JobsUnseen, &[A::InspectJob(3)]);
    check(Job::Unknown, F::JobsUnseen, &[A::InspectJob(3)]);
    for job in [Job::Gone("job-3".to_owned()), Job::Foreign, Job::Refused("no".to_owned())] {
        check(job, F::Otherwise, &[FINISHED]);
    }
}

#[test]
fn a_verdict_stops_nobody() {
    let verdict = |world: &mut World| {
        runner_to_stop(world);
        world.ends(Cause::ThresholdsCrossed);
    };
    check_actions(Block::Stopped, verdict, F::PodsLeft, &[]);
}

#[test]
fn gck6_is_not_told_while_it_may_be_the_namespaces_end() {
    let unclear = |world: &mut World| {
        events_due(world);
        world.ends(Cause::RunnerFailed);
        world.state.announcements.push(Announcement::warning("Failed", "why"));
    };
    check_actions(Block::Stopped, unclear, F::EventsDue, &[A::Announce]);
    let clear = |world: &mut World| {
        unclear(world);
        world.ends(Cause::OutOfMemory);
    };
    check_actions(Block::Stopped, clear, F::EventsDue, &[A::Announce, A::SendEvents]);
}

#[test]
fn nothing_is_told_of_a_run_of_somebody_else() {
    let denied = |world: &mut World| {
        events_due(world);
        finish_due(world);
        world.state.proof = crate::testrun::proof::Proof::Denied;
    };
    check_actions(Block::Stopped, denied, F::Otherwise, &[ERROR]);
}
