//! The test has come to an end that it has made itself, or that somebody has made on a runner.

use std::time::Duration;

use serde_json::json;

use super::super::world::{ENDED, INTERRUPTED, MARKED_AS_FAILED, NOW, RUNNING, World};
use super::{check, check_none, world};
use crate::testrun::facts::CLOUD_WORD_PATIENCE;
use crate::testrun::table::Block;
use crate::testrun::termination::Cause;

const WHO: &str = "runner 2/3 (pod plz-test-101-2-x)";

/// k6 has exited on runner 2 with this code and message.
fn exits(world: &mut World, code: i32, message: &str) {
    let phase = if code == 0 { "Succeeded" } else { "Failed" };
    let end = json!({ "exitCode": code, "message": message });
    world.pod_with(
        2,
        &json!({ "phase": phase,
        "containerStatuses": [{ "name": "k6", "state": { "terminated": end } }] }),
    );
    world.runner(2).status = None;
}

/// The others run.
fn others_run(world: &mut World) {
    [1, 3].into_iter().for_each(|n| world.answers(n, RUNNING));
}

#[test]
fn one_that_cuts_its_test_short_ends_the_whole() {
    let with = |code: i32, message: &str| {
        world(Block::Started, |world| {
            others_run(world);
            exits(world, code, message);
        })
    };
    let aborted = format!("the script called test.abort() on {WHO}: enough");
    check(&with(108, "enough"), Cause::ScriptAborted, &aborted);
    let stopped = format!("somebody stopped the test through k6's REST API on {WHO}");
    check(&with(103, ""), Cause::StoppedOnRunner, &stopped);
    // How it came out counts once all are over.
    [0, 99, 110].into_iter().for_each(|code| check_none(&with(code, "")));
}

#[test]
fn how_it_came_out_counts_once_all_are_over() {
    let with = |code: i32| world(Block::Started, |world| exits(world, code, ""));
    check(&with(99), Cause::ThresholdsCrossed, &format!("thresholds were crossed on {WHO}"));
    check(&with(110), Cause::MarkedAsFailed, &format!("the script called test.fail() on {WHO}"));
    check_none(&with(0));
    let lingers = world(Block::Started, |world| world.answers(2, MARKED_AS_FAILED));
    check(&lingers, Cause::MarkedAsFailed, &format!("the script called test.fail() on {WHO}"));
}

/// Runner 2 was interrupted just now.
fn interrupted(world: &mut World) {
    others_run(world);
    world.answers(2, INTERRUPTED);
    world.state.last_end = Some(NOW);
}

#[test]
fn an_interruption_waits_for_gck6s_word() {
    let message = format!(
        "the test was interrupted: the script called test.abort(), or somebody stopped it through k6's REST API on {WHO}"
    );
    check_none(&world(Block::Started, interrupted));
    let asked_since = world(Block::Started, |world| {
        interrupted(world);
        world.state.state_as_of = Some(NOW);
    });
    check(&asked_since, Cause::Interrupted, &message);
    let not_answered = world(Block::Started, |world| {
        interrupted(world);
        world.now += CLOUD_WORD_PATIENCE;
    });
    check(&not_answered, Cause::Interrupted, &message);
}

#[test]
fn an_end_that_the_agent_has_made_is_none() {
    check_none(&world(Block::Started, |world| {
        interrupted(world);
        world.state.state_as_of = Some(NOW + Duration::from_secs(1));
        world.runner(2).stopped = true;
    }));
}

/// Nobody was let go yet.
fn before_the_start(world: &mut World) {
    (1..=3).for_each(|n| world.waits(n));
}

#[test]
fn the_end_of_a_test_that_has_not_begun_is_no_end() {
    let with = |code: i32, message: &str| {
        world(Block::Created, |world| {
            before_the_start(world);
            exits(world, code, message);
        })
    };
    let ended = |code: i32, words: &str| {
        format!("k6 exited with code {code} ({words}) on {WHO} before its test could start")
    };
    check(&with(0, ""), Cause::CouldNotStart, &ended(0, "as after a test that has passed"));
    let crossed = ended(99, "thresholds were crossed") + ": http_req_failed";
    check(&with(99, "http_req_failed"), Cause::CouldNotStart, &crossed);
    let aborted = format!("the script called test.abort() on {WHO}: in init");
    check(&with(108, "in init"), Cause::ScriptAborted, &aborted);
}

#[test]
fn once_one_was_let_go_the_test_has_begun() {
    check_none(&world(Block::Created, |world| {
        before_the_start(world);
        world.answers(2, ENDED);
        world.runner(1).resumed = true;
    }));
}
