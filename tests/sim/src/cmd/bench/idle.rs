//! An agent with one zone and nothing to do but to renew its lease and to answer probes and scrapes: memory, processor time, bytes per poll.

use std::time::Duration;

use super::binary::Binary;
use super::scene::{Scene, zone};
use super::table::Row;
use super::{failed, say};
use crate::cmd::Error;

/// Between two polls, as users have it.
const POLL: Duration = Duration::from_secs(10);
/// For what follows the registration.
const SETTLE: Duration = Duration::from_secs(3);
const HOUR_S: f64 = 3600.0;

const RESIDENT_GOAL_MB: f64 = 4.0;
const BYTES_GOAL: f64 = 700.0;
const PROCESSOR_GOAL_S: f64 = 1.0;

/// Watches it for a while.
pub(super) fn measure(binary: &Binary, duration: Duration) -> Result<Vec<Row>, Error> {
    say(&format!("idle: one zone, watched for {} s", duration.as_secs()));
    let scene = Scene::start("idle", binary, POLL, Duration::ZERO)?;
    scene.apply_zones(1)?;
    scene.rest(SETTLE);
    let polls = || scene.world.with(|world, _| world.cloud.zones[&zone(1)].polls);
    let before = (polls(), scene.relay.bytes(), scene.agent.processor_time());
    let connections = scene.relay.connections();
    scene.rest_observed(duration)?;
    let after = (polls(), scene.relay.bytes(), scene.agent.processor_time());
    if after.0 == before.0 {
        return Err(failed("watching an idle agent", "it did not poll"));
    }
    if scene.relay.connections() != connections {
        return Err(failed("watching an idle agent", "it does not keep its connection"));
    }
    let bytes = (after.1 - before.1) as f64 / (after.0 - before.0) as f64;
    let memory = scene.agent.memory()?;
    let mut rows = vec![
        Row::new("bytes on the wire per idle poll, TLS on a kept connection", bytes, "B").goal(BYTES_GOAL),
        Row::new("resident, idle with one zone", memory.resident as f64 / 1e6, "MB").goal(RESIDENT_GOAL_MB),
        Row::new("  of it not pages of the binary", memory.anonymous as f64 / 1e6, "MB"),
    ];
    if let (Some(from), Some(to)) = (before.2, after.2) {
        let share = (to.saturating_sub(from)).as_secs_f64() / duration.as_secs_f64();
        rows.push(
            Row::new("processor time idle with one zone", share * HOUR_S, "s per hour")
                .goal(PROCESSOR_GOAL_S),
        );
    }
    Ok(rows)
}
