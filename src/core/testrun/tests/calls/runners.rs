//! Calls to a runner.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::world::{NOW, World};
use super::{call, check_none};
use crate::call::{Call, RunnerTarget};
use crate::testrun::action::Action;
use crate::testrun::state::{Setup, SetupData};
use crate::testrun::table::Block;
use crate::testrun::termination::Cause;

const ALL: [Action; 8] = [
    Action::AskRunner(2),
    Action::ReadSetup(2),
    Action::RunSetup(2),
    Action::TakeSetupData(2),
    Action::SendSetupData(2),
    Action::ResumeRunner(2),
    Action::StopRunner(2),
    Action::RunTeardown(2),
];

#[track_caller]
fn check(world: &World, action: Action, line: &str, body: &Value) {
    let Some(Call::Runner { target, request }) = call(world, action) else { panic!("{action:?}") };
    let pod = RunnerTarget {
        namespace: "load".to_owned(),
        pod: "plz-test-101-2-x".to_owned(),
        ip: "10.0.0.2".to_owned(),
    };
    assert_eq!(target, pod, "{action:?}");
    assert_eq!(format!("{} {}", request.method, request.path), line, "{action:?}");
    let sent: Value = serde_json::from_str(&request.body).unwrap_or_default();
    assert_eq!(&sent, body, "{action:?}");
}

fn patch(attributes: &Value) -> Value {
    json!({ "data": { "type": "status", "id": "default", "attributes": attributes } })
}

#[test]
fn each_call() {
    let world = World::new(Block::Created);
    check(&world, Action::AskRunner(2), "GET /v1/status", &Value::Null);
    check(&world, Action::ReadSetup(2), "GET /v1/setup", &Value::Null);
    check(&world, Action::TakeSetupData(2), "GET /v1/setup", &Value::Null);
    check(&world, Action::RunSetup(2), "POST /v1/setup", &Value::Null);
    check(&world, Action::ResumeRunner(2), "PATCH /v1/status", &patch(&json!({ "paused": false })));
    check(&world, Action::StopRunner(2), "PATCH /v1/status", &patch(&json!({ "stopped": true })));
    check(&world, Action::RunTeardown(2), "POST /v1/teardown", &Value::Null);
}

#[test]
fn the_setup_data() {
    let mut world = World::new(Block::Created);
    check(&world, Action::SendSetupData(2), "PUT /v1/setup", &Value::Null);
    let data = SetupData { text: Arc::new("{\"a\":1}".to_owned()), runner: 1, since: NOW };
    world.state.setup = Setup::Run(Some(data));
    check(&world, Action::SendSetupData(2), "PUT /v1/setup", &json!({ "a": 1 }));
    for setup in [Setup::Unclear, Setup::NotRun, Setup::OnRunner(1), Setup::Failed("no".to_owned())] {
        world.state.setup = setup;
        check_none(&world, Action::SendSetupData(2));
    }
}

#[test]
fn long_data_are_asked_for_only_where_there_is_room() {
    let longest = |action: Action| match call(&World::new(Block::Created), action) {
        Some(Call::Runner { request, .. }) => request.answer_bytes_max(200),
        other => panic!("{action:?}: {other:?}"),
    };
    assert_eq!(longest(Action::ReadSetup(2)), crate::runner::SMALL_SETUP_BYTES_MAX);
    assert_eq!(longest(Action::RunSetup(2)), crate::runner::SMALL_SETUP_BYTES_MAX);
    assert_eq!(longest(Action::TakeSetupData(2)), crate::runner::SETUP_BYTES_MAX);
}

#[test]
fn nobody_is_let_go_once_the_run_ends() {
    let mut world = World::new(Block::Created);
    world.ends(Cause::AbortedByUser);
    check_none(&world, Action::ResumeRunner(2));
    assert!(call(&world, Action::StopRunner(2)).is_some());
}

#[test]
fn who_cannot_be_reached_is_not_called() {
    let without = |change: fn(&mut World)| {
        let mut world = World::new(Block::Created);
        change(&mut world);
        ALL.into_iter().for_each(|action| check_none(&world, action));
    };
    without(|world| world.job(2, crate::testrun::state::Job::Unknown));
    without(|world| world.pod_with(2, &json!({ "phase": "Pending", "podIP": "10.0.0.2" })));
    let running = json!([{ "name": "k6", "state": { "running": {} } }]);
    let mut world = World::new(Block::Created);
    world.pod_with(2, &json!({ "phase": "Running", "containerStatuses": running }));
    ALL.into_iter().for_each(|action| check_none(&world, action));
}
