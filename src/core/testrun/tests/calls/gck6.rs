//! Calls to GCk6.

use serde_json::{Value, json};

use super::super::world::{World, token};
use super::call;
use crate::call::Call;
use crate::cloud::Host;
use crate::testrun::action::Action;
use crate::testrun::calls;
use crate::testrun::state::Teardown;
use crate::testrun::table::Block;
use crate::testrun::termination::Cause;

/// Host, line, body and idempotency key of a call.
#[track_caller]
fn sent(world: &World, action: Action) -> (Host, String, Value, Option<String>) {
    match call(world, action) {
        Some(Call::Cloud { request, token: with }) => {
            assert_eq!(with, token());
            let body = request.body.map(|body| serde_json::from_slice(&body).unwrap()).unwrap_or_default();
            (request.host, format!("{} {}", request.method, request.path), body, request.idempotency_key)
        }
        other => panic!("{action:?}: {other:?}"),
    }
}

#[track_caller]
fn check_read(world: &World, action: Action, fields: &str) {
    let line = format!("GET /loadtests/v4/test_runs(101)?$select={fields}");
    assert_eq!(sent(world, action), (Host::Api, line, Value::Null, None), "{action:?}");
}

const DATA: &str = "id,run_status,k8s_load_zones_config,k6_runtime_config,test_run_token,secrets_config,load_zone_distribution";
const CONFIRM: &str = "id,run_status,load_zone_distribution";

#[test]
fn without_a_token_nothing_is_sent() {
    let world = World::new(Block::Started);
    for action in
        [Action::Confirm, Action::FetchCredentials, Action::CheckState, Action::SendEvents, Action::Finish]
    {
        assert!(calls::build(&world.facts(), action, None).is_none(), "{action:?}");
        assert!(!calls::is_ready(&world.facts(), action, None), "{action:?}");
    }
}

#[test]
fn questions() {
    check_read(&World::new(Block::New), Action::FetchCredentials, DATA);
    check_read(&World::new(Block::Started), Action::CheckState, "id,run_status");
    // What Jobs are made of is asked along, and how many there are where nobody knows.
    check_read(&World::new(Block::New), Action::Confirm, DATA);
    for block in [Block::Created, Block::Started, Block::Stopped, Block::Gone] {
        let mut world = World::new(block);
        check_read(&world, Action::Confirm, CONFIRM);
        world.state.set_parallelism(0);
        check_read(&world, Action::Confirm, DATA);
    }
}

#[test]
fn which_run_it_is_does_not_come_from_the_spec() {
    let mut world = World::new(Block::Started);
    world.run.spec.test_run_id = "666".to_owned();
    check_read(&world, Action::CheckState, "id,run_status");
}

/// What GCk6 is told, in one word each.
#[track_caller]
fn check_told(change: impl FnOnce(&mut World), events: &[&str]) -> Option<String> {
    let mut world = World::new(Block::Stopped);
    world.state.told = false;
    change(&mut world);
    let (host, line, body, key) = sent(&world, Action::SendEvents);
    assert_eq!((host, line.as_str()), (Host::Ingest, "POST /orchestrator/v1/testruns/101/events"));
    let word = |event: &Value| match event["event_type"].as_str() {
        Some("TestRunErrorEvent") => {
            format!(
                "{} {}",
                event["event"]["error_code"],
                event["event"]["error_detail_public"].as_str().unwrap()
            )
        }
        _ => format!("abort by {}", event["event"]["origin"].as_str().unwrap()),
    };
    let found: Vec<String> = body.as_array().unwrap().iter().map(word).collect();
    assert_eq!(found, events);
    key
}

#[test]
fn why_it_ends() {
    check_told(|_| {}, &[]);
    check_told(|world| world.ends(Cause::AbortedByUser), &[]);
    check_told(|world| world.ends(Cause::ZoneDeleted), &["abort by user"]);
    check_told(|world| world.ends(Cause::OutOfMemory), &["8032 why", "abort by user"]);
    check_told(|world| world.ends(Cause::ThresholdsCrossed), &["8034 why"]);
    let failed = Teardown::Failed("TypeError".to_owned());
    check_told(|world| world.state.teardown = failed.clone(), &["8031 TypeError"]);
    let both = |world: &mut World| {
        world.ends(Cause::OutOfMemory);
        world.state.teardown = failed.clone();
    };
    check_told(both, &["8032 why", "abort by user", "8031 TypeError"]);
    let told = |world: &mut World| {
        both(world);
        world.state.told = true;
    };
    check_told(told, &["8031 TypeError"]);
}

#[test]
fn a_retry_has_the_key_of_the_first_try_and_another_run_has_another() {
    let ends = |world: &mut World| world.ends(Cause::OutOfMemory);
    let of_another = |world: &mut World| {
        ends(world);
        world.state.uid = "other-uid".to_owned();
    };
    let words = ["8032 why", "abort by user"];
    let key = check_told(ends, &words);
    assert!(key.is_some());
    assert_eq!(key, check_told(ends, &words));
    assert_ne!(key, check_told(of_another, &words));
}

#[test]
fn that_it_is_over() {
    let check = |cause: Option<Cause>, result: u8, status: i64| {
        let mut world = World::new(Block::Stopped);
        cause.into_iter().for_each(|cause| world.ends(cause));
        let (host, line, body, key) = sent(&world, Action::Finish);
        assert_eq!((host, line.as_str()), (Host::Ingest, "POST /v1/tests/101"));
        assert_eq!(
            body,
            json!({ "result_status": result, "run_status": status, "thresholds": {} }),
            "{cause:?}"
        );
        assert!(key.is_some());
    };
    check(None, 0, 3);
    check(Some(Cause::AbortedByUser), 0, 5);
    check(Some(Cause::TestRunDeleted), 0, 5);
    check(Some(Cause::OutOfMemory), 1, 6);
    check(Some(Cause::ThresholdsCrossed), 1, 3);
}
