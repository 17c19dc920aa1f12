//! Calls to the API server.

use serde_json::json;

use super::super::world::{World, ours};
use super::{check_none, kubernetes};
use crate::announce::Announcement;
use crate::api::run::{FINALIZER, Stage};
use crate::testrun::action::{Action, StatusWrite};
use crate::testrun::credentials::Credentials;
use crate::testrun::state::{Job, Keeping};
use crate::testrun::table::Block;
use crate::testrun::template::tests::plain_data;
use crate::testrun::termination::Cause;

const RUN: &str = "/apis/k6.io/v1alpha1/namespaces/load/testruns/plz-test-101";
const SECRETS: &str = "/api/v1/namespaces/load/secrets";
const JOBS: &str = "/apis/batch/v1/namespaces/load/jobs";

#[test]
fn the_secret() {
    let mut world = World::new(Block::New);
    for keeping in [Keeping::Unknown, Keeping::Lost, Keeping::Kept, Keeping::Foreign] {
        world.state.keeping = keeping;
        check_none(&world, Action::CreateCredentials);
        let (line, _) = kubernetes(&world, Action::InspectCredentials);
        assert_eq!(line, format!("GET {SECRETS}/plz-test-101"));
    }
    world.state.keeping = Keeping::InHand(Credentials::of(&plain_data()).unwrap());
    let (line, body) = kubernetes(&world, Action::CreateCredentials);
    assert_eq!(line, format!("POST {SECRETS}"));
    assert_eq!(body["metadata"]["name"], "plz-test-101");
    assert_eq!(body["metadata"]["ownerReferences"][0]["uid"], "run-uid");
}

#[test]
fn the_creation_of_a_job() {
    let world = World::new(Block::New);
    let (line, body) = kubernetes(&world, Action::CreateJob(2));
    assert_eq!(line, format!("POST {JOBS}"));
    assert_eq!(body["metadata"]["name"], "plz-test-101-2");
    assert_eq!(body["metadata"]["ownerReferences"][0]["uid"], "run-uid");
}

/// What has waited while the run came to its end, or got further, is not made any more.
#[test]
fn no_job_is_made_too_late_or_of_nothing() {
    let without = |change: fn(&mut World)| {
        let mut world = World::new(Block::New);
        change(&mut world);
        check_none(&world, Action::CreateJob(2));
    };
    without(|world| world.state.plan = None);
    without(|world| world.ends(Cause::AbortedByUser));
    without(|world| world.state.block = Block::Created);
    without(|world| world.state.plan.as_mut().unwrap().spec.script = Default::default());
}

#[test]
fn a_job_is_made_of_the_plan_and_not_of_the_object() {
    let mut world = World::new(Block::New);
    world.run.spec.runner.image = "evil".to_owned();
    let (_, body) = kubernetes(&world, Action::CreateJob(2));
    assert!(!body.to_string().contains("evil"));
}

#[test]
fn the_look_at_a_job_and_its_events() {
    let mut world = World::new(Block::Created);
    assert_eq!(kubernetes(&world, Action::InspectJob(2)).0, format!("GET {JOBS}/plz-test-101-2"));
    let events = "/api/v1/namespaces/load/events?fieldSelector=involvedObject.uid%3Djob-2%2Creason%3DFailedCreate\
                  &limit=4";
    assert_eq!(kubernetes(&world, Action::ReadEvents(2)).0, format!("GET {events}"));
    world.job(2, Job::Unknown);
    check_none(&world, Action::ReadEvents(2));
    assert_eq!(kubernetes(&world, Action::InspectJob(2)).0, format!("GET {JOBS}/plz-test-101-2"));
}

#[test]
fn a_job_is_deleted_by_its_uid() {
    let mut world = World::new(Block::Stopped);
    world.job(2, ours(2));
    let (line, body) = kubernetes(&world, Action::DeleteJob(2));
    assert_eq!(line, format!("DELETE {JOBS}/plz-test-101-2"));
    assert_eq!(body["preconditions"], json!({ "uid": "job-2" }));
    assert_eq!(body["propagationPolicy"], "Background");
    for job in [Job::Unknown, Job::Unclear, Job::Foreign, Job::Contested("job-2".to_owned())] {
        world.job(2, job);
        check_none(&world, Action::DeleteJob(2));
    }
}

#[test]
fn the_test_run() {
    let mut world = World::new(Block::Started);
    let (line, body) = kubernetes(&world, Action::WriteStatus(StatusWrite::Stage(Stage::Stopped)));
    assert_eq!(line, format!("PATCH {RUN}/status"));
    assert_eq!(
        (&body["metadata"], &body["status"]["stage"]),
        (&json!({ "uid": "run-uid", "resourceVersion": "7" }), &json!("stopped"))
    );
    let (line, body) = kubernetes(&world, Action::DeleteTestRun);
    assert_eq!(line, format!("DELETE {RUN}"));
    assert_eq!(body["preconditions"], json!({ "uid": "run-uid" }));
    world.run.metadata.finalizers = vec!["other/finalizer".to_owned(), FINALIZER.to_owned()];
    let (line, body) = kubernetes(&world, Action::Release);
    assert_eq!(line, format!("PATCH {RUN}"));
    let metadata = json!({ "resourceVersion": "7", "finalizers": ["other/finalizer"] });
    assert_eq!(body, json!({ "metadata": metadata }));
}

#[test]
fn an_event() {
    let mut world = World::new(Block::Started);
    check_none(&world, Action::Announce);
    world.state.announcements = ["first", "second"].map(|text| Announcement::warning("Failed", text)).into();
    let (line, body) = kubernetes(&world, Action::Announce);
    assert_eq!(line, "POST /api/v1/namespaces/load/events");
    assert_eq!(
        (&body["type"], &body["reason"], &body["message"], &body["involvedObject"]["uid"]),
        (&json!("Warning"), &json!("Failed"), &json!("first"), &json!("run-uid"))
    );
    world.state.announcements = vec![Announcement::normal("Started", "first")];
    assert_eq!(kubernetes(&world, Action::Announce).1["type"], "Normal");
}
