//! `TestRun`s that the agent has not made: each is told so once.

use super::*;

const TELLS: &str = "TestRun ns/plz-test-101: posting an Event";
const WRITES: &str = "TestRun ns/plz-test-101: writing the conditions";

/// A run that names another zone than there is.
fn alien() -> Value {
    let mut run = test_run(101);
    run["metadata"]["ownerReferences"][0]["uid"] = json!("forged");
    run
}

/// One that has been told so, but for the condition.
fn announced() -> Rig {
    let mut rig = Rig::with_zone();
    rig.sees_run(&alien());
    assert_eq!(rig.turn(), Vec::<String>::new(), "its zone may come later");
    assert_eq!(rig.run_for(5 * S), [TELLS]);
    assert_eq!(rig.answer(TELLS, shows(&json!({}))), [WRITES]);
    rig
}

#[test]
fn it_gets_one_event_and_one_condition_and_then_nothing() {
    let mut rig = announced();
    assert_eq!(rig.core.runs.len(), 0, "nothing is remembered of it");
    let status = rig.body(WRITES)["status"].clone();
    assert_eq!(status["conditions"][0]["reason"], "NotMadeByAgent");
    let mut told = alien();
    told["metadata"]["resourceVersion"] = json!("9");
    told["status"] = status;
    assert_eq!(rig.answer(WRITES, shows(&told)), Vec::<String>::new());
    rig.sees_run(&told);
    assert_eq!(rig.run_for(60 * S), Vec::<String>::new());
}

type Row = (&'static str, fn() -> Reply);

#[test]
fn each_other_answer_to_the_condition() {
    let rows: [Row; 4] = [
        ("refused", || api_server(422, "Invalid")),
        ("down", || api_server(503, "")),
        ("lost", api_server_lost),
        ("too large to be read", || shows(&Value::Null)),
    ];
    for (answer, reply) in rows {
        let mut rig = announced();
        assert_eq!(rig.answer(WRITES, reply()), Vec::<String>::new(), "{answer}: not at once");
        assert_eq!(rig.run_for(2 * S), [WRITES], "{answer}: and without another Event");
    }
    let mut rig = announced();
    rig.answer(WRITES, api_server(404, "NotFound"));
    rig.sees(Seen::Run(WatchEvent::Deleted(serde_json::from_value(alien()).unwrap())));
    assert_eq!(rig.run_for(60 * S), Vec::<String>::new());
}

#[test]
fn one_whose_zone_comes_within_the_grace_is_a_run() {
    let mut rig = Rig::active();
    rig.sees_run(&test_run(101));
    rig.turn();
    rig.wait(S);
    rig.sees_zone(&registered_zone("ns"));
    rig.turn();
    assert!(rig.run_for(10 * S).iter().all(|name| name != TELLS));
    assert!(rig.has_run(101));
}

#[test]
fn one_that_is_over_or_nobodys_is_left_as_it_is() {
    let mut over = alien();
    over["status"]["stage"] = json!("finished");
    let mut plain = alien();
    plain["spec"]["testRunId"] = json!("");
    for run in [over, plain] {
        let mut rig = Rig::with_zone();
        rig.sees_run(&run);
        assert_eq!(rig.run_for(60 * S), Vec::<String>::new(), "{run}");
    }
}

/// Whoever put it there, it would stay for ever.
#[test]
fn one_that_is_deleted_is_let_go() {
    let mut rig = Rig::with_zone();
    let mut deleted = alien();
    deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    rig.sees_run(&deleted);
    let releases = "TestRun ns/plz-test-101: removing our finalizer";
    assert_eq!(rig.turn(), [releases]);
    assert_eq!(rig.body(releases)["metadata"]["finalizers"], json!([]));
    let mut gone = deleted.clone();
    gone["metadata"]["finalizers"] = json!([]);
    gone["metadata"]["resourceVersion"] = json!("9");
    assert_eq!(rig.answer(releases, shows(&gone)), Vec::<String>::new());
}
