//! The Secret of a run: who may read what it holds, and what becomes of a run that cannot have it.

use super::*;
use sim::api::{Fault, Status};

/// A part of every presigned URL.
const PRESIGNED: &str = "X-Amz-Signature";

fn secret(id: u64) -> Key {
    Key::new(Kind::Secret, NAMESPACE, &format!("plz-test-{id}"))
}

/// Fails if anything but a Secret holds a presigned URL or the run's token.
#[track_caller]
fn nothing_else_shows_it(drive: &Drive, token: &str) {
    for kind in [Kind::TestRun, Kind::Job, Kind::Pod, Kind::Event, Kind::PrivateLoadZone] {
        for (key, object) in drive.world.api.objects(kind, NAMESPACE) {
            let text = object.to_string();
            assert!(!text.contains(PRESIGNED) && !text.contains(token), "{key:?}: {text}");
        }
    }
}

#[test]
fn who_may_not_read_secrets_sees_neither_the_url_nor_the_token() {
    let mut story = Story::new();
    let data = json!({
        "test_run_token": "run-t0ken",
        "secrets_config": { "endpoint": "https://secrets.invalid/{key}", "response_path": "plaintext" },
    });
    let id = story.run_with(2, data);
    story.stage(id, "started", s(5));
    nothing_else_shows_it(&story.drive, "run-t0ken");
    let kept = story.drive.world.object(Kind::Secret, NAMESPACE, &format!("plz-test-{id}"));
    assert_eq!(kept["data"].as_object().unwrap().len(), 2, "the URL and the token are in there");
    story.over(id, s(20), 3);
    assert!(story.drive.world.api.object(&secret(id)).is_none(), "it goes with the run");
}

/// Refuses every create of a Secret for as long as the API server stumbles.
fn no_secret(status: fn() -> Status) -> Option<sim::api::FaultHook> {
    Some(Box::new(move |_, call, _| {
        let is_meant = call.verb == "create" && call.resource.plural == "secrets";
        if is_meant { Fault::Refuse(status(), None) } else { Fault::None }
    }))
}

#[test]
fn an_agent_that_was_killed_before_it_was_made_asks_gck6_again() {
    let mut story = Story::new();
    story.drive.world.api.faults =
        no_secret(|| Status::new(503, "ServiceUnavailable", "etcd leader changed"));
    let id = story.run(2);
    story.until(s(5), "the TestRun is made", |drive| !test_run(drive, id).is_null());
    story.drive.run_for(s(1));
    assert!(story.drive.world.api.objects(Kind::Job, NAMESPACE).next().is_none(), "no Job before the Secret");
    story.kill();
    story.drive.world.api.faults = None;
    let run = story.over(id, s(60), 3);
    assert_eq!(run.data_reads.len(), 2);
}

#[test]
fn one_of_somebody_else_holds_the_start_up_until_it_is_gone() {
    let mut story = Story::new();
    let now = story.drive.now;
    let id = story.drive.world.cloud.upcoming();
    let foreign = json!({ "metadata": { "name": format!("plz-test-{id}") }, "stringData": { "archive-url": "http://evil" } });
    story.drive.world.api.create(now, Kind::Secret, NAMESPACE, foreign).unwrap();
    assert_eq!(story.run(1), id);
    story.until(s(40), "the condition says so", |drive| {
        let message = condition(&test_run(drive, id), "TestRunRunning")["message"].to_string();
        message.contains("exists and belongs to something else; delete it")
    });
    assert!(story.drive.world.api.objects(Kind::Job, NAMESPACE).next().is_none());
    story.delete(Kind::Secret, &format!("plz-test-{id}"));
    story.over(id, s(60), 3);
}

#[test]
fn one_that_the_cluster_refuses_ends_the_run_with_its_words() {
    let mut story = Story::new();
    story.drive.world.api.faults = no_secret(|| Status::new(422, "Invalid", "secrets are not for here"));
    let id = story.run(1);
    let run = story.over(id, s(90), 6);
    assert_eq!(told(&run), (vec![8050], 1));
    assert!(detail(&run).contains("secrets are not for here"), "{}", detail(&run));
}
