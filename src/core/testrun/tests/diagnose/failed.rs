//! The script or a runner has failed.

use serde_json::{Value, json};

use super::super::world::{ENDED, PAUSED, RUNNING, World, runner_status};
use super::{check, check_none, world};
use crate::testrun::state::{Job, Setup};
use crate::testrun::table::Block;
use crate::testrun::termination::Cause;

const WHO: &str = "runner 2/3 (pod plz-test-101-2-x)";

#[test]
fn setup() {
    check(
        &world(Block::Created, |world| world.state.setup = Setup::Failed("TypeError".to_owned())),
        Cause::SetupFailed,
        "setup() of the script failed: TypeError",
    );
}

#[test]
fn a_test_that_is_stopped_before_it_starts() {
    let stopped = |running: bool| {
        move |world: &mut World| {
            let attributes = json!({ "status": PAUSED, "stopped": true, "running": running });
            world.runner(2).status = Some(runner_status(&attributes));
            world.runner(2).resumed = false;
        }
    };
    let message = format!("k6 was stopped on {WHO} before its test could start");
    check(&world(Block::Created, stopped(false)), Cause::CouldNotStart, &message);
    check_none(&world(Block::Created, stopped(true)));
    check_none(&world(Block::Started, stopped(false)));
    check_none(&world(Block::Created, |world| {
        stopped(false)(world);
        world.runner(2).resumed = true;
    }));
}

#[test]
fn a_job_that_is_gone() {
    let gone = "Job plz-test-101-2 of runner 2/3 is gone: somebody deleted it";
    let foreign = "Job plz-test-101-2 of runner 2/3 was replaced by one that belongs to something else";
    for block in [Block::Created, Block::Started] {
        let with = |job: Job| {
            world(block, |world| {
                world.answers(2, RUNNING);
                world.job(2, job);
            })
        };
        check(&with(Job::Gone("job-2".to_owned())), Cause::RunnerFailed, gone);
        check(&with(Job::Foreign), Cause::RunnerFailed, foreign);
        for job in [Job::Unknown, Job::Unclear, Job::Contested("job-2".to_owned())] {
            check_none(&with(job));
        }
    }
    // Who has ended has no need of it any more.
    check_none(&world(Block::Started, |world| world.job(2, Job::Gone(String::new()))));
}

#[test]
fn a_pod_that_is_gone() {
    let message = "the pod of runner 2/3 is gone: it was deleted, or its node was removed";
    let with = |block, is_seen: bool| {
        world(block, |world| {
            world.answers(2, RUNNING);
            world.job(2, Job::Ours("without-a-pod".to_owned()));
            world.runner(2).pod_seen = is_seen;
        })
    };
    check(&with(Block::Created, true), Cause::RunnerFailed, message);
    check(&with(Block::Started, true), Cause::RunnerFailed, message);
    // Every started run had all its pods.
    check(&with(Block::Started, false), Cause::RunnerFailed, message);
    check_none(&with(Block::Created, false));
}

/// The pod of runner 2 fails with this status, before and after the start.
#[track_caller]
fn check_pod(status: &Value, before: Cause, after: Cause, message: &str) {
    for (block, cause) in [(Block::Created, before), (Block::Started, after)] {
        let world = world(block, |world| {
            world.answers(2, RUNNING);
            world.pod_with(2, status);
        });
        check(&world, cause, message);
    }
}

fn k6(end: &Value) -> Value {
    json!({ "phase": "Failed", "containerStatuses": [{ "name": "k6", "state": { "terminated": end } }] })
}

fn init(name: &str, end: &Value) -> Value {
    json!({ "phase": "Failed", "initContainerStatuses": [{ "name": name, "state": { "terminated": end } }] })
}

#[test]
fn a_pod() {
    let (before, after) = (Cause::CouldNotStart, Cause::RunnerFailed);
    check_pod(
        &json!({ "phase": "Failed", "reason": "Evicted", "message": "low on memory" }),
        before,
        after,
        &format!("{WHO} was evicted: Evicted: low on memory"),
    );
    check_pod(&json!({ "phase": "Failed" }), before, after, &format!("{WHO} failed"));
    check_pod(
        &json!({ "phase": "Failed", "reason": "DeadlineExceeded" }),
        before,
        after,
        &format!("{WHO} failed: DeadlineExceeded"),
    );
    for block in [Block::Created, Block::Started] {
        let world = world(block, |world| {
            world.answers(2, RUNNING);
            world.pod_of(2, &json!({ "deletionTimestamp": "2026-01-01T00:00:00Z" }), &json!({}));
        });
        let cause = if block == Block::Created { before } else { after };
        check(&world, cause, &format!("{WHO} was deleted by somebody else"));
    }
}

#[test]
fn k6_itself() {
    let (before, after) = (Cause::CouldNotStart, Cause::RunnerFailed);
    let memory = "raise spec.resources.limits.memory of the PrivateLoadZone, or use more runners";
    check_pod(
        &k6(&json!({ "exitCode": 137, "reason": "OOMKilled" })),
        Cause::OutOfMemory,
        Cause::OutOfMemory,
        &format!("{WHO} ran out of memory; {memory}"),
    );
    check_pod(
        &k6(&json!({ "exitCode": 128, "reason": "StartError", "message": "no k6" })),
        before,
        after,
        &format!(
            "k6 never ran on {WHO}: image grafana/k6:latest cannot start it: no k6; set spec.image of the \
             PrivateLoadZone to one with k6 in its PATH"
        ),
    );
    check_pod(
        &k6(&json!({ "exitCode": 107, "message": "ReferenceError" })),
        Cause::ScriptException,
        Cause::ScriptException,
        &format!("the script failed on {WHO}: ReferenceError"),
    );
    check_pod(
        &k6(&json!({ "exitCode": 109 })),
        Cause::Panicked,
        Cause::Panicked,
        &format!("k6 panicked on {WHO}"),
    );
    check_pod(
        &k6(&json!({ "exitCode": 100, "message": "60 s" })),
        Cause::SetupFailed,
        Cause::SetupFailed,
        &format!("k6 exited with code 100 (setup() took too long) on {WHO}: 60 s"),
    );
    check_pod(
        &k6(&json!({ "exitCode": 104, "message": "bad flag" })),
        before,
        after,
        &format!("k6 exited with code 104 (invalid configuration or command line) on {WHO}: bad flag"),
    );
}

#[test]
fn an_init_container() {
    let (before, after) = (Cause::CouldNotStart, Cause::RunnerFailed);
    check_pod(
        &init("archive-download", &json!({ "exitCode": 10, "message": "expired: the URL has expired" })),
        before,
        after,
        &format!("{WHO}: the test's archive could not be downloaded: the URL has expired"),
    );
    check_pod(
        &init("istio-init", &json!({ "exitCode": 1, "message": "iptables" })),
        before,
        after,
        &format!("init container istio-init of {WHO} exited with code 1: iptables"),
    );
    check_pod(
        &init("istio-init", &json!({ "exitCode": 137, "reason": "OOMKilled" })),
        before,
        after,
        &format!(
            "init container istio-init of {WHO} ran out of memory; raise the memory limit of that container"
        ),
    );
    check_pod(
        &init("istio-init", &json!({ "exitCode": 128, "reason": "StartError", "message": "no such file" })),
        before,
        after,
        &format!("init container istio-init of {WHO} could not be started: no such file"),
    );
}

#[test]
fn what_befalls_a_pod_whose_test_is_over_ends_nothing() {
    check_none(&world(Block::Started, |world| {
        world.answers(2, ENDED);
        world.pod_with(2, &k6(&json!({ "exitCode": 137, "reason": "OOMKilled" })));
    }));
}
