//! What is written into the status of a run, stage by stage: status, reason and message of each condition.

use std::time::SystemTime;

use serde_json::json;

use super::make;
use super::world::{RUNNING, World};
use crate::api::run::Stage;
use crate::testrun::StatusWrite;
use crate::testrun::conditions::{self, teardown_is_due};
use crate::testrun::facts::SILENCE_MAX;
use crate::testrun::proof::Proof;
use crate::testrun::state::{Crowd, Job, Setup, Teardown};
use crate::testrun::table::Block;
use crate::testrun::termination::Cause;

const CONDITIONS: StatusWrite = StatusWrite::Conditions;

const fn stage(stage: Stage) -> StatusWrite {
    StatusWrite::Stage(stage)
}

/// What is said of one condition, with this write, of a run in `block` that `change` makes special.
#[track_caller]
fn check(block: Block, change: impl FnOnce(&mut World), write: StatusWrite, type_: &str, says: [&str; 3]) {
    let mut world = World::new(block);
    change(&mut world);
    assert_eq!(world.claim(write, type_), says, "{block}: {write:?}");
}

fn nothing(_: &mut World) {}

/// The types that a write touches.
fn types(block: Block, write: StatusWrite) -> Vec<String> {
    let patch = conditions::patch(&World::new(block).facts(), write);
    let list = patch["status"]["conditions"].as_array().unwrap();
    list.iter().map(|condition| condition["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_stage_writes_its_conditions() {
    let ended = ["TestRunRunning", "CloudTestRunAborted", "TeardownExecuted"];
    let over = ["TestRunRunning", "CloudTestRunAborted", "TeardownExecuted", "CloudTestRunFinalized"];
    let created = [
        "TestRunRunning",
        "CloudTestRun",
        "CloudTestRunCreated",
        "CloudPLZTestRun",
        "CloudTestRunAborted",
        "CloudTestRunFinalized",
        "TeardownExecuted",
    ];
    assert_eq!(types(Block::New, stage(Stage::Created)), created);
    assert_eq!(types(Block::Created, stage(Stage::Started)), ["TestRunRunning"]);
    assert_eq!(types(Block::Started, stage(Stage::Stopped)), ended);
    assert_eq!(types(Block::Stopped, stage(Stage::Finished)), over);
    assert_eq!(types(Block::Stopped, stage(Stage::Error)), over);
    for (block, condition) in [
        (Block::New, "TestRunRunning"),
        (Block::Created, "TestRunRunning"),
        (Block::Started, "TestRunRunning"),
        (Block::Stopped, "TeardownExecuted"),
    ] {
        assert_eq!(types(block, CONDITIONS), [condition], "{block}");
    }
    for never in [Stage::New, Stage::Initialization, Stage::Initialized, Stage::Unknown] {
        assert_eq!(types(Block::New, stage(never)), [""; 0], "{never}");
    }
}

#[test]
fn the_patch_is_for_this_object_and_keeps_what_others_say() {
    let mut world = World::new(Block::New);
    let other = json!({ "type": "Other", "status": "True", "reason": "Mine", "message": "m",
        "lastTransitionTime": "2026-01-01T00:00:00Z" });
    world.run.status.conditions = vec![serde_json::from_value(other.clone()).unwrap()];
    let patch = conditions::patch(&world.facts(), stage(Stage::Created));
    // Only onto the version that it was decided upon.
    assert_eq!(patch["metadata"], json!({ "uid": "run-uid", "resourceVersion": "7" }));
    assert_eq!(
        (&patch["status"]["stage"], &patch["status"]["testRunId"]),
        (&json!("created"), &json!("101"))
    );
    assert_eq!(patch["status"]["conditions"][0], other);
    let patch = conditions::patch(&world.facts(), CONDITIONS);
    assert_eq!(patch["status"].as_object().unwrap().len(), 1, "no stage with the conditions alone");
}

#[test]
#[rustfmt::skip]
fn created() {
    let says = |type_: &str, says: [&str; 3]| check(Block::New, nothing, stage(Stage::Created), type_, says);
    says("TestRunRunning",        ["False", "RunnersStarting", "the Jobs exist, waiting for the runners"]);
    says("CloudTestRun",          ["True",  "PrivateLoadZone", "the runners send their metrics to GCk6"]);
    says("CloudTestRunCreated",   ["True",  "CreatedByCloud",  "GCk6 has created the test run"]);
    says("CloudPLZTestRun",       ["True",  "PrivateLoadZone", "GCk6 has listed it for this zone"]);
    says("CloudTestRunAborted",   ["False", "NotAborted",      "nothing has ended it early"]);
    says("CloudTestRunFinalized", ["False", "NotEnded",        "the test run is not over"]);
    says("TeardownExecuted",      ["False", "NotEnded",        "the test run is not over"]);
}

#[test]
fn what_the_start_waits_for() {
    let says = |change: fn(&mut World), message: &str| {
        check(Block::Created, change, CONDITIONS, "TestRunRunning", ["False", "RunnersStarting", message]);
    };
    says(nothing, "all runners are ready");
    says(
        |world| {
            world.runner(2).status = None;
            world.runner(2).resumed = false;
        },
        "waiting for the runners: runner 2/3: k6 is loading the script",
    );
}

#[test]
fn started() {
    let says = |change: fn(&mut World), reason: &str, message: &str| {
        check(Block::Started, change, CONDITIONS, "TestRunRunning", ["True", reason, message]);
    };
    says(nothing, "RunnersResumed", "all 3 runners were started together");
    says(|world| world.state.set_parallelism(1), "RunnersResumed", "the runner was started");
    says(|world| world.state.refusal = Some("no right".to_owned()), "Refused", "no right");
    says(
        |world| {
            world.answers(1, RUNNING);
            world.runner(1).silent_since = Some(world.now - SILENCE_MAX);
            world.runner(1).trouble = Some("timeout".to_owned());
        },
        "RunnerSilent",
        "runner 1/3 has not answered for 15 s: timeout",
    );
    says(
        |world| {
            make::unproven(world);
            world.state.known_since -= SILENCE_MAX;
            world.state.proof_error = Some("no route".to_owned());
        },
        "Unconfirmed",
        "GCk6 has not confirmed since the agent's start that test run 101 belongs to PrivateLoadZone load/edge: no route",
    );
    let resumed = ["True", "RunnersResumed", "all 3 runners were started together"];
    check(Block::Created, nothing, stage(Stage::Started), "TestRunRunning", resumed);
}

#[test]
fn why_it_has_stopped() {
    let aborted = "CloudTestRunAborted";
    for write in [stage(Stage::Stopped), stage(Stage::Finished), stage(Stage::Error)] {
        let says = |change: &dyn Fn(&mut World), type_: &str, says: [&str; 3]| {
            check(Block::Stopped, change, write, type_, says);
        };
        let over = ["False", "TestEnded", "the test has ended on all runners"];
        says(&nothing, "TestRunRunning", over);
        says(&nothing, aborted, ["False", "NotAborted", "nothing has ended it early"]);
        for cause in Cause::ALL {
            let ends = |world: &mut World| world.ends(cause);
            says(&ends, "TestRunRunning", ["False", cause.reason(), "why"]);
            if cause.is_verdict() {
                says(&ends, aborted, ["False", "NotAborted", "nothing has ended it early"]);
            } else {
                says(&ends, aborted, ["True", cause.reason(), "why"]);
            }
        }
    }
}

#[test]
fn teardown_is_recorded_before_it_is_run() {
    let says = |change: fn(&mut World), says: [&str; 3]| {
        check(Block::Started, change, stage(Stage::Stopped), "TeardownExecuted", says);
    };
    let begun = "teardown() is about to be run; if this stays, the agent was restarted in the meantime";
    says(nothing, ["Unknown", "TeardownBegun", begun]);
    says(
        |world| (1..=3).for_each(|n| world.job(n, Job::Gone(String::new()))),
        ["False", "TeardownNotRun", "the test has not started, or no runner is left to run teardown() on"],
    );
    let waits = "teardown() is waiting for its turn: 8 setup() and teardown() functions are running, 2 of them in \
                 namespace load";
    check(
        Block::Stopped,
        |world| {
            world.pod(1);
            world.state.setup = Setup::Run(None);
            world.state.user_code_waits = Some(Crowd { all: 8, own: 2 });
        },
        CONDITIONS,
        "TeardownExecuted",
        ["Unknown", "TeardownBegun", waits],
    );
}

#[test]
fn who_has_to_run_teardown() {
    let due = |block, change: fn(&mut World)| {
        let mut world = World::new(block);
        (1..=3).for_each(|n| world.waits(n));
        change(&mut world);
        teardown_is_due(&world.facts())
    };
    let not_set_up = |world: &mut World| world.state.setup = Setup::NotRun;
    assert!(due(Block::Created, nothing), "setup was run");
    assert!(due(Block::Created, |world| world.state.setup = Setup::OnRunner(1)), "setup was run");
    assert!(due(Block::Started, not_set_up), "the test has started");
    assert!(!due(Block::Created, not_set_up));
    assert!(!due(Block::Created, |world| world.state.setup = Setup::Failed("no".to_owned())));
    assert!(!due(Block::New, nothing), "nobody is there to run it on");
}

#[test]
fn how_teardown_went() {
    let not_run = "the test has not started, or no runner was left to run teardown() on";
    let lost =
        "teardown() may have been cut short: the agent was restarted while it ran, and it is never run twice";
    let earlier = "teardown() was run once, before the agent was restarted";
    for (teardown, says) in [
        (Teardown::Done, ["True", "TeardownExecuted", "teardown() was run once"]),
        (Teardown::Past, ["True", "TeardownExecuted", earlier]),
        (Teardown::Failed("TypeError".to_owned()), ["False", "TeardownFailed", "TypeError"]),
        (Teardown::Lost, ["Unknown", "TeardownUnknown", lost]),
        (Teardown::Unclear, ["Unknown", "TeardownUnknown", lost]),
        (Teardown::NotOurs, ["False", "TeardownNotRun", not_run]),
        (Teardown::Due, ["False", "TeardownNotRun", not_run]),
        (Teardown::Running, ["False", "TeardownNotRun", not_run]),
    ] {
        let change = |world: &mut World| world.state.teardown = teardown;
        check(Block::Stopped, change, stage(Stage::Finished), "TeardownExecuted", says);
    }
}

#[test]
fn what_gck6_knows_of_the_end() {
    let says = |change: fn(&mut World), says: [&str; 3]| {
        check(Block::Stopped, change, stage(Stage::Error), "CloudTestRunFinalized", says);
    };
    says(nothing, ["True", "Finished", "GCk6 has been told that the test run is over"]);
    says(
        |world| world.state.finish = Some(Err("422".to_owned())),
        ["False", "FinishFailed", "GCk6 did not accept the end of the test run: 422"],
    );
    let late = "GCk6 could not be told in time that the test run is over; it will time out there";
    says(make::finish_due, ["False", "FinishFailed", late]);
    says(
        |world| {
            make::finish_due(world);
            world.state.proof = Proof::Denied;
        },
        ["False", "FinishFailed", "GCk6 is not told about a test run that does not belong to this zone"],
    );
}

#[test]
fn a_test_run_of_nobody_is_told_once() {
    let mut world = World::new(Block::New);
    let patch = conditions::refusal(&world.run, "why", SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(patch["metadata"], json!({ "uid": "run-uid" }));
    let condition = json!([{ "type": "CloudPLZTestRun", "status": "False", "reason": "NotMadeByAgent",
        "message": "why", "lastTransitionTime": "1970-01-01T00:00:00Z" }]);
    assert_eq!(patch["status"], json!({ "conditions": condition }));
    world.run.status.conditions = serde_json::from_value(condition).unwrap();
    assert_eq!(conditions::refusal(&world.run, "why", SystemTime::UNIX_EPOCH), None);
    assert!(conditions::refusal(&world.run, "another reason", SystemTime::UNIX_EPOCH).is_some());
}
