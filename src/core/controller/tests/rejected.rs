//! Zones and runs that are not taken in: an Event on each, until it is posted.

use super::*;

fn too_large(name: &str) -> Seen {
    let error = k8s::Error::TooLarge { what: "spec.args".to_owned(), limit_bytes: 7 };
    let (key, uid) = (ObjectKey::new("ns", name), "u".to_owned());
    Seen::Run(WatchEvent::Malformed { key, uid, error, deleted: false })
}

const TELLS: &str = "TestRun ns/large: posting an Event";

#[test]
fn an_object_that_is_too_large_is_told_so_by_an_event() {
    let mut rig = Rig::active();
    rig.sees(too_large("large"));
    assert_eq!(rig.turn(), [TELLS]);
    let event = rig.body(TELLS);
    assert_eq!((&event["reason"], &event["involvedObject"]["uid"]), (&json!("TooLarge"), &json!("u")));
    let counted: Vec<_> = rig.core.tally.ignored_objects().filter(|(_, _, count)| *count > 0).collect();
    assert_eq!(counted, [("testruns", "too_large", 1)]);
    rig.sees(too_large("large"));
    assert_eq!(rig.turn(), Vec::<String>::new(), "one at a time");
}

/// An answer, and whether the Event is posted again.
type Row = (&'static str, fn() -> Reply, bool);

#[test]
fn each_answer_to_such_an_event() {
    let rows: [Row; 6] = [
        ("accepted", || shows(&json!({})), false),
        ("posted already", || api_server(409, "AlreadyExists"), false),
        ("refused", || api_server(422, "Invalid"), false),
        ("no such namespace", || api_server(404, "NotFound"), false),
        ("down", || api_server(503, ""), true),
        ("lost", api_server_lost, true),
    ];
    for (answer, reply, is_tried_again) in rows {
        let mut rig = Rig::active();
        rig.sees(too_large("large"));
        rig.turn();
        assert_eq!(rig.answer(TELLS, reply()), Vec::<String>::new(), "{answer}: not at once");
        let names = rig.run_for(70 * S);
        assert_eq!(!names.is_empty(), is_tried_again, "{answer}: {names:?}");
    }
}

#[test]
fn a_zone_that_is_left_out_and_an_object_that_is_gone_are_told_apart() {
    let error = || k8s::Error::TooLarge { what: "spec".to_owned(), limit_bytes: 7 };
    let key = || ObjectKey::new("ns", "edge");
    let mut rig = Rig::active();
    rig.sees(Seen::Zone(WatchEvent::Malformed {
        key: key(),
        uid: "u".into(),
        error: error(),
        deleted: true,
    }));
    assert_eq!(rig.turn(), Vec::<String>::new(), "there is nothing to tell it to");
    rig.sees(Seen::Zone(WatchEvent::Malformed {
        key: key(),
        uid: "u".into(),
        error: error(),
        deleted: false,
    }));
    assert_eq!(rig.turn(), [ANNOUNCES]);
    assert_eq!(rig.body(ANNOUNCES)["involvedObject"]["kind"], "PrivateLoadZone");
}
