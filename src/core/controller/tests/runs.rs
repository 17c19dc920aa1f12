//! A run's memory beside its object: what a new process takes over, whose turn it is, and what becomes of one that is deleted.

use super::*;
use crate::testrun::proof::Proof;
use crate::testrun::state::Teardown;
use crate::testrun::termination::Cause;

/// A run of a new process, with this status.
fn taken_over(status: &Value) -> Rig {
    let mut rig = Rig::with_zone();
    let mut run = test_run(101);
    run["status"] = status.clone();
    rig.sees_run(&run);
    rig.turn();
    rig
}

fn condition(type_: &str, status: &str, reason: &str) -> Value {
    json!({"type": type_, "status": status, "reason": reason, "message": "why", "lastTransitionTime": "2026-01-01T00:00:00Z"})
}

#[test]
fn why_a_run_ends_is_read_back_from_its_conditions() {
    let check = |stage: &str, conditions: Value, wanted: Option<Cause>| {
        let status = json!({"stage": stage, "conditions": conditions});
        let mut rig = taken_over(&status);
        let ending = rig.run_state(101).ending.clone();
        assert_eq!(ending.as_ref().map(|ending| ending.cause), wanted, "{status}");
        assert!(ending.is_none_or(|ending| ending.message == "why"), "{status}");
    };
    let aborted = |status, reason| condition("CloudTestRunAborted", status, reason);
    let running = |reason| condition("TestRunRunning", "False", reason);
    for stage in ["stopped", "finished", "error"] {
        check(stage, json!([aborted("True", "SetupFailed")]), Some(Cause::SetupFailed));
        check(stage, json!([aborted("True", "CloudTestRunAbortedTrue")]), Some(Cause::AbortedByUser));
        check(stage, json!([aborted("False", "NotAborted"), running("TestEnded")]), None);
        check(stage, json!([running("MarkedAsFailed")]), Some(Cause::MarkedAsFailed));
        check(stage, json!([running("SetupFailed")]), None);
        check(stage, json!([]), None);
    }
    for stage in ["created", "started"] {
        let mut rig = taken_over(&json!({"stage": stage, "conditions": [aborted("True", "SetupFailed")]}));
        let ending = rig.run_state(101).ending.clone();
        assert!(ending.is_none_or(|ending| ending.message != "why"), "{stage}: it goes on");
    }
}

#[test]
fn a_teardown_that_had_begun_is_not_begun_again() {
    let check = |conditions: Value, stage: &str, wanted: Teardown| {
        let status = json!({"stage": stage, "conditions": conditions});
        let mut rig = taken_over(&status);
        assert_eq!(rig.run_state(101).teardown, wanted, "{status}");
    };
    let begun = || condition("TeardownExecuted", "Unknown", "TeardownBegun");
    check(json!([begun()]), "stopped", Teardown::Lost);
    let aborted = || condition("CloudTestRunAborted", "True", "SetupFailed");
    check(json!([begun(), aborted()]), "stopped", Teardown::Unclear);
    check(
        json!([begun(), condition("TestRunRunning", "False", "MarkedAsFailed")]),
        "stopped",
        Teardown::Lost,
    );
    check(json!([aborted()]), "stopped", Teardown::NotOurs);
    check(json!([begun()]), "started", Teardown::NotOurs);
}

#[test]
fn how_many_runners_there_are_is_believed_of_a_spec_that_nobody_has_edited() {
    for (stage, generation, wanted) in
        [("", 1, 0), ("created", 1, 1), ("started", 1, 1), ("created", 2, 0), ("finished", 1, 0)]
    {
        let mut rig = Rig::with_zone();
        let mut run = test_run(101);
        (run["metadata"]["generation"], run["status"]["stage"]) = (json!(generation), json!(stage));
        rig.sees_run(&run);
        rig.turn();
        assert_eq!(rig.run_state(101).runners.len(), wanted, "{stage}, generation {generation}");
    }
}

#[test]
fn a_stage_that_this_version_does_not_know_is_somebody_elses() {
    let mut rig = Rig::with_zone();
    let mut run = test_run(101);
    run["status"]["stage"] = json!("paused");
    rig.sees_run(&run);
    assert_eq!(rig.turn(), Vec::<String>::new());
    assert!(!rig.has_run(101));
}

#[test]
fn a_zone_has_so_many_runs_that_wait_for_gck6s_word() {
    let mut rig = Rig::with_zone();
    (101..=120).for_each(|id| rig.sees_run(&test_run(id)));
    rig.turn();
    assert_eq!(rig.core.runs.len(), 16);
    assert!(rig.has_run(116) && !rig.has_run(117));
    assert_eq!(rig.core.candidates["zone-ns"].len(), 4);
    // One is proven: the next has its turn. One that is over waits for nobody.
    rig.run_state(101).proof = Proof::Proven;
    rig.core.mark(Key::Run(ObjectKey::new("ns", "plz-test-101")));
    rig.turn();
    assert_eq!((rig.core.runs.len(), rig.has_run(117), rig.has_run(118)), (17, true, false));
    let mut over = test_run(121);
    over["status"]["stage"] = json!("finished");
    rig.sees_run(&over);
    rig.turn();
    assert!(rig.has_run(121));
}

#[test]
fn a_run_that_is_proven_by_gck6_goes_on() {
    let mut rig = Rig::with_run();
    let names = rig.answer(CONFIRMS, data());
    assert_eq!(rig.run_state(101).proof, Proof::Proven);
    assert!(names.iter().all(|name| name.starts_with("TestRun ns/plz-test-101: ")) && !names.is_empty());
}

/// The `TestRun` of a rig is gone.
fn delete(rig: &mut Rig, uid: &str) {
    let mut gone = test_run(101);
    gone["metadata"]["uid"] = json!(uid);
    gone["metadata"]["resourceVersion"] = json!("9");
    rig.sees(Seen::Run(WatchEvent::Deleted(serde_json::from_value(gone).unwrap())));
}

#[test]
fn a_run_that_is_deleted_before_its_time_is_ended_at_gck6() {
    let mut rig = Rig::with_run();
    delete(&mut rig, "run-101");
    let state = rig.run_state(101);
    assert_eq!((state.block, state.ending.as_ref().unwrap().cause), (Block::Gone, Cause::TestRunDeleted));
    assert_eq!(state.announcements.len(), 1);
    assert_eq!(state.announcements[0].reason, "Aborted");
    rig.turn();
    assert!(rig.has_run(101), "until GCk6 knows");
}

#[test]
fn a_run_that_is_deleted_when_it_is_over_is_forgotten() {
    let over: [fn(&mut RunState); 3] = [
        |state| state.block = Block::Done,
        |state| state.finish = Some(Ok(())),
        |state| state.deletion_sent = true,
    ];
    for (at, change) in over.into_iter().enumerate() {
        let mut rig = Rig::with_run();
        change(rig.run_state(101));
        delete(&mut rig, "run-101");
        assert!(!rig.has_run(101), "{at}");
        // The end of one that is done was counted when it was done.
        let counted = rig.core.tally.ends().iter().map(|(_, count)| count).sum::<u64>();
        assert_eq!(counted, u64::from(at > 0), "{at}");
    }
}

#[test]
fn the_end_of_another_object_of_that_name_changes_nothing() {
    let mut rig = Rig::with_run();
    delete(&mut rig, "another");
    assert_eq!(rig.run_state(101).block, Block::New);
    assert!(rig.run_state(101).ending.is_none());
}

#[test]
fn an_end_is_counted_once_by_its_cause() {
    let mut rig = Rig::with_run();
    let mut over = test_run(101);
    (over["status"]["stage"], over["metadata"]["resourceVersion"]) = (json!("finished"), json!("9"));
    rig.sees_run(&over);
    rig.turn();
    over["metadata"]["resourceVersion"] = json!("10");
    rig.sees_run(&over);
    rig.turn();
    let counted: Vec<_> = rig.core.tally.ends().iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted, [&(None, 1)]);
    assert_eq!(rig.core.runs_under_way(), 0);
}

#[test]
fn a_call_for_a_run_that_is_gone_is_none() {
    let mut rig = Rig::with_zone();
    let key = ObjectKey::new("ns", "plz-test-101");
    let now = rig.now();
    for action in [testrun::Action::Finish, testrun::Action::AskRunner(1), testrun::Action::Release] {
        assert!(rig.core.run_call(now, &key, action).is_none(), "{action}");
    }
    rig.sees_run(&test_run(101));
    rig.turn();
    assert!(rig.core.run_call(now, &key, testrun::Action::AskRunner(1)).is_none(), "it has no such runner");
    assert!(rig.core.run_call(now, &key, testrun::Action::Release).is_some());
}

#[test]
fn a_call_for_a_run_that_was_not_sent_is_sent_anew() {
    let mut rig = Rig::with_run();
    let task = rig.task(CONFIRMS);
    rig.core.absorb(rig.now(), Event::Unsent(task.id));
    assert_eq!(rig.turn(), [CONFIRMS]);
}

/// Nobody has been asked to run the script's code, so it is known that it has not run.
#[test]
fn a_teardown_that_was_not_sent_is_still_due() {
    for (is_sent, wanted) in [(true, Teardown::Running), (false, Teardown::Due)] {
        let mut rig = Rig::with_run();
        let id = TaskId::run(&ObjectKey::new("ns", "plz-test-101"), testrun::Action::RunTeardown(1));
        rig.core.queue.push(id.clone());
        rig.run_state(101).teardown = Teardown::Running;
        if !is_sent {
            rig.core.absorb(rig.now(), Event::Unsent(id));
        }
        assert_eq!(rig.run_state(101).teardown, wanted);
    }
}
