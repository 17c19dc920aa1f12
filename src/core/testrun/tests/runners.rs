//! What is true of one runner, by its pod, its Job and its answers.

use serde_json::{Value, json};

use super::world::{ENDED, INTERRUPTED, PAUSED, RUNNING, World, ours, runner_status};
use crate::testrun::facts::Runner;
use crate::testrun::state::Job;
use crate::testrun::table::{Block, Fact};

/// What is true of runner 2 once `change` is made.
#[track_caller]
fn check(change: impl FnOnce(&mut World), is: fn(&Runner<'_>) -> bool, wanted: bool) {
    let mut world = World::new(Block::Created);
    change(&mut world);
    assert_eq!(is(&world.facts().runner(2).unwrap()), wanted);
}

fn status(world: &mut World, attributes: &Value) {
    world.runner(2).status = Some(runner_status(attributes));
}

/// The pod of runner 2, with k6 in this state.
fn pod(world: &mut World, phase: &str, state: &Value) {
    let statuses = json!([{ "name": "k6", "state": state }]);
    world.pod_with(2, &json!({ "phase": phase, "podIP": "10.0.0.2", "containerStatuses": statuses }));
}

#[test]
fn ready_is_who_waits_or_has_started_or_is_over() {
    for (number, wanted) in [(0, false), (3, false), (PAUSED, true), (RUNNING, true), (ENDED, true)] {
        check(|world| world.answers(2, number), |runner| runner.is_ready(), wanted);
    }
    check(|world| world.runner(2).status = None, |runner| runner.is_ready(), false);
    let exited = |world: &mut World| {
        world.runner(2).status = None;
        pod(world, "Succeeded", &json!({ "terminated": { "exitCode": 0 } }));
    };
    check(exited, |runner| runner.is_ready(), true);
    check(exited, |runner| runner.has_ended(), true);
}

#[test]
fn ended_is_who_says_so_and_never_who_is_silent() {
    for (number, wanted) in
        [(PAUSED, false), (RUNNING, false), (ENDED, true), (INTERRUPTED, true), (11, true)]
    {
        check(|world| world.answers(2, number), |runner| runner.has_ended(), wanted);
    }
    let silent = |world: &mut World| {
        world.runner(2).status = None;
        world.runner(2).silent_since = Some(std::time::Duration::ZERO);
    };
    check(silent, |runner| runner.has_ended(), false);
    let failed = |world: &mut World| pod(world, "Failed", &json!({ "terminated": { "exitCode": 105 } }));
    check(failed, |runner| runner.has_ended(), false);
}

#[test]
fn who_is_let_go() {
    check(|world| world.waits(2), |runner| runner.is_to_resume(), true);
    check(|world| world.answers(2, PAUSED), |runner| runner.is_to_resume(), false);
    let running = |world: &mut World| {
        world.waits(2);
        world.answers(2, RUNNING);
    };
    check(running, |runner| runner.is_to_resume(), false);
    let unheard = |world: &mut World| {
        world.waits(2);
        world.runner(2).status = None;
    };
    check(unheard, |runner| runner.is_to_resume(), false);
}

#[test]
fn who_is_stopped() {
    check(|_| {}, |runner| runner.is_to_stop(), true);
    check(|world| world.runner(2).status = None, |runner| runner.is_to_stop(), true);
    check(|world| world.runner(2).stopped = true, |runner| runner.is_to_stop(), false);
    check(|world| world.answers(2, ENDED), |runner| runner.is_to_stop(), false);
    check(|world| pod(world, "Pending", &json!({ "waiting": {} })), |runner| runner.is_to_stop(), false);
    check(|world| world.job(2, Job::Unknown), |runner| runner.is_to_stop(), false);
}

#[test]
fn who_was_stopped_early() {
    let stopped = |resumed: bool, running: bool| {
        move |world: &mut World| {
            status(world, &json!({ "status": PAUSED, "stopped": true, "running": running }));
            world.runner(2).resumed = resumed;
        }
    };
    check(stopped(false, false), |runner| runner.was_stopped_early(), true);
    check(stopped(true, false), |runner| runner.was_stopped_early(), false);
    check(stopped(false, true), |runner| runner.was_stopped_early(), false);
}

#[test]
fn who_lacks_a_pod() {
    let podless = |is_seen: bool| {
        move |world: &mut World| {
            world.job(2, Job::Ours("without-a-pod".to_owned()));
            world.runner(2).pod_seen = is_seen;
        }
    };
    check(podless(false), |runner| runner.lacks_pod(), true);
    check(podless(true), |runner| runner.lacks_pod(), false);
    check(|_| {}, |runner| runner.lacks_pod(), false);
    check(|world| world.job(2, Job::Unknown), |runner| runner.lacks_pod(), false);
}

#[test]
fn what_is_left_to_do_with_a_job() {
    let uid = || "job-2".to_owned();
    for (job, is_unseen, is_left) in [
        (Job::Unknown, true, true),
        (Job::Unclear, true, true),
        (Job::Contested(uid()), true, true),
        (Job::Ours(uid()), false, true),
        (Job::Deleted(uid()), false, false),
        (Job::Gone(uid()), false, false),
        (Job::Foreign, false, false),
        (Job::Refused("no".to_owned()), false, false),
    ] {
        check(|world| world.job(2, job.clone()), |runner| runner.job_is_unseen(), is_unseen);
        check(|world| world.job(2, job.clone()), |runner| runner.job_is_left(), is_left);
    }
}

/// A second pod of the Job of runner 2.
fn second(world: &mut World, created: &str, status: &Value) {
    let more = json!({ "name": "second", "uid": "pod-second", "creationTimestamp": created });
    world.pod_of(2, &more, status);
}

#[test]
fn of_two_pods_the_older_one_that_has_not_failed() {
    let name = |world: &World| world.facts().runner(2).unwrap().pod.unwrap().name().to_owned();
    let first = json!({ "creationTimestamp": "2026-01-01T00:00:05Z" });
    let running =
        json!({ "phase": "Running", "containerStatuses": [{ "name": "k6", "state": { "running": {} } }] });
    let mut world = World::new(Block::Created);
    world.pod_of(2, &first, &running);
    second(&mut world, "2026-01-01T00:00:09Z", &running);
    assert_eq!(name(&world), "plz-test-101-2-x", "who forges one comes later");
    second(&mut world, "2026-01-01T00:00:01Z", &running);
    assert_eq!(name(&world), "second");
    second(&mut world, "2026-01-01T00:00:01Z", &json!({ "phase": "Failed" }));
    assert_eq!(name(&world), "plz-test-101-2-x", "a failed one says nothing of its successor");
    assert_eq!(world.facts().pods_left, 4);
}

#[test]
fn a_pod_of_a_job_that_nobody_knows_is_waited_for_and_no_more() {
    let mut world = World::new(Block::Stopped);
    world.pod(3);
    world.job(3, Job::Gone(String::new()));
    assert_eq!((world.facts().pods_left, world.facts().runner(3).unwrap().pod), (1, None));
    assert!(world.facts().holds(Fact::PodsLeft));
    // With all Jobs known, what claims to be of the run is nobody's.
    world.job(3, Job::Deleted("other".to_owned()));
    assert_eq!(world.facts().pods_left, 0);
    world.job(3, ours(3));
    assert_eq!(world.facts().pods_left, 1);
}
