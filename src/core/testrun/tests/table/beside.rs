//! What each row starts beside its own work: the state asked for, the trouble written down, GCk6 told. All of it is due here.

use super::super::world::World;
use super::{Case, created, new, started, stopped};
use crate::testrun::action::{Action as A, StatusWrite};
use crate::testrun::facts::STATE_CHECK_INTERVAL;
use crate::testrun::table::{Block, Fact as F};
use crate::testrun::termination::Cause;

const STATE: A = A::CheckState;
const TROUBLE: A = A::WriteStatus(StatusWrite::Conditions);
const EVENTS: A = A::SendEvents;

#[track_caller]
fn check(block: Block, cases: &[Case], ends: bool, wanted: &[(F, &[A])]) {
    for (fact, beside) in wanted {
        let case = cases.iter().find(|case| case.fact == *fact).unwrap();
        let mut world = World::new(block);
        (case.make)(&mut world);
        world.state.state_asked = world.now - STATE_CHECK_INTERVAL;
        world.state.trouble_said = Some("before".to_owned());
        if ends {
            let since = world.state.ending_since;
            world.ends(Cause::OutOfMemory);
            world.state.ending_since = since;
            world.state.told = false;
        }
        let decision = world.decide();
        assert_eq!(decision.row, (block, *fact));
        let found: Vec<A> =
            decision.actions.into_iter().filter(|action| [STATE, TROUBLE, EVENTS].contains(action)).collect();
        assert_eq!(found, *beside, "{block}: {fact:?}");
    }
}

#[test]
fn while_nothing_ends_the_run() {
    check(
        Block::New,
        new::CASES,
        false,
        &[
            (F::DeletionOverdue, &[]),
            (F::Unproven, &[TROUBLE]),
            (F::CredentialsMissing, &[STATE, TROUBLE]),
            (F::JobsMissing, &[STATE, TROUBLE]),
        ],
    );
    check(
        Block::Created,
        created::CASES,
        false,
        &[
            (F::DeletionOverdue, &[]),
            (F::JobsUnseen, &[STATE, TROUBLE]),
            (F::Unproven, &[TROUBLE]),
            (F::RunnersSilent, &[STATE, TROUBLE]),
            (F::SetupDue, &[STATE, TROUBLE]),
            (F::SetupDataDue, &[STATE]),
            (F::RunnersPaused, &[STATE]),
        ],
    );
    check(
        Block::Started,
        started::CASES,
        false,
        &[
            (F::DeletionOverdue, &[]),
            (F::JobsUnseen, &[STATE, TROUBLE]),
            (F::Unproven, &[TROUBLE]),
            (F::RunnersPaused, &[STATE]),
            (F::EndUnclear, &[STATE]),
            (F::RunnersRunning, &[STATE, TROUBLE]),
        ],
    );
}

#[test]
fn once_something_ends_the_run() {
    check(Block::New, new::CASES, true, &[(F::DeletionOverdue, &[EVENTS]), (F::Termination, &[])]);
    for (block, cases) in [(Block::Created, created::CASES), (Block::Started, started::CASES)] {
        check(
            block,
            cases,
            true,
            &[
                (F::DeletionOverdue, &[EVENTS]),
                (F::JobsUnseen, &[STATE, TROUBLE]),
                (F::StopOverdue, &[EVENTS]),
                (F::Termination, &[EVENTS]),
            ],
        );
    }
    check(
        Block::Stopped,
        stopped::CASES,
        true,
        &[
            (F::DeletionOverdue, &[EVENTS]),
            (F::JobsUnseen, &[EVENTS]),
            (F::TeardownUnclear, &[EVENTS]),
            (F::RunnersToStop, &[EVENTS]),
            (F::TeardownDue, &[EVENTS, TROUBLE]),
            (F::JobsLeft, &[EVENTS]),
            (F::PodsLeft, &[EVENTS]),
            (F::Unproven, &[]),
            (F::EventsDue, &[EVENTS]),
        ],
    );
}

/// A runner that runs is watched while GCk6 is asked about another's interruption.
#[test]
fn who_runs_is_watched_while_an_end_is_unclear() {
    let mut world = World::new(Block::Started);
    started::end_unclear(&mut world);
    world.answers(2, super::super::world::RUNNING);
    let decision = world.decide();
    assert_eq!((decision.row.1, decision.actions), (F::EndUnclear, vec![STATE, A::AskRunner(2)]));
}
