//! Somebody wants the run to end.

use super::super::world::World;
use super::{check, check_none, world};
use crate::cloud::RunStatus;
use crate::testrun::table::Block;
use crate::testrun::termination::Cause;

const BLOCKS: [Block; 3] = [Block::New, Block::Created, Block::Started];

#[track_caller]
fn check_all(change: fn(&mut World), cause: Cause, message: &str) {
    BLOCKS.into_iter().for_each(|block| check(&world(block, change), cause, message));
}

#[test]
fn by_a_deletion_in_the_cluster() {
    check_all(
        |world| world.state.namespace_deleting = true,
        Cause::NamespaceDeleted,
        "namespace load is being deleted in the cluster, and the test run with it",
    );
    check_all(
        |world| world.run.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".to_owned()),
        Cause::TestRunDeleted,
        "TestRun load/plz-test-101 is being deleted in the cluster",
    );
    check_all(
        |world| world.zone_deleting = true,
        Cause::ZoneDeleted,
        "the PrivateLoadZone of TestRun load/plz-test-101 is deleted in the cluster",
    );
}

#[test]
fn by_gck6_that_does_not_know_it() {
    let message = "GCk6 no longer knows this test run";
    check_all(|world| world.state.state_missing = 3, Cause::UnknownToCloud, message);
    BLOCKS.into_iter().for_each(|block| check_none(&world(block, |world| world.state.state_missing = 2)));
}

#[test]
fn by_the_status_at_gck6() {
    let with =
        |number: i64| world(Block::Started, |world| world.state.cloud_status = Some(RunStatus(number)));
    for (number, cause, words) in [
        (4, Cause::TimedOut, "timed out"),
        (5, Cause::AbortedByUser, "aborted by user"),
        (6, Cause::AbortedBySystem, "aborted by system"),
        (7, Cause::AbortedByScriptError, "aborted by a script error"),
        (8, Cause::AbortedByThreshold, "aborted by a threshold"),
        (9, Cause::AbortedByLimit, "aborted by a limit"),
        (10, Cause::Archived, "archived"),
        (42, Cause::AbortedBySystem, "status 42"),
    ] {
        check(&with(number), cause, &format!("GCk6 reports the test run as {words}"));
    }
    (-2..=3).for_each(|number| check_none(&with(number)));
}
