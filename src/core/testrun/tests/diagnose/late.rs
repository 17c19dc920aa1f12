//! A deadline has passed.

use std::time::Duration;

use super::super::world::{NOW, RUNNING, World};
use super::{check, check_none, world};
use crate::testrun::facts::{RUN_TIME_MAX, SETUP_TIME_MAX};
use crate::testrun::proof::Proof;
use crate::testrun::state::Setup;
use crate::testrun::table::Block;
use crate::testrun::termination::Cause;

const DEADLINE: Duration = Duration::from_secs(600);
const TICK: Duration = Duration::from_millis(1);

/// The run is known for so long.
fn known_for(time: Duration) -> impl Fn(&mut World) {
    move |world| world.state.known_since = NOW - time
}

fn silent(world: &mut World) {
    world.runner(1).status = None;
    world.runner(1).resumed = false;
}

#[test]
fn the_runners_are_not_ready() {
    let after = |time: Duration| {
        world(Block::Created, |world| {
            known_for(time)(world);
            silent(world);
        })
    };
    let message = "the runners were not ready within 600 s: runner 1/3: k6 is loading the script";
    check(&after(DEADLINE), Cause::StartDeadlineExceeded, message);
    check_none(&after(DEADLINE - TICK));
}

#[test]
fn gck6_has_not_confirmed_the_run() {
    let message = "the runners were not ready within 600 s: GCk6 has not confirmed since the agent's start that test \
        run 101 belongs to PrivateLoadZone load/edge: no route";
    for block in [Block::New, Block::Created] {
        let late = world(block, |world| {
            known_for(DEADLINE)(world);
            world.state.proof = Proof::Unknown;
            world.state.proof_error = Some("no route".to_owned());
        });
        check(&late, Cause::StartDeadlineExceeded, message);
    }
}

#[test]
fn setup_is_not_over() {
    let after = |time: Duration| {
        world(Block::Created, |world| {
            known_for(time)(world);
            (1..=3).for_each(|n| world.waits(n));
            world.state.setup = Setup::NotRun;
        })
    };
    let message = "setup() did not finish within 30 min after the runners' start";
    check(&after(DEADLINE + SETUP_TIME_MAX), Cause::StartDeadlineExceeded, message);
    check_none(&after(DEADLINE + SETUP_TIME_MAX - TICK));
}

#[test]
fn the_test_goes_on_and_on() {
    let after = |time: Duration| {
        world(Block::Started, |world| {
            (1..=3).for_each(|n| world.answers(n, RUNNING));
            world.state.since = NOW - time;
        })
    };
    check(&after(RUN_TIME_MAX), Cause::RunTimeExceeded, "the test did not end within 48 h");
    check_none(&after(RUN_TIME_MAX - TICK));
}
