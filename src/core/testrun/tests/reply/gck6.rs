//! GCk6 about the run.

use serde_json::json;

use super::super::world::{NOW, World};
use super::{GARBAGE, Is, apply, cloud, cloud_lost, cloud_status};
use crate::call::Reply;
use crate::cloud::RunStatus;
use crate::testrun::action::Action;
use crate::testrun::credentials::Credentials;
use crate::testrun::state::{Keeping, Teardown};
use crate::testrun::table::Block;
use crate::testrun::template::tests::plain_data;

const URL: &str = "https://bucket.s3.amazonaws.com/a.tar?X-Amz-Expires=300";

#[test]
fn the_archive_asked_for_again() {
    let check = |reply: Reply, outcome, keeping: &Keeping| {
        let mut world = World::new(Block::New);
        world.state.keeping = Keeping::Lost;
        let said = format!("{reply:?}");
        assert_eq!(Is::of(&apply(&mut world, Action::FetchCredentials, reply)), outcome, "{said}");
        assert_eq!(&world.state.keeping, keeping, "{said}");
    };
    let in_hand = Keeping::InHand(Credentials::of(&plain_data()).unwrap());
    let refused = |why: &str| Keeping::Refused(why.to_owned());
    check(
        cloud(json!({ "id": 101, "k8s_load_zones_config": { "k6_archive_temp_public_url": URL } })),
        Is::Done,
        &in_hand,
    );
    check(cloud(json!({ "id": 101 })), Is::Done, &refused("GCk6 no longer names its archive"));
    check(cloud_status(404), Is::Done, &refused("GCk6 does not say: GCk6 answered 404: {}"));
    check(cloud_status(403), Is::Done, &refused("GCk6 does not say: GCk6 answered 403: {}"));
    check(cloud_status(401), Is::TokenRefused, &Keeping::Lost);
    check(cloud_status(503), Is::Again, &Keeping::Lost);
    check(cloud_lost(), Is::Again, &Keeping::Lost);
    // No answer about this run says that it has no archive.
    GARBAGE.into_iter().for_each(|body| check(cloud(body), Is::Again, &Keeping::Lost));
    check(cloud(json!({ "id": 102 })), Is::Again, &Keeping::Lost);
    check(cloud(json!({ "id": [], "k8s_load_zones_config": 7 })), Is::Again, &Keeping::Lost);
}

#[test]
fn the_state_of_the_run() {
    let check = |reply: Reply, outcome, status: Option<RunStatus>, missing: u32, is_answered: bool| {
        let mut world = World::new(Block::Started);
        world.state.state_missing = 1;
        world.state.cloud_status = Some(RunStatus::RUNNING);
        let said = format!("{reply:?}");
        assert_eq!(Is::of(&apply(&mut world, Action::CheckState, reply)), outcome, "{said}");
        assert_eq!((world.state.cloud_status, world.state.state_missing), (status, missing), "{said}");
        assert_eq!(world.state.state_as_of, is_answered.then_some(NOW), "{said}");
    };
    let before = Some(RunStatus::RUNNING);
    for number in [-2, 2, 3, 5, 42] {
        check(cloud(json!({ "run_status": number })), Is::Done, Some(RunStatus(number)), 0, true);
    }
    check(cloud_status(404), Is::Done, before, 2, true);
    check(cloud_status(403), Is::Done, before, 1, true);
    check(cloud_status(422), Is::Done, before, 1, true);
    check(cloud_status(401), Is::TokenRefused, before, 1, false);
    check(cloud_status(503), Is::Again, before, 1, false);
    check(cloud_lost(), Is::Again, before, 1, false);
    GARBAGE.into_iter().for_each(|body| check(cloud(body), Is::Again, before, 1, false));
    check(cloud(json!({ "run_status": "aborted" })), Is::Again, before, 1, false);
    check(cloud(json!({ "run_status": null })), Is::Again, before, 1, false);
}

#[test]
fn what_gck6_is_told() {
    let check = |reply: Reply, outcome, is_told: bool| {
        let mut world = World::new(Block::Stopped);
        world.state.told = false;
        world.state.teardown = Teardown::Failed("why".to_owned());
        world.state.sending_events();
        let said = format!("{reply:?}");
        assert_eq!(Is::of(&apply(&mut world, Action::SendEvents, reply)), outcome, "{said}");
        assert_eq!((world.state.told, world.state.teardown_told), (is_told, is_told), "{said}");
    };
    GARBAGE.into_iter().for_each(|body| check(cloud(body), Is::Done, true));
    for code in [400, 403, 404, 409, 422] {
        check(cloud_status(code), Is::Done, true);
    }
    check(cloud_status(401), Is::TokenRefused, false);
    check(cloud_status(500), Is::Again, false);
    check(cloud_lost(), Is::Again, false);
}

#[test]
fn a_teardown_that_fails_while_gck6_is_told_of_the_end_is_told_later() {
    let mut world = World::new(Block::Stopped);
    world.state.told = false;
    world.state.sending_events();
    world.state.teardown = Teardown::Failed("why".to_owned());
    let _ = apply(&mut world, Action::SendEvents, cloud(""));
    assert_eq!((world.state.told, world.state.teardown_told), (true, false));
}

#[test]
fn the_end_of_the_run() {
    let check = |reply: Reply, outcome, finish: Option<Result<(), &str>>| {
        let mut world = World::new(Block::Stopped);
        world.state.finish = None;
        let said = format!("{reply:?}");
        assert_eq!(Is::of(&apply(&mut world, Action::Finish, reply)), outcome, "{said}");
        assert_eq!(world.state.finish, finish.map(|finish| finish.map_err(str::to_owned)), "{said}");
    };
    GARBAGE.into_iter().for_each(|body| check(cloud(body), Is::Done, Some(Ok(()))));
    check(cloud_status(404), Is::Done, Some(Err("GCk6 answered 404: {}")));
    check(cloud_status(422), Is::Done, Some(Err("GCk6 answered 422: {}")));
    check(cloud_status(401), Is::TokenRefused, None);
    check(cloud_status(502), Is::Again, None);
    check(cloud_lost(), Is::Again, None);
}

#[test]
fn an_answer_to_the_question_whose_the_run_is_goes_elsewhere() {
    let mut world = World::new(Block::Created);
    world.state.proof = crate::testrun::proof::Proof::Unknown;
    assert_eq!(Is::of(&apply(&mut world, Action::Confirm, cloud_status(404))), Is::Done);
    assert_eq!(world.state.proof, crate::testrun::proof::Proof::Unknown);
}
