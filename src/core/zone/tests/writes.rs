//! Answers to what is written into the cluster: finalizer, status, Events.

use super::*;
use crate::announce::Announcement;

type Row = (&'static str, fn() -> Reply, &'static str);

/// What every write of the zone itself makes of an answer.
const WRITTEN: &[Row] = &[
    ("accepted", || api_server(200, ""), "the zone, version 8"),
    ("gone", || api_server(404, "NotFound"), "done"),
    ("changed meanwhile", || api_server(409, "Conflict"), "again"),
    ("refused as malformed", || api_server(400, "BadRequest"), "again"),
    ("refused by a right", || api_server(403, "Forbidden"), "again"),
    ("refused as invalid", || api_server(422, "Invalid"), "again"),
    ("credentials not taken", || api_server(401, "Unauthorized"), "again"),
    ("too many", || api_server_asks_for(7 * S), "again in 7 s"),
    ("lost", api_server_lost, "again"),
    ("too large to be read", || api_server_says(200, "null"), "again"),
    ("an empty object", || api_server_says(200, "{}"), "again"),
    ("a web page", || api_server_says(200, "<html>"), "again"),
    ("of the wrong type", || api_server_says(200, r#"{"metadata":[]}"#), "again"),
    ("somebody else's", gck6_lost, "again"),
];

#[test]
fn each_answer_to_each_write_of_the_zone() {
    for action in [Action::Adopt, Action::WriteStatus, Action::Release] {
        for (answer, reply, wanted) in WRITTEN {
            let outcome = World::registered().answered(NOW, action, reply());
            assert_eq!(word(&outcome), *wanted, "{action}: {answer}");
        }
    }
}

#[test]
fn why_it_is_tried_again_is_in_one_line_without_credentials() {
    let page = "see https://s3/a?X-Amz-Signature=abc\nnow";
    let reply = api_server_says(400, page);
    let Outcome::Again { why, .. } = World::pending().answered(NOW, Action::Adopt, reply) else { panic!() };
    assert!(why.contains("see https://s3/a?") && !why.contains("abc") && !why.contains('\n'), "{why}");
}

/// An answer, its outcome, and whether the Event is posted again.
type Posted = (&'static str, fn() -> Reply, &'static str, bool);

/// What becomes of an Event.
const ANNOUNCED: &[Posted] = &[
    ("accepted", || api_server(201, ""), "done", false),
    ("posted by an earlier process", || api_server(409, "AlreadyExists"), "done", false),
    ("refused by a right", || api_server(403, "Forbidden"), "event refused, 403", false),
    ("refused as invalid", || api_server(422, "Invalid"), "event refused, 422", false),
    ("no such namespace", || api_server(404, "NotFound"), "event refused, 404", false),
    (
        "a namespace on its way out",
        || {
            api_server_says(
                403,
                r#"{"kind":"Status","code":403,"details":{"causes":[{"reason":"NamespaceTerminating"}]}}"#,
            )
        },
        "done",
        false,
    ),
    ("too many", || api_server_asks_for(7 * S), "again in 7 s", true),
    ("credentials not taken", || api_server(401, "Unauthorized"), "again", true),
    ("lost", api_server_lost, "again", true),
    ("a web page", || api_server_says(200, "<html>"), "done", false),
];

#[test]
fn an_event_is_dropped_once_there_is_no_point_in_it() {
    for (answer, reply, wanted, is_kept) in ANNOUNCED {
        let mut world = World::pending();
        world.state.announcements =
            vec![Announcement::normal("First", "m"), Announcement::normal("Second", "m")];
        let outcome = world.answered(NOW, Action::Announce, reply());
        assert_eq!(word(&outcome), *wanted, "{answer}");
        let left: Vec<&str> = world.state.announcements.iter().map(|event| event.reason.as_str()).collect();
        assert_eq!(left, if *is_kept { vec!["First", "Second"] } else { vec!["Second"] }, "{answer}");
    }
    let mut none = World::pending();
    assert_eq!(none.answered(NOW, Action::Announce, api_server(201, "")), Outcome::Done);
}
