//! What makes a fact true, where more than one block has it.

use serde_json::json;

use super::world::{RUNNING, World};
use crate::testrun::facts::{DELETION_PATIENCE, RECORD_PATIENCE};
use crate::testrun::proof::Proof;
use crate::testrun::state::Job;
use crate::testrun::termination::Cause;

/// Somebody deletes it, and its time is over.
pub(super) fn deletion_overdue(world: &mut World) {
    world.state.deleting_since = Some(world.now - DELETION_PATIENCE);
}

/// It ends just now.
pub(super) fn termination(world: &mut World) {
    world.ends(Cause::OutOfMemory);
}

/// It ends, which the API server does not take down, while runner 2 goes on.
pub(super) fn stop_overdue(world: &mut World) {
    termination(world);
    world.state.ending_since -= RECORD_PATIENCE;
    if world.runner(2).status.is_none_or(|status| status.has_ended()) {
        world.answers(2, RUNNING);
    }
}

/// GCk6 has not said whose it is.
pub(super) fn unproven(world: &mut World) {
    world.state.proof = Proof::Unknown;
}

/// Of the Job of runner 3 nothing is known.
pub(super) fn job_unseen(world: &mut World) {
    world.job(3, Job::Unclear);
}

/// Runner 3 waits to be let go.
pub(super) fn runner_paused(world: &mut World) {
    world.waits(3);
}

/// GCk6 has not heard why it ends.
pub(super) fn events_due(world: &mut World) {
    termination(world);
    world.state.told = false;
}

/// GCk6 has not heard that it is over.
pub(super) fn finish_due(world: &mut World) {
    world.state.finish = None;
}

/// The pod of runner 3 is still there, and k6 has ended in it.
pub(super) fn pod_left(world: &mut World) {
    world.pod_with(
        3,
        &json!({
            "phase": "Succeeded",
            "containerStatuses": [{ "name": "k6", "state": { "terminated": { "exitCode": 0 } } }],
        }),
    );
}
