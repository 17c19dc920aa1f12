//! The call of each action: method, path and what of its body matters, and when there is none.

mod cluster;
mod gck6;
mod runners;

use serde_json::Value;

use super::world::{World, token};
use crate::call::Call;
use crate::testrun::action::{Action, StatusWrite};
use crate::testrun::calls;
use crate::testrun::table::Block;

/// The call of `action`, as the core makes it.
fn call(world: &World, action: Action) -> Option<Call> {
    let facts = world.facts();
    let token = token();
    let built = match action.runner() {
        Some(n) => calls::for_runner(&world.run, &world.state, facts.runner(n)?, action),
        None => calls::build(&facts, action, Some(&token)),
    };
    let is_ready = calls::is_ready(&facts, action, Some(&token));
    assert_eq!(is_ready, built.is_some(), "{action:?}: is_ready tells whether there is a call");
    built
}

/// The line and the body of a call to the API server.
#[track_caller]
fn kubernetes(world: &World, action: Action) -> (String, Value) {
    match call(world, action) {
        Some(Call::Kubernetes(request)) => {
            let body = serde_json::from_slice(&request.body).unwrap_or_default();
            (format!("{} {}", request.method, request.target), body)
        }
        other => panic!("{action:?}: {other:?}"),
    }
}

#[track_caller]
fn check_none(world: &World, action: Action) {
    assert!(call(world, action).is_none(), "{action:?}");
}

/// Every action, with runner 2 where it is about one.
pub(super) const ALL: [Action; 23] = [
    Action::Confirm,
    Action::FetchCredentials,
    Action::CreateCredentials,
    Action::InspectCredentials,
    Action::CreateJob(2),
    Action::InspectJob(2),
    Action::ReadEvents(2),
    Action::AskRunner(2),
    Action::ReadSetup(2),
    Action::RunSetup(2),
    Action::TakeSetupData(2),
    Action::SendSetupData(2),
    Action::ResumeRunner(2),
    Action::StopRunner(2),
    Action::RunTeardown(2),
    Action::DeleteJob(2),
    Action::CheckState,
    Action::SendEvents,
    Action::Finish,
    Action::WriteStatus(StatusWrite::Conditions),
    Action::DeleteTestRun,
    Action::Release,
    Action::Announce,
];

#[test]
fn the_same_call_twice_is_the_same() {
    for block in Block::ALL {
        let world = World::new(block);
        for action in ALL {
            let twice = [call(&world, action), call(&world, action)].map(|call| match call {
                Some(Call::Kubernetes(request)) => format!("{request:?} {:?}", request.body),
                Some(Call::Cloud { request, .. }) => {
                    format!("{request:?} {:?} {:?}", request.body, request.idempotency_key)
                }
                Some(Call::Runner { target, request }) => format!("{target:?} {request:?} {}", request.body),
                None => String::new(),
            });
            assert_eq!(twice[0], twice[1], "{block}: {action:?}");
        }
    }
}

#[test]
fn no_token_is_in_the_words_of_a_call() {
    for block in Block::ALL {
        for action in ALL {
            let shown = format!("{:?}", call(&World::new(block), action));
            assert!(!shown.contains("t0ken") && !shown.contains("X-Amz"), "{shown}");
        }
    }
}

#[test]
fn an_action_about_a_runner_is_built_for_one_and_no_other_is() {
    let world = World::new(Block::Created);
    let facts = world.facts();
    let token = token();
    for action in ALL {
        let runner = facts.runner(2).unwrap();
        let (one, whole) = (
            calls::for_runner(&world.run, &world.state, runner, action),
            calls::build(&facts, action, Some(&token)),
        );
        assert!(if action.runner().is_some() { whole.is_none() } else { one.is_none() }, "{action:?}");
    }
}
