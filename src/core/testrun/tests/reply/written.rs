//! The API server about the `TestRun` itself and the Events on it.

use serde_json::{Value, json};

use super::super::world::{NOW, World};
use super::{GARBAGE, Is, apply, kubernetes, lost, refused};
use crate::announce::Announcement;
use crate::api::run::Stage;
use crate::call::Reply;
use crate::testrun::action::{Action, StatusWrite};
use crate::testrun::proof::Proof;
use crate::testrun::state::{Teardown, Writing};
use crate::testrun::table::Block;
use crate::testrun::termination::Cause;

fn run() -> Value {
    json!({ "metadata": { "name": "plz-test-101", "namespace": "load", "uid": "run-uid" } })
}

fn terminating() -> Reply {
    let body = json!({ "kind": "Status", "reason": "Forbidden", "message": "no", "code": 403,
        "details": { "causes": [{ "reason": "NamespaceTerminating" }] } });
    Reply::Kubernetes(k8s::status::interpret(403, None, body.to_string().into_bytes()))
}

/// A run whose status is being written.
fn writing(block: Block, write: StatusWrite, trouble: Option<&str>) -> World {
    let mut world = World::new(block);
    world.state.teardown = Teardown::NotOurs;
    world.state.trouble_said = Some("before".to_owned());
    let trouble = trouble.map(str::to_owned);
    world.state.writing = Some(Writing { write, teardown_due: true, trouble, unheard: false });
    world
}

#[test]
fn a_stage_counts_once_it_is_written() {
    let write = StatusWrite::Stage(Stage::Stopped);
    let check = |reply: Reply, outcome, is_written: bool| {
        let mut world = writing(Block::Started, write, None);
        let said = format!("{reply:?}");
        let found = apply(&mut world, Action::WriteStatus(write), reply);
        assert_eq!(Is::of(&found), outcome, "{said}");
        let teardown = if is_written { Teardown::Due } else { Teardown::NotOurs };
        assert_eq!((&world.state.teardown, world.state.writing.is_none()), (&teardown, is_written), "{said}");
    };
    check(kubernetes(run()), Is::Run, true);
    check(refused(404, "NotFound"), Is::Done, false);
    for (code, reason) in [(403, "Forbidden"), (422, "Invalid"), (400, ""), (500, "")] {
        check(refused(code, reason), Is::Again, false);
    }
    lost().into_iter().for_each(|reply| check(reply, Is::Again, false));
}

/// Somebody else has written meanwhile, unless it was an earlier try of this process that nobody has heard of.
#[test]
fn a_conflict_says_that_the_stage_is_somebody_elses() {
    let write = StatusWrite::Stage(Stage::Stopped);
    let conflict = || refused(409, "Conflict");
    let check = |replies: Vec<Reply>, is_ours: bool| {
        let mut world = writing(Block::Started, write, None);
        let said = format!("{replies:?}");
        for reply in replies {
            assert_eq!(Is::of(&apply(&mut world, Action::WriteStatus(write), reply)), Is::Again);
        }
        crate::testrun::reply::recorded(&mut world.state, NOW, write);
        assert_eq!(world.state.teardown == Teardown::Due, is_ours, "{said}");
    };
    check(vec![conflict()], false);
    check(vec![conflict(), conflict()], false);
    check(vec![refused(403, "Forbidden"), conflict()], false);
    check(vec![refused(500, ""), conflict()], true);
    for reply in lost() {
        check(vec![reply, conflict()], true);
    }
}

#[test]
fn what_was_not_being_written_is_not_recorded() {
    let write = StatusWrite::Stage(Stage::Stopped);
    let mut world = writing(Block::Started, StatusWrite::Conditions, None);
    let _ = apply(&mut world, Action::WriteStatus(write), kubernetes(run()));
    assert_eq!((world.state.teardown, world.state.writing.is_some()), (Teardown::NotOurs, true));
}

/// The Event that goes with a write: its reason and its message.
#[track_caller]
fn check_event(mut world: World, write: StatusWrite, event: Option<(&str, &str)>) -> World {
    let _ = apply(&mut world, Action::WriteStatus(write), kubernetes(run()));
    let posted: Vec<_> = world.state.announcements.iter().collect();
    let found = posted.first().map(|event| (event.reason.as_str(), event.message.as_str()));
    assert_eq!((found, posted.len()), (event, usize::from(event.is_some())), "{write:?}");
    world
}

#[test]
fn what_a_condition_says_is_an_event_too() {
    let check = |block, proof, trouble, event| {
        let mut world = writing(block, StatusWrite::Conditions, trouble);
        world.state.proof = proof;
        let world = check_event(world, StatusWrite::Conditions, event);
        assert_eq!(world.state.trouble_said.as_deref(), trouble);
        assert_eq!(world.state.trouble_said_at, Some(NOW));
    };
    let slow = Some("slow");
    check(Block::New, Proof::Unknown, slow, Some(("Unconfirmed", "slow")));
    check(Block::Started, Proof::Unknown, slow, Some(("Unconfirmed", "slow")));
    check(Block::New, Proof::Proven, slow, Some(("Waiting", "the start is waiting: slow")));
    check(Block::Created, Proof::Proven, slow, Some(("Waiting", "the start is waiting: slow")));
    check(Block::Started, Proof::Proven, slow, Some(("RunnerSilent", "slow")));
    check(Block::Stopped, Proof::Proven, slow, Some(("Waiting", "the end is waiting: slow")));
    check(Block::Created, Proof::Proven, None, None);
}

#[test]
fn a_stage_that_is_written_is_an_event_where_people_wait_for_it() {
    let stage = |stage| StatusWrite::Stage(stage);
    let started = stage(Stage::Started);
    let message = "the test runs: all 3 runners were started together";
    let world = check_event(writing(Block::Created, started, None), started, Some(("Started", message)));
    assert_eq!((world.state.trouble_said, world.state.trouble_said_at), (None, None));
    let finished = ("Finished", "the test has ended on all runners");
    for end in [Stage::Finished, Stage::Error] {
        check_event(writing(Block::Stopped, stage(end), None), stage(end), Some(finished));
        let mut ended = writing(Block::Stopped, stage(end), None);
        ended.ends(Cause::OutOfMemory);
        check_event(ended, stage(end), None);
    }
    for quiet in [Stage::Created, Stage::Stopped] {
        check_event(writing(Block::New, stage(quiet), None), stage(quiet), None);
    }
}

#[test]
fn the_deletion_of_the_test_run() {
    let check = |reply: Reply, outcome, is_sent: bool| {
        let mut world = World::new(Block::Done);
        let said = format!("{reply:?}");
        assert_eq!(Is::of(&apply(&mut world, Action::DeleteTestRun, reply)), outcome, "{said}");
        assert_eq!(world.state.deletion_sent, is_sent, "{said}");
    };
    check(kubernetes(run()), Is::Done, true);
    GARBAGE.into_iter().for_each(|body| check(kubernetes(body), Is::Done, true));
    check(refused(404, "NotFound"), Is::Done, true);
    for (code, reason) in [(409, "Conflict"), (403, "Forbidden"), (422, "Invalid"), (500, "")] {
        check(refused(code, reason), Is::Again, false);
    }
    lost().into_iter().for_each(|reply| check(reply, Is::Again, false));
}

#[test]
fn the_removal_of_the_finalizer() {
    let check = |reply: Reply, outcome| {
        let said = format!("{reply:?}");
        assert_eq!(Is::of(&apply(&mut World::new(Block::Done), Action::Release, reply)), outcome, "{said}");
    };
    check(kubernetes(run()), Is::Run);
    check(refused(404, "NotFound"), Is::Done);
    for (code, reason) in [(409, "Conflict"), (403, "Forbidden"), (422, "Invalid"), (500, "")] {
        check(refused(code, reason), Is::Again);
    }
    lost().into_iter().for_each(|reply| check(reply, Is::Again));
}

#[test]
fn an_event_is_posted_once_and_not_insisted_on() {
    let check = |reply: Reply, outcome, left: usize| {
        let mut world = World::new(Block::Created);
        world.state.announcements =
            ["one", "two"].map(|message| Announcement::normal("Started", message)).into();
        let said = format!("{reply:?}");
        assert_eq!(Is::of(&apply(&mut world, Action::Announce, reply)), outcome, "{said}");
        assert_eq!(world.state.announcements.len(), left, "{said}");
        assert_eq!(world.state.announcements[left - 1].message, "two", "{said}");
    };
    check(kubernetes(json!({})), Is::Done, 1);
    GARBAGE.into_iter().for_each(|body| check(kubernetes(body), Is::Done, 1));
    check(refused(409, "AlreadyExists"), Is::Done, 1);
    check(terminating(), Is::Done, 1);
    for (code, reason) in [(403, "Forbidden"), (422, "Invalid"), (400, ""), (404, "NotFound")] {
        check(refused(code, reason), Is::EventRefused, 1);
    }
    check(refused(500, ""), Is::Again, 2);
    lost().into_iter().for_each(|reply| check(reply, Is::Again, 2));
}

#[test]
fn a_namespace_that_goes_takes_the_cause_with_it() {
    let check = |action: Action, cause: Cause, wanted: Cause| {
        let mut world = World::new(Block::Created);
        world.ends(cause);
        let _ = apply(&mut world, action, terminating());
        assert!(world.state.namespace_deleting);
        assert_eq!(world.state.ending.unwrap().cause, wanted);
    };
    for action in [Action::CreateJob(2), Action::Announce, Action::CreateCredentials] {
        check(action, Cause::RunnerFailed, Cause::NamespaceDeleted);
        check(action, Cause::OutOfMemory, Cause::OutOfMemory);
    }
}
