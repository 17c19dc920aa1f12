//! What the conditions say of a run that does not move on, and from when.

use std::time::Duration;

use super::super::make;
use super::super::world::{ENDED, NOW, RUNNING, World};
use super::world;
use crate::testrun::action::{Action, StatusWrite};
use crate::testrun::diagnose::{self, HOLD_UP_PATIENCE};
use crate::testrun::facts::SILENCE_MAX;
use crate::testrun::state::{Crowd, Job, Keeping};
use crate::testrun::table::Block;

const TICK: Duration = Duration::from_millis(1);
const STEP_PATIENCE: Duration = Duration::from_secs(30);

/// Nothing is said until `after` has passed; then `message` is, which is written into the conditions.
#[track_caller]
fn check(mut world: World, after: Duration, message: &str) {
    let write = Action::WriteStatus(StatusWrite::Conditions);
    world.now = NOW + after - TICK;
    assert_eq!(diagnose::trouble(&world.facts()), None, "too early: {message}");
    assert!(!world.decide().actions.contains(&write), "too early: {message}");
    world.now += TICK;
    assert_eq!(diagnose::trouble(&world.facts()).as_deref(), Some(message));
    assert!(world.decide().actions.contains(&write), "{message}");
    world.state.trouble_said = Some(message.to_owned());
    world.state.trouble_said_at = Some(world.now);
    assert!(!world.decide().actions.contains(&write), "it was said: {message}");
}

#[test]
fn gck6_has_not_confirmed_the_run() {
    let message = "GCk6 has not confirmed since the agent's start that test run 101 belongs to PrivateLoadZone \
                   load/edge: no route";
    for block in [Block::New, Block::Created, Block::Started] {
        let unproven = world(block, |world| {
            make::unproven(world);
            world.state.proof_error = Some("no route".to_owned());
        });
        check(unproven, HOLD_UP_PATIENCE, message);
    }
    // It mostly takes no longer than the question.
    let asked = world(Block::Created, |world| {
        make::unproven(world);
        world.now += 10 * HOLD_UP_PATIENCE;
    });
    assert_eq!(diagnose::trouble(&asked.facts()), None);
}

#[test]
fn somebody_else_has_the_name_of_its_secret() {
    let foreign = world(Block::New, |world| world.state.keeping = Keeping::Foreign);
    let message = "Secret load/plz-test-101 exists and belongs to something else; delete it";
    check(foreign, HOLD_UP_PATIENCE, message);
}

#[test]
fn the_api_server_refuses() {
    let refused = world(Block::Created, |world| {
        world.runner(1).status = None;
        world.state.refusal = Some("grant the agent create on jobs".to_owned());
    });
    check(refused, HOLD_UP_PATIENCE, "grant the agent create on jobs");
}

#[test]
fn a_runner_does_not_answer() {
    let silent = |world: &mut World| {
        world.runner(1).status = None;
        world.runner(1).resumed = false;
    };
    check(world(Block::Created, silent), STEP_PATIENCE, "runner 1/3: k6 is loading the script");
    let told = world(Block::Created, |world| {
        silent(world);
        world.runner(1).trouble = Some("refused".to_owned());
    });
    check(told, STEP_PATIENCE, "runner 1/3: refused");
    // From its last step on.
    let moved = world(Block::Created, |world| {
        silent(world);
        world.runner(1).moved_at = NOW + Duration::from_secs(7);
    });
    check(moved, STEP_PATIENCE + Duration::from_secs(7), "runner 1/3: k6 is loading the script");
}

#[test]
fn a_runner_has_no_pod() {
    let podless = world(Block::Created, |world| {
        world.job(1, Job::Ours("without-a-pod".to_owned()));
        world.runner(1).status = None;
    });
    let message =
        "runner 1/3: Job plz-test-101-1 has no pod yet; check its Events for a quota or an admission webhook";
    check(podless, HOLD_UP_PATIENCE, message);
}

#[test]
fn running_runners_fall_silent() {
    let silent = |numbers: &'static [u32]| {
        world(Block::Started, |world| {
            (1..=3).for_each(|n| world.answers(n, RUNNING));
            for n in numbers {
                world.runner(*n).silent_since = Some(NOW);
                world.runner(*n).trouble = Some("timeout".to_owned());
            }
        })
    };
    check(silent(&[2]), SILENCE_MAX, "runner 2/3 has not answered for 15 s: timeout");
    check(silent(&[1, 2, 3]), SILENCE_MAX, "runner 1/3 has not answered for 15 s, and 2 more: timeout");
    let mut over = silent(&[2]);
    over.answers(2, ENDED);
    over.now += SILENCE_MAX;
    assert_eq!(diagnose::trouble(&over.facts()), None, "who has ended owes no answer");
}

#[test]
fn teardown_waits_for_its_turn() {
    let waits = world(Block::Stopped, |world| world.state.user_code_waits = Some(Crowd { all: 8, own: 2 }));
    let message = "teardown() is waiting for its turn: 8 setup() and teardown() functions are running, 2 of them in \
                   namespace load";
    assert_eq!(diagnose::trouble(&waits.facts()).as_deref(), Some(message));
    assert_eq!(diagnose::stalls_at(&waits.facts()), None);
}

#[test]
fn what_was_said_stands_for_a_while() {
    let mut world = world(Block::Created, |world| {
        world.state.trouble_said = Some("before".to_owned());
        world.state.trouble_said_at = Some(NOW);
        world.runner(1).status = None;
    });
    let write = Action::WriteStatus(StatusWrite::Conditions);
    let again = NOW + Duration::from_secs(30);
    world.now = again - TICK;
    assert!(!world.decide().actions.contains(&write));
    world.now = again;
    assert!(world.decide().actions.contains(&write), "it holds no more, or another does");
}
