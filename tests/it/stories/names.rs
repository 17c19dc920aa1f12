//! Zones of one name: who has no valid token takes it from nobody.

use super::*;
use sim::api::Part;
use sim::cloud::Cloud;
use sim::cloud::Trouble;
use sim::k6::Script;

const OTHER: &str = "evil";
/// How long a token has to be refused before the name may be lost.
const LAPSED_AFTER: Duration = s(300);

fn world() -> Story {
    let mut story = Story::empty();
    let namespace = json!({"metadata": {"name": OTHER}});
    story.drive.world.api.create(Duration::ZERO, Kind::Namespace, "", namespace).unwrap();
    story
}

/// A zone of the one name in the other namespace, with that token in its Secret; with none there is no Secret.
fn namesake(story: &mut Story, token: Option<&str>) {
    let now = story.drive.now;
    story.drive.world.apply_zone(now, OTHER, ZONE);
    let key = Key::new(Kind::Secret, OTHER, &format!("{ZONE}-token"));
    match token {
        Some(token) => put(story, OTHER, token),
        None => drop(story.drive.world.api.delete(now, &key, &DeleteOptions::default()).unwrap()),
    }
}

/// Puts a token into the Secret of the zone of a namespace.
fn put(story: &mut Story, namespace: &str, token: &str) {
    let key = Key::new(Kind::Secret, namespace, &format!("{ZONE}-token"));
    let world = &mut story.drive.world;
    let _ = world.api.delete(world.now, &key, &DeleteOptions::default());
    let secret = json!({"metadata": {"name": key.name}, "stringData": {"token": token}});
    world.api.create(world.now, Kind::Secret, namespace, secret).unwrap();
}

fn owner(story: &mut Story) {
    let now = story.drive.now;
    story.drive.world.apply_zone(now, NAMESPACE, ZONE);
}

fn reason(drive: &Drive, namespace: &str) -> String {
    let zone = drive.world.object(Kind::PrivateLoadZone, namespace, ZONE);
    condition(&zone, "PLZRegistered")["reason"].as_str().unwrap_or_default().to_owned()
}

#[track_caller]
fn says(story: &mut Story, within: Duration, namespace: &str, wanted: &str) {
    let what = format!("the zone in {namespace} says {wanted}");
    story.until(within, &what, |drive| reason(drive, namespace) == wanted);
}

/// Until the end of `time` the owner has the name, whatever else happens.
#[track_caller]
fn keeps(story: &mut Story, time: Duration) {
    let end = story.drive.now + time;
    let is_lost = |drive: &Drive| reason(drive, NAMESPACE) != "Registered";
    let lost = story.drive.run_until(end, is_lost);
    assert!(!lost, "{:#}", zone(&story.drive)["status"]);
}

/// Another organisation, to which a token belongs.
fn organisation(story: &mut Story, token: &str) {
    story.drive.world.cloud.others.push(Cloud::new(token));
}

#[test]
fn an_older_namesake_without_a_secret_holds_no_name() {
    let mut story = world();
    namesake(&mut story, None);
    says(&mut story, s(5), OTHER, "TokenMissing");
    owner(&mut story);
    says(&mut story, s(3), NAMESPACE, "Registered");
    says(&mut story, s(3), OTHER, "NameTaken");
    let message = story.drive.world.object(Kind::PrivateLoadZone, OTHER, ZONE)["status"].to_string();
    assert!(message.contains("PrivateLoadZone load/edge has this one"), "{message}");
    assert!(message.contains("also, Secret evil/edge-token does not exist"), "{message}");
    story.kill();
    keeps(&mut story, s(700));
    let id = story.run(1);
    story.over(id, s(60), 3);
    assert_eq!(story.drive.world.cloud.zones[ZONE].registrations, 1);
}

#[test]
fn an_older_namesake_with_a_refused_token_holds_no_name() {
    let mut story = world();
    namesake(&mut story, Some("nonsense"));
    says(&mut story, s(5), OTHER, "TokenRefused");
    owner(&mut story);
    says(&mut story, s(3), NAMESPACE, "Registered");
    story.kill();
    keeps(&mut story, s(700));
    let id = story.run(1);
    story.over(id, s(60), 3);
    // Both at once, with nothing known of either.
    let mut story = world();
    namesake(&mut story, Some("nonsense"));
    owner(&mut story);
    says(&mut story, s(5), NAMESPACE, "Registered");
    says(&mut story, s(5), OTHER, "NameTaken");
}

/// One token is refused once although it is good, the other is missing for good: neither stands in the other's way.
#[test]
fn two_without_a_valid_token_both_go_on_trying() {
    let mut story = world();
    namesake(&mut story, None);
    story.drive.world.cloud.trouble(None, Trouble::Unauthorized, 1);
    owner(&mut story);
    says(&mut story, s(60), NAMESPACE, "Registered");
    assert!(story.announced().contains("TokenRefused"), "{}", story.announced());
}

#[test]
fn a_zone_that_cannot_be_registered_holds_no_name() {
    let mut story = world();
    namesake(&mut story, None);
    put(&mut story, OTHER, "sim-token");
    let key = Key::new(Kind::PrivateLoadZone, OTHER, ZONE);
    story.drive.world.api.modify(&key, Part::Main, |zone| zone["spec"]["token"] = json!(""));
    says(&mut story, s(5), OTHER, "InvalidSpec");
    owner(&mut story);
    says(&mut story, s(3), NAMESPACE, "Registered");
}

/// The owner's token is rotated: first at GCk6, minutes later in its Secret. Meanwhile somebody waits for the name with a token
/// that GCk6 takes.
#[test]
fn a_token_that_is_rotated_keeps_the_name() {
    let mut story = world();
    owner(&mut story);
    says(&mut story, s(5), NAMESPACE, "Registered");
    let id = story.run(1);
    story.over(id, s(60), 3);
    namesake(&mut story, Some("rotated"));
    let now = story.drive.now;
    // By another zone of that Secret it is known to be good.
    let spec =
        json!({"token": format!("{ZONE}-token"), "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}});
    let beside = json!({"metadata": {"name": "second"}, "spec": spec});
    story.drive.world.api.create(now, Kind::PrivateLoadZone, OTHER, beside).unwrap();
    story.drive.world.cloud.token = "rotated".into();
    keeps(&mut story, LAPSED_AFTER - s(20));
    assert_eq!(condition(&zone(&story.drive), "PLZPolled")["reason"], "TokenProblem");
    put(&mut story, NAMESPACE, "rotated");
    keeps(&mut story, s(30));
    assert_eq!(condition(&zone(&story.drive), "PLZPolled")["status"], "True");
    keeps(&mut story, 2 * LAPSED_AFTER);
    let id = story.run(1);
    story.over(id, s(60), 3);
    assert_eq!(reason(&story.drive, OTHER), "NameTaken");
}

/// GCk6 refuses whatever token it is shown for a while, then goes on as before.
#[test]
fn an_outage_that_refuses_every_token_takes_no_name() {
    let mut story = world();
    owner(&mut story);
    says(&mut story, s(5), NAMESPACE, "Registered");
    namesake(&mut story, Some("elsewhere"));
    organisation(&mut story, "elsewhere");
    for trouble in [Trouble::Unauthorized, Trouble::Down] {
        let cloud = &mut story.drive.world.cloud;
        cloud.trouble(None, trouble, u32::MAX);
        cloud.others[0].trouble(None, trouble, u32::MAX);
        keeps(&mut story, 3 * LAPSED_AFTER);
        story.drive.world.cloud.plagues.clear();
        story.drive.world.cloud.others[0].plagues.clear();
        keeps(&mut story, s(300));
    }
    let id = story.run(1);
    story.over(id, s(60), 3);
    assert_eq!(story.drive.world.cloud.others[0].zones.len(), 0);
}

/// Which organisation a token is of nobody sees here: one name is one name.
#[test]
fn a_token_of_another_organisation_takes_no_name_that_is_held() {
    let mut story = world();
    namesake(&mut story, None);
    owner(&mut story);
    says(&mut story, s(5), NAMESPACE, "Registered");
    organisation(&mut story, "elsewhere");
    put(&mut story, OTHER, "elsewhere");
    keeps(&mut story, s(400));
    story.kill();
    keeps(&mut story, s(400));
    assert_eq!(reason(&story.drive, OTHER), "NameTaken");
    assert_eq!(story.drive.world.cloud.others[0].requests(), 0);
    let id = story.run(1);
    story.over(id, s(60), 3);
    // It is let go to whoever has a token then.
    story.delete(Kind::PrivateLoadZone, ZONE);
    says(&mut story, s(20), OTHER, "Registered");
    assert_eq!(story.drive.world.cloud.deregistered, [ZONE]);
}

/// The name goes to who has a token that GCk6 takes, once that of who had it has been refused for long. A test that runs is not
/// started a second time.
pub(super) fn a_name_is_lost_with_the_token() -> Story {
    let mut story = world();
    story.plan("*", PodPlan::script(Script { duration: s(3600), ..Script::default() }));
    owner(&mut story);
    says(&mut story, s(5), NAMESPACE, "Registered");
    let id = story.run(1);
    story.stage(id, "started", s(10));
    namesake(&mut story, Some("good"));
    says(&mut story, s(5), OTHER, "NameTaken");
    story.drive.world.cloud.token = "good".into();
    keeps(&mut story, LAPSED_AFTER - s(5));
    says(&mut story, s(200), NAMESPACE, "NameTaken");
    let message = zone(&story.drive)["status"].to_string();
    assert!(message.contains("PrivateLoadZone evil/edge has this one"), "{message}");
    assert!(message.contains("GCk6 rejects the token in Secret load/edge-token"), "{message}");
    says(&mut story, s(10), OTHER, "Registered");
    assert_eq!(story.drive.world.cloud.zones[ZONE].registrations, 2);
    let polls = story.drive.world.cloud.zones[ZONE].polls;
    story.drive.run_for(s(100));
    let polls = story.drive.world.cloud.zones[ZONE].polls - polls;
    assert!(
        (9..=11).contains(&polls),
        "{polls} polls in 100 s: who has the name polls for it, and nobody else"
    );
    // It is listed as long as it runs.
    assert_eq!(story.drive.world.api.objects(Kind::TestRun, OTHER).count(), 0);
    assert_eq!(test_run(&story.drive, id)["status"]["stage"], "started");
    // The next is for the other.
    let now = story.drive.now;
    let next = story.drive.world.queue_run(now, ZONE, 1);
    story.until(s(20), "it runs there", |drive| {
        let run = drive.world.object(Kind::TestRun, OTHER, &format!("plz-test-{next}"));
        run["status"]["stage"] == "started"
    });
    assert!(test_run(&story.drive, next).is_null());
    // With a valid token again it waits for its turn, and gets the name when it is free.
    put(&mut story, NAMESPACE, "good");
    story.drive.run_for(s(400));
    assert_eq!(
        (reason(&story.drive, NAMESPACE), reason(&story.drive, OTHER)),
        ("NameTaken".into(), "Registered".into())
    );
    let key = Key::new(Kind::PrivateLoadZone, OTHER, ZONE);
    story.drive.world.api.delete(story.drive.now, &key, &DeleteOptions::default()).unwrap();
    says(&mut story, s(200), NAMESPACE, "Registered");
    assert_eq!(story.drive.world.cloud.deregistered, [ZONE]);
    assert_eq!(story.drive.world.cloud.complaints, Vec::<String>::new());
    story
}

#[test]
fn lost_with_the_token() {
    a_name_is_lost_with_the_token();
}

/// As above, with the process ended at every point of it: the name is with one of the two in the end, and with one only.
#[test]
fn lost_with_the_token_over_restarts() {
    for pause in [1, 100, 302, 305, 310, 330] {
        let mut story = world();
        owner(&mut story);
        says(&mut story, s(5), NAMESPACE, "Registered");
        namesake(&mut story, Some("good"));
        story.drive.world.cloud.token = "good".into();
        story.drive.run_for(s(pause));
        story.kill();
        says(&mut story, s(500), NAMESPACE, "NameTaken");
        says(&mut story, s(60), OTHER, "Registered");
        story.drive.run_for(s(400));
        let reasons = (reason(&story.drive, NAMESPACE), reason(&story.drive, OTHER));
        assert_eq!(reasons, ("NameTaken".into(), "Registered".into()), "{pause}");
    }
}

/// Both zones are registered, as k6-operator leaves them; the younger is the owner's.
fn two_that_are_registered(token: &str) -> Story {
    let mut story = world();
    namesake(&mut story, Some(token));
    story.drive.run_for(s(1));
    let registered = |story: &mut Story, namespace: &str| {
        let key = Key::new(Kind::PrivateLoadZone, namespace, ZONE);
        story.drive.world.api.modify(&key, Part::Status, |zone| {
            zone["status"] = json!({"conditions": [{"type": "PLZRegistered", "status": "True",
                "reason": "PLZRegisteredTrue", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
        });
    };
    owner(&mut story);
    registered(&mut story, NAMESPACE);
    registered(&mut story, OTHER);
    let known =
        sim::cloud::Zone { provider_id: "theirs".into(), body: Value::Null, registrations: 1, polls: 0 };
    story.drive.world.cloud.zones.insert(ZONE.to_owned(), known);
    story.kill();
    story
}

/// Of one organisation: each test is run once, and the older has the name as soon as that shows.
#[test]
fn of_two_that_are_registered_the_older_stays() {
    for pause in [0, 3, 7] {
        let mut story = two_that_are_registered("sim-token");
        story.plan("*", PodPlan::script(Script { duration: s(40), ..Script::default() }));
        story.drive.run_for(s(30 + pause));
        assert_eq!(reason(&story.drive, NAMESPACE), "Registered");
        let now = story.drive.now;
        let ids: Vec<u64> = (0..3).map(|_| story.drive.world.queue_run(now, ZONE, 1)).collect();
        says(&mut story, s(30), NAMESPACE, "NameTaken");
        story.until(s(120), "they are over", |drive| {
            ids.iter().all(|id| !drive.world.cloud.runs[id].finishes.is_empty())
        });
        for id in ids {
            let runners = story.drive.world.k6s.all(&format!("plz-test-{id}-")).count();
            assert_eq!(runners, 1, "test run {id}");
            assert_eq!(told(&story.drive.world.cloud.runs[&id]), (Vec::new(), 0));
        }
        assert_eq!(reason(&story.drive, OTHER), "Registered");
        let uid = story.drive.world.object(Kind::PrivateLoadZone, OTHER, ZONE)["metadata"]["uid"].clone();
        let known = json!(story.drive.world.cloud.zones[ZONE].provider_id);
        assert_eq!(known, uid, "GCk6 knows it as the one that stays");
    }
}

/// Of two organisations: both go on as they did.
#[test]
fn two_organisations_that_had_one_name_keep_it() {
    let mut story = two_that_are_registered("sim-token");
    organisation(&mut story, "elsewhere");
    let zone = story.drive.world.cloud.zones[ZONE].clone();
    story.drive.world.cloud.others[0].zones.insert(ZONE.to_owned(), zone);
    put(&mut story, OTHER, "elsewhere");
    story.kill();
    story.drive.run_for(s(700));
    let id = story.run(1);
    story.over(id, s(60), 3);
    assert_eq!(
        (reason(&story.drive, NAMESPACE), reason(&story.drive, OTHER)),
        ("Registered".into(), "Registered".into())
    );
    assert!(story.drive.world.cloud.others[0].zones[ZONE].polls > 60);
}
