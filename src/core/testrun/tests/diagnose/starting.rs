//! The run cannot even begin.

use super::super::world::{World, ours};
use super::{check, check_none, world};
use crate::testrun::proof::Proof;
use crate::testrun::state::{Job, Keeping};
use crate::testrun::table::Block;
use crate::testrun::termination::{Cause, Termination};

#[track_caller]
fn check_refused(block: Block, change: impl FnOnce(&mut World), message: &str) {
    check(&world(block, change), Cause::CouldNotStart, message);
}

#[test]
fn since_it_was_judged_before() {
    let verdict = Termination { cause: Cause::NotOfZone, message: "why".to_owned() };
    check(&world(Block::New, |world| world.state.verdict = Some(verdict)), Cause::NotOfZone, "why");
}

#[test]
fn without_a_number_of_runners() {
    let none = |world: &mut World| world.state.set_parallelism(0);
    check_refused(
        Block::Created,
        |world| {
            none(world);
            world.run.spec.parallelism = 2000;
        },
        "TestRun load/plz-test-101 asks for 2000 runners, but the agent runs 1 to 1000; delete it and start the test \
         again: the number of runners follows from its virtual users and from the limits in spec.resources of the zone",
    );
    check_refused(
        Block::Created,
        none,
        "it is unknown how many runners TestRun load/plz-test-101 had: its spec was edited, and GCk6 does \
         not say; delete it and start the test again",
    );
    // GCk6 is asked first.
    check_none(&world(Block::Created, |world| {
        none(world);
        world.state.proof = Proof::Unknown;
    }));
}

#[test]
fn without_a_script() {
    check_refused(
        Block::New,
        |world| world.state.plan.as_mut().unwrap().spec.script = Default::default(),
        "TestRun load/plz-test-101: spec.script names no script: give one of configMap, volumeClaim and localFile",
    );
}

#[test]
fn without_its_secret() {
    check_refused(
        Block::New,
        |world| world.state.keeping = Keeping::Refused("why".to_owned()),
        "Secret load/plz-test-101 with the archive's URL cannot be created: why",
    );
    for keeping in [Keeping::Unknown, Keeping::Lost, Keeping::Foreign, Keeping::Kept] {
        check_none(&world(Block::New, |world| world.state.keeping = keeping));
    }
}

#[test]
fn without_a_job() {
    check_refused(
        Block::New,
        |world| world.job(2, Job::Refused("why".to_owned())),
        "the API server rejected Job plz-test-101-2: why",
    );
    for job in [Job::Unknown, Job::Unclear, Job::Foreign, Job::Gone(String::new())] {
        check_none(&world(Block::New, |world| world.job(2, job)));
    }
}

/// The pod of runner 1 is refused with these words.
fn refused_pod(words: &str) -> impl FnOnce(&mut World) {
    let words = words.to_owned();
    move |world: &mut World| {
        world.job(1, Job::Ours("without-a-pod".to_owned()));
        world.runner(1).refusal = Some(words);
    }
}

#[test]
fn without_a_pod() {
    let words = "admission webhook \"v\" denied the request: no";
    check_refused(
        Block::Created,
        refused_pod(words),
        &format!("the pod of Job plz-test-101-1 is rejected: {words}"),
    );
    // A quota may get room; and words about a pod that is there are nobody's.
    check_none(&world(Block::Created, refused_pod("exceeded quota: q denied the request")));
    check_none(&world(Block::Created, |world| {
        refused_pod(words)(world);
        world.job(1, ours(1));
    }));
}

#[test]
fn with_advice_where_the_words_give_none() {
    let words = "pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\"";
    let found = world(Block::Created, refused_pod(words));
    let found = crate::testrun::diagnose::diagnose(&found.facts()).unwrap();
    assert!(found.message.contains("in the PrivateLoadZone set spec.podTemplate.spec.securityContext"));
}
