//! The API server about the Secret and the Jobs of a run.

use serde_json::{Value, json};

use super::super::world::World;
use super::{GARBAGE, Is, apply, busy, kubernetes, lost, refused};
use crate::call::Reply;
use crate::testrun::action::Action;
use crate::testrun::credentials::Credentials;
use crate::testrun::state::{Job, Keeping};
use crate::testrun::table::Block;
use crate::testrun::template::tests::plain_data;

fn credentials() -> Credentials {
    Credentials::of(&plain_data()).unwrap()
}

/// An object that `owner` controls.
fn owned(owner: &str) -> Value {
    json!({ "metadata": { "name": "plz-test-101", "uid": "job-2",
        "ownerReferences": [{ "uid": owner, "controller": true }] } })
}

fn on_its_way_out(owner: &str) -> Value {
    let mut object = owned(owner);
    object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    object
}

#[track_caller]
fn check_secret(known: Keeping, action: Action, reply: Reply, outcome: Is, keeping: &Keeping) {
    let mut world = World::new(Block::New);
    world.state.keeping = known;
    let said = format!("{action:?}: {reply:?}");
    let found = apply(&mut world, action, reply);
    assert_eq!(Is::of(&found), outcome, "{said}");
    assert_eq!(&world.state.keeping, keeping, "{said}");
}

#[test]
fn the_creation_of_the_secret() {
    let in_hand = Keeping::InHand(credentials());
    let check = |reply, outcome, keeping: &Keeping| {
        check_secret(in_hand.clone(), Action::CreateCredentials, reply, outcome, keeping);
    };
    check(kubernetes(owned("run-uid")), Is::Done, &Keeping::Kept);
    // It was created, whatever comes back of it.
    GARBAGE.into_iter().for_each(|body| check(kubernetes(body), Is::Done, &Keeping::Kept));
    check(refused(409, "AlreadyExists"), Is::Done, &Keeping::Unknown);
    for (code, reason) in [(403, "Forbidden"), (422, "Invalid"), (400, "BadRequest"), (404, "NotFound")] {
        let why = Keeping::Refused(format!("no (HTTP {code} {reason})"));
        check(refused(code, reason), Is::Done, &why);
    }
    check(refused(500, "InternalError"), Is::Again, &in_hand);
    check(busy(429), Is::Later(7), &in_hand);
    lost().into_iter().for_each(|reply| check(reply, Is::Again, &in_hand));
}

#[test]
fn the_look_for_the_secret() {
    let check = |reply, outcome, keeping: &Keeping| {
        check_secret(Keeping::Unknown, Action::InspectCredentials, reply, outcome, keeping);
    };
    check(kubernetes(owned("run-uid")), Is::Done, &Keeping::Kept);
    check(kubernetes(owned("other")), Is::Again, &Keeping::Foreign);
    check(refused(404, "NotFound"), Is::Done, &Keeping::Lost);
    for reply in [refused(403, "Forbidden"), refused(500, ""), refused(401, "Unauthorized")] {
        check(reply, Is::Again, &Keeping::Unknown);
    }
    check(busy(503), Is::Later(7), &Keeping::Unknown);
    lost().into_iter().for_each(|reply| check(reply, Is::Again, &Keeping::Unknown));
    // Whose it is does not come out: a person would be told to delete it.
    GARBAGE.into_iter().for_each(|body| check(kubernetes(body), Is::Again, &Keeping::Unknown));
}

#[test]
fn what_is_at_hand_is_used_where_there_is_no_secret() {
    let mut world = World::new(Block::New);
    world.state.keeping = Keeping::Unknown;
    world.state.spare = Some(credentials());
    let _ = apply(&mut world, Action::InspectCredentials, refused(404, "NotFound"));
    assert_eq!((world.state.keeping, world.state.spare), (Keeping::InHand(credentials()), None));
}

/// What is made of the Job of runner 2 in a block, by an answer.
#[track_caller]
fn check_job(block: Block, known: Job, action: Action, reply: Reply, outcome: Is, job: &Job) {
    let mut world = World::new(block);
    world.job(2, known);
    let said = format!("{block}: {action:?}: {reply:?}");
    let found = apply(&mut world, action, reply);
    assert_eq!(Is::of(&found), outcome, "{said}");
    assert_eq!(&world.runner(2).job, job, "{said}");
}

fn ours() -> Job {
    Job::Ours("job-2".to_owned())
}

fn gone() -> Job {
    Job::Gone("job-2".to_owned())
}

fn contested() -> Job {
    Job::Contested("job-2".to_owned())
}

#[test]
fn the_creation_of_a_job() {
    let check = |known, reply, outcome, job: &Job| {
        check_job(Block::New, known, Action::CreateJob(2), reply, outcome, job);
    };
    check(Job::Unknown, kubernetes(owned("run-uid")), Is::Done, &ours());
    check(Job::Foreign, kubernetes(owned("run-uid")), Is::Done, &ours());
    check(Job::Unknown, kubernetes(owned("other")), Is::Done, &Job::Unclear);
    GARBAGE.into_iter().for_each(|body| check(Job::Unknown, kubernetes(body), Is::Done, &Job::Unclear));
    check(Job::Unknown, refused(409, "AlreadyExists"), Is::Done, &Job::Unclear);
    check(Job::Foreign, refused(409, "AlreadyExists"), Is::Again, &Job::Foreign);
    for (code, reason) in [(403, "Forbidden"), (422, "Invalid"), (400, "BadRequest"), (404, "NotFound")] {
        let why = Job::Refused(format!("no (HTTP {code} {reason})"));
        check(Job::Unknown, refused(code, reason), Is::Done, &why);
    }
    check(Job::Unknown, refused(500, ""), Is::Again, &Job::Unknown);
    check(Job::Unknown, busy(429), Is::Later(7), &Job::Unknown);
    lost().into_iter().for_each(|reply| check(Job::Unknown, reply, Is::Again, &Job::Unknown));
}

#[test]
fn the_look_at_a_job_before_the_start() {
    let check = |reply, outcome, job: &Job| {
        check_job(Block::New, Job::Unclear, Action::InspectJob(2), reply, outcome, job);
    };
    check(kubernetes(owned("run-uid")), Is::Done, &ours());
    check(kubernetes(on_its_way_out("run-uid")), Is::Done, &ours());
    check(kubernetes(owned("other")), Is::Again, &Job::Foreign);
    check(refused(404, "NotFound"), Is::Done, &Job::Unknown);
    for reply in [refused(403, "Forbidden"), refused(500, "")] {
        check(reply, Is::Again, &Job::Unclear);
    }
    lost().into_iter().for_each(|reply| check(reply, Is::Again, &Job::Unclear));
    GARBAGE.into_iter().for_each(|body| check(kubernetes(body), Is::Again, &Job::Unclear));
}

#[test]
fn the_look_at_a_job_later_on() {
    let empty = Job::Gone(String::new());
    for block in [Block::Created, Block::Started, Block::Stopped] {
        let check = |known, reply, outcome, job: &Job| {
            check_job(block, known, Action::InspectJob(2), reply, outcome, job);
        };
        check(Job::Unknown, kubernetes(owned("run-uid")), Is::Done, &ours());
        check(Job::Unknown, kubernetes(owned("other")), Is::Again, &Job::Foreign);
        check(Job::Unknown, refused(404, "NotFound"), Is::Done, &empty);
        check(Job::Unknown, refused(403, "Forbidden"), Is::Again, &Job::Unknown);
        lost().into_iter().for_each(|reply| check(Job::Unknown, reply, Is::Again, &Job::Unknown));
        // Taken for somebody else's, it would end the run, and be left where it is.
        GARBAGE.into_iter().for_each(|body| check(Job::Unknown, kubernetes(body), Is::Again, &Job::Unknown));
        GARBAGE.into_iter().for_each(|body| check(contested(), kubernetes(body), Is::Again, &contested()));
        check(contested(), kubernetes(owned("run-uid")), Is::Done, &ours());
        check(contested(), kubernetes(owned("other")), Is::Done, &gone());
        check(contested(), refused(404, "NotFound"), Is::Done, &gone());
    }
    let out = |block, job: &Job| {
        let reply = kubernetes(on_its_way_out("run-uid"));
        check_job(block, Job::Unknown, Action::InspectJob(2), reply, Is::Done, job);
    };
    out(Block::Created, &ours());
    out(Block::Stopped, &gone());
}

#[test]
fn the_deletion_of_a_job() {
    let check = |reply, outcome, job: &Job, is_noted: bool| {
        let mut world = World::new(Block::Stopped);
        world.job(2, ours());
        let said = format!("{reply:?}");
        let found = apply(&mut world, Action::DeleteJob(2), reply);
        assert_eq!(Is::of(&found), outcome, "{said}");
        assert_eq!(&world.runner(2).job, job, "{said}");
        assert_eq!(world.state.jobs_deleted.is_some(), is_noted, "{said}");
    };
    let deleted = Job::Deleted("job-2".to_owned());
    check(kubernetes(owned("run-uid")), Is::Done, &deleted, true);
    GARBAGE.into_iter().for_each(|body| check(kubernetes(body), Is::Done, &deleted, true));
    check(refused(404, "NotFound"), Is::Done, &deleted, false);
    check(refused(409, "Conflict"), Is::Again, &contested(), false);
    for reply in [refused(403, "Forbidden"), refused(422, "Invalid"), refused(500, "")] {
        check(reply, Is::Again, &ours(), false);
    }
    lost().into_iter().for_each(|reply| check(reply, Is::Again, &ours(), false));
}

#[test]
fn the_events_of_a_job() {
    let check = |reply, words: Option<&str>| {
        let mut world = World::new(Block::Created);
        world.runner(2).refusal = Some("before".to_owned());
        let found = apply(&mut world, Action::ReadEvents(2), reply);
        assert_eq!(Is::of(&found), Is::Done, "they are read again in their own time");
        assert_eq!(world.runner(2).refusal.as_deref(), words);
    };
    let list =
        json!({ "items": [{ "message": "Error creating: no", "lastTimestamp": "2026-01-01T00:00:00Z" }] });
    check(kubernetes(list), Some("no"));
    GARBAGE.into_iter().for_each(|body| check(kubernetes(body), Some("before")));
    check(refused(403, "Forbidden"), Some("before"));
    lost().into_iter().for_each(|reply| check(reply, Some("before")));
}

#[test]
fn an_answer_about_a_runner_that_there_is_not_changes_nothing() {
    for action in [Action::CreateJob(4), Action::InspectJob(4), Action::DeleteJob(4), Action::ReadEvents(4)] {
        let mut world = World::new(Block::Created);
        assert_eq!(Is::of(&apply(&mut world, action, kubernetes(owned("run-uid")))), Is::Done);
        assert_eq!(world.state.runners.len(), 3);
    }
}
