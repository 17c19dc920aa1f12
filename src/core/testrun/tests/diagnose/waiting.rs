//! What keeps the runners from being ready, runner by runner.

use serde_json::{Value, json};

use super::super::make;
use super::super::world::{NOW, World};
use super::world;
use crate::testrun::diagnose;
use crate::testrun::state::{Crowd, Job, Keeping};
use crate::testrun::table::Block;

#[track_caller]
fn check(world: &World, message: &str) {
    assert_eq!(diagnose::hold_up(&world.facts()).as_deref(), Some(message));
}

/// Runner 1 is waited for.
fn silent(world: &mut World) {
    world.runner(1).status = None;
    world.runner(1).resumed = false;
}

#[test]
fn nothing() {
    for block in [Block::New, Block::Created] {
        assert_eq!(diagnose::hold_up(&World::new(block).facts()), None, "{block}");
    }
}

#[test]
fn the_secret() {
    let with = |keeping: Keeping| world(Block::New, |world| world.state.keeping = keeping);
    let foreign = "Secret load/plz-test-101 exists and belongs to something else; delete it";
    check(&with(Keeping::Foreign), foreign);
    check(
        &with(Keeping::Unknown),
        "Secret load/plz-test-101 with the archive's URL has not been created yet",
    );
}

#[test]
fn the_jobs() {
    let with = |block, job: Job| {
        world(block, |world| {
            world.job(1, job);
            if block == Block::Created {
                silent(world);
            }
        })
    };
    let foreign = "runner 1/3: Job plz-test-101-1 exists and belongs to something else; delete it";
    check(&with(Block::New, Job::Foreign), foreign);
    check(&with(Block::Created, Job::Foreign), foreign);
    let looked_up = "runner 1/3: Job plz-test-101-1 is being looked up";
    check(&with(Block::Created, Job::Unclear), looked_up);
    check(&with(Block::Created, Job::Unknown), looked_up);
}

#[test]
fn a_pod_that_is_refused() {
    let refused = world(Block::Created, |world| {
        silent(world);
        world.job(1, Job::Ours("without-a-pod".to_owned()));
        world.runner(1).refusal = Some("exceeded quota: q".to_owned());
    });
    check(&refused, "runner 1/3: the pod of Job plz-test-101-1 is rejected: exceeded quota: q");
}

#[test]
fn a_pod_that_waits() {
    let with = |status: &Value| {
        world(Block::Created, |world| {
            silent(world);
            world.pod_with(1, status);
        })
    };
    let waits = |reason: &str, message: &str| {
        json!({ "phase": "Pending", "containerStatuses": [{ "name": "k6",
            "state": { "waiting": { "reason": reason, "message": message } } }] })
    };
    check(&with(&waits("ErrImagePull", "not found")), "runner 1/3: ErrImagePull: not found");
    check(
        &with(&waits("ContainerCreating", "")),
        "runner 1/3: its containers are being created or the archive is being downloaded",
    );
}

#[test]
fn a_config_map_that_is_missing() {
    let volume = json!({ "name": "runner-ca",
        "configMap": { "name": "edge-ca", "items": [{ "key": "root.pem", "path": "ca.pem" }] } });
    let waits = world(Block::Created, |world| {
        silent(world);
        world.pod_with(1, &json!({ "phase": "Pending" }));
        world.run.spec.runner.volumes = vec![volume];
    });
    check(
        &waits,
        "runner 1/3: its containers are being created or the archive is being downloaded; the pod waits until \
         ConfigMap edge-ca with the key root.pem (--runner-ca) exists in namespace load",
    );
}

#[test]
fn what_nobody_hears_yet_is_not_said_before_it_is_late() {
    let mut refused = world(Block::Created, |world| {
        silent(world);
        world.runner(1).trouble = Some("connection refused".to_owned());
    });
    check(&refused, "runner 1/3: k6 is loading the script");
    refused.now = NOW + std::time::Duration::from_secs(30);
    check(&refused, "runner 1/3: connection refused");
}

#[test]
fn no_more_than_three_are_named() {
    let many = world(Block::Created, |world| {
        world.state.set_parallelism(5);
        (1..=5).for_each(|n| world.job(n, Job::Foreign));
    });
    let message = diagnose::hold_up(&many.facts()).unwrap();
    assert_eq!(message.matches("belongs to something else").count(), 3);
    assert!(message.starts_with("runner 1/5: ") && message.ends_with("; and 2 more"), "{message}");
}

#[test]
fn setup() {
    let turn = world(Block::Created, |world| world.state.user_code_waits = Some(Crowd { all: 8, own: 2 }));
    check(
        &turn,
        "setup() is waiting for its turn: 8 setup() and teardown() functions are running, 2 of them in namespace load",
    );
    let room = world(Block::Created, |world| world.state.data_waits_since = Some(NOW));
    check(
        &room,
        "what setup() returned is waiting to be passed to the runners: the agent holds 8 MiB of such data at a time, \
         and other runs are using it",
    );
}

#[test]
fn gck6s_word_before_all_else() {
    let unproven = world(Block::New, |world| {
        make::unproven(world);
        world.state.refusal = Some("no right".to_owned());
        world.state.keeping = Keeping::Foreign;
    });
    check(
        &unproven,
        "GCk6 has not confirmed since the agent's start that test run 101 belongs to PrivateLoadZone load/edge",
    );
    let refused = world(Block::New, |world| {
        world.state.refusal = Some("no right".to_owned());
        world.state.keeping = Keeping::Foreign;
    });
    check(&refused, "no right");
}
