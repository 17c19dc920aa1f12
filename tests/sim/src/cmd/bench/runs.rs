//! Runs of two runners, one after the other in one zone: the way from the poll to the TestRun, the end, requests.

use std::time::Duration;

use sim::world::requests_goal;

use super::binary::Binary;
use super::sample::{self, Sample};
use super::say;
use super::scene::{Scene, zone};
use super::table::Row;
use crate::cmd::Error;

const RUNNERS: u64 = 2;
const SCRIPT: Duration = Duration::from_secs(2);
/// The shortest that the agent takes: only what comes after a poll is measured.
const POLL: Duration = Duration::from_secs(1);
/// After how many runs memory is looked at.
const RUNS_TOTAL: usize = 10;
const TIMEOUT: Duration = Duration::from_secs(30);
/// For what follows the last run.
const SETTLE: Duration = Duration::from_secs(1);

const ROUND_TRIPS_GOAL: f64 = 3.0;
const SEEN_GOAL_S: f64 = 2.0;

/// Measures `runs` of them, then lets the rest of [`RUNS_TOTAL`] pass side by side.
pub(super) fn measure(binary: &Binary, runs: usize) -> Result<Vec<Row>, Error> {
    say(&format!("runs: {RUNS_TOTAL} of {RUNNERS} runners, {runs} of them one by one"));
    let scene = Scene::start("runs", binary, POLL, SCRIPT)?;
    scene.apply_zones(1)?;
    let samples =
        (0..runs).map(|_| sample::take(&scene, &zone(1), RUNNERS)).collect::<Result<Vec<_>, _>>()?;
    let rest: Vec<u64> = scene
        .world
        .with(|world, now| (runs..RUNS_TOTAL).map(|_| world.queue_run(now, &zone(1), RUNNERS)).collect());
    scene.wait("all runs are over", TIMEOUT, |world| rest.iter().all(|id| sample::is_over(world, *id)))?;
    scene.rest(SETTLE);
    let memory = scene.agent.memory()?;
    let several = |figure: &str, value: fn(&Sample) -> f64, unit| {
        Row::several(figure, samples.iter().map(value).collect(), unit)
    };
    let rows = [
        several("listed → TestRun created", |sample| sample.round_trips as f64, "round trips")
            .map(|row| row.goal(ROUND_TRIPS_GOAL)),
        several("listed → TestRun created", |sample| sample.to_create.as_secs_f64() * 1e3, "ms"),
        several("listed → 2 runners resumed", |sample| sample.listed_to_resumed.as_secs_f64(), "s"),
        several("last of 2 runners ended → seen", |sample| sample.to_seen.as_secs_f64(), "s")
            .map(|row| row.goal(SEEN_GOAL_S)),
        several("last of 2 runners ended → finished", |sample| sample.to_finish.as_secs_f64(), "s"),
        requests(&samples, RUNNERS),
        Some(Row::new("resident after 10 runs", memory.resident as f64 / 1e6, "MB")),
        Some(Row::new("  of it not pages of the binary", memory.anonymous as f64 / 1e6, "MB")),
    ];
    Ok(rows.into_iter().flatten().collect())
}

/// Requests to the API server, against their goal.
pub(super) fn requests(samples: &[Sample], runners: u64) -> Option<Row> {
    if let Some(sample) = samples.last() {
        let parts: Vec<String> =
            sample.by_verb.iter().map(|(what, count)| format!("{count} {what}")).collect();
        say(&format!("  requests of a run of {runners}: {}", parts.join(", ")));
    }
    let counts = samples.iter().map(|sample| sample.kubernetes_requests as f64).collect();
    let row = Row::several(format!("Kubernetes requests of a run of {runners} runners"), counts, "requests");
    row.map(|row| row.goal(requests_goal(runners) as f64))
}
