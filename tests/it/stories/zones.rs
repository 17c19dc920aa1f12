//! Zones: registration, polling, names, tokens, and the way out.

use super::*;
use sim::api::{Fault, Part, Status};
use sim::cloud::Trouble;
use sim::cloud::rest::Route;

const FINALIZER: &str = "privateloadzones.k6.io/finalizer";
/// An image that only a zone names.
const IMAGE: &str = "registry.example/k6:1.0.0";
const UID_ANNOTATION: &str = "privateloadzones.k6.io/plz-uid";

pub(super) fn a_zone_comes_and_goes() -> Story {
    let mut story = Story::new();
    let zone_now = zone(&story.drive);
    assert_eq!(zone_now["metadata"]["finalizers"], json!([FINALIZER]));
    assert_eq!(zone_now["metadata"]["annotations"][UID_ANNOTATION], zone_now["metadata"]["uid"]);
    assert_eq!(condition(&zone_now, "PLZRegistered")["observedGeneration"], 1);
    let registered = &story.drive.world.cloud.zones[ZONE];
    assert_eq!(
        (registered.registrations, &registered.provider_id),
        (1, &zone_now["metadata"]["uid"].as_str().unwrap().to_owned())
    );
    story.drive.run_for(s(100));
    let polls = story.drive.world.cloud.zones[ZONE].polls;
    assert!((9..=11).contains(&polls), "{polls} polls in 100 s");

    story.delete(Kind::PrivateLoadZone, ZONE);
    story.until(s(10), "the zone is gone", |drive| zone(drive).is_null());
    assert_eq!(story.drive.world.cloud.deregistered, [ZONE]);
    let requests = story.api_requests();
    story.drive.run_for(s(600));
    assert_eq!(story.api_requests(), requests, "silence after the end");
    story
}

pub(super) fn a_zone_is_deleted_with_a_run() -> Story {
    let (mut story, id) = Story::under_way(2, s(3600));
    story.delete(Kind::PrivateLoadZone, ZONE);
    story.until(s(60), "the zone is gone", |drive| zone(drive).is_null());
    let run = story.over(id, s(60), 5);
    assert_eq!(told(&run), (vec![], 1));
    assert_eq!(story.teardowns(), 1);
    story
}

pub(super) fn two_zones_want_one_name() -> Story {
    let mut story = Story::new();
    let now = story.drive.now;
    story.drive.world.apply_zone(now, "default", ZONE);
    let other = |drive: &Drive| drive.world.object(Kind::PrivateLoadZone, "default", ZONE);
    story.until(s(5), "the second is refused", |drive| {
        condition(&other(drive), "PLZRegistered")["reason"] == "NameTaken"
    });
    let message = condition(&other(&story.drive), "PLZRegistered")["message"].to_string();
    assert!(message.contains("load/edge"), "{message}");
    assert_eq!(story.drive.world.cloud.zones[ZONE].registrations, 1);
    story.delete(Kind::PrivateLoadZone, ZONE);
    story.until(s(20), "the second takes over", |drive| {
        condition(&other(drive), "PLZRegistered")["status"] == "True"
    });
    assert_eq!(story.drive.world.cloud.deregistered, [ZONE]);
    story
}

pub(super) fn a_secret_comes_late() -> Story {
    let mut story = Story::empty();
    story.drive.world.apply_zone(Duration::ZERO, NAMESPACE, ZONE);
    let secret = format!("{ZONE}-token");
    story.delete(Kind::Secret, &secret);
    story.zone_says("PLZRegistered", "TokenMissing", s(5));
    let token = story.drive.world.cloud.token.clone();
    let object = json!({"metadata": {"name": secret}, "stringData": {"token": token}});
    story.drive.world.api.create(story.drive.now, Kind::Secret, NAMESPACE, object).unwrap();
    story.zone_says("PLZRegistered", "Registered", s(15));
    story
}

pub(super) fn a_spec_is_incomplete() -> Story {
    let mut story = Story::empty();
    story.drive.world.apply_zone(Duration::ZERO, NAMESPACE, ZONE);
    let key = Key::new(Kind::PrivateLoadZone, NAMESPACE, ZONE);
    story.drive.world.api.modify(&key, Part::Main, |zone| zone["spec"]["token"] = json!(""));
    story.zone_says("PLZRegistered", "InvalidSpec", s(5));
    story.drive.run_for(s(60));
    assert!(story.drive.world.cloud.zones.is_empty());
    story
}

pub(super) fn the_limits_change() -> Story {
    let mut story = Story::new();
    let key = Key::new(Kind::PrivateLoadZone, NAMESPACE, ZONE);
    story.drive.world.api.modify(&key, Part::Main, |zone| {
        zone["spec"]["resources"]["limits"]["cpu"] = json!("2");
    });
    story.until(s(5), "GCk6 knows", |drive| drive.world.cloud.zones[ZONE].body["pod_tiers"]["cpu"] == "2");
    story.until(s(5), "the status says so", |drive| {
        condition(&zone(drive), "PLZRegistered")["observedGeneration"] == 2
    });
    assert_eq!(story.drive.world.cloud.zones[ZONE].registrations, 2);
    assert_eq!(story.drive.world.cloud.doubles, Vec::new());
    story
}

pub(super) fn a_secret_is_gone_when_the_zone_goes() -> Story {
    let mut story = Story::new();
    story.delete(Kind::Secret, &format!("{ZONE}-token"));
    story.kill();
    story.drive.run_for(s(1));
    story.delete(Kind::PrivateLoadZone, ZONE);
    let deleted = story.drive.now;
    story.until(s(90), "the zone is let go", |drive| zone(drive).is_null());
    let took = story.drive.now - deleted;
    assert!((s(59)..s(75)).contains(&took), "{took:?}");
    assert!(story.announced().contains("NotDeregistered: "), "{}", story.announced());
    story
}

pub(super) fn a_zone_of_k6_operator_is_taken_over() -> Story {
    let mut story = Story::empty();
    story.drive.world.apply_zone(Duration::ZERO, NAMESPACE, ZONE);
    let key = Key::new(Kind::PrivateLoadZone, NAMESPACE, ZONE);
    story.drive.world.api.modify(&key, Part::Main, |zone| {
        zone["metadata"]["finalizers"] = json!([FINALIZER]);
        zone["metadata"]["annotations"] = json!({UID_ANNOTATION: "an-uuid-of-theirs"});
    });
    story.drive.world.api.modify(&key, Part::Status, |zone| {
        zone["status"] = json!({"conditions": [{"type": "PLZRegistered", "status": "True", "reason": "PLZRegisteredTrue",
            "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
    });
    let provider_id = "an-uuid-of-theirs".to_owned();
    let registered = sim::cloud::Zone { provider_id, body: Value::Null, registrations: 1, polls: 0 };
    story.drive.world.cloud.zones.insert(ZONE.to_owned(), registered);
    let id = story.drive.world.queue_run(Duration::ZERO, ZONE, 2);
    story.over(id, s(60), 3);
    assert_eq!(story.drive.world.cloud.counts.get(&Route::Register), None);
    assert_eq!(zone(&story.drive)["metadata"]["annotations"][UID_ANNOTATION], "an-uuid-of-theirs");
    story
}

#[test]
fn comes_and_goes() {
    a_zone_comes_and_goes();
}

#[test]
fn deleted_with_a_run() {
    a_zone_is_deleted_with_a_run();
}

#[test]
fn one_name() {
    two_zones_want_one_name();
}

#[test]
fn late_secret() {
    a_secret_comes_late();
}

#[test]
fn incomplete_spec() {
    a_spec_is_incomplete();
}

#[test]
fn changed_limits() {
    the_limits_change();
}

#[test]
fn let_go_without_a_secret() {
    a_secret_is_gone_when_the_zone_goes();
}

#[test]
fn taken_over() {
    a_zone_of_k6_operator_is_taken_over();
}

#[test]
fn let_go_with_a_refused_token() {
    let mut story = Story::new();
    story.drive.world.cloud.token = "another".into();
    story.drive.run_for(s(30));
    story.delete(Kind::PrivateLoadZone, ZONE);
    story.until(s(90), "the zone is let go", |drive| zone(drive).is_null());
    assert!(story.announced().contains("NotDeregistered: "), "{}", story.announced());
}

#[test]
fn a_token_is_rotated() {
    let mut story = Story::new();
    story.drive.world.cloud.token = "rotated".into();
    story.zone_says("PLZPolled", "TokenProblem", s(30));
    let key = Key::new(Kind::Secret, NAMESPACE, &format!("{ZONE}-token"));
    story.drive.world.api.modify(&key, Part::Main, |secret| {
        secret["data"] = json!({"token": "cm90YXRlZA=="});
    });
    story.zone_says("PLZPolled", "Polling", s(30));
    let id = story.run(1);
    story.over(id, s(60), 3);
}

/// GCk6 refuses the zone's polls for a while, and its pace slows down; the next call of a run that is accepted brings it back.
#[test]
fn a_token_that_is_accepted_again_is_told_at_once() {
    let (mut story, id) = Story::under_way(1, s(3600));
    story.drive.world.cloud.trouble(Some(Route::Poll), Trouble::Unauthorized, u32::MAX);
    story.zone_says("PLZPolled", "TokenProblem", s(30));
    story.drive.run_for(s(120));
    let reads = |drive: &Drive| drive.world.cloud.runs[&id].state_reads.len();
    let before = reads(&story.drive);
    story.until(s(11), "a state is read", |drive| reads(drive) > before);
    story.drive.run_for(s(1));
    story.drive.world.cloud.plagues.clear();
    let before = reads(&story.drive);
    story.until(s(11), "the next is", |drive| reads(drive) > before);
    story.until(s(1), "all is well", |drive| {
        let claim = condition(&zone(drive), "PLZPolled");
        (&claim["status"], &claim["reason"]) == (&json!("True"), &json!("Polling"))
    });
}

#[test]
fn an_outage_is_told_once_and_its_end_too() {
    let mut story = Story::new();
    story.drive.world.cloud.trouble(Some(Route::Poll), Trouble::Failing(503), 8);
    story.zone_says("PLZPolled", "PollFailing", s(60));
    let version = zone(&story.drive)["metadata"]["resourceVersion"].clone();
    story.drive.run_for(s(60));
    assert_eq!(zone(&story.drive)["metadata"]["resourceVersion"], version, "one write for the outage");
    story.zone_says("PLZPolled", "Polling", s(600));
}

#[test]
fn a_zone_that_gck6_has_forgotten_is_registered_again() {
    let mut story = Story::new();
    let forgotten = story.drive.world.cloud.zones.remove(ZONE).unwrap();
    story.until(s(60), "registered again", |drive| drive.world.cloud.zones.contains_key(ZONE));
    assert_eq!(story.drive.world.cloud.zones[ZONE].provider_id, forgotten.provider_id);
    // GCk6 complains of the polls that taught the agent.
    story.drive.world.cloud.complaints.clear();
    let id = story.run(1);
    story.over(id, s(60), 3);
}

#[test]
fn gck6_asks_to_wait() {
    let mut story = Story::new();
    story.drive.world.cloud.trouble(Some(Route::Poll), Trouble::Busy(120), 1);
    story.until(s(15), "it was asked", |drive| {
        drive.world.cloud.plagues.is_empty() || drive.world.cloud.plagues[0].left == 0
    });
    let polls = story.drive.world.cloud.zones[ZONE].polls;
    story.drive.run_for(s(110));
    assert_eq!(story.drive.world.cloud.zones[ZONE].polls, polls);
}

#[test]
fn registration_fails_and_recovers() {
    let mut story = Story::empty();
    story.drive.world.cloud.trouble(Some(Route::Register), Trouble::Failing(500), 3);
    story.drive.world.apply_zone(Duration::ZERO, NAMESPACE, ZONE);
    story.zone_says("PLZRegistered", "RegistrationFailed", s(5));
    story.zone_says("PLZRegistered", "Registered", s(60));
    assert_eq!(story.drive.world.cloud.doubles, Vec::new());
}

pub(super) fn a_secret_is_lost_over_a_restart() -> Story {
    let mut story = Story::new();
    story.delete(Kind::Secret, &format!("{ZONE}-token"));
    story.kill();
    story.zone_says("PLZPolled", "TokenProblem", s(5));
    assert_eq!(condition(&zone(&story.drive), "PLZRegistered")["status"], "True");
    story
}

pub(super) fn the_finalizer_is_taken_off() -> Story {
    let mut story = Story::new();
    let key = Key::new(Kind::PrivateLoadZone, NAMESPACE, ZONE);
    story.drive.world.api.modify(&key, Part::Main, |zone| zone["metadata"]["finalizers"] = json!([]));
    story.until(s(5), "it is put on again", |drive| {
        zone(drive)["metadata"]["finalizers"] == json!([FINALIZER])
    });
    story
}

#[test]
fn lost_secret() {
    a_secret_is_lost_over_a_restart();
}

#[test]
fn lost_finalizer() {
    the_finalizer_is_taken_off();
}

#[test]
fn foreign_metadata() {
    annotations_of_others_stay();
}

pub(super) fn annotations_of_others_stay() -> Story {
    let mut story = Story::empty();
    story.drive.world.apply_zone(Duration::ZERO, NAMESPACE, ZONE);
    let key = Key::new(Kind::PrivateLoadZone, NAMESPACE, ZONE);
    story.drive.world.api.modify(&key, Part::Main, |zone| {
        zone["metadata"]["annotations"] = json!({"team": "edge"});
        zone["metadata"]["finalizers"] = json!(["other/finalizer"]);
    });
    story.zone_says("PLZRegistered", "Registered", s(5));
    let metadata = &zone(&story.drive)["metadata"];
    assert_eq!(metadata["annotations"]["team"], "edge");
    assert_eq!(metadata["finalizers"], json!(["other/finalizer", FINALIZER]));
    story.delete(Kind::PrivateLoadZone, ZONE);
    story.until(s(10), "let go by us", |drive| {
        zone(drive)["metadata"]["finalizers"] == json!(["other/finalizer"])
    });
    story.drive.run_for(s(60));
    story
}

/// A test run that GCk6 lists for a zone with an image of its own, while the API server takes no TestRun for a minute.
fn waits_to_be_created() -> (Story, u64) {
    let mut story = Story::new();
    let key = Key::new(Kind::PrivateLoadZone, NAMESPACE, ZONE);
    story.drive.world.api.modify(&key, Part::Main, |zone| zone["spec"]["image"] = json!(IMAGE));
    let until = story.drive.now + s(60);
    story.drive.world.api.faults = Some(Box::new(move |now, call, _| {
        if (call.verb, call.resource.plural) == ("create", "testruns") && now < until {
            return Fault::Refuse(Status::new(503, "ServiceUnavailable", "etcd leader changed"), None);
        }
        Fault::None
    }));
    let id = story.run_with(2, json!({"k8s_load_zones_config": {"load_runner_image": null}}));
    story.drive.run_for(s(30));
    assert!(test_run(&story.drive, id).is_null());
    (story, id)
}

#[test]
fn a_zone_that_is_edited_while_a_run_waits_does_not_lose_the_run() {
    let (mut story, id) = waits_to_be_created();
    let key = Key::new(Kind::PrivateLoadZone, NAMESPACE, ZONE);
    story.drive.world.api.modify(&key, Part::Main, |zone| zone["spec"]["image"] = json!(""));
    story.stage(id, "started", s(120));
    assert_eq!(test_run(&story.drive, id)["spec"]["runner"]["image"], IMAGE);
}

/// What was made for the former token would not be known as this zone's.
#[test]
fn a_zone_that_gets_another_token_while_a_run_waits_asks_for_its_data_anew() {
    let (mut story, id) = waits_to_be_created();
    let secret = json!({"metadata": {"name": "other"}, "data": {"token": "c2ltLXRva2Vu"}});
    let now = story.drive.now;
    story.drive.world.api.create(now, Kind::Secret, NAMESPACE, secret).unwrap();
    let key = Key::new(Kind::PrivateLoadZone, NAMESPACE, ZONE);
    story.drive.world.api.modify(&key, Part::Main, |zone| zone["spec"]["token"] = json!("other"));
    story.stage(id, "started", s(60));
    assert_eq!(test_run(&story.drive, id)["spec"]["token"], "other");
    assert_eq!(story.drive.world.cloud.runs[&id].data_reads.len(), 2);
}
