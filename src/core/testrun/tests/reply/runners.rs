//! A runner about itself, `setup()` and `teardown()`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::world::{ENDED, NOW, PAUSED, RUNNING, World};
use super::{GARBAGE, Is, apply, from_runner, no_way, not_passed_on, runner_status, unreachable};
use crate::call::Reply;
use crate::runner;
use crate::testrun::action::Action;
use crate::testrun::state::{Setup, SetupData, Teardown};
use crate::testrun::table::Block;

const FAILED: &str = r#"{"errors":[{"title":"Error executing setup","detail":"TypeError"}]}"#;

fn status(number: u32) -> Value {
    json!({ "data": { "attributes": { "status": number } } })
}

fn data(value: &Value) -> Value {
    json!({ "data": { "attributes": { "data": value } } })
}

/// What k6 has answered to a status is what is known of it.
#[test]
fn a_status() {
    for action in [Action::AskRunner(2), Action::ResumeRunner(2), Action::StopRunner(2)] {
        let mut world = World::new(Block::Created);
        *world.runner(2) = Default::default();
        world.runner(2).trouble = Some("before".to_owned());
        world.runner(2).silent_since = Some(NOW);
        assert_eq!(Is::of(&apply(&mut world, action, from_runner(status(RUNNING)))), Is::Done);
        let runner = world.runner(2);
        assert_eq!(runner.status.unwrap().status, RUNNING, "{action:?}");
        assert_eq!((&runner.trouble, runner.silent_since), (&None, None), "{action:?}");
        assert_eq!(runner.resumed, action == Action::ResumeRunner(2), "{action:?}");
        assert_eq!(runner.stopped, action == Action::StopRunner(2), "{action:?}");
        let is_first = action == Action::ResumeRunner(2);
        assert_eq!(world.state.first_resumed, is_first.then_some(NOW), "{action:?}");
    }
}

/// What a call for a status teaches that brought none.
#[track_caller]
fn check_silence(action: Action, reply: Reply, words: &str, counts: bool) {
    let mut world = World::new(Block::Created);
    world.waits(2);
    let said = format!("{action:?}: {reply:?}");
    assert_eq!(Is::of(&apply(&mut world, action, reply)), Is::Again, "{said}");
    let runner = world.runner(2);
    assert_eq!(runner.silent_since.is_some(), counts, "{said}");
    let trouble = runner.trouble.clone().unwrap();
    assert!(trouble.starts_with(words), "{said}: {trouble}");
    // k6 refuses to be let go twice: it may have been, and is asked first.
    assert_eq!(runner.status.is_none(), action == Action::ResumeRunner(2), "{said}");
    assert!(!runner.resumed && !runner.stopped, "{said}");
}

#[test]
fn no_status() {
    for action in [Action::AskRunner(2), Action::ResumeRunner(2), Action::StopRunner(2)] {
        check_silence(action, unreachable(), "the runner did not answer: timeout", true);
        check_silence(action, not_passed_on(), "the runner was not called: forbidden", true);
        check_silence(action, no_way(), "the API server is away", false);
        check_silence(
            action,
            runner_status(404, "no such pod"),
            "the runner answered 404: no such pod",
            true,
        );
        check_silence(action, runner_status(503, ""), "the runner did not answer: 503", true);
        for body in GARBAGE {
            check_silence(action, from_runner(body), "the runner's answer is unreadable", true);
        }
        let other = json!({ "data": { "attributes": { "status": "ready" } } });
        check_silence(action, from_runner(other), "the runner's answer is unreadable", true);
    }
}

#[test]
fn silence_counts_from_its_beginning_and_not_while_nobody_could_ask() {
    let mut world = World::new(Block::Started);
    let _ = apply(&mut world, Action::AskRunner(2), unreachable());
    world.runner(2).silent_since = Some(NOW / 2);
    let _ = apply(&mut world, Action::AskRunner(2), unreachable());
    assert_eq!(world.runner(2).silent_since, Some(NOW / 2));
    let _ = apply(&mut world, Action::AskRunner(2), no_way());
    assert_eq!(world.runner(2).silent_since, None);
}

#[test]
fn the_end_of_a_runner_is_noted_once() {
    let mut world = World::new(Block::Started);
    world.answers(2, RUNNING);
    let _ = apply(&mut world, Action::AskRunner(2), from_runner(status(RUNNING)));
    assert_eq!(world.state.last_end, None);
    let _ = apply(&mut world, Action::AskRunner(2), from_runner(status(ENDED)));
    assert_eq!(world.state.last_end.take(), Some(NOW));
    let _ = apply(&mut world, Action::AskRunner(2), from_runner(status(ENDED)));
    assert_eq!(world.state.last_end, None, "it had ended before");
}

#[test]
fn a_runner_that_goes_on_shows_that_teardown_has_not_been_run() {
    for (number, teardown) in [(PAUSED, Teardown::Due), (RUNNING, Teardown::Due), (ENDED, Teardown::Unclear)]
    {
        let mut world = World::new(Block::Stopped);
        world.state.teardown = Teardown::Unclear;
        let _ = apply(&mut world, Action::AskRunner(2), from_runner(status(number)));
        assert_eq!(world.state.teardown, teardown, "{number}");
    }
    let mut world = World::new(Block::Stopped);
    world.state.teardown = Teardown::Lost;
    let _ = apply(&mut world, Action::AskRunner(2), from_runner(status(RUNNING)));
    assert_eq!(world.state.teardown, Teardown::Lost);
}

#[test]
fn an_answer_of_a_runner_that_there_is_not_changes_nothing() {
    for action in [Action::AskRunner(4), Action::SendSetupData(4)] {
        let mut world = World::new(Block::Created);
        assert_eq!(Is::of(&apply(&mut world, action, from_runner(status(ENDED)))), Is::Done);
        assert_eq!((world.state.runners.len(), world.state.last_end), (3, None));
    }
}

fn held(text: &str, runner: u32) -> Setup {
    Setup::Run(Some(SetupData { text: Arc::new(text.to_owned()), runner, since: NOW }))
}

#[track_caller]
fn check_setup(action: Action, reply: Reply, outcome: Is, setup: &Setup) {
    let mut world = World::new(Block::Created);
    world.state.setup = Setup::Unclear;
    let said = format!("{action:?}: {reply:?}");
    assert_eq!(Is::of(&apply(&mut world, action, reply)), outcome, "{said}");
    assert_eq!(&world.state.setup, setup, "{said}");
}

fn too_large() -> Reply {
    Reply::Runner(Err(runner::Error::TooLarge))
}

#[test]
fn setup_that_was_run() {
    let check = |reply, outcome, setup: &Setup| check_setup(Action::RunSetup(1), reply, outcome, setup);
    check(from_runner(data(&json!({ "a": [1] }))), Is::Done, &held(r#"{"a":[1]}"#, 1));
    check(from_runner(data(&json!(null))), Is::Done, &Setup::Run(None));
    check(from_runner("{}"), Is::Done, &Setup::Run(None));
    check(too_large(), Is::Done, &Setup::OnRunner(1));
    check(
        runner_status(500, FAILED),
        Is::Done,
        &Setup::Failed("Error executing setup: TypeError".to_owned()),
    );
    // Whoever has cut it short: it is run again.
    for reply in [unreachable(), not_passed_on(), no_way(), runner_status(404, ""), from_runner("<html>")] {
        check(reply, Is::Again, &Setup::NotRun);
    }
}

#[test]
fn setup_that_may_have_been_run() {
    let check = |reply, outcome, setup: &Setup| check_setup(Action::ReadSetup(3), reply, outcome, setup);
    check(from_runner(data(&json!(7))), Is::Done, &held("7", 3));
    check(from_runner(data(&json!(null))), Is::Done, &Setup::NotRun);
    check(from_runner("{}"), Is::Done, &Setup::NotRun);
    check(too_large(), Is::Done, &Setup::OnRunner(3));
    // The script has failed in another call; this one only reads.
    for reply in [unreachable(), no_way(), runner_status(500, FAILED), from_runner("<html>")] {
        check(reply, Is::Again, &Setup::Unclear);
    }
}

#[test]
fn setup_data_that_waited_on_their_runner() {
    let check = |reply, outcome, setup: &Setup| check_setup(Action::TakeSetupData(2), reply, outcome, setup);
    check(from_runner(data(&json!("x"))), Is::Done, &held("\"x\"", 2));
    check(from_runner(data(&json!(null))), Is::Done, &Setup::Run(None));
    let message = runner::Error::TooLarge.to_string();
    check(too_large(), Is::Done, &Setup::Failed(message));
    for reply in [unreachable(), no_way(), from_runner("<html>")] {
        check(reply, Is::Again, &Setup::Unclear);
    }
}

#[test]
fn setup_data_handed_out() {
    let check = |reply: Reply, outcome, is_sent: bool| {
        let mut world = World::new(Block::Created);
        world.state.setup = held("1", 1);
        world.runner(2).data_sent = false;
        let said = format!("{reply:?}");
        assert_eq!(Is::of(&apply(&mut world, Action::SendSetupData(2), reply)), outcome, "{said}");
        assert_eq!(world.runner(2).data_sent, is_sent, "{said}");
        let left = if is_sent { Setup::Run(None) } else { held("1", 1) };
        assert_eq!(world.state.setup, left, "{said}: held until all have them");
    };
    GARBAGE.into_iter().for_each(|body| check(from_runner(body), Is::Done, true));
    for reply in [unreachable(), not_passed_on(), no_way(), runner_status(404, ""), runner_status(500, "x")] {
        check(reply, Is::Again, false);
    }
}

#[test]
fn teardown_is_run_once_whatever_is_answered() {
    let check = |reply: Reply, outcome, teardown: &Teardown| {
        let mut world = World::new(Block::Stopped);
        world.state.teardown = Teardown::Running;
        let said = format!("{reply:?}");
        assert_eq!(Is::of(&apply(&mut world, Action::RunTeardown(2), reply)), outcome, "{said}");
        assert_eq!(&world.state.teardown, teardown, "{said}");
        let events: Vec<_> = world.state.announcements.iter().map(|event| event.reason.as_str()).collect();
        let failed = matches!(teardown, Teardown::Failed(_));
        assert_eq!(events, if failed { vec!["TeardownFailed"] } else { vec![] }, "{said}");
    };
    let failed = |message: &str| Teardown::Failed(message.to_owned());
    GARBAGE.into_iter().for_each(|body| check(from_runner(body), Is::Done, &Teardown::Done));
    let script = failed("teardown() of the script failed: Error executing setup: TypeError");
    check(runner_status(500, FAILED), Is::Done, &script);
    let lost = failed("teardown() could not be run: the runner did not answer: timeout");
    check(unreachable(), Is::Done, &lost);
    let away = failed("teardown() could not be run: the API server is away");
    check(no_way(), Is::Done, &away);
    let answered = failed("teardown() could not be run: the runner answered 404: x");
    check(runner_status(404, "x"), Is::Done, &answered);
    // It has not come to the runner.
    check(not_passed_on(), Is::Again, &Teardown::Due);
}
