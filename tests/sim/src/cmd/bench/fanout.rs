//! Runs of many runners: how soon after the last one answers all are resumed, and how far apart.

use std::time::Duration;

use super::binary::Binary;
use super::scene::{Access, Scene, zone};
use super::table::Row;
use super::{runs, sample, say};
use crate::cmd::Error;

const SCRIPT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_secs(1);

/// The number of runners that the goals are about.
const GOAL_RUNNERS: u64 = 100;
const RESUMED_GOAL_MS: f64 = 100.0;
const SPREAD_GOAL_MS: f64 = 50.0;
/// The same where each call goes through the API server.
const PROXIED_SPREAD_GOAL_MS: f64 = 100.0;

/// Measures runs of so many runners so many times; those that the goals are about, through the API server too.
pub(super) fn measure(binary: &Binary, plan: &[(u64, usize)]) -> Result<Vec<Row>, Error> {
    let mut rows = direct(binary, plan)?;
    for &(runners, times) in plan.iter().filter(|(runners, _)| *runners == GOAL_RUNNERS) {
        rows.extend(proxied(binary, runners, times)?);
    }
    Ok(rows)
}

fn proxied(binary: &Binary, runners: u64, times: usize) -> Result<Option<Row>, Error> {
    let scene = Scene::start_by(Access::Proxy, "proxied", binary, POLL, SCRIPT)?;
    scene.apply_zones(1)?;
    say(&format!("fanout: {times} runs of {runners} runners through the API server"));
    let samples = (0..times).map(|_| sample::take(&scene, &zone(1), runners));
    let spreads =
        samples.map(|sample| Ok(sample?.spread.as_secs_f64() * 1e3)).collect::<Result<_, Error>>()?;
    let row = Row::several(format!("first → last resume, {runners} runners, by proxy"), spreads, "ms");
    Ok(row.map(|row| row.goal(PROXIED_SPREAD_GOAL_MS)))
}

fn direct(binary: &Binary, plan: &[(u64, usize)]) -> Result<Vec<Row>, Error> {
    let scene = Scene::start("fanout", binary, POLL, SCRIPT)?;
    scene.apply_zones(1)?;
    let mut rows = Vec::new();
    for &(runners, times) in plan {
        say(&format!("fanout: {times} runs of {runners} runners"));
        let samples =
            (0..times).map(|_| sample::take(&scene, &zone(1), runners)).collect::<Result<Vec<_>, _>>()?;
        if let Some(sample) = samples.last() {
            let steps: Vec<String> = sample
                .steps
                .iter()
                .map(|(step, at)| format!("{step} {:.1}", at.as_secs_f64() * 1e3))
                .collect();
            say(&format!("  ms after the last answer: {}", steps.join(", ")));
        }
        let several = |what: &str, value: fn(&sample::Sample) -> Duration| {
            let values = samples.iter().map(|sample| value(sample).as_secs_f64() * 1e3).collect();
            Row::several(format!("{what}, {runners} runners"), values, "ms")
        };
        let has_goal = runners == GOAL_RUNNERS;
        let with_goal = |row: Row, goal| if has_goal { row.goal(goal) } else { row };
        rows.extend(
            several("last runner answers → all resumed", |sample| sample.to_resume)
                .map(|row| with_goal(row, RESUMED_GOAL_MS)),
        );
        rows.extend(
            several("first → last resume", |sample| sample.spread).map(|row| with_goal(row, SPREAD_GOAL_MS)),
        );
        rows.extend(several("last runner ended → seen", |sample| sample.to_seen));
        rows.extend(runs::requests(&samples, runners));
    }
    Ok(rows)
}
