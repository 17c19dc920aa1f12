//! A hundred zones with a run of ten runners each, all at once: memory, state checks.

use std::time::Duration;

use sim::world::World;

use super::agent::Memory;
use super::binary::Binary;
use super::scene::{Scene, zone};
use super::table::Row;
use super::{sample, say};
use crate::cmd::Error;

const ZONES: usize = 100;
const RUNNERS: u64 = 10;
/// Longer than anybody waits: these runs are aborted.
const SCRIPT: Duration = Duration::from_secs(3600);
const START_TIMEOUT: Duration = Duration::from_secs(90);
const END_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two looks at the agent's memory.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

const RESIDENT_GOAL_MB: f64 = 8.0;
const CHECKS_GOAL: f64 = 1.0;
const CHECK_INTERVAL_S: f64 = 10.0;

/// Watches all of them for a while.
pub(super) fn measure(binary: &Binary, duration: Duration, poll: Duration) -> Result<Vec<Row>, Error> {
    say(&format!(
        "crowd: {ZONES} zones with a run of {RUNNERS} runners each, watched for {} s",
        duration.as_secs()
    ));
    let scene = Scene::start("crowd", binary, poll, SCRIPT)?;
    scene.apply_zones(ZONES)?;
    let zones_only = scene.agent.memory()?;
    let ids: Vec<u64> =
        scene.world.with(|world, now| (1..=ZONES).map(|n| world.queue_run(now, &zone(n), RUNNERS)).collect());
    scene.wait("all runners are resumed", START_TIMEOUT, |world| {
        resumed(world) == ZONES * usize::try_from(RUNNERS).unwrap_or(usize::MAX)
    })?;
    let mut active = Memory::default();
    for _ in 0..duration.as_millis() / LOOK_INTERVAL.as_millis() {
        scene.rest(LOOK_INTERVAL);
        let now = scene.agent.memory()?;
        if now.resident > active.resident {
            active = now;
        }
    }
    let checks = scene.world.with(|world, _| {
        for id in &ids {
            world.cloud.abort(*id);
        }
        ids.iter().map(|id| checks_per_interval(world, *id)).fold(0.0, f64::max)
    });
    scene.wait("all runs are over", END_TIMEOUT, |world| ids.iter().all(|id| sample::is_over(world, *id)))?;
    let after = scene.agent.memory()?;
    let mb = |bytes: u64| bytes as f64 / 1e6;
    Ok(vec![
        Row::new("GCk6 state checks per run and 10 s, the most of 100 runs", checks, "checks")
            .goal(CHECKS_GOAL),
        Row::new("resident with 100 zones", mb(zones_only.resident), "MB"),
        Row::new("resident with 100 zones and 100 active runs of 10", mb(active.resident), "MB")
            .goal(RESIDENT_GOAL_MB),
        Row::new("  of it not pages of the binary", mb(active.anonymous), "MB"),
        Row::new("resident after these runs", mb(after.resident), "MB"),
        Row::new("peak of all that", mb(after.peak), "MB"),
    ])
}

fn resumed(world: &World) -> usize {
    world.k6s.all("").filter(|(_, runner)| runner.resumed.is_some()).count()
}

/// State checks of a run in ten seconds, from the poll that listed it until now.
fn checks_per_interval(world: &World, id: u64) -> f64 {
    let run = &world.cloud.runs[&id];
    let age = world.now.saturating_sub(run.listed.unwrap_or_default());
    run.state_reads.len() as f64 / (age.as_secs_f64() / CHECK_INTERVAL_S)
}
