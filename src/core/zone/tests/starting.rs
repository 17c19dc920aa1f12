//! Answers about a listed test run: its data, its `TestRun`, and its refusal.

use super::*;
use crate::testrun::proof::NO_ROOM_PAUSE;

/// A world in which the test run is as far as that.
fn listed(listed: Listed) -> World {
    let mut world = World::registered();
    world.state.listed.insert(ID, listed);
    world
}

/// An answer, its outcome, and how far the test run is then.
type Row = (&'static str, fn() -> Reply, &'static str, &'static str);

#[track_caller]
fn check(before: fn() -> Listed, action: Action, rows: &[Row]) {
    for (answer, reply, wanted, run) in rows {
        let mut world = listed(before());
        let outcome = world.answered(NOW, action, reply());
        assert_eq!(word(&outcome), *wanted, "{action}: {answer}");
        assert_eq!(world.run(ID), *run, "{action}: {answer}");
        let events: Vec<&str> = world.state.announcements.iter().map(|event| event.reason.as_str()).collect();
        let wants_event = run.starts_with("refused") && !matches!(before(), Listed::Refused(_));
        assert_eq!(events, if wants_event { vec!["TestRunRefused"] } else { vec![] }, "{action}: {answer}");
    }
}

/// What GCk6 says of test run 101.
fn data(status: i64, runners: i64, zones: &[&str]) -> Reply {
    let distribution: serde_json::Map<String, Value> =
        zones.iter().map(|zone| ((*zone).to_owned(), json!({"loadZone": zone, "percent": 50}))).collect();
    let config = json!({"load_runner_image": "grafana/k6:latest", "instance_count": runners,
        "k6_archive_temp_public_url": "https://s3/a.tar?X-Amz-Expires=300"});
    let body = json!({"id": 101, "run_status": status, "k8s_load_zones_config": config,
        "load_zone_distribution": distribution});
    gck6(200, &body.to_string())
}

#[test]
fn each_answer_to_the_question_for_the_data() {
    check(
        || Listed::NEW,
        Action::FetchData(ID),
        &[
            ("accepted", || data(1, 2, &["edge"]), "done", "ready"),
            ("over already", || data(3, 2, &["edge"]), "done", "settled"),
            ("aborted already", || data(5, 2, &["edge"]), "done", "settled"),
            (
                "no runners",
                || data(1, 0, &["edge"]),
                "done",
                "refused: GCk6 asks for 0 runners, but the agent runs 1 to 1000; change the number of virtual users, \
                 or the limits in spec.resources of the zone",
            ),
            (
                "refused",
                || gck6(400, "{}"),
                "done",
                "refused: GCk6 does not provide the data of the test run: GCk6 answered 400: {}",
            ),
            (
                "refused with 403",
                || gck6(403, ""),
                "done",
                "refused: GCk6 does not provide the data of the test run: GCk6 answered 403: the token may not do this",
            ),
            (
                "refused with 422",
                || gck6(422, ""),
                "done",
                "refused: GCk6 does not provide the data of the test run: GCk6 answered 422: the request was rejected",
            ),
            ("token refused", || gck6(401, "{}"), "token refused", "new, 0 unreadable"),
            ("not found yet", || gck6(404, "{}"), "again", "new, 1 unreadable"),
            ("busy", || gck6(429, ""), "again", "new, 0 unreadable"),
            ("down for 7 s", || gck6_asks_for(7 * S), "again in 7 s", "new, 0 unreadable"),
            ("lost", gck6_lost, "again", "new, 0 unreadable"),
            ("a portal on the way", || gck6(403, "<html>"), "again", "new, 0 unreadable"),
            ("nothing", || gck6(200, ""), "again", "new, 1 unreadable"),
            ("null", || gck6(200, "null"), "again", "new, 1 unreadable"),
            ("a web page", || gck6(200, "<html>"), "again", "new, 1 unreadable"),
            (
                "of the wrong type",
                || gck6(200, r#"{"load_zone_distribution":7}"#),
                "again",
                "new, 1 unreadable",
            ),
        ],
    );
}

#[test]
fn data_that_name_not_exactly_one_zone_are_refused_by_name() {
    for zones in [&[][..], &["edge", "other"]] {
        let mut world = listed(Listed::NEW);
        assert_eq!(world.answered(NOW, Action::FetchData(ID), data(1, 2, zones)), Outcome::Done);
        assert!(
            world.run(ID).starts_with("refused: ") && zones.iter().all(|zone| world.run(ID).contains(zone))
        );
    }
}

/// An answer, and a part of what is said of it.
type Unreadable = (fn() -> Reply, &'static str);

#[test]
fn data_that_never_come_are_waited_for_five_times() {
    let before: [fn() -> Listed; 2] = [|| Listed::NEW, || ready(NOW)];
    let answers: [Unreadable; 2] =
        [(|| gck6(404, "{}"), "GCk6 answered 404"), (|| gck6(200, "<html>"), "unreadable")];
    for (before, (reply, part)) in before.into_iter().flat_map(|before| answers.map(|row| (before, row))) {
        let mut world = listed(before());
        for count in 1..=4 {
            assert_eq!(word(&world.answered(NOW, Action::FetchData(ID), reply())), "again");
            assert_eq!(world.run(ID), format!("new, {count} unreadable"));
        }
        assert_eq!(world.answered(NOW, Action::FetchData(ID), reply()), Outcome::Done);
        assert!(world.run(ID).starts_with("refused: ") && world.run(ID).contains(part), "{}", world.run(ID));
    }
}

#[test]
fn data_that_there_is_no_room_for_are_asked_for_again() {
    let mut world = listed(Listed::NEW);
    let settings = world.settings.clone();
    let context = Context {
        now: NOW,
        zone: &world.zone,
        data_room: 10,
        poll_interval: POLL_INTERVAL,
        settings: &settings,
    };
    let action = Action::FetchData(ID);
    let outcome = apply_reply(&mut world.state, &context, &mut Rng::new(1), action, data(1, 2, &["edge"]));
    let Outcome::Again { after, why } = outcome else { panic!("{outcome:?}") };
    assert_eq!(after, Some(NO_ROOM_PAUSE));
    assert!(why.contains("waiting for room"), "{why}");
    assert_eq!(world.run(ID), "new, 0 unreadable");
}

#[test]
fn each_answer_to_the_creation_of_the_test_run() {
    check(
        || ready(NOW),
        Action::CreateTestRun(ID),
        &[
            ("accepted", made, "the run plz-test-101", "ready"),
            ("there already", || api_server(409, "AlreadyExists"), "done", "unclear"),
            ("a conflict", || api_server(409, "Conflict"), "again", "ready"),
            (
                "refused",
                || api_server(400, "BadRequest"),
                "done",
                "refused: the API server rejects TestRun plz-test-101: no (HTTP 400 BadRequest)",
            ),
            (
                "refused by a right",
                || api_server(403, "Forbidden"),
                "done",
                "refused: the API server rejects TestRun plz-test-101: no (HTTP 403 Forbidden)",
            ),
            (
                "refused as invalid",
                || api_server(422, "Invalid"),
                "done",
                "refused: the API server rejects TestRun plz-test-101: no (HTTP 422 Invalid)",
            ),
            (
                "no such resource",
                || api_server(404, "NotFound"),
                "done",
                "refused: the API server rejects TestRun plz-test-101: no (HTTP 404 NotFound)",
            ),
            (
                "a namespace on its way out",
                || {
                    api_server_says(
                        403,
                        r#"{"kind":"Status","code":403,"details":{"causes":[{"reason":"NamespaceTerminating"}]}}"#,
                    )
                },
                "done",
                "refused: TestRun plz-test-101 cannot be created: namespace ns is being deleted in the cluster",
            ),
            ("credentials not taken", || api_server(401, "Unauthorized"), "again", "ready"),
            ("too many", || api_server_asks_for(7 * S), "again in 7 s", "ready"),
            ("lost", api_server_lost, "again", "ready"),
            ("a web page", || api_server_says(201, "<html>"), "again", "ready"),
            ("too large to be read", || api_server_says(201, "null"), "again", "ready"),
        ],
    );
}

/// A `TestRun` of that name, of this zone.
fn made() -> Reply {
    test_run(&json!([{"kind": "PrivateLoadZone", "name": "edge", "uid": "zone-uid", "controller": true}]))
}

fn test_run(owners: &Value) -> Reply {
    let run = json!({"metadata": {"name": "plz-test-101", "namespace": "ns", "uid": "run-uid", "ownerReferences": owners}});
    api_server_says(200, &run.to_string())
}

/// The presigned URL is valid for 300 s.
#[test]
fn data_that_have_become_old_are_asked_for_anew() {
    for (age, wanted) in [(239 * S, "ready"), (240 * S, "new, 0 unreadable")] {
        let mut world = listed(ready(NOW - age));
        assert_eq!(word(&world.answered(NOW, Action::CreateTestRun(ID), api_server_lost())), "again");
        assert_eq!(world.run(ID), wanted, "{age:?}");
    }
}

#[test]
fn each_answer_to_the_look_at_a_test_run_that_is_there() {
    check(
        || Listed::Unclear { since: NOW - S, told: true },
        Action::InspectTestRun(ID),
        &[
            ("this zone's", made, "the run plz-test-101", "settled"),
            ("gone by now", || api_server(404, "NotFound"), "done", "new, 0 unreadable"),
            ("somebody else's", || test_run(&Value::Null), "again", "unclear, told"),
            (
                "another zone's",
                || {
                    test_run(
                        &json!([{"kind": "PrivateLoadZone", "name": "edge", "uid": "other", "controller": true}]),
                    )
                },
                "again",
                "unclear, told",
            ),
            ("refused by a right", || api_server(403, "Forbidden"), "again", "unclear, told"),
            ("too many", || api_server_asks_for(7 * S), "again in 7 s", "unclear, told"),
            ("lost", api_server_lost, "again", "unclear, told"),
            ("a web page", || api_server_says(200, "<html>"), "again", "unclear, told"),
            ("an empty object", || api_server_says(200, "{}"), "again", "unclear, told"),
        ],
    );
}

#[test]
fn a_namesake_of_the_test_run_is_told_once_and_given_a_minute() {
    let mut world = listed(Listed::Unclear { since: NOW, told: false });
    let message = "TestRun plz-test-101 exists in namespace ns and belongs to something else; delete it";
    for at in [NOW, NOW + S, NOW + 59 * S] {
        let outcome = world.answered(at, Action::InspectTestRun(ID), test_run(&Value::Null));
        assert_eq!(outcome, Outcome::Again { after: None, why: message.to_owned() });
        assert_eq!(world.state.announcements.len(), 1, "{at:?}");
    }
    let event = &world.state.announcements[0];
    assert_eq!((event.reason.as_str(), event.message.as_str()), ("TestRunNameTaken", message));
    assert_eq!(
        world.answered(NOW + 60 * S, Action::InspectTestRun(ID), test_run(&Value::Null)),
        Outcome::Done
    );
    assert_eq!(world.run(ID), format!("refused: {message}"));
}

#[test]
fn each_answer_to_the_refusal_of_a_test_run() {
    check(
        || Listed::Refused("no".to_owned()),
        Action::Refuse(ID),
        &[
            ("accepted", || gck6(200, ""), "done", "settled"),
            ("accepted with a web page", || gck6(200, "<html>"), "done", "settled"),
            ("refused", || gck6(400, "{}"), "done", "settled"),
            ("refused with 403", || gck6(403, "{}"), "done", "settled"),
            ("unknown", || gck6(404, "{}"), "done", "settled"),
            ("token refused", || gck6(401, "{}"), "token refused", "refused: no"),
            ("a portal on the way", || gck6(404, "<html>"), "again", "refused: no"),
            ("busy", || gck6(429, ""), "again", "refused: no"),
            ("down for 7 s", || gck6_asks_for(7 * S), "again in 7 s", "refused: no"),
            ("lost", gck6_lost, "again", "refused: no"),
        ],
    );
}

#[test]
fn an_answer_that_comes_too_late_changes_nothing() {
    for is_settled in [false, true] {
        for (action, reply) in [
            (Action::FetchData(ID), (|| data(1, 2, &["edge"])) as fn() -> Reply),
            (Action::FetchData(ID), || gck6(400, "{}")),
            (Action::FetchData(ID), || gck6(401, "{}")),
            (Action::CreateTestRun(ID), || api_server(409, "AlreadyExists")),
            (Action::CreateTestRun(ID), || api_server(403, "Forbidden")),
            (Action::CreateTestRun(ID), api_server_lost),
            (Action::InspectTestRun(ID), || api_server(404, "NotFound")),
            (Action::InspectTestRun(ID), || test_run(&Value::Null)),
            (Action::InspectTestRun(ID), made),
        ] {
            let mut world = World::registered();
            if is_settled {
                world.state.settle(ID);
            }
            assert_eq!(world.answered(NOW, action, reply()), Outcome::Done, "{action}");
            assert_eq!(world.run(ID), if is_settled { "settled" } else { "not listed" }, "{action}");
            assert!(world.state.announcements.is_empty(), "{action}");
        }
    }
}

/// The run is there, listed or not: it must not be lost sight of.
#[test]
fn a_test_run_that_was_made_all_the_same_is_known() {
    let mut world = World::registered();
    assert_eq!(word(&world.answered(NOW, Action::CreateTestRun(ID), made())), "the run plz-test-101");
}
