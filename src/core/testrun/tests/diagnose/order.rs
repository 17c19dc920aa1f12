//! Of two causes the first in this order is the run's.

use serde_json::json;

use super::super::world::{INTERRUPTED, NOW, PAUSED, World, runner_status};
use crate::cloud::RunStatus;
use crate::testrun::diagnose;
use crate::testrun::state::{Job, Keeping, Setup};
use crate::testrun::table::Block;
use crate::testrun::termination::{Cause, Termination};

/// What makes a cause, and how its message begins.
type Made = (fn(&mut World), Cause, &'static str);

#[rustfmt::skip]
const ORDER: [Made; 14] = [
    (|world| world.state.namespace_deleting = true,             Cause::NamespaceDeleted, "namespace load"),
    (deleted,                                                   Cause::TestRunDeleted,   "TestRun load/plz-test-101 is being"),
    (|world| world.zone_deleting = true,                        Cause::ZoneDeleted,      "the PrivateLoadZone"),
    (|world| world.state.state_missing = 3,                     Cause::UnknownToCloud,   "GCk6 no longer knows"),
    (|world| world.state.cloud_status = Some(RunStatus(5)),     Cause::AbortedByUser,    "GCk6 reports"),
    (judged,                                                    Cause::NotOfZone,        "why"),
    (|world| world.state.keeping = Keeping::Refused("no".into()), Cause::CouldNotStart,  "Secret"),
    (|world| world.job(2, Job::Refused("no".to_owned())),       Cause::CouldNotStart,    "the API server rejected Job plz-test-101-2"),
    (pod_refused,                                               Cause::CouldNotStart,    "the pod of Job plz-test-101-1"),
    (|world| world.state.setup = Setup::Failed("no".to_owned()), Cause::SetupFailed,     "setup() of the script"),
    (stopped_early,                                             Cause::CouldNotStart,    "k6 was stopped on runner 1/3"),
    (|world| world.job(3, Job::Gone("job-3".to_owned())),       Cause::RunnerFailed,     "Job plz-test-101-3"),
    (interrupted,                                               Cause::Interrupted,      "the test was interrupted"),
    (late,                                                      Cause::StartDeadlineExceeded, "the runners were not ready"),
];

fn deleted(world: &mut World) {
    world.run.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".to_owned());
}

fn judged(world: &mut World) {
    world.state.verdict = Some(Termination { cause: Cause::NotOfZone, message: "why".to_owned() });
}

fn pod_refused(world: &mut World) {
    world.job(1, Job::Ours("without-a-pod".to_owned()));
    world.runner(1).refusal = Some("denied the request".to_owned());
}

fn stopped_early(world: &mut World) {
    world.runner(1).status = Some(runner_status(&json!({ "status": PAUSED, "stopped": true })));
    world.runner(1).resumed = false;
}

/// Runner 2, and GCk6 has said since that it was not the one.
fn interrupted(world: &mut World) {
    world.answers(2, INTERRUPTED);
    world.state.last_end = Some(NOW);
    world.state.state_as_of = Some(NOW);
}

fn late(world: &mut World) {
    world.state.known_since = NOW - world.start_deadline;
    world.runner(3).status = None;
    world.runner(3).resumed = false;
}

#[track_caller]
fn check(world: &World, (_, cause, begin): Made, what: &str) {
    let found = diagnose::diagnose(&world.facts()).unwrap();
    assert_eq!(found.cause, cause, "{what}: {}", found.message);
    assert!(found.message.starts_with(begin), "{what}: {}", found.message);
}

#[test]
fn each_cause_alone() {
    for made in ORDER {
        let mut world = World::new(Block::Created);
        made.0(&mut world);
        check(&world, made, made.2);
    }
}

#[test]
fn of_two_causes_the_first() {
    for (at, first) in ORDER.into_iter().enumerate() {
        for second in &ORDER[at + 1..] {
            let mut world = World::new(Block::Created);
            second.0(&mut world);
            first.0(&mut world);
            check(&world, first, &format!("{} and {}", first.2, second.2));
        }
    }
}
